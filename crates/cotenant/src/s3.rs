//! The embedded S3 service of `cotenant demo` and `cotenant demo-service`: a real server that checks real signatures, for one run.
//!
//! Objects are files below a directory (crate s3s-fs); Signature Version 4 with its clock and body hash is checked by crate s3s; the
//! connection is TLS 1.3 (RFC 8446) by rustls, with a CA and a server certificate made for the run. One answer a connection: the server
//! writes `Connection: close` (RFC 9112 section 9.6), then close_notify (RFC 8446 section 6.1).

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use s3s::auth::{SecretKey, SimpleAuth};
use s3s::service::{S3Service, S3ServiceBuilder};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{self, ServerConfig, version::TLS13};

/// What the service serves, and to whom.
pub struct S3Config {
    /// Where buckets are directories and objects files; made if it is not there.
    pub directory: PathBuf,
    /// The one bucket that is there from the start.
    pub bucket: String,
    /// The id of the one key that may sign.
    pub access_key_id: String,
    /// The secret of that key, wiped when the service ends.
    pub secret_access_key: SecretKey,
    /// The host name, or address, in the server's certificate.
    pub server_name: String,
    /// Where to listen; port 0 for any free one.
    pub listen: SocketAddr,
}

/// Why the service did not start.
#[derive(Debug, thiserror::Error)]
pub enum S3Error {
    /// The bucket's name is not one that S3 allows.
    #[error("{0:?} is not a bucket name: 3 to 63 small letters, digits, hyphens and dots")]
    Bucket(String),
    /// The directory cannot be used.
    #[error("cannot make the bucket {path}: {source}")]
    Directory {
        /// The bucket's directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The storage refused the directory.
    #[error("cannot open {path} as storage: {reason:?}")]
    Storage {
        /// The directory of the configuration.
        path: PathBuf,
        /// What the storage said.
        reason: s3s_fs::Error,
    },
    /// The certificates could not be made; a server name that is no host name is one cause.
    #[error("cannot make certificates: {0}")]
    Certificate(#[from] rcgen::Error),
    /// TLS did not take its configuration.
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
    /// The port could not be opened.
    #[error("cannot listen at {address}: {source}; choose another port with --listen")]
    Listen {
        /// The address of the configuration.
        address: SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
}

/// The running service. Dropping it ends the service, [`S3Server::shutdown`] also waits for the end.
pub struct S3Server {
    address: SocketAddr,
    ca_pem: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl S3Server {
    /// Where it listens, with the port that the operating system chose if none was given.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate of the run's CA, the only trust root for this server.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Stops listening, cuts what connections there are, and returns when the port is free.
    pub async fn shutdown(self) {
        drop(self.stop);
        // The task only fails by a panic, which was reported where it happened.
        let _ = self.task.await;
    }
}

/// Makes the bucket and the certificates, and serves in the background of the current tokio runtime.
///
/// # Errors
/// What stood in the way; then nothing runs.
pub async fn serve(config: S3Config) -> Result<S3Server, S3Error> {
    if !s3s::path::check_bucket_name(&config.bucket) {
        return Err(S3Error::Bucket(config.bucket));
    }
    let path = config.directory.join(&config.bucket);
    std::fs::create_dir_all(&path).map_err(|source| S3Error::Directory { path, source })?;
    let storage = s3s_fs::FileSystem::new(&config.directory).map_err(|reason| S3Error::Storage { path: config.directory, reason })?;
    let mut service = S3ServiceBuilder::new(storage);
    service.set_auth(SimpleAuth::from_single(config.access_key_id, config.secret_access_key));

    let certificates = Certificates::new(&config.server_name)?;
    let ca_pem = certificates.ca_pem.clone();
    let acceptor = TlsAcceptor::from(Arc::new(certificates.into_server_config()?));

    let failed = |source| S3Error::Listen { address: config.listen, source };
    let listener = TcpListener::bind(config.listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(accept(listener, acceptor, service.build(), stopped));
    Ok(S3Server { address, ca_pem, stop, task })
}

/// A CA and a server certificate below it, ECDSA on P-256, valid for a week.
struct Certificates {
    ca_pem: String,
    server: rcgen::Certificate,
    server_key: KeyPair,
}

impl Certificates {
    fn new(server_name: &str) -> Result<Self, rcgen::Error> {
        let mut ca = certificate_for("Cotenant demo CA", Vec::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let ca_key = KeyPair::generate()?;
        let ca_pem = ca.self_signed(&ca_key)?.pem();

        let mut server = certificate_for("Cotenant demo S3", vec![server_name.to_owned()])?;
        server.use_authority_key_identifier_extension = true; // RFC 5280 section 4.2.1.1
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let server_key = KeyPair::generate()?;
        let server = server.signed_by(&server_key, &Issuer::new(ca, ca_key))?;
        Ok(Self { ca_pem, server, server_key })
    }

    /// TLS 1.3 only; ring offers TLS_AES_128_GCM_SHA256, secp256r1 and x25519 among others.
    fn into_server_config(self) -> Result<ServerConfig, rustls::Error> {
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.server_key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])?
            .with_no_client_auth()
            .with_single_cert(vec![self.server.der().clone()], key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn certificate_for(common_name: &str, names: Vec<String>) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    // A day back, for parties whose clocks are behind.
    params.not_before = time::OffsetDateTime::now_utc() - time::Duration::DAY;
    params.not_after = params.not_before + time::Duration::WEEK;
    Ok(params)
}

/// Serves connections until told to stop; those that are left are cut when the set is dropped.
async fn accept(listener: TcpListener, acceptor: TlsAcceptor, service: S3Service, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => drop(connections.spawn(serve_connection(socket, acceptor.clone(), service.clone()))),
                // Out of descriptors, or a peer that left the queue: neither goes away by asking at once.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
        }
    }
}

/// One handshake, one answer, close_notify. What fails here is the peer's fault and ends this connection only.
async fn serve_connection(socket: TcpStream, acceptor: TlsAcceptor, service: S3Service) {
    if let Ok(stream) = acceptor.accept(socket).await {
        // At its end hyper shuts the stream down, which makes rustls send close_notify.
        let _ = http1::Builder::new().keep_alive(false).serve_connection(TokioIo::new(stream), service).await;
    }
}

#[cfg(test)]
mod tests;
