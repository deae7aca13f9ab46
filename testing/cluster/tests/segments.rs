//! Several segments in one call are authenticated together: a false masked value in any of them spoils the one proof, and no coefficient can be foreseen
//! before the masked values of all are fixed.

use cotenant_cluster::{
    Hands, Local, Message,
    formula::{coefficients, delta, divide, first_coefficient, session_of},
    layered::Layered,
    one_gate::{and, inputs},
    run,
    scenario::AGREED,
    session_rng,
    tamper::{Transcript, honest, of_kind},
};
use cotenant_core::{Bits, Block, Channel, Digest, PartyId, gf128};
use cotenant_mpc::{Check, Engine, Error, Given, Kind, Online, Options, Session, Source};
use std::num::NonZeroUsize;

const WIDTH: usize = 160;

async fn layered(link: Local, count: usize) -> Result<(), Error> {
    Layered::new(WIDTH, 1, count).party(link, 5, NonZeroUsize::MIN).await.map(|_| ())
}

fn bits(body: &[u8], range: std::ops::Range<usize>) -> Bits {
    range.map(|i| body[1 + i / 8] >> (i % 8) & 1 == 1).collect()
}

/// Which of 129 or more vectors over the field of two elements have the sum 0.
fn dependent(vectors: &[Block]) -> Vec<usize> {
    let mut basis: Vec<(u128, Vec<bool>)> = Vec::new();
    for k in 0..vectors.len() {
        let (mut rest, mut parts) = (vectors[k].0, vec![false; vectors.len()]);
        parts[k] = true;
        for (b, of) in &basis {
            if rest >> b.ilog2() & 1 == 1 {
                rest ^= b;
                parts.iter_mut().zip(of).for_each(|(p, o)| *p ^= o);
            }
        }
        if rest == 0 {
            return parts.iter().enumerate().filter_map(|(i, &p)| p.then_some(i)).collect();
        }
        basis.push((rest, parts));
    }
    panic!("more vectors than dimensions are dependent")
}

/// If the coefficients came from the masked values of the first segment alone, an evaluator would know those of the second while it chooses what to say of it;
/// and of 129 coefficients some have the sum 0, so that masked values that are false in their places, of gates that feed no others, leave the proof as it is.
#[test]
fn false_values_that_would_cancel_under_coefficients_of_the_first_segment_get_no_answer() {
    let transcript = Transcript::default();
    let seen = transcript.clone();
    let lie = move |mut m: Message, hands: &mut Hands| {
        let sent = seen.messages();
        let said: Vec<_> = of_kind(&sent, Kind::Lambda).into_iter().filter(|(_, sent)| sent.body != m.body).collect();
        if let (Some(Kind::Lambda), [(_, first)]) = (Kind::of(&m.body), &said[..]) {
            let given = bits(&of_kind(&sent, Kind::MaskedInput)[0].1.body, 0..WIDTH);
            let mut chi = [Block::ZERO; 2 * WIDTH];
            coefficients(&session_of(2, &sent), 2, &[(0, &given, &bits(&first.body, 0..WIDTH))]).fill(&mut chi);
            let places = dependent(&chi[WIDTH..]);
            assert!(!places.is_empty() && places.iter().fold(0, |sum, &k| sum ^ chi[WIDTH + k].0) == 0);
            places.iter().for_each(|i| m.body[1 + i / 8] ^= 1 << (i % 8));
        }
        hands.deliver(m);
    };
    let ends = run(2, transcript.of(lie), |l| layered(l, 2));
    assert!(matches!(&ends[1], Err(Error::Check { check: Check::EvaluatorProof, suspects, .. }) if *suspects == [PartyId::EVALUATOR]));
    assert!(of_kind(&transcript.messages(), Kind::GarblerProof).is_empty());
}

/// One party: `x & y` twice, each a segment of one gate, evaluated in one call or in two. P1 has x, P2 y.
async fn two_gates(link: Local, seed: u64, together: bool) -> Result<(), Error> {
    let (me, values, circuit) = (link.me(), inputs(seed), and());
    let mut s = Session::start(link, AGREED, session_rng(seed, me), Options::default()).await?;
    let given = [0, 1].map(|p| s.declare(Source::Private(PartyId::new(p)), 1));
    let wires: Vec<_> = given.iter().flat_map(|i| i.wires()).collect();
    let first = s.segment(&circuit, &wires)?;
    let second = s.segment(&circuit, &wires)?;
    let mut s = s.seal().await?;
    let mine = |(p, i)| if p == me.index() { Given::Mine(i, Bits::from_iter([values[p]])) } else { Given::Theirs(i) };
    s.input(given.into_iter().enumerate().map(mine).collect()).await?;
    if together {
        s.evaluate_all(vec![first, second]).await?;
    } else {
        s.evaluate(first).await?;
        s.evaluate(second).await?;
    }
    Ok(())
}

/// What the evaluator knows of both gates in a run of a seed, from one in which it proved them in a call each.
struct Gates {
    session: Digest,
    given: Bits,
    ands: [bool; 2],
    /// For each party, its proofs of the gates without their coefficients.
    alone: Vec<[Block; 2]>,
}

impl Gates {
    fn of(n: usize, seed: u64) -> Gates {
        let messages = honest(n, |l| two_gates(l, seed, false));
        let session = session_of(n, &messages);
        let first = |kind, from, to, at: usize| -> Vec<u8> {
            let mut all = of_kind(&messages, kind).into_iter().filter(|(_, m)| (m.from, m.to) == (from, to));
            all.nth(at).expect("it was sent").1.body[1..].to_vec()
        };
        let [p1, p2] = [0, 1].map(PartyId::new);
        let given = Bits::from_iter([first(Kind::MaskedInput, p1, p2, 0)[0] == 1, first(Kind::MaskedInput, p2, p1, 0)[0] == 1]);
        let ands = [0, 1].map(|at| first(Kind::Lambda, p1, p2, at)[0] == 1);
        let part = |to, k: usize| {
            let proof = Block(u128::from_le_bytes(first(Kind::EvaluatorProof, p1, to, k)[..].try_into().expect("one block")));
            divide(proof, first_coefficient(&session, k as u64, &given, &Bits::from_iter([ands[k]])))
        };
        let alone = PartyId::all(n).map(|to| if to == p1 { [Block::ZERO; 2] } else { [part(to, 0), part(to, 1)] }).collect();
        Gates { session, given, ands, alone }
    }

    /// The proof of both gates in one call to a party, for these masked values; `parts` are the proofs of the gates.
    fn proof(&self, ands: [bool; 2], parts: [Block; 2]) -> Block {
        let ands = ands.map(|z| Bits::from_iter([z]));
        let mut chi = coefficients(&self.session, 2, &[(0, &self.given, &ands[0]), (1, &self.given, &ands[1])]);
        parts.iter().fold(Block::ZERO, |sum, &part| sum ^ gf128::mul(chi.block(), part))
    }
}

/// The evaluator's proof of two gates in one call is made of what their proofs in two calls are made of, under coefficients of both segments' masked values.
#[test]
fn the_coefficients_of_a_call_are_those_of_all_its_segments() {
    for seed in 0..4 {
        let gates = Gates::of(2, seed);
        let messages = honest(2, |l| two_gates(l, seed, true));
        let proof = &of_kind(&messages, Kind::EvaluatorProof)[0].1.body[1..];
        assert_eq!(proof, gates.proof(gates.ands, gates.alone[1]).0.to_le_bytes());
    }
}

/// Runs both gates in one call, with a masked value of gate `at` that is false and proofs that are right for it but for `change` of their parts, by party.
/// Whether all garblers refused, and none answered.
fn refused(n: usize, seed: u64, at: usize, change: impl Fn(PartyId, &mut [Block; 2]) + Send + 'static) -> bool {
    let (gates, transcript) = (Gates::of(n, seed), Transcript::default());
    let mut ands = gates.ands;
    ands[at] = !ands[at];
    let mut said = vec![0; n];
    let lie = move |mut m: Message, hands: &mut Hands| {
        match Kind::of(&m.body) {
            // One message a gate.
            Some(Kind::Lambda) => {
                m.body[1] ^= u8::from(said[m.to.index()] == at);
                said[m.to.index()] += 1;
            }
            Some(Kind::EvaluatorProof) => {
                let mut parts = gates.alone[m.to.index()];
                change(m.to, &mut parts);
                m.body[1..].copy_from_slice(&gates.proof(ands, parts).0.to_le_bytes());
            }
            _ => {}
        }
        hands.deliver(m);
    };
    let ends = run(n, transcript.of(lie), |l| two_gates(l, seed, true));
    let refuses = |end: &Result<(), Error>| matches!(end, Err(Error::Check { check: Check::EvaluatorProof, .. } | Error::Stopped { .. }));
    ends[1..].iter().all(refuses) && of_kind(&transcript.messages(), Kind::GarblerProof).is_empty()
}

/// Whether the evaluator proves both gates or leaves one of them out, as would be right if that were not summed.
#[test]
fn a_false_masked_value_in_any_segment_of_a_call_gets_no_answer() {
    for (n, at) in [(2, 0), (2, 1), (3, 0), (3, 1)] {
        for left_out in [None, Some(0), Some(1)] {
            let leave_out = move |_, parts: &mut [Block; 2]| left_out.into_iter().for_each(|k: usize| parts[k] = Block::ZERO);
            assert!(refused(n, 1, at, leave_out), "{n} parties, gate {at}, without {left_out:?}");
        }
    }
}

/// The control of the test above: with the garblers' global keys the lie passes, so it lacks nothing else.
#[test]
fn the_same_lie_with_the_global_keys_would_pass() {
    for (n, at) in [(2, 0), (2, 1), (3, 0), (3, 1)] {
        assert!(!refused(n, 1, at, move |to, parts| parts[at] ^= delta(1, to)));
    }
}
