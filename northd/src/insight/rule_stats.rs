//! What rules have come to on all nodes.

use std::net::{IpAddr, SocketAddr};

use northbound_proto::convert::uuid_to_wire;
use northbound_proto::northbound::{RuleStats, RuleStatsReply};
use pipeline::object::VipKey;
use southbound_proto::convert::{Count, RuleKey};

use crate::control::Tallies;

/// Rules in one chunk of the answer.
const CHUNK_RULES: usize = 4_096;

pub(super) fn replies(tallies: &Tallies) -> Vec<RuleStatsReply> {
    let rules: Vec<RuleStats> = tallies.sums().iter().map(stats).collect();
    let chunks = rules.chunks(CHUNK_RULES);
    chunks
        .map(|rules| RuleStatsReply {
            rules: rules.to_vec(),
        })
        .collect()
}

fn stats((rule, count): (&RuleKey, &Count)) -> RuleStats {
    let (row, vip, backend) = match rule {
        RuleKey::Acl(row) | RuleKey::Nat(row) | RuleKey::Qos(row) => {
            (row, String::new(), String::new())
        }
        RuleKey::Vip(vip) => (&vip.balancer, name(vip), String::new()),
        RuleKey::Backend(vip, (ip, port)) => (&vip.balancer, name(vip), with_port(*ip, *port)),
    };
    RuleStats {
        uuid: uuid_to_wire(*row),
        vip,
        backend,
        packets: count.packets,
        bytes: count.bytes,
        connections: count.connections,
        last_unix_ms: count.last_unix_ms,
        dropped_packets: count.dropped_packets,
        dropped_bytes: count.dropped_bytes,
    }
}

fn name(vip: &VipKey) -> String {
    with_port(vip.ip, vip.port)
}

/// As in a row; port 0 is none.
fn with_port(ip: IpAddr, port: u16) -> String {
    match port {
        0 => ip.to_string(),
        port => SocketAddr::new(ip, port).to_string(),
    }
}
