//! What is saved is what is loaded: every length, kind, sharing and way to come by a value, by the hundred.

use crate::fixture::*;
use cotenant_agent::vault::{
    alphabet::Alphabet,
    item::Kind,
    save::{Comes, New},
    share::Share,
    sharing::{Holder, Quorum, Sharing},
};
use cotenant_core::PartyId;
use proptest::prelude::*;

/// t, n and the seats of a quorum.
fn quorums() -> impl Strategy<Value = (Sharing, Vec<usize>)> {
    (2..=5usize).prop_flat_map(|n| (2..=n, Just(n))).prop_flat_map(|(t, n)| {
        let seats = proptest::sample::subsequence((0..n).collect::<Vec<_>>(), t);
        (Just(Sharing::new(t, n).unwrap()), seats)
    })
}

fn alphabets() -> impl Strategy<Value = Alphabet> {
    let some = prop_oneof![Just(Alphabet::DIGITS), Just(Alphabet::HEX), Just(Alphabet::BASE64), Just(Alphabet::VISIBLE)];
    prop_oneof![
        some,
        any::<u128>().prop_filter_map("two printable characters", |mask| Alphabet::from_mask((mask >> 1) & ((1 << 127) - (1 << 32))))
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn bytes_that_a_party_has(seed: u64, (sharing, seats) in quorums(), value in proptest::collection::vec(any::<u8>(), 1..70)) {
        let origin = origin("k", Kind::Bytes, value.len(), sharing);
        let shares = put(On::Ideal, seed, &origin, &value);
        for read in read(On::Ideal, seed ^ 1, &origin, &seats, &shares) {
            prop_assert_eq!(read.unwrap(), value.clone());
        }
    }

    #[test]
    fn texts_that_nobody_has(seed: u64, (sharing, seats) in quorums(), alphabet in alphabets(), len in 1..40usize) {
        let origin = origin("k", Kind::Text(alphabet), len, sharing);
        let draw = |seed| {
            let body = Put { new: vec![new(&origin, Comes::Drawn)], values: vec![vec![]] };
            let shares: Vec<Share> = On::Ideal.run(sharing.members(), seed, &body).into_iter().map(|s| s.unwrap().pop().unwrap()).collect();
            read(On::Ideal, seed, &origin, &seats, &shares).pop().unwrap().unwrap()
        };
        let text = draw(seed);
        prop_assert!(text.len() == len && text.iter().all(|&c| alphabet.contains(c)), "{text:?}");
        // 20 characters are the same with at most 2^-20.
        prop_assert!(len < 20 || draw(seed.wrapping_add(1)) != text);
    }

    /// Of any sharing to any other, by the union of both sets of members: the first seats of the old are the first of the session, the new ones follow one later.
    #[test]
    fn another_sharing_among_other_members(seed: u64, (old, seats) in quorums(), (sharing, later) in quorums(), value in "[0-9]{1,20}") {
        let before = origin("k", Kind::Text(Alphabet::DIGITS), value.len(), old);
        let shares = put(On::Ideal, seed, &before, value.as_bytes());
        let after = next(&before, sharing);
        let parties = old.members().max(sharing.members() + 1);
        let holders = seats.iter().map(|&seat| Holder { seat: PartyId::new(seat), party: PartyId::new(seat) }).collect();
        let mut wanted = wanted(&before, &seats);
        wanted.quorum = Quorum::new(old, holders).unwrap();
        let receivers: Vec<PartyId> = (1..=sharing.members()).map(PartyId::new).collect();
        let body = Refresh {
            wanted,
            new: New { origin: after.clone(), comes: Comes::Loaded, receivers },
            shares: (0..parties).map(|party| seats.contains(&party).then(|| &shares[party])).collect(),
        };
        let fresh: Vec<Vec<Share>> = On::Ideal.run(parties, seed, &body).into_iter().map(Result::unwrap).collect();
        prop_assert!((0..parties).all(|p| fresh[p].len() == usize::from((1..=sharing.members()).contains(&p))));
        let fresh: Vec<Share> = fresh.into_iter().flatten().collect();
        for read in read(On::Ideal, seed, &after, &later, &fresh) {
            prop_assert_eq!(read.unwrap(), value.as_bytes());
        }
    }
}

/// Several items in one session, of several kinds, from several parties; each party's shares are its own, in order.
#[test]
fn several_items_at_once() {
    let (all, two) = (Sharing::new(3, 3).unwrap(), Sharing::new(2, 3).unwrap());
    let text = Kind::Text(Alphabet::ALPHANUMERIC);
    let origins = [origin("a", Kind::Bytes, 5, all), origin("b", text, 17, all), origin("c", text, 17, two), origin("d", text, 30, all)];
    let comes = [Comes::Given(PartyId::new(0)), Comes::Given(PartyId::new(2)), Comes::Given(PartyId::new(1)), Comes::Drawn];
    let values = [&b"\0\xff\r\n\x80"[..], b"seventeen0letters", b"0123456789ABCDEFG", b""].map(<[u8]>::to_vec);
    let new: Vec<New> = origins.iter().zip(comes).map(|(origin, comes)| new(origin, comes)).collect();
    let saved: Vec<Vec<Share>> = On::Ideal.run(3, 1, &Put { new, values: values.to_vec() }).into_iter().map(Result::unwrap).collect();
    for (party, shares) in saved.iter().enumerate() {
        assert!(shares.len() == 4 && shares.iter().zip(&origins).all(|(s, o)| s.check(o, PartyId::new(party)).is_ok()));
    }
    // The one that two members put together is loaded by P1 and P3 in the session of all three.
    let mut wanted: Vec<_> = [0, 1, 3].map(|k| wanted(&origins[k], &[0, 1, 2])).to_vec();
    let holders = [0, 2].map(|p| Holder { seat: PartyId::new(p), party: PartyId::new(p) });
    wanted.push(cotenant_agent::vault::load::Wanted { origin: origins[2].clone(), quorum: Quorum::new(two, holders.to_vec()).unwrap() });
    let given: Vec<Vec<&Share>> =
        (0..3).map(|p| [0, 1, 3, 2].into_iter().filter(|&k| k != 2 || p != 1).map(|k| &saved[p][k]).collect()).collect();
    for read in On::Ideal.run(3, 2, &Read { wanted, shares: &given }) {
        let read = read.unwrap();
        assert_eq!([&read[0], &read[1], &read[3]], [&values[0], &values[1], &values[2]]);
        assert!(read[2].len() == 30 && read[2].iter().all(u8::is_ascii_alphanumeric));
    }
}

/// Each block of the codeword, which all shares of n of n put together.
fn together(shares: &[&Share]) -> Vec<u8> {
    let sum = |one: Vec<u8>, other: Vec<u8>| one.iter().zip(&other).map(|(x, y)| x ^ y).collect();
    shares.iter().copied().map(blocks).reduce(sum).unwrap()
}

/// No two blocks at the same place.
fn differ(one: &[u8], other: &[u8]) -> bool {
    one.chunks(16).zip(other.chunks(16)).all(|(one, other)| one != other)
}

/// Items that are saved together, of one value and shape, have masks and an x of their own.
#[test]
fn items_that_are_saved_together_share_no_randomness() {
    for (t, n) in [(2, 2), (3, 3), (2, 3), (3, 4)] {
        let origins = ["a", "b"].map(|name| origin(name, Kind::Bytes, 40, Sharing::new(t, n).unwrap()));
        let new = origins.iter().map(|origin| new(origin, Comes::Given(PartyId::new(0)))).collect();
        let saved = On::Ideal.run(n, 1, &Put { new, values: vec![vec![9; 40]; 2] });
        let saved: Vec<Vec<Share>> = saved.into_iter().map(Result::unwrap).collect();
        assert!(saved.iter().all(|of_party| differ(&blocks(&of_party[0]), &blocks(&of_party[1]))), "{t} of {n}");
        if t == n {
            let [one, other] = [0, 1].map(|k| together(&saved.iter().map(|of_party| &of_party[k]).collect::<Vec<_>>()));
            assert!(one[..48] == other[..48] && differ(&one[48..], &other[48..]), "x and the tag of {t} of {n}");
        }
    }
}

/// After a refresh no member's share has a block of its earlier one, and x is another; the secret is the same.
#[test]
fn a_refresh_makes_every_share_new() {
    for (t, n) in [(2, 2), (2, 3), (3, 3)] {
        let before = origin("k", Kind::Bytes, 40, Sharing::new(t, n).unwrap());
        let old = put(On::Ideal, 1, &before, &[9; 40]);
        let (after, fresh) = refresh(On::Ideal, 2, &before, &old);
        for (old, fresh) in old.iter().zip(&fresh) {
            assert!(differ(&blocks(old), &blocks(fresh)), "{t} of {n}");
        }
        if t == n {
            let [old, fresh] = [&old, &fresh].map(|shares| together(&shares.iter().collect::<Vec<_>>()));
            assert!(old[..48] == fresh[..48] && differ(&old[48..], &fresh[48..]), "x and the tag of {t} of {n}");
        }
        let quorum: Vec<usize> = (n - t..n).collect();
        assert!(read(On::Ideal, 3, &after, &quorum, &fresh).into_iter().all(|read| read.unwrap() == [9; 40]));
    }
}

/// Uniform masks make uniform shares, whatever the secret: over many saves of a constant each bit of a single share is 1 about half the time.
#[test]
fn single_shares_look_uniform() {
    const SAVES: usize = 200;
    for (t, n) in [(2, 2), (2, 3)] {
        let origin = origin("k", Kind::Bytes, 1, Sharing::new(t, n).unwrap());
        let mut ones = vec![vec![0; 3 * 128]; n];
        for seed in 0..SAVES as u64 {
            for (share, ones) in put(On::Ideal, seed, &origin, &[0xff]).iter().zip(&mut ones) {
                let blocks = blocks(share);
                ones.iter_mut().enumerate().for_each(|(i, ones)| *ones += blocks[i / 8] as usize >> (i % 8) & 1);
            }
        }
        // Seven standard deviations of seven each; seeds are fixed, so the test gives the same every time.
        assert!(ones.iter().flatten().all(|&ones: &usize| ones.abs_diff(SAVES / 2) < 50), "{t} of {n}");
    }
}
