//! A party's home directory: its identity, the member list, and its share of an S3 key.
//!
//! | file | what |
//! | --- | --- |
//! | `identity.pem` | the Ed25519 key that others know this party by, mode 0600 |
//! | `party.toml` | name, members in order, timeouts, to be written by its owner alone; see [`config`] |
//! | `cotenant.toml` | how the daemon runs; see [`crate::serve::config`] |
//! | `s3-share.json` | optional: this party's share of a secret access key, mode 0600; see [`crate::share`] |

pub mod config;

use config::{ConfigError, PartyFile};
use cotenant_core::PartyId;
use cotenant_net::{Identity, KeyFileError, Limits, Member, PublicIdentity};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    num::NonZeroUsize,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// The file of the identity.
pub const IDENTITY: &str = "identity.pem";
/// The file of the member list.
pub const PARTY: &str = "party.toml";
/// The file of the share of a secret access key.
pub const S3_SHARE: &str = "s3-share.json";

/// A home, read and checked.
pub struct Home {
    /// The directory.
    pub dir: PathBuf,
    /// This party's key.
    pub identity: Arc<Identity>,
    /// This party's place among the members.
    pub me: PartyId,
    /// All parties, in the order that all have.
    pub members: Vec<Member>,
    /// Times and sizes of the links.
    pub limits: Limits,
    /// How long the connector waits for the server, each time.
    pub server_timeout: Duration,
    /// How long one whole call may take.
    pub call_timeout: Duration,
    /// Threads that compute.
    pub threads: NonZeroUsize,
}

impl Home {
    /// Reads the home at `dir`. This party is the member that has its key.
    ///
    /// # Errors
    /// Which file is missing or wrong, and how.
    pub fn open(dir: &Path) -> Result<Home, HomeError> {
        let identity = load_identity(dir)?;
        let path = dir.join(PARTY);
        let text = read_own(dir, &path)?;
        let file = PartyFile::parse(&text).map_err(|source| HomeError::Config { path: path.clone(), source: Box::new(source) })?;
        let own = identity.public();
        let Some(place) = file.members.iter().position(|member| member.identity == own) else {
            return Err(HomeError::NotAMember { path, own });
        };
        let (limits, server_timeout, call_timeout) = (file.limits(), file.server_timeout(), file.call_timeout());
        let (dir, me, threads, members) = (dir.to_owned(), PartyId::new(place), file.threads(), file.members);
        Ok(Home { dir, identity: Arc::new(identity), me, members, limits, server_timeout, call_timeout, threads })
    }

    /// The party as people read it: `P2 "bob"`.
    pub fn name_of(&self, party: PartyId) -> String {
        self.members.get(party.index()).map_or(party.to_string(), |member| format!("{party} \"{}\"", member.name))
    }
}

/// Makes a home: a new identity, and a `party.toml` to fill in unless there is one. An existing identity is never overwritten.
///
/// # Errors
/// What could not be written.
pub fn init(dir: &Path, name: &str) -> Result<PublicIdentity, HomeError> {
    config::check_name(name).map_err(HomeError::Name)?;
    let write_failed = |path: PathBuf| move |source| HomeError::Write { path, source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(write_failed(dir.to_owned()))?;
    let identity = Identity::generate().map_err(HomeError::Randomness)?;
    identity.save(&dir.join(IDENTITY))?;
    let path = dir.join(PARTY);
    if !path.exists() {
        // Whoever can write it can name other members; a umask may allow that to a group.
        let created = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&path);
        let written = created.and_then(|mut file| file.write_all(config::template(name, &identity.public()).as_bytes()));
        written.map_err(write_failed(path.clone()))?;
    }
    Ok(identity.public())
}

/// Reads a file that nobody but its owner can write or replace.
pub(crate) fn read_own(dir: &Path, path: &Path) -> Result<String, HomeError> {
    let failed = |source| HomeError::Read { path: path.to_owned(), source };
    let own = |path: &Path, metadata: fs::Metadata| match metadata.permissions().mode() & 0o777 {
        mode if mode & 0o022 != 0 => Err(HomeError::Writable { path: path.to_owned(), mode }),
        _ => Ok(()),
    };
    own(dir, fs::metadata(dir).map_err(failed)?)?;
    let mut file = File::open(path).map_err(failed)?;
    own(path, file.metadata().map_err(failed)?)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// The identity of the home at `dir`.
///
/// # Errors
/// [`HomeError::NoIdentity`] or [`HomeError::Identity`].
pub fn load_identity(dir: &Path) -> Result<Identity, HomeError> {
    let path = dir.join(IDENTITY);
    match path.try_exists() {
        Ok(false) => Err(HomeError::NoIdentity { path }),
        _ => Ok(Identity::load(&path)?),
    }
}

/// What is wrong with a home.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// There is no identity.
    #[error("{path}: there is no identity; make one with: cotenant init --home {home}", home = path.parent().unwrap_or(Path::new(".")).display())]
    NoIdentity {
        /// The file.
        path: PathBuf,
    },
    /// The identity cannot be read or written.
    #[error(transparent)]
    Identity(#[from] KeyFileError),
    /// The operating system has no randomness.
    #[error("no randomness from the operating system: {0}")]
    Randomness(getrandom::Error),
    /// A file cannot be read.
    #[error("{}", crate::error::unread(path, source))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("{path}: cannot be written ({source}); check permissions and free space")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Others than its owner may write a file or the directory that it is in.
    #[error("{path}: others may write it (mode {mode:04o}), and so change what this party does; run: chmod go-w on it")]
    Writable {
        /// The file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The name that a new home is to have is none.
    #[error("--name {0}")]
    Name(ConfigError),
    /// The member list is wrong.
    #[error("{path}: {source}")]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: Box<ConfigError>,
    },
    /// This party is not in the member list.
    #[error("{path}: no member has this party's key {own}; add it to the list")]
    NotAMember {
        /// The file.
        path: PathBuf,
        /// This party's identity.
        own: PublicIdentity,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_makes_a_home_once() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("alice");
        let public = init(&home, "alice").unwrap();
        assert_eq!(load_identity(&home).unwrap().public(), public);
        assert!(matches!(init(&home, "alice"), Err(HomeError::Identity(_))), "never overwritten");
        assert!(matches!(Home::open(&home), Err(HomeError::Config { .. })), "the template names no other member");
        let text = fs::read_to_string(home.join(PARTY)).unwrap();
        let other = Identity::generate().unwrap().public();
        fs::write(home.join(PARTY), format!("{text}\n[[members]]\nname = \"bob\"\nkey = \"{other}\"\naddress = \"127.0.0.1:7002\"\n"))
            .unwrap();
        let opened = Home::open(&home).unwrap();
        assert_eq!((opened.me.index(), opened.name_of(PartyId::new(1))), (0, "P2 \"bob\"".to_owned()));
        fs::write(home.join(PARTY), text.replace(&public.to_string(), &other.to_string()) + &member(&Identity::generate().unwrap()))
            .unwrap();
        assert!(matches!(Home::open(&home), Err(HomeError::NotAMember { own, .. }) if own == public));
    }

    #[test]
    fn a_member_list_that_others_may_write_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("alice");
        init(&home, "alice").unwrap();
        let list = home.join(PARTY);
        fs::write(&list, fs::read_to_string(&list).unwrap() + &member(&Identity::generate().unwrap())).unwrap();
        for (path, bad, good) in [(&list, 0o664, 0o644), (&list, 0o602, 0o600), (&home, 0o770, 0o750), (&home, 0o702, 0o700)] {
            let set = |mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(Home::open(&home).is_ok());
            set(bad);
            assert!(matches!(Home::open(&home), Err(HomeError::Writable { path: p, mode }) if p == *path && mode == bad));
            set(good);
        }
        assert!(Home::open(&home).is_ok());
    }

    fn member(identity: &Identity) -> String {
        format!("\n[[members]]\nname = \"carol\"\nkey = \"{}\"\naddress = \"127.0.0.1:7003\"\n", identity.public())
    }

    #[test]
    fn what_is_missing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let Err(error) = Home::open(dir.path()) else { panic!("there is nothing to open") };
        assert!(matches!(error, HomeError::NoIdentity { .. }), "{error}");
        assert!(error.to_string().contains("cotenant init --home"), "{error}");
        Identity::generate().unwrap().save(&dir.path().join(IDENTITY)).unwrap();
        let Err(error) = Home::open(dir.path()) else { panic!("there is no member list") };
        assert!(error.to_string().contains("party.toml"), "{error}");
    }
}
