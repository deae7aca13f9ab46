//! The one module with unsafe code: kernels for the vector units of the CPU, chosen when the program runs.
//!
//! Every kernel exists for each [`Level`], and all levels compute the same: tests compare them with the portable one. Unsafe are only loads
//! and stores of vectors, and the calls in this file of functions that need a CPU feature, each behind the check that the CPU has it.
//! The kernels themselves: `avx512` and `avx2` have what needs intrinsics; `aes` and `passes` are written once and compiled for each.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
#[macro_use]
mod aes;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod passes;
mod portable;
#[cfg(test)]
mod tests;

use crate::block::Block;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// What the kernels are compiled for; a higher level has everything of those below.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Any CPU.
    Portable,
    /// AVX2, AES-NI and PCLMULQDQ.
    Avx2,
    /// AVX-512 (F, BW, DQ, VL, VBMI) with VAES, VPCLMULQDQ and GFNI.
    Avx512,
}

impl Level {
    /// All levels, lowest first.
    pub const ALL: [Level; 3] = [Level::Portable, Level::Avx2, Level::Avx512];
}

/// The level in use: the highest that the CPU has, unless [`limit`] forbids it.
pub fn level() -> Level {
    best().min(Level::ALL[LIMIT.load(Ordering::Relaxed) as usize])
}

/// Forbids levels above `highest` for the whole process: for tests and benchmarks. Results never differ, only speed.
///
/// The cipher of a key that was expanded at a higher level keeps at least [`Level::Avx2`].
pub fn limit(highest: Level) {
    LIMIT.store(highest as u8, Ordering::Relaxed);
}

static LIMIT: AtomicU8 = AtomicU8::new(Level::Avx512 as u8);

/// The highest level that the CPU has.
fn best() -> Level {
    static BEST: OnceLock<Level> = OnceLock::new();
    *BEST.get_or_init(detect)
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    macro_rules! has {
        ($($feature:tt)*) => { $(std::arch::is_x86_feature_detected!($feature))&&* };
    }
    if !has!("aes" "pclmulqdq" "avx2") {
        Level::Portable
    } else if !has!("avx512f" "avx512bw" "avx512dq" "avx512vl" "avx512vbmi" "vaes" "vpclmulqdq" "gfni") {
        Level::Avx2
    } else {
        Level::Avx512
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Level {
    Level::Portable
}

/// Defines a kernel as the function of that name of the module of `level`, or of the highest that the CPU has.
macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),*) $(-> $out:ty)?) => {
        $(#[$doc])*
        pub(crate) fn $name(level: Level, $($arg: $type),*) $(-> $out)? {
            match level.min(best()) {
                // SAFETY: `best` has seen that the CPU has every feature that the function is compiled for.
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => unsafe { avx512::$name($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => unsafe { avx2::$name($($arg),*) },
                _ => portable::$name($($arg),*),
            }
        }
    };
}

kernel!(
    /// The unreduced sum of carry-less products `a[i] * b[i]`: 256 bits as (low, high). Of equal lengths.
    inner_product_128(a: &[Block], b: &[Block]) -> (u128, u128)
);
kernel!(
    /// The unreduced sum of carry-less products `a[i] * b[i]`. Of equal lengths.
    inner_product_64(a: &[u64], b: &[u64]) -> u128
);
kernel!(
    /// Transposes a matrix of 128 rows of 128 bits, low word first.
    transpose_128(m: &mut [[u64; 2]; 128])
);
kernel!(
    /// See [`crate::transpose::planes_to_rows`].
    planes_to_rows(planes: &[Block], rows: &mut [[Block; 128]])
);
kernel!(
    /// See [`crate::transpose::planes_to_near_rows`].
    planes_to_near_rows(planes: &[Block], rows: &mut [[Block; 128]])
);
kernel!(
    /// See [`crate::vector::xor`].
    xor(out: &mut [Block], a: &[Block])
);
kernel!(
    /// See [`crate::vector::xor3`].
    xor3(out: &mut [Block], a: &[Block], b: &[Block])
);
kernel!(
    /// See [`crate::vector::xor_where`].
    xor_where(out: &mut [Block], bits: &[u64], a: &[Block])
);
kernel!(
    /// See [`crate::vector::add_where`].
    add_where(out: &mut [Block], bits: &[u64], c: Block)
);
kernel!(
    /// See [`crate::vector::low_bits`].
    low_bits(a: &[Block], bits: &mut [u64])
);
kernel!(
    /// See [`crate::vector::sum_low`].
    sum_low(out: &mut [u64], a: &[Block])
);
kernel!(
    /// See [`crate::vector::sum_high`].
    sum_high(out: &mut [u64], a: &[Block])
);
kernel!(
    /// See [`crate::vector::shift`].
    shift(out: &mut [Block], a: &[Block], c: Block)
);
kernel!(
    /// See [`crate::vector::add_where_low`].
    add_where_low(out: &mut [u64], a: &[Block], c: u64)
);
kernel!(
    /// See [`crate::vector::middle_bits`].
    middle_bits(a: &[Block], bits: &mut [u64])
);
kernel!(
    /// See [`crate::vector::add_where_middle`].
    add_where_middle(out: &mut [u64], a: &[Block], c: u64)
);
kernel!(
    /// See [`crate::vector::lows`].
    lows(out: &mut [Block], a: &[Block])
);
kernel!(
    /// See [`crate::vector::add_lows`].
    add_lows(out: &mut [Block], a: &[Block])
);
kernel!(
    /// See [`crate::vector::add_highs`].
    add_highs(out: &mut [Block], a: &[Block])
);
kernel!(
    /// See [`crate::vector::words_where`].
    words_where(out: &mut [u64], bits: &[u64], a: &[u64])
);
kernel!(
    /// See [`crate::vector::add_words_where`].
    add_words_where(out: &mut [u64], bits: &[u64], c: u64)
);

/// The round keys of an AES-128 key. They exist only where the CPU has [`Level::Avx2`] at least; otherwise `crate::cipher` uses the crate `aes`.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Rounds([Block; 11]);

/// The round keys of `keys`, unless the level is [`Level::Portable`].
pub(crate) fn expand(level: Level, keys: &[Block]) -> Option<Vec<Rounds>> {
    match level.min(best()) {
        Level::Portable => None,
        // SAFETY: `best` has seen that the CPU has every feature that the function is compiled for.
        #[cfg(target_arch = "x86_64")]
        _ => Some(keys.iter().map(|&k| Rounds(unsafe { avx2::expand(k) })).collect()),
        #[cfg(not(target_arch = "x86_64"))]
        _ => unreachable!("no other level: {}", keys.len()),
    }
}

/// Defines a kernel on round keys, whose existence proves the level that they need.
macro_rules! aes_kernel {
    ($(#[$doc:meta])* $name:ident $(<const $param:ident>)? ($($arg:ident: $type:ty),*)) => {
        $(#[$doc])*
        pub(crate) fn $name $(<const $param: usize>)? (level: Level, $($arg: $type),*) {
            match level.min(best()) {
                // SAFETY: `best` has seen that the CPU has every feature that the function is compiled for.
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => unsafe { avx512::$name $(::<$param>)? ($($arg),*) },
                // SAFETY: `expand` makes round keys only where `best` has seen what level Avx2 needs.
                #[cfg(target_arch = "x86_64")]
                _ => unsafe { avx2::$name $(::<$param>)? ($($arg),*) },
                #[cfg(not(target_arch = "x86_64"))]
                _ => {
                    let _ = ($($arg,)*);
                    unreachable!("round keys exist on x86-64 only")
                }
            }
        }
    };
}

aes_kernel!(
    /// See [`crate::cipher::Ciphers::stream`].
    stream(key: &Rounds, counter: u64, out: &mut [Block])
);
aes_kernel!(
    /// See [`crate::leaf::Tree::fold`]; `keys` are 2^K.
    fold<const K>(keys: &[Rounds], counter: u64, u: &mut [Block], columns: &mut [Block])
);
aes_kernel!(
    /// See [`crate::hash::Tmmo::hash`].
    hash(key: &Rounds, x: &mut [Block], tweaks: &[Block])
);
aes_kernel!(
    /// See [`crate::hash::Tmmo::hash_run`].
    hash_run(key: &Rounds, x: &mut [Block], first: Block)
);
