//! What a call would do and take, before anybody is asked.

use super::{Proposing, not_done, shell};
use crate::serve::{
    api::waiting,
    daemon::Daemon,
    operations::{Aim, Conditions, NotDone},
    problem::Problem,
    wiped::Wiped,
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use cotenant_agent::operate::{Cost, OperateError, Task, Work};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a call would do and take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// What members would be shown, but for the number and the time: what is sent where, and what is opened to whom.
    pub lines: Vec<String>,
    /// How many members would take part.
    pub parties: usize,
    /// AND gates of two secrets.
    pub ands: usize,
    /// AND gates of a secret and what all know by then.
    pub cheap_ands: usize,
    /// About how many bytes the member that sends the most sends, to prepare and garble them.
    pub sent_bytes: usize,
}

pub(super) async fn explain(
    State(daemon): State<Arc<Daemon>>,
    Path(room): Path<String>,
    Wiped(Proposing { proposed, with, within }): Wiped<Proposing>,
) -> Result<Json<Explanation>, Problem> {
    let shell = shell(&daemon, &room)?;
    let explained = waiting(move || {
        let Aim::Call(asked) = proposed.aim(&shell)? else {
            let place = format!("room {}", shell.room());
            return Err(Problem::new(StatusCode::BAD_REQUEST, "no-call", place, "calls alone are explained", "propose it"));
        };
        let refused = |refused: NotDone| not_done(&shell, &refused);
        let (lines, task) = shell.explain(asked, &Conditions { with, within }).map_err(refused)?;
        let parties = task.operation().quorum.len();
        let Cost { ands, cheap } = cost(task, parties).map_err(|error| {
            let place = format!("room {}", shell.room());
            Problem::new(StatusCode::BAD_REQUEST, "bad-call", place, error, "mend the file; nobody was asked")
        })?;
        let sent_bytes = Cost { ands, cheap }.bytes(parties);
        Ok(Explanation { lines, parties, ands, cheap_ands: cheap, sent_bytes })
    });
    explained.await?.map(Json)
}

fn cost(task: Task, parties: usize) -> Result<Cost, OperateError> {
    match task.into_work() {
        Work::Call(call) => call.cost(parties),
        Work::Presign(presign) => presign.cost(parties),
        _ => Ok(Cost::default()),
    }
}
