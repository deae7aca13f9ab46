//! From approvals to a run, and from its end to what all keep.

use super::{
    Action, Operations,
    note::{Note, Start},
    proposals::{End, OperationView, Proposal, Running, Shown, Stage},
    restored::NEW_EPOCH,
    running::{Begin, RunEnd},
    vault::Outcome,
};
use cotenant_agent::{
    approve::{
        log::{Event as Logged, Outcome as LoggedOutcome},
        operation::Operation,
        policy::Named,
        receipt,
        spend::{Effect, Event as Spend},
        statement::{Approved, Choice, Standing},
        words,
    },
    hex,
    operate::Task,
    vault::commit::{Event, Refusal, Report, statement::Round},
};
use cotenant_core::{Digest, PartyId};

/// The longest text of an error in the log, in bytes.
const MAX_ERROR: usize = 1 << 10;
/// Why an operation that all have approved is not begun now.
pub(super) enum NotBegun {
    /// It will be, later.
    Waits(String),
    /// It never will.
    Never(String),
}

impl Operations {
    /// Ends what is late, and begins what can be.
    pub(super) fn advance(&mut self, now: i64) {
        self.enter_vault(now);
        self.expire(now);
        self.note_all_heard(now);
        self.forget();
        let mut open: Vec<_> = self.proposals.iter().filter(|(_, p)| p.is_open()).map(|(number, p)| (p.tries, *number)).collect();
        // What could not begin is no reason for others to wait.
        open.sort_unstable();
        for (_, number) in open {
            let Some(approved) = self.approved(number) else { continue };
            match self.begin(number, &approved, now) {
                Ok(()) => {}
                Err(NotBegun::Waits(why)) => self.set_stage(number, Stage::Open(Some(why))),
                Err(NotBegun::Never(why)) => {
                    self.tell_ended(number, &why);
                    self.end_unbegun(number, End::Failed { reason: why }, now);
                }
            }
        }
        self.promise_one(now);
    }

    /// That all who take part have approved, this party among them.
    pub(super) fn approved(&self, number: u64) -> Option<Box<Approved>> {
        let proposal = self.proposals.get(&number).filter(|proposal| proposal.is_open())?;
        match proposal.gathering.standing() {
            Standing::Approved(approved) if proposal.approved_here() && proposal.has_part(self.me) => Some(approved),
            _ => None,
        }
    }

    fn expire(&mut self, now: i64) {
        let late: Vec<u64> =
            self.proposals.iter().filter(|(_, p)| p.is_open() && now >= p.operation().expiry).map(|(number, _)| *number).collect();
        for number in late {
            let elsewhere = self.proposals[&number].is_for_others(self.me);
            self.end_unbegun(number, if elsewhere { End::Unknown } else { End::Expired }, now);
        }
    }

    /// Ends what has not been begun here. An approval that this party gave is void with that, durably: it does not begin any more after people were told so,
    /// whatever others say, and also if the daemon starts again.
    pub(super) fn end_unbegun(&mut self, number: u64, end: End, now: i64) {
        let Some(proposal) = self.proposals.get_mut(&number).filter(|proposal| proposal.is_open()) else { return };
        let (operation, reason) = (proposal.digest, end.reason());
        let counted = proposal.by_policy.zip(Named::of(proposal.operation()));
        proposal.end(end);
        if let Ok((ledger, effects)) = self.ledger.step(Spend::Void(number)) {
            self.ledger = ledger;
            self.persist_ledger(effects);
            self.write_log(now, Logged::Void { operation, reason });
            let counted = self.past.iter().position(|past| counted == Some((past.at, past.what)));
            if let Some(at) = counted {
                self.past.swap_remove(at);
            }
        }
    }

    fn set_stage(&mut self, number: u64, stage: Stage) {
        if let Some(proposal) = self.proposals.get_mut(&number) {
            proposal.stage = stage;
        }
    }

    fn begin(&mut self, number: u64, approved: &Approved, now: i64) -> Result<(), NotBegun> {
        let operation = approved.operation();
        if self.proposals[&number].lacks_value(self.me) {
            return Err(NotBegun::Never("the value was only in the memory of a daemon that has ended: put it again".to_owned()));
        }
        let starts = self.proposals[&number].starter() == Some(self.me);
        let date = self.date(number, starts, now)?;
        let task = self.task(operation, date, now)?;
        if starts {
            self.all_ready(number, now)?;
        }
        let never = |error: &dyn std::fmt::Display| NotBegun::Never(error.to_string());
        let (ledger, effects) = self.ledger.step(Spend::Start { approved, run: task.run(), now }).map_err(|not_now| never(&not_now))?;
        self.ledger = ledger;
        self.persist_ledger(effects);
        self.write_log(now, Logged::Spent(task.run().clone()));
        if task.round().is_some() {
            let outcomes = self.vault.step(Event::Begin(task.digest()), &self.setup.identity, &mut self.step.changes);
            self.carry_on(outcomes, now);
        }
        let running = Running { task: task.digest(), run: task.run().clone(), loads: task.before().version(), may_be_sent: false };
        self.start(number, task, running, starts.then_some(date));
        Ok(())
    }

    /// The run that this party would take part in now.
    pub(super) fn task(&self, operation: &Operation, date: i64, now: i64) -> Result<Task, NotBegun> {
        if self.active.is_some() {
            return Err(NotBegun::Waits("another operation runs".to_owned()));
        }
        if let Some(why) = self.hindrance().or_else(|| self.too_many_faults(operation.quorum)) {
            return Err(NotBegun::Waits(why));
        }
        self.is_after_restore(operation).map_err(|before| NotBegun::Never(before.to_string()))?;
        let round = match operation.body.needs_everyone() {
            true => Some(self.vault.may_begin().map_err(|refusal| NotBegun::Waits(self.in_words(refusal)))?),
            false => None,
        };
        let before = self.vault.current().ok_or_else(|| NotBegun::Waits(self.no_vault()))?;
        let never = |error: &dyn std::fmt::Display| NotBegun::Never(error.to_string());
        let task = Task::new(operation.clone(), before.clone(), date, round).map_err(|refused| never(&refused))?;
        task.accepts_date(now).map_err(|refused| never(&refused))?;
        Ok(task)
    }

    /// The date of the run: now, if this party begins; else what the one says that does.
    fn date(&self, number: u64, starts: bool, now: i64) -> Result<i64, NotBegun> {
        let proposal = &self.proposals[&number];
        let missing: Vec<PartyId> = proposal.operation().quorum.iter().filter(|p| *p != self.me && !self.linked.contains(*p)).collect();
        match (starts, proposal.start) {
            (true, _) if !missing.is_empty() => Err(NotBegun::Waits(format!("not connected: {}", self.names(missing).join(", ")))),
            (true, _) => Ok(now),
            (false, Some(start)) => Ok(start.date),
            (false, None) => {
                let who = proposal.starter().map(|party| self.name(party)).unwrap_or_default();
                Err(NotBegun::Waits(format!("{who} is to begin")))
            }
        }
    }

    fn start(&mut self, number: u64, task: Task, running: Running, date: Option<i64>) {
        let Some(proposal) = self.proposals.get_mut(&number) else { return };
        proposal.stage = Stage::Running(running);
        let (value, what) = (proposal.value.take(), proposal.what());
        let digest = proposal.digest;
        let quorum = proposal.operation().quorum;
        let start = date.map(|date| Start { number, operation: digest, date });
        proposal.start = start.or(proposal.start);
        // That the approval is spent is known to others before the run begins: a store that is put back has told more than it knows.
        self.tell_head();
        if let Some(start) = start {
            let others = self.others().filter(|party| quorum.contains(*party));
            others.for_each(|party| self.send(party, &Note::Start(start)));
        }
        self.active = Some(number);
        (self.asking, self.promise) = (None, None);
        self.step.then.push(Action::Start(Box::new(Begin { number, what, task, value })));
    }

    /// The run of the operation of this number has ended, and nothing of it goes on.
    pub fn run_ended(&mut self, number: u64, end: RunEnd, now: i64) {
        if self.active == Some(number) {
            self.active = None;
        }
        let Some(proposal) = self.proposals.get_mut(&number) else { return };
        let Stage::Running(running) = proposal.stage.clone() else { return self.advance(now) };
        let commits = proposal.operation().body.needs_everyone();
        if let Some(given_up) = proposal.given_up.take() {
            let mut reason = given_up;
            if let RunEnd::Failed { reason: own, check } = end {
                reason = format!("{reason}: {own}");
                check.into_iter().for_each(|check| self.count_fault(check, now));
            }
            self.finish(number, running, Err(reason), now);
            return self.advance(now);
        }
        match end {
            RunEnd::Made(verified, outcome) => {
                proposal.stage = Stage::Voting(running, Ok(outcome));
                self.vault.made(verified.after().clone());
                self.vault_step(verified.event(), now);
            }
            RunEnd::Called(outcome) => self.finish(number, running, Ok(outcome), now),
            RunEnd::Presigned(outcome, opened) => {
                proposal.opened = opened;
                self.finish(number, running, Ok(outcome), now);
            }
            RunEnd::Checked => self.finish(number, running, Ok(receipt::Outcome::NOTHING), now),
            RunEnd::Failed { reason, check } => {
                let reason = proposal.stopped.map_or(reason.clone(), |why| format!("{why}: {reason}"));
                if let Some(check) = check {
                    self.count_fault(check, now);
                }
                match commits {
                    true => {
                        let run = running.task;
                        self.set_stage(number, Stage::Voting(running, Err(reason)));
                        self.vault_step(Event::Failed(run), now);
                    }
                    false => self.finish(number, running, Err(reason), now),
                }
            }
        }
        self.advance(now);
    }

    /// What follows for the vault from an event.
    pub(super) fn vault_step(&mut self, event: Event<Digest>, now: i64) {
        let outcomes = self.vault.step(event, &self.setup.identity, &mut self.step.changes);
        self.carry_on(outcomes, now);
    }

    pub(super) fn carry_on(&mut self, outcomes: Vec<Outcome>, now: i64) {
        for outcome in outcomes {
            match outcome {
                Outcome::Stop(run) => {
                    let number = self.number_of(|running| running.task == run).map(|(number, _)| number);
                    if let Some(proposal) = number.and_then(|number| self.proposals.get_mut(&number)) {
                        proposal.stopped.get_or_insert("it was given up while it ran");
                    }
                    self.step.stops.extend(number.map(Action::StopSoon));
                }
                Outcome::Send(vote) => self.send_all(&Note::Vote(vote)),
                Outcome::Settled(run) => {
                    if let Some((number, running)) = self.number_of(|running| running.task == run) {
                        // Who did not see the end of the run knows nothing of what was opened in it.
                        let seen = match &self.proposals[&number].stage {
                            Stage::Voting(_, Ok(outcome)) => outcome.clone(),
                            _ => receipt::Outcome::NOTHING,
                        };
                        self.finish(number, running, Ok(seen), now);
                    }
                }
                Outcome::GivenUp(round) => self.given_up(round, now),
                Outcome::Entered => {
                    let (room, epoch) = (self.room(), self.vault.round().epoch);
                    tracing::info!(%room, epoch, version = self.vault.settled().number(), "the vault is in the room's epoch");
                }
                Outcome::OtherVault(party) if self.elsewhere.contains(party) => {}
                Outcome::OtherVault(party) => {
                    self.elsewhere = self.elsewhere.with(party);
                    let room = self.room();
                    tracing::error!(%room, party = self.name(party), "a member has entered the epoch with another vault than this party's");
                }
                Outcome::Report(report) => self.report(report),
                Outcome::Contradiction(party, votes) => self.write_contradiction(party, votes, now),
            }
        }
        self.stop_stale();
    }

    /// Stops a run that loads a version of the vault which this party gives out no more: others may use the next one. It is stopped before the vote, or the
    /// version, that forbids it is written.
    fn stop_stale(&mut self) {
        let loadable = self.vault.current().map(|manifest| manifest.version());
        let Some((number, proposal)) = self.active.and_then(|number| Some((number, self.proposals.get_mut(&number)?))) else { return };
        let loads = match &proposal.stage {
            Stage::Running(running) if !proposal.operation().body.needs_everyone() => running.loads,
            _ => return,
        };
        if loadable != Some(loads) && proposal.stopped.is_none() {
            proposal.stopped = Some("a newer version of the vault was committed while it ran");
            self.step.stops.push(Action::Stop(number));
        }
    }

    /// All members have given the round up: of what runs or waits for votes, what makes something new is over.
    fn given_up(&mut self, round: Round, now: i64) {
        let commits = |number: &u64| self.proposals[number].operation().body.needs_everyone();
        let number = self.proposals.iter().filter(|(_, p)| p.running().is_some()).map(|(number, _)| *number).find(commits);
        let Some((number, proposal)) = number.and_then(|number| Some((number, self.proposals.get_mut(&number)?))) else { return };
        let by_another = format!("another member has given attempt {} at version {} up", round.attempt, round.version);
        match proposal.stage.clone() {
            Stage::Running(_) => proposal.given_up = Some(by_another),
            Stage::Voting(running, Err(reason)) => self.finish(number, running, Err(reason), now),
            Stage::Voting(running, Ok(_)) => self.finish(number, running, Err(by_another), now),
            Stage::Open(_) | Stage::Ended(_) => {}
        }
    }

    fn number_of(&self, is: impl Fn(&Running) -> bool) -> Option<(u64, Running)> {
        let mut all = self.proposals.iter();
        all.find_map(|(number, proposal)| Some((*number, proposal.running().filter(|running| is(running))?.clone())))
    }

    fn report(&self, report: Report<Digest>) {
        let room = self.room();
        match report {
            Report::Old(vote) => tracing::error!(
                %room, ?vote,
                "this party's store is an old copy, as others have a vote of it that it does not know: {NEW_EPOCH}"
            ),
            // It is written as a contradiction, with the signatures.
            Report::Equivocation(..) => {}
            Report::Refused(refusal) => tracing::warn!(%room, %refusal, "the vault stays as it is"),
        }
    }

    /// The evidence stands in the log, once for each member: one pair proves all that any number of pairs does.
    fn write_contradiction(&mut self, party: PartyId, votes: [Vec<u8>; 2], now: i64) {
        if self.contradicted.contains(party) {
            return;
        }
        self.contradicted = self.contradicted.with(party);
        tracing::error!(room = %self.room(), member = self.name(party), "a member has signed two votes that exclude each other: the log has both");
        self.write_log(now, Logged::Contradiction { party, votes });
    }

    /// The run is over: its approval is used up, and the log says how it ended.
    pub(super) fn finish(&mut self, number: u64, running: Running, outcome: Result<receipt::Outcome, String>, now: i64) {
        match self.ledger.step(Spend::Ended(running.run.digest())) {
            Ok((ledger, effects)) => {
                self.ledger = ledger;
                self.persist_ledger(effects);
            }
            Err(error) => tracing::error!(room = %self.room(), operation = number, %error, "a run ended that was not begun"),
        }
        let operation = self.proposals[&number].operation().clone();
        let digest = operation.digest();
        let told = match &outcome {
            Ok(outcome) => self.done(number, operation, running.run.clone(), outcome.clone()),
            Err(reason) => LoggedOutcome::Failed(reason[..reason.floor_char_boundary(MAX_ERROR)].to_owned()),
        };
        self.write_log(now, Logged::Result { operation: digest, run: running.run.digest(), outcome: told });
        let end = match outcome {
            Ok(_) => {
                self.tell_done(number);
                End::Done
            }
            Err(reason) => {
                self.tell_ended(number, &reason);
                if running.may_be_sent { End::MayBeSent { reason } } else { End::Failed { reason } }
            }
        };
        self.set_stage(number, Stage::Ended(end));
        self.tell_head();
    }

    /// The one that begins, or that was to give a value, tells the others, who may not have begun, that it does not go on.
    fn tell_ended(&mut self, number: u64, reason: &str) {
        let proposal = &self.proposals[&number];
        if proposal.is_ended_by(self.me) {
            let note = Note::Ended { number, operation: proposal.digest, reason: reason.to_owned() };
            self.send_all(&note);
        }
    }

    /// The one that begins tells those who take no part that it took place.
    fn tell_done(&mut self, number: u64) {
        let proposal = &self.proposals[&number];
        if proposal.starter() == Some(self.me) {
            let note = Note::Done { number, operation: proposal.digest };
            let quorum = proposal.operation().quorum;
            self.others().filter(|party| !quorum.contains(*party)).for_each(|party| self.send(party, &note));
        }
    }

    fn persist_ledger(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            if let Effect::Persist(ledger) = effect {
                self.step.changes.ledger = Some((self.setup.parameters.charter().epoch, ledger.encode()));
            }
        }
    }

    pub(super) fn in_words(&self, refusal: Refusal) -> String {
        match refusal {
            Refusal::NotSynced(missing) => format!("not yet heard from since the start: {}", self.names(missing.iter()).join(", ")),
            Refusal::Leaving | Refusal::Entering(_) => self.no_vault(),
            other => other.to_string(),
        }
    }

    /// Whether this party has yet to decide about it.
    pub(super) fn is_undecided(&self, proposal: &Proposal) -> bool {
        proposal.is_open() && proposal.own.is_none() && proposal.has_part(self.me)
    }

    pub(super) fn view_of(&self, number: u64, proposal: &Proposal) -> OperationView {
        let operation = proposal.operation();
        let standing = match &proposal.stage {
            Stage::Open(waits) => match proposal.gathering.standing() {
                Standing::Waiting(missing) => Shown::Proposed { missing: self.names(missing.iter()) },
                Standing::Refused { by, reason } => Shown::Ended(End::Refused { by: self.name(by), reason }),
                Standing::Approved(_) if !proposal.has_part(self.me) => Shown::Approved { waits: "for those who take part".to_owned() },
                Standing::Approved(_) => Shown::Approved { waits: waits.clone().unwrap_or_default() },
            },
            Stage::Running(_) => Shown::Running,
            Stage::Voting(..) => {
                Shown::Voting { missing: self.vault.waits_for().map(|missing| self.names(missing.iter())).unwrap_or_default() }
            }
            Stage::Ended(end) => Shown::Ended(end.clone()),
        };
        let approve = proposal.deciding.statement(Choice::Approve);
        let undecided = self.is_undecided(proposal);
        OperationView {
            number,
            digest: proposal.digest.to_string(),
            what: proposal.what(),
            lines: words::summary(operation, |party| self.name(party)),
            proposer: self.name(operation.proposer),
            expiry: operation.expiry,
            away: self.names(operation.quorum.without(self.linked.with(self.me)).iter()),
            without: self.names(operation.everyone().without(operation.quorum).iter()),
            undecided,
            policy: proposal.not_by_policy.as_ref().filter(|_| undecided).map(ToString::to_string),
            to_sign: hex::encode(&approve.encode()),
            standing,
            differs: self.differences(number),
        }
    }
}
