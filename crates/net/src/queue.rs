//! The two queues of a link: messages on their way to the other side, and messages from it that were not read yet.
//!
//! They know neither sockets nor clocks, and wake whoever waits through the standard [`Waker`], so a lane works under any executor.

use crate::frame::{Frame, HEADER, Header, Kind, MESSAGE_OVERHEAD, PAYLOAD};
use bytes::Bytes;
use cotenant_core::channel::ChannelFault;
use std::{
    collections::{BTreeMap, VecDeque},
    ops::Bound,
    sync::{Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};
use tokio::sync::Notify;

/// Frames are handed to TLS together as long as their payloads are shorter than this.
const BATCH: usize = 1 << 16;

/// What passed through one lane of one link, without the cost of frames and TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneCounters {
    /// Messages queued to be sent, less those dropped whole or in part by `drop_queued`.
    pub messages_sent: u64,
    /// Bytes queued to be sent, less those dropped by `drop_queued`.
    pub bytes_sent: u64,
    /// Messages that arrived whole.
    pub messages_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
}

/// What waits to be sent, lane by lane.
pub(crate) struct Outbox {
    state: Mutex<Outgoing>,
    /// Says that there may be something new for the writer.
    news: Notify,
    /// How many bytes may wait in one lane before its sender does.
    budget: usize,
}

#[derive(Default)]
struct Outgoing {
    lanes: BTreeMap<u8, OutLane>,
    /// The lane served last.
    turn: u8,
    ping: Option<u64>,
    pong: Option<u64>,
    closing: Closing,
    fault: Option<ChannelFault>,
}

#[derive(Default, PartialEq, Eq)]
enum Closing {
    #[default]
    Open,
    Asked,
    Said,
}

#[derive(Default)]
struct OutLane {
    /// Without what is in frames already.
    messages: VecDeque<Bytes>,
    /// The first message is in frames in part.
    begun: bool,
    /// Bytes of the messages that are in no frame yet.
    waiting: usize,
    /// The other side holds parts of a message that will not be finished.
    abandon: bool,
    sender: Option<Waker>,
    messages_sent: u64,
    bytes_sent: u64,
}

/// What [`Outbox::fill`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fill {
    /// Frames to send.
    Some,
    /// Nothing for now.
    Nothing,
    /// The goodbye was sent; nothing more will come.
    Over,
}

impl Outbox {
    pub(crate) fn new(budget: usize) -> Self {
        // With no budget at all nothing would ever be sent.
        Outbox { state: Mutex::default(), news: Notify::new(), budget: budget.max(1) }
    }

    /// Queues the message, which is taken, once fewer than `budget` bytes wait in its lane.
    pub(crate) fn poll_send(&self, cx: &mut Context<'_>, lane: u8, message: &mut Vec<u8>) -> Poll<Result<(), ChannelFault>> {
        let mut state = self.lock();
        if let Some(fault) = state.fault {
            return Poll::Ready(Err(fault));
        }
        if state.closing != Closing::Open {
            return Poll::Ready(Err(ChannelFault::Broken));
        }
        let lane = state.lanes.entry(lane).or_default();
        if lane.waiting >= self.budget {
            lane.sender = Some(cx.waker().clone());
            return Poll::Pending;
        }
        lane.waiting += message.len();
        lane.bytes_sent += message.len() as u64;
        lane.messages_sent += 1;
        lane.messages.push_back(std::mem::take(message).into());
        drop(state);
        self.news.notify_one();
        Poll::Ready(Ok(()))
    }

    /// Forgets what waits in the lane.
    pub(crate) fn drop_queued(&self, lane: u8) {
        let mut state = self.lock();
        let Some(lane) = state.lanes.get_mut(&lane) else { return };
        lane.messages_sent -= lane.messages.len() as u64;
        lane.bytes_sent -= lane.waiting as u64;
        lane.abandon |= std::mem::take(&mut lane.begun);
        lane.waiting = 0;
        let dropped = std::mem::take(&mut lane.messages);
        let sender = lane.sender.take();
        drop(state);
        drop(dropped);
        sender.into_iter().for_each(Waker::wake);
        self.news.notify_one();
    }

    pub(crate) fn ping(&self, number: u64) {
        self.lock().ping = Some(number);
        self.news.notify_one();
    }

    /// Answers a ping; an answer that still waits is replaced, so that pings cost no memory.
    pub(crate) fn pong(&self, number: u64) {
        self.lock().pong = Some(number);
        self.news.notify_one();
    }

    /// Asks for a goodbye after what waits.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        if state.closing == Closing::Open {
            state.closing = Closing::Asked;
        }
        drop(state);
        self.news.notify_one();
    }

    pub(crate) fn fail(&self, fault: ChannelFault) {
        let mut state = self.lock();
        state.fault.get_or_insert(fault);
        let senders: Vec<Waker> = state.lanes.values_mut().filter_map(|lane| lane.sender.take()).collect();
        drop(state);
        senders.into_iter().for_each(Waker::wake);
    }

    /// Puts the next frames in `batch`, which is emptied first: answers, pings, then the lanes in turn, one frame each.
    pub(crate) fn fill(&self, batch: &mut Vec<Frame>) -> Fill {
        batch.clear();
        let mut state = self.lock();
        if state.closing == Closing::Said {
            return Fill::Over;
        }
        batch.extend(state.pong.take().map(|number| Frame::number(Kind::Pong, number)));
        batch.extend(state.ping.take().map(|number| Frame::number(Kind::Ping, number)));
        let (mut size, mut freed) = (0, Vec::new());
        while size < BATCH {
            let Some(lane) = state.next_lane() else {
                if state.closing == Closing::Asked {
                    batch.push(Frame::new(Kind::Goodbye, 0, Bytes::new()));
                    state.closing = Closing::Said;
                }
                break;
            };
            state.turn = lane;
            let queue = state.lanes.get_mut(&lane).expect("just found");
            let frame = queue.cut(lane);
            size += HEADER + frame.payload.len();
            batch.push(frame);
            if queue.waiting < self.budget {
                freed.extend(queue.sender.take());
            }
        }
        drop(state);
        freed.into_iter().for_each(Waker::wake);
        if batch.is_empty() { Fill::Nothing } else { Fill::Some }
    }

    /// Waits until there may be something for [`Outbox::fill`].
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    /// Messages and bytes sent through the lane.
    pub(crate) fn counts(&self, lane: u8) -> (u64, u64) {
        self.lock().lanes.get(&lane).map_or((0, 0), |lane| (lane.messages_sent, lane.bytes_sent))
    }

    /// The lanes that were ever used.
    pub(crate) fn lanes(&self) -> Vec<u8> {
        self.lock().lanes.keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Outgoing> {
        self.state.lock().expect("no holder panics")
    }
}

impl Outgoing {
    /// The next lane after the one served last that has something to send.
    fn next_lane(&self) -> Option<u8> {
        let after = self.lanes.range((Bound::Excluded(self.turn), Bound::Unbounded));
        let wrapped = self.lanes.range(..=self.turn);
        after.chain(wrapped).find(|(_, lane)| lane.abandon || !lane.messages.is_empty()).map(|(&number, _)| number)
    }
}

impl OutLane {
    /// The next frame of what waits.
    fn cut(&mut self, lane: u8) -> Frame {
        if std::mem::take(&mut self.abandon) {
            return Frame::new(Kind::Abandon, lane, Bytes::new());
        }
        let message = &mut self.messages[0];
        let payload = message.split_to(message.len().min(PAYLOAD));
        self.waiting -= payload.len();
        self.begun = !message.is_empty();
        if self.begun {
            return Frame::new(Kind::Part, lane, payload);
        }
        self.messages.pop_front();
        Frame::new(Kind::End, lane, payload)
    }
}

/// What arrived and was not read yet, lane by lane.
pub(crate) struct Inbox {
    state: Mutex<Incoming>,
    /// How many bytes the other side may be ahead of reading, over all lanes.
    limit: usize,
}

#[derive(Default)]
struct Incoming {
    lanes: BTreeMap<u8, InLane>,
    /// Bytes that arrived and were not read, parts of messages included.
    ahead: usize,
    fault: Option<ChannelFault>,
}

#[derive(Default)]
struct InLane {
    messages: VecDeque<Vec<u8>>,
    reader: Option<Waker>,
    messages_received: u64,
    bytes_received: u64,
}

impl Inbox {
    pub(crate) fn new(limit: usize) -> Self {
        Inbox { state: Mutex::default(), limit }
    }

    /// Makes room for a frame before it is read; says whether there is.
    pub(crate) fn admit(&self, header: &Header) -> bool {
        let mut state = self.lock();
        state.ahead += header.length + if header.kind == Kind::End { MESSAGE_OVERHEAD } else { 0 };
        state.ahead <= self.limit
    }

    /// Gives back the room of parts that were abandoned.
    pub(crate) fn release(&self, bytes: usize) {
        self.lock().ahead -= bytes;
    }

    pub(crate) fn deliver(&self, lane: u8, message: Vec<u8>) {
        let mut state = self.lock();
        let lane = state.lanes.entry(lane).or_default();
        lane.messages_received += 1;
        lane.bytes_received += message.len() as u64;
        lane.messages.push_back(message);
        let reader = lane.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }

    /// The lane's next message; the fault only once all that arrived before it was read.
    pub(crate) fn poll_recv(&self, cx: &mut Context<'_>, lane: u8) -> Poll<Result<Vec<u8>, ChannelFault>> {
        let mut state = self.lock();
        let fault = state.fault;
        let lane = state.lanes.entry(lane).or_default();
        match (lane.messages.pop_front(), fault) {
            (Some(message), _) => {
                state.ahead -= message.len() + MESSAGE_OVERHEAD;
                Poll::Ready(Ok(message))
            }
            (None, Some(fault)) => Poll::Ready(Err(fault)),
            (None, None) => {
                lane.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    pub(crate) fn fail(&self, fault: ChannelFault) {
        let mut state = self.lock();
        state.fault.get_or_insert(fault);
        let readers: Vec<Waker> = state.lanes.values_mut().filter_map(|lane| lane.reader.take()).collect();
        drop(state);
        readers.into_iter().for_each(Waker::wake);
    }

    /// Messages and bytes received through the lane.
    pub(crate) fn counts(&self, lane: u8) -> (u64, u64) {
        self.lock().lanes.get(&lane).map_or((0, 0), |lane| (lane.messages_received, lane.bytes_received))
    }

    /// The lanes that were ever used.
    pub(crate) fn lanes(&self) -> Vec<u8> {
        self.lock().lanes.keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Incoming> {
        self.state.lock().expect("no holder panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(outbox: &Outbox, lane: u8, mut message: Vec<u8>) -> Poll<Result<(), ChannelFault>> {
        outbox.poll_send(&mut Context::from_waker(Waker::noop()), lane, &mut message)
    }

    /// The frames of one batch: kind, lane, length of payload.
    fn frames(outbox: &Outbox) -> Vec<(Kind, u8, usize)> {
        let mut batch = Vec::new();
        outbox.fill(&mut batch);
        let told = |frame: &Frame| {
            let Header { kind, lane, length } = Header::decode(frame.header).unwrap();
            assert_eq!(length, frame.payload.len());
            (kind, lane, length)
        };
        batch.iter().map(told).collect()
    }

    #[test]
    fn lanes_take_turns_by_frame() {
        let outbox = Outbox::new(1 << 20);
        assert!(send(&outbox, 1, vec![1; PAYLOAD * 2 + 1]).is_ready());
        assert!(send(&outbox, 2, vec![2; 5]).is_ready());
        assert!(send(&outbox, 9, vec![9; PAYLOAD + 1]).is_ready());
        assert!(send(&outbox, 2, vec![]).is_ready());
        outbox.ping(7);
        let (part, end) = (Kind::Part, Kind::End);
        let all: Vec<_> = (0..4).flat_map(|_| frames(&outbox)).collect();
        let first_turn = [(Kind::Ping, 0, 8), (part, 1, PAYLOAD), (end, 2, 5), (part, 9, PAYLOAD)];
        assert_eq!(all[..4], first_turn);
        assert_eq!(all[4..], [(part, 1, PAYLOAD), (end, 2, 0), (end, 9, 1), (end, 1, 1)]);
    }

    #[test]
    fn small_frames_go_together() {
        let outbox = Outbox::new(1 << 20);
        for _ in 0..100 {
            assert!(send(&outbox, 1, vec![1; 1000]).is_ready());
        }
        assert_eq!(frames(&outbox).len(), BATCH.div_ceil(1000 + HEADER));
    }

    #[test]
    fn a_lane_over_its_budget_waits_and_the_others_do_not() {
        let outbox = Outbox::new(100);
        assert!(send(&outbox, 1, vec![0; 300]).is_ready(), "a message longer than the budget is let in when the lane is below it");
        assert!(send(&outbox, 1, vec![0; 1]).is_pending());
        assert!(send(&outbox, 2, vec![0; 1]).is_ready());
        assert_eq!(frames(&outbox).len(), 2);
        assert!(send(&outbox, 1, vec![0; 1]).is_ready());
        assert!(send(&Outbox::new(0), 1, vec![0; 1]).is_ready());
    }

    #[test]
    fn dropping_abandons_a_message_that_was_begun() {
        let outbox = Outbox::new(1 << 30);
        for _ in 0..2 {
            assert!(send(&outbox, 1, vec![1; 3 * PAYLOAD]).is_ready());
        }
        assert!(send(&outbox, 2, vec![2; 3]).is_ready());
        let begun = [frames(&outbox), frames(&outbox)].concat();
        assert!(begun.contains(&(Kind::End, 2, 3)) && !begun.contains(&(Kind::End, 1, PAYLOAD)), "{begun:?}");
        let in_frames: usize = begun.iter().filter(|frame| frame.1 == 1).map(|frame| frame.2).sum();
        outbox.drop_queued(1);
        outbox.drop_queued(2);
        assert_eq!((outbox.counts(1), outbox.counts(2)), ((0, in_frames as u64), (1, 3)));
        assert!(send(&outbox, 1, vec![1; 4]).is_ready());
        assert_eq!(frames(&outbox), [(Kind::Abandon, 1, 0), (Kind::End, 1, 4)]);
    }

    #[test]
    fn goodbye_comes_last() {
        let outbox = Outbox::new(1 << 20);
        assert!(send(&outbox, 1, vec![1; 3]).is_ready());
        outbox.close();
        assert_eq!(send(&outbox, 1, vec![2; 3]), Poll::Ready(Err(ChannelFault::Broken)));
        assert_eq!(frames(&outbox), [(Kind::End, 1, 3), (Kind::Goodbye, 0, 0)]);
        assert_eq!(outbox.fill(&mut Vec::new()), Fill::Over);
    }

    #[test]
    fn what_arrived_is_read_before_the_fault() {
        let inbox = Inbox::new(1 << 10);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(inbox.admit(&Header { kind: Kind::End, lane: 3, length: 2 }));
        inbox.deliver(3, vec![1, 2]);
        inbox.fail(ChannelFault::Silent);
        inbox.fail(ChannelFault::Broken);
        assert_eq!(inbox.poll_recv(&mut cx, 3), Poll::Ready(Ok(vec![1, 2])));
        for _ in 0..2 {
            assert_eq!(inbox.poll_recv(&mut cx, 3), Poll::Ready(Err(ChannelFault::Silent)), "the first fault stays");
        }
    }

    #[test]
    fn reading_makes_room() {
        let inbox = Inbox::new(1000);
        let mut cx = Context::from_waker(Waker::noop());
        let message = Header { kind: Kind::End, lane: 0, length: 1000 - MESSAGE_OVERHEAD };
        for _ in 0..3 {
            assert!(inbox.admit(&message));
            inbox.deliver(0, vec![0; message.length]);
            assert!(inbox.poll_recv(&mut cx, 0).is_ready());
        }
        assert!(inbox.admit(&Header { kind: Kind::Part, lane: 0, length: 1000 }));
        inbox.release(1000);
        assert!(inbox.admit(&message));
        assert!(!inbox.admit(&Header { kind: Kind::Part, lane: 1, length: 1 }));
    }

    #[test]
    fn empty_messages_are_not_free() {
        let inbox = Inbox::new(10 * MESSAGE_OVERHEAD);
        let empty = Header { kind: Kind::End, lane: 0, length: 0 };
        assert_eq!((0..20).filter(|_| inbox.admit(&empty)).count(), 10);
    }
}
