//! SCTP associations (RFC 9260), followed by their chunks and guarded by their verification tags.

use packet::Segment;

use super::progress::{Direction, Outcome, Progress};
use super::settings::Timeouts;

/// Chunk types (RFC 9260 section 3.2).
mod chunk {
    pub(super) const INIT: u8 = 1;
    pub(super) const INIT_ACK: u8 = 2;
    pub(super) const ABORT: u8 = 6;
    pub(super) const SHUTDOWN: u8 = 7;
    pub(super) const SHUTDOWN_ACK: u8 = 8;
    pub(super) const COOKIE_ECHO: u8 = 10;
    pub(super) const COOKIE_ACK: u8 = 11;
    pub(super) const SHUTDOWN_COMPLETE: u8 = 14;
}

/// An association.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sctp {
    phase: Phase,
    is_answered: bool,
    /// The tag that packets of each direction must carry; 0 while it is not known.
    tags: [u32; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Phase {
    CookieWait,
    CookieEchoed,
    Established,
    Shutdown,
    Closed,
}

impl Sctp {
    /// An association begins with INIT. One that is under way is taken up, but not by what ends it or by what
    /// answers something that was not seen.
    pub(super) fn begin(segment: &Segment) -> Option<Sctp> {
        let &Segment::Sctp {
            tag,
            chunk,
            initiate_tag,
        } = segment
        else {
            return Some(Sctp {
                phase: Phase::Established,
                is_answered: false,
                tags: [0, 0],
            });
        };
        let (phase, tags) = match chunk {
            chunk::INIT if tag == 0 => (Phase::CookieWait, [0, initiate_tag]),
            chunk::INIT
            | chunk::INIT_ACK
            | chunk::ABORT
            | chunk::SHUTDOWN_ACK
            | chunk::SHUTDOWN_COMPLETE
            | chunk::COOKIE_ACK => return None,
            _ if tag == 0 => return None,
            _ => (Phase::Established, [tag, 0]),
        };
        Some(Sctp {
            phase,
            is_answered: false,
            tags,
        })
    }

    pub(super) fn advance(&mut self, direction: Direction, segment: &Segment) -> Outcome {
        if let &Segment::Sctp {
            tag,
            chunk,
            initiate_tag,
        } = segment
        {
            if chunk == chunk::INIT && self.phase == Phase::Closed {
                return Outcome::Reopens;
            }
            if !self.accepts(direction, tag, chunk) {
                return Outcome::Invalid;
            }
            self.learn(direction, tag, chunk, initiate_tag);
        }
        self.is_answered |= direction == Direction::Reply;
        if self.is_answered {
            Outcome::Valid
        } else {
            Outcome::Unanswered
        }
    }

    /// Whether the tag is right (RFC 9260 section 8.5). ABORT and SHUTDOWN COMPLETE may carry that of their sender
    /// instead (section 8.5.1).
    fn accepts(&self, direction: Direction, tag: u32, chunk: u8) -> bool {
        let [own, other] = match direction {
            Direction::Forward => self.tags,
            Direction::Reply => [self.tags[1], self.tags[0]],
        };
        match chunk {
            chunk::INIT => tag == 0,
            chunk::ABORT | chunk::SHUTDOWN_COMPLETE if tag == other && tag != 0 => true,
            _ => tag != 0 && (own == 0 || tag == own),
        }
    }

    fn learn(&mut self, direction: Direction, tag: u32, chunk: u8, initiate_tag: u32) {
        let (own, other) = match direction {
            Direction::Forward => (0, 1),
            Direction::Reply => (1, 0),
        };
        // An INIT that comes again while the association stands must not change its tags (section 5.2.2).
        let is_opening = self.phase == Phase::CookieWait;
        match chunk {
            chunk::INIT | chunk::INIT_ACK if is_opening => self.tags[other] = initiate_tag,
            chunk::INIT | chunk::INIT_ACK => {}
            _ if self.tags[own] == 0 => self.tags[own] = tag,
            _ => {}
        }
        self.phase = match chunk {
            chunk::ABORT | chunk::SHUTDOWN_COMPLETE => Phase::Closed,
            chunk::SHUTDOWN | chunk::SHUTDOWN_ACK if !is_opening => Phase::Shutdown,
            chunk::COOKIE_ECHO if is_opening => Phase::CookieEchoed,
            chunk::COOKIE_ACK if self.phase == Phase::CookieEchoed => Phase::Established,
            _ => self.phase,
        };
    }

    pub(super) fn timeout_s(&self, timeouts: &Timeouts) -> u32 {
        match self.phase {
            Phase::CookieWait => timeouts.sctp_cookie_wait,
            Phase::CookieEchoed => timeouts.sctp_cookie_echoed,
            Phase::Established => timeouts.sctp_established,
            Phase::Shutdown => timeouts.sctp_shutdown,
            Phase::Closed => timeouts.sctp_closed,
        }
    }

    pub(super) fn is_half_open(&self) -> bool {
        !self.is_answered || matches!(self.phase, Phase::CookieWait | Phase::CookieEchoed)
    }

    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Closed
    }

    pub(super) fn name(&self) -> &'static str {
        match self.phase {
            Phase::CookieWait => "COOKIE_WAIT",
            Phase::CookieEchoed => "COOKIE_ECHOED",
            Phase::Established => "ESTABLISHED",
            Phase::Shutdown => "SHUTDOWN",
            Phase::Closed => "CLOSED",
        }
    }

    pub(super) fn to_words(self) -> [u64; Progress::WORDS] {
        let state = self.phase as u64 | u64::from(self.is_answered) << 8;
        [
            state,
            u64::from(self.tags[0]) << 32 | u64::from(self.tags[1]),
            0,
        ]
    }

    pub(super) fn from_words(words: [u64; Progress::WORDS]) -> Sctp {
        let phase = match words[0] & 0xff {
            0 => Phase::CookieWait,
            1 => Phase::CookieEchoed,
            2 => Phase::Established,
            3 => Phase::Shutdown,
            _ => Phase::Closed,
        };
        Sctp {
            phase,
            is_answered: words[0] & 0x100 != 0,
            tags: [(words[1] >> 32) as u32, words[1] as u32],
        }
    }
}
