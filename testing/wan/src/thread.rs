//! Threads that carry: they do little at a time, and what waits for them would see a longer delay.

use nix::unistd::gettid;
use std::{
    process::{Command, Stdio},
    thread,
};

/// Among real-time threads (sched(7)).
const PRIORITY: &str = "50";

/// Starts a thread that goes before the others of the machine, if the system lets it. Where it does not, delays are longer while the machine is busy.
pub(crate) fn spawn(work: impl FnOnce() + Send + 'static) {
    thread::spawn(move || {
        let mut change = Command::new("chrt");
        change.args(["--fifo", "--pid", PRIORITY, &gettid().to_string()]);
        let _ = change.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        work();
    });
}
