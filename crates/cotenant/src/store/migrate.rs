//! Rows of an older format, brought to this one in one transaction when a store is opened. The count of transactions stays: nothing was done but to write it
//! otherwise.
//!
//! | from | what changes |
//! | --- | --- |
//! | 0 | counters of failed checks have 4 bytes; never released, kept as the example that this mechanism is tested with |

use super::{
    FORMAT,
    data::{Data, Row, tampered},
    error::StoreError,
    table::{RowKey, Table},
    unlock::Root,
};
use zeroize::Zeroizing;

/// What becomes of a row with this key; none if it is not one of the format that it is said to have.
type Step = fn(key: &[u8], row: Row) -> Option<Row>;

/// The step from each format to the next.
const STEPS: [Step; FORMAT as usize] = [widen_faults];

/// Rewrites all rows in the format of this program, if they have an older one.
pub(super) fn migrate(data: &mut Data, root: &Root) -> Result<(), StoreError> {
    let steps = &STEPS[usize::from(data.format)..];
    if steps.is_empty() {
        return Ok(());
    }
    let rows = all_rows(data, root)?;
    let write = data.begin()?;
    let before = std::mem::replace(&mut data.format, FORMAT);
    let rewritten = rows.into_iter().try_for_each(|(key, row)| {
        let key = RowKey::stored(&key);
        let row = steps.iter().try_fold(row, |row, step| step(&key.bytes, row)).ok_or_else(|| tampered(&key))?;
        data.put(&write, root, &key, &row)
    });
    let done = rewritten.and_then(|()| data.set_format(&write)).and_then(|()| data.commit(write));
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
