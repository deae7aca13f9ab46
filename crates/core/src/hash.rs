//! The tweakable circular correlation robust hash of garbling and of correlated OT.
//!
//! TMMO: `H(x, i) = p(p(x) xor i) xor p(x)` for a fixed-key permutation `p` (Guo, Katz, Wang, Yu, "Efficient and Secure Multiparty
//! Computation from Fixed-Key Block Ciphers", ePrint 2019/074, section 7.4). `p` is AES-128 under a key that the session id determines: public, and no party chose it
//! alone. TMMO is proved for an ideal cipher under any one key, so a party that steers the id among many gains nothing.

use crate::{block::Block, cipher::Ciphers, simd};

/// The hash of one session.
#[derive(Clone)]
pub struct Tmmo(Ciphers);

impl Tmmo {
    /// With the permutation AES under `key`, which is public.
    pub fn new(key: Block) -> Tmmo {
        Tmmo(Ciphers::new(simd::level(), &[key]))
    }

    /// Replaces every `x[k]` by `H(x[k], tweaks[k])`. Two AES calls a block.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn hash(&self, x: &mut [Block], tweaks: &[Block]) {
        assert_eq!(x.len(), tweaks.len(), "a tweak for every block");
        #[cfg(feature = "tweaks")]
        seen::count(tweaks.iter().copied());
        self.0.hash(simd::level(), x, tweaks);
    }

    /// Replaces every `x[k]` by `H(x[k], first + k)`, where k is added to the low 64 bits of the tweak, without carry into the others.
    pub fn hash_run(&self, x: &mut [Block], first: Block) {
        #[cfg(feature = "tweaks")]
        seen::count((0..x.len() as u64).map(|k| Block(first.0 >> 64 << 64 | u128::from(first.low().wrapping_add(k)))));
        self.0.hash_run(simd::level(), x, first);
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
    /// MACs of opened bits.
    OpenedMac = 5,
}

/// The one place where tweaks are made: use, two parties, and a number that the session never uses twice for that use and pair.
pub fn tweak(purpose: TweakUse, a: crate::PartyId, b: crate::PartyId, number: u64) -> Block {
    Block((purpose as u128) << 120 | (a.index() as u128) << 112 | (b.index() as u128) << 104 | number as u128)
}

/// How often a thread hashes under each tweak, for tests of what the security of [`Tmmo`] rests on.
#[cfg(feature = "tweaks")]
pub mod seen {
    use crate::Block;
    use std::{cell::RefCell, collections::HashMap};

    thread_local! {
        static SEEN: RefCell<Option<HashMap<u128, u32>>> = const { RefCell::new(None) };
    }

    /// Calls `f`; its result, and how often this thread hashed under each tweak meanwhile.
    pub fn during<T>(f: impl FnOnce() -> T) -> (T, HashMap<u128, u32>) {
        SEEN.set(Some(HashMap::new()));
        let result = f();
        (result, SEEN.take().unwrap_or_default())
    }

    pub(super) fn count(tweaks: impl Iterator<Item = Block>) {
        SEEN.with_borrow_mut(|seen| {
            if let Some(seen) = seen {
                tweaks.for_each(|t| *seen.entry(t.0).or_default() += 1);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PartyId;
    use aes::Aes128Enc;
    use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};

    #[test]
    fn matches_its_formula() {
        let h = Tmmo::new(Block(11));
        let p = |x: Block| {
            let mut b = Array(x.0.to_le_bytes());
            Aes128Enc::new(&Array(11u128.to_le_bytes())).encrypt_block(&mut b);
            Block(u128::from_le_bytes(b.0))
        };
        let (x, t) = (Block(0x1234), tweak(TweakUse::HalfAnd, PartyId::new(1), PartyId::new(2), 77));
        let mut got = [x, Block(5)];
        h.hash(&mut got, &[t, Block(6)]);
        assert_eq!(got[0].0, (p(p(x) ^ t) ^ p(x)).0);
        assert_eq!(got[1].0, (p(p(Block(5)) ^ Block(6)) ^ p(Block(5))).0);
    }

    #[test]
    fn a_run_counts_in_the_low_half_of_the_tweak() {
        let h = Tmmo::new(Block(12));
        for n in [0, 1, 3, 63, 64, 65, 300] {
            let mut run: Vec<Block> = (0..n).map(|k| Block(k * k)).collect();
            let mut single = run.clone();
            let first = Block(7 << 64 | (u64::MAX - 2) as u128);
            h.hash_run(&mut run, first);
            let tweaks: Vec<Block> = (0..n as u64).map(|k| Block(7 << 64 | (u64::MAX - 2).wrapping_add(k) as u128)).collect();
            h.hash(&mut single, &tweaks);
            assert!(run.iter().zip(&single).all(|(a, b)| a.0 == b.0));
        }
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
