use super::*;
use crate::approve::{
    operation::{
        Audience,
        tests::{NOW, call, of_every_kind, refresh},
    },
    policy::file::{Fault, Place},
};

fn flow(operation: &Operation) -> Digest {
    let Body::Call(call) = &operation.body else { panic!("it is a call") };
    call.flow_digest(&operation.members)
}

/// A rule for the call of these tests, and one for refreshing.
fn text() -> String {
    format!(
        r#"
[[allow]]
name = "report"
operation = "call"
flow = "{}"
expires = "20270201T000000Z"
hours = {{ from = 7, to = 10 }}
per_hour = 2
per_day = 3
[allow.arguments]
key = ["report.txt", "other.txt"]

[[allow]]
name = "weekly"
operation = "refresh"
items = ["a", "b/c"]
expires = "20270201T000000Z"
"#,
        flow(&call())
    )
}

fn policy() -> Policy {
    Policy::parse(&text()).unwrap()
}

fn past(minutes_ago: i64, operation: &Operation) -> Past {
    Past { room: operation.room, at: NOW - 60 * minutes_ago, what: Named::of(operation).unwrap() }
}

fn with_call(change: fn(&mut Call)) -> Operation {
    let mut operation = call();
    let Body::Call(inner) = &mut operation.body else { panic!("it is a call") };
    change(inner);
    operation
}

fn refused(rule: &str, reason: Reason) -> Verdict {
    Verdict::Refuse(Refusal { rule: Some(rule.into()), reason })
}

/// Every demand of a rule fails alone.
#[test]
fn by_table() {
    let approve = |rule: &str| Verdict::Approve { rule: rule.into() };
    let other_flow = with_call(|call| call.response.policy.push(b' '));
    let four = Operation { expiry: NOW + 4, ..call() };
    let late = moment("20270201T000000Z").unwrap();
    let seven = NOW - NOW.rem_euclid(DAY) + 7 * HOUR; // of the day of NOW
    let short = |now: i64| Operation { expiry: now + 1, ..call() };
    let old = |minutes: &[i64]| minutes.iter().map(|minutes| past(*minutes, &call())).collect::<Vec<_>>();
    let elsewhere = vec![Past { room: RoomId([8; 16]), ..past(1, &call()) }; 5];
    let others = vec![past(1, &refresh()); 5];
    let table: Vec<(&str, Operation, i64, Vec<Past>, Verdict)> = vec![
        ("as it is", call(), NOW, vec![], approve("report")),
        ("another listed value", with_call(|c| c.arguments[0].value = b"other.txt".to_vec()), NOW, vec![], approve("report")),
        ("another connector", with_call(|c| c.connector = cotenant_core::PartyId::new(0)), NOW, vec![], approve("report")),
        ("another answer opened", other_flow.clone(), NOW, vec![], refused("report", Reason::Flow(flow(&other_flow)))),
        ("value", with_call(|c| c.arguments[0].value = b"x".to_vec()), NOW, vec![], refused("report", Reason::Value("key".into()))),
        ("argument", with_call(|c| c.arguments[0].name = "k".into()), NOW, vec![], refused("report", Reason::Argument("k".into()))),
        ("no argument", with_call(|c| c.arguments.clear()), NOW, vec![], refused("report", Reason::Missing("key".into()))),
        ("rule over", short(late), late, vec![], refused("report", Reason::Expired)),
        ("outlives the rule", Operation { expiry: late + 1, ..call() }, late - 1, vec![], refused("report", Reason::Expired)),
        ("waits too long", Operation { expiry: NOW + HOUR + 1, ..call() }, NOW, vec![], refused("report", Reason::Waits)),
        ("first second of the hours", short(seven), seven, vec![], approve("report")),
        ("before the hours", short(seven - 1), seven - 1, vec![], refused("report", Reason::Hours)),
        ("last second", short(seven + 3 * HOUR - 1), seven + 3 * HOUR - 1, vec![], approve("report")),
        (
            "ends after the hours",
            Operation { expiry: seven + 3 * HOUR + 1, ..call() },
            seven + 3 * HOUR - 1,
            vec![],
            refused("report", Reason::Hours),
        ),
        ("after the hours", short(seven + 3 * HOUR), seven + 3 * HOUR, vec![], refused("report", Reason::Hours)),
        ("one in the hour", four.clone(), NOW, old(&[5]), approve("report")),
        ("two in the hour", four.clone(), NOW, old(&[5, 59]), refused("report", Reason::PerHour(2))),
        ("an hour ago", four.clone(), NOW, old(&[5, 60]), approve("report")),
        ("three in the day", four.clone(), NOW, old(&[5, 60, 1439]), refused("report", Reason::PerDay(3))),
        ("a day ago", four.clone(), NOW, old(&[5, 60, 1440]), approve("report")),
        ("in another room", four.clone(), NOW, elsewhere, approve("report")),
        ("of another kind", four, NOW, others, approve("report")),
        ("items", refresh(), NOW, vec![], approve("weekly")),
    ];
    for (what, operation, now, history, verdict) in table {
        assert_eq!(policy().decide(&operation, now, &history), verdict, "{what}");
    }
    let ends = |moment: &str| Policy::parse(&text().replace("20270201T000000Z", moment)).unwrap().decide(&call(), NOW, &[]);
    assert_eq!(ends("20270115T090000Z"), approve("report"), "the operation expires with the rule");
    assert_eq!(ends("20270115T085959Z"), refused("report", Reason::Expired));
    let mut more = refresh();
    let Body::Refresh(items) = &mut more.body else { panic!("it is a refresh") };
    items[0].item = "aa".parse().unwrap();
    assert_eq!(policy().decide(&more, NOW, &[]), refused("weekly", Reason::Item("aa".into())));
}

#[test]
fn what_is_for_people_and_what_nobody_named() {
    for operation in of_every_kind() {
        let expected = match operation.body {
            Body::Call(_) | Body::Refresh(_) => continue,
            Body::Verify(_) => Reason::Kind,
            _ => Reason::ForPeople,
        };
        assert_eq!(policy().decide(&operation, NOW, &[]), Verdict::Refuse(Refusal { rule: None, reason: expected }));
    }
    let empty = Policy::parse("").unwrap();
    assert_eq!(empty.decide(&call(), NOW, &[]), Verdict::Refuse(Refusal::nothing_allowed()));
}

/// It makes an item and destroys the version before, as put and gen do; or a URL, which no rate and no hour bounds: a rule that names its flow approves nothing.
#[test]
fn a_call_that_leaves_something_is_for_people() {
    let keeps = with_call(|call| {
        call.response.policy = b"keep token in json \"token\" chars alnum len 40\nsave token = api/token".to_vec();
        call.response.audience = Audience::All;
    });
    let named = |operation: &Operation| Policy::parse(&text().replace(&flow(&call()).to_string(), &flow(operation).to_string())).unwrap();
    assert_eq!(named(&keeps).decide(&keeps, NOW, &[]), Verdict::Refuse(Refusal { rule: None, reason: Reason::ForPeople }));
    let made = with_call(|call| {
        call.flow = b"# @presign aws-sigv4 service=s3 region=r key=k access-key-id=A expires=60\nGET https://h/\n".to_vec();
    });
    assert_eq!(named(&made).decide(&made, NOW, &[]), Verdict::Refuse(Refusal { rule: None, reason: Reason::ForPeople }), "nor a URL");
    let opens = with_call(|call| call.response.policy = b"open token in json \"token\" chars alnum len 40".to_vec());
    assert_eq!(named(&opens).decide(&opens, NOW, &[]), Verdict::Approve { rule: "report".into() });
}

#[test]
fn the_nearest_rule_is_named_and_any_that_allows_is_enough() {
    let near = text().replace("report.txt", "x.txt").replace("\"report\"", "\"near\"");
    let far = text().replace(&flow(&call()).to_string(), &"0".repeat(64)).replace("weekly", "w2");
    let two = Policy::parse(&[far.clone(), near.clone()].concat()).unwrap();
    assert_eq!(two.decide(&call(), NOW, &[]), refused("near", Reason::Value("key".into())));
    let three =
        Policy::parse(&[far, near.replace("weekly", "w3"), text().replace("weekly", "w4").replace("\"report\"", "\"third\"")].concat());
    assert_eq!(three.unwrap().decide(&call(), NOW, &[]), Verdict::Approve { rule: "third".into() });
}

#[test]
fn hours_may_go_past_midnight() {
    let at = |hour: i64| within((22, 3), hour * HOUR);
    assert!(at(22) && at(23) && at(0) && at(2) && !at(3) && !at(12) && !at(21));
    assert!(within((20, 24), 23 * HOUR) && !within((20, 24), 0));
    assert!(within((22, 3), -HOUR), "before 1970 it was 23:00 once");
}

#[test]
fn misspelt_words_are_refused_with_the_nearest() {
    let parse = |from: &str, to: &str| Policy::parse(&text().replacen(from, to, 1));
    let unknown = |word: &str, place: Place, nearest| Err(BadPolicy::Unknown { word: word.into(), place, nearest });
    assert_eq!(parse("per_day", "per_dya"), unknown("per_dya", Place::Rule(1), "per_day"));
    assert_eq!(Policy::parse(&text().replace("allow", "alow")), unknown("alow", Place::File, "allow"));
    assert_eq!(parse("from = 7", "form = 7"), unknown("form", Place::Hours(1), "from"));
    assert_eq!(parse("\"refresh\"", "\"refersh\""), unknown("refersh", Place::Rule(2), "refresh"));
    let message = parse("per_day", "per_d\\u202ey").err().map(|error| error.to_string());
    assert!(message.is_some_and(|message| message.is_ascii()), "what is refused is not shown as it is");
    let error = unknown("per_dya", Place::Rule(1), "per_day").unwrap_err().to_string();
    assert_eq!(error, "\"per_dya\" is not known in rule 1; did you mean \"per_day\"?");
}

#[test]
fn rules_of_rules() {
    let parse = |from: &str, to: &str| Policy::parse(&text().replacen(from, to, 1)).map(|_| ());
    let fault = |rule, fault| Err(BadPolicy::Rule { rule, fault });
    assert_eq!(parse("", ""), Ok(()));
    assert_eq!(parse("\"weekly\"", "\"report\""), fault(2, Fault::Name));
    assert_eq!(parse("\"weekly\"", "\"\""), fault(2, Fault::Name));
    assert_eq!(parse("flow = \"", "flow = \"0"), fault(1, Fault::Subject));
    assert_eq!(parse("operation = \"call\"", "operation = \"verify\""), fault(1, Fault::Subject));
    assert_eq!(parse("operation = \"refresh\"", "operation = \"call\""), fault(2, Fault::Subject));
    assert_eq!(parse("items = [\"a\", \"b/c\"]", ""), fault(2, Fault::Subject), "no list is not every item");
    assert_eq!(parse("\"b/c\"", "\"B\""), fault(2, Fault::Items));
    assert_eq!(parse("\"b/c\"", "\"a\""), fault(2, Fault::Items));
    assert_eq!(parse("[\"report.txt\", \"other.txt\"]", "[]"), fault(1, Fault::Values));
    assert_eq!(parse("[\"report.txt\", \"other.txt\"]", "\"report.txt\""), Ok(()));
    assert_eq!(parse("20270201T000000Z", "2027-02-01"), fault(1, Fault::Expires));
    assert_eq!(parse("from = 7", "from = 24"), fault(1, Fault::Hours));
    assert_eq!(parse("to = 10", "to = 25"), fault(1, Fault::Hours));
    assert_eq!(parse("to = 10", "to = 7"), fault(1, Fault::Hours), "always, or never?");
    assert_eq!(parse("per_hour = 2", "per_hour = 0"), fault(1, Fault::Rate));
    assert_eq!(parse("per_day = 3", "per_day = 0"), fault(1, Fault::Rate));
    assert!(matches!(parse("per_hour = 2", "per_hour = \"2\""), Err(BadPolicy::Toml { .. })));
    assert!(matches!(parse("name = \"report\"", ""), Err(BadPolicy::Toml { .. })), "a rule has a name");
    assert!(matches!(parse("expires = \"20270201T000000Z\"", ""), Err(BadPolicy::Toml { .. })), "and an end");
}
