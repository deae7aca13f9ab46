//! The messages of an agreement. Numbers are little-endian; `n` is the number of parties.
//!
//! | message | bytes |
//! | --- | --- |
//! | opening | 1, connector (1), clock (8) |
//! | fields | 1, 1, openings of all as heard (9 n: connector, clock), then of each field name and value, each after its length (4) |
//! | refusal | 1, 2, openings of all as heard (9 n), own clock (8) |

use super::{AgreeError, Difference, MAX_FIELDS, MAX_TERMS, terms};
use cotenant_core::{
    PartyId,
    codec::{BadFormat, Reader},
};
use std::collections::BTreeMap;

/// The first byte of every message.
const FORMAT: u8 = 1;
/// Second byte: a list of fields follows.
const FIELDS: u8 = 1;
/// Second byte: the party refuses the proposed time.
const REFUSED: u8 = 2;

/// What each party says first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Its clock, in seconds since 1970.
    pub clock: i64,
    /// Whom it takes for the connector.
    pub connector: PartyId,
}

impl Opening {
    pub(super) fn encode(&self) -> Vec<u8> {
        [&[FORMAT][..], &self.bytes()].concat()
    }

    fn bytes(&self) -> [u8; 9] {
        let mut bytes = [self.connector.index() as u8; 9];
        bytes[1..].copy_from_slice(&self.clock.to_le_bytes());
        bytes
    }

    pub(super) fn decode(message: &[u8]) -> Result<Self, BadFormat> {
        let mut reader = Reader::new(message);
        let [format] = reader.array()?;
        let opening = Self::read(&mut reader)?;
        reader.end()?;
        if format == FORMAT { Ok(opening) } else { Err(BadFormat) }
    }

    fn read(reader: &mut Reader) -> Result<Self, BadFormat> {
        let [connector] = reader.array()?;
        if connector == u8::MAX {
            return Err(BadFormat); // no party has that number
        }
        Ok(Opening { clock: i64::from_le_bytes(reader.array()?), connector: PartyId::new(connector.into()) })
    }

    /// The connector's clock is a proposal and the others' are not compared, so only the connector can differ.
    pub(super) fn difference(&self, party: PartyId, theirs: &Opening) -> Option<Difference> {
        (self.connector != theirs.connector).then(|| Difference {
            field: terms::CONNECTOR.to_owned(),
            ours: Some(self.connector.to_string()),
            party,
            theirs: Some(theirs.connector.to_string()),
        })
    }
}

/// What each party says then.
pub(super) struct Answer {
    /// The openings of all parties, as this one heard them.
    pub(super) heard: Vec<Opening>,
    pub(super) says: Says,
}

/// What a party says to the proposed time.
pub(super) enum Says {
    /// What it was started for, by name.
    Fields(BTreeMap<String, String>),
    /// Its own clock, which is too far away.
    Refused { clock: i64 },
}

impl Answer {
    /// Reads the message of one of `parties` parties.
    pub(super) fn decode(message: &[u8], parties: usize) -> Result<Self, BadFormat> {
        if message.len() > MAX_TERMS {
            return Err(BadFormat);
        }
        let mut reader = Reader::new(message);
        let kind = reader.array()?;
        let heard = (0..parties).map(|_| Opening::read(&mut reader)).collect::<Result<_, _>>()?;
        let says = match kind {
            [FORMAT, FIELDS] => Says::Fields(decode_fields(reader)?),
            [FORMAT, REFUSED] => {
                let clock = i64::from_le_bytes(reader.array()?);
                reader.end()?;
                Says::Refused { clock }
            }
            _ => return Err(BadFormat),
        };
        Ok(Answer { heard, says })
    }
}

/// The message of a party that refuses the proposed time by its own clock.
pub(super) fn refusal(heard: &[Opening], clock: i64) -> Vec<u8> {
    [start(REFUSED, heard), clock.to_le_bytes().to_vec()].concat()
}

/// The message of a party that takes the proposed time.
///
/// # Errors
/// [`AgreeError::TooLong`].
pub(super) fn fields(heard: &[Opening], fields: &[(&'static str, String)]) -> Result<Vec<u8>, AgreeError> {
    let mut message = start(FIELDS, heard);
    for text in fields.iter().flat_map(|(name, value)| [*name, value.as_str()]) {
        let length = u32::try_from(text.len()).map_err(|_| AgreeError::TooLong)?;
        message.extend(length.to_le_bytes());
        message.extend(text.as_bytes());
    }
    if message.len() <= MAX_TERMS { Ok(message) } else { Err(AgreeError::TooLong) }
}

fn start(kind: u8, heard: &[Opening]) -> Vec<u8> {
    [FORMAT, kind].into_iter().chain(heard.iter().flat_map(Opening::bytes)).collect()
}

fn decode_fields(mut reader: Reader) -> Result<BTreeMap<String, String>, BadFormat> {
    let mut text = || -> Result<Option<String>, BadFormat> {
        let Ok(length) = reader.array() else { return Ok(None) };
        let bytes = reader.bytes(u32::from_le_bytes(length) as usize)?;
        String::from_utf8(bytes.to_vec()).map(Some).map_err(|_| BadFormat)
    };
    let mut fields = BTreeMap::new();
    while let Some(name) = text()? {
        let value = text()?.ok_or(BadFormat)?;
        if fields.len() == MAX_FIELDS || fields.insert(name, value).is_some() {
            return Err(BadFormat);
        }
    }
    reader.end()?;
    Ok(fields)
}
