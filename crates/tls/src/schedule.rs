//! The key schedule's pieces (RFC 8446 section 7.1) as far as they are computed in the clear: traffic secrets to keys, Finished, KeyUpdate.
//!
//! HKDF-Expand-Label(Secret, Label, Context, Length) = HKDF-Expand(Secret, HkdfLabel, Length), HKDF of RFC 5869 with SHA-256. The stages
//! above the traffic secrets belong to the key backend; [`hkdf_label`] and [`expand_label`] are public for it.

use ring::{digest, hkdf, hmac};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// A SHA-256 value: transcript hashes and digests, public.
pub type Hash = [u8; 32];

/// A traffic secret (RFC 8446 section 7.1): 32 bytes, wiped when dropped.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct TrafficSecret([u8; 32]);

impl TrafficSecret {
    /// Wraps the 32 bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        TrafficSecret(bytes)
    }

    /// The bytes, in the clear.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// AES-128 key and IV of this generation (RFC 8446 section 7.3).
    pub fn key_and_iv(&self) -> (zeroize::Zeroizing<[u8; 16]>, [u8; 12]) {
        (zeroize::Zeroizing::new(expand_label(&self.0, b"key", &[])), expand_label(&self.0, b"iv", &[]))
    }

    /// The secret of the next generation (RFC 8446 section 7.2).
    pub fn next(&self) -> TrafficSecret {
        TrafficSecret(expand_label(&self.0, b"traffic upd", &[]))
    }

    /// verify_data of a Finished (RFC 8446 section 4.4.4): HMAC under the finished key of this secret.
    pub fn finished(&self, transcript: &Hash) -> [u8; 32] {
        let tag = hmac::sign(&self.finished_key(), transcript);
        tag.as_ref().try_into().expect("HMAC-SHA-256 is 32 bytes")
    }

    /// Whether `verify_data` is the Finished of this secret; compared in constant time.
    pub(crate) fn verify_finished(&self, transcript: &Hash, verify_data: &[u8]) -> bool {
        hmac::verify(&self.finished_key(), transcript, verify_data).is_ok()
    }

    fn finished_key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &zeroize::Zeroizing::new(expand_label::<32>(&self.0, b"finished", &[]))[..])
    }
}

/// The HkdfLabel of RFC 8446 section 7.1 for an output of `length` bytes.
pub fn hkdf_label(label: &[u8], context: &[u8], length: u16) -> Vec<u8> {
    let mut out = length.to_be_bytes().to_vec();
    crate::codec::put_vector(&mut out, 1, |out| out.extend([&b"tls13 "[..], label].concat()));
    crate::codec::put_vector(&mut out, 1, |out| out.extend(context));
    out
}

/// HKDF-Expand-Label (RFC 8446 section 7.1) to `N` bytes.
pub fn expand_label<const N: usize>(secret: &[u8; 32], label: &[u8], context: &[u8]) -> [u8; N] {
    let length = u16::try_from(N).expect("labels expand to a few bytes");
    let mut out = [0; N];
    hkdf::Prk::new_less_safe(hkdf::HKDF_SHA256, secret)
        .expand(&[&hkdf_label(label, context, length)], OutputLength(N))
        .and_then(|okm| okm.fill(&mut out))
        .expect("N is below HKDF's limit of 8160 bytes");
    out
}

struct OutputLength(usize);

impl hkdf::KeyType for OutputLength {
    fn len(&self) -> usize {
        self.0
    }
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    finish(digest::digest(&digest::SHA256, bytes))
}

fn finish(digest: digest::Digest) -> Hash {
    digest.as_ref().try_into().expect("SHA-256 is 32 bytes")
}

/// A running SHA-256 that can be read without ending it.
#[derive(Clone)]
pub(crate) struct RunningHash(digest::Context);

impl RunningHash {
    pub(crate) fn new() -> Self {
        RunningHash(digest::Context::new(&digest::SHA256))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn current(&self) -> Hash {
        finish(self.0.clone().finish())
    }
}
