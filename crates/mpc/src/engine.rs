//! What stands above the engine sees of it: one interface, in two stages that the types keep apart.
//!
//! An [`Engine`] takes the plan: inputs, and segments (circuits) wired to inputs and to earlier segments. [`Engine::seal`] prepares and garbles all of it and
//! consumes the engine: what comes out, an [`Online`], can provide inputs, evaluate and open, but has no method that prepares anything. Values come out
//! only through [`Online::Verified`] wires, which only evaluation makes, after the authentication of the segment has passed.

use crate::{
    error::{Error, Misuse},
    stats::Stats,
};
use cotenant_circuit::Circuit;
use cotenant_core::{Bits, Digest, PartyId};
use std::{
    future::Future,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Marks the handles of one engine, so that those of another are refused. Only who makes an engine has its tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Tag(u64);

impl Tag {
    /// A tag that no other engine of this process has.
    pub fn fresh() -> Tag {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Tag(NEXT.fetch_add(1, Ordering::Relaxed))
    }

    fn admit<T>(self, other: Tag, value: T) -> Result<T, Misuse> {
        if self == other { Ok(value) } else { Err(Misuse::Foreign) }
    }
}

/// A wire of the plan. Only a name: it can be chained to later segments but not opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Wire {
    tag: Tag,
    number: u32,
}

impl Wire {
    /// Its number in the engine with this tag.
    ///
    /// # Errors
    /// [`Misuse::Foreign`] if it is another engine's.
    pub fn number(self, tag: Tag) -> Result<u32, Misuse> {
        tag.admit(self.tag, self.number)
    }
}

/// Where the value of a declared input comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// One party knows it and gives it online.
    Private(PartyId),
    /// All parties know it, and compare it online before it is used.
    Public,
    /// Uniform, chosen by all together, known to nobody.
    Joint,
    /// The value of wires that are evaluated by then, chosen online ([`Online::solder`]).
    Soldered,
}

/// A declared input: consumed when it gets its value, so it gets one once.
#[must_use]
#[derive(Debug)]
pub struct Input {
    tag: Tag,
    source: Source,
    wires: Range<u32>,
}

impl Input {
    /// For implementations of [`Engine`].
    pub fn new(tag: Tag, source: Source, wires: Range<u32>) -> Input {
        Input { tag, source, wires }
    }

    /// Where its value comes from.
    pub fn source(&self) -> Source {
        self.source
    }

    /// Its wires, in order.
    pub fn wires(&self) -> impl ExactSizeIterator<Item = Wire> + Clone + use<> {
        names(self.tag, &self.wires)
    }

    /// Its wires' numbers in the engine with this tag.
    ///
    /// # Errors
    /// [`Misuse::Foreign`] if it is another engine's.
    pub fn numbers(&self, tag: Tag) -> Result<Range<u32>, Misuse> {
        tag.admit(self.tag, self.wires.clone())
    }

    /// Number of wires.
    pub fn len(&self) -> usize {
        self.wires.len()
    }

    /// Whether it has no wires.
    pub fn is_empty(&self) -> bool {
        self.wires.is_empty()
    }
}

fn names(tag: Tag, wires: &Range<u32>) -> impl ExactSizeIterator<Item = Wire> + Clone + use<> {
    (wires.start..wires.end).map(move |number| Wire { tag, number })
}

/// A circuit in the plan: consumed when it is evaluated, so a garbling is never evaluated twice (two labels of one wire are Delta).
///
/// ```compile_fail
/// async fn twice<O: cotenant_mpc::Online>(mut o: O, s: cotenant_mpc::Segment) {
///     o.evaluate(s).await.unwrap();
///     o.evaluate(s).await.unwrap();
/// }
/// ```
///
/// ```compile_fail
/// async fn twice_in_a_list<O: cotenant_mpc::Online>(mut o: O, s: cotenant_mpc::Segment) {
///     o.evaluate_all(vec![s, s]).await.unwrap();
/// }
/// ```
#[must_use]
#[derive(Debug)]
pub struct Segment {
    tag: Tag,
    index: usize,
    outputs: Range<u32>,
}

impl Segment {
    /// For implementations of [`Engine`].
    pub fn new(tag: Tag, index: usize, outputs: Range<u32>) -> Segment {
        Segment { tag, index, outputs }
    }

    /// Its place in the plan of the engine with this tag.
    ///
    /// # Errors
    /// [`Misuse::Foreign`] if it is another engine's.
    pub fn index(&self, tag: Tag) -> Result<usize, Misuse> {
        tag.admit(self.tag, self.index)
    }

    /// The circuit's outputs, in order, to be wired to later segments.
    pub fn wires(&self) -> impl ExactSizeIterator<Item = Wire> + Clone + use<> {
        names(self.tag, &self.outputs)
    }
}

/// A value for a declared input.
pub enum Given {
    /// For [`Source::Public`]: the bits, the same at every party.
    Public(Input, Bits),
    /// For [`Source::Private`] of this party: the bits.
    Mine(Input, Bits),
    /// For [`Source::Private`] of another party.
    Theirs(Input),
    /// For [`Source::Joint`].
    Joint(Input),
}

/// Wires whose values may be opened.
pub trait VerifiedWires: Clone + Send + Sync {
    /// Number of wires.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some of them.
    fn slice(&self, range: Range<usize>) -> Self;

    /// These, then others.
    fn concat(&self, other: &Self) -> Self;

    /// The wires at these places, in this order; a place may be named more than once.
    ///
    /// # Panics
    /// If there is no such place.
    fn pick(&self, places: &[u32]) -> Self;
}

/// A session that takes its plan.
pub trait Engine: Sized + Send {
    /// The session once it is sealed.
    type Online: Online;

    /// This party.
    fn me(&self) -> PartyId;

    /// The number of parties.
    fn parties(&self) -> usize;

    /// Declares an input of `len` bits. A private input of a party that does not exist makes [`Engine::seal`] fail.
    fn declare(&mut self, source: Source, len: usize) -> Input;

    /// Adds a circuit, its inputs wired in order.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the number of wires does not fit, a wire does not exist yet, or an input that the circuit takes as public is wired to anything
    /// but a [`Source::Public`] input.
    fn segment(&mut self, circuit: &Arc<Circuit>, inputs: &[Wire]) -> Result<Segment, Error>;

    /// Makes products for at least `ands` ANDs of two secrets before it is known which: what the plan then takes of them is prepared in one round. At most once,
    /// of the same size at all parties, before or between declarations; what the plan does not take is erased.
    fn stock(self, ands: usize) -> impl Future<Output = Result<Self, Error>> + Send;

    /// Prepares, compares and garbles the whole plan; then everything that prepares is gone.
    fn seal(self) -> impl Future<Output = Result<Self::Online, Error>> + Send;
}

/// A sealed session: everything is garbled, values flow. All parties make the same calls in the same order.
///
/// After an error other than [`Error::Misuse`] the session is dead: every call fails. So is a session whose call was dropped
/// after its first poll and before it ended; a call that was never polled did not happen.
///
/// ```compile_fail
/// async fn prepare_more<O: cotenant_mpc::Online>(o: O) {
///     o.seal().await.unwrap();
/// }
/// ```
///
/// ```compile_fail
/// async fn open_unverified<O: cotenant_mpc::Online>(mut o: O, s: cotenant_mpc::Segment) {
///     let wires: Vec<_> = s.wires().collect();
///     o.open(&wires).await.unwrap();
/// }
/// ```
pub trait Online: Send {
    /// Wires of segments whose authentication has passed.
    type Verified: VerifiedWires;

    /// This party.
    fn me(&self) -> PartyId;

    /// The number of parties.
    fn parties(&self) -> usize;

    /// Gives values to inputs. Public values are compared before any label for them is sent.
    fn input(&mut self, given: Vec<Given>) -> impl Future<Output = Result<(), Error>> + Send;

    /// Evaluates segments, in order, and authenticates all results at once: as many rounds as one segment takes. A later one may take outputs of an earlier
    /// one of the list. All results are there or none. With no segments it does nothing.
    fn evaluate_all(&mut self, segments: Vec<Segment>) -> impl Future<Output = Result<Vec<Self::Verified>, Error>> + Send;

    /// Evaluates a segment and authenticates the result.
    fn evaluate(&mut self, segment: Segment) -> impl Future<Output = Result<Self::Verified, Error>> + Send {
        async move { Ok(self.evaluate_all(vec![segment]).await?.pop().expect("one result for each segment")) }
    }

    /// Binds declared [`Source::Soldered`] inputs to evaluated wires: as many rounds as one takes. With no pairs it does nothing.
    fn solder_all(&mut self, pairs: Vec<(Input, Self::Verified)>) -> impl Future<Output = Result<(), Error>> + Send;

    /// Binds one declared [`Source::Soldered`] input to evaluated wires.
    fn solder(&mut self, input: Input, to: &Self::Verified) -> impl Future<Output = Result<(), Error>> + Send {
        self.solder_all(vec![(input, to.clone())])
    }

    /// Opens wires to everyone.
    fn open(&mut self, wires: &Self::Verified) -> impl Future<Output = Result<Bits, Error>> + Send;

    /// Opens wires to one party; the others get `None`.
    fn open_to(&mut self, wires: &Self::Verified, to: PartyId) -> impl Future<Output = Result<Option<Bits>, Error>> + Send;

    /// Opens exclusive ors of wires, and nothing else of them: output `k` is the xor of the wires whose positions `rows[k]` lists. No gates; a position listed twice cancels.
    fn open_linear(&mut self, wires: &Self::Verified, rows: &[Vec<u32>]) -> impl Future<Output = Result<Bits, Error>> + Send;

    /// Fails unless all parties call it with the same digest. It proves that they mean the same, not that another party knew it before.
    fn compare(&mut self, digest: Digest) -> impl Future<Output = Result<(), Error>> + Send;

    /// 64 public uniform bytes that no set of fewer than all parties could choose or foresee.
    fn coin(&mut self) -> impl Future<Output = Result<[u8; 64], Error>> + Send;

    /// Everyone commits to a value of the same length, then all are opened. The values by party; the echo of the openings has been compared.
    fn exchange(&mut self, value: &[u8]) -> impl Future<Output = Result<Vec<Vec<u8>>, Error>> + Send;

    /// Ends the session before its time and tells the others, who would otherwise wait. For a caller that refuses to go on.
    fn give_up(&mut self) -> impl Future<Output = ()> + Send;

    /// What the session has cost so far.
    fn stats(&self) -> Stats;
}
