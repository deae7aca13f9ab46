//! Signers: what is signed is made in the clear, the signature is computed by whoever holds the key, inside MPC as a rule.

pub mod circuit;
pub mod date;
pub mod plain;
pub mod presign;
pub mod sigv4;
