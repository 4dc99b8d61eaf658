//! A packet on one line.

use packet::Flow;
use packet::flow::{Fragment, Ip, Network, Transport, ip_protocol};

/// The packet, in the words of `ovn-trace`.
pub(super) fn line(inport: &str, flow: &Flow) -> String {
    let vlan = flow.vlan.map_or(0, |tag| tag.control() | 0x1000);
    let mut words = vec![
        format!("inport=\"{inport}\""),
        format!("vlan_tci={vlan:#06x}"),
        format!("dl_src={}", flow.eth_src),
        format!("dl_dst={}", flow.eth_dst),
    ];
    match &flow.network {
        Network::Other => words.push(format!("dl_type={:#06x}", flow.eth_type)),
        Network::Arp(arp) => {
            words.insert(0, "arp".to_owned());
            words.push(format!("arp_spa={},arp_tpa={}", arp.spa, arp.tpa));
            words.push(format!("arp_op={}", arp.operation));
            words.push(format!("arp_sha={},arp_tha={}", arp.sha, arp.tha));
        }
        Network::Ip(ip) => {
            words.insert(0, protocol(ip));
            let family = if ip.src.is_ipv6() { "ipv6" } else { "nw" };
            words.push(format!("{family}_src={},{family}_dst={}", ip.src, ip.dst));
            if ip.src.is_ipv6() {
                words.push(format!("ipv6_label={:#07x}", ip.label));
            }
            words.push(format!("nw_tos={},nw_ecn={}", ip.dscp << 2, ip.ecn));
            words.push(format!("nw_ttl={}", ip.ttl));
            words.push(format!("nw_frag={}", fragment(ip.fragment)));
            words.extend(transport(&ip.transport));
        }
    }
    words.join(",")
}

fn protocol(ip: &Ip) -> String {
    let is_ipv6 = ip.src.is_ipv6();
    let name = match ip.protocol {
        ip_protocol::TCP => "tcp",
        ip_protocol::UDP => "udp",
        ip_protocol::SCTP => "sctp",
        ip_protocol::ICMP | ip_protocol::ICMPV6 => "icmp",
        other if is_ipv6 => return format!("ipv6,nw_proto={other}"),
        other => return format!("ip,nw_proto={other}"),
    };
    format!("{name}{}", if is_ipv6 { "6" } else { "" })
}

fn fragment(fragment: Fragment) -> &'static str {
    match fragment {
        Fragment::Whole => "no",
        Fragment::First => "first",
        Fragment::Later => "later",
    }
}

fn transport(transport: &Transport) -> Vec<String> {
    match transport {
        Transport::Other => Vec::new(),
        Transport::Tcp { src, dst, flags } => {
            vec![format!("tp_src={src},tp_dst={dst},tcp_flags={flags:#x}")]
        }
        Transport::Udp { src, dst } | Transport::Sctp { src, dst } => {
            vec![format!("tp_src={src},tp_dst={dst}")]
        }
        Transport::Icmp {
            kind,
            code,
            discovery,
            ..
        } => {
            let mut words = vec![format!("icmp_type={kind},icmp_code={code}")];
            words.extend(discovery.map(|nd| format!("nd_target={}", nd.target)));
            words
        }
    }
}
