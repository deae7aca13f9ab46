//! One request by one party over an ordinary connection of TLS 1.3 (RFC 8446), by rustls: nothing of it is joint.

use crate::target::Endpoint;
use cotenant_tls::TrustRoots;
use std::{io, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName, version::TLS13},
};

/// What a server said until it closed the connection.
pub struct Heard {
    /// The application data.
    pub bytes: Vec<u8>,
    /// Whether it ended with close_notify (RFC 8446 section 6.1).
    pub closed: bool,
}

/// Sends `request` to a server whose certificate is for `name` under `roots`, and reads up to `most` bytes.
///
/// # Errors
/// Everything that keeps the server from saying anything.
pub async fn exchange(endpoint: &Endpoint, name: &str, roots: &TrustRoots, request: &[u8], most: u64) -> io::Result<Heard> {
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider())).with_protocol_versions(&[&TLS13]);
    let roots = RootCertStore { roots: roots.anchors().to_vec() };
    let client = client.map_err(io::Error::other)?.with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let socket = TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await?;
    let mut stream = TlsConnector::from(Arc::new(client)).connect(name, socket).await?;
    stream.write_all(request).await?;
    let mut bytes = Vec::new();
    let closed = match stream.take(most).read_to_end(&mut bytes).await {
        // What was cut at `most` has no end.
        Ok(count) => (count as u64) < most,
        // rustls says so where the connection ended without close_notify.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => false,
        Err(error) => return Err(error),
    };
    Ok(Heard { bytes, closed })
}
