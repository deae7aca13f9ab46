//! The errors of an agreement as people read them. What other parties sent is escaped, cut to a line, and limited in number.

use super::{AgreeError, Difference, MAX_FIELDS, MAX_TERMS, Opening};
use crate::{
    approve::escape::escape,
    sign::date::{BadTimestamp, Timestamp},
};
use cotenant_core::PartyId;
use std::fmt;

/// How many differences are shown.
const SHOWN_DIFFERENCES: usize = 20;
/// How much of a value is shown on one line.
const SHOWN: usize = 100;

impl AgreeError {
    /// The error as people read it, with parties as `name` writes them; one line for each difference, up to 20, more for a difference
    /// inside a long text. What another party sent is escaped.
    pub fn explain(&self, name: impl Fn(PartyId) -> String) -> String {
        match self {
            AgreeError::Differ(all) => {
                let mut lines: Vec<String> = all.iter().take(SHOWN_DIFFERENCES).map(|one| one.explain(&name)).collect();
                if all.len() > SHOWN_DIFFERENCES {
                    lines.push(format!("and {} more differences", all.len() - SHOWN_DIFFERENCES));
                }
                lines.join("\n")
            }
            AgreeError::ToldApart { from, by, ours, theirs } => told_apart(&name(*from), &name(*by), from == by, ours, theirs),
            AgreeError::Misquoted { by, said, quoted } => {
                format!("{} says that this party said {}, but it said {}", name(*by), opening(quoted), opening(said))
            }
            AgreeError::ClockDiffers { connector, proposed, own } => {
                format!("the clock of {} says {proposed}, this one {}; set the clocks right", name(*connector), at(*own))
            }
            AgreeError::TimeRefused { by, proposed, clock } => {
                format!("{} refuses the connector's time {proposed}, its clock says {}; set the clocks right", name(*by), at(*clock))
            }
            AgreeError::TooLong => {
                format!("the description of the operation is longer than {MAX_TERMS} bytes or {MAX_FIELDS} fields; shorten its headers")
            }
            AgreeError::Malformed { party } => {
                format!("{} did not say what it was started for; install the same version everywhere", name(*party))
            }
            AgreeError::Channel(error) => format!("{} {}", name(error.party), error.cause),
        }
    }
}

impl fmt::Display for AgreeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.explain(|party| party.to_string()))
    }
}

impl std::error::Error for AgreeError {}

/// Which of the two is at fault cannot be told from here, so neither is accused, unless they are one.
fn told_apart(from: &str, by: &str, same: bool, ours: &Opening, theirs: &Opening) -> String {
    let (ours, theirs) = (opening(ours), opening(theirs));
    if same {
        return format!("{from} said {ours} here, and now says that it said {theirs}");
    }
    format!("{from} said {ours} here, but {theirs} at {by}, as {by} says: one of the two is not honest, and this party cannot tell which")
}

fn opening(opening: &Opening) -> String {
    format!("\"clock {}, connector {}\"", at(opening.clock), opening.connector)
}

fn at(seconds: i64) -> String {
    Timestamp::from_unix(seconds).map_or_else(|BadTimestamp| format!("{seconds} s"), |time| time.to_string())
}

impl Difference {
    fn explain(&self, name: impl Fn(PartyId) -> String) -> String {
        let (field, party) = (printable(&self.field), name(self.party));
        match (&self.ours, &self.theirs) {
            (Some(ours), Some(theirs)) if is_long(ours) || is_long(theirs) => {
                format!("the parties differ in \"{field}\"; here (-) and at {party} (+):\n{}", diff(ours, theirs))
            }
            (ours, theirs) => {
                let show = |value: &Option<String>| value.as_ref().map_or("nothing".to_owned(), |value| shown(value));
                format!("the parties differ in \"{field}\": {} here, {} at {party}", show(ours), show(theirs))
            }
        }
    }
}

fn is_long(value: &str) -> bool {
    value.len() > SHOWN || value.contains('\n')
}

/// A digest by its first digits, everything else in quotation marks.
fn shown(value: &str) -> String {
    match value.len() {
        64 if value.bytes().all(|b| b.is_ascii_hexdigit()) => format!("{}…", &value[..12]),
        _ => format!("\"{}\"", printable(value)),
    }
}

/// Controls, direction marks and everything outside ASCII escaped, and cut to what fits a line.
fn printable(text: &str) -> String {
    let escaped = escape(text).to_string();
    if escaped.len() <= SHOWN { escaped } else { format!("{}…", &escaped[..SHOWN]) }
}

/// The lines in which two texts differ, at most three of each: those between the lines that are the same at the start and at the end.
/// Of a long line only what surrounds the first difference.
pub(super) fn diff(ours: &str, theirs: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (ours.lines().collect(), theirs.lines().collect());
    let start = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let end = a[start..].iter().rev().zip(b[start..].iter().rev()).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[start..a.len() - end], &b[start..b.len() - end]);
    let column = match (a.first(), b.first()) {
        (Some(x), Some(y)) => x.chars().zip(y.chars()).take_while(|(x, y)| x == y).count().saturating_sub(SHOWN / 4),
        _ => 0,
    };
    let window = |line: &str| if line.len() > SHOWN { line.chars().skip(column).take(SHOWN).collect() } else { line.to_owned() };
    let side = |mark: char, lines: &[&str]| -> Vec<String> {
        let mut shown: Vec<String> = lines.iter().take(3).map(|line| format!("  {mark} {}", printable(&window(line)))).collect();
        if lines.len() > 3 {
            shown.push(format!("  {mark} and {} more lines", lines.len() - 3));
        }
        shown
    };
    [side('-', a), side('+', b)].concat().join("\n")
}
