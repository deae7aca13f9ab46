//! A pseudo-random generator: AES-128 in counter mode under a seed.

use crate::block::Block;
use crate::{cipher::Ciphers, simd};

/// AES-128-CTR keyed by the seed. The counter goes on from call to call, so no output repeats.
#[derive(Clone)]
pub struct Prg {
    cipher: Ciphers,
    counter: u64,
}

impl Prg {
    /// The generator of a uniform seed. A seed is used for one purpose.
    pub fn new(seed: Block) -> Prg {
        Prg { cipher: Ciphers::new(simd::level(), &[seed]), counter: 0 }
    }

    /// The next `out.len()` blocks of the stream.
    pub fn fill(&mut self, out: &mut [Block]) {
        self.cipher.stream(simd::level(), self.counter, out);
        self.counter += out.len() as u64;
    }

    /// The same stream from `blocks` blocks further on.
    pub fn skip(&self, blocks: u64) -> Prg {
        Prg { counter: self.counter + blocks, ..self.clone() }
    }

    /// The next block of the stream.
    pub fn block(&mut self) -> Block {
        let mut b = [Block::ZERO];
        self.fill(&mut b);
        b[0]
    }

    /// A number below `bound`, uniform but for a bias of at most `bound / 2^128`.
    pub fn below(&mut self, bound: u64) -> u64 {
        // floor(r * bound / 2^128) by halves, so that nothing overflows
        let (r, n) = (self.block().0, bound as u128);
        (((r >> 64) * n + ((r as u64 as u128 * n) >> 64)) >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_does_not_depend_on_how_it_is_cut() {
        let (mut a, mut b) = (Prg::new(Block(3)), Prg::new(Block(3)));
        let mut x = [Block::ZERO; 20];
        a.fill(&mut x);
        let y: Vec<_> = (0..20).map(|_| b.block()).collect();
        assert!(x.iter().zip(&y).all(|(p, q)| p.0 == q.0));
    }

    #[test]
    fn a_stream_is_the_same_from_further_on() {
        let mut all = Prg::new(Block(3));
        let (mut from_7, mut x) = (all.skip(7), [Block::ZERO; 20]);
        all.fill(&mut x);
        assert!(x[7..].iter().all(|p| p.0 == from_7.block().0));
        assert_eq!(all.skip(1).block().0, from_7.skip(1).block().0);
    }

    #[test]
    fn first_block_is_aes_of_zero() {
        // AES-128 of the zero block under the zero key: the hash subkey H of GCM test case 1 (McGrew, Viega).
        let got = Prg::new(Block(0)).block().0.to_le_bytes();
        assert_eq!(got, [0x66, 0xe9, 0x4b, 0xd4, 0xef, 0x8a, 0x2c, 0x3b, 0x88, 0x4c, 0xfa, 0x59, 0xca, 0x34, 0x2b, 0x2e]);
    }

    #[test]
    fn below_stays_below_and_reaches_all() {
        let mut p = Prg::new(Block(4));
        let mut seen = [false; 7];
        (0..200).for_each(|_| seen[p.below(7) as usize] = true);
        assert!(seen.iter().all(|&s| s));
        assert_eq!(p.below(1), 0);
    }
}
