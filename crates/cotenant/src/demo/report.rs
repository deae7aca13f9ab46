//! What the demonstration has shown, as a page for people and as JSON.

use crate::{facts::StepFacts, progress::megabytes, stages::StageCost, text};
use serde::Serialize;

/// What the demonstration has shown. There is one only if every part has shown what it must.
#[derive(Debug, Serialize)]
pub struct Report {
    /// How many parties.
    pub parties: usize,
    /// Which of them connected to the service.
    pub connector: String,
    /// Wall-clock seconds of everything.
    pub seconds: f64,
    /// The object, as every party read it back.
    pub object: String,
    /// The keys in the bucket, as every party listed them.
    pub keys: Vec<String>,
    /// The joint calls.
    pub calls: Vec<CallReport>,
    /// One party alone.
    pub alone: Alone,
    /// The parties that found the tampering, and by which check.
    pub tampering: Vec<Caught>,
}

/// One joint call: of all parties, at each stage, the largest count and the longest time.
#[derive(Debug, Serialize)]
pub struct CallReport {
    /// The step.
    pub step: String,
    /// The HTTP status.
    pub status: u16,
    /// The stages in order, and their total.
    pub stages: Vec<StageCost>,
}

/// What the server said to one party alone.
#[derive(Debug, Serialize)]
pub struct Alone {
    /// The party.
    pub party: String,
    /// The HTTP status.
    pub status: u16,
    /// The error code in the server's answer.
    pub code: String,
}

/// A party that found the tampering.
#[derive(Debug, Serialize)]
pub struct Caught {
    /// The party.
    pub by: String,
    /// The check, in its words.
    pub reason: String,
}

impl CallReport {
    /// Of one step at all parties; at least one.
    ///
    /// # Panics
    /// If there is none.
    pub fn new(parties: &[&StepFacts]) -> Self {
        let totals = parties.iter().map(|facts| StageCost::total("total", &facts.stages));
        let mut stages: Vec<Vec<StageCost>> = parties.iter().map(|facts| facts.stages.clone()).collect();
        stages.iter_mut().zip(totals).for_each(|(stages, total)| stages.push(total));
        let busiest = |a: Vec<StageCost>, b: Vec<StageCost>| a.into_iter().zip(b).map(|(a, b)| larger(a, &b)).collect();
        let stages = stages.into_iter().reduce(busiest).expect("there is a party");
        CallReport { step: parties[0].step.clone(), status: parties[0].status, stages }
    }
}

fn larger(a: StageCost, b: &StageCost) -> StageCost {
    StageCost {
        stage: a.stage,
        seconds: a.seconds.max(b.seconds),
        ands: a.ands.max(b.ands),
        sent_bytes: a.sent_bytes.max(b.sent_bytes),
        received_bytes: a.received_bytes.max(b.received_bytes),
        rounds: a.rounds.max(b.rounds),
    }
}

impl Report {
    /// The page for people.
    pub fn text(&self) -> String {
        [self.answers(), self.costs(), self.cheats(), self.held()].join("\n")
    }

    fn answers(&self) -> String {
        let mut page = String::from("What the server answered, opened by every party:\n");
        for call in &self.calls {
            page += &format!("  {:<16} {}\n", call.step, call.status);
        }
        page + &format!(
            "  read back        {:?}\n  listed           {}\n",
            self.object,
            self.keys.iter().map(|key| text::line(key)).collect::<Vec<_>>().join(", ")
        )
    }

    fn costs(&self) -> String {
        let mut text = String::from("What each call cost; of several parties the busiest:\n");
        text += &format!("  {:<16} {:<10} {:>9} {:>12} {:>12} {:>7}\n", "call", "stage", "seconds", "AND gates", "sent", "rounds");
        for call in &self.calls {
            for cost in &call.stages {
                let StageCost { stage, seconds, ands, sent_bytes, rounds, .. } = cost;
                let sent = megabytes(*sent_bytes);
                text += &format!("  {:<16} {stage:<10} {seconds:>9.2} {ands:>12} {sent:>12} {rounds:>7}\n", call.step);
            }
        }
        text
    }

    fn cheats(&self) -> String {
        let Alone { party, status, code } = &self.alone;
        let mut page = format!("{party} alone, signing with its share as if it were the key:\n  the server answered {status} {code}\n");
        page += &format!("{}, the connector, altered one bit of what the server said to the others:\n", self.connector);
        for Caught { by, reason } in &self.tampering {
            page += &format!("  {by} stopped: {}\n", text::message(reason));
        }
        page
    }

    fn held(&self) -> String {
        format!(
            "What each party held: 40 bytes that are uniformly random, whatever the secret key is; the exclusive or of all {n} is the key.\n\
             The service made the key, as every provider does, and knows it; no party ever had it, nor the keys of the connections:\n\
             signatures and TLS were computed inside MPC, and {connector}, the connector, only passed on encrypted bytes.\n\
             All of it took {seconds:.1} s.\n",
            n = self.parties,
            connector = self.connector,
            seconds = self.seconds
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(seconds: f64, sent_bytes: u64) -> StepFacts {
        let stage = |name: &str, seconds| StageCost { stage: name.into(), seconds, ands: 7, sent_bytes, received_bytes: 0, rounds: 2 };
        let stages = vec![stage("setup", seconds), stage("prepare", 1.0)];
        StepFacts { step: "list".into(), status: 200, body_bytes: 0, keys: None, truncated: None, stages }
    }

    #[test]
    fn the_busiest_party_counts_at_each_stage() {
        let (one, two) = (facts(0.5, 10), facts(0.25, 30));
        let call = CallReport::new(&[&one, &two]);
        let seen: Vec<(&str, f64, u64, u64)> = call.stages.iter().map(|s| (s.stage.as_str(), s.seconds, s.ands, s.sent_bytes)).collect();
        assert_eq!(seen, [("setup", 0.5, 7, 30), ("prepare", 1.0, 7, 30), ("total", 1.5, 14, 60)]);
    }
}
