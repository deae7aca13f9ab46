//! `cotenant demo`: everything on one machine, nothing installed beforehand.

use super::{connector, parse_connector, parse_parties, print, print_json};
use crate::{demo::Demo, error::Error, progress::Console};
use clap::Args;
use std::path::PathBuf;

/// Shows it all on this machine: N processes store and read back an object with a key that none of them holds
///
/// Starts an S3 service over TLS 1.3 that checks signatures and knows the key, as every provider does. Each party has a share of the
/// key. The parties put an object, get it and list the bucket; then one of them tries alone and is refused; then the one that holds the
/// connection to the server alters what the others see of it, and is found out.
/// Exit status 0 only if each part has shown what it must.
#[derive(Args)]
#[command(verbatim_doc_comment, after_help = "Examples:\n  cotenant demo\n  cotenant demo --parties 3 --connector 2 --keep /tmp/demo")]
pub(super) struct DemoArgs {
    /// How many parties
    #[arg(long, value_name = "N", default_value = "2", value_parser = parse_parties)]
    parties: usize,
    /// Which of them connects to the service, counted from 1
    #[arg(long, value_name = "K", default_value = "1", value_parser = parse_connector)]
    connector: usize,
    /// Make homes, CA and logs in this new directory, and leave them there; else a temporary one that goes away
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

impl DemoArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        let connector = connector(self.connector, self.parties)?.index();
        let console = Console::new("demo".to_owned(), false);
        let temporary = match &self.keep {
            Some(dir) => {
                // A directory that is there may hold an identity or a share of somebody's.
                std::fs::create_dir(dir).map_err(|source| Error::Write { what: dir.display().to_string(), source })?;
                None
            }
            None => Some(tempfile::tempdir().map_err(|source| Error::Write { what: "a temporary directory".to_owned(), source })?),
        };
        let dir = self.keep.as_deref().or(temporary.as_ref().map(|dir| dir.path())).expect("one of the two is there");
        let report = Demo { parties: self.parties, connector, dir, console: &console }.run().await;
        console.clear();
        let report = report?;
        if self.json { print_json(&report) } else { print(report.text().as_bytes()) }
    }
}
