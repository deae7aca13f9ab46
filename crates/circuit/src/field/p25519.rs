//! Reductions modulo p = 2^255 - 19: what stands above bit 255 is multiplied by 19 = 2^4 + 2 + 1 and added below.

use super::extended;
use crate::sum::{Term, sum};
use crate::{Builder, Lit};

pub(super) const PRIME: [(usize, i32); 2] = [(255, 1), (0, -19)];

/// 512 bits to 262: below 2^255 + 19 * 2^257 = 77 * 2^255.
pub(super) fn reduce(b: &mut Builder, product: &[Lit]) -> Vec<Lit> {
    fold_to(b, product, 262)
}

/// At most 264 bits to 256: below 2^255 + 19 * 2^9.
pub(super) fn fold(b: &mut Builder, wide: &[Lit]) -> Vec<Lit> {
    fold_to(b, wide, 256)
}

/// At most 264 bits to canonical.
pub(super) fn canonical(b: &mut Builder, wide: &[Lit]) -> Vec<Lit> {
    let folded = if wide.len() <= 255 { extended(wide, 256) } else { fold(b, wide) };
    // Below 2p - 19, so p is to be subtracted once or not at all: once if adding 19 reaches bit 255, and then the lower bits are the difference.
    let shifted = sum(b, &[Term::plus(&folded, 0)], &[(0, 19)], 256);
    b.mux_bits(shifted[255], &shifted[..255], &folded[..255])
}

fn fold_to(b: &mut Builder, wide: &[Lit], width: usize) -> Vec<Lit> {
    let (low, high) = wide.split_at(255);
    sum(b, &[Term::plus(low, 0), Term::plus(high, 0), Term::plus(high, 1), Term::plus(high, 4)], &[], width)
}
