//! Joint calls by `s-client`, over real MPC, to a real TLS 1.3 server; and how they fail.

mod common;

use common::{Homes, Server, error, start, text};
use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader, Write},
    process::Stdio,
};

const REQUEST: &str = "GET /demo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

#[test]
fn a_page_is_fetched_by_three_parties() {
    let server = Server::new();
    let arguments =
        ["s-client", &server.endpoint(), "--ca", &server.file("ca.pem"), "--parties", "3", "--connector", "2", "--groups", "X25519"];
    let output = start(&arguments, REQUEST).wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stdout).starts_with("HTTP/1.1 403 Forbidden\r\n"), "{}", text(&output.stdout));
    assert_eq!(text(&output.stderr), "");
}

#[test]
fn a_server_of_another_ca_is_refused() {
    let server = Server::new();
    let arguments = ["s-client", &server.endpoint(), "--ca", &server.file("other-ca.pem"), "--groups", "P-256"];
    let output = start(&arguments, REQUEST).wait_with_output().unwrap();
    let said = error(&output);
    assert!(said.contains("issued by an unknown authority") && said.lines().count() == 1, "{said}");
    assert!(output.stdout.is_empty());
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let mut server = Server::new();
    let (endpoint, ca) = (server.endpoint(), server.file("ca.pem"));
    server.stop();
    let output = start(&["s-client", &endpoint, "--ca", &ca, "--groups", "P-256"], REQUEST).wait_with_output().unwrap();
    let said = error(&output);
    assert!(said.contains(&endpoint) && said.contains("refused the connection") && said.lines().count() == 1, "{said}");
}

#[test]
fn an_answer_that_cannot_be_written_fails() {
    let server = Server::new();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let arguments = ["s-client", &server.endpoint(), "--ca", &server.file("ca.pem"), "--groups", "P-256"];
    let mut child = common::command(&arguments).stdin(Stdio::piped()).stdout(full).spawn().unwrap();
    child.stdin.take().unwrap().write_all(REQUEST.as_bytes()).unwrap();
    let said = error(&child.wait_with_output().unwrap());
    assert!(said.contains("standard output: cannot be written (No space left on device"), "{said}");
}

#[test]
fn a_killed_party_is_named_by_the_other() {
    let homes = Homes::new(2);
    let ca = homes.write("ca.pem", &common::some_ca());
    let arguments = |party| ["s-client", "localhost:1", "--ca", &ca, "--verbose", "--home", party];
    let mut killed = start(&arguments(homes.home(1)), REQUEST);
    let mut left = start(&arguments(homes.home(0)), REQUEST);
    let mut lines = BufReader::new(left.stderr.take().unwrap()).lines().map(|line| line.unwrap());
    assert!(lines.any(|line| line.contains("setup done")), "they have begun");
    killed.kill().unwrap();
    let said = lines.find(|line| line.starts_with("cotenant: ")).unwrap();
    assert!(said.contains("P2 is \"party-2\""), "{said}");
    assert_eq!(left.wait().unwrap().code(), Some(3), "its own fault it is not");
    killed.wait().unwrap();
}
