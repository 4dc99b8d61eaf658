//! Answers in OVN's words, for traces.

use packet::answer::{ErrorSource, IcmpError};
use packet::flow::{Network, Transport};

use super::{Answer, AnswerKind};
use crate::record::{Event, Recorder, Scope};
use crate::view;

impl AnswerKind {
    /// The action that sends it, where OVN has one for it and does not change the packet in place.
    pub(crate) fn action(self) -> Option<&'static str> {
        match self {
            Self::ArpReply { .. } | Self::EchoReply => None,
            Self::Advertisement {
                is_router: true, ..
            } => Some("nd_na_router"),
            Self::Advertisement { .. } => Some("nd_na"),
            Self::Error { source, error } => Some(error_action(source, error)),
            Self::TcpReset => Some("tcp_reset"),
            Self::SctpAbort => Some("sctp_abort"),
            Self::ArpRequest { .. } => Some("arp"),
            Self::Solicitation { .. } => Some("nd_ns"),
        }
    }
}

fn error_action(source: ErrorSource, error: IcmpError) -> &'static str {
    match (source.ip.is_ipv4(), error) {
        (true, IcmpError::TooBig { .. }) => "icmp4_error",
        (false, IcmpError::TooBig { .. }) => "icmp6_error",
        (true, _) => "icmp4",
        (false, _) => "icmp6",
    }
}

impl Answer {
    /// Tells a recorder what becomes of the packet.
    pub(crate) fn tell(&self, recorder: &mut impl Recorder) {
        match self.kind.action() {
            Some(action) => recorder.enter(|| Scope::Answer {
                action: action.to_owned(),
                fields: self.fields(),
            }),
            None => recorder.event(|| Event::Modify(self.fields())),
        }
    }

    /// The fields that differ from the packet it is about, as assignments.
    fn fields(&self) -> Vec<String> {
        let Some(flow) = self.flow() else {
            return Vec::new();
        };
        let eth = [
            format!("eth.dst = {}", flow.eth_dst),
            format!("eth.src = {}", flow.eth_src),
        ];
        match (&flow.network, self.kind) {
            (Network::Arp(arp), AnswerKind::ArpRequest { .. }) => vec![
                format!("eth.dst = {}", flow.eth_dst),
                format!("arp.spa = {}", arp.spa),
                format!("arp.tpa = {}", arp.tpa),
                "arp.op = 1".to_owned(),
            ],
            (Network::Arp(arp), _) => {
                let reply = [
                    format!("arp.op = {}", arp.operation),
                    format!("arp.tha = {}", arp.tha),
                    format!("arp.sha = {}", arp.sha),
                    format!("arp.tpa = {}", arp.tpa),
                    format!("arp.spa = {}", arp.spa),
                ];
                [&eth[..], &reply[..]].concat()
            }
            (Network::Ip(_), AnswerKind::Solicitation { target, .. }) => {
                vec![format!("nd.target = {target}")]
            }
            (Network::Ip(ip), AnswerKind::Advertisement { mac, .. }) => vec![
                format!("eth.src = {mac}"),
                format!("ip6.src = {}", ip.src),
                format!("nd.target = {}", ip.src),
                format!("nd.tll = {mac}"),
            ],
            (Network::Ip(ip), kind) => {
                let mut fields = Vec::new();
                if kind != AnswerKind::EchoReply {
                    fields.extend(eth);
                }
                let family = view::family(ip.dst);
                fields.push(format!("{family}.dst = {}", ip.dst));
                fields.push(format!("{family}.src = {}", ip.src));
                fields.extend(icmp_fields(kind, ip.ttl, &ip.transport, ip.src.is_ipv6()));
                fields
            }
            (Network::Other, _) => Vec::new(),
        }
    }
}

fn icmp_fields(kind: AnswerKind, ttl: u8, transport: &Transport, is_ipv6: bool) -> Vec<String> {
    let Transport::Icmp {
        kind: icmp_kind,
        code,
        ..
    } = transport
    else {
        return Vec::new();
    };
    let icmp = if is_ipv6 { "icmp6" } else { "icmp4" };
    let mut fields = vec![
        format!("ip.ttl = {ttl}"),
        format!("{icmp}.type = {icmp_kind}"),
    ];
    if let AnswerKind::Error { error, .. } = kind {
        fields.push(format!("{icmp}.code = {code}"));
        if let IcmpError::TooBig { mtu } = error {
            fields.push(format!("{icmp}.frag_mtu = {mtu}"));
        }
    }
    fields
}
