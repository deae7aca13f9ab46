//! Conformance of the TLS client on the plaintext backend.

mod allowed;
mod backend;
mod cases;
mod certificates;
mod command;
mod interop;
mod man_in_the_middle;
mod memory;
mod rfc8448;
mod rules;
mod rustls_peer;
mod streaming;
