//! Parameters as people read them: named values, and what changes between two epochs as old and new.
//!
//! Every byte of the parameters is in some line. Names and addresses are plain by the rules of parameters, so nothing here needs escaping.

use super::{
    draft::{Draft, Seat},
    parameters::{Charter, Engine, Limits, Member, Parameters, Trust},
};
use std::{collections::BTreeMap, fmt};

/// One value that is new, gone or another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Which value.
    pub what: String,
    /// What it was.
    pub old: Option<String>,
    /// What it is to be.
    pub new: Option<String>,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".into());
        match (&self.old, &self.new) {
            (None, Some(new)) => write!(f, "{}: {new}", self.what),
            (old, new) => write!(f, "{}: {} -> {}", self.what, shown(old), shown(new)),
        }
    }
}

/// What the members of `new` are asked to sign: all values, or those that differ from `old`.
pub fn lines(old: Option<&Parameters>, new: &Parameters) -> Vec<Line> {
    compare(&old.map(values).unwrap_or_default(), &values(new))
}

/// What a draft changes so far. A seat that nobody has taken yet is open.
pub fn draft_lines(old: &Parameters, draft: &Draft) -> Vec<Line> {
    let mut after = charter_values(draft.charter());
    for (at, seat) in draft.seats().iter().enumerate() {
        match seat {
            Seat::Taken(member) => after.extend(member_values(at, member)),
            Seat::Invited(_, Some(joined)) if joined.confirmed => after.extend(member_values(at, &joined.member)),
            Seat::Open | Seat::Invited(..) => after.push((format!("seat P{}", at + 1), "open".to_owned())),
        }
    }
    compare(&values(old), &after)
}

fn compare(before: &[(String, String)], after: &[(String, String)]) -> Vec<Line> {
    let find = |values: &[(String, String)]| values.iter().cloned().collect::<BTreeMap<_, _>>();
    let (olds, news) = (find(before), find(after));
    let gone = before.iter().filter(|(what, _)| !news.contains_key(what));
    let all =
        after.iter().chain(gone).map(|(what, _)| Line { what: what.clone(), old: olds.get(what).cloned(), new: news.get(what).cloned() });
    all.filter(|line| line.old != line.new).collect()
}

/// The values of a charter alone, for one who is to join.
pub fn charter_values(charter: &Charter) -> Vec<(String, String)> {
    let Charter { room, name, epoch, seats, threshold, engine, trust, limits, previous } = charter;
    let Engine { protocol, computational, statistical } = engine;
    let Limits { call, server, clock, proposal } = limits;
    let mut values = vec![
        ("room", room.to_string()),
        ("name", name.clone()),
        ("epoch", epoch.to_string()),
        ("members", seats.to_string()),
        ("threshold", threshold.to_string()),
        ("engine protocol", protocol.to_string()),
        ("computational security", format!("{computational} bits")),
        ("statistical security", format!("{statistical} bits")),
        ("trust roots", trust.to_string()),
        ("time for an operation", format!("{call} s")),
        ("time for a server", format!("{server} s")),
        ("difference of clocks", format!("{clock} s")),
        ("life of a proposal", format!("{proposal} s")),
    ];
    values.extend(previous.map(|digest| ("follows", digest.to_string())));
    values.into_iter().map(|(what, value)| (what.to_owned(), value)).collect()
}

fn values(parameters: &Parameters) -> Vec<(String, String)> {
    let mut values = charter_values(parameters.charter());
    values.extend(parameters.members().iter().enumerate().flat_map(|(at, member)| member_values(at, member)));
    values
}

fn member_values(at: usize, member: &Member) -> [(String, String); 3] {
    let addresses: Vec<String> = member.addresses.iter().map(ToString::to_string).collect();
    let addresses = if addresses.is_empty() { "only dials".into() } else { addresses.join(", ") };
    let name = &member.name;
    [
        (format!("{name}'s key"), member.key.to_string()),
        (format!("{name}'s seat"), format!("P{}", at + 1)),
        (format!("{name}'s addresses"), addresses),
    ]
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trust::Embedded(digest) => write!(f, "those of the program, {digest}"),
            Trust::Listed(roots) => {
                let roots: Vec<String> = roots.iter().map(|root| crate::hex::encode(root)).collect();
                f.write_str(&roots.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    fn text(old: Option<&Parameters>, new: &Parameters) -> Vec<String> {
        lines(old, new).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_change_reads_as_old_and_new() {
        let old = room(3, 2);
        let mut charter = old.charter().clone();
        charter.threshold = 3;
        let mut members = old.members().to_vec();
        members[2].addresses = vec!["h.example:7".parse().unwrap()];
        let new = Parameters::new(charter, members).unwrap();
        assert_eq!(text(Some(&old), &new), ["threshold: 2 -> 3", "m2's addresses: 127.0.0.1:7002 -> h.example:7"]);
        assert!(text(None, &old).contains(&format!("m1's key: {}", identity(1).public())));
        assert_eq!(text(Some(&old), &old), [""; 0]);
    }

    #[test]
    fn members_that_leave_come_and_lose_their_key_are_seen() {
        let old = room(3, 2);
        let mut members = old.members().to_vec();
        members[1].key = identity(9).public();
        members[2].name = "x".into();
        let lines = text(Some(&old), &Parameters::new(old.charter().clone(), members).unwrap());
        assert!(lines.contains(&format!("m1's key: {} -> {}", identity(1).public(), identity(9).public())), "{lines:?}");
        assert!(
            lines.contains(&format!("x's key: {}", identity(2).public())) && lines.contains(&"m2's seat: P3 -> none".to_owned()),
            "{lines:?}"
        );
    }

    #[test]
    fn a_draft_reads_like_what_it_becomes_and_shows_open_seats() {
        let old = room(3, 2);
        let mut draft = Draft::change(&old, 2);
        draft.set_threshold(3).unwrap();
        draft.add_seat().unwrap();
        draft.vacate(&identity(1).public()).unwrap();
        let lines: Vec<String> = draft_lines(&old, &draft).iter().map(ToString::to_string).collect();
        for line in ["epoch: 1 -> 2", "members: 3 -> 4", "threshold: 2 -> 3", "seat P2: open", "seat P4: open", "m1's seat: P2 -> none"] {
            assert!(lines.contains(&line.to_owned()), "{line} in {lines:?}");
        }
        let mut same = Draft::change(&old, 2);
        same.set_addresses(&identity(2).public(), Vec::new()).unwrap();
        assert_eq!(draft_lines(&old, &same), super::lines(Some(&old), &same.parameters().unwrap()));
    }

    #[test]
    fn every_byte_is_in_some_line() {
        let old = room(3, 2);
        let bytes = old.encode();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            if let Ok(new) = Parameters::decode(&changed) {
                assert!(!lines(Some(&old), &new).is_empty(), "byte {at}");
            }
        }
    }
}
