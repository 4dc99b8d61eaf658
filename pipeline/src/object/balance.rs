//! Load balancers, and the probes of their backends.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use packet::Mac;
use uuid::Uuid;

use super::{ChassisName, PortRef};

/// The load balancers of a switch or router: references, so that a balancer is sent once for all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Balancers {
    /// `load_balancer`, sorted.
    pub own: Vec<Uuid>,
    /// `load_balancer_group`, sorted.
    pub groups: Vec<Uuid>,
}

/// A `Load_Balancer_Group`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BalancerGroup {
    /// The UUID of its northbound row.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// Its load balancers, sorted.
    pub balancers: Vec<Uuid>,
}

/// A `Load_Balancer`, without its VIPs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Balancer {
    /// The UUID of its northbound row.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// What becomes of a packet for a VIP without backends.
    pub when_empty: WhenEmpty,
    /// The same of a VIP that has backends, but none on the client's node, with [`TrafficPolicy::Local`].
    pub when_none_local: WhenEmpty,
    /// `options:event`: such a packet is reported, if it is dropped.
    pub event: bool,
    /// `options:ct_flush`: connections end with their backend.
    pub ct_flush: bool,
    /// `options:skip_snat`: routers never apply `lb_force_snat_ip` to its connections.
    pub skip_snat: bool,
    /// `options:hairpin_snat_ip`: the source of a client that is its own backend, one a family; else the VIP.
    pub hairpin_snat_ip: Vec<IpAddr>,
    /// `options:affinity_timeout`: for how many seconds a client stays with its backend; 0 for not.
    pub affinity_timeout_s: u16,
    /// `selection_fields`: what the choice of a backend depends on; empty for the whole 5-tuple.
    pub selection_fields: Vec<SelectionField>,
    /// `options:neighbor_responder`: for which VIPs routers answer ARP and ND.
    pub neighbor_responder: NeighborResponder,
    /// `options:add_route`: the VIPs are reachable from routers beyond.
    pub add_route: bool,
    /// `options:source_ranges`: who may connect; empty for everyone. Others are dropped.
    pub source_ranges: Vec<IpNet>,
    /// `options:traffic_policy`: which backends are preferred.
    pub traffic_policy: TrafficPolicy,
}

impl Balancer {
    /// A balancer whose row sets no option.
    pub fn new(uuid: Uuid, name: impl Into<String>) -> Balancer {
        Balancer {
            uuid,
            name: name.into(),
            when_empty: WhenEmpty::Drop,
            when_none_local: WhenEmpty::Drop,
            event: false,
            ct_flush: false,
            skip_snat: false,
            hairpin_snat_ip: Vec::new(),
            affinity_timeout_s: 0,
            selection_fields: Vec::new(),
            neighbor_responder: NeighborResponder::Reachable,
            add_route: false,
            source_ranges: Vec::new(),
            traffic_policy: TrafficPolicy::Cluster,
        }
    }
}

/// What becomes of a packet for a VIP without backends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WhenEmpty {
    /// It is dropped.
    Drop,
    /// `options:reject`: it is answered with a TCP reset or ICMP error.
    Reject,
}

/// A field that the choice of a backend depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "named as in `selection_fields`")]
pub enum SelectionField {
    EthSrc,
    EthDst,
    IpSrc,
    IpDst,
    TransportSrc,
    TransportDst,
}

/// For which VIPs routers answer ARP and ND.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NeighborResponder {
    /// `none`
    None,
    /// `reachable`: those in a network of the port that is asked.
    Reachable,
    /// `all`
    All,
}

/// Which backends are preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrafficPolicy {
    /// All alike.
    Cluster,
    /// Those on the client's node only.
    Local,
    /// Those on the client's node, else all.
    PreferLocal,
    /// Those in the client's zone, else all.
    PreferZone,
}

/// Which VIP of a balancer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VipKey {
    /// The balancer.
    pub balancer: Uuid,
    /// The address.
    pub ip: IpAddr,
    /// The IP protocol (6, 17, 132); 0 for all, and then the port is 0 too.
    pub protocol: u8,
    /// The port; 0 for all.
    pub port: u16,
    /// The node for which a template was filled in; `None` for what holds on all nodes.
    pub chassis: Option<ChassisName>,
}

/// A VIP of a `Load_Balancer`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Vip {
    /// Which.
    pub key: VipKey,
    /// Its backends, in the order in which they were written.
    pub backends: Vec<Backend>,
}

/// A backend of a VIP.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Backend {
    /// Its address.
    pub ip: IpAddr,
    /// Its port; 0 for the one the client named.
    pub port: u16,
    /// Its share of new connections, relative to the others'; 0 for none.
    pub weight: u16,
    /// Whether it takes connections.
    pub state: BackendState,
    /// The node where it lives, if that is known.
    pub chassis: Option<ChassisName>,
    /// The zone where it lives; empty if that is not known.
    pub zone: String,
}

/// Whether a backend takes connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BackendState {
    /// It takes new connections.
    Ready,
    /// It is terminating and takes new ones only while no backend is ready; those it has stay.
    Serving,
    /// It keeps the connections it has and takes no new ones.
    Draining,
    /// It failed its health check.
    Offline,
}

/// What is probed: a backend of a load balancer with a health check (`Service_Monitor`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProbeKey {
    /// The logical port of the backend.
    pub port: PortRef,
    /// The backend's address.
    pub ip: IpAddr,
    /// 6 or 17.
    pub protocol: u8,
    /// The backend's port.
    pub transport_port: u16,
}

/// How a backend is probed, by the node that binds its port.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Probe {
    /// What is probed.
    pub key: ProbeKey,
    /// The station that the probes come from: `NB_Global.options:svc_monitor_mac`.
    pub source_mac: Mac,
    /// The address that the probes come from.
    pub source_ip: IpAddr,
    /// The station of the backend.
    pub mac: Mac,
    /// How its health is asked.
    pub kind: ProbeKind,
    /// Seconds from one probe to the next.
    pub interval_s: u16,
    /// Seconds after which a probe has failed.
    pub timeout_s: u16,
    /// Successes in a row after which the backend is online.
    pub success_count: u16,
    /// Failures in a row after which the backend is offline.
    pub failure_count: u16,
}

/// How a backend's health is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ProbeKind {
    /// A TCP connection can be opened.
    Tcp,
    /// A UDP datagram is not answered with port unreachable.
    Udp,
    /// A GET of this path over TCP is answered with a status of 2xx or 3xx.
    Http {
        /// The path, with `/`.
        path: Arc<str>,
    },
}
