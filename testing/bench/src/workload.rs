//! What the engine is measured on: independent AES-128 blocks, each with its key schedule (6 400 ANDs), or independent SHA-256 compressions.
//!
//! Copies are put side by side in one circuit of about 2^16 ANDs, and that circuit is evaluated as often as needed, so that its own memory hardly counts.
//! The first party gives the keys or states, the last party the texts.

use chacha20::ChaCha20Rng;
use clap::ValueEnum;
use cotenant_circuit::{
    Builder, Circuit,
    aes::RoundKeys,
    bytes::{output_bytes, to_array, to_bytes},
    sha256,
};
use cotenant_core::Bits;
use rand_core::SeedableRng;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// ANDs of one circuit, about, if nothing else is asked for; more are had by evaluating it again.
pub const SEGMENT: usize = 1 << 16;

/// What is computed many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// AES-128 (FIPS 197): key expansion and one block.
    Aes,
    /// The compression function of SHA-256 (FIPS 180-4).
    Sha256,
}

impl Unit {
    /// Input bits: those of the key or state, those of the text.
    fn inputs(self) -> [usize; 2] {
        match self {
            Unit::Aes => [128, 128],
            Unit::Sha256 => [256, 512],
        }
    }

    /// One copy.
    fn add(self, b: &mut Builder, key: &[cotenant_circuit::Lit], text: &[cotenant_circuit::Lit]) {
        match self {
            Unit::Aes => {
                let keys = RoundKeys::expand(b, &to_array(key));
                let out = keys.encrypt(b, &to_array(text));
                output_bytes(b, &out);
            }
            Unit::Sha256 => {
                let state = sha256::state_of(&to_bytes(key).try_into().expect("32 bytes"));
                let state = sha256::compress(b, &state, &to_array(text));
                output_bytes(b, &sha256::state_bytes(&state));
            }
        }
    }

    /// `copies` copies side by side: all keys, then all texts.
    fn circuit(self, copies: usize) -> Circuit {
        let mut b = Builder::new();
        let [key, text] = self.inputs();
        let (keys, texts) = (b.input(copies * key), b.input(copies * text));
        for (key, text) in keys.chunks_exact(key).zip(texts.chunks_exact(text)) {
            self.add(&mut b, key, text);
        }
        b.finish()
    }
}

/// One circuit and how often it is evaluated.
pub struct Workload {
    /// The circuit.
    pub circuit: Arc<Circuit>,
    /// How often.
    pub segments: usize,
    /// Input bits of the circuit: of the first party, then of the last.
    pub inputs: [usize; 2],
}

impl Workload {
    /// At least `ands` ANDs, at most one copy more than `segment` of them in one circuit.
    pub fn new(unit: Unit, ands: usize, segment: usize) -> Workload {
        let each = unit.circuit(1).stats().ands();
        let copies = ands.div_ceil(each).max(1);
        let segments = copies.div_ceil(segment.div_ceil(each).max(1));
        let copies = copies.div_ceil(segments);
        Workload { circuit: Arc::new(unit.circuit(copies)), segments, inputs: unit.inputs().map(|bits| copies * bits) }
    }

    /// ANDs of all evaluations.
    pub fn ands(&self) -> usize {
        self.segments * self.circuit.stats().ands()
    }

    /// The inputs of evaluation `segment`: the first party's, the last party's. Every party can make them, so that each can check the result.
    pub fn values(&self, segment: usize) -> [Bits; 2] {
        let mut rng = ChaCha20Rng::seed_from_u64(segment as u64);
        self.inputs.map(|bits| Bits::random(bits, &mut rng))
    }

    /// What evaluation `segment` must give, by the plain evaluator.
    pub fn expected(&self, segment: usize) -> Vec<bool> {
        let inputs: Vec<bool> = self.values(segment).iter().flat_map(|bits| bits.iter().collect::<Vec<_>>()).collect();
        self.circuit.eval(&inputs)
    }

    /// Whether these are the outputs of all evaluations, in order.
    pub fn gives(&self, outputs: &Bits) -> bool {
        outputs.iter().eq((0..self.segments).flat_map(|segment| self.expected(segment)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes::{
        Aes128Enc,
        cipher::{Array, BlockCipherEncrypt, KeyInit},
    };
    use cotenant_circuit::bytes::bytes_of;

    #[test]
    fn copies_reach_what_was_asked_for() {
        let sizes = |unit, ands, segment| {
            let w = Workload::new(unit, ands, segment);
            (w.segments, w.ands())
        };
        assert_eq!(sizes(Unit::Aes, 1, SEGMENT), (1, 6400));
        assert_eq!(sizes(Unit::Aes, 6401, SEGMENT), (1, 12_800));
        assert_eq!(sizes(Unit::Aes, 11 * 6400, SEGMENT), (1, 11 * 6400));
        assert_eq!(sizes(Unit::Aes, 12 * 6400, SEGMENT), (2, 12 * 6400));
        assert_eq!(sizes(Unit::Aes, 25 * 6400, SEGMENT), (3, 27 * 6400));
        assert_eq!(sizes(Unit::Aes, 25 * 6400, 1), (25, 25 * 6400));
        assert_eq!(sizes(Unit::Sha256, 30_000, SEGMENT), (1, 2 * sizes(Unit::Sha256, 1, SEGMENT).1));
    }

    #[test]
    fn what_is_computed_is_aes() {
        let w = Workload::new(Unit::Aes, 20_000, SEGMENT);
        let [keys, texts] = w.values(0).map(|bits| bits.to_packed());
        let out = bytes_of(&w.expected(0));
        for (i, key) in keys.as_chunks().0.iter().enumerate() {
            let mut block = Array(texts.as_chunks().0[i]);
            Aes128Enc::new(&Array(*key)).encrypt_block(&mut block);
            assert_eq!(block.0, out[16 * i..16 * i + 16], "block {i}");
        }
    }
}
