//! Transposing square bit matrices of 128 rows: the last step of OT extension.

use crate::{block::Block, simd};

/// Transposes in place: afterwards bit `c` of `m[r]` is what bit `r` of `m[c]` was.
///
/// Exchanges off-diagonal squares of side 64, 32, … 1 (Hacker's Delight, section 7-3).
pub fn transpose_128(m: &mut [Block; 128]) {
    simd::transpose_128(bytemuck::cast_mut(m));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prg::Prg;

    #[test]
    fn moves_every_bit_to_its_place() {
        let mut m = [Block::ZERO; 128];
        Prg::new(Block(1)).fill(&mut m);
        let before = m;
        transpose_128(&mut m);
        for (r, row) in m.iter().enumerate() {
            assert!((0..128).all(|c| row.bit(c) == before[c].bit(r)));
        }
    }
}
