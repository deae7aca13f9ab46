//! An emulated link: a relay of TCP connections that delays and paces what it passes on, in this process.
//!
//! Each direction of a connection is a line of its own. A piece of b bytes is on the line for b / rate after those before it, and arrives half a round
//! trip later: `due = max(now, free) + b / rate + rtt / 2`. The line takes nothing more than 0.2 ms before its time, so the rate reaches the sender
//! as it does on a real link: its socket fills. The work of relaying is done by the same cores that the parties use; it goes before theirs where
//! the system allows that, or a delay would grow whenever they compute.

use std::{
    fs,
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Command, Stdio},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::{Duration, Instant},
};

/// How much earlier than the rate allows a line takes bytes; threads do not wake up more exactly.
const AHEAD: Duration = Duration::from_micros(200);

/// Bytes read at once.
const CHUNK: usize = 1 << 16;

/// Pieces under way on one line.
const PIECES: usize = 4096;

/// How long the far side may take to listen.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a link is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Line {
    /// The time that a byte takes there and back.
    pub round_trip: Duration,
    /// Gbit/s each way; as fast as this machine if none.
    pub gbit: Option<f64>,
}

impl Line {
    /// The time that `bytes` are on the line.
    fn carries(&self, bytes: usize) -> Duration {
        self.gbit.map_or(Duration::ZERO, |gbit| Duration::from_secs_f64(bytes as f64 * 8e-9 / gbit))
    }

    /// Listens at a free port of the loopback interface and passes on each connection to `target` over a line of its own, until the process ends.
    ///
    /// # Errors
    /// If there is no free port.
    pub fn relay_to(self, target: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                // A connection that cannot be passed on is closed, which its maker sees.
                thread::spawn(move || dial(target).and_then(|far| self.join(near, far)));
            }
        });
        Ok(address)
    }

    fn join(self, near: TcpStream, far: TcpStream) -> io::Result<()> {
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        self.carry(near.try_clone()?, far.try_clone()?);
        self.carry(far, near);
        Ok(())
    }

    /// One direction.
    fn carry(self, from: TcpStream, to: TcpStream) {
        let (queue, pieces) = sync_channel(PIECES);
        spawn_first(move || self.take_in(from, queue));
        spawn_first(move || give_out(to, pieces));
    }

    fn take_in(self, mut from: TcpStream, queue: SyncSender<(Instant, Vec<u8>)>) {
        let (mut buffer, mut free) = (vec![0; CHUNK], Instant::now());
        loop {
            // A broken connection ends the line as an orderly end does; the parties notice by their own means.
            let Ok(count @ 1..) = from.read(&mut buffer) else { return };
            free = free.max(Instant::now()) + self.carries(count);
            if queue.send((free + self.round_trip / 2, buffer[..count].to_vec())).is_err() {
                // The far side is gone; without this the near one would wait for ever to be read.
                let _ = from.shutdown(Shutdown::Both);
                return;
            }
            thread::sleep((free - AHEAD).saturating_duration_since(Instant::now()));
        }
    }
}

fn give_out(mut to: TcpStream, pieces: Receiver<(Instant, Vec<u8>)>) {
    for (due, piece) in pieces {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&piece).is_err() {
            break;
        }
    }
    // The other end may have gone already.
    let _ = to.shutdown(Shutdown::Write);
}

/// Starts a thread that goes before all that are not real-time threads (sched(7)), if that is allowed. It does little at a time.
fn spawn_first(work: impl FnOnce() + Send + 'static) {
    thread::spawn(move || {
        // The link reads PROCESS/task/THREAD.
        if let Some(number) = fs::read_link("/proc/thread-self").ok().as_deref().and_then(Path::file_name) {
            let mut change = Command::new("chrt");
            change.args(["--fifo", "--pid", "50"]).arg(number);
            let _ = change.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
        work();
    });
}

fn dial(target: SocketAddr) -> io::Result<TcpStream> {
    let started = Instant::now();
    loop {
        match TcpStream::connect(target) {
            Err(error) if started.elapsed() > PATIENCE => return Err(error),
            Err(_) => thread::sleep(Duration::from_millis(10)),
            connected => return connected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cotenant_core::PartyId;
    use cotenant_net::{Identity, Limits, Member, Mesh, MeshConfig, listen};
    use std::io::ErrorKind;
    use std::sync::Arc;

    const MS: Duration = Duration::from_millis(1);

    #[tokio::test(flavor = "multi_thread")]
    async fn a_party_sees_the_round_trip() {
        let line = Line { round_trip: 30 * MS, gbit: Some(1.0) };
        let listener = listen("127.0.0.1:0").await.unwrap();
        let relay = line.relay_to(listener.local_addr().unwrap()).unwrap();
        let identities = [0, 1].map(|_| Arc::new(Identity::generate().unwrap()));
        let member = |i: usize| Member { name: format!("P{i}"), identity: identities[i].public(), address: relay.to_string() };
        let config = |i: usize| MeshConfig {
            identity: identities[i].clone(),
            me: PartyId::new(i),
            members: vec![member(0), member(1)],
            session: [0; 32],
            limits: Limits::default(),
        };
        let (one, two) = tokio::try_join!(Mesh::connect(config(0), Some(&listener)), Mesh::connect(config(1), None)).unwrap();
        let round_trip = loop {
            match one.counters(PartyId::new(1)).round_trip {
                Some(round_trip) => break round_trip,
                None => tokio::time::sleep(MS).await,
            }
        };
        assert!(round_trip >= line.round_trip, "{round_trip:?}");
        tokio::join!(one.close(), two.close());
    }

    #[test]
    fn bytes_arrive_unchanged_and_no_faster_than_the_line() {
        let line = Line { round_trip: Duration::ZERO, gbit: Some(0.01) };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut near = TcpStream::connect(line.relay_to(listener.local_addr().unwrap()).unwrap()).unwrap();
        let (mut far, _) = listener.accept().unwrap();
        let sent: Vec<u8> = (0..250_000u32).map(|i| (i % 251) as u8).collect();
        let (expected, started) = (sent.clone(), Instant::now());
        let writing = thread::spawn(move || near.write_all(&sent));
        let mut received = Vec::new();
        far.read_to_end(&mut received).unwrap();
        writing.join().unwrap().unwrap();
        assert!(received == expected);
        assert!(started.elapsed() >= 200 * MS, "2 Mbit at 10 Mbit/s took {:?}", started.elapsed());
    }

    #[test]
    fn who_sends_to_a_side_that_is_gone_learns_of_it() {
        let line = Line { round_trip: Duration::ZERO, gbit: None };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut near = TcpStream::connect(line.relay_to(listener.local_addr().unwrap()).unwrap()).unwrap();
        drop(listener.accept().unwrap());
        let error = (0..).find_map(|_| near.write_all(&[0; CHUNK]).err()).unwrap();
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    }
}
