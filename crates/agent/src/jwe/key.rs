//! An RSA public key as JSON Web Key (RFC 7517, RFC 7518 section 6.3.1).

use base64ct::{Base64UrlUnpadded, Encoding};
use crypto_bigint::{BoxedUint, Odd};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Bits of moduli.
const SIZES: [u32; 3] = [2048, 3072, 4096];
/// Members of a key that is not public (RFC 7518 sections 6.3.2 and 6.4.1).
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// A modulus and an exponent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey {
    modulus: Odd<BoxedUint>,
    exponent: u32,
}

/// Why a text is no key that is encrypted for. Whoever gives it is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadKey {
    /// It is not the JSON of a public RSA key.
    #[error("this is no JSON Web Key of kty RSA, with n and e in base64url")]
    Form,
    /// It has the private half, which all members would see.
    #[error("this is a private key, and all members see it: give n and e alone, and have the key replaced")]
    Private,
    /// It is for something else.
    #[error("the key says that it is for another use or algorithm")]
    Use,
    /// The modulus.
    #[error("a modulus is an odd number of 2048, 3072 or 4096 bits, in as few bytes")]
    Modulus,
    /// The exponent.
    #[error("an exponent is an odd number of 3 to 4294967295, in as few bytes")]
    Exponent,
}

impl PublicKey {
    /// The key, and the name that it has; `alg` is what it is wanted for.
    pub(super) fn of_jwk(text: &[u8], alg: &str) -> Result<(PublicKey, Option<String>), BadKey> {
        let members: Map<String, Value> = serde_json::from_slice(text).map_err(|_| BadKey::Form)?;
        let text = |name: &str| members.get(name).map(|value| value.as_str().ok_or(BadKey::Form)).transpose();
        if text("kty")? != Some("RSA") {
            return Err(BadKey::Form);
        }
        if PRIVATE.iter().any(|name| members.contains_key(*name)) {
            return Err(BadKey::Private);
        }
        if text("use")?.is_some_and(|found| found != "enc") || text("alg")?.is_some_and(|found| found != alg) {
            return Err(BadKey::Use);
        }
        let number = |name| {
            let text = text(name)?.ok_or(BadKey::Form)?;
            Base64UrlUnpadded::decode_vec(text).map_err(|_| BadKey::Form)
        };
        let key = PublicKey::new(&number("n")?, &number("e")?)?;
        Ok((key, text("kid")?.map(str::to_owned)))
    }

    /// Of two numbers, the most significant byte first.
    fn new(modulus: &[u8], exponent: &[u8]) -> Result<PublicKey, BadKey> {
        let of_size = |bits: &u32| modulus.len() == (bits / 8) as usize && modulus[0] >= 0x80;
        let bits = SIZES.into_iter().find(of_size).ok_or(BadKey::Modulus)?;
        let modulus = BoxedUint::from_be_slice(modulus, bits).map_err(|_| BadKey::Modulus)?;
        let modulus = Odd::new(modulus).into_option().ok_or(BadKey::Modulus)?;
        if exponent.len() > 4 || exponent.first().is_none_or(|&first| first == 0) {
            return Err(BadKey::Exponent);
        }
        let exponent = exponent.iter().fold(0, |number: u32, &byte| number << 8 | u32::from(byte));
        if exponent < 3 || exponent % 2 == 0 { Err(BadKey::Exponent) } else { Ok(PublicKey { modulus, exponent }) }
    }

    #[cfg(test)]
    pub(super) fn of(modulus: Odd<BoxedUint>, exponent: u32) -> PublicKey {
        PublicKey { modulus, exponent }
    }

    /// The modulus.
    pub(super) fn modulus(&self) -> &Odd<BoxedUint> {
        &self.modulus
    }

    /// The exponent.
    pub(super) fn exponent(&self) -> u32 {
        self.exponent
    }

    /// Its name by RFC 7638, with SHA-256: what people compare.
    pub(super) fn thumbprint(&self) -> String {
        let text = |number: &[u8]| Base64UrlUnpadded::encode_string(number);
        let (n, e) = (text(&self.modulus.to_be_bytes()), text(&self.exponent.to_be_bytes()[self.exponent.leading_zeros() as usize / 8..]));
        text(&Sha256::digest(format!("{{\"e\":\"{e}\",\"kty\":\"RSA\",\"n\":\"{n}\"}}")))
    }

    /// Bits of the modulus.
    pub(super) fn bits(&self) -> usize {
        8 * self.bytes()
    }

    /// Bytes of the modulus.
    pub(crate) fn bytes(&self) -> usize {
        self.modulus.bits_precision() as usize / 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(members: &str) -> Result<(PublicKey, Option<String>), BadKey> {
        PublicKey::of_jwk(format!("{{{members}}}").as_bytes(), "RSA-OAEP")
    }

    /// A key of these numbers.
    fn numbers(modulus: &[u8], exponent: &[u8]) -> Result<(), BadKey> {
        let [n, e] = [modulus, exponent].map(Base64UrlUnpadded::encode_string);
        read(&format!("\"kty\":\"RSA\",\"n\":\"{n}\",\"e\":\"{e}\"")).map(drop)
    }

    fn modulus(bytes: usize) -> Vec<u8> {
        vec![0xff; bytes]
    }

    #[test]
    fn numbers_in_and_out_of_bounds() {
        for bytes in [256, 384, 512] {
            assert_eq!(numbers(&modulus(bytes), &[1, 0, 1]), Ok(()));
        }
        for bytes in [0, 1, 128, 255, 257, 320, 511, 513] {
            assert_eq!(numbers(&modulus(bytes), &[1, 0, 1]), Err(BadKey::Modulus), "{bytes}");
        }
        let even = [&modulus(255)[..], &[0xfe]].concat();
        let short = [&[0x7f], &modulus(255)[..]].concat();
        let longer = [&[0], &modulus(256)[..]].concat();
        for wrong in [even, short, longer] {
            assert_eq!(numbers(&wrong, &[1, 0, 1]), Err(BadKey::Modulus));
        }
        for exponent in [&[3][..], &[0xff; 4]] {
            assert_eq!(numbers(&modulus(256), exponent), Ok(()));
        }
        for exponent in [&[][..], &[1], &[2], &[0, 3], &[4], &[1, 0, 0], &[1, 0, 0, 0, 1]] {
            assert_eq!(numbers(&modulus(256), exponent), Err(BadKey::Exponent), "{exponent:?}");
        }
    }

    /// RFC 7638 section 3.1.
    #[test]
    fn a_published_thumbprint() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs\
                 tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91C\
                 bOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let (key, _) = read(&format!("\"kty\":\"RSA\",\"n\":\"{n}\",\"e\":\"AQAB\"")).unwrap();
        assert_eq!(key.thumbprint(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn what_a_key_says_of_itself() {
        let n = Base64UrlUnpadded::encode_string(&modulus(256));
        let with = |more: &str| read(&format!("\"kty\":\"RSA\",\"n\":\"{n}\",\"e\":\"AQAB\"{more}")).map(|(_, kid)| kid);
        assert_eq!(with(""), Ok(None));
        assert_eq!(with(",\"kid\":\"a\",\"use\":\"enc\",\"alg\":\"RSA-OAEP\",\"x5t\":[1]"), Ok(Some("a".to_owned())));
        assert_eq!(with(",\"use\":\"sig\""), Err(BadKey::Use));
        assert_eq!(with(",\"alg\":\"RSA-OAEP-256\""), Err(BadKey::Use));
        assert_eq!(with(",\"d\":\"AQAB\""), Err(BadKey::Private));
        assert_eq!(with(",\"kid\":1"), Err(BadKey::Form));
        for wrong in
            ["", "\"kty\":\"EC\"", "\"kty\":\"RSA\",\"e\":\"AQAB\"", "\"kty\":\"RSA\",\"n\":\"+/==\",\"e\":\"AQAB\"", "\"kty\":\"RSA\""]
        {
            assert_eq!(read(wrong).map(drop), Err(BadKey::Form), "{wrong}");
        }
    }
}
