//! What people of this party want: to propose, to approve, to refuse.

use super::{
    Operations,
    budget::Exceeded,
    note::Note,
    proposals::{End, Proposal, next_number},
    shell::Closed,
};
use cotenant_agent::{
    approve::{
        deciding::{Deciding, Decision, How, NotCounted},
        escape::escape,
        item::{ItemName, Pick},
        log::{Event as Logged, Grounds},
        operation::{Argument, BadOperation, Body, Operation, Program, Stored},
        person::PersonSignature,
        policy::{Named, Past, Verdict},
        spend::{Effect, Event, NotNow},
        statement::Choice,
        words::{moment, summary},
    },
    flow::FlowError,
    operate::{Entry, Refused, Task, check_uses},
    room::Charter,
    vault::{
        alphabet::Alphabet,
        commit::statement::{Parties, Round},
        item::{Fields, Item, ItemError, Kind, Use},
        sharing::Sharing,
    },
};
use cotenant_core::{Digest, Domain, PartyId};
use zeroize::Zeroizing;

/// The value of a put, or what this party gives to a call.
pub(super) type Value = Zeroizing<Vec<u8>>;

/// What is to be done.
pub enum Aim {
    /// A new item, or a new value of one, which this party gives.
    Put {
        /// Its name.
        name: ItemName,
        /// What its characters are; any bytes if none.
        alphabet: Option<Alphabet>,
        /// What it may be used for.
        uses: Vec<Use>,
        /// What people should know about it.
        note: String,
        /// The value.
        value: Value,
    },
    /// A new item, or a new value of one, which nobody knows.
    Gen {
        /// Its name.
        name: ItemName,
        /// What its characters are; any bytes if none.
        alphabet: Option<Alphabet>,
        /// How many bytes.
        len: usize,
        /// What it may be used for.
        uses: Vec<Use>,
        /// What people should know about it.
        note: String,
    },
    /// New shares of the same values.
    Refresh(Vec<ItemName>),
    /// New shares of all there is, for the members of the room and its threshold.
    Reshare,
    /// Shares for a member that has none, of all that it has none of, or of all there is.
    Repair(String),
    /// A check that shares are right.
    Verify(Vec<ItemName>),
    /// The items are no more.
    Remove(Vec<ItemName>),
    /// A request to a server.
    Call(Asked),
}

/// A request to a server, as somebody asks for it.
pub struct Asked {
    /// The text of the flow.
    pub flow: Vec<u8>,
    /// What everybody may see of what fills its holes.
    pub arguments: Vec<Argument>,
    /// What this party alone knows of it, by holes.
    pub private: Vec<(String, Value)>,
    /// The name of the member that connects; this party if none.
    pub connector: Option<String>,
    /// Digest of the roots that this party judges servers by.
    pub roots: Digest,
}

/// With whom and by when something is to be done.
#[derive(Default)]
pub struct Conditions {
    /// The names of members who take part beside this party. If none are given: all where all are needed, else those it is connected to.
    pub with: Option<Vec<String>>,
    /// Within how many seconds it has to begin; as long as the room allows if none.
    pub within: Option<u32>,
}

/// Why what a person wants is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDone {
    /// There is no such operation in this epoch, or it was over long ago.
    #[error("there is no operation {0} in this epoch of the room, or it is over and stands in the log alone")]
    NoSuch(u64),
    /// The digest is of another operation.
    #[error("operation {0} is another one than was shown")]
    Other(u64),
    /// It is begun or over.
    #[error("operation {0} is not waiting for a decision")]
    NotOpen(u64),
    /// Others decide.
    #[error("operation {0} is for others to decide: this party takes no part in it")]
    NoPart(u64),
    /// Nobody of that name is a member.
    #[error("the room has no member called {}", escape(.0))]
    NoMember(String),
    /// Fewer members are connected than it takes.
    #[error("it takes {needed} members, and connected are only {}", connected.join(", "))]
    TooFew {
        /// Those who are, this party among them.
        connected: Vec<String>,
        /// The threshold.
        needed: usize,
    },
    /// People decide, with signatures.
    #[error("people of this party approve with their keys: sign what is shown, and give the signature")]
    NeedsSignature,
    /// A signature does not count.
    #[error(transparent)]
    NotCounted(#[from] NotCounted),
    /// The ledger forbids it.
    #[error(transparent)]
    NotNow(#[from] NotNow),
    /// The store was made of a backup, and these have not told since what they know.
    #[error("this party was restored from a backup, and has not heard since from {}", .0.join(", "))]
    Unheard(Vec<String>),
    /// It may have been approved and done before the store was restored.
    #[error("this party was restored from a backup and may have done operation {number} before; it decides about what may begin after {}", moment(*.after))]
    BeforeRestore {
        /// The number.
        number: u64,
        /// From when on, in seconds since 1970.
        after: i64,
    },
    /// There is nothing in the vault.
    #[error("there is nothing in the vault")]
    Empty,
    /// The shares are among others than the members.
    #[error("the shares are not among the members of the room: share them out anew first")]
    OtherMembers,
    /// There is nothing of that name.
    #[error("there is no item {0} in the vault")]
    NoItem(ItemName),
    /// The description.
    #[error(transparent)]
    Item(#[from] ItemError),
    /// No flow could ever put the item to a use that it is to have.
    #[error(transparent)]
    Unusable(Refused),
    /// What is private and this party's is not given, or not as the text says.
    #[error("{{{{{0}}}}} is private: give --private {0}=FILE, a file with as many characters, and such, as the @private says")]
    Private(String),
    /// Something is given to what takes nothing.
    #[error("operation {0} is no call, and takes nothing private")]
    NoCall(u64),
    /// This party has not given what it is to give.
    #[error("operation {number} takes what only this party knows: {}", holes.join(", "))]
    NotGiven {
        /// The number.
        number: u64,
        /// What it takes, as it is called in the text.
        holes: Vec<String>,
    },
    /// A connector for a call that sends nothing.
    #[error("a presigned URL is made and not sent, so nobody connects")]
    NothingConnects,
    /// What is given as private is no private hole.
    #[error("no @private says that {{{{{}}}}} is private", escape(.0))]
    NotPrivate(String),
    /// A character of the value is not of the alphabet.
    #[error("the value has a character that is not of its alphabet")]
    Value,
    /// The room is closed.
    #[error(transparent)]
    Closed(#[from] Closed),
    /// The operation breaks a rule.
    #[error(transparent)]
    Operation(#[from] BadOperation),
    /// This party has proposed as much as others take.
    #[error(transparent)]
    Many(#[from] Exceeded),
    /// The text of a call.
    #[error("the flow, {}", escape(&.0.to_string()))]
    Flow(#[from] FlowError),
    /// The call could not run on the vault as it is.
    #[error("{}", escape(&.0.to_string()))]
    Refused(#[from] Refused),
    /// This party cannot judge servers as the room agreed to.
    #[error("{}", escape(.0))]
    Roots(String),
    /// The call is under other roots than the room's.
    #[error("operation {0} is under other trust roots than this party has for the room")]
    OtherRoots(u64),
}

/// Name and version of this program.
pub(super) fn program() -> Program {
    Program { version: format!("cotenant {}", env!("CARGO_PKG_VERSION")), digest: None }
}

/// What stands for the engine's parameters: protocol (2), computational and statistical security (2 each).
pub(super) fn engine_digest(charter: &Charter) -> Digest {
    let engine = &charter.engine;
    let mut hasher = Domain::EngineParameters.hasher();
    hasher.number(engine.protocol.into()).number(engine.computational.into()).number(engine.statistical.into()).digest()
}

impl Operations {
    /// Proposes this to all members, and gives its number. Where no people with keys decide for this party, who proposes approves for it.
    ///
    /// # Errors
    /// If it cannot be proposed.
    pub fn propose(&mut self, aim: Aim, conditions: &Conditions, now: i64) -> Result<u64, NotDone> {
        self.all_heard()?;
        let (operation, value) = self.drafted(aim, conditions, now)?;
        if matches!(operation.body, Body::Call(_)) {
            // What every party would refuse need not be asked.
            self.trial(operation.clone(), now)?;
        }
        self.has_room(&operation, now)?;
        let number = operation.number;
        self.newest = number;
        self.step.changes.newest = Some(number);
        self.accept(operation.clone(), value, now);
        self.send_all(&Note::Proposal(operation.encode()));
        if self.setup.rules.people.is_none() {
            self.decided(number, Choice::Approve, Grounds::People(Vec::new()), now)?;
        }
        self.advance(now);
        Ok(number)
    }

    /// The call that this would be if it were proposed now, as it would be shown, and what would run. Nobody hears of it.
    ///
    /// # Errors
    /// If it cannot be proposed.
    pub fn explain(&self, asked: Asked, conditions: &Conditions, now: i64) -> Result<(Vec<String>, Task), NotDone> {
        self.all_heard()?;
        let (operation, _) = self.drafted(Aim::Call(asked), conditions, now)?;
        self.has_room(&operation, now)?;
        let lines = summary(&operation, |party| self.name(party));
        Ok((lines, self.trial(operation, now)?))
    }

    /// The operation that this is.
    fn drafted(&self, aim: Aim, conditions: &Conditions, now: i64) -> Result<(Operation, Option<Value>), NotDone> {
        let (body, value) = self.body(aim)?;
        let quorum = self.quorum(&body, conditions.with.as_deref())?;
        let operation = self.operation(body, quorum, conditions.within, now);
        operation.check()?;
        Ok((operation, value))
    }

    /// A run of it on the vault as it is, in whichever round it would be.
    fn trial(&self, operation: Operation, now: i64) -> Result<Task, Refused> {
        let settled = self.vault.settled();
        let round = Round { epoch: operation.epoch, version: settled.number() + 1, attempt: 1 };
        let round = operation.body.needs_everyone().then_some(round);
        Task::new(operation, settled.clone(), now, round)
    }

    /// A person of this party has decided about the operation of this number and digest. Where people with keys decide, `signature` is one of theirs.
    ///
    /// # Errors
    /// If that does not count.
    pub fn decide(
        &mut self,
        number: u64,
        digest: Digest,
        choice: Choice,
        signature: Option<&PersonSignature>,
        now: i64,
    ) -> Result<(), NotDone> {
        let people = self.setup.rules.people.is_some();
        self.proposals.get(&number).map_or(Ok(()), |proposal| self.is_after_restore(proposal.operation()))?;
        let proposal = self.proposals.get_mut(&number).ok_or(NotDone::NoSuch(number))?;
        if proposal.digest != digest {
            return Err(NotDone::Other(number));
        }
        if !proposal.has_part(self.me) {
            return Err(NotDone::NoPart(number));
        }
        if !proposal.is_open() || proposal.own.is_some() {
            return Err(NotDone::NotOpen(number));
        }
        if choice == Choice::Approve && proposal.lacks_value(self.me) {
            return Err(NotDone::NotGiven { number, holes: proposal.asks_of(self.me) });
        }
        if !people {
            self.decided(number, choice, Grounds::People(Vec::new()), now)?;
        } else {
            let signature = signature.ok_or(NotDone::NeedsSignature)?;
            let statement = proposal.deciding.statement(choice.clone());
            if proposal.deciding.hear(choice, signature, &mut self.counters, now)? {
                // Written down before it is shown as given: whoever has signed need not do so again.
                proposal.evidence.push(signature.evidence().to_vec());
                self.write_down(number, now);
                self.write_log(now, Logged::Vote { statement, signature: signature.evidence().to_vec() });
            }
            let proposal = &self.proposals[&number];
            let decision = proposal.deciding.decision().clone();
            let grounds = Grounds::People(proposal.evidence.clone());
            match decision {
                Decision::Approved(How::People(_)) => self.decided(number, Choice::Approve, grounds, now)?,
                Decision::Refused(reason) => self.decided(number, Choice::Refuse(reason), grounds, now)?,
                Decision::Pending { .. } | Decision::Approved(How::Policy(_)) | Decision::Expired => {}
            }
        }
        self.advance(now);
        Ok(())
    }

    /// Notes a proposal that was accepted, and asks the policy about it.
    pub(super) fn accept(&mut self, operation: Operation, value: Option<Value>, now: i64) {
        let (number, proposer) = (operation.number, operation.proposer);
        self.budget.take(proposer, now, operation.encode().len());
        let mut proposal = self.proposal(operation);
        proposal.value = value;
        self.proposals.insert(number, proposal);
        if proposer == self.me {
            self.write_down(number, now);
        }
        self.early.about(number).into_iter().for_each(|signed| self.heard_decision(signed.statement.party, signed, now));
        self.ask_policy(number, now);
        self.ask_how_it_ended(number);
    }

    /// Where this party takes no part, it may all be over, and who began it have said so before the proposer said what it was.
    fn ask_how_it_ended(&mut self, number: u64) {
        let proposal = &self.proposals[&number];
        let starter = proposal.starter().filter(|starter| *starter != proposal.operation().proposer);
        if let Some(starter) = starter.filter(|_| !proposal.has_part(self.me)) {
            let told = self.told(true);
            self.send(starter, &told);
        }
    }

    /// Writes into the log what was proposed and what others have said about it, if it does not stand there: that is once this party has decided, or all who
    /// take part without it have approved. What is only proposed leaves nothing, or others could fill the disk.
    pub(super) fn write_down(&mut self, number: u64, now: i64) {
        let Some(proposal) = self.proposals.get_mut(&number).filter(|proposal| !proposal.written) else { return };
        proposal.written = true;
        let theirs = proposal.gathering.said().cloned().map(|signed| Logged::Decision { signed, grounds: Grounds::Theirs });
        let events: Vec<Logged> = [Logged::Proposal(Box::new(proposal.operation().clone()))].into_iter().chain(theirs).collect();
        events.into_iter().for_each(|event| self.write_log(now, event));
    }

    pub(super) fn proposal(&self, operation: Operation) -> Proposal {
        let deciding = Deciding::new(operation.clone(), self.me, self.setup.rules.people.clone());
        Proposal::new(operation, deciding)
    }

    /// What the standing policy does not approve is left to people. Neither is asked about what is done without this party.
    fn ask_policy(&mut self, number: u64, now: i64) {
        let me = self.me;
        let proposal = self.proposals.get_mut(&number);
        // What only people of this party know, no policy gives.
        let proposal = proposal.filter(|proposal| proposal.is_open() && proposal.has_part(me) && !proposal.lacks_value(me));
        let (Some(policy), Some(proposal)) = (&self.setup.rules.policy, proposal) else { return };
        let room = proposal.operation().room;
        match policy.decide(proposal.operation(), now, &self.past) {
            Verdict::Approve { rule } => {
                let what = Named::of(proposal.operation());
                proposal.deciding.by_policy(&rule, now);
                if let Err(error) = self.decided(number, Choice::Approve, Grounds::Policy(rule), now) {
                    tracing::warn!(room = %self.room(), operation = number, %error, "the policy's approval was not given");
                    return;
                }
                self.past.extend(what.map(|what| Past { room, at: now, what }));
                self.proposals.entry(number).and_modify(|proposal| proposal.by_policy = Some(now));
            }
            Verdict::Refuse(refusal) => {
                tracing::info!(%room, operation = number, "not approved without asking: {}", escape(&refusal.to_string()));
                proposal.not_by_policy = Some(refusal);
            }
        }
    }

    /// This party has decided: durably, then signed for the others.
    fn decided(&mut self, number: u64, choice: Choice, grounds: Grounds, now: i64) -> Result<(), NotDone> {
        let proposal = self.proposals.get(&number).ok_or(NotDone::NoSuch(number))?;
        self.is_after_restore(proposal.operation())?;
        let (ledger, effects) = self.ledger.step(Event::Decide(proposal.operation(), choice))?;
        self.ledger = ledger;
        self.write_down(number, now);
        for effect in effects {
            match effect {
                Effect::Persist(ledger) => self.step.changes.ledger = Some((self.setup.parameters.charter().epoch, ledger.encode())),
                Effect::Sign(statement) => {
                    let signed = statement.sign(&self.setup.identity);
                    let proposal = self.proposals.get_mut(&number).ok_or(NotDone::NoSuch(number))?;
                    proposal.hear(signed.clone(), self.me).map_err(|_| NotDone::NotOpen(number))?;
                    self.write_log(now, Logged::Decision { signed: signed.clone(), grounds: grounds.clone() });
                    if let Choice::Refuse(reason) = &signed.statement.choice {
                        let (by, reason) = (self.name(self.me), reason.clone());
                        self.end_unbegun(number, End::Refused { by, reason }, now);
                    }
                    self.send_all(&Note::Decision(signed));
                }
                Effect::Run(_) | Effect::Resume(_) => {}
            }
        }
        Ok(())
    }

    /// Who takes part: this party and whom its people name; else all where it takes all, and those who are connected where it does not. A party that is away
    /// would keep all others waiting.
    fn quorum(&self, body: &Body, with: Option<&[String]>) -> Result<Parties, NotDone> {
        let named = |name: &String| {
            let seat = self.setup.parameters.members().iter().position(|member| member.name == *name);
            seat.map(PartyId::new).ok_or_else(|| NotDone::NoMember(name.clone()))
        };
        if let Some(names) = with {
            return Ok(names.iter().map(named).collect::<Result<Parties, _>>()?.with(self.me));
        }
        let (connected, needed) = (self.linked.with(self.me), usize::from(self.setup.parameters.charter().threshold));
        match body {
            Body::Verify(_) | Body::Call(_) if body.needs_everyone() || needed == self.n() => Ok(Parties::first(self.n())),
            Body::Verify(_) | Body::Call(_) if connected.len() >= needed => Ok(connected),
            Body::Verify(_) | Body::Call(_) => Err(NotDone::TooFew { connected: self.names(connected.iter()), needed }),
            _ => Ok(Parties::first(self.n())),
        }
    }

    /// The next number of this party's own that was used in no earlier epoch.
    fn next_number(&self) -> u64 {
        let next = |newest| next_number(newest, self.me, self.n());
        std::iter::successors(Some(next(self.newest)), |number| Some(next(*number)))
            .find(|number| !self.used.contains(number))
            .expect("there is one")
    }

    fn operation(&self, body: Body, quorum: Parties, within: Option<u32>, now: i64) -> Operation {
        let parameters = &self.setup.parameters;
        let charter = parameters.charter();
        Operation {
            room: charter.room,
            epoch: charter.epoch,
            number: self.next_number(),
            expiry: now.saturating_add(within.map_or(charter.limits.proposal, |within| within.min(charter.limits.proposal)).into()),
            members: parameters.keys().collect(),
            threshold: charter.threshold,
            quorum,
            proposer: self.me,
            program: program(),
            engine: engine_digest(charter),
            body,
        }
    }

    /// The body of an operation, and the value that this party gives.
    fn body(&self, aim: Aim) -> Result<(Body, Option<Value>), NotDone> {
        let stored = |names: Vec<ItemName>| self.stored(names);
        Ok(match aim {
            Aim::Put { name, alphabet, uses, note, value } => {
                if !alphabet.is_none_or(|alphabet| value.iter().all(|byte| alphabet.contains(*byte))) {
                    return Err(NotDone::Value);
                }
                let item = self.item(&name, alphabet, value.len(), uses, note)?;
                (Body::Put { giver: self.me, item }, Some(value))
            }
            Aim::Gen { name, alphabet, len, uses, note } => (Body::Gen(self.item(&name, alphabet, len, uses, note)?), None),
            Aim::Refresh(names) => (Body::Refresh(stored(names)?), None),
            Aim::Reshare => (Body::Reshare(self.all(|_| true)?), None),
            Aim::Repair(member) => (self.repair(&member)?, None),
            Aim::Verify(names) => (Body::Verify(stored(names)?), None),
            Aim::Remove(names) => (Body::Remove(stored(names)?), None),
            Aim::Call(asked) => {
                let (call, private) = self.call(asked)?;
                (Body::Call(call), private)
            }
        })
    }

    fn item(&self, name: &ItemName, alphabet: Option<Alphabet>, len: usize, mut uses: Vec<Use>, note: String) -> Result<Item, NotDone> {
        uses.sort();
        let charter = self.setup.parameters.charter();
        let sharing = Sharing::new(charter.threshold.into(), self.n()).ok_or(NotDone::Operation(BadOperation::Threshold))?;
        let kind = alphabet.map_or(Kind::Bytes, Kind::Text);
        let version = self.vault.settled().next_version(name.as_str());
        let item = Item::new(Fields { name: name.to_string(), version, kind, len, sharing, uses, note })?;
        check_uses(&item).map_err(NotDone::Unusable)?;
        Ok(item)
    }

    /// A repair of what `member` has no share of; of all there is if it has one of each, which may be bad.
    fn repair(&self, member: &str) -> Result<Body, NotDone> {
        let parameters = &self.setup.parameters;
        let seat = parameters.members().iter().position(|other| other.name.eq_ignore_ascii_case(member));
        let member = PartyId::new(seat.ok_or_else(|| NotDone::NoMember(member.to_owned()))?);
        if !parameters.keys().eq(self.vault.settled().members().iter().copied()) {
            return Err(NotDone::OtherMembers);
        }
        let items = self.all(|entry| entry.lacking.contains(member)).or_else(|_| self.all(|_| true))?;
        Ok(Body::Repair { member, items })
    }

    /// All items that are so.
    fn all(&self, so: impl Fn(&Entry) -> bool) -> Result<Vec<Stored>, NotDone> {
        let names = self.vault.settled().items().filter(|entry| so(entry)).map(|entry| ItemName::of(&entry.item));
        let all: Vec<Stored> = names.map(|item| Stored { item, pick: Pick::Newest }).collect();
        if all.is_empty() { Err(NotDone::Empty) } else { Ok(all) }
    }

    /// Items that are in the vault, in the order of their names, each once.
    fn stored(&self, mut names: Vec<ItemName>) -> Result<Vec<Stored>, NotDone> {
        names.sort();
        names.dedup();
        let known = |item: ItemName| match self.vault.settled().get(item.as_str()) {
            Some(_) => Ok(Stored { item, pick: Pick::Newest }),
            None => Err(NotDone::NoItem(item)),
        };
        names.into_iter().map(known).collect()
    }
}
