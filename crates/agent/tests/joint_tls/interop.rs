//! Real servers and the ideal engine: every number of parties, every connector, and what servers do differently.

use crate::parties::{BOTH, PKI, Run, response};
use crate::servers::{Rustls, Tcp, rustls_config};
use crate::watched::Reached;
use cotenant_agent::call::{Call, CallError, Content};
use cotenant_core::PartyId;
use cotenant_tls::{Answer, End, Error, Fault, Group, Violation};
use cotenant_tls_plain::pki::KeyKind;
use cotenant_tls_plain::servers::{Server, StartError};
use std::sync::LazyLock;

const P256: &[Group] = &[Group::Secp256r1];
const X25519: &[Group] = &[Group::X25519];
/// Orders to offer both groups in: with a server that has one group, one of them leads to a HelloRetryRequest.
const ORDERS: [[Group; 2]; 2] = [BOTH, [Group::X25519, Group::Secp256r1]];

/// Names and bodies of 1 byte, 16 kB and 1 MB.
pub(crate) static BODIES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let body = |size: usize| (format!("body{size}"), (0..size).map(|at| (at % 253) as u8).collect());
    [1, 16 << 10, 1 << 20].map(body).into()
});

/// The same as whole responses, for a server that sends files as they are.
pub(crate) static RESPONSES: LazyLock<Vec<(String, Vec<u8>)>> =
    LazyLock::new(|| BODIES.iter().map(|(name, body)| (name.clone(), [b"HTTP/1.0 200 OK\r\n\r\n", &body[..]].concat())).collect());

pub(crate) fn files(of: &'static [(String, Vec<u8>)]) -> Vec<(&'static str, &'static [u8])> {
    of.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect()
}

pub(crate) fn started(server: Result<Server, StartError>) -> Server {
    server.unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn asking_for(path: &str) -> impl Fn(PartyId, &mut Call) + use<> {
    let request = format!("GET /{path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n").into_bytes();
    move |_, call| call.content = Content::Public(request.clone())
}

/// All parties offer these groups and ask for one of the bodies: what they got.
fn get(n: usize, connector: usize, groups: &[Group], server: &Server, (name, body): &(String, Vec<u8>)) -> Answer {
    let what = format!("{n} parties, connector {connector}, {groups:?}, {name}");
    let ended = Run::new(n, connector).offering(groups).but(asking_for(name)).ideal(Tcp::new(server.address()));
    let answers: Vec<Answer> = ended.into_iter().map(|e| e.result.unwrap_or_else(|error| panic!("{what}: {error}"))).collect();
    for answer in &answers {
        assert!(response(&Ok(answer.clone())).is_some_and(|r| r.body == *body) && answer.end == End::CloseNotify, "{what}: another answer");
    }
    answers.into_iter().next().expect("there are parties")
}

fn openssl(kind: KeyKind, arguments: &[&str]) -> Server {
    started(Server::openssl(&PKI.0.localhost(kind), &files(&RESPONSES), &[&["-HTTP"], arguments].concat()))
}

#[test]
fn openssl_with_every_connector_and_either_group() {
    for (name, group) in [("P-256", P256), ("X25519", X25519)] {
        let server = openssl(KeyKind::EcdsaP256, &["-groups", name]);
        for n in 2..5 {
            for connector in 0..n {
                get(n, connector, group, &server, &BODIES[0]);
                ORDERS.iter().for_each(|order| drop(get(n, connector, order, &server, &BODIES[1])));
            }
        }
    }
}

#[test]
fn openssl_keys_small_records_padding_and_tickets() {
    for kind in [KeyKind::EcdsaP256, KeyKind::EcdsaP384, KeyKind::Ed25519, KeyKind::Rsa] {
        get(2, 0, &BOTH, &openssl(kind, &[]), &BODIES[0]);
    }
    for arguments in [["-max_send_frag", "512"], ["-record_padding", "256"]] {
        let server = openssl(KeyKind::EcdsaP256, &arguments);
        BODIES.iter().for_each(|body| drop(get(2, 1, &BOTH, &server, body)));
    }
    for (count, argument) in [(0, "0"), (7, "7")] {
        let server = openssl(KeyKind::EcdsaP256, &["-num_tickets", argument]);
        assert_eq!(get(3, 1, &BOTH, &server, &BODIES[1]).tickets, count);
    }
}

#[test]
fn nginx() {
    for (name, directives) in [("prime256v1", ""), ("X25519", "ssl_buffer_size 600;")] {
        let server = started(Server::nginx(&PKI.0.localhost(KeyKind::Rsa), &files(&BODIES), name, directives));
        for (order, n) in ORDERS.iter().zip([3, 4]) {
            BODIES.iter().for_each(|body| drop(get(n, n - 1, order, &server, body)));
        }
    }
}

#[test]
fn gnutls() {
    for name in ["SECP256R1", "X25519"] {
        let priority = format!("NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-{name}");
        for body in BODIES.iter() {
            let arguments = ["--http", "--httpdata", &body.0, "--recordsize", "512", "--disable-client-cert"];
            let server = started(Server::gnutls(&PKI.1, &[(&body.0, &body.1)], &priority, &arguments));
            ORDERS.iter().for_each(|order| drop(get(2, 1, order, &server, body)));
        }
    }
}

/// The connector could answer with a certificate of its own.
#[test]
fn a_client_certificate_is_asked_for_and_the_server_refused() {
    let server = started(Server::gnutls(&PKI.1, &[], "NORMAL:-VERS-ALL:+VERS-TLS1.3", &["--http"]));
    for ended in Run::new(3, 1).ideal(Tcp::new(server.address())) {
        let refused = matches!(&ended.result, Err(CallError::Tls(Error::Server(Fault::Violation(Violation::ClientCertificateWanted)))));
        assert!(refused && ended.reached == Reached::HandshakeSecrets, "{}: {:?}", ended.party, ended.result);
    }
}

#[test]
fn rustls() {
    for (n, group) in (2..5).flat_map(|n| [(n, P256), (n, X25519)]) {
        for connector in 0..n {
            let server = Rustls::new(rustls_config(&PKI.1, group), &[b"HTTP/1.1 200 OK\r\n\r\n", b"hello", b" parties"]);
            for e in Run::new(n, connector).ideal(server) {
                assert_eq!(response(&e.result).expect("a response").body, b"hello parties");
            }
        }
    }
}
