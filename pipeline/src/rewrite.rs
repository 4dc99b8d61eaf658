//! The difference between two flows, and how to make it true in the bytes.

use packet::flow::{Ip, Network, Transport, VlanTag};
use packet::offload::TransportSum;
use packet::rewrite::{
    Stamp, Translation, decrement_ttl, pop_vlan, push_vlan, set_dscp, set_eth_dst, set_eth_src,
    translate,
};
use packet::{Flow, Layout, Mac, VLAN_TAG_LENGTH};

use crate::view;

/// What to change in a packet. It says nothing about the packet's other fields, so that one rewrite serves
/// all packets of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    /// The new source station.
    pub eth_src: Option<Mac>,
    /// The new destination station.
    pub eth_dst: Option<Mac>,
    /// The new tag: `Some(None)` removes it.
    pub vlan: Option<Option<VlanTag>>,
    /// By how much the TTL or hop limit falls.
    pub ttl_decrement: u8,
    /// The new differentiated services code point, `0..=63`.
    pub dscp: Option<u8>,
    /// The new addresses and ports.
    pub translation: Translation,
}

/// A tag must be added and the buffer has no room for it before the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no room before the frame for a tag")]
pub struct NoHeadroom;

impl Rewrite {
    /// What makes `after` of `before`.
    pub fn between(before: &Flow, after: &Flow) -> Rewrite {
        Rewrite {
            eth_src: changed(before.eth_src, after.eth_src),
            eth_dst: changed(before.eth_dst, after.eth_dst),
            vlan: changed(before.vlan, after.vlan),
            ttl_decrement: ttl(before).saturating_sub(ttl(after)),
            dscp: view::ip(after).and_then(|after| changed(view::ip(before)?.dscp, after.dscp)),
            translation: match (&before.network, &after.network) {
                (Network::Ip(before), Network::Ip(after)) => translation(before, after),
                _ => Translation::default(),
            },
        }
    }

    /// True if there is nothing to change.
    pub fn is_empty(&self) -> bool {
        *self == Rewrite::default()
    }

    /// The flow as the rewrite changes it.
    pub fn of(&self, flow: &Flow) -> Flow {
        let mut changed = flow.clone();
        changed.eth_src = self.eth_src.unwrap_or(flow.eth_src);
        changed.eth_dst = self.eth_dst.unwrap_or(flow.eth_dst);
        changed.vlan = self.vlan.unwrap_or(flow.vlan);
        if let Network::Ip(ip) = &mut changed.network {
            ip.ttl = ip.ttl.saturating_sub(self.ttl_decrement);
            ip.dscp = self.dscp.unwrap_or(ip.dscp);
            change(ip, &self.translation);
        }
        changed
    }

    /// The changes as a stamp, if they are such as it can make.
    pub fn stamp(&self) -> Option<Stamp> {
        if self.vlan.is_some() || self.dscp.is_some() {
            return None;
        }
        Stamp::new(
            (self.eth_src, self.eth_dst),
            self.ttl_decrement,
            &self.translation,
        )
    }

    /// Changes the frame that begins at `start` in `buffer`; returns where it begins now.
    ///
    /// Adding a tag takes [`VLAN_TAG_LENGTH`] bytes before `start`. `layout` is that of the frame before the
    /// change, and `sum` what its TCP or UDP checksum holds. What the frame is too short for is left alone.
    #[inline]
    pub fn apply(
        &self,
        buffer: &mut [u8],
        start: usize,
        layout: &Layout,
        sum: TransportSum,
    ) -> Result<usize, NoHeadroom> {
        let Some(frame) = buffer.get_mut(start..) else {
            return Ok(start);
        };
        if let Some(mac) = self.eth_src {
            set_eth_src(frame, mac);
        }
        if let Some(mac) = self.eth_dst {
            set_eth_dst(frame, mac);
        }
        if self.ttl_decrement > 0 {
            decrement_ttl(frame, *layout, self.ttl_decrement);
        }
        if let Some(dscp) = self.dscp {
            set_dscp(frame, *layout, dscp);
        }
        if !self.translation.is_empty() {
            translate(frame, *layout, &self.translation, sum);
        }
        match self.vlan {
            None => Ok(start),
            Some(tag) => retag(buffer, start, tag),
        }
    }
}

fn changed<T: PartialEq>(before: T, after: T) -> Option<T> {
    (before != after).then_some(after)
}

/// A packet stays of its protocol and of its ICMP type.
fn translation(before: &Ip, after: &Ip) -> Translation {
    let mut translation = Translation {
        ip_src: changed(before.src, after.src),
        ip_dst: changed(before.dst, after.dst),
        ..Translation::default()
    };
    if let (Some(before), Some(after)) = (ports(&before.transport), ports(&after.transport)) {
        translation.port_src = changed(before.0, after.0);
        translation.port_dst = changed(before.1, after.1);
    }
    if let (
        Transport::Icmp {
            identifier: from,
            quoted: before,
            ..
        },
        Transport::Icmp {
            identifier: to,
            quoted: after,
            ..
        },
    ) = (&before.transport, &after.transport)
    {
        translation.identifier = changed(*from, *to);
        translation.quoted = changed(before, after)
            .cloned()
            .flatten()
            .map(|quoted| *quoted);
    }
    translation
}

fn change(ip: &mut Ip, translation: &Translation) {
    ip.src = translation.ip_src.unwrap_or(ip.src);
    ip.dst = translation.ip_dst.unwrap_or(ip.dst);
    match &mut ip.transport {
        Transport::Tcp { src, dst, .. }
        | Transport::Udp { src, dst }
        | Transport::Sctp { src, dst } => {
            *src = translation.port_src.unwrap_or(*src);
            *dst = translation.port_dst.unwrap_or(*dst);
        }
        Transport::Icmp {
            identifier, quoted, ..
        } => {
            *identifier = translation.identifier.unwrap_or(*identifier);
            if let (Some(quoted), Some(becomes)) = (quoted, translation.quoted) {
                **quoted = becomes;
            }
        }
        Transport::Other => {}
    }
}

fn ports(transport: &Transport) -> Option<(u16, u16)> {
    match *transport {
        Transport::Tcp { src, dst, .. }
        | Transport::Udp { src, dst }
        | Transport::Sctp { src, dst } => Some((src, dst)),
        Transport::Icmp { .. } | Transport::Other => None,
    }
}

/// The TTL or hop limit; 0 for what is no IP packet.
pub(crate) fn ttl(flow: &Flow) -> u8 {
    match &flow.network {
        Network::Ip(ip) => ip.ttl,
        _ => 0,
    }
}

/// Makes the frame's tag be `tag`; returns where the frame begins now.
fn retag(buffer: &mut [u8], start: usize, tag: Option<VlanTag>) -> Result<usize, NoHeadroom> {
    let untagged = match pop_vlan(&mut buffer[start..]) {
        true => start + VLAN_TAG_LENGTH,
        false => start,
    };
    let Some(tag) = tag else {
        return Ok(untagged);
    };
    let tagged = untagged.checked_sub(VLAN_TAG_LENGTH).ok_or(NoHeadroom)?;
    push_vlan(&mut buffer[tagged..], tag);
    Ok(tagged)
}
