//! What a party sees is balanced, whatever the values are, and nothing that must be fresh comes twice. Seeds are fixed; bounds are five standard deviations
//! of a chi-square distribution with k degrees of freedom, which has mean k and variance 2k.

use cotenant_circuit::Builder;
use cotenant_cluster::{
    Honest, Local, Message,
    one_gate::one_gate,
    run,
    scenario::AGREED,
    session_rng,
    tamper::{Transcript, honest_messages, of_kind},
};
use cotenant_core::{Channel, PartyId};
use cotenant_mpc::{Engine, Error, Given, Kind, Online, Options, Session, Source};
use std::{collections::HashSet, sync::Arc};

/// The counts are those of a uniform distribution.
fn uniform(what: &str, counts: &[usize]) {
    let (total, cells) = (counts.iter().sum::<usize>() as f64, counts.len() as f64);
    let expected = total / cells;
    let chi: f64 = counts.iter().map(|&c| (c as f64 - expected).powi(2) / expected).sum();
    let (mean, deviation) = (cells - 1.0, (2.0 * (cells - 1.0)).sqrt());
    assert!(expected >= 5.0 && (chi - mean).abs() <= 5.0 * deviation, "{what}: {chi} for {mean}");
}

/// The bytes of a message that are one-time padded or hashed, or shares; without what has a form of its own.
fn masked_bytes(kind: Kind, body: &[u8]) -> &[u8] {
    match kind {
        Kind::CotCorrection | Kind::LeakyAnd | Kind::LeakyShift | Kind::InputLabels | Kind::Solder | Kind::CotProof => &body[1..],
        // shares; the last byte may be half used, and a sum of hashes follows
        Kind::Opened => &body[1..body.len() - 17],
        Kind::Tables => &body[1..1 + (body.len() - 1) / 16 * 16],
        _ => &[],
    }
}

#[test]
fn bytes_of_padded_messages_are_uniform() {
    for n in [2, 3] {
        let runs: Vec<Vec<Message>> = (0..4).map(|seed| honest_messages(n, seed)).collect();
        for kind in Kind::ALL {
            let mut counts = [0; 256];
            // a broadcast counts once
            let once = |m: &&Message| Kind::of(&m.body) == Some(kind) && m.from.others(n).next() == Some(m.to);
            let bytes = runs.iter().flatten().filter(once).flat_map(|m| masked_bytes(kind, &m.body));
            bytes.for_each(|&b| counts[b as usize] += 1);
            if counts.iter().sum::<usize>() > 5 * 256 {
                uniform(&format!("{kind:?}, {n} parties"), &counts);
            }
        }
    }
}

/// For inputs 0, 0 and for inputs 1, 1: the masked values of both inputs and of the AND, and P2's share when it is opened, are four independent fair bits.
#[test]
fn masked_values_and_shares_do_not_depend_on_the_values() {
    for inputs in [0, 3] {
        let mut counts = [0; 16];
        for seed in 0..96 {
            let transcript = Transcript::default();
            let outcome = run(2, transcript.of(Honest), |l| one_gate(l, 4 * seed + inputs));
            assert!(outcome.iter().all(|r| matches!(r, Ok(out) if *out == (inputs == 3))));
            let all = transcript.messages();
            let last = |kind, from: usize| {
                let of: Vec<_> = of_kind(&all, kind).into_iter().filter(|(_, m)| m.from.index() == from).collect();
                usize::from(of.last().expect("it was sent").1.body[1] & 1)
            };
            let seen = [(Kind::MaskedInput, 0), (Kind::MaskedInput, 1), (Kind::Lambda, 0), (Kind::Opened, 1)];
            counts[seen.iter().fold(0, |sum, &(kind, from)| 2 * sum + last(kind, from))] += 1;
        }
        uniform(&format!("inputs {inputs}"), &counts);
    }
}

/// Segments of one AND, all on the same two wires: their rows are hashes of the same labels, under the same masks of the inputs, so only the tweaks differ.
async fn same_gate(link: Local, seeds: [u64; 3], gates: usize) -> Result<(), Error> {
    let me = link.me();
    let mut b = Builder::new();
    let w = b.input(2);
    let out = b.and(w[0], w[1]);
    b.output(&[out]);
    let circuit = Arc::new(b.finish());
    let mut s = Session::start(link, AGREED, session_rng(seeds[me.index()], me), Options::default()).await?;
    let input = s.declare(Source::Joint, 2);
    let wires: Vec<_> = input.wires().collect();
    let segments = (0..gates).map(|_| s.segment(&circuit, &wires)).collect::<Result<Vec<_>, _>>()?;
    let mut s = s.seal().await?;
    s.input(vec![Given::Joint(input)]).await?;
    for segment in segments {
        s.evaluate(segment).await?;
    }
    Ok(())
}

/// The rows that garblers send in one session.
fn rows(n: usize, seeds: [u64; 3], gates: usize) -> Vec<[u8; 16]> {
    let transcript = Transcript::default();
    assert!(run(n, transcript.of(Honest), |l| same_gate(l, seeds, gates)).iter().all(Result::is_ok));
    let all = transcript.messages();
    of_kind(&all, Kind::Tables).iter().flat_map(|(_, m)| m.body[1..].as_chunks::<16>().0.to_vec()).collect()
}

#[test]
fn equal_gates_on_equal_wires_have_other_tables_as_their_tweaks_differ() {
    let gates = 24;
    for n in [2, 3] {
        let all = rows(n, [1, 1, 1], gates);
        assert_eq!(all.len(), gates * (n - 1) * (2 + 3 * (n - 2)));
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
    }
}

/// Even a garbler whose generator repeats itself, and with it its global key and labels, sends other rows in another session.
#[test]
fn tables_do_not_come_again_in_another_session() {
    let mut seen = HashSet::new();
    let mut count = 0;
    for seeds in [[1, 1, 1], [2, 1, 1], [3, 1, 1], [1, 2, 1], [1, 3, 1]] {
        for row in rows(2, seeds, 4) {
            seen.insert(row);
            count += 1;
        }
    }
    assert_eq!(seen.len(), count);
}

/// U holds 64 bits of a hash under a tweak of its triple and its ordered pair.
#[test]
fn words_of_the_triple_check_never_repeat() {
    let messages = honest_messages(3, 7);
    let (mut seen, mut count) = (HashSet::new(), 0);
    for (_, m) in of_kind(&messages, Kind::LeakyAnd) {
        // eight triples have one byte of bits and eight words
        let bits = (m.body.len() - 1) / 65;
        for word in m.body[1 + bits..].as_chunks::<8>().0 {
            seen.insert(*word);
            count += 1;
        }
    }
    assert_eq!(count, 6 * 2560);
    assert_eq!(seen.len(), count, "two of {count} words of 64 bits are equal with a chance of 2^-37");
}

#[test]
fn every_pair_has_its_own_pads() {
    let messages = honest_messages(3, 8);
    let first = |from: usize, to: usize| {
        let link = |m: &Message| (m.from, m.to) == (PartyId::new(from), PartyId::new(to));
        of_kind(&messages, Kind::CotCorrection).into_iter().find(|(_, m)| link(m)).expect("all correct").1.body.clone()
    };
    // the same bits under the pads of two pairs: the difference is neither 0 nor repeats from tree to tree
    let (a, b) = (first(2, 0), first(2, 1));
    let trees: HashSet<Vec<u8>> =
        a[1..].chunks(a.len() / 32).zip(b[1..].chunks(a.len() / 32)).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a ^ b).collect()).collect();
    assert_eq!(trees.len(), 32);
    assert!(trees.iter().all(|t| t.iter().any(|&byte| byte != 0)));
}
