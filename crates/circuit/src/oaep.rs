//! The padding of RSA-OAEP (RFC 8017 section 7.1.1, step 2) with an empty label and MGF1 of the same hash: all hashing of an encryption, before its one power.

use crate::bytes::{Byte, constant_byte, constant_bytes, xor_byte};
use crate::{Builder, sha1, sha256};

/// The hash of the label and of the mask.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Hash {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Hash {
    /// Bytes of a digest, and so of a seed.
    pub const fn bytes(self) -> usize {
        match self {
            Hash::Sha1 => 20,
            Hash::Sha256 => 32,
        }
    }

    fn of(self, b: &mut Builder, message: &[Byte]) -> Vec<Byte> {
        match self {
            Hash::Sha1 => sha1::hash(b, message).to_vec(),
            Hash::Sha256 => sha256::hash(b, message).to_vec(),
        }
    }

    /// MGF1 (RFC 8017 appendix B.2.1).
    fn mask(self, b: &mut Builder, seed: &[Byte], length: usize) -> Vec<Byte> {
        let blocks = length.div_ceil(self.bytes()) as u32;
        let block = |counter: u32| self.of(b, &[seed, &constant_bytes(&counter.to_be_bytes())].concat());
        let mut mask: Vec<Byte> = (0..blocks).flat_map(block).collect();
        mask.truncate(length);
        mask
    }

    /// The `length` bytes that are taken for a number, the first of them 0.
    ///
    /// # Panics
    /// If the message is longer than `length - 2 * self.bytes() - 2`, or the seed not [`Hash::bytes`] long.
    pub fn pad(self, b: &mut Builder, message: &[Byte], seed: &[Byte], length: usize) -> Vec<Byte> {
        assert_eq!(seed.len(), self.bytes(), "a seed is as long as a digest");
        let zeros = (length.checked_sub(2 * self.bytes() + 2 + message.len())).expect("a message that has room");
        let label = self.of(b, &[]);
        let data = [&label, &vec![constant_byte(0); zeros], &[constant_byte(1)][..], message].concat();
        let mask = self.mask(b, seed, data.len());
        let data = xor(b, &data, &mask);
        let mask = self.mask(b, &data, seed.len());
        let seed = xor(b, seed, &mask);
        [&[constant_byte(0)], &seed[..], &data].concat()
    }
}

fn xor(b: &mut Builder, x: &[Byte], y: &[Byte]) -> Vec<Byte> {
    x.iter().zip(y).map(|(&x, &y)| xor_byte(b, x, y)).collect()
}
