//! Moves packets from device to device.
//!
//! The devices hand over and take segments of up to 64 KiB as the kernel's TCP makes them (`IFF_VNET_HDR`), each behind a header that says how to cut it
//! and which checksum is still to be computed; it is passed on as it is. Each device has a thread that takes packets in, and each line one that gives
//! them out when they are due. A segment counts with the bytes that it has, without the headers that its parts would have: a line's rate is about what
//! a bulk transfer sees.
//!
//! What would have to wait for its turn longer than a round trip, and longer than 10 ms, is lost: the buffer of a router holds one bandwidth-delay
//! product.

use crate::{
    line::{Line, Queue},
    thread::spawn,
};
use std::{
    net::Ipv4Addr,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};
use tun_rs::SyncDevice;

/// The header of each packet, `struct virtio_net_hdr`.
const VNET_HEADER: usize = 10;

/// The longest packet, with its header.
const LONGEST: usize = VNET_HEADER + 0xffff;

/// The least that a buffer holds.
const LEAST_BUFFER: Duration = Duration::from_millis(10);

/// About the time that it takes a packet to be taken in and given out by threads that slept; it is left out of the delay.
const HANDLING: Duration = Duration::from_micros(100);

/// Where the destination stands in an IPv4 header (RFC 791 section 3.1).
const DESTINATION: usize = 16;

/// A packet on its way.
struct Packet {
    due: Instant,
    bytes: Vec<u8>,
}

/// Buffers that were used and can be used again, each as long as the longest packet.
type Spare = Mutex<Vec<Vec<u8>>>;

/// Carries packets between the devices until they are gone. The host of a destination is the place of its address in `addresses`.
pub(crate) fn carry(devices: Vec<Arc<SyncDevice>>, addresses: Vec<Ipv4Addr>, line: Line) {
    let (addresses, spare) = (Arc::new(addresses), Arc::new(Spare::default()));
    let buffer = line.round_trip.max(LEAST_BUFFER);
    for from in &devices {
        let lines = devices.iter().map(|to| {
            let (queue, packets) = channel();
            let (to, spare) = (to.clone(), spare.clone());
            spawn(move || give_out(&to, packets, &spare));
            (Queue::new(line, Instant::now()), queue)
        });
        let (from, lines, addresses, spare) = (from.clone(), lines.collect(), addresses.clone(), spare.clone());
        spawn(move || take_in(&from, lines, buffer, &addresses, &spare));
    }
}

/// Ends with the device.
fn take_in(from: &SyncDevice, mut lines: Vec<(Queue, Sender<Packet>)>, longest: Duration, addresses: &[Ipv4Addr], spare: &Spare) {
    let mut buffer = vec![0; LONGEST];
    while let Ok(length) = from.recv(&mut buffer) {
        let now = Instant::now();
        let Some(to) = destination(&buffer[..length]).and_then(|to| addresses.iter().position(|&address| address == to)) else { continue };
        let (line, queue) = &mut lines[to];
        if line.wait(now) > longest {
            continue;
        }
        let due = line.take(length - VNET_HEADER, now) - HANDLING;
        let bytes = if length < LONGEST / 16 {
            buffer[..length].to_vec()
        } else {
            let next = spare.lock().expect("no holder panics").pop().unwrap_or_else(|| vec![0; LONGEST]);
            let mut taken = std::mem::replace(&mut buffer, next);
            taken.truncate(length);
            taken
        };
        if queue.send(Packet { due, bytes }).is_err() {
            return;
        }
    }
}

/// Ends with the queue or the device.
fn give_out(to: &SyncDevice, packets: Receiver<Packet>, spare: &Spare) {
    for Packet { due, mut bytes } in packets {
        let wait = due.saturating_duration_since(Instant::now());
        if wait > Duration::ZERO {
            thread::sleep(wait);
        }
        // A host that is down loses its packets.
        let _ = to.send(&bytes);
        if bytes.capacity() >= LONGEST {
            bytes.resize(LONGEST, 0);
            spare.lock().expect("no holder panics").push(bytes);
        }
    }
}

/// Where an IPv4 packet goes; others are not carried.
fn destination(packet: &[u8]) -> Option<Ipv4Addr> {
    let packet = packet.get(VNET_HEADER..)?;
    let address: [u8; 4] = packet.get(DESTINATION..DESTINATION + 4)?.try_into().ok()?;
    (packet[0] >> 4 == 4).then(|| address.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ipv4_is_carried() {
        let mut packet = [0; VNET_HEADER + 20];
        packet[VNET_HEADER] = 0x45;
        packet[VNET_HEADER + 16..].copy_from_slice(&[10, 77, 0, 2]);
        assert_eq!(destination(&packet), Some(Ipv4Addr::new(10, 77, 0, 2)));
        assert_eq!(destination(&packet[..VNET_HEADER + 19]), None, "cut");
        packet[VNET_HEADER] = 0x60;
        assert_eq!(destination(&packet), None, "IPv6");
    }
}
