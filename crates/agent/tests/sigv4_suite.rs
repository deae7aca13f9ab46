//! The whole of AWS's published Signature Version 4 suite, signing in a header and in the query: canonical request, string to sign,
//! signature, request as sent; in the clear and through the circuit. (The suite of Version 4A is for another algorithm, ECDSA.)

use cotenant_agent::http::Request;
use cotenant_agent::sign::circuit::{signature_circuit, string_to_sign_bits};
use cotenant_agent::sign::plain::signature_with_whole_key;
use cotenant_agent::sign::presign::{Expires, Grant, Presigned, SessionToken, presign};
use cotenant_agent::sign::sigv4::{Scope, Style, ToSign, prepare};
use cotenant_circuit::Circuit;
use cotenant_circuit::bytes::{bits_of, bytes_of};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The key of every case that has a context.
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// Its public half.
const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
/// The key of `double-encode-path`: the test credentials of the crate aws-credential-types, whose authors added the case.
const OTHER_SECRET: &str = "notrealrnrELgWzOk3IfjzDKtFBhDby";
/// The cases without a context and without files for signing in the query.
const WITHOUT_CONTEXT: [&str; 2] = ["double-encode-path", "double-url-encode"];
/// What every other case has.
const FILES: [&str; 10] = [
    "context.json",
    "header-canonical-request.txt",
    "header-signature.txt",
    "header-signed-request.txt",
    "header-string-to-sign.txt",
    "query-canonical-request.txt",
    "query-signature.txt",
    "query-signed-request.txt",
    "query-string-to-sign.txt",
    "request.txt",
];

/// One directory of the suite.
struct Case {
    directory: PathBuf,
    request: Request,
    scope: Scope,
    style: Style,
    expires: u32,
    token: Option<String>,
    /// The token is to be signed with the rest, not added afterwards.
    token_signed: bool,
}

impl Case {
    /// A case that says what it means in context.json.
    fn with_context(name: &str) -> Self {
        let directory = suite().join(name);
        let context: serde_json::Value = serde_json::from_slice(&std::fs::read(directory.join("context.json")).unwrap()).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        assert_eq!(context["credentials"]["secret_access_key"], SECRET);
        assert_eq!(context["credentials"]["access_key_id"], ACCESS_KEY_ID);
        let timestamp = text(&context["timestamp"]).replace(['-', ':'], "");
        Self {
            request: Message::read(&directory.join("request.txt")).to_be_signed(),
            directory,
            scope: Scope::new(&text(&context["service"]), &text(&context["region"]), timestamp.parse().unwrap()).unwrap(),
            style: Style {
                normalise_path: context["normalize"].as_bool().unwrap(),
                encode_path_twice: false,
                content_sha256: context["sign_body"].as_bool().unwrap(),
            },
            expires: u32::try_from(context["expiration_in_seconds"].as_u64().unwrap()).unwrap(),
            token: context["credentials"]["token"].as_str().map(str::to_owned),
            token_signed: context["omit_session_token"] != true,
        }
    }

    /// A case without a context: the style and scope are those of the tests that it was made for.
    fn without_context(name: &str, service: &str, region: &str, timestamp: &str) -> Self {
        let directory = suite().join(name);
        let request = Message::read(&directory.join("request.txt")).to_be_signed();
        let scope = Scope::new(service, region, timestamp.parse().unwrap()).unwrap();
        Self { directory, request, scope, style: Style::STANDARD, expires: 1, token: None, token_signed: true }
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.join(name)).unwrap()
    }

    fn signed_message(&self, name: &str) -> Message {
        Message::read(&self.directory.join(name)).sorted()
    }

    /// Canonical request, string to sign and signature are those of the files that begin so.
    fn check_signature(&self, files: &str, to_sign: &ToSign, signature: &[u8; 64]) {
        let place = format!("{} {files}", self.directory.display());
        assert_eq!(to_sign.canonical_request, self.file(&format!("{files}-canonical-request.txt")), "{place}");
        assert_eq!(to_sign.string_to_sign, self.file(&format!("{files}-string-to-sign.txt")), "{place}");
        assert_eq!(signature, self.file(&format!("{files}-signature.txt")).as_bytes(), "{place}");
    }

    /// Signs in a header; gives the request too, as it is to be sent but for the signature.
    fn in_header(&self) -> (Request, ToSign) {
        let mut request = self.request.clone();
        let add_token = |request: &mut Request, now| {
            if let (Some(token), true) = (&self.token, now) {
                request.add_header("X-Amz-Security-Token", token).unwrap();
            }
        };
        add_token(&mut request, self.token_signed);
        let to_sign = prepare(&mut request, &self.scope, self.style).unwrap();
        add_token(&mut request, !self.token_signed);
        (request, to_sign)
    }

    /// Signs in the query. `sign_body` of a context asks for the header with the body's hash when signing in a header.
    fn in_query(&self) -> Presigned {
        let session_token = match &self.token {
            None => SessionToken::None,
            Some(token) if self.token_signed => SessionToken::Signed(token),
            Some(token) => SessionToken::Unsigned(token),
        };
        let expires = Expires::after(self.expires).unwrap();
        let grant = Grant { access_key_id: ACCESS_KEY_ID, expires, session_token };
        presign(self.request.clone(), &self.scope, Style { content_sha256: false, ..self.style }, &grant).unwrap()
    }
}

fn suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/aws-signing-test-suite/v4")
}

/// The names of what is in a directory, in order.
fn names_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>();
    names.sort();
    names
}

fn cases() -> Vec<Case> {
    let with_context = names_in(&suite()).into_iter().filter(|name| !WITHOUT_CONTEXT.contains(&name.as_str()));
    with_context.map(|name| Case::with_context(&name)).collect()
}

/// Its canonical request is of 2021, its signed request of 2015: each is compared for its own time.
fn double_encode_path(timestamp: &str) -> Case {
    Case::without_context("double-encode-path", "service", "us-east-1", timestamp)
}

fn double_url_encode() -> Case {
    Case::without_context("double-url-encode", "lambda", "us-east-2", "20210511T154045Z")
}

/// A request as a file of the suite has it: folded lines unfolded (RFC 9112 section 5.2), field names small, and bytes that no target may
/// have percent-encoded, for the suite writes the path of its signed requests as it was before encoding.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    method: String,
    target: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Message {
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
        let head = head.replace("\n ", " ");
        let mut lines = head.lines();
        let line = lines.next().unwrap();
        // One signed request has no version.
        let (method, target) = line.strip_suffix(" HTTP/1.1").unwrap_or(line).split_once(' ').unwrap();
        let target = target.bytes().map(|b| if b > b' ' && b < 0x7f { char::from(b).to_string() } else { format!("%{b:02X}") });
        let field = |(name, value): (&str, &str)| (name.to_ascii_lowercase(), value.trim().to_owned());
        let fields = lines.map(|line| field(line.split_once(':').unwrap())).collect();
        Self { method: method.to_owned(), target: target.collect(), fields, body: body.as_bytes().to_vec() }
    }

    /// The message of a request that is to be sent with this target and one more field.
    fn of(request: &Request, target: &str, authorization: Option<String>) -> Self {
        let mut fields = vec![("host".to_owned(), request.host().to_owned())];
        if !request.body().is_empty() {
            fields.push(("content-length".to_owned(), request.body().len().to_string()));
        }
        fields.extend(request.headers().iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())));
        fields.extend(authorization.map(|value| ("authorization".to_owned(), value)));
        Self { method: request.method().to_owned(), target: target.to_owned(), fields, body: request.body().to_vec() }.sorted()
    }

    /// With the fields in the order of their names; those of one name stay in theirs.
    fn sorted(mut self) -> Self {
        self.fields.sort_by(|a, b| a.0.cmp(&b.0));
        self
    }

    /// The request to be signed: Content-Length is the writer's, X-Amz-Date the signer's.
    fn to_be_signed(&self) -> Request {
        let host = &self.fields.iter().find(|(name, _)| name == "host").unwrap().1;
        let mut request = Request::new(&self.method, host, 443, &self.target).unwrap();
        for (name, value) in &self.fields {
            match name.as_str() {
                "host" | "x-amz-date" => {}
                "content-length" => assert_eq!(*value, self.body.len().to_string()),
                _ => request.add_header(name, value).unwrap(),
            }
        }
        request.set_body(self.body.clone());
        request
    }
}

/// The circuits of the chain, one for each scope and length of a key.
#[derive(Default)]
struct Circuits(BTreeMap<String, Circuit>);

impl Circuits {
    fn sign(&mut self, secret: &str, to_sign: &ToSign) -> [u8; 64] {
        let key = format!("{} {}", secret.len(), to_sign.scope);
        let circuit = self.0.entry(key).or_insert_with(|| signature_circuit(secret.len(), &to_sign.scope));
        let inputs = [bits_of(secret.as_bytes()), string_to_sign_bits(to_sign)].concat();
        bytes_of(&circuit.eval(&inputs)).try_into().unwrap()
    }
}

#[test]
fn no_case_and_no_file_is_left_out() {
    let names = names_in(&suite());
    assert_eq!(names.len(), 40);
    let (without_context, with_context): (Vec<_>, Vec<_>) = names.iter().partition(|name| WITHOUT_CONTEXT.contains(&name.as_str()));
    assert_eq!(without_context, WITHOUT_CONTEXT);
    for name in with_context {
        assert_eq!(names_in(&suite().join(name)), FILES, "{name}");
    }
}

#[test]
fn every_case_signed_in_a_header() {
    let cases = cases();
    assert_eq!(cases.len(), 38);
    for case in &cases {
        let (request, to_sign) = case.in_header();
        let signature = signature_with_whole_key(SECRET.as_bytes(), &to_sign);
        case.check_signature("header", &to_sign, &signature);
        let authorization = to_sign.authorization(ACCESS_KEY_ID, &signature).unwrap();
        let message = Message::of(&request, request.target(), Some(authorization));
        assert_eq!(message, case.signed_message("header-signed-request.txt"), "{}", case.directory.display());
    }
}

#[test]
fn every_case_signed_in_the_query() {
    let cases = cases();
    assert_eq!(cases.len(), 38);
    for case in &cases {
        let presigned = case.in_query();
        let signature = signature_with_whole_key(SECRET.as_bytes(), presigned.to_sign());
        case.check_signature("query", presigned.to_sign(), &signature);
        let url = presigned.url(&signature);
        let target = url.strip_prefix("https://").and_then(|rest| rest.strip_prefix(case.request.host())).unwrap();
        let message = Message::of(&case.request, target, None);
        assert_eq!(message, case.signed_message("query-signed-request.txt"), "{}", case.directory.display());
    }
}

/// The suite has three cases with a session token; in one of them it is not signed, so that nothing but the request as sent shows it.
#[test]
fn session_tokens_are_signed_or_added() {
    let with_token = cases().into_iter().filter(|case| case.token.is_some()).collect::<Vec<_>>();
    let names = with_token.iter().map(|case| (case.directory.file_name().unwrap().to_str().unwrap(), case.token_signed));
    let expected = [("get-vanilla-with-session-token", true), ("post-sts-header-after", false), ("post-sts-header-before", true)];
    assert_eq!(names.collect::<Vec<_>>(), expected);
    for case in &with_token {
        let (request, to_sign) = case.in_header();
        assert!(request.headers().iter().any(|(name, _)| name == "X-Amz-Security-Token"));
        assert_eq!(to_sign.signed_headers.contains("x-amz-security-token"), case.token_signed);
        let presigned = case.in_query();
        assert!(presigned.target_prefix().contains("&X-Amz-Security-Token="));
        assert_eq!(presigned.to_sign().canonical_request.contains("&X-Amz-Security-Token="), case.token_signed);
    }
}

#[test]
fn paths_encoded_twice() {
    let (_, to_sign) = double_encode_path("20210511T154045Z").in_header();
    assert_eq!(to_sign.canonical_request, double_encode_path("20210511T154045Z").file("header-canonical-request.txt"));

    let (_, to_sign) = double_url_encode().in_header();
    assert_eq!(to_sign.canonical_request, double_url_encode().file("header-canonical-request.txt"));
    assert_eq!(to_sign.string_to_sign, double_url_encode().file("header-string-to-sign.txt").trim_end());

    let signed = [(double_encode_path("20150830T123600Z"), "ANOTREAL", OTHER_SECRET), (double_url_encode(), ACCESS_KEY_ID, SECRET)];
    for (case, access_key_id, secret) in signed {
        let (request, to_sign) = case.in_header();
        let signature = signature_with_whole_key(secret.as_bytes(), &to_sign);
        let message = Message::of(&request, request.target(), Some(to_sign.authorization(access_key_id, &signature).unwrap()));
        assert_eq!(message, case.signed_message("header-signed-request.txt"), "{}", case.directory.display());
    }
}

#[test]
fn every_signature_through_the_circuit() {
    let mut circuits = Circuits::default();
    let mut signatures = 0;
    for case in cases() {
        for (files, to_sign) in [("header", &case.in_header().1), ("query", case.in_query().to_sign())] {
            let digits = circuits.sign(SECRET, to_sign);
            assert_eq!(digits.as_slice(), case.file(&format!("{files}-signature.txt")).as_bytes(), "{} {files}", case.directory.display());
            signatures += 1;
        }
    }
    assert_eq!(circuits.0.len(), 1, "all cases with a context have one scope");
    for (case, secret) in [(double_encode_path("20150830T123600Z"), OTHER_SECRET), (double_url_encode(), SECRET)] {
        let signature = circuits.sign(secret, &case.in_header().1);
        let authorization = case.signed_message("header-signed-request.txt").fields.swap_remove(0);
        let (_, digits) = authorization.1.rsplit_once("Signature=").unwrap();
        assert_eq!((authorization.0.as_str(), digits.as_bytes()), ("authorization", signature.as_slice()), "{}", case.directory.display());
        signatures += 1;
    }
    assert_eq!((signatures, circuits.0.len()), (78, 3));
}
