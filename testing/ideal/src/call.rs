//! What a party asks of the trusted third party, and whether two parties ask the same.

use cotenant_circuit::Circuit;
use cotenant_core::{Bits, Digest, PartyId};
use cotenant_mpc::{Check, Phase, Source};
use std::{mem::discriminant, ops::Range, sync::Arc};

/// One call of one party.
pub(crate) enum Call {
    Start(Digest),
    Stock(usize),
    Seal(Vec<Item>),
    Input(Vec<Giving>),
    /// Segments with their numbers, in order.
    Evaluate(Vec<(usize, Arc<Planned>)>),
    /// Each input with the wires that it is bound to.
    Solder(Vec<(Range<u32>, Vec<u32>)>),
    Open(Vec<u32>),
    OpenTo(Vec<u32>, PartyId),
    OpenLinear(Vec<u32>, Vec<Vec<u32>>),
    Compare(Digest),
    Coin,
    Exchange(Vec<u8>),
}

/// What one party gets.
#[derive(Clone)]
pub(crate) enum Reply {
    Done,
    Bits(Option<Bits>),
    Coin([u8; 64]),
    Values(Vec<Vec<u8>>),
}

/// One line of a plan, in the order in which it was made; equal plans have equal lines.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Item {
    Input(Source, usize),
    Segment([u8; 32], Vec<u32>),
}

/// A circuit in the plan and where it is wired.
pub(crate) struct Planned {
    pub(crate) circuit: Arc<Circuit>,
    pub(crate) inputs: Vec<u32>,
    pub(crate) outputs: Range<u32>,
}

/// A declared input that gets its value.
pub(crate) struct Giving {
    pub(crate) wires: Range<u32>,
    pub(crate) value: Value,
}

/// What one party says about the value of an input.
pub(crate) enum Value {
    Public(Bits),
    /// `Some` at its owner.
    Private(Option<Bits>),
    Joint,
}

impl Giving {
    fn public(&self) -> Option<&Bits> {
        if let Value::Public(bits) = &self.value { Some(bits) } else { None }
    }
}

impl Call {
    /// The phase of the protocol in which it happens.
    pub(crate) fn phase(&self) -> Phase {
        match self {
            Call::Start(_) => Phase::Setup,
            Call::Stock(_) | Call::Seal(_) => Phase::Prepare,
            _ => Phase::Online,
        }
    }

    /// The check that fails at a party whose own call is `self` and another's is `theirs`. Two calls that agree with a third agree with each other.
    pub(crate) fn disagrees(&self, theirs: &Call) -> Option<Check> {
        use Call::*;
        let (same, check) = match (self, theirs) {
            (Start(a), Start(b)) | (Compare(a), Compare(b)) => (a == b, Check::PublicValue),
            (Stock(a), Stock(b)) => (a == b, Check::Plan),
            (Seal(a), Seal(b)) => (a == b, Check::Plan),
            (Input(a), Input(b)) => return inputs_disagree(a, b),
            (Evaluate(a), Evaluate(b)) => (a.iter().map(|s| s.0).eq(b.iter().map(|s| s.0)), Check::Order),
            (Solder(a), Solder(b)) => (a == b, Check::Order),
            (Open(a), Open(b)) => (a == b, Check::Order),
            (OpenTo(a, p), OpenTo(b, q)) => (a == b && p == q, Check::Order),
            (OpenLinear(a, x), OpenLinear(b, y)) => (a == b && x == y, Check::Order),
            (Coin, Coin) => (true, Check::Order),
            (Exchange(a), Exchange(b)) => (a.len() == b.len(), Check::Format),
            _ => (false, Check::Order),
        };
        (!same).then_some(check)
    }
}

/// The same inputs in the same order, and the same public values. Where both have public values, those are compared together with the inputs.
fn inputs_disagree(mine: &[Giving], theirs: &[Giving]) -> Option<Check> {
    let pairs = || mine.iter().zip(theirs);
    let same_kinds = mine.len() == theirs.len() && pairs().all(|(a, b)| discriminant(&a.value) == discriminant(&b.value));
    let same = same_kinds && pairs().all(|(a, b)| a.wires == b.wires && a.public().map(Bits::words) == b.public().map(Bits::words));
    let any_public = |inputs: &[Giving]| inputs.iter().any(|g| g.public().is_some());
    match (same, any_public(mine) && any_public(theirs)) {
        (true, _) => None,
        (false, true) => Some(Check::PublicValue),
        (false, false) => Some(Check::Order),
    }
}
