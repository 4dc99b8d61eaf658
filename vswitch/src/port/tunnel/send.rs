//! Sending: many packets in one system call, and many datagrams in one message of it (`UDP_SEGMENT`).
//!
//! The packets that a super-packet stands for, and packets of one length to one node, follow each other in messages as
//! long as the kernel takes ([`super::pack`]). A kernel or device that does not segment gets the same datagrams one by one.

use std::io::{ErrorKind, IoSlice};

use arrayvec::ArrayVec;
use nix::errno::Errno;
use packet::geneve;
use packet::offload::cut::Cut;
use pipeline::DropReason;

use super::pack::{Message, Packing};
use super::reason;
use crate::port::{Frame, Outer};
use crate::sys::udp::{BATCH, Messages, Outgoing, Socket};

/// How sending a frame went.
type Fate = Result<(), DropReason>;

/// What sending needs, kept between calls.
pub(super) struct Sender {
    messages: Messages,
    packing: Packing,
    /// The kernel segments for these sockets.
    can_segment: bool,
}

/// A socket, and what becomes of the frames that go out of it.
struct Errand<'a> {
    socket: &'a Socket,
    fates: &'a mut [Fate],
}

impl Sender {
    pub(super) fn new() -> Sender {
        Sender {
            messages: Messages::default(),
            packing: Packing::new(),
            can_segment: true,
        }
    }

    /// Sends those of the frames that are `own`, in order; `fates` says of each how it went.
    pub(super) fn send(
        &mut self,
        socket: &Socket,
        frames: &[Frame],
        own: impl Fn(&Frame) -> bool,
        fates: &mut [Fate],
    ) {
        let mut errand = Errand { socket, fates };
        for (index, frame) in frames.iter().enumerate().filter(|(_, frame)| own(frame)) {
            // Until one of its datagrams is not taken.
            errand.fates[index] = Ok(());
            if let Err(reason) = self.pack(index, frame, &mut errand) {
                errand.fates[index] = Err(reason);
            }
        }
        self.flush(&mut errand);
    }

    /// Adds the datagrams of a frame to the messages.
    fn pack(&mut self, index: usize, frame: &Frame, errand: &mut Errand<'_>) -> Fate {
        let packet = &frame.packet;
        let outer = frame.outer.ok_or(DropReason::OutputFailed)?;
        if !packet.offload.is_super() {
            let write = |room: &mut [u8]| room.copy_from_slice(packet.bytes());
            return self.add(index, &outer, packet.len(), write, errand);
        }
        let prefix = geneve::HEADER_LENGTH;
        let cut = Cut::new(packet.bytes(), prefix, &packet.offload, outer.sum)
            .ok_or(DropReason::OffloadInvalid)?;
        for number in 0..cut.count() {
            let payload = cut.payload(number);
            let length = cut.header_length() + payload.len();
            let write = |room: &mut [u8]| {
                let (headers, rest) = room.split_at_mut(cut.header_length());
                cut.write_headers(number, headers);
                rest.copy_from_slice(payload);
            };
            self.add(index, &outer, length, write, errand)?;
        }
        Ok(())
    }

    /// Adds a datagram to the messages, and sends those that are there before where it finds no room.
    fn add(
        &mut self,
        index: usize,
        outer: &Outer,
        length: usize,
        write: impl Fn(&mut [u8]),
        errand: &mut Errand<'_>,
    ) -> Fate {
        let is_joined = self.can_segment;
        if let Some(room) = self.packing.add(index, outer, length, is_joined) {
            write(room);
            return Ok(());
        }
        self.flush(errand);
        let room = self.packing.add(index, outer, length, is_joined);
        write(room.ok_or(DropReason::MtuExceeded)?);
        Ok(())
    }

    /// Sends all messages.
    fn flush(&mut self, errand: &mut Errand<'_>) {
        self.send_messages(errand);
        self.packing.clear();
    }

    fn send_messages(&mut self, errand: &mut Errand<'_>) {
        let Sender {
            messages: calls,
            packing,
            can_segment,
        } = self;
        let messages = packing.messages();
        let parts: ArrayVec<[IoSlice<'_>; 1], BATCH> = messages
            .iter()
            .map(|message| [IoSlice::new(packing.bytes(message))])
            .collect();
        let datagrams: ArrayVec<Outgoing<'_>, BATCH> = messages
            .iter()
            .zip(&parts)
            .map(|(message, parts)| outgoing(message, parts))
            .collect();
        let mut sent = 0;
        while sent < datagrams.len() {
            match calls.send(errand.socket, &datagrams[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let message = &messages[sent];
                    let is_apart = message.count() > 1 && is_about_segments(&error);
                    if *can_segment && is_apart && never_segments(&error) {
                        *can_segment = false;
                        tracing::info!(%error, "the kernel does not cut datagrams here: they are sent one by one");
                    }
                    let datagrams = packing.bytes(message).chunks(message.size);
                    for (datagram, frame) in datagrams.zip(packing.frames(message)) {
                        let fate = match is_apart {
                            true => send_alone(calls, errand.socket, message, datagram),
                            false => Err(reason(&error)),
                        };
                        errand.fates[*frame] = errand.fates[*frame].and(fate);
                    }
                    sent += 1;
                }
            }
        }
    }
}

/// Sends a datagram of a message by itself.
fn send_alone(calls: &mut Messages, socket: &Socket, message: &Message, datagram: &[u8]) -> Fate {
    let parts = [IoSlice::new(datagram)];
    let alone = Outgoing {
        segment_size: None,
        ..outgoing(message, &parts)
    };
    loop {
        match calls.send(socket, std::slice::from_ref(&alone)) {
            Ok(_) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(reason(&error)),
        }
    }
}

/// True for an error that means that the kernel does not segment: this message (it exceeds what the path takes), or any.
fn is_about_segments(error: &std::io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    never_segments(error) || matches!(errno, Some(Errno::EINVAL | Errno::EMSGSIZE))
}

/// True for an error that means that the kernel segments nothing: it does not know how, or the device computes no checksums.
fn never_segments(error: &std::io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EIO | Errno::ENOPROTOOPT))
}

fn outgoing<'a>(message: &Message, parts: &'a [IoSlice<'a>]) -> Outgoing<'a> {
    Outgoing {
        to: message.to,
        traffic_class: message.ecn,
        segment_size: (message.count() > 1).then_some(message.size as u16),
        parts,
    }
}
