//! northd's own state: what nodes claimed and learned, and the keys that were handed out.
//!
//! These tables lie in the same store as the northbound ones and take part in the same transactions, but
//! clients neither see nor write them. They name northbound rows by UUID without referring to them, so
//! that a row that is deleted and made again under its UUID keeps its key.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::table::tables;

tables! {
    /// A node that has registered.
    "Chassis" Chassis => root(), internal(), unique(&[&["name"]]) {
        /// What the node can do beyond the protocol's base.
        capabilities: BTreeSet<String>;
        /// Underlay address.
        encap_ip: String;
        /// UDP port of its Geneve socket.
        encap_port: i64 => range(1, 65_535);
        name: String;
        software_version: String;
    }

    /// The tunnel key of a logical switch or router.
    "Datapath_Binding" DatapathBinding => root(), internal(), unique(&[&["nb_uuid"], &["tunnel_key"]]) {
        /// The logical switch or router.
        nb_uuid: Uuid;
        /// The Geneve VNI.
        tunnel_key: i64 => range(1, 16_777_215);
    }

    /// A MAC that a switch learned behind a port.
    "FDB" Fdb => root(), internal(), unique(&[&["datapath", "mac"]]) {
        /// Tunnel key of the switch.
        datapath: i64 => range(1, 16_777_215);
        mac: String;
        /// Tunnel key of the port.
        port: i64 => range(1, 32_767);
        /// When it was last learned; ms since 1970.
        timestamp: i64;
    }

    /// A neighbour that a router learned at a port.
    "MAC_Binding" MacBinding => root(), internal(), unique(&[&["datapath", "port", "ip"]]) {
        /// Tunnel key of the router.
        datapath: i64 => range(1, 16_777_215);
        ip: String;
        mac: String;
        /// Tunnel key of the port.
        port: i64 => range(1, 32_767);
        /// When it was last learned; ms since 1970.
        timestamp: i64;
    }

    /// How a backend fares that a node probes. Without a row nothing is known of it.
    "Service_Monitor" ServiceMonitor
        => root(), internal(), unique(&[&["datapath", "port", "ip", "protocol", "service_port"]])
    {
        /// Tunnel key of the switch.
        datapath: i64 => range(1, 16_777_215);
        ip: String;
        /// Tunnel key of the port.
        port: i64 => range(1, 32_767);
        /// The number of the protocol in IP headers.
        protocol: i64 => range(0, 255);
        service_port: i64 => range(1, 65_535);
        status: String => one_of(&["online", "offline", "error"]);
    }

    /// The tunnel key of a logical port, and the node that has it.
    "Port_Binding" PortBinding
        => root(), internal(), unique(&[&["nb_uuid"], &["datapath", "tunnel_key"]])
    {
        /// The node's name; unset while no node has the port.
        chassis: Option<String>;
        /// Tunnel key of the switch or router.
        datapath: i64 => range(1, 16_777_215);
        logical_port: String;
        /// The switch port or router port.
        nb_uuid: Uuid;
        tunnel_key: i64 => range(1, 32_767);
        /// Whether its whole configuration is in force on the node.
        up: bool;
    }
}
