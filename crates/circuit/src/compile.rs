//! From nodes to the compiled form: dead gates removed, wires placed in slots that are reused once a wire is no longer needed.
//!
//! Gates keep the order in which they were built, which is topological. The slot freed last is taken first, as it is the likeliest to be in cache.

use crate::builder::{Lit, Node};
use crate::circuit::{AndKind, Circuit, Gate, Output, Stats};

/// A wire that lives to the end, because it is an output.
const FOREVER: u32 = u32::MAX;
/// A wire that nothing uses.
const NEVER: u32 = u32::MAX - 1;

/// Compiles the part of `nodes` that `outputs` depend on. `inputs` are the input nodes in order of declaration.
pub(crate) fn compile(nodes: &[Node], public: &[bool], inputs: &[Lit], outputs: &[Lit]) -> Circuit {
    let last_use = last_uses(nodes, outputs);
    let mut slots = Slots { next: 0, free: Vec::new() };
    let mut slot_of = vec![0u32; nodes.len()];
    for input in inputs {
        slot_of[input.node()] = slots.take();
    }
    slots.free.extend(inputs.iter().rev().filter(|i| last_use[i.node()] == NEVER).map(|i| slot_of[i.node()]));

    let mut stats = Stats { inputs: inputs.len(), outputs: outputs.len(), ..Stats::default() };
    let mut depth = vec![0u32; nodes.len()];
    let mut gates = Vec::new();
    for (id, &node) in nodes.iter().enumerate().filter(|&(id, _)| last_use[id] != NEVER) {
        let (mut a, mut b, kind) = match node {
            Node::False | Node::Input => continue,
            Node::Xor(a, b) => (a, b, None),
            Node::And(a, b) => (a, b, Some(and_kind(public[a.node()], public[b.node()]))),
        };
        if kind == Some(AndKind::HalfPublic) && public[a.node()] {
            (a, b) = (b, a);
        }
        let (slot_a, slot_b) = (slot_of[a.node()], slot_of[b.node()]);
        for (operand, slot) in [(a, slot_a), (b, slot_b)] {
            if last_use[operand.node()] == id as u32 {
                slots.free.push(slot);
            }
        }
        slot_of[id] = slots.take();
        depth[id] = depth[a.node()].max(depth[b.node()]) + kind.is_some() as u32;
        stats.count(kind, depth[id]);
        gates.push(Gate::new(kind, (slot_a, a.is_negated()), (slot_b, b.is_negated()), slot_of[id]));
    }
    stats.slots = slots.next as usize;
    let outputs = outputs.iter().map(|&o| match o.as_constant() {
        Some(value) => Output::Const(value),
        None => Output::Slot { slot: slot_of[o.node()] as usize, neg: o.is_negated() },
    });
    Circuit::new(inputs.iter().map(|i| public[i.node()]).collect(), gates, outputs.collect(), stats)
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
