//! Evaluating one segment: the evaluator's walk over labels, and everyone's view of the masked values that came out.
//!
//! With x = masked value of the left input and y of the right, the evaluator computes for every garbler j, and between garblers i, j,
//!
//! ```text
//! T_ij = H(L^i_a) ^ x*C_0 ^ H(L^i_b) ^ y*C_1 ^ C_2                           (= M_j[t^i] of the zero test)
//! L^j  = H(L^j_a) ^ x*(G_0 ^ M_j[l_b^1]) ^ H(L^j_b) ^ y*(G_1 ^ L^j_a ^ M_j[l_a^1]) ^ M_j[l*^1] ^ (^ over i of T_ij)
//! masked value = lsb(L^P2) ^ b_g
//! ```
//!
//! which telescopes to `L^j_g0 ^ masked value * Delta_j`.

use crate::{
    garble::{Garbled, rows_per_gate},
    party::Party,
    wires::Wires,
};
use cotenant_circuit::{Circuit, Output};
use cotenant_core::{
    Bits, Block, Channel, PartyId,
    hash::{TweakUse, tweak},
};
use zeroize::Zeroizing;

/// Masked values of a segment, not yet authenticated.
pub(crate) struct Evaluated {
    /// Of the left and right input and the output of every AND, in order.
    pub(crate) left: Bits,
    pub(crate) right: Bits,
    pub(crate) out: Bits,
    /// Of the circuit's outputs.
    pub(crate) outputs: Bits,
    /// At the evaluator: the active labels of the outputs, one for each garbler.
    pub(crate) labels: Zeroizing<Vec<Block>>,
    /// At the evaluator, for n > 2: for each AND and each garbler j the xor over i of T_ij.
    pub(crate) proofs: Zeroizing<Vec<Block>>,
}

/// The evaluator's walk.
pub(crate) fn evaluate<C: Channel>(party: &Party<C>, garbled: &Garbled, wires: &Wires) -> Evaluated {
    let circuit = &garbled.planned.circuit;
    let width = party.n() - 1;
    let ands = circuit.stats().ands();
    let mut values = vec![false; circuit.slots()];
    let mut labels = Zeroizing::new(vec![Block::ZERO; circuit.slots() * width]);
    for (slot, w) in garbled.planned.inputs.iter().enumerate() {
        values[slot] = wires.lambda.get(*w as usize);
        labels[slot * width..][..width].copy_from_slice(wires.labels(*w));
    }
    let keep_proofs = if party.n() > 2 { ands * width } else { 0 };
    let mut proofs = Zeroizing::new(vec![Block::ZERO; keep_proofs]);
    let (mut left, mut right, mut out) = (Bits::zero(ands), Bits::zero(ands), Bits::zero(ands));
    let mut done = 0;
    let mut gate_labels = vec![Block::ZERO; width];
    for gate in circuit.gates() {
        let (a, b, o) = (gate.a(), gate.b(), gate.out());
        if !gate.is_and() {
            values[o] = values[a] ^ values[b];
            for k in 0..width {
                labels[o * width + k] = labels[a * width + k] ^ labels[b * width + k];
            }
            continue;
        }
        let (x, y) = (values[a], values[b]);
        let operands = (&labels[a * width..][..width], &labels[b * width..][..width]);
        let proof = if keep_proofs > 0 { &mut proofs[done * width..][..width] } else { &mut [] };
        evaluate_gate(party, garbled, done, (x, y), operands, &mut gate_labels, proof);
        let value = gate_labels[0].lsb() ^ garbled.tables[0].b.get(done);
        labels[o * width..][..width].copy_from_slice(&gate_labels);
        values[o] = value;
        left.set(done, x);
        right.set(done, y);
        out.set(done, value);
        done += 1;
    }
    let (outputs, labels) = collect(circuit, &values, &labels, width);
    Evaluated { left, right, out, outputs, labels, proofs }
}

/// Labels of gate `k`'s output, by garbler, and what the zero test needs.
fn evaluate_gate<C: Channel>(
    party: &Party<C>,
    garbled: &Garbled,
    k: usize,
    (x, y): (bool, bool),
    (la, lb): (&[Block], &[Block]),
    out: &mut [Block],
    proof: &mut [Block],
) {
    let n = party.n();
    let number = garbled.tweaks + k as u64;
    let hash = |i: usize, j: usize| {
        let (i, j) = (PartyId::new(i + 1), PartyId::new(j + 1));
        let mut h = [la[i.index() - 1], lb[i.index() - 1]];
        party.hash.hash(&mut h, &[tweak(TweakUse::GateLeft, i, j, number), tweak(TweakUse::GateRight, i, j, number)]);
        h[0] ^ h[1]
    };
    let rows = |i: usize| &garbled.tables[i].rows[k * rows_per_gate(n)..][..rows_per_gate(n)];
    let (left, right, star) = (garbled.masks.left.row(k), garbled.masks.right.row(k), garbled.masks.star.row(k));
    for (j, out) in out.iter_mut().enumerate() {
        let mac = party.me.mac(PartyId::new(j + 1));
        let g = rows(j);
        *out = hash(j, j) ^ (g[0] ^ right[mac]).when(x) ^ (g[1] ^ la[j] ^ left[mac]).when(y) ^ star[mac];
        for i in (0..n - 1).filter(|&i| i != j) {
            let c = &rows(i)[2 + 3 * (j - (j > i) as usize)..];
            let t = hash(i, j) ^ c[0].when(x) ^ c[1].when(y) ^ c[2];
            *out ^= t;
            proof[j] ^= t;
        }
    }
}

/// A garbler's walk: the masked values inside the segment, from those of its inputs and of its ANDs' outputs.
pub(crate) fn follow(circuit: &Circuit, inputs: impl Iterator<Item = bool>, out: Bits) -> Evaluated {
    let ands = circuit.stats().ands();
    let mut values = vec![false; circuit.slots()];
    values.iter_mut().zip(inputs).for_each(|(v, i)| *v = i);
    let (mut left, mut right) = (Bits::zero(ands), Bits::zero(ands));
    let mut done = 0;
    for gate in circuit.gates() {
        let (x, y) = (values[gate.a()], values[gate.b()]);
        values[gate.out()] = if gate.is_and() {
            left.set(done, x);
            right.set(done, y);
            done += 1;
            out.get(done - 1)
        } else {
            x ^ y
        };
    }
    let (outputs, labels) = collect(circuit, &values, &[], 0);
    Evaluated { left, right, out, outputs, labels, proofs: Zeroizing::new(Vec::new()) }
}

/// Masked values and labels of the outputs. A negation is in the mask, so it changes neither; a constant has masked value 0 and label 0.
fn collect(circuit: &Circuit, values: &[bool], labels: &[Block], width: usize) -> (Bits, Zeroizing<Vec<Block>>) {
    let mut bits = Bits::default();
    let mut out = Zeroizing::new(Vec::with_capacity(circuit.outputs().len() * width));
    for output in circuit.outputs() {
        match *output {
            Output::Slot { slot, .. } => {
                bits.push(values[slot]);
                out.extend_from_slice(&labels[slot * width..][..width]);
            }
            Output::Const(_) => {
                bits.push(false);
                out.extend(std::iter::repeat_n(Block::ZERO, width));
            }
        }
    }
    (bits, out)
}
