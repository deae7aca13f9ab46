//! What a member keeps about its room's parameters, byte by byte.
//!
//! Version (1), own key (32), the digest of the charter that it agreed to join (1 and 32, or 0), how many are in force (4: 0 or 1), how many are ahead (4),
//! how many it has signed last (4: 0 or 1); then those, each as length (4) and sheet.

use super::super::{
    join::Admission,
    parameters::Parameters,
    signed::{self, Fault, Sheet, Signed},
};
use cotenant_core::{
    Digest,
    codec::{Reader, Writer},
};
use cotenant_net::PublicIdentity;

/// First byte.
const FORMAT: u8 = 1;
/// The most epochs that are known and not entered.
const MAX_AHEAD: usize = 1024;

/// What a member keeps on disk. Only [`super::step`] changes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub(super) me: PublicIdentity,
    /// What a member that is new agreed to join, until it is in.
    pub(super) charter: Option<Digest>,
    /// What this party is in; of a new member, what the others are in.
    pub(super) in_force: Option<Signed>,
    /// Epochs after it, in order or beside each other, which this party could not enter.
    pub(super) ahead: Vec<Signed>,
    /// The last sheet that this party signed, unless it was entered.
    pub(super) mine: Option<Sheet>,
}

impl Record {
    /// The founder of a new room.
    pub fn founder(me: PublicIdentity) -> Record {
        Record { me, charter: None, in_force: None, ahead: Vec::new(), mine: None }
    }

    /// One whose people have confirmed the phrase of a join.
    pub fn newcomer(me: PublicIdentity, admission: Admission) -> Record {
        Record { me, charter: Some(admission.charter.digest()), in_force: admission.base, ahead: Vec::new(), mine: None }
    }

    /// Whose record it is.
    pub fn me(&self) -> PublicIdentity {
        self.me
    }

    /// What is in force, and this party a member of it. One that comes back without its disk is in nothing until it has entered an epoch again, though the
    /// others list its key: it does not know what it has said in theirs.
    pub fn in_force(&self) -> Option<&Signed> {
        self.in_force.as_ref().filter(|signed| self.charter.is_none() && signed.parameters().seat(&self.me).is_some())
    }

    /// What this party has signed and not entered.
    pub fn signed(&self) -> Option<&Sheet> {
        self.mine.as_ref()
    }

    /// The newest parameters that a change can follow: in force here, or entered by the others without this party.
    pub fn newest(&self) -> Option<&Signed> {
        self.ahead.iter().chain(&self.in_force).max_by_key(|signed| signed.parameters().charter().epoch)
    }

    /// The epoch of the next proposal of this party: above everything that it has signed or knows to be in force.
    pub fn next_epoch(&self) -> u32 {
        let newest = self.newest().map_or(0, |signed| signed.parameters().charter().epoch);
        newest.max(self.signed_epoch()).saturating_add(1)
    }

    /// The highest epoch that this party has signed or entered; 0 if none.
    pub fn signed_epoch(&self) -> u32 {
        let signed = self.mine.as_ref().map(|sheet| sheet.parameters().charter().epoch);
        let entered = self.in_force.as_ref().map(|signed| signed.parameters().charter().epoch);
        signed.max(entered).unwrap_or(0)
    }

    /// What `new` follows; nothing if it founds a room.
    pub(super) fn parent(&self, new: &Parameters) -> Result<Option<&Parameters>, Fault> {
        Ok(self.parent_signed(new)?.map(Signed::parameters))
    }

    pub(super) fn parent_signed(&self, new: &Parameters) -> Result<Option<&Signed>, Fault> {
        let Some(force) = &self.in_force else {
            return if new.charter().epoch == 1 { Ok(None) } else { Err(Fault::Previous) };
        };
        let known = self.ahead.iter().find(|signed| new.charter().previous == Some(signed.digest()));
        let parent = known.unwrap_or(force);
        signed::follows(parent.parameters(), new)?;
        Ok(Some(parent))
    }

    /// Keeps what others have entered, as something to follow.
    pub(super) fn keep_ahead(&mut self, signed: Signed) {
        if self.ahead.len() < MAX_AHEAD {
            self.ahead.push(signed);
        }
    }

    /// Goes to `signed`; returns it behind the epochs between, in order.
    pub(super) fn enter(&mut self, signed: Signed) -> Vec<Signed> {
        let mut entered = vec![signed.clone()];
        let mut previous = signed.parameters().charter().previous;
        while let Some(at) = self.ahead.iter().position(|known| previous == Some(known.digest())) {
            let known = self.ahead.swap_remove(at);
            previous = known.parameters().charter().previous;
            entered.insert(0, known);
        }
        self.ahead.clear();
        (self.charter, self.mine) = (None, None);
        self.in_force = Some(signed);
        entered
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let writer = Writer::new().bytes(&[FORMAT]).bytes(self.me.as_bytes());
        let writer = match &self.charter {
            Some(charter) => writer.bytes(&[1]).bytes(&charter.0),
            None => writer.bytes(&[0]),
        };
        let counts = [self.in_force.iter().len(), self.ahead.len(), self.mine.iter().len()];
        let writer = counts.iter().fold(writer, |writer, &count| writer.bytes(&(count as u32).to_le_bytes()));
        let sheets = self.in_force.iter().chain(&self.ahead).map(Signed::sheet).chain(&self.mine);
        let write = |writer: Writer, bytes: Vec<u8>| writer.bytes(&(bytes.len() as u32).to_le_bytes()).bytes(&bytes);
        sheets.map(Sheet::encode).fold(writer, write).done()
    }

    /// The inverse of [`Record::encode`]; checks all signatures again.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn decode(bytes: &[u8]) -> Result<Record, Fault> {
        let mut reader = Reader::new(bytes);
        if reader.array()? != [FORMAT] {
            return Err(Fault::Format);
        }
        let me = PublicIdentity::from_bytes(&reader.array()?).map_err(|_| Fault::Format)?;
        let charter = match reader.array()? {
            [0] => None,
            [1] => Some(Digest(reader.array()?)),
            _ => return Err(Fault::Format),
        };
        let mut count = |most: u32| match u32::from_le_bytes(reader.array()?) {
            count if count <= most => Ok(count),
            _ => Err(Fault::Format),
        };
        let [in_force, ahead, mine] = [count(1)?, count(MAX_AHEAD as u32)?, count(1)?];
        let mut sheets = Vec::new();
        for _ in 0..in_force + ahead + mine {
            let length = u32::from_le_bytes(reader.array()?) as usize;
            sheets.push(Sheet::decode(reader.bytes(length)?)?);
        }
        reader.end()?;
        let mine = if mine == 1 { sheets.pop() } else { None };
        let mut signed = sheets.into_iter().map(Signed::by_all_members).collect::<Result<Vec<_>, _>>()?;
        let ahead = signed.split_off(in_force as usize);
        Ok(Record { me, charter, in_force: signed.pop(), ahead, mine })
    }
}
