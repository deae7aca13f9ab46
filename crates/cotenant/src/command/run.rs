//! `cotenant run`: a script on a machine that nobody has alone. What is sealed for whom is in [`crate::run`].

mod offer;
mod result;
mod review;

use super::{
    home_or_default, note,
    proposal::{About, Waiting},
};
use crate::{
    error::Error,
    party::unix_seconds,
    run::{
        BadOffers, MAX_OBJECT, PROGRAM, RunError,
        folder::{Folder, roots},
        launch::Launch,
        manifest::{Manifest, Offer, Thing},
        storage::{self, Storage},
    },
    serve::operations::api::{Hidden, Proposed},
};
use clap::{Args, Subcommand};
use cotenant_agent::hex;
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// Runs a script on a machine that nobody has alone, over what each party has offered
///
/// Each party first makes an offer (cotenant run offer): what it gives, sealed, and what it wants back. Whoever proposes the run has all offers in files. The
/// machine is started by a call with an access key of the vault, which all approve (cotenant run approve).
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  cotenant run offer circular-1 --input transfers.csv --output cycles.csv --storage https://bank-a.s3.us-east-1.amazonaws.com/runs > a.json\n  cotenant run circular.py --offer a.json --offer b.json --storage https://bank-a.s3.us-east-1.amazonaws.com/runs --key aws/key --access-key-id AKIAEXAMPLE --image ami-0123456789abcdef0\n  cotenant run results circular-1"
)]
pub(super) struct RunArgs {
    #[command(subcommand)]
    command: Option<RunCommand>,
    #[command(flatten)]
    propose: Option<ProposeArgs>,
    #[command(flatten)]
    waiting: Waiting,
}

#[derive(Subcommand)]
enum RunCommand {
    Offer(offer::OfferArgs),
    Review(review::ReviewArgs),
    Approve(review::ApproveArgs),
    Status(result::StatusArgs),
    Logs(result::LogsArgs),
    Results(result::ResultsArgs),
    Stop(result::StopArgs),
}

/// What starts a machine. That any of it is given tells a proposal from the other commands, which takes arguments of its own: what is flattened does not count.
#[derive(Args)]
struct ProposeArgs {
    /// The script, in Python, which all parties see
    #[arg(value_name = "SCRIPT")]
    script: PathBuf,
    /// A party's offer, this party's own among them; may be repeated
    #[arg(long = "offer", value_name = "FILE", required = true)]
    offers: Vec<PathBuf>,
    /// This party's own storage, for script, manifest and program; see cotenant run offer --help
    #[arg(long, value_name = "URL")]
    storage: String,
    /// The region of the storage and of the machine
    #[arg(long, value_name = "REGION", default_value = "us-east-1")]
    region: String,
    /// For how long URLs into it are good
    #[arg(long, value_name = "HOURS", default_value = "24", value_parser = clap::value_parser!(u32).range(1..=168))]
    hours: u32,
    /// The item of the vault that is the secret access key of the cloud account
    #[arg(long, value_name = "ITEM")]
    key: String,
    /// Its access key id
    #[arg(long, value_name = "ID")]
    access_key_id: String,
    /// The machine image, by its id: with Python, curl and util-linux
    #[arg(long, value_name = "AMI")]
    image: String,
    /// The machine's type
    #[arg(long = "type", value_name = "TYPE", default_value = "t3.large")]
    machine: String,
    /// How long the script may take
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// When the machine ends, whatever happens
    #[arg(long, value_name = "MINUTES", default_value = "30", value_parser = clap::value_parser!(u32).range(5..=1_500))]
    minutes: u32,
    /// The member that connects to the cloud [default: this party]
    #[arg(long, value_name = "NAME")]
    connector: Option<String>,
    /// Say what the call would do and what it would take; put nothing anywhere, and ask nobody
    #[arg(long)]
    explain: bool,
}

/// A party's own storage.
#[derive(Args)]
struct Place {
    /// This party's own storage, S3 or like it, by a key of its own (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY): https://HOST/PREFIX
    #[arg(long, value_name = "URL")]
    storage: String,
    /// Its region
    #[arg(long, value_name = "REGION", default_value = "us-east-1")]
    region: String,
    /// For how long URLs into it are good
    #[arg(long, value_name = "HOURS", default_value = "24", value_parser = clap::value_parser!(u32).range(1..=168))]
    hours: u32,
}

/// The run that a command is about, of those that this party has offered something to.
#[derive(Args)]
struct Chosen {
    /// The run
    run: String,
    /// The directory that `cotenant init` made [default: $COTENANT_HOME, else ~/.cotenant]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
}

impl Place {
    fn storage(&self) -> Result<Storage, RunError> {
        Storage::of_environment(&self.storage, &self.region, 3600 * self.hours, unix_seconds())
    }
}

impl Chosen {
    fn open(&self) -> Result<Folder, Error> {
        Ok(Folder::open(&home_or_default(self.home.clone())?, &self.run)?)
    }
}

impl RunArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        match (self.command, self.propose) {
            (Some(RunCommand::Offer(args)), _) => args.run().await,
            (Some(RunCommand::Review(args)), _) => args.run().await,
            (Some(RunCommand::Approve(args)), _) => args.run().await,
            (Some(RunCommand::Status(args)), _) => args.run().await,
            (Some(RunCommand::Logs(args)), _) => args.run().await,
            (Some(RunCommand::Results(args)), _) => args.run().await,
            (Some(RunCommand::Stop(args)), _) => args.run().await,
            (None, Some(args)) => args.run(&self.waiting).await,
            (None, None) => Err(RunError::NothingToRun.into()),
        }
    }
}

impl ProposeArgs {
    async fn run(self, waiting: &Waiting) -> Result<(), Error> {
        let offers = self.offers.iter().map(|path| form(path)).collect::<Result<Vec<Offer>, _>>()?;
        let run = offers.first().map(|offer| offer.run.clone()).unwrap_or_default();
        let mut folder = Folder::open(&waiting.home()?, &run)?;
        let own = folder.record.offer.clone();
        if !offers.contains(&own) {
            return Err(RunError::Offers(BadOffers::Own).into());
        }
        let script = read(&self.script)?;
        let storage = Place { storage: self.storage, region: self.region.clone(), hours: self.hours }.storage()?;
        let at = |name: &str| format!("{run}/{name}");
        let script_at = Thing::of(storage.url("GET", &at("script.py"))?, &script);
        let manifest = Manifest::of(&run, self.seconds, script_at, offers)?;
        manifest.fits(self.minutes)?;
        let text = serde_json::to_vec_pretty(&manifest).expect("a manifest has a JSON form");
        let launch = Launch {
            parties: manifest.names().into_iter().cloned().collect(),
            region: self.region,
            item: self.key,
            access_key_id: self.access_key_id,
            image: self.image,
            machine: self.machine,
            minutes: self.minutes,
            program: storage.url("GET", &at("program.py"))?,
            manifest: storage.url("GET", &at("manifest.json"))?,
            manifest_sha256: crate::run::sha256(&text),
            run: run.clone(),
        };
        launch.check()?;
        let proposed = Proposed::Call {
            flow: launch.text(),
            arguments: launch.arguments(),
            private: vec![given(&own.part.name, &folder)],
            connector: self.connector,
        };
        if self.explain {
            return waiting.explain(proposed).await;
        }
        let roots = roots(folder.record.ca.as_deref())?;
        for (name, bytes) in [("script.py", &script[..]), ("manifest.json", &text), ("program.py", PROGRAM.as_bytes())] {
            storage::put(&storage.url("PUT", &at(name))?, bytes.to_vec(), &roots).await?;
        }
        folder.lay_open(&launch.manifest_sha256, &text, &script)?;
        folder.keep_manifest(&launch.manifest_sha256)?;
        let (_, view) = waiting.carry(async |_: &About| Ok(proposed)).await?;
        if view.is_done() {
            note(&format!("run {run}: the machine was asked for; see cotenant run status {run}"));
        }
        waiting.show(&view)
    }
}

/// This party's run key, for its hole.
fn given(party: &str, folder: &Folder) -> Hidden {
    Hidden { name: Launch::hole(party), value: hex::encode(&*folder.key).into_bytes().into() }
}

/// A file of JSON.
fn form<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, RunError> {
    serde_json::from_slice(&read(path)?).map_err(|source| RunError::Form { what: path.display().to_string(), source })
}

/// All of a file, which is no longer than an object can be.
fn read(path: &Path) -> Result<Vec<u8>, RunError> {
    let failed = |source| RunError::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_OBJECT + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > MAX_OBJECT { Err(failed(std::io::ErrorKind::FileTooLarge.into())) } else { Ok(bytes) }
}
