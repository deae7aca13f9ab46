//! One request of a flow, in its parts.
//!
//! ```text
//! directives, comments and empty lines
//! METHOD SP https://host[:port]/path[?query] [SP HTTP/1.1]
//! Name: value                  any number of them, comments between them
//!                              an empty line, and the body after it
//! body, without the line ends at its end, or "< PATH" alone
//! ```

use super::{
    directive::{Directives, Sign},
    disposal::OPEN_ALL,
    error::{FlowError, Position, Problem},
    lines::{Kind, Line, blocks},
    template::{Hole, Template},
};
use crate::{approve::item::is_host, call::MAX_REQUEST, http, sign::presign::Expires};
use std::{borrow::Cow, slice::Iter};

/// The port of `https`.
const HTTPS: u16 = 443;
/// The longest path of a body's file: with "< " before it, it is the name of an argument.
const MAX_PATH: usize = 62;
/// The header by which a client says how an answer may be encoded, and its value if it may not be.
const ACCEPT_ENCODING: &str = "Accept-Encoding";
const IDENTITY: &str = "identity";
/// How lines of a body begin that editors take for programs, or for files that answers are written to.
const HANDLERS: [&str; 5] = ["> ", ">>", "< {%", "<@", "<>"];

/// A request with holes, and what its directives say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow<'a> {
    pub(crate) method: &'a str,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) target: Template<'a>,
    pub(crate) headers: Vec<Header<'a>>,
    pub(crate) body: Body<'a>,
    pub(super) directives: Directives<'a>,
    /// Where the request line stands.
    pub(super) at: Position,
}

/// A header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: Template<'a>,
    at: Position,
}

/// A body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body<'a> {
    /// As it stands.
    Text(Template<'a>),
    /// The content of a file, which is an argument of this name.
    File(&'a str, Position),
}

/// Where a hole stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place<'a> {
    /// In path or query.
    Target,
    /// In the value of this header.
    Header(&'a str),
    /// In the body.
    Body,
}

impl<'a> Flow<'a> {
    /// Reads a text of one request.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(text: &'a [u8]) -> Result<Flow<'a>, FlowError> {
        let mut found = None;
        for block in blocks(text)? {
            if let Some(flow) = read(&block)? {
                match found {
                    None => found = Some(flow),
                    Some(_) => return Err(Problem::Several.at(flow.at)),
                }
            }
        }
        found.ok_or(Problem::NoRequest.at(Position::START))
    }

    /// What its author calls it.
    pub fn name(&self) -> Option<&'a str> {
        self.directives.name
    }

    /// The signature that it asks for.
    pub(crate) fn sign(&self) -> Option<&Sign<'a>> {
        self.directives.sign.as_ref()
    }

    /// The URL that it asks for in place of an answer.
    pub(crate) fn presign(&self) -> Option<(&Sign<'a>, Expires)> {
        let sign = self.sign()?;
        Some((sign, sign.expires?))
    }

    /// All holes, in the order of the request, with their places.
    pub(crate) fn holes(&self) -> impl Iterator<Item = (Hole<'a>, Place<'a>)> {
        let target = self.target.holes().map(|hole| (hole, Place::Target));
        let headers = self.headers.iter().flat_map(|header| header.value.holes().map(|hole| (hole, Place::Header(header.name))));
        let body = match &self.body {
            Body::Text(text) => Some(text),
            Body::File(..) => None,
        };
        target.chain(headers).chain(body.into_iter().flat_map(Template::holes).map(|hole| (hole, Place::Body)))
    }

    /// The value of a header that has no holes; none if there is none, or several.
    pub(crate) fn public_header(&self, name: &str) -> Option<&'a str> {
        let mut all = self.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        match (all.next(), all.next()) {
            (Some(header), None) => header.value.plain(),
            _ => None,
        }
    }

    /// The request with its holes filled, by their names; a body from a file by that of its argument. Nothing is filled before all that fills it was added
    /// up: a text of 256 KiB has room for fifty thousand holes.
    ///
    /// # Errors
    /// The part that what fills it has made one that may not be sent.
    pub(crate) fn request<'f>(&self, fill: &impl Fn(&str) -> Cow<'f, [u8]>) -> Result<http::Request, FlowError> {
        self.check_length(self.filled_len(fill))?;
        let text = |template: &Template, wrong: http::RequestError, at| {
            String::from_utf8(template.filled(fill)).map_err(|_| Problem::from(wrong).at(at))
        };
        let target = text(&self.target, http::RequestError::Target, self.at)?;
        let mut request =
            http::Request::new(self.method, self.host, self.port, &target).map_err(|error| Problem::from(error).at(self.at))?;
        for Header { name, value, at } in &self.headers {
            let value = text(value, http::RequestError::FieldValue, *at)?;
            request.add_header(name, &value).map_err(|error| Problem::from(error).at(*at))?;
        }
        if let Some((name, value)) = self.adds() {
            request.add_header(name, value).map_err(|error| Problem::from(error).at(self.at))?;
        }
        request.set_body(match &self.body {
            Body::Text(text) => text.filled(fill),
            Body::File(argument, _) => fill(argument).into_owned(),
        });
        self.check_length(request.encode().len())?;
        Ok(request)
    }

    /// Whether it asks for an answer that is not compressed, or [`Flow::request`] does.
    pub(super) fn is_not_compressed(&self) -> Result<(), FlowError> {
        let other = self.encodings().find(|header| header.value.plain() != Some(IDENTITY));
        other.map_or(Ok(()), |header| Err(Problem::Compressed.at(header.at)))
    }

    /// What is said of it in the text.
    fn encodings(&self) -> impl Iterator<Item = &Header<'a>> {
        self.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(ACCEPT_ENCODING))
    }

    /// The header that asks for an answer that is not compressed, where a part of it stays secret and the text does not have it (RFC 9110 section 12.5.3).
    pub(crate) fn adds(&self) -> Option<(&'static str, &'static str)> {
        let policy = &self.directives.policy;
        let secret = !policy.is_empty() && policy.iter().all(|line| line.text != OPEN_ALL);
        (secret && self.encodings().next().is_none()).then_some((ACCEPT_ENCODING, IDENTITY))
    }

    /// The bytes of its parts, once filled; the request has more.
    fn filled_len<'f>(&self, fill: &impl Fn(&str) -> Cow<'f, [u8]>) -> usize {
        let body = match &self.body {
            Body::Text(text) => text.filled_len(fill),
            Body::File(argument, _) => fill(argument).len(),
        };
        let headers = self.headers.iter().map(|header| header.value.filled_len(fill));
        headers.chain([self.target.filled_len(fill), body]).fold(0, usize::saturating_add)
    }

    fn check_length(&self, bytes: usize) -> Result<(), FlowError> {
        if bytes > MAX_REQUEST as usize { Err(Problem::Long(bytes).at(self.at)) } else { Ok(()) }
    }
}

/// The request of a block; none if it has but comments.
fn read<'a>(block: &[Line<'a>]) -> Result<Option<Flow<'a>>, FlowError> {
    let (mut directives, mut lines) = (Directives::default(), block.iter());
    let Some(first) = first_line(&mut directives, &mut lines)? else {
        return directives.first.map_or(Ok(None), |at| Err(Problem::NoRequestFollows.at(at)));
    };
    let (method, host, port, target) = request_line(first)?;
    let headers = headers(&mut lines)?;
    let body = body(lines.as_slice())?;
    Ok(Some(Flow { method, host, port, target, headers, body, directives, at: first.start() }))
}

/// The first line that is no comment, with the directives before it.
fn first_line<'a, 'b>(directives: &mut Directives<'a>, lines: &mut Iter<'b, Line<'a>>) -> Result<Option<&'b Line<'a>>, FlowError> {
    while let Some(line) = lines.next() {
        match line.kind() {
            Kind::Blank | Kind::Comment => {}
            Kind::Directive(text, _) if text.starts_with("let ") => {
                let (whole, more) = line.whole(lines.as_slice());
                if let Kind::Directive(text, at) = whole.kind() {
                    directives.read(&whole, text, at)?;
                }
                *lines = lines.as_slice()[more..].iter();
            }
            Kind::Directive(text, at) => directives.read(line, text, at)?,
            Kind::Other if line.text.starts_with('@') => return Err(Problem::FileVariable.at(line.start())),
            Kind::Other => return Ok(Some(line)),
        }
    }
    Ok(None)
}

/// Method, host, port and target.
fn request_line<'a>(line: &Line<'a>) -> Result<(&'a str, &'a str, u16, Template<'a>), FlowError> {
    let wrong = || Problem::RequestLine.at(line.start());
    let (method, rest) = line.text.split_once(' ').ok_or_else(wrong)?;
    if method.contains("{{") {
        return Err(Problem::FixedPlace.at(line.start()));
    }
    let (url, version) = rest.trim().rsplit_once(" HTTP/").map_or((rest.trim(), "1.1"), |(url, version)| (url.trim_end(), version));
    if version != "1.1" {
        return Err(Problem::Version.at(line.place_of(version)));
    }
    let address = url.strip_prefix("https://").ok_or_else(|| Problem::NotHttps.at(line.place_of(url)))?;
    let (authority, target) = address.split_at(address.find(['/', '?', '#']).unwrap_or(address.len()));
    let here = line.place_of(authority);
    if authority.contains("{{") {
        return Err(Problem::FixedPlace.at(here));
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if !is_host(host) || http::Request::new("GET", host, HTTPS, "/").is_err() {
        return Err(Problem::Host.at(here));
    }
    let port = match port {
        None => HTTPS,
        // Digits alone, so that one port is written in one way: no sign and no 0 before it.
        Some(text) => match text.parse() {
            Ok(port) if port != 0 && text == format!("{port}") => port,
            _ => return Err(Problem::Port.at(line.place_of(text))),
        },
    };
    Ok((method, host, port, Template::parse(target, line.place_of(target))?))
}

/// The headers, up to the empty line or the end.
fn headers<'a>(lines: &mut Iter<'_, Line<'a>>) -> Result<Vec<Header<'a>>, FlowError> {
    let mut headers = Vec::new();
    for line in lines {
        match line.kind() {
            Kind::Blank => break,
            Kind::Comment => {}
            Kind::Directive(_, at) => return Err(Problem::DirectivePlace.at(at)),
            Kind::Other => {
                let (name, value) = line.text.split_once(':').ok_or(Problem::Header.at(line.start()))?;
                if name.contains("{{") {
                    return Err(Problem::FixedPlace.at(line.start()));
                }
                let value = value.trim_matches([' ', '\t']);
                headers.push(Header { name, value: Template::parse(value, line.place_of(value))?, at: line.start() });
            }
        }
    }
    Ok(headers)
}

/// The body, which is what is left of a block.
fn body<'a>(lines: &[Line<'a>]) -> Result<Body<'a>, FlowError> {
    let last = lines.iter().rfind(|line| !line.text.is_empty());
    let (Some(first), Some(last)) = (lines.first(), last) else {
        return Ok(Body::Text(Template::parse("", Position::START)?));
    };
    let text = Line::span(first, last);
    if is_body_file(text) {
        return Ok(Body::File(text, first.start()));
    }
    for line in lines {
        if line.text.starts_with("< ") {
            return Err(Problem::BodyFile.at(line.start()));
        }
        if HANDLERS.iter().any(|mark| line.text.starts_with(mark)) {
            return Err(Problem::Handler.at(line.start()));
        }
    }
    Ok(Body::Text(Template::parse(text, first.start())?))
}

/// Whether a text says that a body is what is in a file; an argument of that name is what was in it. The file is beside the flow or below: whoever wrote the
/// flow may be another than who runs it, and chooses none of the latter's other files to be shown to all.
pub(crate) fn is_body_file(text: &str) -> bool {
    let is_name =
        |name: &str| !["", ".", ".."].contains(&name) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let is_path = |path: &str| path.len() <= MAX_PATH && path.strip_prefix("./").unwrap_or(path).split('/').all(is_name);
    text.strip_prefix("< ").is_some_and(is_path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
### first
# a comment
# @name put-it
// @open all

PUT https://s3.example.com:9300/a/{{id}}?x={{id}} HTTP/1.1
Content-Type: text/plain
# between
X-Key:  Bearer {{ key }}.\t

b{{body}}

{ {c
# not a comment


### the end
";

    #[test]
    fn parts_and_holes() {
        let flow = Flow::parse(TEXT.as_bytes()).unwrap();
        assert_eq!((flow.name(), flow.method, flow.host, flow.port, flow.at.line), (Some("put-it"), "PUT", "s3.example.com", 9300, 6));
        let holes: Vec<_> = flow.holes().map(|(hole, place)| (hole.name, hole.at.to_string(), place)).collect();
        let at = |line: usize, column: usize| format!("{line}:{column}");
        let expected = [
            ("id", at(6, 35), Place::Target),
            ("id", at(6, 44), Place::Target),
            ("key", at(9, 16), Place::Header("X-Key")),
            ("body", at(11, 2), Place::Body),
        ];
        assert_eq!(holes, expected);
        assert_eq!((flow.public_header("content-type"), flow.public_header("x-key")), (Some("text/plain"), None));
        let request = flow.request(&|name| name.to_uppercase().into_bytes().into()).unwrap();
        assert_eq!((request.method(), request.host(), request.target()), ("PUT", "s3.example.com:9300", "/a/ID?x=ID"));
        assert_eq!(request.headers()[1], ("X-Key".to_owned(), "Bearer KEY.".to_owned()));
        assert_eq!(request.body(), b"bBODY\n\n{ {c\n# not a comment");
    }

    #[test]
    fn addresses() {
        let parts = |url: &str| Flow::parse(format!("GET {url}").as_bytes()).map(|flow| (flow.host.to_owned(), flow.port));
        assert_eq!(parts("https://a.b/").unwrap(), ("a.b".to_owned(), 443));
        assert_eq!(parts("https://[::1]/").unwrap(), ("[::1]".to_owned(), 443));
        assert_eq!(parts("https://[::1]:8443/x").unwrap(), ("[::1]".to_owned(), 8443));
        assert_eq!(parts("https://127.0.0.1:1/x?y:z").unwrap(), ("127.0.0.1".to_owned(), 1));
    }

    #[test]
    fn a_body_from_a_file() {
        let flow = Flow::parse(b"PUT https://h/\n\n< ./a-b/c_1.txt\n\n").unwrap();
        assert_eq!(flow.body, Body::File("< ./a-b/c_1.txt", Position { line: 3, column: 1 }));
        assert_eq!(flow.request(&|name| name.as_bytes().to_vec().into()).unwrap().body(), b"< ./a-b/c_1.txt");
        let xml = Flow::parse(b"PUT https://h/\n\n<x>\n\n</x>").unwrap();
        assert_eq!(xml.request(&|_| Cow::default()).unwrap().body(), b"<x>\n\n</x>");
    }

    #[test]
    fn what_is_wrong_is_named_where_it_stands() {
        for (text, words) in [
            ("", "1:1: there is no request"),
            ("# only this\n### and that\n", "1:1: there is no request"),
            ("GET https://h/\n###\n\nGET https://h/\n", "4:1: this is a second request"),
            ("# @open all\n###\nGET https://h/", "1:3: no request follows"),
            ("@host = h\nGET https://h/", "1:1: variables of a file are not in this version"),
            ("https://h/", "1:1: this is not METHOD https://host/path"),
            ("GET http://h/", "1:5: calls are made to https://host/path"),
            ("GET /path", "1:5: calls are made to https://host/path"),
            ("GET {{host}}/path", "1:5: calls are made to https://host/path"),
            ("GET https://h/ HTTP/2", "1:21: calls are made in HTTP/1.1"),
            ("{{m}} https://h/", "1:1: no hole stands here"),
            ("GET https://{{h}}/", "1:13: no hole stands here"),
            ("GET https://h:{{p}}/", "1:13: no hole stands here"),
            ("GET https://Host/", "1:13: this is not a host name"),
            ("GET https://a@h/", "1:13: this is not a host name"),
            ("GET https://[::g]/", "1:13: this is not a host name"),
            ("GET https://h:0/", "1:15: this is not a port"),
            ("GET https://h:065/", "1:15: this is not a port"),
            ("GET https://h:65536/", "1:15: this is not a port"),
            ("GET https://h/{{a}", "1:15: \"{{\" without \"}}\""),
            ("GET https://h/\na b", "2:1: this is not \"Name: value\""),
            ("GET https://h/\n{{a}}: b", "2:1: no hole stands here"),
            ("GET https://h/\na: b{{C}}", "2:5: \"C\" is no name"),
            ("GET https://h/\n# @open all", "2:3: directives stand before the request line"),
            ("GET https://h/\n\nx\n> {% x %}", "4:1: this stands for a program or file"),
            ("GET https://h/\n\n>> out.json", "3:1: this stands for a program or file"),
            ("GET https://h/\n\n< a b", "3:1: a body from a file is one line"),
            ("GET https://h/\n\n< a\nb", "3:1: a body from a file is one line"),
            ("GET https://h/\n\nb\n< a", "4:1: a body from a file is one line"),
            ("GET https://h/\n\n< /home/a/key.pem", "3:1: a body from a file is one line"),
            ("GET https://h/\n\n< ./a/../../key.pem", "3:1: a body from a file is one line"),
            ("GET https://h/\n\n< a//b", "3:1: a body from a file is one line"),
            ("GET https://h/\n\n< ././a", "3:1: a body from a file is one line"),
            ("GET https://h/\n\n{\n{{", "4:1: \"{{\" without \"}}\""),
        ] {
            let told = Flow::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(told.starts_with(words), "{text:?}: {told}");
        }
    }

    #[test]
    fn what_fills_a_hole_stays_where_the_hole_is() {
        let wrong = |text: &str, value: &'static [u8]| Flow::parse(text.as_bytes()).unwrap().request(&|_| value.into()).unwrap_err();
        let at = |line, column| Position { line, column };
        assert_eq!(wrong("GET https://h/{{a}}", b"b\r\nx: c"), Problem::Request(http::RequestError::Target).at(at(1, 1)));
        assert_eq!(wrong("GET https://h/\nx: {{a}}", b"b\r\ny: c"), Problem::Request(http::RequestError::FieldValue).at(at(2, 1)));
        assert_eq!(wrong("GET https://h/\nx: {{a}}", b"\xff"), Problem::Request(http::RequestError::FieldValue).at(at(2, 1)));
        assert_eq!(wrong("GET https://h/\nhost: {{a}}", b"b"), Problem::Request(http::RequestError::OwnField).at(at(2, 1)));
        let long: &'static [u8] = vec![b'x'; MAX_REQUEST as usize].leak();
        assert!(matches!(wrong("PUT https://h/\n\n{{a}}", long).problem, Problem::Long(_)));
    }

    /// What is filled in is added up before it is written: here it would be terabytes.
    #[test]
    fn fifty_thousand_holes_are_not_filled() {
        let value: &'static [u8] = vec![0; 1 << 30].leak();
        let flow = format!("PUT https://h/\n\n{}", "{{a}}".repeat(52_000));
        let parsed = Flow::parse(flow.as_bytes()).unwrap();
        assert_eq!(parsed.request(&|_| value.into()).unwrap_err(), Problem::Long(52_001 + 52_000 * ((1 << 30) - 1)).at(parsed.at));
    }
}
