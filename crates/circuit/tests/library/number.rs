//! Numbers as inputs and outputs of circuits, and the arithmetic of reference for fields and curves.

use cotenant_circuit::field::Field;
use num_bigint::BigUint;

/// The prime of a field.
pub(crate) fn prime(field: Field) -> BigUint {
    let hex: &[u8] = match field {
        Field::P256 => b"ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
        Field::P25519 => b"7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed",
    };
    BigUint::parse_bytes(hex, 16).unwrap()
}

/// The factor R of a field's products.
pub(crate) fn montgomery(field: Field) -> BigUint {
    match field {
        Field::P256 => BigUint::from(1u8) << 256,
        Field::P25519 => BigUint::from(1u8),
    }
}

/// `1 / x` modulo p, by Fermat's little theorem.
pub(crate) fn inverse(x: &BigUint, p: &BigUint) -> BigUint {
    x.modpow(&(p - 2u8), p)
}

/// The lowest bits of a number, the least significant first.
pub(crate) fn bits(number: &BigUint, count: usize) -> Vec<bool> {
    (0..count as u64).map(|i| number.bit(i)).collect()
}

/// The number with the given bits.
pub(crate) fn number(bits: &[bool]) -> BigUint {
    bits.iter().rev().fold(BigUint::ZERO, |number, &bit| (number << 1) + u8::from(bit))
}

/// A number as 32 bytes, the least significant first.
pub(crate) fn le_bytes(number: &BigUint) -> [u8; 32] {
    let mut bytes = number.to_bytes_le();
    bytes.resize(32, 0);
    bytes.try_into().unwrap()
}

/// Numbers that reductions are likely to get wrong: around multiples of p and powers of two, cut to `width` bits.
pub(crate) fn edges(field: Field, width: usize) -> Vec<BigUint> {
    let p = prime(field);
    let top = BigUint::from(1u8) << width;
    let mut edges = vec![BigUint::ZERO, BigUint::from(1u8), &top - 1u8, &top - 2u8, (&top / &p) * &p % &top];
    for multiple in 1u8..4 {
        edges.extend([&p * multiple - 1u8, &p * multiple, &p * multiple + 1u8]);
    }
    for exponent in [32usize, 64, 96, 128, 192, 224, 254, 255, 256, 257] {
        let power = BigUint::from(1u8) << exponent;
        edges.extend([&power - 1u8, power.clone(), power + 1u8]);
    }
    edges.retain(|edge| edge < &top);
    edges
}
