//! AES: FIPS 197, counter mode of NIST SP 800-38A/D, sharing between blocks.

use ::aes::cipher::{BlockCipherEncrypt, KeyInit};
use cotenant_circuit::aes::{RoundKeys, record_nonce};
use cotenant_circuit::bytes::{input_array, output_bytes, public_input_array};
use cotenant_circuit::{Circuit, Stats};
use hex_literal::hex;
use proptest::prelude::*;

use crate::{circuit, run};

fn block() -> Circuit {
    circuit(|b| {
        let key = input_array(b);
        let block = input_array(b);
        let out = RoundKeys::expand(b, &key).encrypt(b, &block);
        output_bytes(b, &out);
    })
}

fn reference(key: &[u8; 16], block: &[u8; 16]) -> [u8; 16] {
    let mut block = (*block).into();
    ::aes::Aes128::new(&(*key).into()).encrypt_block(&mut block);
    block.into()
}

/// FIPS 197 appendix C.1 and appendix B.
#[test]
fn fips_197() {
    let c = block();
    let key = hex!("000102030405060708090a0b0c0d0e0f");
    assert_eq!(run(&c, &[&key, &hex!("00112233445566778899aabbccddeeff")]), hex!("69c4e0d86a7b0430d8cdb78070b4c55a"));
    let key = hex!("2b7e151628aed2a6abf7158809cf4f3c");
    assert_eq!(run(&c, &[&key, &hex!("3243f6a8885a308d313198a2e0370734")]), hex!("3925841d02dc09fbdc118597196a0b32"));
}

fn long_block() -> Circuit {
    circuit(|b| {
        let (key, block) = (input_array(b), input_array(b));
        let out = RoundKeys::expand_256(b, &key).encrypt(b, &block);
        output_bytes(b, &out);
    })
}

/// FIPS 197 appendix C.3.
#[test]
fn fips_197_with_a_long_key() {
    let key = hex!("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    let out = run(&long_block(), &[&key, &hex!("00112233445566778899aabbccddeeff")]);
    assert_eq!(out, hex!("8ea2b7ca516745bfeafc49904b496089"));
}

/// The record of 42 blocks (a request of about 670 bytes) with the block that masks the tag.
#[test]
fn counter_mode_shares_what_counters_have_in_common() {
    let c = circuit(|b| {
        let key = input_array(b);
        let nonce = public_input_array(b);
        let keys = RoundKeys::expand(b, &key);
        for counter in 1..=43 {
            let block = keys.key_stream(b, &nonce, counter);
            output_bytes(b, &block);
        }
    });
    let Stats { and_full, and_half_public, and_public, .. } = c.stats();
    assert_eq!((and_full + and_half_public, and_public), (183_416 + 1_280, 0));
    let (key, nonce) = (hex!("feffe9928665731c6d6a8f9467308308"), hex!("cafebabefacedbaddecaf888"));
    let out = run(&c, &[&key, &nonce]);
    for (i, block) in out.chunks(16).enumerate() {
        let input = [&nonce[..], &(i as u32 + 1).to_be_bytes()].concat().try_into().unwrap();
        assert_eq!(block, reference(&key, &input), "counter {}", i + 1);
    }
}

/// RFC 8446 section 5.3: the sequence number is padded on the left to the length of the IV.
#[test]
fn record_nonces() {
    let c = circuit(|b| {
        let iv = public_input_array(b);
        output_bytes(b, &record_nonce(&iv, 0x0102_0304_0506_0708));
    });
    assert_eq!(c.stats().ands() + c.stats().xor, 0);
    assert_eq!(run(&c, &[&hex!("000102030405060708090a0b")]), hex!("00010203050705030d0f0d03"));
}

proptest! {
    #[test]
    fn agrees_with_the_aes_crate(key: [u8; 16], plain: [u8; 16]) {
        thread_local!(static BLOCK: Circuit = block());
        prop_assert_eq!(BLOCK.with(|c| run(c, &[&key, &plain])), reference(&key, &plain));
    }

    #[test]
    fn long_keys_agree_with_the_aes_crate(key: [u8; 32], plain: [u8; 16]) {
        thread_local!(static BLOCK: Circuit = long_block());
        let mut block = plain.into();
        ::aes::Aes256::new(&key.into()).encrypt_block(&mut block);
        prop_assert_eq!(BLOCK.with(|c| run(c, &[&key, &plain])), block.to_vec());
    }
}
