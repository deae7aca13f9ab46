//! Gates with their slots, written from the last one back.
//!
//! A wire takes a slot when its last use is written and gives it back when the gate that makes it is. The slot freed last is taken first, as it is
//! the likeliest to be in cache.
//!
//! An XOR that is the last use of an operand can as well run early: as soon as that operand is made, as many wires are alive between as if it ran late,
//! or fewer, if it is the last use of both. So it is not written when it is met but *waits*, until one of its operands is made or, having no slot yet,
//! takes one for another gate. Sums of many terms thus add each term when it comes.

use super::schedule::OpenRun;
use super::sparse::Sparse;
use super::waiting::Waiting;
use crate::circuit::{AndKind, Gate, RunLength};
use crate::node::Lit;

/// A gate that is not written yet.
#[derive(Clone, Copy)]
pub(super) struct Pending {
    pub(super) id: u32,
    a: Lit,
    b: Lit,
}

impl Pending {
    pub(super) fn new(id: usize, a: Lit, b: Lit) -> Pending {
        Pending { id: id as u32, a, b }
    }
}

/// All gates in slots, the last one first. Every AND is marked as one of two secrets.
pub(super) struct Emitted {
    pub(super) gates: Vec<Gate>,
    pub(super) runs: Vec<RunLength>,
    pub(super) slots: usize,
    /// The slot of every input.
    pub(super) inputs: Vec<u32>,
    /// The slot of every output; 0 for a constant.
    pub(super) outputs: Vec<u32>,
}

/// Where a wire is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// No use of it was written, and no XOR waits to be its last.
    Nowhere,
    Slot(u32),
    /// The XOR with this index among those waiting is its last use.
    LastUseWaits(u32),
}

impl Place {
    const WAITS: u32 = 1 << 31;

    /// In 4 bytes; 0 is `Nowhere`, so that a wire not met yet takes no memory.
    fn pack(self) -> u32 {
        match self {
            Place::Nowhere => 0,
            Place::Slot(slot) => slot + 1,
            Place::LastUseWaits(index) => index | Self::WAITS,
        }
    }

    fn unpack(code: u32) -> Place {
        match code {
            0 => Place::Nowhere,
            code if code & Self::WAITS != 0 => Place::LastUseWaits(code & !Self::WAITS),
            code => Place::Slot(code - 1),
        }
    }
}

/// Writes run after run, the last one first.
pub(super) struct Emitter {
    /// The packed [`Place`] of every node.
    places: Sparse,
    waiting: Waiting,
    slots: Slots,
    gates: Vec<Gate>,
    runs: Vec<RunLength>,
    /// Gates that were written before the run that is being written.
    before: usize,
    /// ANDs of that run.
    ands: usize,
}

impl Emitter {
    pub(super) fn new(nodes: usize, outputs: &[Lit]) -> Emitter {
        let (waiting, slots) = (Waiting::default(), Slots { next: 0, free: Vec::new() });
        let mut emitter =
            Emitter { places: Sparse::new(nodes), waiting, slots, gates: Vec::with_capacity(nodes), runs: Vec::new(), before: 0, ands: 0 };
        for output in outputs.iter().filter(|output| output.as_constant().is_none()) {
            emitter.slot(output.node());
        }
        emitter
    }

    /// Writes a run. All operands of its ANDs take slots before a result gives one back.
    pub(super) fn emit(&mut self, run: OpenRun) {
        for gate in &run.ands {
            self.prepare(gate);
        }
        self.close_run();
        self.ands = run.ands.len();
        for &gate in &run.ands {
            let out = self.slot(gate.id as usize);
            self.write(Some(AndKind::Full), gate, out);
        }
        self.slots.free.extend(self.gates[self.before..].iter().map(|gate| gate.out() as u32));
        for &gate in &run.xors {
            self.meet_xor(gate);
        }
    }

    /// Writes what still waits, and puts down where inputs and outputs are.
    pub(super) fn finish(mut self, inputs: &[Lit], outputs: &[Lit]) -> Emitted {
        for input in inputs {
            self.release(input.node());
        }
        self.close_run();
        let inputs = inputs.iter().map(|input| self.slot(input.node())).collect();
        let slot_of_output = |output: &Lit| output.as_constant().map_or_else(|| self.slot(output.node()), |_| 0);
        let outputs = outputs.iter().map(slot_of_output).collect();
        Emitted { gates: self.gates, runs: self.runs, slots: self.slots.next as usize, inputs, outputs }
    }

    /// An XOR's turn: it waits, if it is the last use of an operand.
    fn meet_xor(&mut self, gate: Pending) {
        let operands = [gate.a.node(), gate.b.node()];
        operands.into_iter().for_each(|operand| self.release(operand));
        let places = operands.map(|operand| self.place(operand));
        if places.iter().all(|&place| place != Place::Nowhere) {
            self.prepare(&gate);
            return self.write_xor(gate);
        }
        let partner = places.iter().find_map(|&place| if let Place::Slot(slot) = place { Some(slot) } else { None });
        let index = self.waiting.add(gate, partner);
        for (operand, _) in operands.into_iter().zip(places).filter(|&(_, place)| place == Place::Nowhere) {
            *self.places.at(operand) = Place::LastUseWaits(index).pack();
        }
    }

    /// Before a gate is written: no XOR waits that must run after it, or that is not the last use of an operand any more.
    fn prepare(&mut self, gate: &Pending) {
        while let Some(index) = self.waiter(gate.id as usize) {
            self.write_waiting(index);
        }
        [gate.a, gate.b].into_iter().for_each(|operand| self.release(operand.node()));
    }

    /// Before a wire takes a slot: no XOR waits to be its last use.
    fn release(&mut self, node: usize) {
        if let Place::LastUseWaits(index) = self.place(node) {
            self.write_waiting(index);
        }
    }

    /// Writes an XOR that waits, after all that wait and use it.
    fn write_waiting(&mut self, index: u32) {
        let mut path = vec![index];
        while let Some(&index) = path.last() {
            match self.waiter(self.waiting.get(index).id as usize) {
                Some(user) => path.push(user),
                None => {
                    path.pop();
                    let gate = self.waiting.remove(index);
                    self.write_xor(gate);
                }
            }
        }
    }

    /// An XOR that waits and uses this wire.
    fn waiter(&self, node: usize) -> Option<u32> {
        match self.place(node) {
            Place::Nowhere => None,
            Place::Slot(slot) => self.waiting.user_of(slot),
            Place::LastUseWaits(index) => Some(index),
        }
    }

    /// The slot that it gives back may be one that it takes.
    fn write_xor(&mut self, gate: Pending) {
        let out = self.slot(gate.id as usize);
        self.slots.free.push(out);
        self.write(None, gate, out);
    }

    fn write(&mut self, kind: Option<AndKind>, gate: Pending, out: u32) {
        let [a, b] = [gate.a, gate.b].map(|operand| (self.slot(operand.node()), operand.is_negated()));
        self.gates.push(Gate::new(kind, a, b, out));
    }

    fn close_run(&mut self) {
        let gates = self.gates.len() - self.before;
        if gates > 0 {
            self.runs.push(RunLength { xors: (gates - self.ands) as u32, ands: self.ands as u32 });
        }
        self.before = self.gates.len();
    }

    fn place(&self, node: usize) -> Place {
        Place::unpack(self.places.get(node))
    }

    /// The slot of a wire, which takes one unless it has one.
    fn slot(&mut self, node: usize) -> u32 {
        if let Place::Slot(slot) = self.place(node) {
            return slot;
        }
        let slot = self.slots.take();
        *self.places.at(node) = Place::Slot(slot).pack();
        slot
    }
}

struct Slots {
    next: u32,
    free: Vec<u32>,
}

impl Slots {
    fn take(&mut self) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.next += 1;
            assert!(self.next <= Gate::MAX_SLOTS, "a circuit has at most 2^30 slots");
            self.next - 1
        })
    }
}
