//! AES-128 and AES-256 (FIPS 197) and their counter mode.
//!
//! The S-box is the 32-AND circuit of Boyar and Peralta, "A small depth-16 circuit for the AES S-box" (IFIP SEC 2012): a linear layer to 22 sums of
//! input bits, an inversion in GF(2^8) over a tower field, a linear layer back. A block costs 160 S-boxes, 5 120 ANDs, with the shorter key, and 224, 7 168 ANDs,
//! with the longer; a key schedule 40, 1 280, or 52, 1 664.

use crate::bytes::{Byte, constant_bytes, xor_byte, xor_constant};
use crate::{Builder, Lit};

/// Sixteen bytes in the order of FIPS 197 section 3.4.
pub type Block = [Byte; 16];

/// An expanded key: of AES-128 eleven round keys, of AES-256 fifteen.
#[derive(Clone)]
pub struct RoundKeys<const KEYS: usize = 11>([Block; KEYS]);

impl RoundKeys {
    /// Key expansion of AES-128 (FIPS 197 section 5.2), 1 280 ANDs.
    pub fn expand(b: &mut Builder, key: &Block) -> RoundKeys {
        RoundKeys(expanded(b, key))
    }

    /// The round keys, to be carried from one circuit to another.
    pub fn blocks(&self) -> &[Block; 11] {
        &self.0
    }

    /// The inverse of [`RoundKeys::blocks`].
    pub fn from_blocks(round_keys: [Block; 11]) -> RoundKeys {
        RoundKeys(round_keys)
    }
}

impl RoundKeys<15> {
    /// Key expansion of AES-256 (FIPS 197 section 5.2), 1 664 ANDs.
    pub fn expand_256(b: &mut Builder, key: &[Byte; 32]) -> RoundKeys<15> {
        RoundKeys(expanded(b, key))
    }
}

impl<const KEYS: usize> RoundKeys<KEYS> {
    /// The cipher (FIPS 197 section 5.1) on one block, at most 5 120 ANDs, or 7 168 with fifteen keys: what the block shares with others is made once.
    pub fn encrypt(&self, b: &mut Builder, block: &Block) -> Block {
        let mut state = add(b, block, &self.0[0]);
        for round in 1..KEYS {
            state = state.map(|byte| sub_byte(b, byte));
            state = std::array::from_fn(|i| state[(i + 4 * (i % 4)) % 16]);
            if round < KEYS - 1 {
                state = mix_columns(b, &state);
            }
            state = add(b, &state, &self.0[round]);
        }
        state
    }

    /// Block `counter` of the key stream of GCM under a 12-byte nonce (NIST SP 800-38D sections 7.1 and 6.5); counter 1 is the block that masks
    /// the tag, data starts at 2. Blocks under one nonce share most of their first two rounds.
    pub fn key_stream(&self, b: &mut Builder, nonce: &[Byte; 12], counter: u32) -> Block {
        let counter = constant_bytes(&counter.to_be_bytes());
        let block = std::array::from_fn(|i| if i < 12 { nonce[i] } else { counter[i - 12] });
        self.encrypt(b, &block)
    }
}

/// The words of all round keys (FIPS 197, algorithm 2): the key, then of each stretch as long as the key the first word, and of a long key the fifth too, by the
/// S-box.
fn expanded<const KEYS: usize>(b: &mut Builder, key: &[Byte]) -> [Block; KEYS] {
    let mut words: Vec<[Byte; 4]> = key.as_chunks().0.to_vec();
    let (length, mut constant) = (words.len(), 1u8);
    for i in length..4 * KEYS {
        let mut word = words[i - 1];
        if i % length == 0 {
            word = std::array::from_fn(|byte| sub_byte(b, words[i - 1][(byte + 1) % 4]));
            word[0] = xor_constant(word[0], constant);
            constant = constant << 1 ^ if constant & 0x80 != 0 { 0x1b } else { 0 };
        } else if length > 6 && i % length == 4 {
            word = word.map(|byte| sub_byte(b, byte));
        }
        words.push(std::array::from_fn(|byte| xor_byte(b, words[i - length][byte], word[byte])));
    }
    std::array::from_fn(|round| std::array::from_fn(|i| words[4 * round + i / 4][i % 4]))
}

/// The nonce of record `sequence`: the IV with the number XORed into its last eight bytes (RFC 8446 section 5.3). No gates.
pub fn record_nonce(iv: &[Byte; 12], sequence: u64) -> [Byte; 12] {
    let sequence = sequence.to_be_bytes();
    std::array::from_fn(|i| if i < 4 { iv[i] } else { xor_constant(iv[i], sequence[i - 4]) })
}

fn add(b: &mut Builder, x: &Block, y: &Block) -> Block {
    std::array::from_fn(|i| xor_byte(b, x[i], y[i]))
}

fn mix_columns(b: &mut Builder, state: &Block) -> Block {
    let mut out = *state;
    for (column, mixed) in state.chunks_exact(4).zip(out.chunks_exact_mut(4)) {
        let all = column[1..].iter().fold(column[0], |all, &byte| xor_byte(b, all, byte));
        for i in 0..4 {
            let pair = xor_byte(b, column[i], column[(i + 1) % 4]);
            let doubled = double(b, pair);
            let rest = xor_byte(b, column[i], all);
            mixed[i] = xor_byte(b, rest, doubled);
        }
    }
    out
}

/// `2 * x` modulo x^8 + x^4 + x^3 + x + 1.
fn double(b: &mut Builder, x: Byte) -> Byte {
    [x[7], b.xor(x[0], x[7]), x[1], b.xor(x[2], x[7]), b.xor(x[3], x[7]), x[4], x[5], x[6]]
}

/// The S-box, 32 ANDs.
fn sub_byte(b: &mut Builder, x: Byte) -> Byte {
    let y = top_layer(b, x);
    let z = inversion(b, &y);
    bottom_layer(b, &z)
}

/// The sums of input bits that the inversion multiplies, named as in the paper; `y[0]` is its input U7.
fn top_layer(b: &mut Builder, x: Byte) -> [Lit; 22] {
    let [u7, u6, u5, u4, u3, u2, u1, u0] = x;
    let mut y = [u7; 22];
    y[14] = b.xor(u3, u5);
    y[13] = b.xor(u0, u6);
    y[9] = b.xor(u0, u3);
    y[8] = b.xor(u0, u5);
    let t0 = b.xor(u1, u2);
    y[1] = b.xor(t0, u7);
    y[4] = b.xor(y[1], u3);
    y[12] = b.xor(y[13], y[14]);
    y[2] = b.xor(y[1], u0);
    y[5] = b.xor(y[1], u6);
    y[3] = b.xor(y[5], y[8]);
    let t1 = b.xor(u4, y[12]);
    y[15] = b.xor(t1, u5);
    y[20] = b.xor(t1, u1);
    y[6] = b.xor(y[15], u7);
    y[10] = b.xor(y[15], t0);
    y[11] = b.xor(y[20], y[9]);
    y[7] = b.xor(u7, y[11]);
    y[17] = b.xor(y[10], y[11]);
    y[19] = b.xor(y[10], y[8]);
    y[16] = b.xor(t0, y[11]);
    y[21] = b.xor(y[13], y[16]);
    y[18] = b.xor(u0, y[16]);
    y
}

/// The 32 ANDs: the inversion in the tower field and the 18 products whose sums are the output.
fn inversion(b: &mut Builder, y: &[Lit; 22]) -> [Lit; 18] {
    let [t21, t22, t23, t24] = norm(b, y);
    let t25 = b.xor(t21, t22);
    let t26 = b.and(t21, t23);
    let t27 = b.xor(t24, t26);
    let t28 = b.and(t25, t27);
    let t29 = b.xor(t28, t22);
    let t30 = b.xor(t23, t24);
    let t31 = b.xor(t22, t26);
    let t32 = b.and(t31, t30);
    let t33 = b.xor(t32, t24);
    let t34 = b.xor(t23, t33);
    let t35 = b.xor(t27, t33);
    let t36 = b.and(t24, t35);
    let t37 = b.xor(t36, t34);
    let t38 = b.xor(t27, t36);
    let t39 = b.and(t29, t38);
    let t40 = b.xor(t25, t39);
    let t41 = b.xor(t40, t37);
    let t42 = b.xor(t29, t33);
    let t43 = b.xor(t29, t40);
    let t44 = b.xor(t33, t37);
    let t45 = b.xor(t42, t41);
    let inverse = [t44, t37, t33, t43, t40, t29, t42, t45, t41];
    let left = [15, 6, 0, 16, 1, 7, 11, 17, 10];
    let right = [12, 3, 4, 13, 5, 2, 9, 14, 8];
    std::array::from_fn(|i| b.and(inverse[i % 9], y[if i < 9 { left[i] } else { right[i - 9] }]))
}

/// The value in GF(2^4) whose inverse is needed, nine ANDs.
fn norm(b: &mut Builder, y: &[Lit; 22]) -> [Lit; 4] {
    let t2 = b.and(y[12], y[15]);
    let t3 = b.and(y[3], y[6]);
    let t4 = b.xor(t3, t2);
    let t5 = b.and(y[4], y[0]);
    let t6 = b.xor(t5, t2);
    let t7 = b.and(y[13], y[16]);
    let t8 = b.and(y[5], y[1]);
    let t9 = b.xor(t8, t7);
    let t10 = b.and(y[2], y[7]);
    let t11 = b.xor(t10, t7);
    let t12 = b.and(y[9], y[11]);
    let t13 = b.and(y[14], y[17]);
    let t14 = b.xor(t13, t12);
    let t15 = b.and(y[8], y[10]);
    let t16 = b.xor(t15, t12);
    let t17 = b.xor(t4, t14);
    let t18 = b.xor(t6, t16);
    let t19 = b.xor(t9, t14);
    let t20 = b.xor(t11, t16);
    [b.xor(t17, y[20]), b.xor(t18, y[19]), b.xor(t19, y[21]), b.xor(t20, y[18])]
}

/// The output bits as sums of the 18 products.
fn bottom_layer(b: &mut Builder, z: &[Lit; 18]) -> Byte {
    let t46 = b.xor(z[15], z[16]);
    let t47 = b.xor(z[10], z[11]);
    let t48 = b.xor(z[5], z[13]);
    let t49 = b.xor(z[9], z[10]);
    let t50 = b.xor(z[2], z[12]);
    let t51 = b.xor(z[2], z[5]);
    let t52 = b.xor(z[7], z[8]);
    let t53 = b.xor(z[0], z[3]);
    let t54 = b.xor(z[6], z[7]);
    let t55 = b.xor(z[16], z[17]);
    let t56 = b.xor(z[12], t48);
    let t57 = b.xor(t50, t53);
    let t58 = b.xor(z[4], t46);
    let t59 = b.xor(z[3], t54);
    let t60 = b.xor(t46, t57);
    let t61 = b.xor(z[14], t57);
    let t62 = b.xor(t52, t58);
    let t63 = b.xor(t49, t58);
    let t64 = b.xor(z[4], t59);
    let t65 = b.xor(t61, t62);
    let t66 = b.xor(z[1], t63);
    let s0 = b.xor(t59, t63);
    let s6 = !b.xor(t56, t62);
    let s7 = !b.xor(t48, t60);
    let t67 = b.xor(t64, t65);
    let s3 = b.xor(t53, t66);
    let s4 = b.xor(t51, t66);
    let s5 = b.xor(t47, t65);
    let s1 = !b.xor(t64, s3);
    let s2 = !b.xor(t55, t67);
    [s7, s6, s5, s4, s3, s2, s1, s0]
}
