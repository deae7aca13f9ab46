//! A log as JSON (RFC 8259), for programs that keep or search logs. All of it is printable ASCII; texts of others are escaped.

use super::{Entry, Event, Grounds, History, Outcome};
use crate::{
    approve::{
        escape::{escape, escape_bytes},
        statement::Choice,
        words,
    },
    hex,
};
use serde_json::{Value, json};

impl History {
    /// `{"owner", "room", "entries": [{"sequence", "time", "digest", "event", …}]}`; digests in hexadecimal.
    pub fn to_json(&self) -> Value {
        let entries: Vec<Value> = self.entries.iter().zip(&self.digests).map(|(entry, digest)| of(entry, &digest.to_string())).collect();
        json!({ "owner": self.owner.to_string(), "room": self.room.to_string(), "entries": entries })
    }
}

fn of(entry: &Entry, digest: &str) -> Value {
    let mut value = event(&entry.event);
    value["sequence"] = entry.sequence.into();
    value["time"] = entry.time.into();
    value["digest"] = digest.into();
    value
}

fn event(event: &Event) -> Value {
    match event {
        Event::Proposal(operation) => json!({
            "event": "proposal",
            "operation": operation.digest().to_string(),
            "epoch": operation.epoch,
            "number": operation.number,
            "words": words::summary(operation, |_| String::new()),
            "bytes": hex::encode(&operation.encode()),
        }),
        Event::Decision { signed, grounds } => {
            let statement = &signed.statement;
            let (approves, reason) = match &statement.choice {
                Choice::Approve => (true, None),
                Choice::Refuse(reason) => (false, Some(escape(reason).to_string())),
            };
            json!({
                "event": "decision",
                "operation": statement.operation.to_string(),
                "number": statement.number,
                "party": statement.party.to_string(),
                "approves": approves,
                "reason": reason,
                "grounds": grounds_of(grounds),
                "signature": hex::encode(&signed.signature),
            })
        }
        Event::Spent(run) => json!({
            "event": "spent",
            "operation": run.operation.to_string(),
            "run": run.digest().to_string(),
            "date": run.date,
            "bytes": hex::encode(&run.encode()),
        }),
        Event::Result { operation, run, outcome } => {
            let (receipt, error) = match outcome {
                Outcome::Done(receipt) => (Some(receipt.to_string()), None),
                Outcome::Failed(error) => (None, Some(escape(error).to_string())),
            };
            json!({
                "event": "result",
                "operation": operation.to_string(),
                "run": run.to_string(),
                "receipt": receipt,
                "error": error,
            })
        }
        Event::MayBeSent { operation, run } => {
            json!({ "event": "may be sent", "operation": operation.to_string(), "run": run.to_string() })
        }
        Event::Epoch { epoch, parameters } => json!({ "event": "epoch", "epoch": epoch, "parameters": parameters.to_string() }),
        Event::FailedCheck { check, parties } => json!({
            "event": "failed check",
            "check": escape(check).to_string(),
            "parties": parties.iter().map(|party| party.to_string()).collect::<Vec<_>>(),
        }),
        Event::Contradiction { party, votes } => json!({
            "event": "contradiction",
            "party": party.to_string(),
            "votes": votes.iter().map(|vote| hex::encode(vote)).collect::<Vec<_>>(),
        }),
        Event::Void { operation, reason } => json!({
            "event": "void",
            "operation": operation.to_string(),
            "reason": reason.as_ref().map(|reason| escape(reason).to_string()),
        }),
        Event::Seen(checkpoint) => json!({
            "event": "seen",
            "owner": checkpoint.owner.to_string(),
            "entries": checkpoint.head.entries,
            "head": checkpoint.head.digest.to_string(),
        }),
        Event::Vote { statement, signature } => json!({
            "event": "vote",
            "operation": statement.operation.to_string(),
            "number": statement.number,
            "approves": statement.choice == Choice::Approve,
            "signature": escape_bytes(signature).to_string(),
        }),
        Event::Restored(at) => json!({ "event": "restored", "at": at }),
        Event::Cleared { party, reason } => json!({
            "event": "cleared",
            "party": party.map(|party| party.to_string()),
            "reason": escape(reason).to_string(),
        }),
    }
}

fn grounds_of(grounds: &Grounds) -> Value {
    match grounds {
        Grounds::Theirs => json!("theirs"),
        Grounds::People(all) => json!({ "people": all.iter().map(|one| escape_bytes(one).to_string()).collect::<Vec<_>>() }),
        Grounds::Policy(rule) => json!({ "policy": escape(rule).to_string() }),
    }
}
