//! The secure agent: TLS inside MPC, request signing, agreement
#![forbid(unsafe_code)]
pub mod agree;
pub mod answer;
pub mod approve;
mod built;
pub mod call;
pub mod derive;
pub mod flow;
pub mod hex;
pub mod http;
pub mod jwe;
pub mod operate;
pub mod redact;
pub mod relay;
pub mod room;
pub mod sign;
pub mod tls;
pub mod vault;
