//! Sessions of any size: a wide circuit of layers of ANDs, evaluated again and again on its own outputs.

use crate::{link::Local, run::session_rng, scenario::AGREED};
use cotenant_circuit::{Builder, Circuit, Lit};
use cotenant_core::{Bits, Channel, PartyId};
use cotenant_mpc::{Engine, Error, Given, Online, Options, Session, Source, Stats};
use std::{num::NonZeroUsize, sync::Arc};

/// What the parties evaluate.
#[derive(Clone)]
pub struct Layered {
    /// As many inputs as outputs.
    pub circuit: Arc<Circuit>,
    /// Segments that take each other's outputs, all evaluated in one call.
    pub segments: usize,
    /// Products that are made before the plan is.
    pub stock: Option<usize>,
}

impl Layered {
    /// Segments of `depth` layers of `width` ANDs.
    pub fn new(width: usize, depth: usize, segments: usize) -> Layered {
        let mut b = Builder::new();
        let mut w: Vec<Lit> = b.input(width);
        for layer in 0..depth {
            let next = |i: usize| {
                let t = b.and(w[i], !w[(i + 1 + layer) % width]);
                b.xor(t, w[(i + 3) % width])
            };
            w = (0..width).map(next).collect();
        }
        b.output(&w);
        Layered { circuit: Arc::new(b.finish()), segments, stock: None }
    }

    /// P2's input.
    pub fn input(&self, seed: u64) -> Bits {
        Bits::random(self.circuit.inputs(), &mut session_rng(seed, PartyId::new(100)))
    }

    /// The outputs, by the plain evaluator.
    pub fn plain(&self, seed: u64) -> Vec<bool> {
        (0..self.segments).fold(self.input(seed).iter().collect(), |bits: Vec<bool>, _| self.circuit.eval(&bits))
    }

    /// One party, with so many threads: the outputs, opened to each party alone and then to all, and what it took.
    pub async fn party(self, link: Local, seed: u64, threads: NonZeroUsize) -> Result<(Vec<bool>, Stats), Error> {
        let (me, n, owner) = (link.me(), link.parties(), PartyId::new(1));
        let mut s = Session::start(link, AGREED, session_rng(seed, me), Options { threads, ..Options::default() }).await?;
        if let Some(ands) = self.stock {
            s = s.stock(ands).await?;
        }
        let input = s.declare(Source::Private(owner), self.circuit.inputs());
        let mut wires: Vec<_> = input.wires().collect();
        let mut segments = Vec::new();
        for _ in 0..self.segments {
            let segment = s.segment(&self.circuit, &wires)?;
            wires = segment.wires().collect();
            segments.push(segment);
        }
        let mut s = s.seal().await?;
        s.input(vec![if me == owner { Given::Mine(input, self.input(seed)) } else { Given::Theirs(input) }]).await?;
        let last = s.evaluate_all(segments).await?.pop().expect("there is a segment");
        let mut alone = None;
        for to in PartyId::all(n) {
            alone = alone.or(s.open_to(&last, to).await?);
        }
        let out: Vec<bool> = s.open(&last).await?.iter().collect();
        assert!(alone.is_some_and(|alone| alone.iter().eq(out.iter().copied())), "opened to one party as to all");
        Ok((out, s.stats()))
    }
}
