//! What is computed inside MPC of an encrypted key: from a content key, a seed and all parties' factors to a number that only the last party learns.
//!
//! ```text
//! m = OAEP(content key, seed)                                 below 2^(b-8), for N of b bits
//! V = m r_1 ... r_(n-1) + k N                                 k uniform, 64 bits longer than what it hides
//! out: V modulo 2^a - 1 for each of a list of exponents       V is below their product, so they are V and no more
//! ```
//!
//! V is not reduced modulo N: the multiple of N hides all of it but its remainder, and is one product with a constant, where a reduction takes two.

use super::{PublicKey, Sealing};
use crate::built::Built;
use cotenant_circuit::{
    Builder, Circuit, Lit,
    bytes::{input_bytes, to_bytes},
    mersenne::{add_multiple, exponents, product, remainder},
    oaep::Hash,
};
use std::sync::Arc;

/// Bits by which what hides is longer than what is hidden.
const HIDING: usize = 64;

/// What a circuit depends on.
#[derive(PartialEq, Eq)]
struct Key {
    key: PublicKey,
    hash: Hash,
    content_key: usize,
    parties: usize,
}

static BUILT: Built<Key> = Built::new();

impl Sealing {
    /// Bits of a seed.
    pub(crate) fn seed_bits(&self) -> usize {
        8 * self.hash.bytes()
    }

    /// Bits of a factor.
    pub(crate) fn factor_bits(&self) -> usize {
        self.key.bits()
    }

    /// Bits of k among so many parties.
    pub(crate) fn blind_bits(&self, parties: usize) -> usize {
        (parties - 1) * self.key.bits() + HIDING
    }

    /// The exponents of the moduli: V is below 2^(n b + 65), and the product of 2^a - 1 above half of that of 2^a.
    pub(crate) fn exponents(&self, parties: usize) -> Vec<usize> {
        exponents(parties * self.key.bits() + HIDING + 2)
    }

    /// From the content key, the seed, the factors, and k, to the remainders.
    pub(crate) fn wrapping(&self, parties: usize) -> Arc<Circuit> {
        let key = Key { key: self.key.clone(), hash: self.hash, content_key: self.content_key, parties };
        BUILT.get(key, || {
            let mut b = Builder::new();
            let (key, seed) = (input_bytes(&mut b, self.content_key), to_bytes(&b.input(self.seed_bits())));
            let factors: Vec<Vec<Lit>> = (1..parties).map(|_| b.input(self.factor_bits())).collect();
            let blind = b.input(self.blind_bits(parties));
            let mut padded = self.hash.pad(&mut b, &key, &seed, self.key.bytes());
            padded.reverse();
            let modulus: Vec<bool> = (0..self.key.bits() as u32).map(|i| self.key.modulus().bit_vartime(i)).collect();
            for a in self.exponents(parties) {
                let mut v = remainder(&mut b, padded.as_flattened(), a);
                for factor in &factors {
                    let factor = remainder(&mut b, factor, a);
                    v = product(&mut b, &v, &factor);
                }
                let blind = remainder(&mut b, &blind, a);
                let hidden = add_multiple(&mut b, &v, &blind, &modulus);
                b.output(&hidden);
            }
            b.finish()
        })
    }
}
