//! `plain-s-client`: the TLS client on the plaintext backend, streaming both ways like `openssl s_client -quiet`.
//!
//! Standard input goes to the server as it comes; its end closes nothing. What the server sends goes to standard output. Exit status 0 after
//! an orderly end (the server's close_notify); otherwise 1 and one line on standard error; 2 for a wrong command line.
#![forbid(unsafe_code)]

use cotenant_tls::pki_types::{ServerName, UnixTime};
use cotenant_tls::{Config, End, FragmentSize, Group, Piece, Stream, Target, TrustRoots};
use cotenant_tls_plain::client::{ClientError, connect, settle};
use cotenant_tls_plain::{PlainKeys, ready};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};
use std::thread;

const USAGE: &str = "\
usage: plain-s-client HOST:PORT [--ca FILE] [--groups P-256:X25519] [--server-name NAME]

A TLS 1.3 client that streams both ways like `openssl s_client -quiet`.

  --ca FILE           trust the certificates in this PEM file, and no others (default: Mozilla's roots)
  --groups LIST       key exchange groups, most wanted first (default: P-256:X25519)
  --server-name NAME  the name the certificate must be for (default: HOST)

example: printf 'GET / HTTP/1.1\\r\\nHost: example.com\\r\\nConnection: close\\r\\n\\r\\n' | plain-s-client example.com:443";

struct Options {
    address: String,
    name: String,
    ca: Option<String>,
    groups: String,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
    let options = match parse(arguments) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("plain-s-client: {message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("plain-s-client: {}: {message}", options.address);
            ExitCode::FAILURE
        }
    }
}

fn parse(arguments: Vec<String>) -> Result<Options, String> {
    let (mut address, mut name, mut ca, mut groups) = (None, None, None, "P-256:X25519".to_owned());
    let mut arguments = arguments.into_iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
        match argument.as_str() {
            "--ca" => ca = Some(value()?),
            "--groups" => groups = value()?,
            "--server-name" => name = Some(value()?),
            "--parties" | "--connector" => return Err(format!("{argument} has no meaning here: this client is one party")),
            flag if flag.starts_with('-') => return Err(format!("unknown flag {flag}")),
            _ if address.is_some() => return Err(format!("unexpected argument {argument}")),
            _ => address = Some(argument),
        }
    }
    let address = address.ok_or("HOST:PORT is missing")?;
    let (host, _) = address.rsplit_once(':').ok_or("HOST:PORT has no port")?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    Ok(Options { name: name.unwrap_or(host), address, ca, groups })
}

fn configure(options: &Options) -> Result<(Config, Target), String> {
    let roots = match &options.ca {
        None => TrustRoots::mozilla(),
        Some(file) => {
            let pem = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
            TrustRoots::from_pem(&pem).map_err(|error| format!("{file}: {error}"))?
        }
    };
    let groups = Group::parse_list(&options.groups).map_err(|error| format!("--groups {}: {error}", options.groups))?;
    let config = Config::new(roots).with_empty_certificate(true).with_groups(groups).map_err(|error| error.to_string())?;
    let name =
        ServerName::try_from(options.name.clone()).map_err(|_| format!("{:?} is neither a host name nor an address", options.name))?;
    Ok((config, Target { name, now: UnixTime::now() }))
}

fn run(options: &Options) -> Result<(), String> {
    let (config, target) = configure(options)?;
    let mut socket = TcpStream::connect(&options.address).map_err(|error| error.to_string())?;
    let connection = connect(&mut socket, PlainKeys::new(), config, target).map_err(|error| error.to_string())?;
    let stream = settle(&mut socket, ready(connection.into_stream())).map_err(|error| error.to_string())?;
    relay(stream, socket).map_err(|error| error.to_string())
}

enum Event {
    Input(Vec<u8>),
    Server(std::io::Result<Vec<u8>>),
}

/// Why the two directions stopped.
enum Stop {
    Client(ClientError),
    Output(std::io::Error),
    Truncated,
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stop::Client(error) => error.fmt(f),
            Stop::Output(error) => write!(f, "standard output: {error}"),
            Stop::Truncated => f.write_str("the connection ended without close_notify: what was printed may be cut (RFC 8446 section 6.1)"),
        }
    }
}

impl<E: Into<ClientError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Stop::Client(error.into())
    }
}

fn relay(mut stream: Stream<PlainKeys>, mut socket: TcpStream) -> Result<(), Stop> {
    let (events, queue) = channel();
    let (reader, input) = (socket.try_clone()?, events.clone());
    thread::spawn(move || pump(std::io::stdin(), |bytes| bytes.ok().filter(|bytes| !bytes.is_empty()).map(Event::Input), &input));
    thread::spawn(move || pump(reader, |bytes| Some(Event::Server(bytes)), &events));
    // What came behind the server's Finished is read before anything else.
    stream = settle(&mut socket, ready(stream.receive(&[])))?;
    loop {
        print(&stream.take_data()).map_err(Stop::Output)?;
        if stream.closed_by_server() {
            let (_, output) = settle(&mut socket, ready(stream.close()))?;
            let _ = socket.write_all(&output); // the server may be gone already, in good order
            return Ok(());
        }
        match queue.recv().expect("the socket's reader ends with an event") {
            Event::Input(bytes) => {
                let (next, output) = settle(&mut socket, ready(stream.send(vec![Piece::Public(bytes)], FragmentSize::LARGEST)))?;
                socket.write_all(&output)?;
                stream = next;
            }
            Event::Server(bytes) => match bytes? {
                bytes if bytes.is_empty() => return ended(stream),
                bytes => stream = settle(&mut socket, ready(stream.receive(&bytes)))?,
            },
        }
    }
}

fn print(data: &[u8]) -> std::io::Result<()> {
    std::io::stdout().write_all(data)?;
    std::io::stdout().flush()
}

fn ended(stream: Stream<PlainKeys>) -> Result<(), Stop> {
    match stream.end().map_err(|failure| ClientError::Tls(failure.error))? {
        End::CloseNotify => Ok(()),
        End::Truncated => Err(Stop::Truncated),
    }
}

/// Reads to the end and sends on what `event` makes of it; the end itself is an empty read.
fn pump(mut from: impl Read, event: impl Fn(std::io::Result<Vec<u8>>) -> Option<Event>, to: &Sender<Event>) {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = from.read(&mut buffer).map(|count| buffer[..count].to_vec());
        let last = !matches!(&read, Ok(bytes) if !bytes.is_empty());
        let sent = event(read).map_or(Ok(()), |event| to.send(event));
        if last || sent.is_err() {
            return;
        }
    }
}
