//! How often a party asks its allocator for memory, and for how much at once, pinned for a fixed session. Large buffers of shares are not among it: they are
//! mapped from the system.

use allocation_counter::measure;
use cotenant_bench::{
    alone::Session,
    engine::Job,
    workload::{SEGMENT, Unit},
};
use cotenant_core::simd::{self, Level};
use std::{
    future::Future,
    num::NonZeroUsize,
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Requests of each party for one AES-128 block of 6 400 ANDs, and the most bytes that it holds at once, with the messages that the others sent.
fn allocations(parties: usize) -> Vec<(u64, u64)> {
    let job = Job { unit: Unit::Aes, ands: 1, segment: SEGMENT, threads: NonZeroUsize::MIN, sessions: NonZeroUsize::MIN };
    let session = Session::record(parties, &job).unwrap();
    let of = |party| {
        let mut again = pin!(session.replay(party, NonZeroUsize::MIN));
        let counted = measure(|| {
            let polled = again.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Ready(Ok(_))), "a party alone waits for nothing");
        });
        (counted.count_total, counted.bytes_max)
    };
    (0..parties).map(of).collect()
}

/// The same at every run and whatever the processor can do.
#[test]
fn requests_for_memory_are_few_and_always_the_same() {
    let (two, three) = (allocations(2), allocations(3));
    for level in Level::ALL {
        simd::limit(level);
        assert_eq!(allocations(2), two, "{level:?}");
    }
    let wanted = (vec![(2860, 3_198_668), (2861, 3_198_668)], vec![(5575, 5_704_420), (5560, 5_698_276), (5565, 5_698_276)]);
    assert_eq!((two, three), wanted);
}
