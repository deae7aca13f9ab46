//! Around the commit machine of a room's vault ([`cotenant_agent::vault::commit`]): signatures of votes, the record as it is stored, and which descriptions
//! of the vault belong to its versions. How it goes from one epoch of the room to the next is in [`super::entering`].
//!
//! One machine commits the whole vault of a room, so several items can change at once. Its record and the vault's [`Manifest`]s stand in the store under
//! names that no item can have.

use super::{
    OpenError,
    changes::{Changes, Keep},
    entering::{Entering, Judged},
    note::{self, Vote},
    seats::{Members, Seats, epoch_of},
};
use crate::store::{Room, SignedRecord, Source, StoreError, Table};
use cotenant_agent::{
    operate::Manifest,
    room::{Parameters, RoomId, Signed},
    vault::commit::{
        self, Effect, Event, Record, Refusal, Report, State,
        statement::{self, Parties, Round, Statement, Version},
    },
};
use cotenant_core::{Digest, PartyId};
use cotenant_net::{Identity, PublicIdentity};
use std::{
    collections::{BTreeMap, HashMap},
    ops::Deref,
};

/// The name of the commit record in the store.
pub(super) const RECORD: &str = "#vault";

/// The name of a version's manifest in the store.
pub(super) fn manifest_name(version: &Version<Digest>) -> String {
    format!("#{} {}", version.number, version.run)
}

/// One party's part in the commits of a vault.
pub(super) struct Vault {
    pub(super) room: RoomId,
    pub(super) seats: Seats,
    pub(super) state: State<Digest>,
    /// Of every statement that the record tells.
    signatures: HashMap<Statement<Digest>, [u8; 64]>,
    empty: Manifest,
    pub(super) manifests: HashMap<Version<Digest>, Manifest>,
    /// Shares that the record does not name have yet to be destroyed, once it is known not to be an old copy.
    erase: bool,
    pub(super) entering: Entering,
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
    /// The vault is in the room's epoch.
    Entered,
    /// This member has entered the epoch with another vault than this party's.
    OtherVault(PartyId),
    /// What people should know.
    Report(Report<Digest>),
    /// This member signed both of these, as evidence, which exclude each other.
    Contradiction(PartyId, [Vec<u8>; 2]),
}

/// What is stored of a vault: the record, by which epoch's seats its parties are numbered, signatures.
type Stored = (Record<Digest>, u32, HashMap<Statement<Digest>, [u8; 64]>);

impl Vault {
    /// The vault as it was stored; an empty one at a member of the room's first epoch, and nothing at one that comes new or without what it had.
    ///
    /// What the record does not name is destroyed only when all members have told what they know, and none of it shows that the record is an old copy: an old
    /// one does not name the shares that are in use.
    ///
    /// # Errors
    /// Those of the store; [`OpenError::NoRecord`], [`OpenError::Crowd`].
    pub(super) fn open<S: Deref<Target: Source>>(
        stored: &Room<S>,
        parameters: &Parameters,
        own: &PublicIdentity,
    ) -> Result<Vault, OpenError> {
        let room = parameters.charter().room;
        let epochs = epochs(stored, parameters)?;
        let now = Members::from(parameters);
        let (record, numbered, signatures) = read(stored, &epochs, own, now.epoch)?;
        let of = |epoch| match epoch {
            0 => Ok(Members::nobody()),
            epoch => epochs.get(&epoch).cloned().ok_or_else(|| StoreError::Tampered { table: Table::Records, key: RECORD.to_owned() }),
        };
        let seats = |now| Seats::new(of(record.epoch)?, now).ok_or(OpenError::Crowd);
        let (before, seats) = (seats(of(numbered)?)?, seats(now)?);
        let place = |party| before.key(party).and_then(|key| seats.party(key));
        let mut record = record.placed(&place);
        let (me, epoch) = (record.me, seats.now().epoch);
        // What others have entered beyond is told again; of an epoch that the room has left it means nothing.
        record.entries.retain(|signer, entry| *signer == me || entry.epoch == epoch);
        let signatures = signatures.into_iter().filter_map(|(statement, signature)| Some((statement.placed(&place)?, signature))).collect();
        let manifests: HashMap<_, _> =
            super::changes::manifests(stored)?.into_iter().filter_map(|(_, m)| Some((m.version()?, m))).collect();
        if stored.record(RECORD)?.is_none() && !manifests.is_empty() {
            return Err(OpenError::NoRecord);
        }
        let empty = Manifest::new(room, seats.now().keys.clone());
        let (state, _) = State::restart(record);
        let mut vault = Vault { room, seats, state, signatures, empty, manifests, erase: true, entering: Entering::default() };
        if vault.is_entering() {
            vault.state = commit::step(vault.state.clone(), Event::Leave).0;
        }
        Ok(vault)
    }

    /// The vault in the version that this party works with: gives its shares of, if it has any.
    pub(super) fn current(&self) -> Option<&Manifest> {
        let record = &self.state.record;
        if self.is_entering() || record.old {
            return None;
        }
        match record.settled {
            None => Some(&self.empty),
            Some(_) => record.current().and_then(|version| self.manifests.get(&version)),
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

    /// Whether this party has no usable shares, or may not know what there is.
    pub(super) fn lacks(&self) -> bool {
        self.state.record.lacks()
    }

    /// All that another party may lack.
    pub(super) fn tell(&self) -> Vec<Vote> {
        let votes = self.state.record.tell().into_iter();
        votes.filter_map(|statement| self.vote(statement, *self.signatures.get(&statement)?)).collect()
    }

    /// A statement as it is told; none of an entry that was left behind.
    fn vote(&self, statement: Statement<Digest>, signature: [u8; 64]) -> Option<Vote> {
        let begins_with = match &statement.vote {
            statement::Vote::Entered(entry) => Some(self.begins_with(entry)?.digest()),
            _ => None,
        };
        Some(Vote { statement: self.seats.outward(statement)?, signature, begins_with })
    }

    /// The manifest of a version that a run has made, which is in the store.
    pub(super) fn made(&mut self, manifest: Manifest) {
        if let Some(version) = manifest.version() {
            self.manifests.insert(version, manifest);
        }
    }

    /// A vote came, from its signer or through anyone. One whose signature is not the signer's is passed over, and so is one about an epoch that is neither the
    /// vault's nor the room's.
    pub(super) fn heard(&mut self, vote: Vote, identity: &Identity, changes: &mut Changes) -> Vec<Outcome> {
        let Some(members) = self.seats.of(epoch_of(&vote.statement.vote)) else { return Vec::new() };
        let signer = members.keys.get(vote.statement.signer.index());
        if !signer.is_some_and(|signer| vote.is_by((self.room, members.parameters), signer)) {
            return Vec::new();
        }
        let Some(statement) = self.seats.inward(&vote) else { return Vec::new() };
        match self.judge(&statement, &vote) {
            Judged::Counts => {}
            Judged::Waits => return Vec::new(),
            Judged::OtherVault => return vec![Outcome::OtherVault(statement.signer)],
        }
        self.signatures.insert(statement, vote.signature);
        self.step(Event::Heard(statement), identity, changes)
    }

    /// Whether the member at a seat of this epoch signed these votes, as evidence.
    pub(super) fn are_of(&self, party: PartyId, votes: &[Vec<u8>; 2]) -> bool {
        let signer = self.seats.now().keys.get(party.index());
        signer.is_some_and(|signer| votes.iter().all(|vote| note::is_evidence(signer, vote)))
    }

    /// What follows an event. Changes have to be durable before anything that is returned is done.
    pub(super) fn step(&mut self, event: Event<Digest>, identity: &Identity, changes: &mut Changes) -> Vec<Outcome> {
        let before = self.state.record.clone();
        let (state, effects) = commit::step(self.state.clone(), event);
        self.state = state;
        let me = before.me;
        let (mut outcomes, mut written, mut erased) = (Vec::new(), false, false);
        for effect in effects {
            match effect {
                Effect::Stop(run) => outcomes.push(Outcome::Stop(run)),
                // Written below, with the signatures of the votes that follow here.
                Effect::Persist(_) => written = true,
                Effect::Send(vote) => outcomes.extend(self.sign(Statement { signer: me, vote }, identity).map(Outcome::Send)),
                Effect::EraseAllBut(_) => erased = true,
                // It starts when its approval is spent, in the same step.
                Effect::Run(..) => {}
                Effect::Report(Report::Equivocation(signer, one, other)) => {
                    let evidence = |vote| self.evidence(Statement { signer, vote });
                    outcomes.extend(evidence(one).zip(evidence(other)).map(|(one, other)| Outcome::Contradiction(signer, [one, other])));
                }
                Effect::Report(report) => outcomes.push(Outcome::Report(report)),
            }
        }
        let entered = self.state.record.epoch != before.epoch;
        if entered {
            self.entered(changes);
        }
        if self.erase && matches!(self.state.may_begin(), Ok(_) | Err(Refusal::Running | Refusal::InDoubt)) {
            erased = true;
        }
        self.forget();
        if written {
            changes.record = Some(self.signed());
        }
        if erased {
            self.erase = false;
            changes.keep = Some(self.keep());
        }
        match self.state.record.settled {
            _ if entered => outcomes.push(Outcome::Entered),
            Some(now) if before.settled != Some(now) => outcomes.push(Outcome::Settled(now.run)),
            _ if self.state.record.round() != before.round() => outcomes.push(Outcome::GivenUp(before.round())),
            _ => {}
        }
        outcomes
    }

    /// A statement with its signature; none of a member that has left the room.
    fn evidence(&self, statement: Statement<Digest>) -> Option<Vec<u8>> {
        let parameters = self.seats.of(epoch_of(&statement.vote))?.parameters;
        let vote = self.vote(statement, *self.signatures.get(&statement)?)?;
        (statement.signer.index() < self.seats.now().keys.len()).then(|| vote.evidence((self.room, parameters)))
    }

    fn sign(&mut self, statement: Statement<Digest>, identity: &Identity) -> Option<Vote> {
        let unsigned = self.vote(statement, [0; 64])?;
        let parameters = self.seats.of(epoch_of(&statement.vote))?.parameters;
        let vote = Vote::sign((self.room, parameters), unsigned.statement, unsigned.begins_with, identity);
        self.signatures.insert(statement, vote.signature);
        Some(vote)
    }

    /// Parties go by their seats in the epoch that was entered, and the vault is what it is in it.
    fn entered(&mut self, changes: &mut Changes) {
        let now = self.seats.now().clone();
        let n = now.keys.len();
        let place = |party: PartyId| (party.index() < n).then_some(party);
        let entry = self.state.record.proof.iter().find_map(|statement| match statement.vote {
            statement::Vote::Entered(entry) => Some(entry),
            _ => None,
        });
        if let Some(manifest) = entry.and_then(|entry| self.begins_with(&entry)) {
            self.made(manifest.clone());
            changes.manifests.extend(manifest.version().map(|_| manifest));
        }
        self.state = self.state.clone().placed(&place);
        let signatures = std::mem::take(&mut self.signatures).into_iter();
        self.signatures = signatures.filter_map(|(statement, signature)| Some((statement.placed(&place)?, signature))).collect();
        self.seats = Seats::new(now.clone(), now).expect("a room has at most 64 members");
        self.entering = Entering::default();
    }

    /// Keeps the signatures of what the record tells, and the manifests that are of use.
    fn forget(&mut self) {
        let told = self.state.record.tell();
        self.signatures.retain(|statement, _| told.contains(statement));
        let (keep, started) = (self.keep(), self.state.record.started);
        self.manifests.retain(|version, _| keep.manifests.contains(version) || started == Some(version.run));
    }

    /// What the store keeps: the shares that the record names, and what is known of what is settled, though there may be no share of it here.
    fn keep(&self) -> Keep {
        let record = &self.state.record;
        let shares = record.kept();
        let bases = record.entries.values().filter_map(|entry| entry.base);
        let manifests = shares.iter().copied().chain(record.settled).chain(bases).collect();
        Keep { shares, manifests }
    }

    fn signed(&self) -> SignedRecord {
        let record = self.state.record.clone();
        let signatures = record.tell().iter().map(|statement| self.signatures[statement]).collect();
        SignedRecord::new(record, self.seats.now().epoch, signatures).expect("one signature a statement")
    }

    /// The manifest of nothing, for the members of the room.
    pub(super) fn empty(&self) -> &Manifest {
        &self.empty
    }
}

/// The members of all epochs that are known.
fn epochs<S: Deref<Target: Source>>(stored: &Room<S>, parameters: &Parameters) -> Result<BTreeMap<u32, Members>, StoreError> {
    let mut epochs = BTreeMap::new();
    for epoch in stored.epochs()? {
        let tampered = |_| StoreError::Tampered { table: Table::Rooms, key: epoch.epoch.to_string() };
        epochs.insert(epoch.epoch, Members::from(Signed::decode(&epoch.sheet).map_err(tampered)?.parameters()));
    }
    epochs.insert(parameters.charter().epoch, Members::from(parameters));
    Ok(epochs)
}

/// What is stored, if this party was a member in every epoch since; where it stands otherwise.
fn read<S: Deref<Target: Source>>(
    stored: &Room<S>,
    epochs: &BTreeMap<u32, Members>,
    own: &PublicIdentity,
    now: u32,
) -> Result<Stored, StoreError> {
    let member_since = |first: u32| epochs.range(first + 1..).all(|(_, members)| members.keys.contains(own));
    if let Some(known) = stored.record(RECORD)?.filter(|known| member_since(known.record().epoch)) {
        return Ok((known.record().clone(), known.numbered(), known.statements().collect()));
    }
    let seat = |epoch: u32| epochs.get(&epoch)?.keys.iter().position(|key| key == own).map(PartyId::new);
    let record = match (seat(1), epochs.get(&1)) {
        (Some(me), Some(first)) if member_since(1) => Record::founder(me, Parties::first(first.keys.len())),
        _ => Record::newcomer(seat(now).unwrap_or(PartyId::new(0))),
    };
    let numbered = if record.epoch == 0 { now } else { record.epoch };
    Ok((record, numbered, HashMap::new()))
}
