//! Record protection in the clear (RFC 8446 section 5.2) with AES-128-GCM: for handshake traffic, whose secrets are open to all parties,
//! and for what the server sent, once its secret is opened.
//!
//! TLSInnerPlaintext = content || type || zeros; nonce = iv xor sequence number; additional data = the record's header.

use crate::error::Violation;
use crate::record::{ContentType, HEADER, MAX_FRAGMENT, Record, header};
use crate::schedule::TrafficSecret;
use ring::aead;

/// Length of the AES-128-GCM tag in bytes.
pub const TAG: usize = 16;

/// The nonce of a record: the sequence number as 64 bits big-endian, padded on the left, xored with the IV (RFC 8446 section 5.3).
pub fn nonce(iv: &[u8; 12], sequence: u64) -> [u8; 12] {
    let mut nonce = *iv;
    for (byte, number) in nonce[4..].iter_mut().zip(sequence.to_be_bytes()) {
        *byte ^= number;
    }
    nonce
}

/// The header of a protected record whose content, type and padding are `inner` bytes long; also its additional data.
pub fn protected_header(inner: usize) -> [u8; HEADER] {
    header(ContentType::ApplicationData, 0x0303, inner + TAG)
}

/// One direction's key, IV and sequence number in one generation.
///
/// ring does not wipe its expanded keys. Those that come here are open to every party, and protect nothing that is still to be said.
pub struct RecordKey {
    key: aead::LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
}

impl RecordKey {
    /// The keys of a traffic secret, at sequence number 0.
    pub fn new(secret: &TrafficSecret) -> Self {
        let (key, iv) = secret.key_and_iv();
        let key = aead::UnboundKey::new(&aead::AES_128_GCM, &key[..]).expect("AES-128 keys have 16 bytes");
        RecordKey { key: aead::LessSafeKey::new(key), iv, sequence: 0 }
    }

    fn next_nonce(&mut self) -> aead::Nonce {
        let nonce = nonce(&self.iv, self.sequence);
        self.sequence += 1;
        aead::Nonce::assume_unique_for_key(nonce)
    }

    /// The whole record that protects `content` with `padding` zeros.
    pub fn seal(&mut self, kind: ContentType, content: &[u8], padding: usize) -> Vec<u8> {
        let mut inner = [content, &[kind.code()]].concat();
        inner.resize(content.len() + 1 + padding, 0);
        self.seal_inner(inner)
    }

    /// The whole record that protects a TLSInnerPlaintext, whatever it says.
    pub fn seal_inner(&mut self, mut inner: Vec<u8>) -> Vec<u8> {
        let header = protected_header(inner.len());
        let nonce = self.next_nonce();
        self.key.seal_in_place_append_tag(nonce, aead::Aad::from(header), &mut inner).expect("records are far below AES-GCM's limit");
        [&header[..], &inner].concat()
    }

    /// Opens a protected record: its content type and content.
    ///
    /// # Errors
    /// By the section each stands for: too short, not authentic, too long inside, without or with an unknown content type.
    pub fn open(&mut self, mut record: Record) -> Result<(ContentType, Vec<u8>), Violation> {
        if record.body.len() <= TAG {
            return Err(Violation::RecordTooShort);
        }
        let nonce = self.next_nonce();
        let inner = self.key.open_in_place(nonce, aead::Aad::from(record.header), &mut record.body).map_err(|_| Violation::BadRecordMac)?;
        if inner.len() > MAX_FRAGMENT + 1 {
            return Err(Violation::InnerPlaintextTooLong);
        }
        let end = inner.iter().rposition(|&byte| byte != 0).ok_or(Violation::NoContentType)?;
        let kind = ContentType::from_code(inner[end]).ok_or(Violation::UnexpectedContent)?;
        record.body.truncate(end);
        match kind {
            ContentType::ChangeCipherSpec => Err(Violation::UnexpectedContent),
            kind => Ok((kind, record.body)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::RecordReader;

    fn open(bytes: &[u8]) -> Result<(ContentType, Vec<u8>), Violation> {
        let mut reader = RecordReader::default();
        reader.push(bytes);
        RecordKey::new(&TrafficSecret::new([7; 32])).open(reader.next_record()?.expect("a whole record"))
    }

    fn seal_raw(inner: &[u8]) -> Vec<u8> {
        RecordKey::new(&TrafficSecret::new([7; 32])).seal_inner(inner.to_vec())
    }

    #[test]
    fn content_and_padding() {
        for padding in [0, 1, 300] {
            let record = RecordKey::new(&TrafficSecret::new([7; 32])).seal(ContentType::Alert, &[1, 0], padding);
            assert_eq!(record.len(), HEADER + 2 + 1 + padding + TAG);
            assert_eq!(open(&record), Ok((ContentType::Alert, vec![1, 0])));
        }
    }

    #[test]
    fn each_rule_refuses() {
        let longest = [vec![5; MAX_FRAGMENT], vec![23]].concat();
        assert_eq!(open(&seal_raw(&longest)), Ok((ContentType::ApplicationData, vec![5; MAX_FRAGMENT])));
        assert_eq!(open(&seal_raw(&[longest, vec![0]].concat())), Err(Violation::InnerPlaintextTooLong));
        assert_eq!(open(&seal_raw(&[0; 9])), Err(Violation::NoContentType));
        assert_eq!(open(&seal_raw(&[1, 20])), Err(Violation::UnexpectedContent));
        assert_eq!(open(&seal_raw(&[1, 99])), Err(Violation::UnexpectedContent));
        assert_eq!(open(&[23, 3, 3, 0, 0]), Err(Violation::RecordTooShort));
        assert_eq!(open(&[&[23, 3, 3, 0, 16][..], &[0; 16]].concat()), Err(Violation::RecordTooShort));
        let good = seal_raw(&[8, 23]);
        for position in (1..3).chain(5..good.len()) {
            let mut bad = good.clone();
            bad[position] ^= 1;
            assert_eq!(open(&bad), Err(Violation::BadRecordMac), "byte {position}");
        }
    }
}
