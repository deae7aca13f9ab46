//! The exact cost of every circuit of the library, so that no change makes one dearer unseen.

use cotenant_circuit::library::library;

/// Name, ANDs with two secret operands, with one public operand, depth.
const PINNED: &[(&str, usize, usize, usize)] = &[
    ("aes-128 key schedule", 1_280, 0, 60),
    ("aes-128 block and key schedule", 6_400, 0, 60),
    ("aes-128 42 counter blocks and tag mask", 184_696, 0, 60),
    ("gf(2^128) product", 2_187, 0, 1),
    ("gf(2^128) square", 0, 0, 0),
    ("sha-256 compression", 22_271, 0, 1_607),
    ("sha-256 compression, public block", 16_056, 64, 1_607),
    ("hmac key of 32 bytes", 42_634, 0, 1_604),
    ("hmac of 32 bytes, key given as states", 42_724, 0, 3_182),
    ("tls 1.3 handshake secrets", 318_854, 128, 14_255),
    ("tls 1.3 client application key", 153_990, 64, 7_932),
    ("tls 1.3 key schedule, both keys", 626_644, 256, 22_180),
    ("tls 1.3 key schedule, server secret", 510_072, 256, 22_180),
    ("hex of 32 bytes", 256, 0, 4),
];

#[test]
fn every_count_is_pinned() {
    let measured: Vec<_> = library()
        .iter()
        .map(|entry| {
            let stats = entry.build().stats();
            assert_eq!(stats.and_public, 0, "{}: what is public is computed in the clear", entry.name);
            (entry.name, stats.and_full, stats.and_half_public, stats.depth)
        })
        .collect();
    assert_eq!(measured, PINNED);
}
