//! The plain side of [`crate::point`]: the forms in which coordinates go into the circuits, and the public input that follows from an opening.
//!
//! Numbers are 32 bytes with the least significant first, so that [`bits_of`] gives a circuit's inputs, of which
//! [`Curve::bits`] are used.

use std::fmt;

use crypto_bigint::modular::{ConstMontyForm, ConstMontyParams};
use crypto_bigint::{CtLt, U256, const_monty_params};
use zeroize::Zeroizing;

use crate::bytes::bits_of;
use crate::point::Curve;

const_monty_params!(P256, U256, "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff");
const_monty_params!(P25519, U256, "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed");

type Coordinate<P> = ConstMontyForm<P, { U256::LIMBS }>;

/// A number with the least significant byte first.
pub type Bytes = [u8; 32];

/// Why no public input follows from an opened denominator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DenominatorError {
    /// It is zero: two points are equal or opposite, or the blinds sum to zero. While one party is honest this happens by chance with probability
    /// below 2^-250; the handshake is to be given up.
    Zero,
    /// It is not below the prime, which no run of the circuit yields: a fault of the caller.
    NotReduced,
}

impl fmt::Display for DenominatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DenominatorError::Zero => "the blinded denominator of a point addition is zero",
            DenominatorError::NotReduced => "the blinded denominator of a point addition is not reduced",
        })
    }
}

impl std::error::Error for DenominatorError {}

impl Curve {
    /// Whether `number` is in [1, p), as a blind must be; draw until it is. Takes the same time for every number.
    pub fn is_blind(self, number: &Bytes) -> bool {
        let number = U256::from_le_slice(number);
        (number.is_nonzero() & number.ct_lt(&self.prime())).into()
    }

    /// The first party's input for its point: x, then y, scaled on P-256. Takes the same time for every point.
    ///
    /// Coordinates must be below p.
    pub fn running_input(self, x: &Bytes, y: &Bytes) -> Zeroizing<Vec<bool>> {
        self.input(x, y, false)
    }

    /// Every other party's input for its point: -x, then -y, scaled on P-256. Takes the same time for every point.
    ///
    /// Coordinates must be below p.
    pub fn negated_input(self, x: &Bytes, y: &Bytes) -> Zeroizing<Vec<bool>> {
        self.input(x, y, true)
    }

    /// The public input of the second segment, canonical: `2^512 / z` on P-256, `1 / z` on Curve25519, for the opened denominator z.
    ///
    /// # Errors
    /// See [`DenominatorError`].
    pub fn inverse_input(self, denominator: &Bytes) -> Result<Vec<bool>, DenominatorError> {
        let z = U256::from_le_slice(denominator);
        if z >= self.prime() {
            return Err(DenominatorError::NotReduced);
        }
        let inverse = match self {
            Curve::P256 => inverse::<P256>(&z, &power_of_two(512)),
            Curve::Curve25519 => inverse::<P25519>(&z, &Coordinate::ONE),
        };
        inverse.map(|inverse| self.low_bits(&inverse).to_vec()).ok_or(DenominatorError::Zero)
    }

    fn prime(self) -> U256 {
        match self {
            Curve::P256 => *Coordinate::<P256>::MODULUS,
            Curve::Curve25519 => *Coordinate::<P25519>::MODULUS,
        }
    }

    fn input(self, x: &Bytes, y: &Bytes, negate: bool) -> Zeroizing<Vec<bool>> {
        let (x, y) = match self {
            Curve::P256 => (signed::<P256>(x, negate), signed::<P256>(y, negate)),
            Curve::Curve25519 => (signed::<P25519>(x, negate), signed::<P25519>(y, negate)),
        };
        let y = if self == Curve::P256 { scaled(&y) } else { y };
        let (x, y) = (self.low_bits(&x), self.low_bits(&y));
        Zeroizing::new([&x[..], &y[..]].concat())
    }

    fn low_bits(self, number: &U256) -> Zeroizing<Vec<bool>> {
        let mut bits = Zeroizing::new(bits_of(number.to_le_bytes().as_ref()));
        bits.truncate(self.bits());
        bits
    }
}

/// `number` or its negative modulo p.
fn signed<P: ConstMontyParams<{ U256::LIMBS }>>(number: &Bytes, negate: bool) -> U256 {
    let number = Coordinate::<P>::new(&U256::from_le_slice(number));
    if negate { number.neg().retrieve() } else { number.retrieve() }
}

/// `y 2^-128` modulo the prime of P-256.
fn scaled(y: &U256) -> U256 {
    let scale = inverse::<P256>(&power_of_two::<P256>(128).retrieve(), &Coordinate::ONE).expect("a power of two is not zero modulo p");
    Coordinate::<P256>::new(y).mul(&Coordinate::new(&scale)).retrieve()
}

/// `numerator / z` modulo p; none if z is zero. z is public.
fn inverse<P: ConstMontyParams<{ U256::LIMBS }>>(z: &U256, numerator: &Coordinate<P>) -> Option<U256> {
    let inverse: Option<Coordinate<P>> = Coordinate::new(z).invert_vartime().into();
    Some(inverse?.mul(numerator).retrieve())
}

fn power_of_two<P: ConstMontyParams<{ U256::LIMBS }>>(exponent: u32) -> Coordinate<P> {
    Coordinate::new(&U256::from_u8(2)).pow_vartime(&U256::from_u32(exponent))
}
