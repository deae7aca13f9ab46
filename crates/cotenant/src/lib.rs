//! The command `cotenant`, and what measurements of it reuse: homes of several parties on one machine ([`children::make_homes`]), their
//! processes ([`children::run`]), the links of one party and the thread of its MPC ([`party`]), costs by stage ([`stages`]).
//!
//! Only this crate has a runtime, a clock, files and a user interface.
#![forbid(unsafe_code)]

pub mod alone;
pub mod children;
pub mod clear;
pub mod command;
pub mod connection;
pub mod deadline;
pub mod demo;
pub mod error;
pub mod facts;
pub mod home;
pub mod listing;
pub mod party;
pub mod progress;
pub mod run;
pub mod s3;
pub mod save;
pub mod serve;
pub mod share;
pub mod ssh_agent;
pub mod stages;
pub mod steps;
pub mod store;
pub mod target;
pub mod text;
