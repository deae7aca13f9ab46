//! One session over any links, from its start to its end: a workload prepared, evaluated and opened to all.

use crate::{
    steps::{Step, Steps},
    workload::Workload,
};
use chacha20::ChaCha20Rng;
use cotenant_core::{Bits, Channel, Domain, PartyId};
use cotenant_mpc::{Engine, Given, Input, Observer, Online, Options, Progress, Segment, Session, Source, Stats, VerifiedWires};
use std::{num::NonZeroUsize, time::Instant};

/// What a session made and cost.
pub struct Measured {
    /// The outputs of all evaluations, in order.
    pub outputs: Bits,
    /// The engine's own counts.
    pub stats: Stats,
    /// Session id, base OTs, check of global keys.
    pub setup_s: f64,
    /// Authenticated bits, triples and tables.
    pub prepare_s: f64,
    /// Inputs, evaluation with its checks, opening of all outputs.
    pub online_s: f64,
    /// The set-up, the plan, the steps as the engine names them, inputs, evaluation and openings.
    pub steps: Vec<Step>,
}

impl Measured {
    /// All phases.
    pub fn total_s(&self) -> f64 {
        self.setup_s + self.prepare_s + self.online_s
    }
}

/// Runs a party of a session.
///
/// # Errors
/// The session's.
pub async fn measure<C: Channel>(
    lane: C,
    rng: ChaCha20Rng,
    workload: &Workload,
    threads: NonZeroUsize,
    mut observer: impl FnMut(Progress) + Send + 'static,
) -> Result<Measured, cotenant_mpc::Error> {
    let values: Vec<[Bits; 2]> = (0..workload.segments).map(|segment| workload.values(segment)).collect();
    let agreed = Domain::Session.hasher().field(b"benchmark").number(workload.ands() as u64).digest();
    let steps = Steps::default();
    let observed = steps.clone();
    let watch: Observer = Box::new(move |progress| {
        observed.progress(progress);
        observer(progress);
    });
    let started = Instant::now();
    steps.enter("set-up", 0);
    let mut session = Session::start(lane, agreed, rng, Options { observer: Some(watch), threads }).await?;
    let set_up = Instant::now();
    steps.enter("plan", session.stats().total().sent_bytes);
    let (inputs, segments) = declare(&mut session, workload)?;
    let mut online = session.seal().await?;
    let prepared = Instant::now();
    steps.enter("inputs", online.stats().total().sent_bytes);
    give(&mut online, inputs, values).await?;
    steps.enter("evaluation", online.stats().total().sent_bytes);
    let verified = online.evaluate_all(segments).await?;
    steps.enter("openings", online.stats().total().sent_bytes);
    let outputs = online.open(&join(verified)).await?;
    let over = Instant::now();
    let stats = online.stats();
    Ok(Measured {
        outputs,
        setup_s: (set_up - started).as_secs_f64(),
        prepare_s: (prepared - set_up).as_secs_f64(),
        online_s: (over - prepared).as_secs_f64(),
        steps: steps.finish(stats.total().sent_bytes),
        stats,
    })
}

type Plan = (Vec<[Input; 2]>, Vec<Segment>);

fn declare<E: Engine>(session: &mut E, workload: &Workload) -> Result<Plan, cotenant_mpc::Error> {
    let owners = [PartyId::EVALUATOR, PartyId::new(session.parties() - 1)];
    let (mut inputs, mut segments) = (Vec::new(), Vec::new());
    for _ in 0..workload.segments {
        let pair = [0, 1].map(|i| session.declare(Source::Private(owners[i]), workload.inputs[i]));
        let wires: Vec<_> = pair.iter().flat_map(|input| input.wires()).collect();
        segments.push(session.segment(&workload.circuit, &wires)?);
        inputs.push(pair);
    }
    Ok((inputs, segments))
}

async fn give<O: Online>(online: &mut O, inputs: Vec<[Input; 2]>, values: Vec<[Bits; 2]>) -> Result<(), cotenant_mpc::Error> {
    let mine = Source::Private(online.me());
    let pairs = inputs.into_iter().flatten().zip(values.into_iter().flatten());
    let given = pairs.map(|(input, bits)| if input.source() == mine { Given::Mine(input, bits) } else { Given::Theirs(input) });
    online.input(given.collect()).await
}

/// All wires in order, joined in pairs, so that each is copied a logarithmic number of times.
fn join<V: VerifiedWires>(mut parts: Vec<V>) -> V {
    while parts.len() > 1 {
        parts = parts.chunks(2).map(|pair| if let [one, two] = pair { one.concat(two) } else { pair[0].clone() }).collect();
    }
    parts.pop().expect("a workload has at least one segment")
}
