//! What commands ask about rooms.
//!
//! | route | does |
//! | --- | --- |
//! | `GET /v1/rooms` | [`RoomView`]s |
//! | `POST /v1/rooms` | [`Founding`]: a new room that this party gathers members for |
//! | `POST /v1/rooms/join` | [`Joining`]: goes to who invited this party; the room shows the phrase |
//! | `GET /v1/rooms/{room}` | [`RoomView`] |
//! | `GET /v1/rooms/{room}/check` | [`Finding`]s |
//! | `POST /v1/rooms/{room}/invitations` | [`Inviting`]: [`InvitationView`] |
//! | `POST /v1/rooms/{room}/withdraw` | [`Withdrawing`] |
//! | `POST /v1/rooms/{room}/confirm` | [`Confirming`]: [`RoomView`] |
//! | `POST /v1/rooms/{room}/change` | [`Changing`]: [`RoomView`] |
//! | `POST /v1/rooms/{room}/sign` | [`Signing`]: [`RoomView`] |

use super::{
    actor::Command,
    rooms::{Plan, Rooms},
    view::{Finding, InvitationView, RoomView},
};
use crate::serve::{daemon::Daemon, problem::Problem, wiped::Wiped};
use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// A room to be founded.
#[derive(Serialize, Deserialize)]
pub struct Founding {
    /// What people call it.
    pub name: String,
    /// Members.
    pub members: u8,
    /// How many of them can act.
    pub threshold: u8,
    /// Certificates of servers' authorities, each the text of a PEM file; if there are none, those of the program are believed.
    pub authorities: Vec<String>,
    /// This party's name in it.
    pub me: String,
}

/// An invitation to follow.
#[derive(Serialize, Deserialize)]
pub struct Joining {
    /// As text or words.
    pub invitation: String,
    /// This party's name in the room.
    pub me: String,
}

/// An invitation to make.
#[derive(Serialize, Deserialize)]
pub struct Inviting {
    /// For how long, in seconds; up to the end of that minute.
    pub seconds: u64,
}

/// What to take back.
#[derive(Serialize, Deserialize)]
pub struct Withdrawing {
    /// The seat whose invitation ends, from 1; none for this party's own part.
    pub seat: Option<usize>,
}

/// What people have compared.
#[derive(Serialize, Deserialize)]
pub struct Confirming {
    /// The words that the other side shows.
    pub phrase: String,
}

/// How a room is to be changed. All of it goes into one draft, the one there is or a new one; members are meant by their names.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Changing {
    /// So many new seats.
    pub add: u8,
    /// Members that leave.
    pub remove: Vec<String>,
    /// Members whose seat is opened for an invitation: for another, or for the same with another key or disk.
    pub replace: Vec<String>,
    /// How many members can act.
    pub threshold: Option<u8>,
    /// Where members are reached.
    pub addresses: BTreeMap<String, Vec<String>>,
    /// Certificates of servers' authorities, each the text of a PEM file, in place of those before.
    pub authorities: Vec<String>,
    /// Those of the program instead.
    pub own_authorities: bool,
    /// Time limits.
    pub limits: ChangingLimits,
}

/// Time limits in seconds; those that are not given stay.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChangingLimits {
    /// Of an operation.
    pub call: Option<u32>,
    /// Of a server's answer.
    pub server: Option<u32>,
    /// Between two clocks.
    pub clock: Option<u32>,
    /// Of a proposal.
    pub proposal: Option<u32>,
}

/// What people approve.
#[derive(Serialize, Deserialize)]
pub struct Signing {
    /// The parameters' digest.
    pub digest: String,
}

type Answer<T> = Result<Json<T>, Problem>;
type Asked = State<Arc<Rooms>>;

/// The routes above.
pub fn router(rooms: Arc<Rooms>) -> Router<Arc<Daemon>> {
    Router::new()
        .route("/v1/rooms", get(list).post(found))
        .route("/v1/rooms/join", post(join))
        .route("/v1/rooms/{room}", get(show))
        .route("/v1/rooms/{room}/check", get(check))
        .route("/v1/rooms/{room}/invitations", post(invite))
        .route("/v1/rooms/{room}/withdraw", post(withdraw))
        .route("/v1/rooms/{room}/confirm", post(confirm))
        .route("/v1/rooms/{room}/change", post(change))
        .route("/v1/rooms/{room}/sign", post(sign))
        .with_state(rooms)
}

async fn list(State(rooms): Asked) -> Answer<Vec<RoomView>> {
    rooms.views().await.map(Json)
}

async fn found(State(rooms): Asked, Wiped(asked): Wiped<Founding>) -> Answer<RoomView> {
    let Founding { name, members, threshold, authorities, me } = asked;
    rooms.found(Plan { name, size: (members, threshold), authorities, me }).await.map(Json)
}

async fn join(State(rooms): Asked, Wiped(asked): Wiped<Joining>) -> Answer<RoomView> {
    // A command that gives up leaves nothing half done.
    let joining = tokio::spawn(async move { rooms.join(&asked.invitation, asked.me).await });
    joining.await.unwrap_or_else(|_| Err(super::problems::fault("joining broke off"))).map(Json)
}

async fn show(State(rooms): Asked, Path(name): Path<String>) -> Answer<RoomView> {
    rooms.room(&name)?.ask(Command::Show).await.map(Json)
}

async fn check(State(rooms): Asked, Path(name): Path<String>) -> Answer<Vec<Finding>> {
    rooms.room(&name)?.ask(Command::Check).await.map(Json)
}

async fn invite(State(rooms): Asked, Path(name): Path<String>, Wiped(asked): Wiped<Inviting>) -> Answer<InvitationView> {
    let time = Duration::from_secs(asked.seconds);
    rooms.room(&name)?.ask(|reply| Command::Invite(time, reply)).await.map(Json)
}

async fn withdraw(State(rooms): Asked, Path(name): Path<String>, Wiped(asked): Wiped<Withdrawing>) -> Answer<()> {
    rooms.withdraw(&name, asked.seat).await.map(Json)
}

async fn confirm(State(rooms): Asked, Path(name): Path<String>, Wiped(asked): Wiped<Confirming>) -> Answer<RoomView> {
    rooms.room(&name)?.ask(|reply| Command::Confirm(asked.phrase, reply)).await.map(Json)
}

async fn change(State(rooms): Asked, Path(name): Path<String>, Wiped(asked): Wiped<Changing>) -> Answer<RoomView> {
    rooms.room(&name)?.ask(|reply| Command::Change(Box::new(asked), reply)).await.map(Json)
}

async fn sign(State(rooms): Asked, Path(name): Path<String>, Wiped(asked): Wiped<Signing>) -> Answer<RoomView> {
    rooms.room(&name)?.ask(|reply| Command::Sign(asked.digest, reply)).await.map(Json)
}
