use super::*;
use crate::approve::{
    operation::tests::{NOW, call, refresh, room, seat, seats},
    run::tests::run_of,
    statement::{BadStatement, Gathering, tests::approved, tests::says},
    wire::one_value_one_encoding,
};

/// What is on disk and what others have seen of a party, when it stops before effect number `crash`.
fn carry_out(ledger: &Ledger, event: Event, crash: usize) -> (Ledger, Vec<Effect>) {
    let (_, effects) = ledger.step(event).unwrap();
    let done: Vec<Effect> = effects.into_iter().take(crash).collect();
    let disk = done.iter().rev().find_map(|effect| if let Effect::Persist(ledger) = effect { Some(ledger.clone()) } else { None });
    (disk.unwrap_or(ledger.clone()), done.into_iter().filter(|effect| !matches!(effect, Effect::Persist(_))).collect())
}

fn approving(operation: &Operation, k: usize) -> Ledger {
    let ledger = Ledger::new(&room(operation.epoch), seat(k));
    ledger.step(Event::Decide(operation, Choice::Approve)).unwrap().0
}

fn start<'a>(approved: &'a Approved, run: &'a Run) -> Event<'a> {
    Event::Start { approved, run, now: NOW }
}

/// Another run of the same operation.
fn another(run: &Run) -> Run {
    Run { date: run.date - 1, ..run.clone() }
}

#[test]
fn an_approval_is_used_once() {
    let operation = call();
    let (approved, run) = (approved(&operation), run_of(&operation));
    let (ledger, effects) = approving(&operation, 0).step(start(&approved, &run)).unwrap();
    assert_eq!(effects, [Effect::Persist(ledger.clone()), Effect::Run(run.digest())], "durable, then the first message");
    let spent = NotNow::Spent { number: 41, run: run.digest() };
    assert_eq!(ledger.step(start(&approved, &another(&run))), Err(spent));
    assert!(spent.to_string().contains("operation 41") && spent.to_string().contains(&run.digest().to_string()));
    let (ledger, effects) = ledger.step(Event::Ended(run.digest())).unwrap();
    assert_eq!(effects, [Effect::Persist(ledger.clone())]);
    assert_eq!(ledger.step(start(&approved, &run)), Err(spent), "nor does a run that has ended go on");
    assert_eq!(ledger.step(Event::Ended(run.digest())), Err(NotNow::NoRun(run.digest())));
}

#[test]
fn what_was_over_without_a_run_does_not_begin() {
    let operation = call();
    let (approved, run) = (approved(&operation), run_of(&operation));
    let (ledger, effects) = approving(&operation, 0).step(Event::Void(41)).unwrap();
    assert_eq!(effects, [Effect::Persist(ledger.clone())]);
    let disk = Ledger::decode(&ledger.encode()).unwrap();
    assert_eq!(disk.step(start(&approved, &run)), Err(NotNow::Void { number: 41 }));
    assert_eq!(disk.step(Event::Decide(&operation, Choice::Approve)), Err(NotNow::Decided { number: 41 }));
    let begun = approving(&operation, 0).step(start(&approved, &run)).unwrap().0;
    for not in [begun, disk, Ledger::new(&room(1), seat(0))] {
        assert_eq!(not.step(Event::Void(41)), Err(NotNow::NotApproved { number: 41 }), "only an approval that is not used");
    }
}

#[test]
fn after_a_crash_at_any_point_there_is_at_most_one_run() {
    let operation = call();
    let (approved, run) = (approved(&operation), run_of(&operation));
    for crash in 0..=2 {
        let (disk, seen) = carry_out(&approving(&operation, 0), start(&approved, &run), crash);
        let disk = Ledger::decode(&disk.encode()).unwrap();
        let other = disk.step(start(&approved, &another(&run)));
        match crash {
            0 => assert!(seen.is_empty() && other.is_ok(), "nothing had happened"),
            _ => {
                assert_eq!(other, Err(NotNow::Spent { number: 41, run: run.digest() }));
                assert_eq!(disk.step(start(&approved, &run)).unwrap().1, [Effect::Resume(run.digest())]);
                assert!(disk.unfinished().eq([(41, run.digest())]));
            }
        }
    }
}

#[test]
fn a_decision_is_durable_before_it_is_signed_and_the_only_one() {
    let operation = call();
    let ledger = Ledger::new(&room(1), seat(1));
    let approves = Effect::Sign(Statement::new(&operation, seat(1), Choice::Approve));
    let (next, effects) = ledger.step(Event::Decide(&operation, Choice::Approve)).unwrap();
    assert_eq!(effects, [Effect::Persist(next.clone()), approves.clone()]);
    assert_eq!(next.step(Event::Decide(&operation, Choice::Approve)).unwrap(), (next.clone(), vec![approves]), "sent again after a crash");
    let decided = Err(NotNow::Decided { number: 41 });
    assert_eq!(next.step(Event::Decide(&operation, Choice::Refuse("no".into()))), decided);
    let same_number = Operation { expiry: operation.expiry + 1, ..operation.clone() };
    assert_eq!(next.step(Event::Decide(&same_number, Choice::Approve)), decided, "one operation a number");
    let refused = ledger.step(Event::Decide(&operation, Choice::Refuse("no".into()))).unwrap().0;
    assert_eq!(refused.step(Event::Decide(&operation, Choice::Approve)), decided);
    assert_eq!(refused.step(start(&approved(&operation), &run_of(&operation))), Err(NotNow::NotApproved { number: 41 }));
}

#[test]
fn nothing_starts_that_was_not_approved_here() {
    let operation = call();
    let (approved, run) = (approved(&operation), run_of(&operation));
    let fresh = Ledger::new(&room(1), seat(0));
    assert_eq!(fresh.step(start(&approved, &run)), Err(NotNow::NotApproved { number: 41 }), "an old copy knows nothing of it");
    let other = Ledger { room: RoomId([8; 16]), ..Ledger::new(&room(1), seat(0)) };
    assert_eq!(other.step(start(&approved, &run)), Err(NotNow::OtherRoom));
    assert_eq!(other.step(Event::Decide(&operation, Choice::Approve)), Err(NotNow::OtherRoom));
    let late = Event::Start { approved: &approved, run: &run, now: operation.expiry };
    assert_eq!(approving(&operation, 0).step(late.clone()), Err(NotNow::Expired { number: 41 }));
    let (started, _) = approving(&operation, 0).step(start(&approved, &run)).unwrap();
    assert_eq!(started.step(late).unwrap().1, [Effect::Resume(run.digest())], "what has begun goes on");
    let wrong = Run { date: operation.expiry, ..run };
    assert_eq!(approving(&operation, 0).step(start(&approved, &wrong)), Err(NotNow::Run(BadRun::Date)));
}

#[test]
fn a_new_epoch_voids_approvals() {
    let operation = call();
    let (approved, run) = (approved(&operation), run_of(&operation));
    let (entered, effects) = approving(&operation, 0).step(Event::Enter(&room(2), seat(0))).unwrap();
    assert_eq!(effects, [Effect::Persist(entered.clone())]);
    assert_eq!(entered.step(start(&approved, &run)), Err(NotNow::OtherEpoch { operation: 1, room: 2 }));
    assert_eq!(entered.step(Event::Enter(&room(2), seat(0))), Err(NotNow::OldEpoch(2)));
    assert_eq!(entered.step(Event::Enter(&room(1), seat(0))), Err(NotNow::OldEpoch(2)));
    let other = Ledger { room: RoomId([8; 16]), ..entered.clone() };
    assert_eq!(other.step(Event::Enter(&room(3), seat(0))), Err(NotNow::OtherRoom));
    let next = Operation { epoch: 2, ..operation };
    assert!(entered.step(Event::Decide(&next, Choice::Approve)).is_ok(), "numbers of an earlier epoch are free");
}

/// Two of three, P1 corrupt: it shows each of the honest parties that all three have approved, and starts a run with each.
#[test]
fn one_approval_does_not_run_with_two_quorums() {
    let with_p2 = call(); // P1 and P2 take part
    let approved_2 = approved(&with_p2);
    let mut p3 = approving(&with_p2, 2);
    assert_eq!(p3.step(start(&approved_2, &run_of(&with_p2))), Err(NotNow::NotInQuorum), "P3 does not run what names P2");

    // P1 claims another quorum for the same approvals: the run is not one of that operation, and the operation another one.
    let run = Run { quorum: seats([0, 2]), ..run_of(&with_p2) };
    assert_eq!(approving(&with_p2, 1).step(start(&approved_2, &run)), Err(NotNow::Run(BadRun::Quorum)));
    let mut with_p3 = Operation { quorum: seats([0, 2]), ..with_p2.clone() };
    let crate::approve::operation::Body::Call(inner) = &mut with_p3.body else { panic!("it is a call") };
    inner.connector = seat(2);
    inner.response.audience = crate::approve::operation::Audience::All;
    assert_eq!(with_p3.check(), Ok(()));
    let mut gathering = Gathering::new(with_p3.clone());
    for signed in approved_2.statements() {
        let party = signed.statement.party;
        assert_eq!(gathering.add(signed.clone()), Err(BadStatement::OtherOperation { party }));
    }
    // What P3 has approved under this number it does not approve with another quorum.
    assert_eq!(p3.step(Event::Decide(&with_p3, Choice::Approve)), Err(NotNow::Decided { number: 41 }));
    assert_eq!(gathering.add(says(&with_p2, 2, Choice::Approve)), Err(BadStatement::OtherOperation { party: seat(2) }));

    // So of all ways to start, one runs.
    let mut runs = 0;
    for k in [1, 2] {
        for operation in [&with_p2, &with_p3] {
            let approved = approved(operation);
            runs += usize::from(approving(&with_p2, k).step(start(&approved, &run_of(operation))).is_ok());
        }
    }
    assert_eq!(runs, 1);
    p3 = p3.step(Event::Enter(&room(2), seat(2))).unwrap().0;
    assert!(p3.unfinished().next().is_none());
}

/// Whoever lists keys of its own as those of other members could approve in their names, or be enough with a lower threshold.
#[test]
fn an_operation_of_other_members_is_nobody_s_here() {
    let operation = call();
    let changes: [fn(&mut Operation); 3] =
        [|o| o.members[1] = cotenant_net::Identity::generate().unwrap().public(), |o| o.members.swap(1, 2), |o| o.threshold = 3];
    for change in changes {
        let mut other = refresh();
        change(&mut other);
        assert_eq!(other.check(), Ok(()), "of itself it is right");
        let ledger = Ledger::new(&room(1), seat(0));
        assert_eq!(ledger.step(Event::Decide(&other, Choice::Approve)), Err(NotNow::OtherMembers));
    }
    // Nor does one start that was approved in a room of others.
    let approved = approved(&operation);
    let other = Ledger { threshold: 3, ..approving(&operation, 0) };
    assert_eq!(other.step(start(&approved, &run_of(&operation))), Err(NotNow::OtherMembers));
}

#[test]
fn no_more_is_decided_than_can_be_read_back() {
    let mut ledger = Ledger::new(&room(1), seat(0));
    ledger.numbers = (100..).take(MAX_NUMBERS).map(|number| (number, State::Refused(Digest([1; 32])))).collect();
    assert_eq!(ledger.step(Event::Decide(&call(), Choice::Approve)), Err(NotNow::Full));
    ledger.numbers.pop_last();
    let (ledger, _) = ledger.step(Event::Decide(&call(), Choice::Approve)).unwrap();
    assert_eq!(Ledger::decode(&ledger.encode()), Ok(ledger));
}

#[test]
fn one_ledger_has_one_encoding() {
    let mut ledger = Ledger::new(&room(3), seat(1));
    let digests = [Digest([1; 32]), Digest([2; 32])];
    let states = [
        State::Refused(digests[0]),
        State::Approved(digests[0]),
        State::Spent(digests[0], digests[1]),
        State::Done(digests[1], digests[0]),
        State::Void(digests[1]),
    ];
    states.into_iter().zip([3, 5, 8, 9]).for_each(|(state, number)| ledger = ledger.with(number, state));
    one_value_one_encoding(&ledger.encode(), Ledger::encode, |bytes| Ledger::decode(bytes).ok());
    let restarted = Ledger::decode(&approving(&refresh(), 2).encode()).unwrap();
    assert_eq!(restarted, approving(&refresh(), 2));
}
