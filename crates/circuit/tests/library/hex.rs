//! Hexadecimal text.

use cotenant_circuit::bytes::{input_bytes, output_bytes};
use cotenant_circuit::hex::encode;

use crate::{circuit, run};

#[test]
fn every_byte() {
    let c = circuit(|b| {
        let bytes = input_bytes(b, 256);
        let text = encode(b, &bytes);
        output_bytes(b, &text);
    });
    let all: Vec<u8> = (0..=255).collect();
    let expected: String = all.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(run(&c, &[&all]), expected.as_bytes());
}
