//! How one party decides about one operation: k of its m people sign, or its standing policy approves.
//!
//! ```text
//! Pending --k approvals, or the policy--> Approved
//!         --more refusals than k approvals leave room for--> Refused
//!         --the expiry--> Expired
//! ```
//!
//! Nothing leaves the three on the right. What was decided is made durable, and signed for the other parties, by [`super::spend::Ledger`].

use super::{
    operation::Operation,
    person::{Approver, BadSignature, Counters, PersonSignature},
    statement::{Choice, Statement},
};
use cotenant_core::PartyId;
use std::collections::BTreeMap;

/// The most people who decide for a party: a decision stands in the log with a signature of each.
pub const MAX_PEOPLE: usize = 64;

/// The people who decide for a party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approvers {
    needed: usize,
    keys: Vec<Approver>,
    pin: bool,
}

impl Approvers {
    /// `needed` of these have to approve. With `pin`, security keys have to check a PIN or finger.
    ///
    /// # Errors
    /// If fewer than one or more than all are needed, a key is there twice, or there are more than [`MAX_PEOPLE`].
    pub fn new(needed: usize, keys: Vec<Approver>, pin: bool) -> Result<Self, BadApprovers> {
        if needed == 0 || needed > keys.len() {
            return Err(BadApprovers::Needed { needed, keys: keys.len() });
        }
        if keys.len() > MAX_PEOPLE {
            return Err(BadApprovers::Many { keys: keys.len() });
        }
        match (1..keys.len()).find(|k| keys[..*k].iter().any(|key| key.blob() == keys[*k].blob())) {
            Some(twice) => Err(BadApprovers::Twice { index: twice }),
            None => Ok(Approvers { needed, keys, pin }),
        }
    }

    /// Their keys.
    pub fn keys(&self) -> &[Approver] {
        &self.keys
    }
}

/// Why people cannot decide for a party; its configuration is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadApprovers {
    /// The number that is needed is not between one and all.
    #[error("{needed} approvals are needed, of {keys} people; lower needed, or list more keys")]
    Needed {
        /// How many approvals.
        needed: usize,
        /// Of how many people.
        keys: usize,
    },
    /// There are more than a decision in the log has place for.
    #[error("{keys} people are to approve; at most {MAX_PEOPLE} can")]
    Many {
        /// How many.
        keys: usize,
    },
    /// A key is there twice: one person would count as two.
    #[error("key {} is there twice", index + 1)]
    Twice {
        /// The second of the two.
        index: usize,
    },
}

/// How a party stands to an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// So many of so many approvals are there.
    Pending {
        /// Approvals.
        have: usize,
        /// Approvals that are needed, 0 if only a policy can approve.
        needed: usize,
    },
    /// It approves.
    Approved(How),
    /// It refuses, for this reason.
    Refused(String),
    /// Nobody decided in time.
    Expired,
}

/// By whom an operation was approved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// The fingerprints of the people's keys.
    People(Vec<String>),
    /// The name of the policy's rule.
    Policy(String),
}

/// One party on its way to a decision.
#[derive(Clone, Debug)]
pub struct Deciding {
    operation: Operation,
    me: PartyId,
    people: Option<Approvers>,
    votes: BTreeMap<usize, Choice>,
    decision: Decision,
}

impl Deciding {
    /// Of the party at seat `me`, whose people, if it has any, are `people`.
    pub fn new(operation: Operation, me: PartyId, people: Option<Approvers>) -> Self {
        let needed = people.as_ref().map_or(0, |people| people.needed);
        Deciding { operation, me, people, votes: BTreeMap::new(), decision: Decision::Pending { have: 0, needed } }
    }

    /// What a person signs who chooses so.
    pub fn statement(&self, choice: Choice) -> Statement {
        Statement::new(&self.operation, self.me, choice)
    }

    /// Where the decision stands.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// A person has signed for `choice`; whether that is news, as a person counts once. `counters` are made durable with the decision.
    ///
    /// # Errors
    /// If that does not count; nothing has changed then.
    pub fn hear(&mut self, choice: Choice, signature: &PersonSignature, counters: &mut Counters, now: i64) -> Result<bool, NotCounted> {
        let Decision::Pending { .. } = self.at(now) else { return Err(NotCounted::Decided) };
        let people = self.people.as_ref().ok_or(NotCounted::Signature(BadSignature::Stranger))?;
        let (index, key) =
            people.keys.iter().enumerate().find(|(_, key)| key.is(signature.key())).ok_or(NotCounted::Signature(BadSignature::Stranger))?;
        let counter = signature.verify(key, &self.statement(choice.clone()), people.pin).map_err(NotCounted::Signature)?;
        match self.votes.get(&index) {
            Some(before) if *before == choice => return Ok(false),
            Some(_) => return Err(NotCounted::Contradiction),
            None => {}
        }
        if let Some(seen) = counter {
            counters.accept(key, seen).map_err(NotCounted::Signature)?;
        }
        self.votes.insert(index, choice);
        self.decision = self.count();
        Ok(true)
    }

    /// The standing policy approves by this rule. What it does not approve is left to people, or to the owner where there are none.
    pub fn by_policy(&mut self, rule: &str, now: i64) -> &Decision {
        if let Decision::Pending { .. } = self.at(now) {
            self.decision = Decision::Approved(How::Policy(rule.to_owned()));
        }
        &self.decision
    }

    /// Where the decision stands at a time.
    pub fn at(&mut self, now: i64) -> &Decision {
        if matches!(self.decision, Decision::Pending { .. }) && now >= self.operation.expiry {
            self.decision = Decision::Expired;
        }
        &self.decision
    }

    fn count(&self) -> Decision {
        let Some(people) = &self.people else { return self.decision.clone() };
        let approvals: Vec<usize> = self.votes.iter().filter(|(_, choice)| **choice == Choice::Approve).map(|(index, _)| *index).collect();
        let reasons: Vec<&str> = self
            .votes
            .values()
            .filter_map(|choice| match choice {
                Choice::Refuse(reason) => Some(reason.as_str()),
                Choice::Approve => None,
            })
            .collect();
        if approvals.len() >= people.needed {
            Decision::Approved(How::People(approvals.iter().map(|index| people.keys[*index].fingerprint()).collect()))
        } else if reasons.len() > people.keys.len() - people.needed {
            Decision::Refused(reasons.join("; "))
        } else {
            Decision::Pending { have: approvals.len(), needed: people.needed }
        }
    }
}

/// Why a signature was not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotCounted {
    /// The decision has been made, or the operation has expired.
    #[error("the decision has been made already")]
    Decided,
    /// This person has signed for something else before.
    #[error("this person has signed for something else before")]
    Contradiction,
    /// The signature.
    #[error(transparent)]
    Signature(BadSignature),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approve::{
        operation::tests::{NOW, call, refresh, seat},
        person::tests::Person,
    };

    fn people(needed: usize) -> Deciding {
        let keys = [1, 2, 3].map(|seed| Person::new(seed).approver()).to_vec();
        Deciding::new(call(), seat(0), Some(Approvers::new(needed, keys, false).unwrap()))
    }

    fn signs(deciding: &mut Deciding, seed: u8, choice: Choice) -> Result<Decision, NotCounted> {
        let signature = Person::new(seed).sign(&deciding.statement(choice.clone()));
        deciding.hear(choice, &signature, &mut Counters::default(), NOW)?;
        Ok(deciding.decision().clone())
    }

    fn no(reason: &str) -> Choice {
        Choice::Refuse(reason.into())
    }

    #[test]
    fn two_of_three_approve() {
        let mut deciding = people(2);
        assert_eq!(signs(&mut deciding, 3, Choice::Approve), Ok(Decision::Pending { have: 1, needed: 2 }));
        assert_eq!(signs(&mut deciding, 3, Choice::Approve), Ok(Decision::Pending { have: 1, needed: 2 }), "one person counts once");
        assert_eq!(signs(&mut deciding, 2, no("why?")), Ok(Decision::Pending { have: 1, needed: 2 }));
        assert_eq!(signs(&mut deciding, 2, Choice::Approve), Err(NotCounted::Contradiction));
        let approved = signs(&mut deciding, 1, Choice::Approve).unwrap();
        let fingerprints = [1, 3].map(|seed| Person::new(seed).approver().fingerprint()).to_vec();
        assert_eq!(approved, Decision::Approved(How::People(fingerprints)));
        assert_eq!(signs(&mut deciding, 2, no("late")), Err(NotCounted::Decided));
    }

    #[test]
    fn refused_once_too_few_are_left() {
        let mut deciding = people(2);
        assert_eq!(signs(&mut deciding, 1, no("wrong bucket")), Ok(Decision::Pending { have: 0, needed: 2 }));
        assert_eq!(signs(&mut deciding, 2, no("too late")), Ok(Decision::Refused("wrong bucket; too late".into())));
        assert_eq!(signs(&mut deciding, 3, Choice::Approve), Err(NotCounted::Decided));
        assert_eq!(signs(&mut people(3), 1, no("no")), Ok(Decision::Refused("no".into())));
    }

    #[test]
    fn what_does_not_count() {
        let mut deciding = people(1);
        assert_eq!(signs(&mut deciding, 4, Choice::Approve), Err(NotCounted::Signature(BadSignature::Stranger)));
        let about_another = Person::new(1).sign(&Statement::new(&refresh(), seat(0), Choice::Approve));
        let for_another = Person::new(1).sign(&Statement::new(&call(), seat(1), Choice::Approve));
        let turned = Person::new(1).sign(&deciding.statement(no("no")));
        for signature in [about_another, for_another, turned] {
            let heard = deciding.hear(Choice::Approve, &signature, &mut Counters::default(), NOW);
            assert_eq!(heard, Err(NotCounted::Signature(BadSignature::Mismatch)));
        }
        assert_eq!(deciding.decision(), &Decision::Pending { have: 0, needed: 1 });
    }

    #[test]
    fn the_same_again_is_no_news() {
        let mut deciding = people(2);
        let signature = Person::new(1).sign(&deciding.statement(Choice::Approve));
        let mut heard = || deciding.hear(Choice::Approve, &signature, &mut Counters::default(), NOW);
        assert_eq!((heard(), heard()), (Ok(true), Ok(false)));
    }

    #[test]
    fn a_counter_that_does_not_rise_is_refused() {
        let person = Person::with_token(7);
        let deciding = || Deciding::new(call(), seat(0), Some(Approvers::new(1, vec![person.approver()], false).unwrap()));
        let mut counters = Counters::default();
        let signature = person.touch(&deciding().statement(Choice::Approve), 5);
        assert_eq!(deciding().hear(Choice::Approve, &signature, &mut counters, NOW), Ok(true));
        let copied = deciding().hear(Choice::Approve, &signature, &mut counters, NOW);
        assert_eq!(copied, Err(NotCounted::Signature(BadSignature::Counter { last: 5, seen: 5 })));
    }

    #[test]
    fn nobody_decides_after_the_expiry() {
        let mut deciding = people(1);
        let expiry = deciding.operation.expiry;
        let signature = Person::new(1).sign(&deciding.statement(Choice::Approve));
        assert_eq!(deciding.hear(Choice::Approve, &signature, &mut Counters::default(), expiry), Err(NotCounted::Decided));
        assert_eq!(deciding.decision(), &Decision::Expired);
        assert_eq!(deciding.by_policy("any", NOW), &Decision::Expired);
        assert_eq!(people(1).by_policy("any", expiry - 1), &Decision::Approved(How::Policy("any".into())));
    }

    #[test]
    fn where_there_are_no_people_nobody_s_signature_counts() {
        let mut unasked = Deciding::new(call(), seat(0), None);
        assert_eq!(signs(&mut unasked, 1, Choice::Approve), Err(NotCounted::Signature(BadSignature::Stranger)));
    }

    #[test]
    fn approvers_are_some_and_different() {
        let keys = || [1, 2].map(|seed| Person::new(seed).approver()).to_vec();
        assert_eq!(Approvers::new(0, keys(), false), Err(BadApprovers::Needed { needed: 0, keys: 2 }));
        assert_eq!(Approvers::new(3, keys(), false), Err(BadApprovers::Needed { needed: 3, keys: 2 }));
        assert_eq!(Approvers::new(1, [keys(), keys()].concat(), false), Err(BadApprovers::Twice { index: 2 }));
        assert!(Approvers::new(2, keys(), false).is_ok());
        let many = |count: u8| (0..count).map(|seed| Person::new(seed).approver()).collect::<Vec<_>>();
        assert!(Approvers::new(1, many(64), false).is_ok());
        assert_eq!(Approvers::new(1, many(65), false), Err(BadApprovers::Many { keys: 65 }));
    }
}
