//! The streams of the leaves of one punctured PRF tree and their sums: the inner loop of OT extension.
//!
//! Roy, "SoftSpokenOT", ePrint 2022/192, section 3: with G_x the stream of leaf x, `u` is the sum of all G_x and column l the sum of
//! those G_x whose place x has bit l set.

use crate::{block::Block, cipher::Ciphers, simd};
use zeroize::Zeroizing;

/// The AES-128 key schedules of the 2^K leaves of one tree, of which place 0 may be absent. Erased when dropped.
pub struct Tree<const K: usize> {
    leaves: Ciphers,
}

impl<const K: usize> Tree<K> {
    /// Of all leaves.
    ///
    /// # Panics
    /// If there are not 2^K.
    pub fn full(leaves: &[Block]) -> Self {
        assert_eq!(leaves.len(), 1 << K, "a leaf for every place");
        Tree { leaves: Ciphers::new(simd::level(), leaves) }
    }

    /// Of all leaves but that at place 0, which is in no column.
    ///
    /// # Panics
    /// If there are not 2^K - 1.
    pub fn punctured(leaves: &[Block]) -> Self {
        assert_eq!(leaves.len(), (1 << K) - 1, "a leaf for every place but the first");
        // Any stream at place 0 leaves the columns as they are, and kernels without a special case.
        let all = Zeroizing::new([&[Block::ZERO], leaves].concat());
        Tree { leaves: Ciphers::new(simd::level(), &all) }
    }

    /// Writes the sums of the streams from block number `counter` on: of all to `u`, of those of column l to `columns`, at
    /// `l * u.len()`. A stream is that of [`Prg`](crate::prg::Prg) under the leaf. Without the leaf at place 0, `u` is meaningless.
    ///
    /// # Panics
    /// If `columns` is not K times as long as `u`.
    pub fn fold(&self, counter: u64, u: &mut [Block], columns: &mut [Block]) {
        const { assert!(K >= 1, "a tree of one leaf hides nothing") }
        assert_eq!(columns.len(), K * u.len(), "K columns");
        self.leaves.fold::<K>(simd::level(), counter, u, columns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prg::Prg;

    fn sums_are_those_of_the_streams<const K: usize>() {
        let mut leaves = vec![Block::ZERO; 1 << K];
        Prg::new(Block(K as u128)).fill(&mut leaves);
        for width in [0, 1, 3, 4, 7, 8, 9, 64, 77] {
            let streams: Vec<Vec<Block>> = leaves
                .iter()
                .map(|&s| {
                    let (mut g, mut all) = (Prg::new(s), vec![Block::ZERO; 5 + width]);
                    g.fill(&mut all);
                    all.split_off(5)
                })
                .collect();
            let sum =
                |m: usize, of: &dyn Fn(usize) -> bool| streams.iter().enumerate().filter(|(x, _)| of(*x)).fold(0, |s, (_, g)| s ^ g[m].0);
            for (tree, first) in [(Tree::<K>::full(&leaves), 0), (Tree::<K>::punctured(&leaves[1..]), 1)] {
                let (mut u, mut columns) = (vec![Block(1); width], vec![Block(2); K * width]);
                tree.fold(5, &mut u, &mut columns);
                for m in 0..width {
                    if first == 0 {
                        assert_eq!(u[m].0, sum(m, &|_| true));
                    }
                    assert!((0..K).all(|l| columns[l * width + m].0 == sum(m, &|x| x >> l & 1 == 1)));
                }
            }
        }
    }

    #[test]
    fn sums_are_those_of_the_streams_for_every_tree_size() {
        sums_are_those_of_the_streams::<1>();
        sums_are_those_of_the_streams::<2>();
        sums_are_those_of_the_streams::<3>();
        sums_are_those_of_the_streams::<4>();
        sums_are_those_of_the_streams::<8>();
    }
}
