//! One call of all parties, honest but for what a test changes, on the ideal engine or on the real one.

use crate::lanes::{Lanes, Meddler, Running, run_all};
use crate::watched::{Lies, Log, Reached, Watched};
use cotenant_agent::call::{Call, CallError, Content, Done, Event, Reading, Resources, Stage, run, run_in};
use cotenant_agent::http::{self, Response};
use cotenant_agent::relay::{Relay, Server};
use cotenant_cluster::session_rng;
use cotenant_core::{Digest, PartyId};
use cotenant_ideal::{IdealSession, seats};
use cotenant_mpc::Stats;
use cotenant_tls::pki_types::UnixTime;
use cotenant_tls::{Answer, AnswerLimits, Config, End, Group, Target};
use cotenant_tls_plain::pki::{Identity, KeyKind, Pki};
use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock, Mutex};

/// An authority that all parties trust, and a server's identity below it.
pub(crate) static PKI: LazyLock<(Pki, Identity)> = LazyLock::new(|| {
    let pki = Pki::new();
    let identity = pki.localhost(KeyKind::Ed25519);
    (pki, identity)
});

pub(crate) const BOTH: [Group; 2] = [Group::Secp256r1, Group::X25519];
pub(crate) const REQUEST: &[u8] = b"GET /page HTTP/1.0\r\n\r\n";

/// What one party's call has otherwise.
pub(crate) type Change = Box<dyn Fn(PartyId, &mut Call)>;

/// What each stage had cost when it ended.
pub(crate) type Stages = Vec<(Stage, Stats)>;

/// One call.
pub(crate) struct Run {
    pub(crate) n: usize,
    pub(crate) connector: PartyId,
    pub(crate) change: Change,
    /// What happens to the messages on the relay lane.
    pub(crate) relay: Meddler,
    /// What a party lies about.
    pub(crate) lies: Box<dyn Fn(PartyId) -> Lies>,
}

/// What one party ended with on the ideal engine.
pub(crate) struct Ended {
    pub(crate) party: PartyId,
    pub(crate) result: Result<Answer, CallError>,
    pub(crate) reached: Reached,
}

impl Ended {
    /// Takes away the warning that the request may have been sent: it is there if, and only if, something of the request was opened or was about to be.
    fn new(party: PartyId, result: Result<Answer, CallError>, reached: Reached) -> Ended {
        let (result, warned) = match result {
            Err(CallError::MayHaveBeenSent(error)) => (Err(*error), true),
            result => (result, false),
        };
        assert!(result.is_ok() || warned || reached < Reached::KeyStream, "{party} does not say that the request may have been sent");
        assert!(!warned || reached >= Reached::ApplicationKeys, "{party} says that a request may have been sent that was never sealed");
        Ended { party, result, reached }
    }
}

impl Run {
    pub(crate) fn new(n: usize, connector: usize) -> Run {
        Run {
            n,
            connector: PartyId::new(connector),
            change: Box::new(|_, _| ()),
            relay: Box::new(|_, message| vec![message]),
            lies: Box::new(|_| Lies::default()),
        }
    }

    /// Something more that a party's call has otherwise.
    pub(crate) fn but(self, more: impl Fn(PartyId, &mut Call) + 'static) -> Run {
        let before = self.change;
        let change = move |me: PartyId, call: &mut Call| {
            before(me, call);
            more(me, call);
        };
        Run { change: Box::new(change), ..self }
    }

    /// All parties offer these groups.
    pub(crate) fn offering(self, groups: &[Group]) -> Run {
        let groups = groups.to_vec();
        self.but(move |_, call| call.config = call.config.clone().with_groups(groups.clone()).expect("groups"))
    }

    fn call(change: &dyn Fn(PartyId, &mut Call), connector: PartyId, me: PartyId) -> Call {
        let mut call = Call {
            target: Target { name: "localhost".try_into().expect("a name"), now: UnixTime::now() },
            config: Config::new(PKI.0.roots()).with_groups(BOTH.to_vec()).expect("groups"),
            connector,
            limits: AnswerLimits::of_bytes(1 << 21),
            content: Content::Public(REQUEST.to_vec()),
            reading: Reading::Whole,
        };
        change(me, &mut call);
        call
    }

    /// On the ideal engine.
    pub(crate) fn ideal(self, server: impl Server) -> Vec<Ended> {
        let Run { n, connector, change, relay, lies } = self;
        let (lanes, mut server) = (Lanes::new(n, relay), Some(server));
        let logs: Vec<Log> = (0..n).map(|_| Log::new()).collect();
        let party = |(seat, log): (cotenant_ideal::Seat, &Log)| {
            let me = seat.party();
            let relay = Relay::new(lanes.end(me), connector, if me == connector { server.take() } else { None });
            let (call, log, lies) = (Self::call(&change, connector, me), log.clone(), lies(me));
            Box::pin(async move {
                let session = IdealSession::start(seat, Digest([1; 32])).await?;
                run_in(Watched::new(session, log, lies), relay, call, session_rng(1, me), Box::new(|_| ())).await.map(whole)
            }) as Running<'_, Result<Answer, CallError>>
        };
        let parties = seats(n, 1).into_iter().zip(&logs).map(party).collect();
        let results = run_all(parties, || lanes.fall_silent());
        let ended = PartyId::all(n).zip(results).zip(logs);
        ended.map(|((party, result), log)| Ended::new(party, result, log.reached())).collect()
    }

    /// On the real engine, with what each stage had cost when it ended.
    pub(crate) fn real(self, server: impl Server) -> Vec<(Result<Answer, CallError>, Stages)> {
        let Run { n, connector, change, relay, .. } = self;
        let (links, lanes, mut server) = (Lanes::honest(n), Lanes::new(n, relay), Some(server));
        let stages: Vec<Arc<Mutex<Stages>>> = (0..n).map(|_| Arc::default()).collect();
        let party = |(me, stages): (PartyId, &Arc<Mutex<Stages>>)| {
            let server = if me == connector { server.take() } else { None };
            let (call, stages) = (Self::call(&change, connector, me), stages.clone());
            let observe = move |event| {
                if let Event::Finished(stage, stats) = event {
                    stages.lock().expect("no panic while noting").push((stage, stats));
                }
            };
            let (mpc, relay) = (links.end(me), lanes.end(me));
            let resources = Resources { observe: Box::new(observe), threads: NonZeroUsize::MIN };
            let rng = session_rng(1, me);
            Box::pin(async move { run(mpc, relay, server, call, Digest([1; 32]), rng, resources).await.map(whole) }) as Running<'_, _>
        };
        let parties = PartyId::all(n).zip(&stages).map(party).collect();
        let silence = || {
            lanes.fall_silent();
            links.fall_silent();
        };
        let results = run_all(parties, silence);
        results.into_iter().zip(stages).map(|(result, stages)| (result, stages.lock().expect("all have ended").clone())).collect()
    }
}

fn whole(done: Done) -> Answer {
    done.answer.whole().expect("it is opened whole")
}

/// The response that a caller takes out of a call's result: none if the call failed, or if what it returned is not one whole message.
pub(crate) fn response(result: &Result<Answer, CallError>) -> Option<Response> {
    let answer = result.as_ref().ok()?;
    let end = if answer.end == End::CloseNotify { http::End::CloseNotify } else { http::End::Open };
    http::parse(&answer.body, "GET", end).ok()
}
