//! The systemd unit and the container file: what can be said of them where neither a service manager nor a registry of images is.

use crate::common::run;
use std::{
    fs,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

/// The top of the tree.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn packaged(name: &str) -> String {
    fs::read_to_string(top().join("packaging").join(name)).unwrap()
}

/// The command takes these words.
fn is_accepted(words: &[&str]) {
    let output = run(&[words, &["--help"]].concat());
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// What systemd itself says of a unit whose program is this one; nothing if it is right. None if systemd is not here.
fn complaints(unit: &str) -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cotenant.service");
    fs::write(&file, unit.replace("/usr/bin/cotenant", env!("CARGO_BIN_EXE_cotenant"))).unwrap();
    match Command::new("systemd-analyze").arg("verify").arg(&file).output() {
        Ok(output) => Some(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn systemd_has_nothing_to_say_of_the_unit() {
    let unit = packaged("cotenant.service");
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/bin/cotenant ")).unwrap();
    is_accepted(&start.split(' ').collect::<Vec<_>>());
    let Some(said) = complaints(&unit) else {
        // Past what the test harness keeps to itself.
        return io::stderr().write_all(b"skipped: no systemd-analyze\n").unwrap();
    };
    assert_eq!(said, "");
    let wrong = complaints(&unit.replace("ProtectSystem=", "ProtectSytem=")).unwrap();
    assert!(wrong.contains("Unknown key"), "the control: {wrong}");
    let user = Command::new("systemd-sysusers").arg("--dry-run").arg(top().join("packaging/cotenant.sysusers")).output().unwrap();
    let said = String::from_utf8_lossy(&user.stderr).into_owned() + &String::from_utf8_lossy(&user.stdout);
    assert!(user.status.success() && said.contains("'cotenant'"), "{said}");
    assert!(unit.contains("\nUser=cotenant\nGroup=cotenant\n"));
}

/// Words of an instruction in the form of a JSON list.
fn list(file: &str, instruction: &str) -> Vec<String> {
    let after = file.lines().find_map(|line| Some(line.strip_prefix(instruction)?.split_once('[')?.1)).unwrap();
    serde_json::from_str(&format!("[{after}")).unwrap()
}

#[test]
fn the_container_file_is_of_this_tree() {
    let file = packaged("Containerfile");
    let toolchain = fs::read_to_string(top().join("rust-toolchain.toml")).unwrap();
    let version = toolchain.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"').to_owned();
    assert!(file.contains(&format!("\nENV RUSTUP_TOOLCHAIN={version}\n")), "{version}");
    let copied: Vec<&str> = file.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--from")).collect();
    let sources = copied.iter().flat_map(|line| line.rsplit_once(' ').unwrap().0.split(' '));
    assert!(sources.clone().all(|source| top().join(source).exists()), "{copied:?}");
    // All that the workspace is made of is there to be built.
    assert!(["Cargo.toml", "Cargo.lock", "crates", "testing"].into_iter().all(|part| sources.clone().any(|source| source == part)));
    let (entry, command) = (list(&file, "ENTRYPOINT "), list(&file, "CMD "));
    assert_eq!(entry, ["cotenant"]);
    is_accepted(&command.iter().map(String::as_str).collect::<Vec<_>>());
    let health = list(&file, "HEALTHCHECK ");
    is_accepted(&health[1..].iter().map(String::as_str).collect::<Vec<_>>());
}
