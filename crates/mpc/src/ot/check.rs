//! The check that the receiver used one string of bits in all columns, and the rows that it releases.
//!
//! Roy, "SoftSpokenOT", ePrint 2022/192, section 4 (the consistency check of subspace VOLE, for the repetition code). A column of bits,
//! cut into pieces of 128, is hashed to
//! `h(v) = sum of chi_m * v_m` over GF(2^128), where chi_m comes from a seed that is fixed after the correction. The receiver gives
//! h(b) and a digest of the h(V_c), c = 0..128; the sender requires h(V_c) = h(Q_c) xor Delta_c * h(b) for all c. With corrections that
//! differ from one string b by e_t in tree t, the right side is off by Delta_c * h(e_t): to pass, the receiver has to foresee the bits of
//! Delta of every tree with e_t != 0 (h(e_t) = 0 has probability 2^-128), so that passing tells it only what it guessed.
//!
//! The last piece is the 128 mask OTs, which are never handed out. Its coefficient is 1 instead of a drawn one: then h(b) is
//! perfectly hidden whatever the seed, and h stays a universal hash, as a difference in the last piece alone hashes to itself.
//!
//! Where the seed comes from: with more than two parties it is tossed when every correction has arrived, the same for all of a receiver's pairs, and h(b)
//! is broadcast, so that one b is tied to all of its peers. With two parties it is a hash of the correction ([`Received::challenge`]), so that a chunk is
//! made, checked and used with one message and while it is in cache. Fiat-Shamir is sound here: one challenge fails with 2^-128, it has 128 bits, and both
//! parties hold every byte that it depends on (session, pair, number of the chunk, correction); trying q corrections finds a false one that passes without
//! a guess of Delta with probability q * 2^-119 (a union over pairs of trees), and what a guess of g bits of Delta passes with, 2^-g, does not depend on chi.
//!
//! In a chunk of two strings the first 64 columns are tested against h of the one, the others, with the same bits of Delta, against h of the other.
//!
//! Why not the row-wise sum of Keller, Orsini, Scholl (CRYPTO 2015): Roy, section 4.1, shows that the lemma behind it is false.

use super::extension::Chunk;
use super::{KAPPA, OtFault, Pair};
use cotenant_core::prg::Prg;
use cotenant_core::transpose::{planes_to_near_rows, planes_to_rows, transpose_128};
use cotenant_core::{Block, Digest, Domain, block, gf128};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The receiver's side of a chunk whose challenge is not answered.
pub struct Received<'p> {
    pair: Pair,
    chunk: Chunk,
    planes: &'p mut [Block],
}

/// The sender's side of a chunk whose check is not done.
pub struct Sent<'p> {
    pair: Pair,
    chunk: Chunk,
    delta: Zeroizing<Block>,
    planes: &'p mut [Block],
}

/// A chunk's columns when its check is answered, or passed: rows may be taken.
pub struct Checked<'p> {
    chunk: Chunk,
    planes: &'p [Block],
}

impl<'p> Received<'p> {
    pub(super) fn new(pair: Pair, chunk: Chunk, planes: &'p mut [Block]) -> Self {
        Received { pair, chunk, planes }
    }

    /// The digest for the sender, for the coefficients that come from `seed`, and what gives the MACs.
    pub fn prove(self, seed: Block) -> (Checked<'p>, Digest) {
        let digest = digest(&self.pair, self.chunk, &hashes(self.planes, seed));
        (Checked { chunk: self.chunk, planes: self.planes }, digest)
    }

    /// The seed that two parties use: a hash of the correction. See the text above.
    pub fn challenge(&self, correction: &[u8]) -> Block {
        challenge(&self.pair, self.chunk, correction)
    }
}

impl<'p> Sent<'p> {
    pub(super) fn new(pair: Pair, chunk: Chunk, delta: Block, planes: &'p mut [Block]) -> Self {
        Sent { pair, chunk, delta: Zeroizing::new(delta), planes }
    }

    /// What gives the keys, if the receiver's broadcast `answers` h(b), one a string, and its `claimed` digest are right for the coefficients from `seed`.
    ///
    /// # Errors
    /// [`OtFault::CorrelationCheck`]: the receiver's fault.
    ///
    /// # Panics
    /// If there is not an answer for each string.
    pub fn verify(self, seed: Block, answers: &[Block], claimed: &Digest) -> Result<Checked<'p>, OtFault> {
        assert_eq!(answers.len(), self.chunk.width().strings());
        let mut hashes = hashes(self.planes, seed);
        for (c, h) in hashes.iter_mut().enumerate() {
            let (string, bit) = self.chunk.width().column(c);
            *h ^= answers[string].when(self.delta.bit(bit));
        }
        let expected = digest(&self.pair, self.chunk, &hashes);
        let passed = bool::from(expected.ct_eq(claimed));
        if passed { Ok(Checked { chunk: self.chunk, planes: self.planes }) } else { Err(OtFault::CorrelationCheck) }
    }

    /// The seed that two parties use: a hash of the correction.
    pub fn challenge(&self, correction: &[u8]) -> Block {
        challenge(&self.pair, self.chunk, correction)
    }
}

impl Checked<'_> {
    /// Writes the first rows: MACs or keys, 16 bytes each.
    ///
    /// # Panics
    /// If more are asked for than the chunk has.
    pub fn rows(self, out: &mut [Block]) {
        self.write(out, planes_to_rows);
    }

    /// The same for rows that are read at once.
    ///
    /// # Panics
    /// If more are asked for than the chunk has.
    pub fn near_rows(self, out: &mut [Block]) {
        self.write(out, planes_to_near_rows);
    }

    fn write(self, out: &mut [Block], transpose: fn(&[Block], &mut [Block])) {
        let groups = self.chunk.groups();
        assert!(out.len() <= (groups - 1) * KAPPA, "mask rows are never handed out");
        let whole = out.len() / KAPPA;
        let (rows, rest) = out.split_at_mut(whole * KAPPA);
        transpose(self.planes, rows);
        if !rest.is_empty() {
            let mut last = Zeroizing::new([Block::ZERO; KAPPA]);
            last.iter_mut().zip(self.planes[whole..].iter().step_by(groups)).for_each(|(r, &v)| *r = v);
            transpose_128(&mut last);
            rest.copy_from_slice(&last[..rest.len()]);
        }
    }
}

/// chi_m of `groups` pieces; the last is 1.
pub(super) fn coefficients(seed: Block, groups: usize) -> Vec<Block> {
    let mut chi = vec![Block(1); groups];
    Prg::new(seed).fill(&mut chi[..groups - 1]);
    chi
}

fn challenge(pair: &Pair, chunk: Chunk, correction: &[u8]) -> Block {
    let mut h = Domain::CotChallenge.hasher();
    let mut seed = [0; 16];
    // The long part first: the hash takes it in whole vectors. Its length follows from the chunk's, which both know.
    pair.absorb(h.raw(correction)).number(chunk.number).expand(&mut seed);
    Block(u128::from_le_bytes(seed))
}

fn digest(pair: &Pair, chunk: Chunk, hashes: &[Block; KAPPA]) -> Digest {
    let mut h = Domain::CotCheck.hasher();
    pair.absorb(h.raw(block::as_bytes(hashes))).number(chunk.number).digest()
}

/// h of every column.
fn hashes(planes: &[Block], seed: Block) -> Zeroizing<[Block; KAPPA]> {
    let width = planes.len() / KAPPA;
    let chi = coefficients(seed, width);
    let mut hashes = Zeroizing::new([Block::ZERO; KAPPA]);
    hashes.iter_mut().zip(planes.chunks_exact(width)).for_each(|(h, v)| *h = gf128::inner_product(&chi, v));
    hashes
}

#[cfg(test)]
mod tests {
    use super::super::extension::{Choices, SoftReceiver, SoftSender, Width};
    use super::super::fixture::*;
    use super::*;
    use cotenant_core::Bits;

    const COUNT: usize = 384;
    const GROUPS: usize = COUNT / 128 + 1;
    const COIN: Block = Block(77);

    /// Both sides of one chunk before its check, in memory of their own, after `attack` on the correction.
    struct Side {
        receiver: Vec<Block>,
        sender: Vec<Block>,
        correction: Vec<u8>,
        chunk: Chunk,
        choices: Choices,
        delta: Block,
    }

    impl Side {
        fn extend<const K: usize>(delta: Block, attack: impl Fn(&mut [u8])) -> Side {
            let (mut receiver, mut sender): (SoftReceiver<K>, SoftSender<K>) = dealt(delta, 1);
            let choices = Choices::new(&Bits::random(COUNT, &mut rng(2)), &mut rng(3));
            let chunk = receiver.take(COUNT, Width::Full);
            assert_eq!(chunk, sender.take(COUNT, Width::Full));
            let (mut macs, mut keys) = (vec![Block::ZERO; chunk.planes()], vec![Block::ZERO; chunk.planes()]);
            let mut correction = vec![0; chunk.correction_bytes(K)];
            receiver.extend(chunk, &choices, &mut macs, &mut correction);
            attack(&mut correction);
            assert!(sender.extend(chunk, &correction, &mut keys).is_ok());
            Side { receiver: macs, sender: keys, correction, chunk, choices, delta }
        }

        fn honest_digest(&self) -> Digest {
            digest(&pair(), self.chunk, &hashes(&self.receiver, COIN))
        }

        fn verify(&mut self, seed: Block, answer: Block, claimed: &Digest) -> Result<(), OtFault> {
            Sent::new(pair(), self.chunk, self.delta, &mut self.sender).verify(seed, &[answer], claimed).map(|_| ())
        }

        /// What the honest receiver says passes or not.
        fn honestly(mut self) -> Result<(), OtFault> {
            let digest = self.honest_digest();
            let choices = std::mem::replace(&mut self.choices, Choices::new(&Bits::zero(0), &mut rng(0)));
            self.verify(COIN, choices.answer(COIN)[0], &digest)
        }
    }

    const CAUGHT: Result<(), OtFault> = Err(OtFault::CorrelationCheck);

    fn odd(delta: u128) -> Block {
        Block(delta | 1)
    }

    #[test]
    fn hashes_are_the_polynomial_of_their_definition() {
        let side = Side::extend::<4>(Block(1), |_| ());
        let chi = coefficients(COIN, GROUPS);
        assert_eq!((chi[0].0, chi[GROUPS - 1].0), (Prg::new(COIN).block().0, 1));
        let (h, q) = (hashes(&side.receiver, COIN), hashes(&side.sender, COIN));
        for (column, hash) in side.receiver.chunks(GROUPS).zip(h.iter()) {
            let sum = chi.iter().zip(column).fold(Block::ZERO, |s, (&c, &v)| s ^ gf128::mul(c, v));
            assert_eq!(sum.0, hash.0);
        }
        assert_eq!((q[0] ^ side.choices.answer(COIN)[0]).0, h[0].0);
        assert!((1..128).all(|c| q[c].0 == h[c].0));
    }

    #[test]
    fn a_wrong_answer_digest_or_seed_is_caught() {
        let delta = odd(Block::random(&mut rng(9)).0);
        let mut side = Side::extend::<4>(delta, |_| ());
        let digest = side.honest_digest();
        let answer = Side::extend::<4>(delta, |_| ()).choices.answer(COIN)[0];
        assert_eq!(side.verify(COIN, answer, &digest), Ok(()));
        for bit in [0, 64, 127] {
            assert_eq!(side.verify(COIN, answer ^ Block(1 << bit), &digest), CAUGHT);
        }
        for byte in [0, 31] {
            let mut wrong = digest;
            wrong.0[byte] ^= 0x10;
            assert_eq!(side.verify(COIN, answer, &wrong), CAUGHT);
        }
        assert_eq!(side.verify(Block(78), answer, &digest), CAUGHT);
    }

    #[test]
    fn a_digest_serves_one_pair_and_one_chunk() {
        let delta = odd(6);
        let mut side = Side::extend::<4>(delta, |_| ());
        let answer = Side::extend::<4>(delta, |_| ()).choices.answer(COIN)[0];
        let hashes = hashes(&side.receiver, COIN);
        let mut others: Vec<_> = other_pairs().iter().map(|p| digest(p, side.chunk, &hashes)).collect();
        others.push(digest(&pair(), Chunk { number: 1, ..side.chunk }, &hashes));
        assert!(others.iter().all(|d| side.verify(COIN, answer, d) == CAUGHT));
        assert_eq!(side.verify(COIN, answer, &digest(&pair(), side.chunk, &hashes)), Ok(()));
    }

    #[test]
    fn a_challenge_depends_on_every_byte_of_the_correction_and_on_pair_and_chunk() {
        let side = Side::extend::<4>(Block(1), |_| ());
        let seed = challenge(&pair(), side.chunk, &side.correction).0;
        for at in [0, 1000, side.correction.len() - 1] {
            let mut other = side.correction.clone();
            other[at] ^= 1;
            assert_ne!(challenge(&pair(), side.chunk, &other).0, seed);
        }
        assert!(other_pairs().iter().all(|p| challenge(p, side.chunk, &side.correction).0 != seed));
        assert_ne!(challenge(&pair(), Chunk { number: 1, ..side.chunk }, &side.correction).0, seed);
    }

    /// One flipped bit of a correction changes the columns of its tree whose bit of Delta is set: with Delta 0 there, none. Column 0 is not transferred.
    #[test]
    fn a_flipped_correction_is_caught_unless_delta_ignores_it() {
        for (tree, group) in [(0, 0), (5, 2), (31, 3)] {
            for delta in [Block::random(&mut rng(4)).0, 0, 1 << (4 * tree + 2)] {
                let side = Side::extend::<4>(odd(delta), |m| m[(tree * GROUPS + group) * 16 + 7] ^= 0x40);
                let used = odd(delta).0 >> (4 * tree) & if tree == 0 { 14 } else { 15 };
                assert_eq!(side.honestly() == CAUGHT, used != 0);
            }
        }
    }

    /// A receiver with other bits in one tree can foresee the sender's hashes if it guesses the tree's K bits of Delta, and only then: it
    /// passes with probability 2^-K and has learnt what it guessed. Group 3 is the mask, which is checked like the rest.
    fn inconsistent_bits_pass_if_and_only_if_delta_was_guessed<const K: usize>(group: usize) {
        let tree = 128 / K - 1;
        let (mut passed, seeds) = (0, 128u64);
        for seed in 0..seeds {
            let delta = odd(Block::random(&mut rng(1000 + seed)).0);
            let mut side = Side::extend::<K>(delta, |m| m[(tree * GROUPS + group) * 16] ^= 1);
            let mut hashes = hashes(&side.receiver, COIN);
            let guess = seed as usize % (1 << K);
            let off = gf128::mul(coefficients(COIN, GROUPS)[group], Block(1));
            (0..K).for_each(|l| hashes[tree * K + l] ^= off.when(guess >> l & 1 == 1));
            let answer = Side::extend::<K>(delta, |_| ()).choices.answer(COIN)[0];
            let result = side.verify(COIN, answer, &digest(&pair(), side.chunk, &hashes));
            let right = (delta.0 >> (tree * K)) as usize == guess;
            assert_eq!(result == CAUGHT, !right);
            passed += u64::from(right);
        }
        let expected = seeds >> K;
        assert!(passed > 0 && passed < 3 * expected, "{passed} of {seeds}, expected {expected}");
    }

    /// Of two strings in a chunk each is tied to its own answer and its own columns.
    #[test]
    fn strings_of_a_pair_are_checked_each_for_itself() {
        let delta = odd(Block::random(&mut rng(5)).0);
        let (mut receiver, mut sender) = dealt::<4>(delta, 1);
        let chunk = receiver.take(COUNT, Width::Halves);
        assert_eq!(chunk, sender.take(COUNT, Width::Halves));
        let verify = |flip: Option<usize>, swap: bool| {
            let choices = Choices::random(COUNT, Width::Halves, &mut rng(6));
            let (mut macs, mut keys) = (vec![Block::ZERO; chunk.planes()], vec![Block::ZERO; chunk.planes()]);
            let mut correction = vec![0; chunk.correction_bytes(4)];
            let (_, digest) = receiver.extend(chunk, &choices, &mut macs, &mut correction).prove(COIN);
            flip.into_iter().for_each(|at| correction[at * GROUPS * 16] ^= 1);
            let mut answers = choices.answer(COIN);
            if swap {
                answers.swap(0, 1);
            }
            sender.extend(chunk, &correction, &mut keys).and_then(|s| s.verify(COIN, &answers, &digest)).map(|_| ())
        };
        assert_eq!(verify(None, false), Ok(()));
        assert_eq!(verify(None, true), CAUGHT);
        for set in [1, 15, 16, 31] {
            let used = delta.0 >> (4 * (set % 16)) & if set == 16 { 14 } else { 15 };
            assert_eq!(verify(Some(set), false) == CAUGHT, used != 0, "columns {} to {}", 4 * set, 4 * set + 3);
        }
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
        let mut side = Side::extend::<4>(odd(Block::random(&mut rng(9)).0), |_| ());
        let mut other = Bits::random(COUNT, &mut rng(2));
        other.set(200, !other.get(200));
        let answer = Choices::new(&other, &mut rng(3)).answer(COIN)[0];
        let digest = side.honest_digest();
        assert_eq!(side.verify(COIN, answer, &digest), CAUGHT);
    }
}
