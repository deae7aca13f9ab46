//! The walks of all parties fit together: masks, tables, evaluation and zero test of one segment, with shares dealt in the clear.

use super::{messages::Stretches, *};
use crate::{
    evaluate::{Evaluated, evaluate, follow},
    workers::Workers,
    zero_test::{Sums, Tested},
};
use chacha20::ChaCha20Rng;
use cotenant_circuit::{Builder, Lit};
use rand_core::{Rng, SeedableRng};
use std::num::NonZeroUsize;

const HASH: Block = Block(5);
const SEED: Block = Block(6);
const SECRET: usize = 10;
const PUBLIC: usize = 3;

/// A random circuit with ANDs of every kind, negations and a constant output.
fn circuit(gates: usize, rng: &mut ChaCha20Rng) -> Circuit {
    let mut b = Builder::new();
    let mut wires: Vec<Lit> = b.input(SECRET);
    wires.extend(b.public_input(PUBLIC));
    for _ in 0..gates {
        let [x, y] = [(); 2].map(|()| {
            let w = wires[rng.next_u32() as usize % wires.len()];
            if rng.next_u32().is_multiple_of(3) { !w } else { w }
        });
        let out = if rng.next_u32().is_multiple_of(2) { b.and(x, y) } else { b.xor(x, y) };
        wires.push(out);
    }
    let last = wires.len() - 1;
    let public = b.and(wires[SECRET], !wires[SECRET + 1]);
    let half = b.and(!wires[last], !public);
    let outputs: Vec<Lit> = (0..100).map(|k| wires[last - 2 * k]).chain([!wires[last], Lit::TRUE, public, !half]).collect();
    b.output(&outputs);
    b.finish()
}

/// All parties of a segment that is garbled.
struct Parties {
    me: Vec<Me>,
    circuit: Arc<Circuit>,
    places: Places,
    masks: Vec<Masks>,
    wires: Vec<Wires>,
    rng: ChaCha20Rng,
}

/// `count` random shares at all parties.
fn deal(me: &[Me], count: usize, rng: &mut ChaCha20Rng) -> Vec<Shares> {
    let mut all: Vec<Shares> = me.iter().map(|m| Shares::zero(m, count)).collect();
    for i in 0..count {
        for (p, party) in me.iter().enumerate() {
            let bit = rng.next_u32() % 2 == 1;
            for j in party.others() {
                let (key, delta) = (Block(Block::random(rng).0 & !1), me[j.index()].delta());
                Columns::of(all[p].columns_mut(), party, j).0[0][i] = key ^ delta.when(bit);
                Columns::of(all[j.index()].columns_mut(), &me[j.index()], party.id()).0[1][i] = key;
            }
        }
    }
    all
}

/// The bit that is shared.
fn shared<'a>(strings: impl Iterator<Item = &'a Shares>, i: usize) -> bool {
    strings.fold(false, |sum, s| sum ^ s.bit(i))
}

impl Parties {
    fn new(n: usize, seed: u64) -> Parties {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let me: Vec<Me> = PartyId::all(n).map(|p| Me::new(p, n, Block(Block::random(&mut rng).0 | 1))).collect();
        let circuit = Arc::new(circuit(800, &mut rng));
        let (full, ands) = (circuit.stats().and_full, circuit.stats().ands());
        assert!(full > 3 * RUN && circuit.stats().and_half_public > 0 && circuit.stats().and_public > 0);
        // between those of other segments
        let places = Places { full: 7..7 + full, cheap: full + 11..ands + 11 };
        let stars = deal(&me, ands + 13, &mut rng);
        let zero = |m: &Me| Shares::zero(m, ands + 13);
        let masks = me.iter().zip(stars).map(|(m, star)| Masks { left: zero(m), right: zero(m), star }).collect();
        let mut wires: Vec<Wires> = me.iter().map(|m| Wires::new(m, n, SECRET + PUBLIC + circuit.outputs().len())).collect();
        for (wires, inputs) in wires.iter_mut().zip(deal(&me, SECRET, &mut rng)) {
            (0..SECRET).for_each(|w| wires.masks.copy(w, &inputs, w));
        }
        for (k, wires) in wires.iter_mut().enumerate().skip(1) {
            for w in 0..(SECRET + PUBLIC) as u32 {
                let label = Block::random(&mut rng);
                wires.set_labels(w, &[if k == 1 { Block(label.0 & !1) } else { label }]);
            }
        }
        let mut parties = Parties { me, circuit, places, masks, wires, rng };
        parties.mask();
        parties
    }

    fn planned(&self) -> Planned {
        let inputs = (SECRET + PUBLIC) as u32;
        Planned {
            circuit: self.circuit.clone(),
            inputs: (0..inputs).collect(),
            outputs: inputs..inputs + self.circuit.outputs().len() as u32,
        }
    }

    /// Masks of all ANDs, the products of two secrets included, which triples give the engine.
    fn mask(&mut self) {
        for (p, me) in self.me.iter().enumerate() {
            mask_all(me, &Workers::ONE, vec![(self.planned(), self.places.clone())], &mut self.wires[p], &mut self.masks[p]);
        }
        for i in self.places.full.clone() {
            let product = shared(self.masks.iter().map(|m| &m.left), i) & shared(self.masks.iter().map(|m| &m.right), i);
            for (me, masks) in self.me.iter().zip(&mut self.masks) {
                for j in me.others() {
                    let mut star = Columns::of(masks.star.columns_mut(), me, j);
                    star.set(i, star.get(i) ^ Pair::one(me, j).when(product));
                }
            }
        }
    }

    fn garble(&mut self) -> Tables {
        let (circuit, hash, mut all) = (self.circuit.clone(), Tmmo::new(HASH), Tables { rows: Vec::new(), b: Bits::default() });
        for p in 1..self.me.len() {
            let mut walk = Garbler::new(&self.me[p], &hash, &circuit, &self.places, &self.masks[p], 100);
            (0..SECRET + PUBLIC).for_each(|w| walk.labels.set(w, self.wires[p].labels(w as u32)[0]));
            let mut rows = Vec::new();
            for run in circuit.runs() {
                walk.labels.xors(run.xors);
                walk.run(run.ands, &mut rows);
            }
            let mut memory = Buffer::zeroed(rows.len() / 16);
            bytemuck::cast_slice_mut(&mut memory).copy_from_slice(&rows);
            let range = 0..memory.len();
            all.rows.push(Rows { memory: Arc::new(memory), range });
            all.b = if p == 1 { walk.take_b() } else { all.b };
            for (w, output) in self.planned().outputs.zip(circuit.outputs()) {
                let label = if let Output::Slot { slot, .. } = *output { walk.labels.get(slot) } else { Block::ZERO };
                self.wires[p].set_labels(w, &[label]);
            }
        }
        all
    }

    /// Gives all parties the masked values of the inputs, and the evaluator labels.
    fn give(&mut self, values: &[bool]) {
        for (w, value) in values.iter().enumerate() {
            let masked = value ^ shared(self.wires.iter().map(|w| &w.masks), w);
            let delta = |me: &Me| me.delta().when(masked);
            let active: Vec<Block> = (1..self.me.len()).map(|p| self.wires[p].labels(w as u32)[0] ^ delta(&self.me[p])).collect();
            self.wires.iter_mut().for_each(|wires| wires.set_value(w as u32, masked));
            self.wires[0].set_active(w as u32, active.into_iter());
        }
    }

    fn garbled(&self, tables: Option<Tables>) -> Garbled {
        Garbled { planned: self.planned(), places: self.places.clone(), tweaks: 100, tables }
    }

    fn sums(&self, p: usize, values: Evaluated) -> Sums {
        let tested = Tested { index: 0, places: self.places.clone(), inputs: Bits::default(), values };
        let testers: Vec<PartyId> = if p == 0 { self.me[0].others().collect() } else { vec![PartyId::EVALUATOR] };
        Sums::new(&Workers::new(NonZeroUsize::MIN), &self.me[p], &self.masks[p], &[tested], SEED, &testers)
    }

    /// Evaluates on random values; checks what comes out. The sums of the zero test of all parties.
    fn evaluate(&mut self) -> Vec<Sums> {
        let values: Vec<bool> = (0..SECRET + PUBLIC).map(|_| self.rng.next_u32() % 2 == 1).collect();
        let tables = self.garble();
        self.give(&values);
        let garbled = self.garbled(Some(tables));
        let outputs = garbled.planned.outputs.clone();
        let walked = evaluate(&self.me[0], &Tmmo::new(HASH), &garbled, &self.masks[0], &self.wires[0]);
        let e = walked.end(outputs.clone(), &mut self.wires[0]);
        let mut follow = |p: usize| follow(&garbled, &self.wires[p], e.out.clone()).end(outputs.clone(), &mut self.wires[p]);
        let followed: Vec<Evaluated> = (1..self.me.len()).map(&mut follow).collect();
        assert!(followed.iter().all(|f| f.left.words() == e.left.words() && f.right.words() == e.right.words()));
        for (w, value) in garbled.planned.outputs.clone().zip(self.circuit.eval(&values)) {
            let masked = value ^ shared(self.wires.iter().map(|w| &w.masks), w as usize);
            assert!(self.wires.iter().all(|wires| wires.lambda.get(w as usize) == masked));
            for (p, &active) in (1..).zip(self.wires[0].labels(w)) {
                assert_eq!(active.0, (self.wires[p].labels(w)[0] ^ self.me[p].delta().when(masked)).0, "the label of the masked value");
            }
        }
        [e].into_iter().chain(followed).enumerate().map(|(p, values)| self.sums(p, values)).collect()
    }
}

#[test]
fn all_walks_fit_together_for_any_number_of_parties() {
    for n in [2, 3, 4] {
        for seed in 0..4 {
            let sums = Parties::new(n, seed).evaluate();
            assert!((1..n).all(|j| sums[0].macs[j - 1].0 == sums[j].own.0), "the evaluator's proofs");
            let answers = sums[1..].iter().fold(0, |total, s| total ^ s.macs[0].0);
            assert_eq!(answers, sums[0].own.0, "the garblers' proofs");
        }
    }
}

/// Three segments of one circuit, the last of which takes an output of the first: on any number of threads they get the same masks.
#[test]
fn segments_side_by_side_get_the_masks_that_they_get_one_after_the_other() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let me = Me::new(PartyId::new(1), 3, Block(Block::random(&mut rng).0 | 1));
    let circuit = Arc::new(circuit(800, &mut rng));
    let (inputs, outputs) = ((SECRET + PUBLIC) as u32, circuit.outputs().len() as u32);
    let (full, cheap) = (circuit.stats().and_full, circuit.stats().ands() - circuit.stats().and_full);
    let mut random = |count| {
        let mut shares = Shares::zero(&me, count);
        shares.columns_mut().flatten().for_each(|block| *block = Block::random(&mut rng));
        shares
    };
    let (given, star) = (random(inputs as usize), random(3 * (full + cheap) + 5));
    let walk = |threads| {
        let segment = |k: u32| {
            let first = if k == 2 { inputs } else { 0 };
            let at = k as usize;
            let planned = Planned {
                circuit: circuit.clone(),
                inputs: [first].into_iter().chain(1..inputs).collect(),
                outputs: inputs + k * outputs..inputs + (k + 1) * outputs,
            };
            (planned, Places { full: at * full..(at + 1) * full, cheap: 3 * full + 5 + at * cheap..3 * full + 5 + (at + 1) * cheap })
        };
        let mut wires = Wires::new(&me, 3, (inputs + 3 * outputs) as usize);
        (0..SECRET).for_each(|w| wires.masks.copy(w, &given, w));
        let mut masks =
            Masks { left: Shares::zero(&me, star.len()), right: Shares::zero(&me, star.len()), star: Shares::zero(&me, star.len()) };
        (0..star.len()).for_each(|i| masks.star.copy(i, &star, i));
        let workers = Workers::new(NonZeroUsize::new(threads).expect("a thread"));
        let walked = mask_all(&me, &workers, (0..3).map(segment).collect(), &mut wires, &mut masks);
        assert!(walked.iter().zip(0..).all(|((planned, _), k)| planned.outputs.start == inputs + k * outputs), "in order");
        let all =
            [masks.left, masks.right, masks.star, wires.masks].map(|mut s| s.columns_mut().flatten().map(|b| b.0).collect::<Vec<_>>());
        assert!(all[0][2 * full] != 0, "the last is walked too");
        all
    };
    let one = walk(1);
    assert!([2, 3].map(walk).iter().all(|other| *other == one));
}

#[test]
fn a_false_masked_value_of_any_and_changes_every_sum_that_tests_it() {
    let mut parties = Parties::new(2, 9);
    let tables = parties.garble();
    parties.give(&[true; SECRET + PUBLIC]);
    let garbled = parties.garbled(Some(tables));
    let ands = parties.places.len();
    let right = evaluate(&parties.me[0], &Tmmo::new(HASH), &garbled, &parties.masks[0], &parties.wires[0]).values.out;
    let own = |out: Bits| parties.sums(1, follow(&garbled, &parties.wires[1], out).values).own.0;
    let honest = own(right.clone());
    for at in [0, 63, 64, parties.places.full.len() - 1, parties.places.full.len(), ands - 1] {
        let mut other = right.clone();
        other.set(at, !other.get(at));
        assert_ne!(own(other), honest, "AND {at}");
    }
}

#[test]
fn places_are_cut_in_stretches_and_counted_run_by_run() {
    let places = Places { full: 10..31, cheap: 100..103 };
    let stretches: Vec<_> = places.stretches(8).collect();
    assert_eq!(stretches, [(10, 0, 8), (18, 8, 8), (26, 16, 5), (100, 21, 3)]);
    assert!(Places { full: 4..4, cheap: 9..9 }.stretches(8).next().is_none());

    let circuit = circuit(800, &mut ChaCha20Rng::seed_from_u64(1));
    let (full, ands) = (circuit.stats().and_full, circuit.stats().ands());
    let places = Places { full: 5..5 + full, cheap: 1000..1000 + ands - full };
    let (mut cursor, mut seen) = (places.cursor(), vec![None; ands]);
    for run in circuit.runs() {
        for piece in cursor.next(run.ands) {
            for (k, gate) in run.ands[piece.gates.clone()].iter().enumerate() {
                let is_full = gate.and_kind() == Some(AndKind::Full);
                assert_eq!(piece.place + k, if is_full { 5 + piece.at + k } else { 1000 + piece.at + k - full });
                assert!(seen[piece.at + k].replace(is_full).is_none(), "one place for each");
            }
        }
    }
    assert!(seen.iter().enumerate().all(|(at, is_full)| *is_full == Some(at < full)));
}

#[test]
fn stretches_end_with_a_run_and_hold_every_gate() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let mut b = Builder::new();
    let mut wires: Vec<Lit> = b.input(64);
    for _ in 0..3 * STRETCH {
        let [x, y] = [(); 2].map(|()| wires[rng.next_u32() as usize % wires.len()]);
        let out = b.and(x, y);
        wires.push(b.xor(out, x));
    }
    b.output(&wires);
    let circuit = b.finish();
    let mut stretches = Stretches::new(&circuit);
    let (mut gates, mut sizes) = (0, Vec::new());
    for run in circuit.runs() {
        gates += run.ands.len();
        if stretches.ends_with(run.ands.len()) {
            sizes.push(std::mem::take(&mut gates));
        }
    }
    assert_eq!((gates, sizes.iter().sum::<usize>()), (0, circuit.stats().ands()), "nothing is left over");
    let (last, whole) = sizes.split_last().expect("there are gates");
    assert!(whole.len() >= 2 && whole.iter().all(|s| (STRETCH..STRETCH + RUN).contains(s)) && *last < STRETCH + RUN);
}
