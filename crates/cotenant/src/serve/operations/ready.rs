//! Whether all who take part can begin, before anybody's approval is spent.
//!
//! ```text
//! who begins it          each of the others
//! ready? ------------->  approved by all, nothing else runs, the vault is where it has to be: promised for some seconds
//!        <-------------  ready
//! all ready: spent, begun
//! ```
//!
//! Nothing here is written or binds: a promise that lapses costs the others seconds, a member that breaks one is met as any that stops in a run. Who has promised
//! one operation says so of no other and begins no other, so two that are approved at once do not take each other's members. Of several that it is asked about a
//! member takes the one that was tried least: who asks in vain again and again keeps nobody else waiting.

use super::{Operations, note::Note, steps::NotBegun};
use crate::serve::operations::proposals::Proposal;
use cotenant_agent::vault::commit::statement::Parties;
use cotenant_core::{Digest, PartyId};

/// How long a question or a promise stands, in seconds.
const STANDS: i64 = 10;

/// All are asked whether they can begin an operation.
pub(super) struct Asking {
    number: u64,
    ready: Parties,
    until: i64,
}

/// This party has said that it can begin an operation.
pub(super) struct Promise {
    number: u64,
    until: i64,
}

impl Operations {
    /// Whether all who take part have said that they can begin what this party is to begin; if not, they are asked.
    pub(super) fn all_ready(&mut self, number: u64, now: i64) -> Result<(), NotBegun> {
        let others = self.proposals[&number].operation().quorum.without(Parties::NONE.with(self.me));
        match &self.asking {
            Some(asking) if now < asking.until && asking.number == number => {
                return match others.without(asking.ready) {
                    missing if missing.is_empty() => Ok(()),
                    missing => Err(NotBegun::Waits(format!("cannot begin yet: {}", self.names(missing.iter()).join(", ")))),
                };
            }
            Some(asking) if now < asking.until => return Err(another()),
            _ if self.promised(now).is_some_and(|promised| promised != number) => return Err(another()),
            _ => {}
        }
        self.asking = Some(Asking { number, ready: Parties::NONE, until: now.saturating_add(STANDS) });
        let Some(proposal) = self.proposals.get_mut(&number) else { return Err(another()) };
        proposal.tries = proposal.tries.saturating_add(1);
        let note = Note::Ready { number, operation: proposal.digest, asks: true };
        others.iter().for_each(|party| self.send(party, &note));
        Err(NotBegun::Waits("the others are asked whether they can begin".to_owned()))
    }

    pub(super) fn heard_ready(&mut self, from: PartyId, number: u64, operation: Digest, asks: bool, now: i64) {
        let Some(proposal) = self.proposals.get_mut(&number).filter(|proposal| proposal.digest == operation) else { return };
        if asks && proposal.starter() == Some(from) {
            proposal.asked = Some(now);
        } else if !asks && let Some(asking) = self.asking.as_mut().filter(|asking| asking.number == number) {
            asking.ready = asking.ready.with(from);
        }
    }

    /// The link to this member is another one than before, or none: what was asked or promised over it is forgotten, and asked again.
    pub(super) fn not_ready(&mut self, party: PartyId) {
        let concerns = |number: u64, is: &dyn Fn(&Proposal) -> bool| self.proposals.get(&number).is_some_and(is);
        let asked = self.asking.as_ref().is_some_and(|asking| concerns(asking.number, &|p| p.operation().quorum.contains(party)));
        let promised = self.promise.as_ref().is_some_and(|promise| concerns(promise.number, &|p| p.starter() == Some(party)));
        if asked {
            self.asking = None;
        }
        if promised {
            self.promise = None;
        }
    }

    /// Says about one operation that this party can begin it, if it is asked and can.
    pub(super) fn promise_one(&mut self, now: i64) {
        let recently = |proposal: &Proposal| proposal.asked.is_some_and(|asked| now < asked.saturating_add(STANDS));
        let mut asked: Vec<_> = self.proposals.iter().filter(|(_, p)| recently(p)).map(|(number, p)| (p.tries, *number)).collect();
        asked.sort_unstable();
        let free = |number: u64| self.promised(now).is_none_or(|promised| promised == number);
        let Some((_, number)) =
            asked.into_iter().find(|(_, number)| free(*number) && self.yields(*number, now) && self.is_able(*number, now))
        else {
            return;
        };
        let Some(proposal) = self.proposals.get_mut(&number) else { return };
        (proposal.asked, proposal.tries) = (None, proposal.tries.saturating_add(1));
        let (note, starter) = (Note::Ready { number, operation: proposal.digest, asks: false }, proposal.starter());
        self.asking = None;
        self.promise = Some(Promise { number, until: now.saturating_add(STANDS) });
        starter.into_iter().for_each(|starter| self.send(starter, &note));
    }

    /// The operation that this party has promised to begin, while that stands.
    fn promised(&self, now: i64) -> Option<u64> {
        self.promise.as_ref().filter(|promise| now < promise.until).map(|promise| promise.number)
    }

    /// Whether what this party itself asks others about stands back: of two that ask each other, the one with the lower number begins.
    fn yields(&self, number: u64, now: i64) -> bool {
        self.asking.as_ref().is_none_or(|asking| asking.until <= now || number < asking.number)
    }

    fn is_able(&self, number: u64, now: i64) -> bool {
        self.approved(number).is_some_and(|approved| self.task(approved.operation(), now, now).is_ok())
    }
}

fn another() -> NotBegun {
    NotBegun::Waits("another operation is about to begin".to_owned())
}
