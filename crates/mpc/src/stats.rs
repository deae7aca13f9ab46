//! What a session has cost so far: exact counts, by phase. They depend on the plan and the number of parties, never on timing.

use crate::error::Phase;

/// Counts of one party.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    phases: [PhaseStats; 4],
    /// AND gates garbled, of every kind.
    pub ands: u64,
    /// AND gates of two secrets, each of which took a triple.
    pub ands_full: u64,
    /// Leaky triples made, padding included.
    pub leaky_triples: u64,
    /// Authenticated bits made for every party, padding included, the masks of checks not.
    pub authenticated_bits: u64,
    /// AES-128 blocks computed for streams of leaves and for hashes: nearly all of the work.
    pub aes_blocks: u64,
}

/// Counts of one phase of one party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PhaseStats {
    /// Message bytes sent, to all parties together, without the framing of links.
    pub sent_bytes: u64,
    /// Message bytes received.
    pub received_bytes: u64,
    /// Times that this party waited for an answer after it had sent something.
    pub rounds: u64,
}

impl Stats {
    /// The counts of one phase.
    pub fn phase(&self, phase: Phase) -> PhaseStats {
        self.phases[phase as usize]
    }

    /// The counts of all phases together.
    pub fn total(&self) -> PhaseStats {
        self.phases.iter().fold(PhaseStats::default(), |a, b| PhaseStats {
            sent_bytes: a.sent_bytes + b.sent_bytes,
            received_bytes: a.received_bytes + b.received_bytes,
            rounds: a.rounds + b.rounds,
        })
    }

    pub(crate) fn sent(&mut self, phase: Phase, bytes: usize) {
        self.phases[phase as usize].sent_bytes += bytes as u64;
    }

    pub(crate) fn received(&mut self, phase: Phase, bytes: usize, new_round: bool) {
        let p = &mut self.phases[phase as usize];
        p.received_bytes += bytes as u64;
        p.rounds += new_round as u64;
    }
}

/// A step of a session, for those who watch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// Random masks, authenticated.
    Masks,
    /// Masks through the circuits.
    MaskWalk,
    /// Random bits of leaky triples, authenticated.
    Candidates,
    /// Half-ANDs of leaky triples.
    HalfAnds,
    /// The check of leaky triples.
    TripleCheck,
    /// Leaky triples combined to products of masks.
    Buckets,
    /// Garbled tables.
    Tables,
    /// Inputs.
    Inputs,
    /// Evaluation, or at a garbler waiting for it and following it.
    Evaluate,
    /// The test of masked values.
    ZeroTest,
    /// Openings and solderings.
    Open,
}

impl Task {
    /// What it is called, in the order in which a session comes to it.
    pub const ALL: [(Task, &'static str); 11] = [
        (Task::Masks, "masks authenticated"),
        (Task::MaskWalk, "masks through the circuit"),
        (Task::Candidates, "candidates authenticated"),
        (Task::HalfAnds, "half-ANDs"),
        (Task::TripleCheck, "triple check"),
        (Task::Buckets, "buckets combined"),
        (Task::Tables, "tables"),
        (Task::Inputs, "inputs"),
        (Task::Evaluate, "evaluation"),
        (Task::ZeroTest, "zero test"),
        (Task::Open, "openings"),
    ];
}

/// How far a session has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The phase.
    pub phase: Phase,
    /// The step. It starts with 0 done.
    pub task: Task,
    /// Items of the step done: authenticated bits, leaky triples, gates.
    pub done: u64,
    /// Items wanted; 0 for a step that is too short to count them.
    pub wanted: u64,
    /// Bytes sent so far in the session.
    pub sent_bytes: u64,
}
