//! ClientHello, ServerHello and HelloRetryRequest (RFC 8446 sections 4.1 and 4.2).

use crate::codec::{Reader, extensions, handshake_message, put_u16, put_vector};
use crate::config::{Config, Target};
use crate::error::Violation;
use crate::share::Group;
use crate::verify::SCHEMES;

/// TLS_AES_128_GCM_SHA256 (RFC 8446 appendix B.4).
const SUITE: u16 = 0x1301;
/// The longest cookie of a HelloRetryRequest that is sent back: it is there for a server's state, and the second ClientHello is one record.
const MAX_COOKIE: usize = 4096;
const TLS12: u16 = 0x0303;
const TLS13: u16 = 0x0304;
const CLIENT_HELLO: u8 = 1;
/// HandshakeType of ServerHello and HelloRetryRequest.
pub(crate) const SERVER_HELLO: u8 = 2;
/// SHA-256("HelloRetryRequest"), the ServerHello.random that makes it one (RFC 8446 section 4.1.3).
pub(crate) const RETRY_RANDOM: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
    0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// ExtensionType (RFC 8446 section 4.2) of what this client sends.
pub(crate) mod extension {
    pub(crate) const SERVER_NAME: u16 = 0;
    pub(crate) const SUPPORTED_GROUPS: u16 = 10;
    pub(crate) const SIGNATURE_ALGORITHMS: u16 = 13;
    pub(crate) const ALPN: u16 = 16;
    pub(crate) const SUPPORTED_VERSIONS: u16 = 43;
    pub(crate) const COOKIE: u16 = 44;
    pub(crate) const KEY_SHARE: u16 = 51;
}
use extension::*;

/// What both ClientHellos of a handshake have in common, and what a retry changes.
pub(crate) struct Offer {
    pub(crate) random: [u8; 32],
    pub(crate) session_id: [u8; 32],
    pub(crate) group: Group,
    pub(crate) share: Vec<u8>,
    pub(crate) cookie: Option<Vec<u8>>,
}

impl Offer {
    /// The ClientHello (RFC 8446 section 4.1.2), header included.
    pub(crate) fn encode(&self, config: &Config, target: &Target) -> Vec<u8> {
        handshake_message(CLIENT_HELLO, |out| {
            put_u16(out, TLS12);
            out.extend(self.random);
            put_vector(out, 1, |out| out.extend(self.session_id));
            put_vector(out, 2, |out| put_u16(out, SUITE));
            put_vector(out, 1, |out| out.push(0));
            put_vector(out, 2, |out| self.put_extensions(out, config, target));
        })
    }

    fn put_extensions(&self, out: &mut Vec<u8>, config: &Config, target: &Target) {
        let mut put = |kind, fill: &dyn Fn(&mut Vec<u8>)| {
            put_u16(out, kind);
            put_vector(out, 2, |out| fill(out));
        };
        if let Some(name) = target.sni() {
            let host_name = |out: &mut Vec<u8>| {
                out.push(0);
                put_vector(out, 2, |out| out.extend(name.bytes()));
            };
            put(SERVER_NAME, &|out| put_vector(out, 2, host_name));
        }
        put(SUPPORTED_GROUPS, &|out| put_vector(out, 2, |out| config.groups().iter().for_each(|group| put_u16(out, group.code()))));
        put(SIGNATURE_ALGORITHMS, &|out| put_vector(out, 2, |out| SCHEMES.iter().for_each(|&scheme| put_u16(out, scheme))));
        if config.http1() {
            put(ALPN, &|out| put_vector(out, 2, |out| put_vector(out, 1, |out| out.extend(HTTP1))));
        }
        put(SUPPORTED_VERSIONS, &|out| put_vector(out, 1, |out| put_u16(out, TLS13)));
        if let Some(cookie) = &self.cookie {
            put(COOKIE, &|out| put_vector(out, 2, |out| out.extend(cookie)));
        }
        let key_share = |out: &mut Vec<u8>| {
            put_u16(out, self.group.code());
            put_vector(out, 2, |out| out.extend(&self.share));
        };
        put(KEY_SHARE, &|out| put_vector(out, 2, key_share));
    }
}

/// The one application protocol offered (RFC 7301).
pub(crate) const HTTP1: &[u8] = b"http/1.1";

/// What the server answers to a ClientHello.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ServerAnswer {
    /// ServerHello with its encoded key share, of the group that was sent.
    Hello { share: Vec<u8> },
    /// HelloRetryRequest: another group, a cookie, or both.
    Retry { group: Option<Group>, cookie: Option<Vec<u8>> },
}

struct ServerHello<'a> {
    version: u16,
    random: [u8; 32],
    session_id: &'a [u8],
    suite: u16,
    compression: u8,
    extensions: Vec<(u16, &'a [u8])>,
}

fn parse(body: &[u8]) -> Option<ServerHello<'_>> {
    let mut reader = Reader::new(body);
    let (version, random, session_id) = (reader.u16()?, reader.array()?, reader.vector(1)?);
    let (suite, compression) = (reader.u16()?, reader.u8()?);
    // A server without extensions speaks an older version (RFC 5246 section 7.4.1.3).
    let extensions = if reader.is_empty() { vec![] } else { extensions(reader.vector(2)?)? };
    reader.finish()?;
    Some(ServerHello { version, random, session_id, suite, compression, extensions })
}

/// Reads and judges the body of a ServerHello or HelloRetryRequest that answers `offer`.
///
/// # Errors
/// The [`Violation`] of the first check that refuses, in the order of RFC 8446 sections 4.1.3 and 4.1.4.
pub(crate) fn server_answer(
    body: &[u8],
    offer: &Offer,
    config: &Config,
    target: &Target,
    retried: bool,
) -> Result<ServerAnswer, Violation> {
    let mut offered = offered(config, target);
    let hello = parse(body).ok_or(Violation::MalformedServerHello)?;
    check_version(&hello)?;
    if hello.session_id != offer.session_id {
        return Err(Violation::SessionIdEcho);
    }
    if hello.suite != SUITE {
        return Err(Violation::CipherSuite);
    }
    if hello.compression != 0 {
        return Err(Violation::Compression);
    }
    if hello.random != RETRY_RANDOM {
        offered.extend(offer.cookie.as_ref().map(|_| COOKIE));
        check_extensions(&hello.extensions, &offered, &[SUPPORTED_VERSIONS, KEY_SHARE])?;
        return server_hello(&hello, offer);
    }
    if retried {
        return Err(Violation::SecondRetry);
    }
    // A cookie may come unasked, alone among extensions (RFC 8446 section 4.2).
    offered.push(COOKIE);
    check_extensions(&hello.extensions, &offered, &[SUPPORTED_VERSIONS, KEY_SHARE, COOKIE])?;
    retry(&hello, offer, config.groups())
}

fn check_version(hello: &ServerHello<'_>) -> Result<(), Violation> {
    let selected = find(&hello.extensions, SUPPORTED_VERSIONS).ok_or(Violation::NotTls13)?;
    if hello.version != TLS12 {
        return Err(Violation::LegacyVersion);
    }
    match Reader::new(selected).u16() {
        Some(TLS13) if selected.len() == 2 => Ok(()),
        Some(_) if selected.len() == 2 => Err(Violation::WrongVersion),
        _ => Err(Violation::MalformedServerHello),
    }
}

fn server_hello(hello: &ServerHello<'_>, offer: &Offer) -> Result<ServerAnswer, Violation> {
    let entry = find(&hello.extensions, KEY_SHARE).ok_or(Violation::NoKeyShare)?;
    let mut reader = Reader::new(entry);
    let parsed = (|| {
        let entry = (reader.u16()?, reader.vector(2)?);
        reader.finish()?;
        Some(entry)
    })();
    match parsed {
        Some((group, share)) if group == offer.group.code() => Ok(ServerAnswer::Hello { share: share.to_vec() }),
        Some(_) => Err(Violation::GroupMismatch),
        None => Err(Violation::MalformedServerHello),
    }
}

fn retry(hello: &ServerHello<'_>, offer: &Offer, groups: &[Group]) -> Result<ServerAnswer, Violation> {
    let group = find(&hello.extensions, KEY_SHARE).map(|body| retry_group(body, offer, groups)).transpose()?;
    let cookie = find(&hello.extensions, COOKIE).map(retry_cookie).transpose()?;
    if group.is_none() && cookie.is_none() {
        return Err(Violation::RetryWithoutChange);
    }
    Ok(ServerAnswer::Retry { group, cookie })
}

fn retry_group(body: &[u8], offer: &Offer, groups: &[Group]) -> Result<Group, Violation> {
    let code: [u8; 2] = body.try_into().map_err(|_| Violation::MalformedRetry)?;
    let group = Group::from_code(u16::from_be_bytes(code)).filter(|group| groups.contains(group)).ok_or(Violation::RetryGroupNotOffered)?;
    if group == offer.group { Err(Violation::RetryGroupAlreadySent) } else { Ok(group) }
}

fn retry_cookie(body: &[u8]) -> Result<Vec<u8>, Violation> {
    let mut reader = Reader::new(body);
    let cookie = reader.vector(2).filter(|cookie| (1..=MAX_COOKIE).contains(&cookie.len()) && reader.is_empty());
    cookie.map(<[u8]>::to_vec).ok_or(Violation::MalformedRetry)
}

pub(crate) fn find<'a>(extensions: &[(u16, &'a [u8])], wanted: u16) -> Option<&'a [u8]> {
    extensions.iter().find(|(kind, _)| *kind == wanted).map(|(_, body)| *body)
}

/// The extensions that a first ClientHello carries.
pub(crate) fn offered(config: &Config, target: &Target) -> Vec<u16> {
    let mut offered = vec![SUPPORTED_GROUPS, SIGNATURE_ALGORITHMS, SUPPORTED_VERSIONS, KEY_SHARE];
    offered.extend(target.sni().map(|_| SERVER_NAME));
    offered.extend(config.http1().then_some(ALPN));
    offered
}

/// Each extension at most once, none that was not offered, and each only where it may stand (RFC 8446 section 4.2).
pub(crate) fn check_extensions(extensions: &[(u16, &[u8])], offered: &[u16], permitted: &[u16]) -> Result<(), Violation> {
    for (index, (kind, _)) in extensions.iter().enumerate() {
        if find(&extensions[..index], *kind).is_some() {
            return Err(Violation::DuplicateExtension);
        }
        if !offered.contains(kind) {
            return Err(Violation::UnofferedExtension);
        }
        if !permitted.contains(kind) {
            return Err(Violation::MisplacedExtension);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TrustRoots;
    use crate::schedule::sha256;
    use pki_types::UnixTime;

    #[test]
    fn retry_random_is_the_hash_of_its_name() {
        assert_eq!(sha256(b"HelloRetryRequest"), RETRY_RANDOM);
    }

    #[test]
    fn client_hello_byte_for_byte() {
        let config = Config::new(TrustRoots::mozilla());
        let target = Target { name: "a.bc".to_owned().try_into().unwrap(), now: UnixTime::since_unix_epoch(Default::default()) };
        let offer =
            Offer { random: [1; 32], session_id: [2; 32], group: Group::X25519, share: vec![3; 32], cookie: Some(vec![0xcc, 0xdd]) };
        let extensions = [
            &[0, 0, 0, 9, 0, 7, 0, 0, 4, b'a', b'.', b'b', b'c'][..],
            &[0, 10, 0, 6, 0, 4, 0, 0x17, 0, 0x1d],
            &[0, 13, 0, 20, 0, 18],
            &[4, 3, 5, 3, 8, 7, 8, 4, 8, 5, 8, 6, 4, 1, 5, 1, 6, 1],
            &[0, 16, 0, 11, 0, 9, 8],
            b"http/1.1",
            &[0, 43, 0, 3, 2, 3, 4],
            &[0, 44, 0, 4, 0, 2, 0xcc, 0xdd],
            &[0, 51, 0, 38, 0, 36, 0, 0x1d, 0, 32],
            &[3; 32],
        ]
        .concat();
        let body =
            [&[3, 3][..], &[1; 32], &[32], &[2; 32], &[0, 2, 0x13, 0x01, 1, 0], &(extensions.len() as u16).to_be_bytes(), &extensions]
                .concat();
        assert_eq!(offer.encode(&config, &target), [&[1, 0, 0, body.len() as u8][..], &body].concat());
    }
}
