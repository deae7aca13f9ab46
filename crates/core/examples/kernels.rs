//! Times of the kernels at each level that the CPU has: nanoseconds a unit, and how many AES blocks of the fastest stream that is.
//!
//! `cargo run --release -p cotenant-core --example kernels`. Each figure is the least of several, as other work on the machine only adds.

use cotenant_core::{
    Block, Buffer, Words, gf64, gf128, hash::Tmmo, leaf::Tree, prg::Prg, simd, simd::Level, transpose::planes_to_rows, vector,
};
use std::hint::black_box;
use std::time::Instant;

/// Rows in a chunk of OT extension, of 128 bits each.
const ROWS: usize = 8192;

/// The least time of one call, in ns a unit.
fn time(units: usize, mut call: impl FnMut()) -> f64 {
    let calls = (400_000 / units).max(1);
    let mut least = f64::INFINITY;
    for _ in 0..60 {
        let start = Instant::now();
        (0..calls).for_each(|_| call());
        least = least.min(start.elapsed().as_secs_f64());
    }
    least * 1e9 / (calls * units) as f64
}

fn random(seed: u128, len: usize) -> Buffer {
    let mut out = Buffer::zeroed(len);
    Prg::new(Block(seed)).fill(&mut out);
    out
}

/// Name, ns a unit.
fn measure() -> Vec<(&'static str, f64)> {
    let (mut a, b, mut planes) = (random(1, ROWS), random(2, ROWS), random(3, ROWS));
    let mut words = Words::zeroed(ROWS);
    words.iter_mut().zip(b.iter()).for_each(|(w, b)| *w = b.low());
    let bits = words[..ROWS / 64].to_vec();
    let hash = Tmmo::new(Block(4));
    let trees: Vec<Tree<4>> = (0..32).map(|t| Tree::full(&random(t, 16))).collect();
    let (mut prg, mut u) = (Prg::new(Block(5)), vec![Block::ZERO; ROWS / 128]);
    let (mut low, mut sum) = (vec![0; ROWS / 64], Block::ZERO);
    let mut out = Vec::new();
    let mut row = |name, ns| out.push((name, ns));
    row("stream, a block", time(512, || prg.fill(&mut a[..512])));
    row(
        "fold of 32 trees of 16, a row of 128",
        time(ROWS, || trees.iter().zip(planes.chunks_exact_mut(4 * u.len())).for_each(|(t, c)| t.fold(7, black_box(&mut u), c))),
    );
    row("planes to rows, a row", time(ROWS, || planes_to_rows(black_box(&planes), &mut a)));
    row("product over GF(2^128)", time(512, || sum ^= gf128::inner_product(black_box(&a[..512]), &b[..512])));
    row("product over GF(2^64)", time(512, || sum.0 ^= u128::from(gf64::inner_product(black_box(&words[..512]), &words[512..1024]))));
    row("hash of 8192", time(ROWS, || hash.hash(black_box(&mut a), &b)));
    row("hash of 64", time(64, || hash.hash(black_box(&mut a[..64]), &b[..64])));
    row("hash of 32", time(32, || hash.hash(black_box(&mut a[..32]), &b[..32])));
    row("hash of 16", time(16, || hash.hash(black_box(&mut a[..16]), &b[..16])));
    row("hash of 4", time(4, || hash.hash(black_box(&mut a[..4]), &b[..4])));
    row("run of 8192 hashes", time(ROWS, || hash.hash_run(black_box(&mut a), Block(6))));
    row("xor", time(1024, || vector::xor(black_box(&mut a[..1024]), &b[..1024])));
    row("xor3", time(1024, || vector::xor3(black_box(&mut a[..1024]), &b[..1024], &planes[..1024])));
    row("xor_where", time(1024, || vector::xor_where(black_box(&mut a[..1024]), &bits[..16], &b[..1024])));
    row("add_where", time(1024, || vector::add_where(black_box(&mut a[..1024]), &bits[..16], Block(u128::MAX / 7))));
    row("low_bits", time(1024, || vector::low_bits(black_box(&a[..1024]), black_box(&mut low[..16]))));
    row("sum_low", time(1024, || vector::sum_low(black_box(&mut words[..1024]), &a[..1024])));
    let long = cotenant_core::Bits::from_words(words.to_vec(), 64 * ROWS);
    row("slice of 500 000 bits, a word", time(ROWS, || drop(black_box(long.slice(7, 64 * ROWS - 100)))));
    row("erasing, a word", time(ROWS, || drop(black_box(long.clone()))));
    black_box(sum);
    out
}

fn main() {
    let levels: Vec<Level> = Level::ALL.into_iter().filter(|&l| l <= simd::level()).collect();
    let tables: Vec<_> = levels
        .iter()
        .map(|&level| {
            simd::limit(level);
            measure()
        })
        .collect();
    let unit = tables.last().expect("the portable level is always there")[0].1;
    print!("{:38}", "ns a unit (AES blocks)");
    levels.iter().for_each(|l| print!("{:>20}", format!("{l:?}")));
    println!();
    for (n, (name, _)) in tables[0].iter().enumerate() {
        print!("{name:38}");
        tables.iter().for_each(|t| print!("{:>20}", format!("{:.3} ({:.2})", t[n].1, t[n].1 / unit)));
        println!();
    }
    let bytes = 64 << 20;
    let touch = || Buffer::<Block>::zeroed(bytes / 16).chunks_mut(256).for_each(|page| page[0] = Block(1));
    println!("buffer of 64 MiB, touched and erased: {:.3} ns a byte", time(bytes, touch));
}
