//! One address at which a party is reached for all it does: meshes of many sessions, links that are kept, and guests with an
//! invitation.
//!
//! Who connects proves a key and then names a session, both inside TLS; the connection goes to whoever waits for that session and key
//! (the desk). A connection that has not come so far is held for a limited time, and there are never more than so many: one more takes
//! the place of the oldest. So strangers can neither fill the memory nor keep others out.

use crate::{
    desk::{Admits, Desk},
    error::{ConfigFault, NetError, Stranger},
    guests::{self, Guests},
    identity::{Identity, PublicIdentity},
    keep::Kept,
    meet::Arrival,
    mesh::{Limits, Mesh, MeshConfig, listen},
};
use std::{collections::VecDeque, convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    task::{AbortHandle, JoinSet},
    time::sleep,
};

/// Connections that have not yet proved a key and said what they want, held at once; each costs the buffers of a
/// [`crate::stream::Stream`], a quarter of a MiB.
pub(crate) const UNPROVED: usize = 64;

/// The pause after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(50);

/// Another party, as one party knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// A name for people.
    pub name: String,
    /// Its key.
    pub identity: PublicIdentity,
    /// Where it is reached, as `host:port`, if that is known.
    pub address: Option<String>,
}

/// A party's one address, and the connections that come there.
///
/// One task accepts them on the tokio runtime that [`Hub::listen`] was called on, until the hub is closed or dropped. Meshes, guests
/// and kept links that exist then go on.
pub struct Hub {
    door: Door,
    address: SocketAddr,
    accepting: JoinSet<Infallible>,
}

impl Hub {
    /// Listens at `address` (`host:port`; port 0 for any free one) as the party with this identity.
    ///
    /// # Errors
    /// [`NetError::Listen`], if the port is in use for instance.
    pub async fn listen(identity: Arc<Identity>, address: &str, limits: Limits) -> Result<Hub, NetError> {
        let listener = listen(address).await?;
        let bound = listener.local_addr().map_err(|cause| NetError::Listen { address: address.to_owned(), cause })?;
        let door = Door { identity, limits, desk: Arc::default() };
        let mut accepting = JoinSet::new();
        let own = door.clone();
        accepting.spawn(async move { own.accept(&listener).await });
        Ok(Hub { door, address: bound, accepting })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who is reached here.
    pub fn identity(&self) -> PublicIdentity {
        self.door.identity.public()
    }

    /// Connects to all other parties of a session, as [`Mesh::connect`] does. Several sessions, also of the same members, can exist at
    /// once if their names differ. Others may dial before this is called: for [`Limits::hold`] they are held, then refused.
    ///
    /// # Errors
    /// As [`Mesh::connect`]; [`ConfigFault::SessionTwice`] if a session of this name is being made already.
    pub async fn mesh(&self, config: MeshConfig) -> Result<Mesh, NetError> {
        config.check(&self.identity(), true).map_err(NetError::Config)?;
        Mesh::gather(config, &self.door.desk, false).await
    }

    /// Keeps a link to `peer` for `purpose`, both of which also `peer` must name in the same way: makes it, and makes it again whenever
    /// it breaks, until what this gives is dropped. It dials if it has an address, and takes the peer's connection at any time; if both
    /// dial at once, the connection of the party with the smaller key is used.
    ///
    /// Who knows both keys and the purpose knows the session's name, and still learns from this party neither whether it keeps the link
    /// nor whether it is up.
    ///
    /// # Errors
    /// [`NetError::Config`] if the address has not the form `host:port`, the peer is this party itself, or the same link is kept already.
    pub fn keep(&self, peer: Peer, purpose: &[u8]) -> Result<Kept, NetError> {
        Kept::new(&self.door, peer, purpose, self.address).map_err(NetError::Config)
    }

    /// Lets in whoever asks for this session, with any key. The session's name is the only thing that keeps others out: derive it from
    /// a secret.
    ///
    /// # Errors
    /// [`ConfigFault::SessionTwice`].
    pub fn guests(&self, session: [u8; 32]) -> Result<Guests, NetError> {
        let waiting = self.door.desk.wait(session, Admits::Anyone).ok_or(NetError::Config(ConfigFault::SessionTwice(session)))?;
        Ok(Guests::new(self.door.clone(), self.address, session, waiting))
    }

    /// Asks to be let in as a guest of this session, by the holder of this key, who is the mesh's first party; this party is the second.
    ///
    /// # Errors
    /// As [`Mesh::connect`]; [`crate::PeerFault::Refused`] if the host has no such session, or has it no longer.
    pub async fn knock(&self, host: PublicIdentity, address: &str, session: [u8; 32]) -> Result<Mesh, NetError> {
        let host = guests::host(host, address.to_owned());
        let me = guests::guest(self.identity(), self.address);
        Mesh::connect(guests::config(&self.door, [host, me], 1, session), None).await
    }

    /// Listens no longer: when this returns the port is free. Connections that nobody has taken are closed.
    pub async fn close(mut self) {
        self.accepting.shutdown().await;
    }
}

/// What all who make links at one address share.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) identity: Arc<Identity>,
    pub(crate) limits: Limits,
    pub(crate) desk: Arc<Desk>,
}

impl Door {
    /// Accepts connections and takes them to the desk.
    pub(crate) async fn accept(&self, listener: &TcpListener) -> Infallible {
        let mut unproved: VecDeque<AbortHandle> = VecDeque::new();
        let mut hearing: JoinSet<Result<Arrival, Stranger>> = JoinSet::new();
        let mut receiving: JoinSet<()> = JoinSet::new();
        loop {
            tokio::select! {
                Some(heard) = hearing.join_next() => match heard {
                    Ok(Ok(arrival)) => {
                        let door = self.clone();
                        receiving.spawn(async move { door.desk.receive(arrival, &door.limits).await });
                    }
                    Ok(Err(stranger)) => self.desk.tell(&stranger),
                    // It gave way; or it has a fault, which was reported, and which is no reason to hear nobody any more.
                    Err(_) => {}
                },
                Some(_) = receiving.join_next() => {}
                accepted = listener.accept() => match accepted {
                    Ok((tcp, from)) => {
                        unproved.retain(|task| !task.is_finished());
                        if unproved.len() == UNPROVED {
                            unproved.pop_front().expect("not empty").abort();
                        }
                        unproved.push_back(hearing.spawn(Arrival::hear(tcp, from, self.identity.clone(), self.limits.clone())));
                    }
                    // Out of file descriptors, or the connection is gone again: nothing that a pause cannot mend.
                    Err(_) => sleep(PAUSE).await,
                },
            }
        }
    }
}
