//! GF(2^128) as GHASH sees it: the example of the GCM submission, and the ghash crate.

use cotenant_circuit::Circuit;
use cotenant_circuit::ghash::{multiplication_rows, powers, product, square};
use ghash::universal_hash::UniversalHash;
use hex_literal::hex;
use proptest::prelude::*;

use crate::{circuit, run};

fn product_circuit() -> Circuit {
    circuit(|b| {
        let (x, y) = (b.input(128).try_into().unwrap(), b.input(128).try_into().unwrap());
        let product = product(b, &x, &y);
        b.output(&product);
    })
}

/// GHASH of one block is its product with H.
fn reference(x: &[u8; 16], y: &[u8; 16]) -> Vec<u8> {
    let mut hash = ghash::GHash::new(&(*x).into());
    hash.update(&[(*y).into()]);
    hash.finalize().to_vec()
}

/// Test case 2 of McGrew and Viega, "The Galois/Counter Mode of Operation", which NIST SP 800-38D points to: C * H, then the lengths.
#[test]
fn gcm_test_case_2() {
    let c = product_circuit();
    let h = hex!("66e94bd4ef8a2c3b884cfa59ca342b2e");
    let x1 = run(&c, &[&hex!("0388dace60b6a392f328c2b971b2fe78"), &h]);
    assert_eq!(x1, hex!("5e2ec746917062882c85b0685353deb7"));
    let mut last: [u8; 16] = x1.try_into().unwrap();
    last[15] ^= 0x80;
    assert_eq!(run(&c, &[&last, &h]), hex!("f38cbb1ad69223dcc3457ae5b6b0f885"));
}

#[test]
fn even_powers_are_linear() {
    let c = circuit(|b| {
        let h = b.input(128).try_into().unwrap();
        for power in powers(b, &h, 9) {
            b.output(&power);
        }
    });
    assert_eq!(c.stats().ands(), 4 * 2_187, "H^3, H^5, H^7 and H^9");
    let h = hex!("b83b533708bf535d0aa6e52980d53b78");
    let mut expected = h.to_vec();
    let mut power = h;
    for _ in 1..9 {
        power = reference(&h, &power).try_into().unwrap();
        expected.extend(power);
    }
    assert_eq!(run(&c, &[&h]), expected);
}

proptest! {
    #[test]
    fn agrees_with_the_ghash_crate(x: [u8; 16], y: [u8; 16]) {
        thread_local! {
            static PRODUCT: Circuit = product_circuit();
            static SQUARE: Circuit = circuit(|b| {
                let x = b.input(128).try_into().unwrap();
                let square = square(b, &x);
                b.output(&square);
            });
        }
        let expected = reference(&x, &y);
        prop_assert_eq!(&PRODUCT.with(|c| run(c, &[&x, &y])), &expected);
        prop_assert_eq!(SQUARE.with(|c| run(c, &[&x])), reference(&x, &x));
        let rows = multiplication_rows(&x).map(|row| row & u128::from_le_bytes(y));
        let product = rows.iter().enumerate().fold(0u128, |out, (i, row)| out | u128::from(row.count_ones() % 2) << i);
        prop_assert_eq!(&product.to_le_bytes()[..], &expected);
    }
}
