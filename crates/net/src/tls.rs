//! TLS 1.3 (RFC 8446) between two holders of Ed25519 keys: raw public keys (RFC 7250) on both sides, nothing else accepted, no
//! resumption, and the protocol version agreed by ALPN (RFC 7301).
//!
//! The dialler expects one key. The other side lets in whoever proves to hold any, and decides when it has heard what for. So the
//! session stays under encryption: an observer sees addresses, times, volumes and the name in ALPN, and neither keys nor sessions. Who
//! dials an address itself learns the key there, and shows its own to no other holder than the one it expects.

use crate::{
    error::PeerFault,
    identity::{Identity, PublicIdentity},
    stream::Stream,
};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError, ServerConfig,
    SignatureAlgorithm, SignatureScheme,
    client::{
        AlwaysResolvesClientRawPublicKeys, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, ring, verify_tls13_signature_with_raw_key},
    pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
    server::{
        AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::{CertifiedKey, Signer, SigningKey},
    version::TLS13,
};
use std::{fmt, io, sync::Arc};
use tokio::net::TcpStream;

/// The protocol name agreed in TLS; it changes with the format of hello and frames.
pub(crate) const ALPN: &[u8] = b"cotenant/3";

/// An Ed25519 SubjectPublicKeyInfo is these bytes and the key (RFC 8410 section 4).
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Secures a connection that this side made; the other side must hold the key of `expected`.
pub(crate) async fn dial(tcp: TcpStream, own: &Arc<Identity>, expected: PublicIdentity, alpn: &[&[u8]]) -> Result<Stream, PeerFault> {
    let config = client_config(own, expected, alpn).map_err(PeerFault::Tls)?;
    finish(Stream::client(tcp, Arc::new(config), any_name()).await, own)
}

/// Secures a connection that the other side made; it must hold the key that it shows, see [`peer_key`].
pub(crate) async fn accept(tcp: TcpStream, own: &Arc<Identity>, alpn: &[&[u8]]) -> Result<Stream, PeerFault> {
    let config = server_config(own, alpn).map_err(PeerFault::Tls)?;
    finish(Stream::server(tcp, Arc::new(config)).await, own)
}

pub(crate) fn client_config(own: &Arc<Identity>, expected: PublicIdentity, alpn: &[&[u8]]) -> Result<ClientConfig, Error> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned(expected)))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(Arc::new(certified(own)))));
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(config)
}

pub(crate) fn server_config(own: &Arc<Identity>, alpn: &[&[u8]]) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(AnyKey))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::new(certified(own)))));
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The name that a client must give. It is not sent, and not looked at: the key says who is there.
pub(crate) fn any_name() -> ServerName<'static> {
    ServerName::try_from("cotenant").expect("a host name")
}

/// The key that the other side proved to hold.
pub(crate) fn peer_key(stream: &Stream) -> Option<PublicIdentity> {
    identity_of(stream.agreed().peer_certificates()?.first()?)
}

/// What an error that a secured connection gave says of the other side.
pub(crate) fn fault_of(error: io::Error) -> PeerFault {
    let cause = error.get_ref().and_then(|e| e.downcast_ref::<Error>()).cloned();
    match cause {
        None => PeerFault::Io(error),
        Some(Error::InvalidCertificate(CertificateError::Other(OtherError(inner)))) if inner.is::<NotPinned>() => {
            PeerFault::WrongKey { seen: inner.downcast_ref::<NotPinned>().expect("just asked").0 }
        }
        // RFC 7301 section 3.2.
        Some(Error::NoApplicationProtocol | Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => PeerFault::Version,
        Some(error) => PeerFault::Tls(error),
    }
}

fn finish(stream: io::Result<Stream>, own: &Identity) -> Result<Stream, PeerFault> {
    let stream = stream.map_err(|error| match fault_of(error) {
        // What rustls answers to a key that its verifier refuses (RFC 8446 section 6.2).
        PeerFault::Tls(Error::AlertReceived(AlertDescription::CertificateUnknown)) => PeerFault::KeyRefused { own: own.public() },
        fault => fault,
    })?;
    // A side that offers no protocol name at all is let through by TLS.
    if stream.agreed().alpn_protocol() != Some(ALPN) {
        return Err(PeerFault::Version);
    }
    Ok(stream)
}

fn provider() -> Arc<CryptoProvider> {
    // AES-128-GCM: the fastest here, and as strong as the curves.
    Arc::new(CryptoProvider { cipher_suites: vec![ring::cipher_suite::TLS13_AES_128_GCM_SHA256], ..ring::default_provider() })
}

fn certified(own: &Arc<Identity>) -> CertifiedKey {
    CertifiedKey::new(vec![CertificateDer::from(spki(&own.public()))], Arc::new(TlsKey(own.clone())))
}

fn spki(identity: &PublicIdentity) -> Vec<u8> {
    [&SPKI_PREFIX[..], identity.as_bytes()].concat()
}

fn identity_of(spki: &CertificateDer<'_>) -> Option<PublicIdentity> {
    let key = spki.as_ref().strip_prefix(&SPKI_PREFIX)?;
    PublicIdentity::from_bytes(key.try_into().ok()?).ok()
}

/// Accepts a handshake of this identity and no other.
#[derive(Debug)]
struct Pinned(PublicIdentity);

/// Accepts a handshake of any identity.
#[derive(Debug)]
struct AnyKey;

/// A well-formed key that is not the one expected. Whether the other side holds it has not been checked when this is found.
#[derive(Debug)]
struct NotPinned(PublicIdentity);

impl fmt::Display for NotPinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unexpected identity {}", self.0)
    }
}

impl std::error::Error for NotPinned {}

/// RFC 8446 section 4.4.3: the other side signs the transcript with the key it showed.
fn check_signature(text: &[u8], key: &CertificateDer<'_>, signature: &DigitallySignedStruct) -> Result<HandshakeSignatureValid, Error> {
    let key = SubjectPublicKeyInfoDer::from(key.as_ref());
    verify_tls13_signature_with_raw_key(text, &key, signature, &ring::default_provider().signature_verification_algorithms)
}

/// What the verifiers of both sides have in common: TLS 1.3 alone, with signatures of bare Ed25519 keys (RFC 7250, RFC 8446 section 4.4.3).
macro_rules! tls13_with_bare_ed25519_keys {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &CertificateDer<'_>,
            _: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            Err(Error::HandshakeNotComplete)
        }

        fn verify_tls13_signature(
            &self,
            text: &[u8],
            key: &CertificateDer<'_>,
            signature: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            check_signature(text, key, signature)
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            vec![SignatureScheme::ED25519]
        }

        fn requires_raw_public_keys(&self) -> bool {
            true
        }
    };
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match identity_of(key) {
            Some(identity) if identity == self.0 => Ok(ServerCertVerified::assertion()),
            Some(identity) => Err(Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(NotPinned(identity)))))),
            None => Err(Error::InvalidCertificate(CertificateError::BadEncoding)),
        }
    }

    tls13_with_bare_ed25519_keys!();
}

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(&self, key: &CertificateDer<'_>, _: &[CertificateDer<'_>], _: UnixTime) -> Result<ClientCertVerified, Error> {
        match identity_of(key) {
            Some(_) => Ok(ClientCertVerified::assertion()),
            None => Err(Error::InvalidCertificate(CertificateError::BadEncoding)),
        }
    }

    tls13_with_bare_ed25519_keys!();
}

/// Signs for TLS with the identity itself, so that the private key has one copy, which erases itself.
struct TlsKey(Arc<Identity>);

impl fmt::Debug for TlsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsKey")
    }
}

impl SigningKey for TlsKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&SignatureScheme::ED25519).then(|| Box::new(TlsKey(self.0.clone())) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(spki(&self.0.public())))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for TlsKey {
    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.0.sign_bare(text).to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{
        CipherSuiteCommon, ConnectionTrafficSecrets, SupportedCipherSuite, Tls13CipherSuite,
        crypto::cipher::{AeadKey, Iv, MessageDecrypter, MessageEncrypter, Tls13AeadAlgorithm, UnsupportedOperationError},
    };
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    /// What the acceptor makes of a client set up by `configure`; the client's own key is `dialler`.
    async fn accepted(configure: impl FnOnce(ClientBuilder, &Arc<Identity>) -> ClientConfig) -> Result<Stream, PeerFault> {
        let [dialler, acceptor] = [0; 2].map(|_| Arc::new(Identity::generate().unwrap()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned(acceptor.public())));
        let mut config = configure(builder, &dialler);
        config.alpn_protocols = vec![ALPN.to_vec()];
        let client = tokio::spawn(async move {
            let tcp = TcpStream::connect(address).await.unwrap();
            TlsConnector::from(Arc::new(config)).connect(any_name(), tcp).await
        });
        let (tcp, _) = listener.accept().await.unwrap();
        let result = accept(tcp, &acceptor, &[ALPN]).await;
        // A client learns after its own last message what the acceptor makes of it.
        let _ = client.await.unwrap();
        result
    }

    type ClientBuilder = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

    fn showing(key: Vec<u8>, signer: Arc<Identity>) -> Arc<AlwaysResolvesClientRawPublicKeys> {
        let certified = CertifiedKey::new(vec![CertificateDer::from(key)], Arc::new(TlsKey(signer)));
        Arc::new(AlwaysResolvesClientRawPublicKeys::new(Arc::new(certified)))
    }

    #[tokio::test]
    async fn who_holds_its_key_is_let_in() {
        let result = accepted(|builder, own| builder.with_client_cert_resolver(showing(spki(&own.public()), own.clone()))).await;
        assert!(result.is_ok_and(|stream| peer_key(&stream).is_some()));
    }

    /// RFC 8446 section 4.4.3: a key that is shown must be held.
    #[tokio::test]
    async fn a_server_that_does_not_hold_the_expected_key_is_refused() {
        let [dialler, expected, thief] = [0; 3].map(|_| Arc::new(Identity::generate().unwrap()));
        let shown = CertifiedKey::new(vec![CertificateDer::from(spki(&expected.public()))], Arc::new(TlsKey(thief)));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_client_cert_verifier(Arc::new(AnyKey))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::new(shown))));
        config.alpn_protocols = vec![ALPN.to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let server = tokio::spawn(async move { TlsAcceptor::from(Arc::new(config)).accept(accepted).await.is_err() });
        let result = dial(tcp, &dialler, expected.public(), &[ALPN]).await;
        assert!(matches!(&result, Err(PeerFault::Tls(Error::InvalidCertificate(CertificateError::BadSignature)))), "{:?}", result.err());
        assert!(server.await.unwrap());
    }

    /// The same of the dialling side.
    #[tokio::test]
    async fn a_key_in_other_hands_is_refused() {
        let thief = Arc::new(Identity::generate().unwrap());
        let result = accepted(|builder, own| builder.with_client_cert_resolver(showing(spki(&own.public()), thief))).await;
        assert!(matches!(&result, Err(PeerFault::Tls(Error::InvalidCertificate(CertificateError::BadSignature)))), "{:?}", result.err());
    }

    #[tokio::test]
    async fn a_client_without_a_raw_key_is_refused() {
        let result = accepted(|builder, _| builder.with_no_client_auth()).await;
        assert!(matches!(&result, Err(PeerFault::Tls(_))), "{:?}", result.err());
    }

    /// RFC 8410 section 4: the one form of an Ed25519 key. A weak key is no identity, so it cannot be a member's either.
    #[tokio::test]
    async fn what_is_no_ed25519_key_is_refused() {
        let mut weak = [0; 32];
        weak[0] = 1;
        let x25519 = |own: &Identity| {
            let mut key = spki(&own.public());
            key[8] = 0x6e;
            key
        };
        let longer = |own: &Identity| [spki(&own.public()), vec![0]].concat();
        let of_small_order = |_: &Identity| [&SPKI_PREFIX[..], &weak].concat();
        for key in [&x25519 as &dyn Fn(&Identity) -> Vec<u8>, &longer, &of_small_order] {
            let result = accepted(|builder, own| builder.with_client_cert_resolver(showing(key(own), own.clone()))).await;
            assert!(matches!(&result, Err(PeerFault::Tls(Error::InvalidCertificate(CertificateError::BadEncoding)))), "{:?}", result.err());
        }
    }

    /// Counts the keys that something is sealed under.
    struct Counted(&'static dyn Tls13AeadAlgorithm, AtomicUsize);

    impl Tls13AeadAlgorithm for Counted {
        fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
            self.1.fetch_add(1, Relaxed);
            self.0.encrypter(key, iv)
        }

        fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
            self.0.decrypter(key, iv)
        }

        fn key_len(&self) -> usize {
            self.0.key_len()
        }

        fn extract_keys(&self, key: AeadKey, iv: Iv) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
            self.0.extract_keys(key, iv)
        }
    }

    /// RFC 8446 section 5.5: no key seals more records than it may, also where several are sealed at a time.
    #[tokio::test]
    async fn keys_change_before_they_wear_out() {
        const RECORDS: usize = 20;
        let real = ring::cipher_suite::TLS13_AES_128_GCM_SHA256.tls13().unwrap();
        let keys: &Counted = Box::leak(Box::new(Counted(real.aead_alg, AtomicUsize::new(0))));
        let common = CipherSuiteCommon { confidentiality_limit: RECORDS as u64, ..CipherSuiteCommon { ..real.common } };
        let suite = Box::leak(Box::new(Tls13CipherSuite { common, aead_alg: keys, ..*real }));
        let provider = CryptoProvider { cipher_suites: vec![SupportedCipherSuite::Tls13(suite)], ..ring::default_provider() };
        let [dialler, acceptor] = [0; 2].map(|_| Arc::new(Identity::generate().unwrap()));
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned(acceptor.public())))
            .with_client_cert_resolver(showing(spki(&dialler.public()), dialler.clone()));
        config.alpn_protocols = vec![ALPN.to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let theirs = accept(accepted, &acceptor, &[ALPN]);
        let (ours, theirs) = tokio::join!(Stream::client(tcp, Arc::new(config), any_name()), theirs);
        let (mut ours, mut theirs) = (ours.unwrap(), theirs.unwrap());
        let (whole, mut read) = (300, Vec::new());
        let bytes: Vec<u8> = (0..whole << 14).map(|i| (i % 251) as u8).collect();
        let write = async {
            ours.write_all(&bytes).await.unwrap();
            ours.shutdown().await.unwrap();
        };
        let (_, count) = tokio::join!(write, theirs.read_to_end(&mut read));
        count.unwrap();
        assert!(read == bytes);
        assert!(keys.1.load(Relaxed) >= whole / RECORDS, "{} keys for {whole} records", keys.1.load(Relaxed));
    }
}
