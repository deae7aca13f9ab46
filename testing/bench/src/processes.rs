//! One process for each party: this program starts itself once for every party, on homes of their own, and collects what each measured.
//!
//! A process reads its [`Job`] from standard input and prints its figures on standard output, both as JSON.

use crate::{call, cot, engine, error::Error, line::Line, vault};
use cotenant::{
    children::{self, ERROR_PREFIX, Stdout, Task},
    home::{self, Home, HomeError, config},
};
use cotenant_core::{Channel, Domain};
use cotenant_net::{Lane, Mesh, MeshConfig};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
};

/// What the process of a party is to do; the same for all parties.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Job {
    /// Many gates.
    Engine(engine::Job),
    /// Correlated oblivious transfers.
    Cot(cot::Job),
    /// One HTTPS call.
    Call(call::Job),
    /// A secret saved and loaded.
    Vault(vault::Job),
}

/// Where the processes run and what is between them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Place {
    /// An emulated link between each two parties instead of the loopback interface.
    pub line: Option<Line>,
    /// The processor's cores that all parties share, as taskset(1) takes them, instead of all.
    pub cores: Option<String>,
}

/// Runs the job with so many parties, each in a process of its own, and gives their figures in order.
///
/// # Errors
/// The failure of the party whose failure explains the others'.
pub async fn run<F: DeserializeOwned>(parties: usize, place: Place, job: &Job) -> Result<Vec<F>, Error> {
    let dir = tempfile::tempdir().map_err(Error::io("cannot make a temporary directory"))?;
    let homes = children::make_homes(dir.path(), parties).map_err(cotenant::error::Error::from)?;
    if let Some(line) = place.line {
        put_between(&homes, line)?;
    }
    let mut program = std::env::current_exe().map_err(Error::io("cannot find this program to start it once more"))?;
    let mut before = Vec::new();
    if let Some(cores) = place.cores {
        before = vec!["--cpu-list".to_owned(), cores, program.display().to_string()];
        program = "taskset".into();
    }
    let task = |home: &PathBuf| {
        let arguments = before.iter().cloned().chain(["party".to_owned(), home.display().to_string()]);
        Task { arguments: arguments.collect(), stdout: Stdout::Keep, log: None }
    };
    let job = serde_json::to_vec(job)?;
    let show = |party, line: &str| {
        // One party's progress is everybody's; errors come with the end.
        if party == 0 && !line.starts_with(ERROR_PREFIX) {
            let _ = writeln!(std::io::stderr(), "{line}");
        }
    };
    let ended = children::run(&program, homes.iter().map(task).collect(), &job, show).await.map_err(cotenant::error::Error::from)?;
    match children::cause(&ended, 0) {
        Some((i, end)) => Err(Error::Process { party: format!("P{}", i + 1), text: end.error() }),
        None => ended.iter().map(|end| Ok(serde_json::from_slice(&end.stdout)?)).collect(),
    }
}

/// Changes the member lists so that every party dials every other through a line.
fn put_between(homes: &[PathBuf], line: Line) -> Result<(), Error> {
    let members = Home::open(&homes[0]).map_err(cotenant::error::Error::from)?.members;
    for (i, home) in homes.iter().enumerate() {
        let mut seen = members.clone();
        for other in &mut seen[..i] {
            let address = other.address.parse().expect("homes are made with addresses of the loopback interface");
            other.address = line.relay_to(address).map_err(Error::io("cannot emulate a link"))?.to_string();
        }
        let path = home.join(home::PARTY);
        let written = fs::write(&path, config::render(&members[i].name, &seen));
        written.map_err(|source| cotenant::error::Error::from(HomeError::Write { path, source }))?;
    }
    Ok(())
}

/// One party in its process, linked to all others.
pub struct Party {
    /// Its home.
    pub home: Home,
    mesh: Mesh,
}

/// The lanes of a mesh: for meeting, for what is measured, for the server's bytes.
const MEETING: u8 = 0;
const WORK: u8 = 1;
const RELAY: u8 = 2;

impl Party {
    async fn connect(home: Home) -> Result<Party, Error> {
        let net = cotenant::error::Error::from;
        let listens = home.me.index() + 1 < home.members.len();
        let listener = if listens { Some(cotenant_net::listen(&home.members[home.me.index()].address).await.map_err(net)?) } else { None };
        let config = MeshConfig {
            identity: home.identity.clone(),
            me: home.me,
            members: home.members.clone(),
            session: Domain::Session.hasher().field(b"benchmark").digest().0,
            limits: home.limits.clone(),
        };
        Ok(Party { mesh: Mesh::connect(config, listener.as_ref()).await.map_err(net)?, home })
    }

    /// Waits until all parties are here, so that nobody's clock runs while another still gets ready.
    ///
    /// # Errors
    /// A link that failed.
    pub async fn meet(&self) -> Result<(), Error> {
        let mut lane = self.mesh.lane(MEETING);
        let others = self.home.me.others(self.home.members.len());
        for party in others.clone() {
            lane.send(party, vec![0]).await?;
        }
        for party in others {
            lane.recv(party).await?;
        }
        Ok(())
    }

    /// The lane of what is measured.
    pub fn work(&self) -> Lane {
        self.mesh.lane(WORK)
    }

    /// The lane of the server's bytes.
    pub fn relay(&self) -> Lane {
        self.mesh.lane(RELAY)
    }
}

/// What the process of the party at `home` does.
///
/// # Errors
/// The first thing that went wrong.
pub async fn attend(home: &Path) -> Result<(), Error> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text).map_err(Error::io("cannot read the job from standard input"))?;
    let job: Job = serde_json::from_str(&text)?;
    let home = Home::open(home).map_err(cotenant::error::Error::from)?;
    let party = Party::connect(home).await?;
    let figures = match job {
        Job::Engine(job) => serde_json::to_string(&engine::attend(&party, job).await?),
        Job::Cot(job) => serde_json::to_string(&cot::attend(&party, job).await?),
        Job::Call(job) => serde_json::to_string(&call::attend(&party, job).await?),
        Job::Vault(job) => serde_json::to_string(&vault::attend(&party, job).await?),
    };
    party.mesh.close().await;
    print(&figures?)
}

/// Writes a line to standard output, to its end.
///
/// # Errors
/// [`Error::Io`], on a full disk for instance.
pub fn print(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(Error::io("cannot write to standard output"))
}

/// The most memory that this process had resident so far, in MB of 10^6 bytes.
///
/// # Errors
/// If the system does not tell (Linux does, as `VmHWM`).
pub fn peak_mb() -> Result<f64, Error> {
    let status =
        fs::read_to_string("/proc/self/status").map_err(Error::io("cannot read this process's memory use from /proc/self/status"))?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    let missing = || Error::io("cannot read this process's memory use")(std::io::Error::other("/proc/self/status has no VmHWM"));
    Ok(kib.ok_or_else(missing)? * 1024.0 / 1e6)
}
