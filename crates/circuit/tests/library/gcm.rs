//! AES-GCM: the examples of the GCM submission, and lengths against the definition.

use ::aes::cipher::{BlockCipherEncrypt, KeyInit};
use cotenant_circuit::aes::RoundKeys;
use cotenant_circuit::bytes::{Byte, input_array, input_bytes, output_bytes};
use cotenant_circuit::gcm::seal;
use ghash::universal_hash::UniversalHash;
use hex_literal::hex;

use crate::{circuit, run};

fn sealed(key: &[u8], iv: &[u8; 12], associated: &[u8], text: &[u8]) -> Vec<u8> {
    let c = circuit(|b| {
        let (key, iv, text) = (input_bytes(b, key.len()), input_array(b), input_bytes(b, text.len()));
        let (ciphertext, tag) = match <[Byte; 16]>::try_from(&key[..]) {
            Ok(key) => {
                let keys = RoundKeys::expand(b, &key);
                seal(b, &keys, &iv, associated, &text)
            }
            Err(_) => {
                let keys = RoundKeys::expand_256(b, &key.try_into().unwrap());
                seal(b, &keys, &iv, associated, &text)
            }
        };
        output_bytes(b, &ciphertext);
        output_bytes(b, &tag);
    });
    run(&c, &[key, iv, text])
}

/// Test cases 4 and 16 of McGrew and Viega, "The Galois/Counter Mode of Operation", which NIST SP 800-38D points to.
#[test]
fn published_vectors() {
    let key = hex!("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
    let (iv, associated) = (hex!("cafebabefacedbaddecaf888"), hex!("feedfacedeadbeeffeedfacedeadbeefabaddad2"));
    let text =
        hex!("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
    let short = hex!(
        "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47"
    );
    let long = hex!(
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"
    );
    assert_eq!(sealed(&key[..16], &iv, &associated, &text), short);
    assert_eq!(sealed(&key, &iv, &associated, &text), long);
}

/// By NIST SP 800-38D section 7.1 with the crates `aes` and `ghash`.
fn reference(key: &[u8; 16], iv: &[u8; 12], associated: &[u8], text: &[u8]) -> Vec<u8> {
    let cipher = ::aes::Aes128::new(&(*key).into());
    let encrypted = |block: [u8; 16]| -> [u8; 16] {
        let mut block = block.into();
        cipher.encrypt_block(&mut block);
        block.into()
    };
    let stream = |counter: u32| encrypted([&iv[..], &counter.to_be_bytes()].concat().try_into().unwrap());
    let key_stream = (2..).flat_map(stream);
    let ciphertext: Vec<u8> = text.iter().zip(key_stream).map(|(byte, stream)| byte ^ stream).collect();
    let mut hash = ghash::GHash::new(&encrypted([0; 16]).into());
    hash.update_padded(associated);
    hash.update_padded(&ciphertext);
    let lengths = [associated.len(), text.len()].map(|length| (8 * length as u64).to_be_bytes()).concat();
    hash.update_padded(&lengths);
    let tag = hash.finalize().iter().zip(stream(1)).map(|(hash, mask)| hash ^ mask).collect();
    [ciphertext, tag].concat()
}

/// Whole blocks, parts of blocks, and nothing at all.
#[test]
fn every_length() {
    let (key, iv) = ([7; 16], [9; 12]);
    for (associated, text) in [(0, 0), (0, 1), (1, 0), (15, 16), (16, 15), (17, 33), (32, 32)] {
        let bytes: Vec<u8> = (0..64).collect();
        let (associated, text) = (&bytes[..associated], &bytes[64 - text..]);
        assert_eq!(sealed(&key, &iv, associated, text), reference(&key, &iv, associated, text), "{}, {}", associated.len(), text.len());
    }
}
