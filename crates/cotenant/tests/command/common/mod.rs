//! Starting the command, homes and servers for its tests.

pub(crate) mod daemon;
pub(crate) mod group;
pub(crate) mod registry;
pub(crate) mod search;

use cotenant::{
    children::make_homes,
    s3::{S3Config, S3Server, serve},
};
use cotenant_agent::http::{End, Request, parse};
use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Arc,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
        version::TLS13,
    },
};

/// The command, with nothing on its standard input unless it is written.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cotenant"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the command to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// Starts the command with `input` on its standard input.
pub(crate) fn start(arguments: &[&str], input: &str) -> Child {
    let mut child = command(arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child
}

/// What a failed command said; it must have said it on one line unless parties differ, and with status 1 or more.
pub(crate) fn error(output: &Output) -> String {
    assert!(!output.status.success(), "it should fail: {}", text(&output.stdout));
    text(&output.stderr)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Homes of some parties on this machine.
pub(crate) struct Homes {
    pub(crate) dir: TempDir,
    pub(crate) homes: Vec<PathBuf>,
}

impl Homes {
    pub(crate) fn new(parties: usize) -> Self {
        // Tests of absent parties should not take a minute.
        Self::with_timeouts(parties, "connect = 20\nserver = 5")
    }

    pub(crate) fn with_timeouts(parties: usize, timeouts: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let homes = make_homes(dir.path(), parties).unwrap();
        for home in &homes {
            let file = home.join("party.toml");
            let text = std::fs::read_to_string(&file).unwrap();
            std::fs::write(file, format!("{text}\n[timeouts]\n{timeouts}\n")).unwrap();
        }
        Homes { dir, homes }
    }

    pub(crate) fn home(&self, party: usize) -> &str {
        self.homes[party].to_str().unwrap()
    }

    pub(crate) fn write(&self, name: &str, contents: &str) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, contents).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// A certificate that can stand as a CA's, as PEM.
pub(crate) fn some_ca() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap().pem()
}

/// The embedded S3 service, as any TLS 1.3 server.
pub(crate) struct Server {
    runtime: tokio::runtime::Runtime,
    name: String,
    server: Option<S3Server>,
    address: SocketAddr,
    directory: TempDir,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self::serving("localhost", Ipv4Addr::LOCALHOST)
    }

    /// At an address of the host that this thread is on.
    pub(crate) fn at(address: Ipv4Addr) -> Self {
        Self::serving(&address.to_string(), address)
    }

    fn serving(name: &str, at: Ipv4Addr) -> Self {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let config = S3Config {
            directory: directory.path().join("objects"),
            bucket: "demo".to_owned(),
            access_key_id: "AKID".to_owned(),
            secret_access_key: "secret".into(),
            server_name: name.to_owned(),
            listen: (at, 0).into(),
        };
        let server = runtime.block_on(serve(config)).unwrap();
        std::fs::write(directory.path().join("ca.pem"), server.ca_pem()).unwrap();
        std::fs::write(directory.path().join("other-ca.pem"), some_ca()).unwrap();
        Server { runtime, name: name.to_owned(), address: server.address(), server: Some(server), directory }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("{}:{}", self.name, self.address.port())
    }

    /// From now on nothing listens there.
    pub(crate) fn stop(&mut self) {
        self.server.take().into_iter().for_each(|server| self.runtime.block_on(server.shutdown()));
    }

    pub(crate) fn file(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }
}

/// What a server of this machine answers to a GET by anybody who believes `ca`: status and content. Any end but close_notify fails.
pub(crate) fn get(url: &str, ca: &str) -> (u16, Vec<u8>) {
    let (authority, target) = url.strip_prefix("https://").unwrap().split_once('/').unwrap();
    let (host, port) = authority.split_once(':').unwrap();
    let request = Request::new("GET", host, port.parse().unwrap(), &format!("/{target}")).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_protocol_versions(&[&TLS13]).unwrap();
    let client = TlsConnector::from(Arc::new(client.with_root_certificates(roots).with_no_client_auth()));
    let answer = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let socket = TcpStream::connect(authority).await.unwrap();
        let mut stream = client.connect(ServerName::try_from(host.to_owned()).unwrap(), socket).await.unwrap();
        stream.write_all(&request.encode()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.expect("close_notify at the end");
        parse(&answer, "GET", End::CloseNotify).unwrap()
    });
    (answer.status, answer.body)
}

/// Sends a signal, such as `-STOP`, to one process.
pub(crate) fn signal(name: &str, id: u32) {
    assert!(Command::new("kill").args([name, &id.to_string()]).status().unwrap().success());
}

/// Whether anything is left in a directory.
pub(crate) fn is_empty(dir: &Path) -> bool {
    std::fs::read_dir(dir).unwrap().next().is_none()
}
