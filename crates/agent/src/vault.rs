//! The vault: secrets that exist only as shares, kept for years.

pub mod commit;
