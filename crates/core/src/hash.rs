//! The tweakable circular correlation robust hash of garbling and of correlated OT.
//!
//! TMMO: `H(x, i) = p(p(x) xor i) xor p(x)` for a fixed-key permutation `p` (Guo, Katz, Wang, Yu, "Efficient and Secure Multiparty
//! Computation from Fixed-Key Block Ciphers", ePrint 2019/074, section 7.4). `p` is AES-128 under a key that the session id determines: public, and no party chose it
//! alone. TMMO is proved for an ideal cipher under any one key, so a party that steers the id among many gains nothing.

use crate::block::Block;
use aes::Aes128Enc;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};

/// The hash of one session.
#[derive(Clone)]
pub struct Tmmo(Aes128Enc);

impl Tmmo {
    /// With the permutation AES under `key`, which is public.
    pub fn new(key: Block) -> Tmmo {
        Tmmo(Aes128Enc::new(&Array(key.0.to_le_bytes())))
    }

    /// Replaces every `x[k]` by `H(x[k], tweaks[k])`. Two AES calls a block.
    pub fn hash<const N: usize>(&self, x: &mut [Block; N], tweaks: &[Block; N]) {
        self.permute(x);
        let first = *x;
        for k in 0..N {
            x[k] ^= tweaks[k];
        }
        self.permute(x);
        for k in 0..N {
            x[k] ^= first[k];
        }
    }

    fn permute<const N: usize>(&self, x: &mut [Block; N]) {
        self.0.encrypt_blocks(Array::cast_slice_from_core_mut(bytemuck::cast_slice_mut::<Block, [u8; 16]>(x)));
    }
}

/// What a tweak is for; the tag is its top byte.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum TweakUse {
    /// Half-AND of a leaky triple and its correctness check, from disjoint parts of one output.
    HalfAnd = 1,
    /// First half gate, keyed by the left input.
    GateLeft = 3,
    /// Second half gate, keyed by the right input.
    GateRight = 4,
}

/// The one place where tweaks are made: use, two parties, and a number that the session never uses twice for that use and pair.
pub fn tweak(purpose: TweakUse, a: crate::PartyId, b: crate::PartyId, number: u64) -> Block {
    Block((purpose as u128) << 120 | (a.index() as u128) << 112 | (b.index() as u128) << 104 | number as u128)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PartyId;

    #[test]
    fn matches_its_formula() {
        let h = Tmmo::new(Block(11));
        let p = |x: Block| {
            let mut v = [x];
            h.permute(&mut v);
            v[0]
        };
        let (x, t) = (Block(0x1234), tweak(TweakUse::HalfAnd, PartyId::new(1), PartyId::new(2), 77));
        let mut got = [x, Block(5)];
        h.hash(&mut got, &[t, Block(6)]);
        assert_eq!(got[0].0, (p(p(x) ^ t) ^ p(x)).0);
        assert_eq!(got[1].0, (p(p(Block(5)) ^ Block(6)) ^ p(Block(5))).0);
    }

    #[test]
    fn tweaks_differ_in_every_field() {
        let p = PartyId::new;
        let all = [
            tweak(TweakUse::HalfAnd, p(0), p(1), 9),
            tweak(TweakUse::GateLeft, p(0), p(1), 9),
            tweak(TweakUse::HalfAnd, p(1), p(0), 9),
            tweak(TweakUse::HalfAnd, p(0), p(1), u64::MAX),
        ];
        for i in 0..all.len() {
            assert!((0..i).all(|j| all[i].0 != all[j].0));
        }
    }
}
