//! Which part of a call evaluates how many gates: an engine around another that counts the ANDs of each segment when it is evaluated.
//!
//! The engine's own count is of gates garbled, and those are all garbled in the preparation; the gates of a key share that the server does not choose
//! are never evaluated.

use cotenant_circuit::Circuit;
use cotenant_core::{Bits, Digest, PartyId};
use cotenant_mpc::{Engine, Error, Given, Input, Online, Segment, Source, Stats, Wire};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// An engine whose [`Stats::ands`], once it is sealed, are the gates evaluated so far.
pub struct Tally<E> {
    inner: E,
    /// By the first output of a segment; there is no segment without one.
    ands: HashMap<Wire, u64>,
    planned: Planned,
}

/// All gates of a plan, evaluated or not.
#[derive(Clone, Default)]
pub struct Planned(Arc<AtomicU64>);

impl Planned {
    /// How many they are; final once the engine is sealed.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl<E: Engine> Tally<E> {
    /// Around `inner`.
    pub fn new(inner: E) -> Self {
        Tally { inner, ands: HashMap::new(), planned: Planned::default() }
    }

    /// The gates of the plan, to be read when the plan is made.
    pub fn planned(&self) -> Planned {
        self.planned.clone()
    }
}

impl<E: Engine> Engine for Tally<E> {
    type Online = Tallied<E::Online>;

    fn me(&self) -> PartyId {
        self.inner.me()
    }

    fn parties(&self) -> usize {
        self.inner.parties()
    }

    fn declare(&mut self, source: Source, len: usize) -> Input {
        self.inner.declare(source, len)
    }

    fn segment(&mut self, circuit: &Arc<Circuit>, inputs: &[Wire]) -> Result<Segment, Error> {
        let segment = self.inner.segment(circuit, inputs)?;
        let ands = circuit.stats().ands() as u64;
        self.ands.extend(segment.wires().next().map(|first| (first, ands)));
        self.planned.0.fetch_add(ands, Ordering::Relaxed);
        Ok(segment)
    }

    async fn stock(self, ands: usize) -> Result<Self, Error> {
        Ok(Tally { inner: self.inner.stock(ands).await?, ..self })
    }

    async fn seal(self) -> Result<Self::Online, Error> {
        Ok(Tallied { inner: self.inner.seal().await?, ands: self.ands, evaluated: 0 })
    }
}

/// The same after the sealing.
pub struct Tallied<O> {
    inner: O,
    ands: HashMap<Wire, u64>,
    evaluated: u64,
}

impl<O: Online> Online for Tallied<O> {
    type Verified = O::Verified;

    fn me(&self) -> PartyId {
        self.inner.me()
    }

    fn parties(&self) -> usize {
        self.inner.parties()
    }

    async fn input(&mut self, given: Vec<Given>) -> Result<(), Error> {
        self.inner.input(given).await
    }

    async fn evaluate_all(&mut self, segments: Vec<Segment>) -> Result<Vec<O::Verified>, Error> {
        let ands = |s: &Segment| s.wires().next().and_then(|first| self.ands.get(&first)).copied().unwrap_or(0);
        let ands: u64 = segments.iter().map(ands).sum();
        let verified = self.inner.evaluate_all(segments).await?;
        self.evaluated += ands;
        Ok(verified)
    }

    async fn solder_all(&mut self, pairs: Vec<(Input, O::Verified)>) -> Result<(), Error> {
        self.inner.solder_all(pairs).await
    }

    async fn open(&mut self, wires: &O::Verified) -> Result<Bits, Error> {
        self.inner.open(wires).await
    }

    async fn open_to(&mut self, wires: &O::Verified, to: PartyId) -> Result<Option<Bits>, Error> {
        self.inner.open_to(wires, to).await
    }

    async fn open_linear(&mut self, wires: &O::Verified, rows: &[Vec<u32>]) -> Result<Bits, Error> {
        self.inner.open_linear(wires, rows).await
    }

    async fn compare(&mut self, digest: Digest) -> Result<(), Error> {
        self.inner.compare(digest).await
    }

    async fn coin(&mut self) -> Result<[u8; 64], Error> {
        self.inner.coin().await
    }

    async fn exchange(&mut self, value: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        self.inner.exchange(value).await
    }

    async fn give_up(&mut self) {
        self.inner.give_up().await;
    }

    fn stats(&self) -> Stats {
        let mut stats = self.inner.stats();
        stats.ands = self.evaluated;
        stats
    }
}
