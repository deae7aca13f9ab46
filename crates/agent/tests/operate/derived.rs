//! Requests with what is made of secrets inside MPC, and with what one party gives, as a real server receives them.

use crate::{
    calls::{HOST, KEY, call, header, roots, signed_for, sigv4},
    watched::Reached,
    world::{On, World},
};
use cotenant_agent::{
    approve::operation::Call,
    call::CallError,
    derive::NoValue,
    flow,
    http::Request,
    operate::{OperateError, Refused},
    vault::{
        alphabet::Alphabet,
        item::{Kind, Use},
    },
};
use cotenant_core::PartyId;
use cotenant_tls::Config;
use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

pub(crate) const SECRET: &[u8; 24] = b"p@ss\"word & more? <100%>";

fn field() -> Use {
    Use::Field { host: HOST.into() }
}

/// A room of two with a password of any bytes, a token of letters, and a key for two services.
pub(crate) fn world() -> World {
    let mut world = World::new(On::Ideal, 2, 2);
    let uses = || vec![header("authorization"), header("x-mac"), field()];
    let signs = vec![sigv4("iam", "us-east-1", HOST), sigv4("s3", "us-east-1", HOST)];
    let items = [
        (world.item("password", Kind::Bytes, SECRET.len(), uses()), &SECRET[..]),
        (world.item("token", Kind::Text(Alphabet::ALPHANUMERIC), 8, [uses(), vec![header("x-amz-security-token")]].concat()), b"AbCd1234"),
        (world.item("visible", Kind::Text(Alphabet::VISIBLE), 5, [uses(), vec![header("cookie")]].concat()), b"a\"\\;+"),
        (world.item("key", Kind::Text(Alphabet::BASE64), 40, signs), KEY),
    ];
    for (item, value) in items {
        world.put(0, item, value);
    }
    world
}

pub(crate) fn text(received: Vec<u8>) -> (String, String) {
    let received = String::from_utf8(received).unwrap();
    let (head, body) = received.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

pub(crate) fn refused(world: &World, call: Call) -> Option<Refused> {
    world.task(world.operation(&[0, 1], cotenant_agent::approve::operation::Body::Call(call))).err()
}

/// Basic, an HMAC over what all know and a secret, escapes for a form: as one who has the secrets would send them.
#[test]
fn headers_and_forms() {
    let mut world = world();
    let request = "\
# @vault password = password
# @vault token = token
# @vault field = password
# @let auth = base64(\"{{user}}:\" password)
# @let mac = hex(hmac-sha256(token, \"POST\\n\" sha256(\"{{user}}\" token)))
# @let form = percent(field)
# @open all
# @not-reflected password
# @not-reflected token
# @not-reflected field
# @not-reflected auth
# @not-reflected mac
# @not-reflected form
POST https://localhost/login
Authorization: Basic {{auth}}
X-Mac: {{mac}}
Content-Type: application/x-www-form-urlencoded

user={{user}}&password={{form}}&again={{form}}{{form}}
";
    let (head, body) = text(world.calls(&[0, 1], &call(request, &[("user", "ada")])));
    let basic = BASE64.encode(&[b"ada:", &SECRET[..]].concat());
    let mut mac = Hmac::<Sha256>::new_from_slice(b"AbCd1234").unwrap();
    mac.update(b"POST\n");
    mac.update(&Sha256::digest(b"adaAbCd1234"));
    let mac = HEXLOWER.encode(&mac.finalize().into_bytes());
    assert!(head.contains(&format!("\r\nAuthorization: Basic {basic}\r\nX-Mac: {mac}\r\n")), "{head}");
    let form: String = SECRET.iter().map(|byte| format!("%{byte:02X}")).collect();
    assert_eq!(body, format!("user=ada&password={form}&again={form}{form}"));
}

#[test]
fn a_password_in_json() {
    let mut world = world();
    let request = "\
# @vault visible = visible
# @let value = json(visible)
# @open all
# @not-reflected visible
# @not-reflected value
POST https://localhost/
Content-Type: application/json

{\"a\":\"{{value}}\"}
";
    let (_, body) = text(world.calls(&[0, 1], &call(request, &[])));
    assert_eq!(body, "{\"a\":\"\\u0061\\u0022\\u005c\\u003b\\u002b\"}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap()["a"], "a\"\\;+");
}

/// Runs a call whose answer is opened in part, and gives what the server received.
fn received(world: &mut World, request: &str) -> String {
    let (results, received) = world.call(&[0, 1], &call(request, &[]), &Config::new(roots()), |_, _| ());
    results.into_iter().for_each(|result| drop(result.unwrap_or_else(|error| panic!("{error}"))));
    String::from_utf8(received).unwrap()
}

/// Signature Version 4 over a body and a header with secrets, for a service that is told the hash of the body and for one that is not.
#[test]
fn a_signature_over_secrets() {
    for service in ["iam", "s3"] {
        let mut world = world();
        let request = format!(
            "\
# @vault token = token
# @vault password = password
# @let form = percent(password)
# @sign aws-sigv4 service={service} region=us-east-1 key=key access-key-id=AKIDEXAMPLE
# @open status
# @limit 1536
POST https://localhost/a%20b?x=1
X-Amz-Security-Token: {{{{token}}}}
Content-Type: application/x-www-form-urlencoded

Action=ChangePassword&NewPassword={{{{form}}}}
"
        );
        let received = received(&mut world, &request);
        let mut one = Request::new("POST", HOST, 443, "/a%20b?x=1").unwrap();
        one.add_header("X-Amz-Security-Token", "AbCd1234").unwrap();
        one.add_header("Content-Type", "application/x-www-form-urlencoded").unwrap();
        one.add_header("Accept-Encoding", "identity").unwrap();
        let form: String = SECRET.iter().map(|byte| format!("%{byte:02X}")).collect();
        one.set_body(format!("Action=ChangePassword&NewPassword={form}").into_bytes());
        assert_eq!(Ok(received), String::from_utf8(signed_for(service, one)));
    }
}

/// A secret in a header alone: the body, and so its hash, is known to all. Here it is the key of the signature itself, which is loaded once.
#[test]
fn a_signature_over_a_secret_header() {
    for on in [On::Ideal, On::Real] {
        let mut world = World::new(on, 2, 2);
        let key = world.item("key", Kind::Text(Alphabet::BASE64), 40, vec![sigv4("s3", "us-east-1", HOST), header("x-amz-security-token")]);
        world.put(0, key, KEY);
        let request = "\
# @vault token = key
# @sign aws-sigv4 service=s3 region=us-east-1 key=key access-key-id=AKIDEXAMPLE
# @open status
# @limit 1024
PUT https://localhost/bucket/key
X-Amz-Security-Token: {{token}}

what is stored
";
        let received = received(&mut world, request);
        let mut one = Request::new("PUT", HOST, 443, "/bucket/key").unwrap();
        one.add_header("X-Amz-Security-Token", std::str::from_utf8(KEY).unwrap()).unwrap();
        one.add_header("Accept-Encoding", "identity").unwrap();
        one.set_body(b"what is stored".to_vec());
        assert_eq!(Ok(received), String::from_utf8(signed_for("s3", one)));
    }
}

#[test]
fn what_may_not_stand_there_is_refused() {
    let world = world();
    let with = |item: &str, value: &str, rest: &str| {
        let request = format!(
            "# @vault hole = {item}\n# @let made = {value}\n# @open all\n# @not-reflected hole\n# @not-reflected made\nPOST https://localhost/\n{rest}"
        );
        refused(&world, call(&request, &[]))
    };
    let made = || Some(Refused::Characters { hole: "made".into(), of: "what is made of it".into() });
    assert_eq!(with("password", "sha256(hole)", "Authorization: {{made}}\n"), made());
    assert_eq!(with("password", "hex(sha256(hole))", "Authorization: {{made}}\n"), None);
    assert_eq!(with("password", "hole \" \"", "Authorization: {{made}}\n"), made());
    let form = "Content-Type: application/x-www-form-urlencoded\n\na={{made}}";
    assert_eq!(with("visible", "json(hole)", form), made(), "its escapes mean nothing in a form");
    assert_eq!(with("visible", "percent(hole)", form), None);
    assert_eq!(with("visible", "percent(hole)", "\n{{made}}"), made(), "of which type this is nobody knows");
    assert_eq!(with("visible", "percent(hole)", "Content-Type: multipart/form-data; boundary=b\n\n--b\n\n{{made}}\n--b--"), made());
    assert_eq!(with("password", "json(hole)", "\n{{made}}"), Some(Refused::Value(NoValue::NotText)));
    assert_eq!(with("visible", "\"a=\" hole", "Cookie: {{made}}\n"), made());
    assert_eq!(with("visible", "\"a=\" hex(hole)", "Cookie: {{made}}\n"), None);
    let other = with("token", "hex(hole)", "X-Other: {{made}}\n");
    assert!(matches!(other, Some(Refused::Use { wanted, .. }) if wanted == header("x-other")), "what is made of an item has its uses");
}

/// A request with what the first party gives, at a place.
fn private(characters: &str, len: usize, rest: &str) -> Call {
    let directives = format!("# @private card chars {characters} len {len}\n# @open all\n# @not-reflected card\n");
    call(&format!("{directives}POST https://localhost/pay\n{rest}"), &[])
}

/// Whoever of those who take part gives it: the giver is the same member to all, whichever party of the session it is.
#[test]
fn what_one_party_gives_is_sent() {
    for (quorum, giver) in [(vec![0, 1], 0), (vec![0, 1, 2], 0), (vec![1, 2], 1), (vec![1, 2], 2), (vec![0, 2], 2), (vec![0, 1, 2], 1)] {
        let mut world = World::new(On::Ideal, 2, 3);
        let text = "# @private card chars digits len 16\n# @open all\n# @not-reflected card\nPOST https://localhost/pay\nContent-Type: application/json\n\n{\"card\":\"{{card}}\"}";
        let seats = flow::Seats { connector: PartyId::new(quorum[1]), giver: PartyId::new(giver) };
        let request = flow::call(text.into(), Vec::new(), seats, cotenant_core::Digest(roots().digest())).unwrap();
        let (results, received) = world.call(&quorum, &request, &Config::new(roots()), |seat, mine| {
            mine.value = (seat == giver).then(|| b"4111111111111111".to_vec().into());
        });
        let errors: Vec<_> = results.into_iter().filter_map(Result::err).collect();
        assert!(errors.is_empty(), "{quorum:?}, {giver}: {errors:?}");
        assert_eq!(self::text(received).1, "{\"card\":\"4111111111111111\"}");
    }
}

/// Each member that the text names gives its own part, one of them proposes, and what is made of all is sent.
#[test]
fn what_several_parties_give_is_sent_together() {
    let text = "# @private key-b of bob chars hex len 4\n# @private key-c of carol chars digits len 3\n# @let all = percent(base64(\n#   \"#!/bin/sh >?\\n\"\n#   key-b \"\\n\" key-c \"\\n\"\n# ))\n# @open status\nPOST \
                https://localhost/\nContent-Type: application/x-www-form-urlencoded\n\na={{all}}";
    let named = |name: &str| ["alice", "bob", "carol"].iter().position(|known| *known == name).map(PartyId::new);
    let seats = flow::Seats { connector: PartyId::new(0), giver: PartyId::new(0) };
    let request = flow::call_among(text.into(), Vec::new(), seats, &named, cotenant_core::Digest(roots().digest())).unwrap();
    let sent = |keys: [&'static [u8]; 3]| {
        let mut world = World::new(On::Ideal, 3, 3);
        let (results, received) = world.call(&[0, 1, 2], &request, &Config::new(roots()), |seat, mine| {
            mine.value = (seat > 0).then(|| keys[seat].to_vec().into());
        });
        (results.into_iter().filter_map(Result::err).collect::<Vec<_>>(), received)
    };
    let (errors, received) = sent([b"", b"00ff", b"123"]);
    assert!(errors.is_empty(), "{errors:?}");
    let body = self::text(received).1;
    let decoded: Vec<u8> = percent_encoding::percent_decode(body.strip_prefix("a=").unwrap().as_bytes()).collect();
    assert_eq!(data_encoding::BASE64.decode(&decoded).unwrap(), b"#!/bin/sh >?\n00ff\n123\n");
    // Nothing goes out if one of them gives something else than the text says.
    for wrong in [[&b""[..], b"00fF", b"123"], [b"", b"00ff", b"12a"], [b"", b"00ff", b"12"]] {
        let (errors, received) = sent(wrong);
        assert!(!errors.is_empty() && received.is_empty(), "{wrong:?}");
    }
}

/// Given, checked, made into something else and sent, on the real engine.
#[test]
fn what_is_given_is_made_and_sent_on_the_real_engine() {
    let mut world = World::new(On::Real, 2, 2);
    let request = "# @private card chars digits len 4\n# @let made = base64(\"n=\" card)\n# @open all\n# @not-reflected card\n# @not-reflected made\nGET https://localhost/\nX: {{made}}\n";
    let (results, received) = world.call(&[0, 1], &call(request, &[]), &Config::new(roots()), |seat, mine| {
        mine.value = (seat == 0).then(|| b"4111".to_vec().into());
    });
    assert!(results.iter().all(Result::is_ok));
    assert!(text(received).0.ends_with("\r\nX: bj00MTEx"));
}

/// Each byte that may not stand there, at each place, is found by all although the giver's program has not looked, and no ciphertext is opened.
#[test]
fn a_private_value_cannot_leave_its_place() {
    let places = [
        ("[!-~]", "X-Card: {{card}}\n"),
        ("[!#-+\\--:<-[^-~]", "Cookie: a={{card}}\n"),
        ("[ !#-[^-~]", "Content-Type: application/json\n\n{\"a\":\"{{card}}\"}"),
        ("[0-9.]", "Content-Type: application/json\n\n{\"a\":{{card}}}"),
        ("[ !#-%(-;=?-~]", "Content-Type: text/xml\n\n<a b=\"{{card}}\"/>"),
        ("[ -~]", "Content-Type: text/plain\n\n{{card}}"),
        ("[A-Za-z0-9._~\\-]", "Content-Type: application/x-www-form-urlencoded\n\na={{card}}&b=c"),
    ];
    for (characters, rest) in places {
        let request = private(characters, 2, rest);
        let mut world = World::new(On::Ideal, 2, 2);
        let mut sends = |forged: Option<Vec<u8>>| {
            world.forged = forged;
            let (results, received) = world.call(&[0, 1], &request, &Config::new(roots()), |seat, mine| {
                mine.value = (seat == 0).then(|| b"00".to_vec().into());
            });
            (results.into_iter().map(Result::err).collect::<Vec<_>>(), world.reached.clone(), received)
        };
        let (errors, reached, received) = sends(Some(b"01".to_vec()));
        assert!(errors.iter().all(Option::is_none) && !received.is_empty() && reached[0] == Reached::ServerSecret, "{rest}: {errors:?}");
        // What the place gives a meaning to, and of all else enough.
        let allowed = allowed(characters);
        for byte in (0..=255u8).filter(|byte| !allowed.contains(byte)).filter(|byte| *byte < 128 || byte % 16 == 0) {
            let (errors, reached, received) = sends(Some(if byte % 2 == 0 { vec![b'0', byte] } else { vec![byte, b'0'] }));
            let found = |e: &Option<OperateError>| matches!(e, Some(OperateError::Call(CallError::Characters)));
            assert!(errors.iter().all(found), "{byte} in {rest}: {errors:?}");
            assert!(received.is_empty() && reached == [Reached::Nothing; 2], "{byte} in {rest}: {reached:?}");
        }
    }
}

/// The characters of a set as it is written.
fn allowed(set: &str) -> Vec<u8> {
    let bytes: Vec<u8> = set[1..set.len() - 1].bytes().collect();
    let (mut all, mut at) = (Vec::new(), 0);
    let next = |at: &mut usize| {
        *at += 1 + usize::from(bytes[*at] == b'\\');
        bytes[*at - 1]
    };
    while at < bytes.len() {
        let from = next(&mut at);
        let to = if bytes.get(at) == Some(&b'-') && at + 1 < bytes.len() {
            at += 1;
            next(&mut at)
        } else {
            from
        };
        all.extend(from..=to);
    }
    all
}

/// The giver's own program finds it before anybody hears of it.
#[test]
fn what_is_given_is_looked_at_before() {
    let mut world = World::new(On::Ideal, 2, 2);
    let request = private("digits", 4, "X-Card: {{card}}\n");
    let mut given = |value: Option<&[u8]>| {
        let (results, received) = world.call(&[0, 1], &request, &Config::new(roots()), |seat, mine| {
            mine.value = value.filter(|_| seat == 0).map(|value| value.to_vec().into());
        });
        assert!(received.is_empty());
        results.into_iter().map(Result::err).next().flatten()
    };
    let short =
        |e: Option<OperateError>, found| matches!(e, Some(OperateError::Call(CallError::Given { wanted: 4, found: f })) if f == found);
    assert!(short(given(None), 0) && short(given(Some(b"123")), 3) && short(given(Some(b"12345")), 5));
    assert!(matches!(given(Some(b"12a4")), Some(OperateError::Call(CallError::Characters))));
}

/// A class that could leave the place is refused before anybody is asked for a value.
#[test]
fn a_class_that_does_not_fit_its_place() {
    let world = World::new(On::Ideal, 2, 2);
    let given = || Some(Refused::Characters { hole: "card".into(), of: "what is given".into() });
    // As in a URL: it could add fields to a form.
    assert_eq!(
        refused(&world, private("[A-Za-z0-9._~/?&=%+\\-]", 9, "Content-Type: application/x-www-form-urlencoded\n\nurl=https://h/{{card}}")),
        given()
    );
    assert_eq!(refused(&world, private("[ -~]", 9, "X: {{card}}\n")), given());
    assert_eq!(refused(&world, private("[!-~]", 9, "Cookie: a={{card}}\n")), given());
    assert_eq!(refused(&world, private("[,0-9]", 9, "Content-Type: application/json\n\n[{{card}}]")), given());
    assert_eq!(refused(&world, private("[,0-9]", 9, "Content-Type: application/json\n\n[\"{{card}}\"]")), None);
}
