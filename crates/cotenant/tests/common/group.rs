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

/// The daemons of these, in a room of that threshold.
pub(crate) fn founded(dir: &Path, names: &[&str], threshold: usize) -> Vec<Daemon> {
    let parties: Vec<Daemon> = names.iter().map(|name| Daemon::start(&home_at(dir, name))).collect();
    let (members, threshold) = (names.len().to_string(), threshold.to_string());
    parties[0].json(&["room", "new", "board", "--as", names[0], "--members", &members, "--threshold", &threshold]);
    for (party, name) in parties.iter().zip(names).skip(1) {
        join(&parties[0], party, name);
    }
    parties[1..].iter().for_each(|party| sign(party, &[]));
    parties.iter().for_each(|party| in_epoch(party, 1));
    parties
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

/// Approves the operation that waits for this party.
pub(crate) fn approve(party: &Daemon) -> Value {
    let undecided = || party.json(&["pending"]).as_array().unwrap().iter().find(|one| one["undecided"] == true).cloned();
    let shown = wait("asked to approve", undecided);
    party.json(&["approve", &shown["number"].to_string(), "--digest", shown["digest"].as_str().unwrap()])
}

/// Proposed by the first, approved by the others, and done at all.
pub(crate) fn through(parties: &[&Daemon], arguments: &[&str], input: &[u8]) {
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
}

/// What is in the vault, once it is in the room's epoch here: name, version, threshold, members, who lacks a share.
pub(crate) fn items(party: &Daemon) -> Vec<(String, u64, u64, u64, Vec<String>)> {
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
