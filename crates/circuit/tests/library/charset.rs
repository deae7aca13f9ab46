//! Sets of characters: every byte of many sets, and what they cost alone and together.

use cotenant_circuit::bytes::{bits_of, input_array};
use cotenant_circuit::charset::Charsets;
use cotenant_circuit::{Circuit, Lit};
use proptest::prelude::*;

use crate::circuit;

const fn run(from: u8, to: u8) -> u128 {
    (2 << to) - (1 << from)
}

const DIGITS: u128 = run(b'0', b'9');
const ALNUM: u128 = DIGITS | run(b'A', b'Z') | run(b'a', b'z');

fn of_all(sets: &[u128], ascii: bool) -> Circuit {
    let charsets = Charsets::cheapest(sets, ascii);
    circuit(|b| {
        let mut byte = input_array::<1>(b)[0];
        if ascii {
            byte[7] = Lit::FALSE;
        }
        for &set in sets {
            let inside = charsets.is_in(b, &byte, set);
            b.output(&[inside]);
        }
    })
}

fn check(sets: &[u128]) {
    for ascii in [false, true] {
        let circuit = of_all(sets, ascii);
        for byte in 0..if ascii { 128 } else { 256 } {
            let wanted: Vec<bool> = sets.iter().map(|set| byte < 128 && set >> byte & 1 == 1).collect();
            assert_eq!(circuit.eval(&bits_of(&[byte as u8])), wanted, "byte {byte}");
        }
    }
}

#[test]
fn every_byte_of_every_character() {
    check(&(0..128).map(|c| 1 << c).collect::<Vec<_>>());
}

#[test]
fn every_byte_of_common_sets() {
    check(&[0, u128::MAX, DIGITS, ALNUM, 1 | 1 << 127, run(b' ', b'~'), run(0, 31)]);
}

proptest! {
    #[test]
    fn every_byte_of_any_sets(sets in prop::collection::vec(any::<u128>(), 1..4)) {
        check(&sets);
    }
}

#[test]
fn counts() {
    let cost = |sets: &[u128]| [false, true].map(|ascii| of_all(sets, ascii).stats().ands());
    let base64 = ALNUM | 1 << b'+' | 1 << b'/';
    assert_eq!([&[1 << b'x'], &[DIGITS], &[ALNUM], &[base64]].map(|sets| cost(sets)), [[7, 6], [6, 5], [12, 11], [15, 14]]);
    let name: Vec<u128> = b"SecretAccessKey\":".iter().map(|c| 1 << c).collect();
    assert_eq!([cost(&name), cost(&[&name[..], &[ALNUM]].concat())], [[28, 25], [32, 29]]);
    assert_eq!(cost(&(0..128).map(|c| 1 << c).collect::<Vec<_>>()), [147, 143]);
}
