//! Secret bytes in the escapes of URLs, forms and JSON: every byte is escaped, so that the length tells nothing of them.

use crate::bytes::{Byte, constant_byte};
use crate::hex::{self, Case};
use crate::{Builder, Lit};

/// `%XX` for each byte, which is what it stands for in a URL and in a form (RFC 3986 section 2.1): eight ANDs a byte.
pub fn percent(b: &mut Builder, bytes: &[Byte]) -> Vec<Byte> {
    hex::encode(b, bytes, Case::Upper).chunks(2).flat_map(|digits| [constant_byte(b'%'), digits[0], digits[1]]).collect()
}

/// `\u00xx` for each byte of ASCII text (RFC 8259 section 7): four ANDs a byte. The highest bit of each is taken for 0.
pub fn json(b: &mut Builder, bytes: &[Byte]) -> Vec<Byte> {
    let ascii: Vec<Byte> = bytes.iter().map(|&[b0, b1, b2, b3, b4, b5, b6, _]| [b0, b1, b2, b3, b4, b5, b6, Lit::FALSE]).collect();
    let start = [b'\\', b'u', b'0', b'0'].map(constant_byte);
    hex::encode(b, &ascii, Case::Lower).chunks(2).flat_map(|digits| [&start[..], digits].concat()).collect()
}
