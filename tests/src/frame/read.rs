//! The text of a frame that came out somewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::checksum::{crc32c, internet, pseudo_header};
use super::{CHUNKS, End, Frame, Names, PROTOCOLS, TCP_FLAGS};

/// Says what a frame is. What cannot be read is said by its bytes.
pub fn read(bytes: &[u8], names: &Names) -> Frame {
    frame(bytes, names).unwrap_or_else(|| {
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        Frame::of("unreadable", &text)
    })
}

impl Frame {
    fn of(kind: &str, verb: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            stations: None,
            ends: None,
            verb: verb.to_owned(),
            options: Default::default(),
            bytes: None,
            payload: String::new(),
            about: None,
        }
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn mac_at(bytes: &[u8], at: usize) -> Option<[u8; 6]> {
    bytes.get(at..at + 6)?.try_into().ok()
}

fn ipv4_at(bytes: &[u8], at: usize) -> Option<IpAddr> {
    let octets: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(octets).into())
}

fn ipv6_at(bytes: &[u8], at: usize) -> Option<IpAddr> {
    let octets: [u8; 16] = bytes.get(at..at + 16)?.try_into().ok()?;
    Some(Ipv6Addr::from(octets).into())
}

impl Frame {
    /// Notes what the frame carries: text where it is printable and dots, or the count of the digits that fill it.
    fn set_payload(&mut self, bytes: &[u8]) {
        const LONG: usize = 64;
        let follows = |pair: &[u8]| pair[1] == if pair[0] == b'9' { b'0' } else { pair[0] + 1 };
        let is_fill =
            bytes.len() > LONG && bytes[0].is_ascii_digit() && bytes.windows(2).all(follows);
        if is_fill {
            self.set("fill", bytes.len());
            return;
        }
        let is_plain =
            |byte: u8| (byte.is_ascii_graphic() || byte == b' ') && !b"\"{}".contains(&byte);
        let letter = |byte: &u8| {
            if is_plain(*byte) {
                char::from(*byte)
            } else {
                '.'
            }
        };
        self.payload = bytes.iter().map(letter).collect();
    }
}

fn frame(bytes: &[u8], names: &Names) -> Option<Frame> {
    let stations = (names.name(mac_at(bytes, 6)?), names.name(mac_at(bytes, 0)?));
    let (tag, start) = match u16_at(bytes, 12)? {
        0x8100 => (Some(u16_at(bytes, 14)?), 16),
        _ => (None, 12),
    };
    let packet = bytes.get(start + 2..)?;
    let mut frame = match u16_at(bytes, start)? {
        0x0806 => arp(packet, names)?,
        0x0800 | 0x86dd => ip(packet, names, true)?,
        other => {
            let mut frame = Frame::of("eth", "");
            frame.set("type", format!("{other:#06x}"));
            frame.set_payload(packet);
            frame
        }
    };
    frame.stations = Some(stations);
    if let Some(tag) = tag {
        frame.set("vlan", tag);
    }
    Some(frame)
}

fn arp(bytes: &[u8], names: &Names) -> Option<Frame> {
    let mut frame = Frame::of("arp", "");
    frame.verb = match u16_at(bytes, 6)? {
        1 => "request".to_owned(),
        2 => "reply".to_owned(),
        other => format!("operation-{other}"),
    };
    let end = |at| {
        Some(End {
            ip: ipv4_at(bytes, at)?,
            port: None,
        })
    };
    frame.ends = Some((end(14)?, end(24)?));
    frame.set("sha", names.name(mac_at(bytes, 8)?));
    let target = mac_at(bytes, 18)?;
    if target != [0; 6] {
        frame.set("tha", names.name(target));
    }
    Some(frame)
}

/// What an IP header says of its packet.
struct Header {
    ends: (IpAddr, IpAddr),
    protocol: u8,
    /// Where the payload starts and ends.
    payload: (usize, usize),
    /// Identification, first byte, and whether more follow.
    fragment: Option<(u32, u16, bool)>,
    is_sound: bool,
}

/// An IP packet; a quoted one may be cut short.
fn ip(bytes: &[u8], names: &Names, is_whole: bool) -> Option<Frame> {
    let header = match bytes.first()? >> 4 {
        4 => ipv4(bytes)?,
        6 => ipv6(bytes)?,
        _ => return None,
    };
    let (start, end) = header.payload;
    let payload = match is_whole {
        true => bytes.get(start..end)?,
        false => bytes.get(start..end.min(bytes.len()))?,
    };
    let is_cut = !is_whole || header.fragment.is_some();
    let mut frame = match header.fragment {
        Some((_, first, _)) if first > 0 => other(header.protocol, payload),
        _ => transport(&header, payload, names, is_cut)
            .unwrap_or_else(|| other(header.protocol, payload)),
    };
    if !is_whole {
        // How much is quoted is the quoter's choice.
        frame.payload.clear();
        frame.options.remove("fill");
    }
    let ports = frame.ends.map(|(from, to)| (from.port, to.port));
    let (from, to) = ports.unwrap_or_default();
    let end = |ip, port| End { ip, port };
    frame.ends = Some((end(header.ends.0, from), end(header.ends.1, to)));
    let (tos, ttl) = match header.ends.0 {
        IpAddr::V4(_) => (bytes[1], bytes[8]),
        IpAddr::V6(_) => ((u16_at(bytes, 0)? >> 4) as u8, bytes[7]),
    };
    frame.set("tos", tos);
    frame.set("ttl", ttl);
    if let Some((id, first, _)) = header.fragment {
        frame.set("id", id);
        frame.bytes = Some(first..first + payload.len() as u16);
    }
    if !header.is_sound {
        frame.set("sum", "bad-header");
    }
    Some(frame)
}

fn ipv4(bytes: &[u8]) -> Option<Header> {
    let length = usize::from(bytes[0] & 0xf) * 4;
    let header = bytes.get(..length)?;
    let flags = u16_at(bytes, 6)?;
    let (more, start) = (flags & 0x2000 != 0, (flags & 0x1fff) * 8);
    let id = u16_at(bytes, 4)?;
    Some(Header {
        ends: (ipv4_at(bytes, 12)?, ipv4_at(bytes, 16)?),
        protocol: *bytes.get(9)?,
        payload: (length, u16_at(bytes, 2)?.into()),
        fragment: (more || start > 0).then_some((id.into(), start, more)),
        is_sound: internet(&[header]) == 0,
    })
}

fn ipv6(bytes: &[u8]) -> Option<Header> {
    const FRAGMENT: u8 = 44;
    let end = 40 + usize::from(u16_at(bytes, 4)?);
    let next = *bytes.get(6)?;
    let (protocol, start, fragment) = if next == FRAGMENT {
        let offset = u16_at(bytes, 42)?;
        let fragment = (u32_at(bytes, 44)?, offset & !7, offset & 1 != 0);
        (*bytes.get(40)?, 48, Some(fragment))
    } else {
        (next, 40, None)
    };
    Some(Header {
        ends: (ipv6_at(bytes, 8)?, ipv6_at(bytes, 24)?),
        protocol,
        payload: (start, end),
        fragment,
        is_sound: true,
    })
}

fn other(protocol: u8, payload: &[u8]) -> Frame {
    let mut frame = Frame::of("ip", "");
    frame.set("proto", protocol);
    frame.set_payload(payload);
    frame
}

/// The layer above IP; the ends have their ports only.
fn transport(header: &Header, bytes: &[u8], names: &Names, is_cut: bool) -> Option<Frame> {
    let (kind, _) = PROTOCOLS
        .iter()
        .find(|(_, number)| *number == header.protocol)?;
    let mut frame = Frame::of(kind, "");
    let end = |at| {
        let port = u16_at(bytes, at);
        port.map(|port| End {
            ip: header.ends.0,
            port: Some(port),
        })
    };
    if *kind != "icmp" {
        frame.ends = Some((end(0)?, end(2)?));
    }
    match *kind {
        "tcp" => tcp(&mut frame, bytes, is_cut)?,
        "udp" => frame.set_payload(bytes.get(8..)?),
        "sctp" => sctp(&mut frame, bytes, is_cut)?,
        _ => icmp(&mut frame, bytes, header.ends.0.is_ipv6(), names)?,
    }
    let pseudo = match header.protocol {
        1 => Vec::new(),
        number => pseudo_header(header.ends.0, header.ends.1, number, bytes.len()),
    };
    let is_summed = !(*kind == "udp" && u16_at(bytes, 6)? == 0);
    if *kind != "sctp" && !is_cut && is_summed && internet(&[&pseudo, bytes]) != 0 {
        frame.set("sum", "bad");
    }
    Some(frame)
}

fn tcp(frame: &mut Frame, bytes: &[u8], is_cut: bool) -> Option<()> {
    frame.set("seq", u32_at(bytes, 4)?);
    if is_cut && bytes.len() < 20 {
        return Some(());
    }
    frame.set("ack", u32_at(bytes, 8)?);
    let flags = bytes[13];
    let names = TCP_FLAGS.chars().enumerate();
    let set = names.filter(|(bit, _)| flags >> bit & 1 == 1);
    frame.verb = set.map(|(_, name)| name).collect();
    frame.set("win", u16_at(bytes, 14)?);
    frame.set_payload(bytes.get(usize::from(bytes[12] >> 4) * 4..)?);
    Some(())
}

fn sctp(frame: &mut Frame, bytes: &[u8], is_cut: bool) -> Option<()> {
    frame.set("tag", u32_at(bytes, 4)?);
    let Some(chunk) = bytes.get(12) else {
        return Some(());
    };
    let name = CHUNKS.iter().find(|(_, number)| number == chunk);
    frame.verb = name.map_or_else(|| format!("chunk-{chunk}"), |(name, _)| (*name).to_owned());
    if ["init", "init-ack"].contains(&frame.verb.as_str()) {
        frame.set("initiate", u32_at(bytes, 16).unwrap_or(0));
    }
    if frame.verb == "data" {
        let end = 12 + usize::from(u16_at(bytes, 14)?);
        frame.set_payload(bytes.get(28..end).unwrap_or_default());
    }
    let mut blank = bytes.to_vec();
    blank.get_mut(8..12)?.fill(0);
    if !is_cut && crc32c(&blank).to_le_bytes() != bytes[8..12] {
        frame.set("sum", "bad");
    }
    Some(())
}

fn icmp(frame: &mut Frame, bytes: &[u8], is_ipv6: bool, names: &Names) -> Option<()> {
    let (kind, code) = (*bytes.first()?, *bytes.get(1)?);
    let echo = match (kind, is_ipv6) {
        (8, false) | (128, true) => Some("echo"),
        (0, false) | (129, true) => Some("echo-reply"),
        _ => None,
    };
    if let Some(verb) = echo {
        frame.verb = verb.to_owned();
        frame.set("id", u16_at(bytes, 4)?);
        frame.set("seq", u16_at(bytes, 6)?);
        frame.set_payload(bytes.get(8..)?);
        return Some(());
    }
    if is_ipv6 && [135, 136].contains(&kind) && bytes.len() >= 24 {
        return discovery(frame, bytes, names);
    }
    frame.set("type", kind);
    frame.set("code", code);
    frame.set("mtu", u32_at(bytes, 4)?);
    let is_error = if is_ipv6 {
        kind < 128
    } else {
        [3, 4, 5, 11, 12].contains(&kind)
    };
    match ip(bytes.get(8..)?, names, false).filter(|_| is_error) {
        Some(about) => frame.about = Some(Box::new(about)),
        None => frame.set_payload(bytes.get(8..)?),
    }
    Some(())
}

fn discovery(frame: &mut Frame, bytes: &[u8], names: &Names) -> Option<()> {
    let verb = if bytes[0] == 135 {
        "solicit"
    } else {
        "advertise"
    };
    frame.kind = "nd".to_owned();
    frame.verb = format!("{verb} {}", ipv6_at(bytes, 8)?);
    if bytes[4] & 0x80 != 0 {
        frame.set("router", "yes");
    }
    if bytes.len() >= 32 {
        frame.set("lla", names.name(mac_at(bytes, 26)?));
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::build;

    #[test]
    fn a_line_is_read_back_from_the_bytes_that_it_makes() -> anyhow::Result<()> {
        let mut names = Names::default();
        names.add("a", [2, 0, 0, 0, 0, 1]);
        names.add("b", [2, 0, 0, 0, 0, 2]);
        for line in [
            "tcp a>b 10.0.0.1:4000>10.0.0.2:80 SA seq 1 ack 101 win 100 ttl 63 \"data\"",
            "tcp a>b [fd00::1]:4000>[fd00::2]:80 R tos 16 sum bad",
            "udp a>* 10.0.0.1:4000>10.0.0.2:53 vlan 5 \"odd\"",
            "sctp a>b 10.0.0.1:1>10.0.0.2:2 init initiate 5",
            "sctp a>b [fd00::1]:1>[fd00::2]:2 data tag 5 \"four\"",
            "sctp a>b 10.0.0.1:1>10.0.0.2:2 abort tag 5 sum bad",
            "icmp a>b 10.0.0.1>10.0.0.2 echo id 3 seq 4 \"ping\"",
            "icmp a>b fd00::1>fd00::2 echo-reply id 3",
            "icmp a>b 10.0.0.9>10.0.0.2 type 3 code 4 mtu 1400 {udp 10.0.0.2:1>10.0.0.3:2 ttl 9}",
            "icmp a>b fd00::9>fd00::2 type 1 code 4 {tcp [fd00::2]:1>[fd00::3]:2 S seq 5}",
            "nd a>33:33:ff:00:00:02 fd00::1>ff02::1:ff00:2 solicit fd00::2 lla a ttl 255",
            "nd b>a fd00::2>fd00::1 advertise fd00::2 lla b router yes ttl 255",
            "arp a>* 10.0.0.1>10.0.0.2 request sha a",
            "arp b>a 10.0.0.2>10.0.0.1 reply sha b tha a",
            "ip a>b 10.0.0.1>10.0.0.2 proto 47 \"inner\"",
            "eth a>b type 0x88b5 \"x\"",
        ] {
            let frame: Frame = line.parse()?;
            assert_eq!(frame.to_string(), line);
            let bytes = build(&frame, &names)?;
            let back = read(&bytes, &names).to_string();
            assert_eq!(back, line);
        }
        Ok(())
    }

    #[test]
    fn a_fragment_shows_what_is_in_it() -> anyhow::Result<()> {
        let names = Names::default();
        let whole = "udp 02:00:00:00:00:01>* 10.0.0.1:1>10.0.0.2:2 id 7";
        let later = "ip 02:00:00:00:00:01>* 10.0.0.1>10.0.0.2 proto 17 id 7";
        for (range, expected) in [
            ("bytes 0..16", format!("{whole} bytes 0..16 \"12345678\"")),
            ("bytes 16..20", format!("{later} bytes 16..20 \"9abc\"")),
        ] {
            let frame = format!("{whole} {range} \"123456789abc\"").parse()?;
            assert_eq!(read(&build(&frame, &names)?, &names).to_string(), expected);
        }
        Ok(())
    }
}
