//! The field of GHASH, GF(2^128) modulo x^128 + x^7 + x^2 + x + 1 (NIST SP 800-38D section 6.3), in the order of a block's bits: that of [`gf128`]
//! with the bits of each byte reversed.
//!
//! Products cost 2 187 ANDs; squares and everything with a known factor are linear. GHASH of a public message is therefore a linear function of the
//! powers of H, and the tag needs no gates: [`multiplication_rows`] gives the bits to open.

use crate::{Builder, Lit, gf128};

/// A field element as the literals of its block, byte by byte, bit 0 of a byte first. The coefficient of x^i is bit `7 - i % 8` of byte `i / 8`.
pub type Element = [Lit; 128];

/// Index in a block's literals of the coefficient of x^i, and the reverse: it is its own inverse.
const fn at(i: usize) -> usize {
    i ^ 7
}

/// From the order of a block's bits to that of the coefficients, and back.
fn reordered(x: &Element) -> Element {
    std::array::from_fn(|i| x[at(i)])
}

/// `x * y`, 2 187 ANDs.
pub fn product(b: &mut Builder, x: &Element, y: &Element) -> Element {
    reordered(&gf128::product(b, &reordered(x), &reordered(y)))
}

/// `x * x`, no ANDs.
pub fn square(b: &mut Builder, x: &Element) -> Element {
    reordered(&gf128::square(b, &reordered(x)))
}

/// H, H^2, ... H^count: even powers are squares, odd ones cost one product each.
pub fn powers(b: &mut Builder, h: &Element, count: usize) -> Vec<Element> {
    let mut powers: Vec<Element> = Vec::with_capacity(count);
    for exponent in 1..=count {
        let power = match exponent {
            1 => *h,
            _ if exponent % 2 == 0 => square(b, &powers[exponent / 2 - 1]),
            _ => product(b, &powers[exponent - 2], h),
        };
        powers.push(power);
    }
    powers
}

/// Multiplication by a public block as a matrix over GF(2): bit `i` of `block * h` is the XOR of those bits `j` of `h` for which bit `j` of row `i`
/// is set. Bit `i` of a block is bit `i % 8` of byte `i / 8`, as in `u128::from_le_bytes`.
pub fn multiplication_rows(block: &[u8; 16]) -> [u128; 128] {
    let mut rows = [0u128; 128];
    // The coefficient of x^0 first, so that multiplying by x is a shift to the right.
    let mut multiple = u128::from_be_bytes(*block);
    for j in 0..128 {
        for (i, row) in rows.iter_mut().enumerate() {
            *row |= (multiple >> (127 - at(i)) & 1) << at(j);
        }
        let overflow = multiple & 1;
        multiple = (multiple >> 1) ^ (overflow * (0b1110_0001 << 120));
    }
    rows
}
