//! `cotenant s-client`: standard input to a TLS 1.3 server and its answer back, by several parties inside MPC.

use super::{JointArgs, TrustArgs, connector, parse_endpoint, parse_parties, print_body};
use crate::{
    children::{self, ChildrenError, Stdout, Task},
    error::Error,
    home::Home,
    party::{Operation, Party, Request},
    progress::Console,
    target::{Endpoint, Site},
};
use clap::Args;
use cotenant_agent::call::MAX_REQUEST;
use cotenant_tls::{AnswerLimits, End};
use std::{
    io::{self, IsTerminal},
    path::PathBuf,
    sync::Arc,
};
use tokio::io::AsyncReadExt;

/// Sends standard input to a TLS 1.3 server and prints the answer, like `openssl s_client -quiet`, with N parties in MPC
///
/// Reads standard input to its end, 32768 bytes at most, prepares, connects, sends, holds the answer until the server closes, opens it,
/// and prints it if the server closed with close_notify. Exit status 0 then; after any other end, and any failure of TLS, trust or MPC,
/// no part of the answer is printed, standard error says why, and the status is another one. On a terminal only plain text is printed.
/// A call that takes longer than "call" under [timeouts] in party.toml, 600 s if it is not there, fails.
/// Without --home, N parties run on this machine for this one call. With --home, this process is one party of those in its party.toml,
/// and all of them are to be started with the same input and options.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Example:\n  printf 'GET / HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' | cotenant s-client localhost:8443 --ca ca.pem"
)]
pub(super) struct SClientArgs {
    /// The server
    #[arg(value_name = "HOST:PORT", value_parser = parse_endpoint)]
    server: Endpoint,
    #[command(flatten)]
    trust: TrustArgs,
    /// How many parties, where no --home is given
    #[arg(long, value_name = "N", default_value = "2", value_parser = parse_parties, conflicts_with = "home")]
    parties: usize,
    #[command(flatten)]
    joint: JointArgs,
    /// Be one party: the home that `cotenant init` made
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// The most that the server may answer, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 20)]
    max_answer: usize,
    /// Lines about progress on standard error
    #[arg(long, short)]
    verbose: bool,
}

impl SClientArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        // What can be found wrong without the others is found first.
        let site = Site::new(self.server.clone(), self.trust.server_name.as_deref(), &self.trust.ca, &self.trust.groups)?;
        match &self.home {
            Some(dir) => {
                let home = Home::open(dir)?;
                self.one_party(home, &site).await
            }
            None => {
                connector(self.joint.connector, self.parties)?;
                self.all_parties(&site).await
            }
        }
    }

    async fn one_party(&self, home: Home, site: &Site) -> Result<(), Error> {
        let connector = connector(self.joint.connector, home.members.len())?;
        let console = Arc::new(Console::new(home.name_of(home.me), !self.verbose));
        let request = read_input().await?;
        console.waiting("waiting for the other parties");
        let mut party = Party::connect(home, self.joint.any_build).await?;
        let operation = Operation {
            what: "s-client".to_owned(),
            site,
            connector,
            request: Request::Bytes(request),
            limits: AnswerLimits::of_bytes(self.max_answer),
            tamper_after: None,
        };
        let result = party.call(operation, console.clone()).await;
        party.close().await;
        console.clear();
        let answer = result?.answer;
        // What may be cut is nobody's to use.
        if answer.end == End::CloseNotify { print_body(&answer.body) } else { Err(Error::Truncated) }
    }

    /// Every party is a process of its own; their homes live as long as this call.
    async fn all_parties(&self, site: &Site) -> Result<(), Error> {
        let input = read_input().await?;
        let dir = tempfile::tempdir().map_err(|source| Error::Write { what: "a temporary directory".to_owned(), source })?;
        let homes = children::make_homes(dir.path(), self.parties)?;
        let speaker = self.joint.connector - 1;
        let shows = self.verbose || io::stderr().is_terminal();
        let tasks = homes.iter().enumerate().map(|(i, home)| Task {
            arguments: self.arguments(site, home, shows && i == speaker),
            stdout: if i == speaker { Stdout::Inherit } else { Stdout::Discard },
            log: None,
        });
        let program = std::env::current_exe().map_err(|source| ChildrenError::Run { program: "cotenant".to_owned(), source })?;
        let console = Console::new(format!("{} parties", self.parties), !self.verbose);
        let line = |i: usize, line: &str| {
            if i == speaker && !line.starts_with(children::ERROR_PREFIX) {
                console.waiting(line);
            }
        };
        let ended = children::run(&program, tasks.collect(), &input, line).await?;
        console.clear();
        match children::cause(&ended, speaker) {
            None => Ok(()),
            Some((i, end)) => Err(ChildrenError::Failed(format!("P{}: {}", i + 1, end.error())).into()),
        }
    }

    fn arguments(&self, site: &Site, home: &std::path::Path, verbose: bool) -> Vec<String> {
        let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
        let mut all = vec!["s-client".to_owned(), self.server.to_string()];
        let options = [
            ("--ca", path(&self.trust.ca)),
            ("--server-name", site.server_name.clone()),
            ("--groups", site.groups()),
            ("--connector", self.joint.connector.to_string()),
            ("--home", path(home)),
            ("--max-answer", self.max_answer.to_string()),
        ];
        all.extend(options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
        all.extend(verbose.then(|| "--verbose".to_owned()));
        all
    }
}

async fn read_input() -> Result<Vec<u8>, Error> {
    let mut input = Vec::new();
    let read = tokio::io::stdin().take(MAX_REQUEST + 1).read_to_end(&mut input).await;
    read.map_err(|source| Error::Read { path: "standard input".into(), source })?;
    match input.len() as u64 {
        0 => Err(Error::NoInput),
        1..=MAX_REQUEST => Ok(input),
        _ => Err(Error::LongInput),
    }
}
