//! Random schedules in worlds that are too large to be visited whole: three to five parties, several saves, many crashes and epochs. A walk is a function
//! of its seed.
//!
//! Steps that are drawn evenly lead nowhere: a save needs a dozen right ones in a row. So a walk has *weather*, drawn again every few dozen steps, which
//! says who is away, who does not hear whom, how often each thing happens, and how each lying member behaves meanwhile.

use crate::Machine;
use crate::Run;
use crate::schedule::{Failure, Journey, Reached};
use crate::world::{Action, Model, World, run};
use cotenant_agent::vault::commit::Record;
use cotenant_agent::vault::commit::statement::{Closing, Entry, Parties, Round, Statement, Vote};
use cotenant_core::PartyId;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// The walk of this seed.
///
/// # Errors
/// What fails on it, or in the calm after it; nothing is left out of the schedule yet.
pub fn walk(seed: u64, machine: Machine) -> Result<Reached, Box<Failure>> {
    let mut dice = Dice(ChaCha8Rng::seed_from_u64(seed));
    let (model, weak) = world(&mut dice, machine);
    let steps = 20 + dice.below(380);
    let mut journey = Journey::new(model);
    let wild = dice.below(4);
    let mut walker = Walker { dice, weak, wild, weather: Weather::default() };
    let mut go = || {
        for _ in 0..4 * steps {
            if journey.taken.len() == steps {
                break;
            }
            if let Some(action) = walker.next(&journey.model, &journey.world) {
                journey.take(action)?;
            }
        }
        journey.end()
    };
    go().map_err(|property| Box::new(Failure { property, model: journey.model, schedule: journey.taken }))
}

struct Dice(ChaCha8Rng);

impl Dice {
    /// Evenly from 0 to `n` - 1, but for a bias of n / 2^32.
    fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.0.next_u32()) * n as u64) >> 32) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn of<T: Clone>(&mut self, list: &[T]) -> Option<T> {
        (!list.is_empty()).then(|| list[self.below(list.len())].clone())
    }

    fn party(&mut self, parties: Parties) -> Option<PartyId> {
        let list: Vec<_> = parties.iter().collect();
        self.of(&list)
    }

    /// The first if all weights are 0.
    fn weighted(&mut self, weights: &[usize]) -> usize {
        let mut at = self.below(weights.iter().sum());
        weights
            .iter()
            .position(|&weight| {
                at < weight || {
                    at -= weight;
                    false
                }
            })
            .unwrap_or(0)
    }

    fn some_of(&mut self, parties: Parties, one_in: usize) -> Parties {
        parties.iter().filter(|_| self.one_in(one_in)).collect()
    }
}

/// The bounds of a walk, and who may be put back to an old copy or lose its disk: mostly as many as may lack a share.
fn world(dice: &mut Dice, machine: Machine) -> (Model, Parties) {
    let parties = 3 + dice.below(3);
    let honest = 1 + dice.weighted(&[1, 3, 5, 4, 4][..parties]);
    let fragile = dice.below(honest.min(parties - 1).min(3));
    let mut weak = Parties::NONE;
    while weak.len() < fragile {
        weak = weak.with(PartyId::new(dice.below(honest)));
    }
    let spare = if dice.one_in(8) { 0 } else { fragile };
    let model = Model {
        machine,
        threshold: (parties - spare) as u8,
        versions: 2 + dice.below(6) as u64,
        attempts: 1 + dice.below(8) as u32,
        epochs: if fragile == 0 && dice.one_in(2) { 1 } else { 2 + dice.below(6) as u32 },
        runs: 1 + dice.below(3) as u8,
        crashes: [0, 5, 60][dice.below(3)],
        restores: if fragile == 0 { 0 } else { dice.below(4) as u8 },
        losses: if fragile == 0 { 0 } else { dice.below(3) as u8 },
        ..Model::new(honest, parties - honest)
    };
    (model, weak)
}

/// How a lying member behaves for a while.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    /// It says what would help its hearer to go on.
    Helpful,
    /// It says anything.
    Wild,
    /// It says nothing.
    Silent,
}

#[derive(Default)]
struct Weather {
    /// Steps until it changes.
    lasts: usize,
    /// Honest parties that are up and do something.
    present: Parties,
    /// For each honest party, those whom it does not hear.
    cut: Vec<Parties>,
    /// Of each lying member.
    moods: Vec<Mood>,
    /// How often each [`KINDS`] is drawn.
    weights: [usize; KINDS.len()],
    /// One of so many actions is broken off by a crash.
    broken: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    Begin,
    Finish,
    Fail,
    Deliver,
    Lie,
    Sync,
    Leave,
    Enter,
    Crash,
    Copy,
    Restore,
    Lose,
}

/// With their usual weights.
const KINDS: [(Kind, usize); 12] = [
    (Kind::Begin, 25),
    (Kind::Finish, 25),
    (Kind::Fail, 1),
    (Kind::Deliver, 40),
    (Kind::Lie, 40),
    (Kind::Sync, 15),
    (Kind::Leave, 1),
    (Kind::Enter, 1),
    (Kind::Crash, 2),
    (Kind::Copy, 2),
    (Kind::Restore, 1),
    (Kind::Lose, 1),
];

struct Walker {
    dice: Dice,
    /// Who may be put back to an old copy or lose its disk.
    weak: Parties,
    /// From 0 to 3: how bad the weather is on this walk.
    wild: usize,
    weather: Weather,
}

impl Walker {
    /// Something that can happen; none if what was drawn cannot.
    fn next(&mut self, model: &Model, world: &World) -> Option<Action> {
        if self.weather.lasts == 0 {
            self.change(model);
        }
        self.weather.lasts -= 1;
        let me = self.dice.party(self.weather.present)?;
        let mut weights = self.weather.weights;
        // Once a new epoch is needed, people mostly see to it.
        if world.nodes.iter().any(|node| node.disk.old || node.state.leaving || node.disk.entering().is_some()) {
            weights[Kind::Enter as usize] *= 12;
        }
        let action = match KINDS[self.dice.weighted(&weights)].0 {
            Kind::Begin => self.begin(model, world, me),
            Kind::Finish => (world.node(me).state.running && model.all_took_part(world, me)).then_some(Action::Finish(me, None)),
            Kind::Fail => world.node(me).state.running.then_some(Action::Fail(me, None)),
            Kind::Deliver => self.deliver(world, me),
            Kind::Lie => self.lie(model, world, me),
            Kind::Sync => self.sync(model, world, me),
            Kind::Leave => model.may_leave(world, me).then_some(Action::Leave(me, None)),
            Kind::Enter => self.enter(model, world, me),
            Kind::Crash => (world.left.crashes > 0).then_some(Action::Crash(me)),
            Kind::Copy => self.weak.contains(me).then_some(Action::Copy(me)),
            Kind::Restore => (world.left.restores > 0 && world.node(me).copy.is_some()).then_some(Action::Restore(me)),
            Kind::Lose => (world.left.losses > 0 && self.weak.contains(me)).then_some(Action::Lose(me)),
        }?;
        if world.left.crashes > 0 && self.dice.one_in(self.weather.broken) {
            return self.dice.of(&model.broken_off(world, &action)).or(Some(action));
        }
        Some(action)
    }

    fn change(&mut self, model: &Model) {
        let Walker { dice, wild, .. } = self;
        let honest = Parties::first(model.honest);
        let bad = dice.below(4) < *wild;
        let away = if bad { dice.some_of(honest, 3) } else { Parties::NONE };
        let deaf = if bad { 3 } else { 1000 };
        let moods = if bad { [Mood::Helpful, Mood::Wild, Mood::Wild, Mood::Silent] } else { [Mood::Helpful; 4] };
        let often = if bad { [0, 1, 2, 4] } else { [1, 1, 1, 2] };
        let weight = |(kind, usual): (Kind, usize), dice: &mut Dice| match kind {
            Kind::Fail | Kind::Crash | Kind::Copy | Kind::Restore | Kind::Lose | Kind::Leave | Kind::Enter if !bad => usual * dice.below(2),
            _ => usual * often[dice.below(4)],
        };
        self.weather = Weather {
            lasts: 5 + dice.below(60),
            present: honest.without(away),
            cut: PartyId::all(model.honest).map(|_| dice.some_of(model.members(), deaf)).collect(),
            moods: model.lying().map(|_| moods[dice.below(4)]).collect(),
            weights: KINDS.map(|kind| weight(kind, dice)),
            broken: if bad { 2 + dice.below(10) } else { 200 },
        };
    }

    fn hears(&self, me: PartyId, signer: PartyId) -> bool {
        !self.weather.cut[me.index()].contains(signer)
    }

    /// People have mostly agreed on the same run.
    fn begin(&mut self, model: &Model, world: &World, me: PartyId) -> Option<Action> {
        let round = world.node(me).state.may_begin().ok()?;
        let variant = if self.dice.one_in(8) { 1 + self.dice.below(model.runs.into()) as u8 } else { 1 };
        (round.version <= model.versions && round.attempt <= model.attempts).then_some(Action::Begin(me, variant))
    }

    /// Mostly something that its machine does not know yet; sometimes anything that was ever sent.
    fn deliver(&mut self, world: &World, me: PartyId) -> Option<Action> {
        let record = &world.node(me).state.record;
        let any = self.dice.one_in(12);
        let news = |statement: &&Statement<Run>| {
            self.hears(me, statement.signer) && (any || (statement.signer != me && !knows(record, statement)))
        };
        let list: Vec<_> = world.sent.iter().filter(news).copied().collect();
        self.dice.of(&list).map(|statement| Action::Deliver(me, statement, None))
    }

    /// Mostly with one that it has not heard since it came up.
    fn sync(&mut self, model: &Model, world: &World, me: PartyId) -> Option<Action> {
        let others = model.members().without(Parties::NONE.with(me)).without(self.weather.cut[me.index()]);
        let fresh = others.without(world.node(me).state.synced);
        let from = if fresh.is_empty() || self.dice.one_in(4) { others } else { fresh };
        let up = |other: &PartyId| other.index() >= model.honest || self.weather.present.contains(*other);
        self.dice.party(from.iter().filter(up).collect()).map(|other| Action::Sync(me, other))
    }

    /// Mostly what another has entered, else one of the next epochs from any version.
    fn enter(&mut self, model: &Model, world: &World, me: PartyId) -> Option<Action> {
        let epoch = world.node(me).disk.epoch;
        let signed: Vec<_> =
            world.sent.iter().filter_map(|statement| entry_of(&statement.vote)).filter(|entry| entry.epoch > epoch).collect();
        let entry = match self.dice.of(&signed).filter(|_| !self.dice.one_in(4)) {
            Some(entry) => entry,
            None => {
                let newest = signed.iter().map(|entry| entry.epoch).max().unwrap_or(epoch);
                let base = self.dice.of(&model.bases(world))?;
                model.entry(world, newest.max(1) + 1, base)
            }
        };
        let may = entry.epoch <= model.epochs && model.may_enter(world, me, entry);
        may.then_some(Action::Enter(me, entry, None))
    }

    fn lie(&mut self, model: &Model, world: &World, me: PartyId) -> Option<Action> {
        let signer = self.dice.of(&model.lying().collect::<Vec<_>>())?;
        let vote = match self.weather.moods[signer.index() - model.honest] {
            Mood::Silent => None,
            Mood::Helpful => self.help(&world.node(me).state.record),
            Mood::Wild => self.wild(model, world, me),
        };
        vote.map(|vote| Action::Deliver(me, Statement { signer, vote }, None))
    }

    fn help(&mut self, record: &Record<Run>) -> Option<Vote<Run>> {
        if let Some(entry) = record.entering() {
            return Some(Vote::Entered(entry));
        }
        let round = record.round();
        if record.votes.values().any(|votes| votes.closing == Some(Closing::Abandoned)) {
            return Some(Vote::Abandoned(round));
        }
        let run = record.started?;
        Some(if self.dice.one_in(2) { Vote::Prepared(round, run) } else { Vote::Committed(round, run) })
    }

    /// About any round that an honest party is in or near, or an epoch that one has entered.
    fn wild(&mut self, model: &Model, world: &World, me: PartyId) -> Option<Vote<Run>> {
        if self.dice.one_in(6) {
            let entered: Vec<_> = world.sent.iter().map(|statement| statement.vote).filter(|vote| entry_of(vote).is_some()).collect();
            return self.dice.of(&entered);
        }
        let whose = if self.dice.one_in(3) { PartyId::new(self.dice.below(model.honest)) } else { me };
        let record = &world.node(whose).state.record;
        let round = self.near(record.round());
        let (version, attempt) = (2..=model.versions, 1..=model.attempts);
        if !version.contains(&round.version) || !attempt.contains(&round.attempt) {
            return None;
        }
        let variant = 1 + self.dice.below(model.runs.into()) as u8;
        let run = record.started.filter(|_| !self.dice.one_in(4)).unwrap_or(run(round.epoch, round.attempt, variant));
        Some([Vote::Prepared(round, run), Vote::Committed(round, run), Vote::Abandoned(round)][self.dice.below(3)])
    }

    fn near(&mut self, round: Round) -> Round {
        match self.dice.below(8) {
            0 => Round { attempt: round.attempt + 1, ..round },
            1 => Round { attempt: round.attempt - 1, ..round },
            2 => Round { version: round.version + 1, attempt: 1, ..round },
            3 => Round { version: round.version.saturating_sub(1), attempt: 1, ..round },
            _ => round,
        }
    }
}

fn entry_of(vote: &Vote<Run>) -> Option<Entry<Run>> {
    if let Vote::Entered(entry) = vote { Some(*entry) } else { None }
}

/// Whether `statement` is no news to a party: of another round, or written down.
fn knows(record: &Record<Run>, statement: &Statement<Run>) -> bool {
    let round = record.round();
    match (statement.vote.round(), entry_of(&statement.vote)) {
        (Some(other), _) => other != round || record.votes_of(statement.signer).list(round).any(|vote| vote == statement.vote),
        (_, entry) => entry.is_none_or(|entry| entry.epoch <= record.epoch || record.entries.get(&statement.signer) == Some(&entry)),
    }
}
