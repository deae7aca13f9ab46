//! The list of the library's circuits, each built alone as it stands in measurements and tables.

use crate::aes::RoundKeys;
use crate::base64::Base64;
use crate::bytes::{Byte, input_array, input_bytes, output_bytes, public_input_array};
use crate::field::Field;
use crate::hex::{self, Case};
use crate::hmac::HmacKey;
use crate::key_schedule::{TranscriptWords, application_secret, handshake_secrets, traffic_key};
use crate::point::{Curve, Point, add, add_x, blinded_slope};
use crate::sha256::{State, compress, compress_scheduled, schedule_input, state_bytes, state_of};
use crate::{Builder, Circuit, escape, gcm, ghash, mersenne, mul, oaep, sha1};

/// One circuit of the library.
#[derive(Clone, Copy)]
pub struct Entry {
    /// What it computes, and what of it is not secret.
    pub name: &'static str,
    /// The standard that defines it.
    pub source: &'static str,
    /// Adds it to a builder, inputs and outputs included.
    make: fn(&mut Builder),
}

impl Entry {
    /// The circuit.
    pub fn build(&self) -> Circuit {
        let mut b = Builder::new();
        (self.make)(&mut b);
        b.finish()
    }
}

/// Every circuit of the library.
pub fn library() -> Vec<Entry> {
    let entry = |name, source, make| Entry { name, source, make };
    vec![
        entry("aes-128 key schedule", "FIPS 197, 5.2", aes_key_schedule),
        entry("aes-128 block and key schedule", "FIPS 197, 5.1", aes_block),
        entry("aes-128 42 counter blocks and tag mask", "SP 800-38D, 7.1", aes_record),
        entry("aes-256 block and key schedule", "FIPS 197, 5.1", aes_256_block),
        entry("gf(2^128) product", "SP 800-38D, 6.3", ghash_product),
        entry("gf(2^128) square", "SP 800-38D, 6.3", ghash_square),
        entry("aes-128-gcm of 16 bytes, and 32 that are public", "SP 800-38D, 7.1", |b| sealed(b, RoundKeys::expand)),
        entry("aes-256-gcm of 16 bytes, and 32 that are public", "SP 800-38D, 7.1", |b| sealed(b, RoundKeys::expand_256)),
        entry("sha-1 of 55 bytes", "FIPS 180-4, 6.1.2", sha1_block),
        entry("oaep with sha-1 of 32 bytes to 256", "RFC 8017, 7.1.1", |b| padded(b, oaep::Hash::Sha1)),
        entry("oaep with sha-256 of 32 bytes to 256", "RFC 8017, 7.1.1", |b| padded(b, oaep::Hash::Sha256)),
        entry("sha-256 compression", "FIPS 180-4, 6.2.2", sha256_secret),
        entry("sha-256 compression, public block", "FIPS 180-4, 6.2.2", sha256_public),
        entry("hmac key of 32 bytes", "RFC 2104", hmac_key),
        entry("hmac of 32 bytes, key as states", "RFC 2104", hmac_message),
        entry("hmac of 3 public blocks, key as states", "RFC 2104", hmac_public),
        entry("tls 1.3 handshake secrets", "RFC 8446, 7.1", tls_handshake),
        entry("tls 1.3 client application key", "RFC 8446, 7.1, 7.3", tls_application),
        entry("tls 1.3 key schedule, both keys", "RFC 8446, 7.1, 7.3", tls_both_keys),
        entry("tls 1.3 key schedule, server secret", "RFC 8446, 7.1, 7.3", tls_server_secret),
        entry("256-bit product", "Karatsuba", product),
        entry("256-bit square", "Karatsuba", square),
        entry("product mod p-256's prime", "SP 800-186, 3.2.1.3", |b| field_product(b, Field::P256)),
        entry("square mod p-256's prime", "SP 800-186, 3.2.1.3", |b| field_square(b, Field::P256)),
        entry("product mod 2^255 - 19", "RFC 7748, 4.1", |b| field_product(b, Field::P25519)),
        entry("square mod 2^255 - 19", "RFC 7748, 4.1", |b| field_square(b, Field::P25519)),
        entry("2048 bits mod 2^127 - 1", "Garner, 1959", |b| mersenne_remainder(b, 127)),
        entry("product mod 2^127 - 1", "Garner, 1959", |b| mersenne_product(b, 127)),
        entry("p-256 addition, to the opening", "SEC 1, 2.2.1", |b| addition_start(b, Curve::P256)),
        entry("p-256 addition, x", "SEC 1, 2.2.1", |b| addition_end(b, Curve::P256, false)),
        entry("p-256 addition, x and y", "SEC 1, 2.2.1", |b| addition_end(b, Curve::P256, true)),
        entry("curve25519 addition, to the opening", "RFC 7748, 4.1", |b| addition_start(b, Curve::Curve25519)),
        entry("curve25519 addition, x", "RFC 7748, 4.1", |b| addition_end(b, Curve::Curve25519, false)),
        entry("curve25519 addition, x and y", "RFC 7748, 4.1", |b| addition_end(b, Curve::Curve25519, true)),
        entry("hex of 32 bytes", "RFC 4648, 8", |b| text(b, |b, bytes| hex::encode(b, bytes, Case::Lower))),
        entry("base64 of 32 bytes", "RFC 4648, 4", |b| text(b, |b, bytes| Base64::Standard.encode(b, bytes))),
        entry("base64url of 32 bytes", "RFC 4648, 5", |b| text(b, |b, bytes| Base64::Url.encode(b, bytes))),
        entry("percent-escapes of 32 bytes", "RFC 3986, 2.1", |b| text(b, escape::percent)),
        entry("json escapes of 32 characters", "RFC 8259, 7", |b| text(b, escape::json)),
    ]
}

fn aes_key_schedule(b: &mut Builder) {
    let key = input_array(b);
    for round_key in RoundKeys::expand(b, &key).blocks() {
        output_bytes(b, round_key);
    }
}

fn aes_block(b: &mut Builder) {
    let (key, block) = (input_array(b), input_array(b));
    let out = RoundKeys::expand(b, &key).encrypt(b, &block);
    output_bytes(b, &out);
}

fn aes_256_block(b: &mut Builder) {
    let (key, block) = (input_array(b), input_array(b));
    let out = RoundKeys::expand_256(b, &key).encrypt(b, &block);
    output_bytes(b, &out);
}

fn sealed<const N: usize, const KEYS: usize>(b: &mut Builder, expand: impl Fn(&mut Builder, &[Byte; N]) -> RoundKeys<KEYS>) {
    let (key, iv, text) = (input_array(b), input_array(b), input_array::<16>(b));
    let key = expand(b, &key);
    let (ciphertext, tag) = gcm::seal(b, &key, &iv, &[b'a'; 32], &text);
    output_bytes(b, &ciphertext);
    output_bytes(b, &tag);
}

fn sha1_block(b: &mut Builder) {
    let message: [Byte; 55] = input_array(b);
    let digest = sha1::hash(b, &message);
    output_bytes(b, &digest);
}

fn padded(b: &mut Builder, hash: oaep::Hash) {
    let (message, seed) = (input_bytes(b, 32), input_bytes(b, hash.bytes()));
    let padded = hash.pad(b, &message, &seed, 256);
    output_bytes(b, &padded);
}

fn mersenne_remainder(b: &mut Builder, a: usize) {
    let x = b.input(2048);
    let remainder = mersenne::remainder(b, &x, a);
    b.output(&remainder);
}

fn mersenne_product(b: &mut Builder, a: usize) {
    let (x, y) = (b.input(a), b.input(a));
    let product = mersenne::product(b, &x, &y);
    b.output(&product);
}

fn aes_record(b: &mut Builder) {
    let (key, nonce) = (input_array(b), public_input_array(b));
    let keys = RoundKeys::expand(b, &key);
    for counter in 1..=43 {
        let block = keys.key_stream(b, &nonce, counter);
        output_bytes(b, &block);
    }
}

fn ghash_input(b: &mut Builder) -> ghash::Element {
    b.input(128).try_into().expect("128 literals")
}

fn ghash_product(b: &mut Builder) {
    let (x, y) = (ghash_input(b), ghash_input(b));
    let product = ghash::product(b, &x, &y);
    b.output(&product);
}

fn ghash_square(b: &mut Builder) {
    let x = ghash_input(b);
    let square = ghash::square(b, &x);
    b.output(&square);
}

fn sha256_with(b: &mut Builder, compress: impl FnOnce(&mut Builder, &State) -> State) {
    let state = state_of(&input_array(b));
    let state = compress(b, &state);
    output_bytes(b, &state_bytes(&state));
}

fn sha256_secret(b: &mut Builder) {
    sha256_with(b, |b, state| {
        let block = input_array(b);
        compress(b, state, &block)
    });
}

fn sha256_public(b: &mut Builder) {
    sha256_with(b, |b, state| {
        let words = schedule_input(b);
        compress_scheduled(b, state, &words)
    });
}

fn hmac_key(b: &mut Builder) {
    let key: [Byte; 32] = input_array(b);
    let states = HmacKey::new(b, &key).literals();
    b.output(&states);
}

fn hmac_message(b: &mut Builder) {
    let key = HmacKey::from_literals(&b.input(HmacKey::BITS));
    let message: [Byte; 32] = input_array(b);
    let mac = key.mac(b, &message);
    output_bytes(b, &mac);
}

/// As long as the string to sign of AWS Signature Version 4.
fn hmac_public(b: &mut Builder) {
    let key = HmacKey::from_literals(&b.input(HmacKey::BITS));
    let message = [schedule_input(b), schedule_input(b), schedule_input(b)];
    let mac = key.mac_scheduled(b, &message);
    output_bytes(b, &mac);
}

fn tls_handshake(b: &mut Builder) {
    let master = tls_handshake_outputs(b);
    b.output(&master.literals());
}

fn tls_handshake_outputs(b: &mut Builder) -> HmacKey {
    let shared = input_array(b);
    let transcript = TranscriptWords::input(b);
    let secrets = handshake_secrets(b, &shared, &transcript);
    output_bytes(b, &secrets.client_traffic);
    output_bytes(b, &secrets.server_traffic);
    secrets.master
}

fn tls_application(b: &mut Builder) {
    let master = HmacKey::from_literals(&b.input(HmacKey::BITS));
    let words = schedule_input(b);
    let secret = application_secret(b, &master, &words);
    output_traffic_key(b, &secret);
}

fn tls_both_keys(b: &mut Builder) {
    let server = tls_whole(b);
    output_traffic_key(b, &server);
}

fn tls_server_secret(b: &mut Builder) {
    let server = tls_whole(b);
    output_bytes(b, &server);
}

/// The whole key schedule with the client's secret, key and IV as outputs; returns the server's secret.
fn tls_whole(b: &mut Builder) -> [Byte; 32] {
    let master = tls_handshake_outputs(b);
    let transcript = TranscriptWords::input(b);
    let client = application_secret(b, &master, &transcript.client);
    output_traffic_key(b, &client);
    application_secret(b, &master, &transcript.server)
}

fn output_traffic_key(b: &mut Builder, secret: &[Byte; 32]) {
    let traffic = traffic_key(b, secret);
    output_bytes(b, &traffic.key);
    output_bytes(b, &traffic.iv);
}

fn product(b: &mut Builder) {
    let (x, y) = (b.input(256), b.input(256));
    let product = mul::multiply(b, &x, &y);
    b.output(&product);
}

fn square(b: &mut Builder) {
    let x = b.input(256);
    let square = mul::square(b, &x);
    b.output(&square);
}

/// Lazy, not canonical, as products follow one another.
fn field_product(b: &mut Builder, field: Field) {
    let (x, y) = (b.input(256), b.input(256));
    let product = field.multiply(b, &x, &y);
    let product = field.lazy(b, &product);
    b.output(&product);
}

fn field_square(b: &mut Builder, field: Field) {
    let x = b.input(256);
    let square = field.square(b, &x);
    let square = field.lazy(b, &square);
    b.output(&square);
}

/// Between two parties.
fn addition_start(b: &mut Builder, curve: Curve) {
    let (running, negated) = (Point::input(b, curve), Point::input(b, curve));
    let blinds = [b.input(curve.bits()), b.input(curve.bits())];
    let slope = blinded_slope(b, curve, &running, &negated, &blinds);
    b.output(&slope.denominator);
    b.output(&slope.numerator);
}

fn addition_end(b: &mut Builder, curve: Curve, with_y: bool) {
    let (running, negated) = (Point::input(b, curve), Point::input(b, curve));
    let (numerator, inverse) = (b.input(256), b.public_input(curve.bits()));
    if with_y {
        let sum = add(b, curve, &running, &negated, &numerator, &inverse);
        b.output(&sum.x);
        b.output(&sum.y);
    } else {
        let x = add_x(b, curve, &running, &negated, &numerator, &inverse);
        b.output(&x);
    }
}

/// A text of 32 bytes.
fn text(b: &mut Builder, encode: impl FnOnce(&mut Builder, &[Byte]) -> Vec<Byte>) {
    let bytes: [Byte; 32] = input_array(b);
    let text = encode(b, &bytes);
    output_bytes(b, &text);
}
