//! The quick way to follow a connection says what the thorough one does, or nothing.

use packet::flow::ip_protocol;
use packet::{Segment, TcpSegment};
use pipeline::conntrack::{Direction, Outcome, Progress, Settings};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::support::{ACK, FIN, RST, SYN, segment};

const PSH: u16 = 0x08;

/// Advances by a segment in both ways; true if the quick one knew it.
fn advance(
    progress: &mut Progress,
    protocol: u8,
    (direction, segment): (Direction, &Segment),
    settings: &Settings,
) -> bool {
    let words = progress.to_words();
    let followed = Progress::follow(protocol, words, direction, segment);
    let outcome = progress.advance(direction, segment, settings);
    let Some(word) = followed else {
        return false;
    };
    let [state, forward, reply] = words;
    let expected = match direction {
        Direction::Forward => [state, word, reply],
        Direction::Reply => [state, forward, word],
    };
    assert_eq!((outcome, progress.to_words()), (Outcome::Valid, expected));
    assert!(!progress.is_half_open());
    true
}

fn directions() -> impl Strategy<Value = Direction> {
    select(vec![Direction::Forward, Direction::Reply])
}

/// A difference from the number that is expected: none, a little, about a window, or any.
fn differences() -> impl Strategy<Value = u32> {
    prop_oneof![
        8 => Just(0),
        2 => (0_u32..3_000).prop_map(|by| by.wrapping_sub(1_500)),
        1 => (0_u32..200_000).prop_map(|by| by.wrapping_sub(100_000)),
        1 => any::<u32>(),
    ]
}

/// A segment whose numbers are to be added to those that are expected.
fn segments() -> impl Strategy<Value = TcpSegment> {
    let flags = select(vec![
        ACK,
        ACK,
        ACK,
        ACK,
        ACK,
        ACK | PSH,
        ACK | PSH,
        ACK | FIN,
        ACK | RST,
        RST,
        SYN,
        SYN | ACK,
        0,
    ]);
    let lengths = prop_oneof![2 => Just(0), 3 => 0_u32..3_000, 1 => 0_u32..70_000];
    let windows = prop_oneof![2 => Just(1_000), 1 => Just(0), 1 => any::<u16>()];
    (flags, differences(), differences(), windows, lengths).prop_map(
        |(flags, sequence, acknowledgment, window, length)| TcpSegment {
            flags,
            sequence,
            acknowledgment,
            window,
            length,
            window_scale: None,
        },
    )
}

proptest! {
    #[test]
    fn tcp_is_followed_quickly_as_it_is_thoroughly(
        start: [u32; 2],
        scales in [option::of(0_u8..15), option::of(0_u8..15)],
        opens: bool,
        is_liberal: bool,
        steps in vec((directions(), segments()), 1..60),
    ) {
        let settings = Settings { is_liberal, ..Settings::default() };
        let mut next = start;
        let mut progress = match opens {
            true => open(&mut next, scales, &settings),
            false => Progress::begin(ip_protocol::TCP, &Segment::Tcp(segment(ACK, next[0], next[1])))
                .expect("a stream that is taken up"),
        };
        for (direction, mut segment) in steps {
            let own = direction as usize;
            segment.sequence = segment.sequence.wrapping_add(next[own]);
            segment.acknowledgment = segment.acknowledgment.wrapping_add(next[1 - own]);
            segment.window_scale = scales[own].filter(|_| segment.flags & SYN != 0);
            let before = progress;
            let packet = (direction, &Segment::Tcp(segment));
            advance(&mut progress, ip_protocol::TCP, packet, &settings);
            if progress != before {
                next[own] = segment.sequence.wrapping_add(segment.length);
            }
        }
    }

    #[test]
    fn datagrams_are_followed_quickly_as_they_are_thoroughly(
        protocol in select(vec![ip_protocol::UDP, ip_protocol::ICMP, ip_protocol::SCTP, 47]),
        directions in vec(directions(), 1..8),
    ) {
        let settings = Settings::default();
        let begun = Progress::begin(protocol, &Segment::Unknown);
        prop_assume!(begun.is_some());
        let mut progress = begun.expect("as was assumed");
        for direction in directions {
            advance(&mut progress, protocol, (direction, &Segment::Unknown), &settings);
        }
    }
}

/// A connection after its handshake, and the numbers that follow.
fn open(next: &mut [u32; 2], scales: [Option<u8>; 2], settings: &Settings) -> Progress {
    let syn = TcpSegment {
        window_scale: scales[0],
        ..segment(SYN, next[0], 0)
    };
    next[0] = next[0].wrapping_add(1);
    let answer = TcpSegment {
        window_scale: scales[1],
        ..segment(SYN | ACK, next[1], next[0])
    };
    next[1] = next[1].wrapping_add(1);
    let last = segment(ACK, next[0], next[1]);
    let mut progress =
        Progress::begin(ip_protocol::TCP, &Segment::Tcp(syn)).expect("a SYN begins a connection");
    progress.advance(Direction::Reply, &Segment::Tcp(answer), settings);
    progress.advance(Direction::Forward, &Segment::Tcp(last), settings);
    progress
}

#[test]
fn data_of_an_open_connection_is_known_quickly() {
    let settings = Settings::default();
    let mut next = [1_000, u32::MAX - 20];
    let mut progress = open(&mut next, [Some(7), Some(7)], &settings);
    let mut send = |direction: Direction, length| {
        let own = direction as usize;
        let data = TcpSegment {
            length,
            ..segment(ACK | PSH, next[own], next[1 - own])
        };
        next[own] = next[own].wrapping_add(length);
        let packet = (direction, &Segment::Tcp(data));
        advance(&mut progress, ip_protocol::TCP, packet, &settings)
    };
    assert!(send(Direction::Forward, 100));
    // The first segment with a window is not that of the SYN, and says the greatest that was announced.
    send(Direction::Reply, 0);
    for (direction, length) in [
        (Direction::Reply, 1_400),
        (Direction::Reply, 65_000),
        (Direction::Forward, 0),
        (Direction::Forward, 1),
    ] {
        assert!(send(direction, length), "{direction:?} {length}");
    }
}
