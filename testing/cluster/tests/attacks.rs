//! Known attacks on protocols of this family, run on this one: each fails, and at the step that is there to stop it.

use cotenant_cluster::{
    Hands, Message, formula,
    one_gate::{FalseRow, FalseValue, inputs, one_gate},
    run,
    scenario::everything,
    tamper::{Change, Transcript, Verdict, honest_messages, judge, of_kind, tampered},
};
use cotenant_core::{Block, PartyId};
use cotenant_mpc::{Check, Error, Kind, batches, bucket_size};

fn p(number: usize) -> PartyId {
    PartyId::new(number - 1)
}

fn right(seed: u64) -> impl Fn(&[(PartyId, &bool)]) -> bool {
    let [x, y] = inputs(seed);
    move |honest| honest.iter().all(|(_, out)| **out == (x & y))
}

fn kinds_from(messages: &[Message], from: PartyId) -> Vec<Kind> {
    messages.iter().filter(|m| m.from == from).map(|m| Kind::of(&m.body).expect("a kind")).collect()
}

/// An evaluator that falsifies a masked value, and whose proof is right but for the garbler's global key, wants the garbler's answer: that is a sum over the
/// garbler's mask shares, and would give away up to 128 of them. The garbler verifies first, and says nothing but which check failed.
#[test]
fn a_false_masked_value_gets_no_answer_from_a_garbler() {
    for seed in 0..8 {
        let transcript = Transcript::default();
        let outcome = run(2, transcript.of(FalseValue::new(2, vec![p(2)], Block::ZERO)), |l| one_gate(l, seed));
        assert!(matches!(&outcome[1], Err(Error::Check { check: Check::EvaluatorProof, suspects, .. }) if *suspects == [p(1)]));
        let sent = kinds_from(&transcript.messages(), p(2));
        let online = sent.iter().position(|&k| k == Kind::InputLabels).expect("labels were sent before");
        assert_eq!(sent[online + 1..], [Kind::Notice]);
    }
}

/// The control of the test above: the same lie with the garbler's global key passes its check, so the lie is as good as can be without it.
#[test]
fn the_same_lie_with_the_global_key_would_pass() {
    for seed in 0..4 {
        let transcript = Transcript::default();
        let lie = FalseValue::new(2, vec![p(2)], formula::delta(seed, p(2)));
        run(2, transcript.of(lie), |l| one_gate(l, seed));
        assert!(kinds_from(&transcript.messages(), p(2)).contains(&Kind::GarblerProof));
    }
}

/// A garbler that sent a false row, took the evaluator's proof apart and answers as well as it can without the evaluator's global key. The row is false for
/// one value of the left masked bit only: else it is not used, and the output is right.
#[test]
fn a_garbler_cannot_answer_for_a_false_row() {
    let (mut caught, seeds) = (0, 0..16);
    for seed in seeds.clone() {
        let transcript = Transcript::default();
        let outcome = run(2, transcript.of(FalseRow::new(Block::ZERO)), |l| one_gate(l, seed));
        let (sent, used) = (transcript.messages(), Verdict::Caught(Check::GarblerProof));
        let left = of_kind(&sent, Kind::MaskedInput).into_iter().find(|(_, m)| m.from == p(1)).expect("P1 has an input").1.body[1] == 1;
        assert_eq!(judge(&outcome, p(2), right(seed)), Ok(if left { used } else { Verdict::Correct }));
        caught += usize::from(left);
        if left {
            let known = run(2, FalseRow::new(formula::delta(seed, p(1))), |l| one_gate(l, seed));
            let [x, y] = inputs(seed);
            assert!(matches!(known[0], Ok(out) if out != x & y), "the lie lacks nothing but P1's global key");
        }
    }
    assert!(caught > 0 && caught < seeds.count());
}

/// More garblers: the evaluator's proof to P2 holds what P3 knows as well, as the rows between garblers give it. Neither that, nor the colluders' keys help;
/// nor does lying to one of two honest garblers only.
#[test]
fn colluders_cannot_prove_a_false_masked_value() {
    for n in [3, 4] {
        for seed in 0..2 {
            let keys = [p(1), p(3)].map(|c| formula::delta(seed, c).0);
            for shift in [0, keys[0], keys[1], keys[0] ^ keys[1]] {
                let outcome = run(n, FalseValue::new(n, vec![p(2)], Block(shift)), |l| one_gate(l, seed));
                assert!(matches!(&outcome[1], Err(Error::Check { check: Check::EvaluatorProof, .. })));
                assert!(judge(&outcome, p(1), right(seed)).is_ok());
            }
            let outcome = run(n, FalseValue::new(n, p(1).others(n).collect(), Block::ZERO), |l| one_gate(l, seed));
            assert_eq!(judge(&outcome, p(1), right(seed)), Ok(Verdict::Caught(Check::EvaluatorProof)));
        }
    }
}

/// A rushing party repeats the other's commitment and then its opening: every coin of two parties would be 0, and the sums of the triple check would cancel.
#[test]
fn a_copied_commitment_is_refused() {
    let exchanges = of_kind(&honest_messages(2, 1), Kind::Commit).len() / 2;
    for exchange in 1..=exchanges {
        // By kind: what P1 has sent, how often P2 has; and what P2 sends while it waits for the one that it copies.
        let mut theirs = [Vec::new(), Vec::new()];
        let mut own = [0, 0];
        let mut held = Vec::new();
        let copier = move |m: Message, hands: &mut Hands| {
            let slot = match Kind::of(&m.body) {
                Some(Kind::Commit) => Some(0),
                Some(Kind::Opening) => Some(1),
                _ => None,
            };
            if m.from == p(1) {
                theirs.iter_mut().enumerate().filter(|(k, _)| slot == Some(*k)).for_each(|(_, t)| t.push(m.body.clone()));
                hands.deliver(m);
            } else {
                slot.iter().for_each(|&slot| own[slot] += 1);
                let copies = slot.filter(|&slot| own[slot] == exchange);
                if copies.is_none() && held.is_empty() {
                    return hands.deliver(m);
                }
                held.push((copies, m));
            }
            while let Some((copies, m)) = held.first() {
                let body = match copies {
                    Some(slot) => theirs[*slot].get(exchange - 1),
                    None => Some(&m.body),
                };
                let Some(body) = body.cloned() else { return };
                let (_, m) = held.remove(0);
                hands.deliver(Message { body, ..m });
            }
        };
        let outcome = run(2, copier, |l| everything(l, 1));
        let named = matches!(&outcome[0], Err(Error::Check { check: Check::Commitment, suspects, .. }) if *suspects == [p(2)]);
        assert!(named, "exchange {exchange}: {:?}", outcome[0].as_ref().err());
    }
}

/// A triple check that fails opens sums from which the global key follows. So it happens only where no secret hangs on that key: before anything is masked
/// with a value, and before a label exists; and then the session is over. Spoilt are a shift d, or, as more parties compare those, 64 half-AND bits g, of which
/// P1 uses those for which its x is 1.
#[test]
fn a_failed_triple_check_finds_nothing_to_unmask() {
    for n in [2, 3] {
        let transcript = Transcript::default();
        let spoil = move |mut m: Message, hands: &mut Hands| {
            match Kind::of(&m.body) {
                Some(Kind::LeakyShift) if n == 2 && m.from == p(2) => m.body[1] ^= 1,
                Some(Kind::LeakyAnd) if n > 2 && (m.from, m.to) == (p(2), p(1)) => m.body[1..9].iter_mut().for_each(|b| *b ^= 0xff),
                _ => {}
            }
            hands.deliver(m);
        };
        let outcome = run(n, transcript.of(spoil), |l| everything(l, 2));
        assert_eq!(judge(&outcome, p(2), |done| done.is_empty()), Ok(Verdict::Caught(Check::Triple)));
        for honest in p(2).others(n) {
            let sent = kinds_from(&transcript.messages(), honest);
            let secret = |k: &Kind| matches!(k, Kind::Tables | Kind::MaskedInput | Kind::InputLabels | Kind::Lambda);
            assert!(!sent.iter().any(secret));
            let sums = sent.iter().rposition(|&k| k == Kind::Opening).expect("the sums were opened");
            assert!(sent[sums + 1..].iter().all(|&k| k == Kind::Notice));
        }
    }
}

const PREPARATION: [Kind; 10] = [
    Kind::BaseOtChoice,
    Kind::BaseOtSend,
    Kind::Trees,
    Kind::CotCorrection,
    Kind::CotProof,
    Kind::DeltaCommit,
    Kind::DeltaOpening,
    Kind::LeakyAnd,
    Kind::LeakyShift,
    Kind::Sealed,
];

/// No masked value and no label is sent, not even a party's own input, before all others have said that they have no preparation in flight; and none follows.
/// (A sealed session has no method that prepares: the examples at `Online` do not compile.)
#[test]
fn nothing_is_prepared_after_the_seal_and_no_value_flows_before() {
    for n in [2, 3] {
        let messages = honest_messages(n, 3);
        for party in PartyId::all(n) {
            let seals = messages.iter().rposition(|m| m.to == party && m.body == [Kind::Sealed as u8]).expect("all seal");
            let value =
                |m: &&Message| matches!(Kind::of(&m.body), Some(Kind::MaskedInput | Kind::InputLabels | Kind::Lambda | Kind::PublicDigest));
            assert_eq!(messages[..seals].iter().filter(|m| m.from == party).filter(value).count(), 0);
            let own = messages.iter().rposition(|m| m.from == party && m.body == [Kind::Sealed as u8]).expect("all seal");
            let late = kinds_from(&messages[own + 1..], party);
            assert!(!late.iter().any(|k| PREPARATION.contains(k)));
        }
    }
}

#[test]
fn a_sealed_session_refuses_every_message_of_preparation() {
    for n in [2, 3] {
        let messages = honest_messages(n, 4);
        let sealed = of_kind(&messages, Kind::Sealed).last().expect("all seal").0;
        for kind in PREPARATION {
            let Some(&(_, real)) = of_kind(&messages, kind).last() else { continue };
            let online = (sealed + 1..messages.len()).filter(|&i| messages[i].from == p(2));
            let at = online.clone().nth(kind as usize % online.count()).expect("below the count");
            let verdict = tampered(n, 4, p(2), at, Change::To(real.body.clone()));
            assert_eq!(verdict, Ok(Verdict::Caught(Check::Order)), "{kind:?}");
        }
    }
}

/// The chance that cyclically shifted layers of `n` candidates, with the sets `spoiled` in them, give a bucket that is spoiled in every layer, times the
/// chance that the triple check lets them all pass.
fn chance(n: u32, spoiled: &[u32]) -> f64 {
    let rotate = |set: u32, by: u32| (set << by | set >> (n - by)) & ((1 << n) - 1);
    let mut hits = 0u32;
    let layers = spoiled.len() as u32 - 1;
    for shifts in 0..n.pow(layers) {
        let all = (0..layers).fold(spoiled[0], |all, k| all & rotate(spoiled[k as usize + 1], shifts / n.pow(k) % n));
        hits += u32::from(all != 0);
    }
    let guesses: u32 = spoiled.iter().map(|s| s.count_ones()).sum();
    f64::from(hits) / f64::from(n.pow(layers)) / f64::from(2u32.pow(guesses))
}

/// The bound 2^-B * N^-(B-1) of bucketing against every choice of spoiled candidates there is, for small N; then the sizes against the bound.
#[test]
fn buckets_are_as_large_as_the_exact_bound_demands() {
    for (n, b) in [(3u32, 3u32), (4, 3), (5, 3), (3, 4)] {
        let subsets = 1u32 << n;
        let mut best: f64 = 0.0;
        for choice in 0..(subsets - 1).pow(b) {
            let spoiled: Vec<u32> = (0..b).map(|k| 1 + choice / (subsets - 1).pow(k) % (subsets - 1)).collect();
            best = best.max(chance(n, &spoiled));
        }
        let bound = 0.5f64.powi(b as i32) / f64::from(n).powi(b as i32 - 1);
        assert!((best - bound).abs() < 1e-12, "{n} outputs, buckets of {b}: {best}, {bound}");
    }
    for (least, size) in [(370_728u128, 3), (4_096, 4), (431, 5)] {
        let enough = |n: u128| n.pow(size as u32 - 1) << size >= 1 << 40;
        assert!(enough(least) && !enough(least - 1));
        assert_eq!((bucket_size(least as usize, 1), bucket_size(least as usize - 1, 1)), (size, size + 1));
    }
    for total in [1, 513, 370_728, 1_100_000, 20_000_000] {
        let sizes = batches(total);
        let enough = |b: usize| (sizes[0] as u128).pow(b as u32 - 1) << b >= (sizes.len() as u128) << 40;
        let b = bucket_size(sizes[0], sizes.len());
        assert!(sizes.iter().all(|&s| s == sizes[0]) && sizes.iter().sum::<usize>() >= total);
        assert!(enough(b) && (b == 3 || !enough(b - 1)), "{total}: buckets of {b}");
    }
}

/// What excludes attacks on faster variants that this protocol does not use. Buckets authenticated as one would need 2 random bits for each leaky triple and
/// one for each bucket: here each has an x and an r, and a y too but for the first of a bucket, which has the gate's mask; each is checked before the shifts
/// are drawn. For a bucket as many bits are opened as it has triples, and no mask of a gate is opened without an x or a y of its own. MACs of x that are cut
/// could be searched: here x and r have all 128 columns each; two y, which are only ever opened and tested on 64 bits, share a row.
#[test]
fn the_preparation_makes_and_opens_what_its_formulas_say() {
    let messages = honest_messages(2, 5);
    let from_p2: Vec<&Message> = messages.iter().filter(|m| m.from == p(2)).collect();
    let of = |kind| from_p2.iter().enumerate().filter(move |(_, m)| Kind::of(&m.body) == Some(kind));
    let (bucket, n) = (bucket_size(512, 1), 512);
    let first_triple = of(Kind::LeakyAnd).next().expect("P2 makes triples").0;
    let bits: Vec<usize> = of(Kind::CotCorrection).take_while(|(at, _)| *at < first_triple).map(|(_, m)| m.body.len()).collect();
    let chunk = 1 + 16 * (n / 128 + 1) * 128 / cotenant_mpc::ot::K;
    let strings = 2 * bucket + (bucket - 1).div_ceil(2);
    assert_eq!(bits[bits.len() - strings..], vec![chunk; strings], "x and r of every triple, y of all but the first");
    assert_eq!(of(Kind::CotCorrection).count(), bits.len(), "no other bits are made for products");
    assert_eq!(of(Kind::LeakyAnd).map(|(_, m)| m.body.len()).collect::<Vec<_>>(), vec![1 + n / 8 + 8 * n; bucket]);

    // commitments: the triple check's coin; its sums and the shifts; then buckets, and the masks of the others' inputs, and no other openings before the tables
    let shift = of(Kind::LeakyShift).next().expect("the shifts d");
    assert_eq!(shift.1.body.len(), 1 + (bucket * n).div_ceil(8));
    let next: Vec<_> = from_p2[shift.0 + 1..].iter().map(|m| Kind::of(&m.body).expect("a kind")).take(9).collect();
    use Kind::{Commit, Opened, Opening, Tables};
    assert_eq!(next, [Commit, Opening, Commit, Commit, Opening, Opening, Opened, Opened, Tables]);
    assert_eq!(from_p2[shift.0 + 7].body.len(), 1 + bucket * n / 8 + 16);
}
