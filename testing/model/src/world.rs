//! The world of the model: honest parties that are driven by the machine, and everything that can happen to them.
//!
//! - Network: a message once sent can reach anyone at any later time, any number of times, or never. Links that tell all ([`Action::Sync`]) come up at
//!   any time.
//! - Lying members hold any state and sign anything: each of their possible statements can reach any honest party at any time. They never need to be
//!   present in the state. They forward what honest parties sent to whom they like.
//! - A run of the joint computation gives an honest party its result only if every honest member took part in that very run; it can fail at each
//!   party separately, at any time.
//! - A crash loses what is in memory, between any two effects of a step as well. A crashed party is one that nothing reaches until later.
//! - Party 1 may be put back to any earlier copy of its disk, or lose it.
//!
//! Two items are in the vault: one that every save writes, and one that none does, whose share is set *aside* and which all later versions name as well.

use crate::{Machine, REAL, Run};
use cotenant_agent::vault::commit::statement::{Entry, Parties, Statement, Version, Vote};
use cotenant_agent::vault::commit::{Effect, Event, Record, State};
use cotenant_core::PartyId;

/// What is checked, and how far.
#[derive(Clone)]
pub struct Model {
    /// What drives honest parties.
    pub machine: Machine,
    /// Parties 1 to `honest` are.
    pub honest: usize,
    /// The others lie.
    pub liars: usize,
    /// How many shares make the secret.
    pub threshold: u8,
    /// The highest version that is begun; all start with version 1.
    pub versions: u64,
    /// The highest attempt that is begun.
    pub attempts: u32,
    /// The highest epoch that is entered; all start in epoch 1.
    pub epochs: u32,
    /// How many different runs are begun for one attempt.
    pub runs: u8,
    /// How often a party crashes, all together.
    pub crashes: u8,
    /// How often party 1 is put back to an old copy.
    pub restores: u8,
    /// How often party 1 loses its disk.
    pub losses: u8,
}

impl Model {
    /// `honest` and `liars`, one save of two attempts, nothing else.
    pub fn new(honest: usize, liars: usize) -> Self {
        let threshold = (honest + liars) as u8;
        Model { machine: REAL, honest, liars, threshold, versions: 2, attempts: 2, epochs: 1, runs: 1, crashes: 0, restores: 0, losses: 0 }
    }

    /// All members.
    pub fn members(&self) -> Parties {
        Parties::first(self.honest + self.liars)
    }

    /// The seats of those who lie.
    pub fn lying(&self) -> impl Iterator<Item = PartyId> + use<> {
        (self.honest..self.honest + self.liars).map(PartyId::new)
    }
}

/// The digest of the run of a round: different for each epoch, attempt and variant.
pub fn run(epoch: u32, attempt: u32, variant: u8) -> Run {
    (epoch as u16) << 11 | (attempt as u16) << 2 | u16::from(variant)
}

/// A state of the world.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    /// The honest parties.
    pub nodes: Vec<Node>,
    /// What honest parties have sent, sorted.
    pub sent: Vec<Statement<Run>>,
    /// Versions that a party on which one can rely has ever settled, sorted.
    pub finished: Vec<Version<Run>>,
    /// Whether a share of a settled version, or of what no save writes, was destroyed without the right to.
    pub erased_early: bool,
    /// Whether a party that came up signed something before all others had told it what they know.
    pub signed_unheard: bool,
    /// What may still happen.
    pub left: Left,
}

/// Faults that may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Left {
    /// Crashes.
    pub crashes: u8,
    /// Returns to an old copy.
    pub restores: u8,
    /// Lost disks.
    pub losses: u8,
}

/// An honest party: its machine, its disk, and what the properties have to know of its past.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// In memory.
    pub state: State<Run>,
    /// On disk.
    pub disk: Record<Run>,
    /// The shares on disk of what saves write, sorted.
    pub shares: Vec<Version<Run>>,
    /// Whether the share of what no save writes is there.
    pub aside: bool,
    /// Who has told it what they know since it came up.
    pub told: Parties,
    /// A copy of the disk, taken at some time.
    pub copy: Option<Box<Copied>>,
    /// The runs that it took part in, sorted.
    pub took_part: Vec<Version<Run>>,
    /// Shares that it verified, sorted.
    pub verified: Vec<Version<Run>>,
    /// The highest version that it settled.
    pub highest: u64,
    /// Up to this epoch its memory has a gap: it was put back to an old copy or lost its disk. 0 if never.
    pub gap: u32,
}

/// A record and the shares beside it.
pub type Copied = (Record<Run>, Vec<Version<Run>>, bool);

/// What can happen next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A party begins a run; the byte is the variant.
    Begin(PartyId, u8),
    /// Its run succeeds: the new share is on disk, then the machine is told. A crash after so many effects, if at all.
    Finish(PartyId, Option<usize>),
    /// Its run fails.
    Fail(PartyId, Option<usize>),
    /// A statement reaches it.
    Deliver(PartyId, Statement<Run>, Option<usize>),
    /// The first hears all that the second can tell.
    Sync(PartyId, PartyId),
    /// The room is in a later epoch: it signs nothing more in its own. A crash makes it forget that, which a real one reads from its disk.
    Leave(PartyId, Option<usize>),
    /// Its people approve a new epoch.
    Enter(PartyId, Entry<Run>, Option<usize>),
    /// It crashes and comes up again.
    Crash(PartyId),
    /// Its disk is copied.
    Copy(PartyId),
    /// The copy takes the place of its disk.
    Restore(PartyId),
    /// Its disk is lost; it comes up with nothing.
    Lose(PartyId),
}

/// The first version, which all have at the start.
pub const FIRST: Version<Run> = Version { number: 1, run: 0 };

impl World {
    /// All honest parties hold version 1 and have heard each other.
    pub fn start(model: &Model) -> Self {
        let nodes = (0..model.honest).map(|seat| Node::start(PartyId::new(seat), model.members())).collect();
        let left = Left { crashes: model.crashes, restores: model.restores, losses: model.losses };
        World { nodes, sent: Vec::new(), finished: vec![FIRST], erased_early: false, signed_unheard: false, left }
    }

    /// The honest party of this seat.
    pub fn node(&self, party: PartyId) -> &Node {
        &self.nodes[party.index()]
    }

    /// What honest parties have signed: sent, or on their disk to be sent.
    pub fn signed(&self, statement: &Statement<Run>) -> bool {
        let on_disk = || self.nodes.get(statement.signer.index()).is_some_and(|node| node.disk.tell().contains(statement));
        self.sent.binary_search(statement).is_ok() || on_disk()
    }

    /// Lets `party` take a step, and carries out its effects, all or the first `until` of them and then a crash.
    pub(crate) fn step(&mut self, model: &Model, party: PartyId, event: Event<Run>, until: Option<usize>) {
        let state = self.node(party).state.clone();
        let (state, effects) = (model.machine.step)(state, event);
        self.nodes[party.index()].state = state;
        for effect in effects.into_iter().take(until.unwrap_or(usize::MAX)) {
            self.carry_out(model, party, effect);
        }
        if until.is_some() {
            self.restart(model, party);
        }
    }

    pub(crate) fn restart(&mut self, model: &Model, party: PartyId) {
        self.nodes[party.index()].told = Parties::NONE;
        let (state, effects) = (model.machine.restart)(self.node(party).disk.clone());
        self.nodes[party.index()].state = state;
        for effect in effects {
            self.carry_out(model, party, effect);
        }
    }

    fn carry_out(&mut self, model: &Model, party: PartyId, effect: Effect<Run>) {
        match effect {
            Effect::Persist(record) => {
                self.nodes[party.index()].disk = record;
                self.note_settled(party);
            }
            Effect::Send(vote) => {
                self.signed_unheard |= !model.members().without(self.node(party).told).without(Parties::NONE.with(party)).is_empty();
                insert(&mut self.sent, Statement { signer: party, vote });
            }
            Effect::EraseAllBut(kept) => self.erase(model, party, &kept),
            Effect::Run(round, run) => insert(&mut self.nodes[party.index()].took_part, Version { number: round.version, run }),
            Effect::Stop(_) | Effect::Report(_) => {}
        }
    }

    fn note_settled(&mut self, party: PartyId) {
        let node = &mut self.nodes[party.index()];
        if let Some(settled) = node.disk.settled.filter(|_| node.reliable()) {
            node.highest = node.highest.max(settled.number);
            insert(&mut self.finished, settled);
        }
    }

    fn erase(&mut self, model: &Model, party: PartyId, kept: &[Version<Run>]) {
        let node = self.node(party);
        let early =
            node.shares.iter().any(|share| !kept.contains(share) && self.finished.contains(share) && !self.superseded(model, node, *share));
        // Every version names what no save writes.
        let untouched = !kept.is_empty();
        self.erased_early |= early && node.reliable() || node.aside && !untouched;
        let node = &mut self.nodes[party.index()];
        node.shares.retain(|share| kept.contains(share));
        node.aside &= untouched;
    }

    /// Whether `node` may destroy its share of `old`: all honest members committed to one and the same next version, which `node` has verified, or
    /// entered an epoch that begins with a later one.
    fn superseded(&self, model: &Model, node: &Node, old: Version<Run>) -> bool {
        let by_all = |vote: Vote<Run>| PartyId::all(model.honest).all(|signer| self.signed(&Statement { signer, vote }));
        let own = self.sent.iter().copied().chain(node.disk.tell()).filter(|statement| statement.signer == node.disk.me);
        own.map(|statement| statement.vote).any(|vote| match vote {
            Vote::Committed(round, run) => {
                round.version == old.number + 1 && node.verified.contains(&Version { number: round.version, run }) && by_all(vote)
            }
            Vote::Entered(entry) => entry.base.is_some_and(|base| base.number > old.number) && by_all(vote),
            _ => false,
        })
    }
}

impl Node {
    fn start(me: PartyId, members: Parties) -> Self {
        let disk = Record { settled: Some(FIRST), holds: true, ..Record::founder(me, members) };
        let state = State { record: disk.clone(), running: false, leaving: false, synced: members };
        let shares = vec![FIRST];
        let (took_part, verified) = (Vec::new(), Vec::new());
        Node { state, disk, shares, aside: true, told: members, copy: None, took_part, verified, highest: 1, gap: 0 }
    }

    /// Whether what holds for honest parties has to hold for this one: there is no gap in what it remembers of this epoch.
    pub fn reliable(&self) -> bool {
        self.disk.epoch > self.gap
    }
}

/// Into a sorted list without repetition.
pub(crate) fn insert<T: Ord>(list: &mut Vec<T>, item: T) {
    if let Err(place) = list.binary_search(&item) {
        list.insert(place, item);
    }
}
