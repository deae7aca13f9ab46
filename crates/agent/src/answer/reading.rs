//! How one party reads: it holds the records, which all have compared, and asks. All parties ask the same, as each question follows from the answers before it.

use super::questions::{Contents, Questions, TagKeys, Window};
use crate::{
    http::End,
    redact::{
        Action, Rules,
        framing::{Delimiter, Framing, FramingError},
        inner::{Last, WINDOW},
        plain::Found,
    },
};
use cotenant_tls::{
    protect::TAG,
    record::{ContentType, MAX_FRAGMENT, MessageJoiner, Record},
};
use ghash::universal_hash::UniversalHash;
use std::ops::{Range, RangeInclusive};

/// Handshake messages that a server may send after the handshake (RFC 8446 section 4.6).
const NEW_SESSION_TICKET: u8 = 4;
const KEY_UPDATE: u8 = 24;
/// Alerts that are no errors (RFC 8446 section 6.1).
const CLOSE_NOTIFY: u8 = 0;
const USER_CANCELED: u8 = 90;

/// What is known of an answer that was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Read {
    /// Status, lengths of head, content and chunks.
    pub framing: Framing,
    /// Whether the server said that there was no more.
    pub end: End,
    /// NewSessionTickets that were passed over.
    pub tickets: usize,
    /// Where the values of all rules stand, the kept ones too.
    pub found: Vec<Found>,
    /// What was opened: values by the names of their rules, in the order of `found`.
    pub opened: Vec<(String, Vec<u8>)>,
}

/// Why an answer is not read. The server or the connector is at fault, unless the policy is; nothing more is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Rule 2 (RFC 8446 section 5.2).
    #[error("record {0} of the answer is not authentic")]
    Tag(usize),
    /// Rule 3: no type, another one than alert, handshake and application data, or too much content (RFC 8446 sections 5.1 and 5.4).
    #[error("record {0} of the answer has no content that may be there")]
    Inner(usize),
    /// Rule 4: an alert other than close_notify or user_canceled, or a malformed one (RFC 8446 section 6).
    #[error("the server sent an alert inside its answer")]
    Alert,
    /// Rule 4: what follows would be under other keys (RFC 8446 section 4.6.3).
    #[error("the server changed its key inside the answer")]
    KeyUpdate,
    /// Rule 4: a message that is not one of section 4.6, is cut off, or is interrupted (RFC 8446 section 5.1).
    #[error("the server sent a handshake message that may not stand in an answer")]
    Handshake,
    /// Rule 4 (RFC 8446 section 6.1).
    #[error("the server sent a record after it closed the connection")]
    AfterClose,
    /// Rule 5.
    #[error(transparent)]
    Framing(FramingError),
    /// Rule 6.
    #[error("the answer, of status {status}, is not exactly as the policy says: nothing of it was opened but status and lengths")]
    Policy {
        /// The three digits.
        status: u16,
    },
}

/// Why there is nothing read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unread<E> {
    /// It is not to be read.
    Refused(Refusal),
    /// A question was not answered.
    Unanswered(E),
}

impl<E> From<Refusal> for Unread<E> {
    fn from(refusal: Refusal) -> Self {
        Unread::Refused(refusal)
    }
}

impl<E> From<FramingError> for Unread<E> {
    fn from(error: FramingError) -> Self {
        Unread::Refused(Refusal::Framing(error))
    }
}

/// What is wanted of an answer beside its rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Expected {
    /// Whether the request is HEAD, to which an answer has no content.
    pub to_head: bool,
    /// The statuses that fit.
    pub statuses: RangeInclusive<u16>,
}

/// Reads the records of one answer, once: they are used up, as whoever has the keys of their tags can make others.
///
/// # Errors
/// The first rule that does not hold, or what kept a question from being answered.
pub async fn read<Q: Questions>(held: Vec<Record>, asked: &mut Q, rules: &Rules, expected: &Expected) -> Result<Read, Unread<Q::Error>> {
    let keys = asked.tag_keys().await.map_err(Unread::Unanswered)?;
    check_tags(&held, &keys)?;
    let ends = inner_ends(&held, asked).await?;
    let Others { data, end, tickets } = others(&ends, asked).await?;
    asked.join(&data);
    let length = data.iter().map(|part| part.length).sum();
    let framing = framing(asked, length, expected.to_head, end).await?;
    // The status is open, so what it says costs nothing and tells nothing more.
    let may_fit = expected.statuses.contains(&framing.status);
    if !may_fit || !asked.fits(framing.head, &framing.content).await.map_err(Unread::Unanswered)? {
        return Err(Refusal::Policy { status: framing.status }.into());
    }
    let found = asked.places().await.map_err(Unread::Unanswered)?;
    let open: Vec<Found> = found.iter().filter(|f| rules[f.rule].action == Action::Open).cloned().collect();
    let values = asked.values(&open).await.map_err(Unread::Unanswered)?;
    let opened = open.iter().map(|f| rules[f.rule].name.clone()).zip(values).collect();
    Ok(Read { framing, end, tickets, found, opened })
}

/// Rule 2: GHASH over header, ciphertext and lengths, plus E(J0), in the clear.
fn check_tags(held: &[Record], keys: &TagKeys) -> Result<(), Refusal> {
    let authentic = |record: &Record, mask: &[u8; 16]| {
        let (ciphertext, tag) = record.body.split_at(record.body.len() - TAG);
        tag == keys.tag(mask, &record.header, ciphertext)
    };
    let wrong = (0..held.len()).find(|&i| !keys.masks.get(i).is_some_and(|mask| authentic(&held[i], mask)));
    wrong.map_or(Ok(()), |record| Err(Refusal::Tag(record)))
}

impl TagKeys {
    /// The tag that these bytes have in the record with this mask (NIST SP 800-38D sections 6.4 and 7.1). Whoever has the keys can make it.
    pub fn tag(&self, mask: &[u8; 16], header: &[u8], ciphertext: &[u8]) -> [u8; 16] {
        let mut hash = ghash::GHash::new(&self.hash.into());
        hash.update_padded(header);
        hash.update_padded(ciphertext);
        let lengths = [8 * header.len() as u64, 8 * ciphertext.len() as u64].map(u64::to_be_bytes).concat();
        hash.update_padded(&lengths);
        let sum = hash.finalize();
        std::array::from_fn(|i| sum[i] ^ mask[i])
    }
}

/// Rule 3: of each record, windows from the end until one has a byte that is not zero; of all records at once.
async fn inner_ends<Q: Questions>(held: &[Record], asked: &mut Q) -> Result<Vec<Last>, Unread<Q::Error>> {
    let mut ends = vec![Last { at: 0, byte: 0 }; held.len()];
    let whole = |(record, of): (usize, &Record)| Window { record, end: of.body.len() - TAG };
    let mut windows: Vec<Window> = held.iter().enumerate().map(whole).collect();
    while !windows.is_empty() {
        let found = asked.last(&windows).await.map_err(Unread::Unanswered)?;
        let mut before = Vec::new();
        for (&Window { record, end }, last) in windows.iter().zip(found) {
            match last {
                Some(Last { at, byte }) => ends[record] = Last { at: end + at - WINDOW, byte },
                None if end <= WINDOW => return Err(Refusal::Inner(record).into()),
                None => before.push(Window { record, end: end - WINDOW }),
            }
        }
        windows = before;
    }
    let kind = |last: &Last| ContentType::from_code(last.byte).filter(|kind| *kind != ContentType::ChangeCipherSpec);
    match ends.iter().position(|last| kind(last).is_none() || last.at > MAX_FRAGMENT) {
        Some(record) => Err(Refusal::Inner(record).into()),
        None => Ok(ends),
    }
}

/// What the records are.
struct Others {
    /// Those with application data.
    data: Vec<Contents>,
    end: End,
    tickets: usize,
}

/// Rule 4: records that are not application data are opened whole and followed as RFC 8446 sections 4.6, 5.1 and 6 say.
async fn others<Q: Questions>(ends: &[Last], asked: &mut Q) -> Result<Others, Unread<Q::Error>> {
    let is_data = |last: &Last| last.byte == ContentType::ApplicationData.code();
    let all = ends.iter().enumerate().map(|(record, last)| (Contents { record, length: last.at }, last));
    let (data, rest): (Vec<_>, Vec<_>) = all.partition(|(_, last)| is_data(last));
    let strip = |of: Vec<(Contents, &Last)>| of.into_iter().map(|(contents, _)| contents).collect::<Vec<_>>();
    let (data, rest) = (strip(data), strip(rest));
    let mut contents = match rest[..] {
        [] => Vec::new(),
        _ => asked.contents(&rest).await.map_err(Unread::Unanswered)?,
    }
    .into_iter();
    let (mut joiner, mut tickets, mut end) = (MessageJoiner::default(), 0, End::Open);
    for last in ends {
        if end == End::CloseNotify {
            return Err(Refusal::AfterClose.into());
        }
        let handshake = last.byte == ContentType::Handshake.code();
        if !handshake && !joiner.is_empty() {
            return Err(Refusal::Handshake.into());
        }
        if is_data(last) {
            continue;
        }
        let content = contents.next().unwrap_or_default();
        match content[..] {
            _ if handshake => tickets += messages(&mut joiner, &content)?,
            [_, CLOSE_NOTIFY] => end = End::CloseNotify,
            [_, USER_CANCELED] => {}
            _ => return Err(Refusal::Alert.into()),
        }
    }
    if joiner.is_empty() { Ok(Others { data, end, tickets }) } else { Err(Refusal::Handshake.into()) }
}

/// The messages that end in this fragment: tickets, of which this is the number.
fn messages(joiner: &mut MessageJoiner, fragment: &[u8]) -> Result<usize, Refusal> {
    joiner.push(fragment).map_err(|_| Refusal::Handshake)?;
    let mut tickets = 0;
    while let Some(message) = joiner.next_message().map_err(|_| Refusal::Handshake)? {
        match message.kind {
            NEW_SESSION_TICKET => tickets += 1,
            KEY_UPDATE => return Err(Refusal::KeyUpdate),
            _ => return Err(Refusal::Handshake),
        }
    }
    Ok(tickets)
}

/// Rule 5: [`crate::redact::framing::framing`], question by question.
async fn framing<Q: Questions>(asked: &mut Q, length: usize, to_head: bool, end: End) -> Result<Framing, Unread<Q::Error>> {
    let found = asked.head().await.map_err(Unread::Unanswered)?.ok_or(FramingError::Head)?;
    if found.length > length {
        return Err(FramingError::End.into());
    }
    let none = to_head || matches!(found.status, 204 | 304);
    let delimiter = if none { Delimiter::None } else { found.delimiter };
    let rest = found.length..length;
    let content = match delimiter {
        Delimiter::None if rest.is_empty() => vec![],
        Delimiter::Length if rest.len() == found.content => vec![rest],
        Delimiter::Close if end == End::CloseNotify => vec![rest],
        Delimiter::Chunked => chunks(asked, found.length, length).await?,
        _ => return Err(FramingError::End.into()),
    };
    Ok(Framing { status: found.status, head: found.length, delimiter, content })
}

async fn chunks<Q: Questions>(asked: &mut Q, mut at: usize, length: usize) -> Result<Vec<Range<usize>>, Unread<Q::Error>> {
    let mut chunks = vec![];
    loop {
        let (line, size) = asked.chunk_line(at).await.map_err(Unread::Unanswered)?.ok_or(FramingError::Chunk)?;
        // A size has up to 32 bits, which a position need not have.
        let chunk = (at + line).checked_add(size).map(|end| at + line..end).filter(|chunk| chunk.end < length);
        let chunk = chunk.ok_or(FramingError::End)?;
        at = chunk.end + 2;
        if at > length {
            return Err(FramingError::End.into());
        }
        match size {
            0 if at != length => return Err(FramingError::End.into()),
            0 if asked.line_end(at).await.map_err(Unread::Unanswered)? => return Ok(chunks),
            0 => return Err(FramingError::Chunk.into()),
            _ => chunks.push(chunk),
        }
    }
}
