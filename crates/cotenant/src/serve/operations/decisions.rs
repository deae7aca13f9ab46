//! Who decides for this party about what others propose: its owner, people with keys of their own, a standing policy.
//!
//! | file in the home | what |
//! | --- | --- |
//! | `approvers.toml` | keys of people, and how many of them have to sign; without it the owner of the socket decides |
//! | `policy.toml` | what is approved without asking ([`cotenant_agent::approve::policy`]); without it nothing is |
//!
//! ```toml
//! needed = 2        # approvals
//! pin = true        # security keys check a PIN or finger
//! keys = ["ssh-ed25519 AAAA... ann", "sk-ssh-ed25519@openssh.com AAAA... bob"]
//! ```

use crate::{
    home::{HomeError, read_own},
    text::line_at,
};
use cotenant_agent::approve::{
    deciding::{Approvers, BadApprovers},
    escape::escape,
    person::{Approver, BadKey},
    policy::{BadPolicy, Policy},
};
use serde::Deserialize;
use std::{
    io,
    path::{Path, PathBuf},
};

/// The file of people's keys.
pub const APPROVERS: &str = "approvers.toml";
/// The file of the standing policy.
pub const POLICY: &str = "policy.toml";

/// How this party decides.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// Whose signatures it takes; none if its owner decides.
    pub people: Option<Approvers>,
    /// What is approved without asking.
    pub policy: Option<Policy>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    needed: usize,
    #[serde(default)]
    pin: bool,
    keys: Vec<String>,
}

impl Rules {
    /// Reads the files of a home.
    ///
    /// # Errors
    /// Which file is wrong, and how.
    pub fn open(home: &Path) -> Result<Rules, BadRules> {
        let people = read(home, APPROVERS)?.map(|(path, text)| approvers(path, &text)).transpose()?;
        let parse = |(path, text): (PathBuf, String)| Policy::parse(&text).map_err(|source| BadRules::Policy { path, source });
        Ok(Rules { people, policy: read(home, POLICY)?.map(parse).transpose()? })
    }
}

/// A file that nobody but its owner can write, if it is there.
fn read(home: &Path, name: &str) -> Result<Option<(PathBuf, String)>, BadRules> {
    let path = home.join(name);
    match read_own(home, &path) {
        Ok(text) => Ok(Some((path, text))),
        Err(HomeError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn approvers(path: PathBuf, text: &str) -> Result<Approvers, BadRules> {
    let wrong = |source: toml::de::Error| {
        let line = line_at(text, source.span().map_or(0, |span| span.start));
        BadRules::Approvers { path: path.clone(), line, source: Box::new(source) }
    };
    let file: File = toml::from_str(text).map_err(wrong)?;
    let key = |(index, line): (usize, &String)| {
        Approver::parse(line).map_err(|source| BadRules::Key { path: path.clone(), number: index + 1, source })
    };
    let keys = file.keys.iter().enumerate().map(key).collect::<Result<_, _>>()?;
    Approvers::new(file.needed, keys, file.pin).map_err(|source| BadRules::People { path, source })
}

/// A file that says how this party decides is wrong.
#[derive(Debug, thiserror::Error)]
pub enum BadRules {
    /// It cannot be read, or others may write it.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// It is not of the form of approvers.
    #[error("{path}, line {line}: {}", escape(source.message()))]
    Approvers {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        source: Box<toml::de::Error>,
    },
    /// A key is none.
    #[error("{path}, key {number}: {source}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Which, from 1.
        number: usize,
        /// What is wrong.
        source: BadKey,
    },
    /// The keys and the number of approvals do not go together.
    #[error("{path}: {source}")]
    People {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: BadApprovers,
    },
    /// The policy.
    #[error("{path}, {source}")]
    Policy {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: BadPolicy,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFYXPXgSN4UgB+s5FpdRZ9cyIzFTQFHpSMdK2ohrlKG8 ann";

    #[test]
    fn without_files_the_owner_decides_about_everything() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(Rules::open(home.path()).unwrap(), Rules::default());
    }

    #[test]
    fn what_is_wrong_is_named_by_file_and_place() {
        let home = tempfile::tempdir().unwrap();
        let told = |name: &str, text: &str| {
            fs::write(home.path().join(name), text).unwrap();
            let told = Rules::open(home.path()).map_err(|error| error.to_string());
            fs::remove_file(home.path().join(name)).unwrap();
            told
        };
        let good = told(APPROVERS, &format!("needed = 1\nkeys = [\"{KEY}\"]\n")).unwrap();
        assert_eq!(good.people.unwrap().keys()[0].comment(), "ann");
        for (text, words) in [
            (format!("needed = 2\nkeys = [\"{KEY}\"]\n"), "2 approvals are needed"),
            (format!("needed = 1\nkeys = [\"{KEY}\", \"x\"]\n"), "key 2"),
            (format!("need = 1\nneeded = 1\nkeys = [\"{KEY}\"]\n"), "unknown field `need`"),
        ] {
            let error = told(APPROVERS, &text).unwrap_err();
            assert!(error.contains(APPROVERS) && error.contains(words), "{error}");
        }
        let error = told(POLICY, "[[allow]]\nname = \"x\"\noperation = \"anything\"\n").unwrap_err();
        assert!(error.contains(POLICY), "{error}");
    }
}
