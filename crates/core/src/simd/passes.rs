//! The element-wise passes, in plain code that every level compiles for its vector width.

use crate::block::Block;

/// Defines the passes in the module that uses it, compiled with `$attribute`.
macro_rules! passes {
    (#[$attribute:meta]) => {
        $crate::simd::passes::passes! { #[$attribute]
            xor(out: &mut [Block], a: &[Block]);
            xor3(out: &mut [Block], a: &[Block], b: &[Block]);
            xor_where(out: &mut [Block], bits: &[u64], a: &[Block]);
            add_where(out: &mut [Block], bits: &[u64], c: Block);
            low_bits(a: &[Block], bits: &mut [u64]);
            sum_low(out: &mut [u64], a: &[Block]);
            sum_high(out: &mut [u64], a: &[Block]);
            shift(out: &mut [Block], a: &[Block], c: Block);
            add_where_low(out: &mut [u64], a: &[Block], c: u64);
            middle_bits(a: &[Block], bits: &mut [u64]);
            add_where_middle(out: &mut [u64], a: &[Block], c: u64);
            lows(out: &mut [Block], a: &[Block]);
            add_lows(out: &mut [Block], a: &[Block]);
            add_highs(out: &mut [Block], a: &[Block]);
            words_where(out: &mut [u64], bits: &[u64], a: &[u64]);
            add_words_where(out: &mut [u64], bits: &[u64], c: u64);
        }
    };
    (#[$attribute:meta] $($name:ident($($arg:ident: $type:ty),*);)*) => { $(
        #[$attribute]
        pub(super) fn $name($($arg: $type),*) {
            $crate::simd::passes::$name($($arg),*);
        }
    )* };
}
pub(super) use passes;

#[inline(always)]
pub(super) fn xor(out: &mut [Block], a: &[Block]) {
    words_mut(out).as_flattened_mut().iter_mut().zip(words(a).as_flattened()).for_each(|(o, a)| *o ^= *a);
}

#[inline(always)]
pub(super) fn xor3(out: &mut [Block], a: &[Block], b: &[Block]) {
    let (a, b) = (words(a).as_flattened(), words(b).as_flattened());
    words_mut(out).as_flattened_mut().iter_mut().zip(a).zip(b).for_each(|((o, a), b)| *o = *a ^ *b);
}

#[inline(always)]
pub(super) fn xor_where(out: &mut [Block], bits: &[u64], a: &[Block]) {
    for ((out, a), w) in out.chunks_mut(64).zip(a.chunks(64)).zip(bits) {
        let (out, a) = (words_mut(out), words(a));
        out.iter_mut().zip(a).enumerate().for_each(|(i, (o, a))| add(o, *a, mask(w, i)));
    }
}

#[inline(always)]
pub(super) fn add_where(out: &mut [Block], bits: &[u64], c: Block) {
    let c = [c.0 as u64, (c.0 >> 64) as u64];
    for (out, w) in out.chunks_mut(64).zip(bits) {
        words_mut(out).iter_mut().enumerate().for_each(|(i, o)| add(o, c, mask(w, i)));
    }
}

#[inline(always)]
pub(super) fn low_bits(a: &[Block], bits: &mut [u64]) {
    for (a, w) in a.chunks(64).zip(bits) {
        *w = words(a).iter().enumerate().fold(0, |w, (i, a)| w | (a[0] & 1) << i);
    }
}

#[inline(always)]
pub(super) fn sum_low(out: &mut [u64], a: &[Block]) {
    out.iter_mut().zip(words(a)).for_each(|(o, a)| *o ^= a[0]);
}

#[inline(always)]
pub(super) fn sum_high(out: &mut [u64], a: &[Block]) {
    out.iter_mut().zip(words(a)).for_each(|(o, a)| *o ^= a[1]);
}

#[inline(always)]
pub(super) fn shift(out: &mut [Block], a: &[Block], c: Block) {
    let c = [c.0 as u64, (c.0 >> 64) as u64];
    words_mut(out).iter_mut().zip(words(a)).for_each(|(o, a)| *o = [a[0] ^ c[0], a[1] ^ c[1]]);
}

#[inline(always)]
pub(super) fn add_where_low(out: &mut [u64], a: &[Block], c: u64) {
    out.iter_mut().zip(words(a)).for_each(|(o, a)| *o ^= c & (a[0] & 1).wrapping_neg());
}

#[inline(always)]
pub(super) fn middle_bits(a: &[Block], bits: &mut [u64]) {
    for (a, w) in a.chunks(64).zip(bits) {
        *w = words(a).iter().enumerate().fold(0, |w, (i, a)| w | (a[1] & 1) << i);
    }
}

#[inline(always)]
pub(super) fn add_where_middle(out: &mut [u64], a: &[Block], c: u64) {
    out.iter_mut().zip(words(a)).for_each(|(o, a)| *o ^= c & (a[1] & 1).wrapping_neg());
}

#[inline(always)]
pub(super) fn lows(out: &mut [Block], a: &[Block]) {
    words_mut(out).iter_mut().zip(words(a)).for_each(|(o, a)| *o = [a[0], 0]);
}

#[inline(always)]
pub(super) fn add_lows(out: &mut [Block], a: &[Block]) {
    words_mut(out).iter_mut().zip(words(a)).for_each(|(o, a)| o[0] ^= a[0]);
}

#[inline(always)]
pub(super) fn add_highs(out: &mut [Block], a: &[Block]) {
    words_mut(out).iter_mut().zip(words(a)).for_each(|(o, a)| o[0] ^= a[1]);
}

#[inline(always)]
pub(super) fn words_where(out: &mut [u64], bits: &[u64], a: &[u64]) {
    for ((out, a), w) in out.chunks_mut(64).zip(a.chunks(64)).zip(bits) {
        out.iter_mut().zip(a).enumerate().for_each(|(i, (o, a))| *o ^= a & mask(w, i));
    }
}

#[inline(always)]
pub(super) fn add_words_where(out: &mut [u64], bits: &[u64], c: u64) {
    for (out, w) in out.chunks_mut(64).zip(bits) {
        out.iter_mut().enumerate().for_each(|(i, o)| *o ^= c & mask(w, i));
    }
}

/// Bit `i` of `w`, in all bits of a word.
#[inline(always)]
fn mask(w: &u64, i: usize) -> u64 {
    (w >> i & 1).wrapping_neg()
}

#[inline(always)]
fn add(out: &mut [u64; 2], a: [u64; 2], mask: u64) {
    out[0] ^= a[0] & mask;
    out[1] ^= a[1] & mask;
}

#[inline(always)]
fn words(a: &[Block]) -> &[[u64; 2]] {
    bytemuck::cast_slice(a)
}

#[inline(always)]
fn words_mut(a: &mut [Block]) -> &mut [[u64; 2]] {
    bytemuck::cast_slice_mut(a)
}
