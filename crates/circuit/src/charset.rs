//! Whether a secret byte is one of a set of ASCII characters.
//!
//! A byte is two nibbles, and a set a sum, over its different rows, of products: the low nibble is in the row, and the high one is of those
//! that have this row. Sums of what excludes each other are free; and when many sets are asked of the same byte, they share most of what is
//! left.
//!
//! A function of a nibble comes in two ways. By its rows again: pairs of bits, one product for each different row. Or by its monomials, of
//! which there are 11 with more than one bit: dear for one set, and nothing at all for one more when all have been made. [`Charsets`] takes
//! what is cheapest for the sets that will be asked.

use crate::bytes::{Byte, to_array};
use crate::{Builder, Lit};

/// How the nibbles of a byte are looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Charsets {
    low: Way,
    high: Way,
}

/// How a function of a nibble is computed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    Rows,
    Monomials,
}

impl Charsets {
    /// The way that is cheapest if each of the sets is asked of a byte, whose highest bit is known to be 0 if it is `ascii`. Bit c of a set
    /// stands for character c.
    pub fn cheapest(sets: &[u128], ascii: bool) -> Charsets {
        let ways = [Way::Rows, Way::Monomials];
        let all = ways.into_iter().flat_map(|low| ways.map(|high| Charsets { low, high }));
        all.min_by_key(|charsets| charsets.ands(sets, ascii)).expect("there are four")
    }

    /// Whether bit `byte` of `set` is set; no byte of 0x80 or above is in a set.
    pub fn is_in(self, b: &mut Builder, byte: &Byte, set: u128) -> Lit {
        let [low, high] = [[0, 1, 2, 3], [4, 5, 6, 7]].map(|bits| bits.map(|i: usize| byte[i]));
        let rows: [u16; 8] = std::array::from_fn(|high| (set >> (16 * high)) as u16);
        distinct(rows).fold(Lit::FALSE, |sum, (row, highs)| {
            // With the highest bit negated, all that is in a set is a multiple of it.
            let in_row = nibble_in(b, self.low, low, row);
            let in_highs = nibble_in(b, self.high, [high[0], high[1], high[2], !high[3]], highs.rotate_left(8));
            let both = b.and(in_row, in_highs);
            b.xor(sum, both)
        })
    }

    /// What it costs to ask all of the sets of one byte.
    fn ands(self, sets: &[u128], ascii: bool) -> usize {
        let mut b = Builder::new();
        let mut byte = b.input(8);
        if ascii {
            byte[7] = Lit::FALSE;
        }
        let byte = to_array::<1>(&byte)[0];
        for &set in sets {
            let inside = self.is_in(&mut b, &byte, set);
            b.output(&[inside]);
        }
        b.finish().stats().ands()
    }
}

/// Whether bit `n` of `set` is set.
fn nibble_in(b: &mut Builder, way: Way, n: [Lit; 4], set: u16) -> Lit {
    match way {
        Way::Rows => by_rows(b, n, set),
        Way::Monomials => by_monomials(b, n, set),
    }
}

fn by_rows(b: &mut Builder, [n0, n1, n2, n3]: [Lit; 4], set: u16) -> Lit {
    let rows: [u16; 4] = std::array::from_fn(|upper| set >> (4 * upper) & 15);
    // A row that begins with 1 is the complement of one that does not: what they differ by depends on the upper pair alone.
    let complemented = rows.iter().enumerate().fold(0, |all, (upper, row)| all | (row & 1) << upper);
    let constants = pair_in(b, [n2, n3], complemented);
    distinct(rows.map(|row| if row & 1 == 1 { !row & 15 } else { row })).fold(constants, |sum, (row, uppers)| {
        let (lower, upper) = (pair_in(b, [n0, n1], row), pair_in(b, [n2, n3], uppers));
        let both = b.and(lower, upper);
        b.xor(sum, both)
    })
}

/// The algebraic normal form. A monomial is the product of one of the lower and one of the upper pair.
fn by_monomials(b: &mut Builder, n: [Lit; 4], set: u16) -> Lit {
    let coefficients = normal_form(set);
    (0..16).filter(|i| coefficients >> i & 1 == 1).fold(Lit::FALSE, |sum, i| {
        let bit = |k: usize| if i >> k & 1 == 1 { n[k] } else { Lit::TRUE };
        let (lower, upper) = (b.and(bit(0), bit(1)), b.and(bit(2), bit(3)));
        let product = b.and(lower, upper);
        b.xor(sum, product)
    })
}

/// Whether bit `p + 2 q` of `table` is set.
fn pair_in(b: &mut Builder, [p, q]: [Lit; 2], table: u16) -> Lit {
    let coefficients = normal_form(table);
    let both = b.and(p, q);
    let monomials = [Lit::TRUE, p, q, both];
    let used = (0..4).filter(|i| coefficients >> i & 1 == 1);
    used.fold(Lit::FALSE, |sum, i| b.xor(sum, monomials[i]))
}

/// From a table of values to the coefficients of its monomials (the Moebius transform over GF(2)).
fn normal_form(table: u16) -> u16 {
    [(1, 0x5555), (2, 0x3333), (4, 0x0f0f), (8, 0x00ff)].into_iter().fold(table, |t, (shift, without)| t ^ (t & without) << shift)
}

/// Each value that is not 0, with the set of places where it stands.
fn distinct<const N: usize>(values: [u16; N]) -> impl Iterator<Item = (u16, u16)> {
    let places = move |value: u16| (0..N).filter(|&i| values[i] == value).fold(0, |places, i| places | 1 << i);
    (0..N).filter(move |&i| values[i] != 0 && !values[..i].contains(&values[i])).map(move |i| (values[i], places(values[i])))
}
