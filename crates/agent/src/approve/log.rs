//! A party's log of one room: what was proposed, decided, begun and done, in a chain of hashes, each entry signed.
//!
//! | field of an entry | bytes |
//! | --- | --- |
//! | format | 1, of value 1 |
//! | sequence, time | 8 from 0, 8 in seconds since 1970 |
//! | previous | digest of the entry before (32); of the first, a hash of owner and room |
//! | event | kind (1) and its fields |
//!
//! A stored record is the owner's signature for [`PURPOSE`] (64), then the entry. An entry's digest is the hash of its bytes, so the digest of the newest one
//! stands for the whole log. Parties send each other that [`Checkpoint`], signed, and write it into their own logs: so an owner who rewrites or cuts off its
//! log, which no check of that log alone can notice, is found by [`compare`].

use super::{
    statement::{self, Signed, Statement},
    wire::{Put, Take, whole},
};
use crate::room::RoomId;
use cotenant_core::{
    Digest, Domain,
    codec::{BadFormat, Reader, Writer},
};
use cotenant_net::{Identity, PublicIdentity};
use std::collections::HashMap;

mod compare;
mod event;
mod export;

pub use compare::{Divergence, compare};
pub use event::{Event, Grounds, Outcome};

/// What the signature of an entry is for.
pub const PURPOSE: &str = "log entry";
/// What the signature of a checkpoint is for.
pub const CHECKPOINT_PURPOSE: &str = "log checkpoint";
const FORMAT: u8 = 1;

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place, from 0.
    pub sequence: u64,
    /// When it was written, in seconds since 1970, by the owner's clock.
    pub time: i64,
    /// The digest of the one before.
    pub previous: Digest,
    /// What happened.
    pub event: Event,
}

impl Entry {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let to = Writer::new().u8(FORMAT).u64(self.sequence).i64(self.time).digest(&self.previous);
        self.event.write(to).done()
    }

    /// Reads canonical bytes, whole and nothing else.
    ///
    /// # Errors
    /// If they are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadFormat> {
        whole(bytes, FORMAT, |from: &mut Reader| {
            Ok(Entry { sequence: from.u64()?, time: from.i64()?, previous: from.digest()?, event: Event::read(from)? })
        })
    }
}

/// Where a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// How many entries there are.
    pub entries: u64,
    /// The digest of the last one.
    pub digest: Digest,
}

/// A log that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    owner: PublicIdentity,
    room: RoomId,
    head: Head,
}

impl Log {
    /// Of a room that begins.
    pub fn new(owner: PublicIdentity, room: RoomId) -> Self {
        Log { owner, room, head: Head { entries: 0, digest: beginning(&owner, &room) } }
    }

    /// Goes on behind what is stored.
    pub fn resume(history: &History) -> Self {
        Log { owner: history.owner, room: history.room, head: history.head() }
    }

    /// Where it ends.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The record of the next entry, which is to be stored before anything else is done.
    ///
    /// # Panics
    /// If `identity` is not the owner's, or if the entry would not be read back: nothing of it is stored then, and the log is as good as before.
    pub fn append(&mut self, identity: &Identity, time: i64, event: Event) -> Vec<u8> {
        assert!(identity.public() == self.owner, "a log is written by its owner");
        let entry = Entry { sequence: self.head.entries, time, previous: self.head.digest, event }.encode();
        assert!(Entry::decode(&entry).is_ok(), "what is written into a log is read back");
        self.head = Head { entries: self.head.entries + 1, digest: digest(&entry) };
        [&identity.sign(PURPOSE, &entry)[..], &entry].concat()
    }
}

/// What the owner of a log has told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The owner.
    pub owner: PublicIdentity,
    /// The room.
    pub room: RoomId,
    /// The room's epoch when it was told. A party that has lost entries of its log goes on in a later one, in which what it told before binds it no more.
    pub epoch: u32,
    /// Where the log ended.
    pub head: Head,
    /// Of the owner, for [`CHECKPOINT_PURPOSE`].
    pub signature: [u8; 64],
}

impl Checkpoint {
    /// What the owner of a log tells of it, which ends or ended at `head`.
    pub fn sign(identity: &Identity, room: RoomId, epoch: u32, head: Head) -> Self {
        let mut checkpoint = Checkpoint { owner: identity.public(), room, epoch, head, signature: [0; 64] };
        checkpoint.signature = identity.sign(CHECKPOINT_PURPOSE, &checkpoint.signed());
        checkpoint
    }

    /// Canonical bytes: format (1, of value 1), owner (32), room (16), epoch (4), entries (8), digest (32), signature (64).
    pub fn encode(&self) -> Vec<u8> {
        self.write(Writer::new().u8(FORMAT)).done()
    }

    /// Reads canonical bytes, whole and nothing else.
    ///
    /// # Errors
    /// If they are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadFormat> {
        whole(bytes, FORMAT, Self::read)
    }

    /// Whether the owner has signed it.
    pub fn is_signed(&self) -> bool {
        self.owner.verify(CHECKPOINT_PURPOSE, &self.signed(), &self.signature).is_ok()
    }

    fn signed(&self) -> Vec<u8> {
        let to = Writer::new().u8(FORMAT).put(self.owner.as_bytes()).put(&self.room.0).u32(self.epoch);
        to.u64(self.head.entries).digest(&self.head.digest).done()
    }

    fn write(&self, to: Writer) -> Writer {
        let to = to.put(self.owner.as_bytes()).put(&self.room.0).u32(self.epoch).u64(self.head.entries);
        to.digest(&self.head.digest).put(&self.signature)
    }

    fn read(from: &mut Reader) -> Result<Self, BadFormat> {
        Ok(Checkpoint {
            owner: PublicIdentity::from_bytes(&from.fixed()?).map_err(|_| BadFormat)?,
            room: RoomId(from.fixed()?),
            epoch: from.u32()?,
            head: Head { entries: from.u64()?, digest: from.digest()? },
            signature: from.fixed()?,
        })
    }
}

/// A log that has been verified from its first entry to its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    owner: PublicIdentity,
    room: RoomId,
    entries: Vec<Entry>,
    digests: Vec<Digest>,
}

impl History {
    /// Whose it is.
    pub fn owner(&self) -> PublicIdentity {
        self.owner
    }

    /// Of which room.
    pub fn room(&self) -> RoomId {
        self.room
    }

    /// Where it ended when it had so many entries; none if it never had, or these are none.
    pub fn head_at(&self, entries: u64) -> Option<Head> {
        let last = usize::try_from(entries.checked_sub(1)?).ok()?;
        self.digests.get(last).map(|digest| Head { entries, digest: *digest })
    }

    /// Its entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Where it ends.
    pub fn head(&self) -> Head {
        let digest = self.digests.last().copied().unwrap_or_else(|| beginning(&self.owner, &self.room));
        Head { entries: self.entries.len() as u64, digest }
    }

    /// Whether it once ended, or ends, at `head`.
    pub fn passed(&self, head: &Head) -> bool {
        match head.entries.checked_sub(1) {
            None => head.digest == beginning(&self.owner, &self.room),
            Some(last) => usize::try_from(last).is_ok_and(|last| self.digests.get(last) == Some(&head.digest)),
        }
    }
}

/// Verifies the records of a log of `owner` in `room`. `head` is where the log is known to end, if it is: without it nobody can tell that records are missing
/// at the end.
///
/// # Errors
/// The first record that is not as it was written, or that is missing.
pub fn verify<'a>(
    records: impl IntoIterator<Item = &'a [u8]>,
    owner: PublicIdentity,
    room: RoomId,
    head: Option<&Head>,
) -> Result<History, BadLog> {
    let mut history = History { owner, room, entries: Vec::new(), digests: Vec::new() };
    let mut members = HashMap::new();
    for (record, sequence) in records.into_iter().zip(0..) {
        let bad = |fault| BadLog { sequence, fault };
        let (signature, bytes) = record.split_first_chunk().ok_or(bad(Fault::Format))?;
        let entry = Entry::decode(bytes).map_err(|BadFormat| bad(Fault::Format))?;
        owner.verify(PURPOSE, bytes, signature).map_err(|_| bad(Fault::Signature))?;
        if entry.sequence != sequence {
            return Err(bad(Fault::Sequence { found: entry.sequence }));
        }
        if entry.previous != history.head().digest {
            return Err(bad(Fault::Chain));
        }
        match &entry.event {
            Event::Proposal(operation) => drop(members.insert(operation.digest(), operation.members.clone())),
            Event::Decision { signed, .. } if !is_by(signed, &members) => return Err(bad(Fault::Decision)),
            _ => {}
        }
        history.digests.push(digest(bytes));
        history.entries.push(entry);
    }
    let sequence = history.entries.len() as u64;
    match head {
        Some(head) if head.entries > sequence => Err(BadLog { sequence, fault: Fault::Missing { entries: head.entries } }),
        Some(head) if !history.passed(head) => Err(BadLog { sequence: head.entries.saturating_sub(1), fault: Fault::Rewritten }),
        _ => Ok(history),
    }
}

/// A log is not as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("log entry {sequence}, from 0: {fault}")]
pub struct BadLog {
    /// The first entry that is wrong.
    pub sequence: u64,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not an entry's encoding.
    #[error("is not in the form of a log")]
    Format,
    /// The owner has not signed it: it was changed, or it is another party's.
    #[error("was changed: it is not what the owner signed")]
    Signature,
    /// Entries are missing, twice there or in another order.
    #[error("is missing or in another place; entry {found} stands there")]
    Sequence {
        /// What stands there.
        found: u64,
    },
    /// It follows another entry than the one before it, or belongs to another room.
    #[error("does not follow the entry before it, which was replaced, or is of another room")]
    Chain,
    /// It has a decision that its party did not sign, or about an operation that no entry before proposes.
    #[error("has a decision that nobody signed, or about what was not proposed")]
    Decision,
    /// The log goes on, as is known.
    #[error("is missing: the log had {entries} entries")]
    Missing {
        /// How many there were.
        entries: u64,
    },
    /// It is another entry than the one that was there.
    #[error("is another one than was there")]
    Rewritten,
}

/// Whether the party of a decision has signed it, as a member of the operation that it is about.
fn is_by(signed: &Signed, members: &HashMap<Digest, Vec<PublicIdentity>>) -> bool {
    let Statement { operation, party, .. } = &signed.statement;
    let key = members.get(operation).and_then(|members| members.get(party.index()));
    key.is_some_and(|key| key.verify(statement::PURPOSE, &signed.statement.encode(), &signed.signature).is_ok())
}

fn beginning(owner: &PublicIdentity, room: &RoomId) -> Digest {
    Domain::LogEntry.hasher().field(owner.as_bytes()).field(&room.0).digest()
}

fn digest(entry: &[u8]) -> Digest {
    Domain::LogEntry.hasher().field(entry).digest()
}

#[cfg(test)]
mod tests;
