//! northd's own state: what nodes claimed and learned, and the keys that were handed out.
//!
//! These tables lie in the same store as the northbound ones and take part in the same transactions. Clients
//! write none of them, and see only those that tell how the network fares. They name northbound rows by UUID
//! without referring to them, so that a row that is deleted and made again under its UUID keeps its key.

use std::collections::{BTreeMap, BTreeSet};

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

    /// Something that a node met and only whoever runs the network can act on.
    "Controller_Event" ControllerEvent => root(), reported() {
        /// The node's name.
        chassis: String;
        /// Of `empty_lb_backends`: `vip`, `protocol`, and `load_balancer`, which is the row's UUID.
        event_info: BTreeMap<String, String>;
        event_type: String => one_of(&["empty_lb_backends"]);
        /// How often it was told.
        seq_num: i64;
        /// When it was last told; ms since 1970.
        timestamp: i64;
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

    /// A backend that a node probes for a load balancer's health check, and how it fares.
    "Service_Monitor" ServiceMonitor
        => root(), reported(), unique(&[&["datapath", "tunnel_key", "ip", "protocol", "port"]])
    {
        /// Tunnel key of the switch.
        datapath: i64 => range(1, 16_777_215);
        ip: String;
        /// The switch port behind which the backend is.
        logical_port: String;
        /// What of the health check applies: `interval`, `timeout`, `success_count`, `failure_count`, `http_path`.
        options: BTreeMap<String, String>;
        /// The backend's port.
        port: i64 => range(1, 65_535);
        protocol: String => one_of(&["tcp", "udp"]);
        /// Where the probes come from.
        src_ip: String;
        src_mac: String;
        /// Unset while nothing is known.
        status: Option<String> => one_of(&["online", "offline", "error"]);
        /// Tunnel key of the switch port.
        tunnel_key: i64 => range(1, 32_767);
    }
}
