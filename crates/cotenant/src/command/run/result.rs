//! `cotenant run status`, `logs`, `results` and `stop`: what the machine has put into this party's storage, opened, and this party's word to end it.

use super::Chosen;
use crate::{
    command::{note, print, print_body, print_json},
    error::Error,
    run::{
        MAX_OBJECT, RunError,
        folder::{Folder, roots},
        seal::{Kind, Seal},
        storage,
    },
    save::save,
};
use clap::Args;
use serde_json::Value;
use std::{fs, path::PathBuf};
use zeroize::Zeroizing;

/// Says how a run stands, as the machine has told this party
#[derive(Args)]
#[command(after_help = "Example:\n  cotenant run status circular-1")]
pub(super) struct StatusArgs {
    #[command(flatten)]
    chosen: Chosen,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Prints what the script has printed, once it has ended
#[derive(Args)]
#[command(after_help = "Example:\n  cotenant run logs circular-1")]
pub(super) struct LogsArgs {
    #[command(flatten)]
    chosen: Chosen,
}

/// Fetches and opens this party's results
#[derive(Args)]
#[command(after_help = "Example:\n  cotenant run results circular-1 --into results")]
pub(super) struct ResultsArgs {
    #[command(flatten)]
    chosen: Chosen,
    /// The directory for them
    #[arg(long, value_name = "DIR", default_value = ".")]
    into: PathBuf,
}

/// Tells the machine to end a run, whatever the other parties want; it looks for that word every few seconds while the script runs
#[derive(Args)]
#[command(after_help = "Example:\n  cotenant run stop circular-1")]
pub(super) struct StopArgs {
    #[command(flatten)]
    chosen: Chosen,
}

impl StatusArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        let folder = self.chosen.open()?;
        let Some(text) = object(&folder, Kind::Status, "status", &folder.record.urls.status).await? else {
            return Err(RunError::NothingTold.into());
        };
        let told: Value =
            serde_json::from_slice(&text).map_err(|source| RunError::Form { what: "the machine's word".to_owned(), source })?;
        if self.json { print_json(&told) } else { print(words(&self.chosen.run, &told).as_bytes()) }
    }
}

impl LogsArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        let folder = self.chosen.open()?;
        match object(&folder, Kind::Log, "log", &folder.record.urls.log).await? {
            Some(text) => print_body(&text),
            None => Err(RunError::NoLog.into()),
        }
    }
}

impl ResultsArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        let folder = self.chosen.open()?;
        fs::create_dir_all(&self.into).map_err(|source| RunError::File { path: self.into.clone(), source })?;
        let mut missing = false;
        for (name, url) in &folder.record.urls.outputs {
            match object(&folder, Kind::Output, name, url).await? {
                Some(bytes) => {
                    save(&self.into.join(name), &bytes)?;
                    note(&format!("{}: {} bytes", self.into.join(name).display(), bytes.len()));
                }
                None => missing = true,
            }
        }
        if missing { Err(RunError::NoResult.into()) } else { Ok(()) }
    }
}

impl StopArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        let folder = self.chosen.open()?;
        let word = seal(&folder).stop().into_bytes();
        storage::put(&folder.record.urls.stop, word, &roots(folder.record.ca.as_deref())?).await?;
        note(&format!("run {}: the machine ends it when it next looks", self.chosen.run));
        Ok(())
    }
}

fn seal(folder: &Folder) -> Seal<'_> {
    Seal { key: &folder.key, run: &folder.record.offer.run, party: &folder.record.offer.part.name }
}

/// Something from the machine, opened; none if it is not there.
async fn object(folder: &Folder, kind: Kind, name: &str, url: &str) -> Result<Option<Zeroizing<Vec<u8>>>, RunError> {
    let manifest = folder.manifest()?;
    let sealed = storage::get(url, &roots(folder.record.ca.as_deref())?, MAX_OBJECT).await?;
    sealed.map(|sealed| seal(folder).open(kind, name, &manifest, &sealed)).transpose()
}

/// How a run stands. The machine wrote it: what a script does is not in it.
fn words(run: &str, told: &Value) -> String {
    let of = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    let how = match of("standing").as_str() {
        "begun" => "the machine fetches and opens the inputs".to_owned(),
        "runs" => "the script runs".to_owned(),
        "done" => "done".to_owned(),
        "late" => "ended, as the script took longer than was agreed on".to_owned(),
        "stopped" => format!("stopped by {}", of("by")),
        "failed" if told["exit"].is_number() => format!("the script failed with exit status {}", told["exit"]),
        _ => format!("failed: {}", of("why")),
    };
    let results = told["outputs"].as_object().into_iter().flatten();
    let lines: String = results.map(|(name, how)| format!("  {name}: {}\n", how.as_str().unwrap_or_default())).collect();
    format!("run {run}: {how}\n{lines}")
}
