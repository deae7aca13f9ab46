//! Runs: their rules, and the kinds of their ANDs, on random circuits of every shape, how full they are, and what that costs in slots.

use std::collections::HashSet;

use cotenant_circuit::library::library;
use cotenant_circuit::{AndKind, Builder, Circuit, Gate, Lit, Output, RUN};
use proptest::prelude::*;

/// How a random circuit is drawn.
#[derive(Clone, Copy, Debug)]
struct Shape {
    seed: u64,
    inputs: usize,
    gates: usize,
    /// Operands are among the newest so many wires: few make deep circuits, many make wide ones.
    reach: usize,
    /// Of 256 gates so many are ANDs.
    ands: u64,
    outputs: usize,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let reach = prop_oneof![1usize..5, 5usize..100, 100usize..10_000];
    (any::<u64>(), 1usize..200, 0usize..8_000, reach, 0u64..=256, 1usize..200)
        .prop_map(|(seed, inputs, gates, reach, ands, outputs)| Shape { seed, inputs, gates, reach, ands, outputs })
}

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014).
struct Random(u64);

impl Random {
    fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.word() % bound as u64) as usize
    }
}

/// A random circuit, inputs for it, and its outputs as computed while it was built.
fn draw(shape: Shape) -> (Circuit, Vec<u64>, Vec<u64>) {
    let mut random = Random(shape.seed);
    let mut b = Builder::new();
    let mut wires: Vec<(Lit, u64)> = Vec::new();
    for _ in 0..shape.inputs {
        let lit = if random.below(4) == 0 { b.public_input(1) } else { b.input(1) }[0];
        wires.push((lit, random.word()));
    }
    let inputs = wires.iter().map(|wire| wire.1).collect();
    let pick = |random: &mut Random, wires: &[(Lit, u64)], reach: usize| {
        let (lit, value) = wires[wires.len() - 1 - random.below(reach.min(wires.len()))];
        if random.below(2) == 0 { (!lit, !value) } else { (lit, value) }
    };
    for _ in 0..shape.gates {
        let (x, y) = (pick(&mut random, &wires, shape.reach), pick(&mut random, &wires, shape.reach));
        wires.push(match random.word() % 256 < shape.ands {
            true => (b.and(x.0, y.0), x.1 & y.1),
            false => (b.xor(x.0, y.0), x.1 ^ y.1),
        });
    }
    let outputs: Vec<(Lit, u64)> = (0..shape.outputs).map(|_| pick(&mut random, &wires, wires.len())).collect();
    outputs.iter().for_each(|output| b.output(&[output.0]));
    (b.finish(), inputs, outputs.iter().map(|output| output.1).collect())
}

proptest! {
    #[test]
    fn runs_keep_their_rules(shape in shapes()) {
        let (circuit, inputs, expected) = draw(shape);
        assert_rules(&circuit);
        assert_kinds(&circuit);
        prop_assert_eq!(&circuit.eval64(&inputs), &expected);
        prop_assert_eq!(&walk_backwards(&circuit, &inputs), &expected);
    }
}

#[test]
fn the_library_keeps_the_rules() {
    library().iter().for_each(|entry| assert_rules(&entry.build()));
}

/// Every rule of [`cotenant_circuit::Run`].
fn assert_rules(circuit: &Circuit) {
    let flat: Vec<Gate> = circuit.runs().flat_map(|run| run.xors.iter().chain(run.ands)).copied().collect();
    assert!(flat == circuit.gates(), "the runs are the gates");
    assert_eq!(circuit.runs().count(), circuit.stats().runs);
    for run in circuit.runs() {
        assert!(!run.xors.is_empty() || !run.ands.is_empty(), "no run is empty");
        assert!(run.ands.len() <= RUN);
        assert!(run.xors.iter().all(|g| !g.is_and()) && run.ands.iter().all(|g| g.is_and()));
        assert!(run.xors.iter().all(|g| g.xor_slots() == [g.a(), g.b(), g.out()]));
        let read: HashSet<usize> = run.ands.iter().flat_map(|g| [g.a(), g.b()]).collect();
        let written: HashSet<usize> = run.ands.iter().map(|g| g.out()).collect();
        assert_eq!(written.len(), run.ands.len(), "every AND writes a slot of its own");
        assert!(read.is_disjoint(&written), "no AND writes what one of its run reads");
        assert!(run.ands.is_sorted_by_key(|g| g.and_kind() != Some(AndKind::Full)), "ANDs of two secrets come first");
    }
}

/// Kinds follow what is public, and the secret operand of a half-public AND is the first.
fn assert_kinds(circuit: &Circuit) {
    let mut public = vec![false; circuit.slots()];
    (0..circuit.inputs()).for_each(|i| public[i] = circuit.input_is_public(i));
    for gate in circuit.gates() {
        let operands = (public[gate.a()], public[gate.b()]);
        public[gate.out()] = operands == (true, true);
        match gate.and_kind() {
            None => (),
            Some(AndKind::Full) => assert_eq!(operands, (false, false)),
            Some(AndKind::HalfPublic) => assert_eq!(operands, (false, true)),
            Some(AndKind::Public) => assert_eq!(operands, (true, true)),
        }
    }
}

/// The outputs, with the ANDs of each run taken in the opposite order.
fn walk_backwards(circuit: &Circuit, inputs: &[u64]) -> Vec<u64> {
    let mut slots = vec![0u64; circuit.slots()];
    slots[..inputs.len()].copy_from_slice(inputs);
    let spread = |bit: bool| (bit as u64).wrapping_neg();
    for run in circuit.runs() {
        for xor in run.xors {
            slots[xor.out()] = slots[xor.a()] ^ slots[xor.b()];
        }
        for and in run.ands.iter().rev() {
            slots[and.out()] = (slots[and.a()] ^ spread(and.a_neg())) & (slots[and.b()] ^ spread(and.b_neg()));
        }
    }
    let outputs = circuit.outputs().iter().map(|output| match *output {
        Output::Slot { slot, neg } => slots[slot] ^ spread(neg),
        Output::Const(value) => spread(value),
    });
    outputs.collect()
}

#[test]
fn independent_ands_fill_runs() {
    let mut b = Builder::new();
    let (x, y) = (b.input(10 * RUN), b.input(10 * RUN));
    let products: Vec<Lit> = x.iter().zip(&y).map(|(&x, &y)| b.and(x, y)).collect();
    b.output(&products);
    let circuit = b.finish();
    assert!(circuit.runs().all(|run| run.ands.len() == RUN));
    assert_eq!(circuit.stats().runs, 10);
}

#[test]
fn chains_run_side_by_side() {
    let circuit = chains(RUN, 1_000);
    assert_eq!(circuit.runs().map(|run| run.ands.len()).filter(|&ands| ands > 0).collect::<Vec<_>>(), [RUN; 1_000]);
}

#[test]
fn copies_keep_few_wires_alive() {
    // As many chains as fill a run are alive, and the inputs.
    let circuit = chains(2_000, 100);
    assert!(circuit.stats().runs < 2_000 * 100 / RUN + 150, "{} runs", circuit.stats().runs);
    assert!(circuit.slots() < 6 * RUN, "{} slots", circuit.slots());
}

#[test]
fn long_sums_are_added_up_as_their_terms_come() {
    let circuit = chains(60_000, 1);
    assert!(circuit.slots() < 5 * RUN, "{} slots", circuit.slots());
}

/// The sum of the ends of chains of ANDs and XORs, each from another sum of the same inputs.
fn chains(count: usize, length: usize) -> Circuit {
    let mut b = Builder::new();
    let v = b.input(18);
    let mut sum = Lit::FALSE;
    for chain in 0..count {
        // The highest first: what two chains share is of chains near each other.
        let mut x = (0..16).rev().filter(|i| chain >> i & 1 == 1).fold(v[17], |x, i| b.xor(x, v[i]));
        for i in 0..length {
            let y = b.and(x, v[16]);
            x = b.xor(y, v[i % 16]);
        }
        sum = b.xor(sum, x);
    }
    b.output(&[sum]);
    b.finish()
}
