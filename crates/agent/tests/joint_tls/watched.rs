//! An engine that notes what was done, and lets its party lie about what it gives.

use cotenant_circuit::Circuit;
use cotenant_core::{Bits, Digest, PartyId};
use cotenant_mpc::{Engine, Error, Given, Input, Online, Segment, Source, Stats, Wire};
use std::sync::{Arc, Mutex};

/// How far a connection came, by what was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reached {
    /// No key.
    Nothing,
    /// The handshake traffic secrets.
    HandshakeSecrets,
    /// The client's IV: the application keys are derived, and still secret.
    ApplicationKeys,
    /// The key stream of the request.
    KeyStream,
    /// The tags of the request: it can be sent.
    Sealed,
    /// The server's application secret: the answer can be read.
    ServerSecret,
}

/// What one party was given by its engine.
#[derive(Clone)]
pub(crate) struct Log(Arc<Mutex<Reached>>);

impl Log {
    pub(crate) fn new() -> Log {
        Log(Arc::new(Mutex::new(Reached::Nothing)))
    }

    pub(crate) fn reached(&self) -> Reached {
        *self.0.lock().expect("no panic while noting")
    }

    /// Notes what was opened, in the order of the client. Denominators of point additions come first and tell nothing.
    fn opened(&self, linear: bool, bits: usize) {
        use Reached::*;
        let mut reached = self.0.lock().expect("no panic while noting");
        *reached = match (*reached, linear, bits) {
            (Nothing, false, 512) => HandshakeSecrets,
            (Nothing, false, 255 | 256) => Nothing,
            // That a check has passed.
            (Nothing, false, 1) => Nothing,
            (HandshakeSecrets, false, 96) => ApplicationKeys,
            (ApplicationKeys, false, _) => KeyStream,
            (KeyStream, true, _) => Sealed,
            (Sealed, false, 256) => ServerSecret,
            (reached, linear, bits) => panic!("{bits} bits are opened (linear: {linear}) after {reached:?}"),
        };
    }
}

/// What a party gives in place of what it should.
pub(crate) struct Lies {
    /// Instead of its contribution to a key share, or to a JWE.
    pub(crate) contribution: Box<dyn FnMut(Vec<u8>) -> Vec<u8> + Send>,
    /// Instead of its private input with this number.
    pub(crate) private: Box<dyn FnMut(usize, Bits) -> Bits + Send>,
}

impl Default for Lies {
    fn default() -> Self {
        Lies { contribution: Box::new(|bytes| bytes), private: Box::new(|_, bits| bits) }
    }
}

/// A session, or a sealed one.
pub(crate) struct Watched<E> {
    inner: E,
    log: Log,
    lies: Lies,
    given: usize,
}

impl<E> Watched<E> {
    pub(crate) fn new(inner: E, log: Log, lies: Lies) -> Self {
        Watched { inner, log, lies, given: 0 }
    }
}

impl<E: Engine> Engine for Watched<E> {
    type Online = Watched<E::Online>;

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
        Ok(Watched { inner: self.inner.stock(ands).await?, ..self })
    }

    async fn seal(self) -> Result<Self::Online, Error> {
        let Watched { inner, log, lies, given } = self;
        Ok(Watched { inner: inner.seal().await?, log, lies, given })
    }
}

impl<O: Online> Online for Watched<O> {
    type Verified = O::Verified;

    fn me(&self) -> PartyId {
        self.inner.me()
    }

    fn parties(&self) -> usize {
        self.inner.parties()
    }

    async fn input(&mut self, given: Vec<Given>) -> Result<(), Error> {
        let mut said = Vec::new();
        for one in given {
            said.push(match one {
                Given::Mine(input, bits) => {
                    self.given += 1;
                    Given::Mine(input, (self.lies.private)(self.given - 1, bits))
                }
                other => other,
            });
        }
        self.inner.input(said).await
    }

    async fn evaluate_all(&mut self, segments: Vec<Segment>) -> Result<Vec<O::Verified>, Error> {
        self.inner.evaluate_all(segments).await
    }

    async fn solder_all(&mut self, pairs: Vec<(Input, O::Verified)>) -> Result<(), Error> {
        self.inner.solder_all(pairs).await
    }

    async fn open(&mut self, wires: &O::Verified) -> Result<Bits, Error> {
        let bits = self.inner.open(wires).await?;
        self.log.opened(false, bits.len());
        Ok(bits)
    }

    async fn open_to(&mut self, wires: &O::Verified, to: PartyId) -> Result<Option<Bits>, Error> {
        self.inner.open_to(wires, to).await
    }

    async fn open_linear(&mut self, wires: &O::Verified, rows: &[Vec<u32>]) -> Result<Bits, Error> {
        let bits = self.inner.open_linear(wires, rows).await?;
        self.log.opened(true, bits.len());
        Ok(bits)
    }

    async fn compare(&mut self, digest: Digest) -> Result<(), Error> {
        self.inner.compare(digest).await
    }

    async fn coin(&mut self) -> Result<[u8; 64], Error> {
        self.inner.coin().await
    }

    async fn exchange(&mut self, value: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let said = (self.lies.contribution)(value.to_vec());
        self.inner.exchange(&said).await
    }

    async fn give_up(&mut self) {
        self.inner.give_up().await;
    }

    fn stats(&self) -> Stats {
        self.inner.stats()
    }
}
