//! The extension: as many correlated OTs as wanted, from the streams of the leaves, chunk by chunk.
//!
//! Roy, "SoftSpokenOT", ePrint 2022/192, section 3 (small-field VOLE, here over the field of two elements) and section 4 with the
//! repetition code. For tree t with leaf streams G_x the receiver forms u = sum of G_x and, for each of the K bits l of an index, the
//! column v_l = sum of the G_x with bit l of x set. The sender, who has all streams but that of alpha, forms q_l = sum of the G_x with
//! bit l of (x xor alpha) set: that of alpha is not among them, and q_l = v_l xor alpha_l * u. The receiver sends d = u xor b for its bits
//! b, and the sender's column becomes q_l xor alpha_l * d = v_l xor alpha_l * b. The columns of all trees make a matrix of 128 columns
//! whose rows are the MACs and keys.
//!
//! The lowest bit of Delta is 1 and public, so column 0 needs no streams: it is b at the receiver and 0 at the sender, and the lowest bit of each MAC is
//! its bit. A sender that uses another bit there only spoils its own keys.
//!
//! A *pair* of strings that need MACs of 64 bits only shares a chunk: the first half of the trees makes 64 columns for the one string, with the low half of
//! Delta, and, further on in its streams, 64 more for the other. A row then holds the MACs of both, in its low and its high half.
//!
//! A chunk is small enough to be expanded, checked and transposed while it is in the second level of cache. Chunks have numbers and places in the
//! streams that are fixed when they are taken, so that threads can work on several at once, and their last 128 rows are the check's mask.

use super::check::{Received, Sent, coefficients};
use super::{KAPPA, OtFault, Pair};
use cotenant_core::leaf::Tree;
use cotenant_core::{Bits, Block, gf128};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// The most groups of 128 rows of a chunk, the group of masks included.
pub(super) const CHUNK: usize = 64;

/// The most correlated OTs of a chunk.
pub const CHUNK_ROWS: usize = (CHUNK - 1) * KAPPA;

/// What a chunk's rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// MACs of 128 bits.
    Full,
    /// Two MACs of 64 bits, of two strings.
    Halves,
}

impl Width {
    /// Strings of bits that a chunk has.
    pub fn strings(self) -> usize {
        match self {
            Width::Full => 1,
            Width::Halves => 2,
        }
    }

    /// The string that column `c` is of, and the bit of Delta that it belongs to.
    pub(super) fn column(self, c: usize) -> (usize, usize) {
        let columns = KAPPA / self.strings();
        (c / columns, c % columns)
    }
}

/// A stretch of a pair's streams, of one size at both ends: no two chunks of a pair share a block of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Counted from 0 in each pair.
    pub(super) number: u64,
    pub(super) counter: u64,
    pub(super) groups: usize,
    pub(super) width: Width,
}

impl Chunk {
    /// For each tree's worth of columns: the string, the tree, and the place in its streams.
    fn sets<const K: usize>(self) -> impl Iterator<Item = (usize, usize, u64)> {
        (0..KAPPA / K).map(move |set| {
            let (string, bit) = self.width.column(set * K);
            (string, bit / K, self.counter + (string * self.groups) as u64)
        })
    }

    /// What the chunk's rows are.
    pub fn width(&self) -> Width {
        self.width
    }

    /// Groups of 128 rows, that of the masks included.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Blocks that its columns take.
    pub fn planes(&self) -> usize {
        self.groups * KAPPA
    }

    /// Bytes of its correction, for trees of `k` bits.
    pub fn correction_bytes(&self, k: usize) -> usize {
        self.groups * (KAPPA / k) * 16
    }
}

/// Gives out chunks.
#[derive(Default)]
struct Counters {
    chunks: u64,
    blocks: u64,
}

impl Counters {
    fn take(&mut self, rows: usize, width: Width) -> Chunk {
        let groups = rows.div_ceil(KAPPA) + 1;
        assert!((2..=CHUNK).contains(&groups), "a chunk has 1 to {CHUNK_ROWS} rows");
        let chunk = Chunk { number: self.chunks, counter: self.blocks, groups, width };
        self.chunks += 1;
        self.blocks += (groups * width.strings()) as u64;
        chunk
    }
}

/// What the receiver chooses in one chunk: for each string its bits, then 128 mask bits that exist only to hide the others in the check.
///
/// One value goes to the chunks of a party with all its peers: h(b) is broadcast, so they must share the mask bits too. It answers
/// one challenge and is gone; a mask must not hide two.
pub struct Choices(Vec<Zeroizing<Vec<Block>>>);

impl Choices {
    /// Uniform bits for at least `rows` rows, and masks.
    pub fn random(rows: usize, width: Width, rng: &mut impl CryptoRng) -> Choices {
        let mut string = || {
            let mut groups = Zeroizing::new(vec![Block::ZERO; rows.div_ceil(KAPPA) + 1]);
            rng.fill_bytes(bytemuck::cast_slice_mut(&mut groups));
            groups
        };
        Choices((0..width.strings()).map(|_| string()).collect())
    }

    /// These bits, of one string, filled up with zeros to whole groups, and uniform masks.
    pub fn new(bits: &Bits, rng: &mut impl CryptoRng) -> Choices {
        let mut groups = Zeroizing::new(vec![Block::ZERO; bits.len().div_ceil(KAPPA) + 1]);
        for (group, words) in groups.iter_mut().zip(bits.words().chunks(2)) {
            *group = Block(words.iter().rev().fold(0, |b, &w| b << 64 | w as u128));
        }
        *groups.last_mut().expect("there is a group of masks") = Block::random(rng);
        Choices(vec![groups])
    }

    /// h(b) of each string for the coefficients that come from `seed`: to be broadcast, with every digest of [`Received::prove`] on the same seed.
    pub fn answer(self, seed: Block) -> Vec<Block> {
        self.0.iter().map(|b| gf128::inner_product(&coefficients(seed, b.len()), b)).collect()
    }
}

/// The receiver of a pair; K bits of Delta a tree.
pub struct SoftReceiver<const K: usize> {
    pair: Pair,
    trees: Vec<Tree<K>>,
    next: Counters,
}

impl<const K: usize> SoftReceiver<K> {
    pub(super) fn new(pair: Pair, leaves: &[Block]) -> Self {
        SoftReceiver { pair, trees: leaves.chunks_exact(1 << K).map(Tree::full).collect(), next: Counters::default() }
    }

    /// Takes the next chunk, of `rows` rows, at most [`CHUNK_ROWS`].
    pub fn take(&mut self, rows: usize, width: Width) -> Chunk {
        self.next.take(rows, width)
    }

    /// Extends over `chunk` in `planes`: the MACs to be; writes the correction for the sender.
    ///
    /// # Panics
    /// If the choices, the planes or the correction are not of the chunk's size.
    pub fn extend<'p>(&self, chunk: Chunk, choices: &Choices, planes: &'p mut [Block], correction: &mut [u8]) -> Received<'p> {
        assert_eq!((choices.0.len(), planes.len()), (chunk.width.strings(), chunk.planes()));
        assert!(choices.0.iter().all(|b| b.len() == chunk.groups));
        assert_eq!(correction.len(), chunk.correction_bytes(K));
        let mut u = Zeroizing::new([Block::ZERO; CHUNK]);
        let u = &mut u[..chunk.groups];
        let columns = planes.chunks_exact_mut(K * chunk.groups);
        for (((string, tree, counter), v), d) in chunk.sets::<K>().zip(columns).zip(correction.chunks_exact_mut(16 * chunk.groups)) {
            self.trees[tree].fold(counter, u, v);
            for ((d, u), b) in d.as_chunks_mut().0.iter_mut().zip(u.iter()).zip(choices.0[string].iter()) {
                *d = (*u ^ *b).0.to_le_bytes();
            }
        }
        let firsts = planes.chunks_exact_mut(chunk.planes() / chunk.width.strings());
        firsts.zip(&choices.0).for_each(|(planes, b)| planes[..chunk.groups].copy_from_slice(b));
        Received::new(self.pair, chunk, planes)
    }
}

/// The sender of a pair; K bits of Delta a tree.
pub struct SoftSender<const K: usize> {
    pair: Pair,
    delta: Zeroizing<Block>,
    trees: Vec<Tree<K>>,
    next: Counters,
}

impl<const K: usize> SoftSender<K> {
    pub(super) fn new(pair: Pair, delta: Block, leaves: &[Block]) -> Self {
        let trees = leaves.chunks_exact((1 << K) - 1).map(Tree::punctured).collect();
        SoftSender { pair, delta: Zeroizing::new(delta), trees, next: Counters::default() }
    }

    /// Takes the next chunk, of `rows` rows, at most [`CHUNK_ROWS`].
    pub fn take(&mut self, rows: usize, width: Width) -> Chunk {
        self.next.take(rows, width)
    }

    /// Extends over `chunk` in `planes` with the receiver's correction: the keys to be.
    ///
    /// # Errors
    /// [`OtFault::Format`] if the correction is not one for this chunk: the receiver's fault.
    ///
    /// # Panics
    /// If the planes are not of the chunk's size.
    pub fn extend<'p>(&self, chunk: Chunk, correction: &[u8], planes: &'p mut [Block]) -> Result<Sent<'p>, OtFault> {
        assert_eq!(planes.len(), chunk.planes());
        if correction.len() != chunk.correction_bytes(K) {
            return Err(OtFault::Format);
        }
        let delta = *self.delta;
        let mut u = Zeroizing::new([Block::ZERO; CHUNK]);
        let columns = planes.chunks_exact_mut(K * chunk.groups);
        for (((_, tree, counter), q), d) in chunk.sets::<K>().zip(columns).zip(correction.chunks_exact(16 * chunk.groups)) {
            self.trees[tree].fold(counter, &mut u[..chunk.groups], q);
            for (l, q) in q.chunks_exact_mut(chunk.groups).enumerate() {
                let bit = delta.bit(tree * K + l);
                q.iter_mut().zip(d.as_chunks().0).for_each(|(q, d)| *q ^= Block(u128::from_le_bytes(*d)).when(bit));
            }
        }
        let firsts = planes.chunks_exact_mut(chunk.planes() / chunk.width.strings());
        firsts.for_each(|planes| planes[..chunk.groups].fill(Block::ZERO));
        Ok(Sent::new(self.pair, chunk, delta, planes))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;

    /// One chunk with its check; the correlation must hold bit by bit. The MACs.
    fn extend_and_compare<const K: usize>(
        receiver: &mut SoftReceiver<K>,
        sender: &mut SoftSender<K>,
        bits: &Bits,
        seed: u64,
    ) -> Vec<Block> {
        let choices = Choices::new(bits, &mut rng(seed));
        let chunk = receiver.take(bits.len(), Width::Full);
        assert_eq!(chunk, sender.take(bits.len(), Width::Full));
        let mut correction = vec![0; chunk.correction_bytes(K)];
        let mut planes = [vec![Block::ZERO; chunk.planes()], vec![Block::ZERO; chunk.planes()]];
        let [a, b] = &mut planes;
        let received = receiver.extend(chunk, &choices, a, &mut correction);
        let sent = sender.extend(chunk, &correction, b).unwrap_or_else(|e| panic!("{e}"));
        let (coin, delta) = (Block(seed as u128), *sender.delta);
        let (received, digest) = received.prove(coin);
        let sent = sent.verify(coin, &choices.answer(coin), &digest).unwrap_or_else(|e| panic!("{e}"));
        let (mut macs, mut keys) = (vec![Block::ZERO; bits.len()], vec![Block::ZERO; bits.len()]);
        received.rows(&mut macs);
        sent.rows(&mut keys);
        assert!((0..bits.len()).all(|i| macs[i].0 == (keys[i] ^ delta.when(bits.get(i))).0));
        assert!((0..bits.len()).all(|i| macs[i].lsb() == bits.get(i) && !keys[i].lsb()));
        macs
    }

    fn correlations_hold<const K: usize>() {
        let rng = &mut rng(K as u64);
        let delta = Block(Block::random(rng).0 | 1);
        let (mut receiver, mut sender) = set_up::<K>(delta, 90 + K as u64).unwrap();
        for (n, count) in [128, 1, 127, 129, CHUNK_ROWS, CHUNK_ROWS - 77].into_iter().enumerate() {
            extend_and_compare(&mut receiver, &mut sender, &Bits::random(count, rng), n as u64);
        }
    }

    #[test]
    fn correlations_hold_for_every_tree_size_over_chunks_of_all_shapes() {
        correlations_hold::<1>();
        correlations_hold::<2>();
        correlations_hold::<4>();
        correlations_hold::<8>();
    }

    #[test]
    fn a_pair_of_strings_has_macs_of_64_bits_each() {
        let delta = Block(Block::random(&mut rng(7)).0 | 1);
        let (mut receiver, mut sender) = dealt::<4>(delta, 8);
        let before = receiver.take(5, Width::Full);
        assert_eq!(before, sender.take(5, Width::Full));
        let chunk = receiver.take(300, Width::Halves);
        assert_eq!(chunk, sender.take(300, Width::Halves));
        let choices = Choices::random(300, Width::Halves, &mut rng(9));
        let bits: Vec<_> = choices.0.iter().map(|b| b.to_vec()).collect();
        let (mut macs, mut keys) = (vec![Block::ZERO; 300], vec![Block::ZERO; 300]);
        let (mut mine, mut theirs) = (vec![Block::ZERO; chunk.planes()], vec![Block::ZERO; chunk.planes()]);
        let mut correction = vec![0; chunk.correction_bytes(4)];
        let (received, digest) = receiver.extend(chunk, &choices, &mut mine, &mut correction).prove(Block(3));
        received.rows(&mut macs);
        let answers = choices.answer(Block(3));
        let verified = sender.extend(chunk, &correction, &mut theirs).and_then(|s| s.verify(Block(3), &answers, &digest));
        verified.unwrap_or_else(|e| panic!("{e}")).rows(&mut keys);
        let halves = |b: Block| [b.0 as u64, (b.0 >> 64) as u64];
        for i in 0..300 {
            for (string, (m, k)) in halves(macs[i]).into_iter().zip(halves(keys[i])).enumerate() {
                let bit = bits[string][i / 128].bit(i % 128);
                assert_eq!((m, m & 1 == 1, k & 1), (k ^ delta.when(bit).low(), bit, 0), "row {i} of string {string}");
            }
        }
        let after = receiver.take(1, Width::Full);
        assert_eq!(after.counter, chunk.counter + 2 * chunk.groups as u64, "both halves of the columns have blocks of their own");
    }

    #[test]
    fn streams_go_on_from_one_chunk_to_the_next() {
        let (mut receiver, mut sender) = dealt::<4>(Block(Block::random(&mut rng(1)).0 | 1), 2);
        let bits = Bits::random(256, &mut rng(3));
        let all: Vec<u128> = (0..3).flat_map(|_| extend_and_compare(&mut receiver, &mut sender, &bits, 4)).map(|m| m.0).collect();
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), 3 * 256);
    }

    #[test]
    fn one_mask_and_one_answer_serve_all_peers() {
        let bits = Bits::random(256, &mut rng(1));
        let (choices, coin) = (Choices::new(&bits, &mut rng(2)), Block(3));
        let mut sides = Vec::new();
        for peer in [4, 5] {
            let delta = Block(Block::random(&mut rng(peer)).0 | 1);
            let (mut receiver, sender) = dealt::<4>(delta, peer);
            let chunk = receiver.take(256, Width::Full);
            let (mut planes, mut correction) = (vec![Block::ZERO; chunk.planes()], vec![0; chunk.correction_bytes(4)]);
            let (received, digest) = receiver.extend(chunk, &choices, &mut planes, &mut correction).prove(coin);
            let mut macs = vec![Block::ZERO; 256];
            received.rows(&mut macs);
            sides.push((delta, sender, chunk, correction, digest, macs));
        }
        let answer = choices.answer(coin);
        for (delta, sender, chunk, correction, digest, macs) in sides {
            let (mut planes, mut keys) = (vec![Block::ZERO; chunk.planes()], vec![Block::ZERO; 256]);
            let sent = sender.extend(chunk, &correction, &mut planes).and_then(|s| s.verify(coin, &answer, &digest));
            sent.unwrap_or_else(|e| panic!("{e}")).rows(&mut keys);
            assert!((0..256).all(|i| macs[i].0 == (keys[i] ^ delta.when(bits.get(i))).0));
        }
    }

    #[test]
    fn a_correction_of_another_length_is_refused() {
        let (mut receiver, mut sender) = dealt::<4>(Block(1), 1);
        let (chunk, shorter) = (receiver.take(256, Width::Full), sender.take(128, Width::Full));
        let choices = Choices::new(&Bits::zero(256), &mut rng(1));
        let mut planes = vec![Block::ZERO; chunk.planes()];
        let mut correction = vec![0; chunk.correction_bytes(4)];
        receiver.extend(chunk, &choices, &mut planes, &mut correction);
        let refused = |chunk: Chunk, c: &[u8]| {
            let mut planes = vec![Block::ZERO; chunk.planes()];
            sender.extend(chunk, c, &mut planes).is_err_and(|e| e == OtFault::Format)
        };
        assert!(refused(shorter, &correction));
        assert!(refused(chunk, &correction[1..]));
        assert!(refused(chunk, &[&correction[..], &[0]].concat()));
        assert!(!refused(chunk, &correction));
    }

    #[test]
    fn random_choices_have_a_mask_of_their_own_in_every_string() {
        for width in [Width::Full, Width::Halves] {
            for rows in [1, 128, 300, CHUNK_ROWS] {
                let drawn: Vec<Choices> = (0..2).map(|s| Choices::random(rows, width, &mut rng(s))).collect();
                assert!(drawn.iter().all(|c| c.0.len() == width.strings()));
                let strings: Vec<&[Block]> = drawn.iter().flat_map(|c| &c.0).map(|s| &s[..]).collect();
                assert!(strings.iter().all(|s| s.len() == rows.div_ceil(KAPPA) + 1));
                let masks: std::collections::HashSet<u128> = strings.iter().map(|s| s[s.len() - 1].0).collect();
                assert!(masks.len() == 2 * width.strings() && !masks.contains(&0), "{rows} rows");
                assert!(strings.iter().all(|s| s[..s.len() - 1].iter().all(|b| !masks.contains(&b.0))), "and no mask is a group of bits");
            }
        }
    }

    #[test]
    fn the_mask_hides_the_bits_in_the_answer() {
        let bits = Bits::random(256, &mut rng(1));
        let answers = [2, 3].map(|s| Choices::new(&bits, &mut rng(s)).answer(Block(9))[0].0);
        assert_ne!(answers[0], answers[1]);
    }
}
