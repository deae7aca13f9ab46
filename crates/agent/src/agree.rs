//! Agreement before a session: every party says what it was started for, and nothing is computed or connected until all say the same.
//!
//! What a party means to do is a list of named fields, [`Terms`]. Each party sends
//!
//! 1. its clock and whom it takes for the connector: the connector's clock is the proposed time of the operation, and a party whose own
//!    clock is more than [`CLOCK_TOLERANCE`] away refuses it;
//! 2. its fields with the proposed time, or that it refuses.
//!
//! Each compares every list with its own and names what differs. The digest of the list is what the parties bind into their MPC session:
//! whoever showed different lists to different parties is found there, because all compare that digest again.

mod terms;

pub use terms::{Protocol, Signing, Terms, ToSend};

use crate::sign::date::{BadTimestamp, Timestamp};
use cotenant_core::{
    Channel, ChannelError, Digest, Domain, PartyId,
    codec::{BadFormat, Reader, Writer},
};
use std::fmt;

/// Seconds that a party's clock may be away from the connector's. Servers take signatures that are up to 15 minutes old.
pub const CLOCK_TOLERANCE: i64 = 300;
/// The longest list of fields in bytes; a longer message is not read.
pub const MAX_TERMS: usize = 1 << 18;
/// The first byte of every message.
const FORMAT: u8 = 1;
/// Second byte: a list of fields follows.
const TERMS: u8 = 1;
/// Second byte: the party refuses the proposed time, its own clock follows.
const REFUSED: u8 = 2;

/// What all parties agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Stands for all fields, members and parameters among them; bind it into the MPC session.
    pub digest: Digest,
    /// When the operation takes place, by the connector's clock.
    pub time: Timestamp,
}

/// Agrees with all parties of the channel on `terms`, which is given the time that the connector proposes. `clock` is this party's clock
/// in seconds since 1970.
///
/// # Errors
/// The first fault found, at every honest party: a difference, a refused time, a list that is too long or not one, the channel's.
pub async fn agree<C: Channel>(
    channel: &mut C,
    connector: PartyId,
    clock: impl Fn() -> i64,
    terms: impl FnOnce(Timestamp) -> Terms,
) -> Result<Agreed, AgreeError> {
    let own = Opening { clock: clock(), connector: connector.index() as u8 };
    let openings = exchange(channel, own.encode(), Opening::decode).await?;
    let differences: Vec<Difference> = openings.iter().filter_map(|(party, theirs)| own.difference(*party, theirs)).collect();
    if !differences.is_empty() {
        return Err(AgreeError::Differ(differences));
    }
    let proposal = openings.iter().find(|(party, _)| *party == connector).map_or(own.clock, |(_, opening)| opening.clock);
    let time = Timestamp::from_unix(proposal).map_err(|BadTimestamp| AgreeError::Malformed { party: connector })?;

    let now = clock();
    let accepted = now.abs_diff(proposal) <= CLOCK_TOLERANCE.unsigned_abs();
    let fields = terms(time).fields();
    let answer = if accepted { encode_fields(&fields)? } else { Writer::new().bytes(&[FORMAT, REFUSED]).bytes(&now.to_le_bytes()).done() };
    let answers = exchange(channel, answer, Answer::decode).await?;
    if !accepted {
        return Err(AgreeError::ClockDiffers { connector, proposed: time, own: now });
    }
    let mut differences = Vec::new();
    for (party, answer) in answers {
        match answer {
            Answer::Refused { clock } => return Err(AgreeError::TimeRefused { by: party, proposed: time, clock }),
            Answer::Terms(theirs) => compare(&fields, party, &theirs, &mut differences),
        }
    }
    if differences.is_empty() { Ok(Agreed { digest: digest(&fields), time }) } else { Err(AgreeError::Differ(differences)) }
}

/// One field of one party differs from this party's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The field's name.
    pub field: String,
    /// The value here; none if this party has no such field.
    pub ours: Option<String>,
    /// The other party.
    pub party: PartyId,
    /// Its value.
    pub theirs: Option<String>,
}

/// Why there is no agreement. Nothing was computed, and no server was contacted.
#[derive(Debug, PartialEq, Eq)]
pub enum AgreeError {
    /// The parties were started with different things; never empty.
    Differ(Vec<Difference>),
    /// The connector's clock is too far from this party's.
    ClockDiffers {
        /// The connector.
        connector: PartyId,
        /// Its time.
        proposed: Timestamp,
        /// This party's, in seconds since 1970.
        own: i64,
    },
    /// Another party refuses the connector's time.
    TimeRefused {
        /// The party that refuses.
        by: PartyId,
        /// The connector's time.
        proposed: Timestamp,
        /// The refusing party's, in seconds since 1970.
        clock: i64,
    },
    /// This party's own fields are longer than [`MAX_TERMS`].
    TooLong,
    /// A party sent something else than the fields of an operation.
    Malformed {
        /// The party.
        party: PartyId,
    },
    /// The network failed.
    Channel(ChannelError),
}

impl AgreeError {
    /// The error as people read it, with parties as `name` writes them; one line for each difference, more for a difference inside a
    /// long text. What another party sent is escaped.
    pub fn explain(&self, name: impl Fn(PartyId) -> String) -> String {
        let at = |seconds: i64| Timestamp::from_unix(seconds).map_or_else(|BadTimestamp| format!("{seconds} s"), |time| time.to_string());
        match self {
            AgreeError::Differ(all) => all.iter().map(|one| one.explain(&name)).collect::<Vec<_>>().join("\n"),
            AgreeError::ClockDiffers { connector, proposed, own } => {
                format!("the clock of {} says {proposed}, this one {}; set the clocks right", name(*connector), at(*own))
            }
            AgreeError::TimeRefused { by, proposed, clock } => {
                format!("{} refuses the connector's time {proposed}, its clock says {}; set the clocks right", name(*by), at(*clock))
            }
            AgreeError::TooLong => format!("the description of the operation is longer than {MAX_TERMS} bytes; shorten its headers"),
            AgreeError::Malformed { party } => {
                format!("{} did not say what it was started for; install the same version everywhere", name(*party))
            }
            AgreeError::Channel(error) => format!("{} {}", name(error.party), error.cause),
        }
    }
}

impl fmt::Display for AgreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.explain(|party| party.to_string()))
    }
}

impl std::error::Error for AgreeError {}

impl From<ChannelError> for AgreeError {
    fn from(error: ChannelError) -> Self {
        AgreeError::Channel(error)
    }
}

impl Difference {
    fn explain(&self, name: impl Fn(PartyId) -> String) -> String {
        let (field, party) = (printable(&self.field), name(self.party));
        match (&self.ours, &self.theirs) {
            (Some(ours), Some(theirs)) if is_long(ours) || is_long(theirs) => {
                format!("the parties differ in \"{field}\"; here (-) and at {party} (+):\n{}", diff(ours, theirs))
            }
            (ours, theirs) => {
                let show = |value: &Option<String>| value.as_ref().map_or("nothing".to_owned(), |value| shown(value));
                format!("the parties differ in \"{field}\": {} here, {} at {party}", show(ours), show(theirs))
            }
        }
    }
}

/// What each party says first.
struct Opening {
    clock: i64,
    connector: u8,
}

impl Opening {
    fn encode(&self) -> Vec<u8> {
        Writer::new().bytes(&[FORMAT, self.connector]).bytes(&self.clock.to_le_bytes()).done()
    }

    fn decode(message: &[u8]) -> Result<Self, BadFormat> {
        let mut reader = Reader::new(message);
        let [format, connector] = reader.array()?;
        let clock = i64::from_le_bytes(reader.array()?);
        reader.end()?;
        if format == FORMAT { Ok(Opening { clock, connector }) } else { Err(BadFormat) }
    }

    fn difference(&self, party: PartyId, theirs: &Opening) -> Option<Difference> {
        let name = |index: u8| Some(format!("P{}", u16::from(index) + 1));
        (self.connector != theirs.connector).then(|| Difference {
            field: terms::CONNECTOR.to_owned(),
            ours: name(self.connector),
            party,
            theirs: name(theirs.connector),
        })
    }
}

/// What each party says to the proposed time.
enum Answer {
    Terms(Vec<(String, String)>),
    Refused { clock: i64 },
}

impl Answer {
    fn decode(message: &[u8]) -> Result<Self, BadFormat> {
        let mut reader = Reader::new(message);
        match (reader.array()?, message.len()) {
            ([FORMAT, TERMS], ..=MAX_TERMS) => Ok(Answer::Terms(decode_fields(reader)?)),
            ([FORMAT, REFUSED], _) => {
                let clock = i64::from_le_bytes(reader.array()?);
                reader.end()?;
                Ok(Answer::Refused { clock })
            }
            _ => Err(BadFormat),
        }
    }
}

async fn exchange<C: Channel, T>(
    channel: &mut C,
    message: Vec<u8>,
    decode: impl Fn(&[u8]) -> Result<T, BadFormat>,
) -> Result<Vec<(PartyId, T)>, AgreeError> {
    let others = channel.me().others(channel.parties());
    for party in others.clone() {
        channel.send(party, message.clone()).await?;
    }
    let mut all = Vec::new();
    for party in others {
        let theirs = channel.recv(party).await?;
        all.push((party, decode(&theirs).map_err(|BadFormat| AgreeError::Malformed { party })?));
    }
    Ok(all)
}

/// Each name and value with its length in front, 4 bytes, little-endian.
fn encode_fields(fields: &[(&'static str, String)]) -> Result<Vec<u8>, AgreeError> {
    let mut message = vec![FORMAT, TERMS];
    for text in fields.iter().flat_map(|(name, value)| [*name, value.as_str()]) {
        let length = u32::try_from(text.len()).map_err(|_| AgreeError::TooLong)?;
        message.extend(length.to_le_bytes());
        message.extend(text.as_bytes());
    }
    if message.len() <= MAX_TERMS { Ok(message) } else { Err(AgreeError::TooLong) }
}

fn decode_fields(mut reader: Reader) -> Result<Vec<(String, String)>, BadFormat> {
    let mut text = || -> Result<Option<String>, BadFormat> {
        let Ok(length) = reader.array() else { return Ok(None) };
        let bytes = reader.bytes(u32::from_le_bytes(length) as usize)?;
        String::from_utf8(bytes.to_vec()).map(Some).map_err(|_| BadFormat)
    };
    let mut fields: Vec<(String, String)> = Vec::new();
    while let Some(name) = text()? {
        if fields.iter().any(|(before, _)| *before == name) {
            return Err(BadFormat);
        }
        fields.push((name, text()?.ok_or(BadFormat)?));
    }
    reader.end()?;
    Ok(fields)
}

fn compare(ours: &[(&'static str, String)], party: PartyId, theirs: &[(String, String)], differences: &mut Vec<Difference>) {
    let value_there = |name: &str| theirs.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
    for (name, value) in ours {
        let there = value_there(name);
        if there.as_ref() != Some(value) {
            differences.push(Difference { field: (*name).to_owned(), ours: Some(value.clone()), party, theirs: there });
        }
    }
    for (name, value) in theirs.iter().filter(|(name, _)| !ours.iter().any(|(n, _)| n == name)) {
        differences.push(Difference { field: name.clone(), ours: None, party, theirs: Some(value.clone()) });
    }
}

fn digest(fields: &[(&'static str, String)]) -> Digest {
    let mut hasher = Domain::Agreement.hasher();
    hasher.number(fields.len() as u64);
    for (name, value) in fields {
        hasher.field(name.as_bytes()).field(value.as_bytes());
    }
    hasher.digest()
}

/// How much of a value is shown on one line.
const SHOWN: usize = 100;

fn is_long(value: &str) -> bool {
    value.len() > SHOWN || value.contains('\n')
}

/// A digest by its first digits, everything else in quotation marks.
fn shown(value: &str) -> String {
    match value.len() {
        64 if value.bytes().all(|b| b.is_ascii_hexdigit()) => format!("{}…", &value[..12]),
        _ => format!("\"{}\"", printable(value)),
    }
}

/// Controls, direction marks and everything outside ASCII escaped, and cut to what fits a line.
fn printable(text: &str) -> String {
    let escaped: String = text.chars().flat_map(|c| if matches!(c, '"' | '\'') { vec![c] } else { c.escape_default().collect() }).collect();
    if escaped.len() <= SHOWN { escaped } else { format!("{}…", &escaped[..SHOWN]) }
}

/// The lines in which two texts differ, at most three of each: those between the lines that are the same at the start and at the end.
/// Of a long line only what surrounds the first difference.
fn diff(ours: &str, theirs: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (ours.lines().collect(), theirs.lines().collect());
    let start = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let end = a[start..].iter().rev().zip(b[start..].iter().rev()).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[start..a.len() - end], &b[start..b.len() - end]);
    let column = match (a.first(), b.first()) {
        (Some(x), Some(y)) => x.chars().zip(y.chars()).take_while(|(x, y)| x == y).count().saturating_sub(SHOWN / 4),
        _ => 0,
    };
    let window = |line: &str| if line.len() > SHOWN { line.chars().skip(column).take(SHOWN).collect() } else { line.to_owned() };
    let side = |mark: char, lines: &[&str]| -> Vec<String> {
        let mut shown: Vec<String> = lines.iter().take(3).map(|line| format!("  {mark} {}", printable(&window(line)))).collect();
        if lines.len() > 3 {
            shown.push(format!("  {mark} and {} more lines", lines.len() - 3));
        }
        shown
    };
    [side('-', a), side('+', b)].concat().join("\n")
}

#[cfg(test)]
mod tests;
