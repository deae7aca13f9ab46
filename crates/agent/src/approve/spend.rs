//! One run spends an approval: what a party keeps durably about the operations of an epoch, and in which order it acts.
//!
//! [`Ledger::step`] is a pure function. Its effects are carried out in their order, each before the next is begun; [`Effect::Persist`] comes before
//! everything that others can see. So after a crash at any point the record says at least as much as was done: an approval for which a message may have
//! been sent is spent, and only the run that it was spent for goes on.
//!
//! | state of a number | may become |
//! | --- | --- |
//! | nothing | decided, for one digest |
//! | approved | spent, for one run; void by a new epoch |
//! | spent | the same run again, after a crash; done |
//!
//! With a threshold below the number of members a party only knows of the runs that it took part in; the operation names its quorum, and a party that is
//! not in it does not start.

use super::{
    operation::Operation,
    run::{BadRun, Run},
    statement::{Approved, Choice, Statement},
    wire::{Put, Take, rising, whole},
};
use crate::room::RoomId;
use cotenant_core::{
    Digest, PartyId,
    codec::{BadFormat, Reader, Writer},
};
use std::collections::BTreeMap;

const FORMAT: u8 = 1;
const MAX_NUMBERS: usize = 1 << 20;

/// What a party keeps about approvals, in one room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    room: RoomId,
    epoch: u32,
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
    /// The room is in a new epoch, in which this party has this seat.
    Enter(u32, PartyId),
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
    /// This party takes no part.
    #[error("this party takes no part in the operation")]
    NotInQuorum,
    /// The number is taken by another operation, or this party has decided otherwise.
    #[error("operation {number} has been decided otherwise here")]
    Decided {
        /// The number.
        number: u64,
    },
    /// This party has no record of having approved it.
    #[error("there is no record here that operation {number} was approved")]
    NotApproved {
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
    /// Of a party at seat `me` in a room that begins.
    pub fn new(room: RoomId, epoch: u32, me: PartyId) -> Self {
        Ledger { room, epoch, me, numbers: BTreeMap::new() }
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
            Event::Enter(epoch, _) if epoch <= self.epoch => Err(NotNow::OldEpoch(self.epoch)),
            Event::Enter(epoch, me) => Ok(persisted(Ledger::new(self.room, epoch, me), None)),
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
            _ => Ok(()),
        }
    }

    fn with(&self, number: u64, state: State) -> Ledger {
        let mut next = self.clone();
        next.numbers.insert(number, state);
        next
    }

    /// Format (1, of value 1), room (16), epoch (4), seat (1), then of each number in rising order: it (8), its state (1: 1 refused, 2 approved, 3 spent,
    /// 4 done), the operation (32) and, if spent or done, the run (32).
    pub fn encode(&self) -> Vec<u8> {
        let to = Writer::new().u8(FORMAT).put(&self.room.0).u32(self.epoch).seat(self.me);
        to.list(self.numbers.iter(), |to, (number, state)| {
            let to = to.u64(*number);
            match state {
                State::Refused(operation) => to.u8(1).digest(operation),
                State::Approved(operation) => to.u8(2).digest(operation),
                State::Spent(operation, run) => to.u8(3).digest(operation).digest(run),
                State::Done(operation, run) => to.u8(4).digest(operation).digest(run),
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
            let (room, epoch, me) = (RoomId(from.fixed()?), from.u32()?, from.seat()?);
            let numbers = from.list(MAX_NUMBERS, |from| Ok((from.u64()?, State::read(from)?)))?;
            if !rising(numbers.iter().map(|(number, _)| number)) {
                return Err(BadFormat);
            }
            Ok(Ledger { room, epoch, me, numbers: numbers.into_iter().collect() })
        })
    }
}

impl State {
    fn read(from: &mut Reader) -> Result<Self, BadFormat> {
        let kind = Take::u8(from)?;
        let operation = from.digest()?;
        match kind {
            1 => Ok(State::Refused(operation)),
            2 => Ok(State::Approved(operation)),
            3 => Ok(State::Spent(operation, from.digest()?)),
            4 => Ok(State::Done(operation, from.digest()?)),
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
