//! Circuits that were built once in this process and are wanted again: building takes longer than anything else that is not cryptography.

use cotenant_circuit::Circuit;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

/// The most gates that one collection keeps, of all its circuits together: about 100 MB.
const MOST: usize = 1 << 23;

/// Circuits by what they depend on, the one that was wanted last at the end.
pub(crate) struct Built<K> {
    all: Mutex<VecDeque<(K, Arc<Circuit>)>>,
    most: usize,
}

impl<K: Eq> Built<K> {
    /// None yet.
    pub(crate) const fn new() -> Built<K> {
        Built::keeping(MOST)
    }

    const fn keeping(most: usize) -> Built<K> {
        Built { all: Mutex::new(VecDeque::new()), most }
    }

    /// The circuit of this key, which is built unless it is there. While it is built others wait: they often want the same.
    pub(crate) fn get(&self, key: K, build: impl FnOnce() -> Circuit) -> Arc<Circuit> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.iter().position(|(other, _)| *other == key).and_then(|at| all.remove(at));
        let (key, circuit) = known.unwrap_or_else(|| (key, Arc::new(build())));
        all.push_back((key, circuit.clone()));
        while all.len() > 1 && all.iter().map(|(_, circuit)| circuit.gates().len()).sum::<usize>() > self.most {
            all.pop_front();
        }
        circuit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cotenant_circuit::Builder;

    /// A circuit of so many ANDs.
    fn products(ands: usize) -> Circuit {
        let mut b = Builder::new();
        let x = b.input(ands + 1);
        for pair in x.windows(2) {
            let product = b.and(pair[0], pair[1]);
            b.output(&[product]);
        }
        b.finish()
    }

    #[test]
    fn a_circuit_is_built_once_and_the_oldest_goes_first() {
        let built = Built::keeping(30);
        let mut count = 0;
        let mut get = |key: char, ands| {
            let before = count;
            let circuit = built.get(key, || {
                count += 1;
                products(ands)
            });
            assert_eq!(circuit.stats().ands(), ands);
            count > before
        };
        assert!(get('a', 5) && get('b', 6) && !get('a', 5));
        // b was wanted longest ago.
        assert!(get('c', 11) && get('d', 11) && !get('a', 5));
        assert!(get('e', 11) && !get('a', 5) && get('b', 6));
    }
}
