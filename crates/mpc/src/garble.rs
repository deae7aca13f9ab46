//! Masks and tables of one segment: the function-dependent part, which needs no value.
//!
//! Half gates under authenticated masks for any number of garblers (KRRW18 section 5; the rows between garblers as in YWZ20 section 5, three here where it
//! sends four). For gate g with inputs a, b, `l* = l_a*l_b ^ l_g`, and `B_j[l] = l^j*Delta_j ^ (^ over i != j of K_j[l^i])`, garbler j sends the evaluator
//!
//! ```text
//! G_0 = H(L_a0) ^ H(L_a1) ^ B_j[l_b]            H keyed by the gate and the left or right side, L_x1 = L_x0 ^ Delta_j
//! G_1 = H(L_b0) ^ H(L_b1) ^ B_j[l_a] ^ L_a0     L_g0 := H(L_a0) ^ H(L_b0) ^ B_j[l*]
//! b_g = lsb(L_g0), j = P2 only
//! ```
//!
//! and for every other garbler k, under tweaks of that pair: `C_0 = H(L_a0) ^ H(L_a1) ^ M_k[l_b^j]`, `C_1 = H(L_b0) ^ H(L_b1) ^ M_k[l_a^j]`,
//! `C_2 = H(L_a0) ^ H(L_b0) ^ M_k[l*^j]`.
//!
//! A wire that is public at run time has mask 0, so a gate with a public input needs no triple, and one with two needs no mask either.

use crate::{
    party::Party,
    shares::{Me, Shares},
    triple::Triples,
    wires::Wires,
};
use cotenant_circuit::{AndKind, Circuit, Output};
use cotenant_core::{
    Bits, Block, Channel, PartyId,
    codec::{BadFormat, Reader},
    hash::{TweakUse, tweak},
};
use std::{ops::Range, sync::Arc};
use zeroize::Zeroizing;

/// Gates whose rows travel in one message.
pub(crate) const STRETCH: usize = 4096;

/// A circuit in the plan and where it is wired.
pub(crate) struct Planned {
    pub(crate) circuit: Arc<Circuit>,
    pub(crate) inputs: Vec<u32>,
    pub(crate) outputs: Range<u32>,
}

/// The masks of a segment's ANDs, in order of gates; negated inputs already carry their constant.
pub(crate) struct Masks {
    pub(crate) left: Shares,
    pub(crate) right: Shares,
    /// l* of the text. While the masks are made it holds l_g.
    pub(crate) star: Shares,
}

/// A segment ready to be evaluated, at one party. Evaluation consumes it.
pub(crate) struct Garbled {
    pub(crate) planned: Planned,
    pub(crate) masks: Masks,
    /// Number of the first gate's tweaks.
    pub(crate) tweaks: u64,
    /// At the evaluator: what each garbler sent, in order of garblers.
    pub(crate) tables: Vec<Tables>,
}

/// The rows of one garbler for one segment.
pub(crate) struct Tables {
    pub(crate) rows: Vec<Block>,
    /// b_g of each gate, from P2.
    pub(crate) b: Bits,
}

/// Blocks that a garbler sends for one gate.
pub(crate) fn rows_per_gate(n: usize) -> usize {
    2 + 3 * (n - 2)
}

/// Masks while walking a circuit: one row a slot.
struct Slots {
    bits: Zeroizing<Vec<bool>>,
    rows: Zeroizing<Vec<Block>>,
    stride: usize,
}

impl Slots {
    fn new(me: &Me, slots: usize) -> Slots {
        Slots {
            bits: Zeroizing::new(vec![false; slots]),
            rows: Zeroizing::new(vec![Block::ZERO; slots * me.stride()]),
            stride: me.stride(),
        }
    }

    fn at(&self, slot: usize) -> (bool, &[Block]) {
        (self.bits[slot], &self.rows[slot * self.stride..][..self.stride])
    }

    fn set(&mut self, slot: usize, (bit, row): (bool, &[Block])) {
        self.bits[slot] = bit;
        self.rows[slot * self.stride..][..self.stride].copy_from_slice(row);
    }

    fn xor(&mut self, out: usize, a: usize, b: usize) {
        self.bits[out] = self.bits[a] ^ self.bits[b];
        for k in 0..self.stride {
            self.rows[out * self.stride + k] = self.rows[a * self.stride + k] ^ self.rows[b * self.stride + k];
        }
    }
}

/// Walks the circuit with masks: gives every AND its output mask from `random`, and the output wires theirs.
pub(crate) fn mask(me: &Me, planned: &Planned, wires: &mut Wires, random: &mut impl Iterator<Item = usize>, pool: &Shares) -> Masks {
    let circuit = &planned.circuit;
    let ands = circuit.stats().ands();
    let mut slots = Slots::new(me, circuit.slots());
    for (slot, w) in planned.inputs.iter().enumerate() {
        slots.set(slot, wires.masks.at(*w as usize));
    }
    let new = || Shares::with_capacity(me, ands);
    let mut masks = Masks { left: new(), right: new(), star: new() };
    let zero = vec![Block::ZERO; me.stride()];
    for gate in circuit.gates() {
        let Some(kind) = gate.and_kind() else {
            slots.xor(gate.out(), gate.a(), gate.b());
            continue;
        };
        push_signed(me, &mut masks.left, slots.at(gate.a()), gate.a_neg());
        push_signed(me, &mut masks.right, slots.at(gate.b()), gate.b_neg());
        let out = match kind {
            AndKind::Public => (false, &zero[..]),
            _ => pool.at(random.next().expect("the pool was filled for this plan")),
        };
        masks.star.push(out.0, out.1);
        slots.set(gate.out(), out);
    }
    for output in circuit.outputs() {
        match *output {
            Output::Slot { slot, neg } => push_signed(me, &mut wires.masks, slots.at(slot), neg),
            Output::Const(c) => push_signed(me, &mut wires.masks, (false, &zero), c),
        }
    }
    masks
}

fn push_signed(me: &Me, to: &mut Shares, (bit, row): (bool, &[Block]), neg: bool) {
    to.push(bit, row);
    to.add_public(me, to.len() - 1, neg);
}

/// Appends, for every AND of two secrets, `l_a ^ x` and `l_b ^ y` of the next triple (x, y, x*y): what has to be opened.
pub(crate) fn push_differences(circuit: &Circuit, masks: &Masks, triples: &Triples, next: &mut usize, to: &mut Shares) {
    for (gate, kind) in and_kinds(circuit).enumerate() {
        if kind == AndKind::Full {
            to.push_xor(masks.left.at(gate), triples.a.at(*next));
            to.push_xor(masks.right.at(gate), triples.b.at(*next));
            *next += 1;
        }
    }
}

fn and_kinds(circuit: &Circuit) -> impl Iterator<Item = AndKind> + '_ {
    circuit.gates().iter().filter_map(|g| g.and_kind())
}

/// Turns l_g in `masks.star` into l* with the opened differences d, e: l_a*l_b = z ^ d*y ^ e*x ^ d*e.
///
/// With a public right input, whose mask is 0 or, negated, 1, the product is linear.
pub(crate) fn multiply(me: &Me, circuit: &Circuit, masks: &mut Masks, triples: &Triples, next: &mut usize, opened: &Bits) {
    let ands = circuit.gates().iter().filter(|g| g.is_and());
    for (k, gate) in ands.enumerate() {
        match gate.and_kind().expect("filtered") {
            AndKind::Full => {
                let t = *next;
                *next += 1;
                let (d, e) = (opened.get(2 * t), opened.get(2 * t + 1));
                masks.star.add(k, triples.c.at(t), true);
                masks.star.add(k, triples.b.at(t), d);
                masks.star.add(k, triples.a.at(t), e);
                masks.star.add_public(me, k, d & e);
            }
            AndKind::HalfPublic | AndKind::Public => masks.star.add(k, masks.left.at(k), gate.b_neg()),
        }
    }
}

/// The garbler's walk: labels through the circuit, rows to the evaluator stretch by stretch.
pub(crate) async fn send_tables<C: Channel>(
    party: &mut Party<C>,
    planned: &Planned,
    masks: &Masks,
    wires: &mut Wires,
    tweaks: u64,
) -> Result<(), crate::Error> {
    let circuit = planned.circuit.clone();
    let mut labels = Zeroizing::new(vec![Block::ZERO; circuit.slots()]);
    for (slot, w) in planned.inputs.iter().enumerate() {
        labels[slot] = wires.labels(*w)[0];
    }
    let peers: Vec<PartyId> = party.comms.other_garblers().collect();
    let sends_b = party.id() == PartyId::new(1);
    let (mut rows, mut b, mut done) = (Vec::with_capacity(STRETCH * rows_per_gate(party.n())), Bits::default(), 0);
    let ands = circuit.stats().ands();
    for gate in circuit.gates() {
        if !gate.is_and() {
            labels[gate.out()] = labels[gate.a()] ^ labels[gate.b()];
            continue;
        }
        let out = garble_gate(party, masks, done, tweaks, (labels[gate.a()], labels[gate.b()]), &peers, &mut rows);
        labels[gate.out()] = out;
        b.push(out.lsb());
        done += 1;
        if done % STRETCH == 0 || done == ands {
            let message = crate::Kind::Tables.message().blocks(&rows);
            let message = if sends_b { message.bits(&b) } else { message };
            party.comms.send(PartyId::EVALUATOR, message.done()).await?;
            rows.clear();
            b = Bits::default();
        }
    }
    for (w, output) in planned.outputs.clone().zip(circuit.outputs()) {
        let label = match *output {
            Output::Slot { slot, .. } => labels[slot],
            Output::Const(_) => Block::ZERO,
        };
        wires.set_labels(w, &[label]);
    }
    Ok(())
}

/// Rows of gate `k` of the segment; the label of its output for masked value 0.
fn garble_gate<C: Channel>(
    party: &Party<C>,
    masks: &Masks,
    k: usize,
    tweaks: u64,
    (a0, b0): (Block, Block),
    peers: &[PartyId],
    rows: &mut Vec<Block>,
) -> Block {
    let me = &party.me;
    let number = tweaks + k as u64;
    let hashes = |other: PartyId| {
        let (left, right) = (tweak(TweakUse::GateLeft, me.id(), other, number), tweak(TweakUse::GateRight, me.id(), other, number));
        let mut h = [a0, a0 ^ me.delta(), b0, b0 ^ me.delta()];
        party.hash.hash(&mut h, &[left, left, right, right]);
        h
    };
    let ((la, ra), (lb, rb), (ls, rs)) = (masks.left.at(k), masks.right.at(k), masks.star.at(k));
    let [ha0, ha1, hb0, hb1] = hashes(me.id());
    rows.push(ha0 ^ ha1 ^ me.b(lb, rb));
    rows.push(hb0 ^ hb1 ^ me.b(la, ra) ^ a0);
    for &j in peers {
        let [pa0, pa1, pb0, pb1] = hashes(j);
        let mac = me.mac(j);
        rows.push(pa0 ^ pa1 ^ rb[mac]);
        rows.push(pb0 ^ pb1 ^ ra[mac]);
        rows.push(pa0 ^ pb0 ^ rs[mac]);
    }
    ha0 ^ hb0 ^ me.b(ls, rs)
}

/// The evaluator's side of [`send_tables`]: receives one garbler's rows.
pub(crate) async fn receive_tables<C: Channel>(party: &mut Party<C>, circuit: &Circuit, from: PartyId) -> Result<Tables, crate::Error> {
    let (ands, per_gate) = (circuit.stats().ands(), rows_per_gate(party.n()));
    let sends_b = from == PartyId::new(1);
    let mut tables = Tables { rows: Vec::with_capacity(ands * per_gate), b: Bits::default() };
    for start in (0..ands).step_by(STRETCH) {
        let gates = STRETCH.min(ands - start);
        let read = |r: &mut Reader<'_>| -> Result<_, BadFormat> {
            Ok((r.blocks(gates * per_gate)?, if sends_b { r.bits(gates)? } else { Bits::default() }))
        };
        let (rows, b) = party.comms.recv_read(from, crate::Kind::Tables, read).await?;
        tables.rows.extend_from_slice(&rows);
        tables.b.extend(&b);
    }
    Ok(tables)
}
