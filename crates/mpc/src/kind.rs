//! Every kind of message that the parties exchange. The first byte of a message is its kind.
//!
//! The cheating-party tests run over [`Kind::ALL`]: a kind without its test does not pass.

use cotenant_core::codec::Writer;

/// A kind of message: the protocol step that sends it, and its layout after the kind byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Kind {
    /// The session is dead; one byte, the check that failed; or 0 and the party that was lost; or 0, a call was given up.
    Notice = 1,
    /// Session: nonce (32), digest of identities and parameters (32).
    Hello = 2,
    /// Digest of all broadcasts so far (32).
    Echo = 3,
    /// Coin toss and simultaneous openings: a commitment (32).
    Commit = 4,
    /// The value and nonce (32) of a commitment.
    Opening = 5,
    /// Base OT, message of the choosing side (the holder of Delta).
    BaseOtChoice = 6,
    /// Base OT, message of the other side.
    BaseOtSend = 7,
    /// Punctured-PRF trees with their consistency check.
    Trees = 8,
    /// Correlated OT: corrections, one bit string for each tree.
    CotCorrection = 9,
    /// Correlated OT: h(b) of each string of a chunk (16, broadcast) and the digest of the column hashes (32, for one party); with more than two parties for all
    /// chunks of a window, answers first.
    CotProof = 10,
    /// Global-key check: two numbered commitments for each test bit (64 each).
    DeltaCommit = 11,
    /// Global-key check: value (16) and nonce (32) of the commitment that the opened bit selects, for each test bit.
    DeltaOpening = 12,
    /// Leaky triples: the half-AND bits g, and U (8 bytes a triple).
    LeakyAnd = 13,
    /// Leaky triples: the bits d.
    LeakyShift = 14,
    /// Bits opened to a party, and the sum of the hashes of their MACs (16).
    Opened = 15,
    /// Digest of the plan (32).
    Plan = 16,
    /// Table rows and b bits of a stretch of gates, from a garbler to the evaluator.
    Tables = 17,
    /// Preparation is over; nothing.
    Sealed = 18,
    /// Digest of public values (32).
    PublicDigest = 19,
    /// Masked values of a party's private input.
    MaskedInput = 20,
    /// Active labels of inputs, from a garbler to the evaluator (16 each).
    InputLabels = 21,
    /// Masked values of the ANDs of the segments of a call, from the evaluator.
    Lambda = 22,
    /// The evaluator's proof to one garbler (16).
    EvaluatorProof = 23,
    /// A garbler's proof to the evaluator (16).
    GarblerProof = 24,
    /// Digest of all masked values of a call (32), between garblers.
    LambdaDigest = 25,
    /// Label differences of soldered wires, from a garbler to the evaluator (16 each).
    Solder = 26,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 26] = {
        use Kind::*;
        [
            Notice,
            Hello,
            Echo,
            Commit,
            Opening,
            BaseOtChoice,
            BaseOtSend,
            Trees,
            CotCorrection,
            CotProof,
            DeltaCommit,
            DeltaOpening,
            LeakyAnd,
            LeakyShift,
            Opened,
            Plan,
            Tables,
            Sealed,
            PublicDigest,
            MaskedInput,
            InputLabels,
            Lambda,
            EvaluatorProof,
            GarblerProof,
            LambdaDigest,
            Solder,
        ]
    };

    /// The kind of a message, from its first byte.
    pub fn of(message: &[u8]) -> Option<Kind> {
        let code = *message.first()?;
        Self::ALL.into_iter().find(|&k| k as u8 == code)
    }

    /// Starts a message of this kind.
    pub(crate) fn message(self) -> Writer {
        Writer::new().bytes(&[self as u8])
    }
}
