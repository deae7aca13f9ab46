//! What one party can do alone: sign with its share as if it were the key, over an ordinary TLS connection. The server refuses.

use crate::{
    clear::{Heard, exchange},
    deadline::{Deadline, Passed},
    error::Error,
    listing::error_code,
    party::unix_seconds,
    share::S3Share,
    steps::Step,
    target::Site,
};
use cotenant_agent::{
    http::{End, parse},
    sign::{
        date::Timestamp,
        plain::signature_with_whole_key,
        sigv4::{Scope, SigningError, Style, prepare},
    },
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The most that a server may answer, in bytes; more is not read, and so found cut.
const MAX_ANSWER: u64 = 16 << 20;

/// What the server said to one party alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The HTTP status.
    pub status: u16,
    /// The error code in the answer; empty if there is none.
    pub code: String,
}

/// Does one step with a share for a key, and returns what the server says to it within `limit`.
///
/// # Errors
/// Everything that keeps the server from saying anything.
pub async fn attempt(site: &Site, bucket: &str, region: &str, share: &S3Share, step: &Step, limit: Duration) -> Result<Verdict, Error> {
    let mut request = step.request(site, bucket)?;
    let time = Timestamp::from_unix(unix_seconds()).map_err(|_| SigningError::Scope)?;
    let to_sign = prepare(&mut request, &Scope::new("s3", region, time)?, Style::S3)?;
    let signature = signature_with_whole_key(&share.share, &to_sign);
    request.add_header("Authorization", &to_sign.authorization(&share.access_key_id, &signature)?)?;
    let bytes = request.encode();
    let exchanged = exchange(&site.endpoint, &site.server_name, site.config.roots(), &bytes, MAX_ANSWER);
    let answer = Deadline::after(limit).bound(exchanged).await;
    let answer = answer.map_err(|Passed| Error::LateAlone { endpoint: site.endpoint.to_string(), limit })?;
    let Heard { bytes, closed } = answer.map_err(|source| Error::Alone { endpoint: site.endpoint.to_string(), source })?;
    let response = parse(&bytes, request.method(), if closed { End::CloseNotify } else { End::Open });
    let response = response.map_err(|source| Error::Answer { step: step.to_string(), source })?;
    Ok(Verdict { status: response.status, code: error_code(&response.body) })
}
