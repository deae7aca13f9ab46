//! Each property can fail: machines that are broken on purpose, and exactly the properties that notice.
//!
//! The whole world is visited even after a first failure, so the properties that are not named hold in all of it.

use cotenant_model::Machine;
use cotenant_model::broken;
use cotenant_model::properties::*;
use cotenant_model::world::Model;
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

#[test]
fn sends_before_it_persists() {
    fails(two(broken::SENDS_BEFORE_IT_PERSISTS), &[NEVER_BOTH, UNANIMOUS, LOADABLE, NO_STALE_LOAD]);
}

#[test]
fn signs_both() {
    fails(Model { machine: broken::SIGNS_BOTH, ..Model::new(1, 1) }, &[NEVER_BOTH]);
}

#[test]
fn votes_do_not_name_the_run() {
    fails(
        Model { attempts: 1, crashes: 2, runs: 2, ..two(broken::VOTES_DO_NOT_NAME_THE_RUN) },
        &[ONE_CONTENT, UNANIMOUS, CERTIFIED, LOADABLE, ERASED_LAST],
    );
}

#[test]
fn uses_a_round_twice() {
    fails(Model { attempts: 1, crashes: 2, runs: 2, ..two(broken::USES_A_ROUND_TWICE) }, &[SETTLES]);
}

#[test]
fn erases_before_all_have_committed() {
    fails(Model { crashes: 0, ..two(broken::ERASES_BEFORE_ALL_HAVE_COMMITTED) }, &[ERASED_LAST]);
}

#[test]
fn keeps_only_the_settled_share() {
    fails(two(broken::KEEPS_ONLY_THE_SETTLED_SHARE), &[LOADABLE, ERASED_LAST]);
}

#[test]
fn abandons_alone() {
    fails(Model { crashes: 0, ..two(broken::ABANDONS_ALONE) }, &[UNANIMOUS]);
}

#[test]
fn commits_with_all_but_one() {
    fails(Model { machine: broken::COMMITS_WITH_ALL_BUT_ONE, attempts: 1, ..Model::new(3, 0) }, &[UNANIMOUS, ERASED_LAST, NO_STALE_LOAD]);
}

#[test]
fn takes_votes_of_an_old_epoch() {
    fails(Model { machine: broken::TAKES_VOTES_OF_AN_OLD_EPOCH, attempts: 1, epochs: 2, ..Model::new(2, 0) }, &[CERTIFIED, UNANIMOUS]);
}

#[test]
fn keeps_a_wrong_proof() {
    fails(Model { machine: broken::KEEPS_A_WRONG_PROOF, attempts: 1, ..Model::new(2, 0) }, &[CERTIFIED]);
}

#[test]
fn goes_back() {
    fails(Model { machine: broken::GOES_BACK, attempts: 1, ..Model::new(1, 1) }, &[NO_WAY_BACK, LOADABLE, ERASED_LAST, NEVER_BOTH]);
}

#[test]
fn enters_alone() {
    fails(
        Model { machine: broken::ENTERS_ALONE, attempts: 1, epochs: 2, ..Model::new(2, 0) },
        &[UNANIMOUS, CERTIFIED, LOADABLE, NO_STALE_LOAD, SETTLES],
    );
}

/// All shares are needed, and one disk is lost.
#[test]
fn enters_with_too_few_shares() {
    let machine = broken::ENTERS_WITH_TOO_FEW_SHARES;
    fails(Model { machine, versions: 1, epochs: 2, losses: 1, ..Model::new(2, 0) }, &[LOADABLE]);
}

#[test]
fn destroys_all_where_it_lacks_some() {
    let model = Model { machine: broken::DESTROYS_ALL_WHERE_IT_LACKS_SOME, attempts: 1, epochs: 2, restores: 1, ..Model::new(2, 0) };
    fails(Model { threshold: 1, ..model }, &[ERASED_LAST]);
}

#[test]
fn loads_while_in_doubt() {
    fails(Model { crashes: 0, ..two(broken::LOADS_WHILE_IN_DOUBT) }, &[NO_STALE_LOAD]);
}

#[test]
fn signs_before_it_has_heard() {
    fails(two(broken::SIGNS_BEFORE_IT_HAS_HEARD), &[HEARS_FIRST]);
}

#[test]
fn gives_up_after_prepared() {
    fails(two(broken::GIVES_UP_AFTER_PREPARED), &[SETTLES, HEARS_FIRST]);
}

#[test]
fn withholds_what_it_knows() {
    fails(two(broken::WITHHOLDS_WHAT_IT_KNOWS), &[SETTLES]);
}

#[test]
fn ignores_its_own_votes() {
    fails(Model { machine: broken::IGNORES_ITS_OWN_VOTES, attempts: 1, restores: 1, ..Model::new(2, 0) }, &[OLD_IS_TOLD]);
}
