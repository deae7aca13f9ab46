//! The whole of AWS's published Signature Version 4 suite (header signing): canonical request, string to sign, signature, Authorization.

use cotenant_agent::http::Request;
use cotenant_agent::sign::circuit::{signature_circuit, string_to_sign_bits};
use cotenant_agent::sign::plain::signature_with_whole_key;
use cotenant_agent::sign::sigv4::{Scope, Style, ToSign, prepare};
use cotenant_circuit::bytes::{bits_of, bytes_of};
use std::path::{Path, PathBuf};

/// The key of every case.
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// One directory of the suite.
struct Case {
    directory: PathBuf,
    request: Request,
    scope: Scope,
    style: Style,
}

impl Case {
    fn file(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.directory.join(name)).ok()
    }

    fn name(&self) -> String {
        self.directory.file_name().unwrap().to_string_lossy().into_owned()
    }

    /// The 38 cases that say what they mean in context.json.
    fn with_context(directory: &Path) -> Self {
        let context: serde_json::Value = serde_json::from_slice(&std::fs::read(directory.join("context.json")).unwrap()).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        assert_eq!(context["credentials"]["secret_access_key"], SECRET);
        let timestamp = text(&context["timestamp"]).replace(['-', ':'], "");
        let mut request = parse_request(&directory.join("request.txt"));
        if let Some(token) = context["credentials"]["token"].as_str()
            && context["omit_session_token"] != true
        {
            request.add_header("X-Amz-Security-Token", token).unwrap();
        }
        Self {
            directory: directory.to_owned(),
            request,
            scope: Scope::new(&text(&context["service"]), &text(&context["region"]), timestamp.parse().unwrap()).unwrap(),
            style: Style {
                normalise_path: context["normalize"].as_bool().unwrap(),
                encode_path_twice: false,
                content_sha256: context["sign_body"].as_bool().unwrap(),
            },
        }
    }

    fn double(name: &str, service: &str, region: &str) -> Self {
        let directory = suite().join(name);
        let request = parse_request(&directory.join("request.txt"));
        let scope = Scope::new(service, region, "20210511T154045Z".parse().unwrap()).unwrap();
        Self { directory, request, scope, style: Style::STANDARD }
    }

    fn prepare(&self) -> ToSign {
        prepare(&mut self.request.clone(), &self.scope, self.style).unwrap()
    }
}

fn suite() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/aws-signing-test-suite/v4")
}

fn cases() -> Vec<Case> {
    let directories = std::fs::read_dir(suite()).unwrap().map(|entry| entry.unwrap().path());
    let mut directories = directories.filter(|directory| directory.join("context.json").exists()).collect::<Vec<_>>();
    directories.sort();
    directories.iter().map(|directory| Case::with_context(directory)).collect()
}

/// Reads a request of the suite as a client would have to send it: folded lines unfolded (RFC 9112 section 5.2), bytes that no target
/// may have percent-encoded, Content-Length left to the writer, X-Amz-Date to the signer.
fn parse_request(path: &Path) -> Request {
    let text = String::from_utf8(std::fs::read(path).unwrap()).unwrap();
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
    let head = head.replace("\n ", " ");
    let mut lines = head.lines();
    let (method, target) = lines.next().unwrap().strip_suffix(" HTTP/1.1").unwrap().split_once(' ').unwrap();
    let target = target.bytes().map(|b| if b > b' ' && b < 0x7f { char::from(b).to_string() } else { format!("%{b:02X}") });
    let headers = lines.map(|line| line.split_once(':').unwrap()).collect::<Vec<_>>();
    let host = headers.iter().find(|(name, _)| *name == "Host").unwrap().1;
    let mut request = Request::new(method, host, 443, &target.collect::<String>()).unwrap();
    for (name, value) in headers {
        match name.to_ascii_lowercase().as_str() {
            "host" | "x-amz-date" => {}
            "content-length" => assert_eq!(value, body.len().to_string()),
            _ => request.add_header(name, value.trim()).unwrap(),
        }
    }
    request.set_body(body.as_bytes().to_vec());
    request
}

#[test]
fn every_case_in_the_clear() {
    let cases = cases();
    assert_eq!(cases.len(), 38);
    for case in &cases {
        let to_sign = case.prepare();
        let signature = signature_with_whole_key(SECRET.as_bytes(), &to_sign);
        assert_eq!(Some(to_sign.canonical_request.clone()), case.file("header-canonical-request.txt"), "{}", case.name());
        assert_eq!(Some(to_sign.string_to_sign.clone()), case.file("header-string-to-sign.txt"), "{}", case.name());
        assert_eq!(Some(signature.as_slice()), case.file("header-signature.txt").as_deref().map(str::as_bytes), "{}", case.name());
        let line = format!("Authorization:{}", to_sign.authorization("AKIDEXAMPLE", &signature).unwrap());
        assert!(case.file("header-signed-request.txt").unwrap().lines().any(|l| l == line), "{}", case.name());
    }
}

#[test]
fn paths_encoded_twice() {
    let case = Case::double("double-encode-path", "service", "us-east-1");
    assert_eq!(Some(case.prepare().canonical_request), case.file("header-canonical-request.txt"));

    let case = Case::double("double-url-encode", "lambda", "us-east-2");
    let to_sign = case.prepare();
    assert_eq!(Some(to_sign.canonical_request.as_str()), case.file("header-canonical-request.txt").as_deref());
    assert_eq!(to_sign.string_to_sign, case.file("header-string-to-sign.txt").unwrap().trim_end());
    let signature = signature_with_whole_key(SECRET.as_bytes(), &to_sign);
    let line = format!("Authorization: {}", to_sign.authorization("AKIDEXAMPLE", &signature).unwrap());
    assert!(case.file("header-signed-request.txt").unwrap().lines().any(|l| l == line), "{line}");
}

/// All cases have one key, date, region and service, hence one circuit.
#[test]
fn every_case_through_the_circuit() {
    let cases = cases();
    let circuit = signature_circuit(&cases[0].scope);
    for case in &cases {
        assert_eq!(case.scope, cases[0].scope, "{}", case.name());
        let inputs = [bits_of(SECRET.as_bytes()), string_to_sign_bits(&case.prepare())].concat();
        let signature = String::from_utf8(bytes_of(&circuit.eval(&inputs))).unwrap();
        assert_eq!(Some(signature), case.file("header-signature.txt"), "{}", case.name());
    }
}
