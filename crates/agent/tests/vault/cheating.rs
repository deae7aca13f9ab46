//! Shares that are not what their headers say: only the check inside the circuit can tell, and it does.

use crate::fixture::*;
use cotenant_agent::room::RoomId;
use cotenant_agent::vault::{item::Kind, share::Share, sharing::Sharing};
use cotenant_core::Digest;
use proptest::prelude::*;

fn sharings() -> impl Strategy<Value = (usize, usize)> {
    prop_oneof![Just((2, 2)), Just((3, 3)), Just((2, 3)), Just((3, 4))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Any change of any corrupt parties, up to all but one of the quorum.
    #[test]
    fn added_offsets_are_noticed(
        seed: u64,
        (t, n) in sharings(),
        len in 1..40usize,
        offsets in proptest::collection::vec((any::<prop::sample::Index>(), 1..=255u8), 1..20),
        honest in any::<prop::sample::Index>(),
    ) {
        let origin = origin("k", Kind::Bytes, len, Sharing::new(t, n).unwrap());
        let mut shares = put(On::Ideal, seed, &origin, &vec![3; len]);
        let quorum: Vec<usize> = (0..t).collect();
        let honest = honest.index(t);
        let before: Vec<Vec<u8>> = shares.iter().map(blocks).collect();
        for (k, (at, mask)) in offsets.iter().enumerate() {
            let cheat = (honest + 1 + k % (t - 1)) % t;
            shares[cheat] = changed(&shares[cheat], at.index(origin.item.share_bytes()), &[*mask]);
        }
        let any = shares.iter().zip(&before).any(|(share, before)| blocks(share) != *before);
        let outcome = read(On::Ideal, seed, &origin, &quorum, &shares);
        prop_assert!(!any || all_failed_the_check(outcome, &["k"]));
    }
}

/// Who knows the secret cannot make it another one: in n of n an offset of a share is one of the secret, and no offset of the tag goes with it.
#[test]
fn a_known_secret_cannot_be_changed() {
    let origin = origin("k", Kind::Bytes, 16, Sharing::new(2, 2).unwrap());
    let shares = put(On::Ideal, 1, &origin, &[0; 16]);
    for (at, tag) in [(0, 0u8), (0, 1), (15, 0x80), (16, 0), (16, 1), (32, 1)] {
        let offset = changed(&changed(&shares[0], at, &[1]), 40, &[tag]);
        assert!(all_failed_the_check(read(On::Ideal, 2, &origin, &[0, 1], &[offset, copy(&shares[1])]), &["k"]), "offset at {at}");
    }
}

/// Old shares under new headers, by every set of parties but nobody. All of a quorum together go back to the old version as a whole: whoever takes part in
/// that has put its own old share under a new header, so at least one honest party would have to.
#[test]
fn versions_do_not_mix() {
    for (t, n) in [(2, 2), (3, 3), (2, 3), (3, 4)] {
        let before = origin("k", Kind::Bytes, 20, Sharing::new(t, n).unwrap());
        let old = put(On::Ideal, 1, &before, &[9; 20]);
        let (after, fresh) = refresh(On::Ideal, 2, &before, &old);
        let quorum: Vec<usize> = (0..t).collect();
        for stale in 0..1usize << t {
            let which = |seat: usize| if stale >> seat & 1 == 1 { under_header(&old[seat], &fresh[seat]) } else { copy(&fresh[seat]) };
            let outcome = read(On::Ideal, 3, &after, &quorum, &(0..n).map(which).collect::<Vec<_>>());
            if stale == 0 || stale == (1 << t) - 1 {
                assert!(outcome.into_iter().all(|read| read.unwrap() == [9; 20]));
            } else {
                assert!(all_failed_the_check(outcome, &["k"]), "stale {stale:b} of {t} of {n}");
            }
        }
    }
}

/// The same secret, saved twice under one header: by another run, as another item, in another room.
#[test]
fn sharings_do_not_mix() {
    for (t, n) in [(2, 2), (2, 3)] {
        let here = origin("k", Kind::Bytes, 20, Sharing::new(t, n).unwrap());
        let shares = put(On::Ideal, 1, &here, &[9; 20]);
        let quorum: Vec<usize> = (0..t).collect();
        let mut others = [here.clone(), here.clone(), origin("l", Kind::Bytes, 20, here.item.sharing)];
        others[0].run = Digest([9; 32]);
        others[1].room = RoomId([2; 16]);
        for (k, other) in others.iter().enumerate() {
            let theirs = put(On::Ideal, 10 + k as u64, other, &[9; 20]);
            for cheat in 0..t {
                let which = |seat: usize| if seat == cheat { under_header(&theirs[seat], &shares[seat]) } else { copy(&shares[seat]) };
                let outcome = read(On::Ideal, 3, &here, &quorum, &(0..n).map(which).collect::<Vec<_>>());
                assert!(all_failed_the_check(outcome, &["k"]), "other {k}, of P{}", cheat + 1);
            }
        }
    }
}

/// Two members' shares swapped, one share given by both, in a sharing where members are told apart by their points alone.
#[test]
fn a_member_cannot_give_the_share_of_another() {
    let origin = origin("k", Kind::Bytes, 20, Sharing::new(2, 3).unwrap());
    let shares = put(On::Ideal, 1, &origin, &[9; 20]);
    let mixed = |first: usize, second: usize| -> Vec<Share> {
        vec![under_header(&shares[first], &shares[0]), under_header(&shares[second], &shares[1])]
    };
    assert!(read(On::Ideal, 2, &origin, &[0, 1], &mixed(0, 1)).into_iter().all(|read| read.is_ok()));
    for (first, second) in [(1, 0), (0, 0), (1, 1), (2, 1), (0, 2)] {
        assert!(all_failed_the_check(read(On::Ideal, 2, &origin, &[0, 1], &mixed(first, second)), &["k"]), "{first} and {second}");
    }
}

/// One bit for all items: the names of all that were loaded together are in the error, and none of them is usable.
#[test]
fn one_wrong_item_stops_all_that_are_loaded_with_it() {
    let sharing = Sharing::new(2, 2).unwrap();
    let origins = ["a", "b", "c"].map(|name| origin(name, Kind::Bytes, 3, sharing));
    let shares = origins.each_ref().map(|origin| put(On::Ideal, 1, origin, b"abc"));
    for wrong in 0..3 {
        let bad = changed(&shares[wrong][1], 0, &[1]);
        let second = (0..3).map(|k| if k == wrong { &bad } else { &shares[k][1] }).collect();
        let given = [shares.iter().map(|of_item| &of_item[0]).collect(), second];
        let wanted = origins.iter().map(|origin| wanted(origin, &[0, 1])).collect();
        assert!(all_failed_the_check(On::Ideal.run(2, 2, &Read { wanted, shares: &given }), &["a", "b", "c"]));
    }
}
