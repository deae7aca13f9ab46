//! The tables of a store and the keys of their rows. A key starts with the number of its table; rooms and items stand in it as keyed hashes, so that who
//! has the file alone learns how many there are and not how they are called, while rows of one room or item stay side by side. Numbers are big-endian, so
//! that rows are in their order.

use super::seal::Key;
use cotenant_agent::{hex, vault::commit::statement::Version};
use cotenant_core::domain::{Digest, Domain};
use std::fmt;

/// The bytes that stand for a room, or for an item of a room.
const NAME: usize = 16;

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// One row: how many transactions there were.
    State = 1,
    /// The signed parameters of every epoch of a room.
    Rooms = 2,
    /// Descriptions of items.
    Items = 3,
    /// Shares, each under a key of its own.
    Shares = 4,
    /// Commit records.
    Records = 5,
    /// Ledgers of approvals.
    Approvals = 6,
    /// Counters of operations.
    Operations = 7,
    /// Entries of logs.
    Log = 8,
    /// Receipts.
    Receipts = 9,
    /// Answers that stay sealed; reserved.
    Sealed = 10,
    /// Counters of failed checks.
    Faults = 11,
    /// How rooms come about and change: drafts, joins, what was signed.
    Assemblies = 12,
    /// When rooms were restored from a backup.
    Restored = 13,
}

impl Table {
    pub(super) const ALL: [Table; 13] = {
        use Table::*;
        [State, Rooms, Items, Shares, Records, Approvals, Operations, Log, Receipts, Sealed, Faults, Assemblies, Restored]
    };

    /// The table that a row's key names.
    pub(super) fn of(key: &[u8]) -> Option<Table> {
        Self::ALL.into_iter().find(|&table| key.first() == Some(&(table as u8)))
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Table::State => "state",
            Table::Rooms => "rooms",
            Table::Items => "items",
            Table::Shares => "shares",
            Table::Records => "records",
            Table::Approvals => "approvals",
            Table::Operations => "operations",
            Table::Log => "log",
            Table::Receipts => "receipts",
            Table::Sealed => "sealed",
            Table::Faults => "faults",
            Table::Assemblies => "assemblies",
            Table::Restored => "restored",
        })
    }
}

/// The key of a row, or what several start with, and how to call it in an error.
#[derive(Clone)]
pub struct RowKey {
    pub(super) bytes: Vec<u8>,
    name: Option<String>,
}

impl RowKey {
    /// The row with this key; it has no name but its digits.
    pub(super) fn stored(bytes: &[u8]) -> Self {
        RowKey { bytes: bytes.to_vec(), name: None }
    }

    /// The one row of the table [`Table::State`].
    pub(super) fn state() -> Self {
        RowKey { bytes: vec![Table::State as u8], name: Some("transactions".to_owned()) }
    }

    /// All rows of `table`.
    pub(super) fn table(table: Table) -> Self {
        RowKey { bytes: vec![table as u8], name: None }
    }

    /// The row of `room` in `table`, or all its rows there.
    pub(super) fn room(table: Table, names: &Key, room: &[u8; 16]) -> Self {
        let hash = Domain::StoreName.hasher().raw(names.bytes()).field(room).digest();
        let mut bytes = vec![table as u8];
        bytes.extend_from_slice(&hash.0[..NAME]);
        RowKey { bytes, name: Some(format!("room {}", hex::encode(room))) }
    }

    /// The key in `table` of the room that the row with this key is about; none if it is about none.
    pub(super) fn in_same_room(bytes: &[u8], table: Table) -> Option<Vec<u8>> {
        bytes.get(1..1 + NAME).map(|room| [&[table as u8], room].concat())
    }

    /// The row of `item` of `room` in `table`, or all its rows there.
    pub(super) fn item(table: Table, names: &Key, room: &[u8; 16], item: &str) -> Self {
        let hash = Domain::StoreName.hasher().raw(names.bytes()).field(room).field(item.as_bytes()).digest();
        Self::room(table, names, room).and(&hash.0[..NAME], format_args!("item {item:?}"))
    }

    /// Rows under this one at `number`.
    pub(super) fn number(self, what: &str, number: u64) -> Self {
        self.and(&number.to_be_bytes(), format_args!("{what} {number}"))
    }

    /// The row under this one for `digest`.
    pub(super) fn digest(self, what: &str, digest: &[u8; 32]) -> Self {
        self.and(digest, format_args!("{what} {}", hex::encode(digest)))
    }

    /// The row under this one for a share of `version`.
    pub(super) fn version(self, version: &Version<Digest>) -> Self {
        self.number("version", version.number).digest("run", &version.run.0)
    }

    fn and(mut self, bytes: &[u8], name: fmt::Arguments<'_>) -> Self {
        self.bytes.extend_from_slice(bytes);
        self.name = self.name.map(|before| format!("{before}, {name}"));
        self
    }

    /// Which table it is in.
    pub(super) fn place(&self) -> Table {
        Table::of(&self.bytes).unwrap_or(Table::State)
    }

    /// What errors call it.
    pub(super) fn text(&self) -> String {
        self.name.clone().unwrap_or_else(|| format!("key {}", hex::encode(&self.bytes)))
    }

    /// The version that the key of a share ends with.
    pub(super) fn share_version(bytes: &[u8]) -> Option<Version<Digest>> {
        let (number, run) = bytes.get(1 + 2 * NAME..)?.split_first_chunk()?;
        Some(Version { number: u64::from_be_bytes(*number), run: Digest(run.try_into().ok()?) })
    }

    /// The number that a key ends with.
    pub(super) fn last_number(bytes: &[u8]) -> Option<u64> {
        bytes.last_chunk().copied().map(u64::from_be_bytes)
    }
}
