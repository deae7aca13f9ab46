//! Party identities and mutually authenticated, multiplexed links.
//!
//! A party is known by an Ed25519 key. A [`Mesh`] holds one TLS 1.3 connection to every other party of a session, authenticated by
//! those keys on both sides, and carries several independent [`Lane`]s over it; a lane is a [`cotenant_core::channel::Channel`]. A
//! [`Hub`] is one address for many sessions: it makes meshes, keeps links up ([`Kept`]), and lets in guests whom nobody listed
//! ([`Guests`]).
//!
//! This crate owns the parties' sockets and the timers that belong to them: a dead peer cannot be noticed without a clock. What
//! stands above sees neither. The tasks that serve the sockets run on the tokio runtime that [`Mesh::connect`] or [`Hub::listen`] was called on, which
//! must go on running; a lane can be used from any thread and under any executor.
#![forbid(unsafe_code)]

mod buffer;
mod connect;
mod desk;
mod error;
mod frame;
mod guests;
mod hub;
mod identity;
mod keep;
mod keyfile;
mod link;
mod meet;
mod mesh;
mod queue;
mod stream;
mod tls;

pub use error::{ConfigFault, HelloFault, NetError, PeerError, PeerFault, Phase, Stranger};
pub use frame::MAX_MESSAGE;
pub use guests::{Guest, Guests};
pub use hub::{Hub, Peer};
pub use identity::{BadIdentityText, BadSignature, Identity, PublicIdentity};
pub use keep::{Kept, LinkState};
pub use keyfile::{KeyFileError, KeyFileFault};
pub use mesh::{Lane, Limits, Member, Mesh, MeshConfig, PeerCounters, listen};
pub use queue::LaneCounters;

#[cfg(test)]
mod tests;
