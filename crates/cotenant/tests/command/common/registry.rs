//! An HTTPS server that keeps what is registered with it, and checks what is shown to it later.
//!
//! | request | answer |
//! | --- | --- |
//! | `POST /register` with `{"token":"..."}` | 201, and the token is kept |
//! | `POST /issue` | 200, with a token that it has drawn, and keeps, as `{"id":"17","token":"..."}` |
//! | `GET /check` with `Authorization: Bearer ...` | 200 if it is the token, else 403 |
//! | `GET /silence` | none, until the server is dropped |

use rcgen::{CertificateParams, KeyPair};
use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer, version::TLS13},
};

/// The server.
pub(crate) struct Registry {
    _runtime: tokio::runtime::Runtime,
    kept: Arc<Mutex<Kept>>,
    pub(crate) port: u16,
    pub(crate) ca: String,
}

/// What it has been told.
#[derive(Default)]
struct Kept {
    token: Option<String>,
    requests: Vec<String>,
}

impl Registry {
    pub(crate) fn new() -> Registry {
        Self::serving("localhost", Ipv4Addr::LOCALHOST)
    }

    /// At an address of the host that this thread is on.
    pub(crate) fn at(address: Ipv4Addr) -> Registry {
        Self::serving(&address.to_string(), address)
    }

    fn serving(name: &str, at: Ipv4Addr) -> Registry {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().self_signed(&key).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_protocol_versions(&[&TLS13]).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind((at, 0))).unwrap();
        let (port, kept) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Kept::default())));
        let (acceptor, keeping) = (TlsAcceptor::from(Arc::new(config)), kept.clone());
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // A client that refuses the certificate ends its connection alone.
                tokio::spawn(serve(acceptor.clone(), socket, keeping.clone()));
            }
        });
        Registry { _runtime: runtime, kept, port, ca: certificate.pem() }
    }

    /// What it is told to keep, without a request.
    pub(crate) fn keeps(&self, token: &str) {
        self.kept.lock().unwrap().token = Some(token.to_owned());
    }

    /// What was registered.
    pub(crate) fn token(&self) -> Option<String> {
        self.kept.lock().unwrap().token.clone()
    }

    /// The first lines of all requests.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.kept.lock().unwrap().requests.clone()
    }
}

async fn serve(acceptor: TlsAcceptor, socket: TcpStream, kept: Arc<Mutex<Kept>>) -> std::io::Result<()> {
    let mut stream = acceptor.accept(socket).await?;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    let (head, body) = loop {
        let count = stream.read(&mut buffer).await?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8(bytes.clone()).expect("requests of the tests are text");
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= header(head, "content-length").map_or(0, |length| length.parse().unwrap())
        {
            break (head.to_owned(), body.to_owned());
        }
        if count == 0 {
            return Ok(());
        }
    };
    let first = head.lines().next().unwrap_or_default().to_owned();
    kept.lock().unwrap().requests.push(first.clone());
    let issued;
    let answer = match first.as_str() {
        "POST /issue HTTP/1.1" => {
            let token = drawn();
            let content = format!("{{\"id\":\"17\",\"token\":\"{token}\"}}");
            kept.lock().unwrap().token = Some(token);
            issued = format!("200 OK\r\nContent-Length: {}\r\n\r\n{content}", content.len());
            &issued
        }
        "POST /register HTTP/1.1" => {
            let token = body.strip_prefix("{\"token\":\"").and_then(|rest| rest.strip_suffix("\"}"));
            kept.lock().unwrap().token = token.map(str::to_owned);
            "201 Created\r\nContent-Length: 4\r\n\r\nkept"
        }
        "GET /check HTTP/1.1" => {
            let shown = header(&head, "authorization").and_then(|value| value.strip_prefix("Bearer "));
            let right = shown.is_some() && kept.lock().unwrap().token.as_deref() == shown;
            if right { "200 OK\r\nContent-Length: 5\r\n\r\nright" } else { "403 Forbidden\r\nContent-Length: 5\r\n\r\nwrong" }
        }
        "GET /silence HTTP/1.1" => std::future::pending().await,
        _ => "404 Not Found\r\nContent-Length: 0\r\n\r\n",
    };
    stream.write_all(format!("HTTP/1.1 {answer}").as_bytes()).await?;
    stream.shutdown().await
}

/// 24 letters and digits of a fresh key.
fn drawn() -> String {
    let key = KeyPair::generate().unwrap().serialize_der();
    let letter = |byte: &u8| char::from(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[usize::from(*byte) % 62]);
    // Behind it the public key, before it headers.
    key[key.len() - 24..].iter().map(letter).collect()
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(": ")?;
        found.eq_ignore_ascii_case(name).then_some(value)
    })
}
