//! A TLS 1.3 client (RFC 8446) as a state machine: bytes in, bytes out, and calls to a [`KeyOps`] backend that holds the secrets.
//!
//! There are no sockets, clocks or threads here. With a backend of several parties every party runs this same machine over the same server
//! bytes: what TLS makes public is computed by each in the clear, and each call to [`KeyOps`] is a joint operation of them all. Whoever holds
//! the socket relays bytes and can do no more than anyone on the network's path.
//!
//! One request and one answer:
//!
//! ```text
//! Handshake::start -> Handshake::receive ... -> Connection::send ... -> Connection::await_answer
//!     -> AnswerCollector::receive ... -> AnswerCollector::end -> HeldAnswer::open -> Answer, or HeldAnswer::release -> Released
//! ```
//!
//! Each arrow consumes what stands in front of it. Offered are TLS_AES_128_GCM_SHA256, secp256r1 and x25519, and nothing older than TLS 1.3.
#![forbid(unsafe_code)]

mod alert;
mod answer;
mod codec;
mod config;
mod connection;
mod error;
mod flight;
mod handshake;
mod hello;
mod inbound;
mod ops;
mod plan;
mod schedule;
mod share;
mod stream;
mod transcript;
mod verify;

pub mod protect;
pub mod record;

pub use alert::Alert;
pub use answer::{Answer, AnswerCollector, AnswerDigest, AnswerLimits, End, HeldAnswer, Released};
pub use config::{Config, Target, TrustRoots};
pub use connection::{Connection, MAX_RECORDS_A_KEY};
pub use error::{BackendBreach, CertificateError, Error, Failure, Fault, Misuse, Violation};
pub use flight::ServerVerified;
pub use handshake::{Handshake, MAX_HANDSHAKE, Progress, Step};
pub use ops::{ApplicationKeys, HandshakeSecrets, KeyOps, SendingKey, StreamingKeyOps};
/// Names, times and certificates as this crate takes them.
pub use pki_types;
pub use plan::{FragmentSize, Hole, Piece, RecordPlan, cut};
pub use schedule::{Hash, TrafficSecret, expand_label, hkdf_label};
pub use share::{Group, ServerShare};
pub use stream::Stream;
pub use transcript::{Transcript, TranscriptView};
pub use verify::signed_content;
