//! One party's part, step by step. That all parties' parts fit together is checked by `testing/model`.

use super::statement::{Closing, Entry, Parties, Round, Statement, Version, Vote, Votes};
use super::{Effect, Event, Record, Refusal, Report, State, step};
use cotenant_core::PartyId;

const ME: PartyId = PartyId::EVALUATOR;
const V1: Version<u8> = Version { number: 1, run: 7 };

fn party(seat: usize) -> PartyId {
    PartyId::new(seat)
}

fn round(attempt: u32) -> Round {
    Round { epoch: 1, version: 2, attempt }
}

fn by(seat: usize, vote: Vote<u8>) -> Event<u8> {
    Event::Heard(Statement { signer: party(seat), vote })
}

/// P1 of three at version 1, synced.
fn member() -> State<u8> {
    let record = Record { settled: Some(V1), holds: true, ..Record::founder(ME, Parties::first(3)) };
    State { synced: Parties::first(3), ..State::restart(record).0 }
}

/// Takes all steps; the effects of the last.
fn after(state: State<u8>, events: &[Event<u8>]) -> (State<u8>, Vec<Effect<u8>>) {
    events.iter().fold((state, Vec::new()), |(state, _), event| step(state, *event))
}

fn entry(epoch: u32, base: Version<u8>, lacking: &[usize]) -> Entry<u8> {
    let lacking = lacking.iter().map(|&seat| party(seat)).collect();
    Entry { epoch, members: Parties::first(3), threshold: 2, base: Some(base), lacking }
}

#[test]
fn a_save_persists_then_sends_then_erases() {
    let (state, effects) = after(member(), &[Event::Begin(9)]);
    assert_eq!(effects, [Effect::Persist(state.record.clone()), Effect::Run(round(1), 9)]);
    let (state, effects) = after(state, &[Event::Verified(9)]);
    assert_eq!(effects, [Effect::Persist(state.record.clone()), Effect::Send(Vote::Prepared(round(1), 9))]);
    let (state, effects) = after(state, &[by(1, Vote::Prepared(round(1), 9)), by(2, Vote::Prepared(round(1), 9))]);
    assert_eq!(effects, [Effect::Persist(state.record.clone()), Effect::Send(Vote::Committed(round(1), 9))]);
    assert_eq!(state.record.loadable(), None, "another may have settled the new version and use it");
    let (state, effects) = after(state, &[by(1, Vote::Committed(round(1), 9)), by(2, Vote::Committed(round(1), 9))]);
    let new = Version { number: 2, run: 9 };
    assert_eq!(effects, [Effect::Persist(state.record.clone()), Effect::EraseAllBut(vec![new])]);
    assert_eq!((state.record.loadable(), state.record.proof.len()), (Some(new), 3));
}

#[test]
fn a_failed_run_is_given_up_by_all_before_the_next() {
    let (state, effects) = after(member(), &[Event::Begin(9), Event::Failed(9)]);
    assert_eq!(effects, [Effect::Persist(state.record.clone()), Effect::Send(Vote::Abandoned(round(1)))]);
    assert_eq!(state.may_begin(), Err(Refusal::InDoubt));
    let (state, _) = after(state, &[by(1, Vote::Abandoned(round(1)))]);
    assert_eq!(state.may_begin(), Err(Refusal::InDoubt));
    let (state, _) = after(state, &[by(2, Vote::Abandoned(round(1)))]);
    assert_eq!(state.may_begin(), Ok(round(2)));
}

#[test]
fn another_that_gives_up_stops_the_run_first() {
    let (state, effects) = after(member(), &[Event::Begin(9), by(2, Vote::Abandoned(round(1)))]);
    let expected = [Effect::Stop(9), Effect::Persist(state.record.clone()), Effect::Send(Vote::Abandoned(round(1)))];
    assert_eq!(effects, expected);
    let (_, effects) = after(state, &[Event::Verified(9)]);
    assert_eq!(effects, [Effect::EraseAllBut(vec![V1])], "a share that came too late is destroyed");
}

#[test]
fn a_prepared_party_gives_up_only_after_another() {
    let prepared = after(member(), &[Event::Begin(9), Event::Verified(9)]).0;
    let (state, effects) = State::restart(prepared.record.clone());
    assert_eq!(effects, [Effect::EraseAllBut(vec![V1, Version { number: 2, run: 9 }])]);
    let (state, effects) = after(state, &[Event::Synced(party(1)), Event::Synced(party(2)), Event::Failed(9)]);
    assert_eq!((state.record, effects), (prepared.record.clone(), vec![]));
    let (_, effects) = after(prepared, &[by(2, Vote::Abandoned(round(1)))]);
    assert!(effects.contains(&Effect::Send(Vote::Abandoned(round(1)))));
}

#[test]
fn a_certificate_binds_even_after_someone_gave_up() {
    let events = [Event::Begin(9), Event::Verified(9), by(1, Vote::Prepared(round(1), 9)), by(2, Vote::Prepared(round(1), 9))];
    let (_, effects) = after(member(), &events);
    assert!(effects.contains(&Effect::Send(Vote::Committed(round(1), 9))));
    let (state, effects) = after(after(member(), &events).0, &[by(2, Vote::Abandoned(round(1)))]);
    assert_eq!((state.record.votes_of(ME).closing, effects), (Some(Closing::Committed(9)), vec![]));
}

/// P3 keeps the PREPARED of the first attempt and shows them with its own when the second is under way.
#[test]
fn a_certificate_of_an_earlier_attempt_is_nothing() {
    let given_up = [Event::Begin(9), Event::Verified(9), by(1, Vote::Abandoned(round(1))), by(2, Vote::Abandoned(round(1)))];
    let (state, _) = after(after(member(), &given_up).0, &[Event::Begin(10), Event::Verified(10)]);
    for run in [9, 10] {
        let stale = [by(1, Vote::Prepared(round(1), run)), by(2, Vote::Prepared(round(1), run)), by(1, Vote::Committed(round(1), run))];
        assert_eq!(after(state.clone(), &stale), (state.clone(), vec![]));
    }
    let other_version = Round { version: 3, ..round(2) };
    let other_epoch = Round { epoch: 2, ..round(2) };
    for round in [other_version, other_epoch] {
        assert_eq!(after(state.clone(), &[by(1, Vote::Prepared(round, 10))]), (state.clone(), vec![]));
    }
    let other_run = [by(1, Vote::Prepared(round(2), 9)), by(2, Vote::Prepared(round(2), 10))];
    assert_eq!(after(state, &other_run).0.record.votes_of(ME).closing, None);
}

#[test]
fn an_outsider_has_no_vote() {
    let state = member();
    assert_eq!(after(state.clone(), &[by(3, Vote::Abandoned(round(1)))]), (state, vec![]));
}

#[test]
fn two_faces_are_shown() {
    let pairs = [
        (Vote::Prepared(round(1), 9), Vote::Prepared(round(1), 8)),
        (Vote::Prepared(round(1), 9), Vote::Committed(round(1), 8)),
        (Vote::Committed(round(1), 9), Vote::Abandoned(round(1))),
        (Vote::Abandoned(round(1)), Vote::Committed(round(1), 9)),
        (Vote::Committed(round(1), 9), Vote::Committed(round(1), 8)),
        (Vote::Committed(round(1), 9), Vote::Prepared(round(1), 8)),
        (Vote::Entered(entry(2, V1, &[])), Vote::Entered(entry(2, V1, &[0]))),
    ];
    for (one, other) in pairs {
        let (_, effects) = after(member(), &[by(1, one), by(1, other)]);
        assert_eq!(effects, [Effect::Report(Report::Equivocation(party(1), one, other))]);
        assert!(!one.agrees(&other));
    }
    assert!(Vote::Prepared(round(1), 9).agrees(&Vote::Abandoned(round(1))), "who prepared may give up after another");
    assert!(Vote::Committed(round(1), 9).agrees(&Vote::Abandoned(round(2))));
}

#[test]
fn nothing_is_signed_before_all_have_told() {
    let (state, _) = State::restart(member().record);
    let (state, _) = after(state, &[Event::Synced(party(2))]);
    assert_eq!(state.may_begin(), Err(Refusal::NotSynced(Parties::NONE.with(party(1)))));
    let (state, effects) = after(state, &[by(2, Vote::Abandoned(round(1)))]);
    assert_eq!(effects, [], "what is due waits");
    let (_, effects) = after(state, &[Event::Synced(party(1))]);
    assert!(effects.contains(&Effect::Send(Vote::Abandoned(round(1)))));
}

#[test]
fn a_run_lost_in_a_crash_is_given_up() {
    let begun = after(member(), &[Event::Begin(9)]).0;
    let (state, _) = State::restart(begun.record);
    let (_, effects) = after(state, &[Event::Synced(party(1)), Event::Synced(party(2))]);
    assert!(effects.contains(&Effect::Send(Vote::Abandoned(round(1)))));
}

#[test]
fn an_old_copy_is_told_by_its_own_votes() {
    let own = [
        Vote::Prepared(round(1), 9),
        Vote::Committed(round(1), 9),
        Vote::Abandoned(round(1)),
        Vote::Abandoned(round(2)),
        Vote::Prepared(Round { version: 3, ..round(1) }, 9),
        Vote::Entered(entry(2, V1, &[])),
    ];
    for vote in own {
        let (state, effects) = after(member(), &[by(0, vote)]);
        assert_eq!(effects, [Effect::Persist(state.record.clone()), Effect::Report(Report::Old(vote))]);
        assert_eq!((state.may_begin(), state.record.loadable()), (Err(Refusal::Old), None));
        let (_, effects) = after(state, &[by(1, Vote::Abandoned(round(1)))]);
        assert_eq!(effects, [], "it signs nothing more");
    }
    let past = Vote::Committed(Round { version: 1, ..round(4) }, 3);
    assert_eq!(after(member(), &[by(0, past)]), (member(), vec![]));
}

#[test]
fn a_new_epoch_begins_where_all_say() {
    let (state, effects) = after(member(), &[Event::Enter(entry(2, V1, &[1]))]);
    assert_eq!(effects, [Effect::Persist(state.record.clone()), Effect::Send(Vote::Entered(entry(2, V1, &[1])))]);
    assert_eq!((state.may_begin(), state.record.loadable()), (Err(Refusal::Entering(2)), None));
    let others = [by(1, Vote::Entered(entry(2, V1, &[1]))), by(2, Vote::Entered(entry(2, V1, &[])))];
    assert_eq!(after(state.clone(), &others).0.record.epoch, 1, "two different entries are none");
    let others = [by(1, Vote::Entered(entry(2, V1, &[1]))), by(2, Vote::Entered(entry(2, V1, &[1])))];
    let (state, _) = after(state, &others);
    assert_eq!(state.may_begin(), Ok(Round { epoch: 2, version: 2, attempt: 1 }));
    assert_eq!(after(state.clone(), &[by(1, Vote::Abandoned(round(1)))]), (state, vec![]), "votes of the old epoch are nothing");
}

#[test]
fn a_newcomer_enters_without_a_share() {
    let (state, _) = State::restart(Record::newcomer(party(1)));
    let synced = [Event::Synced(ME), Event::Synced(party(2))];
    let enter = [Event::Enter(entry(2, V1, &[1])), by(0, Vote::Entered(entry(2, V1, &[1]))), by(2, Vote::Entered(entry(2, V1, &[1])))];
    let (state, _) = after(after(state, &synced).0, &enter);
    assert_eq!((state.record.settled, state.record.loadable()), (Some(V1), None));
    assert_eq!(state.may_begin(), Ok(Round { epoch: 2, version: 2, attempt: 1 }));
}

/// What the last saves have not written may be there: it is destroyed only with a later version.
#[test]
fn what_the_base_names_is_kept_by_who_lacks_some() {
    let enter = |entry: Entry<u8>| [Event::Enter(entry), by(1, Vote::Entered(entry)), by(2, Vote::Entered(entry))];
    let (state, effects) = after(member(), &enter(entry(2, V1, &[0])));
    assert_eq!((state.record.loadable(), effects.last()), (None, Some(&Effect::EraseAllBut(vec![V1]))));
    let again = after(state, &enter(entry(3, V1, &[]))).0;
    assert_eq!(again.record.loadable(), Some(V1), "it has said that it has all");
}

/// A whole record lacks no version that can be settled; an old copy takes one from others, and does not guard it before all have entered.
#[test]
fn only_an_old_copy_takes_a_version_from_others() {
    let v2 = Version { number: 2, run: 9 };
    assert_eq!(member().may_enter(&entry(2, v2, &[0])), Err(Refusal::Base));
    let (old, _) = after(member(), &[by(0, Vote::Committed(round(1), 9))]);
    for lacking in [&[][..], &[0]] {
        let (state, _) = after(old.clone(), &[Event::Enter(entry(2, v2, lacking))]);
        assert_eq!((state.record.entering(), state.record.insists()), (Some(entry(2, v2, lacking)), Some(V1)));
        assert_eq!(state.may_enter(&entry(3, V1, &[])), Ok(()));
    }
}

#[test]
fn wrong_entries_are_refused() {
    let committed = [Event::Begin(9), Event::Verified(9), by(1, Vote::Prepared(round(1), 9)), by(2, Vote::Prepared(round(1), 9))];
    let committed = after(member(), &committed).0;
    let prepared = after(member(), &[Event::Begin(9), Event::Verified(9)]).0;
    let v2 = Version { number: 2, run: 9 };
    let cases = [
        (member(), entry(1, V1, &[]), Refusal::EpochNotNew),
        (member(), Entry { members: Parties::NONE.with(party(1)), ..entry(2, V1, &[]) }, Refusal::Members),
        (member(), entry(2, V1, &[3]), Refusal::Members),
        (member(), entry(2, V1, &[1, 2]), Refusal::TooFewShares),
        (State { synced: Parties::NONE, ..member() }, entry(2, V1, &[]), Refusal::NotSynced([party(1), party(2)].into_iter().collect())),
        (member(), Entry { base: None, ..entry(2, V1, &[]) }, Refusal::Base),
        (member(), entry(2, Version { run: 8, ..V1 }, &[]), Refusal::Base),
        (member(), entry(2, v2, &[]), Refusal::Base),
        (committed.clone(), entry(2, V1, &[]), Refusal::Base),
        (prepared.clone(), entry(2, v2, &[]), Refusal::Base),
    ];
    for (state, entry, why) in cases {
        assert_eq!(after(state.clone(), &[Event::Enter(entry)]), (state, vec![Effect::Report(Report::Refused(why))]));
    }
    assert_eq!(committed.may_enter(&entry(2, v2, &[])), Ok(()));
    assert_eq!(prepared.may_enter(&entry(2, V1, &[])), Ok(()));
    let entered = after(committed, &[Event::Enter(entry(2, v2, &[]))]).0;
    assert_eq!(entered.may_enter(&entry(3, V1, &[])), Err(Refusal::Base), "an entry binds the next");
}

/// P2 may lie when it says that it has committed: then nobody else may have the share, and who entered with it could not go back.
#[test]
fn an_epoch_begins_with_a_pending_version_only_if_all_have_it() {
    let enter = entry(2, Version { number: 2, run: 9 }, &[]);
    let (prepared, _) = after(member(), &[Event::Begin(9), Event::Verified(9), by(1, Vote::Committed(round(1), 9))]);
    assert_eq!(prepared.may_enter(&enter), Err(Refusal::Base));
    let (given_up, _) = after(member(), &[Event::Begin(9), Event::Verified(9), by(2, Vote::Abandoned(round(1)))]);
    let (given_up, _) = after(given_up, &[by(1, Vote::Prepared(round(1), 9)), by(2, Vote::Prepared(round(1), 9))]);
    assert_eq!(given_up.may_enter(&enter), Err(Refusal::Base), "nobody has committed, so all can go on from the version before");
    let (state, _) = after(given_up, &[by(1, Vote::Committed(round(1), 9))]);
    assert_eq!((state.may_enter(&enter), state.record.insists()), (Ok(()), Some(V1)));
    let (state, _) = after(state, &[Event::Enter(enter)]);
    assert_eq!(state.record.insists(), enter.base, "what was entered is insisted on");
}

/// It holds nothing that others could go on from; if nobody has the version, the next entry must be able to name an earlier one.
#[test]
fn who_enters_without_a_share_does_not_insist_on_the_version() {
    let (state, _) = State::restart(Record::newcomer(party(1)));
    let without = entry(2, Version { number: 2, run: 9 }, &[1]);
    let (state, _) = after(state, &[Event::Synced(ME), Event::Synced(party(2)), Event::Enter(without)]);
    assert_eq!((state.record.entering(), state.record.insists()), (Some(without), None));
    assert_eq!(state.may_enter(&entry(3, V1, &[1])), Ok(()));
}

#[test]
fn a_second_prepared_does_not_hide_the_first() {
    let prepared = after(member(), &[Event::Begin(9), Event::Verified(9), by(1, Vote::Prepared(round(1), 8))]).0;
    let (state, effects) = after(prepared, &[by(1, Vote::Prepared(round(1), 9))]);
    assert_eq!(effects, [Effect::Report(Report::Equivocation(party(1), Vote::Prepared(round(1), 8), Vote::Prepared(round(1), 9)))]);
    let (_, effects) = after(state, &[by(1, Vote::Prepared(round(1), 8)), by(2, Vote::Prepared(round(1), 9))]);
    assert!(effects.contains(&Effect::Send(Vote::Committed(round(1), 9))), "all have prepared this party's run");
}

/// Whoever commits can show PREPARED of all to one that has given up.
#[test]
fn committed_does_not_stand_for_prepared() {
    let events = [Event::Begin(9), Event::Verified(9), by(1, Vote::Committed(round(1), 9)), by(2, Vote::Prepared(round(1), 9))];
    let (state, _) = after(member(), &events);
    assert_eq!(state.record.votes_of(ME).closing, None);
    let (state, _) = after(state, &[by(1, Vote::Prepared(round(1), 9))]);
    assert_eq!(state.record.votes_of(ME).closing, Some(Closing::Committed(9)));
}

#[test]
fn what_is_told_brings_a_laggard_along() {
    let votes = |vote| [by(1, vote), by(2, vote)];
    let begun = after(member(), &[Event::Begin(9), Event::Verified(9)]).0;
    let committed = after(begun, &votes(Vote::Prepared(round(1), 9))).0;
    let settled = after(committed.clone(), &votes(Vote::Committed(round(1), 9))).0;
    let told: Vec<_> = settled.record.tell().into_iter().map(Event::Heard).collect();
    assert_eq!(after(committed, &told).0.record, settled.record);
}

#[test]
fn parties_are_a_set() {
    let two: Parties = [party(63), party(0), party(63)].into_iter().collect();
    assert_eq!((two.len(), two.iter().collect::<Vec<_>>()), (2, vec![party(0), party(63)]));
    assert!(!two.contains(party(64)) && !two.contains(party(1)) && two.without(two).is_empty());
    assert_eq!(Votes::<u8>::NONE.list(round(1)).count(), 0);
}
