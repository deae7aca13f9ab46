use super::*;
use crate::{
    approve::wire::one_value_one_encoding,
    room::{
        Limits, Member, Trust,
        parameters::{Charter, Engine, Parameters},
    },
    vault::{
        alphabet::Alphabet,
        item::{Fields, Kind, Use},
        sharing::Sharing,
    },
};
use cotenant_net::Identity;
use std::sync::LazyLock;

/// Three parties, the same in all tests of one process.
pub(in crate::approve) static MEMBERS: LazyLock<Vec<Identity>> = LazyLock::new(|| (0..3).map(|_| Identity::generate().unwrap()).collect());
/// A moment well before every expiry here.
pub(in crate::approve) const NOW: i64 = 1_800_000_000;

pub(in crate::approve) fn seat(k: usize) -> PartyId {
    PartyId::new(k)
}

pub(in crate::approve) fn seats<const N: usize>(all: [usize; N]) -> Parties {
    all.map(PartyId::new).into_iter().collect()
}

fn name(text: &str) -> ItemName {
    text.parse().unwrap()
}

fn stored(item: &str, pick: Pick) -> Stored {
    Stored { item: name(item), pick }
}

pub(in crate::approve) fn with(quorum: Parties, body: Body) -> Operation {
    Operation {
        room: RoomId([7; 16]),
        epoch: 1,
        number: 41,
        expiry: NOW + 3600,
        members: MEMBERS.iter().map(Identity::public).collect(),
        threshold: 2,
        quorum,
        proposer: seat(0),
        program: Program { version: "cotenant 0.2.0".into(), digest: Some(Digest([1; 32])) },
        engine: Digest([2; 32]),
        body,
    }
}

/// A call of P1 and P2, with a secret item, an argument and a private input.
pub(in crate::approve) fn call() -> Operation {
    let host = || "s3.example".to_owned();
    let signs = Use::Sigv4 { region: "us-east-1".into(), service: "s3".into(), host: host() };
    let body = Body::Call(Call {
        language: Language::V1,
        flow: b"# @open all\nPUT https://s3.example/bucket/{{key}}\nx-amz-acl: private\n".to_vec(),
        arguments: vec![Argument { name: "key".into(), value: b"report.txt".to_vec() }],
        host: host(),
        port: 443,
        connector: seat(1),
        trust_roots: Digest([3; 32]),
        slots: vec![
            Slot { hole: "body".into(), source: Source::Private { owner: seat(0), len: 1000, alphabet: Alphabet::DIGITS } },
            Slot { hole: "secret".into(), source: Source::Item { stored: stored("s3/key", Pick::Newest), purpose: signs } },
        ],
        response: Response { policy: b"open status".to_vec(), audience: Audience::Only(seat(1)), limit_bytes: 4096, limit_records: 16 },
    });
    with(seats([0, 1]), body)
}

pub(in crate::approve) fn refresh() -> Operation {
    with(seats([0, 1, 2]), Body::Refresh(vec![stored("a", Pick::Exactly(3)), stored("b/c", Pick::Newest)]))
}

fn item() -> Fields {
    Fields {
        name: "db/password".into(),
        version: 4,
        kind: Kind::Text(Alphabet::HEX),
        len: 32,
        sharing: Sharing::new(2, 3).unwrap(),
        uses: vec![Use::Header { name: "authorization".into(), host: "db.example".into() }, Use::Field { host: "db.example".into() }],
        note: "made for the tests".into(),
    }
}

/// The room of these tests in an epoch.
pub(in crate::approve) fn room(epoch: u32) -> Parameters {
    let (trust, limits) = (Trust::Embedded(Digest([7; 32])), Limits::default());
    let (room, name, previous) = (RoomId([7; 16]), "ops".into(), (epoch > 1).then_some(Digest([8; 32])));
    let charter = Charter { room, name, epoch, seats: 3, threshold: 2, engine: Engine::CURRENT, trust, limits, previous };
    let member = |k: usize| Member { name: format!("m{k}"), key: MEMBERS[k].public(), addresses: vec!["127.0.0.1:7001".parse().unwrap()] };
    Parameters::new(charter, (0..3).map(member).collect()).unwrap()
}

/// One operation of every kind.
pub(in crate::approve) fn of_every_kind() -> Vec<Operation> {
    let item = Item::new(item()).unwrap();
    let bytes = Item::new(Fields { kind: Kind::Bytes, ..self::item() }).unwrap();
    let items = || vec![stored("a", Pick::Newest), stored("b", Pick::Exactly(2))];
    let everyone = || seats([0, 1, 2]);
    vec![
        with(everyone(), Body::Put { giver: seat(2), item }),
        with(everyone(), Body::Gen(bytes)),
        refresh(),
        with(everyone(), Body::Reshare(items())),
        with(everyone(), Body::Repair { member: seat(1), items: items() }),
        with(everyone(), Body::Remove(items())),
        with(seats([1, 2]), Body::Verify(items())),
        call(),
    ]
}

#[test]
fn one_operation_has_one_encoding() {
    for operation in of_every_kind() {
        one_value_one_encoding(&operation.encode(), Operation::encode, |bytes| Operation::decode(bytes).ok());
    }
    let own_build = Operation { program: Program { version: String::new(), digest: None }, ..call() };
    one_value_one_encoding(&own_build.encode(), Operation::encode, |bytes| Operation::decode(bytes).ok());
}

#[test]
fn every_byte_is_in_the_digest() {
    for operation in of_every_kind() {
        let bytes = operation.encode();
        for at in 0..bytes.len() {
            let mut mutant = bytes.clone();
            mutant[at] ^= 1;
            if let Ok(other) = Operation::decode(&mutant) {
                assert_ne!(other.digest(), operation.digest(), "byte {at}");
            }
        }
    }
}

#[test]
fn rules_of_every_operation() {
    let broken = |change: fn(&mut Operation)| {
        let mut operation = refresh();
        change(&mut operation);
        let rule = operation.check();
        assert_eq!(Operation::decode(&operation.encode()).err(), rule.err(), "what is checked is checked when it is read");
        rule
    };
    assert_eq!(broken(|_| ()), Ok(()));
    assert_eq!(broken(|o| o.epoch = 0), Err(BadOperation::Number));
    assert_eq!(broken(|o| o.number = 0), Err(BadOperation::Number));
    assert_eq!(broken(|o| o.members[2] = o.members[0]), Err(BadOperation::Members));
    assert_eq!(broken(|o| o.members.truncate(1)), Err(BadOperation::Members));
    assert_eq!(broken(|o| o.threshold = 1), Err(BadOperation::Threshold), "anyone alone could act");
    assert_eq!(broken(|o| o.threshold = 4), Err(BadOperation::Threshold));
    assert_eq!(broken(|o| o.quorum = seats([0, 1, 2, 3])), Err(BadOperation::Quorum), "there is no P4");
    assert_eq!(broken(|o| o.quorum = seats([1])), Err(BadOperation::Quorum), "too few");
    assert_eq!(broken(|o| o.quorum = seats([0, 1])), Err(BadOperation::NotEveryone), "P3 would keep its old share");
    assert_eq!(broken(|o| o.proposer = seat(3)), Err(BadOperation::Proposer));
    assert_eq!(broken(|o| o.body = Body::Refresh(Vec::new())), Err(BadOperation::Items));
    assert_eq!(broken(|o| o.body = Body::Remove(vec![stored("b", Pick::Newest), stored("a", Pick::Newest)])), Err(BadOperation::Items));
    assert_eq!(broken(|o| o.body = Body::Verify(vec![stored("a", Pick::Newest), stored("a", Pick::Exactly(1))])), Err(BadOperation::Items));
    assert_eq!(broken(|o| o.body = Body::Repair { member: seat(3), items: vec![stored("a", Pick::Newest)] }), Err(BadOperation::Seat));
    let long = Operation { program: Program { version: "x".repeat(65), digest: None }, ..refresh() };
    assert_eq!(long.check(), Err(BadOperation::Program));
    assert_eq!(Operation::decode(&vec![FORMAT; MAX_OPERATION + 1]), Err(BadOperation::Length));
}

#[test]
fn rules_of_new_items() {
    let put = |giver, fields| with(seats([0, 1, 2]), Body::Put { giver, item: Item::new(fields).unwrap() }).check();
    assert_eq!(put(seat(0), item()), Ok(()));
    assert_eq!(put(seat(3), item()), Err(BadOperation::Seat));
    for sharing in [Sharing::new(3, 3), Sharing::new(2, 2)] {
        let other = || Fields { sharing: sharing.unwrap(), ..item() };
        assert_eq!(put(seat(0), other()), Err(BadOperation::Sharing));
        assert_eq!(with(seats([0, 1, 2]), Body::Gen(Item::new(other()).unwrap())).check(), Err(BadOperation::Sharing));
    }
}

#[test]
fn rules_of_calls() {
    let broken = |change: fn(&mut Call)| {
        let mut operation = call();
        let Body::Call(inner) = &mut operation.body else { panic!("it is a call") };
        change(inner);
        operation.check()
    };
    assert_eq!(broken(|_| ()), Ok(()));
    assert_eq!(broken(|c| c.host = "S3.example".into()), Err(BadOperation::Call));
    assert_eq!(broken(|c| c.port = 0), Err(BadOperation::Call));
    assert_eq!(broken(|c| c.arguments[0].name = "a b".into()), Err(BadOperation::Call));
    assert_eq!(broken(|c| c.arguments.push(c.arguments[0].clone())), Err(BadOperation::Call), "an argument twice");
    assert_eq!(broken(|c| c.slots.reverse()), Err(BadOperation::Call));
    assert_eq!(broken(|c| c.arguments[0].name = "body".into()), Err(BadOperation::Call), "a hole filled twice");
    let spoofed = |c: &mut Call| {
        if let Source::Item { purpose: Use::Sigv4 { region, .. }, .. } = &mut c.slots[1].source {
            *region = "us-east-1, service s3), or for nothing (region x".into();
        }
    };
    assert_eq!(broken(spoofed), Err(BadOperation::Call), "it would read as another sentence");
    assert_eq!(broken(|c| c.connector = seat(2)), Err(BadOperation::Seat), "P3 takes no part");
    assert_eq!(
        broken(|c| c.slots[0].source = Source::Private { owner: seat(2), len: 1, alphabet: Alphabet::DIGITS }),
        Err(BadOperation::Seat)
    );
    assert_eq!(broken(|c| c.response.audience = Audience::Only(seat(2))), Err(BadOperation::Seat));
    assert_eq!(broken(|c| c.host = "evil.example".into()), Err(BadOperation::OtherHost), "the key is for s3.example");
    let two_versions = |c: &mut Call| {
        let Source::Item { purpose, .. } = c.slots[1].source.clone() else { panic!("the second is an item") };
        c.slots.push(Slot { hole: "z".into(), source: Source::Item { stored: stored("s3/key", Pick::Exactly(1)), purpose } });
    };
    assert_eq!(broken(two_versions), Err(BadOperation::Items));
}

#[test]
fn what_could_not_be_read_is_not_proposed() {
    let mut long = call();
    let Body::Call(inner) = &mut long.body else { panic!("it is a call") };
    let argument = |k: usize| Argument { name: format!("a{k}"), value: vec![0; MAX_FLOW] };
    inner.arguments = (0..4).map(argument).collect();
    assert_eq!(long.check(), Err(BadOperation::Length));
    let with = |change: &dyn Fn(&mut Call)| {
        let mut operation = call();
        let Body::Call(inner) = &mut operation.body else { panic!("it is a call") };
        change(inner);
        operation.check()
    };
    assert_eq!(
        with(&|call| call.arguments = (0..MAX_HOLES).map(|k| Argument { name: format!("a{k:03}"), value: vec![] }).collect()),
        Ok(())
    );
    let many = |call: &mut Call| call.arguments = (0..=MAX_HOLES).map(|k| Argument { name: format!("a{k:03}"), value: vec![] }).collect();
    assert_eq!(with(&many), Err(BadOperation::Length));
    assert_eq!(with(&|call| call.response.policy = vec![b' '; MAX_RESPONSE + 1]), Err(BadOperation::Length));
}

#[test]
fn a_flow_digest_is_of_all_but_arguments_versions_and_connector() {
    let digest = |change: fn(&mut Call)| {
        let Body::Call(mut inner) = call().body else { panic!("it is a call") };
        change(&mut inner);
        inner.flow_digest(&call().members)
    };
    let same = digest(|_| ());
    // P1 gives and P2 reads: in an epoch with other seats that would be somebody else. P3 does neither.
    let among = |seats: [usize; 3]| {
        let Body::Call(inner) = call().body else { panic!("it is a call") };
        inner.flow_digest(&seats.map(|k| MEMBERS[k].public()))
    };
    assert!(among([0, 1, 2]) == same && among([2, 1, 0]) != same && among([0, 2, 1]) != same);
    assert_eq!(digest(|c| c.arguments[0].value = b"other".to_vec()), same);
    assert_eq!(digest(|c| c.connector = seat(0)), same);
    let pinned = |c: &mut Call| {
        if let Source::Item { stored, .. } = &mut c.slots[1].source {
            stored.pick = Pick::Exactly(8);
        }
    };
    assert_eq!(digest(pinned), same);
    let item = |c: &mut Call| {
        if let Source::Item { stored, .. } = &mut c.slots[1].source {
            stored.item = name("other");
        }
    };
    let purpose = |c: &mut Call| {
        if let Source::Item { purpose, .. } = &mut c.slots[1].source {
            *purpose = Use::Field { host: c.host.clone() };
        }
    };
    let changes: [fn(&mut Call); 9] = [
        |c| c.flow.push(b' '),
        |c| c.host = "s4.example".into(),
        |c| c.port = 444,
        |c| c.trust_roots.0[0] ^= 1,
        |c| c.response.policy.push(b' '),
        |c| c.response.audience = Audience::All,
        |c| c.response.limit_bytes += 1,
        item,
        purpose,
    ];
    assert!(changes.iter().all(|change| digest(*change) != same));
}
