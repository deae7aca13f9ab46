//! The builder: literals, gates with constant folding and hash-consing, inputs and outputs.
//!
//! A literal names a wire and a sign, so a negation is free. Every gate is looked up before it is made: the same operation on the same operands is
//! one gate, however often a circuit asks for it. Signs of XOR operands move to its result, so an XOR gate never carries one.

use std::ops::Not;

use rustc_hash::FxHashMap;

use crate::circuit::Circuit;
use crate::compile::compile;

/// A Boolean value of a circuit: a constant, or a wire of one [`Builder`] with a sign.
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

    /// Index of the node; node 0 is the constant 0.
    pub(crate) const fn node(self) -> usize {
        (self.0 >> 1) as usize
    }

    pub(crate) const fn is_negated(self) -> bool {
        self.0 & 1 == 1
    }

    fn negate_if(self, negate: bool) -> Lit {
        Lit(self.0 ^ negate as u32)
    }

    fn positive(self) -> Lit {
        Lit(self.0 & !1)
    }
}

impl Not for Lit {
    type Output = Lit;

    fn not(self) -> Lit {
        self.negate_if(true)
    }
}

/// What makes the value of a node. Operands are in ascending order, those of an XOR are not negated.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Node {
    False,
    Input,
    Xor(Lit, Lit),
    And(Lit, Lit),
}

/// Builds one circuit. Literals of one builder mean nothing to another.
pub struct Builder {
    nodes: Vec<Node>,
    /// Whether all that a node depends on is public at run time.
    public: Vec<bool>,
    known: FxHashMap<Node, Lit>,
    inputs: Vec<Lit>,
    outputs: Vec<Lit>,
}

impl Builder {
    /// An empty circuit.
    #[allow(clippy::new_without_default, reason = "an empty circuit is no natural default of anything")]
    pub fn new() -> Builder {
        Builder { nodes: vec![Node::False], public: vec![true], known: FxHashMap::default(), inputs: Vec::new(), outputs: Vec::new() }
    }

    /// `count` new secret inputs, after all inputs declared before.
    pub fn input(&mut self, count: usize) -> Vec<Lit> {
        self.declare(count, false)
    }

    /// `count` new inputs whose values every party knows when the circuit runs; ANDs between them and secrets cost half.
    pub fn public_input(&mut self, count: usize) -> Vec<Lit> {
        self.declare(count, true)
    }

    /// Appends `values` to the outputs.
    pub fn output(&mut self, values: &[Lit]) {
        self.outputs.extend_from_slice(values);
    }

    /// `!a`. Free.
    pub fn not(&self, a: Lit) -> Lit {
        !a
    }

    /// `a ^ b`.
    pub fn xor(&mut self, a: Lit, b: Lit) -> Lit {
        let negate = a.is_negated() ^ b.is_negated();
        let (a, b) = ascending(a.positive(), b.positive());
        if a == b {
            return Lit::constant(negate);
        }
        if a == Lit::FALSE {
            return b.negate_if(negate);
        }
        self.cancelled(a, b).or_else(|| self.cancelled(b, a)).unwrap_or_else(|| self.gate(Node::Xor(a, b))).negate_if(negate)
    }

    /// `a & b`.
    pub fn and(&mut self, a: Lit, b: Lit) -> Lit {
        let (a, b) = ascending(a, b);
        if a == Lit::FALSE || a == !b {
            return Lit::FALSE;
        }
        if a == Lit::TRUE || a == b {
            return b;
        }
        self.gate(Node::And(a, b))
    }

    /// `a | b`, one AND.
    pub fn or(&mut self, a: Lit, b: Lit) -> Lit {
        !self.and(!a, !b)
    }

    /// `if choice { a } else { b }`, one AND.
    pub fn mux(&mut self, choice: Lit, a: Lit, b: Lit) -> Lit {
        let difference = self.xor(a, b);
        let chosen = self.and(choice, difference);
        self.xor(b, chosen)
    }

    /// The majority of three, the carry of a full adder: one AND (Boyar, Peralta, Pochuev, "On the multiplicative complexity of Boolean
    /// functions over the basis (and, xor, 1)", TCS 2000).
    pub fn maj(&mut self, a: Lit, b: Lit, c: Lit) -> Lit {
        match c.as_constant() {
            Some(false) => self.and(a, b),
            Some(true) => self.or(a, b),
            None => {
                let (ab, cb) = (self.xor(a, b), self.xor(c, b));
                let and = self.and(ab, cb);
                self.xor(b, and)
            }
        }
    }

    /// `a ^ b` on as many bits as both have.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn xor_bits(&mut self, a: &[Lit], b: &[Lit]) -> Vec<Lit> {
        assert_eq!(a.len(), b.len(), "XOR of unequal lengths");
        a.iter().zip(b).map(|(&a, &b)| self.xor(a, b)).collect()
    }

    /// `if choice { a } else { b }` on as many bits as both have.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn mux_bits(&mut self, choice: Lit, a: &[Lit], b: &[Lit]) -> Vec<Lit> {
        assert_eq!(a.len(), b.len(), "choice between unequal lengths");
        a.iter().zip(b).map(|(&a, &b)| self.mux(choice, a, b)).collect()
    }

    /// The compiled circuit: only gates that an output depends on.
    ///
    /// # Panics
    /// If the circuit needs 2^30 slots or more.
    pub fn finish(self) -> Circuit {
        let Builder { nodes, public, known, inputs, outputs } = self;
        drop(known);
        compile(&nodes, &public, &inputs, &outputs)
    }

    fn declare(&mut self, count: usize, public: bool) -> Vec<Lit> {
        let new: Vec<Lit> = (0..count).map(|_| self.push(Node::Input, public)).collect();
        self.inputs.extend_from_slice(&new);
        new
    }

    /// `(p ^ q) ^ q = p`, where `sum` may be the gate `p ^ q`.
    fn cancelled(&self, sum: Lit, q: Lit) -> Option<Lit> {
        match self.nodes[sum.node()] {
            Node::Xor(a, b) if a == q => Some(b),
            Node::Xor(a, b) if b == q => Some(a),
            _ => None,
        }
    }

    fn gate(&mut self, node: Node) -> Lit {
        let (Node::Xor(a, b) | Node::And(a, b)) = node else { unreachable!("only gates are looked up") };
        if let Some(&known) = self.known.get(&node) {
            return known;
        }
        let made = self.push(node, self.public[a.node()] && self.public[b.node()]);
        self.known.insert(node, made);
        made
    }

    fn push(&mut self, node: Node, public: bool) -> Lit {
        let id = u32::try_from(self.nodes.len()).ok().filter(|&id| id < 1 << 31).expect("a circuit has fewer than 2^31 nodes");
        self.nodes.push(node);
        self.public.push(public);
        Lit(id << 1)
    }
}

fn ascending(a: Lit, b: Lit) -> (Lit, Lit) {
    if a <= b { (a, b) } else { (b, a) }
}
