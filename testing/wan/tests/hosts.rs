//! Hosts exchange bytes, each with each, and are gone afterwards. Where this process cannot make hosts, nothing is tested and that is said.

use cotenant_wan::{Line, Network, Wan, WanError};
use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::Path,
    thread,
    time::Duration,
};

const HOSTS: usize = 3;

fn up(name: &str, subnet: u8) -> Option<Wan> {
    let line = Line { round_trip: Duration::from_millis(2), gbit: Some(1.0) };
    match (Network { name: name.into(), hosts: HOSTS, line, subnet }).up() {
        Ok(wan) => Some(wan),
        Err(refused @ (WanError::NotPermitted { .. } | WanError::NoIp(_))) => {
            // Past what the test harness keeps to itself.
            std::io::stderr().write_all(format!("skipped: {refused}\n").as_bytes()).unwrap();
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// What one host sends another: many segments, and contents that tell senders apart.
fn text(from: usize, to: usize) -> Vec<u8> {
    (0..1_000_000).map(|i| (i % 251 + 5 * from + to) as u8).collect()
}

#[test]
fn each_host_reaches_each_other() {
    let Some(wan) = up("reach", 97) else { return };
    for (from, to) in (0..HOSTS).flat_map(|from| (0..HOSTS).map(move |to| (from, to))).filter(|(from, to)| from != to) {
        let listener = wan.on_host(to, || TcpListener::bind((wan.address(to), 0)).unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let mut there = wan.on_host(from, || TcpStream::connect(address).unwrap()).unwrap();
        let (mut here, seen) = listener.accept().unwrap();
        assert_eq!(seen.ip(), wan.address(from));
        thread::scope(|scope| {
            scope.spawn(move || {
                there.write_all(&text(from, to)).unwrap();
                there.shutdown(Shutdown::Write).unwrap();
            });
            let mut received = Vec::new();
            here.read_to_end(&mut received).unwrap();
            assert!(received == text(from, to), "from {from} to {to}");
        });
    }
}

/// The program's other sockets are not the hosts', and a host has its own.
#[test]
fn a_host_is_apart() {
    let Some(wan) = up("apart", 98) else { return };
    let outside = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let inside = wan.on_host(0, || TcpListener::bind(outside).is_ok()).unwrap();
    assert!(inside, "the port is free on every host");
    let listing = wan.command(1, "ip").args(["-o", "-4", "address"]).output().unwrap();
    let listing = String::from_utf8(listing.stdout).unwrap();
    assert!(listing.contains(&format!("{}/24", wan.address(1))) && listing.lines().count() == 2, "{listing}");
}

#[test]
fn hosts_are_taken_down_and_made_again() {
    for _ in 0..2 {
        let Some(wan) = up("again", 96) else { return };
        let file = Path::new("/run/netns").join(wan.namespace(0));
        assert!(file.exists());
        drop(wan);
        assert!(!file.exists());
    }
    let Some(left) = up("again", 96) else { return };
    // As if the program had been killed.
    std::mem::forget(left);
    assert!(up("again", 96).is_some());
}

#[test]
fn a_network_has_some_hosts() {
    let line = Line { round_trip: Duration::ZERO, gbit: None };
    for hosts in [0, 1, 201] {
        let result = (Network { name: "none".into(), hosts, line, subnet: 95 }).up();
        assert!(matches!(result.err(), Some(WanError::Hosts(seen)) if seen == hosts));
    }
}
