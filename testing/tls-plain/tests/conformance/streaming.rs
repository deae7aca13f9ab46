//! Streaming both ways, with key updates in both directions.

use crate::cases::PKI;
use crate::memory::{Server, config, handshake, target};
use crate::rustls_peer::{Rustls, server_config};
use cotenant_tls::{End, Error, FragmentSize, Group, Misuse, Piece, Stream, Violation};
use cotenant_tls_plain::{PlainKeys, ready};
use std::io::Write;

type Quiet = fn(&mut rustls::ServerConnection, &[u8]);

fn connected() -> (Stream<PlainKeys>, Rustls<Quiet>) {
    let quiet: Quiet = |_, _| ();
    let mut peer = Rustls::new(server_config(&PKI.1, &[Group::X25519]), quiet);
    let Ok((connection, finished)) = handshake(PlainKeys::new(), config(&PKI.0), target("localhost"), &mut peer) else {
        panic!("no handshake")
    };
    let first = peer.feed(&finished);
    let stream = ready(connection.into_stream()).and_then(|stream| ready(stream.receive(&first))).expect("a stream");
    (stream, peer)
}

fn say(stream: Stream<PlainKeys>, text: &str) -> (Stream<PlainKeys>, Vec<u8>) {
    ready(stream.send(vec![Piece::Public(text.into())], FragmentSize::LARGEST)).expect("sealed")
}

#[test]
fn key_updates_in_both_directions() {
    let (mut stream, mut peer) = connected();
    for round in 0..4 {
        // rustls asks for ours in return (update_requested).
        peer.session.refresh_traffic_keys().expect("TLS 1.3 has key updates");
        peer.session.writer().write_all(b"ping").expect("writes to memory");
        stream = ready(stream.receive(&peer.feed(&[]))).expect("an honest server");
        assert_eq!(stream.take_data(), b"ping");
        assert_eq!(stream.tickets_and_key_updates().1, round + 1);
        let (next, output) = say(stream, "pong");
        // A KeyUpdate of 5 bytes stands in front of the data, each in its record.
        assert_eq!(output.len(), (5 + 5 + 1 + 16) + (5 + 4 + 1 + 16));
        assert!(peer.feed(&output).is_empty());
        let (next, output) = say(next, "pong");
        assert_eq!(output.len(), 5 + 4 + 1 + 16, "one request is answered once");
        peer.feed(&output);
        assert_eq!(std::mem::take(&mut peer.received), b"pongpong");
        stream = next;
    }
}

#[test]
fn closing_in_both_directions() {
    let (stream, mut peer) = connected();
    let (stream, output) = ready(stream.close()).expect("sealed");
    peer.feed(&output);
    peer.session.writer().write_all(b"after your end").expect("writes to memory");
    peer.session.send_close_notify();
    let mut stream = ready(stream.receive(&peer.feed(&[]))).expect("half-closed connections still receive");
    assert_eq!(stream.take_data(), b"after your end");
    assert!(stream.closed_by_server());
    let (stream, output) = ready(stream.close()).expect("closed already");
    assert!(output.is_empty());
    assert_eq!(stream.end().expect("an orderly end"), End::CloseNotify);
}

#[test]
fn nothing_is_sent_after_our_close_notify() {
    let (stream, _) = connected();
    let (stream, _) = ready(stream.close()).expect("sealed");
    let Err(failure) = ready(stream.send(vec![Piece::Public(b"x".to_vec())], FragmentSize::LARGEST)) else { panic!("it was sent") };
    assert!(matches!(failure.error, Error::Caller(Misuse::SendAfterClose)) && failure.output.is_empty());
}

#[test]
fn the_end_of_tcp_alone_and_inside_a_record() {
    let (stream, _) = connected();
    assert_eq!(stream.end().expect("between records"), End::Truncated);
    let (stream, _) = connected();
    let stream = ready(stream.receive(&[23, 3, 3])).expect("not wrong yet");
    let failure = stream.end().expect_err("inside a record");
    assert_eq!(failure.error.fault(), Some(&Violation::CutInsideRecord.into()));
}

#[test]
fn an_error_of_the_server_is_answered_with_an_alert() {
    let (stream, _) = connected();
    let Err(failure) = ready(stream.receive(&[&[23, 3, 3, 0, 17][..], &[0; 17]].concat())) else { panic!("a forged record passes") };
    assert_eq!(failure.error.fault(), Some(&Violation::BadRecordMac.into()));
    assert!(failure.output.len() == 24 && failure.output[0] == 23);
}
