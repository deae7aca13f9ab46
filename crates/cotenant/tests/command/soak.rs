//! Daemons that are killed at random moments of what they do together: on the vault, to the room, in calls. Each time all come to the same room and the same vault
//! by themselves and say the same of what was done; a request has reached its server once or never, as they say; and the secrets still work, or it never happened.
//!
//! What is done, by whom, and who is killed when is a function of a seed; what the machine makes of these times differs from run to run.
//! `SEED=7 SCHEDULES=20 just soak-processes` does again what the room of seed 7 does.

use crate::common::{
    daemon::{Daemon, change, home_at},
    group::{Item, NAMES, begin, found, items, show, through, wait},
    registry::Registry,
    signal,
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    process::Output,
    thread,
    time::{Duration, Instant, SystemTime},
};
use tempfile::TempDir;

/// How many schedules a room goes through.
const IN_A_ROOM: u64 = 20;
/// What is in the vault from the beginning, and what the server wants to be shown.
const TOKEN: &str = "whatTheServerKnows";

/// splitmix64
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (x ^ x >> 31) % limit
    }

    fn at(&mut self, limit: usize) -> usize {
        self.below(limit as u64) as usize
    }
}

/// What all members say when nothing goes on.
#[derive(Clone, Debug, PartialEq)]
struct State {
    epoch: u64,
    items: Vec<Item>,
}

/// A room, and what happens in it.
struct Room {
    seed: u64,
    random: Random,
    parties: Vec<Daemon>,
    server: Registry,
    dir: TempDir,
}

impl Room {
    /// Two or three, of whom two can act, and the token in their vault.
    fn new(seed: u64) -> Room {
        let (dir, server, mut random) = (tempfile::tempdir().unwrap(), Registry::new(), Random(seed));
        server.keeps(TOKEN);
        let names = &NAMES[..2 + random.at(2)];
        let ca = dir.path().join("ca.pem");
        fs::write(&ca, &server.ca).unwrap();
        let start = |name: &&str| {
            let home = home_at(dir.path(), name);
            fs::copy(&ca, home.join("roots.pem")).unwrap();
            // Who was killed is not in the run for which the others wait when it is back.
            change(&home, "connect_seconds", "10");
            Daemon::start(&home)
        };
        let parties: Vec<Daemon> = names.iter().map(start).collect();
        found(&parties, names, 2, &["--ca", ca.to_str().unwrap()]);
        let put = ["vault", "put", "kept", "--kind", "alphanumeric", "--use", "header:authorization@localhost"];
        through(&parties.iter().collect::<Vec<_>>(), &put, TOKEN.as_bytes());
        let flow = format!(
            "# @vault token = kept\n# @open all\n# @not-reflected token\nGET https://localhost:{}/check\nAuthorization: Bearer {{{{token}}}}\n",
            server.port
        );
        fs::write(dir.path().join("check.http"), flow).unwrap();
        Room { seed, random, parties, server, dir }
    }

    /// What is done next.
    fn next(&mut self, state: &State) -> Vec<String> {
        let n = self.parties.len();
        let flow = self.dir.path().join("check.http").to_str().unwrap().to_owned();
        let (kind, member) = (self.random.below(16), NAMES[self.random.at(n)]);
        let charter = show(&self.parties[0])["charter"].as_array().unwrap().clone();
        let other_threshold = if charter.iter().any(|line| line["what"] == "threshold" && line["value"] == "2") { "3" } else { "2" };
        let has_x = state.items.iter().any(|item| item.0 == "x");
        let words: &[&str] = match kind {
            0..3 => &["vault", "put", "x", "--no-wait"],
            3..5 => &["vault", "gen", "x", "--bytes", "20", "--no-wait"],
            5..7 if has_x => &["vault", "remove", "x", "--no-wait"],
            7 => &["vault", "verify", "--no-wait"],
            8 => &["vault", "reshare", "--no-wait"],
            9 => &["vault", "repair", member, "--no-wait"],
            10 if n == 3 => &["room", "change", "--threshold", other_threshold],
            10..13 => &["room", "change", "--renew"],
            13 => &["call", &flow, "--no-wait"],
            _ => &["vault", "refresh", "--no-wait"],
        };
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// One thing is done, and daemons are killed meanwhile; what it was, and whether it was done.
    fn schedule(&mut self) -> (String, bool) {
        let (before, known, requests) = (self.settled(), self.known(), self.server.requests().len());
        let words = self.next(&before);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let n = self.parties.len();
        let (proposer, span) = (self.random.at(n), [300, 1_000, 3_000, 9_000][self.random.at(4)]);
        let kills: Vec<(usize, u64)> = (0..1 + self.random.at(3)).map(|_| (self.random.at(n), self.random.below(span))).collect();
        let killed: Vec<String> = kills.iter().map(|(victim, after)| format!("{} after {after} ms", NAMES[*victim])).collect();
        let what = format!("{} by {}, killed {}", words.join(" "), NAMES[proposer], killed.join(", "));

        let mut command = begin(&self.parties[proposer], &words, b"any value\n");
        for (victim, after) in kills {
            let (process, after) = (self.parties[victim].process(), Duration::from_millis(after));
            let killer = thread::spawn(move || {
                thread::sleep(after);
                signal("-KILL", process);
            });
            while !killer.is_finished() {
                self.people_agree();
            }
            killer.join().unwrap();
            let party = self.parties.remove(victim);
            self.parties.insert(victim, party.again());
        }
        // It has proposed by then, or its daemon was gone.
        command.wait().unwrap();
        let after = self.settled();
        let done = self.is_right(&what, &words, (&before, &after), &known, self.server.requests().len() - requests);
        // All shares of everything are right.
        through(&self.parties.iter().collect::<Vec<_>>(), &["vault", "verify", "--with", &NAMES[..n].join(",")], b"");
        (what, done)
    }

    /// Who is asked for anything says yes; a daemon that was killed answers nothing.
    fn people_agree(&self) {
        for party in &self.parties {
            let asked = said(&party.run(&["pending", "--json"]));
            for one in asked.as_array().into_iter().flatten().filter(|one| one["undecided"] == true) {
                party.run(&["approve", &one["number"].to_string(), "--digest", one["digest"].as_str().unwrap()]);
            }
            let room = said(&party.run(&["room", "show", "--json"]));
            if room["proposal"]["own"] == false {
                party.run(&["room", "sign", "--digest", room["proposal"]["digest"].as_str().unwrap()]);
            }
        }
    }

    /// Nothing goes on any more, all are connected, and all say the same.
    fn settled(&self) -> State {
        wait(&format!("settled in the room of seed {}", self.seed), || {
            self.people_agree();
            let states: Vec<State> = self.parties.iter().map(settled).collect::<Option<_>>()?;
            states.windows(2).all(|two| two[0] == two[1]).then(|| states[0].clone())
        })
    }

    /// The operations that anybody knows.
    fn known(&self) -> BTreeSet<u64> {
        self.parties.iter().flat_map(operations).map(|one| number(&one)).collect()
    }

    /// How operations other than these have ended, at each member that took part in them.
    fn ends(&self, known: &BTreeSet<u64>) -> Vec<Vec<String>> {
        let mut ends: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for (party, name) in self.parties.iter().zip(NAMES) {
            for one in operations(party).iter().filter(|one| !known.contains(&number(one))) {
                let of_one = ends.entry(number(one)).or_default();
                if !one["without"].as_array().unwrap().iter().any(|without| without == name) {
                    of_one.push(one["standing"]["end"].as_str().unwrap().to_owned());
                }
            }
        }
        ends.into_values().collect()
    }

    /// What all say of it is what has happened; whether it was done.
    fn is_right(&self, what: &str, words: &[&str], (before, after): (&State, &State), known: &BTreeSet<u64>, requests: usize) -> bool {
        let ends = self.ends(known);
        let context = format!("room of seed {}: {what}: {before:?}, {after:?}, {ends:?}, {requests} requests", self.seed);
        assert!(ends.len() <= 1 && requests <= 1, "{context}");
        let ends = ends.first().cloned().unwrap_or_default();
        let done = ends.iter().any(|end| end == "done");
        match words {
            ["room", ..] => {
                let entered = after.epoch > before.epoch;
                assert!(after.epoch - before.epoch <= 1 && before.items == after.items && ends.is_empty(), "{context}");
                entered
            }
            ["vault", "verify", ..] | ["call", ..] => {
                assert!(before == after && (requests == 1 || !done || words[0] == "vault"), "{context}");
                assert!(requests == 0 || ends.iter().all(|end| end == "done" || end == "may-be-sent"), "{context}");
                done
            }
            _ => {
                assert!(before.epoch == after.epoch && (before.items != after.items) == done, "{context}");
                assert!(ends.iter().all(|end| (end == "done") == done), "{context}");
                done
            }
        }
    }
}

/// What a command has printed, if anything.
fn said(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// The operations of the epoch that a party knows.
fn operations(party: &Daemon) -> Vec<Value> {
    party.json(&["pending", "--all"]).as_array().unwrap().clone()
}

fn number(operation: &Value) -> u64 {
    operation["number"].as_u64().unwrap()
}

/// Where a party stands, if nothing goes on there.
fn settled(party: &Daemon) -> Option<State> {
    let (room, vault) = (show(party), party.json(&["vault", "list"]));
    let connected = |member: &Value| member["own"] == true || member["connected"] == true;
    let quiet = room["proposal"].is_null() && room["members"].as_array().unwrap().iter().all(connected);
    let ready = vault["waits"].is_null() && vault["hindrance"].is_null();
    let over = quiet && ready && operations(party).iter().all(|one| one["standing"]["state"] == "ended");
    over.then(|| State { epoch: room["epoch"].as_u64().unwrap(), items: items(party) })
}

/// So many schedules, in rooms of these seeds and those that follow.
fn soak(first: u64, count: u64) {
    let (begun, mut taken, mut done) = (Instant::now(), 0, 0);
    for seed in first.. {
        println!("room of seed {seed}");
        let mut room = Room::new(seed);
        for _ in 0..IN_A_ROOM.min(count - taken) {
            let start = Instant::now();
            let (what, was_done) = room.schedule();
            (taken, done) = (taken + 1, done + u64::from(was_done));
            let rate = taken as f64 / begun.elapsed().as_secs_f64();
            let end = SystemTime::now() + Duration::from_secs_f64((count - taken) as f64 / rate);
            let seconds = end.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() % 86_400;
            let outcome = if was_done { "done" } else { "not done" };
            println!("{what}: {outcome}, {:.1} s", start.elapsed().as_secs_f64());
            println!(
                "  {taken} of {count}, {done} done, {:.1} a minute, to the end at {:02}:{:02} UTC",
                60.0 * rate,
                seconds / 3600,
                seconds / 60 % 60
            );
        }
        if taken == count {
            return;
        }
    }
}

/// A put, a change of the room, a gen and a refresh between two.
#[test]
fn a_few_schedules() {
    soak(401, 4);
}

/// As many as `SCHEDULES` says, in rooms from `SEED` on.
#[test]
#[ignore = "takes hours: just soak-processes"]
fn many_schedules() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse().expect("a number"));
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    soak(number("SEED").unwrap_or_else(now), number("SCHEDULES").unwrap_or(1000));
}
