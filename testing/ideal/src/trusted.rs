//! The trusted third party: it knows the value of every wire and answers calls that all parties agree on.

use crate::call::{Call, Giving, Planned, Reply, Value};
use chacha20::ChaCha20Rng;
use cotenant_core::{Bits, PartyId};
use rand_core::{Rng, SeedableRng};

/// The values of one session, in the clear.
pub(crate) struct Trusted {
    /// By wire number; `None` until the wire has its value.
    values: Vec<Option<bool>>,
    rng: ChaCha20Rng,
}

impl Trusted {
    pub(crate) fn new(seed: u64) -> Trusted {
        Trusted { values: Vec::new(), rng: ChaCha20Rng::seed_from_u64(seed) }
    }

    /// The value of a wire, if it exists and has one.
    pub(crate) fn value(&self, wire: u32) -> Option<bool> {
        self.values.get(wire as usize).copied().flatten()
    }

    /// What each party gets for calls that agree; `calls` by party.
    pub(crate) fn answer(&mut self, calls: &[Call]) -> Vec<Reply> {
        let everyone = |reply: Reply| vec![reply; calls.len()];
        match &calls[0] {
            Call::Start(_) | Call::Stock(_) | Call::Seal(_) | Call::Compare(_) => everyone(Reply::Done),
            Call::Input(mine) => {
                (0..mine.len()).for_each(|k| self.give(calls, k));
                everyone(Reply::Done)
            }
            Call::Evaluate(segments) => {
                segments.iter().for_each(|(_, planned)| self.evaluate(planned));
                everyone(Reply::Done)
            }
            Call::Solder(pairs) => {
                let pairs = pairs.iter().flat_map(|(wires, to)| wires.clone().zip(to));
                pairs.for_each(|(v, &u)| self.set(v, self.known(u)));
                everyone(Reply::Done)
            }
            Call::Open(wires) => everyone(Reply::Bits(Some(self.read(wires)))),
            Call::OpenTo(wires, to) => {
                let bits = self.read(wires);
                PartyId::all(calls.len()).map(|p| Reply::Bits((p == *to).then(|| bits.clone()))).collect()
            }
            Call::OpenLinear(wires, rows) => {
                let bits = self.read(wires);
                let sums = rows.iter().map(|row| row.iter().fold(false, |sum, &w| sum ^ bits.get(w as usize)));
                everyone(Reply::Bits(Some(sums.collect())))
            }
            Call::Coin => {
                let mut coin = [0; 64];
                self.rng.fill_bytes(&mut coin);
                everyone(Reply::Coin(coin))
            }
            Call::Exchange(_) => everyone(Reply::Values(calls.iter().filter_map(exchanged).collect())),
        }
    }

    /// Gives the `k`-th input of the calls its value.
    fn give(&mut self, calls: &[Call], k: usize) {
        let said: Vec<&Giving> = calls.iter().filter_map(|c| if let Call::Input(g) = c { g.get(k) } else { None }).collect();
        let wires = said[0].wires.clone();
        let bits = match &said[0].value {
            Value::Public(bits) => bits.clone(),
            Value::Joint => Bits::random(wires.len(), &mut self.rng),
            Value::Private(_) => {
                let owners = said.iter().filter_map(|g| if let Value::Private(bits) = &g.value { bits.clone() } else { None });
                owners.into_iter().next().expect("an owner gives its own input: no other call passes its own party's check")
            }
        };
        wires.zip(bits.iter()).for_each(|(w, b)| self.set(w, b));
    }

    fn evaluate(&mut self, planned: &Planned) {
        let inputs: Vec<bool> = planned.inputs.iter().map(|w| self.known(*w)).collect();
        let outputs = planned.circuit.eval(&inputs);
        planned.outputs.clone().zip(outputs).for_each(|(w, b)| self.set(w, b));
    }

    fn read(&self, wires: &[u32]) -> Bits {
        wires.iter().map(|&w| self.known(w)).collect()
    }

    fn known(&self, wire: u32) -> bool {
        self.value(wire).expect("every party checked its wires before it called")
    }

    fn set(&mut self, wire: u32, value: bool) {
        let wire = wire as usize;
        if wire >= self.values.len() {
            self.values.resize(wire + 1, None);
        }
        assert!(self.values[wire].replace(value).is_none(), "a wire gets its value once");
    }
}

fn exchanged(call: &Call) -> Option<Vec<u8>> {
    if let Call::Exchange(value) = call { Some(value.clone()) } else { None }
}
