//! Every daemon ends before every effect of every operation, by a kill or with its power, and starts again from its disk: all come to the same vault by
//! themselves, the values in it are what they were or the new ones, and all say the same of the operation.
//!
//! What a daemon does is enumerated by [`Effect`]: an operation is done again and again, one effect further each time, until it is over before.

use super::super::{Aim, End};
use super::{
    life::Effect,
    memory::{World, honest},
    names, put,
};
use crate::store::tests::disk::Kept;
use cotenant_agent::operate::Manifest;
use futures_util::future::join_all;
use std::collections::BTreeSet;

const VALUE: &[u8] = b"what is kept";
/// Who proposes, and gives the value of a put. The first, who begins runs, is another.
const PROPOSER: usize = 1;

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq)]
enum What {
    Put,
    Gen,
    Refresh,
    Verify,
    Remove,
}

impl What {
    fn aim(self, k: usize) -> Aim {
        match self {
            What::Put => put("x", value(k).as_bytes()),
            What::Gen => Aim::Gen { name: "x".parse().unwrap(), alphabet: None, len: 5, uses: Vec::new(), note: String::new() },
            What::Refresh => Aim::Refresh(names(&["kept"])),
            What::Verify => Aim::Verify(names(&["kept"])),
            What::Remove => Aim::Remove(names(&["x"])),
        }
    }
}

/// The value that the `k`-th put gives.
fn value(k: usize) -> String {
    format!("value {k}")
}

async fn world(threshold: u8, n: usize) -> World {
    let world = World::new(threshold, n, honest).await;
    world.through(PROPOSER, put("kept", VALUE)).await;
    world
}

/// What is so whenever nothing goes on, after `what` was tried for the `k`-th time; and whether it was done.
async fn check(world: &World, what: What, k: usize, newest: u64, before: &Manifest) -> bool {
    let (after, number) = (world.vault(), world.newest());
    let ends = if number > newest { world.ends(number) } else { Vec::new() };
    let done = ends.contains(&Some(End::Done));
    if what != What::Verify {
        assert!(ends.iter().flatten().all(|end| (*end == End::Done) == done), "{what:?} {k}: {ends:?}");
        assert_eq!(after.number(), before.number() + u64::from(done), "{what:?} {k}");
    }
    let all: Vec<usize> = (0..world.n()).collect();
    let threshold = usize::from(world.parameters.charter().threshold);
    for quorum in [&all[..threshold], &all[world.n() - threshold..]] {
        assert_eq!(world.value(quorum, "kept").await, VALUE, "{what:?} {k}");
        if what == What::Put && done {
            assert_eq!(world.value(quorum, "x").await, value(k).as_bytes());
        }
    }
    done
}

/// Lets a member end before each effect that `what` has there. How many times it was done, and was not; the effects.
async fn end_everywhere(world: &World, what: What, victim: usize, kept: impl Fn(usize) -> Kept) -> ([usize; 2], Vec<Effect>) {
    let mut counts = [0, 0];
    for k in 0.. {
        if what == What::Remove && world.vault().get("x").is_none() {
            world.through(PROPOSER, put("x", b"to be removed")).await;
        }
        let (before, life, newest) = (world.vault(), world.life(victim), world.newest());
        life.ends_after(k);
        let proposed = world.try_propose(PROPOSER, what.aim(k)).await;
        assert!(proposed.is_ok() || victim == PROPOSER);
        // Something, as an answer to a note, may come after all have what they want.
        if world.go_on().await.is_none() && life.goes_on() {
            let effects = life.taken();
            assert!(check(world, what, k, newest, &before).await, "nobody ended");
            return (counts, effects);
        }
        // Else the others wait for it, and it may come in time.
        if k % 4 != 1 {
            world.disperse();
        }
        world.restart(victim, kept(k)).await;
        world.recover().await;
        counts[usize::from(!check(world, what, k, newest, &before).await)] += 1;
    }
    unreachable!("it has an end")
}

/// Every member, by a kill and with its power, each in a room of its own.
async fn all_end_everywhere(what: What) {
    let kinds_of_end = [("killed", killed as fn(usize) -> Kept), ("without power", powerless)];
    let cases = kinds_of_end.into_iter().flat_map(|end| (0..3).map(move |victim| (victim, end)));
    let ended = join_all(cases.map(|(victim, (how, kept))| async move {
        let world = world(2, 3).await;
        let (counts, effects) = end_everywhere(&world, what, victim, kept).await;
        println!("{what:?}, member {victim} {how}: {} effects, {} times done, {} not", effects.len(), counts[0], counts[1]);
        assert!(counts[0] > 0 && counts[1] > 0, "both were seen");
        effects
    }));
    let kinds: BTreeSet<Effect> = ended.await.into_iter().flatten().collect();
    let seen = |effect: &dyn Fn(&Effect) -> bool| kinds.iter().any(effect);
    assert!(kinds.contains(&Effect::Rows) && kinds.contains(&Effect::Keys) && kinds.contains(&Effect::Meet));
    assert!(seen(&|effect| matches!(effect, Effect::Compare(_))));
    assert_eq!(kinds.contains(&Effect::Compute), what != What::Remove, "a removal is computed by nobody");
    // Proposals, decisions, starts, receipts, questions whether all can begin; votes where something changes.
    for kind in [1, 2, 3, 7, 11].into_iter().chain((what != What::Verify).then_some(5)) {
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
async fn a_put_ended_before_each_effect() {
    all_end_everywhere(What::Put).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gen_ended_before_each_effect() {
    all_end_everywhere(What::Gen).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refresh_ended_before_each_effect() {
    all_end_everywhere(What::Refresh).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verify_ended_before_each_effect() {
    all_end_everywhere(What::Verify).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_remove_ended_before_each_effect() {
    all_end_everywhere(What::Remove).await;
}
