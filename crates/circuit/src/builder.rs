//! The builder: literals, gates with constant folding and hash-consing, inputs and outputs.
//!
//! A literal names a wire and a sign, so a negation is free. Every gate is looked up before it is made: the same operation on the same operands is
//! one gate, however often a circuit asks for it. Signs of XOR operands move to its result, so an XOR gate never carries one.

use hashbrown::HashTable;

use crate::circuit::Circuit;
use crate::compile::compile;
use crate::node::{Lit, Node, Op};

/// Builds one circuit. Literals of one builder mean nothing to another.
pub struct Builder {
    /// The constant 0, inputs and gates, each after its operands.
    nodes: Vec<Node>,
    /// Indices of all gates, found by the hash of the node.
    known: HashTable<u32>,
    inputs: Vec<Lit>,
    input_is_public: Vec<bool>,
    outputs: Vec<Lit>,
}

impl Builder {
    /// An empty circuit.
    #[allow(clippy::new_without_default, reason = "an empty circuit is no natural default of anything")]
    pub fn new() -> Builder {
        let nodes = vec![Node::LEAF];
        Builder { nodes, known: HashTable::new(), inputs: Vec::new(), input_is_public: Vec::new(), outputs: Vec::new() }
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
        self.cancelled(a, b).or_else(|| self.cancelled(b, a)).unwrap_or_else(|| self.gate(Node::xor(a, b))).negate_if(negate)
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
        self.gate(Node::and(a, b))
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
        let Builder { nodes, known, inputs, input_is_public, outputs } = self;
        drop(known);
        compile(nodes, &inputs, input_is_public, &outputs)
    }

    fn declare(&mut self, count: usize, public: bool) -> Vec<Lit> {
        let new: Vec<Lit> = (0..count).map(|i| Lit::of_node(self.nodes.len() + i)).collect();
        self.nodes.resize(self.nodes.len() + count, Node::LEAF);
        self.inputs.extend_from_slice(&new);
        self.input_is_public.resize(self.inputs.len(), public);
        new
    }

    /// `(p ^ q) ^ q = p`, where `sum` may be the gate `p ^ q`.
    fn cancelled(&self, sum: Lit, q: Lit) -> Option<Lit> {
        match self.nodes[sum.node()].op() {
            Op::Xor(a, b) if a == q => Some(b),
            Op::Xor(a, b) if b == q => Some(a),
            _ => None,
        }
    }

    /// The value of `node`, which is made unless it is known.
    fn gate(&mut self, node: Node) -> Lit {
        let nodes = &mut self.nodes;
        let entry = self.known.entry(node.hash(), |&id| nodes[id as usize] == node, |&id| nodes[id as usize].hash());
        let id = *entry.or_insert(nodes.len() as u32).get();
        if id as usize == nodes.len() {
            nodes.push(node);
        }
        Lit::of_node(id as usize)
    }
}

fn ascending(a: Lit, b: Lit) -> (Lit, Lit) {
    if a <= b { (a, b) } else { (b, a) }
}
