//! Frames as text: one line says what a frame is, briefly enough to be read in a list of them.
//!
//! ```text
//! tcp a>b 10.0.0.1:4000>10.0.0.2:80 SA seq 1 ack 101 ttl 63 "data"
//! icmp r>a 10.0.0.254>10.0.0.1 type 3 code 3 {udp 10.0.0.1:4000>10.0.0.2:53}
//! udp a>b 10.0.0.1:4000>10.0.0.2:53 id 7 bytes 0..24 "sixteen bytes..."
//! nd a>33:33:ff:00:00:02 fd00::1>ff02::1:ff00:2 solicit fd00::2 lla a ttl 255
//! arp a>* 10.0.0.1>10.0.0.2 request sha a
//! ```
//!
//! A station is named where its MAC address has a name. What has its usual value is left out: a TTL of 64, sequence
//! numbers of 0, a window of 65535. `fill 1000` is a payload of so many digits, counting up. The encoding is written here from the RFCs, apart from the product's own, which
//! must not judge itself.

mod build;
mod checksum;
mod read;
mod text;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;

pub use build::build;
pub use read::read;

/// Names of MAC addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names(BTreeMap<String, [u8; 6]>);

impl Names {
    /// Gives a name to an address.
    pub fn add(&mut self, name: &str, mac: [u8; 6]) {
        self.0.insert(name.to_owned(), mac);
    }

    /// The address that a text names or spells; `*` is everybody's.
    fn mac(&self, text: &str) -> Option<[u8; 6]> {
        if text == "*" {
            return Some([0xff; 6]);
        }
        let spelled = || {
            let bytes: Option<Vec<u8>> = text
                .split(':')
                .map(|part| u8::from_str_radix(part, 16).ok())
                .collect();
            bytes?.try_into().ok()
        };
        self.0.get(text).copied().or_else(spelled)
    }

    fn name(&self, mac: [u8; 6]) -> String {
        if mac == [0xff; 6] {
            return "*".to_owned();
        }
        let named = self.0.iter().find(|(_, known)| **known == mac);
        named.map_or_else(
            || mac.map(|byte| format!("{byte:02x}")).join(":"),
            |(name, _)| name.clone(),
        )
    }
}

/// What a frame is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// `tcp`, `udp`, `sctp`, `icmp`, `nd`, `arp`, `ip` for other protocols, `eth` for other EtherTypes.
    pub kind: String,
    /// Source and destination, by name; absent in a quoted packet.
    pub stations: Option<(String, String)>,
    /// Source and destination address and port, where there are any.
    pub ends: Option<(End, End)>,
    /// A word that says the rest of the kind: TCP's flags, a chunk of SCTP, `echo`, `request`.
    pub verb: String,
    /// Everything else that has not its usual value.
    pub options: BTreeMap<String, String>,
    /// Which bytes of the IP payload are in it, if it is a fragment.
    pub bytes: Option<Range<u16>>,
    /// What it carries.
    pub payload: String,
    /// What an ICMP error quotes.
    pub about: Option<Box<Frame>>,
}

/// An address, with a port where the protocol has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The address.
    pub ip: IpAddr,
    /// The port.
    pub port: Option<u16>,
}

/// What can be said by a word and a value, in the order in which it is written, with the usual value.
const OPTIONS: [(&str, &str); 19] = [
    ("vlan", ""),
    ("sha", ""),
    ("tha", ""),
    ("lla", ""),
    ("router", ""),
    ("type", ""),
    ("code", ""),
    ("mtu", "0"),
    ("proto", ""),
    ("id", "0"),
    ("seq", "0"),
    ("ack", "0"),
    ("win", "65535"),
    ("tag", "0"),
    ("initiate", "0"),
    ("tos", "0"),
    ("ttl", "64"),
    ("sum", "good"),
    ("fill", "0"),
];

/// The names of TCP's flags, from bit 0.
const TCP_FLAGS: &str = "FSRPAUEC";

/// The chunks of SCTP that are known by name (RFC 9260 section 3.2).
const CHUNKS: [(&str, u8); 10] = [
    ("data", 0),
    ("init", 1),
    ("init-ack", 2),
    ("heartbeat", 4),
    ("abort", 6),
    ("shutdown", 7),
    ("shutdown-ack", 8),
    ("cookie-echo", 10),
    ("cookie-ack", 11),
    ("shutdown-complete", 14),
];

/// Numbers of the protocols that are known by name; ICMPv6 shares its name with ICMP.
const PROTOCOLS: [(&str, u8); 5] = [
    ("icmp", 1),
    ("tcp", 6),
    ("udp", 17),
    ("icmp", 58),
    ("sctp", 132),
];

impl Frame {
    /// The value of an option, or its usual one.
    fn option(&self, name: &str) -> &str {
        let usual = OPTIONS.iter().find(|(known, _)| *known == name);
        let usual = usual.map_or("", |(_, usual)| usual);
        self.options.get(name).map_or(usual, String::as_str)
    }

    /// Sets an option, unless that is its usual value.
    fn set(&mut self, name: &str, value: impl ToString) {
        let value = value.to_string();
        let is_usual = self.option(name) == value;
        if !is_usual {
            self.options.insert(name.to_owned(), value);
        }
    }
}
