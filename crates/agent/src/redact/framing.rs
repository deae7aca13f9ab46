//! The framing of an answer: what of it every policy opens, because no one could find an end without it.
//!
//! It is the status, the length of the head, how the content is delimited (RFC 9112 section 6.3), and the content's length or the sizes of
//! its chunks. Where [`crate::http::parse`] takes several spellings this reader takes one, as each spelling costs gates: no interim
//! response, a head of ASCII, `Content-Length: N` and `Transfer-Encoding: chunked` with one space after the colon. What is refused here is
//! lost to a policy that keeps something, and nothing is opened.

use crate::http::{End, is_field_byte, is_token};
use std::ops::Range;

/// The most digits of a Content-Length.
pub const LENGTH_DIGITS: usize = 8;
/// The most digits of a chunk's size (RFC 9112 section 7.1 sets no limit).
pub const CHUNK_DIGITS: usize = 8;

/// How the content is delimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delimiter {
    /// The answer has no content: to HEAD, or 204 or 304 (RFC 9112 section 6.3, item 1).
    None,
    /// By Content-Length.
    Length,
    /// In chunks.
    Chunked,
    /// By the end of the connection, which close_notify must have said.
    Close,
}

/// The framing of a whole answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Framing {
    /// 200 to 599.
    pub status: u16,
    /// Bytes of status line and headers, the empty line included.
    pub head: usize,
    /// How the content is delimited.
    pub delimiter: Delimiter,
    /// Where the content stands: one range, or one for each chunk but the last.
    pub content: Vec<Range<usize>>,
}

/// Why the bytes are not one answer that can be read in part. Each is a fault of the server or of a connector that lost or added bytes; the
/// parties learn that the head is malformed or not, no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FramingError {
    /// Status line or headers, or they do not end within the limit (RFC 9112 sections 4, 5 and 6).
    #[error("the head of the answer is not one that can be read without opening it")]
    Head,
    /// A chunk's line or end (RFC 9112 section 7.1), or trailers.
    #[error("a chunk of the answer is malformed")]
    Chunk,
    /// The answer does not end where its framing says (RFC 9112 sections 6.3 and 8).
    #[error("the answer does not end where its framing says")]
    End,
}

/// Reads the framing of everything that came on the connection, as the answer to a request that was HEAD or not.
///
/// # Errors
/// The first fault.
pub fn framing(bytes: &[u8], head_limit: usize, to_head: bool, end: End) -> Result<Framing, FramingError> {
    let Head { status, length, delimiter, content } = head(&bytes[..bytes.len().min(head_limit)]).ok_or(FramingError::Head)?;
    let delimiter = if to_head || matches!(status, 204 | 304) { Delimiter::None } else { delimiter };
    let all = length..bytes.len();
    let content = match delimiter {
        Delimiter::None if all.is_empty() => vec![],
        Delimiter::Length if all.len() == content => vec![all],
        Delimiter::Close if end == End::CloseNotify => vec![all],
        Delimiter::Chunked => chunks(bytes, length)?,
        _ => return Err(FramingError::End),
    };
    Ok(Framing { status, head: length, delimiter, content })
}

struct Head {
    status: u16,
    length: usize,
    delimiter: Delimiter,
    content: usize,
}

/// Status line and headers at the beginning of `bytes`.
fn head(bytes: &[u8]) -> Option<Head> {
    let length = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = &bytes[..length - 4];
    // Every CR before an LF, every LF after a CR, and nothing else that is neither printable ASCII nor a tab.
    let mut lines = text.split(|&c| c == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let ends = text.iter().filter(|&&c| c == b'\n').count();
    let paired = text.windows(2).filter(|pair| pair == b"\r\n").count();
    let carriages = text.iter().filter(|&&c| c == b'\r').count();
    if ends != paired || carriages != paired || !text.iter().all(|&c| c.is_ascii() && is_field_byte(c) || c == b'\r' || c == b'\n') {
        return None;
    }
    let (minor, status) = status_line(lines.next()?)?;
    let (mut lengths, mut codings) = (vec![], vec![]);
    for line in lines {
        let colon = line.iter().position(|&c| c == b':')?;
        let (name, value) = line.split_at(colon);
        if !is_token(name) {
            return None;
        }
        match name.to_ascii_lowercase().as_slice() {
            b"content-length" => lengths.push(decimal(value.strip_prefix(b": ")?)?),
            b"transfer-encoding" if value.eq_ignore_ascii_case(b": chunked") && minor == 1 => codings.push(()),
            b"transfer-encoding" => return None,
            _ => {}
        }
    }
    let (delimiter, content) = match (&lengths[..], &codings[..]) {
        ([], []) => (Delimiter::Close, 0),
        (&[content], []) => (Delimiter::Length, content),
        ([], [()]) => (Delimiter::Chunked, 0),
        _ => return None,
    };
    Some(Head { status, length, delimiter, content })
}

/// `HTTP/1.` 0 or 1, the status and a reason.
fn status_line(line: &[u8]) -> Option<(u8, u16)> {
    match line.strip_prefix(b"HTTP/1.")? {
        [minor @ (b'0' | b'1'), b' ', a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', ..] => {
            let status = [a, b, c].into_iter().fold(0, |n, digit| 10 * n + u16::from(digit - b'0'));
            Some((minor - b'0', status))
        }
        _ => None,
    }
}

/// 1 to 8 digits.
fn decimal(text: &[u8]) -> Option<usize> {
    let digits = (1..=LENGTH_DIGITS).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    digits.then(|| text.iter().fold(0, |n, c| 10 * n + usize::from(c - b'0')))
}

/// The chunks that stand at `at`, up to the last one and the end of the bytes.
fn chunks(bytes: &[u8], mut at: usize) -> Result<Vec<Range<usize>>, FramingError> {
    let mut chunks = Vec::new();
    loop {
        let (line, size) = chunk_line(&bytes[at..]).ok_or(FramingError::Chunk)?;
        let begin = at + line;
        let chunk = begin..begin.checked_add(size).ok_or(FramingError::End)?;
        let after = bytes.get(chunk.end..).and_then(|rest| rest.get(..2)).ok_or(FramingError::End)?;
        if after != b"\r\n" {
            return Err(FramingError::Chunk);
        }
        at = chunk.end + 2;
        if size == 0 {
            return if at == bytes.len() { Ok(chunks) } else { Err(FramingError::End) };
        }
        chunks.push(chunk);
    }
}

/// Length of the line with a chunk's size, and the size: 1 to 8 hex digits and CR LF, no extension.
fn chunk_line(bytes: &[u8]) -> Option<(usize, usize)> {
    let digits = bytes.iter().take_while(|c| c.is_ascii_hexdigit()).count();
    let size = bytes[..digits].iter().try_fold(0, |n, &c| Some(n << 4 | char::from(c).to_digit(16)? as usize))?;
    ((1..=CHUNK_DIGITS).contains(&digits) && bytes[digits..].starts_with(b"\r\n")).then_some((digits + 2, size))
}
