//! The engine's interface without cryptography: a trusted third party inside one process computes in the clear what the parties of a session would compute
//! together. It is for testing what stands above the engine, and must never ship.
//!
//! The parties of a session hold [`Seat`]s. Every call that sends messages in the real engine is a meeting here: it ends when all parties have made it, and
//! all get their part of the result, or all the error that the real engine gives. A run is a function of the seed and of what the parties do, on one thread
//! or on many, with any executor.
//!
//! What is the same as in the real engine: results; the errors of parties that disagree about what was agreed, the plan, public values or lengths; the party
//! that is named when one goes away; the caller's mistakes ([`Misuse`](cotenant_mpc::Misuse)), which are found before anything is sent; tokens that are
//! consumed; a session that is dead after an error.
//!
//! What is not: parties that make different calls fail [`Check::Order`](cotenant_mpc::Check::Order) here, where the real engine names the check that notices
//! first; a party waits for the others in each call, also where the real protocol has nothing to wait for; of the statistics there are only the gates.
#![forbid(unsafe_code)]

mod call;
mod meeting;
mod online;
mod session;
mod trusted;

pub use meeting::{Fault, Seat, seats, seats_with_fault};
pub use online::{Ideal, Verified};
pub use session::IdealSession;
