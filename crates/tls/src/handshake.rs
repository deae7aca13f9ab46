//! The handshake (RFC 8446 sections 2 and 4): ClientHello to the client's Finished.
//!
//! Bytes in, bytes out, and calls to [`KeyOps`] in between, in an order that depends on the server's bytes alone and not on how they are cut.
//! Every step takes the machine by value: after an error there is none left.

use crate::alert::{self, Alert, Received};
use crate::config::{Config, Target};
use crate::connection::{Connection, Sending};
use crate::error::{BackendBreach, Error, Failure, Fault, Violation};
use crate::flight::{Flight, Verified};
use crate::hello::{Offer, SERVER_HELLO, ServerAnswer, server_answer};
use crate::ops::{ApplicationKeys, KeyOps};
use crate::protect::RecordKey;
use crate::record::{CHANGE_CIPHER_SPEC, ContentType, HEADER, MessageJoiner, Record, RecordReader, plain_record};
use crate::share::{Group, ServerShare};
use crate::transcript::{Transcript, TranscriptView, WireHash};

/// How many bytes of records a handshake may take, a local limit against endless fragments and change_cipher_specs.
pub const MAX_HANDSHAKE: usize = 1 << 18;

/// A handshake under way, between two inputs.
pub struct Handshake<K: KeyOps> {
    link: Box<Link<K>>,
    phase: Phase<K>,
}

/// What some input led to.
pub enum Progress<K: KeyOps> {
    /// More input is needed.
    Pending(Handshake<K>),
    /// The server is verified, the application keys are derived, and the output ends with the client's Finished.
    Established(Connection<K>),
}

/// A step's result: where it led and the bytes to send, or the error and the alert to send.
pub type Step<T, K> = Result<(T, Vec<u8>), Failure<<K as KeyOps>::Error>>;

impl<K: KeyOps> Handshake<K> {
    /// Draws the public randomness and a key share for the first group, and returns the ClientHello.
    ///
    /// # Errors
    /// Those of the backend.
    pub async fn start(mut ops: K, config: Config, target: Target) -> Step<Self, K> {
        let random = match ops.public_random().await {
            Ok(random) => random,
            Err(error) => return Err(Failure { error: Error::Backend(error), output: vec![] }),
        };
        let (group, mut link) = (config.groups()[0], Box::new(Link::new(ops, config, target)));
        let (encoded, share) = match link.key_share(group, None).await {
            Ok(share) => share,
            Err(error) => return Err(Failure { error, output: vec![] }),
        };
        let (random, session_id) = halves(&random);
        let offer = Offer { random, session_id, group, share: encoded, cookie: None };
        let hello = offer.encode(&link.config, &link.target);
        // The first ClientHello's record may carry an older version for middleboxes (RFC 8446 section 5.1).
        link.send(&plain_record(ContentType::Handshake, 0x0301, &hello));
        let output = std::mem::take(&mut link.output);
        let phase = Phase::Hello(Box::new(HelloPhase { offer, share, transcript: Transcript::start(&hello), retried: false }));
        Ok((Handshake { link, phase }, output))
    }

    /// Takes bytes from the server, in any chunks.
    ///
    /// # Errors
    /// Everything that a server can do wrong, and the backend's errors.
    pub async fn receive(self, input: &[u8]) -> Step<Progress<K>, K> {
        let Handshake { mut link, phase } = self;
        link.reader.push(input);
        match link.run(phase).await {
            Ok(Run::Pending(phase)) => {
                let output = std::mem::take(&mut link.output);
                Ok((Progress::Pending(Handshake { link, phase }), output))
            }
            Ok(Run::Done(verified, keys)) => Ok(link.establish(verified, keys)),
            Err(error) => Err(link.fail(error)),
        }
    }

    /// The connection ended before the handshake did: the error to report.
    pub fn end(self) -> Failure<K::Error> {
        Failure { error: Violation::CutInsideHandshake.into(), output: vec![] }
    }
}

/// Where the handshake stands. The secrets are held here and move on with it.
enum Phase<K: KeyOps> {
    Hello(Box<HelloPhase<K>>),
    Flight(Box<Flight>, K::Handshake),
}

struct HelloPhase<K: KeyOps> {
    offer: Offer,
    share: K::KeyShare,
    transcript: Transcript,
    retried: bool,
}

enum Run<K: KeyOps> {
    Pending(Phase<K>),
    Done(Verified, ApplicationKeys<K::ClientKey, K::ServerSecret>),
}

/// What all phases share: the backend, the configuration, and the record layer in both directions.
struct Link<K: KeyOps> {
    ops: K,
    config: Config,
    target: Target,
    reader: RecordReader,
    joiner: MessageJoiner,
    wire: Box<WireHash>,
    received: usize,
    keys: Option<HandshakeKeys>,
    compatibility_sent: bool,
    output: Vec<u8>,
}

/// The two directions of handshake traffic, in the clear.
struct HandshakeKeys {
    client: RecordKey,
    server: RecordKey,
}

impl<K: KeyOps> Link<K> {
    fn new(ops: K, config: Config, target: Target) -> Self {
        let (reader, joiner, wire) = (RecordReader::default(), MessageJoiner::default(), Box::new(WireHash::new()));
        Link { ops, config, target, reader, joiner, wire, received: 0, keys: None, compatibility_sent: false, output: vec![] }
    }

    fn send(&mut self, record: &[u8]) {
        self.wire.sent(record);
        self.output.extend(record);
    }

    /// Once, in front of the client's second flight, whichever that is (RFC 8446 appendix D.4).
    fn send_compatibility_record(&mut self) {
        if !std::mem::replace(&mut self.compatibility_sent, true) {
            self.send(&CHANGE_CIPHER_SPEC);
        }
    }

    async fn run(&mut self, mut phase: Phase<K>) -> Result<Run<K>, Error<K::Error>> {
        while let Some(record) = self.reader.next_record()? {
            let Some(fragment) = self.handshake_fragment(record)? else { continue };
            self.joiner.push(&fragment)?;
            while let Some(message) = self.joiner.next_message()? {
                phase = match phase {
                    Phase::Hello(hello) if message.kind == SERVER_HELLO => self.server_hello(hello, &message.bytes).await?,
                    Phase::Hello(_) => return Err(Violation::UnexpectedMessage.into()),
                    Phase::Flight(mut flight, secret) => {
                        match flight.message(&message, &self.config, &self.target, self.wire.current())? {
                            None => Phase::Flight(flight, secret),
                            Some(verified) => return self.finish(verified, secret).await,
                        }
                    }
                };
            }
        }
        Ok(Run::Pending(phase))
    }

    /// The handshake bytes of a record, if it has any: change_cipher_spec is dropped, and so is user_canceled.
    fn handshake_fragment(&mut self, record: Record) -> Result<Option<Vec<u8>>, Fault> {
        self.received += HEADER + record.body.len();
        if self.received > MAX_HANDSHAKE {
            return Err(Violation::HandshakeTooLong.into());
        }
        self.wire.received(&record);
        if record.kind == ContentType::ChangeCipherSpec {
            return if record.body == [1] { Ok(None) } else { Err(Violation::BadChangeCipherSpec.into()) };
        }
        let (kind, content) = match (&mut self.keys, record.kind) {
            (Some(keys), ContentType::ApplicationData) => keys.server.open(record)?,
            (Some(_), _) => return Err(Violation::UnprotectedRecord.into()),
            (None, ContentType::ApplicationData) => return Err(Violation::ProtectedTooEarly.into()),
            (None, kind) => (kind, record.body),
        };
        if kind != ContentType::Handshake && !self.joiner.is_empty() {
            return Err(Violation::Interleaved.into());
        }
        match kind {
            ContentType::Handshake => Ok(Some(content)),
            ContentType::Alert => match alert::receive(&content)? {
                Received::Close => Err(Fault::Alert(Alert::CloseNotify)),
                Received::Ignore => Ok(None),
            },
            ContentType::ApplicationData | ContentType::ChangeCipherSpec => Err(Violation::UnexpectedContent.into()),
        }
    }

    /// Records end where messages do in front of a key change (RFC 8446 section 5.1).
    fn check_boundary(&self) -> Result<(), Violation> {
        if self.joiner.is_empty() { Ok(()) } else { Err(Violation::SpansKeyChange) }
    }

    async fn key_share(&mut self, group: Group, retry: Option<&TranscriptView>) -> Result<(Vec<u8>, K::KeyShare), Error<K::Error>> {
        let (encoded, share) = self.ops.key_share(group, retry).await.map_err(Error::Backend)?;
        if encoded.len() != group.share_length() {
            return Err(BackendBreach::KeyShareLength.into());
        }
        Ok((encoded, share))
    }

    async fn server_hello(&mut self, mut hello: Box<HelloPhase<K>>, message: &[u8]) -> Result<Phase<K>, Error<K::Error>> {
        let answer = server_answer(&message[4..], &hello.offer, &self.config, &self.target, hello.retried)?;
        self.check_boundary()?;
        let encoded = match answer {
            ServerAnswer::Retry { group, cookie } => return self.retry(hello, message, group, cookie).await,
            ServerAnswer::Hello { share } => share,
        };
        hello.transcript.add(message);
        let server = ServerShare::validate(hello.offer.group, &encoded)?;
        let view = TranscriptView { transcript: hello.transcript.hash(), wire: self.wire.current() };
        let (secrets, secret) = self.ops.handshake_secrets(hello.share, &server, &view).await.map_err(Error::Backend)?;
        self.keys = Some(HandshakeKeys { client: RecordKey::new(&secrets.client), server: RecordKey::new(&secrets.server) });
        Ok(Phase::Flight(Box::new(Flight::new(hello.transcript, secrets.client, secrets.server)), secret))
    }

    /// Answers a HelloRetryRequest: the same ClientHello but for a key share of the group asked for, freshly drawn, and the cookie
    /// (RFC 8446 sections 4.1.2 and 4.1.4). A cookie alone leaves the key share as it is: no secret has met it yet.
    async fn retry(
        &mut self,
        mut hello: Box<HelloPhase<K>>,
        message: &[u8],
        group: Option<Group>,
        cookie: Option<Vec<u8>>,
    ) -> Result<Phase<K>, Error<K::Error>> {
        if let Some(group) = group {
            let view = TranscriptView { transcript: hello.transcript.hash(), wire: self.wire.current() };
            hello.offer.group = group;
            (hello.offer.share, hello.share) = self.key_share(group, Some(&view)).await?;
        }
        hello.offer.cookie = cookie;
        let second = hello.offer.encode(&self.config, &self.target);
        self.send_compatibility_record();
        self.send(&plain_record(ContentType::Handshake, 0x0303, &second));
        hello.transcript = hello.transcript.into_retry();
        hello.transcript.add(message);
        hello.transcript.add(&second);
        hello.retried = true;
        Ok(Phase::Hello(hello))
    }

    /// The server is verified: derives the application keys, and only then answers with the client's last flight.
    async fn finish(&mut self, verified: Verified, secret: K::Handshake) -> Result<Run<K>, Error<K::Error>> {
        self.check_boundary()?;
        let keys = self.ops.application_keys(secret, &verified.proof).await.map_err(Error::Backend)?;
        self.send_compatibility_record();
        let record = self.keys.as_mut().expect("the flight was read with them").client.seal(ContentType::Handshake, &verified.reply, 0);
        self.send(&record);
        Ok(Run::Done(verified, keys))
    }

    fn establish(self, verified: Verified, keys: ApplicationKeys<K::ClientKey, K::ServerSecret>) -> (Progress<K>, Vec<u8>) {
        let Link { ops, reader, wire, output, .. } = self;
        let sending = Sending::new(keys.client);
        (Progress::Established(Connection { ops, sending, server: keys.server, reader, wire, http1: verified.http1 }), output)
    }

    /// The alert goes out under the handshake key if there is one (RFC 8446 section 6).
    fn fail(mut self, error: Error<K::Error>) -> Failure<K::Error> {
        let output = match (error.alert(), &mut self.keys) {
            (None, _) => vec![],
            (Some(alert), None) => alert.plain_record(),
            (Some(alert), Some(keys)) => keys.client.seal(ContentType::Alert, &alert.bytes(), 0),
        };
        Failure { error, output: [std::mem::take(&mut self.output), output].concat() }
    }
}

fn halves(random: &[u8; 64]) -> ([u8; 32], [u8; 32]) {
    let (first, second) = random.split_at(32);
    (first.try_into().expect("32 bytes"), second.try_into().expect("32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every step can be driven from any thread of a runtime: this need only compile.
    #[allow(dead_code)]
    fn steps_are_send<K: KeyOps>(ops: K, config: Config, target: Target, handshake: Handshake<K>, connection: Connection<K>) {
        fn send(_: impl Send) {}
        send(Handshake::start(ops, config, target));
        send(handshake.receive(&[]));
        send(connection.send(vec![], crate::FragmentSize::LARGEST));
    }
}
