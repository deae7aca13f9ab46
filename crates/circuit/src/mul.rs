//! Products and squares of unsigned integers, bit 0 first.
//!
//! Subtractive Karatsuba (Karatsuba and Ofman, 1962): with X = 2^h, x = x0 + x1 X and y = y0 + y1 X,
//! `x y = p0 + p2 X^2 + (p0 + p2 - (x0 - x1)(y0 - y1)) X` for p0 = x0 y0 and p2 = x1 y1. At eight bits and below the schoolbook is cheaper.

use crate::sum::{Term, sum};
use crate::{Builder, Lit};

/// Operands of at most this many bits are multiplied by the schoolbook.
const SCHOOLBOOK: usize = 8;

/// `x * y`, as long as both together; the shorter is extended by zeros.
pub fn multiply(b: &mut Builder, x: &[Lit], y: &[Lit]) -> Vec<Lit> {
    let n = x.len().max(y.len());
    let mut product = multiply_equal(b, &extended(x, n), &extended(y, n));
    product.truncate(x.len() + y.len());
    product
}

/// `x * x`, twice as long.
pub fn square(b: &mut Builder, x: &[Lit]) -> Vec<Lit> {
    if x.len() <= SCHOOLBOOK {
        return schoolbook_square(b, x);
    }
    let (x0, x1) = x.split_at(x.len().div_ceil(2));
    let p0 = square(b, x0);
    let p2 = square(b, x1);
    let (difference, _) = absolute_difference(b, x0, x1);
    let middle = square(b, &difference);
    combine(b, &p0, &p2, &[Term::minus(&middle, x0.len())])
}

fn multiply_equal(b: &mut Builder, x: &[Lit], y: &[Lit]) -> Vec<Lit> {
    if x.len() <= SCHOOLBOOK {
        return schoolbook(b, x, y);
    }
    let h = x.len().div_ceil(2);
    let ((x0, x1), (y0, y1)) = (x.split_at(h), y.split_at(h));
    let p0 = multiply_equal(b, x0, y0);
    let p2 = multiply_equal(b, x1, y1);
    let (x_difference, x_negative) = absolute_difference(b, x0, x1);
    let (y_difference, y_negative) = absolute_difference(b, y0, y1);
    let magnitude = multiply_equal(b, &x_difference, &y_difference);
    // The product of differences is subtracted if the signs agree: its complement, 1, and -2^(its length).
    let subtract = !b.xor(x_negative, y_negative);
    let middle: Vec<Lit> = magnitude.iter().map(|&bit| b.xor(bit, subtract)).collect();
    let sign = [subtract];
    combine(b, &p0, &p2, &[Term::plus(&middle, h), Term::plus(&sign, h), Term::minus(&sign, h + middle.len())])
}

/// `p0 + p2 X^2 + (p0 + p2) X + middle` for X = 2^h and p0 of 2h bits, as long as p0 and p2 together.
fn combine(b: &mut Builder, p0: &[Lit], p2: &[Lit], middle: &[Term]) -> Vec<Lit> {
    let h = p0.len() / 2;
    let ends = [p0, p2].concat();
    let terms = [&[Term::plus(&ends, 0), Term::plus(p0, h), Term::plus(p2, h)], middle].concat();
    sum(b, &terms, &[], ends.len())
}

fn schoolbook(b: &mut Builder, x: &[Lit], y: &[Lit]) -> Vec<Lit> {
    let rows: Vec<Vec<Lit>> = y.iter().map(|&y| x.iter().map(|&x| b.and(x, y)).collect()).collect();
    let terms: Vec<Term> = rows.iter().enumerate().map(|(j, row)| Term::plus(row, j)).collect();
    sum(b, &terms, &[], x.len() + y.len())
}

/// Every mixed product occurs twice, so once at the next power of two.
fn schoolbook_square(b: &mut Builder, x: &[Lit]) -> Vec<Lit> {
    let rows: Vec<Vec<Lit>> = (0..x.len()).map(|i| x[i + 1..].iter().map(|&other| b.and(x[i], other)).collect()).collect();
    let mixed = rows.iter().enumerate().map(|(i, row)| Term::plus(row, 2 * i + 2));
    let squares = x.chunks(1).enumerate().map(|(i, bit)| Term::plus(bit, 2 * i));
    let terms: Vec<Term> = squares.chain(mixed).collect();
    sum(b, &terms, &[], 2 * x.len())
}

/// `|x - y|` as long as x, and whether x < y; y is not longer than x.
fn absolute_difference(b: &mut Builder, x: &[Lit], y: &[Lit]) -> (Vec<Lit>, Lit) {
    let mut difference = sum(b, &[Term::plus(x, 0), Term::minus(y, 0)], &[], x.len() + 1);
    let negative = difference.pop().expect("the sign bit");
    let mut carry = negative;
    for bit in &mut difference {
        let flipped = b.xor(*bit, negative);
        *bit = b.xor(flipped, carry);
        carry = b.and(flipped, carry);
    }
    (difference, negative)
}

fn extended(x: &[Lit], length: usize) -> Vec<Lit> {
    let mut x = x.to_vec();
    x.resize(length, Lit::FALSE);
    x
}
