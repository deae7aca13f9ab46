//! The daemon as a process: how it starts, is asked, is watched, and ends.

use crate::common::{command, daemon::Daemon as Process, error, run, signal, text};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    process::{Child, ChildStderr},
};
use tempfile::TempDir;

/// A home with an identity, and metrics at any free port.
fn home() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("alice");
    assert!(run(&["init", "--home", home.to_str().unwrap(), "--name", "alice"]).status.success());
    change(&home, "127.0.0.1:9464", "127.0.0.1:0");
    change(&home, "0.0.0.0:7001", "127.0.0.1:0");
    (dir, home)
}

fn change(home: &Path, from: &str, to: &str) {
    let file = home.join("cotenant.toml");
    let before = fs::read_to_string(&file).unwrap();
    let after = before.replacen(&format!("= \"{from}\""), &format!("= \"{to}\""), 1);
    assert_ne!(before, after);
    fs::write(file, after).unwrap();
}

/// A daemon that runs.
struct Daemon {
    process: Child,
    log: BufReader<ChildStderr>,
    /// The lines that it logged up to readiness.
    lines: Vec<String>,
}

impl Daemon {
    fn start(home: &Path, more: &[&str]) -> Daemon {
        Self::start_with(home, more, &[])
    }

    fn start_with(home: &Path, more: &[&str], variables: &[(&str, &str)]) -> Daemon {
        let arguments = [&["serve", "--home", home.to_str().unwrap()], more].concat();
        let mut process = command(&arguments).envs(variables.iter().copied()).spawn().unwrap();
        let log = BufReader::new(process.stderr.take().unwrap());
        let mut daemon = Daemon { process, log, lines: Vec::new() };
        loop {
            let mut line = String::new();
            assert_ne!(daemon.log.read_line(&mut line).unwrap(), 0, "it ended before it was ready: {:?}", daemon.lines);
            daemon.lines.push(line);
            if daemon.lines.last().unwrap().contains("ready") {
                return daemon;
            }
        }
    }

    /// Tells it to end. The exit status, and all it logged.
    fn end(mut self, with: &str) -> (Option<i32>, Vec<String>) {
        signal(with, self.process.id());
        let mut rest = String::new();
        self.log.read_to_string(&mut rest).unwrap();
        let status = self.process.wait().unwrap().code();
        (status, self.lines.drain(..).chain(rest.lines().map(str::to_owned)).collect())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn status(home: &Path) -> Value {
    let output = run(&["status", "--home", home.to_str().unwrap(), "--json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// One request of HTTP/1.1; head and body of the answer.
fn ask(mut stream: impl Read + Write, method: &str, path: &str) -> (String, String) {
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

#[test]
fn it_answers_at_a_socket_that_is_its_owners_alone() {
    let (_dir, home) = home();
    let nothing = run(&["status", "--home", home.to_str().unwrap()]);
    assert!(error(&nothing).contains("api.sock: no daemon answers") && error(&nothing).contains("cotenant serve --home"));
    let daemon = Daemon::start(&home, &[]);
    let socket = home.join("api.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let status = status(&home);
    let identity = text(&run(&["id", "--home", home.to_str().unwrap()]).stdout);
    assert_eq!(status["identity"].as_str(), Some(identity.trim()));
    assert_eq!(status["process"].as_u64(), Some(daemon.process.id().into()));
    assert_eq!(status["rooms"].as_array().map(Vec::len), Some(0));
    let people = text(&run(&["status", "--home", home.to_str().unwrap()]).stdout);
    assert!(people.contains(identity.trim()) && people.contains("rooms     none"), "{people}");
    // The store and its key are there, for nobody else.
    for (path, mode) in [("store", 0o700), ("store.key", 0o600)] {
        assert_eq!(fs::metadata(home.join(path)).unwrap().permissions().mode() & 0o777, mode, "{path}");
    }
}

#[test]
fn what_is_not_there_is_a_problem_with_what_where_and_what_to_do() {
    let (_dir, home) = home();
    let _daemon = Daemon::start(&home, &[]);
    let ask = |method, path| ask(UnixStream::connect(home.join("api.sock")).unwrap(), method, path);
    let room = "q".repeat(26);
    let cases = [
        ("GET", "/v2", 404, "no-such-path"),
        ("POST", "/v1/status", 405, "wrong-method"),
        ("GET", "/v1/rooms/x%1b%5b2J/tasks", 404, "no-such-room"),
        ("DELETE", &format!("/v1/rooms/{room}/tasks/1"), 404, "no-such-room"),
    ];
    for (method, path, status, kind) in cases {
        let (head, body) = ask(method, path);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")) && head.contains("application/problem+json"), "{head}");
        let problem: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(problem["type"].as_str(), Some(&*format!("urn:cotenant:problem:{kind}")));
        for part in ["title", "where", "do"] {
            let part = problem[part].as_str().unwrap();
            assert!(!part.is_empty() && part.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{part}");
        }
    }
}

#[test]
fn it_ends_well_when_it_is_told_to() {
    let (_dir, home) = home();
    for with in ["-TERM", "-INT", "-HUP"] {
        let daemon = Daemon::start(&home, &[]);
        assert!(home.join("api.sock").exists());
        let (status, log) = daemon.end(with);
        assert_eq!(status, Some(0), "{with}: {log:?}");
        assert!(!home.join("api.sock").exists(), "the socket is removed");
        assert!(log.last().unwrap().contains("ended"), "{log:?}");
    }
}

#[test]
fn a_home_has_one_daemon() {
    let (_dir, home) = home();
    let first = Daemon::start(&home, &[]);
    let second = run(&["serve", "--home", home.to_str().unwrap()]);
    assert_eq!(second.status.code(), Some(1));
    let said = error(&second);
    assert!(said.contains("daemon.lock: another daemon") && said.contains(&format!("process {}", first.process.id())), "{said}");
    assert_eq!(status(&home)["process"].as_u64(), Some(first.process.id().into()), "the first one still answers");
    // One that is killed leaves its socket, which the next one replaces.
    signal("-KILL", first.process.id());
    drop(first);
    assert!(home.join("api.sock").exists());
    let third = Daemon::start(&home, &[]);
    assert_eq!(status(&home)["process"].as_u64(), Some(third.process.id().into()));
}

#[test]
fn metrics_are_shown_at_a_loopback_address() {
    let (_dir, home) = home();
    let _daemon = Daemon::start(&home, &[]);
    let address = status(&home)["metrics"].as_str().unwrap().to_owned();
    assert!(address.starts_with("127.0.0.1:"));
    let (head, body) = ask(TcpStream::connect(&address).unwrap(), "GET", "/metrics");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("application/openmetrics-text; version=1.0.0"), "{head}");
    let samples = samples(&body);
    let value = |name: &str| samples.iter().find(|(found, _)| found == name).map(|(_, value)| *value);
    let version = format!("cotenant_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(value(&version), Some(1.0));
    assert_eq!((value("cotenant_up"), value("cotenant_rooms")), (Some(1.0), Some(0.0)));
    assert!(value("cotenant_uptime_seconds").is_some_and(|seconds| seconds >= 0.0));
    for state in ["waiting", "running"] {
        assert_eq!(value(&format!("cotenant_operations{{state=\"{state}\"}}")), Some(0.0));
    }
    for outcome in ["done", "failed", "stopped"] {
        assert_eq!(value(&format!("cotenant_operations_finished_total{{outcome=\"{outcome}\"}}")), Some(0.0));
    }
    // A page of the web whose name was made to lead here asks under that name.
    let port = address.rsplit_once(':').unwrap().1;
    for (host, status) in [
        ("rebound.example", 421),
        (&*format!("rebound.example:{port}"), 421),
        ("127.0.0.1.rebound.example", 421),
        ("", 421),
        (&*address, 200),
        (&*format!("localhost:{port}"), 200),
        (&*format!("[::1]:{port}"), 200),
        ("[::1]", 200),
        ("127.0.0.1", 200),
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {answer}");
        assert_eq!(answer.contains("cotenant_up"), status == 200, "{host}");
    }
    let (other, _) = ask(TcpStream::connect(&address).unwrap(), "GET", "/v1/status");
    assert!(other.starts_with("HTTP/1.1 404 "), "only metrics are shown there: {other}");
}

/// Whoever opens many connections to the metrics and says nothing takes a few places for some seconds, and no more.
#[test]
fn silent_connections_to_the_metrics_are_few_and_end() {
    let (_dir, home) = home();
    let _daemon = Daemon::start(&home, &[]);
    let address = status(&home)["metrics"].as_str().unwrap().to_owned();
    let mut silent: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(&address).unwrap()).collect();
    // All are closed, most at once; reading says so by an end or an error.
    let is_closed = |stream: &mut TcpStream| !matches!(stream.read(&mut [0; 1]), Ok(1));
    assert!(silent.iter_mut().all(is_closed));
    let (head, _) = ask(TcpStream::connect(&address).unwrap(), "GET", "/metrics");
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
}

/// Names and values of a text in the format of OpenMetrics, every line of which must be well-formed and belong to a metric with a type.
fn samples(text: &str) -> Vec<(String, f64)> {
    let lines = text.strip_suffix("# EOF\n").unwrap().lines();
    let (about, samples): (Vec<&str>, Vec<&str>) = lines.partition(|line| line.starts_with('#'));
    let typed: Vec<&str> = about.iter().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    samples
        .into_iter()
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let metric = name.split('{').next().unwrap();
            assert!(
                typed.iter().any(|typed| metric.strip_prefix(typed).is_some_and(|rest| ["", "_total", "_info"].contains(&rest))),
                "{line}"
            );
            (name.to_owned(), value.parse().unwrap())
        })
        .collect()
}

#[test]
fn a_daemon_has_a_limit_of_0_for_core_files() {
    let (_dir, home) = home();
    // Started with all that this process may have.
    let daemon = Process::start_within(&home, &["sh", "-c", "ulimit -S -c $(ulimit -H -c); exec \"$@\"", "sh"]);
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.process())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    assert_eq!(line.split_whitespace().collect::<Vec<_>>(), ["0", "0", "bytes"]);
}

#[test]
fn the_log_is_json_when_asked() {
    let (_dir, home) = home();
    let by_flag = Daemon::start(&home, &["--json"]).end("-TERM");
    change(&home, "text", "json");
    let by_file = Daemon::start(&home, &[]).end("-TERM");
    for (status, log) in [by_flag, by_file] {
        assert_eq!(status, Some(0));
        let events: Vec<Value> = log.iter().map(|line| serde_json::from_str(line).expect(line)).collect();
        assert!(events.iter().all(|event| event["timestamp"].is_string() && event["level"].is_string() && event["message"].is_string()));
        assert!(events.iter().any(|event| event["message"] == "ready" && event["version"] == env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn a_wrong_configuration_is_refused_with_its_line() {
    let (_dir, home) = home();
    let file = home.join("cotenant.toml");
    let serve = || run(&["serve", "--home", home.to_str().unwrap()]);
    let good = fs::read_to_string(&file).unwrap();
    let line = good.lines().position(|line| line.starts_with("stop_seconds")).unwrap() + 1;
    fs::write(&file, good.replace("stop_seconds =", "stop_secs =")).unwrap();
    let output = serve();
    assert_eq!(output.status.code(), Some(78));
    let wanted =
        format!("cotenant: {}, line {line}: unknown key \"stop_secs\" in [limits]; did you mean \"stop_seconds\"?\n", file.display());
    assert_eq!(error(&output), wanted);
    fs::write(&file, &good).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(error(&serve()).contains("cotenant.toml: others may write it (mode 0666)"));
    fs::remove_file(&file).unwrap();
    assert!(error(&serve()).contains("cotenant.toml: is missing; make one with all defaults: cotenant serve --print-config >"));
    assert_eq!(serve().status.code(), Some(78));
    let printed = text(&run(&["serve", "--print-config"]).stdout);
    let own = printed.replacen("= \"127.0.0.1:9464\"", "= \"127.0.0.1:0\"", 1).replacen("= \"0.0.0.0:7001\"", "= \"127.0.0.1:0\"", 1);
    assert_eq!(own, good, "what init writes is what is printed");
    assert!(error(&run(&["serve", "--home", "/none"])).contains("/none"));
}

#[test]
fn a_passphrase_may_come_as_a_credential_and_opens_the_store_again() {
    let (dir, home) = home();
    change(&home, "key-file", "passphrase-file");
    change(&home, "store.key", "credential:passphrase");
    let credential = dir.path().join("passphrase");
    let variables = [("CREDENTIALS_DIRECTORY", dir.path().to_str().unwrap())];
    let mode = |mode| fs::set_permissions(&credential, fs::Permissions::from_mode(mode)).unwrap();
    fs::write(&credential, "correct horse\n").unwrap();
    mode(0o644);
    let read_by_all = command(&["serve", "--home", home.to_str().unwrap()]).envs(variables).output().unwrap();
    assert!(error(&read_by_all).contains("chmod 600"), "{}", text(&read_by_all.stderr));
    mode(0o600);
    for _ in 0..2 {
        assert_eq!(Daemon::start_with(&home, &[], &variables).end("-TERM").0, Some(0));
    }
    fs::write(&credential, "wrong horse\n").unwrap();
    let arguments = ["serve", "--home", home.to_str().unwrap()];
    let wrong = command(&arguments).envs(variables).output().unwrap();
    assert!(error(&wrong).contains("wrong passphrase"), "{}", text(&wrong.stderr));
    assert!(!home.join("api.sock").exists() && !home.join("store.key").exists());
    fs::remove_file(&credential).unwrap();
    let none = command(&arguments).envs(variables).output().unwrap();
    assert!(error(&none).contains("passphrase: cannot be read") && error(&none).contains("unlock_from"));
}
