//! One party's daemon: what it keeps, its rooms, and how it is asked and watched.
//!
//! | file in the home | what |
//! | --- | --- |
//! | `cotenant.toml` | how it runs ([`config`]) |
//! | `daemon.lock` | one daemon on a home ([`lock`]) |
//! | `api.sock` | where commands ask it ([`api`], [`client`]) |
//! | `store`, `store.key` | what it keeps, and what opens that ([`crate::store`]) |
//!
//! A room is a [`room::Room`], which has a [`queue::Queue`] of operations; the daemon shows, counts, stops and closes them, and knows nothing of what they do.

pub mod api;
pub mod backup;
pub mod client;
pub mod config;
pub mod daemon;
pub mod error;
mod few;
pub mod lock;
pub mod log;
pub mod metrics;
pub mod operations;
pub mod problem;
pub mod queue;
pub mod room;
mod signals;
mod socket;
mod wiped;

use axum::{
    Router,
    extract::State,
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_TYPE, HOST},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use config::Config;
use daemon::Daemon;
use error::ServeError;
use lock::Lock;
use problem::Problem;
use room::rooms::Rooms;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use sd_notify::NotifyState;
use signals::Signals;
use socket::Socket;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, UnixListener},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// How long answers that are under way may take once the rooms are closed.
const LAST_ANSWERS: Duration = Duration::from_secs(2);

/// Runs the daemon of a home until the process is told to end (SIGTERM, SIGINT or SIGHUP): operations that wait are stopped, the one that runs in each room
/// has `limits.stop_seconds` to end, then rooms and sockets are closed. A second signal ends it without waiting.
///
/// # Errors
/// Why it did not start.
pub async fn serve(config: Config) -> Result<(), ServeError> {
    let mut signals = Signals::listen()?;
    let _lock = Lock::take(&config.home)?;
    no_core_dumps()?;
    let (socket, api) = Socket::listen(&config.socket)?;
    let metrics = listen_for_metrics(config.metrics).await?;
    let daemon = Arc::new(Daemon::open(config)?);
    let rooms = Rooms::open(daemon.clone()).await?;
    let stop = CancellationToken::new();
    let mut servers = start_servers(&daemon, &rooms, api, metrics, &stop);
    tracing::info!(home = %daemon.config().home.display(), version = env!("CARGO_PKG_VERSION"), "ready");
    notify(NotifyState::Ready);
    signals.next().await;

    tracing::info!("ending");
    notify(NotifyState::Stopping);
    stop.cancel();
    let end = async {
        daemon.close().await;
        // Who followed an operation has yet to read how it ended.
        let _ = timeout(LAST_ANSWERS, async { while servers.join_next().await.is_some() {} }).await;
    };
    tokio::select! {
        () = end => {}
        () = signals.next() => tracing::warn!("told to end again: not waiting any longer"),
    }
    servers.shutdown().await;
    rooms.close().await;
    drop(socket);
    tracing::info!("ended");
    Ok(())
}

fn start_servers(
    daemon: &Arc<Daemon>,
    rooms: &Arc<Rooms>,
    api: UnixListener,
    metrics: Option<TcpListener>,
    stop: &CancellationToken,
) -> JoinSet<()> {
    let mut servers = JoinSet::new();
    let routes = api::router(daemon.clone(), room::routes::router(rooms.clone()).merge(operations::api::routes()));
    // Neither ends before it is told to (axum::serve).
    let serve_api = axum::serve(api, routes).with_graceful_shutdown(stop.clone().cancelled_owned());
    servers.spawn(async move { drop(serve_api.await) });
    if let Some(listener) = metrics {
        if let Ok(address) = listener.local_addr() {
            daemon.shows_metrics_at(address);
        }
        let routes = Router::new().route("/metrics", get(show_metrics)).with_state(daemon.clone());
        servers.spawn(few::serve(listener, routes, stop.clone()));
    }
    servers
}

async fn show_metrics(State(daemon): State<Arc<Daemon>>, headers: HeaderMap) -> Response {
    let here = daemon.config().metrics.is_none_or(|address| !address.ip().is_loopback());
    if !here && !names_this_machine(&headers) {
        let remedy = "ask by the address that cotenant status shows";
        return Problem::new(StatusCode::MISDIRECTED_REQUEST, "other-host", "metrics", "are not shown under that name", remedy)
            .into_response();
    }
    ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], daemon.metrics().text(&daemon)).into_response()
}

/// Whether a request is for an address or `localhost`. A page of the web whose host name was made to lead to this machine (DNS rebinding) asks under that name.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let is_port = |text: &str| text.parse::<u16>().is_ok();
    let local = host.eq_ignore_ascii_case("localhost")
        || host.split_once(':').is_some_and(|(name, port)| name.eq_ignore_ascii_case("localhost") && is_port(port));
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    local || host.parse::<SocketAddr>().is_ok() || bracketed.parse::<IpAddr>().is_ok()
}

async fn listen_for_metrics(address: Option<SocketAddr>) -> Result<Option<TcpListener>, ServeError> {
    match address {
        None => Ok(None),
        Some(address) => TcpListener::bind(address).await.map(Some).map_err(|source| ServeError::Metrics { address, source }),
    }
}

/// A core dump would hold shares and keys.
fn no_core_dumps() -> Result<(), ServeError> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // The limit is for files; a handler that the kernel pipes a core into would still get one, but not of a process that says this.
    let forbidden = setrlimit(Resource::Core, none).and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable));
    forbidden.map_err(|error| ServeError::System { what: "forbidding core dumps", source: error.into() })
}

/// Tells systemd, where it started this process.
fn notify(state: NotifyState) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager was not told");
    }
}

#[cfg(test)]
mod tests;
