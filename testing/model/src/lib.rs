//! Model checking of the vault's commit: the state machine that ships, `cotenant_agent::vault::commit`, driven through every situation of a bounded
//! world and checked in each.
//!
//! [`world`] is the environment: what the network, crashes, lying members, old backups and lost disks can do. [`properties`] is what must hold in every
//! state. [`walk`] takes random schedules in worlds that are too large for that, and [`schedule`] makes one that fails as short as it can. A [`Machine`] is
//! the real one or one of [`broken`], to show that each property can fail.
#![forbid(unsafe_code)]

mod actions;
pub mod broken;
mod calm;
pub mod properties;
pub mod schedule;
pub mod walk;
pub mod world;

use cotenant_agent::vault::commit::statement::{Statement, Version};
use cotenant_agent::vault::commit::{self, Effect, Event, Record, State};

/// Digests of runs are small numbers here: see [`world::run`].
pub type Run = u16;

/// A state, and what a party has to do as it comes to it.
pub type Stepped = (State<Run>, Vec<Effect<Run>>);

/// What drives an honest party.
#[derive(Clone, Copy)]
pub struct Machine {
    /// As [`commit::step`].
    pub step: fn(State<Run>, Event<Run>) -> Stepped,
    /// As [`State::restart`].
    pub restart: fn(Record<Run>) -> Stepped,
    /// As [`Record::tell`].
    pub tell: fn(&Record<Run>) -> Vec<Statement<Run>>,
    /// As [`Record::loadable`].
    pub loadable: fn(&Record<Run>) -> Option<Version<Run>>,
}

/// The one that ships.
pub const REAL: Machine = Machine { step: commit::step, restart: State::restart, tell: Record::tell, loadable: Record::loadable };
