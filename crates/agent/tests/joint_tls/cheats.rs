//! What a cheating connector does to the messages that pass it, and what passes it when it is honest.

use crate::parties::{BOTH, PKI, Run, response};
use crate::servers::{Rustls, rustls_config};
use cotenant_agent::relay::{Patience, Server, ServerFault};
use cotenant_tls::Group;
use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex};

/// What is done to one message.
#[derive(Clone, Debug)]
pub(crate) enum Cheat {
    /// Bits of one byte are flipped.
    Flip(usize, u8),
    /// It is cut, and nothing comes after it.
    Cut(usize),
    /// It never comes.
    Drop,
    /// It comes twice.
    Repeat,
    /// It comes after the next one.
    Swap,
    /// Something comes in front of it.
    Inject(Vec<u8>),
    /// Something comes in its place.
    Replace(Vec<u8>),
    /// Neither it nor anything after it comes.
    Stop,
    /// The same, and the end is announced.
    End(Vec<u8>),
}

/// Cheats once, at the message with the number `at`.
pub(crate) struct Cheater {
    at: usize,
    cheat: Cheat,
    seen: usize,
    kept: Option<Vec<u8>>,
}

impl Cheater {
    pub(crate) fn new(at: usize, cheat: Cheat) -> Cheater {
        Cheater { at, cheat, seen: 0, kept: None }
    }

    fn never() -> Cheater {
        Cheater::new(usize::MAX, Cheat::Drop)
    }

    pub(crate) fn pass(&mut self, mut message: Vec<u8>) -> Vec<Vec<u8>> {
        self.seen += 1;
        if self.seen.checked_sub(1) != Some(self.at) {
            let stopped = self.seen > self.at && matches!(self.cheat, Cheat::Cut(_) | Cheat::Stop | Cheat::End(_));
            let kept = self.kept.take();
            return if stopped { vec![] } else { [message].into_iter().chain(kept).collect() };
        }
        match &self.cheat {
            Cheat::Flip(at, bits) => message[*at] ^= bits,
            Cheat::Cut(length) => message.truncate(*length),
            Cheat::Drop | Cheat::Stop => return vec![],
            Cheat::Repeat => return vec![message.clone(), message],
            Cheat::Swap => {
                self.kept = Some(message);
                return vec![];
            }
            Cheat::Inject(other) => return vec![other.clone(), message],
            Cheat::Replace(other) | Cheat::End(other) => message.clone_from(other),
        }
        vec![message]
    }
}

/// A connector's socket, at which it cheats in one direction or the other.
pub(crate) struct Socket {
    server: Rustls,
    towards: Cheater,
    from: Cheater,
    arrived: VecDeque<Vec<u8>>,
}

impl Socket {
    /// A socket to `server` at which the connector cheats with what it sends.
    pub(crate) fn cheating_server(server: Rustls, towards: Cheater) -> Socket {
        Socket { server, towards, from: Cheater::never(), arrived: VecDeque::new() }
    }

    /// A socket to `server` at which the connector cheats with what it reads.
    pub(crate) fn cheating_parties(server: Rustls, from: Cheater) -> Socket {
        Socket { server, towards: Cheater::never(), from, arrived: VecDeque::new() }
    }
}

impl Server for Socket {
    async fn connect(&mut self) -> Result<(), ServerFault> {
        self.server.connect().await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), ServerFault> {
        for message in self.towards.pass(bytes.to_vec()) {
            self.server.send(&message).await?;
        }
        Ok(())
    }

    async fn recv(&mut self, patience: Patience) -> Result<Vec<u8>, ServerFault> {
        loop {
            if let Some(message) = self.arrived.pop_front() {
                return Ok(message);
            }
            let message = self.server.recv(patience).await?;
            if message.is_empty() {
                return Ok(message);
            }
            // Nothing at all would mean the end.
            self.arrived.extend(self.from.pass(message).into_iter().filter(|m| !m.is_empty()));
        }
    }
}

pub(crate) const BODY: &[u8] = b"what the server said";

/// With a length for the body, or ended by the end of the connection.
fn answer(with_length: bool) -> [Vec<u8>; 3] {
    let length = if with_length { format!("Content-Length: {}\r\n", BODY.len()) } else { String::new() };
    [format!("HTTP/1.1 200 OK\r\n{length}\r\n").into_bytes(), BODY[..7].to_vec(), BODY[7..].to_vec()]
}

pub(crate) fn server(group: Group, with_length: bool) -> Rustls {
    let answer = answer(with_length);
    let [a, b, c] = &answer;
    Rustls::new(rustls_config(&PKI.1, &[group]), &[a, b, c])
}

/// What goes over the relay lane to one party, and over the socket towards the server, when nobody cheats.
pub(crate) struct Recorded {
    pub(crate) relayed: Vec<Vec<u8>>,
    pub(crate) sent: Vec<Vec<u8>>,
    /// The relayed message with the ServerHello.
    pub(crate) hello: usize,
    /// The relayed message after which the server's flight is whole.
    pub(crate) flight: usize,
}

fn record(group: Group, with_length: bool) -> Recorded {
    let relayed: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
    let (noted, sent) = (relayed.clone(), Arc::default());
    let note = move |_, message: Vec<u8>| {
        noted.lock().expect("one thread").push(message.clone());
        vec![message]
    };
    let recording = Recording { server: server(group, with_length), sent: Arc::clone(&sent), heard: relayed.clone() };
    let ended = Run { relay: Box::new(note), ..Run::new(2, 0) }.ideal(recording);
    assert!(ended.iter().all(|e| response(&e.result).is_some_and(|r| r.body == BODY)));
    let relayed = relayed.lock().expect("all have ended").clone();
    let sent: Sent = sent.lock().expect("all have ended").clone();
    // The request is what is sent last, and Finished what is sent before it.
    let flight = sent[sent.len() - 2].1 - 1;
    // The last unprotected handshake record.
    let hello = relayed.iter().rposition(|message| message.starts_with(&[0, 22])).expect("a ServerHello");
    Recorded { relayed, hello, flight, sent: sent.into_iter().map(|(bytes, _)| bytes).collect() }
}

/// What was sent, and how many messages had been relayed by then.
type Sent = Vec<(Vec<u8>, usize)>;

/// Notes what is sent.
struct Recording {
    server: Rustls,
    sent: Arc<Mutex<Sent>>,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Server for Recording {
    async fn connect(&mut self) -> Result<(), ServerFault> {
        self.server.connect().await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), ServerFault> {
        let heard = self.heard.lock().expect("one thread").len();
        self.sent.lock().expect("one thread").push((bytes.to_vec(), heard));
        self.server.send(bytes).await
    }

    async fn recv(&mut self, patience: Patience) -> Result<Vec<u8>, ServerFault> {
        self.server.recv(patience).await
    }
}

/// The server takes the first group offered.
pub(crate) static DIRECT: LazyLock<Recorded> = LazyLock::new(|| record(Group::Secp256r1, true));
/// It asks for the other.
pub(crate) static RETRIED: LazyLock<Recorded> = LazyLock::new(|| record(Group::X25519, true));
/// Its answer ends with the connection.
pub(crate) static UNMEASURED: LazyLock<Recorded> = LazyLock::new(|| record(Group::Secp256r1, false));

#[test]
fn the_recordings_are_what_they_should_be() {
    for (recorded, group) in [(&*DIRECT, Group::Secp256r1), (&*RETRIED, Group::X25519)] {
        let hellos = usize::from(group != BOTH[0]) + 1;
        assert_eq!(recorded.sent.len(), hellos + 2, "ClientHellos, Finished, the request");
        assert_eq!((&recorded.relayed[0][..], &recorded.relayed.last().expect("the end")[..]), (&[1][..], &[1][..]));
        // Tickets, three records of the answer and close_notify follow, and the end.
        assert!(recorded.relayed.len() - recorded.flight > 5, "{}", recorded.flight);
        assert!(recorded.flight > 5, "the flight comes in several records");
    }
}
