//! The northbound tables, those of OVN 23.03's `OVN_Northbound` schema.
//!
//! To carry out one more table, give it `enforced()` and teach the compiler its struct.

use std::collections::{BTreeMap, BTreeSet};

use crate::table::{Id, tables};

/// The version of OVN's schema that these tables are those of.
pub const OVN_SCHEMA_VERSION: &str = "7.0.0";

tables! {
    /// A rule that allows, drops or rejects packets of a switch or a port group.
    "ACL" Acl => enforced() {
        /// `pass` leaves it to the next tier (OVN 23.06).
        action: String => one_of(&["allow", "allow-related", "allow-stateless", "drop", "pass", "reject"]);
        direction: String => one_of(&["from-lport", "to-lport"]);
        external_ids: BTreeMap<String, String>;
        label: i64 => range(0, 4_294_967_295);
        log: bool;
        r#match: String;
        meter: Option<String>;
        name: Option<String> => max_length(63);
        options: BTreeMap<String, String>;
        priority: i64 => range(0, 32_767);
        severity: Option<String> => one_of(&["alert", "warning", "notice", "info", "debug"]);
        /// Rules of a tier are asked when those of the tiers before it have not decided (OVN 23.06).
        tier: i64 => range(0, 3);
    }

    /// Addresses under a name that matches can use as `$name`.
    "Address_Set" AddressSet => root(), enforced(), unique(&[&["name"]]) {
        /// IP addresses and networks, or MACs.
        addresses: BTreeSet<String>;
        external_ids: BTreeMap<String, String>;
        /// Unique.
        name: String;
    }

    /// A bidirectional forwarding detection session towards a next hop.
    "BFD" Bfd => root(), unique(&[&["logical_port", "dst_ip"]]) {
        detect_mult: Option<i64> => range(1, i64::MAX);
        dst_ip: String;
        external_ids: BTreeMap<String, String>;
        logical_port: String;
        min_rx: Option<i64>;
        min_tx: Option<i64> => range(1, i64::MAX);
        options: BTreeMap<String, String>;
        status: Option<String> => one_of(&["down", "init", "up", "admin_down"]), reported();
    }

    /// Values that differ from node to node, for templates.
    "Chassis_Template_Var" ChassisTemplateVar => root(), enforced(), unique(&[&["chassis"]]) {
        chassis: String;
        external_ids: BTreeMap<String, String>;
        variables: BTreeMap<String, String>;
    }

    /// A way for database clients to connect.
    "Connection" Connection => unique(&[&["target"]]) {
        external_ids: BTreeMap<String, String>;
        inactivity_probe: Option<i64>;
        is_connected: bool => reported();
        max_backoff: Option<i64> => range(1_000, i64::MAX);
        other_config: BTreeMap<String, String>;
        status: BTreeMap<String, String> => reported();
        target: String;
    }

    /// Limits on the packets that the control plane has to answer.
    "Copp" Copp => root(), unique(&[&["name"]]) {
        external_ids: BTreeMap<String, String>;
        meters: BTreeMap<String, String>;
        name: String;
    }

    /// What DHCP clients of a subnet are told.
    "DHCP_Options" DhcpOptions => root() {
        cidr: String;
        external_ids: BTreeMap<String, String>;
        options: BTreeMap<String, String>;
    }

    /// Names that a switch answers for.
    "DNS" Dns => root() {
        external_ids: BTreeMap<String, String>;
        records: BTreeMap<String, String>;
    }

    /// Ports among which the traffic of one address is spread.
    "Forwarding_Group" ForwardingGroup {
        child_port: BTreeSet<String> => at_least_one();
        external_ids: BTreeMap<String, String>;
        liveness: bool;
        name: String;
        vip: String;
        vmac: String;
    }

    /// A node that may host a distributed gateway port, with its priority.
    "Gateway_Chassis" GatewayChassis => enforced(), unique(&[&["name"]]) {
        chassis_name: String;
        external_ids: BTreeMap<String, String>;
        name: String;
        options: BTreeMap<String, String>;
        priority: i64 => range(0, 32_767);
    }

    /// A node of a high availability group, with its priority.
    "HA_Chassis" HaChassis {
        chassis_name: String;
        external_ids: BTreeMap<String, String>;
        priority: i64 => range(0, 32_767);
    }

    /// Nodes of which one at a time hosts a port.
    "HA_Chassis_Group" HaChassisGroup => root(), unique(&[&["name"]]) {
        external_ids: BTreeMap<String, String>;
        ha_chassis: BTreeSet<Id<HaChassis>>;
        name: String;
    }

    /// Virtual addresses, each with the backends that serve it.
    "Load_Balancer" LoadBalancer => root(), enforced() {
        external_ids: BTreeMap<String, String>;
        health_check: BTreeSet<Id<LoadBalancerHealthCheck>>;
        ip_port_mappings: BTreeMap<String, String>;
        name: String;
        options: BTreeMap<String, String>;
        protocol: Option<String> => one_of(&["tcp", "udp", "sctp"]);
        selection_fields: BTreeSet<String> => one_of(&["eth_src", "eth_dst", "ip_src", "ip_dst", "tp_src", "tp_dst"]);
        vips: BTreeMap<String, String>;
    }

    /// Load balancers that many switches and routers share.
    "Load_Balancer_Group" LoadBalancerGroup => root(), enforced(), unique(&[&["name"]]) {
        load_balancer: BTreeSet<Id<LoadBalancer>> => weak();
        name: String;
    }

    /// How the backends of a virtual address are probed.
    "Load_Balancer_Health_Check" LoadBalancerHealthCheck => enforced() {
        external_ids: BTreeMap<String, String>;
        options: BTreeMap<String, String>;
        vip: String;
    }

    /// A router, present on every node that needs it.
    "Logical_Router" LogicalRouter => root(), enforced() {
        copp: Option<Id<Copp>> => weak();
        /// False stops all its traffic.
        enabled: Option<bool>;
        external_ids: BTreeMap<String, String>;
        load_balancer: BTreeSet<Id<LoadBalancer>> => weak();
        load_balancer_group: BTreeSet<Id<LoadBalancerGroup>>;
        /// For people; not unique.
        name: String;
        nat: BTreeSet<Id<Nat>>;
        options: BTreeMap<String, String>;
        policies: BTreeSet<Id<LogicalRouterPolicy>>;
        /// Its ports, which live and die with it.
        ports: BTreeSet<Id<LogicalRouterPort>>;
        /// Its routes, which live and die with it.
        static_routes: BTreeSet<Id<LogicalRouterStaticRoute>>;
    }

    /// A rule that overrides routing for the packets it matches.
    "Logical_Router_Policy" LogicalRouterPolicy {
        action: String => one_of(&["allow", "drop", "reroute"]);
        external_ids: BTreeMap<String, String>;
        r#match: String;
        nexthop: Option<String>;
        nexthops: BTreeSet<String>;
        options: BTreeMap<String, String>;
        priority: i64 => range(0, 32_767);
    }

    /// A router's interface: its MAC and its addresses with their networks.
    "Logical_Router_Port" LogicalRouterPort => enforced(), unique(&[&["name"]]) {
        /// False stops all its traffic.
        enabled: Option<bool>;
        external_ids: BTreeMap<String, String>;
        gateway_chassis: BTreeSet<Id<GatewayChassis>>;
        ha_chassis_group: Option<Id<HaChassisGroup>>;
        /// The prefixes that were delegated to it.
        ipv6_prefix: BTreeSet<String> => reported();
        ipv6_ra_configs: BTreeMap<String, String>;
        /// Its MAC.
        mac: String;
        /// Unique among all router ports.
        name: String;
        /// Its addresses, each with its prefix length.
        networks: BTreeSet<String> => at_least_one();
        options: BTreeMap<String, String>;
        /// The port of another router that it is joined to.
        peer: Option<String>;
    }

    /// A route to a network through a next hop, or nowhere (`discard`).
    "Logical_Router_Static_Route" LogicalRouterStaticRoute => enforced() {
        bfd: Option<Id<Bfd>> => weak();
        external_ids: BTreeMap<String, String>;
        /// The network, or the address of one host.
        ip_prefix: String;
        /// An address, or `discard`.
        nexthop: String;
        options: BTreeMap<String, String>;
        /// The router port to leave by; unset to find it by the next hop.
        output_port: Option<String>;
        /// Whether the prefix is of the destination (the default) or of the source.
        policy: Option<String> => one_of(&["src-ip", "dst-ip"]);
        /// The table it belongs to; empty for the main one.
        route_table: String;
    }

    /// An L2 network, present on every node that has a port of it.
    "Logical_Switch" LogicalSwitch => root(), enforced() {
        acls: BTreeSet<Id<Acl>>;
        copp: Option<Id<Copp>> => weak();
        dns_records: BTreeSet<Id<Dns>> => weak();
        external_ids: BTreeMap<String, String>;
        forwarding_groups: BTreeSet<Id<ForwardingGroup>>;
        load_balancer: BTreeSet<Id<LoadBalancer>> => weak();
        load_balancer_group: BTreeSet<Id<LoadBalancerGroup>>;
        /// For people; not unique.
        name: String;
        /// Settings: `vlan-passthru`, `requested-tnl-key`...
        other_config: BTreeMap<String, String>;
        /// Its ports, which live and die with it.
        ports: BTreeSet<Id<LogicalSwitchPort>>;
        qos_rules: BTreeSet<Id<Qos>>;
    }

    /// A place on a switch where a pod, a router or a node plugs in.
    "Logical_Switch_Port" LogicalSwitchPort => enforced(), unique(&[&["name"]]) {
        /// `MAC [IP...]`, `unknown` or `router`.
        addresses: BTreeSet<String>;
        dhcpv4_options: Option<Id<DhcpOptions>> => weak();
        dhcpv6_options: Option<Id<DhcpOptions>> => weak();
        /// The addresses that northd chose.
        dynamic_addresses: Option<String> => reported();
        /// False stops all its traffic.
        enabled: Option<bool>;
        external_ids: BTreeMap<String, String>;
        ha_chassis_group: Option<Id<HaChassisGroup>>;
        mirror_rules: BTreeSet<Id<Mirror>> => weak();
        /// Unique among all switch ports.
        name: String;
        /// Settings: `router-port`, `requested-chassis`...
        options: BTreeMap<String, String>;
        /// The port whose VLAN child this is.
        parent_name: Option<String>;
        /// The `MAC [IP...]` it may send from; empty for no restriction.
        port_security: BTreeSet<String>;
        /// VLAN ID on the parent.
        tag: Option<i64> => range(1, 4_095);
        /// The VLAN ID wished for; 0 lets northd choose.
        tag_request: Option<i64> => range(0, 4_095);
        /// Empty for a pod or VM, or `router`, `localport`.
        r#type: String;
        /// Whether a node has it in force.
        up: Option<bool> => reported();
    }

    /// A limit on a rate.
    "Meter" Meter => root(), enforced(), unique(&[&["name"]]) {
        bands: BTreeSet<Id<MeterBand>> => at_least_one();
        external_ids: BTreeMap<String, String>;
        fair: Option<bool>;
        name: String;
        unit: String => one_of(&["kbps", "pktps"]);
    }

    /// What a meter does from which rate on.
    "Meter_Band" MeterBand => enforced() {
        action: String => one_of(&["drop"]);
        burst_size: i64 => range(0, 4_294_967_295);
        external_ids: BTreeMap<String, String>;
        rate: i64 => range(1, 4_294_967_295);
    }

    /// Where copies of the packets of a port go.
    "Mirror" Mirror => root(), unique(&[&["name"]]) {
        external_ids: BTreeMap<String, String>;
        filter: String => one_of(&["from-lport", "to-lport"]);
        index: i64;
        name: String;
        sink: String;
        r#type: String => one_of(&["gre", "erspan"]);
    }

    /// A translation of addresses at a router.
    "NAT" Nat => enforced() {
        allowed_ext_ips: Option<Id<AddressSet>>;
        exempted_ext_ips: Option<Id<AddressSet>>;
        external_ids: BTreeMap<String, String>;
        external_ip: String;
        external_mac: Option<String>;
        external_port_range: String;
        gateway_port: Option<Id<LogicalRouterPort>> => weak();
        logical_ip: String;
        logical_port: Option<String>;
        options: BTreeMap<String, String>;
        r#type: String => one_of(&["dnat", "snat", "dnat_and_snat"]);
    }

    /// What concerns the whole northbound database: configuration counters and options.
    "NB_Global" NbGlobal => root(), enforced(), at_most(1) {
        connections: BTreeSet<Id<Connection>>;
        external_ids: BTreeMap<String, String>;
        /// The `nb_cfg` that is in force on all nodes.
        hv_cfg: i64 => reported();
        /// When all nodes had it in force; ms since 1970.
        hv_cfg_timestamp: i64 => reported();
        ipsec: bool;
        name: String;
        /// Counted up by a client that waits.
        nb_cfg: i64;
        /// When northd saw `nb_cfg`; ms since 1970.
        nb_cfg_timestamp: i64 => reported();
        options: BTreeMap<String, String>;
        /// The `nb_cfg` that northd has compiled.
        sb_cfg: i64 => reported();
        /// When it had compiled it; ms since 1970.
        sb_cfg_timestamp: i64 => reported();
        ssl: Option<Id<Ssl>>;
    }

    /// Switch ports under a name that matches can use as `@name`.
    "Port_Group" PortGroup => root(), enforced(), unique(&[&["name"]]) {
        acls: BTreeSet<Id<Acl>>;
        external_ids: BTreeMap<String, String>;
        /// Unique.
        name: String;
        /// Its members; a port that goes leaves it.
        ports: BTreeSet<Id<LogicalSwitchPort>> => weak();
    }

    /// A rule that marks packets or limits their rate.
    "QoS" Qos => enforced() {
        action: BTreeMap<String, i64> => one_of(&["dscp"]), value_range(0, 63);
        bandwidth: BTreeMap<String, i64> => one_of(&["rate", "burst"]), value_range(1, 4_294_967_295);
        direction: String => one_of(&["from-lport", "to-lport"]);
        external_ids: BTreeMap<String, String>;
        r#match: String;
        priority: i64 => range(0, 32_767);
    }

    /// Keys and certificates for database clients.
    "SSL" Ssl => at_most(1) {
        bootstrap_ca_cert: bool;
        ca_cert: String;
        certificate: String;
        external_ids: BTreeMap<String, String>;
        private_key: String;
        ssl_ciphers: String;
        ssl_protocols: String;
    }

    /// A neighbour's MAC that a router port is told instead of asking for it.
    "Static_MAC_Binding" StaticMacBinding => root(), enforced(), unique(&[&["logical_port", "ip"]]) {
        /// The neighbour's address.
        ip: String;
        /// The router port.
        logical_port: String;
        /// The neighbour's MAC.
        mac: String;
        /// Whether it holds even against a learned MAC.
        override_dynamic_mac: bool;
    }
}
