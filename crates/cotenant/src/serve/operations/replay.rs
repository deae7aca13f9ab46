//! How operations stand when the daemon starts: from the store alone.

use super::{
    Action, Operations, Setup, Step,
    budget::Budget,
    complaints::Complaints,
    early::Early,
    faults::Faults,
    heads::Heads,
    proposals::{End, Running, Stage},
    vault::Vault,
};
use crate::store::{RESTORE, Room, Source, StoreError};
use cotenant_agent::{
    approve::{
        log::{self, BadLog, Event, Grounds, History, Log, Outcome},
        person::{Counters, PersonSignature},
        policy::Past,
        receipt::Receipt,
        run::Run,
        spend::Ledger,
        statement::{Signed, Standing, Statement},
    },
    operate::Task,
    vault::commit::statement::Parties,
};
use cotenant_core::{Digest, codec::BadFormat};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    ops::Deref,
};

/// Why a room's operations cannot go on; what is stored is at fault, or the setup.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log is not as this party wrote it.
    #[error("the log of the room was changed: {0}; {RESTORE}")]
    Log(#[from] BadLog),
    /// The ledger of approvals is none.
    #[error("the ledger of approvals was changed; {RESTORE}")]
    Ledger(BadFormat),
    /// The record of the vault is missing, and what it must have named is there.
    #[error("the record of the vault's commits is missing; {RESTORE}")]
    NoRecord,
    /// The vault is missing with which this party has signed that it enters an epoch.
    #[error("the vault with which this party has signed that it enters an epoch is missing; {RESTORE}")]
    NoEntered,
    /// The vault is in an epoch of other members.
    #[error(
        "the room and its vault, which is in an earlier epoch, have more than 64 members together; restore a newer backup of this party, or let the others replace it"
    )]
    Crowd,
    /// This party is no member.
    #[error("this party is not a member of the room")]
    NotAMember,
}

impl Operations {
    /// Operations of a room as they are stored, and what has to be done first.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open<S: Deref<Target: Source>>(setup: Setup, stored: &Room<S>, now: i64) -> Result<(Operations, Vec<Action>), OpenError> {
        let own = setup.identity.public();
        let charter = setup.parameters.charter();
        let epoch = charter.epoch;
        let me = setup.parameters.seat(&own).ok_or(OpenError::NotAMember)?;
        let (history, _) = read_log(stored, &setup)?;
        let ledger = match stored.ledger(epoch)? {
            Some(bytes) => Ledger::decode(&bytes).map_err(OpenError::Ledger)?,
            None => Ledger::new(&setup.parameters, me),
        };
        let faults = Faults::open(stored, &setup.parameters)?;
        let vault = Vault::open(stored, &setup.parameters, &own)?;
        let mut operations = Operations {
            setup,
            me,
            counters: Counters::default(),
            ledger,
            log: Log::resume(&history),
            past: Past::all_in(&history),
            newest: stored.operation()?,
            budget: Budget::default(),
            used: BTreeSet::new(),
            proposals: BTreeMap::new(),
            early: Early::default(),
            contradicted: Parties::NONE,
            elsewhere: Parties::NONE,
            complaints: Complaints::default(),
            receipts: BTreeMap::new(),
            signatures: BTreeMap::new(),
            vault,
            active: None,
            asking: None,
            promise: None,
            linked: Parties::NONE,
            restored: stored.restored()?,
            heads: Heads::default(),
            faults,
            telling: BTreeMap::new(),
            step: Step::default(),
        };
        operations.replay_heads(&history);
        operations.replay(&history, stored, now)?;
        let actions = operations.take();
        Ok((operations, actions))
    }

    fn replay<S: Deref<Target: Source>>(&mut self, history: &History, stored: &Room<S>, now: i64) -> Result<(), OpenError> {
        let epoch = self.setup.parameters.charter().epoch;
        let mut numbers: HashMap<Digest, u64> = HashMap::new();
        let mut runs: BTreeMap<u64, Run> = BTreeMap::new();
        let mut left = Left::default();
        for entry in history.entries() {
            left.note(&entry.event);
            match &entry.event {
                Event::Proposal(operation) if operation.epoch == epoch => {
                    numbers.insert(operation.digest(), operation.number);
                    self.budget.take(operation.proposer, entry.time, operation.encode().len());
                    let mut proposal = self.proposal((**operation).clone());
                    proposal.written = true;
                    self.proposals.insert(operation.number, proposal);
                }
                Event::Proposal(operation) => drop(self.used.insert(operation.number)),
                Event::Vote { statement, signature } => self.replay_vote(statement, signature, entry.time),
                Event::Decision { signed, grounds } => self.replay_decision(signed, grounds, entry.time),
                Event::Spent(run) => drop(numbers.get(&run.operation).map(|number| runs.insert(*number, run.clone()))),
                Event::Contradiction { party, votes } if self.vault.are_of(*party, votes) => {
                    self.contradicted = self.contradicted.with(*party);
                }
                Event::Void { operation, reason } => {
                    let end = reason.clone().map_or(End::Expired, |reason| End::Failed { reason });
                    let proposal = numbers.get(operation).and_then(|number| self.proposals.get_mut(number));
                    // One that was refused is over by the decision before.
                    proposal.filter(|proposal| proposal.is_open()).into_iter().for_each(|proposal| proposal.end(end.clone()));
                }
                Event::Result { operation, run, outcome } => {
                    if let Some(number) = numbers.get(operation) {
                        self.replay_result(*number, outcome, left.sent.contains(run), stored)?;
                    }
                }
                _ => {}
            }
        }
        left.runs.retain(|(_, operation)| !numbers.contains_key(operation));
        self.enter_epoch(&left, now);
        self.go_on(&runs, &left.sent, stored, now)?;
        self.forget();
        Ok(())
    }

    /// A person's signature counts as it did, as long as that person's key is still among those who decide. Of one that was about an operation of an earlier
    /// epoch the counter of its security key stays.
    fn replay_vote(&mut self, statement: &Statement, signature: &[u8], time: i64) {
        let Some(read) = signature_of(signature) else { return };
        match self.proposals.get_mut(&statement.number).filter(|proposal| proposal.digest == statement.operation) {
            None => self.counters.note(&read),
            Some(proposal) => {
                if proposal.deciding.hear(statement.choice.clone(), &read, &mut self.counters, time) == Ok(true) {
                    proposal.evidence.push(signature.to_vec());
                }
            }
        }
    }

    /// Writes down that the room is in this epoch, once, and that what ran in an earlier one is over: approvals of then are void.
    fn enter_epoch(&mut self, left: &Left, now: i64) {
        let (epoch, parameters) = (self.setup.parameters.charter().epoch, self.setup.parameters.digest());
        if left.epoch == Some(parameters) {
            return;
        }
        for &(run, operation) in &left.runs {
            let told = match left.sent.contains(&run) {
                true => "its request may have been delivered",
                false => "nothing was sent, and the vault shows whether something was saved",
            };
            let outcome = Outcome::Failed(format!("the room entered epoch {epoch} before it had ended here: {told}"));
            self.write_log(now, Event::Result { operation, run, outcome });
        }
        self.write_log(now, Event::Epoch { epoch, parameters });
    }

    fn replay_decision(&mut self, signed: &Signed, grounds: &Grounds, time: i64) {
        let me = self.me;
        let of_people = match grounds {
            Grounds::People(signatures) => &signatures[..],
            _ => &[],
        };
        let read = of_people.iter().filter_map(|one| signature_of(one));
        let of_this = self.proposals.get_mut(&signed.statement.number).filter(|proposal| proposal.digest == signed.statement.operation);
        let Some(proposal) = of_this else { return read.for_each(|one| self.counters.note(&one)) };
        // It was counted when it was written; counters of security keys rise again.
        for one in read.filter(|_| signed.statement.party == me) {
            let _ = proposal.deciding.hear(signed.statement.choice.clone(), &one, &mut self.counters, time);
        }
        if let Grounds::Policy(_) = grounds {
            proposal.by_policy = Some(time);
        }
        let _ = proposal.hear(signed.clone(), me);
        if let Standing::Refused { by, reason } = proposal.gathering.standing() {
            let by = self.name(by);
            self.proposals.entry(signed.statement.number).and_modify(|proposal| proposal.end(End::Refused { by, reason }));
        }
    }

    fn replay_result<S: Deref<Target: Source>>(
        &mut self,
        number: u64,
        outcome: &Outcome,
        may_be_sent: bool,
        stored: &Room<S>,
    ) -> Result<(), OpenError> {
        let Some(proposal) = self.proposals.get_mut(&number) else { return Ok(()) };
        proposal.stage = Stage::Ended(match outcome {
            Outcome::Done(_) => End::Done,
            Outcome::Failed(reason) if may_be_sent => End::MayBeSent { reason: reason.clone() },
            Outcome::Failed(reason) => End::Failed { reason: reason.clone() },
        });
        // Of what failed there may be one of the answer, which nobody else signs.
        let receipt = stored_receipt(stored, number)?.filter(|_| matches!(outcome, Outcome::Done(_)));
        match receipt {
            Some(receipt) if self.all_have_signed(&receipt) => self.sign_receipt(number, &receipt),
            Some(receipt) => self.await_signatures(number, receipt),
            None => {}
        }
        Ok(())
    }

    /// Runs that had begun and had not ended. One that makes a version of the vault ends by the votes of all; of any other nothing is left.
    fn go_on<S: Deref<Target: Source>>(
        &mut self,
        runs: &BTreeMap<u64, Run>,
        sent: &HashSet<Digest>,
        stored: &Room<S>,
        now: i64,
    ) -> Result<(), OpenError> {
        let unfinished: Vec<u64> = self.ledger.unfinished().map(|(number, _)| number).collect();
        for number in unfinished {
            let (Some(run), Some(proposal)) = (runs.get(&number), self.proposals.get(&number)) else { continue };
            let reason = "the daemon ended while it ran".to_owned();
            let operation = proposal.operation().clone();
            let round = operation.body.needs_everyone().then(|| self.vault.round());
            let task = Task::new(operation, self.vault.settled().clone(), run.date, round).map(|task| task.digest());
            let may_be_sent = sent.contains(&run.digest());
            let running = |task| Running { task, run: run.clone(), loads: None, may_be_sent };
            match task {
                Ok(task) if round.is_some() && self.vault.started() == Some(task) => {
                    // Without its vote the version cannot have come to be, whatever it has seen of an answer.
                    let seen = stored_receipt(stored, number)?.filter(|receipt| receipt.run() == run && self.vault.pending().is_some());
                    let stage = Stage::Voting(running(task), seen.map(|receipt| receipt.outcome().clone()).ok_or(reason));
                    self.proposals.entry(number).and_modify(|p| p.stage = stage);
                }
                _ => self.finish(number, running(Digest([0; 32])), Err(reason), now),
            }
        }
        Ok(())
    }
}

fn signature_of(text: &[u8]) -> Option<PersonSignature> {
    PersonSignature::from_armoured(std::str::from_utf8(text).ok()?).ok()
}

/// The receipt of an operation, if there is one.
fn stored_receipt<S: Deref<Target: Source>>(stored: &Room<S>, number: u64) -> Result<Option<Receipt>, StoreError> {
    Ok(stored.receipt(number)?.and_then(|bytes| Receipt::decode(&bytes).ok()))
}

/// What a log leaves open.
#[derive(Default)]
struct Left {
    /// The parameters of the last epoch that was written down.
    epoch: Option<Digest>,
    /// Runs without a result, and their operations.
    runs: Vec<(Digest, Digest)>,
    /// Runs whose request may have been sent.
    sent: HashSet<Digest>,
}

impl Left {
    fn note(&mut self, event: &Event) {
        match event {
            Event::Epoch { parameters, .. } => self.epoch = Some(*parameters),
            Event::Spent(run) => self.runs.push((run.digest(), run.operation)),
            Event::MayBeSent { run, .. } => drop(self.sent.insert(*run)),
            Event::Result { run, .. } => self.runs.retain(|(open, _)| open != run),
            _ => {}
        }
    }
}

/// The log of a room as this party wrote it.
///
/// # Errors
/// The first entry that is not.
pub(super) fn read_log<S: Deref<Target: Source>>(stored: &Room<S>, setup: &Setup) -> Result<(History, Vec<Vec<u8>>), OpenError> {
    let records: Vec<Vec<u8>> = stored.log(0, usize::MAX)?.into_iter().map(|(_, record)| record).collect();
    let history = log::verify(records.iter().map(Vec::as_slice), setup.identity.public(), setup.parameters.charter().room, None)?;
    Ok((history, records))
}
