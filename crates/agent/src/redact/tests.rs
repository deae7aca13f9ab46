//! The language of policies: what it says, each fault at its place, and its canonical bytes.

mod answers;
mod framed;
mod matching;

use super::*;
use crate::vault::alphabet::Alphabet;

/// A policy that must be one.
pub(super) fn rules(text: &str) -> Rules {
    match Policy::parse(text) {
        Ok(Policy::Rules(rules)) => rules,
        other => panic!("{text} is {other:?}"),
    }
}

const TEXT: &str = r#"
# a comment
keep sid in header "Set-Cookie: sessionid=" chars alnum len 32 ";"
open id in body "\"AccessKeyId\": \"" chars [A-Z0-9] len 16..128 "\"" once
keep token in json "access_token" chars [A-Za-z0-9._\-] len 20..2048 exactly 2 times   # behind it
open number in spaced-json "id" chars digits len 1..20
	keep	secret in xml "SecretAccessKey" chars [A-Za-z0-9+/=] len 40
open status
"#;

#[test]
fn a_policy_is_what_it_says() {
    let rules = rules(TEXT);
    let expected = [
        (Action::Keep, "sid", Place::Header, &b"set-cookie: sessionid="[..], &b";"[..], 32..=32, 1, 62),
        (Action::Open, "id", Place::Body, b"\"AccessKeyId\": \"", b"\"", 16..=128, 1, 36),
        (Action::Keep, "token", Place::Body, b"\"access_token\":\"", b"\"", 20..=2048, 2, 65),
        (Action::Open, "number", Place::Body, b"\"id\": \"", b"\"", 1..=20, 1, 10),
        (Action::Keep, "secret", Place::Body, b"<SecretAccessKey>", b"</", 40..=40, 1, 65),
    ];
    let found: Vec<_> = rules
        .iter()
        .map(|r| (r.action, &r.name[..], r.place, &r.prefix[..], &r.suffix[..], r.length.clone(), r.times, r.characters.size()))
        .collect();
    assert_eq!(found, expected);
    assert!(rules[2].characters.contains(b'-') && rules[2].characters.contains(b'.'));
    assert_eq!(Policy::parse("# nothing\n\n"), Ok(Policy::Rules(Rules::default())), "the status alone");
    assert_eq!(Policy::parse("open status\nopen all-else"), Ok(Policy::All));
    assert_eq!(Policy::parse(TEXT).map(|policy| policy.keeps()), Ok(true));
    assert_eq!(Policy::parse("open a in json \"b\" chars hex len 1").map(|policy| policy.keeps()), Ok(false));
}

#[test]
fn every_wrong_directive_at_its_place() {
    use Fault::*;
    use Wanted::*;
    let cases: [(&str, usize, Fault); 44] = [
        ("hold x in json", 1, Expected(Directive)),
        ("  keep", 7, Expected(Wanted::Name)),
        ("keep # x", 6, Expected(Wanted::Name)),
        ("keep status", 12, Expected(Word("in"))),
        ("open status now", 13, Expected(End)),
        ("open all-else once", 15, Expected(End)),
        ("keep x at json", 8, Expected(Word("in"))),
        ("keep x in cookie \"a\"", 11, Expected(Wanted::Place)),
        ("keep x in json", 15, Expected(Quoted)),
        ("keep x in json a", 16, Expected(Quoted)),
        ("keep x in json \"a", 16, Unclosed),
        ("keep x in json \"a\\", 16, Unclosed),
        ("keep x in body \"\\x41\"", 16, Escape),
        ("keep x in json \"a b\" chars", 16, Field),
        ("keep x in xml \"\" chars", 15, Field),
        ("keep x in xml \"a>\" chars", 15, Field),
        ("keep x in json \"é\" chars", 16, Field),
        ("keep x in json \"a\" hex", 20, Expected(Word("chars"))),
        ("keep x in json \"a\" chars letters", 26, Expected(Characters)),
        ("keep x in json \"a\" chars [a", 26, Unclosed),
        ("keep x in json \"a\" chars [z-a]", 26, Set),
        ("keep x in json \"a\" chars [a-]", 26, Set),
        ("keep x in json \"a\" chars [a]", 26, Set),
        ("keep x in json \"a\" chars []", 26, Set),
        ("keep x in json \"a\" chars [aé]", 26, Set),
        ("keep x in json \"a\" chars [a\\b]", 26, Escape),
        ("keep x in json \"a\" chars hex 9", 30, Expected(Word("len"))),
        ("keep x in json \"a\" chars hex len", 33, Expected(Length)),
        ("keep x in json \"a\" chars hex len 4-8", 34, Expected(Length)),
        ("keep x in json \"a\" chars hex len 4..", 34, Expected(Length)),
        ("keep x in json \"a\" chars hex len +4", 34, Expected(Length)),
        ("keep x in json \"a\" chars hex len 4..1000000", 34, Expected(Length)),
        ("keep x in body \"a\" chars hex len 4 once", 36, Expected(Quoted)),
        ("keep x in json \"a\" chars hex len 4 twice", 36, Expected(Times)),
        ("keep x in json \"a\" chars hex len 4 exactly two times", 44, Expected(Number)),
        ("keep x in json \"a\" chars hex len 4 exactly 2", 45, Expected(Word("times"))),
        ("keep x in json \"a\" chars hex len 4 once more", 41, Expected(End)),
        ("keep X in json \"a\" chars hex len 4", 1, Rule(RuleError::Name)),
        (" keep x in json \"a\" chars hex len 3", 2, Rule(RuleError::Length)),
        ("open x in json \"a\" chars hex len 0..3", 1, Rule(RuleError::Length)),
        ("open x in json \"a\" chars hex len 5..4", 1, Rule(RuleError::Length)),
        ("open x in json \"a\" chars hex len 1..16385", 1, Rule(RuleError::Length)),
        ("open x in json \"a\" chars hex len 1 exactly 0 times", 1, Rule(RuleError::Times)),
        ("open x in json \"a\" chars hex len 1 exactly 17 times", 1, Rule(RuleError::Times)),
    ];
    for (text, column, fault) in cases {
        let text = format!("open status\n\n{text}\nand so on");
        assert_eq!(Policy::parse(&text), Err(ParseError { line: 3, column, fault }), "{text}");
    }
    let shown = Policy::parse("open é in json \"é\"").unwrap_err().to_string();
    assert_eq!(shown, "line 1, column 16: the name of a field or element is of letters, digits, dots, colons, underscores and hyphens");
}

#[test]
fn rules_that_cannot_be_and_rules_that_do_not_fit() {
    let one = |text: &str| match Policy::parse(text) {
        Err(ParseError { fault: Fault::Rule(error), .. }) => error,
        other => panic!("{text} is {other:?}"),
    };
    let (long, name) = ("x".repeat(MAX_LITERAL + 1), "x".repeat(MAX_NAME + 1));
    for (text, error) in [
        (format!("open {name} in json \"a\" chars hex len 1"), RuleError::Name),
        (format!("open x in body \"\" chars hex len 1 \"{long}\""), RuleError::LiteralLength),
        (format!("open x in body \"{long}\" chars hex len 1 \";\""), RuleError::LiteralLength),
        ("open x in body \"é\" chars hex len 1 \";\"".into(), RuleError::LiteralByte),
        ("open x in header \"Location\" chars hex len 1 \";\"".into(), RuleError::HeaderLine),
        ("open x in header \": a\" chars hex len 1 \";\"".into(), RuleError::HeaderLine),
        ("open x in header \"a b: c\" chars hex len 1 \";\"".into(), RuleError::HeaderLine),
        ("open x in header \"a: b\\r\\nc: \" chars hex len 1 \";\"".into(), RuleError::HeaderLine),
        ("open x in json \"a\" chars [ -~] len 1".into(), RuleError::Characters),
        ("open x in json \"a\" chars [a\"] len 1".into(), RuleError::Characters),
        ("open x in body \"<a>\" chars [a\\\\] len 1 \"<\"".into(), RuleError::Characters),
        ("open x in body \"token=\" chars alnum len 1 \"&\"".into(), RuleError::BeginsInValue),
        ("open x in body \"=\" chars hex len 1 \"&\"\nopen y in body \"&b=\" chars [a=] len 1 \";\"".into(), RuleError::BeginsInValue),
        ("open x in json \"a\" chars hex len 1\nopen x in json \"b\" chars hex len 1".into(), RuleError::NameTaken),
        ("open x in json \"a\" chars hex len 1\nopen y in json \"a\" chars hex len 1".into(), RuleError::Contained),
        ("open x in header \"a: b\" chars hex len 1 \";\"\nopen y in header \"A: bc\" chars hex len 1 \";\"".into(), RuleError::Contained),
        ("open x in header \"a: b\" chars hex len 1 \"\\r\\nc: \"".into(), RuleError::HeaderLine),
        ("open x in body \"<a>\" chars hex len 1 \"</a><b>0\"\nopen y in xml \"b\" chars hex len 1".into(), RuleError::Contained),
        ("open x in body \"<a>\" chars hex len 1 \"</a><a>0\"".into(), RuleError::Contained),
        ("keep x in json \"a\" chars hex len 4\nopen all-else".into(), RuleError::AllElse),
        ("open all-else\nopen x in json \"a\" chars hex len 4".into(), RuleError::AllElse),
        ((0..=MAX_RULES).map(|i| format!("open x{i} in json \"a{i}\" chars hex len 1\n")).collect(), RuleError::TooMany),
    ] {
        assert_eq!(one(&text), error, "{text}");
    }
    // A suffix may end where the next value begins.
    rules("open x in body \"<a>\" chars hex len 1 \"</a><b>\"\nopen y in xml \"b\" chars hex len 1");
    // The same literals in both places, or in the other case after the colon, do not meet.
    rules("open x in header \"a: \" chars hex len 1 \";\"\nopen y in body \"a: \" chars [x;] len 1 \":\"");
    rules("open x in header \"a: b\" chars hex len 1 \";\"\nopen y in header \"A: B\" chars hex len 1 \";\"");
}

#[test]
fn canonical_bytes_are_of_what_is_meant() {
    let canonical = |text: &str| Policy::parse(text).unwrap().canonical();
    assert_eq!(canonical("open status"), [1, 0, 0, 0, 0, 0]);
    assert_eq!(canonical("open all-else"), [1, 1, 0, 0, 0, 0]);
    let short = canonical("keep k in xml \"S\" chars hex len 4..300 exactly 3 times");
    let mask = Alphabet::HEX.mask().to_le_bytes();
    let parts: [&[u8]; 8] =
        [&[1, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0], b"k", &[3, 0, 0, 0], b"<S>", &mask, &[4, 0, 0, 0, 44, 1, 0, 0, 2, 0, 0, 0], b"</", &[3]];
    assert_eq!(short, parts.concat());
    assert_eq!(
        canonical(" keep k  in body \"<S>\" chars [a-f0-9] len 4..300 \"</\" exactly 3 times # same"),
        short,
        "short forms are the long one"
    );
    // Each field alone makes another policy, and so does the order.
    let base = "open a in body \"<b>\" chars hex len 4..8 \"<\"\n";
    let others = [
        "keep a in body \"<b>\" chars hex len 4..8 \"<\"\n",
        "open c in body \"<b>\" chars hex len 4..8 \"<\"\n",
        "open a in header \"b: \" chars hex len 4..8 \"<\"\n",
        "open a in body \"<c>\" chars hex len 4..8 \"<\"\n",
        "open a in body \"<b>\" chars digits len 4..8 \"<\"\n",
        "open a in body \"<b>\" chars hex len 5..8 \"<\"\n",
        "open a in body \"<b>\" chars hex len 4..9 \"<\"\n",
        "open a in body \"<b>\" chars hex len 4..8 \"</\"\n",
        "open a in body \"<b>\" chars hex len 4..8 \"<\" exactly 2 times\n",
        "",
    ];
    let more = "open z in json \"z\" chars hex len 1\n";
    let mut all: Vec<Vec<u8>> = others.iter().map(|text| canonical(text)).collect();
    all.extend([canonical(base), canonical(&(base.to_owned() + more)), canonical(&(more.to_owned() + base))]);
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
}

#[test]
fn words_say_every_field() {
    let words = Policy::parse(TEXT).unwrap().words();
    assert_eq!(
        words[1],
        "sid: what stands once in a header line that begins with \"set-cookie: sessionid=\", 32 characters of [0-9A-Za-z], before \";\", is kept as a \
         secret of all, only its length and position become known"
    );
    assert_eq!(
        words[3],
        "token: what stands 2 times in the content after \"\"access_token\":\"\", 20 to 2048 characters of [\\-.0-9A-Z_a-z], before \"\"\", is kept as a \
         secret of all, only its length and position become known"
    );
    assert!(words[4].ends_with("becomes known to all"));
    assert!(words.iter().flat_map(|line| line.bytes()).all(|c| (b' '..=b'~').contains(&c)));
    assert_eq!([Policy::All.words().len(), Policy::Rules(Rules::default()).words().len()], [2, 2]);
}
