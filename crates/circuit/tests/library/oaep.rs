//! The padding of OAEP, undone by RFC 8017 section 7.1.2, step 3, with hashes of other crates. Published vectors of whole JWEs are where these are made.

use cotenant_circuit::bytes::{input_bytes, output_bytes};
use cotenant_circuit::oaep::Hash;
use sha1::Digest;

use crate::{circuit, run};

fn digest(hash: Hash, message: &[u8]) -> Vec<u8> {
    match hash {
        Hash::Sha1 => sha1::Sha1::digest(message).to_vec(),
        Hash::Sha256 => sha2::Sha256::digest(message).to_vec(),
    }
}

fn unmasked(hash: Hash, seed: &[u8], masked: &[u8]) -> Vec<u8> {
    let mask = (0u32..).flat_map(|counter| digest(hash, &[seed, &counter.to_be_bytes()].concat()));
    masked.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect()
}

/// A content key and none, with room left and with none.
#[test]
fn what_is_padded_comes_back() {
    for hash in [Hash::Sha1, Hash::Sha256] {
        let bytes = hash.bytes();
        for (message, length) in [(16, 128), (32, 2 * bytes + 34), (0, 2 * bytes + 2), (32, 100)] {
            let (text, seed) = (vec![0xa5; message], (0..bytes as u8).collect::<Vec<_>>());
            let c = circuit(|b| {
                let (text, seed) = (input_bytes(b, message), input_bytes(b, bytes));
                let padded = hash.pad(b, &text, &seed, length);
                output_bytes(b, &padded);
            });
            let padded = run(&c, &[&text, &seed]);
            assert_eq!((padded.len(), padded[0]), (length, 0));
            let (masked_seed, masked) = padded[1..].split_at(bytes);
            let found = unmasked(hash, masked, masked_seed);
            let data = unmasked(hash, &found, masked);
            assert_eq!(found, seed);
            let zeros = vec![0; length - 2 * bytes - 2 - message];
            assert_eq!(data, [digest(hash, b""), zeros, vec![1], text].concat(), "{hash:?}, {message} bytes in {length}");
        }
    }
}
