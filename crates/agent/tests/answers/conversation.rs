//! One request to a real server, and the records that answer it, as a connector would hold them.

use crate::oracle::ServerKey;
use cotenant_tls::record::{Record, RecordReader};
use cotenant_tls::{
    Answer, AnswerDigest, AnswerLimits, ApplicationKeys, Config, FragmentSize, Group, Handshake, HandshakeSecrets, KeyOps, Piece, Progress,
    RecordPlan, ServerShare, ServerVerified, Target, TrafficSecret, TranscriptView, pki_types::UnixTime,
};
use cotenant_tls_plain::pki::{Identity, KeyKind, Pki};
use cotenant_tls_plain::{PlainKeys, ready};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

/// How long a server is silent when its answer has ended.
const SILENCE: Duration = Duration::from_millis(400);

pub(crate) static PKI: LazyLock<(Pki, Identity)> = LazyLock::new(|| {
    let pki = Pki::new();
    let identity = pki.localhost(KeyKind::EcdsaP256);
    (pki, identity)
});

/// What came of a request.
pub(crate) struct Held {
    /// The records of the answer.
    pub(crate) records: Vec<Record>,
    /// The server's key of the first generation.
    pub(crate) key: ServerKey,
    /// What one who opens everything reads: the truth. `None` if the records are not one answer.
    pub(crate) answer: Option<Answer>,
}

/// The plaintext backend, which tells the server's key.
struct Watching {
    keys: PlainKeys,
    seen: Arc<Mutex<Option<ServerKey>>>,
}

impl KeyOps for Watching {
    type Error = <PlainKeys as KeyOps>::Error;
    type KeyShare = <PlainKeys as KeyOps>::KeyShare;
    type Handshake = <PlainKeys as KeyOps>::Handshake;
    type ClientKey = <PlainKeys as KeyOps>::ClientKey;
    type ServerSecret = <PlainKeys as KeyOps>::ServerSecret;
    type Hole = <PlainKeys as KeyOps>::Hole;

    async fn public_random(&mut self) -> Result<[u8; 64], Self::Error> {
        self.keys.public_random().await
    }

    async fn key_share(&mut self, group: Group, retry: Option<&TranscriptView>) -> Result<(Vec<u8>, Self::KeyShare), Self::Error> {
        self.keys.key_share(group, retry).await
    }

    async fn handshake_secrets(
        &mut self,
        share: Self::KeyShare,
        server: &ServerShare,
        view: &TranscriptView,
    ) -> Result<(HandshakeSecrets, Self::Handshake), Self::Error> {
        self.keys.handshake_secrets(share, server, view).await
    }

    async fn application_keys(
        &mut self,
        handshake: Self::Handshake,
        verified: &ServerVerified,
    ) -> Result<ApplicationKeys<Self::ClientKey, Self::ServerSecret>, Self::Error> {
        self.keys.application_keys(handshake, verified).await
    }

    async fn seal(&mut self, key: &mut Self::ClientKey, records: Vec<RecordPlan<Self::Hole>>) -> Result<Vec<Vec<u8>>, Self::Error> {
        self.keys.seal(key, records).await
    }

    async fn open_server_secret(
        &mut self,
        client: Self::ClientKey,
        server: Self::ServerSecret,
        held: &AnswerDigest,
    ) -> Result<TrafficSecret, Self::Error> {
        let (key, iv) = server.key_and_iv();
        *self.seen.lock().expect("one thread") = Some(ServerKey { key: *key, iv });
        self.keys.open_server_secret(client, server, held).await
    }
}

/// Sends a request and holds the answer until the server is silent or closes. `talk` is called once the request is sent, for servers that
/// say what they are told.
pub(crate) fn converse(address: &str, request: &str, talk: impl FnOnce()) -> Held {
    let seen = Arc::new(Mutex::new(None));
    let mut socket = TcpStream::connect(address).expect("the server listens");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let keys = Watching { keys: PlainKeys::new(), seen: seen.clone() };
    let target = Target { name: "localhost".to_owned().try_into().expect("a name"), now: UnixTime::now() };
    let (mut handshake, hello) = ready(Handshake::start(keys, Config::new(PKI.0.roots()), target)).map_err(|f| f.error).expect("a hello");
    socket.write_all(&hello).expect("the server reads");
    let (mut buffer, mut reader) = (vec![0; 1 << 16], RecordReader::default());
    // Record by record, as some servers send tickets with their Finished, which are of the answer.
    let connection = loop {
        let record = loop {
            match reader.next_record().expect("records") {
                Some(record) => break record,
                None => {
                    let count = socket.read(&mut buffer).expect("the server answers");
                    assert_ne!(count, 0, "the server answers");
                    reader.push(&buffer[..count]);
                }
            }
        };
        let (progress, output) = ready(handshake.receive(&bytes_of(&record))).map_err(|f| f.error).expect("a handshake");
        socket.write_all(&output).expect("the server reads");
        match progress {
            Progress::Pending(pending) => handshake = pending,
            Progress::Established(connection) => break connection,
        }
    };
    let request = vec![Piece::Public(request.as_bytes().to_vec())];
    let (connection, output) = ready(connection.send(request, FragmentSize::LARGEST)).map_err(|f| f.error).expect("a request");
    socket.write_all(&output).expect("the server reads");
    talk();
    let mut collector = connection.await_answer(AnswerLimits::of_bytes(1 << 20));
    reader.push(&until_silence(&mut socket));
    let records: Vec<Record> = std::iter::from_fn(|| reader.next_record().expect("records")).collect();
    for record in &records {
        collector = collector.receive(&bytes_of(record)).map_err(|f| f.error).expect("records");
    }
    let held = collector.end().map_err(|f| f.error).expect("whole records");
    let answer = ready(held.open()).ok();
    let key = seen.lock().expect("one thread").take().expect("the secret was opened");
    Held { records, key, answer }
}

fn bytes_of(record: &Record) -> Vec<u8> {
    [&record.header[..], &record.body].concat()
}

/// All that comes until the server closes, or is silent even when our direction of TCP is closed.
fn until_silence(socket: &mut TcpStream) -> Vec<u8> {
    let (mut bytes, mut buffer, mut closed) = (vec![], vec![0; 1 << 16], false);
    socket.set_read_timeout(Some(SILENCE)).expect("a timeout");
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return bytes,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) && !closed => {
                socket.shutdown(Shutdown::Write).expect("a socket");
                closed = true;
            }
            Err(_) => return bytes,
        }
    }
}
