//! A schedule of what happens in a world: every property is checked after each step, and after the last one the calm has to lead to agreement. A schedule
//! that breaks a property is made shorter by leaving out what is not needed for it (Zeller and Hildebrandt, *Simplifying and Isolating Failure-Inducing
//! Input*, IEEE TSE 2002, section 3, without its tests of the parts alone).

use crate::Run;
use crate::calm::calm;
use crate::properties::{NEVER_BOTH, OLD_IS_TOLD, SETTLES};
use crate::world::{Action, Model, Node, World};
use cotenant_agent::vault::commit::statement::{Version, Vote};
use stateright::{Expectation, Property};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What is said to fail when the machine panics.
pub const NO_PANIC: &str = "no panic";

/// A world and what has happened in it so far.
pub struct Journey {
    /// The bounds, and the machine.
    pub model: Model,
    /// Where it is.
    pub world: World,
    /// What led there.
    pub taken: Vec<Action>,
    always: Vec<Property<Model>>,
}

/// How far walks came, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Actions before the calm.
    pub steps: u64,
    /// Versions settled before the calm.
    pub saves: u64,
    /// Walks in which two or more were.
    pub several_saves: u64,
    /// Walks in which honest parties voted about a second attempt.
    pub attempts: u64,
    /// Epochs entered by all before the calm.
    pub epochs: u64,
    /// Crashes, between two effects or two events.
    pub crashes: u64,
    /// Parties put back to an old copy.
    pub restores: u64,
    /// Lost disks.
    pub losses: u64,
    /// Walks whose calm took a new epoch.
    pub entered: u64,
    /// Old copies that had to be given up altogether in the calm.
    pub discarded: u64,
    /// Walks after which a member that signed COMMITTED and ABANDONED blocks the others for good; nothing is lost.
    pub blocked: u64,
    /// Walks after which too few shares are left.
    pub short: u64,
}

impl Reached {
    /// Adds another walk's.
    pub fn add(&mut self, other: &Reached) {
        self.steps += other.steps;
        self.saves += other.saves;
        self.several_saves += other.several_saves;
        self.attempts += other.attempts;
        self.epochs += other.epochs;
        self.crashes += other.crashes;
        self.restores += other.restores;
        self.losses += other.losses;
        self.entered += other.entered;
        self.discarded += other.discarded;
        self.blocked += other.blocked;
        self.short += other.short;
    }
}

/// A property that does not hold.
#[derive(Clone)]
pub struct Failure {
    /// Its name.
    pub property: &'static str,
    /// The world.
    pub model: Model,
    /// What has to happen for it.
    pub schedule: Vec<Action>,
}

impl Journey {
    /// At the start.
    pub fn new(model: Model) -> Self {
        let in_the_end = [SETTLES, OLD_IS_TOLD];
        let always = model.all_properties().into_iter();
        let always =
            always.filter(|property| matches!(property.expectation, Expectation::Always) && !in_the_end.contains(&property.name)).collect();
        Journey { world: World::start(&model), model, taken: Vec::new(), always }
    }

    /// Lets `action` happen and checks every property.
    ///
    /// # Errors
    /// The name of the first that fails.
    pub fn take(&mut self, action: Action) -> Result<(), &'static str> {
        self.taken.push(action.clone());
        self.apply(action)
    }

    /// As [`Journey::take`], for what belongs to the calm.
    pub(crate) fn apply(&mut self, action: Action) -> Result<(), &'static str> {
        let sent = self.world.sent.len();
        catch_unwind(AssertUnwindSafe(|| self.model.act(&mut self.world, action))).map_err(|_| NO_PANIC)?;
        // What each has signed can only come to contradict itself when something is sent.
        let same = |property: &&Property<Model>| property.name != NEVER_BOTH || self.world.sent.len() > sent;
        let fails = self.always.iter().filter(same).find(|property| !(property.condition)(&self.model, &self.world));
        fails.map_or(Ok(()), |property| Err(property.name))
    }

    /// No more faults: all that was sent arrives, and all must come to agree, be able to load, and finish a save.
    ///
    /// # Errors
    /// The name of the property that fails.
    pub fn end(&mut self) -> Result<Reached, &'static str> {
        let mut reached = self.reached();
        calm(self, &mut reached)?;
        Ok(reached)
    }

    fn reached(&self) -> Reached {
        let count = |kind: fn(&Action) -> bool| self.taken.iter().filter(|action| kind(action)).count() as u64;
        let World { nodes, sent, .. } = &self.world;
        let settled = |node: &Node| node.disk.settled.map_or(0, |settled| settled.number - 1);
        let saves = nodes.iter().map(settled).max().unwrap_or(0);
        Reached {
            steps: self.taken.len() as u64,
            saves,
            several_saves: u64::from(saves > 1),
            attempts: u64::from(sent.iter().any(|statement| statement.vote.round().is_some_and(|round| round.attempt > 1))),
            epochs: nodes.iter().map(|node| u64::from(node.disk.epoch.saturating_sub(1))).min().unwrap_or(0),
            crashes: count(crashes),
            restores: count(|action| matches!(action, Action::Restore(_))),
            losses: count(|action| matches!(action, Action::Lose(_))),
            entered: 0,
            discarded: 0,
            blocked: 0,
            short: 0,
        }
    }

    /// Whether `action` can happen here; so that a part of a schedule is one.
    fn possible(&self, action: &Action) -> bool {
        let World { left, .. } = self.world;
        let node = |party| self.world.node(party);
        let crash = |until: &Option<usize>| until.is_none() || left.crashes > 0;
        match action {
            Action::Begin(me, _) => node(*me).state.may_begin().is_ok(),
            Action::Finish(me, until) => node(*me).state.running && self.model.all_took_part(&self.world, *me) && crash(until),
            Action::Fail(me, until) => node(*me).state.running && crash(until),
            Action::Deliver(_, statement, until) => {
                (statement.signer.index() >= self.model.honest || self.world.sent.binary_search(statement).is_ok()) && crash(until)
            }
            Action::Sync(..) | Action::Copy(_) => true,
            Action::Leave(me, until) => crash(until) && self.model.may_leave(&self.world, *me),
            Action::Enter(me, entry, until) => {
                let copied = || self.world.sent.iter().any(|statement| statement.vote == Vote::Entered(*entry));
                let new = |base: &Version<Run>| self.model.entry(&self.world, entry.epoch, *base) == *entry;
                crash(until)
                    && self.model.may_enter(&self.world, *me, *entry)
                    && (copied() || self.model.bases(&self.world).iter().any(new))
            }
            Action::Crash(_) => left.crashes > 0,
            Action::Restore(me) => left.restores > 0 && node(*me).copy.is_some(),
            Action::Lose(_) => left.losses > 0,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Model { honest, liars, threshold, .. } = self.model;
        write!(f, "{:?} fails with {honest} honest and {liars} lying, threshold {threshold}, after", self.property)?;
        self.schedule.iter().try_for_each(|action| write!(f, "\n  {action:?}"))
    }
}

fn crashes(action: &Action) -> bool {
    match action {
        Action::Finish(_, until) | Action::Fail(_, until) | Action::Leave(_, until) => until.is_some(),
        Action::Deliver(_, _, until) | Action::Enter(_, _, until) => until.is_some(),
        Action::Crash(_) => true,
        _ => false,
    }
}

/// What fails when `schedule` happens and then the calm comes; what cannot happen is left out.
pub fn replay(model: &Model, schedule: &[Action]) -> Option<Failure> {
    let mut journey = Journey::new(model.clone());
    let mut go = || {
        for action in schedule {
            if journey.possible(action) {
                journey.take(action.clone())?;
            }
        }
        journey.end()
    };
    go().err().map(|property| Failure { property, model: model.clone(), schedule: journey.taken })
}

impl Failure {
    /// The same property fails after this and nothing shorter that is got by leaving something out.
    pub fn shrink(mut self) -> Self {
        let mut size = self.schedule.len();
        while size > 0 {
            let mut from = 0;
            let before = self.schedule.len();
            while from < self.schedule.len() {
                let to = (from + size).min(self.schedule.len());
                let rest = [&self.schedule[..from], &self.schedule[to..]].concat();
                match replay(&self.model, &rest).filter(|failure| failure.property == self.property) {
                    Some(shorter) => self = shorter,
                    None => from = to,
                }
            }
            // At the end single actions are tried again as long as one more can go.
            size = if size > 1 { size.div_ceil(2) } else { usize::from(self.schedule.len() < before) };
        }
        self
    }
}
