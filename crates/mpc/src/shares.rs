//! Authenticated shares: `<x>` is the exclusive or of one bit of every party, and every party's bit carries a MAC towards every other.
//!
//! Party i holds its bit b, for every other j the MAC `M_j[b]`, and for j's bit c its own key `K_i[c]`, with `M_j[b] = K_j[b] xor b * Delta_j`
//! (WRK17b section 3). Linear operations are local. A public constant is added to the evaluator's bit, and the keys that the others hold for it shift
//! by their Delta.
//!
//! Openings show every party's share on its own, so the engine keeps this invariant: every mask is a sum of fresh masks, each of which has an independent
//! uniform share at every honest party, and at least one of them in every set of wires that is opened is known to nobody else. Then the honest shares of
//! what is opened are uniform but for their sum.

use cotenant_core::{Bits, Block, PartyId};
use zeroize::{Zeroize, Zeroizing};

/// What a party needs to compute on shares: who it is, among how many, and its global key.
pub(crate) struct Me {
    id: PartyId,
    n: usize,
    delta: Zeroizing<Block>,
}

impl Me {
    pub(crate) fn new(id: PartyId, n: usize, delta: Block) -> Me {
        Me { id, n, delta: Zeroizing::new(delta) }
    }

    pub(crate) fn id(&self) -> PartyId {
        self.id
    }

    pub(crate) fn erase(&mut self) {
        self.delta.zeroize();
    }

    pub(crate) fn delta(&self) -> Block {
        *self.delta
    }

    /// Blocks in the row of one share: a MAC and a key for each other party.
    pub(crate) fn stride(&self) -> usize {
        2 * (self.n - 1)
    }

    /// Where in a row this party's MAC under `j`'s key stands.
    pub(crate) fn mac(&self, j: PartyId) -> usize {
        2 * (j.index() - (j > self.id) as usize)
    }

    /// Where in a row this party's key for `j`'s bit stands.
    pub(crate) fn key(&self, j: PartyId) -> usize {
        self.mac(j) + 1
    }

    pub(crate) fn others(&self) -> impl Iterator<Item = PartyId> + Clone + use<> {
        self.id.others(self.n)
    }

    pub(crate) fn is_evaluator(&self) -> bool {
        self.id == PartyId::EVALUATOR
    }

    /// Adds the public constant `c` to one share.
    pub(crate) fn add_public(&self, bit: &mut bool, row: &mut [Block], c: bool) {
        if self.is_evaluator() {
            *bit ^= c;
        } else {
            row[self.key(PartyId::EVALUATOR)] ^= self.delta.when(c);
        }
    }

    /// `l * Delta_me xor (xor over i of M_me[l^i])` as far as this party knows it: `B_me[l]` of the garbling equations.
    pub(crate) fn b(&self, bit: bool, row: &[Block]) -> Block {
        row.iter().skip(1).step_by(2).fold(self.delta.when(bit), |s, &k| s ^ k)
    }
}

/// A string of authenticated shares, as one party holds it.
pub(crate) struct Shares {
    stride: usize,
    bits: Bits,
    rows: Zeroizing<Vec<Block>>,
}

impl Shares {
    /// `len` shares of 0 that everyone knows.
    pub(crate) fn zero(me: &Me, len: usize) -> Shares {
        Shares { stride: me.stride(), bits: Bits::zero(len), rows: Zeroizing::new(vec![Block::ZERO; len * me.stride()]) }
    }

    /// From own bits and zero rows, to be filled by [`Shares::set_column`].
    pub(crate) fn from_bits(me: &Me, bits: Bits) -> Shares {
        let rows = Zeroizing::new(vec![Block::ZERO; bits.len() * me.stride()]);
        Shares { stride: me.stride(), bits, rows }
    }

    /// No shares, with room for `capacity`.
    pub(crate) fn with_capacity(me: &Me, capacity: usize) -> Shares {
        Shares { stride: me.stride(), bits: Bits::default(), rows: Zeroizing::new(Vec::with_capacity(capacity * me.stride())) }
    }

    /// Writes one column of rows `from ..`.
    pub(crate) fn set_column(&mut self, column: usize, from: usize, values: &[Block]) {
        let rows = self.rows[from * self.stride..].chunks_exact_mut(self.stride);
        for (row, &v) in rows.zip(values) {
            row[column] = v;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.bits.len()
    }

    pub(crate) fn bits(&self) -> &Bits {
        &self.bits
    }

    pub(crate) fn bit(&self, i: usize) -> bool {
        self.bits.get(i)
    }

    pub(crate) fn set_bit(&mut self, i: usize, v: bool) {
        self.bits.set(i, v);
    }

    pub(crate) fn row(&self, i: usize) -> &[Block] {
        &self.rows[i * self.stride..(i + 1) * self.stride]
    }

    pub(crate) fn row_mut(&mut self, i: usize) -> &mut [Block] {
        &mut self.rows[i * self.stride..(i + 1) * self.stride]
    }

    /// Appends one share.
    pub(crate) fn push(&mut self, bit: bool, row: &[Block]) {
        debug_assert_eq!(row.len(), self.stride);
        self.bits.push(bit);
        self.rows.extend_from_slice(row);
    }

    /// Appends the exclusive or of two shares.
    pub(crate) fn push_xor(&mut self, (x, a): (bool, &[Block]), (y, b): (bool, &[Block])) {
        self.bits.push(x ^ y);
        self.rows.extend(a.iter().zip(b).map(|(&p, &q)| p ^ q));
    }

    /// Share `i` as a pair.
    pub(crate) fn at(&self, i: usize) -> (bool, &[Block]) {
        (self.bit(i), self.row(i))
    }

    /// Adds another share to share `i`, or 0 if not `keep`; `keep` is public.
    pub(crate) fn add(&mut self, i: usize, (bit, row): (bool, &[Block]), keep: bool) {
        if keep {
            self.bits.set(i, self.bits.get(i) ^ bit);
            for (a, &b) in self.row_mut(i).iter_mut().zip(row) {
                *a ^= b;
            }
        }
    }

    /// Adds the public constant `c` to share `i`.
    pub(crate) fn add_public(&mut self, me: &Me, i: usize, c: bool) {
        let mut bit = self.bit(i);
        me.add_public(&mut bit, self.row_mut(i), c);
        self.set_bit(i, bit);
    }

    /// Takes the last `count` shares off.
    pub(crate) fn split_last(&mut self, count: usize) -> Shares {
        let at = self.len() - count;
        let tail =
            Shares { stride: self.stride, bits: self.bits.slice(at, count), rows: Zeroizing::new(self.rows[at * self.stride..].to_vec()) };
        self.bits = self.bits.slice(0, at);
        // The rows that go stay in spare capacity until they are overwritten or erased with the rest when it drops.
        self.rows.truncate(at * self.stride);
        tail
    }

    /// One column, in order: all MACs under one party's key, or all keys for one party's bits.
    pub(crate) fn column(&self, column: usize) -> impl Iterator<Item = Block> + '_ {
        self.rows.iter().skip(column).step_by(self.stride).copied()
    }
}
