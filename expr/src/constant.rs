//! Integer constants: numbers and addresses, with an optional mask, up to 128 bits.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use packet::Mac;

/// How a constant was written, and is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Notation {
    /// `80`
    Decimal,
    /// `0x50`
    Hexadecimal,
    /// `10.0.0.1`
    Ipv4,
    /// `fd00::1`
    Ipv6,
    /// `0a:58:0a:f4:00:01`
    Ethernet,
}

/// An integer constant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Constant {
    /// Its value; no bit is set that the mask has not.
    pub value: u128,
    /// The bits that count; all if there is none.
    pub mask: Option<u128>,
    /// How it was written.
    pub notation: Notation,
}

impl Constant {
    pub(crate) const fn decimal(value: u128) -> Constant {
        Constant {
            value,
            mask: None,
            notation: Notation::Decimal,
        }
    }

    /// Reads a constant without a mask. The error says what is wrong with it.
    pub(crate) fn parse_unmasked(text: &str) -> Result<Constant, &'static str> {
        let (value, notation) = if text.len() == 17
            && let Ok(mac) = text.parse::<Mac>()
        {
            let [a, b, c, d, e, f] = mac.0;
            let value = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
            (value.into(), Notation::Ethernet)
        } else if text.bytes().all(|byte| byte.is_ascii_digit()) {
            (parse_decimal(text)?, Notation::Decimal)
        } else if let Some(digits) = text.strip_prefix("0x").or(text.strip_prefix("0X")) {
            (parse_hexadecimal(digits)?, Notation::Hexadecimal)
        } else if let Ok(ip) = text.parse::<Ipv4Addr>() {
            (u32::from(ip).into(), Notation::Ipv4)
        } else if let Ok(ip) = text.parse::<Ipv6Addr>() {
            (ip.into(), Notation::Ipv6)
        } else {
            return Err("invalid numeric constant");
        };
        Ok(Constant {
            value,
            mask: None,
            notation,
        })
    }

    /// This constant under a mask. Bits outside the mask are cleared.
    pub(crate) fn masked(self, mask: Constant) -> Result<Constant, &'static str> {
        use Notation::*;
        let bits = mask.value;
        let (mask, notation) = match (self.notation, mask.notation) {
            (value, mask) if value == mask => (bits, value),
            (Ipv4, Decimal) if bits <= 32 => (prefix_mask(32, bits as u32), Ipv4),
            (Ipv6, Decimal) if bits <= 128 => (prefix_mask(128, bits as u32), Ipv6),
            (Decimal, Hexadecimal) if self.value == 0 => (bits, Hexadecimal),
            _ => return Err("value and mask have incompatible formats"),
        };
        Ok(Constant {
            value: self.value & mask,
            mask: Some(mask),
            notation,
        })
    }

    /// The least width of a field that the constant can be compared with, in bits.
    pub fn width(&self) -> u32 {
        match (self.mask, self.notation) {
            (Some(mask), _) => u128::BITS - mask.leading_zeros(),
            (None, Notation::Decimal | Notation::Hexadecimal) => {
                u128::BITS - self.value.leading_zeros()
            }
            (None, Notation::Ipv4) => 32,
            (None, Notation::Ipv6) => 128,
            (None, Notation::Ethernet) => 48,
        }
    }
}

impl From<IpAddr> for Constant {
    /// The address of a host, without a mask.
    fn from(address: IpAddr) -> Constant {
        let (value, notation) = match address {
            IpAddr::V4(ip) => (u32::from(ip).into(), Notation::Ipv4),
            IpAddr::V6(ip) => (ip.into(), Notation::Ipv6),
        };
        Constant {
            value,
            mask: None,
            notation,
        }
    }
}

fn parse_decimal(text: &str) -> Result<u128, &'static str> {
    if text.len() > 1 && text.starts_with('0') {
        return Err("decimal constants must not have leading zeros");
    }
    text.parse::<u64>()
        .map(u128::from)
        .map_err(|_| "decimal constants must be less than 2**64")
}

fn parse_hexadecimal(digits: &str) -> Result<u128, &'static str> {
    if digits.is_empty() {
        return Err("hexadecimal digits expected after 0x");
    }
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("invalid digit in hexadecimal constant");
    }
    u128::from_str_radix(digits, 16).map_err(|_| "hexadecimal constant has more than 128 bits")
}

/// The mask of the `length` most significant of `width` bits.
fn prefix_mask(width: u32, length: u32) -> u128 {
    let host = width - length;
    let all = u128::MAX >> (128 - width);
    all & u128::MAX.checked_shl(host).unwrap_or(0)
}

impl fmt::Display for Constant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_value(f, self.value, self.notation)?;
        let Some(mask) = self.mask else {
            return Ok(());
        };
        f.write_str("/")?;
        let width = match self.notation {
            Notation::Ipv4 => 32,
            Notation::Ipv6 => 128,
            _ => return write_value(f, mask, self.notation),
        };
        match (0..=width).find(|&length| prefix_mask(width, length) == mask) {
            Some(length) => write!(f, "{length}"),
            None => write_value(f, mask, self.notation),
        }
    }
}

fn write_value(f: &mut fmt::Formatter<'_>, value: u128, notation: Notation) -> fmt::Result {
    match notation {
        Notation::Decimal => write!(f, "{value}"),
        Notation::Hexadecimal => write!(f, "{value:#x}"),
        Notation::Ipv4 => write!(f, "{}", Ipv4Addr::from(value as u32)),
        Notation::Ipv6 => write!(f, "{}", Ipv6Addr::from(value)),
        Notation::Ethernet => {
            let [.., a, b, c, d, e, g] = value.to_be_bytes();
            write!(f, "{}", Mac([a, b, c, d, e, g]))
        }
    }
}
