//! `node ports`: what is attached here.

use southbound_proto::node::{LocalPort, PortsRequest};

use super::client::ask;
use super::{counters, print, table};
use crate::failure::Failure;
use crate::options::Settings;
use crate::output::Table;

pub(super) fn ports(settings: &Settings) -> Result<String, Failure> {
    let reply = ask(settings, async |mut node| node.ports(PortsRequest {}).await)?;
    if reply.ports.is_empty() && !settings.has_format {
        return Ok("Nothing is attached.\n".to_owned());
    }
    Ok(print(settings, &[as_table(&reply.ports)]))
}

fn as_table(ports: &[LocalPort]) -> Table {
    let headings = [
        "port",
        "state",
        "switch",
        "interface",
        "netns",
        "mac",
        "addresses",
        "rx packets",
        "rx bytes",
        "tx packets",
        "tx bytes",
        "dropped",
        "rate waits",
        "uplink waits",
    ];
    let row = |port: &LocalPort| {
        let [received_packets, received_bytes] = counters(port.received.as_ref());
        let [sent_packets, sent_bytes] = counters(port.sent.as_ref());
        [
            port.port.clone(),
            port.state.clone(),
            port.datapath.clone(),
            port.interface.clone(),
            port.netns.clone(),
            port.mac.clone(),
            port.addresses.join(" "),
            received_packets,
            received_bytes,
            sent_packets,
            sent_bytes,
            port.dropped.to_string(),
            port.rate_waits.to_string(),
            port.uplink_waits.to_string(),
        ]
    };
    table(headings, ports.iter().map(row))
}
