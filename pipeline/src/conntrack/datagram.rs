//! Protocols that say nothing of their progress: UDP, ICMP echo and all that is not known.

use packet::flow::ip_protocol;

use super::progress::{Direction, Outcome};
use super::settings::Timeouts;

/// What has been seen of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Datagram {
    /// One packet.
    First,
    /// Several, all of one direction.
    Multiple,
    /// An answer.
    Answered,
}

impl Datagram {
    #[inline]
    pub(super) fn advance(&mut self, direction: Direction) -> Outcome {
        *self = match (*self, direction) {
            (Self::Answered, _) | (_, Direction::Reply) => Self::Answered,
            _ => Self::Multiple,
        };
        match self {
            Self::Answered => Outcome::Valid,
            _ => Outcome::Unanswered,
        }
    }

    pub(super) fn timeout_s(self, protocol: u8, timeouts: &Timeouts) -> u32 {
        match (protocol, self) {
            (ip_protocol::UDP, Self::Answered) => timeouts.udp_stream,
            (ip_protocol::UDP, _) => timeouts.udp,
            (ip_protocol::ICMP, _) => timeouts.icmp,
            (ip_protocol::ICMPV6, _) => timeouts.icmpv6,
            _ => timeouts.generic,
        }
    }

    #[inline]
    pub(super) fn is_half_open(self) -> bool {
        self != Self::Answered
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::First => "UNREPLIED",
            Self::Multiple => "UNREPLIED_MULTIPLE",
            Self::Answered => "REPLIED",
        }
    }

    #[inline]
    pub(super) fn from_word(word: u64) -> Datagram {
        match word {
            0 => Self::First,
            1 => Self::Multiple,
            _ => Self::Answered,
        }
    }
}
