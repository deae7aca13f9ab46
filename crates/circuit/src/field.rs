//! Arithmetic modulo the primes of P-256 and Curve25519 on numbers that are reduced no further than the next step needs.
//!
//! Three forms of a number, bit 0 first:
//! - *lazy*: 256 bits, any value; what products take.
//! - *wide*: the result of [`Field::reduce`] or of adding a few numbers; congruent, some bits longer.
//! - *canonical*: below the prime, [`Field::bits`] long; what is opened, hashed or handed on.
//!
//! Modulo the prime of P-256 a reduction is Montgomery's, so a product is `x y 2^-256`; modulo 2^255 - 19 it is the plain product.

mod p25519;
mod p256;

use crate::mul;
use crate::sum::{Powers, Term, sum};
use crate::{Builder, Lit};

/// A prime field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    /// Modulo 2^256 - 2^224 + 2^192 + 2^96 - 1 (NIST SP 800-186 section 3.2.1.3), products in Montgomery form with R = 2^256.
    P256,
    /// Modulo 2^255 - 19 (RFC 7748 section 4.1).
    P25519,
}

impl Field {
    /// Bits of a canonical number.
    pub const fn bits(self) -> usize {
        match self {
            Field::P256 => 256,
            Field::P25519 => 255,
        }
    }

    /// The prime as a sum of signed powers of two.
    pub(crate) const fn prime(self) -> &'static Powers {
        match self {
            Field::P256 => &p256::PRIME,
            Field::P25519 => &p25519::PRIME,
        }
    }

    /// `x * y * R^-1`, wide, of two lazy numbers; R is 2^256 for P-256 and 1 for 2^255 - 19.
    pub fn multiply(self, b: &mut Builder, x: &[Lit], y: &[Lit]) -> Vec<Lit> {
        let product = mul::multiply(b, x, y);
        self.reduce(b, product)
    }

    /// `x * x * R^-1`, wide, of a lazy number.
    pub fn square(self, b: &mut Builder, x: &[Lit]) -> Vec<Lit> {
        let square = mul::square(b, x);
        self.reduce(b, square)
    }

    /// `product * R^-1`, wide, of the product of two lazy numbers. Below 2^256 + p for P-256, below 77 * 2^255 for 2^255 - 19.
    ///
    /// # Panics
    /// If the product has more than 512 bits.
    pub fn reduce(self, b: &mut Builder, mut product: Vec<Lit>) -> Vec<Lit> {
        assert!(product.len() <= 512, "a product of lazy numbers has at most 512 bits");
        product.resize(512, Lit::FALSE);
        match self {
            Field::P256 => p256::reduce(b, product),
            Field::P25519 => p25519::reduce(b, &product),
        }
    }

    /// The lazy form of a wide number of at most 264 bits.
    ///
    /// Exact with one exception that saves a carry chain: modulo the prime of P-256 a number of 257 bits must be below 2^256 + p, which the sum of two
    /// numbers is when one of them is canonical. For larger ones the result is some number of 256 bits, no more.
    ///
    /// # Panics
    /// If the number is longer.
    pub fn lazy(self, b: &mut Builder, wide: &[Lit]) -> Vec<Lit> {
        assert!(wide.len() <= 264, "a wide number has at most 264 bits");
        match self {
            _ if wide.len() <= 256 => extended(wide, 256),
            Field::P256 => p256::lazy(b, wide),
            Field::P25519 => p25519::fold(b, wide),
        }
    }

    /// The canonical form of a wide number of at most 264 bits; exact for every value.
    ///
    /// # Panics
    /// If the number is longer.
    pub fn canonical(self, b: &mut Builder, wide: &[Lit]) -> Vec<Lit> {
        assert!(wide.len() <= 264, "a wide number has at most 264 bits");
        match self {
            Field::P256 => p256::canonical(b, wide),
            Field::P25519 => p25519::canonical(b, wide),
        }
    }

    /// The sum of numbers of [`Field::bits`] bits each, wide.
    ///
    /// # Panics
    /// If there are more than 256.
    pub fn sum(self, b: &mut Builder, numbers: &[&[Lit]]) -> Vec<Lit> {
        assert!(numbers.len() <= 256, "a wide number has at most 264 bits");
        let terms: Vec<Term> = numbers.iter().map(|number| Term::plus(number, 0)).collect();
        let carries = numbers.len().next_power_of_two().ilog2() as usize;
        sum(b, &terms, &[], self.bits() + carries)
    }
}

fn extended(x: &[Lit], length: usize) -> Vec<Lit> {
    let mut x = x.to_vec();
    x.resize(length, Lit::FALSE);
    x
}
