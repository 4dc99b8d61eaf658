//! The Geneve socket of one worker.
//!
//! Packets are received on the well-known port, which the workers share. They are sent from a few sockets with
//! ports of their own, chosen by flow, so that the underlay's equal-cost paths and the receiver's queues see
//! different flows as different (RFC 8926 section 3.3).

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use arrayvec::ArrayVec;
use nix::errno::Errno;
use pipeline::DropReason;

use super::{BATCH, Batch, Capabilities, Frame, Lost, Outer, Port};
use crate::buffer::{Packet, Pool};
use crate::sys::udp::{Messages, Outgoing, Socket};

/// Source ports of one worker.
const SENDERS: usize = 8;
/// The ECN bits of a traffic class.
const ECN_MASK: u8 = 3;

/// The Geneve socket of one worker.
pub struct TunnelPort {
    receiver: Socket,
    senders: [Socket; SENDERS],
    messages: Messages,
    /// Bytes of the longest datagram that the underlay brings.
    datagram: usize,
    /// Takes a datagram when no buffer is free.
    spare: Box<[u8]>,
}

impl TunnelPort {
    /// Binds to `address`, which other workers may share, with an underlay of this MTU.
    pub fn bind(address: SocketAddr, underlay_mtu: u16) -> io::Result<TunnelPort> {
        let senders: Vec<Socket> = (0..SENDERS)
            .map(|_| Socket::sender(address.ip()))
            .collect::<io::Result<_>>()?;
        Ok(TunnelPort {
            receiver: Socket::receiver(address)?,
            senders: senders.try_into().map_err(|_| ErrorKind::Other)?,
            messages: Messages::default(),
            datagram: usize::from(underlay_mtu),
            spare: vec![0; usize::from(underlay_mtu)].into_boxed_slice(),
        })
    }

    /// The address that it receives on.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.receiver.local_address()
    }

    /// Receives one datagram and loses it, so that a worker without buffers makes progress.
    fn discard(&mut self, batch: &mut Batch) -> io::Result<()> {
        let refused = &mut batch.refused;
        let lose = |_, _| refused.push(DropReason::NoBuffer);
        self.messages
            .receive(&self.receiver, &mut [&mut self.spare], lose)
            .map(drop)
    }

    fn receive_batch(&mut self, pool: &mut Pool, batch: &mut Batch) -> io::Result<()> {
        let room = BATCH - batch.frames.len().max(batch.refused.len());
        let mut packets: ArrayVec<Packet, BATCH> =
            (0..room).map_while(|_| pool.take(self.datagram)).collect();
        if packets.is_empty() {
            return self.discard(batch);
        }
        let mut facts = ArrayVec::<_, BATCH>::new();
        let result = {
            let mut rooms: ArrayVec<&mut [u8], BATCH> =
                packets.iter_mut().map(Packet::room_mut).collect();
            self.messages
                .receive(&self.receiver, &mut rooms, |_, received| {
                    facts.push(received)
                })
        };
        for (index, mut packet) in packets.into_iter().enumerate() {
            let received = facts.get(index).copied();
            match received.map(|received| (received.from, received)) {
                None => pool.give(packet),
                Some((Some(remote), received)) if !received.is_truncated => {
                    packet.set_len(received.length);
                    let ecn = received.traffic_class & ECN_MASK;
                    let outer = Some(Outer {
                        remote,
                        ecn,
                        entropy: 0,
                    });
                    batch.frames.push(Frame { packet, outer });
                }
                Some(_) => {
                    batch.refused.push(DropReason::TooLong);
                    pool.give(packet);
                }
            }
        }
        result.map(drop)
    }

    /// Sends through one socket; `fates` says of each frame how it went.
    fn send(&mut self, sender: usize, frames: &[Frame], fates: &mut [Result<(), DropReason>]) {
        let belongs = |frame: &Frame| {
            frame
                .outer
                .is_some_and(|outer| usize::from(outer.entropy) % SENDERS == sender)
        };
        let mut next = 0;
        while next < frames.len() {
            let mut indexes = ArrayVec::<usize, BATCH>::new();
            let mut datagrams = ArrayVec::<Outgoing<'_>, BATCH>::new();
            while next < frames.len() && !datagrams.is_full() {
                if let Some(outer) = frames[next].outer.filter(|_| belongs(&frames[next])) {
                    indexes.push(next);
                    datagrams.push(outgoing(&outer, frames[next].packet.bytes()));
                }
                next += 1;
            }
            let mut sent = 0;
            while sent < datagrams.len() {
                let result = self
                    .messages
                    .send(&self.senders[sender], &datagrams[sent..]);
                match result {
                    Ok(count) => {
                        indexes[sent..sent + count]
                            .iter()
                            .for_each(|index| fates[*index] = Ok(()));
                        sent += count;
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => {
                        fates[indexes[sent]] = Err(reason(&error));
                        sent += 1;
                    }
                }
            }
        }
    }
}

impl Port for TunnelPort {
    fn readiness(&self) -> BorrowedFd<'_> {
        self.receiver.as_fd()
    }

    fn set_mtu(&mut self, mtu: u16) {
        self.datagram = usize::from(mtu);
        self.spare = vec![0; self.datagram].into_boxed_slice();
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { offload: false }
    }

    fn receive(&mut self, pool: &mut Pool, batch: &mut Batch) -> Result<(), Lost> {
        match self.receive_batch(pool, batch) {
            Ok(()) => Ok(()),
            // An ICMP error about something sent is reported here once, and concerns nobody.
            Err(error) if is_transient(&error) => Ok(()),
            Err(error) => Err(Lost(error)),
        }
    }

    fn transmit(
        &mut self,
        frames: &mut Vec<Frame>,
        done: &mut dyn FnMut(Frame, Result<(), DropReason>),
    ) {
        while !frames.is_empty() {
            let count = frames.len().min(BATCH);
            let mut fates = [Err(DropReason::OutputFailed); BATCH];
            for sender in 0..SENDERS {
                self.send(sender, &frames[..count], &mut fates);
            }
            for (frame, fate) in frames.drain(..count).zip(fates) {
                done(frame, fate);
            }
        }
    }
}

fn outgoing<'a>(outer: &Outer, bytes: &'a [u8]) -> Outgoing<'a> {
    Outgoing {
        to: outer.remote,
        traffic_class: outer.ecn & ECN_MASK,
        segment_size: None,
        bytes,
    }
}

fn is_transient(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(
        errno,
        Some(
            Errno::EAGAIN
                | Errno::EINTR
                | Errno::ECONNREFUSED
                | Errno::EHOSTUNREACH
                | Errno::ENETUNREACH
                | Errno::ENOMEM
                | Errno::ENOBUFS
        )
    )
}

/// Why the kernel did not take a datagram.
fn reason(error: &io::Error) -> DropReason {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EAGAIN | Errno::ENOBUFS | Errno::ENOMEM) => DropReason::OutputQueueFull,
        Some(Errno::EMSGSIZE) => DropReason::MtuExceeded,
        _ => DropReason::OutputFailed,
    }
}

/// What a tunnel adds to the L3 length of a packet when its outer packets come from `encap_ip`.
pub fn overhead(encap_ip: IpAddr) -> u16 {
    match encap_ip {
        IpAddr::V4(_) => packet::geneve::OVERHEAD_IPV4,
        IpAddr::V6(_) => packet::geneve::OVERHEAD_IPV6,
    }
}
