//! Several parties read a part of an answer on the engine, from real servers: each is told what the policy lets out, and the planted secret is in nothing
//! that any of them was told.

use crate::conversation::PKI;
use crate::lanes::{Lanes, Running, run_all};
use crate::seen::{Notes, Seen, assert_untold};
use crate::servers::{ID, POLICY, SECRET, content, response, rules, started};
use crate::sockets::{Tcp, records};
use cotenant_agent::answer::{Expected, Read, Refusal};
use cotenant_agent::call::{Answered, Call, CallError, Content, Done, Reading, Redaction, run_in};
use cotenant_agent::redact::framing::{Delimiter, FramingError};
use cotenant_agent::relay::{Patience, Relay, Server as Socket, ServerFault};
use cotenant_cluster::session_rng;
use cotenant_core::{Digest, PartyId};
use cotenant_ideal::{IdealSession, seats};
use cotenant_mpc::{Options, Session};
use cotenant_tls::pki_types::UnixTime;
use cotenant_tls::{AnswerLimits, Config, Target};
use cotenant_tls_plain::servers::Server;

/// One call of all parties.
struct Calling {
    n: usize,
    policy: String,
    path: &'static str,
    limit: usize,
    /// Whether the connector gives other ciphertext to be read than it has shown to all.
    rewrites: bool,
}

/// What a party ended with, and what it was told.
type Ended = (Result<Done, CallError>, Notes);

impl Calling {
    fn new(n: usize) -> Calling {
        Calling { n, policy: POLICY.to_owned(), path: "answer", limit: 4096, rewrites: false }
    }

    fn call(&self) -> Call {
        let head = "Host: localhost\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n";
        Call {
            target: Target { name: "localhost".try_into().expect("a name"), now: UnixTime::now() },
            config: Config::new(PKI.0.roots()),
            connector: PartyId::new(self.n - 1),
            limits: AnswerLimits::of_bytes(self.limit),
            content: Content::Public(format!("GET /{} HTTP/1.1\r\n{head}", self.path).into_bytes()),
            reading: Reading::Part(Redaction {
                rules: rules(&self.policy),
                expected: Expected { to_head: false, statuses: 0..=999 },
                saves: vec![],
                checks: vec![],
            }),
        }
    }

    fn run(self, server: &Server, real: bool) -> Vec<Ended> {
        self.run_with(Tcp::new(server.address()), real)
    }

    fn run_with(self, server: impl Socket, real: bool) -> Vec<Ended> {
        let calls: Vec<Call> = (0..self.n).map(|_| self.call()).collect();
        let n = self.n;
        let (links, lanes, mut server) = (Lanes::honest(n), Lanes::honest(n), Some(server));
        let notes: Vec<Notes> = (0..n).map(|_| Notes::default()).collect();
        let mut seats = seats(n, 1).into_iter();
        let party = |((me, call), notes): ((PartyId, Call), &Notes)| {
            let relay = Relay::new(lanes.end(me), call.connector, if me == call.connector { server.take() } else { None });
            let (link, seat, notes, rng) = (links.end(me), seats.next().expect("a seat a party"), notes.clone(), session_rng(1, me));
            let rewrites = self.rewrites && me == call.connector;
            Box::pin(async move {
                if real {
                    let session = Session::start(link, Digest([1; 32]), session_rng(2, me), Options::default()).await?;
                    return run_in(Seen::new(session, notes).rewriting(rewrites), relay, call, rng, Box::new(|_| ())).await;
                }
                let session = IdealSession::start(seat, Digest([1; 32])).await?;
                run_in(Seen::new(session, notes).rewriting(rewrites), relay, call, rng, Box::new(|_| ())).await
            }) as Running<'_, _>
        };
        let parties = PartyId::all(n).zip(calls).zip(&notes).map(party).collect();
        let results = run_all(parties, || {
            links.fall_silent();
            lanes.fall_silent();
        });
        results.into_iter().zip(notes).collect()
    }
}

/// What each ended with, after a look at all that they were told.
fn untold(what: &str, ended: Vec<Ended>) -> Vec<Result<Done, CallError>> {
    let (results, notes): (Vec<_>, Vec<Notes>) = ended.into_iter().unzip();
    assert_untold(what, SECRET, &notes);
    results
}

/// What all parties know of the answer, the same.
fn read(what: &str, ended: Vec<Ended>) -> Read {
    let mut all = untold(what, ended).into_iter().map(|result| {
        let done = result.unwrap_or_else(|error| panic!("{what}: {error}"));
        let Answered::Part(read) = done.answer else { panic!("{what}: it was to be read in part") };
        read
    });
    let first = all.next().expect("there are parties");
    assert!(all.all(|read| read == first), "{what}");
    first
}

/// Why it was not read, the same at all.
fn refused(what: &str, ended: Vec<Ended>) -> Refusal {
    let mut all = untold(what, ended).into_iter().map(|result| {
        let Err(CallError::MayHaveBeenSent(error)) = result else { panic!("{what}: {result:?}") };
        let CallError::Refused(refusal) = *error else { panic!("{what}: {error}") };
        refusal
    });
    let first = all.next().expect("there are parties");
    assert!(all.all(|refusal| refusal == first), "{what}");
    first
}

fn opened(read: &Read) -> Vec<(&str, &str)> {
    read.opened.iter().map(|(name, value)| (&name[..], std::str::from_utf8(value).expect("text"))).collect()
}

fn openssl(arguments: &[&str]) -> Server {
    started(Server::openssl(&PKI.1, &[("answer", response().as_bytes())], &[&["-HTTP"], arguments].concat()))
}

fn nginx(directives: &str) -> Server {
    started(Server::nginx(&PKI.1, &[("answer", content().as_bytes())], "X25519:P-256", directives))
}

#[test]
fn all_parties_read_the_same_part_from_every_server() {
    for (n, what, arguments) in [(2, "tickets", &[][..]), (3, "padding", &["-max_send_frag", "512", "-record_padding", "300"])] {
        let read = read(what, Calling::new(n).run(&openssl(arguments), false));
        assert_eq!((opened(&read), read.tickets, read.framing.status, read.found.len()), (vec![("id", ID)], 2, 200, 2), "{what}");
    }
    let cookie = format!("add_header Set-Cookie \"sessionid={SECRET}; Path=/\"; ");
    let policy = "keep sid in header \"Set-Cookie: sessionid=\" chars alnum len 40 \";\"";
    for (n, directives, delimiter) in
        [(3, cookie.clone(), Delimiter::Length), (2, cookie + "ssi on; ssi_types *; ssl_buffer_size 200;", Delimiter::Chunked)]
    {
        let calling = Calling { policy: policy.to_owned(), ..Calling::new(n) };
        let read = read("a cookie", calling.run(&nginx(&directives), false));
        assert_eq!((read.framing.delimiter, read.opened.len(), read.found.len()), (delimiter, 0, 1), "{directives}");
    }
    let gnutls = ["--http", "--httpdata", "answer", "--disable-client-cert"];
    let priority = "NORMAL:-VERS-ALL:+VERS-TLS1.3:-GROUP-ALL:+GROUP-SECP256R1";
    let server = started(Server::gnutls(&PKI.1, &[("answer", content().as_bytes())], priority, &gnutls));
    assert_eq!(opened(&read("gnutls", Calling::new(2).run(&server, false))), [("id", ID)]);
}

#[test]
fn two_parties_on_the_real_engine() {
    let read = read("openssl", Calling { limit: 2048, ..Calling::new(2) }.run(&openssl(&["-record_padding", "100"]), true));
    assert_eq!((opened(&read), read.tickets), (vec![("id", ID)], 2));
}

#[test]
fn three_parties_on_the_real_engine() {
    let server = nginx(&format!("add_header Set-Cookie \"sessionid={SECRET}; Path=/\"; ssi on; ssi_types *;"));
    let policy = "keep sid in header \"Set-Cookie: sessionid=\" chars alnum len 40 \";\"".to_owned();
    let read = read("nginx", Calling { policy, limit: 2048, ..Calling::new(3) }.run(&server, true));
    assert_eq!((read.framing.delimiter, read.found.len()), (Delimiter::Chunked, 1));
}

/// Nothing is opened but that fact: status and lengths are the last that any party is told.
#[test]
fn an_answer_that_is_not_as_the_policy_says() {
    let server = openssl(&[]);
    for (what, policy) in [
        ("another spelling", POLICY.replace("SecretAccessKey", "secretAccessKey")),
        ("a shorter value", POLICY.replace("len 40", "len 39")),
        ("a longer value", POLICY.replace("len 40", "len 41")),
        ("twice", POLICY.replace("len 40", "len 40 exactly 2 times")),
        ("other characters", POLICY.replace("[A-Za-z0-9+/=]", "digits")),
    ] {
        let calling = Calling { policy, ..Calling::new(2) };
        let ended = calling.run(&server, false);
        assert!(ended.iter().all(|(_, notes)| notes.sizes().last() == Some(&1) && !notes.have(ID.as_bytes())), "{what}");
        assert_eq!(refused(what, ended), Refusal::Policy { status: 200 }, "{what}");
    }
    let missing = Calling { path: "nothing", ..Calling::new(2) };
    assert_eq!(refused("another answer", missing.run(&nginx(""), false)), Refusal::Policy { status: 404 });
    let head = format!("add_header X-Long \"{}\";", "x".repeat(1100));
    assert_eq!(refused("a long head", Calling::new(2).run(&nginx(&head), false)), Refusal::Framing(FramingError::Head));
}

/// What becomes of the records of an answer.
type Change = fn(Vec<Vec<u8>>) -> Vec<Vec<u8>>;

/// A connector that holds the whole answer back, and tells all parties, itself among them, something else.
struct Changing {
    socket: Tcp,
    change: Change,
    told: bool,
}

impl Socket for Changing {
    async fn connect(&mut self) -> Result<(), ServerFault> {
        self.socket.connect().await
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), ServerFault> {
        self.socket.send(bytes).await
    }

    async fn recv(&mut self, patience: Patience) -> Result<Vec<u8>, ServerFault> {
        if patience == Patience::Handshake {
            return self.socket.recv(patience).await;
        }
        if std::mem::replace(&mut self.told, true) {
            return Ok(vec![]);
        }
        let mut all = vec![];
        loop {
            match self.socket.recv(patience).await? {
                bytes if bytes.is_empty() => break,
                bytes => all.extend(bytes),
            }
        }
        Ok((self.change)(records(&all).into_iter().map(|(_, record)| record).collect()).concat())
    }
}

#[test]
fn a_connector_that_changes_the_answer_for_all() {
    // Without tickets, so that the records are those of the answer: three with data, close_notify.
    let server = openssl(&["-max_send_frag", "512", "-num_tickets", "0"]);
    let changes: [(&str, Change, Refusal); 4] = [
        ("nothing", |records| records, Refusal::Policy { status: 200 }),
        (
            "one bit",
            |mut records| {
                records[1][100] ^= 1;
                records
            },
            Refusal::Tag(1),
        ),
        ("the end", |records| records[..1].to_vec(), Refusal::Framing(FramingError::End)),
        (
            "the order",
            |mut records| {
                records.swap(0, 1);
                records
            },
            Refusal::Tag(0),
        ),
    ];
    for (what, change, refusal) in changes {
        let socket = Changing { socket: Tcp::new(server.address()), change, told: false };
        // A policy that does not fit, so that the first case is one.
        let calling = Calling { policy: POLICY.replace("len 40", "len 41"), ..Calling::new(2) };
        let ended = calling.run_with(socket, false);
        // Of a changed record not even the type is opened: the last that was told are the keys of the tags.
        let last = ended[0].1.sizes().last().copied();
        assert!(!matches!(refusal, Refusal::Tag(_)) || last.is_some_and(|bits| bits >= 4 * 128), "{what}: {last:?}");
        assert_eq!(refused(what, ended), refusal, "{what}");
    }
}

/// All have compared the records, and then one computes with others: nobody is told more than the IV.
#[test]
fn a_connector_that_reads_other_records_than_it_showed() {
    let server = openssl(&["-num_tickets", "0"]);
    let ended = Calling { limit: 1100, rewrites: true, ..Calling::new(2) }.run(&server, true);
    assert!(ended.iter().all(|(_, notes)| notes.sizes().last() == Some(&96)));
    let results = untold("rewritten", ended);
    let check = |error: &CallError| match error.in_session() {
        Some(cotenant_mpc::Error::Check { check, .. }) => Some(*check),
        _ => None,
    };
    for result in results {
        let error = result.expect_err("it is not read");
        assert_eq!(check(&error), Some(cotenant_mpc::Check::PublicValue), "{error}");
    }
}
