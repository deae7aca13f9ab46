//! A room of two daemons that are processes, and operations on its vault.

use super::{
    command,
    daemon::{Daemon, home_at},
    text,
};
use serde_json::Value;
use std::{
    io::Write,
    process::{Child, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Alice and Bob in a room.
pub(crate) fn room() -> (TempDir, Vec<Daemon>) {
    let dir = tempfile::tempdir().unwrap();
    let parties: Vec<Daemon> = ["alice", "bob"].iter().map(|name| Daemon::start(&home_at(dir.path(), name))).collect();
    found(&parties, &[]);
    (dir, parties)
}

/// Members of a room, by seat.
pub(crate) const NAMES: [&str; 4] = ["alice", "bob", "carol", "dora"];

/// Founds a room of these; `more` goes to `room new`.
pub(crate) fn found(parties: &[Daemon], more: &[&str]) {
    let (first, others) = parties.split_first().unwrap();
    let members = parties.len().to_string();
    first.json(&[&["room", "new", "board", "--as", NAMES[0], "--members", &members], more].concat());
    for (party, name) in others.iter().zip(&NAMES[1..]) {
        let invitation = first.json(&["room", "invite"]);
        let joined = party.json(&["room", "join", invitation["text"].as_str().unwrap(), "--as", name]);
        let phrase = joined["join"]["phrase"].as_str().unwrap();
        first.json(&["room", "confirm", "--phrase", phrase]);
        party.json(&["room", "confirm", "--phrase", phrase]);
    }
    for party in others {
        let asked = wait("asked", || Some(party.json(&["room", "show"])).filter(|room| room["proposal"]["own"] == false));
        party.json(&["room", "sign", "--digest", asked["proposal"]["digest"].as_str().unwrap()]);
    }
    for party in parties {
        wait("founded", || (party.json(&["room", "show"])["stage"] == "member").then_some(()));
    }
}

/// Waits until it is so.
pub(crate) fn wait<T>(what: &str, mut is: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = is() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(180), "not {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A command of a party that waits for what becomes of its proposal.
pub(crate) fn begin(party: &Daemon, arguments: &[&str], input: &[u8]) -> Child {
    let all = [arguments, &["--json", "--home", party.home.to_str().unwrap()]].concat();
    let mut child = command(&all).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child
}

/// The operation that waits for this party, as it is shown.
pub(crate) fn asked(party: &Daemon) -> Value {
    wait("asked", || party.json(&["pending"]).as_array().unwrap().iter().find(|one| one["undecided"] == true).cloned())
}

/// Approves what waits for this party.
pub(crate) fn approve(party: &Daemon) -> Value {
    let shown = asked(party);
    party.json(&["approve", &shown["number"].to_string(), "--digest", shown["digest"].as_str().unwrap()])
}

/// Proposed by one, approved by the other, and done; the operation as the first is shown it.
pub(crate) fn through(one: &Daemon, other: &Daemon, arguments: &[&str], input: &[u8]) -> Value {
    let child = begin(one, arguments, input);
    approve(other);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    let view: Value = serde_json::from_slice(&output.stdout).unwrap();
    wait("done at the other", || {
        let all = other.json(&["pending", "--all"]);
        all.as_array().unwrap().iter().any(|one| one["number"] == view["number"] && one["standing"]["end"] == "done").then_some(())
    });
    view
}

/// Names and versions in the vault.
pub(crate) fn items(party: &Daemon) -> Vec<(String, u64)> {
    let vault = party.json(&["vault", "list"]);
    let item = |item: &Value| (item["name"].as_str().unwrap().to_owned(), item["version"].as_u64().unwrap());
    vault["items"].as_array().unwrap().iter().map(item).collect()
}
