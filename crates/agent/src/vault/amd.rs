//! The code that a secret is kept under, in the clear: whatever is added to a codeword without knowing x is noticed.
//!
//! A secret is padded with zeros to d blocks s_1 .. s_d of 16 bytes, d the least odd number that holds it. A codeword is (s_1 .. s_d, x, tag) for a uniform x
//! and `tag = x^(d+2) + s_1 x + s_2 x^2 + ... + s_d x^d` over GF(2^128). As d + 2 is odd, not divisible by the characteristic, additions that depend on the
//! secret alone pass with at most (d + 1) / 2^128: Cramer, Dodis, Fehr, Padró, Wichs, *Detection of Algebraic Manipulation with Applications to Robust Secret
//! Sharing and Fuzzy Extractors*, EUROCRYPT 2008, section 4. The proof for shares is in `docs/protocol/vault.md`.

use cotenant_core::{Block, gf128};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

/// Bytes of a block.
pub const BLOCK: usize = 16;

/// d: blocks of a secret of so many bytes, its padding included.
pub fn blocks(bytes: usize) -> usize {
    bytes.div_ceil(BLOCK) | 1
}

/// Blocks of its codeword, and so of each share: d + 2.
pub fn codeword_blocks(bytes: usize) -> usize {
    blocks(bytes) + 2
}

/// The codeword of a secret.
pub fn encode(secret: &[u8], x: Block) -> Zeroizing<Vec<Block>> {
    let mut padded = Zeroizing::new(vec![0u8; BLOCK * blocks(secret.len())]);
    padded[..secret.len()].copy_from_slice(secret);
    let mut codeword = Zeroizing::new(Vec::with_capacity(codeword_blocks(secret.len())));
    codeword.extend(padded.as_chunks().0.iter().map(|&block| Block(u128::from_le_bytes(block))));
    let tag = tag(&codeword, x);
    codeword.extend([x, tag]);
    codeword
}

/// The secret of so many bytes, if this is its codeword: as long as it must be, with a right tag and zeros for padding.
pub fn decode(codeword: &[Block], bytes: usize) -> Option<Zeroizing<Vec<u8>>> {
    if codeword.len() != codeword_blocks(bytes) {
        return None;
    }
    let (secret, x, claimed) = (&codeword[..blocks(bytes)], codeword[blocks(bytes)], codeword[blocks(bytes) + 1]);
    let mut padded = Zeroizing::new(Vec::with_capacity(BLOCK * secret.len()));
    secret.iter().for_each(|block| padded.extend(block.0.to_le_bytes()));
    let zeros = padded[bytes..].iter().fold(Choice::from(1), |all, byte| all & byte.ct_eq(&0));
    let right = zeros & tag(secret, x).ct_eq(&claimed);
    padded.truncate(bytes);
    bool::from(right).then_some(padded)
}

/// By Horner's rule, from x^2: one product a block.
fn tag(secret: &[Block], x: Block) -> Block {
    secret.iter().rev().fold(gf128::mul(x, x), |sum, &block| gf128::mul(sum ^ block, x))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cotenant_cluster::session_rng;
    use cotenant_core::PartyId;
    use rand_core::Rng;

    #[test]
    fn the_tag_is_the_polynomial() {
        let mut rng = session_rng(1, PartyId::new(0));
        for bytes in [1, 16, 17, 48, 49, 80] {
            let mut secret = vec![0; bytes];
            rng.fill_bytes(&mut secret);
            let x = Block::random(&mut rng);
            let codeword = encode(&secret, x);
            let d = blocks(bytes);
            assert!(d % 2 == 1 && codeword.len() == d + 2 && 16 * d >= bytes && 16 * d < bytes + 32);
            let power = |exponent: usize| (0..exponent).fold(Block(1), |power, _| gf128::mul(power, x));
            let sum = codeword[..d].iter().enumerate().fold(power(d + 2), |sum, (i, &s)| sum ^ gf128::mul(s, power(i + 1)));
            assert_eq!(codeword[d + 1].0, sum.0);
            assert_eq!(*decode(&codeword, bytes).unwrap(), secret);
        }
    }

    #[test]
    fn every_changed_bit_and_every_other_length_is_noticed() {
        let codeword = encode(b"twenty bytes of text", Block(0x1234_5678_9abc_def0_1122_3344_5566_7788));
        for bit in 0..128 * codeword.len() {
            let mut changed = codeword.to_vec();
            changed[bit / 128].0 ^= 1 << (bit % 128);
            assert!(decode(&changed, 20).is_none(), "bit {bit}");
        }
        // A shorter text would take the last of the longer one for padding; another number of blocks does not fit at all.
        assert!(decode(&codeword, 20).is_some() && decode(&codeword, 19).is_none() && decode(&codeword, 49).is_none());
        assert!(decode(&codeword[1..], 20).is_none());
    }

    /// A right tag does not excuse padding that is not zero.
    #[test]
    fn padding_is_zero() {
        let longer = encode(b"twenty-one bytes long", Block(7));
        assert!(decode(&longer, 21).is_some() && decode(&longer, 20).is_none());
    }
}
