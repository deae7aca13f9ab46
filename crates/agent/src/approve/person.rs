//! Signatures of people, who approve for their party with OpenSSH keys.
//!
//! A signature is one of OpenSSH's SSHSIG format (OpenSSH, PROTOCOL.sshsig) with the namespace [`NAMESPACE`] over the bytes of a
//! [`Statement`], as `ssh-keygen -Y sign -n cotenant-approve@v1` makes. What an ssh-agent is asked to sign is the "signed data" of
//! that format, which [`to_be_signed`] gives.
//!
//! | key | signature over the signed data m |
//! | --- | --- |
//! | ssh-ed25519 (RFC 8709) | Ed25519 (RFC 8032), points of small order refused |
//! | ecdsa-sha2-nistp256 (RFC 5656) | ECDSA with SHA-256 |
//! | sk-ssh-ed25519@openssh.com, sk-ecdsa-sha2-nistp256@openssh.com | the same over SHA-256(application), flags, counter, SHA-256(m) (OpenSSH, PROTOCOL.u2f) |
//!
//! A security key has to say that it was touched (flag 0x01) and, where the party asks for that, that it has checked a PIN or finger (0x04). Its counter has to
//! be above the last one seen, if it counts at all (WebAuthn level 2, section 6.1.1): a copy of the key would fall behind.

use super::{
    statement::Statement,
    wire::{Put, Take, rising, whole},
};
use cotenant_core::codec::{BadFormat, Writer};
use p256::ecdsa::signature::Verifier;
use sha2::{Digest, Sha256};
use ssh_key::{
    Algorithm, EcdsaCurve, HashAlg, Mpint, PublicKey, Signature, SshSig,
    public::{EcdsaPublicKey, KeyData},
};
use std::{collections::BTreeMap, fmt};

/// The namespace of signatures, so that none made for a file, a commit or another program counts here.
pub const NAMESPACE: &str = "cotenant-approve@v1";
/// The longest signature that is read, in bytes of its text.
pub const MAX_SIGNATURE: usize = 8 << 10;
/// The flag of a security key: touched.
const TOUCHED: u8 = 0x01;
/// The flag of a security key: PIN or finger checked.
const PIN_CHECKED: u8 = 0x04;
const FORMAT: u8 = 1;
const MAX_KEY: usize = 1 << 10;
const MAX_KEYS: usize = 1 << 12;

/// A person's public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approver(PublicKey);

impl Approver {
    /// Reads a line like those of `id_ed25519.pub`: algorithm, key in base64, comment.
    ///
    /// # Errors
    /// If it is none, or of an algorithm that is not used here.
    pub fn parse(line: &str) -> Result<Self, BadKey> {
        let key = PublicKey::from_openssh(line).map_err(|_| BadKey::Format)?;
        let usable = match key.key_data() {
            KeyData::Ed25519(key) => ed25519(&key.0).is_some(),
            KeyData::SkEd25519(key) => ed25519(&key.public_key().0).is_some(),
            KeyData::Ecdsa(EcdsaPublicKey::NistP256(point)) => p256::ecdsa::VerifyingKey::from_sec1_bytes(point.as_bytes()).is_ok(),
            KeyData::SkEcdsaSha2NistP256(key) => p256::ecdsa::VerifyingKey::from_sec1_bytes(key.ec_point().as_bytes()).is_ok(),
            _ => return Err(BadKey::Algorithm),
        };
        if usable { Ok(Approver(key)) } else { Err(BadKey::Weak) }
    }

    /// Reads a key as an ssh-agent lists it; it has no comment.
    ///
    /// # Errors
    /// As [`Approver::parse`].
    pub fn from_blob(blob: &[u8]) -> Result<Self, BadKey> {
        let key = PublicKey::from_bytes(blob).map_err(|_| BadKey::Format)?;
        Self::parse(&key.to_openssh().map_err(|_| BadKey::Format)?)
    }

    /// `SHA256:…`, as OpenSSH prints it.
    pub fn fingerprint(&self) -> String {
        self.0.fingerprint(HashAlg::Sha256).to_string()
    }

    /// The comment of the line, which anyone may have written.
    pub fn comment(&self) -> &str {
        self.0.comment()
    }

    /// The key as an ssh-agent names it.
    pub fn blob(&self) -> Vec<u8> {
        self.0.to_bytes().expect("a key that was read can be written")
    }

    pub(super) fn is(&self, other: &KeyData) -> bool {
        self.0.key_data() == other
    }
}

/// Why a line is no approver's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// It is no public key of OpenSSH.
    #[error("not a public key: a line starts with ssh-ed25519 or the like; copy the whole .pub file")]
    Format,
    /// It is one that cannot approve.
    #[error("keys that approve are ssh-ed25519, ecdsa-sha2-nistp256, or their sk- forms")]
    Algorithm,
    /// Anyone can sign under it, or nobody can.
    #[error("the key is no usable point of its curve")]
    Weak,
}

/// The bytes that an ssh-agent signs for a statement (SSHSIG "signed data", with SHA-512).
pub fn to_be_signed(statement: &Statement) -> Vec<u8> {
    signed_data(HashAlg::Sha512, statement)
}

fn signed_data(hash: HashAlg, statement: &Statement) -> Vec<u8> {
    SshSig::signed_data(NAMESPACE, hash, &statement.encode()).expect("the namespace is not empty")
}

/// A signature of a person, which has not been verified.
#[derive(Clone)]
pub struct PersonSignature {
    key: KeyData,
    hash: HashAlg,
    signature: Signature,
    evidence: Vec<u8>,
}

impl PersonSignature {
    /// Reads what `ssh-keygen -Y sign` writes.
    ///
    /// # Errors
    /// If it is something else, or in another namespace.
    pub fn from_armoured(text: &str) -> Result<Self, BadSignature> {
        if text.len() > MAX_SIGNATURE {
            return Err(BadSignature::Format);
        }
        let read = SshSig::from_pem(text).map_err(|_| BadSignature::Format)?;
        if read.version() != SshSig::VERSION || !read.reserved().is_empty() {
            return Err(BadSignature::Format);
        }
        if read.namespace() != NAMESPACE {
            return Err(BadSignature::Namespace);
        }
        let (key, signature) = (read.public_key().clone(), read.signature().clone());
        Ok(PersonSignature { key, hash: read.hash_alg(), signature, evidence: text.as_bytes().to_vec() })
    }

    /// What an ssh-agent answered when it was asked to sign [`to_be_signed`] with the key of `by`; the same as `ssh-keygen -Y sign` makes with that key.
    ///
    /// # Errors
    /// If it is no signature.
    pub fn from_agent(by: &Approver, answer: &[u8]) -> Result<Self, BadSignature> {
        let signature = Signature::try_from(answer).map_err(|_| BadSignature::Format)?;
        // Algorithm and signature after their lengths, and nothing behind them.
        let length = 4 + signature.algorithm().as_str().len() + 4 + signature.as_bytes().len();
        if answer.len() != length {
            return Err(BadSignature::Format);
        }
        Self::from_armoured(&armoured(by, answer).ok_or(BadSignature::Format)?)
    }

    /// What `ssh-keygen -Y sign` writes, or would have written.
    pub fn evidence(&self) -> &[u8] {
        &self.evidence
    }

    pub(super) fn key(&self) -> &KeyData {
        &self.key
    }

    /// Checks that `by` made it over `statement`. Gives the counter of a security key.
    pub(super) fn verify(&self, by: &Approver, statement: &Statement, pin: bool) -> Result<Option<u32>, BadSignature> {
        if !by.is(&self.key) {
            return Err(BadSignature::Stranger);
        }
        let message = signed_data(self.hash, statement);
        let checked = |holds: bool| if holds { Ok(()) } else { Err(BadSignature::Mismatch) };
        match (&self.key, self.signature.algorithm()) {
            (KeyData::Ed25519(key), Algorithm::Ed25519) => {
                checked(ed25519_signed(&key.0, &message, self.signature.as_bytes())).map(|()| None)
            }
            (KeyData::Ecdsa(EcdsaPublicKey::NistP256(key)), Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }) => {
                checked(ecdsa_signed(key.as_bytes(), &message, self.signature.as_bytes())).map(|()| None)
            }
            (KeyData::SkEd25519(key), Algorithm::SkEd25519) => {
                let token = Token::read(self.signature.as_bytes(), pin)?;
                checked(ed25519_signed(&key.public_key().0, &token.message(key.application(), &message), token.signature))?;
                Ok(Some(token.counter))
            }
            (KeyData::SkEcdsaSha2NistP256(key), Algorithm::SkEcdsaSha2NistP256) => {
                let token = Token::read(self.signature.as_bytes(), pin)?;
                checked(ecdsa_signed(key.ec_point().as_bytes(), &token.message(key.application(), &message), token.signature))?;
                Ok(Some(token.counter))
            }
            _ => Err(BadSignature::Mismatch),
        }
    }
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// It is no signature of OpenSSH.
    #[error("not a signature: it starts with -----BEGIN SSH SIGNATURE-----")]
    Format,
    /// It was made for something else.
    #[error("the signature was made for something else: sign with -n {NAMESPACE}")]
    Namespace,
    /// The key is none of this party's approvers.
    #[error("the key of the signature is none that approves for this party")]
    Stranger,
    /// It is not over this statement by this key.
    #[error("the signature does not match this operation and decision")]
    Mismatch,
    /// The security key was not touched.
    #[error("the security key was not touched")]
    NotTouched,
    /// The security key has not checked a PIN or finger.
    #[error("the security key has checked no PIN; this party asks for one")]
    NoPin,
    /// The counter of a security key has not risen: there may be a copy of it.
    #[error("the security key counts {seen} after {last}; there may be a copy of it, or the signature is an old one: sign again")]
    Counter {
        /// The last one.
        last: u32,
        /// This one.
        seen: u32,
    },
}

/// The text of OpenSSH around a signature of `by` over [`to_be_signed`] (PROTOCOL.sshsig): `SSHSIG`, version 1 (4), then as strings the key, namespace, nothing,
/// hash and signature. It is written here, as the library leaves out where the trailer of a security key's ECDSA signature begins.
fn armoured(by: &Approver, signature: &[u8]) -> Option<String> {
    let mut blob = b"SSHSIG\0\0\0\x01".to_vec();
    for part in [&by.blob()[..], NAMESPACE.as_bytes(), b"", b"sha512", signature] {
        blob.extend_from_slice(&u32::try_from(part.len()).ok()?.to_be_bytes());
        blob.extend_from_slice(part);
    }
    let mut text = vec![0; 2 * blob.len() + 200];
    let mut encoder = pem_rfc7468::Encoder::new_wrapped("SSH SIGNATURE", 70, pem_rfc7468::LineEnding::LF, &mut text).ok()?;
    encoder.encode(&blob).ok()?;
    let length = encoder.finish().ok()?;
    text.truncate(length);
    String::from_utf8(text).ok()
}

/// What a security key adds to a signature: flags (1) and a counter (4, big-endian), at its end.
struct Token<'a> {
    signature: &'a [u8],
    flags: u8,
    counter: u32,
}

impl<'a> Token<'a> {
    fn read(bytes: &'a [u8], pin: bool) -> Result<Self, BadSignature> {
        let (signature, [flags, counter @ ..]) = bytes.split_last_chunk::<5>().ok_or(BadSignature::Format)?;
        if flags & TOUCHED == 0 {
            return Err(BadSignature::NotTouched);
        }
        if pin && flags & PIN_CHECKED == 0 {
            return Err(BadSignature::NoPin);
        }
        Ok(Token { signature, flags: *flags, counter: u32::from_be_bytes(*counter) })
    }

    fn message(&self, application: &str, message: &[u8]) -> Vec<u8> {
        let (application, message) = (Sha256::digest(application.as_bytes()), Sha256::digest(message));
        [&application[..], &[self.flags], &self.counter.to_be_bytes(), &message[..]].concat()
    }
}

fn ed25519(key: &[u8; 32]) -> Option<ed25519_dalek::VerifyingKey> {
    ed25519_dalek::VerifyingKey::from_bytes(key).ok().filter(|key| !key.is_weak())
}

fn ed25519_signed(key: &[u8; 32], message: &[u8], signature: &[u8]) -> bool {
    let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else { return false };
    ed25519(key).is_some_and(|key| key.verify_strict(message, &signature).is_ok())
}

/// The signature is r and s, each as an mpint (RFC 5656 section 3.1.2).
fn ecdsa_signed(point: &[u8], message: &[u8], mut signature: &[u8]) -> bool {
    let mut scalar = || {
        let (length, rest) = signature.split_first_chunk()?;
        let (number, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        signature = rest;
        let number = Mpint::from_bytes(number).ok()?;
        let bytes = number.as_positive_bytes()?;
        let mut padded = [0; 32];
        padded.get_mut(32usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
        Some(padded)
    };
    let (Some(r), Some(s)) = (scalar(), scalar()) else { return false };
    let (Ok(key), Ok(signature)) = (p256::ecdsa::VerifyingKey::from_sec1_bytes(point), p256::ecdsa::Signature::from_scalars(r, s)) else {
        return false;
    };
    key.verify(message, &signature).is_ok()
}

/// The last counter of each security key, which a party keeps for good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters(BTreeMap<Vec<u8>, u32>);

impl Counters {
    /// Takes a counter that is above the last one; 0 after 0 is of a key that does not count.
    pub(super) fn accept(&mut self, key: &Approver, seen: u32) -> Result<(), BadSignature> {
        match self.0.insert(key.blob(), seen) {
            Some(last) if seen <= last && (seen, last) != (0, 0) => {
                self.0.insert(key.blob(), last);
                Err(BadSignature::Counter { last, seen })
            }
            _ => Ok(()),
        }
    }

    /// Takes the counter of a signature that was counted before, about something that is over.
    pub fn note(&mut self, counted: &PersonSignature) {
        let by_token = matches!(counted.key, KeyData::SkEd25519(_) | KeyData::SkEcdsaSha2NistP256(_));
        if let Some(token) = by_token.then(|| Token::read(counted.signature.as_bytes(), false).ok()).flatten() {
            let blob = PublicKey::from(counted.key.clone()).to_bytes().expect("a key that was read can be written");
            let last = self.0.entry(blob).or_default();
            *last = token.counter.max(*last);
        }
    }

    /// Format (1, of value 1), then of each key in rising order: its blob and the counter (4).
    pub fn encode(&self) -> Vec<u8> {
        Writer::new().u8(FORMAT).list(self.0.iter(), |to, (key, counter)| to.string(key).u32(*counter)).done()
    }

    /// Reads what [`Counters::encode`] wrote.
    ///
    /// # Errors
    /// If it is something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadFormat> {
        let keys = whole(bytes, FORMAT, |from| from.list(MAX_KEYS, |from| Ok((from.string(MAX_KEY)?, from.u32()?))))?;
        if rising(keys.iter().map(|(key, _)| key)) { Ok(Counters(keys.into_iter().collect())) } else { Err(BadFormat) }
    }
}

impl fmt::Debug for PersonSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a signature of {}", self.key.fingerprint(HashAlg::Sha256))
    }
}

#[cfg(test)]
pub(super) mod tests;
