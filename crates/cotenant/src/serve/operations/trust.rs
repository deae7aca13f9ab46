//! Whose certificates of servers this party believes in a room: what the room's parameters name, and this party has.
//!
//! A room names either the list in the program, by its digest, or certificates, by the SHA-256 of each. Of the second this party needs all, in the PEM file
//! that `roots` of `cotenant.toml` names, which may have others as well: then all members believe the same, and the digest in a call says so.

use cotenant_agent::{hex, room::Trust};
use cotenant_tls::{
    TrustRoots,
    pki_types::{CertificateDer, pem::PemObject},
};
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

/// Why this party cannot judge servers as the room agreed to.
#[derive(Debug, thiserror::Error)]
pub enum BadRoots {
    /// The room believes the list of another version of the program.
    #[error("the room believes authorities that another version of this program contains; use that version, or change the room")]
    Program,
    /// The file cannot be read.
    #[error(
        "{path}, which is to hold the certificates of the room's authorities for servers, cannot be read ({source}); see [servers] in cotenant.toml"
    )]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is no PEM, or a certificate of the room is none that can be one of an authority.
    #[error("{path}: this is not a PEM file of certificates that can be read; see [servers] in cotenant.toml")]
    Pem {
        /// The file.
        path: PathBuf,
    },
    /// A certificate is not there.
    #[error(
        "{path} lacks the certificate of an authority for servers that the room lists, with SHA-256 {digest}: get it from who made the room"
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// SHA-256 of the certificate, in hexadecimal.
        digest: String,
    },
}

/// The roots of a room.
///
/// # Errors
/// [`BadRoots`].
pub(super) fn roots(trust: &Trust, path: &Path) -> Result<TrustRoots, BadRoots> {
    match trust {
        Trust::Embedded(digest) => {
            let roots = TrustRoots::mozilla();
            if roots.digest() == digest.0 { Ok(roots) } else { Err(BadRoots::Program) }
        }
        Trust::Listed(listed) => {
            let pem = fs::read(path).map_err(|source| BadRoots::File { path: path.to_owned(), source })?;
            of_file(listed, &pem, path)
        }
    }
}

fn of_file(listed: &BTreeSet<[u8; 32]>, pem: &[u8], path: &Path) -> Result<TrustRoots, BadRoots> {
    let bad = || BadRoots::Pem { path: path.to_owned() };
    let all: Vec<CertificateDer> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|_| bad())?;
    let find = |digest: &[u8; 32]| all.iter().find(|certificate| <[u8; 32]>::from(Sha256::digest(certificate)) == *digest).cloned();
    let missing = |digest: &[u8; 32]| BadRoots::Missing { path: path.to_owned(), digest: hex::encode(digest) };
    let wanted: Vec<_> = listed.iter().map(|digest| find(digest).ok_or_else(|| missing(digest))).collect::<Result<_, _>>()?;
    TrustRoots::from_certificates(&wanted).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cotenant_core::Digest as Hash;
    use rcgen::{CertificateParams, KeyPair};

    fn certificate() -> rcgen::Certificate {
        CertificateParams::new(vec![]).unwrap().self_signed(&KeyPair::generate().unwrap()).unwrap()
    }

    #[test]
    fn the_room_s_certificates_and_no_others() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("roots.pem");
        let [one, two, other] = [certificate(), certificate(), certificate()];
        let digest = |certificate: &rcgen::Certificate| <[u8; 32]>::from(Sha256::digest(certificate.der()));
        let trust = Trust::Listed([digest(&one), digest(&two)].into());
        let refused = || roots(&trust, &path).err().unwrap();
        assert!(matches!(refused(), BadRoots::File { .. }));
        fs::write(&path, other.pem() + &one.pem()).unwrap();
        let told = refused().to_string();
        let name = hex::encode(&digest(&two));
        assert!(told.contains(&name) && told.contains("roots.pem lacks"), "{told}");
        fs::write(&path, "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n").unwrap();
        assert!(matches!(refused(), BadRoots::Pem { .. }));
        fs::write(&path, two.pem() + &other.pem() + &one.pem()).unwrap();
        let alone = TrustRoots::from_certificates(&[one.der().clone(), two.der().clone()]).unwrap();
        assert_eq!(roots(&trust, &path).unwrap().digest(), alone.digest());
    }

    #[test]
    fn the_program_s_list_is_that_of_the_room() {
        let mozilla = TrustRoots::mozilla().digest();
        assert!(roots(&Trust::Embedded(Hash(mozilla)), Path::new("none")).is_ok_and(|roots| roots.digest() == mozilla));
        assert!(matches!(roots(&Trust::Embedded(Hash([7; 32])), Path::new("none")), Err(BadRoots::Program)));
    }
}
