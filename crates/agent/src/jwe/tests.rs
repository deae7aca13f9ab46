//! JWEs of published vectors, whose content keys, seeds and IVs are put in for what is drawn, and what they take.

use super::*;
use cotenant_circuit::{
    Circuit, Stats,
    bytes::{bytes_of, output_bytes},
};
use rand_core::SeedableRng;

/// A published JWE and what it was made of.
pub(crate) struct Vector {
    pub(crate) sealing: Sealing,
    key: &'static str,
    /// Not printed with the vector: found with the private key that is.
    seed: &'static str,
    text: &'static str,
    compact: String,
}

fn vector(modulus: &str, kid: &str, [key, seed, text, wrapped]: [&'static str; 4], [iv, ciphertext, tag]: [&str; 3]) -> Vector {
    let jwk = format!("{{\"kty\":\"RSA\",{kid}\"n\":\"{modulus}\",\"e\":\"AQAB\"}}");
    let sealing = Sealing::new(b"RSA-OAEP", b"A256GCM", jwk.as_bytes(), None).unwrap();
    let compact = [&sealing.header, wrapped, iv, ciphertext, tag].join(".");
    Vector { sealing, key, seed, text, compact }
}

/// RFC 7516 appendix A.1.
pub(crate) fn rfc_7516() -> Vector {
    vector(
        "oahUIoWw0K0usKNuOR6H4wkf4oBUXHTxRvgb48E-BVvxkeDNjbC4he8rUWcJoZmds2h7M70imEVhRU5djINXtqllXI4DFqcI1DgjT9LewND8MW2Krf3Spsk_ZkoFnilakGygTwpZ3ues\
     H-PFABNIUYpOiN15dsQRkgr0vEhxN92i2asbOenSZeyaxziK72UwxrrKoExv6kc5twXTq4h-QChLOln0_mtUZwfsRaMStPs6mS6XrgxnxbWhojf663tuEQueGC-FCMfra36C9knDFGzK\
     sNa7LZK2djYgyD3JR_MB_4NUJW_TqOQtwHYbxevoJArm-L5StowjzGy-_bq6Gw",
        "",
        [
            "saH0gFSP4XM_tAP_a5rU9ooHbltwLiJpL4LLLnrqQPw",
            "yx7XrFBC2BxVhigRW-tq264cZJM",
            "The true sign of intelligence is not knowledge but imagination.",
            "OKOawDo13gRp2ojaHV7LFpZcgV7T6DVZKTyKOMTYUmKoTCVJRgckCL9kiMT03JGeipsEdY3mx_etLbbWSrFr05kLzcSr4qKAq7YN7e9jwQRb23nfa6c9d-StnImGyFDbSv04uVuxIp5Z\
     ms1gNxKKK2Da14B8S4rzVRltdYwam_lDp5XnZAYpQdb76FdIKLaVmqgfwX7XWRxv2322i-vDxRfqNzo_tETKzpVLzfiwQyeyPGLBIO56YJ7eObdv0je81860ppamavo35UgoRdbYaBco\
     h9QcfylQr66oc6vFWXRcZ_ZT2LawVCWTIy3brGPi6UklfCpIMfIjf7iGdXKHzg",
        ],
        [
            "48V1_ALb6US04U3b",
            "5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A",
            "XFBoMYUZodetZdvTiFvSkQ",
        ],
    )
}

/// RFC 7520 section 5.2.
fn rfc_7520() -> Vector {
    vector(
        "wbdxI55VaanZXPY29Lg5hdmv2XhvqAhoxUkanfzf2-5zVUxa6prHRrI4pP1AhoqJRlZfYtWWd5mmHRG2pAHIlh0ySJ9wi0BioZBl1XP2e-C-FyXJGcTy0HdKQWlrfhTm42EW7Vv04r4g\
     fao6uxjLGwfpGrZLarohiWCPnkNrg71S2CuNZSQBIPGjXfkmIy2tl_VWgGnL22GplyXj5YlBLdxXp3XeStsqo571utNfoUTU8E4qdzJ3U1DItoVkPGsMwlmmnJiwA7sXRItBCivR4M5q\
     nZtdw-7v4WuR4779ubDuJ5nalMv2S66-RPcnFAzWSKxtBDnFJJDGIUe7Tzizjg1nms0Xq_yPub_UOlWn0ec85FCft1hACpWG8schrOBeNqHBODFskYpUc2LC5JA2TaPF2dA67dg1TTsC\
     _FupfQ2kNGcE1LgprxKHcVWYQb86B-HozjHZcqtauBzFNV5tbTuB-TpkcvJfNcFLlH3b8mb-H_ox35FjqBSAjLKyoeqfKTpVjvXhd09knwgJf6VKq6UC418_TOljMVfFTWXUxlnfhOOn\
     zW6HSSzD1c9WrCuVzsUMv54szidQ9wf1cYWf3g5qFDxDQKis99gcDaiCAwM3yEBIzuNeeCa5dartHDb1xEB_HcHSeYbghbMjGfasvKn0aZRsnTyC0xhWBlsolZE",
        "\"kid\":\"samwise.gamgee@hobbiton.example\",",
        [
            "mYMfsggkTAm0TbvtlFh2hyoXnbEzJQjMxmgLN3d8xXA",
            "jnWDqWoJpB99QBsrJSOve7bmuWM",
            "You can trust us to stick with you through thick and thin\u{2013}to the bitter end. And you can trust us to keep any secret of \
             yours\u{2013}closer than you keep it yourself. But you cannot trust us to let you face trouble alone, and go off without a word. We \
             are your friends, Frodo.",
            "rT99rwrBTbTI7IJM8fU3Eli7226HEB7IchCxNuh7lCiud48LxeolRdtFF4nzQibeYOl5S_PJsAXZwSXtDePz9hk-BbtsTBqC2UsPOdwjC9NhNupNNu9uHIVftDyucvI6hvALeZ6OGnhN\
     V4v1zx2k7O1D89mAzfw-_kT3tkuorpDU-CpBENfIHX1Q58-Aad3FzMuo3Fn9buEP2yXakLXYa15BUXQsupM4A1GD4_H4Bd7V3u9h8Gkg8BpxKdUV9ScfJQTcYm6eJEBz3aSwIaK4T3-d\
     wWpuBOhROQXBosJzS1asnuHtVMt2pKIIfux5BC6huIvmY7kzV7W7aIUrpYm_3H4zYvyMeq5pGqFmW2k8zpO878TRlZx7pZfPYDSXZyS0CfKKkMozT_qiCwZTSz4duYnt8hS4Z9sGthXn\
     9uDqd6wycMagnQfOTs_lycTWmY-aqWVDKhjYNRf03NiwRtb5BE-tOdFwCASQj3uuAgPGrO2AWBe38UjQb0lvXn1SpyvYZ3WFc7WOJYaTa7A8DRn6MC6T-xDmMuxC0G7S2rscw5lQQU06\
     MvZTlFOt0UvfuKBa03cxA_nIBIhLMjY2kOTxQMmpDPTr6Cbo8aKaOnx6ASE5Jx9paBpnNmOOKH35j_QlrQhDWUN6A2Gg8iFayJ69xDEdHAVCGRzN3woEI2ozDRs",
        ],
        [
            "-nBoKLH0YkLZPSI9",
            "o4k2cnGN8rSSw3IDo1YuySkqeS_t2m1GXklSgqBdpACm6UJuJowOHC5ytjqYgRL-I-soPlwqMUf4UgRWWeaOGNw6vGW-xyM01lTYxrXfVzIIaRdhYtEMRBvBWbEwP7ua1DRfvaOjgZv6\
     Ifa3brcAM64d8p5lhhNcizPersuhw5f-pGYzseva-TUaL8iWnctc-sSwy7SQmRkfhDjwbz0fz6kFovEgj64X1I5s7E6GLp5fnbYGLa1QUiML7Cc2GxgvI7zqWo0YIEc7aCflLG1-8Bbo\
     VWFdZKLK9vNoycrYHumwzKluLWEbSVmaPpOslY2n525DxDfWaVFUfKQxMF56vn4B9QMpWAbnypNimbM8zVOw",
            "UCGiqJxhBI3IFVdPalHHvA",
        ],
    )
}

fn decoded(text: &str) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(text).unwrap()
}

/// The encrypted key that so many parties come to.
fn wrapped(Vector { sealing, key, seed, .. }: &Vector, parties: usize) -> String {
    let mut rng = ChaCha20Rng::seed_from_u64(parties as u64);
    let factors: Vec<power::Factor> = (1..parties).map(|_| sealing.key().factor(&mut rng)).collect();
    let mut blind = vec![0; sealing.blind_bits(parties) / 8];
    rng.fill_bytes(&mut blind);
    let mut inputs = [decoded(key), decoded(seed)].concat();
    factors.iter().for_each(|factor| inputs.extend_from_slice(&factor.number));
    inputs.extend(blind);
    let remainders = sealing.wrapping(parties).eval(&bits_of(&inputs));
    let last = sealing.key().last(&sealing.exponents(parties), &remainders).unwrap();
    let told: Vec<&[u8]> = factors.iter().map(|factor| &factor.told[..]).chain([&last[..]]).collect();
    sealing.wrapped(&sealing.key().product(&told).unwrap())
}

/// The whole of it, as so many parties make it.
fn assert_made(vector: &Vector, parties: usize) {
    let parts: Vec<&str> = vector.compact.split('.').collect();
    assert_eq!(wrapped(vector, parties), parts[1], "{parties} parties");
    let Vector { sealing, key, text, compact, .. } = vector;
    let inputs = [&decoded(key)[..], &decoded(parts[2]), parts[1].as_bytes(), text.as_bytes()].concat();
    let made = bytes_of(&writing(sealing, text.len()).eval(&bits_of(&inputs)));
    assert_eq!(String::from_utf8(made).as_ref(), Ok(compact));
    assert_eq!(sealing.len(text.len()), compact.len());
}

/// The circuit that writes the JWE of a text of so many bytes.
fn writing(sealing: &Sealing, text: usize) -> Circuit {
    let mut b = Builder::new();
    let drawn = sealing.input(&mut b);
    let text = input_bytes(&mut b, text);
    let jwe = sealing.build(&mut b, drawn, &text);
    output_bytes(&mut b, &jwe);
    b.finish()
}

#[test]
fn published_vectors() {
    assert_made(&rfc_7516(), 2);
    assert_made(&rfc_7520(), 1);
}

#[test]
#[ignore = "circuits of some million gates: just jwe"]
fn published_vectors_among_more() {
    assert_made(&rfc_7516(), 1);
    assert_made(&rfc_7516(), 3);
    assert_made(&rfc_7520(), 2);
}

fn ands(sealing: Sealing, parties: usize) -> usize {
    sealing.wrapping(parties).stats().ands()
}

/// What is paid for the encrypted key of two parties, and what for the rest of the JWE of a password of 24 bytes.
#[test]
fn counts_are_these() {
    let with = |content_key| writing(&Sealing { content_key, ..rfc_7516().sealing }, 24).stats();
    let kinds = |stats: Stats| (stats.and_full, stats.and_half_public, stats.and_public);
    assert_eq!([kinds(with(16)), kinds(with(32))], [(31_576, 0, 0), (40_280, 0, 0)]);
    assert_eq!(ands(rfc_7516().sealing, 2), 1_139_648);
}

#[test]
#[ignore = "circuits of some million gates: just jwe"]
fn counts_of_more_are_these() {
    let with = |vector: Vector, parties| ands(Sealing { hash: Hash::Sha256, ..vector.sealing }, parties);
    let counts = [
        with(rfc_7516(), 2),
        with(rfc_7516(), 3),
        with(rfc_7516(), 4),
        ands(rfc_7520().sealing, 2),
        with(rfc_7520(), 2),
        with(rfc_7520(), 3),
    ];
    assert_eq!(counts, [1_199_356, 2_950_039, 5_675_244, 2_886_642, 3_013_748, 7_448_875]);
}

#[test]
fn headers() {
    let n = Base64UrlUnpadded::encode_string(&[0xff; 256]);
    let sealing = |alg: &str, enc: &str, more: Option<&str>| {
        let jwk = format!("{{\"kty\":\"RSA\",\"kid\":\"k\\\"1\",\"n\":\"{n}\",\"e\":\"AQAB\"}}");
        let sealing = Sealing::new(alg.as_bytes(), enc.as_bytes(), jwk.as_bytes(), more.map(str::as_bytes))?;
        Ok(String::from_utf8(decoded(&sealing.header)).unwrap())
    };
    let with = |more| sealing("RSA-OAEP-256", "A128GCM", more);
    assert_eq!(with(None).unwrap(), r#"{"alg":"RSA-OAEP-256","kid":"k\"1","enc":"A128GCM"}"#);
    assert_eq!(with(Some(r#"{"typ":"JWT","kid":"2"}"#)).unwrap(), r#"{"alg":"RSA-OAEP-256","kid":"2","typ":"JWT","enc":"A128GCM"}"#);
    for wrong in ["", "[]", "{\"a\":1}", "{\"alg\":\"dir\"}", "{\"enc\":\"\"}", "{\"zip\":\"DEF\"}", "{\"crit\":\"\"}"] {
        assert_eq!(with(Some(wrong)), Err(BadSealing::Header), "{wrong}");
    }
    let long = |length: usize| sealing("RSA-OAEP-256", "A128GCM", Some(&format!("{{\"typ\":\"{}\"}}", "a".repeat(length))));
    let room = MAX_HEADER - with(Some("{\"typ\":\"\"}")).unwrap().len();
    assert!(long(room).is_ok());
    assert_eq!(long(room + 1), Err(BadSealing::Header));
    assert_eq!(sealing("RSA1_5", "A128GCM", None), Err(BadSealing::Algorithm));
    assert_eq!(sealing("RSA-OAEP", "A128CBC-HS256", None), Err(BadSealing::Encryption));
}
