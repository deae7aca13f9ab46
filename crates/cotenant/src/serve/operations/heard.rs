//! What other members tell.

use super::{
    Operations,
    budget::Exceeded,
    note::{Note, Start, Vote},
    proposals::{End, may_number},
    propose::{engine_digest, program},
};
use cotenant_agent::{
    approve::{
        log::{Event as Logged, Grounds},
        operation::{BadOperation, Body, Operation},
        statement::{BadStatement, Choice, PURPOSE, Signed, Standing},
    },
    flow,
    vault::commit::Event,
};
use cotenant_core::{Digest, PartyId, codec::BadFormat};

/// How far the numbers of this party go up at once because others count higher.
const MAX_AHEAD: u64 = 1 << 16;

/// Why a proposal is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Objection {
    /// It breaks a rule of all operations.
    #[error(transparent)]
    Operation(#[from] BadOperation),
    /// It is of another epoch of the room.
    #[error("it is of another epoch of the room")]
    Epoch,
    /// It is of another room, or names other members or another threshold.
    #[error("it is of another room, members or threshold")]
    Room,
    /// Somebody else than its proposer sent it.
    #[error("somebody else than its proposer sent it")]
    Proposer,
    /// Another than its proposer is to give a value, and its text does not name that member.
    #[error("somebody else than its proposer, or than its text names, is to give its value")]
    Giver,
    /// Another than its proposer would alone be told what it opens, and has not asked for it.
    #[error("somebody else than its proposer would be told what it opens")]
    Reader,
    /// The number is another member's, or one of an earlier epoch.
    #[error("its number is another member's, or one of an earlier epoch")]
    Number,
    /// Its proposer has proposed something else under that number.
    #[error("its proposer has proposed something else under that number")]
    Twice,
    /// It has expired, or lives longer than proposals do in this room.
    #[error("it has expired, or would wait for longer than the room allows")]
    Expiry,
    /// It is for another program or engine.
    #[error("it is for another version of the program, or another engine")]
    Program,
    /// Beside the text of a call stands something that does not follow from it.
    #[error("its text is no flow, or the call is not what its text says")]
    NotItsText,
    /// The proposer has proposed too much.
    #[error(transparent)]
    Many(#[from] Exceeded),
}

impl Operations {
    /// A note came from a member, over a link that is authenticated as its own.
    ///
    /// # Errors
    /// If these bytes are no note; the member is at fault.
    pub fn heard(&mut self, from: PartyId, bytes: &[u8], now: i64) -> Result<(), BadFormat> {
        match Note::decode(bytes)? {
            Note::Proposal(operation) => self.heard_proposal(from, &operation, now),
            Note::Decision(signed) => self.heard_decision(from, signed, now),
            Note::Ready { number, operation, asks } => self.heard_ready(from, number, operation, asks, now),
            Note::Start(start) => self.heard_start(from, start),
            Note::Ended { number, operation, reason } => self.heard_ended(from, number, operation, &reason, now),
            Note::Done { number, operation } => self.heard_done(from, number, operation, now),
            Note::Checkpoint(told) => self.heard_checkpoint(from, told, now),
            Note::Known(known) => self.heard_known(from, known, now),
            Note::Mine(operation) => self.heard_mine(from, &operation),
            Note::Vote(vote) => self.heard_votes(&[vote], now),
            Note::Told { epoch, newest, standing, votes, asks } => {
                // One that is new to the room begins behind what others have counted.
                self.newest = self.newest.max(newest.min(self.newest.saturating_add(MAX_AHEAD)));
                self.heard_votes(&votes, now);
                // One that is in another epoch of the room may yet vote in the vault's.
                if epoch == self.setup.parameters.charter().epoch {
                    self.vault.stands(from, standing);
                    self.vault_step(Event::Synced(from), now);
                    if asks {
                        self.behind(from);
                    }
                }
            }
            Note::Vault(manifest) => self.vault.shown(from, &manifest),
            Note::Receipt { number, signature, asks } => {
                self.heard_receipt(from, number, signature, now);
                self.answer_receipt(from, number, asks);
            }
        }
        self.advance(now);
        Ok(())
    }

    fn heard_proposal(&mut self, from: PartyId, bytes: &[u8], now: i64) {
        let judged = Operation::decode(bytes).map_err(Objection::Operation).and_then(|operation| {
            let known = self.known(operation.number);
            if known == Some(operation.digest()) {
                return Ok(None);
            }
            self.acceptable(from, &operation, now)?;
            // Reading it and finding what is wrong costs this party as much as what is taken.
            let judged = match known {
                None => self.is_its_text(&operation),
                Some(_) => Err(Objection::Twice),
            };
            if judged.is_err() {
                self.budget.take(from, now, bytes.len());
            }
            if judged == Err(Objection::Twice) {
                self.heard_mine(from, bytes);
            }
            judged.map(|()| Some(operation))
        });
        match judged {
            Ok(Some(operation)) => self.accept(operation, None, now),
            // Who is still in the epoch before, or is in the next one already, says what is right there, and says it again when both are in the same.
            Ok(None) | Err(Objection::Epoch) => {}
            Err(objection) => self.complain(from, None, &objection, now),
        }
    }

    /// The operation that a number belongs to here: one that is remembered, or that this party has decided about.
    pub(super) fn known(&self, number: u64) -> Option<Digest> {
        let remembered = self.proposals.get(&number).map(|known| known.digest);
        remembered.or_else(|| self.ledger.state(number).map(|state| state.operation()))
    }

    /// Whether this is a proposal that people should be asked about, by all but the text of a call.
    fn acceptable(&self, from: PartyId, operation: &Operation, now: i64) -> Result<(), Objection> {
        let parameters = &self.setup.parameters;
        let charter = parameters.charter();
        let demand = |holds: bool, objection: Objection| if holds { Ok(()) } else { Err(objection) };
        demand(operation.room != charter.room || operation.epoch == charter.epoch, Objection::Epoch)?;
        let place = (operation.room, operation.threshold) == (charter.room, charter.threshold);
        demand(place && parameters.keys().eq(operation.members.iter().copied()), Objection::Room)?;
        demand(operation.proposer == from, Objection::Proposer)?;
        demand(!self.used.contains(&operation.number) && may_number(operation.number, from, self.n()), Objection::Number)?;
        let latest = now.saturating_add(charter.limits.proposal.into()).saturating_add(charter.limits.clock.into());
        demand((now + 1..=latest).contains(&operation.expiry), Objection::Expiry)?;
        let same = operation.program == program() && operation.engine == engine_digest(charter);
        demand(same, Objection::Program)?;
        let put_by_another = matches!(operation.body, Body::Put { giver, .. } if giver != operation.proposer);
        demand(!put_by_another, Objection::Giver)?;
        demand(operation.body.reader().is_none_or(|reader| reader == operation.proposer), Objection::Reader)?;
        Ok(self.has_room(operation, now)?)
    }

    pub(super) fn heard_decision(&mut self, from: PartyId, signed: Signed, now: i64) {
        let number = signed.statement.number;
        let me = self.me;
        let Some(proposal) = self.proposals.get_mut(&number) else {
            return self.keep_early(signed);
        };
        if signed.statement.party == me || proposal.has_ended() {
            return;
        }
        match proposal.hear(signed.clone(), me) {
            Ok(true) if proposal.written => {
                self.write_log(now, Logged::Decision { signed: signed.clone(), grounds: Grounds::Theirs });
            }
            Ok(true) if !proposal.has_part(me) && matches!(proposal.gathering.standing(), Standing::Approved(_)) => {
                self.write_down(number, now);
            }
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return self.odd_decision(from, &signed, error, now),
        }
        let takes_part = self.proposals[&number].has_part(signed.statement.party);
        if let Choice::Refuse(reason) = signed.statement.choice
            && takes_part
        {
            let by = self.name(signed.statement.party);
            self.end_unbegun(number, End::Refused { by, reason }, now);
        }
    }

    /// A member that has decided about another operation of this number was shown another one: by its proposer, whose numbers nobody else uses.
    fn odd_decision(&mut self, from: PartyId, signed: &Signed, error: BadStatement, now: i64) {
        let number = signed.statement.number;
        let (parameters, statement) = (&self.setup.parameters, &signed.statement);
        let signer = parameters.members().get(statement.party.index()).map(|member| member.key);
        let is_signed = signer.is_some_and(|key| key.verify(PURPOSE, &statement.encode(), &signed.signature).is_ok());
        let Some(proposal) = self.proposals.get_mut(&number) else { return };
        let here = (statement.room, statement.epoch) == (proposal.operation().room, proposal.operation().epoch);
        if !is_signed || !here || statement.operation == proposal.digest {
            return self.complain(from, Some(number), &error, now);
        }
        let other = statement.party;
        if !proposal.elsewhere.contains(other) {
            proposal.elsewhere = proposal.elsewhere.with(statement.party);
            let (proposer, by) = (proposal.operation().proposer, statement.party);
            let (proposer, by) = (self.name(proposer), self.name(by));
            tracing::warn!(
                room = %self.room(),
                operation = number,
                proposer,
                by,
                "this member has decided about another operation: the proposer proposed two under one number"
            );
        }
        self.tell_mine(other, number);
    }

    fn heard_start(&mut self, from: PartyId, start: Start) {
        let Some(proposal) = self.proposals.get_mut(&start.number) else { return };
        if proposal.digest == start.operation && proposal.starter() == Some(from) && proposal.is_open() {
            proposal.start = Some(start);
        }
    }

    fn heard_ended(&mut self, from: PartyId, number: u64, operation: Digest, reason: &str, now: i64) {
        let Some(proposal) = self.proposals.get(&number) else { return };
        // It has spent its own approval, or given it up: it cannot begin any more.
        if proposal.digest == operation && proposal.is_ended_by(from) {
            let reason = format!("{} says: {reason}", self.name(from));
            // Whoever takes part and has not begun knows that nothing was sent without its part; others do not.
            let call = matches!(proposal.operation().body, Body::Call(_));
            let end = if call && !proposal.has_part(self.me) { End::MayBeSent { reason } } else { End::Failed { reason } };
            self.end_unbegun(number, end, now);
        }
    }

    /// Who takes part sees the end of its own run.
    fn heard_done(&mut self, from: PartyId, number: u64, operation: Digest, now: i64) {
        let Some(proposal) = self.proposals.get(&number) else { return };
        if proposal.digest == operation && proposal.starter() == Some(from) && !proposal.has_part(self.me) {
            let by = self.name(from);
            self.end_unbegun(number, End::Elsewhere { by }, now);
        }
    }

    /// Whether a call is what its text says, and each who gives something private to it is the member that is named there, or proposes it.
    fn is_its_text(&self, operation: &Operation) -> Result<(), Objection> {
        let Body::Call(call) = &operation.body else { return Ok(()) };
        if flow::is_its_text(call) != Ok(true) {
            return Err(Objection::NotItsText);
        }
        let is_meant = |(name, seat): (Option<String>, PartyId)| name.map_or(seat == operation.proposer, |name| self.name(seat) == name);
        let givers = flow::givers(call).map_err(|_| Objection::NotItsText)?;
        if givers.into_iter().all(is_meant) { Ok(()) } else { Err(Objection::Giver) }
    }

    fn heard_votes(&mut self, votes: &[Vote], now: i64) {
        for vote in votes {
            let outcomes = self.vault.heard(*vote, &self.setup.identity, &mut self.step.changes);
            self.carry_on(outcomes, now);
        }
    }
}
