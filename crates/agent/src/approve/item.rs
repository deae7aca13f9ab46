//! Items of the vault as an operation speaks of them: by name, by version, and by what they are used for.

use super::{
    escape::escape,
    wire::{Put, Take},
};
use crate::vault::item::{Item, MAX_NAME, Use};
use cotenant_core::codec::{BadFormat, Reader, Writer};
use std::{fmt, str::FromStr};

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

    /// The name of an item whose description has been checked.
    pub fn of(item: &Item) -> Self {
        ItemName(item.name.clone())
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

/// The only host that an item goes to by this use.
pub fn host(purpose: &Use) -> &str {
    match purpose {
        Use::Sigv4 { host, .. } | Use::Header { host, .. } | Use::Field { host } => host,
    }
}

/// What a use is, in words of printable ASCII.
pub fn in_words(purpose: &Use) -> String {
    let host = escape(host(purpose));
    match purpose {
        Use::Sigv4 { region, service, .. } => {
            format!("signs requests to {host} (Signature Version 4, region {}, service {})", escape(region), escape(service))
        }
        Use::Header { name, .. } => format!("sent to {host} in the header {}", escape(name)),
        Use::Field { .. } => format!("sent to {host} in the body"),
    }
}

/// Kind (1), then its texts: 1 service, region, host; 2 header, host; 3 host.
pub(super) fn write_use(to: Writer, purpose: &Use) -> Writer {
    let text = |to: Writer, part: &String| to.string(part.as_bytes());
    match purpose {
        Use::Sigv4 { service, region, host } => text(text(text(to.u8(1), service), region), host),
        Use::Header { name, host } => text(text(to.u8(2), name), host),
        Use::Field { host } => text(to.u8(3), host),
    }
}

pub(super) fn read_use(from: &mut Reader) -> Result<Use, BadFormat> {
    let kind = Take::u8(from)?;
    let mut text = || from.text(MAX_HOST);
    match kind {
        1 => Ok(Use::Sigv4 { service: text()?, region: text()?, host: text()? }),
        2 => Ok(Use::Header { name: text()?, host: text()? }),
        3 => Ok(Use::Field { host: text()? }),
        _ => Err(BadFormat),
    }
}

/// Whether the texts of a use are plain, as in those of items; the host is checked as that of the call. Nothing in them then passes for words of ours.
pub(super) fn is_plain(purpose: &Use) -> bool {
    match purpose {
        Use::Sigv4 { service, region, .. } => is_token(service) && is_token(region),
        Use::Header { name, .. } => is_token(name),
        Use::Field { .. } => true,
    }
}

/// Letters, digits, `.`, `_` and `-`, small, 1 to 64.
pub(crate) fn is_token(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"._-".contains(&c))
}

/// A host name or an address: what stands in a URL's place of it, in small letters.
pub(crate) fn is_host(text: &str) -> bool {
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
}
