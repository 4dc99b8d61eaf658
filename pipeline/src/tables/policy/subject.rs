//! A packet as ACLs see it: what the names in a match stand for, looked up once.

use std::cell::{Cell, OnceCell, RefCell};
use std::net::IpAddr;
use std::sync::Arc;

use expr::{Bits, Field, Members};
use packet::flow::{Network, Transport, ip_protocol};
use smallvec::{SmallVec, smallvec};

use super::addresses::{SetId, SetIds};
use super::necessary::{ADDRESS_FIELDS, Service, whole};
use super::sets::Sets;
use crate::object::{DatapathKey, Port};
use crate::tables::{DatapathTables, Place, Tables};

/// A packet, and where it is.
pub(crate) struct Subject<'a> {
    tables: &'a Tables,
    sets: &'a Sets,
    datapath: &'a DatapathTables,
    inport: Option<&'a Port>,
    outport: Option<&'a Port>,
    packet: expr::Packet<'a>,
    /// The sets of each of [`ADDRESS_FIELDS`].
    found: [OnceCell<SetIds>; 4],
    /// The answer depends on what other packets of the flow may have otherwise.
    is_for_this_packet_alone: Cell<bool>,
    /// The answer depends on what the packet is to its connection.
    reads_connection: Cell<bool>,
    /// The addresses of which it was asked what sets they are in; other fields as IPv6 addresses with their value.
    looked_up: RefCell<SmallVec<[IpAddr; 2]>>,
    /// The datapaths of the ports that were asked where they reside; `None` for a port that does not exist.
    asked_about: RefCell<SmallVec<[Option<DatapathKey>; 1]>>,
}

impl<'a> Subject<'a> {
    /// `packet` without the names of its ports.
    pub(crate) fn new(
        tables: &'a Tables,
        datapath: &'a DatapathTables,
        (inport, outport): (Option<&'a Port>, Option<&'a Port>),
        packet: expr::Packet<'a>,
    ) -> Self {
        let name = |port: Option<&'a Port>| port.map_or("", |port| port.name.as_str());
        Self {
            tables,
            sets: tables.policies.sets(),
            datapath,
            inport,
            outport,
            packet: expr::Packet {
                inport: name(inport),
                outport: name(outport),
                ..packet
            },
            found: Default::default(),
            is_for_this_packet_alone: Cell::new(false),
            reads_connection: Cell::new(false),
            looked_up: RefCell::default(),
            asked_about: RefCell::default(),
        }
    }

    pub(super) fn packet(&self) -> &expr::Packet<'a> {
        &self.packet
    }

    /// The sets that an address of the packet is in.
    pub(super) fn sets(&self, field: Field) -> &SetIds {
        let index = ADDRESS_FIELDS.iter().position(|other| *other == field);
        self.found[index.unwrap_or(0)].get_or_init(|| {
            let (value, bits) = (self.packet.read(field), whole(field));
            // Zero is what is read of the other family; a member that holds it changes everything.
            if value != 0 {
                self.note_looked_up(value, bits);
            }
            self.sets.sets_of(value, bits)
        })
    }

    fn note_looked_up(&self, value: u128, bits: Bits) {
        let ip = match u32::try_from(value) {
            Ok(value) if bits.width() == u32::BITS => IpAddr::V4(value.into()),
            _ => IpAddr::V6(value.into()),
        };
        let mut looked_up = self.looked_up.borrow_mut();
        if !looked_up.contains(&ip) {
            looked_up.push(ip);
        }
    }

    /// What the packet is for. Of ports, prefixes of each length in `lengths` (bit 1 for 1 and so on).
    pub(super) fn services(&self, lengths: u32) -> SmallVec<[Service; 4]> {
        let mut services = smallvec![Service::Any];
        let Network::Ip(ip) = &self.packet.flow.network else {
            return services;
        };
        services.push(Service::Protocol(ip.protocol));
        let (protocol, port) = match ip.transport {
            Transport::Tcp { dst, .. } => (ip_protocol::TCP, dst),
            Transport::Udp { dst, .. } => (ip_protocol::UDP, dst),
            Transport::Sctp { dst, .. } => (ip_protocol::SCTP, dst),
            Transport::Icmp { .. } | Transport::Other => return services,
        };
        let mut left = lengths;
        while left != 0 {
            services.push(Service::ports(protocol, port, left.trailing_zeros() as u8));
            left &= left - 1;
        }
        services
    }

    /// The name and groups of the port that the packet leaves by or, while it has none, of the one that it came by.
    pub(super) fn port(&self) -> (&'a str, &'a [Arc<str>]) {
        match self.outport.or(self.inport) {
            Some(port) => (&port.name, self.datapath.groups.of(port.at.port)),
            None => ("", &[]),
        }
    }

    /// Whether a predicate matches; notes what the answer depends on.
    pub(super) fn satisfies(&self, predicate: &expr::Predicate) -> bool {
        predicate.matches_reading(&self.packet, self, &mut |field| match field {
            // These are not in the key by which a flow is remembered.
            Field::TcpFlags | Field::IpTtl | Field::Ip6Label => {
                self.is_for_this_packet_alone.set(true);
            }
            Field::CtState | Field::CtMark | Field::CtLabel => self.reads_connection.set(true),
            _ => {}
        })
    }

    pub(crate) fn reads_connection(&self) -> bool {
        self.reads_connection.get()
    }

    pub(crate) fn is_for_this_packet_alone(&self) -> bool {
        self.is_for_this_packet_alone.get()
    }

    /// The addresses of which it matters what address sets they are in, and values of other fields as such.
    pub(crate) fn looked_up(&self) -> SmallVec<[IpAddr; 2]> {
        self.looked_up.take()
    }

    /// The datapaths of the ports of which it matters where they reside; `None` for a port that does not exist.
    pub(crate) fn asked_about(&self) -> SmallVec<[Option<DatapathKey>; 1]> {
        self.asked_about.take()
    }
}

impl Members for Subject<'_> {
    fn has_address(&self, set: &str, value: u128, bits: Bits) -> bool {
        let Some(id) = self.sets.id(set) else {
            return false;
        };
        self.note_looked_up(value, bits);
        let is_known =
            |field: &&Field| whole(**field) == bits && self.packet.read(**field) == value;
        match ADDRESS_FIELDS.iter().find(is_known) {
            Some(field) => has(self.sets(*field), id),
            None => has(&self.sets.sets_of(value, bits), id),
        }
    }

    fn has_port(&self, group: &str, port: &str) -> bool {
        let ports = [self.inport, self.outport].into_iter().flatten();
        let mut named = ports.filter(|own| own.name == port);
        named.any(|own| {
            let groups = self.datapath.groups.of(own.at.port);
            groups.iter().any(|one| &**one == group)
        })
    }

    fn is_resident(&self, port: &str) -> bool {
        let at = self.tables.port_named(port).map(|port| port.at.datapath);
        self.asked_about.borrow_mut().push(at);
        self.tables.resides(port)
    }
}

fn has(sets: &SetIds, id: SetId) -> bool {
    sets.binary_search(&id).is_ok()
}

impl Tables {
    /// Whether the port with this name is on this node.
    fn resides(&self, name: &str) -> bool {
        let Some(port) = self.port_named(name) else {
            return false;
        };
        match &port.kind {
            crate::object::PortKind::Switch(kind) => {
                matches!(self.place(port, kind), Place::Here(_))
            }
            crate::object::PortKind::Router(_) => false,
        }
    }
}
