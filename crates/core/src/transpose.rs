//! Transposing square bit matrices of 128 rows: the last step of OT extension.

use crate::block::Block;

/// Transposes in place: afterwards bit `c` of `m[r]` is what bit `r` of `m[c]` was.
///
/// Exchanges off-diagonal squares of side 64, 32, … 1 (Hacker's Delight, section 7-3), 7 * 64 word exchanges.
pub fn transpose_128(m: &mut [Block; 128]) {
    let mut side = 64;
    let mut mask = u128::MAX >> 64;
    while side > 0 {
        for top in (0..128).step_by(2 * side) {
            for r in top..top + side {
                let (a, b) = (m[r].0, m[r + side].0);
                let t = (a >> side ^ b) & mask;
                m[r].0 = a ^ t << side;
                m[r + side].0 = b ^ t;
            }
        }
        side /= 2;
        mask ^= mask << side;
    }
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
        for r in 0..128 {
            assert!((0..128).all(|c| m[r].bit(c) == before[c].bit(r)));
        }
    }
}
