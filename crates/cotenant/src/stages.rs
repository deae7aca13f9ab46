//! What each stage of a call cost: seconds by this machine's clock, counts as the engine reports them.

use cotenant_agent::call::{Event, Stage};
use cotenant_mpc::{Progress, Stats};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Instant};

/// What one stage cost one party.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageCost {
    /// The stage, as [`name`] has it.
    pub stage: String,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// AND gates garbled.
    pub ands: u64,
    /// Message bytes that this party sent to the others.
    pub sent_bytes: u64,
    /// Message bytes that this party received from the others.
    pub received_bytes: u64,
    /// Times that this party waited for an answer.
    pub rounds: u64,
}

impl StageCost {
    /// The sum of several stages, under another name.
    pub fn total(name: &str, stages: &[StageCost]) -> StageCost {
        let zero = StageCost { stage: name.to_owned(), seconds: 0.0, ands: 0, sent_bytes: 0, received_bytes: 0, rounds: 0 };
        stages.iter().fold(zero, |sum, one| StageCost {
            stage: sum.stage,
            seconds: sum.seconds + one.seconds,
            ands: sum.ands + one.ands,
            sent_bytes: sum.sent_bytes + one.sent_bytes,
            received_bytes: sum.received_bytes + one.received_bytes,
            rounds: sum.rounds + one.rounds,
        })
    }
}

/// The name of a stage in tables and JSON.
pub fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Setup => "setup",
        Stage::Prepare => "prepare",
        Stage::Sign => "sign",
        Stage::Connect => "connect",
        Stage::Handshake => "handshake",
        Stage::Send => "send",
        Stage::Receive => "receive",
    }
}

/// The stage that a call is in once another one is finished.
pub fn after(finished: Option<Stage>, signed: bool) -> Stage {
    match finished {
        None => Stage::Setup,
        Some(Stage::Setup) => Stage::Prepare,
        Some(Stage::Prepare) if signed => Stage::Sign,
        Some(Stage::Prepare | Stage::Sign) => Stage::Connect,
        Some(Stage::Connect) => Stage::Handshake,
        Some(Stage::Handshake) => Stage::Send,
        Some(Stage::Send | Stage::Receive) => Stage::Receive,
    }
}

/// Is shown how a call goes on.
pub trait Watcher: Send + Sync {
    /// A long step goes on.
    fn progress(&self, progress: Progress);

    /// A stage has ended.
    fn finished(&self, cost: &StageCost);
}

/// Watches nothing.
pub struct Unwatched;

impl Watcher for Unwatched {
    fn progress(&self, _: Progress) {}

    fn finished(&self, _: &StageCost) {}
}

/// Turns the running totals of a call into costs of stages.
pub struct Recorder {
    watcher: Arc<dyn Watcher>,
    since: Instant,
    before: Stats,
    stages: Vec<StageCost>,
    finished: Option<Stage>,
}

impl Recorder {
    /// The first stage begins now.
    pub fn new(watcher: Arc<dyn Watcher>) -> Self {
        Recorder { watcher, since: Instant::now(), before: Stats::default(), stages: Vec::new(), finished: None }
    }

    /// Takes what a call reports.
    pub fn event(&mut self, event: Event) {
        match event {
            Event::Progress(progress) => self.watcher.progress(progress),
            Event::Finished(stage, stats) => {
                let now = Instant::now();
                let cost = cost(stage, (now - self.since).as_secs_f64(), &self.before, &stats);
                self.watcher.finished(&cost);
                self.stages.push(cost);
                (self.since, self.before, self.finished) = (now, stats, Some(stage));
            }
        }
    }

    /// The last stage that has ended.
    pub fn finished(&self) -> Option<Stage> {
        self.finished
    }

    /// The stages that have ended, in order.
    pub fn stages(&self) -> &[StageCost] {
        &self.stages
    }
}

fn cost(stage: Stage, seconds: f64, before: &Stats, after: &Stats) -> StageCost {
    let (from, to) = (before.total(), after.total());
    StageCost {
        stage: name(stage).to_owned(),
        seconds,
        ands: after.ands - before.ands,
        sent_bytes: to.sent_bytes - from.sent_bytes,
        received_bytes: to.received_bytes - from.received_bytes,
        rounds: to.rounds - from.rounds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_follow_one_another() {
        let all = |signed| {
            std::iter::successors(Some(after(None, signed)), move |&stage| (stage != Stage::Receive).then(|| after(Some(stage), signed)))
        };
        use Stage::{Connect, Handshake, Prepare, Receive, Send, Setup, Sign};
        assert!(all(true).eq([Setup, Prepare, Sign, Connect, Handshake, Send, Receive]));
        assert!(all(false).eq([Setup, Prepare, Connect, Handshake, Send, Receive]));
    }

    #[test]
    fn stages_are_differences_of_totals() {
        let mut recorder = Recorder::new(Arc::new(Unwatched));
        let stats = |ands| {
            let mut stats = Stats::default();
            stats.ands = ands;
            stats
        };
        recorder.event(Event::Finished(Stage::Setup, stats(0)));
        recorder.event(Event::Finished(Stage::Prepare, stats(70)));
        recorder.event(Event::Finished(Stage::Handshake, stats(75)));
        let seen: Vec<(&str, u64)> = recorder.stages().iter().map(|s| (s.stage.as_str(), s.ands)).collect();
        assert_eq!(seen, [("setup", 0), ("prepare", 70), ("handshake", 5)]);
        assert_eq!(recorder.finished(), Some(Stage::Handshake));
        assert_eq!(StageCost::total("total", recorder.stages()).ands, 75);
    }
}
