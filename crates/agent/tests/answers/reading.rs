//! One party reads an answer of which a part stays secret. It holds the records, which all have compared, and asks the oracle; the rules
//! are those of docs/protocol/answers.md, by their numbers.

use crate::oracle::Oracle;
use cotenant_agent::http::End;
use cotenant_agent::redact::framing::{Delimiter, Framing, FramingError};
use cotenant_agent::redact::inner::{Last, WINDOW};
use cotenant_agent::redact::plain::Found;
use cotenant_agent::redact::{Action, Rules};
use cotenant_tls::protect::TAG;
use cotenant_tls::record::{MAX_FRAGMENT, MessageJoiner, Record};
use ghash::universal_hash::UniversalHash;
use std::ops::Range;

/// Why nothing more is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Rule 2: this record is not authentic.
    Tag(usize),
    /// Rule 3: no type, another type than alert, handshake and application data, or too much content.
    Inner(usize),
    /// Rule 4: an alert other than close_notify or user_canceled.
    Alert,
    /// Rule 4: a KeyUpdate.
    KeyUpdate,
    /// Rule 4: another handshake message, one that is cut, or one that is interrupted.
    Handshake,
    /// Rule 4: a record behind close_notify.
    AfterClose,
    /// Rule 5.
    Framing(FramingError),
    /// Rule 6: the policy does not fit.
    Policy,
}

/// What came of it.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) framing: Framing,
    pub(crate) end: End,
    pub(crate) tickets: usize,
    pub(crate) found: Vec<Found>,
    pub(crate) opened: Vec<(String, Vec<u8>)>,
}

/// Reads, once: the held records are used up.
pub(crate) fn read(held: Vec<Record>, oracle: &mut Oracle, rules: &Rules, to_head: bool) -> Result<Read, Refusal> {
    check_tags(&held, oracle)?;
    let ends = (0..held.len()).map(|i| inner_end(i, held[i].body.len() - TAG, oracle)).collect::<Result<Vec<Last>, Refusal>>()?;
    let Others { stream, end, tickets } = others(&ends, oracle)?;
    oracle.solder(&stream);
    let length = stream.iter().map(|(_, range)| range.len()).sum();
    let framing = framing(oracle, length, to_head, end).map_err(Refusal::Framing)?;
    if !oracle.fits(rules, framing.head, &framing.content) {
        return Err(Refusal::Policy);
    }
    let found = oracle.places();
    let open = found.iter().filter(|f| rules[f.rule].action == Action::Open);
    let opened = open.map(|f| (rules[f.rule].name.clone(), oracle.value(rules, f))).collect();
    Ok(Read { framing, end, tickets, found, opened })
}

/// Rule 2: GHASH over header, ciphertext and lengths, plus E(J0) (NIST SP 800-38D section 7.1), in the clear.
fn check_tags(held: &[Record], oracle: &mut Oracle) -> Result<(), Refusal> {
    let key = oracle.hash_key();
    let masks = oracle.tag_masks();
    let wrong = held.iter().zip(masks).position(|(record, mask)| {
        let (ciphertext, tag) = record.body.split_at(record.body.len() - TAG);
        tag != ghash_tag(&key, &mask, &record.header, ciphertext)
    });
    wrong.map_or(Ok(()), |record| Err(Refusal::Tag(record)))
}

/// The tag that these bytes have under an opened hash key and mask.
pub(crate) fn ghash_tag(key: &[u8; 16], mask: &[u8; 16], header: &[u8], ciphertext: &[u8]) -> Vec<u8> {
    let mut hash = ghash::GHash::new(&(*key).into());
    hash.update_padded(header);
    hash.update_padded(ciphertext);
    let lengths = [8 * header.len() as u64, 8 * ciphertext.len() as u64].map(u64::to_be_bytes).concat();
    hash.update_padded(&lengths);
    hash.finalize().iter().zip(mask).map(|(x, y)| x ^ y).collect()
}

/// Rule 3: windows from the end, until one has a byte that is not zero.
fn inner_end(record: usize, length: usize, oracle: &mut Oracle) -> Result<Last, Refusal> {
    let mut end = length;
    while end > 0 {
        if let Some(last) = oracle.last(record, end) {
            let at = end + last.at - WINDOW;
            let known = matches!(last.byte, 21..=23);
            return if known && at <= MAX_FRAGMENT { Ok(Last { at, byte: last.byte }) } else { Err(Refusal::Inner(record)) };
        }
        end = end.saturating_sub(WINDOW);
    }
    Err(Refusal::Inner(record))
}

struct Others {
    stream: Vec<(usize, Range<usize>)>,
    end: End,
    tickets: usize,
}

/// Rule 4: records that are not application data are opened whole and followed as RFC 8446 sections 4.6, 5.1 and 6 say.
fn others(ends: &[Last], oracle: &mut Oracle) -> Result<Others, Refusal> {
    let (mut joiner, mut stream, mut tickets, mut end) = (MessageJoiner::default(), vec![], 0, End::Open);
    for (i, last) in ends.iter().enumerate() {
        if end == End::CloseNotify {
            return Err(Refusal::AfterClose);
        }
        if last.byte != 22 && !joiner.is_empty() {
            return Err(Refusal::Handshake);
        }
        match last.byte {
            23 => stream.push((i, 0..last.at)),
            21 => match oracle.content(i, last.at)[..] {
                [_, 0] => end = End::CloseNotify,
                [_, 90] => {}
                _ => return Err(Refusal::Alert),
            },
            _ => {
                joiner.push(&oracle.content(i, last.at)).map_err(|_| Refusal::Handshake)?;
                while let Some(message) = joiner.next_message().map_err(|_| Refusal::Handshake)? {
                    match message.kind {
                        4 => tickets += 1,
                        24 => return Err(Refusal::KeyUpdate),
                        _ => return Err(Refusal::Handshake),
                    }
                }
            }
        }
    }
    if joiner.is_empty() { Ok(Others { stream, end, tickets }) } else { Err(Refusal::Handshake) }
}

/// Rule 5.
fn framing(oracle: &mut Oracle, length: usize, to_head: bool, end: End) -> Result<Framing, FramingError> {
    let found = oracle.head().ok_or(FramingError::Head)?;
    if found.length > length {
        return Err(FramingError::End);
    }
    let none = to_head || matches!(found.status, 204 | 304);
    let delimiter = if none { Delimiter::None } else { found.delimiter };
    let rest = found.length..length;
    let content = match delimiter {
        Delimiter::None if rest.is_empty() => vec![],
        Delimiter::Length if rest.len() == found.content => vec![rest],
        Delimiter::Close if end == End::CloseNotify => vec![rest],
        Delimiter::Chunked => chunks(oracle, found.length, length)?,
        _ => return Err(FramingError::End),
    };
    Ok(Framing { status: found.status, head: found.length, delimiter, content })
}

fn chunks(oracle: &mut Oracle, mut at: usize, length: usize) -> Result<Vec<Range<usize>>, FramingError> {
    let mut chunks = vec![];
    loop {
        let (line, size) = oracle.chunk(at).ok_or(FramingError::Chunk)?;
        let chunk = at + line..at + line + size;
        at = chunk.end + 2;
        if at > length {
            return Err(FramingError::End);
        }
        match size {
            0 if at != length => return Err(FramingError::End),
            0 => return if oracle.line_end(at) { Ok(chunks) } else { Err(FramingError::Chunk) },
            _ => chunks.push(chunk),
        }
    }
}
