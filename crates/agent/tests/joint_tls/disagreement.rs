//! Parties that do not want the same: all end in an error before anything is opened that the disagreement is about.

use crate::parties::{BOTH, Ended, PKI, REQUEST, Run};
use crate::servers::{Rustls, rustls_config};
use crate::watched::Reached;
use cotenant_agent::call::{Call, CallError, Content};
use cotenant_agent::tls::JointError;
use cotenant_core::PartyId;
use cotenant_mpc::{Check, Error};
use cotenant_tls::{AnswerLimits, Error as TlsError, Fault, Group, Violation};

/// The party that differs.
const ODD: PartyId = PartyId::EVALUATOR;

fn run(n: usize, change: impl Fn(&mut Call) + 'static) -> Vec<Ended> {
    let change = move |me: PartyId, call: &mut Call| {
        if me == ODD {
            change(call);
        }
    };
    let server = Rustls::new(rustls_config(&PKI.1, &BOTH), &[b"HTTP/1.1 200 OK\r\n\r\n"]);
    Run::new(n, n - 1).but(change).ideal(server)
}

/// The check that failed at a party.
fn check(ended: &Ended) -> Option<Check> {
    match &ended.result {
        Err(
            CallError::Mpc(Error::Check { check, .. }) | CallError::Tls(TlsError::Backend(JointError::Mpc(Error::Check { check, .. }))),
        ) => Some(*check),
        _ => None,
    }
}

fn all_fail(n: usize, wanted: Check, reached: Reached, change: impl Fn(&mut Call) + 'static) {
    for ended in run(n, change) {
        assert_eq!(check(&ended), Some(wanted), "{} of {n}: {:?}", ended.party, ended.result.as_ref().err());
        assert_eq!(ended.reached, reached, "{} of {n}", ended.party);
    }
}

#[test]
fn another_request_of_the_same_length_is_found_before_it_is_sealed() {
    for n in 2..5 {
        all_fail(n, Check::PublicValue, Reached::ApplicationKeys, |call| {
            let mut request = REQUEST.to_vec();
            request[5] ^= 1;
            call.content = Content::Public(request);
        });
    }
}

#[test]
fn another_plan_is_found_before_there_is_a_connection() {
    for n in 2..4 {
        all_fail(n, Check::Plan, Reached::Nothing, |call| call.content = Content::Public(REQUEST[1..].to_vec()));
        for groups in [vec![Group::Secp256r1], vec![Group::X25519], vec![Group::X25519, Group::Secp256r1]] {
            all_fail(n, Check::Plan, Reached::Nothing, move |call| {
                call.config = call.config.clone().with_groups(groups.clone()).expect("groups");
            });
        }
    }
}

/// The name and the protocol stand in the ClientHello.
#[test]
fn another_hello_is_found_before_the_handshake_secrets_are_opened() {
    for n in 2..4 {
        all_fail(n, Check::PublicValue, Reached::Nothing, |call| call.target.name = "localhost.example".try_into().expect("a name"));
        all_fail(n, Check::PublicValue, Reached::Nothing, |call| call.config = call.config.clone().with_http1(false));
    }
}

/// A party that takes less than the server says refuses, and then nothing is opened to the others.
#[test]
fn a_smaller_limit_stops_all() {
    for ended in run(3, |call| call.limits = AnswerLimits { bytes: 10, records: 1 }) {
        let own = matches!(ended.result, Err(CallError::Tls(TlsError::Server(Fault::Violation(Violation::AnswerTooLong)))));
        let told = matches!(ended.result, Err(CallError::Tls(TlsError::Backend(JointError::Mpc(Error::Stopped { by: ODD, .. })))));
        assert!(if ended.party == ODD { own } else { told }, "{}: {:?}", ended.party, ended.result);
        assert_eq!(ended.reached, Reached::Sealed);
    }
}
