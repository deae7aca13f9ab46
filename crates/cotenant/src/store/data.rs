//! The file `data`: a redb database with two tables. `format` has one row, "format": the version of all rows (2 bytes) and the name of the program that wrote
//! it. `rows` has all else, each value sealed under the master key with `"cotenant row" || format (2) || key` as associated data, so that a row opens only
//! at its place.

use super::{
    FORMAT,
    error::StoreError,
    row::State,
    sum::Sum,
    table::RowKey,
    unlock::{Root, created_by},
};
use cotenant_core::codec::BadFormat;
use redb::{Database, Durability, ReadableDatabase, ReadableTable, StorageBackend, TableDefinition, WriteTransaction};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const ROWS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
const FORMATS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("format");
/// Bytes of the file that are kept in memory.
const CACHE: usize = 4 << 20;

/// The plain bytes of a row.
pub(super) type Row = Zeroizing<Vec<u8>>;

/// The open database.
pub(super) struct Data {
    database: Database,
    path: PathBuf,
    /// The version of its rows.
    pub(super) format: u16,
}

impl Data {
    /// Fills an empty file with rows, and with a state to which their sum is added.
    pub(super) fn found<'r>(
        file: impl StorageBackend,
        path: &Path,
        root: &Root,
        format: u16,
        state: State,
        rows: impl Iterator<Item = (&'r [u8], &'r [u8])>,
    ) -> Result<(), StoreError> {
        let data = Data { database: database(file, path)?, path: path.to_owned(), format };
        let write = data.begin()?;
        data.set_format(&write)?;
        data.fill(&write, root, state, rows)?;
        data.commit(write)
    }

    /// Puts all rows, in place of those that are there under the same keys and nothing else, and the state with their sum.
    pub(super) fn fill<'r>(
        &self,
        write: &WriteTransaction,
        root: &Root,
        mut state: State,
        rows: impl Iterator<Item = (&'r [u8], &'r [u8])>,
    ) -> Result<(), StoreError> {
        state.rows = Sum::default();
        for (key, row) in rows {
            let sealed = root.master.seal(&self.context(key), row)?;
            state.rows ^= Sum::of(&root.names, key, &sealed);
            self.insert(write, key, &sealed)?;
        }
        self.put_state(write, root, &state)
    }

    /// The database in `file`, which errors call `path`.
    pub(super) fn open(file: impl StorageBackend, path: &Path) -> Result<Self, StoreError> {
        let database = database(file, path)?;
        let blank = |_| StoreError::Blank { path: path.to_owned() };
        let read = database.begin_read().map_err(|error| StoreError::database(path, error))?;
        let formats = read.open_table(FORMATS).map_err(|error| match error {
            redb::TableError::TableDoesNotExist(_) => StoreError::Blank { path: path.to_owned() },
            error => StoreError::database(path, error),
        })?;
        let row = formats.get("format").map_err(|error| StoreError::database(path, error))?;
        let row = row.ok_or(BadFormat).map_err(blank)?;
        let found = row.value().first_chunk().ok_or(BadFormat).map_err(blank)?;
        let format = u16::from_le_bytes(*found);
        if format > FORMAT {
            return Err(StoreError::Newer { path: path.to_owned(), found: format, known: FORMAT });
        }
        drop((row, formats, read));
        Ok(Data { database, path: path.to_owned(), format })
    }

    /// Notes in `write` that rows have the version [`Data::format`].
    pub(super) fn set_format(&self, write: &WriteTransaction) -> Result<(), StoreError> {
        let row = [&self.format.to_le_bytes()[..], &created_by()].concat();
        let mut formats = write.open_table(FORMATS).map_err(|error| self.failed(error))?;
        formats.insert("format", &row[..]).map(drop).map_err(|error| self.failed(error))
    }

    /// A transaction. Commits are durable, in two phases: first all pages, then the root that leads to them.
    pub(super) fn begin(&self) -> Result<WriteTransaction, StoreError> {
        let mut write = self.database.begin_write().map_err(|error| self.failed(error))?;
        write.set_durability(Durability::Immediate).map_err(|error| self.failed(error))?;
        write.set_two_phase_commit(true);
        Ok(write)
    }

    pub(super) fn commit(&self, write: WriteTransaction) -> Result<(), StoreError> {
        write.commit().map_err(|error| self.failed(error))
    }

    /// Calls `reading` with the rows as the last transaction left them.
    pub(super) fn read<T>(&self, root: &Root, reading: impl FnOnce(&dyn Rows) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let read = self.database.begin_read().map_err(|error| self.failed(error))?;
        let table = read.open_table(ROWS).map_err(|error| self.failed(error))?;
        reading(&Opened { table, root, data: self })
    }

    /// Calls `reading` with the rows as `write` has them so far.
    pub(super) fn read_in<T>(
        &self,
        write: &WriteTransaction,
        root: &Root,
        reading: impl FnOnce(&dyn Rows) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let table = write.open_table(ROWS).map_err(|error| self.failed(error))?;
        reading(&Opened { table, root, data: self })
    }

    /// Puts `row` at `key`. By what that changes the sum of all rows.
    pub(super) fn put(&self, write: &WriteTransaction, root: &Root, key: &RowKey, row: &[u8]) -> Result<Sum, StoreError> {
        let sealed = root.master.seal(&self.context(&key.bytes), row)?;
        let mut change =
            self.insert(write, &key.bytes, &sealed)?.map_or(Sum::default(), |before| Sum::of(&root.names, &key.bytes, &before));
        change ^= Sum::of(&root.names, &key.bytes, &sealed);
        Ok(change)
    }

    /// Puts the state.
    pub(super) fn put_state(&self, write: &WriteTransaction, root: &Root, state: &State) -> Result<(), StoreError> {
        let key = RowKey::state().bytes;
        let sealed = root.master.seal(&self.context(&key), &state.encode(self.format))?;
        self.insert(write, &key, &sealed).map(drop)
    }

    /// Takes the row at `key` away. By what that changes the sum of all rows.
    pub(super) fn remove(&self, write: &WriteTransaction, root: &Root, key: &RowKey) -> Result<Sum, StoreError> {
        let mut table = write.open_table(ROWS).map_err(|error| self.failed(error))?;
        let before = table.remove(&key.bytes[..]).map_err(|error| self.failed(error))?;
        Ok(before.map_or(Sum::default(), |before| Sum::of(&root.names, &key.bytes, before.value())))
    }

    /// Puts what is sealed, and gives what was there.
    fn insert(&self, write: &WriteTransaction, key: &[u8], sealed: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let mut table = write.open_table(ROWS).map_err(|error| self.failed(error))?;
        let before = table.insert(key, sealed).map_err(|error| self.failed(error))?;
        Ok(before.map(|before| before.value().to_vec()))
    }

    /// The sum of all rows as they are in the file.
    pub(super) fn sum(&self, root: &Root) -> Result<Sum, StoreError> {
        let read = self.database.begin_read().map_err(|error| self.failed(error))?;
        let table = read.open_table(ROWS).map_err(|error| self.failed(error))?;
        let (state, mut sum) = (RowKey::state().bytes, Sum::default());
        for row in table.iter().map_err(|error| self.failed(error))? {
            let (key, sealed) = row.map_err(|error| self.failed(error))?;
            if key.value() != state {
                sum ^= Sum::of(&root.names, key.value(), sealed.value());
            }
        }
        Ok(sum)
    }

    /// Puts bytes at `key` that may not be a sealed row.
    #[cfg(test)]
    pub(super) fn put_raw(&self, write: &WriteTransaction, key: &[u8], bytes: &[u8]) {
        write.open_table(ROWS).unwrap().insert(key, bytes).unwrap();
    }

    /// All rows as they are stored.
    #[cfg(test)]
    pub(super) fn raw(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let read = self.database.begin_read().unwrap();
        let rows = read.open_table(ROWS).unwrap();
        rows.iter().unwrap().map(|row| row.unwrap()).map(|(key, row)| (key.value().to_vec(), row.value().to_vec())).collect()
    }

    /// How many transactions it has seen.
    pub(super) fn state(&self, root: &Root) -> Result<State, StoreError> {
        let row = self.read(root, |rows| rows.get(&RowKey::state()))?;
        let row = row.ok_or_else(|| StoreError::Blank { path: self.path.clone() })?;
        State::decode(&row, self.format).map_err(|_| tampered(&RowKey::state()))
    }

    fn context(&self, key: &[u8]) -> Vec<u8> {
        [&b"cotenant row"[..], &self.format.to_le_bytes(), key].concat()
    }

    fn failed(&self, error: impl Into<redb::Error>) -> StoreError {
        StoreError::database(&self.path, error)
    }
}

/// Reading rows.
pub trait Rows {
    /// The row at `key`.
    fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError>;

    /// The rows whose keys start with `prefix`, at most so many, the first at `from` or after; each with its key.
    fn scan(&self, prefix: &RowKey, from: &RowKey, most: usize) -> Result<Vec<(Vec<u8>, Row)>, StoreError>;

    /// The key of the last row whose key starts with `prefix`.
    fn last(&self, prefix: &RowKey) -> Result<Option<Vec<u8>>, StoreError>;
}

struct Opened<'a, T> {
    table: T,
    root: &'a Root,
    data: &'a Data,
}

impl<T> Opened<'_, T> {
    fn open(&self, key: &RowKey, sealed: &[u8]) -> Result<Row, StoreError> {
        self.root.master.open(&self.data.context(&key.bytes), sealed).ok_or_else(|| tampered(key))
    }
}

impl<T: ReadableTable<&'static [u8], &'static [u8]>> Rows for Opened<'_, T> {
    fn get(&self, key: &RowKey) -> Result<Option<Row>, StoreError> {
        let sealed = self.table.get(&key.bytes[..]).map_err(|error| self.data.failed(error))?;
        sealed.map(|sealed| self.open(key, sealed.value())).transpose()
    }

    fn scan(&self, prefix: &RowKey, from: &RowKey, most: usize) -> Result<Vec<(Vec<u8>, Row)>, StoreError> {
        let after = after(&prefix.bytes);
        let range = self.table.range(&from.bytes[..]..&after[..]).map_err(|error| self.data.failed(error))?;
        range
            .take(most)
            .map(|row| {
                let (key, sealed) = row.map_err(|error| self.data.failed(error))?;
                Ok((key.value().to_vec(), self.open(&RowKey::stored(key.value()), sealed.value())?))
            })
            .collect()
    }

    fn last(&self, prefix: &RowKey) -> Result<Option<Vec<u8>>, StoreError> {
        let after = after(&prefix.bytes);
        let mut range = self.table.range(&prefix.bytes[..]..&after[..]).map_err(|error| self.data.failed(error))?;
        let last = range.next_back().transpose().map_err(|error| self.data.failed(error))?;
        Ok(last.map(|(key, _)| key.value().to_vec()))
    }
}

/// The row at `key` is not what was stored there.
pub(super) fn tampered(key: &RowKey) -> StoreError {
    StoreError::Tampered { table: key.place(), key: key.text() }
}

/// The first key after all that start with `prefix`, whose first byte is a table's number.
fn after(prefix: &[u8]) -> Vec<u8> {
    let mut after = prefix.to_vec();
    while after.pop_if(|last| *last == 0xff).is_some() {}
    after.last_mut().into_iter().for_each(|last| *last += 1);
    after
}

fn database(file: impl StorageBackend, path: &Path) -> Result<Database, StoreError> {
    let mut builder = Database::builder();
    builder.set_cache_size(CACHE);
    builder.create_with_backend(file).map_err(|error| StoreError::database(path, error))
}
