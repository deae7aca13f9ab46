//! HMAC-SHA-256 (RFC 4231) and HKDF (RFC 5869).

use cotenant_circuit::bytes::{bits_of, bytes_of, input_array, input_bytes, output_bytes};
use cotenant_circuit::hkdf;
use cotenant_circuit::hmac::{HmacKey, schedules};
use cotenant_circuit::sha256::{schedule_bits, schedule_input};
use hex_literal::hex;
use hmac::{KeyInit, Mac};
use proptest::prelude::*;

use crate::{circuit, run};

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let c = circuit(|b| {
        let key = input_bytes(b, key.len());
        let message = input_bytes(b, message.len());
        let mac = HmacKey::new(b, &key).mac(b, &message);
        output_bytes(b, &mac);
    });
    run(&c, &[key, message])
}

/// RFC 4231 section 4, test cases 1 to 4, 6 and 7 (keys shorter and longer than a block), and 5, which keeps 128 bits.
#[test]
fn rfc_4231() {
    let cases: [(&[u8], &[u8], &[u8]); 7] = [
        (&[0x0b; 20], b"Hi There", &hex!("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7")),
        (b"Jefe", b"what do ya want for nothing?", &hex!("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")),
        (&[0xaa; 20], &[0xdd; 50], &hex!("773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe")),
        (
            &hex!("0102030405060708090a0b0c0d0e0f10111213141516171819"),
            &[0xcd; 50],
            &hex!("82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
        ),
        (&[0x0c; 20], b"Test With Truncation", &hex!("a3b6167473100ee06e0c796c2955552b")),
        (
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            &hex!("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"),
        ),
        (
            &[0xaa; 131],
            b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.",
            &hex!("9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"),
        ),
    ];
    for (key, message, expected) in cases {
        assert_eq!(&mac(key, message)[..expected.len()], expected);
    }
}

/// RFC 5869 appendix A, test cases 1 to 3.
#[test]
fn rfc_5869() {
    let ramp = |from: u8, length: u8| (0..length).map(|i| from.wrapping_add(i)).collect::<Vec<u8>>();
    // Key material, salt, info, PRK, OKM.
    let cases = [
        (
            vec![0x0b; 22],
            ramp(0, 13),
            ramp(0xf0, 10),
            hex!("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"),
            hex!("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865").to_vec(),
        ),
        (
            ramp(0, 80),
            ramp(0x60, 80),
            ramp(0xb0, 80),
            hex!("06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244"),
            hex!(
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"
            )
            .to_vec(),
        ),
        (
            vec![0x0b; 22],
            vec![],
            vec![],
            hex!("19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04"),
            hex!("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8").to_vec(),
        ),
    ];
    for (key_material, salt, info, prk, okm) in cases {
        let c = circuit(|b| {
            let (salt, key_material, info) = (input_bytes(b, salt.len()), input_bytes(b, key_material.len()), input_bytes(b, info.len()));
            let prk = hkdf::extract(b, &salt, &key_material);
            output_bytes(b, &prk);
            let prk = HmacKey::new(b, &prk);
            let okm = hkdf::expand(b, &prk, &info, okm.len());
            output_bytes(b, &okm);
        });
        assert_eq!(run(&c, &[&salt, &key_material, &info]), [&prk[..], &okm].concat());
    }
}

/// A key's states are taken to a second circuit, which signs a message that is public only when it runs.
#[test]
fn states_cross_circuits_and_messages_come_late() {
    let (key, message) = ([0x5a; 32], [0x17; 150]);
    let states = circuit(|b| {
        let key = input_array::<32>(b);
        let states = HmacKey::new(b, &key).literals();
        b.output(&states);
    });
    let words = schedules(&message);
    assert_eq!(words.len(), 3, "150 bytes and their padding are three blocks");
    let sign = circuit(|b| {
        let key = HmacKey::from_literals(&b.input(HmacKey::BITS));
        let blocks: Vec<_> = words.iter().map(|_| schedule_input(b)).collect();
        let mac = key.mac_scheduled(b, &blocks);
        output_bytes(b, &mac);
    });
    let mut inputs = states.eval(&bits_of(&key));
    inputs.extend(words.iter().flat_map(schedule_bits));
    let mut expected = hmac::Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
    expected.update(&message);
    assert_eq!(bytes_of(&sign.eval(&inputs)), expected.finalize().into_bytes().as_slice());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn agrees_with_the_hmac_crate(key in prop::collection::vec(any::<u8>(), 0..100), message in prop::collection::vec(any::<u8>(), 0..150)) {
        let mut expected = hmac::Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
        expected.update(&message);
        prop_assert_eq!(mac(&key, &message), expected.finalize().into_bytes().to_vec());
    }
}
