//! Operations from their proposal to their end: who has to approve, what differs, who is away.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_from_put_to_remove_with_a_restart_of_all() {
    let mut world = World::new(2, 3, honest()).await;
    let first = world.through(1, put("s3/key", b"bytes")).await;
    assert_eq!(world.items(), [("s3/key".to_owned(), 1)]);
    for k in 0..3 {
        world.kill(k).await;
    }
    for k in 0..3 {
        world.start(k).await;
    }
    assert_eq!(world.items(), [("s3/key".to_owned(), 1)]);
    assert!((0..3).all(|k| world.view(k, first).standing == Shown::Ended(End::Done)), "what was done is known from the store");
    world.connect().await;
    world.through(0, Aim::Verify(names(&["s3/key"]))).await;
    let made = |world: &World| (0..3).map(|k| world.shell(k).vault().get("s3/key").unwrap().run).collect::<Vec<_>>();
    let before = made(&world);
    world.through(2, Aim::Refresh(names(&["s3/key"]))).await;
    assert_eq!(world.items(), [("s3/key".to_owned(), 2)]);
    assert_ne!(before, made(&world));
    for k in 0..3 {
        let shell = world.shell(k);
        let stored = shell.stored_shares("s3/key");
        assert_eq!(stored.iter().map(|version| version.number).collect::<Vec<_>>(), [2], "the old share is destroyed");
    }
    let last = world.through(0, Aim::Remove(names(&["s3/key"]))).await;
    assert!(world.items().is_empty() && (0..3).all(|k| world.shell(k).stored_shares("s3/key").is_empty()));
    for k in 0..3 {
        let shell = world.shell(k);
        let members: Vec<_> = world.parameters.keys().collect();
        for number in [first, last] {
            let receipt = until(|| shell.receipt(number).unwrap()).await;
            assert_eq!(receipt.verify(&members, 2), Ok(()), "all have signed");
        }
        assert!(shell.log().unwrap().entries().len() > 8);
    }
}

/// The third of three is not asked about what two can do, cannot stop it, writes down what was decided, and hears how it ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_three_do_without_the_third_what_takes_no_more() {
    let mut world = World::new(2, 3, honest()).await;
    world.through(1, put("k", b"x")).await;
    let verify = || Aim::Verify(names(&["k"]));
    // Bob is there, and is not wanted.
    let number = world.propose_with(2, verify(), Some(&["alice"])).await.unwrap();
    let bob = world.shell(1);
    let (view, digest) = until(|| bob.look(|all| Some((all.view(number)?, all.proposals[&number].digest)))).await;
    assert!(!view.undecided && view.without == ["bob"]);
    let decided = blocking(move || bob.decide(number, digest, Choice::Refuse("no".to_owned()), None)).await;
    assert_eq!(decided, Err(NotDone::NoPart(number)));
    world.decide(0, number, Choice::Approve).await;
    assert_eq!([world.ended(0, number).await, world.ended(2, number).await], [End::Done, End::Done]);
    let elsewhere = End::Elsewhere { by: "alice".to_owned() };
    assert_eq!(world.ended(1, number).await, elsewhere);
    // Bob is away: whom nobody names takes part if he is there.
    world.kill(1).await;
    let second = world.propose(2, verify()).await;
    assert_eq!(world.view(2, second).without, ["bob"]);
    world.decide(0, second, Choice::Approve).await;
    assert_eq!([world.ended(0, second).await, world.ended(2, second).await], [End::Done, End::Done]);
    world.start(1).await;
    world.connect().await;
    let bob = world.shell(1);
    until(|| bob.look(|all| all.view(second))).await;
    assert_eq!([world.ended(1, number).await, world.ended(1, second).await], [elsewhere.clone(), elsewhere]);
    let log = bob.log().unwrap();
    let count = |is: fn(&Logged) -> bool| log.entries().iter().filter(|entry| is(&entry.event)).count();
    let counted = [count(|e| matches!(e, Logged::Proposal(_))), count(|e| matches!(e, Logged::Spent(_)))];
    assert_eq!(counted, [3, 1], "of the three operations he took part in the first");
    assert_eq!(count(|event| matches!(event, Logged::Decision { .. })), 3 + 2 + 2);
    let members: Vec<_> = world.parameters.keys().collect();
    for k in [0, 2] {
        let shell = world.shell(k);
        assert_eq!(until(|| shell.receipt(second).unwrap()).await.verify(&members, 2), Ok(()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_few_or_strangers_are_no_quorum() {
    let mut world = World::new(2, 3, honest()).await;
    world.through(0, put("k", b"x")).await;
    let refresh = world.propose_with(0, Aim::Refresh(names(&["k"])), Some(&["bob"])).await;
    assert_eq!(refresh, Err(NotDone::Operation(BadOperation::NotEveryone)));
    let verify = || Aim::Verify(names(&["k"]));
    assert_eq!(world.propose_with(0, verify(), Some(&[])).await, Err(NotDone::Operation(BadOperation::Quorum)));
    assert_eq!(world.propose_with(0, verify(), Some(&["dan"])).await, Err(NotDone::NoMember("dan".to_owned())));
    world.kill(1).await;
    world.kill(2).await;
    let connected = vec!["alice".to_owned()];
    assert_eq!(world.propose_with(0, verify(), None).await, Err(NotDone::TooFew { connected, needed: 2 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_refuses_and_nothing_runs() {
    let world = World::new(2, 3, honest()).await;
    let number = world.propose(0, put("k", b"x")).await;
    world.decide(1, number, Choice::Approve).await;
    world.decide(2, number, Choice::Refuse("not now".to_owned())).await;
    for k in 0..3 {
        let end = world.ended(k, number).await;
        assert_eq!(end, End::Refused { by: "carol".to_owned(), reason: "not now".to_owned() }, "at {k}");
    }
    assert_eq!((world.runs(), world.items().len()), (0, 0));
}

/// One member is shown another operation than was proposed, by one byte of its expiry: its approval counts for that one alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_byte_that_differs_at_one_member_and_nothing_runs() {
    let meddle: Meddle = Box::new(|from, to, note| match Note::decode(&note) {
        Ok(Note::Proposal(bytes)) if (from, to) == (0, 2) => {
            let mut operation = Operation::decode(&bytes).unwrap();
            operation.expiry -= 1;
            Note::Proposal(operation.encode()).encode()
        }
        _ => note,
    });
    let world = World::new(2, 3, meddle).await;
    let number = world.propose(0, fresh("k")).await;
    for k in [1, 2] {
        world.decide(k, number, Choice::Approve).await;
    }
    world.told_again().await;
    let standing = |k| world.view(k, number).standing;
    let missing = |names: &[&str]| Shown::Proposed { missing: names.iter().map(|name| (*name).to_owned()).collect() };
    assert_eq!([standing(0), standing(1)], [missing(&["carol"]), missing(&["carol"])]);
    assert_eq!(standing(2), missing(&["alice", "bob"]));
    assert_eq!((world.runs(), world.items().len()), (0, 0));
    // Whoever decided about another operation was shown one by its proposer: that is noted, and nobody else is blamed.
    let elsewhere = |k: usize| world.shell(k).look(|all| all.proposals[&number].elsewhere);
    let seats = |seats: &[usize]| seats.iter().map(|seat| PartyId::new(*seat)).collect::<Parties>();
    assert_eq!([elsewhere(1), elsewhere(2)], [seats(&[2]), seats(&[0, 1])]);
}

/// One byte of the flow that one member is shown is another one: nothing runs, and both sides see which byte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_byte_of_a_flow_that_differs_at_one_member_is_shown() {
    let meddle: Meddle = Box::new(|from, to, note| match Note::decode(&note) {
        Ok(Note::Proposal(bytes)) if (from, to) == (0, 2) => {
            let mut operation = Operation::decode(&bytes).unwrap();
            let Body::Call(call) = &mut operation.body else { panic!("it is a call") };
            let at = call.flow.windows(6).position(|window| window == b"report").unwrap();
            call.flow[at] ^= 1;
            Note::Proposal(operation.encode()).encode()
        }
        _ => note,
    });
    let world = World::new(2, 3, meddle).await;
    let flow = b"# @open all\nGET https://localhost/report\n".to_vec();
    let number =
        world.propose(0, Aim::Call(Asked { flow, arguments: Vec::new(), private: Vec::new(), connector: None, roots: roots() })).await;
    for k in [1, 2] {
        world.decide(k, number, Choice::Approve).await;
    }
    for (k, other, ours, theirs) in [(0, "carol", "report", "seport"), (1, "carol", "report", "seport"), (2, "alice", "seport", "report")] {
        let shell = world.shell(k);
        let shown = until(|| {
            let view = shell.look(|all| all.view(number))?;
            view.differs.into_iter().find(|difference| difference.party == other)
        })
        .await;
        let has = |line: &str| assert!(shown.lines.contains(&line.to_owned()), "{line:?} is not in {:#?}", shown.lines);
        has(&format!("-   GET /{ours}"));
        has(&format!("+   | GET https://localhost/{theirs}"));
        let byte = |text: &str| format!("{:02x} (\"{}\" then \"{}", text.as_bytes()[0], &text[..1], &text[1..]);
        let last = shown.lines.last().unwrap();
        assert!(last.starts_with("byte ") && last.contains(&byte(ours)) && last.contains(&byte(theirs)), "{last}");
    }
    let all = world.shell(1).look(|all| all.view(number)).unwrap();
    assert_eq!((all.differs.len(), world.runs()), (1, 0), "bob and alice were shown the same");
}

/// What does not follow from the text of a call is not proposed to anybody: a member that sends it is not heard.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_not_its_text_is_not_taken() {
    let meddle: Meddle = Box::new(|_, _, note| match Note::decode(&note) {
        Ok(Note::Proposal(bytes)) => {
            let mut operation = Operation::decode(&bytes).unwrap();
            let Body::Call(call) = &mut operation.body else { panic!("it is a call") };
            call.host = "evil.example".to_owned();
            Note::Proposal(operation.encode()).encode()
        }
        _ => note,
    });
    let world = World::new(2, 2, meddle).await;
    let flow = b"# @open all\nGET https://localhost/report\n".to_vec();
    let number =
        world.propose(0, Aim::Call(Asked { flow, arguments: Vec::new(), private: Vec::new(), connector: None, roots: roots() })).await;
    world.told_again().await;
    assert!(world.shell(1).look(|all| all.view(number)).is_none());
    assert!(matches!(world.view(0, number).standing, Shown::Proposed { .. }));
}

/// What a standing policy allows is approved without anybody; what it does not, people are asked about.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standing_policy_approves_refreshes_and_nothing_else() {
    let mut world = World::new(2, 2, honest()).await;
    world.kill(1).await;
    let policy = "[[allow]]\nname = \"fresh\"\noperation = \"refresh\"\nitems = [\"k\"]\nexpires = \"20990101T000000Z\"\nper_day = 1\n";
    std::fs::write(world.homes[1].path().join(super::super::POLICY), policy).unwrap();
    world.start(1).await;
    world.connect().await;
    world.through(0, put("k", b"x")).await;
    let refresh = || Aim::Refresh(names(&["k"]));
    let first = world.propose(0, refresh()).await;
    assert_eq!((world.ended(0, first).await, world.ended(1, first).await), (End::Done, End::Done));
    assert_eq!(world.items(), [("k".to_owned(), 2)]);
    // Its rate is used up, also after a restart.
    world.kill(1).await;
    world.start(1).await;
    world.connect().await;
    let shell = world.shell(1);
    let second = world.propose(0, refresh()).await;
    let view = until(|| shell.look(|all| all.view(second))).await;
    assert!(view.undecided && matches!(view.standing, Shown::Proposed { .. }));
}

/// A member dies in the middle of a run: nobody has a new version, and the next attempt succeeds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_dies_in_a_run_leaves_nothing_and_comes_back() {
    let mut world = World::new(2, 3, honest()).await;
    let number = world.propose(0, put("k", b"secret")).await;
    for k in [1, 2] {
        world.decide(k, number, Choice::Approve).await;
    }
    let dying = world.shell(2);
    until(|| (dying.look(|all| all.view(number))?.standing == Shown::Running).then_some(())).await;
    drop(dying);
    world.kill(2).await;
    world.start(2).await;
    world.connect().await;
    for k in 0..3 {
        assert!(matches!(world.ended(k, number).await, End::Failed { .. }), "at {k}");
    }
    assert!(world.items().is_empty());
    world.through(0, put("k", b"secret")).await;
    assert_eq!(world.items(), [("k".to_owned(), 1)]);
}
