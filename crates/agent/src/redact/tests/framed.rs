//! The framing: what is read, each fault, the circuits against it, and that the reader of whole answers agrees.

use super::*;
use crate::http::{self, End};
use crate::redact::framing::{Delimiter, FramingError, framing};
use crate::redact::head;
use cotenant_circuit::bytes::bits_of;
use proptest::prelude::*;
use std::sync::LazyLock;

const ROOM: usize = 256;

static HEAD: LazyLock<cotenant_circuit::Circuit> = LazyLock::new(|| head::head(ROOM));

/// The framing as the parties would open it, circuit by circuit.
fn opened(bytes: &[u8], to_head: bool, end: End) -> Result<framing::Framing, FramingError> {
    let part = |from: usize, length: usize| {
        let rest = bytes.get(from..).unwrap_or(&[]);
        [&rest[..rest.len().min(length)], &vec![0; length - rest.len().min(length)]].concat()
    };
    let out = HEAD.eval(&bits_of(&part(0, ROOM)));
    let found = head::read_head(ROOM, &out).ok_or(FramingError::Head);
    if found.is_err() {
        assert!(!out.contains(&true), "what fails opens nothing but zeros");
    }
    let head::HeadFound { status, length, delimiter, content } = found?;
    let delimiter = if to_head || matches!(status, 204 | 304) { Delimiter::None } else { delimiter };
    let rest = length..bytes.len();
    let content = match delimiter {
        Delimiter::None if rest.is_empty() => vec![],
        Delimiter::Length if rest.len() == content => vec![rest],
        Delimiter::Close if end == End::CloseNotify => vec![rest],
        Delimiter::Chunked => {
            let (mut at, mut chunks) = (length, vec![]);
            loop {
                let out = head::chunk_line().eval(&bits_of(&part(at - 2, 12)));
                let line = head::read_chunk_line(&out).ok_or(FramingError::Chunk);
                if line.is_err() {
                    assert!(!out.contains(&true), "what fails opens nothing but zeros");
                }
                let (line, size) = line?;
                let chunk = at + line..at + line + size;
                if chunk.end + 2 > bytes.len() {
                    return Err(FramingError::End);
                }
                at = chunk.end + 2;
                if size == 0 {
                    let ends = head::line_end().eval(&bits_of(&bytes[at - 2..at]))[0];
                    match (ends, at == bytes.len()) {
                        (false, _) => return Err(FramingError::Chunk),
                        (true, false) => return Err(FramingError::End),
                        (true, true) => break chunks,
                    }
                }
                chunks.push(chunk);
            }
        }
        _ => return Err(FramingError::End),
    };
    Ok(framing::Framing { status, head: length, delimiter, content })
}

/// Both ways, which must agree on all that passes; where a chunk does not end in CR LF the circuit notices when it reads the next line.
fn both(bytes: &[u8], to_head: bool, end: End) -> Result<framing::Framing, FramingError> {
    let (plain, joint) = (framing(bytes, ROOM, to_head, end), opened(bytes, to_head, end));
    assert_eq!(plain.as_ref().ok(), joint.as_ref().ok(), "{}", String::from_utf8_lossy(bytes));
    assert_eq!(plain == Err(FramingError::Head), joint == Err(FramingError::Head), "{}", String::from_utf8_lossy(bytes));
    if let Ok(framing) = &plain {
        let whole = http::parse(bytes, if to_head { "HEAD" } else { "GET" }, end).expect("what is read in part can be read");
        let content: Vec<u8> = framing.content.iter().flat_map(|range| bytes[range.clone()].to_vec()).collect();
        assert_eq!((framing.status, content), (whole.status, whole.body));
    }
    plain
}

fn closed(bytes: &[u8]) -> Result<framing::Framing, FramingError> {
    both(bytes, false, End::CloseNotify)
}

const LENGTH: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\n\r\nhello";
const CHUNKED: &[u8] = b"HTTP/1.1 201 Created\r\nserver: x\r\ntransfer-encoding: Chunked\r\n\r\n3\r\nhel\r\n002\r\nlo\r\n0\r\n\r\n";
const CLOSE: &[u8] = b"HTTP/1.0 599 \r\n\r\nhello";

#[test]
fn three_framings() {
    let found = |bytes| closed(bytes).map(|f| (f.status, f.head, f.delimiter, f.content));
    let range = |from, to| std::ops::Range { start: from, end: to };
    assert_eq!(found(LENGTH), Ok((200, 49, Delimiter::Length, vec![range(49, 54)])));
    assert_eq!(found(CHUNKED), Ok((201, 63, Delimiter::Chunked, vec![range(66, 69), range(76, 78)])));
    assert_eq!(found(CLOSE), Ok((599, 17, Delimiter::Close, vec![range(17, 22)])));
    assert_eq!(both(CLOSE, false, End::Open), Err(FramingError::End), "only close_notify ends what has no length");
    let empty = &LENGTH[..LENGTH.len() - 5];
    assert_eq!(both(empty, true, End::Open).map(|f| (f.delimiter, f.content)), Ok((Delimiter::None, vec![])));
    assert_eq!(both(LENGTH, true, End::Open), Err(FramingError::End), "HEAD has no content");
    for status in ["204", "304"] {
        let bytes = String::from_utf8(empty.to_vec()).unwrap().replace("200", status);
        assert_eq!(closed(bytes.as_bytes()).map(|f| f.delimiter), Ok(Delimiter::None));
    }
}

#[test]
fn every_cut_and_every_spare_byte() {
    for bytes in [LENGTH, CHUNKED] {
        for cut in 0..bytes.len() {
            assert!(closed(&bytes[..cut]).is_err(), "cut at {cut}");
        }
        for spare in [&b"x"[..], b"\r\n", LENGTH] {
            assert_eq!(closed(&[bytes, spare].concat()), Err(FramingError::End));
        }
    }
}

/// A good answer with one more header.
fn with(header: &str) -> Vec<u8> {
    [b"HTTP/1.1 200 OK\r\n".as_slice(), header.as_bytes(), b"\r\nContent-Length: 2\r\n\r\nhi"].concat()
}

#[test]
fn heads_with_one_fault() {
    for good in ["X: y", "x:", "X-Y_z.1|~: \tu ~", "Content-Lengths: 3", "Content: Length", "a: b\r\nc: d", "X: content-length: 3"] {
        assert!(closed(&with(good)).is_ok(), "{good}");
    }
    for bad in [
        "X y",
        ": y",
        " x: y",
        "x : y",
        "x: y\r\n folded",
        "x: y\r\n\tz: folded",
        "x: \n",
        "x: y\nz: u",
        "x: y\rz: u",
        "x: y\r\r",
        "x: \0",
        "x: \x1b[",
        "x: \x7f",
        "x: \u{e9}",
        "x(): y",
        "Content-Length: 2",
        "content-length: 3",
        "CONTENT-LENGTH:2",
        "Content-Length : 2",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: gzip",
        "transfer-encoding:chunked",
    ] {
        assert!(closed(&with(bad)).is_err(), "{bad:?}");
    }
    let length = |value: &str| closed(format!("HTTP/1.1 200 OK\r\nContent-Length:{value}\r\n\r\nhi").as_bytes());
    assert!([" 2", " 02", " 00000002"].iter().all(|value| length(value).is_ok()));
    for bad in ["2", "  2", " 2 ", "\t2", " +2", " 0x2", " 2,2", " ", "", " 000000002", " 2\r\nContent-Length: 2", " 2x"] {
        assert_eq!(length(bad), Err(FramingError::Head), "{bad:?}");
    }
    assert_eq!(length(" 3"), Err(FramingError::End));
    let coding = |value: &str| closed(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding:{value}\r\n\r\n2\r\nhi\r\n0\r\n\r\n").as_bytes());
    assert!(coding(" chunked").is_ok() && coding(" CHUNKED").is_ok());
    for bad in [
        "chunked",
        " chunked ",
        " chunked, chunked",
        " gzip, chunked",
        " chunke",
        " identity",
        "",
        " chunked\r\nTransfer-Encoding: chunked",
    ] {
        assert_eq!(coding(bad), Err(FramingError::Head), "{bad:?}");
    }
    for line in [
        "HTTP/1.1 200",
        "HTTP/1.1 100 Continue",
        "HTTP/1.1 101 x",
        "HTTP/1.1 199 x",
        "HTTP/1.1 600 x",
        "HTTP/2.0 200 OK",
        "HTTP/1.2 200 OK",
        "http/1.1 200 OK",
        "HTTP/1.1  200 OK",
    ] {
        let bytes = format!("{line}\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(closed(bytes.as_bytes()), Err(FramingError::Head), "{line}");
    }
    let old = b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(closed(old), Err(FramingError::Head), "chunks from HTTP/1.0");
    assert!(closed(&with(&format!("x: {}", "y".repeat(ROOM)))).is_err(), "a head beyond the limit");
}

#[test]
fn what_stands_behind_the_head_is_not_of_it() {
    for content in ["\r\nContent-Length: 9\r\n\r\n", "\n\r\0\r\nTransfer-Encoding: chunked\r\n", "\r\n: x\r\n\r\n"] {
        let bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{content}", content.len());
        assert_eq!(closed(bytes.as_bytes()).map(|f| f.content[0].len()), Ok(content.len()));
    }
}

#[test]
fn chunks_with_one_fault() {
    let chunks = |text: &str| closed(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{text}").as_bytes());
    assert!(
        [
            "0\r\n\r\n",
            "2\r\nhi\r\n0\r\n\r\n",
            "00000002\r\nhi\r\n00\r\n\r\n",
            "a\r\n0123456789\r\n0\r\n\r\n",
            "A\r\n0123456789\r\n0\r\n\r\n"
        ]
        .iter()
        .all(|c| chunks(c).is_ok())
    );
    for bad in [
        "",
        "2\r\nhi\r\n",
        "2\r\nhi0\r\n\r\n",
        "2;x=y\r\nhi\r\n0\r\n\r\n",
        "2 \r\nhi\r\n0\r\n\r\n",
        " 2\r\nhi\r\n0\r\n\r\n",
        "\r\nhi\r\n0\r\n\r\n",
        "g\r\n",
        "2\nhi\n0\n\n",
        "000000002\r\nhi\r\n0\r\n\r\n",
        "2\r\nhi\r\n0\r\nx: y\r\n\r\n",
        "2\r\nhi\n\n0\r\n\r\n",
        "3\r\nhi\r\n0\r\n\r\n",
        "ffffffff\r\nhi\r\n0\r\n\r\n",
        "0\r\n\r\n\r\n",
        "-1\r\nhi\r\n0\r\n\r\n",
    ] {
        assert!(chunks(bad).is_err(), "{bad:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Good answers in which some bytes were changed, put in or cut out, near what the framing is made of.
    #[test]
    fn circuits_read_what_the_reader_reads(
        which in 0_usize..4,
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..3, prop::sample::select(&b"\r\n: \t0129afzA\0\x7f\xff/.;-"[..])), 0..4),
    ) {
        let mut bytes = [LENGTH, CHUNKED, CLOSE, b"HTTP/1.1 404 Not\r\nA: b\r\nTransfer-Encoding: chunked\r\nC-D: e\r\n\r\n10\r\n0123456789abcdef\r\n1\r\nx\r\n0\r\n\r\n"][which].to_vec();
        for (at, what, byte) in edits {
            let at = at.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        let _ = closed(&bytes);
    }
}

#[test]
fn counts() {
    let ands = |room| head::head(room).stats().ands();
    assert_eq!(
        [(ands(1024) - ands(512)) / 512, ands(1024), head::chunk_line().stats().ands(), head::line_end().stats().ands()],
        [109, 110_803, 312, 15]
    );
}
