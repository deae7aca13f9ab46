//! What the steps of a session cost one party, by the clocks of the machine.

use cotenant_mpc::{Progress, Task};
use nix::{
    sys::resource::{UsageWho, getrusage},
    time::{ClockId, clock_gettime},
};
use serde::{Deserialize, Serialize};
use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

/// One step of one party.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its name.
    pub name: String,
    /// By the clock on the wall.
    pub seconds: f64,
    /// For which the thread that computes had a processor; the rest of `seconds` it waited.
    pub computing_s: f64,
    /// The part of `computing_s` in the system's kernel, as far as its clock shows (getrusage(2)): fresh memory, most of all.
    pub kernel_s: f64,
    /// Processor time of all other threads of the process: links, with their TLS, and threads of the engine.
    pub others_s: f64,
    /// Message bytes sent to all other parties together.
    pub sent_bytes: u64,
    /// Pages that the process touched first (minor faults of getrusage(2)).
    pub faults: u64,
}

/// Takes the time of one step after the other. Clones are the same. All calls are made by the thread that computes.
#[derive(Clone, Default)]
pub struct Steps(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    open: Option<(String, Mark)>,
    done: Vec<Step>,
}

impl Steps {
    /// Ends the step before; starts a step, if it has not been started just before.
    pub fn enter(&self, name: &str, sent_bytes: u64) {
        let mut state = self.0.lock().expect("no holder panics");
        if state.open.as_ref().is_none_or(|(open, _)| open != name) {
            let mark = Mark::new(sent_bytes);
            state.close(&mark);
            state.open = Some((name.to_owned(), mark));
        }
    }

    /// The engine tells when it begins a step.
    pub fn progress(&self, progress: Progress) {
        let (_, name) = Task::ALL.iter().find(|(task, _)| *task == progress.task).expect("all tasks are listed");
        self.enter(name, progress.sent_bytes);
    }

    /// Ends the last step; all of them, in order. What came several times is there once, with the sum.
    pub fn finish(&self, sent_bytes: u64) -> Vec<Step> {
        let mut state = self.0.lock().expect("no holder panics");
        state.close(&Mark::new(sent_bytes));
        std::mem::take(&mut state.done)
    }
}

impl State {
    fn close(&mut self, end: &Mark) {
        if let Some((name, start)) = self.open.take() {
            let computing_s = end.thread_s - start.thread_s;
            let step = Step {
                name,
                seconds: (end.at - start.at).as_secs_f64(),
                computing_s,
                kernel_s: (end.kernel_s - start.kernel_s).max(0.0),
                // The clocks are not read at the same moment.
                others_s: (end.process_s - start.process_s - computing_s).max(0.0),
                sent_bytes: end.sent_bytes - start.sent_bytes,
                faults: end.faults - start.faults,
            };
            match self.done.iter_mut().find(|before| before.name == step.name) {
                Some(before) => before.add(&step),
                None => self.done.push(step),
            }
        }
    }
}

impl Step {
    fn add(&mut self, more: &Step) {
        self.seconds += more.seconds;
        self.computing_s += more.computing_s;
        self.kernel_s += more.kernel_s;
        self.others_s += more.others_s;
        self.sent_bytes += more.sent_bytes;
        self.faults += more.faults;
    }
}

/// The clocks and counters at one moment.
struct Mark {
    at: Instant,
    thread_s: f64,
    kernel_s: f64,
    process_s: f64,
    sent_bytes: u64,
    faults: u64,
}

impl Mark {
    fn new(sent_bytes: u64) -> Mark {
        // The kernel's part is known in ticks of some milliseconds only; these clocks are exact.
        let [thread_s, process_s] = [ClockId::CLOCK_THREAD_CPUTIME_ID, ClockId::CLOCK_PROCESS_CPUTIME_ID].map(|clock| {
            let time = clock_gettime(clock).expect("Linux has both clocks");
            time.tv_sec() as f64 + time.tv_nsec() as f64 * 1e-9
        });
        let [thread, process] = [UsageWho::RUSAGE_THREAD, UsageWho::RUSAGE_SELF].map(|who| getrusage(who).expect("Linux knows both"));
        let kernel = thread.system_time();
        Mark {
            at: Instant::now(),
            thread_s,
            kernel_s: kernel.tv_sec() as f64 + kernel.tv_usec() as f64 * 1e-6,
            process_s,
            sent_bytes,
            faults: process.minor_page_faults() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[test]
    fn a_step_ends_where_the_next_one_starts() {
        let steps = Steps::default();
        steps.enter("one", 0);
        steps.clone().enter("one", 5);
        steps.enter("two", 7);
        black_box(vec![1u8; 64 << 20]);
        steps.enter("one", 10);
        let done = steps.finish(11);
        assert_eq!(done.iter().map(|step| (step.name.as_str(), step.sent_bytes)).collect::<Vec<_>>(), [("one", 8), ("two", 3)]);
        assert!(done[1].faults > done[0].faults && done[1].computing_s > 0.0, "64 MiB were touched in the second: {done:?}");
        assert!(steps.finish(11).is_empty());
    }
}
