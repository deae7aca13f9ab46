//! What a call sends: pieces of plaintext, and what of the plan makes the bytes that nobody knows.
//!
//! | content | secret bytes |
//! | --- | --- |
//! | bytes | none |
//! | a signed request | the digits of its signature; the key is the sum of all parties' shares, or an item of the vault |
//! | parts | items of the vault |
//!
//! Items are loaded in the session that uses them, and soldered into one input of its plan.

use super::CallError;
use crate::{
    http,
    sign::{circuit, sigv4},
    tls::{JointHole, PieceShape},
    vault::{
        load::{LoadPlan, Wanted},
        share::Share,
    },
};
use cotenant_circuit::{
    Builder, Circuit,
    bytes::{output_bytes, to_bytes},
};
use cotenant_core::{Bits, PartyId};
use cotenant_mpc::{Engine, Given, Input, Online, Segment, Source, Wire};
use cotenant_tls::Piece;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What is sent.
pub enum Content {
    /// These bytes.
    Public(Vec<u8>),
    /// A request signed with AWS Signature Version 4 by a key that no party has.
    Signed(Box<SignedRequest>),
    /// These parts, one after the other.
    Parts(Vec<Part>),
}

/// A part of what is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    /// These bytes.
    Public(Vec<u8>),
    /// The bytes of one of the items that the call loads, by its number.
    Item(usize),
}

/// A request to be signed inside MPC.
pub struct SignedRequest {
    /// The request, without an Authorization header.
    pub request: http::Request,
    /// Date, region, service.
    pub scope: sigv4::Scope,
    /// How the service wants its requests canonicalised.
    pub style: sigv4::Style,
    /// The public half of the key pair.
    pub access_key_id: String,
    /// The secret half.
    pub key: Key,
}

/// A secret access key that no party has.
pub enum Key {
    /// This party's share of it: the key is the exclusive or of all parties' shares.
    Share(Zeroizing<Vec<u8>>),
    /// One of the items that the call loads, by its number.
    Item(usize),
}

/// Hex digits of a signature.
const DIGITS: usize = 64;

/// A request as pieces of plaintext, with what its secret bytes need.
pub(super) struct Message {
    pub(super) pieces: Vec<Piece<JointHole>>,
    pub(super) shape: Vec<PieceShape>,
    /// The items that go in, each as often as it is used.
    items: Vec<usize>,
    signature: Option<Signature>,
}

struct Signature {
    to_sign: sigv4::ToSign,
    key: Key,
    key_bytes: usize,
}

impl Message {
    /// `loaded` are the items that the call loads.
    pub(super) fn new(content: Content, loaded: &[Wanted]) -> Result<Message, CallError> {
        let bytes_of = |item: usize| loaded.get(item).map(|wanted| wanted.origin.item.len).ok_or(CallError::NoItem { number: item });
        match content {
            Content::Public(bytes) => Self::of_parts(vec![Part::Public(bytes)], bytes_of),
            Content::Parts(parts) => Self::of_parts(parts, bytes_of),
            Content::Signed(signed) => Self::signed(*signed, bytes_of),
        }
    }

    fn of_parts(parts: Vec<Part>, bytes_of: impl Fn(usize) -> Result<usize, CallError>) -> Result<Message, CallError> {
        let mut message = Message { pieces: Vec::new(), shape: Vec::new(), items: Vec::new(), signature: None };
        for part in parts {
            match part {
                Part::Public(bytes) => message.push_public(bytes),
                Part::Item(item) => {
                    message.push_hole(bytes_of(item)?);
                    message.items.push(item);
                }
            }
        }
        Ok(message)
    }

    fn signed(signed: SignedRequest, bytes_of: impl Fn(usize) -> Result<usize, CallError>) -> Result<Message, CallError> {
        let SignedRequest { mut request, scope, style, access_key_id, key } = signed;
        let (key_bytes, items) = match &key {
            Key::Share(share) if share.len() == circuit::SECRET_KEY_BYTES => (share.len(), Vec::new()),
            Key::Share(share) => return Err(CallError::Share { found: share.len() }),
            Key::Item(item) => (bytes_of(*item)?, vec![*item]),
        };
        let to_sign = sigv4::prepare(&mut request, &scope, style)?;
        let (before, after) = request.encode_around_hole("Authorization", &to_sign.authorization_prefix(&access_key_id)?)?;
        let signature = Some(Signature { to_sign, key, key_bytes });
        let mut message = Message { pieces: Vec::new(), shape: Vec::new(), items, signature };
        message.push_public(before);
        message.push_hole(DIGITS);
        message.push_public(after);
        Ok(message)
    }

    fn push_public(&mut self, bytes: Vec<u8>) {
        self.shape.push(PieceShape::Public(bytes.len()));
        self.pieces.push(Piece::Public(bytes));
    }

    fn push_hole(&mut self, bytes: usize) {
        self.shape.push(PieceShape::Secret(bytes));
        self.pieces.push(Piece::Secret(JointHole::new(bytes)));
    }
}

/// What is declared for the secret bytes of a message.
pub(super) struct HolesPlan {
    vault: Option<VaultPlan>,
    signing: Option<SigningPlan>,
}

/// The items of a message, as one input.
struct VaultPlan {
    load: LoadPlan,
    which: Vec<usize>,
    input: Input,
}

struct SigningPlan {
    /// Of parties that have shares of the key.
    shares: Vec<Input>,
    words: Input,
    segment: Segment,
}

impl HolesPlan {
    /// Also the wires of all secret bytes, in order.
    pub(super) fn declare<E: Engine>(engine: &mut E, message: &Message, wanted: &[Wanted]) -> Result<(HolesPlan, Vec<Wire>), CallError> {
        let vault = match message.items[..] {
            [] => None,
            _ => Some(VaultPlan::declare(engine, &message.items, wanted)?),
        };
        let items: Vec<Wire> = vault.iter().flat_map(|plan| plan.input.wires()).collect();
        let Some(signature) = &message.signature else { return Ok((HolesPlan { vault, signing: None }, items)) };
        let signing = SigningPlan::declare(engine, signature, items)?;
        let digits = signing.segment.wires().collect();
        Ok((HolesPlan { vault, signing: Some(signing) }, digits))
    }

    /// Whether there is anything to compute.
    pub(super) fn is_empty(&self) -> bool {
        self.vault.is_none() && self.signing.is_none()
    }

    /// Loads the items and computes the signature. All of it stays shared until it is sent.
    pub(super) async fn fill<O: Online>(self, online: &mut O, message: &Message, shares: Vec<Share>) -> Result<(), CallError> {
        if let Some(VaultPlan { load, which, input }) = self.vault {
            let loaded = load.run(online, shares).await?;
            loaded.solder(online, &which, input).await?;
        }
        if let Some((signing, signature)) = self.signing.zip(message.signature.as_ref()) {
            signing.sign(online, signature).await?;
        }
        Ok(())
    }
}

impl VaultPlan {
    fn declare<E: Engine>(engine: &mut E, which: &[usize], wanted: &[Wanted]) -> Result<VaultPlan, CallError> {
        let load = LoadPlan::declare(engine, wanted)?;
        let bytes: usize = which.iter().map(|&item| wanted[item].origin.item.len).sum();
        Ok(VaultPlan { load, which: which.to_vec(), input: engine.declare(Source::Soldered, 8 * bytes) })
    }
}

impl SigningPlan {
    /// `item` are the wires of a key that is an item.
    fn declare<E: Engine>(engine: &mut E, signature: &Signature, item: Vec<Wire>) -> Result<SigningPlan, CallError> {
        let bits = 8 * signature.key_bytes;
        let shares: Vec<Input> = match signature.key {
            Key::Share(_) => PartyId::all(engine.parties()).map(|p| engine.declare(Source::Private(p), bits)).collect(),
            Key::Item(_) => Vec::new(),
        };
        let key: Vec<Wire> = shares.iter().flat_map(Input::wires).chain(item).collect();
        let circuit = Arc::new(signing_circuit(key.len() / bits, signature.key_bytes, &signature.to_sign.scope));
        let words = engine.declare(Source::Public, circuit.inputs() - key.len());
        let wires: Vec<Wire> = key.into_iter().chain(words.wires()).collect();
        let segment = engine.segment(&circuit, &wires)?;
        Ok(SigningPlan { shares, words, segment })
    }

    async fn sign<O: Online>(self, online: &mut O, signature: &Signature) -> Result<(), CallError> {
        let me = Source::Private(online.me());
        let mut given: Vec<Given> = Vec::new();
        for input in self.shares {
            given.push(match &signature.key {
                Key::Share(share) if input.source() == me => Given::Mine(input, Bits::from_bytes(share)),
                _ => Given::Theirs(input),
            });
        }
        given.push(Given::Public(self.words, circuit::string_to_sign_bits(&signature.to_sign).into_iter().collect()));
        online.input(given).await?;
        online.evaluate(self.segment).await?;
        Ok(())
    }
}

/// From the summands of a secret access key, and the words of the string to sign, to the digits of the signature.
fn signing_circuit(summands: usize, key_bytes: usize, scope: &sigv4::Scope) -> Circuit {
    let mut b = Builder::new();
    let mut secret = b.input(8 * key_bytes);
    for _ in 1..summands {
        let share = b.input(secret.len());
        secret = b.xor_bits(&secret, &share);
    }
    let words = circuit::string_to_sign_input(&mut b, scope);
    let key = circuit::signing_key(&mut b, &to_bytes(&secret), scope);
    let digits = circuit::signature(&mut b, &key, &words);
    output_bytes(&mut b, &digits);
    b.finish()
}
