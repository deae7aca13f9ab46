//! How often a false message is noticed that matters only when it is used: exactly when the theory says, or as often as it says.
//!
//! Where a run's secrets can be computed from its seed, each run is predicted. Elsewhere counts are compared with a binomial distribution, at five standard
//! deviations: a right engine fails such a comparison for one choice of seeds in a million; the seeds are fixed.

use cotenant_cluster::{
    Hands, Message, formula,
    one_gate::{inputs, one_gate},
    run,
    scenario::{everything, right},
    tamper::{Verdict, judge},
};
use cotenant_core::PartyId;
use cotenant_mpc::{Check, Kind};

fn p(number: usize) -> PartyId {
    PartyId::new(number - 1)
}

/// Changes the first message of a kind from one party to another.
fn change(kind: Kind, from: PartyId, to: PartyId, edit: impl Fn(&mut [u8]) + Send) -> impl FnMut(Message, &mut Hands) + Send {
    let mut done = false;
    move |mut m, hands| {
        if !done && (m.from, m.to, Kind::of(&m.body)) == (from, to, Some(kind)) {
            done = true;
            edit(&mut m.body);
        }
        hands.deliver(m);
    }
}

/// How a session of one AND ends for the others than `from`.
fn end(n: usize, seed: u64, kind: Kind, from: PartyId, to: PartyId, edit: impl Fn(&mut [u8]) + Send + 'static) -> Verdict {
    let outcome = run(n, change(kind, from, to, edit), |l| one_gate(l, seed));
    let [x, y] = inputs(seed);
    judge(&outcome, from, |honest| honest.iter().all(|(_, out)| **out == (x & y))).expect("no wrong output")
}

/// `count` of `runs` trials of probability `probability` lies within five standard deviations.
fn expect(count: usize, runs: usize, probability: f64) {
    let (mean, variance) = (runs as f64 * probability, runs as f64 * probability * (1.0 - probability));
    let off = (count as f64 - mean).abs();
    assert!(off <= 5.0 * variance.sqrt(), "{count} of {runs}, expected {mean} with variance {variance}");
}

/// Flips a bit of one tree's correction in a message.
fn spoil_tree(tree: usize, seed: u64) -> impl Fn(&mut [u8]) + Send + 'static {
    move |b: &mut [u8]| {
        let tree_bytes = (b.len() - 1) / 32;
        b[1 + tree * tree_bytes + seed as usize] ^= 1 << seed;
    }
}

/// A correction that is wrong in one tree shifts the sender's columns of that tree where its Delta has a 1: not noticed, and of no effect, if Delta is 0 in
/// all four; that is 1 of 16. Column 0 is not transferred. With three parties the coefficients are a coin, which the correction does not change.
#[test]
fn a_false_correction_is_noticed_by_a_receiver_whose_key_is_not_0_there() {
    for seed in 0..6 {
        let used = formula::delta(seed, p(1)).0 - 1;
        let zero = (0..32).find(|t| used >> (4 * t) & 15 == 0);
        let other = (0..32).find(|t| used >> (4 * t) & 15 != 0);
        for tree in [zero, other].into_iter().flatten() {
            let verdict = end(3, seed, Kind::CotCorrection, p(2), p(1), spoil_tree(tree, seed));
            assert_eq!(verdict, if Some(tree) == zero { Verdict::Correct } else { Verdict::Caught(Check::CorrelatedOt) });
        }
    }
}

/// With two parties the coefficients are a hash of the correction: a proof for another correction does not fit, whatever Delta is.
#[test]
fn a_correction_that_is_not_the_proved_one_is_always_noticed_by_two_parties() {
    for seed in 0..6 {
        for tree in 0..8 {
            let verdict = end(2, seed, Kind::CotCorrection, p(2), p(1), spoil_tree(4 * tree, seed));
            assert_eq!(verdict, Verdict::Caught(Check::CorrelatedOt));
        }
    }
}

/// Level l of a tree has one masked sum for each branch; the opener uses that of the branch which its bit of Delta does not take.
#[test]
fn a_false_sum_of_a_tree_is_noticed_by_a_receiver_that_takes_the_other_branch() {
    for seed in 0..6 {
        let delta = formula::delta(seed, p(1));
        for (tree, level, branch) in [(0, 1, 0), (7, 2, 1), (31, 3, 0)] {
            let place = move |b: &mut [u8]| b[1 + 128 * tree + 32 * (level - 1) + 16 * branch + seed as usize] ^= 1;
            let unused = delta.bit(4 * tree + level) == (branch == 1);
            let verdict = end(2, seed, Kind::Trees, p(2), p(1), place);
            assert_eq!(verdict, if unused { Verdict::Correct } else { Verdict::Caught(Check::PuncturedPrf) });
        }
    }
}

/// Both the half-AND bit g and the word U of a leaky triple are used by a party whose x is 1: half of the runs, and the same runs.
#[test]
fn a_false_half_and_is_noticed_by_a_receiver_whose_x_is_1() {
    const RUNS: usize = 64;
    let mut caught = 0;
    for seed in 0..RUNS as u64 {
        let triple = 37 * seed as usize % 512;
        let g = end(2, seed, Kind::LeakyAnd, p(2), p(1), move |b| b[1 + triple / 8] ^= 1 << (triple % 8));
        let u = end(2, seed, Kind::LeakyAnd, p(2), p(1), move |b| {
            let bits = (b.len() - 1) / 65;
            b[1 + bits + 8 * triple + seed as usize % 8] ^= 0x10;
        });
        assert!(g == u && matches!(g, Verdict::Correct | Verdict::Caught(Check::Triple)), "{g:?}, {u:?}");
        caught += usize::from(g != Verdict::Correct);
    }
    expect(caught, RUNS, 0.5);
}

/// So a cheater that spoils three triples passes with 1/8, and then knows three bits that it guessed.
#[test]
fn each_spoilt_triple_halves_the_chance_to_pass() {
    const RUNS: usize = 64;
    let spoil = |b: &mut [u8]| b[1] ^= 0b111;
    let passed = (0..RUNS as u64).filter(|&seed| end(2, 1000 + seed, Kind::LeakyAnd, p(2), p(1), spoil) == Verdict::Correct).count();
    expect(passed, RUNS, 0.125);
}

/// A wrong label is hashed, so it flips the masked value, which is one bit of the result, in half of the runs. Towards another garbler all 128 bits of the
/// result are proved: with three parties P2 always notices what P3 did.
#[test]
fn a_false_label_is_noticed_when_it_changes_the_masked_value() {
    const RUNS: usize = 48;
    let spoil = |b: &mut [u8]| b[9] ^= 1;
    let caught = (0..RUNS as u64).filter(|&seed| end(2, seed, Kind::InputLabels, p(2), p(1), spoil) != Verdict::Correct).count();
    expect(caught, RUNS, 0.5);
    for seed in 0..6 {
        assert_eq!(end(3, seed, Kind::InputLabels, p(3), p(1), spoil), Verdict::Caught(Check::EvaluatorProof));
    }
}

/// A false row of a soldered wire makes a false label, which enters every AND after it: 9 of the second circuit for two parties, each of which would have to
/// give the right bit by chance. More than two passes in 16 runs have a chance below 16^3/6 * 2^-27.
#[test]
fn a_false_solder_row_is_noticed_by_the_gates_that_follow() {
    let passed = (0..16u64).filter(|&seed| {
        let spoil = change(Kind::Solder, p(2), p(1), |b| b[1 + 8] ^= 1);
        let outcome = run(2, spoil, |l| everything(l, seed));
        let verdict = judge(&outcome, p(2), |honest| right(2, seed, honest.iter().copied()));
        verdict.expect("no wrong output") == Verdict::Correct
    });
    assert!(passed.count() <= 2);
}
