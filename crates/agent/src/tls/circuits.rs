//! The circuits of one connection. What is public is an input known when it runs, so that all of it is garbled before there is a connection.
//!
//! | segment | secret inputs | public inputs | outputs |
//! | --- | --- | --- | --- |
//! | slope of an addition | running point, negated point, n blinds | | blinded denominator (opened), numerator |
//! | addition | running point, negated point, numerator | inverse of the denominator | the sum; its x as the shared secret for the last one |
//! | handshake | shared secret | words of both handshake labels with the transcript hash | client and server handshake secret (opened), master secret |
//! | application | master secret | words of both application labels with the transcript hash | client IV (opened), client round keys, powers of H, server secret |
//! | sealing | client round keys, holes | client IV | key stream xor holes (opened), tag masks |

use super::plan::Shape;
use crate::built::Built;
use cotenant_circuit::aes::RoundKeys;
use cotenant_circuit::bytes::{
    Byte, constant_bytes, input_array, input_bytes, output_bytes, public_input_array, to_array, to_bytes, xor_byte,
};
use cotenant_circuit::ghash;
use cotenant_circuit::hmac::HmacKey;
use cotenant_circuit::key_schedule::{self, TranscriptWords};
use cotenant_circuit::point::{Curve, Point, add, add_x, blinded_slope};
use cotenant_circuit::{Builder, Circuit, Lit, aes, bytes};
use cotenant_tls::Group;
use std::sync::Arc;

/// Bits of the numerator that a slope segment hands to its addition.
const NUMERATOR: usize = 256;
/// Bits of the eleven round keys.
pub(super) const ROUND_KEYS: usize = 11 * 128;

/// What a circuit depends on.
#[derive(PartialEq, Eq)]
enum Key {
    Slope(Group, usize),
    Add(Group, bool),
    Handshake,
    Application(usize),
    Sealing(Shape),
}

static BUILT: Built<Key> = Built::new();

fn once(key: Key, build: impl FnOnce(&mut Builder)) -> Arc<Circuit> {
    BUILT.get(key, || {
        let mut b = Builder::new();
        build(&mut b);
        b.finish()
    })
}

/// The curve of a group.
pub(super) fn curve(group: Group) -> Curve {
    match group {
        Group::Secp256r1 => Curve::P256,
        Group::X25519 => Curve::Curve25519,
    }
}

/// First segment of an addition among `n` parties. Outputs: the denominator, the numerator.
pub(super) fn slope(group: Group, n: usize) -> Arc<Circuit> {
    once(Key::Slope(group, n), |b| {
        let curve = curve(group);
        let (running, negated) = (Point::input(b, curve), Point::input(b, curve));
        let blinds: Vec<Vec<Lit>> = (0..n).map(|_| b.input(curve.bits())).collect();
        let slope = blinded_slope(b, curve, &running, &negated, &blinds);
        b.output(&slope.denominator);
        b.output(&slope.numerator);
    })
}

/// Second segment of an addition. Output: the point, or of the last one the 32 bytes of the shared secret (RFC 8446 section 7.4.2).
pub(super) fn addition(group: Group, last: bool) -> Arc<Circuit> {
    once(Key::Add(group, last), |b| {
        let curve = curve(group);
        let (running, negated) = (Point::input(b, curve), Point::input(b, curve));
        let numerator = b.input(NUMERATOR);
        let inverse = b.public_input(curve.bits());
        if !last {
            let sum = add(b, curve, &running, &negated, &numerator, &inverse);
            b.output(&sum.x);
            b.output(&sum.y);
            return;
        }
        let mut x = add_x(b, curve, &running, &negated, &numerator, &inverse);
        x.resize(256, Lit::FALSE);
        let bytes = match group {
            Group::Secp256r1 => bytes::big_endian(&x),
            Group::X25519 => to_bytes(&x),
        };
        output_bytes(b, &bytes);
    })
}

/// From the shared secret to the handshake secrets. Outputs: client's, server's, master secret's HMAC states.
pub(super) fn handshake() -> Arc<Circuit> {
    once(Key::Handshake, |b| {
        let shared = input_array(b);
        let words = TranscriptWords::input(b);
        let secrets = key_schedule::handshake_secrets(b, &shared, &words);
        output_bytes(b, &secrets.client_traffic);
        output_bytes(b, &secrets.server_traffic);
        b.output(&secrets.master.literals());
    })
}

/// From the master secret to what sending needs. Outputs: client IV, round keys, `powers` powers of H, server's traffic secret.
pub(super) fn application(powers: usize) -> Arc<Circuit> {
    once(Key::Application(powers), |b| {
        let master = HmacKey::from_literals(&b.input(HmacKey::BITS));
        let words = TranscriptWords::input(b);
        let client = key_schedule::application_secret(b, &master, &words.client);
        let server = key_schedule::application_secret(b, &master, &words.server);
        let client = key_schedule::traffic_key(b, &client);
        let round_keys = RoundKeys::expand(b, &client.key);
        let zero = to_array::<16>(&constant_bytes(&[0; 16]).concat());
        let h = round_keys.encrypt(b, &zero);
        let h = h.as_flattened().try_into().expect("16 bytes have 128 bits");
        output_bytes(b, &client.iv);
        round_keys.blocks().iter().for_each(|block| output_bytes(b, block));
        ghash::powers(b, &h, powers).iter().for_each(|power| b.output(power));
        output_bytes(b, &server);
    })
}

/// The key stream of every record, exclusive-or its holes; after each record's stream the block that masks its tag.
pub(super) fn sealing(shape: &Shape) -> Arc<Circuit> {
    once(Key::Sealing(shape.clone()), |b| {
        let blocks: [aes::Block; 11] = std::array::from_fn(|_| input_array(b));
        let round_keys = RoundKeys::from_blocks(blocks);
        let holes = input_bytes(b, shape.hole_bytes());
        let iv = public_input_array(b);
        let mut next_hole = holes.into_iter();
        let mut masks: Vec<aes::Block> = Vec::new();
        for (sequence, record) in shape.records().iter().enumerate() {
            let nonce = aes::record_nonce(&iv, sequence as u64);
            let secret = record.secret_bytes();
            masks.push(round_keys.key_stream(b, &nonce, 1));
            for (block, secret) in secret.chunks(16).enumerate() {
                let stream = round_keys.key_stream(b, &nonce, block as u32 + 2);
                let out: Vec<Byte> = stream
                    .into_iter()
                    .zip(secret)
                    .map(|(k, &s)| if s { xor_byte(b, k, next_hole.next().expect("the shape counts its holes")) } else { k })
                    .collect();
                output_bytes(b, &out);
            }
        }
        masks.iter().for_each(|m| output_bytes(b, m));
    })
}
