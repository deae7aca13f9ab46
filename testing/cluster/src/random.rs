//! Random circuits with inputs of every kind.

use cotenant_circuit::{Builder, Circuit, Lit};
use rand_core::Rng;
use std::sync::Arc;

/// A random circuit, and which of its inputs are public when it runs.
pub struct RandomCircuit {
    /// The circuit: `secret` secret inputs, then `public` public ones.
    pub circuit: Arc<Circuit>,
    /// Number of secret inputs.
    pub secret: usize,
    /// Number of public inputs.
    pub public: usize,
}

/// A circuit of about `gates` gates over `secret` secret and `public` public inputs, with constants, negations and repeated wires.
pub fn random_circuit(secret: usize, public: usize, gates: usize, outputs: usize, rng: &mut impl Rng) -> RandomCircuit {
    let mut b = Builder::new();
    let mut wires: Vec<Lit> = b.input(secret);
    wires.extend(b.public_input(public));
    wires.extend([Lit::FALSE, Lit::TRUE]);
    for _ in 0..gates {
        let mut pick = || {
            let w = wires[rng.next_u32() as usize % wires.len()];
            if rng.next_u32().is_multiple_of(3) { !w } else { w }
        };
        let (x, y) = (pick(), pick());
        let g = if rng.next_u32().is_multiple_of(2) { b.and(x, y) } else { b.xor(x, y) };
        wires.push(g);
    }
    let chosen: Vec<Lit> = (0..outputs).map(|k| wires[wires.len() - 1 - (k * 7) % wires.len()]).collect();
    b.output(&chosen);
    RandomCircuit { circuit: Arc::new(b.finish()), secret, public }
}
