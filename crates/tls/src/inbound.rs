//! What the server sends after the handshake, once its traffic secret is known: application data, tickets, key updates, alerts
//! (RFC 8446 sections 4.6, 5 and 6).

use crate::alert::{self, Received};
use crate::codec::{Reader, extensions};
use crate::error::{Fault, Violation};
use crate::protect::RecordKey;
use crate::record::{ContentType, Message, MessageJoiner, Record};
use crate::schedule::TrafficSecret;

const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;

/// The server's direction after the handshake.
pub(crate) struct Inbound {
    secret: TrafficSecret,
    key: RecordKey,
    joiner: MessageJoiner,
    /// Application data not yet taken.
    pub(crate) data: Vec<u8>,
    /// Whether close_notify came.
    pub(crate) closed: bool,
    /// Whether a KeyUpdate asked for ours and was not answered yet (RFC 8446 section 4.6.3).
    pub(crate) update_owed: bool,
    /// NewSessionTickets passed over.
    pub(crate) tickets: u64,
    /// Generations of the server's key after the first.
    pub(crate) key_updates: u64,
}

impl Inbound {
    pub(crate) fn new(secret: TrafficSecret) -> Self {
        let (key, joiner) = (RecordKey::new(&secret), MessageJoiner::default());
        Inbound { secret, key, joiner, data: vec![], closed: false, update_owed: false, tickets: 0, key_updates: 0 }
    }

    /// Takes the next record.
    pub(crate) fn record(&mut self, record: Record) -> Result<(), Fault> {
        check_outer(&record)?;
        if self.closed {
            return Err(Violation::DataAfterClose.into());
        }
        let (kind, content) = self.key.open(record)?;
        if kind != ContentType::Handshake && !self.joiner.is_empty() {
            return Err(Violation::Interleaved.into());
        }
        match kind {
            ContentType::ApplicationData => self.data.extend(content),
            ContentType::Handshake => {
                self.joiner.push(&content)?;
                while let Some(message) = self.joiner.next_message()? {
                    self.message(&message)?;
                }
            }
            ContentType::Alert => self.closed = alert::receive(&content)? == Received::Close,
            ContentType::ChangeCipherSpec => return Err(Violation::UnexpectedContent.into()),
        }
        Ok(())
    }

    /// The end of the stream: no handshake message may be left half said.
    pub(crate) fn end(&self) -> Result<(), Violation> {
        if self.joiner.is_empty() { Ok(()) } else { Err(Violation::CutInsideMessage) }
    }

    fn message(&mut self, message: &Message) -> Result<(), Violation> {
        match message.kind {
            // Resumption is not offered: a ticket is read and passed over.
            NEW_SESSION_TICKET => {
                ticket(message.body()).ok_or(Violation::MalformedTicket)?;
                self.tickets += 1;
                Ok(())
            }
            KEY_UPDATE => self.key_update(message.body()),
            _ => Err(Violation::UnexpectedPostHandshake),
        }
    }

    fn key_update(&mut self, body: &[u8]) -> Result<(), Violation> {
        let [request] = body else { return Err(Violation::MalformedKeyUpdate) };
        if *request > 1 {
            return Err(Violation::KeyUpdateRequest);
        }
        if !self.joiner.is_empty() {
            return Err(Violation::SpansKeyChange);
        }
        self.secret = self.secret.next();
        self.key = RecordKey::new(&self.secret);
        self.update_owed |= *request == 1;
        self.key_updates += 1;
        Ok(())
    }
}

/// After the handshake the outer type is application_data, always (RFC 8446 sections 5 and 5.2).
pub(crate) fn check_outer(record: &Record) -> Result<(), Violation> {
    match record.kind {
        ContentType::ApplicationData => Ok(()),
        ContentType::ChangeCipherSpec => Err(Violation::LateChangeCipherSpec),
        ContentType::Alert | ContentType::Handshake => Err(Violation::UnprotectedRecord),
    }
}

/// NewSessionTicket (RFC 8446 section 4.6.1): lifetime, age_add, nonce, ticket, extensions.
fn ticket(body: &[u8]) -> Option<()> {
    let mut reader = Reader::new(body);
    reader.take(8)?;
    reader.vector(1)?;
    reader.vector(2).filter(|ticket| !ticket.is_empty())?;
    reader.vector(2).and_then(extensions)?;
    reader.finish()
}

/// A KeyUpdate that asks for none in return (RFC 8446 section 4.6.3).
pub(crate) const KEY_UPDATE_NOT_REQUESTED: [u8; 5] = [KEY_UPDATE, 0, 0, 1, 0];
