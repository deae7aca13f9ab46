//! A daemon that serves a room, asked over its socket: what a room is to it, its operations from submission to end, and what is counted.

use super::{
    client::Client,
    error::ClientError,
    problem::Problem,
    queue::{Progress, Queue, State as TaskState, TaskView, Turn, Why},
    room::{Peer, Room},
    *,
};
use cotenant_agent::room::RoomId;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::oneshot;

const ROOM: RoomId = RoomId([5; 16]);

/// A room whose operations are given by the test.
struct Scripted {
    queue: Queue,
    closed: AtomicBool,
}

impl Room for Scripted {
    fn id(&self) -> RoomId {
        ROOM
    }

    fn name(&self) -> String {
        "board".to_owned()
    }

    fn peers(&self) -> Vec<Peer> {
        vec![Peer { name: "bob".to_owned(), fingerprint: "F1".to_owned(), connected: true, sent_bytes: 7, received_bytes: 9 }]
    }

    fn queue(&self) -> &Queue {
        &self.queue
    }

    fn operations(&self) -> Result<Arc<super::operations::shell::Shell>, room::NoWork> {
        Err(room::NoWork::NotInForce)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        assert_eq!(self.queue.load(), (0, 0), "operations have ended");
        self.closed.store(true, Ordering::SeqCst);
        Box::pin(async {})
    }
}

/// A daemon that serves such a room at its socket.
struct Served {
    home: tempfile::TempDir,
    daemon: Arc<Daemon>,
    room: Arc<Scripted>,
    client: Client,
}

impl Served {
    fn new() -> Served {
        let home = tempfile::tempdir().unwrap();
        crate::home::init(home.path(), "alice").unwrap();
        config::write_template(home.path()).unwrap();
        let config = Config::open(home.path()).unwrap();
        let daemon = Arc::new(Daemon::open(config.clone()).unwrap());
        let room = Arc::new(Scripted { queue: Queue::new(ROOM, config.limits, daemon.metrics().clone()), closed: AtomicBool::new(false) });
        assert!(daemon.add(room.clone()).is_none());
        let listener = UnixListener::bind(&config.socket).unwrap();
        // As a module of rooms adds its own.
        let more = Router::new().route("/v1/echo", axum::routing::post(|body: axum::Json<Value>| async { body }));
        let more = more.merge(operations::api::routes());
        let routes = api::router(daemon.clone(), more);
        tokio::spawn(async { axum::serve(listener, routes).await });
        let client = Client::of_home(home.path()).unwrap();
        Served { home, daemon, room, client }
    }

    async fn follow(&self, id: u64) -> Vec<TaskView> {
        let mut views = Vec::new();
        self.client.follow(&format!("/v1/rooms/{ROOM}/tasks/{id}/events"), |view| views.push(view)).await.unwrap();
        views
    }
}

#[tokio::test]
async fn an_operation_is_followed_from_waiting_to_its_end() {
    let served = Served::new();
    let (go, gone) = oneshot::channel::<()>();
    let work = |turn: Turn| async move {
        turn.progress(Progress { stage: "prepare".to_owned(), done: 3, wanted: 4 });
        let _ = gone.await;
        Ok(json!({"version": 2}))
    };
    let running = served.room.queue.submit(4, "put key".to_owned(), work).unwrap();
    let waiting = served.room.queue.submit(7, "get key".to_owned(), |_| async { Ok(json!(1)) }).unwrap();
    let path = format!("/v1/rooms/{ROOM}/tasks/{}", running.id());
    while !matches!(served.client.get::<TaskView>(&path).await.unwrap().state, TaskState::Running { progress: Some(_) }) {}

    let status: daemon::Status = served.client.get("/v1/status").await.unwrap();
    assert_eq!((status.rooms[0].name.as_str(), status.rooms[0].waiting), ("board", 1));
    assert_eq!(status.rooms[0].running, Some(running.view()));
    assert_eq!(status.rooms[0].peers, served.room.peers());
    let counts = served.daemon.metrics().text(&served.daemon);
    for line in [
        "cotenant_rooms 1".to_owned(),
        "cotenant_operations{state=\"waiting\"} 1".to_owned(),
        "cotenant_operations{state=\"running\"} 1".to_owned(),
        format!("cotenant_peer_sent_bytes_total{{room=\"{ROOM}\",peer=\"F1\"}} 7"),
        format!("cotenant_peer_received_bytes_total{{room=\"{ROOM}\",peer=\"F1\"}} 9"),
    ] {
        assert!(counts.lines().any(|found| found == line), "{line} in {counts}");
    }

    let both = async { tokio::join!(served.follow(running.id()), served.follow(waiting.id())) };
    let (first, second) = tokio::join!(both, async { go.send(()) }).0;
    assert!(first.iter().all(|view| view.summary == "put key" && view.room == ROOM.to_string()));
    assert_eq!(first.last().unwrap().state, TaskState::Done { result: json!({"version": 2}) });
    assert_eq!(second.last().unwrap().state, TaskState::Done { result: json!(1) });
    let all: Vec<TaskView> = served.client.get(&format!("/v1/rooms/{ROOM}/tasks")).await.unwrap();
    assert_eq!(all, [running.view(), waiting.view()]);
    served.daemon.metrics().failed_check("triples");
    let counts = served.daemon.metrics().text(&served.daemon);
    assert!(counts.contains("cotenant_operations_finished_total{outcome=\"done\"} 2\n"), "{counts}");
    assert!(counts.contains("cotenant_failed_checks_total{check=\"triples\"} 1\n"), "{counts}");
}

#[tokio::test]
async fn an_operation_is_cancelled_over_the_socket() {
    let served = Served::new();
    let told = Problem::new(axum::http::StatusCode::CONFLICT, "stopped", "here", "was stopped", "start it again");
    let said = told.clone();
    let work = |turn: Turn| async move {
        turn.stopped().await;
        Err(said)
    };
    let task = served.room.queue.submit(1, "long".to_owned(), work).unwrap();
    let path = format!("/v1/rooms/{ROOM}/tasks/{}", task.id());
    while !matches!(served.client.get::<TaskView>(&path).await.unwrap().state, TaskState::Running { .. }) {}
    let _: TaskView = served.client.delete(&path).await.unwrap();
    assert_eq!(served.follow(task.id()).await.last().unwrap().state, TaskState::Stopped { why: Why::Asked, problem: Some(told) });
}

#[tokio::test]
async fn a_refusal_reads_as_what_where_and_what_to_do() {
    let served = Served::new();
    let refused = |path: String| async move { served.client.get::<Value>(&path).await.unwrap_err().to_string() };
    let text = refused(format!("/v1/rooms/{ROOM}/tasks/9")).await;
    let wanted = format!("room {ROOM}, operation 9: is not in the queue, nor among the last 100 that ended; list the room's operations");
    assert_eq!(text, wanted);
}

/// What this program cannot read is a problem document like all that goes wrong.
#[tokio::test]
async fn bodies_and_numbers_that_are_none_are_problems() {
    let served = Served::new();
    let kind = |error: ClientError| match error {
        ClientError::Refused(problem) => (problem.kind, problem.status),
        error => panic!("{error}"),
    };
    let at = |path: &str| format!("/v1/rooms/{ROOM}/{path}");
    for body in [json!(3), json!({"reason": 3}), json!({"reason": "a bad disk", "who": "bob"})] {
        let refused = served.client.post::<Value>(&at("checks"), &body).await.unwrap_err();
        assert_eq!(kind(refused), ("urn:cotenant:problem:bad-body".to_owned(), 400));
    }
    for path in ["operations/abc", "operations/-1", "operations/18446744073709551616", "operations/x/receipt", "operations/x/answer"] {
        let refused = served.client.get::<Value>(&at(path)).await.unwrap_err();
        assert_eq!(kind(refused), ("urn:cotenant:problem:no-such-operation".to_owned(), 404), "{path}");
    }
    // One that is a number has a room to be of.
    assert_eq!(kind(served.client.get::<Value>(&at("operations/1")).await.unwrap_err()).0, "urn:cotenant:problem:no-operations");
}

#[tokio::test]
async fn other_routes_stand_beside_the_daemons_own() {
    let served = Served::new();
    let body = json!({"name": "aws", "kind": "bytes"});
    assert_eq!(served.client.post::<Value>("/v1/echo", &body).await.unwrap(), body);
    let other = served.client.post::<Value>("/v1/status", &body).await;
    assert!(matches!(other, Err(ClientError::Refused(problem)) if problem.status == 405));
    std::fs::remove_file(&served.daemon.config().socket).unwrap();
    let gone = served.client.get::<Value>("/v1/status").await;
    assert!(matches!(gone, Err(ClientError::NotRunning { home, .. }) if home == served.home.path()));
}

#[tokio::test]
async fn closing_ends_the_operations_first_and_then_the_rooms() {
    let served = Served::new();
    let work = |turn: Turn| async move {
        turn.stopped().await;
        Ok(json!("finished"))
    };
    let task = served.room.queue.submit(1, "long".to_owned(), work).unwrap();
    while served.room.queue.load() != (0, 1) {
        tokio::task::yield_now().await;
    }
    let follower = served.follow(task.id());
    let (views, ()) = tokio::join!(follower, served.daemon.close());
    assert_eq!(views.last().unwrap().state, TaskState::Done { result: json!("finished") }, "who follows it reads how it ended");
    assert!(served.room.closed.load(Ordering::SeqCst));
    assert!(served.daemon.remove(ROOM).is_some() && served.daemon.room(ROOM).is_none());
}

#[test]
fn a_daemon_may_not_be_dumped() {
    let may = || rustix::process::dumpable_behavior().unwrap();
    let before = may();
    assert_ne!(before, DumpableBehavior::NotDumpable, "the control");
    no_core_dumps().unwrap();
    assert_eq!(may(), DumpableBehavior::NotDumpable);
    set_dumpable_behavior(before).unwrap();
}
