//! The circuit against its meaning, on random rules and texts, and what it costs.

use super::*;
use crate::redact::circuit::{Room, inputs, matcher, most_gates, read};
use crate::redact::plain::{Found, Texts, find};
use cotenant_circuit::Circuit;
use proptest::prelude::*;

/// What the circuit says of one answer.
pub(super) fn run(circuit: &Circuit, rules: &Rules, room: Room, texts: Texts) -> Option<Vec<Found>> {
    let out = circuit.eval(&inputs(room, texts).expect("the texts have room"));
    out[0].then(|| read(rules, room, &out[1..]))
}

/// Pieces of texts that come close to what the rules look for.
fn pieces(rules: &Rules) -> Vec<Vec<u8>> {
    let mut out: Vec<Vec<u8>> = [&b"\r\n"[..], b"\n", b"\\", b"\"", b"", b"x", b"\0", b"\xff<"].map(<[u8]>::to_vec).into();
    for rule in rules.iter() {
        let member = (0..128).filter(|&c| rule.characters.contains(c)).collect::<Vec<u8>>();
        let (least, most) = rule.length.clone().into_inner();
        let value = |length: usize, step: usize| (0..length).map(|i| member[i * step % member.len()]).collect::<Vec<u8>>();
        let line = if rule.place == Place::Header { &b"\r\n"[..] } else { b"" };
        for length in [least, most, least - 1, most + 1] {
            out.push([line, &rule.prefix, &value(length, 7), &rule.suffix].concat());
        }
        out.push([line, &rule.prefix.to_ascii_uppercase(), &value(least, 5), &rule.suffix].concat());
        out.push([&rule.prefix[..], &value(least, 3)].concat());
        out.extend([value(least, 7), rule.prefix[..rule.prefix.len() - 1].to_vec(), rule.prefix.clone(), rule.suffix.clone()]);
    }
    out
}

/// Rules with few letters, so that prefixes, values and suffixes meet.
fn any_rules() -> impl Strategy<Value = Rules> {
    let literal = |first: &'static str| prop::string::string_regex(&format!("[{first}][<ab\"]{{0,3}}")).expect("a pattern");
    let rule = (any::<bool>(), any::<bool>(), literal("<\";"), literal("<;\""), 4_usize..7, 0_usize..4, 1_usize..4, any::<bool>());
    prop::collection::vec(rule, 1..4).prop_map(|all| {
        let mut rules = Rules::default();
        for (i, (keep, header, prefix, suffix, least, more, times, wide)) in all.into_iter().enumerate() {
            let action = if keep { Action::Keep } else { Action::Open };
            let place = if header { Place::Header } else { Place::Body };
            let prefix = if header { format!("x-{prefix}: {prefix}").replace(['<', '"', ';'], "q") } else { prefix };
            let characters = Alphabet::from_mask(if wide { 0xff << b'a' } else { 3 << b'a' }).expect("two characters");
            let fields = Fields {
                action,
                name: format!("r{i}"),
                place,
                prefix: prefix.into(),
                characters,
                length: least..=least + more,
                suffix: suffix.into(),
                times,
            };
            let fits = Rule::new(fields).and_then(|rule| rules.clone().with(rule));
            rules = fits.unwrap_or(rules);
        }
        rules
    })
}

/// Texts of pieces, by their numbers.
fn text(pieces: &[Vec<u8>], numbers: &[prop::sample::Index]) -> Vec<u8> {
    numbers.iter().flat_map(|i| pieces[i.index(pieces.len())].clone()).take(160).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_circuit_finds_what_the_rules_mean(
        rules in any_rules(),
        texts in prop::collection::vec(prop::collection::vec(any::<prop::sample::Index>(), 0..14), 48),
    ) {
        let room = Room::of(&rules, 160, 160);
        let (circuit, pieces) = (matcher(&rules, room), pieces(&rules));
        for pair in texts.chunks(2) {
            let [mut head, content] = [0, 1].map(|i| text(&pieces, &pair[i]));
            head.retain(u8::is_ascii);
            let texts = Texts { head: &head, content: &content };
            prop_assert_eq!(run(&circuit, &rules, room, texts), find(&rules, texts), "{:?}", texts);
        }
    }

    /// Most random texts fail; these have each value as often as it must be, between anything.
    #[test]
    fn the_circuit_finds_what_is_there(rules in any_rules(), between in prop::collection::vec(any::<prop::sample::Index>(), 24), shift in 0_usize..26) {
        let room = Room::of(&rules, 400, 400);
        let fillers: [&[u8]; 5] = [b"", b"z", b"\r\nz: y", b"zz", b"z\\z"];
        let mut between = between.iter();
        let mut texts = [b"HTTP/1.1 200 OK".to_vec(), vec![]];
        for (number, rule) in rules.iter().enumerate() {
            for time in 0..rule.times {
                let member: Vec<u8> = (0..128).filter(|&c| rule.characters.contains(c)).collect();
                let length = rule.length.start() + (time + shift) % (rule.length.end() - rule.length.start() + 1);
                let value: Vec<u8> = (0..length).map(|i| member[(i * i + shift * (number + 1) + time) % member.len()]).collect();
                let text = &mut texts[usize::from(rule.place == Place::Body)];
                text.extend_from_slice(between.next().map_or(&b""[..], |i| fillers[i.index(5)]));
                text.extend_from_slice(if rule.place == Place::Header { b"\r\n" } else { b"" });
                text.extend([&rule.prefix[..], &value, &rule.suffix].concat());
            }
        }
        let texts = Texts { head: &texts[0], content: &texts[1] };
        prop_assert_eq!(run(&matcher(&rules, room), &rules, room, texts), find(&rules, texts), "{:?}", texts);
    }
}

#[test]
fn both_outcomes_are_met_often() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let mut found = 0;
    for _ in 0..64 {
        let rules = any_rules().new_tree(&mut runner).expect("rules").current();
        let all = |place| -> Vec<u8> {
            let values = rules.of(place).flat_map(|(_, r)| {
                let c = (0..128).find(|&c| r.characters.contains(c)).expect("a character");
                let begin = if place == Place::Header { &b"\r\n"[..] } else { b"" };
                let value = [begin, &r.prefix, &vec![c; *r.length.start()], &r.suffix, b"z"].concat();
                std::iter::repeat_n(value, r.times)
            });
            values.flatten().collect()
        };
        let (head, content) = (all(Place::Header), all(Place::Body));
        found += usize::from(find(&rules, Texts { head: &head, content: &content }).is_some());
    }
    assert!((10..=54).contains(&found), "{found} of 64 random policies find everything in an answer made for them");
}

/// Nobody has to build a circuit to know that it is not too large; what is told is not far from what there is.
#[test]
fn no_matcher_is_larger_than_is_told() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    for bytes in (0..64).map(|k| 40 + 37 * k) {
        let rules = any_rules().new_tree(&mut runner).expect("rules").current();
        let room = Room::of(&rules, bytes, 2 * bytes);
        let (ands, most) = (matcher(&rules, room).stats().ands() as u64, most_gates(&rules, room));
        assert!(ands <= most, "{ands} and not {most}: {rules:?}");
    }
    let two = "keep secret in xml \"SecretAccessKey\" chars [A-Za-z0-9+/=] len 40\nopen id in xml \"AccessKeyId\" chars alnum len 16..128";
    let many = "keep a in json \"a\" chars alnum len 4\nopen b in json \"b\" chars alnum len 1..2000 exactly 16 times";
    for text in [two, many] {
        let rules = rules(text);
        let room = Room::of(&rules, 4096, 4096);
        let (ands, most) = (matcher(&rules, room).stats().ands() as u64, most_gates(&rules, room));
        assert!(ands <= most && most <= 3 * ands, "{ands} and {most}: {text}");
    }
}

/// ANDs for each further byte, once a text is longer than anything that is looked for.
fn ands_a_byte(text: &str) -> f64 {
    let rules = rules(text);
    let ands = |bytes| matcher(&rules, Room::of(&rules, bytes, bytes)).stats().ands();
    (ands(1024) - ands(512)) as f64 / 512.0
}

#[test]
fn counts() {
    let cost = |text: &str| (ands_a_byte(text) * 10.0).round() / 10.0;
    let secret_json = r#"keep secret in json "SecretAccessKey" chars [A-Za-z0-9+/=] len 40"#;
    let secret_xml = r#"keep secret in xml "SecretAccessKey" chars [A-Za-z0-9+/=] len 40"#;
    let cookie = r#"keep sid in header "Set-Cookie: session=" chars alnum len 32 ";""#;
    let token = r#"keep token in json "token" chars base64url len 20..2048"#;
    let id = r#"open id in xml "AccessKeyId" chars alnum len 16..128"#;
    assert_eq!([secret_json, secret_xml, cookie, token, id].map(cost), [56.1, 54.1, 59.1, 43.1, 48.1]);
    assert_eq!([format!("{secret_xml}\n{id}"), format!("{token} exactly 2 times")].map(|text| cost(&text)), [74.1, 48.1]);
}
