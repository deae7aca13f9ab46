//! Rooms between daemons that are processes of their own, asked by commands: founding, dying at any step, strangers.

use crate::common::{
    daemon::{Daemon, home_at},
    error, text,
};
use cotenant_agent::room::Invitation;
use cotenant_net::{Hub, Identity, Limits, LinkState, NetError, Peer, PeerFault};
use serde_json::Value;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The daemons of some parties.
fn daemons(names: &[&str]) -> (TempDir, Vec<Daemon>) {
    let dir = tempfile::tempdir().unwrap();
    let daemons = names.iter().map(|name| Daemon::start(&home_at(dir.path(), name))).collect();
    (dir, daemons)
}

fn show(daemon: &Daemon) -> Value {
    daemon.json(&["room", "show"])
}

/// What all members have to see in the same way.
fn agreed(mut room: Value) -> Value {
    for own in ["notes", "join", "proposal"] {
        room.as_object_mut().unwrap().remove(own);
    }
    for member in room["members"].as_array_mut().unwrap() {
        member.as_object_mut().unwrap().retain(|what, _| !["own", "connected"].contains(&what.as_str()));
    }
    room
}

/// Asks again until the room is so.
fn wait(daemon: &Daemon, what: &str, so: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let room = show(daemon);
        if so(&room) {
            return room;
        }
        assert!(start.elapsed() < Duration::from_secs(90), "not {what}: {room:#}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn in_force(daemon: &Daemon) -> Value {
    wait(daemon, "in force", |room| room["stage"] == "member")
}

fn connected(daemon: &Daemon) {
    let all = |room: &Value| room["members"].as_array().unwrap().iter().all(|member| member["own"] == true || member["connected"] == true);
    wait(daemon, "connected", all);
}

fn invitation(inviter: &Daemon) -> String {
    inviter.json(&["room", "invite"])["text"].as_str().unwrap().to_owned()
}

/// The phrase that the inviter shows for who came for this seat.
fn phrase_of(inviter: &Daemon, seat: usize) -> String {
    show(inviter)["members"][seat - 1]["phrase"].as_str().unwrap().to_owned()
}

fn confirm(daemon: &Daemon, phrase: &str) {
    daemon.json(&["room", "confirm", "--phrase", phrase]);
}

/// Signs what waits for it.
fn sign(daemon: &Daemon) {
    let room = wait(daemon, "asked", |room| room["proposal"]["own"] == false);
    daemon.json(&["room", "sign", "--digest", room["proposal"]["digest"].as_str().unwrap()]);
}

#[test]
fn two_daemons_found_a_room_and_are_in_it_after_a_restart() {
    let (_dir, mut parties) = daemons(&["alice", "bob"]);
    let [alice, bob] = &parties[..] else { unreachable!() };
    let founded = alice.json(&["room", "new", "board", "--as", "alice"]);
    assert_eq!((&founded["stage"], &founded["members"][1]["state"]), (&"gathering".into(), &"open".into()));
    let invited = alice.json(&["room", "invite"]);
    // Read aloud.
    let words: Vec<&str> = invited["words"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    let joined = bob.json(&["room", "join", &words.join(" "), "--as", "bob"]);
    assert_eq!(joined["stage"], "joining");
    let phrase = joined["join"]["phrase"].as_str().unwrap();
    assert_eq!(phrase, phrase_of(alice, 2), "both sides show the same words");
    assert_eq!(phrase.split(' ').count(), 6);

    // Other words than those that are shown confirm nothing, on either side; nor does somebody who is not asked.
    for party in [alice, bob] {
        let wrong = error(&party.run(&["room", "confirm", "--phrase", "zoo zoo zoo zoo zoo zoo"]));
        assert!(wrong.contains("room board: these are not the words that are shown here; nothing was confirmed"), "{wrong}");
        assert!(error(&party.run(&["room", "confirm"])).contains("standard input is no terminal, so nobody can be asked; give --phrase"));
    }
    assert_eq!((show(bob)["stage"].as_str(), show(alice)["members"][1]["state"].as_str()), (Some("joining"), Some("came")));

    confirm(alice, phrase);
    confirm(bob, &phrase.to_uppercase());
    let asked = wait(bob, "asked", |room| room["proposal"]["own"] == false);
    let lines = asked["proposal"]["lines"].to_string();
    assert!(lines.contains("alice's key: cot") && lines.contains("bob's seat: P2") && lines.contains("threshold: 2"), "{lines}");
    assert!(error(&bob.run(&["room", "sign", "--digest", "00"])).contains("no parameters of this digest wait for this party's signature"));
    assert_eq!(show(alice)["stage"], "signing", "nothing is in force before all have signed");
    sign(bob);
    let before = agreed(in_force(alice));
    assert_eq!(agreed(in_force(bob)), before);
    assert_eq!((before["epoch"].as_u64(), before["members"].as_array().unwrap().len()), (Some(1), 2));
    let used = error(&bob.run(&["room", "sign"]));
    assert!(used.contains("room board: nothing waits for you"), "{used}");

    parties = parties.into_iter().map(|party| party.restart("-TERM")).collect();
    for party in &parties {
        assert_eq!(agreed(show(party)), before);
        connected(party);
        let found = wait_for_check(party);
        assert!(found.iter().all(|finding| finding["good"] == true), "{found:?}");
        let named: Vec<&str> = found.iter().map(|finding| finding["what"].as_str().unwrap()).collect();
        assert_eq!(named[..3], ["store", "parameters", "operations"]);
        assert!(named[3].starts_with("link to ") && named[4].starts_with("clock of "));
    }
    let text = text(&parties[0].run(&["room", "show"]).stdout);
    assert!(text.contains("\"board\": in force") && text.contains("\"bob\"") && text.contains("connected"), "{text}");
    // One of them is gone: the check says so, and fails.
    let (alice, bob) = (parties.remove(0), parties.remove(0));
    bob.end("-KILL");
    wait(&alice, "alone", |room| room["members"][1]["connected"] == false);
    let output = alice.run(&["room", "check"]);
    assert!(error(&output).contains("room board: 2 of 5 checks failed"), "{}", error(&output));
}

/// What `room check` finds, once clocks have been compared.
fn wait_for_check(daemon: &Daemon) -> Vec<Value> {
    let start = Instant::now();
    loop {
        let output = daemon.run(&["room", "check", "--json"]);
        let found: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        if output.status.success() || start.elapsed() > Duration::from_secs(60) {
            return found;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// All daemons are killed after each step, and go on from what they had stored.
#[test]
fn three_daemons_found_a_room_though_all_are_killed_after_every_step() {
    let (_dir, mut parties) = daemons(&["alice", "bob", "cem"]);
    let killed = |parties: Vec<Daemon>| -> Vec<Daemon> { parties.into_iter().map(|party| party.restart("-KILL")).collect() };
    parties[0].json(&["room", "new", "board", "--as", "alice", "--members", "3", "--threshold", "2"]);
    parties = killed(parties);
    for (at, name) in [(1, "bob"), (2, "cem")] {
        let text = invitation(&parties[0]);
        parties = killed(parties);
        let joined = parties[at].json(&["room", "join", &text, "--as", name]);
        parties = killed(parties);
        let phrase = phrase_of(&parties[0], at + 1);
        assert_eq!(show(&parties[at]), joined, "what was joined is stored");
        assert_eq!(joined["join"]["phrase"], *phrase);
        confirm(&parties[0], &phrase);
        parties = killed(parties);
        confirm(&parties[at], &phrase);
        parties = killed(parties);
    }
    for at in [2, 1] {
        sign(&parties[at]);
        parties = killed(parties);
    }
    let rooms: Vec<Value> = parties.iter().map(|party| agreed(in_force(party))).collect();
    assert!(rooms.windows(2).all(|two| two[0] == two[1]), "{rooms:#?}");
    parties = killed(parties);
    for party in &parties {
        assert_eq!(agreed(show(party)), rooms[0]);
        connected(party);
    }
}

#[test]
fn strangers_are_turned_away() {
    let (_dir, parties) = daemons(&["alice", "bob", "mallory"]);
    let [alice, bob, mallory] = &parties[..] else { unreachable!() };
    alice.json(&["room", "new", "board", "--as", "alice"]);
    let invited = invitation(alice);
    let refused = |party: &Daemon, text: &str, name: &str| error(&party.run(&["room", "join", text, "--as", name]));
    assert!(refused(bob, "hello", "bob").contains("not an invitation: one starts with \"cotjoin1\""));
    let other = if &invited[20..21] == "q" { "p" } else { "q" };
    let mistyped = format!("{}{other}{}", &invited[..20], &invited[21..]);
    assert!(refused(bob, &mistyped, "bob").contains("a mistyped invitation"));
    assert!(refused(bob, &invited, "alice").contains("a member has your name or key; join under another name"));
    assert!(refused(alice, &invited, "alice").contains("an invitation is for another party"));
    // Another token: nobody waits for it.
    let mut bytes = Invitation::parse(&invited).unwrap().encode().to_vec();
    bytes[60] ^= 1;
    let forged = Invitation::decode(&bytes).unwrap().to_text().to_string();
    let told = refused(mallory, &forged, "mallory");
    assert!(told.contains("inviter: "), "{told}");
    // Its time is over by the joiner's own clock.
    bytes = Invitation::parse(&invited).unwrap().encode().to_vec();
    bytes[1..5].fill(0);
    let old = Invitation::decode(&bytes).unwrap().to_text().to_string();
    assert!(refused(bob, &old, "bob").contains("the invitation has expired; ask for another invitation"));
    // The first who comes has it.
    bob.json(&["room", "join", &invited, "--as", "bob"]);
    let late = refused(mallory, &invited, "mallory");
    assert!(late.contains("the invitation was used by another key"), "{late}");
    // The same party may come again, and gets other words.
    let before = phrase_of(alice, 2);
    let again = bob.json(&["room", "join", &invited, "--as", "bob"]);
    assert_eq!(again["join"]["phrase"], *phrase_of(alice, 2));
    assert_ne!(before, phrase_of(alice, 2));
    assert!(error(&bob.run(&["room", "confirm", "--phrase", &before])).contains("these are not the words"));

    // One that is withdrawn is good no more.
    alice.json(&["room", "withdraw", "--seat", "2"]);
    assert_eq!(show(alice)["members"][1]["state"], "open");
    assert!(!bob.run(&["room", "join", &invited, "--as", "bob"]).status.success());
    let left = bob.json(&["room", "withdraw"]);
    assert!(left["left"] == true && left["room"].is_string(), "{left}");
    assert_eq!(bob.json(&["status"])["rooms"].as_array().unwrap().len(), 0);

    // Who is no member has no link, though it knows the room, its address and a member's key.
    let room = show(alice);
    let (id, address) = (room["id"].as_str().unwrap(), room["members"][0]["addresses"][0].as_str().unwrap());
    let key = room["members"][0]["identity"].as_str().unwrap().parse().unwrap();
    let purpose = [b"room", &id.parse::<cotenant_agent::room::RoomId>().unwrap().0[..]].concat();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let hub = Hub::listen(Arc::new(Identity::generate().unwrap()), "127.0.0.1:0", Limits::default()).await.unwrap();
        let kept = hub.keep(Peer { name: "alice".to_owned(), identity: key, address: Some(address.to_owned()) }, &purpose).unwrap();
        let mut state = kept.state();
        let down = state.wait_for(|state| !matches!(state, LinkState::Connecting)).await.unwrap().clone();
        let LinkState::Down(fault) = down else { panic!("let in") };
        assert!(matches!(fault.cause, PeerFault::Refused { .. }), "{fault}");
        let guest = hub.knock(key, address, [7; 32]).await;
        assert!(matches!(guest, Err(NetError::Peers(_))), "a guest without an invitation is none");
    });
}
