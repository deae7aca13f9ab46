//! Products that are made before the plan: outputs are those of the plain evaluator, and cheats are caught as in a plan's own products.

use cotenant_circuit::Builder;
use cotenant_cluster::{
    Hands, Honest, Local, Message,
    layered::Layered,
    run,
    scenario::AGREED,
    session_rng,
    tamper::{Transcript, Verdict, honest, judge, of_kind},
};
use cotenant_core::{Channel, PartyId};
use cotenant_mpc::{Check, Engine, Error, Kind, Misuse, Options, Session, Source, Stats, bucket_size};
use std::{num::NonZeroUsize, sync::Arc};

/// The plan's ANDs, all of two secrets.
const ANDS: usize = 3 * 300;

fn job(stock: Option<usize>) -> Layered {
    Layered { stock, ..Layered::new(30, 10, 3) }
}

async fn party(link: Local, stock: Option<usize>) -> Result<(Vec<bool>, Stats), Error> {
    let threads = NonZeroUsize::new(1 + link.me().index() % 2).expect("not 0");
    job(stock).party(link, 7, threads).await
}

fn stats(n: usize, stock: Option<usize>) -> Stats {
    let ends = run(n, Honest, |l| party(l, stock));
    let all: Vec<_> = ends.into_iter().map(|end| end.unwrap_or_else(|e| panic!("{n} parties, {stock:?}: {e}"))).collect();
    assert!(all.iter().all(|(out, stats)| *out == job(None).plain(7) && stats.ands_full == ANDS as u64), "{n} parties, {stock:?}");
    all[0].1.clone()
}

#[test]
fn a_plan_takes_from_the_stock_and_makes_what_it_lacks() {
    for n in [2, 3] {
        // At least 512 products are made at once, in whole groups of 128.
        for (stock, of_stock, of_plan) in
            [(1, 512, 512), (512, 512, 512), (600, 640, 512), (895, 896, 512), (ANDS, 1024, 0), (5000, 5120, 0)]
        {
            let made = stats(n, Some(stock)).leaky_triples as usize;
            // One batch each, on one half of the bound.
            let bucket = |products: usize| if products == 0 { 0 } else { products * bucket_size(products, 2) };
            assert_eq!(made, bucket(of_stock) + bucket(of_plan), "{n} parties, {stock} before the plan");
        }
        assert_eq!(stats(n, Some(0)).leaky_triples, stats(n, None).leaky_triples + extra(), "an empty stock only shares the bound");
    }
}

/// What half of the bound costs the plan's one batch.
fn extra() -> u64 {
    (1024 * (bucket_size(1024, 2) - bucket_size(1024, 1))) as u64
}

#[test]
fn who_opens_a_false_difference_or_spoils_a_product_is_caught() {
    let opens = |m: &Message| Kind::of(&m.body) == Some(Kind::Opened) && m.body.len() == 1 + 2 * ANDS.div_ceil(8) + 16;
    let multiplies = |m: &Message| Kind::of(&m.body) == Some(Kind::LeakyAnd);
    let authenticates = |m: &Message| Kind::of(&m.body) == Some(Kind::CotCorrection);
    type Spoils = fn(&Message) -> bool;
    let cases: [(Spoils, Check); 3] = [(opens, Check::OpenedMac), (multiplies, Check::Triple), (authenticates, Check::CorrelatedOt)];
    for (spoils, check) in cases {
        for cheat in PartyId::all(2) {
            let (transcript, mut done) = (Transcript::default(), false);
            let spoil = move |mut m: Message, hands: &mut Hands| {
                if m.from == cheat && spoils(&m) && !std::mem::replace(&mut done, true) {
                    m.body[1..65].iter_mut().for_each(|b| *b ^= 0x5a);
                }
                hands.deliver(m);
            };
            let outcome = run(2, transcript.of(spoil), |l| party(l, Some(ANDS)));
            assert_eq!(judge(&outcome, cheat, |done| done.is_empty()), Ok(Verdict::Caught(check)), "{cheat}");
            let garbled = of_kind(&transcript.messages(), Kind::Tables).iter().any(|(_, m)| m.from != cheat);
            assert!(!garbled, "before an honest party garbles");
        }
    }
}

/// One wire times each of many. What two gates open for it differs by the difference of what they have taken: were any products taken again, some gates after
/// the first that took them, what is opened would be the same there.
#[test]
fn every_product_is_taken_by_one_gate() {
    const GATES: usize = 5000;
    const OVERLAP: usize = 256;
    let mut b = Builder::new();
    let wires = b.input(1 + GATES);
    let products: Vec<_> = wires[1..].iter().map(|&w| b.and(wires[0], w)).collect();
    b.output(&products);
    let circuit = Arc::new(b.finish());
    let messages = honest(2, |l| {
        let circuit = circuit.clone();
        async move {
            let rng = session_rng(1, l.me());
            let mut session = Session::start(l, AGREED, rng, Options::default()).await?.stock(GATES).await?;
            let input = session.declare(Source::Private(PartyId::new(1)), 1 + GATES);
            session.segment(&circuit, &input.wires().collect::<Vec<_>>()).map(drop)?;
            session.seal().await.map(drop)
        }
    });
    let bytes = GATES / 8;
    let opened: Vec<_> = of_kind(&messages, Kind::Opened).into_iter().filter(|(_, m)| m.body.len() == 1 + 2 * bytes + 16).collect();
    let [(_, one), (_, other)] = opened[..] else { panic!("{} openings of two bits a gate", opened.len()) };
    for factor in 0..2 {
        let bit = |k: usize| (one.body[1 + factor * bytes + k / 8] ^ other.body[1 + factor * bytes + k / 8]) >> (k % 8) & 1;
        let bits: Vec<u8> = (0..GATES).map(bit).collect();
        for shift in 1..GATES - OVERLAP {
            let equal = bits.iter().zip(&bits[shift..]).filter(|(x, y)| x == y).count();
            let gates = GATES - shift;
            // At least eight standard deviations; the seed is fixed, so the test gives the same every time.
            assert!(equal.abs_diff(gates / 2) < gates / 4, "{equal} of {gates} bits are those of {shift} gates before");
        }
    }
}

#[test]
fn stocks_of_different_sizes_are_refused_before_any_is_made() {
    for n in [2, 3] {
        let transcript = Transcript::default();
        let honest = |m: Message, hands: &mut Hands| hands.deliver(m);
        let outcome = run(n, transcript.of(honest), |l| {
            let ands = ANDS + l.me().index() / (n - 1);
            party(l, Some(ands))
        });
        assert!(outcome.iter().any(|end| matches!(end, Err(Error::Check { check: Check::Plan, .. }))));
        assert!(of_kind(&transcript.messages(), Kind::LeakyAnd).is_empty());
    }
}

#[test]
fn a_second_stock_is_a_mistake_of_the_caller() {
    let outcome = run(2, Honest, |l| async move {
        let rng = session_rng(1, l.me());
        let session = Session::start(l, AGREED, rng, Options::default()).await?.stock(600).await?;
        session.stock(600).await.map(drop)
    });
    assert!(outcome.iter().all(|end| matches!(end, Err(Error::Misuse(Misuse::Stocked)))));
}
