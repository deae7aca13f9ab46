//! The commit record of an item as bytes, with the signatures of all that it tells others.

use super::field::{Put, Take};
use cotenant_agent::vault::commit::{
    Record,
    statement::{Closing, Entry, Parties, Round, Statement, Version, Vote, Votes},
};
use cotenant_core::{
    PartyId,
    codec::{BadFormat, Reader, Writer},
    domain::Digest,
};
use std::collections::BTreeMap;

/// The form of what is written here. The first is still read: it is from before rooms could change. It does not say by which epoch parties are numbered, it is
/// the record's own, nor which vault an entry began with.
const FORM: u8 = 3;
const FIRST_FORM: u8 = 1;

/// A commit record and the signatures of the statements that it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRecord {
    record: Record<Digest>,
    numbered: u32,
    signatures: Vec<Signature>,
}

/// Under a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    /// Of its signer.
    pub bytes: [u8; 64],
    /// Of ENTERED, the digest of the vault that was signed with it, if it is known; none of any other.
    pub begins_with: Option<Digest>,
}

impl SignedRecord {
    /// `record`, whose parties have the numbers of the seats of the epoch `numbered`, with the signature of each statement of [`Record::tell`], in that order.
    /// None if they are not as many, or another than ENTERED says which vault it begins with.
    pub fn new(record: Record<Digest>, numbered: u32, signatures: Vec<Signature>) -> Option<Self> {
        let told = record.tell();
        let fits = |(statement, signature): (&Statement<Digest>, &Signature)| signature.begins_with.is_none() || is_entered(statement);
        let right = told.len() == signatures.len() && told.iter().zip(&signatures).all(fits);
        right.then_some(SignedRecord { record, numbered, signatures })
    }

    /// The record.
    pub fn record(&self) -> &Record<Digest> {
        &self.record
    }

    /// The epoch whose seats are the numbers of parties; numbers behind them are of those of the record's own epoch who are not in it, in their order, then
    /// of those of the epoch that this party was about to enter before.
    pub fn numbered(&self) -> u32 {
        self.numbered
    }

    /// What it tells, each with its signature.
    pub fn statements(&self) -> impl Iterator<Item = (Statement<Digest>, Signature)> {
        self.record.tell().into_iter().zip(self.signatures.iter().copied())
    }

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let Record { me, members, epoch, settled, holds, attempt, started, votes, entries, proof, old } = &self.record;
        let writer = Writer::new().u8(FORM).u32(self.numbered).seat(*me).u64(mask(*members)).u32(*epoch).option(*settled, put_version);
        let writer = writer.u8((*holds).into()).u32(*attempt).option(*started, put_run);
        let writer = votes.iter().fold(writer.u8(votes.len() as u8), |writer, (&signer, votes)| {
            writer
                .seat(signer)
                .option(votes.prepared, put_run)
                .u8(match votes.closing {
                    None => 0,
                    Some(Closing::Abandoned) => 1,
                    Some(Closing::Committed(_)) => 2,
                })
                .bytes(match &votes.closing {
                    Some(Closing::Committed(run)) => &run.0,
                    _ => &[],
                })
        });
        let writer = entries.iter().fold(writer.u8(entries.len() as u8), |writer, (&signer, &entry)| put_entry(writer.seat(signer), entry));
        let writer = proof.iter().fold(writer.u8(proof.len() as u8), put_statement);
        let writer = writer.u8((*old).into()).u16(self.signatures.len() as u16);
        let signed = self.statements();
        let put = |writer: Writer, (statement, signature): (Statement<Digest>, Signature)| {
            let writer = writer.bytes(&signature.bytes);
            if is_entered(&statement) { writer.option(signature.begins_with, put_run) } else { writer }
        };
        signed.fold(writer, put).done()
    }

    /// From all of `bytes`.
    ///
    /// # Errors
    /// If they are not what [`SignedRecord::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadFormat> {
        let mut reader = Reader::new(bytes);
        let form = reader.u8()?;
        let numbered = match form {
            FORM => Some(reader.u32()?),
            FIRST_FORM => None,
            _ => return Err(BadFormat),
        };
        let record = Record {
            me: reader.seat()?,
            members: parties(reader.u64()?),
            epoch: reader.u32()?,
            settled: reader.option(version)?,
            holds: reader.flag()?,
            attempt: reader.u32()?,
            started: reader.option(run)?,
            votes: map(&mut reader, votes)?,
            entries: map(&mut reader, entry)?,
            proof: (0..reader.u8()?).map(|_| statement(&mut reader)).collect::<Result<_, _>>()?,
            old: reader.flag()?,
        };
        let told = record.tell();
        if usize::from(reader.u16()?) != told.len() {
            return Err(BadFormat);
        }
        let signature = |statement: &Statement<Digest>| {
            let bytes = reader.array()?;
            let begins_with = if form == FORM && is_entered(statement) { reader.option(run)? } else { None };
            Ok(Signature { bytes, begins_with })
        };
        let signatures = told.iter().map(signature).collect::<Result<_, BadFormat>>()?;
        reader.end()?;
        let numbered = numbered.unwrap_or(record.epoch);
        Self::new(record, numbered, signatures).ok_or(BadFormat)
    }
}

fn is_entered(statement: &Statement<Digest>) -> bool {
    matches!(statement.vote, Vote::Entered(_))
}

fn mask(parties: Parties) -> u64 {
    parties.iter().fold(0, |mask, party| mask | 1 << party.index())
}

fn parties(mask: u64) -> Parties {
    PartyId::all(64).filter(|party| mask >> party.index() & 1 == 1).collect()
}

fn put_run(writer: Writer, run: Digest) -> Writer {
    writer.bytes(&run.0)
}

fn run(reader: &mut Reader<'_>) -> Result<Digest, BadFormat> {
    reader.array().map(Digest)
}

fn put_version(writer: Writer, version: Version<Digest>) -> Writer {
    put_run(writer.u64(version.number), version.run)
}

fn version(reader: &mut Reader<'_>) -> Result<Version<Digest>, BadFormat> {
    Ok(Version { number: reader.u64()?, run: run(reader)? })
}

fn put_round(writer: Writer, Round { epoch, version, attempt }: Round) -> Writer {
    writer.u32(epoch).u64(version).u32(attempt)
}

fn round(reader: &mut Reader<'_>) -> Result<Round, BadFormat> {
    Ok(Round { epoch: reader.u32()?, version: reader.u64()?, attempt: reader.u32()? })
}

fn put_entry(writer: Writer, Entry { epoch, members, threshold, base, lacking }: Entry<Digest>) -> Writer {
    writer.u32(epoch).u64(mask(members)).u8(threshold).option(base, put_version).u64(mask(lacking))
}

fn entry(reader: &mut Reader<'_>) -> Result<Entry<Digest>, BadFormat> {
    Ok(Entry {
        epoch: reader.u32()?,
        members: parties(reader.u64()?),
        threshold: reader.u8()?,
        base: reader.option(version)?,
        lacking: parties(reader.u64()?),
    })
}

fn votes(reader: &mut Reader<'_>) -> Result<Votes<Digest>, BadFormat> {
    let prepared = reader.option(run)?;
    let closing = match reader.u8()? {
        0 => None,
        1 => Some(Closing::Abandoned),
        2 => Some(Closing::Committed(run(reader)?)),
        _ => return Err(BadFormat),
    };
    Ok(Votes { prepared, closing })
}

/// Signer (1), kind (1), and what is signed: its canonical bytes.
pub(crate) fn put_statement(writer: Writer, statement: &Statement<Digest>) -> Writer {
    let writer = writer.seat(statement.signer);
    match statement.vote {
        Vote::Prepared(round, run) => put_run(put_round(writer.u8(1), round), run),
        Vote::Committed(round, run) => put_run(put_round(writer.u8(2), round), run),
        Vote::Abandoned(round) => put_round(writer.u8(3), round),
        Vote::Entered(entry) => put_entry(writer.u8(4), entry),
    }
}

/// Reads what [`put_statement`] wrote.
pub(crate) fn statement(reader: &mut Reader<'_>) -> Result<Statement<Digest>, BadFormat> {
    let signer = reader.seat()?;
    let vote = match reader.u8()? {
        1 => Vote::Prepared(round(reader)?, run(reader)?),
        2 => Vote::Committed(round(reader)?, run(reader)?),
        3 => Vote::Abandoned(round(reader)?),
        4 => Vote::Entered(entry(reader)?),
        _ => return Err(BadFormat),
    };
    Ok(Statement { signer, vote })
}

/// Values by party, in rising order.
fn map<T>(
    reader: &mut Reader<'_>,
    mut value: impl FnMut(&mut Reader<'_>) -> Result<T, BadFormat>,
) -> Result<BTreeMap<PartyId, T>, BadFormat> {
    let mut map = BTreeMap::new();
    for _ in 0..reader.u8()? {
        let party = reader.seat()?;
        if map.last_key_value().is_some_and(|(&last, _)| last >= party) {
            return Err(BadFormat);
        }
        map.insert(party, value(reader)?);
    }
    Ok(map)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A record with something in every field.
    pub(in crate::store) fn example() -> SignedRecord {
        let (p, run) = (PartyId::new, |n| Digest([n; 32]));
        let version = |number, n| Version { number, run: run(n) };
        let round = Round { epoch: 3, version: 8, attempt: 2 };
        let entry =
            Entry { epoch: 4, members: Parties::first(3), threshold: 2, base: Some(version(7, 9)), lacking: Parties::NONE.with(p(2)) };
        let abandoned = Vote::Abandoned(Round { attempt: 1, ..round });
        let committed = Votes { prepared: Some(run(1)), closing: Some(Closing::Committed(run(1))) };
        let record = Record {
            me: p(1),
            members: Parties::first(3),
            epoch: 3,
            settled: Some(version(7, 9)),
            holds: true,
            attempt: 2,
            started: Some(run(1)),
            votes: [(p(0), committed), (p(1), Votes { prepared: None, closing: Some(Closing::Abandoned) })].into(),
            entries: [(p(2), entry)].into(),
            proof: vec![
                Statement { signer: p(0), vote: abandoned },
                Statement { signer: p(1), vote: Vote::Prepared(round, run(5)) },
                Statement { signer: p(2), vote: Vote::Committed(round, run(6)) },
                Statement { signer: p(2), vote: Vote::Entered(entry) },
            ],
            old: false,
        };
        let signatures = (0..record.tell().len()).map(|i| Signature { bytes: [i as u8; 64], begins_with: None }).collect();
        SignedRecord::new(record, 3, signatures).expect("as many as told")
    }

    /// The same, and it is known which vault each entry began with.
    fn with_vaults() -> SignedRecord {
        let mut record = example();
        let told = record.record.tell();
        for (statement, signature) in told.iter().zip(&mut record.signatures).filter(|(statement, _)| is_entered(statement)) {
            signature.begins_with = Some(Digest([statement.signer.index() as u8; 32]));
        }
        record
    }

    #[test]
    fn a_record_goes_there_and_back() {
        for record in [
            example(),
            with_vaults(),
            SignedRecord { numbered: 4, ..example() },
            SignedRecord::new(Record::founder(PartyId::new(0), Parties::first(64)), 1, vec![]).unwrap(),
        ] {
            assert_eq!(SignedRecord::decode(&record.encode()), Ok(record.clone()));
        }
        let record = example().record;
        assert_eq!(record.tell().len(), 8, "the example tells something of each kind");
        let plain = Signature { bytes: [0; 64], begins_with: None };
        assert!(SignedRecord::new(record.clone(), 4, vec![plain; 7]).is_none());
        assert!(SignedRecord::new(record, 4, vec![Signature { begins_with: Some(Digest([1; 32])), ..plain }; 8]).is_none());
    }

    /// In the first form every signature is its bytes alone, and its own epoch's seats were the numbers. The second was never released.
    #[test]
    fn the_first_form_is_still_read() {
        let record = SignedRecord { numbered: 3, ..example() };
        let bytes = record.encode();
        // What it says of the two ENTERED, at the end: that their vaults are not known.
        let (all, told) = (bytes.len(), record.record.tell());
        let entered = told.iter().filter(|statement| is_entered(statement)).count();
        let head = &bytes[5..all - 64 * told.len() - entered];
        let signatures: Vec<u8> = record.signatures.iter().flat_map(|signature| signature.bytes).collect();
        let second = [&[2], &3u32.to_le_bytes()[..], head, &signatures].concat();
        let first = [&[FIRST_FORM], head, &signatures].concat();
        assert_eq!([first, second].map(|bytes| SignedRecord::decode(&bytes)), [Ok(record), Err(BadFormat)]);
    }

    /// Whatever can be read from changed bytes is written as those bytes again: nothing has two forms.
    #[test]
    fn a_changed_record_is_another_or_none() {
        let record = with_vaults();
        let bytes = record.encode();
        for at in 0..bytes.len() {
            assert_eq!(SignedRecord::decode(&bytes[..at]), Err(BadFormat), "cut at {at}");
            for flip in [1, 2, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                if let Ok(other) = SignedRecord::decode(&changed) {
                    assert!(other != record && other.encode() == changed, "byte {at}");
                }
            }
        }
        assert_eq!(SignedRecord::decode(&[&bytes[..], &[0]].concat()), Err(BadFormat));
    }
}
