//! The common case, judged on the words: a segment within the window of a connection that both ends have opened.
//!
//! The rules are those of [`Exchange`](super::Exchange), which takes every field out of its word and puts it back. A segment
//! like this changes one word at most, and all that is asked of the others is a few comparisons.

use packet::TcpSegment;

use super::{
    ACK_SLACK, PHASE_BITS, Phase, SCALE_BITS, SCALE_NO, SCALE_UNKNOWN, SHIFT_MAX, flag, reaches,
};
use crate::conntrack::progress::{Direction, Progress};

/// Flags that open or close something, and the one that every other segment has.
const TELLING: u16 = flag::SYN | flag::FIN | flag::RST | flag::ACK;
const PHASES: u64 = PHASE | PHASE << 32;
const PHASE: u64 = (1 << PHASE_BITS) - 1;
const OPEN: u64 = Phase::Open as u64 | (Phase::Open as u64) << 32;
const SCALE: u64 = (1 << SCALE_BITS) - 1;

/// What [`super::Tcp::to_words`] would give for the segment's direction after it; `None` if it is not of the common case.
#[inline]
pub(in crate::conntrack) fn follow(
    [state, forward, reply]: [u64; Progress::WORDS],
    direction: Direction,
    segment: &TcpSegment,
) -> Option<u64> {
    if segment.flags & TELLING != flag::ACK || state & PHASES != OPEN {
        return None;
    }
    let (own, other, word, reverse) = match direction {
        Direction::Forward => (state, state >> 32, forward, reply),
        Direction::Reply => (state >> 32, state, reply, forward),
    };
    if segment.window > window(own) {
        return None;
    }
    let (own_shift, other_shift) = shifts(own, other);
    let (sent, other_limit) = ((word >> 32) as u32, word as u32);
    let (other_sent, limit) = ((reverse >> 32) as u32, reverse as u32);
    let (from, to) = match segment.length {
        // What carries nothing may carry any number.
        0 => (sent, sent),
        length => (segment.sequence, segment.sequence.wrapping_add(length)),
    };
    let skew = i64::from(other_sent.wrapping_sub(segment.acknowledgment) as i32);
    let is_within = reaches(limit, to)
        && reaches(
            from,
            sent.wrapping_sub(u32::from(window(other)) << other_shift),
        )
        && skew >= -i64::from(ACK_SLACK)
        && skew <= i64::from(ACK_SLACK) << own_shift;
    if !is_within {
        return None;
    }
    let room = u32::from(segment.window) << own_shift;
    let sent = if reaches(to, sent) { to } else { sent };
    let other_limit = match reaches(segment.acknowledgment.wrapping_add(room), other_limit) {
        true => segment.acknowledgment.wrapping_add(room.max(1)),
        false => other_limit,
    };
    Some(u64::from(sent) << 32 | u64::from(other_limit))
}

#[inline]
fn window(end: u64) -> u16 {
    (end >> (PHASE_BITS + SCALE_BITS)) as u16
}

/// By how much the windows of two ends are shifted.
#[inline]
fn shifts(own: u64, other: u64) -> (u8, u8) {
    let [own, other] = [own, other].map(|end| end >> PHASE_BITS & SCALE);
    match (own, other) {
        (SCALE_UNKNOWN, SCALE_UNKNOWN) => (SHIFT_MAX, SHIFT_MAX),
        _ if own < SCALE_NO && other < SCALE_NO => {
            ((own as u8).min(SHIFT_MAX), (other as u8).min(SHIFT_MAX))
        }
        _ => (0, 0),
    }
}
