//! One number a node, in pieces that take memory from their first change until they are given up.
//!
//! Only few nodes far from those being met have a number other than 0, so all of them never need memory at once.

const PIECE: usize = 1 << 12;

/// Numbers that are 0 until they are changed.
pub(super) struct Sparse(Vec<Vec<u32>>);

impl Sparse {
    pub(super) fn new(nodes: usize) -> Sparse {
        Sparse(vec![Vec::new(); nodes.div_ceil(PIECE)])
    }

    pub(super) fn get(&self, node: usize) -> u32 {
        self.0[node / PIECE].get(node % PIECE).copied().unwrap_or(0)
    }

    pub(super) fn at(&mut self, node: usize) -> &mut u32 {
        let piece = &mut self.0[node / PIECE];
        if piece.is_empty() {
            piece.resize(PIECE, 0);
        }
        &mut piece[node % PIECE]
    }

    /// Gives up pieces of nodes from `node` on alone.
    pub(super) fn truncate(&mut self, node: usize) {
        self.0.truncate(node.div_ceil(PIECE));
    }
}
