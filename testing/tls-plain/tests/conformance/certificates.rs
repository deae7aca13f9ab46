//! Certificates that prove nothing: each is refused, by exactly the rule it breaks.

use crate::cases::{Case, PKI};
use crate::memory::config;
use cotenant_tls::{CertificateError, Config, Fault};
use cotenant_tls_plain::pki::{Identity, KeyKind, Leaf, Pki, self_signed};
use cotenant_tls_plain::scripted::Script;

fn refusal(identity: &Identity, config: Config, name: &str) -> CertificateError {
    let failed = Case::default().run_as(identity, config, name).expect_err("the certificate proves nothing");
    // Protected with the handshake key: the client's change_cipher_spec is not out yet.
    assert!(failed.output.starts_with(&[23, 3, 3, 0, 19]), "the refusal is an alert");
    match failed.fault() {
        Fault::Certificate(error) => error.clone(),
        fault => panic!("another fault: {fault}"),
    }
}

fn refusal_of(leaf: Leaf) -> CertificateError {
    refusal(&PKI.0.issue(&leaf, KeyKind::EcdsaP256), config(&PKI.0), "localhost")
}

#[test]
fn the_name_must_be_the_one_asked_for() {
    for name in ["example.com", "localhost.example.com", "127.0.0.2", "::1"] {
        assert_eq!(refusal(&PKI.1, config(&PKI.0), name), CertificateError::WrongName, "{name}");
    }
    for name in ["localhost", "LOCALHOST", "127.0.0.1"] {
        Case::default().run_as(&PKI.1, config(&PKI.0), name).unwrap_or_else(|failed| panic!("{name}: {failed:?}"));
    }
}

#[test]
fn the_time_must_be_within_validity() {
    assert_eq!(refusal_of(Leaf { years: (2020, 2025), ..Leaf::default() }), CertificateError::Expired);
    assert_eq!(refusal_of(Leaf { years: (2090, 2095), ..Leaf::default() }), CertificateError::NotYetValid);
}

#[test]
fn the_path_must_lead_to_a_root() {
    assert_eq!(refusal(&PKI.1, config(&Pki::new()), "localhost"), CertificateError::UnknownIssuer);
    // A root of the same name with another key.
    let (real, other) = (Pki::named("Root"), Pki::named("Root"));
    assert_eq!(refusal(&real.localhost(KeyKind::EcdsaP256), config(&other), "localhost"), CertificateError::BadSignature);
    assert_eq!(refusal(&PKI.1, Config::new(cotenant_tls::TrustRoots::mozilla()), "localhost"), CertificateError::UnknownIssuer);
    assert_eq!(refusal(&self_signed(&Leaf::default()), config(&PKI.0), "localhost"), CertificateError::SelfSigned);
    let mut short = PKI.0.localhost(KeyKind::EcdsaP256);
    short.chain.truncate(1);
    assert_eq!(refusal(&short, config(&PKI.0), "localhost"), CertificateError::UnknownIssuer);
}

#[test]
fn the_certificate_must_be_a_servers() {
    assert_eq!(refusal_of(Leaf { authority: true, ..Leaf::default() }), CertificateError::AuthorityAsServer);
    let usage = rcgen::ExtendedKeyUsagePurpose::ClientAuth;
    assert_eq!(refusal_of(Leaf { usage, ..Leaf::default() }), CertificateError::WrongUsage);
}

#[test]
fn the_signatures_of_the_path_must_be_right() {
    let mut forged = PKI.0.localhost(KeyKind::EcdsaP256);
    let mut der = forged.chain[0].to_vec();
    *der.last_mut().expect("not empty") ^= 1;
    forged.chain[0] = der.into();
    assert_eq!(refusal(&forged, config(&PKI.0), "localhost"), CertificateError::BadSignature);

    // ecdsa-with-SHA256 becomes ecdsa-with-SHA512, which is not offered.
    let mut foreign = PKI.0.localhost(KeyKind::EcdsaP256);
    let mut der = foreign.chain[0].to_vec();
    let algorithm = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    for start in 0..der.len() - algorithm.len() {
        if der[start..].starts_with(&algorithm) {
            der[start + 7] = 4;
        }
    }
    foreign.chain[0] = der.into();
    assert_eq!(refusal(&foreign, config(&PKI.0), "localhost"), CertificateError::UnsupportedSignature);
}

#[test]
fn a_certificate_must_be_one() {
    let mut nonsense = PKI.0.localhost(KeyKind::EcdsaP256);
    nonsense.chain[0] = vec![0x30, 0].into();
    assert!(matches!(refusal(&nonsense, config(&PKI.0), "localhost"), CertificateError::Malformed(_)));
}

#[test]
fn every_kind_of_key_signs_with_its_own_scheme_only() {
    let schemes = [(KeyKind::EcdsaP256, 0x0403), (KeyKind::EcdsaP384, 0x0503), (KeyKind::Ed25519, 0x0807)];
    for (kind, fitting) in schemes {
        let identity = PKI.0.localhost(kind);
        for scheme in [0x0403, 0x0503, 0x0807, 0x0804, 0x0805, 0x0806] {
            let case = Case { script: Script { scheme, ..Script::default() }, ..Case::default() };
            let result = case.run_as(&identity, config(&PKI.0), "localhost");
            match result {
                Ok(_) => assert_eq!(scheme, fitting, "{kind:?} passes with scheme {scheme:#06x}"),
                Err(failed) => {
                    assert_ne!(scheme, fitting, "{kind:?}: {failed:?}");
                    assert_eq!(failed.violation(), cotenant_tls::Violation::SchemeDoesNotFitKey);
                }
            }
        }
    }
}
