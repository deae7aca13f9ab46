//! Benchmarks of the engine and of calls
#![forbid(unsafe_code)]
