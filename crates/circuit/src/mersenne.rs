//! Long numbers by their remainders modulo several 2^a - 1, of which no two have a common divisor: a product of long numbers is many of short ones, and whoever
//! has all remainders of a number that is below the product of the moduli has the number (Garner, "The residue number system", 1959).
//!
//! Modulo 2^a - 1 a power of two is a rotation, a negative number a complement, and what stands above bit a is added below. Two of them have the greatest common
//! divisor 2^gcd(a, b) - 1. A remainder is a bits; 0 has two forms, of which the one with all bits set is what comes out, but for a sum of zeros.

use crate::mul;
use crate::sum::{Term, sum};
use crate::{Builder, Lit};

/// Below this a modulus costs more than it carries: what is reduced is long whatever the modulus is.
const LEAST: usize = 37;

/// Exponents, falling, of which no two have a common divisor, of at least `bits` in all: of such lists the one with the least first, which takes each that it can.
pub fn exponents(bits: usize) -> Vec<usize> {
    let from = |most: usize| {
        let mut all: Vec<usize> = Vec::new();
        for a in (LEAST..=most).rev() {
            if all.iter().sum::<usize>() < bits && all.iter().all(|&other| gcd(a, other) == 1) {
                all.push(a);
            }
        }
        all
    };
    (LEAST..).map(from).find(|all| all.iter().sum::<usize>() >= bits).expect("there are enough primes")
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// `x` modulo 2^a - 1: about as many ANDs as `x` has bits.
pub fn remainder(b: &mut Builder, x: &[Lit], a: usize) -> Vec<Lit> {
    let parts: Vec<Term> = x.chunks(a).map(|part| Term::plus(part, 0)).collect();
    let once = sum(b, &parts, &[], a + parts.len().next_power_of_two().ilog2() as usize);
    let twice = if once.len() > a + 1 { folded(b, &once, a, a + 1) } else { once };
    // If bit a is set now, what is below it is small enough to take it.
    folded(b, &twice, a, a)
}

/// What stands above bit a, added below.
fn folded(b: &mut Builder, x: &[Lit], a: usize, width: usize) -> Vec<Lit> {
    let (low, high) = x.split_at(a);
    sum(b, &[Term::plus(low, 0), Term::plus(high, 0)], &[], width)
}

/// The product of remainders modulo 2^a - 1.
pub fn product(b: &mut Builder, x: &[Lit], y: &[Lit]) -> Vec<Lit> {
    let product = mul::multiply(b, x, y);
    remainder(b, &product, x.len())
}

/// `x + y * constant` modulo 2^a - 1, for remainders of a bits and a constant that is known when the circuit is built.
pub fn add_multiple(b: &mut Builder, x: &[Lit], y: &[Lit], constant: &[bool]) -> Vec<Lit> {
    let a = x.len();
    let row = |(place, negative): (usize, bool)| -> Vec<Lit> {
        (0..a).map(|i| y[(i + a - place % a) % a]).map(|bit| if negative { !bit } else { bit }).collect()
    };
    let rows: Vec<Vec<Lit>> = signed_digits(&constant_remainder(constant, a)).into_iter().map(row).collect();
    let terms: Vec<Term> = [x].into_iter().chain(rows.iter().map(Vec::as_slice)).map(|row| Term::plus(row, 0)).collect();
    let all = sum(b, &terms, &[], a + terms.len().next_power_of_two().ilog2() as usize);
    remainder(b, &all, a)
}

/// The remainder of a constant.
fn constant_remainder(x: &[bool], a: usize) -> Vec<bool> {
    let mut sum = vec![false; a];
    for part in x.chunks(a) {
        let mut carry = false;
        // Once for the part, once for what is carried out of it, which cannot be carried out again.
        for part in [part, &[]] {
            for (i, bit) in sum.iter_mut().enumerate() {
                let bits = [*bit, part.get(i).copied().unwrap_or_default(), carry].into_iter().filter(|&bit| bit).count();
                (*bit, carry) = (bits & 1 == 1, bits > 1);
            }
        }
    }
    sum
}

/// Places and signs of the non-adjacent form (Reitwiesner, "Binary arithmetic", 1960): no two neighbours, so a third of the places at most on average.
fn signed_digits(x: &[bool]) -> Vec<(usize, bool)> {
    let bit = |i: usize| x.get(i).copied().unwrap_or_default();
    let (mut digits, mut carry) = (Vec::new(), false);
    for i in 0..=x.len() {
        if bit(i) != carry {
            carry = bit(i + 1);
            digits.push((i, carry));
        }
    }
    digits
}
