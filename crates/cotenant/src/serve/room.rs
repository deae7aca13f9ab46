//! A room as the daemon serves it, whatever happens inside.

use super::queue::Queue;
use cotenant_agent::room::RoomId;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// A room that this daemon is in. What knows rooms implements it, and hands it to [`super::daemon::Daemon::add`].
pub trait Room: Send + Sync + 'static {
    /// Which room.
    fn id(&self) -> RoomId;

    /// What people call it.
    fn name(&self) -> String;

    /// The other members, and the links to them.
    fn peers(&self) -> Vec<Peer>;

    /// Its operations, which run one at a time.
    fn queue(&self) -> &Queue;

    /// Closes the links, once the last operation has ended. Called once; the daemon waits `limits.stop_seconds` for it.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// Another member of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its name for people.
    pub name: String,
    /// Its fingerprint.
    pub fingerprint: String,
    /// Whether there is a link to it now.
    pub connected: bool,
    /// Bytes sent to it since the daemon started, over all links there were.
    pub sent_bytes: u64,
    /// Bytes received from it since the daemon started.
    pub received_bytes: u64,
}
