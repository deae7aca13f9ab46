//! How much one member can make the others look at, keep and write: so much that is not over, and so much within a day.
//!
//! What is proposed within a day counts however it ended: a member that refuses what it proposed itself has used its day up all the same. Of it, what this party
//! decided about stands in its log, and so is counted again after a restart; the rest has left nothing. What is read and then refused, such as a text that is no
//! flow, counts as well.
//!
//! | limit, each for one proposer | why so much |
//! | --- | --- |
//! | [`MAX_OPEN`] operations, [`MAX_OPEN_BYTES`] that are not over | people read them; one of the longest fits, and the views of all of them go into one answer of the daemon |
//! | [`PER_DAY`] operations, [`BYTES_PER_DAY`] within 24 hours | one every 21 seconds, as runs follow each other; a log, two thousand bytes an operation beside its own, grows by 40 MB a day at most |
//! | [`REMEMBERED`] operations, [`REMEMBERED_BYTES`] that are over | what people look back at; older ones stand in the log |

use super::Operations;
use cotenant_agent::approve::operation::{MAX_OPERATION, Operation};
use cotenant_core::PartyId;
use std::collections::{BTreeMap, VecDeque};

const MAX_OPEN: usize = 64;
const MAX_OPEN_BYTES: usize = 2 * MAX_OPERATION;
const PER_DAY: usize = 1 << 12;
const BYTES_PER_DAY: usize = 32 << 20;
const REMEMBERED: usize = 64;
const REMEMBERED_BYTES: usize = MAX_OPERATION;
const DAY: i64 = 24 * 3600;

/// A member has proposed too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// That is not over.
    #[error("its proposer has {MAX_OPEN} proposals that are not over, or {MAX_OPEN_BYTES} bytes of them")]
    Open,
    /// Within a day.
    #[error("its proposer has proposed {PER_DAY} operations within a day, or {BYTES_PER_DAY} bytes of them")]
    Day,
}

/// What each member has proposed within a day.
#[derive(Default)]
pub(super) struct Budget(BTreeMap<PartyId, VecDeque<Taken>>);

struct Taken {
    at: i64,
    bytes: usize,
}

impl Budget {
    /// Whether `proposer` may propose so many bytes at `now`. What is in the future, as after a clock was set back, counts as well.
    fn has(&self, proposer: PartyId, now: i64, bytes: usize) -> bool {
        let within = self.0.get(&proposer).into_iter().flatten().filter(|taken| taken.at > now.saturating_sub(DAY));
        let (count, sum) = within.fold((0, 0), |(count, sum), taken| (count + 1, sum + taken.bytes));
        count < PER_DAY && sum + bytes <= BYTES_PER_DAY
    }

    /// So many bytes were proposed.
    pub(super) fn take(&mut self, proposer: PartyId, at: i64, bytes: usize) {
        let taken = self.0.entry(proposer).or_default();
        while taken.front().is_some_and(|first| first.at <= at.saturating_sub(DAY)) {
            taken.pop_front();
        }
        taken.push_back(Taken { at, bytes });
    }
}

#[cfg(test)]
impl Budget {
    /// How many operations of `proposer` count.
    pub(super) fn count(&self, proposer: PartyId) -> usize {
        self.0.get(&proposer).map_or(0, VecDeque::len)
    }
}

impl Operations {
    /// Whether its proposer may propose this as well.
    ///
    /// # Errors
    /// Which limit it is that forbids it.
    pub(super) fn has_room(&self, operation: &Operation, now: i64) -> Result<(), Exceeded> {
        let bytes = operation.encode().len();
        let of = self.proposals.values().filter(|known| !known.has_ended() && known.operation().proposer == operation.proposer);
        let (count, sum) = of.fold((0, 0), |(count, sum), open| (count + 1, sum + open.bytes));
        if count >= MAX_OPEN || sum + bytes > MAX_OPEN_BYTES {
            return Err(Exceeded::Open);
        }
        if self.budget.has(operation.proposer, now, bytes) { Ok(()) } else { Err(Exceeded::Day) }
    }

    /// Forgets what was over long ago, the newest of each proposer excepted.
    pub(super) fn forget(&mut self) {
        let mut kept: BTreeMap<PartyId, (usize, usize)> = BTreeMap::new();
        let mut over = Vec::new();
        for (number, proposal) in self.proposals.iter().rev().filter(|(_, proposal)| proposal.has_ended()) {
            let (count, bytes) = kept.entry(proposal.operation().proposer).or_default();
            (*count, *bytes) = (*count + 1, *bytes + proposal.bytes);
            if *count > REMEMBERED || (*bytes > REMEMBERED_BYTES && *count > 1) {
                over.push(*number);
            }
        }
        over.iter().for_each(|number| drop(self.proposals.remove(number)));
    }
}
