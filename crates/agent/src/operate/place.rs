//! Which secrets may stand at a place of a request: those of which no byte means anything there, whatever they are.
//!
//! | place | may have | source |
//! | --- | --- | --- |
//! | path, query | no secret: servers write them into logs | |
//! | header, all of it or all behind one scheme | printable ASCII but the space, which may be cut from its ends | RFC 9110, 5.5 and 11.4 |
//! | elsewhere in a header, and in `Cookie` | the same without `" , ; \`, which part values | RFC 9110, 5.6; RFC 6265, 4.1.1 |
//! | JSON, in a string | printable ASCII but `"` and `\`, and escapes; nothing within an escape of the text | RFC 8259, 7 |
//! | JSON, elsewhere | letters, digits, `. + -` | RFC 8259, 6 |
//! | XML, in text and in values of attributes | printable ASCII but `< > & " '`; nothing within a reference | XML 1.0, 2.4 and 3.1 |
//! | XML, elsewhere | no secret: it would be part of the markup | |
//! | plain text | printable ASCII | |
//! | forms | letters, digits, `- . _ ~`, percent-escapes; nothing within an escape of the text | RFC 3986, 2.1 and 2.3 |
//! | multipart | no secret: what begins a line could be its delimiter | RFC 2046, 5.1.1 |
//! | types that are not known | letters, digits | |
//! | in another charset than UTF-8 and ASCII | no secret: other bytes could mean all of this | RFC 2978 |
//!
//! So there is no CR, LF or NUL anywhere.

use crate::{
    derive::{Sort, UNRESERVED},
    flow::{Body, Flow, Header, Hole, Piece, Template},
    http::is_token,
    vault::alphabet::Alphabet,
};

/// What is printed, and the space.
const PRINTABLE: u128 = Alphabet::VISIBLE.mask() | 1 << b' ';
/// What can be in a header and parts no values.
const UNPARTED: u128 = without(Alphabet::VISIBLE.mask(), b"\",;\\");
/// What numbers and names of JSON are of.
const JSON_BARE: u128 = Alphabet::ALPHANUMERIC.mask() | 1 << b'.' | 1 << b'+' | 1 << b'-';
/// What is no markup.
const XML_TEXT: u128 = without(PRINTABLE, b"<>&\"'");
/// The charsets in which each character that a secret can have is one byte, and that byte nothing else.
const CHARSETS: [&str; 2] = ["utf-8", "us-ascii"];

/// The first hole of a request with a character that could mean something there; none if there is no such hole. `sort` is what can be in a secret hole; `value`
/// fills the others, and is asked for those of secrets too, where one character stands for whatever it is.
pub(super) fn misplaced<'a, V: AsRef<[u8]>>(
    flow: &Flow<'a>,
    sort: &impl Fn(&str) -> Option<Sort>,
    value: &impl Fn(&str) -> V,
) -> Option<Hole<'a>> {
    let in_target = flow.target.holes().find(|hole| sort(hole.name).is_some());
    let in_header = || flow.headers.iter().find_map(|header| in_header(header, sort));
    let in_body = || match &flow.body {
        Body::Text(text) if text.holes().any(|hole| sort(hole.name).is_some()) => in_body(flow, text, sort, value),
        _ => None,
    };
    in_target.or_else(in_header).or_else(in_body)
}

fn in_header<'a>(header: &Header<'a>, sort: &impl Fn(&str) -> Option<Sort>) -> Option<Hole<'a>> {
    let set = match is_whole(&header.value) && !header.name.eq_ignore_ascii_case("cookie") {
        true => Alphabet::VISIBLE.mask(),
        false => UNPARTED,
    };
    header.value.holes().find(|hole| sort(hole.name).is_some_and(|sort| !sort.is_within(set)))
}

/// Whether a hole is the whole value of a header, or all behind one scheme (RFC 9110, 11.4).
fn is_whole(value: &Template) -> bool {
    match value.pieces() {
        [Piece::Hole(_)] => true,
        [Piece::Text(scheme), Piece::Hole(_)] => scheme.strip_suffix(' ').is_some_and(|scheme| is_token(scheme.as_bytes())),
        _ => false,
    }
}

/// The body is read once, for all its holes.
fn in_body<'a, V: AsRef<[u8]>>(
    flow: &Flow<'a>,
    text: &Template<'a>,
    sort: &impl Fn(&str) -> Option<Sort>,
    value: &impl Fn(&str) -> V,
) -> Option<Hole<'a>> {
    let (mut bytes, mut secrets) = (Vec::new(), Vec::new());
    for piece in text.pieces() {
        match piece {
            Piece::Text(text) => bytes.extend_from_slice(text.as_bytes()),
            Piece::Hole(hole) => {
                secrets.extend(sort(hole.name).map(|sort| (*hole, sort, bytes.len())));
                bytes.extend_from_slice(value(hole.name).as_ref());
            }
        }
    }
    let kind = Kind::of(flow.public_header("content-type").unwrap_or_default());
    let spots = match kind {
        Kind::Json => json(&bytes),
        Kind::Xml => xml(&bytes),
        Kind::Form => form(&bytes),
        Kind::Plain | Kind::Unknown => vec![Spot::Outside; bytes.len() + 1],
        Kind::Closed => vec![Spot::Nowhere; bytes.len() + 1],
    };
    secrets.into_iter().find(|(_, sort, at)| !kind.permits(spots[*at], *sort)).map(|(hole, ..)| hole)
}

const fn without(set: u128, characters: &[u8]) -> u128 {
    let (mut set, mut k) = (set, 0);
    while k < characters.len() {
        set &= !(1 << characters[k]);
        k += 1;
    }
    set
}

/// What a body is read as.
#[derive(Clone, Copy)]
enum Kind {
    Json,
    Xml,
    Plain,
    Form,
    /// It has no secret.
    Closed,
    Unknown,
}

/// Where in a body.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spot {
    /// In a string of JSON; in text or the value of an attribute of XML.
    Inside,
    /// Elsewhere.
    Outside,
    /// Where no secret stands.
    Nowhere,
}

impl Kind {
    /// By the value of Content-Type (RFC 9110, 8.3), empty if there is none, or one that not all of the text is.
    fn of(value: &str) -> Kind {
        let value = value.to_ascii_lowercase();
        let mut parts = value.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let mut charsets = parts.filter(|parameter| parameter.starts_with("charset"));
        let is_known =
            |parameter: &str| parameter.split_once('=').is_some_and(|(name, charset)| name.trim_end() == "charset" && is_charset(charset));
        if !charsets.all(is_known) {
            return Kind::Closed;
        }
        match kind {
            "application/json" => Kind::Json,
            "application/xml" | "text/xml" => Kind::Xml,
            "text/plain" => Kind::Plain,
            "application/x-www-form-urlencoded" => Kind::Form,
            _ if kind.ends_with("+json") => Kind::Json,
            _ if kind.ends_with("+xml") => Kind::Xml,
            _ if kind.starts_with("multipart/") => Kind::Closed,
            _ => Kind::Unknown,
        }
    }

    fn permits(self, spot: Spot, sort: Sort) -> bool {
        match (self, spot) {
            (Kind::Closed, _) | (_, Spot::Nowhere) | (Kind::Xml, Spot::Outside) => false,
            (Kind::Json, Spot::Inside) => sort.is_json(),
            (Kind::Json, Spot::Outside) => sort.is_within(JSON_BARE),
            (Kind::Xml, Spot::Inside) => sort.is_within(XML_TEXT),
            (Kind::Plain, _) => sort.is_within(PRINTABLE),
            (Kind::Form, _) => sort.is_within_escaped(UNRESERVED),
            (Kind::Unknown, _) => sort.is_within(Alphabet::ALPHANUMERIC.mask()),
        }
    }
}

fn is_charset(text: &str) -> bool {
    CHARSETS.contains(&text.trim().trim_matches(['"', '\'']))
}

/// What each place of a JSON text is, and the one behind it: inside is what has an odd number of quotes before it, but those with a backslash before them in a
/// string.
fn json(bytes: &[u8]) -> Vec<Spot> {
    let (mut inside, mut escape) = (false, 0);
    let mut spots = vec![Spot::Outside];
    for byte in bytes {
        match byte {
            b'u' if escape == 1 => escape = 4,
            _ if escape > 0 => escape -= 1,
            b'\\' => escape = u8::from(inside),
            b'"' => inside = !inside,
            _ => {}
        }
        spots.push(match (inside, escape) {
            (false, _) => Spot::Outside,
            (true, 0) => Spot::Inside,
            (true, _) => Spot::Nowhere,
        });
    }
    spots
}

/// The same of a form: nowhere is behind a percent sign and one digit behind it.
fn form(bytes: &[u8]) -> Vec<Spot> {
    let escape = |at: usize| (1..=2).any(|back| at.checked_sub(back).is_some_and(|before| bytes[before] == b'%'));
    (0..=bytes.len()).map(|at| if escape(at) { Spot::Nowhere } else { Spot::Outside }).collect()
}

/// The same of an XML text, up to a document type, which can make anything of what follows it.
fn xml(bytes: &[u8]) -> Vec<Spot> {
    let mut spots = vec![Spot::Nowhere; bytes.len() + 1];
    let mut at = 0;
    while let Some(tag) = character_data(bytes, at, b"<", &mut spots) {
        let rest = &bytes[tag..];
        let whole = [("<!--", "-->"), ("<![CDATA[", "]]>"), ("<?", "?>")].into_iter().find(|(begin, _)| rest.starts_with(begin.as_bytes()));
        let end = match whole {
            Some((begin, end)) => find(bytes, tag + begin.len(), end.as_bytes()).map(|at| at + end.len()),
            None if rest.starts_with(b"<!") => None,
            None => behind_tag(bytes, tag + 1, &mut spots),
        };
        match end {
            Some(end) if !rest.starts_with(b"<?") || is_in_known_charset(&bytes[tag..end]) => at = end,
            _ => break,
        }
    }
    spots
}

/// Notes that secrets may stand from `at` to the next `end`, but within references, and gives its place.
fn character_data(bytes: &[u8], at: usize, end: &[u8], spots: &mut [Spot]) -> Option<usize> {
    let found = find(bytes, at, end);
    let behind = found.unwrap_or(bytes.len());
    let mut reference = false;
    for (spot, byte) in spots[at..=behind].iter_mut().zip(bytes[at..behind].iter().chain(&[0])) {
        *spot = if reference { Spot::Nowhere } else { Spot::Inside };
        reference = *byte == b'&' || reference && *byte != b';';
    }
    found
}

/// The place behind a tag, of which `at` is one; in the values of its attributes secrets may stand.
fn behind_tag(bytes: &[u8], mut at: usize, spots: &mut [Spot]) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'>' => return Some(at + 1),
            quote @ (b'"' | b'\'') => at = character_data(bytes, at + 1, &[*quote], spots)? + 1,
            _ => at += 1,
        }
    }
}

/// Whether a declaration says of no other charset that the text is in it (XML 1.0, 4.3.3).
fn is_in_known_charset(declaration: &[u8]) -> bool {
    let text = String::from_utf8_lossy(declaration).to_ascii_lowercase();
    text.split_once("encoding").is_none_or(|(_, rest)| {
        let value = rest.trim_start().strip_prefix('=').map(str::trim_start).unwrap_or_default();
        value.split(['"', '\'']).nth(1).is_some_and(is_charset)
    })
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    bytes[from..].windows(what.len()).position(|window| window == what).map(|at| from + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the first 256 bytes can stand in the hole {{x}}, each by itself.
    fn free(text: &str) -> Vec<u8> {
        let flow = Flow::parse(text.as_bytes()).unwrap();
        let value = |name: &str| if name == "x" { &b"0"[..] } else { b"a\"b" };
        let stands = |byte: u8| {
            let sort = if byte < 128 { Sort::text(1 << byte) } else { Sort::Any };
            misplaced(&flow, &|name| (name == "x").then_some(sort), &value).is_none()
        };
        (0..=255).filter(|&byte| stands(byte)).collect()
    }

    fn body(kind: &str, body: &str) -> Vec<u8> {
        free(&format!("POST https://h/\nContent-Type: {kind}\n\n{body}"))
    }

    fn all_but(from: u8, without: &str) -> Vec<u8> {
        (from..=b'~').filter(|byte| !without.as_bytes().contains(byte)).collect()
    }

    /// Letters and digits, and these.
    fn words(more: &[u8]) -> Vec<u8> {
        (0..128u8).filter(|byte| byte.is_ascii_alphanumeric() || more.contains(byte)).collect()
    }

    #[test]
    fn every_byte_at_every_place() {
        assert!(free("GET https://h/{{x}}").is_empty());
        assert!(free("GET https://h/?a={{x}}").is_empty());
        assert_eq!(free("GET https://h/\nX-A: {{x}}"), all_but(b'!', ""));
        assert_eq!(free("GET https://h/\nAuthorization: Bearer {{x}}"), all_but(b'!', ""));
        for part in
            ["cookie: {{x}}", "cookie: a={{x}}", "X-A: a, {{x}}", "X-A: {{x}}{{y}}", "Authorization: Digest a=\"{{x}}\"", "X-A: a b {{x}}"]
        {
            assert_eq!(free(&format!("GET https://h/\n{part}")), all_but(b'!', "\",;\\"), "{part}");
        }
        assert_eq!(body("text/plain; charset=utf-8", "{{x}}"), all_but(b' ', ""));
        assert_eq!(body("application/x-www-form-urlencoded", "a={{x}}"), words(b"-._~"));
        assert_eq!(body("application/x-www-form-urlencoded", "a=%20{{x}}"), words(b"-._~"));
        for escape in ["%{{x}}", "%2{{x}}"] {
            assert!(body("application/x-www-form-urlencoded", escape).is_empty(), "{escape}");
        }
        for unknown in [free("POST https://h/\n\n{{x}}"), body("application/yaml", "{{x}}"), body("{{y}}", "{{x}}")] {
            assert_eq!(unknown, words(b""));
        }
    }

    /// A value of a part stands at the start of a line, where "--" and the boundary would end it.
    #[test]
    fn nothing_stands_in_a_multipart_body() {
        for kind in ["multipart/form-data; boundary=b", "Multipart/Mixed;boundary=b"] {
            assert!(body(kind, "--b\nContent-Disposition: form-data; name=\"a\"\n\n{{x}}\n--b--").is_empty(), "{kind}");
        }
    }

    #[test]
    fn strings_of_json() {
        for kind in ["application/json", "application/vnd.api+json"] {
            for escape in ["\"\\{{x}}\"", "\"\\u00{{x}}\"", "\"\\u{{x}}\""] {
                assert!(body(kind, escape).is_empty(), "{escape}");
            }
            assert_eq!(body(kind, "\"\\u0041{{x}}\""), all_but(b' ', "\"\\"));
            for string in ["{\"a\":\"b{{x}}\"}", "[\"\\\"{{x}}\"]", "[\"a\\\\\",\"{{x}}\"]", "[\"{{y}},{{x}}\"]"] {
                let expected = if string.contains("y") { words(b".+-") } else { all_but(b' ', "\"\\") };
                assert_eq!(body(kind, string), expected, "{string}");
            }
            for number in ["{\"a\":{{x}}}", "[\"\\\\\",{{x}}]", "{{x}}"] {
                assert_eq!(body(kind, number), words(b".+-"), "{number}");
            }
        }
    }

    #[test]
    fn text_and_attributes_of_xml() {
        for inside in [
            "<a>{{x}}</a>",
            "<a b='\"' c=\"'>{{x}}\"/>",
            "<?xml version='1.0' encoding=\"UTF-8\"?><a><!-- > --><![CDATA[<b>]]>&amp;{{x}}</a>",
            "<a b='&lt;{{x}}'></a>",
        ] {
            for kind in ["Text/XML", "application/xml", "application/soap+xml; charset=\"utf-8\""] {
                assert_eq!(body(kind, inside), all_but(b' ', "<>&\"'"), "{inside}");
            }
        }
        for markup in [
            "<{{x}}>",
            "<a{{x}}>",
            "<a b={{x}}>",
            "<a b=\">\" {{x}}/>",
            "</{{x}}>",
            "<!{{x}} a>",
            "<!DOCTYPE a><a>{{x}}</a>",
            "<?a {{x}}?>",
            "<![CDATA[{{x}}]]>",
            "<!-- {{x}} -->",
            "<!-- <a> {{x}}",
            "<a>&{{x}};</a>",
            "<a>&#{{x}};</a>",
            "<a b='&am{{x}}'/>",
            "<?xml version='1.0' encoding = 'utf-7'?><a>{{x}}</a>",
        ] {
            assert!(body("text/xml", markup).is_empty(), "{markup}");
        }
    }

    /// "+ADw-" is "<" where UTF-7 is read.
    #[test]
    fn another_charset() {
        for parameter in ["charset=utf-7", "Charset = \"UTF-7\"", "charset=utf-8;charset=utf-7", "a=b; charset*=utf-8''x", "charset"] {
            assert!(body(&format!("text/plain; {parameter}"), "{{x}}").is_empty(), "{parameter}");
        }
        assert_eq!(body("text/plain; format=flowed; charset=US-ASCII", "{{x}}"), all_but(b' ', ""));
    }
}
