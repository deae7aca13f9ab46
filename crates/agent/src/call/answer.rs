//! What becomes of an answer: it is opened whole, or a policy says what of it is opened and what is kept, which becomes items of the vault in the same session.
//!
//! Kept values never leave it as anything but shares, one for each member, and nothing is saved unless the whole answer is as the policy says. As in every save,
//! each member writes its share before the shares of all are put together once more ([`Saved`]).

use super::CallError;
use crate::{
    answer::{AnswerPlan, Expected, Read, can_hold},
    redact::{Action, Rules},
    vault::{
        load::{LoadPlan, Wanted},
        save::{New, SavePlan, Value},
        share::Share,
    },
};
use cotenant_mpc::{Engine, Online, Wire};
use cotenant_tls::{Answer, AnswerLimits};

/// How an answer is read.
#[derive(Default)]
pub enum Reading {
    /// All of it is opened to all.
    #[default]
    Whole,
    /// A policy says what of it is.
    Part(Redaction),
}

/// A policy for an answer, and what becomes of what it keeps.
#[derive(Clone)]
pub struct Redaction {
    /// The policy.
    pub rules: Rules,
    /// What is wanted beside it.
    pub expected: Expected,
    /// What becomes an item.
    pub saves: Vec<Keeping>,
    /// Loads of the new items, so that the share of every member is in one.
    pub checks: Vec<Wanted>,
}

/// A kept value that becomes an item.
#[derive(Clone)]
pub struct Keeping {
    /// Its number among the kept values: by rules, and of one rule as they stand in the answer.
    pub value: usize,
    /// The item, computed in the session, as long as the value.
    pub new: New,
}

/// What is known of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answered {
    /// All of it.
    Whole(Answer),
    /// What the policy let out.
    Part(Read),
}

impl Answered {
    /// An answer that was opened whole.
    pub fn whole(self) -> Option<Answer> {
        match self {
            Answered::Whole(answer) => Some(answer),
            Answered::Part(_) => None,
        }
    }
}

/// New items whose shares are made and not yet verified, in the session that made them.
#[must_use]
pub struct Saved<O> {
    pub(crate) online: O,
    pub(crate) shares: Vec<Share>,
    pub(crate) check: LoadPlan,
}

/// What is declared for the reading of a part.
pub(super) struct ReadPlan {
    pub(super) answer: AnswerPlan,
    pub(super) expected: Expected,
    save: Option<KeepPlan>,
}

struct KeepPlan {
    /// Of each item the number of its value.
    values: Vec<usize>,
    save: SavePlan,
    check: LoadPlan,
}

impl ReadPlan {
    /// `server` is the server's traffic secret.
    pub(super) fn declare<E: Engine>(
        engine: &mut E,
        redaction: &Redaction,
        limits: AnswerLimits,
        server: &[Wire],
    ) -> Result<ReadPlan, CallError> {
        let Redaction { rules, expected, saves, checks } = redaction;
        if !can_hold(limits) {
            return Err(CallError::Limits);
        }
        let kept: usize = rules.iter().filter(|rule| rule.action == Action::Keep).map(|rule| rule.times).sum();
        if let Some(none) = saves.iter().find(|keeping| keeping.value >= kept) {
            return Err(CallError::NotKept { number: none.value });
        }
        let answer = AnswerPlan::declare(engine, rules, limits, server)?;
        let save = match saves.is_empty() {
            true => None,
            false => {
                let new: Vec<New> = saves.iter().map(|keeping| keeping.new.clone()).collect();
                let values = saves.iter().map(|keeping| keeping.value).collect();
                Some(KeepPlan { values, save: SavePlan::declare(engine, &new)?, check: LoadPlan::declare(engine, checks)? })
            }
        };
        Ok(ReadPlan { answer, expected: expected.clone(), save })
    }

    /// Splits what is read from what is saved.
    pub(super) fn split(self) -> (AnswerPlan, Expected, Keep) {
        (self.answer, self.expected, Keep(self.save))
    }
}

/// What is saved when an answer was read.
#[derive(Default)]
pub(super) struct Keep(Option<KeepPlan>);

impl Keep {
    /// Whether anything is.
    pub(super) fn saves(&self) -> bool {
        self.0.is_some()
    }

    /// Makes items of kept values: this party's shares of them, and how they are verified.
    pub(super) async fn run<O: Online>(self, online: &mut O, kept: &[O::Verified]) -> Result<Option<(Vec<Share>, LoadPlan)>, CallError> {
        let Some(KeepPlan { values, save, check }) = self.0 else { return Ok(None) };
        let computed = values.iter().map(|&value| Value::Computed(&kept[value])).collect();
        Ok(Some((save.run(online, computed).await?, check)))
    }
}
