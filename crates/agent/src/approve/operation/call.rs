//! A call: a request with holes to one server, what fills them, and what of the answer is opened to whom.

use super::{BadOperation, Stored};
use crate::{
    approve::{
        item::{self, ItemName, Pick, is_host, is_token},
        wire::{Put, Take, rising},
    },
    derive::MAX_VALUE,
    flow::{Disposal, is_body_file},
    vault::{alphabet::Alphabet, commit::statement::Parties, item::Use},
};
use cotenant_core::{
    Digest, Domain, PartyId,
    codec::{BadFormat, Reader, Writer},
};
use cotenant_net::PublicIdentity;

/// The longest flow and the longest argument, in bytes.
pub const MAX_FLOW: usize = 1 << 18;
/// The most arguments, and the most slots.
pub const MAX_HOLES: usize = 256;
/// The longest response policy, in bytes.
pub const MAX_RESPONSE: usize = 1 << 16;
const MAX_TOKEN: usize = 64;
const MAX_HOST: usize = 253;

/// A request to a server. All of it follows from the text, the arguments, the connector and the trust roots ([`crate::flow::call`]), and members refuse one
/// of which that is not so; it is said once more here for those who approve it, and for policies, which need not read texts then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// How the flow is read.
    pub language: Language,
    /// The text of the request, with holes.
    pub flow: Vec<u8>,
    /// What everybody knows, in rising order of names.
    pub arguments: Vec<Argument>,
    /// The server's name: of the connection, in the certificate, in SNI and in Host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who has the connection.
    pub connector: PartyId,
    /// Digest of the roots that the server's certificate must come from.
    pub trust_roots: Digest,
    /// What not everybody knows, in rising order of holes.
    pub slots: Vec<Slot>,
    /// What becomes of the answer.
    pub response: Response,
}

/// How a flow is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// 1: as [`crate::flow`] reads it.
    V1,
}

/// A public argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// The hole that it fills; `< PATH` for a body that is in a file of that path.
    pub name: String,
    /// The value.
    pub value: Vec<u8>,
}

/// A hole that is filled with something secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The hole.
    pub hole: String,
    /// What fills it.
    pub source: Source,
}

/// What fills a hole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// 1: an item of the vault.
    Item {
        /// Which item and version.
        stored: Stored,
        /// What it is used for; its agreed uses must contain this.
        purpose: Use,
    },
    /// 2: what one party gives, which the others do not see.
    Private {
        /// That party.
        owner: PartyId,
        /// Its length, in characters.
        len: u32,
        /// What its characters are, which is checked inside the joint computation.
        alphabet: Alphabet,
    },
}

/// What becomes of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The policy's text: what is kept and what is opened.
    pub policy: Vec<u8>,
    /// To whom what is opened is opened.
    pub audience: Audience,
    /// The most bytes that the server may answer.
    pub limit_bytes: u64,
    /// The most records.
    pub limit_records: u64,
}

/// Who sees what is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// All who take part.
    All,
    /// One of them.
    Only(PartyId),
}

impl Call {
    /// The digest by which a standing policy names a call: all of it but the arguments, the versions of items and the connector. Who gives or reads something
    /// is in it with the key that it has among `members`: a seat may be another party's in the next epoch.
    pub fn flow_digest(&self, members: &[PublicIdentity]) -> Digest {
        let of_rule = |slot: &Slot| match slot.source.clone() {
            Source::Item { stored, purpose } => {
                Slot { hole: slot.hole.clone(), source: Source::Item { stored: Stored { pick: Pick::Newest, ..stored }, purpose } }
            }
            Source::Private { .. } => slot.clone(),
        };
        let call =
            Call { arguments: Vec::new(), connector: PartyId::EVALUATOR, slots: self.slots.iter().map(of_rule).collect(), ..self.clone() };
        let mut hasher = Domain::Flow.hasher();
        hasher.field(&call.write(Writer::new()).done());
        let seats = self.slots.iter().filter_map(|slot| slot.source.owner()).chain(self.response.audience.only());
        seats.filter_map(|seat| members.get(seat.index())).for_each(|key| {
            hasher.field(key.as_bytes());
        });
        hasher.digest()
    }

    /// Who gives something private.
    pub fn givers(&self) -> Parties {
        self.slots.iter().filter_map(|slot| slot.source.owner()).collect()
    }

    /// The items that values of the answer become, in rising order; none of a policy that is none.
    pub(in crate::approve) fn saves(&self) -> Vec<ItemName> {
        let saves = Disposal::parse(&self.response.policy).map(|disposal| disposal.saves).unwrap_or_default();
        let mut items: Vec<ItemName> = saves.into_iter().map(|save| save.item).collect();
        items.sort();
        items
    }

    /// The items in its slots, each once.
    pub(super) fn reads(&self) -> Vec<Stored> {
        let mut items: Vec<Stored> = self.slots.iter().filter_map(|slot| slot.source.stored().cloned()).collect();
        items.sort();
        items.dedup();
        items
    }

    pub(crate) fn check(&self, quorum: Parties) -> Result<(), BadOperation> {
        let names = self.arguments.iter().map(|argument| &argument.name);
        let holes = self.slots.iter().map(|slot| &slot.hole);
        let tokens = names.clone().all(|name| is_token(name) || is_body_file(name)) && holes.clone().all(|hole| is_token(hole));
        let named = rising(names.clone()) && rising(holes) && tokens;
        let apart = self.slots.iter().all(|slot| names.clone().all(|name| *name != slot.hole));
        if !named || !apart || !is_host(&self.host) || self.port == 0 {
            return Err(BadOperation::Call);
        }
        let mut seats =
            self.slots.iter().filter_map(|slot| slot.source.owner()).chain([self.connector]).chain(self.response.audience.only());
        if !seats.all(|seat| quorum.contains(seat)) {
            return Err(BadOperation::Seat);
        }
        if !rising(self.reads().iter().map(|stored| &stored.item)) {
            return Err(BadOperation::Items); // two versions of one item
        }
        self.slots.iter().try_for_each(|slot| match &slot.source {
            Source::Item { purpose, .. } if item::host(purpose) != self.host => Err(BadOperation::OtherHost),
            Source::Item { purpose, .. } if !item::is_plain(purpose) => Err(BadOperation::Call),
            Source::Private { len, .. } if !(1..=MAX_VALUE).contains(&(*len as usize)) => Err(BadOperation::Call),
            _ => Ok(()),
        })
    }

    pub(super) fn write(&self, to: Writer) -> Writer {
        let Language::V1 = self.language;
        let to = to.u8(1).string(&self.flow);
        let to = to.list(self.arguments.iter(), |to, argument| to.string(argument.name.as_bytes()).string(&argument.value));
        let to = to.string(self.host.as_bytes()).u16(self.port).seat(self.connector).digest(&self.trust_roots);
        let to = to.list(self.slots.iter(), |to, slot| slot.source.write(to.string(slot.hole.as_bytes())));
        let to = to.string(&self.response.policy).list(self.response.audience.only().into_iter(), Put::seat);
        to.u64(self.response.limit_bytes).u64(self.response.limit_records)
    }

    pub(super) fn read(from: &mut Reader) -> Result<Self, BadFormat> {
        if Take::u8(from)? != 1 {
            return Err(BadFormat);
        }
        Ok(Call {
            language: Language::V1,
            flow: from.string(MAX_FLOW)?,
            arguments: from.list(MAX_HOLES, |from| Ok(Argument { name: from.text(MAX_TOKEN)?, value: from.string(MAX_FLOW)? }))?,
            host: from.text(MAX_HOST)?,
            port: from.u16()?,
            connector: from.seat()?,
            trust_roots: from.digest()?,
            slots: from.list(MAX_HOLES, |from| Ok(Slot { hole: from.text(MAX_TOKEN)?, source: Source::read(from)? }))?,
            response: Response {
                policy: from.string(MAX_RESPONSE)?,
                audience: from.list(1, Take::seat)?.pop().map_or(Audience::All, Audience::Only),
                limit_bytes: from.u64()?,
                limit_records: from.u64()?,
            },
        })
    }
}

impl Source {
    fn stored(&self) -> Option<&Stored> {
        match self {
            Source::Item { stored, .. } => Some(stored),
            Source::Private { .. } => None,
        }
    }

    /// Who gives it, if one party does.
    pub fn owner(&self) -> Option<PartyId> {
        match self {
            Source::Item { .. } => None,
            Source::Private { owner, .. } => Some(*owner),
        }
    }

    fn write(&self, to: Writer) -> Writer {
        match self {
            Source::Item { stored, purpose } => item::write_use(stored.pick.write(stored.item.write(to.u8(1))), purpose),
            Source::Private { owner, len, alphabet } => to.u8(2).seat(*owner).u32(*len).put(&alphabet.mask().to_le_bytes()),
        }
    }

    fn read(from: &mut Reader) -> Result<Self, BadFormat> {
        match Take::u8(from)? {
            1 => {
                Ok(Source::Item { stored: Stored { item: ItemName::read(from)?, pick: Pick::read(from)? }, purpose: item::read_use(from)? })
            }
            2 => {
                let (owner, len) = (from.seat()?, from.u32()?);
                let alphabet = Alphabet::from_mask(u128::from_le_bytes(from.fixed()?)).ok_or(BadFormat)?;
                Ok(Source::Private { owner, len, alphabet })
            }
            _ => Err(BadFormat),
        }
    }
}

impl Audience {
    /// The one who sees it, if it is one.
    pub fn only(self) -> Option<PartyId> {
        match self {
            Audience::All => None,
            Audience::Only(party) => Some(party),
        }
    }
}
