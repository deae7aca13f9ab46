//! Rows of an older format, brought to this one in one transaction when a store is opened. The count of transactions stays: nothing was done but to write it
//! otherwise.
//!
//! | from | what changes |
//! | --- | --- |
//! | 0 | counters of failed checks have 4 bytes; never released, kept as the example that this mechanism is tested with |
//! | 1 | the row of the table state has no sum of all others |

use super::{
    FORMAT,
    data::{Data, Row, tampered},
    error::StoreError,
    row::State,
    table::{RowKey, Table},
    unlock::Root,
};
use zeroize::Zeroizing;

/// What becomes of a row with this key; none if it is not one of the format that it is said to have.
type Step = fn(key: &[u8], row: Row) -> Option<Row>;

/// The step from each format to the next.
const STEPS: [Step; FORMAT as usize] = [widen_faults, |_, row| Some(row)];

/// Rewrites all rows in the format of this program, if they have an older one.
pub(super) fn migrate(data: &mut Data, root: &Root, state: State) -> Result<(), StoreError> {
    let steps = &STEPS[usize::from(data.format)..];
    if steps.is_empty() {
        return Ok(());
    }
    let mut rows = all_rows(data, root)?;
    rows.retain(|(key, _)| Table::of(key) != Some(Table::State));
    let rewritten = rows.into_iter().map(|(key, row)| {
        let row = steps.iter().try_fold(row, |row, step| step(&key, row)).ok_or_else(|| tampered(&RowKey::stored(&key)))?;
        Ok((key, row))
    });
    let rows = rewritten.collect::<Result<Vec<_>, StoreError>>()?;
    let write = data.begin()?;
    let before = std::mem::replace(&mut data.format, FORMAT);
    let filled = data.fill(&write, root, state, rows.iter().map(|(key, row)| (&key[..], &row[..])));
    let done = filled.and_then(|()| data.set_format(&write)).and_then(|()| data.commit(write));
    done.inspect_err(|_| data.format = before)
}

/// The rows of all tables, with their keys.
pub(super) fn all_rows(data: &Data, root: &Root) -> Result<Vec<(Vec<u8>, Row)>, StoreError> {
    data.read(root, |rows| {
        let tables = Table::ALL.iter().map(|&table| RowKey::table(table));
        tables.map(|prefix| rows.scan(&prefix, &prefix, usize::MAX)).collect::<Result<Vec<_>, _>>().map(|tables| tables.concat())
    })
}

/// Format 0 to 1.
fn widen_faults(key: &[u8], row: Row) -> Option<Row> {
    match (Table::of(key), &row[..]) {
        (Some(Table::Faults), [form, count @ ..]) if count.len() == 4 => Some(Zeroizing::new([&[*form], count, &[0; 4]].concat())),
        (Some(Table::Faults), _) => None,
        _ => Some(row),
    }
}
