//! `cotenant-bench engine`: seconds, bytes and memory for many AND gates.

use crate::{
    calibrate::{Calibration, calibrate},
    error::Error,
    line::Line,
    processes::{self, Party, peak_mb},
    table::{self, Rows},
    workload::{Unit, Workload},
};
use chacha20::ChaCha20Rng;
use cotenant::{
    party::{fresh_rng, on_own_thread},
    progress::Console,
    stages::Watcher,
};
use cotenant_core::{Bits, Channel, Domain, PartyId};
use cotenant_mpc::{Engine, Given, Input, Observer, Online, Phase, Segment, Session, Source, VerifiedWires};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Instant};

/// What each party's process does.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// What is computed many times.
    pub unit: Unit,
    /// At least so many ANDs.
    pub ands: usize,
}

/// What one party measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    ands: u64,
    setup_s: f64,
    prepare_s: f64,
    online_s: f64,
    sent_bytes: u64,
    rounds_online: u64,
    peak_mb: f64,
}

/// What is printed. Times are those of the party that took longest; lists are by party.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    parties: usize,
    /// AND gates garbled and evaluated.
    ands: u64,
    /// Session id, base OTs, check of global keys.
    setup_s: f64,
    /// Authenticated bits, triples and tables.
    prepare_s: f64,
    /// Inputs, evaluation, opening of all outputs.
    online_s: f64,
    total_s: f64,
    and_per_s: f64,
    and_per_s_online: f64,
    /// Message bytes sent in all phases, to all other parties together.
    bytes_per_and: Vec<f64>,
    /// Highest resident memory of each process, in MB of 10^6 bytes.
    peak_mb: Vec<f64>,
    /// The most that a party waited for an answer.
    rounds_online: u64,
    calibration: Calibration,
}

/// Measures; prints nothing.
///
/// # Errors
/// What failed first.
pub async fn run(parties: usize, job: Job, line: Option<Line>) -> Result<Report, Error> {
    let calibration = calibrate()?;
    let all: Vec<Figures> = processes::run(parties, line, &processes::Job::Engine(job)).await?;
    let slowest = all.iter().max_by(|a, b| a.total_s().total_cmp(&b.total_s())).expect("there are parties");
    let ands = slowest.ands;
    Ok(Report {
        parties,
        ands,
        setup_s: slowest.setup_s,
        prepare_s: slowest.prepare_s,
        online_s: slowest.online_s,
        total_s: slowest.total_s(),
        and_per_s: ands as f64 / slowest.total_s(),
        and_per_s_online: ands as f64 / slowest.online_s,
        bytes_per_and: all.iter().map(|party| party.sent_bytes as f64 / ands as f64).collect(),
        peak_mb: all.iter().map(|party| party.peak_mb).collect(),
        rounds_online: all.iter().map(|party| party.rounds_online).max().expect("there are parties"),
        calibration,
    })
}

impl Figures {
    fn total_s(&self) -> f64 {
        self.setup_s + self.prepare_s + self.online_s
    }
}

impl Report {
    /// For people.
    pub fn rows(&self) -> Rows {
        let mut rows = vec![
            ("parties", self.parties.to_string()),
            ("AND gates", table::count(self.ands)),
            ("set-up", table::seconds(self.setup_s)),
            ("preparation", table::seconds(self.prepare_s)),
            ("online", table::seconds(self.online_s)),
            ("in all", table::seconds(self.total_s)),
            ("AND/s in all", table::millions(self.and_per_s)),
            ("AND/s online", table::millions(self.and_per_s_online)),
            ("bytes sent an AND", table::list(&self.bytes_per_and, 1)),
            ("peak memory, MB", table::list(&self.peak_mb, 0)),
            ("rounds online", self.rounds_online.to_string()),
        ];
        rows.extend(table::calibration(&self.calibration));
        rows
    }
}

/// What a party's process does.
///
/// # Errors
/// The session's, or [`Error::WrongResult`].
pub async fn attend(party: &Party, job: Job) -> Result<Figures, Error> {
    let workload = Arc::new(Workload::new(job.unit, job.ands));
    let console = (party.home.me == PartyId::EVALUATOR).then(|| Console::new("engine".to_owned(), false));
    let observer: Observer = Box::new(move |progress| console.iter().for_each(|console| console.progress(progress)));
    let (lane, rng) = (party.work(), fresh_rng()?);
    party.meet().await?;
    let (mut figures, outputs) = on_own_thread(measure(lane, rng, workload.clone(), observer)).await?;
    figures.peak_mb = peak_mb()?;
    let expected = (0..workload.segments).flat_map(|segment| workload.expected(segment));
    if !outputs.iter().eq(expected) {
        return Err(Error::WrongResult("the joint result"));
    }
    Ok(figures)
}

/// One session from its start to its end; the outputs of all evaluations, in order.
async fn measure<C: Channel>(
    lane: C,
    rng: ChaCha20Rng,
    workload: Arc<Workload>,
    observer: Observer,
) -> Result<(Figures, Bits), cotenant_mpc::Error> {
    let values: Vec<[Bits; 2]> = (0..workload.segments).map(|segment| workload.values(segment)).collect();
    let agreed = Domain::Session.hasher().field(b"benchmark").number(workload.ands() as u64).digest();
    let started = Instant::now();
    let mut session = Session::start(lane, agreed, rng, Some(observer)).await?;
    let set_up = Instant::now();
    let (inputs, segments) = declare(&mut session, &workload)?;
    let mut online = session.seal().await?;
    let prepared = Instant::now();
    let outputs = evaluate(&mut online, inputs, values, segments).await?;
    let over = Instant::now();
    let stats = online.stats();
    let figures = Figures {
        ands: stats.ands,
        setup_s: (set_up - started).as_secs_f64(),
        prepare_s: (prepared - set_up).as_secs_f64(),
        online_s: (over - prepared).as_secs_f64(),
        sent_bytes: stats.total().sent_bytes,
        rounds_online: stats.phase(Phase::Online).rounds,
        peak_mb: 0.0,
    };
    Ok((figures, outputs))
}

type Plan = (Vec<[Input; 2]>, Vec<Segment>);

fn declare<E: Engine>(session: &mut E, workload: &Workload) -> Result<Plan, cotenant_mpc::Error> {
    let owners = [PartyId::EVALUATOR, PartyId::new(session.parties() - 1)];
    let (mut inputs, mut segments) = (Vec::new(), Vec::new());
    for _ in 0..workload.segments {
        let pair = [0, 1].map(|i| session.declare(Source::Private(owners[i]), workload.inputs[i]));
        let wires: Vec<_> = pair.iter().flat_map(|input| input.wires()).collect();
        segments.push(session.segment(&workload.circuit, &wires)?);
        inputs.push(pair);
    }
    Ok((inputs, segments))
}

async fn evaluate<O: Online>(
    online: &mut O,
    inputs: Vec<[Input; 2]>,
    values: Vec<[Bits; 2]>,
    segments: Vec<Segment>,
) -> Result<Bits, cotenant_mpc::Error> {
    let mine = Source::Private(online.me());
    let pairs = inputs.into_iter().flatten().zip(values.into_iter().flatten());
    let given = pairs.map(|(input, bits)| if input.source() == mine { Given::Mine(input, bits) } else { Given::Theirs(input) });
    online.input(given.collect()).await?;
    let mut outputs: Option<O::Verified> = None;
    for segment in segments {
        let verified = online.evaluate(segment).await?;
        outputs = Some(outputs.map_or(verified.clone(), |before| before.concat(&verified)));
    }
    online.open(&outputs.expect("a workload has at least one segment")).await
}
