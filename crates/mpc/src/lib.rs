//! Maliciously secure multi-party evaluation of Boolean circuits (authenticated garbling), any number of parties
#![forbid(unsafe_code)]

pub mod ot;
