//! The command cotenant
#![forbid(unsafe_code)]
