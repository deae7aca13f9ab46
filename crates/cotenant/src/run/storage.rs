//! A party's own storage: S3 or what speaks like it, with a key of the party's own, for objects that are sealed or that all may see.
//!
//! Everything goes by presigned URLs, which are made here and signed by this party alone: the machine has no key of anybody's storage.

use super::{MAX_OBJECT, RunError, manifest::is_url};
use crate::{clear::exchange, target::Endpoint};
use cotenant_agent::{
    http::{self, End, Request, Response},
    sign::{
        date::Timestamp,
        plain::signature_with_whole_key,
        presign::{Expires, Grant, SessionToken, presign},
        sigv4::{Scope, SigningError, Style},
    },
};
use cotenant_tls::TrustRoots;
use std::{env, time::Duration};
use zeroize::Zeroizing;

/// How long one object may take.
const LIMIT: Duration = Duration::from_secs(600);
/// Bytes that an answer may have beside its body.
const HEAD: u64 = 1 << 16;
/// What names the key, as other programs have it.
const ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET: &str = "AWS_SECRET_ACCESS_KEY";
const TOKEN: &str = "AWS_SESSION_TOKEN";

/// Makes URLs of objects.
pub struct Storage {
    base: String,
    region: String,
    id: String,
    secret: Zeroizing<String>,
    token: Option<String>,
    expires: Expires,
    now: i64,
}

impl Storage {
    /// The storage at `base`, `https://HOST/PREFIX`, with the key of the environment; URLs are valid for so many seconds from `now` on.
    ///
    /// # Errors
    /// [`RunError::Url`], [`RunError::NoStorageKey`], [`RunError::Signing`].
    pub fn of_environment(base: &str, region: &str, seconds: u32, now: i64) -> Result<Storage, RunError> {
        let base = base.trim_end_matches('/').to_owned();
        if !is_url(&format!("{base}/")) || base.contains('?') {
            return Err(RunError::Url(base));
        }
        let named = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let id = named(ID).ok_or(RunError::NoStorageKey(ID))?;
        let secret = named(SECRET).ok_or(RunError::NoStorageKey(SECRET))?.into();
        let expires = Expires::after(seconds)?;
        Ok(Storage { base, region: region.to_owned(), id, secret, token: named(TOKEN), expires, now })
    }

    /// A URL by which whoever has it can send a request of this method for the object of this name.
    ///
    /// # Errors
    /// [`RunError::Signing`].
    pub fn url(&self, method: &str, name: &str) -> Result<String, RunError> {
        let Address { host, port, target } = Address::of(&format!("{}/{name}", self.base))?;
        let request = Request::new(method, &host, port, &target).map_err(|_| RunError::Url(target))?;
        let timestamp = Timestamp::from_unix(self.now).map_err(|_| SigningError::Scope)?;
        let scope = Scope::new("s3", &self.region, timestamp)?;
        let session_token = self.token.as_deref().map_or(SessionToken::None, SessionToken::Signed);
        let grant = Grant { access_key_id: &self.id, expires: self.expires, session_token };
        let presigned = presign(request, &scope, Style::of_service("s3"), &grant)?;
        // It goes to others, or to this party's disk: that is what it is for.
        Ok(presigned.url(&signature_with_whole_key(self.secret.as_bytes(), presigned.to_sign())).to_string())
    }
}

/// The parts of a URL.
struct Address {
    host: String,
    port: u16,
    target: String,
}

impl Address {
    fn of(url: &str) -> Result<Address, RunError> {
        let wrong = || RunError::Url(url.to_owned());
        if !is_url(url) {
            return Err(wrong());
        }
        let (host, target) = url.strip_prefix("https://").and_then(|rest| rest.split_once('/')).ok_or_else(wrong)?;
        let (host, port) = host.split_once(':').unwrap_or((host, "443"));
        let port = port.parse().map_err(|_| wrong())?;
        Ok(Address { host: host.to_ascii_lowercase(), port, target: format!("/{target}") })
    }
}

/// What is at a URL; none if nothing is.
///
/// # Errors
/// If the server does not answer, or refuses.
pub async fn get(url: &str, roots: &TrustRoots, most: u64) -> Result<Option<Vec<u8>>, RunError> {
    let (host, answer) = asked("GET", url, Vec::new(), roots, most.min(MAX_OBJECT)).await?;
    match answer.status {
        200 => Ok(Some(answer.body)),
        404 => Ok(None),
        status => Err(RunError::Status { host, status }),
    }
}

/// Puts an object to a URL.
///
/// # Errors
/// If the server does not answer, or refuses.
pub async fn put(url: &str, body: Vec<u8>, roots: &TrustRoots) -> Result<(), RunError> {
    let (host, answer) = asked("PUT", url, body, roots, HEAD).await?;
    if (200..300).contains(&answer.status) { Ok(()) } else { Err(RunError::Status { host, status: answer.status }) }
}

async fn asked(method: &str, url: &str, body: Vec<u8>, roots: &TrustRoots, most: u64) -> Result<(String, Response), RunError> {
    let Address { host, port, target } = Address::of(url)?;
    let mut request = Request::new(method, &host, port, &target).map_err(|_| RunError::Url(url.to_owned()))?;
    request.set_body(body);
    let endpoint = Endpoint { host: host.clone(), port };
    let unreachable = |source| RunError::Unreachable { host: host.clone(), source };
    let heard = tokio::time::timeout(LIMIT, exchange(&endpoint, &host, roots, &request.encode(), most + HEAD)).await;
    let heard = heard.map_err(|_| unreachable(std::io::ErrorKind::TimedOut.into()))?.map_err(unreachable)?;
    let end = if heard.closed { End::CloseNotify } else { End::Open };
    let answer = http::parse(&heard.bytes, method, end).map_err(|source| RunError::Answer { host: host.clone(), source })?;
    Ok((host, answer))
}
