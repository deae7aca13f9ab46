//! What a protocol sees of the network: ordered messages between the parties of one session.

use crate::party::PartyId;
use std::{fmt, future::Future};

/// Authenticated, confidential, ordered links from one party to every other.
///
/// A message sent by `p` to `q` arrives whole, once, and in the order sent, or `recv` fails and goes on failing. A send never waits
/// for the peer to read: links buffer, so that parties who all write at once cannot block each other.
pub trait Channel: Send {
    /// This party.
    fn me(&self) -> PartyId;

    /// The number of parties, this one included.
    fn parties(&self) -> usize;

    /// Queues one message for `to`. Waits only while more unsent bytes are queued on this machine than the link allows.
    fn send(&mut self, to: PartyId, message: Vec<u8>) -> impl Future<Output = Result<(), ChannelError>> + Send;

    /// The next message from `from`.
    fn recv(&mut self, from: PartyId) -> impl Future<Output = Result<Vec<u8>, ChannelError>> + Send;

    /// Drops what is queued and not yet sent, to everyone; messages sent afterwards go out as usual. Used when a session dies.
    fn drop_queued(&mut self);
}

/// A link failed: to whom, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelError {
    /// The party at the other end.
    pub party: PartyId,
    /// What happened.
    pub cause: ChannelFault,
}

/// Why a link failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelFault {
    /// The other side closed the connection.
    Closed,
    /// Nothing was heard from the other side for the set time.
    Silent,
    /// The connection broke.
    Broken,
    /// The other side sent more than it may ahead of what was read.
    Flooded,
    /// A frame broke the format.
    Malformed,
}

impl fmt::Display for ChannelFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ChannelFault::Closed => "closed the connection",
            ChannelFault::Silent => "has not been heard from within the time limit",
            ChannelFault::Broken => "is no longer reachable: the connection broke",
            ChannelFault::Flooded => "sent more than this side allows ahead of reading",
            ChannelFault::Malformed => "sent a malformed frame",
        })
    }
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.party, self.cause)
    }
}

impl std::error::Error for ChannelError {}
