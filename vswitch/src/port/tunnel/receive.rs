//! Receiving: datagrams that the kernel has joined (`UDP_GRO`), merged to super-packets where they are of one flow.
//!
//! Nothing waits for a packet that might come: only what one message holds is merged.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;

use arrayvec::ArrayVec;
use packet::geneve;
use packet::offload::TransportSum;
use packet::offload::group::{Group, Groups, Packet as Candidate};
use packet::offload::merge::MAX_MERGED;
use pipeline::DropReason;

use super::ECN_MASK;
use crate::buffer::{LARGE, Packet, Pool, SMALL};
use crate::port::{BATCH_BYTES, Batch, Frame, Outer};
use crate::sys::udp::{Messages, Received, Socket};

/// Messages received in one call: each may be as many packets as the kernel joins, for all of which there are buffers.
const MESSAGES: usize = 16;

/// The receiving socket and what receiving needs.
pub(super) struct Receiver {
    socket: Socket,
    messages: Messages,
    /// Each message is received into a small buffer and, where it is longer, on into one of these.
    spares: Vec<Packet>,
    /// Bytes of a message, on the average of the last ones.
    usual: usize,
}

impl Receiver {
    pub(super) fn bind(address: SocketAddr) -> io::Result<Receiver> {
        let socket = Socket::receiver(address)?;
        if let Err(error) = socket.join_datagrams() {
            tracing::info!(%error, "the kernel does not join datagrams: each is received alone");
        }
        Ok(Receiver {
            socket,
            messages: Messages::default(),
            spares: (0..MESSAGES).map(|_| Packet::large()).collect(),
            usual: 0,
        })
    }

    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Fills the batch. Of long messages a few are one.
    pub(super) fn receive(&mut self, pool: &mut Pool, batch: &mut Batch) -> io::Result<()> {
        let mut bytes = 0;
        while !batch.is_full() && bytes < BATCH_BYTES {
            let few = BATCH_BYTES.checked_div(self.usual).unwrap_or(MESSAGES);
            let asked = batch.room().min(few.clamp(1, MESSAGES));
            let (count, length) = self.receive_some(asked, pool, batch)?;
            bytes += length;
            if let Some(mean) = length.checked_div(count) {
                self.usual = (3 * self.usual + mean) / 4;
            }
            if count < asked {
                break;
            }
        }
        Ok(())
    }

    /// Receives up to `asked` messages; returns how many, and of how many bytes in all.
    fn receive_some(
        &mut self,
        asked: usize,
        pool: &mut Pool,
        batch: &mut Batch,
    ) -> io::Result<(usize, usize)> {
        let mut heads: ArrayVec<Packet, MESSAGES> =
            (0..asked).map_while(|_| pool.take(SMALL)).collect();
        if heads.is_empty() {
            return self.discard(batch);
        }
        let mut facts = ArrayVec::<Received, MESSAGES>::new();
        let result = {
            let pairs = heads.iter_mut().zip(&mut self.spares);
            let mut rooms: ArrayVec<[IoSliceMut<'_>; 2], MESSAGES> = pairs
                .map(|(head, spare)| {
                    [head.room_mut(), &mut spare.room_mut()[SMALL..]].map(IoSliceMut::new)
                })
                .collect();
            self.messages
                .receive(&self.socket, &mut rooms, |_, received| facts.push(received))
        };
        let bytes = facts.iter().map(|received| received.length).sum();
        for (index, head) in heads.into_iter().enumerate() {
            match facts.get(index) {
                None => pool.give(head),
                Some(received) => accept(received, head, &mut self.spares[index], pool, batch),
            }
        }
        Ok((result?, bytes))
    }

    /// Receives one message and loses it, so that a worker without buffers makes progress.
    fn discard(&mut self, batch: &mut Batch) -> io::Result<(usize, usize)> {
        let refused = &mut batch.refused;
        let lose = |_, _| refused.push(DropReason::NoBuffer);
        let (head, tail) = self.spares[0].room_mut().split_at_mut(SMALL);
        let mut rooms = [[head, tail].map(IoSliceMut::new)];
        let count = self.messages.receive(&self.socket, &mut rooms, lose)?;
        Ok((count, 0))
    }
}

/// Puts the packets of a message into the batch.
fn accept(
    received: &Received,
    mut head: Packet,
    spare: &mut Packet,
    pool: &mut Pool,
    batch: &mut Batch,
) {
    let Some(remote) = received
        .from
        .filter(|_| !received.is_truncated && received.length < LARGE)
    else {
        pool.give(head);
        return batch.refused.push(DropReason::TooLong);
    };
    let outer = Outer {
        remote,
        ecn: received.traffic_class & ECN_MASK,
        entropy: 0,
        sum: TransportSum::Complete,
    };
    let message = if received.length <= SMALL {
        head.set_len(received.length);
        Ok(head)
    } else {
        enlarge(head, spare, received.length, pool)
    };
    let size = received.segment_size.map_or(usize::MAX, usize::from);
    match message {
        Ok(packet) if received.length <= size => batch.frames.push(Frame {
            packet,
            outer: Some(outer),
        }),
        Ok(packet) => Joined {
            size,
            outer,
            pool,
            batch,
        }
        .part(packet),
        Err(reason) => batch.refused.push(reason),
    }
}

/// The frame of which `head` holds the first part and `spare`, at its place, the rest. Another large buffer then stands
/// by in the place of `spare`.
fn enlarge(
    mut head: Packet,
    spare: &mut Packet,
    length: usize,
    pool: &mut Pool,
) -> Result<Packet, DropReason> {
    let replacement = match length {
        // A frame that fills it all may have been cut short.
        LARGE.. => Err(DropReason::TooLong),
        _ => pool.take(LARGE).ok_or(DropReason::NoBuffer),
    };
    let joined = replacement.map(|replacement| {
        let mut whole = std::mem::replace(spare, replacement);
        whole.room_mut()[..SMALL].copy_from_slice(head.room_mut());
        whole.set_len(length);
        whole
    });
    pool.give(head);
    joined
}

/// A message of several datagrams.
struct Joined<'a> {
    /// Bytes of each but the last.
    size: usize,
    outer: Outer,
    pool: &'a mut Pool,
    batch: &'a mut Batch,
}

impl Joined<'_> {
    /// Brings the packets of a message into the batch, merged where they can be.
    fn part(&mut self, mut message: Packet) {
        let size = self.size;
        let stretch = size * MAX_MERGED;
        if message.len() <= stretch {
            let groups = sort(message.bytes(), size);
            let only = groups.iter().next().filter(|_| groups.len() == 1);
            if let Some((group, _)) = only {
                let group = *group;
                self.merge_in_place(&mut message, &group);
                return self.push(message);
            }
        }
        for bytes in message.bytes().chunks(stretch) {
            let groups = sort(bytes, size);
            for (group, members) in groups.iter() {
                let parts = members.map(|member| piece(bytes, size, member));
                match self.copy(group, parts) {
                    Some(packet) => self.push(packet),
                    None => self.batch.refused.push(DropReason::NoBuffer),
                }
            }
        }
        self.pool.give(message);
    }

    fn push(&mut self, packet: Packet) {
        let outer = Some(self.outer);
        self.batch.frames.push(Frame { packet, outer });
    }

    /// Merges all datagrams of a message: each payload moves to the end of the one before.
    fn merge_in_place(&self, message: &mut Packet, group: &Group) {
        let Some(run) = group.run else { return };
        let header_length = run.first().header_length();
        let length = message.len();
        let bytes = message.bytes_mut();
        let mut end = self.size;
        for start in (self.size..length).step_by(self.size) {
            let payload = start + header_length..length.min(start + self.size);
            let moved = payload.len();
            bytes.copy_within(payload, end);
            end += moved;
        }
        let offload = run.finish(&mut bytes[..header_length]);
        message.set_len(end);
        message.offload = offload;
    }

    /// A packet of its own for some datagrams of a message.
    fn copy<'b>(
        &mut self,
        group: &Group,
        mut parts: impl Iterator<Item = &'b [u8]>,
    ) -> Option<Packet> {
        let first = parts.next()?;
        let Some(run) = group.run.filter(|run| run.count() > 1) else {
            return self.pool.copy(first);
        };
        let mut packet = self.pool.take(run.length())?;
        packet.set_len(run.length());
        packet.offload = run.merge(std::iter::once(first).chain(parts), packet.bytes_mut());
        Some(packet)
    }
}

fn piece(bytes: &[u8], size: usize, index: usize) -> &[u8] {
    let end = bytes.len().min((index + 1) * size);
    &bytes[index * size..end]
}

/// Sorts datagrams that stand side by side, at most [`MAX_MERGED`], into runs.
fn sort(bytes: &[u8], size: usize) -> Groups {
    let candidates: ArrayVec<Candidate<'_>, MAX_MERGED> =
        bytes.chunks(size).map(candidate).collect();
    Groups::sort(&candidates)
}

/// A datagram that cannot be read has no Ethernet header, and so is of no run.
fn candidate(frame: &[u8]) -> Candidate<'_> {
    let (prefix, sum) = match geneve::Header::decode(frame) {
        Ok((_, sum, inner)) => (frame.len() - inner.len(), sum),
        Err(_) => (frame.len(), TransportSum::Complete),
    };
    Candidate { frame, prefix, sum }
}
