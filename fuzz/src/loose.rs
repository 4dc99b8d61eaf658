//! Frames of a TAP device, with what is said to be left to do on them: a checksum to finish, segments to be cut.

use packet::flow::{Fragment, Network, Transport};
use packet::offload::cut::Cut;
use packet::offload::group::{Groups, Packet};
use packet::offload::{TransportSum, admit};
use pipeline::object::{AclAction, AclStage};
use vswitch::port::Loose;
use vswitch::sys::virtio;

use super::choices::Choices;
use super::common::{Node, a, acl, b, c, cut, d, mac, network, router_port};

/// The only ports from and to which anything may go, by UDP and TCP.
const ALLOWED: (u16, u16) = (4_000, 80);

/// A frame with its header, from one station to another.
pub(super) fn take(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let to = choices.of(&[c(), c(), c(), b(), d()]);
    let next = match to.datapath == a().datapath {
        true => mac(to),
        false => mac(router_port(a().datapath.get())),
    };
    let takes_offload = choices.is_so();
    let Some((offload, frame)) = virtio::split(choices.rest()) else {
        return;
    };
    let frame = [&next.0[..], &mac(a()).0, frame].concat();
    let mut node = node(takes_offload);
    let send = |node: &mut Node| {
        node.send_loose(a(), frame.clone(), offload);
        let came = node.received_loose(c());
        check(&came);
        let others = node.output_loose();
        node.check_sum();
        (came, others)
    };
    let fresh = send(&mut node);
    if node.totals().holding > 0 {
        // For a neighbour, whom nobody asks for so soon again.
        return;
    }
    // Remembered, and then forgotten.
    assert_eq!(send(&mut node), fresh);
    node.forget_flows();
    assert_eq!(send(&mut node), fresh);
}

fn node(takes_offload: bool) -> Node {
    let mut objects = network();
    let (udp, tcp) = ALLOWED;
    let allowed = format!("udp.src == {udp} || tcp.dst == {tcp}");
    let stage = AclStage::FromLport;
    objects.push(acl(1, stage, 2, &allowed, AclAction::AllowStateless));
    objects.push(acl(2, stage, 1, "ip", AclAction::Drop));
    match takes_offload {
        true => Node::with_offload("one", objects),
        false => Node::new("one", objects),
    }
}

/// What came to a station is allowed, can be cut, and merged again.
fn check(came: &[Loose]) {
    let packets: Vec<_> = came.iter().flat_map(cut).collect();
    for packet in &packets {
        let (flow, _) = packet::parse(packet).expect("a packet");
        let Network::Ip(ip) = &flow.network else {
            continue;
        };
        let is_allowed = match ip.transport {
            Transport::Udp { src, .. } => src == ALLOWED.0,
            Transport::Tcp { dst, .. } => dst == ALLOWED.1,
            _ => ip.fragment == Fragment::Later,
        };
        assert!(is_allowed, "{packet:02x?}");
    }
    merge_again(&packets);
}

/// What packets are merged to can be cut to as many with the same payloads.
fn merge_again(packets: &[Vec<u8>]) {
    let parts: Vec<_> = packets
        .iter()
        .map(|frame| Packet {
            frame,
            prefix: 0,
            sum: TransportSum::Complete,
        })
        .collect();
    for (group, members) in Groups::sort(&parts).iter() {
        let Some(run) = group.run.filter(|run| run.count() > 1) else {
            continue;
        };
        let mut merged = vec![0; run.length()];
        let frames = members.clone().map(|member| packets[member].as_slice());
        let offload = run.merge(frames, &mut merged);
        let (flow, layout) = packet::parse(&merged).expect("a packet");
        assert_eq!(admit(&mut merged, offload, &flow, &layout), Ok(offload));
        let cut = Cut::new(&merged, 0, &offload, TransportSum::Complete).expect("it can be cut");
        assert_eq!(cut.count(), members.clone().count());
        for (index, member) in members.enumerate() {
            assert!(packets[member].ends_with(cut.payload(index)));
        }
    }
}
