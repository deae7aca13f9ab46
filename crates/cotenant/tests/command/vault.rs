//! A vault between daemons that are processes of their own, asked by commands: what is put there, who approves, what stays when daemons are killed.

use crate::common::{
    command,
    daemon::Daemon,
    error,
    group::{approve, asked, begin, room, through, versions, wait},
    run, text,
};
use cotenant_agent::{
    approve::receipt::Receipt,
    vault::{item::MAX_BYTES, sharing::MAX_MEMBERS},
};
use serde_json::Value;
use std::{
    fs,
    io::Write,
    process::{Child, Command, Stdio},
    time::Duration,
};

const SECRET: &[u8] = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

#[test]
fn a_secret_from_standard_input_to_its_removal_with_daemons_that_are_killed() {
    let (_dir, parties) = room();
    let [alice, bob] = <[Daemon; 2]>::try_from(parties).ok().unwrap();
    let put = ["vault", "put", "s3/key", "--kind", "base64", "--use", "sigv4:eu-central-1/s3@bucket.example.com"];
    let first = through(&[&alice, &bob], &put, &[SECRET, b"\n"].concat());
    assert_eq!(versions(&bob), [("s3/key".to_owned(), 1)]);
    let shown = text(&bob.run(&["vault", "show", "s3/key"]).stdout);
    assert!(shown.contains("40 bytes") && shown.contains("signs requests to bucket.example.com"), "{shown}");

    let (alice, bob) = (alice.restart("-KILL"), bob.restart("-KILL"));
    assert_eq!((versions(&alice), versions(&bob)), (versions(&bob), vec![("s3/key".to_owned(), 1)]));
    through(&[&bob, &alice], &["vault", "verify"], b"");
    through(&[&bob, &alice], &["vault", "refresh"], b"");
    through(&[&alice, &bob], &["vault", "gen", "token", "--bytes", "16"], b"");
    assert_eq!(versions(&alice), [("s3/key".to_owned(), 2), ("token".to_owned(), 1)]);
    through(&[&alice, &bob], &["vault", "remove", "s3/key"], b"");
    assert_eq!((versions(&alice), versions(&bob)), (versions(&bob), vec![("token".to_owned(), 1)]));

    for party in [&alice, &bob] {
        assert_eq!(text(&party.run(&["log", "--verify"]).stdout), "the log is as this party wrote it\n");
        let number = first["number"].to_string();
        let receipt = wait("signed by both", || Some(party.run(&["receipt", &number])).filter(|output| output.status.success()));
        let receipt = Receipt::from_text(&text(&receipt.stdout)).unwrap();
        let members = receipt.operation().members.clone();
        assert!((2..=MAX_MEMBERS).contains(&members.len()) && receipt.verify(&members, 2).is_ok());
        // Nothing that a daemon wrote has the secret, or half of it.
        for file in ["store/data", "store/keys"] {
            let bytes = fs::read(party.home.join(file)).unwrap();
            assert!(!bytes.windows(20).any(|window| window == &SECRET[..20] || window == &SECRET[20..]), "{file}");
        }
    }
    // One that is too long is not cut to what fits, also where what does not fit comes after a line break.
    for rest in [&b"a"[..], b"\r\nrest", b"\n\n"] {
        let long = begin(&alice, &["vault", "put", "long", "--kind", "base64"], &[&[b'a'; MAX_BYTES], rest].concat());
        let told = error(&long.wait_with_output().unwrap());
        assert!(told.contains("more than the 16384 bytes of a secret"), "{told}");
    }
    for (arguments, words) in [
        (&["vault", "refresh", "s3/key"][..], "there is no item s3/key in the vault"),
        (&["vault", "show", "nothing"], "there is no item nothing in the vault"),
        (&["vault", "gen", "Bad", "--bytes", "4"], "not the name of an item"),
        (&["approve", "99", "--digest", "00"], "there is no operation 99"),
    ] {
        let told = error(&alice.run(arguments));
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn what_the_other_refuses_is_not_done() {
    let (_dir, parties) = room();
    let [alice, bob] = &parties[..] else { unreachable!() };
    let child = begin(alice, &["vault", "put", "k"], b"x");
    let number = asked(bob)["number"].to_string();
    bob.json(&["refuse", &number, "not before \u{1b}[2J the audit"]);
    let output = child.wait_with_output().unwrap();
    let told = text(&output.stderr);
    assert!(!output.status.success() && told.contains("refused by bob: not before \\u{1b}[2J the audit"), "{told}");
    assert!(versions(alice).is_empty() && versions(bob).is_empty());
    let again = error(&bob.run(&["approve", &number, "--digest", &"0".repeat(64)]));
    assert!(again.contains("is another one than that digest is of"), "{again}");
}

/// Wherever a daemon is killed, in the end both say the same of the operation, have the same vault, and can go on.
#[test]
fn a_daemon_that_is_killed_at_eight_moments_of_a_run() {
    let (_dir, parties) = room();
    let [alice, mut bob] = <[Daemon; 2]>::try_from(parties).ok().unwrap();
    for (k, wait_for) in [0, 30, 60, 90, 120, 160, 200, 300].into_iter().enumerate() {
        let name = format!("k{k}");
        let child = begin(&alice, &["vault", "gen", &name, "--bytes", "40"], b"");
        let number = approve(&bob)["number"].clone();
        std::thread::sleep(Duration::from_millis(wait_for));
        bob = bob.restart("-KILL");
        let done = child.wait_with_output().unwrap().status.success();
        let end = |party: &Daemon| {
            let all = party.json(&["pending", "--all"]);
            let standing = all.as_array().unwrap().iter().find(|one| one["number"] == number).unwrap()["standing"].clone();
            (standing["state"] == "ended").then(|| standing["end"] == "done")
        };
        for party in [&alice, &bob] {
            assert_eq!(wait("over", || end(party)), done, "after {wait_for} ms");
        }
        assert_eq!(versions(&alice), versions(&bob));
        assert_eq!(versions(&alice).iter().any(|(item, _)| *item == name), done);
    }
    through(&[&bob, &alice], &["vault", "gen", "last", "--bytes", "4"], b"");
    through(&[&alice, &bob], &["vault", "verify"], b"");
}

struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Bob's people decide with keys: the owner of the socket alone approves nothing.
#[test]
fn people_approve_with_openssh_keys() {
    let (dir, parties) = room();
    let [alice, bob] = <[Daemon; 2]>::try_from(parties).ok().unwrap();
    let keys = ["ann", "ben", "eve"].map(|name| dir.path().join(name));
    for key in &keys {
        let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(key).status();
        assert!(made.unwrap().success());
    }
    let lines: Vec<String> =
        keys[..2].iter().map(|key| format!("{:?}", fs::read_to_string(key.with_extension("pub")).unwrap().trim())).collect();
    fs::write(bob.home.join("approvers.toml"), format!("needed = 2\nkeys = [{}]\n", lines.join(", "))).unwrap();
    let bob = bob.restart("-TERM");
    let child = begin(&alice, &["vault", "gen", "k", "--bytes", "8"], b"");
    let shown = asked(&bob);
    let (number, digest) = (shown["number"].to_string(), shown["digest"].as_str().unwrap().to_owned());
    let home = bob.home.clone();
    let signed = |key: Option<&std::path::PathBuf>| {
        let key: Vec<&str> = key.into_iter().flat_map(|key| ["--key", key.to_str().unwrap()]).collect();
        run(&[&["approve", &number, "--digest", &digest, "--home", home.to_str().unwrap()][..], &key].concat())
    };
    assert!(error(&signed(None)).contains("people of this party approve with their keys"));
    assert!(!signed(Some(&keys[2])).status.success(), "eve is nobody");
    let first = signed(Some(&keys[0]));
    assert!(text(&first.stdout).contains("waits for the approval of bob"), "{}", text(&first.stderr));
    // What was shown as given outlives the daemon.
    let bob = bob.restart("-KILL");
    let again = signed(Some(&keys[0]));
    assert!(text(&again.stdout).contains("waits for the approval of bob"), "one person counts once: {}", text(&again.stderr));
    // The second person's key is in an ssh-agent, and not in a file any more.
    let socket = dir.path().join("agent.sock");
    let _agent = Agent(Command::new("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).spawn().unwrap());
    wait("an agent", || socket.exists().then_some(()));
    for key in &keys[1..] {
        let added = Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &socket).status();
        assert!(added.unwrap().success());
        fs::remove_file(key).unwrap();
    }
    let listed = Command::new("ssh-add").arg("-l").env("SSH_AUTH_SOCK", &socket).output().unwrap();
    let fingerprint = |at: usize| text(&listed.stdout).lines().nth(at).unwrap().split(' ').nth(1).unwrap().to_owned();
    let by_agent = |key: &str| {
        let arguments = ["approve", &number, "--digest", &digest, "--key", key, "--home", home.to_str().unwrap()];
        command(&arguments).env("SSH_AUTH_SOCK", &socket).output().unwrap()
    };
    assert!(error(&by_agent(&fingerprint(1))).contains("none that approves for this party"), "eve is nobody here either");
    assert!(error(&by_agent("SHA256:AAAA")).contains("the ssh-agent has no such key"));
    assert!(error(&by_agent(keys[0].with_extension("pub").to_str().unwrap())).contains("the ssh-agent has no such key"));
    let arguments = ["approve", &number, "--digest", &digest, "--key", &fingerprint(0), "--home", home.to_str().unwrap()];
    let without = command(&arguments).env_remove("SSH_AUTH_SOCK").output().unwrap();
    assert!(error(&without).contains("no ssh-agent"), "{}", error(&without));
    let second = by_agent(&fingerprint(0));
    assert!(second.status.success(), "{}", error(&second));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(versions(&bob), [("k".to_owned(), 1)]);
}

/// A disk is lost, and comes back from a backup that was made while the daemon ran. Before, the logs of both agree.
#[test]
fn a_lost_home_comes_back_from_its_backup_and_logs_are_compared() {
    let (dir, parties) = room();
    let [alice, bob] = <[Daemon; 2]>::try_from(parties).ok().unwrap();
    through(&[&alice, &bob], &["vault", "gen", "k", "--bytes", "8"], b"");
    let log = dir.path().join("bob.log.json");
    let written = text(&bob.run(&["log"]).stdout);
    fs::write(&log, &written).unwrap();
    let compare = |with: &str| alice.run(&["log", "compare", with]);
    let agree = compare(log.to_str().unwrap());
    assert!(text(&agree.stdout).starts_with("the logs agree"), "{}", text(&agree.stderr));
    let record = Value::as_str(&serde_json::from_str::<Value>(&written).unwrap()["entries"][1]["record"]).unwrap().to_owned();
    let changed = format!("{}{}", if record.starts_with('0') { '1' } else { '0' }, &record[1..]);
    fs::write(&log, written.replace(&record, &changed)).unwrap();
    assert!(error(&compare(log.to_str().unwrap())).contains("log entry 1, from 0: was changed"));
    assert!(error(&compare("carol")).contains("neither a file nor another member"));
    wait("told of its log", || text(&compare("bob").stdout).contains("bob has told of").then_some(()));

    let file = dir.path().join("bob.backup");
    let backed = begin(&bob, &["vault", "backup", file.to_str().unwrap()], b"on paper\n").wait_with_output().unwrap();
    assert!(backed.status.success(), "{}", text(&backed.stderr));
    let again = begin(&bob, &["vault", "backup", file.to_str().unwrap()], b"on paper\n").wait_with_output().unwrap();
    assert!(error(&again).contains("exists already"));
    let home = bob.home.clone();
    bob.end("-KILL");
    let restore = |passphrase: &[u8]| {
        let arguments = ["vault", "restore", file.to_str().unwrap(), "--home", home.to_str().unwrap()];
        let mut child = command(&arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(passphrase).unwrap();
        child.wait_with_output().unwrap()
    };
    assert!(error(&restore(b"on paper")).contains("the store is here"), "nothing is overwritten");
    fs::remove_dir_all(&home).unwrap();
    assert!(error(&restore(b"of paper")).contains("wrong passphrase") && !home.exists());
    let restored = restore(b"on paper");
    assert!(restored.status.success(), "{}", text(&restored.stderr));
    let bob = Daemon::start(&home);
    wait("heard", || bob.json(&["vault", "list"])["hindrance"].is_null().then_some(()));
    assert_eq!(versions(&bob), [("k".to_owned(), 1)]);
    assert!(text(&bob.run(&["log"]).stdout).contains("\"event\": \"restored\""));
    // By all that the backup knows, this may have been done before.
    let proposed = alice.json(&["vault", "verify", "--no-wait", "--within", "30"]);
    let number = proposed["number"].to_string();
    let shown = asked(&bob);
    let refused = bob.run(&["approve", &number, "--digest", shown["digest"].as_str().unwrap()]);
    assert!(error(&refused).contains("restored from a backup and may have done operation"), "{}", error(&refused));
}
