//! Authenticated encryption of everything at rest: XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03; RFC 8439 with a nonce of 24 bytes).
//!
//! Sealed text: `nonce (24, random) || ciphertext || tag (16)`. Nonces of 192 bits may be drawn at random for any number of messages under one key.

use super::error::StoreError;
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};
use zeroize::Zeroizing;

/// The bytes of a nonce.
const NONCE: usize = 24;
/// How much longer than a text its sealed form is.
pub(super) const OVERHEAD: usize = NONCE + 16;

/// A key, erased when dropped.
pub struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// A new key.
    pub(super) fn random() -> Result<Self, StoreError> {
        Ok(Key(Zeroizing::new(random()?)))
    }

    /// The key with these bytes.
    pub(super) fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Key(bytes)
    }

    /// The same key.
    pub(super) fn copy(&self) -> Self {
        Key(self.0.clone())
    }

    /// Its bytes, to be sealed under another key.
    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Encrypts `text`, which opens only with the same `context`.
    pub(super) fn seal(&self, context: &[u8], text: &[u8]) -> Result<Vec<u8>, StoreError> {
        let nonce: [u8; NONCE] = random()?;
        let sealed = self.cipher().encrypt(&nonce.into(), Payload { msg: text, aad: context });
        Ok([&nonce[..], &sealed.expect("a text is shorter than 256 GiB")].concat())
    }

    /// The text that was sealed with this `context`; none if it was not sealed under this key, or was changed.
    pub(super) fn open(&self, context: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, msg) = sealed.split_first_chunk::<NONCE>()?;
        self.cipher().decrypt(&(*nonce).into(), Payload { msg, aad: context }).ok().map(Zeroizing::new)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

/// `N` bytes from the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// draft-irtf-cfrg-xchacha-03, appendix A.3.1.
    #[test]
    fn the_draft_s_example_opens() {
        let key = Key::new(Zeroizing::new(std::array::from_fn(|i| 0x80 + i as u8)));
        let nonce: Vec<u8> = (0x40..0x58).collect();
        let context = [0x50, 0x51, 0x52, 0x53, 0xc0, 0xc1, 0xc2, 0xc3, 0xc4, 0xc5, 0xc6, 0xc7];
        let text = "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let sealed = "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452\
                      2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49";
        let sealed: Vec<u8> = (0..sealed.len() / 2).map(|i| u8::from_str_radix(&sealed[2 * i..2 * i + 2], 16).unwrap()).collect();
        let opened = key.open(&context, &[nonce, sealed].concat()).expect("the example");
        assert_eq!(&opened[..], text.as_bytes());
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let (key, other) = (Key::random().unwrap(), Key::random().unwrap());
        let sealed = key.seal(b"here", b"text").unwrap();
        assert_eq!(sealed.len(), 4 + OVERHEAD);
        assert_eq!(key.open(b"here", &sealed).unwrap()[..], *b"text");
        assert!(key.open(b"there", &sealed).is_none() && other.open(b"here", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(key.open(b"here", &changed).is_none(), "byte {at}");
            assert!(key.open(b"here", &sealed[..at]).is_none(), "cut at {at}");
        }
    }
}
