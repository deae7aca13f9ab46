//! Rooms: what the daemon knows of each, and how they come about.
//!
//! | file | what |
//! | --- | --- |
//! | here | a room to the daemon: id, name, links, operations, end |
//! | [`rooms`] | all rooms: opened at the start, founded, joined |
//! | `actor` | a room's one task |
//! | `changing` | what is to be another way |
//! | `founding`, `door` | its members: invitations, phrases, signatures; those who come in |
//! | `show`, [`view`], [`routes`] | what is shown, checked and asked |
//! | `line`, `wire` | the link to another member, and what is said over it |
//! | `work` | what its members do together, once it is founded |
//! | `kept` | what is stored |
//!
//! What is agreed, and why, is in `docs/protocol/room.md`.

mod actor;
mod changing;
mod context;
mod door;
mod founding;
mod kept;
mod line;
mod problems;
pub mod rooms;
pub mod routes;
mod show;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
pub mod view;
mod wire;
mod work;

pub use work::{NoWork, notes};

use super::{operations::shell::Shell, queue::Queue};
use cotenant_agent::room::RoomId;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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

    /// What is done in it together, once all have signed it.
    ///
    /// # Errors
    /// Why nothing is.
    fn operations(&self) -> Result<Arc<Shell>, NoWork>;

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
