//! What one party does when an approved operation runs, over any engine.
//!
//! ```text
//! Operation, Manifest, Round, date --Task::new--> Task --compare--> all members have the same
//!                                                  |
//!          Save --run--> Saved --(its shares are written and read back)--> verify --> Verified: PREPARED may be signed
//!          Remove ---------------------------------------------- run ----> Verified
//!          Verify --run--> ()
//!          Call --run--> Called: what is known of the answer, the digest of the server's certificates, and if something is kept a Saved
//!          Presign --run--> Made: a URL at one member
//! ```
//!
//! A [`Task`] is a pure function of what was approved and of the vault as it is, and everything that can be refused is refused there: an item that is not
//! in the vault, a use that was not agreed on, too few members with shares. Its digest is what the parties bind into their session. Nothing here has a clock,
//! a disk or a socket. How a new version of the vault is committed is [`crate::vault::commit`]; there is one such machine for a room.

mod answer;
mod compare;
mod cost;
mod dry;
mod error;
mod manifest;
mod place;
mod request;
mod run;
mod task;

pub use answer::{Known, answer, outcome, presigned};
pub use compare::{Compared, MAX_MESSAGE, compare};
pub use cost::Cost;
pub use dry::{Kept, NotDry, Sent, Shown, Values, dry_answer, dry_request};
pub use error::{OperateError, Refused};
pub use manifest::{Entry, MAX_MANIFEST, MAX_REMOVED, Manifest, ShareName, unnamed};
pub use request::check_uses;
pub use run::{Call, Called, Client, Mine, Presign, Remove, Save, Saved, Verified, Verify};
pub use task::{Task, Work};
