//! A kept value found again in an opened one, as a circuit: [`Sample::stands_in`] where no one knows where either stands.
//!
//! The sampled bits of both go into rings. The kept one's is turned so that it begins at its first byte; the opened one's is compared with
//! it at every place.

use super::circuit::Value;
use super::policy::Rule;
use super::ring::Ring;
use super::sample::Sample;
use cotenant_circuit::{Builder, Lit};

/// The sample of a kept value, its first byte first.
pub(super) struct Sampled {
    sample: Sample,
    bytes: Vec<Vec<Lit>>,
}

impl Sampled {
    /// If no opened value is compared with it, none of this is left in the circuit.
    pub(super) fn of_kept(b: &mut Builder, rule: &Rule, value: &Value) -> Sampled {
        let sample = Sample::of(rule);
        // On for the first bytes alone: one window behind the one beginning.
        let mut window = Lit::FALSE;
        let first: Vec<Lit> = (0..value.text.bytes().len())
            .map(|i| {
                let over = i.checked_sub(sample.bytes).map_or(Lit::FALSE, |begin| value.begins[begin]);
                let changes = b.xor(value.begins[i], over);
                window = b.xor(window, changes);
                window
            })
            .collect();
        let ring = Ring::fold(b, &first, sample.bytes, |b, i| sampled(b, sample, value, i));
        Sampled { sample, bytes: ring.turned(b, &value.begins) }
    }

    /// Whether an opened value has a part with this sample.
    pub(super) fn stands_in(&self, b: &mut Builder, rule: &Rule, value: &Value) -> Lit {
        let (longest, part) = (*rule.length.end(), self.sample.bytes);
        if longest < part {
            return Lit::FALSE;
        }
        // So long that no part runs from the end of a value over the gap into its beginning.
        let size = longest + part - 1;
        let on = Ring::fold(b, &value.latch, size, |_, _| vec![Lit::TRUE]);
        let ring = Ring::fold(b, &value.latch, size, |b, i| sampled(b, self.sample, value, i));
        let stands = |b: &mut Builder, place: usize| {
            let whole = b.and(on.at(place)[0], on.at(place + part - 1)[0]);
            let pairs = (0..part).flat_map(|i| self.bytes[i].iter().zip(ring.at(place + i)));
            pairs.fold(whole, |equal, (&x, &y)| {
                let differ = b.xor(x, y);
                b.and(equal, !differ)
            })
        };
        (0..size).fold(Lit::FALSE, |any, place| {
            let here = stands(b, place);
            b.or(any, here)
        })
    }
}

/// The sampled bits of one byte.
fn sampled(b: &mut Builder, sample: Sample, value: &Value, i: usize) -> Vec<Lit> {
    let byte = value.text.bytes()[i];
    let bit = |mask: u8| (0..8).filter(|k| mask >> k & 1 == 1).fold(Lit::FALSE, |sum, k| b.xor(sum, byte[k]));
    (0..sample.bits).map(Sample::mask).map(bit).collect()
}
