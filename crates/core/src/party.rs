//! The name of a party inside one session.

use std::fmt;

/// A party of a session: its position in the agreed list of members, counted from 0.
///
/// Party 0 is the evaluator of the garbled circuits (P_1 in the papers), the others are garblers. People see `P1`, `P2`, ….
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartyId(u8);

impl PartyId {
    /// The evaluator.
    pub const EVALUATOR: PartyId = PartyId(0);

    /// The party at position `index` of the member list, counted from 0.
    ///
    /// # Panics
    /// If `index` is 255 or more; sessions have far fewer parties.
    pub fn new(index: usize) -> Self {
        assert!(index < 255, "a session has fewer than 255 parties");
        PartyId(index as u8)
    }

    /// The position in the member list, counted from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// All parties of a session of `n`.
    pub fn all(n: usize) -> impl DoubleEndedIterator<Item = PartyId> + Clone {
        (0..n).map(PartyId::new)
    }

    /// All parties of a session of `n` but this one.
    pub fn others(self, n: usize) -> impl DoubleEndedIterator<Item = PartyId> + Clone {
        Self::all(n).filter(move |&p| p != self)
    }
}

impl fmt::Display for PartyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "P{}", self.0 + 1)
    }
}

impl fmt::Debug for PartyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
