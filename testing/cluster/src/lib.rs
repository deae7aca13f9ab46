//! Several parties in one process on simulated links, with cheating parties
#![forbid(unsafe_code)]
