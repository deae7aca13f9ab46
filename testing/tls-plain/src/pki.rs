//! Certificates for tests: a root, an intermediate below it, and whatever servers need below that.
//!
//! Everything here panics where it cannot go on: it stands in tests only.

use cotenant_tls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use cotenant_tls::{Misuse, TrustRoots};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, SigningKey,
    date_time_ymd,
};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The type of a server's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on P-256.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// Ed25519.
    Ed25519,
    /// RSA with 2048 bits.
    Rsa,
}

impl KeyKind {
    /// A fresh key.
    pub fn generate(self) -> KeyPair {
        match self {
            KeyKind::EcdsaP256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key"),
            KeyKind::EcdsaP384 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key"),
            KeyKind::Ed25519 => by_openssl(&["-algorithm", "ED25519"]),
            KeyKind::Rsa => by_openssl(&["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
        }
    }
}

/// ring makes no RSA keys, and its Ed25519 keys are in a form that OpenSSL 3.0 does not read.
fn by_openssl(arguments: &[&str]) -> KeyPair {
    let output = Command::new("openssl").arg("genpkey").args(arguments).output();
    let output = output.expect("the command openssl runs; install it (Debian: apt-get install openssl)");
    KeyPair::from_pem(&String::from_utf8(output.stdout).expect("PEM")).expect("openssl genpkey writes a key that ring takes")
}

/// What a server's certificate says.
pub struct Leaf {
    /// DNS names and IP addresses.
    pub names: Vec<String>,
    /// First and last year of validity: January the first of each.
    pub years: (i32, i32),
    /// Whether it is an authority's certificate.
    pub authority: bool,
    /// What it is for.
    pub usage: ExtendedKeyUsagePurpose,
}

impl Default for Leaf {
    /// For localhost and 127.0.0.1, valid now, for servers.
    fn default() -> Self {
        Leaf {
            names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            years: (2020, 2120),
            authority: false,
            usage: ExtendedKeyUsagePurpose::ServerAuth,
        }
    }
}

/// A certificate chain and the key of its first certificate.
pub struct Identity {
    /// The server's own certificate first, the root left out.
    pub chain: Vec<CertificateDer<'static>>,
    /// The key.
    pub key: KeyPair,
    pem: Vec<String>,
}

impl Identity {
    fn new(chain: &[&Certificate], key: KeyPair) -> Self {
        let pem = chain.iter().map(|certificate| certificate.pem()).collect();
        Identity { chain: chain.iter().map(|certificate| certificate.der().clone()).collect(), key, pem }
    }

    /// The chain as PEM.
    pub fn chain_pem(&self) -> String {
        self.pem.concat()
    }

    /// The server's own certificate as PEM.
    pub fn leaf_pem(&self) -> &str {
        &self.pem[0]
    }

    /// The certificates above the server's own as PEM.
    pub fn intermediates_pem(&self) -> String {
        self.pem[1..].concat()
    }

    /// The key as PKCS#8.
    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.serialize_der()).into()
    }

    /// A signature of the key's own algorithm.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message).expect("test keys sign")
    }
}

/// A root and an intermediate authority.
pub struct Pki {
    root: Certificate,
    intermediate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Pki {
    /// Makes both, with fresh keys and a name of its own.
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        Self::named(&format!("Test root {}", COUNT.fetch_add(1, Ordering::Relaxed)))
    }

    /// Makes both, with fresh keys; the root has this name.
    pub fn named(root: &str) -> Self {
        let root_key = KeyKind::EcdsaP256.generate();
        let root_params = authority(root);
        let root = root_params.self_signed(&root_key).expect("a certificate");
        let root_issuer = Issuer::new(root_params, root_key);
        let key = KeyKind::EcdsaP256.generate();
        let params = authority("Test intermediate");
        let intermediate = params.signed_by(&key, &root_issuer).expect("a certificate");
        Pki { root, intermediate, issuer: Issuer::new(params, key) }
    }

    /// The root as PEM.
    pub fn root_pem(&self) -> String {
        self.root.pem()
    }

    /// Trust in the root.
    pub fn roots(&self) -> TrustRoots {
        let roots: Result<TrustRoots, Misuse> = TrustRoots::from_pem(self.root_pem().as_bytes());
        roots.expect("the root is one")
    }

    /// An identity below the intermediate.
    pub fn issue(&self, leaf: &Leaf, kind: KeyKind) -> Identity {
        let key = kind.generate();
        let certificate = leaf_params(leaf).signed_by(&key, &self.issuer).expect("a certificate");
        Identity::new(&[&certificate, &self.intermediate], key)
    }

    /// An identity for localhost.
    pub fn localhost(&self, kind: KeyKind) -> Identity {
        self.issue(&Leaf::default(), kind)
    }
}

impl Default for Pki {
    fn default() -> Self {
        Self::new()
    }
}

/// A certificate that signs itself and is no authority.
pub fn self_signed(leaf: &Leaf) -> Identity {
    let key = KeyKind::EcdsaP256.generate();
    let certificate = leaf_params(leaf).self_signed(&key).expect("a certificate");
    Identity::new(&[&certificate], key)
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn leaf_params(leaf: &Leaf) -> CertificateParams {
    let mut params = CertificateParams::new(leaf.names.clone()).expect("names are names");
    params.distinguished_name.push(DnType::CommonName, "Test server");
    (params.not_before, params.not_after) = (date_time_ymd(leaf.years.0, 1, 1), date_time_ymd(leaf.years.1, 1, 1));
    params.is_ca = if leaf.authority { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![leaf.usage.clone()];
    params
}
