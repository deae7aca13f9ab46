//! A value of which no one knows where it stands, in a ring of its own: what a latch lets through, folded.
//!
//! As the value is no longer than the ring, each place of the ring holds one byte of it at most, and the sum of all that falls there is
//! that byte. Only the latch costs, one AND for each bit that is looked at. Turning the ring by the position of the value, which is
//! one-hot, brings its first byte to the front.

use cotenant_circuit::{Builder, Lit};

/// The bits of one place.
type Cell = Vec<Lit>;

/// The places of a ring.
pub(super) struct Ring(Vec<Cell>);

impl Ring {
    /// What the flags let through of the cells, `size` places round and round.
    pub(super) fn fold(b: &mut Builder, flags: &[Lit], size: usize, cell: impl Fn(&mut Builder, usize) -> Cell) -> Ring {
        let mut ring: Vec<Cell> = Vec::new();
        for (i, &flag) in flags.iter().enumerate() {
            let through: Cell = cell(b, i).into_iter().map(|bit| b.and(bit, flag)).collect();
            match ring.get_mut(i % size) {
                None => ring.push(through),
                Some(sum) => *sum = b.xor_bits(sum, &through),
            }
        }
        let bits = ring.first().map_or(0, Vec::len);
        ring.resize(size, vec![Lit::FALSE; bits]);
        Ring(ring)
    }

    /// The place with this number, round and round.
    pub(super) fn at(&self, place: usize) -> &[Lit] {
        &self.0[place % self.0.len()]
    }

    /// Turned so that the place where the one flag is set comes first.
    pub(super) fn turned(&self, b: &mut Builder, flags: &[Lit]) -> Vec<Cell> {
        let size = self.0.len();
        let mut begin = vec![Lit::FALSE; size];
        for (i, &flag) in flags.iter().enumerate() {
            begin[i % size] = b.xor(begin[i % size], flag);
        }
        let place = |b: &mut Builder, place: usize| {
            begin.iter().enumerate().fold(vec![Lit::FALSE; self.0[0].len()], |sum, (turn, &begin)| {
                let here: Cell = self.at(place + turn).iter().map(|&bit| b.and(begin, bit)).collect();
                b.xor_bits(&sum, &here)
            })
        };
        (0..size).map(|i| place(b, i)).collect()
    }
}
