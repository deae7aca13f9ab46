//! The one module with unsafe code: calls of functions that need a CPU feature, each behind a check that the CPU has it.
//!
//! Every function has a portable twin beside it and a test that compares the two.
#![allow(unsafe_code)]

use crate::block::Block;

/// The unreduced sum of carry-less products `a[i] * b[i]`: 256 bits as (low, high).
pub fn inner_product_128(a: &[Block], b: &[Block]) -> (u128, u128) {
    assert_eq!(a.len(), b.len());
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("pclmulqdq") {
        // SAFETY: the CPU has the feature that the function is compiled for.
        return unsafe { x86::inner_product_128(a, b) };
    }
    portable::inner_product_128(a, b)
}

/// The unreduced sum of carry-less products `a[i] * b[i]`.
pub fn inner_product_64(a: &[u64], b: &[u64]) -> u128 {
    assert_eq!(a.len(), b.len());
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("pclmulqdq") {
        // SAFETY: the CPU has the feature that the function is compiled for.
        return unsafe { x86::inner_product_64(a, b) };
    }
    portable::inner_product_64(a, b)
}

/// Transposes a matrix of 128 rows of 128 bits, low word first.
pub fn transpose_128(m: &mut [[u64; 2]; 128]) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the CPU has the feature that the function is compiled for.
        return unsafe { x86::transpose_128(m) };
    }
    portable::transpose_128(m)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Block;
    use std::arch::x86_64::*;

    #[target_feature(enable = "sse2")]
    fn load(b: Block) -> __m128i {
        _mm_set_epi64x((b.0 >> 64) as i64, b.0 as i64)
    }

    #[target_feature(enable = "sse2")]
    fn store(v: __m128i) -> u128 {
        let lo = _mm_cvtsi128_si64(v) as u64;
        let hi = _mm_cvtsi128_si64(_mm_unpackhi_epi64(v, v)) as u64;
        (hi as u128) << 64 | lo as u128
    }

    #[target_feature(enable = "pclmulqdq,sse2")]
    pub(super) fn inner_product_128(a: &[Block], b: &[Block]) -> (u128, u128) {
        let (mut lo, mut mid, mut hi) = (_mm_setzero_si128(), _mm_setzero_si128(), _mm_setzero_si128());
        for (&x, &y) in a.iter().zip(b) {
            let (x, y) = (load(x), load(y));
            lo = _mm_xor_si128(lo, _mm_clmulepi64_si128(x, y, 0x00));
            hi = _mm_xor_si128(hi, _mm_clmulepi64_si128(x, y, 0x11));
            let cross = _mm_xor_si128(_mm_clmulepi64_si128(x, y, 0x01), _mm_clmulepi64_si128(x, y, 0x10));
            mid = _mm_xor_si128(mid, cross);
        }
        let mid = store(mid);
        (store(lo) ^ mid << 64, store(hi) ^ mid >> 64)
    }

    #[target_feature(enable = "pclmulqdq,sse2")]
    pub(super) fn inner_product_64(a: &[u64], b: &[u64]) -> u128 {
        let mut acc = _mm_setzero_si128();
        for (&x, &y) in a.iter().zip(b) {
            let p = _mm_clmulepi64_si128(_mm_cvtsi64_si128(x as i64), _mm_cvtsi64_si128(y as i64), 0x00);
            acc = _mm_xor_si128(acc, p);
        }
        store(acc)
    }

    /// The portable function, compiled to wide vectors.
    #[target_feature(enable = "avx2")]
    pub(super) fn transpose_128(m: &mut [[u64; 2]; 128]) {
        super::portable::transpose_128(m);
    }
}

mod portable {
    use super::Block;

    /// Branch-free carry-less product.
    fn clmul(a: u64, b: u64) -> u128 {
        (0..64).fold(0, |p, i| p ^ ((a as u128) << i & ((b >> i & 1) as u128).wrapping_neg()))
    }

    pub(super) fn inner_product_128(a: &[Block], b: &[Block]) -> (u128, u128) {
        let (mut lo, mut mid, mut hi) = (0, 0, 0);
        for (x, y) in a.iter().zip(b) {
            let ((xl, xh), (yl, yh)) = ((x.0 as u64, (x.0 >> 64) as u64), (y.0 as u64, (y.0 >> 64) as u64));
            lo ^= clmul(xl, yl);
            hi ^= clmul(xh, yh);
            mid ^= clmul(xl, yh) ^ clmul(xh, yl);
        }
        (lo ^ mid << 64, hi ^ mid >> 64)
    }

    pub(super) fn inner_product_64(a: &[u64], b: &[u64]) -> u128 {
        a.iter().zip(b).fold(0, |s, (&x, &y)| s ^ clmul(x, y))
    }

    #[inline(always)]
    pub(super) fn transpose_128(m: &mut [[u64; 2]; 128]) {
        let (top, bottom) = m.split_at_mut(64);
        top.iter_mut().zip(bottom).for_each(|(a, b)| std::mem::swap(&mut a[1], &mut b[0]));
        exchange::<32>(m, 0x0000_0000_ffff_ffff);
        exchange::<16>(m, 0x0000_ffff_0000_ffff);
        exchange::<8>(m, 0x00ff_00ff_00ff_00ff);
        exchange::<4>(m, 0x0f0f_0f0f_0f0f_0f0f);
        exchange::<2>(m, 0x3333_3333_3333_3333);
        exchange::<1>(m, 0x5555_5555_5555_5555);
    }

    /// In every block of twice `SIDE` rows exchanges the upper right squares of side `SIDE` with the lower left ones, which `mask` shows.
    #[inline(always)]
    fn exchange<const SIDE: usize>(m: &mut [[u64; 2]; 128], mask: u64) {
        for rows in m.chunks_exact_mut(2 * SIDE) {
            let (top, bottom) = rows.as_flattened_mut().split_at_mut(2 * SIDE);
            for (a, b) in top.iter_mut().zip(bottom) {
                let t = (*a >> SIDE ^ *b) & mask;
                *a ^= t << SIDE;
                *b ^= t;
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;
        use crate::prg::Prg;

        #[test]
        fn fast_and_portable_products_agree() {
            let mut prg = Prg::new(Block(5));
            for n in [0, 1, 2, 7, 100] {
                let (mut a, mut b) = (vec![Block::ZERO; n], vec![Block::ZERO; n]);
                prg.fill(&mut a);
                prg.fill(&mut b);
                assert_eq!(inner_product_128(&a, &b), crate::simd::inner_product_128(&a, &b));
                let low = |v: &[Block]| v.iter().map(|x| x.low()).collect::<Vec<_>>();
                assert_eq!(inner_product_64(&low(&a), &low(&b)), crate::simd::inner_product_64(&low(&a), &low(&b)));
            }
        }

        #[test]
        fn fast_and_portable_transposes_agree() {
            let (mut prg, mut a) = (Prg::new(Block(6)), [[0; 2]; 128]);
            a.as_flattened_mut().iter_mut().for_each(|w| *w = prg.block().low());
            let mut b = a;
            transpose_128(&mut a);
            crate::simd::transpose_128(&mut b);
            assert_eq!(a, b);
        }
    }
}
