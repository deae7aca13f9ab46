//! What a log tells.

use super::Checkpoint;
use crate::{
    approve::{
        deciding::MAX_PEOPLE,
        operation::{MAX_OPERATION, Operation},
        person::MAX_SIGNATURE,
        run::Run,
        statement::{MAX_REASON, Signed, Statement},
        wire::{Put, Take},
    },
    vault::commit::statement::Parties,
};
use cotenant_core::{
    Digest, PartyId,
    codec::{BadFormat, Reader, Writer},
};

const MAX_RUN: usize = 1 << 18;
const MAX_STATEMENT: usize = 2 << 10;
const MAX_VOTE: usize = 1 << 10;

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// 1: an operation was proposed.
    Proposal(Box<Operation>),
    /// 2: a party decided.
    Decision {
        /// What it says, with its signature.
        signed: Signed,
        /// On what grounds, as far as the owner of the log knows.
        grounds: Grounds,
    },
    /// 3: an approval was spent for this run.
    Spent(Run),
    /// 4: a run ended.
    Result {
        /// The operation's digest.
        operation: Digest,
        /// The run's digest.
        run: Digest,
        /// How it ended.
        outcome: Outcome,
    },
    /// 5: the room entered an epoch, with these parameters.
    Epoch {
        /// The epoch.
        epoch: u32,
        /// Digest of its parameters.
        parameters: Digest,
    },
    /// 6: a check failed.
    FailedCheck {
        /// Which, as the program names it; up to 1024 bytes.
        check: String,
        /// Who may be at fault.
        parties: Parties,
    },
    /// 7: another party told where its log ends.
    Seen(Checkpoint),
    /// 8: the owner's store was made of a backup, at this time in seconds since 1970; all other members have told since what they know.
    Restored(i64),
    /// 9: people have set a counter of failed checks to 0.
    Cleared {
        /// Of whom; nobody for that of the members together.
        party: Option<PartyId>,
        /// Why; up to 1024 bytes.
        reason: String,
    },
    /// 10: a person of the owner's party has signed a statement, which may not decide alone.
    Vote {
        /// What the person signed.
        statement: Statement,
        /// The signature, as it came.
        signature: Vec<u8>,
    },
    /// 13: from here on the request of a call may be sent: its owner's part of the ciphertext leaves it next. A run that has this and no result may have been
    /// delivered.
    MayBeSent {
        /// The operation's digest.
        operation: Digest,
        /// The run's digest.
        run: Digest,
    },
    /// 11: an operation that the owner had approved was over without a run.
    Void {
        /// The operation's digest.
        operation: Digest,
        /// Why; up to 1024 bytes. None if it expired.
        reason: Option<String>,
    },
    /// 12: a member signed two votes of a commit that exclude each other, which no honest one does unless it was restored from a copy.
    Contradiction {
        /// The member.
        party: PartyId,
        /// What it signed, each as signature (64), then the bytes that are signed for the purpose `vault vote`; up to 1024 bytes.
        votes: [Vec<u8>; 2],
    },
}

/// On what grounds a party decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grounds {
    /// 1: another party's, which are its own business.
    Theirs,
    /// 2: signatures of people, as they came.
    People(Vec<Vec<u8>>),
    /// 3: the rule of a standing policy; up to 1024 bytes of its name.
    Policy(String),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// 1: with a receipt of this digest.
    Done(Digest),
    /// 2: in an error; up to 1024 bytes of it.
    Failed(String),
}

impl Event {
    pub(super) fn write(&self, to: Writer) -> Writer {
        match self {
            Event::Proposal(operation) => to.u8(1).string(&operation.encode()),
            Event::Decision { signed, grounds } => {
                let to = to.u8(2).put(&signed.signature).string(&signed.statement.encode());
                match grounds {
                    Grounds::Theirs => to.u8(1),
                    Grounds::People(all) => to.u8(2).list(all.iter(), |to, one| to.string(one)),
                    Grounds::Policy(rule) => to.u8(3).string(cut(rule)),
                }
            }
            Event::Spent(run) => to.u8(3).string(&run.encode()),
            Event::Result { operation, run, outcome } => {
                let to = to.u8(4).digest(operation).digest(run);
                match outcome {
                    Outcome::Done(receipt) => to.u8(1).digest(receipt),
                    Outcome::Failed(error) => to.u8(2).string(cut(error)),
                }
            }
            Event::Epoch { epoch, parameters } => to.u8(5).u32(*epoch).digest(parameters),
            Event::FailedCheck { check, parties } => to.u8(6).string(cut(check)).parties(*parties),
            Event::Seen(checkpoint) => checkpoint.write(to.u8(7)),
            Event::Restored(at) => to.u8(8).i64(*at),
            Event::Vote { statement, signature } => to.u8(10).string(&statement.encode()).string(signature),
            Event::Cleared { party, reason } => to.u8(9).list(party.iter(), |to, party| to.seat(*party)).string(cut(reason)),
            Event::MayBeSent { operation, run } => to.u8(13).digest(operation).digest(run),
            Event::Contradiction { party, votes: [one, other] } => to.u8(12).seat(*party).string(one).string(other),
            Event::Void { operation, reason } => to.u8(11).digest(operation).list(reason.iter(), |to, reason| to.string(cut(reason))),
        }
    }

    pub(super) fn read(from: &mut Reader) -> Result<Self, BadFormat> {
        Ok(match Take::u8(from)? {
            1 => Event::Proposal(Box::new(Operation::decode(&from.string(MAX_OPERATION)?).map_err(|_| BadFormat)?)),
            2 => {
                let signature = from.fixed()?;
                let statement = Statement::decode(&from.string(MAX_STATEMENT)?)?;
                Event::Decision { signed: Signed { statement, signature }, grounds: Grounds::read(from)? }
            }
            3 => Event::Spent(Run::decode(&from.string(MAX_RUN)?)?),
            4 => Event::Result { operation: from.digest()?, run: from.digest()?, outcome: Outcome::read(from)? },
            5 => Event::Epoch { epoch: from.u32()?, parameters: from.digest()? },
            6 => Event::FailedCheck { check: from.text(MAX_REASON)?, parties: from.parties()? },
            7 => Event::Seen(Checkpoint::read(from)?),
            8 => Event::Restored(from.i64()?),
            10 => Event::Vote { statement: Statement::decode(&from.string(MAX_STATEMENT)?)?, signature: from.string(MAX_SIGNATURE)? },
            9 => Event::Cleared { party: from.list(1, Take::seat)?.pop(), reason: from.text(MAX_REASON)? },
            13 => Event::MayBeSent { operation: from.digest()?, run: from.digest()? },
            12 => Event::Contradiction { party: from.seat()?, votes: [from.string(MAX_VOTE)?, from.string(MAX_VOTE)?] },
            11 => Event::Void { operation: from.digest()?, reason: from.list(1, |from| from.text(MAX_REASON))?.pop() },
            _ => return Err(BadFormat),
        })
    }
}

/// As much of a text as is read back: an error may have something long in it that another party chose, and a log with one entry that is not read back is
/// lost from there on.
fn cut(text: &str) -> &[u8] {
    &text.as_bytes()[..text.floor_char_boundary(MAX_REASON)]
}

impl Grounds {
    fn read(from: &mut Reader) -> Result<Self, BadFormat> {
        Ok(match Take::u8(from)? {
            1 => Grounds::Theirs,
            2 => Grounds::People(from.list(MAX_PEOPLE, |from| from.string(MAX_SIGNATURE))?),
            3 => Grounds::Policy(from.text(MAX_REASON)?),
            _ => return Err(BadFormat),
        })
    }
}

impl Outcome {
    fn read(from: &mut Reader) -> Result<Self, BadFormat> {
        Ok(match Take::u8(from)? {
            1 => Outcome::Done(from.digest()?),
            2 => Outcome::Failed(from.text(MAX_REASON)?),
            _ => return Err(BadFormat),
        })
    }
}
