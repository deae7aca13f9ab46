//! What all know about an item: everything but its bytes. The digest of this is part of what the parties agree on before a session, so no two load or save
//! under different names, lengths, versions or uses.
//!
//! Canonical bytes (numbers little endian, strings after one byte of length but the note, after two):
//!
//! ```text
//! 1 | name | version 8 | kind 1: 0 bytes, or 1 text | alphabet 16, of a text | length 4 | d 4 | n 1 | t 1 | uses 1 | use ... | note
//! use = 0 | service | region | host      or 1 | header name | host      or 2 | host
//! ```

use super::{
    alphabet::Alphabet,
    amd,
    sharing::{MAX_MEMBERS, Sharing},
};
use cotenant_core::{
    Digest, Domain,
    codec::{BadFormat, Reader, Writer},
};
use std::{ops::Deref, str::FromStr};

/// The longest secret.
pub const MAX_BYTES: usize = 1 << 14;
/// The longest name.
pub const MAX_NAME: usize = 63;
/// The longest note, in bytes.
pub const MAX_NOTE: usize = 1024;
/// The most uses of one item.
pub const MAX_USES: usize = 32;

/// Of the canonical bytes.
const FORMAT: u8 = 1;

/// What the bytes of a secret are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// Any bytes.
    Bytes,
    /// Characters of this set, which is checked inside the joint computation before it is saved.
    Text(Alphabet),
}

/// What a secret may be used for, and where; nothing else. It holds for everything that is computed from the secret.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Use {
    /// As the key of AWS Signature Version 4 for requests to this host.
    Sigv4 {
        /// The service of the scope.
        service: String,
        /// The region of the scope.
        region: String,
        /// The host.
        host: String,
    },
    /// In this header of requests to this host.
    Header {
        /// The header's name, in small letters.
        name: String,
        /// The host.
        host: String,
    },
    /// In a field of the body of requests to this host.
    Field {
        /// The host.
        host: String,
    },
}

/// The public description of an item in one version. Its fields cannot be changed, as they have been checked.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Item(Fields);

/// What an [`Item`] is made of.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Fields {
    /// Small letters, digits and `._/-`, a letter or digit first; at most [`MAX_NAME`].
    pub name: String,
    /// From 1; each save makes the next.
    pub version: u64,
    /// What its bytes are.
    pub kind: Kind,
    /// Bytes of the secret, 1 to [`MAX_BYTES`].
    pub len: usize,
    /// Among how many, and how many it takes.
    pub sharing: Sharing,
    /// What it may be used for, each once, in rising order.
    pub uses: Vec<Use>,
    /// What people wrote about it, without control characters, at most [`MAX_NOTE`] bytes.
    pub note: String,
}

impl Deref for Item {
    type Target = Fields;

    fn deref(&self) -> &Fields {
        &self.0
    }
}

/// What is wrong with a description.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ItemError {
    /// The name.
    #[error("an item's name is 1 to {MAX_NAME} small letters, digits, dots, underscores, slashes and hyphens, a letter or digit first")]
    Name,
    /// The version.
    #[error("versions are counted from 1")]
    Version,
    /// The length.
    #[error("a secret has 1 to {MAX_BYTES} bytes, not {0}")]
    Length(usize),
    /// A service or region.
    #[error("service and region are 1 to 64 small letters, digits and hyphens")]
    Scope,
    /// A header's name.
    #[error("a header's name is 1 to 64 small letters, digits, underscores and hyphens")]
    Header,
    /// A host.
    #[error("a host is 1 to 253 small letters, digits, dots and hyphens")]
    Host,
    /// Too many uses, one of them twice, or not in order.
    #[error("an item has at most {MAX_USES} uses, each once, in rising order")]
    Uses,
    /// The note.
    #[error("a note has at most {MAX_NOTE} bytes and no control characters")]
    Note,
    /// The bytes are no description in its canonical form.
    #[error("these bytes do not describe an item")]
    Encoding,
}

impl From<BadFormat> for ItemError {
    fn from(_: BadFormat) -> Self {
        ItemError::Encoding
    }
}

impl Item {
    /// Checks the description.
    ///
    /// # Errors
    /// The first field that is not as [`Fields`] says.
    pub fn new(fields: Fields) -> Result<Item, ItemError> {
        let Fields { name, version, len, uses, note, .. } = &fields;
        check(is_name(name), ItemError::Name)?;
        check(*version > 0, ItemError::Version)?;
        check((1..=MAX_BYTES).contains(len), ItemError::Length(*len))?;
        check(uses.len() <= MAX_USES && uses.is_sorted_by(|a, b| a < b), ItemError::Uses)?;
        uses.iter().try_for_each(Use::check)?;
        check(note.len() <= MAX_NOTE && !note.contains(char::is_control), ItemError::Note)?;
        Ok(Item(fields))
    }

    /// The same in the next version, shared like this.
    ///
    /// # Errors
    /// [`ItemError::Version`] after the last version there is.
    pub fn next(&self, sharing: Sharing) -> Result<Item, ItemError> {
        let version = self.version.checked_add(1).ok_or(ItemError::Version)?;
        Ok(Item(Fields { version, sharing, ..self.0.clone() }))
    }

    /// Whether the secret of one is as good as that of the other, as in two versions of an item: the same name, kind, length and uses.
    pub fn holds_what(&self, other: &Item) -> bool {
        let secret = |item: &Item| (item.kind, item.len);
        self.name == other.name && secret(self) == secret(other) && self.uses == other.uses
    }

    /// Bytes of one member's share.
    pub fn share_bytes(&self) -> usize {
        amd::BLOCK * amd::codeword_blocks(self.len)
    }

    /// What stands for the description.
    pub fn digest(&self) -> Digest {
        Domain::VaultItem.hasher().field(&self.encode()).digest()
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let Fields { name, version, kind, len, sharing, uses, note } = &self.0;
        let w = string(Writer::new().bytes(&[FORMAT]), name).bytes(&version.to_le_bytes());
        let w = match kind {
            Kind::Bytes => w.bytes(&[0]),
            Kind::Text(alphabet) => w.bytes(&[1]).bytes(&alphabet.mask().to_le_bytes()),
        };
        let w = w.bytes(&(*len as u32).to_le_bytes()).bytes(&(amd::blocks(*len) as u32).to_le_bytes());
        let w = w.bytes(&[sharing.members() as u8, sharing.threshold() as u8, uses.len() as u8]);
        let w = uses.iter().fold(w, |w, each| each.write(w));
        w.bytes(&(note.len() as u16).to_le_bytes()).bytes(note.as_bytes()).done()
    }

    /// The description with these canonical bytes.
    ///
    /// # Errors
    /// [`ItemError::Encoding`], or the field that is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Item, ItemError> {
        let mut r = Reader::new(bytes);
        let item = Self::read(&mut r)?;
        r.end()?;
        Ok(item)
    }

    fn read(r: &mut Reader) -> Result<Item, ItemError> {
        check(r.array()? == [FORMAT], ItemError::Encoding)?;
        let (name, version) = (read_string(r)?, u64::from_le_bytes(r.array()?));
        let kind = match r.array()? {
            [0u8] => Kind::Bytes,
            [1] => Kind::Text(Alphabet::from_mask(u128::from_le_bytes(r.array()?)).ok_or(ItemError::Encoding)?),
            _ => return Err(ItemError::Encoding),
        };
        let [len, d] = [r.array()?, r.array()?].map(|n| u32::from_le_bytes(n) as usize);
        check(d == amd::blocks(len), ItemError::Encoding)?;
        let [n, t, uses]: [u8; 3] = r.array()?;
        let sharing = Sharing::new(t.into(), n.into()).ok_or(ItemError::Encoding)?;
        let uses = (0..uses).map(|_| Use::read(r)).collect::<Result<_, _>>()?;
        let note = u16::from_le_bytes(r.array()?);
        let note = text(r.bytes(note.into())?)?;
        Item::new(Fields { name, version, kind, len, sharing, uses, note })
    }
}

/// A text that is no [`Use`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not sigv4:REGION/SERVICE@HOST, header:NAME@HOST or field@HOST")]
pub struct BadUse;

/// As people write it.
impl FromStr for Use {
    type Err = BadUse;

    fn from_str(text: &str) -> Result<Self, BadUse> {
        let (what, host) = text.rsplit_once('@').ok_or(BadUse)?;
        let host = host.to_owned();
        match what.split_once(':') {
            None if what == "field" => Ok(Use::Field { host }),
            Some(("header", name)) => Ok(Use::Header { name: name.to_owned(), host }),
            Some(("sigv4", scope)) => {
                let (region, service) = scope.split_once('/').ok_or(BadUse)?;
                Ok(Use::Sigv4 { region: region.to_owned(), service: service.to_owned(), host })
            }
            _ => Err(BadUse),
        }
    }
}

impl Use {
    /// Whether its names are such as an item may have.
    pub fn is_right(&self) -> bool {
        self.check().is_ok()
    }

    fn check(&self) -> Result<(), ItemError> {
        match self {
            Use::Sigv4 { service, region, host } => {
                check([service, region].into_iter().all(|part| is_made_of(part, 64, is_scope_byte)), ItemError::Scope)?;
                check(is_host(host), ItemError::Host)
            }
            Use::Header { name, host } => {
                check(is_made_of(name, 64, |b| is_scope_byte(b) || b == b'_'), ItemError::Header)?;
                check(is_host(host), ItemError::Host)
            }
            Use::Field { host } => check(is_host(host), ItemError::Host),
        }
    }

    fn write(&self, w: Writer) -> Writer {
        let (code, texts) = match self {
            Use::Sigv4 { service, region, host } => (0, vec![service, region, host]),
            Use::Header { name, host } => (1, vec![name, host]),
            Use::Field { host } => (2, vec![host]),
        };
        texts.into_iter().fold(w.bytes(&[code]), |w, each| string(w, each))
    }

    fn read(r: &mut Reader) -> Result<Use, ItemError> {
        match r.array()? {
            [0u8] => Ok(Use::Sigv4 { service: read_string(r)?, region: read_string(r)?, host: read_string(r)? }),
            [1] => Ok(Use::Header { name: read_string(r)?, host: read_string(r)? }),
            [2] => Ok(Use::Field { host: read_string(r)? }),
            _ => Err(ItemError::Encoding),
        }
    }
}

fn check(right: bool, error: ItemError) -> Result<(), ItemError> {
    if right { Ok(()) } else { Err(error) }
}

fn is_name(name: &str) -> bool {
    let inner = |b: u8| is_letter_or_digit(b) || b"._/-".contains(&b);
    is_made_of(name, MAX_NAME, inner) && name.bytes().next().is_some_and(is_letter_or_digit)
}

fn is_host(host: &str) -> bool {
    is_made_of(host, 253, |b| is_letter_or_digit(b) || b".-".contains(&b))
}

fn is_scope_byte(b: u8) -> bool {
    is_letter_or_digit(b) || b == b'-'
}

fn is_letter_or_digit(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

fn is_made_of(text: &str, most: usize, of: impl Fn(u8) -> bool) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(of)
}

/// A string of at most 255 bytes, after its length.
fn string(w: Writer, text: &str) -> Writer {
    w.bytes(&[text.len() as u8]).bytes(text.as_bytes())
}

fn read_string(r: &mut Reader) -> Result<String, ItemError> {
    let [len]: [u8; 1] = r.array()?;
    text(r.bytes(len.into())?)
}

fn text(bytes: &[u8]) -> Result<String, ItemError> {
    Ok(std::str::from_utf8(bytes).map_err(|_| BadFormat)?.to_owned())
}

/// Counts and lengths that are written in one byte.
const _: () = assert!(MAX_MEMBERS < 256 && MAX_USES < 256 && MAX_NAME < 256);

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> Fields {
        Fields {
            name: "aws/backup.key_1".into(),
            version: 7,
            kind: Kind::Text(Alphabet::BASE64),
            len: 40,
            sharing: Sharing::new(2, 3).unwrap(),
            uses: vec![
                Use::Sigv4 { service: "s3".into(), region: "eu-central-1".into(), host: "s3.example.com".into() },
                Use::Header { name: "authorization".into(), host: "api.example.com".into() },
                Use::Field { host: "login.example.com".into() },
            ],
            note: "for the nightly backup – ask Ada".into(),
        }
    }

    #[test]
    fn one_description_has_one_encoding() {
        let least = Fields { kind: Kind::Bytes, uses: vec![], note: String::new(), ..fields() };
        for item in [fields(), least].map(|fields| Item::new(fields).unwrap()) {
            let bytes = item.encode();
            assert_eq!(Item::decode(&bytes), Ok(item.clone()));
            let mut digests = vec![item.digest()];
            for at in 0..bytes.len() {
                for flip in [1, 0x80, 0xff] {
                    let mut changed = bytes.clone();
                    changed[at] ^= flip;
                    if let Ok(other) = Item::decode(&changed) {
                        assert!(other != item && other.encode() == changed, "byte {at}");
                        digests.push(other.digest());
                    }
                }
                assert!(Item::decode(&bytes[..at]).is_err(), "cut at {at}");
            }
            assert_eq!(Item::decode(&[&bytes[..], &[0]].concat()), Err(ItemError::Encoding));
            let all = digests.len();
            digests.sort_by_key(|d| d.0);
            digests.dedup();
            assert_eq!(digests.len(), all, "every description has a digest of its own");
        }
    }

    #[test]
    fn each_field_is_checked() {
        let error = |change: &dyn Fn(&mut Fields)| {
            let mut changed = fields();
            change(&mut changed);
            Item::new(changed).err()
        };
        for name in ["", "Key", "-key", "/key", "key ", "k\u{e9}", &"k".repeat(64)] {
            assert_eq!(error(&|f| f.name = name.into()), Some(ItemError::Name), "{name}");
        }
        assert_eq!(error(&|f| f.name = "k".repeat(63)), None);
        assert_eq!(error(&|f| f.version = 0), Some(ItemError::Version));
        for len in [0, MAX_BYTES + 1] {
            assert_eq!(error(&|f| f.len = len), Some(ItemError::Length(len)));
        }
        assert_eq!(error(&|f| f.len = MAX_BYTES), None);
        assert_eq!(error(&|f| f.uses.swap(0, 1)), Some(ItemError::Uses));
        assert_eq!(error(&|f| f.uses.push(f.uses[2].clone())), Some(ItemError::Uses));
        let hosts = |count: usize| (0..count).map(|i| Use::Field { host: format!("h{i:02}") }).collect();
        assert_eq!((error(&|f| f.uses = hosts(32)), error(&|f| f.uses = hosts(33))), (None, Some(ItemError::Uses)));
        for host in ["", "Host", "a b", "a:443", &"h".repeat(254)] {
            assert_eq!(error(&|f| f.uses = vec![Use::Field { host: host.into() }]), Some(ItemError::Host), "{host}");
        }
        let header = |name: &str| vec![Use::Header { name: name.into(), host: "h".into() }];
        for name in ["", "X-Key", "x key", "x:"] {
            assert_eq!(error(&|f| f.uses = header(name)), Some(ItemError::Header), "{name}");
        }
        let scope = |service: &str| vec![Use::Sigv4 { service: service.into(), region: "r".into(), host: "h".into() }];
        for service in ["", "S3", "s/3"] {
            assert_eq!(error(&|f| f.uses = scope(service)), Some(ItemError::Scope), "{service}");
        }
        for note in ["\n".to_owned(), "n".repeat(1025)] {
            assert_eq!(error(&|f| f.note = note.clone()), Some(ItemError::Note));
        }
    }

    #[test]
    fn the_next_version_holds_the_same() {
        let item = Item::new(fields()).unwrap();
        let next = item.next(Sharing::new(3, 4).unwrap()).unwrap();
        assert_eq!((next.version, next.sharing.members()), (8, 4));
        assert!(next.holds_what(&item) && next.digest() != item.digest());
        let changes: [fn(&mut Fields); 4] = [|f| f.len = 41, |f| f.kind = Kind::Bytes, |f| f.name = "b".into(), |f| f.uses.clear()];
        for change in changes {
            let mut other = fields();
            change(&mut other);
            assert!(!Item::new(other).unwrap().holds_what(&item));
        }
        let last = Item::new(Fields { version: u64::MAX, ..fields() }).unwrap();
        assert_eq!(last.next(item.sharing), Err(ItemError::Version));
    }
}
