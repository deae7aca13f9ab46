//! Writing a request: `method SP target SP HTTP/1.1 CRLF`, headers, an empty line, the body (RFC 9112 sections 2 and 3).
//!
//! Host, Content-Length and Connection are the writer's own; a caller can neither set nor repeat them, so the bytes frame exactly one
//! request for exactly one host.

use super::grammar::{is_field_byte, is_path_byte, is_token, trim};

/// The fields that decide where a message ends, where it goes or how the connection goes on; the writer alone sets those it uses.
const OWN_FIELDS: [&str; 9] =
    ["connection", "content-length", "expect", "host", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];

/// Why a part was not accepted. Each is a fault of whoever wrote the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The method is not a token of capital letters, or is CONNECT, which has no target and no framed answer (RFC 9110 section 9).
    #[error("the method is not one that a call can use")]
    Method,
    /// The host has bytes outside a host name or IP literal (RFC 3986 section 3.2.2), or is empty.
    #[error("the host is not a host name or an address")]
    Host,
    /// The target is not `/path` or `/path?query` with well-formed percent escapes (RFC 9112 section 3.2.1).
    #[error("the target is not an absolute path with an optional query")]
    Target,
    /// The field name is not a token (RFC 9110 section 5.1).
    #[error("a header name is not a token")]
    FieldName,
    /// The field value has a control character or a byte outside ASCII, or begins or ends with white space (RFC 9110 section 5.5).
    #[error("a header value has a byte that may not stand there")]
    FieldValue,
    /// The field is one that the writer sets, or one that would change the framing.
    #[error("this header is not for a call to set")]
    OwnField,
}

/// A request whose every part was checked.
///
/// It is public to all parties; what is secret in a request stands in a hole, see [`Request::encode_around_hole`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    method: String,
    host: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Request {
    /// A request without headers and body. `host` is the verified name of the server; the port is written unless it is 443, the
    /// default of https (RFC 9110 section 7.2). `target` is as it goes over the wire, percent-encoded.
    ///
    /// # Errors
    /// The part that is not well-formed.
    pub fn new(method: &str, host: &str, port: u16, target: &str) -> Result<Self, RequestError> {
        if !(is_token(method.as_bytes()) && method.bytes().all(|b| b.is_ascii_uppercase())) || method == "CONNECT" {
            return Err(RequestError::Method);
        }
        if !is_host(host) {
            return Err(RequestError::Host);
        }
        if !is_origin_form(target.as_bytes()) {
            return Err(RequestError::Target);
        }
        let host = if port == 443 { host.to_owned() } else { format!("{host}:{port}") };
        Ok(Self { method: method.to_owned(), host, target: target.to_owned(), headers: Vec::new(), body: Vec::new() })
    }

    /// Adds one header line after those already there.
    ///
    /// # Errors
    /// [`RequestError::FieldName`], [`RequestError::FieldValue`] or [`RequestError::OwnField`].
    pub fn add_header(&mut self, name: &str, value: &str) -> Result<(), RequestError> {
        check_field(name, value)?;
        self.headers.push((name.to_owned(), value.to_owned()));
        Ok(())
    }

    /// Sets the body; it may hold any bytes, since Content-Length frames it.
    pub fn set_body(&mut self, body: Vec<u8>) {
        self.body = body;
    }

    /// The method, such as `GET`.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The value of the Host header.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Path and query as they are sent.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The headers that were added, in order; Host, Content-Length and Connection are not among them.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.head();
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        out
    }

    /// The bytes before and after a hole that ends the value of one more header, `name: prefix<hole>`. What fills it, computed in MPC,
    /// must be of a class without CR, LF and NUL.
    ///
    /// # Errors
    /// As [`Request::add_header`].
    pub fn encode_around_hole(&self, name: &str, prefix: &str) -> Result<(Vec<u8>, Vec<u8>), RequestError> {
        check_field(name, prefix)?;
        let mut before = self.head();
        push_field(&mut before, name, prefix);
        before.truncate(before.len() - 2);
        let mut after = b"\r\n\r\n".to_vec();
        after.extend_from_slice(&self.body);
        Ok((before, after))
    }

    /// Request line and header lines, without the empty line.
    fn head(&self) -> Vec<u8> {
        let mut out = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        push_field(&mut out, "Host", &self.host);
        push_field(&mut out, "Connection", "close");
        // RFC 9110 section 8.6: a method that expects content says so even when there is none.
        if !self.body.is_empty() || matches!(self.method.as_str(), "POST" | "PUT" | "PATCH") {
            push_field(&mut out, "Content-Length", &self.body.len().to_string());
        }
        for (name, value) in &self.headers {
            push_field(&mut out, name, value);
        }
        out
    }
}

fn push_field(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn check_field(name: &str, value: &str) -> Result<(), RequestError> {
    if !is_token(name.as_bytes()) {
        return Err(RequestError::FieldName);
    }
    if OWN_FIELDS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        return Err(RequestError::OwnField);
    }
    let bytes = value.as_bytes();
    if !bytes.iter().all(|&b| is_field_byte(b) && b.is_ascii()) || trim(bytes) != bytes {
        return Err(RequestError::FieldValue);
    }
    Ok(())
}

/// A host name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|v6| v6.parse::<std::net::Ipv6Addr>().is_ok()),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    }
}

/// `absolute-path [ "?" query ]` (RFC 9112 section 3.2.1, RFC 3986 sections 2.1, 3.3 and 3.4).
fn is_origin_form(target: &[u8]) -> bool {
    if target.first() != Some(&b'/') {
        return false;
    }
    let mut rest = target;
    while let [b, tail @ ..] = rest {
        rest = match (b, tail) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => after,
            (b'/' | b'?', _) => tail,
            (b, _) if is_path_byte(*b) => tail,
            _ => return false,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn put() -> Request {
        let mut request = Request::new("PUT", "s3.example.com", 9300, "/bucket/a%20b?x=1").unwrap();
        request.add_header("X-Amz-Date", "20150830T123600Z").unwrap();
        request.set_body(b"hello\r\n".to_vec());
        request
    }

    #[test]
    fn the_bytes_are_these() {
        let head = "PUT /bucket/a%20b?x=1 HTTP/1.1\r\nHost: s3.example.com:9300\r\nConnection: close\r\nContent-Length: 7\r\n\
                    X-Amz-Date: 20150830T123600Z\r\n";
        assert_eq!(String::from_utf8(put().encode()).unwrap(), format!("{head}\r\nhello\r\n"));
        let (before, after) = put().encode_around_hole("Authorization", "Signature=").unwrap();
        assert_eq!(String::from_utf8(before).unwrap(), format!("{head}Authorization: Signature="));
        assert_eq!(after, b"\r\n\r\nhello\r\n");
    }

    #[test]
    fn length_is_written_where_content_is_expected() {
        let encoded = |method| String::from_utf8(Request::new(method, "h", 443, "/").unwrap().encode()).unwrap();
        assert_eq!(encoded("GET"), "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
        assert!(encoded("POST").contains("\r\nContent-Length: 0\r\n"));
        assert!(!encoded("DELETE").contains("Content-Length"));
    }

    #[test]
    fn each_part_is_checked() {
        let new = |method, host, target| Request::new(method, host, 443, target).map(|_| ());
        for method in ["", "get", "GET ", "CONNECT", "GE\rT", "G\0"] {
            assert_eq!(new(method, "h", "/"), Err(RequestError::Method), "{method:?}");
        }
        for host in ["", "a b", "a\r\nX: y", "a:1", "[::1", "[zz]", "a/b", "a@b"] {
            assert_eq!(new("GET", host, "/"), Err(RequestError::Host), "{host:?}");
        }
        for target in ["", "x", "*", "http://h/", "/a b", "/\r\n", "/\0", "/%", "/%2", "/%zz", "/#f", "/\u{e9}", "/\"", "/a\\b"] {
            assert_eq!(new("GET", "h", target), Err(RequestError::Target), "{target:?}");
        }
        assert_eq!(new("GET", "[::1]", "/a%2f~!$&'()*+,;=:@?a=b?/"), Ok(()));
    }

    #[test]
    fn headers_are_checked() {
        let add = |name: &str, value: &str| put().add_header(name, value);
        for name in ["", "a b", "a:", "a\r", "\u{e9}"] {
            assert_eq!(add(name, "v"), Err(RequestError::FieldName), "{name:?}");
        }
        for value in ["a\r", "a\nb", "\0", "\u{7f}", " a", "a\t", "\u{e9}", "\u{1b}"] {
            assert_eq!(add("n", value), Err(RequestError::FieldValue), "{value:?}");
            assert_eq!(put().encode_around_hole("n", value), Err(RequestError::FieldValue), "{value:?}");
        }
        for name in OWN_FIELDS.iter().chain(&["HOST", "Content-length", "Transfer-Encoding"]) {
            assert_eq!(add(name, "v"), Err(RequestError::OwnField), "{name:?}");
        }
        assert_eq!(add("n", "a \t\"b\""), Ok(()));
    }

    proptest! {
        /// Whatever the parts, the accepted ones make one line each: nobody gets a line of their own into the head.
        #[test]
        fn no_part_adds_a_line(target in "/[a-z%?\\r\\n\\x00 ]{0,4}", name in "[a-z:\\r\\n ]{1,4}", value in "[a-z:\\r\\n\\x00 ]{0,4}") {
            if let Ok(mut request) = Request::new("GET", "h", 443, &target) {
                let added = request.add_header(&name, &value).is_ok();
                let bytes = request.encode();
                let lines = bytes.split(|&b| b == b'\n').collect::<Vec<_>>();
                prop_assert_eq!(lines.len(), 5 + usize::from(added));
                prop_assert!(lines[..lines.len() - 1].iter().all(|line| line.last() == Some(&b'\r')));
                prop_assert_eq!(bytes.iter().filter(|&&b| b == b'\r').count(), lines.len() - 1);
                prop_assert!(!bytes.contains(&0));
            }
        }
    }
}
