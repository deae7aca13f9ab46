//! Equal results: inputs of every kind, chaining, soldering, every way to open, coins and exchanges.

use crate::both::{Body, ideal, ideal_at, identity, real, texts};
use chacha20::ChaCha20Rng;
use cotenant_cluster::random_circuit;
use cotenant_core::{Bits, Digest, PartyId};
use cotenant_ideal::{IdealSession, seats};
use cotenant_mpc::{Engine, Error, Given, Online, Source, VerifiedWires};
use futures::executor::block_on;
use rand_core::SeedableRng;

/// What one party saw.
#[derive(Debug, PartialEq, Eq, Clone)]
struct Seen {
    open: Vec<bool>,
    to_one: Option<Vec<bool>>,
    linear: Vec<bool>,
    second: Vec<bool>,
    exchanged: Vec<Vec<u8>>,
    ands: (u64, u64),
    joint: Vec<bool>,
    coin: [u8; 64],
}

/// Two circuits: the second takes outputs of the first, chained and soldered.
struct TwoCircuits(u64);

impl Body<Seen> for TwoCircuits {
    async fn party<E: Engine>(&self, mut s: E) -> Result<Seen, Error> {
        let (me, n) = (s.me(), s.parties());
        let mut shape = ChaCha20Rng::seed_from_u64(self.0);
        let first = random_circuit(5 * n, 6, 120, 12, &mut shape);
        let second = random_circuit(12 + 4, 0, 60, 9, &mut shape);
        let values = Bits::random(5 * n + 6, &mut shape);

        let private: Vec<_> = PartyId::all(n).map(|p| s.declare(Source::Private(p), 5)).collect();
        let public = s.declare(Source::Public, 6);
        let soldered = s.declare(Source::Soldered, 4);
        let joint = s.declare(Source::Joint, 40);
        let one = s.segment(&first.circuit, &private.iter().flat_map(|i| i.wires()).chain(public.wires()).collect::<Vec<_>>())?;
        let two = s.segment(&second.circuit, &one.wires().chain(soldered.wires()).collect::<Vec<_>>())?;
        let shown = s.segment(&identity(40), &joint.wires().collect::<Vec<_>>())?;
        let mut s = s.seal().await?;

        let mut given: Vec<Given> = private
            .into_iter()
            .enumerate()
            .map(|(p, i)| if p == me.index() { Given::Mine(i, values.slice(5 * p, 5)) } else { Given::Theirs(i) })
            .collect();
        given.extend([Given::Public(public, values.slice(5 * n, 6)), Given::Joint(joint)]);
        s.input(given).await?;
        let one = s.evaluate(one).await?;
        let open = s.open(&one).await?;
        let to_one = s.open_to(&one.slice(2..7), PartyId::new(n - 1)).await?;
        let linear = s.open_linear(&one, &[vec![0, 1, 2], vec![], vec![11], vec![3, 3, 4]]).await?;
        s.solder(soldered, &one.slice(3..7)).await?;
        let two = s.evaluate(two).await?;
        let shown = s.evaluate(shown).await?;
        let both = s.open(&one.slice(0..0).concat(&two).concat(&shown)).await?;
        s.compare(Digest([3; 32])).await?;

        let plain = first.circuit.eval(&bools(&values));
        assert_eq!(bools(&open), plain, "the first circuit's outputs");
        let inputs: Vec<bool> = plain.iter().chain(&plain[3..7]).copied().collect();
        assert_eq!(bools(&both)[..9], second.circuit.eval(&inputs), "the second circuit's outputs");
        let (exchanged, coin, stats) = (s.exchange(&[me.index() as u8, 9]).await?, s.coin().await?, s.stats());
        Ok(Seen {
            open: bools(&open),
            to_one: to_one.map(|b| bools(&b)),
            linear: bools(&linear),
            second: bools(&both.slice(0, 9)),
            exchanged,
            ands: (stats.ands, stats.ands_full),
            joint: bools(&both.slice(9, 40)),
            coin,
        })
    }
}

/// A chain of two circuits in one call, and beside it a circuit that takes nothing of them.
struct Chain(u64);

impl Body<Vec<Vec<bool>>> for Chain {
    async fn party<E: Engine>(&self, mut s: E) -> Result<Vec<Vec<bool>>, Error> {
        let me = s.me();
        let mut shape = ChaCha20Rng::seed_from_u64(self.0);
        let circuits = [(8, 120, 12), (12, 60, 9), (8, 30, 5)]
            .map(|(inputs, gates, outputs)| random_circuit(inputs, 0, gates, outputs, &mut shape).circuit);
        let value = Bits::random(8, &mut shape);
        let input = s.declare(Source::Private(PartyId::new(1)), 8);
        let wires: Vec<_> = input.wires().collect();
        let first = s.segment(&circuits[0], &wires)?;
        let second = s.segment(&circuits[1], &first.wires().collect::<Vec<_>>())?;
        let aside = s.segment(&circuits[2], &wires)?;
        let mut s = s.seal().await?;
        let plain = [circuits[0].eval(&bools(&value)), circuits[2].eval(&bools(&value))];
        s.input(vec![if me == PartyId::new(1) { Given::Mine(input, value) } else { Given::Theirs(input) }]).await?;
        let mut opened = Vec::new();
        for wires in s.evaluate_all(vec![first, second, aside]).await? {
            opened.push(bools(&s.open(&wires).await?));
        }
        assert_eq!(opened, [plain[0].clone(), circuits[1].eval(&plain[0]), plain[1].clone()]);
        Ok(opened)
    }
}

fn bools(b: &Bits) -> Vec<bool> {
    b.iter().collect()
}

fn well<T>(outcome: crate::both::Outcome<T>) -> Vec<T> {
    texts(outcome).into_iter().map(|r| r.expect("honest parties end well")).collect()
}

/// What does not depend on the engine's randomness.
fn fixed(seen: &[Seen]) -> Vec<Seen> {
    seen.iter().map(|s| Seen { joint: Vec::new(), coin: [0; 64], ..s.clone() }).collect()
}

#[test]
fn both_engines_give_every_party_the_same() {
    for (n, seed) in [(2, 1), (2, 2), (3, 3), (4, 4)] {
        let (real, ideal) = (well(real(n, seed, &TwoCircuits(seed))), well(ideal(n, seed, &TwoCircuits(seed))));
        assert_eq!(fixed(&real), fixed(&ideal));
        for (p, seen) in ideal.iter().enumerate() {
            assert_eq!(seen.to_one.is_some(), p == n - 1, "opened to the last party alone");
            assert_eq!((&seen.joint, seen.coin), (&ideal[0].joint, ideal[0].coin), "what is joint is the same at all");
            assert_eq!(seen.exchanged, (0..n as u8).map(|q| vec![q, 9]).collect::<Vec<_>>());
        }
    }
}

#[test]
fn both_engines_evaluate_a_chain_in_one_call() {
    for (n, seed) in [(2, 1), (2, 2), (3, 3), (4, 4)] {
        let (real, ideal) = (well(real(n, seed, &Chain(seed))), well(ideal(n, seed, &Chain(seed))));
        assert_eq!(real, ideal);
        assert!(ideal.iter().all(|seen| *seen == ideal[0]));
    }
}

#[test]
fn a_run_is_a_function_of_its_seed() {
    let run = |seed| well(ideal(3, seed, &TwoCircuits(1)));
    assert_eq!(run(5), run(5));
    let (a, b) = (run(5), run(6));
    assert_ne!(a[0].coin, b[0].coin);
    assert_ne!(a[0].joint, b[0].joint);
    assert_eq!(fixed(&a), fixed(&b));
}

#[test]
fn parties_on_threads_of_their_own_get_what_they_get_on_one() {
    let party = |seat| block_on(async { TwoCircuits(1).party(IdealSession::start(seat, crate::both::AGREED).await?).await });
    let threads: Vec<_> = seats(4, 8).into_iter().map(|seat| std::thread::spawn(move || party(seat))).collect();
    let apart = well(threads.into_iter().map(|t| t.join().expect("no party panics")).collect());
    assert_eq!(apart, well(ideal_at(seats(4, 8), &TwoCircuits(1))));
}
