//! Every key of `cotenant.toml`: what it means, what it may be, and its default, which is read like a value that is given.

/// One key.
pub struct Key {
    /// The table that it is in.
    pub table: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The value that it has if it is left out, in TOML.
    pub default: &'static str,
    /// What it means.
    pub about: &'static str,
    /// What may be written.
    pub wants: &'static str,
}

/// The tables in order, with what they are about.
pub const TABLES: [(&str, &str); 7] = [
    ("peers", "Links to the other parties."),
    ("store", "What this party keeps: rooms, shares, what it signed."),
    ("limits", "How much at once, and for how long."),
    ("servers", "Servers that calls are made to."),
    ("metrics", "Counters for Prometheus, at http://ADDRESS/metrics."),
    ("log", "The log, on standard error."),
    ("api", "Where the commands of this machine ask the daemon."),
];

const SECONDS: &str = "a whole number of seconds from 1 to 86400";

/// All keys.
pub const KEYS: [Key; 17] = [
    Key {
        table: "peers",
        name: "listen",
        default: "\"0.0.0.0:7001\"",
        about: "Where this party waits for the others.",
        wants: "an IP address and a port, as in \"0.0.0.0:7001\" or \"[::]:7001\"",
    },
    Key {
        table: "peers",
        name: "public",
        default: "[]",
        about: "Where the others reach this party. Members dial the first; the others stand in invitations alone.",
        wants: "a list of \"host:port\", as in [\"alice.example:7001\"]",
    },
    Key {
        table: "peers",
        name: "connect_seconds",
        default: "60",
        about: "How long one attempt to reach a party lasts; another one follows.",
        wants: SECONDS,
    },
    Key {
        table: "peers",
        name: "dead_after_seconds",
        default: "10",
        about: "After how long of silence a party counts as gone.",
        wants: SECONDS,
    },
    Key {
        table: "store",
        name: "directory",
        default: "\"store\"",
        about: "The directory; it is made at the first start. Paths in this file are relative to this file's directory.",
        wants: "a path",
    },
    Key {
        table: "store",
        name: "unlock",
        default: "\"key-file\"",
        about: "What opens the store: a key file, which is made at the first start, or a passphrase, the first line of a file.",
        wants: "\"key-file\" or \"passphrase-file\"",
    },
    Key {
        table: "store",
        name: "unlock_from",
        default: "\"store.key\"",
        about: "That file. \"credential:NAME\" is the credential NAME that systemd hands over (LoadCredential=, LoadCredentialEncrypted=).",
        wants: "a path, or \"credential:NAME\" with a NAME without slashes",
    },
    Key {
        table: "limits",
        name: "threads",
        default: "0",
        about: "Threads that compute; 0 for as many as there are cores.",
        wants: "a whole number from 0 to 1024",
    },
    Key {
        table: "limits",
        name: "waiting",
        default: "64",
        about: "How many operations of one room may wait for their turn. One runs at a time.",
        wants: "a whole number from 1 to 10000",
    },
    Key {
        table: "limits",
        name: "operation_seconds",
        default: "3600",
        about: "How long one operation may run before it is told to stop.",
        wants: SECONDS,
    },
    Key {
        table: "limits",
        name: "stop_seconds",
        default: "20",
        about: "How long an operation that is told to stop may take to do so, also when the daemon ends; then it is dropped.",
        wants: SECONDS,
    },
    Key {
        table: "servers",
        name: "roots",
        default: "\"roots.pem\"",
        about: "Certificates of the authorities that rooms list for servers; what a room does not list is passed over. Read at each call.",
        wants: "a path of a PEM file, which is needed for rooms that were made with --ca",
    },
    Key {
        table: "metrics",
        name: "address",
        default: "\"127.0.0.1:9464\"",
        about: "Where they are shown; port 0 for any free one; \"off\" for nowhere.",
        wants: "a loopback address and a port, as in \"127.0.0.1:9464\", or \"off\"; another address only with beyond_loopback = true",
    },
    Key {
        table: "metrics",
        name: "beyond_loopback",
        default: "false",
        about: "Whether that address may be one that other machines reach. Metrics tell how much this party works, and with whom.",
        wants: "true or false",
    },
    Key {
        table: "log",
        name: "format",
        default: "\"text\"",
        about: "Lines for people, or one JSON object a line.",
        wants: "\"text\" or \"json\"",
    },
    Key {
        table: "log",
        name: "level",
        default: "\"info\"",
        about: "The least that is logged.",
        wants: "\"error\", \"warn\", \"info\" or \"debug\"",
    },
    Key {
        table: "api",
        name: "socket",
        default: "\"api.sock\"",
        about: "A Unix socket, mode 0600: who can open it acts for this party.",
        wants: "a path; with its directory at most 107 bytes",
    },
];

/// The key of this name in this table.
pub(super) fn key(table: &str, name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.table == table && key.name == name)
}

/// The file with every key, what it means, and its default.
pub fn template() -> String {
    let mut text =
        "# How this party's daemon runs (cotenant serve). Every key is here with its default; a key that is left out has it.\n".to_owned();
    for (table, about) in TABLES {
        text += &format!("\n# {about}\n[{table}]\n");
        for Key { name, default, about, wants, .. } in KEYS.iter().filter(|key| key.table == table) {
            text += &format!("# {about}\n# Write {wants}.\n{name} = {default}\n");
        }
    }
    text
}
