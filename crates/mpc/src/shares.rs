//! Authenticated shares: `<x>` is the exclusive or of one bit of every party, and every party's bit carries a MAC towards every other.
//!
//! Party i holds its bit b, for every other j the MAC `M_j[b]`, and for j's bit c its own key `K_i[c]`, with `M_j[b] = K_j[b] xor b * Delta_j`
//! (WRK17b section 3). The lowest bit of every Delta is 1 and that of every key 0, so the lowest bit of each MAC is the bit itself, and shares need no
//! other room for it. That bit of Delta is public; 127 secret bits are left.
//!
//! A string of shares is held by columns: all MACs towards one party, all keys of one party's bits. Linear operations are local, column by column. A public
//! constant c is added to the evaluator's bit: its MACs change in the lowest bit, and the keys that the others hold for it by `c * (Delta xor 1)`.
//!
//! Openings show every party's share on its own, so the engine keeps this invariant: every mask is a sum of fresh masks, each of which has an independent
//! uniform share at every honest party, and at least one of them in every set of wires that is opened is known to nobody else. Then the honest shares of
//! what is opened are uniform but for their sum.

use cotenant_core::{Bits, Block, PartyId, buffer::Buffer, vector};
use std::ops::Range;
use zeroize::{Zeroize, Zeroizing};

/// What a party needs to compute on shares: who it is, among how many, and its global key.
pub(crate) struct Me {
    id: PartyId,
    n: usize,
    delta: Zeroizing<Block>,
}

impl Me {
    /// # Panics
    /// If the lowest bit of `delta` is 0.
    pub(crate) fn new(id: PartyId, n: usize, delta: Block) -> Me {
        assert!(delta.lsb(), "the lowest bit of every global key is 1");
        Me { id, n, delta: Zeroizing::new(delta) }
    }

    pub(crate) fn id(&self) -> PartyId {
        self.id
    }

    pub(crate) fn n(&self) -> usize {
        self.n
    }

    pub(crate) fn erase(&mut self) {
        self.delta.zeroize();
    }

    pub(crate) fn delta(&self) -> Block {
        *self.delta
    }

    /// What a key changes by when the bit that it is for does: Delta but for its lowest bit, as keys have 0 there.
    pub(crate) fn key_shift(&self) -> Block {
        Block(self.delta.0 & !1)
    }

    /// What [`Shares::product`] changes by when `j`'s bit does: this party's own bit is in its MACs and times its Delta, another's is in a key.
    pub(crate) fn product_shift(&self, j: PartyId) -> Block {
        let own = Block(self.delta.0 ^ ((self.n - 1) & 1) as u128);
        if j == self.id { own } else { self.key_shift() }
    }

    /// Columns of a string of shares: MACs and keys for each other party.
    pub(crate) fn columns(&self) -> usize {
        2 * (self.n - 1)
    }

    /// The column of this party's MACs under `j`'s key.
    pub(crate) fn mac(&self, j: PartyId) -> usize {
        2 * (j.index() - (j > self.id) as usize)
    }

    /// The column of this party's keys for `j`'s bits.
    pub(crate) fn key(&self, j: PartyId) -> usize {
        self.mac(j) + 1
    }

    pub(crate) fn others(&self) -> impl Iterator<Item = PartyId> + Clone + use<> {
        self.id.others(self.n)
    }

    pub(crate) fn is_evaluator(&self) -> bool {
        self.id == PartyId::EVALUATOR
    }
}

/// A string of authenticated shares, as one party holds it.
pub(crate) struct Shares {
    len: usize,
    /// One column after the other.
    columns: Buffer,
}

impl Shares {
    /// `len` shares of 0 that everyone knows.
    pub(crate) fn zero(me: &Me, len: usize) -> Shares {
        Shares { len, columns: Buffer::zeroed(me.columns() * len) }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// One column: all MACs under one party's key, or all keys for one party's bits.
    pub(crate) fn column(&self, column: usize) -> &[Block] {
        &self.columns[column * self.len..][..self.len]
    }

    fn columns(&self) -> impl Iterator<Item = &[Block]> {
        self.columns.chunks_exact(self.len.max(1))
    }

    /// All columns at once; none if there are no shares.
    pub(crate) fn columns_mut(&mut self) -> impl Iterator<Item = &mut [Block]> {
        self.columns.chunks_exact_mut(self.len.max(1))
    }

    /// This party's bit of share `i`.
    pub(crate) fn bit(&self, i: usize) -> bool {
        self.column(0)[i].lsb()
    }

    /// This party's bits.
    pub(crate) fn bits(&self) -> Bits {
        self.bits_of(0..self.len())
    }

    /// This party's bits of some shares.
    pub(crate) fn bits_of(&self, range: Range<usize>) -> Bits {
        let mut words = vec![0; range.len().div_ceil(64)];
        vector::low_bits(&self.column(0)[range.clone()], &mut words);
        Bits::from_words(words, range.len())
    }

    /// This party's bits in the high halves of some pairs of shares with MACs of 64 bits.
    pub(crate) fn high_bits_of(&self, range: Range<usize>) -> Bits {
        let mut words = vec![0; range.len().div_ceil(64)];
        vector::middle_bits(&self.column(0)[range.clone()], &mut words);
        Bits::from_words(words, range.len())
    }

    /// Share `i` becomes share `from` of `other`.
    pub(crate) fn copy(&mut self, i: usize, other: &Shares, from: usize) {
        for (c, o) in self.columns_mut().zip(other.columns()) {
            c[i] = o[from];
        }
    }

    /// Adds share `from` of `other` to share `i`.
    pub(crate) fn add(&mut self, i: usize, other: &Shares, from: usize) {
        for (c, o) in self.columns_mut().zip(other.columns()) {
            c[i] ^= o[from];
        }
    }

    /// Some shares, in the order asked for.
    pub(crate) fn gather(&self, me: &Me, which: &[u32]) -> Shares {
        let mut out = Shares::zero(me, which.len());
        for (o, c) in out.columns_mut().zip(self.columns()) {
            o.iter_mut().zip(which).for_each(|(o, &w)| *o = c[w as usize]);
        }
        out
    }

    /// Shares `range` in parts of at most `most`, in order, for threads.
    pub(crate) fn parts_mut(&mut self, range: Range<usize>, most: usize) -> Vec<Part<'_>> {
        self.cut(range.clone().step_by(most).map(|from| from..range.end.min(from + most)))
    }

    /// Shares `ranges`, each behind the one before, for threads.
    pub(crate) fn cut(&mut self, ranges: impl Iterator<Item = Range<usize>> + Clone) -> Vec<Part<'_>> {
        let mut parts: Vec<Part<'_>> = ranges.clone().map(|_| Part(Vec::new())).collect();
        for column in self.columns_mut() {
            let (mut rest, mut at) = (column, 0);
            for (range, part) in ranges.clone().zip(&mut parts) {
                let (values, behind) = std::mem::take(&mut rest)[range.start - at..].split_at_mut(range.len());
                part.0.push(values);
                (rest, at) = (behind, range.end);
            }
        }
        parts
    }

    /// The exclusive or of all MACs and keys of share `i` and its bit times Delta: this party's summand of `x * Delta`, Delta the xor of all global keys.
    pub(crate) fn product(&self, me: &Me, i: usize) -> Block {
        self.columns().fold(me.delta().when(self.bit(i)), |s, c| s ^ c[i])
    }

    /// The low 64 bits of [`Shares::product`] of shares `from ..`.
    pub(crate) fn products(&self, me: &Me, from: usize, out: &mut [u64]) {
        out.fill(0);
        vector::add_where_low(out, &self.column(0)[from..][..out.len()], me.delta().low());
        self.columns().for_each(|c| vector::sum_low(out, &c[from..][..out.len()]));
    }

    /// The same of what is in the high halves.
    pub(crate) fn high_products(&self, me: &Me, from: usize, out: &mut [u64]) {
        out.fill(0);
        vector::add_where_middle(out, &self.column(0)[from..][..out.len()], me.delta().low());
        self.columns().for_each(|c| vector::sum_high(out, &c[from..][..out.len()]));
    }
}

/// Neighbouring shares of a string, by column, that one thread changes.
pub(crate) struct Part<'a>(Vec<&'a mut [Block]>);

impl<'a> Part<'a> {
    /// The columns, numbered as in [`Shares`]; none if there are no shares in the whole string.
    pub(crate) fn columns_mut(&mut self) -> impl Iterator<Item = &mut [Block]> + use<'a, '_> {
        self.0.iter_mut().map(|column| &mut **column)
    }

    /// Adds shares `from ..` of `other` to shares `to`.
    pub(crate) fn add(&mut self, to: Range<usize>, other: &Shares, from: usize) {
        for (c, o) in self.0.iter_mut().zip(other.columns()) {
            vector::xor(&mut c[to.clone()], &o[from..from + to.len()]);
        }
    }

    /// Adds shares `from ..` of `other`, each where its bit of `bits` is set, to shares `to`. The bits are public.
    pub(crate) fn add_where(&mut self, to: Range<usize>, bits: &Bits, other: &Shares, from: usize) {
        for (c, o) in self.0.iter_mut().zip(other.columns()) {
            vector::xor_where(&mut c[to.clone()], bits.words(), &o[from..from + to.len()]);
        }
    }

    /// Changes the bits of all its shares by what every party, in order, has made public.
    pub(crate) fn shift(&mut self, me: &Me, by: &[Bits]) {
        for j in me.others() {
            vector::add_where(self.0[me.mac(j)], by[me.id.index()].words(), Block(1));
            vector::add_where(self.0[me.key(j)], by[j.index()].words(), me.key_shift());
        }
    }
}
