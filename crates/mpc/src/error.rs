//! Who is at fault, and which check noticed.

use cotenant_core::{ChannelError, PartyId, codec::BadFormat};
use std::fmt;

/// A check of the protocol. The notice of a failed check carries its number and nothing more: an index or a column would leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Check {
    /// A message has the length and form that its step demands.
    Format = 1,
    /// A message is of the kind that its step demands.
    Order = 2,
    /// All parties received the same broadcasts.
    Echo = 3,
    /// An opening fits its commitment.
    Commitment = 4,
    /// Base-OT points are valid group elements (Masny-Rindal, ePrint 2019/706).
    BaseOt = 5,
    /// The punctured-PRF trees are well formed (Roy, ePrint 2022/192, section 5).
    PuncturedPrf = 6,
    /// The bits behind a correlated OT are the same in every column and, for n > 2, towards every party (Roy 2022, section 4).
    CorrelatedOt = 7,
    /// The corrupt parties' keys have one sum towards everyone (WRK17b, aShare).
    Delta = 8,
    /// Leaky triples are right (KRRW18 section 4; YWZ20 section 4).
    Triple = 9,
    /// An opened bit is the authenticated one.
    OpenedMac = 10,
    /// All parties made the same plan.
    Plan = 11,
    /// All parties hold the same public value.
    PublicValue = 12,
    /// The evaluator's masked values are those that the garbled tables give, verified by a garbler before it answers.
    EvaluatorProof = 13,
    /// The garblers' tables were right, verified by the evaluator.
    GarblerProof = 14,
    /// All garblers received the same masked values.
    MaskedValues = 15,
}

impl Check {
    /// Every check.
    pub const ALL: [Check; 15] = {
        use Check::*;
        [
            Format,
            Order,
            Echo,
            Commitment,
            BaseOt,
            PuncturedPrf,
            CorrelatedOt,
            Delta,
            Triple,
            OpenedMac,
            Plan,
            PublicValue,
            EvaluatorProof,
            GarblerProof,
            MaskedValues,
        ]
    };

    /// The check with this number, as sent in a notice.
    pub fn from_code(code: u8) -> Option<Check> {
        Self::ALL.into_iter().find(|&c| c as u8 == code)
    }

    /// The name that people and logs see.
    pub fn name(self) -> &'static str {
        match self {
            Check::Format => "message format",
            Check::Order => "message order",
            Check::Echo => "echo of broadcasts",
            Check::Commitment => "commitment opening",
            Check::BaseOt => "base OT points",
            Check::PuncturedPrf => "punctured PRF consistency",
            Check::CorrelatedOt => "correlated OT consistency",
            Check::Delta => "global key consistency",
            Check::Triple => "triple correctness",
            Check::OpenedMac => "MACs of opened bits",
            Check::Plan => "same plan",
            Check::PublicValue => "same public value",
            Check::EvaluatorProof => "evaluator's proof of masked values",
            Check::GarblerProof => "garblers' proof of tables",
            Check::MaskedValues => "same masked values",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What the session was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// Agreeing on the session, base OTs, global-key check.
    Setup,
    /// Authenticated bits and triples.
    Prepare,
    /// Masks and tables of the plan.
    Garble,
    /// Inputs, evaluation, openings.
    Online,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Phase; 4] = [Phase::Setup, Phase::Prepare, Phase::Garble, Phase::Online];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Setup => "set-up",
            Phase::Prepare => "preparation",
            Phase::Garble => "garbling",
            Phase::Online => "online phase",
        })
    }
}

/// Why a session ended before its time. It is dead: nothing of it can be used any more.
#[derive(Debug)]
pub enum Error {
    /// A check failed here: one of the suspects did not follow the protocol.
    Check {
        /// The check.
        check: Check,
        /// The cheating party is among these. One, where the check identifies it.
        suspects: Vec<PartyId>,
        /// What the session was doing.
        phase: Phase,
    },
    /// Another party ended the session.
    Stopped {
        /// The party that stopped.
        by: PartyId,
        /// Why, as it says.
        reason: Reason,
        /// What this party was doing.
        phase: Phase,
    },
    /// The network failed.
    Channel {
        /// To whom, and why.
        source: ChannelError,
        /// What the session was doing.
        phase: Phase,
    },
    /// The caller asked for something the session's state does not allow; nothing was sent.
    Misuse(Misuse),
}

/// Why another party ended a session, as it says. It may pass on what a third party told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// This check failed.
    Check(Check),
    /// The link to this party failed.
    Lost(PartyId),
    /// A caller gave its call up.
    GaveUp,
}

impl Reason {
    /// The reason to give for an error.
    pub(crate) fn of(error: &Error) -> Reason {
        match error {
            Error::Check { check, .. } => Reason::Check(*check),
            Error::Stopped { reason, .. } => *reason,
            Error::Channel { source, .. } => Reason::Lost(source.party),
            Error::Misuse(_) => Reason::GaveUp,
        }
    }

    /// As a notice carries it: the check's number; or 0 and the lost party's position; or 0.
    pub(crate) fn encode(self) -> Vec<u8> {
        match self {
            Reason::Check(check) => vec![check as u8],
            Reason::Lost(party) => vec![0, party.index() as u8],
            Reason::GaveUp => vec![0],
        }
    }

    /// From a notice among `n` parties.
    pub(crate) fn decode(bytes: &[u8], n: usize) -> Option<Reason> {
        match *bytes {
            [0] => Some(Reason::GaveUp),
            [0, party] if usize::from(party) < n => Some(Reason::Lost(PartyId::new(party.into()))),
            [code] => Check::from_code(code).map(Reason::Check),
            _ => None,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Check(check) => write!(f, "check '{check}' failed, it says"),
            Reason::Lost(party) => write!(f, "{party} was lost, it says"),
            Reason::GaveUp => f.write_str("a call was given up, it says"),
        }
    }
}

/// A caller's mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// The session died earlier, or a call was dropped before it ended.
    Dead,
    /// The number of wires, bits or parties does not fit.
    Count,
    /// A wire that is public for the circuit has a secret mask, or does not exist yet.
    NotPublic,
    /// A wire has no value yet.
    NotEvaluated,
    /// A value was given for an input of another kind, or another party's input.
    WrongInput,
    /// A handle of another session or engine.
    Foreign,
    /// A session needs at least two parties and at most 64.
    Parties,
    /// A session is stocked once.
    Stocked,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Misuse::Dead => "the session is dead: a check failed, a link broke or a call was given up earlier",
            Misuse::Count => "the number of wires, bits or parties does not fit",
            Misuse::NotPublic => "a circuit input that is public at run time was wired to a secret wire",
            Misuse::NotEvaluated => "a wire has no value yet",
            Misuse::WrongInput => "the input was declared with another source",
            Misuse::Foreign => "the handle belongs to another session",
            Misuse::Parties => "a session has 2 to 64 parties",
            Misuse::Stocked => "the session has a stock already",
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Check { check, suspects, phase } => {
                write!(f, "check '{check}' failed during {phase}: ")?;
                match suspects.as_slice() {
                    [one] => write!(f, "{one} did not follow the protocol"),
                    many => write!(f, "one of {} did not follow the protocol", Names(many)),
                }
            }
            Error::Stopped { by, reason, phase } => write!(f, "{by} stopped the session during {phase}: {reason}"),
            Error::Channel { source, phase } => write!(f, "{source} (during {phase})"),
            Error::Misuse(m) => write!(f, "{m}"),
        }
    }
}

struct Names<'a>(&'a [PartyId]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(i, p)| if i == 0 { write!(f, "{p}") } else { write!(f, ", {p}") })
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Channel { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<Misuse> for Error {
    fn from(m: Misuse) -> Error {
        Error::Misuse(m)
    }
}

/// What is wrong with a message, before it is known who sent it and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Failed(pub(crate) Check);

impl From<BadFormat> for Failed {
    fn from(_: BadFormat) -> Failed {
        Failed(Check::Format)
    }
}
