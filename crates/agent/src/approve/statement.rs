//! What is said about an operation, by a person to their party and by a party to the others, and when all who take part have approved.
//!
//! | field | bytes |
//! | --- | --- |
//! | format | 1, of value 1 |
//! | room, epoch, number | 16, 4, 8 |
//! | operation | its digest (32) |
//! | party | 1, for which it is said |
//! | choice | 1 approves; 2 refuses, then the reason (text) |
//!
//! A party signs these bytes with its identity for the purpose [`PURPOSE`]; how a person does is in [`super::person`].

use super::{
    operation::Operation,
    wire::{Put, Take, whole},
};
use crate::{room::RoomId, vault::commit::statement::Parties};
use cotenant_core::{
    Digest, PartyId,
    codec::{BadFormat, Reader, Writer},
};
use cotenant_net::Identity;
use std::collections::BTreeMap;

/// What a party's signature is for.
pub const PURPOSE: &str = "operation decision";
/// The longest reason, in bytes.
pub const MAX_REASON: usize = 1 << 10;
const FORMAT: u8 = 1;

/// Yes or no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Do it.
    Approve,
    /// Do not, for this reason, of up to [`MAX_REASON`] bytes.
    Refuse(String),
}

/// What is said about an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The room.
    pub room: RoomId,
    /// Its epoch.
    pub epoch: u32,
    /// The operation's number.
    pub number: u64,
    /// Its digest.
    pub operation: Digest,
    /// The party for which it is said.
    pub party: PartyId,
    /// What is said.
    pub choice: Choice,
}

impl Statement {
    /// What `party` says about `operation`. A reason is cut to [`MAX_REASON`] bytes.
    pub fn new(operation: &Operation, party: PartyId, choice: Choice) -> Self {
        let choice = match choice {
            Choice::Refuse(mut reason) => {
                reason.truncate(reason.floor_char_boundary(MAX_REASON));
                Choice::Refuse(reason)
            }
            Choice::Approve => Choice::Approve,
        };
        let Operation { room, epoch, number, .. } = *operation;
        Statement { room, epoch, number, operation: operation.digest(), party, choice }
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let to = Writer::new().u8(FORMAT).put(&self.room.0).u32(self.epoch).u64(self.number).digest(&self.operation).seat(self.party);
        match &self.choice {
            Choice::Approve => to.u8(1),
            Choice::Refuse(reason) => to.u8(2).string(reason.as_bytes()),
        }
        .done()
    }

    /// Reads canonical bytes, whole and nothing else.
    ///
    /// # Errors
    /// If they are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadFormat> {
        whole(bytes, FORMAT, Self::read)
    }

    fn read(from: &mut Reader) -> Result<Self, BadFormat> {
        Ok(Statement {
            room: RoomId(from.fixed()?),
            epoch: from.u32()?,
            number: from.u64()?,
            operation: from.digest()?,
            party: from.seat()?,
            choice: match Take::u8(from)? {
                1 => Choice::Approve,
                2 => Choice::Refuse(from.text(MAX_REASON)?),
                _ => return Err(BadFormat),
            },
        })
    }

    /// Signed by the party that says it.
    pub fn sign(self, identity: &Identity) -> Signed {
        let signature = identity.sign(PURPOSE, &self.encode());
        Signed { statement: self, signature }
    }
}

/// A statement with the signature of the party that says it, which has not been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// What is said.
    pub statement: Statement,
    /// Ed25519, for [`PURPOSE`].
    pub signature: [u8; 64],
}

impl Signed {
    /// The signature (64), then the statement.
    pub fn encode(&self) -> Vec<u8> {
        [&self.signature[..], &self.statement.encode()].concat()
    }

    /// Reads what [`Signed::encode`] wrote.
    ///
    /// # Errors
    /// If it is something else.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadFormat> {
        let (signature, statement) = bytes.split_first_chunk().ok_or(BadFormat)?;
        Ok(Signed { statement: Statement::decode(statement)?, signature: *signature })
    }
}

/// The statements of the parties about one operation, as they come in.
#[derive(Clone, Debug)]
pub struct Gathering {
    operation: Operation,
    digest: Digest,
    said: BTreeMap<PartyId, Signed>,
}

/// How an operation stands among the parties.
#[derive(Clone, Debug)]
pub enum Standing {
    /// These take part and have not said anything.
    Waiting(Parties),
    /// One who takes part refuses.
    Refused {
        /// Who.
        by: PartyId,
        /// Why.
        reason: String,
    },
    /// All who take part have approved.
    Approved(Box<Approved>),
}

/// Proof that all who take part have approved an operation: nothing else makes one.
#[derive(Clone, Debug)]
pub struct Approved(Gathering);

impl Gathering {
    /// Nobody has said anything yet.
    pub fn new(operation: Operation) -> Self {
        Gathering { digest: operation.digest(), operation, said: BTreeMap::new() }
    }

    /// Adds what a party says.
    ///
    /// # Errors
    /// If it says it about something else, its signature does not match, or it said something else before.
    pub fn add(&mut self, signed: Signed) -> Result<(), BadStatement> {
        let party = signed.statement.party;
        let key = self.operation.members.get(party.index()).ok_or(BadStatement::NoMember { party })?;
        if signed.statement != Statement::new(&self.operation, party, signed.statement.choice.clone()) {
            return Err(BadStatement::OtherOperation { party });
        }
        key.verify(PURPOSE, &signed.statement.encode(), &signed.signature).map_err(|_| BadStatement::Signature { party })?;
        match self.said.get(&party) {
            Some(before) if before.statement.choice != signed.statement.choice => Err(BadStatement::Contradiction { party }),
            _ => {
                self.said.insert(party, signed);
                Ok(())
            }
        }
    }

    /// All that was said, in the order of seats.
    pub fn said(&self) -> impl Iterator<Item = &Signed> {
        self.said.values()
    }

    /// How the operation stands. Only those who take part decide.
    pub fn standing(&self) -> Standing {
        let said = self.operation.quorum.iter().filter_map(|party| self.said.get(&party));
        for signed in said.clone() {
            if let Choice::Refuse(reason) = &signed.statement.choice {
                return Standing::Refused { by: signed.statement.party, reason: reason.clone() };
            }
        }
        let heard: Parties = said.map(|signed| signed.statement.party).collect();
        match self.operation.quorum.without(heard) {
            missing if missing.is_empty() => Standing::Approved(Box::new(Approved(self.clone()))),
            missing => Standing::Waiting(missing),
        }
    }
}

impl Approved {
    /// The operation.
    pub fn operation(&self) -> &Operation {
        &self.0.operation
    }

    /// Its digest, which was approved.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// The approvals of those who take part, in the order of their seats.
    pub fn statements(&self) -> impl Iterator<Item = &Signed> {
        self.0.operation.quorum.iter().filter_map(|party| self.0.said.get(&party))
    }
}

/// Why a statement does not count; the party that sent it is at fault, or whoever passed it on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadStatement {
    /// There is no such member.
    #[error("{party} is no member")]
    NoMember {
        /// The seat.
        party: PartyId,
    },
    /// It is about another room, epoch, number or digest.
    #[error("what {party} says is about another operation")]
    OtherOperation {
        /// The party.
        party: PartyId,
    },
    /// The signature is not the party's over this statement.
    #[error("the signature of {party} does not match")]
    Signature {
        /// The party.
        party: PartyId,
    },
    /// The party has said something else about this operation before.
    #[error("{party} has said something else about this operation before")]
    Contradiction {
        /// The party.
        party: PartyId,
    },
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::approve::{
        operation::tests::{MEMBERS, call, refresh, seat},
        wire::one_value_one_encoding,
    };

    pub(in crate::approve) fn says(operation: &Operation, k: usize, choice: Choice) -> Signed {
        Statement::new(operation, seat(k), choice).sign(&MEMBERS[k])
    }

    /// The operation as all who take part have approved it.
    pub(in crate::approve) fn approved(operation: &Operation) -> Approved {
        let mut gathering = Gathering::new(operation.clone());
        operation.quorum.iter().for_each(|party| gathering.add(says(operation, party.index(), Choice::Approve)).unwrap());
        let Standing::Approved(approved) = gathering.standing() else { panic!("all have approved") };
        *approved
    }

    #[test]
    fn one_statement_has_one_encoding() {
        for choice in [Choice::Approve, Choice::Refuse("wrong bucket\u{e9}".into())] {
            let signed = says(&call(), 0, choice);
            one_value_one_encoding(&signed.statement.encode(), Statement::encode, |bytes| Statement::decode(bytes).ok());
            assert_eq!(Signed::decode(&signed.encode()), Ok(signed));
        }
        let long = Statement::new(&call(), seat(0), Choice::Refuse("\u{e9}".repeat(MAX_REASON)));
        assert_eq!(Statement::decode(&long.encode()), Ok(long), "a reason is cut to what can be read");
    }

    #[test]
    fn all_who_take_part_and_nobody_else_approve() {
        let operation = call(); // P1 and P2
        let mut gathering = Gathering::new(operation.clone());
        gathering.add(says(&operation, 2, Choice::Approve)).unwrap();
        gathering.add(says(&operation, 0, Choice::Approve)).unwrap();
        assert!(matches!(gathering.standing(), Standing::Waiting(missing) if missing.iter().eq([seat(1)])), "P3 does not stand for P2");
        gathering.add(says(&operation, 1, Choice::Approve)).unwrap();
        let Standing::Approved(approved) = gathering.standing() else { panic!("both have approved") };
        assert_eq!((approved.digest(), approved.statements().count()), (operation.digest(), 2));
    }

    #[test]
    fn one_refusal_is_enough() {
        let operation = call();
        let mut gathering = Gathering::new(operation.clone());
        gathering.add(says(&operation, 1, Choice::Refuse("no".into()))).unwrap();
        gathering.add(says(&operation, 0, Choice::Approve)).unwrap();
        assert!(matches!(gathering.standing(), Standing::Refused { by, reason } if by == seat(1) && reason == "no"));
        let twice = gathering.add(says(&operation, 1, Choice::Approve));
        assert_eq!(twice, Err(BadStatement::Contradiction { party: seat(1) }), "nobody changes what it signed");
    }

    #[test]
    fn statements_count_for_their_operation_and_signer_alone() {
        let operation = call();
        let add = |signed: Signed| Gathering::new(operation.clone()).add(signed);
        let good = says(&operation, 0, Choice::Approve);
        assert_eq!(add(good.clone()), Ok(()));
        assert_eq!(add(says(&refresh(), 0, Choice::Approve)), Err(BadStatement::OtherOperation { party: seat(0) }));
        let changes: [fn(&mut Operation); 4] = [|o| o.room.0[0] ^= 1, |o| o.epoch += 1, |o| o.number += 1, |o| o.expiry += 1];
        for change in changes {
            let mut other = operation.clone();
            change(&mut other);
            assert_eq!(add(says(&other, 0, Choice::Approve)), Err(BadStatement::OtherOperation { party: seat(0) }));
        }
        let forged = Statement::new(&operation, seat(1), Choice::Approve).sign(&MEMBERS[0]);
        assert_eq!(add(forged), Err(BadStatement::Signature { party: seat(1) }));
        let other_purpose = MEMBERS[0].sign("receipt", &good.statement.encode());
        assert_eq!(add(Signed { signature: other_purpose, ..good.clone() }), Err(BadStatement::Signature { party: seat(0) }));
        let mut turned = good;
        turned.statement.choice = Choice::Refuse(String::new());
        assert_eq!(add(turned), Err(BadStatement::Signature { party: seat(0) }));
        assert_eq!(
            add(Statement::new(&operation, seat(3), Choice::Approve).sign(&MEMBERS[0])),
            Err(BadStatement::NoMember { party: seat(3) })
        );
    }
}
