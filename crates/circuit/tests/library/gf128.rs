//! GF(2^128) in the order of its coefficients, against the field that the engine computes its checks in.

use super::{circuit, run};
use cotenant_circuit::gf128::{Element, add, product, scale, square};
use cotenant_circuit::{Builder, Circuit};
use cotenant_core::{Block, gf128};
use proptest::prelude::*;

fn element(b: &mut Builder) -> Element {
    b.input(128).try_into().expect("128 literals")
}

fn of_two(f: impl Fn(&mut Builder, &Element, &Element) -> Element) -> Circuit {
    circuit(|b| {
        let (x, y) = (element(b), element(b));
        let out = f(b, &x, &y);
        b.output(&out);
    })
}

fn of_one(f: impl Fn(&mut Builder, &Element) -> Element) -> Circuit {
    circuit(|b| {
        let x = element(b);
        let out = f(b, &x);
        b.output(&out);
    })
}

fn value(circuit: &Circuit, inputs: &[u128]) -> u128 {
    let inputs: Vec<[u8; 16]> = inputs.iter().map(|x| x.to_le_bytes()).collect();
    let inputs: Vec<&[u8]> = inputs.iter().map(|x| &x[..]).collect();
    u128::from_le_bytes(run(circuit, &inputs).try_into().expect("16 bytes"))
}

/// The same product by shifts and sums, which shares no code with either.
fn slow(mut x: u128, y: u128) -> u128 {
    (0..128).fold(0, |sum, i| {
        let sum = if y >> i & 1 == 1 { sum ^ x } else { sum };
        x = x << 1 ^ if x >> 127 == 1 { 0x87 } else { 0 };
        sum
    })
}

#[test]
fn only_products_of_two_secrets_cost_ands() {
    let counts = |c: Circuit| (c.stats().and_full, c.stats().depth);
    assert_eq!(counts(of_two(product)), (2_187, 1));
    assert_eq!(counts(of_two(add)), (0, 0));
    assert_eq!(counts(of_one(square)), (0, 0));
    assert_eq!(counts(of_one(|b, x| scale(b, x, u128::MAX))), (0, 0));
}

#[test]
fn edges() {
    let multiply = of_two(product);
    let ends = [0, 1, 2, 0x87, 1 << 127, u128::MAX];
    for (x, y) in ends.into_iter().flat_map(|x| ends.map(|y| (x, y))) {
        assert_eq!(value(&multiply, &[x, y]), slow(x, y), "{x:x} {y:x}");
        assert_eq!(value(&of_one(|b, e| scale(b, e, y)), &[x]), slow(x, y), "{x:x} times the constant {y:x}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn agrees_with_the_field_of_the_engine(x: u128, y: u128) {
        let wanted = gf128::mul(Block(x), Block(y)).0;
        prop_assert_eq!(wanted, slow(x, y));
        prop_assert_eq!(value(&of_two(product), &[x, y]), wanted);
        prop_assert_eq!(value(&of_one(|b, e| scale(b, e, y)), &[x]), wanted);
        prop_assert_eq!(value(&of_one(square), &[x]), gf128::mul(Block(x), Block(x)).0);
        prop_assert_eq!(value(&of_two(add), &[x, y]), x ^ y);
    }
}
