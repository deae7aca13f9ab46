//! The call that starts a machine: `run.http` with the region, the item that signs and a line for each party, and its arguments; and back, for who approves it.

use super::{
    PROGRAM, RunError, Strange,
    manifest::{is_digest, is_name, is_url},
    sha256,
};
use crate::serve::operations::api::Given;
use cotenant_agent::approve::item::ItemName;

/// The text, in which REGION, ITEM, and in lines for each party PARTY and SMALL (its name in small letters) are replaced.
const TEXT: &str = include_str!("run.http");
/// Characters of a run key in the text.
const KEY: usize = 64;

/// What a machine is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launch {
    /// The run, which is the token by which EC2 knows a request that it has had.
    pub run: String,
    /// Who takes part, in rising order of names.
    pub parties: Vec<String>,
    /// The region.
    pub region: String,
    /// The item of the vault that signs.
    pub item: String,
    /// The access key id that goes with it.
    pub access_key_id: String,
    /// The machine image.
    pub image: String,
    /// The machine's type.
    pub machine: String,
    /// After how many minutes the machine ends in any case.
    pub minutes: u32,
    /// Where the program is.
    pub program: String,
    /// Where the manifest is.
    pub manifest: String,
    /// Its SHA-256.
    pub manifest_sha256: String,
}

impl Launch {
    /// The text of the call.
    pub fn text(&self) -> String {
        let line = |line: &str| match line.contains("PARTY") {
            false => format!("{line}\n"),
            true => self.parties.iter().map(|name| format!("{line}\n").replace("PARTY", name).replace("SMALL", &small(name))).collect(),
        };
        TEXT.lines().map(line).collect::<String>().replace("REGION", &self.region).replace("ITEM", &self.item)
    }

    /// What fills its holes. The script is as long as base64 wants it, so that none of it has to be escaped for what a secret could be.
    pub fn arguments(&self) -> Vec<Given> {
        let given = [
            ("access-key-id", self.access_key_id.clone()),
            ("image", self.image.clone()),
            ("manifest", self.manifest.clone()),
            ("manifest-sha256", self.manifest_sha256.clone()),
            ("minutes", self.minutes.to_string()),
            ("pad", String::new()),
            ("program", self.program.clone()),
            ("program-sha256", sha256(PROGRAM.as_bytes())),
            ("run", self.run.clone()),
            ("type", self.machine.clone()),
        ];
        let mut given = given.map(|(name, value)| Given { name: name.to_owned(), value: value.into_bytes() });
        let missing = (3 - self.script(&given).len() % 3) % 3;
        given[5].value = vec![b'#'; missing];
        given.into()
    }

    /// The script that the machine runs, with these arguments, and zeros for keys.
    fn script(&self, arguments: &[Given]) -> String {
        let text = self.text();
        let lines = text.lines().filter_map(|line| line.strip_prefix("#   "));
        let mut script: String = lines.flat_map(|line| line.split('"').enumerate().map(piece).collect::<Vec<_>>()).collect();
        for Given { name, value } in arguments {
            script = script.replace(&format!("{{{{{name}}}}}"), &String::from_utf8_lossy(value));
        }
        script
    }

    /// The hole of a party's run key.
    pub fn hole(party: &str) -> String {
        format!("key-{}", small(party))
    }

    /// What an operation with this text and these arguments starts, if this program could have proposed it.
    ///
    /// # Errors
    /// What is strange about it.
    pub fn read(text: &str, arguments: &[Given]) -> Result<Launch, Strange> {
        let of = |name: &str| {
            let value = arguments.iter().find(|given| given.name == name).and_then(|given| String::from_utf8(given.value.clone()).ok());
            value.ok_or(Strange::Argument)
        };
        let word = |before: &str, ends: &[char]| {
            let (_, rest) = text.split_once(before)?;
            Some(rest.split(ends).next()?.to_owned())
        };
        let after = |line: &str| line.strip_prefix("# @private key-").and_then(|rest| Some(rest.split(' ').nth(2)?.to_owned()));
        let launch = Launch {
            run: of("run")?,
            parties: text.lines().filter_map(after).collect(),
            region: word(" region=", &[' ']).ok_or(Strange::Text)?,
            item: word(" key=", &[' ']).ok_or(Strange::Text)?,
            access_key_id: of("access-key-id")?,
            image: of("image")?,
            machine: of("type")?,
            minutes: of("minutes")?.parse().map_err(|_| Strange::Argument)?,
            program: of("program")?,
            manifest: of("manifest")?,
            manifest_sha256: of("manifest-sha256")?,
        };
        match () {
            () if launch.text() != text => Err(Strange::Text),
            () if of("program-sha256")? != sha256(PROGRAM.as_bytes()) => Err(Strange::Program),
            () if launch.check().is_err() || !is_same(&launch.arguments(), arguments) => Err(Strange::Argument),
            () => Ok(launch),
        }
    }

    /// Whether nothing in it means something where it stands: in a shell's text, in a form.
    ///
    /// # Errors
    /// What does.
    pub fn check(&self) -> Result<(), RunError> {
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|c| c.is_ascii_alphanumeric() || b".-".contains(&c));
        let named = self.parties.iter().chain([&self.run]).find(|name| !is_name(name));
        let worded = [&self.region, &self.access_key_id, &self.image, &self.machine].into_iter().find(|word| !plain(word));
        // One that is not of an item's characters could go on with other words of its line, or with lines.
        let item = Some(&self.item).filter(|item| item.parse::<ItemName>().is_err());
        if let Some(bad) = named.or(worded).or(item) {
            return Err(RunError::Name(bad.clone()));
        }
        match [&self.program, &self.manifest].into_iter().find(|url| !is_url(url)) {
            Some(url) => Err(RunError::Url(url.clone())),
            None if !is_digest(&self.manifest_sha256) => Err(RunError::Name(self.manifest_sha256.clone())),
            None => Ok(()),
        }
    }
}

/// A piece of a line of the value: a text in quotes, every second one, or the name of a key.
fn piece((number, piece): (usize, &str)) -> String {
    match number % 2 {
        1 => piece.replace("\\n", "\n"),
        _ if piece.trim().is_empty() => String::new(),
        _ => "0".repeat(KEY),
    }
}

fn small(party: &str) -> String {
    party.to_ascii_lowercase()
}

/// The same arguments, in whichever order.
fn is_same(a: &[Given], b: &[Given]) -> bool {
    a.len() == b.len() && a.iter().all(|given| b.contains(given))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cotenant_agent::{
        approve::operation::Argument,
        flow::{self, Seats},
    };
    use cotenant_core::{Digest, PartyId};

    fn launch() -> Launch {
        Launch {
            run: "circular-1".to_owned(),
            parties: vec!["Alice".to_owned(), "bob".to_owned()],
            region: "us-east-1".to_owned(),
            item: "aws/key".to_owned(),
            access_key_id: "AKIAEXAMPLE".to_owned(),
            image: "ami-0123456789abcdef0".to_owned(),
            machine: "t3.large".to_owned(),
            minutes: 30,
            program: "https://h.example/p?a=b".to_owned(),
            manifest: "https://h.example/m?a=b".to_owned(),
            manifest_sha256: "0".repeat(64),
        }
    }

    /// It is a flow in which each party gives its own key, and a party that reads it finds what was meant.
    #[test]
    fn a_launch_is_a_call_and_is_read_again() {
        let launch = launch();
        let (text, arguments) = (launch.text(), launch.arguments());
        assert_eq!(Launch::read(&text, &arguments), Ok(launch.clone()));
        let given = arguments.iter().map(|given| Argument { name: given.name.clone(), value: given.value.clone() }).collect();
        let seats = Seats { connector: PartyId::new(0), giver: PartyId::new(0) };
        let named = |name: &str| ["Alice", "bob"].iter().position(|known| *known == name).map(PartyId::new);
        let call = flow::call_among(text.into_bytes(), given, seats, &named, Digest([0; 32])).unwrap();
        assert_eq!(flow::is_its_text(&call), Ok(true));
        let slots: Vec<(&str, Option<PartyId>)> = call.slots.iter().map(|slot| (slot.hole.as_str(), slot.source.owner())).collect();
        assert_eq!(slots, [("key-alice", Some(PartyId::new(0))), ("key-bob", Some(PartyId::new(1))), ("signature", None)]);
        assert_eq!((Launch::hole("Alice"), call.host.as_str()), ("key-alice".to_owned(), "ec2.us-east-1.amazonaws.com"));
    }

    #[test]
    fn the_script_is_small_and_as_long_as_base64_wants_it() {
        for more in ["", "a", "aa"] {
            let mut launch = launch();
            launch.manifest += more;
            let script = launch.script(&launch.arguments());
            assert!(script.len().is_multiple_of(3) && script.len() < 2048, "{}", script.len());
            assert!(script.starts_with("#!/bin/sh\numask 077\n"), "{script}");
            assert!(script.contains(&format!("\nbob {}\nEOF\n", "0".repeat(64))), "{script}");
        }
    }

    #[test]
    fn what_this_program_would_not_propose_is_told() {
        let (launch, text) = (launch(), launch().text());
        let with = |name: &str, value: &str| {
            let mut arguments = launch.arguments();
            let given = arguments.iter_mut().find(|given| given.name == name).unwrap();
            given.value = value.into();
            Launch::read(&text, &arguments).unwrap_err()
        };
        assert_eq!(with("program-sha256", &"1".repeat(64)), Strange::Program);
        assert_eq!(with("manifest", "https://h/'; curl evil; '"), Strange::Argument);
        assert_eq!(with("pad", "####"), Strange::Argument);
        assert_eq!(with("minutes", "030"), Strange::Argument);
        assert_eq!(with("image", "ami-1&KeyName=mine"), Strange::Argument);
        let read = |text: &str| Launch::read(text, &launch.arguments()).unwrap_err();
        assert_eq!(read(&text.replace("umask 077", "curl evil")), Strange::Text);
        assert_eq!(read(&text.replace("HttpTokens=required", "HttpTokens=optional")), Strange::Text);
        assert_eq!(read(&text.replace("# @open status", "# @open all")), Strange::Text);
        assert_eq!(read(&text.replace("key-bob of bob", "key-bob of Alice")), Strange::Text);
        let other = Launch { item: "cloud/key\taccess-key-id=OTHER\n#\t".to_owned(), ..launch.clone() };
        assert!(other.check().is_err() && Launch::read(&other.text(), &other.arguments()).is_err());
    }
}
