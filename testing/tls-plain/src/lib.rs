//! Plaintext key backend for the TLS client, its conformance tests, and plain-s-client
#![forbid(unsafe_code)]
