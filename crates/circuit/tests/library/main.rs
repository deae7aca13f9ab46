//! The library of circuits: published vectors, and random inputs against independent implementations.

mod aes;
mod charset;
mod counts;
mod field;
mod gcm;
mod gf128;
mod ghash;
mod hmac;
mod key_schedule;
mod mersenne;
mod number;
mod oaep;
mod point;
mod sha1;
mod sha256;
mod text;

use cotenant_circuit::bytes::{bits_of, bytes_of};
use cotenant_circuit::{Builder, Circuit};

/// The circuit that `build` makes.
fn circuit(build: impl FnOnce(&mut Builder)) -> Circuit {
    let mut b = Builder::new();
    build(&mut b);
    b.finish()
}

/// The outputs of `circuit` as bytes, for inputs that are the bytes of `inputs` one after another.
fn run(circuit: &Circuit, inputs: &[&[u8]]) -> Vec<u8> {
    bytes_of(&circuit.eval(&bits_of(&inputs.concat())))
}
