//! The text of a policy.
//!
//! What is unknown is refused with the known name that is nearest to it: a misspelt limit must not be no limit.

use super::{Named, Policy, Rule, moment};
use crate::{
    approve::{escape::escape, item::ItemName},
    hex,
};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use toml::{Table, Value};

const KEYS: [&str; 1] = ["allow"];
const RULE: [&str; 9] = ["name", "operation", "flow", "arguments", "items", "expires", "hours", "per_hour", "per_day"];
const HOURS: [&str; 2] = ["from", "to"];
const OPERATIONS: [&str; 3] = ["call", "refresh", "verify"];

/// Why a text is no policy. Whoever wrote it is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPolicy {
    /// It is no TOML, or a value is of another type.
    #[error("line {line}: {}", escape(source.message()))]
    Toml {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        source: toml::de::Error,
    },
    /// There is no such key or word.
    #[error("\"{}\" is not known in {place}; did you mean \"{nearest}\"?", escape(word))]
    Unknown {
        /// The key or word.
        word: String,
        /// Where it stands.
        place: Place,
        /// The known one that is nearest.
        nearest: &'static str,
    },
    /// A rule breaks a rule of its own.
    #[error("rule {rule}: {fault}")]
    Rule {
        /// Which, from 1.
        rule: usize,
        /// What is wrong.
        fault: Fault,
    },
}

/// Where a key or word stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the file.
    File,
    /// In this rule, from 1.
    Rule(usize),
    /// In the hours of this rule, from 1.
    Hours(usize),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::File => f.write_str("the file"),
            Place::Rule(rule) => write!(f, "rule {rule}"),
            Place::Hours(rule) => write!(f, "the hours of rule {rule}"),
        }
    }
}

/// What is wrong with a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Names tell rules apart in logs.
    #[error("another rule has its name, or it has none")]
    Name,
    /// A call is named by its flow, 64 hexadecimal digits, and has no items; all others have none.
    #[error("a call needs flow, of 64 hexadecimal digits in small letters, and no items; others need items and neither flow nor arguments")]
    Subject,
    /// An item's name is none.
    #[error("items are names of items, each once")]
    Items,
    /// A list of values is empty.
    #[error("an argument has a value, or a list of at least one")]
    Values,
    /// A moment is none.
    #[error("expires is a moment like 20270101T000000Z")]
    Expires,
    /// Hours are from 0 to 23, the end up to 24.
    #[error("hours are from 0 to 23, to 1 to 24, and not from and to the same")]
    Hours,
    /// A rate of 0 allows nothing.
    #[error("a rate is at least 1")]
    Rate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    allow: Vec<Allow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Allow {
    name: String,
    operation: String,
    flow: Option<String>,
    #[serde(default)]
    arguments: BTreeMap<String, Values>,
    #[serde(default)]
    items: Vec<String>,
    expires: String,
    hours: Option<Hours>,
    per_hour: Option<u32>,
    per_day: Option<u32>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hours {
    from: u8,
    to: u8,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// The first thing that is not as the module's page says.
    pub fn parse(text: &str) -> Result<Self, BadPolicy> {
        known_keys(&text.parse().map_err(|source| not_toml(text, source))?)?;
        let file: File = toml::from_str(text).map_err(|source| not_toml(text, source))?;
        let mut rules = Vec::new();
        let mut names = BTreeSet::new();
        for (index, allow) in file.allow.into_iter().enumerate() {
            let rule = index + 1;
            known(&allow.operation, &OPERATIONS, Place::Rule(rule))?;
            let fresh = !allow.name.is_empty() && names.insert(allow.name.clone());
            let read = if fresh { allow.read() } else { Err(Fault::Name) };
            rules.push(read.map_err(|fault| BadPolicy::Rule { rule, fault })?);
        }
        Ok(Policy { rules })
    }
}

impl Allow {
    fn read(self) -> Result<Rule, Fault> {
        let demand = |holds: bool, fault: Fault| if holds { Ok(()) } else { Err(fault) };
        let without_call = self.flow.is_none() && self.arguments.is_empty() && !self.items.is_empty();
        let names = match self.operation.as_str() {
            "call" => Named::Call(self.flow.as_deref().filter(|_| self.items.is_empty()).and_then(hex::digest).ok_or(Fault::Subject)?),
            "refresh" if without_call => Named::Refresh,
            "verify" if without_call => Named::Verify,
            _ => return Err(Fault::Subject),
        };
        let different: BTreeSet<&String> = self.items.iter().collect();
        demand(different.len() == self.items.len() && self.items.iter().all(|item| item.parse::<ItemName>().is_ok()), Fault::Items)?;
        let hours = self.hours.map(|hours| (hours.from, hours.to));
        demand(hours.is_none_or(|(from, to)| from < 24 && (1..=24).contains(&to) && from != to), Fault::Hours)?;
        demand(self.per_hour != Some(0) && self.per_day != Some(0), Fault::Rate)?;
        let values = |values: Values| match values {
            Values::One(value) => vec![value],
            Values::Several(values) => values,
        };
        let arguments: BTreeMap<String, Vec<String>> = self.arguments.into_iter().map(|(name, all)| (name, values(all))).collect();
        demand(arguments.values().all(|values| !values.is_empty()), Fault::Values)?;
        Ok(Rule {
            name: self.name,
            names,
            arguments,
            items: self.items,
            expires: moment(&self.expires).ok_or(Fault::Expires)?,
            hours,
            per_hour: self.per_hour,
            per_day: self.per_day,
        })
    }
}

fn not_toml(text: &str, source: toml::de::Error) -> BadPolicy {
    let before = source.span().map_or(0, |span| span.start);
    BadPolicy::Toml { line: text.bytes().take(before).filter(|byte| *byte == b'\n').count() + 1, source }
}

fn known_keys(file: &Table) -> Result<(), BadPolicy> {
    file.keys().try_for_each(|key| known(key, &KEYS, Place::File))?;
    let rules = file.get("allow").and_then(Value::as_array).into_iter().flatten();
    for (index, rule) in rules.enumerate() {
        let Some(rule) = rule.as_table() else { continue }; // of another type, which is said next
        rule.keys().try_for_each(|key| known(key, &RULE, Place::Rule(index + 1)))?;
        let hours = rule.get("hours").and_then(Value::as_table);
        hours.into_iter().flat_map(Table::keys).try_for_each(|key| known(key, &HOURS, Place::Hours(index + 1)))?;
    }
    Ok(())
}

fn known(word: &str, words: &[&'static str], place: Place) -> Result<(), BadPolicy> {
    if words.contains(&word) {
        return Ok(());
    }
    let nearest = words.iter().min_by_key(|known| strsim::damerau_levenshtein(known, word)).expect("each place has words");
    Err(BadPolicy::Unknown { word: word.to_owned(), place, nearest })
}
