//! What a party keeps for years: its rooms, its shares, what it has signed and what it has done. One directory, mode 0700, one process at a time.
//!
//! | file | what |
//! | --- | --- |
//! | `data` | a redb database: all rows, each sealed (`store/data.rs`) |
//! | `keys` | the header that says what opens the store, and the keys of shares in slots that are overwritten in place (`store/slots.rs`) |
//! | `lock` | empty; locked by the process that has the store open |
//!
//! redb and not SQLite: both are durable on return, but redb is Rust without unsafe code of ours or a C compiler, and its storage is a trait, so that a test
//! can stop it at every write and drop what was not synced. A commit syncs the file twice, once before and once after the root moves (its two-phase mode).
//! Its pages are copied on write and its checksums are not cryptographic; hence values are sealed here, and keys of shares stand outside of it.
//!
//! **Erasure.** A database that copies on write keeps what was deleted until the page is used again. So each version of a share is sealed under a key of its
//! own, and that key stands in one sector of `keys`. Erasing overwrites that sector and syncs. Where the file system and the disk write in place (ext4, XFS
//! on a magnetic disk) the share is then gone from this machine; a solid-state disk, a copy-on-write file system (Btrfs, ZFS), a snapshot or a journal of
//! data may keep the old sector until they use it again, and then whoever has that sector, the database and the passphrase has the share. Encryption of the
//! whole disk, or a key file on a medium that can be destroyed, narrows that. Copies and backups keep what they hold.
//!
//! **Rolling back.** Both files count transactions. An older database beside newer keys is refused, and the other way round, and so is a database of which
//! single rows were put back or taken away (`store/sum.rs`); both files older at once look as they did then, and only the other parties can tell
//! (`commit::Report::Old`, and the heads of logs that they were told).
//!
//! The layout byte by byte is in `docs/formats-store.md`.

mod backup;
mod data;
mod directory;
mod error;
pub(crate) mod field;
mod migrate;
pub(crate) mod record;
mod room;
mod row;
mod seal;
mod slots;
mod sum;
mod table;
mod transaction;
mod unlock;

pub use backup::{Backup, Beside};
pub(crate) use directory::write_new;
pub use error::{RESTORE, StoreError};
pub use record::{Signature, SignedRecord};
pub use room::{Against, Room, Source};
pub use row::{Restored, RoomEpoch};
pub use table::Table;
pub use transaction::Transaction;
pub use unlock::{Unlock, make_key_file};

use backup::Contents;
use data::{Data, Rows, tampered};
use directory::{Directory, Locked};
use redb::{StorageBackend, backends::FileBackend};
use room::Read;
use row::{ShareRow, State};
use slots::{Place, Slot, Slots};
use std::path::{Path, PathBuf};
use table::RowKey;
use unlock::{Cost, HeaderOf, Root};

/// The version of the files that this program writes, and the newest that it reads.
pub const FORMAT: u16 = 2;

/// An open store.
pub struct Store {
    data: Data,
    slots: Slots,
    root: Root,
    state: State,
    /// Whether a commit has failed, so that what is on disk is not known.
    failed: bool,
    /// Held until the files are closed: fields are dropped in their order.
    _lock: Option<Locked>,
}

/// The two files of a store, and what errors call them.
struct Files<D> {
    data: D,
    keys: Box<dyn StorageBackend>,
    data_path: PathBuf,
    keys_path: PathBuf,
}

impl Store {
    /// Makes an empty store at `dir`, where nothing is yet, and opens it. After a crash it is there as a whole or not at all.
    ///
    /// # Errors
    /// If something is there already, or it cannot be written.
    pub fn create(dir: &Path, unlock: &Unlock) -> Result<Store, StoreError> {
        found(dir, unlock, &Contents::empty()?)
    }

    /// Opens the store at `dir`. What a crash cut off is finished, and rows of an older format are rewritten.
    ///
    /// # Errors
    /// What is wrong with which file, or [`StoreError::WrongKey`]; nothing was changed then.
    pub fn open(dir: &Path, unlock: &Unlock) -> Result<Store, StoreError> {
        let directory = Directory::new(dir);
        let lock = directory.lock()?;
        let files = directory.files()?;
        Self::open_files(files, unlock, Some(lock))
    }

    fn open_files(files: Files<impl StorageBackend>, unlock: &Unlock, lock: Option<Locked>) -> Result<Store, StoreError> {
        let mut slots = Slots::new(files.keys, files.keys_path);
        let root = slots.unlock(unlock)?;
        let mut data = Data::open(files.data, &files.data_path)?;
        let state = data.state(&root)?;
        let behind = check_stamps(&slots, &root, &state)?;
        migrate::migrate(&mut data, &root, state)?;
        let state = data.state(&root)?;
        let used = used(&data, &root)?;
        // Before anything is destroyed: the key of a row that was taken away is a key of nothing.
        if data.sum(&root)? != state.rows {
            return Err(StoreError::Rows { path: files.data_path });
        }
        slots.look(&used)?;
        if behind {
            slots.give_up(&root, &[], state.stamp)?;
        }
        Ok(Store { data, slots, root, state, failed: false, _lock: lock })
    }

    /// How many transactions it has seen.
    pub fn transactions(&self) -> u64 {
        self.state.stamp.count
    }

    /// One room's part.
    pub fn room(&self, id: [u8; 16]) -> Room<&Store> {
        Room::new(self, id)
    }
}

impl Read for Store {
    fn read<T>(&self, reading: impl FnOnce(&dyn Rows) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.data.read(&self.root, reading)
    }

    fn root(&self) -> &Root {
        &self.root
    }

    fn slot(&self, place: &Place) -> Result<Slot, StoreError> {
        self.slots.slot(&self.root, place.slot)
    }
}

/// Whether the keys have yet to note the database's last transaction, as after a crash.
fn check_stamps(slots: &Slots, root: &Root, state: &State) -> Result<bool, StoreError> {
    let (stamp, broken) = slots.stamp(root)?;
    let (data, keys) = (state.stamp.count, stamp.count);
    let same = match data.checked_sub(keys) {
        None => return Err(StoreError::DataOlder { data, keys }),
        // Only a crash breaks a cell, and it leaves the count in the other one behind.
        Some(0) if broken => return Err(slots.changed()),
        Some(0) => state.stamp.random == stamp.random,
        Some(1) => state.before == stamp.random,
        Some(_) => return Err(StoreError::KeysOlder { data, keys }),
    };
    if same { Ok(data > keys) } else { Err(StoreError::Forked { transaction: keys }) }
}

/// Where the keys of all stored shares are. One row that does not open is an error: its key must not be taken for one of nothing.
fn used(data: &Data, root: &Root) -> Result<Vec<Place>, StoreError> {
    let prefix = RowKey::table(Table::Shares);
    let rows = data.read(root, |rows| rows.scan(&prefix, &prefix, usize::MAX))?;
    rows.iter().map(|(key, row)| ShareRow::decode(row).map(|row| row.place).map_err(|_| tampered(&RowKey::stored(key)))).collect()
}

/// Makes a store of `contents` at `dir`, and opens it.
fn found(dir: &Path, unlock: &Unlock, contents: &Contents) -> Result<Store, StoreError> {
    let directory = Directory::new(dir);
    directory.found(|files| found_files(files, unlock, Cost::STANDARD, contents))?;
    Store::open(dir, unlock)
}

fn found_files(files: Files<impl StorageBackend>, unlock: &Unlock, cost: Cost, contents: &Contents) -> Result<(), StoreError> {
    let root = contents.new_root()?;
    let header = HeaderOf { magic: slots::MAGIC, path: &files.keys_path }.make_header(&root, unlock, cost)?;
    let state = contents.new_state()?;
    Slots::new(files.keys, files.keys_path).found(&header, &root, state.stamp, &contents.keys)?;
    let rows = contents.rows.iter().map(|(key, row)| (&key[..], &row[..]));
    Data::found(files.data, &files.data_path, &root, contents.format, state, rows)
}

impl Files<FileBackend> {
    fn new(directory: &Path, data: std::fs::File, keys: std::fs::File) -> Result<Self, StoreError> {
        let (data_path, keys_path) = (directory.join("data"), directory.join("keys"));
        let backend = |file, path: &Path| FileBackend::new(file).map_err(|error| StoreError::database(path, error));
        Ok(Files { data: backend(data, &data_path)?, keys: Box::new(backend(keys, &keys_path)?), data_path, keys_path })
    }
}

#[cfg(test)]
pub(crate) mod tests;
