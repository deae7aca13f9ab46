//! The engine's interface without cryptography, for testing what stands above it
#![forbid(unsafe_code)]
