//! Every rule of the reader with an answer in which it alone catches the fault; every cut of good answers.

use super::*;
use proptest::prelude::*;

const LENGTH: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nServer: x\r\n\r\nhello";
const CHUNKED: &[u8] = b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3\r\nhel\r\n002\r\nlo\r\n0\r\n\r\n";
const CLOSE: &[u8] = b"HTTP/1.0 200 ok\r\nContent-Type: text/plain\r\n\r\nhello";

fn get(bytes: &[u8]) -> Result<Response, ResponseError> {
    parse(bytes, "GET", End::CloseNotify)
}

/// A response with this head after a good status line, and this rest.
fn fault(head: &str, rest: &str) -> ResponseError {
    get(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{rest}").as_bytes()).unwrap_err()
}

#[test]
fn three_framings_give_the_same_body() {
    for bytes in [LENGTH, CHUNKED, CLOSE] {
        let response = get(bytes).unwrap();
        assert_eq!((response.status, response.body.as_slice()), (200, b"hello".as_slice()));
    }
    assert_eq!(get(LENGTH).unwrap().header("SERVER"), Some(b"x".as_slice()));
    assert_eq!(get(LENGTH).unwrap().header("date"), None);
}

#[test]
fn every_cut_of_a_framed_answer_is_caught() {
    for bytes in [LENGTH, CHUNKED] {
        for end in [End::CloseNotify, End::Open] {
            assert!(parse(bytes, "GET", end).is_ok());
            for cut in 0..bytes.len() {
                assert_eq!(parse(&bytes[..cut], "GET", end), Err(ResponseError::Truncated), "cut at {cut}");
            }
        }
    }
}

#[test]
fn only_close_notify_ends_an_answer_without_length() {
    assert_eq!(parse(CLOSE, "GET", End::Open), Err(ResponseError::Truncated));
    let head = CLOSE.len() - 5;
    for cut in 0..head {
        assert_eq!(get(&CLOSE[..cut]), Err(ResponseError::Truncated), "cut at {cut}");
    }
    assert_eq!(get(&CLOSE[..head]).unwrap().body, b"");
}

#[test]
fn spare_bytes_and_a_second_response_are_caught() {
    for bytes in [LENGTH, CHUNKED] {
        for spare in [b"\n".as_slice(), b"\r\n", b"x", LENGTH] {
            assert_eq!(get(&[bytes, spare].concat()), Err(ResponseError::SpareBytes));
        }
    }
    assert_eq!(parse(LENGTH, "HEAD", End::Open), Err(ResponseError::SpareBytes));
    assert_eq!(get(b"HTTP/1.1 204 No Content\r\n\r\nx"), Err(ResponseError::SpareBytes));
}

#[test]
fn heads_without_bodies() {
    assert_eq!(parse(&LENGTH[..LENGTH.len() - 5], "HEAD", End::Open).unwrap().body, b"");
    for line in ["204 No Content", "304 Not Modified"] {
        let bytes = format!("HTTP/1.1 {line}\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(parse(bytes.as_bytes(), "GET", End::Open).unwrap().body, b"", "{line}");
    }
}

#[test]
fn interim_responses_are_passed_over() {
    let interim = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    assert_eq!(get(&[interim, LENGTH].concat()), get(LENGTH));
    assert_eq!(get(interim), Err(ResponseError::Truncated));
    assert_eq!(get(b"HTTP/1.1 101 Switching Protocols\r\n\r\n"), Err(ResponseError::Status));
}

#[test]
fn status_lines() {
    let status = |line: &str| get(format!("{line}\r\nContent-Length: 0\r\n\r\n").as_bytes()).map(|r| r.status);
    assert_eq!(status("HTTP/1.1 599 "), Ok(599));
    assert_eq!(status("HTTP/1.1 200 caf\u{e9}"), Ok(200));
    for line in [
        "HTTP/1.1 200",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 +20 OK",
        "http/1.1 200 OK",
        " HTTP/1.1 200 OK",
        "HTTP/1,1 200 OK",
        "HTTP/1",
        "ICY 200 OK",
        "HTTP/1.1 200\tOK",
        "HTTP/1.1 200 O\0K",
        "",
    ] {
        assert_eq!(status(line), Err(ResponseError::StatusLine), "{line:?}");
    }
    for line in ["HTTP/1.2 200 OK", "HTTP/2.0 200 OK", "HTTP/0.9 200 OK"] {
        assert_eq!(status(line), Err(ResponseError::Version), "{line:?}");
    }
    for line in ["HTTP/1.1 099 OK", "HTTP/1.1 600 OK", "HTTP/1.1 000 OK"] {
        assert_eq!(status(line), Err(ResponseError::Status), "{line:?}");
    }
}

#[test]
fn bare_line_ends_are_caught() {
    for bytes in [
        b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n".as_slice(),
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\rX: y\r\n\r\n",
        b"\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n",
    ] {
        assert_eq!(get(bytes), Err(ResponseError::LineEnd), "{:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn header_lines() {
    for line in ["Server : x", "Server", ": x", " folded", "\tfolded", "A: b\r\n folded", "A B: c", "A: \0", "A: \u{7f}", "\u{e9}: x"] {
        assert_eq!(fault(line, ""), ResponseError::Field, "{line:?}");
    }
}

#[test]
fn lengths() {
    for value in ["", "+5", "-0", "5 5", "0x5", "5;", "18446744073709551616", "99999999999999999999999"] {
        assert_eq!(fault(&format!("Content-Length: {value}"), "hello"), ResponseError::Length, "{value:?}");
    }
    assert_eq!(fault("Content-Length: 5\r\ncontent-length: 5", "hello"), ResponseError::TwoLengths);
    assert_eq!(fault("Content-Length: 5, 5", "hello"), ResponseError::TwoLengths);
    assert_eq!(fault("Content-Length: 18446744073709551615", "hello"), ResponseError::Truncated);
    assert_eq!(fault("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), ResponseError::LengthAndCoding);
}

#[test]
fn codings() {
    for value in ["", "gzip", "gzip, chunked", "chunked, chunked", "chunked;q=1", "identity"] {
        assert_eq!(fault(&format!("Transfer-Encoding: {value}"), "0\r\n\r\n"), ResponseError::Coding, "{value:?}");
    }
    assert_eq!(fault("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), ResponseError::Coding);
    assert_eq!(get(b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), Err(ResponseError::Coding));
}

#[test]
fn chunks() {
    let chunked = |body: &str| fault("Transfer-Encoding: chunked", body);
    for body in [
        "5;a=b\r\nhello\r\n0\r\n\r\n",
        "\r\n",
        "g\r\n",
        " 5\r\nhello\r\n",
        "+5\r\nhello\r\n",
        "000000005\r\nhello\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
    ] {
        assert_eq!(chunked(body), ResponseError::Chunk, "{body:?}");
    }
    assert_eq!(chunked("0\r\nX-Checksum: 1\r\n\r\n"), ResponseError::Trailer);
    assert_eq!(chunked("ffffffff\r\nhello\r\n"), ResponseError::Truncated);
}

proptest! {
    /// Any body comes back whole from any of the framings, in any division into chunks.
    #[test]
    fn bodies_come_back(body in prop::collection::vec(any::<u8>(), 0..200), piece in 1_usize..64) {
        let length = [format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes(), &body].concat();
        let close = [b"HTTP/1.1 200 OK\r\n\r\n".as_slice(), &body].concat();
        let mut chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        for chunk in body.chunks(piece) {
            chunked.extend_from_slice(&[format!("{:X}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        }
        chunked.extend_from_slice(b"0\r\n\r\n");
        for bytes in [length, close, chunked] {
            prop_assert_eq!(&get(&bytes).unwrap().body, &body);
        }
    }

    /// No bytes make the reader panic, and a changed byte in a head never yields more body than was sent.
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..100), at in 0_usize..60, byte: u8) {
        let _ = get(&bytes);
        for good in [LENGTH, CHUNKED, CLOSE] {
            let mut changed = good.to_vec();
            let at = at % changed.len();
            changed[at] = byte;
            if let Ok(response) = get(&changed) {
                prop_assert!(response.body.len() < good.len());
                prop_assert!(parse(&[changed.as_slice(), b"HTTP/1.1 200 OK\r\n\r\n"].concat(), "GET", End::Open).is_err());
            }
        }
    }
}
