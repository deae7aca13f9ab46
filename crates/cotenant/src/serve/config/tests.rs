//! The file as it is written, and errors as people see them.

use super::*;
use std::collections::BTreeSet;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("/home"), text)
}

fn error(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn the_template_says_what_an_empty_file_means() {
    assert_eq!(parse(&template()).unwrap(), parse("").unwrap());
    assert!(template().lines().all(|line| line.len() <= 160), "it is read in a terminal");
    let written: BTreeSet<_> = KEYS.iter().map(|key| (key.table, key.name)).collect();
    assert_eq!(written.len(), KEYS.len());
    assert!(KEYS.iter().all(|key| TABLES.iter().any(|(table, _)| *table == key.table)));
}

#[test]
fn every_key_is_read() {
    let text = "[peers]\nlisten = \"[::1]:9\"\npublic = [\"alice.example:7001\", \"192.0.2.1:7002\"]\nconnect_seconds = 5\ndead_after_seconds = 6\n\
                [store]\ndirectory = \"/data\"\nunlock = \"passphrase-file\"\nunlock_from = \"phrase\"\n\
                [limits]\nthreads = 3\nwaiting = 2\noperation_seconds = 7\nstop_seconds = 0x8\n\
                [servers]\nroots = \"ca.pem\"\n[metrics]\naddress = \"0.0.0.0:1\"\nbeyond_loopback = true\n[log]\nformat = \"json\"\nlevel = \"warn\"\n[api]\nsocket = \"run/s\"\n";
    let given = text.lines().filter(|line| line.contains('=')).count();
    assert_eq!(given, KEYS.len(), "one line for each key");
    let config = parse(text).unwrap();
    let default = parse("").unwrap();
    assert_eq!(config.peers.listen, "[::1]:9".parse().unwrap());
    assert_eq!(config.peers.public.iter().map(ToString::to_string).collect::<Vec<_>>(), ["alice.example:7001", "192.0.2.1:7002"]);
    assert_eq!((config.peers.connect, config.peers.dead_after), (Duration::from_secs(5), Duration::from_secs(6)));
    assert_eq!(config.store.directory, Path::new("/data"));
    assert_eq!(config.store.unlock, UnlockFrom::PassphraseFile("/home/phrase".into()));
    let limits =
        Limits { threads: NonZeroUsize::new(3).unwrap(), waiting: 2, operation: Duration::from_secs(7), stop: Duration::from_secs(8) };
    assert_eq!(config.limits, limits);
    assert_eq!((config.roots.as_path(), default.roots.as_path()), (Path::new("/home/ca.pem"), Path::new("/home/roots.pem")));
    assert_eq!(config.metrics, Some("0.0.0.0:1".parse().unwrap()));
    assert_eq!(config.log, Log { format: LogFormat::Json, level: LevelFilter::WARN });
    assert_eq!(config.socket, Path::new("/home/run/s"));
    assert_eq!(default.store.unlock, UnlockFrom::KeyFile("/home/store.key".into()));
    assert_eq!(parse("[metrics]\naddress = \"off\"").unwrap().metrics, None);
}

#[test]
fn what_is_unknown_is_named_with_its_line_and_the_nearest_name() {
    let cases = [
        ("\n[metrics]\nadress = \"off\"", "line 3: unknown key \"adress\" in [metrics]; did you mean \"address\"?"),
        ("[limits]\nthreads = 1\nstop_second = 1", "line 3: unknown key \"stop_second\" in [limits]; did you mean \"stop_seconds\"?"),
        ("[store]\n[metric]\n", "line 2: unknown table [metric]; did you mean [metrics]?"),
        ("\n\nlisten = \"x\"\n", "line 3: \"listen\" is in no table; did you mean \"listen\" below [peers]?"),
        ("[log]\n\"a\\u001bb\" = 1", "line 2: unknown key \"a\\u{1b}b\" in [log]; did you mean \"level\"?"),
    ];
    for (text, message) in cases {
        assert_eq!(error(text), message);
    }
    assert!(error("[log]\nlevel = \n").starts_with("line 2: "), "{}", error("[log]\nlevel = \n"));
}

#[test]
fn a_wrong_value_is_shown_with_what_is_allowed() {
    let cases = [
        ("[log]\nlevel = \"loud\"", "line 2: level in [log] is \"loud\"; write \"error\", \"warn\", \"info\" or \"debug\""),
        ("[log]\nformat = 3", "line 2: format in [log] is 3; write \"text\" or \"json\""),
        ("[limits]\nwaiting = 0", "line 2: waiting in [limits] is 0; write a whole number from 1 to 10000"),
        ("[limits]\nstop_seconds = 86401", "line 2: stop_seconds in [limits] is 86401; write a whole number of seconds from 1 to 86400"),
        ("[limits]\nthreads = -1", "line 2: threads in [limits] is -1; write a whole number from 0 to 1024"),
        ("[store]\ndirectory = \"\"", "line 2: directory in [store] is \"\"; write a path"),
        ("[metrics]\nbeyond_loopback = \"no\"", "line 2: beyond_loopback in [metrics] is \"no\"; write true or false"),
    ];
    for (text, message) in cases {
        assert_eq!(error(text), message);
    }
    let refused = |text: &str, name: &str| {
        let error = parse(text).unwrap_err();
        assert!(matches!(&error, ConfigError::Value { name: found, .. } if *found == name), "{error}");
    };
    for address in ["0.0.0.0:9464", "192.0.2.1:1", "localhost:9464", "127.0.0.1", ""] {
        refused(&format!("[metrics]\naddress = \"{address}\""), "address");
    }
    refused("[peers]\npublic = [\"alice.example\"]", "public");
    refused("[peers]\npublic = \"alice.example:7001\"", "public");
    refused("[peers]\nlisten = \"7001\"", "listen");
    refused("[store]\nunlock_from = \"credential:\"", "unlock_from");
    refused("[store]\nunlock_from = \"credential:../x\"", "unlock_from");
    refused(&format!("[api]\nsocket = \"{}\"", "x".repeat(102)), "socket");
    assert!(parse(&format!("[api]\nsocket = \"{}\"", "x".repeat(101))).is_ok(), "with /home/ it has 107 bytes");
}
