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

use crate::{
    kind::Kind,
    party::Party,
    shares::{Me, Shares},
    wires::Wires,
};
use cotenant_circuit::{AndKind, Circuit, Gate, Output, RUN};
use cotenant_core::{
    Bits, Block, Channel, PartyId, block,
    buffer::Buffer,
    codec::{BadFormat, Reader},
    hash::{Tmmo, TweakUse, tweak},
};
use std::{
    ops::{BitXor, Range},
    sync::Arc,
};
use zeroize::{DefaultIsZeroes, Zeroizing};

/// A message of tables ends with the run that fills this many gates.
pub(crate) const STRETCH: usize = 2048;

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
    /// Counts through the masks of the plan.
    pub(crate) fn in_plan(&self) -> Cursor {
        Cursor { full: self.full.start, cheap: self.cheap.start }
    }

    /// Counts from 0.
    pub(crate) fn in_segment(&self) -> Cursor {
        Cursor { full: 0, cheap: self.full.len() }
    }

    /// The number of ANDs.
    pub(crate) fn len(&self) -> usize {
        self.full.len() + self.cheap.len()
    }

    /// All places in stretches of at most `most`: the first one in the plan, its number in the segment, how many.
    pub(crate) fn stretches(&self, most: usize) -> impl Iterator<Item = (usize, usize, usize)> + use<> {
        let kinds = [(self.full.clone(), 0), (self.cheap.clone(), self.full.len())];
        let cut = move |(range, at): (Range<usize>, usize)| {
            range.clone().step_by(most).map(move |p| (p, at + p - range.start, most.min(range.end - p)))
        };
        kinds.into_iter().flat_map(cut)
    }
}

/// Gives the ANDs of a segment their places, in order of gates.
pub(crate) struct Cursor {
    full: usize,
    cheap: usize,
}

impl Cursor {
    #[inline]
    pub(crate) fn step(&mut self, and: &Gate) -> usize {
        let next = if and.and_kind() == Some(AndKind::Full) { &mut self.full } else { &mut self.cheap };
        *next += 1;
        *next - 1
    }
}

/// A segment ready to be evaluated, at one party. Evaluation consumes it.
pub(crate) struct Garbled {
    pub(crate) planned: Planned,
    pub(crate) places: Places,
    /// Number of the first gate's tweaks.
    pub(crate) tweaks: u64,
    /// At the evaluator: what each garbler sent, in order of garblers.
    pub(crate) tables: Vec<Tables>,
}

/// The rows of one garbler for one segment, in order of gates.
pub(crate) struct Tables {
    pub(crate) rows: Buffer,
    /// b_g of each gate, from P2.
    pub(crate) b: Bits,
}

/// Blocks that a garbler sends for one gate.
pub(crate) fn rows_per_gate(n: usize) -> usize {
    2 + 3 * (n - 2)
}

/// The XORs of a run, over slots of anything.
#[inline]
pub(crate) fn xors<T: Copy + BitXor<Output = T>>(gates: &[Gate], slots: &mut [T]) {
    for gate in gates {
        slots[gate.out()] = slots[gate.a()] ^ slots[gate.b()];
    }
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

/// The columns of a string of shares that one other party is concerned with.
struct Columns<'a>([&'a mut [Block]; 2]);

impl<'a> Columns<'a> {
    fn of(shares: &'a mut Shares, me: &Me, other: PartyId) -> Columns<'a> {
        let mut columns = shares.columns_mut().skip(me.mac(other));
        Columns([(); 2].map(|()| columns.next().expect("the column of keys is the one after that of MACs")))
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

/// Walks a segment with masks. Before, `masks.star` holds a fresh random `<l_g>` at all places of the segment; after, left and right are filled, star is l*
/// of the ANDs with a public operand, whose product is linear, and the output wires have their masks.
///
/// Masks are linear, so the columns of each other party are walked for themselves.
pub(crate) fn mask(me: &Me, planned: &Planned, places: &Places, wires: &mut Wires, masks: &mut Masks) {
    let circuit = &planned.circuit;
    let mut slots = Zeroizing::new(vec![Pair::default(); circuit.slots()]);
    for j in me.others() {
        let one = Pair::one(me, j);
        let mut wire_masks = Columns::of(&mut wires.masks, me, j);
        for (slot, &w) in slots.iter_mut().zip(&planned.inputs) {
            *slot = wire_masks.get(w as usize);
        }
        let [left, right, star] = [&mut masks.left, &mut masks.right, &mut masks.star].map(|s| Columns::of(s, me, j));
        mask_ands(circuit, places.in_plan(), one, &mut slots, [left, right, star]);
        for (w, output) in planned.outputs.clone().zip(circuit.outputs()) {
            let mask = match *output {
                Output::Slot { slot, neg } => slots[slot] ^ one.when(neg),
                Output::Const(c) => one.when(c),
            };
            wire_masks.set(w as usize, mask);
        }
    }
}

/// The gates of [`mask`]. With a public right input, whose mask is 0 or, negated, 1, the product is 0 or the left mask.
fn mask_ands(circuit: &Circuit, mut cursor: Cursor, one: Pair, slots: &mut [Pair], [mut left, mut right, mut star]: [Columns<'_>; 3]) {
    for run in circuit.runs() {
        xors(run.xors, slots);
        for gate in run.ands {
            let place = cursor.step(gate);
            let (a, b) = (slots[gate.a()] ^ one.when(gate.a_neg()), slots[gate.b()] ^ one.when(gate.b_neg()));
            left.set(place, a);
            right.set(place, b);
            let out = if gate.and_kind() == Some(AndKind::Public) { Pair::default() } else { star.get(place) };
            if gate.and_kind() != Some(AndKind::Full) {
                star.set(place, out ^ a.when(gate.b_neg()));
            }
            slots[gate.out()] = out;
        }
    }
}

/// The garbler's walk: labels through the circuit, rows to the evaluator stretch by stretch.
pub(crate) async fn send_tables<C: Channel>(
    party: &mut Party<C>,
    planned: &Planned,
    places: &Places,
    masks: &Masks,
    wires: &mut Wires,
    tweaks: u64,
) -> Result<(), crate::Error> {
    let circuit = planned.circuit.clone();
    let mut walk = Garbler::new(&party.me, &party.hash, &circuit, places, masks, tweaks);
    for (label, &w) in walk.labels.iter_mut().zip(&planned.inputs) {
        *label = wires.labels(w)[0];
    }
    let sends_b = walk.me.id() == PartyId::new(1);
    let mut gates = Stretches::new(&circuit);
    let mut message = gates.message(party.me.n());
    for run in circuit.runs() {
        xors(run.xors, &mut walk.labels);
        walk.run(run.ands, &mut message);
        if gates.ends_with(run.ands.len()) {
            let b = std::mem::take(&mut walk.b);
            if sends_b {
                message.extend(b.to_packed());
            }
            party.comms.send(PartyId::EVALUATOR, std::mem::replace(&mut message, gates.message(party.me.n()))).await?;
        }
    }
    for (w, output) in planned.outputs.clone().zip(circuit.outputs()) {
        let label = match *output {
            Output::Slot { slot, .. } => walk.labels[slot],
            Output::Const(_) => Block::ZERO,
        };
        wires.set_labels(w, &[label]);
    }
    Ok(())
}

/// Cuts a segment's gates into messages: of whole runs, each of [`STRETCH`] gates or up to a run more, but for the last.
struct Stretches {
    left: usize,
    gates: usize,
}

impl Stretches {
    fn new(circuit: &Circuit) -> Stretches {
        Stretches { left: circuit.stats().ands(), gates: 0 }
    }

    /// Whether a message ends after a run of so many gates.
    fn ends_with(&mut self, ands: usize) -> bool {
        self.left -= ands;
        self.gates += ands;
        let ends = ands > 0 && (self.gates >= STRETCH || self.left == 0);
        if ends {
            self.gates = 0;
        }
        ends
    }

    /// An empty message with room for the next stretch.
    fn message(&self, n: usize) -> Vec<u8> {
        let gates = self.left.min(STRETCH + RUN);
        let mut message = Vec::with_capacity(1 + gates * 16 * rows_per_gate(n) + gates.div_ceil(8));
        message.push(Kind::Tables as u8);
        message
    }
}

/// Blocks of the gates of one run.
type Tile = [Block; RUN];

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
    labels: Buffer,
    /// b_g since the last message.
    b: Bits,
    tile: Zeroizing<GarblerTile>,
    tweaks: [Block; 4 * RUN],
    /// Rows of a run.
    rows: Vec<Block>,
}

/// Secrets of the gates of one run.
#[derive(Default, zeroize::Zeroize)]
struct GarblerTile {
    /// Labels for masked value 0 of the left and the right input.
    labels: [Tile; 2],
    /// `B_me` of l_a, l_b and l*.
    b: [Tile; 3],
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
            cursor: places.in_plan(),
            number,
            labels: Buffer::zeroed(circuit.slots()),
            b: Bits::default(),
            tile: Zeroizing::default(),
            tweaks: [Block::ZERO; 4 * RUN],
            rows: vec![Block::ZERO; RUN * rows_per_gate(me.n())],
        }
    }

    /// Garbles the ANDs of a run and appends their rows.
    fn run(&mut self, ands: &[Gate], message: &mut Vec<u8>) {
        let mut places = [0; RUN];
        let places = &mut places[..ands.len()];
        for (i, gate) in ands.iter().enumerate() {
            places[i] = self.cursor.step(gate);
            self.tile.labels[0][i] = self.labels[gate.a()];
            self.tile.labels[1][i] = self.labels[gate.b()];
        }
        for (columns, b) in self.masks.iter().zip(&mut self.tile.b) {
            sums(self.me, columns, places, b);
        }
        self.hash_labels(self.me.id(), ands.len());
        self.own_rows(ands);
        for k in 0..self.peers.len() {
            self.hash_labels(self.peers[k], ands.len());
            self.rows_for(k, places);
        }
        message.extend_from_slice(block::as_bytes(&self.rows[..ands.len() * rows_per_gate(self.me.n())]));
        self.number += ands.len() as u64;
    }

    /// Hashes both labels of both inputs of `count` gates under the tweaks of this party and `other`.
    fn hash_labels(&mut self, other: PartyId, count: usize) {
        let (tile, delta) = (&mut *self.tile, self.me.delta());
        for i in 0..count {
            let (a, b, number) = (tile.labels[0][i], tile.labels[1][i], self.number + i as u64);
            let (left, right) =
                (tweak(TweakUse::GateLeft, self.me.id(), other, number), tweak(TweakUse::GateRight, self.me.id(), other, number));
            tile.hashes[i] = [a, a ^ delta, b, b ^ delta];
            self.tweaks[4 * i..][..4].copy_from_slice(&[left, left, right, right]);
        }
        self.hash.hash(tile.hashes[..count].as_flattened_mut(), &self.tweaks[..4 * count]);
    }

    /// The half gates' rows, and the labels of the outputs.
    fn own_rows(&mut self, ands: &[Gate]) {
        let per_gate = rows_per_gate(self.me.n());
        let shows_value = self.me.id() == PartyId::new(1);
        let tile = &*self.tile;
        for (i, gate) in ands.iter().enumerate() {
            let [a0, a1, b0, b1] = tile.hashes[i];
            self.rows[i * per_gate] = a0 ^ a1 ^ tile.b[1][i];
            self.rows[i * per_gate + 1] = b0 ^ b1 ^ tile.b[0][i] ^ tile.labels[0][i];
            let mut label = a0 ^ b0 ^ tile.b[2][i];
            if shows_value {
                self.b.push(label.lsb());
                label.0 &= !1;
            }
            self.labels[gate.out()] = label;
        }
    }

    /// The rows for the `k`-th other garbler.
    fn rows_for(&mut self, k: usize, places: &[usize]) {
        let per_gate = rows_per_gate(self.me.n());
        let [left, right, star] = self.masks.each_ref().map(|m| m[self.me.mac(self.peers[k])]);
        for (i, &place) in places.iter().enumerate() {
            let [a0, a1, b0, b1] = self.tile.hashes[i];
            let rows = &mut self.rows[i * per_gate + 2 + 3 * k..][..3];
            rows.copy_from_slice(&[a0 ^ a1 ^ right[place], b0 ^ b1 ^ left[place], a0 ^ b0 ^ star[place]]);
        }
    }
}

/// `B_me` of the shares at `places`.
#[inline]
fn sums(me: &Me, columns: &[&[Block]], places: &[usize], out: &mut Tile) {
    let (bits, delta) = (columns[0], me.delta());
    out.iter_mut().zip(places).for_each(|(o, &p)| *o = delta.when(bits[p].lsb()));
    for j in me.others() {
        let keys = columns[me.key(j)];
        out.iter_mut().zip(places).for_each(|(o, &p)| *o ^= keys[p]);
    }
}

/// The evaluator's side of [`send_tables`]: receives one garbler's rows.
pub(crate) async fn receive_tables<C: Channel>(party: &mut Party<C>, circuit: &Circuit, from: PartyId) -> Result<Tables, crate::Error> {
    let per_gate = rows_per_gate(party.n());
    let sends_b = from == PartyId::new(1);
    let mut tables = Tables { rows: Buffer::zeroed(circuit.stats().ands() * per_gate), b: Bits::default() };
    let (mut done, mut gates, mut stretches) = (0, 0, Stretches::new(circuit));
    for run in circuit.runs() {
        gates += run.ands.len();
        if stretches.ends_with(run.ands.len()) {
            let rows = bytemuck::cast_slice_mut(&mut tables.rows[done * per_gate..][..gates * per_gate]);
            let read = |r: &mut Reader<'_>| -> Result<_, BadFormat> {
                rows.copy_from_slice(r.bytes(rows.len())?);
                if sends_b { r.bits(gates) } else { Ok(Bits::default()) }
            };
            let b = party.comms.recv_read(from, Kind::Tables, read).await?;
            tables.b.extend(&b);
            done += std::mem::take(&mut gates);
        }
    }
    Ok(tables)
}
