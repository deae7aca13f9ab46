//! Answers as services give them, and each way in which one may not be what the policy wants: what the circuit opens of it, byte by byte.

use super::*;
use crate::http::End;
use crate::redact::circuit::{Room, matcher};
use crate::redact::framing::framing;
use crate::redact::plain::{Texts, find};

const SECRET: &str = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY40";
const ID: &str = "AKIAIOSFODNN7EXAMPLE";

const XML: &str =
    "keep secret in xml \"SecretAccessKey\" chars [A-Za-z0-9+/=] len 40\nopen id in xml \"AccessKeyId\" chars alnum len 16..128";
const JSON: &str = "keep token in json \"access_token\" chars base64url len 20..60\nopen kind in json \"token_type\" chars alnum len 1..16";
const COOKIE: &str = "keep sid in header \"Set-Cookie: sessionid=\" chars alnum len 32 \";\"";

fn xml(secret: &str) -> String {
    format!(
        "<R><AccessKey><UserName>agent</UserName><AccessKeyId>{ID}</AccessKeyId><Status>Active</Status><SecretAccessKey>{secret}</SecretAccessKey></AccessKey></R>"
    )
}

fn json(token: &str) -> String {
    format!("{{\"access_token\":\"{token}\",\"token_type\":\"Bearer\",\"expires_in\":3600}}")
}

fn plain(content: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{content}", content.len()).into_bytes()
}

/// Everything that the parties see of an answer beside its framing: names and values that are opened, names and places of those that are
/// kept; or nothing.
fn seen(policy: &str, answer: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let rules = rules(policy);
    let framing = framing(answer, 512, false, End::CloseNotify).ok()?;
    let content: Vec<u8> = framing.content.iter().flat_map(|range| answer[range.clone()].to_vec()).collect();
    let texts = Texts { head: &answer[..framing.head], content: &content };
    let room = Room::of(&rules, 512, 512);
    let found = super::matching::run(&matcher(&rules, room), &rules, room, texts);
    assert_eq!(found, find(&rules, texts));
    let seen = found?.into_iter().map(|f| {
        let rule = &rules[f.rule];
        let value = match rule.action {
            Action::Open => texts.of(rule.place)[f.at].to_vec(),
            Action::Keep => format!("{:?}", f.at).into_bytes(),
        };
        (rule.name.clone(), value)
    });
    Some(seen.collect())
}

fn names(pairs: &[(&str, &str)]) -> Option<Vec<(String, Vec<u8>)>> {
    Some(pairs.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect())
}

#[test]
fn what_a_good_answer_shows() {
    assert_eq!(seen(XML, &plain(&xml(SECRET))), names(&[("secret", "127..167"), ("id", ID)]));
    assert_eq!(seen(JSON, &plain(&json(&SECRET[..40]))), names(&[("token", "17..57"), ("kind", "Bearer")]));
    let sid = &SECRET[..32];
    for name in ["Set-Cookie", "set-cookie", "SET-COOKIE"] {
        let answer = format!("HTTP/1.1 302 Found\r\nA: b\r\n{name}: sessionid={sid}; Path=/\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(seen(COOKIE, answer.as_bytes()), names(&[("sid", "48..80")]), "{name}");
    }
    assert_eq!(seen("open status", &plain("anything at all")), names(&[]));
}

/// Chunk lines are taken out before anything is looked for, so it does not matter where a server cuts.
#[test]
fn chunks_are_joined() {
    let content = xml(SECRET);
    for cut in [1, 60, 110, 127, 130, 166, 167, 168] {
        let chunks = format!("{cut:x}\r\n{}\r\n{:X}\r\n{}\r\n0\r\n\r\n", &content[..cut], content.len() - cut, &content[cut..]);
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        assert_eq!(seen(XML, answer.as_bytes()), names(&[("secret", "127..167"), ("id", ID)]), "cut at {cut}");
        // A line in the content that looks like one of a chunk is content.
        let planted = content.replace(SECRET, &format!("{}\r\n20\r\n{}", &SECRET[..20], &SECRET[20..]));
        assert_eq!(seen(XML, &plain(&planted)), None);
    }
}

#[test]
fn what_is_not_exactly_as_wanted_opens_nothing() {
    let [x, j] = [xml(SECRET), json(&SECRET[..40])];
    let more = format!("{SECRET}x");
    let answers: Vec<(&str, &str, String)> = vec![
        ("without the prefix", XML, "<R></R>".into()),
        ("an error", XML, "<Error><Code>AccessDenied</Code></Error>".into()),
        ("without what is opened", XML, x.replace("AccessKeyId", "KeyId")),
        ("twice", XML, x.clone() + &x),
        ("twice, one empty", XML, x.clone() + "<SecretAccessKey></SecretAccessKey>"),
        ("twice, one alone at the end", XML, x.clone() + "<SecretAccessKey>"),
        ("another case", XML, x.replace("SecretAccessKey", "secretAccessKey")),
        ("an attribute", XML, x.replace("<SecretAccessKey>", "<SecretAccessKey x=\"y\">")),
        ("white space before the value", XML, x.replace("<SecretAccessKey>", "<SecretAccessKey> ")),
        ("white space behind the value", XML, x.replace("</SecretAccessKey>", "\n</SecretAccessKey>")),
        ("a reference", XML, x.replace('K', "&#75;")),
        ("CDATA", XML, x.replace(SECRET, &format!("<![CDATA[{SECRET}]]>"))),
        ("a longer value", XML, xml(&more)),
        ("a shorter value", XML, xml(&SECRET[1..])),
        ("an empty value", XML, xml("")),
        ("another element inside", XML, xml("abc<x/>")),
        ("the terminator inside", XML, x.replace(SECRET, &format!("{}<{}", &SECRET[..20], &SECRET[20..]))),
        ("another character inside", XML, x.replace('J', "-")),
        ("not of UTF-8", XML, x.clone()),
        ("NUL inside", XML, x.replace('J', "\0")),
        ("nested", XML, xml(&format!("<SecretAccessKey>{SECRET}</SecretAccessKey>"))),
        ("the id's prefix inside", XML, xml(&format!("<AccessKeyId>{ID}</AccessKeyId>"))),
        ("cut short", XML, x[..x.find("</Secret").unwrap()].into()),
        ("spacing", JSON, j.replace("\":\"", "\": \"")),
        ("spacing before the colon", JSON, j.replace("access_token\":", "access_token\" :")),
        ("a line between", JSON, j.replace("access_token\":\"", "access_token\":\n\"")),
        ("an escape in the name", JSON, j.replace("access_token", "access\\u005ftoken")),
        ("an escape in the value", JSON, j.replace(&SECRET[..4], "\\u0077Jal")),
        ("a quote in the value", JSON, j.replace(&SECRET[..4], "wJ\\\"al")),
        ("a backslash in the value", JSON, j.replace(&SECRET[..4], "wJ\\al")),
        ("a number", JSON, j.replace(&format!("\"{}\"", &SECRET[..40]), "12345678901234567890")),
        ("null", JSON, j.replace(&format!("\"{}\"", &SECRET[..40]), "null")),
        ("single quotes", JSON, j.replace('"', "'")),
        ("a longer name", JSON, j.replace("access_token", "x_access_token").replace("\"x_", "x_")),
    ];
    for (what, policy, content) in answers {
        let mut answer = plain(&content);
        if what == "not of UTF-8" {
            let at = answer.windows(40).position(|part| part == SECRET.as_bytes()).unwrap();
            answer[at + 7] = 0xff;
        }
        assert_eq!(seen(policy, &answer), None, "{what}");
    }
}

#[test]
fn headers_that_are_not_as_wanted_open_nothing() {
    let sid = &SECRET[..32];
    let good = format!("Set-Cookie: sessionid={sid}; Path=/");
    for (what, header) in [
        ("another spacing", good.replace(": ", ":")),
        ("two spaces", good.replace(": ", ":  ")),
        ("another name", good.replace("Set-Cookie", "X-Set-Cookie")),
        ("inside of a line", format!("X: {good}")),
        ("another case behind the colon", good.replace("sessionid", "SessionId")),
        ("twice", format!("{good}\r\n{good}")),
        ("deleted and set", format!("Set-Cookie: sessionid=; Max-Age=0\r\n{good}")),
        ("folded", good.replace("sessionid", "\r\n sessionid")),
        ("folded in the value", good.replace(&sid[8..], &format!("\r\n {}", &sid[8..]))),
        ("without attributes", good.replace("; Path=/", "")),
        ("quoted", good.replace(sid, &format!("\"{sid}\""))),
        ("longer", good.replace(sid, &SECRET[..33])),
        ("in the content", "X: y".into()),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{header}\r\nContent-Length: {}\r\n\r\n\r\n{good}\r\n", good.len() + 4);
        assert_eq!(seen(COOKIE, answer.as_bytes()), None, "{what}");
    }
    let second = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n{good}\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(seen(COOKIE, second.as_bytes()), None, "a second answer");
}

/// What a caller sends comes back in many answers. The field has another name now, and the text reflects what would pass for the old one.
#[test]
fn reflected_text_cannot_pass_for_a_field() {
    let planted = "A".repeat(40);
    let inside_json = format!(
        "{{\"message\":\"no such user \\\"access_token\\\":\\\"{planted}\\\"\",\"token\":\"{}\",\"token_type\":\"Bearer\"}}",
        &SECRET[..40]
    );
    assert_eq!(seen(JSON, &plain(&inside_json)), None, "quotes in a text are escaped");
    let as_name = format!("{{\"x\\\"access_token\":\"{planted}\",\"token\":\"{}\",\"token_type\":\"Bearer\"}}", &SECRET[..40]);
    assert_eq!(seen(JSON, &plain(&as_name)), None, "a name that ends with the field's");
    let inside_xml = xml(SECRET)
        .replace("SecretAccessKey", "SecretKey")
        .replace("agent", &format!("&lt;SecretAccessKey&gt;{planted}&lt;/SecretAccessKey&gt;"));
    assert_eq!(seen(XML, &plain(&inside_xml)), None, "brackets in a text are references");
    // Where the server escapes nothing, what is kept is what was planted: a wrong secret, but the right one is shown to no one.
    let unescaped =
        xml(SECRET).replace("SecretAccessKey", "SecretKey").replace("agent", &format!("<SecretAccessKey>{planted}</SecretAccessKey>"));
    let shown = seen(XML, &plain(&unescaped)).expect("the policy fits");
    assert!(shown.iter().all(|(_, value)| !String::from_utf8_lossy(value).contains(&SECRET[..8])));
    // With the right field beside it there are two.
    let two = xml(SECRET).replace("agent", &format!("<SecretAccessKey>{planted}</SecretAccessKey>"));
    assert_eq!(seen(XML, &plain(&two)), None);
}

#[test]
fn a_kept_value_found_again_opens_nothing() {
    let policy = "keep token in json \"token\" chars alnum len 12..40\nopen link in json \"link\" chars [A-Za-z0-9:/?=.] len 1..90";
    let answer = |token: &str, link: &str| plain(&format!("{{\"link\":\"{link}\",\"token\":\"{token}\"}}"));
    let (token, base) = (&SECRET[..36], "https://a.example/?t=");
    assert!(seen(policy, &answer(token, base)).is_some());
    for shown in [token.to_owned(), format!("{base}{token}"), format!("{base}{token}/x"), format!("{base}{}", &token[..12])] {
        assert_eq!(seen(policy, &answer(token, &shown)), None, "{shown}");
    }
    assert!(seen(policy, &answer(token, &format!("{base}{}", &token[..11]))).is_some(), "fewer than the shortest value has are no part");
    assert!(seen(policy, &answer(token, &format!("{base}{}", &token[1..]))).is_some(), "it is looked for from its beginning");
    // Not where it is opened: shown to no one.
    let elsewhere = plain(&format!("{{\"link\":\"{base}\",\"token\":\"{token}\",\"note\":\"{token}\"}}"));
    assert!(seen(policy, &elsewhere).is_some());
    // Over both places, and several values of a rule.
    let two = "keep sid in header \"Set-Cookie: s=\" chars alnum len 16..32 \"\\r\\n\"\nopen n in json \"n\" chars alnum len 1..40 exactly 3 times";
    let body = |values: [&str; 3]| {
        let content = values.map(|value| format!("{{\"n\":\"{value}\"}}")).concat();
        format!("HTTP/1.1 200 OK\r\nset-cookie: s={}\r\nContent-Length: {}\r\n\r\n{content}", &SECRET[..20], content.len()).into_bytes()
    };
    assert!(seen(two, &body(["a", "b", "c"])).is_some());
    for place in 0..3 {
        let mut values = ["a", "b", "c"];
        values[place] = &SECRET[..20];
        assert_eq!(seen(two, &body(values)), None, "value {place}");
    }
}
