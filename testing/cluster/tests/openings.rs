//! One tag vouches for all strings of an opening, however long: a bit that is false in any place of any of them is the fault of its sender.

use cotenant_cluster::{
    layered::Layered,
    run,
    tamper::{Change, Tamper, Verdict, honest, judge, of_kind},
};
use cotenant_mpc::{Check, Kind, bucket_size};
use std::num::NonZeroUsize;

/// Triples of a batch, and so bits of a string: more than are hashed at once.
const BATCH: usize = 1536;

/// Two of the strings d, which have MACs of 64 bits, and s; the first bit, the last, and those next to where a run of 1024 ends.
#[test]
fn a_false_bit_in_any_string_and_run_of_what_the_buckets_open_is_caught() {
    let job = Layered::new(BATCH / 2, 2, 1);
    let party = |l| job.clone().party(l, 1, NonZeroUsize::MIN);
    let messages = honest(2, party);
    let strings = bucket_size(BATCH, 1);
    let length = 1 + strings * BATCH / 8 + 16;
    let (at, message) = of_kind(&messages, Kind::Opened).into_iter().find(|(_, m)| m.body.len() == length).expect("buckets are opened");
    for string in [0, 1, strings - 1] {
        for bit in [0, 1023, 1024, BATCH - 1] {
            let (mut body, bit) = (message.body.clone(), string * BATCH + bit);
            body[1 + bit / 8] ^= 1 << (bit % 8);
            let ends = run(2, Tamper::new(at, Change::To(body)), party);
            assert_eq!(judge(&ends, message.from, |done| done.is_empty()), Ok(Verdict::Caught(Check::OpenedMac)), "bit {bit}");
        }
    }
}

/// What is opened to one party and what is opened to all, in the first place and behind the first run.
#[test]
fn a_false_bit_of_an_output_is_caught_by_whom_it_is_opened_to() {
    let job = Layered::new(BATCH, 1, 1);
    for n in [2, 3] {
        let party = |l| job.clone().party(l, 2, NonZeroUsize::MIN);
        let messages = honest(n, party);
        let outputs: Vec<_> = of_kind(&messages, Kind::Opened).into_iter().filter(|(_, m)| m.body.len() == 1 + BATCH / 8 + 16).collect();
        let seals = of_kind(&messages, Kind::Sealed).last().expect("all seal").0;
        let online: Vec<_> = outputs.into_iter().filter(|(at, _)| *at > seals).collect();
        assert_eq!(online.len(), 2 * n * (n - 1), "each to each, alone and with all");
        for (at, message) in online.into_iter().step_by(2 * n - 1) {
            for bit in [0, BATCH - 1] {
                let mut body = message.body.clone();
                body[1 + bit / 8] ^= 1 << (bit % 8);
                let ends = run(n, Tamper::new(at, Change::To(body)), party);
                let verdict = judge(&ends, message.from, |done| done.iter().all(|(_, (out, _))| *out == job.plain(2)));
                assert_eq!(verdict, Ok(Verdict::Caught(Check::OpenedMac)), "message {at}, bit {bit}");
            }
        }
    }
}
