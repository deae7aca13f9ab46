//! The key operations: what the state machine asks of whoever holds the secrets. With the MPC backend each call is a joint operation of all
//! parties, and every party's state machine makes the same calls in the same order, because it sees the same server bytes.
//!
//! Secrets are opaque handles. Handles that may be used once are taken by value: what is spent cannot be named again.

use crate::answer::AnswerDigest;
use crate::flight::ServerVerified;
use crate::plan::{Hole, RecordPlan};
use crate::schedule::TrafficSecret;
use crate::share::{Group, ServerShare};
use crate::transcript::TranscriptView;
use std::future::Future;

/// The handshake traffic secrets (RFC 8446 section 7.1), opened to all parties.
pub struct HandshakeSecrets {
    /// client_handshake_traffic_secret.
    pub client: TrafficSecret,
    /// server_handshake_traffic_secret.
    pub server: TrafficSecret,
}

/// One direction's key with its public IV (RFC 8446 section 7.3).
pub struct SendingKey<K> {
    /// The handle of the secret key.
    pub key: K,
    /// The IV, public.
    pub iv: [u8; 12],
}

/// What the application secrets become after the handshake.
pub struct ApplicationKeys<C, S> {
    /// The client's application key and IV: the right to send.
    pub client: SendingKey<C>,
    /// The server's application traffic secret, still secret.
    pub server: S,
}

/// The operations on secrets that a client needs for one request and one answer, after which the connection is over.
///
/// An answer with secrets inside is given over with the server's secret still closed ([`crate::HeldAnswer::release`]). A kept connection needs another opening
/// of it, of its key and IV alone; it will be a further method that takes [`KeyOps::ServerSecret`] by value.
pub trait KeyOps: Send {
    /// The backend's own errors.
    type Error: std::error::Error + Send + 'static;
    /// The secret half of a key share.
    type KeyShare: Send;
    /// What stays secret between the handshake secrets and the application keys.
    type Handshake: Send;
    /// The client's application write key of one generation.
    type ClientKey: Send;
    /// The server's application traffic secret.
    type ServerSecret: Send;
    /// Secret plaintext.
    type Hole: Hole;

    /// Fresh joint randomness, public once it is drawn: ClientHello.random and the legacy session id. No party may be able to choose it.
    fn public_random(&mut self) -> impl Future<Output = Result<[u8; 64], Self::Error>> + Send;

    /// A fresh key share and its encoded public key (65 bytes uncompressed for secp256r1, 32 bytes for x25519). After a HelloRetryRequest `retry` is the
    /// view so far: the parties compare it first, as one that saw no such request would not draw a share.
    fn key_share(
        &mut self,
        group: Group,
        retry: Option<&TranscriptView>,
    ) -> impl Future<Output = Result<(Vec<u8>, Self::KeyShare), Self::Error>> + Send;

    /// ECDHE with the server's validated share, of the same group, and the key schedule up to the handshake secrets, which are opened to all.
    /// `view` is the transcript through ServerHello: the parties compare it before anything is opened.
    fn handshake_secrets(
        &mut self,
        share: Self::KeyShare,
        server: &ServerShare,
        view: &TranscriptView,
    ) -> impl Future<Output = Result<(HandshakeSecrets, Self::Handshake), Self::Error>> + Send;

    /// Derives the application keys, after the parties compared the proof's view and each said yes. The client's IV becomes public.
    fn application_keys(
        &mut self,
        handshake: Self::Handshake,
        verified: &ServerVerified,
    ) -> impl Future<Output = Result<ApplicationKeys<Self::ClientKey, Self::ServerSecret>, Self::Error>> + Send;

    /// Seals records: for each plan, ciphertext and tag without the header, made public to all parties.
    ///
    /// A plan exists once and is consumed, and its sequence number was consumed when it was made: whatever fails, no nonce meets a key twice.
    fn seal(
        &mut self,
        key: &mut Self::ClientKey,
        records: Vec<RecordPlan<Self::Hole>>,
    ) -> impl Future<Output = Result<Vec<Vec<u8>>, Self::Error>> + Send;

    /// Opens the server's application traffic secret, of the first generation and so of all, after the whole answer is held by all parties and
    /// they compared `held`. The client key goes with it: whoever knows the server's secret could answer in the server's name, so nothing is
    /// ever sent or accepted on this connection again.
    fn open_server_secret(
        &mut self,
        client: Self::ClientKey,
        server: Self::ServerSecret,
        held: &AnswerDigest,
    ) -> impl Future<Output = Result<TrafficSecret, Self::Error>> + Send;
}

/// For a backend that is a single party and may know the server's keys while the connection lives: both directions stream.
pub trait StreamingKeyOps: KeyOps {
    /// The server's application traffic secret, at once.
    fn server_secret(&mut self, server: Self::ServerSecret) -> impl Future<Output = Result<TrafficSecret, Self::Error>> + Send;

    /// The client's key of the next generation (RFC 8446 section 7.2); the old one is gone.
    fn next_client_key(&mut self, old: Self::ClientKey) -> impl Future<Output = Result<SendingKey<Self::ClientKey>, Self::Error>> + Send;
}

/// A backend that outlives its connection is lent to it.
impl<T: KeyOps> KeyOps for &mut T {
    type Error = T::Error;
    type KeyShare = T::KeyShare;
    type Handshake = T::Handshake;
    type ClientKey = T::ClientKey;
    type ServerSecret = T::ServerSecret;
    type Hole = T::Hole;

    fn public_random(&mut self) -> impl Future<Output = Result<[u8; 64], Self::Error>> + Send {
        T::public_random(self)
    }

    fn key_share(
        &mut self,
        group: Group,
        retry: Option<&TranscriptView>,
    ) -> impl Future<Output = Result<(Vec<u8>, Self::KeyShare), Self::Error>> + Send {
        T::key_share(self, group, retry)
    }

    fn handshake_secrets(
        &mut self,
        share: Self::KeyShare,
        server: &ServerShare,
        view: &TranscriptView,
    ) -> impl Future<Output = Result<(HandshakeSecrets, Self::Handshake), Self::Error>> + Send {
        T::handshake_secrets(self, share, server, view)
    }

    fn application_keys(
        &mut self,
        handshake: Self::Handshake,
        verified: &ServerVerified,
    ) -> impl Future<Output = Result<ApplicationKeys<Self::ClientKey, Self::ServerSecret>, Self::Error>> + Send {
        T::application_keys(self, handshake, verified)
    }

    fn seal(
        &mut self,
        key: &mut Self::ClientKey,
        records: Vec<RecordPlan<Self::Hole>>,
    ) -> impl Future<Output = Result<Vec<Vec<u8>>, Self::Error>> + Send {
        T::seal(self, key, records)
    }

    fn open_server_secret(
        &mut self,
        client: Self::ClientKey,
        server: Self::ServerSecret,
        held: &AnswerDigest,
    ) -> impl Future<Output = Result<TrafficSecret, Self::Error>> + Send {
        T::open_server_secret(self, client, server, held)
    }
}
