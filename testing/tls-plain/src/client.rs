//! Drives the client over a socket, on the plaintext backend, and waits for each step.

use crate::{PlainKeys, ready};
use cotenant_tls::{
    Answer, AnswerCollector, AnswerLimits, Config, Connection, Error, Failure, Fault, FragmentSize, Handshake, Piece, Progress, Target,
};
use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

/// Why a connection failed.
#[derive(Debug)]
pub enum ClientError {
    /// The socket.
    Socket(io::Error),
    /// TLS, or trust.
    Tls(Error<Infallible>),
}

impl ClientError {
    /// The server's fault, if it is one.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            ClientError::Socket(_) => None,
            ClientError::Tls(error) => error.fault(),
        }
    }
}

impl std::fmt::Display for ClientError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ClientError::Socket(error) => error.fmt(f),
            ClientError::Tls(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ClientError {}

impl From<io::Error> for ClientError {
    fn from(error: io::Error) -> Self {
        ClientError::Socket(error)
    }
}

/// Sends the alert of a failure. The failure is what is reported, whether or not the alert still gets through.
///
/// # Errors
/// The failure's.
pub fn settle<T>(socket: &mut TcpStream, result: Result<T, Failure<Infallible>>) -> Result<T, ClientError> {
    result.map_err(|failure| {
        let _ = socket.write_all(&failure.output);
        ClientError::Tls(failure.error)
    })
}

/// The handshake, to its end.
///
/// # Errors
/// The socket's and the handshake's.
pub fn connect(socket: &mut TcpStream, keys: PlainKeys, config: Config, target: Target) -> Result<Connection<PlainKeys>, ClientError> {
    let (mut handshake, hello) = settle(socket, ready(Handshake::start(keys, config, target)))?;
    socket.write_all(&hello)?;
    let mut buffer = vec![0; 1 << 16];
    socket.set_read_timeout(Some(PATIENCE))?;
    loop {
        let count = socket.read(&mut buffer)?;
        if count == 0 {
            return Err(ClientError::Tls(handshake.end().error));
        }
        let (progress, output) = settle(socket, ready(handshake.receive(&buffer[..count])))?;
        socket.write_all(&output)?;
        match progress {
            Progress::Pending(pending) => handshake = pending,
            Progress::Established(connection) => {
                socket.set_read_timeout(None)?;
                return Ok(connection);
            }
        }
    }
}

/// One request, one answer, held whole until the server closes and opened then.
///
/// # Errors
/// The socket's, the handshake's and the answer's.
pub fn fetch(address: &str, config: Config, target: Target, request: &[u8], limits: AnswerLimits) -> Result<Answer, ClientError> {
    let mut socket = TcpStream::connect(address)?;
    let connection = connect(&mut socket, PlainKeys::new(), config, target)?;
    let request = vec![Piece::Public(request.to_vec())];
    let (connection, output) = settle(&mut socket, ready(connection.send(request, FragmentSize::LARGEST)))?;
    socket.write_all(&output)?;
    let collector = read_answer(&mut socket, connection.await_answer(limits))?;
    let held = settle(&mut socket, collector.end())?;
    settle(&mut socket, ready(held.open()))
}

/// How long a server may be silent before this client closes its direction of TCP: after what may be its close_notify, and otherwise.
const SILENCE: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(400)];
/// How long it may be silent altogether.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads until the server closes. Some (s_server) close only after their client: so after a silence our direction of TCP is closed.
fn read_answer(socket: &mut TcpStream, mut collector: AnswerCollector<PlainKeys>) -> Result<AnswerCollector<PlainKeys>, ClientError> {
    let mut buffer = vec![0; 1 << 16];
    let mut closed = false;
    loop {
        let silence = if collector.ends_like_a_closure() { SILENCE[0] } else { SILENCE[1] };
        socket.set_read_timeout(Some(if closed { PATIENCE } else { silence }))?;
        match socket.read(&mut buffer) {
            Ok(0) => return Ok(collector),
            Ok(count) => collector = settle(socket, collector.receive(&buffer[..count]))?,
            Err(error) if !closed && matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                socket.shutdown(Shutdown::Write)?;
                closed = true;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
