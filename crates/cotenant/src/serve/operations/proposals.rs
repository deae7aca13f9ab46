//! Operations that were proposed, as this party knows them.
//!
//! Numbers: with n members, the member at seat s proposes under the numbers s + 1, s + 1 + n, s + 1 + 2n, ... So two proposals at one number are two by one
//! member, who is named. Each member counts its own numbers and nobody else's: which of its own a member uses says nothing about what another may.

use super::{differences::Difference, note::Start};
use cotenant_agent::approve::{
    deciding::Deciding,
    operation::{Body, Operation, Stored},
    policy::Refusal,
    receipt::Outcome,
    run::Run,
    statement::{BadStatement, Choice, Gathering, Signed, Standing},
};
use cotenant_agent::call::Opened;
use cotenant_agent::vault::commit::statement::{Parties, Version};
use cotenant_core::{Digest, PartyId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use zeroize::Zeroizing;

/// The next number of the member at `seat` of `n` above `newest`, its last.
pub(super) fn next_number(newest: u64, seat: PartyId, n: usize) -> u64 {
    let (n, seat) = (n as u64, seat.index() as u64);
    let behind = newest % n;
    newest + 1 + (seat + n - behind) % n
}

/// Whether the member at `seat` of `n` proposes under `number`.
pub(super) fn may_number(number: u64, seat: PartyId, n: usize) -> bool {
    number > 0 && (number - 1) % n as u64 == seat.index() as u64
}

/// One operation.
pub(super) struct Proposal {
    pub(super) digest: Digest,
    /// How long the operation is.
    pub(super) bytes: usize,
    pub(super) gathering: Gathering,
    /// Who has said something.
    said: Parties,
    /// Who has decided about another operation of the same number.
    pub(super) elsewhere: Parties,
    /// The people of this party on their way to a decision.
    pub(super) deciding: Deciding,
    /// Signatures of people that were counted.
    pub(super) evidence: Vec<Vec<u8>>,
    /// When the standing policy approved it, if it did: its rates count that as long as it may run.
    pub(super) by_policy: Option<i64>,
    /// Why the standing policy did not approve it, if it was asked since the daemon started.
    pub(super) not_by_policy: Option<Refusal>,
    /// What this party has said.
    pub(super) own: Option<Signed>,
    /// The value of a put, or all that this party gives to a call, until the run has it.
    pub(super) value: Option<Zeroizing<Vec<u8>>>,
    /// What was opened to this party alone, as long as its daemon lives.
    pub(super) opened: Option<Opened>,
    /// When who begins it asked whether this party can, if it has not been answered.
    pub(super) asked: Option<i64>,
    /// How often this party has asked the others, or has said that it can begin.
    pub(super) tries: u32,
    /// The first of those who take part has begun.
    pub(super) start: Option<Start>,
    pub(super) stage: Stage,
    /// Why its run was told to stop, if it was.
    pub(super) stopped: Option<&'static str>,
    /// That all members have given its attempt up while it ran, which it does a moment longer: it may know why.
    pub(super) given_up: Option<String>,
    /// Whether it stands in the log, as all do that this party proposed or decided about.
    pub(super) written: bool,
    /// Whom this party has told what it was shown under the number.
    pub(super) told: Parties,
    /// In what that differs from what others say they were shown.
    pub(super) differs: BTreeMap<PartyId, Vec<String>>,
    operation: Operation,
}

/// How far an operation has come here.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stage {
    /// It has not been begun; why it waits, if it is approved.
    Open(Option<String>),
    /// A run of it computes.
    Running(Running),
    /// The run is over; all have to vote. What all saw, or why it failed here.
    Voting(Running, Result<Outcome, String>),
    /// It is over.
    Ended(End),
}

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Running {
    /// The digest that the session and votes name.
    pub(super) task: Digest,
    /// The values that the approval was spent for.
    pub(super) run: Run,
    /// The version of the vault that it loads, if it makes none; none before the first.
    pub(super) loads: Option<Version<Digest>>,
    /// Whether this party has let the request of a call out, as its log says.
    pub(super) may_be_sent: bool,
}

/// What became of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "end", rename_all = "kebab-case")]
pub enum End {
    /// It was done.
    Done,
    /// It was not, and nothing has changed.
    Failed {
        /// Why.
        reason: String,
    },
    /// It was not done to its end, and its request may have been delivered.
    MayBeSent {
        /// Why.
        reason: String,
    },
    /// It was voted on when the room changed: the vault of the next epoch shows whether it took effect.
    InDoubt {
        /// Why.
        reason: String,
    },
    /// A party refused.
    Refused {
        /// Which.
        by: String,
        /// Why, as it says.
        reason: String,
    },
    /// It was not begun in time.
    Expired,
    /// Others did it without this party, as the one says that began it.
    Elsewhere {
        /// Which.
        by: String,
    },
    /// Others may have done it without this party; who was to begin it has not said.
    Unknown,
}

impl End {
    /// Why it was not done; none if it was, or expired.
    pub(super) fn reason(&self) -> Option<String> {
        match self {
            End::Done | End::Expired | End::Elsewhere { .. } | End::Unknown => None,
            End::Failed { reason } | End::MayBeSent { reason } | End::InDoubt { reason } => Some(reason.clone()),
            End::Refused { by, reason } => Some(format!("{by} refused: {reason}")),
        }
    }
}

/// An operation as it is shown. Texts that other parties wrote are not escaped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationView {
    /// Its number.
    pub number: u64,
    /// The digest that is approved, in hexadecimal.
    pub digest: String,
    /// What it does, in a few words.
    pub what: String,
    /// All of it, as lines of printable ASCII.
    pub lines: Vec<String>,
    /// Who proposed it.
    pub proposer: String,
    /// Who takes no part.
    pub without: Vec<String>,
    /// Members that take part and to whom there is no link now.
    pub away: Vec<String>,
    /// Until when it may begin, in seconds since 1970.
    pub expiry: i64,
    /// Whether this party has yet to decide.
    pub undecided: bool,
    /// Why the standing policy did not approve it, while it waits for this party; none if there is no policy, or it was asked before the daemon started.
    pub policy: Option<String>,
    /// What a person of this party signs to approve, in hexadecimal.
    pub to_sign: String,
    /// How it stands.
    pub standing: Shown,
    /// Members that say they were shown another operation under this number.
    pub differs: Vec<Difference>,
}

impl OperationView {
    /// Whether it was done.
    pub fn is_done(&self) -> bool {
        self.standing == Shown::Ended(End::Done)
    }
}

/// How an operation stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Shown {
    /// These take part and have yet to approve.
    Proposed {
        /// Their names.
        missing: Vec<String>,
    },
    /// All who take part have approved, and it waits.
    Approved {
        /// For what.
        waits: String,
    },
    /// It computes.
    Running,
    /// The members vote on what was made.
    Voting {
        /// Who has not voted.
        missing: Vec<String>,
    },
    /// It is over.
    Ended(End),
}

impl Proposal {
    pub(super) fn new(operation: Operation, deciding: Deciding) -> Proposal {
        let (digest, gathering) = (operation.digest(), Gathering::new(operation.clone()));
        let (said, bytes) = (Parties::NONE, operation.encode().len());
        Proposal {
            digest,
            bytes,
            gathering,
            said,
            elsewhere: Parties::NONE,
            deciding,
            evidence: Vec::new(),
            by_policy: None,
            not_by_policy: None,
            own: None,
            value: None,
            opened: None,
            asked: None,
            tries: 0,
            start: None,
            stage: Stage::Open(None),
            stopped: None,
            given_up: None,
            written: false,
            told: Parties::NONE,
            differs: BTreeMap::new(),
            operation,
        }
    }

    pub(super) fn operation(&self) -> &Operation {
        &self.operation
    }

    /// The first of those who take part, who begins the run.
    pub(super) fn starter(&self) -> Option<PartyId> {
        self.operation.quorum.iter().next()
    }

    /// Whether this member gives the value of a put, or something private in a call.
    pub(super) fn is_given_by(&self, party: PartyId) -> bool {
        self.operation.body.givers().contains(party)
    }

    /// Whether this member is to give something, and this daemon does not have it.
    pub(super) fn lacks_value(&self, me: PartyId) -> bool {
        self.is_given_by(me) && self.value.is_none()
    }

    /// What this member is to give to a call, by holes of its text.
    pub(super) fn asks_of(&self, party: PartyId) -> Vec<String> {
        let Body::Call(call) = &self.operation.body else { return Vec::new() };
        call.slots.iter().filter(|slot| slot.source.owner() == Some(party)).map(|slot| slot.hole.clone()).collect()
    }

    /// Whether it does not begin if this member says so: nothing begins without who is to begin it, or who is to give a value.
    pub(super) fn is_ended_by(&self, party: PartyId) -> bool {
        self.starter() == Some(party) || self.is_given_by(party)
    }

    /// Whether this member takes part.
    pub(super) fn has_part(&self, member: PartyId) -> bool {
        self.operation.quorum.contains(member)
    }

    /// Whether all who take part have approved it, and this party is none of them.
    pub(super) fn is_for_others(&self, me: PartyId) -> bool {
        !self.has_part(me) && matches!(self.gathering.standing(), Standing::Approved(_))
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open(_))
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended(_))
    }

    /// Whether others may yet have to know what this party says about it. Of what was refused that is a refusal.
    pub(super) fn matters(&self, now: i64) -> bool {
        match self.stage {
            Stage::Ended(End::Refused { .. }) => now < self.operation.expiry && self.own.is_some() && !self.approved_here(),
            Stage::Ended(_) => false,
            Stage::Open(_) | Stage::Running(_) | Stage::Voting(..) => true,
        }
    }

    /// The same about this party: who takes no part may not have heard of it when it was over.
    pub(super) fn matters_to(&self, party: PartyId, now: i64) -> bool {
        self.matters(now) || !self.has_part(party) && now < self.operation.expiry
    }

    /// It is over.
    pub(super) fn end(&mut self, end: End) {
        self.stage = Stage::Ended(end);
        self.value = None;
    }

    /// The run that has begun and is not over.
    pub(super) fn running(&self) -> Option<&Running> {
        match &self.stage {
            Stage::Running(running) | Stage::Voting(running, _) => Some(running),
            Stage::Open(_) | Stage::Ended(_) => None,
        }
    }

    /// Takes what a party has said; whether it is news.
    ///
    /// # Errors
    /// If it does not count.
    pub(super) fn hear(&mut self, signed: Signed, me: PartyId) -> Result<bool, BadStatement> {
        let party = signed.statement.party;
        self.gathering.add(signed.clone())?;
        let news = !self.said.contains(party);
        self.said = self.said.with(party);
        if party == me {
            self.own = Some(signed);
        }
        Ok(news)
    }

    /// Whether this party has approved.
    pub(super) fn approved_here(&self) -> bool {
        self.own.as_ref().is_some_and(|signed| signed.statement.choice == Choice::Approve)
    }

    /// What it does, in a few words.
    pub(super) fn what(&self) -> String {
        let list = |items: &[Stored]| items.iter().map(|stored| stored.item.to_string()).collect::<Vec<_>>().join(", ");
        match &self.operation.body {
            Body::Put { item, .. } => format!("put {}", item.name),
            Body::Gen(item) => format!("gen {}", item.name),
            Body::Refresh(items) => format!("refresh {}", list(items)),
            Body::Reshare(items) => format!("reshare {}", list(items)),
            Body::Repair { items, .. } => format!("repair {}", list(items)),
            Body::Remove(items) => format!("remove {}", list(items)),
            Body::Verify(items) => format!("verify {}", list(items)),
            Body::Call(call) => format!("call {}:{}", call.host, call.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_member_has_numbers_of_its_own() {
        for n in 2..6 {
            for newest in 0..20 {
                let next: Vec<u64> = PartyId::all(n).map(|seat| next_number(newest, seat, n)).collect();
                for (seat, number) in PartyId::all(n).zip(&next) {
                    assert!(may_number(*number, seat, n) && (newest + 1..=newest + n as u64).contains(number), "{n} {newest} {seat}");
                    assert!(PartyId::all(n).filter(|other| *other != seat).all(|other| !may_number(*number, other, n)));
                }
            }
        }
        assert!(!may_number(0, PartyId::new(0), 2));
    }
}
