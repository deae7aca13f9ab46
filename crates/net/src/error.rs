//! What can go wrong between parties, said so that a person can act on it: which party, at which address, in which phase, what was
//! seen there, and what to do.

use crate::identity::PublicIdentity;
use cotenant_core::{channel::ChannelFault, party::PartyId};
use std::{fmt, io, net::SocketAddr, sync::Arc};

/// The links of a party could not be made, or one of them failed.
#[derive(Debug)]
pub enum NetError {
    /// This machine does not let the party listen at the address.
    Listen {
        /// The address asked for.
        address: String,
        /// Why not.
        cause: io::Error,
    },
    /// The configuration makes no sense; nothing was sent.
    Config(ConfigFault),
    /// Links to these parties failed; never empty.
    Peers(Vec<PeerError>),
}

/// What is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigFault {
    /// Fewer than two members, or more than 255.
    Members(usize),
    /// This party's place is beyond the end of the member list.
    NoSuchPlace(PartyId),
    /// The member list has another identity at this party's place.
    NotMe {
        /// This party's place.
        place: PartyId,
        /// Its identity in the list.
        listed: PublicIdentity,
        /// This party's own.
        own: PublicIdentity,
    },
    /// Two members have one identity.
    SameIdentity(PartyId, PartyId),
    /// The member's address is not of the form `host:port`.
    Address {
        /// The member.
        party: PartyId,
        /// Its address.
        address: String,
    },
    /// Members further down the list dial this party, but it was given no listener.
    NoListener,
    /// This party already waits for others in a session of this name.
    SessionTwice([u8; 32]),
}

/// The link to one party failed.
#[derive(Debug)]
pub struct PeerError {
    /// The party.
    pub party: PartyId,
    /// Its name in the member list.
    pub name: String,
    /// Its address in the member list; empty if it is not known.
    pub address: String,
    /// When it failed.
    pub phase: Phase,
    /// Why it failed.
    pub cause: PeerFault,
}

/// The stages of a link's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Making a connection to the party.
    Dialling,
    /// Waiting for the party to make one.
    Awaiting,
    /// Showing each other keys.
    Tls,
    /// Comparing what the session is.
    Hello,
    /// Carrying messages.
    Running,
}

/// Why a link to a party failed.
#[derive(Debug)]
pub enum PeerFault {
    /// The host name has no address.
    NoSuchHost(io::Error),
    /// The connection could not be made, or broke.
    Io(io::Error),
    /// Nothing was heard in time.
    TimedOut,
    /// The other side showed another key than the one expected; somebody else is there.
    WrongKey {
        /// The key that it showed.
        seen: PublicIdentity,
    },
    /// Whoever connected showed a key that is no member's.
    UnknownKey {
        /// The key that it showed.
        seen: PublicIdentity,
    },
    /// Whoever dialled this party expected another key.
    KeyRefused {
        /// This party's identity.
        own: PublicIdentity,
    },
    /// The other side waits for no such session from this party: it does not know its key, was not started for the session, or has
    /// ended it. It does not say which, so that nobody can ask what others do there.
    Refused {
        /// This party's identity.
        own: PublicIdentity,
        /// The session asked for.
        session: [u8; 32],
    },
    /// The two sides speak no common version of the protocol.
    Version,
    /// The TLS handshake failed otherwise.
    Tls(rustls::Error),
    /// The two sides do not mean the same session.
    Hello(HelloFault),
    /// The party did not connect.
    Absent {
        /// The last connection that was refused meanwhile, if any.
        refused: Option<Stranger>,
    },
    /// The link failed when it was in use.
    Link(ChannelFault),
}

/// A connection from somebody who is no member, or did not prove to be one.
#[derive(Clone, Debug)]
pub struct Stranger {
    /// Where it came from.
    pub from: SocketAddr,
    /// Why it was refused.
    pub cause: Arc<PeerFault>,
}

/// How the other side's picture of the session differs from this side's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloFault {
    /// The version of the link protocol.
    Version {
        /// Here.
        ours: u16,
        /// There.
        theirs: u16,
    },
    /// The number of parties.
    Parties {
        /// Here.
        ours: u8,
        /// There.
        theirs: u8,
    },
    /// The other party's place in the member list, counted from 0.
    TheirPlace {
        /// Here.
        ours: u8,
        /// There.
        theirs: u8,
    },
    /// This party's place in the member list, counted from 0.
    OurPlace {
        /// Here.
        ours: u8,
        /// There.
        theirs: u8,
    },
    /// The session.
    Session {
        /// Here.
        ours: [u8; 32],
        /// There.
        theirs: [u8; 32],
    },
    /// Which of the two dials the other: the one further down the member list.
    Direction,
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NetError::Listen { address, cause } if cause.kind() == io::ErrorKind::AddrInUse => {
                write!(f, "cannot listen at {address}: another program uses that port; stop it or choose another port")
            }
            NetError::Listen { address, cause } => write!(f, "cannot listen at {address}: {cause}"),
            NetError::Config(fault) => fault.fmt(f),
            NetError::Peers(errors) => {
                for (i, error) in errors.iter().enumerate() {
                    write!(f, "{}{error}", if i == 0 { "" } else { "\n" })?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigFault::Members(n) => write!(f, "the member list has {n} members; it needs 2 to 255"),
            ConfigFault::NoSuchPlace(me) => write!(f, "this party is {me}, which is beyond the end of the member list"),
            ConfigFault::NotMe { place, listed, own } => {
                write!(f, "the member list has {listed} as {place}, but this party's identity is {own}; check the key file and the place")
            }
            ConfigFault::SameIdentity(a, b) => write!(f, "{a} and {b} have the same identity in the member list"),
            ConfigFault::Address { party, address } => write!(f, "the address of {party} is \"{address}\"; it has to be host:port"),
            ConfigFault::NoListener => f.write_str("this party needs a listener: members further down the list connect to it"),
            ConfigFault::SessionTwice(session) => {
                write!(f, "this party already waits for others in session {}; end that first", short(session))
            }
        }
    }
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.address.is_empty() { "" } else { " at " };
        write!(f, "{} {:?}{at}{}, {}: {}", self.party, self.name, self.address, self.phase, self.cause)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Dialling => "dialling",
            Phase::Awaiting => "waiting for its connection",
            Phase::Tls => "TLS",
            Phase::Hello => "hello",
            Phase::Running => "running",
        })
    }
}

impl fmt::Display for PeerFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PeerFault::NoSuchHost(e) => write!(f, "the host name was not found ({e}); check it"),
            PeerFault::Io(e) if e.kind() == io::ErrorKind::ConnectionRefused => {
                f.write_str("the connection was refused; check the address, and that the party was started")
            }
            PeerFault::Io(e) => write!(f, "{e}; check the network and that the party still runs"),
            PeerFault::TimedOut => f.write_str("no answer in time; check the address, firewalls, and that the party was started"),
            PeerFault::WrongKey { seen } => {
                write!(
                    f,
                    "somebody else is there, with fingerprint {}; check the address, and ask for the identity again",
                    seen.fingerprint()
                )
            }
            PeerFault::UnknownKey { seen } => write!(f, "no member has its identity {seen}; compare the member list"),
            PeerFault::KeyRefused { own } => write!(f, "it does not know this party's identity; give it {own}"),
            PeerFault::Refused { own, session } => write!(
                f,
                "it waits for no session {} with this party; check that it knows this party's identity, {own}, and was started for the same",
                short(session)
            ),
            PeerFault::Version => f.write_str("it speaks another version of the protocol; install the same version everywhere"),
            PeerFault::Tls(e) => write!(f, "the handshake failed ({e}); check that the party at this address is one of Cotenant"),
            PeerFault::Hello(fault) => fault.fmt(f),
            PeerFault::Absent { refused: None } => {
                f.write_str("it did not connect in time; check that it was started and has this party's address")
            }
            PeerFault::Absent { refused: Some(Stranger { from, cause }) } => {
                write!(f, "it did not connect in time; a connection from {from} was refused ({cause})")
            }
            PeerFault::Link(fault) => write!(f, "it {fault}"),
        }
    }
}

impl fmt::Display for HelloFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HelloFault::Version { ours, theirs } => write!(f, "link protocol version {ours} here, {theirs} there"),
            HelloFault::Parties { ours, theirs } => write!(f, "{ours} parties here, {theirs} there; compare the member lists"),
            HelloFault::TheirPlace { ours, theirs } => {
                write!(f, "it is {} here, {} there; compare the order of the member lists", place(*ours), place(*theirs))
            }
            HelloFault::OurPlace { ours, theirs } => {
                write!(f, "this party is {} here, {} there; compare the order of the member lists", place(*ours), place(*theirs))
            }
            HelloFault::Session { ours, theirs } => {
                write!(f, "another session: {} here, {} there; compare what the parties were started with", short(ours), short(theirs))
            }
            HelloFault::Direction => f.write_str("it dialled, though it stands above this party in the member list"),
        }
    }
}

impl std::error::Error for NetError {}
impl std::error::Error for PeerError {}
impl std::error::Error for PeerFault {}

fn place(index: u8) -> String {
    format!("P{}", u16::from(index) + 1)
}

fn short(session: &[u8; 32]) -> String {
    session[..6].iter().map(|byte| format!("{byte:02x}")).collect()
}
