//! What the program prints: the exact counts of small workloads, the names of the fields, and its refusals. Times are not tested.

use cotenant_mpc::{Task, ot::CHUNK_ROWS};
use serde_json::{Value, json};
use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cotenant-bench");

fn run(arguments: &str) -> Output {
    Command::new(PROGRAM).args(arguments.split(' ')).output().unwrap()
}

/// What is printed with `--json`.
fn figures(arguments: &str) -> Value {
    let output = run(&format!("{arguments} --json"));
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The names of an object's fields, sorted.
fn names(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

/// A list of figures a gate as whole numbers for all gates.
fn in_all(list: &Value, gates: u64) -> Vec<f64> {
    list.as_array().unwrap().iter().map(|each| (each.as_f64().unwrap() * gates as f64).round()).collect()
}

const ENGINE: [&str; 14] = [
    "aes_blocks_per_and",
    "and_per_s",
    "and_per_s_online",
    "ands",
    "bytes_per_and",
    "calibration",
    "of_machine",
    "online_s",
    "parties",
    "peak_mb",
    "prepare_s",
    "rounds_online",
    "setup_s",
    "total_s",
];

#[test]
fn engine_of_two() {
    let f = figures("engine --ands 6400");
    assert_eq!(names(&f), ENGINE);
    assert_eq!(names(&f["calibration"]), ["aes_blocks_per_s", "copy_gb_per_s", "tcp_gbit"]);
    assert_eq!(names(&f["of_machine"]), ["and_per_aes_block", "and_per_aes_block_online", "of_aes", "of_copying", "of_link"]);
    // The parts are of the machine that is shown beside them.
    let number = |object: &str, name: &str| f[object][name].as_f64().unwrap();
    let blocks = f["and_per_s"].as_f64().unwrap() / number("calibration", "aes_blocks_per_s");
    assert!((number("of_machine", "and_per_aes_block") / blocks - 1.0).abs() < 1e-9, "{f}");
    assert_eq!((&f["parties"], &f["ands"], &f["rounds_online"]), (&json!(2), &json!(6400), &json!(3)));
    assert_eq!(in_all(&f["bytes_per_and"], 6400), [521_479.0, 730_379.0]);
    assert_eq!(in_all(&f["aes_blocks_per_and"], 6400), [860_160.0, 885_760.0]);
    assert!(f["peak_mb"].as_array().unwrap().iter().all(|mb| mb.as_f64() > Some(1.0)), "{f}");
}

#[test]
fn engine_of_three_over_an_emulated_link() {
    let f = figures("engine --parties 3 --ands 6400 --rtt-ms 40 --gbit 2");
    assert_eq!((&f["parties"], &f["ands"], &f["rounds_online"]), (&json!(3), &json!(6400), &json!(5)));
    assert_eq!(in_all(&f["bytes_per_and"], 6400), [1_057_073.0, 1_572_387.0, 1_571_588.0]);
    assert_eq!(in_all(&f["aes_blocks_per_and"], 6400), [1_775_744.0, 1_775_488.0, 1_775_744.0]);
    assert_eq!(f["peak_mb"].as_array().unwrap().len(), 3);
    // Not how fast it is, but that the link is there: whoever waits for an answer waits for a round trip.
    assert!(f["setup_s"].as_f64() > Some(0.04) && f["online_s"].as_f64() > Some(0.04), "{f}");
}

/// Several sessions of the same processes cost the same each, and are timed apart.
#[test]
fn engine_several_times_in_the_same_processes() {
    let (once, twice) = (figures("engine --ands 6400"), figures("engine --ands 6400 --sessions 2"));
    assert_eq!(once["bytes_per_and"], twice["bytes_per_and"]);
    assert!(once["first_s"].is_null() && twice["first_s"].as_f64() > Some(0.0), "{twice}");
}

/// More gates are more evaluations of one circuit, and figures are there for each step of each party.
#[test]
fn engine_in_several_circuits_on_one_core() {
    let f = figures("engine --ands 19200 --segment 6400 --threads 2 --cores 0 --profile");
    assert_eq!((&f["ands"], &f["rounds_online"]), (&json!(19_200), &json!(3)));
    let steps = f["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 2);
    for (party, sent) in steps.iter().zip(in_all(&f["bytes_per_and"], 19_200)) {
        let party = party.as_array().unwrap();
        let found: Vec<_> = party.iter().map(|step| step["name"].as_str().unwrap()).collect();
        let own = ["set-up", "plan", "inputs", "evaluation", "openings"];
        assert!(own.iter().all(|name| found.contains(name)), "{found:?}");
        assert!(found.iter().all(|name| own.contains(name) || Task::ALL.iter().any(|(_, task)| task == name)), "{found:?}");
        assert_eq!(party.iter().map(|step| step["sent_bytes"].as_f64().unwrap()).sum::<f64>(), sent);
    }
}

#[test]
fn each_party_alone() {
    let f = figures("alone --parties 3 --ands 6400");
    assert_eq!(names(&f), ["ands", "calibration", "parties", "steps", "threads", "total_s"]);
    assert_eq!((&f["parties"], &f["ands"], &f["threads"]), (&json!(3), &json!(6400), &json!(1)));
    assert_eq!((f["total_s"].as_array().unwrap().len(), f["steps"].as_array().unwrap().len()), (3, 3));
}

/// All figures that are to be reached, measured as often as was asked for.
#[test]
fn the_table_of_what_is_to_be_reached() {
    let f = figures("table --ands 6400 --repeat 1");
    let rows = f["rows"].as_array().unwrap();
    let wanted: Vec<_> = rows.iter().filter(|row| !row["wanted"].is_null()).collect();
    assert_eq!((rows.len(), wanted.len(), &f["repetitions"], &f["ands"]), (10, 8, &json!(1), &json!(6400)));
    for row in rows {
        let values = row["values"].as_array().unwrap();
        let cores = std::thread::available_parallelism().unwrap().get();
        let measured = cores > 1 || row["figure"] != "n = 2, two cores a party";
        assert!(values.len() == usize::from(measured) && values.iter().all(|value| value.as_f64() > Some(0.0)), "{row}");
    }
}

/// Two sizes of two parties, one of each other number; four plots, which the points alone give again.
#[test]
fn curves_are_kept_and_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().display();
    let f = figures(&format!("curve --out {out} --two 31623 --more 10000 --repeat 1"));
    let points = f["points"].as_array().unwrap();
    let sizes: Vec<_> = points.iter().map(|p| (p["parties"].as_u64().unwrap(), p["ands"].as_u64().unwrap())).collect();
    assert_eq!(sizes, [(2, 12_800), (2, 32_000), (3, 12_800), (4, 12_800), (5, 12_800)]);
    let plots =
        || ["seconds.svg", "bytes.svg", "memory.svg", "parties.svg"].map(|name| std::fs::read_to_string(dir.path().join(name)).unwrap());
    let drawn = plots();
    assert!(drawn[..3].iter().all(|svg| svg.matches("<polyline").count() == 4) && drawn[3].contains("12 800 of them"), "{drawn:?}");
    std::fs::remove_file(dir.path().join("seconds.svg")).unwrap();
    assert_eq!(figures(&format!("curve --out {out} --redraw"))["points"].as_array().unwrap().len(), points.len());
    assert_eq!(plots(), drawn);
}

#[test]
fn engine_on_compressions_of_sha_256() {
    let f = figures("engine --ands 1 --circuit sha256");
    assert_eq!((&f["ands"], &f["rounds_online"]), (&json!(22_271), &json!(3)));
    assert_eq!(in_all(&f["bytes_per_and"], 22_271), [1_769_181.0, 2_494_157.0]);
}

/// A chunk sends 16 bytes for each of 128 / k trees and each 128 rows, of which 128 are the mask of the check, then answer and digest: 48 bytes.
#[test]
fn correlated_oblivious_transfers() {
    for k in [1, 2, 4, 8] {
        let f = figures(&format!("cot --k {k} --batches 2"));
        assert_eq!(names(&f), ["bytes_per_cot", "calibration", "cot_per_s", "cots", "extend_s", "k", "setup_s"]);
        let chunks = (1 << 21) / CHUNK_ROWS;
        assert_eq!(f["cots"], chunks * CHUNK_ROWS);
        let chunk = (CHUNK_ROWS / 128 + 1) * 16 * 128 / k + 48;
        let sent = f["bytes_per_cot"].as_f64().unwrap() * (chunks * CHUNK_ROWS) as f64;
        assert_eq!(sent.round(), (chunks * chunk) as f64);
    }
}

#[test]
fn a_call_of_two() {
    let f = figures("call --request-bytes 447 --response-bytes 38");
    let mine = ["request_bytes", "response_bytes", "parties", "calibration", "peak_mb"];
    let wanted = ["ands", "bytes", "handshake", "online_s", "prepare_s", "receive", "rounds", "send", "sign", "total_s"];
    assert_eq!(names(&f).into_iter().filter(|name| !mine.contains(name)).collect::<Vec<_>>(), wanted);
    assert_eq!((&f["ands"], &f["bytes"], &f["rounds"]), (&json!(1_455_182), &json!([82_104_939, 128_967_312]), &json!(48)));
    let part = |name: &str| {
        assert_eq!(names(&f[name]), ["ands", "bytes", "online_s", "rounds"]);
        (f[name]["ands"].clone(), f[name]["bytes"].clone(), f[name]["rounds"].clone())
    };
    assert_eq!(part("sign"), (json!(432_048), json!([54_098, 108_636]), json!(3)));
    assert_eq!(part("handshake"), (json!(724_868), json!([91_398, 164_629]), json!(18)));
    assert_eq!(part("send"), (json!(124_061), json!([16_090, 2118]), json!(5)));
    assert_eq!(part("receive"), (json!(0), json!([82, 82]), json!(2)));
}

/// 3 and 65 products of 2 187 ANDs; to load, the comparison of the tag and of the padding too.
#[test]
fn a_secret_saved_and_loaded() {
    for (parties, bytes, save, load) in [(2, 40, 6561, 6752), (3, 1024, 142_155, 142_410)] {
        let f = figures(&format!("vault --parties {parties} --bytes {bytes}"));
        assert_eq!(names(&f), ["bytes", "calibration", "load", "parties", "peak_mb", "save"]);
        assert_eq!((&f["save"]["ands"], &f["load"]["ands"]), (&json!(save), &json!(load)));
        for part in ["save", "load"] {
            assert_eq!(names(&f[part]), ["ands", "bytes", "online_s", "prepare_s", "rounds", "total_s"]);
            assert_eq!(f[part]["bytes"].as_array().unwrap().len(), parties);
        }
    }
}

#[test]
fn tables_are_for_people() {
    let output = run("engine --ands 6400");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("AND gates") && text.contains("6 400") && text.lines().count() == 18, "{text}");
}

#[test]
fn what_is_not_built_or_makes_no_sense_is_refused() {
    let cases = [
        ("call --request-bytes 446", 1, "--request-bytes 446: the shortest has 447 bytes"),
        ("call --response-bytes 37", 1, "--response-bytes 37: the shortest has 38 bytes"),
        ("vault --bytes 16385", 1, "--bytes 16385: a secret has 1 to 16384 bytes"),
        ("engine --gbit 0", 1, "--gbit 0: a rate is from 0.001"),
        ("engine --rtt-ms nan", 1, "--rtt-ms NaN: a round trip is from 0"),
        ("call --rtt-ms -1", 1, "--rtt-ms -1: a round trip is from 0"),
        ("engine --parties 1", 2, "a session has 2 to 64 parties"),
        ("engine --ands 0", 2, "not a number from 1 to"),
        ("engine --cores none", 1, "taskset: failed to parse CPU list: none"),
        ("alone --threads 0", 2, "not a number from 1 to 64"),
        ("cot --k 3", 2, "possible values: 1, 2, 4, 8"),
    ];
    for (arguments, status, text) in cases {
        let output = run(arguments);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(status) && error.contains(text), "{arguments}: {error}");
        assert!(output.stdout.is_empty(), "{arguments} printed figures");
    }
}

#[test]
fn help_has_examples() {
    for what in ["--help", "engine --help", "table --help", "curve --help", "alone --help", "cot --help", "call --help", "vault --help"] {
        let text = String::from_utf8(run(what).stdout).unwrap();
        assert!(text.contains("Example") && text.contains("cotenant-bench"), "{what}: {text}");
    }
}

#[test]
fn a_party_without_a_job_says_so() {
    let mut child = Command::new(PROGRAM).args(["party", "/nonexistent"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"no job").unwrap();
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && error.contains("between the processes of the parties is malformed"), "{error}");
}
