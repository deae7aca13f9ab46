//! What people are told of operations that are not over when the room enters another epoch.

use super::super::{
    Aim, End, Shown,
    proposals::{Running, Stage},
};
use super::{
    memory::{World, honest},
    names, put,
};
use cotenant_agent::{
    approve::{receipt::Outcome, run::Run},
    vault::commit::statement::Parties,
};
use cotenant_core::Digest;

fn running(operation: Digest, may_be_sent: bool) -> Running {
    let run = Run { operation, date: 0, quorum: Parties::first(2), items: vec![], makes: vec![], ids: vec![] };
    Running { task: Digest([0; 32]), run, loads: None, may_be_sent }
}

/// A member that keeps the last signature under a change back chooses when that is: nobody is told that nothing has changed where something may have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_have_happened_is_not_told_as_failed() {
    let world = World::new(2, 2, honest).await;
    world.through(0, put("kept", b"value")).await;
    let mut numbers = Vec::new();
    for _ in 0..5 {
        numbers.push(world.propose(0, Aim::Verify(names(&["kept"]))).await);
    }
    let shell = world.shell(0);
    let ended = shell.act(|all, _| {
        let digest = all.proposals[&numbers[0]].digest;
        let stages = [
            Stage::Running(running(digest, true)),
            Stage::Voting(running(digest, false), Ok(Outcome::NOTHING)),
            Stage::Voting(running(digest, true), Ok(Outcome::NOTHING)),
            Stage::Running(running(digest, false)),
            Stage::Open(None),
        ];
        for (number, stage) in numbers.iter().zip(stages) {
            all.proposals.get_mut(number).unwrap().stage = stage;
        }
        all.end_all(2);
        numbers.iter().map(|number| all.view(*number).unwrap().standing).collect::<Vec<_>>()
    });
    let reason = "the room has entered epoch 2, in which earlier proposals and approvals mean nothing".to_owned();
    let failed = || End::Failed { reason: reason.clone() };
    let in_doubt = |before: &str| End::InDoubt { reason: format!("{before}{reason}") };
    let sent = in_doubt("its request may have been delivered, and ");
    let ends = [End::MayBeSent { reason: reason.clone() }, in_doubt(""), sent, failed(), failed()];
    assert_eq!(ended.ok().unwrap(), ends.map(Shown::Ended));
}
