//! What the daemons of two members tell each other over the link that they keep, beside the runs of operations.
//!
//! | note | bytes after the version (1: value 1) |
//! | --- | --- |
//! | sheet | 1, then the canonical bytes of parameters and the signatures that the sender knows |
//! | clock | 2, then the sender's time in milliseconds since 1970 (8, little-endian) |
//! | operations | 3, then a note about operations ([`crate::serve::operations`]) |
//!
//! Who sent a note is known by the link, which is authenticated on both sides; a note itself says nothing about that.

use cotenant_agent::room::{Sheet, signed::Fault};
use cotenant_core::codec::{BadFormat, Reader, Writer};

/// First byte.
const FORMAT: u8 = 1;
const SHEET: u8 = 1;
const CLOCK: u8 = 2;
const OPERATIONS: u8 = 3;

/// One message between two members' daemons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// Parameters with signatures (`cotenant_agent::room::assembly`).
    Sheet(Box<Sheet>),
    /// The sender's clock when it sent this, in milliseconds since 1970.
    Clock(u64),
    /// About operations.
    Operations(Vec<u8>),
}

impl Note {
    /// Canonical bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Note::Sheet(sheet) => Writer::new().bytes(&[FORMAT, SHEET]).bytes(&sheet.encode()).done(),
            Note::Operations(note) => Writer::new().bytes(&[FORMAT, OPERATIONS]).bytes(note).done(),
            Note::Clock(at) => Writer::new().bytes(&[FORMAT, CLOCK]).bytes(&at.to_le_bytes()).done(),
        }
    }

    /// The inverse of [`Note::encode`]; checks every signature.
    ///
    /// # Errors
    /// What is wrong first.
    pub(super) fn decode(bytes: &[u8]) -> Result<Note, Fault> {
        let mut reader = Reader::new(bytes);
        match reader.array()? {
            [FORMAT, SHEET] => Ok(Note::Sheet(Box::new(Sheet::decode(reader.bytes(bytes.len() - 2)?)?))),
            [FORMAT, OPERATIONS] => Ok(Note::Operations(reader.bytes(bytes.len() - 2)?.to_vec())),
            [FORMAT, CLOCK] => {
                let at = u64::from_le_bytes(reader.array()?);
                reader.end()?;
                Ok(Note::Clock(at))
            }
            _ => Err(BadFormat.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::parameters, *};
    use cotenant_agent::room::signed::sign;
    use cotenant_net::Identity;

    #[test]
    fn notes_go_there_and_back_and_every_byte_counts() {
        let identities = [0; 2].map(|_| Identity::generate().unwrap());
        let parameters = parameters(&identities);
        let signatures = identities.iter().map(|identity| (identity.public(), sign(&parameters, identity))).collect();
        for note in [Note::Sheet(Box::new(Sheet::new(parameters, signatures).unwrap())), Note::Clock(1_800_000_000_123)] {
            let bytes = note.encode();
            assert_eq!(Note::decode(&bytes), Ok(note.clone()));
            assert!(Note::decode(&[&bytes[..], &[0]].concat()).is_err());
            for at in 0..bytes.len() {
                assert!(Note::decode(&bytes[..at]).is_err(), "cut at {at}");
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                assert!(Note::decode(&changed).is_err() || Note::decode(&changed).is_ok_and(|other| other != note), "byte {at}");
            }
        }
    }
}
