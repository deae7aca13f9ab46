//! Level Avx512: four blocks a vector.

use super::portable;
use crate::block::Block;
use std::arch::x86_64::*;

/// A vector of four blocks.
type V = __m512i;
const LANES: usize = 4;
const IN_FLIGHT: usize = 8;

aes_kernels!("avx512f,avx512bw,avx512dq,avx512vl,vaes");
super::passes::passes!(#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]);

#[target_feature(enable = "avx512f,vpclmulqdq")]
pub(super) fn inner_product_128(a: &[Block], b: &[Block]) -> (u128, u128) {
    let (mut lo, mut mid, mut hi) = (zero(), zero(), zero());
    for (x, y) in a.chunks(LANES).zip(b.chunks(LANES)) {
        let (x, y) = (get(x, 0), get(y, 0));
        lo = sum(lo, _mm512_clmulepi64_epi128(x, y, 0x00));
        hi = sum(hi, _mm512_clmulepi64_epi128(x, y, 0x11));
        mid = sum3(mid, _mm512_clmulepi64_epi128(x, y, 0x01), _mm512_clmulepi64_epi128(x, y, 0x10));
    }
    let mid = sum_lanes(mid);
    (sum_lanes(lo) ^ mid << 64, sum_lanes(hi) ^ mid >> 64)
}

#[target_feature(enable = "avx512f,vpclmulqdq")]
pub(super) fn inner_product_64(a: &[u64], b: &[u64]) -> u128 {
    let mut acc = zero();
    for (x, y) in a.chunks(2 * LANES).zip(b.chunks(2 * LANES)) {
        let (x, y) = (words(x), words(y));
        acc = sum3(acc, _mm512_clmulepi64_epi128(x, y, 0x00), _mm512_clmulepi64_epi128(x, y, 0x11));
    }
    sum_lanes(acc)
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
pub(super) fn transpose_128(m: &mut [[u64; 2]; 128]) {
    portable::transpose_128(m);
}

/// Four groups of rows at a time, one a lane: squares of 8 planes by 8 bits by one instruction of GFNI, after the bytes of 8 planes have been
/// brought together; then the bytes of all 16 such groups of planes; then the lanes to their groups.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
pub(super) fn planes_to_rows(planes: &[Block], rows: &mut [[Block; 128]]) {
    let width = rows.len();
    // bytes[j][g]: in lane l, bytes 2j and 2j + 1 of the blocks of planes 8g .. 8g + 8, transposed
    let mut bytes = [[zero(); 16]; 8];
    for (n, rows) in rows.chunks_mut(LANES).enumerate() {
        for (g, planes) in planes.chunks_exact(8 * width).enumerate() {
            let mut x = [zero(); 8];
            // the last plane first, as the instruction numbers the rows of a square from the highest
            for (x, plane) in x.iter_mut().rev().zip(planes.chunks_exact(width)) {
                *x = get(plane, n * LANES);
            }
            x = interleave(interleave(interleave(x)));
            for (bytes, x) in bytes.iter_mut().zip(x) {
                bytes[g] = transpose_squares(x);
            }
        }
        for (j, x) in bytes.iter().enumerate() {
            let x = interleave(interleave(interleave(interleave(*x))));
            for (q, x) in x.as_chunks().0.iter().enumerate() {
                for (rows, x) in rows.iter_mut().zip(transpose_lanes(*x)) {
                    put(rows, 16 * j + 4 * q, x);
                }
            }
        }
    }
}

/// Numbers all bytes of N vectors in a lane by vector, then byte; moves the byte of number i to the number that is i rotated left by a bit.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn interleave<const N: usize>(x: [V; N]) -> [V; N] {
    let mut out = [zero(); N];
    for i in 0..N / 2 {
        out[2 * i] = _mm512_unpacklo_epi8(x[i], x[i + N / 2]);
        out[2 * i + 1] = _mm512_unpackhi_epi8(x[i], x[i + N / 2]);
    }
    out
}

/// In every word: bit i of byte j becomes what was bit j of byte 7 - i.
#[target_feature(enable = "avx512f,gfni")]
#[inline]
fn transpose_squares(x: V) -> V {
    // the product of the square with the unit vectors gives its columns
    _mm512_gf2p8affine_epi64_epi8(_mm512_set1_epi64(0x8040_2010_0804_0201_u64 as i64), x, 0)
}

/// Lane j of vector i becomes lane i of vector j.
#[target_feature(enable = "avx512f")]
#[inline]
fn transpose_lanes([a, b, c, d]: [V; 4]) -> [V; 4] {
    let even = [_mm512_shuffle_i64x2(a, b, 0b10_00_10_00), _mm512_shuffle_i64x2(c, d, 0b10_00_10_00)];
    let odd = [_mm512_shuffle_i64x2(a, b, 0b11_01_11_01), _mm512_shuffle_i64x2(c, d, 0b11_01_11_01)];
    [
        _mm512_shuffle_i64x2(even[0], even[1], 0b10_00_10_00),
        _mm512_shuffle_i64x2(odd[0], odd[1], 0b10_00_10_00),
        _mm512_shuffle_i64x2(even[0], even[1], 0b11_01_11_01),
        _mm512_shuffle_i64x2(odd[0], odd[1], 0b11_01_11_01),
    ]
}

#[target_feature(enable = "avx512f")]
#[inline]
fn zero() -> V {
    _mm512_setzero_si512()
}

/// The block in all lanes.
#[target_feature(enable = "avx512f")]
#[inline]
fn spread(b: Block) -> V {
    let (lo, hi) = (b.0 as i64, (b.0 >> 64) as i64);
    _mm512_broadcast_i32x4(_mm_set_epi64x(hi, lo))
}

/// Block numbers from `n` on.
#[target_feature(enable = "avx512f")]
#[inline]
fn numbers(n: u64) -> V {
    add(_mm512_maskz_set1_epi64(0b0101_0101, n as i64), _mm512_set_epi64(0, 3, 0, 2, 0, 1, 0, 0))
}

/// Sums of the low halves and of the high ones.
#[target_feature(enable = "avx512f")]
#[inline]
fn add(a: V, b: V) -> V {
    _mm512_add_epi64(a, b)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn sum(a: V, b: V) -> V {
    _mm512_xor_si512(a, b)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn sum3(a: V, b: V, c: V) -> V {
    _mm512_ternarylogic_epi64(a, b, c, 0b1001_0110)
}

#[target_feature(enable = "avx512f,vaes")]
#[inline]
fn round(x: V, key: V) -> V {
    _mm512_aesenc_epi128(x, key)
}

#[target_feature(enable = "avx512f,vaes")]
#[inline]
fn last_round(x: V, key: V) -> V {
    _mm512_aesenclast_epi128(x, key)
}

/// The sum of the lanes.
#[target_feature(enable = "avx512f")]
#[inline]
fn sum_lanes(v: V) -> u128 {
    let mut lanes = [Block::ZERO; LANES];
    put(&mut lanes, 0, v);
    lanes.iter().fold(0, |s, b| s ^ b.0)
}

/// Four blocks from block `at` on; those past the end are 0.
#[target_feature(enable = "avx512f")]
#[inline]
fn get(x: &[Block], at: usize) -> V {
    words(bytemuck::cast_slice(x.get(at..).unwrap_or_default()))
}

/// The first eight words; those past the end are 0.
#[target_feature(enable = "avx512f")]
#[inline]
fn words(x: &[u64]) -> V {
    match x.first_chunk::<{ 2 * LANES }>() {
        // SAFETY: the array is as long as a vector, and the load needs no alignment.
        Some(x) => unsafe { _mm512_loadu_epi64(x.as_ptr().cast()) },
        // SAFETY: reads the words that the mask names, which are those of the slice.
        None => unsafe { _mm512_maskz_loadu_epi64((1 << x.len()) - 1, x.as_ptr().cast()) },
    }
}

/// Stores at block `at` the blocks that are not past the end.
#[target_feature(enable = "avx512f")]
#[inline]
fn put(x: &mut [Block], at: usize, v: V) {
    let x: &mut [u64] = bytemuck::cast_slice_mut(x.get_mut(at..).unwrap_or_default());
    match x.first_chunk_mut::<{ 2 * LANES }>() {
        // SAFETY: the array is as long as a vector, and the store needs no alignment.
        Some(x) => unsafe { _mm512_storeu_epi64(x.as_mut_ptr().cast(), v) },
        // SAFETY: writes the words that the mask names, which are those of the slice.
        None => unsafe { _mm512_mask_storeu_epi64(x.as_mut_ptr().cast(), (1 << x.len()) - 1, v) },
    }
}
