//! SHA-256: FIPS 180-4 examples, CAVP, and the three variants of the compression function.

use cotenant_circuit::bytes::{bits_of, bytes_of, constant_bytes, input_array, input_bytes, output_bytes};
use cotenant_circuit::sha256::{compress, compress_scheduled, hash, schedule, schedule_bits, schedule_input, state_bytes, state_of};
use cotenant_circuit::{Builder, Circuit};
use hex_literal::hex;
use proptest::prelude::*;
use sha2::Digest;

use crate::{circuit, run};

fn hash_circuit(length: usize) -> Circuit {
    circuit(|b| {
        let message = input_bytes(b, length);
        let digest = hash(b, &message);
        output_bytes(b, &digest);
    })
}

/// The examples "abc" and 448 bits of FIPS 180-4's companion document, and byte-oriented CAVP vectors (SHA256ShortMsg, Len = 0, 8, 512).
#[test]
fn published_vectors() {
    let vectors: [(&[u8], [u8; 32]); 5] = [
        (b"abc", hex!("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")),
        (
            b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            hex!("248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
        ),
        (b"", hex!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")),
        (&hex!("d3"), hex!("28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1")),
        (
            &hex!(
                "5a86b737eaea8ee976a0a24da63e7ed7eefad18a101c1211e2b3650c5187c2a8a650547208251f6d4237e661c7bf4c77f335390394c37fa1a9f9be836ac28509"
            ),
            hex!("42e61e174fbb3897d6dd6cef3dd2802fe67b331953b06114a65c772859dfc1aa"),
        ),
    ];
    for (message, digest) in vectors {
        assert_eq!(run(&hash_circuit(message.len()), &[message]), digest);
    }
}

/// A constant message needs no gates at all.
#[test]
fn constants_fold_completely() {
    let c = circuit(|b| {
        let digest = hash(b, &constant_bytes(&[7; 200]));
        output_bytes(b, &digest);
    });
    assert_eq!(c.gates().len(), 0);
    assert_eq!(run(&c, &[]), sha2::Sha256::digest([7; 200]).as_slice());
}

/// Lengths around the limits of padding: 55 bytes fit into one block, 56 do not.
#[test]
fn every_padding() {
    for length in (0..=3).chain(54..=65).chain(118..=121) {
        let message: Vec<u8> = (0..length as u8).map(|i| i.wrapping_mul(73)).collect();
        assert_eq!(run(&hash_circuit(length), &[&message]), sha2::Sha256::digest(&message).as_slice(), "{length} bytes");
    }
}

fn compression(variant: impl FnOnce(&mut Builder, &cotenant_circuit::sha256::State) -> cotenant_circuit::sha256::State) -> Circuit {
    circuit(|b| {
        let state = state_of(&input_array(b));
        let out = variant(b, &state);
        output_bytes(b, &state_bytes(&out));
    })
}

fn reference(state: &[u8; 32], block: &[u8; 64]) -> Vec<u8> {
    let mut words: [u32; 8] = std::array::from_fn(|i| u32::from_be_bytes(state[4 * i..4 * i + 4].try_into().unwrap()));
    sha2::block_api::compress256(&mut words, &[*block]);
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn the_variants_of_compression_agree(state: [u8; 32], block in any::<[[u8; 32]; 2]>()) {
        thread_local! {
            static SECRET: Circuit = compression(|b, state| { let block = input_array(b); compress(b, state, &block) });
            static SCHEDULED: Circuit = compression(|b, state| { let words = schedule_input(b); compress_scheduled(b, state, &words) });
        }
        let block: [u8; 64] = block.as_flattened().try_into().unwrap();
        let expected = reference(&state, &block);
        prop_assert_eq!(&SECRET.with(|c| run(c, &[&state, &block])), &expected);
        let constant = compression(|b, state| compress(b, state, &constant_bytes(&block).try_into().unwrap()));
        prop_assert_eq!(&run(&constant, &[&state]), &expected);
        let inputs = [bits_of(&state), schedule_bits(&schedule(&block))].concat();
        prop_assert_eq!(&SCHEDULED.with(|c| bytes_of(&c.eval(&inputs))), &expected);
    }
}
