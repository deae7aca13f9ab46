//! Serves a port that every local user can reach: few connections at a time, each for one exchange that ends soon.
//!
//! Without both, whoever opens a thousand connections and says nothing leaves the daemon no descriptor for its members.

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use std::time::Duration;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Connections at a time; others are closed at once.
const CONNECTIONS: usize = 16;
/// How long one may stay, from the first byte of the question to the last of the answer.
const WHOLE: Duration = Duration::from_secs(5);
/// After an attempt to take a connection that failed, as no descriptor was left.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers by `routes` until it is told to stop.
pub(super) async fn serve(listener: TcpListener, routes: Router, stop: CancellationToken) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(_) = open.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if open.len() < CONNECTIONS => drop(open.spawn(exchange(stream, routes.clone()))),
                Ok(_) => {}
                Err(_) => sleep(PAUSE).await,
            },
        }
    }
}

async fn exchange(stream: TcpStream, routes: Router) {
    let connection = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    // Whoever asked sees how it ended.
    let _ = timeout(WHOLE, connection).await;
}
