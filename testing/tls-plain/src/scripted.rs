//! A TLS 1.3 server that follows a script: honest but for the one thing a test changes.
//!
//! Every message passes through [`Script::edit`] before it enters the transcript, so a changed message is signed and finished as if it were
//! right, and only the check that is meant can refuse it. The flight comes out as [`Outgoing`] records, which a test may cut, join, drop or
//! add to before [`Scripted::encode`] protects them in the order they stand.

use crate::keys::{SecretShare, shared_secret};
use crate::pki::Identity;
use crate::schedule::HandshakeStage;
use crate::{PlainKeys, ready};
use cotenant_tls::protect::RecordKey;
use cotenant_tls::record::{ContentType, RecordReader};
use cotenant_tls::{Group, KeyOps, ServerShare, TrafficSecret, Transcript, signed_content};

/// The messages of the server, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names are the RFC's
pub enum Stage {
    HelloRetryRequest,
    ServerHello,
    EncryptedExtensions,
    CertificateRequest,
    Certificate,
    CertificateVerify,
    Finished,
}

/// How a record leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Unprotected.
    Plain,
    /// Under the handshake key.
    Handshake,
    /// Under the application key of the current generation.
    Application,
}

/// Something the server sends.
#[derive(Clone, Debug)]
pub enum Outgoing {
    /// A record with its content and so many zeros of padding.
    Record(Level, ContentType, Vec<u8>, usize),
    /// A record under the application key with this TLSInnerPlaintext.
    Inner(Vec<u8>),
    /// Bytes as they are.
    Raw(Vec<u8>),
    /// Nothing, but the application key becomes that of the next generation.
    NextKey,
}

impl Outgoing {
    /// A record under the application key.
    pub fn application(kind: ContentType, content: &[u8]) -> Self {
        Outgoing::Record(Level::Application, kind, content.to_vec(), 0)
    }
}

/// Changes a message before it is used; one left empty is neither sent nor hashed.
pub type Edit = Box<dyn FnMut(Stage, &mut Vec<u8>) + Send>;

/// What the server does otherwise than the plainest server would.
pub struct Script {
    /// Ask for another group, or for the cookie, first.
    pub retry: Option<(Option<Group>, Option<Vec<u8>>)>,
    /// Ask for a client certificate.
    pub request_certificate: bool,
    /// SignatureScheme of CertificateVerify.
    pub scheme: u16,
    /// Changes messages.
    pub edit: Edit,
}

impl Default for Script {
    fn default() -> Self {
        Script { retry: None, request_certificate: false, scheme: 0x0403, edit: Box::new(|_, _| ()) }
    }
}

/// The server.
pub struct Scripted<'a> {
    identity: &'a Identity,
    script: Script,
    transcript: Option<Transcript>,
    handshake: Option<RecordKey>,
    client: Option<TrafficSecret>,
    application: Option<(TrafficSecret, RecordKey)>,
}

impl<'a> Scripted<'a> {
    /// A server with this identity.
    pub fn new(identity: &'a Identity, script: Script) -> Self {
        Scripted { identity, script, transcript: None, handshake: None, client: None, application: None }
    }

    /// Answers the record of a ClientHello: with the HelloRetryRequest that is to be sent, or with the whole flight.
    pub fn hello(&mut self, record: &[u8]) -> Vec<Outgoing> {
        // A compatibility record may stand in front of a second ClientHello.
        let record = record.strip_prefix(&[20, 3, 3, 0, 1, 1]).unwrap_or(record);
        let message = &record[5..];
        let hello = ClientHello::parse(message);
        match &mut self.transcript {
            None => self.transcript = Some(Transcript::start(message)),
            Some(transcript) => transcript.add(message),
        }
        match self.script.retry.take() {
            Some((group, cookie)) => self.retry(&hello, group, cookie),
            None => self.flight(&hello),
        }
    }

    fn retry(&mut self, hello: &ClientHello, group: Option<Group>, cookie: Option<Vec<u8>>) -> Vec<Outgoing> {
        let mut extensions = extension(43, &[3, 4]);
        extensions.extend(group.map(|group| extension(51, &group.code().to_be_bytes())).unwrap_or_default());
        extensions.extend(cookie.map(|cookie| extension(44, &vector(2, &cookie))).unwrap_or_default());
        self.transcript = self.transcript.take().map(Transcript::into_retry);
        let message = self.message(Stage::HelloRetryRequest, 2, &server_hello(&RETRY_RANDOM, hello, &extensions));
        vec![Outgoing::Record(Level::Plain, ContentType::Handshake, message, 0)]
    }

    fn flight(&mut self, hello: &ClientHello) -> Vec<Outgoing> {
        let mut keys = PlainKeys::from_seed([0x5e; 32]);
        let Ok((encoded, secret)) = ready(keys.key_share(hello.group, None));
        let extensions = [extension(43, &[3, 4]), extension(51, &[&hello.group.code().to_be_bytes()[..], &vector(2, &encoded)].concat())];
        let message = self.message(Stage::ServerHello, 2, &server_hello(&[0x11; 32], hello, &extensions.concat()));
        let stage = self.agree(hello, &secret);
        let (client, server) = stage.traffic(&self.hash());
        (self.client, self.handshake) = (Some(client), Some(RecordKey::new(&server)));
        let mut messages = vec![self.message(Stage::EncryptedExtensions, 8, &vector(2, &[]))];
        if self.script.request_certificate {
            let extensions = extension(13, &vector(2, &[4, 3]));
            messages.push(self.message(Stage::CertificateRequest, 13, &[vec![0], vector(2, &extensions)].concat()));
        }
        messages.push(self.message(Stage::Certificate, 11, &certificate(self.identity)));
        let signature = self.identity.sign(&signed_content(&self.hash()));
        let verify = [&self.script.scheme.to_be_bytes()[..], &vector(2, &signature)].concat();
        messages.push(self.message(Stage::CertificateVerify, 15, &verify));
        let finished = server.finished(&self.hash());
        messages.push(self.message(Stage::Finished, 20, &finished));
        let (_, server) = stage.into_master().traffic(&self.hash());
        self.application = Some((TrafficSecret::new(*server.expose()), RecordKey::new(&server)));
        let hello = Outgoing::Record(Level::Plain, ContentType::Handshake, message, 0);
        let rest = messages.into_iter().map(|message| Outgoing::Record(Level::Handshake, ContentType::Handshake, message, 0));
        [hello]
            .into_iter()
            .chain(rest)
            .filter(|record| !matches!(record, Outgoing::Record(_, _, content, _) if content.is_empty()))
            .collect()
    }

    fn agree(&self, hello: &ClientHello, secret: &SecretShare) -> HandshakeStage {
        let share = ServerShare::validate(hello.group, &hello.share).expect("our client's share is good");
        HandshakeStage::new(&shared_secret(secret, &share)[..])
    }

    fn hash(&self) -> [u8; 32] {
        self.transcript.as_ref().expect("a ClientHello came").hash()
    }

    /// A message as the script wants it, entered into the transcript.
    fn message(&mut self, stage: Stage, kind: u8, body: &[u8]) -> Vec<u8> {
        let mut message = handshake(kind, body);
        (self.script.edit)(stage, &mut message);
        self.transcript.as_mut().expect("a ClientHello came").add(&message);
        message
    }

    /// Protects and frames.
    pub fn encode(&mut self, outgoing: &[Outgoing]) -> Vec<u8> {
        outgoing.iter().flat_map(|item| self.encode_one(item)).collect()
    }

    /// The description in the alert that is all a client sent, protected or not; none if it sent nothing.
    ///
    /// # Panics
    /// If it sent anything else.
    pub fn alert(&self, output: &[u8]) -> Option<u8> {
        if output.is_empty() {
            return None;
        }
        let mut reader = RecordReader::default();
        reader.push(output);
        let record = reader.next_record().expect("a good record").expect("a whole one");
        assert!(reader.is_empty(), "more than an alert");
        let (kind, content) = match record.kind {
            ContentType::ApplicationData => {
                let key = self.client.as_ref().expect("keys were agreed");
                RecordKey::new(key).open(record).expect("the client's first record under its handshake key")
            }
            kind => (kind, record.body),
        };
        assert_eq!((kind, content[0], content.len()), (ContentType::Alert, 2, 2), "not a fatal alert");
        Some(content[1])
    }

    fn application(&mut self) -> &mut RecordKey {
        &mut self.application.as_mut().expect("the flight was made").1
    }

    fn encode_one(&mut self, item: &Outgoing) -> Vec<u8> {
        match item {
            Outgoing::Raw(bytes) => bytes.clone(),
            Outgoing::Record(Level::Plain, kind, content, _) => [&[kind.code(), 3, 3][..], &vector(2, content)].concat(),
            Outgoing::Record(Level::Handshake, kind, content, padding) => {
                self.handshake.as_mut().expect("keys were agreed").seal(*kind, content, *padding)
            }
            Outgoing::Record(Level::Application, kind, content, padding) => self.application().seal(*kind, content, *padding),
            Outgoing::Inner(inner) => self.application().seal_inner(inner.clone()),
            Outgoing::NextKey => {
                let next = self.application.as_ref().expect("the flight was made").0.next();
                let key = RecordKey::new(&next);
                self.application = Some((next, key));
                vec![]
            }
        }
    }
}

/// SHA-256("HelloRetryRequest") (RFC 8446 section 4.1.3).
const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
    0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// A vector with its length in `width` bytes in front.
pub fn vector(width: usize, content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32).to_be_bytes()[4 - width..], content].concat()
}

/// A handshake message.
pub fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    [vec![kind], vector(3, body)].concat()
}

/// An extension.
pub fn extension(kind: u16, body: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &vector(2, body)].concat()
}

fn server_hello(random: &[u8; 32], hello: &ClientHello, extensions: &[u8]) -> Vec<u8> {
    [&[3, 3][..], random, &vector(1, &hello.session_id), &[0x13, 0x01, 0], &vector(2, extensions)].concat()
}

fn certificate(identity: &Identity) -> Vec<u8> {
    let entries: Vec<u8> = identity.chain.iter().flat_map(|der| [vector(3, der), vec![0, 0]].concat()).collect();
    [vec![0], vector(3, &entries)].concat()
}

/// What the server needs of a ClientHello.
struct ClientHello {
    session_id: Vec<u8>,
    group: Group,
    share: Vec<u8>,
}

impl ClientHello {
    /// Reads what our own client wrote; anything else panics.
    fn parse(message: &[u8]) -> Self {
        let session_id = message[39..39 + usize::from(message[38])].to_vec();
        // Behind the session id: one suite, one compression method, and the extensions.
        let mut rest = &message[39 + session_id.len() + 4 + 2 + 2..];
        loop {
            let (kind, length) = (u16::from_be_bytes([rest[0], rest[1]]), usize::from(u16::from_be_bytes([rest[2], rest[3]])));
            let body = &rest[4..4 + length];
            if kind == 51 {
                let group = Group::from_code(u16::from_be_bytes([body[2], body[3]])).expect("our client's groups are ours");
                return ClientHello { session_id, group, share: body[6..].to_vec() };
            }
            rest = &rest[4 + length..];
        }
    }
}
