//! What a walk through a circuit keeps for each slot.

use cotenant_circuit::{Circuit, Gate};
use std::ops::BitXor;
use zeroize::{Zeroize, Zeroizing};

/// A value for each slot, 0 at first.
///
/// There are as many as the next power of two, so that a slot number is in bounds once it is masked: checks would take as long as the gates.
#[derive(Clone)]
pub(crate) struct Slots<T: Zeroize>(Zeroizing<Vec<T>>);

impl<T: Copy + Default + Zeroize + BitXor<Output = T>> Slots<T> {
    /// For a walk through `circuit`.
    pub(crate) fn new(circuit: &Circuit) -> Slots<T> {
        Slots(Zeroizing::new(vec![T::default(); circuit.slots().next_power_of_two()]))
    }

    #[inline]
    pub(crate) fn get(&self, slot: usize) -> T {
        debug_assert!(slot < self.0.len());
        self.0[slot & self.0.len().wrapping_sub(1)]
    }

    #[inline]
    pub(crate) fn set(&mut self, slot: usize, value: T) {
        debug_assert!(slot < self.0.len());
        let mask = self.0.len().wrapping_sub(1);
        self.0[slot & mask] = value;
    }

    /// The XORs of a run.
    #[inline]
    pub(crate) fn xors(&mut self, gates: &[Gate]) {
        for gate in gates {
            let [a, b, out] = gate.xor_slots();
            self.set(out, self.get(a) ^ self.get(b));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cotenant_circuit::Builder;

    #[test]
    fn xors_walk_in_order_over_all_slots() {
        let mut b = Builder::new();
        let w = b.input(5);
        let mut sum = w[0];
        w[1..].iter().for_each(|&x| sum = b.xor(sum, x));
        b.output(&[sum]);
        let circuit = b.finish();
        let mut slots: Slots<u8> = Slots::new(&circuit);
        (0..5).for_each(|k| slots.set(k, 1 << k));
        assert!((0..5).all(|k| slots.get(k) == 1 << k));
        circuit.runs().for_each(|run| slots.xors(run.xors));
        let cotenant_circuit::Output::Slot { slot, .. } = circuit.outputs()[0] else { panic!("not a constant") };
        assert_eq!(slots.get(slot), 0b11111);
    }
}
