//! Interfaces through netlink: finding, configuring and deleting them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressHeaderFlags};
use netlink_packet_route::link::LinkAttribute;
use netlink_packet_route::route::{RouteMessage, RouteScope};
use nix::errno::Errno;
use rtnetlink::{Handle, LinkUnspec, RouteMessageBuilder};

use tokio_stream::StreamExt;

use super::netns::{Netns, NetnsError};
use super::{DefaultRoute, InterfacePlan};
use packet::offload::cut::MAX_SEGMENTS;

/// Why an interface could not be brought to its plan.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The namespace cannot be used.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// The interface is not there.
    #[error("there is no interface {0} in the network namespace")]
    Missing(String),
    /// The kernel refused.
    #[error("{step} of interface {interface} failed: {source}")]
    Failed {
        /// What was being done.
        step: String,
        /// The interface.
        interface: String,
        /// What the kernel said.
        source: rtnetlink::Error,
    },
}

/// True when there is an interface of that name in the namespace.
pub(super) fn exists(netns: &Netns, interface: &str) -> Result<bool, LinkError> {
    netns.run(async |handle| Ok(index_of(&handle, interface).await?.is_some()))?
}

/// Deletes an interface; one that is not there is no error.
pub(super) fn delete(netns: &Netns, interface: &str) -> Result<(), LinkError> {
    netns.run(async |handle| {
        let Some(index) = index_of(&handle, interface).await? else {
            return Ok(());
        };
        let deleted = handle.link().del(index).execute().await;
        done(deleted, &[Errno::ENODEV], "deleting", interface)
    })?
}

/// Makes an interface what `plan` says and up, where it was what `before` says.
///
/// What others configured on it stays.
pub(super) fn configure(
    netns: &Netns,
    interface: &str,
    before: Option<&InterfacePlan>,
    plan: &InterfacePlan,
) -> Result<(), LinkError> {
    let empty = InterfacePlan::default();
    let before = before.unwrap_or(&empty);
    netns.run(async |handle| {
        let index = index_of(&handle, interface)
            .await?
            .ok_or_else(|| LinkError::Missing(interface.to_owned()))?;
        let link = Link {
            handle,
            index,
            interface,
        };
        link.set(before, plan).await?;
        link.readdress(before, plan).await?;
        link.reroute(before, plan).await
    })?
}

struct Link<'a> {
    handle: Handle,
    index: u32,
    interface: &'a str,
}

impl Link<'_> {
    async fn set(&self, before: &InterfacePlan, plan: &InterfacePlan) -> Result<(), LinkError> {
        accept_addresses_at_once(self.interface);
        let message = LinkUnspec::new_with_index(self.index).mtu(plan.mtu).up();
        let message = match plan.mac.filter(|_| plan.mac != before.mac) {
            Some(mac) => message.address(mac.0.to_vec()),
            None => message,
        };
        let set = self.handle.link().set(message.build()).execute().await;
        done(
            set,
            &[],
            "setting MAC address, MTU and link up",
            self.interface,
        )?;
        self.bound_super_packets().await;
        Ok(())
    }

    /// Lets the interface's stack make super-packets of no more packets than can be cut apart. Of packets of a usual length
    /// it may so make the longest super-packets that there are: shorter ones, of which the tunnel would send each by one
    /// call, cost a stream on one node a third of its rate.
    async fn bound_super_packets(&self) {
        let bound = LinkAttribute::GsoMaxSegs(MAX_SEGMENTS as u32);
        let message = LinkUnspec::new_with_index(self.index).append_extra_attribute(bound);
        if let Err(error) = self.handle.link().set(message.build()).execute().await {
            tracing::debug!(interface = self.interface, %error, "super-packets are not bounded");
        }
    }

    async fn readdress(
        &self,
        before: &InterfacePlan,
        plan: &InterfacePlan,
    ) -> Result<(), LinkError> {
        let gone = before
            .addresses
            .iter()
            .filter(|address| !plan.addresses.contains(address));
        for address in gone {
            let request = self.address(*address);
            let deleted = self.handle.address().del(request).execute().await;
            let step = format!("removing address {address}");
            done(deleted, &[Errno::EADDRNOTAVAIL], &step, self.interface)?;
        }
        for address in &plan.addresses {
            let (ip, length) = (address.addr(), address.prefix_len());
            let mut request = self.handle.address().add(self.index, ip, length);
            *request.message_mut() = self.address(*address);
            let step = format!("adding address {address}");
            done(
                request.execute().await,
                &[Errno::EEXIST],
                &step,
                self.interface,
            )?;
        }
        Ok(())
    }

    /// The message of an address that is usable at once, without duplicate address detection.
    fn address(&self, address: IpNet) -> netlink_packet_route::address::AddressMessage {
        let (ip, length) = (address.addr(), address.prefix_len());
        let mut request = self.handle.address().add(self.index, ip, length);
        let message = request.message_mut();
        if ip.is_ipv6() {
            message.header.flags |= AddressHeaderFlags::Nodad;
            message
                .attributes
                .push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        message.clone()
    }

    async fn reroute(&self, before: &InterfacePlan, plan: &InterfacePlan) -> Result<(), LinkError> {
        for route in before
            .routes
            .iter()
            .filter(|route| !plan.routes.contains(route))
        {
            let deleted = self.handle.route().del(self.route(*route)).execute().await;
            done(
                deleted,
                &[Errno::ESRCH],
                "removing the default route",
                self.interface,
            )?;
        }
        for route in &plan.routes {
            // The default route of another interface in the namespace is let be.
            let added = self.handle.route().add(self.route(*route)).execute().await;
            done(
                added,
                &[Errno::EEXIST],
                "adding the default route",
                self.interface,
            )?;
        }
        Ok(())
    }

    fn route(&self, route: DefaultRoute) -> RouteMessage {
        let ipv4 = || RouteMessageBuilder::<Ipv4Addr>::new().output_interface(self.index);
        let ipv6 = || RouteMessageBuilder::<Ipv6Addr>::new().output_interface(self.index);
        match route {
            DefaultRoute::Via(IpAddr::V4(gateway)) => ipv4().gateway(gateway).build(),
            DefaultRoute::Via(IpAddr::V6(gateway)) => ipv6().gateway(gateway).build(),
            DefaultRoute::OnLinkIpv4 => ipv4().scope(RouteScope::Link).build(),
            DefaultRoute::OnLinkIpv6 => ipv6().build(),
        }
    }
}

/// Turns duplicate address detection off for the link-local address too. Where `/proc/sys` may not be
/// written, that address is usable a second later, which nothing waits for.
fn accept_addresses_at_once(interface: &str) {
    let path = format!("/proc/sys/net/ipv6/conf/{interface}/accept_dad");
    if let Err(error) = std::fs::write(&path, "0") {
        tracing::debug!(path, %error, "duplicate address detection stays on");
    }
}

async fn index_of(handle: &Handle, interface: &str) -> Result<Option<u32>, LinkError> {
    let request = handle.link().get().match_name(interface.to_owned());
    let mut links = std::pin::pin!(request.execute());
    match links.next().await {
        None => Ok(None),
        Some(Ok(link)) => Ok(Some(link.header.index)),
        Some(Err(error)) if errno(&error) == Some(Errno::ENODEV) => Ok(None),
        Some(Err(source)) => Err(LinkError::Failed {
            step: "finding".to_owned(),
            interface: interface.to_owned(),
            source,
        }),
    }
}

/// The outcome of a step, in which some errors mean that there was nothing to do.
fn done(
    result: Result<(), rtnetlink::Error>,
    harmless: &[Errno],
    step: &str,
    interface: &str,
) -> Result<(), LinkError> {
    match result {
        Err(error) if errno(&error).is_some_and(|errno| harmless.contains(&errno)) => Ok(()),
        Err(source) => Err(LinkError::Failed {
            step: step.to_owned(),
            interface: interface.to_owned(),
            source,
        }),
        Ok(()) => Ok(()),
    }
}

/// What the kernel answered, if it was the kernel.
pub(super) fn errno(error: &rtnetlink::Error) -> Option<Errno> {
    match error {
        rtnetlink::Error::NetlinkError(message) => {
            message.code.map(|code| Errno::from_raw(code.get().abs()))
        }
        _ => None,
    }
}
