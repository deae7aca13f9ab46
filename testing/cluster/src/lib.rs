//! Several parties in one process on simulated links, with cheating parties. A run is a function of its seed: one thread, no clock.
#![forbid(unsafe_code)]

pub mod formula;
pub mod layered;
pub mod link;
pub mod one_gate;
pub mod random;
pub mod rogue;
pub mod run;
pub mod scenario;
pub mod tamper;

pub use link::{Hands, Honest, Local, Meddler, Message, Network};
pub use random::{RandomCircuit, random_circuit};
pub use run::{Outcome, run, run_on, session_rng};
