//! What a member may lack, told page by page: a page goes when there is room for all of it on the way to that member, so what one party has to say is never
//! too much at once, however many operations there are.

use super::{
    Operations,
    note::Note,
    proposals::{End, Proposal, Stage},
};
use cotenant_agent::operate::Manifest;
use cotenant_core::PartyId;
use std::ops::Bound;

/// Notes in a page, and bytes after which it ends.
pub(super) const PAGE: usize = 128;
const PAGE_BYTES: usize = 1 << 20;
/// The most notes about one operation.
const ABOUT_ONE: usize = 4;

/// How far one member has been told.
#[derive(Clone)]
pub(super) struct Telling {
    /// All votes are to be told; whether the other is asked for its own.
    votes: Option<bool>,
    /// Whether operations are told with all that is known, or only what this party has decided.
    whole: bool,
    /// Operations up to this number have been told.
    done: Option<u64>,
    /// All is to be told once more after that.
    anew: bool,
}

impl Telling {
    /// All that the other may lack, as it comes anew. If it is asked, it tells as well: what it said before this party could hear it is lost.
    pub(super) fn all(asks: bool) -> Self {
        Telling { votes: Some(asks), whole: true, done: None, anew: false }
    }

    /// What may not have counted when it came, as something before it was missing.
    pub(super) fn again(votes: bool) -> Self {
        // If this party waits for some, others are asked for theirs: who has them may be settled, and so says nothing by itself.
        Telling { votes: votes.then_some(true), whole: false, done: None, anew: false }
    }
}

impl Operations {
    /// Those who are to be told something.
    pub(super) fn to_be_told(&self) -> Vec<PartyId> {
        self.telling.keys().copied().collect()
    }

    /// A note to this member was lost, as there was no room for it, or it asks: all is told, once more if it is being told.
    pub(super) fn behind(&mut self, party: PartyId) {
        let telling = self.telling.entry(party).or_insert_with(|| Telling::all(false));
        telling.anew = !telling.whole || telling.done.is_some();
    }

    /// The next notes for this member, at most [`PAGE`]. None yet if a vault is among them and the way is not `idle`: a vault is long, and one that takes
    /// nothing, but asks, would have many waiting.
    pub(super) fn page(&mut self, party: PartyId, idle: bool, now: i64) -> Vec<Note> {
        let Some(mut telling) = self.telling.remove(&party) else { return Vec::new() };
        let shown = self.vault.to_show().filter(|(_, who)| telling.votes.is_some() && who.contains(party)).map(|(manifest, _)| manifest);
        if shown.is_some() && !idle {
            self.telling.insert(party, telling);
            return Vec::new();
        }
        let vault = shown.map(Manifest::encode);
        // Before anything that could be written down: a party whose log was put back learns of it first.
        let mut notes = if telling.whole && telling.votes.is_some() { self.heads_for(party) } else { Vec::new() };
        let mut bytes = 0;
        if let Some(asks) = telling.votes.take() {
            notes.push(self.told(asks));
            if let Some(manifest) = vault {
                bytes += manifest.len();
                notes.push(Note::Vault(manifest));
            }
        }
        let after = telling.done.map_or(Bound::Unbounded, Bound::Excluded);
        for (number, proposal) in self.proposals.range((after, Bound::Unbounded)) {
            if notes.len() + ABOUT_ONE > PAGE || bytes > PAGE_BYTES {
                self.telling.insert(party, telling);
                return notes;
            }
            telling.done = Some(*number);
            let about = self.about(party, *number, proposal, now, telling.whole);
            bytes += if about.is_empty() { 0 } else { proposal.bytes };
            notes.extend(about);
        }
        if telling.whole && notes.len() + self.receipts.len() > PAGE {
            self.telling.insert(party, telling);
            return notes;
        }
        if telling.whole {
            notes.extend(self.receipts.keys().filter_map(|number| self.asking(*number)));
        }
        if telling.anew {
            self.telling.insert(party, Telling::all(false));
        }
        notes
    }

    fn about(&self, party: PartyId, number: u64, proposal: &Proposal, now: i64, whole: bool) -> Vec<Note> {
        let own = proposal.own.clone().map(Note::Decision);
        if !whole {
            return own.into_iter().filter(|_| proposal.matters(now)).collect();
        }
        let matters = proposal.matters_to(party, now);
        let proposed = matters && proposal.operation().proposer == self.me;
        let begun = matters && proposal.running().is_some() && proposal.starter() == Some(self.me);
        let notes = [
            proposed.then(|| Note::Proposal(proposal.operation().encode())),
            own.filter(|_| matters),
            proposal.start.filter(|_| begun).map(Note::Start),
            self.end_for(party, number, proposal, now),
        ];
        notes.into_iter().flatten().collect()
    }

    /// How it ended for `party`, as long as it could still wait for it, of whom it takes this from.
    fn end_for(&self, party: PartyId, number: u64, proposal: &Proposal, now: i64) -> Option<Note> {
        let Stage::Ended(end) = &proposal.stage else { return None };
        if now >= proposal.operation().expiry {
            return None;
        }
        let operation = proposal.digest;
        match end {
            End::Failed { reason } | End::MayBeSent { reason } if proposal.is_ended_by(self.me) => {
                Some(Note::Ended { number, operation, reason: reason.clone() })
            }
            End::Done if proposal.starter() == Some(self.me) && !proposal.has_part(party) => Some(Note::Done { number, operation }),
            _ => None,
        }
    }
}
