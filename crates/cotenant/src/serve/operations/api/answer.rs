//! What a server answered to a call, as programs and commands get it.

use super::{Numbered, shell, unreadable, waiting};
use crate::serve::{daemon::Daemon, problem::Problem};
use axum::{Json, extract::State, http::StatusCode};
use cotenant_agent::{approve::escape::escape_bytes, call::Opened, hex, operate::Known};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use zeroize::Zeroizing;

/// What a server answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerView {
    /// The operation's number.
    pub operation: u64,
    /// The HTTP status.
    pub status: u16,
    /// Names and values of headers, escaped; none of an answer of which a part stays secret.
    pub headers: Vec<(String, String)>,
    /// The content, as it came; nothing of an answer of which a part stays secret.
    pub body: Content,
    /// Of an answer of which a part stays secret, what its policy let out, by name.
    pub opened: Vec<(String, Content)>,
}

/// Bytes that a server sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Content {
    /// They are UTF-8.
    Text(String),
    /// They are not; in hexadecimal.
    Hex(String),
}

/// A URL that was made for this party.
#[derive(Serialize, Deserialize)]
pub struct UrlView {
    /// The operation's number.
    pub operation: u64,
    /// The URL. Whoever has it can send the request until it expires.
    pub url: Zeroizing<String>,
    /// With this and the URL anybody can verify the commitment in the receipt; in hexadecimal.
    pub nonce: String,
}

pub(super) async fn url(State(daemon): State<Arc<Daemon>>, Numbered(room, number): Numbered) -> Result<Json<UrlView>, Problem> {
    let shell = shell(&daemon, &room)?;
    let place = format!("room {}, operation {number}", shell.room());
    match shell.look(|operations| operations.opened(number)) {
        Some(Opened { url, nonce }) => Ok(Json(UrlView { operation: number, url, nonce: hex::encode(&nonce) })),
        None => {
            let title = "no URL was made for this party by it, since its daemon was started";
            Err(Problem::new(StatusCode::NOT_FOUND, "no-url", place, title, "propose it again"))
        }
    }
}

pub(super) async fn answer(State(daemon): State<Arc<Daemon>>, Numbered(room, number): Numbered) -> Result<Json<AnswerView>, Problem> {
    let shell = shell(&daemon, &room)?;
    let reading = shell.clone();
    let found = waiting(move || reading.answer(number)).await?.map_err(|error| unreadable(&shell, &error))?;
    let place = format!("room {}, operation {number}", shell.room());
    match found {
        Some(Ok(answer)) => Ok(Json(AnswerView::of(number, answer))),
        Some(Err(error)) => {
            let title = format!("the server's answer is not one complete HTTP response: {error}");
            Err(Problem::new(StatusCode::CONFLICT, "bad-answer", place, title, "its bytes are in the receipt"))
        }
        None => Err(Problem::new(StatusCode::NOT_FOUND, "no-answer", place, "no server has answered to it", "see cotenant pending --all")),
    }
}

impl AnswerView {
    /// The view of what is known of an answer.
    pub(crate) fn of(operation: u64, known: Known) -> Self {
        let header = |(name, value): (String, Vec<u8>)| (name, escape_bytes(&value).to_string());
        match known {
            Known::Whole(answer) => AnswerView {
                operation,
                status: answer.status,
                headers: answer.headers.into_iter().map(header).collect(),
                body: Content::of(answer.body),
                opened: Vec::new(),
            },
            Known::Part { status, values } => AnswerView {
                operation,
                status,
                headers: Vec::new(),
                body: Content::of(Vec::new()),
                opened: values.into_iter().map(|(name, value)| (name, Content::of(value))).collect(),
            },
        }
    }
}

impl Content {
    fn of(bytes: Vec<u8>) -> Content {
        String::from_utf8(bytes).map_or_else(|error| Content::Hex(hex::encode(error.as_bytes())), Content::Text)
    }

    /// The bytes; none if what should be hexadecimal is not.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Content::Text(text) => Some(text.clone().into_bytes()),
            Content::Hex(text) => hex::decode(text),
        }
    }
}
