//! Rooms that change, between daemons that are processes of their own: who is in them, how many can act, and what becomes of the vault.

use crate::common::{
    daemon::{Daemon, home_at},
    error,
    group::{approve, begin, founded, in_epoch, items, join, show, sign, through},
    text,
};
use std::fs;

fn item(name: &str, version: u64, of: (u64, u64), lacking: &[&str]) -> (String, u64, u64, u64, Vec<String>) {
    (name.to_owned(), version, of.0, of.1, lacking.iter().map(|name| (*name).to_owned()).collect())
}

/// All are killed, and go on from their stores.
fn killed(parties: Vec<Daemon>) -> Vec<Daemon> {
    parties.into_iter().map(|party| party.restart("-KILL")).collect()
}

fn all(parties: &[Daemon]) -> Vec<&Daemon> {
    parties.iter().collect()
}

/// From 3 of 3 to 3 of 4, with all daemons killed in between; then the fourth loses its disk and its key, the others go on, and another takes its place.
#[test]
fn a_fourth_joins_and_is_lost_and_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let mut parties = founded(dir.path(), &["alice", "bob", "carol"], 3);
    through(&all(&parties), &["vault", "put", "k", "--note", "kept"], b"secret");

    // A draft of a change is one party's own until it signs it.
    let [alice, bob, carol] = &parties[..] else { unreachable!() };
    let dave = Daemon::start(&home_at(dir.path(), "dave"));
    alice.json(&["room", "change", "--add", "1"]);
    let shown = text(&alice.run(&["room", "show"]).stdout);
    assert!(shown.contains("this party drafts a change") && shown.contains("seat P4: open") && shown.contains("threshold"), "{shown}");
    assert!(error(&alice.run(&["room", "change", "--remove", "zoe"])).contains("no seat is this member's"));
    assert!(error(&alice.run(&["room", "change", "--threshold", "5"])).contains("5 of 4 is no threshold"));
    assert!(error(&alice.run(&["room", "change"])).contains("nothing to change was given"));
    alice.json(&["room", "withdraw"]);
    assert!(show(alice)["draft"].is_null() && show(alice)["epoch"] == 1);
    alice.json(&["room", "change", "--add", "1", "--threshold", "3"]);
    join(alice, &dave, "dave");
    assert!(show(bob)["proposal"].is_null(), "nobody has signed it");
    let lines = ["epoch: 1 -> 2", "members: 3 -> 4", "dave's seat: P4"];
    [alice, bob, carol, &dave].into_iter().for_each(|party| sign(party, &lines));
    parties.push(dave);
    parties = killed(parties);
    parties.iter().for_each(|party| in_epoch(party, 2));
    for party in &parties {
        assert_eq!(items(party), [item("k", 1, (3, 3), &["dave"])]);
    }
    // What was put is not shared with the fourth before it is shared out anew.
    through(&all(&parties), &["vault", "reshare"], b"");
    for party in &parties {
        assert_eq!(items(party), [item("k", 2, (3, 4), &[])]);
    }
    through(&all(&parties), &["vault", "verify", "--with", "alice,bob,carol,dave"], b"");

    // Dave is gone, with everything.
    let dave = parties.pop().unwrap();
    let home = dave.home.clone();
    dave.end("-KILL");
    fs::remove_dir_all(&home).unwrap();
    through(&all(&parties), &["vault", "verify", "--with", "alice,bob,carol"], b"");
    let dora = Daemon::start(&home_at(dir.path(), "dora"));
    parties[1].json(&["room", "change", "--replace", "dave"]);
    join(&parties[1], &dora, "dora");
    [&parties[1], &dora, &parties[0], &parties[2]].into_iter().for_each(|party| sign(party, &["epoch: 2 -> 3", "dave's seat: P4 -> none"]));
    parties.push(dora);
    parties = killed(parties);
    for party in &parties {
        in_epoch(party, 3);
        assert_eq!(items(party), [item("k", 2, (3, 4), &["dora"])]);
    }
    let status = text(&parties[0].run(&["status"]).stdout);
    assert!(status.contains("below full strength: k"), "{status}");
    through(&[&parties[2], &parties[0], &parties[1], &parties[3]], &["vault", "repair", "dora"], b"");
    for party in &parties {
        assert_eq!(items(party), [item("k", 3, (3, 4), &[])]);
    }
    through(&all(&parties), &["vault", "verify", "--with", "alice,bob,carol,dora"], b"");
}

/// Carol's disk is lost and her key file is not: she comes back through an invitation, with the same key.
#[test]
fn a_disk_is_lost_and_the_key_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let mut parties = founded(dir.path(), &["alice", "bob", "carol"], 2);
    through(&all(&parties), &["vault", "gen", "k", "--bytes", "20"], b"");
    let carol = parties.pop().unwrap();
    let home = carol.home.clone();
    carol.end("-KILL");
    fs::remove_dir_all(home.join("store")).unwrap();
    let carol = Daemon::start(&home);
    let [alice, bob] = &parties[..] else { unreachable!() };
    alice.json(&["room", "change", "--replace", "carol"]);
    join(alice, &carol, "carol");
    // She is listed in what is in force, and is in nothing until the others have signed.
    assert_eq!((&show(&carol)["stage"], &show(&carol)["epoch"]), (&"joined".into(), &0.into()));
    [alice, &carol, bob].into_iter().for_each(|party| sign(party, &["epoch: 1 -> 2"]));
    for party in [alice, bob, &carol] {
        in_epoch(party, 2);
        assert_eq!(items(party), [item("k", 1, (2, 3), &["carol"])]);
    }
    through(&[&carol, alice, bob], &["vault", "repair", "carol"], b"");
    through(&[alice, bob, &carol], &["vault", "verify", "--with", "alice,bob,carol"], b"");
}

/// Seats move up when one leaves; what was approved before counts no more, and what waited says so. Nobody signs away what the vault has.
#[test]
fn one_leaves_and_the_threshold_falls() {
    let dir = tempfile::tempdir().unwrap();
    let mut parties = founded(dir.path(), &["alice", "bob", "carol"], 3);
    through(&all(&parties), &["vault", "put", "k"], b"x");
    let [alice, bob, carol] = &parties[..] else { unreachable!() };
    carol.json(&["room", "change", "--remove", "alice", "--threshold", "2"]);
    let digest = show(carol)["proposal"]["digest"].as_str().unwrap().to_owned();
    let told = error(&carol.run(&["room", "sign", "--digest", &digest]));
    assert!(told.contains("the item k would be lost: 2 of its shares would stay, and 3 are needed"), "{told}");
    carol.json(&["room", "withdraw"]);

    let waiting = begin(bob, &["vault", "refresh"], b"");
    approve(alice);
    carol.json(&["room", "change", "--threshold", "2"]);
    [carol, alice, bob].into_iter().for_each(|party| sign(party, &["threshold: 3 -> 2"]));
    let told = text(&waiting.wait_with_output().unwrap().stderr);
    assert!(told.contains("the room has entered epoch 2"), "{told}");
    for party in &parties {
        in_epoch(party, 2);
        assert_eq!(items(party), [item("k", 1, (3, 3), &[])], "as it was shared");
        assert!(party.json(&["pending"]).as_array().unwrap().is_empty());
        assert_eq!(text(&party.run(&["log", "--verify"]).stdout), "the log is as this party wrote it\n");
    }
    through(&[alice, bob, carol], &["vault", "reshare"], b"");
    carol.json(&["room", "change", "--remove", "alice"]);
    // Two of three suffice, and alice has yet to hear of it.
    [carol, bob].into_iter().for_each(|party| sign(party, &["members: 3 -> 2", "bob's seat: P2 -> P1", "alice's seat: P1 -> none"]));
    parties = killed(parties.split_off(1));
    for party in &parties {
        in_epoch(party, 3);
        assert_eq!(items(party), [item("k", 2, (2, 3), &[])]);
    }
    through(&all(&parties), &["vault", "reshare"], b"");
    assert_eq!(items(&parties[0]), [item("k", 3, (2, 2), &[])]);
    through(&all(&parties), &["vault", "verify"], b"");
}
