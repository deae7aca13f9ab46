//! Point addition: published key agreements with the scalar split among the parties, the formulas for random coordinates, and inputs that are not reduced.

use std::sync::LazyLock;

use cotenant_circuit::Circuit;
use cotenant_circuit::coordinates::DenominatorError;
use cotenant_circuit::point::{Curve, Point, add, add_x, blinded_slope};
use num_bigint::BigUint;
use proptest::prelude::*;

use crate::circuit;
use crate::number::{bits, inverse, le_bytes, number, prime};

const CURVES: [Curve; 2] = [Curve::P256, Curve::Curve25519];

/// The segments of an addition among `parties`.
struct Segments {
    curve: Curve,
    first: Circuit,
    second: Circuit,
    last: Circuit,
}

fn segments(curve: Curve, parties: usize) -> Segments {
    let n = curve.bits();
    let second = |last: bool| {
        circuit(|b| {
            let (running, negated) = (Point::input(b, curve), Point::input(b, curve));
            let (numerator, inverse) = (b.input(256), b.public_input(n));
            if last {
                let x = add_x(b, curve, &running, &negated, &numerator, &inverse);
                b.output(&x);
            } else {
                let sum = add(b, curve, &running, &negated, &numerator, &inverse);
                b.output(&[sum.x, sum.y].concat());
            }
        })
    };
    let first = circuit(|b| {
        let (running, negated) = (Point::input(b, curve), Point::input(b, curve));
        let blinds: Vec<_> = (0..parties).map(|_| b.input(n)).collect();
        let slope = blinded_slope(b, curve, &running, &negated, &blinds);
        b.output(&[slope.denominator, slope.numerator].concat());
    });
    Segments { curve, first, second: second(false), last: second(true) }
}

impl Segments {
    /// One addition on input bits; x, and y if it is not the last.
    fn run(&self, running: &[bool], negated: &[bool], blinds: &[BigUint], last: bool) -> Result<Vec<bool>, DenominatorError> {
        let n = self.curve.bits();
        let points = [running, negated].concat();
        let blinds: Vec<bool> = blinds.iter().flat_map(|blind| bits(blind, n)).collect();
        let opened = self.first.eval(&[points.clone(), blinds].concat());
        let (denominator, numerator) = opened.split_at(n);
        let z = number(denominator);
        assert!(z < prime(self.curve.field()), "what is opened is below p");
        let inverse = self.curve.inverse_input(&le_bytes(&z))?;
        let segment = if last { &self.last } else { &self.second };
        Ok(segment.eval(&[points, numerator.to_vec(), inverse].concat()))
    }
}

static TWO: LazyLock<[Segments; 2]> = LazyLock::new(|| CURVES.map(|curve| segments(curve, 2)));

type Affine = (BigUint, BigUint);

fn a_of(curve: Curve) -> BigUint {
    match curve {
        Curve::P256 => prime(curve.field()) - 3u8,
        Curve::Curve25519 => BigUint::from(486_662u32),
    }
}

/// Affine addition and doubling, the reference.
fn reference(curve: Curve, (x1, y1): &Affine, (x2, y2): &Affine) -> Affine {
    let p = prime(curve.field());
    let (a, minus) = (a_of(curve), |x: &BigUint| &p - x % &p);
    let (numerator, denominator) = if (x1, y1) == (x2, y2) {
        let derivative = match curve {
            Curve::P256 => x1 * x1 * 3u8 + &a,
            Curve::Curve25519 => x1 * x1 * 3u8 + &a * x1 * 2u8 + 1u8,
        };
        (derivative, y1 * 2u8)
    } else {
        (y2 + minus(y1), x2 + minus(x1))
    };
    let slope = numerator * inverse(&(denominator % &p), &p) % &p;
    let shift = if curve == Curve::Curve25519 { minus(&a) } else { BigUint::ZERO };
    let x3 = (&slope * &slope + shift + minus(x1) + minus(x2)) % &p;
    let y3 = (slope * (x1 + minus(&x3)) + minus(y1)) % &p;
    (x3, y3)
}

fn times(curve: Curve, scalar: &BigUint, point: &Affine) -> Affine {
    (0..scalar.bits() - 1).rev().fold(point.clone(), |sum, i| {
        let doubled = reference(curve, &sum, &sum);
        if scalar.bit(i) { reference(curve, &doubled, point) } else { doubled }
    })
}

fn hex(digits: &str) -> BigUint {
    BigUint::parse_bytes(digits.as_bytes(), 16).unwrap()
}

/// The x-coordinate of `(k1 + ... + kn) * point`, every share with its party.
fn agree(curve: Curve, shares: &[BigUint], point: &Affine) -> BigUint {
    let segments = segments(curve, shares.len());
    let points: Vec<Affine> = shares.iter().map(|share| times(curve, share, point)).collect();
    let blinds: Vec<BigUint> = shares.iter().map(|share| share * share % prime(curve.field())).collect();
    let (x, y) = &points[0];
    let mut running = curve.running_input(&le_bytes(x), &le_bytes(y)).to_vec();
    for (i, (x, y)) in points.iter().enumerate().skip(1) {
        let negated = curve.negated_input(&le_bytes(x), &le_bytes(y));
        running = segments.run(&running, &negated, &blinds, i + 1 == points.len()).unwrap();
    }
    number(&running)
}

/// `whole` as a sum of `parts` positive numbers.
fn split(whole: &BigUint, parts: usize) -> Vec<BigUint> {
    let mut shares: Vec<BigUint> = (1..parts).map(|i| whole / (parts as u32 + 7) + i as u32 * 1_000_003).collect();
    shares.push(whole - shares.iter().sum::<BigUint>());
    shares
}

/// RFC 5903 section 8.1: the initiator's key i, the responder's public value, the shared x-coordinate.
#[test]
fn rfc_5903_among_two_three_and_four() {
    let key = hex("c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433");
    let public = (
        hex("d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63"),
        hex("56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab"),
    );
    for parties in [2, 3, 4] {
        let shared = agree(Curve::P256, &split(&key, parties), &public);
        assert_eq!(shared, hex("d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de"), "{parties} parties");
    }
}

/// RFC 7748 section 5.2, one iteration: X25519 of 9 and 9. The scalar is 9 after clamping, 2^254 + 8; the base point's v is that of section 4.1.
#[test]
fn rfc_7748_among_two_three_and_four() {
    let key = (BigUint::from(1u8) << 254) + 8u8;
    let v = BigUint::parse_bytes(b"14781619447589544791020593568409986887264606134616475288964881837755586237401", 10).unwrap();
    let expected = hex_literal::hex!("422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
    for parties in [2, 3, 4] {
        let shared = agree(Curve::Curve25519, &split(&key, parties), &(9u8.into(), v.clone()));
        assert_eq!(le_bytes(&shared), expected, "{parties} parties");
    }
}

/// Equal points, opposite points, blinds that cancel: the denominator is zero, which the caller is told.
#[test]
fn a_zero_denominator_is_an_error() {
    for s in TWO.iter() {
        let p = prime(s.curve.field());
        let (x, y) = (le_bytes(&9u8.into()), le_bytes(&1234u32.into()));
        let running = s.curve.running_input(&x, &y);
        let equal = s.curve.negated_input(&x, &y);
        let opposite = s.curve.negated_input(&x, &le_bytes(&(&p - 1234u32)));
        let other = s.curve.negated_input(&y, &x);
        let good = [5u8.into(), 6u8.into()];
        assert_eq!(s.run(&running, &equal, &good, true), Err(DenominatorError::Zero));
        assert_eq!(s.run(&running, &opposite, &good, true), Err(DenominatorError::Zero));
        assert_eq!(s.run(&running, &other, &[5u8.into(), &p - 5u8], true), Err(DenominatorError::Zero));
        assert!(s.run(&running, &other, &good, true).is_ok());
        assert_eq!(s.curve.inverse_input(&le_bytes(&p)), Err(DenominatorError::NotReduced));
    }
}

#[test]
fn blinds_are_between_zero_and_p() {
    for curve in CURVES {
        let p = prime(curve.field());
        let accepted = [BigUint::ZERO, 1u8.into(), &p - 1u8, p.clone(), &p + 1u8].map(|number| curve.is_blind(&le_bytes(&number)));
        assert_eq!(accepted, [false, true, true, false, false]);
    }
}

/// A number of as many bits as an input has, at times not below p.
fn coordinate() -> impl Strategy<Value = BigUint> {
    prop_oneof![
        3 => any::<[u8; 32]>().prop_map(|bytes| BigUint::from_bytes_le(&bytes)),
        1 => (0u8..38).prop_map(|small| (BigUint::from(1u8) << 256) - 1u8 - small),
    ]
}

/// What the input bits of a y-coordinate stand for.
fn unscaled(curve: Curve, y: &BigUint) -> BigUint {
    match curve {
        Curve::P256 => y << 128,
        Curve::Curve25519 => y.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The other party's coordinates and both blinds are any bits at all: they count as their residues.
    #[test]
    fn one_party_may_give_any_bits(own: [[u8; 32]; 2], other in [coordinate(), coordinate()], own_blind: [u8; 32], blind in coordinate()) {
        for s in TWO.iter() {
            let (p, n) = (prime(s.curve.field()), s.curve.bits());
            let own: Affine = (BigUint::from_bytes_le(&own[0]) % &p, BigUint::from_bytes_le(&own[1]) % &p);
            let cut = |x: &BigUint| x % (BigUint::from(1u8) << n);
            let other = [cut(&other[0]), cut(&other[1])];
            let blinds = [BigUint::from_bytes_le(&own_blind) % &p, cut(&blind)];
            let minus = |x: BigUint| (&p - x % &p) % &p;
            let point = (minus(other[0].clone()), minus(unscaled(s.curve, &other[1])));
            let expected = reference(s.curve, &own, &point);
            let running = s.curve.running_input(&le_bytes(&own.0), &le_bytes(&own.1));
            let negated = [bits(&other[0], n), bits(&other[1], n)].concat();
            prop_assert_eq!(number(&s.run(&running, &negated, &blinds, true).unwrap()), expected.0.clone());
            let sum = s.run(&running, &negated, &blinds, false).unwrap();
            let (x, y) = sum.split_at(n);
            prop_assert!(number(y) < p);
            prop_assert_eq!((number(x), unscaled(s.curve, &number(y)) % &p), expected);
        }
    }

    /// Whatever everyone gives, what comes out is below p.
    #[test]
    fn outputs_are_reduced_for_all_inputs(numbers in prop::collection::vec(coordinate(), 6)) {
        for s in TWO.iter() {
            let (p, n) = (prime(s.curve.field()), s.curve.bits());
            let point = |i: usize| [bits(&numbers[i], n), bits(&numbers[i + 1], n)].concat();
            match s.run(&point(0), &point(2), &numbers[4..], false) {
                Ok(sum) => prop_assert!(number(&sum[..n]) < p && number(&sum[n..]) < p),
                Err(error) => prop_assert_eq!(error, DenominatorError::Zero),
            }
        }
    }
}
