//! Element-wise passes over arrays of blocks and over bit strings that belong to them.
//!
//! Bit `i` of a string is bit `i % 64` of word `i / 64`. No pass branches on a bit. All panic if lengths do not fit: as many elements in
//! every array, `ceil(len / 64)` words in a string.

use crate::{block::Block, simd};

/// `out[i] ^= a[i]`.
pub fn xor(out: &mut [Block], a: &[Block]) {
    assert_eq!(out.len(), a.len());
    simd::xor(simd::level(), out, a);
}

/// `out[i] = a[i] ^ b[i]`.
pub fn xor3(out: &mut [Block], a: &[Block], b: &[Block]) {
    assert!(out.len() == a.len() && out.len() == b.len());
    simd::xor3(simd::level(), out, a, b);
}

/// `out[i] ^= a[i]` where bit `i` is set.
pub fn xor_where(out: &mut [Block], bits: &[u64], a: &[Block]) {
    assert!(out.len() == a.len() && bits.len() == out.len().div_ceil(64));
    simd::xor_where(simd::level(), out, bits, a);
}

/// `out[i] ^= c` where bit `i` is set.
pub fn add_where(out: &mut [Block], bits: &[u64], c: Block) {
    assert_eq!(bits.len(), out.len().div_ceil(64));
    simd::add_where(simd::level(), out, bits, c);
}

/// Bit `i` becomes the lowest bit of `a[i]`; bits past the end become 0.
pub fn low_bits(a: &[Block], bits: &mut [u64]) {
    assert_eq!(bits.len(), a.len().div_ceil(64));
    simd::low_bits(simd::level(), a, bits);
}

/// `out[i] ^= ` the low 64 bits of `a[i]`.
pub fn sum_low(out: &mut [u64], a: &[Block]) {
    assert_eq!(out.len(), a.len());
    simd::sum_low(simd::level(), out, a);
}

/// `out[i] ^= ` the high 64 bits of `a[i]`.
pub fn sum_high(out: &mut [u64], a: &[Block]) {
    assert_eq!(out.len(), a.len());
    simd::sum_high(simd::level(), out, a);
}

/// `out[i] = a[i] ^ c`.
pub fn shift(out: &mut [Block], a: &[Block], c: Block) {
    assert_eq!(out.len(), a.len());
    simd::shift(simd::level(), out, a, c);
}

/// `out[i] ^= c` where the lowest bit of `a[i]` is set.
pub fn add_where_low(out: &mut [u64], a: &[Block], c: u64) {
    assert_eq!(out.len(), a.len());
    simd::add_where_low(simd::level(), out, a, c);
}

/// `out[i] ^= a[i]` where bit `i` is set.
pub fn words_where(out: &mut [u64], bits: &[u64], a: &[u64]) {
    assert!(out.len() == a.len() && bits.len() == out.len().div_ceil(64));
    simd::words_where(simd::level(), out, bits, a);
}

/// `out[i] ^= c` where bit `i` is set.
pub fn add_words_where(out: &mut [u64], bits: &[u64], c: u64) {
    assert_eq!(bits.len(), out.len().div_ceil(64));
    simd::add_words_where(simd::level(), out, bits, c);
}

/// Bit `i` becomes bit 64 of `a[i]`; bits past the end become 0.
pub fn middle_bits(a: &[Block], bits: &mut [u64]) {
    assert_eq!(bits.len(), a.len().div_ceil(64));
    simd::middle_bits(simd::level(), a, bits);
}

/// `out[i] ^= c` where bit 64 of `a[i]` is set.
pub fn add_where_middle(out: &mut [u64], a: &[Block], c: u64) {
    assert_eq!(out.len(), a.len());
    simd::add_where_middle(simd::level(), out, a, c);
}

/// `out[i] =` the low 64 bits of `a[i]`.
pub fn lows(out: &mut [Block], a: &[Block]) {
    assert_eq!(out.len(), a.len());
    simd::lows(simd::level(), out, a);
}

/// Adds to the low 64 bits of `out[i]` those of `a[i]`.
pub fn add_lows(out: &mut [Block], a: &[Block]) {
    assert_eq!(out.len(), a.len());
    simd::add_lows(simd::level(), out, a);
}

/// Adds to the low 64 bits of `out[i]` the high ones of `a[i]`.
pub fn add_highs(out: &mut [Block], a: &[Block]) {
    assert_eq!(out.len(), a.len());
    simd::add_highs(simd::level(), out, a);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prg::Prg;

    fn random(seed: u128, len: usize) -> Vec<Block> {
        let mut v = vec![Block::ZERO; len];
        Prg::new(Block(seed)).fill(&mut v);
        v
    }

    #[test]
    fn passes_do_what_their_formulas_say() {
        for len in [0, 1, 2, 63, 64, 65, 130, 1000] {
            let (a, b, words) = (random(1, len), random(2, len), random(3, len.div_ceil(64)));
            let bits: Vec<u64> = words.iter().map(|w| w.low()).collect();
            let bit = |i: usize| bits[i / 64] >> (i % 64) & 1;
            let pass = |f: &dyn Fn(&mut [Block]), want: &dyn Fn(usize) -> Block| {
                let mut out = b.clone();
                f(&mut out);
                assert!((0..len).all(|i| out[i].0 == want(i).0));
            };
            pass(&|o| xor(o, &a), &|i| b[i] ^ a[i]);
            pass(&|o| xor3(o, &a, &a), &|_| Block::ZERO);
            pass(&|o| xor3(o, &a, &b), &|i| a[i] ^ b[i]);
            pass(&|o| xor_where(o, &bits, &a), &|i| b[i] ^ a[i].when(bit(i) == 1));
            pass(&|o| add_where(o, &bits, Block(3 << 64 | 5)), &|i| b[i] ^ Block(3 << 64 | 5).when(bit(i) == 1));
            pass(&|o| shift(o, &a, Block(9)), &|i| a[i] ^ Block(9));
            let mut low = vec![u64::MAX; len.div_ceil(64)];
            low_bits(&a, &mut low);
            assert!((0..len).all(|i| low[i / 64] >> (i % 64) & 1 == a[i].low() & 1));
            assert!(len.is_multiple_of(64) || low[len / 64] >> (len % 64) == 0);
            pass(&|o| lows(o, &a), &|i| Block(a[i].low() as u128));
            pass(&|o| add_lows(o, &a), &|i| Block(b[i].0 ^ a[i].low() as u128));
            pass(&|o| add_highs(o, &a), &|i| Block(b[i].0 ^ a[i].0 >> 64));
            let mut middle = vec![u64::MAX; len.div_ceil(64)];
            middle_bits(&a, &mut middle);
            assert!((0..len).all(|i| (middle[i / 64] >> (i % 64) & 1 == 1) == a[i].bit(64)));
            assert!(len.is_multiple_of(64) || middle[len / 64] >> (len % 64) == 0);
            let lows: Vec<u64> = b.iter().map(|b| b.low()).collect();
            let words = |f: &dyn Fn(&mut [u64]), added: &dyn Fn(usize) -> u64| {
                let mut out = lows.clone();
                f(&mut out);
                assert!((0..len).all(|i| out[i] == lows[i] ^ added(i)));
            };
            words(&|o| sum_low(o, &a), &|i| a[i].low());
            words(&|o| sum_high(o, &a), &|i| (a[i].0 >> 64) as u64);
            words(&|o| add_where_low(o, &a, 77), &|i| 77 * (a[i].low() & 1));
            words(&|o| add_where_middle(o, &a, 76), &|i| 76 * u64::from(a[i].bit(64)));
            words(&|o| words_where(o, &bits, &lows), &|i| lows[i] * bit(i));
            words(&|o| add_words_where(o, &bits, 78), &|i| 78 * bit(i));
        }
    }
}
