//! What each operation leaves, and what happens when a share is not there or not right.

use crate::world::{On, World, stored};
use cotenant_agent::{
    approve::operation::Body,
    operate::{OperateError, Refused},
    vault::{VaultError, alphabet::Alphabet, item::Kind},
};
use cotenant_core::PartyId;
use cotenant_net::Identity;

const ROOMS: [(usize, usize); 4] = [(2, 2), (3, 3), (2, 3), (3, 4)];

fn names(world: &World) -> Vec<(String, u64)> {
    world.manifest.items().map(|entry| (entry.item.name.clone(), entry.item.version)).collect()
}

fn bytes_of(world: &World, seat: usize, name: &str) -> Vec<u8> {
    let disk = world.disks[seat].borrow();
    let mut all = disk.iter().filter(|(share, _)| share.item == name).map(|(_, bytes)| bytes.clone());
    let one = all.next().expect("a share");
    assert!(all.next().is_none(), "older shares are destroyed");
    one
}

#[test]
fn put_drawn_refreshed_verified_removed() {
    for (t, n) in ROOMS {
        let mut world = World::new(On::Ideal, t, n);
        let quorum: Vec<usize> = (n - t..n).collect();
        let key = world.item("s3/key", Kind::Text(Alphabet::BASE64), 40, vec![]);
        let value = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        world.put(n - 1, key, value);
        let token = world.item("token", Kind::Text(Alphabet::ALPHANUMERIC), 24, vec![]);
        world.save(Body::Gen(token), None);
        assert_eq!((names(&world), world.manifest.number()), (vec![("s3/key".into(), 1), ("token".into(), 1)], 2));
        assert_eq!(world.read(&quorum, "s3/key"), value);
        let drawn = world.read(&quorum, "token");
        assert!(drawn.iter().all(u8::is_ascii_alphanumeric) && drawn.len() == 24);

        // A save of one item leaves the shares of the other.
        let before = ["s3/key", "token"].map(|name| bytes_of(&world, 0, name));
        world.save(Body::Refresh(vec![stored("s3/key")]), None);
        let after = ["s3/key", "token"].map(|name| bytes_of(&world, 0, name));
        assert!(before[0] != after[0] && before[1] == after[1], "{t} of {n}");
        assert_eq!(names(&world), [("s3/key".into(), 2), ("token".into(), 1)]);
        world.save(Body::Refresh(vec![stored("s3/key"), stored("token")]), None);
        assert_eq!((world.read(&quorum, "s3/key"), world.read(&quorum, "token")), (value.to_vec(), drawn));
        for members in [world.everyone(), quorum.clone()] {
            assert!(world.verify(&members, &["s3/key", "token"]).into_iter().all(|r| r.is_ok()));
        }

        // A new value under the same name, by another member.
        let key = world.item("s3/key", Kind::Bytes, 3, vec![]);
        world.put(0, key, b"new");
        assert_eq!((world.read(&quorum, "s3/key"), names(&world)[0].1), (b"new".to_vec(), 4));
    }
}

/// Every member's new share is put together before anyone votes, so one that was not written right is found while there is a remedy.
#[test]
fn a_share_that_was_written_wrong_is_noticed_by_all() {
    for (t, n) in ROOMS {
        for wrong in 0..n {
            let mut world = World::new(On::Ideal, t, n);
            let item = world.item("k", Kind::Bytes, 5, vec![]);
            let flip = |seat: usize, bytes: &mut Vec<u8>| {
                let last = bytes.len() - 1;
                bytes[last] ^= u8::from(seat == wrong);
            };
            let put = Body::Put { giver: PartyId::new(0), item };
            for result in world.try_save(put, Some(b"value"), flip) {
                let found = matches!(&result, Err(OperateError::Vault(VaultError::VaultTag { items })) if items.contains(&"k".to_owned()));
                assert!(found, "{t} of {n}, P{}", wrong + 1);
            }
        }
    }
}

/// The same of shares that went bad later, which is what a verification is for.
#[test]
fn a_share_that_went_bad_is_noticed() {
    for (t, n) in ROOMS {
        for wrong in 0..n {
            let mut world = World::new(On::Ideal, t, n);
            for name in ["a", "b"] {
                let item = world.item(name, Kind::Bytes, 5, vec![]);
                world.put(0, item, b"value");
            }
            world.disks[wrong].borrow_mut().values_mut().for_each(|bytes| *bytes.last_mut().unwrap() ^= 4);
            let everyone = world.everyone();
            let found = |r| matches!(r, Err(OperateError::Vault(VaultError::VaultTag { .. })));
            assert!(world.verify(&everyone, &["a", "b"]).into_iter().all(found), "{t} of {n}, P{}", wrong + 1);
        }
    }
}

#[test]
fn a_value_is_looked_at_by_its_giver() {
    for value in [None, Some(&b"12x4"[..]), Some(b"123")] {
        let mut world = World::new(On::Ideal, 2, 2);
        let item = world.item("pin", Kind::Text(Alphabet::DIGITS), 4, vec![]);
        let mut results = world.try_save(Body::Put { giver: PartyId::new(1), item }, value, |_, _| ()).into_iter();
        let (other, giver) = (results.next().unwrap(), results.next().unwrap());
        assert!(matches!(giver, Err(OperateError::Vault(VaultError::Value { item, len: 4 })) if item == "pin"));
        let by_giver = |by: PartyId| by == PartyId::new(1);
        assert!(matches!(other, Err(OperateError::Vault(VaultError::Mpc(cotenant_mpc::Error::Stopped { by, .. }))) if by_giver(by)));
    }
}

/// Of 2 of 3 one disk is lost: the others go on, and give it shares again. With two lost there is nothing to be done.
#[test]
fn a_member_that_lost_its_disk_is_repaired() {
    let mut world = World::new(On::Ideal, 2, 3);
    for name in ["a", "b"] {
        let item = world.item(name, Kind::Bytes, 5, vec![]);
        world.put(0, item, b"value");
    }
    let lost = world.members[0].public();
    world.disks[0].borrow_mut().clear();
    world.manifest = world.entered(&[lost]);
    world.epoch = 2;
    assert_eq!(world.read(&[1, 2], "a"), b"value");
    assert!(world.verify(&[0, 1, 2], &["a"]).into_iter().all(|r| r.is_ok()), "the shares that there are");
    let repair = Body::Repair { member: PartyId::new(0), items: vec![stored("a")] };
    world.save(repair, None);
    assert_eq!(world.read(&[0, 1], "a"), b"value");
    assert_eq!(world.manifest.items().map(|entry| entry.lacking.len()).collect::<Vec<_>>(), [0, 1], "b was not repaired");

    let verify = world.task(world.operation(&[0, 1], Body::Verify(vec![stored("b")])));
    assert_eq!(verify.err(), Some(Refused::TooFew { item: "b".into(), wanted: 2, found: 1 }));
    world.manifest = world.entered(&[world.members[1].public()]);
    let all = world.everyone();
    let refresh = world.task(world.operation(&all, Body::Refresh(vec![stored("b")])));
    assert_eq!(refresh.err(), Some(Refused::TooFew { item: "b".into(), wanted: 2, found: 1 }));
}

/// Of 3 of 4 one key is lost: another takes its place in the room, the other three go on, and it is repaired.
#[test]
fn a_member_with_another_key_is_repaired() {
    let mut world = World::new(On::Ideal, 3, 4);
    let item = world.item("a", Kind::Bytes, 5, vec![]);
    world.put(0, item, b"value");
    world.members[1] = Identity::generate().unwrap();
    world.disks[1].borrow_mut().clear();
    world.manifest = world.entered(&[]);
    world.epoch = 2;
    assert_eq!(world.read(&[0, 2, 3], "a"), b"value");
    let verify = world.task(world.operation(&[0, 1, 2], Body::Verify(vec![stored("a")])));
    assert_eq!(verify.err(), Some(Refused::TooFew { item: "a".into(), wanted: 3, found: 2 }));
    world.save(Body::Repair { member: PartyId::new(1), items: vec![stored("a")] }, None);
    assert_eq!(world.read(&[0, 1, 3], "a"), b"value");
}

/// A repair does not ask whom it is for, even if it has a share.
#[test]
fn a_member_whose_shares_are_bad_is_repaired() {
    let mut world = World::new(On::Ideal, 2, 3);
    let item = world.item("a", Kind::Bytes, 5, vec![]);
    world.put(0, item, b"value");
    world.disks[0].borrow_mut().values_mut().for_each(|bytes| *bytes.last_mut().unwrap() ^= 4);
    let bad = world.try_save(Body::Refresh(vec![stored("a")]), None, |_, _| ());
    assert!(bad.into_iter().all(|r| matches!(r, Err(OperateError::Vault(VaultError::VaultTag { .. })))));
    world.save(Body::Repair { member: PartyId::new(0), items: vec![stored("a")] }, None);
    assert!(world.verify(&[0, 1, 2], &["a"]).into_iter().all(|r| r.is_ok()));
}

#[test]
fn a_fourth_member_joins_and_three_of_four_suffice() {
    for t in [2, 3] {
        let mut world = World::new(On::Ideal, t, 3);
        for name in ["a", "b"] {
            let item = world.item(name, Kind::Bytes, 5, vec![]);
            world.put(0, item, name.repeat(5).as_bytes());
        }
        // The new one takes the first seat, so all others have another than before.
        world.members.insert(0, Identity::generate().unwrap());
        world.disks.insert(0, Default::default());
        (world.epoch, world.threshold) = (2, 3);
        let all = world.everyone();
        let item = world.item("c", Kind::Bytes, 1, vec![]);
        for body in [Body::Gen(item), Body::Refresh(vec![stored("a")])] {
            assert_eq!(world.task(world.operation(&all, body)).err(), Some(Refused::Members));
        }
        let some = world.task(world.operation(&all, Body::Reshare(vec![stored("a")])));
        assert_eq!(some.err(), Some(Refused::Unlisted { item: "b".into() }));
        // What is still shared among three is used by three.
        assert!(world.verify(&[1, 2, 3], &["a", "b"]).into_iter().all(|r| r.is_ok()));
        world.save(Body::Reshare(vec![stored("a"), stored("b")]), None);
        for quorum in [[0, 1, 2], [0, 2, 3], [1, 2, 3]] {
            assert_eq!((world.read(&quorum, "a"), world.read(&quorum, "b")), (b"aaaaa".to_vec(), b"bbbbb".to_vec()), "from {t} of 3");
        }
        let item = world.item("c", Kind::Bytes, 2, vec![]);
        world.put(0, item, b"cc");
        assert_eq!(world.read(&[0, 1, 3], "c"), b"cc");
    }
}

/// The same on the real engine, by sample.
#[test]
fn on_the_real_engine() {
    for (t, n) in [(2, 2), (2, 3)] {
        let mut world = World::new(On::Real, t, n);
        let item = world.item("k", Kind::Text(Alphabet::HEX), 8, vec![]);
        world.put(n - 1, item, b"0123abcd");
        world.save(Body::Refresh(vec![stored("k")]), None);
        assert_eq!(world.read(&(0..t).collect::<Vec<_>>(), "k"), b"0123abcd");
        let all = world.everyone();
        assert!(world.verify(&all, &["k"]).into_iter().all(|r| r.is_ok()));
        let flip = |seat: usize, bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= u8::from(seat == n - 1);
        let wrong = world.try_save(Body::Refresh(vec![stored("k")]), None, flip);
        assert!(wrong.into_iter().all(|r| matches!(r, Err(OperateError::Vault(VaultError::VaultTag { .. })))));
    }
}
