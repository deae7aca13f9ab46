//! `cotenant-bench alone`: the work of each party by itself, without links and without waiting.
//!
//! The session is run once with all parties on links within this process, from seeds, and every party's messages are kept. Then each party runs again,
//! from the same seed, with those messages at hand: it computes the same, and has the machine to itself. So the work of a party on one and on several
//! cores can be compared on a machine that has no more cores than parties.

use crate::{
    calibrate::{Calibration, calibrate},
    engine::{self, Job},
    error::Error,
    replay::Recording,
    session::{self, Measured},
    steps::Step,
    table::{self, Rows},
    workload::Workload,
};
use cotenant::party::on_own_thread;
use cotenant_cluster::{
    link::{Honest, Local},
    run::{run as run_in_process, session_rng},
};
use cotenant_core::{Channel, PartyId};
use serde::Serialize;
use std::{num::NonZeroUsize, sync::Arc};

/// Of every party's randomness.
const SEED: u64 = 1;

/// What is printed. Lists are by party.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Number of parties.
    pub parties: usize,
    /// Threads that the party computed on.
    pub threads: NonZeroUsize,
    /// AND gates garbled and evaluated.
    pub ands: u64,
    /// Seconds of each party alone, all phases.
    pub total_s: Vec<f64>,
    /// Steps of each party alone.
    pub steps: Vec<Vec<Step>>,
    /// What this machine could do just before.
    pub calibration: Calibration,
}

/// A session's messages, to be run with again.
pub struct Session {
    workload: Arc<Workload>,
    parties: Vec<(Recording, Measured)>,
}

impl Session {
    /// Runs the session of a job as [`in_process`] does.
    ///
    /// # Errors
    /// Those of [`in_process`].
    pub fn record(parties: usize, job: &Job) -> Result<Session, Error> {
        let workload = Arc::new(job.workload());
        let recordings: Vec<Recording> = (0..parties).map(|_| Recording::default()).collect();
        let measured = in_process(parties, &workload, |link| recordings[link.me().index()].of(link))?;
        Ok(Session { workload, parties: recordings.into_iter().zip(measured).collect() })
    }

    /// ANDs of the session.
    pub fn ands(&self) -> u64 {
        self.workload.ands() as u64
    }

    /// The same once more for one party, with a copy of the others' messages at hand when this returns. The future waits for nothing: all is done when it
    /// is first polled.
    ///
    /// # Errors
    /// [`Error::WrongResult`] if it was not the same, or the session's.
    pub fn replay(&self, party: usize, threads: NonZeroUsize) -> impl Future<Output = Result<Measured, Error>> + Send {
        let (recording, recorded) = &self.parties[party];
        let me = PartyId::new(party);
        let again = session::measure(recording.replay(me), session_rng(SEED, me), &self.workload, threads, |_| {});
        async move {
            let again = again.await?;
            let same = again.outputs.words() == recorded.outputs.words() && again.stats.total() == recorded.stats.total();
            if same { Ok(again) } else { Err(Error::WrongResult("a party that runs again")) }
        }
    }
}

/// Runs all parties of a session in this process, on this thread and from seeds, each on its end of simulated links as `wrap` gives them back.
///
/// # Errors
/// [`Error::WrongResult`], or the session's.
pub fn in_process<C: Channel>(parties: usize, workload: &Workload, wrap: impl Fn(Local) -> C) -> Result<Vec<Measured>, Error> {
    let ran = run_in_process(parties, Honest, |link| {
        let rng = session_rng(SEED, link.me());
        session::measure(wrap(link), rng, workload, NonZeroUsize::MIN, |_| {})
    });
    let measured = ran.into_iter().collect::<Result<Vec<_>, _>>()?;
    let right = measured.iter().all(|one| workload.gives(&one.outputs));
    if right { Ok(measured) } else { Err(Error::WrongResult("the joint result")) }
}

/// Measures; prints nothing.
///
/// # Errors
/// What failed first.
pub async fn run(parties: usize, job: Job) -> Result<Report, Error> {
    // On a thread of its own, as it could not be interrupted otherwise.
    on_own_thread(measure(parties, job)).await
}

async fn measure(parties: usize, job: Job) -> Result<Report, Error> {
    let session = Session::record(parties, &job)?;
    let calibration = calibrate()?;
    let (mut total_s, mut steps) = (Vec::new(), Vec::new());
    for party in 0..parties {
        let measured = session.replay(party, job.threads).await?;
        total_s.push(measured.total_s());
        steps.push(measured.steps);
    }
    Ok(Report { parties, threads: job.threads, ands: session.ands(), total_s, steps, calibration })
}

impl Report {
    /// For people.
    pub fn rows(&self) -> Rows {
        let an_and: Vec<f64> = self.total_s.iter().map(|seconds| seconds * 1e9 / self.ands as f64).collect();
        let blocks: Vec<f64> = an_and.iter().map(|ns| ns * 1e-9 * self.calibration.aes_blocks_per_s).collect();
        let mut rows = vec![
            ("parties", self.parties.to_string()),
            ("threads", self.threads.to_string()),
            ("AND gates", table::count(self.ands)),
            ("seconds of each party alone", table::list(&self.total_s, 3)),
            ("ns an AND", table::list(&an_and, 1)),
        ];
        rows.extend(table::calibration(&self.calibration));
        rows.push(("an AND as AES blocks of one core", table::list(&blocks, 1)));
        rows
    }

    /// The steps of all parties.
    pub fn profile(&self) -> String {
        table::grid(&engine::profile(&self.steps, self.ands))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::{SEGMENT, Unit};

    /// On any number of threads: what a party sends does not depend on it.
    #[tokio::test]
    async fn a_party_runs_alone_with_the_messages_of_the_others() {
        let job = Job { unit: Unit::Aes, ands: 1, segment: SEGMENT, threads: NonZeroUsize::MIN, sessions: NonZeroUsize::MIN };
        let mut session = Session::record(3, &job).unwrap();
        for party in 0..3 {
            for threads in [1, 2].map(|threads| NonZeroUsize::new(threads).unwrap()) {
                assert_eq!(session.replay(party, threads).await.unwrap().stats.ands, 6400);
            }
        }
        // With another's messages it fails and gives no figures.
        session.parties.swap(0, 1);
        assert!(session.replay(0, NonZeroUsize::MIN).await.is_err());
    }
}
