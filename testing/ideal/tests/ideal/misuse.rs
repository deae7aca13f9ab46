//! The caller's mistakes are found before anything is sent, alike by both engines, and kill nothing.

use crate::both::{AGREED, Body, and, ideal, identity, real, texts};
use cotenant_core::{Bits, PartyId};
use cotenant_ideal::{IdealSession, seats};
use cotenant_mpc::{Engine, Error, Given, Input, Misuse, Online, Segment, Source, Tag, VerifiedWires, Wire};
use futures::executor::block_on;

fn misuse<T>(result: Result<T, Error>) -> Misuse {
    match result.err().expect("a mistake") {
        Error::Misuse(m) => m,
        other => panic!("not the caller's: {other}"),
    }
}

/// Every mistake, and that the session works on.
struct Mistakes;

impl Body<Vec<Misuse>> for Mistakes {
    async fn party<E: Engine>(&self, mut s: E) -> Result<Vec<Misuse>, Error> {
        let me = s.me();
        let mut b = cotenant_circuit::Builder::new();
        let w = b.public_input(2);
        b.output(&w);
        let wants_public = std::sync::Arc::new(b.finish());
        let foreign = |source, len| Input::new(Tag::fresh(), source, 0..len);
        let joint = s.declare(Source::Joint, 2);
        let wires: Vec<Wire> = joint.wires().collect();
        let mut found = vec![
            misuse(s.segment(&and(), &wires[..1])),
            misuse(s.segment(&and(), &foreign(Source::Joint, 2).wires().collect::<Vec<_>>())),
            misuse(s.segment(&wants_public, &wires)),
        ];
        let (public, soldered) = (s.declare(Source::Public, 3), s.declare(Source::Soldered, 3));
        let mut private: Vec<_> = PartyId::all(2).map(|p| s.declare(Source::Private(p), 3)).collect();
        let (mine, theirs) = (private.remove(me.index()), private.remove(0));
        let wrong = [s.declare(Source::Joint, 3), s.declare(Source::Joint, 3), s.declare(Source::Joint, 3)];
        let (spare, short, right) = (s.declare(Source::Public, 3), s.declare(Source::Soldered, 2), s.declare(Source::Soldered, 1));
        let one = s.segment(&and(), &wires)?;
        let never = s.segment(&identity(3), &soldered.wires().collect::<Vec<_>>())?;
        let first = [s.segment(&and(), &wires)?, s.segment(&and(), &wires)?];
        let second = s.segment(&identity(1), &first[0].wires().collect::<Vec<_>>())?;
        let mut s = s.seal().await?;
        let [a, b, c] = wrong;
        found.extend([
            misuse(s.input(vec![Given::Public(a, Bits::zero(3))]).await),
            misuse(s.input(vec![Given::Mine(b, Bits::zero(3))]).await),
            misuse(s.input(vec![Given::Theirs(c)]).await),
            misuse(s.input(vec![Given::Joint(public)]).await),
            misuse(s.input(vec![Given::Theirs(mine)]).await),
            misuse(s.input(vec![Given::Mine(theirs, Bits::zero(3))]).await),
            misuse(s.input(vec![Given::Public(spare, Bits::zero(4))]).await),
            misuse(s.evaluate(never).await),
            misuse(s.evaluate(Segment::new(Tag::fresh(), 0, 0..0)).await),
            misuse(s.input(vec![Given::Joint(foreign(Source::Joint, 2))]).await),
        ]);
        s.input(vec![Given::Joint(joint)]).await?;
        let (before, [first, other]) = (s.stats(), first);
        found.extend([
            misuse(s.evaluate_all(vec![second, first]).await),
            misuse(s.evaluate_all(vec![other, Segment::new(Tag::fresh(), 0, 0..0)]).await),
        ]);
        assert!(s.evaluate_all(Vec::new()).await?.is_empty());
        s.solder_all(Vec::new()).await?;
        assert_eq!(s.stats(), before, "nothing was sent");
        let one = s.evaluate(one).await?;
        found.extend([
            misuse(s.solder(foreign(Source::Soldered, 1), &one).await),
            misuse(s.solder_all(vec![(right, one.slice(0..1)), (short, one.slice(0..1))]).await),
            misuse(s.open_linear(&one, &[vec![0], vec![1]]).await),
            misuse(s.open_to(&one, PartyId::new(2)).await),
        ]);
        assert_eq!(s.open(&one).await?.len(), one.len(), "after all these mistakes the session lives");
        Ok(found)
    }
}

#[test]
fn both_engines_find_the_same_mistakes() {
    use Misuse::*;
    let plan = [Count, Foreign, NotPublic];
    let online = [NotEvaluated, Foreign, Foreign, NotEvaluated, Foreign, Foreign, WrongInput, Count, Count];
    let wanted: Vec<Misuse> = plan.into_iter().chain([WrongInput; 7]).chain(online).collect();
    for outcome in [real(2, 1, &Mistakes), ideal(2, 1, &Mistakes)] {
        for found in texts(outcome) {
            assert_eq!(found.expect("mistakes kill nothing"), wanted);
        }
    }
}

/// A private input of a party that does not exist.
struct NobodysInput;

impl Body<()> for NobodysInput {
    async fn party<E: Engine>(&self, mut s: E) -> Result<(), Error> {
        let _ = s.declare(Source::Private(PartyId::new(2)), 1);
        assert_eq!(misuse(s.seal().await), Misuse::WrongInput);
        Ok(())
    }
}

#[test]
fn a_plan_with_an_input_of_nobody_is_not_sealed() {
    for outcome in [real(2, 1, &NobodysInput), ideal(2, 1, &NobodysInput)] {
        assert!(texts(outcome).iter().all(Result::is_ok));
    }
}

#[test]
fn a_session_has_at_least_two_and_at_most_64_parties() {
    for n in [1, 65] {
        let seat = seats(n, 1).remove(0);
        assert_eq!(misuse(block_on(IdealSession::start(seat, AGREED))), Misuse::Parties);
    }
}
