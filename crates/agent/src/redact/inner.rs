//! Where the content of a protected record ends (RFC 8446 section 5.2): TLSInnerPlaintext is content, type and zeros, and how many zeros
//! only the last byte that is none tells.
//!
//! Nobody may look for it in the clear, byte by byte from the end, as each look costs a round; so a circuit takes [`WINDOW`] bytes at once.
//! Most servers do not pad, and for them one window a record is enough. What comes of it says nothing of the content but its length.

use cotenant_circuit::bytes::input_bytes;
use cotenant_circuit::{Builder, Circuit, Lit};

/// Bytes that are looked at together.
pub const WINDOW: usize = 64;
/// Bits of a position in a window.
const WIDTH: usize = WINDOW.ilog2() as usize;

/// The last byte of a window that is not 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Last {
    /// Its position.
    pub at: usize,
    /// Its value: the record's content type.
    pub byte: u8,
}

/// The circuit. Outputs: whether there is such a byte, its position and value; zeros if there is none.
pub fn last() -> Circuit {
    let mut b = Builder::new();
    let window = input_bytes(&mut b, WINDOW);
    let (mut found, mut position, mut value) = (Lit::FALSE, [Lit::FALSE; WIDTH], [Lit::FALSE; 8]);
    for (i, byte) in window.iter().enumerate().rev() {
        let some = byte.iter().fold(Lit::FALSE, |some, &bit| b.or(some, bit));
        let here = b.and(some, !found);
        found = b.xor(found, here);
        for (_, bit) in position.iter_mut().enumerate().filter(|(k, _)| i >> k & 1 == 1) {
            *bit = b.xor(*bit, here);
        }
        for (sum, &bit) in value.iter_mut().zip(byte) {
            let shown = b.and(here, bit);
            *sum = b.xor(*sum, shown);
        }
    }
    b.output(&[found]);
    b.output(&position);
    b.output(&value);
    b.finish()
}

/// What the outputs say.
pub fn read_last(out: &[bool]) -> Option<Last> {
    let (found, rest) = out.split_first()?;
    let number = |bits: &[bool]| bits.iter().rev().fold(0, |n, &bit| n << 1 | usize::from(bit));
    let (at, byte) = rest.split_at(WIDTH);
    found.then(|| Last { at: number(at), byte: number(byte) as u8 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cotenant_circuit::bytes::bits_of;

    #[test]
    fn the_last_byte_that_is_not_zero() {
        let circuit = last();
        let of = |window: &[u8; WINDOW]| {
            let out = circuit.eval(&bits_of(window));
            assert!(out[0] || !out.contains(&true), "nothing else is shown");
            read_last(&out)
        };
        for at in 0..WINDOW {
            for byte in [1, 23, 128, 255] {
                let mut window = [0; WINDOW];
                window[..at].fill(0xaa);
                window[at] = byte;
                assert_eq!(of(&window), Some(Last { at, byte }));
            }
        }
        assert_eq!(of(&[0; WINDOW]), None);
        assert_eq!(circuit.stats().ands(), 1023);
    }
}
