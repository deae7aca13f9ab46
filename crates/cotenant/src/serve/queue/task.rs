//! One operation in a queue: what is known of it, for whoever asks, and how it hears that it must stop.

use super::Problem;
use crate::stages::{StageCost, Watcher};
use cotenant_agent::room::RoomId;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::{Arc, OnceLock};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// One operation in a queue.
pub struct Task {
    id: u64,
    room: RoomId,
    summary: String,
    state: watch::Sender<State>,
    stop: CancellationToken,
    why: OnceLock<Why>,
}

/// An operation as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskView {
    /// The operation's number in the room.
    pub id: u64,
    /// The room.
    pub room: String,
    /// What it does.
    pub summary: String,
    /// How far it has come.
    #[serde(flatten)]
    pub state: State,
}

/// How far an operation has come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// It waits for its turn.
    Waiting {
        /// How many wait before it.
        ahead: usize,
    },
    /// It runs.
    Running {
        /// What it said last.
        progress: Option<Progress>,
    },
    /// It did what it was to do.
    Done {
        /// Its result.
        result: Value,
    },
    /// It did not.
    Failed {
        /// Why.
        problem: Problem,
    },
    /// It was told to stop before it was done.
    Stopped {
        /// Why it was.
        why: Why,
        /// What it said; nothing if it never ran, or was dropped because it did not stop.
        problem: Option<Problem>,
    },
}

/// How a running operation goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The stage.
    pub stage: String,
    /// Steps done.
    pub done: u64,
    /// Steps there are; 0 if they are not counted.
    pub wanted: u64,
}

/// Why an operation is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Somebody cancelled it.
    Asked,
    /// Its time is over.
    Late,
    /// The daemon ends.
    Ending,
}

/// What a running operation has of the queue.
#[derive(Clone)]
pub struct Turn {
    task: Arc<Task>,
}

impl Turn {
    pub(super) fn of(task: Arc<Task>) -> Self {
        Turn { task }
    }

    /// Says how the operation goes on. Only the last word is kept.
    pub fn progress(&self, progress: Progress) {
        self.task.set(State::Running { progress: Some(progress) });
    }

    /// A stage of a call has ended.
    pub fn finished_stage(&self, stage: &str) {
        self.progress(Progress { stage: format!("{stage} done"), done: 0, wanted: 0 });
    }

    /// Ends when the operation is to stop. One that is past the point of no return goes on instead, and has `limits.stop_seconds` for it.
    pub async fn stopped(&self) {
        self.task.stopped().await;
    }

    /// Why it is to stop, if it is.
    pub fn why(&self) -> Option<Why> {
        self.task.why()
    }
}

impl Watcher for Turn {
    fn progress(&self, progress: cotenant_mpc::Progress) {
        Turn::progress(self, Progress { stage: progress.phase.to_string(), done: progress.done, wanted: progress.wanted });
    }

    fn finished(&self, cost: &StageCost) {
        self.finished_stage(&cost.stage);
    }
}

impl Task {
    pub(super) fn new(id: u64, room: RoomId, summary: String, ahead: usize) -> Self {
        let (state, stop, why) = (watch::Sender::new(State::Waiting { ahead }), CancellationToken::new(), OnceLock::new());
        Task { id, room, summary, state, stop, why }
    }

    /// Its number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The room.
    pub fn room(&self) -> RoomId {
        self.room
    }

    /// What it does, in a few words.
    pub fn summary(&self) -> &str {
        &self.summary
    }

    /// All that is known of it now.
    pub fn view(&self) -> TaskView {
        self.with(self.state.borrow().clone())
    }

    /// What is known of it now, and again whenever that has changed, up to its end. What changes faster than it is read is left out.
    pub fn follow(self: Arc<Self>) -> impl futures_util::Stream<Item = TaskView> + Send {
        let mut states = self.state.subscribe();
        states.mark_changed();
        futures_util::stream::unfold(Some((self, states)), |following| async {
            let (task, mut states) = following?;
            // The task keeps its sender.
            states.changed().await.ok()?;
            let view = task.with(states.borrow_and_update().clone());
            let more = !view.state.is_last();
            Some((view, more.then_some((task, states))))
        })
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(*self.state.borrow(), State::Running { .. })
    }

    /// A state that is the last one stays: a thread of an operation that was dropped may still have something to say.
    pub(super) fn set(&self, state: State) {
        self.state.send_if_modified(|now| {
            let changes = !now.is_last() && *now != state;
            if changes {
                *now = state;
            }
            changes
        });
    }

    pub(super) fn tell_to_stop(&self, why: Why) {
        // The first reason is the one that counts.
        let _ = self.why.set(why);
        self.stop.cancel();
    }

    pub(super) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    pub(super) fn why(&self) -> Option<Why> {
        self.why.get().copied()
    }

    fn with(&self, state: State) -> TaskView {
        TaskView { id: self.id, room: self.room.to_string(), summary: self.summary.clone(), state }
    }
}

impl State {
    /// Whether it changes no more.
    pub fn is_last(&self) -> bool {
        !matches!(self, State::Waiting { .. } | State::Running { .. })
    }

    /// The word for it in metrics and logs.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            State::Waiting { .. } => "waiting",
            State::Running { .. } => "running",
            State::Done { .. } => "done",
            State::Failed { .. } => "failed",
            State::Stopped { .. } => "stopped",
        }
    }
}
