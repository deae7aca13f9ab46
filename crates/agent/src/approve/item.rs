//! Items of the vault as an operation speaks of them: by name, by version, and by what they may be used for.

use super::{
    escape::escape,
    wire::{Put, Take},
};
use cotenant_core::codec::{BadFormat, Reader, Writer};
use std::{fmt, str::FromStr};

/// The longest name of an item, in characters.
pub const MAX_NAME: usize = 63;
/// The longest secret, in bytes.
pub const MAX_SECRET: u32 = 1 << 16;
/// The longest remark about an item, in bytes.
pub const MAX_ABOUT: usize = 1 << 10;
/// The most uses of one item.
pub const MAX_USES: usize = 32;
/// The longest host name, in characters (RFC 1035 section 2.3.4).
const MAX_HOST: usize = 253;

/// The name of an item: 1 to 63 of `a-z 0-9 . _ / -`, the first a letter or a digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemName(String);

impl ItemName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn write(&self, to: Writer) -> Writer {
        to.string(self.0.as_bytes())
    }

    pub(super) fn read(from: &mut Reader) -> Result<Self, BadFormat> {
        from.text(MAX_NAME)?.parse().map_err(|BadName| BadFormat)
    }
}

impl FromStr for ItemName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let first = text.bytes().next().is_some_and(plain);
        let rest = text.bytes().all(|c| plain(c) || b"._/-".contains(&c));
        if first && rest && text.len() <= MAX_NAME { Ok(ItemName(text.to_owned())) } else { Err(BadName) }
    }
}

impl fmt::Display for ItemName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no name of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an item: 1 to 63 small letters, digits and . _ / -, the first a letter or a digit")]
pub struct BadName;

/// Which version of an item an operation reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pick {
    /// The newest that all have committed to when the run starts.
    Newest,
    /// This one, from 1, or the run does not start.
    Exactly(u64),
}

impl Pick {
    /// Whether it picks this version where it is the newest.
    pub fn takes(self, version: u64) -> bool {
        match self {
            Pick::Newest => version > 0,
            Pick::Exactly(wanted) => version == wanted,
        }
    }

    /// The newest is 0, which is no version.
    pub(super) fn write(self, to: Writer) -> Writer {
        to.u64(match self {
            Pick::Newest => 0,
            Pick::Exactly(version) => version,
        })
    }

    pub(super) fn read(from: &mut Reader) -> Result<Self, BadFormat> {
        Ok(match from.u64()? {
            0 => Pick::Newest,
            version => Pick::Exactly(version),
        })
    }
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pick::Newest => f.write_str("newest version"),
            Pick::Exactly(version) => write!(f, "version {version}"),
        }
    }
}

/// What an item may be used for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Use {
    /// As the secret key of Signature Version 4.
    AwsSigV4 {
        /// The region of the credential scope.
        region: String,
        /// The service of the credential scope.
        service: String,
        /// The only host.
        host: String,
    },
    /// In this header field of a request.
    Header {
        /// The field's name, in small letters.
        name: String,
        /// The only host.
        host: String,
    },
    /// In a field of a request's body.
    Field {
        /// The only host.
        host: String,
    },
}

impl Use {
    /// The only host that the item goes to by this use.
    pub fn host(&self) -> &str {
        match self {
            Use::AwsSigV4 { host, .. } | Use::Header { host, .. } | Use::Field { host } => host,
        }
    }

    pub(super) fn is_well_formed(&self) -> bool {
        let parts = match self {
            Use::AwsSigV4 { region, service, .. } => is_token(region) && is_token(service),
            Use::Header { name, .. } => is_token(name),
            Use::Field { .. } => true,
        };
        parts && is_host(self.host())
    }

    pub(super) fn write(&self, to: Writer) -> Writer {
        let text = |to: Writer, part: &String| to.string(part.as_bytes());
        match self {
            Use::AwsSigV4 { region, service, host } => text(text(text(to.u8(1), region), service), host),
            Use::Header { name, host } => text(text(to.u8(2), name), host),
            Use::Field { host } => text(to.u8(3), host),
        }
    }

    pub(super) fn read(from: &mut Reader) -> Result<Self, BadFormat> {
        let kind = Take::u8(from)?;
        let mut text = || from.text(MAX_HOST);
        match kind {
            1 => Ok(Use::AwsSigV4 { region: text()?, service: text()?, host: text()? }),
            2 => Ok(Use::Header { name: text()?, host: text()? }),
            3 => Ok(Use::Field { host: text()? }),
            _ => Err(BadFormat),
        }
    }
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = escape(self.host());
        match self {
            Use::AwsSigV4 { region, service, .. } => {
                write!(f, "signs requests to {host} (Signature Version 4, region {}, service {})", escape(region), escape(service))
            }
            Use::Header { name, .. } => write!(f, "sent to {host} in the header {}", escape(name)),
            Use::Field { .. } => write!(f, "sent to {host} in the body"),
        }
    }
}

/// What kind of value an item is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Any bytes.
    Bytes,
    /// Characters of this alphabet: printable ASCII in rising order, at least two.
    Text(String),
}

impl Kind {
    fn is_well_formed(&self) -> bool {
        match self {
            Kind::Bytes => true,
            Kind::Text(alphabet) => {
                alphabet.len() >= 2 && super::wire::rising(alphabet.bytes()) && alphabet.bytes().all(|c| (b' '..=b'~').contains(&c))
            }
        }
    }

    fn write(&self, to: Writer) -> Writer {
        match self {
            Kind::Bytes => to.u8(1),
            Kind::Text(alphabet) => to.u8(2).string(alphabet.as_bytes()),
        }
    }

    fn read(from: &mut Reader) -> Result<Self, BadFormat> {
        match Take::u8(from)? {
            1 => Ok(Kind::Bytes),
            2 => Ok(Kind::Text(from.text(95)?)),
            _ => Err(BadFormat),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Bytes => f.write_str("bytes"),
            Kind::Text(alphabet) => write!(f, "characters of \"{}\"", escape(alphabet)),
        }
    }
}

/// All that is agreed about an item that an operation makes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NewItem {
    /// Its name.
    pub name: ItemName,
    /// What it is made of.
    pub kind: Kind,
    /// Its length in bytes, 1 to [`MAX_SECRET`].
    pub length: u32,
    /// What it may be used for; all else is refused. In rising order.
    pub uses: Vec<Use>,
    /// A remark for people, up to [`MAX_ABOUT`] bytes.
    pub about: String,
}

impl NewItem {
    pub(super) fn is_well_formed(&self) -> bool {
        let uses = self.uses.len() <= MAX_USES && super::wire::rising(self.uses.iter()) && self.uses.iter().all(Use::is_well_formed);
        uses && self.kind.is_well_formed() && (1..=MAX_SECRET).contains(&self.length) && self.about.len() <= MAX_ABOUT
    }

    pub(super) fn write(&self, to: Writer) -> Writer {
        let to = self.kind.write(self.name.write(to)).u32(self.length);
        to.list(self.uses.iter(), |to, one| one.write(to)).string(self.about.as_bytes())
    }

    pub(super) fn read(from: &mut Reader) -> Result<Self, BadFormat> {
        Ok(NewItem {
            name: ItemName::read(from)?,
            kind: Kind::read(from)?,
            length: from.u32()?,
            uses: from.list(MAX_USES, Use::read)?,
            about: from.text(MAX_ABOUT)?,
        })
    }
}

/// Letters, digits, `.`, `_` and `-`, small, 1 to 64.
pub(super) fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"._-".contains(&c))
}

/// A host name or an address: what stands in a URL's place of it, in small letters.
pub(super) fn is_host(text: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b".-:[]".contains(&c);
    (1..=MAX_HOST).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_of_one_form() {
        for good in ["a", "0", "s3/key", "a.b_c-d/e", &"x".repeat(63)] {
            assert!(good.parse::<ItemName>().is_ok_and(|name| name.as_str() == good), "{good}");
        }
        for bad in ["", "A", "/a", ".a", "-a", "_a", "a b", "a\n", "\u{e4}", "a\\", &"x".repeat(64)] {
            assert_eq!(bad.parse::<ItemName>(), Err(BadName), "{bad:?}");
        }
    }

    #[test]
    fn a_pick_takes_its_version_alone() {
        assert!(Pick::Newest.takes(1) && Pick::Newest.takes(9) && !Pick::Newest.takes(0));
        assert!(Pick::Exactly(2).takes(2) && !Pick::Exactly(2).takes(1) && !Pick::Exactly(2).takes(3));
    }

    #[test]
    fn what_is_made_is_well_formed() {
        let good = NewItem {
            name: "a".parse().unwrap(),
            kind: Kind::Text("ab".into()),
            length: 8,
            uses: vec![Use::Header { name: "authorization".into(), host: "h".into() }, Use::Field { host: "h".into() }],
            about: String::new(),
        };
        assert!(good.is_well_formed());
        let bad = |change: fn(&mut NewItem)| {
            let mut item = good.clone();
            change(&mut item);
            !item.is_well_formed()
        };
        assert!(bad(|i| i.kind = Kind::Text("a".into())), "one letter says nothing");
        assert!(bad(|i| i.kind = Kind::Text("ba".into())) && bad(|i| i.kind = Kind::Text("aab".into())), "alphabets rise");
        assert!(bad(|i| i.kind = Kind::Text("a\u{e9}".into())) && bad(|i| i.kind = Kind::Text("\ta".into())), "printable ASCII");
        assert!(bad(|i| i.length = 0) && bad(|i| i.length = MAX_SECRET + 1), "lengths");
        assert!(bad(|i| i.uses.reverse()) && bad(|i| i.uses[1] = i.uses[0].clone()), "uses rise");
        assert!(bad(|i| i.uses[1] = Use::Field { host: "H".into() }) && bad(|i| i.uses[1] = Use::Field { host: "h/".into() }), "hosts");
        assert!(bad(|i| i.uses[0] = Use::Header { name: "a b".into(), host: "h".into() }), "tokens");
        assert!(bad(|i| i.about = "x".repeat(MAX_ABOUT + 1)), "remark");
    }
}
