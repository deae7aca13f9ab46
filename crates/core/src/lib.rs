//! Types that every crate of Cotenant shares: parties, channels, bits, blocks, binary fields, hashes and their domains.
//!
//! Unsafe code is denied but in [`simd`], whose functions have portable twins and tests that compare the two.
#![deny(unsafe_code)]

pub mod bits;
pub mod block;
pub mod buffer;
pub mod channel;
mod cipher;
pub mod codec;
pub mod domain;
pub mod gf128;
pub mod gf64;
pub mod hash;
pub mod leaf;
pub mod party;
pub mod prg;
pub mod simd;
pub mod transpose;
pub mod vector;

pub use bits::Bits;
pub use block::Block;
pub use buffer::{Buffer, Words};
pub use channel::{Channel, ChannelError, ChannelFault};
pub use domain::{Digest, Domain};
pub use party::PartyId;
