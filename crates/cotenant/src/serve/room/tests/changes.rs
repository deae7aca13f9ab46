//! What of a room is changed without anybody coming or leaving, and the way back of a party whose store is an old copy.

use super::*;
use crate::serve::{
    operations::{Aim, Conditions, End, Operations, Shown, shell::Shell},
    room::routes::{Changing, ChangingLimits},
};
use cotenant_agent::{approve::statement::Choice, hex};
use std::{fs, process::Command as Process};

impl Party {
    async fn change(&self, id: &str, asked: Changing) -> RoomView {
        self.room(id).ask(|reply| Command::Change(Box::new(asked), reply)).await.unwrap()
    }

    async fn shell(&self, id: &str) -> Arc<Shell> {
        let start = Instant::now();
        loop {
            match self.room(id).operations() {
                Ok(shell) => return shell,
                Err(why) => assert!(start.elapsed() < Duration::from_secs(60), "{why}"),
            }
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until its operations are so.
    async fn when<T>(&self, id: &str, so: impl Fn(&Operations) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = self.shell(id).await.look(&so) {
                return found;
            }
            assert!(start.elapsed() < Duration::from_secs(120), "at {}: {:?}", self.name, self.shell(id).await.look(Operations::notes));
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Proposed by the first, approved by the others, and done at all.
async fn through(parties: &[Party], id: &str, aim: Aim) {
    let shell = parties[0].shell(id).await;
    let with = Some(parties[1..].iter().map(|party| party.name.to_owned()).collect());
    let number = tokio::task::spawn_blocking(move || shell.propose(aim, &Conditions { with, within: None })).await.unwrap().unwrap();
    for party in &parties[1..] {
        let digest = party.when(id, |operations| Some(hex::digest(&operations.view(number)?.digest).unwrap())).await;
        let shell = party.shell(id).await;
        tokio::task::spawn_blocking(move || shell.decide(number, digest, Choice::Approve, None)).await.unwrap().unwrap();
    }
    for party in parties {
        let ended = |operations: &Operations| match operations.view(number)?.standing {
            Shown::Ended(end) => Some(end),
            _ => None,
        };
        assert_eq!(party.when(id, ended).await, End::Done, "at {}", party.name);
    }
}

/// Addresses, authorities and limits in one draft, then those of the program again, then nothing but the epoch.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn addresses_authorities_limits_and_nothing_are_changed() {
    let parties = [Party::new("alice", NOW).await, Party::new("bob", NOW).await];
    let id = together(&parties).await;
    let before = parties[0].show(&id).await;
    let value = |view: &RoomView, what: &str| view.charter.iter().find(|value| value.what == what).unwrap().value.clone();
    let signed = async |asked: Changing, epoch: u32| {
        parties[0].change(&id, asked).await;
        for party in &parties {
            party.sign(&id).await;
        }
        in_epoch(&parties, &id, epoch).await;
        let views = [parties[0].show(&id).await, parties[1].show(&id).await];
        assert_eq!((&views[0].charter, &views[0].digest), (&views[1].charter, &views[1].digest));
        views[1].clone()
    };

    let own = before.members[1].addresses[0].clone();
    let addresses = vec![own.clone(), "bob.example:7001".to_owned()];
    let key = rcgen::KeyPair::generate().unwrap();
    let authority = rcgen::CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap().pem();
    let limits = ChangingLimits { call: Some(900), server: Some(61), clock: Some(301), proposal: Some(3600) };
    let asked =
        Changing { addresses: [("bob".to_owned(), addresses.clone())].into(), authorities: vec![authority], limits, ..Changing::default() };
    let second = signed(asked, 2).await;
    assert_eq!(second.members[1].addresses, addresses);
    assert!(value(&before, "trust roots").starts_with("those of the program") && value(&second, "trust roots").len() == 64);
    let changed = second.charter.iter().zip(&before.charter).filter(|(new, old)| new != old).map(|(new, _)| new.what.clone());
    let changed: Vec<String> = changed.collect();
    let all = ["epoch", "trust roots", "time for an operation", "time for a server", "difference of clocks", "life of a proposal"];
    assert_eq!(changed, all);

    let third = signed(Changing { own_authorities: true, ..Changing::default() }, 3).await;
    assert_eq!(value(&third, "trust roots"), value(&before, "trust roots"));
    let fourth = signed(Changing::default(), 4).await;
    assert_eq!(fourth.members, third.members);
    let differs: Vec<&str> = fourth.charter.iter().zip(&third.charter).filter(|(new, old)| new != old).map(|(new, _)| &*new.what).collect();
    assert!(differs.iter().all(|what| ["epoch", "follows"].contains(what)), "{differs:?}");

    // One that cannot be dialled by who only dials is not signed.
    let view = parties[0]
        .change(&id, Changing { addresses: ["alice", "bob"].map(|name| (name.to_owned(), Vec::new())).into(), ..Changing::default() });
    let view = view.await;
    assert!(
        view.proposal.is_none_or(|proposal| proposal.own) && view.notes.iter().any(|note| note.contains("both only dial")),
        "{:?}",
        view.notes
    );
}

/// Carol's disk is put back as it was before the first item. She is told what to do; the members begin a new epoch, and she is given shares again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_copy_takes_part_again_in_a_new_epoch() {
    let now = u64::try_from(crate::party::unix_seconds()).unwrap() * 1000;
    let mut parties = Vec::new();
    for name in ["alice", "bob", "carol"] {
        parties.push(Party::new(name, now).await);
    }
    let id = together(&parties).await;
    let copied = |from: &Path, to: &Path| assert!(Process::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
    let keep = |home: &Path| copied(&home.join("store"), &home.join("copy"));
    let carol = parties.pop().unwrap().restart_with(HERE, keep).await;
    parties.push(carol);
    in_epoch(&parties, &id, 1).await;
    let fresh = Aim::Gen { name: "k".parse().unwrap(), alphabet: None, len: 4, uses: Vec::new(), note: String::new() };
    through(&parties, &id, fresh).await;
    let put_back = |home: &Path| {
        fs::remove_dir_all(home.join("store")).unwrap();
        copied(&home.join("copy"), &home.join("store"));
    };
    let carol = parties.pop().unwrap().restart_with(HERE, put_back).await;
    parties.push(carol);
    let why = parties[2].when(&id, Operations::hindrance).await;
    assert!(why.contains("old copy") && why.contains("cotenant room change --renew"), "{why}");

    parties[0].change(&id, Changing::default()).await;
    for party in &parties {
        party.sign(&id).await;
    }
    in_epoch(&parties, &id, 2).await;
    for party in &parties {
        party.when(&id, |operations| (operations.vault_waits().is_none() && operations.hindrance().is_none()).then_some(())).await;
        let lacking = party.when(&id, |operations| Some(operations.lacking(operations.vault().get("k")?))).await;
        assert_eq!(lacking, ["carol"], "at {}", party.name);
    }
    through(&parties, &id, Aim::Repair("carol".to_owned())).await;
    through(&parties, &id, Aim::Verify(vec!["k".parse().unwrap()])).await;
    assert!(parties[2].when(&id, |operations| Some(operations.lacking(operations.vault().get("k")?))).await.is_empty());
}
