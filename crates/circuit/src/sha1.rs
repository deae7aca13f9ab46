//! SHA-1 (FIPS 180-4 section 6.1.2), for what has to use it: RSA-OAEP under its old name (RFC 7518 section 4.3). 10 509 ANDs a compression.
//!
//! Nothing here rests on collisions of SHA-1 being hard to find: OAEP takes its hash and mask for random functions (RFC 8017 appendix B.1).

use crate::Builder;
use crate::bytes::{Byte, constant_bytes};
use crate::sha256::{Word, constant_word, padding, sum32, word_of};

/// FIPS 180-4 section 5.3.1.
const INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
/// FIPS 180-4 section 4.2.1: of each twenty rounds.
const K: [u32; 4] = [0x5a82_7999, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6];

/// The digest of `message`; what of it is constant folds away.
pub fn hash(b: &mut Builder, message: &[Byte]) -> [Byte; 20] {
    let padded = [message, &constant_bytes(&padding(message.len()))].concat();
    let (blocks, _) = padded.as_chunks();
    let state = blocks.iter().fold(INITIAL.map(constant_word), |state, block| compress(b, &state, block));
    std::array::from_fn(|i| std::array::from_fn(|bit| state[i / 4][8 * (3 - i % 4) + bit]))
}

fn compress(b: &mut Builder, state: &[Word; 5], block: &[Byte; 64]) -> [Word; 5] {
    let mut words: Vec<Word> = block.chunks_exact(4).map(word_of).collect();
    for t in 16..80 {
        let sum = [8, 14, 16].iter().fold(words[t - 3], |sum, back| xor(b, &sum, &words[t - back]));
        words.push(rotated(&sum, 1));
    }
    let [mut a, mut b_, mut c, mut d, mut e] = *state;
    for (t, word) in words.iter().enumerate() {
        let function: Word = match t / 20 {
            0 => std::array::from_fn(|i| b.mux(b_[i], c[i], d[i])),
            2 => std::array::from_fn(|i| b.maj(b_[i], c[i], d[i])),
            _ => {
                let two = xor(b, &b_, &c);
                xor(b, &two, &d)
            }
        };
        let next = sum32(b, &[&rotated(&a, 5), &function, &e, word, &constant_word(K[t / 20])]);
        (a, b_, c, d, e) = (next, a, rotated(&b_, 30), c, d);
    }
    let last = [a, b_, c, d, e];
    std::array::from_fn(|i| sum32(b, &[&state[i], &last[i]]))
}

fn xor(b: &mut Builder, x: &Word, y: &Word) -> Word {
    std::array::from_fn(|i| b.xor(x[i], y[i]))
}

/// To the left.
fn rotated(x: &Word, by: usize) -> Word {
    std::array::from_fn(|i| x[(i + 32 - by) % 32])
}
