//! Validation of the server's key share, in the clear, before it meets any secret (RFC 8446 sections 4.2.8.2 and 7.4.2, RFC 7748).
//!
//! The joint x25519 secret is computed by point addition, which a Montgomery ladder's indifference to the curve does not survive: so a share
//! on the twist is refused, though RFC 7748 lets it pass, and so is one that is not fully reduced. No honest server makes either.

use crate::error::{Misuse, Violation};
use curve25519_dalek::{edwards::EdwardsPoint, montgomery::MontgomeryPoint, traits::IsIdentity};
use std::fmt;
use std::str::FromStr;

/// A key exchange group (RFC 8446 section 4.2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// NIST P-256.
    Secp256r1,
    /// Curve25519 (RFC 7748).
    X25519,
}

impl Group {
    /// NamedGroup on the wire.
    pub fn code(self) -> u16 {
        match self {
            Group::Secp256r1 => 0x0017,
            Group::X25519 => 0x001d,
        }
    }

    /// The group with this code, if it is one of ours.
    pub fn from_code(code: u16) -> Option<Self> {
        [Group::Secp256r1, Group::X25519].into_iter().find(|group| group.code() == code)
    }

    /// Length of an encoded public key in bytes: an uncompressed point, or a coordinate.
    pub fn share_length(self) -> usize {
        match self {
            Group::Secp256r1 => 65,
            Group::X25519 => 32,
        }
    }

    /// A list of groups as OpenSSL writes it, most wanted first: `P-256:X25519`.
    ///
    /// # Errors
    /// [`Misuse::UnknownGroup`].
    pub fn parse_list(list: &str) -> Result<Vec<Group>, Misuse> {
        list.split(':').map(str::parse).collect()
    }
}

impl FromStr for Group {
    type Err = Misuse;

    fn from_str(name: &str) -> Result<Self, Misuse> {
        match name.to_ascii_lowercase().as_str() {
            "p-256" | "secp256r1" | "prime256v1" => Ok(Group::Secp256r1),
            "x25519" => Ok(Group::X25519),
            _ => Err(Misuse::UnknownGroup),
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Group::Secp256r1 => "P-256",
            Group::X25519 => "X25519",
        })
    }
}

/// A server's key share that passed every check of its group. Only [`ServerShare::validate`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerShare(Share);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Share {
    Secp256r1(p256::PublicKey),
    X25519 { u: [u8; 32], point: EdwardsPoint },
}

impl ServerShare {
    /// Checks the encoded share: secp256r1 uncompressed and on the curve; x25519 fully reduced, on the curve and not of low order.
    ///
    /// A share outside the prime-order subgroup but not of low order passes: every scalar here is a multiple of the cofactor.
    ///
    /// # Errors
    /// The [`Violation`] of the check that refuses.
    pub fn validate(group: Group, encoded: &[u8]) -> Result<Self, Violation> {
        match group {
            Group::Secp256r1 => secp256r1(encoded),
            Group::X25519 => x25519(encoded),
        }
    }

    /// The group of the share.
    pub fn group(&self) -> Group {
        match self.0 {
            Share::Secp256r1(_) => Group::Secp256r1,
            Share::X25519 { .. } => Group::X25519,
        }
    }

    /// The point, if the group is secp256r1.
    pub fn secp256r1(&self) -> Option<&p256::PublicKey> {
        match &self.0 {
            Share::Secp256r1(point) => Some(point),
            Share::X25519 { .. } => None,
        }
    }

    /// The u-coordinate and its lift to the Edwards curve with sign bit 0, if the group is x25519. All parties lift by this one rule.
    pub fn x25519(&self) -> Option<(&[u8; 32], &EdwardsPoint)> {
        match &self.0 {
            Share::Secp256r1(_) => None,
            Share::X25519 { u, point } => Some((u, point)),
        }
    }
}

fn secp256r1(encoded: &[u8]) -> Result<ServerShare, Violation> {
    if encoded.len() != Group::Secp256r1.share_length() || encoded[0] != 4 {
        return Err(Violation::P256ShareEncoding);
    }
    let point = p256::PublicKey::from_sec1_bytes(encoded).map_err(|_| Violation::P256OffCurve)?;
    Ok(ServerShare(Share::Secp256r1(point)))
}

fn x25519(encoded: &[u8]) -> Result<ServerShare, Violation> {
    let u: [u8; 32] = encoded.try_into().map_err(|_| Violation::X25519ShareLength)?;
    if !below_p(&u) {
        return Err(Violation::X25519NotCanonical);
    }
    let point = MontgomeryPoint(u).to_edwards(0).ok_or(Violation::X25519OnTwist)?;
    if point.mul_by_cofactor().is_identity() {
        return Err(Violation::X25519LowOrder);
    }
    Ok(ServerShare(Share::X25519 { u, point }))
}

/// Whether a little-endian number is below 2^255 - 19.
fn below_p(u: &[u8; 32]) -> bool {
    u[31] < 0x7f || (u[31] == 0x7f && (u[1..31].iter().any(|&byte| byte != 0xff) || u[0] < 0xed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use curve25519_dalek::constants::EIGHT_TORSION;
    use p256::elliptic_curve::sec1::ToSec1Point;

    fn x25519_fault(encoded: &[u8]) -> Option<Violation> {
        ServerShare::validate(Group::X25519, encoded).err()
    }

    fn number(low: u8, fill: u8, high: u8) -> [u8; 32] {
        let mut out = [fill; 32];
        (out[0], out[31]) = (low, high);
        out
    }

    #[test]
    fn low_order_points_are_refused() {
        for point in EIGHT_TORSION {
            let u = point.to_montgomery().to_bytes();
            assert_eq!(x25519_fault(&u), Some(Violation::X25519LowOrder), "{u:?}");
        }
    }

    #[test]
    fn a_point_with_torsion_passes_and_is_lifted_with_sign_zero() {
        let torsioned = curve25519_dalek::constants::ED25519_BASEPOINT_POINT + EIGHT_TORSION[1];
        let share = ServerShare::validate(Group::X25519, &torsioned.to_montgomery().to_bytes()).unwrap();
        let (u, point) = share.x25519().unwrap();
        assert_eq!(point.to_montgomery().to_bytes(), *u);
        assert_eq!(point.compress().as_bytes()[31] >> 7, 0);
    }

    #[test]
    fn coordinates_are_fully_reduced() {
        // p - 1 = -1 is the u-coordinate of low order on the twist; p, p + 9 and 9 with the top bit set are other names of 0 and 9.
        assert_eq!(x25519_fault(&number(0xec, 0xff, 0x7f)), Some(Violation::X25519OnTwist));
        assert_eq!(x25519_fault(&number(0xed, 0xff, 0x7f)), Some(Violation::X25519NotCanonical));
        assert_eq!(x25519_fault(&number(0xf6, 0xff, 0x7f)), Some(Violation::X25519NotCanonical));
        assert_eq!(x25519_fault(&number(9, 0, 0x80)), Some(Violation::X25519NotCanonical));
        assert_eq!(x25519_fault(&number(9, 0, 0)), None);
    }

    #[test]
    fn twist_and_length() {
        // 2 is no abscissa of the curve: 8 + 486662 * 4 + 2 is not a square.
        assert_eq!(x25519_fault(&number(2, 0, 0)), Some(Violation::X25519OnTwist));
        assert_eq!(x25519_fault(&[9; 31]), Some(Violation::X25519ShareLength));
        assert_eq!(x25519_fault(&[9; 33]), Some(Violation::X25519ShareLength));
    }

    #[test]
    fn secp256r1_points() {
        let generator = p256::PublicKey::from_affine(p256::AffinePoint::GENERATOR).unwrap().to_sec1_point(false);
        let good = generator.as_bytes();
        let fault = |encoded: &[u8]| ServerShare::validate(Group::Secp256r1, encoded).err();
        assert_eq!(fault(good), None);
        let mut off_curve = good.to_vec();
        off_curve[64] ^= 1;
        assert_eq!(fault(&off_curve), Some(Violation::P256OffCurve));
        let mut unreduced = good.to_vec();
        unreduced[1..33].fill(0xff);
        assert_eq!(fault(&unreduced), Some(Violation::P256OffCurve));
        let mut compressed = good[..33].to_vec();
        compressed[0] = 2;
        for bad in [&compressed[..], &good[..64], &[0], &[&[6], &good[1..]].concat()] {
            assert_eq!(fault(bad), Some(Violation::P256ShareEncoding));
        }
    }

    #[test]
    fn group_names() {
        assert_eq!(Group::parse_list("P-256:X25519"), Ok(vec![Group::Secp256r1, Group::X25519]));
        assert_eq!(Group::parse_list("P-256:"), Err(Misuse::UnknownGroup));
    }
}
