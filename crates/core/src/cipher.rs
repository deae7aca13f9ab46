//! AES-128 under one key or many: the kernels of [`simd`], or where the CPU has none, the constant-time code of the crate `aes`.

use crate::{block::Block, simd, simd::Level};
use aes::Aes128Enc;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use zeroize::Zeroizing;

/// Blocks that the portable code takes at a time.
const TILE: usize = 32;

/// The ciphers of some keys. Erased when dropped.
#[derive(Clone)]
pub(crate) struct Ciphers(Form);

#[derive(Clone)]
enum Form {
    Rounds(Vec<simd::Rounds>),
    Crate(Vec<Aes128Enc>),
}

impl Ciphers {
    /// The ciphers of `keys`, for kernels of at most `level`.
    pub(crate) fn new(level: Level, keys: &[Block]) -> Ciphers {
        let portable = || keys.iter().map(|k| Aes128Enc::new(&Array(k.0.to_le_bytes()))).collect();
        Ciphers(simd::expand(level, keys).map_or_else(|| Form::Crate(portable()), Form::Rounds))
    }

    /// Writes the blocks of the first key's stream from number `counter` on: AES-CTR, the number a little-endian integer of 128 bits.
    pub(crate) fn stream(&self, level: Level, counter: u64, out: &mut [Block]) {
        match &self.0 {
            Form::Rounds(keys) => simd::stream(level, &keys[0], counter, out),
            Form::Crate(keys) => stream(&keys[0], counter, out),
        }
    }

    /// See [`crate::leaf::Tree::fold`], for 2^K keys.
    pub(crate) fn fold<const K: usize>(&self, level: Level, counter: u64, u: &mut [Block], columns: &mut [Block]) {
        match &self.0 {
            Form::Rounds(keys) => simd::fold::<K>(level, keys, counter, u, columns),
            Form::Crate(keys) => fold::<K>(keys, counter, u, columns),
        }
    }

    /// See [`crate::hash::Tmmo::hash`]; the permutation is the first key's.
    pub(crate) fn hash(&self, level: Level, x: &mut [Block], tweaks: &[Block]) {
        match &self.0 {
            Form::Rounds(keys) => simd::hash(level, &keys[0], x, tweaks),
            Form::Crate(keys) => hash(&keys[0], x, tweaks.iter().copied()),
        }
    }

    /// See [`crate::hash::Tmmo::hash_run`]; the permutation is the first key's.
    pub(crate) fn hash_run(&self, level: Level, x: &mut [Block], first: Block) {
        let run = |k: u64| Block(first.0 >> 64 << 64 | first.low().wrapping_add(k) as u128);
        match &self.0 {
            Form::Rounds(keys) => simd::hash_run(level, &keys[0], x, first),
            Form::Crate(keys) => hash(&keys[0], x, (0..).map(run)),
        }
    }
}

fn encrypt(key: &Aes128Enc, x: &mut [Block]) {
    key.encrypt_blocks(Array::cast_slice_from_core_mut(bytemuck::cast_slice_mut::<Block, [u8; 16]>(x)));
}

fn stream(key: &Aes128Enc, counter: u64, out: &mut [Block]) {
    out.iter_mut().zip(counter..).for_each(|(b, n)| *b = Block(n.into()));
    encrypt(key, out);
}

fn fold<const K: usize>(keys: &[Aes128Enc], counter: u64, u: &mut [Block], columns: &mut [Block]) {
    let width = u.len();
    u.fill(Block::ZERO);
    columns.fill(Block::ZERO);
    let mut tile = Zeroizing::new([Block::ZERO; TILE]);
    for from in (0..width).step_by(TILE) {
        let tile = &mut tile[..TILE.min(width - from)];
        for (place, key) in keys.iter().enumerate() {
            stream(key, counter + from as u64, tile);
            let add = |sum: &mut [Block]| sum[from..].iter_mut().zip(&*tile).for_each(|(a, b)| *a ^= *b);
            add(u);
            columns.chunks_exact_mut(width).enumerate().filter(|(l, _)| place >> l & 1 == 1).for_each(|(_, c)| add(c));
        }
    }
}

fn hash(key: &Aes128Enc, x: &mut [Block], mut tweaks: impl Iterator<Item = Block>) {
    let mut first = Zeroizing::new([Block::ZERO; TILE]);
    for x in x.chunks_mut(TILE) {
        let first = &mut first[..x.len()];
        encrypt(key, x);
        first.copy_from_slice(x);
        x.iter_mut().zip(&mut tweaks).for_each(|(x, t)| *x ^= t);
        encrypt(key, x);
        x.iter_mut().zip(first).for_each(|(x, f)| *x ^= *f);
    }
}
