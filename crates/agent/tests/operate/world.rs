//! A room with its vault, the disk of each member, and operations on it, on either engine.

use crate::{
    lanes::{Lanes, Running, run_all},
    watched::Reached,
};
use cotenant_agent::{
    approve::{
        item::Pick,
        operation::{Body, Operation, Program, Stored},
    },
    operate::{Manifest, Mine, OperateError, Refused, Save, Saved, ShareName, Task, Verified, Verify, Work, unnamed},
    room::RoomId,
    vault::{
        commit::statement::{Parties, Round},
        item::{Fields, Item, Kind, Use},
        load::{LoadPlan, Wanted},
        share::Share,
        sharing::{Holder, Quorum, Sharing},
    },
};
use cotenant_circuit::Builder;
use cotenant_cluster::session_rng;
use cotenant_core::{Digest, PartyId};
use cotenant_ideal::{IdealSession, seats};
use cotenant_mpc::{Engine, Online, Options, Session, Source, Stats};
use cotenant_net::{Identity, PublicIdentity};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// The date of every run.
pub(crate) const DATE: i64 = 1_800_000_000;

/// What a member has on disk.
pub(crate) type Disk = RefCell<BTreeMap<ShareName, Vec<u8>>>;

/// What one party does with a started engine.
pub(crate) trait Part {
    type Out;
    async fn party<E: Engine>(self, engine: E) -> Result<Self::Out, OperateError>;
}

/// One of the two engines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Ideal,
    Real,
}

impl On {
    /// All parties of a session, each with what it takes for agreed.
    pub(crate) fn run<P: Part>(self, seed: u64, parts: Vec<(Digest, P)>) -> Vec<Result<P::Out, OperateError>> {
        let n = parts.len();
        let links = Lanes::honest(n);
        let mut seats = seats(n, seed).into_iter();
        let party = |(me, (agreed, part)): (PartyId, (Digest, P))| {
            let (seat, link) = (seats.next().expect("a seat a party"), links.end(me));
            Box::pin(async move {
                match self {
                    On::Ideal => part.party(IdealSession::start(seat, agreed).await?).await,
                    On::Real => part.party(Session::start(link, agreed, session_rng(seed, me), Options::default()).await?).await,
                }
            }) as Running<'_, _>
        };
        let parties = PartyId::all(n).zip(parts).map(party).collect();
        run_all(parties, || links.fall_silent())
    }
}

/// A room.
pub(crate) struct World {
    pub(crate) on: On,
    pub(crate) epoch: u32,
    pub(crate) threshold: usize,
    pub(crate) members: Vec<Identity>,
    pub(crate) disks: Vec<Disk>,
    pub(crate) manifest: Manifest,
    /// The member whose disk takes no note that a request may be sent.
    pub(crate) holds: Option<usize>,
    /// The member whose disk does not take what was opened of an answer.
    pub(crate) forgets: Option<usize>,
    /// What the first of those who take part gives for a call in place of what its program would let it give, of the same length.
    pub(crate) forged: Option<Vec<u8>>,
    /// What one of those who take part tells of its numbers in place of what its program would, where that is as long.
    pub(crate) told: Option<(usize, Vec<u8>)>,
    /// How far the last call came, at each who took part, if it was on the ideal engine.
    pub(crate) reached: Vec<Reached>,
    /// What calls had cost when they were prepared, at each party.
    pub(crate) prepared: Arc<Mutex<Vec<Stats>>>,
    seed: u64,
}

pub(crate) fn parties(seats: &[usize]) -> Parties {
    seats.iter().map(|&seat| PartyId::new(seat)).collect()
}

pub(crate) fn stored(name: &str) -> Stored {
    Stored { item: name.parse().unwrap(), pick: Pick::Newest }
}

impl World {
    pub(crate) fn new(on: On, threshold: usize, n: usize) -> World {
        let members: Vec<Identity> = (0..n).map(|_| Identity::generate().unwrap()).collect();
        let manifest = Manifest::new(RoomId([5; 16]), members.iter().map(Identity::public).collect());
        World {
            on,
            epoch: 1,
            threshold,
            members,
            disks: (0..n).map(|_| Disk::default()).collect(),
            manifest,
            holds: None,
            forgets: None,
            forged: None,
            told: None,
            reached: Vec::new(),
            prepared: Arc::default(),
            seed: 0,
        }
    }

    pub(crate) fn n(&self) -> usize {
        self.members.len()
    }

    /// The vault after an epoch that these enter without shares.
    pub(crate) fn entered(&self, lacking: &[PublicIdentity]) -> Manifest {
        let members: Vec<PublicIdentity> = self.members.iter().map(Identity::public).collect();
        self.manifest.entered(&members, |key, entry| {
            let had = self.manifest.holders(entry).any(|(_, holder)| holder == key);
            had && !lacking.contains(key)
        })
    }

    pub(crate) fn everyone(&self) -> Vec<usize> {
        (0..self.n()).collect()
    }

    /// The next version of an item of the room as it is.
    pub(crate) fn item(&self, name: &str, kind: Kind, len: usize, mut uses: Vec<Use>) -> Item {
        uses.sort();
        let sharing = Sharing::new(self.threshold, self.n()).unwrap();
        let version = self.manifest.next_version(name);
        Item::new(Fields { name: name.into(), version, kind, len, sharing, uses, note: String::new() }).unwrap()
    }

    pub(crate) fn operation(&self, quorum: &[usize], body: Body) -> Operation {
        Operation {
            room: RoomId([5; 16]),
            epoch: self.epoch,
            number: 1 + self.seed,
            expiry: DATE + 100,
            members: self.members.iter().map(Identity::public).collect(),
            threshold: self.threshold as u8,
            quorum: parties(quorum),
            proposer: PartyId::new(quorum[0]),
            program: Program { version: "test".into(), digest: None },
            engine: Digest([2; 32]),
            body,
        }
    }

    /// The run of it, with the round that the commit machine would be in.
    pub(crate) fn task(&self, operation: Operation) -> Result<Task, Refused> {
        let round = Round { epoch: self.epoch, version: self.manifest.number() + 1, attempt: 1 };
        let round = operation.body.needs_everyone().then_some(round);
        Task::new(operation, self.manifest.clone(), DATE, round)
    }

    /// What the task needs of the member at `seat`.
    pub(crate) fn mine(&self, task: &Task, seat: usize, value: Option<&[u8]>) -> Mine {
        let me = task.party(PartyId::new(seat)).expect("it takes part");
        let disk = self.disks[seat].borrow();
        let share = |origin: &cotenant_agent::vault::share::Origin| {
            let name = ShareName { item: origin.item.name.clone(), version: origin.item.version, run: origin.run.0 };
            disk.get(&name).map(|bytes| Share::decode(bytes).unwrap())
        };
        let shares = task.needs(me).into_iter().filter_map(share).collect();
        Mine { shares, value: value.map(|value| value.to_vec().into()) }
    }

    pub(crate) fn next_seed(&mut self) -> u64 {
        self.seed += 1;
        self.seed
    }

    /// Runs a save to the end of its second stage, at every member; `change` may change what one reads back.
    pub(crate) fn try_save(
        &mut self,
        body: Body,
        value: Option<&[u8]>,
        change: impl Fn(usize, &mut Vec<u8>),
    ) -> Vec<Result<Verified, OperateError>> {
        let seed = self.next_seed();
        let giver = if let Body::Put { giver, .. } = &body { Some(giver.index()) } else { None };
        let change = &change;
        let part = |seat: usize| {
            let task = self.task(self.operation(&self.everyone(), body.clone())).unwrap();
            let mine = self.mine(&task, seat, value.filter(|_| giver == Some(seat)));
            let agreed = task.digest();
            let Work::Save(save) = task.into_work() else { panic!("it saves") };
            (agreed, Saving { save, mine, disk: &self.disks[seat], change: move |bytes: &mut Vec<u8>| change(seat, bytes) })
        };
        self.on.run(seed, self.everyone().into_iter().map(part).collect())
    }

    /// Runs a save and commits it.
    pub(crate) fn save(&mut self, body: Body, value: Option<&[u8]>) {
        let verified: Vec<Verified> =
            self.try_save(body, value, |_, _| ()).into_iter().map(|v| v.unwrap_or_else(|e| panic!("{e}"))).collect();
        assert!(verified.iter().all(|v| v.after() == verified[0].after()), "all have the same manifest");
        self.commit(verified[0].after().clone());
    }

    /// All have committed: shares that are not named any more are destroyed.
    pub(crate) fn commit(&mut self, after: Manifest) {
        for disk in &self.disks {
            let names: Vec<ShareName> = disk.borrow().keys().cloned().collect();
            for gone in unnamed(&names, std::slice::from_ref(&after)) {
                disk.borrow_mut().remove(gone);
            }
        }
        self.manifest = after;
    }

    pub(crate) fn put(&mut self, giver: usize, item: Item, value: &[u8]) {
        self.save(Body::Put { giver: PartyId::new(giver), item }, Some(value));
    }

    /// Verifies items in a session of these members.
    pub(crate) fn verify(&mut self, quorum: &[usize], names: &[&str]) -> Vec<Result<(), OperateError>> {
        let seed = self.next_seed();
        let part = |&seat: &usize| {
            let task = self.task(self.operation(quorum, Body::Verify(names.iter().map(|n| stored(n)).collect()))).unwrap();
            let (agreed, mine) = (task.digest(), self.mine(&task, seat, None));
            let Work::Verify(verify) = task.into_work() else { panic!("it verifies") };
            (agreed, Verifying { verify, mine })
        };
        self.on.run(seed, quorum.iter().map(part).collect())
    }

    /// Opens an item to all of a quorum, which nothing but a test does.
    pub(crate) fn read(&mut self, quorum: &[usize], name: &str) -> Vec<u8> {
        let seed = self.next_seed();
        let origin = self.manifest.origin(name).expect("it is there");
        let holders = quorum.iter().enumerate().map(|(k, &seat)| Holder { seat: PartyId::new(seat), party: PartyId::new(k) });
        let wanted = Wanted { quorum: Quorum::new(origin.item.sharing, holders.collect()).unwrap(), origin };
        let named = |seat: usize| {
            let disk = self.disks[seat].borrow();
            let bytes = disk.iter().find(|(share, _)| self.manifest.names(share) && share.item == name).expect("it has a share").1;
            Share::decode(bytes).unwrap()
        };
        let parts = quorum.iter().map(|&seat| (Digest([0; 32]), Reading { wanted: wanted.clone(), share: named(seat) })).collect();
        let all: Vec<Vec<u8>> = On::Ideal.run(seed, parts).into_iter().map(|r| r.unwrap_or_else(|e| panic!("{e}"))).collect();
        assert!(all.iter().all(|one| *one == all[0]));
        all[0].clone()
    }
}

struct Saving<'a, F> {
    save: Save,
    mine: Mine,
    disk: &'a Disk,
    change: F,
}

impl<F: Fn(&mut Vec<u8>)> Part for Saving<'_, F> {
    type Out = Verified;

    async fn party<E: Engine>(self, engine: E) -> Result<Verified, OperateError> {
        let saved = self.save.run(engine, self.mine).await?;
        written(saved, self.disk, self.change).await
    }
}

/// The second stage of a save.
pub(crate) async fn written<O: Online>(saved: Saved<O>, disk: &Disk, change: impl Fn(&mut Vec<u8>)) -> Result<Verified, OperateError> {
    let names: Vec<ShareName> = saved.shares().iter().map(ShareName::of).collect();
    for (name, share) in names.iter().zip(saved.shares()) {
        let mut bytes = share.encode().to_vec();
        change(&mut bytes);
        disk.borrow_mut().insert(name.clone(), bytes);
    }
    let read_back = names.iter().map(|name| Share::decode(&disk.borrow()[name]).unwrap()).collect();
    Ok(saved.verify(read_back).await?)
}

struct Verifying {
    verify: Verify,
    mine: Mine,
}

impl Part for Verifying {
    type Out = ();

    async fn party<E: Engine>(self, engine: E) -> Result<(), OperateError> {
        self.verify.run(engine, self.mine).await
    }
}

struct Reading {
    wanted: Wanted,
    share: Share,
}

impl Part for Reading {
    type Out = Vec<u8>;

    async fn party<E: Engine>(self, mut engine: E) -> Result<Vec<u8>, OperateError> {
        let load = LoadPlan::declare(&mut engine, std::slice::from_ref(&self.wanted))?;
        let input = engine.declare(Source::Soldered, 8 * self.wanted.origin.item.len);
        let mut b = Builder::new();
        let bits = b.input(input.len());
        b.output(&bits);
        let segment = engine.segment(&Arc::new(b.finish()), &input.wires().collect::<Vec<_>>())?;
        let mut online = engine.seal().await?;
        let loaded = load.run(&mut online, vec![self.share]).await?;
        loaded.solder(&mut online, &[0], input).await?;
        let out = online.evaluate(segment).await?;
        Ok(online.open(&out).await?.to_packed())
    }
}
