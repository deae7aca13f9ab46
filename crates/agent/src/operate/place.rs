//! Which secrets may stand at a place of a request: those of which no byte means anything there, whatever they are.
//!
//! | place | may have | source |
//! | --- | --- | --- |
//! | path, query | no secret: servers write them into logs | |
//! | header | printable ASCII but the space, which may be cut from its ends | RFC 9110, 5.5 |
//! | header `Cookie` | the same without `" , ; \` | RFC 6265, 4.1.1 |
//! | JSON, in a string | printable ASCII but `"` and `\`, and escapes | RFC 8259, 7 |
//! | JSON, elsewhere | letters, digits, `. + -` | RFC 8259, 6 |
//! | XML | printable ASCII but `< > & " '` | XML 1.0, 2.4 |
//! | plain text | printable ASCII | |
//! | forms, and types that are not known | letters, digits, `- . _ ~`, percent-escapes | RFC 3986, 2.3 |
//!
//! So there is no CR, LF or NUL anywhere.

use crate::{
    derive::{Sort, UNRESERVED},
    flow::{Body, Flow, Hole, Piece, Place},
    vault::alphabet::Alphabet,
};

/// What is printed, and the space.
const PRINTABLE: u128 = Alphabet::VISIBLE.mask() | 1 << b' ';

/// Whether anything of this sort may stand in the hole at its place. `filled` are the values of what all know.
pub(super) fn may_stand(flow: &Flow, hole: &Hole, place: Place, sort: Sort, filled: &impl Fn(&str) -> Vec<u8>) -> bool {
    let kind = flow.public_header("content-type").and_then(|kind| kind.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
    match (place, kind.as_str()) {
        (Place::Target, _) => false,
        (Place::Header(name), _) if name.eq_ignore_ascii_case("cookie") => sort.is_within(without(Alphabet::VISIBLE.mask(), b"\",;\\")),
        (Place::Header(_), _) => sort.is_within(Alphabet::VISIBLE.mask()),
        (Place::Body, "application/json") if in_string(&flow.body, hole, filled) => sort.is_json(),
        (Place::Body, "application/json") => sort.is_within(Alphabet::ALPHANUMERIC.mask() | 1 << b'.' | 1 << b'+' | 1 << b'-'),
        (Place::Body, "application/xml" | "text/xml") => sort.is_within(without(PRINTABLE, b"<>&\"'")),
        (Place::Body, "text/plain") => sort.is_within(PRINTABLE),
        (Place::Body, _) => sort.is_within_escaped(UNRESERVED),
    }
}

fn without(set: u128, characters: &[u8]) -> u128 {
    characters.iter().fold(set, |set, character| set & !(1 << character))
}

/// Whether the hole of a body is within a string of JSON: behind an odd number of quotes, of which none has a backslash before it within a string.
fn in_string(body: &Body, hole: &Hole, filled: &impl Fn(&str) -> Vec<u8>) -> bool {
    let Body::Text(text) = body else { return false };
    let (mut inside, mut escaped) = (false, false);
    for piece in text.pieces() {
        let bytes = match piece {
            Piece::Hole(here) if here.at == hole.at => return inside,
            Piece::Hole(here) => filled(here.name),
            Piece::Text(text) => text.as_bytes().to_vec(),
        };
        for byte in bytes {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = inside,
                b'"' => inside = !inside,
                _ => {}
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the first 256 bytes can stand in the hole {{x}}, each by itself.
    fn free(text: &str) -> Vec<u8> {
        let flow = Flow::parse(text.as_bytes()).unwrap();
        let (hole, place) = flow.holes().find(|(hole, _)| hole.name == "x").unwrap();
        let filled = |name: &str| if name == "x" { b"0".to_vec() } else { b"a\"b".to_vec() };
        let stands = |byte: u8| {
            let sort = if byte < 128 { Sort::text(1 << byte) } else { Sort::Any };
            may_stand(&flow, &hole, place, sort, &filled)
        };
        (0..=255).filter(|&byte| stands(byte)).collect()
    }

    fn all_but(from: u8, without: &str) -> Vec<u8> {
        (from..=b'~').filter(|byte| !without.as_bytes().contains(byte)).collect()
    }

    #[test]
    fn every_byte_at_every_place() {
        let body = |kind: &str, body: &str| free(&format!("POST https://h/\nContent-Type: {kind}\n\n{body}"));
        assert!(free("GET https://h/{{x}}").is_empty());
        assert!(free("GET https://h/?a={{x}}").is_empty());
        assert_eq!(free("GET https://h/\nX-A: {{x}}"), all_but(b'!', ""));
        assert_eq!(free("GET https://h/\ncookie: a={{x}}"), all_but(b'!', "\",;\\"));
        assert_eq!(body("text/plain; charset=utf-8", "{{x}}"), all_but(b' ', ""));
        assert_eq!(body("Text/XML", "<a>{{x}}</a>"), all_but(b' ', "<>&\"'"));
        let words: Vec<u8> = (0..128u8).filter(u8::is_ascii_alphanumeric).collect();
        let and = |more: &[u8]| {
            let mut all = [&words, more].concat();
            all.sort_unstable();
            all
        };
        for form in
            [body("application/x-www-form-urlencoded", "a={{x}}"), body("multipart/form-data", "{{x}}"), free("POST https://h/\n\n{{x}}")]
        {
            assert_eq!(form, and(b"-._~"));
        }
        for string in ["{\"a\":\"b{{x}}\"}", "[\"\\\"{{x}}\"]", "[\"a\\\\\",\"{{x}}\"]", "[\"{{y}},{{x}}\"]"] {
            let expected = if string.contains("y") { and(b".+-") } else { all_but(b' ', "\"\\") };
            assert_eq!(body("application/json", string), expected, "{string}");
        }
        for number in ["{\"a\":{{x}}}", "[\"\\\\\",{{x}}]", "{{x}}"] {
            assert_eq!(body("application/json", number), and(b".+-"), "{number}");
        }
    }
}
