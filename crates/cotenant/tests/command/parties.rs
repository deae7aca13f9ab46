//! Parties that cannot or must not work together: what each is told, before anything is computed.

use crate::common::{Homes, error, run, some_ca, start, text};
use std::{
    fs::{self, OpenOptions},
    io::Write,
    net::TcpListener,
    process::{Command, Output, Stdio},
};

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Two parties, each started as given, with `ca.pem` for a CA unless it names another.
fn both(homes: &Homes, arguments: [&[&str]; 2], input: [&str; 2]) -> [Output; 2] {
    let ca = homes.write("ca.pem", &some_ca_once(homes));
    let parties = [0, 1].map(|party| {
        let mut all = vec!["s-client", "--home", homes.home(party)];
        all.extend(arguments[party]);
        if !all.contains(&"--ca") {
            all.extend(["--ca", &ca]);
        }
        start(&all, input[party])
    });
    parties.map(|party| party.wait_with_output().unwrap())
}

/// The same certificate for all parties of these homes.
fn some_ca_once(homes: &Homes) -> String {
    let path = homes.dir.path().join("ca.pem");
    fs::read_to_string(path).unwrap_or_else(|_| some_ca())
}

#[test]
fn a_difference_is_named_by_both_before_anything_is_computed() {
    let homes = Homes::new(2);
    let other_ca = homes.write("other.pem", &some_ca());
    let same: &[&str] = &["localhost:1"];
    /// Arguments and input of both, and what the first says.
    type Case<'a> = ([&'a [&'a str]; 2], [&'a str; 2], [&'a str; 2]);
    let cases: [Case; 9] = [
        (
            [same, &["127.0.0.1:1", "--server-name", "localhost"]],
            [REQUEST; 2],
            ["\"host\": \"localhost\" here", "\"127.0.0.1\" at P2 \"party-2\""],
        ),
        ([same, &["localhost:2"]], [REQUEST; 2], ["\"port\": \"1\" here", "\"2\" at P2 \"party-2\""]),
        ([same, &["localhost:1", "--server-name", "example.com"]], [REQUEST; 2], ["\"server name\"", "\"example.com\" at P2"]),
        ([same, &["localhost:1", "--ca", &other_ca]], [REQUEST; 2], ["\"trust roots\"", "… at P2"]),
        ([same, &["localhost:1", "--groups", "X25519"]], [REQUEST; 2], ["\"key exchange groups\"", "\"X25519\" at P2"]),
        ([same, &["localhost:1", "--connector", "2"]], [REQUEST; 2], ["\"connector\": \"P1\" here", "\"P2\" at P2"]),
        ([same, &["localhost:1", "--max-answer", "7"]], [REQUEST; 2], ["\"answer limit in bytes\"", "\"7\" at P2"]),
        ([same, &["localhost:1", "--any-build"]], [REQUEST; 2], ["\"program digest\": ", "nothing at P2"]),
        ([same, same], [REQUEST, "GET /x HTTP/1.1\r\n\r\n"], ["\"request digest\"", "+ GET /x HTTP/1.1"]),
    ];
    for (arguments, input, words) in cases {
        let outputs = both(&homes, arguments, input);
        let (first, second) = (error(&outputs[0]), error(&outputs[1]));
        assert!(words.iter().all(|words| first.contains(words)), "{first}");
        let field = words[0].split(':').next().unwrap();
        assert!(second.contains(field) && second.contains("at P1 \"party-1\""), "{second}");
        assert_eq!(outputs[0].status.code(), Some(1));
    }
}

#[test]
fn another_build_is_named_unless_all_allow_it() {
    let homes = Homes::new(2);
    let ca = homes.write("ca.pem", &some_ca());
    let other = homes.dir.path().join("cotenant");
    fs::copy(env!("CARGO_BIN_EXE_cotenant"), &other).unwrap();
    // It does the same, but its file is not the same.
    OpenOptions::new().append(true).open(&other).unwrap().write_all(b"\0").unwrap();
    let call = |more: &[&str]| {
        let arguments = |home| [&["s-client", "localhost:1", "--ca", &ca, "--groups", "P-256", "--home", home], more].concat();
        let mut theirs = Command::new(&other).args(arguments(homes.home(1))).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        theirs.stdin.take().unwrap().write_all(REQUEST.as_bytes()).unwrap();
        let ours = start(&arguments(homes.home(0)), REQUEST);
        [ours, theirs].map(|party| error(&party.wait_with_output().unwrap()))
    };
    for said in call(&[]) {
        assert!(said.contains("the parties differ in \"program digest\": ") && said.contains("every party with --any-build"), "{said}");
        assert_eq!(said.matches("differ in").count(), 1, "{said}");
    }
    assert!(call(&["--any-build"])[0].contains("nothing listens at that port"), "they agreed, and went on");
}

#[test]
fn a_port_in_use_is_named() {
    let homes = Homes::new(2);
    let ca = homes.write("ca.pem", &some_ca());
    let text = fs::read_to_string(homes.homes[0].join("party.toml")).unwrap();
    let address = text.lines().find_map(|line| line.strip_prefix("address = ")).unwrap().trim_matches('"').to_owned();
    let _taken = TcpListener::bind(&address).unwrap();
    let said = error(&start(&["s-client", "localhost:1", "--ca", &ca, "--home", homes.home(0)], REQUEST).wait_with_output().unwrap());
    assert!(said.starts_with(&format!("cotenant: cannot listen at {address}")), "{said}");
}

#[test]
fn an_absent_party_is_named() {
    let homes = Homes::with_timeouts(2, "connect = 1");
    let ca = homes.write("ca.pem", &some_ca());
    for (party, other) in [(0, "P2 \"party-2\""), (1, "P1 \"party-1\"")] {
        let said =
            error(&start(&["s-client", "localhost:1", "--ca", &ca, "--home", homes.home(party)], REQUEST).wait_with_output().unwrap());
        assert!(said.contains(other) && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn another_key_than_listed_is_refused() {
    let homes = Homes::with_timeouts(2, "connect = 8");
    // Party 1 is replaced by somebody else, who knows the right keys of the others.
    let stranger = homes.dir.path().join("stranger");
    assert!(run(&["init", "--home", stranger.to_str().unwrap()]).status.success());
    let key = text(&run(&["id", "--home", stranger.to_str().unwrap()]).stdout);
    let own = text(&run(&["id", "--home", homes.home(0)]).stdout);
    let list = fs::read_to_string(homes.homes[0].join("party.toml")).unwrap();
    fs::write(stranger.join("party.toml"), list.replace(own.trim(), key.trim())).unwrap();
    let ca = homes.write("ca.pem", &some_ca());
    let stranger = start(&["s-client", "localhost:1", "--ca", &ca, "--home", stranger.to_str().unwrap()], REQUEST);
    let party = start(&["s-client", "localhost:1", "--ca", &ca, "--home", homes.home(1)], REQUEST);
    let said = error(&party.wait_with_output().unwrap());
    assert!(said.contains("P1 \"party-1\"") && said.contains("somebody else is there"), "{said}");
    assert!(!stranger.wait_with_output().unwrap().status.success());
}
