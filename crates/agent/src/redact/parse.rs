//! The text of a policy, one directive a line; empty lines and what follows `#` outside of quotes do not count.
//!
//! ```text
//! keep NAME in header "Set-Cookie: sessionid=" chars alnum len 32 ";"
//! open NAME in body "<AccessKeyId>" chars alnum len 16..128 "</" once
//! keep NAME in json "access_token" chars [A-Za-z0-9._-] len 20..2048 exactly 2 times
//! open NAME in spaced-json "id" chars digits len 1..20
//! keep NAME in xml "SecretAccessKey" chars [A-Za-z0-9+/=] len 40
//! open status
//! open all-else
//! ```
//!
//! `json`, `spaced-json` and `xml` are rules of the body with the prefix `"name":"`, `"name": "` or `<name>` and the suffix `"` or `</`.
//! Quotes take `\"`, `\\`, `\r`, `\n` and `\t`, brackets `\]` and `\-`. The status is open in any case.

use super::policy::{Action, Fields, Place, Policy, Rule, RuleError, Rules};
use crate::vault::alphabet::Alphabet;
use std::ops::RangeInclusive;

/// What stands where something else should.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// `keep` or `open`.
    Directive,
    /// A name, or after `open` also `status` or `all-else`.
    Name,
    /// This word.
    Word(&'static str),
    /// `header`, `body`, `json`, `spaced-json` or `xml`.
    Place,
    /// A text in quotes.
    Quoted,
    /// The name of a set of characters, or a set in brackets.
    Characters,
    /// A number, or two with `..` between.
    Length,
    /// A number.
    Number,
    /// `once`, `exactly`, or the end of the line.
    Times,
    /// The end of the line.
    End,
}

/// Why a line is no directive. All are faults of whoever wrote it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Fault {
    /// Another word was wanted.
    #[error("{} was expected here", described(*.0))]
    Expected(Wanted),
    /// A quote or bracket that is not closed on its line.
    #[error("this is not closed on its line")]
    Unclosed,
    /// A backslash before a character that has none.
    #[error("a backslash stands before quote, backslash, r, n and t, and in brackets before bracket and hyphen")]
    Escape,
    /// In brackets: a run that goes down, a character that is not printable, or fewer than two.
    #[error("brackets hold at least two printable characters, and runs that go up")]
    Set,
    /// The name of a field or element cannot stand in it as it is.
    #[error("the name of a field or element is of letters, digits, dots, colons, underscores and hyphens")]
    Field,
    /// The rule cannot be, alone or beside those above it.
    #[error(transparent)]
    Rule(RuleError),
}

fn described(wanted: Wanted) -> &'static str {
    match wanted {
        Wanted::Directive => "`keep` or `open`",
        Wanted::Name => "a name, or after `open` also `status` or `all-else`,",
        Wanted::Word(word) => word,
        Wanted::Place => "`header`, `body`, `json`, `spaced-json` or `xml`",
        Wanted::Quoted => "a text in double quotes",
        Wanted::Characters => "`digits`, `hex`, `alnum`, `base64`, `base64url` or a set in brackets",
        Wanted::Length => "a number, or two with `..` between,",
        Wanted::Number => "a number",
        Wanted::Times => "`once`, `exactly` or the end of the line",
        Wanted::End => "the end of the line",
    }
}

/// A fault and where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}, column {column}: {fault}")]
pub struct ParseError {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// What is wrong there.
    #[source]
    pub fault: Fault,
}

impl Policy {
    /// Reads the text of a policy.
    ///
    /// # Errors
    /// The first fault, with its line and column.
    pub fn parse(text: &str) -> Result<Policy, ParseError> {
        let (mut rules, mut all) = (Rules::default(), false);
        for (number, text) in text.lines().enumerate() {
            let mut line = Line { text, rest: text };
            match directive(&mut line).and_then(|(column, found)| add(&mut rules, &mut all, found).map_err(|fault| (column, fault))) {
                Ok(()) => {}
                Err((at, fault)) => {
                    return Err(ParseError { line: number + 1, column: text[..at].chars().count() + 1, fault });
                }
            }
        }
        Ok(if all { Policy::All } else { Policy::Rules(rules) })
    }
}

/// What a line says.
enum Directive {
    Nothing,
    Status,
    AllElse,
    Rule(Box<Rule>),
}

/// A fault and the byte of the line where it is.
type At<T> = Result<T, (usize, Fault)>;

fn add(rules: &mut Rules, all: &mut bool, found: Directive) -> Result<(), Fault> {
    let beside = Fault::Rule(RuleError::AllElse);
    match found {
        Directive::Nothing | Directive::Status => Ok(()),
        Directive::AllElse if !rules.is_empty() => Err(beside),
        Directive::AllElse => {
            *all = true;
            Ok(())
        }
        Directive::Rule(_) if *all => Err(beside),
        Directive::Rule(rule) => {
            *rules = std::mem::take(rules).with(*rule).map_err(Fault::Rule)?;
            Ok(())
        }
    }
}

/// The directive of a line, and where it begins.
fn directive(line: &mut Line) -> At<(usize, Directive)> {
    if line.at_end() {
        return Ok((0, Directive::Nothing));
    }
    let begin = line.here();
    let action = match line.word() {
        "keep" => Action::Keep,
        "open" => Action::Open,
        _ => return Err((begin, Fault::Expected(Wanted::Directive))),
    };
    let at = line.here();
    let found = match (action, line.word()) {
        (Action::Open, "status") => Directive::Status,
        (Action::Open, "all-else") => Directive::AllElse,
        (_, "") => return Err((at, Fault::Expected(Wanted::Name))),
        (_, name) => {
            let fields = rule(line, action, name)?;
            Directive::Rule(Box::new(Rule::new(fields).map_err(|error| (begin, Fault::Rule(error)))?))
        }
    };
    if line.at_end() { Ok((begin, found)) } else { Err((line.here(), Fault::Expected(Wanted::End))) }
}

fn rule(line: &mut Line, action: Action, name: &str) -> At<Fields> {
    line.expect("in")?;
    let at = line.here();
    let form = line.word();
    let place = match form {
        "header" => Place::Header,
        "body" | "json" | "spaced-json" | "xml" => Place::Body,
        _ => return Err((at, Fault::Expected(Wanted::Place))),
    };
    let at = line.here();
    let text = line.quoted()?;
    if !matches!(form, "header" | "body") && !field_name(&text) {
        return Err((at, Fault::Field));
    }
    let (prefix, suffix): ([&[u8]; 3], Option<&[u8]>) = match form {
        "json" => ([b"\"", &text, b"\":\""], Some(b"\"")),
        "spaced-json" => ([b"\"", &text, b"\": \""], Some(b"\"")),
        "xml" => ([b"<", &text, b">"], Some(b"</")),
        _ => ([b"", &text, b""], None),
    };
    line.expect("chars")?;
    let characters = line.characters()?;
    line.expect("len")?;
    let length = line.length()?;
    let suffix = suffix.map_or_else(|| line.quoted(), |suffix| Ok(suffix.to_vec()))?;
    let times = line.times()?;
    Ok(Fields { action, name: name.to_owned(), place, prefix: prefix.concat(), characters, length, suffix, times })
}

/// What stands in JSON and XML as it is.
fn field_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&c| c.is_ascii_alphanumeric() || b".:_-".contains(&c))
}

/// What has not been read of a line.
struct Line<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Line<'a> {
    /// Where the next word begins.
    fn here(&mut self) -> usize {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
        self.text.len() - self.rest.len()
    }

    fn at_end(&mut self) -> bool {
        self.here();
        self.rest.is_empty() || self.rest.starts_with('#')
    }

    /// Up to the next blank; empty at the end of the line.
    fn word(&mut self) -> &'a str {
        if self.at_end() {
            return "";
        }
        let (word, rest) = self.rest.split_at(self.rest.find([' ', '\t']).unwrap_or(self.rest.len()));
        self.rest = rest;
        word
    }

    fn expect(&mut self, word: &'static str) -> At<()> {
        let at = self.here();
        if self.word() == word { Ok(()) } else { Err((at, Fault::Expected(Wanted::Word(word)))) }
    }

    fn number(&mut self) -> At<usize> {
        let at = self.here();
        decimal(self.word()).ok_or((at, Fault::Expected(Wanted::Number)))
    }

    /// `N` or `N..M`.
    fn length(&mut self) -> At<RangeInclusive<usize>> {
        let at = self.here();
        let word = self.word();
        let (least, most) = word.split_once("..").unwrap_or((word, word));
        let ends = decimal(least).zip(decimal(most));
        ends.map(|(least, most)| least..=most).ok_or((at, Fault::Expected(Wanted::Length)))
    }

    /// Nothing, `once`, or `exactly N times`.
    fn times(&mut self) -> At<usize> {
        let at = self.here();
        match self.word() {
            "" | "once" => Ok(1),
            "exactly" => {
                let times = self.number()?;
                self.expect("times").map(|()| times)
            }
            _ => Err((at, Fault::Expected(Wanted::Times))),
        }
    }

    fn quoted(&mut self) -> At<Vec<u8>> {
        let at = self.here();
        self.rest = self.rest.strip_prefix('"').ok_or((at, Fault::Expected(Wanted::Quoted)))?;
        let mut text = Vec::new();
        loop {
            match self.next('"', &[('"', '"'), ('r', '\r'), ('n', '\n'), ('t', '\t')]).map_err(|fault| (at, fault))? {
                None => return Ok(text),
                Some((c, _)) => text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
    }

    fn characters(&mut self) -> At<Alphabet> {
        let at = self.here();
        if let Some(rest) = self.rest.strip_prefix('[') {
            self.rest = rest;
            let mask = self.set().map_err(|fault| (at, fault))?;
            return Alphabet::from_mask(mask).ok_or((at, Fault::Set));
        }
        match self.word() {
            "digits" => Ok(Alphabet::DIGITS),
            "hex" => Ok(Alphabet::HEX),
            "alnum" => Ok(Alphabet::ALPHANUMERIC),
            "base64" => Ok(Alphabet::BASE64),
            "base64url" => Ok(Alphabet::BASE64URL),
            _ => Err((at, Fault::Expected(Wanted::Characters))),
        }
    }

    /// Characters and runs of them, up to the bracket.
    fn set(&mut self) -> Result<u128, Fault> {
        let (mut mask, mut before, mut in_run) = (0_u128, None, false);
        while let Some((c, escaped)) = self.next(']', &[(']', ']'), ('-', '-')])? {
            if !(' '..='~').contains(&c) {
                return Err(Fault::Set);
            }
            let c = c as u8;
            match before.take_if(|_| in_run) {
                Some(from) if from > c => return Err(Fault::Set),
                Some(from) => mask |= (from..=c).fold(0, |run, c| run | 1 << c),
                None if c == b'-' && !escaped && before.is_some() => {
                    in_run = true;
                    continue;
                }
                None => {
                    mask |= 1 << c;
                    before = Some(c);
                }
            }
            in_run = false;
        }
        if in_run { Err(Fault::Set) } else { Ok(mask) }
    }

    /// The next character of what `close` ends, and whether a backslash stood before it.
    fn next(&mut self, close: char, escapes: &[(char, char)]) -> Result<Option<(char, bool)>, Fault> {
        let mut characters = self.rest.chars();
        let found = match characters.next().ok_or(Fault::Unclosed)? {
            c if c == close => None,
            '\\' => match characters.next().ok_or(Fault::Unclosed)? {
                '\\' => Some(('\\', true)),
                c => {
                    let meant = escapes.iter().find(|(written, _)| *written == c).ok_or(Fault::Escape)?;
                    Some((meant.1, true))
                }
            },
            c => Some((c, false)),
        };
        self.rest = characters.as_str();
        Ok(found)
    }
}

/// The characters that are named at the start of a text, and what stands behind them.
pub(crate) fn characters(text: &str) -> Result<(Alphabet, &str), Fault> {
    let mut line = Line { text, rest: text };
    line.characters().map(|characters| (characters, line.rest)).map_err(|(_, fault)| fault)
}

/// 1*6DIGIT.
fn decimal(word: &str) -> Option<usize> {
    let digits = (1..=6).contains(&word.len()) && word.bytes().all(|c| c.is_ascii_digit());
    word.parse().ok().filter(|_| digits)
}
