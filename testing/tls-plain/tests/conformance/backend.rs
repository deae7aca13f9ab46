//! The client's side of the contract with its key backend: which operations are called, when, and what a backend that fails or cheats leads to.

use crate::cases::{Case, PKI, retried};
use crate::memory::config;
use crate::rules::breaks;
use cotenant_tls::{
    AnswerDigest, ApplicationKeys, BackendBreach, Error, Group, HandshakeSecrets, KeyOps, RecordPlan, ServerShare, ServerVerified,
    TrafficSecret, TranscriptView, Violation,
};
use cotenant_tls_plain::pki::{KeyKind, Leaf};
use cotenant_tls_plain::{PlainKeys, SecretBytes};
use std::sync::{Arc, Mutex};

/// An operation, with what its order and arguments tell.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Call {
    Random,
    Share(Group),
    Handshake,
    Application,
    Seal(Vec<[u8; 12]>),
    Open,
}

/// What a backend does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    /// Fails at the call with this number.
    Fails(usize),
    ShortShare,
    ShortRecord,
    NoRecord,
}

#[derive(Debug, PartialEq, Eq)]
struct Broken;

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("party 2 does not answer")
    }
}

impl std::error::Error for Broken {}

/// The plaintext backend, watched.
struct Watched {
    keys: PlainKeys,
    calls: Arc<Mutex<Vec<Call>>>,
    wrong: Option<Wrong>,
}

impl Watched {
    fn called(&self, call: Call) -> Result<(), Broken> {
        let mut calls = self.calls.lock().expect("one thread");
        calls.push(call);
        if self.wrong == Some(Wrong::Fails(calls.len() - 1)) { Err(Broken) } else { Ok(()) }
    }
}

impl KeyOps for Watched {
    type Error = Broken;
    type KeyShare = <PlainKeys as KeyOps>::KeyShare;
    type Handshake = <PlainKeys as KeyOps>::Handshake;
    type ClientKey = TrafficSecret;
    type ServerSecret = TrafficSecret;
    type Hole = SecretBytes;

    async fn public_random(&mut self) -> Result<[u8; 64], Broken> {
        self.called(Call::Random)?;
        let Ok(random) = self.keys.public_random().await;
        Ok(random)
    }

    async fn key_share(&mut self, group: Group, retry: Option<&TranscriptView>) -> Result<(Vec<u8>, Self::KeyShare), Broken> {
        self.called(Call::Share(group))?;
        let Ok((mut encoded, share)) = self.keys.key_share(group, retry).await;
        if self.wrong == Some(Wrong::ShortShare) {
            encoded.pop();
        }
        Ok((encoded, share))
    }

    async fn handshake_secrets(
        &mut self,
        share: Self::KeyShare,
        server: &ServerShare,
        view: &TranscriptView,
    ) -> Result<(HandshakeSecrets, Self::Handshake), Broken> {
        self.called(Call::Handshake)?;
        let Ok(secrets) = self.keys.handshake_secrets(share, server, view).await;
        Ok(secrets)
    }

    async fn application_keys(
        &mut self,
        handshake: Self::Handshake,
        verified: &ServerVerified,
    ) -> Result<ApplicationKeys<TrafficSecret, TrafficSecret>, Broken> {
        self.called(Call::Application)?;
        let Ok(keys) = self.keys.application_keys(handshake, verified).await;
        Ok(keys)
    }

    async fn seal(&mut self, key: &mut TrafficSecret, records: Vec<RecordPlan<SecretBytes>>) -> Result<Vec<Vec<u8>>, Broken> {
        self.called(Call::Seal(records.iter().map(|plan| *plan.nonce()).collect()))?;
        let Ok(mut sealed) = self.keys.seal(key, records).await;
        match self.wrong {
            Some(Wrong::ShortRecord) => drop(sealed[0].pop()),
            Some(Wrong::NoRecord) => drop(sealed.pop()),
            _ => (),
        }
        Ok(sealed)
    }

    async fn open_server_secret(
        &mut self,
        client: TrafficSecret,
        server: TrafficSecret,
        held: &AnswerDigest,
    ) -> Result<TrafficSecret, Broken> {
        self.called(Call::Open)?;
        let Ok(secret) = self.keys.open_server_secret(client, server, held).await;
        Ok(secret)
    }
}

/// What was called, and how the run ended.
fn watch(case: Case, wrong: Option<Wrong>) -> (Vec<Call>, Option<Error<Broken>>) {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let keys = Watched { keys: PlainKeys::from_seed([3; 32]), calls: calls.clone(), wrong };
    let result = case.run_with(keys, &PKI.1, config(&PKI.0), "localhost");
    let calls = calls.lock().expect("one thread").clone();
    (calls, result.err().map(|failed| failed.error))
}

fn first_nonce(calls: &[Call]) -> [u8; 12] {
    calls.iter().find_map(|call| if let Call::Seal(nonces) = call { Some(nonces[0]) } else { None }).expect("something was sealed")
}

#[test]
fn the_operations_of_one_request_and_one_answer() {
    let (calls, error) = watch(Case::default(), None);
    assert!(error.is_none());
    let seal = Call::Seal(vec![first_nonce(&calls)]);
    assert_eq!(calls, [Call::Random, Call::Share(Group::Secp256r1), Call::Handshake, Call::Application, seal, Call::Open]);
}

#[test]
fn a_retry_draws_a_share_for_another_group_and_keeps_it_for_a_cookie() {
    let (calls, error) = watch(retried(Some(Group::X25519), None), None);
    assert!(error.is_none());
    assert_eq!(calls[..4], [Call::Random, Call::Share(Group::Secp256r1), Call::Share(Group::X25519), Call::Handshake]);
    let (calls, error) = watch(retried(None, Some(vec![1])), None);
    assert!(error.is_none());
    assert_eq!(calls[..3], [Call::Random, Call::Share(Group::Secp256r1), Call::Handshake]);
}

/// The furthest operation that a broken rule may still let through: a share that fails its checks meets no secret, a flight that is not
/// verified derives no application keys, an answer that cannot be one opens nothing.
#[test]
fn nothing_is_derived_or_opened_once_a_rule_is_broken() {
    for &rule in Violation::ALL {
        let (calls, error) = watch(breaks(rule), None);
        assert!(error.is_some_and(|error| error.fault() == Some(&rule.into())), "{rule:?}");
        let (_, alert) = breaks(rule).refused();
        if alert.is_some() || rule == Violation::CutInsideHandshake {
            assert!(!calls.contains(&Call::Application), "{rule:?} lets {calls:?} through");
        }
        if matches!(
            rule,
            Violation::CutInsideRecord | Violation::AnswerTooLong | Violation::TooManyRecords | Violation::LateChangeCipherSpec
        ) {
            assert!(!calls.contains(&Call::Open), "{rule:?} lets {calls:?} through");
        }
    }
    for rule in [Violation::P256OffCurve, Violation::P256ShareEncoding, Violation::X25519LowOrder, Violation::X25519OnTwist] {
        assert!(!watch(breaks(rule), None).0.contains(&Call::Handshake), "{rule:?}");
    }
}

#[test]
fn no_application_keys_without_a_verified_server() {
    let identity = PKI.0.issue(&Leaf { names: vec!["example.com".to_owned()], ..Leaf::default() }, KeyKind::EcdsaP256);
    let calls = Arc::new(Mutex::new(Vec::new()));
    let keys = Watched { keys: PlainKeys::from_seed([3; 32]), calls: calls.clone(), wrong: None };
    Case::default().run_with(keys, &identity, config(&PKI.0), "localhost").expect_err("the name is another");
    assert_eq!(calls.lock().expect("one thread").last(), Some(&Call::Handshake));
}

#[test]
fn a_backend_that_fails_ends_the_run_at_that_call() {
    let (calls, _) = watch(Case::default(), None);
    for failing in 0..calls.len() {
        let (made, error) = watch(Case::default(), Some(Wrong::Fails(failing)));
        // The nonce in the call differs with the server's randomness.
        let kinds = |calls: &[Call]| calls.iter().map(std::mem::discriminant).collect::<Vec<_>>();
        assert_eq!(kinds(&made), kinds(&calls[..=failing]));
        assert!(matches!(error, Some(Error::Backend(Broken))));
    }
}

#[test]
fn a_backend_that_breaks_its_contract_is_named() {
    let cases = [
        (Wrong::ShortShare, BackendBreach::KeyShareLength),
        (Wrong::ShortRecord, BackendBreach::SealedLength),
        (Wrong::NoRecord, BackendBreach::SealedLength),
    ];
    for (wrong, expected) in cases {
        let (_, error) = watch(Case::default(), Some(wrong));
        assert!(matches!(error, Some(Error::Breach(breach)) if breach == expected), "{wrong:?}");
    }
}
