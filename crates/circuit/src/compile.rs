//! From nodes to the compiled form: dead gates removed, gates in runs, wires in slots that are reused once a wire is no longer needed.
//!
//! All goes from the outputs back to the inputs. So when a gate is met, all its uses are known: whether there are any, which run it must precede, and,
//! when it is written out, that its slot is free before it. [`mod@schedule`] chooses the run, [`mod@emit`] the slots and the place of XORs; what is written
//! last runs first. Nodes are given up as they are met, and the gates take their memory.

mod emit;
mod schedule;
mod sparse;
mod waiting;

use crate::circuit::{AndKind, Circuit, Gate, Output, RunLength, Stats};
use crate::node::{Lit, Node};
use emit::Emitted;

/// Compiles the part of `nodes` that `outputs` depend on. `inputs` are the input nodes in order of declaration.
pub(crate) fn compile(nodes: Vec<Node>, inputs: &[Lit], input_is_public: Vec<bool>, outputs: &[Lit]) -> Circuit {
    let Emitted { mut gates, mut runs, slots, inputs: input_slots, outputs: output_slots } = schedule::schedule(nodes, inputs, outputs);
    gates.reverse();
    gates.shrink_to_fit();
    runs.reverse();
    let slot_of = inputs_first(&input_slots, slots);
    let mut stats = Stats { inputs: inputs.len(), outputs: outputs.len(), slots, runs: runs.len(), ..Stats::default() };
    finish_gates(&mut gates, &slot_of, &input_is_public, &mut stats);
    sort_ands(&mut gates, &runs);
    let outputs = outputs.iter().zip(output_slots).map(|(output, slot)| match output.as_constant() {
        Some(value) => Output::Const(value),
        None => Output::Slot { slot: slot_of[slot as usize] as usize, neg: output.is_negated() },
    });
    Circuit::new(input_is_public, gates, runs, outputs.collect(), stats)
}

/// New numbers for slots, by which the inputs are in the first ones.
fn inputs_first(input_slots: &[u32], slots: usize) -> Vec<u32> {
    let mut slot_of = vec![u32::MAX; slots];
    for (&slot, input) in input_slots.iter().zip(0..) {
        slot_of[slot as usize] = input;
    }
    let others = slot_of.iter_mut().filter(|slot| **slot == u32::MAX);
    others.zip(input_slots.len() as u32..).for_each(|(slot, number)| *slot = number);
    slot_of
}

/// Renumbers slots, finds the kinds of ANDs, and counts.
fn finish_gates(gates: &mut [Gate], slot_of: &[u32], input_is_public: &[bool], stats: &mut Stats) {
    let mut public = input_is_public.to_vec();
    public.resize(slot_of.len(), false);
    let mut depth = vec![0u32; slot_of.len()];
    for gate in gates {
        let (mut a, mut b) = ((slot_of[gate.a()], gate.a_neg()), (slot_of[gate.b()], gate.b_neg()));
        let out = slot_of[gate.out()];
        let (a_is_public, b_is_public) = (public[a.0 as usize], public[b.0 as usize]);
        let kind = gate.is_and().then(|| and_kind(a_is_public, b_is_public));
        public[out as usize] = a_is_public && b_is_public;
        depth[out as usize] = depth[a.0 as usize].max(depth[b.0 as usize]) + kind.is_some() as u32;
        stats.count(kind, depth[out as usize]);
        if kind == Some(AndKind::HalfPublic) && a_is_public {
            (a, b) = (b, a);
        }
        *gate = Gate::new(kind, a, b, out);
    }
}

/// Puts the ANDs of two secrets first in each run; as they are independent, any order is right.
fn sort_ands(mut gates: &mut [Gate], runs: &[RunLength]) {
    for run in runs {
        let (of_run, rest) = gates.split_at_mut((run.xors + run.ands) as usize);
        of_run[run.xors as usize..].sort_by_key(|and| and.and_kind() != Some(AndKind::Full));
        gates = rest;
    }
}

fn and_kind(a_is_public: bool, b_is_public: bool) -> AndKind {
    match (a_is_public, b_is_public) {
        (true, true) => AndKind::Public,
        (false, false) => AndKind::Full,
        _ => AndKind::HalfPublic,
    }
}
