//! What a call takes, before it runs: its plan is declared to an engine that counts and does nothing else.
//!
//! Bytes are those of preparing and garbling, by the formulas of `docs/protocol/engine.md` for large plans; what is sent online is small beside them.

use super::{
    error::OperateError,
    run::{Call, Presign},
};
use cotenant_circuit::Circuit;
use cotenant_core::{Bits, Digest, PartyId};
use cotenant_mpc::{Engine, Error, Given, Input, Misuse, Online, Segment, Source, Stats, Tag, VerifiedWires, Wire, batches, bucket_size};
use std::{ops::Range, sync::Arc};

/// What a plan takes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Cost {
    /// AND gates of two secrets, each of which takes a triple.
    pub ands: usize,
    /// AND gates of a secret and what all know by then.
    pub cheap: usize,
}

impl Cost {
    /// About how many bytes a garbler, which sends the most, sends in all to prepare and garble this with so many parties.
    pub fn bytes(self, parties: usize) -> usize {
        let batches = batches(self.ands);
        let of_batch = |outputs: &usize| {
            let bucket = bucket_size(*outputs, batches.len());
            // Sixteenths of a byte: 4.07 a row, 8.25 a triple of the bucket, and an eighth to open one.
            outputs * (65 * (1 + 2 * bucket + bucket / 2) + 132 * bucket + 2 * bucket) / 16
        };
        let triples: usize = batches.iter().map(of_batch).sum();
        // A gate of any kind has a row of correlated OTs for its mask, and its table.
        let others = parties - 1;
        others * (triples + 4 * self.cheap) + (self.ands + self.cheap) * (32 + 48 * (parties - 2))
    }
}

impl Call {
    /// What it takes with so many parties.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn cost(self, parties: usize) -> Result<Cost, OperateError> {
        counted(parties, |counter| self.declare(counter))
    }
}

impl Presign {
    /// What it takes with so many parties.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn cost(self, parties: usize) -> Result<Cost, OperateError> {
        counted(parties, |counter| self.declare(counter))
    }
}

fn counted(parties: usize, declare: impl FnOnce(&mut Counter) -> Result<(), OperateError>) -> Result<Cost, OperateError> {
    let mut counter = Counter { tag: Tag::fresh(), parties, wires: 0, segments: 0, cost: Cost::default() };
    declare(&mut counter)?;
    Ok(counter.cost)
}

/// The engine.
struct Counter {
    tag: Tag,
    parties: usize,
    wires: u32,
    segments: usize,
    cost: Cost,
}

impl Counter {
    fn add_wires(&mut self, count: usize) -> Range<u32> {
        let first = self.wires;
        self.wires += u32::try_from(count).expect("a plan has fewer than 2^32 wires");
        first..self.wires
    }
}

impl Engine for Counter {
    type Online = Never;

    fn me(&self) -> PartyId {
        PartyId::EVALUATOR
    }

    fn parties(&self) -> usize {
        self.parties
    }

    fn declare(&mut self, source: Source, len: usize) -> Input {
        Input::new(self.tag, source, self.add_wires(len))
    }

    fn segment(&mut self, circuit: &Arc<Circuit>, inputs: &[Wire]) -> Result<Segment, Error> {
        if inputs.len() != circuit.inputs() {
            return Err(Misuse::Count.into());
        }
        let stats = circuit.stats();
        self.cost.ands += stats.and_full;
        self.cost.cheap += stats.ands() - stats.and_full;
        let outputs = self.add_wires(circuit.outputs().len());
        self.segments += 1;
        Ok(Segment::new(self.tag, self.segments - 1, outputs))
    }

    async fn stock(self, _: usize) -> Result<Self, Error> {
        Ok(self)
    }

    async fn seal(self) -> Result<Never, Error> {
        Err(Misuse::Dead.into())
    }
}

/// A session that there is none of.
#[derive(Clone, Copy)]
enum Never {}

impl Online for Never {
    type Verified = Never;

    fn me(&self) -> PartyId {
        match *self {}
    }

    fn parties(&self) -> usize {
        match *self {}
    }

    async fn input(&mut self, _: Vec<Given>) -> Result<(), Error> {
        match *self {}
    }

    async fn evaluate_all(&mut self, _: Vec<Segment>) -> Result<Vec<Never>, Error> {
        match *self {}
    }

    async fn solder_all(&mut self, _: Vec<(Input, Never)>) -> Result<(), Error> {
        match *self {}
    }

    async fn open(&mut self, _: &Never) -> Result<Bits, Error> {
        match *self {}
    }

    async fn open_to(&mut self, _: &Never, _: PartyId) -> Result<Option<Bits>, Error> {
        match *self {}
    }

    async fn open_linear(&mut self, _: &Never, _: &[Vec<u32>]) -> Result<Bits, Error> {
        match *self {}
    }

    async fn compare(&mut self, _: Digest) -> Result<(), Error> {
        match *self {}
    }

    async fn coin(&mut self) -> Result<[u8; 64], Error> {
        match *self {}
    }

    async fn exchange(&mut self, _: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        match *self {}
    }

    async fn give_up(&mut self) {
        match *self {}
    }

    fn stats(&self) -> Stats {
        match *self {}
    }
}

impl VerifiedWires for Never {
    fn len(&self) -> usize {
        match *self {}
    }

    fn slice(&self, _: Range<usize>) -> Self {
        *self
    }

    fn concat(&self, _: &Self) -> Self {
        *self
    }

    fn pick(&self, _: &[u32]) -> Self {
        *self
    }
}
