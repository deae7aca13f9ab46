//! What is sent inside TLS: first the dialler says what it wants and the other side answers, then frames both ways.
//!
//! ```text
//! hello, by the dialler:  version u16 | parties u8 | sender u8 | receiver u8 | session 32 bytes
//! answer, by the other:   1 | its hello, or 0: it waits for no such session from this dialler
//! begin, by the dialler:  1; the link exists
//!
//! frame: kind u8 | lane u8 | length u32, big-endian | length bytes
//!   0 part     a part of the lane's next message, not the last; at least one byte
//!   1 end      the last part of it
//!   2 abandon  forget the parts sent since the lane's last end
//!   3 ping     8 bytes of the sender's choice; asks for a pong
//!   4 pong     the bytes of a ping
//!   5 goodbye  the last frame of a link that is closed in good order
//! ```
//! Pings, pongs and goodbyes belong to lane 0. Messages are cut so that no frame is longer than 256 KiB, and lanes take turns by frame.

use crate::error::HelloFault;
use bytes::Bytes;
use cotenant_core::party::PartyId;

/// Bytes before a frame's payload.
pub(crate) const HEADER: usize = 6;

/// The most payload of a frame: 16 TLS records (RFC 8446 section 5.1). What the engine sends at a time should fit into one.
pub(crate) const PAYLOAD: usize = 16 << 14;

/// What a queued message costs beyond its bytes, so that many empty messages are not free.
pub(crate) const MESSAGE_OVERHEAD: usize = 64;

/// The longest message a lane carries, in bytes: with its bookkeeping just within 1 GiB.
pub const MAX_MESSAGE: usize = (1 << 30) - MESSAGE_OVERHEAD;

/// The version of hello and frames; it is also in the protocol name agreed in TLS.
pub(crate) const VERSION: u16 = 3;

/// What a frame is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Part = 0,
    End = 1,
    Abandon = 2,
    Ping = 3,
    Pong = 4,
    Goodbye = 5,
}

/// The start of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) lane: u8,
    pub(crate) length: usize,
}

impl Header {
    pub(crate) fn encode(self) -> [u8; HEADER] {
        let [a, b, c, d] = (self.length as u32).to_be_bytes();
        [self.kind as u8, self.lane, a, b, c, d]
    }

    /// The header in these bytes; none if no party that keeps to the format sends it.
    pub(crate) fn decode(bytes: [u8; HEADER]) -> Option<Self> {
        let [kind, lane, length @ ..] = bytes;
        let length = u32::from_be_bytes(length) as usize;
        let (kind, lengths, has_lane) = match kind {
            0 => (Kind::Part, 1..=PAYLOAD, true),
            1 => (Kind::End, 0..=PAYLOAD, true),
            2 => (Kind::Abandon, 0..=0, true),
            3 => (Kind::Ping, 8..=8, false),
            4 => (Kind::Pong, 8..=8, false),
            5 => (Kind::Goodbye, 0..=0, false),
            _ => return None,
        };
        (lengths.contains(&length) && (has_lane || lane == 0)).then_some(Header { kind, lane, length })
    }
}

/// A frame to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) header: [u8; HEADER],
    pub(crate) payload: Bytes,
}

impl Frame {
    pub(crate) fn new(kind: Kind, lane: u8, payload: Bytes) -> Self {
        Frame { header: Header { kind, lane, length: payload.len() }.encode(), payload }
    }

    /// A ping or pong of this number.
    pub(crate) fn number(kind: Kind, number: u64) -> Self {
        Self::new(kind, 0, Bytes::copy_from_slice(&number.to_be_bytes()))
    }
}

/// The answer to who is not waited for; nothing follows.
pub(crate) const REFUSED: u8 = 0;

/// The answer before a hello.
pub(crate) const WELCOME: u8 = 1;

/// The dialler's last word before frames.
pub(crate) const BEGIN: u8 = 1;

/// Bytes of a hello.
pub(crate) const HELLO: usize = 37;

/// What each side says first: what it takes the session to be, and who it takes the two ends for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) version: u16,
    pub(crate) parties: u8,
    pub(crate) sender: u8,
    pub(crate) receiver: u8,
    pub(crate) session: [u8; 32],
}

impl Hello {
    pub(crate) fn new(parties: usize, sender: PartyId, receiver: PartyId, session: [u8; 32]) -> Self {
        Hello { version: VERSION, parties: parties as u8, sender: sender.index() as u8, receiver: receiver.index() as u8, session }
    }

    pub(crate) fn encode(&self) -> [u8; HELLO] {
        let mut bytes = [0; HELLO];
        bytes[..2].copy_from_slice(&self.version.to_be_bytes());
        bytes[2..5].copy_from_slice(&[self.parties, self.sender, self.receiver]);
        bytes[5..].copy_from_slice(&self.session);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; HELLO]) -> Self {
        let (head, session) = bytes.split_at(5);
        Hello {
            version: u16::from_be_bytes([head[0], head[1]]),
            parties: head[2],
            sender: head[3],
            receiver: head[4],
            session: session.try_into().expect("37 bytes less 5"),
        }
    }

    /// Compares what the other side said with what this side says to it.
    pub(crate) fn check(&self, theirs: &Hello) -> Result<(), HelloFault> {
        if theirs.version != self.version {
            Err(HelloFault::Version { ours: self.version, theirs: theirs.version })
        } else if theirs.parties != self.parties {
            Err(HelloFault::Parties { ours: self.parties, theirs: theirs.parties })
        } else if theirs.sender != self.receiver {
            Err(HelloFault::TheirPlace { ours: self.receiver, theirs: theirs.sender })
        } else if theirs.receiver != self.sender {
            Err(HelloFault::OurPlace { ours: self.sender, theirs: theirs.receiver })
        } else if theirs.session != self.session {
            Err(HelloFault::Session { ours: self.session, theirs: theirs.session })
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_go_there_and_back() {
        for (kind, lane, length) in [
            (Kind::Part, 7, 1),
            (Kind::Part, 255, PAYLOAD),
            (Kind::End, 0, 0),
            (Kind::End, 1, PAYLOAD),
            (Kind::Abandon, 3, 0),
            (Kind::Ping, 0, 8),
            (Kind::Pong, 0, 8),
            (Kind::Goodbye, 0, 0),
        ] {
            let header = Header { kind, lane, length };
            assert_eq!(Header::decode(header.encode()), Some(header));
        }
        assert_eq!(Header { kind: Kind::End, lane: 2, length: 0xfffa }.encode(), [1, 2, 0, 0, 0xff, 0xfa]);
    }

    #[test]
    fn headers_out_of_the_format_are_refused() {
        for (bytes, why) in [
            ([0, 0, 0, 0, 0, 0], "an empty part"),
            ([0, 0, 0, 4, 0, 1], "a part one byte too long"),
            ([1, 0, 0, 4, 0, 1], "an end one byte too long"),
            ([1, 0, 0xff, 0xff, 0xff, 0xff], "a length near 4 GiB"),
            ([2, 0, 0, 0, 0, 1], "an abandon with a payload"),
            ([3, 0, 0, 0, 0, 7], "a short ping"),
            ([3, 1, 0, 0, 0, 8], "a ping on a lane"),
            ([4, 0, 0, 0, 0, 9], "a long pong"),
            ([5, 0, 0, 0, 0, 1], "a goodbye with a payload"),
            ([5, 1, 0, 0, 0, 0], "a goodbye on a lane"),
            ([6, 0, 0, 0, 0, 0], "an unknown kind"),
        ] {
            assert_eq!(Header::decode(bytes), None, "{why}");
        }
    }

    #[test]
    fn a_hello_that_differs_is_named() {
        let (one, two) = (PartyId::new(0), PartyId::new(1));
        let ours = Hello::new(3, one, two, [1; 32]);
        let fits = Hello::new(3, two, one, [1; 32]);
        assert_eq!(Hello::decode(&fits.encode()), fits);
        assert_eq!(ours.check(&fits), Ok(()));
        let changed = |change: fn(&mut Hello)| {
            let mut theirs = fits;
            change(&mut theirs);
            ours.check(&Hello::decode(&theirs.encode()))
        };
        assert_eq!(changed(|h| h.version = 513), Err(HelloFault::Version { ours: 3, theirs: 513 }));
        assert_eq!(changed(|h| h.parties = 2), Err(HelloFault::Parties { ours: 3, theirs: 2 }));
        assert_eq!(changed(|h| h.sender = 2), Err(HelloFault::TheirPlace { ours: 1, theirs: 2 }));
        assert_eq!(changed(|h| h.receiver = 2), Err(HelloFault::OurPlace { ours: 0, theirs: 2 }));
        assert_eq!(changed(|h| h.session = [2; 32]), Err(HelloFault::Session { ours: [1; 32], theirs: [2; 32] }));
    }
}
