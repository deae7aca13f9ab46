//! Remainders modulo 2^a - 1 against arbitrary-precision integers.

use cotenant_circuit::mersenne::{add_multiple, exponents, product, remainder};
use num_bigint::BigUint;
use proptest::prelude::*;

use crate::circuit;
use crate::number::{bits, number};

fn modulus(a: usize) -> BigUint {
    (BigUint::from(1u8) << a) - 1u8
}

#[test]
fn exponents_have_no_common_divisors() {
    for wanted in [1, 100, 4_168, 8_264, 20_000] {
        let all = exponents(wanted);
        let sum: usize = all.iter().sum();
        assert!(sum >= wanted && sum - all[all.len() - 1] < wanted, "one fewer is not enough");
        let coprime = |(k, a): (usize, &usize)| all[..k].iter().all(|b| (2..=*a).all(|d| a % d > 0 || b % d > 0));
        assert!(all.iter().enumerate().all(coprime));
    }
    assert_eq!(exponents(100), [39, 38, 37]);
}

/// Edges: nothing, one bit, all bits set, one part and several, and what is carried around twice.
#[test]
fn remainders_of_edges() {
    let a = 37;
    for length in [0, 1, 36, 37, 38, 73, 74, 75, 148, 200] {
        let c = circuit(|b| {
            let x = b.input(length);
            let out = remainder(b, &x, a);
            b.output(&out);
        });
        let all = modulus(length);
        for x in [BigUint::ZERO, all.clone(), all >> 1, modulus(a), modulus(a) + 1u8, modulus(2 * a), modulus(a) * 3u8] {
            let x = number(&bits(&x, length));
            let out = number(&c.eval(&bits(&x, length)));
            assert!(out <= modulus(a));
            assert_eq!(out % modulus(a), x % modulus(a), "of {length} bits");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sums_and_products(a in 37usize..100, seed: [[u8; 32]; 3], constant_bytes in 0usize..=32) {
        let [x, y, constant] = seed.map(|bytes| BigUint::from_bytes_le(&bytes));
        let constant = bits(&constant, 8 * constant_bytes);
        let (x, y) = (bits(&x, a), bits(&y, a));
        let c = circuit(|b| {
            let (x, y) = (b.input(a), b.input(a));
            let out = [product(b, &x, &y), add_multiple(b, &x, &y, &constant)].concat();
            b.output(&out);
        });
        let out = c.eval(&[&x[..], &y].concat());
        let (x, y, constant) = (number(&x), number(&y), number(&constant));
        prop_assert_eq!(number(&out[..a]) % modulus(a), &x * &y % modulus(a));
        prop_assert_eq!(number(&out[a..]) % modulus(a), (x + y * constant) % modulus(a));
    }
}
