//! The machine that ships holds every property in every state of these worlds.

use cotenant_model::world::Model;
use stateright::{Checker, Model as _};
use std::time::Instant;

fn check(name: &str, model: Model) {
    let start = Instant::now();
    let checker = model.checker().threads(2).spawn_bfs().join();
    println!("{name}: {} states, depth {}, {:.1} s", checker.unique_state_count(), checker.max_depth(), start.elapsed().as_secs_f64());
    checker.assert_properties();
}

#[test]
fn all() {
    let t2 = |m: Model| Model { threshold: m.threshold - 1, ..m };
    check("2 epochs", Model { attempts: 1, epochs: 2, ..Model::new(2, 0) });
    check("2 epochs3", Model { attempts: 1, epochs: 3, ..Model::new(2, 0) });
    check("2 restore", Model { attempts: 1, restores: 1, ..Model::new(2, 0) });
    check("2 restore epochs", t2(Model { attempts: 1, epochs: 2, restores: 1, ..Model::new(2, 0) }));
    check("2 lost epochs", t2(Model { attempts: 1, epochs: 2, losses: 1, ..Model::new(2, 0) }));

    check("2+1 runs", Model { attempts: 1, runs: 2, ..Model::new(2, 1) });
    check("2+1 epochs", Model { attempts: 1, epochs: 2, ..Model::new(2, 1) });
    check("3 honest 2 attempts", Model { attempts: 2, ..Model::new(3, 0) });
}
