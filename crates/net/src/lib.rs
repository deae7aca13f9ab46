//! Party identities and mutually authenticated, multiplexed links
#![forbid(unsafe_code)]
