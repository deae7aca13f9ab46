//! Where a member is reached: an IP address or a host name (RFC 1123 section 2.1), and a TCP port.
//!
//! Bytes: 4 and the 4 bytes, or 6 and the 16 bytes, or 0, the length (1) and the name in lower case; then the port (2, little-endian).

use cotenant_core::codec::{BadFormat, Reader, Writer};
use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

/// The longest host name, in bytes.
const LONGEST: usize = 253;

/// A host and a port. What other parties wrote here consists of letters, digits, `.`, `-`, `:` and brackets and is harmless to show.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    host: Host,
    port: u16,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Host {
    Ip(IpAddr),
    Name(String),
}

impl Address {
    pub(super) fn write(&self, writer: Writer) -> Writer {
        let writer = match &self.host {
            Host::Ip(IpAddr::V4(ip)) => writer.bytes(&[4]).bytes(&ip.octets()),
            Host::Ip(IpAddr::V6(ip)) => writer.bytes(&[6]).bytes(&ip.octets()),
            Host::Name(name) => writer.bytes(&[0, name.len() as u8]).bytes(name.as_bytes()), // at most LONGEST
        };
        writer.bytes(&self.port.to_le_bytes())
    }

    pub(super) fn read(reader: &mut Reader) -> Result<Address, BadFormat> {
        let host = match reader.array()? {
            [4] => Host::Ip(IpAddr::from(reader.array::<4>()?)),
            [6] => Host::Ip(IpAddr::from(reader.array::<16>()?)),
            [0] => {
                let [length] = reader.array()?;
                let name = str::from_utf8(reader.bytes(length.into())?).map_err(|_| BadFormat)?;
                if !is_name(name) || name.bytes().any(|b| b.is_ascii_uppercase()) {
                    return Err(BadFormat);
                }
                Host::Name(name.to_owned())
            }
            _ => return Err(BadFormat),
        };
        let port = u16::from_le_bytes(reader.array()?);
        if port == 0 { Err(BadFormat) } else { Ok(Address { host, port }) }
    }
}

/// Labels of letters, digits and inner hyphens; the last is no number, or the name would look like an IP address.
fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || c == '-';
        (1..=63).contains(&label.len()) && label.chars().all(inner) && !label.starts_with('-') && !label.ends_with('-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= LONGEST && name.split('.').all(label) && !last.bytes().all(|b| b.is_ascii_digit())
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(ip) => SocketAddr::new(*ip, self.port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{}", self.port),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        if let Ok(SocketAddr::V6(address)) = text.parse()
            && address.scope_id() != 0
        {
            return Err(BadAddress); // a scope is of one machine only
        }
        let (host, port) = match text.parse::<SocketAddr>() {
            Ok(address) => (Host::Ip(address.ip()), address.port()),
            Err(_) => {
                let (name, port) = text.rsplit_once(':').ok_or(BadAddress)?;
                if !is_name(name) || !port.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(BadAddress);
                }
                (Host::Name(name.to_ascii_lowercase()), port.parse().map_err(|_| BadAddress)?)
            }
        };
        if port == 0 { Err(BadAddress) } else { Ok(Address { host, port }) }
    }
}

/// The text is no `host:port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an address: one is host:port, a.b.c.d:port or [v6]:port, with a port from 1 to 65535")]
pub struct BadAddress;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go_there_and_back() {
        for text in
            ["127.0.0.1:1", "[2001:db8::1]:65535", "a:1", "cotenant.example:7100", "a-b.c3.x1:7", &format!("{}:1", ["a"; 127].join("."))]
        {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            let bytes = address.write(Writer::new()).done();
            let mut reader = Reader::new(&bytes);
            assert!(Address::read(&mut reader) == Ok(address) && reader.end().is_ok());
            assert!((0..bytes.len()).all(|n| Address::read(&mut Reader::new(&bytes[..n])).is_err()));
        }
        assert_eq!("A.Example:07".parse::<Address>().unwrap().to_string(), "a.example:7");
    }

    #[test]
    fn other_texts_and_bytes_are_refused() {
        let long = format!("{}:1", "a.".repeat(127));
        for text in [
            "",
            "a",
            ":1",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "1.2.3.400:1",
            "a b:1",
            "-a:1",
            "a-:1",
            "a..b:1",
            "ä:1",
            "a\u{202e}:1",
            "[fe80::1%2]:1",
            &long,
        ] {
            assert_eq!(text.parse::<Address>(), Err(BadAddress), "{text}");
        }
        for bytes in [
            &b"\x00\x01A\x01\x00"[..],
            b"\x00\x011\x01\x00",
            b"\x00\x01\x1b\x01\x00",
            b"\x00\x00\x01\x00",
            b"\x00\x01a\x00\x00",
            b"\x05a\x01\x00",
        ] {
            assert!(Address::read(&mut Reader::new(bytes)).is_err(), "{bytes:?}");
        }
    }
}
