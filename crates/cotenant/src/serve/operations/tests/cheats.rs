//! What a member that cheats can make the others do, say or believe. Carol, at the last of three seats, is played by the test, with her real key.

use super::{
    super::{
        entering::Standing,
        note::{Vote, is_evidence},
    },
    *,
};
use cotenant_agent::{
    operate::{self, Task},
    vault::commit::statement::{Round, Statement, Vote as Kind},
};
use cotenant_core::channel::Channel;
use cotenant_net::{Member as Peer, Mesh, MeshConfig};

/// Carol proposes that she and Alice check "k", and both approve; Alice is to begin.
async fn check_with_carol(world: &World, number: u64) -> Operation {
    let item = vec![Stored { item: "k".parse().unwrap(), pick: Pick::Newest }];
    let quorum = Parties::NONE.with(PartyId::new(0)).with(PartyId::new(2));
    let operation = Operation { quorum, ..world.forged(2, number, Body::Verify(item)) };
    world.tell(2, 0, vec![Note::Proposal(operation.encode()), world.says(2, &operation, Choice::Approve)]).await;
    world.decide(0, number, Choice::Approve).await;
    operation
}

fn ready(operation: &Operation) -> Note {
    Note::Ready { number: operation.number, operation: operation.digest(), asks: false }
}

/// Carol says that she can begin, and meets Alice for the run that Alice then begins; they compare what they do.
async fn meet(world: &World, operation: &Operation) -> Mesh {
    let begun = async {
        loop {
            // Her word stands for some seconds only.
            world.tell(2, 0, vec![ready(operation)]).await;
            match world.shell(0).look(|all| all.proposals[&operation.number].start) {
                Some(start) => return start,
                None => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let start = tokio::time::timeout(PATIENCE, begun).await.expect("it begins");
    let task = Task::new(operation.clone(), world.shell(2).vault(), start.date, None).unwrap();
    let peer = |member: &Member| Peer { name: member.name.clone(), identity: member.key, address: member.addresses[0].to_string() };
    let members = [0, 2].map(|k| peer(&world.parameters.members()[k])).to_vec();
    let identity = world.running[2].as_ref().unwrap().2.identity().clone();
    let config = MeshConfig { identity, me: PartyId::new(1), members, session: task.digest().0, limits: limits() };
    let mesh = world.hubs[2].mesh(config).await.unwrap();
    operate::compare(&mut mesh.lane(0), &task).await.unwrap();
    mesh
}

/// The seats of those who take part are not their places in the session: who cheats is named, and not who was not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_check_names_the_member_that_cheated() {
    let world = World::new(2, 3, honest()).await;
    world.through(0, put("k", b"x")).await;
    let operation = check_with_carol(&world, 303).await;
    let mesh = meet(&world, &operation).await;
    mesh.lane(1).send(PartyId::new(0), b"this is no message of a session".to_vec()).await.unwrap();
    let End::Failed { reason } = world.ended(0, 303).await else { panic!("it failed") };
    assert!(reason.contains("P2 is \"carol\""), "{reason}");
    let log = world.shell(0).log().unwrap();
    let blamed: Vec<Parties> = log
        .entries()
        .iter()
        .filter_map(|entry| match &entry.event {
            Logged::FailedCheck { parties, .. } => Some(*parties),
            _ => None,
        })
        .collect();
    assert_eq!(blamed, [Parties::NONE.with(PartyId::new(2))]);
}

/// Who was to begin an operation says that it is over, and begins it when the other has started again: it was over, also for that one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_people_were_told_is_over_does_not_begin() {
    let mut world = World::new(2, 3, honest()).await;
    world.through(0, put("k", b"x")).await;
    let item = vec![Stored { item: "k".parse().unwrap(), pick: Pick::Newest }];
    let operation = world.forged(0, 301, Body::Verify(item));
    let said: Vec<Note> = [0, 1].map(|k| world.says(k, &operation, Choice::Approve)).to_vec();
    let all = [vec![Note::Proposal(operation.encode())], said].concat();
    world.tell(0, 2, all.clone()).await;
    world.decide(2, 301, Choice::Approve).await;
    let ended = Note::Ended { number: 301, operation: operation.digest(), reason: "not today".to_owned() };
    world.tell(0, 2, vec![ended]).await;
    let over = End::Failed { reason: "alice says: not today".to_owned() };
    assert_eq!(world.ended(2, 301).await, over);
    world.kill(2).await;
    world.start(2).await;
    let start = Start { number: 301, operation: operation.digest(), date: crate::party::unix_seconds() };
    world.tell(0, 2, [all, vec![Note::Start(start)]].concat()).await;
    assert_eq!(world.view(2, 301).standing, Shown::Ended(over));
    assert!(world.running[2].as_ref().unwrap().1.tasks().is_empty(), "nothing ran since");
}

/// Carol's vote comes while she lets Alice wait in a run on the version before: Alice votes, and gives nothing of that version any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_loads_is_stopped_by_the_vote_for_the_next_version() {
    let (held, hold) = (Arc::<Mutex<Vec<Note>>>::default(), Arc::<AtomicBool>::default());
    let meddle: Meddle = Box::new({
        let (held, hold) = (held.clone(), hold.clone());
        move |from, to, note| match Note::decode(&note) {
            Ok(Note::Vote(vote)) if hold.load(Ordering::Relaxed) && from == 2 => {
                if to == 0 {
                    held.lock().unwrap().push(Note::Vote(vote));
                }
                Note::Told { epoch: 1, newest: 0, standing: Standing::default(), votes: Vec::new(), asks: false }.encode()
            }
            Ok(Note::Told { .. }) if hold.load(Ordering::Relaxed) && from == 2 => {
                Note::Told { epoch: 1, newest: 0, standing: Standing::default(), votes: Vec::new(), asks: false }.encode()
            }
            _ => note,
        }
    });
    let world = World::new(2, 3, meddle).await;
    world.through(0, put("k", b"x")).await;
    hold.store(true, Ordering::Relaxed);
    let refresh = world.propose(0, Aim::Refresh(names(&["k"]))).await;
    for k in [1, 2] {
        world.decide(k, refresh, Choice::Approve).await;
    }
    until(|| matches!(world.view(0, refresh).standing, Shown::Voting { .. }).then_some(())).await;
    until(|| (!held.lock().unwrap().is_empty()).then_some(())).await;
    let operation = check_with_carol(&world, 303).await;
    let _mesh = meet(&world, &operation).await;
    assert_eq!(world.view(0, 303).standing, Shown::Running, "the version before is still loaded");
    let votes = held.lock().unwrap().clone();
    world.tell(2, 0, votes).await;
    let End::Failed { reason } = world.ended(0, 303).await else { panic!("it was stopped") };
    assert!(reason.starts_with("a newer version of the vault was committed while it ran"), "{reason}");
}

/// A member that does not answer costs nobody an approval: nothing is begun before all can.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_spent_before_all_can_begin() {
    let world = World::new(2, 3, honest()).await;
    world.through(0, put("k", b"x")).await;
    let operation = check_with_carol(&world, 303).await;
    // Carol does not say that she can; what Alice and Bob do meanwhile begins.
    let waits = |number| match world.view(0, number).standing {
        Shown::Approved { waits } => Some(waits),
        _ => None,
    };
    until(|| waits(303).filter(|why| why == "cannot begin yet: carol" || why.contains("asked"))).await;
    let other = world.propose_with(1, Aim::Verify(names(&["k"])), Some(&["alice"])).await.unwrap();
    world.decide(0, other, Choice::Approve).await;
    assert_eq!(world.ended(0, other).await, End::Done);
    let log = world.shell(0).log().unwrap();
    let digest = operation.digest();
    assert!(!log.entries().iter().any(|entry| matches!(&entry.event, Logged::Spent(run) if run.operation == digest)));
    assert!(waits(303).is_some());
}

/// What could not be written has not been done, and nobody is told that it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_write_closes_the_room() {
    let mut world = World::new(2, 2, honest()).await;
    let (shell, _queue, daemon) = world.running[0].take().unwrap();
    drop(daemon);
    let proposing = shell.clone();
    let refused = Err(NotDone::Closed(Closed::Broken));
    for _ in 0..2 {
        let proposing = proposing.clone();
        assert_eq!(blocking(move || proposing.propose(fresh("k"), &Conditions::default())).await, refused);
    }
    assert_eq!(shell.closed(), Some(Closed::Broken));
    world.told_again().await;
    assert!(world.shell(1).look(|all| all.views().is_empty()), "nor were the others told");
}

/// A member signs votes that exclude each other: the log has two of them, with its signatures, and never more, also after a restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn votes_that_exclude_each_other_stay_as_evidence() {
    let mut world = World::new(2, 3, honest()).await;
    let round = Round { epoch: 1, version: 1, attempt: 1 };
    let votes = |world: &World, runs: std::ops::Range<u8>| {
        let identity = world.running[2].as_ref().unwrap().2.identity().clone();
        let prepared = |run| Statement { signer: PartyId::new(2), vote: Kind::Prepared(round, Digest([run; 32])) };
        runs.map(|run| Note::Vote(Vote::sign((ROOM, Digest([0; 32])), prepared(run), None, &identity))).collect::<Vec<_>>()
    };
    let evidence = |world: &World| {
        let log = world.shell(0).log().unwrap();
        let pairs = log.entries().iter().filter_map(|entry| match &entry.event {
            Logged::Contradiction { party, votes } => Some((*party, votes.clone())),
            _ => None,
        });
        pairs.collect::<Vec<_>>()
    };
    world.tell(2, 0, votes(&world, 0..1)).await;
    assert!(evidence(&world).is_empty());
    world.tell(2, 0, votes(&world, 1..20)).await;
    let [(party, pair)] = &evidence(&world)[..] else { panic!("one pair") };
    let carol = &world.parameters.members()[2].key;
    assert!(*party == PartyId::new(2) && pair[0] != pair[1] && pair.iter().all(|vote| is_evidence(carol, vote)));
    world.kill(0).await;
    world.start(0).await;
    world.tell(2, 0, votes(&world, 20..30)).await;
    assert_eq!(evidence(&world).len(), 1);
}

/// What one member says about operations that nobody proposed does not push out what another says about one that comes later.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn early_words_of_one_member_do_not_push_out_those_of_another() {
    let world = World::new(2, 3, honest()).await;
    let item = vec![Stored { item: "k".parse().unwrap(), pick: Pick::Newest }];
    let proposed = world.forged(2, 303, Body::Verify(item.clone()));
    world.tell(1, 0, vec![world.says(1, &proposed, Choice::Approve)]).await;
    let junk = (0..300).map(|k| world.says(2, &world.forged(2, 603 + 3 * k, Body::Verify(item.clone())), Choice::Approve)).collect();
    world.tell(2, 0, junk).await;
    world.tell(2, 0, vec![Note::Proposal(proposed.encode())]).await;
    assert_eq!(world.view(0, 303).standing, Shown::Proposed { missing: vec!["alice".to_owned(), "carol".to_owned()] });
}
