//! GF(2^64) with the polynomial x^64 + x^4 + x^3 + x + 1; bit `i` of a word is the coefficient of `x^i`.

use crate::simd;

/// The sum of `a[i] * b[i]`.
///
/// # Panics
/// If the lengths differ.
pub fn inner_product(a: &[u64], b: &[u64]) -> u64 {
    assert_eq!(a.len(), b.len());
    reduce(simd::inner_product_64(simd::level(), a, b))
}

/// x^64 = x^4 + x^3 + x + 1, applied twice: the first fold leaves at most 4 bits above x^63.
fn reduce(v: u128) -> u64 {
    let fold = |h: u64| h ^ h << 1 ^ h << 3 ^ h << 4;
    let hi = (v >> 64) as u64;
    let over = hi >> 63 ^ hi >> 61 ^ hi >> 60;
    v as u64 ^ fold(hi) ^ fold(over)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slow(mut a: u64, b: u64) -> u64 {
        let mut p = 0;
        for i in 0..64 {
            p ^= a & (b >> i & 1).wrapping_neg();
            a = a << 1 ^ (0x1b & (a >> 63).wrapping_neg());
        }
        p
    }

    #[test]
    fn product_agrees_with_shift_and_add() {
        let mut s = 1u64;
        let mut next = || {
            s = s.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            s ^ s >> 29
        };
        for _ in 0..100 {
            let (a, b) = (next(), next());
            assert_eq!(inner_product(&[a], &[b]), slow(a, b));
        }
        assert_eq!(inner_product(&[u64::MAX, 3], &[u64::MAX, 1]), slow(u64::MAX, u64::MAX) ^ 3);
    }
}
