//! Boolean circuits: a builder with constant folding, a plain evaluator, and the library that TLS and its signers need
#![forbid(unsafe_code)]
