//! From nodes to the compiled form: dead gates removed, wires placed in slots that are reused once a wire is no longer needed.
//!
//! Gates keep the order in which they were built, which is topological. The slot freed last is taken first, as it is the likeliest to be in cache.

use crate::builder::{Lit, Node};
use crate::circuit::{AndKind, Circuit, Gate, Output, RUN, RunLength, Stats};

/// A wire that lives to the end, because it is an output.
const FOREVER: u32 = u32::MAX;
/// How many runs back a gate may be placed.
const WINDOW: usize = 1024;
/// A wire that nothing uses.
const NEVER: u32 = u32::MAX - 1;

/// Compiles the part of `nodes` that `outputs` depend on. `inputs` are the input nodes in order of declaration.
pub(crate) fn compile(nodes: &[Node], public: &[bool], inputs: &[Lit], outputs: &[Lit]) -> Circuit {
    let live = last_uses(nodes, outputs);
    let run = schedule(nodes, &live);
    let mut order: Vec<u32> = (0..nodes.len() as u32)
        .filter(|&id| live[id as usize] != NEVER && !matches!(nodes[id as usize], Node::False | Node::Input))
        .collect();
    order.sort_by_key(|&id| (run[id as usize], matches!(nodes[id as usize], Node::And(..))));
    let last_use = last_uses_in(nodes, &order, outputs);
    let mut slots = Slots { next: 0, free: Vec::new() };
    let mut slot_of = vec![0u32; nodes.len()];
    for input in inputs {
        slot_of[input.node()] = slots.take();
    }
    slots.free.extend(inputs.iter().rev().filter(|i| last_use[i.node()] == NEVER).map(|i| slot_of[i.node()]));

    let mut stats = Stats { inputs: inputs.len(), outputs: outputs.len(), ..Stats::default() };
    let mut depth = vec![0u32; nodes.len()];
    let mut gates = Vec::new();
    let mut runs = Vec::new();
    let mut at = 0;
    for gates_of_run in order.chunk_by(|&a, &b| run[a as usize] == run[b as usize]) {
        let xors = gates_of_run.iter().take_while(|&&id| matches!(nodes[id as usize], Node::Xor(..))).count();
        runs.push(RunLength::new(xors, gates_of_run.len() - xors));
        let mut freed = Vec::new();
        for &id in gates_of_run {
            let id = id as usize;
            let (mut a, mut b, kind) = match nodes[id] {
                Node::False | Node::Input => unreachable!(),
                Node::Xor(a, b) => (a, b, None),
                Node::And(a, b) => (a, b, Some(and_kind(public[a.node()], public[b.node()]))),
            };
            if kind == Some(AndKind::HalfPublic) && public[a.node()] {
                (a, b) = (b, a);
            }
            let (slot_a, slot_b) = (slot_of[a.node()], slot_of[b.node()]);
            for (operand, slot) in [(a, slot_a), (b, slot_b)] {
                if last_use[operand.node()] == at {
                    if kind.is_some() {
                        freed.push(slot)
                    } else {
                        slots.free.push(slot);
                    }
                }
            }
            at += 1;
            slot_of[id] = slots.take();
            depth[id] = depth[a.node()].max(depth[b.node()]) + kind.is_some() as u32;
            stats.count(kind, depth[id]);
            gates.push(Gate::new(kind, (slot_a, a.is_negated()), (slot_b, b.is_negated()), slot_of[id]));
        }
        slots.free.extend(freed);
    }
    stats.slots = slots.next as usize;
    stats.runs = runs.len();
    let outputs = outputs.iter().map(|&o| match o.as_constant() {
        Some(value) => Output::Const(value),
        None => Output::Slot { slot: slot_of[o.node()] as usize, neg: o.is_negated() },
    });
    Circuit::new(inputs.iter().map(|i| public[i.node()]).collect(), gates, runs, outputs.collect(), stats)
}

/// The run of every gate: each goes to the last run that its uses allow and that has room, which keeps few wires alive.
fn schedule(nodes: &[Node], last_use: &[u32]) -> Vec<u32> {
    let mut needed_in = vec![0u32; nodes.len()];
    let mut run = vec![0u32; nodes.len()];
    // Runs from the last one on; the last has XORs only.
    let mut filled = vec![RUN];
    for (id, &node) in nodes.iter().enumerate().rev().filter(|&(id, _)| last_use[id] != NEVER) {
        let (a, b, r) = match node {
            Node::False | Node::Input => continue,
            Node::Xor(a, b) => (a, b, needed_in[id] as usize),
            Node::And(a, b) => {
                let from = (needed_in[id] as usize + 1).max(filled.len().saturating_sub(WINDOW));
                let room = filled.iter().skip(from).position(|&ands| ands < RUN).map_or(filled.len().max(from), |ahead| from + ahead);
                filled.resize(filled.len().max(room + 1), 0);
                filled[room] += 1;
                (a, b, room)
            }
        };
        run[id] = r as u32;
        for operand in [a, b] {
            let needed_in = &mut needed_in[operand.node()];
            *needed_in = run[id].max(*needed_in);
        }
    }
    run.iter_mut().for_each(|run| *run = filled.len() as u32 - *run);
    run
}

fn last_uses_in(nodes: &[Node], order: &[u32], outputs: &[Lit]) -> Vec<u32> {
    let mut last_use = vec![NEVER; nodes.len()];
    for (at, &id) in order.iter().enumerate() {
        let (Node::Xor(a, b) | Node::And(a, b)) = nodes[id as usize] else { continue };
        for operand in [a, b] {
            last_use[operand.node()] = at as u32;
        }
    }
    for output in outputs {
        last_use[output.node()] = FOREVER;
    }
    last_use
}

/// For each node the gate that uses it last, or `FOREVER`, or `NEVER` if no output depends on it.
fn last_uses(nodes: &[Node], outputs: &[Lit]) -> Vec<u32> {
    let mut last_use = vec![NEVER; nodes.len()];
    for output in outputs {
        last_use[output.node()] = FOREVER;
    }
    for (id, &node) in nodes.iter().enumerate().rev() {
        let (Node::Xor(a, b) | Node::And(a, b)) = node else { continue };
        if last_use[id] == NEVER {
            continue;
        }
        for operand in [a, b] {
            let last = &mut last_use[operand.node()];
            if *last == NEVER {
                *last = id as u32;
            }
        }
    }
    last_use
}

fn and_kind(a_is_public: bool, b_is_public: bool) -> AndKind {
    match (a_is_public, b_is_public) {
        (true, true) => AndKind::Public,
        (false, false) => AndKind::Full,
        _ => AndKind::HalfPublic,
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
