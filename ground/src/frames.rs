//! Raw Ethernet frames on a pod's interface: sent as no client would send them, captured before any filter.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, recvfrom, sendto, socket,
};

use crate::namespace::Namespace;

/// The longest frame that is captured, in bytes.
const FRAME_LIMIT_BYTES: usize = 65_600;

/// `PACKET_OUTGOING` of Linux's `if_packet.h`: the frame was sent by this machine itself.
const OUTGOING: u8 = 4;

/// An interface opened for raw frames. It captures from the moment it is opened.
///
/// The kernel takes an 802.1Q tag off a frame before it is captured here.
#[derive(Debug)]
pub struct Frames {
    socket: OwnedFd,
    interface: LinkAddr,
}

impl Frames {
    /// Opens an interface of a namespace.
    pub fn open(namespace: &Namespace, interface: &str) -> Result<Self> {
        namespace
            .run(|| Self::open_here(interface))
            .with_context(|| {
                format!(
                    "cannot open {interface} of {} for raw frames",
                    namespace.name()
                )
            })
    }

    fn open_here(name: &str) -> Result<Self> {
        let socket = socket(
            AddressFamily::Packet,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::EthAll,
        )?;
        let interface = getifaddrs()?
            .filter(|entry| entry.interface_name == name)
            .find_map(|entry| entry.address?.as_link_addr().copied())
            .context("there is no such interface")?;
        Ok(Self { socket, interface })
    }

    /// The interface's MAC address.
    pub fn mac(&self) -> [u8; 6] {
        self.interface.addr().unwrap_or_default()
    }

    /// Sends a frame as it is: Ethernet header first, no checksum at the end.
    pub fn send(&self, frame: &[u8]) -> Result<()> {
        sendto(
            self.socket.as_raw_fd(),
            frame,
            &self.interface,
            MsgFlags::empty(),
        )
        .with_context(|| format!("cannot send a frame of {} bytes", frame.len()))?;
        Ok(())
    }

    /// The next frame that arrives within `limit`; frames sent from this side do not count.
    pub fn receive(&self, limit: Duration) -> Result<Option<Vec<u8>>> {
        let deadline = Instant::now() + limit;
        let mut buffer = vec![0; FRAME_LIMIT_BYTES];
        loop {
            match recvfrom::<LinkAddr>(self.socket.as_raw_fd(), &mut buffer) {
                Ok((length, Some(from))) if self.is_arrival(&from) => {
                    buffer.truncate(length);
                    return Ok(Some(buffer));
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(None);
                    }
                    let timeout = PollTimeout::try_from(left + Duration::from_millis(1))?;
                    match poll(
                        &mut [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)],
                        timeout,
                    ) {
                        Ok(_) | Err(Errno::EINTR) => {}
                        Err(error) => return Err(error).context("cannot wait for a frame"),
                    }
                }
                Err(error) => return Err(error).context("cannot receive a frame"),
            }
        }
    }

    /// Every frame that arrives within `limit` and satisfies `accept`.
    pub fn collect(&self, limit: Duration, accept: impl Fn(&[u8]) -> bool) -> Result<Vec<Vec<u8>>> {
        let deadline = Instant::now() + limit;
        let mut frames = Vec::new();
        while let Some(frame) = self.receive(deadline.saturating_duration_since(Instant::now()))? {
            if accept(&frame) {
                frames.push(frame);
            }
        }
        Ok(frames)
    }

    /// The first frame that arrives within `limit` and satisfies `accept`.
    pub fn find(&self, limit: Duration, accept: impl Fn(&[u8]) -> bool) -> Result<Option<Vec<u8>>> {
        let deadline = Instant::now() + limit;
        while let Some(frame) = self.receive(deadline.saturating_duration_since(Instant::now()))? {
            if accept(&frame) {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    fn is_arrival(&self, from: &LinkAddr) -> bool {
        from.ifindex() == self.interface.ifindex() && from.pkttype() != OUTGOING
    }
}
