//! Level Avx2: one block a vector for AES and products; 256 bits where the compiler widens plain code.

use super::portable;
use crate::block::Block;
use std::arch::x86_64::*;

/// A vector of one block.
type V = __m128i;
const LANES: usize = 1;
const IN_FLIGHT: usize = 8;

aes_kernels!("aes,avx2");
super::passes::passes!(#[target_feature(enable = "avx2")]);

/// The round keys of an AES-128 key (FIPS 197, section 5.2).
#[target_feature(enable = "aes,avx2")]
pub(super) fn expand(key: Block) -> [Block; 11] {
    // Bytes 13, 14, 15, 12 in every column: RotWord of the last word. The last round of AES leaves equal columns in place and so is SubWord.
    let rotate = _mm_set1_epi32(0x0c0f_0e0d);
    let (mut k, mut constant) = (spread(key), 1u8);
    let mut keys = [key; 11];
    for out in &mut keys[1..] {
        let word = last_round(_mm_shuffle_epi8(k, rotate), _mm_set1_epi32(constant.into()));
        // word i of the next key is the sum of words 0..=i of this one and of `word`
        k = sum(k, _mm_slli_si128(k, 4));
        k = sum(k, _mm_slli_si128(k, 8));
        k = sum(k, word);
        *out = block(k);
        constant = constant << 1 ^ 0x1b & (constant >> 7).wrapping_neg();
    }
    keys
}

#[target_feature(enable = "pclmulqdq,avx2")]
pub(super) fn inner_product_128(a: &[Block], b: &[Block]) -> (u128, u128) {
    let (mut lo, mut mid, mut hi) = (zero(), zero(), zero());
    for (&x, &y) in a.iter().zip(b) {
        let (x, y) = (spread(x), spread(y));
        lo = sum(lo, _mm_clmulepi64_si128(x, y, 0x00));
        hi = sum(hi, _mm_clmulepi64_si128(x, y, 0x11));
        mid = sum3(mid, _mm_clmulepi64_si128(x, y, 0x01), _mm_clmulepi64_si128(x, y, 0x10));
    }
    let mid = block(mid).0;
    (block(lo).0 ^ mid << 64, block(hi).0 ^ mid >> 64)
}

#[target_feature(enable = "pclmulqdq,avx2")]
pub(super) fn inner_product_64(a: &[u64], b: &[u64]) -> u128 {
    let mut acc = zero();
    for (&x, &y) in a.iter().zip(b) {
        let product = _mm_clmulepi64_si128(_mm_cvtsi64_si128(x as i64), _mm_cvtsi64_si128(y as i64), 0x00);
        acc = sum(acc, product);
    }
    block(acc).0
}

#[target_feature(enable = "avx2")]
pub(super) fn transpose_128(m: &mut [[u64; 2]; 128]) {
    portable::transpose_128(m);
}

#[target_feature(enable = "avx2")]
pub(super) fn planes_to_rows(planes: &[Block], rows: &mut [[Block; 128]]) {
    portable::planes_to_rows(planes, rows);
}

#[target_feature(enable = "avx2")]
pub(super) fn planes_to_near_rows(planes: &[Block], rows: &mut [[Block; 128]]) {
    portable::planes_to_rows(planes, rows);
}

#[target_feature(enable = "avx2")]
#[inline]
fn zero() -> V {
    _mm_setzero_si128()
}

#[target_feature(enable = "avx2")]
#[inline]
fn spread(b: Block) -> V {
    _mm_set_epi64x((b.0 >> 64) as i64, b.0 as i64)
}

#[target_feature(enable = "avx2")]
#[inline]
fn block(v: V) -> Block {
    let (lo, hi) = (_mm_cvtsi128_si64(v) as u64, _mm_extract_epi64(v, 1) as u64);
    Block((hi as u128) << 64 | lo as u128)
}

/// Block number `n`.
#[target_feature(enable = "avx2")]
#[inline]
fn numbers(n: u64) -> V {
    _mm_set_epi64x(0, n as i64)
}

/// Sums of the low halves and of the high ones.
#[target_feature(enable = "avx2")]
#[inline]
fn add(a: V, b: V) -> V {
    _mm_add_epi64(a, b)
}

#[target_feature(enable = "avx2")]
#[inline]
fn sum(a: V, b: V) -> V {
    _mm_xor_si128(a, b)
}

#[target_feature(enable = "avx2")]
#[inline]
fn sum3(a: V, b: V, c: V) -> V {
    sum(a, sum(b, c))
}

#[target_feature(enable = "aes,avx2")]
#[inline]
fn round(x: V, key: V) -> V {
    _mm_aesenc_si128(x, key)
}

#[target_feature(enable = "aes,avx2")]
#[inline]
fn last_round(x: V, key: V) -> V {
    _mm_aesenclast_si128(x, key)
}

/// Block `at`, or 0 past the end.
#[target_feature(enable = "avx2")]
#[inline]
fn get(x: &[Block], at: usize) -> V {
    x.get(at).map_or(zero(), |b| spread(*b))
}

/// Stores at block `at`, unless that is past the end.
#[target_feature(enable = "avx2")]
#[inline]
fn put(x: &mut [Block], at: usize, v: V) {
    if let Some(b) = x.get_mut(at) {
        *b = block(v);
    }
}
