//! The command line by itself: help, arguments, identities, homes, the list of circuits.

use crate::common::{Homes, error, run, some_ca, start, text};
use std::{fs, os::unix::fs::PermissionsExt};

/// The commands that a help text lists, with what is below each.
fn commands(of: &[&str]) -> Vec<Vec<String>> {
    let help = run(&[of, &["--help"]].concat());
    assert!(help.status.success() && help.stderr.is_empty(), "{of:?}");
    let help = text(&help.stdout);
    let shown = help.matches(&format!("cotenant {}", of.join(" "))).count();
    assert!(of.is_empty() || shown > 1, "{of:?} has an example besides its usage");
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| line.starts_with("  "));
    let named = listed.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    named.map(|name| of.iter().copied().chain([name]).map(str::to_owned).collect()).collect()
}

#[test]
fn every_command_has_help_with_an_example() {
    let mut seen = Vec::new();
    let mut wanted = commands(&[]);
    while let Some(command) = wanted.pop() {
        wanted.extend(commands(&command.iter().map(String::as_str).collect::<Vec<_>>()));
        seen.push(command.join(" "));
    }
    for name in ["demo", "s-client", "init", "serve", "room join", "vault put", "approve", "receipt"] {
        assert!(seen.iter().any(|command| command == name), "{name} is not among {seen:?}");
    }
    assert!(!text(&run(&["s3", "--help"]).stdout).contains("--tamper"), "it is for demonstrations only");
}

#[test]
fn bad_arguments_are_named() {
    let cases: [(&[&str], &str); 17] = [
        (&[], "Usage"),
        (&["s-clinet"], "s-client"),
        (&["s-client"], "HOST:PORT"),
        (&["s-client", "localhost", "--ca", "x"], "write HOST:PORT"),
        (&["s-client", "localhost:443"], "--ca"),
        (&["s-client", "localhost:443", "--ca", "x", "--parties", "1"], "2 to 64"),
        (&["s-client", "localhost:443", "--ca", "x", "--parties", "x"], "2 to 64"),
        (&["s-client", "localhost:443", "--ca", "x", "--home", "h", "--parties", "3"], "--parties"),
        (&["s3", "--home", "h", "--endpoint", "https://localhost", "--ca", "x", "--bucket", "b", "list"], "write HOST:PORT"),
        (&["s3", "--home", "h", "--endpoint", "localhost:443", "--ca", "x", "--bucket", "b"], "STEP"),
        (&["demo", "--connector", "x"], "not a number from 1 to 64"),
        (&["vault", "put", "k", "--use", "header:authorization"], "header:NAME@HOST"),
        (&["vault", "refresh", "--within", "0"], "--within"),
        (&["room", "change", "--address", "bob"], "not MEMBER=HOST:PORT"),
        (&["room", "change", "--renew", "--add", "1"], "--renew"),
        (&["call", "x.http", "--arg", "name"], "not NAME=VALUE"),
        (&["approve", "four"], "four"),
    ];
    for (arguments, words) in cases {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(error(&output).contains(words), "{arguments:?}: {}", text(&output.stderr));
    }
    let step = run(&["s3", "--home", "h", "--endpoint", "localhost:443", "--ca", "x", "--bucket", "b", "put:a"]);
    assert!(error(&step).contains("write put:KEY=FILE"));
    assert!(error(&run(&["demo", "--connector", "3"])).contains("--connector 3: there are 2 parties"));
}

#[test]
fn a_ca_file_that_is_missing_or_none_is_named() {
    let homes = Homes::new(2);
    let (good, bad) = (homes.write("good.pem", &some_ca()), homes.write("bad.pem", "no certificate"));
    let with = |ca: &str, more: &[&str]| error(&run(&[&["s-client", "localhost:443", "--ca", ca], more].concat()));
    assert!(with("/none/ca.pem", &[]).starts_with("cotenant: /none/ca.pem: cannot be read (No such file"));
    assert!(with(&bad, &[]).contains("bad.pem: no usable trust root"));
    assert!(with(&good, &["--groups", "P-521"]).contains("--groups \"P-521\""));
    assert!(with(&good, &["--server-name", "a b"]).contains("--server-name"));
    assert!(with(&good, &["--connector", "3"]).contains("--connector 3: there are 2 parties"));
    assert!(with(&good, &["--connector", "0", "--home", homes.home(0)]).contains("--connector 0"));
}

#[test]
fn steps_that_cannot_be_done_are_named_before_anything_is_done() {
    let homes = Homes::new(2);
    let ca = homes.write("ca.pem", &some_ca());
    let long = homes.write("long", &"x".repeat(32769));
    let share = cotenant::share::deal("AKID", &[7; 40], 2).unwrap().remove(0);
    share.save(&homes.homes[0].join("s3-share.json")).unwrap();
    let step = |bucket: &str, step: &str| {
        error(&run(&["s3", "--home", homes.home(0), "--endpoint", "localhost:1", "--ca", &ca, "--bucket", bucket, step]))
    };
    for key in ["../a", "a//b", "/a", "a/."] {
        assert!(step("b", &format!("get:{key}")).contains("is no key for a step"), "{key}");
    }
    for bucket in ["", "..", "a/b"] {
        assert!(step(bucket, "list").contains("is no name of a bucket"), "{bucket}");
    }
    assert!(step("b", &format!("put:a={long}")).contains("more than the 32768 bytes"));
    assert!(step("b", "get:a=/dev/null").contains("/dev/null: is there and is no regular file"));
    assert!(step("b", "get:a=/none/b").contains("/none/b: cannot be written"));
    assert!(step("b", "get:a\u{1b}[2J/..").chars().all(|c| !c.is_control() || c == '\n'), "nothing acts on a terminal");
    for (input, words) in [("x".repeat(32769), "standard input has more than the 32768 bytes"), (String::new(), "standard input is empty")]
    {
        let output = start(&["s-client", "localhost:1", "--ca", &ca], &input).wait_with_output().unwrap();
        assert!(error(&output).contains(words), "{}", error(&output));
    }
}

#[test]
fn an_identity_is_made_once_and_shown() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("alice");
    let home = home.to_str().unwrap();
    assert!(error(&run(&["id", "--home", home])).contains("cotenant init --home"));
    let made = run(&["init", "--home", home, "--name", "alice"]);
    assert!(made.status.success() && text(&made.stdout).starts_with("cot1"));
    assert_eq!(run(&["id", "--home", home]).stdout, made.stdout);
    assert!(error(&run(&["init", "--home", home])).contains("never overwritten"));
    let json: serde_json::Value = serde_json::from_slice(&run(&["id", "--home", home, "--json"]).stdout).unwrap();
    assert_eq!(json["identity"].as_str(), Some(text(&made.stdout).trim()));
    let mode = fs::metadata(format!("{home}/identity.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(error(&run(&["init", "--home", "/proc/none"])).contains("/proc/none: cannot be written"));
    let other = dir.path().join("bob");
    assert!(error(&run(&["init", "--home", other.to_str().unwrap(), "--name", "b\u{1b}b"])).contains("is no name"));
}

#[test]
fn a_home_that_is_wrong_is_explained() {
    let homes = Homes::new(2);
    let ca = homes.write("ca.pem", &some_ca());
    let file = homes.homes[0].join("party.toml");
    let good = fs::read_to_string(&file).unwrap();
    let call = || error(&run(&["s-client", "localhost:443", "--ca", &ca, "--home", homes.home(0)]));
    fs::write(&file, good.replacen("address", "adress", 1)).unwrap();
    assert!(call().contains("unknown key \"adress\" in [[members]]; did you mean \"address\"?"));
    fs::write(&file, good.replacen("name = ", "name = = ", 1)).unwrap();
    assert!(call().contains("party.toml: TOML parse error at line 1"));
    fs::remove_file(&file).unwrap();
    assert!(call().contains("party.toml: cannot be read"));
    fs::write(&file, &good).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
    assert!(call().contains("party.toml: others may write it (mode 0664)"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(homes.homes[0].join("identity.pem"), fs::Permissions::from_mode(0o644)).unwrap();
    assert!(call().contains("chmod 600"));
    let s3 = ["s3", "--home", homes.home(1), "--endpoint", "localhost:443", "--ca", &ca, "--bucket", "demo", "list"];
    assert!(error(&run(&s3)).contains("s3-share.json: No such file"));
}

#[test]
fn circuits_are_listed_with_their_counts() {
    let table = text(&run(&["circuits"]).stdout);
    assert!(table.lines().any(|line| line.starts_with("aes-128 key schedule") && line.contains(" 1280 ")), "{table}");
    let json: serde_json::Value = serde_json::from_slice(&run(&["circuits", "--json"]).stdout).unwrap();
    let circuits = json["circuits"].as_array().unwrap();
    assert_eq!(circuits.len(), cotenant_circuit::library::library().len());
    assert!(circuits.iter().all(|circuit| circuit["ands"].is_u64() && circuit["depth"].is_u64()));
}
