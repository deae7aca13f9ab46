use super::*;
use crate::{
    approve::{
        operation::{
            Operation,
            tests::{MEMBERS, NOW, call, refresh, seat, seats},
        },
        policy::{Named, Past},
        run::{Run, tests::run_of},
        statement::{Choice, MAX_REASON, tests::says},
        wire::one_value_one_encoding,
    },
    vault::commit::statement::Parties,
};

const ROOM: RoomId = RoomId([7; 16]);

/// A party's log in a test.
struct Party {
    seat: usize,
    log: Log,
    records: Vec<Vec<u8>>,
}

impl Party {
    fn new(seat: usize) -> Self {
        Party { seat, log: Log::new(MEMBERS[seat].public(), ROOM), records: Vec::new() }
    }

    fn add(&mut self, event: Event) {
        let time = NOW + self.records.len() as i64;
        self.records.push(self.log.append(&MEMBERS[self.seat], time, event));
    }

    fn with(seat: usize, events: impl IntoIterator<Item = Event>) -> Self {
        let mut party = Party::new(seat);
        events.into_iter().for_each(|event| party.add(event));
        party
    }

    fn verify_with(&self, head: Option<&Head>) -> Result<History, BadLog> {
        verify(self.records.iter().map(Vec::as_slice), MEMBERS[self.seat].public(), ROOM, head)
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint::sign(&MEMBERS[self.seat], ROOM, 1, self.log.head())
    }

    fn history(&self) -> History {
        self.verify_with(Some(&self.log.head())).unwrap()
    }
}

fn proposal(operation: &Operation) -> Event {
    Event::Proposal(Box::new(operation.clone()))
}

fn decision(operation: &Operation, party: usize, choice: Choice) -> Event {
    Event::Decision { signed: says(operation, party, choice), grounds: Grounds::Theirs }
}

fn result(run: &Run, outcome: Outcome) -> Event {
    Event::Result { operation: run.operation, run: run.digest(), outcome }
}

/// One event of every kind and variant.
fn events() -> Vec<Event> {
    let (operation, run) = (call(), run_of(&call()));
    let people = Grounds::People(vec![b"-----BEGIN SSH SIGNATURE-----".to_vec(), vec![0xff]]);
    let refuses = Choice::Refuse("\u{1b}[31mno\u{202e}".into());
    vec![
        Event::Epoch { epoch: 1, parameters: Digest([1; 32]) },
        proposal(&operation),
        proposal(&refresh()),
        Event::Decision { signed: says(&operation, 0, Choice::Approve), grounds: people },
        Event::Decision { signed: says(&operation, 1, Choice::Approve), grounds: Grounds::Policy("nightly".into()) },
        decision(&refresh(), 2, refuses),
        Event::Spent(run.clone()),
        Event::MayBeSent { operation: run.operation, run: run.digest() },
        result(&run, Outcome::Done(Digest([5; 32]))),
        result(&run_of(&refresh()), Outcome::Failed("P2 left\n".into())),
        Event::FailedCheck { check: "message format".into(), parties: seats([0, 2]) },
        Event::FailedCheck { check: String::new(), parties: Parties::NONE },
        Event::Void { operation: Digest([9; 32]), reason: None },
        Event::Contradiction { party: seat(1), votes: [vec![1; 70], vec![2; 70]] },
        Event::Void { operation: refresh().digest(), reason: Some("P1 \u{1b}says no".into()) },
        Event::Seen(Party::with(1, [proposal(&refresh())]).checkpoint()),
        Event::Restored(NOW),
        Event::Vote { statement: says(&operation, 0, Choice::Approve).statement, signature: b"-----BEGIN SSH SIGNATURE-----".to_vec() },
        Event::Cleared { party: Some(seat(1)), reason: "disk replaced\u{202e}".into() },
        Event::Cleared { party: None, reason: String::new() },
    ]
}

/// What an error says may be of another party's choosing: a long one must not make a log that is not read back.
#[test]
fn long_texts_are_cut_to_what_is_read() {
    let long = || "\u{e9}".repeat(MAX_REASON);
    let decided = Event::Decision { signed: says(&call(), 0, Choice::Approve), grounds: Grounds::Policy(long()) };
    let failed = Event::FailedCheck { check: long(), parties: Parties::NONE };
    let void = Event::Void { operation: call().digest(), reason: Some(long()) };
    let history = Party::with(0, [proposal(&call()), decided, failed, result(&run_of(&call()), Outcome::Failed(long())), void]).history();
    let Event::Result { outcome: Outcome::Failed(error), .. } = &history.entries()[3].event else { panic!("it failed") };
    assert_eq!(error.len(), MAX_REASON);
    assert!(matches!(&history.entries()[4].event, Event::Void { reason: Some(reason), .. } if reason.len() == MAX_REASON));
}

/// A log with one entry that is not read back would be lost from there on: it is not written.
#[test]
#[should_panic(expected = "what is written into a log is read back")]
fn what_would_not_be_read_back_is_not_written() {
    let grounds = Grounds::People(vec![b"one signature".to_vec(); 65]);
    Party::new(0).add(Event::Decision { signed: says(&call(), 0, Choice::Approve), grounds });
}

#[test]
fn one_entry_has_one_encoding() {
    for event in events() {
        let entry = Entry { sequence: 3, time: NOW, previous: Digest([2; 32]), event };
        one_value_one_encoding(&entry.encode(), Entry::encode, |bytes| Entry::decode(bytes).ok());
    }
}

#[test]
fn one_checkpoint_has_one_encoding() {
    let checkpoint = Party::with(0, events()).checkpoint();
    one_value_one_encoding(&checkpoint.encode(), Checkpoint::encode, |bytes| Checkpoint::decode(bytes).ok());
    let mut bytes = checkpoint.encode();
    for at in 0..bytes.len() {
        bytes[at] ^= 1;
        assert!(!Checkpoint::decode(&bytes).is_ok_and(|checkpoint| checkpoint.is_signed()), "byte {at}");
        bytes[at] ^= 1;
    }
}

/// What a policy has approved is found again after a restart.
#[test]
fn the_past_of_a_policy_is_in_the_log() {
    let history = Party::with(1, events()).history();
    let Some(what) = Named::of(&call()) else { panic!("a policy can name it") };
    assert_eq!(Past::all_in(&history), [Past { room: ROOM, at: NOW + 4, what }], "P2's by its rule; P1's people are not the policy");
    assert_eq!(Past::all_in(&Party::with(2, events()).history()), [], "another party's policy is not this one's");
    let void = Event::Void { operation: call().digest(), reason: None };
    assert_eq!(Past::all_in(&Party::with(1, events().into_iter().chain([void])).history()), [], "what did not run is not counted");
}

#[test]
fn a_log_is_read_back_and_goes_on() {
    let mut party = Party::with(0, events());
    let history = party.history();
    assert!(history.entries().iter().map(|entry| entry.event.clone()).eq(events()));
    assert_eq!((history.head(), Log::resume(&history)), (party.log.head(), party.log.clone()));
    party.log = Log::resume(&history);
    party.add(proposal(&refresh()));
    assert_eq!(party.history().entries().len(), events().len() + 1);
    assert!(party.history().passed(&history.head()) && !history.passed(&party.log.head()));
    assert_eq!(Party::new(0).history().head(), Log::new(MEMBERS[0].public(), ROOM).head());
}

/// Every kind of tampering names the first entry that is wrong.
#[test]
fn tampering_is_named() {
    let party = Party::with(0, events());
    let n = party.records.len();
    let head = party.log.head();
    let fault = |tamper: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut records = party.records.clone();
        tamper(&mut records);
        let tampered = Party { seat: 0, log: party.log.clone(), records };
        tampered.verify_with(Some(&head)).expect_err("it was tampered with")
    };
    for k in 0..n {
        for at in 0..party.records[k].len() {
            let BadLog { sequence, fault } = fault(&|records| records[k][at] ^= 1);
            assert!(sequence == k as u64 && matches!(fault, Fault::Signature | Fault::Format), "byte {at} of entry {k}: {fault}");
        }
        if k + 1 < n {
            let next = k as u64 + 1;
            assert_eq!(fault(&|records| drop(records.remove(k))), BadLog { sequence: k as u64, fault: Fault::Sequence { found: next } });
            assert_eq!(fault(&|records| records.swap(k, k + 1)), BadLog { sequence: k as u64, fault: Fault::Sequence { found: next } });
        }
        let twice = fault(&|records| records.insert(k, records[k].clone()));
        assert_eq!(twice, BadLog { sequence: k as u64 + 1, fault: Fault::Sequence { found: k as u64 } });
        let cut = fault(&|records| records.truncate(k));
        assert_eq!(cut, BadLog { sequence: k as u64, fault: Fault::Missing { entries: n as u64 } });
        assert_eq!(fault(&|records| records[k].truncate(63)), BadLog { sequence: k as u64, fault: Fault::Format });
    }
    let cut = Party { seat: 0, log: party.log.clone(), records: party.records[..2].to_vec() };
    assert!(cut.verify_with(None).is_ok(), "only who knows the head can tell");
}

/// The owner, who can sign, replaces an entry: the chain breaks behind it, and a whole new chain has another head.
#[test]
fn the_owner_cannot_rewrite_unnoticed() {
    let party = Party::with(0, events());
    let replaced = Party::with(0, events().into_iter().enumerate().map(|(k, event)| if k == 4 { proposal(&refresh()) } else { event }));
    let mut one = party.records.clone();
    one[4] = replaced.records[4].clone();
    let one = Party { seat: 0, log: party.log.clone(), records: one };
    assert_eq!(one.verify_with(None), Err(BadLog { sequence: 5, fault: Fault::Chain }));
    let last = BadLog { sequence: events().len() as u64 - 1, fault: Fault::Rewritten };
    assert_eq!(replaced.verify_with(Some(&party.log.head())), Err(last));
    assert!(replaced.verify_with(None).is_ok());
}

/// The owner of a log cannot put words into another party's mouth.
#[test]
fn decisions_are_signed_and_about_what_was_proposed() {
    let verify = |events: Vec<Event>| Party::with(0, events).verify_with(None).map(|history| history.entries().len());
    let decided = || decision(&call(), 2, Choice::Approve);
    let bad = Err(BadLog { sequence: 1, fault: Fault::Decision });
    assert_eq!(verify(vec![proposal(&call()), decided()]), Ok(2));
    assert_eq!(verify(vec![proposal(&refresh()), decided()]), bad);
    let mut turned = says(&call(), 2, Choice::Approve);
    turned.statement.choice = Choice::Refuse(String::new());
    assert_eq!(verify(vec![proposal(&call()), Event::Decision { signed: turned, grounds: Grounds::Theirs }]), bad);
    let mut others = says(&call(), 2, Choice::Approve);
    others.statement.party = seat(1);
    assert_eq!(verify(vec![proposal(&call()), Event::Decision { signed: others, grounds: Grounds::Theirs }]), bad);
}

#[test]
fn a_log_is_of_one_owner_and_room() {
    let party = Party::with(0, events());
    let records = || party.records.iter().map(Vec::as_slice);
    let other_owner = verify(records(), MEMBERS[1].public(), ROOM, None);
    assert_eq!(other_owner, Err(BadLog { sequence: 0, fault: Fault::Signature }));
    let other_room = verify(records(), MEMBERS[0].public(), RoomId([8; 16]), None);
    assert_eq!(other_room, Err(BadLog { sequence: 0, fault: Fault::Chain }));
}

#[test]
fn logs_that_agree() {
    let (operation, run) = (call(), run_of(&call()));
    let shared = || {
        let decisions = [0, 1].map(|k| decision(&operation, k, Choice::Approve));
        [vec![proposal(&operation)], decisions.to_vec(), vec![Event::Spent(run.clone()), result(&run, Outcome::Done(Digest([5; 32])))]]
            .concat()
    };
    let own = Event::Epoch { epoch: 1, parameters: Digest([1; 32]) };
    let (a, mut b) =
        (Party::with(0, shared()), Party::with(1, [vec![own], shared(), vec![proposal(&Operation { number: 42, ..refresh() })]].concat()));
    b.add(Event::Seen(a.checkpoint()));
    assert_eq!(compare(&a.history(), &b.history()), None);
    assert_eq!(compare(&b.history(), &a.history()), None, "what stands in one alone is no difference");
}

#[test]
fn every_difference_is_found_and_shown() {
    let (operation, run) = (call(), run_of(&call()));
    let other = Operation { expiry: operation.expiry + 1, ..operation.clone() };
    let differs = |ours: Event, theirs: Event| {
        let is_decision = matches!(ours, Event::Decision { .. });
        let proposed = if is_decision { vec![proposal(&call())] } else { Vec::new() };
        let divergence = compare(
            &Party::with(0, [proposed.clone(), vec![ours]].concat()).history(),
            &Party::with(1, [proposed, vec![theirs]].concat()).history(),
        )
        .unwrap();
        (divergence.to_string(), divergence)
    };
    let (text, divergence) = differs(proposal(&operation), proposal(&other));
    assert!(matches!(divergence, Divergence::Operation { .. }));
    assert!(text.starts_with("operation 41 of epoch 1 is another one there:\n- proposed by P1, may begin until "), "{text}");
    let (_, divergence) = differs(decision(&operation, 2, Choice::Approve), decision(&operation, 2, Choice::Refuse("no".into())));
    assert_eq!(divergence, Divergence::Decision { number: 41, party: seat(2) });
    let another = Run { date: run.date - 1, ..run.clone() };
    let (_, divergence) = differs(Event::Spent(run.clone()), Event::Spent(another.clone()));
    assert_eq!(divergence, Divergence::Run { operation: run.operation, ours: run.digest(), theirs: another.digest() });
    let failed = Outcome::Failed("\u{1b}".into());
    let (text, divergence) = differs(result(&run, Outcome::Done(Digest([5; 32]))), result(&run, failed.clone()));
    assert_eq!(divergence, Divergence::Outcome { run: run.digest(), ours: Outcome::Done(Digest([5; 32])), theirs: failed });
    assert!(text.is_ascii() && text.contains("\\u{1b}"));
    let elsewhere = verify([], MEMBERS[1].public(), RoomId([8; 16]), None).unwrap();
    assert_eq!(compare(&Party::new(0).history(), &elsewhere), Some(Divergence::Rooms));
}

#[test]
fn whoever_was_told_of_a_log_finds_that_it_was_rewritten_or_cut() {
    let mut honest = Party::with(0, [proposal(&call()), decision(&call(), 2, Choice::Approve)]);
    let told = honest.checkpoint();
    let witness = Party::with(1, [Event::Seen(told)]).history();
    let found = Some(Divergence::Rewritten { owner: MEMBERS[0].public(), told: told.head });
    honest.add(proposal(&refresh()));
    assert_eq!(compare(&honest.history(), &witness), None);
    let cut = Party::with(0, [proposal(&call())]).history();
    assert_eq!(compare(&cut, &witness), found);
    assert_eq!(compare(&witness, &cut), found);
    let rewritten = Party::with(0, [proposal(&call()), proposal(&refresh())]).history();
    assert_eq!(compare(&rewritten, &witness), found);
    // Nobody can make up what another party told.
    let mut forged = Party::with(0, [proposal(&refresh())]).checkpoint();
    forged.head.entries += 1;
    assert!(!forged.is_signed() && told.is_signed());
    assert_eq!(compare(&honest.history(), &Party::with(1, [Event::Seen(forged)]).history()), None);
}

#[test]
fn exported_logs_are_ascii_and_complete() {
    let history = Party::with(0, events()).history();
    let json = history.to_json();
    let text = serde_json::to_string(&json).unwrap();
    assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    let entries = json["entries"].as_array().unwrap();
    assert_eq!(entries.len(), events().len());
    let kinds: Vec<&str> = entries.iter().map(|entry| entry["event"].as_str().unwrap()).collect();
    assert_eq!(kinds[..7], ["epoch", "proposal", "proposal", "decision", "decision", "decision", "spent"]);
    assert_eq!(kinds[7..15], ["may be sent", "result", "result", "failed check", "failed check", "void", "contradiction", "void"]);
    assert_eq!(kinds[15..], ["seen", "restored", "vote", "cleared", "cleared"]);
    assert_eq!(entries[1]["operation"], call().digest().to_string());
    assert_eq!(entries[5]["reason"], "\\u{1b}[31mno\\u{202e}");
    assert_eq!((&entries[4]["grounds"]["policy"], &entries[12]["sequence"]), (&"nightly".into(), &12.into()));
    let bytes = entries[1]["bytes"].as_str().unwrap();
    let bytes: Vec<u8> = (0..bytes.len() / 2).map(|k| u8::from_str_radix(&bytes[2 * k..2 * k + 2], 16).unwrap()).collect();
    assert_eq!(Operation::decode(&bytes), Ok(call()));
}
