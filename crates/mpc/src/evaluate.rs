//! Evaluating one segment: the evaluator's walk over labels, and everyone's view of the masked values that came out.
//!
//! With x = masked value of the left input and y of the right, the evaluator computes for every garbler j, and between garblers i, j,
//!
//! ```text
//! T_ij = H(L^i_a) ^ x*C_0 ^ H(L^i_b) ^ y*C_1 ^ C_2                           (= M_j[t^i] of the zero test)
//! L^j  = H(L^j_a) ^ x*(G_0 ^ M_j[l_b^1]) ^ H(L^j_b) ^ y*(G_1 ^ L^j_a ^ M_j[l_a^1]) ^ M_j[l*^1] ^ (^ over i of T_ij)     ^ b_g if j is P2
//! masked value = lsb(L^P2)
//! ```
//!
//! which telescopes to `L^j_g0 ^ masked value * Delta_j`.

use crate::{
    garble::{Cursor, Garbled, Masks, Piece, rows_per_gate},
    shares::{Me, Shares},
    slots::Slots,
    wires::Wires,
};
use cotenant_circuit::{Gate, Output, RUN};
use cotenant_core::{
    Bits, Block, PartyId,
    buffer::Buffer,
    hash::{Tmmo, TweakUse, tweak},
};
use std::ops::Range;
use zeroize::Zeroizing;

/// Masked values of a segment's ANDs in order of their places, not yet authenticated.
pub(crate) struct Evaluated {
    pub(crate) left: Bits,
    pub(crate) right: Bits,
    pub(crate) out: Bits,
    /// At the evaluator, for n > 2: for each garbler j and each AND the xor over i of T_ij.
    pub(crate) proofs: Vec<Buffer>,
}

impl Evaluated {
    fn new(ands: usize) -> Evaluated {
        Evaluated { left: Bits::zero(ands), right: Bits::zero(ands), out: Bits::zero(ands), proofs: Vec::new() }
    }
}

/// What a walk finds out.
pub(crate) struct Walked {
    pub(crate) values: Evaluated,
    /// Masked values of the outputs, and at the evaluator the active labels of each, which nobody may use before they are authenticated.
    outputs: Bits,
    labels: Zeroizing<Vec<Block>>,
}

impl Walked {
    /// Gives the outputs what was found; the rest.
    pub(crate) fn end(self, outputs: Range<u32>, wires: &mut Wires) -> Evaluated {
        let width = self.labels.len() / self.outputs.len().max(1);
        for (k, w) in outputs.enumerate() {
            wires.set_value(w, self.outputs.get(k));
            if width > 0 {
                wires.set_labels(w, &self.labels[k * width..][..width]);
            }
        }
        self.values
    }
}

/// The evaluator's walk.
pub(crate) fn evaluate(me: &Me, hash: &Tmmo, garbled: &Garbled, masks: &Masks, wires: &Wires) -> Walked {
    let circuit = &garbled.planned.circuit;
    let mut walk = Evaluator::new(me, hash, garbled, masks);
    for (slot, &w) in garbled.planned.inputs.iter().enumerate() {
        walk.labels.iter_mut().zip(wires.labels(w)).for_each(|(labels, &l)| labels.set(slot, l));
    }
    for run in circuit.runs() {
        walk.labels.iter_mut().for_each(|labels| labels.xors(run.xors));
        walk.run(run.ands);
    }
    let active = |output: &Output, labels: &Slots<Block>| match *output {
        // a negation is in the mask, so it changes neither masked value nor label; those of a constant are 0
        Output::Slot { slot, .. } => labels.get(slot),
        Output::Const(_) => Block::ZERO,
    };
    let outputs = circuit.outputs();
    let mut labels = Zeroizing::new(Vec::with_capacity(outputs.len() * walk.labels.len()));
    labels.extend(outputs.iter().flat_map(|output| walk.labels.iter().map(move |labels| active(output, labels))));
    let outputs = labels.iter().step_by(walk.labels.len()).map(|of_p2| of_p2.lsb()).collect();
    Walked { values: walk.evaluated, outputs, labels }
}

/// The evaluator on its way through a circuit.
struct Evaluator<'a> {
    hash: &'a Tmmo,
    /// What each garbler sent, by garbler, and b_g of P2's.
    rows: Vec<&'a [Block]>,
    b: &'a Bits,
    /// MAC columns of left, right and star masks, by garbler.
    masks: [Vec<&'a [Block]>; 3],
    cursor: Cursor,
    /// Gates that have been evaluated.
    done: usize,
    /// Of the first gate's tweaks.
    first: u64,
    /// Active, by garbler and slot.
    labels: Vec<Slots<Block>>,
    tile: Zeroizing<Tile>,
    tweaks: [[Block; 2]; RUN],
    evaluated: Evaluated,
}

/// Secrets of the gates of one run.
#[derive(zeroize::Zeroize)]
struct Tile {
    /// Active labels of the left and the right input, by garbler.
    labels: Vec<[[Block; 2]; RUN]>,
    /// Active labels of the output, by garbler.
    out: Vec<[Block; RUN]>,
    /// Of the labels of one garbler.
    hashes: [[Block; 2]; RUN],
    /// Masked values of the left and the right inputs: all bits 1, or 0.
    values: [[Block; 2]; RUN],
}

impl<'a> Evaluator<'a> {
    fn new(me: &Me, hash: &'a Tmmo, garbled: &'a Garbled, masks: &'a Masks) -> Evaluator<'a> {
        let (circuit, garblers) = (&garbled.planned.circuit, me.n() - 1);
        let tables = garbled.tables.as_ref().expect("the evaluator has tables");
        let ands = garbled.places.len();
        let columns = |shares: &'a Shares| me.others().map(|j| shares.column(me.mac(j))).collect();
        let mut evaluated = Evaluated::new(ands);
        if garblers > 1 {
            evaluated.proofs = (0..garblers).map(|_| Buffer::zeroed(ands)).collect();
        }
        let (labels, out) = (vec![Default::default(); garblers], vec![Default::default(); garblers]);
        Evaluator {
            hash,
            rows: tables.rows.iter().map(|rows| &rows[..]).collect(),
            b: &tables.b,
            masks: [&masks.left, &masks.right, &masks.star].map(columns),
            cursor: garbled.places.cursor(),
            done: 0,
            first: garbled.tweaks,
            labels: vec![Slots::new(circuit); garblers],
            tile: Zeroizing::new(Tile { labels, out, hashes: Default::default(), values: Default::default() }),
            tweaks: Default::default(),
            evaluated,
        }
    }

    fn run(&mut self, ands: &[Gate]) {
        let garblers = self.labels.len();
        let pieces = self.cursor.next(ands);
        for (labels, slots) in self.tile.labels.iter_mut().zip(&self.labels) {
            labels.iter_mut().zip(ands).for_each(|(l, gate)| *l = [slots.get(gate.a()), slots.get(gate.b())]);
        }
        self.read_values(&pieces);
        for j in 0..garblers {
            self.hash_labels(j, j, ands.len());
            pieces.iter().for_each(|piece| self.half_gates(j, piece));
        }
        for (i, j) in (0..garblers).flat_map(|i| (0..garblers).map(move |j| (i, j))).filter(|(i, j)| i != j) {
            self.hash_labels(i, j, ands.len());
            pieces.iter().for_each(|piece| self.between(i, j, piece));
        }
        self.finish(ands, &pieces);
        self.done += ands.len();
    }

    /// The inputs' masked values are the lowest bits of P2's labels.
    fn read_values(&mut self, pieces: &[Piece; 2]) {
        let [mut x, mut y] = [0; 2];
        let tile = &mut *self.tile;
        for ((values, labels), k) in tile.values.iter_mut().zip(&tile.labels[0]).zip(0..) {
            *values = labels.map(|l| Block(u128::MAX).when(l.lsb()));
            x |= (labels[0].low() & 1) << k;
            y |= (labels[1].low() & 1) << k;
        }
        for piece in pieces {
            let (from, count) = (piece.gates.start, piece.gates.len());
            self.evaluated.left.set_word(piece.at, count, x >> from);
            self.evaluated.right.set_word(piece.at, count, y >> from);
        }
    }

    /// Hashes the labels of garbler `i`, by index, under its tweaks with garbler `j`.
    fn hash_labels(&mut self, i: usize, j: usize, count: usize) {
        let [one, other] = [i, j].map(|garbler| PartyId::new(garbler + 1));
        let first = [TweakUse::GateLeft, TweakUse::GateRight].map(|side| tweak(side, one, other, self.first + self.done as u64));
        self.tweaks.iter_mut().zip(0..).for_each(|(tweaks, k)| *tweaks = first.map(|t| Block(t.0 + k)));
        self.tile.hashes = self.tile.labels[i];
        self.hash.hash(self.tile.hashes[..count].as_flattened_mut(), self.tweaks[..count].as_flattened());
    }

    /// The part of garbler `j`'s output labels that is between it and the evaluator.
    fn half_gates(&mut self, j: usize, piece: &Piece) {
        let Tile { labels, out, hashes, values } = &mut *self.tile;
        let (range, count) = (piece.gates.clone(), piece.gates.len());
        let [left, right, star] = self.masks.each_ref().map(|m| &m[j][piece.place..][..count]);
        let rows = rows(self.rows[j], out.len(), self.done + range.start, count);
        let gates = hashes[range.clone()].iter().zip(&labels[j][range.clone()]).zip(&values[range.clone()]);
        let gates = gates.zip(rows).zip(left).zip(right).zip(star).zip(&mut out[j][range]);
        for (((((((&[ha, hb], &[la, _]), &[x, y]), g), &left), &right), &star), out) in gates {
            *out = ha ^ (g[0] ^ right) & x ^ hb ^ (g[1] ^ la ^ left) & y ^ star;
        }
    }

    /// The part of garbler `j`'s output labels that comes from garbler `i`, which the zero test needs too.
    fn between(&mut self, i: usize, j: usize, piece: &Piece) {
        let Tile { out, hashes, values, .. } = &mut *self.tile;
        let (range, count) = (piece.gates.clone(), piece.gates.len());
        let rows = rows(self.rows[i], out.len(), self.done + range.start, count);
        let proofs = &mut self.evaluated.proofs[j][piece.at..][..count];
        let gates = hashes[range.clone()].iter().zip(&values[range.clone()]).zip(rows).zip(&mut out[j][range]).zip(proofs);
        let c = 2 + 3 * (j - usize::from(j > i));
        for ((((&[ha, hb], &[x, y]), rows), out), proof) in gates {
            let t = ha ^ rows[c] & x ^ hb ^ rows[c + 1] & y ^ rows[c + 2];
            *out ^= t;
            *proof ^= t;
        }
    }

    /// Adds b_g to P2's labels, puts the labels of the outputs in their slots, and keeps the masked values.
    fn finish(&mut self, ands: &[Gate], pieces: &[Piece; 2]) {
        let b = self.b.word(self.done, ands.len());
        let mut z = 0;
        for (out, k) in self.tile.out[0].iter_mut().zip(0..) {
            *out ^= Block(u128::from(b >> k & 1));
            z |= (out.low() & 1) << k;
        }
        for (slots, out) in self.labels.iter_mut().zip(&self.tile.out) {
            ands.iter().zip(out).for_each(|(gate, &out)| slots.set(gate.out(), out));
        }
        for piece in pieces {
            self.evaluated.out.set_word(piece.at, piece.gates.len(), z >> piece.gates.start);
        }
    }
}

/// The rows of some gates, of all that a garbler sent.
fn rows(sent: &[Block], garblers: usize, from: usize, count: usize) -> impl Iterator<Item = &[Block]> {
    let per_gate = rows_per_gate(garblers + 1);
    sent[from * per_gate..][..count * per_gate].chunks_exact(per_gate)
}

/// A garbler's walk: the masked values inside the segment, from those of its inputs and of its ANDs' outputs.
pub(crate) fn follow(garbled: &Garbled, wires: &Wires, out: Bits) -> Walked {
    let circuit = &garbled.planned.circuit;
    let mut values: Slots<bool> = Slots::new(circuit);
    for (slot, &w) in garbled.planned.inputs.iter().enumerate() {
        values.set(slot, wires.lambda.get(w as usize));
    }
    let mut e = Evaluated { out, ..Evaluated::new(garbled.places.len()) };
    let mut cursor = garbled.places.cursor();
    for run in circuit.runs() {
        values.xors(run.xors);
        for piece in cursor.next(run.ands) {
            let count = piece.gates.len();
            let [mut x, mut y, z] = [0, 0, e.out.word(piece.at, count)];
            for (gate, k) in run.ands[piece.gates].iter().zip(0..) {
                x |= u64::from(values.get(gate.a())) << k;
                y |= u64::from(values.get(gate.b())) << k;
                values.set(gate.out(), z >> k & 1 == 1);
            }
            e.left.set_word(piece.at, count, x);
            e.right.set_word(piece.at, count, y);
        }
    }
    let outputs = circuit.outputs().iter().map(|output| matches!(*output, Output::Slot { slot, .. } if values.get(slot))).collect();
    Walked { values: e, outputs, labels: Zeroizing::default() }
}
