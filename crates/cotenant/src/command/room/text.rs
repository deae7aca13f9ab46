//! Rooms as text. What others wrote is escaped, though the rules for names leave nothing to escape.

use crate::serve::room::view::{Finding, InvitationView, MemberView, Proposal, RoomView, SeatState, Stage};
use cotenant_agent::approve::{escape::escape, words::moment};

/// A room.
pub(super) fn room(room: &RoomView) -> String {
    let RoomView { id, name, stage, charter, epoch: _, digest, members, join, proposal, draft, notes } = room;
    let mut text = format!("room {} \"{}\": {}\n", escape(id), escape(name), stage_text(*stage));
    for value in charter.iter().filter(|value| !matches!(&*value.what, "room" | "name")) {
        text += &format!("  {:<24}{}\n", escape(&value.what).to_string(), escape(&value.value));
    }
    if let Some(digest) = digest {
        text += &format!("  {:<24}{}\n", "digest", escape(digest));
    }
    text.extend(members.iter().map(member));
    if let Some(join) = join {
        text += &format!("  invited by              {}\n", escape(&join.inviter));
        if !join.confirmed {
            text += &format!("  its words and yours     {}\n", escape(&join.phrase));
            text += "compare them with the inviter's, then: cotenant room confirm\n";
        }
    }
    if let Some(draft) = draft {
        text += "this party drafts a change:\n";
        text.extend(draft.lines.iter().map(|line| format!("  {}\n", escape(line))));
        text.extend(draft.seats.iter().filter(|seat| seat.state != SeatState::Taken).map(member));
    }
    if let Some(proposal) = proposal.as_ref().filter(|proposal| !proposal.own) {
        text += &format!("to be signed: {}\nsee and sign it: cotenant room sign\n", escape(&proposal.digest));
    }
    if let Some(proposal) = proposal.as_ref().filter(|proposal| proposal.own) {
        text += &format!("signed here: {}; not yet known to be signed by {}\n", escape(&proposal.digest), list(&proposal.missing));
    }
    text + &notes.iter().map(|note| format!("note: {}\n", escape(note))).collect::<String>()
}

fn member(member: &MemberView) -> String {
    let MemberView { seat, state, name, fingerprint, addresses, phrase, expiry, own, connected, identity: _ } = member;
    let shown = |text: &Option<String>| escape(text.as_deref().unwrap_or("?")).to_string();
    let mut text = format!("  P{seat:<3}");
    text += &match state {
        SeatState::Open => "open: cotenant room invite".to_owned(),
        SeatState::Invited => format!("invited, until {}", date(expiry.unwrap_or(0))),
        SeatState::Came | SeatState::Taken => {
            let link = match (own, connected) {
                (true, _) => "this party",
                (false, true) => "connected",
                (false, false) => "away",
            };
            let at = if addresses.is_empty() { "only dials".to_owned() } else { list(addresses) };
            format!("{:<20}{}  {link:<11}{at}", format!("\"{}\"", shown(name)), shown(fingerprint))
        }
    };
    text += "\n";
    if let Some(phrase) = phrase {
        text += &format!("      its words and yours: {}\n      compare them, then: cotenant room confirm\n", escape(phrase));
    }
    text
}

/// An invitation.
pub(super) fn invitation(invitation: &InvitationView) -> String {
    let InvitationView { seat, text, words, expiry } = invitation;
    let lines: Vec<String> = words.chunks(10).map(|line| format!("  {}", line.join(" "))).collect();
    format!("{text}\n\nfor seat P{seat}, until {}; as words:\n{}\n", date(*expiry), lines.join("\n"))
}

/// What was checked.
pub(super) fn findings(findings: &[Finding]) -> String {
    let line = |finding: &Finding| {
        let Finding { what, good, found } = finding;
        format!("{:<5}{:<24}{}\n", if *good { "good" } else { "BAD" }, escape(what).to_string(), escape(found))
    };
    findings.iter().map(line).collect()
}

/// The question whether both sides show the same words.
pub(super) fn comparison(who: &str, phrase: &str) -> String {
    format!("This side shows: {}\nDoes {} read the same six words to you?", escape(phrase), escape(who))
}

/// The question whether this is to be signed.
pub(super) fn proposal(proposal: &Proposal) -> String {
    let lines: String = proposal.lines.iter().map(|line| format!("  {}\n", escape(line))).collect();
    format!("{lines}Signed so far by {}. Do you sign this for your party?", list(&proposal.signed))
}

fn stage_text(stage: Stage) -> &'static str {
    match stage {
        Stage::Gathering => "gathering its members",
        Stage::Joining => "you are invited, and have not compared the words",
        Stage::Joined => "you have joined; the others are awaited",
        Stage::Signing => "being signed",
        Stage::Member => "in force",
        Stage::Removed => "you are not a member any more",
    }
}

fn list(texts: &[String]) -> String {
    if texts.is_empty() { "nobody".to_owned() } else { escape(&texts.join(", ")).to_string() }
}

/// A time, in UTC.
fn date(seconds: u64) -> String {
    moment(seconds.try_into().unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::room::view::{DraftView, JoinView, Value};

    #[test]
    fn what_others_wrote_is_shown_escaped() {
        let bad = || "\u{1b}[2J\u{202e}".to_owned();
        let seat = |state| MemberView {
            seat: 1,
            state,
            name: Some(bad()),
            identity: Some(bad()),
            fingerprint: Some(bad()),
            addresses: vec![bad()],
            phrase: Some(bad()),
            expiry: Some(1_800_000_000),
            own: false,
            connected: true,
        };
        let states = [SeatState::Open, SeatState::Invited, SeatState::Came, SeatState::Taken];
        for (own, confirmed) in [(false, false), (true, true)] {
            let proposal = Proposal { digest: bad(), lines: vec![bad()], signed: vec![bad()], missing: vec![bad()], own };
            let shown = RoomView {
                id: bad(),
                name: bad(),
                stage: Stage::Joining,
                charter: vec![Value { what: bad(), value: bad() }],
                epoch: 1,
                digest: Some(bad()),
                members: states.map(seat).to_vec(),
                draft: Some(DraftView { seats: states.map(seat).to_vec(), lines: vec![bad()] }),
                join: Some(JoinView { inviter: bad(), phrase: bad(), confirmed }),
                proposal: Some(proposal.clone()),
                notes: vec![bad()],
            };
            let finding = Finding { what: bad(), good: false, found: bad() };
            let text = [room(&shown), super::proposal(&proposal), findings(&[finding]), comparison(&bad(), &bad())].concat();
            assert!(text.chars().all(|c| c == '\n' || c == ' ' || c.is_ascii_graphic()), "{text}");
            assert!(text.contains("until 2027-01-15 08:00:00 UTC") && text.contains("connected") && text.contains("BAD"), "{text}");
            assert!(text.contains("then: cotenant room confirm\n  P1  \""), "whose words these are: {text}");
            assert_eq!(text.contains("compare them with the inviter's"), !confirmed, "{text}");
        }
    }
}
