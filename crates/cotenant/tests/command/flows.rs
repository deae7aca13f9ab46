//! Calls with secrets of the vault, made by daemons that are processes, to real servers that check what they are sent; and how such calls fail.

use crate::common::{
    Server,
    daemon::{Daemon, home_at},
    error, get,
    group::{NAMES, approve, asked, begin, found, through, wait},
    registry::Registry,
    run,
    search::Forms,
    text,
};
use cotenant_agent::{
    approve::receipt::{Opened, Receipt, commitment},
    hex,
};
use serde_json::Value;
use std::{fs, net::TcpListener, process::Output};
use tempfile::TempDir;

/// Alice and Bob in a room that believes this authority, whose certificate both have.
fn room(ca: &str) -> (TempDir, Daemon, Daemon) {
    let (dir, parties) = room_of(2, ca);
    let [alice, bob] = <[Daemon; 2]>::try_from(parties).ok().unwrap();
    (dir, alice, bob)
}

/// So many, of whom two can act.
fn room_of(members: usize, ca: &str) -> (TempDir, Vec<Daemon>) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    fs::write(&file, ca).unwrap();
    let start = |name: &&str| {
        let home = home_at(dir.path(), name);
        fs::copy(&file, home.join("roots.pem")).unwrap();
        Daemon::start(&home)
    };
    let parties: Vec<Daemon> = NAMES[..members].iter().map(start).collect();
    found(&parties, &NAMES[..members], 2, &["--ca", file.to_str().unwrap()]);
    (dir, parties)
}

fn flow(dir: &TempDir, name: &str, text: &str) -> String {
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Proposed by one, approved by the other, to the end.
fn call(one: &Daemon, other: &Daemon, arguments: &[&str]) -> Output {
    let child = begin(one, &[&["call"], arguments].concat(), b"");
    approve(other);
    child.wait_with_output().unwrap()
}

/// The answer to a call that was made.
fn called(one: &Daemon, other: &Daemon, arguments: &[&str]) -> Value {
    let output = call(one, other, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// How an operation ended.
fn ended(party: &Daemon, number: &Value) -> Value {
    wait("over", || {
        let all = party.json(&["pending", "--all"]);
        let one = all.as_array().unwrap().iter().find(|one| one["number"] == *number)?.clone();
        (one["standing"]["state"] == "ended").then(|| one["standing"].clone())
    })
}

fn newest(party: &Daemon) -> Value {
    party.json(&["pending", "--all"]).as_array().unwrap().last().unwrap()["number"].clone()
}

#[test]
fn s3_with_a_key_of_the_vault_after_both_have_restarted() {
    let server = Server::new();
    let (dir, alice, bob) = room(&fs::read_to_string(server.file("ca.pem")).unwrap());
    let put = ["vault", "put", "s3/key", "--kind", "alphanumeric", "--use", "sigv4:us-east-1/s3@localhost"];
    through(&[&alice, &bob], &put, b"secret\n");
    let (alice, bob) = (alice.restart("-TERM"), bob.restart("-TERM"));
    let sign = "# @sign aws-sigv4 service=s3 region=us-east-1 key=s3/key access-key-id={{id}}\n# @open all\n";
    let url = format!("https://{}/demo/{{{{name}}}}", server.endpoint());
    flow(&dir, "report.txt", "what two parties stored");
    let put = flow(&dir, "put.http", &format!("{sign}PUT {url}\n\n< ./report.txt\n"));
    let get = flow(&dir, "get.http", &format!("{sign}GET {url}\n"));
    let given = ["--arg", "name=report.txt", "--arg", "id=AKID"];
    let stored = called(&alice, &bob, &[&[put.as_str()][..], &given].concat());
    assert_eq!(stored["status"], 200, "{stored}");

    // The one that proposes is not the one that connects, and the body is printed as it came.
    let mut child = crate::common::command(
        &[&["call", get.as_str(), "--connector", "alice", "--home", bob.home.to_str().unwrap()][..], &given].concat(),
    );
    let child = child.spawn().unwrap();
    let shown = asked(&alice);
    let lines: Vec<&str> = shown["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
    for words in [
        "connected by P1 (alice)",
        "  GET /demo/report.txt",
        "  signed under the access key id AKID",
        "  secret signature = item s3/key, newest version: signs requests to localhost",
        "opened to all who take part:",
        "  | # @open all",
    ] {
        assert!(lines.iter().any(|line| line.contains(words)), "{words:?} is not in {lines:#?}");
    }
    approve(&alice);
    let output = child.wait_with_output().unwrap();
    assert_eq!((text(&output.stdout).as_str(), output.status.code()), ("what two parties stored", Some(0)), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("the server answered 200"), "{}", text(&output.stderr));

    // Both keep the answer, and a receipt that both have signed; its approval is spent.
    let number = shown["number"].to_string();
    for party in [&alice, &bob] {
        wait("kept", || Some(party.run(&["receipt", &number, "--answer"])).filter(|o| text(&o.stdout) == "what two parties stored"));
        let receipt = wait("signed", || Some(party.run(&["receipt", &number])).filter(|output| output.status.success()));
        let receipt = Receipt::from_text(&text(&receipt.stdout)).unwrap();
        assert!(receipt.verify(&receipt.operation().members.clone(), 2).is_ok() && receipt.outcome().server_chain.is_some());
        let again = error(&party.run(&["approve", &number, "--digest", shown["digest"].as_str().unwrap()]));
        assert!(again.contains("is not waiting for a decision"), "{again}");
        let log = party.json(&["log"]).to_string();
        assert!(log.contains("\"may be sent\"") && !log.contains("secret\\n"), "{log}");
    }

    // The service checks: another id has no such key.
    let refused = called(&alice, &bob, &[&get, "--arg", "name=report.txt", "--arg", "id=OTHER"]);
    assert_eq!(refused["status"], 403, "{refused}");
}

/// A server takes the URL that one member was given, as it is and from anybody; the other member has none.
#[test]
fn a_url_that_one_member_gives_away() {
    let server = Server::new();
    let ca = fs::read_to_string(server.file("ca.pem")).unwrap();
    let (dir, alice, bob) = room(&ca);
    fs::write(server.file("objects/demo/report.txt"), "what is given away").unwrap();
    let put = ["vault", "put", "s3/key", "--kind", "alphanumeric", "--use", "sigv4:us-east-1/s3@localhost"];
    through(&[&alice, &bob], &put, b"secret\n");
    let sign = "# @presign aws-sigv4 service=s3 region=us-east-1 key=s3/key access-key-id={{id}} expires=600\n";
    let file = flow(&dir, "url.http", &format!("{sign}GET https://{}/demo/{{{{name}}}}\n", server.endpoint()));
    let env = flow(&dir, "env.json", r#"{"test": {"id": "AKID", "name": "no.txt", "more": "x"}}"#);
    let given = [&file, "--env", &env, "--environment", "test", "--arg", "name=report.txt"];
    let checked = text(&run(&[&["flow", "check"], &given[..]].concat()).stdout);
    assert!(checked.contains("a URL, for who proposes it alone") && checked.contains("presigned for seconds: 600"), "{checked}");
    let told = error(&alice.run(&[&["call"], &given[..], &["--connector", "bob"]].concat()));
    assert!(told.contains("a presigned URL is made and not sent, so nobody connects"), "{told}");

    let explained = alice.json(&[&["call", "--explain"], &given[..]].concat());
    let number = |what: &str| explained[what].as_u64().unwrap();
    assert!(explained["lines"].to_string().contains("the URL is opened to P1 (alice) alone"), "{explained}");
    assert!(number("ands") > 250_000 && number("sent_bytes") > 60 * number("ands") && number("parties") == 2, "{explained}");
    assert_eq!(bob.json(&["pending", "--all"]).as_array().unwrap().len(), 1, "nobody was asked to explain it");

    let child = begin(&alice, &[&["call"], &given[..]].concat(), b"");
    let shown = asked(&bob);
    let lines = shown["lines"].to_string();
    for words in [
        "make a URL by which whoever has it can for 600 seconds send this request, with any body, as often as it likes to",
        "GET /demo/report.txt",
        "the URL is opened to P1 (alice) alone",
    ] {
        assert!(lines.contains(words), "{words:?} is not in {lines}");
    }
    approve(&bob);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    let url = made["url"].as_str().unwrap();
    assert_eq!(get(url, &ca), (200, b"what is given away".to_vec()));
    let (before, last) = url.split_at(url.len() - 1);
    assert_eq!(get(&format!("{before}{}", if last == "0" { "1" } else { "0" }), &ca).0, 403, "another signature");
    assert_eq!(get(&url.replace("report.txt", "other.txt"), &ca).0, 403, "another object");
    assert_eq!(get(url.split_once('?').unwrap().0, &ca).0, 403, "no signature");

    // Alice can have it once more, and show what the receipt of both commits to; Bob has none, and neither daemon has written it down.
    let number = shown["number"].to_string();
    assert_eq!(text_of(&alice, &["receipt", &number, "--url"]), format!("{url}\n"));
    let nonce = hex::decode(made["nonce"].as_str().unwrap()).unwrap().try_into().unwrap();
    for party in [&alice, &bob] {
        let receipt = wait("signed", || Some(party.run(&["receipt", &number])).filter(|output| output.status.success()));
        let receipt = Receipt::from_text(&text(&receipt.stdout)).unwrap();
        assert_eq!(receipt.verify(&receipt.operation().members.clone(), 2), Ok(()));
        let Opened::Only { commitment: told, .. } = receipt.outcome().values[0].opened else { panic!("it is for one") };
        assert_eq!(told, commitment(&nonce, url.as_bytes()));
    }
    let none = error(&bob.run(&["receipt", &number, "--url"]));
    assert!(none.contains("no URL was made for this party"), "{none}");
    let signature = url.rsplit_once('=').unwrap().1;
    for party in [alice, bob] {
        let party = party.restart("-TERM");
        assert!(!party.run(&["receipt", &number, "--url"]).status.success(), "it was in memory alone");
        assert!(!party.end("-TERM").contains(&signature[..12]));
    }
}

const REGISTER: &str = "# @vault token = token\n# @open all\n# @not-reflected token\nPOST https://localhost:PORT/register\nContent-Type: application/json\n\n{\"token\":\"{{token}}\"}\n";
const CHECK: &str =
    "# @vault token = ITEM\n# @open all\n# @not-reflected token\nGET https://localhost:PORT/check\nAuthorization: Bearer {{token}}\n";

#[test]
fn a_drawn_secret_is_registered_once_and_checked_later() {
    let server = Registry::new();
    let (dir, alice, bob) = room(&server.ca);
    let file = |name: &str, text: &str, item: &str| flow(&dir, name, &text.replace("PORT", &server.port.to_string()).replace("ITEM", item));
    for item in ["token", "other"] {
        let uses = ["--use", "field@localhost", "--use", "header:authorization@localhost"];
        through(&[&alice, &bob], &[&["vault", "gen", item, "--kind", "alphanumeric", "--bytes", "24"][..], &uses].concat(), b"");
    }
    let registered = called(&alice, &bob, &[&file("register.http", REGISTER, "token")]);
    assert_eq!((&registered["status"], &registered["body"]["text"]), (&201.into(), &"kept".into()), "{registered}");
    let token = server.token().unwrap();
    assert!(token.len() == 24 && token.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{token}");
    let (alice, bob) = (alice.restart("-KILL"), bob.restart("-KILL"));
    let checked = called(&bob, &alice, &[&file("check.http", CHECK, "token")]);
    assert_eq!((&checked["status"], &checked["body"]["text"]), (&200.into(), &"right".into()), "{checked}");
    let other = called(&bob, &alice, &[&file("other.http", CHECK, "other")]);
    assert_eq!((&other["status"], &other["body"]["text"]), (&403.into(), &"wrong".into()), "{other}");
    for party in [alice, bob] {
        let home = party.home.clone();
        let log = party.end("-TERM");
        assert!(!log.contains(&token) && !log.contains(&token[..12]), "{log}");
        for file in ["store/data", "store/keys"] {
            let bytes = fs::read(home.join(file)).unwrap();
            assert!(!bytes.windows(12).any(|window| window == &token.as_bytes()[..12] || window == &token.as_bytes()[12..]), "{file}");
        }
    }
}

/// Two of three call while the third is away. It is told when it is back, and has had no part in it.
#[test]
fn two_of_three_call_without_the_third() {
    let server = Registry::new();
    server.keeps("whatTheServerKnows");
    let (dir, parties) = room_of(3, &server.ca);
    let put = ["vault", "put", "token", "--kind", "alphanumeric", "--use", "header:authorization@localhost"];
    through(&parties.iter().collect::<Vec<_>>(), &put, b"whatTheServerKnows");
    let [alice, bob, carol] = <[Daemon; 3]>::try_from(parties).ok().unwrap();
    let home = carol.home.clone();
    carol.end("-KILL");
    let check = CHECK.replace("PORT", &server.port.to_string()).replace("ITEM", "token");
    let checked = called(&alice, &bob, &[&flow(&dir, "check.http", &check), "--with", "bob"]);
    assert_eq!((&checked["status"], &checked["body"]["text"]), (&200.into(), &"right".into()), "{checked}");
    let number = newest(&alice);
    for party in [&alice, &bob] {
        let receipt = wait("signed", || Some(party.run(&["receipt", &number.to_string()])).filter(|output| output.status.success()));
        let receipt = Receipt::from_text(&text(&receipt.stdout)).unwrap();
        assert_eq!((receipt.operation().quorum.len(), receipt.verify(&receipt.operation().members.clone(), 2)), (2, Ok(())));
    }
    let carol = Daemon::start(&home);
    wait("told", || carol.json(&["pending", "--all"]).as_array().unwrap().iter().any(|one| one["number"] == number).then_some(()));
    let end = ended(&carol, &number);
    assert_eq!((&end["end"], &end["by"]), (&"elsewhere".into(), &"alice".into()), "{end}");
    let log = carol.json(&["log"]).to_string();
    assert_eq!((log.matches("\"may be sent\"").count(), server.requests().len()), (0, 1), "{log}");
}

const ISSUE: &str = "# @keep token in json \"token\" chars alnum len 24\n# @save token = token for header:authorization@localhost\n# @open id in json \"id\" chars digits len 1..9\n# @limit 1536\nPOST https://localhost:PORT/issue\n";

/// From the answer of a server into the vault, which is as it was when the answer does not fit, and from there to the server again.
#[test]
fn a_token_in_an_answer_goes_into_the_vault_unseen() {
    let server = Registry::new();
    let (dir, alice, bob) = room(&server.ca);
    let file = |name: &str, text: &str| flow(&dir, name, &text.replace("PORT", &server.port.to_string()).replace("ITEM", "token"));
    let child = begin(&alice, &["call", &file("issue.http", ISSUE)], b"");
    let shown = asked(&bob);
    let lines = shown["lines"].to_string();
    for words in [
        "24 characters of",
        "token becomes the next version of item token",
        "sent to localhost in the header authorization",
        "id: what stands once",
    ] {
        assert!(lines.contains(words), "{words:?} is not in {lines}");
    }
    approve(&bob);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&answer["status"], &answer["opened"], &answer["body"]["text"]),
        (&200.into(), &serde_json::json!([["id", { "text": "17" }]]), &"".into())
    );
    let token = server.token().unwrap();
    let number = shown["number"].to_string();
    assert_eq!(text_of(&bob, &["receipt", &number, "--answer"]), "id=17\n");

    // Another length: the status is all that is known, and the vault stays as it is.
    let told = error(&call(&alice, &bob, &[&file("other.http", &ISSUE.replace("len 24", "len 23"))]));
    assert!(
        told.contains("its request may have been delivered") && told.contains("of status 200, is not exactly as the policy says"),
        "{told}"
    );
    let lost = server.token().unwrap();
    let items = alice.json(&["vault", "list"]);
    assert_eq!(
        (&items["items"][0]["name"], &items["items"][0]["version"], &items["items"][0]["len"]),
        (&"token".into(), &1.into(), &24.into()),
        "{items}"
    );

    for party in [&alice, &bob] {
        for secret in [&token, &lost] {
            let found = Forms::of(secret.as_bytes()).in_memory(party.process());
            assert!(found.is_empty(), "what a server has issued is in the memory of a daemon: {found:#?}");
        }
    }

    // The server takes the one that it issued last; that of the vault is the one before.
    let (alice, bob) = (alice.restart("-KILL"), bob.restart("-KILL"));
    assert_eq!(called(&bob, &alice, &[&file("check.http", CHECK)])["status"], 403);
    called(&alice, &bob, &[&file("issue.http", ISSUE)]);
    let last = server.token().unwrap();
    let checked = called(&bob, &alice, &[&file("check.http", CHECK)]);
    assert_eq!((&checked["status"], &checked["body"]["text"]), (&200.into(), &"right".into()), "{checked}");
    for party in [alice, bob] {
        let home = party.home.clone();
        let mut written = vec![("log", party.end("-TERM").into_bytes())];
        written.extend(["store/data", "store/keys"].map(|file| (file, fs::read(home.join(file)).unwrap())));
        for (file, bytes) in written {
            for secret in [&token, &lost, &last] {
                assert!(
                    !bytes.windows(12).any(|window| window == &secret.as_bytes()[..12] || window == &secret.as_bytes()[12..]),
                    "{file}"
                );
            }
        }
    }
}

/// One party sends what members would send, with test secrets in the clear, and is shown what they would see.
#[test]
fn a_dry_run_needs_nobody_else() {
    let server = Registry::new();
    server.keeps("test");
    let dir = tempfile::tempdir().unwrap();
    let ca = flow(&dir, "ca.pem", &server.ca);
    let address = format!("localhost:{}", server.port);
    let file = |name: &str, text: &str| flow(&dir, name, &text.replace(":PORT", "").replace("ITEM", "token"));
    let dry = |file: &str, more: &[&str]| run(&[&["flow", "dry-run", file, "--ca", &ca, "--connect", &address], more].concat());
    let check = file("check.http", CHECK);
    for (value, answer) in [("test", "right"), ("other", "wrong")] {
        let output = dry(&check, &["--secret", &format!("token={value}")]);
        assert_eq!((text(&output.stdout).as_str(), output.status.code()), (answer, Some(0)), "{}", text(&output.stderr));
    }
    let env = flow(&dir, "env.json", r#"{"test": {"token": "test"}}"#);
    let shown: Value =
        serde_json::from_slice(&dry(&check, &["--env", &env, "--environment", "test", "--secret", "token", "--json"]).stdout).unwrap();
    assert_eq!((&shown["status"], &shown["body"]["text"]), (&200.into(), &"right".into()), "{shown}");
    // A variable fills a secret hole only if it is named.
    let told = error(&dry(&check, &["--env", &env, "--environment", "test"]));
    assert!(told.contains("check.http: {{token}} is secret: give --secret token=VALUE"), "{told}");

    let output = dry(&file("issue.http", ISSUE), &[]);
    assert_eq!(text(&output.stdout), "id=17\n", "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("token, 24 bytes, would become item token"), "{}", text(&output.stderr));
    let told = error(&dry(&file("other.http", &ISSUE.replace("len 24", "len 23")), &[]));
    assert!(told.contains("of status 200, is not exactly as the policy says"), "{told}");

    // Signatures, in a header and in a URL, to a server that checks them.
    let server = Server::new();
    let ca = server.file("ca.pem");
    fs::write(server.file("objects/demo/a.txt"), "stored").unwrap();
    let s3 = |sign: &str, secret: &str| {
        let settings = "aws-sigv4 service=s3 region=us-east-1 key=s3/key access-key-id=AKID";
        let file =
            flow(&dir, "get.http", &format!("# @{sign}GET https://{}/demo/a.txt\n", server.endpoint()).replace("SETTINGS", settings));
        run(&["flow", "dry-run", &file, "--ca", &ca, "--secret", &format!("signature={secret}")])
    };
    assert_eq!(text(&s3("sign SETTINGS\n# @open all\n", "secret").stdout), "stored");
    assert!(text(&s3("sign SETTINGS\n# @open all\n", "other").stdout).contains("SignatureDoesNotMatch"));
    let url = text(&s3("presign SETTINGS expires=60\n", "secret").stdout);
    assert_eq!(get(url.trim_end(), &fs::read_to_string(&ca).unwrap()), (200, b"stored".to_vec()));
}

/// What every party would refuse is refused where it is proposed, and nobody is asked.
#[test]
fn what_is_wrong_with_a_call_is_said_at_once() {
    let server = Registry::new();
    let (dir, alice, bob) = room(&server.ca);
    through(&[&alice, &bob], &["vault", "gen", "token", "--bytes", "4", "--kind", "hex", "--use", "field@localhost"], b"");
    let told = |text: &str, more: &[&str]| error(&alice.run(&[&["call", &flow(&dir, "x.http", text)][..], more].concat()));
    for (text, more, words) in [
        ("# @opne all\nGET https://localhost/\n", &[][..], "x.http:1:3: there is no directive @opne; the nearest is @open"),
        ("# @open all\nGET https://localhost/{{id}}\n", &[], "x.http:2:23: nothing fills {{id}}; give --arg id=VALUE"),
        ("# @open all\nGET https://localhost/\n\n###\nGET https://localhost/\n", &[], "x.http:5:1: this is a second request"),
        ("# @open all\nGET https://localhost/\n", &["--connector", "eve"], "the room has no member called eve"),
        (&CHECK.replace("ITEM", "token"), &[], "token may not be used like this: sent to localhost in the header authorization"),
        (&CHECK.replace("ITEM", "nothing"), &[], "there is no item nothing in the vault"),
    ] {
        let text = text.replace(":PORT", "");
        assert!(told(&text, more).contains(words), "{text:?}: {}", told(&text, more));
    }
    assert_eq!(bob.json(&["pending"]), Value::Array(vec![]));
    // Programs get the daemon's problem document.
    let page = flow(&dir, "x.http", "# @open all\nGET https://localhost/\n");
    let problem: Value = serde_json::from_slice(&alice.run(&["call", &page, "--connector", "eve", "--json"]).stdout).unwrap();
    assert_eq!((&problem["type"], &problem["status"]), (&"urn:cotenant:problem:no-such-member".into(), &404.into()));

    // Bob lost the file of the room's authorities: he is told before he approves anything, and can go on when it is back.
    let child = begin(&alice, &["call", &flow(&dir, "x.http", &format!("# @open all\nGET https://localhost:{}/\n", server.port))], b"");
    let shown = asked(&bob);
    let (number, digest) = (shown["number"].to_string(), shown["digest"].as_str().unwrap().to_owned());
    let roots = bob.home.join("roots.pem");
    fs::rename(&roots, dir.path().join("away")).unwrap();
    let told = error(&bob.run(&["approve", &number, "--digest", &digest]));
    assert!(told.contains("roots.pem, which is to hold the certificates of the room's authorities"), "{told}");
    fs::write(&roots, crate::common::some_ca()).unwrap();
    let told = error(&bob.run(&["approve", &number, "--digest", &digest]));
    assert!(told.contains("lacks the certificate of an authority for servers that the room lists"), "{told}");
    fs::rename(dir.path().join("away"), &roots).unwrap();
    bob.json(&["approve", &number, "--digest", &digest]);
    let output = child.wait_with_output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["status"], 404);
}

#[test]
fn servers_that_cannot_be_called() {
    let mut server = Server::new();
    let (dir, alice, bob) = room(&crate::common::some_ca());
    let page = flow(&dir, "page.http", &format!("# @open all\nGET https://{}/\n", server.endpoint()));
    // Another authority than the room's: each party finds that by itself, and nothing is sent.
    let told = error(&call(&alice, &bob, &[&page]));
    assert!(told.contains("failed, and nothing has changed") && told.contains("issued by an unknown authority"), "{told}");
    let other = ended(&bob, &newest(&bob));
    assert_eq!(other["end"], "failed", "{other}");
    server.stop();
    let told = error(&call(&alice, &bob, &[&page, "--connector", "bob"]));
    let words = "P2, the connector: the server refused the connection: nothing listens at that port (P2 is \"bob\")";
    assert!(told.contains("failed, and nothing has changed") && told.contains(words), "{told}");
    let other = ended(&bob, &newest(&bob));
    assert!(other["reason"].as_str().unwrap().contains("nothing listens at that port"), "{other}");
}

fn waits_for_an_answer(server: &Registry) {
    wait("asked", || server.requests().contains(&"GET /silence HTTP/1.1".to_owned()).then_some(()));
}

/// A party is killed when the request is with the server: it says so when it is back, the other says so at once, and neither goes on with it.
#[test]
fn a_party_that_dies_with_the_request_at_the_server() {
    let server = Registry::new();
    let (dir, alice, bob) = room(&server.ca);
    let page = flow(&dir, "page.http", &format!("# @open all\nGET https://localhost:{}/silence\n", server.port));
    let child = begin(&alice, &["call", &page], b"");
    let number = approve(&bob)["number"].clone();
    waits_for_an_answer(&server);
    let bob = bob.restart("-KILL");
    let output = child.wait_with_output().unwrap();
    let told = error(&output);
    assert!(told.contains("its request may have been delivered") && told.contains("\"bob\""), "{told}");
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &shown["standing"]["end"]), (Some(4), &"may-be-sent".into()));
    for party in [&alice, &bob] {
        assert_eq!(ended(party, &number)["end"], "may-be-sent");
    }
    let reason = ended(&bob, &number)["reason"].clone();
    assert_eq!(reason, "the daemon ended while it ran");
    // It stays like that over another restart, and the vault and the room go on.
    let bob = bob.restart("-TERM");
    assert_eq!(ended(&bob, &number)["end"], "may-be-sent");
    through(&[&alice, &bob], &["vault", "gen", "k", "--bytes", "4"], b"");
    assert_eq!(server.requests().len(), 1, "nobody has tried again");
}

/// A party that is killed before it has let its part out, as the server has not answered the ClientHello: nothing was sent, and both know.
#[test]
fn a_party_that_dies_before_anything_is_sent() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (dir, alice, bob) = room(&crate::common::some_ca());
    let page = flow(&dir, "page.http", &format!("# @open all\nGET https://localhost:{}/\n", silent.local_addr().unwrap().port()));
    let child = begin(&alice, &["call", &page], b"");
    let number = approve(&bob)["number"].clone();
    let _connection = silent.accept().unwrap();
    let bob = bob.restart("-KILL");
    let output = child.wait_with_output().unwrap();
    let told = error(&output);
    assert!(told.contains("failed, and nothing has changed"), "{told}");
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &shown["standing"]["end"]), (Some(1), &"failed".into()));
    for party in [&alice, &bob] {
        assert_eq!(ended(party, &number)["end"], "failed");
    }
}

/// A terminal shows what a flow has in it escaped, wherever it comes from.
#[test]
fn a_flow_cannot_act_on_a_terminal() {
    let server = Registry::new();
    let (dir, alice, bob) = room(&server.ca);
    let text = format!("# \u{1b}[2J\u{202e}\n# @open all\nPOST https://localhost:{}/{{{{a}}}}\n\n\u{1b}]0;x\u{7}\n", server.port);
    let file = flow(&dir, "x.http", &text);
    let mut child = begin(&alice, &["call", &file, "--arg", "a=%1b"], b"");
    let number = asked(&bob)["number"].to_string();
    let shown = text_of(&bob, &["pending"]);
    assert!(
        shown.contains("  | # \\u{1b}[2J\\u{202e}") && shown.contains("  | \\u{1b}]0;x\\u{7}") && shown.contains("  POST /%1b"),
        "{shown}"
    );
    assert!(shown.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)));
    bob.json(&["refuse", &number, "no"]);
    assert!(!child.wait().unwrap().success());
}

fn text_of(party: &Daemon, arguments: &[&str]) -> String {
    text(&party.run(arguments).stdout)
}
