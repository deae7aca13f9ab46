//! SHA-256 (FIPS 180-4): the compression function in three variants by what is known of the message, and hashing of literals.
//!
//! Sums go through column adders, so a compression of secrets costs 22 271 ANDs. If the block is known while building, its schedule folds away:
//! 15 886. If it is public only when the circuit runs, parties compute the 64 words `W[t] + K[t]` in the clear and put them in as public inputs:
//! 16 120.

use crate::bytes::{Byte, constant_bytes};
use crate::sum::{Term, sum};
use crate::{Builder, Lit};

/// 32 literals, the least significant first.
pub type Word = [Lit; 32];
/// The chaining value, H0 to H7.
pub type State = [Word; 8];
/// `W[t] + K[t]` for the 64 rounds.
pub type Schedule = [Word; 64];

/// FIPS 180-4 section 5.3.3.
const INITIAL: [u32; 8] = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

/// FIPS 180-4 section 4.2.2.
#[rustfmt::skip]
const K: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

/// The state before the first block.
pub fn initial_state() -> State {
    INITIAL.map(constant_word)
}

/// The state as the 32 bytes of a digest.
pub fn state_bytes(state: &State) -> [Byte; 32] {
    std::array::from_fn(|i| std::array::from_fn(|bit| state[i / 4][8 * (3 - i % 4) + bit]))
}

/// The state whose 32 bytes are given: the inverse of [`state_bytes`].
pub fn state_of(bytes: &[Byte; 32]) -> State {
    std::array::from_fn(|i| word_of(&bytes[4 * i..4 * i + 4]))
}

/// The compression function on a block of literals; what is constant in it folds away.
pub fn compress(b: &mut Builder, state: &State, block: &[Byte; 64]) -> State {
    let mut words: Vec<Word> = block.chunks_exact(4).map(word_of).collect();
    for t in 16..64 {
        let s0 = sigma(b, &words[t - 15], [7, 18], Shift::Right(3));
        let s1 = sigma(b, &words[t - 2], [17, 19], Shift::Right(10));
        words.push(sum32(b, &[&s1, &words[t - 7], &s0, &words[t - 16]]));
    }
    rounds(b, state, |t| (words[t], constant_word(K[t])))
}

/// The compression function on a block that is public when the circuit runs, given as [`schedule`] words.
pub fn compress_scheduled(b: &mut Builder, state: &State, schedule: &Schedule) -> State {
    rounds(b, state, |t| (schedule[t], [Lit::FALSE; 32]))
}

/// 64 new words that are public when the circuit runs; their values come from [`schedule`].
pub fn schedule_input(b: &mut Builder) -> Schedule {
    std::array::from_fn(|_| b.public_input(32).try_into().expect("32 literals"))
}

/// The plain words `W[t] + K[t]` of a block.
pub fn schedule(block: &[u8; 64]) -> [u32; 64] {
    let mut w = [0u32; 64];
    for (word, bytes) in w.iter_mut().zip(block.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    for t in 16..64 {
        let s0 = w[t - 15].rotate_right(7) ^ w[t - 15].rotate_right(18) ^ w[t - 15] >> 3;
        let s1 = w[t - 2].rotate_right(17) ^ w[t - 2].rotate_right(19) ^ w[t - 2] >> 10;
        w[t] = s1.wrapping_add(w[t - 7]).wrapping_add(s0).wrapping_add(w[t - 16]);
    }
    std::array::from_fn(|t| w[t].wrapping_add(K[t]))
}

/// Words as the bits of a circuit's inputs.
pub fn schedule_bits(words: &[u32; 64]) -> Vec<bool> {
    words.iter().flat_map(|word| (0..32).map(move |i| word >> i & 1 == 1)).collect()
}

/// The padding after `length` bytes (FIPS 180-4 section 5.1.1).
pub fn padding(length: usize) -> Vec<u8> {
    let mut padding = vec![0x80];
    padding.resize(1 + (119 - length % 64) % 64, 0);
    padding.extend_from_slice(&(8 * length as u64).to_be_bytes());
    padding
}

/// The state after the blocks of `message`, which continues from `state` after `before` bytes and ends the hash.
///
/// # Panics
/// If `before` is not a multiple of 64.
pub fn finish(b: &mut Builder, state: &State, before: usize, message: &[Byte]) -> State {
    assert!(before.is_multiple_of(64), "a state stands after whole blocks");
    let mut padded = message.to_vec();
    padded.extend(constant_bytes(&padding(before + message.len())));
    let (blocks, _) = padded.as_chunks();
    blocks.iter().fold(*state, |state, block| compress(b, &state, block))
}

/// The digest of `message`.
pub fn hash(b: &mut Builder, message: &[Byte]) -> [Byte; 32] {
    state_bytes(&finish(b, &initial_state(), 0, message))
}

/// FIPS 180-4 section 6.2.2, steps 2 to 4; `input(t)` are two words whose sum is `W[t] + K[t]`.
fn rounds(b: &mut Builder, state: &State, input: impl Fn(usize) -> (Word, Word)) -> State {
    let [mut a, mut b_, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    for t in 0..64 {
        let (word, constant) = input(t);
        let s1 = sigma(b, &e, [6, 11], Shift::Rotate(25));
        let choice: Word = std::array::from_fn(|i| b.mux(e[i], f[i], g[i]));
        let s0 = sigma(b, &a, [2, 13], Shift::Rotate(22));
        let majority: Word = std::array::from_fn(|i| b.maj(a[i], b_[i], c[i]));
        let t1 = sum32(b, &[&h, &s1, &choice, &word, &constant]);
        let next_e = sum32(b, &[&d, &t1]);
        let next_a = sum32(b, &[&t1, &s0, &majority]);
        (a, b_, c, d, e, f, g, h) = (next_a, a, b_, c, next_e, e, f, g);
    }
    let last = [a, b_, c, d, e, f, g, h];
    std::array::from_fn(|i| sum32(b, &[&state[i], &last[i]]))
}

enum Shift {
    Right(usize),
    Rotate(usize),
}

/// The XOR of two rotations and a third rotation or shift, all to the right (FIPS 180-4 section 4.1.2).
fn sigma(b: &mut Builder, x: &Word, rotations: [usize; 2], third: Shift) -> Word {
    std::array::from_fn(|i| {
        let two = b.xor(x[(i + rotations[0]) % 32], x[(i + rotations[1]) % 32]);
        let third = match third {
            Shift::Right(n) => x.get(i + n).copied().unwrap_or(Lit::FALSE),
            Shift::Rotate(n) => x[(i + n) % 32],
        };
        b.xor(two, third)
    })
}

pub(crate) fn sum32(b: &mut Builder, words: &[&Word]) -> Word {
    let mut terms = [Term::plus(&[], 0); 5];
    for (term, word) in terms.iter_mut().zip(words) {
        *term = Term::plus(*word, 0);
    }
    sum(b, &terms[..words.len()], &[], 32).try_into().expect("32 columns")
}

pub(crate) fn constant_word(value: u32) -> Word {
    std::array::from_fn(|i| Lit::constant(value >> i & 1 == 1))
}

pub(crate) fn word_of(bytes: &[Byte]) -> Word {
    std::array::from_fn(|bit| bytes[3 - bit / 8][bit % 8])
}
