//! The server's proof of identity: its certificate path, its name, and its signature over the transcript (RFC 8446 sections 4.4.2 and 4.4.3).
//!
//! Path validation (RFC 5280 section 6, names by RFC 9525) is rustls-webpki's; signatures are ring's.

use crate::config::{Config, Target};
use crate::error::{CertificateError, Fault, Violation};
use crate::schedule::Hash;
use pki_types::{CertificateDer, SignatureVerificationAlgorithm};
use webpki::{EndEntityCert, Error as PathError, KeyUsage, ring as algorithms};

/// signature_algorithms of the ClientHello, most wanted first (RFC 8446 section 4.2.3). The last three, RSASSA-PKCS1-v1_5, are for
/// certificates only: section 4.4.3 bars them from CertificateVerify.
pub(crate) const SCHEMES: [u16; 9] = [0x0403, 0x0503, 0x0807, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601];

/// The algorithm of a scheme that may sign a CertificateVerify. Each is bound to one type of key, and for ECDSA to one curve.
fn algorithm(scheme: u16) -> Option<&'static dyn SignatureVerificationAlgorithm> {
    Some(match scheme {
        0x0403 => algorithms::ECDSA_P256_SHA256,
        0x0503 => algorithms::ECDSA_P384_SHA384,
        0x0807 => algorithms::ED25519,
        0x0804 => algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        0x0805 => algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        0x0806 => algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        _ => return None,
    })
}

/// Validates the path from the server's certificate (the first of `chain`) to a trust root, at the target's time and for its name.
///
/// # Errors
/// The [`CertificateError`] of the rule that refuses.
pub(crate) fn certificate(chain: &[Vec<u8>], config: &Config, target: &Target) -> Result<(), CertificateError> {
    let leaf = CertificateDer::from(chain[0].as_slice());
    let intermediates: Vec<CertificateDer<'_>> = chain[1..].iter().map(|der| der.as_slice().into()).collect();
    let leaf = EndEntityCert::try_from(&leaf).map_err(CertificateError::Malformed)?;
    leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        config.roots().anchors(),
        &intermediates,
        target.now,
        KeyUsage::server_auth(),
        None,
        None,
    )
    .map_err(|error| path_error(error, leaf.issuer() == leaf.subject()))?;
    leaf.verify_is_valid_for_subject_name(&target.name).map_err(|error| path_error(error, false))
}

fn path_error(error: PathError, self_issued: bool) -> CertificateError {
    match error {
        PathError::UnknownIssuer if self_issued => CertificateError::SelfSigned,
        PathError::UnknownIssuer => CertificateError::UnknownIssuer,
        PathError::CertExpired { .. } => CertificateError::Expired,
        PathError::CertNotValidYet { .. } => CertificateError::NotYetValid,
        PathError::CaUsedAsEndEntity => CertificateError::AuthorityAsServer,
        PathError::CertNotValidForName(_) => CertificateError::WrongName,
        PathError::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        PathError::UnsupportedSignatureAlgorithmContext(_) | PathError::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            CertificateError::UnsupportedSignature
        }
        PathError::RequiredEkuNotFoundContext(_) => CertificateError::WrongUsage,
        error @ (PathError::BadDer | PathError::MalformedExtensions | PathError::TrailingData(_)) => CertificateError::Malformed(error),
        error => CertificateError::Path(error),
    }
}

/// What a server signs in CertificateVerify: 64 spaces, a context string, a zero, the transcript hash (RFC 8446 section 4.4.3).
pub fn signed_content(transcript: &Hash) -> Vec<u8> {
    [&[0x20; 64][..], b"TLS 1.3, server CertificateVerify\0", transcript].concat()
}

/// Checks the CertificateVerify signature with the key of `leaf`, a certificate that [`certificate`] accepted.
///
/// # Errors
/// A scheme that was not offered for this use, that does not fit the key, or a signature that is wrong.
pub(crate) fn certificate_verify(leaf: &[u8], scheme: u16, signature: &[u8], transcript: &Hash) -> Result<(), Fault> {
    let algorithm = algorithm(scheme).ok_or(Violation::SchemeNotOffered)?;
    let leaf = CertificateDer::from(leaf);
    let leaf = EndEntityCert::try_from(&leaf).map_err(CertificateError::Malformed)?;
    leaf.verify_signature(algorithm, &signed_content(transcript), signature).map_err(|error| match error {
        PathError::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => Violation::SchemeDoesNotFitKey.into(),
        PathError::InvalidSignatureForPublicKey => Violation::BadCertificateVerify.into(),
        error => Fault::Certificate(CertificateError::Malformed(error)),
    })
}
