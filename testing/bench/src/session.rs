//! One session over any links, from its start to its end: a workload prepared, evaluated and opened to all.

use crate::{
    steps::{Step, Steps},
    workload::Workload,
};
use chacha20::ChaCha20Rng;
use cotenant_core::{Bits, Channel, Domain, PartyId};
use cotenant_mpc::{Engine, Given, Input, Observer, Online, Progress, Segment, Session, Source, Stats, VerifiedWires};

/// The largest number of threads that a party can compute on.
pub const MOST_THREADS: usize = 1;

/// What a session made and cost.
pub struct Measured {
    /// The outputs of all evaluations, in order.
    pub outputs: Bits,
    /// The engine's own counts.
    pub stats: Stats,
    /// Its steps, in order: those of [`SETUP`], those of the preparation, those of [`ONLINE`].
    pub steps: Vec<Step>,
}

/// Session id, base OTs, check of global keys.
pub const SETUP: &str = "set-up";
/// Plan and preparation, up to the first step that the engine names.
const PREPARE: &str = "preparation";
/// Inputs, evaluation with its checks, opening of all outputs.
pub const ONLINE: [&str; 3] = ["inputs", "evaluation", "opening"];

/// Runs a party of a session on `threads` threads, of which there are at most [`MOST_THREADS`].
///
/// # Errors
/// The session's.
///
/// # Panics
/// For another number of threads.
pub async fn measure<C: Channel>(
    lane: C,
    rng: ChaCha20Rng,
    workload: &Workload,
    threads: usize,
    mut observer: impl FnMut(Progress) + Send + 'static,
) -> Result<Measured, cotenant_mpc::Error> {
    assert!((1..=MOST_THREADS).contains(&threads), "a party computes on 1 to {MOST_THREADS} threads");
    let values: Vec<[Bits; 2]> = (0..workload.segments).map(|segment| workload.values(segment)).collect();
    let agreed = Domain::Session.hasher().field(b"benchmark").number(workload.ands() as u64).digest();
    let steps = Steps::default();
    let observed = steps.clone();
    let watch: Observer = Box::new(move |progress| {
        observed.progress(progress);
        observer(progress);
    });
    steps.enter(SETUP, 0);
    let mut session = Session::start(lane, agreed, rng, Some(watch)).await?;
    steps.enter(PREPARE, session.stats().total().sent_bytes);
    let (inputs, segments) = declare(&mut session, workload)?;
    let mut online = session.seal().await?;
    steps.enter(ONLINE[0], online.stats().total().sent_bytes);
    give(&mut online, inputs, values).await?;
    steps.enter(ONLINE[1], online.stats().total().sent_bytes);
    let mut verified = Vec::new();
    for segment in segments {
        verified.push(online.evaluate(segment).await?);
    }
    steps.enter(ONLINE[2], online.stats().total().sent_bytes);
    let outputs = online.open(&join(verified)).await?;
    let stats = online.stats();
    let steps = steps.finish(stats.total().sent_bytes);
    Ok(Measured { outputs, stats, steps })
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
