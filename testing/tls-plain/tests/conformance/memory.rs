//! Runs the client against servers in the same process.

use cotenant_tls::pki_types::UnixTime;
use cotenant_tls::{
    Answer, AnswerLimits, Config, Connection, Error, Fault, FragmentSize, Handshake, KeyOps, Piece, Progress, Target, Violation,
};
use cotenant_tls_plain::pki::Pki;
use cotenant_tls_plain::ready;
use std::convert::Infallible;
use std::time::Duration;

/// 2026-01-01, when the test certificates are valid.
pub(crate) fn target(name: &str) -> Target {
    let name = name.to_owned().try_into().expect("a name");
    Target { name, now: UnixTime::since_unix_epoch(Duration::from_secs(1_767_225_600)) }
}

pub(crate) fn config(pki: &Pki) -> Config {
    Config::new(pki.roots()).with_empty_certificate(true)
}

/// A server in the same process: takes the client's bytes, gives its own.
pub(crate) trait Server {
    fn feed(&mut self, input: &[u8]) -> Vec<u8>;
}

/// How a run in one-answer mode ended when it failed: the error, and the bytes that the client sent on it.
#[derive(Debug)]
pub(crate) struct Failed<E: std::error::Error = Infallible> {
    pub(crate) error: Error<E>,
    pub(crate) output: Vec<u8>,
}

impl<E: std::error::Error> Failed<E> {
    pub(crate) fn fault(&self) -> &Fault {
        self.error.fault().expect("the server is at fault")
    }

    pub(crate) fn violation(&self) -> Violation {
        match self.fault() {
            Fault::Violation(violation) => *violation,
            fault => panic!("another fault: {fault}"),
        }
    }
}

impl<E: std::error::Error> From<cotenant_tls::Failure<E>> for Failed<E> {
    fn from(failure: cotenant_tls::Failure<E>) -> Self {
        Failed { error: failure.error, output: failure.output }
    }
}

/// A connection, and the client's last flight.
pub(crate) type Established<K> = (Connection<K>, Vec<u8>);

/// The handshake. A server that falls silent has ended the connection.
pub(crate) fn handshake<K: KeyOps>(
    keys: K,
    config: Config,
    target: Target,
    server: &mut impl Server,
) -> Result<Established<K>, Failed<K::Error>> {
    let (mut handshake, mut output) = ready(Handshake::start(keys, config, target))?;
    loop {
        let input = server.feed(&output);
        if input.is_empty() {
            return Err(handshake.end().into());
        }
        let (progress, next) = ready(handshake.receive(&input))?;
        match progress {
            Progress::Pending(pending) => (handshake, output) = (pending, next),
            Progress::Established(connection) => return Ok((connection, next)),
        }
    }
}

/// One request, one answer. The answer is all that the server gives for the client's last flight and the request.
pub(crate) fn exchange<K: KeyOps>(
    keys: K,
    config: Config,
    target: Target,
    server: &mut impl Server,
    request: &[u8],
) -> Result<Answer, Failed<K::Error>> {
    let (connection, finished) = handshake(keys, config, target, server)?;
    let (connection, sealed) = ready(connection.send(vec![Piece::Public(request.to_vec())], FragmentSize::LARGEST))?;
    let answer = server.feed(&[finished, sealed].concat());
    let collector = connection.await_answer(LIMITS).receive(&answer)?;
    Ok(ready(collector.end()?.open())?)
}

pub(crate) const LIMITS: AnswerLimits = AnswerLimits { bytes: 1 << 20, records: 4096 };
