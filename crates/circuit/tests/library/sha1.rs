//! SHA-1: the examples of FIPS 180-4, and every padding against the crate `sha1`.

use cotenant_circuit::Circuit;
use cotenant_circuit::bytes::{constant_bytes, input_bytes, output_bytes};
use cotenant_circuit::sha1::hash;
use hex_literal::hex;
use sha1::Digest;

use crate::{circuit, run};

fn hash_circuit(length: usize) -> Circuit {
    circuit(|b| {
        let message = input_bytes(b, length);
        let digest = hash(b, &message);
        output_bytes(b, &digest);
    })
}

/// The examples of one and of two blocks of FIPS 180-4's companion document.
#[test]
fn published_vectors() {
    let two = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    assert_eq!(run(&hash_circuit(3), &[b"abc"]), hex!("a9993e364706816aba3e25717850c26c9cd0d89d"));
    assert_eq!(run(&hash_circuit(56), &[two]), hex!("84983e441c3bd26ebaae4aa1f95129e5e54670f1"));
}

#[test]
fn every_padding_and_constants() {
    for length in (0..=1).chain(54..=65).chain(118..=121) {
        let message: Vec<u8> = (0..length as u8).map(|i| i.wrapping_mul(73)).collect();
        let expected = sha1::Sha1::digest(&message);
        assert_eq!(run(&hash_circuit(length), &[&message]), expected.as_slice(), "{length} bytes");
        let folded = circuit(|b| {
            let digest = hash(b, &constant_bytes(&message));
            output_bytes(b, &digest);
        });
        assert_eq!((folded.gates().len(), run(&folded, &[])), (0, expected.to_vec()));
    }
}
