//! Certificates that prove nothing. Every party refuses on its own, whatever the connector thinks of them; then no application key exists and the server
//! is sent nothing but an alert.

use crate::parties::{Ended, PKI, Run};
use crate::servers::{Lying, records};
use crate::watched::Reached;
use cotenant_agent::call::{Call, CallError};
use cotenant_agent::tls::JointError;
use cotenant_core::PartyId;
use cotenant_mpc::{Error as MpcError, Reason};
use cotenant_tls::pki_types::UnixTime;
use cotenant_tls::record::ContentType;
use cotenant_tls::{CertificateError, Error, Fault, TrustRoots, Violation};
use cotenant_tls_plain::pki::{Identity, KeyKind, Leaf, Pki, self_signed};
use cotenant_tls_plain::scripted::{Script, Stage};
use std::time::Duration;

const CONNECTOR: PartyId = PartyId::EVALUATOR;

/// A call to a server with this identity and script; and the records that the server was sent after the ClientHello.
fn call(n: usize, identity: &Identity, script: Script, change: impl Fn(PartyId, &mut Call) + 'static) -> (Vec<Ended>, Vec<ContentType>) {
    let server = Lying::new(identity, script);
    let rest = server.rest();
    let ended = Run::new(n, CONNECTOR.index()).but(change).ideal(server);
    let sent = records(&rest.lock().expect("all have ended"));
    (ended, sent.into_iter().map(|(kind, _)| kind).collect())
}

fn own_fault(ended: &Ended) -> Option<&Fault> {
    assert!(ended.reached <= Reached::HandshakeSecrets, "{} reached {:?}", ended.party, ended.reached);
    match &ended.result {
        Err(CallError::Tls(Error::Server(fault))) => Some(fault),
        _ => None,
    }
}

fn given_up_by_another(ended: &Ended) -> bool {
    let Err(CallError::Tls(Error::Backend(JointError::Mpc(MpcError::Stopped { by, reason, .. })))) = &ended.result else { return false };
    *by != ended.party && *reason == Reason::GaveUp
}

/// All check alike, and all refuse.
fn refused_by_all(identity: &Identity, script: impl Fn() -> Script, change: impl Fn(PartyId, &mut Call) + Clone + 'static, wanted: &Fault) {
    for n in 2..4 {
        let (ended, sent) = call(n, identity, script(), change.clone());
        ended.iter().for_each(|e| assert_eq!(own_fault(e), Some(wanted), "{} of {n}: {:?}", e.party, e.result));
        assert_eq!(sent, [ContentType::ApplicationData], "one alert, under the handshake key");
    }
}

/// All check alike; then the connector's own check passes, and the others refuse.
fn refused(
    identity: &Identity,
    wanted: CertificateError,
    honest: impl Fn(&mut Call) + Clone + 'static,
    blind: impl Fn(&mut Call) + Clone + 'static,
) {
    let fault = Fault::Certificate(wanted);
    let all = honest.clone();
    refused_by_all(identity, Script::default, move |_, call| all(call), &fault);
    for n in 2..4 {
        let (honest, blind) = (honest.clone(), blind.clone());
        let change = move |me: PartyId, call: &mut Call| if me == CONNECTOR { blind(call) } else { honest(call) };
        let (ended, sent) = call(n, identity, Script::default(), change);
        assert!(given_up_by_another(&ended[0]), "the connector: {:?}", ended[0].result);
        ended[1..].iter().for_each(|e| assert_eq!(own_fault(e), Some(&fault), "{} of {n}: {:?}", e.party, e.result));
        assert_eq!(sent, [ContentType::ApplicationData], "one alert, under the handshake key");
    }
}

fn nothing(_: &mut Call) {}

fn trusting(roots: TrustRoots) -> impl Fn(&mut Call) + Clone {
    move |call| call.config = cotenant_tls::Config::new(roots.clone()).with_groups(call.config.groups().to_vec()).expect("groups")
}

#[test]
fn another_host() {
    // Addresses are not sent in server_name, so that nothing but the check differs.
    let named = |name: &'static str| move |call: &mut Call| call.target.name = name.try_into().expect("a name");
    let identity = PKI.0.issue(&Leaf { names: vec!["127.0.0.2".to_owned()], ..Leaf::default() }, KeyKind::EcdsaP256);
    refused(&identity, CertificateError::WrongName, named("127.0.0.1"), named("127.0.0.2"));
    let identity = PKI.0.issue(&Leaf { names: vec!["localhost.example".to_owned()], ..Leaf::default() }, KeyKind::EcdsaP256);
    refused_by_all(&identity, Script::default, |_, _| (), &Fault::Certificate(CertificateError::WrongName));
}

#[test]
fn out_of_date() {
    let at =
        |year: u64| move |call: &mut Call| call.target.now = UnixTime::since_unix_epoch(Duration::from_secs((year - 1970) * 31_557_000));
    let identity = PKI.0.issue(&Leaf { years: (2030, 2040), ..Leaf::default() }, KeyKind::EcdsaP256);
    refused(&identity, CertificateError::Expired, at(2045), at(2035));
    refused(&identity, CertificateError::NotYetValid, at(2025), at(2035));
}

#[test]
fn an_unknown_authority() {
    let other = Pki::new();
    refused(&other.localhost(KeyKind::EcdsaP256), CertificateError::UnknownIssuer, nothing, trusting(other.roots()));
    let own = self_signed(&Leaf::default());
    let roots = TrustRoots::from_pem(own.leaf_pem().as_bytes()).expect("a certificate");
    refused(&own, CertificateError::SelfSigned, nothing, trusting(roots));
}

/// A root of the same name as the trusted one, with another key.
#[test]
fn a_wrong_signature_in_the_chain() {
    let (real, other) = (Pki::named("Root"), Pki::named("Root"));
    refused(&other.localhost(KeyKind::EcdsaP256), CertificateError::BadSignature, trusting(real.roots()), trusting(other.roots()));
}

/// No configuration takes these: what every party does is what the one that is not the connector does.
#[test]
fn an_authority_as_server_and_signatures_that_prove_nothing() {
    let identity = PKI.0.issue(&Leaf { authority: true, ..Leaf::default() }, KeyKind::EcdsaP256);
    refused_by_all(&identity, Script::default, |_, _| (), &Fault::Certificate(CertificateError::AuthorityAsServer));

    let identity = PKI.0.localhost(KeyKind::EcdsaP256);
    let forged = || {
        let edit = |stage: Stage, message: &mut Vec<u8>| {
            if stage == Stage::CertificateVerify {
                *message.last_mut().expect("not empty") ^= 1;
            }
        };
        Script { edit: Box::new(edit), ..Script::default() }
    };
    refused_by_all(&identity, forged, |_, _| (), &Violation::BadCertificateVerify.into());
    for (scheme, rule) in
        [(0x0503, Violation::SchemeDoesNotFitKey), (0x0804, Violation::SchemeDoesNotFitKey), (0x0401, Violation::SchemeNotOffered)]
    {
        refused_by_all(&identity, || Script { scheme, ..Script::default() }, |_, _| (), &rule.into());
    }
}

/// The scripted server's flight is good: a certificate that does prove something is accepted, Finished and the request are sent, and the server's silence
/// is an answer that never began.
#[test]
fn nothing_else_is_wrong_with_the_server() {
    let (ended, sent) = call(3, &PKI.0.localhost(KeyKind::EcdsaP256), Script::default(), |_, _| ());
    for e in ended {
        assert!(matches!(e.result, Err(CallError::NoAnswer(CONNECTOR))), "{}: {:?}", e.party, e.result);
        assert_eq!(e.reached, Reached::Sealed);
    }
    assert_eq!(sent, [ContentType::ChangeCipherSpec, ContentType::ApplicationData, ContentType::ApplicationData]);
}
