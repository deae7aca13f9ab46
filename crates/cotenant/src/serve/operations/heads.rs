//! Where logs end, told between members: what each has heard of another's log it writes into its own, and tells the owner at every new link.
//!
//! So a member that has rewritten or cut off its log contradicts what it signed, and one whose store is an old copy learns of it from its own signature
//! ([`cotenant_agent::approve::log`]). A checkpoint is made when something else than a checkpoint was written: checkpoints alone make no new ones.

use super::{Operations, note::Note, restored::NEW_EPOCH};
use crate::serve::operations::api::{HeadView, LogEnd};
use cotenant_agent::approve::log::{Checkpoint, Event as Logged, Head, History};
use cotenant_core::{Digest, PartyId};
use std::collections::BTreeMap;

/// For so many seconds after a checkpoint of a member was written down, no other is: the log is not filled by who tells often.
const APART: i64 = 15;

/// What is known of where logs end.
#[derive(Default)]
pub(super) struct Heads {
    /// The digests of all entries of this party's log.
    digests: Vec<Digest>,
    /// What the others are told of it; nothing before its first entry.
    own: Option<Checkpoint>,
    /// Whether they have yet to be told.
    untold: bool,
    /// What each has told of its log, the newest that stands in this party's log, and when it was written there.
    seen: BTreeMap<PartyId, (Checkpoint, i64)>,
    /// What is newer and waits to be written.
    waiting: BTreeMap<PartyId, Checkpoint>,
    /// What each knows of this party's log, as signed by this party.
    known: BTreeMap<PartyId, Checkpoint>,
    /// Whose log is not a continuation of what it told before.
    rewritten: BTreeMap<PartyId, Checkpoint>,
    /// What this party has told of its log last that does not stand there, and in which epoch.
    lost: Option<(u32, Head)>,
}

impl Operations {
    /// Takes up what the log tells of logs.
    pub(super) fn replay_heads(&mut self, history: &History) {
        let entries = history.entries();
        self.heads.digests = (1..=entries.len() as u64).filter_map(|count| history.head_at(count)).map(|head| head.digest).collect();
        let told = entries.iter().rposition(|entry| !matches!(entry.event, Logged::Seen(_)));
        let head = told.and_then(|last| history.head_at(last as u64 + 1));
        self.heads.own = head.map(|head| self.checkpoint(head));
        let epoch = self.setup.parameters.charter().epoch;
        for entry in entries {
            match &entry.event {
                Logged::Seen(seen) if seen.owner == self.setup.identity.public() => {
                    self.heads.lost = Some((seen.epoch, seen.head)).filter(|(_, head)| !self.heads.has(head)).or(self.heads.lost);
                }
                Logged::Seen(seen) if seen.epoch != epoch => {}
                Logged::Seen(seen) => {
                    if let Some(party) = self.setup.parameters.seat(&seen.owner) {
                        self.heads.seen.insert(party, (*seen, entry.time));
                    }
                }
                _ => {}
            }
        }
    }

    fn checkpoint(&self, head: Head) -> Checkpoint {
        let charter = self.setup.parameters.charter();
        Checkpoint::sign(&self.setup.identity, charter.room, charter.epoch, head)
    }

    /// Notes an entry of the log that was written.
    pub(super) fn note_entry(&mut self, event: &Logged) {
        self.heads.digests.push(self.log.head().digest);
        if !matches!(event, Logged::Seen(_)) {
            self.heads.own = Some(self.checkpoint(self.log.head()));
            self.heads.untold = true;
        }
    }

    /// Tells all where the log ends, if they have yet to be told.
    pub(super) fn tell_head(&mut self) {
        if let (true, Some(own)) = (std::mem::take(&mut self.heads.untold), self.heads.own) {
            self.send_all(&Note::Checkpoint(own));
        }
    }

    /// What `party` is told when there is a link: where this party's log ends, and what is known here of its own.
    pub(super) fn heads_for(&self, party: PartyId) -> Vec<Note> {
        let own = self.heads.own.map(Note::Checkpoint);
        let theirs = self.heads.newest(party).map(|newest| Note::Known(*newest));
        own.into_iter().chain(theirs).collect()
    }

    /// A member tells where its log ends.
    pub(super) fn heard_checkpoint(&mut self, from: PartyId, told: Checkpoint, now: i64) {
        let charter = self.setup.parameters.charter();
        let key = self.setup.parameters.members().get(from.index()).map(|member| member.key);
        if Some(told.owner) != key || (told.room, told.epoch) != (charter.room, charter.epoch) || !told.is_signed() {
            let what = "what it told of its log is not signed by it, or of another room or epoch";
            return self.complain(from, None, &what, now);
        }
        match self.heads.newest(from).map(|before| before.head) {
            Some(before) if before == told.head => {}
            Some(before) if told.head.entries <= before.entries => {
                // What it told before is kept: that is what its log contradicts.
                if self.heads.rewritten.insert(from, told).is_none() {
                    let (room, from, entries) = (self.room(), self.name(from), told.head.entries);
                    tracing::error!(%room, from, entries, before = before.entries, "a member's log was rewritten or cut off");
                }
            }
            _ => {
                self.heads.waiting.insert(from, told);
                self.write_heads(now);
            }
        }
    }

    /// Writes down what others have told, for each not too often.
    pub(super) fn write_heads(&mut self, now: i64) {
        let due = |party: &PartyId| self.heads.seen.get(party).is_none_or(|(_, at)| !(*at..*at + APART).contains(&now));
        let due: Vec<PartyId> = self.heads.waiting.keys().copied().filter(due).collect();
        for party in due {
            if let Some(told) = self.heads.waiting.remove(&party) {
                self.heads.seen.insert(party, (told, now));
                self.write_log(now, Logged::Seen(told));
            }
        }
    }

    /// A member tells what this party has told it of its own log: that is to be believed if this party has signed it.
    pub(super) fn heard_known(&mut self, from: PartyId, known: Checkpoint, now: i64) {
        let charter = self.setup.parameters.charter();
        let own = known.owner == self.setup.identity.public() && (known.room, known.epoch) == (charter.room, charter.epoch);
        if !own || !known.is_signed() {
            return self.complain(from, None, &"what it tells of this party's log this party has not signed", now);
        }
        self.heads.known.insert(from, known);
        if self.lost_head().is_none() && !self.heads.has(&known.head) {
            let (room, from) = (self.room(), self.name(from));
            tracing::error!(%room, from, entries = known.head.entries, "this party has told of entries of its log that are not there: its store is an old copy");
            self.heads.lost = Some((known.epoch, known.head));
            self.write_log(now, Logged::Seen(known));
        }
    }

    /// What this party has told of its log in this epoch and what does not stand there.
    fn lost_head(&self) -> Option<Head> {
        let epoch = self.setup.parameters.charter().epoch;
        self.heads.lost.filter(|(told, _)| *told == epoch).map(|(_, head)| head)
    }

    /// Whether the log shows that the record of the vault may lack something: what was told before the epoch in which the vault is, is nothing to it.
    pub(super) fn record_may_be_old(&self) -> bool {
        self.heads.lost.is_some_and(|(told, _)| told >= self.vault.round().epoch)
    }

    /// Why nothing is begun here, if this party's log is not what it has told.
    pub(super) fn log_is_lost(&self) -> Option<String> {
        let lost = self.lost_head()?;
        let (told, here) = (lost.entries, self.heads.digests.len());
        Some(format!(
            "this party's store is an old copy: it has told others of {told} entries of its log, which are not among the {here} here; {NEW_EPOCH}"
        ))
    }

    /// What is known of the members' logs.
    pub fn head_views(&self) -> Vec<HeadView> {
        let end = |checkpoint: &Checkpoint| LogEnd { entries: checkpoint.head.entries, digest: checkpoint.head.digest.to_string() };
        let view = |party: PartyId| HeadView {
            member: self.name(party),
            theirs: self.heads.newest(party).map(end),
            ours: self.heads.known.get(&party).map(end),
            continues: self.heads.known.get(&party).is_none_or(|known| self.heads.has(&known.head)),
            rewritten: self.heads.rewritten.get(&party).map(end),
        };
        self.others().map(view).collect()
    }
}

impl Heads {
    /// The newest that a member has told of its log.
    fn newest(&self, party: PartyId) -> Option<&Checkpoint> {
        self.waiting.get(&party).or(self.seen.get(&party).map(|(seen, _)| seen))
    }

    /// Whether this party's log once ended there, or does.
    fn has(&self, head: &Head) -> bool {
        head.entries.checked_sub(1).is_some_and(|last| self.digests.get(last as usize) == Some(&head.digest))
    }
}
