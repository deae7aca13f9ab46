//! Operations over the daemon's socket.
//!
//! | route | does |
//! | --- | --- |
//! | `GET /v1/rooms/{room}/vault` | [`VaultView`] |
//! | `GET /v1/rooms/{room}/operations` | all of this epoch: [`OperationView`]s |
//! | `POST /v1/rooms/{room}/operations` | proposes as [`Proposing`] says, and gives its [`OperationView`] |
//! | `POST /v1/rooms/{room}/explanations` | an [`Explanation`] of the call that a [`Proposing`] would be; nobody hears of it |
//! | `GET /v1/rooms/{room}/operations/{number}` | one of them |
//! | `GET /v1/rooms/{room}/operations/{number}/events` | the same again at each change, one JSON object a line, up to its end |
//! | `POST /v1/rooms/{room}/operations/{number}/decision` | a person's [`Decision`]; gives the view |
//! | `GET /v1/rooms/{room}/operations/{number}/receipt` | a [`ReceiptView`] |
//! | `GET /v1/rooms/{room}/operations/{number}/text` | the [`TextView`] of a call |
//! | `GET /v1/rooms/{room}/operations/{number}/answer` | an [`AnswerView`] |
//! | `GET /v1/rooms/{room}/operations/{number}/url` | a [`UrlView`], to the party that it was made for |
//! | `GET /v1/rooms/{room}/log` | the log, which was verified; each entry with its signed record in hexadecimal |
//! | `GET /v1/rooms/{room}/log/heads` | where the members' logs end: [`HeadView`]s |
//! | `POST /v1/rooms/{room}/checks` | sets a counter of failed checks to 0 as [`Clearing`] says |

mod answer;
mod explain;
mod text;

pub use answer::{AnswerView, Content, UrlView};
pub use explain::Explanation;
pub use text::TextView;

use super::{
    Aim, Asked, Conditions, NotDone, OperationView, Operations, Shown,
    shell::{Closed, Shell},
};
use crate::{
    serve::{
        api::waiting,
        daemon::Daemon,
        problem::Problem,
        room::NoWork,
        wiped::{self, Wiped},
    },
    store::RESTORE,
};
use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, header::CONTENT_TYPE, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use cotenant_agent::{
    approve::{
        escape::escape,
        item::{ItemName, in_words},
        operation::Argument,
        person::PersonSignature,
        statement::Choice,
    },
    hex,
    operate::Entry,
    vault::{
        alphabet::Alphabet,
        item::{Kind, Use},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{convert::Infallible, sync::Arc};
use zeroize::Zeroizing;

/// What is in a room's vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VaultView {
    /// Its version; 0 before the first item.
    pub version: u64,
    /// Its items, by rising names.
    pub items: Vec<ItemView>,
    /// Why this party can use none of them, if it cannot.
    pub hindrance: Option<String>,
    /// For what its way into the room's epoch waits; nothing is done with it before.
    pub waits: Option<String>,
}

/// An item, as all know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemView {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u64,
    /// Bytes of the secret.
    pub len: usize,
    /// How many different characters it can have; none if it is any bytes.
    pub characters: Option<usize>,
    /// How many members can use it.
    pub threshold: usize,
    /// Of how many.
    pub members: usize,
    /// Members of the room without a share.
    pub lacking: Vec<String>,
    /// Whether all members of the room have shares, of whom as many can use it as the room wants.
    pub full: bool,
    /// What it may be used for, in words.
    pub uses: Vec<String>,
    /// What people wrote about it, as printable ASCII.
    pub note: String,
    /// The run that made its shares, in hexadecimal.
    pub run: String,
}

/// What somebody wants done, with whom and by when.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposing {
    /// What.
    pub proposed: Proposed,
    /// [`Conditions::with`].
    #[serde(default)]
    pub with: Option<Vec<String>>,
    /// [`Conditions::within`].
    #[serde(default)]
    pub within: Option<u32>,
}

/// What somebody wants done.
#[derive(Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Proposed {
    /// [`Aim::Put`].
    Put {
        /// Its name.
        name: String,
        /// Any bytes if there is none.
        alphabet: Option<Letters>,
        /// What for.
        uses: Vec<Purpose>,
        /// About it.
        note: String,
        /// The bytes, in hexadecimal.
        #[serde(with = "wiped::hexadecimal")]
        value: Zeroizing<Vec<u8>>,
    },
    /// [`Aim::Gen`].
    Gen {
        /// Its name.
        name: String,
        /// Any bytes if there is none.
        alphabet: Option<Letters>,
        /// How many bytes.
        len: usize,
        /// What for.
        uses: Vec<Purpose>,
        /// About it.
        note: String,
    },
    /// [`Aim::Refresh`].
    Refresh {
        /// Their names.
        items: Vec<String>,
    },
    /// [`Aim::Reshare`].
    Reshare,
    /// [`Aim::Repair`].
    Repair {
        /// Its name.
        member: String,
    },
    /// [`Aim::Verify`].
    Verify {
        /// Their names.
        items: Vec<String>,
    },
    /// [`Aim::Remove`].
    Remove {
        /// Their names.
        items: Vec<String>,
    },
    /// [`Aim::Call`].
    Call {
        /// The text of the flow.
        flow: String,
        /// What fills its holes.
        arguments: Vec<Given>,
        /// What this party alone knows of that.
        #[serde(default)]
        private: Vec<Hidden>,
        /// The member that connects; this party if none.
        connector: Option<String>,
    },
}

/// What fills a hole of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// The hole; `< PATH` for the file of a body.
    pub name: String,
    /// The bytes.
    pub value: Vec<u8>,
}

/// What fills a hole of a flow, for this party alone to know.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hidden {
    /// The hole.
    pub name: String,
    /// The bytes, in hexadecimal.
    #[serde(with = "wiped::hexadecimal")]
    pub value: Zeroizing<Vec<u8>>,
}

/// The characters of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Letters {
    /// 0-9.
    Digits,
    /// 0-9 a-f.
    Hex,
    /// 0-9 A-Z a-z.
    Alphanumeric,
    /// The characters of base64 but the padding.
    Base64,
    /// All of ASCII that can be seen.
    Visible,
}

/// A use of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "as", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Purpose {
    /// [`Use::Sigv4`].
    Sigv4 {
        /// The service.
        service: String,
        /// The region.
        region: String,
        /// The host.
        host: String,
    },
    /// [`Use::Header`].
    Header {
        /// The header.
        name: String,
        /// The host.
        host: String,
    },
    /// [`Use::Field`].
    Field {
        /// The host.
        host: String,
    },
}

/// What a person decides.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The digest of what was shown.
    pub digest: String,
    /// Why not, if it is refused; approved if none.
    pub refuse: Option<String>,
    /// What `ssh-keygen -Y sign` wrote, where people decide with keys.
    pub signature: Option<String>,
    /// What this party gives to the call that it approves.
    #[serde(default)]
    pub private: Vec<Hidden>,
}

/// What is known of a member's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadView {
    /// Whose.
    pub member: String,
    /// What it has told of its log.
    pub theirs: Option<LogEnd>,
    /// What it knows of this party's.
    pub ours: Option<LogEnd>,
    /// Whether this party's log goes on from there.
    pub continues: bool,
    /// What it has told and what does not go on from what it told before.
    pub rewritten: Option<LogEnd>,
}

/// Where a log ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEnd {
    /// How many entries it has.
    pub entries: u64,
    /// The digest of the last, in hexadecimal.
    pub digest: String,
}

/// Which counter of failed checks is to be 0.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clearing {
    /// The member whom the checks name; none for those that name nobody alone.
    pub member: Option<String>,
    /// Why.
    pub reason: String,
}

/// A receipt as text.
#[derive(Serialize, Deserialize)]
pub struct ReceiptView {
    /// In the form of RFC 7468.
    pub receipt: String,
}

/// The routes above.
pub fn routes() -> Router<Arc<Daemon>> {
    Router::new()
        .route("/v1/rooms/{room}/vault", get(vault))
        .route("/v1/rooms/{room}/operations", get(all).post(propose))
        .route("/v1/rooms/{room}/explanations", post(explain::explain))
        .route("/v1/rooms/{room}/operations/{number}", get(one))
        .route("/v1/rooms/{room}/operations/{number}/events", get(events))
        .route("/v1/rooms/{room}/operations/{number}/decision", post(decide))
        .route("/v1/rooms/{room}/operations/{number}/receipt", get(receipt))
        .route("/v1/rooms/{room}/operations/{number}/text", get(text::text))
        .route("/v1/rooms/{room}/operations/{number}/answer", get(answer::answer))
        .route("/v1/rooms/{room}/operations/{number}/url", get(answer::url))
        .route("/v1/rooms/{room}/log", get(log))
        .route("/v1/rooms/{room}/log/heads", get(heads))
        .route("/v1/rooms/{room}/checks", post(clear))
}

async fn vault(State(daemon): State<Arc<Daemon>>, Path(room): Path<String>) -> Result<Json<VaultView>, Problem> {
    Ok(Json(shell(&daemon, &room)?.look(VaultView::of)))
}

async fn all(State(daemon): State<Arc<Daemon>>, Path(room): Path<String>) -> Result<Json<Vec<OperationView>>, Problem> {
    Ok(Json(shell(&daemon, &room)?.look(super::Operations::views)))
}

async fn one(State(daemon): State<Arc<Daemon>>, Numbered(room, number): Numbered) -> Result<Json<OperationView>, Problem> {
    view(&*shell(&daemon, &room)?, number).map(Json)
}

async fn propose(
    State(daemon): State<Arc<Daemon>>,
    Path(room): Path<String>,
    Wiped(Proposing { proposed, with, within }): Wiped<Proposing>,
) -> Result<Json<OperationView>, Problem> {
    let shell = shell(&daemon, &room)?;
    let number = waiting({
        let shell = shell.clone();
        move || {
            let aim = proposed.aim(&shell)?;
            shell.propose(aim, &Conditions { with, within }).map_err(|refused| not_done(&shell, &refused))
        }
    })
    .await??;
    view(&shell, number).map(Json)
}

async fn decide(
    State(daemon): State<Arc<Daemon>>,
    Numbered(room, number): Numbered,
    Wiped(decision): Wiped<Decision>,
) -> Result<Json<OperationView>, Problem> {
    let shell = shell(&daemon, &room)?;
    let bad = |title: &dyn std::fmt::Display| {
        let place = format!("room {}, operation {number}", shell.room());
        Problem::new(StatusCode::BAD_REQUEST, "bad-decision", place, title, "see cotenant pending for what can be decided")
    };
    let digest = hex::digest(&decision.digest).ok_or_else(|| bad(&"that is no digest"))?;
    let signature = decision.signature.as_deref().map(PersonSignature::from_armoured).transpose().map_err(|error| bad(&error))?;
    let choice = decision.refuse.map_or(Choice::Approve, Choice::Refuse);
    let private: Vec<_> = decision.private.into_iter().map(|Hidden { name, value }| (name, value)).collect();
    let acting = shell.clone();
    let done = waiting(move || {
        if !private.is_empty() {
            acting.give(number, digest, private)?;
        }
        acting.decide(number, digest, choice, signature.as_ref())
    })
    .await?;
    done.map_err(|refused| not_done(&shell, &refused))?;
    view(&shell, number).map(Json)
}

async fn events(State(daemon): State<Arc<Daemon>>, Numbered(room, number): Numbered) -> Result<Response, Problem> {
    let shell = shell(&daemon, &room)?;
    view(&shell, number)?;
    let mut changes = shell.changes();
    changes.mark_changed();
    let lines = futures_util::stream::unfold(Some((shell, changes, None)), move |following| async move {
        let (shell, mut changes, mut last) = following?;
        loop {
            changes.changed().await.ok()?;
            let view = shell.look(|operations| operations.view(number)).filter(|_| shell.closed() != Some(Closed::Broken))?;
            if last.as_ref() == Some(&view) {
                continue;
            }
            let mut line = serde_json::to_vec(&view).expect("views have a JSON form");
            line.push(b'\n');
            let more = !matches!(view.standing, Shown::Ended(_));
            last = Some(view);
            return Some((Ok::<_, Infallible>(Bytes::from(line)), more.then_some((shell, changes, last))));
        }
    });
    Ok(([(CONTENT_TYPE, "application/jsonl")], Body::from_stream(lines)).into_response())
}

async fn receipt(State(daemon): State<Arc<Daemon>>, Numbered(room, number): Numbered) -> Result<Json<ReceiptView>, Problem> {
    let shell = shell(&daemon, &room)?;
    let reading = shell.clone();
    let found = waiting(move || reading.receipt(number)).await?;
    let found = found.map_err(|error| unreadable(&shell, &error))?;
    let place = format!("room {}, operation {number}", shell.room());
    let none = || {
        let title = "there is no receipt that all who took part have signed";
        Problem::new(StatusCode::NOT_FOUND, "no-receipt", place, title, "ask again when all members have been connected")
    };
    found.map(|receipt| Json(ReceiptView { receipt: receipt.to_text() })).ok_or_else(none)
}

async fn log(State(daemon): State<Arc<Daemon>>, Path(room): Path<String>) -> Result<Json<Value>, Problem> {
    let shell = shell(&daemon, &room)?;
    let reading = shell.clone();
    let history = waiting(move || reading.log_and_records()).await?;
    let (history, records) = history.map_err(|error| unreadable(&shell, &error))?;
    let mut log = history.to_json();
    if let Some(entries) = log["entries"].as_array_mut() {
        entries.iter_mut().zip(records).for_each(|(entry, record)| entry["record"] = hex::encode(&record).into());
    }
    Ok(Json(log))
}

async fn heads(State(daemon): State<Arc<Daemon>>, Path(room): Path<String>) -> Result<Json<Vec<HeadView>>, Problem> {
    Ok(Json(shell(&daemon, &room)?.look(super::Operations::head_views)))
}

async fn clear(State(daemon): State<Arc<Daemon>>, Path(room): Path<String>, Wiped(asked): Wiped<Clearing>) -> Result<Json<()>, Problem> {
    let shell = shell(&daemon, &room)?;
    let acting = shell.clone();
    let done = waiting(move || acting.clear_faults(asked.member.as_deref(), asked.reason)).await?;
    done.map(Json).map_err(|refused| not_done(&shell, &refused))
}

/// A room, and the number of one of its operations, as a path names them.
struct Numbered(String, u64);

impl<S: Send + Sync> FromRequestParts<S> for Numbered {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((room, text)) = path.map_err(|_| no_such_operation("?", "?"))?;
        let number = text.parse().map_err(|_| no_such_operation(&room, &text))?;
        Ok(Numbered(room, number))
    }
}

fn no_such_operation(room: &str, number: &str) -> Problem {
    let place = format!("room {}, operation {}", escape(room), escape(number));
    Problem::new(StatusCode::NOT_FOUND, "no-such-operation", place, "that is no number of an operation", "see cotenant pending")
}

/// The operations of a room, unless a write of its has failed, as what is shown then is on no disk, or they are those of an earlier epoch.
pub(in crate::serve) fn shell(daemon: &Daemon, name: &str) -> Result<Arc<Shell>, Problem> {
    let room = crate::serve::api::room(daemon, name)?;
    let shell = room.operations().map_err(|why| {
        let (kind, remedy) = match why {
            NoWork::NotInForce => ("no-operations", "wait until all members have signed"),
            NoWork::Stored(_) | NoWork::Fault => ("closed", "mend that, and start the daemon again"),
        };
        Problem::new(StatusCode::CONFLICT, kind, format!("room {}", room.id()), why, remedy)
    })?;
    shell.closed().map_or(Ok(shell.clone()), |closed| Err(not_done(&shell, &NotDone::Closed(closed))))
}

fn view(shell: &Shell, number: u64) -> Result<OperationView, Problem> {
    shell.look(|operations| operations.view(number)).ok_or_else(|| not_done(shell, &NotDone::NoSuch(number)))
}

fn not_done(shell: &Shell, refused: &NotDone) -> Problem {
    let (status, kind, remedy) = match refused {
        NotDone::NoSuch(_) => (StatusCode::NOT_FOUND, "no-such-operation", "see cotenant pending"),
        NotDone::Empty => (StatusCode::NOT_FOUND, "empty-vault", "put something into it first"),
        NotDone::OtherMembers => (StatusCode::CONFLICT, "other-members", "cotenant vault reshare"),
        NotDone::NoItem(_) => (StatusCode::NOT_FOUND, "no-such-item", "see cotenant vault list"),
        NotDone::NoMember(_) => (StatusCode::NOT_FOUND, "no-such-member", "see cotenant room show"),
        NotDone::NoPart(_) => (StatusCode::FORBIDDEN, "no-part", "nothing is asked of this party"),
        NotDone::TooFew { .. } => {
            (StatusCode::CONFLICT, "too-few", "wait for a link, or name with --with who will take part once it is there")
        }
        NotDone::NeedsSignature => (StatusCode::FORBIDDEN, "needs-signature", "use cotenant approve --key FILE"),
        NotDone::NotCounted(_) => (StatusCode::FORBIDDEN, "not-counted", "sign with a key that approvers.toml lists"),
        NotDone::Closed(Closed::Broken) => {
            (StatusCode::SERVICE_UNAVAILABLE, "room-closed", "see the daemon's log, make room on the disk, and start the daemon again")
        }
        NotDone::Closed(Closed::Epoch) => (StatusCode::CONFLICT, "new-epoch", "ask again"),
        NotDone::Many(_) => (StatusCode::TOO_MANY_REQUESTS, "too-many", "wait until others are over, or until tomorrow"),
        NotDone::Unheard(_) => (StatusCode::CONFLICT, "unheard", "wait until they are connected; if they never will be, change the room"),
        NotDone::BeforeRestore { .. } => (StatusCode::CONFLICT, "before-restore", "have it proposed again, to begin later"),
        NotDone::Other(_) | NotDone::NotOpen(_) | NotDone::NotNow(_) => (StatusCode::CONFLICT, "not-now", "see cotenant pending"),
        NotDone::Unusable(_) => (StatusCode::BAD_REQUEST, "unusable", "give other --kind or --use; nobody was asked"),
        NotDone::Item(_) => (StatusCode::BAD_REQUEST, "bad-proposal", "see cotenant vault put --help"),
        NotDone::Value => (StatusCode::BAD_REQUEST, "bad-proposal", "use another --kind"),
        NotDone::Private(_) | NotDone::NotPrivate(_) | NotDone::NoCall(_) => (StatusCode::BAD_REQUEST, "bad-proposal", "see --private"),
        NotDone::NotGiven { .. } => {
            (StatusCode::CONFLICT, "not-given", "give --private NAME=FILE for each; of a run, use cotenant run approve")
        }
        NotDone::NothingConnects => (StatusCode::BAD_REQUEST, "bad-proposal", "leave --connector out"),
        NotDone::Operation(_) => (StatusCode::BAD_REQUEST, "bad-proposal", "see --with and --within"),
        NotDone::Flow(_) | NotDone::Refused(_) => (StatusCode::BAD_REQUEST, "bad-call", "mend the file and call again; nobody was asked"),
        NotDone::Roots(_) => (StatusCode::CONFLICT, "no-roots", "put the file there, and do it again"),
        NotDone::OtherRoots(number) => {
            let remedy = format!("compare roots.pem with the proposer's; if yours is right: cotenant refuse {number}");
            return Problem::new(StatusCode::CONFLICT, "other-roots", format!("room {}", shell.room()), refused, remedy);
        }
    };
    Problem::new(status, kind, format!("room {}", shell.room()), refused, remedy)
}

fn unreadable(shell: &Shell, error: &dyn std::fmt::Display) -> Problem {
    let title = escape(&error.to_string()).to_string();
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "store", format!("room {}", shell.room()), title, RESTORE)
}

impl VaultView {
    fn of(operations: &Operations) -> Self {
        let manifest = operations.vault();
        let items = manifest.items().map(|entry| ItemView::of(entry, operations)).collect();
        VaultView { version: manifest.number(), items, hindrance: operations.hindrance(), waits: operations.vault_waits() }
    }
}

impl ItemView {
    fn of(entry: &Entry, operations: &Operations) -> Self {
        let (item, run) = (&entry.item, entry.run);
        ItemView {
            lacking: operations.lacking(entry),
            full: operations.is_full(entry),
            name: item.name.clone(),
            version: item.version,
            len: item.len,
            characters: match item.kind {
                Kind::Bytes => None,
                Kind::Text(alphabet) => Some(alphabet.size()),
            },
            threshold: item.sharing.threshold(),
            members: item.sharing.members(),
            uses: item.uses.iter().map(in_words).collect(),
            note: escape(&item.note).to_string(),
            run: run.to_string(),
        }
    }
}

impl Letters {
    /// The characters.
    pub fn alphabet(self) -> Alphabet {
        match self {
            Letters::Digits => Alphabet::DIGITS,
            Letters::Hex => Alphabet::HEX,
            Letters::Alphanumeric => Alphabet::ALPHANUMERIC,
            Letters::Base64 => Alphabet::BASE64,
            Letters::Visible => Alphabet::VISIBLE,
        }
    }
}

impl From<Purpose> for Use {
    fn from(purpose: Purpose) -> Use {
        match purpose {
            Purpose::Sigv4 { service, region, host } => Use::Sigv4 { service, region, host },
            Purpose::Header { name, host } => Use::Header { name, host },
            Purpose::Field { host } => Use::Field { host },
        }
    }
}

impl Proposed {
    fn aim(self, shell: &Shell) -> Result<Aim, Problem> {
        let name = |text: String| {
            text.parse::<ItemName>().map_err(|error| {
                let place = format!("room {}, item {}", shell.room(), escape(&text));
                Problem::new(StatusCode::BAD_REQUEST, "bad-name", place, error, "choose another name")
            })
        };
        let names = |all: Vec<String>| all.into_iter().map(name).collect::<Result<Vec<_>, _>>();
        let uses = |all: Vec<Purpose>| all.into_iter().map(Use::from).collect();
        let alphabet = |letters: Option<Letters>| letters.map(Letters::alphabet);
        Ok(match self {
            Proposed::Put { name: text, alphabet: of, uses: all, note, value } => {
                Aim::Put { name: name(text)?, alphabet: alphabet(of), uses: uses(all), note, value }
            }
            Proposed::Gen { name: text, alphabet: of, len, uses: all, note } => {
                Aim::Gen { name: name(text)?, alphabet: alphabet(of), len, uses: uses(all), note }
            }
            Proposed::Refresh { items } => Aim::Refresh(names(items)?),
            Proposed::Reshare => Aim::Reshare,
            Proposed::Repair { member } => Aim::Repair(member),
            Proposed::Verify { items } => Aim::Verify(names(items)?),
            Proposed::Remove { items } => Aim::Remove(names(items)?),
            Proposed::Call { flow, arguments, private, connector } => {
                let private = private.into_iter().map(|Hidden { name, value }| (name, value)).collect();
                let arguments = arguments.into_iter().map(|Given { name, value }| Argument { name, value }).collect();
                let roots = shell.roots().map_err(|refused| not_done(shell, &refused))?;
                Aim::Call(Asked { flow: flow.into_bytes(), arguments, private, connector, roots })
            }
        })
    }
}
