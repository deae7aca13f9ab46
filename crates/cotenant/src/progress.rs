//! How a call goes on, for a person: a bar on a terminal, plain lines elsewhere. Always on standard error.

use crate::{
    stages::{StageCost, Watcher},
    text,
};
use cotenant_mpc::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{IsTerminal, Write},
    sync::Mutex,
    time::{Duration, Instant},
};

/// Between two plain lines about one long step.
const PAUSE: Duration = Duration::from_secs(5);

/// Shows progress, each line under a label.
pub struct Console {
    label: String,
    view: View,
}

enum View {
    /// On a terminal.
    Bar(ProgressBar),
    /// Elsewhere; when the last line was written.
    Lines(Mutex<Instant>),
    /// Nothing.
    Quiet,
}

impl Console {
    /// A bar if standard error is a terminal, else plain lines, unless `quiet`, which leaves only the bar.
    pub fn new(label: String, quiet: bool) -> Self {
        let view = match (std::io::stderr().is_terminal(), quiet) {
            (true, _) => View::Bar(bar()),
            (false, false) => View::Lines(Mutex::new(Instant::now())),
            (false, true) => View::Quiet,
        };
        Console { label: text::message(&label), view }
    }

    /// A line that stays.
    pub fn line(&self, text: &str) {
        let text = text::message(text);
        match &self.view {
            View::Bar(bar) => bar.suspend(|| say(&format!("{}: {text}", self.label))),
            View::Lines(_) => say(&format!("{}: {text}", self.label)),
            View::Quiet => {}
        }
    }

    /// What is being waited for; a line that goes away on a terminal.
    pub fn waiting(&self, text: &str) {
        let text = text::message(text);
        match &self.view {
            View::Bar(bar) => {
                bar.set_style(style("{spinner} {msg}"));
                bar.set_message(format!("{}: {text}", self.label));
            }
            View::Lines(_) => say(&format!("{}: {text}", self.label)),
            View::Quiet => {}
        }
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        if let View::Bar(bar) = &self.view {
            bar.finish_and_clear();
        }
    }
}

impl Watcher for Console {
    fn progress(&self, progress: Progress) {
        match &self.view {
            View::Bar(bar) => {
                bar.set_style(style("{spinner} {msg} {wide_bar} {percent:>3} %"));
                bar.set_length(progress.wanted);
                bar.set_position(progress.done);
                bar.set_message(format!("{}: {}", self.label, progress.phase));
            }
            View::Lines(last) => {
                let mut last = last.lock().expect("no holder panics");
                if last.elapsed() >= PAUSE {
                    *last = Instant::now();
                    let percent = progress.done * 100 / progress.wanted.max(1);
                    say(&format!("{}: {} {percent} %, {} sent", self.label, progress.phase, megabytes(progress.sent_bytes)));
                }
            }
            View::Quiet => {}
        }
    }

    fn finished(&self, cost: &StageCost) {
        let text = format!("{} done in {:.2} s, {} sent", cost.stage, cost.seconds, megabytes(cost.sent_bytes));
        match &self.view {
            View::Bar(_) => self.waiting(&text),
            View::Lines(_) | View::Quiet => self.line(&text),
        }
    }
}

/// Bytes as people read them.
pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr()).with_style(style("{spinner} {msg}"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates here are well-formed")
}

/// A standard error that is gone is no reason to stop.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
