//! A 128-bit string: MAC keys, labels, seeds, field elements.

use bytemuck::{Pod, Zeroable};
use rand_core::CryptoRng;
use std::ops::{BitAnd, BitXor, BitXorAssign};
use subtle::{Choice, ConstantTimeEq};
use zeroize::DefaultIsZeroes;

/// 128 bits. Bit `i` is the coefficient of `x^i` where the block is a field element; bytes are little endian.
///
/// Most blocks are secret, so there is no `Debug` and no `==`; compare with [`ConstantTimeEq`].
#[derive(Clone, Copy, Default, Pod, Zeroable)]
#[repr(transparent)]
pub struct Block(pub u128);

impl DefaultIsZeroes for Block {}

impl Block {
    /// All bits 0.
    pub const ZERO: Block = Block(0);

    /// A uniform block.
    pub fn random(rng: &mut impl CryptoRng) -> Block {
        let mut b = [0u8; 16];
        rng.fill_bytes(&mut b);
        Block(u128::from_le_bytes(b))
    }

    /// The lowest bit.
    pub fn lsb(self) -> bool {
        self.0 & 1 == 1
    }

    /// Bit `i`, 0 <= i < 128.
    pub fn bit(self, i: usize) -> bool {
        self.0 >> i & 1 == 1
    }

    /// The block if `keep`, else 0, without a branch.
    pub fn when(self, keep: bool) -> Block {
        Block(self.0 & (keep as u128).wrapping_neg())
    }

    /// The low 64 bits.
    pub fn low(self) -> u64 {
        self.0 as u64
    }
}

impl ConstantTimeEq for Block {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl BitXor for Block {
    type Output = Block;
    fn bitxor(self, o: Block) -> Block {
        Block(self.0 ^ o.0)
    }
}

impl BitXorAssign for Block {
    fn bitxor_assign(&mut self, o: Block) {
        self.0 ^= o.0;
    }
}

impl BitAnd for Block {
    type Output = Block;
    fn bitand(self, o: Block) -> Block {
        Block(self.0 & o.0)
    }
}

/// The bytes of blocks, little endian, without copying.
pub fn as_bytes(blocks: &[Block]) -> &[u8] {
    bytemuck::cast_slice(blocks)
}

#[cfg(not(target_endian = "little"))]
compile_error!("blocks are exchanged in memory order, which this crate takes to be little endian");
