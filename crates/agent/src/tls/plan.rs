//! Everything one connection needs, declared before the session is sealed: both groups, so that a HelloRetryRequest finds its key share prepared, the key
//! schedule, and the sealing of a request whose shape is known.
//!
//! The key schedule exists once. Its shared secret is soldered to the group that the server chose, so the other group costs only its addition.

use super::circuits::{self, ROUND_KEYS};
use cotenant_circuit::hmac::HmacKey;
use cotenant_core::PartyId;
use cotenant_mpc::{Engine, Error, Input, Segment, Source, Wire};
use cotenant_tls::{FragmentSize, Group};

/// One stretch of plaintext.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PieceShape {
    /// So many bytes that everyone knows when they are sent.
    Public(usize),
    /// So many bytes that no one knows.
    Secret(usize),
}

/// The shape of a request: what of it is secret, cut into records.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Shape {
    records: Vec<RecordShape>,
}

/// One record: of which bytes of its content are secret. The content type that follows is counted.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct RecordShape {
    secret: Vec<bool>,
}

impl RecordShape {
    /// For each byte of the inner plaintext whether it is secret.
    pub(super) fn secret_bytes(&self) -> &[bool] {
        &self.secret
    }

    /// Blocks that GHASH takes in: additional data, ciphertext, lengths.
    pub(super) fn ghash_blocks(&self) -> usize {
        2 + self.secret.len().div_ceil(16)
    }
}

impl Shape {
    /// The shape of `pieces` cut at `size`, as [`cotenant_tls::cut`] cuts them.
    pub fn new(pieces: &[PieceShape], size: FragmentSize) -> Shape {
        let bytes: Vec<bool> = pieces
            .iter()
            .flat_map(|p| match *p {
                PieceShape::Public(n) => std::iter::repeat_n(false, n),
                PieceShape::Secret(n) => std::iter::repeat_n(true, n),
            })
            .collect();
        let record = |content: &[bool]| RecordShape { secret: content.iter().copied().chain([false]).collect() };
        Shape { records: bytes.chunks(size.bytes()).map(record).collect() }
    }

    pub(super) fn records(&self) -> &[RecordShape] {
        &self.records
    }

    /// Secret bytes in all.
    pub fn hole_bytes(&self) -> usize {
        self.records.iter().flat_map(|r| &r.secret).filter(|&&s| s).count()
    }

    /// Powers of H that the longest record takes.
    fn powers(&self) -> usize {
        self.records.iter().map(RecordShape::ghash_blocks).max().unwrap_or(0)
    }
}

/// The declared parts of one connection. Each is taken when it is used, and a part that is gone cannot be used again.
pub struct TlsPlan {
    pub(super) groups: Vec<GroupPlan>,
    pub(super) schedule: SchedulePlan,
    pub(super) application: ApplicationPlan,
    pub(super) sealing: SealingPlan,
}

/// One key exchange of one group.
pub(super) struct GroupPlan {
    pub(super) group: Group,
    /// Coordinates, by party.
    pub(super) points: Vec<Input>,
    pub(super) additions: Vec<AdditionPlan>,
}

/// One of n - 1 point additions.
pub(super) struct AdditionPlan {
    /// By party.
    pub(super) blinds: Vec<Input>,
    pub(super) slope: Segment,
    pub(super) inverse: Input,
    pub(super) add: Segment,
}

pub(super) struct SchedulePlan {
    pub(super) shared: Input,
    pub(super) words: Input,
    pub(super) segment: Segment,
}

pub(super) struct ApplicationPlan {
    pub(super) words: Input,
    pub(super) segment: Segment,
    pub(super) powers: usize,
}

pub(super) struct SealingPlan {
    pub(super) iv: Input,
    pub(super) segment: Segment,
    pub(super) shape: Shape,
}

/// Bits of the words of two labels.
const WORDS: usize = 2 * 64 * 32;

impl TlsPlan {
    /// Declares a connection that may use any of `groups` and sends a request of this shape, whose secret bytes are `holes` in order.
    ///
    /// # Errors
    /// [`Error::Misuse`] if the wires of `holes` are not those that the shape asks for.
    pub fn declare<E: Engine>(engine: &mut E, groups: &[Group], shape: Shape, holes: &[Wire]) -> Result<TlsPlan, Error> {
        let groups = groups.iter().map(|&g| declare_group(engine, g)).collect::<Result<_, _>>()?;
        let shared = engine.declare(Source::Soldered, 256);
        let words = engine.declare(Source::Public, WORDS);
        let wires: Vec<Wire> = shared.wires().chain(words.wires()).collect();
        let handshake = engine.segment(&circuits::handshake(), &wires)?;
        let master: Vec<Wire> = handshake.wires().skip(512).collect();
        debug_assert_eq!(master.len(), HmacKey::BITS);
        let schedule = SchedulePlan { shared, words, segment: handshake };

        let powers = shape.powers();
        let words = engine.declare(Source::Public, WORDS);
        let wires: Vec<Wire> = master.into_iter().chain(words.wires()).collect();
        let segment = engine.segment(&circuits::application(powers), &wires)?;
        let round_keys: Vec<Wire> = segment.wires().skip(96).take(ROUND_KEYS).collect();
        let application = ApplicationPlan { words, segment, powers };

        let iv = engine.declare(Source::Public, 96);
        let wires: Vec<Wire> = round_keys.into_iter().chain(holes.iter().copied()).chain(iv.wires()).collect();
        let segment = engine.segment(&circuits::sealing(&shape), &wires)?;
        let sealing = SealingPlan { iv, segment, shape };
        Ok(TlsPlan { groups, schedule, application, sealing })
    }

    /// The server's application traffic secret, 256 wires that have their values when the handshake is done.
    pub fn server_secret(&self) -> Vec<Wire> {
        self.application.segment.wires().skip(96 + ROUND_KEYS + 128 * self.application.powers).collect()
    }
}

fn declare_group<E: Engine>(engine: &mut E, group: Group) -> Result<GroupPlan, Error> {
    let (n, bits) = (engine.parties(), circuits::curve(group).bits());
    let points: Vec<Input> = PartyId::all(n).map(|p| engine.declare(Source::Private(p), 2 * bits)).collect();
    let mut running: Vec<Wire> = points[0].wires().collect();
    let mut additions = Vec::new();
    for (k, next) in points.iter().enumerate().skip(1) {
        let blinds: Vec<Input> = PartyId::all(n).map(|p| engine.declare(Source::Private(p), bits)).collect();
        let both: Vec<Wire> = running.iter().copied().chain(next.wires()).collect();
        let wires: Vec<Wire> = both.iter().copied().chain(blinds.iter().flat_map(|b| b.wires())).collect();
        let slope = engine.segment(&circuits::slope(group, n), &wires)?;
        let inverse = engine.declare(Source::Public, bits);
        let wires: Vec<Wire> = both.into_iter().chain(slope.wires().skip(bits)).chain(inverse.wires()).collect();
        let add = engine.segment(&circuits::addition(group, k == n - 1), &wires)?;
        running = add.wires().collect();
        additions.push(AdditionPlan { blinds, slope, inverse, add });
    }
    Ok(GroupPlan { group, points, additions })
}
