//! The text of a request with holes.
//!
//! ```text
//! METHOD SP target LF
//! name: value LF        any number of them
//! LF                    and the body after it, if there is one
//! body
//! ```
//!
//! `{{name}}` is a hole, in the target, a value or the body. Lines are told apart before holes are filled, so what fills a hole adds no line.

use crate::http::RequestError;

/// What is wrong with the text of a request.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FlowError {
    /// The first line is not a method and a target.
    #[error("the first line of the request is not a method, a space and a target")]
    RequestLine,
    /// Another line is not a header.
    #[error("line {line} of the request is not \"name: value\"")]
    Header {
        /// Which line, from 1.
        line: usize,
    },
    /// A line is not text, or what fills a hole in it is not.
    #[error("lines of a request are text")]
    Text,
    /// A hole is not closed.
    #[error("\"{{{{\" in the request without \"}}}}\" after it")]
    Open,
    /// Nothing fills a hole.
    #[error("nothing fills the hole {name}")]
    Unfilled {
        /// Its name.
        name: String,
    },
    /// An argument or a slot has no hole.
    #[error("{name} is given, and the request has no hole of that name")]
    Unused {
        /// Its name.
        name: String,
    },
}

/// A request with holes.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Flow<'a> {
    pub(super) method: &'a str,
    pub(super) target: Template<'a>,
    pub(super) headers: Vec<(&'a str, Template<'a>)>,
    pub(super) body: Template<'a>,
}

/// Bytes with holes between them.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Template<'a>(Vec<Piece<'a>>);

#[derive(PartialEq, Eq, Debug)]
enum Piece<'a> {
    Text(&'a [u8]),
    Hole(&'a str),
}

/// Where a hole stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place<'a> {
    Target,
    /// In the value of this header.
    Header(&'a str),
    Body,
}

impl<'a> Flow<'a> {
    pub(super) fn parse(text: &'a [u8]) -> Result<Flow<'a>, FlowError> {
        let (head, body) = split(text, b"\n\n").unwrap_or((text.strip_suffix(b"\n").unwrap_or(text), b""));
        let head = std::str::from_utf8(head).map_err(|_| FlowError::Text)?;
        let mut lines = head.split('\n');
        let first = lines.next().and_then(|line| line.split_once(' ')).ok_or(FlowError::RequestLine)?;
        let header = |(k, line): (usize, &'a str)| {
            let (name, value) = line.split_once(": ").ok_or(FlowError::Header { line: k + 2 })?;
            Ok((name, Template::parse(value.as_bytes())?))
        };
        let headers = lines.enumerate().map(header).collect::<Result<_, FlowError>>()?;
        Ok(Flow { method: first.0, target: Template::parse(first.1.as_bytes())?, headers, body: Template::parse(body)? })
    }

    /// All holes, in the order of the request, with their places.
    pub(super) fn holes(&self) -> impl Iterator<Item = (&'a str, Place<'a>)> {
        let target = self.target.holes().map(|hole| (hole, Place::Target));
        let headers = self.headers.iter().flat_map(|(name, value)| value.holes().map(|hole| (hole, Place::Header(name))));
        target.chain(headers).chain(self.body.holes().map(|hole| (hole, Place::Body)))
    }

    /// The value of a header that has no holes; none if there is none, or several.
    pub(super) fn public_header(&self, name: &str) -> Option<&'a [u8]> {
        let mut all = self.headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
        match (all.next(), all.next()) {
            (Some((_, value)), None) => match value.0[..] {
                [Piece::Text(text)] => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// The request with its holes filled.
    pub(super) fn request(&self, host: &str, port: u16, fill: &impl Fn(&str) -> Vec<u8>) -> Result<crate::http::Request, RequestOrText> {
        let text = |template: &Template| String::from_utf8(template.filled(fill)).map_err(|_| FlowError::Text);
        let mut request = crate::http::Request::new(self.method, host, port, &text(&self.target)?)?;
        for (name, value) in &self.headers {
            request.add_header(name, &text(value)?)?;
        }
        request.set_body(self.body.filled(fill));
        Ok(request)
    }
}

/// What a filled request can be refused for.
#[derive(Debug)]
pub(super) enum RequestOrText {
    Request(RequestError),
    Text(FlowError),
}

impl From<RequestError> for RequestOrText {
    fn from(error: RequestError) -> Self {
        RequestOrText::Request(error)
    }
}

impl From<FlowError> for RequestOrText {
    fn from(error: FlowError) -> Self {
        RequestOrText::Text(error)
    }
}

impl<'a> Template<'a> {
    fn parse(mut text: &'a [u8]) -> Result<Template<'a>, FlowError> {
        let mut pieces = Vec::new();
        while let Some((before, rest)) = split(text, b"{{") {
            let (name, after) = split(rest, b"}}").ok_or(FlowError::Open)?;
            pieces.push(Piece::Text(before));
            pieces.push(Piece::Hole(std::str::from_utf8(name).map_err(|_| FlowError::Text)?));
            text = after;
        }
        pieces.push(Piece::Text(text));
        Ok(Template(pieces))
    }

    fn holes(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(|piece| match *piece {
            Piece::Hole(name) => Some(name),
            Piece::Text(_) => None,
        })
    }

    fn filled(&self, fill: &impl Fn(&str) -> Vec<u8>) -> Vec<u8> {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.to_vec(),
            Piece::Hole(name) => fill(name),
        };
        self.0.iter().flat_map(piece).collect()
    }
}

/// What stands before and after the first `mark`.
fn split<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = text.windows(mark.len()).position(|window| window == mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"POST /a/{{id}}?x={{id}}\nContent-Type: text/plain\nX-Key: Bearer {{key}}.\n\nb{{body}}\n\n{ {c";

    #[test]
    fn parts_and_holes() {
        let flow = Flow::parse(TEXT).unwrap();
        let holes: Vec<_> = flow.holes().collect();
        assert_eq!(holes, [("id", Place::Target), ("id", Place::Target), ("key", Place::Header("X-Key")), ("body", Place::Body)]);
        assert_eq!(flow.public_header("content-type"), Some(&b"text/plain"[..]));
        assert_eq!((flow.public_header("x-key"), flow.public_header("y")), (None, None));
        let request = flow.request("h", 443, &|name| name.to_uppercase().into_bytes()).unwrap();
        assert_eq!((request.method(), request.target(), request.body()), ("POST", "/a/ID?x=ID", &b"bBODY\n\n{ {c"[..]));
        assert_eq!(request.headers()[1], ("X-Key".to_owned(), "Bearer KEY.".to_owned()));
    }

    #[test]
    fn without_headers_or_a_body() {
        for text in [&b"GET /"[..], b"GET /\n", b"GET /\n\n"] {
            let flow = Flow::parse(text).unwrap();
            assert!(flow.headers.is_empty() && flow.body.filled(&|_| vec![]).is_empty(), "{text:?}");
        }
    }

    #[test]
    fn what_is_no_request() {
        let fails = |text: &[u8]| Flow::parse(text).unwrap_err();
        assert_eq!(fails(b"GET\n"), FlowError::RequestLine);
        assert_eq!(fails(b""), FlowError::RequestLine);
        assert_eq!(fails(b"GET /\na: b\nc:d\n"), FlowError::Header { line: 3 });
        assert_eq!(fails(b"GET /\xff\n"), FlowError::Text);
        assert_eq!(fails(b"GET /{{a}\n"), FlowError::Open);
        assert_eq!(fails(b"GET /\n\n{{"), FlowError::Open);
    }

    /// What fills a hole stays where the hole is.
    #[test]
    fn an_argument_adds_no_line() {
        for text in [&b"GET /{{a}}\n"[..], b"GET /\nx: {{a}}\n"] {
            let filled = Flow::parse(text).unwrap().request("h", 443, &|_| b"b\r\nx-other: c".to_vec());
            assert!(matches!(filled, Err(RequestOrText::Request(RequestError::Target | RequestError::FieldValue))));
        }
    }
}
