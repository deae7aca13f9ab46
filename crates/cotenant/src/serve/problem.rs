//! What went wrong, for programs and people: a problem document (RFC 9457) that also says where, and what to do.

use axum::{
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// One problem. Whatever others wrote must be escaped before it becomes part of one ([`cotenant_agent::approve::escape`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Which kind, for programs: `urn:cotenant:problem:no-such-room`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status that goes with it.
    pub status: u16,
    /// What is wrong.
    pub title: String,
    /// With what: a room, an operation, a path.
    #[serde(rename = "where")]
    pub place: String,
    /// What to do.
    #[serde(rename = "do")]
    pub remedy: String,
}

impl Problem {
    /// A problem of a kind, which is a word like `no-such-room`.
    pub fn new(status: StatusCode, kind: &str, place: impl fmt::Display, title: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Problem {
            kind: format!("urn:cotenant:problem:{kind}"),
            status: status.as_u16(),
            title: title.to_string(),
            place: place.to_string(),
            remedy: remedy.to_string(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.place, self.title, self.remedy)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).expect("texts have a JSON form");
        (status, [(CONTENT_TYPE, "application/problem+json")], body).into_response()
    }
}
