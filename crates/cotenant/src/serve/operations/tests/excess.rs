//! What one member can make the others write, remember and be told, and for how long.

use super::{
    super::{
        OpenError,
        vault::{RECORD, Vault},
    },
    *,
};
use crate::store::Transaction;
use cotenant_agent::{
    approve::operation::{Argument, Call},
    flow,
    vault::commit::statement::Version,
};

/// A member proposes without end, and refuses each proposal itself so that it is over: nothing of that is written, little is remembered, its day is used up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_proposes_and_refuses_without_end_fills_nothing() {
    let mut world = World::new(2, 3, honest()).await;
    let long: Vec<Stored> = (0..200).map(|k| Stored { item: format!("{k:060}").parse().unwrap(), pick: Pick::Newest }).collect();
    let number = |k: u64| 3 + 3 * k;
    let operation = |k: u64| world.forged(2, number(k), Body::Verify(long.clone()));
    let bytes = operation(0).encode().len() as u64;
    // More than a day's bytes, in fewer operations than a day's.
    let many = (32 << 20) / bytes + 10;
    assert!(many < 4000, "{bytes} bytes each");
    for k in 0..many {
        let (operation, no) = (operation(k), Choice::Refuse("changed my mind".to_owned()));
        let said = world.says(2, &operation, no);
        world.tell(2, 0, vec![Note::Proposal(operation.encode()), said]).await;
    }
    let shell = world.shell(0);
    assert_eq!(about_operations(&shell), 0, "what nobody decided about is not in the log");
    let kept: Vec<u64> = shell.look(|all| all.views().iter().map(|view| view.number).collect());
    assert!((1..=64).contains(&kept.len()), "{} are remembered", kept.len());
    assert!(!kept.contains(&number(many - 1)), "the day was used up before the last");
    // Nobody else's day is: not the victim's, nor its friend's.
    drop(shell);
    let one = world.propose(0, fresh("k")).await;
    let digest = until(|| world.shell(1).look(|all| all.proposals.get(&one).map(|proposal| proposal.digest))).await;
    assert_eq!(world.view(0, one).digest, digest.to_string());
    // Nor does the victim read anything of it when it starts again.
    world.kill(0).await;
    world.start(0).await;
    assert!(world.shell(0).look(|all| all.views().iter().map(|view| view.number).eq([one])));
}

/// Entries of the log about proposals; others say that an epoch began, or where another's log ends.
fn about_operations(shell: &Shell) -> usize {
    let about = |event: &Logged| matches!(event, Logged::Proposal(_) | Logged::Decision { .. });
    shell.log().unwrap().entries().iter().filter(|entry| about(&entry.event)).count()
}

/// What this party decided about counts against its proposer's day after a restart too, and only so much is open at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_gives_no_new_day_and_64_are_open() {
    let mut world = World::new(2, 2, honest()).await;
    let item = |k: u64| vec![Stored { item: format!("k{k}").parse().unwrap(), pick: Pick::Newest }];
    let operations: Vec<Operation> = (0..70).map(|k| world.forged(1, 2 + 2 * k, Body::Verify(item(k)))).collect();
    world.tell(1, 0, operations.iter().map(|operation| Note::Proposal(operation.encode())).collect()).await;
    let shell = world.shell(0);
    assert_eq!(shell.look(|all| all.views().len()), 64);
    assert_eq!(shell.look(|all| all.has_room(&operations[64], 0)), Err(Exceeded::Open));
    for operation in &operations[..5] {
        world.decide(0, operation.number, Choice::Refuse("no".to_owned())).await;
    }
    let taken = |world: &World| world.shell(0).look(|all| all.budget.count(PartyId::new(1)));
    assert_eq!((taken(&world), about_operations(&shell)), (64, 10), "each proposal with the decision");
    drop(shell);
    world.kill(0).await;
    world.start(0).await;
    assert_eq!(taken(&world), 5, "ended and restarted, and still counted");
}

/// Texts are read before they are judged: one that is no flow, a call that is another than its text says, and a second one under a number use up the day of whoever
/// sends them as what is taken does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_counts() {
    let world = World::new(2, 2, honest()).await;
    let body = Argument { name: "< ./body".to_owned(), value: vec![b'x'; 30_000] };
    let text = b"# @open all\nPUT https://h.example/\n\n< ./body\n";
    let seats = flow::Seats { connector: PartyId::new(1), giver: PartyId::new(1) };
    let right = flow::call(text.to_vec(), vec![body], seats, roots()).unwrap();
    let calls: [fn(&mut Call); 4] =
        [|_| (), |call| call.port = 444, |call| call.flow = vec![b'#'; 1 << 18], |call| call.connector = PartyId::new(0)];
    let forged = |number: u64, change: fn(&mut Call)| {
        let mut call = right.clone();
        change(&mut call);
        world.forged(1, number, Body::Call(call))
    };
    // The last is right by itself, and has the number of the first.
    let operations: Vec<Operation> = [2, 4, 6, 2].into_iter().zip(calls).map(|(number, change)| forged(number, change)).collect();
    world.tell(1, 0, operations.iter().map(|operation| Note::Proposal(operation.encode())).collect()).await;
    let taken = |world: &World| world.shell(0).look(|all| (all.views().len(), all.budget.count(PartyId::new(1))));
    assert_eq!(taken(&world), (1, 4));
    let long = operations[2].encode();
    let many = (32 << 20) / long.len() + 1;
    world.tell(1, 0, (0..many).map(|_| Note::Proposal(long.clone())).collect()).await;
    assert!(taken(&world).1 <= many + 3, "the day was used up before the last");
    assert_eq!(world.shell(0).look(|all| all.has_room(&operations[2], crate::party::unix_seconds())), Err(Exceeded::Day));
}

/// Who proposes gives what is to be given: nobody is said to give what it may not have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gives_for_another() {
    let world = World::new(2, 2, honest()).await;
    let text = b"# @private card chars digits len 4\n# @open all\n# @not-reflected card\nGET https://h.example/\nX: {{card}}\n";
    let call = |giver: usize| {
        let seats = flow::Seats { connector: PartyId::new(1), giver: PartyId::new(giver) };
        Body::Call(flow::call(text.to_vec(), Vec::new(), seats, roots()).unwrap())
    };
    let operations = [world.forged(1, 2, call(0)), world.forged(1, 4, call(1))];
    world.tell(1, 0, operations.iter().map(|operation| Note::Proposal(operation.encode())).collect()).await;
    assert_eq!(world.shell(0).look(|all| all.views().iter().map(|view| view.number).collect::<Vec<_>>()), [4]);
}

/// A URL is for who proposes it: with standing policies for others' proposals, nobody is given one that it has not asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_makes_a_url_for_another() {
    let world = World::new(2, 2, honest()).await;
    let text = b"# @presign aws-sigv4 service=s3 region=r key=s3/key access-key-id=AKID expires=60\nGET https://h.example/a\n";
    let url = |reader: usize| {
        let seats = flow::Seats { connector: PartyId::new(reader), giver: PartyId::new(reader) };
        Body::Call(flow::call(text.to_vec(), Vec::new(), seats, roots()).unwrap())
    };
    let operations = [world.forged(1, 2, url(0)), world.forged(1, 4, url(1))];
    world.tell(1, 0, operations.iter().map(|operation| Note::Proposal(operation.encode())).collect()).await;
    assert_eq!(world.shell(0).look(|all| all.views().iter().map(|view| view.number).collect::<Vec<_>>()), [4]);
}

/// A member uses high numbers of its own towards one other: that one's proposals are heard by the third all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn high_numbers_of_one_member_do_not_lift_those_of_another() {
    let world = World::new(2, 3, honest()).await;
    let item = vec![Stored { item: "k".parse().unwrap(), pick: Pick::Newest }];
    for number in [3 * 21_845, 3 * 43_690, u64::MAX / 3 * 3] {
        world.tell(2, 0, vec![Note::Proposal(world.forged(2, number, Body::Verify(item.clone())).encode())]).await;
    }
    assert_eq!(world.shell(0).look(|all| all.views().len()), 3, "they are its own numbers");
    let number = world.propose(0, fresh("k")).await;
    assert_eq!(number, 1);
    until(|| world.shell(1).look(|all| all.view(number))).await;
    // Another's numbers it cannot use.
    world.tell(2, 1, vec![Note::Proposal(world.forged(2, 2, Body::Verify(item)).encode())]).await;
    assert!(world.shell(1).look(|all| all.view(2)).is_none());
}

/// What one has to say after a link came up goes in pages, all of it once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_told_goes_in_pages() {
    let mut world = World::new(2, 3, honest()).await;
    let item = |k: u64| vec![Stored { item: format!("k{k}").parse().unwrap(), pick: Pick::Newest }];
    let forged = [1, 2].map(|seat| (0..60).map(|k| world.forged(seat, seat as u64 + 1 + 3 * k, Body::Verify(item(k)))).collect::<Vec<_>>());
    world.kill(0).await;
    let (home, parameters) = (world.homes[0].path().to_owned(), world.parameters.clone());
    let (_daemon, mut alice, _) = blocking(move || open(&home, parameters)).await;
    let now = crate::party::unix_seconds();
    for (seat, all) in forged.iter().enumerate() {
        for operation in all {
            alice.heard(PartyId::new(seat + 1), &Note::Proposal(operation.encode()).encode(), now).unwrap();
            alice.decide(operation.number, operation.digest(), Choice::Refuse("no".to_owned()), None, now).unwrap();
        }
    }
    for k in 0..60 {
        alice.propose(fresh(&format!("own{k}")), &Conditions::default(), now).unwrap();
    }
    drop(alice.take());
    alice.link_up(PartyId::new(1), now);
    assert!(!alice.take().iter().any(|action| matches!(action, super::super::Action::Send(..))), "nothing all at once");
    let mut pages = Vec::new();
    while !alice.to_be_told().is_empty() {
        pages.push(alice.page(PartyId::new(1), true, now));
    }
    assert!(pages.len() > 1 && pages.iter().all(|page| page.len() <= PAGE), "{:?}", pages.iter().map(Vec::len).collect::<Vec<_>>());
    let count = |is: fn(&Note) -> bool| pages.iter().flatten().filter(|note| is(note)).count();
    let counted = [count(|note| matches!(note, Note::Told { .. })), count(|note| matches!(note, Note::Proposal(_)))];
    assert_eq!((counted, count(|note| matches!(note, Note::Decision(_)))), ([1, 60], 180));
}

/// Notes for which there is no room are told again once there is; the link stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_that_was_full_loses_nothing() {
    let world = World::new(2, 2, honest()).await;
    // Whatever the links that came up have led to is over.
    until(|| (0..2).all(|k| world.shell(k).look(|all| all.to_be_told().is_empty())).then_some(())).await;
    world.full.store(true, Ordering::Relaxed);
    let number = world.propose(0, fresh("k")).await;
    assert!(world.shell(1).look(|all| all.view(number)).is_none());
    world.full.store(false, Ordering::Relaxed);
    until(|| world.shell(1).look(|all| all.view(number))).await;
}

/// A record that was put back to before the last save does not name the shares that are in use: the start destroys nothing on its word, and what the others
/// tell shows that it is old.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_record_destroys_no_share() {
    let mut world = World::new(2, 2, honest()).await;
    world.through(0, put("k", b"x")).await;
    let record = |world: &World| world.running[0].as_ref().unwrap().2.store().room(ROOM.0).record(RECORD).unwrap().unwrap();
    let old = record(&world);
    world.through(0, Aim::Refresh(names(&["k"]))).await;
    world.kill(0).await;
    let home = world.homes[0].path().to_owned();
    blocking(move || {
        let daemon = Daemon::open(Config::open(&home).unwrap()).unwrap();
        daemon.store().transaction(|changes| changes.room(ROOM.0).put_record(RECORD, &old)).unwrap();
    })
    .await;
    world.start(0).await;
    let shares = |world: &World| world.shell(0).stored_shares("k").iter().map(|version| version.number).collect::<Vec<_>>();
    assert_eq!(shares(&world), [2]);
    world.connect().await;
    until(|| record(&world).record().old.then_some(())).await;
    assert_eq!(shares(&world), [2]);
}

/// What a run that was given up has left is destroyed once all have told what they know.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_record_names_is_destroyed_once_all_have_told() {
    let mut world = World::new(2, 2, honest()).await;
    world.through(0, put("k", b"x")).await;
    world.kill(0).await;
    let (home, version) = (world.homes[0].path().to_owned(), Version { number: 7, run: Digest([7; 32]) });
    blocking(move || {
        let daemon = Daemon::open(Config::open(&home).unwrap()).unwrap();
        daemon.store().transaction(|changes| changes.room(ROOM.0).put_share("k", &version, b"left behind")).unwrap();
    })
    .await;
    world.start(0).await;
    assert_eq!(world.shell(0).stored_shares("k").len(), 2, "nobody has been heard");
    world.connect().await;
    until(|| (world.shell(0).stored_shares("k").len() == 1).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_without_its_record_is_no_new_room() {
    let world = World::new(2, 2, honest()).await;
    world.through(0, put("k", b"x")).await;
    let items = world.running[0].as_ref().unwrap().2.store().room(ROOM.0).items().unwrap();
    let (home, parameters) = (tempfile::tempdir().unwrap(), world.parameters.clone());
    let alice = parameters.members()[0].key;
    home::init(home.path(), "alice").unwrap();
    config::write_template(home.path()).unwrap();
    let work = move || {
        let daemon = Daemon::open(Config::open(home.path()).unwrap()).unwrap();
        let opened = || Vault::open(&daemon.store().room(ROOM.0), &parameters, &alice).map(drop);
        assert!(opened().is_ok(), "a room that begins");
        let put = |changes: &mut Transaction<'_>| items.iter().try_for_each(|(name, bytes)| changes.room(ROOM.0).put_item(name, bytes));
        daemon.store().transaction(put).unwrap();
        assert!(matches!(opened(), Err(OpenError::NoRecord)));
    };
    blocking(work).await;
}
