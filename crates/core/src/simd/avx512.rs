//! Level Avx512: four blocks a vector.

use super::portable;
use crate::block::Block;
use std::arch::x86_64::*;
use zeroize::Zeroizing;

/// A vector of four blocks.
type V = __m512i;
const LANES: usize = 4;
const IN_FLIGHT: usize = 8;

aes_kernels!("avx512f,avx512bw,avx512dq,avx512vl,vaes");
super::passes::passes!(#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]);

#[target_feature(enable = "avx512f,vpclmulqdq")]
pub(super) fn inner_product_128(a: &[Block], b: &[Block]) -> (u128, u128) {
    let ((xs, x), (ys, y)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [zero(); 3];
    for (x, y) in xs.iter().zip(ys) {
        add_product(&mut sums, get(x, 0), get(y, 0));
    }
    add_product(&mut sums, get(x, 0), get(y, 0));
    let [lo, hi, all] = sums.map(|v| sum_lanes(v));
    let mid = lo ^ hi ^ all;
    (lo ^ mid << 64, hi ^ mid >> 64)
}

/// Adds the products of low halves, of high halves and of their sums: Karatsuba's three instead of four, as nothing else here takes as long.
#[target_feature(enable = "avx512f,vpclmulqdq")]
#[inline]
fn add_product([lo, hi, all]: &mut [V; 3], x: V, y: V) {
    *lo = sum(*lo, _mm512_clmulepi64_epi128(x, y, 0x00));
    *hi = sum(*hi, _mm512_clmulepi64_epi128(x, y, 0x11));
    let (x, y) = (sum(x, _mm512_shuffle_epi32(x, 0b01_00_11_10)), sum(y, _mm512_shuffle_epi32(y, 0b01_00_11_10)));
    *all = sum(*all, _mm512_clmulepi64_epi128(x, y, 0x00));
}

#[target_feature(enable = "avx512f,vpclmulqdq")]
pub(super) fn inner_product_64(a: &[u64], b: &[u64]) -> u128 {
    let ((xs, x), (ys, y)) = (a.as_chunks::<{ 2 * LANES }>(), b.as_chunks::<{ 2 * LANES }>());
    let mut acc = zero();
    for (x, y) in xs.iter().zip(ys) {
        acc = add_products(acc, words(x), words(y));
    }
    sum_lanes(add_products(acc, words(x), words(y)))
}

#[target_feature(enable = "avx512f,vpclmulqdq")]
#[inline]
fn add_products(acc: V, x: V, y: V) -> V {
    sum3(acc, _mm512_clmulepi64_epi128(x, y, 0x00), _mm512_clmulepi64_epi128(x, y, 0x11))
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
pub(super) fn transpose_128(m: &mut [[u64; 2]; 128]) {
    portable::transpose_128(m);
}

/// Four groups of rows at a time, one a lane: squares of 8 planes by 8 bits by one instruction of GFNI, after the bytes of 8 planes have been
/// brought together; then the bytes of all 16 such groups of planes; then the lanes to their groups.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
#[inline]
fn transpose_planes<const NEAR: bool>(planes: &[Block], rows: &mut [[Block; 128]]) {
    let width = planes.len() / 128;
    // vector g of bytes[j]: in lane l, bytes 2j and 2j + 1 of the blocks of planes 8g .. 8g + 8, transposed
    let mut bytes = Zeroizing::new([[Block::ZERO; 16 * LANES]; 8]);
    for (n, rows) in rows.chunks_mut(LANES).enumerate() {
        for (g, planes) in planes.chunks_exact(8 * width).enumerate() {
            // In lanes past the end of a plane is the next one's begin, which no row takes.
            let plane = |k: usize| get(planes, k * width + n * LANES);
            // the last plane first, as the instruction numbers the rows of a square from the highest
            let x = [plane(7), plane(6), plane(5), plane(4), plane(3), plane(2), plane(1), plane(0)];
            let x = interleave_8(interleave_8(interleave_8(x)));
            for (bytes, x) in bytes.iter_mut().zip(x) {
                put(bytes, g * LANES, transpose_squares(x));
            }
        }
        for (j, x) in bytes.iter().enumerate() {
            let x = interleave_16(interleave_16(interleave_16(interleave_16(get_all(x)))));
            for (q, x) in x.as_chunks().0.iter().enumerate() {
                for (rows, x) in rows.iter_mut().zip(transpose_lanes(*x)) {
                    if NEAR { put(rows, 16 * j + 4 * q, x) } else { put_past_cache(rows, 16 * j + 4 * q, x) }
                }
            }
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,gfni")]
pub(super) fn planes_to_rows(planes: &[Block], rows: &mut [[Block; 128]]) {
    transpose_planes::<false>(planes, rows);
    _mm_sfence();
}

#[target_feature(enable = "avx512f,avx512bw,gfni")]
pub(super) fn planes_to_near_rows(planes: &[Block], rows: &mut [[Block; 128]]) {
    transpose_planes::<true>(planes, rows);
}

/// The bytes of the first half of some vectors between those of the second, pair by pair and lane by lane. With the bytes of a lane numbered
/// by vector, then place, byte i comes to the number that is i rotated left by a bit.
macro_rules! interleave {
    ($x:ident, $half:literal: $($i:literal)*) => {
        [$(_mm512_unpacklo_epi8($x[$i], $x[$i + $half]), _mm512_unpackhi_epi8($x[$i], $x[$i + $half])),*]
    };
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn interleave_8(x: [V; 8]) -> [V; 8] {
    interleave!(x, 4: 0 1 2 3)
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn interleave_16(x: [V; 16]) -> [V; 16] {
    interleave!(x, 8: 0 1 2 3 4 5 6 7)
}

#[target_feature(enable = "avx512f")]
#[inline]
fn get_all(x: &[Block; 16 * LANES]) -> [V; 16] {
    let mut all = [zero(); 16];
    for (v, x) in all.iter_mut().zip(x.as_chunks::<LANES>().0) {
        *v = get(x, 0);
    }
    all
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
        // Not a load with an empty mask: where the slice points to no memory, the CPU takes long to find that it need not fault.
        None if x.is_empty() => zero(),
        // SAFETY: reads the words that the mask names, which are those of the slice.
        None => unsafe { _mm512_maskz_loadu_epi64((1 << x.len()) - 1, x.as_ptr().cast()) },
    }
}

/// Stores at block `at` without reading the line of memory first, if it begins there: whole lines are written, and not looked at for a while. A fence must
/// follow before another thread may read them.
#[target_feature(enable = "avx512f")]
#[inline]
fn put_past_cache(x: &mut [Block; 128], at: usize, v: V) {
    let x: &mut [Block; LANES] = x[at..].first_chunk_mut().expect("four rows");
    let to = x.as_mut_ptr();
    if to.addr().is_multiple_of(64) {
        // SAFETY: the array is as long as a vector and lies at a multiple of its length.
        unsafe { _mm512_stream_si512(to.cast(), v) }
    } else {
        // SAFETY: the array is as long as a vector, and the store needs no alignment.
        unsafe { _mm512_storeu_si512(to.cast(), v) }
    }
}

/// Stores at block `at` the blocks that are not past the end.
#[target_feature(enable = "avx512f")]
#[inline]
fn put(x: &mut [Block], at: usize, v: V) {
    let x: &mut [u64] = bytemuck::cast_slice_mut(x.get_mut(at..).unwrap_or_default());
    let len = x.len();
    match x.first_chunk_mut::<{ 2 * LANES }>() {
        // SAFETY: the array is as long as a vector, and the store needs no alignment.
        Some(x) => unsafe { _mm512_storeu_epi64(x.as_mut_ptr().cast(), v) },
        None if len == 0 => (),
        // SAFETY: writes the words that the mask names, which are those of the slice.
        None => unsafe { _mm512_mask_storeu_epi64(x.as_mut_ptr().cast(), (1 << len) - 1, v) },
    }
}
