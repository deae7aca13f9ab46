//! Which run a gate goes to: list scheduling (Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 1969) from the outputs back.
//!
//! Runs are numbered from the last one on. A gate goes to the lowest run that its uses allow, an AND to the lowest of those with room. Only the
//! [`WINDOW`] newest runs are open: what was built far apart does not run together, and few wires are alive at once.

use std::collections::VecDeque;

use super::emit::{Emitted, Emitter, Pending};
use super::sparse::Sparse;
use crate::circuit::RUN;
use crate::node::{Lit, Node, Op};

/// Open runs. Measured: the SHA-256 compression needs 1 000 to overlap its message schedule with its rounds, two of them side by side need 2 000; more
/// gains little, and holds more XORs of outputs back (16 slots a run for AES).
const WINDOW: usize = 2048;

/// How many nodes are met before their memory is given back.
const PIECE: usize = 1 << 16;

/// The gates that are still open to others beside them.
pub(super) struct OpenRun {
    /// Each before those that it depends on.
    pub(super) xors: Vec<Pending>,
    pub(super) ands: Vec<Pending>,
}

impl OpenRun {
    /// Circuits of cryptography have about four XORs an AND.
    fn new() -> OpenRun {
        OpenRun { xors: Vec::with_capacity(4 * RUN), ands: Vec::with_capacity(RUN) }
    }
}

/// Schedules and emits the gates that `outputs` depend on.
pub(super) fn schedule(mut nodes: Vec<Node>, inputs: &[Lit], outputs: &[Lit]) -> Emitted {
    let mut emitter = Emitter::new(nodes.len(), outputs);
    let mut runs = Runs::new();
    // 0 if no use of a node was met, else 1 and the highest run that uses it.
    let mut uses = Sparse::new(nodes.len());
    for output in outputs {
        *uses.at(output.node()) = 1;
    }
    while let Some(node) = nodes.pop() {
        let id = nodes.len();
        let used = uses.get(id);
        if id.is_multiple_of(PIECE) {
            nodes.shrink_to_fit();
            uses.truncate(id);
        }
        let (run, a, b) = match node.op() {
            _ if used == 0 => continue,
            Op::Leaf => continue,
            Op::Xor(a, b) => (runs.add_xor(used - 1, Pending::new(id, a, b)), a, b),
            Op::And(a, b) => (runs.add_and(used, Pending::new(id, a, b)), a, b),
        };
        for operand in [a, b] {
            let used = uses.at(operand.node());
            *used = (run + 1).max(*used);
        }
        while let Some(run) = runs.pop_beyond(WINDOW) {
            emitter.emit(run);
        }
    }
    while let Some(run) = runs.pop_beyond(0) {
        emitter.emit(run);
    }
    emitter.finish(inputs, outputs)
}

struct Runs {
    /// Number of the first open run.
    first: u32,
    open: VecDeque<OpenRun>,
    /// For every run that is full, and for run 0, a higher one to look at; else its own number.
    room: Vec<u32>,
}

impl Runs {
    /// Run 0 has no ANDs: it is for the XORs after the last AND.
    fn new() -> Runs {
        Runs { first: 0, open: VecDeque::from([OpenRun::new()]), room: vec![1, 1] }
    }

    /// Adds an XOR to `run`, or the first run that is open.
    fn add_xor(&mut self, run: u32, gate: Pending) -> u32 {
        let run = run.max(self.first);
        self.open[(run - self.first) as usize].xors.push(gate);
        run
    }

    /// Adds an AND to the first run from `run` on that has room.
    fn add_and(&mut self, run: u32, gate: Pending) -> u32 {
        let run = self.room_from(run.max(self.first));
        let index = (run - self.first) as usize;
        if index == self.open.len() {
            self.open.push_back(OpenRun::new());
            self.room.push(run + 1);
        }
        let ands = &mut self.open[index].ands;
        ands.push(gate);
        if ands.len() == RUN {
            self.room[run as usize] = run + 1;
        }
        run
    }

    /// A walk along `room` that halves its own path (Tarjan and van Leeuwen, "Worst-case analysis of set union algorithms", J. ACM 1984).
    fn room_from(&mut self, mut run: u32) -> u32 {
        while self.room[run as usize] != run {
            let next = self.room[run as usize];
            self.room[run as usize] = self.room[next as usize];
            run = next;
        }
        run
    }

    /// The first open run, if more than `window` are open.
    fn pop_beyond(&mut self, window: usize) -> Option<OpenRun> {
        if self.open.len() <= window {
            return None;
        }
        self.first += 1;
        self.open.pop_front()
    }
}
