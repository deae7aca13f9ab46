//! Which secrets may stand at a place of a request: those of which no byte means anything there, whatever they are.
//!
//! | place | may have | source |
//! | --- | --- | --- |
//! | path, query | no secret: servers write them into logs | |
//! | header, all of it or all behind one scheme | printable ASCII but the space, which may be cut from its ends | RFC 9110, 5.5 and 11.4 |
//! | elsewhere in a header, and in `Cookie` | the same without `" , ; \`, which part values | RFC 9110, 5.6; RFC 6265, 4.1.1 |
//! | JSON, in a string | printable ASCII but `"` and `\`, and escapes; nothing within an escape of the text | RFC 8259, 7 |
//! | JSON, elsewhere | letters, digits, `. + -` | RFC 8259, 6 |
//! | XML | printable ASCII but `< > & " '` | XML 1.0, 2.4 |
//! | plain text | printable ASCII | |
//! | forms, and types that are not known | letters, digits, `- . _ ~`, percent-escapes | RFC 3986, 2.3 |
//!
//! So there is no CR, LF or NUL anywhere.

use crate::{
    derive::{Sort, UNRESERVED},
    flow::{Body, Flow, Hole, Piece, Place},
    http::is_token,
    vault::alphabet::Alphabet,
};
use std::borrow::Cow;

/// What is printed, and the space.
const PRINTABLE: u128 = Alphabet::VISIBLE.mask() | 1 << b' ';

/// Whether anything of this sort may stand in the hole at its place. `filled` are the values of what all know.
pub(super) fn may_stand<'f>(flow: &Flow, hole: &Hole, place: Place, sort: Sort, filled: &impl Fn(&str) -> Cow<'f, [u8]>) -> bool {
    let kind = flow.public_header("content-type").and_then(|kind| kind.split(';').next()).unwrap_or_default().trim().to_ascii_lowercase();
    match (place, kind.as_str()) {
        (Place::Target, _) => false,
        (Place::Header(name), _) if name.eq_ignore_ascii_case("cookie") || !is_whole(flow, hole) => {
            sort.is_within(without(Alphabet::VISIBLE.mask(), b"\",;\\"))
        }
        (Place::Header(_), _) => sort.is_within(Alphabet::VISIBLE.mask()),
        (Place::Body, "application/json") => match in_string(&flow.body, hole, filled) {
            Some(between_escapes) => between_escapes && sort.is_json(),
            None => sort.is_within(Alphabet::ALPHANUMERIC.mask() | 1 << b'.' | 1 << b'+' | 1 << b'-'),
        },
        (Place::Body, "application/xml" | "text/xml") => sort.is_within(without(PRINTABLE, b"<>&\"'")),
        (Place::Body, "text/plain") => sort.is_within(PRINTABLE),
        (Place::Body, _) => sort.is_within_escaped(UNRESERVED),
    }
}

fn without(set: u128, characters: &[u8]) -> u128 {
    characters.iter().fold(set, |set, character| set & !(1 << character))
}

/// Whether the hole of a body is within a string of JSON: behind an odd number of quotes, of which none has a backslash before it within a string. None if it
/// is not; false if it is within an escape there.
fn in_string<'f>(body: &Body, hole: &Hole, filled: &impl Fn(&str) -> Cow<'f, [u8]>) -> Option<bool> {
    let Body::Text(text) = body else { return None };
    let (mut inside, mut escape) = (false, 0);
    for piece in text.pieces() {
        let bytes = match piece {
            Piece::Hole(here) if here.at == hole.at => return inside.then_some(escape == 0),
            Piece::Hole(here) => filled(here.name),
            Piece::Text(text) => text.as_bytes().into(),
        };
        for byte in bytes.iter() {
            match byte {
                b'u' if escape == 1 => escape = 4,
                _ if escape > 0 => escape -= 1,
                b'\\' => escape = u8::from(inside),
                b'"' => inside = !inside,
                _ => {}
            }
        }
    }
    None
}

/// Whether the hole is the whole value of its header, or all behind one scheme (RFC 9110, 11.4).
fn is_whole(flow: &Flow, hole: &Hole) -> bool {
    let is = |piece: &Piece| matches!(piece, Piece::Hole(here) if here.at == hole.at);
    flow.headers.iter().any(|header| match header.value.pieces() {
        [one] => is(one),
        [Piece::Text(scheme), one] => is(one) && scheme.strip_suffix(' ').is_some_and(|scheme| is_token(scheme.as_bytes())),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the first 256 bytes can stand in the hole {{x}}, each by itself.
    fn free(text: &str) -> Vec<u8> {
        let flow = Flow::parse(text.as_bytes()).unwrap();
        let (hole, place) = flow.holes().find(|(hole, _)| hole.name == "x").unwrap();
        let filled = |name: &str| Cow::from(if name == "x" { &b"0"[..] } else { b"a\"b" });
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
        assert_eq!(free("GET https://h/\nAuthorization: Bearer {{x}}"), all_but(b'!', ""));
        for part in
            ["cookie: {{x}}", "cookie: a={{x}}", "X-A: a, {{x}}", "X-A: {{x}}{{y}}", "Authorization: Digest a=\"{{x}}\"", "X-A: a b {{x}}"]
        {
            assert_eq!(free(&format!("GET https://h/\n{part}")), all_but(b'!', "\",;\\"), "{part}");
        }
        for escape in ["\"\\{{x}}\"", "\"\\u00{{x}}\"", "\"\\u{{x}}\""] {
            assert!(body("application/json", escape).is_empty(), "{escape}");
        }
        assert_eq!(body("application/json", "\"\\u0041{{x}}\""), all_but(b' ', "\"\\"));
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
