//! The exact cost of every circuit of the library, so that no change makes one dearer unseen.

use cotenant_circuit::library::library;

/// Name, ANDs with two secret operands, with one public operand, depth.
const PINNED: &[(&str, usize, usize, usize)] = &[
    ("aes-128 key schedule", 1_280, 0, 60),
    ("aes-128 block and key schedule", 6_400, 0, 60),
    ("aes-128 42 counter blocks and tag mask", 184_696, 0, 60),
    ("aes-256 block and key schedule", 8_832, 0, 84),
    ("gf(2^128) product", 2_187, 0, 1),
    ("gf(2^128) square", 0, 0, 0),
    ("aes-128-gcm of 16 bytes, and 32 that are public", 22_105, 0, 63),
    ("aes-256-gcm of 16 bytes, and 32 that are public", 28_761, 0, 87),
    ("sha-1 of 55 bytes", 10_509, 0, 2_163),
    ("oaep with sha-1 of 32 bytes to 256", 160_718, 0, 10_776),
    ("oaep with sha-256 of 32 bytes to 256", 220_426, 0, 7_979),
    ("sha-256 compression", 22_271, 0, 1_607),
    ("sha-256 compression, public block", 16_056, 64, 1_607),
    ("hmac key of 32 bytes", 42_634, 0, 1_604),
    ("hmac of 32 bytes, key as states", 42_724, 0, 3_182),
    ("hmac of 3 public blocks, key as states", 69_530, 192, 6_382),
    ("tls 1.3 handshake secrets", 318_854, 128, 14_255),
    ("tls 1.3 client application key", 153_990, 64, 7_932),
    ("tls 1.3 key schedule, both keys", 626_644, 256, 22_180),
    ("tls 1.3 key schedule, server secret", 510_072, 256, 22_180),
    ("256-bit product", 47_486, 0, 632),
    ("256-bit square", 28_316, 0, 631),
    ("product mod p-256's prime", 49_185, 0, 888),
    ("square mod p-256's prime", 30_015, 0, 887),
    ("product mod 2^255 - 19", 48_526, 0, 886),
    ("square mod 2^255 - 19", 29_355, 0, 885),
    ("2048 bits mod 2^127 - 1", 2_285, 0, 380),
    ("product mod 2^127 - 1", 15_576, 0, 437),
    ("p-256 addition, to the opening", 97_165, 0, 1_274),
    ("p-256 addition, x", 61_678, 15_552, 1_650),
    ("p-256 addition, x and y", 109_146, 15_552, 2_923),
    ("curve25519 addition, to the opening", 95_070, 0, 1_015),
    ("curve25519 addition, x", 60_336, 15_544, 1_645),
    ("curve25519 addition, x and y", 106_884, 15_544, 2_659),
    ("hex of 32 bytes", 256, 0, 4),
    ("base64 of 32 bytes", 682, 0, 10),
    ("base64url of 32 bytes", 682, 0, 10),
    ("percent-escapes of 32 bytes", 256, 0, 4),
    ("json escapes of 32 characters", 128, 0, 4),
];

#[test]
fn every_count_is_pinned() {
    let measured: Vec<_> = library()
        .iter()
        .map(|entry| {
            let stats = entry.build().stats();
            (entry.name, stats.and_full, stats.and_half_public, stats.depth)
        })
        .collect();
    assert_eq!(measured, PINNED);
}
