//! Benchmarks of the engine, of correlated oblivious transfer and of whole calls: `cargo run --release -p cotenant-bench -- WHAT --json`.
//!
//! | file | what |
//! | --- | --- |
//! | `command` | the command line |
//! | `processes` | one process for each party, over loopback or an emulated link, and what they give back |
//! | `line` | the emulated link |
//! | `calibrate` | what this machine can do at this moment, to compare the other figures with |
//! | `engine`, `session`, `workload`, `steps` | many AND gates |
//! | `alone`, `replay` | each party of such a session by itself |
//! | `targets` | what the engine is to reach, beside what it does reach |
//! | `curve`, `plot` | many runs of different sizes, drawn |
//! | `cot` | correlated oblivious transfer, one direction |
//! | `call`, `service`, `tally` | one HTTPS call, the server that it goes to, and which part of it evaluates which gates |
//! | `vault` | a secret saved and loaded |
//! | `table` | figures for people |
//!
//! Counts of gates, bytes and rounds are exact and the same at every run; the tests pin them. Times are never tested.
#![forbid(unsafe_code)]

pub mod alone;
pub mod calibrate;
pub mod call;
pub mod command;
pub mod cot;
pub mod curve;
pub mod engine;
pub mod error;
pub mod line;
pub mod plot;
pub mod processes;
pub mod replay;
pub mod service;
pub mod session;
pub mod steps;
pub mod table;
pub mod tally;
pub mod targets;
pub mod vault;
pub mod workload;
