//! Hexadecimal text of secret bytes (RFC 4648 section 8), with small letters, as AWS Signature Version 4 writes a signature, or capitals, as in URLs.

use crate::bytes::Byte;
use crate::{Builder, Lit};

/// Of the digits above 9.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Case {
    /// a to f.
    Lower,
    /// A to F.
    Upper,
}

/// Two ASCII characters a byte, eight ANDs a byte.
pub fn encode(b: &mut Builder, bytes: &[Byte], case: Case) -> Vec<Byte> {
    let mut out = Vec::with_capacity(2 * bytes.len());
    for byte in bytes {
        let [l0, l1, l2, l3, h0, h1, h2, h3] = *byte;
        out.push(digit(b, [h0, h1, h2, h3], case));
        out.push(digit(b, [l0, l1, l2, l3], case));
    }
    out
}

/// 0x30 + n for n < 10, else 0x60 + (n - 9), or 0x40 for capitals, where n - 9 = n + 7 modulo 16; four ANDs.
fn digit(b: &mut Builder, n: [Lit; 4], case: Case) -> Byte {
    let two_or_four = b.or(n[1], n[2]);
    let letter = b.and(n[3], two_or_four);
    // Adding 7 to an even letter flips bit 1; among letters, bit 2 changes for n = 12 only.
    let even_letter = b.and(letter, !n[0]);
    let twelve = b.and(even_letter, !n[1]);
    let low = [b.xor(n[0], letter), b.xor(n[1], even_letter), b.xor(n[2], twelve), b.xor(n[3], letter)];
    let small = match case {
        Case::Lower => Lit::TRUE,
        Case::Upper => !letter,
    };
    [low[0], low[1], low[2], low[3], !letter, small, letter, Lit::FALSE]
}
