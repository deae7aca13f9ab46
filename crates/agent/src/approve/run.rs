//! One run of an approved operation: the values that were found by the rules that the operation sets, and the digest of both.
//!
//! The *run digest* is what all parties compare and bind into their MPC session; the approval is spent for it.
//!
//! | field | bytes |
//! | --- | --- |
//! | format | 1, of value 1 |
//! | operation | its digest (32) |
//! | date | 8, seconds since 1970 |
//! | quorum | 8, one bit a seat |
//! | items read | number (4), then name (text), version (8), run that made it (32) |
//! | items made | number (4), then name (text), version (8), attempt (4) |
//! | ids | number (4), 16 each |

use super::{
    item::ItemName,
    operation::{Body, MAX_ITEMS, Operation},
    wire::{Put, Take, whole},
};
use crate::vault::commit::statement::Parties;
use cotenant_core::{
    Digest, Domain,
    codec::{BadFormat, Reader, Writer},
};

const FORMAT: u8 = 1;

/// What was found for one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// The approved digest.
    pub operation: Digest,
    /// The date, by the rule of the call; else when the run began. Seconds since 1970.
    pub date: i64,
    /// Who takes part.
    pub quorum: Parties,
    /// The items that are read, in the order of their names.
    pub items: Vec<Found>,
    /// The versions that are made, in the order of the items' names.
    pub makes: Vec<Making>,
    /// Random ids, in the order in which the flow asks for them.
    pub ids: Vec<[u8; 16]>,
}

/// A version that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The item.
    pub item: ItemName,
    /// Its version.
    pub version: u64,
    /// The run that made the version: shares of the same number from two runs do not fit together.
    pub made_by: Digest,
}

/// A version that is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Making {
    /// The item.
    pub item: ItemName,
    /// The version.
    pub version: u64,
    /// The attempt at it in this epoch, from 1.
    pub attempt: u32,
}

impl Run {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let to = Writer::new().u8(FORMAT).digest(&self.operation).i64(self.date).parties(self.quorum);
        let to = to.list(self.items.iter(), |to, found| found.item.write(to).u64(found.version).digest(&found.made_by));
        let to = to.list(self.makes.iter(), |to, making| making.item.write(to).u64(making.version).u32(making.attempt));
        to.list(self.ids.iter(), |to, id| to.put(id)).done()
    }

    /// Reads canonical bytes, whole and nothing else.
    ///
    /// # Errors
    /// If they are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadFormat> {
        whole(bytes, FORMAT, |from| {
            Ok(Run {
                operation: from.digest()?,
                date: from.i64()?,
                quorum: from.parties()?,
                items: from.list(MAX_ITEMS, |from: &mut Reader| {
                    Ok(Found { item: ItemName::read(from)?, version: from.u64()?, made_by: from.digest()? })
                })?,
                makes: from.list(MAX_ITEMS, |from: &mut Reader| {
                    Ok(Making { item: ItemName::read(from)?, version: from.u64()?, attempt: from.u32()? })
                })?,
                ids: from.list(MAX_ITEMS, Take::fixed)?,
            })
        })
    }

    /// The run digest.
    pub fn digest(&self) -> Digest {
        Domain::OperationRun.hasher().field(&self.encode()).digest()
    }

    /// Checks that the values were found by the rules of `operation`.
    ///
    /// # Errors
    /// The first value that was not.
    pub fn check(&self, operation: &Operation) -> Result<(), BadRun> {
        let demand = |holds: bool, rule: BadRun| if holds { Ok(()) } else { Err(rule) };
        demand(self.operation == operation.digest(), BadRun::Operation)?;
        demand(self.quorum == operation.quorum, BadRun::Quorum)?;
        demand(self.date < operation.expiry, BadRun::Date)?;
        let reads = operation.body.reads();
        let found = reads.iter().zip(&self.items).all(|(wanted, found)| wanted.item == found.item && wanted.pick.takes(found.version));
        demand(found && reads.len() == self.items.len(), BadRun::Items)?;
        let saves = operation.body.saves();
        let made = saves
            .iter()
            .zip(&self.makes)
            .all(|(item, making)| *item == making.item && making.attempt > 0 && self.follows(making, operation));
        demand(made && saves.len() == self.makes.len(), BadRun::Makes)
    }

    /// What is read and made anew gets the number after the one that was read; what is put or drawn, the one that was approved; what a server answers, the next
    /// one that there is then, as others may have saved in between.
    fn follows(&self, making: &Making, operation: &Operation) -> bool {
        match &operation.body {
            Body::Put { item, .. } | Body::Gen(item) => making.version == item.version,
            Body::Call(_) => making.version > 0,
            _ => self.items.iter().any(|found| found.item == making.item && found.version.checked_add(1) == Some(making.version)),
        }
    }
}

/// Why a run is not one of the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRun {
    /// It is of another operation.
    #[error("the run is of another operation than the approved one")]
    Operation,
    /// Others take part than were approved.
    #[error("others take part in the run than were approved")]
    Quorum,
    /// Its date is after the operation's expiry.
    #[error("the run's date is after the operation's expiry")]
    Date,
    /// The items are others than the operation reads, or at other versions.
    #[error("the run reads other items or versions than were approved")]
    Items,
    /// The versions that are made are not those that follow.
    #[error("the run makes other items or versions than were approved")]
    Makes,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::approve::{
        operation::tests::{call, of_every_kind, refresh},
        wire::one_value_one_encoding,
    };

    pub(in crate::approve) fn run_of(operation: &Operation) -> Run {
        let items = operation.body.reads().into_iter();
        Run {
            operation: operation.digest(),
            date: operation.expiry - 10,
            quorum: operation.quorum,
            items: items.map(|stored| Found { item: stored.item, version: 3, made_by: Digest([9; 32]) }).collect(),
            makes: operation.body.saves().into_iter().map(|item| Making { item, version: 4, attempt: 1 }).collect(),
            ids: vec![[5; 16]],
        }
    }

    #[test]
    fn one_run_has_one_encoding() {
        for operation in [call(), refresh()] {
            one_value_one_encoding(&run_of(&operation).encode(), Run::encode, |bytes| Run::decode(bytes).ok());
        }
    }

    #[test]
    fn every_value_is_in_the_digest() {
        let run = run_of(&refresh());
        let bytes = run.encode();
        for at in 0..bytes.len() {
            let mut mutant = bytes.clone();
            mutant[at] ^= 1;
            assert!(Run::decode(&mutant).is_ok_and(|other| other.digest() != run.digest()) || Run::decode(&mutant).is_err());
        }
    }

    #[test]
    fn a_new_item_gets_the_version_that_was_approved() {
        for operation in
            of_every_kind().into_iter().filter(|operation| operation.body.reads().is_empty() && operation.body.needs_everyone())
        {
            let mut run = run_of(&operation);
            assert_eq!(run.check(&operation), Ok(()));
            run.makes[0].version += 1;
            assert_eq!(run.check(&operation), Err(BadRun::Makes));
        }
    }

    #[test]
    fn values_are_found_by_the_rules() {
        let operation = refresh();
        let fails = |change: fn(&mut Run)| {
            let mut run = run_of(&operation);
            change(&mut run);
            run.check(&operation)
        };
        assert_eq!(fails(|_| ()), Ok(()));
        assert_eq!(fails(|run| run.operation.0[0] ^= 1), Err(BadRun::Operation));
        assert_eq!(fails(|run| run.quorum = Parties::first(2)), Err(BadRun::Quorum));
        assert_eq!(fails(|run| run.date += 10), Err(BadRun::Date));
        assert_eq!(fails(|run| run.items[0].version = 2), Err(BadRun::Items), "version 3 was approved");
        assert_eq!(fails(|run| run.items[1].version = 0), Err(BadRun::Items));
        assert_eq!(fails(|run| run.items.truncate(1)), Err(BadRun::Items));
        assert_eq!(fails(|run| run.items[0].item = "other".parse().unwrap()), Err(BadRun::Items));
        assert_eq!(fails(|run| run.items.push(run.items[0].clone())), Err(BadRun::Items));
        assert_eq!(fails(|run| run.makes[0].version = 5), Err(BadRun::Makes));
        assert_eq!(fails(|run| run.makes[0].attempt = 0), Err(BadRun::Makes));
        assert_eq!(fails(|run| run.makes.truncate(1)), Err(BadRun::Makes));
        assert_eq!(fails(|run| run.makes[0].item = "other".parse().unwrap()), Err(BadRun::Makes));
    }
}
