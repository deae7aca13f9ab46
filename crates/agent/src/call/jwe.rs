//! JWEs of a message: what is declared for each, and the one thing that parties tell each other between two evaluations.
//!
//! ```text
//! drawn: content key, seed, IV, k  --+
//! P_i, i < n: a factor  -------------+--> wrapping --> V, opened to P_n alone
//!                                                      |
//! all commit to what they tell of their numbers, and open: m^e mod N, which is a public input of the circuit that writes the JWE
//! ```
//!
//! What P_n is told, and what all tell, says no more than m^e mod N, which may be known (docs/protocol/jwe.md). Nothing of it is sent anywhere before `may_send`.

use super::CallError;
use crate::{
    derive::NoValue,
    jwe::{MAX_PARTIES, Sealing, power::Factor},
};
use chacha20::ChaCha20Rng;
use cotenant_core::{Bits, PartyId};
use cotenant_mpc::{Engine, Given, Input, Online, Segment, Source, Wire};
use zeroize::Zeroizing;

/// Why the parties found no encrypted key. Nothing was sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JweError {
    /// A party told what no factor gives (docs/protocol/jwe.md, step 5).
    #[error("{0} told no right part of a JWE's encrypted key; nothing was sent")]
    Part(PartyId),
    /// The last party's number has no inverse, as another gave a factor that has none (step 4).
    #[error("a party gave a factor without an inverse for a JWE's encrypted key; nothing was sent")]
    Factor,
}

/// What is declared for one JWE.
pub(super) struct JwePlan {
    key: Input,
    seed: Input,
    iv: Input,
    blind: Input,
    /// By party; the last has none.
    factors: Vec<Input>,
    wrapping: Segment,
    wrapped: Input,
}

/// A JWE whose encrypted key is not known yet.
pub(super) struct Waiting {
    /// This party's, if it is not the last.
    factor: Option<Factor>,
    wrapped: Input,
}

impl JwePlan {
    pub(super) fn declare<E: Engine>(engine: &mut E, sealing: &Sealing) -> Result<JwePlan, CallError> {
        let parties = engine.parties();
        if parties > MAX_PARTIES {
            return Err(NoValue::Parties.into());
        }
        let (key, seed) = (engine.declare(Source::Joint, sealing.key_bits()), engine.declare(Source::Joint, sealing.seed_bits()));
        let factor = |party| engine.declare(Source::Private(party), sealing.factor_bits());
        let factors: Vec<Input> = PartyId::all(parties).take(parties - 1).map(factor).collect();
        let blind = engine.declare(Source::Joint, sealing.blind_bits(parties));
        let wires: Vec<Wire> = [&key, &seed].into_iter().chain(&factors).chain([&blind]).flat_map(Input::wires).collect();
        let wrapping = engine.segment(&sealing.wrapping(parties), &wires)?;
        let iv = engine.declare(Source::Joint, Sealing::IV_BITS);
        let wrapped = engine.declare(Source::Public, 8 * sealing.wrapped_len());
        Ok(JwePlan { key, seed, iv, blind, factors, wrapping, wrapped })
    }

    /// What the circuit takes that writes it ([`Sealing::input`]).
    pub(super) fn wires(&self) -> impl Iterator<Item = Wire> {
        [&self.key, &self.iv, &self.wrapped].into_iter().flat_map(Input::wires)
    }

    /// Draws this party's factor. Also what is given, and what is to be evaluated.
    pub(super) fn begin(self, me: PartyId, sealing: &Sealing, rng: &mut ChaCha20Rng) -> (Waiting, Vec<Given>, Segment) {
        let JwePlan { key, seed, iv, blind, factors, wrapping, wrapped } = self;
        let factor = (me.index() < factors.len()).then(|| sealing.key().factor(rng));
        let mut given: Vec<Given> = [key, seed, iv, blind].into_iter().map(Given::Joint).collect();
        given.extend(factors.into_iter().map(|input| match &factor {
            Some(mine) if input.source() == Source::Private(me) => Given::Mine(input, Bits::from_bytes(&mine.number)),
            _ => Given::Theirs(input),
        }));
        (Waiting { factor, wrapped }, given, wrapping)
    }
}

/// Finds the encrypted keys, from what was evaluated of each, with the other parties.
pub(super) async fn wrap<O: Online>(
    online: &mut O,
    sealings: &[&Sealing],
    waiting: Vec<Waiting>,
    evaluated: &[O::Verified],
) -> Result<Vec<Given>, CallError> {
    let (parties, mut mine) = (online.parties(), Vec::new());
    let last = PartyId::new(parties - 1);
    for ((sealing, Waiting { factor, .. }), hidden) in sealings.iter().zip(&waiting).zip(evaluated) {
        let opened = online.open_to(hidden, last).await?;
        match (factor, opened) {
            (Some(factor), _) => mine.extend_from_slice(&factor.told),
            (None, Some(bits)) => {
                let remainders: Zeroizing<Vec<bool>> = Zeroizing::new(bits.iter().collect());
                mine.extend(sealing.key().last(&sealing.exponents(parties), &remainders).map_err(|_| JweError::Factor)?);
            }
            (None, None) => unreachable!("all but the last have a factor, and it is opened to the last"),
        }
    }
    let told = online.exchange(&mine).await?;
    let (mut given, mut at) = (Vec::new(), 0);
    for (sealing, Waiting { wrapped, .. }) in sealings.iter().zip(waiting) {
        let parts: Vec<&[u8]> = told.iter().map(|all| &all[at..at + sealing.key().bytes()]).collect();
        let wrong = PartyId::all(parties).find(|party| sealing.key().product(&[parts[party.index()]]).is_err());
        let power = sealing.key().product(&parts).map_err(|_| JweError::Part(wrong.unwrap_or(last)))?;
        given.push(Given::Public(wrapped, Bits::from_bytes(sealing.wrapped(&power).as_bytes())));
        at += sealing.key().bytes();
    }
    Ok(given)
}
