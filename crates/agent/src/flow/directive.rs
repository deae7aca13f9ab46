//! Directives: comments that begin with `@` and stand before the request that they are about.

use super::{
    compile::MAX_LIMIT,
    error::{FlowError, Position, Problem},
    lines::Line,
    template::{Hole, Template},
    value::Expression,
};
use crate::{
    approve::{
        item::{ItemName, is_token},
        operation::MAX_HOLES,
    },
    derive::MAX_VALUE,
    redact::characters,
    sign::{presign::Expires, sigv4::SigningError},
    vault::alphabet::Alphabet,
};
use std::collections::BTreeSet;

/// The most holes that one request declares, and the most directives of each other kind of which there can be several: with the slot of a signature as many as an
/// operation holds. A text of another member is read before anybody has approved it, so what follows from it may not grow faster than it does.
pub(super) const MOST: usize = MAX_HOLES - 1;
/// The longest word that a nearest one is looked for, in bytes.
const MAX_WORD: usize = 64;

/// The forms of all directives, the word first.
const FORMS: [(&str, &str); 12] = [
    ("name", "@name NAME"),
    ("vault", "@vault HOLE = ITEM"),
    ("private", PRIVATE),
    ("let", "@let HOLE = VALUE"),
    ("sign", SIGN),
    ("presign", PRESIGN),
    ("open", "@open all, @open status or @open NAME in ..."),
    ("keep", "@keep NAME in ..."),
    ("save", SAVE),
    ("status", STATUS),
    ("not-reflected", "@not-reflected HOLE"),
    ("limit", "@limit BYTES"),
];
const SIGN: &str = "@sign aws-sigv4 service=SERVICE region=REGION key=ITEM access-key-id=ID";
const PRESIGN: &str = "@presign aws-sigv4 service=SERVICE region=REGION key=ITEM access-key-id=ID expires=SECONDS";
const PRIVATE: &str = "@private HOLE [of MEMBER] chars CHARACTERS len LENGTH";
pub(super) const STATUS: &str = "@status NUMBER, of three digits";
pub(super) const SAVE: &str = "@save NAME = ITEM, or @save NAME = ITEM for USE ...";
const SIGN_SETTINGS: [&str; 5] = ["service", "region", "key", "access-key-id", "expires"];

/// What the directives of one request say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Directives<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) vault: Vec<Vault<'a>>,
    pub(super) private: Vec<Private<'a>>,
    pub(super) lets: Vec<Let<'a>>,
    /// The names of all holes that these three fill.
    pub(super) declared: BTreeSet<&'a str>,
    pub(super) sign: Option<Sign<'a>>,
    /// Lines of the policy, as they are written.
    pub(super) policy: Vec<PolicyLine<'a>>,
    pub(super) not_reflected: Vec<Hole<'a>>,
    pub(super) limit: Option<u64>,
    /// Where the first stands.
    pub(super) first: Option<Position>,
}

/// A directive that says what becomes of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PolicyLine<'a> {
    /// Without the `@` before it.
    pub(super) text: &'a str,
    /// Where the `@` stands.
    pub(super) at: Position,
}

/// A hole that an item of the vault fills.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vault<'a> {
    pub(super) hole: Hole<'a>,
    pub(super) item: ItemName,
}

/// A hole that one party fills, in front of nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Private<'a> {
    pub(crate) hole: Hole<'a>,
    /// The name of the member that gives it; who proposes the call if none.
    pub(crate) member: Option<&'a str>,
    pub(crate) alphabet: Alphabet,
    pub(crate) len: usize,
}

/// A hole that is filled with what is made of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Let<'a> {
    pub(crate) hole: Hole<'a>,
    pub(crate) value: Expression<'a>,
}

/// A signature by a key of the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sign<'a> {
    pub(crate) at: Position,
    pub(crate) service: &'a str,
    pub(crate) region: &'a str,
    pub(crate) key: ItemName,
    pub(crate) access_key_id: Template<'a>,
    /// For how long, of a URL that is made and not sent.
    pub(crate) expires: Option<Expires>,
}

impl<'a> Directives<'a> {
    /// Reads one: `text` stands after the `@` at `at` of the line.
    pub(super) fn read(&mut self, line: &Line<'a>, text: &'a str, at: Position) -> Result<(), FlowError> {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let Some((word, form)) = FORMS.iter().find(|(known, _)| *known == word) else {
            return Err(Problem::UnknownDirective { found: word.to_owned(), nearest: nearest(word, &FORMS.map(|(known, _)| known)) }.at(at));
        };
        self.first.get_or_insert(at);
        let (rest, wrong) = (rest.trim(), || Problem::Form(form).at(at));
        let twice = || Problem::Twice(format!("@{word}")).at(at);
        let hole = |name: &'a str| if is_token(name) { Ok(Hole { name, at: line.place_of(name) }) } else { Err(wrong()) };
        match *word {
            "name" if self.name.is_some() => return Err(twice()),
            "name" => self.name = Some(hole(rest)?.name),
            "open" if rest == "all-else" => return Err(wrong()),
            "open" | "keep" | "save" | "status" if rest.is_empty() => return Err(wrong()),
            "open" | "keep" | "save" | "status" if self.policy.len() == MOST => return Err(Problem::Many.at(at)),
            "open" | "keep" | "save" | "status" if self.policy.iter().any(|line| line.text == text.trim()) => return Err(twice()),
            "open" | "keep" | "save" | "status" => self.policy.push(PolicyLine { text: text.trim(), at }),
            "limit" if self.limit.is_some() => return Err(twice()),
            "limit" => {
                let bytes = rest.parse().ok().filter(|bytes| (1..=MAX_LIMIT).contains(bytes));
                self.limit = Some(bytes.ok_or_else(|| Problem::Limit.at(at))?);
            }
            "not-reflected" if self.not_reflected.len() == MOST => return Err(Problem::Many.at(at)),
            "not-reflected" => {
                let hole = hole(rest)?;
                if self.not_reflected.iter().any(|other| other.name == hole.name) {
                    return Err(Problem::Twice(hole.name.to_owned()).at(hole.at));
                }
                self.not_reflected.push(hole);
            }
            "vault" => {
                let (name, item) = rest.split_once('=').ok_or_else(wrong)?;
                let hole = self.declare(hole(name.trim())?)?;
                self.vault.push(Vault { hole, item: item_name(line, item.trim())? });
            }
            "private" => {
                let (name, rest) = rest.split_once(char::is_whitespace).ok_or_else(wrong)?;
                let hole = self.declare(hole(name)?)?;
                let (member, rest) = member(rest);
                let (alphabet, len) = kind(line, rest).ok_or_else(wrong)??;
                self.private.push(Private { hole, member, alphabet, len });
            }
            "let" => {
                let (name, value) = rest.split_once('=').ok_or_else(wrong)?;
                let hole = self.declare(hole(name.trim())?)?;
                self.lets.push(Let { hole, value: Expression::parse(line, value)? });
            }
            "sign" | "presign" if self.sign.is_some() => return Err(twice()),
            "sign" | "presign" => self.sign = Some(sign(line, rest, at, *word == "presign")?),
            _ => return Err(wrong()),
        }
        Ok(())
    }

    /// All holes that a directive fills with a secret.
    pub(super) fn holes(&self) -> impl Iterator<Item = Hole<'a>> {
        let vault = self.vault.iter().map(|secret| secret.hole);
        vault.chain(self.private.iter().map(|secret| secret.hole)).chain(self.lets.iter().map(|made| made.hole))
    }

    /// A hole that nothing fills yet.
    fn declare(&mut self, hole: Hole<'a>) -> Result<Hole<'a>, FlowError> {
        if self.declared.len() == MOST {
            return Err(Problem::Many.at(hole.at));
        }
        if self.declared.insert(hole.name) { Ok(hole) } else { Err(Problem::Twice(hole.name.to_owned()).at(hole.at)) }
    }
}

/// `of MEMBER`, if it begins so, and what follows. A name can have spaces inside.
fn member(text: &str) -> (Option<&str>, &str) {
    let text = text.trim_start();
    let named = text.strip_prefix("of ").and_then(|rest| Some((rest, rest.find(" chars ")?)));
    named.map_or((None, text), |(rest, end)| (Some(rest[..end].trim()), &rest[end..]))
}

/// `chars CHARACTERS len LENGTH`; none if it has another form.
fn kind(line: &Line, text: &str) -> Option<Result<(Alphabet, usize), FlowError>> {
    let text = text.trim_start().strip_prefix("chars")?.trim_start();
    let Ok((alphabet, rest)) = characters(text) else { return Some(Err(Problem::Characters.at(line.place_of(text)))) };
    let number = rest.trim_start().strip_prefix("len")?.trim_start();
    let len = number.parse().ok().filter(|len| (1..=MAX_VALUE).contains(len));
    Some(len.map(|len| (alphabet, len)).ok_or(Problem::Length.at(line.place_of(number))))
}

fn sign<'a>(line: &Line<'a>, rest: &'a str, at: Position, presign: bool) -> Result<Sign<'a>, FlowError> {
    let (form, settings) = if presign { (PRESIGN, &SIGN_SETTINGS[..]) } else { (SIGN, &SIGN_SETTINGS[..4]) };
    let wrong = || Problem::Form(form).at(at);
    let mut words = rest.split_whitespace();
    if words.next() != Some("aws-sigv4") {
        return Err(wrong());
    }
    let mut values: [Option<&'a str>; 5] = [None; 5];
    for word in words {
        let (setting, value) = word.split_once('=').ok_or_else(wrong)?;
        let here = line.place_of(word);
        let Some(index) = settings.iter().position(|known| *known == setting) else {
            return Err(Problem::UnknownSetting { found: setting.to_owned(), nearest: nearest(setting, settings) }.at(here));
        };
        if values[index].replace(value).is_some() {
            return Err(Problem::Twice(setting.to_owned()).at(here));
        }
    }
    let value = |index: usize| values[index].ok_or_else(|| Problem::NoSetting(SIGN_SETTINGS[index]).at(at));
    let [service, region, key, id] = [value(0)?, value(1)?, value(2)?, value(3)?];
    if let Some(bad) = [service, region].into_iter().find(|text| !is_token(text)) {
        return Err(Problem::Name(bad.to_owned()).at(line.place_of(bad)));
    }
    let expires = if presign { Some(expires(line, value(4)?)?) } else { None };
    Ok(Sign { at, service, region, key: item_name(line, key)?, access_key_id: Template::parse(id, line.place_of(id))?, expires })
}

fn expires(line: &Line, seconds: &str) -> Result<Expires, FlowError> {
    let expires = seconds.parse().map_or(Err(SigningError::Expires), Expires::after);
    expires.map_err(|error| Problem::from(error).at(line.place_of(seconds)))
}

fn item_name(line: &Line, text: &str) -> Result<ItemName, FlowError> {
    text.parse().map_err(|_| Problem::Item(text.to_owned()).at(line.place_of(text)))
}

/// The one of `known` that takes the fewest changes.
pub(super) fn nearest(found: &str, known: &[&'static str]) -> &'static str {
    let found = &found[..found.floor_char_boundary(MAX_WORD)];
    known.iter().copied().min_by_key(|known| strsim::damerau_levenshtein(known, found)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&'static str]) -> Result<Directives<'static>, FlowError> {
        let mut directives = Directives::default();
        for (text, number) in texts.iter().zip(1..) {
            directives.read(&Line { number, of: text, from: 0, text }, text, Position { line: number, column: 1 })?;
        }
        Ok(directives)
    }

    #[test]
    fn each_is_read() {
        let read = read(&[
            "name  put-it",
            "vault token=api/token",
            "vault other =  k",
            "sign aws-sigv4 region=eu-west-1 service=s3 key=s3/key access-key-id={{id}}X",
            "open all",
            "open id in json \"id\" chars digits len 1..9 ",
            "save id = a/b",
            "not-reflected token",
            "limit 4096",
            "private card chars [0-9 ] len 19",
            "private pin of Bob B. chars digits len 4",
            "let auth = hex(token)",
        ]);
        let read = read.unwrap();
        assert_eq!((read.name, read.limit), (Some("put-it"), Some(4096)));
        let policy: Vec<_> = read.policy.iter().map(|line| (line.text, line.at.line)).collect();
        assert_eq!(policy, [("open all", 5), ("open id in json \"id\" chars digits len 1..9", 6), ("save id = a/b", 7)]);
        let vault: Vec<_> = read.vault.iter().map(|vault| (vault.hole.name, vault.hole.at.column, vault.item.as_str())).collect();
        assert_eq!(vault, [("token", 7, "api/token"), ("other", 7, "k")]);
        let sign = read.sign.unwrap();
        assert_eq!((sign.service, sign.region, sign.key.as_str()), ("s3", "eu-west-1", "s3/key"));
        assert_eq!(sign.access_key_id.holes().next().unwrap().at, Position { line: 4, column: 69 });
        let card = &read.private[0];
        assert_eq!((card.hole.name, card.member, card.alphabet.size(), card.len), ("card", None, 11, 19));
        assert_eq!((read.private[1].hole.name, read.private[1].member, read.private[1].len), ("pin", Some("Bob B."), 4));
        assert_eq!((read.lets[0].hole.at.column, read.lets[0].value.holes()[0].at.column), (5, 16));
        assert_eq!(read.not_reflected[0].at, Position { line: 8, column: 15 });
        assert_eq!(read.first, Some(Position { line: 1, column: 1 }));
    }

    #[test]
    fn what_is_wrong_is_named_where_it_stands() {
        let fails = |texts: &[&'static str]| read(texts).unwrap_err().to_string();
        for (texts, words) in [
            (&["opne all"][..], "1:1: there is no directive @opne; the nearest is @open"),
            (&["keeps x"], "1:1: there is no directive @keeps; the nearest is @keep"),
            (&["open"], "1:1: this is not in the form of the directive: @open all"),
            (&["open all-else"], "1:1: this is not in the form of the directive: @open all"),
            (&["keep"], "1:1: this is not in the form of the directive: @keep NAME in ..."),
            (&["open all", "open all"], "2:1: @open is there already"),
            (&["name A"], "1:1: this is not in the form of the directive: @name NAME"),
            (&["name a", "name b"], "2:1: @name is there already"),
            (&["limit 0"], "1:1: a limit is a number of bytes from 1 to 16777216"),
            (&["limit 1", "limit 1"], "2:1: @limit is there already"),
            (&["not-reflected"], "1:1: this is not in the form of the directive: @not-reflected HOLE"),
            (&["not-reflected a", "not-reflected a"], "2:15: a is there already"),
            (&["vault a"], "1:1: this is not in the form of the directive: @vault HOLE = ITEM"),
            (&["vault a = B"], "1:11: \"B\" is no name of an item"),
            (&["vault a = b", "vault a = c"], "2:7: a is there already"),
            (&["vault a = b", "let a = a"], "2:5: a is there already"),
            (&["private a chars hex len 2", "vault a = b"], "2:7: a is there already"),
            (&["private a"], "1:1: this is not in the form of the directive: @private HOLE [of MEMBER] chars CHARACTERS len LENGTH"),
            (&["private a chars hex"], "1:1: this is not in the form of the directive: @private"),
            (&["private a chars hxe len 2"], "1:17: these are no characters"),
            (&["private a chars [a-] len 2"], "1:17: these are no characters"),
            (&["private a chars hex len 0"], "1:25: a length is a number of characters from 1 to 32768"),
            (&["private a chars hex len 2 x"], "1:25: a length is a number of characters from 1 to 32768"),
            (&["let a"], "1:1: this is not in the form of the directive: @let HOLE = VALUE"),
            (&["let a = hxe(b)"], "1:9: there is no function hxe; the nearest is hex"),
            (&["sign"], "1:1: this is not in the form of the directive: @sign aws-sigv4"),
            (&["sign hmac key=a"], "1:1: this is not in the form of the directive: @sign aws-sigv4"),
            (&["sign aws-sigv4 s3"], "1:1: this is not in the form of the directive: @sign aws-sigv4"),
            (&["sign aws-sigv4 regoin=a"], "1:16: there is no setting regoin here; the nearest is region"),
            (&["sign aws-sigv4 region=a region=b"], "1:25: region is there already"),
            (&["sign aws-sigv4 service=s3 key=k access-key-id=A"], "1:1: the setting region is missing"),
            (&["sign aws-sigv4 service=S3 region=r key=k access-key-id=A"], "1:24: \"S3\" is no name"),
            (&["sign aws-sigv4 expires=9"], "1:16: there is no setting expires here; the nearest is service"),
            (&["presign"], "1:1: this is not in the form of the directive: @presign aws-sigv4"),
            (&["presign aws-sigv4 service=s region=r key=k access-key-id=A"], "1:1: the setting expires is missing"),
            (&["presign aws-sigv4 service=s region=r key=k access-key-id=A expires=0"], "1:68: a signed query is valid for at least"),
            (&["presign aws-sigv4 service=s region=r key=k access-key-id=A expires=9", "sign"], "2:1: @sign is there already"),
            (&["sign aws-sigv4 service=s region=r key=K access-key-id=A"], "1:39: \"K\" is no name of an item"),
            (&["sign aws-sigv4 service=s region=r key=k access-key-id={{A}}"], "1:55: \"A\" is no name"),
        ] {
            let told = fails(texts);
            assert!(told.starts_with(words), "{texts:?}: {told}");
        }
    }

    /// As many as an operation holds, of all kinds together; what can be said of one hole, or of the answer, is bounded too.
    #[test]
    fn holes_are_counted_while_they_are_read() {
        let lines = |from: usize, to: usize, text: &dyn Fn(usize) -> String| {
            (from..to).map(text).map(|text| &*text.leak()).collect::<Vec<&'static str>>()
        };
        let of = |count: usize| {
            let [vault, private] =
                [lines(0, 100, &|k| format!("vault h{k} = k")), lines(100, 200, &|k| format!("private h{k} chars hex len 1"))];
            read(&[vault, private, lines(200, count, &|k| format!("let h{k} = h0"))].concat()).map(|read| read.declared.len())
        };
        assert_eq!(of(MOST), Ok(MOST));
        assert_eq!(of(MOST + 1), Err(Problem::Many.at(Position { line: MOST + 1, column: 5 })));
        let many = |text: &dyn Fn(usize) -> String| read(&lines(0, MOST + 1, text)).map(drop);
        assert_eq!(many(&|k| format!("not-reflected h{k}")), Err(Problem::Many.at(Position { line: MOST + 1, column: 1 })));
        assert_eq!(many(&|k| format!("keep h{k}")), Err(Problem::Many.at(Position { line: MOST + 1, column: 1 })));
    }
}
