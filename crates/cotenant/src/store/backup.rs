//! A store as one sealed file, with the files that belong beside it, and back. Rows and share keys are all in it, so it is worth as much to a thief as the
//! store, and an erased share lives on in it: refresh, then destroy old backups. A restored store may be behind what its party has signed, so each of its rooms
//! gets a row that says when it was restored.
//!
//! Layout: a header like that of `keys` (512 bytes, its own magic, wrapping a key of this file and the key that names are hashed with), then one sealed text
//! with the header as associated data. The text: form 2 (1), format of the rows (2), transactions (8), number of keys (4), each slot (4), name (16), key
//! (32); number of rows (8), each key (string) and plain row (string); number of files (2), each name (string) and contents (string).

use super::{
    FORMAT, Store, StoreError,
    data::Row,
    directory,
    field::{Put, Take},
    found,
    migrate::all_rows,
    row::{Restored, ShareRow, State},
    seal::{self, Key},
    slots::{Place, Slot, Stamp},
    sum::Sum,
    table::{RowKey, Table},
    unlock::{Cost, HEADER, HeaderOf, Root, Unlock},
};
use cotenant_core::codec::{BadFormat, Reader, Writer};
use std::{collections::BTreeSet, fs, path::Path};
use zeroize::Zeroizing;

const MAGIC: &[u8; 16] = b"cotenant backup\n";
const FORM: u8 = 2;

/// Files that belong beside a store: names and contents.
pub type Beside = Vec<(String, Zeroizing<Vec<u8>>)>;

/// A backup that has been read, of which nothing has been made.
pub struct Backup {
    contents: Contents,
    beside: Beside,
}

/// All that a store holds but the key that it is sealed with.
pub(super) struct Contents {
    /// The format of the rows.
    pub(super) format: u16,
    /// The key that names are hashed with.
    pub(super) names: Key,
    /// Transactions so far.
    pub(super) count: u64,
    /// The keys of shares.
    pub(super) keys: Vec<(Place, Key)>,
    /// All rows but that of the state, plain, with their keys.
    pub(super) rows: Vec<(Vec<u8>, Row)>,
}

impl Store {
    /// Writes all that the store holds, and the files beside it, to a new file at `path`, which `unlock` opens; gives the number of transactions so far.
    ///
    /// # Errors
    /// If there is a file already, it cannot be written, or a row cannot be read.
    pub fn backup(&self, path: &Path, unlock: &Unlock, beside: &Beside) -> Result<u64, StoreError> {
        self.backup_at_cost(path, unlock, beside, Cost::STANDARD)
    }

    pub(super) fn backup_at_cost(&self, path: &Path, unlock: &Unlock, beside: &Beside, cost: Cost) -> Result<u64, StoreError> {
        let contents = self.contents()?;
        let root = contents.new_root()?;
        let header = HeaderOf { magic: MAGIC, path }.make_header(&root, unlock, cost)?;
        let sealed = root.master.seal(&header, &contents.encode(beside))?;
        directory::write_new(path, &[&header[..], &sealed].concat())?;
        Ok(contents.count)
    }

    pub(super) fn contents(&self) -> Result<Contents, StoreError> {
        let mut rows = all_rows(&self.data, &self.root)?;
        rows.retain(|(key, _)| Table::of(key) != Some(Table::State));
        let shares = rows.iter().filter(|(key, _)| Table::of(key) == Some(Table::Shares));
        let mut keys = Vec::new();
        for place in shares.filter_map(|(_, row)| ShareRow::decode(row).ok()).map(|row| row.place) {
            // A share whose key is gone stays without one.
            if let Slot::Full(name, key) = self.slots.slot(&self.root, place.slot)?
                && name == place.name
            {
                keys.push((place, key));
            }
        }
        Ok(Contents { format: FORMAT, names: self.root.names.copy(), count: self.state.stamp.count, keys, rows })
    }
}

impl Backup {
    /// Reads the backup at `path`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(path: &Path, unlock: &Unlock) -> Result<Backup, StoreError> {
        let bytes = fs::read(path).map_err(|source| StoreError::io(path, source))?;
        let bad = || StoreError::Header { path: path.to_owned() };
        let (header, sealed) = bytes.split_first_chunk::<HEADER>().ok_or_else(bad)?;
        let root = HeaderOf { magic: MAGIC, path }.open_header(header, unlock)?;
        let text = root.master.open(header, sealed).ok_or_else(|| StoreError::Backup { path: path.to_owned() })?;
        Self::decode(&text, root.names).map_err(|_| StoreError::Backup { path: path.to_owned() })
    }

    /// The files that belong beside the store.
    pub fn beside(&self) -> &Beside {
        &self.beside
    }

    /// How many transactions the store had seen.
    pub fn transactions(&self) -> u64 {
        self.contents.count
    }

    /// Whether it is of this store, or of one that this was made of.
    pub fn is_of(&self, store: &Store) -> bool {
        RowKey::room(Table::State, &self.contents.names, &[0; 16]).bytes == RowKey::room(Table::State, &store.root.names, &[0; 16]).bytes
    }

    /// Makes a store at `dir`, where nothing is yet, and opens it. It is opened by `unlock` from now on, and knows that it was restored at this time, in
    /// seconds since 1970.
    ///
    /// # Errors
    /// Why it cannot be written.
    pub fn restore(mut self, dir: &Path, unlock: &Unlock, at: i64) -> Result<Store, StoreError> {
        self.contents.mark(at);
        found(dir, unlock, &self.contents)
    }

    fn decode(text: &[u8], names: Key) -> Result<Self, BadFormat> {
        let mut reader = Reader::new(text);
        reader.form(FORM)?;
        let contents = Contents::read(&mut reader, names)?;
        let file = |reader: &mut Reader<'_>| {
            let name = String::from_utf8(reader.string()?.to_vec()).map_err(|_| BadFormat)?;
            Ok((name, Zeroizing::new(reader.string()?.to_vec())))
        };
        let files = reader.u16()?;
        let beside = (0..files).map(|_| file(&mut reader)).collect::<Result<_, _>>()?;
        reader.end()?;
        Ok(Backup { contents, beside })
    }
}

impl Contents {
    /// Of a store that is new.
    pub(super) fn empty() -> Result<Self, StoreError> {
        Ok(Contents { format: FORMAT, names: Key::random()?, count: 0, keys: Vec::new(), rows: Vec::new() })
    }

    /// A new key to seal them with.
    pub(super) fn new_root(&self) -> Result<Root, StoreError> {
        Ok(Root { master: Key::random()?, names: self.names.copy() })
    }

    /// The state of a store made of them: that counts as a transaction.
    pub(super) fn new_state(&self) -> Result<State, StoreError> {
        Ok(State { stamp: Stamp { count: self.count + 1, random: seal::random()? }, before: [0; 16], rows: Sum::default() })
    }

    /// Notes in every room of which there is anything that it was restored.
    fn mark(&mut self, at: i64) {
        self.rows.retain(|(key, _)| Table::of(key) != Some(Table::Restored));
        let rooms: BTreeSet<Vec<u8>> = self.rows.iter().filter_map(|(key, _)| RowKey::in_same_room(key, Table::Restored)).collect();
        let row = Zeroizing::new(Restored { at, heard: false }.encode());
        self.rows.extend(rooms.into_iter().map(|key| (key, row.clone())));
    }

    fn encode(&self, beside: &Beside) -> Zeroizing<Vec<u8>> {
        let head = Writer::new().u8(FORM).u16(self.format).u64(self.count).u32(self.keys.len() as u32).done();
        let rows: usize = self.rows.iter().map(|(key, row)| key.len() + row.len() + 8).sum();
        let files: usize = beside.iter().map(|(name, contents)| name.len() + contents.len() + 8).sum();
        // Never grown, so that no copy of a key is left where it grew from.
        let mut text = Zeroizing::new(Vec::with_capacity(head.len() + 52 * self.keys.len() + 8 + rows + 2 + files));
        text.extend_from_slice(&head);
        for (place, key) in &self.keys {
            text.extend_from_slice(&place.slot.to_le_bytes());
            text.extend_from_slice(&place.name);
            text.extend_from_slice(key.bytes());
        }
        text.extend_from_slice(&(self.rows.len() as u64).to_le_bytes());
        for (key, row) in &self.rows {
            put_string(&mut text, key);
            put_string(&mut text, row);
        }
        text.extend_from_slice(&(beside.len() as u16).to_le_bytes());
        for (name, contents) in beside {
            put_string(&mut text, name.as_bytes());
            put_string(&mut text, contents);
        }
        text
    }

    fn read(reader: &mut Reader<'_>, names: Key) -> Result<Self, BadFormat> {
        let format = reader.u16()?;
        let (count, keys) = (reader.u64()?, reader.u32()?);
        let key = |reader: &mut Reader<'_>| {
            let place = Place { slot: reader.u32()?, name: reader.array()? };
            Ok((place, Key::new(Zeroizing::new(reader.array()?))))
        };
        let keys = (0..keys).map(|_| key(reader)).collect::<Result<_, _>>()?;
        let rows = reader.u64()?;
        let row = |reader: &mut Reader<'_>| Ok((reader.string()?.to_vec(), Zeroizing::new(reader.string()?.to_vec())));
        let rows = (0..rows).map(|_| row(reader)).collect::<Result<_, _>>()?;
        if format <= FORMAT { Ok(Contents { format, names, count, keys, rows }) } else { Err(BadFormat) }
    }
}

/// Appends a string without a copy of it elsewhere.
fn put_string(text: &mut Vec<u8>, string: &[u8]) {
    text.extend_from_slice(&(string.len() as u32).to_le_bytes());
    text.extend_from_slice(string);
}
