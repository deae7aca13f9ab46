//! What a party refuses before anything is computed, and how members find that they differ.

use crate::{
    calls::{HOST, call, header, sigv4},
    lanes::{Lane, Lanes, Running, run_all},
    world::{DATE, On, World, parties, stored},
};
use cotenant_agent::{
    agree::AgreeError,
    approve::{
        item::Pick,
        operation::{Argument, Audience, BadOperation, Body, Call, Operation, Slot, Source, Stored},
        run::BadRun,
    },
    http::RequestError,
    operate::{Compared, FlowError, Manifest, Refused, Task, Work, compare},
    room::RoomId,
    sign::sigv4::SigningError,
    vault::{
        alphabet::Alphabet,
        commit::statement::Round,
        item::{Kind, Use},
    },
};
use cotenant_core::PartyId;

/// A room of two with a key for S3, a token for a header, a text with spaces and quotes for a body, and bytes.
fn world() -> World {
    let mut world = World::new(On::Ideal, 2, 2);
    let field = || vec![Use::Field { host: HOST.into() }];
    let items = [
        world.item("key", Kind::Text(Alphabet::BASE64), 40, vec![sigv4("s3", "us-east-1", HOST)]),
        world.item("note", Kind::Text(Alphabet::from_mask((1 << b' ') | (1 << b'"') | (1 << b'a')).unwrap()), 4, field()),
        world.item("raw", Kind::Bytes, 4, [vec![header("x-key")], field()].concat()),
        world.item("token", Kind::Text(Alphabet::ALPHANUMERIC), 24, vec![header("authorization")]),
        world.item("long", Kind::Bytes, 61, vec![sigv4("s3", "us-east-1", HOST)]),
    ];
    for item in items {
        let value = if item.name == "note" { b"a\" a".to_vec() } else { vec![b'A'; item.len] };
        world.put(0, item, &value);
    }
    world
}

fn slot(hole: &str, item: &str, purpose: Use) -> Slot {
    Slot { hole: hole.into(), source: Source::Item { stored: stored(item), purpose } }
}

fn s3() -> Call {
    let id = Argument { name: "access-key-id".into(), value: b"AKID".to_vec() };
    call("GET /bucket/report.txt\n", vec![id], vec![slot("signature", "key", sigv4("s3", "us-east-1", HOST))], "open all")
}

fn bearer() -> Call {
    let slots = vec![slot("token", "token", header("authorization"))];
    call("GET /\nAuthorization: Bearer {{token}}\n", vec![], slots, "open all\nnot-reflected token\n")
}

fn refused(world: &World, change: impl FnOnce(&mut Call), call: Call) -> Option<Refused> {
    let mut call = call;
    change(&mut call);
    world.task(world.operation(&[0, 1], Body::Call(call))).err()
}

/// The error names the item, the use that was wanted and those that were agreed on.
#[test]
fn a_use_that_was_not_agreed_on() {
    let world = world();
    assert_eq!((refused(&world, |_| (), s3()), refused(&world, |_| (), bearer())), (None, None));
    let other_uses = [sigv4("sqs", "us-east-1", HOST), sigv4("s3", "eu-west-1", HOST), header("x-key"), Use::Field { host: HOST.into() }];
    for wanted in other_uses {
        let agreed = sigv4("s3", "us-east-1", HOST);
        let error = refused(&world, |call| call.slots = vec![slot("signature", "key", wanted.clone())], s3());
        assert_eq!(error, Some(Refused::Use { item: "key".into(), wanted, allowed: vec![agreed] }));
    }
    // Another host of the whole call.
    let elsewhere = |call: &mut Call| {
        call.host = "elsewhere".into();
        call.slots = vec![slot("signature", "key", sigv4("s3", "us-east-1", "elsewhere"))];
    };
    let error = refused(&world, elsewhere, s3()).unwrap();
    assert_eq!(
        error.to_string(),
        "key may not be used like this: signs requests to elsewhere (Signature Version 4, region us-east-1, service s3). It may be used: signs \
         requests to localhost (Signature Version 4, region us-east-1, service s3)"
    );
    let error = refused(&world, |call| call.host = "elsewhere".into(), s3());
    assert_eq!(error, Some(Refused::Operation(BadOperation::OtherHost)));
}

#[test]
fn a_secret_stands_where_it_is_meant_to() {
    let world = world();
    for text in ["GET /{{token}}\n", "GET /\nx-other: {{token}}\n", "POST /\n\n{{token}}"] {
        let error = refused(&world, |call| call.flow = text.into(), bearer());
        assert_eq!(error, Some(Refused::Place { hole: "token".into(), purpose: header("authorization") }), "{text}");
    }
    let characters = |item: &str, purpose: Use, text: &str| {
        let slots = vec![slot("hole", item, purpose)];
        refused(&world, |_| (), call(text, vec![], slots, "open all\nnot-reflected hole"))
    };
    let no = |item: &str| Some(Refused::Characters { hole: "hole".into(), item: item.into() });
    let field = || Use::Field { host: HOST.into() };
    assert_eq!(characters("raw", header("x-key"), "GET /\nX-Key: {{hole}}\n"), no("raw"));
    assert_eq!(characters("raw", field(), "POST /\nContent-Type: text/plain\n\n{{hole}}"), no("raw"));
    assert_eq!(characters("note", field(), "POST /\nContent-Type: application/json\n\n\"{{hole}}\""), no("note"));
    assert_eq!(characters("note", field(), "POST /\n\n{{hole}}"), no("note"));
    assert_eq!(characters("note", field(), "POST /\nContent-Type: text/plain; charset=utf-8\n\n{{hole}}"), None);
    let mut with_space = World::new(On::Ideal, 2, 2);
    let spaced = with_space.item("s", Kind::Text(Alphabet::from_mask(3 << b' ').unwrap()), 2, vec![header("x-key")]);
    with_space.put(0, spaced, b" !");
    let slots = vec![slot("hole", "s", header("x-key"))];
    let error = refused(&with_space, |_| (), call("GET /\nX-Key: {{hole}}\n", vec![], slots, "open all\nnot-reflected hole"));
    assert_eq!(error, no("s"), "a space may be cut from the ends of a value");
}

#[test]
fn a_request_that_does_not_fit_its_slots() {
    let world = world();
    let unfilled = |name: &str| Some(FlowError::Unfilled { name: name.into() }.into());
    let unused = |name: &str| Some(FlowError::Unused { name: name.into() }.into());
    assert_eq!(refused(&world, |call| call.flow = b"GET /{{x}}\nAuthorization: {{token}}\n".to_vec(), bearer()), unfilled("x"));
    assert_eq!(refused(&world, |call| call.flow = b"GET /\n".to_vec(), bearer()), unused("token"));
    let argument = || Argument { name: "x".into(), value: b"1".to_vec() };
    assert_eq!(refused(&world, |call| call.arguments = vec![argument()], bearer()), unused("x"));
    assert_eq!(refused(&world, |call| call.arguments.push(argument()), s3()), unused("x"));
    assert_eq!(refused(&world, |call| call.arguments.clear(), s3()), Some(Refused::NoAccessKeyId));
    assert_eq!(refused(&world, |call| call.arguments[0].value = b"A/B".to_vec(), s3()), Some(SigningError::AccessKeyId.into()));
    assert_eq!(refused(&world, |call| call.flow = b"GET /?a=b+c\n".to_vec(), s3()), Some(SigningError::PlusInQuery.into()));
    assert_eq!(refused(&world, |call| call.flow = b"GET a\n".to_vec(), s3()), Some(RequestError::Target.into()));
    assert_eq!(refused(&world, |call| call.flow = b"GET /{{access-key-id}}\n".to_vec(), s3()), unfilled("access-key-id"));
    let both = |call: &mut Call| call.slots.push(slot("token", "token", header("authorization")));
    let open = |call: &mut Call| call.response.policy = b"open all\nnot-reflected token".to_vec();
    assert_eq!(refused(&world, |call| (both(call), open(call)).1, s3()), Some(Refused::Signed));
    let twice = |call: &mut Call| call.slots.push(slot("signature2", "key", sigv4("s3", "us-east-1", HOST)));
    assert_eq!(refused(&world, twice, s3()), Some(Refused::Signed));
    let long = |call: &mut Call| call.slots = vec![slot("signature", "long", sigv4("s3", "us-east-1", HOST))];
    assert_eq!(refused(&world, long, s3()), Some(Refused::KeyLength { item: "long".into(), len: 61 }));
    let private = |call: &mut Call| call.slots[0].source = Source::Private { owner: PartyId::new(0), limit: 9 };
    assert_eq!(refused(&world, private, bearer()), Some(Refused::Private { hole: "token".into() }));
}

#[test]
fn the_answer_is_opened_as_was_said() {
    let world = world();
    for policy in ["", "open status", "open all\nopen all", "open all\nnot-reflected x", "open all\nkeep a"] {
        assert_eq!(refused(&world, |call| call.response.policy = policy.into(), s3()), Some(Refused::Response), "{policy}");
    }
    assert_eq!(refused(&world, |call| call.response.audience = Audience::Only(PartyId::new(0)), s3()), Some(Refused::Response));
    for policy in ["open all", "open all\nnot-reflected tokens", "open all\nnot-reflectedtoken"] {
        let error = refused(&world, |call| call.response.policy = policy.into(), bearer());
        assert_eq!(error, Some(Refused::Reflected { hole: "token".into() }), "{policy}");
    }
}

#[test]
fn an_operation_that_does_not_fit_the_vault() {
    let world = world();
    let error = |body: Body| world.task(world.operation(&[0, 1], body)).err();
    assert_eq!(error(Body::Verify(vec![stored("nothing")])), Some(Refused::NoItem { item: "nothing".into() }));
    let old = Stored { pick: Pick::Exactly(2), ..stored("key") };
    let wrong = Refused::Version { item: "key".into(), wanted: Pick::Exactly(2), found: 1 };
    assert_eq!(error(Body::Refresh(vec![old])), Some(wrong));
    let mut again = World::new(On::Ideal, 2, 2).item("key", Kind::Bytes, 1, vec![]);
    assert_eq!(error(Body::Gen(again.clone())), Some(Refused::NextVersion { item: "key".into(), approved: 1, next: 2 }));
    again = world.item("key", Kind::Bytes, 1, vec![]);
    assert_eq!(error(Body::Gen(again)), None);

    let operation = |change: fn(&mut Operation)| {
        let mut operation = world.operation(&[0, 1], Body::Refresh(vec![stored("key")]));
        change(&mut operation);
        operation
    };
    assert_eq!(world.task(operation(|o| o.room = RoomId([6; 16]))).err(), Some(Refused::Room));
    assert_eq!(world.task(operation(|o| o.quorum = parties(&[0]))).err(), Some(Refused::Operation(BadOperation::Quorum)));
    assert_eq!(world.task(operation(|o| o.expiry = DATE)).err(), Some(Refused::Run(BadRun::Date)));
    let right = Round { epoch: 1, version: 6, attempt: 1 };
    let with = |body: Body, round| Task::new(world.operation(&[0, 1], body), world.manifest.clone(), DATE, round).err();
    let refresh = || Body::Refresh(vec![stored("key")]);
    assert_eq!(with(refresh(), Some(right)), None);
    for wrong in [Round { epoch: 2, ..right }, Round { version: 5, ..right }, Round { version: 7, ..right }, Round { attempt: 0, ..right }]
    {
        assert_eq!(with(refresh(), Some(wrong)), Some(Refused::Round));
    }
    assert_eq!((with(refresh(), None), with(Body::Call(s3()), Some(right))), (Some(Refused::Round), Some(Refused::Round)));
}

/// Every value that members could differ in is in the digest that their session binds.
#[test]
fn one_digest_stands_for_one_run() {
    let world = world();
    let digest = |operation: Operation, manifest, date, attempt| {
        Task::new(operation, manifest, date, Some(Round { epoch: 1, version: 6, attempt })).unwrap().digest()
    };
    let refresh = |item: &str| world.operation(&[0, 1], Body::Refresh(vec![stored(item)]));
    let same = || world.manifest.clone();
    // Another item than the one that is read: one byte of the run that made it.
    let mut bytes = same().encode();
    let last_run = bytes.len() - 2 - 8 - 1;
    bytes[last_run] ^= 1;
    let other = Manifest::decode(&bytes).unwrap();
    let all = [
        digest(refresh("key"), same(), DATE, 1),
        digest(refresh("raw"), same(), DATE, 1),
        digest(refresh("key"), same(), DATE + 1, 1),
        digest(refresh("key"), same(), DATE, 2),
        digest(refresh("key"), other, DATE, 1),
    ];
    assert!((1..all.len()).all(|k| !all[..k].contains(&all[k])));
    let task = world.task(refresh("key")).unwrap();
    assert_eq!((task.accepts_date(DATE + 300), task.accepts_date(DATE - 300)), (Ok(()), Ok(())));
    assert_eq!(task.accepts_date(DATE + 301), Err(Refused::Clock { date: DATE, clock: DATE + 301 }));
    assert_eq!(task.accepts_date(DATE - 301), Err(Refused::Clock { date: DATE, clock: DATE - 301 }));
}

fn compare_all(tasks: Vec<Task>) -> Vec<(Task, Result<Compared, AgreeError>)> {
    let lanes = Lanes::honest(tasks.len());
    let party = |(me, task): (PartyId, Task)| {
        let mut lane: Lane = lanes.end(me);
        Box::pin(async move {
            let compared = compare(&mut lane, &task).await;
            (task, compared)
        }) as Running<'_, _>
    };
    run_all(PartyId::all(tasks.len()).zip(tasks).map(party).collect(), || lanes.fall_silent())
}

/// Nothing is computed: this is before there is a session. All name the item and who has it otherwise.
#[test]
fn another_manifest_at_one_party_is_named() {
    for (t, n, odd) in [(2, 2, 1), (3, 3, 0), (2, 3, 2)] {
        let mut world = World::new(On::Ideal, t, n);
        for name in ["a", "b"] {
            let item = world.item(name, Kind::Bytes, 5, vec![]);
            world.put(0, item, b"value");
        }
        let all = world.everyone();
        let operation = || world.operation(&all, Body::Verify(vec![stored("a")]));
        let same = compare_all(all.iter().map(|_| world.task(operation()).unwrap()).collect());
        assert!(same.into_iter().all(|(_, compared)| compared.is_ok()));

        // One member has missed a save of b: it stands at the version before, without it.
        let mut behind = World::new(On::Ideal, t, n);
        std::mem::swap(&mut behind.members, &mut world.members);
        let task = |seat: usize| {
            let mut bytes = world.manifest.encode();
            if seat == odd {
                // The run that made the shares of b, which is its last run, before who lacks them and the removed.
                let at = bytes.len() - 2 - 8 - 1;
                bytes[at] ^= 1;
            }
            let manifest = Manifest::decode(&bytes).unwrap();
            Task::new(behind.operation(&all, Body::Verify(vec![stored("a")])), manifest, DATE, None).unwrap()
        };
        for (seat, (_, compared)) in compare_all(all.iter().map(|&seat| task(seat)).collect()).into_iter().enumerate() {
            let Err(AgreeError::Differ(differences)) = compared else { panic!("{t} of {n}: P{}", seat + 1) };
            let named: Vec<(&str, usize)> = differences.iter().map(|d| (d.field.as_str(), d.party.index())).collect();
            let others: Vec<usize> = if seat == odd { all.iter().copied().filter(|&p| p != odd).collect() } else { vec![odd] };
            assert_eq!(named, others.into_iter().map(|p| ("item b", p)).collect::<Vec<_>>());
        }
    }
}

/// What an operation of another digest, another round and an item more look like.
#[test]
fn other_differences_are_named_too() {
    let mut world = World::new(On::Ideal, 2, 2);
    let item = world.item("a", Kind::Bytes, 5, vec![]);
    world.put(0, item, b"value");
    let before = world.manifest.clone();
    let item = world.item("b", Kind::Bytes, 5, vec![]);
    world.put(0, item, b"value");
    let refresh = world.operation(&[0, 1], Body::Refresh(vec![stored("a")]));
    let at = |manifest, version, attempt| Task::new(refresh.clone(), manifest, DATE, Some(Round { epoch: 1, version, attempt })).unwrap();
    let fields = |one: Task, other: Task| -> Vec<String> {
        match compare_all(vec![one, other]).remove(0).1 {
            Err(AgreeError::Differ(differences)) => differences.into_iter().map(|d| d.field).collect(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(fields(at(world.manifest.clone(), 3, 1), at(world.manifest.clone(), 3, 2)), ["commit", "run"]);
    assert_eq!(fields(at(world.manifest.clone(), 3, 1), at(before.clone(), 2, 1)), ["commit", "item b", "vault"]);
    let error = compare_all(vec![at(world.manifest.clone(), 3, 1), at(before, 2, 1)]).remove(1).1.unwrap_err();
    assert!(error.to_string().contains("\"item b\": nothing here, \"version 1, 5 bytes"), "{error}");
}

#[test]
fn a_removal_is_compared_before_it_is_voted_for() {
    let mut world = world();
    let remove = |names: &[&str]| Body::Remove(names.iter().map(|name| stored(name)).collect());
    let task = |world: &World, names: &[&str]| world.task(world.operation(&[0, 1], remove(names))).unwrap();
    let compared = compare_all(vec![task(&world, &["raw"]), task(&world, &["raw"])]).remove(0).1.unwrap();
    let Work::Remove(other) = task(&world, &["key"]).into_work() else { panic!("it removes") };
    assert_eq!(other.run(&compared).err(), Some(Refused::NotCompared));
    let Work::Remove(removal) = task(&world, &["raw"]).into_work() else { panic!("it removes") };
    let after = removal.run(&compared).unwrap().after().clone();
    assert!(world.disks[0].borrow().keys().any(|share| share.item == "raw"));
    world.commit(after);
    assert!(world.disks.iter().all(|disk| !disk.borrow().keys().any(|share| share.item == "raw")));
    assert!(world.manifest.get("raw").is_none() && world.manifest.next_version("raw") == 2);
    let different = compare_all(vec![task(&world, &["key"]), task(&world, &["note"])]);
    assert!(different.into_iter().all(|(_, compared)| matches!(compared, Err(AgreeError::Differ(_)))));
}
