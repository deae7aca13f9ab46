//! What a store holds of one room, typed: [`Room`] over a [`Store`] reads what the last transaction left, [`Room`] over a [`Transaction`] reads what it has
//! done so far, and writes.

use super::{
    Store,
    data::{Row, Rows, tampered},
    error::StoreError,
    field::LONGEST,
    record::SignedRecord,
    row::{self, Restored, RoomEpoch, ShareRow},
    seal::Key,
    slots::{Place, Slot, new_place},
    table::{RowKey, Table},
    transaction::Transaction,
    unlock::Root,
};
use cotenant_agent::vault::commit::statement::Version;
use cotenant_core::{codec::BadFormat, domain::Digest};
use cotenant_net::PublicIdentity;
use std::ops::Deref;
use zeroize::Zeroizing;

/// What [`Room`] reads from: a store or a transaction. Nobody else can be one.
pub trait Source: Read {}

impl<T: Read> Source for T {}

mod sealed {
    use super::*;

    pub trait Read {
        /// Calls `reading` with the rows.
        fn read<T>(&self, reading: impl FnOnce(&dyn Rows) -> Result<T, StoreError>) -> Result<T, StoreError>;

        fn root(&self) -> &Root;

        /// What the slot at `place` holds.
        fn slot(&self, place: &Place) -> Result<Slot, StoreError>;
    }
}

pub(super) use sealed::Read;

/// One room's part of a store.
pub struct Room<S> {
    source: S,
    id: [u8; 16],
}

/// Against whom failed checks are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// A party that the check names.
    Party(PublicIdentity),
    /// The members of the room together, where the check names none of them.
    Members,
}

impl<S> Room<S> {
    pub(super) fn new(source: S, id: [u8; 16]) -> Self {
        Room { source, id }
    }
}

impl<S: Deref<Target: Source>> Room<S> {
    /// The signed parameters of `epoch`.
    ///
    /// # Errors
    /// If the row cannot be read; so too below.
    pub fn epoch(&self, epoch: u32) -> Result<Option<RoomEpoch>, StoreError> {
        self.get(&self.epoch_key(epoch), |row| RoomEpoch::decode(row).map(|(_, epoch)| epoch))
    }

    /// The signed parameters of all epochs, in their order.
    pub fn epochs(&self) -> Result<Vec<RoomEpoch>, StoreError> {
        self.all(&self.key(Table::Rooms), |row| RoomEpoch::decode(row).map(|(_, epoch)| epoch))
    }

    /// How the room comes about and changes, in the form of [`crate::serve::room`].
    ///
    /// # Errors
    /// If the row cannot be read; so too below.
    pub fn assembly(&self) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        self.get(&self.key(Table::Assemblies), |row| row::decode_room(row).map(|(_, bytes)| Zeroizing::new(bytes)))
    }

    /// That the room was restored from a backup, if it was.
    pub fn restored(&self) -> Result<Option<Restored>, StoreError> {
        self.get(&self.key(Table::Restored), Restored::decode)
    }

    /// The canonical bytes of an item's description.
    pub fn item(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(&self.item_key(Table::Items, name), |row| row::decode_named(row).map(|(_, description)| description))
    }

    /// All items: names and descriptions.
    pub fn items(&self) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        self.all(&self.key(Table::Items), row::decode_named)
    }

    /// This party's share of `version` of an item; none if it was never stored or was erased.
    ///
    /// # Errors
    /// [`StoreError::KeyGone`] if the share stands but its key does not.
    pub fn share(&self, item: &str, version: &Version<Digest>) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let key = self.share_key(item, version);
        let Some(ShareRow { place, sealed }) = self.get(&key, ShareRow::decode)? else { return Ok(None) };
        match self.source.slot(&place)? {
            Slot::Full(name, share_key) if name == place.name => {
                share_key.open(&share_context(&key), &sealed).map(Some).ok_or_else(|| tampered(&key))
            }
            _ => Err(StoreError::KeyGone { key: key.text() }),
        }
    }

    /// The versions of an item of which a share is stored, oldest first.
    pub fn shares(&self, item: &str) -> Result<Vec<Version<Digest>>, StoreError> {
        let prefix = self.item_key(Table::Shares, item);
        let rows = self.scan(&prefix, &prefix, usize::MAX)?;
        rows.iter().map(|(key, _)| RowKey::share_version(key).ok_or_else(|| tampered(&RowKey::stored(key)))).collect()
    }

    /// An item's commit record.
    pub fn record(&self, item: &str) -> Result<Option<SignedRecord>, StoreError> {
        self.get(&self.item_key(Table::Records, item), |row| decode_record(row).map(|(_, record)| record))
    }

    /// The commit records of all items, those that were removed included.
    pub fn records(&self) -> Result<Vec<(String, SignedRecord)>, StoreError> {
        self.all(&self.key(Table::Records), decode_record)
    }

    /// The canonical bytes of an epoch's ledger of approvals: what was approved, and what runs spent it.
    pub fn ledger(&self, epoch: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(&self.ledger_key(epoch), row::decode_bytes)
    }

    /// The number of the newest operation that this party proposed; 0 before the first.
    pub fn operation(&self) -> Result<u64, StoreError> {
        self.number(&self.key(Table::Operations))
    }

    /// How many entries the log has; they are numbered from 0.
    pub fn log_len(&self) -> Result<u64, StoreError> {
        let last = self.source.read(|rows| rows.last(&self.key(Table::Log)))?;
        Ok(last.and_then(|key| RowKey::last_number(&key)).map_or(0, |last| last + 1))
    }

    /// At most so many entries of the log from number `from` on: numbers and canonical bytes.
    pub fn log(&self, from: u64, most: usize) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let rows = self.scan(&self.key(Table::Log), &self.log_key(from), most)?;
        rows.iter().map(|(key, row)| Ok((RowKey::last_number(key).unwrap_or(0), decode(key, row, row::decode_bytes)?))).collect()
    }

    /// The canonical bytes of an operation's receipt.
    pub fn receipt(&self, operation: u64) -> Result<Option<Vec<u8>>, StoreError> {
        self.get(&self.receipt_key(operation), row::decode_bytes)
    }

    /// How many checks have failed since a person last reset the counter.
    pub fn faults(&self, against: &Against) -> Result<u64, StoreError> {
        self.number(&self.fault_key(against))
    }

    fn get<T>(&self, key: &RowKey, read: impl FnOnce(&[u8]) -> Result<T, BadFormat>) -> Result<Option<T>, StoreError> {
        let row = self.source.read(|rows| rows.get(key))?;
        row.map(|row| read(&row).map_err(|_| tampered(key))).transpose()
    }

    fn number(&self, key: &RowKey) -> Result<u64, StoreError> {
        self.get(key, row::decode_number).map(|number| number.unwrap_or(0))
    }

    fn scan(&self, prefix: &RowKey, from: &RowKey, most: usize) -> Result<Vec<(Vec<u8>, Row)>, StoreError> {
        self.source.read(|rows| rows.scan(prefix, from, most))
    }

    fn all<T>(&self, prefix: &RowKey, read: impl Fn(&[u8]) -> Result<T, BadFormat>) -> Result<Vec<T>, StoreError> {
        self.scan(prefix, prefix, usize::MAX)?.iter().map(|(key, row)| decode(key, row, &read)).collect()
    }

    fn key(&self, table: Table) -> RowKey {
        RowKey::room(table, &self.source.root().names, &self.id)
    }

    fn item_key(&self, table: Table, item: &str) -> RowKey {
        RowKey::item(table, &self.source.root().names, &self.id, item)
    }

    fn epoch_key(&self, epoch: u32) -> RowKey {
        self.key(Table::Rooms).number("epoch", epoch.into())
    }

    fn share_key(&self, item: &str, version: &Version<Digest>) -> RowKey {
        self.item_key(Table::Shares, item).version(version)
    }

    fn ledger_key(&self, epoch: u32) -> RowKey {
        self.key(Table::Approvals).number("epoch", epoch.into())
    }

    fn log_key(&self, number: u64) -> RowKey {
        self.key(Table::Log).number("entry", number)
    }

    fn receipt_key(&self, operation: u64) -> RowKey {
        self.key(Table::Receipts).number("operation", operation)
    }

    fn fault_key(&self, against: &Against) -> RowKey {
        let who = match against {
            Against::Party(party) => party.as_bytes(),
            Against::Members => &[0; 32], // no key: identities are not points of small order
        };
        self.key(Table::Faults).digest("against", who)
    }
}

/// Writing: nothing is on disk until the transaction returns. Errors name what stands in the way; the transaction should return them.
impl Room<&mut Transaction<'_>> {
    /// Stores the signed parameters of an epoch, in place of what was stored: signatures may have come.
    ///
    /// # Errors
    /// If it cannot be written; so too below.
    pub fn put_epoch(&mut self, epoch: &RoomEpoch) -> Result<(), StoreError> {
        fits(Table::Rooms, &epoch.sheet)?;
        self.source.put(&self.epoch_key(epoch.epoch), &epoch.encode(&self.id))
    }

    /// Stores how the room comes about and changes, in place of what was stored.
    pub fn put_assembly(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        fits(Table::Assemblies, bytes)?;
        self.source.put(&self.key(Table::Assemblies), &row::encode_room(&self.id, bytes))
    }

    /// Removes that: the room does not come about for this party.
    pub fn remove_assembly(&mut self) -> Result<(), StoreError> {
        self.source.remove(&self.key(Table::Assemblies))
    }

    /// Stores that the room was restored from a backup, in place of what was stored.
    pub fn put_restored(&mut self, restored: &Restored) -> Result<(), StoreError> {
        self.source.put(&self.key(Table::Restored), &restored.encode())
    }

    /// Stores an item's description, in place of the one before.
    pub fn put_item(&mut self, name: &str, description: &[u8]) -> Result<(), StoreError> {
        fits(Table::Items, description)?;
        self.source.put(&self.item_key(Table::Items, name), &row::encode_named(name, description))
    }

    /// Removes an item's description and destroys its shares. Its commit record stays, so that no version number of that name comes twice.
    pub fn remove_item(&mut self, name: &str) -> Result<(), StoreError> {
        self.erase_all_but(name, &[])?;
        self.source.remove(&self.item_key(Table::Items, name))
    }

    /// Stores this party's share of `version` of an item, under a key of its own. One that was stored there before is destroyed.
    pub fn put_share(&mut self, item: &str, version: &Version<Digest>, share: &[u8]) -> Result<(), StoreError> {
        fits(Table::Shares, share)?;
        self.erase_share(item, version)?;
        let (key, share_key) = (self.share_key(item, version), Key::random()?);
        let sealed = share_key.seal(&share_context(&key), share)?;
        let place = new_place(self.source.free_slot())?;
        self.source.put(&key, &ShareRow { place, sealed }.encode())?;
        self.source.take_slot(place, share_key);
        Ok(())
    }

    /// Destroys the share of `version` of an item, if there is one.
    pub fn erase_share(&mut self, item: &str, version: &Version<Digest>) -> Result<(), StoreError> {
        let key = self.share_key(item, version);
        let Some(row) = self.get(&key, ShareRow::decode)? else { return Ok(()) };
        self.source.give_up_slot(row.place.slot);
        self.source.remove(&key)
    }

    /// Destroys all shares of an item but those of these versions.
    pub fn erase_all_but(&mut self, item: &str, kept: &[Version<Digest>]) -> Result<(), StoreError> {
        let stored = self.shares(item)?;
        stored.iter().filter(|version| !kept.contains(version)).try_for_each(|version| self.erase_share(item, version))
    }

    /// Stores an item's commit record, in place of the one before.
    pub fn put_record(&mut self, item: &str, record: &SignedRecord) -> Result<(), StoreError> {
        self.source.put(&self.item_key(Table::Records, item), &row::encode_named(item, &record.encode()))
    }

    /// Stores the canonical bytes of an epoch's ledger of approvals, in place of the one before.
    pub fn put_ledger(&mut self, epoch: u32, ledger: &[u8]) -> Result<(), StoreError> {
        fits(Table::Approvals, ledger)?;
        self.source.put(&self.ledger_key(epoch), &row::encode_bytes(ledger))
    }

    /// Notes that this party proposes an operation of this number.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] unless the number is above all before.
    pub fn put_operation(&mut self, number: u64) -> Result<(), StoreError> {
        let key = self.key(Table::Operations);
        if number <= self.operation()? {
            return Err(conflict(&key));
        }
        self.source.put(&key, &row::encode_number(number))
    }

    /// Appends the canonical bytes of an entry to the log and gives its number. Entries are never changed or removed.
    pub fn append_log(&mut self, entry: &[u8]) -> Result<u64, StoreError> {
        fits(Table::Log, entry)?;
        let number = self.log_len()?;
        self.source.put(&self.log_key(number), &row::encode_bytes(entry))?;
        Ok(number)
    }

    /// Stores the canonical bytes of an operation's receipt, in place of what was stored: signatures may have come.
    pub fn put_receipt(&mut self, operation: u64, receipt: &[u8]) -> Result<(), StoreError> {
        fits(Table::Receipts, receipt)?;
        self.source.put(&self.receipt_key(operation), &row::encode_bytes(receipt))
    }

    /// Counts one more failed check and says how many there are.
    pub fn count_fault(&mut self, against: &Against) -> Result<u64, StoreError> {
        let count = self.faults(against)?.saturating_add(1);
        self.source.put(&self.fault_key(against), &row::encode_number(count))?;
        Ok(count)
    }

    /// Sets a counter of failed checks to 0, as a person does.
    pub fn reset_faults(&mut self, against: &Against) -> Result<(), StoreError> {
        self.source.remove(&self.fault_key(against))
    }
}

impl Store {
    /// The rooms that there is anything of, those whose parameters are stored.
    ///
    /// # Errors
    /// If a row cannot be read.
    pub fn rooms(&self) -> Result<Vec<[u8; 16]>, StoreError> {
        let prefix = RowKey::table(Table::Rooms);
        let rows = self.read(|rows| rows.scan(&prefix, &prefix, usize::MAX))?;
        let rooms: Result<Vec<_>, _> =
            rows.iter().map(|(key, row)| decode(key, row, |row| RoomEpoch::decode(row).map(|(room, _)| room))).collect();
        rooms.map(|mut rooms| {
            rooms.dedup(); // epochs of a room are side by side
            rooms
        })
    }

    /// The rooms that come about here or have done so.
    ///
    /// # Errors
    /// If a row cannot be read.
    pub fn assemblies(&self) -> Result<Vec<[u8; 16]>, StoreError> {
        let prefix = RowKey::table(Table::Assemblies);
        let rows = self.read(|rows| rows.scan(&prefix, &prefix, usize::MAX))?;
        rows.iter().map(|(key, row)| decode(key, row, |row| row::decode_room(row).map(|(room, _)| room))).collect()
    }
}

fn decode<T>(key: &[u8], row: &[u8], read: impl FnOnce(&[u8]) -> Result<T, BadFormat>) -> Result<T, StoreError> {
    read(row).map_err(|_| tampered(&RowKey::stored(key)))
}

fn decode_record(row: &[u8]) -> Result<(String, SignedRecord), BadFormat> {
    let (name, record) = row::decode_named(row)?;
    Ok((name, SignedRecord::decode(&record)?))
}

fn fits(table: Table, bytes: &[u8]) -> Result<(), StoreError> {
    if bytes.len() < LONGEST { Ok(()) } else { Err(StoreError::TooLong { table, what: "bytes" }) }
}

fn conflict(key: &RowKey) -> StoreError {
    StoreError::Conflict { table: key.place(), key: key.text() }
}

/// What a share is bound to under its own key: its place.
fn share_context(key: &RowKey) -> Vec<u8> {
    [b"cotenant share", &key.bytes[..]].concat()
}
