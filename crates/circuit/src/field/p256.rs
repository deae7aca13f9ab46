//! Reductions modulo p = 2^256 - 2^224 + 2^192 + 2^96 - 1.
//!
//! From below by Montgomery's method ("Modular multiplication without trial division", Math. Comp. 1985): as p = -1 modulo 2^96, adding q p for q the
//! lowest k <= 96 bits clears them. From above by 2^256 = 2^224 - 2^192 - 2^96 + 1 modulo p.

use super::extended;
use crate::sum::{Term, sum};
use crate::{Builder, Lit};

pub(super) const PRIME: [(usize, i32); 5] = [(256, 1), (224, -1), (192, 1), (96, 1), (0, -1)];

/// v of 512 bits to v * 2^-256 of 257 bits: the sum is (v + Q p) / 2^256 for a Q below 2^256, so it is below 2^256 + p.
pub(super) fn reduce(b: &mut Builder, product: Vec<Lit>) -> Vec<Lit> {
    [(96, 417), (96, 321), (64, 257)].into_iter().fold(product, |v, (k, width)| {
        let (q, high) = v.split_at(k);
        let terms = [Term::plus(high, 0), Term::plus(q, 256 - k), Term::minus(q, 224 - k), Term::plus(q, 192 - k), Term::plus(q, 96 - k)];
        sum(b, &terms, &[], width)
    })
}

/// 257 bits below 2^256 + p, or up to 264 bits of any value, to 256 bits.
pub(super) fn lazy(b: &mut Builder, wide: &[Lit]) -> Vec<Lit> {
    match wide.len() {
        257 => fold(b, wide, 256),
        _ => {
            let once = fold(b, wide, 257);
            fold(b, &once, 256)
        }
    }
}

/// At most 264 bits to canonical.
pub(super) fn canonical(b: &mut Builder, wide: &[Lit]) -> Vec<Lit> {
    let folded = if wide.len() <= 256 { extended(wide, 257) } else { fold(b, wide, 257) };
    // Below 2^256 + 2^232 < 2p, so p is to be subtracted once or not at all.
    let difference = sum(b, &[Term::plus(&folded, 0)], &PRIME.map(|(exponent, factor)| (exponent, -factor)), 257);
    b.mux_bits(difference[256], &folded[..256], &difference[..256])
}

/// Replaces what stands above bit 256, at most 8 bits: the result is below 2^256 + 2^232, or below 2^232 if bit 256 of a number of 257 bits was set
/// and the rest below 2^231.
fn fold(b: &mut Builder, wide: &[Lit], width: usize) -> Vec<Lit> {
    let (low, high) = wide.split_at(256);
    let terms = [Term::plus(low, 0), Term::plus(high, 224), Term::minus(high, 192), Term::minus(high, 96), Term::plus(high, 0)];
    sum(b, &terms, &[], width)
}
