//! Addition of points that are each known to one party, in affine coordinates, without an inversion in the circuit.
//!
//! For points (x1, y1) and (x2, y2) that are neither equal nor opposite, `lambda = (y2 - y1) / (x2 - x1)` and
//! `x3 = lambda^2 - x1 - x2`, `y3 = lambda (x1 - x3) - y1` on a short Weierstrass curve, with `- A` more in x3 on a Montgomery curve
//! (RFC 7748 section 4.1, Costello and Smith, "Montgomery curves and their arithmetic", JCEN 2018, section 2.2). The inversion is blinded and done in
//! the clear (Bar-Ilan and Beaver, PODC 1989), so an addition is two segments with an opening between:
//!
//! 1. [`blinded_slope`]: for r the sum of all parties' random numbers, z = (x2 - x1) r, to be opened, and w = (y2 - y1) r.
//! 2. [`Curve::inverse_input`] turns the opened z in the clear into a public input; [`add`] or [`add_x`] multiply by it.
//!
//! # Inputs
//! The first party gives its point, every other party gives the negated coordinates of its own: -x and -y modulo p. The running sum is not negated.
//! On P-256 y-coordinates are scaled: they stand for y 2^-128, which makes Montgomery's factors cancel everywhere. Plain functions of
//! [`crate::coordinates`] make both forms; x-coordinates that come out are the plain ones.
//!
//! # Inputs that are not below p
//! z, x3 and y3 are below p whatever the inputs are. A coordinate or blind that has [`Curve::bits`] bits but is not below p counts as its residue as
//! long as what it is added to is below p: the running sum always is after the first addition, and so is every honest party's input. If neither
//! summand is below p, both come from parties that break the rules, and the result is some other number below p, as if they had chosen other
//! coordinates.

use crate::field::Field;
use crate::sum::{Powers, Term, sum};
use crate::{Builder, Lit};

/// A curve whose points are added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Curve {
    /// NIST P-256.
    P256,
    /// Curve25519 in Montgomery form, `v^2 = u^3 + 486662 u^2 + u`.
    Curve25519,
}

impl Curve {
    /// The field of the coordinates.
    pub const fn field(self) -> Field {
        match self {
            Curve::P256 => Field::P256,
            Curve::Curve25519 => Field::P25519,
        }
    }

    /// Bits of a coordinate.
    pub const fn bits(self) -> usize {
        self.field().bits()
    }

    /// -A, the constant of x3.
    const fn minus_a(self) -> &'static Powers {
        match self {
            Curve::P256 => &[],
            Curve::Curve25519 => &[(0, -486_662)],
        }
    }
}

/// A point's coordinates, each of [`Curve::bits`] bits, in one of the two forms above.
#[derive(Clone)]
pub struct Point {
    /// The x-coordinate, u on Curve25519.
    pub x: Vec<Lit>,
    /// The y-coordinate, v on Curve25519; scaled on P-256.
    pub y: Vec<Lit>,
}

impl Point {
    /// New secret inputs, x first.
    pub fn input(b: &mut Builder, curve: Curve) -> Point {
        Point { x: b.input(curve.bits()), y: b.input(curve.bits()) }
    }
}

/// What the first segment yields.
pub struct BlindedSlope {
    /// The blinded denominator, canonical; to be opened to all.
    pub denominator: Vec<Lit>,
    /// The numerator under the same blind, 256 bits; kept for the second segment.
    pub numerator: Vec<Lit>,
}

/// The first segment of adding the point whose `negated` coordinates are given to `running`; `blinds` are all parties' random numbers in [1, p).
///
/// # Panics
/// If there are fewer than two or more than 256 blinds.
pub fn blinded_slope(b: &mut Builder, curve: Curve, running: &Point, negated: &Point, blinds: &[Vec<Lit>]) -> BlindedSlope {
    assert!(blinds.len() >= 2, "one party alone would know the blind");
    let field = curve.field();
    let blinds: Vec<&[Lit]> = blinds.iter().map(Vec::as_slice).collect();
    let [blind, dx, dy] = [&blinds[..], &[&running.x, &negated.x], &[&running.y, &negated.y]].map(|numbers| {
        let wide = field.sum(b, numbers);
        field.lazy(b, &wide)
    });
    let z = field.multiply(b, &dx, &blind);
    let w = field.multiply(b, &dy, &blind);
    BlindedSlope { denominator: field.canonical(b, &z), numerator: field.lazy(b, &w) }
}

/// The second segment if only x is needed: the canonical x-coordinate of the sum. `inverse` is the public input that follows from the opened
/// denominator.
pub fn add_x(b: &mut Builder, curve: Curve, running: &Point, negated: &Point, numerator: &[Lit], inverse: &[Lit]) -> Vec<Lit> {
    let slope = slope(b, curve, numerator, inverse);
    sum_x(b, curve, running, negated, &slope)
}

/// The second segment: the sum, both coordinates canonical, ready to be the next running sum.
pub fn add(b: &mut Builder, curve: Curve, running: &Point, negated: &Point, numerator: &[Lit], inverse: &[Lit]) -> Point {
    let field = curve.field();
    let slope = slope(b, curve, numerator, inverse);
    let x = sum_x(b, curve, running, negated, &slope);
    // y3 = lambda (x2 - x3) - y2 = -lambda (x3 + negated x2) + negated y2.
    let distance = field.sum(b, &[&x, &negated.x]);
    let distance = field.lazy(b, &distance);
    let product = field.multiply(b, &slope, &distance);
    // Enough multiples of p that nothing is negative: `Field::reduce` gives its bounds.
    let (multiple, width) = match field {
        Field::P256 => (3, 258),
        Field::P25519 => (78, 262),
    };
    let y = sum(b, &[Term::plus(&negated.y, 0), Term::minus(&product, 0)], &multiples(field, multiple), width);
    Point { y: field.canonical(b, &y), x }
}

/// lambda, lazy; on P-256 lambda 2^128, whose Montgomery square is lambda^2.
fn slope(b: &mut Builder, curve: Curve, numerator: &[Lit], inverse: &[Lit]) -> Vec<Lit> {
    let slope = curve.field().multiply(b, numerator, inverse);
    curve.field().lazy(b, &slope)
}

fn sum_x(b: &mut Builder, curve: Curve, running: &Point, negated: &Point, slope: &[Lit]) -> Vec<Lit> {
    let field = curve.field();
    let square = field.square(b, slope);
    // With 2p nothing is negative, and the sum is below 5 * 2^256 on P-256, below 80 * 2^255 on Curve25519.
    let width = match field {
        Field::P256 => 259,
        Field::P25519 => 262,
    };
    let constant = [&multiples(field, 2), curve.minus_a()].concat();
    let x = sum(b, &[Term::plus(&square, 0), Term::plus(&negated.x, 0), Term::minus(&running.x, 0)], &constant, width);
    field.canonical(b, &x)
}

fn multiples(field: Field, factor: i32) -> Vec<(usize, i32)> {
    field.prime().iter().map(|&(exponent, f)| (exponent, f * factor)).collect()
}
