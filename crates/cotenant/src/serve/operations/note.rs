//! What parties tell each other about operations, over their control links.
//!
//! | note | kind (1), then |
//! | --- | --- |
//! | proposal | 1: the operation (string) |
//! | decision | 2: signature and statement of a party (string) |
//! | start | 3: number (8), operation (32), date of the run (8) |
//! | ended | 4: number (8), operation (32), why it did not take place (string, up to [`MAX_REASON`] bytes) |
//! | vote | 5: signature (64), statement of the commit; of ENTERED also the digest of the vault that the epoch begins with (32) |
//! | told | 6: epoch of the room (4), newest number of an operation (8), 1 if the sender may rely on its record of the vault, number (2), then as many runs (32), rising, of which it has all shares; number (2), then as many votes: all that it has; 1 if it wants to be told as well |
//! | receipt | 7: number (8), signature (64) of the sender, 1 if it lacks signatures of others, else 0 |
//! | done | 8: number (8), operation (32): the sender, who began it, says so to those who took no part |
//! | checkpoint | 9: where the sender's log ends (string) |
//! | known | 10: where the receiver's log ends, as the sender has heard last (string) |
//! | mine | 12: the operation that the sender was shown under its number (string), when another one is spoken of |
//! | vault | 13: what is in the vault with which the sender has signed that it enters an epoch (string, up to [`MAX_MANIFEST`] bytes) |
//! | ready | 11: number (8), operation (32), 1 if the sender asks whether the other can begin it now, 0 if it says that it can |
//!
//! Parties are meant by their seats, in a vote by those of the epoch that it is about. Numbers are little-endian; a string stands after its length (4). Nothing here has been verified.

use super::{
    entering::{Run, Standing},
    vault::RECORD,
};
use crate::store::{
    field::{Put, Take},
    record::{put_statement, statement},
};
use cotenant_agent::{
    approve::{
        log::Checkpoint,
        operation::{MAX_ITEMS, MAX_OPERATION},
        statement::Signed,
    },
    operate::MAX_MANIFEST,
    room::RoomId,
    vault::commit::statement::{self, Statement},
};
use cotenant_core::{
    Digest,
    codec::{BadFormat, Reader, Writer},
};
use cotenant_net::{Identity, PublicIdentity};
use std::collections::BTreeSet;

/// The longest reason, in bytes.
pub(super) const MAX_REASON: usize = 1 << 10;
/// What the signature of a vote is for.
const VOTE_PURPOSE: &str = "vault vote";
/// The form of the bytes of a vote.
const VOTE_FORM: u8 = 1;
/// The most runs of which somebody has shares: of the items of a few versions.
pub(super) const MAX_RUNS: usize = 4 * MAX_ITEMS;
/// The most votes in one note: a proof of 64, and of 64 parties two votes and entries of two epochs.
const MAX_VOTES: u16 = 5 * 64;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// The canonical bytes of an operation that the sender proposes.
    Proposal(Vec<u8>),
    /// What a party has decided.
    Decision(Signed),
    /// The first of those who take part begins the run.
    Start(Start),
    /// The sender does not go on with it.
    Ended {
        /// The number.
        number: u64,
        /// The operation.
        operation: Digest,
        /// Why.
        reason: String,
    },
    /// A vote of a commit.
    Vote(Vote),
    /// All that the sender has.
    Told {
        /// The epoch of the room that the sender is in. It votes in no earlier one any more.
        epoch: u32,
        /// The newest number of an operation that it knows of, in any epoch.
        newest: u64,
        /// Where it stands with the vault.
        standing: Standing,
        /// Votes.
        votes: Vec<Vote>,
        /// Whether it wants to be told as well.
        asks: bool,
    },
    /// The bytes of a [`cotenant_agent::operate::Manifest`].
    Vault(Vec<u8>),
    /// The sender's signature under a receipt.
    Receipt {
        /// The operation's number.
        number: u64,
        /// The signature.
        signature: [u8; 64],
        /// Whether the sender lacks signatures of others.
        asks: bool,
    },
    /// Whether it can begin: asked by who begins it, and answered if it can.
    Ready {
        /// The number.
        number: u64,
        /// The operation.
        operation: Digest,
        /// Whether this is the question.
        asks: bool,
    },
    /// What the sender was shown under its number, where somebody speaks of another operation.
    Mine(Vec<u8>),
    /// It took place, without whom this is told.
    Done {
        /// The number.
        number: u64,
        /// The operation.
        operation: Digest,
    },
    /// Where the sender's log ends.
    Checkpoint(Checkpoint),
    /// What the receiver once told of its own log.
    Known(Checkpoint),
}

/// Which run begins, and its date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) number: u64,
    pub(super) operation: Digest,
    pub(super) date: i64,
}

/// A statement of the commit, its parties by their seats in the epoch that it is about, and its signer's signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vote {
    pub(super) statement: Statement<Digest>,
    pub(super) signature: [u8; 64],
    /// Of ENTERED, and of it alone, the digest of the vault that the epoch begins with.
    pub(super) begins_with: Option<Digest>,
}

impl Vote {
    /// Signed by the party that `statement` is of. `parameters` are those of the epoch that it is about.
    pub(super) fn sign(
        (room, parameters): (RoomId, Digest),
        statement: Statement<Digest>,
        begins_with: Option<Digest>,
        identity: &Identity,
    ) -> Vote {
        let vote = Vote { statement, signature: [0; 64], begins_with };
        Vote { signature: identity.sign(VOTE_PURPOSE, &vote.signed(room, parameters)), ..vote }
    }

    /// Whether `signer` made it, in this room; `parameters` are those of the epoch that it is about.
    pub(super) fn is_by(&self, (room, parameters): (RoomId, Digest), signer: &PublicIdentity) -> bool {
        signer.verify(VOTE_PURPOSE, &self.signed(room, parameters), &self.signature).is_ok()
    }

    /// Form (1), room (16), what is committed (string), statement; of ENTERED also the digest of the epoch's parameters (32), and so its members by their
    /// keys, and that of the vault that it begins with (32).
    fn signed(&self, room: RoomId, parameters: Digest) -> Vec<u8> {
        let to = put_statement(Writer::new().u8(VOTE_FORM).bytes(&room.0).string(RECORD.as_bytes()), &self.statement);
        match &self.begins_with {
            Some(vault) => to.bytes(&parameters.0).bytes(&vault.0).done(),
            None => to.done(),
        }
    }

    /// Signature and what it is of: whoever has its signer's key can verify it.
    pub(super) fn evidence(&self, (room, parameters): (RoomId, Digest)) -> Vec<u8> {
        [&self.signature[..], &self.signed(room, parameters)].concat()
    }

    fn write(&self, to: Writer) -> Writer {
        let to = put_statement(to.bytes(&self.signature), &self.statement);
        self.begins_with.iter().fold(to, |to, vault| to.bytes(&vault.0))
    }

    fn read(from: &mut Reader<'_>) -> Result<Vote, BadFormat> {
        let (signature, statement) = (from.array()?, statement(from)?);
        let begins_with = match statement.vote {
            statement::Vote::Entered(_) => Some(Digest(from.array()?)),
            _ => None,
        };
        Ok(Vote { statement, signature, begins_with })
    }
}

/// Whether these are a vote of `signer`, as [`Vote::evidence`].
pub(super) fn is_evidence(signer: &PublicIdentity, bytes: &[u8]) -> bool {
    bytes.split_first_chunk().is_some_and(|(signature, signed)| signer.verify(VOTE_PURPOSE, signed, signature).is_ok())
}

impl Note {
    /// As bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let to = Writer::new();
        match self {
            Note::Proposal(operation) => to.u8(1).string(operation),
            Note::Decision(signed) => to.u8(2).string(&signed.encode()),
            Note::Start(Start { number, operation, date }) => to.u8(3).u64(*number).bytes(&operation.0).bytes(&date.to_le_bytes()),
            Note::Ended { number, operation, reason } => {
                let end = reason.floor_char_boundary(MAX_REASON);
                to.u8(4).u64(*number).bytes(&operation.0).string(&reason.as_bytes()[..end])
            }
            Note::Vote(vote) => vote.write(to.u8(5)),
            Note::Told { epoch, newest, standing: Standing { knows, has }, votes, asks } => {
                let to = to.u8(6).u32(*epoch).u64(*newest).u8((*knows).into()).u16(has.len() as u16);
                let to = has.iter().fold(to, |to, run| to.bytes(run)).u16(votes.len() as u16);
                votes.iter().fold(to, |to, vote| vote.write(to)).u8((*asks).into())
            }
            Note::Vault(manifest) => to.u8(13).string(manifest),
            Note::Receipt { number, signature, asks } => to.u8(7).u64(*number).bytes(signature).u8((*asks).into()),
            Note::Mine(operation) => to.u8(12).string(operation),
            Note::Done { number, operation } => to.u8(8).u64(*number).bytes(&operation.0),
            Note::Checkpoint(told) => to.u8(9).string(&told.encode()),
            Note::Known(known) => to.u8(10).string(&known.encode()),
            Note::Ready { number, operation, asks } => to.u8(11).u64(*number).bytes(&operation.0).u8((*asks).into()),
        }
        .done()
    }

    /// From all of `bytes`.
    ///
    /// # Errors
    /// If they are no note.
    pub(super) fn decode(bytes: &[u8]) -> Result<Note, BadFormat> {
        let mut from = Reader::new(bytes);
        let note = Self::read(&mut from)?;
        from.end()?;
        Ok(note)
    }

    fn read(from: &mut Reader<'_>) -> Result<Note, BadFormat> {
        Ok(match from.u8()? {
            1 => Note::Proposal(limited(from, MAX_OPERATION)?.to_vec()),
            2 => Note::Decision(Signed::decode(from.string()?)?),
            3 => Note::Start(Start { number: from.u64()?, operation: Digest(from.array()?), date: i64::from_le_bytes(from.array()?) }),
            4 => {
                let (number, operation) = (from.u64()?, Digest(from.array()?));
                let reason = String::from_utf8(limited(from, MAX_REASON)?.to_vec()).map_err(|_| BadFormat)?;
                Note::Ended { number, operation, reason }
            }
            5 => Note::Vote(Vote::read(from)?),
            6 => {
                let (epoch, newest, knows) = (from.u32()?, from.u64()?, from.flag()?);
                let standing = Standing { knows, has: runs(from)? };
                let count = from.u16()?;
                if count > MAX_VOTES {
                    return Err(BadFormat);
                }
                let votes = (0..count).map(|_| Vote::read(from)).collect::<Result<_, _>>()?;
                Note::Told { epoch, newest, standing, votes, asks: from.flag()? }
            }
            7 => Note::Receipt { number: from.u64()?, signature: from.array()?, asks: from.flag()? },
            12 => Note::Mine(limited(from, MAX_OPERATION)?.to_vec()),
            8 => Note::Done { number: from.u64()?, operation: Digest(from.array()?) },
            9 => Note::Checkpoint(Checkpoint::decode(from.string()?)?),
            10 => Note::Known(Checkpoint::decode(from.string()?)?),
            13 => Note::Vault(limited(from, MAX_MANIFEST)?.to_vec()),
            11 => Note::Ready { number: from.u64()?, operation: Digest(from.array()?), asks: from.flag()? },
            _ => return Err(BadFormat),
        })
    }
}

/// Each once, rising.
fn runs(from: &mut Reader<'_>) -> Result<BTreeSet<Run>, BadFormat> {
    let count = from.u16()?;
    let mut runs = BTreeSet::new();
    for _ in 0..count {
        let run: Run = from.array()?;
        if runs.last().is_some_and(|last| *last >= run) || runs.len() == MAX_RUNS {
            return Err(BadFormat);
        }
        runs.insert(run);
    }
    Ok(runs)
}

fn limited<'a>(from: &mut Reader<'a>, most: usize) -> Result<&'a [u8], BadFormat> {
    let bytes = from.string()?;
    if bytes.len() <= most { Ok(bytes) } else { Err(BadFormat) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cotenant_agent::{
        approve::{
            log::Head,
            statement::{Choice, Statement as Said},
        },
        vault::commit::statement::{Entry, Parties, Round, Version, Vote as Kind},
    };
    use cotenant_core::PartyId;
    use std::sync::LazyLock;

    static OWNER: LazyLock<Identity> = LazyLock::new(|| Identity::generate().unwrap());

    fn votes() -> Vec<Vote> {
        let round = Round { epoch: 1, version: 2, attempt: 3 };
        let base = Some(Version { number: 2, run: Digest([6; 32]) });
        let entry = Entry { epoch: 2, members: Parties::first(3), threshold: 2, base, lacking: Parties::first(1) };
        let run = Digest([4; 32]);
        let kinds = [Kind::Prepared(round, run), Kind::Committed(round, run), Kind::Abandoned(round), Kind::Entered(entry)];
        let vote = |(k, vote)| {
            let begins_with = matches!(vote, Kind::Entered(_)).then_some(Digest([8; 32]));
            Vote { statement: Statement { signer: PartyId::new(k), vote }, signature: [k as u8; 64], begins_with }
        };
        kinds.into_iter().enumerate().map(vote).collect()
    }

    fn notes() -> Vec<Note> {
        let (number, operation) = (7, Digest([1; 32]));
        let choice = Choice::Refuse("no".into());
        let has: BTreeSet<Run> = [[2; 32], [3; 32]].into();
        let checkpoint = Checkpoint::sign(&OWNER, RoomId([5; 16]), 3, Head { entries: 7, digest: Digest([6; 32]) });
        let statement = Said { room: RoomId([5; 16]), epoch: 1, number, operation, party: PartyId::new(1), choice };
        let fixed = [
            Note::Proposal(b"bytes".to_vec()),
            Note::Decision(Signed { statement, signature: [3; 64] }),
            Note::Start(Start { number, operation, date: -5 }),
            Note::Ended { number, operation, reason: "link \u{e9}".into() },
            Note::Told { epoch: 4, newest: 9, standing: Standing { knows: true, has: has.clone() }, votes: votes(), asks: false },
            Note::Told { epoch: 1, newest: 0, standing: Standing::default(), votes: Vec::new(), asks: true },
            Note::Vault(b"items".to_vec()),
            Note::Receipt { number, signature: [9; 64], asks: true },
            Note::Done { number, operation },
            Note::Checkpoint(checkpoint),
            Note::Known(checkpoint),
            Note::Ready { number, operation, asks: true },
            Note::Mine(vec![1, 2, 3]),
        ];
        fixed.into_iter().chain(votes().into_iter().map(Note::Vote)).collect()
    }

    #[test]
    fn one_note_has_one_encoding() {
        for note in notes() {
            let bytes = note.encode();
            assert_eq!(Note::decode(&bytes), Ok(note.clone()));
            for at in 0..bytes.len() {
                assert!(Note::decode(&bytes[..at]).is_err(), "cut at {at}");
                for flip in [1, 2, 0x80, 0xff] {
                    let mut changed = bytes.clone();
                    changed[at] ^= flip;
                    let read = Note::decode(&changed);
                    assert!(read.is_err() || read.is_ok_and(|other| other != note && other.encode() == changed), "byte {at} of {note:?}");
                }
            }
            assert!(Note::decode(&[&bytes[..], &[0]].concat()).is_err());
        }
    }

    #[test]
    fn a_reason_is_cut_to_what_is_read() {
        let note = Note::Ended { number: 1, operation: Digest([1; 32]), reason: "\u{e9}".repeat(MAX_REASON) };
        let Ok(Note::Ended { reason, .. }) = Note::decode(&note.encode()) else { panic!("is read") };
        assert_eq!(reason.len(), MAX_REASON);
    }

    /// A vote counts in its room, for its signer and for what it says; ENTERED for the members of its epoch and the vault that it names.
    #[test]
    fn a_vote_of_another_room_or_signer_or_content_is_none() {
        let (one, other) = (Identity::generate().unwrap(), Identity::generate().unwrap());
        let (epoch, another) = (Digest([3; 32]), Digest([4; 32]));
        let (here, there) = ((RoomId([1; 16]), epoch), (RoomId([2; 16]), epoch));
        for Vote { statement, begins_with, .. } in votes() {
            let vote = Vote::sign(here, statement, begins_with, &one);
            assert!(vote.is_by(here, &one.public()));
            assert!(!vote.is_by(there, &one.public()) && !vote.is_by(here, &other.public()));
            let changed = Statement { signer: PartyId::new(9), ..statement };
            assert!(!Vote { statement: changed, ..vote }.is_by(here, &one.public()));
            assert_eq!(vote.is_by((here.0, another), &one.public()), begins_with.is_none());
            assert_eq!(Vote { begins_with: begins_with.map(|_| another), ..vote }.is_by(here, &one.public()), begins_with.is_none());
        }
    }
}
