//! Members that end at a bad moment on the way into an epoch, or come back in one.

use super::{spoiled::without, *};
use crate::serve::operations::{OpenError, vault::ENTERING};
use cotenant_agent::approve::log::{Checkpoint, Event as Logged, Head, Log};

/// This party has heard of an epoch in which it was no member.
fn hears_of(party: &mut Party, epoch: u32, from: &Party) {
    let sheet = from.store.room(ROOM.0).epoch(epoch).unwrap().unwrap().sheet;
    party.write(|room| room.put_epoch(&RoomEpoch { epoch, sheet }));
}

/// What b has when the room enters an epoch, of two members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lacks {
    /// It has committed to version 2, and lacks COMMITTED of c, who has settled it.
    Committed,
    /// It has entered the epoch before, and lacks ENTERED of c, who is in it.
    Entered,
}

/// Both of a room of two, up to the epoch to come.
fn two_of_whom_b(lacks: Lacks, parties: &mut [Party; 2]) -> Parameters {
    let [b, c] = parties;
    let first = parameters(&[b, c], 2, None);
    enter(&mut [b, c], &first);
    let round = Round { epoch: 1, version: 2, attempt: 1 };
    let prepared = Votes { prepared: Some(version(2).run), closing: None };
    let committed = Votes { closing: Some(Closing::Committed(version(2).run)), ..prepared };
    match lacks {
        Lacks::Committed => {
            settle(&mut [b, c], 2, |k| if k == 0 { vec![(0, committed), (1, prepared)] } else { Vec::new() });
            let proof = all_say(2, Kind::Committed(round, version(2).run));
            let settled = Record { settled: Some(version(2)), holds: true, proof, ..Record::founder(seat(1), Parties::first(2)) };
            let (_, all) = identities(&[b, c]);
            remember(c, &all, settled, &[], &[]);
        }
        Lacks::Entered => settle(&mut [b, c], 2, no_votes),
    }
    let second = parameters(&[b, c], 2, Some((2, &first)));
    enter(&mut [b, c], &second);
    if lacks == Lacks::Committed {
        return second;
    }
    let mut world = World::new(vec![b, c], &second);
    world.run(&|_, to, note| if to == 0 { without(note, 1) } else { Some(note) });
    assert_eq!([0, 1].map(|k| world.stands(k).0), [1, 2]);
    drop(world);
    let third = parameters(&[b, c], 2, Some((3, &second)));
    enter(&mut [b, c], &third);
    third
}

/// The vote that b lacks comes in the same note as c's last word, so b goes on, destroys what is over and signs for the next epoch in one transaction: the vault
/// with which it has signed is there afterwards, whoever crashes when.
#[test]
fn one_note_may_lead_over_two_steps() {
    for (lacks, then) in [(Lacks::Committed, (2, 2, true)), (Lacks::Entered, (3, 1, true))] {
        for crash_after in 0.. {
            let mut parties = [(); 2].map(|()| Party::new());
            let next = two_of_whom_b(lacks, &mut parties);
            let mut world = World::new(parties.iter_mut().collect(), &next);
            world.crash_after = Some(crash_after);
            world.run(&honest);
            assert_eq!([0, 1].map(|k| world.stands(k)), [then; 2], "{lacks:?}, crash before action {crash_after}");
            assert!(world.lacking("k").is_empty() && (0..2).all(|k| world.vault(k).may_begin().is_ok()));
            assert_eq!([0, 1].map(|k| world.shares(k, "k")), [vec![then.1], vec![then.1]]);
            if world.crash_after.is_some() {
                break;
            }
        }
    }
}

/// A record that says that its party has signed for a vault that is not stored, or for another one, is not gone on from.
#[test]
fn what_was_signed_for_has_to_be_there() {
    for other in [false, true] {
        let mut parties = [(); 2].map(|()| Party::new());
        let next = two_of_whom_b(Lacks::Entered, &mut parties);
        let mut world = World::new(parties.iter_mut().collect(), &next);
        world.run(&|_, to, note| if to == 0 { without(note, 1) } else { Some(note) });
        assert!(world.vault(0).entry().is_some());
        let keys = [world.parties[0].key(), world.parties[1].key()];
        world.parties[0].write(|room| match other {
            true => room.put_item(ENTERING, &vault_of(&keys, 2, version(1), &[]).encode()),
            false => room.remove_item(ENTERING),
        });
        let setup = Setup { identity: world.parties[0].identity.clone(), parameters: next, rules: Rules::default() };
        let opened = Operations::open(setup, &world.parties[0].store.room(ROOM.0), NOW);
        assert!(matches!(opened.err(), Some(OpenError::NoEntered)));
    }
}

/// a has missed epoch 2, and is back in 3 with its disk. It ends when it has signed for 3, before d has: it still knows what it has signed.
#[test]
fn who_comes_back_and_ends_knows_what_it_has_signed() {
    let (mut parties, first) = four();
    let [a, b, c, d] = &mut parties;
    settle(&mut [a, b, c], 2, no_votes);
    let second = parameters(&[b, c], 2, Some((2, &first)));
    enter(&mut [b, c], &second);
    hears_of(a, 2, b);
    World::new(vec![b, c], &second).run(&honest);
    let third = parameters(&[b, c, d, a], 2, Some((3, &second)));
    enter(&mut [b, c, d, a], &third);
    let mut world = World::new(vec![b, c, d, a], &third);
    world.run(&|_, _, note| without(note, 2));
    let signed = world.vault(3).entry();
    assert_eq!(([0, 1, 2, 3].map(|k| world.stands(k).0), signed.is_some()), ([2, 2, 3, 0], true), "d alone has what all have signed");
    world.crash(3);
    assert_eq!(world.vault(3).entry(), signed);
    world.connect(2);
    world.run(&honest);
    assert_eq!([0, 1, 2, 3].map(|k| world.stands(k)), [0, 1, 2, 3].map(|k| (3, 1, k != 2)));
    assert!((0..4).all(|k| world.operations[k].contradicted.is_empty()));
}

/// d has taken the place of a, whose disk was thought to be lost; then a comes back beside it. The list of shares has no place for a, so it says nothing of the
/// share that a has.
#[test]
fn who_was_replaced_comes_back_beside_its_replacement() {
    let (mut parties, first) = four();
    let [a, b, c, d] = &mut parties;
    settle(&mut [a, b, c], 2, no_votes);
    let second = parameters(&[d, b, c], 2, Some((2, &first)));
    enter(&mut [d, b, c], &second);
    hears_of(a, 2, b);
    World::new(vec![d, b, c], &second).run(&honest);
    let third = parameters(&[d, b, c, a], 2, Some((3, &second)));
    enter(&mut [d, b, c, a], &third);
    let members = [d.key(), b.key(), c.key()];
    let mut world = World::new(vec![d, b, c, a], &third);
    world.run(&honest);
    assert_eq!([0, 1, 2, 3].map(|k| world.stands(k)), [(3, 1, false), (3, 1, true), (3, 1, true), (3, 1, false)]);
    assert_eq!((world.lacking("k"), world.vault(3).settled().members()), (vec![0], &members[..]));
    assert!((0..4).all(|k| world.vault(k).may_begin().is_ok()));
}

/// What b has written down in epoch 1, that it has told more of its log than there is, counts until its vault is in a later epoch, and no longer.
#[test]
fn a_log_that_shows_an_old_copy_is_not_forgotten_on_the_way() {
    let (mut parties, first) = four();
    let [a, b, c, _] = &mut parties;
    settle(&mut [a, b, c], 2, no_votes);
    let told = Checkpoint::sign(&b.identity, ROOM, 1, Head { entries: 9, digest: Digest([9; 32]) });
    let entry = Log::new(b.key(), ROOM).append(&b.identity, NOW, Logged::Seen(told));
    b.write(|room| room.append_log(&entry).map(drop));
    let second = parameters(&[b, c], 2, Some((2, &first)));
    enter(&mut [b, c], &second);
    let mut world = World::new(vec![b, c], &second);
    assert_eq!([0, 1].map(|k| world.vault(k).standing().knows), [false, true]);
    assert_eq!(world.operations[0].vault_waits(), Some("for word from m1".to_owned()));
    world.run(&honest);
    assert_eq!([0, 1].map(|k| world.stands(k)), [(2, 1, true); 2]);
    world.crash(0);
    world.run(&honest);
    assert!(world.vault(0).standing().knows && world.operations[0].hindrance().is_none());
}

/// a has signed for a vault, which b lacks: b is shown it when nothing waits on the way to it, however often it asks.
#[test]
fn one_vault_at_a_time_is_on_its_way() {
    let mut parties = [(); 3].map(|()| Party::new());
    let [a, b, c] = &mut parties;
    let first = parameters(&[a, b, c], 2, None);
    enter(&mut [a, b, c], &first);
    settle(&mut [a, b, c], 2, no_votes);
    let second = parameters(&[a, b, c], 2, Some((2, &first)));
    enter(&mut [a, b, c], &second);
    let mut world = World::new(vec![a, b, c], &second);
    world.run(&|_, to, note| (to != 1 || !matches!(note, Note::Vault(_))).then_some(note));
    let a = &mut world.operations[0];
    let shown = |page: &[Note]| page.iter().filter(|note| matches!(note, Note::Vault(_))).count();
    for _ in 0..3 {
        a.behind(seat(1));
        assert!(a.page(seat(1), false, NOW).is_empty() && a.to_be_told() == [seat(1)]);
    }
    assert_eq!((shown(&a.page(seat(1), true, NOW)), a.to_be_told()), (1, vec![]));
    a.behind(seat(2));
    let page = a.page(seat(2), false, NOW);
    assert_eq!((page.is_empty(), shown(&page)), (false, 0), "c has signed");
}
