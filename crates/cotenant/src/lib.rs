//! The command cotenant
#![forbid(unsafe_code)]
pub mod s3;
