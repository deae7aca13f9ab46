//! The same on the real engine, by sample: what the ideal one shows of results holds there too.

use crate::fixture::*;
use cotenant_agent::vault::{VaultError, alphabet::Alphabet, item::Kind, save::Comes, share::Share, sharing::Sharing};
use cotenant_core::PartyId;

/// Saved by all, loaded, refreshed, loaded; for 2 of 3 loaded in a session of two.
#[test]
fn there_and_back_and_refreshed() {
    for (t, n, quorums) in [(2, 2, &[&[0, 1]][..]), (3, 3, &[]), (2, 3, &[&[0, 1], &[1, 2], &[0, 2]])] {
        let before = origin("k", Kind::Text(Alphabet::HEX), 20, Sharing::new(t, n).unwrap());
        let value = b"0123456789abcdef0123";
        let old = put(On::Real, 1, &before, value);
        let (after, fresh) = refresh(On::Real, 2, &before, &old);
        let all: Vec<usize> = (0..n).collect();
        let quorums = if quorums.is_empty() { vec![&all[..]] } else { quorums.iter().map(|q| &q[..]).collect() };
        for quorum in quorums {
            for (origin, shares) in [(&before, &old), (&after, &fresh)] {
                assert!(read(On::Real, 3, origin, quorum, shares).into_iter().all(|read| read.unwrap() == value), "{quorum:?} of {n}");
            }
            let mixed: Vec<Share> =
                (0..n).map(|p| if p == quorum[0] { under_header(&old[p], &fresh[p]) } else { copy(&fresh[p]) }).collect();
            assert!(all_failed_the_check(read(On::Real, 4, &after, quorum, &mixed), &["k"]));
        }
    }
}

/// A share with one changed bit in each of its blocks, of each party in turn.
#[test]
fn a_changed_share_is_noticed() {
    for (t, n) in [(2, 2), (3, 3), (2, 3)] {
        let origin = origin("k", Kind::Bytes, 5, Sharing::new(t, n).unwrap());
        let shares = put(On::Real, 1, &origin, b"bytes");
        let quorum: Vec<usize> = (n - t..n).collect();
        for (k, &cheat) in quorum.iter().enumerate() {
            for at in [k, 16 + k, 32 + k, 10] {
                let which = |p: usize| if p == cheat { changed(&shares[p], at, &[0x10]) } else { copy(&shares[p]) };
                let outcome = read(On::Real, 2, &origin, &quorum, &(0..n).map(which).collect::<Vec<_>>());
                assert!(all_failed_the_check(outcome, &["k"]), "byte {at} of P{}", cheat + 1);
            }
        }
    }
}

/// A load opens one bit, however many items it is of, and nothing else, also when it fails.
#[test]
fn a_load_opens_one_bit() {
    let origins = ["a", "b"].map(|name| origin(name, Kind::Bytes, 5, Sharing::new(3, 3).unwrap()));
    let shares = origins.each_ref().map(|origin| put(On::Real, 1, origin, b"bytes"));
    let wrong = changed(&shares[1][2], 7, &[1]);
    for last in [&shares[1][2], &wrong] {
        let given: Vec<Vec<&Share>> = (0..3).map(|p| vec![&shares[0][p], if p == 2 { last } else { &shares[1][p] }]).collect();
        let wanted = origins.iter().map(|origin| wanted(origin, &[0, 1, 2])).collect();
        let (outcome, openings) = openings(3, 2, &Verify { wanted, shares: &given });
        assert!(outcome.into_iter().all(|end| end.is_ok() == std::ptr::eq(last, &shares[1][2])));
        assert_eq!(openings, vec![vec![1]; 6], "each party to each other");
    }
}

/// Each party is sent what opens its own share, and nobody's besides: after the bit of the load and the masked bits that bind it to the save.
#[test]
fn a_save_opens_each_share_to_its_member_alone() {
    for (t, n) in [(3, 3), (2, 3)] {
        let before = origin("k", Kind::Bytes, 20, Sharing::new(t, n).unwrap());
        let old = put(On::Ideal, 1, &before, &[9; 20]);
        let (after, quorum) = (next(&before, before.item.sharing), (0..t).collect::<Vec<_>>());
        let shares = old.iter().enumerate().map(|(seat, share)| (seat < t).then_some(share)).collect();
        let body = Refresh { wanted: wanted(&before, &quorum), new: new(&after, Comes::Loaded), shares };
        let (outcome, openings) = openings(n, 2, &body);
        assert!(outcome.into_iter().all(|end| end.is_ok()));
        assert_eq!(openings, vec![vec![1, 20, after.item.share_bytes()]; n * (n - 1)], "{t} of {n}");
    }
}

#[test]
fn drawn_by_all_and_known_to_nobody() {
    let origin = origin("k", Kind::Text(Alphabet::ALPHANUMERIC), 24, Sharing::new(2, 2).unwrap());
    let body = Put { new: vec![new(&origin, Comes::Drawn)], values: vec![vec![]] };
    let draw = |seed| {
        let shares: Vec<Share> = On::Real.run(2, seed, &body).into_iter().map(|s| s.unwrap().pop().unwrap()).collect();
        read(On::Real, seed, &origin, &[0, 1], &shares).remove(0).unwrap()
    };
    let (one, two) = (draw(1), draw(2));
    assert!(one != two && one.iter().chain(&two).all(u8::is_ascii_alphanumeric));
}

#[test]
fn a_computed_text_outside_of_its_alphabet() {
    let origin = origin("pin", Kind::Text(Alphabet::DIGITS), 4, Sharing::new(3, 3).unwrap());
    let outcome = On::Real.run(3, 1, &Compute { new: new(&origin, Comes::Computed), value: b"12x4".to_vec() });
    assert!(outcome.into_iter().all(|r| matches!(r, Err(VaultError::Alphabet { items }) if items == ["pin"])));
}

/// The party whose own share is wrong by its header names it; the others hear from it and from nobody else.
#[test]
fn a_share_whose_header_tells() {
    let here = origin("k", Kind::Bytes, 5, Sharing::new(2, 2).unwrap());
    let shares = put(On::Real, 1, &here, b"bytes");
    let (after, fresh) = refresh(On::Real, 2, &here, &shares);
    let outcome = read(On::Real, 3, &after, &[0, 1], &[copy(&shares[0]), copy(&fresh[1])]);
    assert!(matches!(&outcome[0], Err(VaultError::Share { .. })));
    assert!(matches!(&outcome[1], Err(VaultError::Mpc(cotenant_mpc::Error::Stopped { by, .. })) if *by == PartyId::new(0)));
}
