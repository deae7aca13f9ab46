//! What a client is told: which groups it offers, whom it trusts, whom it wants to reach, what time it is.

use crate::error::Misuse;
use crate::schedule::{Hash, RunningHash};
use crate::share::Group;
use pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime, pem::PemObject};

/// The certificates at which trust ends.
#[derive(Clone)]
pub struct TrustRoots(Vec<TrustAnchor<'static>>);

impl TrustRoots {
    /// Mozilla's roots, as compiled in.
    pub fn mozilla() -> Self {
        TrustRoots(webpki_roots::TLS_SERVER_ROOTS.to_vec())
    }

    /// The certificates of a PEM file, each a root. Other PEM sections are passed over.
    ///
    /// # Errors
    /// [`Misuse::NoTrustRoots`] if it holds no certificate, or one that cannot be read.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Misuse> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| Misuse::NoTrustRoots)?;
        Self::from_certificates(&certificates)
    }

    /// These certificates, each a root.
    ///
    /// # Errors
    /// [`Misuse::NoTrustRoots`] if there is none, or one that cannot be read.
    pub fn from_certificates(certificates: &[CertificateDer<'_>]) -> Result<Self, Misuse> {
        let root =
            |certificate| webpki::anchor_from_trusted_cert(certificate).map(|anchor| anchor.to_owned()).map_err(|_| Misuse::NoTrustRoots);
        match certificates.iter().map(root).collect::<Result<Vec<_>, _>>()? {
            anchors if anchors.is_empty() => Err(Misuse::NoTrustRoots),
            anchors => Ok(TrustRoots(anchors)),
        }
    }

    /// The roots.
    pub fn anchors(&self) -> &[TrustAnchor<'static>] {
        &self.0
    }

    /// SHA-256 over the sorted digests of the roots, each over subject, key and name constraints with their lengths in front: parties that trust the same
    /// roots agree on it, in whatever order their files list them.
    pub fn digest(&self) -> Hash {
        let mut each: Vec<Hash> = self.0.iter().map(digest_of_root).collect();
        each.sort_unstable();
        each.dedup();
        let mut hash = RunningHash::new();
        each.iter().for_each(|root| hash.update(root));
        hash.current()
    }
}

fn digest_of_root(anchor: &TrustAnchor<'_>) -> Hash {
    let mut hash = RunningHash::new();
    let constraints = anchor.name_constraints.as_ref().map_or(&[][..], |der| der.as_ref());
    for part in [anchor.subject.as_ref(), anchor.subject_public_key_info.as_ref(), constraints] {
        hash.update(&(part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.current()
}

/// What a client offers and whom it trusts. The cipher suite is TLS_AES_128_GCM_SHA256 and the version TLS 1.3, always.
#[derive(Clone)]
pub struct Config {
    groups: Vec<Group>,
    http1: bool,
    roots: TrustRoots,
    empty_certificate: bool,
}

impl Config {
    /// The groups that are offered where no others are named, the most wanted first.
    pub const GROUPS: [Group; 2] = [Group::Secp256r1, Group::X25519];

    /// Offers secp256r1, then x25519, and ALPN `http/1.1`; refuses a server that asks for a client certificate.
    pub fn new(roots: TrustRoots) -> Self {
        Config { groups: Self::GROUPS.to_vec(), http1: true, roots, empty_certificate: false }
    }

    /// Whether a server that asks for a client certificate is told that there is none (RFC 8446 section 4.4.2) instead of refused.
    ///
    /// Only for a client that holds its socket itself. The client's handshake secret is open to all parties of a joint client, and application keys do not
    /// depend on what the client sends after the server's Finished (RFC 8446 section 7.1): a connector could put its own certificate and signature there,
    /// and the joint request would be made in its name.
    pub fn with_empty_certificate(mut self, given: bool) -> Self {
        self.empty_certificate = given;
        self
    }

    pub(crate) fn empty_certificate(&self) -> bool {
        self.empty_certificate
    }

    /// Offers these groups, most wanted first; the first ClientHello carries a key share for the first of them only.
    ///
    /// # Errors
    /// [`Misuse::NoGroups`], [`Misuse::GroupTwice`].
    pub fn with_groups(mut self, groups: Vec<Group>) -> Result<Self, Misuse> {
        if groups.is_empty() {
            return Err(Misuse::NoGroups);
        }
        if (1..groups.len()).any(|index| groups[..index].contains(&groups[index])) {
            return Err(Misuse::GroupTwice);
        }
        self.groups = groups;
        Ok(self)
    }

    /// Whether ALPN `http/1.1` (RFC 7301) is offered.
    pub fn with_http1(mut self, offered: bool) -> Self {
        self.http1 = offered;
        self
    }

    /// The groups offered.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    pub(crate) fn http1(&self) -> bool {
        self.http1
    }

    /// The trust roots.
    pub fn roots(&self) -> &TrustRoots {
        &self.roots
    }
}

/// Who is to be at the other end, and when "now" is.
#[derive(Clone, Debug)]
pub struct Target {
    /// Host name or IP address that the certificate must be for.
    pub name: ServerName<'static>,
    /// The time at which certificates must be valid.
    pub now: UnixTime,
}

impl Target {
    /// The name for server_name: none for IP addresses, and without the root's dot (RFC 6066 section 3).
    pub(crate) fn sni(&self) -> Option<&str> {
        match &self.name {
            ServerName::DnsName(name) => Some(name.as_ref().trim_end_matches('.')),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_checked() {
        let config = Config::new(TrustRoots::mozilla());
        assert_eq!(config.groups(), [Group::Secp256r1, Group::X25519]);
        assert_eq!(config.clone().with_groups(vec![]).err(), Some(Misuse::NoGroups));
        assert_eq!(config.with_groups(vec![Group::X25519, Group::X25519]).err(), Some(Misuse::GroupTwice));
    }

    #[test]
    fn roots_are_checked_and_told_apart() {
        assert_eq!(TrustRoots::from_pem(b"").err(), Some(Misuse::NoTrustRoots));
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(TrustRoots::from_pem(broken).err(), Some(Misuse::NoTrustRoots));
        let all = TrustRoots::mozilla();
        let fewer = TrustRoots(all.0[1..].to_vec());
        assert_eq!(all.digest(), TrustRoots::mozilla().digest());
        assert_ne!(all.digest(), fewer.digest());
        let reversed = TrustRoots(all.0.iter().rev().cloned().collect());
        assert_eq!(all.digest(), reversed.digest());
    }

    #[test]
    fn server_name_is_for_host_names() {
        let target = |name: &str| Target { name: name.to_owned().try_into().unwrap(), now: UnixTime::since_unix_epoch(Default::default()) };
        assert_eq!(target("example.com").sni(), Some("example.com"));
        assert_eq!(target("example.com.").sni(), Some("example.com"));
        assert_eq!(target("127.0.0.1").sni(), None);
        assert_eq!(target("::1").sni(), None);
    }
}
