//! Flows: calls as engineers write them, in the `.http` format that editors know, with directives of ours in comments.
//!
//! ```text
//! ### a title, if there are several requests
//! # @name put-report
//! # @sign aws-sigv4 service=s3 region=eu-central-1 key=s3/key access-key-id=AKID
//! # @open all
//! PUT https://bucket.example.com/reports/{{name}}
//! Content-Type: text/plain
//!
//! the body, to the end of the file or to the next "###"
//! ```
//!
//! | step | where | from, to |
//! | --- | --- | --- |
//! | lines | `lines` | the text: requests apart, comments apart, each line with its place |
//! | parts | [`Flow`], `directive`, `template` | one request: method, host, target, headers, body, directives, holes, each with its place |
//! | secrets | `secrets`, `value` | what stands where, by itself or in what is made of it: what each secret is used for |
//! | call | `compile` | [`call`]: what an operation says beside the text, all of which follows from it |
//!
//! Nothing is executed, and nothing that is not understood is passed over: a directive that is none is refused, with the nearest that is one. The language is
//! described in docs/flows.md. An operation has both the text and what follows from it; [`is_its_text`] compares the two, so people approve one thing.

mod compile;
mod directive;
mod disposal;
mod error;
mod lines;
mod request;
mod secrets;
mod template;
mod value;

pub use compile::{MAX_LIMIT, SIGNATURE, Seats, body_file, call, call_among, givers, is_its_text, is_presign, named_givers, public_holes};
pub(crate) use compile::{ToSign, argument, presigned, signed};
pub(crate) use directive::Sign;
pub use disposal::{Disposal, Save};
pub use error::{FlowError, Position, Problem};
pub use request::Flow;
pub(crate) use request::{Body, Header, is_body_file};
pub use secrets::Named;
pub(crate) use template::{Hole, Piece, Template};
pub(crate) use value::Expression;
