//! A store as one sealed file, and back. Rows and share keys are all in it, so it is worth as much to a thief as the store, and an erased share lives on in
//! it: refresh, then destroy old backups. A restored store may be behind what its party has signed; the other parties notice.
//!
//! Layout: a header like that of `keys` (512 bytes, its own magic, wrapping a key of this file and the key that names are hashed with), then one sealed text
//! with the header as associated data. The text: form 1 (1), format of the rows (2), transactions (8), number of keys (4), each slot (4), name (16), key
//! (32); number of rows (8), each key (string) and plain row (string).

use super::{
    FORMAT, Store, StoreError,
    data::Row,
    directory,
    field::{Put, Take},
    found,
    migrate::all_rows,
    row::{ShareRow, State},
    seal::{self, Key},
    slots::{Place, Slot, Stamp},
    table::Table,
    unlock::{Cost, HEADER, HeaderOf, Root, Unlock},
};
use cotenant_core::codec::{BadFormat, Reader, Writer};
use std::{fs, path::Path};
use zeroize::Zeroizing;

const MAGIC: &[u8; 16] = b"cotenant backup\n";
const FORM: u8 = 1;

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
    /// Writes all that the store holds to a new file at `path`, which `unlock` opens.
    ///
    /// # Errors
    /// If there is a file already, it cannot be written, or a row cannot be read.
    pub fn backup(&self, path: &Path, unlock: &Unlock) -> Result<(), StoreError> {
        self.backup_at_cost(path, unlock, Cost::STANDARD)
    }

    pub(super) fn backup_at_cost(&self, path: &Path, unlock: &Unlock, cost: Cost) -> Result<(), StoreError> {
        let contents = self.contents()?;
        let root = contents.new_root()?;
        let header = HeaderOf { magic: MAGIC, path }.make_header(&root, unlock, cost)?;
        let sealed = root.master.seal(&header, &contents.encode())?;
        directory::write_new(path, &[&header[..], &sealed].concat())
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

/// Makes a store at `dir`, where nothing is yet, from the backup at `path`, and opens it. It is opened by `new_unlock` from now on.
///
/// # Errors
/// What is wrong with the backup, or why the store cannot be written.
pub fn restore(path: &Path, unlock: &Unlock, dir: &Path, new_unlock: &Unlock) -> Result<Store, StoreError> {
    found(dir, new_unlock, &read(path, unlock)?)
}

fn read(path: &Path, unlock: &Unlock) -> Result<Contents, StoreError> {
    let bytes = fs::read(path).map_err(|source| StoreError::io(path, source))?;
    let bad = || StoreError::Header { path: path.to_owned() };
    let (header, sealed) = bytes.split_first_chunk::<HEADER>().ok_or_else(bad)?;
    let root = HeaderOf { magic: MAGIC, path }.open_header(header, unlock)?;
    let text = root.master.open(header, sealed).ok_or_else(|| StoreError::Backup { path: path.to_owned() })?;
    Contents::decode(&text, root.names).map_err(|_| StoreError::Backup { path: path.to_owned() })
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
        Ok(State { stamp: Stamp { count: self.count + 1, random: seal::random()? }, before: [0; 16] })
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let head = Writer::new().u8(FORM).u16(self.format).u64(self.count).u32(self.keys.len() as u32).done();
        let rows: usize = self.rows.iter().map(|(key, row)| key.len() + row.len() + 8).sum();
        // Never grown, so that no copy of a key is left where it grew from.
        let mut text = Zeroizing::new(Vec::with_capacity(head.len() + 52 * self.keys.len() + 8 + rows));
        text.extend_from_slice(&head);
        for (place, key) in &self.keys {
            text.extend_from_slice(&place.slot.to_le_bytes());
            text.extend_from_slice(&place.name);
            text.extend_from_slice(key.bytes());
        }
        text.extend_from_slice(&(self.rows.len() as u64).to_le_bytes());
        for (key, row) in &self.rows {
            text.extend_from_slice(&Writer::new().string(key).string(row).done());
        }
        text
    }

    fn decode(text: &[u8], names: Key) -> Result<Self, BadFormat> {
        let mut reader = Reader::new(text);
        reader.form(FORM)?;
        let format = reader.u16()?;
        let (count, keys) = (reader.u64()?, reader.u32()?);
        let key = |reader: &mut Reader<'_>| {
            let place = Place { slot: reader.u32()?, name: reader.array()? };
            Ok((place, Key::new(Zeroizing::new(reader.array()?))))
        };
        let keys = (0..keys).map(|_| key(&mut reader)).collect::<Result<_, _>>()?;
        let rows = reader.u64()?;
        let row = |reader: &mut Reader<'_>| Ok((reader.string()?.to_vec(), Zeroizing::new(reader.string()?.to_vec())));
        let rows = (0..rows).map(|_| row(&mut reader)).collect::<Result<_, _>>()?;
        reader.end()?;
        if format <= FORMAT { Ok(Contents { format, names, count, keys, rows }) } else { Err(BadFormat) }
    }
}
