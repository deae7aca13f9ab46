//! A presigned URL: signed by a key that nobody has, and opened to one party, which can give it to whoever is to send the request.
//!
//! Nothing is sent. All parties know the URL but for the 64 digits of its signature; those are opened to the reader alone, who commits to the whole URL
//! ([`commitment`]) so that it can show later what was opened. Which URL a commitment is of, nobody else sees: it binds the reader and no other.

use super::{
    CallError, Taken,
    content::{Key, Signature, SigningPlan, VaultPlan},
};
use crate::{
    approve::receipt::commitment,
    sign::presign::Presigned,
    tls::{Gate, JointError},
    vault::load::Wanted,
};
use cotenant_core::{Digest, PartyId};
use cotenant_mpc::{Engine, Online};
use zeroize::Zeroizing;

/// What is opened, and to whom.
pub struct Presign {
    /// Everything of the URL but the signature.
    pub presigned: Presigned,
    /// Who is to have it.
    pub reader: PartyId,
}

/// A URL that was made.
pub struct Made {
    /// What the reader has committed to.
    pub commitment: Digest,
    /// The URL, at the reader.
    pub opened: Option<Opened>,
}

/// What a reader has, and can show to others.
#[derive(Clone)]
pub struct Opened {
    /// The URL.
    pub url: Zeroizing<String>,
    /// What its commitment was made with.
    pub nonce: [u8; 32],
}

impl Presign {
    /// Makes it by the one item of `taken`, with the other parties, who do the same. `nonce` is fresh and random; `may_open` is asked before this party's part of
    /// the signature leaves it.
    ///
    /// # Errors
    /// Those of a call; [`CallError::MayHaveBeenSent`] once the reader may have the URL.
    pub async fn run<E: Engine>(self, mut engine: E, taken: Taken, nonce: [u8; 32], mut may_open: Gate) -> Result<Made, CallError> {
        let Taken { wanted, shares, .. } = taken;
        let (signature, key, signing) = self.declare(&mut engine, &wanted)?;
        let mut online = engine.seal().await?;
        let digits = async {
            key.load(&mut online, shares).await?;
            let digits = signing.sign(&mut online, &signature).await?;
            if may_open() { Ok(digits) } else { Err(CallError::Tls(cotenant_tls::Error::Backend(JointError::Held))) }
        };
        let made = match digits.await {
            Ok(digits) => self.open(&mut online, &digits, nonce).await.map_err(|error| CallError::MayHaveBeenSent(Box::new(error))),
            Err(error) => Err(error),
        };
        if made.is_err() {
            online.give_up().await;
        }
        made
    }

    /// Declares all that it takes.
    pub(crate) fn declare<E: Engine>(&self, engine: &mut E, wanted: &[Wanted]) -> Result<(Signature, VaultPlan, SigningPlan), CallError> {
        let key_bytes = wanted.first().ok_or(CallError::NoItem { number: 0 })?.origin.item.len;
        let signature = Signature { to_sign: self.presigned.to_sign().clone(), key: Key::Item(0), key_bytes };
        let key = VaultPlan::declare(engine, &[0], wanted)?;
        let signing = SigningPlan::declare(engine, &signature, key.wires().collect())?;
        Ok((signature, key, signing))
    }

    async fn open<O: Online>(self, online: &mut O, digits: &O::Verified, nonce: [u8; 32]) -> Result<Made, CallError> {
        let opened = online.open_to(digits, self.reader).await?.map(|bits| {
            let digits = Zeroizing::new(bits.to_packed());
            let url = self.presigned.url(digits[..].try_into().expect("as many digits as a signature has"));
            Opened { url, nonce }
        });
        let mine = opened.as_ref().map_or([0; 32], |opened| commitment(&nonce, opened.url.as_bytes()).0);
        let said = online.exchange(&mine).await?;
        let commitment = said[self.reader.index()][..].try_into().expect("all said as many bytes");
        Ok(Made { commitment: Digest(commitment), opened })
    }
}
