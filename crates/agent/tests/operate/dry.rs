//! Dry runs: the bytes that members send together, and what they would let out of an answer, by one who has the secrets.

use crate::{
    calls::{KEY, call, roots},
    derived::{SECRET, world},
    world::DATE,
};
use cotenant_agent::{
    answer::Refusal,
    approve::operation::Call,
    operate::{Kept, Known, NotDry, Refused, Sent, Values, dry_answer, dry_request},
};
use cotenant_cluster::session_rng;
use cotenant_core::PartyId;
use cotenant_tls::Config;

const LOGIN: &str = "\
# @vault password = password
# @vault token = token
# @let auth = base64(\"{{user}}:\" password)
# @let mac = hex(hmac-sha256(token, \"POST\\n\" sha256(\"{{user}}\" token)))
# @open all
# @not-reflected password
# @not-reflected token
# @not-reflected auth
# @not-reflected mac
POST https://localhost/login
Authorization: Basic {{auth}}
X-Mac: {{mac}}

user={{user}}
";
const CHANGE: &str = "\
# @vault token = token
# @vault password = password
# @let form = percent(password)
# @sign aws-sigv4 service=iam region=us-east-1 key=key access-key-id=AKIDEXAMPLE
# @open status
POST https://localhost/a
X-Amz-Security-Token: {{token}}
Content-Type: application/x-www-form-urlencoded

NewPassword={{form}}
";

const STORE: &str = "\
# @sign aws-sigv4 service=s3 region=us-east-1 key=key access-key-id=AKIDEXAMPLE
# @open all
PUT https://localhost/bucket/{{name}}

x
";

pub(crate) fn values(all: &[(&str, &[u8])]) -> Values {
    all.iter().map(|(hole, value)| ((*hole).to_owned(), value.to_vec().into())).collect()
}

pub(crate) fn request(call: &Call, given: &[(&str, &[u8])]) -> Result<Vec<u8>, NotDry> {
    match dry_request(call, &values(given), DATE, &mut session_rng(0, PartyId::new(0)))? {
        Sent::Request(bytes) => Ok(bytes.to_vec()),
        Sent::Url(_) => panic!("it is sent"),
    }
}

#[test]
fn it_sends_what_members_send_together() {
    let mut world = world();
    let (password, token, key) = (("password", &SECRET[..]), ("token", &b"AbCd1234"[..]), ("signature", &KEY[..]));
    for (text, arguments, given) in [
        (LOGIN, &[("user", "ada")][..], &[password, token][..]),
        (CHANGE, &[], &[password, token, key]),
        (STORE, &[("name", "a")], &[key]),
        ("# @open all\nGET https://localhost/{{a}}\n", &[("a", "b")], &[]),
    ] {
        let call = call(text, arguments);
        let sent = request(&call, given).unwrap_or_else(|error| panic!("{text}: {error}"));
        let (results, received) = world.call(&[0, 1], &call, &Config::new(roots()), |_, _| ());
        assert!(results.iter().all(Result::is_ok), "{text}");
        assert_eq!(String::from_utf8(sent), String::from_utf8(received), "{text}");
    }
}

#[test]
fn what_is_missing_or_refused_is_named() {
    let call = call(LOGIN, &[("user", "ada")]);
    let fails = |given: &[(&str, &[u8])]| request(&call, given).unwrap_err();
    assert!(matches!(fails(&[("token", b"x")]), NotDry::NoValue(hole) if hole == "password"));
    assert!(matches!(fails(&[("password", b"x"), ("token", b"x"), ("more", b"")]), NotDry::NoSecret(hole) if hole == "more"));
    let header =
        crate::calls::call("# @vault a = k\n# @open all\n# @not-reflected a\nGET https://localhost/\nAuthorization: Bearer {{a}}\n", &[]);
    // What the place gives a meaning to would be refused by all.
    assert!(matches!(request(&header, &[("a", b"x y")]), Err(NotDry::Refused(Refused::Characters { .. }))));
    let pin = "# @private pin chars digits len 4\n# @open all\n# @not-reflected pin\nPOST https://localhost/\n\n{{pin}}\n";
    for wrong in [&b"123"[..], b"123a"] {
        assert!(matches!(request(&crate::calls::call(pin, &[]), &[("pin", wrong)]), Err(NotDry::Private(hole)) if hole == "pin"));
    }
    let twice =
        "# @vault a = k\n# @vault b = k\n# @open all\n# @not-reflected a\n# @not-reflected b\nPOST https://localhost/\nX: {{a}}\n\n{{b}}\n";
    assert!(matches!(request(&crate::calls::call(twice, &[]), &[("a", b"x"), ("b", b"y")]), Err(NotDry::Different(item)) if item == "k"));
}

#[test]
fn an_answer_is_shown_as_members_would_see_it() {
    let keep = "# @keep token in json \"token\" chars alnum len 8\n# @save token = t\n# @open id in json \"id\" chars digits len 1..9\n# @limit 200\nPOST https://localhost/\n";
    let keep = call(keep, &[]);
    let answer = |content: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{content}", content.len()).into_bytes();
    let shown = dry_answer(&keep, answer("{\"id\":\"17\",\"token\":\"AbCd1234\"}"), true).unwrap();
    assert!(matches!(&shown.known, Known::Part { status: 200, values } if *values == [("id".to_owned(), b"17".to_vec())]));
    assert_eq!(shown.kept, [Kept { name: "token".to_owned(), item: "t".to_owned(), bytes: 8 }]);
    let other = dry_answer(&keep, answer("{\"id\":\"17\",\"token\":\"AbCd12345\"}"), true);
    assert!(matches!(other, Err(NotDry::Refusal(Refusal::Policy { status: 200 }))));
    assert!(matches!(dry_answer(&keep, answer(&"x".repeat(200)), true), Err(NotDry::Long { limit: 200, .. })));
    assert!(matches!(dry_answer(&keep, answer("x")[..38].to_vec(), true), Err(NotDry::Refusal(Refusal::Framing(_)))));

    let all = call("# @open all\nGET https://localhost/\n", &[]);
    let shown = dry_answer(&all, b"HTTP/1.1 404 Not Found\r\n\r\nnothing".to_vec(), true).unwrap();
    assert!(matches!(&shown.known, Known::Whole(response) if response.status == 404 && response.body == b"nothing"));
    assert!(matches!(dry_answer(&all, b"HTTP/1.1 404 Not Found\r\n\r\nnothing".to_vec(), false), Err(NotDry::Answer(_))), "it was cut");
}
