//! Traffic as clients make it, without a client to install: echo requests, TCP, UDP, and a stream for throughput.
//!
//! Every function runs in the calling thread's namespace; see [`crate::namespace::Namespace::run`].

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use socket2::{Domain, Protocol, Socket, Type};

use crate::namespace::Namespace;

/// How much a throughput stream writes at once, in bytes.
const CHUNK_BYTES: usize = 256 * 1024;

/// Sends one ICMP echo request with `payload` bytes and returns the time until its reply.
/// `None` when none came within `limit`.
pub fn echo(to: IpAddr, payload: usize, limit: Duration) -> Result<Option<Duration>> {
    let socket = match to {
        IpAddr::V4(_) => Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)),
        IpAddr::V6(_) => Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)),
    }
    .context("cannot open a raw socket")?;
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    let identifier = std::process::id() as u16 ^ next_identifier();
    let start = Instant::now();
    // A host that cannot find the way says so at once; that is an answer of sorts, not a failure.
    if socket
        .send_to(
            &echo_request(to, identifier, payload),
            &SocketAddr::new(to, 0).into(),
        )
        .is_err()
    {
        return Ok(None);
    }
    let mut buffer = vec![0; payload + 256];
    while start.elapsed() < limit {
        match (&socket).read(&mut buffer) {
            Ok(length) if is_reply(to, identifier, &buffer[..length]) => {
                return Ok(Some(start.elapsed()));
            }
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error).context("cannot receive an echo reply"),
        }
    }
    Ok(None)
}

/// Whether one of several echo requests in `limit` is answered. The first may be lost while routers
/// find their neighbours.
pub fn reaches(to: IpAddr, limit: Duration) -> Result<bool> {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if echo(to, 32, Duration::from_millis(300))?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A different number at each call.
fn next_identifier() -> u16 {
    use std::sync::atomic::{AtomicU16, Ordering};
    static NEXT: AtomicU16 = AtomicU16::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// An echo request (RFC 792; RFC 4443 section 4.1, whose checksum the kernel fills in).
fn echo_request(to: IpAddr, identifier: u16, payload: usize) -> Vec<u8> {
    let mut packet = vec![if to.is_ipv4() { 8 } else { 128 }, 0, 0, 0];
    packet.extend(identifier.to_be_bytes());
    packet.extend(1u16.to_be_bytes());
    packet.extend((0..payload).map(|position| position as u8));
    if to.is_ipv4() {
        let sum = checksum(&packet);
        packet[2..4].copy_from_slice(&sum.to_be_bytes());
    }
    packet
}

/// Whether a packet is the reply to our request. An IPv4 raw socket delivers the IP header too.
fn is_reply(to: IpAddr, identifier: u16, packet: &[u8]) -> bool {
    let (message, kind) = match to {
        IpAddr::V4(_) => {
            let header = packet
                .first()
                .map_or(0, |first| usize::from(first & 0x0f) * 4);
            (packet.get(header..).unwrap_or_default(), 0)
        }
        IpAddr::V6(_) => (packet, 129),
    };
    message.first() == Some(&kind) && message.get(4..6) == Some(&identifier.to_be_bytes())
}

/// The Internet checksum (RFC 1071).
pub fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// Connects from one namespace to an address in another over TCP, and checks that bytes pass both ways.
pub fn tcp_exchange(
    client: &Namespace,
    server: &Namespace,
    address: IpAddr,
    limit: Duration,
) -> Result<()> {
    let listener = server
        .run(|| TcpListener::bind((address, 0)))
        .with_context(|| format!("cannot listen on {address}"))?;
    let to = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    std::thread::scope(|scope| {
        let echo = scope.spawn(|| {
            let mut stream = accept_within(&listener, limit)?;
            let mut bytes = [0; 5];
            stream
                .read_exact(&mut bytes)
                .context("the server received nothing")?;
            stream.write_all(&bytes).context("the server cannot answer")
        });
        let asked = client.run(|| -> Result<()> {
            let mut stream = TcpStream::connect_timeout(&to, limit).context("cannot connect")?;
            stream.set_read_timeout(Some(limit))?;
            stream.write_all(b"hello").context("cannot send")?;
            let mut answer = [0; 5];
            stream.read_exact(&mut answer).context("no answer")?;
            if answer != *b"hello" {
                bail!("the answer is not what was sent: {answer:?}");
            }
            Ok(())
        });
        asked?;
        echo.join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Sends a datagram from one namespace to an address in another; whether it arrived whole in `limit`.
pub fn udp_arrives(
    client: &Namespace,
    server: &Namespace,
    address: IpAddr,
    payload: &[u8],
    limit: Duration,
) -> Result<bool> {
    let receiver = server
        .run(|| UdpSocket::bind((address, 0)))
        .context("cannot bind")?;
    receiver.set_read_timeout(Some(limit))?;
    let to = receiver.local_addr()?;
    let any: IpAddr = match address {
        IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    let sender = client
        .run(|| UdpSocket::bind((any, 0)))
        .context("cannot bind")?;
    if sender.send_to(payload, to).is_err() {
        return Ok(false);
    }
    let mut buffer = vec![0; payload.len() + 1];
    match receiver.recv_from(&mut buffer) {
        Ok((length, _)) => Ok(buffer[..length] == *payload),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Ok(false)
        }
        Err(error) => Err(error).context("cannot receive a datagram"),
    }
}

/// What one TCP stream carries from one namespace to an address in another during `time`, in bits a second.
pub fn tcp_throughput(
    client: &Namespace,
    server: &Namespace,
    address: IpAddr,
    time: Duration,
) -> Result<f64> {
    let listener = server
        .run(|| TcpListener::bind((address, 0)))
        .context("cannot listen")?;
    let to = listener.local_addr()?;
    tcp_throughput_through(client, listener, to, time)
}

/// The same, to a listener that the client reaches at another address.
pub fn tcp_throughput_through(
    client: &Namespace,
    listener: TcpListener,
    to: SocketAddr,
    time: Duration,
) -> Result<f64> {
    listener.set_nonblocking(true)?;
    let patience = Duration::from_secs(5);
    std::thread::scope(|scope| {
        let sink = scope.spawn(|| -> Result<(u64, Duration)> {
            let mut stream = accept_within(&listener, patience)?;
            stream.set_read_timeout(Some(patience))?;
            let start = Instant::now();
            let bytes = count_bytes(&mut stream)?;
            Ok((bytes, start.elapsed()))
        });
        client.run(|| -> Result<()> {
            let mut stream = TcpStream::connect_timeout(&to, patience).context("cannot connect")?;
            stream.set_write_timeout(Some(patience))?;
            let chunk = vec![0x5a; CHUNK_BYTES];
            let start = Instant::now();
            while start.elapsed() < time {
                stream.write_all(&chunk).context("the stream stalls")?;
            }
            Ok(())
        })?;
        let (bytes, took) = sink
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(bytes as f64 * 8.0 / took.as_secs_f64().max(f64::EPSILON))
    })
}

fn count_bytes(stream: &mut TcpStream) -> Result<u64> {
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer).context("the stream stalls")? {
            0 => return Ok(total),
            count => total += count as u64,
        }
    }
}

/// Waits for a connection on a non-blocking listener.
fn accept_within(listener: &TcpListener, limit: Duration) -> Result<TcpStream> {
    let deadline = Instant::now() + limit;
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(limit))?;
                return Ok(stream);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Err(error) => return Err(error).context("nobody connected"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_a_packet_with_its_checksum_is_zero() {
        let packet = echo_request("192.0.2.1".parse().unwrap(), 7, 33);
        assert_eq!(checksum(&packet), 0);
    }

    #[test]
    fn only_the_reply_with_our_identifier_is_ours() {
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        let reply = [129, 0, 0, 0, 0x12, 0x34, 0, 1];
        assert!(is_reply(v6, 0x1234, &reply));
        assert!(!is_reply(v6, 0x1235, &reply));
        assert!(!is_reply(v6, 0x1234, &[128, 0, 0, 0, 0x12, 0x34]));
        assert!(!is_reply("192.0.2.1".parse().unwrap(), 0x1234, &[]));
    }
}
