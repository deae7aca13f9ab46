//! AWS Signature Version 4, everything but the signature: canonical request, string to sign, Authorization header. Signing in the query is
//! [`super::presign`]. Version 4A is another algorithm (ECDSA over P-256 with a key derived from the secret) and not here.
//!
//! `string to sign = "AWS4-HMAC-SHA256" LF timestamp LF scope LF hex(SHA-256(canonical request))` with
//! `scope = YYYYMMDD "/" region "/" service "/aws4_request"`. None of it is secret; the key enters only in the HMAC chain, which is
//! [`super::circuit`] inside MPC and [`super::plain`] where one holder has the whole key.
//! Source: AWS IAM User Guide, "Create a signed AWS API request"; Amazon S3 API Reference, "Signature Calculations for the
//! Authorization Header".

use super::date::Timestamp;
use crate::http::{Request, RequestError};
use sha2::{Digest, Sha256};

/// The longest id of an access key (IAM API Reference, AccessKey: 16 to 128 characters).
pub(crate) const MAX_ACCESS_KEY_ID: usize = 128;
/// The name of the algorithm, first line of the string to sign and first word of the Authorization header.
pub const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The last part of every scope, and the last message of the key derivation.
pub const TERMINATOR: &str = "aws4_request";

/// Why a request cannot be signed. Each is a fault of whoever wrote the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// Region or service is empty, longer than 64, or not of small letters, digits and hyphens.
    #[error("region and service are of small letters, digits and hyphens")]
    Scope,
    /// The access key id is empty, too long, or has a byte that would end it in the Authorization header or the credential.
    #[error("the access key id has 1 to {MAX_ACCESS_KEY_ID} printable characters other than / , =")]
    AccessKeyId,
    /// The request has a header that the signer sets, X-Amz-Date for one.
    #[error("this header is for the signer to set")]
    OwnHeader,
    /// The query has a parameter that the signer sets, X-Amz-Date for one.
    #[error("this query parameter is for the signer to set")]
    OwnParameter,
    /// A signature in the query has to expire after 1 to 604 800 seconds.
    #[error("a signed query is valid for at least a second and at most seven days")]
    Expires,
    /// A plus sign in the query: a space to some servers, itself to others. Write `%20` or `%2B`.
    #[error("a plus sign in the query has two meanings")]
    PlusInQuery,
    /// `%2F` in a path that is encoded once, where it and `/` would be signed alike.
    #[error("an escaped slash in the path has two meanings")]
    SlashInPath,
    /// The request did not take a header of the signer.
    #[error(transparent)]
    Request(#[from] RequestError),
}

/// Where and when a signature is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    service: String,
    region: String,
    timestamp: Timestamp,
}

impl Scope {
    /// A scope such as `("s3", "us-east-1", 20150830T123600Z)`.
    ///
    /// # Errors
    /// [`SigningError::Scope`].
    pub fn new(service: &str, region: &str, timestamp: Timestamp) -> Result<Self, SigningError> {
        if [service, region].iter().all(|part| is_scope_part(part)) {
            Ok(Self { service: service.to_owned(), region: region.to_owned(), timestamp })
        } else {
            Err(SigningError::Scope)
        }
    }

    /// The service, second message but one of the key derivation.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The moment of signing.
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// `YYYYMMDD`, the first message of the key derivation.
    pub fn date(&self) -> String {
        self.timestamp.date()
    }

    /// Length in bytes of every string to sign of this scope: it depends on no request, so the circuit can be built before there is one.
    pub fn string_to_sign_len(&self) -> usize {
        self.string_to_sign("").len() + 64
    }

    /// The string to sign of a canonical request with this hash, in hex digits, which end it.
    pub(crate) fn string_to_sign(&self, request_hash_hex: &str) -> String {
        format!("{ALGORITHM}\n{}\n{self}\n{request_hash_hex}", self.timestamp)
    }
}

/// `YYYYMMDD/region/service/aws4_request`.
impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}/{}/{TERMINATOR}", self.date(), self.region, self.service)
    }
}

fn is_scope_part(part: &str) -> bool {
    (1..=64).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// How a service wants the canonical request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Dot segments and empty segments of the path are removed before signing (RFC 3986 section 5.2.4).
    pub normalise_path: bool,
    /// The path as sent, which is encoded already, is encoded once more; else it is signed as encoded once.
    pub encode_path_twice: bool,
    /// The hash of the body is sent, and signed, as X-Amz-Content-Sha256; a signature in the query leaves the body open.
    pub content_sha256: bool,
}

impl Style {
    /// Amazon S3: the path names an object byte for byte, so it is neither normalised nor encoded again; the hash of the body is required.
    pub const S3: Self = Self { normalise_path: false, encode_path_twice: false, content_sha256: true };
    /// Every other service.
    pub const STANDARD: Self = Self { normalise_path: true, encode_path_twice: true, content_sha256: false };

    /// The style of a service by its name in the scope.
    pub fn of_service(service: &str) -> Self {
        match service {
            "s3" | "s3express" | "s3-object-lambda" | "s3-outposts" => Self::S3,
            _ => Self::STANDARD,
        }
    }
}

/// A prepared request's part to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToSign {
    /// The canonical request, for display and for comparison with what a server says it saw.
    pub canonical_request: String,
    /// The message of the last HMAC, [`Scope::string_to_sign_len`] bytes.
    pub string_to_sign: String,
    /// The names of the signed headers, small, sorted, joined by semicolons.
    pub signed_headers: String,
    /// Where and when.
    pub scope: Scope,
}

impl ToSign {
    /// The Authorization header's value up to the signature, which is the 64 hex digits that follow.
    ///
    /// # Errors
    /// [`SigningError::AccessKeyId`].
    pub fn authorization_prefix(&self, access_key_id: &str) -> Result<String, SigningError> {
        let credential = credential(access_key_id, &self.scope)?;
        Ok(format!("{ALGORITHM} Credential={credential}, SignedHeaders={}, Signature=", self.signed_headers))
    }

    /// The Authorization header's value with a signature that is known in the clear.
    ///
    /// # Errors
    /// [`SigningError::AccessKeyId`].
    pub fn authorization(&self, access_key_id: &str, signature_hex: &[u8; 64]) -> Result<String, SigningError> {
        let mut value = self.authorization_prefix(access_key_id)?;
        value.extend(signature_hex.iter().map(|&b| char::from(b)));
        Ok(value)
    }
}

/// Adds the signer's headers to the request and computes what is to be signed: method, path, query, Host, Content-Length of a body, every
/// header that the request has now, and the body. Headers added later are sent unsigned. A session token is a header like others.
///
/// # Errors
/// What makes the request ambiguous, or a header that only the signer may set.
pub fn prepare(request: &mut Request, scope: &Scope, style: Style) -> Result<ToSign, SigningError> {
    let body_hash = hex_sha256(request.body());
    prepare_with_hash(request, scope, style, &body_hash)
}

/// The same with the 64 digits of the body's hash, which nobody knows of a body with secrets.
pub(crate) fn prepare_with_hash(request: &mut Request, scope: &Scope, style: Style, body_hash: &str) -> Result<ToSign, SigningError> {
    refuse_headers(request, &OWN_HEADERS)?;
    request.add_header("X-Amz-Date", &scope.timestamp.to_string())?;
    if style.content_sha256 {
        request.add_header("X-Amz-Content-Sha256", body_hash)?;
    }
    to_sign(request, request.target(), body_hash, scope, style)
}

/// The headers that say who signed, when, and which body.
pub(super) const OWN_HEADERS: [&str; 3] = ["authorization", "x-amz-content-sha256", "x-amz-date"];

pub(super) fn refuse_headers(request: &Request, own: &[&str]) -> Result<(), SigningError> {
    let is_own = |name: &str| own.iter().any(|own| name.eq_ignore_ascii_case(own));
    if request.headers().iter().any(|(name, _)| is_own(name)) { Err(SigningError::OwnHeader) } else { Ok(()) }
}

/// What is to be signed of a request that is sent with this target and whose body is named so.
pub(super) fn to_sign(request: &Request, target: &str, payload: &str, scope: &Scope, style: Style) -> Result<ToSign, SigningError> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (canonical_headers, signed_headers) = canonical_headers(request);
    let canonical_request = [
        request.method(),
        &canonical_path(path, style)?,
        &canonical_query(query)?,
        &canonical_headers, // its last line end and the one of the join make the empty line
        &signed_headers,
        payload,
    ]
    .join("\n");
    let string_to_sign = scope.string_to_sign(&hex_sha256(canonical_request.as_bytes()));
    Ok(ToSign { canonical_request, string_to_sign, signed_headers, scope: scope.clone() })
}

/// `access key id "/" scope`.
pub(super) fn credential(access_key_id: &str, scope: &Scope) -> Result<String, SigningError> {
    if !(1..=MAX_ACCESS_KEY_ID).contains(&access_key_id.len())
        || !access_key_id.bytes().all(|b| b.is_ascii_graphic() && !b"/,=".contains(&b))
    {
        return Err(SigningError::AccessKeyId);
    }
    Ok(format!("{access_key_id}/{scope}"))
}

/// Header lines `name:value LF`, sorted by small name, values of one name joined by commas in the order sent; and the list of names.
pub(super) fn canonical_headers(request: &Request) -> (String, String) {
    let mut fields = std::collections::BTreeMap::<String, Vec<String>>::new();
    fields.insert("host".into(), vec![request.host().to_owned()]);
    if !request.body().is_empty() {
        fields.insert("content-length".into(), vec![request.body().len().to_string()]);
    }
    for (name, value) in request.headers() {
        // Runs of white space count as one space.
        let value = value.split([' ', '\t']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        fields.entry(name.to_ascii_lowercase()).or_default().push(value);
    }
    let lines = fields.iter().map(|(name, values)| format!("{name}:{}\n", values.join(","))).collect();
    (lines, fields.into_keys().collect::<Vec<_>>().join(";"))
}

fn canonical_path(path: &str, style: Style) -> Result<String, SigningError> {
    let normalised = if style.normalise_path { without_dot_segments(path) } else { path.to_owned() };
    if style.encode_path_twice {
        return Ok(percent_encode(normalised.as_bytes(), true));
    }
    if normalised.to_ascii_uppercase().contains("%2F") {
        return Err(SigningError::SlashInPath);
    }
    Ok(percent_encode(&percent_decode(&normalised), true))
}

/// RFC 3986 section 5.2.4, with empty segments removed as well.
fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    // A path that ends in "/", "/." or "/.." names a directory.
    let directory = !kept.is_empty() && matches!(path.rsplit('/').next(), Some("" | "." | ".."));
    format!("/{}{}", kept.join("/"), if directory { "/" } else { "" })
}

/// `name=value` pairs joined by `&`, each part encoded afresh, sorted by encoded name, then value; a name alone has an empty value.
fn canonical_query(query: &str) -> Result<String, SigningError> {
    if query.contains('+') {
        return Err(SigningError::PlusInQuery);
    }
    let encode = |part: &str| percent_encode(&percent_decode(part), false);
    let mut pairs = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encode(name), encode(value)))
        .collect::<Vec<_>>();
    pairs.sort();
    Ok(pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&"))
}

/// Every byte but the unreserved ones of RFC 3986 section 2.3, and slashes on request, as `%` and two capital hex digits.
pub(super) fn percent_encode(bytes: &[u8], keep_slashes: bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &b in bytes {
        if b.is_ascii_alphanumeric() || b"-._~".contains(&b) || (keep_slashes && b == b'/') {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

/// The bytes that a well-formed percent-encoding (as [`Request`] has it) stands for.
pub(super) fn percent_decode(text: &str) -> Vec<u8> {
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped = match (first, tail) {
            (b'%', [high, low, after @ ..]) => digit(*high).zip(digit(*low)).map(|(h, l)| (h << 4 | l, after)),
            _ => None,
        };
        let (byte, after) = escaped.unwrap_or((*first, tail));
        out.push(byte);
        rest = after;
    }
    out
}

pub(crate) fn hex_sha256(bytes: &[u8]) -> String {
    crate::hex::encode(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(service: &str) -> Scope {
        Scope::new(service, "us-east-1", "20150830T123600Z".parse().unwrap()).unwrap()
    }

    fn canonical_path_of(target: &str, style: Style) -> Result<String, SigningError> {
        let mut request = Request::new("GET", "h", 443, target).unwrap();
        prepare(&mut request, &scope("s3"), style).map(|to_sign| to_sign.canonical_request.lines().nth(1).unwrap().to_owned())
    }

    #[test]
    fn s3_signs_the_path_as_it_is() {
        let s3 = |target| canonical_path_of(target, Style::S3);
        assert_eq!(s3("/b//a/./../c%20d@e%7e"), Ok("/b//a/./../c%20d%40e~".to_owned()));
        assert_eq!(s3("/b/c%2fd"), Err(SigningError::SlashInPath));
    }

    #[test]
    fn other_services_normalise_and_encode_again() {
        let standard = |target| canonical_path_of(target, Style::STANDARD);
        assert_eq!(standard("/a/./b/../c%20d/"), Ok("/a/c%2520d/".to_owned()));
        assert_eq!(standard("/../.."), Ok("/".to_owned()));
        assert_eq!(standard("/a/b/.."), Ok("/a/".to_owned()));
        assert_eq!(standard("/c%2fd"), Ok("/c%252fd".to_owned()));
    }

    #[test]
    fn s3_sends_and_signs_the_hash_of_the_body() {
        let mut request = Request::new("PUT", "h", 443, "/b/k").unwrap();
        request.set_body(b"hello".to_vec());
        let to_sign = prepare(&mut request, &scope("s3"), Style::of_service("s3")).unwrap();
        let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert!(request.headers().contains(&("X-Amz-Content-Sha256".to_owned(), hash.to_owned())));
        assert_eq!(to_sign.signed_headers, "content-length;host;x-amz-content-sha256;x-amz-date");
        assert!(
            to_sign
                .canonical_request
                .ends_with(&format!("\nx-amz-content-sha256:{hash}\nx-amz-date:20150830T123600Z\n\n{}\n{hash}", to_sign.signed_headers))
        );
        assert_eq!(Style::of_service("sts"), Style::STANDARD);
    }

    #[test]
    fn the_length_of_the_string_to_sign_is_known_before() {
        let mut request = Request::new("GET", "h", 443, "/").unwrap();
        let to_sign = prepare(&mut request, &scope("s3"), Style::S3).unwrap();
        assert_eq!(to_sign.string_to_sign.len(), to_sign.scope.string_to_sign_len());
    }

    #[test]
    fn what_is_ambiguous_is_refused() {
        let with_header = |name: &str| {
            let mut request = Request::new("GET", "h", 443, "/").unwrap();
            request.add_header(name, "x").unwrap();
            prepare(&mut request, &scope("s3"), Style::S3)
        };
        for name in ["authorization", "X-Amz-Date", "x-amz-content-SHA256"] {
            assert_eq!(with_header(name), Err(SigningError::OwnHeader), "{name}");
        }
        let mut request = Request::new("GET", "h", 443, "/?a=b+c").unwrap();
        assert_eq!(prepare(&mut request, &scope("s3"), Style::S3), Err(SigningError::PlusInQuery));
    }

    #[test]
    fn names_that_would_break_the_scope_or_the_header_are_refused() {
        let timestamp = scope("s3").timestamp();
        for part in ["", "a/b", "a b", "S3", "a\n", &"a".repeat(65)] {
            assert_eq!(Scope::new(part, "us-east-1", timestamp), Err(SigningError::Scope), "{part:?}");
            assert_eq!(Scope::new("s3", part, timestamp), Err(SigningError::Scope), "{part:?}");
        }
        let mut request = Request::new("GET", "h", 443, "/").unwrap();
        let to_sign = prepare(&mut request, &scope("s3"), Style::S3).unwrap();
        let long = "A".repeat(MAX_ACCESS_KEY_ID + 1);
        assert!(to_sign.authorization_prefix(&long[1..]).is_ok());
        for id in [&long, "", "A/B", "A,B", "A=B", "A B", "A\r\n", "\u{e9}"] {
            assert_eq!(to_sign.authorization_prefix(id), Err(SigningError::AccessKeyId), "{id:?}");
        }
    }
}
