//! What a limit is asked for: packets that came together.

use packet::offload::Offload;

/// The packets that one stands for, as long as they are on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Train {
    /// How many; not 0.
    pub packets: u64,
    /// Bytes of all of them together.
    pub bytes: u64,
    /// Bytes of each but the last, which is no longer. For those that pass together or not at all, `bytes`.
    pub each: u64,
}

impl Train {
    /// The packets that an admitted one of so many bytes stands for.
    pub fn of(offload: &Offload, frame_bytes: usize) -> Train {
        let (packets, bytes) = offload.stands_for(frame_bytes);
        let each = match offload.is_super() {
            true => u64::from(offload.header_length) + u64::from(offload.segment_size),
            false => bytes,
        };
        Train {
            packets,
            bytes,
            each,
        }
    }

    /// The same packets, that pass together or not at all.
    pub fn together(self) -> Train {
        Train {
            each: self.bytes,
            ..self
        }
    }

    /// The first `count` of them.
    pub(crate) fn first(self, count: u64) -> Train {
        Train {
            packets: count.min(self.packets),
            bytes: self.each.saturating_mul(count).min(self.bytes),
            each: self.each,
        }
    }

    /// How many of them are no longer than that together, from the first on.
    pub(crate) fn within(self, bytes: u64) -> u64 {
        match bytes >= self.bytes {
            true => self.packets,
            false => bytes / self.each.max(1),
        }
    }
}
