//! What was said: the transcript hash of the protocol, and the hash of the raw records that the parties compare.

use crate::codec::handshake_message;
use crate::schedule::{Hash, RunningHash, sha256};

/// Type of the synthetic message that stands for the first ClientHello after a HelloRetryRequest (RFC 8446 section 4.4.1).
const MESSAGE_HASH: u8 = 254;

/// Transcript-Hash (RFC 8446 section 4.4.1): SHA-256 over the handshake messages so far.
#[derive(Clone)]
pub struct Transcript(RunningHash);

impl Transcript {
    /// The transcript that starts with this ClientHello.
    pub fn start(client_hello: &[u8]) -> Self {
        let mut hash = RunningHash::new();
        hash.update(client_hello);
        Transcript(hash)
    }

    /// Appends a handshake message, its header included.
    pub fn add(&mut self, message: &[u8]) {
        self.0.update(message);
    }

    /// The hash of all messages so far.
    pub fn hash(&self) -> Hash {
        self.0.current()
    }

    /// On HelloRetryRequest: replaces the first ClientHello by its message_hash.
    pub fn into_retry(self) -> Self {
        Transcript::start(&handshake_message(MESSAGE_HASH, |out| out.extend(self.hash())))
    }
}

/// Hash of every record sent and received, headers included, one hash a direction so that it does not depend on how the two interleave.
#[derive(Clone)]
pub(crate) struct WireHash {
    sent: RunningHash,
    received: RunningHash,
}

impl WireHash {
    pub(crate) fn new() -> Self {
        WireHash { sent: RunningHash::new(), received: RunningHash::new() }
    }

    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        self.sent.update(bytes);
    }

    pub(crate) fn received(&mut self, record: &crate::record::Record) {
        self.received.update(&record.header);
        self.received.update(&record.body);
    }

    pub(crate) fn current(&self) -> Hash {
        sha256(&[self.sent.current(), self.received.current()].concat())
    }
}

/// What the parties compare before anything is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TranscriptView {
    /// Transcript-Hash of the handshake messages so far.
    pub transcript: Hash,
    /// SHA-256 over the raw records so far, headers and dropped records included.
    pub wire: Hash,
}
