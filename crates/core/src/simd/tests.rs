//! Every kernel, at every level that the CPU has, against the portable one.

use super::*;
use crate::cipher::Ciphers;
use crate::prg::Prg;

const LENGTHS: [usize; 15] = [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 64, 130, 1001];

fn random(seed: u128, len: usize) -> Vec<Block> {
    let mut v = vec![Block::ZERO; len];
    Prg::new(Block(seed)).fill(&mut v);
    v
}

fn low(v: &[Block]) -> Vec<u64> {
    v.iter().map(|b| b.low()).collect()
}

/// Requires that `kernel` gives the same at all levels, for all lengths.
fn agrees<T: PartialEq>(name: &str, kernel: impl Fn(Level, usize) -> T) {
    for len in LENGTHS {
        let portable = kernel(Level::Portable, len);
        for level in Level::ALL {
            assert!(kernel(level, len) == portable, "{name} at {level:?} on {len}");
        }
    }
}

/// The same for a kernel that writes `size(len)` blocks, which hold something before.
fn writes(name: &str, size: impl Fn(usize) -> usize, kernel: impl Fn(Level, usize, &mut [Block])) {
    agrees(name, |level, len| {
        let mut out = random(99, size(len));
        kernel(level, len, &mut out);
        out.iter().map(|b| b.0).collect::<Vec<_>>()
    });
}

#[test]
fn products_agree() {
    agrees("inner_product_128", |level, n| inner_product_128(level, &random(1, n), &random(2, n)));
    agrees("inner_product_64", |level, n| inner_product_64(level, &low(&random(1, n)), &low(&random(2, n))));
}

#[test]
fn transposes_agree() {
    writes(
        "transpose_128",
        |_| 128,
        |level, _, m| transpose_128(level, bytemuck::cast_slice_mut::<Block, [[u64; 2]; 128]>(m).first_mut().unwrap()),
    );
    writes("planes_to_rows", |n| 128 * n, |level, n, rows| planes_to_rows(level, &random(1, 128 * n), rows.as_chunks_mut().0));
}

#[test]
fn fewer_rows_than_planes_have_agree() {
    writes("planes_to_rows", |n| 128 * n, |level, n, rows| planes_to_rows(level, &random(1, 128 * (n + 3)), rows.as_chunks_mut().0));
    writes(
        "planes_to_near_rows",
        |n| 128 * n,
        |level, n, rows| planes_to_near_rows(level, &random(1, 128 * (n + 3)), rows.as_chunks_mut().0),
    );
}

#[test]
fn passes_agree() {
    let bits = |n: usize| low(&random(2, n.div_ceil(64)));
    writes("xor", |n| n, |level, n, out| xor(level, out, &random(1, n)));
    writes("xor3", |n| n, |level, n, out| xor3(level, out, &random(1, n), &random(2, n)));
    writes("xor_where", |n| n, |level, n, out| xor_where(level, out, &bits(n), &random(1, n)));
    writes("add_where", |n| n, |level, n, out| add_where(level, out, &bits(n), Block(u128::MAX / 5)));
    writes("lows", |n| n, |level, n, out| lows(level, out, &random(1, n)));
    writes("add_lows", |n| n, |level, n, out| add_lows(level, out, &random(1, n)));
    writes("add_highs", |n| n, |level, n, out| add_highs(level, out, &random(1, n)));
    writes("shift", |n| n, |level, n, out| shift(level, out, &random(1, n), Block(77)));
    agrees("low_bits", |level, n| {
        let mut out = vec![u64::MAX; n.div_ceil(64)];
        low_bits(level, &random(1, n), &mut out);
        out
    });
    agrees("middle_bits", |level, n| {
        let mut out = vec![u64::MAX; n.div_ceil(64)];
        middle_bits(level, &random(1, n), &mut out);
        out
    });
    agrees("sum_low", |level, n| {
        let mut out = low(&random(3, n));
        sum_low(level, &mut out, &random(1, n));
        out
    });
    agrees("sum_high", |level, n| {
        let mut out = low(&random(3, n));
        sum_high(level, &mut out, &random(1, n));
        out
    });
    agrees("add_where_low", |level, n| {
        let mut out = low(&random(3, n));
        add_where_low(level, &mut out, &random(1, n), 77);
        out
    });
    agrees("add_where_middle", |level, n| {
        let mut out = low(&random(3, n));
        add_where_middle(level, &mut out, &random(1, n), 77);
        out
    });
    agrees("words_where", |level, n| {
        let mut out = low(&random(3, n));
        words_where(level, &mut out, &bits(n), &vec![0x1234_5678; n]);
        out
    });
    agrees("add_words_where", |level, n| {
        let mut out = low(&random(3, n));
        add_words_where(level, &mut out, &bits(n), 78);
        out
    });
}

#[test]
fn ciphers_agree() {
    let near_wrap = u64::MAX - 1;
    let cipher = |level| Ciphers::new(level, &random(4, 1));
    writes("stream", |n| n, |level, _, out| cipher(level).stream(level, 1 << 63, out));
    writes("hash", |n| n, |level, n, out| cipher(level).hash(level, out, &random(5, n)));
    writes("hash_run", |n| n, |level, _, out| cipher(level).hash_run(level, out, Block(6 << 64 | near_wrap as u128)));
    fold_agrees::<1>();
    fold_agrees::<2>();
    fold_agrees::<3>();
    fold_agrees::<4>();
    fold_agrees::<8>();
}

fn fold_agrees<const K: usize>() {
    writes(
        "fold",
        |n| (K + 1) * n,
        |level, n, out| {
            let (u, columns) = out.split_at_mut(n);
            Ciphers::new(level, &random(7, 1 << K)).fold::<K>(level, 1 << 40, u, columns);
        },
    );
}

#[test]
fn a_key_serves_at_any_level() {
    let cipher = Ciphers::new(best(), &random(8, 1));
    writes("stream", |n| n, |level, _, out| cipher.stream(level, 3, out));
}

#[test]
fn a_limit_caps_the_level() {
    assert_eq!(level(), best());
    for highest in Level::ALL {
        limit(highest);
        assert_eq!(level(), highest.min(best()));
    }
}
