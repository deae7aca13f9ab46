//! AES-GCM (NIST SP 800-38D section 7.1) of secret plaintext under a secret key and a 12-byte IV, with associated data that all know.
//!
//! A block of ciphertext is secret, so each costs an AES block and one product in GF(2^128) for the tag; so does a block of associated data after the first, but for
//! the AES block.

use crate::aes::{Block, RoundKeys};
use crate::bytes::{Byte, constant_byte, constant_bytes, to_array, xor_byte};
use crate::ghash::{Element, product};
use crate::{Builder, Lit};

/// The ciphertext, as long as `text`, and the tag.
pub fn seal<const KEYS: usize>(
    b: &mut Builder,
    key: &RoundKeys<KEYS>,
    iv: &[Byte; 12],
    associated: &[u8],
    text: &[Byte],
) -> (Vec<Byte>, Block) {
    let mut ciphertext = Vec::with_capacity(text.len());
    for (counter, part) in (2..).zip(text.chunks(16)) {
        let stream = key.key_stream(b, iv, counter);
        ciphertext.extend(part.iter().zip(stream).map(|(&byte, stream)| xor_byte(b, byte, stream)));
    }
    let lengths = [associated.len(), text.len()].map(|length| (8 * length as u64).to_be_bytes()).concat();
    let hashed = [whole_blocks(&constant_bytes(associated)), whole_blocks(&ciphertext), constant_bytes(&lengths)].concat();
    let hash_key = key.encrypt(b, &[constant_byte(0); 16]);
    let hash = ghash(b, &element(&hash_key), &hashed);
    let mask = key.key_stream(b, iv, 1);
    (ciphertext, std::array::from_fn(|i| xor_byte(b, hash[i], mask[i])))
}

/// Filled up with zeros to whole blocks.
fn whole_blocks(bytes: &[Byte]) -> Vec<Byte> {
    let mut whole = bytes.to_vec();
    whole.resize(bytes.len().next_multiple_of(16), constant_byte(0));
    whole
}

/// GHASH (NIST SP 800-38D section 6.4) of whole blocks. The product of a block that is constant folds away.
fn ghash(b: &mut Builder, key: &Element, blocks: &[Byte]) -> Block {
    let hash = blocks.chunks(16).fold([Lit::FALSE; 128], |hash, block| {
        let sum = b.xor_bits(&hash, block.as_flattened()).try_into().expect("a block has 128 bits");
        product(b, &sum, key)
    });
    to_array(&hash)
}

fn element(block: &Block) -> Element {
    block.as_flattened().try_into().expect("a block has 128 bits")
}
