//! The signature of Signature Version 4 by someone who has the whole key in the clear: what the circuit is checked against, and what
//! one party alone would have to do.
//!
//! `k1 = HMAC("AWS4" secret, date)`, `k2 = HMAC(k1, region)`, `k3 = HMAC(k2, service)`, `k4 = HMAC(k3, "aws4_request")`,
//! `signature = hex(HMAC(k4, string to sign))`, HMAC with SHA-256 (RFC 2104).
//! Source: AWS IAM User Guide, "Create a signed AWS API request", step 4.

use super::sigv4::{TERMINATOR, ToSign};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

/// The signature as 64 small hex digits. It gives no more than the request that carries it gives away; the key itself is wiped here.
pub fn signature_with_whole_key(secret_access_key: &[u8], to_sign: &ToSign) -> [u8; 64] {
    let mut key = Zeroizing::new([b"AWS4".as_slice(), secret_access_key].concat());
    let scope = &to_sign.scope;
    for message in [scope.date().as_str(), scope.region(), scope.service(), TERMINATOR, &to_sign.string_to_sign] {
        let mut mac = hmac_sha256(&key, message.as_bytes());
        key = Zeroizing::new(mac.to_vec());
        mac.zeroize();
    }
    std::array::from_fn(|i| b"0123456789abcdef"[usize::from(if i % 2 == 0 { key[i / 2] >> 4 } else { key[i / 2] & 15 })])
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of every length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}
