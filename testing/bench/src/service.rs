//! The server that calls go to: TLS 1.3 by rustls on ring, one request a connection, an answer of a given length.
//!
//! It knows the whole key, as every provider does, and takes no request but the one whose every byte, signature included, is right.

use crate::error::Error;
use cotenant_agent::{
    http::{Request, RequestError},
    sign::{
        date::Timestamp,
        plain::signature_with_whole_key,
        sigv4::{self, Scope, Style},
    },
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use std::{net::Ipv4Addr, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
        version::TLS13,
    },
};

/// The name of the server.
pub const NAME: &str = "localhost";
/// The public half of the key.
pub const ACCESS_KEY_ID: &str = "AKIACOTENANTBENCHKEY";
/// The secret half. The parties know it too: this is a measurement, and no secret of anybody's.
pub const SECRET: &[u8; 40] = b"a secret access key of forty characters.";

/// What comes before the content of an answer, which ends with the connection (RFC 9112 section 6.3).
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
const REFUSAL: &[u8] = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n";

/// When the request is signed. It is the same at every run, as the date is a constant in the circuit and changes the number of gates.
const SIGNED_AT: i64 = 1_767_225_600;

/// Region and time of the signature.
///
/// # Panics
/// Never: it is a constant.
pub fn scope() -> Scope {
    let time = Timestamp::from_unix(SIGNED_AT).expect("a time of this century");
    Scope::new("s3", "us-east-1", time).expect("names of small letters and digits")
}

/// The style of the signature.
pub fn style() -> Style {
    Style::of_service("s3")
}

/// A request that stores an object, `length` bytes with its signature.
///
/// # Errors
/// [`Error::Option`] if no request is so short.
pub fn request(length: usize) -> Result<Request, Error> {
    let with = |name: &str, body: usize| put(name, vec![b'x'; body]);
    let shortest = encode_signed(with("object", 1)).len();
    let spare = length.checked_sub(shortest).ok_or_else(|| too_short("--request-bytes", length, shortest))?;
    // The length of the body is part of the head, so a body that fits may be missing; then a longer name fills the gap.
    let bodies = ["object", "object1"].into_iter().flat_map(|name| (spare.saturating_sub(8)..=spare + 1).map(move |body| (name, body)));
    let fitting = bodies.filter(|&(_, body)| body > 0).find(|&(name, body)| encode_signed(with(name, body)).len() == length);
    let (name, body) = fitting.expect("one of two names has a body that fits");
    Ok(with(name, body))
}

fn put(name: &str, body: Vec<u8>) -> Request {
    let request = Request::new("PUT", NAME, 443, &format!("/bench/{name}")).map(|mut request| {
        request.set_body(body);
        request
    });
    request.expect("a well-formed request")
}

/// The bytes of the request with the right signature.
pub fn encode_signed(mut request: Request) -> Vec<u8> {
    let to_sign = sigv4::prepare(&mut request, &scope(), style()).expect("the request has no header of the signer's");
    let prefix = to_sign.authorization_prefix(ACCESS_KEY_ID).expect("a well-formed access key id");
    let (mut bytes, after): (Vec<u8>, Vec<u8>) =
        request.encode_around_hole("Authorization", &prefix).unwrap_or_else(|e: RequestError| panic!("a well-formed header: {e}"));
    bytes.extend_from_slice(&signature_with_whole_key(SECRET, &to_sign));
    bytes.extend_from_slice(&after);
    bytes
}

/// The answer to the right request.
///
/// # Errors
/// [`Error::Option`] if no answer is so short.
pub fn answer(length: usize) -> Result<Vec<u8>, Error> {
    let body = length.checked_sub(HEAD.len()).ok_or_else(|| too_short("--response-bytes", length, HEAD.len()))?;
    Ok([HEAD, &(0..body).map(|i| (i % 251) as u8).collect::<Vec<_>>()].concat())
}

/// What the policy keeps of an answer with a secret inside: [`secret_answer`].
pub const POLICY: &str = "keep token in json \"token\" chars alnum len 40\nopen id in json \"id\" chars alnum len 1..20";
/// What it opens.
pub const OPENED: (&str, &[u8]) = ("id", b"bench");

/// An answer of which [`POLICY`] keeps a token.
///
/// # Errors
/// [`Error::Option`] if no answer is so short.
pub fn secret_answer(length: usize) -> Result<Vec<u8>, Error> {
    let content = |filler: usize| format!("{{\"id\":\"bench\",\"token\":\"{}\",\"more\":\"{}\"}}", "t".repeat(40), "x".repeat(filler));
    let answer = |filler: usize| {
        let content = content(filler);
        format!("HTTP/1.1 200 OK\r\nContent-Length: {:05}\r\nConnection: close\r\n\r\n{content}", content.len()).into_bytes()
    };
    let shortest = answer(0).len();
    Ok(answer(length.checked_sub(shortest).ok_or_else(|| too_short("--response-bytes", length, shortest))?))
}

fn too_short(option: &'static str, given: usize, shortest: usize) -> Error {
    Error::Option { option, given: given.to_string(), wanted: format!("the shortest has {shortest} bytes") }
}

/// A running server.
pub struct Service {
    /// Its port on the loopback interface.
    pub port: u16,
    /// The only trust root for it.
    pub ca_pem: String,
}

/// Serves in the background of the current tokio runtime: `answer` to whoever sends exactly `request`.
///
/// # Errors
/// No port, no certificates.
pub async fn serve(request: Vec<u8>, answer: Vec<u8>) -> Result<Service, Error> {
    let (config, ca_pem) = certified()?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let failed = "cannot listen on the loopback interface";
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(Error::io(failed))?;
    let port = listener.local_addr().map_err(Error::io(failed))?.port();
    let (request, answer) = (Arc::new(request), Arc::new(answer));
    tokio::spawn(async move {
        // Until the process ends or the listener breaks, which the parties notice.
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, request, answer) = (acceptor.clone(), request.clone(), answer.clone());
            // A connection that fails fails at the parties too.
            tokio::spawn(async move { drop(converse(socket, acceptor, &request, &answer).await) });
        }
    });
    Ok(Service { port, ca_pem })
}

async fn converse(socket: TcpStream, acceptor: TlsAcceptor, request: &[u8], answer: &[u8]) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let mut stream = acceptor.accept(socket).await?;
    let mut received = vec![0; request.len()];
    stream.read_exact(&mut received).await?;
    stream.write_all(if received == request { answer } else { REFUSAL }).await?;
    stream.shutdown().await?;
    // The client's end of the connection is awaited, so that the last bytes are not lost to a reset.
    stream.read_to_end(&mut received).await?;
    Ok(())
}

/// A CA and a server below it, ECDSA on P-256; TLS 1.3 only.
fn certified() -> Result<(ServerConfig, String), Error> {
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    let ca_key = KeyPair::generate()?;
    let ca_pem = ca.self_signed(&ca_key)?.pem();
    let key = KeyPair::generate()?;
    let certificate = CertificateParams::new(vec![NAME.to_owned()])?.signed_by(&key, &Issuer::new(ca, ca_key))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok((config, ca_pem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_have_every_length_from_the_shortest() {
        let shortest = encode_signed(put("object", vec![b'x'])).len();
        for length in (shortest..shortest + 120).chain(shortest + 985..shortest + 1015).chain([20_000]) {
            assert_eq!(encode_signed(request(length).unwrap()).len(), length);
        }
        let refused = request(shortest - 1).unwrap_err().to_string();
        assert_eq!(refused, format!("--request-bytes {}: the shortest has {shortest} bytes", shortest - 1));
    }

    #[test]
    fn answers_have_every_length_from_the_shortest() {
        assert_eq!(answer(HEAD.len()).unwrap(), HEAD);
        assert_eq!(answer(5000).unwrap().len(), 5000);
        assert!(matches!(answer(HEAD.len() - 1), Err(Error::Option { option: "--response-bytes", .. })));
    }
}
