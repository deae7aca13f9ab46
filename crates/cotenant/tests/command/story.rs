//! What parties do together over the years, each on a host of its own, with 6.6 ms and 5.55 Gbit/s between any two: `just story`, as root.
//!
//! It is left out where all tests are run, as it makes network namespaces and takes minutes; other tests have each of its steps on one host.

use crate::common::{
    Server,
    daemon::{Daemon, change, home_at},
    group::{approve, begin, found, in_epoch, items, join, sign, through},
    registry::Registry,
    text,
};
use cotenant_wan::{Line, Network, Wan};
use serde_json::Value;
use std::{
    fs,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// Hosts for parties, and one more with the servers.
struct Story {
    wan: Wan,
    servers: usize,
    dir: TempDir,
    s3: Server,
    registry: Registry,
    begin: Instant,
}

impl Story {
    fn new(name: &str, subnet: u8, parties: usize) -> Story {
        let line = Line { round_trip: Duration::from_micros(6_600), gbit: Some(5.55) };
        let wan = (Network { name: name.into(), hosts: parties + 1, line, subnet }).up().unwrap();
        let address = wan.address(parties);
        let (s3, registry) = wan.on_host(parties, || (Server::at(address), Registry::at(address))).unwrap();
        let dir = tempfile::tempdir().unwrap();
        for (file, ca) in [("s3.pem", &fs::read_to_string(s3.file("ca.pem")).unwrap()), ("registry.pem", &registry.ca)] {
            fs::write(dir.path().join(file), ca).unwrap();
        }
        Story { wan, servers: parties, dir, s3, registry, begin: Instant::now() }
    }

    fn tell(&self, what: &str) {
        println!("{:6.1} s  {what}", self.begin.elapsed().as_secs_f64());
    }

    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    /// The daemon of a new party on this host, which knows the servers' authorities.
    fn party(&self, host: usize, name: &str) -> Daemon {
        let home = home_at(self.dir.path(), name);
        change(&home, "listen", &format!("\"{}:7001\"", self.wan.address(host)));
        fs::write(home.join("roots.pem"), [fs::read(self.file("s3.pem")).unwrap(), fs::read(self.file("registry.pem")).unwrap()].concat())
            .unwrap();
        Daemon::start_within(&home, &["ip", "netns", "exec", &self.wan.namespace(host)])
    }

    fn parties(&self, names: &[&str], threshold: usize) -> Vec<Daemon> {
        let parties: Vec<Daemon> = names.iter().enumerate().map(|(host, name)| self.party(host, name)).collect();
        found(&parties, names, threshold, &["--ca", &self.file("s3.pem"), "--ca", &self.file("registry.pem")]);
        self.tell(&format!("{} found a room, {threshold} of whom can act", names.join(", ")));
        parties
    }

    /// Where the servers are.
    fn host(&self) -> String {
        self.wan.address(self.servers).to_string()
    }

    /// Proposed by the first, approved by the others: what the server answered.
    fn call(&self, parties: &[&Daemon], flow: &str, more: &[&str]) -> Value {
        let file = self.file("call.http");
        fs::write(&file, flow).unwrap();
        let child = begin(parties[0], &[&["call", file.as_str()], more].concat(), b"");
        parties[1..].iter().for_each(|party| drop(approve(party)));
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// A token that nobody knows goes to the registry, once.
    fn register(&self, parties: &[&Daemon]) {
        let (host, port) = (self.host(), self.registry.port);
        let uses = [format!("field@{host}"), format!("header:authorization@{host}")];
        let generate = ["vault", "gen", "token", "--kind", "alphanumeric", "--bytes", "24", "--use", &uses[0], "--use", &uses[1]];
        through(parties, &generate, b"");
        let flow = format!(
            "# @vault token = token\n# @open all\n# @not-reflected token\nPOST https://{host}:{port}/register\nContent-Type: application/json\n\n{{\"token\":\"{{{{token}}}}\"}}\n"
        );
        assert_eq!(self.call(parties, &flow, &[])["status"], 201);
        self.tell("all draw a token, and send it inside TLS to a server that keeps it");
    }

    /// The registry is shown the token, and compares.
    fn check(&self, parties: &[&Daemon], more: &[&str]) {
        let (host, port) = (self.host(), self.registry.port);
        let flow = format!(
            "# @vault token = token\n# @open all\n# @not-reflected token\nGET https://{host}:{port}/check\nAuthorization: Bearer {{{{token}}}}\n"
        );
        assert_eq!(self.call(parties, &flow, more)["status"], 200);
        self.tell("the server is shown the token, and it is the one");
    }
}

fn all(parties: &[Daemon]) -> Vec<&Daemon> {
    parties.iter().collect()
}

fn restarted(parties: Vec<Daemon>) -> Vec<Daemon> {
    parties.into_iter().map(|party| party.restart("-TERM")).collect()
}

#[test]
#[ignore = "makes network namespaces and takes minutes: just story"]
fn two_parties_and_a_key_of_s3() {
    let story = Story::new("duo", 81, 2);
    let mut parties = story.parties(&["alice", "bob"], 2);
    let host = story.host();
    let put = ["vault", "put", "s3/key", "--kind", "alphanumeric", "--use", &format!("sigv4:us-east-1/s3@{host}")];
    through(&all(&parties), &put, b"secret\n");
    story.tell("alice puts the S3 key into the vault");
    parties = restarted(parties);
    story.tell("both have restarted");
    let sign = "# @sign aws-sigv4 service=s3 region=us-east-1 key=s3/key access-key-id=AKID\n# @open all\n";
    let url = format!("https://{}/demo/report.txt", story.s3.endpoint());
    assert_eq!(story.call(&all(&parties), &format!("{sign}PUT {url}\n\nwhat two stored\n"), &[])["status"], 200);
    let got = story.call(&all(&parties), &format!("{sign}GET {url}\n"), &[]);
    assert_eq!((&got["status"], &got["body"]["text"]), (&200.into(), &"what two stored".into()), "{got}");
    story.tell("they store an object and read it back, signed with the key of the vault");
    story.register(&all(&parties));
    story.check(&all(&parties), &[]);
    through(&all(&parties), &["vault", "refresh"], b"");
    story.tell("all shares are new");
    story.check(&all(&parties), &[]);
}

#[test]
#[ignore = "makes network namespaces and takes minutes: just story"]
fn three_parties_become_four_and_one_is_lost() {
    let story = Story::new("quartet", 82, 4);
    let mut parties = story.parties(&["alice", "bob", "carol"], 3);
    story.register(&all(&parties));

    let dave = story.party(3, "dave");
    parties[0].json(&["room", "change", "--add", "1", "--threshold", "3"]);
    join(&parties[0], &dave, "dave");
    parties.push(dave);
    parties.iter().for_each(|party| sign(party, &["epoch: 1 -> 2", "members: 3 -> 4"]));
    parties.iter().for_each(|party| in_epoch(party, 2));
    through(&all(&parties), &["vault", "reshare"], b"");
    assert_eq!(items(&parties[3]), [("token".to_owned(), 2, 3, 4, vec![])]);
    story.tell("dave joins, and the vault is shared out anew: 3 of 4");
    story.check(&all(&parties), &["--with", "alice,bob,carol,dave"]);

    let dave = parties.pop().unwrap();
    let home = dave.home.clone();
    dave.end("-KILL");
    fs::remove_dir_all(&home).unwrap();
    story.tell("dave's machine is lost, with its disk and its key");
    story.check(&all(&parties), &["--with", "alice,bob,carol"]);
    story.tell("three go on");

    let dora = story.party(3, "dora");
    parties[1].json(&["room", "change", "--replace", "dave"]);
    join(&parties[1], &dora, "dora");
    parties.push(dora);
    [1, 3, 0, 2].into_iter().for_each(|at| sign(&parties[at], &["epoch: 2 -> 3"]));
    parties.iter().for_each(|party| in_epoch(party, 3));
    assert_eq!(items(&parties[0]), [("token".to_owned(), 2, 3, 4, vec!["dora".to_owned()])]);
    story.tell("dora takes his place; the vault is below full strength");
    through(&all(&parties), &["vault", "repair", "dora"], b"");
    assert_eq!(items(&parties[0]), [("token".to_owned(), 3, 3, 4, vec![])]);
    through(&all(&parties), &["vault", "verify", "--with", "alice,bob,carol,dora"], b"");
    story.tell("the vault is repaired, and all shares are right");
    story.check(&[&parties[3], &parties[0], &parties[2]], &["--with", "dora,alice,carol"]);
    story.tell("dora and two others use it");
}
