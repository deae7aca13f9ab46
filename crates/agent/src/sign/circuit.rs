//! The signature of Signature Version 4 as a circuit: the HMAC chain of [`super::plain`] with the key as secret wires.
//!
//! Date, region and service are constants; the string to sign is public when the circuit runs and goes in as the words `W[t] + K[t]` of
//! its blocks, so the circuit is built, and garbled, before there is a request. From a whole 40-byte key it is 22 compressions of
//! SHA-256; the states of the derived key can be carried from one circuit to another, and then a signature is 4.

use super::sigv4::{Scope, TERMINATOR, ToSign};
use cotenant_circuit::bytes::{Byte, constant_bytes, input_bytes, output_bytes};
use cotenant_circuit::hex::{self, Case};
use cotenant_circuit::hmac::{self, HmacKey};
use cotenant_circuit::sha256::{Schedule, schedule_bits, schedule_input};
use cotenant_circuit::{Builder, Circuit};

/// Bytes of an AWS secret access key.
pub const SECRET_KEY_BYTES: usize = 40;

/// The derived key of a scope's date, region and service, k4 of [`super::plain`]: 18 compressions.
///
/// ANDs: 362 053 from 40 secret bytes for `20150830/us-east-1/s3`.
pub fn signing_key(b: &mut Builder, secret_access_key: &[Byte], scope: &Scope) -> HmacKey {
    let key = [&constant_bytes(b"AWS4"), secret_access_key].concat();
    let messages = [&scope.date(), scope.region(), scope.service(), TERMINATOR];
    messages.iter().fold(HmacKey::new(b, &key), |key, message| {
        let next = key.mac(b, &constant_bytes(message.as_bytes()));
        HmacKey::new(b, &next)
    })
}

/// The 64 hex digits of the signature of a string to sign that is public when the circuit runs.
///
/// ANDs: 69 978 for the three blocks that a string to sign has as a rule, 16 120 more or less a block.
pub fn signature(b: &mut Builder, signing_key: &HmacKey, string_to_sign: &[Schedule]) -> [Byte; 64] {
    let mac = signing_key.mac_scheduled(b, string_to_sign);
    hex::encode(b, &mac, Case::Lower).try_into().expect("two digits a byte")
}

/// New public inputs for the string to sign of any request of this scope; their values come from [`string_to_sign_bits`].
pub fn string_to_sign_input(b: &mut Builder, scope: &Scope) -> Vec<Schedule> {
    // The number of blocks depends on the length alone.
    let blocks = hmac::schedules(&vec![0; scope.string_to_sign_len()]).len();
    (0..blocks).map(|_| schedule_input(b)).collect()
}

/// The values of [`string_to_sign_input`] for one request.
pub fn string_to_sign_bits(to_sign: &ToSign) -> Vec<bool> {
    hmac::schedules(to_sign.string_to_sign.as_bytes()).iter().flat_map(schedule_bits).collect()
}

/// The whole chain as a circuit of its own, from a key of so many bytes, [`SECRET_KEY_BYTES`] as a rule. Inputs: the key's bytes, secret; the
/// string to sign, public. Output: the 64 digits.
pub fn signature_circuit(key_bytes: usize, scope: &Scope) -> Circuit {
    let mut b = Builder::new();
    let secret = input_bytes(&mut b, key_bytes);
    let string_to_sign = string_to_sign_input(&mut b, scope);
    let key = signing_key(&mut b, &secret, scope);
    let digits = signature(&mut b, &key, &string_to_sign);
    output_bytes(&mut b, &digits);
    b.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Request;
    use crate::sign::plain::signature_with_whole_key;
    use crate::sign::sigv4::{Style, prepare};
    use cotenant_circuit::bytes::{bits_of, bytes_of};

    fn scope(service: &str, region: &str) -> Scope {
        Scope::new(service, region, "20150830T123600Z".parse().unwrap()).unwrap()
    }

    #[test]
    fn scopes_of_every_length() {
        let secret: [u8; SECRET_KEY_BYTES] = std::array::from_fn(|i| b'!' + 2 * i as u8);
        // The last one makes four blocks of the string to sign.
        for (service, region) in [("s3", "us-east-1"), ("execute-api", "ap-southeast-2"), (&"a".repeat(64), &"b".repeat(64))] {
            let scope = scope(service, region);
            let mut request = Request::new("GET", "h", 443, "/").unwrap();
            let to_sign = prepare(&mut request, &scope, Style::S3).unwrap();
            let inputs = [bits_of(&secret), string_to_sign_bits(&to_sign)].concat();
            let digits = bytes_of(&signature_circuit(SECRET_KEY_BYTES, &scope).eval(&inputs));
            assert_eq!(digits, signature_with_whole_key(&secret, &to_sign), "{service} {region}");
        }
    }

    #[test]
    fn counts_are_these() {
        let scope = scope("s3", "us-east-1");
        let whole = signature_circuit(SECRET_KEY_BYTES, &scope).stats();
        assert_eq!((whole.and_full, whole.and_half_public, whole.and_public, whole.depth), (431_839, 192, 0, 26_957));

        let mut b = Builder::new();
        let secret = input_bytes(&mut b, SECRET_KEY_BYTES);
        let key = signing_key(&mut b, &secret, &scope);
        b.output(&key.literals());
        assert_eq!(b.finish().stats().ands(), 362_053);

        let mut b = Builder::new();
        let key = HmacKey::from_literals(&b.input(HmacKey::BITS));
        let words = string_to_sign_input(&mut b, &scope);
        let digits = signature(&mut b, &key, &words);
        output_bytes(&mut b, &digits);
        let signature = b.finish().stats();
        assert_eq!((signature.and_full, signature.and_half_public, signature.and_public, signature.depth), (69_786, 192, 0, 6_385));
    }
}
