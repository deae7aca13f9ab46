//! How a new version of an item becomes the only one at all parties, or never was: one party's part, without keys, clock, disk or network.
//!
//! A save is a run of the joint computation that gives every member a share of version v + 1. The members go through *rounds*, one for each attempt
//! (epoch, version, attempt), and leave a round only by n equal votes of it:
//!
//! | n votes | lead to |
//! | --- | --- |
//! | COMMITTED for the same run | version v + 1 is the one; the share of v is destroyed; attempt 1 at v + 2 |
//! | ABANDONED | the share of v + 1 is destroyed; the next attempt |
//! | ENTERED for the same entry | the epoch that it names, at the version that it names |
//!
//! Before COMMITTED come n PREPARED for one run, so this is atomic commitment with a unanimous vote and no coordinator (Skeen, *Nonblocking Commit
//! Protocols*, SIGMOD 1981, the decentralised two-phase protocol), with two changes for members that lie: votes name what they are for, and leaving a
//! round takes the same vote of all, not of anyone. A party that has signed PREPARED gives up only if another gave up before it: of honest parties
//! the first to abandon never prepared, so no other can hold n PREPARED. Nobody gives up because time has passed.
//!
//! [`step`] is a pure function. Its effects are carried out in their order, each before the next is begun; a crash between any two is repaired by
//! [`State::restart`]. What all this ensures, and what has been checked by visiting every state, is in `docs/protocol/vault-commit.md`.

mod event;
mod places;
pub mod statement;

pub use event::{Effect, Event, Refusal, Report};

use cotenant_core::PartyId;
use statement::{Closing, Entry, Parties, Round, Statement, Version, Vote, Votes};
use std::collections::BTreeMap;

/// What a party keeps on disk about an item's commits. `R` is the digest of a run.
///
/// Only [`step`] changes it. Fields are public because the file has them byte by byte.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record<R> {
    /// This party's seat.
    pub me: PartyId,
    /// The members of the epoch.
    pub members: Parties,
    /// The room's epoch, from 1; 0 at a party that has not entered its first one.
    pub epoch: u32,
    /// The newest version that all have committed to; none before the first.
    pub settled: Option<Version<R>>,
    /// Whether there is a share of all of it here. Not so at a member that lost its disk, until the next save.
    pub holds: bool,
    /// The attempt at the version after it.
    pub attempt: u32,
    /// The run that this party has taken part in, or is about to, in this round: there is never a second one.
    pub started: Option<R>,
    /// What each member, this one included, has signed in this round, as far as known.
    pub votes: BTreeMap<PartyId, Votes<R>>,
    /// What each member has entered beyond this epoch, as far as known; the newest of each.
    pub entries: BTreeMap<PartyId, Entry<R>>,
    /// The n votes that led to this round. A party that lags is one round behind, so they are all that it lacks.
    pub proof: Vec<Statement<R>>,
    /// Whether someone has shown a vote of this party that is not here: this record is an old copy. It signs nothing more in this epoch.
    pub old: bool,
}

/// One party's part in the commits of one item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State<R> {
    /// What outlives a crash.
    pub record: Record<R>,
    /// Whether the run that was started in this round is under way.
    pub running: bool,
    /// Whether the room is in a later epoch.
    pub leaving: bool,
    /// Those who have told all they know since this process started. Until all have, an old copy cannot know that it is one, and nothing is signed.
    pub synced: Parties,
}

/// What `event` does to a party in `state`.
pub fn step<R: Copy + Eq>(state: State<R>, event: Event<R>) -> (State<R>, Vec<Effect<R>>) {
    let mut step = Step { state, stopped: None, said: Vec::new(), others: Vec::new(), changed: false, erase: false };
    match event {
        Event::Begin(run) => step.begin(run),
        Event::Verified(run) => step.verified(run),
        Event::Failed(run) => step.failed(run),
        Event::Heard(statement) => step.heard(statement),
        Event::Synced(party) => step.state.synced = step.state.synced.with(party),
        Event::Leave => step.leave(),
        Event::Enter(entry) => step.enter(entry),
    }
    step.advance();
    step.finish()
}

impl<R: Copy + Eq> Record<R> {
    /// A member of a room's first epoch, before anything was saved.
    pub fn founder(me: PartyId, members: Parties) -> Self {
        Record {
            me,
            members,
            epoch: 1,
            settled: None,
            holds: false,
            attempt: 1,
            started: None,
            votes: BTreeMap::new(),
            entries: BTreeMap::new(),
            proof: Vec::new(),
            old: false,
        }
    }

    /// One that comes new, or comes back without its record: it takes part from the first epoch that it enters.
    pub fn newcomer(me: PartyId) -> Self {
        Record { epoch: 0, old: true, ..Self::founder(me, Parties::NONE.with(me)) }
    }

    /// Where it stands.
    pub fn round(&self) -> Round {
        Round { epoch: self.epoch, version: number(self.settled) + 1, attempt: self.attempt }
    }

    /// What `party` has signed in this round, as far as known.
    pub fn votes_of(&self, party: PartyId) -> Votes<R> {
        self.votes.get(&party).copied().unwrap_or(Votes::NONE)
    }

    /// Whether anything has happened in this round that a vote of all has to end.
    pub fn in_doubt(&self) -> bool {
        self.started.is_some() || !self.votes.is_empty()
    }

    /// The entry that this party has signed and that has not been completed.
    pub fn entering(&self) -> Option<Entry<R>> {
        self.entries.get(&self.me).copied()
    }

    /// The version that this party has prepared and that is not settled.
    pub fn pending(&self) -> Option<Version<R>> {
        self.votes_of(self.me).prepared.map(|run| Version { number: self.round().version, run })
    }

    /// The versions of which a share must be kept: also of a settled one that this party has not all of, as what the last saves have not written may be here.
    pub fn kept(&self) -> Vec<Version<R>> {
        self.settled.into_iter().chain(self.pending()).collect()
    }

    /// The version that this party works with. None once it has signed COMMITTED for the next until all have: others may already use that one.
    pub fn current(&self) -> Option<Version<R>> {
        let committed = matches!(self.votes_of(self.me).closing, Some(Closing::Committed(_)));
        self.settled.filter(|_| !self.old && self.entering().is_none() && !committed)
    }

    /// The version that this party gives its share of: the one it works with, if it has one.
    pub fn loadable(&self) -> Option<Version<R>> {
        self.current().filter(|_| self.holds)
    }

    /// The version that this party insists a new epoch begins with, or with a later one. From the base of an epoch that it has entered others may already
    /// have gone on. An old copy takes a base from others: it is for those who know it to guard, and it may be that nobody does.
    pub fn insists(&self) -> Option<Version<R>> {
        let entered = self.entering().filter(|_| !self.old).and_then(|own| own.base);
        if number(entered) > number(self.stands_by()) { entered } else { self.stands_by() }
    }

    /// The version with which this party would have a new epoch begin, once it has heard what all have signed.
    pub fn base(&self) -> Option<Version<R>> {
        self.pending().filter(|pending| self.may_be_settled(pending.run)).or(self.settled)
    }

    /// The newest version that others may have settled with this party's votes.
    fn stands_by(&self) -> Option<Version<R>> {
        match self.votes_of(self.me).closing {
            Some(Closing::Committed(_)) => self.pending(),
            _ => self.settled,
        }
    }

    /// All that another party may lack: sent whenever a link comes up and from time to time while rounds differ.
    pub fn tell(&self) -> Vec<Statement<R>> {
        let round = self.round();
        let votes = self.votes.iter().flat_map(|(&signer, votes)| votes.list(round).map(move |vote| Statement { signer, vote }));
        let entries = self.entries.iter().map(|(&signer, &entry)| Statement { signer, vote: Vote::Entered(entry) });
        self.proof.iter().copied().chain(votes).chain(entries).collect()
    }

    /// Whether this party's own `vote` is no news: it stands here, or belongs to the past and does not contradict how this party left the last round.
    fn remembers(&self, vote: &Vote<R>) -> bool {
        let past = self.proof.iter().all(|last| last.vote.agrees(vote));
        match (vote, vote.round()) {
            (Vote::Entered(entry), _) if entry.epoch <= self.epoch => past,
            (Vote::Entered(entry), _) => self.entering().is_some_and(|own| own.epoch > entry.epoch || own == *entry),
            (_, Some(round)) if round == self.round() => self.votes_of(self.me).list(round).any(|own| own == *vote),
            (_, round) => round < Some(self.round()) && past,
        }
    }

    /// Whether all members have signed PREPARED for `run` in this round.
    fn prepared_by_all(&self, run: R) -> bool {
        self.members.iter().all(|party| self.votes_of(party).prepared == Some(run))
    }

    /// Whether others may have settled what `run` made, which this party has prepared: all have its share, and somebody has committed to it. COMMITTED of
    /// one alone says nothing: it may lie, and nobody else may have the share.
    fn may_be_settled(&self, run: R) -> bool {
        let committed = |party| self.votes_of(party).closing == Some(Closing::Committed(run));
        let mut others = self.members.iter().filter(|&party| party != self.me);
        self.prepared_by_all(run) && self.members.iter().any(committed) || others.all(committed)
    }

    /// The statements of all members in this round, if their closing votes are equal.
    fn unanimous(&self) -> Option<(Closing<R>, Vec<Statement<R>>)> {
        let closing = self.votes_of(self.me).closing?;
        let vote = Votes { prepared: None, closing: Some(closing) }.list(self.round()).next()?;
        self.members
            .iter()
            .map(|signer| (self.votes_of(signer).closing == Some(closing)).then_some(Statement { signer, vote }))
            .collect::<Option<_>>()
            .map(|proof| (closing, proof))
    }
}

impl<R: Copy + Eq> State<R> {
    /// A party as it comes up, and what it has to do first. A run that was under way is lost; shares that the record does not name are destroyed.
    pub fn restart(record: Record<R>) -> (Self, Vec<Effect<R>>) {
        let effects = vec![Effect::EraseAllBut(record.kept())];
        (State { record, running: false, leaving: false, synced: Parties::NONE }, effects)
    }

    /// Whether a save can begin, and in which round.
    ///
    /// # Errors
    /// Why not.
    pub fn may_begin(&self) -> Result<Round, Refusal> {
        self.may_sign()?;
        if self.running {
            return Err(Refusal::Running);
        }
        if self.record.in_doubt() {
            return Err(Refusal::InDoubt);
        }
        Ok(self.record.round())
    }

    /// Whether this party may sign votes.
    fn may_sign(&self) -> Result<(), Refusal> {
        if self.record.old {
            return Err(Refusal::Old);
        }
        if let Some(entry) = self.record.entering() {
            return Err(Refusal::Entering(entry.epoch));
        }
        if self.leaving { Err(Refusal::Leaving) } else { self.all_synced(self.record.members) }
    }

    fn all_synced(&self, members: Parties) -> Result<(), Refusal> {
        let missing = members.without(self.synced).without(Parties::NONE.with(self.record.me));
        if missing.is_empty() { Ok(()) } else { Err(Refusal::NotSynced(missing)) }
    }

    /// Whether this party can sign ENTERED for `entry`.
    ///
    /// # Errors
    /// Why not.
    pub fn may_enter(&self, entry: &Entry<R>) -> Result<(), Refusal> {
        let record = &self.record;
        if entry.epoch <= record.entering().map_or(record.epoch, |own| own.epoch) {
            return Err(Refusal::EpochNotNew);
        }
        if !entry.members.contains(record.me) || !entry.lacking.without(entry.members).is_empty() {
            return Err(Refusal::Members);
        }
        if entry.members.without(entry.lacking).len() < usize::from(entry.threshold) {
            return Err(Refusal::TooFewShares);
        }
        self.all_synced(entry.members)?;
        if self.accepts_base(entry) { Ok(()) } else { Err(Refusal::Base) }
    }

    /// The base is never behind what this party insists on. It is this party's settled version; or its pending one, if that may be settled elsewhere; or, at
    /// an old copy, any later one: no other party's record lacks what has been settled with its votes.
    fn accepts_base(&self, entry: &Entry<R>) -> bool {
        let record = &self.record;
        if number(entry.base) < number(record.insists()) {
            return false;
        }
        let pending = entry.base == record.pending() && entry.base.is_some_and(|base| record.may_be_settled(base.run));
        entry.base == record.settled || pending || record.old && number(entry.base) > number(record.stands_by())
    }
}

fn number<R>(version: Option<Version<R>>) -> u64 {
    version.map_or(0, |version| version.number)
}

/// A step in progress: the state so far, and what it has led to.
struct Step<R> {
    state: State<R>,
    stopped: Option<R>,
    said: Vec<Vote<R>>,
    others: Vec<Effect<R>>,
    changed: bool,
    erase: bool,
}

impl<R: Copy + Eq> Step<R> {
    fn begin(&mut self, run: R) {
        match self.state.may_begin() {
            Ok(round) => {
                self.state.running = true;
                self.state.record.started = Some(run);
                self.changed = true;
                self.others.push(Effect::Run(round, run));
            }
            Err(why) => self.others.push(Effect::Report(Report::Refused(why))),
        }
    }

    fn verified(&mut self, run: R) {
        if self.state.running && self.state.record.started == Some(run) {
            self.state.running = false;
            self.sign(Vote::Prepared(self.state.record.round(), run));
        } else {
            self.erase = true;
        }
    }

    fn failed(&mut self, run: R) {
        if self.state.running && self.state.record.started == Some(run) {
            self.state.running = false;
            self.sign(Vote::Abandoned(self.state.record.round()));
        }
    }

    fn heard(&mut self, Statement { signer, vote }: Statement<R>) {
        let record = &mut self.state.record;
        if signer == record.me {
            if !record.old && !record.remembers(&vote) {
                record.old = true;
                self.changed = true;
                self.stop();
                self.others.push(Effect::Report(Report::Old(vote)));
            }
            return;
        }
        let known = match vote {
            Vote::Entered(entry) => record.note_entry(signer, entry),
            _ if vote.round() == Some(record.round()) && record.members.contains(signer) => {
                let mine = record.started;
                record.votes_mut(signer).hear(&vote, mine)
            }
            _ => Ok(()),
        };
        if let Err(earlier) = known {
            self.others.push(Effect::Report(Report::Equivocation(signer, earlier, vote)));
        }
    }

    fn leave(&mut self) {
        self.stop();
        self.state.leaving = true;
    }

    fn enter(&mut self, entry: Entry<R>) {
        match self.state.may_enter(&entry) {
            Ok(()) => {
                self.stop();
                self.state.record.entries.insert(self.state.record.me, entry);
                self.said.push(Vote::Entered(entry));
                self.changed = true;
            }
            Err(why) => self.others.push(Effect::Report(Report::Refused(why))),
        }
    }

    /// Everything that follows from what is known: own votes, and rounds that are complete.
    fn advance(&mut self) {
        loop {
            let record = &self.state.record;
            if let Some(entry) = record.entering() {
                if !entry.members.iter().all(|party| record.entries.get(&party) == Some(&entry)) {
                    return;
                }
                self.adopt(entry);
            } else if record.old {
                return;
            } else if let Some((closing, proof)) = record.unanimous() {
                self.leave_round(closing, proof);
            } else if let Some(vote) = self.state.may_sign().ok().and_then(|()| self.due()) {
                self.stop();
                self.sign(vote);
            } else {
                return;
            }
        }
    }

    /// The closing vote that is due: COMMITTED with n PREPARED; ABANDONED after another's; ABANDONED as well once the round is in doubt and this
    /// party neither has the share nor can still get it.
    fn due(&self) -> Option<Vote<R>> {
        let State { record, running, .. } = &self.state;
        let (round, mine) = (record.round(), record.votes_of(record.me));
        if mine.closing.is_some() {
            return None;
        }
        if let Some(run) = mine.prepared.filter(|&run| record.prepared_by_all(run)) {
            return Some(Vote::Committed(round, run));
        }
        let given_up = record.votes.values().any(|votes| votes.closing == Some(Closing::Abandoned));
        let lost = mine.prepared.is_none() && !running && record.in_doubt();
        (given_up || lost).then_some(Vote::Abandoned(round))
    }

    fn sign(&mut self, vote: Vote<R>) {
        let me = self.state.record.me;
        self.state.record.votes_mut(me).add(&vote).ok().expect("a party agrees with itself");
        self.said.push(vote);
        self.changed = true;
    }

    fn leave_round(&mut self, closing: Closing<R>, proof: Vec<Statement<R>>) {
        self.stop();
        let record = &mut self.state.record;
        match closing {
            Closing::Committed(run) => {
                record.settled = Some(Version { number: record.round().version, run });
                record.holds = true;
                record.attempt = 1;
            }
            Closing::Abandoned => record.attempt += 1,
        }
        self.new_round(proof);
    }

    fn adopt(&mut self, entry: Entry<R>) {
        let record = &mut self.state.record;
        record.epoch = entry.epoch;
        record.members = entry.members;
        record.settled = entry.base;
        record.holds = entry.base.is_some() && !entry.lacking.contains(record.me);
        record.attempt = 1;
        record.old = false;
        self.state.leaving = false;
        record.entries.retain(|_, other| other.epoch > entry.epoch);
        let vote = Vote::Entered(entry);
        self.new_round(entry.members.iter().map(|signer| Statement { signer, vote }).collect());
    }

    fn new_round(&mut self, proof: Vec<Statement<R>>) {
        self.state.record.started = None;
        self.state.record.votes.clear();
        self.state.record.proof = proof;
        self.changed = true;
        self.erase = true;
    }

    fn stop(&mut self) {
        if std::mem::take(&mut self.state.running) {
            self.stopped = self.state.record.started;
        }
    }

    /// The effects in order: a run that is not wanted makes no further share, what is sent is on disk before, and shares are destroyed last.
    fn finish(self) -> (State<R>, Vec<Effect<R>>) {
        let mut effects: Vec<_> = self.stopped.map(Effect::Stop).into_iter().collect();
        if self.changed {
            effects.push(Effect::Persist(self.state.record.clone()));
        }
        effects.extend(self.said.into_iter().map(Effect::Send));
        if self.erase {
            effects.push(Effect::EraseAllBut(self.state.record.kept()));
        }
        effects.extend(self.others);
        (self.state, effects)
    }
}

impl<R: Copy + Eq> Record<R> {
    fn votes_mut(&mut self, party: PartyId) -> &mut Votes<R> {
        self.votes.entry(party).or_insert(Votes::NONE)
    }

    /// Keeps the newest entry of a party; an error is another one that it signed for the same epoch.
    fn note_entry(&mut self, signer: PartyId, entry: Entry<R>) -> Result<(), Vote<R>> {
        match self.entries.get(&signer) {
            Some(known) if known.epoch == entry.epoch && *known != entry => return Err(Vote::Entered(*known)),
            Some(known) if known.epoch >= entry.epoch => {}
            _ if entry.epoch <= self.epoch || !entry.members.contains(signer) => {}
            _ => drop(self.entries.insert(signer, entry)),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
