//! Before a session: every member says which run it is about to begin and what is in its vault, and nothing is computed unless all say the same.
//!
//! Message: number of fields (4), then of each field its name and its value, each after its length (4). Lengths are little-endian.
//!
//! A difference is named by field, so people see which item it is. Who tells different members different things is found by the session, which binds the task
//! digest of each; for a removal, which has none, votes name it.

use super::task::Task;
use crate::{
    agree::{AgreeError, Difference},
    sign::date::Timestamp,
    vault::commit::statement::Parties,
};
use cotenant_core::{
    Channel, Digest,
    codec::{BadFormat, Reader, Writer},
};
use std::collections::BTreeMap;

/// The longest message that is read.
pub const MAX_MESSAGE: usize = 1 << 21;

/// Proof that all members said the same of one run.
#[derive(Debug)]
pub struct Compared(Digest);

impl Compared {
    pub(super) fn is(&self, task: Digest) -> bool {
        self.0 == task
    }
}

/// Compares with all parties of the channel, which are those who take part.
///
/// # Errors
/// [`AgreeError::Differ`] with every difference; [`AgreeError::Malformed`]; the channel's.
pub async fn compare<C: Channel>(channel: &mut C, task: &Task) -> Result<Compared, AgreeError> {
    let ours = fields(task);
    let others = channel.me().others(channel.parties());
    let message = encode(&ours);
    for party in others.clone() {
        channel.send(party, message.clone()).await?;
    }
    let mut differences = Vec::new();
    for party in others {
        let mut theirs = decode(&channel.recv(party).await?).map_err(|BadFormat| AgreeError::Malformed { party })?;
        for (field, value) in &ours {
            let there = theirs.remove(field);
            if there.as_ref() != Some(value) {
                differences.push(Difference { field: field.clone(), ours: Some(value.clone()), party, theirs: there });
            }
        }
        differences.extend(theirs.into_iter().map(|(field, value)| Difference { field, ours: None, party, theirs: Some(value) }));
    }
    if differences.is_empty() { Ok(Compared(task.digest())) } else { Err(AgreeError::Differ(differences)) }
}

/// All that the task digest stands for, as people read it.
fn fields(task: &Task) -> BTreeMap<String, String> {
    let (run, before) = (task.run(), task.before());
    let date = Timestamp::from_unix(run.date).map_or_else(|_| run.date.to_string(), |date| date.to_string());
    let round =
        task.round().map_or_else(|| "none".to_owned(), |r| format!("epoch {}, version {}, attempt {}", r.epoch, r.version, r.attempt));
    let version =
        before.version().map_or_else(|| "empty".to_owned(), |version| format!("version {}, made by {}", version.number, version.run));
    let members: Vec<String> = before.members().iter().map(ToString::to_string).collect();
    let fixed = [
        ("operation", run.operation.to_string()),
        ("date", date),
        ("who takes part", seats(run.quorum)),
        ("run", run.digest().to_string()),
        ("commit", round),
        ("room", before.room().to_string()),
        ("vault", version),
        ("members with shares", members.join("\n")),
    ];
    let items = before.items().map(|entry| {
        let (item, sharing) = (&entry.item, entry.item.sharing);
        let value = format!(
            "version {}, {} bytes, {} of {}, made by {}, described by {}, no share at: {}",
            item.version,
            item.len,
            sharing.threshold(),
            sharing.members(),
            entry.run,
            item.digest(),
            seats(entry.lacking)
        );
        (format!("item {}", item.name), value)
    });
    let removed = before.removed().map(|(name, last)| (format!("removed item {name}"), format!("version {last}")));
    fixed.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(items).chain(removed).collect()
}

fn seats(parties: Parties) -> String {
    parties.iter().map(|party| party.to_string()).collect::<Vec<_>>().join(" ")
}

fn encode(fields: &BTreeMap<String, String>) -> Vec<u8> {
    let text = |w: Writer, text: &String| w.bytes(&(text.len() as u32).to_le_bytes()).bytes(text.as_bytes());
    let start = Writer::new().bytes(&(fields.len() as u32).to_le_bytes());
    fields.iter().fold(start, |w, (name, value)| text(text(w, name), value)).done()
}

fn decode(message: &[u8]) -> Result<BTreeMap<String, String>, BadFormat> {
    if message.len() > MAX_MESSAGE {
        return Err(BadFormat);
    }
    let mut r = Reader::new(message);
    let count = u32::from_le_bytes(r.array()?);
    let mut text = || {
        let len = u32::from_le_bytes(r.array()?);
        String::from_utf8(r.bytes(len as usize)?.to_vec()).map_err(|_| BadFormat)
    };
    let mut fields = BTreeMap::new();
    for _ in 0..count {
        let (name, value) = (text()?, text()?);
        if fields.insert(name, value).is_some() {
            return Err(BadFormat);
        }
    }
    r.end()?;
    Ok(fields)
}
