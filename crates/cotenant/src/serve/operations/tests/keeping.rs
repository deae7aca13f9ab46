//! What a party keeps and what of it is not as it was: restored, rolled back, filled by others, counted.

use super::*;
use crate::{
    party::unix_seconds,
    serve::{backup, operations::MOST},
};
use cotenant_agent::vault::commit::statement::Parties;
use std::{fs, process::Command};
use zeroize::Zeroizing;

fn verify() -> Aim {
    Aim::Verify(names(&["k"]))
}

fn passphrase() -> Zeroizing<String> {
    Zeroizing::new("on paper".to_owned())
}

impl World {
    /// Writes a backup of a member that runs.
    async fn back_up(&self, k: usize, name: &str) -> std::path::PathBuf {
        let (file, home, daemon) = (self.homes[k].path().with_extension(name), self.homes[k].path().to_owned(), self.daemon(k));
        let path = file.clone();
        blocking(move || backup::write(&daemon.store(), &home, &path, passphrase())).await.unwrap();
        file
    }

    /// A member loses its disk and is restored, as at this time.
    async fn restore(&mut self, k: usize, file: &Path, at: i64) {
        self.kill(k).await;
        for entry in fs::read_dir(self.homes[k].path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
        }
        let (home, file) = (self.homes[k].path().to_owned(), file.to_owned());
        blocking(move || backup::restore(&home, &file, passphrase(), at)).await.unwrap();
        self.start(k).await;
    }

    fn daemon(&self, k: usize) -> Arc<Daemon> {
        self.running[k].as_ref().unwrap().2.clone()
    }

    fn hindrance(&self, k: usize) -> Option<String> {
        self.shell(k).look(Operations::hindrance)
    }
}

/// A backup that is as new as the others' last word is used once they have said so, for what nobody can have done before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_party_goes_on_when_all_others_have_been_heard() {
    let mut world = World::new(2, 3, honest()).await;
    world.through(0, put("k", b"secret")).await;
    let file = world.back_up(2, "backup").await;
    let now = unix_seconds();
    world.restore(2, &file, now).await;
    let unheard = NotDone::Unheard(vec!["alice".to_owned(), "bob".to_owned()]);
    assert_eq!(world.hindrance(2), Some(unheard.to_string()));
    assert_eq!(world.propose_with(2, verify(), Some(&["alice"])).await, Err(unheard));
    world.connect().await;
    until(|| world.hindrance(2).is_none().then_some(())).await;
    // It may have been done before the disk was lost, by all that Carol knows.
    let number = world.propose_with(0, verify(), Some(&["carol"])).await.unwrap();
    let carol = world.shell(2);
    let digest = until(|| carol.look(|all| all.proposals.get(&number).map(|proposal| proposal.digest))).await;
    let decided = blocking({
        let carol = carol.clone();
        move || carol.decide(number, digest, Choice::Approve, None)
    });
    assert_eq!(decided.await, Err(NotDone::BeforeRestore { number, after: now + 86_400 + 300 }));
    drop(carol);
    // Long after.
    let second = world.back_up(2, "second").await;
    world.restore(2, &second, now - 100_000).await;
    world.connect().await;
    until(|| world.hindrance(2).is_none().then_some(())).await;
    world.through(2, verify()).await;
    world.through(2, Aim::Refresh(names(&["k"]))).await;
    let log = world.shell(2).log().unwrap();
    let restored: Vec<i64> =
        log.entries().iter().filter_map(|entry| if let Logged::Restored(at) = entry.event { Some(at) } else { None }).collect();
    assert_eq!(restored, [now, now - 100_000]);
    // What was heard stays heard.
    world.kill(2).await;
    world.start(2).await;
    assert_eq!(world.hindrance(2), None);
}

/// A backup from before the last version: the others show what was signed since, and no share is given.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_backup_is_found_out_and_gives_no_share() {
    let mut world = World::new(2, 3, honest()).await;
    world.through(0, put("k", b"secret")).await;
    let file = world.back_up(2, "backup").await;
    world.through(0, Aim::Refresh(names(&["k"]))).await;
    world.restore(2, &file, unix_seconds() - 100_000).await;
    world.connect().await;
    until(|| world.hindrance(2).filter(|why| why.contains("old copy"))).await;
    let number = world.propose_with(0, verify(), Some(&["carol"])).await.unwrap();
    world.decide(2, number, Choice::Approve).await;
    let shell = world.shell(0);
    let waits = Shown::Approved { waits: "cannot begin yet: carol".to_owned() };
    until(|| (shell.look(|all| all.view(number))?.standing == waits).then_some(())).await;
    assert!(world.running[2].as_ref().unwrap().1.tasks().is_empty(), "nothing has run there");
    drop(shell);
    // So it is after a restart, and the others need not wait.
    world.kill(2).await;
    world.start(2).await;
    assert!(world.hindrance(2).is_some_and(|why| why.contains("old copy")));
}

/// A disk that is put back as it was, without a word: where nothing was voted on, the log alone shows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_put_back_contradicts_what_the_others_have_heard_of_its_log() {
    let mut world = World::new(2, 3, honest()).await;
    world.through(0, put("k", b"secret")).await;
    world.kill(2).await;
    let (home, copy) = (world.homes[2].path().to_owned(), world.homes[2].path().with_extension("copy"));
    let copied = |from: &Path, to: &Path| assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
    copied(&home.join("store"), &copy);
    world.start(2).await;
    world.connect().await;
    world.through(0, verify()).await;
    let told = until(|| {
        let views = world.shell(0).look(Operations::head_views);
        views.into_iter().find(|view| view.member == "carol")?.theirs
    });
    assert!(told.await.entries > 0);
    assert!(world.shell(2).look(Operations::head_views).iter().all(|view| view.continues && view.rewritten.is_none()));
    world.kill(2).await;
    fs::remove_dir_all(home.join("store")).unwrap();
    copied(&copy, &home.join("store"));
    world.start(2).await;
    assert_eq!(world.hindrance(2), None, "nothing here tells");
    world.connect().await;
    let why = until(|| world.hindrance(2)).await;
    assert!(why.contains("it has told others of"), "{why}");
    assert!(world.shell(2).look(Operations::head_views).iter().any(|view| !view.continues));
    // It is its own signature that says so, and that is in its log.
    world.kill(2).await;
    world.start(2).await;
    assert!(world.hindrance(2).is_some_and(|why| why.contains("old copy")));
    let carol = world.shell(2).log().unwrap();
    let contradicts = |event: &Logged| matches!(event, Logged::Seen(told) if told.owner == carol.owner() && !carol.passed(&told.head));
    assert!(carol.entries().iter().any(|entry| contradicts(&entry.event)));
}

/// Failed checks are counted over restarts, end what can be begun with the member that they name, and people let it go on, in the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_eight_failed_checks_people_have_to_look() {
    let mut world = World::new(2, 3, honest()).await;
    world.through(0, put("k", b"secret")).await;
    let bob = Parties::NONE.with(PartyId::new(1));
    for count in 1..=MOST {
        let shell = world.shell(0);
        blocking(move || shell.fail_a_check(bob)).await;
        let notes = world.shell(0).look(Operations::notes);
        let checks = if count == 1 { "check names" } else { "checks name" };
        assert_eq!(notes[0], format!("{count} failed {checks} bob; from 8 on nothing is begun with it"));
        if count == 4 {
            world.kill(0).await;
            world.start(0).await;
        }
    }
    world.connect().await;
    let number = world.propose_with(0, verify(), Some(&["bob"])).await.unwrap();
    world.decide(1, number, Choice::Approve).await;
    let shell = world.shell(0);
    let waits = until(|| match shell.look(|all| all.view(number))?.standing {
        Shown::Approved { waits } if !waits.is_empty() => Some(waits),
        _ => None,
    });
    assert!(waits.await.starts_with("8 failed checks name bob; find out why, then: cotenant room clear-checks --member 'bob'"));
    // Without Bob it goes on.
    let other = world.propose_with(0, verify(), Some(&["carol"])).await.unwrap();
    world.decide(2, other, Choice::Approve).await;
    assert_eq!(world.ended(0, other).await, End::Done);
    let clear = |name: &'static str| {
        let shell = shell.clone();
        blocking(move || shell.clear_faults(Some(name), "a bad disk".to_owned()))
    };
    assert_eq!(clear("dan").await, Err(NotDone::NoMember("dan".to_owned())));
    clear("bob").await.unwrap();
    assert_eq!(world.ended(0, number).await, End::Done);
    assert!(shell.look(Operations::notes).is_empty());
    let log = shell.log().unwrap();
    let failed = log.entries().iter().filter(|entry| matches!(entry.event, Logged::FailedCheck { .. })).count();
    let cleared = Logged::Cleared { party: Some(PartyId::new(1)), reason: "a bad disk".to_owned() };
    assert!(failed == 8 && log.entries().iter().any(|entry| entry.event == cleared));
}
