//! A session of one AND: small enough that a cheating party can take every proof of its zero test apart.

use crate::{
    formula::{divide, first_coefficient, session_of},
    link::{Hands, Local, Meddler, Message},
    run::session_rng,
    scenario::AGREED,
};
use cotenant_circuit::{Builder, Circuit};
use cotenant_core::{Bits, Block, Channel, PartyId, gf128};
use cotenant_mpc::{Engine, Error, Given, Kind, Online, Options, Session, Source};
use std::sync::Arc;

/// The inputs of P1 and of P2.
pub fn inputs(seed: u64) -> [bool; 2] {
    [seed & 1 == 1, seed & 2 == 2]
}

/// `x & y`.
pub fn and() -> Arc<Circuit> {
    let mut b = Builder::new();
    let w = b.input(2);
    let out = b.and(w[0], w[1]);
    b.output(&[out]);
    Arc::new(b.finish())
}

/// One party: P1 and P2 put a bit in each, and their AND is opened.
pub async fn one_gate(link: Local, seed: u64) -> Result<bool, Error> {
    let (me, values, circuit) = (link.me(), inputs(seed), and());
    let mut s = Session::start(link, AGREED, session_rng(seed, me), Options::default()).await?;
    let inputs = [0, 1].map(|p| s.declare(Source::Private(PartyId::new(p)), 1));
    let wires: Vec<_> = inputs.iter().flat_map(|i| i.wires()).collect();
    let segment = s.segment(&circuit, &wires)?;
    let mut s = s.seal().await?;
    let mut given = Vec::new();
    for (p, i) in inputs.into_iter().enumerate() {
        given.push(if p == me.index() { Given::Mine(i, Bits::from_iter([values[p]])) } else { Given::Theirs(i) });
    }
    s.input(given).await?;
    let out = s.evaluate(segment).await?;
    Ok(s.open(&out).await?.get(0))
}

/// What is public about the gate in a run of `n` parties: everything that was sent so far.
#[derive(Default)]
struct Seen {
    n: usize,
    all: Vec<Message>,
}

impl Seen {
    /// The first bit of the first message of a kind from a party.
    fn bit(&self, kind: Kind, from: PartyId) -> bool {
        let m = self.all.iter().find(|m| m.from == from && Kind::of(&m.body) == Some(kind)).expect("it was sent before");
        m.body[1] & 1 == 1
    }

    /// The gate's coefficient for its masked value as the evaluator sent it, and for the other.
    fn coefficients(&self) -> [Block; 2] {
        let inputs = Bits::from_iter([0, 1].map(|p| self.bit(Kind::MaskedInput, PartyId::new(p))));
        let value = self.bit(Kind::Lambda, PartyId::EVALUATOR);
        let session = session_of(self.n, &self.all);
        [value, !value].map(|v| first_coefficient(&session, 0, &inputs, &Bits::from_iter([v])))
    }
}

/// An evaluator that tells the parties in `to` a masked value of the gate that is false, and changes every proof under it so that only what depends on a secret of theirs is
/// wrong: proofs to and from them are scaled from the coefficient of one masked value to that of the other, after `shift` was added.
pub struct FalseValue {
    to: Vec<PartyId>,
    shift: Block,
    seen: Seen,
}

impl FalseValue {
    /// `shift` is what the cheating parties guess: the global key of the party that is lied to makes the lie perfect.
    pub fn new(n: usize, to: Vec<PartyId>, shift: Block) -> FalseValue {
        FalseValue { to, shift, seen: Seen { n, all: Vec::new() } }
    }
}

impl Meddler for FalseValue {
    fn meddle(&mut self, mut m: Message, hands: &mut Hands) {
        self.seen.all.push(m.clone());
        if m.from == PartyId::EVALUATOR && self.to.contains(&m.to) {
            match Kind::of(&m.body) {
                Some(Kind::Lambda) => m.body[1] ^= 1,
                Some(Kind::EvaluatorProof) => {
                    let [sent, shown] = self.seen.coefficients();
                    scale(&mut m.body, sent, shown, self.shift);
                }
                _ => {}
            }
        }
        hands.deliver(m);
    }
}

/// The garbler of two parties that sends a false first row, which the evaluator uses if the gate's left masked value is 1. Then the gate gets a false masked
/// value; the garbler behaves as under the true one, and its answer is scaled as [`FalseValue`] does.
pub struct FalseRow {
    shift: Block,
    seen: Seen,
}

impl FalseRow {
    /// `shift` is what the garbler guesses: the evaluator's global key makes the answer perfect.
    pub fn new(shift: Block) -> FalseRow {
        FalseRow { shift, seen: Seen { n: 2, all: Vec::new() } }
    }
}

impl Meddler for FalseRow {
    fn meddle(&mut self, mut m: Message, hands: &mut Hands) {
        self.seen.all.push(m.clone());
        let kind = Kind::of(&m.body);
        if kind == Some(Kind::Tables) {
            m.body[1] ^= 1;
        }
        let proof = matches!(kind, Some(Kind::Lambda | Kind::EvaluatorProof | Kind::GarblerProof));
        if proof && self.seen.bit(Kind::MaskedInput, PartyId::EVALUATOR) {
            let [false_value, true_value] = self.seen.coefficients();
            match kind {
                Some(Kind::Lambda) => m.body[1] ^= 1,
                Some(Kind::EvaluatorProof) => scale(&mut m.body, false_value, true_value, Block::ZERO),
                _ => scale(&mut m.body, true_value, false_value, self.shift),
            }
        }
        hands.deliver(m);
    }
}

/// Turns a proof under coefficient `from` into one under `to`.
fn scale(body: &mut [u8], from: Block, to: Block, shift: Block) {
    let proof = Block(u128::from_le_bytes(body[1..].try_into().expect("a proof is one block")));
    let scaled = gf128::mul(divide(proof, from) ^ shift, to);
    body[1..].copy_from_slice(&scaled.0.to_le_bytes());
}
