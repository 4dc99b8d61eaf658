//! Cables and addresses: links made and set up through rtnetlink, in the calling thread's namespace.

use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, Result};
use ipnet::IpNet;
use netlink_packet_route::address::{AddressAttribute, AddressFlags};
use netlink_packet_route::link::{LinkAttribute, State};
use nix::net::if_::if_nametoindex;
use rtnetlink::{Handle, LinkBridge, LinkUnspec, LinkVeth};
use tokio_stream::StreamExt;

use crate::namespace::Namespace;
use crate::process::wait_until;

/// The kernel looks at its links about once a second.
const CARRYING_SOON: Duration = Duration::from_secs(10);

/// Sets a link up.
pub fn up(name: &str) -> Result<()> {
    let index = index(name)?;
    ask(async |netlink| {
        netlink
            .link()
            .set(LinkUnspec::new_with_index(index).up().build())
            .execute()
            .await
    })
    .with_context(|| format!("cannot set {name} up"))
}

/// Sets a link down.
pub fn down(name: &str) -> Result<()> {
    let index = index(name)?;
    ask(async |netlink| {
        netlink
            .link()
            .set(LinkUnspec::new_with_index(index).down().build())
            .execute()
            .await
    })
    .with_context(|| format!("cannot set {name} down"))
}

/// Sets the longest IP packet that a link carries, in bytes.
pub fn set_mtu(name: &str, mtu: u32) -> Result<()> {
    let index = index(name)?;
    ask(async |netlink| {
        netlink
            .link()
            .set(LinkUnspec::new_with_index(index).mtu(mtu).build())
            .execute()
            .await
    })
    .with_context(|| format!("cannot set the MTU of {name} to {mtu}"))
}

/// The longest IP packet that a link carries, in bytes.
pub fn mtu(name: &str) -> Result<u32> {
    attribute(name, |attribute| match attribute {
        LinkAttribute::Mtu(mtu) => Some(mtu),
        _ => None,
    })
    .with_context(|| format!("the kernel does not tell the MTU of {name}"))
}

/// What the kernel says about a link, as far as `wanted` is interested.
fn attribute<T>(name: &str, wanted: impl Fn(LinkAttribute) -> Option<T>) -> Result<T> {
    let index = index(name)?;
    let mut found = None;
    ask(async |netlink| {
        let mut links = std::pin::pin!(netlink.link().get().match_index(index).execute());
        while let Some(link) = links.next().await {
            found = link?.attributes.into_iter().find_map(&wanted);
        }
        Ok::<_, rtnetlink::Error>(())
    })?;
    found.context("it is not told")
}

/// Adds an address that may be used at once (IPv6: without probing for duplicates, RFC 4862).
pub fn add_address(name: &str, address: IpNet) -> Result<()> {
    let index = index(name)?;
    ask(async |netlink| {
        let mut request = netlink
            .address()
            .add(index, address.addr(), address.prefix_len());
        request
            .message_mut()
            .attributes
            .push(AddressAttribute::Flags(AddressFlags::Nodad));
        request.execute().await
    })
    .with_context(|| format!("cannot give {name} the address {address}"))
}

/// Makes a bridge and sets it up.
pub fn add_bridge(name: &str) -> Result<()> {
    ask(async |netlink| {
        netlink
            .link()
            .add(LinkBridge::new(name).up().build())
            .execute()
            .await
    })
    .with_context(|| format!("cannot make the bridge {name} (is there a kernel module `bridge`?)"))
}

/// Lays a cable: `here` in the calling thread's namespace, `there` in `namespace`; both ends up and carrying.
pub fn add_cable(here: &str, namespace: &Namespace, there: &str) -> Result<()> {
    let passing = format!("{here}-far");
    ask(async |netlink| {
        netlink
            .link()
            .add(LinkVeth::new(here, &passing).build())
            .execute()
            .await
    })
    .with_context(|| format!("cannot make the cable {here} (is there a kernel module `veth`?)"))?;
    let far = index(&passing)?;
    let descriptor = namespace.file().as_raw_fd();
    let moved = LinkUnspec::new_with_index(far)
        .name(there)
        .setns_by_fd(descriptor)
        .build();
    ask(async |netlink| netlink.link().set(moved).execute().await)
        .with_context(|| format!("cannot move the end of {here} to {}", namespace.name()))?;
    up(here)?;
    namespace.run(|| {
        up(there)?;
        await_carrying(there)
    })?;
    await_carrying(here)
}

/// The kernel drops what is sent into a link that is up until it has noticed that its other end is, too.
fn await_carrying(name: &str) -> Result<()> {
    wait_until("the link carries", CARRYING_SOON, || {
        let state = attribute(name, |attribute| match attribute {
            LinkAttribute::OperState(state) => Some(state),
            _ => None,
        });
        (state.ok()? == State::Up).then_some(())
    })
}

/// Plugs a link into a bridge.
pub fn plug(name: &str, bridge: &str) -> Result<()> {
    let (link, controller) = (index(name)?, index(bridge)?);
    let joined = LinkUnspec::new_with_index(link)
        .controller(controller)
        .build();
    ask(async |netlink| netlink.link().set(joined).execute().await)
        .with_context(|| format!("cannot plug {name} into {bridge}"))
}

/// The kernel's number of a link.
pub(crate) fn index(name: &str) -> Result<u32> {
    if_nametoindex(name).with_context(|| format!("there is no link {name}"))
}

/// One conversation with the kernel. The socket belongs to the calling thread's namespace.
fn ask<E: Into<anyhow::Error>>(request: impl AsyncFnOnce(Handle) -> Result<(), E>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context("cannot start a runtime")?;
    runtime.block_on(async {
        let (connection, handle, _) =
            rtnetlink::new_connection().context("cannot open a netlink socket")?;
        tokio::spawn(connection);
        request(handle).await.map_err(Into::into)
    })
}
