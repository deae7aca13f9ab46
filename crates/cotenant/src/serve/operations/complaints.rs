//! What is said in the process's log about notes of members that do not count: so much an hour about one member, so that none can fill it.

use super::Operations;
use cotenant_core::PartyId;
use std::{collections::BTreeMap, fmt};

/// Lines about one member in an hour.
const LINES: u32 = 20;
const HOUR: i64 = 3600;

/// Complaints about each member: since when, and how many.
#[derive(Default)]
pub(super) struct Complaints(BTreeMap<PartyId, (i64, u32)>);

impl Operations {
    /// Logs that a note that `from` sent about an operation does not count.
    pub(super) fn complain(&mut self, from: PartyId, number: Option<u64>, what: &dyn fmt::Display, now: i64) {
        if let Some(last) = self.complaints.count(from, now) {
            let more = if last { "; no more is said about it in this hour" } else { "" };
            tracing::warn!(room = %self.room(), from = self.name(from), operation = number, "what a member sent does not count: {what}{more}");
        }
    }
}

impl Complaints {
    /// Whether there is place for one more line, and whether it is the last.
    fn count(&mut self, from: PartyId, now: i64) -> Option<bool> {
        let (since, lines) = self.0.entry(from).or_insert((now, 0));
        if now.saturating_sub(*since) >= HOUR || now < *since {
            (*since, *lines) = (now, 0);
        }
        *lines = (*lines + 1).min(LINES + 1);
        (*lines <= LINES).then_some(*lines == LINES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_member_has_so_many_lines_an_hour() {
        let mut complaints = Complaints::default();
        let [one, other] = [0, 1].map(PartyId::new);
        let said = |complaints: &mut Complaints, from, now| (0..100).filter_map(|_| complaints.count(from, now)).collect::<Vec<_>>();
        assert_eq!(said(&mut complaints, one, 5), [vec![false; 19], vec![true]].concat());
        assert_eq!((said(&mut complaints, one, 3604).len(), said(&mut complaints, other, 3604).len()), (0, 20));
        assert_eq!(
            (said(&mut complaints, one, 3605).len(), said(&mut complaints, other, 0).len()),
            (20, 20),
            "a clock set back begins anew"
        );
    }
}
