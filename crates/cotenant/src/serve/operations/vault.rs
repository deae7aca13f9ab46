//! Around the commit machine of a room's vault ([`cotenant_agent::vault::commit`]): signatures of votes, the record as it is stored, and which descriptions
//! of the vault belong to its versions. How it goes from one epoch of the room to the next is in [`super::entering`].
//!
//! One machine commits the whole vault of a room, so several items can change at once. Its record and the vault's [`Manifest`]s stand in the store under
//! names that no item can have.

use super::{
    OpenError,
    changes::{Changes, Keep},
    entering::{Entering, Judged, Run},
    note::{self, Vote},
    seats::{Members, Seats, epoch_of},
};
use crate::store::{Room, Signature, SignedRecord, Source, StoreError, Table};
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
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Deref,
};

/// The name of the commit record in the store.
pub(super) const RECORD: &str = "#vault";

/// The name in the store of the vault with which this party has signed that it enters an epoch.
pub(super) const ENTERING: &str = "#entering";

/// The name of a version's manifest in the store.
pub(super) fn manifest_name(version: &Version<Digest>) -> String {
    format!("#{} {}", version.number, version.run)
}

/// One party's part in the commits of a vault.
pub(super) struct Vault {
    pub(super) room: RoomId,
    pub(super) own: PublicIdentity,
    /// The members of all epochs that are known.
    epochs: BTreeMap<u32, Members>,
    pub(super) seats: Seats,
    pub(super) state: State<Digest>,
    /// Of every statement that the record tells.
    signatures: HashMap<Statement<Digest>, Signature>,
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
    /// This member has entered an epoch with another vault than this party.
    OtherVault(PartyId),
    /// What people should know.
    Report(Report<Digest>),
    /// This member signed both of these, as evidence, which exclude each other.
    Contradiction(PartyId, [Vec<u8>; 2]),
}

/// What is stored of a vault: the record, by which epoch's seats its parties are numbered, signatures.
type Stored = (Record<Digest>, u32, HashMap<Statement<Digest>, Signature>);

impl Vault {
    /// The vault as it was stored; an empty one at a member of the room's first epoch, and nothing at one that comes new or without what it had.
    ///
    /// What the record does not name is destroyed only when all members have told what they know, and none of it shows that the record is an old copy: an old
    /// one does not name the shares that are in use.
    ///
    /// # Errors
    /// Those of the store; [`OpenError::NoRecord`], [`OpenError::NoEntered`], [`OpenError::Crowd`].
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
        // An epoch that this party was about to enter when the room went on: all others may be in it.
        let about_to = record.entering().map_or(0, |own| own.epoch);
        let between = |now: u32| if (record.epoch + 1..now).contains(&about_to) { of(about_to).map(Some) } else { Ok(None) };
        let seats = |now: Members| Seats::new(of(record.epoch)?, between(now.epoch)?, now).ok_or(OpenError::Crowd);
        let (before, seats) = (seats(of(numbered)?)?, seats(now)?);
        let place = |party| before.key(party).and_then(|key| seats.party(key));
        let mut record = record.placed(&place);
        record.entries.retain(|_, entry| seats.of(entry.epoch).is_some());
        let signatures = signatures.into_iter().filter_map(|(statement, signature)| Some((statement.placed(&place)?, signature))).collect();
        let (mut entering, mut manifests) = (Entering::default(), HashMap::new());
        for (name, manifest) in super::changes::manifests(stored)? {
            match manifest.version() {
                _ if name == ENTERING => entering.own = Some(manifest),
                Some(version) => drop(manifests.insert(version, manifest)),
                None => {}
            }
        }
        if stored.record(RECORD)?.is_none() && !manifests.is_empty() {
            return Err(OpenError::NoRecord);
        }
        entering.held = held(stored, manifests.values())?;
        let empty = Manifest::new(room, seats.now().keys.clone());
        let (state, _) = State::restart(record);
        let own = *own;
        let mut vault = Vault { room, own, epochs, seats, state, signatures, empty, manifests, erase: true, entering };
        if !vault.has_what_it_enters_with() {
            return Err(OpenError::NoEntered);
        }
        vault.be_silent();
        Ok(vault)
    }

    /// Whether the vault is stored with which this party has signed that it enters an epoch, if it has.
    fn has_what_it_enters_with(&self) -> bool {
        let record = &self.state.record;
        let signed = record.entering().map(|own| Statement { signer: record.me, vote: statement::Vote::Entered(own) });
        let digest = self.entering.own.as_ref().map(Manifest::digest);
        signed.is_none_or(|signed| digest.is_some() && self.begins_with(&signed) == digest)
    }

    /// Signs nothing more in the vault's epoch if the room is in a later one.
    fn be_silent(&mut self) {
        if self.is_entering() {
            self.state = commit::step(self.state.clone(), Event::Leave).0;
        }
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

    /// What is in the vault in the version that is not settled, if this party has prepared one: an epoch may begin with it.
    pub(super) fn pending(&self) -> Option<&Manifest> {
        self.manifests.get(&self.state.record.pending()?)
    }

    /// Whether a member has told what it knows since this process started.
    pub(super) fn has_heard(&self, party: PartyId) -> bool {
        self.state.synced.contains(party)
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
        votes.filter_map(|statement| self.vote(statement)).chain(self.entering.claimed()).collect()
    }

    /// A statement that was signed, as it is told; none of an entry of which it is not known with which vault.
    pub(super) fn vote(&self, statement: Statement<Digest>) -> Option<Vote> {
        let Signature { bytes, begins_with } = *self.signatures.get(&statement)?;
        let entered = matches!(statement.vote, statement::Vote::Entered(_));
        (begins_with.is_some() == entered).then_some(())?;
        Some(Vote { statement: self.seats.outward(statement)?, signature: bytes, begins_with })
    }

    /// The digest of the vault that was signed with a statement of ENTERED.
    pub(super) fn begins_with(&self, statement: &Statement<Digest>) -> Option<Digest> {
        self.signatures.get(statement)?.begins_with
    }

    /// The manifest of a version that a run has made, which is in the store.
    pub(super) fn made(&mut self, manifest: Manifest) {
        if let Some(version) = manifest.version() {
            self.manifests.insert(version, manifest);
        }
    }

    /// A vote came, from its signer or through anyone. One whose signature is not the signer's is passed over, and so is one of others about an epoch that is
    /// neither the vault's nor the room's, nor one that this party was about to enter. A vote of its own about any later epoch says that the record is old.
    pub(super) fn heard(&mut self, vote: Vote, identity: &Identity, changes: &mut Changes) -> Vec<Outcome> {
        let epoch = epoch_of(&vote.statement.vote);
        let Some(members) = self.epochs.get(&epoch) else { return Vec::new() };
        let Some(signer) = members.keys.get(vote.statement.signer.index()) else { return Vec::new() };
        if !vote.is_by((self.room, members.parameters), signer) {
            return Vec::new();
        }
        let me = self.state.record.me;
        let statement = match self.seats.of(epoch) {
            Some(_) => self.seats.inward(&vote),
            None => (*signer == self.own && epoch > self.state.record.epoch).then_some(Statement { signer: me, ..vote.statement }),
        };
        let Some(statement) = statement else { return Vec::new() };
        match self.judge(&statement, &vote) {
            Judged::Counts => {}
            Judged::Waits => return Vec::new(),
            Judged::OtherVault => return vec![Outcome::OtherVault(statement.signer)],
            Judged::Contradicts(earlier) => return self.contradiction(statement.signer, earlier, vote).into_iter().collect(),
        }
        // What was signed first is kept: another signature under the same takes the place of none.
        self.signatures.entry(statement).or_insert(Signature { bytes: vote.signature, begins_with: vote.begins_with });
        self.step(Event::Heard(statement), identity, changes)
    }

    /// Two votes of a member that exclude each other.
    fn contradiction(&self, signer: PartyId, one: Vote, other: Vote) -> Option<Outcome> {
        (signer.index() < self.seats.now().keys.len()).then_some(())?;
        let evidence = |vote: Vote| Some(vote.evidence((self.room, self.epochs.get(&epoch_of(&vote.statement.vote))?.parameters)));
        Some(Outcome::Contradiction(signer, [evidence(one)?, evidence(other)?]))
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
                    let vote = |vote| self.vote(Statement { signer, vote });
                    outcomes.extend(vote(one).zip(vote(other)).and_then(|(one, other)| self.contradiction(signer, one, other)));
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
        }
        // What an earlier step of the same transaction has kept is not all that there is to keep now.
        if erased || changes.keep.is_some() {
            changes.keep = Some(self.keep());
        }
        match self.state.record.settled {
            _ if entered && self.is_entering() => {}
            _ if entered => outcomes.push(Outcome::Entered),
            Some(now) if before.settled != Some(now) => outcomes.push(Outcome::Settled(now.run)),
            _ if self.state.record.round() != before.round() => outcomes.push(Outcome::GivenUp(before.round())),
            _ => {}
        }
        outcomes
    }

    fn sign(&mut self, statement: Statement<Digest>, identity: &Identity) -> Option<Vote> {
        let parameters = self.seats.of(epoch_of(&statement.vote))?.parameters;
        let begins_with = match statement.vote {
            statement::Vote::Entered(_) => Some(self.entering.own.as_ref()?.digest()),
            _ => None,
        };
        let vote = Vote::sign((self.room, parameters), self.seats.outward(statement)?, begins_with, identity);
        self.signatures.insert(statement, Signature { bytes: vote.signature, begins_with });
        Some(vote)
    }

    /// The vault is what all have signed for the epoch that was entered. If that is the room's, parties go by their seats in it; if the room has gone on
    /// meanwhile, the way from there begins.
    fn entered(&mut self, changes: &mut Changes) {
        if let Some(manifest) = self.entering.own.take().filter(|manifest| manifest.version().is_some()) {
            self.made(manifest.clone());
            changes.manifests.push(manifest);
        }
        let (then, now) = (self.state.record.epoch, self.seats.now().clone());
        let then = self.seats.of(then).cloned().unwrap_or_else(|| now.clone());
        let seats = Seats::new(then, None, now).expect("they were told apart with others");
        let place = |party| self.seats.key(party).and_then(|key| seats.party(key));
        self.state = self.state.clone().placed(&place);
        let signatures = std::mem::take(&mut self.signatures).into_iter();
        self.signatures = signatures.filter_map(|(statement, signature)| Some((statement.placed(&place)?, signature))).collect();
        self.seats = seats;
        match self.is_entering() {
            true => self.be_silent(),
            false => self.entering = Entering::default(),
        }
    }

    /// Keeps the signatures of what the record tells, and the manifests that are of use.
    fn forget(&mut self) {
        let told = self.state.record.tell();
        self.signatures.retain(|statement, _| told.contains(statement));
        let (keep, started) = (self.keep(), self.state.record.started);
        self.manifests.retain(|version, _| keep.manifests.contains(version) || started == Some(version.run));
    }

    /// What the store keeps: the shares that the record names, and what is known of what may be begun with.
    fn keep(&self) -> Keep {
        let record = &self.state.record;
        let shares = record.kept();
        let bases = record.entries.values().filter_map(|entry| entry.base);
        let manifests = shares.iter().copied().chain(bases).collect();
        Keep { shares, manifests, entering: record.entering().is_some() }
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

/// Whether anything of a vault is stored.
///
/// # Errors
/// Those of the store.
pub fn has_vault<S: Deref<Target: Source>>(stored: &Room<S>) -> Result<bool, StoreError> {
    Ok(!stored.items()?.is_empty())
}

/// The runs of which all shares are here that these vaults name.
fn held<'a, S: Deref<Target: Source>>(stored: &Room<S>, vaults: impl Iterator<Item = &'a Manifest>) -> Result<BTreeSet<Run>, StoreError> {
    let (mut held, mut missing) = (BTreeSet::new(), BTreeSet::new());
    for entry in vaults.flat_map(Manifest::items) {
        let version = Version { number: entry.item.version, run: entry.run };
        let here = stored.shares(&entry.item.name)?.contains(&version);
        if here {
            held.insert(entry.run.0)
        } else {
            missing.insert(entry.run.0)
        };
    }
    Ok(held.difference(&missing).copied().collect())
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

/// What is stored, if this party was a member in every epoch since; where it stands otherwise. A record that is in no epoch yet counts from the one that its
/// party has signed to enter: of those before it says nothing.
fn read<S: Deref<Target: Source>>(
    stored: &Room<S>,
    epochs: &BTreeMap<u32, Members>,
    own: &PublicIdentity,
    now: u32,
) -> Result<Stored, StoreError> {
    let member_since = |first: u32| epochs.range(first + 1..).all(|(_, members)| members.keys.contains(own));
    let before = |record: &Record<Digest>| match record.epoch {
        0 => record.entering().map_or(0, |own| own.epoch.saturating_sub(1)),
        epoch => epoch,
    };
    if let Some(known) = stored.record(RECORD)?.filter(|known| member_since(before(known.record()))) {
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
