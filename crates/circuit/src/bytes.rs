//! How bytes and bits correspond, for literals and for plain values: byte by byte, bit 0 (the least significant) first within each byte.

use crate::{Builder, Lit};

/// Eight literals, the least significant first.
pub type Byte = [Lit; 8];

/// A byte known while the circuit is built.
pub fn constant_byte(value: u8) -> Byte {
    std::array::from_fn(|i| Lit::constant(value >> i & 1 == 1))
}

/// Bytes known while the circuit is built.
pub fn constant_bytes(values: &[u8]) -> Vec<Byte> {
    values.iter().map(|&value| constant_byte(value)).collect()
}

/// `count` new secret input bytes.
pub fn input_bytes(b: &mut Builder, count: usize) -> Vec<Byte> {
    to_bytes(&b.input(8 * count))
}

/// `N` new secret input bytes.
pub fn input_array<const N: usize>(b: &mut Builder) -> [Byte; N] {
    to_array(&b.input(8 * N))
}

/// `count` new input bytes that are public when the circuit runs.
pub fn public_input_bytes(b: &mut Builder, count: usize) -> Vec<Byte> {
    to_bytes(&b.public_input(8 * count))
}

/// `N` new input bytes that are public when the circuit runs.
pub fn public_input_array<const N: usize>(b: &mut Builder) -> [Byte; N] {
    to_array(&b.public_input(8 * N))
}

/// Appends `bytes` to the outputs.
pub fn output_bytes(b: &mut Builder, bytes: &[Byte]) {
    b.output(bytes.as_flattened());
}

/// Literals as bytes.
///
/// # Panics
/// If their number is not a multiple of eight.
pub fn to_bytes(literals: &[Lit]) -> Vec<Byte> {
    let (bytes, rest) = literals.as_chunks();
    assert!(rest.is_empty(), "{} literals are not whole bytes", literals.len());
    bytes.to_vec()
}

/// Literals as exactly `N` bytes.
///
/// # Panics
/// If there are not `8 * N` literals.
pub fn to_array<const N: usize>(literals: &[Lit]) -> [Byte; N] {
    to_bytes(literals).try_into().expect("as many literals as bits in the array")
}

/// A number, bit 0 first, as bytes with the most significant first.
///
/// # Panics
/// If the number of literals is not a multiple of eight.
pub fn big_endian(number: &[Lit]) -> Vec<Byte> {
    let mut bytes = to_bytes(number);
    bytes.reverse();
    bytes
}

/// `x ^ mask` on one byte.
pub fn xor_constant(x: Byte, mask: u8) -> Byte {
    std::array::from_fn(|i| if mask >> i & 1 == 1 { !x[i] } else { x[i] })
}

/// `x ^ y` on one byte.
pub fn xor_byte(b: &mut Builder, x: Byte, y: Byte) -> Byte {
    std::array::from_fn(|i| b.xor(x[i], y[i]))
}

/// Plain bytes as the bits of a circuit's inputs.
pub fn bits_of(bytes: &[u8]) -> Vec<bool> {
    bytes.iter().flat_map(|byte| (0..8).map(move |i| byte >> i & 1 == 1)).collect()
}

/// The bits of a circuit's outputs as plain bytes.
///
/// # Panics
/// If their number is not a multiple of eight.
pub fn bytes_of(bits: &[bool]) -> Vec<u8> {
    assert!(bits.len().is_multiple_of(8), "{} bits are not whole bytes", bits.len());
    bits.chunks(8).map(|byte| byte.iter().rev().fold(0, |value, &bit| value << 1 | bit as u8)).collect()
}
