//! A secret that somebody puts into a vault, looked for everywhere afterwards: files, output and logs, memory of the daemons, and what went over the network.
//!
//! The search reads all homes, so also what any of them have together that are too few to use the secret.

use crate::common::{
    daemon::{Daemon, change, home_at},
    group::{NAMES, approve, asked, begin, found, items, wait},
    search::{Forms, Relay},
    text,
};
use rustix::process::geteuid;
use std::{
    collections::BTreeSet,
    fs,
    hash::{BuildHasher, RandomState},
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process,
};

/// 40 letters and digits that nothing else on this machine has.
fn secret() -> Vec<u8> {
    let letters = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    (0..40_u8).map(|k| letters[(RandomState::new().hash_one(k) % letters.len() as u64) as usize]).collect()
}

/// A home whose daemon others reach through a relay.
fn relayed(dir: &Path, name: &str) -> Relay {
    let home = home_at(dir, name);
    let config = fs::read_to_string(home.join("cotenant.toml")).unwrap();
    let listen = config.lines().find_map(|line| line.strip_prefix("listen = ")).unwrap();
    let relay = Relay::to(listen.trim_matches('"').parse::<SocketAddr>().unwrap());
    change(&home, "public", &format!("[\"{}\"]", relay.address));
    relay
}

/// Proposed by one, approved by the others, and done.
fn through(parties: &[Daemon], one: usize, arguments: &[&str]) {
    let child = begin(&parties[one], arguments, b"");
    parties.iter().enumerate().filter(|(k, _)| *k != one).for_each(|(_, party)| drop(approve(party)));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
}

fn nothing(found: BTreeSet<String>, place: &str) {
    assert!(found.is_empty(), "{place}: {found:#?}");
}

/// Where a process has forms of the secret.
type Look = fn(&Forms, u32) -> BTreeSet<String>;

fn in_vault(threshold: usize, n: usize, look: Look) {
    // A daemon's memory is root's.
    if !geteuid().is_root() {
        return io::stderr().write_all(b"skipped: only root reads the memory of daemons\n").unwrap();
    }
    let dir = tempfile::tempdir().unwrap();
    let relays: Vec<Relay> = NAMES[..n].iter().map(|name| relayed(dir.path(), name)).collect();
    let mut parties: Vec<Daemon> = NAMES[..n].iter().map(|name| Daemon::start(&dir.path().join(name))).collect();
    found(&parties, &NAMES[..n], threshold, &[]);
    let secret = secret();
    let forms = Forms::of(&secret);
    let (mut said, mut logs) = (Vec::new(), String::new());

    // While it waits for approval, its giver's daemon has it, which shows that the search finds it; nobody else does.
    let child = begin(&parties[0], &["vault", "put", "planted", "--kind", "alphanumeric"], &[&secret[..], b"\n"].concat());
    asked(&parties[1]);
    assert!(!look(&forms, parties[0].process()).is_empty(), "the giver has it until the run");
    for party in &parties[1..] {
        nothing(look(&forms, party.process()), "a member that does not give it");
    }
    parties[1..].iter().for_each(|party| drop(approve(party)));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    said.extend([output.stdout, output.stderr]);
    for (party, name) in parties.iter().zip(NAMES) {
        wait("in the vault", || (items(party).len() == 1).then_some(()));
        // It came to its giver over a connection, whose buffers are erased when the daemon has seen its end.
        wait(&format!("out of the memory of {name} after the put"), || {
            items(party);
            look(&forms, party.process()).is_empty().then_some(())
        });
    }

    // With all of them, whoever is connected just now.
    let verify = ["vault", "verify", "--with", &NAMES[..n].join(",")];
    through(&parties, 0, &verify);
    through(&parties, 1, &["vault", "refresh"]);
    for (party, name) in parties.iter().zip(NAMES) {
        nothing(look(&forms, party.process()), &format!("memory of {name}, after a refresh"));
        for arguments in
            [&["vault", "list"][..], &["vault", "show", "planted"], &["pending", "--all"], &["log"], &["log", "--json"], &["status"]]
        {
            let output = party.run(arguments);
            said.extend([output.stdout, output.stderr]);
        }
    }
    for (k, with) in ["-TERM", "-KILL", "-TERM"].into_iter().enumerate().take(n) {
        let party = parties.remove(k);
        let home = party.home.clone();
        logs += &party.end(with);
        parties.insert(k, Daemon::start(&home));
    }
    through(&parties, 0, &verify);
    for (party, name) in parties.iter().zip(NAMES) {
        nothing(look(&forms, party.process()), &format!("memory of {name}, started again"));
    }
    parties.into_iter().for_each(|party| logs += &party.end("-TERM"));

    nothing(forms.in_files(dir.path()), "files");
    said.iter().for_each(|said| nothing(forms.within(said), "what a command said"));
    assert!(logs.contains("ready"), "the logs were kept");
    nothing(forms.within(logs.as_bytes()), "logs and output of the daemons");
    let recorded: Vec<Vec<u8>> = relays.iter().flat_map(Relay::recorded).collect();
    assert!(recorded.iter().map(Vec::len).sum::<usize>() > 1_000_000, "runs went through the relays");
    recorded.iter().for_each(|way| nothing(forms.within(way), "the network"));
}

#[test]
fn a_secret_of_two_is_nowhere() {
    in_vault(2, 2, Forms::in_memory);
}

#[test]
fn a_secret_of_two_of_three_is_nowhere() {
    in_vault(2, 3, Forms::in_memory);
}

/// In files that a debugger writes of each process, instead of its memory itself.
#[test]
#[ignore = "takes minutes, as root with GDB: just core-dumps"]
fn a_secret_of_two_of_three_is_in_no_core_dump() {
    in_vault(2, 3, Forms::in_core_dump);
}

/// The search finds every form: in a file, in the memory of a process, on a connection.
#[test]
fn the_search_finds_what_is_there() {
    let forms = Forms::of(&secret());
    let all = forms.names();
    assert_eq!(all.len(), 2 * 12 * 2 * 2);
    let missing = |found: BTreeSet<String>| {
        all.iter().filter(|form| !found.iter().any(|one| one == *form || one.ends_with(&format!(": {form}")))).count()
    };
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(missing(forms.in_files(dir.path())), all.len());
    fs::create_dir(dir.path().join("deep")).unwrap();
    fs::write(dir.path().join("deep/file"), forms.planted()).unwrap();
    assert_eq!(missing(forms.in_files(dir.path())), 0);
    assert_eq!(missing(forms.in_memory(process::id())), 0);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let relay = Relay::to(listener.local_addr().unwrap());
    let mut sender = TcpStream::connect(relay.address).unwrap();
    sender.write_all(&forms.planted()).unwrap();
    sender.shutdown(std::net::Shutdown::Write).unwrap();
    let mut received = Vec::new();
    listener.accept().unwrap().0.read_to_end(&mut received).unwrap();
    assert_eq!(received, forms.planted());
    assert_eq!(missing(relay.recorded().iter().flat_map(|way| forms.within(way)).collect()), 0);
}
