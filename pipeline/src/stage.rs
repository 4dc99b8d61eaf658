//! The stages of the logical pipeline, in the order in which a packet meets them.

use serde::Serialize;

/// One of the four pipelines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Pipeline {
    /// From a port of a switch to the choice of the port it leaves by; on the sender's node.
    SwitchIngress,
    /// Towards one port of a switch; on the receiver's node.
    SwitchEgress,
    /// From a port of a router to the choice of the port it leaves by.
    RouterIngress,
    /// Towards one port of a router.
    RouterEgress,
}

/// Declares the stages once: variant, pipeline, OVN's name, kind of match, what it decides.
macro_rules! stages {
    ($($variant:ident $pipeline:ident $name:literal $kind:literal $description:literal;)*) => {
        /// A stage of the logical pipeline: one table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Stage {
            $(#[doc = $description] $variant,)*
        }

        impl Stage {
            /// All stages, in order.
            pub const ALL: &[Stage] = &[$(Self::$variant,)*];

            /// OVN's name of the stage.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The pipeline it belongs to.
            pub const fn pipeline(self) -> Pipeline {
                match self { $(Self::$variant => Pipeline::$pipeline,)* }
            }

            /// How its entries are looked up.
            pub const fn match_kind(self) -> &'static str {
                match self { $(Self::$variant => $kind,)* }
            }

            /// What it decides.
            pub const fn description(self) -> &'static str {
                match self { $(Self::$variant => $description,)* }
            }
        }
    };
}

stages! {
    InCheckPortSec SwitchIngress "ls_in_check_port_sec" "exact port, then its rows"
        "May the sender send this?";
    InLookupFdb SwitchIngress "ls_in_lookup_fdb" "exact MAC address"
        "Is the sender's place known, where places are learned?";
    InPutFdb SwitchIngress "ls_in_put_fdb" "exact port"
        "Learn the sender's place.";
    InPreAcl SwitchIngress "ls_in_pre_acl" "classifier of ACLs"
        "Is the packet's connection tracked for the sake of ACLs?";
    InPreLb SwitchIngress "ls_in_pre_lb" "exact port"
        "Is the packet's connection tracked for the sake of load balancers?";
    InPreStateful SwitchIngress "ls_in_pre_stateful" "exact connection in the sender's zone"
        "What is the packet to the connections that the sender has?";
    InAcl SwitchIngress "ls_in_acl" "classifier of ACLs"
        "May the sender send this, as the ACLs from-lport see it?";
    InQosMark SwitchIngress "ls_in_qos_mark" "rules in order"
        "Give the packet the code point of the QoS rule from-lport that counts.";
    InQosMeter SwitchIngress "ls_in_qos_meter" "rules in order"
        "Note the limit of the QoS rule from-lport that counts.";
    InLb SwitchIngress "ls_in_lb" "exact address, protocol and port"
        "Choose a backend for a new connection to a VIP.";
    InNatHairpin SwitchIngress "ls_in_nat_hairpin" "exact connection in the switch's zone"
        "Translate the source of a client that is its own backend, and back.";
    InHairpin SwitchIngress "ls_in_hairpin" "hairpin"
        "Send such a packet back to where it came from.";
    InAclAfterLb SwitchIngress "ls_in_acl_after_lb" "classifier of ACLs"
        "May the sender send this, as the ACLs see it that are applied after the load balancers?";
    InStateful SwitchIngress "ls_in_stateful" "exact connection in the sender's zone"
        "Keep the connection.";
    InArpRsp SwitchIngress "ls_in_arp_rsp" "exact IP address"
        "Answer ARP requests and neighbour solicitations for known addresses.";
    InL2Lkup SwitchIngress "ls_in_l2_lkup" "exact MAC address"
        "Choose the port or group that the frame is for.";
    InL2Unknown SwitchIngress "ls_in_l2_unknown" "learned MAC address"
        "Choose the port behind which an unknown destination was learned, or all that take unknown ones.";
    OutPreAcl SwitchEgress "ls_out_pre_acl" "classifier of ACLs"
        "Is the packet's connection tracked for the sake of ACLs?";
    OutPreLb SwitchEgress "ls_out_pre_lb" "exact port"
        "Is the packet's connection tracked for the sake of load balancers?";
    OutPreStateful SwitchEgress "ls_out_pre_stateful" "exact connection in the receiver's zone"
        "What is the packet to the connections that the receiver has?";
    OutAcl SwitchEgress "ls_out_acl" "classifier of ACLs"
        "May the receiver receive this, as the ACLs to-lport see it?";
    OutQosMark SwitchEgress "ls_out_qos_mark" "rules in order"
        "Give the packet the code point of the QoS rule to-lport that counts.";
    OutQosMeter SwitchEgress "ls_out_qos_meter" "rules in order"
        "Note the limit of the QoS rule to-lport that counts.";
    OutStateful SwitchEgress "ls_out_stateful" "exact connection in the receiver's zone"
        "Keep the connection.";
    OutCheckPortSec SwitchEgress "ls_out_check_port_sec" "exact port, then its rows"
        "May the receiver receive this?";
    InAdmission RouterIngress "lr_in_admission" "exact port and MAC address"
        "Is the frame for the router?";
    InLookupNeighbor RouterIngress "lr_in_lookup_neighbor" "exact port and IP address"
        "Does the sender's claim to an address hold news?";
    InLearnNeighbor RouterIngress "lr_in_learn_neighbor" "exact port and IP address"
        "Learn the sender's address.";
    InIpInput RouterIngress "lr_in_ip_input" "exact IP address"
        "Drop what may not be routed, answer what is for the router itself.";
    InUnsnat RouterIngress "lr_in_unsnat" "exact address outside"
        "Give answers back the address that was translated when they were asked for.";
    InDefrag RouterIngress "lr_in_defrag" "exact address"
        "What is a packet for a VIP to the router's connections?";
    InDnat RouterIngress "lr_in_dnat" "exact address, protocol and port"
        "Choose a backend for a new connection to a VIP, and translate destinations.";
    InIpRouting RouterIngress "lr_in_ip_routing" "longest prefix"
        "Choose the next hop.";
    InIpRoutingEcmp RouterIngress "lr_in_ip_routing_ecmp" "hash group"
        "Choose one of several next hops, the same for all packets of a flow.";
    InArpResolve RouterIngress "lr_in_arp_resolve" "exact port and IP address"
        "Find the next hop's MAC address.";
    InLargerPkts RouterIngress "lr_in_larger_pkts" "exact port, then length"
        "Say so when the packet is longer than the port's MTU.";
    InGwRedirect RouterIngress "lr_in_gw_redirect" "exact port"
        "Send what leaves by a distributed gateway port to the node that it is on.";
    InArpRequest RouterIngress "lr_in_arp_request" "unresolved next hop"
        "Ask for the next hop's MAC address.";
    OutUndnat RouterEgress "lr_out_undnat" "exact connection"
        "Give answers the source that their request was for.";
    OutPostUndnat RouterEgress "lr_out_post_undnat" "new connection"
        "Keep what may be answered.";
    OutSnat RouterEgress "lr_out_snat" "longest prefix"
        "Translate sources.";
    OutEgrLoop RouterEgress "lr_out_egr_loop" "exact address outside"
        "Turn round what is for an address that the router itself translates.";
    OutDelivery RouterEgress "lr_out_delivery" "exact port"
        "Hand the packet to what the port is joined to.";
}

impl Stage {
    /// Its place among the stages of its pipeline, from 0.
    pub fn index(self) -> usize {
        let same = |stage: &&Stage| stage.pipeline() == self.pipeline();
        Self::ALL
            .iter()
            .filter(same)
            .take_while(|stage| **stage != self)
            .count()
    }
}

impl Pipeline {
    /// `ingress` or `egress`.
    pub const fn direction(self) -> &'static str {
        match self {
            Self::SwitchIngress | Self::RouterIngress => "ingress",
            Self::SwitchEgress | Self::RouterEgress => "egress",
        }
    }
}
