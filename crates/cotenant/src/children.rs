//! Several parties on one machine: homes on the loopback interface, and one child process of this program for each.

use crate::home::{self, Home, HomeError, config};
use cotenant_net::Member;
use futures_util::{StreamExt, stream::FuturesUnordered};
use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
    os::unix::process::parent_id,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::Command,
    sync::mpsc,
    time::{Instant, sleep, sleep_until},
};

/// How long the others may go on after one process has failed; they notice by themselves as a rule.
const GRACE: Duration = Duration::from_secs(15);

/// The variable by which a process is told who started it.
const PARENT: &str = "COTENANT_PARENT";

/// What a process starts its error with, so that it can be told from lines about progress.
pub const ERROR_PREFIX: &str = "cotenant: ";

/// Why the processes could not be started or waited for.
#[derive(Debug, thiserror::Error)]
pub enum ChildrenError {
    /// This program cannot be found, started or waited for.
    #[error("cannot run {program}: {source}")]
    Run {
        /// The program.
        program: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// No free ports.
    #[error("cannot find a free port on the loopback interface: {0}")]
    Port(io::Error),
    /// A process failed; its own words.
    #[error("{0}")]
    Failed(String),
}

/// Makes homes of `parties` parties in `dir`/party-1 and so on, for members at free ports of the loopback interface.
///
/// # Errors
/// What could not be made.
pub fn make_homes(dir: &Path, parties: usize) -> Result<Vec<PathBuf>, MakeHomesError> {
    let homes: Vec<PathBuf> = (1..=parties).map(|i| dir.join(format!("party-{i}"))).collect();
    let ports = free_ports(parties).map_err(ChildrenError::Port)?;
    let mut members = Vec::new();
    for (i, (home, port)) in homes.iter().zip(ports).enumerate() {
        let name = format!("party-{}", i + 1);
        let identity = home::init(home, &name)?;
        members.push(Member { name, identity, address: format!("127.0.0.1:{port}") });
    }
    for (home, member) in homes.iter().zip(&members) {
        let path = home.join(home::PARTY);
        fs::write(&path, config::render(&member.name, &members)).map_err(|source| HomeError::Write { path, source })?;
    }
    homes.iter().try_for_each(|home| Home::open(home).map(drop))?;
    Ok(homes)
}

/// Why homes could not be made.
#[derive(Debug, thiserror::Error)]
pub enum MakeHomesError {
    /// A home.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// The ports.
    #[error(transparent)]
    Children(#[from] ChildrenError),
}

impl From<MakeHomesError> for crate::error::Error {
    fn from(error: MakeHomesError) -> Self {
        match error {
            MakeHomesError::Home(error) => error.into(),
            MakeHomesError::Children(error) => error.into(),
        }
    }
}

/// Ports at which nothing listens now. They lie below those that systems give to outgoing connections, which could take them meanwhile.
fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    let mut found: Vec<TcpListener> = Vec::new();
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..100 * count {
        let mut random = [0; 2];
        getrandom::fill(&mut random)?;
        let port = 20_000 + u16::from_le_bytes(random) % 12_000;
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(listener) => found.push(listener),
            Err(e) => last = e,
        }
        if found.len() == count {
            return found.iter().map(|listener| Ok(listener.local_addr()?.port())).collect();
        }
    }
    Err(last)
}

/// What becomes of a process's standard output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stdout {
    /// It is kept.
    Keep,
    /// It is that of this process.
    Inherit,
    /// It is thrown away.
    Discard,
}

/// A process to start.
pub struct Task {
    /// The arguments after the program's name.
    pub arguments: Vec<String>,
    /// What becomes of its output.
    pub stdout: Stdout,
    /// A file for a copy of what it writes to standard error.
    pub log: Option<PathBuf>,
}

/// How a process ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Its exit status; none if a signal ended it.
    pub status: Option<i32>,
    /// Its output, if that was kept.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Ended {
    /// Whether it did what it was asked for.
    pub fn succeeded(&self) -> bool {
        self.status == Some(0)
    }

    /// Its error without the program's name, as one text.
    pub fn error(&self) -> String {
        let lines: Vec<&str> = self.stderr.lines().skip_while(|line| !line.starts_with(ERROR_PREFIX)).collect();
        let text = lines.join("\n");
        match (text.strip_prefix(ERROR_PREFIX), self.status) {
            (Some(text), _) => text.to_owned(),
            (None, None) => "was ended by a signal".to_owned(),
            (None, Some(status)) => format!("ended with status {status}: {}", self.stderr.lines().last().unwrap_or_default()),
        }
    }
}

/// Runs `program` once for each task, all at once, `input` on everybody's standard input, until all have ended. `line` sees each line of
/// standard error with the number of its process. After one has failed the others have 15 seconds. Dropping the future kills all.
///
/// # Errors
/// [`ChildrenError::Run`]. That a process failed is no error of this function.
pub async fn run(program: &Path, tasks: Vec<Task>, input: &[u8], mut line: impl FnMut(usize, &str)) -> Result<Vec<Ended>, ChildrenError> {
    let failed = |source| ChildrenError::Run { program: program.display().to_string(), source };
    let count = tasks.len();
    let (lines, mut seen) = mpsc::unbounded_channel();
    // Held here and not by tasks of their own: dropping this future kills them all there and then.
    let mut running = FuturesUnordered::new();
    for (i, task) in tasks.into_iter().enumerate() {
        let child = start(program, &task).map_err(failed)?;
        let (input, lines) = (input.to_vec(), lines.clone());
        running.push(async move { (i, attend(child, input, task.log, |text| drop(lines.send((i, text)))).await) });
    }
    drop(lines);
    let mut ended: Vec<Option<Ended>> = vec![None; count];
    let mut deadline = None;
    while !running.is_empty() {
        let late = async {
            match deadline {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some((i, text)) = seen.recv() => line(i, &text),
            Some((i, end)) = running.next() => {
                let end = end.map_err(failed)?;
                if !end.succeeded() {
                    deadline = deadline.or(Some(Instant::now() + GRACE));
                }
                ended[i] = Some(end);
            }
            () = late => break,
        }
    }
    drop(running);
    while let Ok((i, text)) = seen.try_recv() {
        line(i, &text);
    }
    let killed = || Ended { status: None, stdout: Vec::new(), stderr: String::new() };
    Ok(ended.into_iter().map(|end| end.unwrap_or_else(killed)).collect())
}

/// The process whose failure explains the others': one that found a fault itself, `first` before others; none if all succeeded.
pub fn cause(ended: &[Ended], first: usize) -> Option<(usize, &Ended)> {
    let consequence = i32::from(crate::error::CONSEQUENCE);
    let failed = |wanted: fn(Option<i32>, i32) -> bool| {
        let mut all = std::iter::once(first).chain(0..ended.len()).filter(move |&i| !ended[i].succeeded());
        all.find(move |&i| wanted(ended[i].status, consequence))
    };
    let own = failed(|status, consequence| status.is_some_and(|status| status != consequence));
    own.or_else(|| failed(|_, _| true)).map(|i| (i, &ended[i]))
}

fn start(program: &Path, task: &Task) -> io::Result<tokio::process::Child> {
    let stdout = match task.stdout {
        Stdout::Keep => Stdio::piped(),
        Stdout::Inherit => Stdio::inherit(),
        Stdout::Discard => Stdio::null(),
    };
    let mut command = Command::new(program);
    command
        .args(&task.arguments)
        .env(PARENT, std::process::id().to_string())
        .stdin(Stdio::piped())
        .stdout(stdout)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}

/// Ends when the process that started this one by [`run`] has gone, killed perhaps, so that nobody is left to end this one. Never ends in a
/// process that was started by hand.
pub async fn orphaned() {
    let parent: Option<u32> = std::env::var(PARENT).ok().and_then(|id| id.parse().ok());
    let Some(parent) = parent else { return std::future::pending().await };
    // An orphan gets another parent (wait(2)).
    while parent_id() == parent {
        sleep(Duration::from_secs(1)).await;
    }
}

async fn attend(mut child: tokio::process::Child, input: Vec<u8>, log: Option<PathBuf>, line: impl Fn(String)) -> io::Result<Ended> {
    let (mut stdin, mut stdout) = (child.stdin.take().expect("it is piped"), child.stdout.take());
    let mut errors = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    let feed = async {
        // A process that ended early does not read; how it ended is what counts.
        let _ = stdin.write_all(&input).await;
        drop(stdin);
    };
    let keep = async {
        let mut kept = Vec::new();
        match &mut stdout {
            Some(stdout) => stdout.read_to_end(&mut kept).await.map(|_| kept),
            None => Ok(kept),
        }
    };
    let listen = async {
        let mut text = String::new();
        while let Some(next) = errors.next_line().await? {
            text.push_str(&next);
            text.push('\n');
            line(next);
        }
        Ok::<_, io::Error>(text)
    };
    let ((), stdout, stderr) = tokio::join!(feed, keep, listen);
    let status = child.wait().await?;
    let stderr = stderr?;
    if let Some(log) = log {
        fs::write(log, &stderr)?;
    }
    Ok(Ended { status: status.code(), stdout: stdout?, stderr })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, stdout: Stdout) -> Task {
        Task { arguments: vec!["-c".into(), script.into()], stdout, log: None }
    }

    #[tokio::test]
    async fn output_errors_and_status_are_kept() {
        let tasks = vec![
            shell("cat; echo progress >&2; exit 0", Stdout::Keep),
            shell("echo progress >&2; echo 'cotenant: no' >&2; echo more >&2; exit 1", Stdout::Discard),
        ];
        let mut lines = Vec::new();
        let ended = run(Path::new("/bin/sh"), tasks, b"input", |i, line| lines.push((i, line.to_owned()))).await.unwrap();
        assert_eq!((ended[0].stdout.as_slice(), ended[0].status), (b"input".as_slice(), Some(0)));
        assert_eq!(ended[1].error(), "no\nmore");
        assert!(lines.contains(&(0, "progress".to_owned())) && lines.contains(&(1, "more".to_owned())), "{lines:?}");
    }

    #[test]
    fn the_cause_is_who_found_the_fault() {
        let end = |status: Option<i32>| Ended { status, stdout: vec![], stderr: String::new() };
        let cause_of = |all: &[Option<i32>]| {
            let ended: Vec<Ended> = all.iter().map(|&status| end(status)).collect();
            cause(&ended, 0).map(|(i, _)| i)
        };
        assert_eq!(cause_of(&[Some(0), Some(0)]), None);
        assert_eq!(cause_of(&[Some(3), Some(1)]), Some(1));
        assert_eq!(cause_of(&[Some(1), Some(1)]), Some(0));
        assert_eq!(cause_of(&[Some(3), None]), Some(0), "the others were only left alone");
    }

    #[test]
    fn homes_know_one_another() {
        let dir = tempfile::tempdir().unwrap();
        let homes = make_homes(dir.path(), 3).unwrap();
        let opened: Vec<Home> = homes.iter().map(|home| Home::open(home).unwrap()).collect();
        assert!(opened.iter().enumerate().all(|(i, home)| home.me.index() == i && home.members == opened[0].members));
    }
}
