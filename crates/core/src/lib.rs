//! Types that every crate of Cotenant shares: parties, channels, bits, fields, hashes
#![deny(unsafe_code)]
// The one module with unsafe code is `simd`; see ARCHITECTURE.md.
pub mod channel;
pub mod party;
