//! `cotenant init` and `cotenant id`: this party's identity.

use super::{home_or_default, print, print_json};
use crate::{error::Error, home, serve::config};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Makes this party's home: a new identity, a cotenant.toml for the daemon, and a party.toml to fill in for calls without one
#[derive(Args)]
#[command(
    after_help = "Example:\n  cotenant init --home ~/.cotenant --name alice\n\nFor rooms: set public below [peers] in cotenant.toml, then cotenant serve. For cotenant s3 and s-client: give the printed identity to the others, and add theirs to party.toml."
)]
pub(super) struct InitArgs {
    /// The directory; an identity that is already there is never overwritten [default: $COTENANT_HOME, else ~/.cotenant]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
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
    /// The directory that `cotenant init` made [default: $COTENANT_HOME, else ~/.cotenant]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
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
        let home = home_or_default(self.home)?;
        home::init(&home, &self.name)?;
        config::write_template(&home)?;
        show(&home, self.json)
    }
}

impl IdArgs {
    pub(super) fn run(self) -> Result<(), Error> {
        show(&home_or_default(self.home)?, self.json)
    }
}

fn show(dir: &Path, json: bool) -> Result<(), Error> {
    let public = home::load_identity(dir)?.public();
    if json {
        return print_json(&Facts { home: dir.to_owned(), identity: public.to_string(), fingerprint: public.fingerprint() });
    }
    print(format!("{public}\n").as_bytes())
}
