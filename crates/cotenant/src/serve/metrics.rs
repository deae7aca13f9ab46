//! What the daemon counts, in the text format of OpenMetrics 1.0, which Prometheus reads: at `/metrics` of a loopback address.
//!
//! | metric | type | labels |
//! | --- | --- | --- |
//! | `cotenant_build_info` | info | `version` |
//! | `cotenant_up`, `cotenant_uptime_seconds`, `cotenant_rooms` | gauge | |
//! | `cotenant_operations` | gauge | `state`: of those that all have approved, waiting for their turn here, or running |
//! | `cotenant_weak_items` | gauge | `room`: items of its vault that are below full strength |
//! | `cotenant_operations_finished_total` | counter | `outcome`: done, failed, stopped |
//! | `cotenant_failed_checks_total` | counter | `check` |
//! | `cotenant_peer_sent_bytes_total`, `cotenant_peer_received_bytes_total` | counter | `room`, `peer`: its fingerprint; of notes, without what runs send |
//!
//! No label is text that another party chose.

use super::{
    daemon::{Daemon, weak_items},
    room::Room,
};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::{Registry, Unit},
};
use std::sync::{Arc, Mutex, atomic::Ordering};

/// The type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All counters. Those of rooms and their queues are asked when somebody looks.
pub struct Metrics {
    registry: Registry,
    uptime: Gauge,
    rooms: Gauge,
    operations: Family<State, Gauge>,
    weak: Family<Of, Gauge>,
    finished: Family<Outcome, Counter>,
    failed_checks: Family<Check, Counter>,
    sent: Family<PeerOf, Counter>,
    received: Family<PeerOf, Counter>,
    /// One looks at a time: counters of peers are set for each look.
    looking: Mutex<()>,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Of {
    room: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Check {
    check: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PeerOf {
    room: String,
    peer: String,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("cotenant");
        let (up, uptime, rooms): (Gauge, Gauge, Gauge) = (Gauge::default(), Gauge::default(), Gauge::default());
        up.set(1);
        registry.register("build", "The program", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        registry.register("up", "1 while the daemon runs", up);
        registry.register_with_unit("uptime", "Since the daemon started", Unit::Seconds, uptime.clone());
        registry.register("rooms", "Rooms that this party is in", rooms.clone());
        let (operations, finished, failed_checks) = (Family::default(), Family::default(), Family::default());
        registry.register(
            "operations",
            "Operations that all have approved, and that wait for their turn or run",
            Family::clone(&operations),
        );
        registry.register("operations_finished", "Operations that ended", Family::clone(&finished));
        registry.register("failed_checks", "Checks of the protocol that another party did not pass", Family::clone(&failed_checks));
        let weak = Family::default();
        registry.register(
            "weak_items",
            "Items of a vault of which a member lacks a share, or that are not shared as the room wants",
            Family::clone(&weak),
        );
        let (sent, received) = (Family::default(), Family::default());
        registry.register_with_unit("peer_sent", "Notes sent to another party, without what runs send", Unit::Bytes, Family::clone(&sent));
        registry.register_with_unit(
            "peer_received",
            "Notes received from another party, without what runs send",
            Unit::Bytes,
            Family::clone(&received),
        );
        let looking = Mutex::default();
        let metrics = Metrics { registry, uptime, rooms, operations, weak, finished, failed_checks, sent, received, looking };
        // What is there from the start can be compared with what comes.
        ["done", "failed", "stopped"].into_iter().for_each(|outcome| drop(metrics.finished.get_or_create(&Outcome { outcome })));
        metrics
    }
}

impl Metrics {
    /// Counts an operation that ended.
    pub(super) fn finished(&self, outcome: &'static str) {
        self.finished.get_or_create(&Outcome { outcome }).inc();
    }

    /// Counts a check that another party did not pass. `check` is the check's own name, nothing that the party wrote.
    pub fn failed_check(&self, check: &str) {
        self.failed_checks.get_or_create(&Check { check: check.to_owned() }).inc();
    }

    /// All of it as text.
    pub fn text(&self, daemon: &Daemon) -> String {
        let _looking = self.looking.lock().expect("no holder panics");
        let rooms = daemon.rooms();
        self.uptime.set(i64::try_from(daemon.uptime().as_secs()).unwrap_or(i64::MAX));
        self.rooms.set(rooms.len().try_into().unwrap_or(i64::MAX));
        let (waiting, running) = rooms.iter().map(|room| room.queue().load()).fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        for (state, count) in [("waiting", waiting), ("running", running)] {
            self.operations.get_or_create(&State { state }).set(count.try_into().unwrap_or(i64::MAX));
        }
        self.weak.clear();
        for room in &rooms {
            let count = weak_items(&**room).len();
            self.weak.get_or_create(&Of { room: room.id().to_string() }).set(count.try_into().unwrap_or(i64::MAX));
        }
        self.look_at_peers(&rooms);
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a text takes all");
        text
    }

    fn look_at_peers(&self, rooms: &[Arc<dyn Room>]) {
        self.sent.clear();
        self.received.clear();
        for room in rooms {
            for peer in room.peers() {
                let labels = PeerOf { room: room.id().to_string(), peer: peer.fingerprint };
                self.sent.get_or_create(&labels).inner().store(peer.sent_bytes, Ordering::Relaxed);
                self.received.get_or_create(&labels).inner().store(peer.received_bytes, Ordering::Relaxed);
            }
        }
    }
}
