//! What the protocol allows, and servers do: none of it may be refused.

use crate::cases::*;
use cotenant_tls::record::ContentType::{Alert, ApplicationData, Handshake};
use cotenant_tls::{Answer, End, Group};
use cotenant_tls_plain::scripted::{Level, Outgoing, Stage, extension, handshake, vector};

#[test]
fn what_the_protocol_allows_passes() {
    let answer = |body: &[u8], tickets, key_updates| Answer { body: body.to_vec(), end: End::CloseNotify, tickets, key_updates };
    let key_update = Outgoing::application(Handshake, &[24, 0, 0, 1, 1]);
    let ticket = handshake(4, &[&[0; 8][..], &vector(1, &[0]), &vector(2, &[7; 9]), &vector(2, &extension(42, &[0; 4]))].concat());
    let close = || Outgoing::application(Alert, &[1, 0]);
    let data = |bytes: &[u8]| Outgoing::application(ApplicationData, bytes);
    let cases = [
        ("the plainest server", Case::default(), answer(b"answer", 0, 0)),
        ("x25519", Case::default().offering(Group::X25519), answer(b"answer", 0, 0)),
        ("a retry for a group", retried(Some(Group::X25519), None), answer(b"answer", 0, 0)),
        ("a retry for a cookie", retried(None, Some(vec![7; 4096])), answer(b"answer", 0, 0)),
        ("a retry for both", retried(Some(Group::X25519), Some(vec![7])), answer(b"answer", 0, 0)),
        ("a certificate request", replaced(Stage::CertificateRequest, 13, certificate_request()), answer(b"answer", 0, 0)),
        ("server_name, groups and ALPN", encrypted_extensions(agreed()), answer(b"answer", 0, 0)),
        ("change_cipher_spec anywhere", inserted(1, raw(&[20, 3, 3, 0, 1, 1])), answer(b"answer", 0, 0)),
        ("user_canceled by itself", inserted(1, Outgoing::Record(Level::Handshake, Alert, vec![1, 90], 0)), answer(b"answer", 0, 0)),
        ("the flight in one record", shaped(join), answer(b"answer", 0, 0)),
        ("the flight a byte a record", shaped(scatter), answer(b"answer", 0, 0)),
        ("padding", shaped(|flight| pad(flight)), answer(b"answer", 0, 0)),
        ("half-RTT data", shaped(|flight| flight.push(Outgoing::application(ApplicationData, b"early "))), answer(b"early answer", 0, 0)),
        ("empty data", answered(vec![data(b""), data(b"a"), data(b""), close()]), answer(b"a", 0, 0)),
        ("the longest record", answered(vec![data(&[5; 1 << 14]), close()]), answer(&[5; 1 << 14], 0, 0)),
        (
            "the most padding",
            answered(vec![Outgoing::Record(Level::Application, ApplicationData, vec![], 1 << 14), close()]),
            answer(b"", 0, 0),
        ),
        ("tickets in one record", answered(vec![Outgoing::application(Handshake, &ticket.repeat(2)), close()]), answer(b"", 2, 0)),
        (
            "key updates",
            answered(vec![
                data(b"a"),
                key_update.clone(),
                Outgoing::NextKey,
                data(b"b"),
                key_update,
                Outgoing::NextKey,
                data(b"c"),
                close(),
            ]),
            answer(b"abc", 0, 2),
        ),
    ];
    for (what, case, expected) in cases {
        assert_eq!(case.run().unwrap_or_else(|failed| panic!("{what}: {failed:?}")), expected, "{what}");
    }
}

/// Extensions that may stand in EncryptedExtensions.
fn agreed() -> Vec<u8> {
    [extension(0, &[]), extension(10, &[0, 2, 0, 0x1d]), extension(16, &[&[0, 9, 8][..], b"http/1.1"].concat())].concat()
}

/// All of the flight behind ServerHello in one record.
fn join(flight: &mut Vec<Outgoing>) {
    let rest: Vec<u8> = flight.drain(1..).flat_map(|record| content(&record)).collect();
    flight.push(Outgoing::Record(Level::Handshake, Handshake, rest, 0));
}

fn scatter(flight: &mut Vec<Outgoing>) {
    let hello: Vec<Outgoing> = content(&flight[0]).iter().map(|&byte| plain(Handshake, &[byte])).collect();
    let rest = flight[1..].iter().flat_map(content).map(|byte| Outgoing::Record(Level::Handshake, Handshake, vec![byte], 0));
    *flight = hello.into_iter().chain(rest).collect();
}

fn pad(flight: &mut [Outgoing]) {
    for record in &mut flight[1..] {
        if let Outgoing::Record(_, _, _, padding) = record {
            *padding = 100;
        }
    }
}

fn content(record: &Outgoing) -> Vec<u8> {
    match record {
        Outgoing::Record(_, _, content, _) => content.clone(),
        other => panic!("no record: {other:?}"),
    }
}
