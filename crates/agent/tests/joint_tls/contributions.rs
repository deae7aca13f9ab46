//! A party that lies about its part of the key: the call fails at every other party, and the liar is named where a check names one.

use crate::parties::{BOTH, Ended, PKI, Run, response};
use crate::servers::{Rustls, rustls_config};
use crate::watched::{Lies, Reached};
use cotenant_agent::call::CallError;
use cotenant_agent::tls::JointError;
use cotenant_core::{Bits, PartyId};
use cotenant_tls::{Error, Fault, Group, Violation};
use std::sync::{Arc, Mutex};

const GROUPS: [Group; 2] = BOTH;

fn server(group: Group) -> Rustls {
    Rustls::new(rustls_config(&PKI.1, &[group]), &[b"HTTP/1.1 200 OK\r\n\r\n"])
}

/// The call of `n` parties, of whom `liar` lies.
fn run(n: usize, liar: PartyId, group: Group, lies: impl Fn() -> Lies + 'static) -> Vec<Ended> {
    let lies = move |me: PartyId| if me == liar { lies() } else { Lies::default() };
    Run { lies: Box::new(lies), ..Run::new(n, n - 1).offering(&[group]) }.ideal(server(group))
}

/// Every number of parties, liar and group.
fn cases() -> impl Iterator<Item = (usize, PartyId, Group)> {
    (2..4).flat_map(|n| PartyId::all(n).flat_map(move |liar| GROUPS.map(|group| (n, liar, group))))
}

fn changing_contribution(at: usize) -> impl Fn() -> Lies {
    move || Lies {
        contribution: Box::new(move |mut bytes| {
            bytes[at] ^= 1;
            bytes
        }),
        ..Lies::default()
    }
}

#[test]
fn a_wrong_point_or_proof_names_its_party() {
    // A byte of the point, of the challenge, of the response.
    for ((n, liar, group), at) in cases().flat_map(|case| [1, 40, 70].map(|at| (case, at))) {
        for ended in run(n, liar, group, changing_contribution(at)) {
            let named = matches!(ended.result, Err(CallError::Tls(Error::Backend(JointError::KeyShareProof(p)))) if p == liar);
            assert!(named && ended.reached == Reached::Nothing, "{} of {n}, byte {at}: {:?}", ended.party, ended.result);
        }
    }
}

/// As if the commitments hid nothing: the last party says what the first did.
#[test]
fn a_copied_contribution_names_its_party() {
    for group in GROUPS {
        let said: Arc<Mutex<Vec<u8>>> = Arc::default();
        let lies = move |me: PartyId| {
            let said = said.clone();
            let copy = move |mine: Vec<u8>| {
                let mut said = said.lock().expect("no panic while noting");
                if said.is_empty() {
                    *said = mine;
                }
                said.clone()
            };
            if me == PartyId::new(1) { Lies::default() } else { Lies { contribution: Box::new(copy), ..Lies::default() } }
        };
        for ended in (Run { lies: Box::new(lies), ..Run::new(3, 1).offering(&[group]) }).ideal(server(group)) {
            let named = matches!(&ended.result, Err(CallError::Tls(Error::Backend(JointError::KeyShareProof(p)))) if p.index() == 2);
            assert!(named && ended.reached == Reached::Nothing, "{}: {:?}", ended.party, ended.result);
        }
    }
}

/// A party's first private input is its point; a lie about it makes other handshake secrets than the server's. A record that does not authenticate tells
/// nobody's name.
#[test]
fn wrong_coordinates_make_the_handshake_fail() {
    for ((n, liar, group), at) in cases().flat_map(|case| [0, 254, 300].map(|at| (case, at))) {
        let lies = move || Lies { private: Box::new(move |k, bits| if k == 0 { flipped(bits, at) } else { bits }), ..Lies::default() };
        for ended in run(n, liar, group, lies) {
            let failed = matches!(ended.result, Err(CallError::Tls(Error::Server(Fault::Violation(Violation::BadRecordMac)))));
            assert!(failed && ended.reached == Reached::HandshakeSecrets, "{} of {n}, {group}, bit {at}: {:?}", ended.party, ended.result);
        }
    }
}

fn flipped(mut bits: Bits, at: usize) -> Bits {
    bits.set(at, !bits.get(at));
    bits
}

/// A party's other private inputs are blinds. One that is not drawn as it should be hides no less, as the others' do, and changes no result.
#[test]
fn blinds_that_are_not_random_change_nothing() {
    for (n, liar, group) in cases() {
        for value in [false, true] {
            let constant = move |k: usize, bits: Bits| if k == 0 { bits } else { (0..bits.len()).map(|_| value).collect() };
            for ended in run(n, liar, group, move || Lies { private: Box::new(constant), ..Lies::default() }) {
                assert!(response(&ended.result).is_some(), "{} of {n}, {group}, {value}: {:?}", ended.party, ended.result);
            }
        }
    }
}
