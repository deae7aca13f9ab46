//! An emulated link: a relay of TCP connections that delays and paces what it passes on, in this process.
//!
//! Each direction of a connection is a line of its own. A piece of b bytes is on the line for b / rate after those before it, and arrives half a round
//! trip later: `due = max(now, free) + b / rate + rtt / 2`. The line takes nothing more than 0.2 ms before its time, so the rate reaches the sender
//! as it does on a real link: its socket fills.
//!
//! The work of relaying is done by the same cores that the parties use. So there is little of it: one thread for a connection, and what is on the line
//! waits in pipes, into and out of which the system moves pages without copying them (splice(2)). It goes before the parties' work where the system
//! allows that, or a delay would grow whenever they compute.

use nix::{
    errno::Errno,
    fcntl::{FcntlArg, SpliceFFlags, fcntl, splice},
    poll::{PollFd, PollFlags, ppoll},
    sys::time::TimeSpec,
};
use std::{
    collections::VecDeque,
    fs,
    io::{self, PipeReader, PipeWriter},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    os::fd::AsFd,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// How much earlier than the rate allows a line takes bytes; threads do not wake up more exactly.
const AHEAD: Duration = Duration::from_micros(200);

/// The least that a line takes at once however low the rate, if so much is there, and the most however high.
const PIECE: (usize, usize) = (1 << 16, 1 << 20);

/// The size of a pipe that everybody may have: a slot for every 4096 bytes (pipe(7)). A piece takes one or more, however full.
const PIPE: i32 = 1 << 20;

/// Full pipes with which a line takes nothing more.
const PIPES: usize = 16;

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
                thread::spawn(move || dial(target).and_then(|far| self.join(&near, &far)));
            }
        });
        Ok(address)
    }

    /// Passes on both ways until both have ended, or one end does not take what came for it: then it closes both.
    fn join(self, near: &TcpStream, far: &TcpStream) -> io::Result<()> {
        go_first();
        for end in [near, far] {
            end.set_nodelay(true)?;
            end.set_nonblocking(true)?;
        }
        let mut ways = [Way::new(self, near, far)?, Way::new(self, far, near)?];
        loop {
            let now = Instant::now();
            for way in &mut ways {
                way.give_out(now)?;
            }
            if ways.iter().all(Way::has_ended) {
                return Ok(());
            }
            let readable = wait(&ways, now)?;
            for (way, _) in ways.iter_mut().zip(readable).filter(|(_, readable)| *readable) {
                way.take_in()?;
            }
        }
    }

    /// The time that `bytes` are on the line.
    fn carries(&self, bytes: usize) -> Duration {
        self.gbit.map_or(Duration::ZERO, |gbit| Duration::from_secs_f64(bytes as f64 * 8e-9 / gbit))
    }

    /// The bytes that are on the line for `time`, within bounds.
    fn piece(&self, time: Duration) -> usize {
        let (least, most) = PIECE;
        self.gbit.map_or(most, |gbit| (time.as_secs_f64() * gbit / 8e-9) as usize).clamp(least, most)
    }
}

/// One direction of a connection.
struct Way<'a> {
    line: Line,
    from: &'a TcpStream,
    to: &'a TcpStream,
    /// The bytes that are on the line, in order; each pipe but the last was filled.
    pipes: VecDeque<Pipe>,
    /// When how many of them arrive, in order. The end is a piece without bytes.
    pieces: VecDeque<(Instant, usize)>,
    /// When all that was taken in has gone past.
    free: Instant,
    /// Whether the end was not taken in yet.
    open: bool,
}

/// A pipe and how many bytes are in it.
struct Pipe {
    reader: PipeReader,
    writer: PipeWriter,
    holds: usize,
}

impl Pipe {
    fn new() -> io::Result<Pipe> {
        let (reader, writer) = io::pipe()?;
        // With smaller ones, more are needed.
        let _ = fcntl(&writer, FcntlArg::F_SETPIPE_SZ(PIPE));
        Ok(Pipe { reader, writer, holds: 0 })
    }
}

impl<'a> Way<'a> {
    fn new(line: Line, from: &'a TcpStream, to: &'a TcpStream) -> io::Result<Way<'a>> {
        Ok(Way { line, from, to, pipes: [Pipe::new()?].into(), pieces: VecDeque::new(), free: Instant::now(), open: true })
    }

    fn has_ended(&self) -> bool {
        !self.open && self.pieces.is_empty()
    }

    /// When the next piece arrives, if there is one.
    fn gives(&self) -> Option<Instant> {
        self.pieces.front().map(|(due, _)| *due)
    }

    /// When the line takes a piece, if it takes any before another has arrived. Half of what it may be ahead is for waking up late.
    fn takes(&self) -> Option<Instant> {
        (self.open && self.pipes.len() <= PIPES).then(|| self.free - AHEAD / 2)
    }

    /// Gives out what has arrived, as far as the other end has room.
    fn give_out(&mut self, now: Instant) -> io::Result<()> {
        while let Some((_, left)) = self.pieces.front_mut().filter(|(due, _)| *due <= now) {
            if self.pipes.len() > 1 && self.pipes[0].holds == 0 {
                self.pipes.pop_front();
            }
            let pipe = &mut self.pipes[0];
            let given = match splice(&pipe.reader, None, self.to, None, (*left).min(pipe.holds), SpliceFFlags::SPLICE_F_NONBLOCK) {
                Err(Errno::EAGAIN) => break,
                given => given?,
            };
            pipe.holds -= given;
            *left -= given;
            if *left == 0 {
                self.pieces.pop_front();
            }
            if self.has_ended() {
                // The other end may have gone already.
                let _ = self.to.shutdown(Shutdown::Write);
            }
        }
        Ok(())
    }

    /// Takes in what there is, but no more than the line may be ahead; only to be called if there is something.
    fn take_in(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let start = self.free.max(now);
        let most = self.line.piece((now + AHEAD).saturating_duration_since(start));
        let pipe = self.pipes.back_mut().expect("there is always one");
        let count = match splice(self.from, None, &pipe.writer, None, most, SpliceFFlags::SPLICE_F_NONBLOCK) {
            // It is full; the next one is for next time.
            Err(Errno::EAGAIN) => {
                self.pipes.push_back(Pipe::new()?);
                return Ok(());
            }
            // A broken connection ends the line as an orderly end does; the parties notice by their own means.
            taken => taken.unwrap_or(0),
        };
        pipe.holds += count;
        self.open = count > 0;
        self.free = start + self.line.carries(count);
        self.pieces.push_back((self.free + self.line.round_trip / 2, count));
        Ok(())
    }
}

/// Waits for the first thing to do and says for each way whether there is something to take in.
fn wait(ways: &[Way; 2], now: Instant) -> nix::Result<[bool; 2]> {
    let taking = ways.each_ref().map(|way| way.takes().is_some_and(|at| at <= now));
    let takers = ways.iter().zip(taking).filter(|(_, taking)| *taking).map(|(way, _)| PollFd::new(way.from.as_fd(), PollFlags::POLLIN));
    let late = ways.iter().filter(|way| way.gives().is_some_and(|at| at <= now));
    let mut ends: Vec<_> = takers.chain(late.map(|way| PollFd::new(way.to.as_fd(), PollFlags::POLLOUT))).collect();
    let next = ways.iter().flat_map(|way| [way.gives(), way.takes()]).flatten().filter(|at| *at > now).min();
    let timeout = next.map(|at| TimeSpec::from_duration(at.saturating_duration_since(Instant::now())));
    match ppoll(&mut ends, timeout, None) {
        Err(Errno::EINTR) => return Ok([false; 2]),
        polled => polled?,
    };
    let mut ready = ends.iter().map(|end| end.any() == Some(true));
    Ok(taking.map(|taking| taking && ready.next() == Some(true)))
}

/// Lets this thread go before all that are not real-time threads (sched(7)), if that is allowed. It does little at a time.
fn go_first() {
    // The link reads PROCESS/task/THREAD.
    if let Some(number) = fs::read_link("/proc/thread-self").ok().as_deref().and_then(Path::file_name) {
        let mut change = Command::new("chrt");
        change.args(["--fifo", "--pid", "50"]).arg(number);
        let _ = change.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    }
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
    use std::{
        io::{ErrorKind, Read, Write},
        sync::Arc,
    };

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

    /// The ends of a connection over the line.
    fn ends(line: Line) -> [TcpStream; 2] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let near = TcpStream::connect(line.relay_to(listener.local_addr().unwrap()).unwrap()).unwrap();
        [near, listener.accept().unwrap().0]
    }

    #[test]
    fn bytes_arrive_unchanged_and_no_faster_than_the_line() {
        let [mut near, mut far] = ends(Line { round_trip: Duration::ZERO, gbit: Some(0.01) });
        let sent: Vec<u8> = (0..250_000u32).map(|i| (i % 251) as u8).collect();
        let (expected, started) = (sent.clone(), Instant::now());
        let writing = thread::spawn(move || near.write_all(&sent));
        let mut received = Vec::new();
        far.read_to_end(&mut received).unwrap();
        writing.join().unwrap().unwrap();
        assert!(received == expected);
        assert!(started.elapsed() >= 200 * MS, "2 Mbit at 10 Mbit/s took {:?}", started.elapsed());
    }

    /// More pieces than all pipes have slots.
    #[test]
    fn no_piece_is_too_small_to_arrive() {
        let [near, mut far] = ends(Line { round_trip: 600 * MS, gbit: None });
        near.set_nodelay(true).unwrap();
        let writing = thread::spawn(move || (0..20_000u32).try_for_each(|i| (&near).write_all(&i.to_le_bytes())));
        let mut received = Vec::new();
        far.read_to_end(&mut received).unwrap();
        writing.join().unwrap().unwrap();
        assert!(received == (0..20_000u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
    }

    #[test]
    fn one_way_ends_without_the_other_and_half_a_round_trip_later() {
        let line = Line { round_trip: 60 * MS, gbit: None };
        let [mut near, mut far] = ends(line);
        let started = Instant::now();
        near.shutdown(Shutdown::Write).unwrap();
        assert_eq!(far.read(&mut [0]).unwrap(), 0);
        assert!(started.elapsed() >= line.round_trip / 2);
        far.write_all(b"still here").unwrap();
        drop(far);
        let mut received = Vec::new();
        near.read_to_end(&mut received).unwrap();
        assert_eq!(received, b"still here");
        assert!(started.elapsed() >= line.round_trip);
    }

    #[test]
    fn who_sends_to_a_side_that_is_gone_learns_of_it() {
        let [mut near, far] = ends(Line { round_trip: Duration::ZERO, gbit: None });
        drop(far);
        let error = (0..).find_map(|_| near.write_all(&[0; 1 << 16]).err()).unwrap();
        assert!(matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{error}");
    }
}
