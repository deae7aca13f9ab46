//! `cotenant init` and `cotenant id`: this party's identity.

use super::{print, print_json};
use crate::{error::Error, home, serve::config};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Makes this party's home: a new identity, a cotenant.toml for the daemon, and a party.toml to fill in for calls without one
#[derive(Args)]
#[command(
    after_help = "Example:\n  cotenant init --home ~/.cotenant --name alice\n\nThen give the printed identity to the other parties, and add theirs to party.toml."
)]
pub(super) struct InitArgs {
    /// The directory; an identity that is already there is never overwritten
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// This party's name for people
    #[arg(long, default_value = "me")]
    name: String,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Prints this party's public identity
#[derive(Args)]
#[command(after_help = "Example:\n  cotenant id --home ~/.cotenant")]
pub(super) struct IdArgs {
    /// The directory that `cotenant init` made
    #[arg(long, value_name = "DIR")]
    home: PathBuf,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Facts {
    home: PathBuf,
    identity: String,
    fingerprint: String,
}

impl InitArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        home::init(&self.home, &self.name)?;
        config::write_template(&self.home)?;
        show(&self.home, self.json)
    }
}

impl IdArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        show(&self.home, self.json)
    }
}

fn show(dir: &Path, json: bool) -> Result<(), Error> {
    let public = home::load_identity(dir)?.public();
    if json {
        return print_json(&Facts { home: dir.to_owned(), identity: public.to_string(), fingerprint: public.fingerprint() });
    }
    print(format!("{public}\n").as_bytes())
}
