//! The record layer's framing (RFC 8446 sections 5.1 and 5.2): bytes into records, handshake fragments into messages, plaintext into
//! fragments. Protection is in [`crate::protect`].

use crate::error::Violation;

/// Largest fragment of plaintext in a record, in bytes (RFC 8446 section 5.1).
pub const MAX_FRAGMENT: usize = 1 << 14;
/// Largest body of a protected record, in bytes (RFC 8446 section 5.2).
const MAX_CIPHERTEXT: usize = MAX_FRAGMENT + 256;
/// Largest handshake message taken, in bytes with its header. A local limit: certificate chains in use are a tenth of it.
pub const MAX_MESSAGE: usize = 1 << 16;
/// Length of a record's header in bytes.
pub const HEADER: usize = 5;
/// A change_cipher_spec record, sent for middleboxes only (RFC 8446 appendix D.4).
pub(crate) const CHANGE_CIPHER_SPEC: [u8; 6] = [20, 3, 3, 0, 1, 1];

/// The type of a record (RFC 8446 section 5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// Only the compatibility record of appendix D.4.
    ChangeCipherSpec,
    /// Alerts.
    Alert,
    /// Handshake messages and their fragments.
    Handshake,
    /// Application data; and the outer type of all that is protected.
    ApplicationData,
}

impl ContentType {
    /// The code on the wire.
    pub fn code(self) -> u8 {
        match self {
            ContentType::ChangeCipherSpec => 20,
            ContentType::Alert => 21,
            ContentType::Handshake => 22,
            ContentType::ApplicationData => 23,
        }
    }

    /// The type with this code.
    pub fn from_code(code: u8) -> Option<Self> {
        [ContentType::ChangeCipherSpec, ContentType::Alert, ContentType::Handshake, ContentType::ApplicationData]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

/// One record as it came: header and body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The five bytes of the header, which are also the additional data of a protected record.
    pub header: [u8; HEADER],
    /// The type in the header.
    pub kind: ContentType,
    /// The body, protected or not.
    pub body: Vec<u8>,
}

/// The header of a record. `version` is 0x0303 for all but the first ClientHello (RFC 8446 section 5.1).
pub(crate) fn header(kind: ContentType, version: u16, length: usize) -> [u8; HEADER] {
    let [version_high, version_low] = version.to_be_bytes();
    let [length_high, length_low] = u16::try_from(length).expect("a record is shorter than 2^16").to_be_bytes();
    [kind.code(), version_high, version_low, length_high, length_low]
}

/// A whole unprotected record.
pub(crate) fn plain_record(kind: ContentType, version: u16, content: &[u8]) -> Vec<u8> {
    [&header(kind, version, content.len())[..], content].concat()
}

/// Cuts a byte stream into records, however it is chunked.
#[derive(Default)]
pub struct RecordReader {
    buffer: Vec<u8>,
    start: usize,
}

impl RecordReader {
    /// Appends received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole record. The header is judged as soon as it is there.
    ///
    /// The version in the header is not looked at, as RFC 8446 section 5.1 wants; for protected records it is authenticated.
    ///
    /// # Errors
    /// An unknown type, or a length above what the type may have.
    pub fn next_record(&mut self) -> Result<Option<Record>, Violation> {
        let Some((header, rest)) = self.buffer[self.start..].split_first_chunk::<HEADER>() else { return Ok(None) };
        let kind = ContentType::from_code(header[0]).ok_or(Violation::UnknownRecordType)?;
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        let most = if kind == ContentType::ApplicationData { MAX_CIPHERTEXT } else { MAX_FRAGMENT };
        if length > most {
            return Err(Violation::RecordTooLong);
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let record = Record { header: *header, kind, body: body.to_vec() };
        self.start += HEADER + length;
        Ok(Some(record))
    }

    /// Whether no byte waits for the rest of its record.
    pub fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }
}

/// A whole handshake message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// HandshakeType (RFC 8446 section 4).
    pub kind: u8,
    /// The message with its header of four bytes, as the transcript wants it.
    pub bytes: Vec<u8>,
}

impl Message {
    /// The message without its header.
    pub fn body(&self) -> &[u8] {
        &self.bytes[4..]
    }
}

/// Joins the fragments of handshake messages (RFC 8446 section 5.1).
#[derive(Default)]
pub struct MessageJoiner {
    buffer: Vec<u8>,
}

impl MessageJoiner {
    /// Appends the content of a handshake record.
    ///
    /// # Errors
    /// [`Violation::EmptyFragment`].
    pub fn push(&mut self, fragment: &[u8]) -> Result<(), Violation> {
        if fragment.is_empty() {
            return Err(Violation::EmptyFragment);
        }
        self.buffer.extend_from_slice(fragment);
        Ok(())
    }

    /// The next whole message. The length is judged as soon as it is there.
    ///
    /// # Errors
    /// [`Violation::MessageTooLong`].
    pub fn next_message(&mut self) -> Result<Option<Message>, Violation> {
        let [kind, high, middle, low, ..] = self.buffer[..] else { return Ok(None) };
        let length = 4 + (usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low));
        if length > MAX_MESSAGE {
            return Err(Violation::MessageTooLong);
        }
        if self.buffer.len() < length {
            return Ok(None);
        }
        let rest = self.buffer.split_off(length);
        Ok(Some(Message { kind, bytes: std::mem::replace(&mut self.buffer, rest) }))
    }

    /// Whether no fragment waits for its rest: the record ends where a message does.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_out_the_same_for_every_chunking() {
        let stream =
            [plain_record(ContentType::Handshake, 0x0301, b"abc"), plain_record(ContentType::ApplicationData, 0x0303, b"")].concat();
        for chunk in 1..=stream.len() {
            let mut reader = RecordReader::default();
            let mut bodies = Vec::new();
            for part in stream.chunks(chunk) {
                reader.push(part);
                while let Some(record) = reader.next_record().unwrap() {
                    bodies.push((record.kind, record.body));
                }
            }
            assert_eq!(bodies, [(ContentType::Handshake, b"abc".to_vec()), (ContentType::ApplicationData, vec![])]);
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn headers_are_judged_before_the_body_is_there() {
        for (header, expected) in [
            ([24, 3, 3, 0, 1], Some(Violation::UnknownRecordType)),
            ([22, 3, 3, 0x40, 0], None),
            ([22, 3, 3, 0x40, 1], Some(Violation::RecordTooLong)),
            ([23, 3, 3, 0x41, 0], None),
            ([23, 3, 3, 0x41, 1], Some(Violation::RecordTooLong)),
        ] {
            let mut reader = RecordReader::default();
            reader.push(&header);
            assert_eq!(reader.next_record().err(), expected);
        }
    }

    #[test]
    fn messages_are_joined_and_bounded() {
        let mut joiner = MessageJoiner::default();
        joiner.push(&[20, 0, 0]).unwrap();
        assert_eq!(joiner.next_message(), Ok(None));
        joiner.push(&[1, 9, 8]).unwrap();
        assert_eq!(joiner.next_message(), Ok(Some(Message { kind: 20, bytes: vec![20, 0, 0, 1, 9] })));
        assert!(!joiner.is_empty());
        assert_eq!(joiner.push(&[]), Err(Violation::EmptyFragment));
        joiner.push(&[1, 0, 0]).unwrap();
        assert_eq!(joiner.next_message(), Err(Violation::MessageTooLong));
    }
}
