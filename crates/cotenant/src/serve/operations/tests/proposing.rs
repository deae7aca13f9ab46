//! What is not proposed, and what a standing policy says of what is.

use super::*;
use cotenant_agent::{approve::operation::Argument, operate::Refused, vault::item::Use};

/// A signing key has 60 bytes at most. What is of any bytes can be sent as what a flow makes of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_can_never_be_used_as_it_is_agreed_is_not_proposed() {
    let world = World::new(2, 2, honest()).await;
    let host = || "h.example".to_owned();
    let header = || Use::Header { name: "authorization".to_owned(), host: host() };
    let sigv4 = || Use::Sigv4 { service: "s3".to_owned(), region: "r".to_owned(), host: host() };
    let of = |len: usize, alphabet, uses: Vec<Use>| {
        let value = vec![b'7'; len].into();
        Aim::Put { name: "k".parse().unwrap(), alphabet, uses, note: String::new(), value }
    };
    let refused = || Err(NotDone::Unusable(Refused::KeyLength { item: "k".to_owned(), len: 61 }));
    for uses in [vec![sigv4()], vec![header(), sigv4()]] {
        assert_eq!(world.propose_with(0, of(61, None, uses), None).await, refused());
    }
    let drawn = Aim::Gen { name: "k".parse().unwrap(), alphabet: None, len: 61, uses: vec![sigv4()], note: String::new() };
    assert_eq!(world.propose_with(0, drawn, None).await, refused());
    for good in [of(61, None, vec![header()]), of(60, None, vec![sigv4()]), of(61, None, vec![])] {
        assert!(world.propose_with(0, good, None).await.is_ok());
    }
}

/// The flow of `docs/how-to/call.md` but its signature: an argument, and a body from a file, which is one as well.
const FLOW: &str = "# @open all\nPUT https://localhost/{{name}}\n\n< ./report.txt\n";

fn report(name: &str) -> Aim {
    let argument = |name: &str, value: &str| Argument { name: name.to_owned(), value: value.as_bytes().to_vec() };
    let arguments = vec![argument("name", name), argument("< ./report.txt", "all of it")];
    Aim::Call(Asked { flow: FLOW.into(), arguments, private: Vec::new(), connector: None, roots: roots() })
}

/// Bob's policy approves the call whose flow and arguments it lists. Of another he is told what it lacks; and so he decides.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standing_policy_approves_a_call_and_says_why_it_does_not() {
    // Carol has to approve as well, so nothing runs.
    let mut world = World::new(3, 3, honest()).await;
    let first = world.propose(0, report("a.txt")).await;
    let flow = world.shell(0).look(|all| match &all.proposals[&first].operation().body {
        Body::Call(call) => call.flow_digest(&world.parameters.keys().collect::<Vec<_>>()),
        _ => panic!("it is a call"),
    });
    world.kill(1).await;
    let rule = format!("[[allow]]\nname = \"nightly\"\noperation = \"call\"\nflow = \"{flow}\"\nexpires = \"20990101T000000Z\"\n");
    let values = "[allow.arguments]\nname = [\"a.txt\"]\n\"< ./report.txt\" = [\"all of it\"]\n";
    std::fs::write(world.homes[1].path().join(super::super::POLICY), rule + values).unwrap();
    world.start(1).await;
    world.connect().await;
    let second = world.propose(0, report("a.txt")).await;
    let alice = world.shell(0);
    let missing = |names: &[&str]| Shown::Proposed { missing: names.iter().map(|name| (*name).to_owned()).collect() };
    until(|| (alice.look(|all| all.view(second))?.standing == missing(&["carol"])).then_some(())).await;
    let bob = world.shell(1);
    assert!(bob.look(|all| all.view(second)).is_some_and(|view| !view.undecided && view.policy.is_none()));

    let third = world.propose(0, report("b.txt")).await;
    // What Alice has decided comes by a note of its own.
    let view = until(|| bob.look(|all| all.view(third)).filter(|view| view.standing == missing(&["bob", "carol"]))).await;
    assert!(view.undecided, "{view:?}");
    assert_eq!(view.policy.as_deref(), Some("the policy's rule \"nightly\": the value of argument name is not listed"));
    let long = blocking(move || alice.propose(report("a.txt"), &Conditions::default())).await.unwrap();
    let view = until(|| bob.look(|all| all.view(long))).await;
    assert_eq!(view.policy.as_deref(), Some("the policy's rule \"nightly\": it could begin later than in an hour"));
    world.decide(1, long, Choice::Refuse("no".to_owned())).await;
    assert_eq!(world.view(1, long).policy, None, "it is decided");
    // Carol has no policy; the first, which Bob was told again when he was back, his policy allows as well.
    assert_eq!((world.view(2, third).policy, bob.look(Operations::undecided)), (None, 1));
}
