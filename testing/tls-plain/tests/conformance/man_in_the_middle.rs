//! Whoever carries the bytes changes, drops, repeats, reorders, injects and cuts them, at every place there is: the result is an error, or
//! exactly what the server said as far as it came, and never anything else.
//!
//! The client's randomness comes from a seed, so a recorded server meets it again and every run differs in the one change alone. Only what
//! TLS leaves open passes: the version in the header of an unprotected record is ignored (RFC 8446 section 5.1), and compatibility records
//! may come and go (section 5 and appendix D.4).

use crate::cases::PKI;
use crate::memory::{Failed, LIMITS, Server, config, target};
use crate::rustls_peer::{Rustls, server_config};
use cotenant_tls::record::{ContentType, RecordReader};
use cotenant_tls::{Answer, AnswerDigest, End, FragmentSize, Group, Handshake, Piece, Progress, Violation};
use cotenant_tls_plain::pki::{Identity, KeyKind};
use cotenant_tls_plain::{PlainKeys, ready};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::io::Write;
use std::sync::LazyLock;

const SEED: [u8; 32] = [0xa5; 32];

fn body() -> Vec<u8> {
    (0..40u8).collect()
}

/// What the server sent: up to its Finished, and behind it.
struct Recording {
    flight: Vec<u8>,
    answer: Vec<u8>,
}

static IDENTITY: LazyLock<Identity> = LazyLock::new(|| PKI.0.localhost(KeyKind::Ed25519));

/// The answer comes in three records of data and a close_notify.
fn record(server_groups: &[Group]) -> Recording {
    let in_three_records = |session: &mut rustls::ServerConnection, _: &[u8]| {
        body().chunks(16).for_each(|part| session.writer().write_all(part).expect("writes to memory"));
        session.send_close_notify();
    };
    let mut server = server_config(&IDENTITY, server_groups);
    server.max_fragment_size = Some(400); // the flight in several records
    let mut peer = Rustls::new(server, in_three_records);
    let (mut handshake, mut output) =
        ready(Handshake::start(PlainKeys::from_seed(SEED), config(&PKI.0), target("localhost"))).expect("a hello");
    let mut flight = Vec::new();
    loop {
        let input = peer.feed(&output);
        flight.extend(&input);
        match ready(handshake.receive(&input)).expect("an honest server") {
            (Progress::Pending(pending), next) => (handshake, output) = (pending, next),
            (Progress::Established(connection), finished) => {
                let (_, request) = ready(connection.send(vec![Piece::Public(b"?".to_vec())], FragmentSize::LARGEST)).expect("sealed");
                return Recording { flight, answer: peer.feed(&[finished, request].concat()) };
            }
        }
    }
}

static DIRECT: LazyLock<Recording> = LazyLock::new(|| record(&[Group::Secp256r1]));
static RETRIED: LazyLock<Recording> = LazyLock::new(|| record(&[Group::X25519]));

/// The same client meets these bytes.
fn replay(flight: &[u8], answer: &[u8]) -> Result<Answer, Failed> {
    let (handshake, _) = ready(Handshake::start(PlainKeys::from_seed(SEED), config(&PKI.0), target("localhost")))?;
    let connection = match ready(handshake.receive(flight))? {
        (Progress::Pending(pending), _) => return Err(pending.end().into()),
        (Progress::Established(connection), _) => connection,
    };
    let (connection, _) = ready(connection.send(vec![Piece::Public(b"?".to_vec())], FragmentSize::LARGEST))?;
    let held = connection.await_answer(LIMITS).receive(answer)?.end()?;
    Ok(ready(held.open())?)
}

/// The whole records in a stream, and their offsets.
fn records(stream: &[u8]) -> Vec<(usize, ContentType, Vec<u8>)> {
    let mut reader = RecordReader::default();
    reader.push(stream);
    let mut offset = 0;
    std::iter::from_fn(|| {
        let record = reader.next_record().expect("good records")?;
        let whole = [&record.header[..], &record.body].concat();
        let start = offset;
        offset += whole.len();
        Some((start, record.kind, whole))
    })
    .collect()
}

fn whole(answer: &Answer) -> bool {
    answer.body == body() && answer.end == End::CloseNotify
}

/// Offsets of version bytes of unprotected records: 1 and 2 in each header.
fn is_ignored_version(stream: &[u8], position: usize) -> bool {
    let found = records(stream).into_iter().rfind(|(start, _, _)| *start <= position).expect("a record there");
    found.1 != ContentType::ApplicationData && (1..3).contains(&(position - found.0))
}

#[test]
fn the_recordings_are_what_they_should_be() {
    for recording in [&*DIRECT, &*RETRIED] {
        assert!(whole(&replay(&recording.flight, &recording.answer).expect("nothing was changed")));
        assert_eq!(records(&recording.answer).len(), 4);
    }
    let hellos = |recording: &Recording| records(&recording.flight).iter().filter(|(_, kind, _)| *kind == ContentType::Handshake).count();
    assert_eq!((hellos(&DIRECT), hellos(&RETRIED)), (1, 2));
}

#[test]
fn every_changed_byte_of_a_flight_is_an_error() {
    for recording in [&*DIRECT, &*RETRIED] {
        for position in 0..recording.flight.len() {
            for flip in [0x01, 0x80] {
                let mut changed = recording.flight.clone();
                changed[position] ^= flip;
                let result = replay(&changed, &recording.answer);
                match result {
                    Err(failed) => drop(failed.fault().section()),
                    Ok(answer) => {
                        assert!(is_ignored_version(&recording.flight, position) && whole(&answer), "byte {position} is not protected")
                    }
                }
            }
        }
    }
}

#[test]
fn every_changed_byte_of_an_answer_is_an_error() {
    for position in 0..DIRECT.answer.len() {
        for flip in [0x01, 0x80] {
            let mut changed = DIRECT.answer.clone();
            changed[position] ^= flip;
            replay(&DIRECT.flight, &changed).expect_err("every byte of an answer is authenticated");
        }
    }
}

#[test]
fn a_flight_cut_anywhere_is_an_error() {
    for recording in [&*DIRECT, &*RETRIED] {
        for length in 0..recording.flight.len() {
            let failed = replay(&recording.flight[..length], &recording.answer).expect_err("the flight is not whole");
            assert_eq!(failed.violation(), Violation::CutInsideHandshake);
        }
    }
}

#[test]
fn an_answer_cut_anywhere_is_an_error_or_is_known_to_be_cut() {
    let boundaries: Vec<usize> = records(&DIRECT.answer).iter().map(|(start, _, _)| *start).collect();
    for length in 0..DIRECT.answer.len() {
        match replay(&DIRECT.flight, &DIRECT.answer[..length]) {
            Err(failed) => {
                assert!(!boundaries.contains(&length));
                assert_eq!(failed.violation(), Violation::CutInsideRecord);
            }
            Ok(answer) => {
                assert!(boundaries.contains(&length));
                assert!(answer.end == End::Truncated && body().starts_with(&answer.body), "{length}");
            }
        }
    }
}

/// The streams that drop, repeat or swap records, or put something in front of one; and whether only compatibility records moved.
fn rearranged(stream: &[u8], foreign: &[Vec<u8>]) -> Vec<(String, Vec<u8>, bool)> {
    let records = records(stream);
    let join = |records: Vec<&[u8]>| records.concat();
    let is_compatibility = |index: usize| records[index].1 == ContentType::ChangeCipherSpec;
    let all: Vec<&[u8]> = records.iter().map(|(_, _, record)| record.as_slice()).collect();
    let mut out = Vec::new();
    for index in 0..all.len() {
        let (before, after) = all.split_at(index);
        out.push((format!("drop {index}"), join([before, &after[1..]].concat()), is_compatibility(index)));
        out.push((format!("repeat {index}"), join([before, &after[..1], after].concat()), is_compatibility(index)));
        for later in index + 1..all.len() {
            let mut swapped = all.clone();
            swapped.swap(index, later);
            // Moved before the server's Finished and not behind it.
            let harmless = (index..=later).filter(|&at| !is_compatibility(at)).count() <= 1 && swapped.last() == all.last();
            out.push((format!("swap {index} and {later}"), join(swapped), harmless));
        }
        for (number, record) in foreign.iter().enumerate() {
            out.push((format!("inject {number} at {index}"), join([before, &[record], after].concat()), false));
        }
    }
    out
}

/// Records that the server never sent at that place: forged, from its other phase, or of no protection at all.
fn foreign() -> Vec<Vec<u8>> {
    let mut forged = vec![23, 3, 3, 0, 40];
    forged.extend([0x5a; 40]);
    vec![
        forged,
        records(&DIRECT.answer)[0].2.clone(),
        records(&DIRECT.flight).last().expect("a record").2.clone(),
        vec![21, 3, 3, 0, 2, 2, 40],
        vec![21, 3, 3, 0, 2, 1, 0],
        vec![22, 3, 3, 0, 4, 0, 0, 0, 0],
        vec![22, 3, 3, 0, 5, 24, 0, 0, 1, 0],
        vec![20, 3, 3, 0, 1, 2],
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
    ]
}

#[test]
fn rearranged_flights_are_errors() {
    for recording in [&*DIRECT, &*RETRIED] {
        for (what, changed, harmless) in rearranged(&recording.flight, &foreign()) {
            match replay(&changed, &recording.answer) {
                Err(failed) => assert!(!harmless, "{what}: {failed:?}"),
                Ok(answer) => assert!(harmless && whole(&answer), "{what} passes"),
            }
        }
    }
}

#[test]
fn rearranged_answers_are_errors() {
    let last = records(&DIRECT.answer).len() - 1;
    for (what, changed, _) in rearranged(&DIRECT.answer, &[foreign(), vec![vec![20, 3, 3, 0, 1, 1]]].concat()) {
        let result = replay(&DIRECT.flight, &changed);
        if what == format!("drop {last}") {
            // Without its close_notify the answer is known to be cut.
            assert_eq!(result.expect("what came is good").end, End::Truncated);
        } else {
            result.expect_err(&what);
        }
    }
}

#[test]
fn genuine_and_forged_tails_behind_the_end_are_errors() {
    for tail in foreign().into_iter().chain([DIRECT.answer.clone(), vec![23], vec![0]]) {
        replay(&DIRECT.flight, &[&DIRECT.answer[..], &tail].concat()).expect_err("bytes behind close_notify");
    }
}

#[test]
fn one_session_is_of_no_use_in_another() {
    for (flight, answer) in [(&DIRECT.flight, &RETRIED.answer), (&RETRIED.flight, &DIRECT.answer)] {
        assert_eq!(replay(flight, answer).expect_err("another session's answer").violation(), Violation::BadRecordMac);
    }
    let other = record(&[Group::Secp256r1]);
    assert_eq!(replay(&DIRECT.flight, &other.answer).expect_err("another session's answer").violation(), Violation::BadRecordMac);
}

/// Overwrites, removes, doubles or adds a few bytes somewhere.
fn mangle(rng: &mut ChaCha20Rng, bytes: &mut Vec<u8>) {
    for _ in 0..=rng.next_u32() % 3 {
        let at = rng.next_u32() as usize % bytes.len();
        let end = (at + 1 + rng.next_u32() as usize % 8).min(bytes.len());
        match rng.next_u32() % 4 {
            0 => bytes[at..end].iter_mut().for_each(|byte| *byte = rng.next_u32() as u8),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            _ => bytes.insert(at, rng.next_u32() as u8),
        }
    }
}

#[test]
fn mangled_streams_never_give_what_was_not_said() {
    let mut rng = ChaCha20Rng::from_seed([0x3c; 32]);
    let mut refused = 0;
    for _ in 0..3000 {
        let (mut flight, mut answer) = (RETRIED.flight.clone(), RETRIED.answer.clone());
        if rng.next_u32().is_multiple_of(2) {
            mangle(&mut rng, &mut flight)
        } else {
            mangle(&mut rng, &mut answer)
        }
        match replay(&flight, &answer) {
            Err(_) => refused += 1,
            // Nothing changed after all, or what is ignored, or a whole number of records at the end.
            Ok(answer) => assert!(body().starts_with(&answer.body) && (whole(&answer) || answer.end == End::Truncated)),
        }
    }
    assert!(refused > 2800, "only {refused} of 3000 were refused");
}

/// What two clients with the same randomness would compare before the answer is opened.
fn digest(flight: &[u8], request: &[u8], answer: &[u8], chunk: usize) -> AnswerDigest {
    let (mut handshake, _) = ready(Handshake::start(PlainKeys::from_seed(SEED), config(&PKI.0), target("localhost"))).expect("a hello");
    let mut chunks = flight.chunks(chunk);
    let connection = loop {
        match ready(handshake.receive(chunks.next().expect("the flight is whole"))).expect("an honest server") {
            (Progress::Pending(pending), _) => handshake = pending,
            (Progress::Established(connection), _) => break connection,
        }
    };
    let (connection, _) = ready(connection.send(vec![Piece::Public(request.to_vec())], FragmentSize::LARGEST)).expect("sealed");
    let collector = connection.await_answer(LIMITS);
    let collector = answer.chunks(chunk).try_fold(collector, |collector, part| collector.receive(part)).expect("whole records");
    collector.end().expect("whole records").digest()
}

#[test]
fn parties_that_were_shown_different_bytes_know_it_before_anything_is_opened() {
    let honest = digest(&DIRECT.flight, b"?", &DIRECT.answer, 1 << 14);
    for chunk in [1, 3, 100] {
        assert_eq!(digest(&DIRECT.flight, b"?", &DIRECT.answer, chunk), honest);
    }
    // Even what passes: the version of an unprotected record, a compatibility record less, a last record less.
    let mut version = DIRECT.flight.clone();
    version[2] ^= 1;
    let compatibility = records(&DIRECT.flight).into_iter().filter(|(_, kind, _)| *kind != ContentType::ChangeCipherSpec);
    let without: Vec<u8> = compatibility.flat_map(|(_, _, record)| record).collect();
    let (last, _, _) = records(&DIRECT.answer).pop().expect("records");
    let mut forged = DIRECT.answer.clone();
    forged[20] ^= 1;
    for (flight, answer) in [
        (&version, &DIRECT.answer),
        (&without, &DIRECT.answer),
        (&DIRECT.flight, &DIRECT.answer[..last].to_vec()),
        (&DIRECT.flight, &forged),
    ] {
        assert_ne!(digest(flight, b"?", answer, 1 << 14), honest);
    }
    assert_ne!(digest(&DIRECT.flight, b"!", &DIRECT.answer, 1 << 14), honest, "another request");
}
