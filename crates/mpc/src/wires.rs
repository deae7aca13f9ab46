//! The wires between segments: masks, labels and masked values, by wire number.

use crate::{
    engine::{Source, VerifiedWires},
    shares::{Me, Shares},
};
use cotenant_core::{Bits, Block};
use std::{ops::Range, sync::Arc};
use zeroize::Zeroizing;

/// All wires of a plan that are not inside one segment.
pub(crate) struct Wires {
    /// Masks `<lambda>`, in order of wire numbers; as long as garbling has come.
    pub(crate) masks: Shares,
    /// A garbler's own label for masked value 0; at the evaluator the active labels, one for each garbler, once the value is there.
    pub(crate) labels: Zeroizing<Vec<Block>>,
    /// Masked values, where `known`.
    pub(crate) lambda: Bits,
    pub(crate) known: Bits,
    /// Labels in `labels` for one wire.
    pub(crate) width: usize,
}

impl Wires {
    pub(crate) fn new(me: &Me, n: usize, count: usize) -> Wires {
        let width = if me.is_evaluator() { n - 1 } else { 1 };
        Wires {
            masks: Shares::with_capacity(me, count),
            labels: Zeroizing::new(vec![Block::ZERO; count * width]),
            lambda: Bits::zero(count),
            known: Bits::zero(count),
            width,
        }
    }

    pub(crate) fn labels(&self, wire: u32) -> &[Block] {
        &self.labels[wire as usize * self.width..][..self.width]
    }

    pub(crate) fn set_labels(&mut self, wire: u32, labels: &[Block]) {
        self.labels[wire as usize * self.width..][..self.width].copy_from_slice(labels);
    }

    /// Sets the masked value, once.
    pub(crate) fn set_value(&mut self, wire: u32, lambda: bool) {
        debug_assert!(!self.known.get(wire as usize));
        self.lambda.set(wire as usize, lambda);
        self.known.set(wire as usize, true);
    }
}

/// How a declared input is masked.
pub(crate) struct Declared {
    pub(crate) source: Source,
    pub(crate) wires: Range<u32>,
}

/// Wires whose segment, and all it depends on, passed its authentication. Only evaluation makes them.
#[derive(Clone)]
pub struct Verified(Arc<[u32]>);

impl Verified {
    pub(crate) fn new(wires: impl Iterator<Item = u32>) -> Verified {
        Verified(wires.collect())
    }

    pub(crate) fn wires(&self) -> &[u32] {
        &self.0
    }
}

impl VerifiedWires for Verified {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn slice(&self, range: Range<usize>) -> Verified {
        Verified(self.0[range].into())
    }

    fn concat(&self, other: &Verified) -> Verified {
        Verified::new(self.0.iter().chain(other.0.iter()).copied())
    }
}
