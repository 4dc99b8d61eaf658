//! SCTP through a service. The kernel's own SCTP is not needed: packets are made by hand, over raw sockets.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use ground::network::Pod;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::Read;
use tests::cluster::{PORT, address};
use tests::story::tell;
use tests::world::{PATIENCE, World};

use crate::{BACKENDS, VIP_V4, VIP_V6, to, web};

/// The number of SCTP among IP protocols.
const SCTP: i32 = 132;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;

/// A packet with one INIT or INIT ACK chunk (RFC 9260 sections 3.1 to 3.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Message {
    ports: (u16, u16),
    kind: u8,
    /// The verification tag of the packet, and the initiate tag of the chunk.
    tags: (u32, u32),
}

impl Message {
    fn bytes(self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.ports.0.to_be_bytes());
        bytes.extend(self.ports.1.to_be_bytes());
        bytes.extend(self.tags.0.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend([self.kind, 0, 0, 20]);
        bytes.extend(self.tags.1.to_be_bytes());
        bytes.extend(65_536u32.to_be_bytes());
        bytes.extend([0, 1, 0, 1]);
        bytes.extend(7u32.to_be_bytes());
        let sum = crc32c(&bytes);
        bytes[8..12].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads a packet whose checksum is right.
    fn parse(bytes: &[u8]) -> Option<Message> {
        let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let half = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        let mut unsummed = bytes.to_vec();
        unsummed.get_mut(8..12)?.fill(0);
        let is_right = bytes.get(8..12)? == crc32c(&unsummed).to_le_bytes();
        is_right.then_some(Message {
            ports: (half(0)?, half(2)?),
            kind: *bytes.get(12)?,
            tags: (word(4)?, word(16)?),
        })
    }
}

/// CRC-32C (RFC 9260 appendix A), bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg())
        })
    });
    !crc
}

/// Raw SCTP in a pod.
struct Raw(Socket);

impl Raw {
    fn open(pod: &Pod, is_v4: bool) -> Result<Raw> {
        let domain = if is_v4 { Domain::IPV4 } else { Domain::IPV6 };
        let open = || Socket::new(domain, Type::RAW, Some(Protocol::from(SCTP)));
        let socket = pod
            .namespace
            .run(open)
            .context("cannot open a raw socket")?;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        Ok(Raw(socket))
    }

    fn send(&self, to: IpAddr, message: Message) -> Result<()> {
        self.0
            .send_to(&message.bytes(), &SocketAddr::new(to, 0).into())?;
        Ok(())
    }

    /// The next message that comes, if one does now.
    fn receive(&self) -> Option<Message> {
        let mut buffer = [0; 256];
        let length = (&self.0).read(&mut buffer).ok()?;
        let is_v4 = self.0.domain().ok()? == Domain::IPV4;
        // An IPv4 raw socket delivers the IP header too.
        let header = if is_v4 {
            usize::from(buffer[0] & 15) * 4
        } else {
            0
        };
        Message::parse(buffer.get(header..length)?)
    }
}

/// Who of several receives a message first, and the message.
fn first<'r>(receivers: &'r [(&'r str, Raw)]) -> Result<(&'r str, Message)> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        for (pod, raw) in receivers {
            if let Some(message) = raw.receive() {
                return Ok((pod, message));
            }
        }
    }
    anyhow::bail!("no backend received anything")
}

fn associate(world: &World, client: &str, vip: SocketAddr) -> Result<()> {
    let is_v4 = vip.is_ipv4();
    let open = |pod| Ok((pod, Raw::open(world.pod(pod)?, is_v4)?));
    let receivers = BACKENDS.into_iter().map(open).collect::<Result<Vec<_>>>()?;
    let raw = Raw::open(world.pod(client)?, is_v4)?;
    let mut served = std::collections::BTreeSet::new();
    for port in 5000..5032 {
        let init = Message {
            ports: (port, vip.port()),
            kind: INIT,
            tags: (0, 0x1111_0000 + u32::from(port)),
        };
        raw.send(vip.ip(), init)?;
        let (backend, seen) = first(&receivers)?;
        assert_eq!(
            seen,
            Message {
                ports: (port, PORT),
                ..init
            },
            "only the port is another"
        );
        served.insert(backend);
        let answer = Message {
            ports: (PORT, port),
            kind: INIT_ACK,
            tags: (init.tags.1, 0x2222_0000),
        };
        let (_, server) = receivers
            .iter()
            .find(|it| it.0 == backend)
            .context("it is one of them")?;
        server.send(address(client, is_v4), answer)?;
        let start = Instant::now();
        let heard = std::iter::from_fn(|| (start.elapsed() < PATIENCE).then(|| raw.receive()))
            .flatten()
            .next();
        let expected = Message {
            ports: (vip.port(), port),
            ..answer
        };
        assert_eq!(heard, Some(expected), "the answer comes from the service");
    }
    assert_eq!(served.into_iter().collect::<Vec<_>>(), BACKENDS);
    Ok(())
}

#[test]
fn associations_are_balanced_and_their_checksums_stay_right() {
    tell(|| {
        let world = World::cluster(3, 1)?;
        web(&world, "sctp", &BACKENDS)?;
        associate(&world, "a1", to(VIP_V4))?;
        associate(&world, "b1", to(VIP_V6))
    });
}
