//! The real engine against real servers; and what a call costs, exactly.

use crate::interop::{BODIES, RESPONSES, asking_for, files, started};
use crate::parties::{PKI, Run, Stages, response};
use crate::servers::Tcp;
use cotenant_agent::call::{CallError, Stage};
use cotenant_agent::relay::{Patience, Server as Socket, ServerFault};
use cotenant_agent::tls::JointError;
use cotenant_mpc::{Check, Error as MpcError, Phase, Stats};
use cotenant_tls::{End, Error, Group};
use cotenant_tls_plain::pki::KeyKind;
use cotenant_tls_plain::servers::Server;

/// All parties ask for one of the bodies and get it. What each stage had cost, by party.
fn get(run: Run, server: &Server, (name, body): &(String, Vec<u8>)) -> Vec<Stages> {
    let check = |(result, stages)| {
        assert!(response(&result).is_some_and(|r| r.body == *body), "{:?}", result.map(|answer| answer.end));
        stages
    };
    run.but(asking_for(name)).real(Tcp::new(server.address())).into_iter().map(check).collect()
}

#[test]
fn two_parties_and_nginx_retry_for_x25519() {
    let identity = PKI.0.localhost(KeyKind::EcdsaP256);
    let server = started(Server::nginx(&identity, &files(&BODIES), "X25519", "ssl_buffer_size 600;"));
    get(Run::new(2, 0), &server, &BODIES[1]);
}

#[test]
fn three_parties_and_nginx() {
    let identity = PKI.0.localhost(KeyKind::EcdsaP384);
    let server = started(Server::nginx(&identity, &files(&BODIES), "prime256v1", ""));
    get(Run::new(3, 0), &server, &BODIES[2]);
}

#[test]
fn two_parties_and_openssl_with_small_padded_records() {
    let arguments = ["-HTTP", "-max_send_frag", "512", "-record_padding", "100"];
    let server = started(Server::openssl(&PKI.1, &files(&RESPONSES), &arguments));
    get(Run::new(2, 1), &server, &BODIES[2]);
}

#[test]
fn two_parties_and_gnutls_retry_for_p256() {
    let (name, body) = &BODIES[1];
    let arguments = ["--http", "--httpdata", name, "--recordsize", "512", "--disable-client-cert"];
    let priority = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-SECP256R1";
    let server = started(Server::gnutls(&PKI.0.localhost(KeyKind::Rsa), &[(name, body)], priority, &arguments));
    get(Run::new(2, 1).offering(&[Group::X25519, Group::Secp256r1]), &server, &BODIES[1]);
}

/// A connector who, once the request is out, makes the server say what is in `script`, a line at a time: `k` and `K` send a KeyUpdate.
struct Prompted {
    socket: Tcp,
    server: Server,
    script: Vec<&'static [u8]>,
}

impl Socket for Prompted {
    async fn connect(&mut self) -> Result<(), ServerFault> {
        self.socket.connect().await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), ServerFault> {
        self.socket.send(bytes).await
    }

    async fn recv(&mut self, patience: Patience) -> Result<Vec<u8>, ServerFault> {
        if patience != Patience::Handshake && !self.script.is_empty() {
            self.server.write(self.script.remove(0)).map_err(|_| ServerFault::Broken)?;
        }
        self.socket.recv(patience).await
    }
}

#[test]
fn the_server_updates_its_key_inside_the_answer() {
    let server = started(Server::openssl(&PKI.1, &[], &["-num_tickets", "0"]));
    let script: Vec<&[u8]> = vec![b"one\n", b"k\n", b"two\n", b"K\n", b"three\n", b"Q\n"];
    let socket = Prompted { socket: Tcp::new(server.address()), server, script };
    for (result, _) in Run::new(2, 1).real(socket) {
        let answer = result.expect("an answer");
        // It closes TCP without close_notify, and that is what we say.
        assert_eq!((&answer.body[..], answer.end, answer.key_updates), (&b"one\ntwo\nthree\n"[..], End::Truncated, 2));
    }
}

/// The connector changes the last record of the answer for the other party: neither gets it, and the server's secret stays closed.
#[test]
fn a_cheated_party_stops_the_call() {
    let server = started(Server::openssl(&PKI.1, &files(&RESPONSES), &["-HTTP", "-num_tickets", "0"]));
    let mut relayed = 0;
    let relay = move |_, mut message: Vec<u8>| {
        relayed += message.len();
        if message[0] == 0 && relayed > 16 << 10 {
            *message.last_mut().expect("not empty") ^= 1;
        }
        vec![message]
    };
    let run = Run { relay: Box::new(relay), ..Run::new(2, 0) }.but(asking_for(&BODIES[1].0));
    for (result, stages) in run.real(Tcp::new(server.address())) {
        let Err(CallError::MayHaveBeenSent(error)) = result else { panic!("{result:?}") };
        let CallError::Tls(Error::Backend(JointError::Mpc(MpcError::Check { check, .. }))) = *error else { panic!("{error}") };
        assert_eq!(check, Check::PublicValue);
        assert_eq!(stages.last().map(|(stage, _)| *stage), Some(Stage::Send));
    }
}

/// Bytes sent and rounds.
type Cost = (u64, u64);

/// What one party's call costs: set-up, preparation and garbling, then handshake, sending and receiving.
struct Costs {
    ands: [u64; 2],
    before: [Cost; 3],
    online: [Cost; 3],
}

/// The first party evaluates, the second is one of those that garble.
const TWO: [Costs; 2] = [
    Costs { ands: [894_826, 856_964], before: [(16_484, 3), (49_613_288, 8), (210, 2)], online: [(88_117, 18), (2_944, 5), (82, 2)] },
    Costs {
        ands: [894_826, 856_964],
        before: [(16_484, 3), (49_613_288, 8), (28_747_026, 2)],
        online: [(164_629, 18), (1_730, 5), (82, 2)],
    },
];
const THREE: [Costs; 2] = [
    Costs {
        ands: [1_342_755, 1_267_287],
        before: [(46_412, 14), (146_907_090, 80), (548, 2)],
        online: [(233_408, 28), (5_888, 5), (164, 2)],
    },
    Costs {
        ands: [1_342_755, 1_267_287],
        before: [(46_412, 14), (146_907_090, 80), (107_589_592, 2)],
        online: [(194_811, 34), (1_939, 6), (164, 2)],
    },
];

fn cost(stats: &Stats, phase: Phase) -> Cost {
    (stats.phase(phase).sent_bytes, stats.phase(phase).rounds)
}

/// Both groups are prepared, P-256 is used, the request is of 68 bytes. The server and its answer cost nothing.
#[test]
fn what_a_call_costs() {
    let identity = PKI.0.localhost(KeyKind::Rsa);
    let server = started(Server::openssl(&identity, &files(&RESPONSES), &["-HTTP", "-groups", "P-256"]));
    for (n, expected) in [(2, TWO), (3, THREE)] {
        for (stages, expected) in get(Run::new(n, n - 1), &server, &BODIES[0]).iter().zip(expected) {
            let named = [Stage::Setup, Stage::Prepare, Stage::Connect, Stage::Handshake, Stage::Send, Stage::Receive];
            assert_eq!(stages.iter().map(|(stage, _)| *stage).collect::<Vec<_>>(), named);
            let last = &stages[5].1;
            assert_eq!([last.ands, last.ands_full], expected.ands, "{n} parties");
            assert_eq!([Phase::Setup, Phase::Prepare, Phase::Garble].map(|phase| cost(last, phase)), expected.before, "{n} parties");
            let online: Vec<Cost> = stages.iter().map(|(_, stats)| cost(stats, Phase::Online)).collect();
            assert_eq!([online[0], online[1], online[2]], [(0, 0); 3], "nothing is online before there is a connection");
            let steps: Vec<Cost> = online[2..].windows(2).map(|w| (w[1].0 - w[0].0, w[1].1 - w[0].1)).collect();
            assert_eq!(steps, expected.online, "{n} parties");
        }
    }
}
