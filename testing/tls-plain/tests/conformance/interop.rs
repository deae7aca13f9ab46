//! Real servers: OpenSSL, nginx, GnuTLS. Each is started and stopped here; one that is not installed fails its tests.

use crate::cases::PKI;
use crate::memory::config;
use cotenant_tls::pki_types::UnixTime;
use cotenant_tls::record::RecordReader;
use cotenant_tls::{Alert, Answer, AnswerLimits, Config, End, Fault, FragmentSize, Group, Piece, Stream, Target};
use cotenant_tls_plain::client::{ClientError, connect, fetch, settle};
use cotenant_tls_plain::pki::{Identity, KeyKind};
use cotenant_tls_plain::servers::Server;
use cotenant_tls_plain::{PlainKeys, ready};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::LazyLock;
use std::time::Duration;

const GROUPS: [(&str, &[Group]); 2] = [("P-256", &[Group::Secp256r1]), ("X25519", &[Group::X25519])];
const LIMITS: AnswerLimits = AnswerLimits { bytes: 1 << 21, records: 1 << 13 };

/// The sizes of answers, and bodies of them.
static BODIES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let body = |size: usize| (format!("body{size}"), (0..size).map(|at| (at % 253) as u8).collect());
    [1, 16 << 10, 1 << 20].map(body).into()
});

static RESPONSES: LazyLock<Vec<(String, Vec<u8>)>> =
    LazyLock::new(|| BODIES.iter().map(|(name, body)| (name.clone(), [b"HTTP/1.0 200 OK\r\n\r\n", &body[..]].concat())).collect());

fn files(of: &'static [(String, Vec<u8>)]) -> Vec<(&'static str, &'static [u8])> {
    of.iter().map(|(name, content)| (name.as_str(), content.as_slice())).collect()
}

fn now() -> Target {
    Target { name: "localhost".to_owned().try_into().expect("a name"), now: UnixTime::now() }
}

fn offering(groups: &[Group]) -> Config {
    config(&PKI.0).with_groups(groups.to_vec()).expect("groups")
}

fn get(server: &Server, config: Config, path: &str) -> Result<Answer, ClientError> {
    let request = format!("GET /{path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    fetch(&server.address(), config, now(), request.as_bytes(), LIMITS)
}

fn started(server: Result<Server, cotenant_tls_plain::servers::StartError>) -> Server {
    server.unwrap_or_else(|error| panic!("{error}"))
}

/// Fetches every body, and checks each with the end.
fn check_bodies(what: &str, server: &Server, config: &Config) -> Vec<Answer> {
    let check = |(name, body): &(String, Vec<u8>)| {
        let answer = get(server, config.clone(), name).unwrap_or_else(|error| panic!("{what}, {name}: {error}"));
        assert!(answer.body.ends_with(body) && answer.body.starts_with(b"HTTP/1."), "{what}, {name}: another body");
        assert_eq!(answer.end, End::CloseNotify, "{what}, {name}");
        answer
    };
    BODIES.iter().map(check).collect()
}

fn openssl(identity: &Identity, arguments: &[&str]) -> Server {
    started(Server::openssl(identity, &files(&RESPONSES), &[&["-HTTP"], arguments].concat()))
}

#[test]
fn openssl_groups_and_retries() {
    for (name, group) in GROUPS {
        let server = openssl(&PKI.1, &["-groups", name]);
        check_bodies(name, &server, &offering(group));
        let other = [Group::Secp256r1, Group::X25519].into_iter().find(|other| *other != group[0]).expect("there are two");
        check_bodies(&format!("retry for {name}"), &server, &offering(&[other, group[0]]));
        let error = get(&server, offering(&[other]), "body1").expect_err("no group in common");
        assert_eq!(error.fault(), Some(&Fault::Alert(Alert::HandshakeFailure)));
    }
}

#[test]
fn openssl_keys() {
    for kind in [KeyKind::EcdsaP256, KeyKind::EcdsaP384, KeyKind::Ed25519, KeyKind::Rsa] {
        let server = openssl(&PKI.0.localhost(kind), &[]);
        get(&server, config(&PKI.0), "body1").unwrap_or_else(|error| panic!("{kind:?}: {error}"));
    }
    let rsa = PKI.0.localhost(KeyKind::Rsa);
    for scheme in ["rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512"] {
        let server = openssl(&rsa, &["-sigalgs", scheme]);
        get(&server, config(&PKI.0), "body1").unwrap_or_else(|error| panic!("{scheme}: {error}"));
    }
}

#[test]
fn openssl_small_records_padding_and_tickets() {
    check_bodies("small records", &openssl(&PKI.1, &["-max_send_frag", "512"]), &config(&PKI.0));
    check_bodies("padding", &openssl(&PKI.1, &["-record_padding", "256"]), &config(&PKI.0));
    for (count, argument) in [(0, "0"), (2, "2"), (7, "7")] {
        let answers = check_bodies("tickets", &openssl(&PKI.1, &["-num_tickets", argument]), &config(&PKI.0));
        assert!(answers.iter().all(|answer| answer.tickets == count), "{count}");
    }
}

#[test]
fn a_client_certificate_is_asked_for_and_none_is_given() {
    check_bodies("openssl asks", &openssl(&PKI.1, &["-verify", "1"]), &config(&PKI.0));
    let server = openssl(&PKI.1, &["-Verify", "1"]);
    let error = get(&server, config(&PKI.0), "body1").expect_err("the server insists");
    assert!(matches!(error.fault(), Some(Fault::Alert(Alert::CertificateRequired))) || matches!(error, ClientError::Socket(_)), "{error}");
}

#[test]
fn nginx() {
    for (name, group) in GROUPS {
        let server = started(Server::nginx(&PKI.1, &files(&BODIES), name, ""));
        check_bodies(name, &server, &offering(group));
        check_bodies("retry", &server, &offering(&[Group::X25519, Group::Secp256r1]));
        check_bodies("retry", &server, &offering(&[Group::Secp256r1, Group::X25519]));
    }
    let server = started(Server::nginx(&PKI.0.localhost(KeyKind::Rsa), &files(&BODIES), "X25519:P-256", "ssl_buffer_size 600;"));
    check_bodies("RSA and small records", &server, &config(&PKI.0));
}

const GNUTLS: &str = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:";

#[test]
fn gnutls() {
    for (name, client) in [("SECP256R1", &[Group::Secp256r1, Group::X25519]), ("X25519", &[Group::X25519, Group::Secp256r1])] {
        let priority = format!("{GNUTLS}+GROUP-{name}");
        for (response, content) in BODIES.iter() {
            let arguments = ["--http", "--httpdata", response, "--disable-client-cert"];
            let server = started(Server::gnutls(&PKI.1, &[(response, content)], &priority, &arguments));
            for groups in [client.to_vec(), client.iter().rev().copied().collect()] {
                let answer = get(&server, offering(&groups), "").unwrap_or_else(|error| panic!("{name}, {response}: {error}"));
                assert!(answer.body.ends_with(content) && answer.end == End::CloseNotify, "{name}, {response}: another body");
            }
        }
    }
}

#[test]
fn gnutls_small_records_keys_and_client_certificates() {
    let (name, content) = &BODIES[1];
    for kind in [KeyKind::EcdsaP384, KeyKind::Ed25519, KeyKind::Rsa] {
        let arguments = ["--http", "--httpdata", name, "--recordsize", "512"];
        let server = started(Server::gnutls(&PKI.0.localhost(kind), &[(name, content)], &format!("{GNUTLS}+GROUP-ALL"), &arguments));
        // It asks for a client certificate unless told not to.
        let answer = get(&server, config(&PKI.0), "").unwrap_or_else(|error| panic!("{kind:?}: {error}"));
        assert!(answer.body.ends_with(content) && answer.end == End::CloseNotify, "{kind:?}");
    }
}

/// Reads until a record of this length comes, and hands on all that was read.
fn read_until(socket: &mut TcpStream, records: &mut RecordReader, length: usize) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        while let Some(record) = records.next_record().expect("good records") {
            if record.body.len() == length {
                return all;
            }
        }
        let count = socket.read(&mut buffer).expect("the server sends what it was told to");
        assert!(count > 0, "the server closed");
        records.push(&buffer[..count]);
        all.extend(&buffer[..count]);
    }
}

/// Bodies of a record: data, and a KeyUpdate, with content type and tag.
const fn sealed(length: usize) -> usize {
    length + 1 + 16
}

fn talk_to(server: &Server) -> (TcpStream, cotenant_tls::Connection<PlainKeys>) {
    let mut socket = TcpStream::connect(server.address()).expect("it listens");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    let connection = connect(&mut socket, PlainKeys::new(), config(&PKI.0), now()).unwrap_or_else(|error| panic!("{error}"));
    (socket, connection)
}

/// `k` updates the server's key, `K` asks for the client's as well; what follows comes under the new key.
#[test]
fn openssl_updates_its_key_inside_an_answer() {
    let mut server = started(Server::openssl(&PKI.1, &[], &[]));
    let (mut socket, connection) = talk_to(&server);
    let (connection, request) =
        settle(&mut socket, ready(connection.send(vec![Piece::Public(b"?\n".to_vec())], FragmentSize::LARGEST))).expect("sealed");
    socket.write_all(&request).expect("sent");
    let (mut collector, mut records) = (connection.await_answer(LIMITS), RecordReader::default());
    for (command, length) in [("one\n", 4), ("k\n", 5), ("two\n", 4), ("K\n", 5), ("three\n", 6)] {
        server.write(command.as_bytes()).expect("it reads");
        collector = collector.receive(&read_until(&mut socket, &mut records, sealed(length))).expect("good records");
    }
    // It closes TCP without close_notify, and that is what we say.
    server.write(b"Q\n").expect("it reads");
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).expect("the server closes");
    let held = collector.receive(&rest).and_then(|collector| collector.end()).expect("a whole answer");
    let answer = ready(held.open()).expect("it opens");
    assert_eq!((answer.body.as_slice(), answer.end, answer.key_updates), (&b"one\ntwo\nthree\n"[..], End::Truncated, 2));
}

#[test]
fn openssl_updates_its_key_while_we_stream() {
    let mut server = started(Server::openssl(&PKI.1, &[], &[]));
    let (mut socket, connection) = talk_to(&server);
    let mut stream = ready(connection.into_stream()).expect("a stream");
    let mut records = RecordReader::default();
    for round in 1..4 {
        server.write(b"K\n").expect("it reads");
        stream = ready(stream.receive(&read_until(&mut socket, &mut records, sealed(5)))).expect("good records");
        assert_eq!(stream.tickets_and_key_updates().1, round);
        let (next, output) = ready(stream.send(vec![Piece::Public(b"pong\n".to_vec())], FragmentSize::LARGEST)).expect("sealed");
        assert_eq!(output.len(), 2 * (5 + sealed(5)), "our KeyUpdate and the data");
        socket.write_all(&output).expect("sent");
        server.write(b"ping\n").expect("it reads");
        stream = ready(next.receive(&read_until(&mut socket, &mut records, sealed(5)))).expect("good records");
        assert_eq!(stream.take_data(), b"ping\n");
    }
    server.wait_for_output("pong\n", 3);
    server.write(b"Q\n").expect("it reads");
    assert_eq!(close(stream, &mut socket), End::Truncated);
}

fn close(stream: Stream<PlainKeys>, socket: &mut TcpStream) -> End {
    let mut rest = Vec::new();
    socket.read_to_end(&mut rest).expect("the server closes");
    let stream = ready(stream.receive(&rest)).expect("good records");
    stream.end().expect("whole records")
}

/// A megabyte up and down again.
#[test]
fn gnutls_echoes_what_we_stream() {
    let server = started(Server::gnutls(&PKI.1, &[], &format!("{GNUTLS}+GROUP-ALL"), &["--echo", "--disable-client-cert"]));
    let (mut socket, connection) = talk_to(&server);
    let mut stream = ready(connection.into_stream()).expect("a stream");
    let (mut sent, mut received, mut buffer) = (Vec::new(), Vec::new(), [0; 1 << 15]);
    for block in 0..64 {
        let line = [vec![b'a' + block % 26; (1 << 14) - 1], b"\n".to_vec()].concat();
        let (next, output) = ready(stream.send(vec![Piece::Public(line.clone())], FragmentSize::LARGEST)).expect("sealed");
        socket.write_all(&output).expect("sent");
        sent.extend(line);
        stream = next;
        while received.len() < sent.len() {
            let count = socket.read(&mut buffer).expect("it echoes");
            assert!(count > 0, "the server closed");
            stream = ready(stream.receive(&buffer[..count])).expect("good records");
            received.extend(stream.take_data());
        }
    }
    assert!(received == sent);
}
