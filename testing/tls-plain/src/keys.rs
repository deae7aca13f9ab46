//! The client's key operations in the clear.

use crate::schedule::HandshakeStage;
use cotenant_tls::{
    AnswerDigest, ApplicationKeys, Group, HandshakeSecrets, Hole, KeyOps, Piece, RecordPlan, SendingKey, ServerShare, ServerVerified,
    StreamingKeyOps, TrafficSecret, TranscriptView,
};
use p256::elliptic_curve::sec1::ToSec1Point;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use ring::aead;
use std::convert::Infallible;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// One process that knows every secret. All its randomness comes from one seed.
pub struct PlainKeys {
    rng: ChaCha20Rng,
}

impl PlainKeys {
    /// Seeded by the operating system.
    ///
    /// # Panics
    /// If the operating system has no randomness.
    pub fn new() -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut seed[..]).expect("the operating system has randomness");
        Self::from_seed(*seed)
    }

    /// The same seed gives the same ClientHello and the same secrets.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        PlainKeys { rng: ChaCha20Rng::from_seed(seed) }
    }
}

impl Default for PlainKeys {
    fn default() -> Self {
        Self::new()
    }
}

/// The secret half of a key share.
pub enum SecretShare {
    /// A scalar of secp256r1.
    Secp256r1(p256::SecretKey),
    /// A scalar of x25519, as RFC 7748 has it.
    X25519(Zeroizing<[u8; 32]>),
}

/// Secret plaintext: here just bytes.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct SecretBytes(Vec<u8>);

impl SecretBytes {
    /// Wraps bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        SecretBytes(bytes)
    }
}

impl Hole for SecretBytes {
    fn length(&self) -> usize {
        self.0.len()
    }

    fn split(mut self, at: usize) -> (Self, Self) {
        let rest = SecretBytes(self.0.split_off(at));
        (self, rest)
    }
}

impl KeyOps for PlainKeys {
    type Error = Infallible;
    type KeyShare = SecretShare;
    type Handshake = HandshakeStage;
    type ClientKey = TrafficSecret;
    type ServerSecret = TrafficSecret;
    type Hole = SecretBytes;

    async fn public_random(&mut self) -> Result<[u8; 64], Infallible> {
        let mut random = [0; 64];
        self.rng.fill_bytes(&mut random);
        Ok(random)
    }

    async fn key_share(&mut self, group: Group, _: Option<&TranscriptView>) -> Result<(Vec<u8>, SecretShare), Infallible> {
        let mut bytes = Zeroizing::new([0; 32]);
        loop {
            self.rng.fill_bytes(&mut bytes[..]);
            match group {
                Group::X25519 => {
                    let public = x25519_dalek::x25519(*bytes, x25519_dalek::X25519_BASEPOINT_BYTES);
                    return Ok((public.to_vec(), SecretShare::X25519(bytes)));
                }
                // By rejection: nearly every draw is below the order.
                Group::Secp256r1 => {
                    if let Ok(secret) = p256::SecretKey::from_slice(&bytes[..]) {
                        let public = secret.public_key().to_sec1_point(false).as_bytes().to_vec();
                        return Ok((public, SecretShare::Secp256r1(secret)));
                    }
                }
            }
        }
    }

    async fn handshake_secrets(
        &mut self,
        share: SecretShare,
        server: &ServerShare,
        view: &TranscriptView,
    ) -> Result<(HandshakeSecrets, HandshakeStage), Infallible> {
        let stage = HandshakeStage::new(&shared_secret(&share, server)[..]);
        let (client, server) = stage.traffic(&view.transcript);
        Ok((HandshakeSecrets { client, server }, stage))
    }

    async fn application_keys(
        &mut self,
        handshake: HandshakeStage,
        verified: &ServerVerified,
    ) -> Result<ApplicationKeys<TrafficSecret, TrafficSecret>, Infallible> {
        let (client, server) = handshake.into_master().traffic(&verified.view().transcript);
        Ok(ApplicationKeys { client: sending(client), server })
    }

    async fn seal(&mut self, key: &mut TrafficSecret, records: Vec<RecordPlan<SecretBytes>>) -> Result<Vec<Vec<u8>>, Infallible> {
        let (key, _) = key.key_and_iv();
        let key = aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_128_GCM, &key[..]).expect("AES-128 keys have 16 bytes"));
        Ok(records.into_iter().map(|plan| seal_one(&key, plan)).collect())
    }

    async fn open_server_secret(&mut self, _: TrafficSecret, server: TrafficSecret, _: &AnswerDigest) -> Result<TrafficSecret, Infallible> {
        Ok(server)
    }
}

impl StreamingKeyOps for PlainKeys {
    async fn server_secret(&mut self, server: TrafficSecret) -> Result<TrafficSecret, Infallible> {
        Ok(server)
    }

    async fn next_client_key(&mut self, old: TrafficSecret) -> Result<SendingKey<TrafficSecret>, Infallible> {
        Ok(sending(old.next()))
    }
}

pub(crate) fn shared_secret(share: &SecretShare, server: &ServerShare) -> Zeroizing<[u8; 32]> {
    match (share, server.secp256r1(), server.x25519()) {
        (SecretShare::Secp256r1(secret), Some(server), _) => {
            let shared = p256::ecdh::diffie_hellman(secret.to_nonzero_scalar(), server.as_affine());
            Zeroizing::new((*shared.raw_secret_bytes()).into())
        }
        (SecretShare::X25519(secret), _, Some((u, _))) => Zeroizing::new(x25519_dalek::x25519(**secret, *u)),
        _ => unreachable!("the state machine checks that the server's share is of the group that was sent"),
    }
}

fn sending(secret: TrafficSecret) -> SendingKey<TrafficSecret> {
    let (_, iv) = secret.key_and_iv();
    SendingKey { key: secret, iv }
}

fn seal_one(key: &aead::LessSafeKey, plan: RecordPlan<SecretBytes>) -> Vec<u8> {
    let (nonce, header) = (*plan.nonce(), *plan.header());
    let mut inner = Vec::with_capacity(plan.sealed_length());
    for piece in plan.into_pieces() {
        match piece {
            Piece::Public(bytes) => inner.extend(bytes),
            Piece::Secret(bytes) => inner.extend(&bytes.0),
        }
    }
    key.seal_in_place_append_tag(aead::Nonce::assume_unique_for_key(nonce), aead::Aad::from(header), &mut inner)
        .expect("records are far below AES-GCM's limit");
    inner
}
