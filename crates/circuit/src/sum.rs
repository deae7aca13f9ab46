//! Sums of many operands: full adders applied column by column, so that no partial sum is ever carried through twice.
//!
//! A column of k bits and the carries into it cost one AND for every carry that leaves it (Dadda, "Some schemes for parallel multipliers", Alta
//! Frequenza 1965). Constants are folded before anything is added, and a negative operand is its complement and a constant:
//! `-v * 2^s = ~v * 2^s + 2^s - 2^(s + len)`.

use crate::{Builder, Lit};

/// One operand of a sum: an unsigned number, bit 0 first, times a signed power of two.
#[derive(Clone, Copy)]
pub struct Term<'a> {
    bits: &'a [Lit],
    shift: usize,
    negative: bool,
}

impl<'a> Term<'a> {
    /// `bits * 2^shift`.
    pub fn plus(bits: &'a [Lit], shift: usize) -> Term<'a> {
        Term { bits, shift, negative: false }
    }

    /// `-bits * 2^shift`.
    pub fn minus(bits: &'a [Lit], shift: usize) -> Term<'a> {
        Term { bits, shift, negative: true }
    }

    fn column(&self, column: usize) -> Option<Lit> {
        let &bit = self.bits.get(column.checked_sub(self.shift)?)?;
        Some(if self.negative { !bit } else { bit })
    }
}

/// A constant as a sum of `factor * 2^exponent`, each written `(exponent, factor)`.
pub type Powers = [(usize, i32)];

/// The sum of `terms` and `constant` modulo `2^width`, bit 0 first.
pub fn sum(b: &mut Builder, terms: &[Term], constant: &Powers, width: usize) -> Vec<Lit> {
    let constants = constant_columns(terms, constant, width);
    let mut out = Vec::with_capacity(width);
    let (mut column, mut carries) = (Vec::new(), Vec::new());
    let mut constant_carry = 0;
    for (j, constant) in constants.into_iter().enumerate() {
        let mut constant = constant + constant_carry;
        column.clear();
        for bit in terms.iter().filter_map(|term| term.column(j)).chain(carries.drain(..)) {
            match bit.as_constant() {
                Some(value) => constant += value as i32,
                None => column.push(bit),
            }
        }
        constant_carry = constant >> 1;
        let constant = Lit::constant(constant & 1 == 1);
        out.push(match j + 1 == width {
            true => column.iter().fold(constant, |sum, &bit| b.xor(sum, bit)),
            false => add_column(b, &mut column, constant, &mut carries),
        });
    }
    out
}

/// `x + y`, one bit longer than the longer.
pub fn add(b: &mut Builder, x: &[Lit], y: &[Lit]) -> Vec<Lit> {
    sum(b, &[Term::plus(x, 0), Term::plus(y, 0)], &[], x.len().max(y.len()) + 1)
}

/// What `constant` and the complements of negative operands add to each column.
fn constant_columns(terms: &[Term], constant: &Powers, width: usize) -> Vec<i32> {
    let mut columns = vec![0; width];
    let complements = terms.iter().filter(|term| term.negative).flat_map(|term| [(term.shift, 1), (term.shift + term.bits.len(), -1)]);
    for (exponent, factor) in constant.iter().copied().chain(complements).filter(|&(exponent, _)| exponent < width) {
        columns[exponent] += factor;
    }
    columns
}

/// Adds one column: returns its bit of the sum and appends the carries. `column` is used up.
fn add_column(b: &mut Builder, column: &mut Vec<Lit>, constant: Lit, carries: &mut Vec<Lit>) -> Lit {
    let mut next = 0;
    while column.len() - next >= 3 {
        let (x, y, z) = (column[next], column[next + 1], column[next + 2]);
        next += 3;
        let (sum, carry) = full_adder(b, x, y, z);
        column.push(sum);
        carries.push(carry);
    }
    match column[next..] {
        [] => constant,
        [x] => {
            carries.push(b.and(x, constant));
            b.xor(x, constant)
        }
        [x, y, ..] => {
            let (sum, carry) = full_adder(b, x, y, constant);
            carries.push(carry);
            sum
        }
    }
}

fn full_adder(b: &mut Builder, x: Lit, y: Lit, z: Lit) -> (Lit, Lit) {
    let carry = b.maj(x, y, z);
    let xy = b.xor(x, y);
    (b.xor(xy, z), carry)
}
