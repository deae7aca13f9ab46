//! rustls as the server in the same process: another implementation of the protocol, fast enough for thousands of runs.

use crate::cases::PKI;
use crate::memory::{Failed, LIMITS, Server, config, exchange, handshake, target};
use cotenant_tls::{Answer, AnswerLimits, Connection, End, FragmentSize, Group, Handshake, Piece, Progress, Violation};
use cotenant_tls_plain::pki::{Identity, KeyKind};
use cotenant_tls_plain::{PlainKeys, SecretBytes, ready};
use rustls::crypto::ring;
use std::io::{Read, Write};
use std::sync::Arc;

/// A rustls server that answers the first application data with what `answer` writes, and closes.
pub(crate) struct Rustls<A> {
    pub(crate) session: rustls::ServerConnection,
    pub(crate) received: Vec<u8>,
    answer: Option<A>,
}

pub(crate) fn server_config(identity: &Identity, groups: &[Group]) -> rustls::ServerConfig {
    let mut provider = ring::default_provider();
    provider.kx_groups = groups
        .iter()
        .map(|group| match group {
            Group::Secp256r1 => ring::kx_group::SECP256R1,
            Group::X25519 => ring::kx_group::X25519,
        })
        .collect();
    let builder = rustls::ServerConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(&[&rustls::version::TLS13]);
    let builder = builder.expect("TLS 1.3").with_no_client_auth();
    let mut config = builder.with_single_cert(identity.chain.clone(), identity.key_der()).expect("the key fits");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

impl<A: FnOnce(&mut rustls::ServerConnection, &[u8])> Rustls<A> {
    pub(crate) fn new(config: rustls::ServerConfig, answer: A) -> Self {
        let session = rustls::ServerConnection::new(Arc::new(config)).expect("a good configuration");
        Rustls { session, received: vec![], answer: Some(answer) }
    }
}

impl<A: FnOnce(&mut rustls::ServerConnection, &[u8])> Server for Rustls<A> {
    fn feed(&mut self, mut input: &[u8]) -> Vec<u8> {
        while !input.is_empty() {
            self.session.read_tls(&mut input).expect("reads from memory");
            self.session.process_new_packets().expect("our client keeps the rules");
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = self.session.reader().read(&mut buffer) {
                self.received.extend(&buffer[..count]);
            }
        }
        if let Some(answer) = self.answer.take_if(|_| !self.received.is_empty()) {
            answer(&mut self.session, &self.received);
        }
        let mut output = Vec::new();
        while self.session.wants_write() {
            self.session.write_tls(&mut output).expect("writes to memory");
        }
        output
    }
}

/// Answers with `body` and an orderly end.
pub(crate) fn say(body: Vec<u8>) -> impl FnOnce(&mut rustls::ServerConnection, &[u8]) {
    move |session, _| {
        session.set_buffer_limit(None);
        session.writer().write_all(&body).expect("writes to memory");
        session.send_close_notify();
    }
}

fn run(client: &[Group], server: &[Group], kind: KeyKind, body: &[u8]) -> Result<Answer, Failed> {
    let identity = PKI.0.localhost(kind);
    let mut peer = Rustls::new(server_config(&identity, server), say(body.to_vec()));
    let config = config(&PKI.0).with_groups(client.to_vec()).expect("groups");
    exchange(PlainKeys::from_seed([1; 32]), config, target("localhost"), &mut peer, b"request")
}

#[test]
fn groups_retries_and_kinds_of_keys() {
    use Group::{Secp256r1, X25519};
    for (client, server) in [
        (&[Secp256r1][..], &[Secp256r1][..]),
        (&[X25519], &[X25519]),
        (&[Secp256r1, X25519], &[X25519]),
        (&[X25519, Secp256r1], &[Secp256r1]),
    ] {
        for kind in [KeyKind::EcdsaP256, KeyKind::EcdsaP384, KeyKind::Ed25519, KeyKind::Rsa] {
            let answer = run(client, server, kind, b"hello").unwrap_or_else(|failed| panic!("{client:?} {server:?} {kind:?}: {failed:?}"));
            assert_eq!((answer.body.as_slice(), answer.end), (&b"hello"[..], End::CloseNotify));
        }
    }
}

#[test]
fn no_group_in_common() {
    let identity = PKI.0.localhost(KeyKind::EcdsaP256);
    let session = rustls::ServerConnection::new(Arc::new(server_config(&identity, &[Group::X25519]))).expect("a server");
    let mut peer = Unwilling { session };
    let config = config(&PKI.0).with_groups(vec![Group::Secp256r1]).expect("groups");
    let failed = exchange(PlainKeys::from_seed([1; 32]), config, target("localhost"), &mut peer, b"request").expect_err("no group");
    assert_eq!(failed.fault(), &cotenant_tls::Fault::Alert(cotenant_tls::Alert::HandshakeFailure));
}

/// A server that is expected to refuse.
struct Unwilling {
    session: rustls::ServerConnection,
}

impl Server for Unwilling {
    fn feed(&mut self, mut input: &[u8]) -> Vec<u8> {
        self.session.read_tls(&mut input).expect("reads from memory");
        self.session.process_new_packets().expect_err("it refuses");
        let mut output = Vec::new();
        self.session.write_tls(&mut output).expect("writes to memory");
        output
    }
}

#[test]
fn answers_of_every_size_and_the_application_protocol() {
    for size in [0, 1, 16_383, 16_384, 16_385, 600_000] {
        let body: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let answer = run(&[Group::Secp256r1], &[Group::Secp256r1], KeyKind::EcdsaP256, &body).expect("an answer");
        assert!(answer.body == body && answer.end == End::CloseNotify, "{size}");
    }
    let mut peer = Rustls::new(server_config(&PKI.1, &[Group::X25519, Group::Secp256r1]), say(vec![]));
    let Ok((connection, _)) = handshake(PlainKeys::new(), config(&PKI.0), target("localhost"), &mut peer) else { panic!("no handshake") };
    assert!(connection.negotiated_http1());
    let mut peer = Rustls::new(server_config(&PKI.1, &[Group::X25519, Group::Secp256r1]), say(vec![]));
    let config = config(&PKI.0).with_http1(false);
    let Ok((connection, _)) = handshake(PlainKeys::new(), config, target("localhost"), &mut peer) else { panic!("no handshake") };
    assert!(!connection.negotiated_http1());
}

#[test]
fn requests_with_secret_holes_in_records_of_every_size_arrive_whole() {
    for size in [1, 2, 7, 30, 31, 1000, 1 << 14] {
        let mut peer = Rustls::new(server_config(&PKI.1, &[Group::Secp256r1]), say(b"ok".to_vec()));
        let run = handshake(PlainKeys::new(), config(&PKI.0), target("localhost"), &mut peer);
        let Ok((connection, finished)) = run else { panic!("no handshake") };
        peer.feed(&finished);
        let pieces = || {
            vec![
                Piece::Public(b"Authorization: ".to_vec()),
                Piece::Secret(SecretBytes::new(b"swordfish".to_vec())),
                Piece::Public(b"\r\n".to_vec()),
            ]
        };
        let size = FragmentSize::new(size).expect("a size");
        // Twice: sequence numbers go on.
        let (connection, first) = ready(connection.send(pieces(), size)).expect("sealed");
        let (connection, second) = ready(connection.send(pieces(), size)).expect("sealed");
        let answer = peer.feed(&[first, second].concat());
        assert_eq!(peer.received, b"Authorization: swordfish\r\n".repeat(2));
        let held = connection.await_answer(LIMITS).receive(&answer).and_then(|collector| collector.end()).expect("an answer");
        assert_eq!(ready(held.open()).expect("it opens").body, b"ok");
    }
}

/// The handshake with the server's bytes in chunks of one size.
fn chunked_handshake(chunk: usize, peer: &mut impl Server) -> Connection<PlainKeys> {
    let start = Handshake::start(PlainKeys::from_seed([9; 32]), config(&PKI.0), target("localhost"));
    let (mut handshake, mut output) = ready(start).expect("a hello");
    loop {
        for part in peer.feed(&std::mem::take(&mut output)).chunks(chunk) {
            let (progress, sent) = ready(handshake.receive(part)).expect("a good server");
            output.extend(sent);
            match progress {
                Progress::Pending(pending) => handshake = pending,
                Progress::Established(connection) => {
                    assert!(peer.feed(&output).is_empty());
                    return connection;
                }
            }
        }
    }
}

#[test]
fn chunking_changes_nothing() {
    for chunk in [1, 2, 3, 5, 17, 1000, 16_389] {
        let mut peer = Rustls::new(server_config(&PKI.1, &[Group::X25519]), say(vec![7; 40_000]));
        let connection = chunked_handshake(chunk, &mut peer);
        let (connection, request) = ready(connection.send(vec![Piece::Public(b"?".to_vec())], FragmentSize::LARGEST)).expect("sealed");
        let mut collector = connection.await_answer(LIMITS);
        for part in peer.feed(&request).chunks(chunk) {
            assert!(!collector.ends_like_a_closure(), "more is to come");
            collector = collector.receive(part).expect("a good answer");
        }
        assert!(collector.ends_like_a_closure());
        let held = collector.end().expect("a whole answer");
        // Three records of data and the close_notify.
        assert_eq!((held.digest().bytes(), held.digest().records()), (40_000 + 2 + 4 * (5 + 1 + 16), 4));
        assert_eq!(ready(held.open()).expect("it opens").body, [7; 40_000]);
    }
}

#[test]
fn an_answer_may_be_as_large_as_the_limits_and_no_larger() {
    let run = |limits| {
        let mut peer = Rustls::new(server_config(&PKI.1, &[Group::X25519]), say(vec![7; 20_000]));
        let Ok((connection, finished)) = handshake(PlainKeys::new(), config(&PKI.0), target("localhost"), &mut peer) else {
            panic!("no handshake")
        };
        peer.feed(&finished);
        let (connection, request) = ready(connection.send(vec![Piece::Public(b"?".to_vec())], FragmentSize::LARGEST)).expect("sealed");
        let result = connection.await_answer(limits).receive(&peer.feed(&request)).and_then(|collector| collector.end());
        result.map(|held| held.digest().bytes() as usize).map_err(|failure| failure.error.fault().cloned())
    };
    let (bytes, records) = (20_000 + 2 + 3 * (5 + 1 + 16), 3);
    assert_eq!(run(AnswerLimits { bytes, records }), Ok(bytes));
    assert_eq!(run(AnswerLimits { bytes: bytes - 1, records }), Err(Some(Violation::AnswerTooLong.into())));
    assert_eq!(run(AnswerLimits { bytes, records: records - 1 }), Err(Some(Violation::TooManyRecords.into())));
    assert_eq!(AnswerLimits::of_bytes(1 << 20), AnswerLimits { bytes: 1 << 20, records: 2064 });
}
