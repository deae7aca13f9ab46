//! The wires between segments: masks, labels and masked values, by wire number.

use crate::{
    engine::{Source, Tag, VerifiedWires},
    error::Misuse,
    shares::{Me, Shares},
};
use cotenant_core::{Bits, Block, PartyId, buffer::Buffer};
use std::{ops::Range, sync::Arc};

/// All wires of a plan that are not inside one segment.
pub(crate) struct Wires {
    /// Masks `<lambda>`, in order of wire numbers; 0 until garbling has come to the wire.
    pub(crate) masks: Shares,
    /// A garbler's own label for masked value 0; at the evaluator the active labels, one for each garbler, once the value is there.
    labels: Buffer,
    /// Masked values, where `known`.
    pub(crate) lambda: Bits,
    pub(crate) known: Bits,
    /// The whole masks of this party's private inputs, where opened to it.
    pub(crate) own: Bits,
    /// Labels in `labels` for one wire.
    width: usize,
}

impl Wires {
    pub(crate) fn new(me: &Me, n: usize, count: usize) -> Wires {
        let width = if me.is_evaluator() { n - 1 } else { 1 };
        Wires {
            masks: Shares::zero(me, count),
            labels: Buffer::zeroed(count * width),
            lambda: Bits::zero(count),
            known: Bits::zero(count),
            own: Bits::zero(count),
            width,
        }
    }

    pub(crate) fn labels(&self, wire: u32) -> &[Block] {
        &self.labels[wire as usize * self.width..][..self.width]
    }

    pub(crate) fn set_labels(&mut self, wire: u32, labels: &[Block]) {
        self.labels[wire as usize * self.width..][..self.width].copy_from_slice(labels);
    }

    /// Sets the active labels of a wire whose masked value is known, at the evaluator, as garblers gave them.
    ///
    /// The lowest bit of P2's is the masked value, which needs no word of P2's: a label that is false there becomes right, and one that is false elsewhere
    /// is found by the zero test of the segment that uses it.
    pub(crate) fn set_active(&mut self, wire: u32, labels: impl Iterator<Item = Block>) {
        let value = self.lambda.get(wire as usize);
        let own = &mut self.labels[wire as usize * self.width..][..self.width];
        own.iter_mut().zip(labels).for_each(|(own, l)| *own = l);
        own[0].0 = own[0].0 & !1 | u128::from(value);
    }

    /// Sets the masked value. Handles are consumed, so no wire gets a second one; two would make a garbler send two labels, whose xor is its Delta.
    pub(crate) fn set_value(&mut self, wire: u32, lambda: bool) {
        assert!(!self.known.get(wire as usize), "a wire gets its value once");
        self.lambda.set(wire as usize, lambda);
        self.known.set(wire as usize, true);
    }
}

/// A declared input.
pub(crate) struct Declared {
    pub(crate) source: Source,
    pub(crate) wires: Range<u32>,
}

impl Declared {
    pub(crate) fn is_private_of(&self, party: PartyId) -> bool {
        self.source == Source::Private(party)
    }
}

/// Wires whose segment, and all it depends on, passed its authentication. Only evaluation makes them.
#[derive(Clone)]
pub struct Verified {
    tag: Tag,
    wires: Arc<[u32]>,
}

impl Verified {
    pub(crate) fn new(tag: Tag, wires: impl Iterator<Item = u32>) -> Verified {
        Verified { tag, wires: wires.collect() }
    }

    /// The numbers, if the wires are of the engine with this tag.
    pub(crate) fn numbers(&self, tag: Tag) -> Result<&[u32], Misuse> {
        if self.tag == tag { Ok(&self.wires) } else { Err(Misuse::Foreign) }
    }
}

impl VerifiedWires for Verified {
    fn len(&self) -> usize {
        self.wires.len()
    }

    fn slice(&self, range: Range<usize>) -> Verified {
        Verified { tag: self.tag, wires: self.wires[range].into() }
    }

    /// # Panics
    /// If the others are of another session.
    fn concat(&self, other: &Verified) -> Verified {
        assert!(self.tag == other.tag, "wires of two sessions do not belong together");
        Verified::new(self.tag, self.wires.iter().chain(other.wires.iter()).copied())
    }

    fn pick(&self, places: &[u32]) -> Verified {
        Verified::new(self.tag, places.iter().map(|&place| self.wires[place as usize]))
    }
}
