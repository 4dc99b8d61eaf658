//! Input: frames and what a switch or router changes. Output: the frames after it.

mod support;

use packet::flow::{Network, VlanTag};
use packet::rewrite::*;
use packet::{FragmentError, Layout, Mac, fragment_ipv4, parse};
use proptest::prelude::*;
use support::{frame, hex, ip, parse_checked};

#[test]
fn addresses_are_set_in_place() {
    let mut bytes = frame(0x88cc, "01");
    set_eth_src(&mut bytes, Mac([1; 6]));
    set_eth_dst(&mut bytes, Mac([2; 6]));
    assert_eq!(bytes, hex("020202020202 010101010101 88cc 01"));
    let mut short = vec![0; 13];
    set_eth_src(&mut short, Mac([1; 6]));
    assert_eq!(short, vec![0; 13]);
}

#[test]
fn a_tag_is_pushed_into_spare_room_and_popped_again() {
    let tag = VlanTag { id: 5, priority: 3 };
    let plain = frame(0x0800, "aabb");
    let mut buffer = [&[0xee; 4], &plain[..]].concat();
    assert!(push_vlan(&mut buffer, tag));
    assert_eq!(buffer, hex("020000000002 020000000001 8100 6005 0800 aabb"));
    assert!(pop_vlan(&mut buffer));
    assert_eq!(buffer[4..], plain);
    assert!(!pop_vlan(&mut buffer[4..]));
    assert!(!push_vlan(&mut [0; 17], tag));
    assert!(!pop_vlan(&mut frame(0x8100, "0005 08")));
}

#[test]
fn hops_are_counted_down_to_zero_and_no_further() {
    let cases = [
        (
            frame(0x0800, "4500 0014 1234 4000 03 11 0000 0a000001 0a000002"),
            false,
        ),
        (
            frame(
                0x86dd,
                &format!("60000000 0000 3b 03 {}", "fe80000000000000".repeat(4)),
            ),
            true,
        ),
    ];
    for (mut bytes, is_ipv6) in cases {
        let (flow, layout) = parse(&bytes).unwrap();
        assert_eq!(ip(&flow).src.is_ipv6(), is_ipv6);
        let untouched = bytes.clone();
        assert!(!decrement_ttl(&mut bytes, layout, 4));
        assert_eq!(bytes, untouched);
        assert!(decrement_ttl(&mut bytes, layout, 2));
        assert_eq!(ip(&parse(&bytes).unwrap().0).ttl, 1);
        assert!(decrement_ttl(&mut bytes, layout, 1));
        assert!(!decrement_ttl(&mut bytes, layout, 1));
    }
    let arp = Layout {
        network: 14,
        transport: 0,
    };
    assert!(!decrement_ttl(&mut frame(0x0806, "0001"), arp, 1));
    let like_ipv4 = "4500 0014 1234 4000 03 11 0000 0a000001 0a000002";
    assert!(!decrement_ttl(&mut frame(0x0806, like_ipv4), arp, 1));
    assert!(!decrement_ttl(&mut [], arp, 1));
}

#[test]
fn a_code_point_leaves_the_congestion_bits_alone_and_back() {
    let cases = [
        (
            0x0800,
            "4503 0014 1234 4000 0311 0000 0a000001 0a000002",
            0xbb,
        ),
        (
            0x86dd,
            &("6030abcd 0000 3b40".to_owned() + &"00".repeat(32)),
            0xbb,
        ),
        (
            0x86dd,
            &("6ff0abcd 0000 3b40".to_owned() + &"00".repeat(32)),
            0xbb,
        ),
    ];
    for (eth_type, text, expected) in cases {
        let mut bytes = frame(eth_type, text);
        let (before, layout) = parse(&bytes).unwrap();
        assert!(set_dscp(&mut bytes, layout, 46));
        let (after, _) = parse(&bytes).unwrap();
        let (Network::Ip(before), Network::Ip(after)) = (before.network, after.network) else {
            panic!("IP packets");
        };
        assert_eq!(after.dscp << 2 | after.ecn, expected);
        assert_eq!(after.label, before.label);
        assert_eq!(after, packet::flow::Ip { dscp: 46, ..before });
    }
    assert!(!set_dscp(&mut [], Layout::default(), 1));
}

/// An ICMP packet with a sound header checksum, these fragment bits and this many words of options.
fn packet(bits: u16, options: &[u8], payload: &[u8], ttl: u8) -> Vec<u8> {
    let header_length = 20 + options.len();
    let mut header = hex("4000 0000 beef 0000 4001 0000 0a000001 0a000002");
    header[0] |= (header_length / 4) as u8;
    header[2..4].copy_from_slice(&((header_length + payload.len()) as u16).to_be_bytes());
    header[6..8].copy_from_slice(&bits.to_be_bytes());
    header[8] = ttl;
    header.extend(options);
    let view = pnet_packet::ipv4::Ipv4Packet::new(&header).unwrap();
    let checksum = pnet_packet::ipv4::checksum(&view);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    let mut bytes = frame(0x0800, "");
    bytes.extend(header);
    bytes.extend(payload);
    bytes
}

fn header_checksum_is_sound(frame: &[u8]) -> bool {
    let view = pnet_packet::ipv4::Ipv4Packet::new(&frame[14..]).unwrap();
    view.get_checksum() == pnet_packet::ipv4::checksum(&view)
}

proptest! {
    #[test]
    fn a_lowered_ttl_leaves_a_sound_checksum(bits in 0..0x8000u16, ttl in 1u8.., hops: u8) {
        let mut bytes = packet(bits, &[], &[0; 8], ttl);
        let layout = Layout { network: 14, transport: 34 };
        prop_assert_eq!(decrement_ttl(&mut bytes, layout, hops), hops <= ttl);
        prop_assert!(header_checksum_is_sound(&bytes));
    }

    #[test]
    fn a_code_point_leaves_a_sound_checksum(bits in 0..0x8000u16, dscp in 0..64u8) {
        let mut bytes = packet(bits, &[], &[0; 8], 64);
        let layout = Layout { network: 14, transport: 34 };
        prop_assert!(set_dscp(&mut bytes, layout, dscp));
        prop_assert_eq!(bytes[15], dscp << 2);
        prop_assert!(header_checksum_is_sound(&bytes));
    }

    #[test]
    fn fragments_fit_and_make_up_the_packet(
        mtu in 68..200u16,
        words in 0..=10usize,
        is_fragment: bool,
        payload in proptest::collection::vec(any::<u8>(), 8..600),
    ) {
        let options = vec![1; words * 4];
        let bits = if is_fragment { 0x2010 } else { 0 };
        let bytes = packet(bits, &options, &payload, 64);
        let (flow, layout) = parse(&bytes).unwrap();
        let fragments = fragment_ipv4(&bytes, &flow, layout, mtu).unwrap();

        let mut joined = Vec::<u8>::new();
        for (index, fragment) in fragments.iter().enumerate() {
            let (part, _) = parse(fragment).unwrap();
            prop_assert!(part.length <= mtu.into());
            prop_assert!(header_checksum_is_sound(fragment));
            let header = &fragment[14..34];
            let header_length = usize::from(header[0] & 15) * 4;
            let word = u16::from_be_bytes([header[6], header[7]]);
            let is_last = index == fragments.len() - 1;
            prop_assert_eq!(word & 0x2000 != 0, !is_last || is_fragment);
            let offset = usize::from(word - (word & 0x2000)) - if is_fragment { 0x10 } else { 0 };
            prop_assert_eq!(offset * 8, joined.len());
            joined.extend(&fragment[14 + header_length..]);
        }
        prop_assert_eq!(joined, payload);
    }
}

#[test]
fn options_with_the_copied_flag_stand_in_every_fragment() {
    let options = hex("44 04 0101 94 04 0000 00 000000");
    let bytes = packet(0, &options, &[7; 100], 64);
    let (flow, layout) = parse(&bytes).unwrap();
    let fragments = fragment_ipv4(&bytes, &flow, layout, 84).unwrap();
    let headers: Vec<_> = fragments
        .iter()
        .map(|fragment| fragment[34..14 + usize::from(fragment[14] & 15) * 4].to_vec())
        .collect();
    assert_eq!(headers, [options, hex("94 04 0000")]);
}

#[test]
fn what_must_not_or_cannot_be_cut_is_refused() {
    let long = packet(0, &[], &[0; 100], 64);
    let forbidden = packet(0x4000, &[], &[0; 100], 64);
    let arp = frame(0x0806, &"00".repeat(28));
    let mut like_ipv4 = long.clone();
    like_ipv4[13] = 6;
    let cases = [
        (&long, 120, Ok(1)),
        (&long, 119, Ok(2)),
        (&forbidden, 120, Ok(1)),
        (&forbidden, 119, Err(FragmentError::DontFragment)),
        (&long, 67, Err(FragmentError::MtuTooSmall(67))),
        (&arp, 119, Err(FragmentError::NotIpv4)),
        // ARP for other hardware, whose bytes happen to look like an IPv4 header.
        (&like_ipv4, 576, Err(FragmentError::NotIpv4)),
    ];
    for (bytes, mtu, expected) in cases {
        let (flow, layout) = parse(bytes).unwrap();
        let found = fragment_ipv4(bytes, &flow, layout, mtu).map(|fragments| fragments.len());
        assert_eq!(found, expected);
    }
    let (flow, layout) = parse_checked(&packet(0, &[], &[0, 0, 0xff, 0xff, 0, 0, 0, 0], 64));
    assert_eq!(
        fragment_ipv4(&long[..40], &flow, layout, 68).unwrap_err(),
        FragmentError::NotIpv4
    );
}
