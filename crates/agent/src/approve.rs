//! How the parties come to do the same thing, and can show afterwards that they did: proposals, approvals, policies, logs, receipts.
//!
//! ```text
//! Operation --digest--> people (person, deciding) or a policy file (policy) --> one signed statement a party (statement)
//!                                                                                         |
//! receipt <-- result <-- run <-- Ledger (spend): durable before the first message <-- Approved: all of the quorum
//! ```
//!
//! Nothing here has a clock, a file, a socket or a person: times come in as seconds since 1970, what must be durable goes out as an effect, and
//! whoever signs is given the bytes. The protocol is in `docs/protocol/agreement.md`.
//!
//! [`crate::agree`] is another thing: it compares what the programs of one run were started with. The run digest of an approved operation is made to be among that.

pub mod deciding;
pub mod escape;
pub mod item;
pub mod log;
pub mod operation;
pub mod person;
pub mod policy;
pub mod receipt;
pub mod run;
pub mod spend;
pub mod statement;
mod wire;
pub mod words;
