//! A client with a whole key against the service: what is stored comes back, and every wrong signature is refused.

use super::*;
use cotenant_agent::http::{End, Request, Response, parse};
use cotenant_agent::sign::date::Timestamp;
use cotenant_agent::sign::plain::signature_with_whole_key;
use cotenant_agent::sign::sigv4::{Scope, Style, prepare};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use std::net::Ipv4Addr;
use std::time::SystemTime;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

const ID: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const NAME: &str = "s3.demo.test";

/// The service over a directory that lives as long as this.
struct Fixture {
    server: S3Server,
    _directory: tempfile::TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let server = serve(config(&directory, "demo")).await.unwrap();
        Self { server, _directory: directory }
    }

    fn request(&self, method: &str, target: &str, body: &[u8]) -> Request {
        let mut request = Request::new(method, NAME, self.server.address().port(), target).unwrap();
        request.set_body(body.to_vec());
        request
    }

    /// Sends it over a new connection; any end but close_notify fails.
    async fn send(&self, request: &Request, provider: CryptoProvider) -> Response {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.server.ca_pem().as_bytes()).unwrap()).unwrap();
        let client = ClientConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(&[&TLS13]).unwrap();
        let client = TlsConnector::from(Arc::new(client.with_root_certificates(roots).with_no_client_auth()));
        let socket = TcpStream::connect(self.server.address()).await.unwrap();
        let mut stream = client.connect(ServerName::try_from(NAME).unwrap(), socket).await.unwrap();
        stream.write_all(&request.encode()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("close_notify at the end");
        parse(&answer, request.method(), End::CloseNotify).unwrap()
    }
}

fn config(directory: &tempfile::TempDir, bucket: &str) -> S3Config {
    S3Config {
        directory: directory.path().to_owned(),
        bucket: bucket.to_owned(),
        access_key_id: ID.to_owned(),
        secret_access_key: SECRET.into(),
        server_name: NAME.to_owned(),
        listen: (Ipv4Addr::LOCALHOST, 0).into(),
    }
}

fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs().try_into().unwrap()
}

fn signed_at(mut request: Request, seconds: i64, secret: &str) -> Request {
    let scope = Scope::new("s3", "us-east-1", Timestamp::from_unix(seconds).unwrap()).unwrap();
    let to_sign = prepare(&mut request, &scope, Style::S3).unwrap();
    let signature = signature_with_whole_key(secret.as_bytes(), &to_sign);
    request.add_header("Authorization", &to_sign.authorization(ID, &signature).unwrap()).unwrap();
    request
}

fn signed(request: Request) -> Request {
    signed_at(request, now(), SECRET)
}

fn refusal(response: &Response) -> (u16, String) {
    let body = String::from_utf8(response.body.clone()).unwrap();
    let code = body.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code.to_owned());
    (response.status, code.unwrap_or(body))
}

#[tokio::test]
async fn an_object_is_stored_listed_and_read_back() {
    let fixture = Fixture::new().await;
    let provider = ring::default_provider;
    let put = fixture.send(&signed(fixture.request("PUT", "/demo/a%20b", b"hello")), provider()).await;
    assert_eq!(put.status, 200, "{:?}", refusal(&put));
    let get = fixture.send(&signed(fixture.request("GET", "/demo/a%20b", b"")), provider()).await;
    assert_eq!((get.status, get.body.as_slice(), get.header("connection")), (200, b"hello".as_slice(), Some(b"close".as_slice())));
    let list = fixture.send(&signed(fixture.request("GET", "/demo?list-type=2", b"")), provider()).await;
    assert_eq!(list.status, 200, "{:?}", refusal(&list));
    assert!(String::from_utf8(list.body).unwrap().contains("<Key>a b</Key>"));
    let address = fixture.server.address();
    fixture.server.shutdown().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn both_groups_and_the_one_cipher_suite_are_accepted() {
    let fixture = Fixture::new().await;
    for group in [ring::kx_group::SECP256R1, ring::kx_group::X25519] {
        let provider = CryptoProvider {
            cipher_suites: vec![ring::cipher_suite::TLS13_AES_128_GCM_SHA256],
            kx_groups: vec![group],
            ..ring::default_provider()
        };
        let list = fixture.send(&signed(fixture.request("GET", "/demo", b"")), provider).await;
        assert_eq!(list.status, 200, "{group:?}");
    }
}

#[tokio::test]
async fn what_the_key_did_not_sign_is_refused() {
    let fixture = Fixture::new().await;
    let put = || fixture.request("PUT", "/demo/k", b"hello");
    let mut other_body = signed(put());
    other_body.set_body(b"jello".to_vec());
    let cases = [
        (signed_at(put(), now(), "another secret"), (403, "SignatureDoesNotMatch")),
        (signed_at(put(), now() - 3600, SECRET), (403, "RequestTimeTooSkewed")),
        // The hash is found wrong while the body is being stored, and the service says no more than that it failed.
        (other_body, (500, "InternalError")),
        (put(), (403, "AccessDenied")),
    ];
    for (request, (status, code)) in cases {
        assert_eq!(refusal(&fixture.send(&request, ring::default_provider()).await), (status, code.to_owned()));
    }
    let get = fixture.send(&signed(fixture.request("GET", "/demo/k", b"")), ring::default_provider()).await;
    assert_eq!(refusal(&get), (404, "NoSuchKey".to_owned()));
}

#[tokio::test]
async fn a_bad_configuration_says_what_is_wrong() {
    let directory = tempfile::tempdir().unwrap();
    for bucket in ["", "../x", "a/b", "UPPER"] {
        assert!(matches!(serve(config(&directory, bucket)).await, Err(S3Error::Bucket(name)) if name == bucket));
    }
    std::fs::write(directory.path().join("demo"), b"in the way").unwrap();
    assert!(matches!(serve(config(&directory, "demo")).await, Err(S3Error::Directory { .. })));
    let config = S3Config { server_name: "not a host\u{e9}".to_owned(), ..config(&directory, "other") };
    assert!(matches!(serve(config).await, Err(S3Error::Certificate(_))));
}
