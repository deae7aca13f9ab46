//! The command line.

use crate::{
    alone, call, cot, curve, engine,
    error::Error,
    line::Line,
    processes::{self, Place, print},
    table::{self, Rows},
    targets, vault,
    workload::{SEGMENT, Unit},
};
use clap::{Args, Parser, Subcommand};
use cotenant::children::ERROR_PREFIX;
use serde::Serialize;
use std::{io::Write, num::NonZeroUsize, path::PathBuf, process::ExitCode, time::Duration};
use tokio::signal::unix::{SignalKind, signal};

const EXAMPLES: &str = "Examples:
  cargo run --release -p cotenant-bench -- table
  cargo run --release -p cotenant-bench -- engine --parties 2 --ands 1000000 --profile
  cargo run --release -p cotenant-bench -- engine --parties 3 --ands 300000 --rtt-ms 6.6 --gbit 5.55 --json
  cargo run --release -p cotenant-bench -- alone --parties 2 --ands 1000000
  cargo run --release -p cotenant-bench -- cot --k 4
  cargo run --release -p cotenant-bench -- call --parties 2 --request-bytes 672 --response-bytes 1000
  cargo run --release -p cotenant-bench -- vault --parties 2 --bytes 1024

Each party is a process of its own on this machine, but for alone. docs/benchmarks.md says what each figure means.";

/// Measures the engine, correlated oblivious transfer, and HTTPS calls
#[derive(Parser)]
#[command(name = "cotenant-bench", after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Many AND gates: independent AES-128 blocks or SHA-256 compressions
    #[command(after_help = "Example:\n  cotenant-bench engine --parties 2 --ands 1000000 --json")]
    Engine(EngineArgs),
    /// What the engine is to reach and what it does reach, all from this run
    #[command(after_help = "Example:\n  cotenant-bench table --repeat 9")]
    Table(TableArgs),
    /// Time, bytes and memory against the number of gates and of parties, with plots
    #[command(after_help = "Example:\n  cotenant-bench curve --out docs/plots")]
    Curve(CurveArgs),
    /// The work of each party by itself, with the messages of the others at hand
    #[command(after_help = "Example:\n  cotenant-bench alone --parties 2 --ands 1000000")]
    Alone(AloneArgs),
    /// Correlated oblivious transfers in one direction, between two processes
    #[command(after_help = "Example:\n  cotenant-bench cot --k 4 --json")]
    Cot(CotArgs),
    /// One signed HTTPS call on a new connection, to a server in this process
    #[command(after_help = "Example:\n  cotenant-bench call --parties 2 --request-bytes 672 --response-bytes 1000 --json")]
    Call(CallArgs),
    /// A secret saved, as shares for all, and loaded
    #[command(after_help = "Example:\n  cotenant-bench vault --parties 3 --bytes 1024 --json")]
    Vault(VaultArgs),
    /// One party; this program starts it
    #[command(hide = true)]
    Party {
        /// Its home
        home: PathBuf,
    },
}

#[derive(Args)]
struct EngineArgs {
    #[command(flatten)]
    job: JobArgs,
    #[command(flatten)]
    line: LineArgs,
    /// Cores that all parties share, as taskset takes them, e.g. 0 or 0,1; without it all
    #[arg(long, value_name = "LIST")]
    cores: Option<String>,
    /// The steps of every party too
    #[arg(long)]
    profile: bool,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct AloneArgs {
    #[command(flatten)]
    job: JobArgs,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// A session of the engine.
#[derive(Args)]
struct JobArgs {
    /// How many parties
    #[arg(long, value_name = "N", value_parser = parse_parties, default_value = "2")]
    parties: usize,
    /// At least so many AND gates
    #[arg(long, value_name = "M", value_parser = parse_ands, default_value = "1000000")]
    ands: usize,
    /// What is computed
    #[arg(long, value_enum, default_value = "aes")]
    circuit: Unit,
    /// About so many AND gates in one circuit, which is evaluated as often as needed
    #[arg(long, value_name = "M", value_parser = parse_ands, default_value_t = SEGMENT)]
    segment: usize,
    /// Threads that each party computes on
    #[arg(long, value_name = "T", value_parser = parse_threads, default_value = "1")]
    threads: NonZeroUsize,
    /// Sessions one after the other in the same processes; figures are those of the last
    #[arg(long, value_name = "S", default_value = "1")]
    sessions: NonZeroUsize,
}

impl JobArgs {
    fn job(&self) -> engine::Job {
        engine::Job { unit: self.circuit, ands: self.ands, segment: self.segment, threads: self.threads, sessions: self.sessions }
    }
}

#[derive(Args)]
struct TableArgs {
    /// At least so many AND gates in each run
    #[arg(long, value_name = "M", value_parser = parse_ands, default_value = "1000000")]
    ands: usize,
    /// How often each figure is measured
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), default_value = "5")]
    repeat: u32,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct CurveArgs {
    /// An existing directory, for curve.json and the plots
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The most AND gates of two parties
    #[arg(long, value_name = "M", value_parser = parse_ands, default_value = "10000000")]
    two: usize,
    /// The most AND gates of three, four and five parties
    #[arg(long, value_name = "M", value_parser = parse_ands, default_value = "1000000")]
    more: usize,
    /// How often each point is measured; the fastest counts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), default_value = "3")]
    repeat: u32,
    /// Measure nothing; draw the plots of the curve.json that is there
    #[arg(long)]
    redraw: bool,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct CotArgs {
    /// Bits of the global key that one tree covers: 1, 2, 4 or 8
    #[arg(long, value_parser = ["1", "2", "4", "8"], default_value = "4")]
    k: String,
    /// Batches of 2^20
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1 << 20), default_value = "16")]
    batches: u32,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct CallArgs {
    /// How many parties
    #[arg(long, value_name = "N", value_parser = parse_parties, default_value = "2")]
    parties: usize,
    /// Length of the whole request, signature included
    #[arg(long, value_name = "B", default_value = "1000")]
    request_bytes: usize,
    /// Length of the whole answer
    #[arg(long, value_name = "B", default_value = "1000")]
    response_bytes: usize,
    /// A token in the answer stays secret; all but it and an id is opened to nobody
    #[arg(long)]
    secret_response: bool,
    #[command(flatten)]
    line: LineArgs,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct VaultArgs {
    /// How many parties
    #[arg(long, value_name = "N", value_parser = parse_parties, default_value = "2")]
    parties: usize,
    /// Length of the secret
    #[arg(long, value_name = "B", default_value = "1024")]
    bytes: usize,
    #[command(flatten)]
    line: LineArgs,
    /// One JSON object instead of a table
    #[arg(long)]
    json: bool,
}

/// An emulated link between each two parties; without these, the loopback interface.
#[derive(Args)]
struct LineArgs {
    /// Round trip of an emulated link between each two parties
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    rtt_ms: Option<f64>,
    /// Rate of an emulated link between each two parties, each way
    #[arg(long, value_name = "Y", allow_negative_numbers = true)]
    gbit: Option<f64>,
}

impl LineArgs {
    fn line(&self) -> Result<Option<Line>, Error> {
        let wrong = |option, given: f64, wanted: &str| Error::Option { option, given: given.to_string(), wanted: wanted.to_owned() };
        if let Some(rtt) = self.rtt_ms.filter(|rtt| !(0.0..=4000.0).contains(rtt)) {
            return Err(wrong("--rtt-ms", rtt, "a round trip is from 0 to 4000 milliseconds: parties count as dead after 10 s of silence"));
        }
        if let Some(gbit) = self.gbit.filter(|gbit| !(0.001..=1000.0).contains(gbit)) {
            return Err(wrong("--gbit", gbit, "a rate is from 0.001 to 1000 Gbit/s"));
        }
        let round_trip = Duration::from_secs_f64(self.rtt_ms.unwrap_or(0.0) / 1000.0);
        Ok((self.rtt_ms.is_some() || self.gbit.is_some()).then_some(Line { round_trip, gbit: self.gbit }))
    }
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let what = Cli::parse().what;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = runtime.map_err(Error::io("cannot start")).and_then(|runtime| {
        let result = runtime.block_on(async {
            tokio::select! {
                result = run(what) => result,
                () = interrupted() => Err(Error::Interrupted),
            }
        });
        // A thread that still computes is not waited for.
        runtime.shutdown_background();
        result
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{ERROR_PREFIX}{error}");
            ExitCode::from(error.exit_status())
        }
    }
}

async fn run(what: What) -> Result<(), Error> {
    match what {
        What::Engine(args) => {
            let place = Place { line: args.line.line()?, cores: args.cores };
            let report = engine::run(args.job.parties, args.job.job(), place, args.profile).await?;
            show(args.json, &report, |report| with(engine::Report::rows(report), report.profile()))
        }
        What::Table(args) => {
            let report = targets::run(targets::Options { ands: args.ands, repeat: args.repeat as usize }).await?;
            show(args.json, &report, targets::Report::text)
        }
        What::Curve(args) => {
            let options = curve::Options { out: args.out, two: args.two, more: args.more, repeat: args.repeat as usize };
            let report = if args.redraw { curve::redraw(&options)? } else { curve::run(options).await? };
            show(args.json, &report, curve::Report::text)
        }
        What::Alone(args) => {
            let report = alone::run(args.job.parties, args.job.job()).await?;
            show(args.json, &report, |report| with(report.rows(), Some(report.profile())))
        }
        What::Cot(args) => {
            let job = cot::Job { k: args.k.parse().expect("one of four digits"), batches: args.batches as usize };
            let report = cot::run(job).await?;
            show(args.json, &report, |report| table::render(&report.rows()))
        }
        What::Call(args) => {
            let place = Place { line: args.line.line()?, cores: None };
            let report = call::run(args.parties, args.request_bytes, args.response_bytes, args.secret_response, place).await?;
            show(args.json, &report, |report| table::render(&report.rows()))
        }
        What::Vault(args) => {
            let place = Place { line: args.line.line()?, cores: None };
            let report = vault::run(args.parties, vault::Job { bytes: args.bytes }, place).await?;
            show(args.json, &report, |report| table::render(&report.rows()))
        }
        What::Party { home } => processes::attend(&home).await,
    }
}

fn show<R: Serialize>(json: bool, report: &R, text: impl FnOnce(&R) -> String) -> Result<(), Error> {
    if json { print(&serde_json::to_string(report)?) } else { print(&text(report)) }
}

/// Figures, then a table of them if there is one.
fn with(rows: Rows, grid: Option<String>) -> String {
    std::iter::once(table::render(&rows)).chain(grid).collect::<Vec<_>>().join("\n\n")
}

/// Ends when the process is told to; dropping what runs then ends the parties' processes and removes their homes.
async fn interrupted() {
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminated.recv() => {}
            }
        }
        // Where a signal cannot be listened to, it ends the process in the system's own way.
        Err(_) => std::future::pending().await,
    }
}

fn parse_parties(text: &str) -> Result<usize, String> {
    let most = cotenant_mpc::MAX_PARTIES;
    let parties = text.parse().map_err(|_| format!("not a number from 2 to {most}"))?;
    if (2..=most).contains(&parties) { Ok(parties) } else { Err(format!("a session has 2 to {most} parties")) }
}

fn parse_ands(text: &str) -> Result<usize, String> {
    let most = 1 << 27;
    let ands = text.parse().ok().filter(|ands| (1..=most).contains(ands));
    ands.ok_or_else(|| format!("not a number from 1 to {most}"))
}

fn parse_threads(text: &str) -> Result<NonZeroUsize, String> {
    let most = 64;
    let threads = text.parse().ok().filter(|threads: &NonZeroUsize| threads.get() <= most);
    threads.ok_or_else(|| format!("not a number from 1 to {most}"))
}
