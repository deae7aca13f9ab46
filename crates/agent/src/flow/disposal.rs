//! What becomes of an answer: the policy of a call, line by line as its text has the directives.
//!
//! ```text
//! open all                                          the whole answer becomes known to all
//!
//! keep NAME in PLACE ...                            rules of `crate::redact`, at least one, or
//! open NAME in PLACE ...
//! open status                                       this alone: nothing but the status becomes known
//! save NAME = ITEM [for USE ...]                    each value that is kept becomes the next version of an item
//! status NUMBER                                     an answer of another status does not fit
//!
//! not-reflected HOLE                                beside either: the server does not send this secret back
//! ```
//!
//! Without `status`, an answer from which something is saved has one of 200 to 299: what a server says of an error is no secret that it has issued.
//!
//! A saved value has one length, which all know before there is an answer, and its item the characters of its rule.

use super::error::Problem;
use crate::{
    approve::item::ItemName,
    redact::{Action, Policy, Rules},
    vault::item::Use,
};
use std::ops::RangeInclusive;

/// The policy that opens the whole answer to all.
pub(super) const OPEN_ALL: &str = "open all";
/// Before the name of a hole.
const NOT_REFLECTED: &str = "not-reflected ";
/// Before what is saved.
const SAVE: &str = "save ";
/// Before the status.
const STATUS: &str = "status ";
/// Whatever an answer says.
const ANY_STATUS: RangeInclusive<u16> = 0..=999;
/// That the server has done what it was asked for (RFC 9110 section 15.3).
pub(super) const SUCCESS: RangeInclusive<u16> = 200..=299;

/// What becomes of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disposal {
    /// What is opened and what is kept.
    pub policy: Policy,
    /// What becomes an item, in the order of the rules that keep.
    pub saves: Vec<Save>,
    /// The statuses that fit.
    pub statuses: RangeInclusive<u16>,
}

/// A kept value that becomes an item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Save {
    /// The number of its rule.
    pub rule: usize,
    /// The item.
    pub item: ItemName,
    /// What the item may be used for, in rising order.
    pub uses: Vec<Use>,
}

/// What is wrong with a line of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    /// Its number, from 0.
    pub(super) line: usize,
    /// From 1, in characters.
    pub(super) column: usize,
    pub(super) problem: Problem,
}

impl Disposal {
    /// Reads the policy of a call; none if it is none.
    pub fn parse(text: &[u8]) -> Option<Disposal> {
        let text = std::str::from_utf8(text).ok()?;
        read(&text.lines().collect::<Vec<_>>()).ok()
    }
}

/// Reads lines.
pub(super) fn read(lines: &[&str]) -> Result<Disposal, BadLine> {
    let bad = |line: usize, problem: Problem| BadLine { line, column: 1, problem };
    if lines.contains(&OPEN_ALL) {
        let other = lines.iter().position(|line| *line != OPEN_ALL && !line.starts_with(NOT_REFLECTED));
        return match other {
            Some(line) => Err(bad(line, Problem::BesideAll)),
            None => Ok(Disposal { policy: Policy::All, saves: Vec::new(), statuses: ANY_STATUS }),
        };
    }
    let is_save = |line: &&str| line.starts_with(SAVE);
    let is_rule = |line: &&str| ![SAVE, STATUS, NOT_REFLECTED].iter().any(|word| line.starts_with(word));
    // Lines of the rules keep their numbers.
    let rules: String = lines.iter().map(|line| if is_rule(line) { format!("{line}\n") } else { "\n".to_owned() }).collect();
    let policy = Policy::parse(&rules).map_err(|error| BadLine {
        line: error.line - 1,
        column: error.column,
        problem: Problem::Rule(error.fault),
    })?;
    let Policy::Rules(of) = &policy else { return Err(bad(0, Problem::BesideAll)) };
    let mut saves: Vec<Save> = Vec::new();
    for (number, line) in lines.iter().enumerate().filter(|(_, line)| is_save(line)) {
        let save = save(line, of).map_err(|problem| bad(number, problem))?;
        if let Some(same) = saves.iter().find(|other| other.rule == save.rule || other.item == save.item) {
            return Err(bad(number, Problem::Twice(same.item.to_string())));
        }
        saves.push(save);
    }
    saves.sort_by_key(|save| save.rule);
    check_kept(lines, of, &saves)?;
    let statuses = statuses(lines)?.unwrap_or(if saves.is_empty() { ANY_STATUS } else { SUCCESS });
    Ok(Disposal { policy, saves, statuses })
}

/// The one that is asked for.
fn statuses(lines: &[&str]) -> Result<Option<RangeInclusive<u16>>, BadLine> {
    let mut said = None;
    for (number, line) in lines.iter().enumerate() {
        let Some(status) = line.strip_prefix(STATUS) else { continue };
        let status = status.parse::<u16>().ok().filter(|found| (100..=599).contains(found) && format!("{found}") == status);
        let status = status.filter(|_| said.is_none()).ok_or(BadLine { line: number, column: 1, problem: Problem::Status })?;
        said = Some(status..=status);
    }
    Ok(said)
}

/// `save NAME = ITEM [for USE ...]`.
fn save(line: &str, rules: &Rules) -> Result<Save, Problem> {
    let form = || Problem::Form(super::directive::SAVE);
    let (name, rest) = line[SAVE.len()..].split_once('=').ok_or_else(form)?;
    let (item, uses) = rest.trim().split_once(" for ").unwrap_or((rest.trim(), ""));
    let name = name.trim();
    let rule = rules.iter().position(|rule| rule.name == name && rule.action == Action::Keep);
    let rule = rule.ok_or_else(|| Problem::NotKept(name.to_owned()))?;
    let item = item.trim().parse().map_err(|_| Problem::Item(item.trim().to_owned()))?;
    let read = |text: &str| text.parse().ok().filter(Use::is_right).ok_or_else(|| Problem::Use(text.to_owned()));
    let mut uses: Vec<Use> = uses.split_whitespace().map(read).collect::<Result<_, _>>()?;
    uses.sort();
    uses.dedup();
    Ok(Save { rule, item, uses })
}

/// Each kept value is saved, and has one length.
fn check_kept(lines: &[&str], rules: &Rules, saves: &[Save]) -> Result<(), BadLine> {
    for (number, rule) in rules.iter().enumerate().filter(|(_, rule)| rule.action == Action::Keep) {
        let begins = |line: &&str| line.strip_prefix("keep").is_some_and(|rest| rest.split_whitespace().next() == Some(&rule.name));
        let line = lines.iter().position(begins).unwrap_or_default();
        let bad = |problem| BadLine { line, column: 1, problem };
        if rule.times != 1 || rule.length.start() != rule.length.end() {
            return Err(bad(Problem::OneLength(rule.name.clone())));
        }
        if saves.iter().all(|save| save.rule != number) {
            return Err(bad(Problem::NotSaved(rule.name.clone())));
        }
    }
    Ok(())
}
