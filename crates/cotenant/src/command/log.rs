//! `cotenant log`: what this party has written about a room, and whether others have written the same.

use super::{
    print, print_json,
    proposal::{About, Common},
};
use crate::{error::Error, serve::operations::api::HeadView};
use clap::{Args, Subcommand};
use cotenant_agent::{
    approve::{
        escape::escape,
        log::{Event, History, compare, verify},
    },
    hex,
};
use serde_json::Value;
use std::{fs, path::Path};

/// Prints as a JSON object what this party has written about the room, after verifying every signature and the chain of hashes
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  cotenant log > alice.log.json\n  cotenant log --verify\n  cotenant log compare bob.log.json\n  cotenant log compare bob"
)]
pub(super) struct LogArgs {
    #[command(subcommand)]
    command: Option<LogCommand>,
    /// Only verify it
    #[arg(long)]
    verify: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Subcommand)]
enum LogCommand {
    Compare(CompareArgs),
}

/// Compares this party's log with another member's: the first thing about which they tell something else
///
/// FILE is what that member's `cotenant log` prints; it is verified first. With a member's name, what the daemons have told each other is compared: where their
/// logs end, which each has signed, so that neither can take back what it wrote.
#[derive(Args)]
#[command(verbatim_doc_comment, after_help = "Examples:\n  cotenant log compare bob.log.json\n  cotenant log compare bob")]
struct CompareArgs {
    /// A file, or the name of a member
    #[arg(value_name = "FILE|MEMBER")]
    with: String,
    #[command(flatten)]
    common: Common,
}

impl LogArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        if let Some(LogCommand::Compare(args)) = self.command {
            return args.run().await;
        }
        let log: Value = About::new(&self.common).await?.get("log").await?;
        match self {
            LogArgs { verify: true, common: Common { json: false, .. }, .. } => print(b"the log is as this party wrote it\n"),
            LogArgs { verify: true, .. } => print_json(&serde_json::json!({ "verified": true })),
            LogArgs { .. } => print_json(&log),
        }
    }
}

impl CompareArgs {
    async fn run(self) -> Result<(), Error> {
        let about = About::new(&self.common).await?;
        let path = Path::new(&self.with);
        if path.exists() {
            return with_file(&about.get("log").await?, path, self.common.json);
        }
        let heads: Vec<HeadView> = about.get("log/heads").await?;
        let head = heads.iter().find(|head| head.member == self.with).ok_or(Error::NoLog { with: self.with })?;
        let bad = match (&head.rewritten, head.continues) {
            (Some(told), _) => Some(format!(
                "{} has told of {} entries of its log that do not go on from what it told before",
                escape(&head.member),
                told.entries
            )),
            (None, false) => Some(format!("{} knows of entries of this party's log that are not there", escape(&head.member))),
            (None, true) => None,
        };
        match bad {
            Some(what) => Err(Error::LogsDiffer { what }),
            None if self.common.json => print_json(head),
            None => print(words(head).as_bytes()),
        }
    }
}

fn with_file(ours: &Value, path: &Path, json: bool) -> Result<(), Error> {
    let bad = |what: String| Error::BadLog { path: path.to_owned(), what };
    let bytes = fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let theirs: Value = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
    let (ours, theirs) = (history(ours).map_err(bad)?, history(&theirs).map_err(bad)?);
    let members = |event: &Event| match event {
        Event::Proposal(operation) => operation.members.contains(&theirs.owner()),
        _ => false,
    };
    if ours.room() == theirs.room() && !ours.entries().iter().any(|entry| members(&entry.event)) {
        return Err(bad("its owner is a member in no operation that this party knows".to_owned()));
    }
    if let Some(divergence) = compare(&ours, &theirs) {
        return Err(Error::LogsDiffer { what: divergence.to_string() });
    }
    let (ours, theirs) = (ours.entries().len(), theirs.entries().len());
    match json {
        true => print_json(&serde_json::json!({ "ours": ours, "theirs": theirs, "differ": false })),
        false => print(format!("the logs agree: {ours} entries here, {theirs} there\n").as_bytes()),
    }
}

/// A log as it is printed, verified.
fn history(log: &Value) -> Result<History, String> {
    let text = |name: &str| log[name].as_str().ok_or(format!("it has no {name}: it is not what cotenant log prints"));
    let owner = text("owner")?.parse().map_err(|_| "its owner is no identity".to_owned())?;
    let room = text("room")?.parse().map_err(|_| "its room is none".to_owned())?;
    let entries = log["entries"].as_array().ok_or("it has no entries: it is not what cotenant log prints")?;
    let records: Option<Vec<Vec<u8>>> = entries.iter().map(|entry| hex::decode(entry["record"].as_str()?)).collect();
    let records = records.ok_or("an entry has no record in hexadecimal")?;
    verify(records.iter().map(Vec::as_slice), owner, room, None).map_err(|error| error.to_string())
}

fn words(head: &HeadView) -> String {
    let HeadView { member, theirs, ours, .. } = head;
    let member = escape(member);
    let theirs = theirs.as_ref().map_or("has told nothing of its log".to_owned(), |end| {
        format!("has told of {} entries of its log, the last of them {}", end.entries, escape(&end.digest))
    });
    let ours = ours.as_ref().map_or("it has told nothing of what it knows of this party's".to_owned(), |end| {
        format!("it knows of {} entries of this party's, which are all there", end.entries)
    });
    format!("{member} {theirs}; {ours}\n")
}
