//! The secure agent: TLS inside MPC, request signing, agreement
#![forbid(unsafe_code)]
pub mod http;
pub mod sign;
