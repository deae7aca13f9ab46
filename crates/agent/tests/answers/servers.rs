//! Real servers: what each sends around an answer, and that the rules read it, while the planted secret is in nothing that any party was
//! told.

use crate::conversation::{Held, PKI, converse};
use crate::oracle::{Oracle, Told};
use cotenant_agent::answer::{Read, Refusal};
use cotenant_agent::http::{self, End};
use cotenant_agent::redact::framing::Delimiter;
use cotenant_agent::redact::{Action, Policy, Rules};
use cotenant_tls_plain::servers::{Server, StartError};
use std::time::Duration;

pub(crate) const SECRET: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY40";
pub(crate) const ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const POLICY: &str =
    "keep secret in xml \"SecretAccessKey\" chars [A-Za-z0-9+/=] len 40\nopen id in xml \"AccessKeyId\" chars alnum len 16..128";

pub(crate) fn rules(text: &str) -> Rules {
    match Policy::parse(text) {
        Ok(Policy::Rules(rules)) => rules,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn content() -> String {
    format!(
        "<Response><AccessKeyId>{ID}</AccessKeyId><Filler>{}</Filler><SecretAccessKey>{SECRET}</SecretAccessKey></Response>",
        "0123456789".repeat(70)
    )
}

/// A whole response, for servers that serve files as such.
pub(crate) fn response() -> String {
    let content = content();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX: y\r\n\r\n{content}", content.len())
}

pub(crate) fn started(server: Result<Server, StartError>) -> Server {
    server.unwrap_or_else(|error| panic!("{error}"))
}

const GET: &str = "GET /answer HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n";

/// Neither the secret nor a half of it, as it is, in hex or in base64, is in anything that was told.
pub(crate) fn assert_untold(told: &[Told]) {
    let all = format!("{told:?}").to_lowercase();
    let bytes: Vec<u8> = told
        .iter()
        .flat_map(|told| match told {
            Told::Content(bytes) | Told::Value(bytes) => bytes.clone(),
            Told::HashKey(block) => block.to_vec(),
            Told::TagMasks(masks) => masks.concat(),
            _ => vec![],
        })
        .collect();
    for part in [SECRET, &SECRET[..20], &SECRET[20..], &SECRET[12..28]] {
        assert!(!bytes.windows(part.len()).any(|window| window == part.as_bytes()), "{part}");
        let hex: String = part.bytes().map(|byte| format!("{byte:02x}")).collect();
        let list = format!("{:?}", part.as_bytes());
        for written in [part.to_lowercase(), hex, list.trim_matches(['[', ']']).to_owned()] {
            assert!(!all.contains(&written), "{written}");
        }
    }
}

/// Reads what is held as the rules say, and compares it with what one who opens everything reads.
fn check(what: &str, held: Held, policy: &str) -> (Read, Vec<Told>) {
    let rules = rules(policy);
    let mut oracle = Oracle::new(held.key, &rules, &held.records);
    let read = oracle.read(held.records, false).unwrap_or_else(|refusal| panic!("{what}: {refusal:?}"));
    let truth = held.answer.unwrap_or_else(|| panic!("{what}: it is no answer"));
    let end = if truth.end == cotenant_tls::End::CloseNotify { End::CloseNotify } else { End::Open };
    let response = http::parse(&truth.body, "GET", end).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!((read.framing.status, read.end, read.tickets as u64), (response.status, end, truth.tickets), "{what}");
    let text: Vec<u8> = read.framing.content.iter().flat_map(|range| truth.body[range.clone()].to_vec()).collect();
    assert_eq!(text, response.body, "{what}");
    let kept: Vec<_> = read.found.iter().filter(|f| rules[f.rule].action == Action::Keep).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(oracle.kept(kept[0]), SECRET.as_bytes(), "{what}: the wires hold the secret");
    assert_untold(&oracle.told);
    (read, oracle.told)
}

fn opened(read: &Read) -> Vec<(&str, &str)> {
    read.opened.iter().map(|(name, value)| (&name[..], std::str::from_utf8(value).expect("text"))).collect()
}

#[test]
fn openssl_with_tickets_padding_and_small_records() {
    let response = response();
    for (what, arguments, tickets, records) in [
        ("two tickets", &[][..], 2, 3..5),
        ("seven tickets", &["-num_tickets", "7"], 7, 8..10),
        ("no tickets", &["-num_tickets", "0"], 0, 1..3),
        ("padding", &["-record_padding", "512"], 2, 3..5),
        ("512-byte records", &["-max_send_frag", "512"], 2, 4..9),
        ("both", &["-max_send_frag", "512", "-record_padding", "300"], 2, 4..9),
    ] {
        let server = started(Server::openssl(&PKI.1, &[("answer", response.as_bytes())], &[&["-HTTP"], arguments].concat()));
        let held = converse(&server.address(), GET, || {});
        assert!(records.contains(&held.records.len()), "{what}: {} records", held.records.len());
        let padded = held.records.iter().any(|record| [300, 512].iter().any(|block| (record.body.len() - 16) % block == 0));
        assert_eq!(padded, arguments.contains(&"-record_padding"), "{what}");
        let (read, told) = check(what, held, POLICY);
        assert_eq!((opened(&read), read.tickets, read.framing.delimiter), (vec![("id", ID)], tickets, Delimiter::Length), "{what}");
        // What is told, in order: keys of tags, ends of records, other records, framing, the policy's one bit, places, opened values.
        let order = |told: &Told| match told {
            Told::HashKey(_) => 0,
            Told::TagMasks(_) => 1,
            Told::Last(_) => 2,
            Told::Content(_) => 3,
            Told::Head(_) | Told::Chunk(_) | Told::LineEnd(_) => 4,
            Told::Fits(_) => 5,
            Told::Places(_) => 6,
            Told::Value(_) => 7,
        };
        assert!(told.is_sorted_by_key(order), "{what}");
        assert_eq!(told.iter().filter(|told| matches!(told, Told::Fits(true) | Told::Places(_) | Told::Value(_))).count(), 3, "{what}");
    }
}

/// It keeps the connection open, so nothing but the length tells where the answer ends; with chunks it is the last one.
#[test]
fn nginx_with_kept_connections_chunks_and_a_cookie() {
    let content = content();
    let files = [("answer", content.as_bytes())];
    let kept = GET.replace("close", "keep-alive");
    let cookie = format!("add_header Set-Cookie \"sessionid={SECRET}; Path=/\";");
    let keep_cookie = "keep sid in header \"Set-Cookie: sessionid=\" chars alnum len 40 \";\"";
    for (what, directives, request, policy, delimiter, end) in [
        ("kept", "", &kept[..], POLICY, Delimiter::Length, End::Open),
        ("closed", "", GET, POLICY, Delimiter::Length, End::CloseNotify),
        ("small records", "ssl_buffer_size 300;", &kept, POLICY, Delimiter::Length, End::Open),
        ("chunks, kept", "ssi on; ssi_types *;", &kept, POLICY, Delimiter::Chunked, End::Open),
        ("chunks in small records", "ssi on; ssi_types *; ssl_buffer_size 200;", &kept, POLICY, Delimiter::Chunked, End::Open),
        ("a cookie", &cookie, &kept, keep_cookie, Delimiter::Length, End::Open),
    ] {
        let directives = format!("keepalive_timeout 20s; {directives}");
        let server = started(Server::nginx(&PKI.1, &files, "X25519:P-256", &directives));
        let (read, _) = check(what, converse(&server.address(), request, || {}), policy);
        assert_eq!((read.framing.delimiter, read.end), (delimiter, end), "{what}");
    }
    // An answer that the policy's author has not seen.
    let server = started(Server::nginx(&PKI.1, &files, "X25519:P-256", ""));
    let held = converse(&server.address(), &GET.replace("/answer", "/nothing"), || {});
    let mut oracle = Oracle::new(held.key, &rules(POLICY), &held.records);
    assert_eq!(oracle.read(held.records, false).err(), Some(Refusal::Policy { status: 404 }));
    assert_eq!(oracle.told.last(), Some(&Told::Fits(false)));
}

const GNUTLS: &str = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-SECP256R1:+GROUP-X25519";

/// Its tickets come with its Finished, in the same bytes: they are the first records of the answer.
#[test]
fn gnutls_sends_tickets_with_its_finished() {
    let content = content();
    let arguments = ["--http", "--httpdata", "answer", "--disable-client-cert"];
    let server = started(Server::gnutls(&PKI.1, &[("answer", content.as_bytes())], GNUTLS, &arguments));
    let (read, _) = check("gnutls", converse(&server.address(), GET, || {}), POLICY);
    assert_eq!((opened(&read), read.framing.delimiter, read.end), (vec![("id", ID)], Delimiter::Length, End::CloseNotify));
    assert!(read.tickets > 0);
}

#[test]
fn an_answer_that_ends_by_closing() {
    let response = format!("HTTP/1.0 200 OK\r\nX: y\r\n\r\n{}", content());
    let server = started(Server::openssl(&PKI.1, &[("answer", response.as_bytes())], &["-HTTP"]));
    let (read, _) = check("close", converse(&server.address(), GET, || {}), POLICY);
    assert_eq!((opened(&read), read.framing.delimiter, read.end), (vec![("id", ID)], Delimiter::Close, End::CloseNotify));
}

/// Behind a KeyUpdate the server's records are of another generation, whose keys were not opened: they are not authentic. One at the end is
/// found when types are.
#[test]
fn a_key_update_inside_an_answer_ends_it_before_anything_is_seen() {
    let response = response();
    let (first, second) = response.split_at(300);
    for (what, after, refusal) in [("inside", second, "Tag"), ("at the end", "", "KeyUpdate")] {
        let mut server = started(Server::openssl(&PKI.1, &[], &[]));
        let address = server.address();
        let held = converse(&address, GET, || {
            // Each piece is a record if the server has read it before the next one comes.
            for piece in [first, "k\n", after, "Q\n"] {
                server.write(piece.as_bytes()).expect("it reads");
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let mut oracle = Oracle::new(held.key, &rules(POLICY), &held.records);
        let found = oracle.read(held.records, false).err();
        assert!(format!("{found:?}").contains(refusal), "{what}: {found:?}");
        assert!(!oracle.told.iter().any(|told| matches!(told, Told::Head(_) | Told::Fits(_))), "{what}");
        assert_untold(&oracle.told);
    }
}
