//! What a connector may be connected to: a server that listens, or one in this process.

use cotenant_agent::relay::{Patience, Server, ServerFault};
use cotenant_tls::Group;
use cotenant_tls::record::{ContentType, RecordReader};
use cotenant_tls_plain::pki::Identity;
use cotenant_tls_plain::scripted::{Outgoing, Script, Scripted};
use rustls::crypto::ring;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A socket to a server that listens. It blocks: the other parties have nothing to do meanwhile.
pub(crate) struct Tcp {
    address: String,
    stream: Option<TcpStream>,
    half_closed: bool,
}

/// How long a server may be silent.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long until our direction of TCP is closed, after what looks like its close_notify and otherwise: some servers close only after their client.
const SILENCE: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(400)];

impl Tcp {
    pub(crate) fn new(address: String) -> Tcp {
        Tcp { address, stream: None, half_closed: false }
    }

    fn stream(&mut self) -> &mut TcpStream {
        self.stream.as_mut().expect("it is connected first")
    }

    fn read(&mut self, limit: Duration) -> std::io::Result<Vec<u8>> {
        self.stream().set_read_timeout(Some(limit))?;
        let mut buffer = vec![0; 1 << 16];
        let count = self.stream().read(&mut buffer)?;
        buffer.truncate(count);
        Ok(buffer)
    }
}

impl Server for Tcp {
    async fn connect(&mut self) -> Result<(), ServerFault> {
        self.stream = Some(TcpStream::connect(&self.address).map_err(|_| ServerFault::Refused)?);
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), ServerFault> {
        self.stream().write_all(bytes).map_err(|_| ServerFault::Broken)
    }

    async fn recv(&mut self, patience: Patience) -> Result<Vec<u8>, ServerFault> {
        if patience != Patience::Handshake && !self.half_closed {
            match self.read(SILENCE[usize::from(patience == Patience::Answer)]) {
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    self.stream().shutdown(Shutdown::Write).map_err(|_| ServerFault::Broken)?;
                    self.half_closed = true;
                }
                read => return read.map_err(|_| ServerFault::Broken),
            }
        }
        self.read(PATIENCE).map_err(|_| ServerFault::Broken)
    }
}

/// Records that wait to be read, one at a time.
#[derive(Default)]
pub(crate) struct Outbox(VecDeque<Vec<u8>>);

impl Outbox {
    fn push(&mut self, stream: &[u8]) {
        self.0.extend(records(stream).into_iter().map(|(_, record)| record));
    }

    fn take(&mut self, patience: Patience) -> Result<Vec<u8>, ServerFault> {
        match (self.0.pop_front(), patience) {
            (Some(record), _) => Ok(record),
            (None, Patience::Handshake) => Err(ServerFault::TimedOut),
            (None, Patience::Answer | Patience::Farewell) => Ok(vec![]),
        }
    }
}

/// The whole records of a stream.
pub(crate) fn records(stream: &[u8]) -> Vec<(ContentType, Vec<u8>)> {
    let mut reader = RecordReader::default();
    reader.push(stream);
    let next = || reader.next_record().expect("a server's records");
    std::iter::from_fn(next).map(|record| (record.kind, [&record.header[..], &record.body].concat())).collect()
}

/// rustls in this process. It gives one record at a time, answers the first application data, and closes.
pub(crate) struct Rustls {
    session: rustls::ServerConnection,
    outbox: Outbox,
    answer: Vec<Vec<u8>>,
    /// It has answered or refused, and hears no more.
    ended: bool,
    received: Arc<Mutex<Vec<u8>>>,
}

/// A configuration with these groups and small records.
pub(crate) fn rustls_config(identity: &Identity, groups: &[Group]) -> rustls::ServerConfig {
    let mut provider = ring::default_provider();
    let kx = |group: &Group| match group {
        Group::Secp256r1 => ring::kx_group::SECP256R1,
        Group::X25519 => ring::kx_group::X25519,
    };
    provider.kx_groups = groups.iter().map(kx).collect();
    let builder = rustls::ServerConfig::builder_with_provider(Arc::new(provider)).with_protocol_versions(&[&rustls::version::TLS13]);
    let builder = builder.expect("TLS 1.3").with_no_client_auth();
    let mut config = builder.with_single_cert(identity.chain.clone(), identity.key_der()).expect("the key fits");
    config.max_fragment_size = Some(200);
    config
}

impl Rustls {
    /// A server that answers with these pieces, each in records of its own.
    pub(crate) fn new(config: rustls::ServerConfig, answer: &[&[u8]]) -> Rustls {
        let session = rustls::ServerConnection::new(Arc::new(config)).expect("a good configuration");
        let answer = answer.iter().map(|piece| piece.to_vec()).collect();
        Rustls { session, outbox: Outbox::default(), answer, ended: false, received: Arc::default() }
    }

    /// What application data it has received, whenever asked.
    pub(crate) fn received(&self) -> Arc<Mutex<Vec<u8>>> {
        self.received.clone()
    }

    fn feed(&mut self, mut input: &[u8]) -> std::io::Result<()> {
        while !input.is_empty() {
            self.session.read_tls(&mut input)?;
            let processed = self.session.process_new_packets();
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = self.session.reader().read(&mut buffer) {
                self.received.lock().expect("no panic while noting").extend(&buffer[..count]);
            }
            processed.map_err(std::io::Error::other)?;
        }
        Ok(())
    }

    fn speak(&mut self) {
        if !self.ended && !self.received.lock().expect("no panic while noting").is_empty() {
            self.ended = true;
            self.answer.iter().for_each(|piece| self.session.writer().write_all(piece).expect("writes to memory"));
            self.session.send_close_notify();
        }
        let mut output = Vec::new();
        while self.session.wants_write() {
            self.session.write_tls(&mut output).expect("writes to memory");
        }
        self.outbox.push(&output);
    }
}

impl Server for Rustls {
    async fn connect(&mut self) -> Result<(), ServerFault> {
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), ServerFault> {
        // What it does not take it answers with an alert.
        if !self.ended {
            self.ended = self.feed(bytes).is_err();
            self.speak();
        }
        Ok(())
    }

    async fn recv(&mut self, patience: Patience) -> Result<Vec<u8>, ServerFault> {
        self.outbox.take(patience)
    }
}

/// A scripted server, which answers nothing but a ClientHello and keeps everything else.
pub(crate) struct Lying<'a> {
    server: Scripted<'a>,
    outbox: Outbox,
    greeted: bool,
    rest: Arc<Mutex<Vec<u8>>>,
}

impl<'a> Lying<'a> {
    pub(crate) fn new(identity: &'a Identity, script: Script) -> Self {
        Lying { server: Scripted::new(identity, script), outbox: Outbox::default(), greeted: false, rest: Arc::default() }
    }

    /// What came after the ClientHello, whenever asked.
    pub(crate) fn rest(&self) -> Arc<Mutex<Vec<u8>>> {
        self.rest.clone()
    }
}

impl Server for Lying<'_> {
    async fn connect(&mut self) -> Result<(), ServerFault> {
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), ServerFault> {
        if std::mem::replace(&mut self.greeted, true) {
            self.rest.lock().expect("no panic while noting").extend(bytes);
            return Ok(());
        }
        let flight: Vec<Outgoing> = self.server.hello(bytes);
        self.outbox.push(&self.server.encode(&flight));
        Ok(())
    }

    async fn recv(&mut self, patience: Patience) -> Result<Vec<u8>, ServerFault> {
        self.outbox.take(patience)
    }
}
