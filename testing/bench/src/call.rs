//! `cotenant-bench call`: one HTTPS call on a new connection, signed by a key that the parties share, to the server of [`crate::service`].

use crate::{
    calibrate::{Calibration, calibrate},
    error::Error,
    processes::{self, Party, Place, peak_mb},
    service,
    table::{self, Rows},
    tally::Tally,
};
use cotenant::{
    connection::TcpServer,
    party::{fresh_rng, on_own_thread},
    progress::Console,
    stages::{self, Recorder, StageCost, Unwatched, Watcher},
    target::Endpoint,
};
use cotenant_agent::{
    answer::Expected,
    call::{self, Answered, Call, CallError, Content, Event, Key, Reading, Redaction, SignedRequest, Stage},
    redact::Policy,
    relay::Relay,
};
use cotenant_core::{Domain, PartyId};
use cotenant_mpc::{Options, Session};
use cotenant_tls::{
    AnswerLimits, Config, Target, TrustRoots,
    pki_types::{ServerName, UnixTime},
};
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};

/// The party with the socket.
const CONNECTOR: PartyId = PartyId::EVALUATOR;

/// What each party's process does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    port: u16,
    ca_pem: String,
    request_bytes: usize,
    response_bytes: usize,
    /// Whether a part of the answer stays secret.
    secret: bool,
}

/// What one party measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    /// Gates garbled.
    ands: u64,
    /// In order; gates are those evaluated.
    stages: Vec<StageCost>,
    peak_mb: f64,
}

/// What is printed. Times are those of the party that took longest; lists are by party.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    parties: usize,
    request_bytes: usize,
    response_bytes: usize,
    /// Set-up of the session, and everything up to its sealing.
    prepare_s: f64,
    /// Signing, connecting, handshake, sending, receiving.
    online_s: f64,
    total_s: f64,
    /// AND gates garbled.
    ands: u64,
    /// Message bytes of MPC that each party sent.
    bytes: Vec<u64>,
    /// The most that a party waited for an answer.
    rounds: u64,
    /// Highest resident memory of each process, in MB of 10^6 bytes.
    peak_mb: Vec<f64>,
    handshake: Part,
    sign: Part,
    send: Part,
    receive: Part,
    calibration: Calibration,
}

/// A part of a call, online.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    online_s: f64,
    /// AND gates evaluated.
    ands: u64,
    bytes: Vec<u64>,
    rounds: u64,
}

/// Measures; prints nothing.
///
/// # Errors
/// What failed first.
pub async fn run(parties: usize, request_bytes: usize, response_bytes: usize, secret: bool, place: Place) -> Result<Report, Error> {
    let request = service::encode_signed(service::request(request_bytes)?);
    let answer = if secret { service::secret_answer(response_bytes)? } else { service::answer(response_bytes)? };
    let calibration = calibrate()?;
    let service = service::serve(request, answer).await?;
    let job = Job { port: service.port, ca_pem: service.ca_pem, request_bytes, response_bytes, secret };
    let all: Vec<Figures> = processes::run(parties, place, &processes::Job::Call(job)).await?;
    let slowest = all.iter().max_by(|a, b| a.total().seconds.total_cmp(&b.total().seconds)).expect("there are parties");
    let seconds = |names: &[Stage]| slowest.part(names).seconds;
    let part = |names: &[Stage]| Part {
        online_s: seconds(names),
        ands: slowest.part(names).ands,
        bytes: all.iter().map(|party| party.part(names).sent_bytes).collect(),
        rounds: all.iter().map(|party| party.part(names).rounds).max().expect("there are parties"),
    };
    let total_s = slowest.total().seconds;
    let prepare_s = seconds(&[Stage::Setup, Stage::Prepare]);
    Ok(Report {
        parties,
        request_bytes,
        response_bytes,
        prepare_s,
        online_s: total_s - prepare_s,
        total_s,
        ands: slowest.ands,
        bytes: all.iter().map(|party| party.total().sent_bytes).collect(),
        rounds: all.iter().map(|party| party.total().rounds).max().expect("there are parties"),
        peak_mb: all.iter().map(|party| party.peak_mb).collect(),
        handshake: part(&[Stage::Connect, Stage::Handshake]),
        sign: part(&[Stage::Sign]),
        send: part(&[Stage::Send]),
        receive: part(&[Stage::Receive]),
        calibration,
    })
}

impl Figures {
    fn total(&self) -> StageCost {
        StageCost::total("total", &self.stages)
    }

    /// The sum of these stages.
    fn part(&self, of: &[Stage]) -> StageCost {
        let wanted = |cost: &&StageCost| of.iter().any(|&stage| stages::name(stage) == cost.stage);
        StageCost::total("part", &self.stages.iter().filter(wanted).cloned().collect::<Vec<_>>())
    }
}

impl Report {
    /// For people.
    pub fn rows(&self) -> Rows {
        let mut rows = vec![
            ("parties", self.parties.to_string()),
            ("request / answer, bytes", format!("{} / {}", self.request_bytes, self.response_bytes)),
            ("preparation", table::seconds(self.prepare_s)),
            ("online", table::seconds(self.online_s)),
            ("in all", table::seconds(self.total_s)),
            ("AND gates", table::count(self.ands)),
            ("bytes sent, by party", table::counts(&self.bytes)),
            ("rounds", self.rounds.to_string()),
            ("peak memory, MB", table::list(&self.peak_mb, 0)),
        ];
        let parts = [("sign", &self.sign), ("handshake", &self.handshake), ("send", &self.send), ("receive", &self.receive)];
        rows.extend(parts.map(|(name, part)| (name, part.to_string())));
        rows.extend(table::calibration(&self.calibration));
        rows
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Part { online_s, ands, bytes, rounds } = self;
        let (time, ands, bytes) = (table::seconds(*online_s), table::count(*ands), table::counts(bytes));
        write!(f, "{time} online, {ands} AND gates evaluated, {bytes} bytes sent, {rounds} rounds")
    }
}

/// What a party's process does.
///
/// # Errors
/// The call's, or [`Error::WrongResult`].
pub async fn attend(party: &Party, job: Job) -> Result<Figures, Error> {
    let me = party.home.me;
    let expected = if job.secret { Vec::new() } else { service::answer(job.response_bytes)? };
    let call = job.call(me)?;
    let watcher: Arc<dyn Watcher> = if me == CONNECTOR { Arc::new(Console::new("call".to_owned(), false)) } else { Arc::new(Unwatched) };
    let server = Endpoint { host: "127.0.0.1".to_owned(), port: job.port };
    let server = (me == CONNECTOR).then(|| TcpServer::new(server, party.home.server_timeout));
    let (lane, relay) = (party.work(), Relay::new(party.relay(), CONNECTOR, server));
    let (rng, call_rng) = (fresh_rng()?, fresh_rng()?);
    let agreed = Domain::Session.hasher().field(b"benchmark").field(job.ca_pem.as_bytes()).digest();
    party.meet().await?;
    let recorder = Arc::new(Mutex::new(Recorder::new(watcher.clone())));
    let record = {
        let recorder = recorder.clone();
        move |event| recorder.lock().expect("no holder panics").event(event)
    };
    let measured = on_own_thread(async move {
        let progress: cotenant_mpc::Observer = Box::new(move |progress| watcher.progress(progress));
        let session = Session::start(lane, agreed, rng, Options { observer: Some(progress), ..Options::default() }).await?;
        record(Event::Finished(Stage::Setup, session.stats()));
        let session = Tally::new(session);
        let planned = session.planned();
        let done = call::run_in(session, relay, call, call_rng, Box::new(record)).await?;
        Ok::<_, CallError>((done, planned.get()))
    });
    let (done, ands) = measured.await?;
    let right = match done.answer {
        Answered::Whole(answer) => answer.body == expected,
        Answered::Part(read) => read.found.len() == 2 && read.opened == [(service::OPENED.0.to_owned(), service::OPENED.1.to_vec())],
    };
    if !right {
        return Err(Error::WrongResult("the answer of the server"));
    }
    let stages = recorder.lock().expect("no holder panics").stages().to_vec();
    Ok(Figures { ands, stages, peak_mb: peak_mb()? })
}

impl Job {
    /// The call as party `me` has it: the first party's share is the key, the others' are 0, which costs no less than other shares would.
    fn call(&self, me: PartyId) -> Result<Call, Error> {
        let share = if me == PartyId::EVALUATOR { service::SECRET.to_vec() } else { vec![0; service::SECRET.len()] };
        let signed = SignedRequest {
            request: service::request(self.request_bytes)?,
            scope: service::scope(),
            style: service::style(),
            access_key_id: service::ACCESS_KEY_ID.to_owned(),
            key: Key::Share(share.into()),
        };
        Ok(Call {
            target: Target { name: ServerName::try_from(service::NAME).expect("it is a host name"), now: UnixTime::now() },
            config: Config::new(
                TrustRoots::from_pem(self.ca_pem.as_bytes()).map_err(|_| Error::WrongResult("the certificate of the server"))?,
            ),
            connector: CONNECTOR,
            limits: AnswerLimits::of_bytes(match self.secret {
                // Tags, alert, tickets: all of it is paid for.
                true => self.response_bytes + 512,
                // Twice the answer and some more, which costs nothing.
                false => 2 * self.response_bytes + (1 << 16),
            }),
            content: Content::Signed(Box::new(signed)),
            reading: match (self.secret, Policy::parse(service::POLICY)) {
                (true, Ok(Policy::Rules(rules))) => {
                    let expected = Expected { to_head: false, statuses: 200..=299 };
                    Reading::Part(Redaction { rules, expected, saves: Vec::new(), checks: Vec::new() })
                }
                _ => Reading::Whole,
            },
        })
    }
}
