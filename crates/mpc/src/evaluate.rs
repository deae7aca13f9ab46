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
    garble::{Cursor, Garbled, Masks, Piece, Tables, rows_per_gate, xors},
    shares::{Me, Shares},
    wires::Wires,
};
use cotenant_circuit::{Gate, Output, RUN};
use cotenant_core::{
    Bits, Block, PartyId,
    buffer::Buffer,
    hash::{Tmmo, TweakUse, tweak},
};
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

/// The evaluator's walk. The outputs get masked values and labels, which nobody may use before they are authenticated.
pub(crate) fn evaluate(me: &Me, hash: &Tmmo, garbled: &Garbled, masks: &Masks, wires: &mut Wires) -> Evaluated {
    let circuit = &garbled.planned.circuit;
    let mut walk = Evaluator::new(me, hash, garbled, masks);
    for (slot, &w) in garbled.planned.inputs.iter().enumerate() {
        walk.labels.iter_mut().zip(wires.labels(w)).for_each(|(of_one, &l)| of_one[slot] = l);
    }
    for run in circuit.runs() {
        walk.labels.iter_mut().for_each(|of_one| xors(run.xors, of_one));
        walk.run(run.ands);
    }
    let mut active = Zeroizing::new(vec![Block::ZERO; walk.labels.len()]);
    for (w, output) in garbled.planned.outputs.clone().zip(circuit.outputs()) {
        let label = |of_one: &[Block]| match *output {
            // a negation is in the mask, so it changes neither masked value nor label; those of a constant are 0
            Output::Slot { slot, .. } => of_one[slot],
            Output::Const(_) => Block::ZERO,
        };
        active.iter_mut().zip(&walk.labels).for_each(|(a, of_one)| *a = label(of_one));
        wires.set_value(w, active[0].lsb());
        wires.set_labels(w, &active);
    }
    walk.evaluated
}

/// The evaluator on its way through a circuit.
struct Evaluator<'a> {
    hash: &'a Tmmo,
    tables: &'a [Tables],
    /// MAC columns of left, right and star masks, by garbler.
    masks: [Vec<&'a [Block]>; 3],
    cursor: Cursor,
    /// Gates that have been evaluated.
    done: usize,
    /// Of the first gate's tweaks.
    first: u64,
    /// Active, by garbler and slot.
    labels: Vec<Zeroizing<Vec<Block>>>,
    /// Of the outputs of a run, by garbler.
    out: Zeroizing<Vec<[Block; RUN]>>,
    tile: Zeroizing<EvaluatorTile>,
    tweaks: [[Block; 2]; RUN],
    evaluated: Evaluated,
}

/// Secrets of the gates of one run that are of one garbler.
#[derive(Default, zeroize::Zeroize)]
struct EvaluatorTile {
    /// Active labels of the left and the right input.
    labels: [[Block; 2]; RUN],
    hashes: [[Block; 2]; RUN],
}

/// The ANDs of one run.
struct Gates<'a> {
    gates: &'a [Gate],
    cursor: Cursor,
    /// Masked values of the left and the right inputs.
    values: [[bool; 2]; RUN],
}

impl Gates<'_> {
    fn pieces(&self) -> impl Iterator<Item = Piece> {
        self.cursor.pieces(self.gates)
    }
}

impl<'a> Evaluator<'a> {
    fn new(me: &Me, hash: &'a Tmmo, garbled: &'a Garbled, masks: &'a Masks) -> Evaluator<'a> {
        let (circuit, garblers) = (&garbled.planned.circuit, me.n() - 1);
        let ands = garbled.places.len();
        let columns = |shares: &'a Shares| me.others().map(|j| shares.column(me.mac(j))).collect();
        let mut evaluated = Evaluated::new(ands);
        if garblers > 1 {
            evaluated.proofs = (0..garblers).map(|_| Buffer::zeroed(ands)).collect();
        }
        Evaluator {
            hash,
            tables: &garbled.tables,
            masks: [&masks.left, &masks.right, &masks.star].map(columns),
            cursor: garbled.places.cursor(),
            done: 0,
            first: garbled.tweaks,
            labels: vec![Zeroizing::new(vec![Block::ZERO; circuit.slots()]); garblers],
            out: Zeroizing::new(vec![Default::default(); garblers]),
            tile: Zeroizing::default(),
            tweaks: Default::default(),
            evaluated,
        }
    }

    fn run(&mut self, ands: &[Gate]) {
        let mut gates = Gates { gates: ands, cursor: self.cursor, values: Default::default() };
        for (values, gate) in gates.values.iter_mut().zip(ands) {
            *values = [gate.a(), gate.b()].map(|slot| self.labels[0][slot].lsb());
        }
        self.out.fill(Default::default());
        for i in 0..self.labels.len() {
            let labels = &self.labels[i][..];
            for (operands, gate) in self.tile.labels.iter_mut().zip(ands) {
                *operands = [labels[gate.a()], labels[gate.b()]];
            }
            for j in 0..self.labels.len() {
                self.hash_labels(i, j, ands.len());
                if i == j { self.half_gates(j, &gates) } else { self.between(i, j, &gates) }
            }
        }
        self.finish(&gates);
        self.cursor.pass(ands);
        self.done += ands.len();
    }

    /// Hashes the labels of garbler `i`, by index, under its tweaks with garbler `j`.
    fn hash_labels(&mut self, i: usize, j: usize, count: usize) {
        let (i, j, number) = (PartyId::new(i + 1), PartyId::new(j + 1), self.first + self.done as u64);
        let [left, right] = [TweakUse::GateLeft, TweakUse::GateRight].map(|side| tweak(side, i, j, number));
        self.tweaks.iter_mut().take(count).zip(0..).for_each(|(t, k)| *t = [Block(left.0 + k), Block(right.0 + k)]);
        self.tile.hashes = self.tile.labels;
        self.hash.hash(self.tile.hashes[..count].as_flattened_mut(), self.tweaks[..count].as_flattened());
    }

    /// The part of garbler `j`'s output labels that is between it and the evaluator.
    fn half_gates(&mut self, j: usize, gates: &Gates<'_>) {
        let (rows, per_gate) = self.rows(j, gates.gates.len());
        for piece in gates.pieces() {
            let range = piece.gates.clone();
            let [left, right, star] = self.masks.each_ref().map(|m| &m[j][piece.place..][..range.len()]);
            let hashes = self.tile.hashes[range.clone()].iter().zip(&self.tile.labels[range.clone()]).zip(&gates.values[range.clone()]);
            let tables = rows[range.start * per_gate..].chunks_exact(per_gate).zip(left).zip(right).zip(star);
            let out = &mut self.out[j][range];
            for ((((&[ha, hb], &[la, _]), &[x, y]), (((g, &left), &right), &star)), out) in hashes.zip(tables).zip(out) {
                *out ^= ha ^ (g[0] ^ right).when(x) ^ hb ^ (g[1] ^ la ^ left).when(y) ^ star;
            }
        }
    }

    /// The part of garbler `j`'s output labels that comes from garbler `i`, which the zero test needs too.
    fn between(&mut self, i: usize, j: usize, gates: &Gates<'_>) {
        let (rows, per_gate) = self.rows(i, gates.gates.len());
        let c = 2 + 3 * (j - usize::from(j > i));
        for piece in gates.pieces() {
            let range = piece.gates.clone();
            let proofs = &mut self.evaluated.proofs[j][piece.at..][..range.len()];
            let hashes = self.tile.hashes[range.clone()].iter().zip(&gates.values[range.clone()]);
            let tables = rows[range.start * per_gate..].chunks_exact(per_gate).map(|rows| &rows[c..c + 3]);
            let out = self.out[j][range].iter_mut().zip(proofs);
            for (((&[ha, hb], &[x, y]), c), (out, proof)) in hashes.zip(tables).zip(out) {
                let t = ha ^ c[0].when(x) ^ hb ^ c[1].when(y) ^ c[2];
                *out ^= t;
                *proof ^= t;
            }
        }
    }

    /// What garbler `j` sent for the next gates, and how many rows for each.
    fn rows(&self, j: usize, count: usize) -> (&'a [Block], usize) {
        let per_gate = rows_per_gate(self.labels.len() + 1);
        (&self.tables[j].rows[self.done * per_gate..][..count * per_gate], per_gate)
    }

    /// Puts the outputs in their slots, and keeps the masked values.
    fn finish(&mut self, gates: &Gates<'_>) {
        let b = self.tables[0].b.word(self.done, gates.gates.len());
        self.out[0].iter_mut().zip(0..).for_each(|(out, k)| out.0 ^= u128::from(b >> k & 1));
        for (labels, out) in self.labels.iter_mut().zip(self.out.iter()) {
            gates.gates.iter().zip(out).for_each(|(gate, &out)| labels[gate.out()] = out);
        }
        for piece in gates.pieces() {
            let (range, e) = (piece.gates.clone(), &mut self.evaluated);
            let [mut x, mut y, mut z] = [0; 3];
            for ((&[left, right], out), k) in gates.values[range.clone()].iter().zip(&self.out[0][range.clone()]).zip(0..) {
                x |= u64::from(left) << k;
                y |= u64::from(right) << k;
                z |= (out.low() & 1) << k;
            }
            let words = [(&mut e.left, x), (&mut e.right, y), (&mut e.out, z)];
            words.into_iter().for_each(|(bits, word)| bits.set_word(piece.at, range.len(), word));
        }
    }
}

/// A garbler's walk: the masked values inside the segment, from those of its inputs and of its ANDs' outputs. The outputs get theirs.
pub(crate) fn follow(garbled: &Garbled, wires: &mut Wires, out: Bits) -> Evaluated {
    let circuit = &garbled.planned.circuit;
    let mut values = vec![false; circuit.slots()];
    for (value, &w) in values.iter_mut().zip(&garbled.planned.inputs) {
        *value = wires.lambda.get(w as usize);
    }
    let mut e = Evaluated { out, ..Evaluated::new(garbled.places.len()) };
    let mut cursor = garbled.places.cursor();
    for run in circuit.runs() {
        xors(run.xors, &mut values);
        for piece in cursor.pieces(run.ands) {
            let count = piece.gates.len();
            let [mut x, mut y, z] = [0, 0, e.out.word(piece.at, count)];
            for (gate, k) in run.ands[piece.gates].iter().zip(0..) {
                x |= u64::from(values[gate.a()]) << k;
                y |= u64::from(values[gate.b()]) << k;
                values[gate.out()] = z >> k & 1 == 1;
            }
            e.left.set_word(piece.at, count, x);
            e.right.set_word(piece.at, count, y);
        }
        cursor.pass(run.ands);
    }
    for (w, output) in garbled.planned.outputs.clone().zip(circuit.outputs()) {
        wires.set_value(w, matches!(*output, Output::Slot { slot, .. } if values[slot]));
    }
    e
}
