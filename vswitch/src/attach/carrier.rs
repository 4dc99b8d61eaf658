//! The interface of this node that carries an address.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use netlink_packet_route::address::AddressAttribute;
use netlink_packet_route::link::LinkAttribute;
use rtnetlink::Handle;
use tokio_stream::StreamExt;

use super::netns::speak;

/// Where the kernel tells of interfaces.
const INTERFACES: &str = "/sys/class/net";
/// Interfaces that stand on one another (a VLAN on a bond, say), at most.
const STACKED_MAX: u32 = 4;

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carrier {
    index: u32,
    name: String,
    /// Its MTU.
    pub mtu: u32,
}

impl Carrier {
    /// The interface in the caller's namespace that carries `address`; `None` when none does.
    pub fn of(address: IpAddr) -> io::Result<Option<Carrier>> {
        // Netlink blocks on a runtime of its own, which may not stand on the caller's.
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| speak(async |handle| find(&handle, address).await));
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?
        .map_err(io::Error::other)
    }

    /// The speed that the interface tells, in megabits a second; `None` if there is no device below it whose speed that
    /// could be.
    pub fn speed_mbits(&self) -> Option<u32> {
        speed_mbits(Path::new(INTERFACES), &self.name, self.index)
    }
}

async fn find(handle: &Handle, wanted: IpAddr) -> Result<Option<Carrier>, rtnetlink::Error> {
    let mut addresses = std::pin::pin!(handle.address().get().execute());
    let mut index = None;
    while let Some(address) = addresses.try_next().await? {
        let is_wanted = |attribute: &AddressAttribute| match attribute {
            AddressAttribute::Address(ip) | AddressAttribute::Local(ip) => *ip == wanted,
            _ => false,
        };
        if address.attributes.iter().any(is_wanted) {
            index = Some(address.header.index);
        }
    }
    let Some(index) = index else { return Ok(None) };
    let mut links = std::pin::pin!(handle.link().get().match_index(index).execute());
    let mut carrier = None;
    while let Some(link) = links.try_next().await? {
        carrier = of_attributes(index, &link.attributes);
    }
    Ok(carrier)
}

fn of_attributes(index: u32, attributes: &[LinkAttribute]) -> Option<Carrier> {
    let mtu = attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Mtu(mtu) => Some(*mtu),
        _ => None,
    })?;
    let name = attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::IfName(name) => Some(name.clone()),
        _ => None,
    });
    Some(Carrier {
        index,
        name: name.unwrap_or_default(),
        mtu,
    })
}

/// What is told of an interface of another namespace is not about this one: their numbers differ.
fn speed_mbits(interfaces: &Path, name: &str, index: u32) -> Option<u32> {
    let interface = interfaces.join(name);
    if number(&interface.join("ifindex"))? != i64::from(index)
        || !has_device(&interface, STACKED_MAX)
    {
        return None;
    }
    // -1 when it is not known.
    let speed = u32::try_from(number(&interface.join("speed"))?).ok();
    speed.filter(|speed| *speed > 0)
}

/// True if an interface is a device's, or stands on one that is. Others have a speed that somebody thought of.
fn has_device(interface: &Path, stacked_max: u32) -> bool {
    if interface.join("device").exists() {
        return true;
    }
    let Ok(entries) = std::fs::read_dir(interface) else {
        return false;
    };
    let below = entries.flatten().filter(|entry| {
        let name = entry.file_name();
        name.to_string_lossy().starts_with("lower_")
    });
    stacked_max > 0
        && below
            .map(|entry| entry.path())
            .any(|path| has_device(&path, stacked_max - 1))
}

fn number(path: &Path) -> Option<i64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An interface with these files, of which `device` is one that only has to be there.
    fn interface(root: &Path, name: &str, files: &[(&str, &str)]) {
        std::fs::create_dir(root.join(name)).unwrap();
        for (file, text) in files {
            std::fs::write(root.join(name).join(file), text).unwrap();
        }
    }

    #[test]
    fn only_a_device_tells_its_speed() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        interface(
            root,
            "nic",
            &[("ifindex", "2\n"), ("speed", "25000\n"), ("device", "")],
        );
        interface(root, "veth", &[("ifindex", "3\n"), ("speed", "10000\n")]);
        interface(
            root,
            "unknown",
            &[("ifindex", "4\n"), ("speed", "-1\n"), ("device", "")],
        );
        interface(root, "vlan", &[("ifindex", "5\n"), ("speed", "25000\n")]);
        std::os::unix::fs::symlink("../nic", root.join("vlan/lower_nic")).unwrap();
        for (name, index, expected) in [
            ("nic", 2, Some(25_000)),
            ("nic", 7, None),
            ("veth", 3, None),
            ("unknown", 4, None),
            ("vlan", 5, Some(25_000)),
            ("gone", 6, None),
        ] {
            let speed = speed_mbits(root, name, index);
            assert_eq!(speed, expected, "{name} {index}");
        }
    }
}
