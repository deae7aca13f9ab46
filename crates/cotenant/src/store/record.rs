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

/// The form of what is written here. The first, which is still read, does not say by which epoch parties are numbered: it is the record's own.
const FORM: u8 = 2;
const FIRST_FORM: u8 = 1;

/// A commit record and the signatures of the statements that it tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRecord {
    record: Record<Digest>,
    numbered: u32,
    signatures: Vec<[u8; 64]>,
}

impl SignedRecord {
    /// `record`, whose parties have the numbers of the seats of the epoch `numbered`, with the signature of each statement of [`Record::tell`], in that order.
    /// None if they are not as many.
    pub fn new(record: Record<Digest>, numbered: u32, signatures: Vec<[u8; 64]>) -> Option<Self> {
        (record.tell().len() == signatures.len()).then_some(SignedRecord { record, numbered, signatures })
    }

    /// The record.
    pub fn record(&self) -> &Record<Digest> {
        &self.record
    }

    /// The epoch whose seats are the numbers of parties; numbers behind them are of those of the record's own epoch who are not in it, in their order.
    pub fn numbered(&self) -> u32 {
        self.numbered
    }

    /// What it tells, each with its signature.
    pub fn statements(&self) -> impl Iterator<Item = (Statement<Digest>, [u8; 64])> {
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
        self.signatures.iter().fold(writer, |writer, signature| writer.bytes(signature)).done()
    }

    /// From all of `bytes`.
    ///
    /// # Errors
    /// If they are not what [`SignedRecord::encode`] writes.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadFormat> {
        let mut reader = Reader::new(bytes);
        let numbered = match reader.u8()? {
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
        let count = reader.u16()?;
        let signatures = (0..count).map(|_| reader.array()).collect::<Result<_, _>>()?;
        reader.end()?;
        let numbered = numbered.unwrap_or(record.epoch);
        Self::new(record, numbered, signatures).ok_or(BadFormat)
    }
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
        let signatures = (0..record.tell().len()).map(|i| [i as u8; 64]).collect();
        SignedRecord::new(record, 3, signatures).expect("as many as told")
    }

    #[test]
    fn a_record_goes_there_and_back() {
        for record in [
            example(),
            SignedRecord { numbered: 4, ..example() },
            SignedRecord::new(Record::founder(PartyId::new(0), Parties::first(64)), 1, vec![]).unwrap(),
        ] {
            assert_eq!(SignedRecord::decode(&record.encode()), Ok(record.clone()));
        }
        let record = example().record;
        assert_eq!(record.tell().len(), 8, "the example tells something of each kind");
        assert!(SignedRecord::new(record, 4, vec![[0; 64]; 7]).is_none());
    }

    /// A record of the first form is as if its own epoch's seats were the numbers, as they were.
    #[test]
    fn the_first_form_is_still_read() {
        let record = SignedRecord { numbered: 3, ..example() };
        let bytes = record.encode();
        let first = [&[FIRST_FORM], &bytes[5..]].concat();
        assert_eq!(SignedRecord::decode(&first), Ok(record));
    }

    /// Whatever can be read from changed bytes is written as those bytes again: nothing has two forms.
    #[test]
    fn a_changed_record_is_another_or_none() {
        let bytes = example().encode();
        for at in 0..bytes.len() {
            assert_eq!(SignedRecord::decode(&bytes[..at]), Err(BadFormat), "cut at {at}");
            for flip in [1, 2, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                if let Ok(other) = SignedRecord::decode(&changed) {
                    assert!(other != example() && other.encode() == changed, "byte {at}");
                }
            }
        }
        assert_eq!(SignedRecord::decode(&[&bytes[..], &[0]].concat()), Err(BadFormat));
    }
}
