//! All that reading needs, declared before the session is sealed, for any records and any framing that the limits allow.
//!
//! How much there is of each:
//!
//! | what | how many | because |
//! | --- | --- | --- |
//! | blocks | (bytes + 10 records) / 16 | a record of w bytes has w - 21 of inner plaintext and one block for its tag: (w + 10) / 16 at most |
//! | windows | (bytes + 42 records) / 64 | (w + 42) / 64 at most, if it is padding alone |
//! | lines of chunks | bytes / 256 + 8 | a choice: servers make larger chunks; an answer in smaller ones is not read |
//! | bytes of head | a quarter, at least 1 KiB and at most 4 | a choice: they cost twice what others do |
//! | bytes of content | all | |

use super::circuits::{self, BLOCK, BLOCKS, COUNTER, IV, ROUND_KEYS, SEQUENCE};
use crate::redact::{
    Rules,
    circuit::{HEAD_BITS, Room, most_gates},
    framing::CHUNK_DIGITS,
    inner::WINDOW,
};
use cotenant_circuit::Circuit;
use cotenant_mpc::{Engine, Error, Input, Segment, Source, Wire};
use cotenant_tls::AnswerLimits;
use std::{collections::VecDeque, sync::Arc};

/// The most bytes of an answer that is read in part. What they cost is counted in `tests/answers/costs.rs`.
pub const MAX_BYTES: usize = 1 << 15;
/// The most records: their numbers have [`SEQUENCE`] bits.
const MAX_RECORDS: usize = 1 << SEQUENCE;
/// What a record has beside its inner plaintext: header and tag.
const AROUND: usize = 21;

/// The most AND gates of the circuit that looks for the rules, by [`matcher_gates`]. The other circuits of a request and an answer of the longest take some 10
/// million each, and gates take memory.
pub const MAX_MATCHER: u64 = 1 << 23;

/// At least as many AND gates as the circuit has that looks for these rules in an answer of so many bytes.
pub fn matcher_gates(rules: &Rules, bytes: usize) -> u64 {
    most_gates(rules, Room::of(rules, head_room(bytes), bytes))
}

/// The most bytes that the head of an answer may have, where the whole of it has this limit.
pub(crate) fn head_room(bytes: usize) -> usize {
    (bytes / 4).clamp(1 << 10, 1 << 12)
}

/// Whether an answer of these limits can be read in part.
pub fn can_hold(limits: AnswerLimits) -> bool {
    (1..=MAX_BYTES).contains(&limits.bytes) && (1..=MAX_RECORDS).contains(&limits.records)
}

/// Everything that reading takes. Each part is used once.
pub struct AnswerPlan {
    pub(super) rules: Rules,
    pub(super) head_room: usize,
    pub(super) room: Room,
    pub(super) keys: Option<Segment>,
    /// [`BLOCKS`] each.
    pub(super) blocks: VecDeque<Part>,
    pub(super) windows: VecDeque<Part>,
    pub(super) head: Option<Part>,
    pub(super) lines: VecDeque<Part>,
    pub(super) line_end: Option<Part>,
    /// None for a policy without rules.
    pub(super) matcher: Option<Part>,
}

/// A segment and its one input.
pub(super) struct Part {
    pub(super) input: Input,
    pub(super) segment: Segment,
}

impl AnswerPlan {
    /// Declares the reading, by these rules, of an answer within limits that [`can_hold`] allows, whose server's traffic secret is `server`.
    ///
    /// # Errors
    /// [`Error::Misuse`] if `server` is no secret of 256 wires.
    ///
    /// # Panics
    /// If the limits are beyond what can be held.
    pub fn declare<E: Engine>(engine: &mut E, rules: &Rules, limits: AnswerLimits, server: &[Wire]) -> Result<AnswerPlan, Error> {
        assert!(can_hold(limits), "the caller looks at the limits");
        let AnswerLimits { bytes, records } = limits;
        let keys = engine.segment(&circuits::keys(), server)?;
        let round_keys: Vec<Wire> = keys.wires().skip(IV).take(ROUND_KEYS).collect();
        let blocks = ((bytes + (31 - AROUND) * records) / 16).div_ceil(BLOCKS);
        let of_blocks = |engine: &mut E| {
            let input = engine.declare(Source::Public, IV + BLOCKS * (SEQUENCE + COUNTER + BLOCK));
            let wires: Vec<Wire> = round_keys.iter().copied().chain(input.wires()).collect();
            Ok(Part { segment: engine.segment(&circuits::blocks(), &wires)?, input })
        };
        let blocks = (0..blocks).map(|_| of_blocks(engine)).collect::<Result<_, Error>>()?;
        let windows = (bytes + (WINDOW - 1 - AROUND) * records) / WINDOW;
        let head_room = head_room(bytes);
        let room = Room::of(rules, head_room, bytes);
        let matched = HEAD_BITS * room.head + 8 * room.content;
        Ok(AnswerPlan {
            rules: rules.clone(),
            head_room,
            room,
            keys: Some(keys),
            blocks,
            windows: soldered(engine, windows, 8 * WINDOW, &circuits::last())?,
            head: soldered(engine, 1, 8 * head_room, &circuits::head(head_room))?.pop_front(),
            lines: soldered(engine, bytes / 256 + 8, 8 * (2 + CHUNK_DIGITS + 2), &circuits::chunk_line())?,
            line_end: soldered(engine, 1, 16, &circuits::line_end())?.pop_front(),
            matcher: match rules.is_empty() {
                true => None,
                false => soldered(engine, 1, matched, &circuits::of_rules(rules, room))?.pop_front(),
            },
        })
    }
}

impl AnswerPlan {
    /// The policy.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }
}

/// Some segments of one circuit, each with an input that is chosen when the answer is there.
fn soldered<E: Engine>(engine: &mut E, count: usize, bits: usize, circuit: &Arc<Circuit>) -> Result<VecDeque<Part>, Error> {
    let part = |_| {
        let input = engine.declare(Source::Soldered, bits);
        let wires: Vec<Wire> = input.wires().collect();
        Ok(Part { segment: engine.segment(circuit, &wires)?, input })
    };
    (0..count).map(part).collect()
}
