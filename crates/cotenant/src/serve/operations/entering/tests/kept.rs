//! Shares that are right are not lost over epochs: old copies have what they have, too few of something is no way to begin, and a change of the room that
//! would lose an item is not signed.

use super::*;
use crate::{serve::operations::Objection, store::Restored};

const ROUND: Round = Round { epoch: 1, version: 2, attempt: 1 };

fn settled(k: usize, n: usize, number: u64) -> Record<Digest> {
    Record { settled: Some(version(number)), holds: true, ..Record::founder(seat(k), Parties::first(n)) }
}

/// The second item is written after a's backup, and c has never had a share of the first: of each there are two of three, and they stay.
#[test]
fn a_restored_member_has_what_was_not_written_since() {
    let mut parties = [(); 3].map(|()| Party::new());
    let [a, b, c] = &mut parties;
    let first = parameters(&[a, b, c], 2, None);
    enter(&mut [a, b, c], &first);
    let (keys, all) = identities(&[a, b, c]);
    let before = vault_of(&keys, 2, version(1), &[("x", 1, &[2])]);
    let after = vault_of(&keys, 2, version(2), &[("x", 1, &[2]), ("y", 2, &[])]);
    let proof = all_say(3, Kind::Committed(ROUND, version(2).run));
    remember(a, &all, settled(0, 3, 1), &[before], &[("x", 1)]);
    remember(b, &all, Record { proof: proof.clone(), ..settled(1, 3, 2) }, std::slice::from_ref(&after), &[("x", 1), ("y", 2)]);
    remember(c, &all, Record { proof, ..settled(2, 3, 2) }, &[after], &[("y", 2)]);
    let second = parameters(&[a, b, c], 2, Some((2, &first)));
    enter(&mut [a, b, c], &second);
    let mut world = World::new(vec![a, b, c], &second);
    world.run(&honest);
    assert_eq!([0, 1, 2].map(|k| world.stands(k)), [(2, 2, false), (2, 2, true), (2, 2, false)]);
    assert_eq!((world.lacking("x"), world.lacking("y")), (vec![2], vec![0]));
    assert_eq!([0, 1, 2].map(|k| (world.shares(k, "x").len(), world.shares(k, "y").len())), [(1, 0), (1, 1), (0, 1)]);
    assert!((0..3).all(|k| world.vault(k).may_begin().is_ok()));
}

/// All shares are needed: a save that was given up since the backup costs nothing, and one that was made has lost what it wrote.
#[test]
fn with_all_shares_needed_a_backup_serves_until_the_next_save() {
    for written in [false, true] {
        let mut parties = [(); 2].map(|()| Party::new());
        let [a, b] = &mut parties;
        let first = parameters(&[a, b], 2, None);
        enter(&mut [a, b], &first);
        let (keys, all) = identities(&[a, b]);
        let before = vault_of(&keys, 2, version(1), &[("x", 1, &[])]);
        remember(a, &all, settled(0, 2, 1), std::slice::from_ref(&before), &[("x", 1)]);
        if written {
            let after = vault_of(&keys, 2, version(2), &[("x", 1, &[]), ("y", 2, &[])]);
            let proof = all_say(2, Kind::Committed(ROUND, version(2).run));
            remember(b, &all, Record { proof, ..settled(1, 2, 2) }, &[after], &[("x", 1), ("y", 2)]);
        } else {
            let proof = all_say(2, Kind::Abandoned(ROUND));
            remember(b, &all, Record { proof, attempt: 2, ..settled(1, 2, 1) }, &[before], &[("x", 1)]);
        }
        let second = parameters(&[a, b], 2, Some((2, &first)));
        enter(&mut [a, b], &second);
        let mut world = World::new(vec![a, b], &second);
        world.run(&honest);
        if written {
            let waits = "for a further change of the room: fewer members have a share of an item than make it up";
            assert_eq!((world.vault(1).entry(), world.operations[1].vault_waits().as_deref()), (None, Some(waits)));
            assert_eq!(
                [0, 1].map(|k| (world.shares(k, "x"), world.shares(k, "y").len())),
                [(vec![1], 0), (vec![1], 1)],
                "nothing is destroyed"
            );
        } else {
            assert_eq!([0, 1].map(|k| world.stands(k)), [(2, 1, true); 2]);
            assert!(world.lacking("x").is_empty() && world.vault(0).may_begin().is_ok());
        }
    }
}

/// The others have been in an epoch that the backup does not know, and voted there: nobody but the restored one has its record of then.
#[test]
fn votes_of_an_epoch_between_show_an_old_copy() {
    let mut parties = [(); 3].map(|()| Party::new());
    let [a, b, c] = &mut parties;
    let first = parameters(&[a, b, c], 2, None);
    enter(&mut [a, b, c], &first);
    let second = parameters(&[a, b, c], 2, Some((2, &first)));
    enter(&mut [a, b, c], &second);
    let (keys, all) = identities(&[a, b, c]);
    let [one, two] = [1, 2].map(|number| manifest(&keys, 2, version(number)));
    remember(a, &all, settled(0, 3, 1), &[one], &[("k", 1)]);
    let proof = all_say(3, Kind::Committed(Round { epoch: 2, ..ROUND }, version(2).run));
    for (k, party) in [(1, &mut *b), (2, &mut *c)] {
        let record = Record { epoch: 2, proof: proof.clone(), ..settled(k, 3, 2) };
        remember(party, &all, record, std::slice::from_ref(&two), &[("k", 2)]);
    }
    let third = parameters(&[a, b, c], 2, Some((3, &second)));
    enter(&mut [a, b, c], &third);
    let mut world = World::new(vec![a, b, c], &third);
    world.run(&honest);
    assert_eq!([0, 1, 2].map(|k| world.stands(k)), [(3, 2, false), (3, 2, true), (3, 2, true)]);
    assert_eq!((world.lacking("k"), world.shares(0, "k").len()), (vec![0], 0), "what it had nobody needs any more");
}

/// Two of three make up what is settled, and all three what is pending: nobody may leave before it is known which there is. Who comes without what it had
/// counts as gone.
#[test]
fn a_change_that_would_lose_an_item_is_objected_to() {
    let mut parties = [(); 5].map(|()| Party::new());
    let [a, b, c, d, e] = &mut parties;
    let first = parameters(&[a, b, c], 2, None);
    enter(&mut [a, b, c], &first);
    settle(&mut [a, b, c], 2, no_votes);
    let next = |members: &[&Party]| parameters(members, 2, Some((2, &first)));
    let lost = |stay, needed| Err(Objection::Lost { item: "k".to_owned(), stay, needed });
    let (one, two) = (next(&[a, d, e]), next(&[a, b, d]));
    let (keys, all) = identities(&[a, b, c]);
    {
        let world = World::new(vec![a], &first);
        let objects = |new: &Parameters, anew: &[PublicIdentity]| world.operations[0].may_change_to(new, anew);
        assert_eq!((objects(&one, &[]), objects(&two, &[]), objects(&two, &[keys[1]])), (lost(1, 2), Ok(()), lost(1, 2)));
    }
    let prepared = Votes { prepared: Some(version(2).run), closing: None };
    let record = Record { started: Some(version(2).run), votes: [(seat(0), prepared)].into(), ..settled(0, 3, 1) };
    remember(a, &all, record, &[manifest(&keys, 3, version(2))], &[]);
    {
        let world = World::new(vec![a], &first);
        assert_eq!(world.operations[0].may_change_to(&two, &[]), lost(2, 3));
    }
    a.write(|room| room.put_restored(&Restored { at: NOW, heard: false }));
    let world = World::new(vec![a], &first);
    let objects = |new: &Parameters| world.operations[0].may_change_to(new, &[]);
    assert_eq!(objects(&two), Err(Objection::Unheard(vec!["m1".to_owned()])), "b stays, and may know what a has signed");
    assert_eq!(objects(&one), lost(1, 2), "those who leave are not waited for");
}

/// Three members whose votes the vault needs, and those of a further epoch: 64 can be told apart.
#[test]
fn a_change_to_too_many_others_at_once_is_objected_to() {
    let mut parties = [(); 3].map(|()| Party::new());
    let [a, b, c] = &mut parties;
    let first = parameters(&[a, b, c], 2, None);
    enter(&mut [a, b, c], &first);
    let keys: Vec<_> = [a.key(), b.key()].into_iter().chain((0..62).map(|_| Identity::generate().unwrap().public())).collect();
    let next = |seats: usize| {
        let member = |(k, key): (usize, &PublicIdentity)| Member { name: format!("m{k}"), key: *key, addresses: Vec::new() };
        let charter = Charter { epoch: 2, seats: seats as u8, previous: Some(first.digest()), ..first.charter().clone() };
        Parameters::new(charter, keys[..seats].iter().enumerate().map(member).collect()).unwrap()
    };
    let world = World::new(vec![a], &first);
    assert_eq!([63, 64].map(|seats| world.operations[0].may_change_to(&next(seats), &[])), [Ok(()), Err(Objection::Crowd)]);
}
