//! Several parties in one process on simulated links, with cheating parties. A run is a function of its seed: one thread, no clock.
#![forbid(unsafe_code)]

pub mod link;
pub mod random;
pub mod run;

pub use link::{Fate, Honest, Local, Meddler};
pub use random::{RandomCircuit, random_circuit};
pub use run::{Outcome, run, session_rng};
