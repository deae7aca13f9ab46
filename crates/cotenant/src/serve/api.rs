//! The daemon's API: HTTP/1.1 with JSON over a Unix socket. Who can open the socket acts for this party.
//!
//! | route | does |
//! | --- | --- |
//! | `GET /v1/status` | [`Status`] |
//! | `POST /v1/backup` | writes a backup as [`Backing`] says; gives a [`Backed`] |
//! | `GET /v1/rooms/{room}/tasks` | what waits, runs and has lately ended: [`TaskView`]s |
//! | `GET /v1/rooms/{room}/tasks/{id}` | one of them |
//! | `GET /v1/rooms/{room}/tasks/{id}/events` | the same again at each change, one JSON object a line, up to its end |
//! | `DELETE /v1/rooms/{room}/tasks/{id}` | cancels it, and says how it stands |
//!
//! What goes wrong is a [`Problem`].

use super::{
    backup::BackupError,
    daemon::{Daemon, Status},
    problem::Problem,
    queue::{Task, TaskView},
    room::Room,
    wiped::Wiped,
};
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{Path, State},
    http::{Method, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use cotenant_agent::approve::escape::escape;
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use std::{convert::Infallible, path::PathBuf, sync::Arc};
use zeroize::Zeroizing;

/// Where a backup is to be written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backing {
    /// The new file; a complete path.
    pub file: PathBuf,
    /// What opens it.
    pub passphrase: Zeroizing<String>,
}

/// A backup that was written.
#[derive(Serialize, Deserialize)]
pub struct Backed {
    /// The file.
    pub file: PathBuf,
    /// How many transactions the store had seen.
    pub transactions: u64,
}

/// The routes above, and `more`, of what the daemon is made of beside them.
pub fn router(daemon: Arc<Daemon>, more: Router<Arc<Daemon>>) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/backup", post(back_up))
        .route("/v1/rooms/{room}/tasks", get(tasks))
        .route("/v1/rooms/{room}/tasks/{id}", get(task).delete(cancel))
        .route("/v1/rooms/{room}/tasks/{id}/events", get(events))
        .merge(more)
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .with_state(daemon)
}

/// The room that a path names.
///
/// # Errors
/// A problem with status 404.
pub fn room(daemon: &Daemon, name: &str) -> Result<Arc<dyn Room>, Problem> {
    name.parse().ok().and_then(|id| daemon.room(id)).ok_or_else(|| no_such_room(name))
}

/// This party is in no room of this name.
pub(super) fn no_such_room(name: &str) -> Problem {
    let remedy = "see cotenant status for the rooms that this party is in";
    Problem::new(StatusCode::NOT_FOUND, "no-such-room", format!("room {}", escape(name)), "this party is not in it", remedy)
}

async fn status(State(daemon): State<Arc<Daemon>>) -> Json<Status> {
    Json(daemon.status())
}

async fn back_up(State(daemon): State<Arc<Daemon>>, Wiped(wanted): Wiped<Backing>) -> Result<Json<Backed>, Problem> {
    let Backing { file, passphrase } = wanted;
    let path = file.clone();
    let write = move || {
        let home = daemon.config().home.clone();
        super::backup::write(&daemon.store(), &home, &path, passphrase)
    };
    let written = waiting(write).await?;
    let failed = |error: BackupError| {
        let place = escape(&file.to_string_lossy()).to_string();
        Problem::new(
            StatusCode::CONFLICT,
            "no-backup",
            place,
            escape(&error.to_string()),
            "no backup was written; choose another file or passphrase",
        )
    };
    written.map(|transactions| Json(Backed { file: file.clone(), transactions })).map_err(failed)
}

/// Does what waits for the disk on a thread that may.
pub(super) async fn waiting<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| {
        let (title, remedy) = ("this program has a fault", "see the daemon's log, and report what it says");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "fault", "the daemon", title, remedy)
    })
}

async fn tasks(State(daemon): State<Arc<Daemon>>, Path(name): Path<String>) -> Result<Json<Vec<TaskView>>, Problem> {
    Ok(Json(room(&daemon, &name)?.queue().tasks().iter().map(|task| task.view()).collect()))
}

async fn task(State(daemon): State<Arc<Daemon>>, Path((name, id)): Path<(String, String)>) -> Result<Json<TaskView>, Problem> {
    Ok(Json(find(&*room(&daemon, &name)?, &id)?.view()))
}

async fn cancel(State(daemon): State<Arc<Daemon>>, Path((name, id)): Path<(String, String)>) -> Result<Json<TaskView>, Problem> {
    let room = room(&daemon, &name)?;
    let task = find(&*room, &id)?;
    tracing::info!(room = %room.id(), operation = task.id(), "cancelled");
    room.queue().cancel(&task);
    Ok(Json(task.view()))
}

async fn events(State(daemon): State<Arc<Daemon>>, Path((name, id)): Path<(String, String)>) -> Result<Response, Problem> {
    let task = find(&*room(&daemon, &name)?, &id)?;
    let lines = task.follow().map(|view| {
        let mut line = serde_json::to_vec(&view).expect("views have a JSON form");
        line.push(b'\n');
        Ok::<_, Infallible>(Bytes::from(line))
    });
    Ok(([(CONTENT_TYPE, "application/jsonl")], Body::from_stream(lines)).into_response())
}

async fn unknown(uri: Uri) -> Problem {
    let place = escape(uri.path());
    Problem::new(
        StatusCode::NOT_FOUND,
        "no-such-path",
        place,
        "the daemon has nothing there",
        "check that command and daemon have one version",
    )
}

async fn wrong_method(method: Method, uri: Uri) -> Problem {
    let (place, title) = (escape(uri.path()), format!("{} does nothing there", escape(method.as_str())));
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", place, title, "check that command and daemon have one version")
}

fn find(room: &dyn Room, id: &str) -> Result<Arc<Task>, Problem> {
    id.parse().ok().and_then(|id| room.queue().task(id)).ok_or_else(|| {
        let place = format!("room {}, operation {}", room.id(), escape(id));
        let title = format!("is not in the queue, nor among the last {} that ended", super::queue::REMEMBERED);
        Problem::new(StatusCode::NOT_FOUND, "no-such-task", place, title, "list the room's operations")
    })
}
