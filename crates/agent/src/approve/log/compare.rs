//! Whether two parties' logs of a room tell the same of what concerns both.

use super::{Event, Head, History, Outcome};
use crate::approve::{
    operation::Operation,
    run::Run,
    statement::{Choice, Statement},
    words,
};
use cotenant_core::{Digest, PartyId};
use cotenant_net::PublicIdentity;
use std::{collections::HashMap, fmt};

/// Finds the first difference between two logs, in the order of the first, about operations, decisions, runs and results that stand in both. Of what one party
/// told the other about its log, the log must still be a continuation.
pub fn compare(ours: &History, theirs: &History) -> Option<Divergence> {
    if ours.room != theirs.room {
        return Some(Divergence::Rooms);
    }
    let index = Index::of(theirs);
    let told = rewritten(ours, theirs).or_else(|| rewritten(theirs, ours));
    told.or_else(|| ours.entries.iter().find_map(|entry| index.differs(&entry.event)))
}

/// In what two logs differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Divergence {
    /// They are of different rooms.
    Rooms,
    /// The owner has told another party of a log that this one does not continue: it was rewritten or cut off.
    Rewritten {
        /// The owner.
        owner: PublicIdentity,
        /// What it told.
        told: Head,
    },
    /// Two operations have the same number.
    Operation {
        /// The one in the first log.
        ours: Box<Operation>,
        /// The one in the second.
        theirs: Box<Operation>,
    },
    /// A party signed two decisions about an operation.
    Decision {
        /// The operation's number.
        number: u64,
        /// The party.
        party: PartyId,
    },
    /// The approval of an operation was spent for two runs.
    Run {
        /// The operation.
        operation: Digest,
        /// The run in the first log.
        ours: Digest,
        /// The run in the second.
        theirs: Digest,
    },
    /// A run ended in two ways.
    Outcome {
        /// The run.
        run: Digest,
        /// How it ended in the first log.
        ours: Outcome,
        /// How it ended in the second.
        theirs: Outcome,
    },
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Divergence::Rooms => f.write_str("the logs are of different rooms"),
            Divergence::Rewritten { owner, told } => {
                write!(
                    f,
                    "{owner} has told of {} entries ending in {}, which are not in its log: it was rewritten or cut off",
                    told.entries, told.digest
                )
            }
            Divergence::Operation { ours, theirs } => {
                write!(f, "operation {} of epoch {} is another one there:", ours.number, ours.epoch)?;
                words::diff(ours, theirs, |_| String::new()).iter().try_for_each(|line| write!(f, "\n{line}"))
            }
            Divergence::Decision { number, party } => write!(f, "{party} has signed two decisions about operation {number}"),
            Divergence::Run { operation, ours, theirs } => {
                write!(f, "the approval of {operation} was spent for {ours} here, for {theirs} there")
            }
            Divergence::Outcome { run, ours, theirs } => write!(f, "the run {run} ended {ours} here, {theirs} there"),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Done(receipt) => write!(f, "with the receipt {receipt}"),
            Outcome::Failed(error) => write!(f, "in the error \"{}\"", crate::approve::escape::escape(error)),
        }
    }
}

/// What `witness` was told by the owner of `log` that `log` does not continue.
fn rewritten(witness: &History, log: &History) -> Option<Divergence> {
    witness.entries.iter().find_map(|entry| match &entry.event {
        Event::Seen(told) if told.owner == log.owner && told.room == log.room && told.is_signed() && !log.passed(&told.head) => {
            Some(Divergence::Rewritten { owner: told.owner, told: told.head })
        }
        _ => None,
    })
}

/// What a log tells, by what it is about. Of two entries about the same the first counts.
#[derive(Default)]
struct Index<'a> {
    operations: HashMap<(u32, u64), &'a Operation>,
    decisions: HashMap<(Digest, PartyId), &'a Choice>,
    runs: HashMap<Digest, Digest>,
    outcomes: HashMap<Digest, &'a Outcome>,
}

/// What an entry tells that another log can tell otherwise; all else is about its own party.
enum Said<'a> {
    Operation(&'a Operation),
    Decision(&'a Statement),
    Run(&'a Run),
    Outcome(Digest, &'a Outcome),
}

impl<'a> Said<'a> {
    fn of(event: &'a Event) -> Option<Self> {
        match event {
            Event::Proposal(operation) => Some(Said::Operation(operation)),
            Event::Decision { signed, .. } => Some(Said::Decision(&signed.statement)),
            Event::Spent(run) => Some(Said::Run(run)),
            Event::Result { run, outcome, .. } => Some(Said::Outcome(*run, outcome)),
            Event::Epoch { .. }
            | Event::FailedCheck { .. }
            | Event::Seen(_)
            | Event::Restored(_)
            | Event::Cleared { .. }
            | Event::Vote { .. }
            | Event::MayBeSent { .. }
            | Event::Contradiction { .. }
            | Event::Void { .. } => None,
        }
    }
}

impl<'a> Index<'a> {
    fn of(log: &'a History) -> Self {
        let mut index = Index::default();
        for said in log.entries.iter().filter_map(|entry| Said::of(&entry.event)) {
            match said {
                Said::Operation(operation) => drop(index.operations.entry((operation.epoch, operation.number)).or_insert(operation)),
                Said::Decision(statement) => {
                    index.decisions.entry((statement.operation, statement.party)).or_insert(&statement.choice);
                }
                Said::Run(run) => drop(index.runs.entry(run.operation).or_insert_with(|| run.digest())),
                Said::Outcome(run, outcome) => drop(index.outcomes.entry(run).or_insert(outcome)),
            }
        }
        index
    }

    fn differs(&self, event: &Event) -> Option<Divergence> {
        match Said::of(event)? {
            Said::Operation(ours) => {
                let theirs = self.operations.get(&(ours.epoch, ours.number)).filter(|theirs| **theirs != ours)?;
                Some(Divergence::Operation { ours: Box::new(ours.clone()), theirs: Box::new((*theirs).clone()) })
            }
            Said::Decision(statement) => {
                self.decisions.get(&(statement.operation, statement.party)).filter(|theirs| ***theirs != statement.choice)?;
                Some(Divergence::Decision { number: statement.number, party: statement.party })
            }
            Said::Run(run) => {
                let theirs = *self.runs.get(&run.operation).filter(|theirs| **theirs != run.digest())?;
                Some(Divergence::Run { operation: run.operation, ours: run.digest(), theirs })
            }
            Said::Outcome(run, outcome) => {
                // Why a run failed each party says in its own words.
                let both_failed = |theirs: &Outcome| matches!((theirs, outcome), (Outcome::Failed(_), Outcome::Failed(_)));
                let theirs = self.outcomes.get(&run).filter(|theirs| **theirs != outcome && !both_failed(theirs))?;
                Some(Divergence::Outcome { run, ours: outcome.clone(), theirs: (*theirs).clone() })
            }
        }
    }
}
