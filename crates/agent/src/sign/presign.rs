//! A request signed in its query (a presigned URL): whoever is given the URL can send the request until it expires, without a key.
//!
//! `target = path "?" own-query "&X-Amz-Algorithm=..&X-Amz-Credential=..&X-Amz-Date=..&X-Amz-SignedHeaders=..&X-Amz-Expires=.."
//! ["&X-Amz-Security-Token=.."] "&X-Amz-Signature=" 64 hex digits`. What is signed is the request with this target up to X-Amz-Signature;
//! the string to sign, and so the circuit, is that of [`super::sigv4`]. The signature ends the target, so that it can be a secret hole of
//! the request line, or be opened to one party that builds the URL.
//! Source: Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters"; AWS IAM User Guide, "Create a signed AWS API
//! request", step 5.

use super::sigv4::{self, ALGORITHM, OWN_HEADERS, Scope, SigningError, Style, ToSign};
use crate::http::Request;
use zeroize::Zeroizing;

/// Stands for the hash of a body that the signature leaves open.
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
const SECURITY_TOKEN: &str = "X-Amz-Security-Token";
/// The parameters that say who signed what, when; a second one of the name would make that ambiguous.
const OWN_PARAMETERS: [&str; 8] = [
    "X-Amz-Algorithm",
    "X-Amz-Content-Sha256",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    SECURITY_TOKEN,
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];

/// For how long after the scope's moment a signature in the query is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expires(u32);

impl Expires {
    /// Seven days in seconds, the longest that a signature in the query may be valid.
    pub const MAX_SECONDS: u32 = 604_800;

    /// So many seconds, 1 to [`Self::MAX_SECONDS`].
    ///
    /// # Errors
    /// [`SigningError::Expires`].
    pub fn after(seconds: u32) -> Result<Self, SigningError> {
        if (1..=Self::MAX_SECONDS).contains(&seconds) { Ok(Self(seconds)) } else { Err(SigningError::Expires) }
    }

    /// How many.
    pub fn seconds(self) -> u32 {
        self.0
    }
}

/// The token that goes with temporary credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionToken<'a> {
    /// The credentials are permanent.
    None,
    /// The token is signed with the rest of the query, as nearly every service wants it.
    Signed(&'a str),
    /// The token is added to the query after signing, as a few services want it (AWS IoT's WebSocket, for one).
    Unsigned(&'a str),
}

/// What the bearer of the URL is allowed, and in whose name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant<'a> {
    /// The public half of the key pair.
    pub access_key_id: &'a str,
    /// For how long.
    pub expires: Expires,
    /// The token of temporary credentials. It stands in the clear in the URL.
    pub session_token: SessionToken<'a>,
}

/// A request with everything in its query but the digits of the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presigned {
    to_sign: ToSign,
    request: Request,
    target: String,
}

impl Presigned {
    /// What is to be signed.
    pub fn to_sign(&self) -> &ToSign {
        &self.to_sign
    }

    /// The request's target up to the signature, which is the 64 hex digits that follow and end it.
    pub fn target_prefix(&self) -> &str {
        &self.target
    }

    /// The whole URL with this signature. The Host header is the authority that was signed.
    pub fn url(&self, signature_hex: &[u8; 64]) -> Zeroizing<String> {
        let parts = ["https://", self.request.host(), &self.target];
        // In one piece, so that no copy stays.
        let mut url = Zeroizing::new(String::with_capacity(parts.map(str::len).iter().sum::<usize>() + signature_hex.len()));
        parts.into_iter().for_each(|part| url.push_str(part));
        url.extend(signature_hex.iter().map(|&digit| char::from(digit)));
        url
    }

    /// The headers that were signed besides Host and Content-Length: the bearer has to send them as they are.
    pub fn headers(&self) -> &[(String, String)] {
        self.request.headers()
    }

    /// The bytes to send before and after the signature: the hole is in the request line (RFC 9112 section 3). What fills it, computed in
    /// MPC, must be hex digits.
    pub fn encode_around_hole(&self) -> (Vec<u8>, Vec<u8>) {
        let before = format!("{} {}", self.request.method(), self.target).into_bytes();
        let line_start = self.request.method().len() + 1 + self.request.target().len();
        (before, self.request.encode().split_off(line_start))
    }
}

/// Puts the signer's parameters into the request's query and computes what is to be signed: method, path, query, Host, Content-Length of a
/// body, every header of the request, and the body. For styles with [`Style::content_sha256`], such as Amazon S3, the bearer may send any
/// body: of any length if the request has none here.
///
/// # Errors
/// What makes the request ambiguous, or a header or parameter that only the signer may set.
pub fn presign(request: Request, scope: &Scope, style: Style, grant: &Grant<'_>) -> Result<Presigned, SigningError> {
    sigv4::refuse_headers(&request, &OWN_HEADERS)?;
    sigv4::refuse_headers(&request, &[SECURITY_TOKEN])?;
    refuse_own_parameters(request.target())?;
    let credential = sigv4::credential(grant.access_key_id, scope)?;
    let payload = if style.content_sha256 { UNSIGNED_PAYLOAD.to_owned() } else { sigv4::hex_sha256(request.body()) };
    let (_, signed_headers) = sigv4::canonical_headers(&request);

    let mut target = request.target().to_owned();
    push_parameter(&mut target, "X-Amz-Algorithm", ALGORITHM);
    push_parameter(&mut target, "X-Amz-Credential", &credential);
    push_parameter(&mut target, "X-Amz-Date", &scope.timestamp().to_string());
    push_parameter(&mut target, "X-Amz-SignedHeaders", &signed_headers);
    push_parameter(&mut target, "X-Amz-Expires", &grant.expires.0.to_string());
    if let SessionToken::Signed(token) = grant.session_token {
        push_parameter(&mut target, SECURITY_TOKEN, token);
    }
    let to_sign = sigv4::to_sign(&request, &target, &payload, scope, style)?;
    if let SessionToken::Unsigned(token) = grant.session_token {
        push_parameter(&mut target, SECURITY_TOKEN, token);
    }
    push_parameter(&mut target, "X-Amz-Signature", "");
    Ok(Presigned { to_sign, request, target })
}

fn push_parameter(target: &mut String, name: &str, value: &str) {
    target.push(if target.contains('?') { '&' } else { '?' });
    target.push_str(name);
    target.push('=');
    target.push_str(&sigv4::percent_encode(value.as_bytes(), false));
}

/// Capitals and escapes do not matter here: servers differ in whether they do.
fn refuse_own_parameters(target: &str) -> Result<(), SigningError> {
    let query = target.split_once('?').map_or("", |(_, query)| query);
    let names = query.split('&').map(|pair| sigv4::percent_decode(pair.split('=').next().unwrap_or(pair)));
    let is_own = |name: Vec<u8>| OWN_PARAMETERS.iter().any(|own| name.eq_ignore_ascii_case(own.as_bytes()));
    if names.into_iter().any(is_own) { Err(SigningError::OwnParameter) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::plain::signature_with_whole_key;

    fn scope() -> Scope {
        Scope::new("s3", "us-east-1", "20130524T000000Z".parse().unwrap()).unwrap()
    }

    fn grant() -> Grant<'static> {
        let expires = Expires::after(86_400).unwrap();
        Grant { access_key_id: "AKIAIOSFODNN7EXAMPLE", expires, session_token: SessionToken::None }
    }

    fn get(target: &str) -> Request {
        Request::new("GET", "examplebucket.s3.amazonaws.com", 443, target).unwrap()
    }

    /// The example of the Amazon S3 API Reference, "Authenticating Requests: Using Query Parameters".
    #[test]
    fn the_example_of_the_reference() {
        let presigned = presign(get("/test.txt"), &scope(), Style::S3, &grant()).unwrap();
        let signature = signature_with_whole_key(b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", presigned.to_sign());
        assert_eq!(signature.as_slice(), b"aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404");
        assert!(presigned.to_sign().canonical_request.ends_with("\n\nhost\nUNSIGNED-PAYLOAD"));
        assert_eq!(presigned.headers(), []);
    }

    #[test]
    fn the_signature_fills_a_hole_in_the_request_line() {
        let mut request = get("/k?versionId=1");
        request.add_header("Range", "bytes=0-9").unwrap();
        let presigned = presign(request.clone(), &scope(), Style::S3, &grant()).unwrap();
        let signature = signature_with_whole_key(b"secret", presigned.to_sign());
        let (before, after) = presigned.encode_around_hole();
        let mut whole = get(presigned.url(&signature).strip_prefix("https://examplebucket.s3.amazonaws.com").unwrap());
        whole.add_header("Range", "bytes=0-9").unwrap();
        assert_eq!([before.as_slice(), &signature, &after].concat(), whole.encode());
        assert_eq!(before, format!("GET {}", presigned.target_prefix()).into_bytes());
        assert!(presigned.target_prefix().starts_with("/k?versionId=1&X-Amz-Algorithm="));
        assert!(presigned.target_prefix().ends_with("&X-Amz-SignedHeaders=host%3Brange&X-Amz-Expires=86400&X-Amz-Signature="));
    }

    #[test]
    fn only_s3_leaves_the_body_open() {
        let canonical_request = |style, body: &[u8]| {
            let mut request = Request::new("PUT", "h", 443, "/k").unwrap();
            request.set_body(body.to_vec());
            presign(request, &scope(), style, &grant()).unwrap().to_sign().canonical_request.clone()
        };
        assert_eq!(canonical_request(Style::S3, b"hello"), canonical_request(Style::S3, b"world"));
        assert!(canonical_request(Style::S3, b"hello").ends_with("\ncontent-length;host\nUNSIGNED-PAYLOAD"));
        let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert!(canonical_request(Style::STANDARD, b"hello").ends_with(&format!("\ncontent-length;host\n{hash}")));
    }

    #[test]
    fn a_signature_is_valid_for_a_second_to_seven_days() {
        for seconds in [0, 604_801, u32::MAX] {
            assert_eq!(Expires::after(seconds), Err(SigningError::Expires), "{seconds}");
        }
        for seconds in [1, 604_800] {
            let expires = Expires::after(seconds).unwrap();
            let presigned = presign(get("/"), &scope(), Style::S3, &Grant { expires, ..grant() }).unwrap();
            assert!(presigned.target_prefix().contains(&format!("&X-Amz-Expires={seconds}&")));
        }
    }

    #[test]
    fn what_the_signer_sets_is_refused() {
        for name in OWN_HEADERS.iter().chain(&["X-Amz-Security-Token"]) {
            let mut request = get("/");
            request.add_header(name, "x").unwrap();
            assert_eq!(presign(request, &scope(), Style::S3, &grant()), Err(SigningError::OwnHeader), "{name}");
        }
        for name in OWN_PARAMETERS.iter().chain(&["x-amz-DATE", "X-Amz%2DSignature"]) {
            for query in [format!("{name}=x"), format!("a=b&{name}"), format!("{name}=x=y&a")] {
                let result = presign(get(&format!("/?{query}")), &scope(), Style::S3, &grant());
                assert_eq!(result, Err(SigningError::OwnParameter), "{query}");
            }
        }
        assert!(presign(get("/?a=X-Amz-Date&X-Amz-Acl=private"), &scope(), Style::S3, &grant()).is_ok());
    }

    #[test]
    fn the_faults_of_header_signing_are_faults_here() {
        let id = Grant { access_key_id: "A/B", ..grant() };
        assert_eq!(presign(get("/"), &scope(), Style::S3, &id), Err(SigningError::AccessKeyId));
        assert_eq!(presign(get("/?a=b+c"), &scope(), Style::S3, &grant()), Err(SigningError::PlusInQuery));
        assert_eq!(presign(get("/a%2fb"), &scope(), Style::S3, &grant()), Err(SigningError::SlashInPath));
    }
}
