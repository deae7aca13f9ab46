//! A stored share that is another one: every field of it changed, an old one, one of another item, member or run, and a whole store that is old. What can be
//! told by its header is named where it is stored; what cannot fails the check of the vault at all.
//!
//! What is changed in the files, without the key of the store, is in `store/tests/tamper.rs`; what the circuit catches, in `cotenant_agent`, `tests/vault`.

use super::super::{Aim, End, Shown};
use super::{
    memory::{World, honest},
    names, put,
};
use crate::store::tests::disk::Kept;
use cotenant_core::PartyId;

/// Whose share is another one.
const VICTIM: usize = 1;
/// Bytes before the description: format, room, run, seat, length of the description.
const FIXED: usize = 52;

/// What all say of a check in which the victim has this share, which is put back afterwards.
async fn verified_with(world: &World, share: &[u8]) -> Vec<End> {
    let right = world.share_bytes(VICTIM, "kept");
    world.put_share(VICTIM, "kept", share);
    let number = world.propose(0, Aim::Verify(names(&["kept"]))).await;
    assert_eq!(world.go_on().await, None);
    world.put_share(VICTIM, "kept", &right);
    world.ends(number).into_iter().map(|end| end.expect("all know it")).collect()
}

/// The reason at the victim, and that at the first member; nobody took it for done.
async fn refused_with(world: &World, share: &[u8]) -> [String; 2] {
    let ends = verified_with(world, share).await;
    let reason = |k: usize| match &ends[k] {
        End::Failed { reason } => reason.clone(),
        other => panic!("at {k} it is {other:?}"),
    };
    (0..world.n()).for_each(|k| drop(reason(k)));
    [reason(VICTIM), reason(0)]
}

/// Two versions of an item, of which the share of the first is kept aside, and another item.
async fn world() -> (World, Vec<u8>) {
    let world = World::new(2, 3, honest).await;
    world.through(0, put("kept", b"the same value")).await;
    let old = world.share_bytes(VICTIM, "kept");
    world.through(0, put("kept", b"the same value")).await;
    world.through(0, put("x", b"the same value")).await;
    (world, old)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_a_share() {
    let (world, old) = world().await;
    let right = world.share_bytes(VICTIM, "kept");
    assert_eq!(verified_with(&world, &right).await, [End::Done, End::Done, End::Done]);

    let described = FIXED + usize::from(u16::from_le_bytes([right[FIXED - 2], right[FIXED - 1]]));
    for at in 0..described {
        let mut changed = right.clone();
        changed[at] ^= 1;
        let [here, _] = refused_with(&world, &changed).await;
        let words = match at {
            0 => "these bytes are no share",
            1..17 => "this party's share of kept is of another room",
            17..49 => "this party's share of kept was made by another run",
            49 => "this party's share of kept is that of ",
            _ => "share",
        };
        let local = here.starts_with("this party's share of kept ") || here.starts_with("a stored share cannot be read: ");
        assert!(local && here.contains(words), "byte {at}: {here}");
    }
    // The blocks of the value, x and the tag.
    assert_eq!((right.len() - described) % 16, 0);
    for block in (described..right.len()).step_by(16) {
        let mut changed = right.clone();
        changed[block + block / 16 % 16] ^= 0x10;
        for reason in refused_with(&world, &changed).await {
            assert!(reason.starts_with("the check of the vault failed for kept"), "block at {block}: {reason}");
        }
    }

    let [here, _] = refused_with(&world, &old).await;
    assert!(here.contains("is of version 1, not 2"), "{here}");
    let [here, _] = refused_with(&world, &world.share_bytes(VICTIM, "x")).await;
    assert!(here.contains("is of the item x"), "{here}");
    let [here, _] = refused_with(&world, &world.share_bytes(0, "kept")).await;
    assert!(here.contains(&format!("is that of {}, not of {}", PartyId::new(0), PartyId::new(VICTIM))), "{here}");
    // Under the header that is wanted.
    for other in [old, world.share_bytes(VICTIM, "x"), world.share_bytes(0, "kept")] {
        let blocks = &other[other.len() - (right.len() - described)..];
        let disguised = [&right[..described], blocks].concat();
        for reason in refused_with(&world, &disguised).await {
            assert!(reason.starts_with("the check of the vault failed for kept"), "{reason}");
        }
    }
    assert_eq!(verified_with(&world, &right).await, [End::Done, End::Done, End::Done]);
}

/// Both files of a store as they were before a save: the others have a vote that it does not know. It says so, gives out nothing and signs nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_store() {
    let world = World::new(2, 3, honest).await;
    world.through(0, put("kept", b"old")).await;
    let disk = world.kill(2).await;
    let copy = disk.after(Kept::All);
    world.start(2, disk.after(Kept::All)).await;
    assert_eq!(world.go_on().await, None);
    world.through(0, put("kept", b"new")).await;
    drop(world.kill(2).await);
    world.start(2, copy).await;
    let shell = world.shell(2);
    super::until(|| shell.look(|all| all.vault.current().is_none()).then_some(())).await;
    let number = world.propose(0, Aim::Refresh(names(&["kept"]))).await;
    world.all_approve(number).await;
    let first = world.shell(0);
    let waits = |why: &str| why == "cannot begin yet: carol";
    super::until(|| match first.look(|all| all.view(number))?.standing {
        Shown::Approved { waits: why } => waits(&why).then_some(()),
        _ => None,
    })
    .await;
    assert_eq!((world.shell(0).vault().number(), world.shell(1).vault().number()), (2, 2));
}
