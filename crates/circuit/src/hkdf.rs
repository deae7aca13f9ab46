//! HKDF with SHA-256 (RFC 5869) and HKDF-Expand-Label of TLS 1.3 (RFC 8446 section 7.1).

use crate::builder::Builder;
use crate::bytes::{Byte, constant_byte, constant_bytes};
use crate::hmac::{HmacKey, schedules};
use crate::sha256::Schedule;

/// HKDF-Extract (RFC 5869 section 2.2). A constant salt costs nothing.
pub fn extract(b: &mut Builder, salt: &[Byte], key_material: &[Byte]) -> [Byte; 32] {
    HmacKey::new(b, salt).mac(b, key_material)
}

/// HKDF-Expand (RFC 5869 section 2.3) to `length` bytes.
///
/// # Panics
/// If `length` is more than 255 * 32.
pub fn expand(b: &mut Builder, key: &HmacKey, info: &[Byte], length: usize) -> Vec<Byte> {
    assert!(length <= 255 * 32, "HKDF-Expand gives at most 255 blocks");
    let mut out: Vec<Byte> = Vec::new();
    for counter in 1..=length.div_ceil(32) {
        let mut message = out[out.len().saturating_sub(32)..].to_vec();
        message.extend_from_slice(info);
        message.push(constant_byte(counter as u8));
        out.extend(key.mac(b, &message));
    }
    out.truncate(length);
    out
}

/// HKDF-Expand-Label with a context that is known while the circuit is built.
///
/// # Panics
/// If label, context or length do not fit their fields of RFC 8446 section 7.1.
pub fn expand_label(b: &mut Builder, key: &HmacKey, label: &str, context: &[u8], length: u16) -> Vec<Byte> {
    let info = constant_bytes(&hkdf_label(label, context, length));
    expand(b, key, &info, length.into())
}

/// HKDF-Expand-Label of 32 bytes with a context that is public when the circuit runs; the words of [`label_schedule`].
pub fn expand_label_scheduled(b: &mut Builder, key: &HmacKey, words: &Schedule) -> [Byte; 32] {
    key.mac_scheduled(b, std::slice::from_ref(words))
}

/// The plain words to put into [`expand_label_scheduled`], for a label whose block with its context fits into one compression.
///
/// # Panics
/// If label and context have more than 44 bytes together.
pub fn label_schedule(label: &str, context: &[u8]) -> [u32; 64] {
    let mut message = hkdf_label(label, context, 32);
    message.push(1);
    match schedules(&message)[..] {
        [words] => words,
        _ => panic!("label and context do not fit into one block"),
    }
}

/// The structure HkdfLabel of RFC 8446 section 7.1.
///
/// # Panics
/// If label or context are longer than their length fields can say.
pub fn hkdf_label(label: &str, context: &[u8], length: u16) -> Vec<u8> {
    let mut out = length.to_be_bytes().to_vec();
    out.push(u8::try_from(6 + label.len()).expect("a label has at most 249 bytes"));
    out.extend_from_slice(b"tls13 ");
    out.extend_from_slice(label.as_bytes());
    out.push(u8::try_from(context.len()).expect("a context has at most 255 bytes"));
    out.extend_from_slice(context);
    out
}
