//! The logical network of weft and OVN, in the commands that both understand.

use std::net::Ipv4Addr;

use crate::load::PORT;
use crate::peer::Lane;

/// A port of the logical network.
pub(crate) struct Port {
    pub(crate) name: &'static str,
    /// 0 or 1.
    pub(crate) node: usize,
    pub(crate) address: Ipv4Addr,
}

const fn port(name: &'static str, node: usize, switch: u8, number: u8) -> Port {
    let address = Ipv4Addr::new(10, 0, switch, number);
    Port {
        name,
        node,
        address,
    }
}

/// All ports: two stations of the switch `plain` on a node and one on the other, a client on the switch `left`, servers on
/// the switch `right`.
pub(crate) const PORTS: [Port; 6] = [
    port("plain1", 0, 1, 11),
    port("plain2", 0, 1, 12),
    port("plain3", 1, 1, 13),
    port("left1", 0, 2, 11),
    port("right1", 0, 3, 11),
    port("right2", 1, 3, 12),
];

/// Of each lane: the client's place among [`PORTS`], the server's, and the address that the client sends to.
pub(crate) const LANES: [(Lane, usize, usize, Ipv4Addr); 4] = [
    (Lane::Switched, 0, 1, PORTS[1].address),
    (Lane::SwitchedAcross, 0, 2, PORTS[2].address),
    (Lane::Served, 3, 4, Ipv4Addr::new(10, 96, 0, 1)),
    (Lane::ServedAcross, 3, 5, Ipv4Addr::new(10, 96, 0, 2)),
];

/// ACLs of each of the two switches that the served lanes pass.
const ACLS_OF_A_SWITCH: u8 = 50;

/// The MAC address of a station.
pub(crate) fn mac(address: Ipv4Addr) -> String {
    let [_, _, switch, number] = address.octets();
    format!("0a:00:00:00:{switch:02x}:{number:02x}")
}

/// The commands, each a line of words.
pub(crate) fn commands() -> Vec<Vec<String>> {
    let mut lines: Vec<String> = ["ls-add plain", "ls-add left", "ls-add right", "lr-add core"]
        .map(str::to_owned)
        .into();
    for (switch, number) in [("left", 2), ("right", 3)] {
        let mac = mac(Ipv4Addr::new(10, 0, number, 1));
        lines.push(format!(
            "lrp-add core core-{switch} {mac} 10.0.{number}.1/24"
        ));
        lines.push(format!("lsp-add {switch} {switch}-core"));
        lines.push(format!("lsp-set-type {switch}-core router"));
        lines.push(format!("lsp-set-addresses {switch}-core router"));
        lines.push(format!(
            "lsp-set-options {switch}-core router-port=core-{switch}"
        ));
    }
    let mut commands: Vec<Vec<String>> = lines.iter().map(|line| words(line)).collect();
    for port in &PORTS {
        let switch = port
            .name
            .trim_end_matches(|last: char| last.is_ascii_digit());
        commands.push(words(&format!("lsp-add {switch} {}", port.name)));
        let station = format!("{} {}", mac(port.address), port.address);
        for command in ["lsp-set-addresses", "lsp-set-port-security"] {
            commands.push([words(command), words(port.name), vec![station.clone()]].concat());
        }
    }
    for switch in ["left", "right"] {
        commands.extend(policies(switch));
    }
    for (_, _, server, vip) in LANES.iter().filter(|(lane, ..)| lane.is_served()) {
        let server = PORTS[*server].address;
        for protocol in ["tcp", "udp"] {
            let name = format!("{protocol}-{vip}");
            let ends = format!("{vip}:{PORT} {server}:{PORT}");
            commands.push(words(&format!("lb-add {name} {ends} {protocol}")));
            commands.push(words(&format!("ls-lb-add left {name}")));
        }
    }
    commands
}

/// ACLs that do not concern the traffic, before those that let it pass.
fn policies(switch: &str) -> Vec<Vec<String>> {
    let acl = |direction: &str, priority: &str, rule: String, verdict: &str| {
        let ends = words(&format!("acl-add {switch} {direction} {priority}"));
        [ends, vec![rule], words(verdict)].concat()
    };
    let other = |number| {
        let rule = format!(
            "ip4.src == 10.99.{number}.0/24 && tcp.dst == {}",
            8_000 + u16::from(number)
        );
        acl("to-lport", "2000", rule, "drop")
    };
    let mut all: Vec<_> = (2..ACLS_OF_A_SWITCH).map(other).collect();
    for direction in ["from-lport", "to-lport"] {
        all.push(acl(direction, "1000", "ip4".to_owned(), "allow-related"));
    }
    all
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}
