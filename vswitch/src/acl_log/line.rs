//! Records in OVN's words.

use std::fmt::Write;
use std::net::IpAddr;

use packet::Flow;
use packet::flow::{Arp, Fragment, Ip, Network, Transport, ether_type};
use pipeline::object::{AclAction, Severity};

/// What an ACL did, in OVN's word.
pub(super) fn verdict(action: AclAction) -> &'static str {
    match action {
        AclAction::Allow | AclAction::AllowRelated | AclAction::AllowStateless => "allow",
        AclAction::Drop => "drop",
        AclAction::Reject => "reject",
        AclAction::Pass => "pass",
    }
}

/// The severity of an ACL, as its row has it.
pub(super) fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Alert => "alert",
        Severity::Warning => "warning",
        Severity::Notice => "notice",
        Severity::Info => "info",
        Severity::Debug => "debug",
    }
}

/// A packet as `ovs-ofctl` would match it, as far as its headers are read.
pub(super) fn packet(flow: &Flow) -> String {
    let mut text = String::from(name(flow));
    match &flow.vlan {
        Some(tag) => {
            let _ = write!(text, ",dl_vlan={},dl_vlan_pcp={}", tag.id, tag.priority);
        }
        None => text.push_str(",vlan_tci=0x0000"),
    }
    let _ = write!(text, ",dl_src={},dl_dst={}", flow.eth_src, flow.eth_dst);
    // Writing to a string does not fail.
    let _ = match &flow.network {
        Network::Other => write!(text, ",dl_type=0x{:04x}", flow.eth_type),
        Network::Arp(arp) => write_arp(&mut text, arp),
        Network::Ip(ip) => write_ip(&mut text, ip),
    };
    text
}

/// What kind of packet it is.
fn name(flow: &Flow) -> &'static str {
    let ip = match &flow.network {
        Network::Other => return "eth",
        Network::Arp(_) if flow.eth_type == ether_type::RARP => return "rarp",
        Network::Arp(_) => return "arp",
        Network::Ip(ip) => ip,
    };
    match (&ip.transport, ip.src) {
        (Transport::Tcp { .. }, IpAddr::V4(_)) => "tcp",
        (Transport::Tcp { .. }, IpAddr::V6(_)) => "tcp6",
        (Transport::Udp { .. }, IpAddr::V4(_)) => "udp",
        (Transport::Udp { .. }, IpAddr::V6(_)) => "udp6",
        (Transport::Sctp { .. }, IpAddr::V4(_)) => "sctp",
        (Transport::Sctp { .. }, IpAddr::V6(_)) => "sctp6",
        (Transport::Icmp { .. }, IpAddr::V4(_)) => "icmp",
        (Transport::Icmp { .. }, IpAddr::V6(_)) => "icmp6",
        (Transport::Other, IpAddr::V4(_)) => "ip",
        (Transport::Other, IpAddr::V6(_)) => "ipv6",
    }
}

fn write_arp(text: &mut String, arp: &Arp) -> std::fmt::Result {
    let Arp {
        operation,
        sha,
        spa,
        tha,
        tpa,
    } = arp;
    write!(
        text,
        ",arp_spa={spa},arp_tpa={tpa},arp_op={operation},arp_sha={sha},arp_tha={tha}"
    )
}

fn write_ip(text: &mut String, ip: &Ip) -> std::fmt::Result {
    let family = match ip.src {
        IpAddr::V4(_) => "nw",
        IpAddr::V6(_) => "ipv6",
    };
    write!(text, ",{family}_src={},{family}_dst={}", ip.src, ip.dst)?;
    if ip.src.is_ipv6() {
        write!(text, ",ipv6_label={:#07x}", ip.label)?;
    }
    if ip.transport == Transport::Other {
        write!(text, ",nw_proto={}", ip.protocol)?;
    }
    let fragment = match ip.fragment {
        Fragment::Whole => "no",
        Fragment::First => "first",
        Fragment::Later => "later",
    };
    write!(
        text,
        ",nw_tos={},nw_ecn={},nw_ttl={},nw_frag={fragment}",
        ip.dscp << 2,
        ip.ecn,
        ip.ttl
    )?;
    match &ip.transport {
        Transport::Tcp { src, dst, flags } => {
            let flags = tcp_flags(*flags);
            write!(text, ",tp_src={src},tp_dst={dst},tcp_flags={flags}")
        }
        Transport::Udp { src, dst } | Transport::Sctp { src, dst } => {
            write!(text, ",tp_src={src},tp_dst={dst}")
        }
        Transport::Icmp { kind, code, .. } => write!(text, ",icmp_type={kind},icmp_code={code}"),
        Transport::Other => Ok(()),
    }
}

/// TCP flags by name; 0 if there are none.
fn tcp_flags(flags: u16) -> String {
    const NAMES: [&str; 9] = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns"];
    let set = NAMES.iter().enumerate();
    let set = set.filter(|(bit, _)| flags & 1 << bit != 0);
    let names: Vec<&str> = set.map(|(_, name)| *name).collect();
    match names.is_empty() {
        true => "0".to_owned(),
        false => names.join("|"),
    }
}

#[cfg(test)]
mod tests {
    use packet::Mac;

    use super::*;

    fn flow(src: &str, dst: &str, protocol: u8, transport: Transport) -> Flow {
        let (src, dst): (IpAddr, IpAddr) = (src.parse().unwrap(), dst.parse().unwrap());
        Flow {
            eth_src: Mac([0xf0, 0, 0, 0, 0, 1]),
            eth_dst: Mac([0xf0, 0, 0, 0, 0, 2]),
            vlan: None,
            eth_type: match src {
                IpAddr::V4(_) => ether_type::IPV4,
                IpAddr::V6(_) => ether_type::IPV6,
            },
            network: Network::Ip(Ip {
                src,
                dst,
                protocol,
                ttl: 64,
                dscp: 0,
                ecn: 0,
                label: 0,
                fragment: Fragment::Whole,
                dont_fragment: true,
                transport,
            }),
            length: 40,
        }
    }

    #[test]
    fn packets_are_described_as_ovn_controller_logs_them() {
        let tcp = Transport::Tcp {
            src: 4360,
            dst: 80,
            flags: 0x12,
        };
        let ping = Transport::Icmp {
            kind: 128,
            code: 0,
            identifier: 7,
            discovery: None,
            quoted: None,
        };
        let macs = "vlan_tci=0x0000,dl_src=f0:00:00:00:00:01,dl_dst=f0:00:00:00:00:02";
        let rest = "nw_tos=0,nw_ecn=0,nw_ttl=64,nw_frag=no";
        for (flow, expected) in [
            (
                flow("192.168.1.2", "192.168.1.3", 6, tcp),
                format!(
                    "tcp,{macs},nw_src=192.168.1.2,nw_dst=192.168.1.3,{rest},tp_src=4360,tp_dst=80,\
                     tcp_flags=syn|ack"
                ),
            ),
            (
                flow("fd00::2", "fd00::3", 58, ping),
                format!(
                    "icmp6,{macs},ipv6_src=fd00::2,ipv6_dst=fd00::3,ipv6_label=0x00000,{rest},icmp_type=128,icmp_code=0"
                ),
            ),
            (
                flow("192.168.1.2", "192.168.1.3", 47, Transport::Other),
                format!("ip,{macs},nw_src=192.168.1.2,nw_dst=192.168.1.3,nw_proto=47,{rest}"),
            ),
        ] {
            assert_eq!(packet(&flow), expected);
        }
    }
}
