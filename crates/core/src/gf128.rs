//! GF(2^128) with the polynomial x^128 + x^7 + x^2 + x + 1; bit `i` of a block is the coefficient of `x^i`.

use crate::{block::Block, simd};

/// The product of two elements.
pub fn mul(a: Block, b: Block) -> Block {
    inner_product(&[a], &[b])
}

/// The sum of `a[i] * b[i]`.
///
/// # Panics
/// If the lengths differ.
pub fn inner_product(a: &[Block], b: &[Block]) -> Block {
    assert_eq!(a.len(), b.len());
    let (lo, hi) = simd::inner_product_128(simd::level(), a, b);
    reduce(lo, hi)
}

/// x^128 = x^7 + x^2 + x + 1, applied twice: the first fold leaves at most 7 bits above x^127.
fn reduce(lo: u128, hi: u128) -> Block {
    let fold = |h: u128| h ^ h << 1 ^ h << 2 ^ h << 7;
    let over = hi >> 127 ^ hi >> 126 ^ hi >> 121;
    Block(lo ^ fold(hi) ^ fold(over))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prg::Prg;

    fn slow(mut a: u128, b: u128) -> u128 {
        let mut p = 0;
        for i in 0..128 {
            p ^= a & (b >> i & 1).wrapping_neg();
            a = a << 1 ^ (0x87 & (a >> 127).wrapping_neg());
        }
        p
    }

    #[test]
    fn product_agrees_with_shift_and_add() {
        let mut prg = Prg::new(Block(1));
        let mut v = [Block::ZERO; 200];
        prg.fill(&mut v);
        v[0] = Block(u128::MAX);
        v[1] = Block(u128::MAX);
        for p in v.chunks(2) {
            assert_eq!(mul(p[0], p[1]).0, slow(p[0].0, p[1].0));
        }
    }

    #[test]
    fn inner_product_is_the_sum_of_products() {
        let mut prg = Prg::new(Block(2));
        let (mut a, mut b) = ([Block::ZERO; 33], [Block::ZERO; 33]);
        prg.fill(&mut a);
        prg.fill(&mut b);
        let sum = a.iter().zip(&b).fold(Block::ZERO, |s, (&x, &y)| s ^ mul(x, y));
        assert_eq!(inner_product(&a, &b).0, sum.0);
    }
}
