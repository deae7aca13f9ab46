//! The protocol's public formulas, written a second time from its description: what a cheating party can compute beside what it sees.

use cotenant_core::{Bits, Block, Digest, Domain, PartyId, gf128, prg::Prg};
use cotenant_mpc::Kind;

use crate::{link::Message, run::session_rng, scenario::AGREED};

/// What a commitment or a coin is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// Coin: coefficients of the correlated-OT check.
    CotCheck = 1,
    /// Coin: coefficients of the triple check.
    TripleCheck = 2,
    /// Committed value: the sum of the triple check.
    TripleSum = 3,
    /// Coin: shifts of the buckets.
    Buckets = 4,
    /// Committed value: of the global-key check.
    DeltaCheck = 5,
    /// Coin of the caller.
    Caller = 6,
    /// Committed value of the caller.
    CallerValue = 7,
}

impl Step {
    /// Every one.
    pub const ALL: [Step; 7] =
        [Step::CotCheck, Step::TripleCheck, Step::TripleSum, Step::Buckets, Step::DeltaCheck, Step::Caller, Step::CallerValue];
}

/// The session id, from the nonces of all parties in order.
pub fn session_id(nonces: &[[u8; 32]]) -> Digest {
    let mut h = Domain::Session.hasher();
    h.number(nonces.len() as u64).field(&AGREED.0);
    nonces.iter().for_each(|n| _ = h.field(n));
    h.digest()
}

/// The session id of `n` parties, from the messages of a run.
pub fn session_of(n: usize, messages: &[Message]) -> Digest {
    let nonce = |p: PartyId| {
        let hello = messages.iter().find(|m| m.from == p && Kind::of(&m.body) == Some(Kind::Hello)).expect("all say hello");
        hello.body[1..33].try_into().expect("32 bytes")
    };
    session_id(&PartyId::all(n).map(nonce).collect::<Vec<[u8; 32]>>())
}

/// The global key of a party in a run with seed `seed`: its generator gives a nonce first. The lowest bit is 1.
pub fn delta(seed: u64, party: PartyId) -> Block {
    use rand_core::Rng;
    let mut rng = session_rng(seed, party);
    rng.fill_bytes(&mut [0; 32]);
    Block(Block::random(&mut rng).0 | 1)
}

/// The commitment of `who`, number `counter` of the session, to `value`.
pub fn commitment(session: &Digest, step: Step, counter: u64, who: PartyId, value: &[u8], nonce: &[u8; 32]) -> [u8; 32] {
    let mut h = Domain::Commit.hasher();
    h.field(&session.0).number(step as u64).number(counter).number(who.index() as u64).field(value).field(nonce);
    h.digest().0
}

/// The seed that a coin gives, from what all parties opened.
pub fn coin(session: &Digest, step: Step, counter: u64, opened: &[[u8; 16]]) -> Block {
    let sum = opened.iter().fold(0, |s, v| s ^ u128::from_le_bytes(*v));
    let mut seed = [0; 16];
    Domain::Coin.hasher().field(&session.0).number(step as u64).number(counter).field(&sum.to_le_bytes()).expand(&mut seed);
    Block(u128::from_le_bytes(seed))
}

/// The zero test's coefficient of the first AND of segment `index`, evaluated alone, from the masked values of its inputs and ANDs.
pub fn first_coefficient(session: &Digest, index: u64, inputs: &Bits, ands: &Bits) -> Block {
    coefficients(session, 1, &[(index, inputs, ands)]).block()
}

/// The zero test's coefficients of a call of `count` segments, one AND after the other, when their numbers and the masked values of their inputs and ANDs are
/// hashed: those of all of them, unless a test asks what would be if some were not.
pub fn coefficients(session: &Digest, count: u64, hashed: &[(u64, &Bits, &Bits)]) -> Prg {
    let mut h = Domain::Lambda.hasher();
    h.field(&session.0).number(count);
    for (index, inputs, ands) in hashed {
        h.number(*index);
        [inputs, ands].iter().for_each(|bits| _ = h.number(bits.len() as u64).field(&bits.to_packed()));
    }
    Prg::new(Block(u128::from_le_bytes(h.digest().0[..16].try_into().expect("16 of 32 bytes"))))
}

/// `a / b` in GF(2^128): `a * b^(2^128 - 2)`.
pub fn divide(a: Block, b: Block) -> Block {
    let mut power = b;
    (1..128).fold(a, |product, _| {
        power = gf128::mul(power, power);
        gf128::mul(product, power)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quotient_times_its_divisor_is_the_dividend() {
        let (a, b) = (Block(0x1234_5678_9abc_def0_1357), Block(u128::MAX / 3));
        assert_eq!(gf128::mul(divide(a, b), b).0, a.0);
    }
}
