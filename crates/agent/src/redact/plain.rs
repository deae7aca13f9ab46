//! What a policy opens and keeps of an answer, for one who has the answer in the clear: the meaning that the circuits must have, and what a
//! dry run shows.

use super::policy::{Action, Place, Rule, Rules};
use super::sample::Sample;
use std::ops::Range;

/// Where one value stands in the text of its rule's place: the head, or the content without chunk lines.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The number of its rule.
    pub rule: usize,
    /// Its bytes.
    pub at: Range<usize>,
}

/// The texts that rules look into.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'a> {
    /// Status line and headers, the empty line included.
    pub head: &'a [u8],
    /// The content.
    pub content: &'a [u8],
}

impl<'a> Texts<'a> {
    /// The text of one place.
    pub fn of(self, place: Place) -> &'a [u8] {
        match place {
            Place::Header => self.head,
            Place::Body => self.content,
        }
    }
}

/// The values of all rules, by rule and then as they stand; or none, and then nothing may be opened but the framing and that fact.
///
/// It fails unless
/// - the prefix of each rule is found exactly as often as the rule says. A header's prefix is found at the beginning of lines alone, one that begins with a quote not after
///   a backslash;
/// - after each the longest run of the rule's characters has a length that the rule allows, and then the suffix stands;
/// - no value begins inside another prefix;
/// - the beginning of no kept value is found again in an opened one, as far as [`Sample`] can tell them apart.
pub fn find(rules: &Rules, texts: Texts) -> Option<Vec<Found>> {
    let mut found = Vec::new();
    for place in [Place::Header, Place::Body] {
        let text = texts.of(place);
        let begins: Vec<(&Rule, Vec<usize>)> = rules.of(place).map(|(_, rule)| (rule, prefixes(rule, text))).collect();
        let clear = |at: &usize, rule: &Rule| {
            let inside = at - rule.prefix.len() + 1..*at;
            !begins.iter().any(|(_, others)| others.iter().any(|other| inside.contains(other)))
        };
        for (number, rule) in rules.of(place) {
            let places = &begins.iter().find(|(r, _)| r.name == rule.name)?.1;
            if places.len() != rule.times {
                return None;
            }
            for at in places {
                found.push(Found { rule: number, at: value(rule, text, *at).filter(|_| clear(at, rule))? });
            }
        }
    }
    found.sort_by_key(|f| (f.rule, f.at.start));
    let of = |action| found.iter().filter(move |f| rules[f.rule].action == action);
    let bytes = |f: &Found| &texts.of(rules[f.rule].place)[f.at.clone()];
    let again = of(Action::Keep).any(|kept| {
        let sample = Sample::of(&rules[kept.rule]);
        of(Action::Open).any(|open| sample.stands_in(bytes(kept), bytes(open)))
    });
    if again { None } else { Some(found) }
}

/// Where values begin: behind each prefix.
fn prefixes(rule: &Rule, text: &[u8]) -> Vec<usize> {
    let m = rule.prefix.len();
    let at = |&begin: &usize| {
        let before = begin.checked_sub(1).map(|i| text[i]);
        let anchored = match rule.place {
            Place::Header => before == Some(b'\n'),
            Place::Body => rule.prefix[0] != b'"' || before != Some(b'\\'),
        };
        anchored && rule.prefix_sets().zip(&text[begin..]).all(|(set, &byte)| byte < 128 && set >> byte & 1 == 1)
    };
    (0..=text.len().saturating_sub(m)).filter(|begin| begin + m <= text.len()).filter(at).map(|begin| begin + m).collect()
}

/// The value that begins at `begin`.
fn value(rule: &Rule, text: &[u8], begin: usize) -> Option<Range<usize>> {
    let length = text[begin..].iter().take_while(|&&byte| rule.characters.contains(byte)).count();
    let end = begin + length;
    (rule.length.contains(&length) && text[end..].starts_with(&rule.suffix)).then_some(begin..end)
}
