//! Order, one at a time, each way to end, and what is remembered.

use super::*;
use futures_util::StreamExt;
use serde_json::json;
use std::{
    future::pending,
    num::NonZeroUsize,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};
use tokio::sync::oneshot;

const LONG: Duration = Duration::from_secs(3600);

fn queue(waiting: usize, operation: Duration, stop: Duration) -> Queue {
    let limits = Limits { threads: NonZeroUsize::MIN, waiting, operation, stop };
    Queue::new(RoomId([7; 16]), limits, Arc::default())
}

async fn end(task: &Arc<Task>) -> State {
    let views: Vec<TaskView> = task.clone().follow().collect().await;
    views.last().unwrap().state.clone()
}

fn refused() -> Problem {
    Problem::new(StatusCode::CONFLICT, "refused", "here", "refused", "do something else")
}

/// One that runs until it is told to stop, and says so.
fn obedient(queue: &Queue, number: u64) -> Arc<Task> {
    let work = |turn: Turn| async move {
        turn.stopped().await;
        Err(refused())
    };
    queue.submit(number, "until told".to_owned(), work).unwrap()
}

#[tokio::test]
async fn operations_run_in_order_one_at_a_time() {
    let (queue, running) = (queue(10, LONG, LONG), Arc::new(AtomicUsize::new(0)));
    let order = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..5)
        .map(|number| {
            let (running, order) = (running.clone(), order.clone());
            let work = move |_| async move {
                assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "another one runs");
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::SeqCst);
                order.lock().unwrap().push(number);
                Ok(json!(number))
            };
            queue.submit(number, format!("number {number}"), work).unwrap()
        })
        .collect();
    for (number, task) in (0u64..).zip(&tasks) {
        assert_eq!(end(task).await, State::Done { result: json!(number) });
    }
    assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    assert_eq!(queue.load(), (0, 0));
}

#[tokio::test]
async fn what_waits_is_cancelled_without_running_and_others_move_up() {
    let queue = queue(2, LONG, LONG);
    let (go, gone) = oneshot::channel::<()>();
    let first = queue.submit(1, "first".to_owned(), |_| async { gone.await.map(|()| json!(1)).map_err(|_| refused()) }).unwrap();
    while queue.load() != (0, 1) {
        tokio::task::yield_now().await;
    }
    let second = queue.submit(2, "second".to_owned(), |_| async { panic!("it must not run") }).unwrap();
    let third = queue.submit(3, "third".to_owned(), |_| async { Ok(json!(3)) }).unwrap();
    let full = queue.submit(4, "fourth".to_owned(), |_| async { Ok(json!(4)) });
    assert!(full.is_err_and(|problem| problem.kind == "urn:cotenant:problem:queue-full" && problem.status == 429));
    assert_eq!(third.view().state, State::Waiting { ahead: 1 });
    queue.cancel(&second);
    assert_eq!(second.view().state, State::Stopped { why: Why::Asked, problem: None });
    assert_eq!(third.view().state, State::Waiting { ahead: 0 });
    go.send(()).unwrap();
    assert_eq!(end(&third).await, State::Done { result: json!(3) });
    queue.cancel(&first);
    assert_eq!(first.view().state, State::Done { result: json!(1) }, "what has ended stays");
}

#[tokio::test]
async fn what_runs_hears_that_it_must_stop_and_has_the_last_word() {
    let queue = queue(10, LONG, LONG);
    let obedient = obedient(&queue, 1);
    let finishing = queue
        .submit(2, "past the point of no return".to_owned(), |turn: Turn| async move {
            turn.stopped().await;
            Ok(json!("done after all"))
        })
        .unwrap();
    while !obedient.is_running() {
        tokio::task::yield_now().await;
    }
    queue.cancel(&obedient);
    assert_eq!(end(&obedient).await, State::Stopped { why: Why::Asked, problem: Some(refused()) });
    while !finishing.is_running() {
        tokio::task::yield_now().await;
    }
    queue.cancel(&finishing);
    assert_eq!(end(&finishing).await, State::Done { result: json!("done after all") });
}

#[tokio::test]
async fn what_does_not_stop_is_dropped() {
    let short = Duration::from_millis(1);
    let hasty = queue(10, short, short);
    struct Flag(Option<oneshot::Sender<()>>);
    impl Drop for Flag {
        fn drop(&mut self) {
            let _ = self.0.take().map(|sender| sender.send(()));
        }
    }
    let (dropped, was_dropped) = oneshot::channel();
    let flag = Flag(Some(dropped));
    let deaf = hasty
        .submit(1, "deaf".to_owned(), |turn: Turn| async move {
            let _flag = flag;
            turn.progress(Progress { stage: "waiting for ever".to_owned(), done: 1, wanted: 2 });
            pending().await
        })
        .unwrap();
    assert_eq!(end(&deaf).await, State::Stopped { why: Why::Late, problem: None });
    was_dropped.await.unwrap();
    assert_eq!(end(&obedient(&queue(10, short, LONG), 1)).await, State::Stopped { why: Why::Late, problem: Some(refused()) });
}

#[tokio::test]
async fn a_panic_ends_its_own_operation_alone() {
    let queue = queue(10, LONG, LONG);
    let broken = queue.submit(1, "broken".to_owned(), |_| async { panic!("swordfish") }).unwrap();
    let State::Failed { problem } = end(&broken).await else { panic!("it fails") };
    assert_eq!(problem.kind, "urn:cotenant:problem:fault");
    assert!(!problem.to_string().contains("swordfish"), "what a panic says is for the log");
    let next = queue.submit(2, "next".to_owned(), |_| async { Err(refused()) }).unwrap();
    assert_eq!(end(&next).await, State::Failed { problem: refused() });
}

#[tokio::test]
async fn a_closed_queue_ends_all_and_takes_nothing() {
    let queue = queue(10, LONG, LONG);
    let (running, waiting) = (obedient(&queue, 1), obedient(&queue, 2));
    while !running.is_running() {
        tokio::task::yield_now().await;
    }
    queue.close().await;
    assert_eq!(running.view().state, State::Stopped { why: Why::Ending, problem: Some(refused()) });
    assert_eq!(waiting.view().state, State::Stopped { why: Why::Ending, problem: None });
    assert!(queue.submit(3, "late".to_owned(), |_| async { Ok(json!(0)) }).is_err_and(|problem| problem.status == 503));
}

#[tokio::test]
async fn the_last_ended_ones_are_remembered() {
    let queue = queue(1000, LONG, LONG);
    let most = REMEMBERED as u64;
    // The last to end has the lowest number, as members have numbers of their own.
    let numbers = (2..=most + 3).chain([1]);
    let short = |number| queue.submit(number, "short".to_owned(), |_| async { Ok(json!(0)) }).unwrap();
    let tasks: Vec<_> = numbers.map(short).collect();
    end(tasks.last().unwrap()).await;
    let left: Vec<u64> = queue.tasks().iter().map(|task| task.id()).collect();
    assert_eq!(left, [1].into_iter().chain(5..=most + 3).collect::<Vec<_>>());
    assert!(queue.task(4).is_none() && queue.task(5).is_some());
    // Who followed it still sees how it ended.
    assert_eq!(end(&tasks[0]).await, State::Done { result: json!(0) });
}

#[test]
fn a_view_has_one_form() {
    let view = TaskView { id: 3, room: "r".to_owned(), summary: "put".to_owned(), state: State::Waiting { ahead: 2 } };
    assert_eq!(serde_json::to_value(&view).unwrap(), json!({"id": 3, "room": "r", "summary": "put", "state": "waiting", "ahead": 2}));
    let stopped = State::Stopped { why: Why::Asked, problem: Some(refused()) };
    let text = serde_json::to_string(&stopped).unwrap();
    assert!(text.contains(r#""state":"stopped","why":"asked""#), "{text}");
    assert_eq!(serde_json::from_str::<State>(&text).unwrap(), stopped);
}
