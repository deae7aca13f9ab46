//! `cotenant run offer`: what this party gives to a run, sealed under a key for that run alone, and what it wants back.

use super::{Place, read};
use crate::{
    command::{
        home_or_default, note, print_json,
        proposal::{About, Common},
    },
    error::Error,
    run::{
        RunError,
        folder::{Folder, Record, Urls, roots},
        manifest::{Addresses, Input, Offer, Part, Thing, is_name},
        seal::{Kind, Seal},
        storage,
    },
};
use clap::Args;
use std::{collections::BTreeMap, path::PathBuf, str::FromStr};

/// Seals what this party gives to a run, puts it into its own storage, and prints the offer for who proposes the run
///
/// The run key is drawn here and stays in this party's home, until it goes to the machine by way of the joint computation. The offer has URLs, sizes and digests, and
/// nothing secret: whoever has it can fetch the sealed objects and open none.
#[derive(Args)]
#[command(
    verbatim_doc_comment,
    after_help = "Example:\n  cotenant run offer circular-1 --input transfers.csv --output cycles.csv --storage https://bank-a.s3.us-east-1.amazonaws.com/runs > a.json"
)]
pub(super) struct OfferArgs {
    /// What the run is called, by all parties
    run: String,
    /// A file that the script is to read, and its name there [default: the file's]; may be repeated
    #[arg(long = "input", value_name = "FILE[=NAME]")]
    inputs: Vec<Given>,
    /// A result that this party is to have, by the name under which the script writes it; may be repeated
    #[arg(long = "output", value_name = "NAME")]
    outputs: Vec<String>,
    /// Do not ask for what the script prints
    #[arg(long)]
    no_log: bool,
    #[command(flatten)]
    place: Place,
    /// Certificates of authorities, PEM, by which this party judges its storage [default: those that the program contains]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// A file, and what it is called in the run.
#[derive(Clone)]
struct Given {
    path: PathBuf,
    name: String,
}

impl FromStr for Given {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, name) = text.rsplit_once('=').map_or((text, None), |(path, name)| (path, Some(name.to_owned())));
        let path = PathBuf::from(path);
        let own = || path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.or_else(own).filter(|name| is_name(name));
        Ok(Given { name: name.ok_or("a name has letters, digits and . _ -: give FILE=NAME")?, path })
    }
}

impl OfferArgs {
    pub(super) async fn run(mut self) -> Result<(), Error> {
        let home = home_or_default(self.common.home())?;
        let party = About::new(&self.common).await?.own_name().await?;
        if let Some(bad) = self.outputs.iter().chain([&party]).find(|name| !is_name(name)) {
            return Err(RunError::Name(bad.clone()).into());
        }
        self.inputs.sort_by(|a, b| a.name.cmp(&b.name));
        self.outputs.sort();
        let key = Folder::new_key(&home, &self.run)?;
        let seal = Seal { key: &key, run: &self.run, party: &party };
        let (storage, roots) = (self.place.storage()?, roots(self.ca.as_deref())?);
        let url = |method: &str, name: &str| storage.url(method, &format!("{}/{name}", self.run));
        let put = async |name: &str, sealed: Vec<u8>| {
            let thing = Thing::of(url("GET", name)?, &sealed);
            storage::put(&url("PUT", name)?, sealed, &roots).await?;
            Ok::<_, RunError>(thing)
        };
        let mut inputs = Vec::new();
        for Given { path, name } in &self.inputs {
            let sealed = seal.seal(Kind::Input, name, &read(path)?)?;
            let Thing { url, bytes, sha256 } = put(&format!("inputs/{name}"), sealed).await?;
            inputs.push(Input { name: name.clone(), url, bytes, sha256 });
        }
        let outputs = |method| {
            let one = |name: &String| Ok((name.clone(), url(method, &format!("outputs/{name}"))?));
            self.outputs.iter().map(one).collect::<Result<BTreeMap<_, _>, RunError>>()
        };
        let addresses =
            Addresses { status: url("PUT", "status")?, log: url("PUT", "log")?, stop: url("GET", "stop")?, outputs: outputs("PUT")? };
        let text = serde_json::to_vec(&addresses).expect("addresses have a JSON form");
        let addresses = put("addresses", seal.seal(Kind::Addresses, "addresses", &text)?).await?;
        let part = Part { name: party.clone(), addresses, inputs, outputs: self.outputs.clone(), log: !self.no_log };
        let offer = Offer { form: 1, run: self.run.clone(), part };
        let urls = Urls { status: url("GET", "status")?, log: url("GET", "log")?, stop: url("PUT", "stop")?, outputs: outputs("GET")? };
        let ca = self.ca.as_ref().map(|path| path.canonicalize().unwrap_or_else(|_| path.clone()));
        let record = Record { offer: offer.clone(), urls, ca, manifest: None };
        Folder::create(&home, &self.run, key, record)?;
        note(&format!("give this to who proposes run {}; nothing of it is secret", self.run));
        print_json(&offer)
    }
}
