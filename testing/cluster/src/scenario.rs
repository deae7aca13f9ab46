//! A small session that sends every kind of message: inputs of every kind in two calls, two segments that are chained and soldered, every way to open.

use crate::{link::Local, run::session_rng};
use cotenant_circuit::{Builder, Circuit, Lit};
use cotenant_core::{Bits, Channel, Digest, PartyId};
use cotenant_mpc::{Engine, Error, Given, Input, Online, Options, Session, Source, VerifiedWires};
use std::sync::Arc;

/// What the parties of a scenario agree on.
pub const AGREED: Digest = Digest([7; 32]);

/// Bits that each party provides in each of the two input calls.
const EACH: usize = 2;
const PUBLIC: usize = 3;
const JOINT: usize = 2;
/// Outputs of the first circuit that the second takes by soldering, in two calls.
const SOLDERED: [usize; 2] = [2, 1];

/// What one party saw.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Outputs of the first circuit.
    pub first: Vec<bool>,
    /// Those that were opened to the last party alone.
    pub to_last: Option<Vec<bool>>,
    /// Opened sums of outputs of the first circuit.
    pub sums: Vec<bool>,
    /// Outputs of the second circuit, of which the last are the joint values.
    pub second: Vec<bool>,
    /// The coin.
    pub coin: [u8; 64],
    /// What the parties opened at once.
    pub values: Vec<Vec<u8>>,
}

/// The values that go in: of each party in the first call, public ones, of each party in the second call.
pub fn inputs(n: usize, seed: u64) -> Vec<bool> {
    let mut rng = session_rng(seed, PartyId::new(100));
    Bits::random(2 * EACH * n + PUBLIC, &mut rng).iter().collect()
}

/// One party of the session.
pub async fn everything(link: Local, seed: u64) -> Result<Seen, Error> {
    let (me, n) = (link.me(), link.parties());
    let values: Bits = inputs(n, seed).into_iter().collect();
    let mut s = Session::start(link, AGREED, session_rng(seed, me), Options::default()).await?;

    let early: Vec<Input> = PartyId::all(n).map(|p| s.declare(Source::Private(p), EACH)).collect();
    let public = s.declare(Source::Public, PUBLIC);
    let late: Vec<Input> = PartyId::all(n).map(|p| s.declare(Source::Private(p), EACH)).collect();
    let joint = s.declare(Source::Joint, JOINT);
    let soldered = SOLDERED.map(|count| s.declare(Source::Soldered, count));
    let wires: Vec<_> = early.iter().flat_map(Input::wires).chain(public.wires()).collect();
    let first = s.segment(&first_circuit(n), &wires)?;
    let chained = first.wires().take(2).chain(soldered.iter().flat_map(Input::wires));
    let wires: Vec<_> = chained.chain(late.iter().flat_map(Input::wires)).chain(joint.wires()).collect();
    let second = s.segment(&second_circuit(n), &wires)?;
    let mut s = s.seal().await?;

    let mut given = private(early, me, &values, 0);
    given.push(Given::Public(public, values.slice(EACH * n, PUBLIC)));
    s.input(given).await?;
    s.compare(Digest([9; 32])).await?;
    let first = s.evaluate(first).await?;
    let coin = s.coin().await?;
    let mut given = private(late, me, &values, EACH * n + PUBLIC);
    given.push(Given::Joint(joint));
    s.input(given).await?;
    let mut from = 2;
    for input in soldered {
        let count = input.len();
        s.solder(input, &first.slice(from..from + count)).await?;
        from += count;
    }
    let second = s.evaluate(second).await?;
    let open = s.open(&first).await?;
    let to_last = s.open_to(&first.slice(0..3), PartyId::new(n - 1)).await?;
    let sums = s.open_linear(&first, &[vec![0, 1, 2], vec![], vec![1, 1, 3]]).await?;
    let values = s.exchange(&[me.index() as u8; 5]).await?;
    let second = s.open(&second).await?;
    let bools = |b: &Bits| b.iter().collect();
    Ok(Seen { first: bools(&open), to_last: to_last.as_ref().map(bools), sums: bools(&sums), second: bools(&second), coin, values })
}

fn private(inputs: Vec<Input>, me: PartyId, values: &Bits, at: usize) -> Vec<Given> {
    let given = |(p, i)| if p == me.index() { Given::Mine(i, values.slice(at + EACH * p, EACH)) } else { Given::Theirs(i) };
    inputs.into_iter().enumerate().map(given).collect()
}

/// Each secret input goes through an AND; one AND with a public input, one between public inputs.
fn first_circuit(n: usize) -> Arc<Circuit> {
    let mut b = Builder::new();
    let secret = b.input(EACH * n);
    let public = b.public_input(PUBLIC);
    let mut out = chain(&mut b, &secret);
    let last = *out.last().expect("there are at least two inputs");
    let half = b.and(last, public[0]);
    let open = b.and(!public[1], public[2]);
    out.extend([half, b.xor(half, open), open]);
    // what is chained and soldered are the first five
    out.rotate_right(3);
    b.output(&out);
    Arc::new(b.finish())
}

fn second_circuit(n: usize) -> Arc<Circuit> {
    let mut b = Builder::new();
    let secret = b.input(2 + SOLDERED.iter().sum::<usize>() + EACH * n + JOINT);
    let mut out = chain(&mut b, &secret);
    out.extend(&secret[secret.len() - JOINT..]);
    b.output(&out);
    Arc::new(b.finish())
}

/// Output k is `(output k-1 & !w[k]) ^ w[k-1]`.
fn chain(b: &mut Builder, w: &[Lit]) -> Vec<Lit> {
    let mut acc = w[0];
    (1..w.len())
        .map(|k| {
            let t = b.and(acc, !w[k]);
            acc = b.xor(t, w[k - 1]);
            acc
        })
        .collect()
}

/// Whether what the honest parties saw is right, and the same at all of them.
pub fn right<'a>(n: usize, seed: u64, honest: impl Iterator<Item = (PartyId, &'a Seen)>) -> bool {
    let values = inputs(n, seed);
    let (early, late) = values.split_at(EACH * n + PUBLIC);
    let first = first_circuit(n).eval(early);
    let mut coin = None;
    let mut joint: Option<&[bool]> = None;
    for (p, seen) in honest {
        let theirs = &seen.second[seen.second.len() - JOINT..];
        let agreed = *coin.get_or_insert(seen.coin) == seen.coin && *joint.get_or_insert(theirs) == theirs;
        let inputs: Vec<bool> = first[..5].iter().chain(late).chain(theirs).copied().collect();
        let to_last = (p.index() == n - 1).then(|| first[..3].to_vec());
        let sums = [first[0] ^ first[1] ^ first[2], false, first[3]];
        let values = (0..n).all(|q| seen.values[q] == [q as u8; 5]);
        let opened = seen.first == first && seen.to_last == to_last && seen.sums == sums;
        if !(agreed && values && opened && seen.second == second_circuit(n).eval(&inputs)) {
            return false;
        }
    }
    true
}
