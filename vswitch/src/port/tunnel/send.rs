//! Sending: many packets in one system call, and many datagrams in one message of it (`UDP_SEGMENT`).
//!
//! The headers of a super-packet's packets are written side by side; the kernel gathers each with its part of the
//! payload, which is not copied here. Packets of one length to one node are one message too. A kernel or
//! device that does not segment gets the same datagrams one by one.

use std::io::{ErrorKind, IoSlice};
use std::ops::Range;

use arrayvec::ArrayVec;
use nix::errno::Errno;
use packet::geneve;
use packet::offload::cut::{Cut, MAX_HEADERS};
use pipeline::DropReason;

use super::{ECN_MASK, reason};
use crate::port::{BATCH, Frame, Outer};
use crate::sys::udp::{Messages, Outgoing, Socket};

/// The most datagrams in one message: as many as every receiver joins again (`UDP_GRO_CNT_MAX`).
pub(super) const MAX_SEGMENTS: usize = 64;
/// The most bytes in one message: the longest UDP payload over IPv4.
pub(super) const MAX_BYTES: usize = 65_507;

type Fate = Result<(), DropReason>;

/// What sending needs, kept between calls.
pub(super) struct Sender {
    messages: Messages,
    /// The headers of one message's datagrams.
    headers: Box<[u8]>,
    /// The kernel segments for these sockets.
    can_segment: bool,
}

/// Frames that make one message, by their place among those that are sent.
struct Burst {
    frames: Range<usize>,
    /// Bytes of each but the last.
    length: usize,
    bytes: usize,
    is_closed: bool,
}

impl Burst {
    fn new(at: usize, length: usize) -> Burst {
        Burst {
            frames: at..at + 1,
            length,
            bytes: length,
            is_closed: false,
        }
    }

    /// Lets the next frame join, if it fits.
    fn join(&mut self, length: usize) -> bool {
        let is_fit = !self.is_closed
            && length <= self.length
            && self.frames.len() < MAX_SEGMENTS
            && self.bytes + length <= MAX_BYTES;
        if is_fit {
            self.frames.end += 1;
            self.bytes += length;
            self.is_closed = length < self.length;
        }
        is_fit
    }
}

impl Sender {
    pub(super) fn new() -> Sender {
        Sender {
            messages: Messages::default(),
            headers: vec![0; MAX_HEADERS * MAX_SEGMENTS].into_boxed_slice(),
            can_segment: true,
        }
    }

    /// Sends those of at most [`BATCH`] frames that are `own`, in order; `fates` says of each how it went.
    pub(super) fn send(
        &mut self,
        socket: &Socket,
        frames: &[Frame],
        own: impl Fn(&Frame) -> bool,
        fates: &mut [Fate],
    ) {
        let mut waiting = ArrayVec::<usize, BATCH>::new();
        for (index, frame) in frames.iter().enumerate().filter(|(_, frame)| own(frame)) {
            if !frame.packet.offload.is_super() {
                waiting.push(index);
                continue;
            }
            self.send_plain(socket, frames, &waiting, fates);
            waiting.clear();
            fates[index] = self.send_super(socket, frame);
        }
        self.send_plain(socket, frames, &waiting, fates);
    }

    /// Sends frames that stand for themselves alone.
    fn send_plain(
        &mut self,
        socket: &Socket,
        frames: &[Frame],
        indexes: &[usize],
        fates: &mut [Fate],
    ) {
        let parts: ArrayVec<IoSlice<'_>, BATCH> = indexes
            .iter()
            .map(|index| IoSlice::new(frames[*index].packet.bytes()))
            .collect();
        let bursts = self.bursts(frames, indexes);
        let datagrams: ArrayVec<Outgoing<'_>, BATCH> = bursts
            .iter()
            .filter_map(|burst| {
                let outer = frames[indexes[burst.frames.start]].outer?;
                let size = (burst.frames.len() > 1).then_some(burst.length as u16);
                Some(outgoing(&outer, size, &parts[burst.frames.clone()]))
            })
            .collect();
        let mut sent = 0;
        while sent < datagrams.len() {
            match self.messages.send(socket, &datagrams[sent..]) {
                Ok(count) => {
                    for burst in &bursts[sent..sent + count] {
                        let sent = &indexes[burst.frames.clone()];
                        sent.iter().for_each(|index| fates[*index] = Ok(()));
                    }
                    sent += count;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    let burst = &bursts[sent];
                    if burst.frames.len() > 1 && self.is_about_segments(&error) {
                        for at in burst.frames.clone() {
                            let alone = Outgoing {
                                segment_size: None,
                                parts: &parts[at..=at],
                                ..datagrams[sent]
                            };
                            fates[indexes[at]] = self.send_one(socket, &alone);
                        }
                    } else {
                        let failed = &indexes[burst.frames.clone()];
                        failed
                            .iter()
                            .for_each(|index| fates[*index] = Err(reason(&error)));
                    }
                    sent += 1;
                }
            }
        }
    }

    /// Which frames make one message: neighbours to one node, of one length.
    fn bursts(&self, frames: &[Frame], indexes: &[usize]) -> ArrayVec<Burst, BATCH> {
        let mut bursts = ArrayVec::<Burst, BATCH>::new();
        for (at, index) in indexes.iter().enumerate() {
            let frame = &frames[*index];
            let length = frame.packet.len();
            if let Some(burst) = bursts.last_mut().filter(|_| self.can_segment) {
                let first = &frames[indexes[burst.frames.start]];
                if are_alike(first.outer, frame.outer) && burst.join(length) {
                    continue;
                }
            }
            bursts.push(Burst::new(at, length));
        }
        bursts
    }

    /// Sends the packets that a frame stands for.
    fn send_super(&mut self, socket: &Socket, frame: &Frame) -> Fate {
        let outer = frame.outer.ok_or(DropReason::OutputFailed)?;
        let prefix = geneve::HEADER_LENGTH;
        let packet = &frame.packet;
        let cut = Cut::new(packet.bytes(), prefix, &packet.offload, outer.sum)
            .ok_or(DropReason::OffloadInvalid)?;
        let each = (MAX_BYTES / cut.packet_length()).clamp(1, MAX_SEGMENTS);
        let mut fate = Ok(());
        for from in (0..cut.count()).step_by(each) {
            let range = from..cut.count().min(from + each);
            fate = fate.and(self.send_range(socket, &outer, &cut, range));
        }
        fate
    }

    /// Sends some of the packets in one message.
    fn send_range(
        &mut self,
        socket: &Socket,
        outer: &Outer,
        cut: &Cut<'_>,
        range: Range<usize>,
    ) -> Fate {
        let length = cut.header_length();
        for (headers, index) in self.headers.chunks_mut(length).zip(range.clone()) {
            cut.write_headers(index, headers);
        }
        let headers = std::mem::take(&mut self.headers);
        let mut parts = ArrayVec::<IoSlice<'_>, { 2 * MAX_SEGMENTS }>::new();
        for (headers, index) in headers.chunks(length).zip(range.clone()) {
            parts.push(IoSlice::new(headers));
            parts.push(IoSlice::new(cut.payload(index)));
        }
        let size = (range.len() > 1).then_some(cut.packet_length() as u16);
        let whole = outgoing(outer, size.filter(|_| self.can_segment), &parts);
        let fate = match self.can_segment || size.is_none() {
            true => self.send_all(socket, &whole),
            false => self.send_pairs(socket, &whole),
        };
        drop(parts);
        self.headers = headers;
        fate
    }

    /// Sends one message; its datagrams one by one if the kernel cannot cut it.
    fn send_all(&mut self, socket: &Socket, whole: &Outgoing<'_>) -> Fate {
        loop {
            match self.messages.send(socket, std::slice::from_ref(whole)) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if whole.segment_size.is_some() && self.is_about_segments(&error) => {
                    return self.send_pairs(socket, whole);
                }
                Err(error) => return Err(reason(&error)),
            }
        }
    }

    /// Sends datagrams of two parts each.
    fn send_pairs(&mut self, socket: &Socket, whole: &Outgoing<'_>) -> Fate {
        let mut fate = Ok(());
        for parts in whole.parts.chunks(2) {
            let alone = Outgoing {
                segment_size: None,
                parts,
                ..*whole
            };
            fate = fate.and(self.send_one(socket, &alone));
        }
        fate
    }

    fn send_one(&mut self, socket: &Socket, datagram: &Outgoing<'_>) -> Fate {
        loop {
            match self.messages.send(socket, std::slice::from_ref(datagram)) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(reason(&error)),
            }
        }
    }

    /// Whether the datagrams of a message may go one by one. A device that cannot compute checksums, and a kernel that does
    /// not know segmentation, never can; a path whose MTU has become less cannot now.
    fn is_about_segments(&mut self, error: &std::io::Error) -> bool {
        let errno = error.raw_os_error().map(Errno::from_raw);
        if matches!(errno, Some(Errno::EIO | Errno::ENOPROTOOPT)) && self.can_segment {
            self.can_segment = false;
            tracing::info!(%error, "the kernel does not cut datagrams here: they are sent one by one");
        }
        matches!(
            errno,
            Some(Errno::EIO | Errno::ENOPROTOOPT | Errno::EINVAL | Errno::EMSGSIZE)
        )
    }
}

fn are_alike(a: Option<Outer>, b: Option<Outer>) -> bool {
    let key = |outer: Outer| (outer.remote, outer.ecn & ECN_MASK);
    a.map(key) == b.map(key)
}

fn outgoing<'a>(
    outer: &Outer,
    segment_size: Option<u16>,
    parts: &'a [IoSlice<'a>],
) -> Outgoing<'a> {
    Outgoing {
        to: outer.remote,
        traffic_class: outer.ecn & ECN_MASK,
        segment_size,
        parts,
    }
}
