//! What must not be learnt or done although every message is well formed: inputs from single shares, different inputs at different parties, handles of one
//! session in another, a session that goes on after a call was given up.

use cotenant_circuit::{Builder, Circuit};
use cotenant_cluster::{Hands, Honest, Local, Meddler, Message, run, session_rng};
use cotenant_core::{Bits, Channel, Digest, PartyId};
use cotenant_mpc::{
    Check, Engine, Error, Given, Input, Kind, Misuse, Online, Options, Reason, Sealed, Segment, Session, Source, VerifiedWires,
};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

const AGREED: Digest = Digest([3; 32]);
const WIDTH: usize = 8;

/// Gives back the xor of two inputs: no ANDs, so nothing but linear operations happens to them.
fn sum() -> Arc<Circuit> {
    let mut b = Builder::new();
    let (x, y) = (b.input(WIDTH), b.input(WIDTH));
    let sum = b.xor_bits(&x, &y);
    b.output(&sum);
    Arc::new(b.finish())
}

/// A sealed session of three with an input each of P2 and P3, and their sum as a segment.
async fn sealed(link: Local, seed: u64) -> Result<(Sealed<Local>, [Input; 2], Segment), Error> {
    let rng = session_rng(seed, link.me());
    let mut s = Session::start(link, AGREED, rng, Options::default()).await?;
    let inputs = [1, 2].map(|p| s.declare(Source::Private(PartyId::new(p)), WIDTH));
    let wires: Vec<_> = inputs.iter().flat_map(|i| i.wires()).collect();
    let segment = s.segment(&sum(), &wires)?;
    Ok((s.seal().await?, inputs, segment))
}

fn secret(party: usize) -> Bits {
    Bits::from_bytes(&[[0x5a], [0xc3]][party - 1])
}

fn given(me: PartyId, inputs: [Input; 2]) -> Vec<Given> {
    let one = |(k, input): (usize, Input)| if me.index() == k + 1 { Given::Mine(input, secret(k + 1)) } else { Given::Theirs(input) };
    inputs.into_iter().enumerate().map(one).collect()
}

async fn open_sum(link: Local, seed: u64) -> Result<Vec<u8>, Error> {
    let (mut s, inputs, segment) = sealed(link, seed).await?;
    s.input(given(s.me(), inputs)).await?;
    let sum = s.evaluate(segment).await?;
    Ok(s.open(&sum).await?.to_packed())
}

/// Keeps what P2 sent to P1 in the last message of a kind.
#[derive(Default)]
struct Seen {
    masked: Option<u8>,
    share: Option<u8>,
}

/// Listens to what P2 tells P1, and changes nothing.
fn wiretap(seen: Arc<Mutex<Seen>>) -> impl Meddler {
    move |message: Message, hands: &mut Hands| {
        if (message.from.index(), message.to.index()) == (1, 0) {
            let mut seen = seen.lock().unwrap();
            match Kind::of(&message.body) {
                Some(Kind::MaskedInput) => seen.masked = Some(message.body[1]),
                Some(Kind::Opened) if message.body.len() == 1 + 1 + 16 => seen.share = Some(message.body[1]),
                _ => {}
            }
        }
        hands.deliver(message);
    }
}

/// P1 is entitled to a ^ b, and must not get a from P2's share of it. Were the mask of a P2's alone, share and masked value would give a in every run; so
/// they may agree in no more bits than chance has it: of 400 at most 200 + 5 standard deviations of 10.
#[test]
fn no_single_share_of_a_sum_gives_an_input_away() {
    let mut agree = 0;
    for seed in 0..50 {
        let seen = Arc::new(Mutex::new(Seen::default()));
        for opened in run(3, wiretap(seen.clone()), |l| open_sum(l, seed)) {
            assert_eq!(opened.unwrap(), [0x5a ^ 0xc3]);
        }
        let seen = seen.lock().unwrap();
        let guess = seen.masked.unwrap() ^ seen.share.unwrap();
        agree += (guess ^ !0x5au8).count_ones();
    }
    assert!((150..=250).contains(&agree), "{agree} of 400 bits of P2's input follow from its messages");
}

/// In a segment without ANDs no proof depends on the inputs, so the comparison of broadcasts has to find it.
#[test]
fn an_input_given_differently_to_two_parties_fails_the_echo() {
    let two_faced = |mut message: Message, hands: &mut Hands| {
        if Kind::of(&message.body) == Some(Kind::MaskedInput) && (message.from.index(), message.to.index()) == (1, 2) {
            message.body[1] ^= 1;
        }
        hands.deliver(message);
    };
    let outcome = run(3, two_faced, |l| open_sum(l, 1));
    for honest in [0, 2] {
        match &outcome[honest] {
            Err(Error::Check { check: Check::Echo, suspects, .. }) => assert!(suspects.contains(&PartyId::new(1))),
            Err(Error::Stopped { reason: Reason::Check(Check::Echo), .. }) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn handles_of_one_session_mean_nothing_to_another() {
    let outcome = run(3, Honest, |l| async {
        let (mut first, inputs, segment) = sealed(l, 5).await?;
        first.input(given(first.me(), inputs)).await?;
        let verified = first.evaluate(segment).await?;
        let link = first.finish().expect("a session in good order gives its links back");
        let (mut second, mine, segment) = sealed(link, 6).await?;
        let foreign = |r: Result<_, Error>| assert!(matches!(r, Err(Error::Misuse(Misuse::Foreign))));
        foreign(second.open(&verified).await.map(drop));
        foreign(second.open_linear(&verified, &[vec![0]]).await.map(drop));
        foreign(second.open_to(&verified, PartyId::new(0)).await.map(drop));
        second.input(given(second.me(), mine)).await?;
        let own = second.evaluate(segment).await?;
        Ok(second.open(&own.slice(0..8)).await?.to_packed())
    });
    for opened in outcome {
        assert_eq!(opened.unwrap(), [0x5a ^ 0xc3]);
    }
}

/// Polls a future once and drops it.
async fn give_up<F: Future>(call: F) {
    let mut call = pin!(call);
    let ended = poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_ready())).await;
    assert!(!ended, "the call still waits for the others");
}

#[test]
fn a_call_that_was_given_up_kills_the_session() {
    let outcome = run(3, Honest, |l| async {
        let (mut s, inputs, segment) = sealed(l, 7).await?;
        let (me, given) = (s.me(), given(s.me(), inputs));
        if me == PartyId::new(0) {
            give_up(s.input(given)).await;
            for _ in 0..2 {
                assert!(matches!(s.coin().await, Err(Error::Misuse(Misuse::Dead))));
            }
            assert!(matches!(s.evaluate(segment).await, Err(Error::Misuse(Misuse::Dead))));
            assert!(s.finish().is_none(), "links with messages of a dead session on them are not given back");
            return Ok(());
        }
        s.input(given).await?;
        s.coin().await.map(drop)
    });
    assert!(outcome[0].is_ok());
    for other in &outcome[1..] {
        assert!(matches!(other, Err(Error::Stopped { reason: Reason::GaveUp, .. })), "{other:?}");
    }
}
