//! Frames as fast as they are forwarded, with sender and sink out of the way.
//!
//! Frames are put on the client's interface below its network stack, and are dropped where they come out of the server's,
//! before its. No more are on their way than every system's queues hold: what is measured is what is forwarded without loss.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use etherparse::PacketBuilder;
use ground::frames::Frames;
use ground::process::wait_until;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket};

use super::{Metric, PATIENCE, PORT, Values, echo};
use crate::peer::{Path, Station};
use crate::shell;

/// The port that frames come from.
const FROM: u16 = 5300;
/// Frames that are on their way at once.
const WINDOW: u64 = 256;
/// Frames that are sent between two looks at what has arrived.
const BURST: u64 = 32;
/// After so long frames that have not arrived are lost.
const LOSS: Duration = Duration::from_millis(50);
/// Bytes before the payload of a UDP datagram over IPv4.
const HEADERS: usize = 42;
/// The check sequence that a frame has on a cable, and that counts to its length.
const CHECK_SEQUENCE: usize = 4;

/// What drops the frames.
const SINK: &str = "table netdev sink {
    chain in {
        type filter hook ingress device \"@\" priority 0;
        udp dport 5201 drop
    }
}";

pub(super) fn run(path: &Path, bytes: usize, time: Duration) -> Result<Values> {
    echo::introduce(path, FROM).context("before the frames")?;
    let frame = build(path, bytes)?;
    let server = &path.server;
    let sink = SINK.replace('@', &server.interface);
    shell::run_words(&server.namespace, &["nft", "-f", "-"], &sink)?;
    let counter = server.namespace.run(|| Counter::open(&server.interface));
    let sent = counter.and_then(|counter| {
        let client = &path.client;
        client
            .namespace
            .run(|| send(client, &frame, &counter, time))
    });
    shell::run(&server.namespace, "nft delete table netdev sink")?;
    sent
}

/// The frame: of the flow that was introduced.
fn build(path: &Path, bytes: usize) -> Result<Vec<u8>> {
    let client = &path.client;
    let from = Frames::open(&client.namespace, &client.interface)?.mac();
    let to = client.namespace.run(|| neighbour(path.next_hop))?;
    let builder = PacketBuilder::ethernet2(from, to)
        .ipv4(client.address.octets(), path.to.octets(), 64)
        .udp(FROM, PORT);
    let payload = vec![0; bytes - CHECK_SEQUENCE - HEADERS];
    let mut frame = Vec::with_capacity(bytes);
    builder.write(&mut frame, &payload)?;
    Ok(frame)
}

/// The MAC address of a neighbour that the calling thread's namespace knows.
fn neighbour(address: Ipv4Addr) -> Result<[u8; 6]> {
    let table = std::fs::read_to_string("/proc/thread-self/net/arp")?;
    let address = address.to_string();
    let line = table.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some(&address)).then(|| words.nth(2))?
    });
    let text = line.with_context(|| format!("{address} is not known to its neighbour"))?;
    let bytes: Vec<u8> = text
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16))
        .collect::<Result<_, _>>()?;
    bytes.try_into().ok().context("a MAC address has six bytes")
}

/// The kernel's count of what came out of an interface.
struct Counter {
    file: File,
    label: String,
}

/// What came out so far. A system may hand over many datagrams as one super-packet, so bytes count too.
#[derive(Clone, Copy)]
struct Count {
    bytes: u64,
    packets: u64,
}

impl Counter {
    /// Of an interface in the calling thread's namespace.
    fn open(interface: &str) -> Result<Counter> {
        let file = File::open("/proc/thread-self/net/dev").context("interfaces are not told of")?;
        let label = format!("{interface}:");
        Ok(Counter { file, label })
    }

    fn read(&self) -> Result<Count> {
        let mut buffer = [0; 4096];
        let length = self.file.read_at(&mut buffer, 0)?;
        let text = std::str::from_utf8(&buffer[..length])?;
        let line = text
            .lines()
            .find_map(|line| line.trim_start().strip_prefix(&self.label));
        let mut numbers = line.context("the interface is gone")?.split_whitespace();
        let mut next = || numbers.next().unwrap_or_default().parse();
        Ok(Count {
            bytes: next()?,
            packets: next()?,
        })
    }
}

/// How bytes and packets of an interface become datagrams.
struct Scale {
    start: Count,
    /// Bytes that the kernel counts for the headers of a packet.
    headers: u64,
    payload: u64,
}

impl Scale {
    /// Learns it from one frame that is sent alone.
    fn learn(counter: &Counter, payload: usize, send: impl Fn() -> Result<()>) -> Result<Scale> {
        let before = counter.read()?;
        send()?;
        let after = wait_until("the first frame", PATIENCE, || {
            counter
                .read()
                .ok()
                .filter(|now| now.packets > before.packets)
        })?;
        let payload = payload as u64;
        let alone = (after.bytes - before.bytes) / (after.packets - before.packets);
        Ok(Scale {
            start: after,
            headers: alone.saturating_sub(payload),
            payload,
        })
    }

    /// Datagrams that have arrived since then.
    fn arrived(&self, counter: &Counter) -> Result<u64> {
        let now = counter.read()?;
        let bytes = now.bytes - self.start.bytes;
        let headers = self.headers * (now.packets - self.start.packets);
        Ok(bytes.saturating_sub(headers) / self.payload)
    }
}

/// Sends from the calling thread's namespace, whose station is `client`.
fn send(client: &Station, frame: &[u8], counter: &Counter, time: Duration) -> Result<Values> {
    let (socket, link) = open(&client.interface)?;
    let put = || -> Result<()> {
        sendto(socket.as_raw_fd(), frame, &link, MsgFlags::empty())?;
        Ok(())
    };
    let scale = Scale::learn(counter, frame.len() - HEADERS, put)?;
    let (mut sent, mut lost) = (0_u64, 0_u64);
    let mut arrived = 0_u64;
    let start = Instant::now();
    let mut progress = start;
    while start.elapsed() < time {
        if sent - arrived - lost <= WINDOW - BURST {
            for _ in 0..BURST {
                put()?;
            }
            sent += BURST;
        } else {
            std::thread::yield_now();
        }
        let now = scale.arrived(counter)?;
        if now > arrived {
            arrived = now;
            progress = Instant::now();
            lost = lost.min(sent.saturating_sub(arrived));
        } else if progress.elapsed() > LOSS {
            lost = sent.saturating_sub(arrived);
            progress = Instant::now();
        }
    }
    let took = start.elapsed().as_secs_f64();
    ensure!(arrived > 0, "no frame arrives");
    Ok(vec![
        (Metric::Frames, arrived as f64 / took / 1e3),
        (Metric::Lost, lost as f64 / sent as f64 * 1e3),
    ])
}

/// A socket that puts frames on an interface and receives none.
fn open(interface: &str) -> Result<(OwnedFd, LinkAddr)> {
    let socket = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    let link = getifaddrs()?
        .filter(|entry| entry.interface_name == interface)
        .find_map(|entry| entry.address?.as_link_addr().copied());
    Ok((socket, link.context("the interface is gone")?))
}
