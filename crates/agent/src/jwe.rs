//! JSON Web Encryption (RFC 7516), compact, of a secret for who has an RSA key: the secret is never in one place, nor is the key that its text is sealed with.
//!
//! ```text
//! BASE64URL(header) . BASE64URL(m^e mod N) . BASE64URL(IV) . BASE64URL(ciphertext) . BASE64URL(tag)
//!
//! K, seed, IV    drawn jointly, inside MPC
//! m              OAEP of K with the seed (RFC 8017, 7.1.1), inside MPC
//! ciphertext     AES-GCM of the secret under K and IV, with BASE64URL(header) as associated data, inside MPC
//! m^e mod N      by all parties, outside (`wrap`, `power`)
//! ```
//!
//! `alg` is RSA-OAEP or RSA-OAEP-256 (RFC 7518 section 4.3), `enc` A128GCM or A256GCM (section 5.3). All know header, key, lengths and the encrypted key; the rest
//! stays wires. Why a party that lies learns nothing is in docs/protocol/jwe.md.

mod key;
pub(crate) mod power;
pub(crate) mod wrap;

pub use key::{BadKey, PublicKey};

use crate::vault::alphabet::Alphabet;
use base64ct::{Base64UrlUnpadded, Encoding};
use chacha20::ChaCha20Rng;
use cotenant_circuit::{
    Builder,
    aes::RoundKeys,
    base64::Base64,
    bytes::{Byte, bits_of, constant_bytes, input_array, input_bytes, public_input_bytes},
    gcm,
    oaep::Hash,
};
use rand_core::Rng;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The most JWEs that one call makes.
pub const MAX_JWES: usize = 4;
/// The most parties that make one together: what it takes grows with the square of their number.
pub const MAX_PARTIES: usize = 5;
/// Bytes of an IV.
const IV: usize = 12;
/// Bytes of a tag.
const TAG: usize = 16;
/// The longest header.
const MAX_HEADER: usize = 2048;
/// The characters of a JWE.
pub(crate) const CHARACTERS: u128 = Alphabet::BASE64URL.mask() | 1 << b'.';

/// How a text is encrypted, and for whom: all that is known to all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealing {
    key: PublicKey,
    hash: Hash,
    content_key: usize,
    /// As it stands in the JWE.
    header: String,
}

/// Why there is no such JWE. Whoever wrote it is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadSealing {
    /// How the key is encrypted.
    #[error("the key is encrypted by RSA-OAEP or RSA-OAEP-256")]
    Algorithm,
    /// How the text is encrypted.
    #[error("the text is encrypted by A128GCM or A256GCM")]
    Encryption,
    /// The key.
    #[error("{0}")]
    Key(#[from] BadKey),
    /// More of the header.
    #[error("what more the header has is a JSON object of texts, without alg, enc, zip and crit, of {MAX_HEADER} bytes at most")]
    Header,
}

/// What of a JWE the circuit that writes it takes.
pub(crate) struct Drawn {
    key: Vec<Byte>,
    iv: [Byte; IV],
    /// BASE64URL(m^e mod N), which all know when the circuit runs.
    wrapped: Vec<Byte>,
}

impl Sealing {
    /// For the public key `jwk` (RFC 7517). A `kid` that it has stands in the header (RFC 7516 section 4.1.6), as does what `header` has.
    ///
    /// # Errors
    /// What of it is wrong.
    pub fn new(alg: &[u8], enc: &[u8], jwk: &[u8], header: Option<&[u8]>) -> Result<Sealing, BadSealing> {
        let (alg, hash) = match alg {
            b"RSA-OAEP" => ("RSA-OAEP", Hash::Sha1),
            b"RSA-OAEP-256" => ("RSA-OAEP-256", Hash::Sha256),
            _ => return Err(BadSealing::Algorithm),
        };
        let (enc, content_key) = match enc {
            b"A128GCM" => ("A128GCM", 16),
            b"A256GCM" => ("A256GCM", 32),
            _ => return Err(BadSealing::Encryption),
        };
        let (key, kid) = PublicKey::of_jwk(jwk, alg)?;
        let mut members: BTreeMap<String, String> = kid.map(|kid| ("kid".to_owned(), kid)).into_iter().collect();
        if let Some(more) = header {
            members.extend(serde_json::from_slice::<BTreeMap<String, String>>(more).map_err(|_| BadSealing::Header)?);
        }
        if ["alg", "enc", "zip", "crit"].iter().any(|name| members.contains_key(*name)) {
            return Err(BadSealing::Header);
        }
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let members: String = members.iter().map(|(name, value)| format!("{}:{},", text(name), text(value))).collect();
        let header = format!("{{\"alg\":\"{alg}\",{members}\"enc\":\"{enc}\"}}");
        if header.len() > MAX_HEADER {
            return Err(BadSealing::Header);
        }
        Ok(Sealing { key, hash, content_key, header: Base64UrlUnpadded::encode_string(header.as_bytes()) })
    }

    /// For people who approve it: how, for which key, with which header.
    pub(crate) fn in_words(&self) -> String {
        let header = Base64UrlUnpadded::decode_vec(&self.header).unwrap_or_default();
        let (bits, thumbprint) = (8 * self.key.bytes(), self.key.thumbprint());
        format!("for the RSA key of {bits} bits with SHA-256 thumbprint {thumbprint}, header {}", String::from_utf8_lossy(&header))
    }

    /// The RSA key.
    pub(crate) fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Bits of the content key.
    pub(crate) fn key_bits(&self) -> usize {
        8 * self.content_key
    }

    /// Bits of an IV.
    pub(crate) const IV_BITS: usize = 8 * IV;

    /// Characters of the encrypted key.
    pub(crate) fn wrapped_len(&self) -> usize {
        Base64::Url.encoded_len(self.key.bytes())
    }

    /// Its characters from its bytes.
    pub(crate) fn wrapped(&self, power: &[u8]) -> String {
        Base64UrlUnpadded::encode_string(power)
    }

    /// Characters of the JWE of a text of so many bytes.
    pub(crate) fn len(&self, text: usize) -> usize {
        let parts = [IV, text, TAG].map(|bytes| Base64::Url.encoded_len(bytes) + 1);
        self.header.len() + 1 + self.wrapped_len() + parts.iter().sum::<usize>()
    }

    /// Declares what the circuit that writes it takes: content key, IV, and the encrypted key, which is public when it runs.
    pub(crate) fn input(&self, b: &mut Builder) -> Drawn {
        let (key, iv) = (input_bytes(b, self.content_key), input_array(b));
        Drawn { key, iv, wrapped: public_input_bytes(b, self.wrapped_len()) }
    }

    /// The bytes of those inputs, drawn by one who makes the JWE alone.
    pub(crate) fn alone(&self, rng: &mut ChaCha20Rng) -> Zeroizing<Vec<u8>> {
        loop {
            let mut drawn = Zeroizing::new(vec![0; (self.key_bits() + self.seed_bits() + self.blind_bits(1)) / 8]);
            rng.fill_bytes(&mut drawn);
            let remainders = self.wrapping(1).eval(&bits_of(&drawn));
            // Drawn anew if it has a factor of the modulus, as good as never if that is the product of two large primes.
            if let Ok(power) = self.key.last(&self.exponents(1), &remainders) {
                let mut iv = [0; IV];
                rng.fill_bytes(&mut iv);
                return [&drawn[..self.content_key], &iv, self.wrapped(&power).as_bytes()].concat().into();
            }
        }
    }

    /// The JWE of a text.
    pub(crate) fn build(&self, b: &mut Builder, Drawn { key, iv, wrapped }: Drawn, text: &[Byte]) -> Vec<Byte> {
        let associated = self.header.as_bytes();
        let (ciphertext, tag) = match <[Byte; 16]>::try_from(&key[..]) {
            Ok(key) => {
                let key = RoundKeys::expand(b, &key);
                gcm::seal(b, &key, &iv, associated, text)
            }
            Err(_) => {
                let key = RoundKeys::expand_256(b, &key.try_into().expect("a longer key has 32 bytes"));
                gcm::seal(b, &key, &iv, associated, text)
            }
        };
        let mut jwe = [constant_bytes(associated), constant_bytes(b"."), wrapped].concat();
        for part in [&iv[..], &ciphertext, &tag] {
            jwe.extend(constant_bytes(b"."));
            jwe.extend(Base64::Url.encode(b, part));
        }
        jwe
    }
}

#[cfg(test)]
pub(crate) mod tests;
