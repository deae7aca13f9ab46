//! A check that fails where the test wants it to.

use crate::both::{Body, evaluated, ideal_at};
use cotenant_core::PartyId;
use cotenant_ideal::{Fault, seats_with_fault};
use cotenant_mpc::{Check, Engine, Error, Misuse, Online};
use std::sync::Mutex;

/// Calls 0 and 1 are start and seal, 2 an input, 3 an evaluation, 4 and 5 openings. Notes for each party how many openings it got.
struct TwoOpenings(Mutex<Vec<usize>>);

impl Body<()> for TwoOpenings {
    async fn party<E: Engine>(&self, s: E) -> Result<(), Error> {
        let me = s.me().index();
        let (mut s, wires) = evaluated(s, 2).await?;
        for _ in 0..2 {
            if let Err(e) = s.open(&wires).await {
                assert!(matches!(s.open(&wires).await, Err(Error::Misuse(Misuse::Dead))));
                return Err(e);
            }
            self.0.lock().expect("no party panics")[me] += 1;
        }
        Ok(())
    }
}

const AT: usize = 1;

/// The errors by party, and the openings that each got.
fn with_fault(call: usize, others_finish: bool) -> (Vec<Option<String>>, Vec<usize>) {
    let fault = Fault { call, at: PartyId::new(AT), check: Check::OpenedMac, suspects: vec![PartyId::new(2)], others_finish };
    let body = TwoOpenings(Mutex::new(vec![0; 3]));
    let errors = ideal_at(seats_with_fault(3, 1, fault), &body).into_iter().map(|r| r.err().map(|e| e.to_string())).collect();
    (errors, body.0.into_inner().expect("no party panics"))
}

fn texts(phase: &str) -> Vec<Option<String>> {
    let failed = format!("check 'MACs of opened bits' failed during {phase}: P3 did not follow the protocol");
    let stopped = format!("P2 stopped the session during {phase}: check 'MACs of opened bits' failed, it says");
    (0..3).map(|p| Some(if p == AT { failed.clone() } else { stopped.clone() })).collect()
}

#[test]
fn a_fault_stops_everyone_in_its_call() {
    for (call, phase, opened) in [
        (0, "set-up", 0),
        (1, "preparation", 0),
        (2, "online phase", 0),
        (3, "online phase", 0),
        (4, "online phase", 0),
        (5, "online phase", 1),
    ] {
        assert_eq!(with_fault(call, false), (texts(phase), vec![opened; 3]), "in call {call}");
    }
}

#[test]
fn others_may_have_the_result_and_hear_of_it_in_their_next_call() {
    assert_eq!(with_fault(4, true), (texts("online phase"), vec![1, 0, 1]));
    let (errors, opened) = with_fault(5, true);
    assert_eq!(opened, [2, 1, 2]);
    assert!(errors[0].is_none() && errors[AT] == texts("online phase")[AT] && errors[2].is_none(), "there is no next call");
}

#[test]
fn a_fault_in_a_call_that_never_comes_does_nothing() {
    assert_eq!(with_fault(6, false), (vec![None; 3], vec![2; 3]));
}
