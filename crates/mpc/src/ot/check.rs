//! The check that the receiver used one string of bits in all columns, and the rows that it releases.
//!
//! Roy, "SoftSpokenOT", ePrint 2022/192, section 4 (the consistency check of subspace VOLE, for the repetition code). A column of bits,
//! cut into chunks of 128, is hashed to
//! `h(v) = sum of chi_m * v_m` over GF(2^128), where chi_m comes from a seed tossed after the corrections are fixed. The receiver gives
//! h(b) and a digest of the h(V_c), c = 0..128; the sender requires h(V_c) = h(Q_c) xor Delta_c * h(b) for all c. With corrections that
//! differ from one string b by e_t in tree t, the right side is off by Delta_c * h(e_t): to pass, the receiver has to foresee the bits of
//! Delta of every tree with e_t != 0 (h(e_t) = 0 has probability 2^-128), so that passing tells it only what it guessed.
//!
//! The last chunk is the 128 mask OTs, which are never handed out. Its coefficient is 1 instead of a drawn one: then h(b) is
//! perfectly hidden whatever the seed, and h stays a universal hash, as a difference in the last chunk alone hashes to itself.
//!
//! With more than two parties the same seed serves all pairs and h(b) is broadcast, so that one b is tied to all of a receiver's peers.
//! The columns wait for the seed as they are; one pass hashes each chunk of them and transposes it to rows while it is in cache.
//!
//! Why not the row-wise sum of Keller, Orsini, Scholl (CRYPTO 2015): Roy, section 4.1, shows that the lemma behind it is false.

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

#[cfg(test)]
mod tests {
    use super::super::extension::{Choices, SoftReceiver, SoftSender};
    use super::super::fixture::*;
    use super::*;
    use cotenant_core::Bits;

    const COUNT: usize = 384;
    const COIN: Block = Block(77);

    /// What the receiver has before it answers, and the sender's side of it after `attack` on the correction.
    fn extend<const K: usize>(delta: Block, attack: impl Fn(&mut [u8])) -> (Received, Choices, Sent) {
        let (mut receiver, mut sender): (SoftReceiver<K>, SoftSender<K>) = dealt(delta, 1);
        let choices = Choices::new(&Bits::random(COUNT, &mut rng(2)), &mut rng(3));
        let (received, mut correction) = receiver.extend(&choices);
        attack(&mut correction);
        (received, choices, sender.extend(COUNT, &correction).unwrap())
    }

    fn caught(result: Result<Zeroizing<Vec<Block>>, OtFault>) -> bool {
        result.is_err_and(|e| e == OtFault::CorrelationCheck)
    }

    #[test]
    fn hashes_are_the_polynomial_of_their_definition() {
        let (received, choices, sent) = extend::<4>(Block(1), |_| ());
        let chi = coefficients(COIN, 4);
        assert_eq!((chi[0].0, chi[3].0), (Prg::new(COIN).block().0, 1));
        let columns = received.columns.clone();
        let (_, hashes) = hash_and_transpose(received.columns, COIN);
        for (column, hash) in columns.chunks(4).zip(hashes.iter()) {
            let sum = chi.iter().zip(column).fold(Block::ZERO, |s, (&c, &v)| s ^ gf128::mul(c, v));
            assert_eq!(sum.0, hash.0);
        }
        let q = hash_and_transpose(sent.columns, COIN).1;
        assert_eq!((q[0] ^ choices.answer(COIN)).0, hashes[0].0);
        assert!((1..128).all(|c| q[c].0 == hashes[c].0));
    }

    #[test]
    fn a_wrong_answer_digest_or_seed_is_caught() {
        let delta = Block::random(&mut rng(9));
        let honest = || {
            let (received, choices, sent) = extend::<4>(delta, |_| ());
            (received.check(COIN).1, choices.answer(COIN), sent)
        };
        let (digest, answer, sent) = honest();
        assert!(sent.verify(COIN, answer, &digest).is_ok());
        for bit in [0, 64, 127] {
            assert!(caught(honest().2.verify(COIN, answer ^ Block(1 << bit), &digest)));
        }
        for byte in [0, 31] {
            let mut wrong = digest;
            wrong.0[byte] ^= 0x10;
            assert!(caught(honest().2.verify(COIN, answer, &wrong)));
        }
        assert!(caught(honest().2.verify(Block(78), answer, &digest)));
    }

    #[test]
    fn a_digest_serves_one_pair_and_one_extension() {
        let (received, choices, sent) = extend::<4>(Block(6), |_| ());
        let (_, hashes) = hash_and_transpose(received.columns, COIN);
        let mut others: Vec<_> = other_pairs().iter().map(|p| digest(p, 0, &hashes)).collect();
        others.push(digest(&pair(), 1, &hashes));
        let (answer, again) = (choices.answer(COIN), || extend::<4>(Block(6), |_| ()).2);
        assert!(others.iter().all(|d| caught(again().verify(COIN, answer, d))));
        assert!(sent.verify(COIN, answer, &digest(&pair(), 0, &hashes)).is_ok());
    }

    /// One flipped bit of a correction changes the columns of its tree whose bit of Delta is set: with Delta 0 there, none.
    #[test]
    fn a_flipped_correction_is_caught_unless_delta_ignores_it() {
        let groups = COUNT / 128 + 1;
        for (tree, group) in [(0, 0), (5, 2), (31, 3)] {
            for delta in [Block::random(&mut rng(4)), Block::ZERO, Block(1 << (4 * tree + 2))] {
                let (received, choices, sent) = extend::<4>(delta, |m| m[(tree * groups + group) * 16 + 7] ^= 0x40);
                let result = sent.verify(COIN, choices.answer(COIN), &received.check(COIN).1);
                assert_eq!(caught(result), delta.0 >> (4 * tree) & 15 != 0);
            }
        }
    }

    /// A receiver with other bits in one tree can foresee the sender's hashes if it guesses the tree's K bits of Delta, and only then: it
    /// passes with probability 2^-K and has learnt what it guessed. Group 3 is the mask, which is checked like the rest.
    fn inconsistent_bits_pass_if_and_only_if_delta_was_guessed<const K: usize>(group: usize) {
        let (tree, groups) = (128 / K - 1, COUNT / 128 + 1);
        let (mut passed, seeds) = (0, 128u64);
        for seed in 0..seeds {
            let delta = Block::random(&mut rng(1000 + seed));
            let (received, choices, sent) = extend::<K>(delta, |m| m[(tree * groups + group) * 16] ^= 1);
            let mut hashes = hash_and_transpose(received.columns, COIN).1;
            let guess = seed as usize % (1 << K);
            let off = gf128::mul(coefficients(COIN, groups)[group], Block(1));
            (0..K).for_each(|l| hashes[tree * K + l] ^= off.when(guess >> l & 1 == 1));
            let result = sent.verify(COIN, choices.answer(COIN), &digest(&pair(), 0, &hashes));
            let right = (delta.0 >> (tree * K)) as usize == guess;
            assert_eq!(caught(result), !right);
            passed += u64::from(right);
        }
        let expected = seeds >> K;
        assert!(passed > 0 && passed < 3 * expected, "{passed} of {seeds}, expected {expected}");
    }

    #[test]
    fn cheating_receivers_pass_at_the_derived_rate() {
        inconsistent_bits_pass_if_and_only_if_delta_was_guessed::<1>(0);
        inconsistent_bits_pass_if_and_only_if_delta_was_guessed::<2>(1);
        inconsistent_bits_pass_if_and_only_if_delta_was_guessed::<4>(2);
        inconsistent_bits_pass_if_and_only_if_delta_was_guessed::<4>(3);
    }

    #[test]
    fn bits_that_differ_between_peers_do_not_fit_one_answer() {
        let (received, choices, sent) = extend::<4>(Block::random(&mut rng(9)), |_| ());
        let mut other = Bits::random(COUNT, &mut rng(2));
        other.set(200, !other.get(200));
        let answer = Choices::new(&other, &mut rng(3)).answer(COIN);
        assert_ne!(answer.0, choices.answer(COIN).0);
        assert!(caught(sent.verify(COIN, answer, &received.check(COIN).1)));
    }
}
