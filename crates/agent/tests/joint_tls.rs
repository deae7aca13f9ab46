//! The joint TLS client against real servers: every party runs the state machine on its own thread, and one of them has the socket.

use cotenant_agent::call::{Call, CallError, Content, run};
use cotenant_agent::relay::{Patience, Server as Socket, ServerFault};
use cotenant_cluster::{session_rng, threads::Threaded};
use cotenant_core::{Channel, Digest, PartyId};
use cotenant_tls::pki_types::UnixTime;
use cotenant_tls::{Answer, AnswerLimits, Config, End, Group, Target, TrustRoots};
use cotenant_tls_plain::pki::{KeyKind, Pki};
use cotenant_tls_plain::{ready, servers::Server};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

struct Tcp {
    address: String,
    stream: Option<TcpStream>,
}

impl Socket for Tcp {
    async fn connect(&mut self) -> Result<(), ServerFault> {
        self.stream = Some(TcpStream::connect(&self.address).map_err(|_| ServerFault::Refused)?);
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), ServerFault> {
        self.stream.as_mut().unwrap().write_all(bytes).map_err(|_| ServerFault::Broken)
    }

    async fn recv(&mut self, patience: Patience) -> Result<Vec<u8>, ServerFault> {
        let stream = self.stream.as_mut().unwrap();
        let limit = if patience == Patience::Farewell { 200 } else { 20_000 };
        stream.set_read_timeout(Some(Duration::from_millis(limit))).unwrap();
        let mut buffer = vec![0; 1 << 16];
        match stream.read(&mut buffer) {
            Ok(count) => buffer.truncate(count),
            Err(e) if e.kind() == ErrorKind::WouldBlock && patience == Patience::Farewell => buffer.clear(),
            Err(_) => return Err(ServerFault::Broken),
        }
        Ok(buffer)
    }
}

/// What every party ended with.
fn call(n: usize, connector: usize, address: &str, roots: &TrustRoots, groups: &[Group], request: &[u8]) -> Vec<Result<Answer, CallError>> {
    let connector = PartyId::new(connector);
    let party = |mpc: Threaded, relay: Threaded| {
        let me = mpc.me();
        let server = (me == connector).then(|| Tcp { address: address.to_owned(), stream: None });
        let call = Call {
            target: Target { name: "localhost".try_into().unwrap(), now: UnixTime::now() },
            config: Config::new(roots.clone()).with_groups(groups.to_vec()).unwrap(),
            connector,
            limits: AnswerLimits::of_bytes(1 << 22),
            content: Content::Public(request.to_vec()),
        };
        ready(run(mpc, relay, server, call, Digest([1; 32]), session_rng(1, me), Box::new(|_| {})))
    };
    std::thread::scope(|s| {
        let ends = Threaded::links(n).into_iter().zip(Threaded::links(n));
        let threads: Vec<_> = ends.map(|(mpc, relay)| s.spawn(move || party(mpc, relay))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

const REQUEST: &[u8] = b"GET /page HTTP/1.0\r\n\r\n";

#[test]
fn two_parties_fetch_a_page_over_either_group() {
    let pki = Pki::new();
    let identity = pki.localhost(KeyKind::EcdsaP256);
    for group in ["P-256", "X25519"] {
        let server = Server::openssl(&identity, &[("page", b"hello parties")], &["-WWW", "-groups", group]).unwrap();
        let answers = call(2, 1, &server.address(), &pki.roots(), &[Group::Secp256r1, Group::X25519], REQUEST);
        for a in answers {
            let a = a.unwrap();
            assert_eq!(a.end, End::CloseNotify);
            assert!(a.body.ends_with(b"hello parties"));
        }
    }
}
