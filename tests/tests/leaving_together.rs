//! Packets of one flow that leave by one interface together are one super-packet to the kernel, and what they were to the
//! programs of the pod.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::{Context, Result};
use etherparse::PacketBuilder;
use ground::frames::Frames;
use ground::link;
use ground::namespace::Namespace;
use tests::story::tell;
use vswitch::buffer::Pool;
use vswitch::port::{Frame, Io, Port, TapBackend, Taps};

const INTERFACE: &str = "eth0";
const POD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const PORT: u16 = 7;
/// Where the checksum of a datagram without IPv4 options stands in its frame.
const UDP_CHECKSUM: usize = 40;
const SOON: Duration = Duration::from_secs(3);

/// A datagram from a station and port, whose checksum is right or not.
#[derive(Clone, Copy)]
struct Datagram {
    from: (u8, u16),
    payload: &'static [u8],
    is_good: bool,
}

/// A datagram of the flow that the others are compared with.
const fn of_flow(payload: &'static [u8]) -> Datagram {
    of((2, 1000), payload)
}

const fn of(from: (u8, u16), payload: &'static [u8]) -> Datagram {
    Datagram {
        from,
        payload,
        is_good: true,
    }
}

/// A pod whose interface this test holds the other end of.
struct Pod {
    namespace: Namespace,
    end: Box<dyn Port>,
    pool: Pool,
    mac: [u8; 6],
}

impl Pod {
    fn make(name: &str) -> Result<Pod> {
        let namespace = Namespace::new(name)?;
        let file = File::open(namespace.path())?;
        let taps = Taps {
            backend: TapBackend::Multiqueue,
            transfer: Io::Auto.transfer()?,
        };
        let ends = taps.open(Some(file.as_fd()), INTERFACE, 1)?;
        let end = ends.into_iter().next().context("an end")?;
        namespace.run(|| -> Result<()> {
            link::add_address(INTERFACE, ipnet::IpNet::new(POD.into(), 24)?)?;
            link::up(INTERFACE)
        })?;
        let mac = Frames::open(&namespace, INTERFACE)?.mac();
        Ok(Pod {
            namespace,
            end,
            pool: Pool::new(64, 4),
            mac,
        })
    }

    /// A datagram from a station and port to the pod.
    fn frame(&self, (station, port): (u8, u16), payload: &[u8]) -> Result<Vec<u8>> {
        let from = [10, 0, 0, station];
        let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, station], self.mac)
            .ipv4(from, POD.octets(), 64)
            .udp(port, PORT);
        let mut bytes = Vec::new();
        builder.write(&mut bytes, payload)?;
        Ok(bytes)
    }

    /// Hands frames to the interface, together.
    fn deliver(&mut self, frames: &[Vec<u8>]) -> Result<()> {
        let mut staged = Vec::new();
        for bytes in frames {
            let packet = self.pool.copy(bytes).context("a buffer")?;
            staged.push(Frame {
                packet,
                outer: None,
            });
        }
        let (mut fates, pool) = (Vec::new(), &mut self.pool);
        self.end.transmit(&mut staged, &mut |frame, fate| {
            fates.push(fate);
            pool.give(frame.packet);
        });
        assert_eq!(fates, vec![Ok(()); frames.len()]);
        Ok(())
    }

    /// Packets that the pod's kernel has had from its interface.
    fn received(&self) -> Result<u64> {
        let path = "/proc/thread-self/net/dev";
        let text = self.namespace.run(|| std::fs::read_to_string(path))?;
        let mut lines = text.lines();
        let line = lines.find(|line| line.trim_start().starts_with(INTERFACE));
        let words: Vec<_> = line.context("the interface")?.split_whitespace().collect();
        Ok(words[2].parse()?)
    }
}

/// Delivers datagrams to a pod of this name together. The good ones arrive each by itself, those of one sender in order;
/// the kernel has had so many packets.
fn check(name: &str, datagrams: &[Datagram], packets: u64) -> Result<()> {
    let mut pod = Pod::make(name)?;
    let bind = || UdpSocket::bind((POD, PORT));
    let socket = pod.namespace.run(bind)?;
    socket.set_read_timeout(Some(SOON))?;
    let mut frames = Vec::new();
    for datagram in datagrams {
        let mut frame = pod.frame(datagram.from, datagram.payload)?;
        frame[UDP_CHECKSUM] ^= u8::from(!datagram.is_good);
        frames.push(frame);
    }
    let before = pod.received()?;
    pod.deliver(&frames)?;
    assert_eq!(pod.received()? - before, packets);
    let mut wanted: Vec<_> = datagrams.iter().filter(|of| of.is_good).collect();
    let mut buffer = [0; 2048];
    while !wanted.is_empty() {
        let (length, from) = socket.recv_from(&mut buffer).context("a datagram")?;
        let is_from =
            |(station, port): (u8, u16)| from == SocketAddr::from(([10, 0, 0, station], port));
        let next = wanted.iter().position(|of| is_from(of.from));
        let next = wanted.remove(next.context("of a sender")?);
        assert_eq!(&buffer[..length], next.payload);
    }
    socket.set_nonblocking(true)?;
    assert!(socket.recv_from(&mut buffer).is_err(), "nothing else came");
    Ok(())
}

#[test]
fn datagrams_of_one_flow_are_one_packet_to_the_kernel_and_arrive_one_by_one() {
    tell(|| {
        let small = [of_flow(b"one"), of_flow(b"two"), of_flow(b"3")];
        check("small", &small, 1)?;
        check("long", &[of_flow(&[1; 1400]), of_flow(&[2; 1400])], 1)
    });
}

#[test]
fn what_does_not_continue_a_flow_is_a_packet_of_its_own() {
    tell(|| {
        let (other_port, other_station) = (of((2, 1001), b"two"), of((3, 1000), b"xyz"));
        check("others", &[of_flow(b"one"), other_port, other_station], 3)?;
        let longer = [of_flow(b"1"), of_flow(b"two"), of_flow(b"six")];
        check("longer", &longer, 2)?;
        check(
            "between",
            &[of_flow(b"one"), other_port, of_flow(b"six")],
            2,
        )
    });
}

#[test]
fn a_datagram_with_a_bad_checksum_is_never_passed_on_as_good() {
    tell(|| {
        let bad = Datagram {
            is_good: false,
            ..of_flow(b"two")
        };
        check("bad", &[of_flow(b"one"), bad, of_flow(b"six")], 3)
    });
}
