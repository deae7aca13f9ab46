//! Preparations that are larger than what is worked on, sent or waited for at once: outputs are those of the plain evaluator.

use cotenant_cluster::{
    Hands, Honest, Message,
    layered::Layered,
    run,
    tamper::{Verdict, judge},
};
use cotenant_core::{Channel, PartyId};
use cotenant_mpc::{Check, Kind, Stats, batches, ot::CHUNK_ROWS};
use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex},
};

/// One thread or three, by party: what is sent does not depend on it.
fn threads(link: &impl Channel) -> NonZeroUsize {
    NonZeroUsize::new(1 + 2 * (link.me().index() % 2)).expect("not 0")
}

fn right(n: usize, job: &Layered, seed: u64) -> Stats {
    let plain = job.plain(seed);
    let ends = run(n, Honest, |l| {
        let threads = threads(&l);
        job.clone().party(l, seed, threads)
    });
    let mut stats = None;
    for end in ends {
        let (out, cost) = end.unwrap_or_else(|e| panic!("{e}"));
        assert!(out == plain, "{n} parties");
        stats = Some(cost);
    }
    stats.expect("there are parties")
}

/// Every message of every link, whoever computes on how many threads.
#[test]
fn what_is_sent_does_not_depend_on_threads() {
    let sent = |threads: [usize; 2]| {
        let links = Arc::new(Mutex::new([const { Vec::<Vec<u8>>::new() }; 2]));
        let kept = links.clone();
        let keep = move |m: Message, hands: &mut Hands| {
            kept.lock().expect("one run at a time")[m.from.index()].push(m.body.clone());
            hands.deliver(m);
        };
        let ends = run(2, keep, |l| {
            let threads = NonZeroUsize::new(threads[l.me().index()]).expect("not 0");
            Layered::new(1000, 70, 2).party(l, 8, threads)
        });
        assert!(ends.iter().all(Result::is_ok));
        std::mem::take(&mut *links.lock().expect("one run at a time"))
    };
    let one = sent([1, 1]);
    assert!(one.iter().all(|link| link.len() > 100));
    assert!(sent([1, 3]) == one && sent([2, 1]) == one);
}

/// Strings of several chunks and pieces; more of both than a party sends before it reads.
#[test]
fn two_parties_far_ahead_of_what_they_read() {
    let stats = right(2, &Layered::new(1000, 60, 1), 1);
    assert!(stats.leaky_triples > 16 * 8192, "{}", stats.leaky_triples);
    assert!(stats.authenticated_bits > 2 * 32 * CHUNK_ROWS as u64);
}

#[test]
fn two_batches_in_three_segments() {
    let job = Layered::new(1000, 350, 3);
    assert_eq!(batches(3 * 350_000).len(), 2);
    assert_eq!(right(2, &job, 2).ands_full, 3 * 350_000);
}

#[test]
fn three_batches() {
    let job = Layered::new(1000, 965, 2);
    assert_eq!(batches(1_930_000).len(), 3);
    assert_eq!(right(2, &job, 3).ands_full, 1_930_000);
}

/// Strings of more than the chunks between two coins.
#[test]
fn three_parties_with_several_windows() {
    let stats = right(3, &Layered::new(1000, 50, 2), 4);
    assert!(stats.authenticated_bits > 2 * 64 * CHUNK_ROWS as u64, "{}", stats.authenticated_bits);
}

#[test]
fn four_parties_with_several_chunks() {
    right(4, &Layered::new(500, 20, 2), 5);
}

/// A session that fails leaves its memory, full of its secrets, to the next one in the process: while it prepares, and when its gates have been evaluated.
/// (Sums over a segment's gates are in memory of this kind from 65 536 gates on, for three parties.)
#[test]
fn a_session_after_one_that_failed() {
    let job = Layered::new(1000, 66, 1);
    for (n, cheat, kind, check) in [(2, 1, Kind::LeakyAnd, Check::Triple), (3, 0, Kind::EvaluatorProof, Check::EvaluatorProof)] {
        let cheat = PartyId::new(cheat);
        let spoil = move |mut m: Message, hands: &mut Hands| {
            if m.from == cheat && Kind::of(&m.body) == Some(kind) {
                m.body[1..].iter_mut().for_each(|b| *b ^= 0x5a);
            }
            hands.deliver(m);
        };
        let ends = run(n, spoil, |l| job.clone().party(l, 6, NonZeroUsize::MIN));
        assert_eq!(judge(&ends, cheat, |done| done.is_empty()), Ok(Verdict::Caught(check)));
        right(n, &job, 7);
    }
}
