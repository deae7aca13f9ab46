//! Parties that die or fall silent, at every step; and what is left of a session after an error.

use cotenant_circuit::{Builder, Circuit};
use cotenant_cluster::{
    Hands, Honest, Local, Message, Network, run, run_on,
    scenario::{AGREED, everything},
    session_rng,
    tamper::{Change, Tamper, Transcript, Verdict, honest_messages, judge, of_kind},
};
use cotenant_core::{Channel, ChannelFault, Digest, PartyId};
use cotenant_mpc::{Engine, Error, Given, Kind, Misuse, Online, Options, Phase, Reason, Session, Source, VerifiedWires};
use std::sync::Arc;

/// The phase in which the first message of a kind is sent in [`everything`].
fn phase_of(kind: Kind, n: usize) -> Phase {
    use Kind::*;
    match kind {
        Hello | BaseOtChoice | BaseOtSend | Trees | DeltaCommit | DeltaOpening | Echo => Phase::Setup,
        // the check of global keys makes, tosses and opens, if there is one
        Commit | Opening | CotCorrection | CotProof | Opened if n > 2 => Phase::Setup,
        Commit | Opening | CotCorrection | CotProof | Opened | Plan | LeakyAnd | LeakyShift => Phase::Prepare,
        Tables | Sealed => Phase::Garble,
        PublicDigest | MaskedInput | InputLabels | Lambda | EvaluatorProof | GarblerProof | LambdaDigest | Solder | Notice => Phase::Online,
    }
}

/// Runs [`everything`] with `stop` called for each message that `victim` sends from its first of `kind` on. Returns how each party ended, if it sends any.
fn stopped_at(n: usize, kind: Kind, victim: PartyId, stop: fn(PartyId, &mut Hands)) -> Option<Vec<Result<(), Error>>> {
    let reached = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = reached.clone();
    let meddler = move |m: Message, hands: &mut Hands| {
        let now = m.from == victim && Kind::of(&m.body) == Some(kind);
        if seen.fetch_or(now, std::sync::atomic::Ordering::Relaxed) | now && m.from == victim {
            stop(victim, hands);
        } else {
            hands.deliver(m);
        }
    };
    let outcome = run(n, meddler, |l| async move { everything(l, 3).await.map(|_| ()) });
    reached.load(std::sync::atomic::Ordering::Relaxed).then_some(outcome)
}

/// Each of the others ends with an error that names the victim and the phase; one at least lost its own link to it, others may have been told.
fn names_the_victim(n: usize, stop: fn(PartyId, &mut Hands), wanted: ChannelFault) {
    let mut stops = 0;
    for kind in Kind::ALL {
        for victim in PartyId::all(n) {
            let Some(outcome) = stopped_at(n, kind, victim, stop) else { continue };
            stops += 1;
            let at = format!("{n} parties, {victim} before its first {kind:?}");
            assert_eq!(judge(&outcome, victim, |done| done.is_empty()), Ok(Verdict::GaveUp), "{at}");
            let direct = victim.others(n).filter(|p| match &outcome[p.index()] {
                Err(Error::Channel { source, phase }) => {
                    assert_eq!((source.party, source.cause, *phase), (victim, wanted, phase_of(kind, n)), "{at}, at {p}");
                    true
                }
                Err(Error::Stopped { reason, phase, .. }) => {
                    assert_eq!((*reason, *phase), (Reason::Lost(victim), phase_of(kind, n)), "{at}, at {p}");
                    false
                }
                other => panic!("{at}, at {p}: {other:?}"),
            });
            assert!(direct.count() > 0, "{at}");
        }
    }
    // every kind is sent by all, but for what only the evaluator or the garblers send
    let (evaluator, garblers) = (2, if n > 2 { 5 } else { 4 });
    let kinds = if n > 2 { 25 } else { 21 };
    assert_eq!(stops, (kinds - evaluator - garblers) * n + evaluator + garblers * (n - 1));
}

#[test]
fn a_killed_party_is_named_with_the_phase() {
    for n in [2, 3] {
        names_the_victim(n, |victim, hands| hands.kill(victim), ChannelFault::Closed);
    }
}

#[test]
fn a_silent_party_is_named_with_the_phase() {
    for n in [2, 3] {
        names_the_victim(n, |_, _| (), ChannelFault::Silent);
    }
}

fn conjunction() -> Arc<Circuit> {
    let mut b = Builder::new();
    let w = b.input(2);
    let out = b.and(w[0], w[1]);
    b.output(&[out]);
    Arc::new(b.finish())
}

/// Opens one segment; if that fails makes every other call there is. Returns the error and what the calls said.
async fn goes_on_after_an_error(link: Local) -> Result<Option<(Error, Vec<Error>)>, Error> {
    let me = link.me();
    let mut s = Session::start(link, AGREED, session_rng(5, me), Options::default()).await?;
    let used = s.declare(Source::Joint, 2);
    let unused = s.declare(Source::Joint, 1);
    let soldered = s.declare(Source::Soldered, 1);
    let wires: Vec<_> = used.wires().collect();
    let segments = [s.segment(&conjunction(), &wires)?, s.segment(&conjunction(), &wires)?];
    let mut s = s.seal().await?;
    let [first, second] = segments;
    s.input(vec![Given::Joint(used)]).await?;
    let first = s.evaluate(first).await?;
    let Err(error) = s.open(&first).await else { return Ok(None) };
    let after = [
        s.open(&first).await.err(),
        s.open_to(&first, me).await.err(),
        s.open_linear(&first, &[vec![0]]).await.err(),
        s.solder(soldered, &first).await.err(),
        s.evaluate(second).await.err(),
        s.input(vec![Given::Joint(unused)]).await.err(),
        s.compare(Digest([1; 32])).await.err(),
        s.coin().await.err(),
        s.exchange(b"value").await.err(),
    ];
    assert_eq!(first.len(), 1);
    Ok(Some((error, after.into_iter().map(|e| e.expect("the session is dead")).collect())))
}

#[test]
fn after_an_error_every_call_says_that_the_session_is_dead() {
    for wanted in ["check", "link"] {
        let transcript = Transcript::default();
        let mut opened = 0;
        let spoil = move |mut m: Message, hands: &mut Hands| {
            if (m.from, Kind::of(&m.body)) == (PartyId::new(1), Some(Kind::Opened)) {
                opened += 1;
                // the first belongs to the preparation
                if opened == 2 && wanted == "link" {
                    return hands.kill(PartyId::new(1));
                }
                if opened == 2 {
                    *m.body.last_mut().expect("not empty") ^= 1;
                }
            }
            hands.deliver(m);
        };
        let outcome = run(2, transcript.of(spoil), goes_on_after_an_error);
        let (error, after) = outcome[0].as_ref().expect("no error before the opening").as_ref().expect("the opening fails");
        assert_eq!(matches!(error, Error::Check { .. }), wanted == "check");
        assert_eq!(matches!(error, Error::Channel { .. }), wanted == "link");
        assert!(after.iter().all(|e| matches!(e, Error::Misuse(Misuse::Dead))), "{after:?}");
        let sent = transcript.messages();
        let last: Vec<_> = sent.iter().filter(|m| m.from == PartyId::EVALUATOR).map(|m| Kind::of(&m.body)).collect();
        assert_eq!(last[last.len() - 2..], [Some(Kind::Opened), Some(Kind::Notice)], "nothing but the notice is sent by a dead session");
    }
}

#[test]
fn a_notice_goes_to_all_carries_the_check_alone_and_is_the_last_message() {
    let (n, seed) = (3, 1);
    let messages = honest_messages(n, seed);
    let mut checks = 0;
    for kind in
        [Kind::Hello, Kind::CotProof, Kind::LeakyAnd, Kind::Opened, Kind::Plan, Kind::Lambda, Kind::EvaluatorProof, Kind::LambdaDigest]
    {
        let (at, message) = of_kind(&messages, kind)[0];
        let transcript = Transcript::default();
        let changed = Tamper::new(at, Change::To(message.body[..message.body.len() - 1].to_vec()));
        let outcome = run(n, transcript.of(changed), |l| everything(l, seed));
        let sent = transcript.messages();
        for (p, result) in PartyId::all(n).zip(&outcome) {
            let theirs: Vec<_> = sent.iter().filter(|m| m.from == p).collect();
            let first = theirs.iter().position(|m| Kind::of(&m.body) == Some(Kind::Notice)).unwrap_or(theirs.len());
            let told: Vec<_> = theirs[first..].iter().map(|m| m.to).collect();
            let word = match result {
                Err(Error::Check { check, .. } | Error::Stopped { reason: Reason::Check(check), .. }) => vec![*check as u8],
                Err(Error::Stopped { reason: Reason::Lost(party), .. }) => vec![0, party.index() as u8],
                Err(Error::Channel { source, .. }) => vec![0, source.party.index() as u8],
                other => panic!("{kind:?}: {p} ended with {other:?}"),
            };
            assert_eq!(told, p.others(n).collect::<Vec<_>>(), "{kind:?}: {p} tells the others and nothing more");
            assert!(theirs[first..].iter().all(|m| m.body == [&[Kind::Notice as u8], &word[..]].concat()));
            checks += usize::from(matches!(result, Err(Error::Check { .. })));
        }
    }
    assert!(checks >= 8);
}

#[test]
fn parties_that_wait_for_each_other_are_told_so() {
    let network = Network::new(2, Honest);
    let wait = |mut l: Local| async move {
        let other = PartyId::new(1 - l.me().index());
        l.recv(other).await.map_err(|e| e.cause)
    };
    let outcome = run_on(&network, PartyId::all(2).map(|p| Box::pin(wait(network.end(p)))).collect());
    assert_eq!(outcome, [Err(ChannelFault::Silent), Err(ChannelFault::Closed)], "the first gives up, and the second notices that");
}
