//! An invitation: what one person gives another so that their daemons find each other and know that they did.
//!
//! | field | bytes |
//! | --- | --- |
//! | version | 1: value 1 |
//! | last minute at which it is good, since 1970 | 4 |
//! | key of the inviter | 32 |
//! | pin: first half of the digest of the charter, which names the room | 16 |
//! | token: a secret, which proves the invitation to the inviter | 16 |
//! | how many addresses of the inviter, and they | 1 and so on |
//!
//! As text it is Bech32m (BIP 350) under the prefix `cotjoin`; as words see [`super::words`]. For one IPv4 address that is 138 characters, or
//! 60 words.
//!
//! The pin has 128 bits: finding another charter with the same is as hard as finding a token. The inviter could prepare two charters with one pin in
//! 2^64 steps, and gains nothing, as all members sign the digest of the whole.

use super::{address::Address, parameters::Charter, words};
use bech32::{Bech32m, Hrp, primitives::decode::CheckedHrpstring};
use cotenant_core::{
    Domain,
    codec::{BadFormat, Reader, Writer},
};
use cotenant_net::PublicIdentity;
use rand_core::CryptoRng;
use std::collections::BTreeSet;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

const PREFIX: &str = "cotjoin";
/// First byte.
const FORMAT: u8 = 1;
/// The most addresses.
const MAX_ADDRESSES: usize = 4;

/// What an invitation is called, also before those who must not know its token.
pub type InvitationId = [u8; 16];

/// The secret of an invitation.
#[derive(Clone)]
pub struct Token(Zeroizing<[u8; 16]>);

impl Token {
    fn random(rng: &mut impl CryptoRng) -> Token {
        let mut token = Zeroizing::new([0; 16]);
        rng.fill_bytes(&mut *token);
        Token(token)
    }

    /// The name of the invitation that has this token.
    pub(super) fn id(&self) -> InvitationId {
        let mut id = [0; 16];
        Domain::Invitation.hasher().field(&*self.0).expand(&mut id);
        id
    }

    /// Shows that whoever wrote `message` has the token.
    pub(super) fn proof(&self, message: &[u8]) -> [u8; 32] {
        Domain::InvitationProof.hasher().field(&*self.0).field(message).digest().0
    }
}

/// An invitation; whoever has it can try to join.
#[derive(Clone)]
pub struct Invitation {
    pub(super) inviter: PublicIdentity,
    pub(super) addresses: Vec<Address>,
    pub(super) expiry_minute: u32,
    pub(super) pin: [u8; 16],
    pub(super) token: Token,
}

/// Why a text is no invitation, or one cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadInvitation {
    /// It does not start with `cotjoin1`.
    #[error("not an invitation: one starts with \"cotjoin1\"")]
    Prefix,
    /// The checksum does not match.
    #[error("a mistyped invitation: its checksum does not match")]
    Checksum,
    /// Words.
    #[error(transparent)]
    Words(#[from] words::BadWords),
    /// The text was copied rightly, but is of no form that this program knows.
    #[error("an invitation of a form that this program does not know")]
    Format,
    /// Addresses to be written.
    #[error("an invitation has 1 to {MAX_ADDRESSES} different addresses, in 180 bytes at most")]
    Addresses,
    /// A time to be written.
    #[error("the expiry is no time that an invitation can have")]
    Expiry,
}

impl From<BadFormat> for BadInvitation {
    fn from(_: BadFormat) -> Self {
        BadInvitation::Format
    }
}

impl Invitation {
    /// A new invitation to what `charter` says, good until the end of the minute of `expiry` (seconds since 1970).
    ///
    /// # Errors
    /// [`BadInvitation::Addresses`], [`BadInvitation::Expiry`].
    pub fn new(
        charter: &Charter,
        inviter: PublicIdentity,
        addresses: Vec<Address>,
        expiry: u64,
        rng: &mut impl CryptoRng,
    ) -> Result<Invitation, BadInvitation> {
        let expiry_minute = u32::try_from(expiry / 60).map_err(|_| BadInvitation::Expiry)?;
        let invitation = Invitation { inviter, addresses, expiry_minute, pin: pin(charter), token: Token::random(rng) };
        if good_addresses(&invitation.addresses) && invitation.encode().len() <= words::MAX_BYTES {
            Ok(invitation)
        } else {
            Err(BadInvitation::Addresses)
        }
    }

    /// Whose it is.
    pub fn inviter(&self) -> PublicIdentity {
        self.inviter
    }

    /// Where the inviter is reached.
    pub fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// Its name, which is no secret.
    pub fn id(&self) -> InvitationId {
        self.token.id()
    }

    /// The first second, since 1970, at which it is good no more.
    pub fn expiry(&self) -> u64 {
        (u64::from(self.expiry_minute) + 1) * 60
    }

    /// Whether it is to this.
    pub fn is_to(&self, charter: &Charter) -> bool {
        self.pin == pin(charter)
    }

    /// Canonical bytes.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let writer = Writer::new().bytes(&[FORMAT]).bytes(&self.expiry_minute.to_le_bytes()).bytes(self.inviter.as_bytes());
        let writer = writer.bytes(&self.pin).bytes(&*self.token.0).bytes(&[self.addresses.len() as u8]); // at most MAX_ADDRESSES
        Zeroizing::new(self.addresses.iter().fold(writer, |writer, address| address.write(writer)).done())
    }

    /// The inverse of [`Invitation::encode`].
    ///
    /// # Errors
    /// [`BadInvitation::Format`].
    pub fn decode(bytes: &[u8]) -> Result<Invitation, BadInvitation> {
        let mut reader = Reader::new(bytes);
        if reader.array()? != [FORMAT] {
            return Err(BadInvitation::Format);
        }
        let expiry_minute = u32::from_le_bytes(reader.array()?);
        let inviter = PublicIdentity::from_bytes(&reader.array()?).map_err(|_| BadInvitation::Format)?;
        let (pin, token) = (reader.array()?, Token(Zeroizing::new(reader.array()?)));
        let [count] = reader.array()?;
        let addresses: Vec<Address> = (0..count).map(|_| Address::read(&mut reader)).collect::<Result<_, _>>()?;
        reader.end()?;
        if !good_addresses(&addresses) || bytes.len() > words::MAX_BYTES {
            return Err(BadInvitation::Format);
        }
        Ok(Invitation { inviter, addresses, expiry_minute, pin, token })
    }

    /// As text to be copied.
    pub fn to_text(&self) -> Zeroizing<String> {
        let prefix = Hrp::parse_unchecked(PREFIX);
        Zeroizing::new(bech32::encode_lower::<Bech32m>(prefix, &self.encode()).expect("255 bytes fit the code"))
    }

    /// As words to be read aloud.
    pub fn to_words(&self) -> Vec<&'static str> {
        words::encode(&self.encode())
    }

    /// From text or from words; white space in a text is skipped, as mail breaks lines.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Invitation, BadInvitation> {
        if text.len() > 8192 {
            return Err(BadInvitation::Prefix);
        }
        let joined = Zeroizing::new(text.chars().filter(|c| !c.is_ascii_whitespace()).collect::<String>());
        if joined.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("cotjoin1")) {
            return Self::from_text(&joined);
        }
        if text.split_ascii_whitespace().count() < 2 {
            return Err(BadInvitation::Prefix);
        }
        Self::decode(&words::decode(text)?)
    }

    fn from_text(text: &str) -> Result<Invitation, BadInvitation> {
        let checked = CheckedHrpstring::new::<Bech32m>(text).map_err(|_| BadInvitation::Checksum)?;
        let bytes: Zeroizing<Vec<u8>> = Zeroizing::new(checked.byte_iter().collect());
        let invitation = Self::decode(&bytes)?;
        // The bits that are left over in the last character must be zero, or one invitation would have several texts.
        if invitation.to_text().eq_ignore_ascii_case(text) { Ok(invitation) } else { Err(BadInvitation::Checksum) }
    }
}

impl PartialEq for Invitation {
    fn eq(&self, other: &Self) -> bool {
        self.encode().ct_eq(&other.encode()).into()
    }
}

fn pin(charter: &Charter) -> [u8; 16] {
    charter.digest().0[..16].try_into().expect("half of 32")
}

fn good_addresses(addresses: &[Address]) -> bool {
    (1..=MAX_ADDRESSES).contains(&addresses.len()) && BTreeSet::from_iter(addresses).len() == addresses.len()
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    fn invitation(addresses: &[&str]) -> Invitation {
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Invitation::new(room(3, 2).charter(), identity(0).public(), addresses, 1_800_000_000, &mut rng(1)).unwrap()
    }

    fn parse(text: &str) -> Result<Invitation, BadInvitation> {
        Invitation::parse(text)
    }

    #[test]
    fn text_and_words_go_there_and_back() {
        for addresses in [&["203.0.113.7:7100"][..], &["a.example:1", "[2001:db8::1]:2"], &[&format!("{}:1", ["a"; 80].join("."))]] {
            let invitation = invitation(addresses);
            let text = invitation.to_text();
            assert!(parse(&text) == Ok(invitation.clone()) && parse(&text.to_uppercase()) == Ok(invitation.clone()));
            let broken: String =
                text.chars().enumerate().map(|(i, c)| if i % 60 == 59 { format!("{c}\r\n ") } else { c.to_string() }).collect();
            assert!(parse(&broken) == Ok(invitation.clone()));
            assert!(parse(&invitation.to_words().join(" ")) == Ok(invitation));
        }
        let short = invitation(&["203.0.113.7:7100"]);
        assert_eq!((short.to_text().len(), short.to_words().len()), (138, 60));
        assert_eq!(short.expiry(), 1_800_000_060);
    }

    #[test]
    fn every_mistyped_character_is_found() {
        let text = invitation(&["203.0.113.7:7100"]).to_text();
        for at in 0..text.len() {
            for c in ["q", "p", "z", "7", "l", "1", "o"].into_iter().filter(|&c| &text[at..=at] != c) {
                let mut mistyped = text.to_string();
                mistyped.replace_range(at..=at, c);
                assert!(parse(&mistyped).is_err(), "{at} {c}");
            }
            let mut cut = text.to_string();
            cut.remove(at);
            assert!(parse(&cut).is_err(), "{at}");
        }
    }

    #[test]
    fn every_byte_counts() {
        let invitation = invitation(&["a.example:1", "[2001:db8::1]:2"]);
        let bytes = invitation.encode();
        for at in 0..bytes.len() {
            assert!(Invitation::decode(&bytes[..at]).is_err());
            for change in [1, 0x20, 0x80, 0xff] {
                let mut changed = bytes.to_vec();
                changed[at] ^= change;
                assert!(
                    Invitation::decode(&changed).is_ok_and(|other| other != invitation && *other.encode() == changed)
                        || Invitation::decode(&changed).is_err()
                );
            }
        }
        assert!(Invitation::decode(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn a_wrong_word_is_named() {
        let words = invitation(&["203.0.113.7:7100"]).to_words();
        let with = |at: usize, word: &'static str| [&words[..at], &[word], &words[at + 1..]].concat().join(" ");
        let other = if words[20] == "zoo" { "abandon" } else { "zoo" };
        let mistaken = words::BadWords::Mistaken { place: 21, word: other, instead: words[20] };
        assert!(parse(&with(20, other)) == Err(BadInvitation::Words(mistaken)));
        assert!(matches!(
            parse(&with(20, "abandom")),
            Err(BadInvitation::Words(words::BadWords::Unknown { place: 21, nearest: "abandon", .. }))
        ));
    }

    #[test]
    fn other_texts_and_contents_are_refused() {
        for text in ["", "cot1qqqq", "hello", "cotjoin", &"x".repeat(9000)] {
            assert!(parse(text) == Err(BadInvitation::Prefix), "{text}");
        }
        assert!(parse("cotjoin1qqqqqqqqqqqq") == Err(BadInvitation::Checksum));
        let new = |addresses: Vec<Address>, expiry| {
            Invitation::new(room(3, 2).charter(), identity(0).public(), addresses, expiry, &mut rng(1)).err()
        };
        let address = |port: usize| -> Address { format!("h:{port}").parse().unwrap() };
        assert_eq!(new(vec![], 0), Some(BadInvitation::Addresses));
        assert_eq!(new((1..=5).map(address).collect(), 0), Some(BadInvitation::Addresses));
        assert_eq!(new(vec![address(1), address(1)], 0), Some(BadInvitation::Addresses));
        assert_eq!(new(vec![format!("{}:1", ["a"; 100].join(".")).parse().unwrap()], 0), Some(BadInvitation::Addresses));
        assert_eq!(new(vec![address(1)], u64::MAX), Some(BadInvitation::Expiry));
    }

    #[test]
    fn tokens_differ_and_are_known_by_their_id_alone() {
        let (a, b) = (Token::random(&mut rng(1)), Token::random(&mut rng(2)));
        assert!(a.id() != b.id() && a.id() == a.clone().id() && a.id() != *a.0);
        assert!(a.proof(b"m") != b.proof(b"m") && a.proof(b"m") != a.proof(b"n"));
    }
}
