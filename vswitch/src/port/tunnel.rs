//! The Geneve socket of one worker.
//!
//! Packets are received on the well-known port, which the workers share. They are sent from a few sockets with
//! ports of their own, chosen by flow, so that the underlay's equal-cost paths and the receiver's queues see
//! different flows as different (RFC 8926 section 3.3). What is sent together to one node shares messages ([`pack`]) and
//! system calls ([`send`]), and what the kernel received together is merged to super-packets ([`receive`]).

mod pack;
mod receive;
mod send;

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use packet::offload::Offloads;
use pipeline::DropReason;

use super::{BATCH, Batch, Frame, Lost, Port};
use crate::buffer::Pool;
use crate::sys::udp::{PORTS, Socket};
use receive::Receiver;
use send::Sender;

/// The ECN bits of a traffic class.
const ECN_MASK: u8 = 3;

/// The Geneve socket of one worker.
pub struct TunnelPort {
    receiver: Receiver,
    sockets: [Socket; PORTS],
    sender: Sender,
}

impl TunnelPort {
    /// Binds to `address`, which other workers may share.
    pub fn bind(address: SocketAddr) -> io::Result<TunnelPort> {
        let sockets: Vec<Socket> = (0..PORTS)
            .map(|_| Socket::sender(address.ip()))
            .collect::<io::Result<_>>()?;
        Ok(TunnelPort {
            receiver: Receiver::bind(address)?,
            sockets: sockets.try_into().map_err(|_| ErrorKind::Other)?,
            sender: Sender::new(),
        })
    }

    /// Shares what arrives with the others that are bound to its address, so many in all, by flow: both directions of a
    /// connection then keep to one. Without it they share by outer source ports.
    pub fn steer(&self, sockets: usize) -> io::Result<()> {
        self.receiver.socket().steer(sockets)
    }

    /// The address that it receives on.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.receiver.socket().local_address()
    }
}

impl Port for TunnelPort {
    fn readiness(&self) -> BorrowedFd<'_> {
        self.receiver.socket().as_fd()
    }

    fn offloads(&self) -> Offloads {
        Offloads::All
    }

    fn receive(&mut self, pool: &mut Pool, batch: &mut Batch) -> Result<(), Lost> {
        match self.receiver.receive(pool, batch) {
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
            for (number, socket) in self.sockets.iter().enumerate() {
                let is_own = |frame: &Frame| {
                    frame
                        .outer
                        .is_some_and(|outer| usize::from(outer.entropy) % PORTS == number)
                };
                self.sender
                    .send(socket, &frames[..count], is_own, &mut fates);
            }
            for (frame, fate) in frames.drain(..count).zip(fates) {
                done(frame, fate);
            }
        }
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
