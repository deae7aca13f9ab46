//! What a call sends: pieces of plaintext, and what of the plan makes the bytes that nobody knows.
//!
//! | content | secret bytes |
//! | --- | --- |
//! | bytes | none |
//! | a signed request | the digits of its signature; the key is the sum of all parties' shares, or an item of the vault |
//! | parts | items of the vault, what one party gives, and what is made of both |
//!
//! Items are loaded in the session that uses them, and soldered into one input of its plan.

use super::{
    CallError,
    parts::{Part, Parts, PartsPlan, Recipe},
};
use crate::{
    built::Built,
    http,
    sign::{circuit, plain::signature_with_whole_key, sigv4},
    tls::{JointHole, PieceShape},
    vault::{
        item::Item,
        load::{LoadPlan, Wanted},
        share::Share,
    },
};
use chacha20::ChaCha20Rng;
use cotenant_circuit::{
    Builder, Circuit,
    bytes::{output_bytes, to_bytes},
};
use cotenant_core::{Bits, PartyId};
use cotenant_mpc::{Engine, Given, Input, Online, Segment, Source, Wire};
use cotenant_tls::Piece;
use zeroize::Zeroizing;

/// What is sent.
pub enum Content {
    /// These bytes.
    Public(Vec<u8>),
    /// A request signed with AWS Signature Version 4 by a key that no party has.
    Signed(Box<SignedRequest>),
    /// These parts, one after the other.
    Parts(Parts),
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
    secrets: Secrets,
}

/// What makes the secret bytes of a message.
enum Secrets {
    Signature(Signature),
    Recipe(Recipe),
}

/// A signature over a text that all know.
pub(crate) struct Signature {
    pub(super) to_sign: sigv4::ToSign,
    pub(super) key: Key,
    pub(super) key_bytes: usize,
}

impl SignedRequest {
    /// What one sends who has the whole key.
    pub(crate) fn by_one(self, key: &[u8]) -> Result<Vec<u8>, CallError> {
        let SignedRequest { mut request, scope, style, access_key_id, .. } = self;
        let to_sign = sigv4::prepare(&mut request, &scope, style)?;
        let (before, after) = request.encode_around_hole("Authorization", &to_sign.authorization_prefix(&access_key_id)?)?;
        Ok([&before[..], &signature_with_whole_key(key, &to_sign), &after].concat())
    }
}

impl Message {
    /// `loaded` are the items that the call loads.
    pub(super) fn new(content: Content, loaded: &[Wanted]) -> Result<Message, CallError> {
        match content {
            Content::Public(bytes) => Self::of_parts(Parts::public(bytes), loaded),
            Content::Parts(parts) => Self::of_parts(parts, loaded),
            Content::Signed(signed) => Self::signed(*signed, loaded),
        }
    }

    fn of_parts(Parts { secrets, made, parts }: Parts, loaded: &[Wanted]) -> Result<Message, CallError> {
        let items: Vec<&Item> = loaded.iter().map(|wanted| &wanted.origin.item).collect();
        let mut recipe = Recipe::new(secrets, made, &items)?;
        let (mut pieces, mut shape) = (Vec::new(), Vec::new());
        for part in parts {
            match part {
                Part::Public(bytes) => push_public(&mut pieces, &mut shape, bytes),
                Part::Secret(number) => push_hole(&mut pieces, &mut shape, recipe.sent(number)?),
            }
        }
        Ok(Message { pieces, shape, secrets: Secrets::Recipe(recipe) })
    }

    fn signed(signed: SignedRequest, loaded: &[Wanted]) -> Result<Message, CallError> {
        let SignedRequest { mut request, scope, style, access_key_id, key } = signed;
        let key_bytes = match &key {
            Key::Share(share) if share.len() == circuit::SECRET_KEY_BYTES => share.len(),
            Key::Share(share) => return Err(CallError::Share { found: share.len() }),
            Key::Item(item) => loaded.get(*item).ok_or(CallError::NoItem { number: *item })?.origin.item.len,
        };
        let to_sign = sigv4::prepare(&mut request, &scope, style)?;
        let (before, after) = request.encode_around_hole("Authorization", &to_sign.authorization_prefix(&access_key_id)?)?;
        let (mut pieces, mut shape) = (Vec::new(), Vec::new());
        push_public(&mut pieces, &mut shape, before);
        push_hole(&mut pieces, &mut shape, DIGITS);
        push_public(&mut pieces, &mut shape, after);
        Ok(Message { pieces, shape, secrets: Secrets::Signature(Signature { to_sign, key, key_bytes }) })
    }
}

fn push_public(pieces: &mut Vec<Piece<JointHole>>, shape: &mut Vec<PieceShape>, bytes: Vec<u8>) {
    shape.push(PieceShape::Public(bytes.len()));
    pieces.push(Piece::Public(bytes));
}

fn push_hole(pieces: &mut Vec<Piece<JointHole>>, shape: &mut Vec<PieceShape>, bytes: usize) {
    shape.push(PieceShape::Secret(bytes));
    pieces.push(Piece::Secret(JointHole::new(bytes)));
}

/// What is declared for the secret bytes of a message.
pub(super) enum HolesPlan {
    Signature { key: Option<VaultPlan>, signing: SigningPlan },
    Parts(PartsPlan),
}

/// Items of the vault, as one input.
pub(crate) struct VaultPlan {
    load: LoadPlan,
    which: Vec<usize>,
    input: Input,
}

/// What is declared for it.
pub(crate) struct SigningPlan {
    /// Of parties that have shares of the key.
    shares: Vec<Input>,
    words: Input,
    segment: Segment,
}

impl HolesPlan {
    /// Also the wires of all secret bytes, in order.
    pub(super) fn declare<E: Engine>(engine: &mut E, message: &Message, wanted: &[Wanted]) -> Result<(HolesPlan, Vec<Wire>), CallError> {
        let signature = match &message.secrets {
            Secrets::Recipe(recipe) => {
                let (plan, wires) = PartsPlan::declare(engine, recipe, wanted)?;
                return Ok((HolesPlan::Parts(plan), wires));
            }
            Secrets::Signature(signature) => signature,
        };
        let key = match signature.key {
            Key::Share(_) => None,
            Key::Item(item) => Some(VaultPlan::declare(engine, &[item], wanted)?),
        };
        let signing = SigningPlan::declare(engine, signature, key.iter().flat_map(VaultPlan::wires).collect())?;
        let digits = signing.segment.wires().collect();
        Ok((HolesPlan::Signature { key, signing }, digits))
    }

    /// Whether there is anything to compute.
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, HolesPlan::Parts(plan) if plan.is_empty())
    }

    /// Loads the items and computes what is made of them. All of it stays shared until it is sent. `given` is what this party gives.
    pub(super) async fn fill<O: Online>(
        self,
        online: &mut O,
        message: &Message,
        (shares, given): (Vec<Share>, Zeroizing<Vec<u8>>),
        rng: &mut ChaCha20Rng,
    ) -> Result<(), CallError> {
        match (self, &message.secrets) {
            (HolesPlan::Parts(plan), Secrets::Recipe(recipe)) => plan.fill(online, recipe, (shares, given), rng).await,
            (HolesPlan::Signature { key, signing }, Secrets::Signature(signature)) => {
                if let Some(plan) = key {
                    plan.load(online, shares).await?;
                }
                signing.sign(online, signature).await?;
                Ok(())
            }
            _ => unreachable!("a plan is declared for its message"),
        }
    }
}

impl VaultPlan {
    pub(super) fn declare<E: Engine>(engine: &mut E, which: &[usize], wanted: &[Wanted]) -> Result<VaultPlan, CallError> {
        let load = LoadPlan::declare(engine, wanted)?;
        let bytes: usize = which.iter().map(|&item| wanted[item].origin.item.len).sum();
        Ok(VaultPlan { load, which: which.to_vec(), input: engine.declare(Source::Soldered, 8 * bytes) })
    }

    /// The items' wires, one after the other.
    pub(super) fn wires(&self) -> impl ExactSizeIterator<Item = Wire> + Clone + use<> {
        self.input.wires()
    }

    pub(super) async fn load<O: Online>(self, online: &mut O, shares: Vec<Share>) -> Result<(), CallError> {
        let loaded = self.load.run(online, shares).await?;
        Ok(loaded.solder(online, &self.which, self.input).await?)
    }
}

impl SigningPlan {
    /// `item` are the wires of a key that is an item.
    pub(super) fn declare<E: Engine>(engine: &mut E, signature: &Signature, item: Vec<Wire>) -> Result<SigningPlan, CallError> {
        let bits = 8 * signature.key_bytes;
        let shares: Vec<Input> = match signature.key {
            Key::Share(_) => PartyId::all(engine.parties()).map(|p| engine.declare(Source::Private(p), bits)).collect(),
            Key::Item(_) => Vec::new(),
        };
        let key: Vec<Wire> = shares.iter().flat_map(Input::wires).chain(item).collect();
        let (summands, bytes, scope) = (key.len() / bits, signature.key_bytes, &signature.to_sign.scope);
        let circuit = SIGNING.get((summands, bytes, scope.to_string()), || signing_circuit(summands, bytes, scope));
        let words = engine.declare(Source::Public, circuit.inputs() - key.len());
        let wires: Vec<Wire> = key.into_iter().chain(words.wires()).collect();
        let segment = engine.segment(&circuit, &wires)?;
        Ok(SigningPlan { shares, words, segment })
    }

    /// The digits.
    pub(super) async fn sign<O: Online>(self, online: &mut O, signature: &Signature) -> Result<O::Verified, cotenant_mpc::Error> {
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
        online.evaluate(self.segment).await
    }
}

/// By the number of summands, bytes of the key, and date, region and service.
static SIGNING: Built<(usize, usize, String)> = Built::new();

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
