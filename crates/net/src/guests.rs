//! Guests: connections to a session that admits whoever knows its name, such as one derived from an invitation.

use crate::{
    desk::{News, Waiting},
    hub::Door,
    identity::PublicIdentity,
    meet::Arrival,
    mesh::{Limits, Links, Member, Mesh, MeshConfig},
};
use cotenant_core::party::PartyId;
use std::{net::SocketAddr, sync::Arc};
use tokio::task::JoinSet;

/// Guests that are being let in at once; the next wait.
const AT_ONCE: usize = 16;

/// How many bytes a guest may send ahead of what is read: it has proved nothing but that it knows the session.
const READ_AHEAD: usize = 1 << 20;

/// The guests of one session, let in until this is dropped.
pub struct Guests {
    door: Door,
    address: SocketAddr,
    session: [u8; 32],
    waiting: Waiting,
    entering: JoinSet<Option<Guest>>,
}

/// One that knew the session.
pub struct Guest {
    /// The key it proved to hold. Nobody has said whose it is.
    pub identity: PublicIdentity,
    /// Where it came from.
    pub from: SocketAddr,
    /// The link to it; the guest is the second of two parties. It may be 1 MiB ahead of reading, not more.
    pub mesh: Mesh,
}

impl Guests {
    pub(crate) fn new(door: Door, address: SocketAddr, session: [u8; 32], waiting: Waiting) -> Self {
        Guests { door, address, session, waiting, entering: JoinSet::new() }
    }

    /// The next guest. Nothing is lost if the wait for it is given up.
    pub async fn next(&mut self) -> Guest {
        loop {
            tokio::select! {
                Some(entered) = self.entering.join_next() => {
                    if let Some(guest) = entered.expect("no task panics or is cancelled") {
                        return guest;
                    }
                }
                Some(news) = self.waiting.news.recv(), if self.entering.len() < AT_ONCE => {
                    if let News::Arrived(arrival) = news {
                        self.entering.spawn(let_in(self.door.clone(), self.address, self.session, *arrival));
                    }
                }
            }
        }
    }
}

/// A guest that says something that does not fit, or goes away, is none.
async fn let_in(door: Door, address: SocketAddr, session: [u8; 32], arrival: Arrival) -> Option<Guest> {
    let (identity, from) = (arrival.key, arrival.from);
    let members = [host(door.identity.public(), address.to_string()), guest(identity, from)];
    let mut config = config(&door, members, 0, session);
    config.limits.read_ahead = READ_AHEAD.min(config.limits.read_ahead);
    let config = Arc::new(config);
    let stream = arrival.welcome(&config.hello(PartyId::new(1)), &config.limits).await.ok()?;
    let mut links = Links::new(config);
    links.add(PartyId::new(1), stream);
    Some(Guest { identity, from, mesh: links.mesh() })
}

pub(crate) fn host(identity: PublicIdentity, address: String) -> Member {
    Member { name: "host".to_owned(), identity, address }
}

pub(crate) fn guest(identity: PublicIdentity, from: SocketAddr) -> Member {
    Member { name: "guest".to_owned(), identity, address: from.to_string() }
}

/// The session of a host and a guest.
pub(crate) fn config(door: &Door, members: [Member; 2], me: usize, session: [u8; 32]) -> MeshConfig {
    let limits: Limits = door.limits.clone();
    MeshConfig { identity: door.identity.clone(), me: PartyId::new(me), members: members.to_vec(), session, limits }
}
