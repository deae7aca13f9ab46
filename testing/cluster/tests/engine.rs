//! The engine agrees with the plain evaluator: random circuits, inputs of every kind, chaining, soldering, every way to open.

use chacha20::ChaCha20Rng;
use cotenant_cluster::{Honest, Local, random_circuit, run, session_rng};
use cotenant_core::{Bits, Digest, PartyId};
use cotenant_mpc::{Engine, Error, Given, Online, Session, Source, Stats, VerifiedWires};
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

    let mut s = Session::start(link, AGREED, rng, None).await?;
    let me = s.me();
    let private: Vec<_> = PartyId::all(n).map(|p| s.declare(Source::Private(p), 5)).collect();
    let public = s.declare(Source::Public, 6);
    let soldered = s.declare(Source::Soldered, 4);
    let joint = s.declare(Source::Joint, 3);
    let wires: Vec<_> = private.iter().flat_map(|i| i.wires()).chain(public.wires()).collect();
    let one = s.segment(&first.circuit, &wires)?;
    let wires: Vec<_> = one.wires().chain(soldered.wires()).chain(joint.wires()).collect();
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
    s.solder(soldered, &one.slice(3..7)).await?;
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
