//! `cotenant-wan`: makes hosts joined by an emulated wide area network, and takes them down when it is interrupted, terminated, or the command that it
//! was given is over.
#![forbid(unsafe_code)]

use clap::Parser;
use cotenant_wan::{Line, Network};
use nix::sys::signal::{SigSet, Signal};
use std::{
    process::{Command, ExitCode},
    time::Duration,
};

/// Makes hosts (network namespaces NAME-1, NAME-2, ...) joined by links of some round trip and rate.
#[derive(Parser)]
#[command(name = "cotenant-wan")]
struct Arguments {
    /// How many hosts
    #[arg(long, default_value_t = 2)]
    hosts: usize,
    /// Milliseconds there and back between any two
    #[arg(long, default_value_t = 6.6)]
    rtt_ms: f64,
    /// Gbit/s from any host to any other
    #[arg(long, default_value_t = 5.55)]
    gbit: f64,
    /// What the namespaces are called before the hyphen
    #[arg(long, default_value = "wan")]
    name: String,
    /// The addresses are 10.77.SUBNET.1, 10.77.SUBNET.2, ...
    #[arg(long, default_value_t = 0)]
    subnet: u8,
    /// A command to run meanwhile, in this namespace; without it the network stays until the program is interrupted
    #[arg(last = true)]
    command: Vec<String>,
}

fn main() -> ExitCode {
    let Arguments { hosts, rtt_ms, gbit, name, subnet, command } = Arguments::parse();
    if !((0.0..1e6).contains(&rtt_ms) && gbit > 0.0) {
        eprintln!("a round trip is not negative and a rate is above 0");
        return ExitCode::FAILURE;
    }
    let line = Line { round_trip: Duration::from_secs_f64(rtt_ms / 1e3), gbit: Some(gbit) };
    // They wait until they are asked for, so that nothing is left behind. Commands get them as ever.
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM].into_iter().collect();
    signals.thread_block().expect("a mask of signals");
    match (Network { name, hosts, line, subnet }).up() {
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
        Ok(wan) => match command.split_first() {
            Some((program, arguments)) => run(program, arguments),
            None => {
                (0..hosts).for_each(|host| println!("{} {}", wan.namespace(host), wan.address(host)));
                signals.wait().expect("a set of signals");
                ExitCode::SUCCESS
            }
        },
    }
}

/// Runs a command, which an interruption reaches too.
fn run(program: &str, arguments: &[String]) -> ExitCode {
    match Command::new(program).args(arguments).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cannot run {program}: {error}");
            ExitCode::FAILURE
        }
    }
}
