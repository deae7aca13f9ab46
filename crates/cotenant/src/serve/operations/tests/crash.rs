//! Every daemon ends before every effect of every operation, by a kill or with its power, and starts again from its disk: all come to the same vault by
//! themselves, the values in it are what they were or the new ones, and all say the same of the operation. Of a call, what each says is what the server saw.
//!
//! What a daemon does is enumerated by [`Effect`]: an operation is done again and again, one effect further each time, until it is over before. All of that
//! is behind `just crash-all`; each change is checked with every sixth effect of each way to end, a different one for each member and each way.

use super::super::{Aim, Asked, End};
use super::{
    life::Effect,
    memory::{World, honest},
    names, put,
    server::Server,
};
use crate::store::tests::disk::Kept;
use cotenant_agent::{
    approve::log::Event as Logged,
    http::Response,
    operate::{Known, Manifest},
    vault::{alphabet::Alphabet, item::Use},
};
use futures_util::future::join_all;
use std::collections::BTreeSet;

/// What is in the vault all the time.
pub(super) const VALUE: &str = "whatIsKept";
/// Who proposes, gives the value of a put, and connects to the server. The first, who begins runs, is another.
const PROPOSER: usize = 1;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Put,
    Gen,
    Refresh,
    Reshare,
    Repair,
    Verify,
    Remove,
    Call,
    /// By two of the three.
    CallOfTwo,
}

impl What {
    /// Who takes part beside the proposer, if not all do.
    fn with(self) -> Option<&'static [&'static str]> {
        (self == What::CallOfTwo).then_some(&["alice"])
    }

    fn aim(self, k: usize, room: &Room) -> Aim {
        match self {
            What::Put => put("x", value(k).as_bytes()),
            What::Gen => Aim::Gen { name: "x".parse().unwrap(), alphabet: None, len: 5, uses: Vec::new(), note: String::new() },
            What::Refresh => Aim::Refresh(names(&["kept"])),
            What::Reshare => Aim::Reshare,
            What::Repair => Aim::Repair("carol".to_owned()),
            What::Verify => Aim::Verify(names(&["kept"])),
            What::Remove => Aim::Remove(names(&["x"])),
            What::Call | What::CallOfTwo => {
                let flow = format!(
                    "# @vault token = kept\n# @open all\n# @not-reflected token\nGET https://localhost:{}/\nAuthorization: Bearer {{{{token}}}}\n",
                    room.server.port
                );
                let roots = room.world.shell(PROPOSER).roots().unwrap();
                Aim::Call(Asked { flow: flow.into(), arguments: Vec::new(), private: Vec::new(), connector: None, roots })
            }
        }
    }

    /// Whether it makes a version of the vault.
    fn saves(self) -> bool {
        !matches!(self, What::Verify | What::Call | What::CallOfTwo)
    }
}

/// The value that the `k`-th put gives.
fn value(k: usize) -> String {
    format!("value {k}")
}

/// A room whose vault has a token for a server.
struct Room {
    world: World,
    server: Server,
}

impl Room {
    async fn new(threshold: u8, n: usize) -> Room {
        let server = Server::new().await;
        let world = World::believing(server.trust.clone(), &server.pem, threshold, n, honest).await;
        server.is_called_by(world.lives(PROPOSER));
        world.through(PROPOSER, kept()).await;
        Room { world, server }
    }
}

/// The token is put into the vault.
pub(super) fn kept() -> Aim {
    let uses = vec![Use::Header { name: "authorization".into(), host: "localhost".into() }];
    let value = VALUE.as_bytes().to_vec().into();
    Aim::Put { name: "kept".parse().unwrap(), alphabet: Some(Alphabet::ALPHANUMERIC), uses, note: String::new(), value }
}

/// What is so whenever nothing goes on, after `what` was tried for the `k`-th time; and whether it was done.
async fn check(room: &Room, what: What, k: usize, newest: u64, before: &Manifest) -> bool {
    let world = &room.world;
    let (after, number) = (world.vault(), world.newest());
    let ends = if number > newest { world.ends(number) } else { Vec::new() };
    let done = ends.contains(&Some(End::Done));
    if what.saves() {
        assert!(ends.iter().flatten().all(|end| (*end == End::Done) == done), "{what:?} {k}: {ends:?}");
    }
    assert_eq!(after.number(), before.number() + u64::from(done && what.saves()), "{what:?} {k}");
    said_of_the_request(room, number, &ends);
    let all: Vec<usize> = (0..world.n()).collect();
    let threshold = usize::from(world.parameters.charter().threshold);
    for quorum in [&all[..threshold], &all[world.n() - threshold..]] {
        assert_eq!(world.value(quorum, "kept").await, VALUE.as_bytes(), "{what:?} {k}");
        if what == What::Put && done {
            assert_eq!(world.value(quorum, "x").await, value(k).as_bytes());
        }
    }
    done
}

/// What each says of a request is what the server saw: at most one, one where it was answered, none where it was not sent. What each says is in its log.
fn said_of_the_request(room: &Room, number: u64, ends: &[Option<End>]) {
    let requests = room.server.requests();
    assert!(requests.len() <= 1, "{requests:?}");
    for (k, end) in ends.iter().enumerate() {
        let shell = room.world.shell(k);
        match end {
            Some(End::Done) => {
                if let Some(answer) = shell.answer(number).unwrap() {
                    assert!(matches!(answer, Ok(Known::Whole(Response { status: 200, .. }))) && requests.len() == 1, "{ends:?}");
                }
            }
            Some(End::Failed { .. }) => assert!(requests.is_empty(), "{ends:?}"),
            Some(End::Elsewhere { .. }) => assert_eq!(requests.len(), 1, "{ends:?}"),
            _ => {}
        }
        // Who takes no part has nothing to spend.
        let takes_part = shell.look(|all| all.proposals.get(&number).is_some_and(|proposal| proposal.has_part(all.me())));
        let log = shell.log().unwrap();
        let operation = shell.look(|all| all.proposals.get(&number).map(|proposal| proposal.digest));
        let count = |is: &dyn Fn(&Logged) -> bool| log.entries().iter().filter(|entry| is(&entry.event)).count();
        let may_be_sent = count(&|event| matches!(event, Logged::MayBeSent { operation: one, .. } if Some(*one) == operation));
        let spent = count(&|event| matches!(event, Logged::Spent(run) if Some(run.operation) == operation));
        assert!(spent <= usize::from(takes_part) && may_be_sent <= spent, "at {k}: {ends:?}");
        match end {
            Some(End::MayBeSent { .. }) => assert_eq!(may_be_sent, usize::from(takes_part), "at {k}: {ends:?}"),
            Some(End::Done) => assert_eq!(may_be_sent, requests.len(), "at {k}: {ends:?}"),
            _ => assert_eq!(may_be_sent, 0, "at {k}: {ends:?}"),
        }
    }
}

/// Which effects one ends before: every so many, from which on.
#[derive(Clone, Copy, Debug)]
struct Every {
    first: usize,
    step: usize,
}

/// Lets a member end before the effects that `what` has there. How many times it was done, and was not; the effects.
async fn end_everywhere(room: &Room, what: What, victim: usize, kept: impl Fn(usize) -> Kept, every: Every) -> ([usize; 2], Vec<Effect>) {
    let world = &room.world;
    let mut counts = [0, 0];
    for (turn, k) in (every.first..).step_by(every.step).enumerate() {
        if what == What::Remove && world.vault().get("x").is_none() {
            world.through(PROPOSER, put("x", b"to be removed")).await;
        }
        let (before, life, newest) = (world.vault(), world.life(victim), world.newest());
        let aim = what.aim(k, room);
        life.ends_after(k);
        let proposed = world.try_propose(PROPOSER, aim, what.with()).await;
        assert!(proposed.is_ok() || victim == PROPOSER);
        // Something, as an answer to a note, may come after all have what they want.
        if world.go_on().await.is_none() && life.goes_on() {
            let effects = life.taken();
            assert!(check(room, what, k, newest, &before).await, "nobody ended");
            return (counts, effects);
        }
        // Else the others wait for it, and it may come in time.
        if turn % 4 != 1 {
            world.disperse();
        }
        world.restart(victim, kept(turn)).await;
        world.recover().await;
        counts[usize::from(!check(room, what, k, newest, &before).await)] += 1;
    }
    unreachable!("it has an end")
}

/// Every member, by a kill and with its power, each in a room of its own: before every effect, or before every sixth.
async fn all_end_everywhere(what: What, whole: bool) {
    let kinds_of_end = [("killed", killed as fn(usize) -> Kept), ("without power", powerless)];
    let cases = kinds_of_end.into_iter().flat_map(|end| (0..3).map(move |victim| (victim, end)));
    let ended = join_all(cases.enumerate().map(|(case, (victim, (how, kept)))| async move {
        let room = Room::new(2, 3).await;
        let every = if whole { Every { first: 0, step: 1 } } else { Every { first: case, step: 6 } };
        let (counts, effects) = end_everywhere(&room, what, victim, kept, every).await;
        println!("{what:?}, member {victim} {how}: {} effects, {} times done, {} not", effects.len(), counts[0], counts[1]);
        (counts, effects)
    }));
    let (counts, effects): (Vec<_>, Vec<_>) = ended.await.into_iter().unzip();
    assert!((0..2).all(|kind| counts.iter().any(|counts| counts[kind] > 0)), "both were seen");
    let kinds: BTreeSet<Effect> = effects.into_iter().flatten().collect();
    let seen = |effect: &dyn Fn(&Effect) -> bool| kinds.iter().any(effect);
    assert!(kinds.contains(&Effect::Rows) && kinds.contains(&Effect::Keys) && kinds.contains(&Effect::Meet));
    assert!(seen(&|effect| matches!(effect, Effect::Compare(_))));
    assert_eq!(kinds.contains(&Effect::Compute), what != What::Remove, "a removal is computed by nobody");
    let called = [kinds.contains(&Effect::Server), seen(&|effect| matches!(effect, Effect::Relay(_)))];
    assert_eq!(called, [!what.saves() && what != What::Verify; 2]);
    // Proposals, decisions, starts, receipts, questions whether all can begin; votes where something changes.
    for kind in [1, 2, 3, 7, 11].into_iter().chain(what.saves().then_some(5)) {
        assert!(seen(&|effect| matches!(effect, Effect::Note(seen, _) if *seen == kind)), "notes of kind {kind}");
    }
}

/// As after a process is killed.
fn killed(_: usize) -> Kept {
    Kept::All
}

/// Power is lost, and with it what was not synced, or any sectors of it.
fn powerless(k: usize) -> Kept {
    if k.is_multiple_of(2) { Kept::None } else { Kept::Sectors(k as u64) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_put_ended_before_its_effects() {
    all_end_everywhere(What::Put, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gen_ended_before_its_effects() {
    all_end_everywhere(What::Gen, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_ended_before_its_effects() {
    all_end_everywhere(What::Refresh, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reshare_ended_before_its_effects() {
    all_end_everywhere(What::Reshare, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repair_ended_before_its_effects() {
    all_end_everywhere(What::Repair, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verify_ended_before_its_effects() {
    all_end_everywhere(What::Verify, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remove_ended_before_its_effects() {
    all_end_everywhere(What::Remove, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_ended_before_its_effects() {
    all_end_everywhere(What::Call, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_of_two_ended_before_its_effects() {
    all_end_everywhere(What::CallOfTwo, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; see just crash-all"]
async fn each_operation_ended_before_each_effect() {
    for what in [What::Put, What::Gen, What::Refresh, What::Reshare, What::Repair, What::Verify, What::Remove, What::Call, What::CallOfTwo]
    {
        all_end_everywhere(what, true).await;
    }
}
