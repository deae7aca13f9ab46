//! Each field, each clock and each malformed message: what is reported, at every party.

use super::*;
use crate::http::Request;
use crate::sign::sigv4::Scope;
use cotenant_core::ChannelFault;
use futures::{StreamExt, channel::mpsc, executor::block_on, future::join_all};

const NOON: i64 = 1_440_938_160;

/// One party's end of links in memory.
struct Link {
    me: PartyId,
    to: Vec<mpsc::UnboundedSender<Vec<u8>>>,
    from: Vec<mpsc::UnboundedReceiver<Vec<u8>>>,
}

impl Channel for Link {
    fn me(&self) -> PartyId {
        self.me
    }

    fn parties(&self) -> usize {
        self.to.len()
    }

    async fn send(&mut self, to: PartyId, message: Vec<u8>) -> Result<(), ChannelError> {
        // A party that has gone is noticed by whoever waits for it.
        let _ = self.to[to.index()].unbounded_send(message);
        Ok(())
    }

    async fn recv(&mut self, from: PartyId) -> Result<Vec<u8>, ChannelError> {
        self.from[from.index()].next().await.ok_or(ChannelError { party: from, cause: ChannelFault::Closed })
    }

    fn drop_queued(&mut self) {}
}

fn links(n: usize) -> Vec<Link> {
    let mut all: Vec<Link> = PartyId::all(n).map(|me| Link { me, to: Vec::new(), from: Vec::new() }).collect();
    for (sender, receiver) in (0..n).flat_map(|sender| (0..n).map(move |receiver| (sender, receiver))) {
        let (to, from) = mpsc::unbounded();
        all[sender].to.push(to);
        all[receiver].from.push(from);
    }
    all
}

fn signing(time: Timestamp) -> Signing {
    Signing { scope: Scope::new("s3", "us-east-1", time).unwrap(), access_key_id: "AKIDEXAMPLE".into() }
}

fn request() -> Request {
    let mut request = Request::new("PUT", "s3.example.com", 443, "/bucket/key").unwrap();
    request.add_header("X-One", "1").unwrap();
    request.set_body(b"hello".to_vec());
    request
}

fn terms(time: Timestamp) -> Terms {
    Terms {
        program: "cotenant 0.1.0".into(),
        protocol: Protocol { ot_depth: 4, bucket_size: 3 },
        members: vec!["cot1aaa".into(), "cot1bbb".into()],
        connector: PartyId::new(0),
        operation: "s3 put, step 1 of 1".into(),
        host: "127.0.0.1".into(),
        port: 443,
        server_name: "s3.example.com".into(),
        trust_roots: [7; 32],
        groups: "P-256:X25519".into(),
        request: ToSend::Signed(request(), signing(time)),
        answer_bytes: 1 << 20,
        answer_records: 100,
    }
}

/// Two parties; the second one's terms are changed.
fn run(change: impl Fn(&mut Terms)) -> Vec<Result<Agreed, AgreeError>> {
    let parties = links(2).into_iter().map(|mut link| {
        let change = &change;
        async move {
            let second = link.me().index() == 1;
            let changed = |time| {
                let mut terms = terms(time);
                if second {
                    change(&mut terms);
                }
                terms
            };
            agree(&mut link, PartyId::new(0), || NOON, changed).await
        }
    });
    block_on(join_all(parties))
}

fn differences(result: &Result<Agreed, AgreeError>) -> Vec<&str> {
    match result {
        Err(AgreeError::Differ(all)) => all.iter().map(|one| one.field.as_str()).collect(),
        other => panic!("{other:?}"),
    }
}

/// Changes one thing in the request.
fn with_request(terms: &mut Terms, change: impl FnOnce(&mut Request, &mut Signing)) {
    match &mut terms.request {
        ToSend::Signed(request, signing) => change(request, signing),
        ToSend::Bytes(_) => unreachable!("these terms are signed"),
    }
}

#[test]
fn equal_terms_agree_on_digest_and_time() {
    let results = run(|_| ());
    let agreed = results[0].as_ref().unwrap();
    assert_eq!(results[0], results[1]);
    assert_eq!(agreed.time.unix(), NOON);
    assert_eq!(agreed.digest, digest(&terms(agreed.time).fields()));
}

#[test]
fn every_field_is_compared_and_named_at_both() {
    type Case = (&'static [&'static str], fn(&mut Terms));
    let other_request = |terms: &mut Terms, method: &str, host: &str, target: &str| {
        with_request(terms, |request, _| {
            let mut other = Request::new(method, host, 443, target).unwrap();
            other.add_header("X-One", "1").unwrap();
            other.set_body(request.body().to_vec());
            *request = other;
        })
    };
    let cases: [Case; 15] = [
        (&["program"], |t| t.program = "cotenant 0.2.0".into()),
        (&["oblivious transfer tree depth"], |t| t.protocol.ot_depth = 8),
        (&["triple bucket size"], |t| t.protocol.bucket_size = 4),
        (&["number of parties", "members"], |t| t.members.push("cot1ccc".into())),
        (&["members"], |t| t.members.reverse()),
        (&["operation"], |t| t.operation = "s3 get, step 1 of 1".into()),
        (&["host"], |t| t.host = "127.0.0.2".into()),
        (&["port"], |t| t.port = 444),
        (&["server name"], |t| t.server_name = "s4.example.com".into()),
        (&["trust roots"], |t| t.trust_roots[31] ^= 1),
        (&["key exchange groups"], |t| t.groups = "X25519:P-256".into()),
        (&["answer limit in bytes"], |t| t.answer_bytes += 1),
        (&["answer limit in records"], |t| t.answer_records += 1),
        (&["headers"], |t| with_request(t, |request, _| request.add_header("X-Two", "2").unwrap())),
        (&["access key id"], |t| with_request(t, |_, signing| signing.access_key_id.push('X'))),
    ];
    for (fields, change) in cases {
        let results = run(change);
        assert_eq!(differences(&results[0]), fields);
        assert_eq!(differences(&results[1]), fields);
    }
    let requests: [(&[&str], [&str; 3]); 3] = [
        (&["method"], ["GET", "s3.example.com", "/bucket/key"]),
        (&["Host header"], ["PUT", "s3.example.org", "/bucket/key"]),
        (&["target"], ["PUT", "s3.example.com", "/bucket/Key"]),
    ];
    for (fields, [method, host, target]) in requests {
        let results = run(|t| other_request(t, method, host, target));
        assert_eq!(differences(&results[0]), fields);
        assert_eq!(differences(&results[1]), fields);
    }
    assert_eq!(differences(&run(|t| with_request(t, |r, _| r.set_body(b"jello".to_vec())))[1]), ["body digest"]);
    assert_eq!(differences(&run(|t| with_request(t, |r, _| r.set_body(b"hell".to_vec())))[1]), ["body length", "body digest"]);
    let region = |t: &mut Terms| with_request(t, |_, s| s.scope = Scope::new("s3", "eu-west-1", s.scope.timestamp()).unwrap());
    assert_eq!(differences(&run(region)[0]), ["signature scope"]);
    let minute =
        |t: &mut Terms| with_request(t, |_, s| s.scope = Scope::new("s3", "us-east-1", Timestamp::from_unix(NOON + 60).unwrap()).unwrap());
    assert_eq!(differences(&run(minute)[0]), ["signature time"]);
}

#[test]
fn the_connector_is_compared_first() {
    let parties = links(3).into_iter().map(|mut link| async move {
        let connector = PartyId::new(link.me().index() % 2);
        agree(&mut link, connector, || NOON, terms).await
    });
    let results = block_on(join_all(parties));
    assert_eq!(differences(&results[0]), ["connector"]);
    assert_eq!(differences(&results[1]), ["connector", "connector"]);
    assert_eq!(differences(&results[2]), ["connector"]);
    assert_eq!(results[0].as_ref().unwrap_err().to_string(), "the parties differ in \"connector\": \"P1\" here, \"P2\" at P2");
}

#[test]
fn a_difference_says_both_values_and_whose() {
    let results = run(|t| t.port = 444);
    assert_eq!(results[0].as_ref().unwrap_err().to_string(), "the parties differ in \"port\": \"443\" here, \"444\" at P2");
    assert_eq!(results[1].as_ref().unwrap_err().to_string(), "the parties differ in \"port\": \"444\" here, \"443\" at P1");
    let named = results[1].as_ref().unwrap_err().explain(|party| format!("{party} \"alice\""));
    assert!(named.ends_with("\"443\" at P1 \"alice\""), "{named}");
    let digests = run(|t| t.trust_roots = [8; 32]);
    assert!(digests[0].as_ref().unwrap_err().to_string().contains("070707070707… here, 080808080808… at P2"));
}

#[test]
fn long_texts_are_shown_by_their_different_lines() {
    let bytes = |middle: &str| ToSend::Bytes(format!("GET / HTTP/1.1\r\nHost: a\r\n{middle}\r\n\r\n").into_bytes());
    let parties = links(2).into_iter().map(|mut link| async move {
        let middle = ["X: 1", "X: \u{202e}\u{1b}[2J"][link.me().index()];
        agree(&mut link, PartyId::new(0), || NOON, |time| Terms { request: bytes(middle), ..terms(time) }).await
    });
    let results = block_on(join_all(parties));
    assert_eq!(differences(&results[0]), ["request length", "request digest", "request"]);
    let text = results[0].as_ref().unwrap_err().to_string();
    assert!(text.ends_with("\"request\"; here (-) and at P2 (+):\n  - X: 1\n  + X: \\u{202e}\\u{1b}[2J"), "{text}");
    let long = |tail: &str| format!("{}{tail}", "x".repeat(500));
    assert_eq!(diff(&long("a"), &long("b")), format!("  - {}a\n  + {}b", "x".repeat(25), "x".repeat(25)));
}

#[test]
fn clocks_may_differ_by_five_minutes() {
    let at = |seconds: [i64; 3]| {
        let parties = links(3).into_iter().map(|mut link| async move {
            let clock = seconds[link.me().index()];
            agree(&mut link, PartyId::new(1), move || clock, |time| Terms { connector: PartyId::new(1), ..terms(time) }).await
        });
        block_on(join_all(parties))
    };
    for good in [at([NOON - 300, NOON, NOON + 300]), at([NOON + 300, NOON, NOON - 300])] {
        assert!(good.iter().all(|agreed| agreed.as_ref().is_ok_and(|agreed| agreed.time.unix() == NOON)), "{good:?}");
    }
    for wrong in [NOON + 301, NOON - 301, i64::MAX, i64::MIN] {
        let bad = at([NOON, NOON, wrong]);
        assert!(matches!(bad[2], Err(AgreeError::ClockDiffers { own, .. }) if own == wrong), "{bad:?}");
        for party in [0, 1] {
            assert!(matches!(bad[party], Err(AgreeError::TimeRefused { by, clock, .. }) if by.index() == 2 && clock == wrong), "{bad:?}");
        }
    }
    let no_date = at([NOON, i64::MAX, NOON]);
    assert!(no_date.iter().all(|r| *r == Err(AgreeError::Malformed { party: PartyId::new(1) })), "{no_date:?}");
}

#[test]
fn what_is_no_list_of_fields_is_refused() {
    let good = encode_fields(&terms(Timestamp::from_unix(NOON).unwrap()).fields()).unwrap();
    assert!(Answer::decode(&good).is_ok());
    for cut in 0..good.len() {
        let fields = match Answer::decode(&good[..cut]) {
            Ok(Answer::Terms(fields)) => fields.len(),
            Ok(Answer::Refused { .. }) => panic!("no refusal was sent"),
            Err(BadFormat) => continue,
        };
        assert!(fields < 23, "a cut list is shorter, and so found different: {fields}");
    }
    let field = |name: &'static str| (name, "value".to_owned());
    assert!(Answer::decode(&encode_fields(&[field("a"), field("a")]).unwrap()).is_err(), "a name twice");
    assert!(Answer::decode(&[FORMAT, TERMS, 1, 0, 0, 0, 0xff, 0, 0, 0, 0]).is_err(), "not UTF-8");
    assert!(Answer::decode(&[FORMAT, TERMS, 255, 255, 255, 255]).is_err(), "a length beyond the end");
    assert!(Answer::decode(&[2, TERMS]).is_err() && Answer::decode(&[FORMAT, 3]).is_err(), "another format");
    assert!(Opening::decode(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_err() && Opening::decode(&[FORMAT; 11]).is_err());
    let long = vec![("a", "x".repeat(MAX_TERMS))];
    assert_eq!(encode_fields(&long), Err(AgreeError::TooLong));
    assert!(Answer::decode(&[&[FORMAT, TERMS, 0, 0, 4, 0][..], &vec![b'a'; MAX_TERMS]].concat()).is_err(), "a message beyond the limit");
}

#[test]
fn fields_that_only_one_side_has_are_reported() {
    let (ours, theirs) = ([("a", "1".to_owned())], [("b".to_owned(), "2".to_owned())]);
    let mut found = Vec::new();
    compare(&ours, PartyId::new(1), &theirs, &mut found);
    let text = AgreeError::Differ(found).to_string();
    assert_eq!(text, "the parties differ in \"a\": \"1\" here, nothing at P2\nthe parties differ in \"b\": nothing here, \"2\" at P2");
}
