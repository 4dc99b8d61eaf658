//! Why packets stop: every drop has a name.
//!
//! The doors of a node (ports, the tunnel socket, its queues) and the stages of the logical pipeline share
//! one list, so that one table of counters tells where every packet that did not come out went.

use packet::ParseError;
use serde::Serialize;

/// Declares the reasons once: variant, stable name, description.
macro_rules! drop_reasons {
    ($($variant:ident $name:literal $description:literal;)*) => {
        /// Why a packet was dropped.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(into = "&'static str")]
        #[repr(u8)]
        pub enum DropReason {
            $(#[doc = $description] $variant,)*
        }

        impl DropReason {
            /// All reasons, in the order of a packet's way; `ALL[r as usize] == r`.
            pub const ALL: &[DropReason] = &[$(Self::$variant,)*];

            /// The stable name, for counters and `vsctl node drops`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// One sentence for people.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $description,)* }
            }
        }
    };
}

drop_reasons! {
    // the doors
    TooLong "too-long" "The frame is longer than a buffer holds.";
    EthernetTruncated "ethernet-truncated" "The Ethernet header is cut short.";
    VlanTruncated "vlan-truncated" "The 802.1Q tag is cut short.";
    ArpTruncated "arp-truncated" "The ARP packet is cut short.";
    Ipv4Truncated "ipv4-truncated" "The IPv4 packet is cut short.";
    Ipv4BadVersion "ipv4-bad-version" "The EtherType says IPv4 and the version does not.";
    Ipv4BadLength "ipv4-bad-length" "The IPv4 header contradicts its own length.";
    Ipv6Truncated "ipv6-truncated" "The IPv6 packet is cut short.";
    Ipv6BadVersion "ipv6-bad-version" "The EtherType says IPv6 and the version does not.";
    Ipv6ExtensionTruncated "ipv6-extension-truncated" "An IPv6 extension header is cut short.";
    Ipv6TooManyExtensions "ipv6-too-many-extensions" "There are more IPv6 extension headers than are read.";
    NoBuffer "no-buffer" "No buffer was free to receive into.";
    OffloadInvalid "offload-invalid" "The offload header of the frame contradicts the frame.";
    GeneveVersion "geneve-version" "The tunnel packet's Geneve version is not 0.";
    GeneveMalformed "geneve-malformed" "The tunnel packet's Geneve header or options are malformed.";
    GeneveOption "geneve-option" "The tunnel packet has a critical Geneve option that is not known.";
    GeneveProtocol "geneve-protocol" "The tunnel packet does not carry an Ethernet frame.";
    GeneveNoPorts "geneve-no-ports" "The tunnel packet does not name its logical ports.";
    GeneveUnknownSender "geneve-unknown-sender" "The tunnel packet comes from an address of no known chassis.";
    CongestionLost "congestion-lost" "The underlay marked congestion on a packet whose sender would not see the mark (RFC 6040).";
    UnknownDatapath "unknown-datapath" "The packet names a datapath that this node does not have.";
    UnknownPort "unknown-port" "The packet names a logical port that its datapath does not have.";
    UnknownGroup "unknown-group" "The packet names a multicast group that does not exist.";
    PortNotHere "port-not-here" "The logical port is not bound to this node.";
    PortUnbound "port-unbound" "The destination port is not bound to any node.";
    ChassisUnknown "chassis-unknown" "The chassis that binds the destination port is not known.";
    FragmentMalformed "fragment-malformed" "The fragment cannot be part of a datagram, or the first one ends before its transport header does.";
    FragmentOverlap "fragment-overlap" "Fragments of the datagram overlap.";
    FragmentRoom "fragment-room" "Too many fragments of the sender wait for the first of their datagram, or the datagram has too many.";
    SenderLimited "sender-limited" "Too many packets of the sender, on another node, led nowhere: until it has waited, only its known flows go on.";
    FragmentOrphan "fragment-orphan" "The first fragment of the datagram, which says what becomes of it, did not come in time.";
    // switch ingress
    PortDisabled "port-disabled" "The logical port is disabled.";
    VlanUnexpected "vlan-unexpected" "The frame is tagged for no child port, and the switch does not pass tags.";
    MulticastSource "multicast-source" "The source MAC address is a group address.";
    PortSecurityEthernet "port-security-ethernet" "The sender's MAC address is not allowed by port security.";
    PortSecurityIp "port-security-ip" "The sender's IP address is not allowed by port security.";
    PortSecurityNeighbor "port-security-neighbor" "The ARP or ND message claims an address that port security does not allow.";
    UnknownDestination "unknown-destination" "No port has the destination MAC address or takes unknown ones.";
    ToDisabledPort "to-disabled-port" "The destination port is disabled.";
    NoReceiver "no-receiver" "The multicast group has no other member.";
    // connections and policy
    AclDrop "acl-drop" "An ACL drops the packet.";
    AclReject "acl-reject" "An ACL rejects the packet, and its sender is told if that may be told.";
    AclDefault "acl-default" "No ACL matches, and what no ACL matches is dropped.";
    ConnectionInvalid "connection-invalid" "The packet cannot belong to any connection that is known.";
    ConnectionBlocked "connection-blocked" "An ACL has blocked the connection since it was established.";
    ConnectionTableFull "connection-table-full" "The connection table is full.";
    HalfOpenQuota "half-open-quota" "The port, or the source among those that speak to it, has too many connections that were never answered.";
    NoBackend "no-backend" "The load balancer's VIP has no backend.";
    QosLimit "qos-limit" "The packet exceeds the rate that a QoS rule allows.";
    SourceRange "source-range" "The load balancer does not serve the client's address.";
    NatExhausted "nat-exhausted" "No port is free for the translation of the source.";
    NatUnsolicited "nat-unsolicited" "The packet is for an address that only translates what leaves.";
    // switch egress
    ToItself "to-itself" "The packet would leave by the port it came in.";
    LocalportRemote "localport-remote" "Traffic of a localport does not leave its node.";
    TunnelledAgain "tunnelled-again" "A packet from a tunnel would enter a tunnel again.";
    PortSecurityReceiver "port-security-receiver" "Port security of the receiver does not allow the destination MAC address.";
    PortSecurityReceiverIp "port-security-receiver-ip" "Port security of the receiver does not allow the destination IP address.";
    PeerMissing "peer-missing" "The router port is not joined to anything.";
    ParentMissing "parent-missing" "The parent of the nested port does not exist or is not on this node.";
    // router ingress
    RouterDisabled "router-disabled" "The logical router is disabled.";
    RouterAdmission "router-admission" "The destination MAC address is not that of the router port.";
    SourceInvalid "source-invalid" "The IP source or destination may not be routed.";
    SourceIsRouter "source-is-router" "The IP source is an address of the router itself or its network's broadcast address.";
    NeighborNotAnswered "neighbor-not-answered" "The ARP or ND message asks nothing of the router.";
    MulticastNotRouted "multicast-not-routed" "Multicast is not routed.";
    BroadcastNotRouted "broadcast-not-routed" "A frame sent to all stations is not routed.";
    ToRouter "to-router" "The packet is for the router itself, which has no use for it.";
    ErrorUnanswered "error-unanswered" "An ICMP error, TCP reset or SCTP abort is never answered with another.";
    TtlExceeded "ttl-exceeded" "The TTL ran out and no ICMP error may be sent about it.";
    NotIp "not-ip" "Only IP is routed.";
    NoRoute "no-route" "No route matches.";
    RouteDiscards "route-discards" "The route discards its packets.";
    RoutePortMissing "route-port-missing" "The route leaves by a port that does not exist.";
    MtuExceeded "mtu-exceeded" "The packet is longer than the MTU and no ICMP error may be sent about it.";
    NeighborUnresolved "neighbor-unresolved" "The next hop did not answer in time.";
    HoldQueueFull "hold-queue-full" "Too many packets already wait for the next hop.";
    // all
    RecirculationLimit "recirculation-limit" "The packet passed too many datapaths.";
    ReplicationLimit "replication-limit" "The packet was copied too often.";
    AnswerLimited "answer-limited" "Too many answers of this kind were sent of late.";
    ProbeQueueFull "probe-queue-full" "Too many answers to probes of backends came at once, or one too long.";
    OutputQueueFull "output-queue-full" "The queue of the interface or tunnel is full.";
    OutputFailed "output-failed" "The kernel refused the packet.";
    NoHeadroom "no-headroom" "The buffer has no room for the headers to add.";
    AnswerFailed "answer-failed" "The packet ends before what an answer must quote.";
}

impl From<DropReason> for &'static str {
    fn from(reason: DropReason) -> Self {
        reason.name()
    }
}

impl From<ParseError> for DropReason {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::EthernetTruncated => Self::EthernetTruncated,
            ParseError::VlanTruncated => Self::VlanTruncated,
            ParseError::ArpTruncated => Self::ArpTruncated,
            ParseError::Ipv4Truncated => Self::Ipv4Truncated,
            ParseError::Ipv4BadVersion => Self::Ipv4BadVersion,
            ParseError::Ipv4BadLength => Self::Ipv4BadLength,
            ParseError::Ipv6Truncated => Self::Ipv6Truncated,
            ParseError::Ipv6BadVersion => Self::Ipv6BadVersion,
            ParseError::Ipv6ExtensionTruncated => Self::Ipv6ExtensionTruncated,
            ParseError::Ipv6TooManyExtensions => Self::Ipv6TooManyExtensions,
        }
    }
}

impl std::fmt::Display for DropReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_indexes_agree_with_the_list() {
        let names: BTreeSet<_> = DropReason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), DropReason::ALL.len());
        for (index, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
            assert!(reason.description().ends_with('.'), "{reason}");
        }
    }
}
