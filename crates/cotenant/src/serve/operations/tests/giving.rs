//! What members give to a call that another proposes.

use super::*;
use cotenant_agent::flow::{self, Seats};

/// Alice has a card, Bob a code.
const TEXT: &str = "# @private card chars digits len 4\n# @private code of bob chars hex len 2\n# @open status\nGET https://h.example/\nX: {{card}}\nY: {{code}}\n";

fn hidden(name: &str, value: &str) -> (String, zeroize::Zeroizing<Vec<u8>>) {
    (name.to_owned(), value.as_bytes().to_vec().into())
}

fn asked(private: &[(&str, &str)]) -> Aim {
    let private = private.iter().map(|(name, value)| hidden(name, value)).collect();
    Aim::Call(Asked { flow: TEXT.into(), arguments: Vec::new(), private, connector: None, roots: roots() })
}

/// Each gives its own and nobody else's, and approves nothing before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_approves_without_what_it_is_to_give() {
    let mut world = World::new(2, 2, honest()).await;
    let propose = async |private: &[(&str, &str)]| world.propose_with(0, asked(private), None).await;
    assert_eq!(propose(&[]).await, Err(NotDone::Private("card".to_owned())));
    assert_eq!(propose(&[("card", "1234"), ("code", "af")]).await, Err(NotDone::NotPrivate("code".to_owned())), "that is for bob to give");
    let number = propose(&[("card", "1234")]).await.unwrap();
    let bob = world.shell(1);
    let digest = until(|| bob.look(|all| all.proposals.get(&number).map(|proposal| proposal.digest))).await;
    let decide = async |bob: &Arc<Shell>| {
        let bob = bob.clone();
        blocking(move || bob.decide(number, digest, Choice::Approve, None)).await
    };
    let give = async |bob: &Arc<Shell>, digest: Digest, private: Vec<(&'static str, &'static str)>| {
        let bob = bob.clone();
        blocking(move || bob.give(number, digest, private.into_iter().map(|(name, value)| hidden(name, value)).collect())).await
    };
    let lacks = || Err(NotDone::NotGiven { number, holes: vec!["code".to_owned()] });
    assert_eq!(decide(&bob).await, lacks());
    for wrong in [vec![], vec![("code", "a")], vec![("code", "aF")]] {
        assert_eq!(give(&bob, digest, wrong).await, Err(NotDone::Private("code".to_owned())));
    }
    assert_eq!(give(&bob, digest, vec![("code", "af"), ("card", "1234")]).await, Err(NotDone::NotPrivate("card".to_owned())));
    assert_eq!(give(&bob, Digest([1; 32]), vec![("code", "af")]).await, Err(NotDone::Other(number)));
    assert_eq!(decide(&bob).await, lacks(), "what is wrong is not taken");
    assert_eq!(give(&bob, digest, vec![("code", "af")]).await, Ok(()));
    // It is in memory alone, so after a restart it is given again.
    drop(bob);
    world.kill(1).await;
    world.start(1).await;
    world.connect().await;
    let bob = world.shell(1);
    until(|| bob.look(|all| all.view(number))).await;
    assert_eq!(decide(&bob).await, lacks());
    assert_eq!(give(&bob, digest, vec![("code", "af")]).await, Ok(()));
    assert_eq!(decide(&bob).await, Ok(()));
    assert_eq!(give(&bob, digest, vec![("code", "00")]).await, Err(NotDone::NotOpen(number)), "it has been approved with the other");
}

/// A proposal in which a name of the text is another member's is not taken; nor one in which the proposer's own part is another's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_that_of_the_member() {
    let world = World::new(3, 3, honest()).await;
    let call = |giver: usize, bob: usize| {
        let seats = Seats { connector: PartyId::new(0), giver: PartyId::new(giver) };
        let named = |name: &str| (name == "bob").then(|| PartyId::new(bob));
        Body::Call(flow::call_among(TEXT.into(), Vec::new(), seats, &named, roots()).unwrap())
    };
    let operations = [(1, call(0, 2)), (4, call(2, 1)), (7, call(0, 1))].map(|(number, body)| world.forged(0, number, body));
    world.tell(0, 1, operations.iter().map(|operation| Note::Proposal(operation.encode())).collect()).await;
    assert_eq!(world.shell(1).look(|all| all.views().iter().map(|view| view.number).collect::<Vec<_>>()), [7]);
}
