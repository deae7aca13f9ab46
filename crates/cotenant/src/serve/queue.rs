//! The operations of one room: they wait in the order that they came in, and run one at a time, each on a task of its own, so that one that panics takes
//! nothing with it.
//!
//! An operation is told to stop when somebody cancels it, when its time is over, and when the daemon ends. It then has `limits.stop_seconds` to come to an
//! end that its parties agree on, which may be that it is done after all; after that it is dropped where it stands.

mod task;

pub use task::{Progress, State, Task, TaskView, Turn, Why};

use super::{config::Limits, metrics::Metrics, problem::Problem};
use axum::http::StatusCode;
use cotenant_agent::room::RoomId;
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::{
    sync::Notify,
    task::JoinError,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// How many ended operations are remembered, the last ones, so that whoever asked for one can still read what became of it.
pub const REMEMBERED: usize = 100;

/// The queue of one room. When it is dropped, what waits is stopped and what runs is told to stop.
pub struct Queue {
    shared: Arc<Shared>,
}

/// What an operation does when its turn comes.
type Work = Box<dyn FnOnce(Turn) -> BoxFuture<'static, Result<Value, Problem>> + Send>;

struct Shared {
    room: RoomId,
    limits: Limits,
    metrics: Arc<Metrics>,
    list: Mutex<List>,
    /// Something was put into the list, or it was closed.
    changed: Notify,
    /// The last operation has ended, and none will follow.
    ended: CancellationToken,
}

#[derive(Default)]
struct List {
    closed: bool,
    waiting: VecDeque<(Arc<Task>, Work)>,
    /// All that are known, by number.
    tasks: BTreeMap<u64, Arc<Task>>,
    /// The numbers of those that have ended, in that order.
    ended: VecDeque<u64>,
}

impl Queue {
    /// An empty queue for a room, inside a tokio runtime.
    pub fn new(room: RoomId, limits: Limits, metrics: Arc<Metrics>) -> Self {
        let (list, changed, ended) = (Mutex::default(), Notify::new(), CancellationToken::new());
        let shared = Arc::new(Shared { room, limits, metrics, list, changed, ended });
        tokio::spawn(run_all(shared.clone()));
        Queue { shared }
    }

    /// Lets the operation of this number in the room wait for its turn. `summary` says in a few words what it does; nothing in it is escaped any more.
    ///
    /// # Errors
    /// If as many wait as may, or the daemon is ending.
    pub fn submit<F, W>(&self, number: u64, summary: String, work: F) -> Result<Arc<Task>, Problem>
    where
        F: FnOnce(Turn) -> W + Send + 'static,
        W: Future<Output = Result<Value, Problem>> + Send + 'static,
    {
        let Shared { room, limits, .. } = &*self.shared;
        let mut list = self.shared.list();
        if list.closed {
            let remedy = "ask again when it runs again";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "ending", format!("room {room}"), "the daemon is ending", remedy));
        }
        if list.waiting.len() >= limits.waiting {
            let title = format!("{} operations wait already", list.waiting.len());
            let remedy = "ask again later, or raise waiting below [limits] in cotenant.toml";
            return Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "queue-full", format!("room {room}"), title, remedy));
        }
        let task = Arc::new(Task::new(number, *room, summary, list.waiting.len()));
        list.tasks.insert(task.id(), task.clone());
        list.waiting.push_back((task.clone(), Box::new(move |turn| Box::pin(work(turn)))));
        drop(list);
        self.shared.changed.notify_one();
        Ok(task)
    }

    /// The operation of this number.
    pub fn task(&self, id: u64) -> Option<Arc<Task>> {
        self.shared.list().tasks.get(&id).cloned()
    }

    /// All that wait and run, and the last that ended, by rising numbers.
    pub fn tasks(&self) -> Vec<Arc<Task>> {
        self.shared.list().tasks.values().cloned().collect()
    }

    /// Takes an operation out of the queue, or tells it to stop if it runs. One that has ended stays as it is.
    pub fn cancel(&self, task: &Task) {
        self.shared.cancel(task);
    }

    /// How many wait, and how many run.
    pub fn load(&self) -> (usize, usize) {
        let list = self.shared.list();
        (list.waiting.len(), list.tasks.values().filter(|task| task.is_running()).count())
    }

    /// Takes nothing more, stops what waits, tells what runs to stop, and waits until it has.
    pub async fn close(&self) {
        self.shared.close();
        self.shared.ended.cancelled().await;
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.close();
    }
}

impl Shared {
    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().expect("no holder panics")
    }

    /// The next operation, from now on running; none once the queue is closed and empty.
    async fn next(&self) -> Option<(Arc<Task>, Work)> {
        loop {
            let changed = self.changed.notified();
            {
                let mut list = self.list();
                if let Some((task, work)) = list.waiting.pop_front() {
                    task.set(State::Running { progress: None });
                    list.tell_places();
                    return Some((task, work));
                }
                if list.closed {
                    return None;
                }
            }
            changed.await;
        }
    }

    fn cancel(&self, task: &Task) {
        let mut list = self.list();
        match list.waiting.iter().position(|(waiting, _)| waiting.id() == task.id()) {
            Some(place) => {
                list.waiting.remove(place);
                list.tell_places();
                self.end(&mut list, task, State::Stopped { why: Why::Asked, problem: None });
            }
            None => task.tell_to_stop(Why::Asked),
        }
    }

    fn close(&self) {
        let mut list = self.list();
        list.closed = true;
        while let Some((task, _)) = list.waiting.pop_front() {
            self.end(&mut list, &task, State::Stopped { why: Why::Ending, problem: None });
        }
        list.tasks.values().filter(|task| task.is_running()).for_each(|task| task.tell_to_stop(Why::Ending));
        drop(list);
        self.changed.notify_one();
    }

    fn end(&self, list: &mut List, task: &Task, state: State) {
        let outcome = state.outcome();
        task.set(state);
        self.metrics.finished(outcome);
        tracing::info!(room = %self.room, operation = task.id(), outcome, "operation ended");
        list.ended.push_back(task.id());
        if list.ended.len() > REMEMBERED
            && let Some(oldest) = list.ended.pop_front()
        {
            list.tasks.remove(&oldest);
        }
    }

    async fn run(&self, task: &Arc<Task>, work: Work) {
        tracing::info!(room = %self.room, operation = task.id(), summary = task.summary(), "operation runs");
        let mut running = tokio::spawn(work(Turn::of(task.clone())));
        let ended = tokio::select! {
            ended = &mut running => Some(ended),
            () = task.stopped() => None,
            () = sleep(self.limits.operation) => { task.tell_to_stop(Why::Late); None }
        };
        let ended = match ended {
            None => timeout(self.limits.stop, &mut running).await.ok(),
            ended => ended,
        };
        if ended.is_none() {
            running.abort();
            // Nothing of it is left when the next one begins.
            let _ = running.await;
        }
        self.end(&mut self.list(), task, last_state(task, ended));
    }
}

impl List {
    fn tell_places(&self) {
        self.waiting.iter().enumerate().for_each(|(ahead, (task, _))| task.set(State::Waiting { ahead }));
    }
}

async fn run_all(shared: Arc<Shared>) {
    while let Some((task, work)) = shared.next().await {
        shared.run(&task, work).await;
    }
    shared.ended.cancel();
}

/// What became of an operation; nothing is known of one that was dropped.
fn last_state(task: &Task, ended: Option<Result<Result<Value, Problem>, JoinError>>) -> State {
    match (ended, task.why()) {
        (Some(Ok(Ok(result))), _) => State::Done { result },
        (Some(Ok(Err(problem))), None) => State::Failed { problem },
        (Some(Ok(Err(problem))), Some(why)) => State::Stopped { why, problem: Some(problem) },
        (Some(Err(_)), _) => {
            let place = format!("room {}, operation {}", task.room(), task.id());
            let (title, remedy) =
                ("this program has a fault, and the operation broke off", "see the daemon's log, and report what it says");
            State::Failed { problem: Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "fault", place, title, remedy) }
        }
        (None, why) => State::Stopped { why: why.unwrap_or(Why::Late), problem: None },
    }
}

#[cfg(test)]
mod tests;
