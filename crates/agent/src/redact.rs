//! Answers of which a part stays secret: a policy says what is kept and what is opened, and unless all of it fits nothing is.
//!
//! | file | what |
//! | --- | --- |
//! | `policy` | rules, what each must satisfy, canonical bytes |
//! | `parse` | the text of a policy |
//! | `words` | a policy for those who approve it |
//! | `framing` | what every policy opens, in the clear |
//! | `plain` | what a policy finds, in the clear: the meaning |
//! | `sample` | when a kept value counts as found again |
//! | `inner` | where the content of a record ends, over secret bytes |
//! | `head` | the framing over secret bytes |
//! | `circuit`, `ring`, `repeat` | what a policy finds, over secret bytes |
//!
//! The protocol is in `docs/protocol/redaction.md`.

pub mod circuit;
pub mod framing;
pub mod head;
pub mod inner;
mod parse;
pub mod plain;
mod policy;
mod repeat;
mod ring;
mod sample;
mod words;

pub(crate) use parse::characters;
pub use parse::{Fault, ParseError, Wanted};
pub use policy::{Action, Fields, MAX_LITERAL, MAX_NAME, MAX_RULES, MAX_TIMES, MAX_VALUE, MIN_KEPT, Place, Policy, Rule, RuleError, Rules};
pub use sample::Sample;

#[cfg(test)]
mod tests;
