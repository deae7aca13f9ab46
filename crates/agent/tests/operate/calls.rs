//! Requests with a secret of the vault, to a real server.

use crate::{
    lanes::{Lanes, Running, run_all},
    seen::{Notes, Seen},
    servers::{Rustls, rustls_config},
    watched::{Lies, Log, Watched},
    world::{DATE, Disk, On, World, stored, written},
};
use cotenant_agent::{
    approve::{
        operation::{Argument, Body, Call},
        receipt::Receipt,
    },
    call::{CallError, Done, Event, Hooks, Stage},
    flow,
    http::Request,
    operate::{Called, Client, Known, Mine, OperateError, Refused, Verified, Work, answer, outcome},
    relay::{Relay, Server},
    sign::{
        date::Timestamp,
        plain::signature_with_whole_key,
        sigv4::{Scope, Style, prepare},
    },
    tls::JointError,
    vault::{
        VaultError,
        alphabet::Alphabet,
        item::{Kind, Use},
    },
};
use cotenant_cluster::session_rng;
use cotenant_core::{Bits, Digest, PartyId};
use cotenant_ideal::{IdealSession, seats};
use cotenant_mpc::{Online, Options, Session};
use cotenant_tls::{Config, Group, TrustRoots, pki_types::UnixTime};
use cotenant_tls_plain::pki::{Identity, KeyKind, Pki};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

pub(crate) const HOST: &str = "localhost";
pub(crate) const KEY: &[u8; 40] = b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

pub(crate) static PKI: LazyLock<(Pki, Identity)> = LazyLock::new(|| {
    let pki = Pki::new();
    let identity = pki.localhost(KeyKind::Ed25519);
    (pki, identity)
});

pub(crate) fn roots() -> TrustRoots {
    PKI.0.roots()
}

/// What stands for the server's certificates.
fn chain() -> Digest {
    let mut hash = Sha256::new();
    for certificate in &PKI.1.chain {
        hash.update((certificate.len() as u64).to_be_bytes());
        hash.update(certificate);
    }
    Digest(hash.finalize().into())
}

pub(crate) fn sigv4(service: &str, region: &str, host: &str) -> Use {
    Use::Sigv4 { service: service.into(), region: region.into(), host: host.into() }
}

pub(crate) fn header(name: &str) -> Use {
    Use::Header { name: name.into(), host: HOST.into() }
}

/// The call that a text is, connected by the second of those who take part.
pub(crate) fn call(text: &str, arguments: &[(&str, &str)]) -> Call {
    let argument = |(name, value): &(&str, &str)| Argument { name: (*name).into(), value: value.as_bytes().to_vec() };
    let arguments = arguments.iter().map(argument).collect();
    let seats = flow::Seats { connector: PartyId::new(1), giver: PartyId::new(0) };
    flow::call(text.into(), arguments, seats, Digest(roots().digest())).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// A request that is signed for S3, and what follows its method and host.
pub(crate) fn s3(method: &str, rest: &str) -> String {
    let sign = "# @sign aws-sigv4 service=s3 region=us-east-1 key=s3/key access-key-id=AKIDEXAMPLE";
    format!("{sign}\n# @open all\n{method} https://{HOST}{rest}")
}

fn server() -> Rustls {
    let config = rustls_config(&PKI.1, &[Group::Secp256r1, Group::X25519]);
    Rustls::new(config, &[b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"there"])
}

/// What came of a call at one party.
pub(crate) struct Came {
    pub(crate) done: Done,
    /// What can be voted for, if something was kept.
    pub(crate) made: Option<Verified>,
}

impl World {
    /// Runs a call by these members, to its end or, if it keeps something, to where they can vote. `change` may change what a member gives; `notes` are of what
    /// each is told. How far each came is noted of a call whose answer is opened whole, on the ideal engine.
    pub(crate) fn call_to(
        &mut self,
        server: impl Server,
        quorum: &[usize],
        call: &Call,
        config: &Config,
        change: impl Fn(usize, &mut Mine),
    ) -> (Vec<Result<Came, OperateError>>, Vec<Notes>) {
        let (seed, n) = (self.next_seed(), quorum.len());
        let notes: Vec<Notes> = quorum.iter().map(|_| Notes::default()).collect();
        let (links, lanes, mut server) = (Lanes::honest(n), Lanes::honest(n), Some(server));
        let (mut seats, mut logs) = (seats(n, seed).into_iter(), Vec::new());
        let party = |((me, &seat), notes): ((PartyId, &usize), &Notes)| {
            let task = self.task(self.operation(quorum, Body::Call(call.clone()))).unwrap_or_else(|refused| panic!("{refused}"));
            let in_part = !call.response.policy.starts_with(b"open all");
            let (agreed, mut mine) = (task.digest(), self.mine(&task, seat, None));
            change(seat, &mut mine);
            let Work::Call(call) = task.into_work() else { panic!("it calls") };
            let relay = Relay::new(lanes.end(me), call.connector(), if me == call.connector() { server.take() } else { None });
            let (link, ideal, on) = (links.end(me), seats.next().expect("a seat a party"), self.on);
            let (client, rng) = (Client { config: config.clone(), now: UnixTime::now() }, session_rng(seed + 1, me));
            let (may, stores) = (self.holds != Some(seat), self.forgets != Some(seat));
            let prepared = self.prepared.clone();
            let observe = move |event| {
                if let Event::Finished(Stage::Prepare, stats) = event {
                    prepared.lock().expect("no panic while noting").push(stats);
                }
            };
            let hooks = Hooks { may_send: Box::new(move || may), seen: Box::new(move |_| stores), ..Hooks::observing(Box::new(observe)) };
            let (log, lies) = (Log::new(), self.lies(me));
            logs.push(log.clone());
            let (disk, notes) = (&self.disks[seat], notes.clone());
            Box::pin(async move {
                match on {
                    On::Ideal if in_part => {
                        let session = Seen::new(IdealSession::start(ideal, agreed).await?, notes);
                        came(call.run(session, relay, mine, client, rng, hooks).await?, disk).await
                    }
                    On::Ideal => {
                        let session = Watched::new(IdealSession::start(ideal, agreed).await?, log, lies);
                        came(call.run(Seen::new(session, notes), relay, mine, client, rng, hooks).await?, disk).await
                    }
                    On::Real => {
                        let session = Session::start(link, agreed, session_rng(seed, me), Options::default()).await?;
                        came(call.run(Seen::new(session, notes), relay, mine, client, rng, hooks).await?, disk).await
                    }
                }
            }) as Running<'_, _>
        };
        let parties = PartyId::all(n).zip(quorum).zip(&notes).map(party).collect();
        let results = run_all(parties, || {
            links.fall_silent();
            lanes.fall_silent();
        });
        self.reached = logs.iter().map(Log::reached).collect();
        (results, notes)
    }

    /// A call to a server of this process that answers always the same; the last part is what it received.
    pub(crate) fn call(
        &mut self,
        quorum: &[usize],
        call: &Call,
        config: &Config,
        change: impl Fn(usize, &mut Mine),
    ) -> (Vec<Result<Done, OperateError>>, Vec<u8>) {
        let server = server();
        let received = server.received();
        let (results, _) = self.call_to(server, quorum, call, config, change);
        let received = received.lock().expect("all have ended").clone();
        (results.into_iter().map(|result| result.map(|came| came.done)).collect(), received)
    }

    /// The first party gives what it is told to, whatever its program has checked, and one tells what it is told to.
    fn lies(&self, me: PartyId) -> Lies {
        let forged = self.forged.clone().filter(|_| me.index() == 0).map(|bytes| Bits::from_bytes(&bytes));
        let private = move |_, bits: Bits| forged.clone().filter(|forged| forged.len() == bits.len()).unwrap_or(bits);
        let told = self.told.clone().filter(|(party, _)| *party == me.index()).map(|(_, told)| told);
        let contribution = move |bytes: Vec<u8>| told.clone().filter(|told| told.len() == bytes.len()).unwrap_or(bytes);
        Lies { private: Box::new(private), contribution: Box::new(contribution) }
    }

    /// The same, which succeeds; what the server received.
    pub(crate) fn calls(&mut self, quorum: &[usize], call: &Call) -> Vec<u8> {
        let (results, received) = self.call(quorum, call, &Config::new(roots()), |_, _| ());
        for result in results {
            let done = result.unwrap_or_else(|e| panic!("{e}"));
            let chain = done.server_chain;
            assert!(done.answer.whole().is_some_and(|answer| answer.body.ends_with(b"there")) && chain == self::chain());
        }
        received
    }
}

/// Writes what was kept, and has it verified.
async fn came<O: Online>(called: Called<O>, disk: &Disk) -> Result<Came, OperateError> {
    let made = match called.saved {
        Some(saved) => Some(written(saved, disk, |_| ()).await?),
        None => None,
    };
    Ok(Came { done: called.done, made })
}

/// What the holder of the whole key would send.
fn signed_by_one(method: &str, target: &str, body: &[u8]) -> Vec<u8> {
    let mut request = Request::new(method, HOST, 443, target).unwrap();
    request.set_body(body.to_vec());
    signed_for("s3", request)
}

/// The same of any request, for a service.
pub(crate) fn signed_for(service: &str, mut request: Request) -> Vec<u8> {
    let scope = Scope::new(service, "us-east-1", Timestamp::from_unix(DATE).unwrap()).unwrap();
    let to_sign = prepare(&mut request, &scope, Style::of_service(service)).unwrap();
    let signature = signature_with_whole_key(KEY, &to_sign);
    let (before, after) = request.encode_around_hole("Authorization", &to_sign.authorization_prefix("AKIDEXAMPLE").unwrap()).unwrap();
    [&before[..], &signature, &after].concat()
}

fn with_key(on: On, t: usize, n: usize) -> World {
    let mut world = World::new(on, t, n);
    let item = world.item("s3/key", Kind::Text(Alphabet::BASE64), 40, vec![sigv4("s3", "us-east-1", HOST)]);
    world.put(n - 1, item, KEY);
    world
}

#[test]
fn a_request_is_signed_by_an_item() {
    for (t, n, quorum) in [(2, 2, vec![0, 1]), (3, 3, vec![0, 1, 2]), (2, 3, vec![1, 2]), (2, 3, vec![0, 1, 2])] {
        let mut world = with_key(On::Ideal, t, n);
        let request = call(&s3("PUT", "/bucket/{{name}}\n\nwhat is stored"), &[("name", "report.txt")]);
        let received = world.calls(&quorum, &request);
        assert_eq!(String::from_utf8(received), String::from_utf8(signed_by_one("PUT", "/bucket/report.txt", b"what is stored")));
    }
}

/// Put, verified, refreshed, used: on the real engine against a TLS server that is not ours.
#[test]
fn from_the_vault_to_a_server_on_the_real_engine() {
    let mut world = with_key(On::Real, 2, 2);
    assert!(world.verify(&[0, 1], &["s3/key"]).into_iter().all(|r| r.is_ok()));
    world.save(Body::Refresh(vec![stored("s3/key")]), None);
    let get = call(&s3("GET", "/bucket/report.txt\n"), &[]);
    let Work::Call(planned) = world.task(world.operation(&[0, 1], Body::Call(get.clone()))).unwrap().into_work() else {
        panic!("it calls")
    };
    let cost = planned.cost(2).unwrap();
    let received = world.calls(&[0, 1], &get);
    assert_eq!(String::from_utf8(received), String::from_utf8(signed_by_one("GET", "/bucket/report.txt", b"")));

    // What it takes was known before: gates exactly, bytes of the garbler within a twentieth.
    let prepared = world.prepared.lock().unwrap();
    assert!(prepared.iter().all(|stats| (stats.ands_full, stats.ands) == (cost.ands as u64, (cost.ands + cost.cheap) as u64)));
    let sent = prepared.iter().map(|stats| stats.total().sent_bytes).max().unwrap();
    assert!(sent.abs_diff(cost.bytes(2) as u64) < sent / 20, "{sent} bytes, and {} were foretold", cost.bytes(2));
}

/// Nobody but the server learns what was drawn: it is sent once in a body, and later in a header, where the server compares.
#[test]
fn a_drawn_secret_is_registered_and_then_shown() {
    for (t, n, quorum) in [(2, 2, vec![0, 1]), (2, 3, vec![0, 1])] {
        let mut world = World::new(On::Ideal, t, n);
        let uses = vec![header("authorization"), Use::Field { host: HOST.into() }];
        let item = world.item("token", Kind::Text(Alphabet::ALPHANUMERIC), 24, uses);
        world.save(Body::Gen(item), None);
        let register = "# @vault token = token\n# @open all\n# @not-reflected token\nPOST https://localhost/register?a={{a}}\nContent-Type: \
                        application/json\n\n{\"token\":\"{{token}}\",\"again\":\"{{token}}\"}\n";
        let register = call(register, &[("a", "01")]);
        let registered = String::from_utf8(world.calls(&quorum, &register)).unwrap();
        let (head, body) = registered.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /register?a=01 HTTP/1.1\r\nHost: localhost\r\n") && head.contains("Content-Length: 71"), "{head}");
        let token = &body[10..34];
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_eq!(body, format!("{{\"token\":\"{token}\",\"again\":\"{token}\"}}"));

        let show = "# @vault token = token\n# @open all\n# @not-reflected token\nGET https://localhost/\nAuthorization: Bearer {{token}}\n";
        let show = call(show, &[]);
        world.save(Body::Refresh(vec![stored("token")]), None);
        let shown = String::from_utf8(world.calls(&quorum, &show)).unwrap();
        assert_eq!(shown, format!("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n"));
        assert_eq!(world.read(&quorum, "token"), token.as_bytes());
    }
}

/// A share that is not the right one ends the call before there is a connection.
#[test]
fn a_bad_share_reaches_no_server() {
    let mut world = with_key(On::Ideal, 2, 2);
    world.disks[1].borrow_mut().values_mut().for_each(|bytes| *bytes.last_mut().unwrap() ^= 1);
    let (results, received) = world.call(&[0, 1], &call(&s3("GET", "/\n"), &[]), &Config::new(roots()), |_, _| ());
    let found = |e: &OperateError| matches!(e, OperateError::Call(CallError::Vault(VaultError::VaultTag { .. })));
    assert!(received.is_empty() && results.iter().all(|r| r.as_ref().is_err_and(found)));
}

/// A member that has no share of an item that it is to give one of.
#[test]
fn a_missing_share_reaches_no_server() {
    let mut world = with_key(On::Ideal, 2, 2);
    let (results, received) = world.call(&[0, 1], &call(&s3("GET", "/\n"), &[]), &Config::new(roots()), |seat, mine| {
        if seat == 1 {
            mine.shares.clear();
        }
    });
    let own = |e: &OperateError| matches!(e, OperateError::Call(CallError::Vault(VaultError::Shares { wanted: 1, found: 0 })));
    assert!(received.is_empty() && results[0].is_err() && results[1].as_ref().is_err_and(own));
}

/// A member that cannot write down that the request may be sent keeps its part of the ciphertext, and so there is none.
#[test]
fn what_may_be_sent_is_written_down_before() {
    for holds in [0, 1] {
        let mut world = with_key(On::Ideal, 2, 2);
        world.holds = Some(holds);
        let (results, received) = world.call(&[0, 1], &call(&s3("GET", "/\n"), &[]), &Config::new(roots()), |_, _| ());
        let held = |e: &OperateError| matches!(e, OperateError::Call(CallError::Tls(cotenant_tls::Error::Backend(JointError::Held))));
        assert!(received.is_empty() && results[holds].as_ref().is_err_and(held));
        // The other had written it down, and cannot know that nothing was sent.
        let unsure = |e: &OperateError| matches!(e, OperateError::Call(CallError::MayHaveBeenSent(_)));
        assert!(results[1 - holds].as_ref().is_err_and(unsure), "{:?}", results[1 - holds].as_ref().map(|_| ()));
    }
}

#[test]
fn other_trust_roots_than_those_approved() {
    let mut world = with_key(On::Ideal, 2, 2);
    let (results, received) = world.call(&[0, 1], &call(&s3("GET", "/\n"), &[]), &Config::new(Pki::new().roots()), |_, _| ());
    let refused = |e: &OperateError| matches!(e, OperateError::Refused(Refused::TrustRoots));
    assert!(received.is_empty() && results.iter().all(|r| r.as_ref().is_err_and(refused)));
}

/// The outcome is what a receipt is made of.
#[test]
fn a_call_has_a_receipt() {
    let mut world = with_key(On::Ideal, 2, 2);
    let request = call(&s3("GET", "/\n"), &[]);
    let operation = world.operation(&[0, 1], Body::Call(request.clone()));
    let run = world.task(operation.clone()).unwrap().run().clone();
    let (results, _) = world.call(&[0, 1], &request, &Config::new(roots()), |_, _| ());
    let receipts: Vec<Receipt> =
        results.iter().map(|result| Receipt::new(operation.clone(), run.clone(), outcome(result.as_ref().unwrap())).unwrap()).collect();
    assert_eq!(receipts[0].digest(), receipts[1].digest());
    let mut receipt = receipts[0].clone();
    for (seat, member) in world.members.iter().enumerate() {
        receipt.add(PartyId::new(seat), receipts[seat].sign(member)).unwrap();
    }
    assert!(receipt.verify(&operation.members, 2).is_ok());
    let Some(Ok(Known::Whole(shown))) = answer(&request, receipt.outcome()) else { panic!("it was opened whole") };
    assert_eq!((shown.status, &shown.body[..]), (200, &b"there"[..]));
    let nothing = cotenant_agent::approve::receipt::Outcome { server_chain: None, values: Vec::new() };
    assert!(answer(&request, &nothing).is_none());
}
