//! Streams at full speed through real devices: every byte arrives as it was sent, in packets far longer than the MTU, on
//! and across nodes, over both families, to pods and to services.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ground::frames::Frames;
use ground::namespace::Namespace;
use ground::network::Pod;
use nix::sys::socket::{setsockopt, sockopt};
use tests::cluster::{PORT, address, backends};
use tests::story::tell;
use tests::world::{PATIENCE, World};

/// Bytes of one stream.
const STREAM: usize = 16 << 20;
/// The longest frame that is no super-packet.
const LONGEST_FRAME: usize = 1514;
const VIPS: [&str; 2] = ["10.96.0.1:80", "[fd96::1]:80"];

/// Bytes that differ from place to place, so that none can be taken for another.
fn pattern(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Sends a stream from a client to an address behind which a server listens; fails unless all bytes arrive as they were.
fn transfer(
    client: &Namespace,
    server: &Namespace,
    listen: SocketAddr,
    to: SocketAddr,
) -> Result<()> {
    let listener = server
        .run(|| TcpListener::bind(listen))
        .context("cannot listen")?;
    let sent = pattern(STREAM);
    std::thread::scope(|scope| {
        let sink = scope.spawn(|| -> Result<Vec<u8>> {
            let (mut stream, _) = listener.accept()?;
            stream.set_read_timeout(Some(PATIENCE))?;
            let mut bytes = Vec::with_capacity(STREAM);
            stream
                .read_to_end(&mut bytes)
                .context("the stream stalls")?;
            Ok(bytes)
        });
        client.run(|| -> Result<()> {
            let mut stream = TcpStream::connect_timeout(&to, PATIENCE).context("cannot connect")?;
            stream.set_write_timeout(Some(PATIENCE))?;
            Ok(stream.write_all(&sent)?)
        })?;
        let arrived = sink
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        ensure!(arrived == sent, "what arrived is not what was sent");
        Ok(())
    })
}

/// Transfers, and fails unless the receiving interface saw packets longer than its MTU.
fn transfer_super(client: &Pod, server: &Pod, listen: SocketAddr, to: SocketAddr) -> Result<()> {
    let story = format!("to {to}");
    let frames = Frames::open(&server.namespace, &server.interface)?;
    transfer(&client.namespace, &server.namespace, listen, to).with_context(|| story.clone())?;
    let long = frames.find(Duration::from_secs(1), |frame| {
        frame.len() > 2 * LONGEST_FRAME
    })?;
    ensure!(long.is_some(), "{story}: no packet longer than the MTU");
    Ok(())
}

#[test]
fn streams_between_pods_arrive_whole_in_super_packets() {
    tell(|| {
        let world = World::cluster(2, 1)?;
        for server in ["a2", "b2"] {
            for is_v4 in [true, false] {
                let listen = SocketAddr::new(address(server, is_v4), PORT);
                transfer_super(world.pod("a1")?, world.pod(server)?, listen, listen)?;
            }
        }
        for node in ["a", "b"] {
            for reason in [
                "offload-invalid",
                "mtu-exceeded",
                "connection-invalid",
                "no-buffer",
            ] {
                ensure!(world.drops(node, reason)? == 0, "{node}: {reason}");
            }
        }
        Ok(())
    });
}

#[test]
fn streams_to_a_service_arrive_whole_in_super_packets() {
    tell(|| {
        let world = World::cluster(2, 1)?;
        for server in ["a2", "b2"] {
            let [v4, v6] = [true, false].map(|is_v4| backends([server], is_v4));
            world.service("bulk", "tcp", &[(VIPS[0], &v4), (VIPS[1], &v6)])?;
            for (vip, is_v4) in VIPS.into_iter().zip([true, false]) {
                let listen = SocketAddr::new(address(server, is_v4), PORT);
                transfer_super(world.pod("a1")?, world.pod(server)?, listen, vip.parse()?)?;
            }
            world.change("lb-del bulk")?;
        }
        Ok(())
    });
}

/// Sends datagrams that the kernel is asked to cut; fails unless they arrive one by one as they were.
fn datagrams(client: &Namespace, server: &Namespace, to: SocketAddr) -> Result<()> {
    const SIZE: usize = 1_000;
    let receiver = server.run(|| UdpSocket::bind(to)).context("cannot bind")?;
    receiver.set_read_timeout(Some(PATIENCE))?;
    let any = match to.is_ipv4() {
        true => Ipv4Addr::UNSPECIFIED.into(),
        false => Ipv6Addr::UNSPECIFIED.into(),
    };
    let sender = client
        .run(|| UdpSocket::bind(SocketAddr::new(any, 0)))
        .context("cannot bind")?;
    setsockopt(&sender, sockopt::UdpGsoSegment, &(SIZE as i32))?;
    let sent = pattern(10 * SIZE + 300);
    sender.send_to(&sent, to).context("cannot send")?;
    for expected in sent.chunks(SIZE) {
        let mut datagram = [0; 2 * SIZE];
        let length = receiver.recv(&mut datagram).context("a datagram is lost")?;
        ensure!(
            datagram[..length] == *expected,
            "a datagram is not what was sent"
        );
    }
    Ok(())
}

#[test]
fn datagrams_that_the_kernel_was_to_cut_arrive_one_by_one() {
    tell(|| {
        let world = World::cluster(2, 1)?;
        let client = world.pod("a1")?;
        for server in ["a2", "b2"] {
            for is_v4 in [true, false] {
                let to = SocketAddr::new(address(server, is_v4), PORT);
                // The first packet of a conversation may wait for its neighbour.
                client
                    .namespace
                    .run(|| ground::probe::reaches(to.ip(), PATIENCE))?;
                datagrams(&client.namespace, &world.pod(server)?.namespace, to)
                    .with_context(|| format!("to {to}"))?;
            }
        }
        Ok(())
    });
}
