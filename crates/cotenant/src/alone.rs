//! What one party can do alone: sign with its share as if it were the key, over an ordinary TLS connection. The server refuses.

use crate::{
    deadline::{Deadline, Passed},
    error::Error,
    listing::error_code,
    party::unix_seconds,
    share::S3Share,
    steps::Step,
    target::{Site, SiteError},
};
use cotenant_agent::{
    http::{End, Request, parse},
    sign::{
        date::Timestamp,
        plain::signature_with_whole_key,
        sigv4::{Scope, SigningError, Style, prepare},
    },
};
use serde::{Deserialize, Serialize};
use std::{io, path::Path, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
        version::TLS13,
    },
};

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
pub async fn attempt(
    site: &Site,
    ca: &Path,
    bucket: &str,
    region: &str,
    share: &S3Share,
    step: &Step,
    limit: Duration,
) -> Result<Verdict, Error> {
    let mut request = step.request(site, bucket)?;
    let time = Timestamp::from_unix(unix_seconds()).map_err(|_| SigningError::Scope)?;
    let to_sign = prepare(&mut request, &Scope::new("s3", region, time)?, Style::S3)?;
    let signature = signature_with_whole_key(&share.share, &to_sign);
    request.add_header("Authorization", &to_sign.authorization(&share.access_key_id, &signature)?)?;
    let pem = std::fs::read(ca).map_err(|source| SiteError::CaFile { path: ca.to_owned(), source })?;
    let answer = Deadline::after(limit).bound(exchange(site, &pem, &request)).await;
    let answer = answer.map_err(|Passed| Error::LateAlone { endpoint: site.endpoint.to_string(), limit })?;
    let answer = answer.map_err(|source| Error::Alone { endpoint: site.endpoint.to_string(), source })?;
    let response = parse(&answer, request.method(), End::CloseNotify);
    let response = response.map_err(|source| Error::Answer { step: step.to_string(), source })?;
    Ok(Verdict { status: response.status, code: error_code(&response.body) })
}

async fn exchange(site: &Site, ca_pem: &[u8], request: &Request) -> io::Result<Vec<u8>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem) {
        roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
    }
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_protocol_versions(&[&TLS13]);
    let client = client.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(site.server_name.clone()).map_err(io::Error::other)?;
    let socket = TcpStream::connect((site.endpoint.host.as_str(), site.endpoint.port)).await?;
    let mut stream = TlsConnector::from(Arc::new(client)).connect(name, socket).await?;
    stream.write_all(&request.encode()).await?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    Ok(answer)
}
