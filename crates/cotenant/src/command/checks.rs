//! `cotenant room clear-checks`: people have looked at failed checks, and the room goes on.

use super::{
    print, print_json,
    proposal::{About, Common},
};
use crate::{error::Error, serve::operations::api::Clearing};
use clap::Args;
use serde_json::json;

/// Sets a counter of failed checks to 0, so that the room goes on
///
/// Failed checks that name one member are counted against it, others against the members together; after 8 this party begins nothing more with them. Find out
/// first why they failed: a cheater learns a little with each. The reason goes into this party's log, which others may read.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Example:\n  cotenant room clear-checks --member bob --reason 'bob had a bad disk, which was replaced'"
)]
pub(super) struct ClearChecksArgs {
    /// The member whom the checks name [default: those that name nobody alone]
    #[arg(long, value_name = "NAME")]
    member: Option<String>,
    /// Why it may go on
    #[arg(long, value_name = "WHY")]
    reason: String,
    #[command(flatten)]
    common: Common,
}

impl ClearChecksArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        let ClearChecksArgs { member, reason, common } = self;
        let about = About::new(&common).await?;
        let () = about.post("checks", &Clearing { member: member.clone(), reason }).await?;
        if common.json {
            print_json(&json!({ "member": member, "failed_checks": 0 }))
        } else {
            print(b"the counter is 0, and the log says why\n")
        }
    }
}
