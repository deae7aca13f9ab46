//! The machine that ships holds every property in every state of these worlds. `cargo test -p cotenant-model --release -- --ignored` visits larger ones.
//!
//! Each world has something in every party's way: see [`cotenant_model::world`] for what may happen in all of them. Numbers of states are in
//! `docs/protocol/vault-commit.md`.

use cotenant_model::world::Model;
use stateright::{Checker, Model as _};

fn holds(model: Model) {
    let checker = model.checker().threads(1).spawn_bfs().join();
    println!("{} states, depth {}", checker.unique_state_count(), checker.max_depth());
    checker.assert_properties();
}

/// A world in which t of n shares make the secret, t one below n, so that one party can be replaced.
fn spare(model: Model) -> Model {
    Model { threshold: model.threshold - 1, ..model }
}

macro_rules! worlds {
    ($($(#[$attribute:meta])* $name:ident: $model:expr;)*) => {
        $($(#[$attribute])* #[test] fn $name() { holds($model); })*
    };
}

worlds! {
    two_crash_twice_over_two_runs: Model { crashes: 2, runs: 2, ..Model::new(2, 0) };
    two_crash_once_in_two_saves: Model { crashes: 1, versions: 3, ..Model::new(2, 0) };
    three: Model { attempts: 1, ..Model::new(3, 0) };
    one_against_a_liar: Model { crashes: 1, runs: 2, ..Model::new(1, 1) };
    two_against_a_liar: Model::new(2, 1);
    two_against_a_liar_over_two_runs: Model { attempts: 1, runs: 2, ..Model::new(2, 1) };
    one_against_two_liars: Model::new(1, 2);
    two_through_epochs: Model { attempts: 1, epochs: 3, ..Model::new(2, 0) };
    an_old_copy: Model { attempts: 1, restores: 1, ..Model::new(2, 0) };
    an_old_copy_and_a_new_epoch: spare(Model { attempts: 1, epochs: 2, restores: 1, ..Model::new(2, 0) });
    an_old_copy_whose_shares_are_needed: Model { attempts: 1, epochs: 2, restores: 1, ..Model::new(2, 0) };
    three_enter_without_a_share: spare(Model { versions: 1, epochs: 2, losses: 1, ..Model::new(3, 0) });
    a_lost_disk_and_a_new_epoch: spare(Model { attempts: 1, epochs: 2, losses: 1, ..Model::new(2, 0) });

    #[ignore = "minutes"] large_two_crash_three_times: Model { crashes: 3, runs: 2, ..Model::new(2, 0) };
    #[ignore = "minutes"] large_three_two_attempts: Model::new(3, 0);
    #[ignore = "minutes"] large_three_crash: Model { attempts: 1, crashes: 1, ..Model::new(3, 0) };
    #[ignore = "minutes"] large_two_against_a_liar_crash: Model { crashes: 1, ..Model::new(2, 1) };
    #[ignore = "minutes"] large_two_against_a_liar_two_runs: Model { attempts: 1, runs: 2, crashes: 1, ..Model::new(2, 1) };
    #[ignore = "minutes"] large_two_against_a_liar_two_saves: Model { attempts: 1, versions: 3, ..Model::new(2, 1) };
    #[ignore = "minutes"] large_two_against_a_liar_an_old_copy: Model { attempts: 1, restores: 1, ..Model::new(2, 1) };
    #[ignore = "minutes"] large_two_against_a_liar_epochs: Model { attempts: 1, epochs: 2, ..Model::new(2, 1) };
    #[ignore = "minutes"] large_one_against_three_liars: Model { attempts: 1, crashes: 1, ..Model::new(1, 3) };
}
