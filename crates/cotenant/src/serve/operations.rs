//! Operations of one room at one party: from a proposal over approvals and one run to a result that all keep.
//!
//! ```text
//! command or note --> Operations (no clock, disk or socket) --> Actions, in order:
//!     Stop a run, Persist one transaction, Send notes, Start a run
//! ```
//!
//! [`Operations`] holds what the store and the room's log say, and is rebuilt from them alone. [`shell::Shell`] carries its actions out. What is decided and
//! spent how is in [`cotenant_agent::approve`], what a run does in [`cotenant_agent::operate`], how a new version of the vault becomes the only one in
//! [`cotenant_agent::vault::commit`].
//!
//! Of those who take part, the one with the lowest seat begins: it says when (the date of the run), and begins one run at a time. The others begin when they
//! hear of it, and can. Members who take no part write down what all others have approved, are not asked, and hear from the one that began it how it ended.

pub mod api;
mod budget;
mod calls;
mod changes;
mod complaints;
mod decisions;
mod differences;
mod early;
mod entering;
mod faults;
mod heads;
mod heard;
mod meeting;
mod note;
mod proposals;
mod propose;
mod ready;
mod receipts;
mod replay;
mod restored;
mod running;
mod seats;
pub mod shell;
mod steps;
mod strength;
mod telling;
mod trust;
mod vault;

pub use calls::Answer;
pub use changes::Changes;
pub use decisions::{APPROVERS, BadRules, POLICY, Rules};
pub use differences::Difference;
pub use faults::MOST;
pub use meeting::OnHub;
pub use proposals::{End, OperationView, Shown};
pub use propose::{Aim, Asked, Conditions, NotDone};
pub use replay::OpenError;
pub use running::{Begin, RunEnd};
pub use strength::Objection;
pub use vault::has_vault;

use crate::store::Restored;
use budget::Budget;
use complaints::Complaints;
use cotenant_agent::{
    approve::{
        log::{Event as Logged, Log},
        person::Counters,
        policy::Past,
        receipt::Receipt,
        spend::Ledger,
    },
    room::{Parameters, RoomId},
    vault::commit::statement::Parties,
};
use cotenant_core::PartyId;
use cotenant_net::Identity;
use early::Early;
use faults::Faults;
use heads::Heads;
use note::Note;
use proposals::{Proposal, Stage};
use ready::{Asking, Promise};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use telling::Telling;
use vault::Vault;

/// What one party is in a room, and how it decides.
pub struct Setup {
    /// Its key.
    pub identity: Arc<Identity>,
    /// The room's parameters that are in force.
    pub parameters: Parameters,
    /// How it decides.
    pub rules: Rules,
}

/// Operations of one room.
pub struct Operations {
    setup: Setup,
    me: PartyId,
    counters: Counters,
    ledger: Ledger,
    log: Log,
    past: Vec<Past>,
    /// The highest number of this party's own.
    newest: u64,
    /// The numbers of earlier epochs: none of them is used again.
    used: BTreeSet<u64>,
    budget: Budget,
    proposals: BTreeMap<u64, Proposal>,
    /// Statements about proposals that have not come yet.
    early: Early,
    /// Who has signed two votes that exclude each other, as the log says.
    contradicted: Parties,
    /// Who has entered the epoch with another vault than this party's, as was said once.
    elsewhere: Parties,
    complaints: Complaints,
    /// Receipts that lack signatures.
    receipts: BTreeMap<u64, Receipt>,
    /// This party's signatures under receipts, for those who lack them.
    signatures: BTreeMap<u64, [u8; 64]>,
    vault: Vault,
    /// The operation whose run computes.
    active: Option<u64>,
    /// The operation that all are asked about, if this party is to begin it.
    asking: Option<Asking>,
    /// The operation that this party has said it can begin.
    promise: Option<Promise>,
    linked: Parties,
    /// What those who are connected are yet to be told.
    telling: BTreeMap<PartyId, Telling>,
    /// That the store was made of a backup, if it was.
    restored: Option<Restored>,
    heads: Heads,
    faults: Faults,
    step: Step,
}

/// What a step has led to so far.
#[derive(Default)]
struct Step {
    stops: Vec<Action>,
    changes: Changes,
    then: Vec<Action>,
}

/// What has to be done, in the order in which it is given: each before the next.
pub enum Action {
    /// End the run of the operation of this number; its result is not wanted.
    Stop(u64),
    /// The same, but it may go on for a moment, as it may know why it failed.
    StopSoon(u64),
    /// Make these changes durable in one transaction. If that fails, nothing that follows may be done.
    Persist(Box<Changes>),
    /// Send this note, if there is a link to the party and room on it; else it is told again.
    Send(PartyId, Vec<u8>),
    /// Begin this run, and say how it ended ([`Operations::run_ended`]).
    Start(Box<Begin>),
}

impl Operations {
    /// What has to be done since this was last called.
    pub fn take(&mut self) -> Vec<Action> {
        let Step { mut stops, changes, then } = std::mem::take(&mut self.step);
        if !changes.is_empty() {
            stops.push(Action::Persist(Box::new(changes)));
        }
        stops.extend(then);
        stops
    }

    /// A link to this member came up. All that it may lack is told, by and by.
    pub fn link_up(&mut self, party: PartyId, now: i64) {
        self.linked = self.linked.with(party);
        self.telling.insert(party, Telling::all(true));
        self.not_ready(party);
        self.advance(now);
    }

    /// The link to this member broke.
    pub fn link_down(&mut self, party: PartyId) {
        self.linked = self.linked.without(Parties::NONE.with(party));
        self.telling.remove(&party);
        self.not_ready(party);
    }

    /// Some seconds have passed: what is late ends, and what may have been lost is told again.
    pub fn tick(&mut self, now: i64) {
        self.advance(now);
        self.write_heads(now);
        self.tell_head();
        let again = Telling::again(self.vault.waits_for().is_some() || self.vault.is_entering());
        for party in self.linked.iter() {
            self.telling.entry(party).or_insert_with(|| again.clone());
        }
    }

    /// The room is in this later epoch: whoever waits for an operation is told that it is over, and what is not known of it. A member that keeps the last
    /// signature under a change back chooses this moment.
    pub fn end_all(&mut self, epoch: u32) {
        let me = self.me;
        let reason = format!("the room has entered epoch {epoch}, in which earlier proposals and approvals mean nothing");
        for proposal in self.proposals.values_mut().filter(|proposal| !proposal.has_ended()) {
            let reason = reason.clone();
            let end = match &proposal.stage {
                Stage::Running(running) if running.may_be_sent => End::MayBeSent { reason },
                Stage::Voting(running, _) if running.may_be_sent => {
                    End::InDoubt { reason: format!("its request may have been delivered, and {reason}") }
                }
                Stage::Voting(..) => End::InDoubt { reason },
                Stage::Open(_) if proposal.is_for_others(me) => End::Unknown,
                _ => End::Failed { reason },
            };
            proposal.end(end);
        }
    }

    /// The operations of this epoch that are not over, and those that ended last, by rising numbers.
    pub fn views(&self) -> Vec<OperationView> {
        self.proposals.iter().map(|(number, proposal)| self.view_of(*number, proposal)).collect()
    }

    /// How many operations wait for this party's decision.
    pub fn undecided(&self) -> usize {
        self.proposals.values().filter(|proposal| self.is_undecided(proposal)).count()
    }

    /// The operation of this number.
    pub fn view(&self, number: u64) -> Option<OperationView> {
        self.proposals.get(&number).map(|proposal| self.view_of(number, proposal))
    }

    /// What is in the vault, in the newest version that all have.
    pub fn vault(&self) -> &cotenant_agent::operate::Manifest {
        self.vault.settled()
    }

    /// The seat of this party.
    pub fn me(&self) -> PartyId {
        self.me
    }

    /// The room in its epoch.
    pub fn parameters(&self) -> &Parameters {
        &self.setup.parameters
    }

    fn room(&self) -> RoomId {
        self.setup.parameters.charter().room
    }

    /// What people call a member.
    fn name(&self, party: PartyId) -> String {
        let member = self.setup.parameters.members().get(party.index());
        member.map_or_else(|| party.to_string(), |member| member.name.clone())
    }

    fn names(&self, parties: impl IntoIterator<Item = PartyId>) -> Vec<String> {
        parties.into_iter().map(|party| self.name(party)).collect()
    }

    fn n(&self) -> usize {
        self.setup.parameters.members().len()
    }

    fn others(&self) -> impl Iterator<Item = PartyId> + use<> {
        let me = self.me;
        PartyId::all(self.n()).filter(move |party| *party != me)
    }

    /// Where this party stands with the vault.
    fn told(&self, asks: bool) -> Note {
        let epoch = self.setup.parameters.charter().epoch;
        Note::Told {
            epoch,
            newest: self.newest.max(self.used.last().copied().unwrap_or(0)),
            standing: self.vault.standing(),
            votes: self.vault.tell(),
            asks,
        }
    }

    /// This party's signature under a receipt that lacks others.
    fn asking(&self, number: u64) -> Option<Note> {
        let signature = *self.signatures.get(&number)?;
        Some(Note::Receipt { number, signature, asks: true })
    }

    fn send(&mut self, party: PartyId, note: &Note) {
        if self.linked.contains(party) {
            self.step.then.push(Action::Send(party, note.encode()));
        }
    }

    fn send_all(&mut self, note: &Note) {
        self.others().for_each(|party| self.send(party, note));
    }

    fn write_log(&mut self, now: i64, event: Logged) {
        let record = self.log.append(&self.setup.identity, now, event.clone());
        self.step.changes.log.push(record);
        self.note_entry(&event);
    }
}

#[cfg(test)]
mod tests;
