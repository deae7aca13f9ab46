//! Parties that disagree, and parties that go: equal errors, and a session that is dead afterwards.

use crate::both::{AGREED, Body, and, evaluated, ideal, public_identity, same_errors};
use cotenant_core::{Bits, Digest, PartyId};
use cotenant_ideal::{IdealSession, seats};
use cotenant_mpc::{Engine, Error, Given, Misuse, Online, Source, VerifiedWires};
use futures::{FutureExt, executor::block_on, future::join};

/// The party that does something else than the others.
const ODD: PartyId = PartyId::EVALUATOR;

/// Parties that were started for different things.
struct OtherAgreement;

impl Body<()> for OtherAgreement {
    async fn party<E: Engine>(&self, _: E) -> Result<(), Error> {
        Ok(())
    }

    fn agreed(&self, me: PartyId) -> Digest {
        if me == ODD { Digest([8; 32]) } else { AGREED }
    }
}

#[test]
fn another_agreement_is_noticed_at_the_start() {
    for n in [2, 3] {
        let errors = same_errors(n, &OtherAgreement);
        assert!(errors.iter().all(|e| e.starts_with("check 'same public value' failed during set-up")), "{errors:?}");
    }
}

/// The odd party's plan differs: in the length of an input, in its source, or in a wire.
struct OtherPlan(usize);

impl Body<()> for OtherPlan {
    async fn party<E: Engine>(&self, mut s: E) -> Result<(), Error> {
        let differs = |k| s.me() == ODD && self.0 == k;
        let (len, source) = (2 + differs(0) as usize, if differs(1) { Source::Public } else { Source::Joint });
        let second = if differs(2) { 0 } else { 1 };
        let wires: Vec<_> = s.declare(source, len).wires().collect();
        let _ = s.segment(&and(), &[wires[0], wires[second]])?;
        s.seal().await.map(drop)
    }
}

#[test]
fn another_plan_is_noticed_at_the_seal() {
    for (n, what) in [(2, 0), (2, 1), (2, 2), (3, 2)] {
        let errors = same_errors(n, &OtherPlan(what));
        assert!(errors.iter().all(|e| e.starts_with("check 'same plan' failed during preparation")), "{errors:?}");
    }
}

/// The odd party gives another public value.
struct OtherValue;

impl Body<()> for OtherValue {
    async fn party<E: Engine>(&self, s: E) -> Result<(), Error> {
        let mut value = Bits::zero(9);
        value.set(4, s.me() == ODD);
        let (mut s, input, segment) = public_identity(s, 9).await?;
        let refused = s.input(vec![Given::Public(input, value)]).await;
        assert!(matches!(s.evaluate(segment).await, Err(Error::Misuse(Misuse::Dead))), "a session is dead after an error");
        refused
    }
}

#[test]
fn another_public_value_is_noticed_before_it_is_used() {
    for n in [2, 3] {
        let errors = same_errors(n, &OtherValue);
        assert!(errors.iter().all(|e| e.starts_with("check 'same public value' failed during online phase")), "{errors:?}");
    }
}

/// The odd party gives two public inputs in another order; their values are the same.
struct OtherInputs;

impl Body<()> for OtherInputs {
    async fn party<E: Engine>(&self, mut s: E) -> Result<(), Error> {
        let swapped = s.me() == ODD;
        let mut given: Vec<_> = (0..2).map(|_| Given::Public(s.declare(Source::Public, 3), Bits::zero(3))).collect();
        if swapped {
            given.reverse();
        }
        s.seal().await?.input(given).await
    }
}

#[test]
fn other_inputs_are_noticed_though_their_values_are_the_same() {
    let errors = same_errors(3, &OtherInputs);
    assert!(errors.iter().all(|e| e.starts_with("check 'same public value' failed during online phase")), "{errors:?}");
}

/// The odd party compares another digest.
struct OtherDigest;

impl Body<()> for OtherDigest {
    async fn party<E: Engine>(&self, s: E) -> Result<(), Error> {
        let mine = Digest([(s.me() == ODD) as u8; 32]);
        let (mut s, _) = evaluated(s, 1).await?;
        let refused = s.compare(mine).await;
        assert!(matches!(s.coin().await, Err(Error::Misuse(Misuse::Dead))));
        refused
    }
}

#[test]
fn another_digest_is_noticed() {
    for n in [2, 3] {
        let errors = same_errors(n, &OtherDigest);
        assert!(errors.iter().all(|e| e.starts_with("check 'same public value' failed")), "{errors:?}");
    }
}

/// The odd party exchanges a longer value.
struct OtherLength;

impl Body<()> for OtherLength {
    async fn party<E: Engine>(&self, s: E) -> Result<(), Error> {
        let len = 4 + (s.me() == ODD) as usize;
        let (mut s, _) = evaluated(s, 1).await?;
        s.exchange(&vec![1; len]).await.map(drop)
    }
}

#[test]
fn a_value_of_another_length_is_noticed_with_its_party() {
    for n in [2, 3] {
        let errors = same_errors(n, &OtherLength);
        let by_last = format!("check 'message format' failed during online phase: {ODD} did not follow the protocol");
        assert!(errors[1..].iter().all(|e| *e == by_last), "{errors:?}");
    }
}

/// The odd party opens where the others toss a coin.
struct OtherCall;

impl Body<()> for OtherCall {
    async fn party<E: Engine>(&self, s: E) -> Result<(), Error> {
        let opens = s.me() == ODD;
        let (mut s, wires) = evaluated(s, 3).await?;
        if opens { s.open(&wires).await.map(drop) } else { s.coin().await.map(drop) }
    }
}

#[test]
fn another_call_is_noticed_with_its_party() {
    let errors = same_errors(2, &OtherCall);
    assert_eq!(errors[1], format!("check 'message order' failed during online phase: {ODD} did not follow the protocol"));
}

/// The odd party goes away before an opening.
struct Leaves;

impl Body<()> for Leaves {
    async fn party<E: Engine>(&self, s: E) -> Result<(), Error> {
        let leaves = s.me() == ODD;
        let (mut s, wires) = evaluated(s, 3).await?;
        if leaves {
            return Err(Misuse::Dead.into());
        }
        let missed = s.open(&wires).await;
        assert!(matches!(s.open(&wires.slice(0..1)).await, Err(Error::Misuse(Misuse::Dead))));
        missed.map(drop)
    }
}

#[test]
fn a_party_that_went_away_is_named() {
    let closed = format!("{ODD} closed the connection (during online phase)");
    assert_eq!(same_errors(2, &Leaves)[1], closed);
    // With more parties the real engine may name one that stopped because of the first; here it is the first.
    assert!(ideal(4, 1, &Leaves).into_iter().skip(1).all(|r| r.is_err_and(|e| e.to_string() == closed)));
}

#[test]
fn a_party_that_went_away_after_its_last_call_disturbs_nobody() {
    let mut seats = seats(2, 1).into_iter();
    let (a, b) = (seats.next().expect("two seats"), seats.next().expect("two seats"));
    block_on(async {
        let (a, b) = join(IdealSession::start(a, AGREED), IdealSession::start(b, AGREED)).await;
        let (a, b) = join(evaluated(a.expect("started"), 2), evaluated(b.expect("started"), 2)).await;
        let ((mut a, x), (mut b, y)) = (a.expect("evaluated"), b.expect("evaluated"));
        let mut open = Box::pin(b.open(&y));
        assert!((&mut open).now_or_never().is_none(), "one party alone opens nothing");
        a.open(&x).await.expect("both open");
        drop(a);
        assert!(open.await.expect("the result was there before the other went").words() == [0]);
    });
}

/// The odd party gives up a call before it has ended.
struct GivesUp;

impl Body<()> for GivesUp {
    async fn party<E: Engine>(&self, s: E) -> Result<(), Error> {
        let gives_up = s.me() == ODD;
        let (mut s, wires) = evaluated(s, 3).await?;
        if gives_up {
            assert!(s.coin().now_or_never().is_none(), "nobody answers at once");
        }
        s.coin().await?;
        s.open(&wires).await.map(drop)
    }
}

#[test]
fn a_session_is_dead_when_a_call_is_dropped_before_it_ends() {
    let errors = same_errors(2, &GivesUp);
    assert_eq!(errors[0], Error::from(Misuse::Dead).to_string());
    assert_eq!(errors[1], format!("{ODD} stopped the session during online phase: a call was given up, it says"));
}
