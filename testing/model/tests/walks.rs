//! Random walks through worlds that are too large to be visited whole: a fixed set of seeds for the machine that ships, and for each broken one the walks
//! within which one shows it, so that walks are known to come to where things can go wrong. `just soak` takes a million.

use cotenant_model::schedule::{Reached, replay};
use cotenant_model::walk::walk;
use cotenant_model::{REAL, broken};

/// Walks of the machine that ships.
const WALKS: u64 = 4000;

/// Within so many every broken machine is caught.
const WALKS_OF_BROKEN: u64 = 2_500;

#[test]
fn the_machine_that_ships_holds() {
    let mut total = Reached::default();
    for seed in 0..WALKS {
        match walk(seed, REAL) {
            Ok(reached) => total.add(&reached),
            Err(failure) => panic!("SEED={seed}: {}", failure.shrink()),
        }
    }
    println!("{WALKS} walks: {total:#?}");
    assert!(total.several_saves > WALKS / 10 && total.attempts > WALKS / 10 && total.entered > WALKS / 4, "the walks come far enough");
    assert!(
        total.epochs > WALKS / 4 && total.crashes > WALKS && total.restores > WALKS / 10 && total.losses > WALKS / 10,
        "enough goes wrong"
    );
    assert!(
        total.blocked < WALKS / 50 && total.short < WALKS / 10,
        "walks that a member blocks for good, or too few shares, are exceptions"
    );
}

#[test]
fn each_broken_machine_is_caught() {
    for (name, machine) in broken::ALL {
        let caught = (0..WALKS_OF_BROKEN).find_map(|seed| walk(seed, machine).err().map(|failure| (seed, failure)));
        let (seed, failure) = caught.unwrap_or_else(|| panic!("{name} is not caught"));
        let (property, steps) = (failure.property, failure.schedule.len());
        let short = failure.shrink();
        println!("{name}: walk {seed}, {property} after {steps} steps, {} of them needed", short.schedule.len());
        assert!(replay(&short.model, &short.schedule).is_some_and(|again| again.property == property));
    }
}

#[test]
fn a_seed_is_one_walk() {
    let [one, other] = [(); 2].map(|()| walk(7, REAL).unwrap_or_else(|failure| panic!("{failure}")));
    assert_eq!(one, other);
}
