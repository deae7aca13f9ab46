//! Reading an answer of which a part stays secret: nothing of it is opened but what a policy lets out, and unless all of it fits nothing is.
//!
//! An answer is held whole and compared; then the parties, who see ciphertext, ask a few questions of what they share, in an order in which each follows from
//! the answers before it. The rules are those of `docs/protocol/answers.md`, by their numbers here.
//!
//! | file | what |
//! | --- | --- |
//! | `questions` | [`Questions`]: all that may ever be asked |
//! | `reading` | [`read`]: the rules, over any who answers |
//! | `plan` | [`AnswerPlan`]: what is prepared, before there is a connection |
//! | `joint` | the questions as joint operations |
//! | `circuits` | the server's keys, and its records as wires |

mod circuits;
mod joint;
mod plan;
mod questions;
mod reading;

pub(crate) use joint::JointAnswer;
pub(crate) use plan::head_room;
pub use plan::{AnswerPlan, MAX_BYTES, MAX_MATCHER, can_hold, matcher_gates};
pub use questions::{Contents, Questions, TagKeys, Window};
pub use reading::{Expected, Read, Refusal, Unread, read};
