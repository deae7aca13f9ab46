//! How a room comes into force, first and at each change: one member's part, without clock, disk or network.
//!
//! The only message is a sheet: parameters with the signatures that its sender knows. A member signs what its people approved, tells all who are
//! concerned, keeps what it hears, and enters an epoch once its sheet has all the signatures that the rule of [`super::signed`] asks for.
//!
//! Two rules make honest members enter the same epochs, though a signature can be withheld and shown later:
//!
//! - **sign upwards**: sign at most one sheet for each epoch, and none for a lower epoch than one already signed;
//! - **keep to the last**: enter an epoch only if nothing of a later one was signed.
//!
//! If two sheets that follow the same parameters both have the signature of an honest member that stays in both, then it entered at most the later one,
//! and no honest member that had entered the earlier one signs the later, as that does not follow what it is in. So a proposal that does not get all
//! signatures is left behind by another of a higher epoch number, and cannot come back. A member that was left out of an epoch that the others entered,
//! because it had signed a later proposal, stays where it is until a further change, on top of that epoch, which it can sign. More is in
//! `docs/protocol/room.md`.
//!
//! [`step`] is a function of state and event. Its effects are carried out in their order, each before the next is begun; after a crash the state is
//! made again from the record, and each link that comes up is an [`Event::Linked`], which sends what may have been lost.

mod record;

pub use record::Record;

use super::{
    diff::{self, Line},
    parameters::{Engine, Parameters},
    signed::{self, Fault, Sheet, Signatures, Signed},
};
use cotenant_core::Digest;
use cotenant_net::{Identity, PublicIdentity};
use std::collections::{BTreeMap, BTreeSet};

/// One member's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// What outlives a crash.
    pub record: Record,
    /// Proposals that this member has not signed, by who sent them; one each, so that nobody can crowd out another's.
    pub pending: BTreeMap<PublicIdentity, Sheet>,
}

/// What happens to a member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The people here want these parameters.
    Propose(Box<Parameters>),
    /// The people here approve the pending proposal of this digest.
    Approve(Digest),
    /// The people here do not want to see it any more.
    Dismiss(Digest),
    /// A sheet came over the link of this member.
    Heard(PublicIdentity, Box<Sheet>),
    /// The link to this member came up.
    Linked(PublicIdentity),
}

/// What a member has to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Write the record durably.
    Persist(Box<Record>),
    /// Send a sheet to one who is concerned, if there is a link.
    Send(PublicIdentity, Box<Sheet>),
    /// Send all that was ever entered after this epoch, in order, to one who has missed it.
    Teach(PublicIdentity, u32),
    /// The last of these is in force, and approvals of earlier epochs are void. Write the record, and keep all of them for good, in one transaction.
    Enter(Box<Record>, Vec<Signed>),
    /// Ask people whether they approve: the digest, and what changes.
    Ask(Digest, Vec<Line>),
    /// Tell people.
    Report(Report),
}

/// What people should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// These have signed two different sheets for one epoch; the two are the proof. A founder among them has shown different rooms to different
    /// members.
    SignedTwice(Vec<PublicIdentity>, Box<[Sheet; 2]>),
    /// This member sent other parameters for an epoch than are known here; nobody signed both.
    Differs(PublicIdentity),
    /// What this member sent is of no use here.
    Useless(PublicIdentity, Fault),
    /// A new member was shown another charter than the one it agreed to join.
    OtherCharter(PublicIdentity),
    /// The others have entered this epoch; this party had signed a later proposal and can only follow by a further change.
    LeftBehind(u32),
    /// This party was a member and is not any more.
    Removed,
    /// What people here wanted was not done.
    Refused(Refusal),
}

/// Why a member does not sign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Something of this epoch or a later one has been signed.
    #[error("epoch {0} has been signed for already; propose a later one")]
    Signed(u32),
    /// No such proposal is pending.
    #[error("no such proposal is pending")]
    Unknown,
    /// It does not follow what is in force.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// This party is a member neither before nor after.
    #[error("this party has no part in it")]
    NoPart,
    /// This program is not of the engine that the room is to have.
    #[error("the room is to have another engine than this program's")]
    Engine,
    /// It is not what this party agreed to join.
    #[error("the charter is not the one that this party agreed to join")]
    Charter,
}

impl State {
    /// After a start.
    pub fn restart(record: Record) -> State {
        State { record, pending: BTreeMap::new() }
    }
}

/// One event. `identity` is the key that [`Record::me`] names.
pub fn step(mut state: State, identity: &Identity, event: Event) -> (State, Vec<Effect>) {
    let mut effects = Vec::new();
    match event {
        Event::Propose(parameters) => {
            let sheet = Sheet::new(*parameters, Signatures::new()).expect("no signature is wrong");
            state.sign(sheet, identity, &mut effects);
        }
        Event::Approve(digest) => match state.pending.values().find(|sheet| sheet.digest() == digest).cloned() {
            Some(sheet) => state.sign(sheet, identity, &mut effects),
            None if state.record.mine.as_ref().is_some_and(|mine| mine.digest() == digest) => {}
            None => effects.push(Effect::Report(Report::Refused(Refusal::Unknown))),
        },
        Event::Dismiss(digest) => state.pending.retain(|_, sheet| sheet.digest() != digest),
        Event::Heard(from, sheet) => state.hear(from, *sheet, &mut effects),
        Event::Linked(peer) => state.greet(peer, &mut effects),
    }
    (state, effects)
}

impl State {
    /// Signs, unless a rule forbids it.
    fn sign(&mut self, mut sheet: Sheet, identity: &Identity, effects: &mut Vec<Effect>) {
        if self.record.mine.as_ref().is_some_and(|mine| mine.digest() == sheet.digest()) {
            return self.tell_all(effects);
        }
        if let Err(refusal) = self.may_sign(&sheet) {
            return effects.push(Effect::Report(Report::Refused(refusal)));
        }
        let own = Signatures::from([(self.record.me, signed::sign(sheet.parameters(), identity))]);
        match Sheet::new(sheet.parameters().clone(), own) {
            Ok(own) => sheet.merge(&own),
            Err(fault) => return effects.push(Effect::Report(Report::Refused(fault.into()))),
        };
        self.pending.retain(|_, pending| {
            if pending.digest() == sheet.digest() {
                sheet.merge(pending);
            }
            pending.digest() != sheet.digest()
        });
        self.record.mine = Some(sheet.clone());
        effects.push(Effect::Persist(Box::new(self.record.clone())));
        self.tell_all(effects);
        self.complete(&sheet, effects);
    }

    fn may_sign(&self, sheet: &Sheet) -> Result<(), Refusal> {
        let (record, new) = (&self.record, sheet.parameters());
        let parent = record.parent(new)?;
        if !concerned(parent, new).contains(&record.me) {
            return Err(Refusal::NoPart);
        }
        if record.charter.is_some_and(|agreed| agreed != new.charter().digest()) {
            return Err(Refusal::Charter);
        }
        if new.charter().engine != Engine::CURRENT {
            return Err(Refusal::Engine);
        }
        let signed = record.signed_epoch();
        if new.charter().epoch <= signed { Err(Refusal::Signed(signed)) } else { Ok(()) }
    }

    fn hear(&mut self, from: PublicIdentity, sheet: Sheet, effects: &mut Vec<Effect>) {
        let epoch = sheet.parameters().charter().epoch;
        self.compare(from, &sheet, effects);
        if let Some(force) = &self.record.in_force
            && force.parameters().charter().room == sheet.parameters().charter().room
            && epoch <= force.parameters().charter().epoch
        {
            if epoch < force.parameters().charter().epoch {
                effects.push(Effect::Teach(from, epoch)); // to no avail if it is on another branch
            } else if sheet.digest() == force.digest() && Signed::by_all_members(sheet).is_err() {
                effects.push(Effect::Send(from, Box::new(force.sheet().clone())));
            }
            return;
        }
        let useless = |fault| Effect::Report(Report::Useless(from, fault));
        let parent = match self.record.parent(sheet.parameters()) {
            Ok(parent) => parent,
            Err(fault) => return effects.push(useless(fault)),
        };
        let concerned = concerned(parent, sheet.parameters());
        if let Some(stranger) = [from].iter().chain(sheet.signatures().keys()).find(|key| !concerned.contains(key)) {
            return effects.push(useless(Fault::Stranger(*stranger)));
        }
        if !sheet.signatures().contains_key(&from) && self.finish(&sheet).is_err() {
            return effects.push(useless(Fault::Unsigned)); // only complete sheets are passed on by others
        }
        if self.record.charter.is_some_and(|agreed| agreed != sheet.parameters().charter().digest()) {
            return effects.push(Effect::Report(Report::OtherCharter(from)));
        }
        self.learn(from, sheet, effects);
    }

    /// Names who signed two sheets for one epoch.
    fn compare(&self, from: PublicIdentity, sheet: &Sheet, effects: &mut Vec<Effect>) {
        let record = &self.record;
        let known = record.in_force.iter().chain(&record.ahead).map(Signed::sheet).chain(&record.mine).chain(self.pending.values());
        let of = |sheet: &Sheet| (sheet.parameters().charter().room, sheet.parameters().charter().epoch);
        for other in known.filter(|other| of(other) == of(sheet) && other.digest() != sheet.digest()) {
            effects.push(Effect::Report(match sheet.signed_twice(other) {
                nobody if nobody.is_empty() => Report::Differs(from),
                signers => Report::SignedTwice(signers, Box::new([other.clone(), sheet.clone()])),
            }));
        }
    }

    /// Keeps what a sheet says that is not known yet.
    fn learn(&mut self, from: PublicIdentity, mut sheet: Sheet, effects: &mut Vec<Effect>) {
        let epoch = sheet.parameters().charter().epoch;
        let ours = sheet.signatures().contains_key(&self.record.me) && epoch > self.record.signed_epoch();
        if ours {
            self.record.mine = Some(sheet.clone()); // an old copy of the record was restored: this party did sign it
            effects.push(Effect::Persist(Box::new(self.record.clone())));
        } else if let Some(mine) = self.record.mine.as_mut().filter(|mine| mine.digest() == sheet.digest()) {
            if mine.merge(&sheet) {
                sheet = mine.clone();
                effects.push(Effect::Persist(Box::new(self.record.clone())));
            }
        } else if self.finish(&sheet).is_err() {
            let (digest, known) = (sheet.digest(), self.pending.values().any(|pending| pending.digest() == sheet.digest()));
            self.pending.values().for_each(|pending| {
                sheet.merge(pending);
            });
            let line = |sheet: &Sheet| diff::lines(self.record.parent(sheet.parameters()).ok().flatten(), sheet.parameters());
            if !known && self.may_sign(&sheet).is_ok() {
                effects.push(Effect::Ask(digest, line(&sheet)));
            }
            self.pending.insert(from, sheet.clone());
        }
        self.complete(&sheet, effects);
    }

    /// Enters the epoch of a sheet that has enough signatures.
    fn complete(&mut self, sheet: &Sheet, effects: &mut Vec<Effect>) {
        let Ok(signed) = self.finish(sheet) else { return };
        let epoch = signed.parameters().charter().epoch;
        if self.record.ahead.contains(&signed) {
            return;
        }
        let bound = |mine: &Sheet| mine.digest() != sheet.digest() && mine.parameters().charter().epoch >= epoch;
        if self.record.mine.as_ref().is_some_and(bound) {
            self.record.keep_ahead(signed);
            effects.extend([Effect::Persist(Box::new(self.record.clone())), Effect::Report(Report::LeftBehind(epoch))]);
            return;
        }
        let peers = concerned(self.record.parent(sheet.parameters()).ok().flatten(), sheet.parameters());
        let entered = self.record.enter(signed.clone());
        self.pending.retain(|_, pending| pending.parameters().charter().previous == Some(signed.digest()));
        effects.push(Effect::Enter(Box::new(self.record.clone()), entered));
        let send = |peer: &PublicIdentity| Effect::Send(*peer, Box::new(sheet.clone()));
        effects.extend(peers.iter().filter(|peer| **peer != self.record.me).map(send));
        if signed.parameters().seat(&self.record.me).is_none() {
            effects.push(Effect::Report(Report::Removed));
        }
    }

    /// The sheet with all that it needs, if it has it.
    fn finish(&self, sheet: &Sheet) -> Result<Signed, Fault> {
        let (new, signatures) = (sheet.parameters(), sheet.signatures().clone());
        match self.record.parent_signed(new)? {
            None => signed::founded(new, signatures),
            Some(parent) => signed::admits(parent, new, signatures),
        }
    }

    /// Sends what a member may lack.
    fn greet(&self, peer: PublicIdentity, effects: &mut Vec<Effect>) {
        let send = |sheet: &Sheet| Effect::Send(peer, Box::new(sheet.clone()));
        if let Some(force) = self.record.in_force.as_ref().filter(|force| force.parameters().seat(&self.record.me).is_some()) {
            effects.push(send(force.sheet()));
        }
        if let Some(mine) = &self.record.mine
            && concerned(self.record.parent(mine.parameters()).ok().flatten(), mine.parameters()).contains(&peer)
        {
            effects.push(send(mine));
        }
    }

    fn tell_all(&self, effects: &mut Vec<Effect>) {
        let Some(mine) = &self.record.mine else { return };
        let peers = concerned(self.record.parent(mine.parameters()).ok().flatten(), mine.parameters());
        effects.extend(peers.into_iter().filter(|peer| *peer != self.record.me).map(|peer| Effect::Send(peer, Box::new(mine.clone()))));
    }
}

/// The members before and after.
fn concerned(parent: Option<&Parameters>, new: &Parameters) -> BTreeSet<PublicIdentity> {
    parent.into_iter().flat_map(Parameters::keys).chain(new.keys()).collect()
}

#[cfg(test)]
mod tests;
