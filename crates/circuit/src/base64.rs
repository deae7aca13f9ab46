//! Base64 of secret bytes (RFC 4648 sections 4 and 5).
//!
//! A character is the number of six bits plus an offset that depends on where the number lies: capitals, small letters, digits, and one of the two that differ
//! between the alphabets. What excludes each other is summed for free, so a character costs what says where the number lies, and one addition.

use crate::bytes::{Byte, constant_byte};
use crate::sum::{Term, sum};
use crate::{Builder, Lit};

/// Which characters stand for 62 and 63, and whether the end is padded.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Base64 {
    /// `+` and `/`, padded with `=` (RFC 4648 section 4).
    Standard,
    /// `-` and `_`, not padded, as JSON Web Tokens and URLs have it (RFC 4648 section 5, RFC 7515 section 2).
    Url,
}

impl Base64 {
    /// Characters of so many bytes.
    pub fn encoded_len(self, bytes: usize) -> usize {
        match self {
            Base64::Standard => 4 * bytes.div_ceil(3),
            Base64::Url => (4 * bytes).div_ceil(3),
        }
    }

    /// The text of `bytes`: 16 ANDs for six bits.
    pub fn encode(self, b: &mut Builder, bytes: &[Byte]) -> Vec<Byte> {
        let bits: Vec<Lit> = bytes.iter().flat_map(|byte| byte.iter().rev().copied()).collect();
        let mut out: Vec<Byte> = bits.chunks(6).map(|six| self.character(b, &sextet(six))).collect();
        out.resize(self.encoded_len(bytes.len()), constant_byte(b'='));
        out
    }

    /// The text of bytes that all know.
    pub fn encode_public(self, bytes: &[u8]) -> Vec<u8> {
        let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| byte >> (7 - at % 8) & 1);
        let number = |six: usize| (0..6).fold(0, |number, k| number << 1 | bit(6 * six + k));
        let mut out: Vec<u8> = (0..(8 * bytes.len()).div_ceil(6)).map(|six| self.letter(number(six))).collect();
        out.resize(self.encoded_len(bytes.len()), b'=');
        out
    }

    /// The character that stands for a number below 64.
    pub fn letter(self, number: u8) -> u8 {
        match number {
            0..26 => b'A' + number,
            26..52 => b'a' + number - 26,
            52..62 => b'0' + number - 52,
            _ => self.special()[usize::from(number & 1)],
        }
    }

    fn special(self) -> [u8; 2] {
        match self {
            Base64::Standard => *b"+/",
            Base64::Url => *b"-_",
        }
    }

    fn character(self, b: &mut Builder, n: &[Lit; 6]) -> Byte {
        let (high, middle) = (b.and(n[5], n[4]), b.and(n[3], n[2]));
        let low = b.or(n[2], n[1]);
        let above = b.and(n[4], n[3]);
        let above = b.and(above, low);
        // From 26, 52, 62 and 63 on: 011010, 110100, 111110, 111111.
        let small = b.or(n[5], above);
        let either = [n[3], n[2], middle].into_iter().fold(Lit::FALSE, |sum, bit| b.xor(sum, bit));
        let digit = b.and(high, either);
        let top = b.and(high, middle);
        let special = b.and(top, n[1]);
        let last = b.and(special, n[0]);
        let [first, second] = self.special();
        let offsets = [b'A', b'a' - 26, b'0'.wrapping_sub(52), first.wrapping_sub(62), second.wrapping_sub(63)];
        let offset: Vec<Lit> = (0..7)
            .map(|i| {
                let bit = |k: usize| offsets[k] >> i & 1 == 1;
                let steps = [small, digit, special, last].into_iter().enumerate().filter(|&(k, _)| bit(k) != bit(k + 1));
                steps.fold(Lit::constant(bit(0)), |sum, (_, step)| b.xor(sum, step))
            })
            .collect();
        let mut character = sum(b, &[Term::plus(n, 0), Term::plus(&offset, 0)], &[], 7);
        character.push(Lit::FALSE);
        character.try_into().expect("eight bits")
    }
}

/// Up to six bits, the highest first, as a number with the lowest first; what is missing is 0.
fn sextet(bits: &[Lit]) -> [Lit; 6] {
    std::array::from_fn(|i| bits.get(5 - i).copied().unwrap_or(Lit::FALSE))
}
