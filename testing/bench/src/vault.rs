//! `cotenant-bench vault`: a secret that one party has is saved by all, in one session, and loaded by all, in the next.

use crate::{
    calibrate::{Calibration, calibrate},
    error::Error,
    processes::{self, Party, Place, peak_mb},
    table::{self, Rows},
};
use cotenant::party::{fresh_rng, on_own_thread};
use cotenant_agent::room::RoomId;
use cotenant_agent::vault::{
    VaultError,
    item::{Fields, Item, ItemError, Kind},
    load::{LoadPlan, Wanted},
    save::{Comes, New, SavePlan, Value},
    share::{Origin, Share},
    sharing::{Holder, Quorum, Sharing},
};
use cotenant_core::{Channel, Domain, PartyId};
use cotenant_mpc::{Engine, Online, Options, Session, Stats};
use serde::{Deserialize, Serialize};
use std::time::Instant;
use zeroize::Zeroizing;

/// The party that has the secret.
const OWNER: PartyId = PartyId::EVALUATOR;

/// What each party's process does.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Job {
    /// Bytes of the secret, of any value.
    pub bytes: usize,
}

/// What one party measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Figures {
    save: Cost,
    load: Cost,
    peak_mb: f64,
}

/// What one session cost one party.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Cost {
    ands: u64,
    sent_bytes: u64,
    rounds: u64,
    prepare_s: f64,
    online_s: f64,
}

/// What is printed. Times are those of the party that took longest; lists are by party.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    parties: usize,
    bytes: usize,
    /// From the value of one party to a share for each.
    save: Part,
    /// From the shares to secret wires with a right tag.
    load: Part,
    peak_mb: Vec<f64>,
    calibration: Calibration,
}

/// One session.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    ands: u64,
    /// Set-up of the session, and everything up to its sealing.
    prepare_s: f64,
    online_s: f64,
    total_s: f64,
    /// Message bytes that each party sent.
    bytes: Vec<u64>,
    /// The most that a party waited for an answer.
    rounds: u64,
}

/// Measures; prints nothing.
///
/// # Errors
/// What failed first.
pub async fn run(parties: usize, job: Job, place: Place) -> Result<Report, Error> {
    item(parties, job.bytes)?;
    let calibration = calibrate()?;
    let all: Vec<Figures> = processes::run(parties, place, &processes::Job::Vault(job)).await?;
    let part = |of: fn(&Figures) -> Cost| {
        let costs: Vec<Cost> = all.iter().map(of).collect();
        let slowest = costs.iter().max_by(|a, b| a.total_s().total_cmp(&b.total_s())).expect("there are parties");
        Part {
            ands: slowest.ands,
            prepare_s: slowest.prepare_s,
            online_s: slowest.online_s,
            total_s: slowest.total_s(),
            bytes: costs.iter().map(|cost| cost.sent_bytes).collect(),
            rounds: costs.iter().map(|cost| cost.rounds).max().expect("there are parties"),
        }
    };
    Ok(Report {
        parties,
        bytes: job.bytes,
        save: part(|figures| figures.save),
        load: part(|figures| figures.load),
        peak_mb: all.iter().map(|party| party.peak_mb).collect(),
        calibration,
    })
}

impl Cost {
    fn total_s(&self) -> f64 {
        self.prepare_s + self.online_s
    }
}

impl Report {
    /// For people.
    pub fn rows(&self) -> Rows {
        let mut rows = vec![("parties", self.parties.to_string()), ("bytes of the secret", self.bytes.to_string())];
        rows.extend([("save", self.save.to_string()), ("load", self.load.to_string())]);
        rows.push(("peak memory, MB", table::list(&self.peak_mb, 0)));
        rows.extend(table::calibration(&self.calibration));
        rows
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [prepare, online] = [self.prepare_s, self.online_s].map(table::seconds);
        let (ands, bytes) = (table::count(self.ands), table::counts(&self.bytes));
        write!(f, "{prepare} preparation, {online} online, {ands} AND gates, {bytes} bytes sent, {} rounds", self.rounds)
    }
}

/// What a party's process does.
///
/// # Errors
/// The sessions', or [`Error::Vault`] if what was saved is not what is loaded.
pub async fn attend(party: &Party, job: Job) -> Result<Figures, Error> {
    let (me, parties) = (party.home.me, party.home.members.len());
    let origin =
        Origin { room: RoomId([0; 16]), item: item(parties, job.bytes)?, run: Domain::OperationRun.hasher().field(b"benchmark").digest() };
    let value = (me == OWNER).then(|| Zeroizing::new(vec![0x5a; job.bytes]));
    let new = New { origin: origin.clone(), comes: Comes::Given(OWNER), receivers: PartyId::all(parties).collect() };
    let (lane, rng) = (party.work(), fresh_rng()?);
    party.meet().await?;
    let (share, save) = on_own_thread(async move { save(start(lane, rng).await?, new, value).await }).await?;
    let holders = PartyId::all(parties).map(|party| Holder { seat: party, party });
    let quorum = Quorum::new(origin.item.sharing, holders.collect()).expect("all of n of n");
    let (lane, rng) = (party.work(), fresh_rng()?);
    party.meet().await?;
    let load = on_own_thread(async move { load(start(lane, rng).await?, Wanted { origin, quorum }, share).await }).await?;
    Ok(Figures { save, load, peak_mb: peak_mb()? })
}

/// What is saved: bytes, n of n.
fn item(parties: usize, bytes: usize) -> Result<Item, Error> {
    let sharing = Sharing::new(parties, parties).expect("a session has parties enough");
    let fields = Fields { name: "benchmark".into(), version: 1, kind: Kind::Bytes, len: bytes, sharing, uses: vec![], note: String::new() };
    Item::new(fields).map_err(|error: ItemError| Error::Option { option: "--bytes", given: bytes.to_string(), wanted: error.to_string() })
}

/// A session, and when its start began.
async fn start<C: Channel>(lane: C, rng: chacha20::ChaCha20Rng) -> Result<(Session<C>, Instant), VaultError> {
    let started = Instant::now();
    let agreed = Domain::Session.hasher().field(b"benchmark").digest();
    Ok((Session::start(lane, agreed, rng, Options::default()).await?, started))
}

async fn save<E: Engine>(
    (mut engine, started): (E, Instant),
    new: New,
    value: Option<Zeroizing<Vec<u8>>>,
) -> Result<(Share, Cost), VaultError> {
    let plan = SavePlan::declare(&mut engine, &[new])?;
    let mut online = engine.seal().await?;
    let prepared = Instant::now();
    let mut shares = plan.run(&mut online, vec![value.map_or(Value::Theirs, Value::Mine)]).await?;
    let cost = Cost::of(started, prepared, &online.stats());
    Ok((shares.pop().expect("every party is a member"), cost))
}

async fn load<E: Engine>((mut engine, started): (E, Instant), wanted: Wanted, share: Share) -> Result<Cost, VaultError> {
    let plan = LoadPlan::declare(&mut engine, &[wanted])?;
    let mut online = engine.seal().await?;
    let prepared = Instant::now();
    plan.run(&mut online, vec![share]).await?;
    Ok(Cost::of(started, prepared, &online.stats()))
}

impl Cost {
    fn of(started: Instant, prepared: Instant, stats: &Stats) -> Cost {
        let total = stats.total();
        Cost {
            ands: stats.ands,
            sent_bytes: total.sent_bytes,
            rounds: total.rounds,
            prepare_s: (prepared - started).as_secs_f64(),
            online_s: prepared.elapsed().as_secs_f64(),
        }
    }
}
