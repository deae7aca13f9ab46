//! How the server's bytes reach all parties: the connector owns the socket and passes on what it reads. It is no more than a man in the middle.
//!
//! Messages on the relay lane, from the connector to each other party: a byte, then what it announces.
//!
//! | first byte | meaning | then |
//! | --- | --- | --- |
//! | 0 | bytes of the server | 1 to 2^16 bytes |
//! | 1 | the connection to the server is there, or, later, has ended | nothing |
//! | 2 | the connection failed | one byte, the [`ServerFault`] |

use cotenant_core::{Channel, ChannelError, PartyId};
use std::future::Future;

/// The connector's socket to the server. It is opened only when everything is prepared.
pub trait Server: Send {
    /// Connects.
    fn connect(&mut self) -> impl Future<Output = Result<(), ServerFault>> + Send;

    /// Sends bytes.
    fn send(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), ServerFault>> + Send;

    /// The next bytes; none when the server closed the connection, or has been silent for as long as `patience` allows and an answer may end so.
    fn recv(&mut self, patience: Patience) -> impl Future<Output = Result<Vec<u8>, ServerFault>> + Send;
}

/// What is awaited of the server, and so how long a silence means what.
///
/// That an answer has ended is a claim of the connector. After it was opened all parties check that the message ends where the bytes do; a claim that
/// comes too early loses the call and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// A handshake message: silence is [`ServerFault::TimedOut`].
    Handshake,
    /// An answer: silence for long means its end.
    Answer,
    /// Nothing more, most likely: the last record is as long as a close_notify. A short silence means the end.
    Farewell,
}

/// Why the connection to the server failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[repr(u8)]
pub enum ServerFault {
    /// The host name has no address.
    #[error("the server's host name has no address")]
    NoAddress = 1,
    /// Nothing listens there.
    #[error("the server refused the connection: nothing listens at that port")]
    Refused = 2,
    /// No route, or no answer to connecting.
    #[error("the server cannot be reached")]
    Unreachable = 3,
    /// No answer within the time limit.
    #[error("the server did not answer within the time limit")]
    TimedOut = 4,
    /// The connection broke.
    #[error("the connection to the server broke")]
    Broken = 5,
}

impl ServerFault {
    const ALL: [ServerFault; 5] =
        [ServerFault::NoAddress, ServerFault::Refused, ServerFault::Unreachable, ServerFault::TimedOut, ServerFault::Broken];
}

/// Why no bytes of the server came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelayError {
    /// The link to a party failed.
    #[error("{0} (relay of the server's bytes)")]
    Channel(ChannelError),
    /// The connector's connection failed, as it says.
    #[error("{connector}, the connector: {fault}")]
    Server {
        /// The connector.
        connector: PartyId,
        /// What it says happened.
        fault: ServerFault,
    },
    /// The connector sent what is no relay message.
    #[error("{0}, the connector, sent a malformed relay message")]
    Malformed(PartyId),
}

/// Bytes of the server in one message.
const MOST: usize = 1 << 16;

/// One party's view of the connection to the server.
pub struct Relay<R, S> {
    lane: R,
    connector: PartyId,
    /// At the connector only.
    server: Option<S>,
}

impl<R: Channel, S: Server> Relay<R, S> {
    /// `server` is there at the connector, and only there.
    ///
    /// # Panics
    /// If it is not so.
    pub fn new(lane: R, connector: PartyId, server: Option<S>) -> Self {
        assert_eq!(lane.me() == connector, server.is_some(), "the connector, and nobody else, has the socket");
        Relay { lane, connector, server }
    }

    /// The party with the socket.
    pub fn connector(&self) -> PartyId {
        self.connector
    }

    /// Connects, or waits until the connector has.
    pub async fn connect(&mut self) -> Result<(), RelayError> {
        let result = match &mut self.server {
            None => {
                return match self.heard().await? {
                    None => Ok(()),
                    Some(_) => Err(RelayError::Malformed(self.connector)),
                };
            }
            Some(server) => server.connect().await,
        };
        self.tell(result.as_ref().map(|()| &[][..]).map_err(|&f| f)).await?;
        result.map_err(|fault| self.fault(fault))
    }

    /// Sends bytes to the server; at the other parties nothing, as the connector sends the same.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), RelayError> {
        let Some(server) = &mut self.server else { return Ok(()) };
        if bytes.is_empty() {
            return Ok(());
        }
        let result = server.send(bytes).await;
        if let Err(fault) = result {
            self.tell(Err(fault)).await?;
        }
        result.map_err(|fault| self.fault(fault))
    }

    /// The next bytes of the server, the same at all parties if the connector is honest; none when the server closed the connection.
    pub async fn recv(&mut self, patience: Patience) -> Result<Vec<u8>, RelayError> {
        let result = match &mut self.server {
            None => return Ok(self.heard().await?.unwrap_or_default()),
            Some(server) => server.recv(patience).await,
        };
        match &result {
            Ok(bytes) if !bytes.is_empty() => {
                for part in bytes.chunks(MOST) {
                    self.tell(Ok(part)).await?;
                }
            }
            other => self.tell(other.as_deref().map_err(|&f| f)).await?,
        }
        result.map_err(|fault| self.fault(fault))
    }

    fn fault(&self, fault: ServerFault) -> RelayError {
        RelayError::Server { connector: self.connector, fault }
    }

    async fn tell(&mut self, what: Result<&[u8], ServerFault>) -> Result<(), RelayError> {
        let message = match what {
            Ok([]) => vec![1],
            Ok(bytes) => [&[0], bytes].concat(),
            Err(fault) => vec![2, fault as u8],
        };
        for p in self.connector.others(self.lane.parties()) {
            self.lane.send(p, message.clone()).await.map_err(RelayError::Channel)?;
        }
        Ok(())
    }

    async fn heard(&mut self) -> Result<Option<Vec<u8>>, RelayError> {
        let message = self.lane.recv(self.connector).await.map_err(RelayError::Channel)?;
        match message.split_first() {
            Some((0, bytes)) if (1..=MOST).contains(&bytes.len()) => Ok(Some(bytes.to_vec())),
            Some((1, [])) => Ok(None),
            Some((2, [code])) => match ServerFault::ALL.into_iter().find(|&f| f as u8 == *code) {
                Some(fault) => Err(self.fault(fault)),
                None => Err(RelayError::Malformed(self.connector)),
            },
            _ => Err(RelayError::Malformed(self.connector)),
        }
    }
}
