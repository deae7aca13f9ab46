//! An operation in words, for those who approve it, and what differs between two.
//!
//! Every field is in some line. What a proposer wrote is escaped, and what has several lines is behind a bar, so that no flow can pass for a line of ours.

use super::{
    escape::{escape, escape_bytes},
    item,
    operation::{Body, Operation, Stored},
};
use crate::{
    sign::date::Timestamp,
    vault::item::{Item, Kind},
};
use cotenant_core::{Digest, PartyId};
use sha2::{Digest as _, Sha256};
use similar::{ChangeTag, TextDiff};
use std::fmt;

mod call;

/// Of a longer argument the first bytes are shown, with the SHA-256 of all.
const SHOWN_ARGUMENT: usize = 4096;
/// Bytes shown on each side of the first that differs.
const CONTEXT: usize = 16;
/// The most lines of a difference that are shown.
const SHOWN_LINES: usize = 60;
/// The most bytes of a line of a difference that are shown.
const SHOWN_BYTES: usize = 512;
/// The most lines that are compared, of each side: that takes up to the product of both in time.
const COMPARED_LINES: usize = 1 << 10;

/// The operation as lines of printable ASCII. `name` says what people here call a member; it is escaped as well.
pub fn summary(operation: &Operation, name: impl Fn(PartyId) -> String) -> Vec<String> {
    let who = |party: PartyId| match name(party) {
        known if known.is_empty() => party.to_string(),
        known => format!("{party} ({})", escape(&known)),
    };
    let mut lines = vec![
        format!("operation {} of room {}, epoch {}", operation.number, operation.room, operation.epoch),
        format!("proposed by {}, may begin until {}", who(operation.proposer), moment(operation.expiry)),
        format!("members {}, of whom any {} can use a secret:", operation.members.len(), operation.threshold),
    ];
    let part = |seat| if operation.quorum.contains(seat) { "takes part" } else { "takes no part" };
    let seats = PartyId::all(operation.members.len()).zip(&operation.members);
    lines.extend(seats.map(|(seat, key)| format!("  {} {key} {}", who(seat), part(seat))));
    let file = operation.program.digest.map_or("any file".to_owned(), |digest| format!("file with SHA-256 {digest}"));
    // What the proposer wrote comes last, so that it cannot pass for the rest of the line.
    lines.push(format!("program {file}, called {}", escape(&operation.program.version)));
    lines.push(format!("engine parameters {}", operation.engine));
    lines.extend(body(operation, &who));
    lines
}

/// In what two operations differ, as lines: `-` is here, `+` is theirs. Empty if they do not.
pub fn diff(ours: &Operation, theirs: &Operation, name: impl Fn(PartyId) -> String) -> Vec<String> {
    let Some(byte) = first_difference(&ours.encode(), &theirs.encode()) else { return Vec::new() };
    let (here, there) = (summary(ours, &name), summary(theirs, &name));
    let (here, there) = without_ends(&here, &there);
    let compared = [&here, &there].map(|side| side.iter().take(COMPARED_LINES).map(String::as_str).collect::<Vec<&str>>());
    let changes = TextDiff::from_slices(&compared[0], &compared[1]);
    let mut lines: Vec<String> = changes.iter_all_changes().filter_map(|change| line(change.tag(), change.value())).collect();
    let more = lines.len().saturating_sub(SHOWN_LINES);
    lines.truncate(SHOWN_LINES);
    lines.extend((more > 0).then(|| format!("and {more} more lines")));
    let [ours, theirs] = [here, there].map(|side| side.len().saturating_sub(COMPARED_LINES));
    lines.iter_mut().for_each(cut);
    lines.extend((ours + theirs > 0).then(|| format!("then {ours} lines here and {theirs} there that are not compared")));
    lines.push(byte.to_string());
    lines
}

/// Leaves so much of a line that all that differs can be kept and shown, however long a text somebody else has sent; the first byte that differs is told anyhow.
fn cut(line: &mut String) {
    if let Some(more) = line.len().checked_sub(SHOWN_BYTES).filter(|more| *more > 0) {
        line.truncate(line.floor_char_boundary(SHOWN_BYTES));
        line.push_str(&format!(" and {more} more bytes"));
    }
}

/// What stands between the lines that are the same at the start and at the end.
fn without_ends<'a>(here: &'a [String], there: &'a [String]) -> (&'a [String], &'a [String]) {
    let start = here.iter().zip(there).take_while(|(a, b)| a == b).count();
    let (here, there) = (&here[start..], &there[start..]);
    let end = here.iter().rev().zip(there.iter().rev()).take_while(|(a, b)| a == b).count();
    (&here[..here.len() - end], &there[..there.len() - end])
}

fn line(tag: ChangeTag, text: &str) -> Option<String> {
    match tag {
        ChangeTag::Equal => None,
        ChangeTag::Delete => Some(format!("- {text}")),
        ChangeTag::Insert => Some(format!("+ {text}")),
    }
}

/// The first byte in which two strings differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByteDifference {
    /// Where, from 0.
    pub offset: usize,
    /// The bytes before it, the same in both.
    pub before: Vec<u8>,
    /// The byte here and those after it; empty at the end.
    pub ours: Vec<u8>,
    /// The byte there and those after it; empty at the end.
    pub theirs: Vec<u8>,
}

/// Finds it, with up to 16 bytes of context on each side; none if the strings are equal.
pub fn first_difference(ours: &[u8], theirs: &[u8]) -> Option<ByteDifference> {
    let offset = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
    if offset == ours.len() && offset == theirs.len() {
        return None;
    }
    let from_there = |bytes: &[u8]| bytes[offset..].iter().take(1 + CONTEXT).copied().collect();
    Some(ByteDifference {
        offset,
        before: ours[offset.saturating_sub(CONTEXT)..offset].to_vec(),
        ours: from_there(ours),
        theirs: from_there(theirs),
    })
}

impl fmt::Display for ByteDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |bytes: &[u8]| match bytes.split_first() {
            Some((byte, after)) => format!("{byte:02x} (\"{}\" then \"{}\")", escape_bytes(&[*byte]), escape_bytes(after)),
            None => "nothing".to_owned(),
        };
        write!(f, "byte {} differs: {} here, {} there", self.offset, side(&self.ours), side(&self.theirs))?;
        write!(f, ", after \"{}\"", escape_bytes(&self.before))
    }
}

fn body(operation: &Operation, who: &impl Fn(PartyId) -> String) -> Vec<String> {
    let list = |what: String, items: &[Stored]| {
        let items = items.iter().map(|stored| format!("  {}, {}", stored.item, stored.pick));
        [what].into_iter().chain(items).collect()
    };
    match &operation.body {
        Body::Put { giver, item } => new_item(format!("{} gives a value, and knows it, for", who(*giver)), item),
        Body::Gen(item) => new_item("draw a value that nobody knows for".to_owned(), item),
        Body::Refresh(items) => list("make fresh shares of the same values of".to_owned(), items),
        Body::Reshare(items) => list("share anew among these members, with this threshold,".to_owned(), items),
        Body::Repair { member, items } => list(format!("give {} usable shares of", who(*member)), items),
        Body::Remove(items) => list("destroy for ever".to_owned(), items),
        Body::Verify(items) => list("check the shares, opening nothing else, of".to_owned(), items),
        Body::Call(inner) => call::lines(inner, &operation.members, who),
    }
}

fn new_item(what: String, new: &Item) -> Vec<String> {
    let kind = match new.kind {
        Kind::Bytes => "bytes".to_owned(),
        Kind::Text(alphabet) => {
            let characters: String = (0..=127u8).filter(|byte| alphabet.contains(*byte)).map(char::from).collect();
            format!("characters of \"{}\"", escape(&characters))
        }
    };
    let mut lines = vec![
        format!("{what} {}, version {}", escape(&new.name), new.version),
        format!("  {} {kind}", new.len),
        format!("  shared among {}, of whom any {} can use it", new.sharing.members(), new.sharing.threshold()),
        format!("  note \"{}\"", escape(&new.note)),
    ];
    lines.extend(new.uses.iter().map(|one| format!("  may be used: {}", item::in_words(one))));
    if new.uses.is_empty() {
        lines.push("  may be used for nothing".to_owned());
    }
    lines
}

/// Every line of a text behind a bar, whatever it holds; a line end is LF.
fn barred(text: &[u8]) -> impl Iterator<Item = String> + '_ {
    text.split(|byte| *byte == b'\n').map(|line| format!("  | {}", escape_bytes(line)))
}

fn value(bytes: &[u8]) -> String {
    if bytes.len() <= SHOWN_ARGUMENT {
        return format!("\"{}\"", escape_bytes(bytes));
    }
    format!("{} bytes with SHA-256 {}, at first \"{}\"", bytes.len(), sha256(bytes), escape_bytes(&bytes[..SHOWN_ARGUMENT]))
}

/// A time, in seconds since 1970, as people read it: `2026-11-21 15:58:49 UTC`.
pub fn moment(seconds: i64) -> String {
    let Ok(time) = Timestamp::from_unix(seconds) else { return format!("second {seconds} since 1970") };
    let digits = time.to_string();
    let [year, month, day, hour, minute, second] = [0..4, 4..6, 6..8, 9..11, 11..13, 13..15].map(|at| &digits[at]);
    format!("{year}-{month}-{day} {hour}:{minute}:{second} UTC")
}

fn sha256(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::approve::operation::tests::{call as a_call, of_every_kind};

    fn nameless(_: PartyId) -> String {
        String::new()
    }

    #[test]
    fn a_call_reads_like_this() {
        let operation = a_call();
        let words = summary(&operation, |party| if party.index() == 0 { "Ada".into() } else { String::new() }).join("\n");
        for part in [
            &format!("operation 41 of room {}, epoch 1", operation.room),
            "proposed by P1 (Ada), may begin until 2027-01-15 09:00:00 UTC",
            "members 3, of whom any 2 can use a secret:",
            &format!("  P3 {} takes no part", operation.members[2]),
            "send a request to https://s3.example port 443, connected by P2",
            "  it is not what its text says, so it will not run",
            "  | PUT https://s3.example/bucket/{{key}}\n  | x-amz-acl: private\n",
            "  argument key = \"report.txt\"",
            "  secret body = what P1 (Ada) gives, 1000 characters of \"0123456789\"",
            "  secret secret = item s3/key, newest version: signs requests to s3.example (Signature Version 4, region us-east-1, service s3)",
            "  of an answer of up to 4096 bytes in 16 records, opened to P2 alone:\n  | open status",
        ] {
            assert!(words.contains(part), "{part:?} is not in\n{words}");
        }
    }

    #[test]
    fn one_changed_byte_has_another_digest_and_is_shown() {
        for operation in of_every_kind() {
            let bytes = operation.encode();
            let mut seen = 0;
            for at in 0..bytes.len() {
                let mut mutant = bytes.clone();
                mutant[at] ^= 1;
                let Ok(other) = Operation::decode(&mutant) else { continue };
                assert_ne!(other.digest(), operation.digest());
                let lines = diff(&operation, &other, nameless);
                assert!(
                    lines.iter().any(|line| line.starts_with("- ")) && lines.iter().any(|line| line.starts_with("+ ")),
                    "byte {at}: {lines:?}"
                );
                assert!(lines.last().unwrap().starts_with(&format!("byte {at} differs: {:02x} (", bytes[at])), "{lines:?}");
                seen += 1;
            }
            assert!(seen > 32, "the loop has seen nothing");
            assert_eq!(diff(&operation, &operation, nameless), Vec::<String>::new());
        }
    }

    #[test]
    fn hostile_text_is_shown_escaped() {
        let mut operation = a_call();
        operation.program.version = "v\u{1b}[31m".into();
        let Body::Call(call) = &mut operation.body else { panic!("it is a call") };
        call.flow = "GET /\u{202e}gpj.exe\nargument key = \"harmless\"\u{7f}\u{200b}".into();
        call.response.policy = b"\xff\x9b2J".to_vec();
        call.arguments[0].value = "\u{1b}]0;title\u{7}".into();
        let words = summary(&operation, |_| "Eve\u{2066}\nadmin".into());
        assert!(words.iter().all(|line| line.bytes().all(|byte| (b' '..=b'~').contains(&byte))), "{words:?}");
        let words = words.join("\n");
        for part in [
            "v\\u{1b}[31m",
            "GET /\\u{202e}gpj.exe",
            "  | argument key = \"harmless\"\\u{7f}\\u{200b}",
            "\\xff\\x9b2J",
            "Eve\\u{2066}\\u{a}admin",
        ] {
            assert!(words.contains(part), "{part}");
        }
    }

    #[test]
    fn long_flows_are_compared_as_far_as_they_are_shown() {
        let long = |letter: &str, last: &str| {
            let mut operation = a_call();
            let Body::Call(call) = &mut operation.body else { panic!("it is a call") };
            call.flow = format!("first\n{}{last}", format!("{letter}\n").repeat(2 * COMPARED_LINES)).into_bytes();
            operation
        };
        let lines = diff(&long("a", "x"), &long("b", "x"), nameless);
        assert_eq!(lines.len(), SHOWN_LINES + 3, "{lines:?}");
        // What follows the text up to the flow's digest, which differs too, is in the rest.
        let others = COMPARED_LINES + 2;
        let rest = format!("then {others} lines here and {others} there that are not compared");
        assert_eq!((lines[0].as_str(), &lines[SHOWN_LINES + 1]), ("-   | a", &rest));
        let lines = diff(&long("a", "x"), &long("a", "y"), nameless);
        let of_text: Vec<&String> = lines.iter().filter(|line| line.contains("  | ")).collect();
        assert_eq!(of_text, ["-   | x", "+   | y"], "what is the same does not count");
    }

    #[test]
    fn a_program_s_name_does_not_pass_for_its_digest() {
        let mut operation = a_call();
        operation.program.digest = None;
        operation.program.version = format!("1, file with SHA-256 {}", Digest([1; 32]));
        let line = summary(&operation, nameless).into_iter().find(|line| line.starts_with("program")).unwrap();
        assert!(line.starts_with("program any file, called 1, "), "{line}");
    }

    #[test]
    fn the_end_of_a_string_differs_too() {
        let difference = first_difference(b"abc", b"abcd").unwrap();
        assert_eq!((difference.offset, difference.ours.len(), difference.theirs.as_slice()), (3, 0, &b"d"[..]));
        assert_eq!(difference.to_string(), "byte 3 differs: nothing here, 64 (\"d\" then \"\") there, after \"abc\"");
        assert_eq!(first_difference(b"abc", b"abc"), None);
    }

    #[test]
    fn a_long_argument_differs_in_its_digest() {
        let long = |last: u8| {
            let mut operation = a_call();
            let Body::Call(call) = &mut operation.body else { panic!("it is a call") };
            call.arguments[0].value = [vec![b'x'; SHOWN_ARGUMENT], vec![last]].concat();
            operation
        };
        let lines = diff(&long(b'y'), &long(b'z'), nameless);
        assert!(lines.len() == 3 && lines[0].contains("4097 bytes with SHA-256"), "{lines:?}");
        assert!(lines[2].contains("79 (\"y\" then ") && lines[2].contains("7a (\"z\" then "), "{lines:?}");
    }
}
