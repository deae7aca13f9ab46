//! Parties that show different faces to different parties, or lie with all their secrets at hand. Three parties, of which P3 cheats unless it is said.

use cotenant_circuit::Builder;
use cotenant_cluster::{
    Hands, Honest, Local, Message, Network, Outcome,
    formula::{self, Step},
    rogue::{self, Lies},
    run, run_on,
    scenario::{AGREED, everything, right},
    session_rng,
    tamper::{Transcript, Verdict, honest_messages, judge},
};
use cotenant_core::{Bits, Channel, PartyId};
use cotenant_mpc::{Check, Engine, Error, Given, Kind, Online, Options, Session, Source};
use std::{pin::Pin, sync::Arc};

fn cheater() -> PartyId {
    PartyId::new(2)
}

/// How the set-up ends when the last of three parties is a rogue.
fn set_up(seed: u64, lies: Lies) -> Outcome<()> {
    let network = Network::new(3, Honest);
    let party = |p: PartyId| -> Pin<Box<dyn Future<Output = Result<(), Error>>>> {
        let (link, rng) = (network.end(p), session_rng(seed, p));
        if p == cheater() {
            Box::pin(async move {
                rogue::set_up(link, lies, rng).await;
                Ok(())
            })
        } else {
            Box::pin(async move { Session::start(link, AGREED, rng, Options::default()).await.map(|_| ()) })
        }
    };
    run_on(&network, PartyId::all(3).map(party).collect())
}

/// The check that failed at P1 or P2, and all whom those it failed at suspect.
fn failed(seed: u64, lies: Lies) -> (Check, Vec<PartyId>) {
    let outcome = set_up(seed, lies);
    let mut found = None;
    for result in &outcome[..2] {
        match result {
            Ok(()) => panic!("seed {seed}, {lies:?}: not noticed"),
            Err(Error::Check { check, suspects, .. }) => {
                assert!(suspects.contains(&cheater()));
                found.get_or_insert((*check, suspects.clone()));
            }
            Err(e) => assert!(matches!(e, Error::Stopped { .. } | Error::Channel { .. })),
        }
    }
    found.expect("a check fails")
}

const NO_LIE: Lies = Lies { delta: 0, bit: false, same_answer: false, opened: None, number: false, value: 0 };

#[test]
fn a_rogue_that_does_not_lie_passes() {
    for seed in 0..3 {
        assert!(set_up(seed, NO_LIE).iter().all(Result::is_ok));
    }
}

/// The opened values would have to cancel `r^1 * difference` with r^1 unknown when they were committed to: each of the 48 test bits is passed with 1/2.
#[test]
fn another_global_key_towards_another_party_fails_the_global_key_check() {
    for seed in 0..4 {
        for delta in [2, 1 << 127, u128::MAX - 1, formula::delta(seed, cheater()).0 - 1] {
            assert_eq!(failed(seed, Lies { delta, ..NO_LIE }).0, Check::Delta);
        }
    }
}

#[test]
fn a_value_of_the_global_key_check_that_is_not_the_formulas_fails_it() {
    for seed in 0..3 {
        assert_eq!(failed(seed, Lies { value: 1 << seed, ..NO_LIE }).0, Check::Delta);
    }
}

#[test]
fn the_commitment_with_the_other_number_is_refused() {
    for seed in 0..3 {
        assert_eq!(failed(seed, Lies { number: true, ..NO_LIE }), (Check::Commitment, vec![cheater()]));
    }
}

/// Either both see the h(b) that fits what they got, and then they differ in it; or one sees what does not fit.
#[test]
fn other_bits_towards_another_party_fail_the_echo_or_the_correlation_check() {
    for seed in 0..2 {
        assert_eq!(failed(seed, Lies { bit: true, ..NO_LIE }).0, Check::Echo);
        let same = Lies { bit: true, same_answer: true, ..NO_LIE };
        assert_eq!(failed(seed, same), (Check::CorrelatedOt, vec![cheater()]));
    }
}

/// With every MAC at hand, a flipped bit lacks the receiver's global key and nothing else: the same lie with that key passes the check.
#[test]
fn a_flipped_bit_with_a_hash_made_anew_fails_the_macs() {
    for seed in 0..2 {
        for guess in [0, 1, formula::delta(seed, cheater()).0, formula::delta(seed, PartyId::new(1)).0] {
            let lies = Lies { opened: Some(guess), ..NO_LIE };
            assert_eq!(failed(seed, lies), (Check::OpenedMac, vec![cheater()]));
        }
        let known = formula::delta(seed, PartyId::EVALUATOR).0;
        let outcome = set_up(seed, Lies { opened: Some(known), ..NO_LIE });
        assert!(!outcome.iter().any(|r| matches!(r, Err(Error::Check { check: Check::OpenedMac, .. }))));
    }
}

/// Replaces what P3 commits to and opens towards P2, in its `exchange`-th exchange of [`everything`], the session's counter being at `counter`.
fn split_exchange(exchange: usize, step: Step, counter: u64) -> impl FnMut(Message, &mut Hands) + Send {
    let (mut all, mut commits, mut openings, mut honest) = (Vec::new(), 0, 0, Vec::new());
    let nonce = [5; 32];
    move |mut m, hands| {
        all.push(m.clone());
        let kind = Kind::of(&m.body);
        if (m.from, m.to) == (cheater(), PartyId::new(1)) {
            commits += usize::from(kind == Some(Kind::Commit));
            openings += usize::from(kind == Some(Kind::Opening));
            let length = if matches!(step, Step::TripleSum) {
                8
            } else if matches!(step, Step::CallerValue) {
                5
            } else {
                16
            };
            let value = vec![0xa5; length];
            if kind == Some(Kind::Commit) && commits == exchange {
                honest = m.body.clone();
                let session = formula::session_of(3, &all);
                m.body[1..].copy_from_slice(&formula::commitment(&session, step, counter, m.from, &value, &nonce));
            }
            if kind == Some(Kind::Opening) && openings == exchange {
                let (v, n) = m.body[1..].split_at(length);
                let made = formula::commitment(&formula::session_of(3, &all), step, counter, m.from, v, n.try_into().expect("32 bytes"));
                assert_eq!(honest[1..], made, "up to its own commitment the run is the honest one");
                m.body[1..].copy_from_slice(&[&value[..], &nonce].concat());
            }
        }
        hands.deliver(m);
    }
}

/// Step and counter of each of P3's exchanges in the honest run of a seed: those under which its opening fits its commitment.
fn exchanges(seed: u64) -> Vec<(Step, u64)> {
    let all = honest_messages(3, seed);
    let session = formula::session_of(3, &all);
    let sent = |kind| all.iter().filter(move |m| (m.from, m.to, Kind::of(&m.body)) == (cheater(), PartyId::new(1), Some(kind)));
    let found = sent(Kind::Commit).zip(sent(Kind::Opening)).map(|(commit, opening)| {
        let (value, nonce) = opening.body[1..].split_at(opening.body.len() - 33);
        let nonce = nonce.try_into().expect("the rest is 32 bytes");
        let mut all = (1..200).flat_map(|counter| Step::ALL.map(|step| (step, counter)));
        let fits =
            |&(step, counter): &(Step, u64)| formula::commitment(&session, step, counter, cheater(), value, nonce) == commit.body[1..];
        all.find(fits).expect("the formula is the engine's")
    });
    found.collect()
}

/// Every commitment fits its opening, but P1 and P2 hold different ones.
#[test]
fn other_commitments_and_openings_towards_another_party_fail_the_echo() {
    let seed = 1;
    let exchanges = exchanges(seed);
    // commitments of the global-key check are a kind of their own
    let steps = Step::ALL.iter().filter(|&&s| s != Step::DeltaCheck);
    steps.for_each(|s| assert!(exchanges.iter().any(|(step, _)| step == s), "{s:?}"));
    for (k, (step, counter)) in exchanges.into_iter().enumerate() {
        let transcript = Transcript::default();
        let outcome = run(3, transcript.of(split_exchange(k + 1, step, counter)), |l| everything(l, seed));
        let verdict = judge(&outcome, cheater(), |honest| right(3, seed, honest.iter().copied()));
        assert_eq!(verdict, Ok(Verdict::Caught(Check::Echo)), "exchange {k}, {step:?}");
        // What is not compared once more when it is open: nobody honest opens its part.
        if matches!(step, Step::TripleSum | Step::Buckets) {
            let opened =
                transcript.messages().iter().filter(|m| m.from == PartyId::EVALUATOR && Kind::of(&m.body) == Some(Kind::Opening)).count();
            assert!(opened <= 2 * k, "exchange {k}, {step:?}: P1 sent {opened} openings to two parties");
        }
    }
}

/// Outputs its inputs: a segment without ANDs, which has nothing to prove.
async fn show_inputs(link: Local) -> Result<Vec<bool>, Error> {
    let (me, n) = (link.me(), link.parties());
    let mut b = Builder::new();
    let w = b.input(n);
    b.output(&w);
    let mut s = Session::start(link, AGREED, session_rng(1, me), Options::default()).await?;
    let inputs: Vec<_> = PartyId::all(n).map(|p| s.declare(Source::Private(p), 1)).collect();
    let wires: Vec<_> = inputs.iter().flat_map(|i| i.wires()).collect();
    let segment = s.segment(&Arc::new(b.finish()), &wires)?;
    let mut s = s.seal().await?;
    let give = |(p, i)| if p == me.index() { Given::Mine(i, Bits::from_iter([true])) } else { Given::Theirs(i) };
    s.input(inputs.into_iter().enumerate().map(give).collect()).await?;
    let shown = s.evaluate(segment).await?;
    Ok(s.open(&shown).await?.iter().collect())
}

#[test]
fn an_input_masked_otherwise_towards_another_party_fails_the_echo_even_where_nothing_is_proved() {
    for from in PartyId::all(3) {
        for to in from.others(3) {
            let split = move |mut m: Message, hands: &mut Hands| {
                if (m.from, m.to, Kind::of(&m.body)) == (from, to, Some(Kind::MaskedInput)) {
                    m.body[1] ^= 1;
                }
                hands.deliver(m);
            };
            let outcome = run(3, split, show_inputs);
            let verdict = judge(&outcome, from, |honest| honest.iter().all(|(_, out)| **out == [true; 3]));
            assert_eq!(verdict, Ok(Verdict::Caught(Check::Echo)), "{from} to {to}");
        }
    }
}
