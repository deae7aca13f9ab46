//! What is agreed on in a run, as JSON: a party's offer, the manifest that is made of all offers, and the addresses that a party tells the machine alone.
//!
//! `machine/run.py` looks at the same things once more. Here an unknown field or one that stands twice is refused, so what people are shown is all there is.

use super::{BadOffers, KEPT, RunError, sha256};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The longest manifest, in bytes.
pub const MAX_MANIFEST: u64 = 1 << 18;
/// The longest name.
const MAX_NAME: usize = 64;
/// The longest run.
const MAX_SECONDS: u32 = 86_400;

/// Something that is fetched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thing {
    /// Where it is.
    pub url: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// A sealed input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// What the script finds it as.
    pub name: String,
    /// Where the sealed object is.
    pub url: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// One party's part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// The party.
    pub name: String,
    /// Its sealed [`Addresses`].
    pub addresses: Thing,
    /// What it gives, in rising order of names.
    pub inputs: Vec<Input>,
    /// What it gets, in rising order.
    pub outputs: Vec<String>,
    /// Whether it gets what the script prints.
    pub log: bool,
}

/// What a party gives to whoever proposes a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The form: 1.
    #[serde(rename = "cotenant-offer")]
    pub form: u32,
    /// The run.
    pub run: String,
    /// The part.
    pub part: Part,
}

/// What a machine does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The form: 1.
    #[serde(rename = "cotenant-run")]
    pub form: u32,
    /// The run.
    pub run: String,
    /// How long the script may take.
    pub seconds: u32,
    /// The script.
    pub script: Thing,
    /// Who takes part, in rising order of names.
    pub parties: Vec<Part>,
}

/// Where a party wants what it is to have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    /// How the run stands is put here.
    pub status: String,
    /// What the script printed is put here.
    pub log: String,
    /// Its word to end the run is looked for here.
    pub stop: String,
    /// Results are put here, by their names.
    pub outputs: BTreeMap<String, String>,
}

impl Thing {
    /// The object at this URL.
    pub fn of(url: String, bytes: &[u8]) -> Thing {
        Thing { url, bytes: bytes.len() as u64, sha256: sha256(bytes) }
    }

    /// Whether this is it.
    pub fn is(&self, bytes: &[u8]) -> bool {
        self.bytes == bytes.len() as u64 && self.sha256 == sha256(bytes)
    }
}

impl Part {
    fn is_well_formed(&self) -> bool {
        let inputs: Vec<&String> = self.inputs.iter().map(|input| &input.name).collect();
        let outputs: Vec<&String> = self.outputs.iter().collect();
        let named = [vec![&self.name], inputs.clone(), outputs.clone()].concat().into_iter().all(|name| is_name(name));
        let things = self.inputs.iter().map(|input| (&input.url, &input.sha256)).chain([(&self.addresses.url, &self.addresses.sha256)]);
        named && rises(&inputs) && rises(&outputs) && things.into_iter().all(|(url, digest)| is_url(url) && is_digest(digest))
    }
}

impl Manifest {
    /// The manifest of these offers.
    ///
    /// # Errors
    /// [`RunError::Offers`].
    pub fn of(run: &str, seconds: u32, script: Thing, offers: Vec<Offer>) -> Result<Manifest, RunError> {
        if offers.iter().any(|offer| offer.run != run) {
            return Err(RunError::Offers(BadOffers::Run));
        }
        let mut parties: Vec<Part> = offers.into_iter().map(|offer| offer.part).collect();
        parties.sort_by(|a, b| a.name.cmp(&b.name));
        let manifest = Manifest { form: 1, run: run.to_owned(), seconds, script, parties };
        match manifest.is_well_formed() {
            true => Ok(manifest),
            false if !rises(&manifest.names()) => Err(RunError::Offers(BadOffers::Twice)),
            false => Err(RunError::Offers(BadOffers::Form)),
        }
    }

    /// The names of those who take part.
    pub fn names(&self) -> Vec<&String> {
        self.parties.iter().map(|party| &party.name).collect()
    }

    /// Whether it is in its form; the machine demands the same.
    pub fn is_well_formed(&self) -> bool {
        let script = is_url(&self.script.url) && is_digest(&self.script.sha256);
        let time = (1..=MAX_SECONDS).contains(&self.seconds);
        self.form == 1 && is_name(&self.run) && time && script && rises(&self.names()) && self.parties.iter().all(Part::is_well_formed)
    }

    /// Whether a machine of so many minutes has the time for it.
    ///
    /// # Errors
    /// [`RunError::Time`].
    pub fn fits(&self, minutes: u32) -> Result<(), RunError> {
        match u64::from(self.seconds) + u64::from(KEPT) <= 60 * u64::from(minutes) {
            true => Ok(()),
            false => Err(RunError::Time { minutes, seconds: self.seconds }),
        }
    }
}

/// Whether it can be the name of a run, a party or a file.
pub fn is_name(text: &str) -> bool {
    let inner = text.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c));
    inner && text.len() <= MAX_NAME && text.bytes().next().is_some_and(|c| c.is_ascii_alphanumeric())
}

/// Whether it is an https URL of characters that mean nothing in a shell's quotes, in JSON or in a form.
pub fn is_url(text: &str) -> bool {
    let Some((host, rest)) = text.strip_prefix("https://").and_then(|rest| rest.split_once('/')) else { return false };
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let ends = |label: &str| label.starts_with('-') || label.ends_with('-');
    let is_label =
        |label: &str| (1..=63).contains(&label.len()) && !ends(label) && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
    let named = name.split('.').all(is_label);
    let ported = port.is_none_or(|port| port.bytes().all(|c| c.is_ascii_digit()) && port.len() <= 5 && port.parse::<u16>().is_ok());
    named && ported && rest.bytes().all(|c| c.is_ascii_alphanumeric() || b"/._~%?&=+,:@;!$*-".contains(&c))
}

/// Whether it is a SHA-256 in hexadecimal.
pub fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c))
}

fn rises(names: &[&String]) -> bool {
    names.windows(2).all(|two| two[0] < two[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thing() -> Thing {
        Thing::of("https://h.example:8443/a?b=%20".to_owned(), b"x")
    }

    pub(in crate::run) fn offer(name: &str) -> Offer {
        let Thing { url, bytes, sha256 } = thing();
        let inputs = vec![Input { name: "data.csv".to_owned(), url, bytes, sha256 }];
        let part = Part { name: name.to_owned(), addresses: thing(), inputs, outputs: vec!["result.csv".to_owned()], log: true };
        Offer { form: 1, run: "r1".to_owned(), part }
    }

    #[test]
    fn offers_make_a_manifest() {
        let of = |offers| Manifest::of("r1", 60, thing(), offers);
        let made = of(vec![offer("bob"), offer("alice")]).unwrap();
        assert_eq!(made.names(), ["alice", "bob"]);
        let why = |offers| of(offers).unwrap_err().to_string();
        assert!(why(vec![offer("bob"), offer("bob")]).contains("two are of one party"));
        assert!(why(vec![Offer { run: "r2".to_owned(), ..offer("bob") }]).contains("another run"));
        assert!(why(vec![offer("../bob")]).contains("not in its form"));
        let mut odd = offer("bob");
        odd.part.inputs[0].url = "https://h/a'b".to_owned();
        assert!(why(vec![odd]).contains("not in its form"));
        assert!(made.fits(5).is_ok() && made.fits(4).is_err());
    }

    #[test]
    fn what_is_not_known_is_refused() {
        let text = serde_json::to_string(&offer("bob")).unwrap();
        assert_eq!(serde_json::from_str::<Offer>(&text).unwrap(), offer("bob"));
        for wrong in [text.replace("\"run\":", "\"more\":1,\"run\":"), text.replace("\"run\":", "\"run\":\"r0\",\"run\":")] {
            assert!(serde_json::from_str::<Offer>(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn names_and_urls() {
        for good in ["a", "data.csv", "R-1_x", "0"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", ".a", "a/b", "a b", "\u{e4}", &"a".repeat(65)] {
            assert!(!is_name(bad), "{bad}");
        }
        for good in ["https://h/", "https://h.example:443/a/b?c=d&e=%2F"] {
            assert!(is_url(good), "{good}");
        }
        for bad in [
            "http://h/",
            "https://h",
            "https:///a",
            "https://u@h/",
            "https://h:/a",
            "https://h:65536/a",
            "https://a..b/a",
            "https://-h/a",
            "https://h/a b",
            "https://h/'",
            "https://h/\"",
            "https://h/`",
            "https://h/#a",
        ] {
            assert!(!is_url(bad), "{bad}");
        }
    }
}
