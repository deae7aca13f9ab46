//! Field arithmetic against arbitrary-precision integers: at the edges of what each function accepts, and at random.

use std::sync::LazyLock;

use cotenant_circuit::field::Field;
use cotenant_circuit::{Builder, Circuit, Lit, mul};
use num_bigint::BigUint;
use proptest::prelude::*;

use crate::circuit;
use crate::number::{bits, edges, inverse, montgomery, number, prime};

const FIELDS: [Field; 2] = [Field::P256, Field::P25519];

fn unary(width: usize, f: impl FnOnce(&mut Builder, &[Lit]) -> Vec<Lit>) -> Circuit {
    circuit(|b| {
        let x = b.input(width);
        let out = f(b, &x);
        b.output(&out);
    })
}

fn binary(width: usize, f: impl FnOnce(&mut Builder, &[Lit], &[Lit]) -> Vec<Lit>) -> Circuit {
    circuit(|b| {
        let (x, y) = (b.input(width), b.input(width));
        let out = f(b, &x, &y);
        b.output(&out);
    })
}

fn apply(c: &Circuit, width: usize, inputs: &[&BigUint]) -> BigUint {
    number(&c.eval(&inputs.iter().flat_map(|x| bits(x, width)).collect::<Vec<_>>()))
}

struct Products {
    field: Field,
    product: Circuit,
    square: Circuit,
}

static PRODUCTS: LazyLock<[Products; 2]> = LazyLock::new(|| {
    FIELDS.map(|field| Products {
        field,
        product: binary(256, |b, x, y| field.multiply(b, x, y)),
        square: unary(256, |b, x| field.square(b, x)),
    })
});

/// The bounds are those that the documentation of `Field::reduce` states.
fn check_products(x: &BigUint, y: &BigUint) {
    for Products { field, product, square } in PRODUCTS.iter() {
        let p = prime(*field);
        let factor = inverse(&montgomery(*field), &p);
        let bound = match field {
            Field::P256 => (BigUint::from(1u8) << 256) + &p,
            Field::P25519 => BigUint::from(77u8) << 255,
        };
        let product = apply(product, 256, &[x, y]);
        assert!(product < bound, "{field:?}: {x:x} * {y:x} is not as short as promised");
        assert_eq!(product % &p, x * y * &factor % &p, "{field:?}: {x:x} * {y:x}");
        let square = apply(square, 256, &[x]);
        assert!(square < bound, "{field:?}: {x:x}^2 is not as short as promised");
        assert_eq!(square % &p, x * x * &factor % &p, "{field:?}: {x:x}^2");
    }
}

#[test]
fn products_of_edges() {
    for x in edges(Field::P256, 256).iter().chain(&edges(Field::P25519, 256)) {
        for y in [x, &((BigUint::from(1u8) << 256) - 1u8), &(prime(Field::P256) - 1u8)] {
            check_products(x, y);
        }
    }
}

#[test]
fn every_wide_number_has_its_canonical_form() {
    for field in FIELDS {
        let p = prime(field);
        for width in [200, 255, 256, 257, 259, 262, 264] {
            let c = unary(width, |b, x| field.canonical(b, x));
            for x in edges(field, width) {
                assert_eq!(apply(&c, width, &[&x]), &x % &p, "{field:?}: {x:x} of {width} bits");
            }
        }
    }
}

#[test]
fn lazy_numbers_are_congruent() {
    for field in FIELDS {
        let p = prime(field);
        for width in [255, 256, 257, 258, 262, 264] {
            let c = unary(width, |b, x| field.lazy(b, x));
            let bound = if width == 257 { (BigUint::from(1u8) << 256) + &p } else { BigUint::from(1u8) << width };
            let below = [&bound - 1u8, &bound - 2u8];
            for x in edges(field, width).iter().chain(&below).filter(|x| **x < bound) {
                let lazy = apply(&c, width, &[x]);
                assert!(lazy.bits() <= 256);
                assert_eq!(lazy % &p, x % &p, "{field:?}: {x:x} of {width} bits");
            }
        }
    }
}

#[test]
fn sums_of_many() {
    for field in FIELDS {
        let p = prime(field);
        for count in [1, 2, 3, 5, 8] {
            let c = circuit(|b| {
                let numbers: Vec<Vec<Lit>> = (0..count).map(|_| b.input(field.bits())).collect();
                let numbers: Vec<&[Lit]> = numbers.iter().map(Vec::as_slice).collect();
                let sum = field.sum(b, &numbers);
                let sum = field.canonical(b, &sum);
                b.output(&sum);
            });
            for x in edges(field, field.bits()) {
                assert_eq!(apply(&c, field.bits(), &vec![&x; count]), &x * count % &p, "{field:?}: {count} times {x:x}");
            }
        }
    }
}

/// Karatsuba with halves of unequal length, and operands of unequal length.
#[test]
fn products_of_every_length() {
    for (n, m) in [(1, 1), (7, 9), (9, 9), (17, 17), (23, 40), (64, 64), (255, 256)] {
        let c = circuit(|b| {
            let (x, y) = (b.input(n), b.input(m));
            let product = mul::multiply(b, &x, &y);
            assert_eq!(product.len(), n + m);
            let square = mul::square(b, &x);
            assert_eq!(square.len(), 2 * n);
            b.output(&[product, square].concat());
        });
        let ones = |n| (BigUint::from(1u8) << n) - 1u8;
        let pattern = |n: usize, seed: u64| number(&(0..n as u64).map(|i| (i * i + seed * i + seed) % 7 < 3).collect::<Vec<_>>());
        for (x, y) in [(ones(n), ones(m)), (pattern(n, 1), pattern(m, 2)), (pattern(n, 3), ones(m)), (ones(n), BigUint::ZERO)] {
            let out = c.eval(&[bits(&x, n), bits(&y, m)].concat());
            assert_eq!((number(&out[..n + m]), number(&out[n + m..])), (&x * &y, &x * &x));
        }
    }
}

proptest! {
    #[test]
    fn products_of_random_numbers(x: [u8; 32], y: [u8; 32]) {
        check_products(&BigUint::from_bytes_le(&x), &BigUint::from_bytes_le(&y));
    }
}
