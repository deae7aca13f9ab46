//! The room goes into its next epoch, and every daemon ends before every effect of that, by a kill or with its power: all come into the epoch by themselves,
//! with one vault, whose values are what they were, or what a save made that was under way. Then who has no shares gets some.
//!
//! What comes before, that all sign the next epoch, is between processes in `tests/command`; here it is on a disk as the first effect.

use super::super::Aim;
use super::{
    crash::{VALUE, kept},
    life::Effect,
    memory::{World, honest},
    put,
};
use crate::store::tests::disk::Kept;
use cotenant_agent::operate::Manifest;
use futures_util::future::join_all;
use std::collections::BTreeSet;

/// How the room changes, there and back.
#[derive(Clone, Copy, Debug)]
enum Change {
    /// Somebody takes the place of another one, who has lost everything.
    Replaced,
    /// One more comes; then that one leaves.
    Added,
}

impl Change {
    /// Who has which seat next, and how those who lack shares get them.
    fn next(self, n: usize, turn: usize) -> (Vec<usize>, Aim) {
        match self {
            Change::Replaced if turn.is_multiple_of(2) => (vec![0, 1, 3], Aim::Repair("dora".to_owned())),
            Change::Replaced => (vec![0, 1, 2], Aim::Repair("carol".to_owned())),
            // Seats move up.
            Change::Added if n == 3 => (vec![0, 3, 1, 2], Aim::Reshare),
            Change::Added => (vec![0, 1, 2], Aim::Reshare),
        }
    }
}

fn value(turn: usize) -> String {
    format!("value {turn}")
}

/// The value of an item, as any two of those who have shares put it together.
async fn value_of(world: &World, manifest: &Manifest, name: &str) -> Vec<u8> {
    let holders = world.holders(manifest, name);
    let (one, other) = (&holders[..2], &holders[holders.len() - 2..]);
    let value = world.value(one, name).await;
    assert_eq!(world.value(other, name).await, value);
    value
}

/// Lets a member end before the effects that the change has there, from the `first` on, every so many. Which effects took place, and how often the epoch began
/// without what a save was making, and with it.
async fn end_everywhere(
    change: Change,
    victim: usize,
    (first, step): (usize, usize),
    kept_of: impl Fn(usize) -> Kept,
) -> (Vec<Effect>, [usize; 2]) {
    let mut world = World::new(2, 3, honest).await;
    world.through(1, kept()).await;
    world.through(1, put("x", value(0).as_bytes())).await;
    let (mut last, mut counts, mut effects) = (value(0), [0, 0], Vec::new());
    for (turn, k) in (first..).step_by(step).enumerate() {
        // A save that comes to an end, or not.
        let before = world.vault();
        world.life(1).ends_after(11 * k % 60);
        let _ = world.try_propose(0, put("x", value(turn + 1).as_bytes()), None).await;
        world.go_on().await;
        let (seats, then) = change.next(world.n(), turn);
        let (victim, kept) = (if victim == 2 { seats.iter().position(|seat| *seat == 3).unwrap_or(2) } else { victim }, kept_of(turn));
        let (next, at_once) = world.change(&seats, 2, honest, Some((victim, k, kept))).await;
        world = next;
        let later = world.go_on().await.is_some() || !world.life(victim).goes_on();
        effects.extend(world.life(victim).taken());
        if later {
            world.restart(victim, kept).await;
            world.recover().await;
        }
        let after = world.vault();
        let made = after.number() > before.number();
        counts[usize::from(made)] += 1;
        assert!(after.number() <= before.number() + 1, "{change:?} {k}");
        last = if made { value(turn + 1) } else { last };
        for (name, value) in [("kept", VALUE), ("x", &last)] {
            assert_eq!(String::from_utf8(value_of(&world, &after, name).await).unwrap(), value, "{change:?} {k}: {name}");
        }
        world.through(0, then).await;
        let whole = world.vault();
        for (name, value) in [("kept", VALUE), ("x", &last)] {
            assert_eq!(world.holders(&whole, name).len(), world.n(), "all have shares of {name}");
            assert_eq!(String::from_utf8(value_of(&world, &whole, name).await).unwrap(), value);
        }
        if !later && !at_once {
            return (effects, counts);
        }
    }
    unreachable!("it has an end")
}

/// The first, another, and who is new if there is somebody; by a kill and with its power, each in a room of its own.
async fn all_end_everywhere(change: Change, whole: bool) {
    let kinds_of_end = [
        ("killed", (|_| Kept::All) as fn(usize) -> Kept),
        ("without power", |turn| if turn.is_multiple_of(2) { Kept::None } else { Kept::Sectors(turn as u64) }),
    ];
    let cases = kinds_of_end.into_iter().flat_map(|end| (0..3).map(move |victim| (victim, end)));
    let ended = join_all(cases.enumerate().map(|(case, (victim, (how, kept)))| async move {
        let every = if whole { (0, 1) } else { (case, 6) };
        let (effects, [without, with]) = end_everywhere(change, victim, every, kept).await;
        println!("{change:?}, member {victim} {how}: {with} times with a new version, {without} without");
        (effects, [without, with])
    }));
    let ended = ended.await;
    assert!((0..2).all(|kind| ended.iter().any(|(_, counts)| counts[kind] > 0)), "both were seen");
    let kinds: BTreeSet<Effect> = ended.into_iter().flat_map(|(effects, _)| effects).collect();
    assert!(kinds.contains(&Effect::Rows));
    // What all have, votes, the vault for who does not know it.
    for kind in [6, 5, 13] {
        assert!(kinds.iter().any(|effect| matches!(effect, Effect::Note(seen, _) if *seen == kind)), "notes of kind {kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_is_replaced_and_some_effects_do_not_come() {
    all_end_everywhere(Change::Replaced, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_comes_and_leaves_and_some_effects_do_not_come() {
    all_end_everywhere(Change::Added, false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; see just crash-all"]
async fn each_change_ended_before_each_effect() {
    for change in [Change::Replaced, Change::Added] {
        all_end_everywhere(change, true).await;
    }
}
