//! How far a connection has come: the state machines of all protocols behind one face.
//!
//! Nothing here knows a clock or a table. A connection's progress is small and can be written as
//! [`Progress::WORDS`] machine words, so that a table may keep it without locks.

use packet::Segment;
use packet::flow::ip_protocol;

use super::datagram::Datagram;
use super::sctp::Sctp;
use super::settings::{Settings, Timeouts};
use super::tcp::{self, Tcp};

/// Which way a packet of a connection goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// As the first packet went.
    Forward,
    /// Against that.
    Reply,
}

/// What a packet is to the connection that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A packet of an answered connection, or its answer.
    Valid,
    /// A packet of a connection that has not been answered.
    Unanswered,
    /// It cannot be a packet of the connection.
    Invalid,
    /// It begins the connection anew: the one that is known is over.
    Reopens,
}

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// TCP.
    Tcp(Tcp),
    /// SCTP.
    Sctp(Sctp),
    /// Protocols that say nothing of their progress.
    Datagram(Datagram),
}

impl Progress {
    /// How many words [`Progress::to_words`] gives.
    pub const WORDS: usize = 3;

    /// The progress of a connection after its first packet; `None` if such a packet begins none.
    pub fn begin(protocol: u8, segment: &Segment) -> Option<Progress> {
        match (protocol, segment) {
            (ip_protocol::TCP, Segment::Tcp(segment)) => Tcp::begin(segment).map(Self::Tcp),
            (ip_protocol::TCP, _) => Some(Self::Tcp(Tcp::UNSEEN)),
            (ip_protocol::SCTP, segment) => Sctp::begin(segment).map(Self::Sctp),
            _ => Some(Self::Datagram(Datagram::First)),
        }
    }

    /// Takes note of one more packet. Nothing is noted of an invalid one.
    #[inline]
    pub fn advance(
        &mut self,
        direction: Direction,
        segment: &Segment,
        settings: &Settings,
    ) -> Outcome {
        match (self, segment) {
            (Self::Tcp(tcp), Segment::Tcp(segment)) => {
                tcp.advance(direction, segment, settings.is_liberal)
            }
            (Self::Sctp(sctp), segment) => sctp.advance(direction, segment),
            (Self::Datagram(datagram), _) => datagram.advance(direction),
            (Self::Tcp(tcp), _) => tcp.pass(direction),
        }
    }

    /// What [`Progress::to_words`] would give for the packet's direction after [`Progress::advance`], for the packets that
    /// are most common: valid ones of a connection that both ends want, which change nothing else. `None` says nothing.
    #[inline]
    pub fn follow(
        protocol: u8,
        words: [u64; Self::WORDS],
        direction: Direction,
        segment: &Segment,
    ) -> Option<u64> {
        match (protocol, segment) {
            (ip_protocol::TCP, Segment::Tcp(segment)) => {
                tcp::open::follow(words, direction, segment)
            }
            (ip_protocol::TCP | ip_protocol::SCTP, _) => None,
            _ => (Datagram::from_word(words[0]) == Datagram::Answered).then_some(0),
        }
    }

    /// For how long the connection is kept from its last packet on, in seconds.
    #[inline]
    pub fn timeout_s(&self, protocol: u8, timeouts: &Timeouts) -> u32 {
        match self {
            Self::Tcp(tcp) => tcp.timeout_s(timeouts),
            Self::Sctp(sctp) => sctp.timeout_s(timeouts),
            Self::Datagram(datagram) => datagram.timeout_s(protocol, timeouts),
        }
    }

    /// True while it is not known that both ends want the connection: such are limited in number, and give way.
    #[inline]
    pub fn is_half_open(&self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.is_half_open(),
            Self::Sctp(sctp) => sctp.is_half_open(),
            Self::Datagram(datagram) => datagram.is_half_open(),
        }
    }

    /// True once neither end can send any more.
    pub fn is_over(&self) -> bool {
        match self {
            Self::Tcp(tcp) => tcp.is_over(),
            Self::Sctp(sctp) => sctp.is_over(),
            Self::Datagram(_) => false,
        }
    }

    /// The name of the state, as Linux's `conntrack -L` prints it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tcp(tcp) => tcp.name(),
            Self::Sctp(sctp) => sctp.name(),
            Self::Datagram(datagram) => datagram.name(),
        }
    }

    /// The progress as words. The first changes seldom. The second is written for forward packets only, and the third
    /// for replies only, once both ends were seen.
    #[inline]
    pub fn to_words(&self) -> [u64; Self::WORDS] {
        match self {
            Self::Tcp(tcp) => tcp.to_words(),
            Self::Sctp(sctp) => sctp.to_words(),
            Self::Datagram(datagram) => [*datagram as u64, 0, 0],
        }
    }

    /// The progress that [`Progress::to_words`] wrote for a connection of this protocol.
    #[inline]
    pub fn from_words(protocol: u8, words: [u64; Self::WORDS]) -> Progress {
        match protocol {
            ip_protocol::TCP => Self::Tcp(Tcp::from_words(words)),
            ip_protocol::SCTP => Self::Sctp(Sctp::from_words(words)),
            _ => Self::Datagram(Datagram::from_word(words[0])),
        }
    }
}
