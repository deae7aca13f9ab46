//! One answer: held whole, compared, and only then opened.
//!
//! The three stages are three types. [`AnswerCollector`] takes bytes and cannot open; [`HeldAnswer`] opens and takes no more bytes; what comes
//! out is the [`Answer`], and the connection is gone. An answer of which only a part is to be opened is [`Released`] to the backend instead. The server's traffic secret is opened, and not its key, so that key updates inside the
//! answer are followed in the clear: nothing is sent or accepted afterwards, so what the secret could still do is nothing.

use crate::error::{Error, Failure, Fault, Violation};
use crate::inbound::{Inbound, check_outer};
use crate::ops::KeyOps;
use crate::protect::TAG;
use crate::record::{HEADER, Record, RecordReader};
use crate::schedule::{Hash, TrafficSecret};
use crate::transcript::WireHash;

/// How much a server may answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerLimits {
    /// Bytes on the wire, headers and tags included.
    pub bytes: usize,
    /// Records.
    pub records: usize,
}

impl AnswerLimits {
    /// At most so many bytes, and one record for every 512 of them and 16 more.
    pub fn of_bytes(bytes: usize) -> Self {
        AnswerLimits { bytes, records: bytes / 512 + 16 }
    }
}

/// What the parties compare before the server's secret is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnswerDigest {
    wire: Hash,
    bytes: u64,
    records: u64,
}

impl AnswerDigest {
    /// SHA-256 over all records of the connection, both directions, the held answer included.
    pub fn wire(&self) -> &Hash {
        &self.wire
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Records held.
    pub fn records(&self) -> u64 {
        self.records
    }
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// By an authenticated close_notify (RFC 8446 section 6.1).
    CloseNotify,
    /// Only the connection ended. Whether the answer is whole must be told by what it says, or it is not.
    Truncated,
}

/// An opened answer. Every record in it was authenticated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The application data.
    pub body: Vec<u8>,
    /// How it ended.
    pub end: End,
    /// NewSessionTickets passed over.
    pub tickets: u64,
    /// Key updates of the server.
    pub key_updates: u64,
}

/// Collects an answer, unread.
pub struct AnswerCollector<K: KeyOps> {
    held: HeldAnswer<K>,
    reader: RecordReader,
    limits: AnswerLimits,
}

/// A whole answer, still sealed.
pub struct HeldAnswer<K: KeyOps> {
    ops: K,
    client: K::ClientKey,
    server: K::ServerSecret,
    wire: Box<WireHash>,
    records: Vec<Record>,
    bytes: usize,
}

impl<K: KeyOps> AnswerCollector<K> {
    pub(crate) fn new(
        ops: K,
        client: K::ClientKey,
        server: K::ServerSecret,
        reader: RecordReader,
        wire: Box<WireHash>,
        limits: AnswerLimits,
    ) -> Self {
        AnswerCollector { held: HeldAnswer { ops, client, server, wire, records: vec![], bytes: 0 }, reader, limits }
    }

    /// Takes bytes from the server, in any chunks.
    ///
    /// # Errors
    /// A record that can be no part of an answer whatever it hides, or an answer beyond the limits. Nothing was opened and nothing will be.
    pub fn receive(mut self, input: &[u8]) -> Result<Self, Failure<K::Error>> {
        self.reader.push(input);
        match self.collect() {
            Ok(()) => Ok(self),
            Err(violation) => Err(silent(violation)),
        }
    }

    fn collect(&mut self) -> Result<(), Violation> {
        while let Some(record) = self.reader.next_record()? {
            check_outer(&record)?;
            if record.body.len() <= TAG {
                return Err(Violation::RecordTooShort);
            }
            self.held.bytes += HEADER + record.body.len();
            if self.held.bytes > self.limits.bytes {
                return Err(Violation::AnswerTooLong);
            }
            if self.held.records.len() == self.limits.records {
                return Err(Violation::TooManyRecords);
            }
            self.held.wire.received(&record);
            self.held.records.push(record);
        }
        Ok(())
    }

    /// Bytes held so far.
    pub fn bytes(&self) -> usize {
        self.held.bytes
    }

    /// Whether the last record is as long as an alert without padding. Some servers close the connection only when their client has: a hint for
    /// whoever holds the socket that it may close its direction of TCP, and no more than that.
    pub fn ends_like_a_closure(&self) -> bool {
        self.reader.is_empty() && self.held.records.last().is_some_and(|record| record.body.len() == 2 + 1 + TAG)
    }

    /// The connection ended, or so the one who holds the socket claims: the answer is what is held.
    ///
    /// # Errors
    /// [`Violation::CutInsideRecord`]; and those of [`AnswerCollector::receive`] for what came with the server's Finished.
    pub fn end(mut self) -> Result<HeldAnswer<K>, Failure<K::Error>> {
        self.collect().map_err(silent)?;
        if self.reader.is_empty() { Ok(self.held) } else { Err(silent(Violation::CutInsideRecord)) }
    }
}

/// A held answer that was given up by the state machine, for a backend that opens no key but parts of what the records hide.
///
/// The client key is gone: nothing is sent on the connection any more. Nor does anything take further records.
pub struct Released<K: KeyOps> {
    /// The backend.
    pub ops: K,
    /// The server's application traffic secret, of the first generation, at sequence number 0.
    pub server: K::ServerSecret,
    /// What the parties compare before anything of it is opened.
    pub digest: AnswerDigest,
    /// All records, none of them authenticated.
    pub records: Vec<Record>,
}

impl<K: KeyOps> HeldAnswer<K> {
    /// What the parties compare.
    pub fn digest(&self) -> AnswerDigest {
        AnswerDigest { wire: self.wire.current(), bytes: self.bytes as u64, records: self.records.len() as u64 }
    }

    /// Gives the records over to the backend, unopened.
    pub fn release(self) -> Released<K> {
        let digest = self.digest();
        let HeldAnswer { ops, server, records, .. } = self;
        Released { ops, server, digest, records }
    }

    /// Opens the server's secret, once for all, and every record with it.
    ///
    /// The caller must still judge whether the message in the body ends where the body does.
    ///
    /// ```compile_fail,E0382
    /// # use cotenant_tls::{HeldAnswer, KeyOps};
    /// async fn opens_twice<K: KeyOps>(held: HeldAnswer<K>) {
    ///     let first = held.open().await;
    ///     let second = held.open().await; // the answer was moved
    /// }
    /// ```
    ///
    /// # Errors
    /// The backend's; a record that does not authenticate or breaks a rule, and then no byte of the answer is released.
    pub async fn open(self) -> Result<Answer, Failure<K::Error>> {
        let digest = self.digest();
        let HeldAnswer { mut ops, client, server, records, .. } = self;
        let secret = ops.open_server_secret(client, server, &digest).await;
        let secret = secret.map_err(|error| Failure { error: Error::Backend(error), output: vec![] })?;
        read(records, secret).map_err(|fault| Failure { error: fault.into(), output: vec![] })
    }
}

fn read(records: Vec<Record>, secret: TrafficSecret) -> Result<Answer, Fault> {
    let mut inbound = Inbound::new(secret);
    for record in records {
        inbound.record(record)?;
    }
    inbound.end()?;
    let end = if inbound.closed { End::CloseNotify } else { End::Truncated };
    Ok(Answer { body: inbound.data, end, tickets: inbound.tickets, key_updates: inbound.key_updates })
}

/// While an answer is awaited no alert is sent: the right to send is gone.
fn silent<B: std::error::Error>(violation: Violation) -> Failure<B> {
    Failure { error: violation.into(), output: vec![] }
}
