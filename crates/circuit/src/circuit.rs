//! The compiled circuit: gates over reused slots in runs, its statistics, digest and plain evaluator.
//!
//! To run it: put the inputs in slots `0..inputs()`, walk [`Circuit::runs`] or [`Circuit::gates`] in order, read [`Circuit::outputs`]. The slot that an
//! XOR writes may be one it reads, so both operands are read first.

use std::sync::OnceLock;

use cotenant_core::Domain;
use cotenant_core::domain::Hasher;

/// One gate over slots: `out = a ^ b`, or `out = (a ^ a_neg) & (b ^ b_neg)`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    /// Slot, and the sign in the top bit.
    a: u32,
    /// Slot, and the sign in the top bit.
    b: u32,
    /// Slot, and the kind in the two top bits: 0 is XOR, else one of `AND_KINDS`.
    out: u32,
}

/// How much of an AND's operands is public when the circuit runs. A wire is public if all inputs it depends on are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AndKind {
    /// Both operands are secret.
    Full,
    /// Operand `a` is secret, operand `b` is public.
    HalfPublic,
    /// Both operands, and so the result, are public.
    Public,
}

/// Codes 1 to 3 in [`Gate::out`].
const AND_KINDS: [AndKind; 3] = [AndKind::Full, AndKind::HalfPublic, AndKind::Public];
const SIGN: u32 = 1 << 31;
const KIND_SHIFT: u32 = 30;

/// Engines walk millions of gates several times over.
const _: () = assert!(size_of::<Gate>() == 12);

impl Gate {
    pub(crate) const MAX_SLOTS: u32 = 1 << KIND_SHIFT;

    pub(crate) fn new(kind: Option<AndKind>, (a, a_neg): (u32, bool), (b, b_neg): (u32, bool), out: u32) -> Gate {
        let code = kind.map_or(0, |kind| kind as u32 + 1);
        Gate { a: a | (a_neg as u32) << 31, b: b | (b_neg as u32) << 31, out: out | code << KIND_SHIFT }
    }

    /// Whether it is an AND; else it is an XOR.
    #[inline]
    pub fn is_and(self) -> bool {
        self.out >= 1 << KIND_SHIFT
    }

    /// The kind of an AND, `None` for an XOR.
    #[inline]
    pub fn and_kind(self) -> Option<AndKind> {
        match self.out >> KIND_SHIFT {
            0 => None,
            code => Some(AND_KINDS[code as usize - 1]),
        }
    }

    /// Slot of the first operand.
    #[inline]
    pub fn a(self) -> usize {
        (self.a & !SIGN) as usize
    }

    /// Whether the first operand is negated; never for an XOR.
    #[inline]
    pub fn a_neg(self) -> bool {
        self.a & SIGN != 0
    }

    /// Slot of the second operand.
    #[inline]
    pub fn b(self) -> usize {
        (self.b & !SIGN) as usize
    }

    /// Whether the second operand is negated; never for an XOR.
    #[inline]
    pub fn b_neg(self) -> bool {
        self.b & SIGN != 0
    }

    /// Slots of the operands and the result of an XOR, which has no signs to be masked.
    #[inline]
    pub fn xor_slots(self) -> [usize; 3] {
        debug_assert!(!self.is_and() && !self.a_neg() && !self.b_neg());
        [self.a, self.b, self.out].map(|slot| slot as usize)
    }

    /// Slot of the result; may be that of an operand.
    #[inline]
    pub fn out(self) -> usize {
        (self.out & (Self::MAX_SLOTS - 1)) as usize
    }
}

/// Consecutive gates whose ANDs can be computed together.
///
/// XORs are in order, each may read what those before it wrote. Every AND of the run depends on gates before the run and on its XORs alone, and writes
/// a slot that no AND of the run reads and no other one writes. So all operands of the ANDs may be read before or after any of their results is written.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// Come first, one after another.
    pub xors: &'a [Gate],
    /// At most [`RUN`]: those of two secrets, then those with a public operand; within each kind in any order.
    pub ands: &'a [Gate],
}

/// The most ANDs of a [`Run`].
pub const RUN: usize = 16;

/// How many gates a run has.
#[derive(Clone, Copy)]
pub(crate) struct RunLength {
    pub(crate) xors: u32,
    pub(crate) ands: u32,
}

/// Where an output bit is found after the last gate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Output {
    /// The value of a slot, negated if `neg`.
    Slot {
        /// The slot; it may also be that of an input.
        slot: usize,
        /// Whether the output is the negation of the slot's value.
        neg: bool,
    },
    /// A value that was known when the circuit was built.
    Const(bool),
}

/// Counts of a compiled circuit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// ANDs of two secrets.
    pub and_full: usize,
    /// ANDs of a secret and a value that is public at run time.
    pub and_half_public: usize,
    /// ANDs of two values that are public at run time.
    pub and_public: usize,
    /// XORs.
    pub xor: usize,
    /// The most ANDs on a path.
    pub depth: usize,
    /// Wires alive at once.
    pub slots: usize,
    /// Runs, see [`Circuit::runs`].
    pub runs: usize,
    /// Input bits.
    pub inputs: usize,
    /// Output bits.
    pub outputs: usize,
}

impl Stats {
    /// ANDs of every kind.
    pub fn ands(&self) -> usize {
        self.and_full + self.and_half_public + self.and_public
    }

    /// Counts one gate whose result is `depth` ANDs deep.
    pub(crate) fn count(&mut self, kind: Option<AndKind>, depth: u32) {
        *match kind {
            None => &mut self.xor,
            Some(AndKind::Full) => &mut self.and_full,
            Some(AndKind::HalfPublic) => &mut self.and_half_public,
            Some(AndKind::Public) => &mut self.and_public,
        } += 1;
        self.depth = self.depth.max(depth as usize);
    }
}

/// A compiled circuit, made by [`Builder::finish`](crate::Builder::finish).
pub struct Circuit {
    input_is_public: Vec<bool>,
    gates: Vec<Gate>,
    runs: Vec<RunLength>,
    outputs: Vec<Output>,
    stats: Stats,
    digest: OnceLock<[u8; 32]>,
}

impl Circuit {
    pub(crate) fn new(input_is_public: Vec<bool>, gates: Vec<Gate>, runs: Vec<RunLength>, outputs: Vec<Output>, stats: Stats) -> Circuit {
        Circuit { input_is_public, gates, runs, outputs, stats, digest: OnceLock::new() }
    }

    /// Number of input bits; at the start they occupy slots `0..inputs()` in the order in which they were declared.
    pub fn inputs(&self) -> usize {
        self.input_is_public.len()
    }

    /// Whether input `index` is public when the circuit runs.
    ///
    /// # Panics
    /// If there is no such input.
    pub fn input_is_public(&self, index: usize) -> bool {
        self.input_is_public[index]
    }

    /// The gates, each after those it depends on: those of all runs, one run after another.
    pub fn gates(&self) -> &[Gate] {
        &self.gates
    }

    /// The gates in runs: XORs, then ANDs that are independent of each other.
    pub fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        let mut rest = &self.gates[..];
        self.runs.iter().map(move |length| {
            let (xors, after) = rest.split_at(length.xors as usize);
            let (ands, after) = after.split_at(length.ands as usize);
            rest = after;
            Run { xors, ands }
        })
    }

    /// Number of slots that gates and inputs use.
    pub fn slots(&self) -> usize {
        self.stats.slots
    }

    /// The outputs in the order in which they were declared.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// Counts of gates, depth and slots.
    pub fn stats(&self) -> Stats {
        self.stats
    }

    /// Hash of the whole compiled form, computed once. Parties that hold circuits with equal digests walk the same gates.
    pub fn digest(&self) -> [u8; 32] {
        *self.digest.get_or_init(|| self.hash())
    }

    fn hash(&self) -> [u8; 32] {
        let mut hasher = Domain::Circuit.hasher();
        for count in [self.inputs(), self.gates.len(), self.runs.len(), self.outputs.len(), self.stats.slots] {
            hasher.number(count as u64);
        }
        absorb(&mut hasher, self.input_is_public.iter().map(|&public| public as u32));
        absorb(&mut hasher, self.gates.iter().flat_map(|gate| [gate.a, gate.b, gate.out]));
        absorb(&mut hasher, self.runs.iter().flat_map(|length| [length.xors, length.ands]));
        let outputs = self.outputs.iter().flat_map(|output| match *output {
            Output::Slot { slot, neg } => [slot as u32, neg as u32],
            Output::Const(value) => [u32::MAX, value as u32],
        });
        absorb(&mut hasher, outputs);
        hasher.digest().0
    }

    /// The outputs for `inputs`.
    ///
    /// # Panics
    /// If there are not exactly [`Circuit::inputs`] values.
    pub fn eval(&self, inputs: &[bool]) -> Vec<bool> {
        let inputs: Vec<u64> = inputs.iter().map(|&bit| bit as u64).collect();
        self.eval64(&inputs).into_iter().map(|lanes| lanes & 1 == 1).collect()
    }

    /// 64 evaluations at once: bit `i` of every word belongs to evaluation `i`.
    ///
    /// # Panics
    /// If there are not exactly [`Circuit::inputs`] values.
    pub fn eval64(&self, inputs: &[u64]) -> Vec<u64> {
        assert_eq!(inputs.len(), self.inputs(), "one value an input");
        let mut slots = vec![0u64; self.slots()];
        slots[..inputs.len()].copy_from_slice(inputs);
        let spread = |bit: bool| (bit as u64).wrapping_neg();
        for gate in &self.gates {
            let (a, b) = (slots[gate.a()], slots[gate.b()]);
            slots[gate.out()] = match gate.is_and() {
                true => (a ^ spread(gate.a_neg())) & (b ^ spread(gate.b_neg())),
                false => a ^ b,
            };
        }
        let outputs = self.outputs.iter().map(|output| match *output {
            Output::Slot { slot, neg } => slots[slot] ^ spread(neg),
            Output::Const(value) => spread(value),
        });
        outputs.collect()
    }
}

/// Absorbs words in pieces large enough for the hash's vector code.
fn absorb(hasher: &mut Hasher, words: impl Iterator<Item = u32>) {
    const PIECE: usize = 1 << 16;
    let mut piece = Vec::with_capacity(PIECE);
    for word in words {
        piece.extend_from_slice(&word.to_le_bytes());
        if piece.len() == PIECE {
            hasher.raw(&piece);
            piece.clear();
        }
    }
    hasher.raw(&piece);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_covers_runs() {
        let and = |out| Gate::new(Some(AndKind::Full), (0, false), (1, false), out);
        let with_runs = |runs: &[[u32; 2]]| {
            let runs = runs.iter().map(|&[xors, ands]| RunLength { xors, ands }).collect();
            Circuit::new(vec![false; 2], vec![and(2), and(3)], runs, Vec::new(), Stats { slots: 4, ..Stats::default() }).digest()
        };
        assert_ne!(with_runs(&[[0, 2]]), with_runs(&[[0, 1], [0, 1]]));
    }
}
