//! The connector's socket to the server, and the relay of a connector that cheats, for demonstrations and tests.

use cotenant_agent::relay::{Patience, Server, ServerFault};
use cotenant_core::{Channel, ChannelError, PartyId};
use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, lookup_host},
    time::timeout,
};

use crate::target::Endpoint;

/// Bytes read at once.
const CHUNK: usize = 1 << 16;

/// How long a server may be silent after what looks like its close_notify; some leave the closing of the connection to the client.
const FAREWELL: Duration = Duration::from_secs(1);

/// A TCP connection to a server, made when it is asked for.
pub struct TcpServer {
    endpoint: Endpoint,
    limit: Duration,
    socket: Option<TcpStream>,
}

impl TcpServer {
    /// To `endpoint`; each step may take `limit`.
    pub fn new(endpoint: Endpoint, limit: Duration) -> Self {
        TcpServer { endpoint, limit, socket: None }
    }

    /// Does `work` within the limit.
    async fn in_time<T>(limit: Duration, work: impl Future<Output = io::Result<T>>) -> Result<T, ServerFault> {
        match timeout(limit, work).await {
            Ok(result) => result.map_err(|e| fault_of(&e)),
            Err(_) => Err(ServerFault::TimedOut),
        }
    }
}

impl Server for TcpServer {
    async fn connect(&mut self) -> Result<(), ServerFault> {
        let (host, port) = (self.endpoint.host.clone(), self.endpoint.port);
        let found = timeout(self.limit, lookup_host((host, port))).await.map_err(|_| ServerFault::TimedOut)?;
        let addresses: Vec<_> = found.map_err(|_| ServerFault::NoAddress)?.collect();
        let socket = Self::in_time(self.limit, TcpStream::connect(&addresses[..])).await?;
        // Records are written whole; waiting to fill segments would only delay them. A socket that refuses the option works without.
        let _ = socket.set_nodelay(true);
        self.socket = Some(socket);
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), ServerFault> {
        let socket = self.socket.as_mut().ok_or(ServerFault::Broken)?;
        Self::in_time(self.limit, socket.write_all(bytes)).await
    }

    async fn recv(&mut self, patience: Patience) -> Result<Vec<u8>, ServerFault> {
        let socket = self.socket.as_mut().ok_or(ServerFault::Broken)?;
        let mut buffer = vec![0; CHUNK];
        let limit = if patience == Patience::Farewell { FAREWELL.min(self.limit) } else { self.limit };
        match (Self::in_time(limit, socket.read(&mut buffer)).await, patience) {
            (Ok(count), _) => buffer.truncate(count),
            (Err(ServerFault::TimedOut), Patience::Answer | Patience::Farewell) => buffer.clear(),
            (Err(fault), _) => return Err(fault),
        }
        Ok(buffer)
    }
}

fn fault_of(error: &io::Error) -> ServerFault {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => ServerFault::Refused,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::AddrNotAvailable => ServerFault::Unreachable,
        io::ErrorKind::TimedOut => ServerFault::TimedOut,
        _ => ServerFault::Broken,
    }
}

/// The relay lane of a connector that changes one bit of what the server sent, the same for every party, as soon as it is armed.
///
/// The connector itself goes on with the true bytes: it wants the others to see something else.
pub struct Relaying<C> {
    lane: C,
    armed: Option<Arc<AtomicBool>>,
    /// Who has been told something else than the server said.
    told: BTreeSet<PartyId>,
}

impl<C: Channel> Relaying<C> {
    /// With `armed`, cheats each party once, with the first long enough message after it is true; without, honest.
    pub fn new(lane: C, armed: Option<Arc<AtomicBool>>) -> Self {
        Relaying { lane, armed, told: BTreeSet::new() }
    }
}

impl<C: Channel> Channel for Relaying<C> {
    fn me(&self) -> PartyId {
        self.lane.me()
    }

    fn parties(&self) -> usize {
        self.lane.parties()
    }

    async fn send(&mut self, to: PartyId, mut message: Vec<u8>) -> Result<(), ChannelError> {
        // Short messages announce and carry no bytes of the server. The last byte is in the tag of a record.
        let armed = self.armed.as_ref().is_some_and(|armed| armed.load(Ordering::Relaxed));
        if armed && message.len() > 16 && self.told.insert(to) {
            *message.last_mut().expect("it is longer than 16 bytes") ^= 1;
        }
        self.lane.send(to, message).await
    }

    async fn recv(&mut self, from: PartyId) -> Result<Vec<u8>, ChannelError> {
        self.lane.recv(from).await
    }

    fn drop_queued(&mut self) {
        self.lane.drop_queued();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use tokio::net::TcpListener;

    fn to(host: &str, port: u16) -> TcpServer {
        TcpServer::new(Endpoint { host: host.to_owned(), port }, Duration::from_millis(200))
    }

    #[tokio::test]
    async fn bytes_go_both_ways_and_the_end_is_empty() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let mut server = to("localhost", listener.local_addr().unwrap().port());
        let peer = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 2];
            socket.read_exact(&mut bytes).await.unwrap();
            socket.write_all(&bytes).await.unwrap();
        };
        let client = async {
            server.connect().await?;
            server.send(b"hi").await?;
            let first = server.recv(Patience::Handshake).await?;
            Ok::<_, ServerFault>((first, server.recv(Patience::Answer).await?))
        };
        let ((), heard) = tokio::join!(peer, client);
        assert_eq!(heard, Ok((b"hi".to_vec(), vec![])));
    }

    #[tokio::test]
    async fn each_fault_has_its_name() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut silent = to("127.0.0.1", port);
        silent.connect().await.unwrap();
        assert_eq!(silent.recv(Patience::Handshake).await, Err(ServerFault::TimedOut));
        assert_eq!(silent.recv(Patience::Answer).await, Ok(vec![]), "the end of an answer whose length will tell");
        assert_eq!(silent.recv(Patience::Farewell).await, Ok(vec![]));
        drop(listener);
        assert_eq!(to("127.0.0.1", port).connect().await, Err(ServerFault::Refused));
        assert_eq!(to("no-such-host.invalid", 1).connect().await, Err(ServerFault::NoAddress));
        assert_eq!(to("127.0.0.1", port).recv(Patience::Answer).await, Err(ServerFault::Broken));
    }
}
