//! Boolean circuits: a builder with constant folding, the compiled form that an engine walks, a plain evaluator, and the library of circuits that
//! TLS 1.3 and its signers need.
//!
//! The cost model is that of garbling with free XOR (Kolesnikov and Schneider, ICALP 2008): an AND gate costs communication, an XOR gate about a
//! fiftieth of its work, a negation nothing. Every function of the library takes a [`Builder`] and literals, so circuits compose and share structure.
#![forbid(unsafe_code)]

mod builder;
mod circuit;
mod compile;
mod node;

pub mod aes;
pub mod base64;
pub mod bytes;
pub mod charset;
pub mod coordinates;
pub mod escape;
pub mod field;
pub mod gcm;
pub mod gf128;
pub mod ghash;
pub mod hex;
pub mod hkdf;
pub mod hmac;
pub mod key_schedule;
pub mod library;
pub mod mersenne;
pub mod mul;
pub mod oaep;
pub mod point;
pub mod sha1;
pub mod sha256;
pub mod sum;

pub use builder::Builder;
pub use circuit::{AndKind, Circuit, Gate, Output, RUN, Run, Stats};
pub use node::Lit;
