//! A connector that cheats: it changes, drops, repeats, reorders and invents messages, cuts what the server says, and says other things to the server, at
//! every message in either direction. Every honest party ends in an error; nothing is opened that a party did not agree to; no answer comes out but the whole
//! and right one.
//!
//! On its relay lane it lies to the others and keeps the truth for itself; at its socket it lies to all, itself included. What TLS leaves open may pass at the
//! socket: the version in the header of an unprotected record (RFC 8446 section 5.1), and compatibility records (section 5, appendix D.4).

use crate::cheats::{BODY, Cheat, Cheater, DIRECT, RETRIED, Recorded, Socket, UNMEASURED, server};
use crate::parties::{BOTH, Ended, PKI, REQUEST, Run, response};
use crate::watched::Reached;
use cotenant_agent::call::CallError;
use cotenant_agent::tls::JointError;
use cotenant_core::PartyId;
use cotenant_mpc::{Check, Error as MpcError, Reason};
use cotenant_tls::pki_types::UnixTime;
use cotenant_tls::{Config, Error, Group, Handshake, Target};
use cotenant_tls_plain::{PlainKeys, ready};

const CONNECTOR: usize = 0;

/// Forged, unprotected, a compatibility record, no record at all.
fn foreign_records() -> [Vec<u8>; 5] {
    let forged = [&[23, 3, 3, 0, 40][..], &[0x5a; 40]].concat();
    [forged, vec![21, 3, 3, 0, 2, 2, 40], vec![21, 3, 3, 0, 2, 1, 0], vec![20, 3, 3, 0, 1, 1], b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()]
}

/// What is done to a message of this length, whatever it is.
fn common_cheats(length: usize) -> Vec<Cheat> {
    let mut positions: Vec<usize> =
        [0, 1, 2, 4, 5, 6, length / 3, length.saturating_sub(17), length - 1].into_iter().filter(|&at| at < length).collect();
    positions.sort_unstable();
    positions.dedup();
    let flips = positions.into_iter().map(|at| Cheat::Flip(at, 1));
    let cuts = [1, length / 2, length - 1].into_iter().filter(|&to| 0 < to && to < length).map(Cheat::Cut);
    flips.chain(cuts).chain([Cheat::Drop, Cheat::Repeat, Cheat::Swap, Cheat::Stop]).collect()
}

/// On the relay lane. Messages that belong nowhere are: none, bytes of the server without bytes, the end, a fault, a fault that is none, another kind.
fn relay_cheats(length: usize) -> Vec<Cheat> {
    let relayed = |record: Vec<u8>| [vec![0], record].concat();
    let injected = foreign_records().map(relayed).into_iter().chain([vec![1], vec![2, 5]]).map(Cheat::Inject);
    let malformed: [&[u8]; 5] = [&[], &[0], &[1, 1], &[2, 99], &[9]];
    let replaced = malformed.map(|m| Cheat::Replace(m.to_vec()));
    let ends = [vec![1], vec![2, 5]].map(Cheat::End);
    common_cheats(length).into_iter().chain(injected).chain(replaced).chain(ends).collect()
}

/// A rule of TLS, what the relay says, a comparison: but never a mistake of a caller, nor parties that do different things.
fn is_a_fault(error: &CallError) -> bool {
    match error {
        CallError::Tls(Error::Server(_)) | CallError::Relay(_) | CallError::NoAnswer(_) => true,
        CallError::Tls(Error::Backend(JointError::Mpc(MpcError::Check { check, .. }))) => *check == Check::PublicValue,
        CallError::Tls(Error::Backend(JointError::Mpc(MpcError::Stopped { reason, .. }))) => *reason == Reason::GaveUp,
        _ => false,
    }
}

/// The connector cheats these parties on the relay lane, and honestly plays its own part.
fn cheated(n: usize, victims: &[usize], group: Group, at: usize, cheat: &Cheat) -> Vec<Ended> {
    let mut cheaters: Vec<(PartyId, Cheater)> = victims.iter().map(|&v| (PartyId::new(v), Cheater::new(at, cheat.clone()))).collect();
    let relay = move |to: PartyId, message: Vec<u8>| match cheaters.iter_mut().find(|(victim, _)| *victim == to) {
        Some((_, cheater)) => cheater.pass(message),
        None => vec![message],
    };
    Run { relay: Box::new(relay), ..Run::new(n, CONNECTOR) }.ideal(server(group, true))
}

/// Nobody hears what comes after the end.
fn is_heard(recorded: &Recorded, at: usize, cheat: &Cheat) -> bool {
    let end = [1];
    let same = match cheat {
        Cheat::Repeat => true,
        Cheat::Inject(message) | Cheat::End(message) => *message == end,
        _ => false,
    };
    at < recorded.relayed.len() - 1 || !same
}

/// How far the parties may come when this is done to what one of them hears: nothing is opened before all have compared what led to it. A second copy of
/// what ends a step comes when that step is over.
fn furthest(recorded: &Recorded, at: usize, cheat: &Cheat) -> Reached {
    let at = at + usize::from(matches!(cheat, Cheat::Repeat));
    match at {
        _ if at <= recorded.hello => Reached::Nothing,
        _ if at <= recorded.flight => Reached::HandshakeSecrets,
        _ => Reached::Sealed,
    }
}

/// All end in errors, and not too late.
fn check_cheated(recorded: &Recorded, ended: &[Ended], at: usize, cheat: &Cheat) {
    for e in ended {
        let what = format!("{} of {}, message {at}, {cheat:?}: {:?} after {:?}", e.party, ended.len(), e.result, e.reached);
        if is_heard(recorded, at, cheat) {
            assert!(e.result.as_ref().is_err_and(is_a_fault), "{what}");
            assert!(e.reached <= furthest(recorded, at, cheat), "{what}");
        } else {
            assert!(response(&e.result).is_some_and(|r| r.body == BODY), "{what}");
        }
    }
}

/// Every message and cheat, or one in `every` of them.
fn each_relay_cheat(recorded: &Recorded, every: usize, mut run: impl FnMut(usize, &Cheat) -> Vec<Ended>) {
    let all = recorded.relayed.iter().enumerate().flat_map(|(at, m)| relay_cheats(m.len()).into_iter().map(move |cheat| (at, cheat)));
    for (at, cheat) in all.step_by(every) {
        check_cheated(recorded, &run(at, &cheat), at, &cheat);
    }
}

#[test]
fn two_parties_whose_connector_lies_on_its_relay_lane() {
    each_relay_cheat(&DIRECT, 2, |at, cheat| cheated(2, &[1], BOTH[0], at, cheat));
}

#[test]
fn two_parties_whose_connector_lies_about_a_retry() {
    each_relay_cheat(&RETRIED, 7, |at, cheat| cheated(2, &[1], BOTH[1], at, cheat));
}

#[test]
fn three_parties_whose_connector_lies_to_one_or_to_both() {
    for victims in [&[1][..], &[2], &[1, 2]] {
        each_relay_cheat(&DIRECT, 17, |at, cheat| cheated(3, victims, BOTH[0], at, cheat));
    }
}

/// One would draw another key share and the other would not: they compare first. The ClientHello is the same in both recordings.
#[test]
fn a_retry_that_only_one_party_hears_of() {
    let first_hello = |recorded: &Recorded| recorded.relayed.iter().position(|m| m.starts_with(&[0, 22])).expect("it is recorded");
    let (retry, hello) = (first_hello(&RETRIED), first_hello(&DIRECT));
    assert!(retry < RETRIED.hello && hello == DIRECT.hello, "the retry comes before the ServerHello");
    for n in 2..4 {
        let told_hello = cheated(n, &[1], BOTH[1], retry, &Cheat::Replace(DIRECT.relayed[hello].clone()));
        let told_retry = cheated(n, &[1], BOTH[0], hello, &Cheat::Replace(RETRIED.relayed[retry].clone()));
        for e in told_hello.iter().chain(&told_retry) {
            assert!(e.result.as_ref().is_err_and(is_a_fault) && e.reached == Reached::Nothing, "{} of {n}: {:?}", e.party, e.result);
        }
    }
}

/// At the socket, about what the server says.
fn socket_cheats(length: usize) -> Vec<Cheat> {
    common_cheats(length).into_iter().chain(foreign_records().map(Cheat::Inject)).collect()
}

/// Whether TLS leaves open what is done to this message: `true` is then what the parties must not notice.
fn is_allowed(flight: &[Vec<u8>], answer: &[Vec<u8>], at: usize, cheat: &Cheat) -> bool {
    let all: Vec<&Vec<u8>> = flight.iter().chain(answer).collect();
    let unprotected = all[at][0] != 23;
    let compatibility = |record: &[u8]| record[0] == 20;
    match cheat {
        Cheat::Flip(1 | 2, _) => unprotected,
        Cheat::Drop | Cheat::Repeat if compatibility(all[at]) => true,
        Cheat::Swap if at + 1 < flight.len() => compatibility(all[at]) || compatibility(all[at + 1]),
        Cheat::Inject(record) => compatibility(record) && at < flight.len(),
        // The length of the body tells that nothing is missing but the close_notify.
        Cheat::Drop | Cheat::Stop | Cheat::Swap => at == all.len() - 1,
        _ => false,
    }
}

fn records_of(recorded: &Recorded) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    let record = |message: &Vec<u8>| message[1..].to_vec();
    let (last, flight) = (recorded.relayed.len() - 1, recorded.flight + 1);
    (recorded.relayed[1..flight].iter().map(record).collect(), recorded.relayed[flight..last].iter().map(record).collect())
}

fn each_socket_cheat(n: usize, group: Group, recorded: &Recorded, every: usize) {
    let (flight, answer) = records_of(recorded);
    let all = flight.iter().chain(&answer).enumerate();
    let all = all.flat_map(|(at, record)| socket_cheats(record.len()).into_iter().map(move |cheat| (at, cheat)));
    for (at, cheat) in all.step_by(every) {
        let ended = Run::new(n, CONNECTOR).ideal(Socket::cheating_parties(server(group, true), Cheater::new(at, cheat.clone())));
        for e in &ended {
            let what = format!("{} of {n}, record {at}, {cheat:?}: {:?} after {:?}", e.party, e.result, e.reached);
            if is_allowed(&flight, &answer, at, &cheat) {
                assert!(response(&e.result).is_some_and(|r| r.body == BODY), "{what}");
                continue;
            }
            assert!(response(&e.result).is_none() && e.result.as_ref().err().is_none_or(is_a_fault), "{what}");
            let in_flight = at + 1 < flight.len() || at + 1 == flight.len() && !matches!(cheat, Cheat::Repeat);
            assert!(!in_flight || e.reached <= Reached::HandshakeSecrets, "{what}");
        }
    }
}

#[test]
fn a_connector_that_changes_what_the_server_says_to_all() {
    each_socket_cheat(2, BOTH[0], &DIRECT, 2);
}

#[test]
fn a_connector_that_changes_a_retry_for_all() {
    each_socket_cheat(2, BOTH[1], &RETRIED, 7);
    each_socket_cheat(3, BOTH[0], &DIRECT, 17);
}

/// What the server takes as the request is the request, and what the parties take as the answer is its answer, or nothing. A server may overlook some
/// changes, as of versions in headers of records; but nothing reaches it that the parties did not say.
#[test]
fn a_connector_that_says_other_things_to_the_server() {
    for (recorded, group) in [(&*DIRECT, BOTH[0]), (&*RETRIED, BOTH[1])] {
        let (mut refused, mut overlooked) = (0, 0);
        for (at, message) in recorded.sent.iter().enumerate() {
            for cheat in socket_cheats(message.len()) {
                let server = server(group, true);
                let received = server.received();
                let ended = Run::new(2, CONNECTOR).ideal(Socket::cheating_server(server, Cheater::new(at, cheat.clone())));
                let received = received.lock().expect("all have ended");
                assert!(received.is_empty() || *received == REQUEST, "message {at}, {cheat:?}: the server got another request");
                for e in ended {
                    let what = format!("{}, message {at}, {cheat:?}: {:?} after {:?}", e.party, e.result, e.reached);
                    match response(&e.result) {
                        Some(response) => {
                            assert!(response.body == BODY && *received == REQUEST, "{what}");
                            overlooked += 1;
                        }
                        None => {
                            assert!(e.result.as_ref().err().is_none_or(is_a_fault), "{what}");
                            refused += 1;
                        }
                    }
                }
            }
        }
        assert!(refused > 4 * overlooked, "{group}: {refused} refused, {overlooked} overlooked");
    }
}

/// Without a length in the answer only the server's close_notify tells its end: wherever the connector cuts, nobody takes the part for the whole.
#[test]
fn an_answer_cut_anywhere_is_no_answer() {
    let (flight, answer) = records_of(&UNMEASURED);
    for at in flight.len()..flight.len() + answer.len() {
        let length = answer[at - flight.len()].len();
        for cheat in [Cheat::Stop, Cheat::Cut(1), Cheat::Cut(length / 2), Cheat::Cut(length - 1)] {
            let socket = Socket::cheating_parties(server(BOTH[0], false), Cheater::new(at, cheat.clone()));
            for e in Run::new(2, CONNECTOR).ideal(socket) {
                assert!(response(&e.result).is_none(), "{}, record {at}, {cheat:?}", e.party);
            }
        }
    }
    let whole = Run::new(2, CONNECTOR).ideal(server(BOTH[0], false));
    assert!(whole.iter().all(|e| response(&e.result).is_some_and(|r| r.body == BODY)));
}

/// The flight of another connection of the same server, which the connector may have had with it alone.
#[test]
fn the_flight_of_another_connection_is_of_no_use() {
    let (flight, _) = records_of(&DIRECT);
    for (at, record) in flight.iter().enumerate() {
        let socket = Socket::cheating_parties(server(BOTH[0], true), Cheater::new(at, Cheat::Replace(record.clone())));
        for e in Run::new(2, CONNECTOR).ideal(socket) {
            if record[0] == 20 {
                assert!(e.result.is_ok(), "compatibility records are all alike");
            } else {
                assert!(matches!(&e.result, Err(CallError::Tls(Error::Server(_)))), "{}, record {at}: {:?}", e.party, e.result);
                assert!(e.reached <= Reached::HandshakeSecrets);
            }
        }
    }
}

/// The connector greets the server with a key share of its own, and so shares secrets with it that no other party has a part in.
#[test]
fn a_hello_of_the_connectors_own_leads_nowhere() {
    let target = Target { name: "localhost".try_into().expect("a name"), now: UnixTime::now() };
    let alone = ready(Handshake::start(PlainKeys::new(), Config::new(PKI.0.roots()), target));
    let (_, hello) = alone.unwrap_or_else(|failure| panic!("{failure}"));
    for n in 2..4 {
        let socket = Socket::cheating_server(server(BOTH[0], true), Cheater::new(0, Cheat::Replace(hello.clone())));
        for e in Run::new(n, CONNECTOR).ideal(socket) {
            assert!(matches!(&e.result, Err(CallError::Tls(Error::Server(_)))), "{} of {n}: {:?}", e.party, e.result);
            assert!(e.reached <= Reached::HandshakeSecrets);
        }
    }
}
