//! How a session talks: kinds checked, broadcasts echoed, bytes and rounds counted, the dead told.

use crate::{
    error::{Check, Error, Failed, Phase, Reason},
    kind::Kind,
    stats::Stats,
};
use cotenant_core::{Channel, Digest, Domain, PartyId, codec::Reader, domain::Hasher};
use std::collections::VecDeque;

/// A received message whose kind is the expected one.
pub(crate) struct Message(Vec<u8>);

impl Message {
    /// What follows the kind byte.
    pub(crate) fn body(&self) -> &[u8] {
        &self.0[1..]
    }

    /// Reads the body whole with `f`.
    pub(crate) fn read<T>(&self, f: impl FnOnce(&mut Reader<'_>) -> Result<T, cotenant_core::codec::BadFormat>) -> Result<T, Failed> {
        let mut r = Reader::new(self.body());
        let v = f(&mut r)?;
        r.end()?;
        Ok(v)
    }
}

/// A digest of what was broadcast up to some point, that the others have been sent.
#[must_use]
pub(crate) struct Echo(Digest);

/// The channel of one session with what every step needs beside it.
pub(crate) struct Comms<C> {
    channel: C,
    me: PartyId,
    n: usize,
    phase: Phase,
    echo: Hasher,
    dead: bool,
    sent_since_received: bool,
    streaming: bool,
    /// What the next messages of a party have to be, by party.
    expected: Vec<VecDeque<Expected>>,
    pub(crate) stats: Stats,
}

/// A digest that a party is to send, and the check that fails if it is another.
#[derive(Clone, Copy)]
struct Expected {
    kind: Kind,
    digest: Digest,
    check: Check,
}

impl<C: Channel> Comms<C> {
    pub(crate) fn new(channel: C) -> Self {
        let (me, n) = (channel.me(), channel.parties());
        let echo = Domain::Echo.hasher();
        Comms {
            channel,
            me,
            n,
            phase: Phase::Setup,
            echo,
            dead: false,
            sent_since_received: false,
            streaming: false,
            expected: vec![VecDeque::new(); n],
            stats: Stats::default(),
        }
    }

    pub(crate) fn me(&self) -> PartyId {
        self.me
    }

    pub(crate) fn n(&self) -> usize {
        self.n
    }

    /// The other parties, in order.
    pub(crate) fn others(&self) -> impl DoubleEndedIterator<Item = PartyId> + Clone + use<C> {
        self.me.others(self.n)
    }

    /// The garblers but this party.
    pub(crate) fn other_garblers(&self) -> impl Iterator<Item = PartyId> + use<C> {
        self.others().filter(|&p| p != PartyId::EVALUATOR)
    }

    pub(crate) fn enter(&mut self, phase: Phase) {
        debug_assert!(phase != Phase::Online || self.expected.iter().all(VecDeque::is_empty), "'sealed' is behind every digest");
        self.phase = phase;
    }

    /// A stream begins: all send many messages and read what comes meanwhile, which together is one round.
    pub(crate) fn stream(&mut self) {
        (self.sent_since_received, self.streaming) = (true, true);
    }

    /// The stream is over.
    pub(crate) fn stream_ends(&mut self) {
        self.streaming = false;
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Gives the channel back for another use.
    pub(crate) fn into_channel(self) -> C {
        self.channel
    }

    /// Binds everything broadcast later to the session.
    pub(crate) fn bind(&mut self, session: &Digest) {
        self.echo.field(&session.0);
    }

    pub(crate) async fn send(&mut self, to: PartyId, message: Vec<u8>) -> Result<(), Error> {
        self.stats.sent(self.phase, message.len());
        self.sent_since_received |= !self.streaming;
        let phase = self.phase;
        self.channel.send(to, message).await.map_err(|source| Error::Channel { source, phase })
    }

    /// The next message from `from`, which must be of `kind`, behind the digests that are expected of it.
    pub(crate) async fn recv(&mut self, from: PartyId, kind: Kind) -> Result<Message, Error> {
        while let Some(&Expected { kind, digest, check }) = self.expected[from.index()].front() {
            let theirs = self.recv_next(from, kind).await?.read(|r| r.array::<32>()).map_err(|e| self.blame(from, e))?;
            if theirs != digest.0 {
                return Err(self.blame_any(check));
            }
            // Not before it has been compared, also if whoever waits here stops waiting.
            self.expected[from.index()].pop_front();
        }
        self.recv_next(from, kind).await
    }

    async fn recv_next(&mut self, from: PartyId, kind: Kind) -> Result<Message, Error> {
        let phase = self.phase;
        let m = self.channel.recv(from).await.map_err(|source| Error::Channel { source, phase })?;
        self.stats.received(phase, m.len(), std::mem::take(&mut self.sent_since_received));
        match Kind::of(&m) {
            Some(k) if k == kind => Ok(Message(m)),
            Some(Kind::Notice) => match Reason::decode(&m[1..], self.n) {
                Some(reason) => Err(Error::Stopped { by: from, reason, phase }),
                None => Err(self.blame(from, Failed(Check::Format))),
            },
            _ => Err(self.blame(from, Failed(Check::Order))),
        }
    }

    /// Receives a message of `kind` from `from` and reads its whole body.
    pub(crate) async fn recv_read<T>(
        &mut self,
        from: PartyId,
        kind: Kind,
        f: impl FnOnce(&mut Reader<'_>) -> Result<T, cotenant_core::codec::BadFormat>,
    ) -> Result<T, Error> {
        let m = self.recv(from, kind).await?;
        m.read(f).map_err(|e| self.blame(from, e))
    }

    /// Sends the same message to all others.
    pub(crate) async fn send_all(&mut self, message: &[u8]) -> Result<(), Error> {
        for p in self.others() {
            self.send(p, message.to_vec()).await?;
        }
        Ok(())
    }

    /// Everyone sends one message to everyone. Returns the bodies by party, this party's own included; they are in the echo.
    pub(crate) async fn broadcast(&mut self, kind: Kind, message: Vec<u8>) -> Result<Vec<Vec<u8>>, Error> {
        self.send_all(&message).await?;
        self.collect(kind, message[1..].to_vec()).await
    }

    /// Receives what everyone broadcasts. Returns the bodies by party, this party's own, `mine`, included; they are in the echo.
    pub(crate) async fn collect(&mut self, kind: Kind, mine: Vec<u8>) -> Result<Vec<Vec<u8>>, Error> {
        let mut all = vec![Vec::new(); self.n];
        all[self.me.index()] = mine;
        for p in PartyId::all(self.n) {
            if p != self.me {
                all[p.index()] = self.recv(p, kind).await?.body().to_vec();
            }
            self.absorb(p, &all[p.index()]);
        }
        Ok(all)
    }

    /// Puts what `from` broadcast in the echo.
    pub(crate) fn absorb(&mut self, from: PartyId, body: &[u8]) {
        if self.n > 2 {
            self.echo.number(from.index() as u64).field(body);
        }
    }

    /// All compare what was broadcast so far (broadcast with abort). Two parties have nothing to compare: each broadcast had one receiver.
    pub(crate) async fn check_echo(&mut self) -> Result<(), Error> {
        let echo = self.send_echo().await?;
        self.compare_echo(echo).await
    }

    /// Sends the others a digest of what was broadcast so far, in the same flight as what is sent next.
    pub(crate) async fn send_echo(&mut self) -> Result<Echo, Error> {
        let digest = self.echo.digest();
        if self.n > 2 {
            self.send_all(&Kind::Echo.message().bytes(&digest.0).done()).await?;
        }
        Ok(Echo(digest))
    }

    /// Compares what all sent at the same point.
    pub(crate) async fn compare_echo(&mut self, Echo(digest): Echo) -> Result<(), Error> {
        if self.n > 2 { self.compare_received(Kind::Echo, digest, Check::Echo).await } else { Ok(()) }
    }

    /// All send `digest` to all; any difference fails `check`.
    pub(crate) async fn compare(&mut self, kind: Kind, digest: Digest, check: Check) -> Result<(), Error> {
        self.send_all(&kind.message().bytes(&digest.0).done()).await?;
        self.compare_received(kind, digest, check).await
    }

    /// The same without waiting: each other's digest is compared before anything that it sends later is looked at.
    pub(crate) async fn announce(&mut self, kind: Kind, digest: Digest, check: Check) -> Result<(), Error> {
        self.send_all(&kind.message().bytes(&digest.0).done()).await?;
        for p in self.others() {
            self.expected[p.index()].push_back(Expected { kind, digest, check });
        }
        Ok(())
    }

    async fn compare_received(&mut self, kind: Kind, digest: Digest, check: Check) -> Result<(), Error> {
        for p in self.others() {
            let theirs = self.recv_read(p, kind, |r| r.array::<32>()).await?;
            if theirs != digest.0 {
                return Err(self.blame_any(check));
            }
        }
        Ok(())
    }

    /// The error for a fault of `party` alone.
    pub(crate) fn blame(&self, party: PartyId, failed: Failed) -> Error {
        Error::Check { check: failed.0, suspects: vec![party], phase: self.phase }
    }

    /// The error for a fault of any other party.
    pub(crate) fn blame_any(&self, check: Check) -> Error {
        Error::Check { check, suspects: self.others().collect(), phase: self.phase }
    }

    /// Whether the session died.
    pub(crate) fn is_dead(&self) -> bool {
        self.dead
    }

    /// The error for a fault of `party`, where with two parties it must be its own and with more it may have been misled by another.
    pub(crate) fn blame_if_two(&self, party: PartyId, failed: Failed) -> Error {
        if self.n == 2 { self.blame(party, failed) } else { self.blame_any(failed.0) }
    }

    /// The one place where a session dies: what is queued is dropped, the others are told the name of the check, or who was lost, and nothing else. A notice is passed on,
    /// as whoever sent it may have sent it to one party only.
    pub(crate) async fn die(&mut self, error: &Error) {
        if std::mem::replace(&mut self.dead, true) {
            return;
        }
        self.channel.drop_queued();
        let notice = [&[Kind::Notice as u8][..], &Reason::of(error).encode()].concat();
        for p in self.others() {
            // A link that is already broken has nobody to tell.
            let _ = self.channel.send(p, notice.clone()).await;
        }
    }
}
