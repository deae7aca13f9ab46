//! The engine agrees with the plain evaluator: random circuits, inputs of every kind, chaining, soldering, every way to open.

use chacha20::ChaCha20Rng;
use cotenant_cluster::{
    Honest, Local, random_circuit, run, session_rng,
    tamper::{Transcript, of_kind},
};
use cotenant_core::{Bits, Digest, PartyId};
use cotenant_mpc::{Engine, Error, Given, Kind, Online, Options, Phase, PhaseStats, Session, Source, Stats, VerifiedWires};
use proptest::prelude::*;
use rand_core::SeedableRng;

const AGREED: Digest = Digest([7; 32]);

/// What one party saw.
struct Seen {
    open: Vec<bool>,
    to_one: Option<Vec<bool>>,
    linear: Vec<bool>,
    second: Vec<bool>,
    joint: Vec<bool>,
    stats: Stats,
}

fn bools(b: &Bits) -> Vec<bool> {
    b.iter().collect()
}

/// Two circuits: the second takes outputs of the first, by chaining and by soldering, and a joint secret.
async fn two_circuits(link: Local, seed: u64) -> Result<Seen, Error> {
    let rng = session_rng(seed, cotenant_core::Channel::me(&link));
    let mut shape = ChaCha20Rng::seed_from_u64(seed);
    let n = cotenant_core::Channel::parties(&link);
    let first = random_circuit(5 * n, 6, 120, 12, &mut shape);
    let second = random_circuit(12 + 4 + 3, 0, 60, 9, &mut shape);
    let values = Bits::random(5 * n + 6, &mut shape);

    let mut s = Session::start(link, AGREED, rng, Options::default()).await?;
    let me = s.me();
    let private: Vec<_> = PartyId::all(n).map(|p| s.declare(Source::Private(p), 5)).collect();
    let public = s.declare(Source::Public, 6);
    let soldered = [1, 3].map(|len| s.declare(Source::Soldered, len));
    let joint = s.declare(Source::Joint, 3);
    let wires: Vec<_> = private.iter().flat_map(|i| i.wires()).chain(public.wires()).collect();
    let one = s.segment(&first.circuit, &wires)?;
    let wires: Vec<_> = one.wires().chain(soldered.iter().flat_map(|i| i.wires())).chain(joint.wires()).collect();
    let two = s.segment(&second.circuit, &wires)?;
    let identity = identity(3);
    let shown = s.segment(&identity, &joint.wires().collect::<Vec<_>>())?;
    let mut s = s.seal().await?;

    let mut given: Vec<Given> = private
        .into_iter()
        .enumerate()
        .map(|(p, i)| if p == me.index() { Given::Mine(i, values.slice(5 * p, 5)) } else { Given::Theirs(i) })
        .collect();
    given.push(Given::Public(public, values.slice(5 * n, 6)));
    given.push(Given::Joint(joint));
    s.input(given).await?;
    let one = s.evaluate(one).await?;
    let open = bools(&s.open(&one).await?);
    let to_one = s.open_to(&one.slice(2..7), PartyId::new(n - 1)).await?.map(|b| bools(&b));
    let linear = bools(&s.open_linear(&one, &[vec![0, 1, 2], vec![], vec![11], vec![3, 3, 4]]).await?);
    // In one call, and to wires that are picked.
    let [first_bit, rest] = soldered;
    s.solder_all(vec![(first_bit, one.slice(3..4)), (rest, one.pick(&[4, 5, 6]))]).await?;
    let two = s.evaluate(two).await?;
    let shown = s.evaluate(shown).await?;
    let joint = bools(&s.open(&shown).await?);
    let both = one.concat(&two);
    let second = bools(&s.open(&both).await?)[12..].to_vec();

    let plain = first.circuit.eval(&bools(&values));
    assert_eq!(open, plain);
    let inputs: Vec<bool> = plain.iter().chain(&plain[3..7]).chain(&joint).copied().collect();
    assert_eq!(second, second_plain(&second_circuit(seed, n), &inputs));
    Ok(Seen { open, to_one, linear, second, joint, stats: s.stats() })
}

fn second_circuit(seed: u64, n: usize) -> cotenant_cluster::RandomCircuit {
    let mut shape = ChaCha20Rng::seed_from_u64(seed);
    let _ = random_circuit(5 * n, 6, 120, 12, &mut shape);
    random_circuit(12 + 4 + 3, 0, 60, 9, &mut shape)
}

fn second_plain(c: &cotenant_cluster::RandomCircuit, inputs: &[bool]) -> Vec<bool> {
    c.circuit.eval(inputs)
}

fn identity(n: usize) -> std::sync::Arc<cotenant_circuit::Circuit> {
    let mut b = cotenant_circuit::Builder::new();
    let w = b.input(n);
    b.output(&w);
    std::sync::Arc::new(b.finish())
}

fn agrees(n: usize, seed: u64) {
    let seen: Vec<Seen> = run(n, Honest, |l| two_circuits(l, seed)).into_iter().map(|r| r.expect("honest parties end well")).collect();
    for s in &seen {
        assert_eq!(s.open, seen[0].open);
        assert_eq!(s.second, seen[0].second);
        assert_eq!(s.joint, seen[0].joint);
        let o = &s.open;
        assert_eq!(s.linear, [o[0] ^ o[1] ^ o[2], false, o[11], o[4]]);
        assert_eq!(s.stats.ands, seen[0].stats.ands);
    }
    for (p, s) in seen.iter().enumerate() {
        assert_eq!(s.to_one, (p == n - 1).then(|| seen[0].open[2..7].to_vec()), "opened to the last party alone");
    }
}

/// A chain of `count` circuits, each on the outputs of the one before, in one call: the outputs of the last, and what the call took.
async fn chain(link: Local, count: usize) -> Result<(Vec<bool>, PhaseStats, PhaseStats), Error> {
    let (me, n) = (cotenant_core::Channel::me(&link), cotenant_core::Channel::parties(&link));
    let circuit = random_circuit(10, 0, 50, 10, &mut ChaCha20Rng::seed_from_u64(3)).circuit;
    let mut s = Session::start(link, AGREED, session_rng(count as u64, me), Options::default()).await?;
    let input = s.declare(Source::Private(PartyId::new(n - 1)), 10);
    let mut wires: Vec<_> = input.wires().collect();
    let mut segments = Vec::new();
    for _ in 0..count {
        segments.push(s.segment(&circuit, &wires)?);
        wires = segments.last().expect("one was pushed").wires().collect();
    }
    let mut s = s.seal().await?;
    let value = Bits::from_bytes(&[0xa5, 1]).slice(0, 10);
    let mut plain = bools(&value);
    (0..count).for_each(|_| plain = circuit.eval(&plain));
    s.input(vec![if me == PartyId::new(n - 1) { Given::Mine(input, value) } else { Given::Theirs(input) }]).await?;
    let before = s.stats().phase(Phase::Online);
    let results = s.evaluate_all(segments).await?;
    let after = s.stats().phase(Phase::Online);
    let out = bools(&s.open(results.last().expect("there is a segment")).await?);
    assert_eq!(out, plain);
    Ok((out, before, after))
}

#[test]
fn ten_segments_in_one_call_take_the_rounds_and_messages_of_one() {
    for n in [2, 3] {
        let took = |count: usize| -> Vec<(u64, u64)> {
            let seen = run(n, Honest, |l| chain(l, count)).into_iter().map(|r| r.expect("honest parties end well"));
            seen.map(|(_, before, after)| (after.rounds - before.rounds, after.sent_bytes - before.sent_bytes)).collect()
        };
        let (one, ten) = (took(1), took(10));
        assert!(one.iter().zip(&ten).all(|(a, b)| a.0 == b.0), "rounds, {one:?} and {ten:?}");
        // beyond the masked values a garbler sends the same, whatever the number of segments
        assert!(one[1..] == ten[1..], "bytes, {one:?} and {ten:?}");
    }
}

/// A circuit whose tables take several messages.
fn large() -> std::sync::Arc<cotenant_circuit::Circuit> {
    let mut b = cotenant_circuit::Builder::new();
    let mut w = b.input(40);
    for k in 0..5000 {
        let t = b.and(w[(7 * k) % 40], !w[(11 * k + 3) % 40]);
        w[k % 40] = b.xor(t, w[(k + 1) % 40]);
    }
    b.output(&w);
    std::sync::Arc::new(b.finish())
}

async fn evaluate_large(link: Local) -> Result<Vec<bool>, Error> {
    let me = cotenant_core::Channel::me(&link);
    let mut s = Session::start(link, AGREED, session_rng(8, me), Options::default()).await?;
    let input = s.declare(Source::Public, 40);
    let (identity, circuit) = (identity(40), large());
    let shown = s.segment(&identity, &input.wires().collect::<Vec<_>>())?;
    let segment = s.segment(&circuit, &shown.wires().collect::<Vec<_>>())?;
    let mut s = s.seal().await?;
    let value = Bits::from_bytes(&[0x35, 0xc2, 0x99, 0x0f, 0x71]);
    let plain = circuit.eval(&bools(&value));
    s.input(vec![Given::Public(input, value)]).await?;
    let out = s.evaluate_all(vec![shown, segment]).await?.pop().expect("two results");
    assert_eq!(bools(&s.open(&out).await?), plain);
    Ok(plain)
}

#[test]
fn tables_that_take_several_messages_are_put_together() {
    for n in [2, 3] {
        let transcript = Transcript::default();
        let outcome = run(n, transcript.of(Honest), evaluate_large);
        assert!(outcome.iter().all(Result::is_ok), "{n} parties");
        let sent = transcript.messages();
        for garbler in PartyId::all(n).skip(1) {
            let messages = of_kind(&sent, Kind::Tables).into_iter().filter(|(_, m)| m.from == garbler).count();
            assert!(messages >= 3, "{messages} messages from {garbler}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn two_parties_agree_with_the_plain_evaluator(seed in any::<u64>()) {
        agrees(2, seed);
    }

    #[test]
    fn three_parties_agree_with_the_plain_evaluator(seed in any::<u64>()) {
        agrees(3, seed);
    }

    #[test]
    fn four_parties_agree_with_the_plain_evaluator(seed in any::<u64>()) {
        agrees(4, seed);
    }
}
