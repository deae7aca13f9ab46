//! What a party refuses before anything is computed, and how members find that they differ.

use crate::{
    calls::{HOST, call, header, s3, sigv4},
    lanes::{Lane, Lanes, Running, run_all},
    world::{DATE, On, World, parties, stored},
};
use cotenant_agent::{
    agree::AgreeError,
    approve::{
        item::Pick,
        operation::{Audience, BadOperation, Body, Call, Operation, Source, Stored},
        run::BadRun,
    },
    flow::Problem,
    operate::{Compared, Manifest, Refused, Task, Work, compare},
    room::RoomId,
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
        world.item("s3/key", Kind::Text(Alphabet::BASE64), 40, vec![sigv4("s3", "us-east-1", HOST)]),
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

/// A request with the item in the hole `hole`, which is all of `rest`.
fn with(item: &str, rest: &str) -> Call {
    call(&format!("# @vault hole = {item}\n# @open all\n# @not-reflected hole\n{rest}"), &[])
}

fn signed(text: &str) -> Call {
    call(text, &[])
}

fn refused(world: &World, call: Call) -> Option<Refused> {
    world.task(world.operation(&[0, 1], Body::Call(call))).err()
}

/// The error names the item, the use that was wanted and those that were agreed on.
#[test]
fn a_use_that_was_not_agreed_on() {
    let world = world();
    let get = s3("GET", "/bucket/report.txt\n");
    let bearer = "GET https://localhost/\nAuthorization: Bearer {{hole}}\n";
    assert_eq!((refused(&world, signed(&get)), refused(&world, with("token", bearer))), (None, None));
    let agreed = || vec![sigv4("s3", "us-east-1", HOST)];
    let scoped = |from: &str, to: &str| signed(&get.replace(from, to));
    for (call, wanted) in [
        (scoped("service=s3", "service=sqs"), sigv4("sqs", "us-east-1", HOST)),
        (scoped("us-east-1", "eu-west-1"), sigv4("s3", "eu-west-1", HOST)),
        (with("s3/key", "GET https://localhost/\nX-Key: {{hole}}\n"), header("x-key")),
        (with("s3/key", "POST https://localhost/\n\n{{hole}}\n"), Use::Field { host: HOST.into() }),
    ] {
        assert_eq!(refused(&world, call), Some(Refused::Use { item: "s3/key".into(), wanted, allowed: agreed() }));
    }
    let token = |rest: &str| refused(&world, with("token", rest));
    let other = |wanted| Some(Refused::Use { item: "token".into(), wanted, allowed: vec![header("authorization")] });
    assert_eq!(token("GET https://localhost/\nX-Other: {{hole}}\n"), other(header("x-other")));
    assert_eq!(token("POST https://localhost/\n\n{{hole}}\n"), other(Use::Field { host: HOST.into() }));
    // Another host of the whole call.
    let error = refused(&world, scoped("localhost", "elsewhere")).unwrap();
    assert_eq!(
        error.to_string(),
        "s3/key may not be used like this: signs requests to elsewhere (Signature Version 4, region us-east-1, service s3). It may be used: \
         signs requests to localhost (Signature Version 4, region us-east-1, service s3)"
    );
    let elsewhere = Call { host: "elsewhere".into(), ..signed(&get) };
    assert_eq!(refused(&world, elsewhere), Some(Refused::Operation(BadOperation::OtherHost)));
}

#[test]
fn characters_that_mean_something_where_a_secret_stands() {
    let world = world();
    let characters = |item: &str, rest: &str| refused(&world, with(item, rest));
    let no = |item: &str| Some(Refused::Characters { hole: "hole".into(), of: item.into() });
    let post = |kind: &str, body: &str| format!("POST https://localhost/\n{kind}\n{body}");
    assert_eq!(characters("raw", "GET https://localhost/\nX-Key: {{hole}}\n"), no("raw"));
    assert_eq!(characters("raw", &post("Content-Type: text/plain\n", "{{hole}}")), no("raw"));
    assert_eq!(characters("note", &post("Content-Type: application/json\n", "\"{{hole}}\"")), no("note"));
    assert_eq!(characters("note", &post("", "{{hole}}")), no("note"));
    assert_eq!(characters("note", &post("Content-Type: text/plain; charset=utf-8\n", "{{hole}}")), None);
    let mut with_space = World::new(On::Ideal, 2, 2);
    let spaced = with_space.item("s", Kind::Text(Alphabet::from_mask(3 << b' ').unwrap()), 2, vec![header("x-key")]);
    with_space.put(0, spaced, b" !");
    let error = refused(&with_space, with("s", "GET https://localhost/\nX-Key: {{hole}}\n"));
    assert_eq!(error, Some(Refused::Characters { hole: "hole".into(), of: "s".into() }), "a space may be cut from the ends of a value");
}

/// What people approved says one thing, and its text another: nothing runs, whichever of the two is the better one.
#[test]
fn a_call_that_is_not_what_its_text_says() {
    let world = world();
    let token = || with("token", "GET https://localhost/\nAuthorization: Bearer {{hole}}\n");
    let changes: [fn(&mut Call); 5] = [
        |call| call.port = 444,
        |call| call.slots[0].source = Source::Private { owner: PartyId::new(0), len: 9, alphabet: Alphabet::HEX },
        |call| call.response.policy = b"open all".to_vec(),
        |call| call.response.audience = Audience::Only(PartyId::new(0)),
        |call| call.response.limit_bytes += 1,
    ];
    for (k, change) in changes.into_iter().enumerate() {
        let mut call = token();
        change(&mut call);
        assert_eq!(refused(&world, call), Some(Refused::NotItsText), "change {k}");
    }
    let mut call = token();
    call.flow = b"# @kepe all\nGET https://localhost/\n".to_vec();
    let error = refused(&world, call).unwrap();
    assert!(matches!(&error, Refused::Flow(error) if matches!(error.problem, Problem::UnknownDirective { .. })), "{error}");
    let long = signed(&s3("GET", "/\n").replace("s3/key", "long"));
    assert_eq!(refused(&world, long), Some(Refused::KeyLength { item: "long".into(), len: 61 }));
}

#[test]
fn an_operation_that_does_not_fit_the_vault() {
    let world = world();
    let error = |body: Body| world.task(world.operation(&[0, 1], body)).err();
    assert_eq!(error(Body::Verify(vec![stored("nothing")])), Some(Refused::NoItem { item: "nothing".into() }));
    let old = Stored { pick: Pick::Exactly(2), ..stored("s3/key") };
    let wrong = Refused::Version { item: "s3/key".into(), wanted: Pick::Exactly(2), found: 1 };
    assert_eq!(error(Body::Refresh(vec![old])), Some(wrong));
    let mut again = World::new(On::Ideal, 2, 2).item("s3/key", Kind::Bytes, 1, vec![]);
    assert_eq!(error(Body::Gen(again.clone())), Some(Refused::NextVersion { item: "s3/key".into(), approved: 1, next: 2 }));
    again = world.item("s3/key", Kind::Bytes, 1, vec![]);
    assert_eq!(error(Body::Gen(again)), None);

    let operation = |change: fn(&mut Operation)| {
        let mut operation = world.operation(&[0, 1], Body::Refresh(vec![stored("s3/key")]));
        change(&mut operation);
        operation
    };
    assert_eq!(world.task(operation(|o| o.room = RoomId([6; 16]))).err(), Some(Refused::Room));
    assert_eq!(world.task(operation(|o| o.quorum = parties(&[0]))).err(), Some(Refused::Operation(BadOperation::Quorum)));
    assert_eq!(world.task(operation(|o| o.expiry = DATE)).err(), Some(Refused::Run(BadRun::Date)));
    let right = Round { epoch: 1, version: 6, attempt: 1 };
    let with = |body: Body, round| Task::new(world.operation(&[0, 1], body), world.manifest.clone(), DATE, round).err();
    let refresh = || Body::Refresh(vec![stored("s3/key")]);
    assert_eq!(with(refresh(), Some(right)), None);
    for wrong in [Round { epoch: 2, ..right }, Round { version: 5, ..right }, Round { version: 7, ..right }, Round { attempt: 0, ..right }]
    {
        assert_eq!(with(refresh(), Some(wrong)), Some(Refused::Round));
    }
    assert_eq!(
        (with(refresh(), None), with(Body::Call(signed(&s3("GET", "/\n"))), Some(right))),
        (Some(Refused::Round), Some(Refused::Round))
    );
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
        digest(refresh("s3/key"), same(), DATE, 1),
        digest(refresh("raw"), same(), DATE, 1),
        digest(refresh("s3/key"), same(), DATE + 1, 1),
        digest(refresh("s3/key"), same(), DATE, 2),
        digest(refresh("s3/key"), other, DATE, 1),
    ];
    assert!((1..all.len()).all(|k| !all[..k].contains(&all[k])));
    let task = world.task(refresh("s3/key")).unwrap();
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
    let Work::Remove(other) = task(&world, &["s3/key"]).into_work() else { panic!("it removes") };
    assert_eq!(other.run(&compared).err(), Some(Refused::NotCompared));
    let Work::Remove(removal) = task(&world, &["raw"]).into_work() else { panic!("it removes") };
    let after = removal.run(&compared).unwrap().after().clone();
    assert!(world.disks[0].borrow().keys().any(|share| share.item == "raw"));
    world.commit(after);
    assert!(world.disks.iter().all(|disk| !disk.borrow().keys().any(|share| share.item == "raw")));
    assert!(world.manifest.get("raw").is_none() && world.manifest.next_version("raw") == 2);
    let different = compare_all(vec![task(&world, &["s3/key"]), task(&world, &["note"])]);
    assert!(different.into_iter().all(|(_, compared)| matches!(compared, Err(AgreeError::Differ(_)))));
}
