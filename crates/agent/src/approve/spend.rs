//! One run spends an approval: what a party keeps durably about the operations of an epoch, and in which order it acts.
//!
//! [`Ledger::step`] is a pure function. Its effects are carried out in their order, each before the next is begun; [`Effect::Persist`] comes before
//! everything that others can see. So after a crash at any point the record says at least as much as was done: an approval for which a message may have
//! been sent is spent, and only the run that it was spent for goes on.
//!
//! | state of a number | may become |
//! | --- | --- |
//! | nothing | decided, for one digest |
//! | approved | spent, for one run; void, as it is over without a run; void by a new epoch |
//! | spent | the same run again, after a crash; done |
//!
//! With a threshold below the number of members a party only knows of the runs that it took part in; the operation names its quorum, and a party that is
//! not in it does not start.
//!
//! Approvals count under the keys that an operation lists, so the ledger knows the members and the threshold of its epoch and has nothing to do with an
//! operation that lists others: its proposer could have put keys of its own in their places.

use super::{
    operation::Operation,
    run::{BadRun, Run},
    statement::{Approved, Choice, Statement},
    wire::{MAX_PARTIES, Put, Take, rising, whole},
};
use crate::room::{Parameters, RoomId};
use cotenant_core::{
    Digest, PartyId,
    codec::{BadFormat, Reader, Writer},
};
use cotenant_net::PublicIdentity;
use std::collections::BTreeMap;

const FORMAT: u8 = 1;
/// The most numbers that are decided in one epoch.
const MAX_NUMBERS: usize = 1 << 20;

/// What a party keeps about approvals, in one room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    room: RoomId,
    epoch: u32,
    members: Vec<PublicIdentity>,
    threshold: u8,
    me: PartyId,
    numbers: BTreeMap<u64, State>,
}

/// What has become of an operation's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// This party refused the operation of this digest.
    Refused(Digest),
    /// This party approved the operation of this digest.
    Approved(Digest),
    /// The approval of the first is spent for the run of the second, which may not have ended.
    Spent(Digest, Digest),
    /// The run has ended, however it did.
    Done(Digest, Digest),
    /// The operation of this digest is over without a run: it expired, was refused or given up. The approval is worth nothing any more.
    Void(Digest),
}

/// What happens.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// The people or the policy of this party have decided.
    Decide(&'a Operation, Choice),
    /// A run is to start, or to go on after a crash.
    Start {
        /// The approvals of all who take part.
        approved: &'a Approved,
        /// The values that were found for it.
        run: &'a Run,
        /// The time, in seconds since 1970.
        now: i64,
    },
    /// The run of this digest has ended, however it did.
    Ended(Digest),
    /// The operation of this number, which this party approved, is over without a run.
    Void(u64),
    /// The room has entered the epoch of these parameters, in which this party has this seat.
    Enter(&'a Parameters, PartyId),
}

/// What has to be done, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write the ledger durably.
    Persist(Ledger),
    /// Sign this and send it to all.
    Sign(Statement),
    /// Start the run of this digest.
    Run(Digest),
    /// Let the run of this digest go on.
    Resume(Digest),
}

/// Why nothing is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// It is an operation of another room.
    #[error("the operation is of another room")]
    OtherRoom,
    /// A new epoch voids the approvals of earlier ones; a later one has not begun.
    #[error("the operation is of epoch {operation}, the room is in epoch {room}: its approvals are void")]
    OtherEpoch {
        /// The operation's.
        operation: u32,
        /// The room's.
        room: u32,
    },
    /// The operation lists other members or another threshold than the room has.
    #[error("the operation is of other members than the room's, or has another threshold")]
    OtherMembers,
    /// This party takes no part.
    #[error("this party takes no part in the operation")]
    NotInQuorum,
    /// The number is taken by another operation, or this party has decided otherwise.
    #[error("operation {number} has been decided otherwise here")]
    Decided {
        /// The number.
        number: u64,
    },
    /// No more numbers fit: a new epoch begins with none.
    #[error("{MAX_NUMBERS} operations have been decided in this epoch; no more can be before the next")]
    Full,
    /// This party has no record of having approved it.
    #[error("there is no record here that operation {number} was approved")]
    NotApproved {
        /// The number.
        number: u64,
    },
    /// The operation was over before it began.
    #[error("operation {number} was over before it began")]
    Void {
        /// The number.
        number: u64,
    },
    /// The operation may not begin any more.
    #[error("operation {number} has expired")]
    Expired {
        /// The number.
        number: u64,
    },
    /// The values are not those of the operation.
    #[error(transparent)]
    Run(#[from] BadRun),
    /// The approval is spent for another run, or that run has ended.
    #[error("the approval of operation {number} is spent, for the run {run}")]
    Spent {
        /// The number.
        number: u64,
        /// The run.
        run: Digest,
    },
    /// No such run is under way.
    #[error("no run {0} is under way")]
    NoRun(Digest),
    /// Epochs rise.
    #[error("the room is in epoch {0} already")]
    OldEpoch(u32),
}

impl Ledger {
    /// Of a party at seat `me` in the epoch of these parameters, which begins.
    pub fn new(room: &Parameters, me: PartyId) -> Self {
        let charter = room.charter();
        let members = room.keys().collect();
        Ledger { room: charter.room, epoch: charter.epoch, members, threshold: charter.threshold, me, numbers: BTreeMap::new() }
    }

    /// What has become of a number of this epoch.
    pub fn state(&self, number: u64) -> Option<State> {
        self.numbers.get(&number).copied()
    }

    /// The numbers and runs that had been started and had not ended when the ledger was written.
    pub fn unfinished(&self) -> impl Iterator<Item = (u64, Digest)> {
        self.numbers.iter().filter_map(|(number, state)| match state {
            State::Spent(_, run) => Some((*number, *run)),
            _ => None,
        })
    }

    /// What follows an event, and what has to be done.
    ///
    /// # Errors
    /// Why nothing follows; the ledger is as it was.
    pub fn step(&self, event: Event) -> Result<(Ledger, Vec<Effect>), NotNow> {
        match event {
            Event::Decide(operation, choice) => self.decide(operation, choice),
            Event::Start { approved, run, now } => self.start(approved, run, now),
            Event::Ended(run) => self.ended(run),
            Event::Void(number) => match self.state(number) {
                Some(State::Approved(operation)) => Ok(persisted(self.with(number, State::Void(operation)), None)),
                _ => Err(NotNow::NotApproved { number }),
            },
            Event::Enter(new, _) if new.charter().room != self.room => Err(NotNow::OtherRoom),
            Event::Enter(new, _) if new.charter().epoch <= self.epoch => Err(NotNow::OldEpoch(self.epoch)),
            Event::Enter(new, me) => Ok(persisted(Ledger::new(new, me), None)),
        }
    }

    fn decide(&self, operation: &Operation, choice: Choice) -> Result<(Ledger, Vec<Effect>), NotNow> {
        self.concerns(operation)?;
        let (number, digest) = (operation.number, operation.digest());
        let state = match choice {
            Choice::Approve => State::Approved(digest),
            Choice::Refuse(_) => State::Refused(digest),
        };
        match self.state(number) {
            None if self.numbers.len() >= MAX_NUMBERS => Err(NotNow::Full),
            None => {
                let sign = Effect::Sign(Statement::new(operation, self.me, choice));
                Ok(persisted(self.with(number, state), Some(sign)))
            }
            Some(before) if before == state => Ok((self.clone(), vec![Effect::Sign(Statement::new(operation, self.me, choice))])),
            Some(_) => Err(NotNow::Decided { number }),
        }
    }

    fn start(&self, approved: &Approved, run: &Run, now: i64) -> Result<(Ledger, Vec<Effect>), NotNow> {
        let operation = approved.operation();
        self.concerns(operation)?;
        if !operation.quorum.contains(self.me) {
            return Err(NotNow::NotInQuorum);
        }
        run.check(operation)?;
        let (number, digest, run) = (operation.number, approved.digest(), run.digest());
        match self.state(number) {
            Some(State::Approved(mine)) if mine == digest && now >= operation.expiry => Err(NotNow::Expired { number }),
            Some(State::Approved(mine)) if mine == digest => {
                Ok(persisted(self.with(number, State::Spent(digest, run)), Some(Effect::Run(run))))
            }
            // A run that has begun goes on after the expiry: what it began may have to be ended.
            Some(State::Spent(_, started)) if started == run => Ok((self.clone(), vec![Effect::Resume(run)])),
            Some(State::Spent(_, run) | State::Done(_, run)) => Err(NotNow::Spent { number, run }),
            Some(State::Void(_)) => Err(NotNow::Void { number }),
            _ => Err(NotNow::NotApproved { number }),
        }
    }

    fn ended(&self, run: Digest) -> Result<(Ledger, Vec<Effect>), NotNow> {
        let (number, operation) = self
            .numbers
            .iter()
            .find_map(|(number, state)| match state {
                State::Spent(operation, started) if *started == run => Some((*number, *operation)),
                _ => None,
            })
            .ok_or(NotNow::NoRun(run))?;
        Ok(persisted(self.with(number, State::Done(operation, run)), None))
    }

    fn concerns(&self, operation: &Operation) -> Result<(), NotNow> {
        if operation.room != self.room {
            return Err(NotNow::OtherRoom);
        }
        match (operation.epoch, self.epoch) {
            (operation, room) if operation != room => Err(NotNow::OtherEpoch { operation, room }),
            _ if !operation.is_among(&self.members, self.threshold) => Err(NotNow::OtherMembers),
            _ => Ok(()),
        }
    }

    fn with(&self, number: u64, state: State) -> Ledger {
        let mut next = self.clone();
        next.numbers.insert(number, state);
        next
    }

    /// Format (1, of value 1), room (16), epoch (4), number of members (4) and their keys (32 each), threshold (1), seat (1), then of each number in rising order: it (8), its state (1: 1 refused, 2 approved, 3 spent,
    /// 4 done, 5 void), the operation (32) and, if spent or done, the run (32).
    pub fn encode(&self) -> Vec<u8> {
        let to = Writer::new().u8(FORMAT).put(&self.room.0).u32(self.epoch);
        let to = to.list(self.members.iter(), |to, member| to.put(member.as_bytes())).u8(self.threshold).seat(self.me);
        to.list(self.numbers.iter(), |to, (number, state)| {
            let to = to.u64(*number);
            match state {
                State::Refused(operation) => to.u8(1).digest(operation),
                State::Approved(operation) => to.u8(2).digest(operation),
                State::Spent(operation, run) => to.u8(3).digest(operation).digest(run),
                State::Done(operation, run) => to.u8(4).digest(operation).digest(run),
                State::Void(operation) => to.u8(5).digest(operation),
            }
        })
        .done()
    }

    /// Reads what [`Ledger::encode`] wrote.
    ///
    /// # Errors
    /// If it is something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadFormat> {
        whole(bytes, FORMAT, |from| {
            let (room, epoch) = (RoomId(from.fixed()?), from.u32()?);
            let members = from.list(MAX_PARTIES, |from| PublicIdentity::from_bytes(&from.fixed()?).map_err(|_| BadFormat))?;
            let (threshold, me) = (Take::u8(from)?, from.seat()?);
            let numbers = from.list(MAX_NUMBERS, |from| Ok((from.u64()?, State::read(from)?)))?;
            if !rising(numbers.iter().map(|(number, _)| number)) {
                return Err(BadFormat);
            }
            Ok(Ledger { room, epoch, members, threshold, me, numbers: numbers.into_iter().collect() })
        })
    }
}

impl State {
    /// The operation that the number belongs to here.
    pub fn operation(&self) -> Digest {
        match self {
            State::Refused(operation) | State::Approved(operation) | State::Void(operation) => *operation,
            State::Spent(operation, _) | State::Done(operation, _) => *operation,
        }
    }

    fn read(from: &mut Reader) -> Result<Self, BadFormat> {
        let kind = Take::u8(from)?;
        let operation = from.digest()?;
        match kind {
            1 => Ok(State::Refused(operation)),
            2 => Ok(State::Approved(operation)),
            3 => Ok(State::Spent(operation, from.digest()?)),
            4 => Ok(State::Done(operation, from.digest()?)),
            5 => Ok(State::Void(operation)),
            _ => Err(BadFormat),
        }
    }
}

/// The new ledger, which is durable before `then` is done.
fn persisted(next: Ledger, then: Option<Effect>) -> (Ledger, Vec<Effect>) {
    let effects = [Effect::Persist(next.clone())].into_iter().chain(then).collect();
    (next, effects)
}

#[cfg(test)]
mod tests;
