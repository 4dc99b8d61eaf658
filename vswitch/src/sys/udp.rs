//! UDP in batches: many datagrams in one system call, each with its own address, traffic class and segmentation.
//!
//! The kernel takes one array of message headers that point to addresses, buffers and control data. A
//! [`Messages`] keeps those arrays, so that a call allocates nothing; the pointers are made anew in every call
//! and never outlive it.

mod control;
mod messages;
mod steering;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, SockAddr, Type};

pub use messages::{BATCH, Messages, Outgoing, Received};
pub use steering::{PORTS, flow_number, socket_of};

/// Bytes that the kernel may queue for a receiving socket (it takes no more than it allows).
const RECEIVE_BUFFER: usize = 8 << 20;
/// Bytes that the kernel may queue for a sending socket.
const SEND_BUFFER: usize = 4 << 20;

/// A UDP socket that never waits.
#[derive(Debug)]
pub struct Socket {
    socket: socket2::Socket,
}

impl Socket {
    /// A socket that receives on `address`. Several sockets may share one address (`SO_REUSEPORT`): the
    /// kernel then spreads the senders over them.
    pub fn receiver(address: SocketAddr) -> io::Result<Socket> {
        let socket = new(address)?;
        socket.set_reuse_port(true)?;
        // Best effort: without the privilege the system-wide limit holds.
        let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            tracing::debug!(
                RECEIVE_BUFFER,
                "receive buffer is bounded by net.core.rmem_max"
            );
        }
        match address.ip() {
            IpAddr::V4(_) => socket.set_recv_tos_v4(true)?,
            IpAddr::V6(_) => socket.set_recv_tclass_v6(true)?,
        }
        socket.bind(&SockAddr::from(address))?;
        Ok(Socket { socket })
    }

    /// A socket that sends from `ip` and a port of its own. Datagrams are never fragmented: one that exceeds
    /// the path MTU is refused.
    pub fn sender(ip: IpAddr) -> io::Result<Socket> {
        let address = SocketAddr::new(ip, 0);
        let socket = new(address)?;
        let _ = socket.set_send_buffer_size(SEND_BUFFER);
        control::never_fragment(socket.as_fd(), ip.is_ipv6())?;
        socket.bind(&SockAddr::from(address))?;
        Ok(Socket { socket })
    }

    /// Lets the kernel join datagrams of one sender and size that come together (`UDP_GRO`).
    pub fn join_datagrams(&self) -> io::Result<()> {
        Ok(setsockopt(&self.socket, sockopt::UdpGroSegment, &true)?)
    }

    /// The address that the socket is bound to.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        let address = self.socket.local_addr()?;
        address
            .as_socket()
            .ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn new(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}
