//! What a `@let` says a hole is made of.
//!
//! ```text
//! value    = 1*term                                  one after the other
//! term     = text / NAME / function "(" value *("," value) ")"
//! text     = DQUOTE *(character / {{NAME}} / \n / \" / \\) DQUOTE
//! function = base64 / base64url / hex / percent / json / sha256 / hmac-sha256 / jwe
//! ```
//!
//! Spaces between parts do not matter, and neither do line ends with the mark of a comment after them. Functions nest up to [`DEEPEST`]. All but the first value of a
//! `jwe` are known to all.

use super::{
    directive::nearest,
    error::{FlowError, Position, Problem},
    lines::Line,
    template::{Hole, Piece, Template},
};
use crate::{approve::item::is_token, derive::Function, jwe::Sealing};
use cotenant_circuit::base64::Base64;
use std::borrow::Cow;

/// Functions within functions.
const DEEPEST: usize = 8;
/// What a function is called, and which it is.
const FUNCTIONS: [(&str, Named); 8] = [
    ("base64", Named::One(Function::Base64(Base64::Standard))),
    ("base64url", Named::One(Function::Base64(Base64::Url))),
    ("hex", Named::One(Function::Hex)),
    ("percent", Named::One(Function::Percent)),
    ("json", Named::One(Function::Json)),
    ("sha256", Named::One(Function::Sha256)),
    ("hmac-sha256", Named::Hmac),
    ("jwe", Named::Jwe),
];
/// What a JWE takes.
const OF_JWE: &str = "a value, RSA-OAEP or RSA-OAEP-256, A128GCM or A256GCM, a public key as JSON, and perhaps more of the header as JSON";

/// A function, by what it takes.
#[derive(Clone, Copy)]
enum Named {
    One(Function),
    Hmac,
    Jwe,
}

/// A value as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expression<'a> {
    /// As it stands.
    Text(&'a str),
    /// What is in a hole.
    Hole(Hole<'a>),
    /// One after the other.
    Join(Vec<Expression<'a>>),
    /// A function.
    Of(Function, Box<Expression<'a>>),
    /// HMAC-SHA-256 of a key and a message.
    Hmac(Box<[Expression<'a>; 2]>),
    /// A JWE.
    Jwe(Box<Jwe<'a>>),
}

/// A JWE as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Jwe<'a> {
    /// What is encrypted.
    pub(crate) text: Expression<'a>,
    /// Algorithm, encryption, key, and perhaps more of the header.
    pub(crate) public: Vec<Expression<'a>>,
    /// Where it stands.
    pub(crate) at: Position,
}

impl Jwe<'_> {
    /// How it encrypts, with what fills the holes.
    pub(crate) fn sealing<'f>(&self, fill: &impl Fn(&str) -> Cow<'f, [u8]>) -> Result<Sealing, FlowError> {
        let public: Vec<Vec<u8>> =
            self.public.iter().map(|value| value.known(fill).ok_or(Problem::JwePublic.at(self.at))).collect::<Result<_, _>>()?;
        let [alg, enc, key, more @ ..] = &public[..] else { return Err(Problem::Takes { function: "jwe", wanted: OF_JWE }.at(self.at)) };
        Sealing::new(alg, enc, key, more.first().map(Vec::as_slice)).map_err(|bad| Problem::Jwe(bad).at(self.at))
    }
}

impl<'a> Expression<'a> {
    /// Reads `text`, which is the rest of a line.
    pub(super) fn parse(line: &Line<'a>, text: &'a str) -> Result<Expression<'a>, FlowError> {
        let mut reader = Reader { rest: text, depth: 0, counted: (text, line.place_of(text)) };
        let value = reader.value()?;
        if reader.rest.is_empty() { Ok(value) } else { Err(Problem::Value.at(reader.here())) }
    }

    /// All holes, in the order of the text.
    pub(crate) fn holes(&self) -> Vec<Hole<'a>> {
        match self {
            Expression::Text(_) => Vec::new(),
            Expression::Hole(hole) => vec![*hole],
            Expression::Join(parts) => parts.iter().flat_map(Expression::holes).collect(),
            Expression::Of(_, of) => of.holes(),
            Expression::Hmac(of) => of.iter().flat_map(Expression::holes).collect(),
            Expression::Jwe(jwe) => [&jwe.text].into_iter().chain(&jwe.public).flat_map(Expression::holes).collect(),
        }
    }

    /// The JWEs in it.
    pub(crate) fn jwes(&self) -> Vec<&Jwe<'a>> {
        match self {
            Expression::Text(_) | Expression::Hole(_) => Vec::new(),
            Expression::Join(parts) => parts.iter().flat_map(Expression::jwes).collect(),
            Expression::Of(_, of) => of.jwes(),
            Expression::Hmac(of) => of.iter().flat_map(Expression::jwes).collect(),
            Expression::Jwe(jwe) => [jwe.text.jwes(), vec![&**jwe]].concat(),
        }
    }

    /// Its bytes, if it is of texts and holes alone.
    fn known<'f>(&self, fill: &impl Fn(&str) -> Cow<'f, [u8]>) -> Option<Vec<u8>> {
        match self {
            Expression::Text(text) => Some(text.as_bytes().to_vec()),
            Expression::Hole(hole) => Some(fill(hole.name).into_owned()),
            Expression::Join(parts) => parts.iter().map(|part| part.known(fill)).collect::<Option<Vec<_>>>().map(|parts| parts.concat()),
            Expression::Of(..) | Expression::Hmac(_) | Expression::Jwe(_) => None,
        }
    }

    /// The bytes of all texts in it, with what fills the holes.
    pub(super) fn filled_len<'f>(&self, fill: &impl Fn(&str) -> Cow<'f, [u8]>) -> usize {
        let all = |parts: &[Expression]| parts.iter().map(|part| part.filled_len(fill)).fold(0, usize::saturating_add);
        match self {
            Expression::Text(text) => text.len(),
            Expression::Hole(hole) => fill(hole.name).len(),
            Expression::Join(parts) => all(parts),
            Expression::Of(_, of) => of.filled_len(fill),
            Expression::Hmac(of) => all(&of[..]),
            Expression::Jwe(jwe) => jwe.text.filled_len(fill).saturating_add(all(&jwe.public)),
        }
    }

    /// The holes that are in it otherwise than in keys.
    pub(super) fn outside_keys(&self) -> Vec<Hole<'a>> {
        match self {
            Expression::Hmac(of) => of[1].outside_keys(),
            Expression::Join(parts) => parts.iter().flat_map(Expression::outside_keys).collect(),
            Expression::Of(_, of) => of.outside_keys(),
            Expression::Jwe(jwe) => jwe.text.outside_keys(),
            Expression::Text(_) | Expression::Hole(_) => self.holes(),
        }
    }

    /// The holes of which it tells something, however little, to one who knows the others. An HMAC tells nothing if its key has a part that is `secret`; another
    /// HMAC in a key is no such part, as it may be known by its own.
    pub(super) fn shown(&self, secret: &impl Fn(&str) -> bool) -> Vec<Hole<'a>> {
        match self {
            Expression::Hmac(of) => match of[0].shown(secret) {
                key if key.iter().any(|hole| secret(hole.name)) => Vec::new(),
                key => [key, of[1].shown(secret)].concat(),
            },
            Expression::Join(parts) => parts.iter().flat_map(|part| part.shown(secret)).collect(),
            Expression::Of(_, of) => of.shown(secret),
            // Whoever has the private key reads it, and it works as what it encrypts does.
            Expression::Jwe(jwe) => jwe.text.shown(secret),
            Expression::Text(_) | Expression::Hole(_) => self.holes(),
        }
    }
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
    /// What was left when columns were counted last, and where that began: each is counted once.
    counted: (&'a str, Position),
}

impl<'a> Reader<'a> {
    fn here(&mut self) -> Position {
        let (text, at) = self.counted;
        self.counted = (self.rest, at.after(&text[..text.len() - self.rest.len()]));
        self.counted.1
    }

    fn skip(&mut self) {
        loop {
            let after = self.rest.trim_start();
            let next_line = self.rest[..self.rest.len() - after.len()].contains('\n');
            self.rest = after;
            match after.strip_prefix("//").or_else(|| after.strip_prefix('#')) {
                Some(comment) if next_line => self.rest = comment,
                _ => return,
            }
        }
    }

    /// Terms up to a comma, a bracket or the end.
    fn value(&mut self) -> Result<Expression<'a>, FlowError> {
        let mut terms = Vec::new();
        self.skip();
        while !self.rest.is_empty() && !self.rest.starts_with([',', ')']) {
            match self.rest.strip_prefix('"') {
                Some(rest) => {
                    let at = self.here();
                    self.rest = rest;
                    self.text(at, &mut terms)?;
                }
                None => terms.push(self.word()?),
            }
            self.skip();
        }
        match terms.len() {
            0 => Err(Problem::Value.at(self.here())),
            1 => Ok(terms.remove(0)),
            _ => Ok(Expression::Join(terms)),
        }
    }

    /// A text, after the quote before it, up to the one behind it.
    fn text(&mut self, at: Position, terms: &mut Vec<Expression<'a>>) -> Result<(), FlowError> {
        // An empty text is one, too.
        terms.push(Expression::Text(""));
        loop {
            let end =
                self.rest.find(['"', '\\', '\n']).filter(|end| !self.rest[*end..].starts_with('\n')).ok_or(Problem::Unclosed.at(at))?;
            let (plain, rest) = self.rest.split_at(end);
            terms.extend(Template::parse(plain, self.here())?.pieces().iter().map(|piece| match piece {
                Piece::Text(text) => Expression::Text(text),
                Piece::Hole(hole) => Expression::Hole(*hole),
            }));
            self.rest = rest;
            if let Some(rest) = rest.strip_prefix('"') {
                self.rest = rest;
                return Ok(());
            }
            let known = [("\\n", "\n"), ("\\\"", "\""), ("\\\\", "\\")];
            let found = known.into_iter().find_map(|(written, meant)| Some((meant, rest.strip_prefix(written)?)));
            let (meant, rest) = found.ok_or(Problem::Escape.at(self.here()))?;
            terms.push(Expression::Text(meant));
            self.rest = rest;
        }
    }

    /// A name, or a function.
    fn word(&mut self) -> Result<Expression<'a>, FlowError> {
        let at = self.here();
        let end = self.rest.find(|c: char| c.is_whitespace() || "\"(),".contains(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        match rest.strip_prefix('(') {
            Some(rest) => {
                self.rest = rest;
                self.function(word, at)
            }
            None if is_token(word) => {
                self.rest = rest;
                Ok(Expression::Hole(Hole { name: word, at }))
            }
            None if word.is_empty() => Err(Problem::Value.at(at)),
            None => Err(Problem::Name(word.to_owned()).at(at)),
        }
    }

    /// What a function takes, after the bracket before it, and the function.
    fn function(&mut self, name: &str, at: Position) -> Result<Expression<'a>, FlowError> {
        let Some((name, function)) = FUNCTIONS.into_iter().find(|(known, _)| *known == name) else {
            let nearest = nearest(name, &FUNCTIONS.map(|(known, _)| known));
            return Err(Problem::UnknownFunction { found: name.to_owned(), nearest }.at(at));
        };
        if self.depth == DEEPEST {
            return Err(Problem::Deep.at(at));
        }
        self.depth += 1;
        let mut values = vec![self.value()?];
        while let Some(rest) = self.rest.strip_prefix(',') {
            self.rest = rest;
            values.push(self.value()?);
        }
        self.rest = self.rest.strip_prefix(')').ok_or(Problem::Unclosed.at(at))?;
        self.depth -= 1;
        let wrong = |wanted| Problem::Takes { function: name, wanted }.at(at);
        match function {
            Named::One(function) => {
                <[_; 1]>::try_from(values).map(|[of]| Expression::Of(function, Box::new(of))).map_err(|_| wrong("one value"))
            }
            Named::Hmac => <[_; 2]>::try_from(values).map(|of| Expression::Hmac(Box::new(of))).map_err(|_| wrong("a key and a message")),
            Named::Jwe if !(4..=5).contains(&values.len()) => Err(wrong(OF_JWE)),
            Named::Jwe => {
                let text = values.remove(0);
                Ok(Expression::Jwe(Box::new(Jwe { text, public: values, at })))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Result<Expression<'static>, FlowError> {
        Expression::parse(&Line { number: 1, of: text, from: 0, text }, text)
    }

    fn hole(name: &'static str, column: usize) -> Expression<'static> {
        Expression::Hole(Hole { name, at: Position { line: 1, column } })
    }

    #[test]
    fn terms_and_functions() {
        let text = |text: &'static str| Expression::Text(text);
        assert_eq!(parse("token"), Ok(hole("token", 1)));
        let basic = Expression::Join(vec![text(""), hole("user", 9), text(":"), hole("password", 20)]);
        assert_eq!(parse("base64(\"{{user}}:\" password )"), Ok(Expression::Of(Function::Base64(Base64::Standard), Box::new(basic))));
        let message = Expression::Join(vec![text(""), text("a"), text("\n"), text("\"\\"), text("\\"), text("b"), hole("c", 32)]);
        let Ok(Expression::Hmac(of)) = parse("hmac-sha256( key,\"a\\n\\\"\\\\\\\\b{{c}}\")") else { panic!("it is one") };
        assert_eq!(of[0], hole("key", 14));
        let joined = |expression: &Expression| match expression {
            Expression::Join(parts) => {
                parts.iter().map(|part| if let Expression::Text(text) = part { text } else { "*" }).collect::<String>()
            }
            _ => panic!("it is joined"),
        };
        assert_eq!((joined(&of[1]), joined(&message)), ("a\n\"\\\\b*".to_owned(), "a\n\"\\\\b*".to_owned()));
        assert_eq!(parse("hex(sha256(a)) b").unwrap().holes().iter().map(|hole| hole.name).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_is_shown() {
        let shown = |text| {
            let names: Vec<&str> = parse(text).unwrap().shown(&|name| name != "public").iter().map(|hole| hole.name).collect();
            names.concat()
        };
        assert_eq!(shown("hex(hmac-sha256(key, secret)) other"), "other");
        assert_eq!(shown("hmac-sha256(public, secret)"), "publicsecret", "anyone can try secrets");
        assert_eq!(shown("hmac-sha256(sha256(\"x\" key), a)"), "");
        assert_eq!(shown("hmac-sha256(hmac-sha256(key, a), b)"), "b", "the key may be what is sent elsewhere");
        assert_eq!(shown("base64(sha256(a) percent(b))"), "ab");
        assert_eq!(shown("jwe(a hex(b), c, d, e)"), "ab");
        let outside = |text| parse(text).unwrap().outside_keys().iter().map(|hole| hole.name).collect::<String>();
        assert_eq!(outside("hex(hmac-sha256(a b, c hmac-sha256(d, e))) f"), "cef");
    }

    /// Each character of a line is counted once, however many terms it has.
    #[test]
    fn columns_are_carried_along() {
        let text: &str = format!("{}\"\u{e4}{{{{b}}}}\"  c", "a ".repeat(50_000)).leak();
        let line = Line { number: 1, of: text, from: 0, text };
        let mut reader = Reader { rest: text, depth: 0, counted: (text, line.start()) };
        let holes = reader.value().unwrap().holes();
        assert_eq!(holes[50_000..].iter().map(|hole| hole.at.column).collect::<Vec<_>>(), [100_003, 100_011]);
        assert_eq!(reader.counted, ("c", Position { line: 1, column: 100_011 }), "the next count begins here");
    }

    #[test]
    fn what_is_wrong_is_named_where_it_stands() {
        for (text, words) in [
            ("", "1:1: this is no value"),
            ("a,b", "1:2: this is no value"),
            ("hex(a))", "1:7: this is no value"),
            ("hex()", "1:5: this is no value"),
            ("A", "1:1: \"A\" is no name"),
            ("a {{b}}", "1:3: \"{{b}}\" is no name"),
            ("\"a", "1:1: this is not closed"),
            ("hex(a", "1:1: this is not closed"),
            ("x \"a\\tb\"", "1:5: after a backslash stands n, a quote or a backslash"),
            ("\"{{a\"", "1:2: \"{{\" without \"}}\""),
            ("hexx(a)", "1:1: there is no function hexx; the nearest is hex"),
            ("hex(a, b)", "1:1: hex takes one value"),
            ("b jwe(a, \"RSA-OAEP\", \"A128GCM\")", "1:3: jwe takes a value, RSA-OAEP or"),
            ("jwe(a, b, c, d, e, f)", "1:1: jwe takes a value, RSA-OAEP or"),
            ("b hmac-sha256(a)", "1:3: hmac-sha256 takes a key and a message"),
            ("hex(hex(hex(hex(hex(hex(hex(hex(hex(a)))))))))", "1:33: functions are nested too deep"),
        ] {
            let told = parse(text).unwrap_err().to_string();
            assert!(told.starts_with(words), "{text:?}: {told}");
        }
    }
}
