//! The command line: what there is, how a command runs until it is done or interrupted, how it fails.

mod ask;
mod backup;
mod call;
mod checks;
mod circuits;
mod demo;
mod demo_service;
mod dry_run;
mod flow;
mod init;
mod log;
mod person;
mod proposal;
mod room;
mod run;
mod s3;
mod s_client;
mod serve;
mod vault;

use crate::{
    children::{self, ERROR_PREFIX},
    error::Error,
    serve::error::ClientError,
    target::Endpoint,
    text,
};
use clap::{Args, Parser, Subcommand};
use cotenant_core::PartyId;
use serde::Serialize;
use std::{
    future::poll_fn,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
};
use tokio::signal::unix::{SignalKind, signal};

/// Several parties own one identity together: TLS 1.3 calls with keys that none of them holds.
#[derive(Parser)]
#[command(name = "cotenant", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Init(init::InitArgs),
    Id(init::IdArgs),
    Serve(serve::ServeArgs),
    Status(serve::StatusArgs),
    #[command(subcommand)]
    Room(room::RoomCommand),
    #[command(subcommand)]
    Vault(vault::VaultCommand),
    Call(call::CallArgs),
    Run(Box<run::RunArgs>),
    #[command(subcommand)]
    Flow(flow::FlowCommand),
    Pending(proposal::PendingArgs),
    Approve(proposal::ApproveArgs),
    Refuse(proposal::RefuseArgs),
    Log(log::LogArgs),
    Receipt(proposal::ReceiptArgs),
    SClient(s_client::SClientArgs),
    S3(s3::S3Args),
    Demo(demo::DemoArgs),
    DemoService(demo_service::DemoServiceArgs),
    Circuits(circuits::CircuitsArgs),
}

/// Whom to trust at the server's end; the same at all parties.
#[derive(Args, Clone)]
struct TrustArgs {
    /// The CA's certificate, PEM: the only trust root
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// The name that the server's certificate must be for [default: the host]
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// Key exchange groups, most wanted first
    #[arg(long, value_name = "LIST", default_value = "P-256:X25519")]
    groups: String,
}

/// How the parties work together; the same at all of them.
#[derive(Args, Clone)]
struct JointArgs {
    /// Which party connects to the server, counted from 1 in the order of the member list
    #[arg(long, value_name = "K", default_value = "1", value_parser = parse_connector)]
    connector: usize,
    /// Let parties run builds of their own of this version; else the program's file must have the same SHA-256 at all
    #[arg(long)]
    any_build: bool,
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            report(&format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    // The daemon ends in its own way when it is told to.
    let ends_itself = matches!(command, Command::Serve(_));
    let result = runtime.block_on(async {
        tokio::select! {
            result = run(command) => result,
            () = interrupted(), if !ends_itself => Err(Error::Interrupted),
            () = children::orphaned() => Err(Error::Orphaned),
        }
    });
    // A thread that still computes is not waited for.
    runtime.shutdown_background();
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if let (true, Error::Daemon(ClientError::Refused(problem))) = (wants_json(), &error) {
                // If it cannot be written, standard error has it as well.
                let _ = print_json(problem);
            }
            report(&error.to_string());
            ExitCode::from(error.exit_status())
        }
    }
}

async fn run(command: Command) -> Result<(), Error> {
    match command {
        Command::Init(args) => args.run(),
        Command::Id(args) => args.run(),
        Command::Serve(args) => args.run().await,
        Command::Status(args) => args.run().await,
        Command::Room(command) => command.run().await,
        Command::Vault(command) => command.run().await,
        Command::Call(args) => args.run().await,
        Command::Run(args) => args.run().await,
        Command::Flow(command) => command.run().await,
        Command::Pending(args) => args.run().await,
        Command::Approve(args) => args.run().await,
        Command::Refuse(args) => args.run().await,
        Command::Log(args) => args.run().await,
        Command::Receipt(args) => args.run().await,
        Command::SClient(args) => args.run().await,
        Command::S3(args) => args.run().await,
        Command::Demo(args) => args.run().await,
        Command::DemoService(args) => args.run().await,
        Command::Circuits(args) => args.run(),
    }
}

/// Ends when the process is told to: by ctrl-C, SIGTERM or SIGHUP. What the command was doing is then dropped, child processes and
/// temporary directories with it.
async fn interrupted() {
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    // Where a signal cannot be listened to, it ends the process in the system's own way.
    let mut signals: Vec<_> = kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect();
    poll_fn(|cx| match signals.iter_mut().any(|signal| signal.poll_recv(cx).is_ready()) {
        true => std::task::Poll::Ready(()),
        false => std::task::Poll::Pending,
    })
    .await;
}

/// Whether what was asked for is a JSON object: the daemon's problem document is one. All commands that ask a daemon have the option under this name.
fn wants_json() -> bool {
    std::env::args_os().take_while(|argument| argument != "--").any(|argument| argument == "--json")
}

fn report(text: &str) {
    // A standard error that is gone leaves the exit status to tell.
    let _ = writeln!(io::stderr(), "{ERROR_PREFIX}{}", text::message(text));
}

/// Says something beside a result that is printed.
fn note(text: &str) {
    let _ = writeln!(io::stderr(), "note: {}", text::message(text));
}

/// Writes to standard output, to its end: a full disk is found here.
fn print(bytes: &[u8]) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    let written = out.write_all(bytes).and_then(|()| out.flush());
    written.map_err(|source| Error::Write { what: "standard output".to_owned(), source })
}

/// Writes what a server sent to standard output, as it is.
///
/// # Errors
/// [`Error::NotForTerminal`], so that a server cannot have a terminal do things.
fn print_body(bytes: &[u8]) -> Result<(), Error> {
    if io::stdout().is_terminal() && !text::is_printable(bytes) { Err(Error::NotForTerminal) } else { print(bytes) }
}

/// One JSON object on standard output.
fn print_json(value: &impl Serialize) -> Result<(), Error> {
    print(json(value).as_bytes())
}

/// An object as lines of printable ASCII: texts of others are in it, and a terminal acts on more than what JSON escapes (RFC 8259 section 7).
fn json(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value).expect("what commands print has a JSON form");
    text.lines().map(|line| text::ascii_json(line) + "\n").collect()
}

/// The party with this number, counted from 1.
fn connector(given: usize, parties: usize) -> Result<PartyId, Error> {
    if (1..=parties).contains(&given) { Ok(PartyId::new(given - 1)) } else { Err(Error::NoSuchConnector { given, parties }) }
}

fn parse_endpoint(text: &str) -> Result<Endpoint, crate::target::BadEndpoint> {
    text.parse()
}

/// The home that a command is for: the one given, else the one of the environment, else the one in the user's directory.
fn home_or_default(given: Option<PathBuf>) -> Result<PathBuf, Error> {
    let named = |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let of_user = || Some(named("HOME")?.join(".cotenant"));
    given.or_else(|| named("COTENANT_HOME")).or_else(of_user).ok_or(Error::NoHome)
}

/// The number of a party.
fn parse_connector(text: &str) -> Result<usize, String> {
    let most = cotenant_mpc::MAX_PARTIES;
    text.parse().map_err(|_| format!("not a number from 1 to {most}"))
}

/// The room with this id or name, or the only one. `of` says the id and the name of one.
fn chosen<'a, T>(rooms: &'a [T], named: Option<&str>, of: impl Fn(&T) -> (&String, &String)) -> Result<&'a T, Error> {
    let is_meant = |room: &&T| named.is_none_or(|name| of(room).0 == name || of(room).1 == name);
    let meant: Vec<&T> = rooms.iter().filter(is_meant).collect();
    match meant[..] {
        [room] => Ok(room),
        _ => {
            let rooms = rooms.iter().map(of).map(|(id, name)| format!("{id} \"{name}\"")).collect();
            Err(Error::WhichRoom { named: named.map(str::to_owned), rooms })
        }
    }
}

/// A number of parties.
fn parse_parties(text: &str) -> Result<usize, String> {
    let most = cotenant_mpc::MAX_PARTIES;
    let parties = text.parse().map_err(|_| format!("not a number from 2 to {most}"))?;
    if (2..=most).contains(&parties) { Ok(parties) } else { Err(format!("a session has 2 to {most} parties")) }
}
