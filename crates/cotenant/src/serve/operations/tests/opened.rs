//! What a server has issued when its item comes to nothing: each who was told what was opened of the answer has it, and nobody signs that it was done.

use super::super::{
    Aim, Asked, End, Shown,
    proposals::{Running, Stage},
    vault::Outcome,
};
use super::{
    lies::liar,
    life::Effect,
    memory::{Meddle, World, honest},
    names, put,
    server::{ISSUED, Server},
    until,
};
use crate::store::tests::disk::Kept;
use cotenant_agent::{
    approve::{receipt::Receipt, run::Run},
    operate::Known,
    vault::commit::statement::{Parties, Vote as Kind},
};
use cotenant_core::{Digest, PartyId};
use cotenant_net::Identity;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Who proposes and connects.
const PROPOSER: usize = 1;

/// Two members who believe a server.
async fn room(meddle: impl FnOnce(&[Arc<Identity>]) -> Meddle) -> (World, Server) {
    let server = Server::new().await;
    let world = World::believing(server.trust.clone(), &server.pem, 2, 2, meddle).await;
    server.is_called_by(world.lives(PROPOSER));
    (world, server)
}

/// A token is asked for and kept, and its number opened.
async fn proposed(world: &World, server: &Server) -> u64 {
    let flow = format!(
        "# @keep token in json \"token\" chars alnum len 24\n# @save token = issued\n# @open id in json \"id\" chars digits len 1..9\n# @limit 1024\nPOST https://localhost:{}/\nAccept-Encoding: identity\n",
        server.port
    );
    let roots = world.shell(PROPOSER).roots().unwrap();
    world
        .propose(PROPOSER, Aim::Call(Asked { flow: flow.into(), arguments: Vec::new(), private: Vec::new(), connector: None, roots }))
        .await
}

/// The member has the number of what was issued, in a receipt that nobody has signed, and gives that to nobody.
fn has_it_alone(world: &World, k: usize, number: u64) {
    let shell = world.shell(k);
    let Some(Ok(Known::Part { status, values })) = shell.answer(number).unwrap() else { panic!("{k} has lost it") };
    assert_eq!((status, values), (201, vec![("id".to_owned(), b"17".to_vec())]), "at {k}");
    let receipt: Receipt = shell.stored_receipt(number).unwrap().expect("it is stored");
    assert!(PartyId::all(2).all(|party| !receipt.is_signed_by(party)), "at {k}");
    assert!(shell.receipt(number).unwrap().is_none());
    shell.look(|all| assert!(!all.receipts.contains_key(&number) && !all.signatures.contains_key(&number), "{k} would sign it"));
}

/// One has seen what was opened and ends before it has a share: the other was told as much, and has it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_opened_stays_when_one_ends_before_it_has_a_share() {
    let (world, server) = room(honest).await;
    let number = proposed(&world, &server).await;
    // Each transaction has the keys of shares synced: that the request may be sent is one, what was opened the next, and the share comes behind them.
    world.life(PROPOSER).ends_before(Effect::Keys, 2, Effect::Compute);
    assert_eq!(world.go_on().await, Some(PROPOSER));
    world.restart(PROPOSER, Kept::All).await;
    world.recover().await;
    assert!(world.ends(number).iter().all(|end| matches!(end, Some(End::MayBeSent { .. }))), "{:?}", world.ends(number));
    assert!(world.vault().get("issued").is_none() && server.requests().len() == 1);
    (0..2).for_each(|k| has_it_alone(&world, k, number));
    // The next one is kept.
    let number = proposed(&world, &server).await;
    assert_eq!(world.go_on().await, None);
    assert_eq!(world.ends(number), [Some(End::Done), Some(End::Done)]);
    assert!(world.shell(0).receipt(number).unwrap().is_some());
    let token = ISSUED.split('"').nth(7).unwrap();
    assert_eq!(world.value(&[0, 1], "issued").await, token.as_bytes());
}

/// One keeps its votes back, and then gives up what both have made: what the other has stored is no receipt, while it waits and afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receipt_of_what_was_given_up_is_signed_by_nobody() {
    let gives_up = Arc::new(AtomicBool::new(false));
    let says = {
        let gives_up = gives_up.clone();
        move |_: usize, kind: Kind<Digest>| match kind {
            Kind::Prepared(round, _) => gives_up.load(Ordering::Relaxed).then_some(Kind::Abandoned(round)),
            Kind::Committed(..) => None,
            other => Some(other),
        }
    };
    let (world, server) = room(liar(2, says)).await;
    let number = proposed(&world, &server).await;
    world.all_approve(number).await;
    let standing = || world.shell(0).look(|all| all.view(number).unwrap().standing);
    until(|| matches!(standing(), Shown::Voting { .. }).then_some(())).await;
    has_it_alone(&world, 0, number);
    gives_up.store(true, Ordering::Relaxed);
    world.told_again().await;
    let end = until(|| if let Shown::Ended(end) = standing() { Some(end) } else { None }).await;
    assert!(matches!(end, End::MayBeSent { .. }), "{end:?}");
    has_it_alone(&world, 0, number);
}

/// The gate of a request waits for the lock while the attempt is signed off: the request does not go out after that, whatever it would keep or load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_request_of_an_attempt_that_was_given_up_does_not_go_out() {
    let world = World::new(2, 2, honest).await;
    world.through(0, put("kept", b"value")).await;
    let numbers = [world.propose(0, Aim::Verify(names(&["kept"]))).await, world.propose(0, Aim::Verify(names(&["kept"]))).await];
    let (may, entries) = world
        .shell(0)
        .act(|all, now| {
            for (number, task) in numbers.iter().zip([Digest([1; 32]), Digest([2; 32])]) {
                let proposal = all.proposals.get_mut(number).unwrap();
                let run = Run { operation: proposal.digest, date: 0, quorum: Parties::first(2), items: vec![], makes: vec![], ids: vec![] };
                proposal.stage = Stage::Running(Running { task, run, loads: None, may_be_sent: false });
            }
            all.carry_on(vec![Outcome::Stop(Digest([1; 32]))], now);
            (numbers.map(|number| all.may_send(number, now)), all.step.changes.log.len())
        })
        .unwrap();
    assert_eq!((may, entries), ([false, true], 1));
}
