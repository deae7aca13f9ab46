//! `party.toml`: who the parties are. All keys:
//!
//! ```toml
//! name = "alice"                  # this party's name for people, optional
//! threads = 4                     # threads that compute, optional; as many as there are cores if left out
//!
//! [[members]]                     # every party, this one included, in the order that all parties have
//! name = "alice"                  # for people
//! key = "cot1…"                   # as `cotenant id` prints it
//! address = "alice.example:7001"  # where those below it in the list reach it
//!
//! [timeouts]                      # optional, in seconds
//! connect = 60                    # how long to try to reach all parties
//! dead_after = 10                 # after how long of silence a party counts as gone
//! server = 30                     # how long the connector waits for the server, each time
//! call = 600                      # how long one whole call may take, from agreement to answer
//! ```
//!
//! An unknown key is refused: a timeout that is misspelt must not be passed over in silence.

use cotenant_net::{BadIdentityText, Limits, Member, PublicIdentity};
use serde::Deserialize;
use std::{num::NonZeroUsize, thread::available_parallelism, time::Duration};
use toml::{Table, Value};

/// The longest name of a party in bytes.
const MAX_NAME: usize = 64;

/// The contents of `party.toml`.
#[derive(Debug)]
pub struct PartyFile {
    /// All parties in order; two or more.
    pub members: Vec<Member>,
    threads: Option<NonZeroUsize>,
    timeouts: Timeouts,
}

/// What is wrong with a `party.toml`.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not TOML, or a value of the wrong type, or a key missing; the message has line and column.
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    /// A key that means nothing.
    #[error("unknown key \"{key}\"{place}; did you mean \"{nearest}\"?")]
    UnknownKey {
        /// The key.
        key: String,
        /// In which table: empty, or ` in [timeouts]`.
        place: &'static str,
        /// The known key that is nearest to it.
        nearest: &'static str,
    },
    /// Fewer than two members.
    #[error("{0} member(s) listed; list all parties, this one included, each under [[members]]")]
    TooFew(usize),
    /// A key of a member is no identity.
    #[error("the key of member {name:?}: {source}")]
    Key {
        /// The member.
        name: String,
        /// What is wrong with it.
        source: BadIdentityText,
    },
    /// A name that is empty, too long, or has other characters than letters, digits, blanks and `._-`.
    #[error("{0:?} is no name: 1 to 64 letters, digits, blanks, dots, hyphens and underscores")]
    Name(String),
    /// A timeout that is 0 or longer than a day.
    #[error("the timeout \"{0}\" is not between 1 and 86400 seconds")]
    Timeout(&'static str),
    /// More threads than any machine has cores, or none.
    #[error("threads = {0} is not between 1 and 1024")]
    Threads(u64),
}

#[derive(Deserialize)]
struct Raw {
    name: Option<String>,
    threads: Option<u64>,
    #[serde(default)]
    members: Vec<RawMember>,
    #[serde(default)]
    timeouts: Timeouts,
}

#[derive(Deserialize)]
struct RawMember {
    name: String,
    key: String,
    address: String,
}

#[derive(Debug, Default, Deserialize)]
struct Timeouts {
    connect: Option<u64>,
    dead_after: Option<u64>,
    server: Option<u64>,
    call: Option<u64>,
}

impl PartyFile {
    /// Reads the text of the file.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        check_keys(&text.parse::<Table>()?)?;
        let raw: Raw = toml::from_str(text)?;
        raw.name.as_deref().map_or(Ok(()), check_name)?;
        let members = raw.members.into_iter().map(RawMember::check).collect::<Result<Vec<_>, _>>()?;
        if members.len() < 2 {
            return Err(ConfigError::TooFew(members.len()));
        }
        for (name, seconds) in raw.timeouts.named() {
            if seconds.is_some_and(|s| !(1..=86_400).contains(&s)) {
                return Err(ConfigError::Timeout(name));
            }
        }
        let threads =
            raw.threads.map(|t| usize::try_from(t).ok().filter(|t| *t <= 1024).and_then(NonZeroUsize::new).ok_or(ConfigError::Threads(t)));
        Ok(PartyFile { members, threads: threads.transpose()?, timeouts: raw.timeouts })
    }

    /// The threads that compute.
    pub fn threads(&self) -> NonZeroUsize {
        self.threads.or_else(|| available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
    }

    /// The limits of the links.
    pub fn limits(&self) -> Limits {
        let or = |seconds: Option<u64>, default| seconds.map_or(default, Duration::from_secs);
        let default = Limits::default();
        Limits {
            connect: or(self.timeouts.connect, default.connect),
            dead_after: or(self.timeouts.dead_after, default.dead_after),
            ..default
        }
    }

    /// How long the connector waits for the server, each time.
    pub fn server_timeout(&self) -> Duration {
        Duration::from_secs(self.timeouts.server.unwrap_or(30))
    }

    /// How long one whole call may take.
    pub fn call_timeout(&self) -> Duration {
        Duration::from_secs(self.timeouts.call.unwrap_or(600))
    }
}

impl Timeouts {
    fn named(&self) -> [(&'static str, Option<u64>); 4] {
        [("connect", self.connect), ("dead_after", self.dead_after), ("server", self.server), ("call", self.call)]
    }
}

impl RawMember {
    fn check(self) -> Result<Member, ConfigError> {
        check_name(&self.name)?;
        let identity: PublicIdentity = self.key.parse().map_err(|source| ConfigError::Key { name: self.name.clone(), source })?;
        Ok(Member { name: self.name, identity, address: self.address })
    }
}

/// Names are shown beside errors, so they hold nothing that a terminal would act on.
pub(super) fn check_name(name: &str) -> Result<(), ConfigError> {
    let good = |c: char| c.is_alphanumeric() || " ._-".contains(c);
    if (1..=MAX_NAME).contains(&name.len()) && name.chars().all(good) { Ok(()) } else { Err(ConfigError::Name(name.to_owned())) }
}

fn check_keys(table: &Table) -> Result<(), ConfigError> {
    known(table, "", &["name", "threads", "members", "timeouts"])?;
    if let Some(Value::Array(members)) = table.get("members") {
        members.iter().filter_map(Value::as_table).try_for_each(|member| known(member, " in [[members]]", &["name", "key", "address"]))?;
    }
    match table.get("timeouts") {
        Some(Value::Table(timeouts)) => known(timeouts, " in [timeouts]", &["connect", "dead_after", "server", "call"]),
        _ => Ok(()),
    }
}

fn known(table: &Table, place: &'static str, names: &[&'static str]) -> Result<(), ConfigError> {
    match table.keys().find(|key| !names.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => {
            let nearest = names.iter().min_by_key(|name| strsim::damerau_levenshtein(name, key)).expect("each table has keys");
            Err(ConfigError::UnknownKey { key: key.clone(), place, nearest })
        }
    }
}

/// A new party's file: itself, and how to add the others.
pub(super) fn template(name: &str, own: &PublicIdentity) -> String {
    format!(
        "# All parties in the same order at every party; change the address to where the others reach this one.\n\
         name = \"{name}\"\n\n\
         [[members]]\nname = \"{name}\"\nkey = \"{own}\"\naddress = \"127.0.0.1:7001\"\n\n\
         # Add every other party, in the place that all agreed on:\n\
         # [[members]]\n# name = \"…\"\n# key = \"cot1…\"         (what: cotenant id  prints there)\n# address = \"host:port\"\n"
    )
}

/// The text of a file with these members, the first `name` this party's, all of whom share this machine's cores.
pub fn render(name: &str, members: &[Member]) -> String {
    let threads = available_parallelism().map_or(1, |cores| cores.get() / members.len()).max(1);
    let list =
        members.iter().map(|m| format!("\n[[members]]\nname = \"{}\"\nkey = \"{}\"\naddress = \"{}\"\n", m.name, m.identity, m.address));
    std::iter::once(format!("name = \"{name}\"\nthreads = {threads}\n")).chain(list).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cotenant_net::Identity;

    fn file() -> String {
        let member = |name: &str, port: u16| Member {
            name: name.to_owned(),
            identity: Identity::generate().unwrap().public(),
            address: format!("127.0.0.1:{port}"),
        };
        render("alice", &[member("alice", 7001), member("bob", 7002)])
    }

    #[test]
    fn what_is_rendered_is_read() {
        let with_limit = PartyFile::parse(&format!("{}\n[timeouts]\ncall = 7\n", file())).unwrap();
        assert_eq!(with_limit.call_timeout(), Duration::from_secs(7));
        let text = format!("{}\n[timeouts]\nconnect = 5\n", file());
        let parsed = PartyFile::parse(&text).unwrap();
        assert_eq!(parsed.members[1].name, "bob");
        assert_eq!(PartyFile::parse(&format!("threads = 3\n{}", file().replacen("threads", "#", 1))).unwrap().threads().get(), 3);
        assert_eq!(parsed.call_timeout(), Duration::from_secs(600));
        assert_eq!((parsed.limits().connect, parsed.limits().dead_after), (Duration::from_secs(5), Limits::default().dead_after));
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest_known_one() {
        let cases = [
            (file().replacen("name =", "nmae =", 1), "unknown key \"nmae\"; did you mean \"name\"?"),
            (file().replacen("address", "adress", 1), "unknown key \"adress\" in [[members]]; did you mean \"address\"?"),
            (format!("{}\n[timeout]\n", file()), "unknown key \"timeout\"; did you mean \"timeouts\"?"),
            (format!("{}\n[timeouts]\ndead-after = 3\n", file()), "unknown key \"dead-after\" in [timeouts]; did you mean \"dead_after\"?"),
        ];
        for (text, message) in cases {
            assert_eq!(PartyFile::parse(&text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn wrong_values_are_refused() {
        let error = |text: &str| PartyFile::parse(text).unwrap_err();
        assert!(matches!(error("name = "), ConfigError::Toml(_)));
        assert!(matches!(error("members = 3"), ConfigError::Toml(_)));
        assert!(matches!(error("name = \"x\""), ConfigError::TooFew(0)));
        assert!(matches!(error(&file().replace("\"bob\"", "\"b\\u001bb\"")), ConfigError::Name(_)));
        assert!(matches!(error(&file().replace("key = \"cot1", "key = \"cot2")), ConfigError::Key { .. }));
        for threads in ["0", "1025"] {
            let text = file()
                .lines()
                .map(|l| if l.starts_with("threads") { format!("threads = {threads}\n") } else { format!("{l}\n") })
                .collect::<String>();
            assert!(matches!(error(&text), ConfigError::Threads(_)), "{threads}");
        }
        assert!(matches!(error(&format!("{}[timeouts]\nconnect = 0", file())), ConfigError::Timeout("connect")));
        assert!(matches!(error(&format!("{}[timeouts]\ncall = 86401", file())), ConfigError::Timeout("call")));
    }
}
