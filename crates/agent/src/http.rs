//! HTTP/1.1 as a secure agent speaks it: one request a connection, one complete answer held in memory.
//!
//! The request is written from checked parts, so that no argument of a call can add a line, a header or a second request. The answer is
//! read strictly, because all parties must read it alike and because a byte that is skipped here is a byte that a connector could have
//! hidden there. Sources: RFC 9110 (semantics), RFC 9112 (HTTP/1.1), RFC 3986 (targets).

mod grammar;
mod request;
mod response;

pub(crate) use grammar::{is_field_byte, is_token};
pub use request::{Request, RequestError};
pub use response::{End, Response, ResponseError, parse};
