//! A standing policy: the operations that a party approves without asking anybody. All else is refused.
//!
//! ```toml
//! [[allow]]
//! name = "nightly report"                # what logs call this rule
//! operation = "call"                     # call, refresh or verify
//! flow = "9f0c…"                         # of a call: Call::flow_digest, 64 hexadecimal digits
//! expires = "20270101T000000Z"
//! hours = { from = 1, to = 5 }           # UTC, from 01:00 until 05:00; may go past midnight
//! per_hour = 1
//! per_day = 2
//! [allow.arguments]                      # of a call: every argument that it may have, and the values
//! key = ["a.txt", "b.txt"]
//!
//! [[allow]]
//! name = "weekly refresh"
//! operation = "refresh"
//! items = ["s3/key"]                     # of refresh and verify: these and no others
//! expires = "20270101T000000Z"
//! per_day = 1
//! ```
//!
//! A call is named by the digest of its flow, items, uses, host, roots, response policy, and the keys of those who give or read something: host and path
//! alone do not tell two calls apart, nor do seats, which move. What makes, destroys or shares out items is for people, also a call that keeps something of its
//! answer: each time it replaces the item by what a server says.
//!
//! An operation that a policy approves has to expire within an hour, within the hours and before the rule, as it may begin at any time until then.
//!
//! Rates are those of what a rule names, not of the rule: [`Past`] holds what was approved, so a renamed rule does not start anew. With a threshold below the
//! number of members they count what this party took part in.

use super::{
    log::{Entry, Event, Grounds, History},
    operation::{Body, Call, Operation},
    statement::{Choice, Signed},
};
use crate::{flow, room::RoomId, sign::date::Timestamp};
use cotenant_core::Digest;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

mod file;

pub use file::BadPolicy;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
/// How long an operation that a policy approves may wait. What waited longer would begin outside the hours, or with others at once.
const WAITS: i64 = HOUR;

/// A policy that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    rules: Vec<Rule>,
}

/// What one rule allows.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    name: String,
    names: Named,
    arguments: BTreeMap<String, Vec<String>>,
    items: Vec<String>,
    expires: i64,
    hours: Option<(u8, u8)>,
    per_hour: Option<u32>,
    per_day: Option<u32>,
}

/// What a rule names and rates count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Named {
    /// Calls of this flow.
    Call(Digest),
    /// Fresh shares.
    Refresh,
    /// Checks of shares.
    Verify,
}

/// An operation that the policy has approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Past {
    /// The room.
    pub room: RoomId,
    /// When it was approved, in seconds since 1970.
    pub at: i64,
    /// What it was.
    pub what: Named,
}

/// What the policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Yes, by this rule.
    Approve {
        /// Its name.
        rule: String,
    },
    /// No.
    Refuse(Refusal),
}

/// Why no rule allows an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The rule that came nearest; none if none names this kind of operation.
    pub rule: Option<String>,
    /// What it does not allow.
    pub reason: Reason,
}

/// What a rule does not allow, in the order in which it is looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Only people approve this kind of operation.
    #[error("operations of this kind are for people to approve")]
    ForPeople,
    /// No rule names this kind of operation.
    #[error("no rule allows operations of this kind")]
    Kind,
    /// It is another flow.
    #[error("the flow is another one: {0}")]
    Flow(Digest),
    /// An item that is not listed.
    #[error("item {0} is not listed")]
    Item(String),
    /// An argument that is not listed, or without a value that the rule demands.
    #[error("argument {0} is not listed")]
    Argument(String),
    /// A value that is not listed.
    #[error("the value of argument {0} is not listed")]
    Value(String),
    /// An argument that the rule lists is missing.
    #[error("argument {0} is missing")]
    Missing(String),
    /// The rule has expired, or the operation could begin after it has.
    #[error("the rule expires before the operation does")]
    Expired,
    /// It could begin later than in an hour.
    #[error("it could begin later than in an hour")]
    Waits,
    /// It could begin outside the hours.
    #[error("it could begin outside the hours of the rule")]
    Hours,
    /// So many have been approved in the last hour.
    #[error("{0} were approved in the last hour")]
    PerHour(u32),
    /// So many have been approved in the last day.
    #[error("{0} were approved in the last 24 hours")]
    PerDay(u32),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Some(rule) => write!(f, "the policy's rule \"{}\": {}", super::escape::escape(rule), self.reason),
            None => write!(f, "the policy: {}", self.reason),
        }
    }
}

impl Refusal {
    /// Of a policy without rules.
    pub fn nothing_allowed() -> Self {
        Refusal { rule: None, reason: Reason::Kind }
    }
}

impl Policy {
    /// What the policy says about an operation at a time, in seconds since 1970, after what it has approved before.
    pub fn decide(&self, operation: &Operation, now: i64, history: &[Past]) -> Verdict {
        let Some(what) = Named::of(operation) else {
            return Verdict::Refuse(Refusal { rule: None, reason: Reason::ForPeople });
        };
        let since = |seconds: i64| {
            let counted = history.iter().filter(|past| past.room == operation.room && past.what == what && past.at > now - seconds);
            u32::try_from(counted.count()).unwrap_or(u32::MAX)
        };
        let rates = (since(HOUR), since(DAY));
        let mut nearest = (0, Refusal::nothing_allowed());
        for rule in self.rules.iter().filter(|rule| rule.names.kind() == what.kind()) {
            let Err((passed, reason)) = rule.allows(operation, what, now, rates) else {
                return Verdict::Approve { rule: rule.name.clone() };
            };
            if nearest.1.rule.is_none() || passed > nearest.0 {
                nearest = (passed, Refusal { rule: Some(rule.name.clone()), reason });
            }
        }
        Verdict::Refuse(nearest.1)
    }
}

impl Past {
    /// What the owner's policy has approved, as its log tells. What was over without a run is not counted: another member could use a rate up by proposing
    /// what it then refuses.
    pub fn all_in(history: &History) -> Vec<Past> {
        let mut proposed = HashMap::new();
        let mut past = Vec::new();
        let void = |entry: &Entry| if let Event::Void { operation, .. } = entry.event { Some(operation) } else { None };
        let void: HashSet<Digest> = history.entries().iter().filter_map(void).collect();
        for entry in history.entries() {
            match &entry.event {
                Event::Proposal(operation) => drop(proposed.insert(operation.digest(), operation)),
                Event::Decision { signed: Signed { statement, .. }, grounds: Grounds::Policy(_) }
                    if statement.choice == Choice::Approve && !void.contains(&statement.operation) =>
                {
                    let Some(operation) = proposed.get(&statement.operation) else { continue };
                    let own = operation.members.get(statement.party.index()) == Some(&history.owner());
                    let what = Named::of(operation).filter(|_| own);
                    past.extend(what.map(|what| Past { room: operation.room, at: entry.time, what }));
                }
                _ => {}
            }
        }
        past
    }
}

impl Named {
    /// What an operation is counted as; none for what people approve.
    pub fn of(operation: &Operation) -> Option<Self> {
        match &operation.body {
            Body::Call(_) if !operation.body.saves().is_empty() => None,
            // A URL works for as long as it says, however often, whatever hours and rates a rule has.
            Body::Call(call) if flow::is_presign(&call.flow).is_ok_and(|makes_url| makes_url) => None,
            Body::Call(call) => Some(Named::Call(call.flow_digest(&operation.members))),
            Body::Refresh(_) => Some(Named::Refresh),
            Body::Verify(_) => Some(Named::Verify),
            Body::Put { .. } | Body::Gen(_) | Body::Reshare(_) | Body::Repair { .. } | Body::Remove(_) => None,
        }
    }

    fn kind(self) -> u8 {
        match self {
            Named::Call(_) => 0,
            Named::Refresh => 1,
            Named::Verify => 2,
        }
    }
}

impl Rule {
    /// # Errors
    /// How many demands the operation meets, and the first that it does not.
    fn allows(&self, operation: &Operation, what: Named, now: i64, (hour, day): (u32, u32)) -> Result<(), (usize, Reason)> {
        let within_hours = |hours| within(hours, now) && within(hours, operation.expiry - 1);
        let demands: [&dyn Fn() -> Result<(), Reason>; 7] = [
            &|| self.subject(operation, what),
            &|| if let Body::Call(call) = &operation.body { self.arguments(call) } else { Ok(()) },
            // Approved now, it may begin until it expires.
            &|| if now < self.expires && operation.expiry <= self.expires { Ok(()) } else { Err(Reason::Expired) },
            &|| if operation.expiry <= now.saturating_add(WAITS) { Ok(()) } else { Err(Reason::Waits) },
            // There is no hour outside between two moments inside that are an hour apart; so clocks that differ give no more than the hour.
            &|| if self.hours.is_none_or(within_hours) { Ok(()) } else { Err(Reason::Hours) },
            &|| if self.per_hour.is_none_or(|limit| hour < limit) { Ok(()) } else { Err(Reason::PerHour(hour)) },
            &|| if self.per_day.is_none_or(|limit| day < limit) { Ok(()) } else { Err(Reason::PerDay(day)) },
        ];
        demands.iter().enumerate().try_for_each(|(passed, demand)| demand().map_err(|reason| (passed, reason)))
    }

    fn subject(&self, operation: &Operation, what: Named) -> Result<(), Reason> {
        match what {
            Named::Call(digest) if what != self.names => Err(Reason::Flow(digest)),
            Named::Call(_) => Ok(()),
            Named::Refresh | Named::Verify => {
                let strange = operation.body.reads().into_iter().find(|stored| !self.items.iter().any(|item| item == stored.item.as_str()));
                strange.map_or(Ok(()), |stored| Err(Reason::Item(stored.item.to_string())))
            }
        }
    }

    fn arguments(&self, call: &Call) -> Result<(), Reason> {
        for argument in &call.arguments {
            let values = self.arguments.get(&argument.name).ok_or_else(|| Reason::Argument(argument.name.clone()))?;
            if !values.iter().any(|value| value.as_bytes() == argument.value) {
                return Err(Reason::Value(argument.name.clone()));
            }
        }
        let missing = self.arguments.keys().find(|name| !call.arguments.iter().any(|argument| argument.name == **name));
        missing.map_or(Ok(()), |name| Err(Reason::Missing(name.clone())))
    }
}

/// Whether the hour of a time, UTC, is from the first until before the second, around midnight if the first is later.
fn within((from, to): (u8, u8), now: i64) -> bool {
    let hour = now.rem_euclid(DAY) / HOUR;
    let (from, to) = (i64::from(from), i64::from(to));
    if from < to { (from..to).contains(&hour) } else { hour >= from || hour < to }
}

/// A moment of a policy's text.
fn moment(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(|time| time.unix())
}

#[cfg(test)]
mod tests;
