//! A party whose store was made of a backup (`docs/protocol/agreement.md`, after a backup).
//!
//! | what its store may not know | what it does |
//! | --- | --- |
//! | votes that it has signed since | begins nothing and proposes nothing until all other members have told what they know since; whoever shows it a vote that it does not know makes it an old copy, which gives out no share ([`cotenant_agent::vault::commit`]) |
//! | operations that it has approved and run since | decides about nothing that can have been proposed before: that has an expiry before the longest one that it could have had |
//! | numbers that it has proposed under | leaves out so many that it will not use one twice |

use super::{NotDone, Operations};
use crate::store::Restored;
use cotenant_agent::approve::{log::Event as Logged, operation::Operation};

/// What the people of an old copy are told to do.
pub(super) const NEW_EPOCH: &str = "the room has to enter a new epoch: cotenant room change --renew, at a member whose store is whole, then cotenant vault repair NAME for this one";

/// How many numbers of its own are left out: as many as others take of one member within a day.
const LEFT_OUT: u64 = 1 << 12;

impl Operations {
    /// Why this party can begin nothing, whatever is approved.
    pub fn hindrance(&self) -> Option<String> {
        if self.vault.is_old() {
            return Some(format!("this party's store is an old copy: others have votes of it that it does not know; {NEW_EPOCH}"));
        }
        self.log_is_lost().or_else(|| self.all_heard().err().map(|unheard| unheard.to_string()))
    }

    /// Whether a restored party knows what the others know.
    pub(super) fn all_heard(&self) -> Result<(), NotDone> {
        match self.restored {
            Some(Restored { heard: false, .. }) => Err(NotDone::Unheard(self.names(self.vault.unheard().iter()))),
            _ => Ok(()),
        }
    }

    /// Once all have told what they know, a restored party goes on.
    pub(super) fn note_all_heard(&mut self, now: i64) {
        let Some(Restored { at, heard: false }) = self.restored else { return };
        if !self.vault.unheard().is_empty() || self.vault.is_old() {
            return;
        }
        let restored = Restored { at, heard: true };
        // Every n-th number is this party's.
        self.newest += LEFT_OUT * self.n() as u64;
        self.restored = Some(restored);
        self.step.changes.restored = Some(restored);
        self.step.changes.newest = Some(self.newest);
        self.write_log(now, Logged::Restored(at));
    }

    /// Whether it is certain that this party has not run this before its store was restored. What was proposed until then expires within the time that the room
    /// allows, by clocks that differ as much as it allows.
    ///
    /// # Errors
    /// [`NotDone::BeforeRestore`].
    pub(super) fn is_after_restore(&self, operation: &Operation) -> Result<(), NotDone> {
        let Some(Restored { at, .. }) = self.restored else { return Ok(()) };
        let limits = self.setup.parameters.charter().limits;
        let after = at.saturating_add(limits.proposal.into()).saturating_add(limits.clock.into());
        if operation.expiry > after { Ok(()) } else { Err(NotDone::BeforeRestore { number: operation.number, after }) }
    }
}
