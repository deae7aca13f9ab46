//! A receipt: that these parties did this, and what came of it, for anyone to verify without asking them.
//!
//! | field | bytes |
//! | --- | --- |
//! | format | 1, of value 1 |
//! | operation, run | each after its length (4) |
//! | result | see [`Outcome`] |
//! | signatures | number (4), then seat (1) and signature (64), seats rising |
//!
//! Each party signs, for the purpose [`PURPOSE`], the hash of the operation digest, the run digest and the result digest. The text form is that of RFC 7468
//! with the label [`LABEL`].

use super::{
    operation::{Audience, BadOperation, Body, MAX_OPERATION, Operation},
    run::{BadRun, Run},
    wire::{MAX_PARTIES, Put, Take, rising, whole},
};
use crate::redact::{self, MAX_RULES, MAX_TIMES};
use cotenant_core::{
    Digest, Domain, PartyId,
    codec::{BadFormat, Reader, Writer},
};
use cotenant_net::{Identity, PublicIdentity};
use pem_rfc7468::LineEnding;
use std::collections::BTreeMap;

/// What the signatures are for.
pub const PURPOSE: &str = "operation receipt";
/// The label of the text form.
pub const LABEL: &str = "COTENANT RECEIPT";
/// The most bytes of a value that was opened.
pub const MAX_VALUE: usize = 1 << 24;
/// The most values: a status beside those of all rules of a policy.
const MAX_VALUES: usize = 1 + MAX_RULES * MAX_TIMES;
/// The longest name: that of a rule, and `.NN` for one of several values.
const MAX_NAME: usize = redact::MAX_NAME + 3;
const MAX_RUN: usize = 1 << 18;
const FORMAT: u8 = 1;

/// What came of a run.
///
/// Number (4) of chains, 0 or 1, and its digest (32); number of values (4), and of each its name (text), 1 and the bytes after their length, or 2, the party
/// (1) and the commitment (32).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Digest of the certificates that the server showed, if there was one.
    pub server_chain: Option<Digest>,
    /// What was opened, in rising order of names.
    pub values: Vec<Value>,
}

/// A value that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// What the operation calls it; up to 66 bytes.
    pub name: String,
    /// To whom, and what.
    pub opened: Opened,
}

/// To whom a value was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// To all who took part: this.
    All(Vec<u8>),
    /// To one of them, who can show what [`commitment`] was of.
    Only {
        /// The party.
        party: PartyId,
        /// The commitment.
        commitment: Digest,
    },
}

/// Commits to a value that one party sees. The nonce is random and is shown with the value.
pub fn commitment(nonce: &[u8; 32], value: &[u8]) -> Digest {
    Domain::OpenedToOne.hasher().field(nonce).field(value).digest()
}

/// A receipt, with the signatures that are there so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    operation: Operation,
    run: Run,
    outcome: Outcome,
    signatures: BTreeMap<PartyId, [u8; 64]>,
}

impl Outcome {
    /// Of an operation that opens nothing.
    pub const NOTHING: Outcome = Outcome { server_chain: None, values: Vec::new() };
}

impl Receipt {
    /// One that nobody has signed.
    ///
    /// # Errors
    /// If run or result are not of the operation, or the result is larger than one that can be read again.
    pub fn new(operation: Operation, run: Run, outcome: Outcome) -> Result<Self, BadReceipt> {
        let receipt = Receipt { operation, run, outcome, signatures: BTreeMap::new() };
        receipt.consistent()?;
        Ok(receipt)
    }

    /// The operation.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// The run.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// What came of it.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// What is signed: the hash of the operation digest, the run digest and the result digest.
    pub fn digest(&self) -> Digest {
        let result = Domain::OperationResult.hasher().field(&self.outcome.write(Writer::new()).done()).digest();
        let mut hasher = Domain::Receipt.hasher();
        hasher.field(&self.operation.digest().0).field(&self.run.digest().0).field(&result.0).digest()
    }

    /// Whether this party has signed.
    pub fn is_signed_by(&self, party: PartyId) -> bool {
        self.signatures.contains_key(&party)
    }

    /// The signature of a party that took part.
    pub fn sign(&self, identity: &Identity) -> [u8; 64] {
        identity.sign(PURPOSE, &self.digest().0)
    }

    /// Adds the signature of a party.
    ///
    /// # Errors
    /// If the party took no part or did not make it.
    pub fn add(&mut self, party: PartyId, signature: [u8; 64]) -> Result<(), BadReceipt> {
        self.check_signature(party, &signature)?;
        self.signatures.insert(party, signature);
        Ok(())
    }

    /// Verifies it: all who took part have signed, with the keys of `members`, and are `threshold` at least. Both whoever verifies knows from elsewhere, as
    /// from the room's parameters: the operation's threshold is its proposer's word.
    ///
    /// # Errors
    /// The first thing that is not right.
    pub fn verify(&self, members: &[PublicIdentity], threshold: u8) -> Result<(), BadReceipt> {
        self.operation.check().map_err(BadReceipt::Operation)?;
        self.consistent()?;
        if !self.operation.is_among(members, threshold) {
            return Err(BadReceipt::Members);
        }
        self.signatures.iter().try_for_each(|(party, signature)| self.check_signature(*party, signature))?;
        let missing = self.operation.quorum.iter().find(|party| !self.signatures.contains_key(party));
        missing.map_or(Ok(()), |party| Err(BadReceipt::Unsigned { party }))
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let to = Writer::new().u8(FORMAT).string(&self.operation.encode()).string(&self.run.encode());
        self.outcome.write(to).list(self.signatures.iter(), |to, (party, signature)| to.seat(*party).put(signature)).done()
    }

    /// Reads canonical bytes, whole and nothing else. Nothing has been verified then.
    ///
    /// # Errors
    /// If they are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadReceipt> {
        whole(bytes, FORMAT, Self::read).map_err(|BadFormat| BadReceipt::Format)
    }

    /// The text form.
    pub fn to_text(&self) -> String {
        pem_rfc7468::encode_string(LABEL, LineEnding::LF, &self.encode()).expect("a receipt is far shorter than memory")
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// If it is none.
    pub fn from_text(text: &str) -> Result<Self, BadReceipt> {
        match pem_rfc7468::decode_vec(text.as_bytes()) {
            Ok((LABEL, bytes)) => Self::decode(&bytes),
            _ => Err(BadReceipt::Format),
        }
    }

    fn consistent(&self) -> Result<(), BadReceipt> {
        self.run.check(&self.operation).map_err(BadReceipt::Run)?;
        let audience = match &self.operation.body {
            Body::Call(call) => call.response.audience,
            _ => Audience::All,
        };
        let as_agreed = |value: &Value| match (&value.opened, audience) {
            (Opened::All(_), Audience::All) => true,
            (Opened::Only { party, .. }, Audience::Only(agreed)) => *party == agreed,
            _ => false,
        };
        if !self.outcome.has_room() {
            return Err(BadReceipt::Size);
        }
        let named = rising(self.outcome.values.iter().map(|value| &value.name));
        if named && self.outcome.values.iter().all(as_agreed) { Ok(()) } else { Err(BadReceipt::Values) }
    }

    fn check_signature(&self, party: PartyId, signature: &[u8; 64]) -> Result<(), BadReceipt> {
        let key = self.operation.members.get(party.index()).filter(|_| self.operation.quorum.contains(party));
        let key = key.ok_or(BadReceipt::TookNoPart { party })?;
        key.verify(PURPOSE, &self.digest().0, signature).map_err(|_| BadReceipt::Signature { party })
    }

    fn read(from: &mut Reader) -> Result<Self, BadFormat> {
        let operation = Operation::decode(&from.string(MAX_OPERATION)?).map_err(|_| BadFormat)?;
        let run = Run::decode(&from.string(MAX_RUN)?)?;
        let outcome = Outcome::read(from)?;
        let signatures = from.list(MAX_PARTIES, |from| Ok((from.seat()?, from.fixed()?)))?;
        if !rising(signatures.iter().map(|(party, _)| party)) {
            return Err(BadFormat);
        }
        Ok(Receipt { operation, run, outcome, signatures: signatures.into_iter().collect() })
    }
}

impl Outcome {
    /// Whether it is within the bounds that [`Outcome::read`] has.
    fn has_room(&self) -> bool {
        let fits = |value: &Value| {
            let bytes = if let Opened::All(bytes) = &value.opened { bytes.len() } else { 0 };
            value.name.len() <= MAX_NAME && bytes <= MAX_VALUE
        };
        self.values.len() <= MAX_VALUES && self.values.iter().all(fits)
    }

    fn write(&self, to: Writer) -> Writer {
        let to = to.list(self.server_chain.iter(), |to, digest| to.digest(digest));
        to.list(self.values.iter(), |to, value| {
            let to = to.string(value.name.as_bytes());
            match &value.opened {
                Opened::All(bytes) => to.u8(1).string(bytes),
                Opened::Only { party, commitment } => to.u8(2).seat(*party).digest(commitment),
            }
        })
    }

    fn read(from: &mut Reader) -> Result<Self, BadFormat> {
        let server_chain = from.list(1, Take::digest)?.pop();
        let values = from.list(MAX_VALUES, |from: &mut Reader| {
            let name = from.text(MAX_NAME)?;
            let opened = match Take::u8(from)? {
                1 => Opened::All(from.string(MAX_VALUE)?),
                2 => Opened::Only { party: from.seat()?, commitment: from.digest()? },
                _ => return Err(BadFormat),
            };
            Ok(Value { name, opened })
        })?;
        Ok(Outcome { server_chain, values })
    }
}

/// Why a receipt proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReceipt {
    /// It is not in the form of a receipt.
    #[error("not a receipt: it starts with -----BEGIN {LABEL}-----")]
    Format,
    /// The operation breaks a rule.
    #[error("the operation: {0}")]
    Operation(BadOperation),
    /// The run is not of the operation.
    #[error("the run: {0}")]
    Run(BadRun),
    /// Values are not in order, or opened to others than was agreed.
    #[error("values were opened to others than was agreed, or are not in order")]
    Values,
    /// There are more values, or longer ones, than a receipt has.
    #[error("more was opened than a receipt has room for")]
    Size,
    /// The members or the threshold are others than whoever verifies knows.
    #[error("the operation is of other members than these, or has another threshold")]
    Members,
    /// A party that took no part has signed.
    #[error("{party} has signed and took no part")]
    TookNoPart {
        /// The party.
        party: PartyId,
    },
    /// A party that took part has not signed.
    #[error("{party} took part and has not signed")]
    Unsigned {
        /// The party.
        party: PartyId,
    },
    /// A signature is not the party's over this receipt.
    #[error("the signature of {party} does not match")]
    Signature {
        /// The party.
        party: PartyId,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approve::{
        operation::tests::{MEMBERS, call, refresh, seat},
        run::tests::run_of,
        wire::one_value_one_encoding,
    };

    fn keys() -> Vec<PublicIdentity> {
        MEMBERS.iter().map(Identity::public).collect()
    }

    fn answer() -> Outcome {
        let opened = Opened::Only { party: seat(1), commitment: commitment(&[3; 32], b"the answer") };
        Outcome { server_chain: Some(Digest([6; 32])), values: vec![Value { name: "answer".into(), opened }] }
    }

    fn signed(operation: &Operation, outcome: Outcome) -> Receipt {
        let mut receipt = Receipt::new(operation.clone(), run_of(operation), outcome).unwrap();
        for party in operation.quorum.iter() {
            receipt.add(party, receipt.sign(&MEMBERS[party.index()])).unwrap();
        }
        receipt
    }

    #[test]
    fn anyone_with_the_keys_can_verify_it() {
        let text = signed(&call(), answer()).to_text();
        assert!(text.starts_with("-----BEGIN COTENANT RECEIPT-----\n") && text.ends_with("-----END COTENANT RECEIPT-----\n"));
        let receipt = Receipt::from_text(&text).unwrap();
        assert_eq!(receipt.verify(&keys(), 2), Ok(()));
        assert_eq!((receipt.operation(), receipt.run(), receipt.outcome()), (&call(), &run_of(&call()), &answer()));
        let opened = Value { name: "kept".into(), opened: Opened::All(b"200".to_vec()) };
        let public = signed(&refresh(), Outcome { server_chain: None, values: vec![opened] });
        assert_eq!(Receipt::from_text(&public.to_text()).unwrap().verify(&keys(), 2), Ok(()));
        assert_eq!(Receipt::from_text(&text.replace("RECEIPT", "RECIPE")), Err(BadReceipt::Format));
        assert_eq!(Receipt::from_text(&text[1..]), Err(BadReceipt::Format));
    }

    #[test]
    fn one_receipt_has_one_encoding_and_no_byte_of_it_can_change() {
        let receipt = signed(&call(), answer());
        let bytes = receipt.encode();
        one_value_one_encoding(&bytes, Receipt::encode, |bytes| Receipt::decode(bytes).ok());
        for at in 0..bytes.len() {
            let mut mutant = bytes.clone();
            mutant[at] ^= 1;
            assert!(Receipt::decode(&mutant).and_then(|receipt| receipt.verify(&keys(), 2)).is_err(), "byte {at}");
        }
    }

    #[test]
    fn every_check_alone() {
        let receipt = signed(&call(), answer());
        let verify = |change: fn(&mut Receipt)| {
            let mut receipt = receipt.clone();
            change(&mut receipt);
            receipt.verify(&keys(), 2)
        };
        assert_eq!(verify(|_| ()), Ok(()));
        assert_eq!(verify(|r| r.signatures.retain(|party, _| *party != seat(1))), Err(BadReceipt::Unsigned { party: seat(1) }));
        assert_eq!(verify(|r| r.operation.epoch = 0), Err(BadReceipt::Operation(BadOperation::Number)));
        assert_eq!(verify(|r| r.operation.number = 42), Err(BadReceipt::Run(BadRun::Operation)));
        assert_eq!(verify(|r| r.run.date -= 1), Err(BadReceipt::Signature { party: seat(0) }));
        assert_eq!(verify(|r| r.outcome.server_chain = None), Err(BadReceipt::Signature { party: seat(0) }));
        let to_all = |r: &mut Receipt| r.outcome.values[0].opened = Opened::All(Vec::new());
        assert_eq!(verify(to_all), Err(BadReceipt::Values), "the answer was for P2");
        let to_other = |r: &mut Receipt| r.outcome.values[0].opened = Opened::Only { party: seat(0), commitment: Digest([0; 32]) };
        assert_eq!(verify(to_other), Err(BadReceipt::Values));
        assert_eq!(verify(|r| r.outcome.values.push(r.outcome.values[0].clone())), Err(BadReceipt::Values), "a name twice");
        let stranger = |r: &mut Receipt| r.signatures.extend([(seat(2), r.sign(&MEMBERS[2]))]);
        assert_eq!(verify(stranger), Err(BadReceipt::TookNoPart { party: seat(2) }));
        let other_purpose = |r: &mut Receipt| r.signatures.extend([(seat(1), MEMBERS[1].sign("log entry", &r.digest().0))]);
        assert_eq!(verify(other_purpose), Err(BadReceipt::Signature { party: seat(1) }));
        let mut others = keys();
        others.swap(1, 2);
        assert_eq!(receipt.verify(&others, 2), Err(BadReceipt::Members), "who verifies knows the room");
        assert_eq!(receipt.verify(&keys(), 3), Err(BadReceipt::Members), "two of a room in which it takes three");
        let mut receipt = receipt;
        let signature = receipt.sign(&MEMBERS[0]);
        assert_eq!(receipt.add(seat(1), signature), Err(BadReceipt::Signature { party: seat(1) }));
        assert_eq!(receipt.add(seat(3), signature), Err(BadReceipt::TookNoPart { party: seat(3) }));
        assert_eq!(Receipt::new(call(), run_of(&refresh()), answer()), Err(BadReceipt::Run(BadRun::Operation)));
    }

    /// What can be written can be read again: all else is lost with the answer.
    #[test]
    fn what_has_no_room_in_a_receipt_is_no_receipt() {
        let of = |number: usize, name: usize, bytes: usize| {
            let value = |k: usize| Value { name: format!("{k:0name$}"), opened: Opened::All(vec![b'x'; bytes]) };
            Outcome { server_chain: None, values: (0..number).map(value).collect() }
        };
        let made = |outcome| Receipt::new(refresh(), run_of(&refresh()), outcome);
        for most in [of(257, 66, 1), of(1, 66, MAX_VALUE)] {
            let receipt = made(most).unwrap();
            assert!(Receipt::decode(&receipt.encode()) == Ok(receipt));
        }
        for more in [of(258, 66, 1), of(1, 67, 1), of(1, 1, MAX_VALUE + 1)] {
            assert!(made(more) == Err(BadReceipt::Size));
        }
    }

    #[test]
    fn a_commitment_is_to_one_value() {
        let one = commitment(&[3; 32], b"the answer");
        assert_ne!(one, commitment(&[3; 32], b"the answes"));
        assert_ne!(one, commitment(&[4; 32], b"the answer"));
    }
}
