//! What one pod may do to others: scans and floods, made as raw frames on its own interface.
//!
//! The attacker keeps to its addresses, so that port security lets it do its worst.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use etherparse::{IpFragOffset, IpHeaders, IpNumber, Ipv4Header, Ipv6Header, PacketBuilder};
use ground::frames::Frames;

use crate::cluster::{NODES, address, node};
use crate::random::Seeded;
use crate::world::World;

/// Kinds of attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attack {
    /// One SYN for each port of each pod, and of addresses that nobody has.
    Scan,
    /// SYNs to a service's port, each from another port.
    Syns,
    /// Datagrams between ports by chance.
    Datagrams,
    /// Fragments of datagrams of which the rest never comes.
    Fragments,
}

/// All kinds.
pub const ATTACKS: [Attack; 4] = [
    Attack::Scan,
    Attack::Syns,
    Attack::Datagrams,
    Attack::Fragments,
];

/// How much an attack may do.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Frames, at most.
    pub frames: u64,
    /// The time that it takes, at most.
    pub time: Duration,
}

/// A pod that attacks.
#[derive(Debug)]
pub struct Attacker {
    frames: Frames,
    pod: String,
    chance: Seeded,
    /// What a frame is built in.
    buffer: Vec<u8>,
}

impl Attacker {
    /// Prepares an attack by a pod of a cluster, through an interface of its own: `eth0`, or one that leads nowhere.
    pub fn prepare(world: &World, pod: &str, interface: &str) -> Result<Attacker> {
        Ok(Attacker {
            frames: Frames::open(&world.pod(pod)?.namespace, interface)?,
            pod: pod.to_owned(),
            chance: Seeded::new(1),
            buffer: Vec::new(),
        })
    }

    /// Attacks a pod, or the service at `victim`, over both families in turn. Says how many frames went out.
    pub fn run(&mut self, attack: Attack, victims: [IpAddr; 2], bounds: Bounds) -> Result<u64> {
        let start = Instant::now();
        let mut sent = 0;
        while sent < bounds.frames && start.elapsed() < bounds.time {
            self.build(attack, victims[sent as usize % 2], sent)?;
            // A full queue takes no more: the attack goes on with the next frame.
            let _ = self.frames.send(&self.buffer);
            sent += 1;
        }
        Ok(sent)
    }

    fn build(&mut self, attack: Attack, victim: IpAddr, number: u64) -> Result<()> {
        let any_port = |chance: &mut Seeded| chance.within(1..65_536) as u16;
        let (source, other) = (any_port(&mut self.chance), any_port(&mut self.chance));
        let to = match attack {
            Attack::Scan => nth_host(victim.is_ipv4(), number / 2 % 512),
            _ => victim,
        };
        let own = address(&self.pod, to.is_ipv4());
        let subnet = 1 + NODES
            .iter()
            .position(|it| *it == node(&self.pod))
            .context("node")?;
        let (number_of_pod, gateway) = (self.pod[1..].parse()?, 0xfe);
        let mac = |last| [0x0a, 0, 0, 0, subnet as u8, last];
        self.buffer.clear();
        let link = PacketBuilder::ethernet2(mac(number_of_pod), mac(gateway));
        let sequence = self.chance.number() as u32;
        let built = match attack {
            Attack::Scan => {
                let port = 1 + (number / 1024 % 65_535) as u16;
                let tcp = link
                    .ip(headers(own, to, None)?)
                    .tcp(source, port, sequence, 1024);
                tcp.syn().write(&mut self.buffer, &[])
            }
            Attack::Syns => {
                let tcp = link
                    .ip(headers(own, to, None)?)
                    .tcp(source, 80, sequence, 1024);
                tcp.syn().write(&mut self.buffer, &[])
            }
            Attack::Datagrams => {
                let udp = link.ip(headers(own, to, None)?).udp(source, other);
                udp.write(&mut self.buffer, b"flood")
            }
            Attack::Fragments => {
                let fragments = headers(own, to, Some((sequence, source)))?;
                link.ip(fragments)
                    .write(&mut self.buffer, IpNumber::UDP, &[0; 64])
            }
        };
        built.context("a frame cannot be built")
    }
}

/// One of the addresses of both subnets of the cluster.
fn nth_host(is_v4: bool, number: u64) -> IpAddr {
    let (subnet, host) = (1 + number / 256, number % 256);
    match is_v4 {
        true => IpAddr::from([10, 244, subnet as u8, host as u8]),
        false => IpAddr::from([0xfd00, 0x244, subnet as u16, 0, 0, 0, 0, host as u16]),
    }
}

/// IP headers; of a fragment, with the datagram's identification and a place in it by chance.
fn headers(from: IpAddr, to: IpAddr, fragment: Option<(u32, u16)>) -> Result<IpHeaders> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = Ipv4Header::new(0, 64, IpNumber::UDP, from.octets(), to.octets())?;
            if let Some((identification, place)) = fragment {
                header.dont_fragment = false;
                header.identification = identification as u16;
                header.more_fragments = true;
                header.fragment_offset = IpFragOffset::try_new(place >> 4)?;
            }
            Ok(IpHeaders::Ipv4(header, Default::default()))
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let header = Ipv6Header {
                hop_limit: 64,
                source: from.octets(),
                destination: to.octets(),
                ..Ipv6Header::default()
            };
            let mut extensions = etherparse::Ipv6Extensions::default();
            if let Some((identification, place)) = fragment {
                extensions.fragment = Some(etherparse::Ipv6FragmentHeader {
                    next_header: IpNumber::UDP,
                    fragment_offset: IpFragOffset::try_new(place >> 4)?,
                    more_fragments: true,
                    identification,
                });
            }
            Ok(IpHeaders::Ipv6(header, extensions))
        }
        _ => bail!("{from} and {to} are of two families"),
    }
}
