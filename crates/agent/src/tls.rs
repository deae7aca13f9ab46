//! The TLS client of several parties: the key operations of `cotenant-tls` as joint operations on the MPC engine.
//!
//! | file | what |
//! | --- | --- |
//! | `ecdh` | each party's scalar, its proof of knowledge, its point |
//! | `circuits` | what is computed inside MPC, segment by segment |
//! | `plan` | declaring all of it before the session is sealed |
//! | `keys` | [`JointKeys`]: the operations, online |
//!
//! Sources: Abram, Damgård, Scholl, Trieflinger, "Oblivious TLS via Multi-Party Computation" (CT-RSA 2021); Tan, Chen, Deng, Popa, "MPCAuth" (IEEE S&P 2023).

mod circuits;
mod ecdh;
mod keys;
mod plan;

pub use keys::{Gate, JointError, JointHole, JointKeys, Milestone};
pub use plan::{PieceShape, Shape, TlsPlan};
