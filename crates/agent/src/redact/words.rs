//! A policy in words, for those who approve it: every field is in some line, literals escaped.

use super::policy::{Action, Place, Policy, Rule};
use crate::approve::escape::escape_bytes;
use crate::vault::alphabet::Alphabet;

impl Policy {
    /// One line for each thing that is opened or kept, in printable ASCII.
    pub fn words(&self) -> Vec<String> {
        let status = "the status and the lengths of the answer become known to all".to_owned();
        match self {
            Policy::All => {
                vec![status, "the whole answer becomes known to all: whoever approves it says that nothing in it is secret".to_owned()]
            }
            Policy::Rules(rules) => {
                let rest = match rules.is_empty() {
                    true => "nothing else of the answer becomes known to anyone",
                    false => {
                        "nothing else of the answer becomes known to anyone, and nothing of all this unless each rule fits exactly as often as it says"
                    }
                };
                [status].into_iter().chain(rules.iter().map(words)).chain([rest.to_owned()]).collect()
            }
        }
    }
}

fn words(rule: &Rule) -> String {
    let what = match rule.action {
        Action::Keep => "is kept as a secret of all, only its length and position become known",
        Action::Open => "becomes known to all",
    };
    let place = match rule.place {
        Place::Header => "in a header line that begins with",
        Place::Body => "in the content after",
    };
    let (least, most) = rule.length.clone().into_inner();
    let length = if least == most { format!("{least}") } else { format!("{least} to {most}") };
    let times = if rule.times == 1 { "once".to_owned() } else { format!("{} times", rule.times) };
    format!(
        "{}: what stands {times} {place} \"{}\", {length} characters of {}, before \"{}\", {what}",
        rule.name,
        escape_bytes(&rule.prefix),
        set(rule.characters),
        escape_bytes(&rule.suffix)
    )
}

/// In brackets as it would be written in a policy.
fn set(characters: Alphabet) -> String {
    let mut out = String::from("[");
    let mut rest: Vec<u8> = (0..128).filter(|&c| characters.contains(c)).rev().collect();
    while let Some(first) = rest.pop() {
        let mut last = first;
        while rest.last().is_some_and(|&next| next == last + 1) {
            last += 1;
            rest.pop();
        }
        let written = |c: u8| if b"]-\\".contains(&c) { format!("\\{}", char::from(c)) } else { char::from(c).to_string() };
        out += &match last - first {
            0 => written(first),
            1 => written(first) + &written(last),
            _ => written(first) + "-" + &written(last),
        };
    }
    out + "]"
}
