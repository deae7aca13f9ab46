//! Texts of secret bytes: hexadecimal, base64, escapes. Published vectors, and every byte against independent implementations.

use cotenant_circuit::base64::Base64;
use cotenant_circuit::bytes::{Byte, input_bytes, output_bytes};
use cotenant_circuit::hex::{self, Case};
use cotenant_circuit::{Builder, escape};
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use proptest::prelude::*;

use crate::{circuit, run};

fn text(bytes: &[u8], encode: impl FnOnce(&mut Builder, &[Byte]) -> Vec<Byte>) -> String {
    let c = circuit(|b| {
        let bytes = input_bytes(b, bytes.len());
        let text = encode(b, &bytes);
        output_bytes(b, &text);
    });
    String::from_utf8(run(&c, &[bytes])).unwrap()
}

fn base64(bytes: &[u8], alphabet: Base64) -> String {
    text(bytes, |b, bytes| alphabet.encode(b, bytes))
}

fn all_bytes() -> Vec<u8> {
    (0..=255).collect()
}

/// RFC 4648 section 10.
#[test]
fn vectors_of_rfc_4648() {
    let vectors = [
        ("", "", ""),
        ("f", "Zg==", "66"),
        ("fo", "Zm8=", "666F"),
        ("foo", "Zm9v", "666F6F"),
        ("foob", "Zm9vYg==", "666F6F62"),
        ("fooba", "Zm9vYmE=", "666F6F6261"),
        ("foobar", "Zm9vYmFy", "666F6F626172"),
    ];
    for (bytes, in_base64, in_hex) in vectors {
        assert_eq!(base64(bytes.as_bytes(), Base64::Standard), in_base64);
        assert_eq!(base64(bytes.as_bytes(), Base64::Url), in_base64.trim_end_matches('='));
        assert_eq!(text(bytes.as_bytes(), |b, bytes| hex::encode(b, bytes, Case::Upper)), in_hex);
    }
}

/// RFC 7617 section 2, and RFC 7515 appendix A.1.1 and C.
#[test]
fn vectors_of_basic_and_of_jws() {
    assert_eq!(base64(b"Aladdin:open sesame", Base64::Standard), "QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    assert_eq!(base64(b"{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}", Base64::Url), "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9");
    assert_eq!(base64(&[3, 236, 255, 224, 193], Base64::Url), "A-z_4ME");
}

/// All 64 characters: three bytes for each value of a sextet at each place.
#[test]
fn every_sextet() {
    let bytes: Vec<u8> =
        (0..64u32).flat_map(|n| (n << 18 | (63 - n) << 12 | (n ^ 21) << 6 | (n ^ 42)).to_be_bytes()[1..].to_vec()).collect();
    assert_eq!(base64(&bytes, Base64::Standard), BASE64.encode(&bytes));
    assert_eq!(base64(&bytes, Base64::Url), BASE64URL_NOPAD.encode(&bytes));
}

/// What all know is encoded without a circuit, to the same text.
#[test]
fn public_bytes() {
    let bytes: Vec<u8> = (0..=255).rev().collect();
    for len in (0..10).chain([255, 256]) {
        assert_eq!(Base64::Standard.encode_public(&bytes[..len]), BASE64.encode(&bytes[..len]).as_bytes());
        assert_eq!(Base64::Url.encode_public(&bytes[..len]), BASE64URL_NOPAD.encode(&bytes[..len]).as_bytes());
    }
}

#[test]
fn every_byte_in_hex_and_escaped() {
    let all = all_bytes();
    assert_eq!(text(&all, |b, bytes| hex::encode(b, bytes, Case::Lower)), HEXLOWER.encode(&all));
    assert_eq!(text(&all, |b, bytes| hex::encode(b, bytes, Case::Upper)), HEXUPPER.encode(&all));
    let escaped = text(&all, escape::percent);
    assert_eq!(percent_encoding::percent_decode_str(&escaped).collect::<Vec<u8>>(), all);
    assert_eq!(escaped.len(), 3 * all.len());
    assert!(escaped.starts_with("%00%01") && escaped.contains("%2B%2C") && escaped.ends_with("%FF"));
}

#[test]
fn every_character_in_json() {
    let ascii: Vec<u8> = (0..128).collect();
    let escaped = text(&ascii, escape::json);
    assert_eq!(serde_json::from_str::<String>(&format!("\"{escaped}\"")).unwrap().into_bytes(), ascii);
    assert_eq!(escaped.len(), 6 * ascii.len());
    assert!(escaped.starts_with("\\u0000\\u0001") && escaped.contains("\\u005b\\u005c") && escaped.ends_with("\\u007f"));
}

/// Whatever the bytes are, the text has one length.
#[test]
fn lengths_are_those_that_are_told() {
    for len in 0..7 {
        for alphabet in [Base64::Standard, Base64::Url] {
            assert_eq!(base64(&vec![7; len], alphabet).len(), alphabet.encoded_len(len));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn base64_agrees_with_an_encoder(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(base64(&bytes, Base64::Standard), BASE64.encode(&bytes));
        prop_assert_eq!(base64(&bytes, Base64::Url), BASE64URL_NOPAD.encode(&bytes));
    }
}
