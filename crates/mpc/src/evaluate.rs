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
    garble::{Cursor, Garbled, Masks, Tables, rows_per_gate, xors},
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
        let label = |of_one: &Buffer| match *output {
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

/// Blocks of the gates of one run.
type Tile = [Block; RUN];

/// The evaluator on its way through a circuit.
struct Evaluator<'a> {
    hash: &'a Tmmo,
    tables: &'a [Tables],
    /// MAC columns of left, right and star masks, by garbler.
    masks: [Vec<&'a [Block]>; 3],
    in_plan: Cursor,
    in_segment: Cursor,
    /// Gates that have been evaluated.
    done: usize,
    /// Of the first gate's tweaks.
    first: u64,
    /// Active, by garbler and slot.
    labels: Vec<Buffer>,
    /// Of the outputs of a run, by garbler.
    out: Zeroizing<Vec<Tile>>,
    tile: Zeroizing<EvaluatorTile>,
    tweaks: [Block; 2 * RUN],
    evaluated: Evaluated,
}

/// Secrets of the gates of one run that are of one garbler.
#[derive(Default, zeroize::Zeroize)]
struct EvaluatorTile {
    /// Active labels of the left and the right input.
    labels: [[Block; 2]; RUN],
    hashes: [[Block; 2]; RUN],
}

/// Public facts of the gates of one run.
#[derive(Default)]
struct Places {
    in_plan: [usize; RUN],
    in_segment: [usize; RUN],
    /// Masked values of the left and the right input.
    values: [[bool; 2]; RUN],
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
            in_plan: garbled.places.in_plan(),
            in_segment: garbled.places.in_segment(),
            done: 0,
            first: garbled.tweaks,
            labels: (0..garblers).map(|_| Buffer::zeroed(circuit.slots())).collect(),
            out: Zeroizing::new(vec![Tile::default(); garblers]),
            tile: Zeroizing::default(),
            tweaks: [Block::ZERO; 2 * RUN],
            evaluated,
        }
    }

    fn run(&mut self, ands: &[Gate]) {
        let mut places = Places::default();
        for (i, gate) in ands.iter().enumerate() {
            places.in_plan[i] = self.in_plan.step(gate);
            places.in_segment[i] = self.in_segment.step(gate);
            places.values[i] = [gate.a(), gate.b()].map(|slot| self.labels[0][slot].lsb());
        }
        self.out.fill(Tile::default());
        for i in 0..self.labels.len() {
            for (operands, gate) in self.tile.labels.iter_mut().zip(ands) {
                *operands = [gate.a(), gate.b()].map(|slot| self.labels[i][slot]);
            }
            for j in 0..self.labels.len() {
                self.hash_labels(i, j, ands.len());
                if i == j {
                    self.half_gates(j, &places, ands.len());
                } else {
                    self.between(i, j, &places, ands.len());
                }
            }
        }
        self.finish(ands, &places);
        self.done += ands.len();
    }

    /// Hashes the labels of garbler `i`, by index, under its tweaks with garbler `j`.
    fn hash_labels(&mut self, i: usize, j: usize, count: usize) {
        let (i, j) = (PartyId::new(i + 1), PartyId::new(j + 1));
        for k in 0..count {
            let number = self.first + (self.done + k) as u64;
            self.tweaks[2 * k] = tweak(TweakUse::GateLeft, i, j, number);
            self.tweaks[2 * k + 1] = tweak(TweakUse::GateRight, i, j, number);
            self.tile.hashes[k] = self.tile.labels[k];
        }
        self.hash.hash(self.tile.hashes[..count].as_flattened_mut(), &self.tweaks[..2 * count]);
    }

    /// The part of garbler `j`'s output labels that is between it and the evaluator.
    fn half_gates(&mut self, j: usize, places: &Places, count: usize) {
        let (rows, per_gate) = self.rows(j, count);
        let [left, right, star] = self.masks.each_ref().map(|m| m[j]);
        let gates = self.tile.hashes.iter().zip(&self.tile.labels).zip(rows.chunks_exact(per_gate));
        for (k, (((&[ha, hb], &[la, _]), g), out)) in gates.zip(&mut self.out[j]).enumerate() {
            let (place, [x, y]) = (places.in_plan[k], places.values[k]);
            *out ^= ha ^ (g[0] ^ right[place]).when(x) ^ hb ^ (g[1] ^ la ^ left[place]).when(y) ^ star[place];
        }
    }

    /// The part of garbler `j`'s output labels that comes from garbler `i`, which the zero test needs too.
    fn between(&mut self, i: usize, j: usize, places: &Places, count: usize) {
        let (rows, per_gate) = self.rows(i, count);
        let proofs = &mut self.evaluated.proofs[j];
        let gates = self.tile.hashes.iter().zip(rows.chunks_exact(per_gate));
        for (k, ((&[ha, hb], rows), out)) in gates.zip(&mut self.out[j]).enumerate() {
            let (c, [x, y]) = (&rows[2 + 3 * (j - usize::from(j > i))..][..3], places.values[k]);
            let t = ha ^ c[0].when(x) ^ hb ^ c[1].when(y) ^ c[2];
            *out ^= t;
            proofs[places.in_segment[k]] ^= t;
        }
    }

    /// What garbler `j` sent for the next gates, and how many rows for each.
    fn rows(&self, j: usize, count: usize) -> (&'a [Block], usize) {
        let per_gate = rows_per_gate(self.labels.len() + 1);
        (&self.tables[j].rows[self.done * per_gate..][..count * per_gate], per_gate)
    }

    /// Puts the outputs in their slots, and keeps the masked values.
    fn finish(&mut self, ands: &[Gate], places: &Places) {
        for (k, gate) in ands.iter().enumerate() {
            self.out[0][k] ^= Block(u128::from(self.tables[0].b.get(self.done + k)));
            for (of_one, out) in self.labels.iter_mut().zip(self.out.iter()) {
                of_one[gate.out()] = out[k];
            }
            let (at, [x, y]) = (places.in_segment[k], places.values[k]);
            self.evaluated.left.set(at, x);
            self.evaluated.right.set(at, y);
            self.evaluated.out.set(at, self.out[0][k].lsb());
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
    let mut places = garbled.places.in_segment();
    for run in circuit.runs() {
        xors(run.xors, &mut values);
        for gate in run.ands {
            let at = places.step(gate);
            e.left.set(at, values[gate.a()]);
            e.right.set(at, values[gate.b()]);
            values[gate.out()] = e.out.get(at);
        }
    }
    for (w, output) in garbled.planned.outputs.clone().zip(circuit.outputs()) {
        wires.set_value(w, matches!(*output, Output::Slot { slot, .. } if values[slot]));
    }
    e
}
