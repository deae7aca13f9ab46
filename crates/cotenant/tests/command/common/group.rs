//! Parties of a room as processes, and what their people do together by commands.

use super::{
    command,
    daemon::{Daemon, home_at},
    text,
};
use serde_json::Value;
use std::{
    io::Write,
    path::Path,
    process::{Child, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Names of members, by seat.
pub(crate) const NAMES: [&str; 4] = ["alice", "bob", "carol", "dave"];

/// Alice and Bob in a room.
pub(crate) fn room() -> (TempDir, Vec<Daemon>) {
    let dir = tempfile::tempdir().unwrap();
    let parties = founded(dir.path(), &NAMES[..2], 2);
    (dir, parties)
}

/// The daemons of these, in a room of that threshold.
pub(crate) fn founded(dir: &Path, names: &[&str], threshold: usize) -> Vec<Daemon> {
    let parties: Vec<Daemon> = names.iter().map(|name| Daemon::start(&home_at(dir, name))).collect();
    found(&parties, names, threshold, &[]);
    parties
}

/// Founds a room of these; `more` goes to `room new`.
pub(crate) fn found(parties: &[Daemon], names: &[&str], threshold: usize, more: &[&str]) {
    let (members, threshold) = (names.len().to_string(), threshold.to_string());
    let new = ["room", "new", "board", "--as", names[0], "--members", &members, "--threshold", &threshold];
    parties[0].json(&[&new[..], more].concat());
    parties.iter().zip(names).skip(1).for_each(|(party, name)| join(&parties[0], party, name));
    parties[1..].iter().for_each(|party| sign(party, &[]));
    parties.iter().for_each(|party| in_epoch(party, 1));
}

/// One comes with an invitation of the other's; both confirm.
pub(crate) fn join(inviter: &Daemon, joiner: &Daemon, name: &str) {
    let invitation = inviter.json(&["room", "invite"]);
    let joined = joiner.json(&["room", "join", invitation["text"].as_str().unwrap(), "--as", name]);
    let phrase = joined["join"]["phrase"].as_str().unwrap();
    inviter.json(&["room", "confirm", "--phrase", phrase]);
    joiner.json(&["room", "confirm", "--phrase", phrase]);
}

pub(crate) fn show(party: &Daemon) -> Value {
    party.json(&["room", "show"])
}

/// Signs what waits for this party, which changes these lines.
pub(crate) fn sign(party: &Daemon, lines: &[&str]) {
    let room = wait("asked to sign", || Some(show(party)).filter(|room| room["proposal"]["own"] == false));
    let shown: Vec<&str> = room["proposal"]["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    assert!(lines.iter().all(|line| shown.contains(line)), "{lines:?} in {shown:?}");
    party.json(&["room", "sign", "--digest", room["proposal"]["digest"].as_str().unwrap()]);
}

/// The room is in this epoch here.
pub(crate) fn in_epoch(party: &Daemon, epoch: u64) {
    wait(&format!("in epoch {epoch}"), || (show(party)["epoch"] == epoch).then_some(()));
}

/// Waits until it is so.
pub(crate) fn wait<T>(what: &str, mut is: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = is() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(240), "not {what}");
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

/// Proposed by the first, approved by the others, and done at all; the operation as the first is shown it.
pub(crate) fn through(parties: &[&Daemon], arguments: &[&str], input: &[u8]) -> Value {
    let child = begin(parties[0], arguments, input);
    parties[1..].iter().for_each(|party| drop(approve(party)));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    let view: Value = serde_json::from_slice(&output.stdout).unwrap();
    for party in &parties[1..] {
        wait("done at all", || {
            let all = party.json(&["pending", "--all"]);
            all.as_array().unwrap().iter().any(|one| one["number"] == view["number"] && one["standing"]["end"] == "done").then_some(())
        });
    }
    view
}

/// Names and versions in the vault.
pub(crate) fn versions(party: &Daemon) -> Vec<(String, u64)> {
    items(party).into_iter().map(|(name, version, ..)| (name, version)).collect()
}

/// An item of a vault: name, version, threshold, members, who lacks a share.
pub(crate) type Item = (String, u64, u64, u64, Vec<String>);

/// What is in the vault, once it is in the room's epoch here.
pub(crate) fn items(party: &Daemon) -> Vec<Item> {
    let vault =
        wait("in the room's epoch with its vault", || Some(party.json(&["vault", "list"])).filter(|vault| vault["waits"].is_null()));
    let number = |item: &Value, what: &str| item[what].as_u64().unwrap();
    let lacking = |item: &Value| item["lacking"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    let item = |item: &Value| {
        let name = item["name"].as_str().unwrap().to_owned();
        (name, number(item, "version"), number(item, "threshold"), number(item, "members"), lacking(item))
    };
    vault["items"].as_array().unwrap().iter().map(item).collect()
}
