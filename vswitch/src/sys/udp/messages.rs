//! The arrays behind `sendmmsg` and `recvmmsg`.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::ptr;

use socket2::{SockAddr, SockAddrStorage};

use super::Socket;
use super::control::{Control, Facts};

/// The most datagrams in one call.
pub const BATCH: usize = 64;

/// A datagram to send.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Where to. Must be of the socket's family.
    pub to: SocketAddr,
    /// Type of service or traffic class of the outer header.
    pub traffic_class: u8,
    /// Cut the payload into datagrams of this size (`UDP_SEGMENT`); the last may be shorter.
    pub segment_size: Option<u16>,
    /// The payload, in order.
    pub parts: &'a [IoSlice<'a>],
}

/// What is known of a received datagram besides its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes of the payload.
    pub length: usize,
    /// The sender; `None` if the kernel gave an address of no IP family.
    pub from: Option<SocketAddr>,
    /// Type of service or traffic class of the outer header.
    pub traffic_class: u8,
    /// Several datagrams were joined (`UDP_GRO`): the size of each but the last.
    pub segment_size: Option<u16>,
    /// The buffer was too small and the rest is lost.
    pub is_truncated: bool,
}

/// The arrays for one batch, kept between calls.
pub struct Messages {
    addresses: Box<[SockAddr; BATCH]>,
    controls: Box<[Control; BATCH]>,
}

impl Default for Messages {
    fn default() -> Self {
        let unspecified = || SockAddr::from(SocketAddr::from(([0, 0, 0, 0], 0)));
        Messages {
            addresses: Box::new(std::array::from_fn(|_| unspecified())),
            controls: Box::new([Control::EMPTY; BATCH]),
        }
    }
}

impl Messages {
    /// Sends up to [`BATCH`] datagrams; returns how many the kernel took, at least one.
    ///
    /// An error is about the first datagram and nothing was sent.
    pub fn send(&mut self, socket: &Socket, datagrams: &[Outgoing<'_>]) -> io::Result<usize> {
        let count = datagrams.len().min(BATCH);
        // SAFETY: all-zero is a valid `mmsghdr`: null pointers and zero lengths.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
        for (index, datagram) in datagrams[..count].iter().enumerate() {
            self.addresses[index] = SockAddr::from(datagram.to);
            let facts = Facts {
                traffic_class: datagram.traffic_class,
                segment_size: datagram.segment_size,
            };
            let control = &mut self.controls[index];
            let control_length = control.write(datagram.to.is_ipv6(), facts);
            let header = &mut headers[index].msg_hdr;
            header.msg_name = self.addresses[index].as_ptr().cast_mut().cast();
            header.msg_namelen = self.addresses[index].len();
            // `IoSlice` is an `iovec` by its documentation.
            header.msg_iov = datagram.parts.as_ptr().cast_mut().cast();
            header.msg_iovlen = datagram.parts.len();
            header.msg_controllen = control_length;
            if control_length > 0 {
                header.msg_control = control.as_mut_ptr();
            }
        }
        // SAFETY: the first `count` headers point to addresses, payloads and control data that live, and
        // whose lengths were just set, until the call returns; the kernel only reads through them.
        let sent = unsafe {
            let fd = socket.as_fd().as_raw_fd();
            libc::sendmmsg(fd, headers.as_mut_ptr(), count as libc::c_uint, 0)
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// Receives up to one datagram for each of the first [`BATCH`] pairs of buffers, filled one after the other, and
    /// tells `each` of it.
    ///
    /// `WouldBlock` when there is none.
    pub fn receive(
        &mut self,
        socket: &Socket,
        buffers: &mut [[IoSliceMut<'_>; 2]],
        mut each: impl FnMut(usize, Received),
    ) -> io::Result<usize> {
        let count = buffers.len().min(BATCH);
        // SAFETY: all-zero is a valid `mmsghdr`: null pointers and zero lengths.
        let mut headers: [libc::mmsghdr; BATCH] = unsafe { mem::zeroed() };
        let mut addresses: [SockAddrStorage; BATCH] =
            std::array::from_fn(|_| SockAddrStorage::zeroed());
        for (index, parts) in buffers[..count].iter_mut().enumerate() {
            let header = &mut headers[index].msg_hdr;
            header.msg_name = (&raw mut addresses[index]).cast();
            header.msg_namelen = addresses[index].size_of();
            // `IoSliceMut` is an `iovec` by its documentation.
            header.msg_iov = parts.as_mut_ptr().cast();
            header.msg_iovlen = parts.len();
            header.msg_control = self.controls[index].as_mut_ptr();
            header.msg_controllen = Control::capacity();
        }
        // SAFETY: the first `count` headers point to storage of ours that lives until the call returns, of
        // the lengths given, each exclusively; no timeout is passed.
        let received = unsafe {
            let fd = socket.as_fd().as_raw_fd();
            libc::recvmmsg(
                fd,
                headers.as_mut_ptr(),
                count as libc::c_uint,
                0,
                ptr::null_mut(),
            )
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for (index, (header, address)) in headers.iter().zip(addresses).take(received).enumerate() {
            each(index, self.facts(index, header, address));
        }
        Ok(received)
    }

    /// What the kernel said of a datagram.
    fn facts(&self, index: usize, header: &libc::mmsghdr, address: SockAddrStorage) -> Received {
        let facts = self.controls[index].read(header.msg_hdr.msg_controllen);
        // SAFETY: the kernel wrote an address of `msg_namelen` bytes into the storage, which was zeroed.
        let address = unsafe { SockAddr::new(address, header.msg_hdr.msg_namelen) };
        Received {
            length: header.msg_len as usize,
            from: address.as_socket(),
            traffic_class: facts.traffic_class,
            segment_size: facts.segment_size,
            is_truncated: header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::IpAddr;

    use super::*;

    fn halves(bytes: &mut [u8]) -> [IoSliceMut<'_>; 2] {
        let (first, second) = bytes.split_at_mut(bytes.len() / 2);
        [IoSliceMut::new(first), IoSliceMut::new(second)]
    }

    /// Sends `payloads` in one call over the loopback of the family, and checks that they arrive in order
    /// with their sender and traffic class.
    fn check(loopback: &str, payloads: &[&[u8]], traffic_class: u8) {
        let ip: IpAddr = loopback.parse().expect("address");
        let receiver = Socket::receiver(SocketAddr::new(ip, 0)).expect("receiver");
        let sender = Socket::sender(ip).expect("sender");
        let to = receiver.local_address().expect("address");
        let parts: Vec<_> = payloads.iter().map(|bytes| [IoSlice::new(bytes)]).collect();
        let datagrams: Vec<_> = parts
            .iter()
            .map(|parts| Outgoing {
                to,
                traffic_class,
                segment_size: None,
                parts,
            })
            .collect();
        let mut messages = Messages::default();
        assert_eq!(
            messages.send(&sender, &datagrams).expect("send"),
            payloads.len()
        );

        let mut storage = vec![[0; 2048]; payloads.len() + 1];
        let mut buffers: Vec<_> = storage.iter_mut().map(|bytes| halves(bytes)).collect();
        let mut facts = Vec::new();
        let count = messages.receive(&receiver, &mut buffers, |_, received| facts.push(received));
        assert_eq!(count.expect("receive"), payloads.len());
        for ((payload, facts), bytes) in payloads.iter().zip(&facts).zip(&storage) {
            assert_eq!(*payload, &bytes[..facts.length]);
            assert_eq!(facts.from, Some(sender.local_address().expect("address")));
            assert_eq!(facts.traffic_class, traffic_class);
            assert!(!facts.is_truncated && facts.segment_size.is_none());
        }
    }

    #[test]
    fn a_batch_arrives_in_order_with_sender_and_traffic_class_over_either_family() {
        for loopback in ["127.0.0.1", "::1"] {
            check(loopback, &[b"one", b"", b"three"], 0);
            check(loopback, &[b"marked"], 2);
        }
    }

    #[test]
    fn an_empty_socket_would_block_and_a_short_buffer_is_reported() {
        let receiver = Socket::receiver(([127, 0, 0, 1], 0).into()).expect("receiver");
        let sender = Socket::sender([127, 0, 0, 1].into()).expect("sender");
        let mut messages = Messages::default();
        let mut small = [0; 4];
        let empty = messages.receive(&receiver, &mut [halves(&mut small)], |_, _| {
            panic!("nothing was sent")
        });
        assert_eq!(
            empty.map_err(|error| error.kind()),
            Err(ErrorKind::WouldBlock)
        );

        let to = receiver.local_address().expect("address");
        let datagram = Outgoing {
            to,
            traffic_class: 0,
            segment_size: None,
            parts: &[IoSlice::new(b"too long")],
        };
        messages.send(&sender, &[datagram]).expect("send");
        let mut is_truncated = false;
        messages
            .receive(&receiver, &mut [halves(&mut small)], |_, received| {
                is_truncated = received.is_truncated
            })
            .expect("receive");
        assert!(is_truncated);
    }

    #[test]
    fn a_segmented_send_arrives_as_datagrams_of_that_size() {
        let receiver = Socket::receiver(([127, 0, 0, 1], 0).into()).expect("receiver");
        let sender = Socket::sender([127, 0, 0, 1].into()).expect("sender");
        let to = receiver.local_address().expect("address");
        let bytes: Vec<u8> = (0..250).collect();
        let datagram = Outgoing {
            to,
            traffic_class: 0,
            segment_size: Some(100),
            parts: &[IoSlice::new(&bytes[..30]), IoSlice::new(&bytes[30..])],
        };
        let mut messages = Messages::default();
        messages.send(&sender, &[datagram]).expect("send");
        let mut storage = [[0; 128]; 4];
        let mut buffers: Vec<_> = storage.iter_mut().map(|bytes| halves(bytes)).collect();
        let mut lengths = Vec::new();
        messages
            .receive(&receiver, &mut buffers, |_, received| {
                lengths.push(received.length)
            })
            .expect("receive");
        assert_eq!(lengths, [100, 100, 50]);
        assert_eq!(storage[0][..100], bytes[..100]);
    }

    #[test]
    fn what_was_sent_at_once_is_received_at_once_by_who_joins_datagrams() {
        let receiver = Socket::receiver(([127, 0, 0, 1], 0).into()).expect("receiver");
        receiver.join_datagrams().expect("a kernel that joins");
        let sender = Socket::sender([127, 0, 0, 1].into()).expect("sender");
        let bytes: Vec<u8> = (0..250).collect();
        let datagram = Outgoing {
            to: receiver.local_address().expect("address"),
            traffic_class: 0,
            segment_size: Some(100),
            parts: &[IoSlice::new(&bytes)],
        };
        let mut messages = Messages::default();
        messages.send(&sender, &[datagram]).expect("send");
        let mut storage = [0; 512];
        let mut facts = Vec::new();
        messages
            .receive(&receiver, &mut [halves(&mut storage)], |_, received| {
                facts.push(received)
            })
            .expect("receive");
        assert_eq!((facts[0].length, facts[0].segment_size), (250, Some(100)));
        assert_eq!(storage[..250], bytes);
    }
}
