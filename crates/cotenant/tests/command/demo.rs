//! The demonstration from end to end, for two and three parties, and when it is interrupted.

use crate::common::{command, is_empty, run, signal, text};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    thread::sleep,
    time::Duration,
};

fn shows_everything(parties: usize, connector: usize) {
    let dir = tempfile::tempdir().unwrap();
    let keep = dir.path().join("kept");
    let (n, k) = (parties.to_string(), connector.to_string());
    let output = run(&["demo", "--parties", &n, "--connector", &k, "--keep", keep.to_str().unwrap(), "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["object"], "Nobody here holds the key that stored this.\n");
    assert_eq!(report["keys"], serde_json::json!(["hello.txt"]));
    assert_eq!(report["alone"]["code"], "SignatureDoesNotMatch");
    let caught = report["tampering"].as_array().unwrap();
    let by: Vec<&str> = caught.iter().map(|one| one["by"].as_str().unwrap()).collect();
    let others: Vec<String> = (1..=parties).filter(|&party| party != connector).map(|party| format!("P{party}")).collect();
    assert_eq!(by, others);
    assert!(caught.iter().all(|one| one["reason"].as_str().unwrap().contains("RFC 8446")), "{caught:?}");
    let calls = report["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 3);
    for call in calls {
        assert_eq!(call["status"], 200);
        let stages: Vec<&str> = call["stages"].as_array().unwrap().iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
        assert_eq!(stages, ["setup", "prepare", "sign", "connect", "handshake", "send", "receive", "total"]);
    }
    for party in 1..=parties {
        assert!(keep.join(format!("party-{party}/calls.log")).exists());
    }
    assert!(keep.join("ca.pem").exists());
}

#[test]
fn two_parties() {
    shows_everything(2, 1);
}

#[test]
fn three_parties_and_another_connector() {
    shows_everything(3, 2);
}

#[test]
fn a_directory_that_is_there_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let output = run(&["demo", "--keep", dir.path().to_str().unwrap()]);
    assert!(crate::common::error(&output).contains("is there already; name a new one"));
    assert!(is_empty(dir.path()));
}

#[test]
fn an_interrupted_demonstration_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = command(&["demo"]).env("TMPDIR", dir.path()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(|line| line.unwrap());
    assert!(lines.any(|line| line.contains("setup done")), "the parties are at work");
    assert!(!is_empty(dir.path()), "there are homes");
    signal("-INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(is_empty(dir.path()), "the homes are gone");
    assert!(lines.any(|line| line == "cotenant: interrupted"));
    assert_eq!(processes_of(dir.path()), Vec::<String>::new(), "and so are the parties");
}

#[test]
fn parties_of_a_killed_demonstration_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = command(&["demo"]).env("TMPDIR", dir.path()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(|line| line.unwrap());
    assert!(lines.any(|line| line.contains("setup done")), "the parties are at work");
    assert_ne!(processes_of(dir.path()), Vec::<String>::new());
    child.kill().unwrap();
    child.wait().unwrap();
    // Far less than the calls that they are in would take, were nobody to end them: they would wait for the killed service.
    let gone = (0..200).any(|_| {
        sleep(Duration::from_millis(100));
        processes_of(dir.path()).is_empty()
    });
    assert!(gone, "{:?}", processes_of(dir.path()));
}

/// The command lines of running processes that mention a path.
fn processes_of(path: &Path) -> Vec<String> {
    let path = path.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(|entry| std::fs::read(entry.ok()?.path().join("cmdline")).ok());
    processes.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).filter(|line| line.contains(path)).collect()
}
