//! Around the commit machine of a room's vault ([`cotenant_agent::vault::commit`]): signatures of votes, the record as it is stored, and which descriptions
//! of the vault belong to its versions.
//!
//! One machine commits the whole vault of a room, so several items can change at once. Its record and the vault's [`Manifest`]s stand in the store under
//! names that no item can have.

use super::{
    OpenError,
    changes::Changes,
    note::{self, Vote},
};
use crate::store::{Room, SignedRecord, Source};
use cotenant_agent::{
    operate::Manifest,
    room::RoomId,
    vault::commit::{
        self, Effect, Event, Record, Refusal, Report, State,
        statement::{self, Parties, Round, Statement, Version},
    },
};
use cotenant_core::{Digest, PartyId};
use cotenant_net::{Identity, PublicIdentity};
use std::{collections::HashMap, ops::Deref};

/// The name of the commit record in the store.
pub(super) const RECORD: &str = "#vault";

/// The name of a version's manifest in the store.
pub(super) fn manifest_name(version: &Version<Digest>) -> String {
    format!("#{} {}", version.number, version.run)
}

/// One party's part in the commits of a vault.
pub(super) struct Vault {
    room: RoomId,
    members: Vec<PublicIdentity>,
    state: State<Digest>,
    /// Of every statement that the record tells.
    signatures: HashMap<Statement<Digest>, [u8; 64]>,
    empty: Manifest,
    manifests: HashMap<Version<Digest>, Manifest>,
    /// Shares that the record does not name have yet to be destroyed, once it is known not to be an old copy.
    erase: bool,
}

/// What a step leads to beside changes of the store.
pub(super) enum Outcome {
    /// The run of this digest is not wanted any more.
    Stop(Digest),
    /// Tell all members.
    Send(Vote),
    /// The run of this digest made the version that all have now.
    Settled(Digest),
    /// This round was given up by all.
    GivenUp(Round),
    /// What people should know.
    Report(Report<Digest>),
    /// This member signed both of these, as evidence, which exclude each other.
    Contradiction(PartyId, [Vec<u8>; 2]),
}

impl Vault {
    /// The vault as it was stored; an empty one in a room's first epoch.
    ///
    /// What the record does not name is destroyed only when all members have told what they know, and none of it shows that the record is an old copy: an old
    /// one does not name the shares that are in use.
    ///
    /// # Errors
    /// Those of the store; [`OpenError::NoRecord`].
    pub(super) fn open<S: Deref<Target: Source>>(
        stored: &Room<S>,
        room: RoomId,
        me: PartyId,
        members: Vec<PublicIdentity>,
    ) -> Result<Vault, OpenError> {
        let known = stored.record(RECORD)?;
        let is_new = known.is_none();
        let signatures = known.iter().flat_map(SignedRecord::statements).collect();
        let record = known.map_or_else(|| Record::founder(me, Parties::first(members.len())), |known| known.record().clone());
        let manifests: HashMap<_, _> =
            super::changes::manifests(stored)?.into_iter().filter_map(|(_, m)| Some((m.version()?, m))).collect();
        if is_new && !manifests.is_empty() {
            return Err(OpenError::NoRecord);
        }
        let (state, _) = State::restart(record);
        let empty = Manifest::new(room, members.clone());
        Ok(Vault { room, members, state, signatures, empty, manifests, erase: true })
    }

    /// The vault in the version that this party gives its shares of.
    pub(super) fn loadable(&self) -> Option<&Manifest> {
        match self.state.record.settled {
            None => Some(&self.empty),
            Some(_) => self.state.record.loadable().and_then(|version| self.manifests.get(&version)),
        }
    }

    /// The newest version that all have.
    pub(super) fn settled(&self) -> &Manifest {
        self.state.record.settled.and_then(|version| self.manifests.get(&version)).unwrap_or(&self.empty)
    }

    /// Whether a save can begin, and in which round.
    pub(super) fn may_begin(&self) -> Result<Round, Refusal> {
        self.state.may_begin()
    }

    /// Whether a save waits for votes, and of whom.
    pub(super) fn waits_for(&self) -> Option<Parties> {
        let record = &self.state.record;
        record.in_doubt().then(|| record.members.iter().filter(|&party| record.votes_of(party).closing.is_none()).collect())
    }

    /// Who has not told what it knows since this process started.
    pub(super) fn unheard(&self) -> Parties {
        self.state.record.members.without(self.state.synced).without(Parties::NONE.with(self.state.record.me))
    }

    /// Whether others have shown a vote of this party that it does not know.
    pub(super) fn is_old(&self) -> bool {
        self.state.record.old
    }

    /// The run that was started in this round.
    pub(super) fn started(&self) -> Option<Digest> {
        self.state.record.started
    }

    /// The round in which the party stands.
    pub(super) fn round(&self) -> Round {
        self.state.record.round()
    }

    /// All that another party may lack.
    pub(super) fn tell(&self) -> Vec<Vote> {
        let votes = self.state.record.tell().into_iter();
        votes.filter_map(|statement| Some(Vote { statement, signature: *self.signatures.get(&statement)? })).collect()
    }

    /// The manifest of a version that a run has made, which is in the store.
    pub(super) fn made(&mut self, manifest: Manifest) {
        if let Some(version) = manifest.version() {
            self.manifests.insert(version, manifest);
        }
    }

    /// A vote came, from its signer or through anyone. One whose signature is not the signer's is passed over, and so is ENTERED: what a party signs for a
    /// new epoch has to name its members by their keys, and nobody signs that yet.
    pub(super) fn heard(&mut self, vote: Vote, identity: &Identity, changes: &mut Changes) -> Vec<Outcome> {
        let signer = self.members.get(vote.statement.signer.index());
        let entered = matches!(vote.statement.vote, statement::Vote::Entered(_));
        if entered || !signer.is_some_and(|signer| vote.is_by(self.room, signer)) {
            return Vec::new();
        }
        self.signatures.insert(vote.statement, vote.signature);
        self.step(Event::Heard(vote.statement), identity, changes)
    }

    /// Whether the member at a seat of this epoch signed these votes, as evidence.
    pub(super) fn are_of(&self, party: PartyId, votes: &[Vec<u8>; 2]) -> bool {
        let signer = self.members.get(party.index());
        signer.is_some_and(|signer| votes.iter().all(|vote| note::is_evidence(signer, vote)))
    }

    /// What follows an event. Changes have to be durable before anything that is returned is done.
    pub(super) fn step(&mut self, event: Event<Digest>, identity: &Identity, changes: &mut Changes) -> Vec<Outcome> {
        let (before, settled) = (self.state.record.round(), self.state.record.settled);
        let (state, effects) = commit::step(self.state.clone(), event);
        self.state = state;
        let me = self.state.record.me;
        let (mut outcomes, mut written) = (Vec::new(), false);
        for effect in effects {
            match effect {
                Effect::Stop(run) => outcomes.push(Outcome::Stop(run)),
                // Written below, with the signatures of the votes that follow here.
                Effect::Persist(_) => written = true,
                Effect::Send(vote) => {
                    let vote = Vote::sign(self.room, Statement { signer: me, vote }, identity);
                    self.signatures.insert(vote.statement, vote.signature);
                    outcomes.push(Outcome::Send(vote));
                }
                Effect::EraseAllBut(kept) => changes.keep = Some(kept),
                // It starts when its approval is spent, in the same step.
                Effect::Run(..) => {}
                Effect::Report(Report::Equivocation(signer, one, other)) => {
                    let evidence = |vote| {
                        let statement = Statement { signer, vote };
                        Some(Vote { statement, signature: *self.signatures.get(&statement)? }.evidence(self.room))
                    };
                    outcomes.extend(evidence(one).zip(evidence(other)).map(|(one, other)| Outcome::Contradiction(signer, [one, other])));
                }
                Effect::Report(report) => outcomes.push(Outcome::Report(report)),
            }
        }
        if self.erase && matches!(self.state.may_begin(), Ok(_) | Err(Refusal::Running | Refusal::InDoubt)) {
            self.erase = false;
            changes.keep.get_or_insert_with(|| self.state.record.kept());
        }
        self.forget();
        if written {
            changes.record = Some(self.signed());
        }
        match self.state.record.settled {
            Some(now) if settled != Some(now) => outcomes.push(Outcome::Settled(now.run)),
            _ if self.state.record.round() != before => outcomes.push(Outcome::GivenUp(before)),
            _ => {}
        }
        outcomes
    }

    /// Keeps the signatures of what the record tells, and the manifests of versions whose shares are kept.
    fn forget(&mut self) {
        let told = self.state.record.tell();
        self.signatures.retain(|statement, _| told.contains(statement));
        let kept = self.state.record.kept();
        let (settled, started) = (self.state.record.settled, self.state.record.started);
        self.manifests.retain(|version, _| kept.contains(version) || settled == Some(*version) || started == Some(version.run));
    }

    fn signed(&self) -> SignedRecord {
        let record = self.state.record.clone();
        let signatures = record.tell().iter().map(|statement| self.signatures[statement]).collect();
        SignedRecord::new(record, signatures).expect("one signature a statement")
    }
}
