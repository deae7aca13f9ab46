//! The server's protected flight, EncryptedExtensions to Finished (RFC 8446 sections 4.3 and 4.4), verified by every party for itself and
//! without any secret operation: the handshake secrets are open.

use crate::codec::{Reader, extensions, handshake_message, put_vector};
use crate::config::{Config, Target};
use crate::error::{Fault, Violation};
use crate::hello::{HTTP1, check_extensions, extension, find, offered};
use crate::record::Message;
use crate::schedule::{Hash, RunningHash, TrafficSecret};
use crate::transcript::{Transcript, TranscriptView};
use crate::verify;

const ENCRYPTED_EXTENSIONS: u8 = 8;
const CERTIFICATE: u8 = 11;
const CERTIFICATE_REQUEST: u8 = 13;
const CERTIFICATE_VERIFY: u8 = 15;
const FINISHED: u8 = 20;

/// Proof that this party verified the server: path, name, CertificateVerify and Finished. Nothing outside this crate can make one.
///
/// ```compile_fail,E0451
/// # use cotenant_tls::{ServerVerified, TranscriptView};
/// fn claims(view: TranscriptView) -> ServerVerified {
///     ServerVerified { view, chain: [0; 32] } // the fields are private
/// }
/// ```
#[derive(Debug)]
pub struct ServerVerified {
    view: TranscriptView,
    chain: Hash,
}

impl ServerVerified {
    /// Transcript-Hash through the server's Finished, which the application secrets are derived from, and the hash of all records so far.
    pub fn view(&self) -> &TranscriptView {
        &self.view
    }

    /// SHA-256 over the certificates that the server showed, in its order, each after its length (8 bytes, big endian).
    pub fn chain(&self) -> &Hash {
        &self.chain
    }
}

/// The verified end of the flight.
pub(crate) struct Verified {
    pub(crate) proof: ServerVerified,
    /// The client's last flight (RFC 8446 section 4.4): an empty Certificate if one was asked for, and Finished.
    pub(crate) reply: Vec<u8>,
    /// Whether the server agreed on ALPN `http/1.1`.
    pub(crate) http1: bool,
}

enum Expect {
    EncryptedExtensions,
    CertificateOrRequest,
    Certificate,
    CertificateVerify { leaf: Vec<u8>, chain: Hash },
    Finished { chain: Hash },
}

/// The flight so far.
pub(crate) struct Flight {
    expect: Expect,
    transcript: Transcript,
    client: TrafficSecret,
    server: TrafficSecret,
    requested: bool,
    http1: bool,
}

impl Flight {
    /// The flight that follows a ServerHello, given the opened handshake traffic secrets.
    pub(crate) fn new(transcript: Transcript, client: TrafficSecret, server: TrafficSecret) -> Self {
        Flight { expect: Expect::EncryptedExtensions, transcript, client, server, requested: false, http1: false }
    }

    /// Takes the next message; `Some` when it was the server's Finished. `wire` is the hash of all records so far.
    pub(crate) fn message(&mut self, message: &Message, config: &Config, target: &Target, wire: Hash) -> Result<Option<Verified>, Fault> {
        let before = self.transcript.hash();
        self.transcript.add(&message.bytes);
        self.expect = match (&self.expect, message.kind) {
            (Expect::EncryptedExtensions, ENCRYPTED_EXTENSIONS) => {
                self.http1 = encrypted_extensions(message.body(), config, target)?;
                Expect::CertificateOrRequest
            }
            (Expect::CertificateOrRequest, CERTIFICATE_REQUEST) => {
                certificate_request(message.body())?;
                if !config.empty_certificate() {
                    return Err(Violation::ClientCertificateWanted.into());
                }
                self.requested = true;
                Expect::Certificate
            }
            (Expect::CertificateOrRequest | Expect::Certificate, CERTIFICATE) => {
                let mut certificates = certificate_chain(message.body(), &offered(config, target))?;
                verify::certificate(&certificates, config, target)?;
                let chain = digest_of_chain(&certificates);
                Expect::CertificateVerify { leaf: certificates.swap_remove(0), chain }
            }
            (Expect::CertificateVerify { leaf, chain }, CERTIFICATE_VERIFY) => {
                certificate_verify(message.body(), leaf, &before)?;
                Expect::Finished { chain: *chain }
            }
            (Expect::Finished { chain }, FINISHED) => {
                self.check_finished(message.body(), &before)?;
                return Ok(Some(self.verified(wire, *chain)));
            }
            _ => return Err(Violation::UnexpectedMessage.into()),
        };
        Ok(None)
    }

    fn check_finished(&self, verify_data: &[u8], before: &Hash) -> Result<(), Violation> {
        if verify_data.len() != 32 {
            return Err(Violation::MalformedFinished);
        }
        if self.server.verify_finished(before, verify_data) { Ok(()) } else { Err(Violation::BadFinished) }
    }

    /// Asked for a certificate, this client answers with none: "the client MUST send a Certificate message containing no certificates" if it
    /// has none that fits (RFC 8446 section 4.4.2), and then no CertificateVerify. The server decides whether it goes on.
    fn verified(&self, wire: Hash, chain: Hash) -> Verified {
        let view = TranscriptView { transcript: self.transcript.hash(), wire };
        let mut transcript = self.transcript.clone();
        let mut reply = Vec::new();
        if self.requested {
            reply = handshake_message(CERTIFICATE, |out| out.extend([0, 0, 0, 0]));
            transcript.add(&reply);
        }
        reply.extend(handshake_message(FINISHED, |out| out.extend(self.client.finished(&transcript.hash()))));
        Verified { proof: ServerVerified { view, chain }, reply, http1: self.http1 }
    }
}

fn digest_of_chain(certificates: &[Vec<u8>]) -> Hash {
    let mut hash = RunningHash::new();
    for certificate in certificates {
        hash.update(&(certificate.len() as u64).to_be_bytes());
        hash.update(certificate);
    }
    hash.current()
}

/// Whether ALPN was agreed on.
fn encrypted_extensions(body: &[u8], config: &Config, target: &Target) -> Result<bool, Violation> {
    let list = whole_vector(body, 2).and_then(extensions).ok_or(Violation::MalformedEncryptedExtensions)?;
    let permitted = [extension::SUPPORTED_GROUPS, extension::SERVER_NAME, extension::ALPN];
    check_extensions(&list, &offered(config, target), &permitted)?;
    if find(&list, extension::SERVER_NAME).is_some_and(|body| !body.is_empty()) {
        return Err(Violation::ServerNameNotEmpty);
    }
    let Some(alpn) = find(&list, extension::ALPN) else { return Ok(false) };
    let mut selected = Vec::new();
    put_vector(&mut selected, 2, |out| put_vector(out, 1, |out| out.extend(HTTP1)));
    if alpn == selected { Ok(true) } else { Err(Violation::ApplicationProtocol) }
}

fn certificate_request(body: &[u8]) -> Result<(), Violation> {
    let mut reader = Reader::new(body);
    let (Some(context), Some(list)) = (reader.vector(1), reader.vector(2).and_then(extensions)) else {
        return Err(Violation::MalformedCertificateRequest);
    };
    reader.finish().ok_or(Violation::MalformedCertificateRequest)?;
    if !context.is_empty() {
        return Err(Violation::RequestContext);
    }
    if (1..list.len()).any(|index| find(&list[..index], list[index].0).is_some()) {
        return Err(Violation::DuplicateExtension);
    }
    find(&list, extension::SIGNATURE_ALGORITHMS).map(|_| ()).ok_or(Violation::RequestWithoutSchemes)
}

/// The certificates in DER, the server's own first.
fn certificate_chain(body: &[u8], offered: &[u16]) -> Result<Vec<Vec<u8>>, Violation> {
    let mut reader = Reader::new(body);
    let (context, list) = reader.vector(1).zip(reader.vector(3)).ok_or(Violation::MalformedCertificate)?;
    reader.finish().ok_or(Violation::MalformedCertificate)?;
    if !context.is_empty() {
        return Err(Violation::CertificateContext);
    }
    let mut entries = Reader::new(list);
    let mut chain = Vec::new();
    while !entries.is_empty() {
        let certificate = entries.vector(3).filter(|der| !der.is_empty()).ok_or(Violation::MalformedCertificate)?;
        let list = entries.vector(2).and_then(extensions).ok_or(Violation::MalformedCertificate)?;
        // Only status_request and signed_certificate_timestamp may stand here, and neither was offered (RFC 8446 section 4.4.2).
        check_extensions(&list, offered, &[])?;
        chain.push(certificate.to_vec());
    }
    if chain.is_empty() { Err(Violation::NoCertificate) } else { Ok(chain) }
}

fn certificate_verify(body: &[u8], leaf: &[u8], before: &Hash) -> Result<(), Fault> {
    let mut reader = Reader::new(body);
    let (scheme, signature) = reader.u16().zip(reader.vector(2)).ok_or(Violation::MalformedCertificateVerify)?;
    reader.finish().ok_or(Violation::MalformedCertificateVerify)?;
    verify::certificate_verify(leaf, scheme, signature, before)
}

fn whole_vector(body: &[u8], width: usize) -> Option<&[u8]> {
    let mut reader = Reader::new(body);
    let content = reader.vector(width)?;
    reader.finish().map(|()| content)
}
