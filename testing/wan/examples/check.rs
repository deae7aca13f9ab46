//! Measures the emulated networks against what they are to be: the hosts of this crate with ping and iperf3, and the relay of TCP connections that
//! benchmarks put between parties with an echo and a transfer. Prints a table; fails if a figure is off by more than 5 %.
//!
//! `cargo run --release -p cotenant-wan --example check [ms of round trip] [Gbit/s]`; it needs root and Debian's iproute2, iputils-ping and iperf3. A busy
//! machine does not reach the rate.
#![forbid(unsafe_code)]

use cotenant_bench::line::Line as Relay;
use cotenant_wan::{Line, Network, Wan, WanError};
use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

/// By how much a figure may be off.
const TOLERANCE: f64 = 0.05;

/// Seconds of a transfer, without its start.
const SECONDS: u64 = 5;

/// Pings, and echoes.
const ROUNDS: u32 = 100;

type Failure = Box<dyn std::error::Error>;

/// A figure: what, as it is to be, as it is.
type Row = (&'static str, f64, f64);

fn main() -> Result<ExitCode, Failure> {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<f64>());
    let ms = arguments.next().transpose()?.unwrap_or(6.6);
    let gbit = arguments.next().transpose()?.unwrap_or(5.55);
    let line = Line { round_trip: Duration::from_secs_f64(ms / 1e3), gbit: Some(gbit) };
    let mut rows = Vec::new();
    match (Network { name: "check".into(), hosts: 3, line, subnet: 99 }).up() {
        Ok(wan) => rows.extend(hosts(&wan, ms, gbit)?),
        Err(refused @ WanError::NotPermitted { .. }) => println!("not measured: {refused}"),
        Err(error) => return Err(error.into()),
    }
    rows.extend(relay(Relay { round_trip: line.round_trip, gbit: line.gbit }, ms, gbit)?);
    println!("{:<34} {:>8} {:>8} {:>7}", "", "to be", "is", "off");
    let mut good = true;
    for (what, wanted, seen) in rows {
        let off = seen / wanted - 1.0;
        good &= off.abs() <= TOLERANCE;
        println!("{what:<34} {wanted:>8.2} {seen:>8.2} {:>+6.1} %{}", off * 100.0, if off.abs() <= TOLERANCE { "" } else { "  too far" });
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Between the first host and the last.
fn hosts(wan: &Wan, ms: f64, gbit: f64) -> Result<Vec<Row>, Failure> {
    let there = wan.address(2).to_string();
    let mut ping = wan.command(0, "ping");
    let said = output(ping.args(["-U", "-q", "-i", "0.02", "-c", &ROUNDS.to_string(), &there]), "iputils-ping")?;
    // rtt min/avg/max/mdev = 6.6/6.7/7.1/0.1 ms
    let mean = said.rsplit("= ").next().and_then(|figures| figures.split('/').nth(1)).ok_or("ping prints something else")?.parse()?;
    let received = |options: &[&str]| -> Result<serde_json::Value, Failure> {
        let mut server = wan.command(2, "iperf3").args(["-s", "-1"]).stdout(Stdio::null()).spawn()?;
        // It does not say when it listens.
        thread::sleep(Duration::from_millis(500));
        let mut client = wan.command(0, "iperf3");
        let said = output(client.args(["-J", "-O", "1", "-t", &SECONDS.to_string(), "-c", &there]).args(options), "iperf3")?;
        server.wait()?;
        Ok(serde_json::from_str::<serde_json::Value>(&said)?["end"].take())
    };
    let rate = |end: &serde_json::Value, key: &str| {
        end[key]["bits_per_second"].as_f64().map(|bits| bits * 1e-9).ok_or("iperf3 prints something else")
    };
    let (one, both) = (received(&[])?, received(&["--bidir"])?);
    Ok(vec![
        ("hosts: ping, ms", ms, mean),
        ("hosts: one way, Gbit/s", gbit, rate(&one, "sum_received")?),
        ("hosts: both ways, there, Gbit/s", gbit, rate(&both, "sum_received")?),
        ("hosts: both ways, back, Gbit/s", gbit, rate(&both, "sum_received_bidir_reverse")?),
    ])
}

/// What a command prints.
fn output(command: &mut Command, package: &str) -> Result<String, Failure> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    let (said, printed) = (String::from_utf8_lossy(&output.stderr), String::from_utf8_lossy(&output.stdout));
    Err(format!("{command:?} failed (it is in Debian's package {package}): {said} {printed}").into())
}

/// Over connections that the relay passes on.
fn relay(line: Relay, ms: f64, gbit: f64) -> Result<Vec<Row>, Failure> {
    let [one, both] = [false, true].map(|back| transfer(line, back));
    let ((there, _), (both_there, both_back)) = (one?, both?);
    Ok(vec![
        ("relay: echo, ms", ms, echo(line)?),
        ("relay: one way, Gbit/s", gbit, there),
        ("relay: both ways, there, Gbit/s", gbit, both_there),
        ("relay: both ways, back, Gbit/s", gbit, both_back),
    ])
}

/// A connection over the relay: its two ends.
fn connect(line: Relay) -> io::Result<[TcpStream; 2]> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let near = TcpStream::connect(line.relay_to(listener.local_addr()?)?)?;
    let (far, _) = listener.accept()?;
    for end in [&near, &far] {
        end.set_nodelay(true)?;
    }
    Ok([near, far])
}

/// The mean time in ms until a byte comes back.
fn echo(line: Relay) -> io::Result<f64> {
    let [mut near, mut far] = connect(line)?;
    thread::spawn(move || {
        let mut byte = [0];
        while far.read_exact(&mut byte).and_then(|()| far.write_all(&byte)).is_ok() {}
    });
    let mut taken = Duration::ZERO;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        near.write_all(&[1])?;
        near.read_exact(&mut [0])?;
        taken += start.elapsed();
    }
    Ok(taken.as_secs_f64() * 1e3 / f64::from(ROUNDS))
}

/// Gbit/s there, and back if anything is sent back.
fn transfer(line: Relay, back: bool) -> io::Result<(f64, f64)> {
    let [near, far] = connect(line)?;
    let (near_out, far_out) = (near.try_clone()?, far.try_clone()?);
    thread::scope(|scope| {
        let sending = [Some(near_out), back.then_some(far_out)].map(|end| scope.spawn(|| end.map_or(Ok(()), send)));
        let receiving = [Some(far), back.then_some(near)].map(|end| scope.spawn(|| end.map_or(Ok(0.0), receive)));
        for sent in sending {
            sent.join().expect("no panic")?;
        }
        let [there, back] = receiving.map(|received| received.join().expect("no panic"));
        Ok((there?, back?))
    })
}

/// Writes a little longer than is measured.
fn send(mut stream: TcpStream) -> io::Result<()> {
    let (start, chunk) = (Instant::now(), vec![0; 1 << 17]);
    while start.elapsed() < Duration::from_secs(SECONDS + 2) {
        stream.write_all(&chunk)?;
    }
    stream.shutdown(Shutdown::Write)
}

/// Reads to the end; Gbit/s after the first second.
fn receive(mut stream: TcpStream) -> io::Result<f64> {
    let (start, mut chunk) = (Instant::now(), vec![0; 1 << 17]);
    let (mut bytes, mut seconds) = (0, 0.0);
    loop {
        let count = stream.read(&mut chunk)?;
        let now = start.elapsed().as_secs_f64() - 1.0;
        if count == 0 {
            return Ok(bytes as f64 * 8e-9 / seconds);
        }
        if (0.0..SECONDS as f64).contains(&now) {
            (bytes, seconds) = (bytes + count, now);
        }
    }
}
