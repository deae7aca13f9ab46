//! Masks and tables of one segment: the function-dependent part, which needs no value.
//!
//! Half gates under authenticated masks for any number of garblers (KRRW18 section 5; the rows between garblers as in YWZ20 section 5, three here where it
//! sends four). For gate g with inputs a, b, `l* = l_a*l_b ^ l_g`, and `B_j[l] = l^j*Delta_j ^ (^ over i != j of K_j[l^i])`, garbler j sends the evaluator
//!
//! ```text
//! G_0 = H(L_a0) ^ H(L_a1) ^ B_j[l_b]            H keyed by the gate and the left or right side, L_x1 = L_x0 ^ Delta_j
//! G_1 = H(L_b0) ^ H(L_b1) ^ B_j[l_a] ^ L_a0     L_g0 := H(L_a0) ^ H(L_b0) ^ B_j[l*]
//! b_g = lsb(L_g0), j = P2 only, whose L_g0 then gets 0 there
//! ```
//!
//! and for every other garbler k, under tweaks of that pair: `C_0 = H(L_a0) ^ H(L_a1) ^ M_k[l_b^j]`, `C_1 = H(L_b0) ^ H(L_b1) ^ M_k[l_a^j]`,
//! `C_2 = H(L_a0) ^ H(L_b0) ^ M_k[l*^j]`.
//!
//! The lowest bit of all of P2's labels for masked value 0 is 0, and that of its Delta is 1: so the lowest bit of an active label of P2 is the wire's masked
//! value, and the evaluator carries no other. Nobody learns anything by it: b_g is sent anyway, as the evaluator needs it to read the masked value off the
//! label, and both sides move it out of the label; where a label is not a gate's, its lowest bit is drawn as 0 instead of being sent.
//!
//! A wire that is public at run time has mask 0, so a gate with a public input needs no triple, and one with two needs no mask either.

mod messages;

use messages::STRETCH;
pub(crate) use messages::{receive_tables, walk};

use crate::{
    shares::{Me, Part, Shares},
    slots::Slots,
    waves::waves,
    wires::Wires,
    workers::Workers,
};
use cotenant_circuit::{AndKind, Circuit, Gate, Output, RUN};
use cotenant_core::{
    Bits, Block, PartyId, block,
    buffer::Buffer,
    hash::{Tmmo, TweakUse, tweak},
};
use std::{
    ops::{BitXor, Deref, Range},
    sync::Arc,
};
use zeroize::{DefaultIsZeroes, Zeroizing};

/// A circuit in the plan and where it is wired.
pub(crate) struct Planned {
    pub(crate) circuit: Arc<Circuit>,
    pub(crate) inputs: Vec<u32>,
    pub(crate) outputs: Range<u32>,
}

/// The masks of all ANDs of a plan: first those of two secrets, then those with a public operand; each kind in order of gates. Negated inputs already carry
/// their constant.
pub(crate) struct Masks {
    pub(crate) left: Shares,
    pub(crate) right: Shares,
    /// l* of the text. Where a product is missing, it holds l_g.
    pub(crate) star: Shares,
}

/// Where the ANDs of one segment stand in [`Masks`]: of two secrets, and with a public operand. What else a segment has for each AND is in this order too.
#[derive(Clone)]
pub(crate) struct Places {
    pub(crate) full: Range<usize>,
    pub(crate) cheap: Range<usize>,
}

impl Places {
    /// The number of ANDs.
    pub(crate) fn len(&self) -> usize {
        self.full.len() + self.cheap.len()
    }

    /// The same places, each kind counted from the segment's first.
    fn within(&self) -> Places {
        Places { full: 0..self.full.len(), cheap: 0..self.cheap.len() }
    }

    /// All places in stretches of at most `most`: the first one in the plan, its number in the segment, how many.
    pub(crate) fn stretches(&self, most: usize) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let kinds = [(self.full.clone(), 0), (self.cheap.clone(), self.full.len())];
        let cut = move |(range, at): (Range<usize>, usize)| {
            range.clone().step_by(most).map(move |p| (p, at + p - range.start, most.min(range.end - p)))
        };
        kinds.into_iter().flat_map(cut)
    }

    /// Starts to give gates their places.
    pub(crate) fn cursor(&self) -> Cursor {
        let first = |range: &Range<usize>, at| Next { place: range.start, at };
        Cursor { full: first(&self.full, 0), cheap: first(&self.cheap, self.full.len()) }
    }
}

/// Gives the ANDs of a segment their places, run by run.
pub(crate) struct Cursor {
    full: Next,
    cheap: Next,
}

/// Where the next AND of a kind stands.
#[derive(Clone, Copy)]
struct Next {
    /// In the plan.
    place: usize,
    /// In the segment.
    at: usize,
}

/// ANDs of one run that follow each other in their places too.
#[derive(Clone)]
pub(crate) struct Piece {
    /// Their numbers in the run.
    pub(crate) gates: Range<usize>,
    /// The place of the first in the plan.
    pub(crate) place: usize,
    /// Its number in the segment, in order of places.
    pub(crate) at: usize,
}

impl Cursor {
    /// The next run: its ANDs of two secrets, and those with a public operand.
    #[inline]
    pub(crate) fn next(&mut self, ands: &[Gate]) -> [Piece; 2] {
        let full = ands.partition_point(|and| and.and_kind() == Some(AndKind::Full));
        [(&mut self.full, 0..full), (&mut self.cheap, full..ands.len())].map(|(next, gates)| {
            let Next { place, at } = *next;
            *next = Next { place: place + gates.len(), at: at + gates.len() };
            Piece { gates, place, at }
        })
    }
}

/// A segment ready to be evaluated, at one party. Evaluation consumes it.
pub(crate) struct Garbled {
    pub(crate) planned: Planned,
    pub(crate) places: Places,
    /// Number of the first gate's tweaks.
    pub(crate) tweaks: u64,
    /// At the evaluator.
    pub(crate) tables: Option<Tables>,
}

/// What the garblers sent for one segment, in order of gates.
pub(crate) struct Tables {
    /// Of each garbler, in order.
    pub(crate) rows: Vec<Rows>,
    /// b_g of each gate, from P2.
    pub(crate) b: Bits,
}

/// Rows in memory that the segments after it share: large pieces, as those that batches of products leave.
pub(crate) struct Rows {
    pub(crate) memory: Arc<Buffer>,
    pub(crate) range: Range<usize>,
}

impl Deref for Rows {
    type Target = [Block];

    fn deref(&self) -> &[Block] {
        &self.memory[self.range.clone()]
    }
}

/// Blocks that a garbler sends for one gate.
pub(crate) fn rows_per_gate(n: usize) -> usize {
    2 + 3 * (n - 2)
}

/// What a party holds of one share in common with one other party: its MAC and its key.
#[derive(Clone, Copy, Default)]
struct Pair([Block; 2]);

impl DefaultIsZeroes for Pair {}

impl BitXor for Pair {
    type Output = Pair;
    #[inline]
    fn bitxor(self, o: Pair) -> Pair {
        Pair([self.0[0] ^ o.0[0], self.0[1] ^ o.0[1]])
    }
}

impl Pair {
    #[inline]
    fn when(self, keep: bool) -> Pair {
        Pair([self.0[0].when(keep), self.0[1].when(keep)])
    }

    /// What a share of the constant 1 is.
    fn one(me: &Me, other: PartyId) -> Pair {
        match (me.is_evaluator(), other == PartyId::EVALUATOR) {
            (true, _) => Pair([Block(1), Block::ZERO]),
            (_, true) => Pair([Block::ZERO, me.key_shift()]),
            _ => Pair::default(),
        }
    }
}

/// The columns of some shares that one other party is concerned with: of keys after that of MACs.
struct Columns<'a>([&'a mut [Block]; 2]);

impl<'a> Columns<'a> {
    fn of(columns: impl Iterator<Item = &'a mut [Block]>, me: &Me, other: PartyId) -> Columns<'a> {
        let mut columns = columns.skip(me.mac(other));
        Columns([(); 2].map(|()| columns.next().unwrap_or_default()))
    }

    #[inline]
    fn get(&self, i: usize) -> Pair {
        Pair([self.0[0][i], self.0[1][i]])
    }

    #[inline]
    fn set(&mut self, i: usize, Pair([mac, key]): Pair) {
        self.0[0][i] = mac;
        self.0[1][i] = key;
    }
}

/// Walks a plan's segments with masks, those side by side that do not wait for each other. Before, `masks.star` holds a fresh random `<l_g>` at all their places;
/// after, left and right are filled, star is l* of the ANDs with a public operand, whose product is linear, and all wires have their masks.
pub(crate) fn mask_all(
    me: &Me,
    workers: &Workers,
    segments: Vec<(Planned, Places)>,
    wires: &mut Wires,
    masks: &mut Masks,
) -> Vec<(Planned, Places)> {
    let mut walked = Vec::with_capacity(segments.len());
    for wave in waves(segments, workers.threads(), |(planned, _)| planned) {
        let [left, right, star] = [&mut masks.left, &mut masks.right, &mut masks.star].map(|shares| by_segment(shares, &wave));
        let items = wave.iter().zip(left).zip(right).zip(star).map(|(((segment, left), right), star)| (segment, [left, right, star]));
        let given: &Wires = wires;
        let outputs = workers.map(items.collect(), |((planned, places), parts)| mask(me, planned, places, given, parts));
        for ((planned, _), outputs) in wave.iter().zip(outputs) {
            for (j, of_party) in me.others().zip(outputs.chunks(planned.outputs.len().max(1))) {
                let mut to = Columns::of(wires.masks.columns_mut(), me, j);
                planned.outputs.clone().zip(of_party).for_each(|(w, &mask)| to.set(w as usize, mask));
            }
        }
        walked.extend(wave);
    }
    walked
}

/// The shares of each segment of a wave: those of its ANDs of two secrets, and of those with a public operand.
fn by_segment<'a>(shares: &'a mut Shares, wave: &[(Planned, Places)]) -> Vec<[Part<'a>; 2]> {
    let ranges = wave.iter().map(|(_, places)| places.full.clone()).chain(wave.iter().map(|(_, places)| places.cheap.clone()));
    let mut full = shares.cut(ranges);
    let cheap = full.split_off(wave.len());
    full.into_iter().zip(cheap).map(|(full, cheap)| [full, cheap]).collect()
}

/// Walks one segment with masks, given those of its ANDs: left, right and star. The masks of its outputs, party by party.
///
/// Masks are linear, so the columns of each other party are walked for themselves.
fn mask(me: &Me, planned: &Planned, places: &Places, wires: &Wires, mut parts: [[Part<'_>; 2]; 3]) -> Zeroizing<Vec<Pair>> {
    let circuit = &planned.circuit;
    let mut slots = Slots::new(circuit);
    let mut outputs = Zeroizing::new(Vec::with_capacity(circuit.outputs().len() * (me.n() - 1)));
    for j in me.others() {
        let one = Pair::one(me, j);
        let [macs, keys] = [me.mac(j), me.key(j)].map(|column| wires.masks.column(column));
        for (slot, &w) in planned.inputs.iter().enumerate() {
            slots.set(slot, Pair([macs[w as usize], keys[w as usize]]));
        }
        let masks = parts.each_mut().map(|kinds| kinds.each_mut().map(|part| Columns::of(part.columns_mut(), me, j)));
        mask_ands(circuit, places.within().cursor(), one, &mut slots, masks);
        outputs.extend(circuit.outputs().iter().map(|output| match *output {
            Output::Slot { slot, neg } => slots.get(slot) ^ one.when(neg),
            Output::Const(c) => one.when(c),
        }));
    }
    outputs
}

/// The gates of [`mask`]. With a public right input, whose mask is 0 or, negated, 1, the product is 0 or the left mask.
fn mask_ands(
    circuit: &Circuit,
    mut cursor: Cursor,
    one: Pair,
    slots: &mut Slots<Pair>,
    [mut left, mut right, mut star]: [[Columns<'_>; 2]; 3],
) {
    for run in circuit.runs() {
        slots.xors(run.xors);
        for (kind, piece) in cursor.next(run.ands).into_iter().enumerate() {
            let [left, right, star] = [&mut left[kind], &mut right[kind], &mut star[kind]];
            for (gate, place) in run.ands[piece.gates].iter().zip(piece.place..) {
                let (a, b) = (slots.get(gate.a()) ^ one.when(gate.a_neg()), slots.get(gate.b()) ^ one.when(gate.b_neg()));
                left.set(place, a);
                right.set(place, b);
                let out = if gate.and_kind() == Some(AndKind::Public) { Pair::default() } else { star.get(place) };
                if gate.and_kind() != Some(AndKind::Full) {
                    star.set(place, out ^ a.when(gate.b_neg()));
                }
                slots.set(gate.out(), out);
            }
        }
    }
}

/// A garbler on its way through a circuit.
struct Garbler<'a> {
    me: &'a Me,
    hash: &'a Tmmo,
    /// The other garblers.
    peers: Vec<PartyId>,
    /// Columns of left, right and star masks.
    masks: [Vec<&'a [Block]>; 3],
    cursor: Cursor,
    /// Of the next gate's tweaks.
    number: u64,
    /// For masked value 0, by slot.
    labels: Slots<Block>,
    /// b_g since the last message, and how many.
    b: (Bits, usize),
    tile: Zeroizing<GarblerTile>,
    tweaks: [[Block; 4]; RUN],
    /// Of a run.
    rows: Vec<Block>,
}

/// Secrets of the gates of one run.
#[derive(Default, zeroize::Zeroize)]
struct GarblerTile {
    /// Labels for masked value 0 of the left and the right input.
    labels: [[Block; 2]; RUN],
    /// `B_me` of l_a, l_b and l*.
    b: [[Block; RUN]; 3],
    hashes: [[Block; 4]; RUN],
}

impl<'a> Garbler<'a> {
    fn new(me: &'a Me, hash: &'a Tmmo, circuit: &Circuit, places: &Places, masks: &'a Masks, number: u64) -> Garbler<'a> {
        let columns = |shares: &'a Shares| (0..me.columns()).map(|c| shares.column(c)).collect();
        Garbler {
            me,
            hash,
            peers: me.others().filter(|&j| j != PartyId::EVALUATOR).collect(),
            masks: [&masks.left, &masks.right, &masks.star].map(columns),
            cursor: places.cursor(),
            number,
            labels: Slots::new(circuit),
            b: (Bits::zero(STRETCH + RUN), 0),
            tile: Zeroizing::default(),
            tweaks: Default::default(),
            rows: vec![Block::ZERO; RUN * rows_per_gate(me.n())],
        }
    }

    /// Garbles the ANDs of a run and appends their rows.
    fn run(&mut self, ands: &[Gate], message: &mut Vec<u8>) {
        let tile = &mut *self.tile;
        for (labels, gate) in tile.labels.iter_mut().zip(ands) {
            *labels = [self.labels.get(gate.a()), self.labels.get(gate.b())];
        }
        self.hash_labels(self.me.id(), ands.len());
        let pieces = self.cursor.next(ands);
        pieces.iter().for_each(|piece| self.add_masks(piece));
        self.own_rows(ands);
        for k in 0..self.peers.len() {
            self.hash_labels(self.peers[k], ands.len());
            pieces.iter().for_each(|piece| self.rows_for(k, piece));
        }
        message.extend_from_slice(block::as_bytes(&self.rows[..ands.len() * rows_per_gate(self.me.n())]));
        self.number += ands.len() as u64;
    }

    /// Hashes both labels of both inputs of `count` gates under the tweaks of this party and `other`.
    fn hash_labels(&mut self, other: PartyId, count: usize) {
        let (tile, delta) = (&mut *self.tile, self.me.delta());
        let [left, right] = [TweakUse::GateLeft, TweakUse::GateRight].map(|side| tweak(side, self.me.id(), other, self.number));
        for (((h, &[a, b]), tweaks), k) in tile.hashes.iter_mut().zip(&tile.labels).zip(&mut self.tweaks).zip(0..) {
            *h = [a, a ^ delta, b, b ^ delta];
            let (left, right) = (Block(left.0 + k), Block(right.0 + k));
            *tweaks = [left, left, right, right];
        }
        self.hash.hash(tile.hashes[..count].as_flattened_mut(), self.tweaks[..count].as_flattened());
    }

    /// `B_me` of the masks of some gates.
    #[inline]
    fn add_masks(&mut self, piece: &Piece) {
        let (delta, count) = (self.me.delta(), piece.gates.len());
        for (columns, b) in self.masks.iter().zip(&mut self.tile.b) {
            let b = &mut b[piece.gates.clone()];
            b.iter_mut().zip(&columns[0][piece.place..][..count]).for_each(|(b, mac)| *b = delta.when(mac.lsb()));
            for keys in columns[1..].iter().step_by(2) {
                b.iter_mut().zip(&keys[piece.place..][..count]).for_each(|(b, &key)| *b ^= key);
            }
        }
    }

    /// The half gates' rows, and the labels of the outputs.
    fn own_rows(&mut self, ands: &[Gate]) {
        let per_gate = rows_per_gate(self.me.n());
        let shows_value = self.me.id() == PartyId::new(1);
        let [left, right, star] = &self.tile.b;
        let mut b = 0;
        let gates = ands.iter().zip(&self.tile.hashes).zip(&self.tile.labels).zip(left).zip(right).zip(star);
        let rows = self.rows.chunks_exact_mut(per_gate);
        for (((((((gate, &[a0, a1, b0, b1]), &[la, _]), &left), &right), &star), rows), k) in gates.zip(rows).zip(0..) {
            rows[0] = a0 ^ a1 ^ right;
            rows[1] = b0 ^ b1 ^ left ^ la;
            let mut label = a0 ^ b0 ^ star;
            if shows_value {
                b |= (label.low() & 1) << k;
                label.0 &= !1;
            }
            self.labels.set(gate.out(), label);
        }
        self.b.0.set_word(self.b.1, ands.len(), b);
        self.b.1 += ands.len();
    }

    fn take_b(&mut self) -> Bits {
        self.b.0.slice(0, std::mem::take(&mut self.b.1))
    }

    /// The rows of some gates for the `k`-th other garbler.
    fn rows_for(&mut self, k: usize, piece: &Piece) {
        let per_gate = rows_per_gate(self.me.n());
        let [left, right, star] = self.masks.each_ref().map(|m| &m[self.me.mac(self.peers[k])][piece.place..]);
        let gates = self.tile.hashes[piece.gates.clone()].iter().zip(left).zip(right).zip(star);
        let rows = self.rows[piece.gates.start * per_gate..].chunks_exact_mut(per_gate);
        for ((((&[a0, a1, b0, b1], &left), &right), &star), rows) in gates.zip(rows) {
            rows[2 + 3 * k..][..3].copy_from_slice(&[a0 ^ a1 ^ right, b0 ^ b1 ^ left, a0 ^ b0 ^ star]);
        }
    }
}

#[cfg(test)]
mod tests;
