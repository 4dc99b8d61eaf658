//! The doors by which bytes from outside come in, each with what must hold whatever they are.
//!
//! A door takes any bytes. It panics if something does not hold that must; so do the fuzz targets and the
//! workspace's replay of the corpora, which both call these functions.

mod choices;
#[path = "../../vswitch/tests/common/mod.rs"]
mod common;
mod conversation;
mod loose;
mod pieces;
mod said;
mod twins;

use expr::microflow;
use packet::answer::{
    ErrorSource, IcmpError, arp_reply, echo_reply, icmp_error, neighbor_advertisement, sctp_abort,
    tcp_reset,
};
use packet::flow::Network;
use packet::{Flow, FlowKey, Layout, Mac, VLAN_TAG_LENGTH, fragment_ipv4, geneve, rewrite};
use prost::Message;
use southbound_proto::{node, southbound};

/// A door: what it is called, as is its corpus, what goes through it, and how many inputs chance makes for it where nothing
/// steers them: fewer for one behind which a whole node is.
pub type Door = (&'static str, fn(&[u8]), usize);

/// Every door.
pub const DOORS: [Door; 9] = [
    ("parse", parse, 10_000),
    ("tunnel", tunnel, 10_000),
    ("expression", expression, 10_000),
    ("microflow", describe, 10_000),
    ("southbound", decode_southbound, 10_000),
    ("northbound", decode_northbound, 10_000),
    ("conversation", converse, 50),
    ("fragments", deliver, 100),
    ("offload", take, 200),
];

/// A frame from a port: parsed, and then answered, rewritten and cut as a switch or router might.
pub fn parse(frame: &[u8]) {
    let Ok((flow, layout)) = packet::parse(frame) else {
        return;
    };
    assert_eq!(FlowKey::of(1, &flow), FlowKey::of(1, &flow.clone()));
    answer(frame, &flow, layout);
    change(frame, &flow, layout);
}

/// All answers to a packet are packets themselves.
fn answer(frame: &[u8], flow: &Flow, layout: Layout) {
    let mac = Mac([2, 0, 0, 0, 0, 0xfe]);
    let ip = match &flow.network {
        Network::Ip(ip) => ip.dst,
        _ => [10, 0, 0, 254].into(),
    };
    let source = ErrorSource { mac, ip };
    let answers = [
        arp_reply(flow, mac),
        neighbor_advertisement(flow, mac, true),
        echo_reply(frame, flow, layout),
        icmp_error(frame, flow, layout, source, IcmpError::TimeExceeded),
        icmp_error(frame, flow, layout, source, IcmpError::TooBig { mtu: 1400 }),
        tcp_reset(frame, flow, layout),
        sctp_abort(frame, flow, layout),
    ];
    for answer in answers.iter().flatten() {
        packet::parse(answer).expect("an answer is a sound frame");
    }
}

/// A changed packet is still what it was, but for the change.
fn change(frame: &[u8], flow: &Flow, layout: Layout) {
    let mut changed = frame.to_vec();
    rewrite::set_eth_src(&mut changed, flow.eth_dst);
    rewrite::set_eth_dst(&mut changed, flow.eth_src);
    rewrite::decrement_ttl(&mut changed, layout, 1);
    let (after, _) = packet::parse(&changed).expect("a rewritten frame is sound");
    assert_eq!((after.eth_src, after.length), (flow.eth_dst, flow.length));

    let mut buffer = [&[0; VLAN_TAG_LENGTH], frame].concat();
    let tag = packet::flow::VlanTag { id: 5, priority: 0 };
    assert!(rewrite::push_vlan(&mut buffer, tag));
    assert!(rewrite::pop_vlan(&mut buffer));
    assert_eq!(&buffer[VLAN_TAG_LENGTH..], frame);

    for mtu in [0, 68, 576] {
        for fragment in fragment_ipv4(frame, flow, layout, mtu).unwrap_or_default() {
            let (part, _) = packet::parse(&fragment).expect("a fragment is a sound frame");
            assert!(part.length <= u32::from(mtu));
        }
    }
}

/// A datagram from the underlay.
pub fn tunnel(datagram: &[u8]) {
    let Ok((header, sum, frame)) = geneve::Header::decode(datagram) else {
        return;
    };
    let again = header.encode(sum);
    let decoded = geneve::Header::decode(&again).expect("what is encoded is sound");
    assert_eq!(decoded, (header, sum, &[][..]));
    parse(frame);
}

/// A match expression.
pub fn expression(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match expr::parse(&text) {
        Ok(parsed) => {
            assert_eq!(expr::parse(&parsed.to_string()), Ok(parsed));
        }
        Err(error) => {
            assert!(error.span.end <= text.len());
            error.render(&text);
        }
    }
}

/// A microflow, which is an expression too.
pub fn describe(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match microflow::parse(&text) {
        Ok(found) => {
            let expression = expr::parse(&text).expect("a microflow is an expression");
            let again = microflow::parse(&expression.to_string());
            assert_eq!(again, Ok(found));
        }
        Err(error) => {
            assert!(error.span.end <= text.len());
            error.render(&text);
        }
    }
}

/// A message between northd and a node, or to a node's admin socket.
pub fn decode_southbound(bytes: &[u8]) {
    let _ = southbound::FromNode::decode(bytes);
    let _ = southbound::ToNode::decode(bytes);
    let _ = node::AttachRequest::decode(bytes);
    let Ok(message) = southbound::Object::decode(bytes) else {
        return;
    };
    if let Ok(decoded) = southbound_proto::convert::decode_object(&message) {
        let again = southbound_proto::convert::encode_object(&decoded.object);
        let again = southbound_proto::convert::decode_object(&again);
        let again = again.expect("what is encoded is sound");
        assert_eq!(again.object, decoded.object);
    }
}

/// A transaction from an operator's program.
pub fn decode_northbound(bytes: &[u8]) {
    let Ok(request) = northbound_proto::northbound::CommitRequest::decode(bytes) else {
        return;
    };
    let _ = northbound_proto::convert::operations_from_wire(request.operations);
}

/// What stations say to each other, through what tracks and translates connections.
pub fn converse(bytes: &[u8]) {
    conversation::converse(bytes);
}

/// Fragments of datagrams to one station.
pub fn deliver(bytes: &[u8]) {
    pieces::deliver(bytes);
}

/// A frame from a TAP device, of which something is left to do.
pub fn take(bytes: &[u8]) {
    loose::take(bytes);
}
