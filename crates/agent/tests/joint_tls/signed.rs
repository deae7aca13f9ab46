//! A request signed inside MPC by a key that no party holds: the server receives the very bytes that one holder of the whole key would send.

use crate::parties::{BOTH, PKI, Run, response};
use crate::servers::{Rustls, rustls_config};
use cotenant_agent::call::{Call, CallError, Content, Key, SignedRequest, Stage};
use cotenant_agent::http::Request;
use cotenant_agent::sign::plain::signature_with_whole_key;
use cotenant_agent::sign::sigv4::{Scope, Style, prepare};
use cotenant_cluster::session_rng;
use cotenant_core::PartyId;
use cotenant_mpc::Phase;
use cotenant_tls::Answer;
use rand_core::Rng;

const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";

fn request() -> Request {
    let mut request = Request::new("PUT", "localhost", 443, "/bucket/an%20object?x=1").expect("a request");
    request.set_body(b"what is stored".to_vec());
    request
}

fn scope() -> Scope {
    Scope::new("s3", "us-east-1", "20150830T123600Z".parse().expect("a time")).expect("a scope")
}

fn share(party: PartyId) -> Vec<u8> {
    let mut bytes = vec![0; 40];
    session_rng(77, party).fill_bytes(&mut bytes);
    bytes
}

fn signed(share: Vec<u8>) -> Content {
    let (request, scope, access_key_id) = (request(), scope(), ACCESS_KEY_ID.to_owned());
    Content::Signed(Box::new(SignedRequest { request, scope, style: Style::S3, access_key_id, key: Key::Share(share.into()) }))
}

/// What the holder of all `n` shares would send.
fn expected(n: usize) -> Vec<u8> {
    let mut secret = vec![0; 40];
    PartyId::all(n).for_each(|p| secret.iter_mut().zip(share(p)).for_each(|(s, byte)| *s ^= byte));
    let mut request = request();
    let to_sign = prepare(&mut request, &scope(), Style::S3).expect("it can be signed");
    let signature = signature_with_whole_key(&secret, &to_sign);
    let prefix = to_sign.authorization_prefix(ACCESS_KEY_ID).expect("an id");
    let (before, after) = request.encode_around_hole("Authorization", &prefix).expect("a header");
    [&before[..], &signature, &after].concat()
}

fn run(n: usize, connector: usize) -> Run {
    Run::new(n, connector).but(|me, call| call.content = signed(share(me)))
}

fn check(results: Vec<Result<Answer, CallError>>) {
    results.iter().for_each(|r| assert_eq!(response(r).map(|r| r.status), Some(200), "{r:?}"));
}

fn server() -> Rustls {
    Rustls::new(rustls_config(&PKI.1, &BOTH), &[b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
}

#[test]
fn the_server_receives_the_signature_of_the_whole_key() {
    for (n, connector) in [(2, 0), (2, 1), (3, 0), (3, 2), (4, 1)] {
        let server = server();
        let received = server.received();
        check(run(n, connector).ideal(server).into_iter().map(|e| e.result).collect());
        let received = received.lock().expect("all have ended").clone();
        assert_eq!(String::from_utf8(received), String::from_utf8(expected(n)), "{n} parties");
    }
}

#[test]
fn so_it_does_on_the_real_engine() {
    let server = server();
    let received = server.received();
    let (results, stages): (Vec<_>, Vec<_>) = run(2, 1).real(server).into_iter().unzip();
    check(results);
    assert_eq!(*received.lock().expect("all have ended"), expected(2));
    // The first party evaluates, the second garbles: AND gates of the call, bytes sent and rounds of signing.
    for (stages, (ands, bytes, rounds)) in stages.into_iter().zip([(1_461_567, 54_096, 3), (1_461_567, 108_636, 3)]) {
        let signing = stages.iter().find(|(stage, _)| *stage == Stage::Sign).expect("it is signed").1.phase(Phase::Online);
        let all = stages.last().expect("stages").1.ands;
        assert_eq!((all, signing.sent_bytes, signing.rounds), (ands, bytes, rounds));
    }
}

/// A party with another share makes another signature, and nobody can tell whose share it was but the server that refuses.
#[test]
fn another_share_makes_another_signature() {
    let server = server();
    let received = server.received();
    let wrong = |me: PartyId, call: &mut Call| call.content = signed(share(PartyId::new(2 * me.index())));
    check(Run::new(2, 0).but(wrong).ideal(server).into_iter().map(|e| e.result).collect());
    let (received, expected) = (received.lock().expect("all have ended").clone(), expected(2));
    let differing: Vec<usize> = (0..expected.len()).filter(|&at| received[at] != expected[at]).collect();
    let start = expected.windows(10).position(|w| w == b"Signature=").expect("it stands there") + 10;
    assert!(received.len() == expected.len() && !differing.is_empty());
    assert!(differing.iter().all(|at| (start..start + 64).contains(at)), "only the signature differs");
}

#[test]
fn a_share_of_another_length_is_refused_before_anything_is_prepared() {
    for (me, length) in [(0, 39), (1, 41), (1, 0)] {
        let change = move |party: PartyId, call: &mut Call| {
            call.content = signed(if party.index() == me { vec![1; length] } else { share(party) });
        };
        for ended in Run::new(2, 0).but(change).ideal(server()) {
            match ended.result {
                Err(CallError::Share { found }) => assert_eq!((ended.party.index(), found), (me, length)),
                Err(CallError::Mpc(_)) => assert_ne!(ended.party.index(), me),
                other => panic!("{other:?}"),
            }
        }
    }
}
