//! Reading one complete answer (RFC 9112 sections 4 to 8).
//!
//! The bytes are everything that the server sent on the connection, and they must be exactly one final response: where the RFC lets a
//! recipient guess, this reader refuses. Interim responses (1xx) before it are passed over, as RFC 9110 section 15.2 requires.

use super::grammar::{is_field_byte, is_token, trim};

/// How the bytes ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By an authenticated close_notify: the server said that there is no more (RFC 8446 section 6.1).
    CloseNotify,
    /// In any other way; then only a length or a last chunk tells that nothing is missing.
    Open,
}

/// A final response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code, 200 to 599.
    pub status: u16,
    /// Field names as sent and values without the white space around them, in order.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The content, with the chunked coding removed.
    pub body: Vec<u8>,
}

impl Response {
    /// The value of the first header of that name, without regard to case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_slice())
    }
}

/// Why the bytes are not one complete response. Each is a fault of the server, or of a connector that lost or added bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The bytes end before the message does (RFC 9112 section 8).
    #[error("the answer is cut short")]
    Truncated,
    /// The first line is not `HTTP/1.x SP 3DIGIT SP reason` (RFC 9112 section 4).
    #[error("the status line is malformed")]
    StatusLine,
    /// The version is neither 1.0 nor 1.1 (RFC 9112 section 2.3).
    #[error("the answer is of another HTTP version")]
    Version,
    /// The code is not one that can answer a request on this connection: outside 100 to 599, or 101 (RFC 9110 section 15).
    #[error("the status code answers no request of ours")]
    Status,
    /// A line that ends in LF alone, or a CR that no LF follows (RFC 9112 section 2.2).
    #[error("a line does not end in CR LF")]
    LineEnd,
    /// A header line that is not `token ":" value`, white space before the colon and folded lines included (RFC 9112 section 5).
    #[error("a header line is malformed")]
    Field,
    /// Transfer-Encoding beside Content-Length (RFC 9112 section 6.3, item 3).
    #[error("the answer has a length and a transfer coding")]
    LengthAndCoding,
    /// More than one Content-Length, equal ones included (RFC 9112 section 6.3, item 5).
    #[error("the answer has more than one length")]
    TwoLengths,
    /// A Content-Length that is not a decimal number of bytes (RFC 9110 section 8.6).
    #[error("the length is not a number")]
    Length,
    /// A transfer coding other than one `chunked`, or one from an HTTP/1.0 server (RFC 9112 section 6.1).
    #[error("the transfer coding is not plain chunked")]
    Coding,
    /// A chunk whose size is not 1 to 8 hex digits, that has an extension, or that does not end in CR LF (RFC 9112 section 7.1).
    #[error("a chunk is malformed")]
    Chunk,
    /// Trailer fields, which were not asked for (RFC 9110 section 6.5.1).
    #[error("the answer has trailer fields")]
    Trailer,
    /// Bytes after the end of the response, a second response among them (RFC 9112 section 6.3).
    #[error("there are bytes after the end of the answer")]
    SpareBytes,
}

/// Reads everything that came on the connection as the answer to a request of the given method.
///
/// # Errors
/// The first fault found; nothing of a faulty answer is returned.
pub fn parse(bytes: &[u8], method: &str, end: End) -> Result<Response, ResponseError> {
    let mut reader = Reader { rest: bytes };
    let head = loop {
        let head = reader.head()?;
        if head.status >= 200 {
            break head;
        }
    };
    // RFC 9112 section 6.3, item 1: these have no body, whatever their headers say.
    let bodiless = method == "HEAD" || matches!(head.status, 204 | 304);
    let framing = head.framing()?;
    let body = match framing {
        _ if bodiless => Vec::new(),
        Framing::Length(length) => reader.take(length)?.to_vec(),
        Framing::Chunked => reader.chunked()?,
        Framing::Close if end == End::CloseNotify => reader.take_all(),
        Framing::Close => return Err(ResponseError::Truncated),
    };
    if !reader.rest.is_empty() {
        return Err(ResponseError::SpareBytes);
    }
    Ok(Response { status: head.status, headers: head.headers, body })
}

/// Where the body ends (RFC 9112 section 6.3, items 3 to 8).
enum Framing {
    Length(usize),
    Chunked,
    Close,
}

/// Status line and headers of one response.
struct Head {
    minor_version: u8,
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    fn framing(&self) -> Result<Framing, ResponseError> {
        let values = |name: &str| -> Vec<&[u8]> {
            self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_slice()).collect()
        };
        match (values("transfer-encoding").as_slice(), values("content-length").as_slice()) {
            ([], []) => Ok(Framing::Close),
            ([], [length]) => decimal(length).map(Framing::Length),
            ([], _) => Err(ResponseError::TwoLengths),
            ([coding], []) if self.minor_version == 1 && coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            (_, []) => Err(ResponseError::Coding),
            _ => Err(ResponseError::LengthAndCoding),
        }
    }
}

/// 1*DIGIT; a list of lengths ("5, 5") counts as two (RFC 9112 section 6.3, item 5).
fn decimal(text: &[u8]) -> Result<usize, ResponseError> {
    if text.contains(&b',') {
        return Err(ResponseError::TwoLengths);
    }
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return Err(ResponseError::Length);
    }
    text.iter().try_fold(0_usize, |n, b| n.checked_mul(10)?.checked_add(usize::from(b - b'0'))).ok_or(ResponseError::Length)
}

/// What has not been read yet.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Status line, header lines and the empty line.
    fn head(&mut self) -> Result<Head, ResponseError> {
        let (minor_version, status) = status_line(self.line()?)?;
        let mut headers = Vec::new();
        loop {
            match self.line()? {
                [] => return Ok(Head { minor_version, status, headers }),
                line => headers.push(field_line(line)?),
            }
        }
    }

    /// The next line without its CR LF; a CR or an LF inside is a fault.
    fn line(&mut self) -> Result<&'a [u8], ResponseError> {
        let at = self.rest.iter().position(|&b| b == b'\r' || b == b'\n').ok_or(ResponseError::Truncated)?;
        let line = &self.rest[..at];
        match &self.rest[at..] {
            [b'\r', b'\n', rest @ ..] => {
                self.rest = rest;
                Ok(line)
            }
            [b'\r'] => Err(ResponseError::Truncated),
            _ => Err(ResponseError::LineEnd),
        }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], ResponseError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(ResponseError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn take_all(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rest).to_vec()
    }

    /// The chunks up to the last one and the empty trailer section (RFC 9112 section 7.1).
    fn chunked(&mut self) -> Result<Vec<u8>, ResponseError> {
        let mut body = Vec::new();
        loop {
            let size = chunk_size(self.line()?)?;
            if size == 0 {
                return if self.line()?.is_empty() { Ok(body) } else { Err(ResponseError::Trailer) };
            }
            body.extend_from_slice(self.take(size)?);
            match self.take(2)? {
                b"\r\n" => {}
                _ => return Err(ResponseError::Chunk),
            }
        }
    }
}

/// `HTTP/1.x SP 3DIGIT SP reason` (RFC 9112 section 4); the reason is checked and dropped.
fn status_line(line: &[u8]) -> Result<(u8, u16), ResponseError> {
    let rest = line.strip_prefix(b"HTTP/").ok_or(ResponseError::StatusLine)?;
    let (version, rest) = rest.split_at_checked(3).ok_or(ResponseError::StatusLine)?;
    let minor_version = match version {
        b"1.0" => 0,
        b"1.1" => 1,
        [major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => return Err(ResponseError::Version),
        _ => return Err(ResponseError::StatusLine),
    };
    match rest {
        [b' ', a, b, c, b' ', reason @ ..] if [a, b, c].iter().all(|d| d.is_ascii_digit()) && reason.iter().copied().all(is_field_byte) => {
            let status = [a, b, c].iter().fold(0, |n, d| n * 10 + u16::from(*d - b'0'));
            // 101 would change the protocol, which no request of ours asks for (RFC 9110 section 15.2.2).
            if (100..600).contains(&status) && status != 101 { Ok((minor_version, status)) } else { Err(ResponseError::Status) }
        }
        _ => Err(ResponseError::StatusLine),
    }
}

/// `field-name ":" OWS field-value OWS` (RFC 9112 section 5); a folded line begins with white space, which is no token.
fn field_line(line: &[u8]) -> Result<(String, Vec<u8>), ResponseError> {
    let colon = line.iter().position(|&b| b == b':').ok_or(ResponseError::Field)?;
    let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
    if !is_token(name) || !value.iter().copied().all(is_field_byte) {
        return Err(ResponseError::Field);
    }
    Ok((name.iter().map(|&b| char::from(b)).collect(), value.to_vec()))
}

/// 1 to 8 hex digits and nothing else: an extension would be bytes that nobody reads (RFC 9112 section 7.1.1).
fn chunk_size(line: &[u8]) -> Result<usize, ResponseError> {
    if !(1..=8).contains(&line.len()) {
        return Err(ResponseError::Chunk);
    }
    line.iter().try_fold(0_usize, |n, &b| Some(n << 4 | char::from(b).to_digit(16)? as usize)).ok_or(ResponseError::Chunk)
}

#[cfg(test)]
mod tests;
