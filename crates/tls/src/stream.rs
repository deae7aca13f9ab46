//! Application data both ways as it comes, for a backend that is a single party (RFC 8446 sections 4.6.3, 5 and 6).

use crate::alert::Alert;
use crate::answer::End;
use crate::connection::Sending;
use crate::error::{Error, Failure, Fault, Misuse, Violation};
use crate::handshake::Step;
use crate::inbound::{Inbound, KEY_UPDATE_NOT_REQUESTED};
use crate::ops::StreamingKeyOps;
use crate::plan::{FragmentSize, Piece, cut};
use crate::record::{ContentType, RecordReader};
use crate::schedule::TrafficSecret;

/// An established connection that streams.
pub struct Stream<K: StreamingKeyOps> {
    ops: K,
    sending: Sending<K::ClientKey>,
    reader: RecordReader,
    inbound: Inbound,
    closed_by_us: bool,
}

impl<K: StreamingKeyOps> Stream<K> {
    pub(crate) fn new(ops: K, sending: Sending<K::ClientKey>, secret: TrafficSecret, reader: RecordReader) -> Self {
        Stream { ops, sending, reader, inbound: Inbound::new(secret), closed_by_us: false }
    }

    /// Seals application data; in front of it our KeyUpdate, if the server asked for one since (RFC 8446 section 4.6.3).
    ///
    /// # Errors
    /// The backend's; sending after [`Stream::close`]; a key that is used up.
    pub async fn send(self, pieces: Vec<Piece<K::Hole>>, size: FragmentSize) -> Step<Self, K> {
        if self.closed_by_us {
            return Err(self.fail(Misuse::SendAfterClose.into()).await);
        }
        let (stream, update) = if self.inbound.update_owed { self.update_key().await? } else { (self, vec![]) };
        let (stream, data) = stream.seal(cut(pieces, size), ContentType::ApplicationData).await?;
        Ok((stream, [update, data].concat()))
    }

    /// Our KeyUpdate, which asks for none in return, and the change of keys behind it.
    async fn update_key(self) -> Step<Self, K> {
        let (stream, message) = self.seal(public(&KEY_UPDATE_NOT_REQUESTED), ContentType::Handshake).await?;
        let Stream { mut ops, sending, reader, mut inbound, closed_by_us } = stream;
        inbound.update_owed = false;
        match ops.next_client_key(sending.into_key()).await {
            Ok(key) => Ok((Stream { ops, sending: Sending::new(key), reader, inbound, closed_by_us }, message)),
            Err(error) => Err(Failure { error: Error::Backend(error), output: vec![] }),
        }
    }

    async fn seal(mut self, contents: Vec<Vec<Piece<K::Hole>>>, kind: ContentType) -> Step<Self, K> {
        match self.sending.seal(&mut self.ops, contents, kind).await {
            Ok(output) => Ok((self, output)),
            Err(error) => Err(Failure { error, output: vec![] }),
        }
    }

    /// Takes bytes from the server; what they say is taken with [`Stream::take_data`].
    ///
    /// # Errors
    /// Everything that a server can do wrong.
    pub async fn receive(mut self, input: &[u8]) -> Result<Self, Failure<K::Error>> {
        self.reader.push(input);
        match self.read() {
            Ok(()) => Ok(self),
            Err(fault) => Err(self.fail(fault.into()).await),
        }
    }

    fn read(&mut self) -> Result<(), Fault> {
        while let Some(record) = self.reader.next_record()? {
            self.inbound.record(record)?;
        }
        Ok(())
    }

    /// The application data that came since the last call; all of it authenticated.
    pub fn take_data(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.inbound.data)
    }

    /// Whether the server closed its direction.
    pub fn closed_by_server(&self) -> bool {
        self.inbound.closed
    }

    /// NewSessionTickets passed over, and key updates of the server.
    pub fn tickets_and_key_updates(&self) -> (u64, u64) {
        (self.inbound.tickets, self.inbound.key_updates)
    }

    /// Our close_notify: nothing is sent after it (RFC 8446 section 6.1).
    ///
    /// # Errors
    /// The backend's.
    pub async fn close(mut self) -> Step<Self, K> {
        if std::mem::replace(&mut self.closed_by_us, true) {
            return Ok((self, vec![]));
        }
        self.seal(public(&Alert::CloseNotify.bytes()), ContentType::Alert).await
    }

    /// The connection ended.
    ///
    /// # Errors
    /// If it ended inside a record or a handshake message.
    pub fn end(self) -> Result<End, Failure<K::Error>> {
        let violation = if self.reader.is_empty() { self.inbound.end().err() } else { Some(Violation::CutInsideRecord) };
        match violation {
            Some(violation) => Err(Failure { error: violation.into(), output: vec![] }),
            None if self.inbound.closed => Ok(End::CloseNotify),
            None => Ok(End::Truncated),
        }
    }

    /// An error goes to the server as an alert, unless our direction is closed or cannot be sealed any more.
    async fn fail(self, error: Error<K::Error>) -> Failure<K::Error> {
        let output = match error.alert() {
            Some(alert) if !self.closed_by_us => self.seal(public(&alert.bytes()), ContentType::Alert).await.map(|(_, alert)| alert),
            _ => Ok(vec![]),
        };
        Failure { error, output: output.unwrap_or_default() }
    }
}

fn public<H>(content: &[u8]) -> Vec<Vec<Piece<H>>> {
    vec![vec![Piece::Public(content.to_vec())]]
}
