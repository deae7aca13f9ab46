//! The lowest bit of a label of P2 is the masked value, which all parties hold: that which P2 sends in its place is not looked at.

use cotenant_cluster::{
    Hands, Message,
    one_gate::{inputs, one_gate},
    run,
    scenario::{everything, right},
    tamper::{Verdict, judge},
};
use cotenant_core::PartyId;
use cotenant_mpc::Kind;

fn p2() -> PartyId {
    PartyId::new(1)
}

/// Flips the lowest bit of every block that P2 sends in messages of a kind.
fn flips(kind: Kind) -> impl FnMut(Message, &mut Hands) {
    move |mut m, hands| {
        if m.from == p2() && Kind::of(&m.body) == Some(kind) {
            m.body[1..].iter_mut().step_by(16).for_each(|b| *b ^= 1);
        }
        hands.deliver(m);
    }
}

#[test]
fn the_lowest_bits_of_input_labels_are_not_taken_from_p2() {
    for seed in 0..8 {
        let [x, y] = inputs(seed);
        let ends = run(2, flips(Kind::InputLabels), |l| one_gate(l, seed));
        assert_eq!(judge(&ends, p2(), |honest| honest.iter().all(|(_, out)| **out == (x & y))), Ok(Verdict::Correct));
    }
}

#[test]
fn the_lowest_bits_of_soldered_rows_are_not_taken_from_p2() {
    for n in [2, 3] {
        for seed in 0..4 {
            let ends = run(n, flips(Kind::Solder), |l| everything(l, seed));
            assert_eq!(judge(&ends, p2(), |honest| right(n, seed, honest.iter().copied())), Ok(Verdict::Correct));
        }
    }
}
