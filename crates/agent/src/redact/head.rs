//! The framing of an answer as circuits: [`super::framing::framing`] over secret bytes.
//!
//! [`head`] looks for the first empty line. Until there every CR must stand before an LF and every LF behind a CR, no other control may
//! stand but tabs, every line but the first must begin with a token and a colon, and the lines of Content-Length and Transfer-Encoding must
//! be as wanted; what stands behind it does not count. [`chunk_line`] is for each chunk, at a place that the chunk before has told. What
//! they put out is masked: unless all is well it is nothing but zeros, so each is opened at once.
//!
//! | circuit | inputs | outputs |
//! | --- | --- | --- |
//! | [`head`] | the first bytes of the answer | ok, three digits of the status 12, length of the head, by length 1, in chunks 1, eight digits of the content's length 40 |
//! | [`chunk_line`] | the two bytes before the line, ten of it | ok, eight digits of the chunk's size 72 |
//! | [`line_end`] | two bytes | ok |
//!
//! A digit is whether there is one, and then 4 bits of its value, or of a chunk's size all 8 of its character.

use super::circuit::{OfRule, Text, chain, is_count, one_of};
use super::framing::{CHUNK_DIGITS, Delimiter, LENGTH_DIGITS};
use super::ring::Ring;
use cotenant_circuit::bytes::{Byte, bytes_of, input_bytes};
use cotenant_circuit::{Builder, Circuit, Lit};

/// What stands in no head, beside bytes of 0x80 and above (RFC 9110 section 5.5 leaves these to the server; here they are refused, so that
/// what looks into the head need not look at highest bits).
const CONTROLS: u128 = 0xffff_ffff & !(1 << b'\t' | 1 << b'\n' | 1 << b'\r') | 1 << 127;
const LENGTH_NAME: &[u8] = b"content-length:";
const CODING_NAME: &[u8] = b"transfer-encoding:";
const CODING_VALUE: &[u8] = b" chunked\r";
const DIGITS: u128 = 0x3ff << b'0';
const HEX: u128 = DIGITS | 0x7e << 64 | 0x7e << 96;

/// What the head tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeadFound {
    /// 200 to 599.
    pub status: u16,
    /// Bytes of status line and headers, the empty line included.
    pub length: usize,
    /// How the content is delimited by what the headers say.
    pub delimiter: Delimiter,
    /// The content's length, where it is told.
    pub content: usize,
}

/// The circuit for an answer of which the head has at most `room` bytes; fewer are padded with zeros.
///
/// # Panics
/// If there is no room for a status line.
pub fn head(room: usize) -> Circuit {
    assert!(room > 16, "a head is longer than its status line");
    let mut b = Builder::new();
    let text = text_of_head(input_bytes(&mut b, room));
    let lines = Lines::new(&mut b, &text);
    let (status_ok, minor, status) = status_line(&mut b, &text);
    let length = Named::new(&mut b, &lines, &text, LENGTH_NAME);
    let coding = Named::new(&mut b, &lines, &text, CODING_NAME);
    let (digits_ok, digits) = content_length(&mut b, &text, &length);
    let chunked_ok = chunked(&mut b, &text, &coding);
    // RFC 9112 section 6.3, item 3, and section 6.1: not both, and chunks from HTTP/1.1 alone.
    let both = b.and(length.once, coding.once);
    let old = b.and(coding.once, !minor);
    let checks = [lines.ok, status_ok, length.at_most_once, coding.at_most_once, digits_ok, chunked_ok, !both, !old];
    let ok = checks.into_iter().fold(Lit::TRUE, |all, check| b.and(all, check));
    let out = [status, lines.length, vec![length.once, coding.once], digits].concat();
    output_masked(&mut b, ok, &out);
    b.finish()
}

/// What the outputs of [`head`] say.
pub fn read_head(room: usize, out: &[bool]) -> Option<HeadFound> {
    let (ok, rest) = out.split_first()?;
    let (status, rest) = rest.split_at(12);
    let (length, rest) = rest.split_at(width(room));
    let digit = |bits: &[bool]| number(bits) as u16;
    let delimiter = match rest[..2] {
        [true, _] => Delimiter::Length,
        [_, true] => Delimiter::Chunked,
        _ => Delimiter::Close,
    };
    let digits = rest[2..].chunks(5).filter(|digit| digit[0]);
    let content = digits.fold(0, |n, digit| 10 * n + number(&digit[1..]));
    let status = status.chunks(4).fold(0, |n, bits| 10 * n + digit(bits));
    ok.then(|| HeadFound { status, length: number(length), delimiter, content })
}

/// The circuit for one chunk's line: CR LF before it, 1 to 8 hex digits and CR LF (RFC 9112 section 7.1).
pub fn chunk_line() -> Circuit {
    let mut b = Builder::new();
    let text = text_of_chunk(input_bytes(&mut b, 2 + CHUNK_DIGITS + 2));
    let mut before = is_line_end(&mut b, &text, 0);
    let (mut ok, mut digits) = (Lit::FALSE, Vec::new());
    for i in 2..2 + CHUNK_DIGITS {
        let hex = text.is_in(&mut b, i, HEX);
        before = b.and(before, hex);
        let end = is_line_end(&mut b, &text, i + 1);
        let ends = b.and(before, end);
        ok = b.xor(ok, ends);
        let digit: Vec<Lit> = text.bytes()[i].iter().map(|&bit| b.and(before, bit)).collect();
        digits.extend([vec![before], digit].concat());
    }
    output_masked(&mut b, ok, &digits);
    b.finish()
}

/// What the outputs of [`chunk_line`] say: the length of the line, without the CR LF before it, and the chunk's size.
pub fn read_chunk_line(out: &[bool]) -> Option<(usize, usize)> {
    let (ok, digits) = out.split_first()?;
    let digits: Vec<u8> = digits.chunks(9).filter(|digit| digit[0]).map(|digit| bytes_of(&digit[1..])[0]).collect();
    let size = std::str::from_utf8(&digits).ok().and_then(|digits| usize::from_str_radix(digits, 16).ok());
    size.filter(|_| *ok).map(|size| (digits.len() + 2, size))
}

/// Whether two bytes are CR LF: the end of the last chunk's line.
pub fn line_end() -> Circuit {
    let mut b = Builder::new();
    let text = text_of_chunk(input_bytes(&mut b, 2));
    let ok = is_line_end(&mut b, &text, 0);
    b.output(&[ok]);
    b.finish()
}

fn text_of_chunk(bytes: Vec<Byte>) -> Text {
    Text::asked(bytes, &[HEX, 1 << b'\r', 1 << b'\n'])
}

fn text_of_head(bytes: Vec<Byte>) -> Text {
    let names = LENGTH_NAME.iter().chain(CODING_NAME).chain(CODING_VALUE).map(either_case);
    let sets: Vec<u128> = names.chain([1 << b'\r', 1 << b'\n', DIGITS, CONTROLS, token()]).collect();
    Text::asked(bytes, &sets)
}

fn is_line_end(b: &mut Builder, text: &Text, at: usize) -> Lit {
    let (cr, lf) = (text.is_in(b, at, 1 << b'\r'), text.is_in(b, at + 1, 1 << b'\n'));
    b.and(cr, lf)
}

/// The characters of a header's name.
fn token() -> u128 {
    (0..128).filter(|&c| crate::http::is_token(&[c])).fold(0, |set, c| set | 1 << c)
}

fn output_masked(b: &mut Builder, ok: Lit, out: &[Lit]) {
    b.output(&[ok]);
    for &bit in out {
        let masked = b.and(ok, bit);
        b.output(&[masked]);
    }
}

/// Bits of the length of a head.
fn width(room: usize) -> usize {
    usize::BITS as usize - room.leading_zeros() as usize
}

fn number(bits: &[bool]) -> usize {
    bits.iter().rev().fold(0, |n, &bit| n << 1 | usize::from(bit))
}

/// `HTTP/1.` 0 or 1, the status and a space (RFC 9112 section 4). Whether it is well-formed, the last bit of the version, and the digits.
fn status_line(b: &mut Builder, text: &Text) -> (Lit, Lit, Vec<Lit>) {
    let one = |c: &u8| 1_u128 << c;
    let sets = b"HTTP/1.".iter().map(one).chain([3 << b'0', one(&b' '), 0xf << b'2', DIGITS, DIGITS, one(&b' ')]);
    let ok = sets.enumerate().fold(Lit::TRUE, |all, (i, set)| {
        let fits = text.is_in(b, i, set);
        b.and(all, fits)
    });
    let digits = text.bytes()[9..12].iter().flat_map(|digit| digit[..4].to_vec()).collect();
    (ok, text.bytes()[7][0], digits)
}

/// The lines of the head.
struct Lines {
    /// Whether all of them, up to the first empty one, are lines.
    ok: Lit,
    /// Of the head, as a number.
    length: Vec<Lit>,
    /// Whether a line begins at each position.
    begins: Vec<Lit>,
    /// Whether each position is in the head.
    inside: Vec<Lit>,
}

impl Lines {
    fn new(b: &mut Builder, text: &Text) -> Lines {
        let [cr, lf, colon] = [b'\r', b'\n', b':'].map(|c| text.all_in(b, 1 << c));
        let [token, control] = [token(), CONTROLS].map(|set| text.all_in(b, set));
        let length = text.bytes().len();
        // Whether a line end ends with each byte.
        let pairs: Vec<Lit> = (0..length).map(|i| if i == 0 { Lit::FALSE } else { b.and(cr[i - 1], lf[i]) }).collect();
        let at = |flags: &[Lit], i: usize, back: usize| i.checked_sub(back).map_or(Lit::FALSE, |i| flags[i]);
        let (mut name, mut clean, mut done) = (Lit::FALSE, Lit::TRUE, Lit::FALSE);
        let (mut begins, mut inside, mut lasts) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..length {
            let begin = at(&pairs, i, 1);
            // A name runs from the beginning of a line to its colon; at the beginning of the empty line stands CR.
            let active = b.xor(begin, name);
            name = b.and(active, token[i]);
            let name_ends = b.xor(active, name);
            let rightly = b.mux(begin, cr[i], colon[i]);
            let bad_name = b.and(name_ends, !rightly);
            let unpaired = b.xor(lf[i], at(&cr, i, 1));
            let beyond_ascii = text.bytes()[i][7];
            let control = b.xor(control[i], beyond_ascii);
            let bad = b.or(unpaired, control);
            let bad = b.or(bad, bad_name);
            clean = b.and(clean, !bad);
            let empty = b.and(pairs[i], at(&pairs, i, 2));
            let last = b.and(empty, !done);
            begins.push(begin);
            inside.push(!done);
            done = b.xor(done, last);
            lasts.push(b.and(last, clean));
        }
        let ok = lasts.iter().fold(Lit::FALSE, |any, &last| b.xor(any, last));
        // The head is one longer than the position of its last byte.
        let total = one_of(b, &[&[Lit::FALSE], &lasts[..]].concat(), width(length));
        Lines { ok, length: total, begins, inside }
    }
}

/// A header that may stand once.
struct Named {
    /// For each position, whether its name and colon end before it.
    after: Vec<Lit>,
    once: Lit,
    at_most_once: Lit,
}

impl Named {
    /// `name` is in small letters, and its colon is with it.
    fn new(b: &mut Builder, lines: &Lines, text: &Text, name: &[u8]) -> Named {
        let after = chain(b, lines.begins.clone(), text, name.iter().map(either_case));
        let inside = after.iter().zip([&lines.inside[..], &[Lit::FALSE]].concat()).map(|(&after, inside)| b.and(after, inside));
        let after: Vec<Lit> = inside.collect();
        let [none, once] = [0, 1].map(|times| is_count(b, &after, times, name.len()));
        Named { at_most_once: b.xor(none, once), after, once }
    }
}

fn either_case(c: &u8) -> u128 {
    1 << c.to_ascii_lowercase() | 1 << c.to_ascii_uppercase()
}

/// A space, 1 to 8 digits and the end of the line: whether it is so if the header is there, and the digits, the first one first.
fn content_length(b: &mut Builder, text: &Text, named: &Named) -> (Lit, Vec<Lit>) {
    let begins = chain(b, named.after[..text.bytes().len()].to_vec(), text, [1 << b' '].into_iter());
    let [member, suffix] = [DIGITS, 1 << b'\r'].map(|set| text.all_in(b, set));
    let (latch, _, good) = OfRule { length: 1..=LENGTH_DIGITS, member, suffix }.value(b, &begins);
    let ring = Ring::fold(b, &latch, LENGTH_DIGITS, |_, i| [&[Lit::TRUE], &text.bytes()[i][..4]].concat());
    let digits = ring.turned(b, &begins).concat();
    (!b.xor(good, named.once), digits)
}

/// Whether the coding is `chunked`, if there is one.
fn chunked(b: &mut Builder, text: &Text, named: &Named) -> Lit {
    let after = chain(b, named.after[..text.bytes().len()].to_vec(), text, CODING_VALUE.iter().map(either_case));
    let any = after.iter().fold(Lit::FALSE, |any, &after| b.xor(any, after));
    !b.xor(any, named.once)
}
