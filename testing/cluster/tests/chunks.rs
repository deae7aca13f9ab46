//! Chunks of correlated OT stand where they are: a chunk proves what it is in its own place only.

use cotenant_cluster::{
    Hands, Message,
    one_gate::one_gate,
    run,
    tamper::{Verdict, honest, judge, of_kind},
};
use cotenant_core::PartyId;
use cotenant_mpc::{Check, Kind};

/// Two chunks of one size, each with the proof that it has in its own place, in each other's places.
#[test]
fn chunks_do_not_change_places_with_their_proofs() {
    let p2 = PartyId::new(1);
    let messages = honest(2, |l| one_gate(l, 1));
    let lengths: Vec<usize> =
        of_kind(&messages, Kind::CotCorrection).iter().filter(|(_, m)| m.from == p2).map(|(_, m)| m.body.len()).collect();
    let alike = (1..lengths.len()).filter(|&k| lengths[k - 1] == lengths[k]);
    for first in alike.step_by(3).map(|k| k - 1) {
        let (mut held, mut number) = (Vec::new(), 0);
        let swap = move |m: Message, hands: &mut Hands| {
            if m.from != p2 || !matches!(Kind::of(&m.body), Some(Kind::CotCorrection | Kind::CotProof)) {
                return hands.deliver(m);
            }
            // a correction and a proof a chunk
            match number / 2 {
                chunk if chunk == first => held.push(m),
                chunk => {
                    hands.deliver(m);
                    if chunk == first + 1 && number % 2 == 1 {
                        held.drain(..).for_each(|m| hands.deliver(m));
                    }
                }
            }
            number += 1;
        };
        let ends = run(2, swap, |l| one_gate(l, 1));
        assert_eq!(judge(&ends, p2, |done| done.is_empty()), Ok(Verdict::Caught(Check::CorrelatedOt)), "chunks {first} and the next");
    }
}
