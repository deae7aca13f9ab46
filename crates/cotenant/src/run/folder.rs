//! What a party keeps of a run, below its home: `runs/RUN/key`, `runs/RUN/run.json`. Whoever has the key reads what this party gave and gets.

use super::{RunError, manifest::Offer, manifest::is_name};
use crate::save::save;
use cotenant_agent::hex;
use cotenant_tls::TrustRoots;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// The folder of one run.
pub struct Folder {
    path: PathBuf,
    /// The run key.
    pub key: Zeroizing<[u8; 32]>,
    /// The rest.
    pub record: Record,
}

/// What is known of a run beside the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// What this party has offered.
    pub offer: Offer,
    /// Where it finds what comes of it.
    pub urls: Urls,
    /// A file with the authorities that it judges its storage by; those of the program if none.
    pub ca: Option<PathBuf>,
    /// The SHA-256 of the manifest that it has proposed or approved.
    pub manifest: Option<String>,
}

/// URLs of this party's own storage, for itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Urls {
    /// To read how the run stands.
    pub status: String,
    /// To read what the script printed.
    pub log: String,
    /// To put the word that ends the run.
    pub stop: String,
    /// To read results, by their names.
    pub outputs: BTreeMap<String, String>,
}

impl Folder {
    /// A new run, with a new key, of which nothing is known yet: what is to be sealed under it comes first.
    ///
    /// # Errors
    /// [`RunError::Exists`], [`RunError::Name`].
    pub fn new_key(home: &Path, run: &str) -> Result<Zeroizing<[u8; 32]>, RunError> {
        let path = path(home, run)?;
        if path.exists() {
            return Err(RunError::Exists(run.to_owned()));
        }
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).map_err(|_| RunError::Randomness)?;
        Ok(key)
    }

    /// Keeps a run.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn create(home: &Path, run: &str, key: Zeroizing<[u8; 32]>, record: Record) -> Result<Folder, RunError> {
        let path = path(home, run)?;
        let failed = |source: std::io::Error| match source.kind() {
            ErrorKind::AlreadyExists => RunError::Exists(run.to_owned()),
            _ => RunError::File { path: path.clone(), source },
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(home.join("runs")).map_err(failed)?;
        fs::DirBuilder::new().mode(0o700).create(&path).map_err(failed)?;
        let folder = Folder { path, key, record };
        folder.write("key", Zeroizing::new(hex::encode(&*folder.key)).as_bytes())?;
        folder.keep()?;
        Ok(folder)
    }

    /// The run of this name.
    ///
    /// # Errors
    /// [`RunError::NoRun`], or if it cannot be read.
    pub fn open(home: &Path, run: &str) -> Result<Folder, RunError> {
        let path = path(home, run)?;
        let read = |name: &str| {
            let path = path.join(name);
            fs::read(&path).map_err(|source| match source.kind() {
                ErrorKind::NotFound => RunError::NoRun(run.to_owned()),
                _ => RunError::File { path, source },
            })
        };
        let digits = Zeroizing::new(read("key")?);
        let key = std::str::from_utf8(&digits).ok().and_then(hex::decode).map(Zeroizing::new);
        let key = key.and_then(|key| <[u8; 32]>::try_from(&key[..]).ok()).ok_or_else(|| RunError::NoRun(run.to_owned()))?;
        let record = serde_json::from_slice(&read("run.json")?);
        let record = record.map_err(|source| RunError::Form { what: path.join("run.json").display().to_string(), source })?;
        Ok(Folder { path, key: key.into(), record })
    }

    /// Writes down what the manifest of this digest and its script say, for people to read; where the script is. Others of the same name are left alone: it
    /// may never be approved.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn lay_open(&self, digest: &str, manifest: &[u8], script: &[u8]) -> Result<PathBuf, RunError> {
        let short = &digest[..16];
        self.write(&format!("manifest-{short}.json"), manifest)?;
        let name = format!("script-{short}.py");
        self.write(&name, script)?;
        Ok(self.path.join(name))
    }

    /// Keeps that this manifest is the run's, as this party has proposed or approved it.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep_manifest(&mut self, digest: &str) -> Result<(), RunError> {
        self.record.manifest = Some(digest.to_owned());
        self.keep()
    }

    /// The digest of the manifest, as what comes from the machine is sealed with.
    ///
    /// # Errors
    /// [`RunError::NoManifest`].
    pub fn manifest(&self) -> Result<Vec<u8>, RunError> {
        let digest = self.record.manifest.as_deref().and_then(hex::decode);
        digest.ok_or_else(|| RunError::NoManifest(self.record.offer.run.clone()))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn keep(&self) -> Result<(), RunError> {
        let text = serde_json::to_vec_pretty(&self.record).expect("a record has a JSON form");
        self.write("run.json", &text)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), RunError> {
        let path = self.path.join(name);
        save(&path, bytes).map_err(|error| RunError::File { path, source: std::io::Error::other(error) })
    }
}

/// The roots in a file, or those of the program.
///
/// # Errors
/// If there is no such file, or it has none.
pub fn roots(ca: Option<&Path>) -> Result<TrustRoots, RunError> {
    let Some(path) = ca else { return Ok(TrustRoots::mozilla()) };
    let failed = |source| RunError::File { path: path.to_owned(), source };
    let pem = fs::read(path).map_err(failed)?;
    TrustRoots::from_pem(&pem).map_err(|error| failed(std::io::Error::other(error)))
}

fn path(home: &Path, run: &str) -> Result<PathBuf, RunError> {
    if is_name(run) { Ok(home.join("runs").join(run)) } else { Err(RunError::Name(run.to_owned())) }
}
