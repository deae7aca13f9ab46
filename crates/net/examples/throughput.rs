//! Measures what the links cost in bulk: two parties on the loopback interface, each a process of its own, send each other messages of several sizes,
//! first one way and then both ways at once.
//!
//! `cargo run --release -p cotenant-net --example throughput [GiB a row] [pinned]`; with `pinned` each process keeps to one core (`taskset`), as a
//! party that shares its machine with its peer does.
//!
//! Of both processes: Gbit/s that each sends, nanoseconds of all cores for each KiB that passes in or out, page faults and context switches for each
//! MiB of them. The kernel does much of a receiver's work on its sender's core.

use cotenant_core::{channel::Channel, party::PartyId};
use cotenant_net::{Identity, Lane, Limits, Member, Mesh, MeshConfig, listen};
use futures_executor::block_on;
use std::{
    env, fs,
    hint::black_box,
    io,
    net::TcpListener,
    path::Path,
    process::{Child, Command},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

/// KiB of a message.
const SIZES: [usize; 4] = [32, 64, 128, 256];

/// How many messages each sends before it waits for the other's first.
const AHEAD: usize = 4;

/// Steps of [`work`] for each byte of a message.
const ROUNDS: u64 = 1;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["party", place, dir, port, gib] => party(place.parse()?, Path::new(dir), port.parse()?, gib.parse()?),
        [] => both(1, false),
        [gib] => both(gib.parse()?, false),
        [gib, "pinned"] => both(gib.parse()?, true),
        _ => Err("[GiB a row] [pinned]".into()),
    }
}

/// Starts the two parties and waits for them.
fn both(gib: usize, pinned: bool) -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    for place in ["0", "1"] {
        Identity::generate()?.save(&dir.path().join(place))?;
    }
    println!("party  KiB  ways  busy  Gbit/s  ns/KiB  faults/MiB  switches/MiB");
    let start = |place: usize| -> io::Result<Child> {
        let program = env::current_exe()?;
        let mut command = if pinned { Command::new("taskset") } else { Command::new(&program) };
        if pinned {
            command.args(["-c", &place.to_string()]).arg(&program);
        }
        command.args(["party", &place.to_string()]).arg(dir.path()).args([port.to_string(), gib.to_string()]).spawn()
    };
    let parties = [start(0)?, start(1)?];
    for mut party in parties {
        if !party.wait()?.success() {
            return Err("a party failed".into());
        }
    }
    Ok(())
}

/// What the process of one party does.
#[tokio::main(flavor = "multi_thread")]
async fn party(place: usize, dir: &Path, port: u16, gib: usize) -> Result<(), Failure> {
    let identities = [Identity::load(&dir.join("0"))?, Identity::load(&dir.join("1"))?];
    let member = |i: usize| Member { name: format!("party {i}"), identity: identities[i].public(), address: format!("127.0.0.1:{port}") };
    let members = vec![member(0), member(1)];
    let listener = if place == 0 { Some(listen(&members[0].address).await?) } else { None };
    let identity = Arc::new(identities.into_iter().nth(place).ok_or("a party is 0 or 1")?);
    let config = MeshConfig { identity, me: PartyId::new(place), members, session: [0; 32], limits: Limits::default() };
    let mesh = Mesh::connect(config, listener.as_ref()).await?;
    let lane = mesh.lane(1);
    // Away from the threads that serve the sockets, as the engine is.
    tokio::task::spawn_blocking(move || rows(lane, gib << 30)).await?;
    mesh.close().await;
    Ok(())
}

/// What the two parties do at a time.
struct Row {
    kib: usize,
    /// 1: the first sends; 2: both do.
    ways: usize,
    /// Whether each computes as long as it takes a party of the engine to make or use the messages.
    busy: bool,
}

fn rows(mut lane: Lane, bytes: usize) {
    for kib in SIZES {
        for (ways, busy) in [(1, false), (2, false), (2, true)] {
            row(&mut lane, bytes, &Row { kib, ways, busy });
        }
    }
}

fn row(lane: &mut Lane, bytes: usize, row: &Row) {
    let (messages, length) = (bytes / (row.kib << 10), row.kib << 10);
    let rounds = if row.busy { length as u64 * ROUNDS } else { 0 };
    let before = Used::now();
    (0..messages).for_each(|_| work(rounds));
    let alone = Used::now().since(&before).ns;
    meet(lane);
    let (start, before) = (Instant::now(), Used::now());
    let passed = pass(lane, messages, length, row.ways == 2, rounds);
    let (time, used) = (start.elapsed(), Used::now().since(&before));
    // One after the other, and in order.
    thread::sleep(Duration::from_millis(20 * lane.me().index() as u64));
    let (mib, gbit) = (passed as f64 / 1_048_576.0, bytes as f64 * 8e-9 / time.as_secs_f64());
    let ns = used.ns.saturating_sub(alone) as f64 / mib / 1024.0;
    let (faults, switches) = (used.faults as f64 / mib, used.switches as f64 / mib);
    let (me, busy) = (lane.me().to_string(), if row.busy { "yes" } else { "no" });
    println!("{me:<5} {:>4} {:>5} {busy:>5} {gbit:>7.1} {ns:>7.0} {faults:>11.1} {switches:>13.1}", row.kib, row.ways);
}

/// Sends and receives so many messages, computing for each; gives the bytes that passed.
fn pass(lane: &mut Lane, messages: usize, length: usize, back: bool, rounds: u64) -> usize {
    let peer = PartyId::new(1 - lane.me().index());
    let (sends, receives) = (back || lane.me().index() == 0, back || lane.me().index() == 1);
    let mut passed = 0;
    for i in 0..messages + AHEAD {
        if sends && i < messages {
            block_on(lane.send(peer, vec![1; length])).expect("the link holds");
            passed += length;
        }
        if receives && i >= AHEAD {
            passed += block_on(lane.recv(peer)).expect("the link holds").len();
        }
        if i < messages {
            work(rounds);
        }
    }
    // What was only queued has not been sent.
    meet(lane);
    passed
}

fn work(rounds: u64) {
    black_box((0..rounds).fold(black_box(1u64), |x, i| (x ^ i).wrapping_mul(0x9e37_79b9_7f4a_7c15)));
}

fn meet(lane: &mut Lane) {
    let peer = PartyId::new(1 - lane.me().index());
    block_on(lane.send(peer, vec![])).expect("the link holds");
    block_on(lane.recv(peer)).expect("the link holds");
}

/// What this process has used so far, as Linux tells it.
struct Used {
    ns: u64,
    faults: u64,
    switches: u64,
}

impl Used {
    fn now() -> Self {
        let (mut ns, mut switches) = (0, 0);
        for task in fs::read_dir("/proc/self/task").expect("Linux").flatten() {
            let read = |name: &str| fs::read_to_string(task.path().join(name)).expect("threads that live");
            ns += number(read("schedstat").split(' ').next());
            let status = read("status");
            let of = |key: &str| number(status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim));
            switches += of("voluntary_ctxt_switches:") + of("nonvoluntary_ctxt_switches:");
        }
        let stat = fs::read_to_string("/proc/self/stat").expect("Linux");
        // The tenth field, the eighth after the command's name.
        let faults = number(stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(7)));
        Used { ns, faults, switches }
    }

    fn since(&self, before: &Used) -> Used {
        Used { ns: self.ns - before.ns, faults: self.faults - before.faults, switches: self.switches - before.switches }
    }
}

fn number(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).expect("a number")
}
