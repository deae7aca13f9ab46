use super::*;
use crate::{approve::operation::Source, vault::item::Use};

const S3: &str = "# @sign aws-sigv4 service=s3 region=eu-west-1 key=s3/key access-key-id={{id}}\n# @open all\nPUT https://s3.example:9300/b/{{name}}\n\nx\n";
const TOKEN: &str = "\
# @vault token = api/token
# @vault field = api/field
# @open all
# @not-reflected token
# @not-reflected field
# @limit 1000
POST https://api.example/v1/{{name}}
Content-Type: application/json
Authorization: Bearer {{token}}

{\"a\": \"{{field}}\", \"b\": \"{{field}}\"}
";

fn given(all: &[(&str, &str)]) -> Vec<Argument> {
    all.iter().map(|(name, value)| Argument { name: (*name).to_owned(), value: value.as_bytes().to_vec() }).collect()
}

fn compiled(text: &str, arguments: &[(&str, &str)]) -> Result<Call, FlowError> {
    call(text.as_bytes().to_vec(), given(arguments), Seats { connector: PartyId::new(1), giver: PartyId::new(0) }, Digest([3; 32]))
}

fn uses(call: &Call) -> Vec<(&str, &str, Use)> {
    let slot = |slot: &'_ Slot| match &slot.source {
        Source::Item { purpose, .. } => purpose.clone(),
        Source::Private { .. } => panic!("no text makes one"),
    };
    let item = |slot: &'_ Slot| match &slot.source {
        Source::Item { stored, .. } => stored.item.to_string(),
        Source::Private { .. } => panic!("no text makes one"),
    };
    call.slots.iter().map(|one| (one.hole.as_str(), Box::leak(item(one).into_boxed_str()) as &str, slot(one))).collect()
}

#[test]
fn a_signed_request() {
    let call = compiled(S3, &[("name", "report.txt"), ("id", "AKID")]).unwrap();
    assert_eq!((call.host.as_str(), call.port, call.response.limit_bytes), ("s3.example", 9300, DEFAULT_LIMIT));
    let signs = Use::Sigv4 { service: "s3".into(), region: "eu-west-1".into(), host: "s3.example".into() };
    assert_eq!(uses(&call), [("signature", "s3/key", signs)]);
    assert_eq!(call.response.policy, b"open all");
    assert_eq!(call.arguments[0].name, "id", "in rising order");
    assert!(call.check(crate::vault::commit::statement::Parties::first(2)).is_ok());
}

#[test]
fn a_url_is_made_and_not_sent() {
    let text = |directives: &str, rest: &str| {
        format!("# @presign aws-sigv4 service=s3 region=r key=k access-key-id=A expires=60\n{directives}PUT https://h/{rest}")
    };
    let made = compiled(&text("", "{{name}}"), &[("name", "x")]).unwrap();
    let policy = b"presigned for seconds: 60".to_vec();
    assert_eq!(made.response, Response { policy, audience: Audience::Only(PartyId::new(0)), limit_bytes: 0, limit_records: 0 });
    assert_eq!((made.connector, uses(&made).len(), is_its_text(&made)), (PartyId::new(0), 1, Ok(true)));
    let with = |change: fn(&mut Call)| {
        let mut call = made.clone();
        change(&mut call);
        is_its_text(&call)
    };
    assert_eq!(with(|call| call.connector = PartyId::new(1)), Ok(false));
    assert_eq!(with(|call| call.response.policy = b"presigned for seconds: 61".to_vec()), Ok(false));
    for (directives, rest) in [
        ("# @open all\n", ""),
        ("# @keep a in json \"a\" chars alnum len 4\n", ""),
        ("# @limit 100\n", ""),
        ("# @not-reflected a\n", ""),
        ("# @vault a = b\n", "\nX: {{a}}\n"),
        ("# @private a chars hex len 2\n", "\nX: {{a}}\n"),
        ("", "\n\nbody"),
    ] {
        let told = compiled(&text(directives, rest), &[]).unwrap_err().to_string();
        assert!(told.starts_with("1:3: a presigned URL is made and not sent"), "{directives}{rest}: {told}");
    }
    let told = compiled(&text("", "?X-Amz-Expires=9"), &[]).unwrap_err().to_string();
    assert!(told.starts_with("1:3: "), "{told}");
    assert_eq!(is_presign(text("", "").as_bytes()), Ok(true));
    assert_eq!(public_holes(S3.as_bytes()), Ok(vec!["name".to_owned(), "id".to_owned()]));
}

#[test]
fn secrets_in_a_header_and_in_the_body() {
    let call = compiled(TOKEN, &[("name", "x")]).unwrap();
    let host = || "api.example".to_owned();
    let header = Use::Header { name: "authorization".into(), host: host() };
    assert_eq!(uses(&call), [("field", "api/field", Use::Field { host: host() }), ("token", "api/token", header)]);
    assert_eq!(call.response.policy, b"open all\nnot-reflected field\nnot-reflected token");
    assert_eq!((call.response.limit_bytes, call.response.limit_records), (1000, 17));
}

/// Whatever stands beside the text follows from it, so nothing else can be approved with it.
#[test]
fn a_call_is_its_text() {
    let right = compiled(TOKEN, &[("name", "x")]).unwrap();
    assert_eq!(is_its_text(&right), Ok(true));
    let elsewhere = Use::Field { host: "api.example".into() };
    let changes: [&dyn Fn(&mut Call); 9] = [
        &|c| c.host = "evil.example".into(),
        &|c| c.port = 444,
        &|c| drop(c.slots.pop()),
        &|c| c.slots[0].hole = "other".into(),
        &|c| {
            if let Source::Item { purpose, .. } = &mut c.slots[1].source {
                *purpose = elsewhere.clone();
            }
        },
        &|c| c.response.policy = b"open all".to_vec(),
        &|c| c.response.audience = Audience::Only(PartyId::new(0)),
        &|c| c.response.limit_bytes += 1,
        &|c| c.response.limit_records += 1,
    ];
    for (k, change) in changes.iter().enumerate() {
        let mut call = right.clone();
        change(&mut call);
        assert_eq!(is_its_text(&call), Ok(false), "change {k}");
    }
    let mut call = right.clone();
    call.flow = TOKEN.replace("/v1/", "/v2/").into_bytes();
    assert_eq!(is_its_text(&call), Ok(true), "the text itself is in the digest");
    call.arguments.clear();
    assert!(is_its_text(&call).is_err());
}

#[test]
fn a_body_from_a_file_is_an_argument() {
    let text = "# @open all\nPUT https://h/\n\n< ./a/b.txt\n";
    assert_eq!(body_file(text.as_bytes()), Ok(Some("./a/b.txt")));
    assert_eq!(body_file(TOKEN.as_bytes()), Ok(None));
    let call = compiled(text, &[("< ./a/b.txt", "{{not a hole}}\n###\n")]).unwrap();
    assert!(call.check(crate::vault::commit::statement::Parties::first(2)).is_ok());
    assert_eq!(compiled(text, &[]).unwrap_err().to_string(), "4:1: the file of the body was not given");
}

const KEEP: &str = "\
# @vault admin = api/admin
# @keep token in json \"token\" chars alnum len 40
# @open id in json \"id\" chars digits len 1..9
# @save token = api/token for header:authorization@api.example field@b.example
# @not-reflected admin
POST https://api.example/tokens
Authorization: Bearer {{admin}}
";

#[test]
fn an_answer_of_which_a_part_is_kept() {
    let call = compiled(KEEP, &[]).unwrap();
    let lines = "keep token in json \"token\" chars alnum len 40\nopen id in json \"id\" chars digits len 1..9\nsave token = api/token for \
                 header:authorization@api.example field@b.example\nnot-reflected admin";
    assert_eq!(String::from_utf8_lossy(&call.response.policy), lines);
    assert_eq!((call.response.limit_bytes, call.response.limit_records), (DEFAULT_PART, 24));
    let disposal = Disposal::parse(&call.response.policy).unwrap();
    let [save] = &disposal.saves[..] else { panic!("one is saved") };
    let uses = [Use::Header { name: "authorization".into(), host: "api.example".into() }, Use::Field { host: "b.example".into() }];
    assert_eq!(disposal.statuses, 200..=299);
    assert_eq!((save.rule, save.item.as_str(), &save.uses[..]), (0, "api/token", &uses[..]));
    let Policy::Rules(rules) = &disposal.policy else { panic!("a part is kept") };
    assert_eq!(rules.iter().map(|rule| rule.name.as_str()).collect::<Vec<_>>(), ["token", "id"]);
    assert_eq!(
        crate::approve::operation::Body::Call(call.clone()).saves().iter().map(|item| item.as_str()).collect::<Vec<_>>(),
        ["api/token"]
    );
    assert!(crate::approve::operation::Body::Call(call).needs_everyone());

    let status = compiled("# @open status\nGET https://h/\n", &[]).unwrap();
    assert!(matches!(Disposal::parse(&status.response.policy), Some(Disposal { policy: Policy::Rules(rules), .. }) if rules.is_empty()));
    assert!(!crate::approve::operation::Body::Call(status).needs_everyone());
    // The status has nothing of what was sent.
    assert!(compiled("# @vault key = k\n# @open status\nGET https://h/\nX-Key: {{key}}\n", &[]).is_ok());
    let redirected = compiled(&KEEP.replace("# @open", "# @status 303\n# @open"), &[]).unwrap();
    assert_eq!(Disposal::parse(&redirected.response.policy).unwrap().statuses, 303..=303);
    for none in [&b"\xff"[..], b"open", b"keep x", b"open all\nsave x = y", b"save x = y"] {
        assert!(Disposal::parse(none).is_none(), "{}", none.escape_ascii());
    }
}

/// A server may compress what nobody has spoken of: where a part stays secret somebody has, in the text or in what is sent.
#[test]
fn an_answer_of_which_a_part_is_kept_is_not_compressed() {
    let sent = |text: &str| {
        let request = Flow::parse(text.as_bytes()).unwrap().request(&|_| Cow::from(&b"x"[..])).unwrap();
        let encodings = request.headers().iter().filter(|(name, _)| name.eq_ignore_ascii_case("accept-encoding"));
        encodings.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    assert_eq!(sent(KEEP), ["identity"]);
    assert_eq!(sent(&KEEP.replace("{{admin}}", "{{admin}}\nAccept-encoding: identity")), ["identity"]);
    assert!(sent(TOKEN).is_empty());
    assert_eq!(sent(&TOKEN.replace("Authorization", "Accept-Encoding: gzip\nAuthorization")), ["gzip"]);
}

#[test]
fn what_is_wrong_about_what_is_kept() {
    let changed = |from: &str, to: &str| {
        assert!(KEEP.contains(from), "{from}");
        compiled(&KEEP.replace(from, to), &[]).unwrap_err().to_string()
    };
    for (from, to, words) in [
        ("# @save", "# @note", "4:3: there is no directive @note"),
        ("# @save", "# save", "2:3: token is kept and not used: write # @save token = ITEM"),
        ("@save token", "@save id", "4:3: no # @keep keeps id"),
        ("@save token", "@save tokens", "4:3: no # @keep keeps tokens"),
        ("api/token for", "Api for", "4:3: \"Api\" is no name of an item"),
        ("field@b", "feld@b", "4:3: \"feld@b.example\" is no use"),
        ("field@b", "field@B", "4:3: \"field@B.example\" is no use"),
        ("= api/token", "api/token", "4:3: this is not in the form of the directive: @save NAME = ITEM"),
        ("len 40", "len 39..40", "2:3: token becomes an item, so it stands once and has one length"),
        ("len 40", "len 40 exactly 2 times", "2:3: token becomes an item, so it stands once and has one length"),
        ("len 40", "len 3", "2:3: a value has 1 to "),
        ("chars alnum", "char alnum", "2:31: chars was expected here"),
        ("# @open id", "# @open all\n# @open id", "2:3: # @open all opens the whole answer, and stands alone"),
        ("# @not-reflected admin\n", "", "1:10: what is opened or kept of the answer could be admin"),
        ("reflected admin", "reflected token", "5:18: token is not the hole of a secret"),
        ("Bearer {{admin}}", "Bearer {{admin}}\naccept-encoding: gzip", "8:1: its length would tell what stays secret"),
        ("Bearer {{admin}}", "Bearer {{admin}}\nAccept-Encoding: identity\nAccept-Encoding: br", "9:1: its length would tell"),
        ("# @open id", "# @status 20\n# @open id", "3:3: this is not the one status"),
        ("# @open id", "# @status 0200\n# @open id", "3:3: this is not the one status"),
        ("# @open id", "# @status 303\n# @status 302\n# @open id", "4:3: this is not the one status"),
        ("digits len 1..9", "digits len 1..16384 exactly 16 times", "6:1: to look for these rules in so long an answer takes up to "),
        ("# @open id", "# @keep token in json \"token\" chars alnum len 40\n# @open id", "3:3: @keep is there already"),
        ("# @open id", "# @limit 32769\n# @open id", "7:1: an answer of which a part stays secret has at most 32768 bytes"),
        ("# @open id", "# @save token = other\n# @open id", "5:3: other is there already"),
    ] {
        let told = changed(from, to);
        assert!(told.starts_with(words), "{from:?} to {to:?}: {told}");
    }
}

#[test]
fn what_is_wrong_is_named_where_it_stands() {
    let name = [("name", "x")];
    let changed = |from: &str, to: &str| {
        assert!(TOKEN.contains(from), "{from}");
        compiled(&TOKEN.replace(from, to), &name).unwrap_err().to_string()
    };
    for (from, to, words) in [
        ("# @open all\n", "", "6:1: nothing says what becomes of the answer"),
        ("# @not-reflected token\n", "", "1:10: what is opened or kept of the answer"),
        ("@not-reflected token", "@not-reflected tokens", "4:18: tokens is not the hole of a secret"),
        ("Bearer {{token}}", "Bearer x", "1:10: there is no {{token}} in the request"),
        ("Bearer {{token}}", "Bearer {{tokn}}", "1:10: there is no {{token}} in the request"),
        ("v1/", "{{token}}/", "7:26: the secret token cannot stand in the path or query"),
        ("Bearer {{token}}", "{{token}}\nX-Other: {{token}}", "10:10: the secret token stands in another header"),
        ("Bearer {{token}}", "{{token}} {{field}}", "11:8: the secret field stands in another header"),
        ("v1/", "{{nam}}/", "7:26: nothing fills {{nam}} ({{name}} is near)"),
        ("v1/{{name}}", "v1/", "7:1: there is no {{name}} in the request"),
        ("Content-Type", "Content-Length", "8:1: this header is not for a call to set"),
        ("POST", "post", "7:1: the method is not one that a call can use"),
        (
            "@vault token",
            "@sign aws-sigv4 service=s3 region=r key=k access-key-id=A\n# @vault signature",
            "2:10: in a signed request no other secret is called",
        ),
    ] {
        let told = changed(from, to);
        assert!(told.starts_with(words), "{from:?} to {to:?}: {told}");
    }
    let told = |text: &str, arguments: &[(&str, &str)]| compiled(text, arguments).unwrap_err().to_string();
    assert!(told(TOKEN, &[]).starts_with("7:29: nothing fills {{name}};"), "{}", told(TOKEN, &[]));
    assert_eq!(told(TOKEN, &[("name", "a"), ("name", "b")]), "7:1: name is there already");
    assert_eq!(told(TOKEN, &[("name", "a"), ("token", "b")]), "7:1: token is there already", "a secret is not given");
    let id = |id: &'static str| told(S3, &[("name", "a"), ("id", id)]);
    assert!(id("A/B").starts_with("1:3: the access key id has 1 to 128"), "{}", id("A/B"));
    assert!(told(&S3.replace("b/", "?a=b+c"), &[("name", "a"), ("id", "A")]).starts_with("1:3: a plus sign in the query"));
    let signature = S3.replace("name}}", "signature}}");
    assert!(told(&signature, &[("id", "A")]).contains("nothing fills {{signature}}"), "a signature has no hole");
    assert!(told(&signature, &[("id", "A"), ("signature", "x")]).contains("signature is there already"), "and is not given");
}

/// Directives before a request, whose header X-A and body are these.
fn made(directives: &str, header: &str, body: &str) -> Result<Call, FlowError> {
    let text = format!(
        "# @vault key = k\n# @vault word = w\n# @private card chars digits len 4\n{directives}# @open all\n# @not-reflected word\n# @not-reflected card\nPOST \
         https://h/\nX-Word: {{{{word}}}}\nX-Card: {{{{card}}}}\nX-A: {header}\n\n{body}"
    );
    compiled(&text, &[])
}

#[test]
fn what_is_made_of_a_secret_has_its_use() {
    let call =
        made("# @let mac = hex(hmac-sha256(key, \"a\"))\n# @let twice = mac \".\" mac\n# @not-reflected twice\n", "{{twice}}", "").unwrap();
    let slots: Vec<_> = call.slots.iter().map(|slot| (slot.hole.as_str(), slot.source.clone())).collect();
    let private = Source::Private { owner: PartyId::new(0), len: 4, alphabet: crate::vault::alphabet::Alphabet::DIGITS };
    assert_eq!((slots[0].clone(), slots.len()), (("card", private), 3));
    let use_of = |k: usize| if let Source::Item { purpose, .. } = &slots[k].1 { purpose.clone() } else { panic!("an item") };
    assert_eq!(use_of(1), Use::Header { name: "x-a".into(), host: "h".into() });
    assert_eq!(
        call.response.policy, b"open all\nnot-reflected card\nnot-reflected twice\nnot-reflected word",
        "an HMAC shows nothing of its key"
    );
    assert_eq!((call.givers().iter().collect::<Vec<_>>(), is_its_text(&call)), (vec![PartyId::new(0)], Ok(true)));
    let mut other = call.clone();
    if let Source::Private { len, .. } = &mut other.slots[0].source {
        *len = 5;
    }
    assert_eq!(is_its_text(&other), Ok(false));
    assert!(call.check(crate::vault::commit::statement::Parties::first(2)).is_ok());
}

#[test]
fn what_is_wrong_with_what_is_made() {
    let wrong = |directives: &str, header: &str, body: &str| made(directives, header, body).unwrap_err().to_string();
    for (directives, header, body, words) in [
        ("", "x", "", "1:10: there is no {{key}} in the request"),
        ("", "{{key}}", "", "1:10: what is opened or kept of the answer"),
        ("# @let a = base64(key)\n", "{{a}}", "", "1:10: what is opened or kept of the answer"),
        ("# @let a = hmac-sha256(\"public\", key)\n", "{{a}}", "", "1:10: what is opened or kept of the answer"),
        ("# @let a = hmac-sha256(key, key) \"x\"\n# @let b = hex(key)\n", "{{a}}{{b}}", "", "1:10: what is opened or kept of the answer"),
        ("# @let a = hex(key)\n", "x", "", "4:8: there is no {{a}} in the request"),
        ("# @let a = hex(b)\n# @let b = hex(key)\n", "{{a}}", "", "4:16: {{b}} is made by this @let or a later one"),
        ("# @let a = hex(a key)\n", "{{a}}", "", "4:16: {{a}} is made by this @let or a later one"),
        ("# @let a = hex(\"x\")\n", "{{a}}{{key}}", "", "4:8: nothing in this is secret"),
        ("# @let a = hex(key)\n", "{{a}}", "{{a}}", "13:1: the secret a stands in another header, or in the body"),
        ("# @let a = hex(key)\n# @let b = hex(key)\n", "{{a}}", "{{b}}", "14:1: the secret key stands in another header, or in the body"),
        ("# @let a = hex(key ky)\n", "{{a}}", "", "4:20: nothing fills {{ky}} ({{key}} is near)"),
    ] {
        let told = wrong(directives, header, body);
        assert!(told.starts_with(words), "{directives:?}: {told}");
    }
    let jwe = |rest: &str| wrong(&format!("# @let a = \"x\" jwe(key, {rest})\n# @not-reflected key\n# @not-reflected a\n"), "{{a}}", "");
    for (rest, words) in [
        ("\"RSA-OAEP\", \"A128GCM\"", "4:16: jwe takes a value, RSA-OAEP"),
        ("\"RSA1_5\", \"A128GCM\", \"{}\"", "4:16: the key is encrypted by RSA-OAEP"),
        ("\"RSA-OAEP\", \"A192GCM\", \"{}\"", "4:16: the text is encrypted by A128GCM"),
        ("\"RSA-OAEP\", \"A128GCM\", \"{}\"", "4:16: this is no JSON Web Key of kty RSA"),
        ("\"RSA-OAEP\", \"A128GCM\", key", "4:48: how a JWE is encrypted and for whom is known to all"),
        ("\"RSA-OAEP\", \"A128GCM\", hex(\"a\")", "4:16: how a JWE is encrypted and for whom is known to all"),
        ("\"RSA-OAEP\", \"A128GCM\", jwk", "4:48: nothing fills {{jwk}}"),
    ] {
        let told = jwe(rest);
        assert!(told.starts_with(words), "{rest:?}: {told}");
    }
    let target = "# @vault key = k\n# @let a = hex(key)\n# @open all\n# @not-reflected key\nGET https://h/{{a}}";
    assert!(compiled(target, &[]).unwrap_err().to_string().starts_with("5:15: the secret a cannot stand in the path or query"));
    let id = "# @vault key = k\n# @sign aws-sigv4 service=s3 region=r key=k access-key-id={{key}}\n# @open all\n# @not-reflected key\nGET https://h/\nX: {{key}}";
    assert!(compiled(id, &[]).unwrap_err().to_string().starts_with("2:59: nothing fills {{key}}"), "an access key id is public");
}

/// Which holes have to be said not to be sent back, where `directives` stand before a request with this header X-A.
fn reflected(directives: &str, header: &str) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    loop {
        let lines: String = said.iter().map(|hole| format!("# @not-reflected {hole}\n")).collect();
        let text = format!(
            "# @vault k = k\n# @vault s = s\n# @private p chars hex len 8\n{directives}{lines}# @open all\nGET https://h/\nX-A: {header}\n"
        );
        match compiled(&text, &[]).map_err(|error| error.problem) {
            Ok(_) => return said,
            Err(Problem::Reflected(hole)) => said.push(hole),
            Err(problem) => panic!("{problem}"),
        }
    }
}

/// What is sent may be used by whoever is told it, whatever it is made of. Of what that is made of nothing is told by an HMAC, if no member can know its key.
#[test]
fn what_the_server_must_not_send_back() {
    let with = |directives: &str, header: &str| reflected(directives, &format!("{{{{p}}}} {header}"));
    // A MAC that authorises, such as a token that is signed with it.
    assert_eq!(with("# @let m = hex(hmac-sha256(k, s))\n", "{{m}}"), ["p", "m"]);
    // The giver knows its key.
    assert_eq!(reflected("# @let m = hex(hmac-sha256(p, k s))\n", "{{m}}"), ["k", "s", "p", "m"]);
    assert_eq!(with("# @let m = hex(hmac-sha256(p k, s))\n", "{{m}}"), ["p", "m"], "but not all of it");
    // A key that is itself sent, under its name, in another value, as another hole of the same item, or written out again.
    let chained = "# @let m = hex(hmac-sha256(k, \"a\"))\n# @let n = hex(hmac-sha256(m, s))\n";
    assert_eq!(with(chained, "{{m}}{{n}}"), ["s", "p", "m", "n"]);
    assert_eq!(with(&chained.replace("(m,", "(hex(hmac-sha256(k, \"a\")),"), "{{m}}{{n}}"), ["s", "p", "m", "n"]);
    assert_eq!(with("# @let n = hex(hmac-sha256(k, s))\n", "{{k}}{{n}}"), ["k", "s", "p", "n"]);
    assert_eq!(with("# @let h = hex(sha256(k))\n# @let n = hex(hmac-sha256(h, s))\n", "{{h}}{{n}}"), ["k", "s", "p", "h", "n"]);
    assert_eq!(with("# @vault j = k\n# @let n = hex(hmac-sha256(k, s))\n", "{{j}}{{n}}"), ["k", "s", "j", "p", "n"]);
    // A key that is made of an item alone and is in nothing else.
    assert_eq!(with("# @let h = sha256(\"x\" k)\n# @let n = hex(hmac-sha256(h, s))\n", "{{n}}"), ["p", "n"]);
    assert_eq!(with("# @let a = s k\n", "{{a}}"), ["k", "s", "p", "a"]);
}

/// A server that does not find a signature right sends back what was signed.
#[test]
fn what_is_signed_with_a_secret_is_not_opened_whole() {
    let sign = "# @sign aws-sigv4 service=s3 region=r key=k access-key-id=A\n";
    let text = |directives: &str, rest: &str| compiled(&format!("{sign}{directives}PUT https://h/\n{rest}"), &[]).map(drop);
    for secret in ["# @vault t = t\n", "# @private t chars hex len 4\n"] {
        let column = secret.find(" t").unwrap() + 2;
        for rest in ["X-A: {{t}}\n", "\n{{t}}"] {
            let error = text(&format!("{secret}# @open all\n# @not-reflected t\n"), rest).unwrap_err();
            assert_eq!(error, Problem::SignedSecret("t".into()).at(Position { line: 2, column }));
            assert_eq!(text(&format!("{secret}# @open status\n"), rest), Ok(()));
            let rule = format!("{secret}# @open a in body \"a=\" chars digits len 1 \"&\"\n# @not-reflected t\n");
            for status in ["", "# @status 403\n"] {
                let error = text(&format!("{rule}{status}"), rest).unwrap_err();
                assert_eq!(error, Problem::SignedStatus("t".into()).at(Position { line: 2, column }), "{status:?}");
            }
            assert_eq!(text(&format!("{rule}# @status 201\n"), rest), Ok(()));
        }
    }
    assert_eq!(text("# @open all\n", ""), Ok(()));
}

/// What others could not read is refused where it stands, and not when it is written down.
#[test]
fn what_is_longer_than_a_proposal_can_be() {
    let comment = format!("# @open status # {}\nGET https://h/\n", "x".repeat(1 << 16));
    assert_eq!(compiled(&comment, &[]), Err(Problem::Many.at(Position { line: 2, column: 1 })));
    let names: Vec<String> = (0..257).map(|k| format!("a{k:03}")).collect();
    let holes: String = names.iter().map(|name| format!("X: {{{{{name}}}}}\n")).collect();
    let arguments: Vec<_> = names.iter().map(|name| (name.as_str(), "v")).collect();
    let text = format!("# @open status\nGET https://h/\n{holes}");
    assert_eq!(compiled(&text, &arguments), Err(Problem::Many.at(Position { line: 2, column: 1 })));
}

/// One note of a member: a text as long as there can be, of values each made of the one before. It is refused before any is followed.
#[test]
fn a_chain_of_eighteen_thousand_values_is_not_followed() {
    let name = |k: usize| (0..3).map(|place| char::from(b'a' + (k / 26usize.pow(2 - place) % 26) as u8)).collect::<String>();
    let lets: String = (1..17_000).map(|k| format!("#@let {}={}\n", name(k), name(k - 1))).collect();
    let text = format!("#@vault aaa=k\n{lets}#@open all\nGET https://h/\nX: {{{{{}}}}}\n", name(16_999));
    assert!((200_000..1 << 18).contains(&text.len()));
    assert_eq!(compiled(&text, &[]), Err(Problem::Many.at(Position { line: super::super::directive::MOST + 1, column: 7 })));
}

/// What all know of what is made is shown to people, with what fills it.
#[test]
fn an_argument_in_fifty_thousand_places_of_a_value_is_not_shown() {
    let text = format!(
        "# @vault k = k\n# @let m = \"{}\" k\n# @open all\n# @not-reflected k\n# @not-reflected m\nGET https://h/\nX: {{{{m}}}}\n",
        "{{a}}".repeat(50_000)
    );
    let value = "x".repeat(4096);
    assert_eq!(compiled(&text, &[("a", &value)]).map_err(|error| error.problem), Err(Problem::LongValues(50_000 * 4096 + 1)));
    assert!(compiled(&text, &[("a", "x")]).is_ok());
}

/// Each gives what the text names it for, and who proposes the rest; who is called what is for those to judge who know the members.
#[test]
fn members_that_are_named_give() {
    let text = "# @private pin chars digits len 4\n# @private a of Alice chars hex len 8\n# @private b of bob b. chars hex len 8\n# @open status\n\
                POST https://h/\nX: {{pin}}{{a}}{{b}}\n";
    let among = |text: &str, names: &[&str]| {
        let named = |name: &str| names.iter().position(|known| *known == name).map(PartyId::new);
        let seats = Seats { connector: PartyId::new(1), giver: PartyId::new(2) };
        call_among(text.as_bytes().to_vec(), Vec::new(), seats, &named, Digest([3; 32]))
    };
    let made = among(text, &["Alice", "bob b."]).unwrap();
    let owners = |call: &Call| call.slots.iter().map(|slot| slot.source.owner().unwrap().index()).collect::<Vec<_>>();
    assert_eq!((owners(&made), is_its_text(&made)), (vec![0, 1, 2], Ok(true)));
    let names = givers(&made).unwrap().into_iter().map(|(name, seat)| (name.unwrap_or_default(), seat.index()));
    assert_eq!(names.collect::<Vec<_>>(), [("Alice".to_owned(), 0), ("bob b.".to_owned(), 1), (String::new(), 2)]);
    assert_eq!(among(text, &["alice", "bob b."]).unwrap_err().to_string(), "2:12: no member is called Alice");
    let twice = text.replace("of bob b.", "of Alice");
    let both = among(&twice, &["Alice"]).unwrap();
    assert_eq!((owners(&both), is_its_text(&both)), (vec![0, 0, 2], Ok(true)));
    let with_owner = |call: &Call, at: usize, seat: usize| {
        let mut call = call.clone();
        if let Source::Private { owner, .. } = &mut call.slots[at].source {
            *owner = PartyId::new(seat);
        }
        is_its_text(&call)
    };
    assert_eq!(with_owner(&both, 1, 1), Ok(false), "one name, two seats");
    assert_eq!(with_owner(&made, 1, 0), Ok(false), "two names, one seat");
    assert_eq!(with_owner(&made, 1, 2), Ok(true), "which seat has a name is not in the text");
}

/// A value goes on over comments as long as a bracket is open, and what is wrong in it is named where it stands.
#[test]
fn a_value_of_several_lines() {
    let text = |value: &str| {
        format!("# @vault key = k\n# @let a = {value}\n# @open all\n# @not-reflected key\n# @not-reflected a\nGET https://h/\nX: {{{{a}}}}")
    };
    let one = compiled(&text("hex(\"x\" key \"(\" sha256(key) \"\\\"#\")"), &[]).unwrap();
    let many = compiled(&text("hex(\n#   \"x\" key\n//  \"(\" sha256(\n#key\n#  ) \"\\\"#\"\n# )"), &[]).unwrap();
    assert_eq!((one.slots, one.response.policy), (many.slots, many.response.policy));
    for (value, words) in [
        ("hex(\n#  \"x\n# \" key)", "3:4: this is not closed"),
        ("hex(key\n# @open status", "2:12: this is not closed"),
        ("hex(key\n\n# )", "2:12: this is not closed"),
        ("hex(key\n#   \u{e4}{{b}})", "3:5: \"\u{e4}{{b}}\" is no name"),
        ("hex(key\n#   ky)", "3:5: nothing fills {{ky}}"),
        ("hex(key)\n#   )", ""),
    ] {
        let told = compiled(&text(value), &[]).map(drop).map_err(|error| error.to_string());
        assert!(
            told.as_ref().err().is_some_and(|told| told.starts_with(words)) || (words.is_empty() && told.is_ok()),
            "{value:?}: {told:?}"
        );
    }
}
