//! What of an answer is kept and what is opened: rules, what each must satisfy, and their canonical bytes.
//!
//! Canonical bytes (numbers little endian, strings after their length in 4 bytes):
//!
//! ```text
//! 1 | all else is opened 1 | rules 4 | rule ...
//! rule = action 1: 0 keep, 1 open | place 1: 0 header, 1 body | name | prefix | characters 16 | least 4 | most 4 | suffix | times 1
//! ```

use crate::vault::{alphabet::Alphabet, item};
use cotenant_core::codec::Writer;
use std::ops::{Deref, RangeInclusive};

/// The most rules of one policy.
pub const MAX_RULES: usize = 16;
/// The longest name of a rule.
pub const MAX_NAME: usize = 63;
/// The longest prefix, and the longest suffix.
pub const MAX_LITERAL: usize = 128;
/// The longest value.
pub const MAX_VALUE: usize = item::MAX_BYTES;
/// The shortest value that can be kept: what is shorter would be found again by chance.
pub const MIN_KEPT: usize = 4;
/// The most values of one rule.
pub const MAX_TIMES: usize = 16;

/// Of the canonical bytes.
const FORMAT: u8 = 1;

/// What happens to a value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// It stays shared: no one sees it.
    Keep,
    /// All parties see it.
    Open,
}

/// Where a rule looks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// At the beginning of header lines; the name, up to the colon, without regard to case.
    Header,
    /// Anywhere in the content.
    Body,
}

/// One rule: a value stands between a prefix and a suffix. Its fields cannot be changed, as they have been checked.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Rule(Fields);

/// What a [`Rule`] is made of.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Fields {
    /// Keep or open.
    pub action: Action,
    /// Small letters, digits, `_` and `-`; at most [`MAX_NAME`].
    pub name: String,
    /// Where.
    pub place: Place,
    /// What stands before the value, exactly; of a header its name is in small letters here.
    pub prefix: Vec<u8>,
    /// What the value is made of.
    pub characters: Alphabet,
    /// How long it may be, in bytes.
    pub length: RangeInclusive<usize>,
    /// What stands after it, exactly.
    pub suffix: Vec<u8>,
    /// How often the prefix must be found.
    pub times: usize,
}

impl Deref for Rule {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.0
    }
}

/// What is wrong with a rule, alone or beside the others.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RuleError {
    /// The name.
    #[error("a name is 1 to {MAX_NAME} small letters, digits, underscores and hyphens")]
    Name,
    /// Two rules of the same name.
    #[error("another rule has this name")]
    NameTaken,
    /// A prefix or suffix that is empty or too long.
    #[error("a prefix and a suffix have 1 to {MAX_LITERAL} characters")]
    LiteralLength,
    /// A prefix or suffix with another byte than printable ASCII, tab, CR or LF.
    #[error("a prefix and a suffix are of printable ASCII, tabs and ends of lines")]
    LiteralByte,
    /// A header rule that does not begin with the name of a header and its colon, or goes on behind its line.
    #[error("in a header the prefix begins with the header's name and a colon, and prefix and suffix end with the line at the latest")]
    HeaderLine,
    /// Characters that the value must not have.
    #[error("a value must not have backslashes, nor the character that its suffix begins with")]
    Characters,
    /// Lengths.
    #[error("a value has 1 to {MAX_VALUE} bytes, at least {MIN_KEPT} if it is kept, and its least length is not above its greatest")]
    Length,
    /// The number of values.
    #[error("a rule is for 1 to {MAX_TIMES} values")]
    Times,
    /// A prefix inside another one, of which every match would be one of its own; or inside a suffix, which would then run into a value.
    #[error("another prefix or suffix in the same place contains this prefix, or this one contains another prefix")]
    Contained,
    /// A value could contain the beginning of a prefix.
    #[error("the prefix begins with a character that a value may have")]
    BeginsInValue,
    /// A value is kept and everything is opened.
    #[error("`open all-else` opens the whole answer, and stands alone")]
    AllElse,
    /// Too many rules.
    #[error("a policy has {MAX_RULES} rules at most")]
    TooMany,
}

impl Rule {
    /// Checks a rule by itself. Of a header's prefix the name is put in small letters.
    ///
    /// # Errors
    /// The first fault.
    pub fn new(mut fields: Fields) -> Result<Rule, RuleError> {
        let name = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"_-".contains(&c);
        let literal = |c: u8| matches!(c, b' '..=b'~' | b'\t' | b'\r' | b'\n');
        let least = if fields.action == Action::Keep { MIN_KEPT } else { 1 };
        let literals = [&fields.prefix, &fields.suffix];
        ensure((1..=MAX_NAME).contains(&fields.name.len()) && fields.name.bytes().all(name), RuleError::Name)?;
        ensure(literals.iter().all(|text| (1..=MAX_LITERAL).contains(&text.len())), RuleError::LiteralLength)?;
        ensure(literals.iter().all(|text| text.iter().copied().all(literal)), RuleError::LiteralByte)?;
        let within_line = !fields.suffix[..fields.suffix.len() - 1].contains(&b'\n');
        ensure(fields.place == Place::Body || within_line && header_prefix(&mut fields.prefix), RuleError::HeaderLine)?;
        ensure(!fields.characters.contains(b'\\') && !fields.characters.contains(fields.suffix[0]), RuleError::Characters)?;
        let (shortest, longest) = fields.length.clone().into_inner();
        ensure(shortest >= least && shortest <= longest && longest <= MAX_VALUE, RuleError::Length)?;
        ensure((1..=MAX_TIMES).contains(&fields.times), RuleError::Times)?;
        Ok(Rule(fields))
    }

    /// The sets of characters that the bytes of the prefix must be of, one after another.
    pub(super) fn prefix_sets(&self) -> impl Iterator<Item = u128> {
        let either_case = match self.place {
            Place::Header => self.prefix.iter().position(|&c| c == b':').unwrap_or(0),
            Place::Body => 0,
        };
        self.prefix.iter().enumerate().map(move |(i, &c)| match i < either_case {
            true => 1 << c | 1 << c.to_ascii_uppercase(),
            false => 1 << c,
        })
    }

    /// Whether a prefix of this rule can end inside one of the other: then a value of this rule could begin there.
    pub(super) fn can_end_inside(&self, other: &Rule) -> bool {
        (1..other.prefix.len()).any(|l| self.prefix.ends_with(&other.prefix[..l]))
    }

    /// The least distance between two places where the prefix can stand.
    pub(super) fn period(&self) -> usize {
        let m = self.prefix.len();
        (1..m).find(|&p| self.prefix[p..] == self.prefix[..m - p]).unwrap_or(m)
    }
}

/// `token ":" ...` on one line (RFC 9110 section 5.6.2, RFC 9112 section 5); the name in small letters afterwards.
fn header_prefix(prefix: &mut [u8]) -> bool {
    let Some(colon) = prefix.iter().position(|&c| c == b':') else { return false };
    prefix[..colon].make_ascii_lowercase();
    crate::http::is_token(&prefix[..colon]) && !prefix.iter().any(|c| b"\r\n".contains(c))
}

fn ensure(holds: bool, error: RuleError) -> Result<(), RuleError> {
    if holds { Ok(()) } else { Err(error) }
}

/// What all parties see of an answer beside its framing, and what no one does.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Policy {
    /// `open all-else`: the whole answer, which was declared to hold nothing secret.
    All,
    /// What the rules open; without rules the status alone.
    Rules(Rules),
}

/// Rules that fit each other, in the order in which they were written.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Rules(Vec<Rule>);

impl Deref for Rules {
    type Target = [Rule];

    fn deref(&self) -> &[Rule] {
        &self.0
    }
}

impl Rules {
    /// One more rule.
    ///
    /// # Errors
    /// The first way in which it does not fit the others.
    pub fn with(mut self, rule: Rule) -> Result<Rules, RuleError> {
        ensure(self.len() < MAX_RULES, RuleError::TooMany)?;
        ensure(self.iter().all(|other| other.name != rule.name), RuleError::NameTaken)?;
        self.0.push(rule);
        for (i, a) in self.iter().enumerate() {
            let beside = self.iter().enumerate().filter(|(_, b)| b.place == a.place);
            for (j, b) in beside {
                let inside_suffix = contains(&a.suffix[..a.suffix.len() - 1], &b.prefix);
                ensure(!inside_suffix && (i == j || !contains(&a.prefix, &b.prefix)), RuleError::Contained)?;
                // A header's prefix stands behind an end of line, which is in no value.
                ensure(a.place == Place::Header || !b.characters.contains(a.prefix[0]), RuleError::BeginsInValue)?;
            }
        }
        Ok(self)
    }

    /// The rules of one place, with their numbers.
    pub(super) fn of(&self, place: Place) -> impl Iterator<Item = (usize, &Rule)> {
        self.iter().enumerate().filter(move |(_, rule)| rule.place == place)
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

impl Policy {
    /// Whether a value is kept.
    pub fn keeps(&self) -> bool {
        matches!(self, Policy::Rules(rules) if rules.iter().any(|rule| rule.action == Action::Keep))
    }

    /// The canonical bytes: what is compared and approved.
    pub fn canonical(&self) -> Vec<u8> {
        let (all, rules): (_, &[Rule]) = match self {
            Policy::All => (1, &[]),
            Policy::Rules(rules) => (0, rules),
        };
        let start = Writer::new().bytes(&[FORMAT, all]).bytes(&number(rules.len()));
        rules.iter().fold(start, write_rule).done()
    }
}

fn write_rule(w: Writer, rule: &Rule) -> Writer {
    let string = |w: Writer, bytes: &[u8]| w.bytes(&number(bytes.len())).bytes(bytes);
    let w = string(w.bytes(&[rule.action as u8, rule.place as u8]), rule.name.as_bytes());
    let w = string(w, &rule.prefix).bytes(&rule.characters.mask().to_le_bytes());
    let w = w.bytes(&number(*rule.length.start())).bytes(&number(*rule.length.end()));
    string(w, &rule.suffix).bytes(&[rule.times as u8]) // at most MAX_TIMES
}

fn number(n: usize) -> [u8; 4] {
    u32::try_from(n).expect("a checked rule is small").to_le_bytes()
}
