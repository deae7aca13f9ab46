//! The text of a call and its arguments, as they were proposed, for programs: what people are shown is escaped.

use super::{Given, Numbered, not_done, shell};
use crate::serve::{daemon::Daemon, problem::Problem};
use axum::{Json, extract::State};
use cotenant_agent::approve::operation::{Argument, Body};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A call that is proposed, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextView {
    /// The digest of the operation.
    pub digest: String,
    /// The text of the flow.
    pub flow: String,
    /// What fills its public holes.
    pub arguments: Vec<Given>,
}

pub(super) async fn text(State(daemon): State<Arc<Daemon>>, Numbered(room, number): Numbered) -> Result<Json<TextView>, Problem> {
    let shell = shell(&daemon, &room)?;
    let found = shell.look(|operations| {
        let proposal = operations.proposals.get(&number).ok_or(super::NotDone::NoSuch(number))?;
        let Body::Call(call) = &proposal.operation().body else { return Err(super::NotDone::NoCall(number)) };
        let given = |Argument { name, value }: &Argument| Given { name: name.clone(), value: value.clone() };
        let flow = String::from_utf8_lossy(&call.flow).into_owned();
        Ok(TextView { digest: proposal.digest.to_string(), flow, arguments: call.arguments.iter().map(given).collect() })
    });
    found.map(Json).map_err(|refused| not_done(&shell, &refused))
}
