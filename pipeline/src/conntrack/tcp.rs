//! TCP connections: who has opened and closed, and which sequence numbers are believable.
//!
//! The window rules are those of "Real Stateful TCP Packet Filtering in IP Filter" (van Rooij, 2000), which Open
//! vSwitch follows as well: a segment is believable if it ends within what the receiver has room for, begins at most
//! a window before what was already seen, and acknowledges about what the other end has sent. Lost, repeated and
//! selectively acknowledged segments all are; blind guesses are not. A connection whose beginning was not seen is
//! taken up.

pub(super) mod open;

use packet::TcpSegment;

use super::progress::{Direction, Outcome, Progress};
use super::settings::Timeouts;

mod flag {
    pub(super) const FIN: u16 = 0x01;
    pub(super) const SYN: u16 = 0x02;
    pub(super) const RST: u16 = 0x04;
    pub(super) const PSH: u16 = 0x08;
    pub(super) const ACK: u16 = 0x10;
    pub(super) const URG: u16 = 0x20;
}

/// How far an acknowledgment may be from what was seen: the greatest window and a segment.
const ACK_SLACK: u32 = 0xffff + 1_500;
/// The greatest shift of a window (RFC 7323 section 2.3).
const SHIFT_MAX: u8 = 14;
/// Stands for a limit that is not known.
const UNKNOWN_LIMIT: u32 = 1;

/// A connection's two ends: the one that sent the first packet, and the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    ends: [End; 2],
}

/// What is known of one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    phase: Phase,
    scale: Scale,
    /// The greatest window it has announced, not scaled.
    window: u16,
    /// The sequence number after the last byte it has sent.
    sent: u32,
    /// The sequence number up to which it may send.
    limit: u32,
}

/// What an end has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
enum Phase {
    /// Nothing.
    Silent,
    /// It has sent, and nothing of that was acknowledged.
    Opening,
    /// The other end has acknowledged.
    Open,
    /// It has sent FIN.
    Closing,
    /// Its FIN is acknowledged.
    Closed,
    /// One of the two has reset the connection.
    Reset,
}

/// Whether windows are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    /// It has not offered to.
    No,
    /// By this shift, if both ends have offered.
    Shift(u8),
    /// The beginning was not seen.
    Unknown,
}

impl End {
    const SILENT: End = End {
        phase: Phase::Silent,
        scale: Scale::No,
        window: 1,
        sent: 0,
        limit: UNKNOWN_LIMIT,
    };

    /// The end that sent the first segment of a connection.
    fn first(segment: &TcpSegment) -> End {
        let has = |flag| u32::from(segment.flags & flag != 0);
        let scale = match segment.window_scale {
            Some(shift) => Scale::Shift(shift),
            None if has(flag::SYN) == 1 => Scale::No,
            None => Scale::Unknown,
        };
        let length = segment.length + has(flag::SYN) + has(flag::FIN);
        End {
            phase: Phase::Opening,
            scale,
            window: unscaled(segment.window.max(1), scale),
            sent: segment.sequence,
            limit: segment.sequence.wrapping_add(length).wrapping_add(1),
        }
    }

    #[inline]
    fn shift(&self) -> u8 {
        match self.scale {
            Scale::Shift(shift) => shift,
            Scale::No | Scale::Unknown => 0,
        }
    }
}

/// A window of a SYN, which is never scaled (RFC 7323 section 2.2), in the unit of those that follow.
fn unscaled(window: u16, scale: Scale) -> u16 {
    match scale {
        Scale::Shift(shift) => u32::from(window).div_ceil(1 << shift) as u16,
        Scale::No | Scale::Unknown => window,
    }
}

/// Sequence numbers are compared round the circle (RFC 9293 section 3.4).
#[inline]
fn reaches(a: u32, b: u32) -> bool {
    a.wrapping_sub(b) as i32 >= 0
}

/// Flags that a sound stack sends together.
#[inline]
fn are_sound(flags: u16) -> bool {
    let has = |flag| flags & flag != 0;
    if has(flag::SYN) && (has(flag::RST) || has(flag::FIN)) {
        return false;
    }
    let needs_ack = flags & (flag::FIN | flag::PSH | flag::URG) != 0;
    has(flag::ACK) || !needs_ack && (has(flag::SYN) || has(flag::RST))
}

impl Tcp {
    /// A connection of which a packet is known to be, and nothing of that packet.
    pub(super) const UNSEEN: Tcp = Tcp {
        ends: [
            End {
                scale: Scale::Unknown,
                ..End::SILENT
            },
            End {
                scale: Scale::Unknown,
                ..End::SILENT
            },
        ],
    };

    /// The connection after its first segment. A SYN with ACK answers something, and so begins nothing.
    pub(super) fn begin(segment: &TcpSegment) -> Option<Tcp> {
        const ANSWER: u16 = flag::SYN | flag::ACK;
        if !are_sound(segment.flags) || segment.flags & ANSWER == ANSWER {
            return None;
        }
        let first = End::first(segment);
        let scale = match first.scale {
            Scale::Unknown => Scale::Unknown,
            _ => Scale::No,
        };
        let other = End {
            scale,
            ..End::SILENT
        };
        Some(Tcp {
            ends: [first, other],
        })
    }

    /// Judges a packet of which only the direction is known.
    pub(super) fn pass(&self, direction: Direction) -> Outcome {
        match direction {
            Direction::Forward if self.ends[1].phase == Phase::Silent => Outcome::Unanswered,
            _ => Outcome::Valid,
        }
    }

    #[inline]
    pub(super) fn advance(
        &mut self,
        direction: Direction,
        segment: &TcpSegment,
        is_liberal: bool,
    ) -> Outcome {
        if !are_sound(segment.flags) {
            return Outcome::Invalid;
        }
        let (own, other) = match direction {
            Direction::Forward => (self.ends[0], self.ends[1]),
            Direction::Reply => (self.ends[1], self.ends[0]),
        };
        let mut exchange = Exchange { own, other };
        let outcome = exchange.advance(segment, is_liberal);
        if !matches!(outcome, Outcome::Invalid | Outcome::Reopens) {
            self.ends = match direction {
                Direction::Forward => [exchange.own, exchange.other],
                Direction::Reply => [exchange.other, exchange.own],
            };
        }
        outcome
    }
}

/// A segment's sender and receiver.
struct Exchange {
    own: End,
    other: End,
}

/// A segment's place in the sequence.
struct Span {
    /// Where it begins, for the check of the window.
    from: u32,
    /// Where it ends.
    to: u32,
    acknowledges: u32,
    window: u16,
    /// Shifts of the windows of its sender and its receiver.
    shifts: (u8, u8),
    /// The acknowledgment says nothing that could be judged.
    is_taken_up: bool,
}

impl Exchange {
    #[inline]
    fn advance(&mut self, segment: &TcpSegment, is_liberal: bool) -> Outcome {
        const SYN_ACK: u16 = flag::SYN | flag::ACK;
        if segment.flags & SYN_ACK == flag::SYN {
            if self.own.phase >= Phase::Closed && self.other.phase >= Phase::Closed {
                return Outcome::Reopens;
            }
            if self.own.phase <= Phase::Opening {
                if self.other.phase <= Phase::Opening {
                    self.own = End::first(segment);
                }
                return Outcome::Unanswered;
            }
        }
        let span = self.span(segment);
        if is_liberal || self.is_within(segment, &span) {
            self.follow(segment, &span);
            return Outcome::Valid;
        }
        if self.is_near(&span) {
            self.follow_near(segment, &span);
            return Outcome::Valid;
        }
        Outcome::Invalid
    }

    /// Where the segment stands. The first one of an end says where that end begins.
    #[inline]
    fn span(&mut self, segment: &TcpSegment) -> Span {
        let is_syn = segment.flags & flag::SYN != 0;
        let is_fin = segment.flags & flag::FIN != 0;
        let end = segment
            .sequence
            .wrapping_add(segment.length)
            .wrapping_add(u32::from(is_syn) + u32::from(is_fin));
        let mut span = Span {
            from: segment.sequence,
            to: end,
            acknowledges: segment.acknowledgment,
            window: segment.window,
            shifts: match (self.own.scale, self.other.scale) {
                _ if is_syn => (0, 0),
                (Scale::Shift(own), Scale::Shift(other)) => (own, other),
                (Scale::Unknown, Scale::Unknown) => (SHIFT_MAX, SHIFT_MAX),
                _ => (0, 0),
            },
            is_taken_up: false,
        };
        if self.own.phase == Phase::Silent {
            if is_syn {
                self.agree_on_scale(segment, &mut span);
            }
            let room = (u32::from(self.other.window) << span.shifts.1).max(1);
            let limit = end.wrapping_add(room);
            self.own.sent = segment.sequence;
            self.own.phase = Phase::Opening;
            self.own.window = self.own.window.max(span.window);
            if self.own.limit == UNKNOWN_LIMIT || reaches(limit, self.own.limit) {
                self.own.limit = limit;
                span.is_taken_up = true;
            }
        }
        let is_ack = segment.flags & flag::ACK != 0;
        let is_bare_reset = segment.flags & flag::RST != 0 && segment.acknowledgment == 0;
        if !is_ack || is_bare_reset {
            span.acknowledges = self.other.sent;
        }
        if span.from == span.to {
            // What carries nothing may carry any number.
            (span.from, span.to) = (self.own.sent, self.own.sent);
        }
        span
    }

    /// Windows are scaled only if both SYNs offer it.
    fn agree_on_scale(&mut self, segment: &TcpSegment, span: &mut Span) {
        let Scale::Shift(other) = self.other.scale else {
            return;
        };
        match segment.window_scale {
            Some(own) => {
                self.own.scale = Scale::Shift(own);
                span.window = unscaled(span.window, self.own.scale);
                span.shifts = (own, other);
            }
            None => {
                let window = u32::from(self.other.window) << self.other.shift();
                self.other.window = u16::try_from(window).unwrap_or(u16::MAX);
                self.other.scale = Scale::No;
            }
        }
    }

    #[inline]
    fn is_within(&self, segment: &TcpSegment, span: &Span) -> bool {
        let room = u32::from(self.other.window) << span.shifts.1;
        let skew = match span.is_taken_up {
            true => 0,
            false => i64::from(self.other.sent.wrapping_sub(span.acknowledges) as i32),
        };
        reaches(self.own.limit, span.to)
            && reaches(span.from, self.own.sent.wrapping_sub(room))
            && skew >= -i64::from(ACK_SLACK)
            && skew <= i64::from(ACK_SLACK) << span.shifts.0
            && (segment.flags & flag::RST == 0 || self.is_exact(segment.sequence))
    }

    /// A reset counts only at the very place, or one beside it (RFC 5961 section 3).
    fn is_exact(&self, sequence: u32) -> bool {
        matches!(sequence.wrapping_sub(self.own.sent), 0 | 1 | u32::MAX)
    }

    /// Before the other end was seen, and after either has closed, what is near the place will do.
    fn is_near(&self, span: &Span) -> bool {
        let is_loose = self.other.phase < Phase::Opening
            || self.other.phase >= Phase::Closed
            || self.own.phase >= Phase::Closed;
        is_loose
            && reaches(self.own.limit.wrapping_add(ACK_SLACK), span.to)
            && reaches(span.from, self.own.sent.wrapping_sub(ACK_SLACK))
    }

    #[inline]
    fn follow(&mut self, segment: &TcpSegment, span: &Span) {
        self.follow_sequence(span);
        let room = u32::from(span.window) << span.shifts.0;
        if reaches(span.acknowledges.wrapping_add(room), self.other.limit) {
            self.other.limit = span.acknowledges.wrapping_add(room.max(1));
        }
        self.follow_flags(segment.flags);
        if segment.flags & flag::ACK != 0 {
            self.other.phase = match self.other.phase {
                Phase::Opening => Phase::Open,
                Phase::Closing => Phase::Closed,
                phase => phase,
            };
        }
        if segment.flags & flag::RST != 0 {
            (self.own.phase, self.other.phase) = (Phase::Reset, Phase::Reset);
        }
    }

    /// As [`Exchange::follow`], but what the other end may send is not learned from it.
    fn follow_near(&mut self, segment: &TcpSegment, span: &Span) {
        self.follow_sequence(span);
        self.follow_flags(segment.flags);
        if segment.flags & flag::RST != 0 {
            (self.own.phase, self.other.phase) = (Phase::Reset, Phase::Reset);
        }
    }

    #[inline]
    fn follow_sequence(&mut self, span: &Span) {
        self.own.window = self.own.window.max(span.window);
        if reaches(span.to, self.own.sent) {
            self.own.sent = span.to;
        }
    }

    #[inline]
    fn follow_flags(&mut self, flags: u16) {
        if flags & flag::FIN != 0 && self.own.phase < Phase::Closing {
            self.own.phase = Phase::Closing;
        }
    }
}

// === what the two ends make together ===

impl Tcp {
    #[inline]
    fn phases(&self) -> (Phase, Phase) {
        let [a, b] = self.ends.map(|end| end.phase);
        (a.min(b), a.max(b))
    }

    pub(super) fn timeout_s(&self, timeouts: &Timeouts) -> u32 {
        match self.phases() {
            (_, Phase::Reset) => timeouts.tcp_close,
            (Phase::Closed, _) => timeouts.tcp_time_wait,
            (Phase::Closing, _) => timeouts.tcp_last_ack,
            (Phase::Silent, _) => timeouts.tcp_syn_sent,
            (Phase::Opening, _) => timeouts.tcp_syn_recv,
            (_, Phase::Closed) => timeouts.tcp_close_wait,
            (_, Phase::Closing) => timeouts.tcp_fin_wait,
            _ => timeouts.tcp_established,
        }
    }

    #[inline]
    pub(super) fn is_half_open(&self) -> bool {
        self.phases().0 <= Phase::Opening
    }

    pub(super) fn is_over(&self) -> bool {
        let (least, most) = self.phases();
        least >= Phase::Closed || most == Phase::Reset
    }

    pub(super) fn name(&self) -> &'static str {
        match self.phases() {
            (_, Phase::Reset) => "CLOSE",
            (Phase::Closed, _) => "TIME_WAIT",
            (Phase::Closing, _) => "LAST_ACK",
            (Phase::Silent, _) => "SYN_SENT",
            (Phase::Opening, _) => "SYN_RECV",
            (_, Phase::Closed) => "CLOSE_WAIT",
            (_, Phase::Closing) => "FIN_WAIT",
            _ => "ESTABLISHED",
        }
    }
}

// === as words ===

const PHASE_BITS: u32 = 3;
const SCALE_BITS: u32 = 5;
/// Shifts from 0 to 14 stand for themselves.
const SCALE_NO: u64 = 30;
const SCALE_UNKNOWN: u64 = 31;

impl End {
    #[inline]
    fn to_bits(self) -> u64 {
        let scale = match self.scale {
            Scale::No => SCALE_NO,
            Scale::Unknown => SCALE_UNKNOWN,
            Scale::Shift(shift) => u64::from(shift),
        };
        self.phase as u64
            | scale << PHASE_BITS
            | u64::from(self.window) << (PHASE_BITS + SCALE_BITS)
    }

    #[inline]
    fn from_bits(bits: u64, sent: u32, limit: u32) -> End {
        let phase = match bits & ((1 << PHASE_BITS) - 1) {
            0 => Phase::Silent,
            1 => Phase::Opening,
            2 => Phase::Open,
            3 => Phase::Closing,
            4 => Phase::Closed,
            _ => Phase::Reset,
        };
        let scale = match bits >> PHASE_BITS & ((1 << SCALE_BITS) - 1) {
            SCALE_NO => Scale::No,
            SCALE_UNKNOWN => Scale::Unknown,
            shift => Scale::Shift((shift as u8).min(SHIFT_MAX)),
        };
        End {
            phase,
            scale,
            window: (bits >> (PHASE_BITS + SCALE_BITS)) as u16,
            sent,
            limit,
        }
    }
}

impl Tcp {
    /// A segment changes what its sender has sent and what its receiver may send: those two make a word.
    #[inline]
    pub(super) fn to_words(self) -> [u64; Progress::WORDS] {
        let [a, b] = self.ends;
        [
            a.to_bits() | b.to_bits() << 32,
            u64::from(a.sent) << 32 | u64::from(b.limit),
            u64::from(b.sent) << 32 | u64::from(a.limit),
        ]
    }

    #[inline]
    pub(super) fn from_words(words: [u64; Progress::WORDS]) -> Tcp {
        let [state, forward, reply] = words;
        let high = |word: u64| (word >> 32) as u32;
        let a = End::from_bits(state & 0xffff_ffff, high(forward), reply as u32);
        let b = End::from_bits(state >> 32, high(reply), forward as u32);
        Tcp { ends: [a, b] }
    }
}
