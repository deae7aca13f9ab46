//! What a room is: a charter, which says all but who is in it, and its members in the order of their seats.
//!
//! | charter | bytes |
//! | --- | --- |
//! | version | 1: value 1 |
//! | room | 16 |
//! | name | 1 and the name |
//! | epoch, seats, threshold | 4, 1, 1 |
//! | engine: protocol version, computational and statistical parameter | 2, 2, 2 |
//! | trust | 0 and 32 (digest of the embedded roots), or 1, how many (1) and 32 each, rising |
//! | limits: call, server, clock, proposal | 4, 4, 4, 4 |
//! | digest of the parameters before these, unless the epoch is 1 | 32 |
//!
//! Parameters are a charter and, for each seat, a member: name (1 and the name), key (32), how many addresses (1), addresses. Numbers are
//! little-endian. What is read has passed every check here, so there are no [`Parameters`] that break one.

use super::address::Address;
use bech32::{ByteIterExt, Fe32, Fe32IterExt};
use cotenant_core::{
    Digest, Domain, PartyId,
    codec::{BadFormat, Reader, Writer},
};
use cotenant_net::PublicIdentity;
use rand_core::CryptoRng;
use std::{collections::BTreeSet, fmt, str::FromStr};

/// The most members. A set of seats is 64 bits.
pub const MAX_MEMBERS: usize = 64;
/// The longest name of a room or member, in bytes.
pub const MAX_NAME: usize = 48;
/// The most addresses of a member.
pub const MAX_ADDRESSES: usize = 8;
/// The most certificates of authorities that a room lists itself.
pub const MAX_ROOTS: usize = 64;
/// First byte of a charter.
const FORMAT: u8 = 1;

/// Which room: 16 random bytes, shown as 26 characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomId(pub [u8; 16]);

impl RoomId {
    /// A new one.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        RoomId(id)
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        self.0.into_iter().bytes_to_fes().try_for_each(|symbol| f.write_char(symbol.to_char()))
    }
}

impl fmt::Debug for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RoomId {
    type Err = BadFormat;

    fn from_str(text: &str) -> Result<Self, BadFormat> {
        let symbols: Vec<Fe32> = text.chars().map(Fe32::from_char).collect::<Result<_, _>>().map_err(|_| BadFormat)?;
        let bytes: Vec<u8> = symbols.into_iter().fes_to_bytes().collect();
        let id = RoomId(bytes.try_into().map_err(|_| BadFormat)?);
        if id.to_string() == text.to_lowercase() { Ok(id) } else { Err(BadFormat) }
    }
}

/// Everything about a room in one epoch but its members: what someone agrees to who joins it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charter {
    /// Which room.
    pub room: RoomId,
    /// What people call it.
    pub name: String,
    /// From 1, rising with each change.
    pub epoch: u32,
    /// How many members.
    pub seats: u8,
    /// How many of them can act, and use what is kept. One fewer learn nothing.
    pub threshold: u8,
    /// The engine.
    pub engine: Engine,
    /// Whose certificates of servers are believed.
    pub trust: Trust,
    /// Time limits.
    pub limits: Limits,
    /// The parameters before these; none in epoch 1.
    pub previous: Option<Digest>,
}

/// Parameters of the MPC engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engine {
    /// Version of the protocol between the parties.
    pub protocol: u16,
    /// Computational security parameter, in bits.
    pub computational: u16,
    /// Statistical security parameter, in bits.
    pub statistical: u16,
}

impl Engine {
    /// Those of this program. A room that has others can be read, so that it can be changed, and not run.
    pub const CURRENT: Engine = Engine { protocol: 1, computational: 128, statistical: 40 };
}

/// Whose certificates of servers are believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    /// The authorities that the program contains, by the digest of their list.
    Embedded(Digest),
    /// These alone, by the SHA-256 digests of their certificates, rising.
    Listed(BTreeSet<[u8; 32]>),
}

/// Time limits, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For a whole operation, from 1 s to a day.
    pub call: u32,
    /// For a server to answer, each time, from 1 s to that of an operation.
    pub server: u32,
    /// How far the clocks of two members may be apart, at most an hour.
    pub clock: u32,
    /// How long a proposal may wait for approval, from a minute to 30 days.
    pub proposal: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { call: 600, server: 60, clock: 300, proposal: 86_400 }
    }
}

/// A member as all know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// A name for people: letters and digits of ASCII, and inside also space, `.`, `_` and `-`.
    pub name: String,
    /// Its key.
    pub key: PublicIdentity,
    /// Where others reach it; none if it only dials.
    pub addresses: Vec<Address>,
}

/// A room in one epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    charter: Charter,
    members: Vec<Member>,
}

/// What is wrong with parameters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadParameters {
    /// The bytes are no parameters.
    #[error("not the parameters of a room in a form that this program knows")]
    Format,
    /// A name of a room or member.
    #[error("a name is 1 to {MAX_NAME} letters, digits, and between them spaces, dots, hyphens and underscores")]
    Name,
    /// Two members have names that differ at most in case.
    #[error("two members are called \"{0}\"")]
    SameName(String),
    /// Two members have one key.
    #[error("\"{0}\" and \"{1}\" have the same key")]
    SameKey(String, String),
    /// The number of members.
    #[error("a room has 2 to {MAX_MEMBERS} members, not {0}")]
    Seats(usize),
    /// There are not as many members as seats.
    #[error("{members} members for {seats} seats")]
    MembersForSeats {
        /// Seats of the charter.
        seats: usize,
        /// Members in the list.
        members: usize,
    },
    /// The threshold.
    #[error("{threshold} of {seats} is no threshold: from 2, as one party alone is to hold nothing, to all")]
    Threshold {
        /// As given.
        threshold: u8,
        /// Members.
        seats: u8,
    },
    /// Epoch 0, or one that has a predecessor where none can be, or lacks it.
    #[error("epoch {0} with a wrong predecessor: epoch 1 has none, every later one has one")]
    Epoch(u32),
    /// An engine with too little security, or none.
    #[error("an engine of protocol {}, {} and {} bits: the first has number 1, and 128 and 40 bits are the least", .0.protocol, .0.computational, .0.statistical)]
    Engine(Engine),
    /// No trust roots, or too many.
    #[error("{0} trust roots; a list has 1 to {MAX_ROOTS}")]
    Roots(usize),
    /// A time limit.
    #[error("a time limit is out of bounds: {0}")]
    Limit(&'static str),
    /// A member's addresses.
    #[error("\"{0}\" has more than {MAX_ADDRESSES} addresses, or one twice")]
    Addresses(String),
}

impl From<BadFormat> for BadParameters {
    fn from(_: BadFormat) -> Self {
        BadParameters::Format
    }
}

impl Charter {
    /// Checks everything that can be checked without members.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn check(&self) -> Result<(), BadParameters> {
        check_name(&self.name)?;
        match (self.epoch, self.previous) {
            (1, None) | (2.., Some(_)) => {}
            _ => return Err(BadParameters::Epoch(self.epoch)),
        }
        if !(2..=MAX_MEMBERS).contains(&self.seats.into()) {
            return Err(BadParameters::Seats(self.seats.into()));
        }
        if !(2..=self.seats).contains(&self.threshold) {
            return Err(BadParameters::Threshold { threshold: self.threshold, seats: self.seats });
        }
        let Engine { protocol, computational, statistical } = self.engine;
        if protocol == 0 || computational < 128 || statistical < 40 {
            return Err(BadParameters::Engine(self.engine));
        }
        match &self.trust {
            Trust::Listed(roots) if !(1..=MAX_ROOTS).contains(&roots.len()) => Err(BadParameters::Roots(roots.len())),
            _ => self.limits.check(),
        }
    }

    /// The digest that an invitation names.
    pub fn digest(&self) -> Digest {
        Domain::RoomCharter.hasher().field(&self.encode()).digest()
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let writer = write_name(Writer::new().bytes(&[FORMAT]).bytes(&self.room.0), &self.name);
        let writer = writer.bytes(&self.epoch.to_le_bytes()).bytes(&[self.seats, self.threshold]);
        let Engine { protocol, computational, statistical } = self.engine;
        let writer = [protocol, computational, statistical].iter().fold(writer, |writer, n| writer.bytes(&n.to_le_bytes()));
        let writer = match &self.trust {
            Trust::Embedded(digest) => writer.bytes(&[0]).bytes(&digest.0),
            Trust::Listed(roots) => roots.iter().fold(writer.bytes(&[1, roots.len() as u8]), |writer, root| writer.bytes(root)),
        };
        let Limits { call, server, clock, proposal } = self.limits;
        let writer = [call, server, clock, proposal].iter().fold(writer, |writer, n| writer.bytes(&n.to_le_bytes()));
        writer.bytes(self.previous.as_ref().map_or(&[], |digest| &digest.0)).done()
    }

    /// The inverse of [`Charter::encode`].
    ///
    /// # Errors
    /// If the bytes are no charter, or one that breaks a rule.
    pub fn decode(bytes: &[u8]) -> Result<Charter, BadParameters> {
        let mut reader = Reader::new(bytes);
        let charter = Charter::read(&mut reader)?;
        reader.end()?;
        Ok(charter)
    }

    fn read(reader: &mut Reader) -> Result<Charter, BadParameters> {
        if reader.array()? != [FORMAT] {
            return Err(BadParameters::Format);
        }
        let (room, name, epoch) = (RoomId(reader.array()?), read_name(reader)?, u32::from_le_bytes(reader.array()?));
        let [seats, threshold] = reader.array()?;
        let mut short = || Ok::<_, BadFormat>(u16::from_le_bytes(reader.array()?));
        let engine = Engine { protocol: short()?, computational: short()?, statistical: short()? };
        let trust = match reader.array()? {
            [0] => Trust::Embedded(Digest(reader.array()?)),
            [1] => Trust::Listed(read_roots(reader)?),
            _ => return Err(BadParameters::Format),
        };
        let mut long = || Ok::<_, BadFormat>(u32::from_le_bytes(reader.array()?));
        let limits = Limits { call: long()?, server: long()?, clock: long()?, proposal: long()? };
        let previous = if epoch == 1 { None } else { Some(Digest(reader.array()?)) };
        let charter = Charter { room, name, epoch, seats, threshold, engine, trust, limits, previous };
        charter.check()?;
        Ok(charter)
    }
}

impl Limits {
    fn check(&self) -> Result<(), BadParameters> {
        const DAY: u32 = 86_400;
        let good = [
            ("an operation takes from 1 second to a day", (1..=DAY).contains(&self.call)),
            ("a server answers in 1 second at least and no longer than an operation takes", (1..=self.call).contains(&self.server)),
            ("clocks differ by an hour at most", self.clock <= 3600),
            ("a proposal waits from a minute to 30 days", (60..=30 * DAY).contains(&self.proposal)),
        ];
        good.into_iter().find(|(_, good)| !good).map_or(Ok(()), |(rule, _)| Err(BadParameters::Limit(rule)))
    }
}

impl Member {
    /// Checks the name and the addresses.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn check(&self) -> Result<(), BadParameters> {
        check_name(&self.name)?;
        let distinct = BTreeSet::from_iter(&self.addresses).len() == self.addresses.len();
        if distinct && self.addresses.len() <= MAX_ADDRESSES { Ok(()) } else { Err(BadParameters::Addresses(self.name.clone())) }
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.write(Writer::new()).done()
    }

    /// The inverse of [`Member::encode`].
    ///
    /// # Errors
    /// If the bytes are no member, or one that breaks a rule.
    pub fn decode(bytes: &[u8]) -> Result<Member, BadParameters> {
        let mut reader = Reader::new(bytes);
        let member = Member::read(&mut reader)?;
        reader.end()?;
        Ok(member)
    }

    fn write(&self, writer: Writer) -> Writer {
        let writer = write_name(writer, &self.name).bytes(self.key.as_bytes()).bytes(&[self.addresses.len() as u8]);
        self.addresses.iter().fold(writer, |writer, address| address.write(writer))
    }

    fn read(reader: &mut Reader) -> Result<Member, BadParameters> {
        let name = read_name(reader)?;
        let key = PublicIdentity::from_bytes(&reader.array()?).map_err(|_| BadParameters::Format)?;
        let [count] = reader.array()?;
        let addresses = (0..count).map(|_| Address::read(reader)).collect::<Result<_, _>>()?;
        let member = Member { name, key, addresses };
        member.check()?;
        Ok(member)
    }
}

impl Parameters {
    /// The room of this charter with these members, in the order of their seats.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn new(charter: Charter, members: Vec<Member>) -> Result<Parameters, BadParameters> {
        charter.check()?;
        let seats = charter.seats.into();
        if members.len() != seats {
            return Err(BadParameters::MembersForSeats { seats, members: members.len() });
        }
        for (at, member) in members.iter().enumerate() {
            member.check()?;
            let before = &members[..at];
            if before.iter().any(|other| other.name.eq_ignore_ascii_case(&member.name)) {
                return Err(BadParameters::SameName(member.name.clone()));
            }
            if let Some(other) = before.iter().find(|other| other.key == member.key) {
                return Err(BadParameters::SameKey(other.name.clone(), member.name.clone()));
            }
        }
        Ok(Parameters { charter, members })
    }

    /// All but the members.
    pub fn charter(&self) -> &Charter {
        &self.charter
    }

    /// The members, by seat.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Which seat has this key.
    pub fn seat(&self, key: &PublicIdentity) -> Option<PartyId> {
        self.members.iter().position(|member| member.key == *key).map(PartyId::new)
    }

    /// The keys of the members.
    pub fn keys(&self) -> impl Iterator<Item = PublicIdentity> + Clone + '_ {
        self.members.iter().map(|member| member.key)
    }

    /// What the members sign.
    pub fn digest(&self) -> Digest {
        Domain::RoomParameters.hasher().field(&self.encode()).digest()
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.members.iter().fold(Writer::new().bytes(&self.charter.encode()), |writer, member| member.write(writer)).done()
    }

    /// The inverse of [`Parameters::encode`].
    ///
    /// # Errors
    /// If the bytes are no parameters, or ones that break a rule.
    pub fn decode(bytes: &[u8]) -> Result<Parameters, BadParameters> {
        let mut reader = Reader::new(bytes);
        let charter = Charter::read(&mut reader)?;
        let members = (0..charter.seats).map(|_| Member::read(&mut reader)).collect::<Result<_, _>>()?;
        reader.end()?;
        Parameters::new(charter, members)
    }
}

/// Plain enough that a name can be shown as it is, wherever it comes from.
fn check_name(name: &str) -> Result<(), BadParameters> {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    let inner = |c: char| c.is_ascii_alphanumeric() || " ._-".contains(c);
    let good = name.len() <= MAX_NAME && name.chars().all(inner) && edge(name.chars().next()) && edge(name.chars().next_back());
    if good { Ok(()) } else { Err(BadParameters::Name) }
}

fn write_name(writer: Writer, name: &str) -> Writer {
    writer.bytes(&[name.len() as u8]).bytes(name.as_bytes()) // at most MAX_NAME once checked
}

fn read_name(reader: &mut Reader) -> Result<String, BadParameters> {
    let [length] = reader.array()?;
    let name = str::from_utf8(reader.bytes(length.into())?).map_err(|_| BadParameters::Name)?;
    check_name(name)?;
    Ok(name.to_owned())
}

fn read_roots(reader: &mut Reader) -> Result<BTreeSet<[u8; 32]>, BadParameters> {
    let [count] = reader.array()?;
    let roots: Vec<[u8; 32]> = (0..count).map(|_| reader.array()).collect::<Result<_, _>>()?;
    if roots.is_sorted_by(|a, b| a < b) { Ok(roots.into_iter().collect()) } else { Err(BadParameters::Format) }
}

#[cfg(test)]
mod tests;
