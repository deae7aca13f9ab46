//! A proposed operation as canonical bytes: everything that decides what the parties do, and on whose approval it waits.
//!
//! | field | bytes |
//! | --- | --- |
//! | format | 1, of value 1 |
//! | room | 16 |
//! | epoch, number, expiry | 4, 8, 8 |
//! | members | number (4), 32 each |
//! | threshold | 1 |
//! | quorum | 8, one bit a seat |
//! | proposer | 1 |
//! | program | version (text), flag, digest of the file (32) if the flag is 1 |
//! | engine parameters | digest (32) |
//! | body | kind (1) and its fields, in the order of [`Body`] |
//!
//! Numbers are little-endian; texts, byte strings and lists stand after their length (4). What is a set or a map is in rising order, so one operation has one
//! encoding. The *approved digest* is the hash of these bytes. The quorum is in it: a spent approval is known to those who took part alone, so with a
//! threshold below the number of members the same approval could otherwise be used once with each quorum.

use super::{
    item::{ItemName, Pick},
    wire::{MAX_PARTIES, Put, Take, rising, whole},
};
use crate::{
    room::RoomId,
    vault::{commit::statement::Parties, item::Item},
};
use cotenant_core::{
    Digest, Domain, PartyId,
    codec::{BadFormat, Reader, Writer},
};
use cotenant_net::PublicIdentity;

mod call;

pub use call::{Argument, Audience, Call, Language, MAX_FLOW, MAX_HOLES, MAX_RESPONSE, Response, Slot, Source};

/// The longest encoding, in bytes.
pub const MAX_OPERATION: usize = 1 << 20;
/// The most items in one operation.
pub const MAX_ITEMS: usize = 1 << 10;
const FORMAT: u8 = 1;
const MAX_VERSION_TEXT: usize = 64;

/// What a party proposes that the members do together, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The room.
    pub room: RoomId,
    /// Its epoch, from 1. A new epoch voids what was approved before.
    pub epoch: u32,
    /// Which proposal of the room this is, from 1.
    pub number: u64,
    /// When it may not be begun any more, in seconds since 1970.
    pub expiry: i64,
    /// The members of the epoch, by their seats.
    pub members: Vec<PublicIdentity>,
    /// How many members can use a secret.
    pub threshold: u8,
    /// Who takes part, and so has to approve.
    pub quorum: Parties,
    /// Who proposes.
    pub proposer: PartyId,
    /// The program that all run.
    pub program: Program,
    /// Digest of the engine's parameters.
    pub engine: Digest,
    /// What is done.
    pub body: Body,
}

/// A program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// Name and version, as the program prints them.
    pub version: String,
    /// SHA-256 of its file; none for parties with builds of their own.
    pub digest: Option<Digest>,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// 1: one party gives a value for an item.
    Put {
        /// Who gives it, and knows it.
        giver: PartyId,
        /// What is agreed about it, and the version that is made.
        item: Item,
    },
    /// 2: the members draw a value that nobody knows.
    Gen(Item),
    /// 3: fresh shares of the same values.
    Refresh(Vec<Stored>),
    /// 4: shares for the members and the threshold of this epoch, made from those of an earlier one.
    Reshare(Vec<Stored>),
    /// 5: a member without usable shares is given some.
    Repair {
        /// The member.
        member: PartyId,
        /// The items.
        items: Vec<Stored>,
    },
    /// 6: the items are destroyed.
    Remove(Vec<Stored>),
    /// 7: the shares are checked, nothing is opened but that they are right.
    Verify(Vec<Stored>),
    /// 8: a request to a server.
    Call(Call),
    // 9 is not used: rooms change by what their members sign ([`crate::room`]).
}

/// The longest description of an item, in bytes.
const MAX_PART: usize = 1 << 19;

/// An item of the vault, which is there already.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stored {
    /// Its name.
    pub item: ItemName,
    /// Which version.
    pub pick: Pick,
}

impl Operation {
    /// The canonical bytes. Those of an operation that [`Operation::check`] refuses are not read back.
    pub fn encode(&self) -> Vec<u8> {
        let to = Writer::new().u8(FORMAT).put(&self.room.0).u32(self.epoch).u64(self.number).i64(self.expiry);
        let to = to.list(self.members.iter(), |to, member| to.put(member.as_bytes()));
        let to = to.u8(self.threshold).parties(self.quorum).seat(self.proposer).string(self.program.version.as_bytes());
        let to = to.list(self.program.digest.iter(), |to, digest| to.digest(digest)).digest(&self.engine);
        self.body.write(to).done()
    }

    /// Reads canonical bytes, whole and nothing else.
    ///
    /// # Errors
    /// [`BadOperation::Format`], or the rule that the operation breaks.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadOperation> {
        if bytes.len() > MAX_OPERATION {
            return Err(BadOperation::Length);
        }
        let operation = whole(bytes, FORMAT, Self::read).map_err(|BadFormat| BadOperation::Format)?;
        operation.check()?;
        Ok(operation)
    }

    /// The digest that is approved.
    pub fn digest(&self) -> Digest {
        Domain::Operation.hasher().field(&self.encode()).digest()
    }

    /// Whether the room has these members and this threshold: what an operation says of them is only its proposer's word.
    pub fn is_among(&self, members: &[PublicIdentity], threshold: u8) -> bool {
        self.members == members && self.threshold == threshold
    }

    /// Everyone who is a member.
    pub fn everyone(&self) -> Parties {
        Parties::first(self.members.len().min(MAX_PARTIES))
    }

    /// Checks what holds for every operation, whoever proposes it.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(&self) -> Result<(), BadOperation> {
        let demand = |holds: bool, rule: BadOperation| if holds { Ok(()) } else { Err(rule) };
        let n = self.members.len();
        demand(self.epoch > 0 && self.number > 0, BadOperation::Number)?;
        demand((2..=MAX_PARTIES).contains(&n), BadOperation::Members)?;
        demand((1..n).all(|seat| !self.members[..seat].contains(&self.members[seat])), BadOperation::Members)?;
        demand(self.threshold >= 2 && usize::from(self.threshold) <= n, BadOperation::Threshold)?;
        demand(self.quorum.without(self.everyone()).is_empty(), BadOperation::Quorum)?;
        demand(self.quorum.len() >= usize::from(self.threshold), BadOperation::Quorum)?;
        demand(self.everyone().contains(self.proposer), BadOperation::Proposer)?;
        demand(!self.body.needs_everyone() || self.quorum == self.everyone(), BadOperation::NotEveryone)?;
        demand(self.program.version.len() <= MAX_VERSION_TEXT, BadOperation::Program)?;
        self.check_body()?;
        let bytes = self.encode();
        // Bounds of its parts are where they are read: what is written down and sent has to come back.
        let is_read = || whole(&bytes, FORMAT, Self::read).is_ok_and(|read| read == *self);
        demand(bytes.len() <= MAX_OPERATION && is_read(), BadOperation::Length)
    }

    fn check_body(&self) -> Result<(), BadOperation> {
        let listed = |items: &[Stored]| !items.is_empty() && rising(items.iter().map(|stored| &stored.item));
        let shared = |item: &Item| item.sharing.members() == self.members.len() && item.sharing.threshold() == usize::from(self.threshold);
        match &self.body {
            Body::Put { giver, .. } if !self.quorum.contains(*giver) => Err(BadOperation::Seat),
            Body::Repair { member, .. } if !self.everyone().contains(*member) => Err(BadOperation::Seat),
            Body::Put { item, .. } | Body::Gen(item) if !shared(item) => Err(BadOperation::Sharing),
            Body::Refresh(items) | Body::Reshare(items) | Body::Repair { items, .. } | Body::Remove(items) | Body::Verify(items)
                if !listed(items) =>
            {
                Err(BadOperation::Items)
            }
            Body::Call(call) => call.check(self.quorum),
            _ => Ok(()),
        }
    }

    fn read(from: &mut Reader) -> Result<Self, BadFormat> {
        Ok(Operation {
            room: RoomId(from.fixed()?),
            epoch: from.u32()?,
            number: from.u64()?,
            expiry: from.i64()?,
            members: from.list(MAX_PARTIES, |from| PublicIdentity::from_bytes(&from.fixed()?).map_err(|_| BadFormat))?,
            threshold: Take::u8(from)?,
            quorum: from.parties()?,
            proposer: from.seat()?,
            program: Program { version: from.text(MAX_VERSION_TEXT)?, digest: from.list(1, Take::digest)?.pop() },
            engine: from.digest()?,
            body: Body::read(from)?,
        })
    }
}

impl Body {
    /// The items that are read, each once, with the version that is wanted.
    pub fn reads(&self) -> Vec<Stored> {
        match self {
            Body::Put { .. } | Body::Gen(_) => Vec::new(),
            Body::Refresh(items) | Body::Reshare(items) | Body::Remove(items) | Body::Verify(items) => items.clone(),
            Body::Repair { items, .. } => items.clone(),
            Body::Call(call) => call.reads(),
        }
    }

    /// The items of which a new version is made.
    pub fn saves(&self) -> Vec<ItemName> {
        match self {
            Body::Put { item, .. } | Body::Gen(item) => vec![ItemName::of(item)],
            Body::Refresh(items) | Body::Reshare(items) | Body::Repair { items, .. } => {
                items.iter().map(|stored| stored.item.clone()).collect()
            }
            Body::Call(call) => call.saves(),
            Body::Remove(_) | Body::Verify(_) => Vec::new(),
        }
    }

    /// Who gives the value of a put, or something private in a call.
    pub fn givers(&self) -> Parties {
        match self {
            Body::Put { giver, .. } => Parties::NONE.with(*giver),
            Body::Call(call) => call.givers(),
            _ => Parties::NONE,
        }
    }

    /// Who alone is told what the operation opens, if one is.
    pub fn reader(&self) -> Option<PartyId> {
        match self {
            Body::Call(call) => call.response.audience.only(),
            _ => None,
        }
    }

    /// Whether a quorum cannot do it: what changes the vault is committed by all or by none.
    pub fn needs_everyone(&self) -> bool {
        matches!(self, Body::Remove(_)) || !self.saves().is_empty()
    }

    fn write(&self, to: Writer) -> Writer {
        let items = |to: Writer, items: &[Stored]| to.list(items.iter(), |to, stored| stored.pick.write(stored.item.write(to)));
        match self {
            Body::Put { giver, item } => to.u8(1).seat(*giver).string(&item.encode()),
            Body::Gen(item) => to.u8(2).string(&item.encode()),
            Body::Refresh(all) => items(to.u8(3), all),
            Body::Reshare(all) => items(to.u8(4), all),
            Body::Repair { member, items: all } => items(to.u8(5).seat(*member), all),
            Body::Remove(all) => items(to.u8(6), all),
            Body::Verify(all) => items(to.u8(7), all),
            Body::Call(call) => call.write(to.u8(8)),
        }
    }

    fn read(from: &mut Reader) -> Result<Self, BadFormat> {
        let stored = |from: &mut Reader| Ok(Stored { item: ItemName::read(from)?, pick: Pick::read(from)? });
        let items = |from: &mut Reader| from.list(MAX_ITEMS, stored);
        let item = |from: &mut Reader| Item::decode(&from.string(MAX_PART)?).map_err(|_| BadFormat);
        Ok(match Take::u8(from)? {
            1 => Body::Put { giver: from.seat()?, item: item(from)? },
            2 => Body::Gen(item(from)?),
            3 => Body::Refresh(items(from)?),
            4 => Body::Reshare(items(from)?),
            5 => Body::Repair { member: from.seat()?, items: items(from)? },
            6 => Body::Remove(items(from)?),
            7 => Body::Verify(items(from)?),
            8 => Body::Call(Call::read(from)?),
            _ => return Err(BadFormat),
        })
    }
}

/// Why bytes are no operation that anyone can approve. Who proposed it is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadOperation {
    /// It is not an operation's encoding.
    #[error("the proposal is not in the form of this version of the program")]
    Format,
    /// It is longer than [`MAX_OPERATION`], or a part is longer than such a part may be.
    #[error("the proposal is longer than {MAX_OPERATION} bytes, or has a part that is too long or too many of one kind")]
    Length,
    /// Epochs and numbers are from 1.
    #[error("epochs and proposals are counted from 1")]
    Number,
    /// There are 2 to 64 members, all different.
    #[error("a room has 2 to 64 members, all different")]
    Members,
    /// The threshold is from 2 to the number of members: with 1 each could act alone.
    #[error("the threshold is not between 2 and the number of members")]
    Threshold,
    /// The quorum is a set of members, at least as many as the threshold.
    #[error("those who take part are not members, or too few")]
    Quorum,
    /// What changes the vault needs all members.
    #[error("what changes the vault needs all members")]
    NotEveryone,
    /// The proposer is no member.
    #[error("the proposer is no member")]
    Proposer,
    /// The program's version is too long.
    #[error("the program's version is longer than {MAX_VERSION_TEXT} bytes")]
    Program,
    /// A party that has a part of its own does not take part.
    #[error("a giver, connector, owner or reader of a value does not take part")]
    Seat,
    /// The new item is for another number of members or another threshold.
    #[error("the new item would be shared among another number of members, or with another threshold")]
    Sharing,
    /// A list of items is empty or not in rising order.
    #[error("the list of items is empty, not in order, or names one twice")]
    Items,
    /// A part of a call breaks a rule of [`Call`].
    #[error("the call breaks a rule: its host, port, the names of arguments and holes, or a use of an item")]
    Call,
    /// A slot puts an item to a use at another host than the call's.
    #[error("an item would be used at another host than that of the call")]
    OtherHost,
}

#[cfg(test)]
pub(super) mod tests;
