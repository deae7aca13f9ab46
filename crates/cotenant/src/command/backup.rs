//! `cotenant vault backup` and `cotenant vault restore`: all that a party keeps, as one sealed file, and back.

use super::{home_or_default, print, print_json, vault::secret};
use crate::{
    error::Error,
    party::unix_seconds,
    serve::{
        api::{Backed, Backing},
        backup,
        client::Client,
    },
};
use clap::Args;
use cotenant_agent::approve::escape::escape;
use serde_json::json;
use std::path::PathBuf;
use zeroize::{Zeroize, Zeroizing};

/// Writes all that this party keeps, of all rooms, and its key, to a new file that a passphrase opens
///
/// The daemon writes it while it runs. The passphrase is asked for at the terminal, or read from standard input. Whoever has both acts for this party, so keep
/// them apart. A backup keeps shares that a later refresh destroys here: make a new one after each change of the vault, and destroy those before.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Examples:\n  cotenant vault backup /mnt/usb/alice-2026-11.backup\n  cotenant vault backup alice-$(date +%F).backup < passphrase.txt"
)]
pub(super) struct BackupArgs {
    /// The file, where nothing is yet
    file: PathBuf,
    /// The directory that `cotenant init` made [default: $COTENANT_HOME, else ~/.cotenant]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

/// Makes this party's home and store again from a backup, where they are lost
///
/// Nothing is overwritten. The daemon may not run. Afterwards the party does nothing in a room until all other members have told what they know, and for as
/// long as proposals may wait it decides only about what begins later. If it has signed more than the backup knows, the others say so, and the members have to
/// change the room.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Example:\n  cotenant vault restore /mnt/usb/alice-2026-11.backup --home ~/.cotenant\n  cotenant serve"
)]
pub(super) struct RestoreArgs {
    /// What `cotenant vault backup` wrote
    file: PathBuf,
    /// The directory to make [default: $COTENANT_HOME, else ~/.cotenant]
    #[arg(long, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl BackupArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        let client = Client::of_home(&home_or_default(self.home)?)?;
        let file = std::path::absolute(&self.file).map_err(|source| Error::Input { source })?;
        let backed: Backed = client.post("/v1/backup", &Backing { file, passphrase: passphrase()? }).await?;
        if self.json {
            return print_json(&backed);
        }
        let file = escape(&backed.file.to_string_lossy()).to_string();
        print(format!("{file}: all that this party keeps after {} transactions\n", backed.transactions).as_bytes())
    }
}

impl RestoreArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        let home = home_or_default(self.home)?;
        let transactions = backup::restore(&home, &self.file, passphrase()?, unix_seconds())?;
        if self.json {
            return print_json(&json!({ "home": home, "transactions": transactions }));
        }
        let home = escape(&home.to_string_lossy()).to_string();
        print(format!("{home}: as it was after {transactions} transactions; go on with: cotenant serve\n").as_bytes())
    }
}

fn passphrase() -> Result<Zeroizing<String>, Error> {
    let mut typed = secret("passphrase of the backup", true)?;
    String::from_utf8(std::mem::take(&mut *typed)).map(Zeroizing::new).map_err(|error| {
        error.into_bytes().zeroize();
        Error::Input { source: std::io::Error::new(std::io::ErrorKind::InvalidData, "a passphrase is UTF-8") }
    })
}
