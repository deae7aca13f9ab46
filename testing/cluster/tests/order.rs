//! Where a party goes on before it has heard from all: what it says meanwhile is of no use to whoever is caught then. One test for each such place.

use cotenant_circuit::Builder;
use cotenant_cluster::{
    Hands, Local, Message,
    layered::Layered,
    run,
    scenario::{AGREED, everything},
    session_rng,
    tamper::{Change, Tamper, Transcript, Verdict, honest, honest_messages, judge, of_kind},
};
use cotenant_core::{Bits, Channel, PartyId};
use cotenant_mpc::{Check, Engine, Error, Given, Kind, Online, Options, Session, Source};
use std::{num::NonZeroUsize, sync::Arc};

const SEGMENTS: usize = 3;

async fn layered(link: Local, stock: Option<usize>) -> Result<(), Error> {
    let threads = NonZeroUsize::new(1 + link.me().index() % 2).expect("not 0");
    Layered { stock, ..Layered::new(30, 10, SEGMENTS) }.party(link, 7, threads).await.map(drop)
}

/// The kinds of what a party sent, from message `from` of the run on.
fn kinds(messages: &[Message], party: PartyId, from: usize) -> Vec<Kind> {
    messages[from..].iter().filter(|m| m.from == party).map(|m| Kind::of(&m.body).expect("a kind")).collect()
}

/// Plans are compared by digests that are sent ahead and that nobody waits for. Whoever names another plan, to all or to one, before the stock is made or after, is
/// caught by the first thing that is read of it; and until then has been shown corrections of correlated OT and what belongs to their check, and nothing else.
#[test]
fn who_names_another_plan_is_shown_no_product_no_opening_and_no_row() {
    for (n, stock, which) in [(2, None, 0), (3, None, 0), (2, Some(600), 0), (3, Some(600), 0), (2, Some(600), 1), (3, Some(600), 1)] {
        for cheat in PartyId::all(n) {
            for alone in cheat.others(n).map(Some).chain([None]) {
                let (transcript, mut named) = (Transcript::default(), vec![0; n]);
                let lie = move |mut m: Message, hands: &mut Hands| {
                    if m.from == cheat && Kind::of(&m.body) == Some(Kind::Plan) {
                        m.body[7] ^= u8::from(named[m.to.index()] == which && alone.is_none_or(|p| p == m.to));
                        named[m.to.index()] += 1;
                    }
                    hands.deliver(m);
                };
                let outcome = run(n, transcript.of(lie), |l| layered(l, stock));
                let case = format!("{n} parties, {stock:?}, plan {which} of {cheat} to {alone:?}");
                assert_eq!(judge(&outcome, cheat, |done| done.is_empty()), Ok(Verdict::Caught(Check::Plan)), "{case}");
                let sent = transcript.messages();
                for party in cheat.others(n) {
                    let mut plans = of_kind(&sent, Kind::Plan).into_iter().filter(|(_, m)| m.from == party);
                    let (named, _) = plans.next_back().expect("all say what their plan is");
                    let misled = alone.is_none_or(|p| p == party);
                    for kind in kinds(&sent, party, named) {
                        // Two parties prove their corrections as they send them. Who has not noticed yet opens its part of the coin of the others' corrections.
                        let harmless = match kind {
                            Kind::Plan | Kind::CotCorrection | Kind::Commit | Kind::Notice => true,
                            Kind::CotProof => n == 2,
                            Kind::Opening => !misled,
                            _ => false,
                        };
                        assert!(harmless, "{case}: {party} sent {kind:?}");
                    }
                }
            }
        }
    }
}

/// A plan in which nothing is secret: there is nothing to fill, so nothing is read before the seal.
async fn public_alone(link: Local, stock: Option<usize>) -> Result<(), Error> {
    let me = link.me();
    let mut b = Builder::new();
    let wire = b.public_input(1);
    b.output(&wire);
    let mut s = Session::start(link, AGREED, session_rng(2, me), Options::default()).await?;
    if let Some(ands) = stock {
        s = s.stock(ands).await?;
    }
    let input = s.declare(Source::Public, 1);
    let segment = s.segment(&Arc::new(b.finish()), &input.wires().collect::<Vec<_>>())?;
    let mut s = s.seal().await?;
    s.input(vec![Given::Public(input, Bits::from_iter([true]))]).await?;
    let shown = s.evaluate(segment).await?;
    s.open(&shown).await.map(drop)
}

/// The digest is compared at the latest before word is read that a party has sealed, so before a value.
#[test]
fn who_names_another_plan_where_nothing_is_secret_is_shown_no_value() {
    for (n, stock, which) in [(2, None, 0), (3, None, 0), (2, Some(0), 0), (2, Some(0), 1), (3, Some(0), 0), (3, Some(0), 1)] {
        honest(n, |l| public_alone(l, stock));
        for cheat in PartyId::all(n) {
            let (transcript, mut named) = (Transcript::default(), vec![0; n]);
            let lie = move |mut m: Message, hands: &mut Hands| {
                if m.from == cheat && Kind::of(&m.body) == Some(Kind::Plan) {
                    m.body[7] ^= u8::from(named[m.to.index()] == which);
                    named[m.to.index()] += 1;
                }
                hands.deliver(m);
            };
            let outcome = run(n, transcript.of(lie), |l| public_alone(l, stock));
            assert_eq!(judge(&outcome, cheat, |done| done.is_empty()), Ok(Verdict::Caught(Check::Plan)), "{n} parties, {stock:?}");
            let sent = transcript.messages();
            for party in cheat.others(n) {
                let shown = |kind: &Kind| matches!(kind, Kind::PublicDigest | Kind::MaskedInput | Kind::InputLabels | Kind::Lambda);
                assert!(!kinds(&sent, party, 0).iter().any(shown), "{n} parties, {stock:?}, plan {which} of {cheat}");
            }
        }
    }
}

/// The masks of private inputs are opened when the products are made, and an owner that garbles reads them behind its tables. One that is opened falsely is
/// noticed by its tag, before its owner seals or masks a value; and the tables are what they would have been, whatever was opened.
#[test]
fn an_owner_to_whom_a_mask_is_opened_falsely_does_not_seal() {
    let seed = 6;
    for n in [2, 3] {
        let right = honest_messages(n, seed);
        let tables = |sent: &[Message], garbler| -> Vec<Vec<u8>> {
            of_kind(sent, Kind::Tables).into_iter().filter(|(_, m)| m.from == garbler).map(|(_, m)| m.body.clone()).collect()
        };
        for owner in PartyId::all(n) {
            for cheat in owner.others(n) {
                let seals = right.iter().position(|m| m.from == owner && Kind::of(&m.body) == Some(Kind::Sealed)).expect("all seal");
                let mut opened = of_kind(&right[..seals], Kind::Opened).into_iter().filter(|(_, m)| (m.from, m.to) == (cheat, owner));
                let (at, message) = opened.next_back().expect("the masks of its inputs are opened to it");
                assert_eq!(message.body.len(), 1 + 1 + 16, "two inputs of two bits");
                let mut body = message.body.clone();
                body[1] ^= 4;
                let transcript = Transcript::default();
                let outcome = run(n, transcript.of(Tamper::new(at, Change::To(body))), |l| everything(l, seed));
                let verdict = judge(&outcome, cheat, |done| done.is_empty());
                assert_eq!(verdict, Ok(Verdict::Caught(Check::OpenedMac)), "{n} parties, {cheat} to {owner}");
                assert!(
                    matches!(&outcome[owner.index()], Err(Error::Check { check: Check::OpenedMac, suspects, .. }) if *suspects == [cheat])
                );
                let sent = transcript.messages();
                assert!(!kinds(&sent, owner, 0).iter().any(|kind| matches!(kind, Kind::Sealed | Kind::MaskedInput)));
                assert!(tables(&sent, owner) == tables(&right, owner), "{n} parties, {cheat} to {owner}");
            }
        }
    }
}

/// The evaluator says the masked values of one segment after the other. One that stops after any of them, false or not, to see what comes, sees nothing.
#[test]
fn an_evaluator_that_stops_between_segments_is_told_nothing() {
    for n in [2, 3] {
        for (said, lies) in [(0, false), (1, false), (1, true), (SEGMENTS - 1, true), (SEGMENTS, true)] {
            let (transcript, mut to) = (Transcript::default(), vec![0; n]);
            let stop = move |mut m: Message, hands: &mut Hands| match Kind::of(&m.body) {
                Some(Kind::Lambda) => {
                    to[m.to.index()] += 1;
                    m.body[1] ^= u8::from(lies);
                    if to[m.to.index()] <= said {
                        hands.deliver(m);
                    }
                }
                Some(Kind::EvaluatorProof) => {}
                _ => hands.deliver(m),
            };
            let outcome = run(n, transcript.of(stop), |l| layered(l, None));
            assert_eq!(judge(&outcome, PartyId::EVALUATOR, |done| done.is_empty()), Ok(Verdict::GaveUp));
            let sent = transcript.messages();
            assert_eq!(of_kind(&sent, Kind::Lambda).len(), SEGMENTS * (n - 1), "one for each segment");
            for garbler in PartyId::EVALUATOR.others(n) {
                let after = kinds(&sent, garbler, of_kind(&sent, Kind::InputLabels).last().expect("inputs are given").0 + 1);
                assert!(after.iter().all(|&kind| kind == Kind::Notice), "{n} parties, {said} said: {garbler} sent {after:?}");
            }
        }
    }
}

/// With more parties the sums of the triple check and the shifts of the buckets are used as soon as they are open: all hold the same commitments by then, and who opens one in
/// another way to one party is caught by it there. The other has opened what its buckets need, as it would have anyway, and does not come further.
#[test]
fn a_sum_or_shift_opened_otherwise_to_one_party_is_not_what_was_committed_to() {
    let n = 3;
    let right = honest(n, |l| layered(l, None));
    for cheat in PartyId::all(n) {
        for misled in cheat.others(n) {
            let on_link = |kind| of_kind(&right, kind).into_iter().filter(move |(_, m)| (m.from, m.to) == (cheat, misled));
            let (buckets, _) = on_link(Kind::Opened).max_by_key(|(_, m)| m.body.len()).expect("the buckets' strings are the longest");
            let openings: Vec<_> = on_link(Kind::Opening).filter(|(at, _)| *at < buckets).collect();
            // The sum has 8 bytes, the part of the coin 16, and each a nonce behind it.
            let [.., (sum, a), (shifts, b)] = openings[..] else { panic!("two openings before the buckets") };
            assert_eq!((a.body.len(), b.body.len()), (1 + 8 + 32, 1 + 16 + 32));
            for (at, message) in [(sum, a), (shifts, b)] {
                let mut body = message.body.clone();
                body[3] ^= 1;
                let transcript = Transcript::default();
                let outcome = run(n, transcript.of(Tamper::new(at, Change::To(body))), |l| layered(l, None));
                assert_eq!(judge(&outcome, cheat, |done| done.is_empty()), Ok(Verdict::Caught(Check::Commitment)));
                let refused = &outcome[misled.index()];
                assert!(matches!(refused, Err(Error::Check { check: Check::Commitment, suspects, .. }) if *suspects == [cheat]));
                let sent = transcript.messages();
                for party in cheat.others(n) {
                    let own = sent.iter().rposition(|m| m.from == party && Kind::of(&m.body) == Some(Kind::Opening)).expect("all open");
                    let after = kinds(&sent, party, own + 1);
                    let mut further = after.iter().filter(|&&kind| kind != Kind::Notice);
                    assert!(further.all(|&kind| kind == Kind::Opened && party != misled), "{party} sent {after:?}");
                }
            }
        }
    }
}
