//! Correlated oblivious transfer between two parties, in the presence of a malicious one.
//!
//! In an ordered [`Pair`] the *sender* holds a global key Delta of 128 bits and the *receiver* chooses bits b. For each bit the receiver
//! gets a MAC M and the sender a key K with `M = K xor b * Delta`. Layers, each in its file:
//!
//! | file | what | source |
//! | --- | --- | --- |
//! | `base` | 128 base OTs, chosen by the bits of Delta | Masny, Rindal, "Endemic Oblivious Transfer", ePrint 2019/706 |
//! | `tree` | punctured PRFs with 2^k leaves from k base OTs each, checked | Roy, "SoftSpokenOT", ePrint 2022/192, its puncturable PRF |
//! | `extension` | any number of correlated OTs from the leaves | the same, section 3, small-field VOLE |
//! | `check` | that the receiver used one b in all columns | the same, section 4, subspace VOLE |
//! | `setup` | the steps of a pair up to its leaves | |
//!
//! Nothing here talks to a network: every step takes and returns messages. One pair goes through
//!
//! ```text
//! COT receiver                                         COT sender (Delta)
//! ReceiverSetup::start  -- points, 4096 bytes -->
//!                       <-- choices, 8192 bytes --     SenderSetup::start        (both at once: neither depends on the other)
//! ReceiverSetup::finish -- trees, 4128 bytes -->       SenderSetup::keys, SenderKeys::finish
//! CotReceiver::extend   -- correction -->              CotSender::extend         (chunk by chunk, any number)
//!        a hash of the correction (two parties), or a coin tossed after every sender holds its correction, seeds the check
//! Choices::answer, Received::prove  -- h(b), digest --> Sent::verify
//! Checked::rows                                         Checked::rows
//! ```
//!
//! # Messages
//! All numbers are little endian; a block is 16 bytes; a point is the 32-byte encoding of RFC 9496 section 4.3.2.
//!
//! | message | bytes |
//! | --- | --- |
//! | points | for each base OT i = 0..128: the point A_i |
//! | choices | for each base OT i: the points R_(i,0), R_(i,1) |
//! | trees | for each tree t = 0..128/k: for each level l = 1..k the two masked sums (block for branch 0, block for branch 1), then the sum of the leaves' proofs (2 blocks); after the last tree the digest of all proofs (32 bytes) |
//! | correction | for each K columns (a tree; in a chunk of two strings, the first half of the trees for the one, then for the other): for each group of 128 rows, the mask group last, one block |
//! | h(b) | one block a string, the same to all peers, broadcast |
//! | digest | 32 bytes, to the sender alone |
//!
//! Bit 0 of Delta is 1 and public: lowest bits of MACs are the receiver's bits.
//!
//! Base OT i belongs to bit i of Delta; tree t covers bits t*k .. t*k + k, level l of it bit t*k + l.
//!
//! The digests are BLAKE3 in the domains `PprfCheck` and `CotCheck`, the challenge of two parties in `CotChallenge`. All contain the pair: the length of
//! the session identifier (8 bytes), the identifier, the sender's and the receiver's number (8 bytes each). `PprfCheck` goes on with the proofs of all
//! leaves of all trees, leaf by leaf, 2 blocks each. `CotCheck` begins with h(V_c) for the columns c = 0..128, one block each, `CotChallenge` with the
//! correction; both end with the pair and the number of the chunk, counted from 0 in each pair (8 bytes).

mod base;
mod check;
mod extension;
#[cfg(test)]
mod fixture;
mod setup;
mod tree;

use cotenant_core::domain::Hasher;
use cotenant_core::{Digest, PartyId, codec::BadFormat};
use std::fmt;

pub use crate::workers::Workers;
pub use check::{Checked, Received, Sent};
pub use extension::{CHUNK_ROWS, Choices, Chunk, SoftReceiver, SoftSender, Width};
pub use setup::{ReceiverSetup, SenderKeys, SenderSetup};

/// Bits of Delta that one tree covers: 1, 2, 4 or 8. A correlated OT costs 128/K bits to send and 128/K * 2^K bits of leaf stream to
/// compute. `examples/cot.rs` measures all four: 2 is a little faster than 4 where the network costs nothing, and sends twice as much.
pub const K: usize = 4;

/// The receiver of a pair, ready to extend.
pub type CotReceiver = SoftReceiver<K>;

/// The sender of a pair, ready to extend.
pub type CotSender = SoftSender<K>;

/// The bits of Delta, and with it the number of base OTs of a pair and of columns of an extension.
pub(crate) const KAPPA: usize = 128;

/// Between whom, in which session; goes into every hash, so that no message means anything elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The session identifier.
    pub session: Digest,
    /// The party that holds Delta and gets keys.
    pub sender: PartyId,
    /// The party that chooses bits and gets MACs.
    pub receiver: PartyId,
}

impl Pair {
    fn absorb<'h>(&self, h: &'h mut Hasher) -> &'h mut Hasher {
        h.field(&self.session.0).number(self.sender.index() as u64).number(self.receiver.index() as u64)
    }
}

/// What was wrong with a message. The fault is always that of the pair's other party, who sent it.
///
/// After any of them the session is dead: a check that fails may have told the cheater bits of Delta.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtFault {
    /// A message is not of the length that the step demands.
    Format,
    /// 32 bytes of a base OT are not the encoding of a group element (RFC 9496 section 4.3.1).
    Point,
    /// The leaves do not fit the digest of the punctured PRF's check (see `tree`).
    TreeCheck,
    /// The columns do not fit one string of bits (see `check`).
    CorrelationCheck,
}

impl From<BadFormat> for OtFault {
    fn from(_: BadFormat) -> OtFault {
        OtFault::Format
    }
}

impl fmt::Display for OtFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OtFault::Format => "sent an oblivious-transfer message of the wrong length",
            OtFault::Point => "sent an invalid group element for a base oblivious transfer",
            OtFault::TreeCheck => "failed the check of the punctured PRF",
            OtFault::CorrelationCheck => "failed the check of correlated oblivious transfer",
        })
    }
}

impl std::error::Error for OtFault {}
