//! A TLS server that calls go to, behind a door: what goes to it is an effect of the life of whoever connects.

use super::life::{Effect, Life};
use cotenant_agent::room::Trust;
use rcgen::{CertificateParams, KeyPair};
use sha2::{Digest, Sha256};
use std::{
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream, copy, duplex, split},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer, version::TLS13},
};

/// Whose life it is, if anybody has one, that connects.
type Connector = Box<dyn Fn() -> Option<Life> + Send>;

/// The server.
pub(super) struct Server {
    pub(super) port: u16,
    /// Its certificate.
    pub(super) pem: String,
    /// What a room believes that knows it.
    pub(super) trust: Trust,
    connector: Arc<Mutex<Option<Connector>>>,
    requests: Requests,
}

/// What it was asked, without bodies.
type Requests = Arc<Mutex<Vec<String>>>;

impl Server {
    pub(super) async fn new() -> Server {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider())).with_protocol_versions(&[&TLS13]).unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let server = Server {
            port: listener.local_addr().unwrap().port(),
            pem: certificate.pem(),
            trust: Trust::Listed([Sha256::digest(certificate.der()).into()].into()),
            connector: Arc::default(),
            requests: Arc::default(),
        };
        let (acceptor, connector, requests) = (TlsAcceptor::from(Arc::new(config)), server.connector.clone(), server.requests.clone());
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // Whose daemon has ended by now has a socket that is closed.
                let Some(life) = connector.lock().unwrap().as_ref().and_then(|connector| connector()) else { continue };
                let (outside, inside) = duplex(1 << 16);
                tokio::spawn(door(socket, outside, life));
                tokio::spawn(answer(acceptor.clone(), inside, requests.clone()));
            }
        });
        server
    }

    /// Who connects.
    pub(super) fn is_called_by(&self, connector: impl Fn() -> Option<Life> + Send + 'static) {
        *self.connector.lock().unwrap() = Some(Box::new(connector));
    }

    /// What it was asked since this was last called.
    pub(super) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

/// Hands on what comes, as long as it may.
async fn door(socket: TcpStream, inside: DuplexStream, life: Life) -> io::Result<()> {
    let (mut from, mut back) = socket.into_split();
    let (mut answers, mut to) = split(inside);
    tokio::spawn(async move { copy(&mut answers, &mut back).await });
    let mut piece = vec![0; 1 << 14];
    loop {
        let len = from.read(&mut piece).await?;
        if len == 0 || !life.may(Effect::Server) {
            return Ok(());
        }
        to.write_all(&piece[..len]).await?;
    }
}

/// What it issues to whoever asks for it by POST: a number, and a token of 24 characters.
pub(super) const ISSUED: &str = "{\"id\":\"17\",\"token\":\"4fT7kQ0mZp2LxV9sYd6Rb8Nw\"}";

/// 200 if the token is shown that the tests have put into the vault, else 403; by POST what is issued.
async fn answer(acceptor: TlsAcceptor, socket: DuplexStream, requests: Requests) -> io::Result<()> {
    let mut stream = acceptor.accept(socket).await?;
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut piece).await? {
            0 => return Ok(()),
            len => head.extend_from_slice(&piece[..len]),
        }
    }
    let head = String::from_utf8(head).expect("requests of the tests are text");
    let shown = format!("\r\nauthorization: bearer {}\r\n", super::crash::VALUE.to_lowercase());
    let status = if head.to_lowercase().contains(&shown) { "200 OK" } else { "403 Forbidden" };
    let (status, body) = if head.starts_with("POST ") { ("201 Created", ISSUED) } else { (status, "") };
    requests.lock().unwrap().push(head);
    stream.write_all(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).await?;
    stream.shutdown().await
}
