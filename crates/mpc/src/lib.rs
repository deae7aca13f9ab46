//! Maliciously secure multi-party evaluation of Boolean circuits: authenticated garbling over correlated oblivious transfer, for any number of parties of
//! which all but one may be corrupt, with abort.
//!
//! Sources, and what is taken from each:
//! - Wang, Ranellucci, Katz, "Global-Scale Secure Multiparty Computation" (CCS 2017, ePrint 2017/189): authenticated shares for n parties, global-key check
//! - Katz, Ranellucci, Rosulek, Wang, "Optimizing Authenticated Garbling" (CRYPTO 2018, ePrint 2018/578): half gates under authenticated masks, leaky ANDs
//! - Yang, Wang, Zhang, "More Efficient MPC from Improved Triple Generation and Authenticated Garbling" (CCS 2020, ePrint 2019/1104): both for n parties
//! - Roy, "SoftSpokenOT" (CRYPTO 2022, ePrint 2022/192); Masny, Rindal, "Endemic Oblivious Transfer" (CCS 2019, ePrint 2019/706): correlated OT
//! - Guo, Katz, Wang, Yu (IEEE S&P 2020, ePrint 2019/074): the hash
//!
//! A [`Session`] takes a plan through the [`Engine`] interface and is sealed to a [`Sealed`] one, which runs it through [`Online`]. Everything is `async` over
//! a [`Channel`](cotenant_core::Channel): no sockets, no clock, the caller's randomness.
#![forbid(unsafe_code)]

mod auth;
mod coin;
mod comms;
mod engine;
mod error;
mod evaluate;
mod garble;
mod kind;
mod leaky;
mod online;
mod open;
pub mod ot;
mod party;
mod session;
mod shares;
mod slots;
mod stats;
mod stock;
mod tables;
mod triple;
mod waves;
mod wires;
mod workers;
mod zero_test;

pub use engine::{Engine, Given, Input, Online, Segment, Source, Tag, VerifiedWires, Wire};
pub use error::{Check, Error, Misuse, Phase, Reason};
pub use kind::Kind;
pub use online::Sealed;
pub use party::{Observer, Options};
pub use session::{MAX_PARTIES, Session};
pub use stats::{PhaseStats, Progress, Stats, Task};
pub use triple::{batches, bucket_size};
pub use wires::Verified;
