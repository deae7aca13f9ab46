//! Running one body, generic over the engine, on either.

use cotenant_circuit::{Builder, Circuit};
use cotenant_cluster::{Honest, run, session_rng};
use cotenant_core::{Channel, Digest, PartyId};
use cotenant_ideal::{IdealSession, Seat, seats};
use cotenant_mpc::{Engine, Error, Given, Input, Online, Options, Segment, Session, Source};
use futures::{executor::block_on, future::join_all};
use std::sync::Arc;

pub(crate) const AGREED: Digest = Digest([7; 32]);

/// What each party ended with.
pub(crate) type Outcome<T> = Vec<Result<T, Error>>;

/// A body for the parties of a session, given a started engine.
pub(crate) trait Body<T> {
    async fn party<E: Engine>(&self, engine: E) -> Result<T, Error>;

    /// What this party believes was agreed.
    fn agreed(&self, _: PartyId) -> Digest {
        AGREED
    }
}

pub(crate) fn real<T>(n: usize, seed: u64, body: &impl Body<T>) -> Outcome<T> {
    run(n, Honest, async |link| {
        let me = link.me();
        body.party(Session::start(link, body.agreed(me), session_rng(seed, me), Options::default()).await?).await
    })
}

pub(crate) fn ideal<T>(n: usize, seed: u64, body: &impl Body<T>) -> Outcome<T> {
    ideal_at(seats(n, seed), body)
}

pub(crate) fn ideal_at<T>(seats: Vec<Seat>, body: &impl Body<T>) -> Outcome<T> {
    block_on(join_all(seats.into_iter().map(async |seat| {
        let agreed = body.agreed(seat.party());
        body.party(IdealSession::start(seat, agreed).await?).await
    })))
}

/// What people read of each outcome; an error's text has its check, names and phase.
pub(crate) fn texts<T>(outcome: Outcome<T>) -> Vec<Result<T, String>> {
    outcome.into_iter().map(|r| r.map_err(|e| e.to_string())).collect()
}

/// The body fails with the same errors on both engines; returns them.
pub(crate) fn same_errors(n: usize, body: &impl Body<()>) -> Vec<String> {
    let errors = |outcome| texts(outcome).into_iter().map(|r| r.expect_err("this cannot end well")).collect::<Vec<_>>();
    let (real, ideal) = (errors(real(n, 1, body)), errors(ideal(n, 1, body)));
    assert_eq!(real, ideal);
    ideal
}

pub(crate) fn identity(n: usize) -> Arc<Circuit> {
    let mut b = Builder::new();
    let w = b.input(n);
    b.output(&w);
    Arc::new(b.finish())
}

/// An and of two bits.
pub(crate) fn and() -> Arc<Circuit> {
    let mut b = Builder::new();
    let w = b.input(2);
    let g = b.and(w[0], w[1]);
    b.output(&[g]);
    Arc::new(b.finish())
}

/// A sealed session with one public input of `len` bits wired to an identity.
pub(crate) async fn public_identity<E: Engine>(mut engine: E, len: usize) -> Result<(E::Online, Input, Segment), Error> {
    let input = engine.declare(Source::Public, len);
    let segment = engine.segment(&identity(len), &input.wires().collect::<Vec<_>>())?;
    Ok((engine.seal().await?, input, segment))
}

/// A sealed session with evaluated wires of value 0.
pub(crate) async fn evaluated<E: Engine>(engine: E, len: usize) -> Result<(E::Online, <E::Online as Online>::Verified), Error> {
    let (mut online, input, segment) = public_identity(engine, len).await?;
    online.input(vec![Given::Public(input, cotenant_core::Bits::zero(len))]).await?;
    let wires = online.evaluate(segment).await?;
    Ok((online, wires))
}
