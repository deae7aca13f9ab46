//! The machine that ships holds every property in every state of these worlds. `cargo test -p cotenant-model --release -- --ignored` visits larger ones.
//!
//! Each world has something in every party's way: see [`cotenant_model::world`] for what may happen in all of them. Numbers of states are
//! also in `docs/protocol/vault-commit.md`.

use cotenant_model::world::Model;
use stateright::{Checker, Model as _};

/// It has so many states that another number says that the machine or the model has changed, and with it what was checked.
fn holds(model: Model, states: usize) {
    let checker = model.checker().threads(1).spawn_bfs().join();
    checker.assert_properties();
    assert_eq!(checker.unique_state_count(), states);
}

/// A world in which t of n shares make the secret, t one below n, so that one party can be replaced.
fn spare(model: Model) -> Model {
    Model { threshold: model.threshold - 1, ..model }
}

macro_rules! worlds {
    ($($(#[$attribute:meta])* $name:ident, $states:literal: $model:expr;)*) => {
        $($(#[$attribute])* #[test] fn $name() { holds($model, $states); })*
    };
}

worlds! {
    two_crash_twice_over_two_runs, 43_381: Model { crashes: 2, runs: 2, ..Model::new(2, 0) };
    two_crash_once_in_two_saves, 17_853: Model { crashes: 1, versions: 3, ..Model::new(2, 0) };
    three, 8_500: Model { attempts: 1, ..Model::new(3, 0) };
    one_against_a_liar, 4_863: Model { crashes: 1, runs: 2, ..Model::new(1, 1) };
    two_against_a_liar, 71_317: Model::new(2, 1);
    two_against_a_liar_over_two_runs, 93_315: Model { attempts: 1, runs: 2, ..Model::new(2, 1) };
    one_against_two_liars, 1_545: Model::new(1, 2);
    two_through_epochs, 120_103: Model { attempts: 1, epochs: 3, ..Model::new(2, 0) };
    an_old_copy, 1_067: Model { attempts: 1, restores: 1, ..Model::new(2, 0) };
    an_old_copy_and_a_new_epoch, 305_646: spare(Model { attempts: 1, epochs: 2, restores: 1, ..Model::new(2, 0) });
    an_old_copy_whose_shares_are_needed, 231_821: Model { attempts: 1, epochs: 2, restores: 1, ..Model::new(2, 0) };
    three_enter_without_a_share, 46_742: spare(Model { versions: 1, epochs: 2, losses: 1, ..Model::new(3, 0) });
    a_lost_disk_and_a_new_epoch, 27_742: spare(Model { attempts: 1, epochs: 2, losses: 1, ..Model::new(2, 0) });

    #[ignore = "minutes"] large_two_crash_three_times, 86_363: Model { crashes: 3, runs: 2, ..Model::new(2, 0) };
    #[ignore = "minutes"] large_three_two_attempts, 128_434: Model::new(3, 0);
    #[ignore = "minutes"] large_three_crash, 151_084: Model { attempts: 1, crashes: 1, ..Model::new(3, 0) };
    #[ignore = "minutes"] large_two_against_a_liar_crash, 1_154_291: Model { crashes: 1, ..Model::new(2, 1) };
    #[ignore = "minutes"] large_two_against_a_liar_two_runs, 1_438_111: Model { attempts: 1, runs: 2, crashes: 1, ..Model::new(2, 1) };
    #[ignore = "minutes"] large_two_against_a_liar_two_saves, 15_139: Model { attempts: 1, versions: 3, ..Model::new(2, 1) };
    #[ignore = "minutes"] large_two_against_a_liar_an_old_copy, 459_993: Model { attempts: 1, restores: 1, ..Model::new(2, 1) };
    #[ignore = "minutes"] large_two_against_a_liar_epochs, 5_596_175: Model { attempts: 1, epochs: 2, ..Model::new(2, 1) };
    #[ignore = "minutes"] large_one_against_three_liars, 120_130: Model { attempts: 1, crashes: 1, ..Model::new(1, 3) };
}
