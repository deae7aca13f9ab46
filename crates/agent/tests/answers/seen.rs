//! An engine that notes every bit that its party is told, so that a planted secret can be looked for in all of it.

use cotenant_circuit::Circuit;
use cotenant_core::{Bits, Digest, PartyId};
use cotenant_mpc::{Engine, Error, Given, Input, Online, Segment, Source, Stats, Wire};
use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use std::sync::{Arc, Mutex};

/// All that one party was told, opening by opening.
#[derive(Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<Vec<Bits>>>);

impl Notes {
    fn add(&self, bits: &Bits) {
        self.0.lock().expect("no panic while noting").push(bits.clone());
    }

    /// Whether these bytes were told, beginning at any bit.
    pub(crate) fn have(&self, bytes: &[u8]) -> bool {
        let text = |bits: &Bits| bits.iter().map(|bit| if bit { '1' } else { '0' }).collect::<String>();
        let wanted = text(&Bits::from_bytes(bytes));
        self.0.lock().expect("all have ended").iter().any(|bits| text(bits).contains(&wanted))
    }

    /// How many bits each opening had, in order.
    pub(crate) fn sizes(&self) -> Vec<usize> {
        self.0.lock().expect("all have ended").iter().map(Bits::len).collect()
    }

    /// All openings, as text where they are.
    fn shown(&self) -> String {
        let text = |bits: &Bits| {
            let bytes = bits.to_packed();
            let printable = bits.len() == 8 * bytes.len() && bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
            if printable { format!("\"{}\"", bytes.escape_ascii()) } else { format!("{} bits", bits.len()) }
        };
        self.0.lock().expect("all have ended").iter().map(text).collect::<Vec<_>>().join(", ")
    }
}

/// Neither the secret nor a part of it is in what any party was told, which is printed.
pub(crate) fn assert_untold(what: &str, secret: &str, notes: &[Notes]) {
    let (bytes, quarter) = (secret.as_bytes(), secret.len() / 4);
    for (party, notes) in notes.iter().enumerate() {
        println!("{what}: P{} was told {}", party + 1, notes.shown());
        for part in [bytes, &bytes[..2 * quarter], &bytes[2 * quarter..], &bytes[quarter..3 * quarter]] {
            let told = forms(part).into_iter().find(|form| notes.have(form));
            assert_eq!(told.map(|form| form.escape_ascii().to_string()), None, "{what}: P{} was told a part of the secret", party + 1);
        }
    }
}

/// As it is, in hexadecimal, and in base64 wherever it begins.
fn forms(part: &[u8]) -> Vec<Vec<u8>> {
    let mut forms = vec![part.to_vec(), HEXLOWER.encode(part).into(), HEXUPPER.encode(part).into()];
    for from in 0..3 {
        let whole = &part[from..part.len() - (part.len() - from) % 3];
        forms.extend([&BASE64_NOPAD, &BASE64URL_NOPAD].map(|base64| base64.encode(whole).into_bytes()));
    }
    forms
}

/// A session, or a sealed one.
pub(crate) struct Seen<E> {
    inner: E,
    notes: Notes,
    rewrites: bool,
}

/// Bits of what is known of 16 blocks of an answer: the IV, and of each block the record's number, its own, and its ciphertext.
const BLOCKS: usize = 96 + 16 * (8 + 11 + 128);

impl<E> Seen<E> {
    pub(crate) fn new(inner: E, notes: Notes) -> Self {
        Seen { inner, notes, rewrites: false }
    }

    /// Its party gives other ciphertext to be read than it has shown.
    pub(crate) fn rewriting(self, rewrites: bool) -> Self {
        Seen { rewrites, ..self }
    }
}

impl<E: Engine> Engine for Seen<E> {
    type Online = Seen<E::Online>;

    fn me(&self) -> PartyId {
        self.inner.me()
    }

    fn parties(&self) -> usize {
        self.inner.parties()
    }

    fn declare(&mut self, source: Source, len: usize) -> Input {
        self.inner.declare(source, len)
    }

    fn segment(&mut self, circuit: &Arc<Circuit>, inputs: &[Wire]) -> Result<Segment, Error> {
        self.inner.segment(circuit, inputs)
    }

    async fn stock(self, ands: usize) -> Result<Self, Error> {
        Ok(Seen { inner: self.inner.stock(ands).await?, ..self })
    }

    async fn seal(self) -> Result<Self::Online, Error> {
        let Seen { inner, notes, rewrites } = self;
        Ok(Seen { inner: inner.seal().await?, notes, rewrites })
    }
}

impl<O: Online> Online for Seen<O> {
    type Verified = O::Verified;

    fn me(&self) -> PartyId {
        self.inner.me()
    }

    fn parties(&self) -> usize {
        self.inner.parties()
    }

    async fn input(&mut self, given: Vec<Given>) -> Result<(), Error> {
        let rewritten = |given| match given {
            // A bit of the second block, which is the first that hides something.
            Given::Public(input, bits) if bits.len() == BLOCKS => {
                Given::Public(input, bits.iter().enumerate().map(|(k, bit)| bit ^ (k == BLOCKS - 1 - 14 * 147)).collect())
            }
            other => other,
        };
        let given = if self.rewrites { given.into_iter().map(rewritten).collect() } else { given };
        self.inner.input(given).await
    }

    async fn evaluate_all(&mut self, segments: Vec<Segment>) -> Result<Vec<O::Verified>, Error> {
        self.inner.evaluate_all(segments).await
    }

    async fn solder_all(&mut self, pairs: Vec<(Input, O::Verified)>) -> Result<(), Error> {
        self.inner.solder_all(pairs).await
    }

    async fn open(&mut self, wires: &O::Verified) -> Result<Bits, Error> {
        let bits = self.inner.open(wires).await?;
        self.notes.add(&bits);
        Ok(bits)
    }

    async fn open_to(&mut self, wires: &O::Verified, to: PartyId) -> Result<Option<Bits>, Error> {
        let bits = self.inner.open_to(wires, to).await?;
        bits.iter().for_each(|bits| self.notes.add(bits));
        Ok(bits)
    }

    async fn open_linear(&mut self, wires: &O::Verified, rows: &[Vec<u32>]) -> Result<Bits, Error> {
        let bits = self.inner.open_linear(wires, rows).await?;
        self.notes.add(&bits);
        Ok(bits)
    }

    async fn compare(&mut self, digest: Digest) -> Result<(), Error> {
        self.inner.compare(digest).await
    }

    async fn coin(&mut self) -> Result<[u8; 64], Error> {
        self.inner.coin().await
    }

    async fn exchange(&mut self, value: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        self.inner.exchange(value).await
    }

    async fn give_up(&mut self) {
        self.inner.give_up().await;
    }

    fn stats(&self) -> Stats {
        self.inner.stats()
    }
}
