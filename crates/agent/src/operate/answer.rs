//! What stays of a call: the bytes that the server answered, and how its connection ended, as a receipt shows them to everybody.

use crate::{
    approve::{
        operation,
        receipt::{Opened, Outcome, Value},
    },
    call::Done,
    flow::Flow,
    http,
};
use cotenant_tls::End;

/// The value with the bytes of the answer.
const ANSWER: &str = "answer";
/// The value that says how the connection ended.
const END: &str = "end";
/// The server said that there was no more (RFC 8446 section 6.1).
const CLOSED: &[u8] = b"close_notify";
/// It ended in any other way.
const OPEN: &[u8] = b"open";

/// What a receipt shows of a call whose answer was opened to all.
pub fn outcome(done: &Done) -> Outcome {
    let end = match done.answer.end {
        End::CloseNotify => CLOSED,
        End::Truncated => OPEN,
    };
    let value = |name: &str, bytes: &[u8]| Value { name: name.to_owned(), opened: Opened::All(bytes.to_vec()) };
    Outcome { server_chain: Some(done.server_chain), values: vec![value(ANSWER, &done.answer.body), value(END, end)] }
}

/// The answer to a call, from what its receipt shows; none if it shows none.
///
/// # Errors
/// If the bytes are not one complete response. They were opened all the same, and stand in the receipt.
pub fn answer(call: &operation::Call, outcome: &Outcome) -> Option<Result<http::Response, http::ResponseError>> {
    let bytes = |name: &str| {
        outcome.values.iter().find(|value| value.name == name).and_then(|value| match &value.opened {
            Opened::All(bytes) => Some(&bytes[..]),
            Opened::Only { .. } => None,
        })
    };
    let end = if bytes(END)? == CLOSED { http::End::CloseNotify } else { http::End::Open };
    let flow = Flow::parse(&call.flow).ok()?;
    Some(http::parse(bytes(ANSWER)?, flow.method, end))
}
