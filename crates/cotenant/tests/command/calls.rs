//! Joint calls by `s-client`, over real MPC, to a real TLS 1.3 server; and how they fail.

use crate::common::{Homes, Server, error, signal, start, text};
use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader, Write},
    process::Stdio,
    sync::Arc,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer, version::TLS13},
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
    let mut child = crate::common::command(&arguments).stdin(Stdio::piped()).stdout(full).spawn().unwrap();
    child.stdin.take().unwrap().write_all(REQUEST.as_bytes()).unwrap();
    let said = error(&child.wait_with_output().unwrap());
    assert!(said.contains("standard output: cannot be written (No space left on device"), "{said}");
}

/// Answers one connection, at the port that is returned, and drops it without close_notify. Its certificate is in the PEM text.
fn abrupt_server() -> (u16, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_protocol_versions(&[&TLS13]).unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        runtime.block_on(async {
            let (socket, _) = listener.accept().await.unwrap();
            let mut stream = TlsAcceptor::from(Arc::new(config)).accept(socket).await.unwrap();
            let mut request = vec![0; REQUEST.len()];
            stream.read_exact(&mut request).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nhalf of what was m").await.unwrap();
            stream.flush().await.unwrap();
        })
    });
    (port, certificate.pem())
}

#[test]
fn nothing_of_an_answer_without_an_orderly_end_is_printed() {
    let dir = tempfile::tempdir().unwrap();
    let (port, pem) = abrupt_server();
    let ca = dir.path().join("ca.pem");
    std::fs::write(&ca, pem).unwrap();
    let arguments = ["s-client", &format!("localhost:{port}"), "--ca", ca.to_str().unwrap(), "--groups", "P-256"];
    let output = start(&arguments, REQUEST).wait_with_output().unwrap();
    let said = error(&output);
    assert!(said.contains("ended without close_notify") && said.lines().count() == 1, "{said}");
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn a_party_that_stalls_holds_the_other_no_longer_than_the_limit() {
    // Without the limit the link would be given up after five minutes only.
    let homes = Homes::with_timeouts(2, "connect = 60\ndead_after = 300\ncall = 10");
    let ca = homes.write("ca.pem", &crate::common::some_ca());
    let arguments = |party| ["s-client", "localhost:1", "--ca", &ca, "--verbose", "--home", party];
    let mut stalled = start(&arguments(homes.home(1)), REQUEST);
    let mut left = start(&arguments(homes.home(0)), REQUEST);
    let mut lines = BufReader::new(left.stderr.take().unwrap()).lines().map(|line| line.unwrap());
    assert!(lines.any(|line| line.contains("setup done")), "they have begun");
    signal("-STOP", stalled.id());
    let said = lines.find(|line| line.starts_with("cotenant: ")).unwrap();
    assert!(said.contains("call to localhost:1: not finished within 10 s, given up in stage \"prepare\""), "{said}");
    assert!(said.contains("\"call\" under [timeouts] in party.toml") && !said.contains("may have been sent"), "{said}");
    assert_eq!(left.wait().unwrap().code(), Some(1));
    stalled.kill().unwrap();
    stalled.wait().unwrap();
}

#[test]
fn a_killed_party_is_named_by_the_other() {
    let homes = Homes::new(2);
    let ca = homes.write("ca.pem", &crate::common::some_ca());
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
