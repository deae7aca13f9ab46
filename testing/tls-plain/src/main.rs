//! `plain-s-client`: the TLS client on the plaintext backend, streaming both ways like `openssl s_client -quiet`.
//!
//! Standard input goes to the server as it comes; its end closes nothing. What the server sends goes to standard output. Exit status 0 after
//! an orderly end (the server's close_notify); otherwise 1 and one line on standard error; 2 for a wrong command line.
#![forbid(unsafe_code)]

use cotenant_tls::pki_types::{ServerName, UnixTime};
use cotenant_tls::{Config, End, FragmentSize, Group, Handshake, Piece, Progress, Stream, Target, TrustRoots};
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
    let config = Config::new(roots).with_groups(groups).map_err(|error| error.to_string())?;
    let name =
        ServerName::try_from(options.name.clone()).map_err(|_| format!("{:?} is neither a host name nor an address", options.name))?;
    Ok((config, Target { name, now: UnixTime::now() }))
}

fn run(options: &Options) -> Result<(), String> {
    let (config, target) = configure(options)?;
    let mut socket = TcpStream::connect(&options.address).map_err(|error| error.to_string())?;
    let stream = connect(&mut socket, config, target)?;
    relay(stream, socket)
}

fn connect(socket: &mut TcpStream, config: Config, target: Target) -> Result<Stream<PlainKeys>, String> {
    let (mut handshake, hello) = ready(Handshake::start(PlainKeys::new(), config, target)).map_err(|failure| failure.to_string())?;
    send(socket, &hello)?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = socket.read(&mut buffer).map_err(|error| error.to_string())?;
        if count == 0 {
            return Err(handshake.end().to_string());
        }
        let (progress, output) = finish(socket, ready(handshake.receive(&buffer[..count])))?;
        send(socket, &output)?;
        match progress {
            Progress::Pending(pending) => handshake = pending,
            Progress::Established(connection) => return ready(connection.into_stream()).map_err(|failure| failure.to_string()),
        }
    }
}

/// Sends the alert of a failure; the failure is what is reported, whether or not the alert still gets through.
fn finish<T, B: std::error::Error>(socket: &mut TcpStream, result: Result<T, cotenant_tls::Failure<B>>) -> Result<T, String> {
    result.map_err(|failure| {
        let _ = socket.write_all(&failure.output);
        failure.to_string()
    })
}

fn send(socket: &mut TcpStream, bytes: &[u8]) -> Result<(), String> {
    socket.write_all(bytes).map_err(|error| error.to_string())
}

enum Event {
    Input(Vec<u8>),
    Server(std::io::Result<Vec<u8>>),
}

fn relay(mut stream: Stream<PlainKeys>, mut socket: TcpStream) -> Result<(), String> {
    let (events, queue) = channel();
    let reader = socket.try_clone().map_err(|error| error.to_string())?;
    let input = events.clone();
    thread::spawn(move || pump(std::io::stdin(), |bytes| bytes.ok().filter(|bytes| !bytes.is_empty()).map(Event::Input), &input));
    thread::spawn(move || pump(reader, |bytes| Some(Event::Server(bytes)), &events));
    // What came behind the server's Finished is read before anything else.
    stream = finish(&mut socket, ready(stream.receive(&[])))?;
    loop {
        let data = stream.take_data();
        std::io::stdout().write_all(&data).and_then(|()| std::io::stdout().flush()).map_err(|error| format!("standard output: {error}"))?;
        if stream.closed_by_server() {
            let (_, output) = finish(&mut socket, ready(stream.close()))?;
            let _ = socket.write_all(&output); // the server may be gone already, in good order
            return Ok(());
        }
        match queue.recv().expect("the socket's reader ends with an event") {
            Event::Input(bytes) => {
                let (next, output) = finish(&mut socket, ready(stream.send(vec![Piece::Public(bytes)], FragmentSize::LARGEST)))?;
                send(&mut socket, &output)?;
                stream = next;
            }
            Event::Server(Ok(bytes)) if bytes.is_empty() => return ended(stream),
            Event::Server(Ok(bytes)) => stream = finish(&mut socket, ready(stream.receive(&bytes)))?,
            Event::Server(Err(error)) => return Err(error.to_string()),
        }
    }
}

fn ended(stream: Stream<PlainKeys>) -> Result<(), String> {
    match stream.end().map_err(|failure| failure.to_string())? {
        End::CloseNotify => Ok(()),
        End::Truncated => Err("the connection ended without close_notify: what was printed may be cut (RFC 8446 section 6.1)".to_owned()),
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
