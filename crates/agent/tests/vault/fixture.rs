//! Items, sessions that save and load them, on either engine, and shares that are not what their headers say.

use cotenant_agent::room::RoomId;
use cotenant_agent::vault::{
    VaultError,
    item::{Fields, Item, Kind},
    load::{LoadPlan, Wanted},
    save::{Comes, New, SavePlan, Value},
    share::{Origin, Share},
    sharing::{Holder, Quorum, Sharing},
};
use cotenant_circuit::{Builder, Circuit};
use cotenant_cluster::{Honest, Meddler, run, session_rng, tamper::Transcript};
use cotenant_core::{Channel, Digest, PartyId};
use cotenant_ideal::{IdealSession, seats};
use cotenant_mpc::{Engine, Given, Online, Options, Session, Source};
use futures::{executor::block_on, future::join_all};
use std::sync::Arc;

pub(crate) const AGREED: Digest = Digest([7; 32]);

/// What each party ended with.
pub(crate) type Outcome<T> = Vec<Result<T, VaultError>>;

/// What each party does with a started engine.
pub(crate) trait Body<T> {
    async fn party<E: Engine>(&self, engine: E) -> Result<T, VaultError>;
}

/// One of the two engines.
#[derive(Clone, Copy)]
pub(crate) enum On {
    Ideal,
    Real,
}

impl On {
    pub(crate) fn run<T>(self, n: usize, seed: u64, body: &impl Body<T>) -> Outcome<T> {
        match self {
            On::Ideal => {
                block_on(join_all(seats(n, seed).into_iter().map(async |seat| body.party(IdealSession::start(seat, AGREED).await?).await)))
            }
            On::Real => real(n, seed, Honest, body),
        }
    }
}

fn real<T>(n: usize, seed: u64, meddler: impl Meddler + 'static, body: &impl Body<T>) -> Outcome<T> {
    let outcome = run(n, meddler, async |link| {
        let rng = session_rng(seed, link.me());
        Ok(match Session::start(link, AGREED, rng, Options::default()).await {
            Ok(session) => body.party(session).await,
            Err(error) => Err(error.into()),
        })
    });
    outcome.into_iter().map(|each| each.expect("errors are inside")).collect()
}

/// What the parties end with on the real engine, and by sender and receiver how many bytes of bits each opening after the seal shows.
pub(crate) fn openings<T>(n: usize, seed: u64, body: &impl Body<T>) -> (Outcome<T>, Vec<Vec<usize>>) {
    use cotenant_mpc::Kind;
    const KIND_AND_TAG: usize = 1 + 16;
    let transcript = Transcript::default();
    let outcome = real(n, seed, transcript.of(Honest), body);
    let messages = transcript.messages();
    let pairs = PartyId::all(n).flat_map(|from| from.others(n).map(move |to| (from, to)));
    let of_pair = |(from, to)| {
        let sent = messages.iter().filter(move |m| (m.from, m.to) == (from, to));
        let online = sent.skip_while(|m| Kind::of(&m.body) != Some(Kind::Sealed));
        online.filter(|m| Kind::of(&m.body) == Some(Kind::Opened)).map(|m| m.body.len() - KIND_AND_TAG).collect()
    };
    (outcome, pairs.map(of_pair).collect())
}

pub(crate) fn origin(name: &str, kind: Kind, len: usize, sharing: Sharing) -> Origin {
    let fields = Fields { name: name.into(), version: 1, kind, len, sharing, uses: vec![], note: String::new() };
    Origin { room: RoomId([1; 16]), item: Item::new(fields).unwrap(), run: Digest([1; 32]) }
}

/// The next version of it, by another run, shared like this.
pub(crate) fn next(of: &Origin, sharing: Sharing) -> Origin {
    Origin { room: of.room, item: of.item.next(sharing).unwrap(), run: Digest([of.item.version as u8 + 1; 32]) }
}

/// A save to the parties with the numbers of the seats.
pub(crate) fn new(origin: &Origin, comes: Comes) -> New {
    New { origin: origin.clone(), comes, receivers: PartyId::all(origin.item.sharing.members()).collect() }
}

/// A load by these seats, in a session where they are P1, P2, …
pub(crate) fn wanted(origin: &Origin, seats: &[usize]) -> Wanted {
    let holders = seats.iter().enumerate().map(|(party, &seat)| Holder { seat: PartyId::new(seat), party: PartyId::new(party) });
    Wanted { origin: origin.clone(), quorum: Quorum::new(origin.item.sharing, holders.collect()).unwrap() }
}

/// A second one like it.
pub(crate) fn copy(share: &Share) -> Share {
    Share::decode(&share.encode()).unwrap()
}

/// These blocks under another's header: what nobody can tell by looking.
pub(crate) fn under_header(blocks_of: &Share, header_of: &Share) -> Share {
    let bytes = header_of.origin().item.share_bytes();
    assert_eq!(bytes, blocks_of.origin().item.share_bytes());
    let (header, blocks) = (header_of.encode(), blocks_of.encode());
    Share::decode(&[&header[..header.len() - bytes], &blocks[blocks.len() - bytes..]].concat()).unwrap()
}

/// The blocks alone.
pub(crate) fn blocks(share: &Share) -> Vec<u8> {
    let bytes = share.encode();
    bytes[bytes.len() - share.origin().item.share_bytes()..].to_vec()
}

/// The share with these bytes of its blocks changed by the exclusive or with `mask`.
pub(crate) fn changed(share: &Share, at: usize, mask: &[u8]) -> Share {
    let mut bytes = share.encode();
    let first = bytes.len() - share.origin().item.share_bytes();
    bytes[first + at..].iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    Share::decode(&bytes).unwrap()
}

/// Saves values of which each is given by the party that `Comes` names, or drawn.
pub(crate) struct Put {
    pub(crate) new: Vec<New>,
    /// For each item, empty for one that is drawn.
    pub(crate) values: Vec<Vec<u8>>,
}

impl Body<Vec<Share>> for Put {
    async fn party<E: Engine>(&self, mut engine: E) -> Result<Vec<Share>, VaultError> {
        let me = engine.me();
        let plan = SavePlan::declare(&mut engine, &self.new)?;
        let mut online = engine.seal().await?;
        let value = |(new, value): (&New, &Vec<u8>)| match new.comes {
            Comes::Given(party) if party == me => Value::Mine(value.clone().into()),
            Comes::Given(_) => Value::Theirs,
            Comes::Drawn => Value::Drawn,
            Comes::Loaded | Comes::Computed => panic!("a put has no wires"),
        };
        plan.run(&mut online, self.new.iter().zip(&self.values).map(value).collect()).await
    }
}

/// Saves one value, given by the last party.
pub(crate) fn put(on: On, seed: u64, origin: &Origin, value: &[u8]) -> Vec<Share> {
    let members = origin.item.sharing.members();
    let body = Put { new: vec![new(origin, Comes::Given(PartyId::new(members - 1)))], values: vec![value.to_vec()] };
    on.run(members, seed, &body).into_iter().map(|shares| shares.unwrap().pop().unwrap()).collect()
}

/// Loads items and opens them, which nothing but a test does.
pub(crate) struct Read<'a> {
    pub(crate) wanted: Vec<Wanted>,
    /// By party of the session.
    pub(crate) shares: &'a [Vec<&'a Share>],
}

impl Body<Vec<Vec<u8>>> for Read<'_> {
    async fn party<E: Engine>(&self, mut engine: E) -> Result<Vec<Vec<u8>>, VaultError> {
        let load = LoadPlan::declare(&mut engine, &self.wanted)?;
        let lens: Vec<usize> = self.wanted.iter().map(|w| w.origin.item.len).collect();
        let input = engine.declare(Source::Soldered, 8 * lens.iter().sum::<usize>());
        let segment = engine.segment(&identity(input.len()), &input.wires().collect::<Vec<_>>())?;
        let mut online = engine.seal().await?;
        let shares = self.shares[online.me().index()].iter().map(|share| copy(share)).collect();
        let loaded = load.run(&mut online, shares).await?;
        assert!(loaded.items().eq(self.wanted.iter().map(|w| &w.origin.item)));
        loaded.solder(&mut online, &(0..lens.len()).collect::<Vec<_>>(), input).await?;
        let out = online.evaluate(segment).await?;
        let mut all = online.open(&out).await?.to_packed();
        Ok(lens.into_iter().map(|len| all.drain(..len).collect()).collect())
    }
}

/// One item, read by these seats; `shares` are those of all members.
pub(crate) fn read(on: On, seed: u64, origin: &Origin, seats: &[usize], shares: &[Share]) -> Outcome<Vec<u8>> {
    let given: Vec<Vec<&Share>> = seats.iter().map(|&seat| vec![&shares[seat]]).collect();
    let body = Read { wanted: vec![wanted(origin, seats)], shares: &given };
    on.run(seats.len(), seed, &body).into_iter().map(|read| read.map(|mut values| values.pop().unwrap())).collect()
}

/// Loads and does nothing else.
pub(crate) struct Verify<'a> {
    pub(crate) wanted: Vec<Wanted>,
    /// By party of the session.
    pub(crate) shares: &'a [Vec<&'a Share>],
}

impl Body<()> for Verify<'_> {
    async fn party<E: Engine>(&self, mut engine: E) -> Result<(), VaultError> {
        let load = LoadPlan::declare(&mut engine, &self.wanted)?;
        let mut online = engine.seal().await?;
        let shares = self.shares[online.me().index()].iter().map(|share| copy(share)).collect();
        load.run(&mut online, shares).await.map(drop)
    }
}

/// Loads one item and saves it again as another version of itself, shared in another way as the case may be.
pub(crate) struct Refresh<'a> {
    pub(crate) wanted: Wanted,
    pub(crate) new: New,
    /// By party of the session; none at one that gives none.
    pub(crate) shares: Vec<Option<&'a Share>>,
}

impl Body<Vec<Share>> for Refresh<'_> {
    async fn party<E: Engine>(&self, mut engine: E) -> Result<Vec<Share>, VaultError> {
        let load = LoadPlan::declare(&mut engine, std::slice::from_ref(&self.wanted))?;
        let save = SavePlan::declare(&mut engine, std::slice::from_ref(&self.new))?;
        let mut online = engine.seal().await?;
        let mine = self.shares[online.me().index()].map(copy).into_iter().collect();
        let loaded = load.run(&mut online, mine).await?;
        save.run(&mut online, vec![Value::Loaded(&loaded, 0)]).await
    }
}

/// The same among the same members, by all.
pub(crate) fn refresh(on: On, seed: u64, origin: &Origin, shares: &[Share]) -> (Origin, Vec<Share>) {
    let sharing = origin.item.sharing;
    let (after, quorum) = (next(origin, sharing), (0..sharing.threshold()).collect::<Vec<_>>());
    let shares = shares.iter().enumerate().map(|(seat, share)| (seat < quorum.len()).then_some(share)).collect();
    let body = Refresh { wanted: wanted(origin, &quorum), new: new(&after, Comes::Loaded), shares };
    let fresh = on.run(sharing.members(), seed, &body).into_iter().map(|shares| shares.unwrap().pop().unwrap()).collect();
    (after, fresh)
}

/// Saves, as an item of its own, what is computed in the session: here public bytes.
pub(crate) struct Compute {
    pub(crate) new: New,
    pub(crate) value: Vec<u8>,
}

impl Body<Vec<Share>> for Compute {
    async fn party<E: Engine>(&self, mut engine: E) -> Result<Vec<Share>, VaultError> {
        let input = engine.declare(Source::Public, 8 * self.value.len());
        let segment = engine.segment(&identity(input.len()), &input.wires().collect::<Vec<_>>())?;
        let save = SavePlan::declare(&mut engine, std::slice::from_ref(&self.new))?;
        let mut online = engine.seal().await?;
        online.input(vec![Given::Public(input, cotenant_core::Bits::from_bytes(&self.value))]).await?;
        let computed = online.evaluate(segment).await?;
        save.run(&mut online, vec![Value::Computed(&computed)]).await
    }
}

fn identity(bits: usize) -> Arc<Circuit> {
    let mut b = Builder::new();
    let wires = b.input(bits);
    b.output(&wires);
    Arc::new(b.finish())
}

/// Every party failed the check of the vault, for these items.
pub(crate) fn all_failed_the_check<T>(outcome: Outcome<T>, names: &[&str]) -> bool {
    outcome.into_iter().all(|each| matches!(each, Err(VaultError::VaultTag { items }) if items == names))
}
