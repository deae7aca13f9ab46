//! What is refused before anything is computed, by whom it names, and what the others see.

use crate::fixture::*;
use cotenant_agent::room::RoomId;
use cotenant_agent::vault::{
    PlanError, VaultError,
    alphabet::Alphabet,
    item::Kind,
    load::Wanted,
    save::{Comes, New},
    share::{Mismatch, Share},
    sharing::{Holder, Quorum, Sharing},
};
use cotenant_core::PartyId;

fn two() -> Sharing {
    Sharing::new(2, 2).unwrap()
}

/// The party that has the wrong share says which it is; the other hears that it gave up.
#[test]
fn a_share_whose_header_tells() {
    let here = origin("k", Kind::Bytes, 20, two());
    let shares = put(On::Ideal, 1, &here, &[9; 20]);
    let (after, fresh) = refresh(On::Ideal, 2, &here, &shares);
    let other = put(On::Ideal, 3, &origin("l", Kind::Bytes, 20, two()), &[9; 20]);
    let mut elsewhere = here.clone();
    elsewhere.room = RoomId([2; 16]);
    let elsewhere = put(On::Ideal, 4, &elsewhere, &[9; 20]);
    let cases = [
        (&here, &shares[0], copy(&elsewhere[1]), Mismatch::Room),
        (&here, &shares[0], copy(&other[1]), Mismatch::Item { found: "l".into() }),
        (&here, &shares[0], copy(&fresh[1]), Mismatch::Version { found: 2, wanted: 1 }),
        (&after, &fresh[0], copy(&shares[1]), Mismatch::Version { found: 1, wanted: 2 }),
        (&here, &shares[0], copy(&shares[0]), Mismatch::Seat { found: PartyId::new(0), wanted: PartyId::new(1) }),
    ];
    for (origin, first, second, wrong) in cases {
        let mut outcome = read(On::Ideal, 5, origin, &[0, 1], &[copy(first), second]).into_iter();
        let stopped = outcome.next().unwrap();
        assert!(matches!(stopped, Err(VaultError::Mpc(cotenant_mpc::Error::Stopped { by, .. })) if by == PartyId::new(1)), "{wrong}");
        assert!(matches!(outcome.next().unwrap(), Err(VaultError::Share { item, mismatch }) if item == "k" && mismatch == wrong));
    }
}

#[test]
fn as_many_shares_and_values_as_the_plan_has() {
    let origin = origin("k", Kind::Bytes, 2, two());
    let shares = put(On::Ideal, 1, &origin, b"ab");
    let given: [Vec<&Share>; 2] = [vec![&shares[0]], vec![]];
    let mut outcome = On::Ideal.run(2, 1, &Read { wanted: vec![wanted(&origin, &[0, 1])], shares: &given }).into_iter();
    assert!(outcome.next().unwrap().is_err());
    assert!(matches!(outcome.next().unwrap(), Err(VaultError::Shares { wanted: 1, found: 0 })));
    let none = Put { new: vec![new(&origin, Comes::Drawn)], values: vec![] };
    assert!(On::Ideal.run(2, 1, &none).into_iter().all(|r| matches!(r, Err(VaultError::Values { wanted: 1, found: 0 }))));
}

/// A party's own value is looked at before it is told to anyone.
#[test]
fn a_value_that_does_not_fit_its_item() {
    let text = origin("pin", Kind::Text(Alphabet::DIGITS), 4, two());
    let bytes = origin("pin", Kind::Bytes, 4, two());
    for (origin, value) in [(&text, &b"12a4"[..]), (&text, b"123"), (&bytes, b"12345")] {
        let body = Put { new: vec![new(origin, Comes::Given(PartyId::new(0)))], values: vec![value.to_vec()] };
        let outcome = On::Ideal.run(2, 1, &body);
        assert!(matches!(&outcome[0], Err(VaultError::Value { item, len: 4 }) if item == "pin"));
        assert!(matches!(&outcome[1], Err(VaultError::Mpc(cotenant_mpc::Error::Stopped { .. }))));
    }
}

/// What was computed is looked at inside: no party gets a share.
#[test]
fn a_computed_text_outside_of_its_alphabet() {
    let origin = origin("pin", Kind::Text(Alphabet::DIGITS), 4, two());
    let save = |value: &[u8]| On::Ideal.run(2, 1, &Compute { new: new(&origin, Comes::Computed), value: value.to_vec() });
    let shares: Vec<Share> = save(b"1234").into_iter().map(|s| s.unwrap().pop().unwrap()).collect();
    assert_eq!(read(On::Ideal, 2, &origin, &[0, 1], &shares)[0].as_ref().unwrap(), b"1234");
    for value in [b"123a", b"/234", b"12:4", b"1\xb034"] {
        assert!(save(value).into_iter().all(|r| matches!(r, Err(VaultError::Alphabet { items }) if items == ["pin"])));
    }
}

#[test]
fn plans_that_cannot_be() {
    let here = origin("k", Kind::Bytes, 2, two());
    let (shares, none) = (put(On::Ideal, 1, &here, b"ab"), [vec![], vec![]]);
    let plan = |wanted: Vec<Wanted>| match On::Ideal.run(2, 1, &Read { wanted, shares: &none }).remove(0) {
        Err(VaultError::Plan(error)) => error,
        _ => panic!("a load that cannot be"),
    };
    assert_eq!(plan(vec![]), PlanError::Empty);
    let outside = [0, 2].map(|p| Holder { seat: PartyId::new(p / 2), party: PartyId::new(p) });
    let outside = Wanted { origin: here.clone(), quorum: Quorum::new(two(), outside.to_vec()).unwrap() };
    assert_eq!(plan(vec![outside]), PlanError::Party(PartyId::new(2)));
    let other = wanted(&origin("k", Kind::Bytes, 2, Sharing::new(2, 3).unwrap()), &[0, 1]);
    assert_eq!(plan(vec![Wanted { origin: here.clone(), ..other }]), PlanError::Quorum { item: "k".into() });

    let save = |new: Vec<New>| match On::Ideal.run(2, 1, &Put { values: vec![vec![]; new.len()], new }).remove(0) {
        Err(VaultError::Plan(error)) => error,
        _ => panic!("a save that cannot be"),
    };
    assert_eq!(save(vec![]), PlanError::Empty);
    let to = |receivers: &[usize]| New { receivers: receivers.iter().map(|&p| PartyId::new(p)).collect(), ..new(&here, Comes::Drawn) };
    let receivers = || PlanError::Receivers { item: "k".into(), members: 2 };
    assert_eq!([save(vec![to(&[0])]), save(vec![to(&[1, 1])])], [receivers(), receivers()]);
    assert_eq!(save(vec![to(&[0, 2])]), PlanError::Party(PartyId::new(2)));
    assert_eq!(save(vec![new(&here, Comes::Given(PartyId::new(2)))]), PlanError::Party(PartyId::new(2)));

    // What is loaded is saved as itself and nothing else.
    let renamed = New { origin: next(&origin("l", Kind::Bytes, 2, two()), two()), ..new(&here, Comes::Loaded) };
    let body = Refresh { wanted: wanted(&here, &[0, 1]), new: renamed, shares: shares.iter().map(Some).collect() };
    let source = |r| matches!(r, Err(VaultError::Plan(PlanError::Source { item })) if item == "l");
    assert!(On::Ideal.run(2, 1, &body).into_iter().all(source));
}
