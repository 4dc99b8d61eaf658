//! Forwards frames between two devices and does nothing else: the ceiling for a switch on the same devices.
//!
//! `forwarder tap NETNS NETNS` joins TAP devices in two network namespaces, through one buffer; `forwarder ports NETNS NETNS IO`
//! does it through weft's own ports, in batches, where `IO` is as in `vswitch --io`. `forwarder tunnel NETNS OWN FAR` joins a
//! TAP device with a Geneve tunnel between two addresses. The devices are called `eth0`, and are gone when the program
//! is. It says `ready` on its standard error.

use std::fs::File;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;

use anyhow::{Context, Error, Result, bail};
use clap::ValueEnum;
use packet::geneve;
use packet::offload::{self, Offload, Offloads, TransportSum};
use vswitch::buffer::{LARGE, Packet, Pool};
use vswitch::port::{BATCH, Batch, Frame, Io, Outer, Port, TapPort, Transfer, TunnelPort};
use vswitch::sys::poll::Poll;
use vswitch::sys::tap::{self, Options, Queue};
use vswitch::sys::virtio::HEADER_LENGTH;

/// The UDP port of Geneve (RFC 8926 section 3.3).
const GENEVE_PORT: u16 = 6081;

/// What stands in every packet of the tunnel.
const HEADER: geneve::Header = geneve::Header {
    vni: 1,
    ingress: 1,
    egress: 2,
};

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["tap", one, other] => join(&[open(one)?, open(other)?]),
        ["ports", one, other, io] => {
            let transfer = Io::from_str(io, false).map_err(Error::msg)?.transfer()?;
            join_ports([one, other], transfer)
        }
        ["tunnel", netns, own, far] => Ends::open(netns, own.parse()?, far.parse()?)?.join(),
        _ => bail!(
            "usage: forwarder tap NETNS NETNS | forwarder ports NETNS NETNS IO | forwarder tunnel NETNS OWN FAR"
        ),
    }
}

/// Makes a TAP device in a network namespace.
fn open(netns: &str) -> Result<Queue> {
    let file = File::open(netns).with_context(|| format!("cannot open {netns}"))?;
    let options = Options {
        name: "eth0",
        queues: 1,
        offloads: Offloads::All,
    };
    let queue = tap::open(Some(file.as_fd()), &options)?.pop();
    let queue = queue.context("a device without a queue")?;
    queue.set_persistent(false)?;
    Ok(queue)
}

/// Reads from either device into one buffer, and writes it to the other.
fn join(queues: &[Queue; 2]) -> Result<()> {
    let mut poll = Poll::new()?;
    for (queue, token) in queues.iter().zip(0..) {
        poll.add(queue.as_fd(), token)?;
    }
    let mut buffer = vec![0; HEADER_LENGTH + LARGE];
    eprintln!("ready");
    loop {
        for token in poll.wait(None)? {
            let (from, to) = (
                &queues[token as usize & 1],
                &queues[1 - (token as usize & 1)],
            );
            for _ in 0..BATCH {
                match from.receive(&mut buffer) {
                    // What the other side cannot take is lost.
                    Ok((_, length)) => drop(to.transmit(&buffer[..HEADER_LENGTH + length])),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => return Err(error).context("the device cannot be read"),
                }
            }
        }
    }
}

/// Reads from either device in batches, and writes them to the other.
fn join_ports(ends: [&str; 2], transfer: Transfer) -> Result<()> {
    let end = |netns| Ok::<_, Error>(TapPort::new(open(netns)?, transfer));
    let mut ports = [end(ends[0])?, end(ends[1])?];
    let mut poll = Poll::new()?;
    for (port, token) in ports.iter().zip(0..) {
        poll.add(port.readiness(), token)?;
    }
    let mut pool = Pool::new(256, 64);
    let mut batch = Batch::default();
    eprintln!("ready");
    loop {
        for token in poll.wait(None)? {
            let from = token as usize & 1;
            ports[from].receive(&mut pool, &mut batch)?;
            // What the other side cannot take is lost.
            ports[1 - from].transmit(&mut batch.frames, &mut |frame, _| pool.give(frame.packet));
            batch.refused.clear();
        }
    }
}

/// A TAP device and a tunnel.
struct Ends {
    tap: TapPort,
    tunnel: TunnelPort,
    far: SocketAddr,
    pool: Pool,
}

impl Ends {
    fn open(netns: &str, own: IpAddr, far: IpAddr) -> Result<Ends> {
        Ok(Ends {
            tap: TapPort::new(open(netns)?, Transfer::Single),
            tunnel: TunnelPort::bind(SocketAddr::new(own, GENEVE_PORT))?,
            far: SocketAddr::new(far, GENEVE_PORT),
            pool: Pool::new(2_048, 256),
        })
    }

    fn join(&mut self) -> Result<()> {
        let mut poll = Poll::new()?;
        poll.add(self.tap.readiness(), 0)?;
        poll.add(self.tunnel.readiness(), 1)?;
        let mut batch = Batch::default();
        eprintln!("ready");
        loop {
            for token in poll.wait(None)? {
                match token {
                    0 => self.send(&mut batch)?,
                    _ => self.receive(&mut batch)?,
                }
                batch.refused.clear();
            }
        }
    }

    /// From the device into the tunnel.
    fn send(&mut self, batch: &mut Batch) -> Result<()> {
        let (pool, far) = (&mut self.pool, self.far);
        self.tap.receive(pool, batch)?;
        for frame in &mut batch.frames {
            let sum = finish(&mut frame.packet);
            frame.packet.push_front(&HEADER.encode(sum))?;
            frame.outer = Some(Outer {
                remote: far,
                ecn: 0,
                entropy: 0,
                sum,
            });
        }
        self.tunnel
            .transmit(&mut batch.frames, &mut |frame, _| pool.give(frame.packet));
        Ok(())
    }

    /// From the tunnel to the device.
    fn receive(&mut self, batch: &mut Batch) -> Result<()> {
        let pool = &mut self.pool;
        self.tunnel.receive(pool, batch)?;
        for Frame { packet, .. } in &mut batch.frames {
            packet.pull_front(geneve::HEADER_LENGTH);
        }
        self.tap
            .transmit(&mut batch.frames, &mut |frame, _| pool.give(frame.packet));
        Ok(())
    }
}

/// Completes a packet that stands for itself alone; says what the checksum of the others is.
fn finish(packet: &mut Packet) -> TransportSum {
    if packet.offload.is_super() {
        return packet.offload.transport_sum();
    }
    if let Some(checksum) = packet.offload.checksum {
        offload::complete(packet.bytes_mut(), checksum);
        packet.offload = Offload::NONE;
    }
    TransportSum::Complete
}
