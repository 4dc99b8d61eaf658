//! TCP segments in, states out.

use packet::TcpSegment;
use packet::flow::Flow;
use pipeline::conntrack::{Settings, Simple, State};

use super::support::*;

const FORWARD: bool = true;
const REPLY: bool = false;
const NEW: State = State::NEW;
const ESTABLISHED: State = State::ESTABLISHED;
const INVALID: State = State::INVALID;

fn answered() -> State {
    State::ESTABLISHED | State::REPLY
}

fn packet(is_forward: bool) -> Flow {
    let (client, server) = (("10.0.0.1", 4000), ("10.0.0.2", 80));
    match is_forward {
        FORWARD => tcp(client, server),
        REPLY => tcp(server, client),
    }
}

type Step = (bool, TcpSegment, State, &'static str);

/// Takes the segments through a table, committing what is new; each step says the state of the packet and of the
/// connection after it.
fn check(steps: &[Step]) {
    check_in(Table::new(), steps);
}

fn check_in(mut table: Table, steps: &[Step]) {
    for (number, (is_forward, segment, state, name)) in steps.iter().enumerate() {
        let packet = packet(*is_forward);
        let found = table.state(&packet, *segment);
        assert_eq!(found, *state, "step {number}: {segment:?}");
        if found == NEW {
            table.commit(&packet, *segment, None).expect("room");
        }
        let names: Vec<_> = table
            .0
            .connections()
            .map(|kept| kept.progress.name())
            .collect();
        let expected: Vec<_> = Some(*name)
            .filter(|name| !name.is_empty())
            .into_iter()
            .collect();
        assert_eq!(names, expected, "step {number}: {segment:?}");
    }
}

fn data(sequence: u32, acknowledgment: u32, length: u32) -> TcpSegment {
    TcpSegment {
        length,
        ..segment(ACK, sequence, acknowledgment)
    }
}

fn handshake() -> Vec<Step> {
    vec![
        (FORWARD, segment(SYN, 100, 0), NEW, "SYN_SENT"),
        (REPLY, segment(SYN | ACK, 500, 101), answered(), "SYN_RECV"),
        (FORWARD, segment(ACK, 101, 501), ESTABLISHED, "ESTABLISHED"),
    ]
}

/// A handshake and what follows it.
fn check_open(more: &[Step]) {
    check(&[handshake(), more.to_vec()].concat());
}

#[test]
fn a_connection_opens_carries_data_and_closes() {
    check_open(&[
        (FORWARD, data(101, 501, 50), ESTABLISHED, "ESTABLISHED"),
        (REPLY, data(501, 151, 900), answered(), "ESTABLISHED"),
        (
            FORWARD,
            segment(FIN | ACK, 151, 1401),
            ESTABLISHED,
            "FIN_WAIT",
        ),
        (REPLY, segment(ACK, 1401, 152), answered(), "CLOSE_WAIT"),
        (REPLY, segment(FIN | ACK, 1401, 152), answered(), "LAST_ACK"),
        (FORWARD, segment(ACK, 152, 1402), ESTABLISHED, "TIME_WAIT"),
    ]);
}

#[test]
fn forward_packets_are_new_until_there_is_an_answer() {
    check(&[
        (FORWARD, segment(SYN, 100, 0), NEW, "SYN_SENT"),
        (FORWARD, segment(SYN, 100, 0), NEW, "SYN_SENT"),
        (REPLY, segment(SYN | ACK, 500, 101), answered(), "SYN_RECV"),
    ]);
}

#[test]
fn flags_that_no_stack_sends_and_answers_to_nothing_are_invalid() {
    const URG: u16 = 0x20;
    const PSH: u16 = 0x08;
    for flags in [
        0,
        FIN,
        PSH,
        URG,
        SYN | FIN,
        SYN | RST,
        FIN | PSH | URG,
        SYN | ACK,
    ] {
        check(&[(FORWARD, segment(flags, 1, 0), INVALID, "")]);
    }
    check_open(&[(FORWARD, segment(FIN, 101, 501), INVALID, "ESTABLISHED")]);
}

#[test]
fn segments_outside_the_window_are_invalid() {
    check_open(&[
        (REPLY, data(501, 101, 1000), answered(), "ESTABLISHED"),
        (REPLY, data(1501, 101, 1), INVALID, "ESTABLISHED"),
        (FORWARD, segment(ACK, 101, 1501), ESTABLISHED, "ESTABLISHED"),
        (REPLY, data(1501, 101, 1), answered(), "ESTABLISHED"),
        // Repeated data, as far as a window back.
        (REPLY, data(600, 101, 100), answered(), "ESTABLISHED"),
        (REPLY, data(500, 101, 100), INVALID, "ESTABLISHED"),
        // An acknowledgment of what was never sent.
        (FORWARD, data(101, 200_000, 1), INVALID, "ESTABLISHED"),
    ]);
}

#[test]
fn a_liberal_table_takes_any_sequence_number() {
    let settings = Settings {
        is_liberal: true,
        ..Settings::default()
    };
    let mut steps = handshake();
    steps.push((REPLY, data(100_501, 101, 1), answered(), "ESTABLISHED"));
    check_in(Table(Simple::new(settings)), &steps);
}

#[test]
fn windows_are_scaled_if_both_ends_offer_it() {
    let syn = |flags, sequence, acknowledgment, window_scale| TcpSegment {
        window_scale,
        ..segment(flags, sequence, acknowledgment)
    };
    let open = |client, server, last| {
        check(&[
            (FORWARD, syn(SYN, 100, 0, client), NEW, "SYN_SENT"),
            (
                REPLY,
                syn(SYN | ACK, 500, 101, server),
                answered(),
                "SYN_RECV",
            ),
            (FORWARD, segment(ACK, 101, 501), ESTABLISHED, "ESTABLISHED"),
            (REPLY, data(501, 101, 100_000), last, "ESTABLISHED"),
        ]);
    };
    open(Some(7), Some(2), answered());
    open(Some(7), None, INVALID);
    open(None, Some(7), INVALID);
    open(Some(6), Some(7), INVALID);
}

#[test]
fn a_reset_counts_at_the_exact_place_only() {
    check_open(&[
        (REPLY, segment(RST, 600, 0), INVALID, "ESTABLISHED"),
        (REPLY, segment(RST, 501, 0), answered(), "CLOSE"),
    ]);
    check(&[
        (FORWARD, segment(SYN, 100, 0), NEW, "SYN_SENT"),
        (REPLY, segment(RST | ACK, 0, 101), answered(), "CLOSE"),
    ]);
}

#[test]
fn a_closed_connection_is_opened_anew_and_must_be_kept_anew() {
    check_open(&[
        (REPLY, segment(RST, 501, 0), answered(), "CLOSE"),
        (FORWARD, segment(SYN, 70_000, 0), NEW, "SYN_SENT"),
        (REPLY, segment(SYN | ACK, 9, 70_001), answered(), "SYN_RECV"),
    ]);
}

#[test]
fn a_client_that_starts_over_with_another_number_is_followed() {
    check(&[
        (FORWARD, segment(SYN, 2_000_000, 0), NEW, "SYN_SENT"),
        (FORWARD, segment(SYN, 100, 0), NEW, "SYN_SENT"),
        (REPLY, segment(SYN | ACK, 500, 101), answered(), "SYN_RECV"),
        (FORWARD, segment(ACK, 101, 501), ESTABLISHED, "ESTABLISHED"),
    ]);
}

#[test]
fn a_connection_whose_beginning_was_not_seen_is_taken_up() {
    check(&[
        (FORWARD, data(5_000, 9_000, 100), NEW, "SYN_SENT"),
        (REPLY, data(9_000, 5_100, 100), answered(), "SYN_RECV"),
        (
            FORWARD,
            data(5_100, 9_100, 30_000),
            ESTABLISHED,
            "ESTABLISHED",
        ),
        (
            REPLY,
            data(9_100, 35_100, 60_000),
            answered(),
            "ESTABLISHED",
        ),
    ]);
}

#[test]
fn sequence_numbers_wrap() {
    check(&[
        (FORWARD, segment(SYN, u32::MAX, 0), NEW, "SYN_SENT"),
        (
            REPLY,
            segment(SYN | ACK, u32::MAX - 1, 0),
            answered(),
            "SYN_RECV",
        ),
        (
            FORWARD,
            segment(ACK, 0, u32::MAX),
            ESTABLISHED,
            "ESTABLISHED",
        ),
        (REPLY, data(u32::MAX, 0, 900), answered(), "ESTABLISHED"),
        (FORWARD, data(0, 899, 900), ESTABLISHED, "ESTABLISHED"),
    ]);
}

#[test]
fn a_connection_is_forgotten_when_its_state_has_lasted_for_its_timeout() {
    let mut table = Table::new();
    let syn = segment(SYN, 100, 0);
    table.commit(&packet(FORWARD), syn, None).expect("room");
    table.0.set_now_ms(119_999);
    assert_eq!(table.0.connections().count(), 1);
    assert_eq!(
        table.state(&packet(REPLY), segment(SYN | ACK, 5, 101)),
        answered()
    );
    table.0.set_now_ms(119_999 + 60_000);
    assert_eq!(table.0.connections().count(), 0);
    assert_eq!(
        table.state(&packet(REPLY), segment(SYN | ACK, 5, 101)),
        INVALID
    );
}
