//! What stays of a call, as a receipt shows it to everybody: the bytes that the server answered, and how its connection ended; or the status and what the
//! policy let out.

use crate::{
    answer::Read,
    approve::{
        operation,
        receipt::{Opened, Outcome, Value},
    },
    call::{Answered, Done, Made},
    flow::{Disposal, Flow},
    http,
    redact::Policy,
};
use cotenant_core::PartyId;
use cotenant_tls::End;

/// The value with the bytes of the answer.
const ANSWER: &str = "answer";
/// The value with a URL.
const URL: &str = "url";
/// The value that says how the connection ended.
const END: &str = "end";
/// The value with the status of an answer that was opened in part.
const STATUS: &str = "status";
/// The server said that there was no more (RFC 8446 section 6.1).
const CLOSED: &[u8] = b"close_notify";
/// It ended in any other way.
const OPEN: &[u8] = b"open";

/// What a receipt shows of a call.
pub fn outcome(done: &Done) -> Outcome {
    let value = |name: &str, bytes: &[u8]| Value { name: name.to_owned(), opened: Opened::All(bytes.to_vec()) };
    let values = match &done.answer {
        Answered::Whole(answer) => {
            let end = match answer.end {
                End::CloseNotify => CLOSED,
                End::Truncated => OPEN,
            };
            vec![value(ANSWER, &answer.body), value(END, end)]
        }
        Answered::Part(read) => parts(read),
    };
    Outcome { server_chain: Some(done.server_chain), values }
}

/// The status, and what was opened by the names of its rules; where a rule opens several values, with their numbers.
fn parts(read: &Read) -> Vec<Value> {
    let mut values = vec![Value { name: STATUS.to_owned(), opened: Opened::All(read.framing.status.to_string().into_bytes()) }];
    for (i, (rule, bytes)) in read.opened.iter().enumerate() {
        let same = |of: &[(String, Vec<u8>)]| of.iter().filter(|(other, _)| other == rule).count();
        let name = match (same(&read.opened), same(&read.opened[..i])) {
            (1, _) => rule.clone(),
            (_, before) => format!("{rule}.{:02}", before + 1),
        };
        values.push(Value { name, opened: Opened::All(bytes.clone()) });
    }
    values.sort_by(|a, b| a.name.cmp(&b.name));
    values
}

/// What is known of an answer.
#[derive(Debug)]
pub enum Known {
    /// All of it.
    Whole(http::Response),
    /// What the policy let out.
    Part {
        /// The status.
        status: u16,
        /// Names and bytes, in rising order of names.
        values: Vec<(String, Vec<u8>)>,
    },
}

/// What a receipt shows of a URL that was made: what its reader, the member at this seat, has committed to.
pub fn presigned(made: &Made, reader: PartyId) -> Outcome {
    let opened = Opened::Only { party: reader, commitment: made.commitment };
    Outcome { server_chain: None, values: vec![Value { name: URL.to_owned(), opened }] }
}

/// The answer to a call, from what its receipt shows; none if it shows none.
///
/// # Errors
/// If the bytes are not one complete response. They were opened all the same, and stand in the receipt.
pub fn answer(call: &operation::Call, outcome: &Outcome) -> Option<Result<Known, http::ResponseError>> {
    let opened = |value: &Value| match &value.opened {
        Opened::All(bytes) => Some((value.name.clone(), bytes.clone())),
        Opened::Only { .. } => None,
    };
    let mut values: Vec<(String, Vec<u8>)> = outcome.values.iter().filter_map(opened).collect();
    let bytes = |name: &str| values.iter().find(|(other, _)| other == name).map(|(_, bytes)| &bytes[..]);
    if Disposal::parse(&call.response.policy)?.policy == Policy::All {
        let end = if bytes(END)? == CLOSED { http::End::CloseNotify } else { http::End::Open };
        let flow = Flow::parse(&call.flow).ok()?;
        return Some(http::parse(bytes(ANSWER)?, flow.method, end).map(Known::Whole));
    }
    let status = std::str::from_utf8(bytes(STATUS)?).ok()?.parse().ok()?;
    values.retain(|(name, _)| name != STATUS);
    Some(Ok(Known::Part { status, values }))
}
