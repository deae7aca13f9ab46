use super::*;

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
    call(text.as_bytes().to_vec(), given(arguments), PartyId::new(1), Digest([3; 32]))
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

#[test]
fn what_is_wrong_is_named_where_it_stands() {
    let name = [("name", "x")];
    let changed = |from: &str, to: &str| {
        assert!(TOKEN.contains(from), "{from}");
        compiled(&TOKEN.replace(from, to), &name).unwrap_err().to_string()
    };
    for (from, to, words) in [
        ("# @open all\n", "", "6:1: nothing says what becomes of the answer"),
        ("# @not-reflected token\n", "", "1:10: the whole answer is opened to all"),
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
        ("# @limit 1000", "# @sign aws-sigv4 service=s3 region=r key=k access-key-id=A", "6:3: a signed request has no secret beside"),
    ] {
        let told = changed(from, to);
        assert!(told.starts_with(words), "{from:?} to {to:?}: {told}");
    }
    let told = |text: &str, arguments: &[(&str, &str)]| compiled(text, arguments).unwrap_err().to_string();
    assert!(told(TOKEN, &[]).starts_with("7:29: nothing fills {{name}};"), "{}", told(TOKEN, &[]));
    assert_eq!(told(TOKEN, &[("name", "a"), ("name", "b")]), "7:1: name is there already");
    assert_eq!(told(TOKEN, &[("name", "a"), ("token", "b")]), "7:1: token is there already", "a secret is not given");
    let id = |id: &'static str| told(S3, &[("name", "a"), ("id", id)]);
    assert!(id("A/B").starts_with("1:3: the access key id has a byte"), "{}", id("A/B"));
    assert!(told(&S3.replace("b/", "?a=b+c"), &[("name", "a"), ("id", "A")]).starts_with("1:3: a plus sign in the query"));
    let signature = S3.replace("name}}", "signature}}");
    assert!(told(&signature, &[("id", "A")]).contains("nothing fills {{signature}}"), "a signature has no hole");
    assert!(told(&signature, &[("id", "A"), ("signature", "x")]).contains("signature is there already"), "and is not given");
}
