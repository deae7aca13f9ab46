//! The demonstration: an S3 service, a key that no party holds, processes that use it together, and what happens to cheats.
//!
//! Each part must show what it is there to show, or the demonstration fails: the object read back is the one that was put, at every party;
//! one party alone is refused because its signature is wrong; a connector that alters the server's bytes is found by every other party.

pub mod report;

use crate::{
    children::{self, ChildrenError, Ended, Stdout, Task},
    error::Error,
    facts::{S3Facts, StepFacts},
    home::S3_SHARE,
    progress::Console,
    s3::{S3Config, S3Server, serve},
    share::{deal, new_secret_key},
    target::Endpoint,
};
use report::{Alone, CallReport, Caught, Report};
use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Instant,
};

/// The bucket.
pub const BUCKET: &str = "demo";
/// The public half of the key.
pub const ACCESS_KEY_ID: &str = "AKIACOTENANTDEMO";
/// The object's key, and its contents.
const OBJECT: (&str, &[u8]) = ("hello.txt", b"Nobody here holds the key that stored this.\n");

/// Which part of the demonstration did not show what it must.
#[derive(Debug, thiserror::Error)]
pub enum DemoFault {
    /// A party's process failed in a joint call.
    #[error("the joint calls failed at P{party}: {reason}")]
    Joint {
        /// The party, from 1.
        party: usize,
        /// Its words.
        reason: String,
    },
    /// A process printed no facts, or others than were asked for.
    #[error("P{party} printed no result")]
    NoFacts {
        /// The party, from 1.
        party: usize,
    },
    /// What was read back is not what was put.
    #[error("P{party} read back another object than was put")]
    Object {
        /// The party, from 1.
        party: usize,
    },
    /// The list is not the one object.
    #[error("P{party} got another list than the one object that was put")]
    List {
        /// The party, from 1.
        party: usize,
    },
    /// One party alone was not refused for its signature.
    #[error("P{party} alone was not refused with SignatureDoesNotMatch but: {answer}")]
    Alone {
        /// The party, from 1.
        party: usize,
        /// What happened instead.
        answer: String,
    },
    /// A party did not notice altered bytes of the server.
    #[error("P{party} did not find the tampering of the connector by itself: {outcome}")]
    Tampering {
        /// The party, from 1.
        party: usize,
        /// How its process ended.
        outcome: String,
    },
}

/// A demonstration to be run.
pub struct Demo<'a> {
    /// How many parties.
    pub parties: usize,
    /// Which one connects to the service, from 0.
    pub connector: usize,
    /// Where everything is made.
    pub dir: &'a Path,
    /// Shows how it goes on.
    pub console: &'a Console,
}

/// What all processes are started with.
struct Setting {
    program: PathBuf,
    endpoint: Endpoint,
    ca: PathBuf,
    homes: Vec<PathBuf>,
}

impl Demo<'_> {
    /// Runs all parts.
    ///
    /// # Errors
    /// What stood in the way, or [`Error::Demo`] with the part that did not show what it must.
    pub async fn run(&self) -> Result<Report, Error> {
        let start = Instant::now();
        let (server, setting) = self.set_up().await?;
        let calls = self.calls(&setting).await?;
        let alone = self.alone(&setting).await?;
        let caught = self.tampering(&setting).await?;
        server.shutdown().await;
        let (parties, connector) = (self.parties, format!("P{}", self.connector + 1));
        let object = String::from_utf8_lossy(OBJECT.1).into_owned();
        let keys = vec![OBJECT.0.to_owned()];
        Ok(Report { parties, connector, seconds: start.elapsed().as_secs_f64(), object, keys, calls, alone, tampering: caught })
    }

    /// The service, its CA, the key's shares, the homes.
    async fn set_up(&self) -> Result<(S3Server, Setting), Error> {
        let write = |path: &Path, bytes: &[u8]| {
            std::fs::write(path, bytes).map_err(|source| Error::Write { what: path.display().to_string(), source })
        };
        let secret = new_secret_key().map_err(Error::Randomness)?;
        let homes = children::make_homes(self.dir, self.parties)?;
        for (share, home) in deal(ACCESS_KEY_ID, secret.as_bytes(), self.parties).map_err(Error::Randomness)?.iter().zip(&homes) {
            share.save(&home.join(S3_SHARE))?;
        }
        let config = S3Config {
            directory: self.dir.join("service"),
            bucket: BUCKET.to_owned(),
            access_key_id: ACCESS_KEY_ID.to_owned(),
            secret_access_key: secret.as_str().into(),
            server_name: "localhost".to_owned(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        };
        let server = serve(config).await?;
        let ca = self.dir.join("ca.pem");
        write(&ca, server.ca_pem().as_bytes())?;
        write(&self.dir.join(OBJECT.0), OBJECT.1)?;
        let program = std::env::current_exe().map_err(|source| ChildrenError::Run { program: "cotenant".to_owned(), source })?;
        let endpoint = Endpoint { host: "localhost".to_owned(), port: server.address().port() };
        self.console.line(&format!("the service listens at https://{endpoint}; it made the secret key and gave each party its share"));
        Ok((server, Setting { program, endpoint, ca, homes }))
    }

    async fn calls(&self, setting: &Setting) -> Result<Vec<CallReport>, Error> {
        self.console.line(&format!("{} parties put, get and list, each a process of its own", self.parties));
        let object = self.dir.join(OBJECT.0);
        let steps = |home: &Path| {
            let back = home.join(OBJECT.0);
            vec![format!("put:{}={}", OBJECT.0, object.display()), format!("get:{}={}", OBJECT.0, back.display()), "list".to_owned()]
        };
        let tasks = setting.homes.iter().map(|home| setting.task(home, self.connector, "calls.log", &steps(home))).collect();
        let ended = self.watch(setting, tasks).await?;
        if let Some((i, end)) = children::cause(&ended, self.connector) {
            return Err(DemoFault::Joint { party: i + 1, reason: end.error() }.into());
        }
        let facts = (1..).zip(&ended).map(|(party, end)| facts(party, end)).collect::<Result<Vec<_>, _>>()?;
        for (i, (home, facts)) in setting.homes.iter().zip(&facts).enumerate() {
            let back = std::fs::read(home.join(OBJECT.0));
            if !back.is_ok_and(|back| back == OBJECT.1) {
                return Err(DemoFault::Object { party: i + 1 }.into());
            }
            let [_, _, StepFacts { keys: Some(keys), .. }] = facts.steps.as_slice() else {
                return Err(DemoFault::NoFacts { party: i + 1 }.into());
            };
            if *keys != [OBJECT.0] {
                return Err(DemoFault::List { party: i + 1 }.into());
            }
        }
        let steps = (0..3).map(|step| facts.iter().map(|facts| &facts.steps[step]).collect::<Vec<_>>());
        Ok(steps.map(|step| CallReport::new(&step)).collect())
    }

    async fn alone(&self, setting: &Setting) -> Result<Alone, Error> {
        self.console.line("P1 tries alone, with its share as if it were the key");
        let mut task = setting.task(&setting.homes[0], self.connector, "alone.log", &["list".to_owned()]);
        task.arguments.push("--alone".to_owned());
        let ended = self.watch(setting, vec![task]).await?;
        let end = &ended[0];
        match facts(1, end).ok().and_then(|facts| facts.alone) {
            Some(verdict) if verdict.status == 403 && verdict.code == "SignatureDoesNotMatch" && !end.succeeded() => {
                Ok(Alone { party: "P1".to_owned(), status: verdict.status, code: verdict.code })
            }
            _ => Err(DemoFault::Alone { party: 1, answer: end.error() }.into()),
        }
    }

    async fn tampering(&self, setting: &Setting) -> Result<Vec<Caught>, Error> {
        self.console.line(&format!("P{}, the connector, alters one bit of what the server says to the others", self.connector + 1));
        let tasks = setting.homes.iter().enumerate().map(|(i, home)| {
            let mut task = setting.task(home, self.connector, "tampering.log", &["list".to_owned()]);
            task.arguments.extend((i == self.connector).then(|| "--tamper".to_owned()));
            task
        });
        let ended = self.watch(setting, tasks.collect()).await?;
        let others = ended.iter().enumerate().filter(|(i, _)| *i != self.connector);
        let caught = others.map(|(i, end)| {
            // Status 1 is for a fault that the party found itself.
            if end.status == Some(1) && facts(i + 1, end).is_ok_and(|facts| facts.steps.is_empty()) {
                Ok(Caught { by: format!("P{}", i + 1), reason: end.error() })
            } else {
                Err(DemoFault::Tampering { party: i + 1, outcome: end.error() }.into())
            }
        });
        caught.collect()
    }

    async fn watch(&self, setting: &Setting, tasks: Vec<Task>) -> Result<Vec<Ended>, Error> {
        let speaker = if tasks.len() > 1 { self.connector } else { 0 };
        let line = |i: usize, line: &str| {
            if i == speaker && !line.starts_with(children::ERROR_PREFIX) {
                self.console.waiting(line);
            }
        };
        Ok(children::run(&setting.program, tasks, &[], line).await?)
    }
}

impl Setting {
    /// One party's process of the S3 client.
    fn task(&self, home: &Path, connector: usize, log: &str, steps: &[String]) -> Task {
        let path = |path: &Path| path.to_string_lossy().into_owned();
        let options = [
            ("--home", path(home)),
            ("--endpoint", format!("https://{}", self.endpoint)),
            ("--ca", path(&self.ca)),
            ("--bucket", BUCKET.to_owned()),
            ("--connector", (connector + 1).to_string()),
        ];
        let mut arguments = vec!["s3".to_owned(), "--json".to_owned()];
        arguments.extend(options.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
        arguments.extend_from_slice(steps);
        Task { arguments, stdout: Stdout::Keep, log: Some(home.join(log)) }
    }
}

fn facts(party: usize, end: &Ended) -> Result<S3Facts, DemoFault> {
    serde_json::from_slice(&end.stdout).map_err(|_| DemoFault::NoFacts { party })
}
