//! Literals and nodes: what a circuit is made of while it is built.

use std::ops::Not;

/// A Boolean value of a circuit: a constant, or a wire of one [`Builder`](crate::Builder) with a sign.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Lit(u32);

impl Lit {
    /// The constant 0.
    pub const FALSE: Lit = Lit(0);
    /// The constant 1.
    pub const TRUE: Lit = Lit(1);

    /// The constant `value`.
    pub const fn constant(value: bool) -> Lit {
        Lit(value as u32)
    }

    /// The value, if it is known while the circuit is built.
    pub const fn as_constant(self) -> Option<bool> {
        match self {
            Lit::FALSE => Some(false),
            Lit::TRUE => Some(true),
            _ => None,
        }
    }

    /// The value of node `index`.
    ///
    /// # Panics
    /// From index 2^31 on.
    pub(crate) fn of_node(index: usize) -> Lit {
        Lit(u32::try_from(index).ok().filter(|&index| index < 1 << 31).expect("a circuit has fewer than 2^31 nodes") << 1)
    }

    /// Index of the node; node 0 is the constant 0.
    pub(crate) const fn node(self) -> usize {
        (self.0 >> 1) as usize
    }

    pub(crate) const fn is_negated(self) -> bool {
        self.0 & 1 == 1
    }

    pub(crate) fn negate_if(self, negate: bool) -> Lit {
        Lit(self.0 ^ negate as u32)
    }

    pub(crate) fn positive(self) -> Lit {
        Lit(self.0 & !1)
    }
}

impl Not for Lit {
    type Output = Lit;

    fn not(self) -> Lit {
        self.negate_if(true)
    }
}

/// What makes the value of a node: two operands, whose order tells the kind.
///
/// No gate has equal operands or operands of one node, since those fold, so a pair in ascending order is an XOR, one in descending order an AND, and
/// twice the constant 0 has no operands. Circuits have millions of nodes; this takes 8 bytes for each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Node(Lit, Lit);

/// A node's kind and operands, in ascending order. Those of an XOR are not negated.
#[derive(Clone, Copy)]
pub(crate) enum Op {
    /// The constant or an input.
    Leaf,
    Xor(Lit, Lit),
    And(Lit, Lit),
}

impl Node {
    pub(crate) const LEAF: Node = Node(Lit::FALSE, Lit::FALSE);

    pub(crate) fn xor(a: Lit, b: Lit) -> Node {
        debug_assert!(a < b && !a.is_negated() && !b.is_negated());
        Node(a, b)
    }

    pub(crate) fn and(a: Lit, b: Lit) -> Node {
        debug_assert!(a < b && a.node() != b.node());
        Node(b, a)
    }

    /// For a table of gates: spreads well, but gates made one after another are near each other in the table and so in cache.
    ///
    /// The lower bits, which choose the place, are the sum of the operands' indices and 12 bits of noise, so gates that share an operand spread as the
    /// other ones do. The upper bits, which tell neighbours apart, are noise.
    pub(crate) fn hash(self) -> u64 {
        const PLACE: u32 = 57;
        let noise = ((self.0.0 as u64) << 32 | self.1.0 as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let sum = self.0.node() as u64 + self.1.node() as u64;
        (sum + (noise >> 32 & 0xfff)) | (noise >> PLACE << PLACE)
    }

    pub(crate) fn op(self) -> Op {
        match self.0.cmp(&self.1) {
            std::cmp::Ordering::Less => Op::Xor(self.0, self.1),
            std::cmp::Ordering::Equal => Op::Leaf,
            std::cmp::Ordering::Greater => Op::And(self.1, self.0),
        }
    }
}
