//! The 5-tuple of a connection, and what translation makes of a packet.

use std::net::IpAddr;

use packet::Flow;
use packet::flow::{Fragment, Ip, Network, Quoted, Transport, ip_protocol, is_ipv6_extension};
use packet::icmp_type;

use super::NatRequest;

/// Who speaks to whom. For ICMP the client's port is the identifier and the server's the type of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// Source address.
    pub src: IpAddr,
    /// Destination address, of the same family.
    pub dst: IpAddr,
    /// IP protocol.
    pub protocol: u8,
    /// Source port; 0 where the protocol has none.
    pub src_port: u16,
    /// Destination port; 0 where the protocol has none.
    pub dst_port: u16,
}

impl Tuple {
    /// The tuple of an IP packet. `None` for what belongs to no connection of its own: ICMP other than echo, a
    /// transport header that is cut short or is in another fragment.
    pub fn of(flow: &Flow) -> Option<Tuple> {
        let Network::Ip(ip) = &flow.network else {
            return None;
        };
        let (src_port, dst_port) = match ip.transport {
            Transport::Tcp { src, dst, .. }
            | Transport::Udp { src, dst }
            | Transport::Sctp { src, dst } => (src, dst),
            Transport::Icmp {
                kind, identifier, ..
            } => echo_ports(ip.src.is_ipv6(), kind, identifier)?,
            Transport::Other if Self::needs_ports(ip) => return None,
            Transport::Other => (0, 0),
        };
        Some(Tuple {
            src: ip.src,
            dst: ip.dst,
            protocol: ip.protocol,
            src_port,
            dst_port,
        })
    }

    /// True if packets like this one belong to connections by their ports or echo identifiers. A later fragment may not
    /// know its protocol.
    pub fn needs_ports(ip: &Ip) -> bool {
        let is_unknown = ip.fragment == Fragment::Later && is_ipv6_extension(ip.protocol);
        has_ports(ip) || is_unknown
    }

    /// The tuple of the packet that an ICMP error is about, as an answer to it would have; `None` for what is no
    /// ICMP error.
    pub fn of_related(flow: &Flow) -> Option<Tuple> {
        let Network::Ip(ip) = &flow.network else {
            return None;
        };
        let Transport::Icmp {
            quoted: Some(quoted),
            ..
        } = &ip.transport
        else {
            return None;
        };
        let sent = Tuple {
            src: quoted.src,
            dst: quoted.dst,
            protocol: quoted.protocol,
            src_port: quoted.src_port,
            dst_port: quoted.dst_port,
        };
        Some(sent.reversed())
    }

    /// A packet of this tuple, as an ICMP error quotes it.
    pub fn quoted(self) -> Quoted {
        Quoted {
            src: self.src,
            dst: self.dst,
            protocol: self.protocol,
            src_port: self.src_port,
            dst_port: self.dst_port,
        }
    }

    /// The tuple of the answer.
    pub fn reversed(self) -> Tuple {
        Tuple {
            src: self.dst,
            dst: self.src,
            protocol: self.protocol,
            src_port: self.dst_port,
            dst_port: self.src_port,
        }
    }

    /// True if a packet of this tuple may begin a connection: an echo reply may not.
    pub fn may_begin(&self) -> bool {
        let is_reply = match self.protocol {
            ip_protocol::ICMP => request_port(icmp_type::ECHO_REQUEST) == self.src_port,
            ip_protocol::ICMPV6 => request_port(icmp_type::V6_ECHO_REQUEST) == self.src_port,
            _ => false,
        };
        let is_request = match self.protocol {
            ip_protocol::ICMP => request_port(icmp_type::ECHO_REQUEST) == self.dst_port,
            ip_protocol::ICMPV6 => request_port(icmp_type::V6_ECHO_REQUEST) == self.dst_port,
            _ => true,
        };
        is_request || !is_reply
    }

    /// The tuple after a translation with the first choice of ports.
    pub fn after(mut self, request: &NatRequest) -> Tuple {
        match request {
            NatRequest::Destination(ip, port) => {
                self.dst = *ip;
                if *port != 0 {
                    self.dst_port = *port;
                }
            }
            NatRequest::Source(ip, ports) => {
                self.src = *ip;
                if !ports.contains(&self.src_port) {
                    self.src_port = *ports.start();
                }
            }
        }
        self
    }
}

fn has_ports(ip: &Ip) -> bool {
    matches!(
        ip.protocol,
        ip_protocol::TCP | ip_protocol::UDP | ip_protocol::SCTP
    ) || matches!(
        (ip.protocol, ip.src.is_ipv6()),
        (ip_protocol::ICMP, false) | (ip_protocol::ICMPV6, true)
    )
}

/// The server's port of an echo connection.
const fn request_port(kind: u8) -> u16 {
    (kind as u16) << 8
}

fn echo_ports(is_ipv6: bool, kind: u8, identifier: u16) -> Option<(u16, u16)> {
    let (request, reply) = match is_ipv6 {
        false => (icmp_type::ECHO_REQUEST, icmp_type::ECHO_REPLY),
        true => (icmp_type::V6_ECHO_REQUEST, icmp_type::V6_ECHO_REPLY),
    };
    match kind {
        kind if kind == request => Some((identifier, request_port(request))),
        kind if kind == reply => Some((request_port(request), identifier)),
        _ => None,
    }
}

/// The packet with the addresses and ports of `from` exchanged for those of `to`; `None` if they are equal. In an
/// ICMP error, `from` is what the quoted packet is to the connection, seen from the error's sender: the quoted
/// packet reversed; both headers are changed.
pub fn translate(flow: &Flow, from: &Tuple, to: &Tuple) -> Option<Box<Flow>> {
    if from == to {
        return None;
    }
    let mut flow = flow.clone();
    let Network::Ip(ip) = &mut flow.network else {
        return None;
    };
    if let Transport::Icmp {
        quoted: Some(quoted),
        ..
    } = &mut ip.transport
    {
        **quoted = to.reversed().quoted();
        // A router on the way speaks in the name of an end that is translated, so as not to tell of what is behind
        // it; of one that is not, in its own.
        if from.src != to.src {
            ip.src = to.src;
        }
        if from.dst != to.dst {
            ip.dst = to.dst;
        }
        return Some(Box::new(flow));
    }
    (ip.src, ip.dst) = (to.src, to.dst);
    match &mut ip.transport {
        Transport::Tcp { src, dst, .. }
        | Transport::Udp { src, dst }
        | Transport::Sctp { src, dst } => (*src, *dst) = (to.src_port, to.dst_port),
        Transport::Icmp {
            kind, identifier, ..
        } => {
            let is_request = matches!(*kind, icmp_type::ECHO_REQUEST | icmp_type::V6_ECHO_REQUEST);
            *identifier = if is_request { to.src_port } else { to.dst_port };
        }
        Transport::Other => {}
    }
    Some(Box::new(flow))
}
