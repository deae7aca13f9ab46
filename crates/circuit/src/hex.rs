//! Hexadecimal text of secret bytes, lower case, as AWS Signature Version 4 writes a signature.

use crate::bytes::Byte;
use crate::{Builder, Lit};

/// Two ASCII characters a byte, eight ANDs a byte.
pub fn encode(b: &mut Builder, bytes: &[Byte]) -> Vec<Byte> {
    let mut out = Vec::with_capacity(2 * bytes.len());
    for byte in bytes {
        let [l0, l1, l2, l3, h0, h1, h2, h3] = *byte;
        out.push(digit(b, [h0, h1, h2, h3]));
        out.push(digit(b, [l0, l1, l2, l3]));
    }
    out
}

/// 0x30 + n for n < 10, else 0x60 + (n - 9), where n - 9 = n + 7 modulo 16; four ANDs.
fn digit(b: &mut Builder, n: [Lit; 4]) -> Byte {
    let two_or_four = b.or(n[1], n[2]);
    let letter = b.and(n[3], two_or_four);
    // Adding 7 to an even letter flips bit 1; among letters, bit 2 changes for n = 12 only.
    let even_letter = b.and(letter, !n[0]);
    let twelve = b.and(even_letter, !n[1]);
    let low = [b.xor(n[0], letter), b.xor(n[1], even_letter), b.xor(n[2], twelve), b.xor(n[3], letter)];
    [low[0], low[1], low[2], low[3], !letter, Lit::TRUE, letter, Lit::FALSE]
}
