//! Each field, each clock and each malformed message: what is reported, at every party.

use super::explain::diff;
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
        program_digest: Some([6; 32]),
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
}

#[test]
fn the_time_is_in_the_digest_even_of_a_request_without_one() {
    let agreed_at = |clock: i64| {
        let parties = links(2).into_iter().map(|mut link| async move {
            // The other party's clock is the same in both runs.
            let clock = [clock, NOON][link.me().index()];
            let bytes = |time| Terms { request: ToSend::Bytes(b"GET / HTTP/1.0".to_vec()), ..terms(time) };
            agree(&mut link, PartyId::new(0), || clock, bytes).await.unwrap()
        });
        block_on(join_all(parties))[1]
    };
    assert_ne!(agreed_at(NOON).digest, agreed_at(NOON + 1).digest);
    let fields = [("a", "1".to_owned())];
    let at = |clock| [Opening { clock, connector: PartyId::new(0) }];
    assert_ne!(digest(&at(NOON), &fields), digest(&at(NOON + 1), &fields), "what was said first is in it");
    assert_ne!(digest(&at(NOON), &fields), digest(&at(NOON), &[(TIME, "1".to_owned())]), "and every field");
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
    let cases: [Case; 17] = [
        (&["program"], |t| t.program = "cotenant 0.2.0".into()),
        (&["program digest"], |t| t.program_digest = Some([7; 32])),
        (&["program digest"], |t| t.program_digest = None),
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

/// A connector that tells each of the others a clock of its own, and what it says afterwards to each.
async fn two_faced(link: &mut Link, clocks: [i64; 2], quoted: impl Fn(PartyId, &mut Vec<Opening>)) {
    let me = link.me();
    for (party, clock) in me.others(3).zip(clocks) {
        link.send(party, Opening { clock, connector: me }.encode()).await.unwrap();
    }
    let mut heard = vec![Opening { clock: NOON, connector: me }];
    for party in me.others(3) {
        heard.push(Opening::decode(&link.recv(party).await.unwrap()).unwrap());
    }
    for (party, clock) in me.others(3).zip(clocks) {
        let time = Timestamp::from_unix(clock).unwrap();
        let mut fields = terms(time).fields();
        fields.push((TIME, time.to_string()));
        heard[0].clock = clock;
        let mut heard = heard.clone();
        quoted(party, &mut heard);
        link.send(party, message::fields(&heard, &fields).unwrap()).await.unwrap();
    }
    // The others still have to read it.
    for party in me.others(3) {
        let _ = link.recv(party).await;
    }
}

/// The errors of P2 and P3 beside such a P1.
fn beside_two_faced(clocks: [i64; 2], quoted: impl Fn(PartyId, &mut Vec<Opening>)) -> [AgreeError; 2] {
    let mut links = links(3);
    let mut third = links.pop().unwrap();
    let mut second = links.pop().unwrap();
    let mut first = links.pop().unwrap();
    let honest = |link| agree(link, PartyId::new(0), || NOON, terms);
    let all = async { futures::join!(two_faced(&mut first, clocks, quoted), honest(&mut second), honest(&mut third)) };
    let ((), second, third) = block_on(all);
    [second.unwrap_err(), third.unwrap_err()]
}

#[test]
fn a_connector_that_tells_parties_apart_does_not_make_them_blame_each_other() {
    let [p1, p2, p3] = [0, 1, 2].map(PartyId::new);
    // The second clock is one that a party takes, the third one that it refuses.
    for other in [NOON + 60, NOON + 600] {
        let [second, third] = beside_two_faced([NOON, other], |_, _| ());
        let said = |clock| Opening { clock, connector: p1 };
        assert_eq!(second, AgreeError::ToldApart { from: p1, by: p3, ours: said(NOON), theirs: said(other) });
        assert_eq!(third, AgreeError::ToldApart { from: p1, by: p2, ours: said(other), theirs: said(NOON) });
        let text = second.to_string();
        assert!(text.starts_with("P1 said \"clock ") && text.ends_with("not honest, and this party cannot tell which"), "{text}");
    }
    let [second, third] = beside_two_faced([NOON, NOON], |to, heard| {
        if to.index() == 1 {
            heard[1].clock += 1;
        } else {
            heard[0].clock += 1;
        }
    });
    assert!(matches!(second, AgreeError::Misquoted { by, .. } if by == p1), "{second}");
    assert!(matches!(third, AgreeError::ToldApart { from, by, .. } if from == p1 && by == p1), "{third}");
    assert!(third.to_string().contains("and now says that it said"), "{third}");
}

#[test]
fn what_is_no_list_of_fields_is_refused() {
    let heard = [Opening { clock: NOON, connector: PartyId::new(0) }; 2];
    let encode = |fields: &[(&'static str, String)]| message::fields(&heard, fields);
    let decode = |message: &[u8]| Answer::decode(message, 2);
    let all = terms(Timestamp::from_unix(NOON).unwrap()).fields();
    let good = encode(&all).unwrap();
    assert!(decode(&good).is_ok());
    for cut in 0..good.len() {
        let fields = match decode(&good[..cut]) {
            Ok(Answer { says: Says::Fields(fields), .. }) => fields.len(),
            Ok(Answer { says: Says::Refused { .. }, .. }) => panic!("no refusal was sent"),
            Err(BadFormat) => continue,
        };
        assert!(fields < all.len(), "a cut list is shorter, and so found different: {fields}");
    }
    let refused = message::refusal(&heard, NOON);
    assert!(matches!(decode(&refused), Ok(Answer { says: Says::Refused { clock: NOON }, .. })));
    assert!((0..refused.len()).all(|cut| decode(&refused[..cut]).is_err()) && decode(&[refused, vec![0]].concat()).is_err());
    let field = |name: &'static str| (name, "value".to_owned());
    assert!(decode(&encode(&[field("a"), field("a")]).unwrap()).is_err(), "a name twice");
    let empty = encode(&[]).unwrap();
    let and = |more: &[u8]| decode(&[&empty, more].concat());
    assert!(decode(&empty).is_ok());
    assert!(and(&[1, 0, 0, 0, 0xff, 0, 0, 0, 0]).is_err(), "not UTF-8");
    assert!(and(&[255, 255, 255, 255]).is_err(), "a length beyond the end");
    assert!(and(&[&[0, 0, 4, 0][..], &vec![b'a'; MAX_TERMS]].concat()).is_err(), "a message beyond the limit");
    for (place, byte) in [(0, 2), (1, 3)] {
        let mut other = empty.clone();
        other[place] = byte;
        assert!(decode(&other).is_err(), "another format");
    }
    assert!(Opening::decode(&[2, 0, 0, 0, 0, 0, 0, 0, 0, 0]).is_err() && Opening::decode(&[1; 11]).is_err());
    assert!(Opening::decode(&[1, 255, 0, 0, 0, 0, 0, 0, 0, 0]).is_err() && Opening::decode(&[1, 254, 0, 0, 0, 0, 0, 0, 0, 0]).is_ok());
    assert_eq!(encode(&[("a", "x".repeat(MAX_TERMS))]), Err(AgreeError::TooLong));
    let names: Vec<&'static str> = (0..=MAX_FIELDS).map(|i| &*i.to_string().leak()).collect();
    let many: Vec<_> = names.iter().map(|name| field(name)).collect();
    assert!(decode(&encode(&many[1..]).unwrap()).is_ok());
    assert!(decode(&encode(&many).unwrap()).is_err(), "a field too many");
}

#[test]
fn no_more_than_twenty_differences_are_shown() {
    let differ = |fields: usize| {
        let theirs = (0..fields).map(|i| (i.to_string(), String::new())).collect();
        let mut found = Vec::new();
        compare(&[], PartyId::new(1), theirs, &mut found);
        AgreeError::Differ(found).to_string()
    };
    assert_eq!(differ(20).lines().count(), 20);
    assert_eq!(differ(25).lines().last(), Some("and 5 more differences"));
}

#[test]
fn fields_that_only_one_side_has_are_reported() {
    let (ours, theirs) = ([("a", "1".to_owned())], BTreeMap::from([("b".to_owned(), "2".to_owned())]));
    let mut found = Vec::new();
    compare(&ours, PartyId::new(1), theirs, &mut found);
    let text = AgreeError::Differ(found).to_string();
    assert_eq!(text, "the parties differ in \"a\": \"1\" here, nothing at P2\nthe parties differ in \"b\": nothing here, \"2\" at P2");
}
