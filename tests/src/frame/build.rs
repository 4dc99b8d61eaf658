//! The bytes of a frame that is given as text.

use std::net::{IpAddr, Ipv6Addr};

use anyhow::{Context, Result, bail};

use super::checksum::{crc32c, internet, octets, pseudo_header};
use super::{CHUNKS, Frame, Names, PROTOCOLS, TCP_FLAGS};

/// The frame's bytes.
pub fn build(frame: &Frame, names: &Names) -> Result<Vec<u8>> {
    let mac = |name: &str| {
        names
            .mac(name)
            .with_context(|| format!("{name} is no station"))
    };
    let (from, to) = frame.stations.as_ref().context("a frame goes somewhere")?;
    let mut bytes = [mac(to)?, mac(from)?].concat();
    if let Some(tag) = frame.options.get("vlan") {
        bytes.extend([0x81, 0x00]);
        bytes.extend(tag.parse::<u16>()?.to_be_bytes());
    }
    let (ether_type, packet) = match frame.kind.as_str() {
        "arp" => (0x0806, arp(frame, names)?),
        "eth" => (
            number(frame, "type")? as u16,
            frame.payload.as_bytes().to_vec(),
        ),
        _ => ip(frame, names)?,
    };
    bytes.extend(ether_type.to_be_bytes());
    bytes.extend(packet);
    Ok(bytes)
}

fn number(frame: &Frame, name: &str) -> Result<u32> {
    let text = frame.option(name);
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.with_context(|| format!("{name} is a number, not {text:?}"))
}

/// What the frame carries: its text, or digits.
fn payload(frame: &Frame) -> Result<Vec<u8>> {
    let digits = (b'0'..=b'9').cycle();
    Ok(match number(frame, "fill")? {
        0 => frame.payload.as_bytes().to_vec(),
        count => digits.take(count as usize).collect(),
    })
}

fn arp(frame: &Frame, names: &Names) -> Result<Vec<u8>> {
    let (from, to) = frame
        .ends
        .context("ARP has a sender's and a target's address")?;
    let mac = |option: &str| names.mac(frame.option(option)).unwrap_or_default();
    let operation = match frame.verb.as_str() {
        "request" => 1,
        "reply" => 2,
        other => bail!("ARP does not {other:?}"),
    };
    let mut bytes = vec![0, 1, 8, 0, 6, 4, 0, operation];
    bytes.extend(mac("sha"));
    bytes.extend(octets(from.ip));
    bytes.extend(mac("tha"));
    bytes.extend(octets(to.ip));
    Ok(bytes)
}

/// An IP packet, or the fragment of it that is asked for, and its EtherType.
fn ip(frame: &Frame, names: &Names) -> Result<(u16, Vec<u8>)> {
    let (from, to) = frame.ends.context("IP has addresses")?;
    let (src, dst) = (from.ip, to.ip);
    let protocol = match PROTOCOLS
        .iter()
        .rfind(|(name, number)| *name == frame.kind && (*number != 58 || src.is_ipv6()))
    {
        Some((_, number)) => *number,
        None if frame.kind == "nd" => 58,
        None => number(frame, "proto")? as u8,
    };
    let whole = transport(frame, names, protocol)?;
    let range = frame
        .bytes
        .as_ref()
        .map_or(0..whole.len(), |bytes| bytes.start.into()..bytes.end.into());
    let is_last = range.end >= whole.len();
    let payload = whole
        .get(range.clone())
        .context("the packet has not so many bytes")?;
    let fragment = frame
        .bytes
        .is_some()
        .then_some((range.start as u16, !is_last));
    let header = match (src, dst) {
        (IpAddr::V4(_), IpAddr::V4(_)) => ipv4(frame, protocol, payload.len(), fragment)?,
        (IpAddr::V6(_), IpAddr::V6(_)) => ipv6(frame, protocol, payload.len(), fragment)?,
        _ => bail!("source and destination are of one family"),
    };
    let ether_type = if src.is_ipv6() { 0x86dd } else { 0x0800 };
    Ok((ether_type, [&header, payload].concat()))
}

/// The header before `length` bytes, of the fragment that starts at a byte and may have others behind it.
fn ipv4(
    frame: &Frame,
    protocol: u8,
    length: usize,
    fragment: Option<(u16, bool)>,
) -> Result<Vec<u8>> {
    let (start, more) = fragment.unwrap_or_default();
    let id = if fragment.is_some() {
        number(frame, "id")? as u16
    } else {
        0
    };
    let (from, to) = frame.ends.context("IP has addresses")?;
    let mut header = vec![0x45, number(frame, "tos")? as u8];
    header.extend((20 + length as u16).to_be_bytes());
    header.extend(id.to_be_bytes());
    header.extend(((u16::from(more) << 13) | (start / 8)).to_be_bytes());
    header.extend([number(frame, "ttl")? as u8, protocol, 0, 0]);
    header.extend([octets(from.ip), octets(to.ip)].concat());
    let sum = internet(&[&header]);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    Ok(header)
}

fn ipv6(
    frame: &Frame,
    protocol: u8,
    length: usize,
    fragment: Option<(u16, bool)>,
) -> Result<Vec<u8>> {
    const FRAGMENT: u8 = 44;
    let class = number(frame, "tos")?;
    let mut header = (6 << 28 | class << 20).to_be_bytes().to_vec();
    let extension = if fragment.is_some() { 8 } else { 0 };
    header.extend((length as u16 + extension).to_be_bytes());
    let next = if fragment.is_some() {
        FRAGMENT
    } else {
        protocol
    };
    header.extend([next, number(frame, "ttl")? as u8]);
    let (from, to) = frame.ends.context("IP has addresses")?;
    header.extend([octets(from.ip), octets(to.ip)].concat());
    if let Some((start, more)) = fragment {
        header.extend([protocol, 0]);
        header.extend((start | u16::from(more)).to_be_bytes());
        header.extend(number(frame, "id")?.to_be_bytes());
    }
    Ok(header)
}

fn transport(frame: &Frame, names: &Names, protocol: u8) -> Result<Vec<u8>> {
    let (from, to) = frame.ends.context("IP has addresses")?;
    let ports = [from.port.unwrap_or(0), to.port.unwrap_or(0)].map(u16::to_be_bytes);
    let mut bytes = ports.concat();
    let sum_at = match frame.kind.as_str() {
        "tcp" => {
            bytes.extend(tcp(frame)?);
            Some(16)
        }
        "udp" => {
            bytes.extend((8 + payload(frame)?.len() as u16).to_be_bytes());
            bytes.extend([0, 0]);
            Some(6)
        }
        "sctp" => return sctp(frame, bytes),
        "icmp" => {
            bytes = icmp(frame, names)?;
            Some(2)
        }
        "nd" => {
            bytes = discovery(frame, names)?;
            Some(2)
        }
        _ => {
            bytes.clear();
            None
        }
    };
    bytes.extend(payload(frame)?);
    if let Some(at) = sum_at {
        let pseudo = match protocol {
            1 => Vec::new(),
            _ => pseudo_header(from.ip, to.ip, protocol, bytes.len()),
        };
        let mut sum = internet(&[&pseudo, &bytes]);
        if frame.option("sum") == "bad" {
            sum ^= 0x5555;
        }
        bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }
    Ok(bytes)
}

/// TCP's header after the ports, without its checksum.
fn tcp(frame: &Frame) -> Result<Vec<u8>> {
    let mut flags = 0u8;
    for letter in frame.verb.chars() {
        let bit = TCP_FLAGS
            .find(letter)
            .with_context(|| format!("{letter} is no flag"))?;
        flags |= 1 << bit;
    }
    let mut bytes = number(frame, "seq")?.to_be_bytes().to_vec();
    bytes.extend(number(frame, "ack")?.to_be_bytes());
    bytes.extend([0x50, flags]);
    bytes.extend((number(frame, "win")? as u16).to_be_bytes());
    bytes.extend([0; 4]);
    Ok(bytes)
}

/// An SCTP packet of one chunk, after its ports.
fn sctp(frame: &Frame, mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    bytes.extend(number(frame, "tag")?.to_be_bytes());
    bytes.extend([0; 4]);
    let chunk = CHUNKS.iter().find(|(name, _)| *name == frame.verb);
    let (_, chunk) = chunk.with_context(|| format!("{:?} is no chunk", frame.verb))?;
    let body = match frame.verb.as_str() {
        "init" | "init-ack" => {
            let mut body = number(frame, "initiate")?.to_be_bytes().to_vec();
            // A window of 64 KiB, one stream each way, a first TSN.
            body.extend([0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1]);
            body
        }
        "data" => [&[0u8; 12], frame.payload.as_bytes()].concat(),
        _ => frame.payload.as_bytes().to_vec(),
    };
    bytes.extend([*chunk, 0]);
    bytes.extend((4 + body.len() as u16).to_be_bytes());
    bytes.extend(body);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    let mut sum = crc32c(&bytes);
    if frame.option("sum") == "bad" {
        sum ^= 0x5555;
    }
    bytes[8..12].copy_from_slice(&sum.to_le_bytes());
    Ok(bytes)
}

/// An ICMP or ICMPv6 message without its payload and checksum.
fn icmp(frame: &Frame, names: &Names) -> Result<Vec<u8>> {
    let is_ipv6 = frame.ends.is_some_and(|(from, _)| from.ip.is_ipv6());
    let echo = |kind: u8| -> Result<Vec<u8>> {
        let id = number(frame, "id")? as u16;
        let seq = number(frame, "seq")? as u16;
        let numbers = [id.to_be_bytes(), seq.to_be_bytes()].concat();
        Ok([&[kind, 0, 0, 0], numbers.as_slice()].concat())
    };
    match (frame.verb.as_str(), is_ipv6) {
        ("echo", false) => return echo(8),
        ("echo-reply", false) => return echo(0),
        ("echo", true) => return echo(128),
        ("echo-reply", true) => return echo(129),
        _ => {}
    }
    let mut bytes = vec![
        number(frame, "type")? as u8,
        number(frame, "code")? as u8,
        0,
        0,
    ];
    bytes.extend(number(frame, "mtu")?.to_be_bytes());
    if let Some(about) = &frame.about {
        bytes.extend(ip(about, names)?.1);
    }
    Ok(bytes)
}

/// A neighbour solicitation or advertisement (RFC 4861 sections 4.3, 4.4).
fn discovery(frame: &Frame, names: &Names) -> Result<Vec<u8>> {
    let (verb, target) = frame
        .verb
        .split_once(' ')
        .context("nd solicit or advertise WHOM")?;
    let target: Ipv6Addr = target.parse().context("nd speaks of an IPv6 address")?;
    let (kind, option, flags) = match verb {
        "solicit" => (135, 1, 0),
        "advertise" if frame.options.contains_key("router") => (136, 2, 0xe0),
        "advertise" => (136, 2, 0x60),
        other => bail!("nd does not {other:?}"),
    };
    let mut bytes = vec![kind, 0, 0, 0, flags, 0, 0, 0];
    bytes.extend(target.octets());
    if let Some(mac) = names.mac(frame.option("lla")) {
        bytes.extend([option, 1]);
        bytes.extend(mac);
    }
    Ok(bytes)
}
