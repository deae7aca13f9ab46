//! Who a party is: an Ed25519 key (RFC 8032), its text form and its signatures.
//!
//! Text form: Bech32m (BIP 350) of the 32-byte key under the prefix `cot`, 62 characters that start with `cot1`. The checksum finds
//! any four mistyped characters.
//!
//! Signatures are made over `"cotenant " || purpose || 0x00 || message`, so that one made for one purpose is worth nothing for
//! another, nor for TLS, whose signed text starts with 64 spaces (RFC 8446 section 4.4.3).

use bech32::{Bech32m, Hrp, primitives::decode::CheckedHrpstring};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use std::{fmt, str::FromStr};
use zeroize::Zeroizing;

const PREFIX: &str = "cot";

/// A party's private key. It erases itself when dropped, and is written nowhere but by [`Identity::save`].
pub struct Identity(SigningKey);

impl Identity {
    /// A new identity, from the operating system's randomness.
    ///
    /// # Errors
    /// If the operating system has none to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed)?;
        Ok(Self::from_seed(&seed))
    }

    /// The identity whose RFC 8032 private key is `seed`.
    pub(crate) fn from_seed(seed: &[u8; 32]) -> Self {
        Identity(SigningKey::from_bytes(seed))
    }

    /// The RFC 8032 private key.
    pub(crate) fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes())
    }

    /// What others know this party by.
    pub fn public(&self) -> PublicIdentity {
        PublicIdentity(self.0.verifying_key().to_bytes())
    }

    /// Signs `message` for `purpose`, a name without a zero byte that no other kind of message shares.
    ///
    /// # Panics
    /// If `purpose` contains a zero byte.
    pub fn sign(&self, purpose: &str, message: &[u8]) -> [u8; 64] {
        self.0.sign(&signed_text(purpose, message)).to_bytes()
    }

    /// Signs exactly these bytes; for TLS only, which separates its domain itself.
    pub(crate) fn sign_bare(&self, text: &[u8]) -> [u8; 64] {
        self.0.sign(text).to_bytes()
    }
}

/// What a party is known by: its Ed25519 public key, which is not one of the weak keys under which anyone can sign.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicIdentity([u8; 32]);

impl PublicIdentity {
    /// The identity with this RFC 8032 public key.
    ///
    /// # Errors
    /// [`BadIdentityText::NotAKey`] if the bytes are no point of the curve or one of small order.
    pub fn from_bytes(key: &[u8; 32]) -> Result<Self, BadIdentityText> {
        match VerifyingKey::from_bytes(key) {
            Ok(point) if !point.is_weak() => Ok(PublicIdentity(*key)),
            _ => Err(BadIdentityText::NotAKey),
        }
    }

    /// The RFC 8032 public key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Sixteen characters of the text form (80 bits of the key) in groups of four, for people to compare.
    pub fn fingerprint(&self) -> String {
        let text = self.to_string();
        let start = PREFIX.len() + 1;
        [0, 4, 8, 12].map(|i| &text[start + i..start + i + 4]).join("-")
    }

    /// Checks that this party signed `message` for `purpose` (RFC 8032 section 5.1.7, cofactorless, small-order points refused).
    ///
    /// # Errors
    /// If it did not.
    pub fn verify(&self, purpose: &str, message: &[u8], signature: &[u8; 64]) -> Result<(), BadSignature> {
        let key = VerifyingKey::from_bytes(&self.0).map_err(|_| BadSignature)?;
        key.verify_strict(&signed_text(purpose, message), &Signature::from_bytes(signature)).map_err(|_| BadSignature)
    }
}

impl fmt::Display for PublicIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bech32::encode_lower_to_fmt::<Bech32m, _>(f, Hrp::parse_unchecked(PREFIX), self.as_bytes()).map_err(|_| fmt::Error)
    }
}

impl fmt::Debug for PublicIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for PublicIdentity {
    type Err = BadIdentityText;

    fn from_str(text: &str) -> Result<Self, BadIdentityText> {
        let text = text.trim();
        if !text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("cot1")) {
            return Err(BadIdentityText::Prefix);
        }
        if text.len() != 62 {
            return Err(BadIdentityText::Length { seen: text.chars().count() });
        }
        let checked = CheckedHrpstring::new::<Bech32m>(text).map_err(|_| BadIdentityText::Checksum)?;
        let bytes: Vec<u8> = checked.byte_iter().collect();
        let identity = Self::from_bytes(&bytes.try_into().map_err(|_| BadIdentityText::Checksum)?)?;
        // 52 characters hold 260 bits; the four left over must be zero, or one key would have several texts.
        if identity.to_string().eq_ignore_ascii_case(text) { Ok(identity) } else { Err(BadIdentityText::Checksum) }
    }
}

/// Why a text or a key is no public identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadIdentityText {
    /// It does not start with `cot1`.
    Prefix,
    /// It is not 62 characters long.
    Length {
        /// Its length in characters.
        seen: usize,
    },
    /// The checksum does not match.
    Checksum,
    /// The bytes are no Ed25519 public key, or one under which anyone can sign.
    NotAKey,
}

impl fmt::Display for BadIdentityText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadIdentityText::Prefix => f.write_str("not an identity: one starts with \"cot1\""),
            BadIdentityText::Length { seen } => write!(f, "not an identity: one has 62 characters, this has {seen}; copy it again"),
            BadIdentityText::Checksum => f.write_str("a mistyped identity: its checksum does not match; copy it again"),
            BadIdentityText::NotAKey => f.write_str("not an identity: no usable Ed25519 key"),
        }
    }
}

impl std::error::Error for BadIdentityText {}

/// A signature was not made by this party over this message for this purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSignature;

impl fmt::Display for BadSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the signature does not match")
    }
}

impl std::error::Error for BadSignature {}

fn signed_text(purpose: &str, message: &[u8]) -> Vec<u8> {
    assert!(!purpose.contains('\0'), "a purpose has no zero byte");
    [b"cotenant ", purpose.as_bytes(), &[0], message].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032 section 7.1, TEST 1.
    const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    const EMPTY_SIGNED: &str =
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";

    fn unhex<const N: usize>(text: &str) -> [u8; N] {
        std::array::from_fn(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
    }

    #[test]
    fn rfc_8032_test_1() {
        let identity = Identity::from_seed(&unhex(SEED));
        assert_eq!(identity.public().as_bytes(), &unhex(PUBLIC));
        assert_eq!(identity.sign_bare(b""), unhex(EMPTY_SIGNED));
    }

    #[test]
    fn text_goes_there_and_back() {
        for _ in 0..50 {
            let public = Identity::generate().unwrap().public();
            let text = public.to_string();
            assert!(text.starts_with("cot1") && text.len() == 62, "{text}");
            assert_eq!(text.parse(), Ok(public));
            assert_eq!(format!(" {}\n", text.to_uppercase()).parse(), Ok(public));
            assert_eq!(public.fingerprint().replace('-', ""), text[4..20]);
        }
    }

    #[test]
    fn every_mistyped_character_is_found() {
        let text = Identity::from_seed(&unhex(SEED)).public().to_string();
        for i in 4..text.len() {
            for c in "qpzry9x8gf2tvdw0s3jn54khce6mua7l".chars().filter(|&c| !text[i..].starts_with(c)) {
                let mut mistyped = text.clone();
                mistyped.replace_range(i..=i, &c.to_string());
                assert_eq!(mistyped.parse::<PublicIdentity>(), Err(BadIdentityText::Checksum), "{mistyped}");
            }
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let text = Identity::from_seed(&unhex(SEED)).public().to_string();
        let parse = |text: &str| text.parse::<PublicIdentity>();
        assert_eq!(parse(""), Err(BadIdentityText::Prefix));
        assert_eq!(parse("cö1"), Err(BadIdentityText::Prefix));
        assert_eq!(parse(&text.replacen("cot1", "cat1", 1)), Err(BadIdentityText::Prefix));
        assert_eq!(parse(&text[..61]), Err(BadIdentityText::Length { seen: 61 }));
        assert_eq!(parse(&format!("{text}q")), Err(BadIdentityText::Length { seen: 63 }));
        assert_eq!(parse(&format!("{}ö", &text[..60])), Err(BadIdentityText::Checksum));
        let old_checksum = bech32::encode::<bech32::Bech32>(Hrp::parse_unchecked(PREFIX), &unhex::<32>(PUBLIC)).unwrap();
        assert_eq!(parse(&old_checksum), Err(BadIdentityText::Checksum));
    }

    #[test]
    fn left_over_bits_must_be_zero() {
        use bech32::{ByteIterExt, Fe32, Fe32IterExt};
        let mut symbols: Vec<Fe32> = unhex::<32>(PUBLIC).into_iter().bytes_to_fes().collect();
        let last = symbols.last_mut().unwrap();
        *last = Fe32::try_from(last.to_u8() | 1).unwrap();
        let text: String = symbols.into_iter().with_checksum::<Bech32m>(&Hrp::parse_unchecked(PREFIX)).chars().collect();
        assert_eq!(text.parse::<PublicIdentity>(), Err(BadIdentityText::Checksum));
    }

    #[test]
    fn weak_keys_and_other_bytes_are_no_identity() {
        let mut neutral = [0; 32];
        neutral[0] = 1;
        assert_eq!(PublicIdentity::from_bytes(&neutral), Err(BadIdentityText::NotAKey));
        assert_eq!(PublicIdentity::from_bytes(&[0; 32]), Err(BadIdentityText::NotAKey), "the point of order 4 with y = 0");
        let mut off_curve = [0; 32];
        off_curve[0] = 2;
        assert_eq!(PublicIdentity::from_bytes(&off_curve), Err(BadIdentityText::NotAKey), "RFC 8032: y = 2 is on no point");
    }

    #[test]
    fn a_signature_is_bound_to_signer_purpose_and_message() {
        let (identity, other) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let mut signature = identity.sign("commit", b"v2");
        assert_eq!(identity.public().verify("commit", b"v2", &signature), Ok(()));
        assert_eq!(other.public().verify("commit", b"v2", &signature), Err(BadSignature));
        assert_eq!(identity.public().verify("abandon", b"v2", &signature), Err(BadSignature));
        assert_eq!(identity.public().verify("commit", b"v3", &signature), Err(BadSignature));
        assert_eq!(identity.public().verify("commi", b"tv2", &signature), Err(BadSignature));
        signature[0] ^= 1;
        assert_eq!(identity.public().verify("commit", b"v2", &signature), Err(BadSignature));
    }
}
