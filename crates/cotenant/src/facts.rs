//! What `cotenant s3 --json` prints, for programs that read it.

use crate::{alone::Verdict, stages::StageCost};
use serde::{Deserialize, Serialize};

/// What one party's process did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct S3Facts {
    /// The party, such as `P1`.
    pub party: String,
    /// The steps that succeeded, in order.
    pub steps: Vec<StepFacts>,
    /// What the server said to this party alone, with `--alone`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alone: Option<Verdict>,
}

/// What one step did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StepFacts {
    /// The step without files.
    pub step: String,
    /// The HTTP status.
    pub status: u16,
    /// Bytes of the answer's content.
    pub body_bytes: usize,
    /// The keys in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<String>>,
    /// Whether the bucket holds more keys than those in a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<bool>,
    /// What it cost this party.
    pub stages: Vec<StageCost>,
}
