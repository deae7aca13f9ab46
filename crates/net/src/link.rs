//! One link: the task that carries frames between a secured connection and the queues of its lanes.
//!
//! The socket is always drained into the inbox, whether or not anyone reads, so that two sides who both write at once cannot block each
//! other. Three things run side by side until the first of them finds the link's end: reading, writing, and the watch, which sends a
//! ping now and then and notices when nothing comes from the other side, or nothing is taken by it, for the set time.

use crate::{
    frame::{Frame, HEADER, Header, Kind},
    mesh::Limits,
    queue::{Fill, Inbox, Outbox},
    stream::Stream,
};
use cotenant_core::channel::ChannelFault;
use std::{
    collections::BTreeMap,
    future::pending,
    io::{self, IoSlice},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    time::{MissedTickBehavior, interval, sleep, timeout},
};

/// The watch looks this often within the time after which a silent peer counts as dead; every second time it sends a ping.
///
/// It counts looks, not time: when this process was stopped for a while, that is one look and not the peer's silence.
const LOOKS: u32 = 8;

/// How long a link that ends still takes: to answer a goodbye, to read what came before the connection broke.
const LAST_WORD: Duration = Duration::from_secs(1);

/// The queues of a link, and what is known of its health.
pub(crate) struct Link {
    pub(crate) outbox: Outbox,
    pub(crate) inbox: Inbox,
    health: Health,
}

impl Link {
    pub(crate) fn new(limits: &Limits) -> Self {
        Link { outbox: Outbox::new(limits.send_ahead), inbox: Inbox::new(limits.read_ahead), health: Health::default() }
    }

    /// The shortest time between a ping and its pong so far.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.health.pings.lock().expect("no holder panics").shortest
    }

    /// Carries frames until the link ends; then this and the lanes say why.
    pub(crate) async fn drive(&self, stream: Stream, limits: &Limits) -> ChannelFault {
        let (mut read, mut write) = tokio::io::split(stream);
        let fault = tokio::select! {
            fault = self.read_frames(&mut read) => fault,
            fault = self.write_frames(&mut write) => fault,
            fault = self.watch(limits.dead_after) => fault,
        };
        self.outbox.fail(fault);
        self.inbox.fail(fault);
        if fault == ChannelFault::Closed {
            // The other side said goodbye and waits for the end of the connection. If it does not take it, that is its loss.
            let _ = timeout(LAST_WORD, write.shutdown()).await;
        }
        fault
    }

    async fn read_frames(&self, stream: &mut ReadHalf<Stream>) -> ChannelFault {
        let mut begun: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
        loop {
            let mut head = [0; HEADER];
            if stream.read_exact(&mut head).await.is_err() {
                return ChannelFault::Broken;
            }
            self.health.heard();
            let Some(header) = Header::decode(head) else { return ChannelFault::Malformed };
            let finished = match header.kind {
                Kind::Part | Kind::End => self.read_part(stream, &header, begun.entry(header.lane).or_default()).await,
                Kind::Abandon => self.abandon(begun.remove(&header.lane)),
                Kind::Ping | Kind::Pong => self.read_ping(stream, header.kind).await,
                Kind::Goodbye => Err(ChannelFault::Closed),
            };
            if let Err(fault) = finished {
                return fault;
            }
        }
    }

    /// Reads a frame's payload to the end of the lane's message, and delivers that when it is whole.
    async fn read_part(&self, stream: &mut ReadHalf<Stream>, header: &Header, message: &mut Vec<u8>) -> Result<(), ChannelFault> {
        if !self.inbox.admit(header) {
            return Err(ChannelFault::Flooded);
        }
        message.reserve_exact(header.length);
        let mut rest = stream.take(header.length as u64);
        while rest.limit() > 0 {
            match rest.read_buf(message).await {
                Ok(1..) => self.health.heard(),
                Ok(0) | Err(_) => return Err(ChannelFault::Broken),
            }
        }
        if header.kind == Kind::End {
            self.inbox.deliver(header.lane, std::mem::take(message));
        }
        Ok(())
    }

    fn abandon(&self, parts: Option<Vec<u8>>) -> Result<(), ChannelFault> {
        match parts {
            Some(parts) if !parts.is_empty() => {
                self.inbox.release(parts.len());
                Ok(())
            }
            _ => Err(ChannelFault::Malformed),
        }
    }

    async fn read_ping(&self, stream: &mut ReadHalf<Stream>, kind: Kind) -> Result<(), ChannelFault> {
        let number = stream.read_u64().await.map_err(|_| ChannelFault::Broken)?;
        if kind == Kind::Ping {
            self.outbox.pong(number);
            return Ok(());
        }
        self.health.pings.lock().expect("no holder panics").answered(number)
    }

    async fn write_frames(&self, stream: &mut WriteHalf<Stream>) -> ChannelFault {
        let mut batch = Vec::new();
        self.health.writing(true);
        loop {
            let written = match self.outbox.fill(&mut batch) {
                Fill::Some => self.write(stream, &batch).await,
                Fill::Nothing => stream.flush().await,
                Fill::Over => {
                    let _ = stream.shutdown().await;
                    self.health.writing(false);
                    // The reader sees the other side's end of the connection.
                    return pending().await;
                }
            };
            if written.is_err() {
                // What the other side sent before may still be unread, its goodbye among it.
                sleep(LAST_WORD).await;
                return ChannelFault::Broken;
            }
            if batch.is_empty() {
                self.health.writing(false);
                self.outbox.news().await;
                self.health.writing(true);
            }
        }
    }

    /// Hands the frames to TLS; the last of them may still have to be flushed.
    async fn write(&self, stream: &mut WriteHalf<Stream>, batch: &[Frame]) -> io::Result<()> {
        let pieces = batch.iter().flat_map(|frame| [&frame.header[..], &frame.payload]);
        let mut pieces: Vec<IoSlice<'_>> = pieces.filter(|piece| !piece.is_empty()).map(IoSlice::new).collect();
        let mut rest = &mut pieces[..];
        while !rest.is_empty() {
            let written = stream.write_vectored(rest).await?;
            self.health.taken();
            IoSlice::advance_slices(&mut rest, written);
        }
        Ok(())
    }

    async fn watch(&self, dead_after: Duration) -> ChannelFault {
        let mut looks = interval((dead_after / LOOKS).max(Duration::from_millis(1)));
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut nothing_came, mut nothing_went) = (0, 0);
        for look in 0u64.. {
            looks.tick().await;
            nothing_came = if self.health.heard.swap(false, Relaxed) { 0 } else { nothing_came + 1 };
            let stuck = self.health.writing.load(Relaxed) && !self.health.taken.swap(false, Relaxed);
            nothing_went = if stuck { nothing_went + 1 } else { 0 };
            if nothing_came > LOOKS || nothing_went > LOOKS {
                return ChannelFault::Silent;
            }
            if look % 2 == 0 {
                let number = self.health.pings.lock().expect("no holder panics").next();
                self.outbox.ping(number);
            }
        }
        unreachable!("2^64 looks")
    }
}

/// Signs of the other side's life since the last look.
#[derive(Default)]
struct Health {
    /// Bytes came.
    heard: AtomicBool,
    /// Something is to be written.
    writing: AtomicBool,
    /// Bytes were taken.
    taken: AtomicBool,
    pings: Mutex<Pings>,
}

impl Health {
    fn heard(&self) {
        self.heard.store(true, Relaxed);
    }

    fn taken(&self) {
        self.taken.store(true, Relaxed);
    }

    fn writing(&self, writing: bool) {
        self.taken();
        self.writing.store(writing, Relaxed);
    }
}

/// The pings of one link. They are numbered from 1; one at a time is measured.
#[derive(Default)]
struct Pings {
    sent: u64,
    measured: Option<(u64, Instant)>,
    shortest: Option<Duration>,
}

impl Pings {
    fn next(&mut self) -> u64 {
        self.sent += 1;
        self.measured.get_or_insert((self.sent, Instant::now()));
        self.sent
    }

    /// A pong came. Some pings get none, if they come faster than the other side can answer.
    fn answered(&mut self, number: u64) -> Result<(), ChannelFault> {
        if number == 0 || number > self.sent {
            return Err(ChannelFault::Malformed);
        }
        match self.measured {
            Some((measured, at)) if number >= measured => {
                self.measured = None;
                if number == measured {
                    let taken = at.elapsed();
                    self.shortest = Some(self.shortest.map_or(taken, |shortest| shortest.min(taken)));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pongs_fit_pings() {
        let mut pings = Pings::default();
        assert_eq!(pings.answered(1), Err(ChannelFault::Malformed), "no ping was sent");
        assert_eq!((pings.next(), pings.next()), (1, 2));
        assert_eq!(pings.answered(0), Err(ChannelFault::Malformed));
        assert_eq!(pings.answered(3), Err(ChannelFault::Malformed), "not sent yet");
        assert_eq!(pings.answered(2), Ok(()));
        assert_eq!((pings.measured, pings.shortest), (None, None), "the measured ping got no answer");
        assert_eq!(pings.next(), 3);
        assert_eq!(pings.answered(2), Ok(()));
        assert!(pings.measured.is_some() && pings.shortest.is_none(), "an answer to an earlier ping measures nothing");
        assert_eq!(pings.answered(3), Ok(()));
        assert!(pings.measured.is_none() && pings.shortest.is_some());
    }
}
