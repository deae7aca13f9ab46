//! The extension: as many correlated OTs as wanted, from the streams of the leaves.
//!
//! Roy, "SoftSpokenOT", ePrint 2022/192, section 3 (small-field VOLE, here over the field of two elements) and section 4 with the
//! repetition code. For tree t with leaf streams G_x the receiver forms u = sum of G_x and, for each of the K bits l of an index, the
//! column v_l = sum of the G_x with bit l of x set. The sender, who has all streams but that of alpha, forms q_l = sum of the G_x with
//! bit l of (x xor alpha) set: that of alpha is not among them, and q_l = v_l xor alpha_l * u. The receiver sends d = u xor b for its bits
//! b, and the sender's column becomes q_l xor alpha_l * d = v_l xor alpha_l * b. The columns of all trees make a matrix of 128 columns
//! whose rows are the MACs and keys.
//!
//! Columns are made in chunks of rows, so that one tree's streams stay in the first levels of cache. They are kept as columns until
//! the check, whose challenge comes later, and `check` turns them into rows in its one pass over them.

use super::check::{Received, Sent, coefficients};
use super::{KAPPA, OtFault, Pair};
use cotenant_core::prg::Prg;
use cotenant_core::{Bits, Block, gf128};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

/// Groups of 128 rows in a chunk: long runs for the block cipher, while 2^K streams of so many blocks stay in cache (32 KB for K = 4).
pub(super) const CHUNK: usize = 128;

/// What the receiver chooses in one extension: its bits, then 128 mask bits that exist only to hide the others in the check.
///
/// One value goes to the extensions of a party with all its peers: h(b) is broadcast, so they must share the mask bits too. It answers
/// one challenge and is gone; a mask must not hide two.
pub struct Choices(Zeroizing<Vec<Block>>);

impl Choices {
    /// `bits` and fresh mask bits.
    ///
    /// # Panics
    /// If the number of bits is not a multiple of 128.
    pub fn new(bits: &Bits, rng: &mut impl CryptoRng) -> Choices {
        assert!(bits.len().is_multiple_of(KAPPA), "correlated OTs come in groups of 128");
        let mut groups = Zeroizing::new(Vec::with_capacity(bits.len() / KAPPA + 1));
        groups.extend(bits.words().chunks_exact(2).map(|w| Block(w[0] as u128 | (w[1] as u128) << 64)));
        groups.push(Block::random(rng));
        Choices(groups)
    }

    /// h(b) for the coefficients that come from `seed`: to be broadcast, with every digest of [`Received::check`] on the same seed.
    pub fn answer(self, seed: Block) -> Block {
        gf128::inner_product(&coefficients(seed, self.0.len()), &self.0)
    }
}

/// The receiver of a pair; K bits of Delta a tree.
pub struct SoftReceiver<const K: usize> {
    pair: Pair,
    leaves: Vec<Prg>,
    extensions: u64,
}

impl<const K: usize> SoftReceiver<K> {
    pub(super) fn new(pair: Pair, leaves: &[Block]) -> Self {
        SoftReceiver { pair, leaves: leaves.iter().map(|&s| Prg::new(s)).collect(), extensions: 0 }
    }

    /// Extends by the correlated OTs of `choices`: the MACs to be, and the correction for the sender.
    pub fn extend(&mut self, choices: &Choices) -> (Received, Vec<u8>) {
        let bits = &choices.0;
        let mut columns = Zeroizing::new(vec![Block::ZERO; bits.len() * KAPPA]);
        let mut correction = vec![0; bits.len() * (KAPPA / K) * 16];
        expand::<K>(&mut self.leaves, &mut columns, |tree, from, u, _| {
            let d = correction[(tree * bits.len() + from) * 16..].as_chunks_mut().0;
            d.iter_mut().zip(u).zip(&bits[from..]).for_each(|((d, &u), &b)| *d = (u ^ b).0.to_le_bytes());
        });
        let received = Received::new(self.pair, self.extensions, columns);
        self.extensions += 1;
        (received, correction)
    }
}

/// The sender of a pair; K bits of Delta a tree.
pub struct SoftSender<const K: usize> {
    pair: Pair,
    delta: Zeroizing<Block>,
    leaves: Vec<Prg>,
    extensions: u64,
}

impl<const K: usize> SoftSender<K> {
    pub(super) fn new(pair: Pair, delta: Block, leaves: &[Block]) -> Self {
        let leaves = leaves.iter().map(|&s| Prg::new(s)).collect();
        SoftSender { pair, delta: Zeroizing::new(delta), leaves, extensions: 0 }
    }

    /// Extends by `count` correlated OTs with the receiver's correction: the keys to be.
    ///
    /// # Errors
    /// [`OtFault::Format`] if the correction is not one for `count`: the receiver's fault.
    ///
    /// # Panics
    /// If `count` is not a multiple of 128.
    pub fn extend(&mut self, count: usize, correction: &[u8]) -> Result<Sent, OtFault> {
        assert!(count.is_multiple_of(KAPPA), "correlated OTs come in groups of 128");
        let groups = count / KAPPA + 1;
        if correction.len() != groups * (KAPPA / K) * 16 {
            return Err(OtFault::Format);
        }
        let (mut columns, delta) = (Zeroizing::new(vec![Block::ZERO; groups * KAPPA]), *self.delta);
        expand::<K>(&mut self.leaves, &mut columns, |tree, from, u, q| {
            let d = correction[(tree * groups + from) * 16..].as_chunks().0;
            for (l, q) in q.chunks_exact_mut(u.len()).enumerate() {
                let bit = delta.bit(tree * K + l);
                q.iter_mut().zip(d).for_each(|(q, d)| *q ^= Block(u128::from_le_bytes(*d)).when(bit));
            }
        });
        let sent = Sent::new(self.pair, self.extensions, delta, columns);
        self.extensions += 1;
        Ok(sent)
    }
}

/// Fills `columns`, chunk after chunk, in each column after column; they are 0 before. After each tree of each chunk calls
/// `done(tree, first group of the chunk, u of the chunk, K columns of the chunk)`.
///
/// There may be a leaf less a tree than 2^K: the one at place 0, which is in no column. Then u is meaningless.
fn expand<const K: usize>(leaves: &mut [Prg], columns: &mut [Block], mut done: impl FnMut(usize, usize, &[Block], &mut [Block])) {
    const { assert!(K >= 1 && K <= 8 && KAPPA.is_multiple_of(K)) }
    let known = leaves.len() / (KAPPA / K);
    let absent = (1 << K) - known;
    let mut streams = Zeroizing::new(vec![Block::ZERO; CHUNK << K]);
    for (chunk, columns) in columns.chunks_mut(CHUNK * KAPPA).enumerate() {
        let width = columns.len() / KAPPA;
        for (tree, (leaves, v)) in leaves.chunks_exact_mut(known).zip(columns.chunks_exact_mut(K * width)).enumerate() {
            let streams = &mut streams[..width << K];
            streams[..absent * width].fill(Block::ZERO);
            leaves.iter_mut().zip(streams[absent * width..].chunks_exact_mut(width)).for_each(|(g, s)| g.fill(s));
            fold(streams, v, width);
            done(tree, chunk * CHUNK, &streams[..width], v);
        }
    }
}

/// From the streams of one tree, each of `width` blocks: adds to column l, for every l, the streams with bit l of their place set, and
/// leaves the sum of all in the first place. Halves the places once a bit, from the highest.
fn fold(streams: &mut [Block], columns: &mut [Block], width: usize) {
    for (l, column) in columns.chunks_exact_mut(width).enumerate().rev() {
        let (low, high) = streams[..width << (l + 1)].split_at_mut(width << l);
        for (low, high) in low.chunks_exact_mut(width).zip(high.chunks_exact(width)) {
            for ((low, &high), v) in low.iter_mut().zip(high).zip(column.iter_mut()) {
                *low ^= high;
                *v ^= high;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::*;
    use super::*;

    /// One extension with its check; the correlation must hold bit by bit.
    fn extend_and_compare<const K: usize>(
        receiver: &mut SoftReceiver<K>,
        sender: &mut SoftSender<K>,
        bits: &Bits,
        seed: u64,
    ) -> Vec<Block> {
        let choices = Choices::new(bits, &mut rng(seed));
        let (received, correction) = receiver.extend(&choices);
        assert_eq!(correction.len(), (bits.len() + 128) * 128 / K / 8);
        let delta = *sender.delta;
        let sent = sender.extend(bits.len(), &correction).unwrap();
        let coin = Block(seed as u128);
        let (macs, digest) = received.check(coin);
        let keys = sent.verify(coin, choices.answer(coin), &digest).unwrap();
        assert_eq!((macs.len(), keys.len()), (bits.len(), bits.len()), "mask OTs are not handed out");
        assert!((0..bits.len()).all(|i| macs[i].0 == (keys[i] ^ delta.when(bits.get(i))).0));
        macs.to_vec()
    }

    fn correlations_hold<const K: usize>() {
        let rng = &mut rng(K as u64);
        let (mut receiver, mut sender) = set_up::<K>(Block::random(rng), 90 + K as u64).unwrap();
        for (n, count) in [128, 0, 128 * CHUNK - 128, 128 * CHUNK, 2 * 128 * CHUNK + 384].into_iter().enumerate() {
            extend_and_compare(&mut receiver, &mut sender, &Bits::random(count, rng), n as u64);
        }
    }

    #[test]
    fn correlations_hold_for_every_tree_size_over_extensions_of_all_shapes() {
        correlations_hold::<1>();
        correlations_hold::<2>();
        correlations_hold::<4>();
        correlations_hold::<8>();
    }

    #[test]
    fn streams_go_on_from_one_extension_to_the_next() {
        let (mut receiver, mut sender) = dealt::<4>(Block::random(&mut rng(1)), 2);
        let bits = Bits::random(256, &mut rng(3));
        let all: Vec<u128> = (0..3).flat_map(|_| extend_and_compare(&mut receiver, &mut sender, &bits, 4)).map(|m| m.0).collect();
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), 3 * 256);
        // the same leaves in one go: 384 rows an extension, mask included
        let (mut whole, _) = dealt::<4>(Block::random(&mut rng(1)), 2);
        let (long, _) = whole.extend(&Choices::new(&Bits::zero(3 * 384), &mut rng(5)));
        let (macs, _) = long.check(Block(0));
        assert!((0..3).all(|e| (0..256).all(|r| macs[384 * e + r].0 == all[256 * e + r])));
    }

    #[test]
    fn one_mask_and_one_answer_serve_all_peers() {
        let bits = Bits::random(256, &mut rng(1));
        let (choices, coin) = (Choices::new(&bits, &mut rng(2)), Block(3));
        let mut pairs: Vec<_> = [4, 5].map(|s| (Block::random(&mut rng(s)), s)).map(|(d, s)| (d, dealt::<4>(d, s))).into();
        let sides: Vec<_> = pairs
            .iter_mut()
            .map(|(delta, (receiver, sender))| {
                let (received, correction) = receiver.extend(&choices);
                (*delta, received, sender.extend(256, &correction).unwrap())
            })
            .collect();
        let answer = choices.answer(coin);
        for (delta, received, sent) in sides {
            let (macs, digest) = received.check(coin);
            let keys = sent.verify(coin, answer, &digest).unwrap();
            assert!((0..256).all(|i| macs[i].0 == (keys[i] ^ delta.when(bits.get(i))).0));
        }
    }

    #[test]
    fn a_correction_of_another_length_is_refused() {
        let (mut receiver, mut sender) = dealt::<4>(Block(1), 1);
        let (_, correction) = receiver.extend(&Choices::new(&Bits::zero(256), &mut rng(1)));
        assert!(sender.extend(128, &correction).is_err_and(|e| e == OtFault::Format));
        assert!(sender.extend(256, &correction[1..]).is_err_and(|e| e == OtFault::Format));
        assert!(sender.extend(256, &[&correction[..], &[0]].concat()).is_err_and(|e| e == OtFault::Format));
        assert!(sender.extend(256, &correction).is_ok());
    }

    #[test]
    fn the_mask_hides_the_bits_in_the_answer() {
        let bits = Bits::random(256, &mut rng(1));
        let answers = [2, 3].map(|s| Choices::new(&bits, &mut rng(s)).answer(Block(9)).0);
        assert_ne!(answers[0], answers[1]);
    }
}
