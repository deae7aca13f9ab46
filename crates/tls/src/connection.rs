//! An established connection: sending, and then one of two ways to receive.
//!
//! [`Connection::await_answer`] gives up the right to send for the right to hold one answer. [`Connection::into_stream`] is for backends that
//! may know the server's keys while the connection lives.

use crate::answer::{AnswerCollector, AnswerLimits};
use crate::error::{BackendBreach, Error, Failure, Misuse};
use crate::handshake::Step;
use crate::ops::{KeyOps, SendingKey, StreamingKeyOps};
use crate::plan::{FragmentSize, Piece, RecordPlan, cut};
use crate::record::{ContentType, RecordReader};
use crate::stream::Stream;
use crate::transcript::WireHash;

/// Records that one AES-GCM key may protect; RFC 8446 section 5.5 has 2^24.5.
pub const MAX_RECORDS_A_KEY: u64 = 1 << 24;

/// An established connection on which nothing was received yet.
pub struct Connection<K: KeyOps> {
    pub(crate) ops: K,
    pub(crate) sending: Sending<K::ClientKey>,
    pub(crate) server: K::ServerSecret,
    /// Holds what the server sent behind its Finished.
    pub(crate) reader: RecordReader,
    pub(crate) wire: Box<WireHash>,
    pub(crate) http1: bool,
}

impl<K: KeyOps> Connection<K> {
    /// Whether the server agreed on ALPN `http/1.1`.
    pub fn negotiated_http1(&self) -> bool {
        self.http1
    }

    /// Seals application data and returns the records. An error ends the connection.
    ///
    /// # Errors
    /// The backend's, and [`Misuse::KeyExhausted`].
    pub async fn send(mut self, pieces: Vec<Piece<K::Hole>>, size: FragmentSize) -> Step<Self, K> {
        match self.sending.seal(&mut self.ops, cut(pieces, size), ContentType::ApplicationData).await {
            Ok(records) => {
                self.wire.sent(&records);
                Ok((self, records))
            }
            Err(error) => Err(Failure { error, output: vec![] }),
        }
    }

    /// Nothing more is sent on this connection; one answer is held whole, and opened once it is.
    ///
    /// ```compile_fail,E0382
    /// # use cotenant_tls::{AnswerLimits, Connection, FragmentSize, KeyOps};
    /// async fn sends_after_awaiting<K: KeyOps>(connection: Connection<K>) {
    ///     let collector = connection.await_answer(AnswerLimits::of_bytes(1 << 20));
    ///     connection.send(vec![], FragmentSize::LARGEST).await; // the connection was moved
    /// }
    /// ```
    pub fn await_answer(self, limits: AnswerLimits) -> AnswerCollector<K> {
        AnswerCollector::new(self.ops, self.sending.into_key(), self.server, self.reader, self.wire, limits)
    }
}

impl<K: StreamingKeyOps> Connection<K> {
    /// Streams both ways.
    ///
    /// # Errors
    /// The backend's.
    pub async fn into_stream(mut self) -> Result<Stream<K>, Failure<K::Error>> {
        match self.ops.server_secret(self.server).await {
            Ok(secret) => Ok(Stream::new(self.ops, self.sending, secret, self.reader)),
            Err(error) => Err(Failure { error: Error::Backend(error), output: vec![] }),
        }
    }
}

/// The client's direction in one generation: the key, its IV and the next sequence number.
pub(crate) struct Sending<C> {
    key: SendingKey<C>,
    sequence: u64,
}

impl<C> Sending<C> {
    pub(crate) fn new(key: SendingKey<C>) -> Self {
        Sending { key, sequence: 0 }
    }

    pub(crate) fn into_key(self) -> C {
        self.key.key
    }

    /// Consumes `count` sequence numbers, and returns the first of them.
    fn reserve(&mut self, count: u64) -> Result<u64, Misuse> {
        let first = self.sequence;
        self.sequence = first.saturating_add(count);
        if self.sequence > MAX_RECORDS_A_KEY { Err(Misuse::KeyExhausted) } else { Ok(first) }
    }

    /// Seals records of one type. Sequence numbers are consumed before the backend is asked.
    pub(crate) async fn seal<K: KeyOps<ClientKey = C>>(
        &mut self,
        ops: &mut K,
        contents: Vec<Vec<Piece<K::Hole>>>,
        kind: ContentType,
    ) -> Result<Vec<u8>, Error<K::Error>> {
        let first = self.reserve(contents.len() as u64)?;
        let plans: Vec<RecordPlan<K::Hole>> =
            contents.into_iter().zip(first..).map(|(pieces, sequence)| RecordPlan::new(pieces, kind, &self.key.iv, sequence)).collect();
        let shapes: Vec<_> = plans.iter().map(|plan| (*plan.header(), plan.sealed_length())).collect();
        let sealed = ops.seal(&mut self.key.key, plans).await.map_err(Error::Backend)?;
        if sealed.len() != shapes.len() || sealed.iter().zip(&shapes).any(|(body, (_, length))| body.len() != *length) {
            return Err(BackendBreach::SealedLength.into());
        }
        Ok(shapes.iter().zip(&sealed).flat_map(|((header, _), body)| [&header[..], body].concat()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_are_consumed_once_and_end() {
        let mut sending = Sending::new(SendingKey { key: (), iv: [0; 12] });
        assert_eq!((sending.reserve(3), sending.reserve(0), sending.reserve(1)), (Ok(0), Ok(3), Ok(3)));
        assert_eq!(sending.reserve(MAX_RECORDS_A_KEY - 4), Ok(4));
        assert_eq!(sending.reserve(1), Err(Misuse::KeyExhausted));
        assert_eq!(sending.reserve(u64::MAX), Err(Misuse::KeyExhausted));
        assert_eq!(sending.reserve(0), Err(Misuse::KeyExhausted));
    }
}
