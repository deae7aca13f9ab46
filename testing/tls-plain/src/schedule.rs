//! The stages of the key schedule (RFC 8446 section 7.1) in the clear, one type a stage.
//!
//! ```text
//! Early = HKDF-Extract(0, 0); Handshake = HKDF-Extract(Derive-Secret(Early, "derived", ""), ECDHE);
//! Master = HKDF-Extract(Derive-Secret(Handshake, "derived", ""), 0)
//! ```

use cotenant_tls::{Hash, TrafficSecret, expand_label};
use ring::{digest, hmac};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The Handshake Secret.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct HandshakeStage([u8; 32]);

impl HandshakeStage {
    /// From the ECDHE shared secret; no pre-shared key.
    pub fn new(shared: &[u8]) -> Self {
        let early = extract(&[0; 32], &[0; 32]);
        HandshakeStage(extract(&derived(&early), shared))
    }

    /// Client and server handshake traffic secrets, for the transcript through ServerHello.
    pub fn traffic(&self, transcript: &Hash) -> (TrafficSecret, TrafficSecret) {
        (secret(&self.0, b"c hs traffic", transcript), secret(&self.0, b"s hs traffic", transcript))
    }

    /// The next stage.
    pub fn into_master(self) -> MasterStage {
        MasterStage(extract(&derived(&self.0), &[0; 32]))
    }
}

/// The Master Secret.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct MasterStage([u8; 32]);

impl MasterStage {
    /// Client and server application traffic secrets of the first generation, for the transcript through the server's Finished.
    pub fn traffic(&self, transcript: &Hash) -> (TrafficSecret, TrafficSecret) {
        (secret(&self.0, b"c ap traffic", transcript), secret(&self.0, b"s ap traffic", transcript))
    }
}

/// HKDF-Extract (RFC 5869 section 2.2) with SHA-256.
fn extract(salt: &[u8; 32], keying: &[u8]) -> [u8; 32] {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, salt), keying).as_ref().try_into().expect("HMAC-SHA-256 is 32 bytes")
}

fn derived(secret: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    Zeroizing::new(expand_label(secret, b"derived", digest::digest(&digest::SHA256, b"").as_ref()))
}

fn secret(stage: &[u8; 32], label: &[u8], transcript: &Hash) -> TrafficSecret {
    TrafficSecret::new(expand_label(stage, label, transcript))
}
