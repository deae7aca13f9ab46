//! The key schedule of TLS 1.3 (RFC 8446 section 7.1) without pre-shared keys and without resumption, cut where a client needs it.
//!
//! With SHA-256 it is 32 compressions in which everything public is folded: the early secret and its derivative are constants, and transcript hashes
//! come in as public words. The whole costs 626 900 ANDs, 510 328 if the server's last traffic secret is taken instead of its key and IV.

use crate::builder::Builder;
use crate::bytes::{Byte, constant_bytes};
use crate::hkdf::{expand_label, expand_label_scheduled, extract};
use crate::hmac::HmacKey;
use crate::sha256::{self, Schedule};

/// What follows from the shared secret and the transcript through ServerHello.
pub struct HandshakeSecrets {
    /// `client_handshake_traffic_secret`.
    pub client_traffic: [Byte; 32],
    /// `server_handshake_traffic_secret`.
    pub server_traffic: [Byte; 32],
    /// The master secret, ready to derive from.
    pub master: HmacKey,
}

/// A record protection key and its IV (RFC 8446 section 7.3).
pub struct TrafficKey {
    /// The AES-128 key.
    pub key: [Byte; 16],
    /// The IV, from which nonces come.
    pub iv: [Byte; 12],
}

/// The words that one derivation with a transcript hash takes; their values are [`label_schedule`](crate::hkdf::label_schedule)
/// of `"c hs traffic"` or `"c ap traffic"`, and of `"s hs traffic"` or `"s ap traffic"`, with the transcript hash.
pub struct TranscriptWords {
    /// Words of the client's label.
    pub client: Schedule,
    /// Words of the server's label.
    pub server: Schedule,
}

impl TranscriptWords {
    /// New public inputs, the client's words first.
    pub fn input(b: &mut Builder) -> TranscriptWords {
        TranscriptWords { client: sha256::schedule_input(b), server: sha256::schedule_input(b) }
    }
}

/// From the shared secret, as the bytes that RFC 8446 section 7.4.2 defines, to the handshake traffic secrets and the master secret.
pub fn handshake_secrets(b: &mut Builder, shared: &[Byte; 32], transcript: &TranscriptWords) -> HandshakeSecrets {
    let zeros = constant_bytes(&[0; 32]);
    let early = extract(b, &zeros, &zeros);
    let early = HmacKey::new(b, &early);
    let salt = derived(b, &early);
    let handshake = extract(b, &salt, shared);
    let handshake = HmacKey::new(b, &handshake);
    let client_traffic = expand_label_scheduled(b, &handshake, &transcript.client);
    let server_traffic = expand_label_scheduled(b, &handshake, &transcript.server);
    let salt = derived(b, &handshake);
    let master = extract(b, &salt, &zeros);
    HandshakeSecrets { client_traffic, server_traffic, master: HmacKey::new(b, &master) }
}

/// One application traffic secret, from the words of its label with the transcript hash through the server's Finished.
pub fn application_secret(b: &mut Builder, master: &HmacKey, words: &Schedule) -> [Byte; 32] {
    expand_label_scheduled(b, master, words)
}

/// Key and IV of a traffic secret (RFC 8446 section 7.3).
pub fn traffic_key(b: &mut Builder, secret: &[Byte; 32]) -> TrafficKey {
    let secret = HmacKey::new(b, secret);
    let key = expand_label(b, &secret, "key", &[], 16);
    let iv = expand_label(b, &secret, "iv", &[], 12);
    TrafficKey { key: key.try_into().expect("16 bytes"), iv: iv.try_into().expect("12 bytes") }
}

/// Derive-Secret(secret, "derived", "").
fn derived(b: &mut Builder, secret: &HmacKey) -> [Byte; 32] {
    const EMPTY_HASH: [u8; 32] = [
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
        0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ];
    expand_label(b, secret, "derived", &EMPTY_HASH, 32).try_into().expect("32 bytes")
}
