//! Transposing square bit matrices of 128 rows: the last step of OT extension.

use crate::{block::Block, simd};

/// Transposes in place: afterwards bit `c` of `m[r]` is what bit `r` of `m[c]` was.
///
/// Exchanges off-diagonal squares of side 64, 32, … 1 (Hacker's Delight, section 7-3).
pub fn transpose_128(m: &mut [Block; 128]) {
    simd::transpose_128(simd::level(), bytemuck::cast_mut(m));
}

/// Turns 128 planes of bits into rows of 128: bit `c` of `rows[128 * g + b]` is bit `b` of block `g` of plane `c`.
///
/// A plane is `width = planes.len() / 128` blocks, plane `c` at `c * width`. There may be fewer rows than bits in a plane: those of the first blocks.
///
/// # Panics
/// If there are more, or a length is no multiple of 128.
pub fn planes_to_rows(planes: &[Block], rows: &mut [Block]) {
    simd::planes_to_rows(simd::level(), planes, tiles(planes, rows));
}

/// The same for rows that are read at once: they stay in the cache, which they pass by otherwise.
///
/// # Panics
/// As [`planes_to_rows`].
pub fn planes_to_near_rows(planes: &[Block], rows: &mut [Block]) {
    simd::planes_to_near_rows(simd::level(), planes, tiles(planes, rows));
}

fn tiles<'a>(planes: &[Block], rows: &'a mut [Block]) -> &'a mut [[Block; 128]] {
    assert!(rows.len() <= planes.len(), "at most as many rows as bits in a plane");
    let (tiles, rest) = rows.as_chunks_mut::<128>();
    assert!(rest.is_empty() && planes.len().is_multiple_of(128), "128 planes, whole blocks of them");
    tiles
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

    #[test]
    fn planes_become_rows() {
        for (width, groups) in [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (8, 8), (17, 17), (17, 6), (4, 0)] {
            let (mut planes, mut rows) = (vec![Block::ZERO; 128 * width], vec![Block::ZERO; 128 * groups]);
            Prg::new(Block(2)).fill(&mut planes);
            planes_to_rows(&planes, &mut rows);
            let mut near = vec![Block::ZERO; rows.len()];
            planes_to_near_rows(&planes, &mut near);
            assert!(rows.iter().zip(&near).all(|(row, near)| row.0 == near.0));
            for (r, row) in rows.iter().enumerate() {
                assert!((0..128).all(|c| row.bit(c) == planes[c * width + r / 128].bit(r % 128)));
            }
        }
    }
}
