//! `cotenant-bench engine`: seconds, bytes and memory for many AND gates.

use crate::{
    calibrate::{Calibration, calibrate},
    error::Error,
    processes::{self, Party, Place, peak_mb},
    session::{self, Measured},
    steps::Step,
    table::{self, Rows},
    workload::{Unit, Workload},
};
use cotenant::{
    party::{fresh_rng, on_own_thread},
    progress::Console,
    stages::Watcher,
};
use cotenant_core::PartyId;
use cotenant_mpc::Phase;
use serde::{Deserialize, Serialize};
use std::{num::NonZeroUsize, sync::Arc};

/// What each party's process does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Job {
    /// What is computed many times.
    pub unit: Unit,
    /// At least so many ANDs.
    pub ands: usize,
    /// About so many in one circuit, which is evaluated as often as needed.
    pub segment: usize,
    /// Threads that a party computes on.
    pub threads: NonZeroUsize,
    /// Sessions one after the other in the same processes and over the same links; the figures are those of the last. Only in the first does memory come
    /// fresh from the system.
    pub sessions: NonZeroUsize,
}

impl Job {
    /// The workload of the job.
    pub fn workload(&self) -> Workload {
        Workload::new(self.unit, self.ands, self.segment)
    }
}

/// What one party measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    ands: u64,
    setup_s: f64,
    prepare_s: f64,
    online_s: f64,
    sent_bytes: u64,
    aes_blocks: u64,
    rounds_online: u64,
    peak_mb: f64,
    steps: Vec<Step>,
    first_s: f64,
}

/// What is printed. Times are those of the party that took longest; lists are by party.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Number of parties.
    pub parties: usize,
    /// AND gates garbled and evaluated.
    pub ands: u64,
    /// Session id, base OTs, check of global keys.
    pub setup_s: f64,
    /// Authenticated bits, triples and tables.
    pub prepare_s: f64,
    /// Inputs, evaluation, opening of all outputs.
    pub online_s: f64,
    /// All three.
    pub total_s: f64,
    /// The same of the first session of the processes, where there were several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_s: Option<f64>,
    /// `ands / total_s`.
    pub and_per_s: f64,
    /// `ands / online_s`.
    pub and_per_s_online: f64,
    /// Message bytes sent in all phases, to all other parties together.
    pub bytes_per_and: Vec<f64>,
    /// AES blocks of all phases.
    pub aes_blocks_per_and: Vec<f64>,
    /// Highest resident memory of each process, in MB of 10^6 bytes.
    pub peak_mb: Vec<f64>,
    /// The most that a party waited for an answer.
    pub rounds_online: u64,
    /// What this machine could do just before.
    pub calibration: Calibration,
    /// The figures as parts of it.
    pub of_machine: OfMachine,
    /// The steps of each party, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<Vec<Step>>>,
}

/// Figures as parts of what the machine can do.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct OfMachine {
    /// ANDs made in the time in which one core makes one AES block.
    pub and_per_aes_block: f64,
    /// The same online.
    pub and_per_aes_block_online: f64,
    /// AES blocks of the busiest party over those that one core makes in the time.
    pub of_aes: f64,
    /// Bytes that the busiest party sent over what one TCP connection, or the emulated link to each other party, carries in the time.
    pub of_link: f64,
    /// Resident memory of the largest process over what one core copies in the time.
    pub of_copying: f64,
}

/// Measures; prints nothing.
///
/// # Errors
/// What failed first.
pub async fn run(parties: usize, job: Job, place: Place, profile: bool) -> Result<Report, Error> {
    let calibration = calibrate()?;
    let link_gbit = place.line.and_then(|line| line.gbit).map_or(calibration.tcp_gbit, |gbit| gbit * (parties - 1) as f64);
    let all: Vec<Figures> = processes::run(parties, place, &processes::Job::Engine(job)).await?;
    let slowest = all.iter().max_by(|a, b| a.total_s().total_cmp(&b.total_s())).expect("there are parties");
    let (ands, total_s) = (slowest.ands, slowest.total_s());
    let [and_per_s, and_per_s_online] = [total_s, slowest.online_s].map(|seconds| ands as f64 / seconds);
    let an_and = |of: fn(&Figures) -> u64| all.iter().map(|party| of(party) as f64 / ands as f64).collect();
    let most = |of: fn(&Figures) -> f64| all.iter().map(of).fold(0.0, f64::max);
    let of_machine = OfMachine {
        and_per_aes_block: and_per_s / calibration.aes_blocks_per_s,
        and_per_aes_block_online: and_per_s_online / calibration.aes_blocks_per_s,
        of_aes: most(|party| party.aes_blocks as f64) / total_s / calibration.aes_blocks_per_s,
        of_link: most(|party| party.sent_bytes as f64) * 8e-9 / total_s / link_gbit,
        of_copying: most(|party| party.peak_mb) / 1e3 / total_s / calibration.copy_gb_per_s,
    };
    Ok(Report {
        parties,
        ands,
        setup_s: slowest.setup_s,
        prepare_s: slowest.prepare_s,
        online_s: slowest.online_s,
        total_s,
        first_s: (job.sessions.get() > 1).then(|| most(|party| party.first_s)),
        and_per_s,
        and_per_s_online,
        bytes_per_and: an_and(|party| party.sent_bytes),
        aes_blocks_per_and: an_and(|party| party.aes_blocks),
        peak_mb: all.iter().map(|party| party.peak_mb).collect(),
        rounds_online: all.iter().map(|party| party.rounds_online).max().expect("there are parties"),
        calibration,
        of_machine,
        steps: profile.then(|| all.into_iter().map(|party| party.steps).collect()),
    })
}

impl Figures {
    fn total_s(&self) -> f64 {
        self.setup_s + self.prepare_s + self.online_s
    }
}

impl Report {
    /// ANDs over the seconds of the first session of the processes.
    pub fn first_and_per_s(&self) -> f64 {
        self.ands as f64 / self.first_s.unwrap_or(self.total_s)
    }

    /// For people.
    pub fn rows(&self) -> Rows {
        let of = &self.of_machine;
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
            ("AES blocks an AND", table::list(&self.aes_blocks_per_and, 1)),
            ("peak memory, MB", table::list(&self.peak_mb, 0)),
            ("rounds online", self.rounds_online.to_string()),
        ];
        rows.extend(self.first_s.map(|first| ("in all, first session", table::seconds(first))));
        rows.extend(table::calibration(&self.calibration));
        let blocks = [of.and_per_aes_block, of.and_per_aes_block_online].map(|ands| format!("{:.1}", 1.0 / ands));
        rows.push(("an AND as AES blocks of one core", format!("{} in all, {} online", blocks[0], blocks[1])));
        rows.push(("AES blocks made, of what one core can", table::percent(of.of_aes)));
        rows.push(("bytes sent, of what the link can", table::percent(of.of_link)));
        rows
    }

    /// The steps of all parties, if they were asked for.
    pub fn profile(&self) -> Option<String> {
        self.steps.as_ref().map(|steps| table::grid(&profile(steps, self.ands)))
    }
}

/// One row a step and party: where the time of an AND goes.
pub fn profile(parties: &[Vec<Step>], ands: u64) -> Vec<Vec<String>> {
    let head = ["step", "party", "ns an AND", "computing", "of it in the kernel", "other threads", "bytes an AND", "pages touched"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let an_and = |figure: f64| format!("{:.1}", figure / ands as f64);
    // In the order of the first party; another need not take the same steps.
    let mut names: Vec<&str> = Vec::new();
    parties.iter().flatten().for_each(|step| {
        if !names.contains(&step.name.as_str()) {
            names.push(&step.name);
        }
    });
    for name in names {
        for (i, party) in parties.iter().enumerate() {
            let Some(step) = party.iter().find(|step| step.name == name) else { continue };
            let mut row = vec![name.to_owned(), format!("P{}", i + 1)];
            row.extend([step.seconds, step.computing_s, step.kernel_s, step.others_s].map(|seconds| an_and(seconds * 1e9)));
            row.extend([an_and(step.sent_bytes as f64), table::count(step.faults)]);
            rows.push(row);
        }
    }
    rows
}

/// What a party's process does.
///
/// # Errors
/// The session's, or [`Error::WrongResult`].
pub async fn attend(party: &Party, job: Job) -> Result<Figures, Error> {
    let workload = Arc::new(job.workload());
    let first = session(party, job, &workload).await?;
    let first_s = first.total_s();
    let mut last = first;
    for _ in 1..job.sessions.get() {
        last = session(party, job, &workload).await?;
    }
    let Measured { outputs: _, stats, setup_s, prepare_s, online_s, steps } = last;
    Ok(Figures {
        ands: stats.ands,
        setup_s,
        prepare_s,
        online_s,
        sent_bytes: stats.total().sent_bytes,
        aes_blocks: stats.aes_blocks,
        rounds_online: stats.phase(Phase::Online).rounds,
        peak_mb: peak_mb()?,
        steps,
        first_s,
    })
}

/// One session, whose result is right.
async fn session(party: &Party, job: Job, workload: &Arc<Workload>) -> Result<Measured, Error> {
    let console = (party.home.me == PartyId::EVALUATOR).then(|| Console::new("engine".to_owned(), false));
    let observer = move |progress| console.iter().for_each(|console| console.progress(progress));
    let (lane, rng) = (party.work(), fresh_rng()?);
    party.meet().await?;
    let shared = workload.clone();
    let measured = on_own_thread(async move { session::measure(lane, rng, &shared, job.threads, observer).await }).await?;
    if workload.gives(&measured.outputs) { Ok(measured) } else { Err(Error::WrongResult("the joint result")) }
}
