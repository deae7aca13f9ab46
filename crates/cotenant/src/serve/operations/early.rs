//! What members have said about operations that have not come yet, as notes of different members come in any order.

use super::Operations;
use cotenant_agent::approve::statement::{PURPOSE, Signed};
use cotenant_core::PartyId;
use std::collections::{BTreeMap, VecDeque};

/// Statements of one member, at most: as many as it may have proposals that are not over.
const MAX_EARLY: usize = 64;

/// Statements of members of the room, in its epoch, each verified.
#[derive(Default)]
pub(super) struct Early(BTreeMap<PartyId, VecDeque<Signed>>);

impl Early {
    /// What was said about this number; it is forgotten.
    pub(super) fn about(&mut self, number: u64) -> Vec<Signed> {
        let mut found = Vec::new();
        for said in self.0.values_mut() {
            found.extend(said.iter().filter(|signed| signed.statement.number == number).cloned());
            said.retain(|signed| signed.statement.number != number);
        }
        found
    }
}

impl Operations {
    /// Keeps what a member has said about an operation that is not known here. One member's do not push out another's.
    pub(super) fn keep_early(&mut self, signed: Signed) {
        let (charter, statement) = (self.setup.parameters.charter(), &signed.statement);
        let signer = self.setup.parameters.members().get(statement.party.index());
        let here = (statement.room, statement.epoch) == (charter.room, charter.epoch) && self.known(statement.number).is_none();
        if !here || signer.is_none_or(|member| member.key.verify(PURPOSE, &statement.encode(), &signed.signature).is_err()) {
            return;
        }
        let said = self.early.0.entry(statement.party).or_default();
        if said.contains(&signed) {
            return;
        }
        if said.len() == MAX_EARLY {
            said.pop_front();
        }
        said.push_back(signed);
    }
}
