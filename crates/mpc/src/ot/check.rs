//! The check that the receiver used one string of bits in all columns, and the rows that it releases.
//!
//! Roy, "SoftSpokenOT", ePrint 2022/192, section 4. A column of bits, cut into chunks of 128, is hashed to
//! `h(v) = sum of chi_m * v_m` over GF(2^128), where chi_m comes from a seed tossed after the corrections are fixed. The receiver gives
//! h(b) and a digest of the h(V_c), c = 0..128; the sender requires h(V_c) = h(Q_c) xor Delta_c * h(b) for all c. With corrections that
//! differ from one string b by e_t in tree t, the right side is off by Delta_c * h(e_t): to pass, the receiver has to foresee the bits of
//! Delta of every tree with e_t != 0 (h(e_t) = 0 has probability 2^-128), so that passing tells it only what it guessed.
//!
//! The last chunk is the 128 mask OTs, which are never handed out. Its coefficient is 1 instead of a drawn one: then h(b) is
//! perfectly hidden whatever the seed, and h stays a universal hash, as a difference in the last chunk alone hashes to itself.
//!
//! Why not the row-wise sum of Keller, Orsini, Scholl (CRYPTO 2015): Roy, section 4, shows that the lemma behind it is false.

use super::extension::CHUNK;
use super::{KAPPA, OtFault, Pair};
use cotenant_core::prg::Prg;
use cotenant_core::transpose::transpose_128;
use cotenant_core::{Block, Digest, Domain, block, gf128};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// The receiver's side of an extension whose check is not done.
pub struct Received {
    pair: Pair,
    extension: u64,
    columns: Zeroizing<Vec<Block>>,
}

impl Received {
    pub(super) fn new(pair: Pair, extension: u64, columns: Zeroizing<Vec<Block>>) -> Received {
        Received { pair, extension, columns }
    }

    /// The MACs, and the digest for the sender, for the coefficients that come from `seed`, tossed after the sender got the correction.
    pub fn check(self, seed: Block) -> (Zeroizing<Vec<Block>>, Digest) {
        let (macs, hashes) = hash_and_transpose(self.columns, seed);
        (macs, digest(&self.pair, self.extension, &hashes))
    }
}

/// The sender's side of an extension whose check is not done.
pub struct Sent {
    pair: Pair,
    extension: u64,
    delta: Zeroizing<Block>,
    columns: Zeroizing<Vec<Block>>,
}

impl Sent {
    pub(super) fn new(pair: Pair, extension: u64, delta: Block, columns: Zeroizing<Vec<Block>>) -> Sent {
        Sent { pair, extension, delta: Zeroizing::new(delta), columns }
    }

    /// The keys, if the receiver's broadcast `answer` h(b) and its `claimed` digest are right for the coefficients from `seed`.
    ///
    /// # Errors
    /// [`OtFault::CorrelationCheck`]: the receiver's fault.
    pub fn verify(self, seed: Block, answer: Block, claimed: &Digest) -> Result<Zeroizing<Vec<Block>>, OtFault> {
        let (keys, mut hashes) = hash_and_transpose(self.columns, seed);
        hashes.iter_mut().enumerate().for_each(|(c, h)| *h ^= answer.when(self.delta.bit(c)));
        let expected = digest(&self.pair, self.extension, &hashes);
        if bool::from(expected.ct_eq(claimed)) { Ok(keys) } else { Err(OtFault::CorrelationCheck) }
    }
}

/// chi_m of `groups` chunks; the last is 1.
pub(super) fn coefficients(seed: Block, groups: usize) -> Vec<Block> {
    let mut chi = vec![Block(1); groups];
    Prg::new(seed).fill(&mut chi[..groups - 1]);
    chi
}

fn digest(pair: &Pair, extension: u64, hashes: &[Block; KAPPA]) -> Digest {
    let mut h = Domain::CotCheck.hasher();
    pair.absorb(&mut h).number(extension).raw(block::as_bytes(hashes)).digest()
}

/// h of every column; and the matrix by rows, without those of the mask.
fn hash_and_transpose(mut columns: Zeroizing<Vec<Block>>, seed: Block) -> (Zeroizing<Vec<Block>>, Zeroizing<[Block; KAPPA]>) {
    let chi = coefficients(seed, columns.len() / KAPPA);
    let mut hashes = Zeroizing::new([Block::ZERO; KAPPA]);
    let mut copy = Zeroizing::new(vec![Block::ZERO; CHUNK * KAPPA]);
    for (chunk, chi) in columns.chunks_mut(CHUNK * KAPPA).zip(chi.chunks(CHUNK)) {
        let (width, copy) = (chi.len(), &mut copy[..chunk.len()]);
        copy.copy_from_slice(chunk);
        hashes.iter_mut().zip(copy.chunks_exact(width)).for_each(|(h, v)| *h ^= gf128::inner_product(chi, v));
        for (group, rows) in chunk.as_chunks_mut::<KAPPA>().0.iter_mut().enumerate() {
            rows.iter_mut().zip(copy[group..].iter().step_by(width)).for_each(|(r, &v)| *r = v);
            transpose_128(rows);
        }
    }
    let count = columns.len() - KAPPA;
    columns[count..].zeroize();
    columns.truncate(count);
    (columns, hashes)
}
