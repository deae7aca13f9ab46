//! One number, two operations: members that were shown different things find out which, and in what they differ.
//!
//! A statement names an operation by its digest, so that one about another operation does not count, and nothing runs. Whoever hears one says what it has been
//! shown itself, once to each member; so both sides see the lines and the byte. It is what the other says it was shown, and changes nothing.

use super::{Operations, note::Note};
use cotenant_agent::approve::{operation::Operation, words};
use cotenant_core::PartyId;
use serde::{Deserialize, Serialize};

/// In what this party's operation and another member's differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// The member.
    pub party: String,
    /// Lines of printable ASCII: `-` is here, `+` is there; the last names the first byte.
    pub lines: Vec<String>,
}

impl Operations {
    /// Tells a member what this party was shown under a number, unless it was told.
    pub(super) fn tell_mine(&mut self, party: PartyId, number: u64) {
        let Some(proposal) = self.proposals.get_mut(&number).filter(|proposal| !proposal.told.contains(party)) else { return };
        if self.linked.contains(party) {
            proposal.told = proposal.told.with(party);
            let note = Note::Mine(proposal.operation().encode());
            self.send(party, &note);
        }
    }

    /// A member says what it was shown. Only the first time counts, so that nobody can keep this party comparing.
    pub(super) fn heard_mine(&mut self, from: PartyId, bytes: &[u8]) {
        let Ok(theirs) = Operation::decode(bytes) else { return };
        let Some(proposal) = self.proposals.get(&theirs.number) else { return };
        if proposal.differs.contains_key(&from) || proposal.digest == theirs.digest() {
            return;
        }
        let lines = words::diff(proposal.operation(), &theirs, |party| self.name(party));
        tracing::warn!(room = %self.room(), operation = theirs.number, from = self.name(from), "a member was shown another operation under this number: see cotenant pending");
        if let Some(proposal) = self.proposals.get_mut(&theirs.number) {
            proposal.differs.insert(from, lines);
        }
        self.tell_mine(from, theirs.number);
    }

    pub(super) fn differences(&self, number: u64) -> Vec<Difference> {
        let differs = self.proposals.get(&number).into_iter().flat_map(|proposal| &proposal.differs);
        differs.map(|(party, lines)| Difference { party: self.name(*party), lines: lines.clone() }).collect()
    }
}
