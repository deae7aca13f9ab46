//! Kernels in plain code for any CPU, without branches on data.

use crate::block::Block;

super::passes::passes!(#[inline]);

/// Branch-free carry-less product.
fn clmul(a: u64, b: u64) -> u128 {
    (0..64).fold(0, |p, i| p ^ ((a as u128) << i & ((b >> i & 1) as u128).wrapping_neg()))
}

pub(super) fn inner_product_128(a: &[Block], b: &[Block]) -> (u128, u128) {
    let (mut lo, mut mid, mut hi) = (0, 0, 0);
    for (x, y) in a.iter().zip(b) {
        let ((xl, xh), (yl, yh)) = ((x.0 as u64, (x.0 >> 64) as u64), (y.0 as u64, (y.0 >> 64) as u64));
        lo ^= clmul(xl, yl);
        hi ^= clmul(xh, yh);
        mid ^= clmul(xl, yh) ^ clmul(xh, yl);
    }
    (lo ^ mid << 64, hi ^ mid >> 64)
}

pub(super) fn inner_product_64(a: &[u64], b: &[u64]) -> u128 {
    a.iter().zip(b).fold(0, |s, (&x, &y)| s ^ clmul(x, y))
}

#[inline(always)]
pub(super) fn transpose_128(m: &mut [[u64; 2]; 128]) {
    let (top, bottom) = m.split_at_mut(64);
    top.iter_mut().zip(bottom).for_each(|(a, b)| std::mem::swap(&mut a[1], &mut b[0]));
    exchange::<32>(m, 0x0000_0000_ffff_ffff);
    exchange::<16>(m, 0x0000_ffff_0000_ffff);
    exchange::<8>(m, 0x00ff_00ff_00ff_00ff);
    exchange::<4>(m, 0x0f0f_0f0f_0f0f_0f0f);
    exchange::<2>(m, 0x3333_3333_3333_3333);
    exchange::<1>(m, 0x5555_5555_5555_5555);
}

/// In every block of twice `SIDE` rows exchanges the upper right squares of side `SIDE` with the lower left ones, which `mask` shows.
#[inline(always)]
fn exchange<const SIDE: usize>(m: &mut [[u64; 2]; 128], mask: u64) {
    for rows in m.chunks_exact_mut(2 * SIDE) {
        let (top, bottom) = rows.as_flattened_mut().split_at_mut(2 * SIDE);
        for (a, b) in top.iter_mut().zip(bottom) {
            let t = (*a >> SIDE ^ *b) & mask;
            *a ^= t << SIDE;
            *b ^= t;
        }
    }
}

#[inline(always)]
pub(super) fn planes_to_rows(planes: &[Block], rows: &mut [[Block; 128]]) {
    let width = planes.len() / 128;
    for (g, rows) in rows.iter_mut().enumerate() {
        rows.iter_mut().zip(planes[g..].iter().step_by(width)).for_each(|(r, &p)| *r = p);
        transpose_128(bytemuck::cast_mut(rows));
    }
}

pub(super) fn planes_to_near_rows(planes: &[Block], rows: &mut [[Block; 128]]) {
    planes_to_rows(planes, rows);
}
