//! The TLS 1.3 key schedule against the values of RFC 8448 section 3, and against HKDF for other inputs.

use cotenant_circuit::bytes::{bits_of, bytes_of, input_array, output_bytes};
use cotenant_circuit::hkdf::{expand_label, hkdf_label, label_schedule};
use cotenant_circuit::hmac::HmacKey;
use cotenant_circuit::key_schedule::{TranscriptWords, application_secret, handshake_secrets, traffic_key};
use cotenant_circuit::sha256::schedule_bits;
use hex_literal::hex;

use crate::{circuit, run};

/// Both segments of a handshake, as they are run, on the trace of RFC 8448 section 3.
#[test]
fn rfc_8448() {
    let shared = hex!("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d");
    let through_server_hello = hex!("860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8");
    let first = circuit(|b| {
        let shared = input_array(b);
        let transcript = TranscriptWords::input(b);
        let secrets = handshake_secrets(b, &shared, &transcript);
        output_bytes(b, &secrets.client_traffic);
        output_bytes(b, &secrets.server_traffic);
        b.output(&secrets.master.literals());
    });
    let words = |client: &str, server: &str, hash: &[u8]| [client, server].map(|l| schedule_bits(&label_schedule(l, hash))).concat();
    let out = first.eval(&[bits_of(&shared), words("c hs traffic", "s hs traffic", &through_server_hello)].concat());
    let (traffic, master) = out.split_at(512);
    let expected = [
        hex!("b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21"),
        hex!("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38"),
    ];
    assert_eq!(bytes_of(traffic), expected.as_flattened());

    let through_finished = hex!("9608102a0f1ccc6db6250b7b7e417b1a000eaada3daae4777a7686c9ff83df13");
    let second = circuit(|b| {
        let master = HmacKey::from_literals(&b.input(HmacKey::BITS));
        let transcript = TranscriptWords::input(b);
        for words in [&transcript.client, &transcript.server] {
            let secret = application_secret(b, &master, words);
            output_bytes(b, &secret);
            let key = traffic_key(b, &secret);
            output_bytes(b, &key.key);
            output_bytes(b, &key.iv);
        }
    });
    let out = second.eval(&[master.to_vec(), words("c ap traffic", "s ap traffic", &through_finished)].concat());
    let expected = hex!(
        "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5 17422dda596ed5d9acd890e3c63f5051 5b78923dee08579033e523d9"
        "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643 9f02283b6c9c07efc26bb9f2ac92e356 cf782b88dd83549aadf1e984"
    );
    assert_eq!(bytes_of(&out), expected);
}

/// HKDF-Expand-Label against an independent HKDF (RFC 8446 section 7.1).
#[test]
fn expanded_label() {
    let c = circuit(|b| {
        let secret = input_array::<32>(b);
        let key = HmacKey::new(b, &secret);
        let expanded = expand_label(b, &key, "traffic upd", &[], 32);
        output_bytes(b, &expanded);
    });
    let secret = [0x42; 32];
    let mut expected = [0; 32];
    let hkdf = hkdf::Hkdf::<sha2::Sha256>::from_prk(&secret).unwrap();
    hkdf.expand(&hkdf_label("traffic upd", &[], 32), &mut expected).unwrap();
    assert_eq!(run(&c, &[&secret]), expected);
}

/// HkdfLabel of "c hs traffic" with a hash of zeros, byte by byte (RFC 8446 section 7.1).
#[test]
fn label_encoding() {
    assert_eq!(hkdf_label("key", &[], 16), b"\x00\x10\x09tls13 key\x00");
    assert_eq!(hkdf_label("c hs traffic", &[0; 32], 32), [&b"\x00\x20\x12tls13 c hs traffic\x20"[..], &[0; 32]].concat());
    assert!(std::panic::catch_unwind(|| label_schedule("this label is too long", &[0; 32])).is_err(), "54 bytes do not fit");
}
