//! The daemon as a process.

use super::{command, run, signal, text};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread::{self, JoinHandle},
};

/// A home of a party with an identity, metrics at any free port, and an address of its own.
pub(crate) fn home_at(dir: &Path, name: &str) -> PathBuf {
    let home = dir.join(name);
    assert!(run(&["init", "--home", home.to_str().unwrap(), "--name", name]).status.success());
    // Free just now; nothing else of this machine is told to take it.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    change(&home, "address", "\"127.0.0.1:0\"");
    change(&home, "listen", &format!("\"{free}\""));
    home
}

/// Gives a key of `cotenant.toml` another value.
pub(crate) fn change(home: &Path, key: &str, value: &str) {
    let file = home.join("cotenant.toml");
    let before = fs::read_to_string(&file).unwrap();
    let line = before.lines().find(|line| line.starts_with(&format!("{key} ="))).unwrap();
    fs::write(&file, before.replacen(line, &format!("{key} = {value}"), 1)).unwrap();
}

/// A daemon that runs.
pub(crate) struct Daemon {
    pub(crate) home: PathBuf,
    /// A command that starts another one, as on another host.
    within: Vec<String>,
    process: Child,
    /// Reads what it logs, so that it can always log more, until it ends.
    log: Option<JoinHandle<String>>,
}

impl Daemon {
    pub(crate) fn start(home: &Path) -> Daemon {
        Self::start_within(home, &[])
    }

    /// Started by the command `within`, if there is one.
    pub(crate) fn start_within(home: &Path, within: &[&str]) -> Daemon {
        let serve = command(&["serve", "--home", home.to_str().unwrap()]);
        let mut serve = match within.split_first() {
            None => serve,
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(serve.get_program()).args(serve.get_args());
                command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
                command
            }
        };
        let mut process = serve.spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut lines = String::new();
        while !lines.contains("ready") {
            assert_ne!(log.read_line(&mut lines).unwrap(), 0, "it ended before it was ready: {lines}");
        }
        let within = within.iter().map(|word| (*word).to_owned()).collect();
        let log = thread::spawn(move || {
            log.read_to_string(&mut lines).unwrap();
            lines
        });
        Daemon { home: home.to_owned(), within, process, log: Some(log) }
    }

    /// Runs a command of this party to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        run(&[arguments, &["--home", self.home.to_str().unwrap()]].concat())
    }

    /// What a command prints with `--json`.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Its number as a process.
    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }

    /// Ends it in this way, and what it logged, then what it wrote to its standard output.
    pub(crate) fn end(mut self, with: &str) -> String {
        signal(with, self.process.id());
        self.ended()
    }

    /// What it logged, and what it wrote to its standard output, once it has ended.
    fn ended(&mut self) -> String {
        let mut said = self.log.take().unwrap().join().unwrap();
        self.process.stdout.take().unwrap().read_to_string(&mut said).unwrap();
        said
    }

    /// Ends it in this way and starts it again.
    pub(crate) fn restart(self, with: &str) -> Daemon {
        signal(with, self.process.id());
        self.again()
    }

    /// Starts it again once it has ended.
    pub(crate) fn again(mut self) -> Daemon {
        let (home, within) = (self.home.clone(), self.within.clone());
        self.ended();
        drop(self);
        Daemon::start_within(&home, &within.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
