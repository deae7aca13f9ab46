//! `cotenant run review` and `approve`: what a proposed machine would do, fetched and compared with what this party has offered, and this party's key for it.

use super::given;
use crate::{
    command::{
        home_or_default, print,
        proposal::{About, Common, shown},
    },
    error::Error,
    run::{
        RunError, Strange,
        folder::{Folder, roots},
        launch::Launch,
        manifest::{MAX_MANIFEST, Manifest, Part},
        sha256, storage,
    },
    serve::operations::{OperationView, api::TextView},
};
use clap::Args;
use cotenant_agent::approve::escape::escape;
use std::path::Path;

/// Shows what a proposed run would do: fetches its manifest and script, and compares them with what was proposed and with this party's offer
#[derive(Args)]
#[command(after_help = "Example:\n  cotenant run review 4")]
pub(super) struct ReviewArgs {
    /// The operation's number
    number: u64,
    #[command(flatten)]
    common: Common,
}

/// Reviews a proposed run, asks, approves it for this party, and gives its run key to the joint computation
#[derive(Args)]
#[command(after_help = "Examples:\n  cotenant run approve 4\n  cotenant run approve 4 --key ~/.ssh/id_ed25519_sk")]
pub(super) struct ApproveArgs {
    /// The operation's number
    number: u64,
    /// Do not ask; the digest of what is approved, as cotenant pending shows it
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
    /// A private key of a person; or a public key, or its fingerprint, that an ssh-agent has
    #[arg(long, value_name = "FILE|SHA256:...")]
    key: Option<String>,
    #[command(flatten)]
    common: Common,
}

impl ReviewArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        reviewed(&About::new(&self.common).await?, &self.common, self.number).await.map(drop)
    }
}

impl ApproveArgs {
    pub(super) async fn run(self) -> Result<(), Error> {
        let about = About::new(&self.common).await?;
        let view: OperationView = about.get(&format!("operations/{}", self.number)).await?;
        let Reviewed { mut folder, digest, manifest } = reviewed(&about, &self.common, self.number).await?;
        if digest != view.digest {
            return Err(Error::OtherOperation { number: self.number });
        }
        let private = vec![given(&folder.record.offer.part.name, &folder)];
        let view = about.approve(&view, self.digest, self.key.as_deref(), private).await?;
        folder.keep_manifest(&manifest)?;
        shown(&self.common, &view)
    }
}

/// What was looked at.
struct Reviewed {
    /// This party's folder of the run.
    folder: Folder,
    /// The digest of the operation.
    digest: String,
    /// That of the manifest.
    manifest: String,
}

/// Looks at all of a run that is proposed. What this party has approved of the name before stays what it holds for approved.
async fn reviewed(about: &About, common: &Common, number: u64) -> Result<Reviewed, Error> {
    let TextView { digest, flow, arguments } = about.get(&format!("operations/{number}/text")).await?;
    let strange = |why| RunError::Strange { number, why };
    let launch = Launch::read(&flow, &arguments).map_err(strange)?;
    let folder = Folder::open(&home_or_default(common.home())?, &launch.run)?;
    let roots = roots(folder.record.ca.as_deref())?;
    let found = storage::get(&launch.manifest, &roots, MAX_MANIFEST).await?.unwrap_or_default();
    if sha256(&found) != launch.manifest_sha256 {
        return Err(RunError::Digest("the manifest".to_owned()).into());
    }
    let manifest: Manifest = serde_json::from_slice(&found).map_err(|_| strange(Strange::Manifest))?;
    if !manifest.is_well_formed() || manifest.run != launch.run {
        return Err(strange(Strange::Manifest).into());
    }
    manifest.fits(launch.minutes)?;
    if !manifest.names().into_iter().eq(&launch.parties) {
        return Err(strange(Strange::Parties).into());
    }
    if !manifest.parties.contains(&folder.record.offer.part) {
        return Err(strange(Strange::Offer).into());
    }
    let script = storage::get(&manifest.script.url, &roots, manifest.script.bytes).await?.unwrap_or_default();
    if !manifest.script.is(&script) {
        return Err(RunError::Digest("the script".to_owned()).into());
    }
    let script = folder.lay_open(&launch.manifest_sha256, &found, &script)?;
    print(words(&launch, &manifest, (&folder, &script)).as_bytes())?;
    Ok(Reviewed { folder, digest, manifest: launch.manifest_sha256 })
}

/// A run, for who has to decide.
fn words(launch: &Launch, manifest: &Manifest, (folder, script): (&Folder, &Path)) -> String {
    let mut lines = vec![
        format!(
            "run {}: a machine {} of image {} in {}, which ends after {} minutes",
            launch.run, launch.machine, launch.image, launch.region, launch.minutes
        ),
        format!("  script, up to {} seconds, without a network: {} bytes, which are in", manifest.seconds, manifest.script.bytes),
        format!("    {}", escape(&script.display().to_string())),
    ];
    lines.push(format!("  signed with item {}, access key id {}", escape(&launch.item), escape(&launch.access_key_id)));
    let own = &folder.record.offer.part;
    lines.extend(manifest.parties.iter().flat_map(|part| party(part, part == own)));
    lines.push("all of it is what was proposed, and this party's part is what it has offered".to_owned());
    lines.join("\n") + "\n"
}

fn party(Part { name, inputs, outputs, log, .. }: &Part, own: bool) -> Vec<String> {
    let whose = if own { "this party" } else { "another" };
    let list = |names: Vec<&String>| {
        if names.is_empty() { "nothing".to_owned() } else { names.into_iter().cloned().collect::<Vec<_>>().join(", ") }
    };
    let log = if *log { ", and what the script prints" } else { "" };
    vec![
        format!("  {name} ({whose})"),
        format!("    gives {}", list(inputs.iter().map(|input| &input.name).collect())),
        format!("    gets {}{log}", list(outputs.iter().collect())),
    ]
}
