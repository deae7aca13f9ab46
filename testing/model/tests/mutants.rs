//! Each property can fail: machines that are broken on purpose, and exactly the properties that notice.
//!
//! A broken machine is the one that ships with something done to what goes in or comes out. The whole world is visited even after a first failure, so
//! the properties that are not named hold in all of it.

use cotenant_agent::vault::commit::statement::{Closing, Statement, Version, Vote};
use cotenant_agent::vault::commit::{Effect, Event, Record, State};
use cotenant_model::properties::*;
use cotenant_model::world::{FIRST, Model};
use cotenant_model::{Machine, REAL, Run, Stepped};
use stateright::{Checker, HasDiscoveries, Model as _};
use std::collections::BTreeSet;

/// Visits all of `model` and compares which properties fail.
fn fails(model: Model, expected: &[&str]) {
    let checker = model.checker().threads(2).finish_when(HasDiscoveries::AllOf(ALL.into())).spawn_bfs().join();
    let failed: BTreeSet<&str> = checker.discoveries().into_keys().filter(|name| ALL.contains(name)).collect();
    println!("{} states", checker.unique_state_count());
    assert_eq!(failed, expected.iter().copied().collect());
}

/// Two honest parties, one of them may crash once.
fn two(machine: Machine) -> Model {
    Model { machine, crashes: 1, ..Model::new(2, 0) }
}

/// The vote is sent first and written down afterwards.
#[test]
fn sends_before_it_persists() {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let (state, mut effects) = (REAL.step)(state, event);
        effects.sort_by_key(|effect| !matches!(effect, Effect::Send(_)));
        (state, effects)
    }
    fails(two(Machine { step, ..REAL }), &[NEVER_BOTH, UNANIMOUS, LOADABLE, NO_STALE_LOAD]);
}

/// ABANDONED on top of COMMITTED when another asks for it.
#[test]
fn signs_both() {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let committed = matches!(state.record.votes_of(state.record.me).closing, Some(Closing::Committed(_)));
        let (state, mut effects) = (REAL.step)(state, event);
        if let (true, Event::Heard(Statement { vote: vote @ Vote::Abandoned(round), .. })) = (committed, event)
            && round == state.record.round()
        {
            effects.push(Effect::Send(vote));
        }
        (state, effects)
    }
    fails(Model { machine: Machine { step, ..REAL }, ..Model::new(1, 1) }, &[NEVER_BOTH]);
}

/// The run that was begun is forgotten in a crash, so that the same round is used for a second one; and votes for any run are taken for this one's.
#[test]
fn votes_do_not_name_the_run() {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let mine = state.record.started;
        let event = match (event, mine) {
            (Event::Heard(Statement { signer, vote: Vote::Prepared(round, _) }), Some(run)) => {
                Event::Heard(Statement { signer, vote: Vote::Prepared(round, run) })
            }
            (Event::Heard(Statement { signer, vote: Vote::Committed(round, _) }), Some(run)) => {
                Event::Heard(Statement { signer, vote: Vote::Committed(round, run) })
            }
            (event, _) => event,
        };
        (REAL.step)(state, event)
    }
    let machine = Machine { step, restart: forgets_the_run, ..REAL };
    fails(Model { attempts: 1, crashes: 2, runs: 2, ..two(machine) }, &[ONE_CONTENT, UNANIMOUS, CERTIFIED, LOADABLE, ERASED_LAST]);
}

fn forgets_the_run(record: Record<Run>) -> Stepped {
    (REAL.restart)(Record { started: None, ..record })
}

/// Only that: two parties prepare different runs of one round and neither can ever leave it.
#[test]
fn uses_a_round_twice() {
    let machine = Machine { restart: forgets_the_run, ..REAL };
    fails(Model { attempts: 1, crashes: 2, runs: 2, ..two(machine) }, &[SETTLES]);
}

/// The old share goes when COMMITTED is signed.
#[test]
fn erases_before_all_have_committed() {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let (state, mut effects) = (REAL.step)(state, event);
        let committed = effects.iter().any(|effect| matches!(effect, Effect::Send(Vote::Committed(..))));
        effects.extend(state.record.pending().filter(|_| committed).map(|new| Effect::EraseAllBut(vec![new])));
        (state, effects)
    }
    fails(Model { crashes: 0, ..two(Machine { step, ..REAL }) }, &[ERASED_LAST]);
}

/// The new share, though PREPARED was signed for it, does not outlive a crash.
#[test]
fn keeps_only_the_settled_share() {
    fn restart(record: Record<Run>) -> Stepped {
        let settled = record.settled.into_iter().collect();
        let (state, _) = (REAL.restart)(record);
        (state, vec![Effect::EraseAllBut(settled)])
    }
    fails(two(Machine { restart, ..REAL }), &[LOADABLE, ERASED_LAST]);
}

/// A party that has given up goes on without the others.
#[test]
fn abandons_alone() {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let (mut state, mut effects) = (REAL.step)(state, event);
        if state.record.votes_of(state.record.me).closing == Some(Closing::Abandoned) {
            state.record.votes.clear();
            state.record.started = None;
            state.record.attempt += 1;
            effects.push(Effect::Persist(state.record.clone()));
        }
        (state, effects)
    }
    fails(Model { crashes: 0, ..two(Machine { step, ..REAL }) }, &[UNANIMOUS]);
}

/// One certificate fewer than members is enough.
#[test]
fn commits_with_all_but_one() {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let (mut state, effects) = (REAL.step)(state, event);
        let record = &state.record;
        let closing = record.votes_of(record.me).closing;
        let equal = record.members.iter().filter(|&party| record.votes_of(party).closing == closing).count();
        if let (Some(Closing::Committed(run)), true) = (closing, equal + 1 == record.members.len()) {
            let settled = Some(Version { number: record.round().version, run });
            state.record = Record { settled, votes: Default::default(), started: None, attempt: 1, ..state.record };
            let kept = Effect::EraseAllBut(state.record.kept());
            let more = [Effect::Persist(state.record.clone()), kept];
            return (state, effects.into_iter().chain(more).collect());
        }
        (state, effects)
    }
    let machine = Machine { step, ..REAL };
    fails(Model { machine, attempts: 1, ..Model::new(3, 0) }, &[UNANIMOUS, ERASED_LAST, NO_STALE_LOAD]);
}

/// Votes of an earlier epoch count in this one.
#[test]
fn takes_votes_of_an_old_epoch() {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let epoch = state.record.epoch;
        let event = match event {
            Event::Heard(Statement { signer, vote: Vote::Abandoned(mut round) }) if signer != state.record.me && round.epoch < epoch => {
                round.epoch = epoch;
                Event::Heard(Statement { signer, vote: Vote::Abandoned(round) })
            }
            event => event,
        };
        (REAL.step)(state, event)
    }
    let machine = Machine { step, ..REAL };
    fails(Model { machine, attempts: 1, epochs: 2, ..Model::new(2, 0) }, &[CERTIFIED, UNANIMOUS]);
}

/// It writes down another certificate than the one that it saw.
#[test]
fn keeps_a_wrong_proof() {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let (mut state, effects) = (REAL.step)(state, event);
        for statement in &mut state.record.proof {
            if let Vote::Committed(round, _) = &mut statement.vote {
                round.attempt = 2;
            }
        }
        let persisted = |effect| if let Effect::Persist(_) = effect { Effect::Persist(state.record.clone()) } else { effect };
        let effects = effects.into_iter().map(persisted).collect();
        (state, effects)
    }
    fails(Model { machine: Machine { step, ..REAL }, attempts: 1, ..Model::new(2, 0) }, &[CERTIFIED]);
}

/// ABANDONED of a round that was left by commitment takes it back.
#[test]
fn goes_back() {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let settled = state.record.settled.map(|settled| settled.number);
        if let Event::Heard(Statement { vote: Vote::Abandoned(round), .. }) = event
            && Some(round.version) == settled
        {
            let mut state = state;
            state.record.settled = Some(FIRST);
            let effects = vec![Effect::Persist(state.record.clone())];
            return (state, effects);
        }
        (REAL.step)(state, event)
    }
    fails(Model { machine: Machine { step, ..REAL }, attempts: 1, ..Model::new(1, 1) }, &[NO_WAY_BACK, LOADABLE, ERASED_LAST, NEVER_BOTH]);
}

/// An epoch is entered without the others.
#[test]
fn enters_alone() {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        let (mut state, mut effects) = (REAL.step)(state, event);
        if let Some(entry) = state.record.entering() {
            state.record = Record { epoch: entry.epoch, settled: entry.base, attempt: 1, started: None, ..state.record };
            state.record.votes.clear();
            state.record.entries.clear();
            effects.push(Effect::Persist(state.record.clone()));
        }
        (state, effects)
    }
    let machine = Machine { step, ..REAL };
    fails(Model { machine, attempts: 1, epochs: 2, ..Model::new(2, 0) }, &[UNANIMOUS, CERTIFIED, LOADABLE, NO_STALE_LOAD, SETTLES]);
}

/// The old version is still given out after COMMITTED was signed for the new one.
#[test]
fn loads_while_in_doubt() {
    let machine = Machine { loadable: |record| record.settled, ..REAL };
    fails(Model { crashes: 0, ..two(machine) }, &[NO_STALE_LOAD]);
}

/// A party that comes up does not wait for what others know.
#[test]
fn signs_before_it_has_heard() {
    fn restart(record: Record<Run>) -> Stepped {
        let members = record.members;
        let (state, effects) = (REAL.restart)(record);
        (State { synced: members, ..state }, effects)
    }
    fails(two(Machine { restart, ..REAL }), &[HEARS_FIRST]);
}

/// A party that has prepared gives up by itself when it comes up.
#[test]
fn gives_up_after_prepared() {
    fn restart(mut record: Record<Run>) -> Stepped {
        let (me, round) = (record.me, record.round());
        let vote = Vote::Abandoned(round);
        if let Some(votes) = record.votes.get_mut(&me).filter(|votes| votes.closing.is_none()) {
            votes.closing = Some(Closing::Abandoned);
            let (state, mut effects) = (REAL.restart)(record);
            effects.splice(0..0, [Effect::Persist(state.record.clone()), Effect::Send(vote)]);
            return (state, effects);
        }
        (REAL.restart)(record)
    }
    fails(two(Machine { restart, ..REAL }), &[SETTLES, HEARS_FIRST]);
}

/// The certificate that led to a round is not passed on.
#[test]
fn withholds_what_it_knows() {
    let machine = Machine { tell: |record| Record { proof: Vec::new(), ..record.clone() }.tell(), ..REAL };
    fails(two(machine), &[SETTLES]);
}

/// Its own votes do not tell a party that its record is old.
#[test]
fn ignores_its_own_votes() {
    fn step(state: State<Run>, event: Event<Run>) -> Stepped {
        match event {
            Event::Heard(statement) if statement.signer == state.record.me => (state, Vec::new()),
            event => (REAL.step)(state, event),
        }
    }
    let machine = Machine { step, ..REAL };
    fails(Model { machine, attempts: 1, restores: 1, ..Model::new(2, 0) }, &[OLD_IS_TOLD]);
}
